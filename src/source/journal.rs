//! Exports of the systemd journal, turned into lines of syslog: `journalctl -o json` and `-o export`.
//!
//! A record becomes one line with an ISO 8601 time, under the number of the line in the file where it begins; the lines
//! after it in the file become empty ones, so that `file:line` holds. What is no record is passed on as it is.

use std::borrow::Cow;

use chrono::DateTime;
use memchr::{memchr, memchr_iter, memmem};
use serde::Deserialize;
use serde_json::Value;

/// How the records of a journal are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Json,
    Export,
}

/// Bytes of one record, at most; what is longer is no record of a mail server.
const LONGEST: usize = 16 << 20;

/// Bytes in which the first record tells itself.
pub(super) const LOOK: usize = 32 << 10;

/// How records are written that begin like this.
fn shape(start: &[u8]) -> Option<Shape> {
    let first = &start[..memchr(b'\n', start).unwrap_or(start.len())];
    let has_time = memmem::find(first, b"\"__REALTIME_TIMESTAMP\"").is_some();
    if first.starts_with(b"{") && has_time {
        return Some(Shape::Json);
    }
    let export = first.starts_with(b"__CURSOR=") || first.starts_with(b"__REALTIME_TIMESTAMP=");
    export.then_some(Shape::Export)
}

/// The same of a file whose first record has lost its beginning, cut off or damaged: the second one tells.
fn begun(start: &[u8]) -> Option<Shape> {
    let after =
        |mark: &[u8]| memmem::find(start, mark).and_then(|at| shape(&start[at + mark.len()..]));
    let json = || after(b"\n").filter(|shape| *shape == Shape::Json);
    let export = || after(b"\n\n").filter(|shape| *shape == Shape::Export);
    json().or_else(export)
}

/// Whether a line is a note that journalctl puts between those of the log: where a boot begins, what it begins with, that
/// there is nothing.
pub fn is_journal_note(line: &[u8]) -> bool {
    let Some(note) = line.trim_ascii_end().strip_prefix(b"-- ") else {
        return false;
    };
    let begins = [&b"Boot "[..], b"Journal begins at ", b"Logs begin at "];
    let known = begins.iter().any(|words| note.starts_with(words));
    let closed = note.ends_with(b"--") || note.ends_with(b".");
    note == b"Reboot --" || note == b"No entries --" || known && closed
}

/// From records to lines.
pub(super) struct Journal {
    shape: Shape,
    /// A begun record.
    rest: Vec<u8>,
    /// What comes is the rest of a record whose beginning is lost.
    torn: bool,
}

/// Fields of a record that a line is made of.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    received: Value,
    #[serde(rename = "_SOURCE_REALTIME_TIMESTAMP")]
    sent: Value,
    #[serde(rename = "_HOSTNAME")]
    host: Value,
    #[serde(rename = "SYSLOG_IDENTIFIER")]
    identifier: Value,
    #[serde(rename = "_COMM")]
    command: Value,
    #[serde(rename = "SYSLOG_PID")]
    syslog_pid: Value,
    #[serde(rename = "_PID")]
    pid: Value,
    #[serde(rename = "MESSAGE")]
    message: Value,
}

impl Journal {
    /// For a file that begins like this, if it is one.
    pub(super) fn of(start: &[u8]) -> Option<Journal> {
        let (shape, torn) = match (shape(start), begun(start)) {
            (Some(shape), _) => (shape, false),
            (None, Some(shape)) => (shape, true),
            (None, None) => return None,
        };
        Some(Journal {
            shape,
            rest: Vec::new(),
            torn,
        })
    }

    /// Takes more of the file, and appends what lines it makes.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.rest.extend_from_slice(bytes);
        let whole = std::mem::take(&mut self.rest);
        let mut rest = &whole[..];
        if self.torn {
            let len = self.torn_len(rest);
            out.extend_from_slice(&rest[..len]);
            rest = &rest[len..];
        }
        while let Some(len) = (!self.torn).then(|| self.record(rest)).flatten() {
            self.line(&rest[..len], out);
            rest = &rest[len..];
        }
        if rest.len() > LONGEST {
            out.extend_from_slice(rest);
            rest = &[];
        }
        self.rest = rest.to_vec();
    }

    /// Bytes are lost here: what is left of the begun record, and of the one in which it goes on, is no record.
    pub(super) fn tear(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.rest);
        self.torn = true;
    }

    /// How much of these bytes belongs to the record whose beginning is lost. An export's ends at an empty line; one byte is
    /// kept to tell it.
    fn torn_len(&mut self, bytes: &[u8]) -> usize {
        let end = match self.shape {
            Shape::Json => memchr(b'\n', bytes).map(|at| at + 1),
            Shape::Export => memmem::find(bytes, b"\n\n").map(|at| at + 2),
        };
        self.torn = end.is_none();
        let kept = usize::from(self.shape == Shape::Export && bytes.last() == Some(&b'\n'));
        end.unwrap_or(bytes.len() - kept)
    }

    /// The last record, which may have no end.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        let last = std::mem::take(&mut self.rest);
        match self.torn {
            true => out.extend(last),
            false if !last.is_empty() => self.line(&last, out),
            false => {}
        }
    }

    /// The length of the first record, with its end, if it is all there.
    fn record(&self, bytes: &[u8]) -> Option<usize> {
        match self.shape {
            Shape::Json => memchr(b'\n', bytes).map(|end| end + 1),
            Shape::Export => fields(bytes, &mut |_, _| ()),
        }
    }

    /// One record as one line, and an empty one for each line that it took beyond.
    fn line(&self, record: &[u8], out: &mut Vec<u8>) {
        let read = match self.shape {
            Shape::Json => serde_json::from_slice(record).ok(),
            Shape::Export => Some(exported(record)),
        };
        match read.as_ref().and_then(written) {
            Some(line) => {
                out.extend_from_slice(line.as_bytes());
                out.resize(out.len() + memchr_iter(b'\n', record).count(), b'\n');
            }
            None => out.extend_from_slice(record),
        }
    }
}

