//! Postfix 2.x to 3.10.
//!
//! A line is known by the shape of its text, not by the daemon that wrote it: rsyslog's RFC 5424 template
//! cuts `postfix/smtpd` to `postfix`, and multi-instance set-ups rename everything but the text. The
//! program name only decides where two daemons write the same text (`Hint`). Nearly every line starts
//! with a queue ID or with one of a few words, so both cases are one look at the first bytes.
//!
//! Who reads what: `smtpd` sessions, `reject` and `checks` refusals (their common ending in
//! `trailer`), `login` SASL failures, `screen` postscreen and its helpers, `queue` the life of a
//! message, `delivery` attempts, `tls` handshakes, `server` what the server says about itself,
//! `debug` what `-v` adds. `fields` holds what they share.
//!
//! Much of a line is written by strangers. Fields are therefore taken from the frame that Postfix itself
//! wrote, left to right or right to left, and never searched for in the text between.

mod checks;
mod debug;
mod delivery;
mod fields;
mod login;
mod queue;
mod reject;
mod screen;
mod server;
mod smtpd;
#[cfg(test)]
mod tests;
mod tls;
mod trailer;

use super::Format;
use crate::event::{Event, Header, Parsed};

/// The format `postfix`.
pub struct Postfix;

/// The daemons whose name decides what a text means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// `removed` is an administrator's doing.
    Postsuper,
    /// `DISCONNECT` is not the end of a postscreen session.
    Tlsproxy,
    /// A policy service that logs under Postfix's name.
    Policy,
    /// Any other, or unknown.
    Any,
}

impl Hint {
    fn of(program: &[u8]) -> Self {
        let start = memchr::memrchr(b'/', program).map_or(0, |slash| slash + 1);
        match &program[start..] {
            b"postsuper" => Self::Postsuper,
            b"tlsproxy" => Self::Tlsproxy,
            b"smtpd" | b"qmgr" | b"smtp" | b"cleanup" | b"postscreen" | b"lmtp" => Self::Any,
            daemon if fields::has(daemon, b"policy") || fields::has(daemon, b"spf") => Self::Policy,
            _ => Self::Any,
        }
    }
}

impl Format for Postfix {
    fn name(&self) -> &'static str {
        "postfix"
    }

    fn claims(&self, program: &[u8]) -> bool {
        program
            .strip_prefix(b"postfix")
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'-')))
    }

    fn parse<'a>(&self, line: &Header<'a>) -> Parsed<'a> {
        let hint = Hint::of(line.program);
        if hint == Hint::Policy {
            return Parsed::Ignored("policy service");
        }
        let text = fields::trim_start(line.text);
        match fields::queue_id(text) {
            Some((id, rest)) => with_id(hint, id, rest),
            None => without_id(hint, text),
        }
    }
}

/// A line about one message.
fn with_id<'a>(hint: Hint, id: &'a [u8], text: &'a [u8]) -> Parsed<'a> {
    let found = match text.first() {
        Some(b't') => delivery::attempt(id, text),
        Some(b'c') => smtpd::received(id, text).or_else(|| delivery::trouble(id, text)),
        Some(b'm') => queue::message_id(id, text).or_else(|| reject::transaction(id, text)),
        Some(b'f') => queue::queued(id, text).or_else(|| reject::transaction(id, text)),
        Some(b'r') => queue::removed(hint, id, text)
            .or_else(|| reject::transaction(id, text))
            .or_else(|| queue::message_id(id, text))
            .or_else(|| queue::superuser(id, text)),
        Some(b's') => queue::notified(id, text).or_else(|| queue::other(text)),
        Some(b'p') => queue::notified(id, text)
            .or_else(|| reject::transaction(id, text))
            .or_else(|| queue::superuser(id, text)),
        Some(b'u') => queue::picked_up(id, text),
        Some(b'h') => delivery::trouble(id, text).or_else(|| reject::transaction(id, text)),
        Some(b'e') => queue::superuser(id, text).or_else(|| queue::other(text)),
        Some(b'w' | b'i' | b'd' | b'b') => reject::transaction(id, text),
        _ => delivery::trouble(id, text).or_else(|| queue::other(text)),
    };
    found.unwrap_or_else(|| debug::with_id(text))
}

/// A line about a session, a server or nothing in particular.
fn without_id<'a>(hint: Hint, text: &'a [u8]) -> Parsed<'a> {
    let found = match text.first() {
        Some(b'c') => smtpd::connect(text).or_else(|| delivery::trouble(b"", text)),
        Some(b'd') => smtpd::disconnect(text),
        Some(b'w') => server::warning(text),
        Some(b'N') => match text.strip_prefix(b"NOQUEUE: ") {
            Some(rest) => reject::transaction(b"", rest)
                .or_else(|| smtpd::unqueued(rest))
                .or_else(|| smtpd::session_end(rest)),
            None => screen::tested(text),
        },
        Some(b'C' | b'D' | b'P' | b'W' | b'A' | b'H' | b'B') => {
            screen::line(hint, text).or_else(|| tls::established(text))
        }
        Some(b'U' | b'T' | b'V' | b'S') => tls::line(text),
        Some(b'l' | b't' | b'b') => smtpd::session_end(text),
        Some(b'i') => smtpd::pipelining(text),
        Some(b'a') => screen::listed(text),
        Some(b'p' | b'r') => reject::transaction(b"", text),
        _ => None,
    };
    found.unwrap_or_else(|| server::line(text))
}

/// Wraps an event, so that callers read as the table of shapes they are.
fn event<'a>(event: Event<'a>) -> Option<Parsed<'a>> {
    Some(Parsed::Event(event))
}
