//! SASL failures of smtpd. A success is a field of `client=` and belongs to `smtpd`.

use super::event;
use super::fields::{has, head, word};
use crate::event::{Event, Login, Parsed, Peer};
use memchr::memmem;

/// Words for a fault of the server. `generic failure` is Cyrus SASL's for an authentication daemon that
/// it cannot reach.
const OF_THE_SERVER: [&[u8]; 9] = [
    b"onnection lost to authentication server",
    b"emporary authentication failure",
    b"authentication server",
    b"generic failure",
    b"nternal error",
    b"system error",
    b"temporar",
    b"imed out",
    b"annot connect",
];

/// `SASL PLAIN authentication failed: reason, sasl_username=…`, behind `warning: name[ip]: `.
pub(super) fn failure<'a>(client: Peer<'a>, text: &'a [u8]) -> Option<Parsed<'a>> {
    let (method, rest) = word(text.strip_prefix(b"SASL ")?);
    let rest = rest
        .strip_prefix(b" authentication failed")
        .or_else(|| rest.strip_prefix(b" authentication aborted"))?;
    let reason = rest.strip_prefix(b":").unwrap_or(rest);
    const USER: &[u8] = b", sasl_username=";
    let (reason, user) = match memmem::rfind(reason, USER) {
        Some(at) => (&reason[..at], &reason[at + USER.len()..]),
        None => (reason, &b""[..]),
    };
    let failure = reason.trim_ascii();
    event(Event::LoggedIn(Login {
        service: b"",
        user,
        method,
        client,
        tls: None,
        success: false,
        failure,
        credentials: !OF_THE_SERVER
            .iter()
            .any(|words| has(head(failure, 200), words)),
        attempts: 1,
    }))
}
