//! Instants inside of the names that servers give to messages, which tell the year of a log that does not.
//!
//! Only names that the server itself made count: a queue ID on the line of the program that made it, and the Message-ID
//! that Postfix makes for mail without one, which holds that line's own queue ID. Nobody outside can write either into a
//! log. [`crate::commands`] holds them against the times of their lines.

use memchr::{memchr, memrchr};

use crate::event::Header;

/// What an instant was read from, the better proof first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum From {
    /// A queue ID or message ID that begins with the time.
    QueueId,
    /// A Message-ID of our own server.
    MessageId,
}

/// When the message of this line came to be, seconds since 1970, as its ID says; `None` on lines that are not the
/// first of a message, or whose ID holds no time.
pub fn instant(line: &Header<'_>) -> Option<(i64, From)> {
    let program = line.program;
    if program == b"exim" || program == b"exim4" {
        let seconds = exim(line.text)?;
        return Some((seconds, From::QueueId));
    }
    let daemon = &program[memrchr(b'/', program).map_or(0, |at| at + 1)..];
    if !matches!(daemon, b"smtpd" | b"pickup" | b"cleanup") {
        return None;
    }
    let colon = memchr(b':', &line.text[..line.text.len().min(25)])?;
    let (id, rest) = (
        &line.text[..colon],
        line.text[colon + 1..].strip_prefix(b" ")?,
    );
    if let Some(made) = rest.strip_prefix(b"message-id=<") {
        let told = || Some((message_id(made, id)?, From::MessageId));
        return postfix(id)
            .map(|seconds| (seconds, From::QueueId))
            .or_else(told);
    }
    let first = rest.starts_with(b"client=") || rest.starts_with(b"uid=");
    let seconds = postfix(id).filter(|_| first)?;
    Some((seconds, From::QueueId))
}

/// Postfix's digits of base 52 (`safe_ultostr`): no vowels.
const BASE52: &[u8; 52] = b"0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

/// Base 62 of Exim.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A number of a few digits; `None` for other characters.
fn number(digits: &[u8], alphabet: &[u8]) -> Option<i64> {
    let base = alphabet.len() as i64;
    // Twelve digits of base 62 are more than an `i64` holds.
    (digits.len() <= 10).then_some(())?;
    digits.iter().try_fold(0, |value, digit| {
        let digit = alphabet.iter().position(|other| other == digit)?;
        Some(value * base + digit as i64)
    })
}

/// A long queue ID (Postfix 2.9 and later, `enable_long_queue_ids`): seconds, four digits of microseconds, `z`, inode.
fn postfix(id: &[u8]) -> Option<i64> {
    let z = memrchr(b'z', id)?;
    let seconds = id.get(..z.checked_sub(4)?).filter(|s| s.len() >= 6)?;
    let micros = number(&id[z - 4..z], BASE52)?;
    number(&id[z + 1..], BASE52)?;
    number(seconds, BASE52).filter(|_| micros < 1_000_000)
}

/// `20261123183935.EF08EFA@host`: the time in UTC and the queue ID of the line (Postfix, `cleanup_message.c`).
fn message_id(made: &[u8], id: &[u8]) -> Option<i64> {
    let rest = made.get(14..)?.strip_prefix(b".")?.strip_prefix(id)?;
    rest.starts_with(b"@").then_some(())?;
    let text = std::str::from_utf8(&made[..14]).ok()?;
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%S").ok()?;
    Some(time.and_utc().timestamp())
}

/// `1rXyZa-0000Ab-CD <= …`, from 4.97 on `1rXyZa-00000000abc-1234 <= …` (Exim specification, "Message identification").
fn exim(text: &[u8]) -> Option<i64> {
    let (id, rest) = text.split_at_checked(memchr(b' ', &text[..text.len().min(24)])?)?;
    rest.starts_with(b" <= ").then_some(())?;
    let shape = matches!(
        (id.len(), id.get(6), id.get(13), id.get(18)),
        (16, Some(b'-'), Some(b'-'), None) | (23, Some(b'-'), _, Some(b'-'))
    );
    number(id.get(..6)?, BASE62).filter(|_| shape)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(program: &str, text: &str) -> Option<(i64, From)> {
        instant(&Header {
            ts: 0,
            host: b"mx1",
            program: program.as_bytes(),
            pid: 1,
            text: text.as_bytes(),
        })
    }

    #[test]
    fn ids_of_our_own_tell_when_they_were_made() {
        // Of runs of Postfix 3.10 and Exim 4.96; the last has the form of 4.97 and later.
        let (queue_id, message_id) = (From::QueueId, From::MessageId);
        for (program, text, time, from) in [
            (
                "postfix/smtpd",
                "4jYFhn0ZvKzDK: client=unknown[203.0.113.52]",
                "2026-11-23T19:03:37Z",
                queue_id,
            ),
            (
                "postfix/cleanup",
                "4jYFhn0ZvKzDK: message-id=<x@y>",
                "2026-11-23T19:03:37Z",
                queue_id,
            ),
            (
                "postfix/cleanup",
                "EF08EFA: message-id=<20261123183935.EF08EFA@mx1.corp.example>",
                "2026-11-23T18:39:35Z",
                message_id,
            ),
            (
                "exim",
                "1xVZMX-0005U0-0n <= <> H=app2.corp.example",
                "2026-11-23T19:06:01Z",
                queue_id,
            ),
            (
                "exim",
                "1xVZMX-00000005U00-0n12 <= <> H=app2.corp.example",
                "2026-11-23T19:06:01Z",
                queue_id,
            ),
        ] {
            let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
            assert_eq!(of(program, text), Some((time.timestamp(), from)), "{text}");
        }
    }

    #[test]
    fn what_strangers_can_write_proves_nothing() {
        for (program, text) in [
            ("postfix/smtp", "4jYFhn0ZvKzDK: to=<a@b>, relay=none"),
            ("postfix/qmgr", "4jYFhn0ZvKzDK: removed"),
            (
                "postfix/cleanup",
                "EF08EFA: message-id=<20201123183935.EF08EFB@mx1.corp.example>",
            ),
            (
                "postfix/cleanup",
                "EF08EFA: message-id=<20201399999999.EF08EFA@mx1.corp.example>",
            ),
            ("postfix/cleanup", "EF08EFA: message-id=<2020>"),
            ("postfix/smtpd", "EF08EFA: client=x[192.0.2.1]"),
            ("postfix/smtpd", "z: client=x[192.0.2.1]"),
            (
                "postfix/smtpd",
                "zzzzzzzzzzzzzzzzzzzzzzz: client=x[192.0.2.1]",
            ),
            ("exim", "1rXyZa-0000Ab-CD => a@b.example"),
            ("exim", "short <= a@b.example"),
        ] {
            assert_eq!(of(program, text), None, "{text}");
        }
    }
}
