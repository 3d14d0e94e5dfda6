//! The part of a log line that the transport wrote: time, host, program, process id.
//!
//! [`header`] reads RFC 3164 (with and without year, priority or fraction), ISO 8601 and RFC 5424 headers, as
//! rsyslog, syslog-ng, BSD and Solaris daemons and Postfix's own `maillog_file` write them. What the text
//! says is for [`crate::formats`]. A [`Clock`] is made once per source; everything here is a function of the
//! line and the clock, so blocks can be parsed on any number of threads.

mod clock;
mod follow;
mod stamp;

use memchr::{memchr, memrchr};

use crate::event::Header;
pub use clock::{Cache, Clock, YearRule, nearest_year};
pub use follow::Follower;
use stamp::Minute;

/// How a line writes its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// `Nov 23 18:36:52 host tag[pid]: text`
    Rfc3164,
    /// `Nov 23 2026 18:36:52 host …`, `2026 Nov 23 18:36:52 host …`
    Rfc3164Year,
    /// `2026-11-23T18:36:52.681636+01:00 host tag[pid]: text`
    Iso8601,
    /// `Mon 2026-11-23 18:36:52 CET host …`, as `journalctl -o short-full` writes it
    ShortFull,
    /// `<22>1 2026-11-23T18:36:52.681636+01:00 host app pid msgid - text`
    Rfc5424,
}

/// Reads the header of one line; `None` when it has none, or a date that does not exist.
///
/// NULs before the time (left by a crash) and the line's end are not part of it. A line without a tag
/// (`last message repeated 2 times`) has an empty program.
pub fn header<'a>(line: &'a [u8], clock: &Clock, cache: &mut Cache) -> Option<Header<'a>> {
    let (version_1, rest) = priority(unframed(line));
    let (ts, len) = clock.read(rest, cache)?;
    let rest = rest.get(len..)?;
    Some(if version_1 {
        rfc5424(ts, rest)
    } else {
        rfc3164(ts, rest)
    })
}

/// Where the text of a line begins, behind time, host and program; 0 when it has no header.
pub fn text_start(line: &[u8]) -> usize {
    // Whatever the year, a time takes as many bytes.
    let rule = YearRule::From {
        year: 2024,
        month: 1,
        day: 1,
    };
    let clock = Clock::new(chrono_tz::Tz::UTC, rule);
    let Some(header) = header(line, &clock, &mut Cache::default()) else {
        return 0;
    };
    // The text is what the line ends with, but for the end of the line.
    let end = line.strip_suffix(b"\n").unwrap_or(line);
    let end = end.iter().rposition(|byte| *byte != b'\r');
    end.map_or(0, |last| (last + 1).saturating_sub(header.text.len()))
}

/// The layout of a line; `None` when it has no header.
pub fn layout(line: &[u8]) -> Option<Layout> {
    probe(line).map(|(layout, _)| layout)
}

/// The day that a line names: year (when it has one), month, day.
pub fn first_calendar_day(line: &[u8]) -> Option<(Option<i32>, u32, u32)> {
    probe(line).map(|(_, minute)| (minute.year, minute.month, minute.day))
}

/// Whether a line names its year; `None` when it has no header.
pub fn has_year(line: &[u8]) -> Option<bool> {
    probe(line).map(|(_, minute)| minute.year.is_some())
}

fn probe(line: &[u8]) -> Option<(Layout, Minute)> {
    let (version_1, rest) = priority(unframed(line));
    let minute = Minute::read(rest).filter(|minute| stamp::has_tail(rest, minute))?;
    Some((
        if version_1 {
            Layout::Rfc5424
        } else {
            minute.layout
        },
        minute,
    ))
}

/// The line without leading NULs and byte-order mark, and without its end.
fn unframed(line: &[u8]) -> &[u8] {
    let mut line = line.strip_suffix(b"\n").unwrap_or(line);
    while let [rest @ .., b'\r'] = line {
        line = rest;
    }
    while let [0, rest @ ..] = line {
        line = rest;
    }
    without_mark(line)
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Takes off `<22>`, and says whether the version of RFC 5424 follows.
fn priority(line: &[u8]) -> (bool, &[u8]) {
    let rest = match line {
        [b'<', rest @ ..] => rest,
        _ => return (false, line),
    };
    let digits = rest
        .iter()
        .take(4)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    match (digits, rest.get(digits..)) {
        (1..=3, Some([b'>', b'1', b' ', rest @ ..])) => (true, rest),
        (1..=3, Some([b'>', rest @ ..])) => (false, rest),
        _ => (false, line),
    }
}

fn blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// What lies before the next blank, and what lies after it.
fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b' ', bytes) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

