//! What the lines have in common: queue IDs, `name[ip]:port`, bracketed values, numbers.
//!
//! Everything here is one pass over its input or bounded by a constant.

use crate::event::Peer;
use memchr::{memchr, memmem};

/// Longest queue ID seen in the wild is 21 bytes; one more than a long one never is.
const LONGEST_ID: usize = 24;
/// Longest `name` of `name[ip]`: a domain name is at most 255 bytes, a socket path about 108.
const LONGEST_PEER: usize = 512;

const HEX: u8 = 1;
/// Digits and letters without vowels, as Postfix writes long queue IDs.
const BASE52: u8 = 2;
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if matches!(b, b'0'..=b'9' | b'A'..=b'F') {
            class[byte] |= HEX;
        }
        let vowel = matches!(b.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u');
        if b.is_ascii_alphanumeric() && !vowel {
            class[byte] |= BASE52;
        }
        byte += 1;
    }
    class
}

/// Whether this is written like a queue ID, short (hexadecimal) or long (base 52).
pub(super) fn is_queue_id(id: &[u8]) -> bool {
    if id.len() < 6 || id.len() > LONGEST_ID {
        return false;
    }
    let class = id
        .iter()
        .fold(HEX | BASE52, |class, b| class & CLASS[usize::from(*b)]);
    class & HEX != 0 || (class & BASE52 != 0 && id.len() >= 10)
}

/// Splits `ID: rest`.
pub(super) fn queue_id(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', head(text, LONGEST_ID + 1))?;
    let rest = text[colon + 1..].strip_prefix(b" ")?;
    is_queue_id(&text[..colon]).then_some((&text[..colon], rest))
}

/// The first `len` bytes, or all.
pub(super) fn head(text: &[u8], len: usize) -> &[u8] {
    &text[..text.len().min(len)]
}

/// Without leading blanks and the NULs that a torn write leaves behind.
pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| !matches!(b, b' ' | b'\t' | 0));
    &text[start.unwrap_or(text.len())..]
}

/// Without trailing blanks.
pub(super) fn trim_end(text: &[u8]) -> &[u8] {
    text.trim_ascii_end()
}

/// Whether `needle` occurs. For lines that are rare.
pub(super) fn has(text: &[u8], needle: &[u8]) -> bool {
    find(text, needle).is_some()
}

/// Where `needle` occurs first. For lines that are rare.
pub(super) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memmem::find(text, needle)
}

/// What stands before and after the first `needle`.
pub(super) fn split<'a>(text: &'a [u8], needle: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(text, needle)?;
    Some((&text[..at], &text[at + needle.len()..]))
}

/// The bytes up to the first blank, and the rest from there.
pub(super) fn word(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(memchr(b' ', text).unwrap_or(text.len()))
}

/// Without one pair of angle brackets.
pub(super) fn unbracket(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"<")
        .and_then(|v| v.strip_suffix(b">"))
        .unwrap_or(value)
}

/// Reads `name[ip]`, `name[ip]:port`, `[ip]:port` or `name[socket]`; what follows is handed back.
///
/// `[unknown]`, which Postfix writes when the client was gone before it could ask, is no address.
pub(super) fn peer(text: &[u8]) -> Option<(Peer<'_>, &[u8])> {
    let window = head(text, LONGEST_PEER);
    let open = memchr(b'[', window)?;
    let name = &text[..open];
    if memchr(b' ', name).is_some() {
        return None;
    }
    let close = open + memchr(b']', &window[open..])?;
    let inside = &text[open + 1..close];
    let (port, rest) = port(&text[close + 1..]);
    let mut peer = Peer {
        name,
        port,
        ..Peer::default()
    };
    match inside {
        b"unknown" => {}
        path if memchr(b'/', path).is_some() => peer.socket = path,
        ip => peer.ip = ip,
    }
    Some((peer, rest))
}

/// `:25` in front of the rest; `:unknown` is read over.
fn port(text: &[u8]) -> (u16, &[u8]) {
    let Some(after) = text.strip_prefix(b":") else {
        return (0, text);
    };
    if let Some(rest) = after.strip_prefix(b"unknown") {
        return (0, rest);
    }
    let digits = head(after, 5)
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    match u16::try_from(integer(&after[..digits]).unwrap_or(u64::MAX)) {
        Ok(port) => (port, &after[digits..]),
        Err(_) => (0, text),
    }
}

/// A peer, or a word that names one without an address (`local`, `none`, a pipe's name).
pub(super) fn peer_or_name(text: &[u8]) -> Peer<'_> {
    peer(text).map_or(
        Peer {
            name: text,
            ..Peer::default()
        },
        |(peer, _)| peer,
    )
}

/// A whole number; nothing when there are other bytes in it, or too many.
pub(super) fn integer(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| {
        b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0'))
    })
}

/// A decimal number as Postfix writes delays (`0.02`, `46621`), else NaN.
pub(super) fn decimal(text: &[u8]) -> f64 {
    const POWERS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
    let (whole, fraction) = match memchr(b'.', text) {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    let (Some(whole), Some(places)) = (integer(whole), POWERS.get(fraction.len())) else {
        return f64::NAN;
    };
    match (fraction.is_empty(), integer(fraction)) {
        (true, _) => whole as f64,
        (false, Some(fraction)) => (whole as f64 * places + fraction as f64) / places,
        (false, None) => f64::NAN,
    }
}

/// `550`, followed by a blank, a hyphen or nothing.
pub(super) fn reply_code(text: &[u8]) -> Option<u16> {
    let code = integer(text.get(..3)?)?;
    let ends = matches!(text.get(3), None | Some(b' ' | b'-'));
    // Three digits always fit.
    (ends && code >= 200).then_some(code as u16)
}

/// Takes `550 5.7.1 ` off a reply; either may be missing.
pub(super) fn code_and_dsn(text: &[u8]) -> (u16, &[u8], &[u8]) {
    let (code, rest) = match reply_code(text) {
        Some(code) => (code, trim_start(text.get(4..).unwrap_or_default())),
        None => (0, text),
    };
    let (dsn, after) = word(rest);
    if is_dsn(dsn) {
        (code, dsn, trim_start(after))
    } else {
        (code, b"", rest)
    }
}

fn is_dsn(word: &[u8]) -> bool {
    let mut parts = word.split(|b| *b == b'.');
    let class = matches!(parts.next(), Some(b"2" | b"4" | b"5"));
    let number = |part: Option<&[u8]>| part.is_some_and(|p| p.len() <= 3 && integer(p).is_some());
    class && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}

/// Where a quoted string that begins at `start` ends; `start` when there is none.
pub(super) fn after_quotes(value: &[u8], start: usize) -> usize {
    if value.get(start) != Some(&b'"') {
        return start;
    }
    let mut at = start + 1;
    while let Some(step) = memchr::memchr2(b'"', b'\\', value.get(at..).unwrap_or_default()) {
        at += step + 1;
        if value[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    start
}