/// Tells each field of the first record of an export. Returns the length of the record, if it has an end.
fn fields<'b>(bytes: &'b [u8], tell: &mut dyn FnMut(&'b [u8], &'b [u8])) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let end = memchr(b'\n', rest)?;
        let line = &rest[..end];
        at += end + 1;
        if line.is_empty() {
            return Some(at);
        }
        if let Some(equals) = memchr(b'=', line) {
            tell(&line[..equals], &line[equals + 1..]);
            continue;
        }
        // A name alone: the length of its value, eight bytes, and the value.
        let len = u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
        let value = bytes.get(at + 8..)?;
        let len = usize::try_from(len).ok().filter(|len| *len < value.len())?;
        tell(line, &value[..len]);
        at += 8 + len + 1;
    }
}

fn exported(bytes: &[u8]) -> Record {
    let mut record = Record::default();
    let text = |value: &[u8]| Value::String(String::from_utf8_lossy(value).into_owned());
    fields(bytes, &mut |name, value| {
        let field = match name {
            b"__REALTIME_TIMESTAMP" => &mut record.received,
            b"_SOURCE_REALTIME_TIMESTAMP" => &mut record.sent,
            b"_HOSTNAME" => &mut record.host,
            b"SYSLOG_IDENTIFIER" => &mut record.identifier,
            b"_COMM" => &mut record.command,
            b"SYSLOG_PID" => &mut record.syslog_pid,
            b"_PID" => &mut record.pid,
            b"MESSAGE" => &mut record.message,
            _ => return,
        };
        *field = text(value);
    });
    record
}

/// `2026-11-23T18:36:52.123456+00:00 host prog[pid]: message`; `None` when there is no time.
fn written(record: &Record) -> Option<String> {
    let micros = |value: &Value| value.as_str()?.parse::<i64>().ok();
    let at = micros(&record.sent).or_else(|| micros(&record.received))?;
    let at = DateTime::from_timestamp_micros(at)?;
    let at = at.format("%Y-%m-%dT%H:%M:%S%.6f+00:00");
    let host = word(&text(&record.host)).unwrap_or_else(|| "-".into());
    let named = word(&text(&record.identifier)).or_else(|| word(&text(&record.command)));
    let program = named.unwrap_or_else(|| "unknown".into());
    let pid = word(&text(&record.syslog_pid)).or_else(|| word(&text(&record.pid)));
    let pid = pid.map(|pid| format!("[{pid}]")).unwrap_or_default();
    let message = text(&record.message);
    let mut line = format!("{at} {host} {program}{pid}: ");
    line.extend(message.trim_end().chars().map(|c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '?',
        c => c,
    }));
    Some(line)
}

/// A value as text: bytes that are no UTF-8 are a list of numbers, a field that came twice is a list of texts.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Array(items) => {
            let byte = |item: &Value| item.as_u64().and_then(|byte| u8::try_from(byte).ok());
            match items.iter().map(byte).collect::<Option<Vec<u8>>>() {
                Some(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
                None => items.first().map_or(Cow::Borrowed(""), text),
            }
        }
        _ => Cow::Borrowed(""),
    }
}

