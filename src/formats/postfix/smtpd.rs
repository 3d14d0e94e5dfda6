//! Inbound sessions: connect, disconnect with its counters, how they ended, and `client=`.

use super::event;
use super::fields::{self, find, integer, peer, unbracket, word};
use crate::event::{Commands, End, Event, Login, Parsed, Peer};
use memchr::memchr;

/// `connect from name[ip]`.
pub(super) fn connect(text: &[u8]) -> Option<Parsed<'_>> {
    let (client, _) = peer(text.strip_prefix(b"connect from ")?)?;
    event(Event::Connect { client })
}

/// `disconnect from name[ip] ehlo=1 quit=1 commands=2`.
pub(super) fn disconnect(text: &[u8]) -> Option<Parsed<'_>> {
    let (client, rest) = peer(text.strip_prefix(b"disconnect from ")?)?;
    let commands = commands(rest);
    event(Event::Disconnect { client, commands })
}

/// Counters as written; without a closing `commands=` (a cut line) their sum.
fn commands(text: &[u8]) -> Commands {
    let mut sum = Commands::default();
    let mut stated = None;
    for counter in text.split(|b| *b == b' ') {
        let Some(equals) = memchr(b'=', counter) else {
            continue;
        };
        let (ok, total) = success_and_total(&counter[equals + 1..]);
        sum.present = true;
        match &counter[..equals] {
            b"commands" => stated = Some((ok, total)),
            name => {
                sum.ok = sum.ok.saturating_add(ok);
                sum.total = sum.total.saturating_add(total);
                match name {
                    b"auth" => (sum.auth_ok, sum.auth_total) = (ok, total),
                    b"mail" => sum.mail_failed = total.saturating_sub(ok),
                    b"rcpt" => sum.rcpt_failed = total.saturating_sub(ok),
                    _ => {}
                }
            }
        }
    }
    (sum.ok, sum.total) = stated.unwrap_or((sum.ok, sum.total));
    sum
}

/// `3` is three of three, `0/1` none of one.
fn success_and_total(text: &[u8]) -> (u32, u32) {
    let number = |t: &[u8]| u32::try_from(integer(t).unwrap_or(0)).unwrap_or(u32::MAX);
    match memchr(b'/', text) {
        Some(slash) => (number(&text[..slash]), number(&text[slash + 1..])),
        None => (number(text), number(text)),
    }
}

/// `lost connection after DATA (1983 bytes) from name[ip]` and its kin.
pub(super) fn session_end(text: &[u8]) -> Option<Parsed<'_>> {
    const ENDS: [(&[u8], End); 4] = [
        (b"lost connection after ", End::Lost),
        (b"timeout after ", End::Timeout),
        (b"too many errors after ", End::Error),
        (b"bare <LF> received after ", End::Error),
    ];
    let (end, rest) = ENDS
        .iter()
        .find_map(|(prefix, end)| Some((*end, text.strip_prefix(*prefix)?)))?;
    let (stage, rest) = word(rest);
    let (client, _) = peer(&rest[find(rest, b" from ")? + 6..])?;
    event(Event::SessionEnd { client, end, stage })
}

/// `improper command pipelining after EHLO from name[ip]: what came too early`.
pub(super) fn pipelining(text: &[u8]) -> Option<Parsed<'_>> {
    let rest = text.strip_prefix(b"improper command pipelining after ")?;
    let (stage, rest) = word(rest);
    let (client, rest) = peer(&rest[find(rest, b" from ")? + 6..])?;
    let early = rest.strip_prefix(b": ").unwrap_or_default();
    event(verdict(
        client,
        "pipelining",
        if early.is_empty() { stage } else { early },
    ))
}

/// What a client did, without a message.
pub(super) fn verdict<'a>(client: Peer<'a>, verdict: &'static str, detail: &'a [u8]) -> Event<'a> {
    Event::Verdict {
        queue_id: b"",
        client,
        verdict,
        score: None,
        detail,
        sender: b"",
        recipient: b"",
    }
}

#[derive(Default)]
struct Received<'a> {
    auth_method: &'a [u8],
    auth_user: &'a [u8],
    auth_sender: &'a [u8],
    orig_queue_id: &'a [u8],
    orig_client: Peer<'a>,
}

/// Reads `client=name[ip], sasl_method=PLAIN, sasl_username=…, orig_queue_id=…`, in any order after the client.
fn client_fields(text: &[u8]) -> Option<(Peer<'_>, Received<'_>)> {
    let (client, mut rest) = peer(text.strip_prefix(b"client=")?)?;
    let mut found = Received::default();
    while let Some(fields) = rest.strip_prefix(b", ") {
        let equals = memchr(b'=', fields)?;
        let (key, value) = (&fields[..equals], &fields[equals + 1..]);
        let (value, after) = value.split_at(value_end(value));
        match key {
            b"sasl_method" => found.auth_method = value,
            b"sasl_username" => found.auth_user = value,
            b"sasl_sender" => found.auth_sender = unbracket(value),
            b"orig_queue_id" => found.orig_queue_id = value,
            b"orig_client" => found.orig_client = fields::peer_or_name(value),
            _ => {}
        }
        rest = after;
    }
    Some((client, found))
}

/// `QID: client=…`: a message begins.
pub(super) fn received<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Parsed<'a>> {
    let (client, found) = client_fields(text)?;
    event(Event::Received {
        queue_id,
        client,
        auth_method: found.auth_method,
        auth_user: found.auth_user,
        auth_sender: found.auth_sender,
        orig_queue_id: found.orig_queue_id,
        orig_client: found.orig_client,
    })
}

/// `NOQUEUE: client=…`: a before-queue filter gets this message, so no message of ours begins. Who logged
/// in to send it is said nowhere else.
pub(super) fn unqueued(text: &[u8]) -> Option<Parsed<'_>> {
    let (client, found) = client_fields(text)?;
    if found.auth_method.is_empty() {
        return Some(Parsed::Ignored("client of a before-queue filter"));
    }
    event(Event::LoggedIn(Login {
        user: found.auth_user,
        method: found.auth_method,
        client,
        success: true,
        attempts: 1,
        ..Login::default()
    }))
}

/// A value ends at `, ` before a field that Postfix may write there; user names may contain commas.
fn value_end(value: &[u8]) -> usize {
    memchr::memchr_iter(b',', value)
        .find(|comma| {
            let next = value[comma + 1..].strip_prefix(b" ").unwrap_or_default();
            next.starts_with(b"sasl_") || next.starts_with(b"orig_")
        })
        .unwrap_or(value.len())
}