/// HOST TAG TEXT, after the time.
fn rfc3164(ts: i64, rest: &[u8]) -> Header<'_> {
    let rest = severity(blanks(rest));
    let (host, after) = word(rest);
    // A daemon that was told to leave out the host, and not an address that ends in two colons.
    let (host, rest) = match host {
        [.., b':', b':'] => (host, blanks(after)),
        [.., b':'] => (&host[..0], rest),
        _ => (host, blanks(after)),
    };
    let (program, pid, text) = tag(rest);
    Header {
        ts,
        host,
        program,
        pid,
        text: blanks(text),
    }
}

/// Skips `<mail.info>`, which FreeBSD's syslogd writes after the time when told to (`-v`).
fn severity(rest: &[u8]) -> &[u8] {
    match rest {
        [b'<', ..] => match memchr(b'>', &rest[..rest.len().min(32)]) {
            Some(end) => blanks(&rest[end + 1..]),
            None => rest,
        },
        _ => rest,
    }
}

/// No program has a longer name; what is longer is text.
const MAX_TAG: usize = 128;

/// Program, process id and text of `tag[pid]: text`; the whole is text when there is no tag.
fn tag(rest: &[u8]) -> (&[u8], u32, &[u8]) {
    let (token, after) = word(rest);
    let split = match token {
        [name @ .., b':'] => Some((name, after)),
        [.., b']'] => Some((token, after)),
        _ => glued(token).map(|end| (&rest[..end], &rest[end + 1..])),
    };
    match split.and_then(|(name, text)| Some((program(name, token)?, text))) {
        Some(((program, pid), text)) => (program, pid, solaris(text)),
        None => (&rest[..0], 0, rest),
    }
}

/// Where the tag ends that has no blank after its colon: `su:'su root' failed`.
fn glued(token: &[u8]) -> Option<usize> {
    let end = memchr(b':', token)?;
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"._/-[]".contains(byte);
    (token[..end].iter().all(named) && token.get(end + 1) != Some(&b'/')).then_some(end)
}

/// Program and process id of `name[pid]`, `name[1\2]` or `name`; the last two need the colon.
fn program<'a>(name: &'a [u8], token: &[u8]) -> Option<(&'a [u8], u32)> {
    let (program, pid) = match name {
        [inner @ .., b']'] => {
            let open = memrchr(b'[', inner)?;
            let pid = number(&inner[open + 1..]);
            if pid.is_none() && token.len() == name.len() {
                return None;
            }
            (&inner[..open], pid)
        }
        _ => (name, None),
    };
    (!program.is_empty() && program.len() <= MAX_TAG).then_some((program, pid.unwrap_or(0)))
}

/// A decimal number that fits a process id.
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + u64::from(byte - b'0'))
    })?;
    u32::try_from(value).ok()
}

/// Skips `[ID 801593 mail.info] `, which Solaris writes after the tag.
fn solaris(text: &[u8]) -> &[u8] {
    let Some(rest) = blanks(text).strip_prefix(b"[ID ") else {
        return text;
    };
    let Some(end) = memchr(b']', &rest[..rest.len().min(48)]) else {
        return text;
    };
    let (id, facility) = word(&rest[..end]);
    if number(id).is_some() && facility.contains(&b'.') {
        &rest[end + 1..]
    } else {
        text
    }
}

/// HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG, after the time. `-` stands for "none".
fn rfc5424(ts: i64, rest: &[u8]) -> Header<'_> {
    let (host, rest) = word(rest.strip_prefix(b" ").unwrap_or(rest));
    let (program, rest) = word(rest);
    let (procid, rest) = word(rest);
    let (_msgid, rest) = word(rest);
    let text = without_mark(blanks(structured(rest)));
    Header {
        ts,
        host: or_none(host),
        program: or_none(program),
        pid: number(procid).unwrap_or(0),
        text: blanks(text),
    }
}

fn or_none(field: &[u8]) -> &[u8] {
    if field == b"-" { &[] } else { field }
}

/// What follows the structured data `-` or `[id name="value"]…`; all of it when that never closes.
fn structured(bytes: &[u8]) -> &[u8] {
    if let [b'-', rest @ ..] = bytes {
        return rest;
    }
    let mut rest = bytes;
    while let [b'[', inside @ ..] = rest {
        match element_end(inside) {
            Some(end) => rest = &inside[end..],
            None => return bytes,
        }
    }
    rest
}

/// Index after the `]` that closes an element: not one in quotes, where a backslash escapes.
fn element_end(inside: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (index, byte) in inside.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b']' if !quoted => return Some(index + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