/// A word that means nothing to the header of a line; `None` when it is empty.
fn word(text: &str) -> Option<String> {
    let harmless = |c: char| match c {
        ':' | '[' | ']' => '_',
        c if c.is_whitespace() || c.is_control() => '_',
        c => c,
    };
    (!text.is_empty()).then(|| text.chars().map(harmless).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8], step: usize) -> String {
        let mut journal = Journal::of(bytes).expect("a journal");
        let mut out = Vec::new();
        for piece in bytes.chunks(step) {
            journal.feed(piece, &mut out);
        }
        journal.finish(&mut out);
        String::from_utf8(out).expect("text")
    }

    const JSON: &str = r#"{"__REALTIME_TIMESTAMP":"1789228152650438","_HOSTNAME":"mx1","SYSLOG_IDENTIFIER":"postfix/qmgr","_PID":"7","MESSAGE":"4dGx: removed"}
{"__REALTIME_TIMESTAMP":"1789228152650438","_SOURCE_REALTIME_TIMESTAMP":"1789228152650416","_HOSTNAME":"m x","SYSLOG_IDENTIFIER":"a: b","SYSLOG_PID":"8","_PID":"9","MESSAGE":[104,105,10,255,27]}
not json
{"__REALTIME_TIMESTAMP":"1789228152650438","_COMM":"cron","MESSAGE":null}
"#;

    #[test]
    fn json_records_are_lines() {
        let expected = "2026-09-12T15:49:12.650438+00:00 mx1 postfix/qmgr[7]: 4dGx: removed\n\
            2026-09-12T15:49:12.650416+00:00 m_x a__b[8]: hi \u{fffd}?\n\
            not json\n\
            2026-09-12T15:49:12.650438+00:00 - cron: \n";
        for step in [1, 7, 10_000] {
            assert_eq!(lines(JSON.as_bytes(), step), expected);
        }
    }

    #[test]
    fn exported_records_keep_their_line_numbers() {
        let bytes = [
            b"__CURSOR=x\n__REALTIME_TIMESTAMP=1789228152650438\n_HOSTNAME=mx1\n_PID=7\nSYSLOG_IDENTIFIER=a\nMESSAGE\n",
            &11u64.to_le_bytes()[..],
            b"one\n\ntwo=\xff \n\nMESSAGE=x\n__REALTIME_TIMESTAMP=1789228152650439\n",
        ]
        .concat();
        for step in [1, 9, 10_000] {
            let text = lines(&bytes, step);
            let split: Vec<&str> = text.split('\n').collect();
            assert_eq!(
                split[0],
                "2026-09-12T15:49:12.650438+00:00 mx1 a[7]: one  two=\u{fffd}"
            );
            let second = split.iter().position(|line| line.ends_with("unknown: x"));
            let begun = memmem::find(&bytes, b"MESSAGE=x").expect("there");
            assert_eq!(second, Some(memchr_iter(b'\n', &bytes[..begun]).count()));
            assert!(split.iter().filter(|line| !line.is_empty()).count() == 2);
            assert_eq!(split.len(), memchr_iter(b'\n', &bytes).count() + 1);
        }
    }

    #[test]
    fn notes_of_journalctl_are_no_lines_of_a_log() {
        for note in [
            "-- Boot 5c2b0d1f7a8e4f0c9d3b6a1e2f4c8d70 --",
            "-- Journal begins at Mon 2026-11-02 10:00:00 CET, ends at Mon 2026-11-23 10:00:00 CET. --\n",
            "-- Logs begin at Mon 2026-11-02 10:00:00 CET, end at Mon 2026-11-23 10:00:00 CET. --",
            "-- No entries --\r\n",
            "-- Reboot --",
        ] {
            assert!(is_journal_note(note.as_bytes()), "{note}");
        }
        for line in [
            "-- Boot",
            "--",
            "",
            "-- Begin of a message --",
            " -- No entries --",
        ] {
            assert!(!is_journal_note(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn what_damage_cuts_is_no_record() {
        for (text, shape) in [(JSON.to_owned(), "json"), (EXPORT.to_owned(), "export")] {
            let bytes = text.as_bytes();
            for (from, to) in [(30, 60), (40, bytes.len() / 2), (5, bytes.len() * 2 / 3)] {
                let mut journal = Journal::of(bytes).expect("a journal");
                let mut out = Vec::new();
                journal.feed(&bytes[..from], &mut out);
                journal.tear(&mut out);
                journal.feed(&bytes[to..], &mut out);
                journal.finish(&mut out);
                let made = String::from_utf8_lossy(&out).into_owned();
                let whole = lines(bytes, 10_000);
                let dated = made.lines().filter(|line| line.starts_with("2026-"));
                for line in dated {
                    assert!(whole.lines().any(|own| own == line), "{shape} {line}");
                }
                let ends = |bytes: &[u8]| memchr_iter(b'\n', bytes).count();
                assert_eq!(ends(&out), ends(&bytes[..from]) + ends(&bytes[to..]));
            }
        }
    }

    const EXPORT: &str = "__CURSOR=x\n__REALTIME_TIMESTAMP=1789228152650438\n_HOSTNAME=mx1\nMESSAGE=one\n\n\
        __CURSOR=y\n__REALTIME_TIMESTAMP=1789228152650439\n_HOSTNAME=mx1\nMESSAGE=two\n\n\
        __CURSOR=z\n__REALTIME_TIMESTAMP=1789228152650440\n_HOSTNAME=mx1\nMESSAGE=three\n\n";

    #[test]
    fn a_log_is_no_journal() {
        for text in [
            "",
            "{\"a\":1}\n",
            "Nov 23 10:00:00 mx1 x: {\"__REALTIME_TIMESTAMP\"",
            "__CURSOR",
        ] {
            assert!(Journal::of(text.as_bytes()).is_none());
        }
    }
}
