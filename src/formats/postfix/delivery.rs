//! Delivery attempts (smtp, lmtp, local, virtual, pipe, error, discard …) and what went wrong before one
//! had a status.

use super::event;
use super::fields::{
    after_quotes, decimal, find, head, integer, is_queue_id, peer, peer_or_name, reply_code,
    trim_end, word,
};
use crate::event::{Attempt, Event, Parsed, Peer, Status};
use memchr::{memchr, memchr_iter, memrchr};

/// Fields that may follow an address; anything else after `>, ` is still the address.
const KEYS: [&[u8]; 8] = [
    b"relay=",
    b"orig_to=",
    b"delay=",
    b"conn_use=",
    b"delays=",
    b"dsn=",
    b"status=",
    b"tls=",
];

/// `to=<…>, orig_to=<…>, relay=…, conn_use=…, delay=…, delays=…, tls=…, dsn=…, status=WORD (reply)`.
///
/// Fields are read one after the other; after `status=` everything is the other side's text.
pub(super) fn attempt<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Parsed<'a>> {
    let mut attempt = blank(queue_id);
    let mut rest = text;
    if !text.starts_with(b"to=") {
        return None;
    }
    loop {
        let equals = memchr(b'=', head(rest, 32))?;
        let (key, value) = (&rest[..equals], &rest[equals + 1..]);
        if key == b"status" {
            finish(&mut attempt, value);
            return event(Event::Attempted(attempt));
        }
        let (value, after) = if value.first() == Some(&b'<') {
            address(value)?
        } else if key == b"relay" || key == b"to" || key == b"orig_to" {
            value.split_at(find_comma(value)?)
        } else {
            value.split_at(value.iter().position(|b| matches!(b, b',' | b' '))?)
        };
        match key {
            b"to" => attempt.recipient = value,
            b"orig_to" => attempt.orig_recipient = value,
            b"relay" => attempt.relay = peer_or_name(value),
            b"delay" => attempt.delay = decimal(value),
            b"delays" => attempt.delays = delays(value),
            b"dsn" => attempt.dsn = value,
            b"conn_use" => attempt.conn_use = integer(value).map_or(0, |n| n.min(1 << 30) as u32),
            _ => {}
        }
        rest = separator(after)?;
    }
}

fn blank(queue_id: &[u8]) -> Attempt<'_> {
    Attempt {
        queue_id,
        recipient: b"",
        orig_recipient: b"",
        relay: Peer::default(),
        delay: f64::NAN,
        delays: [f64::NAN; 4],
        dsn: b"",
        status_text: b"",
        status: Status::Other,
        reply: b"",
        reply_code: 0,
        next_queue_id: b"",
        conn_use: 0,
    }
}

/// Fields are separated by `, `, `conn_use=` in old versions by a blank, and padded by some loggers.
fn separator(text: &[u8]) -> Option<&[u8]> {
    let blanks = text.iter().position(|b| !matches!(b, b',' | b' '))?;
    (blanks > 0).then_some(&text[blanks..])
}

fn find_comma(value: &[u8]) -> Option<usize> {
    memchr_iter(b',', value).find(|comma| value.get(comma + 1) == Some(&b' '))
}

/// Splits `<address>` from what follows. A quoted local part may contain anything, so its end is where
/// the quote closes; else the address ends at the first `>, ` before a field.
fn address(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = after_quotes(value, 1);
    let ends = |end: &usize| {
        let after = &value[end + 1..];
        separator(head(after, 64)).is_some_and(|next| KEYS.iter().any(|key| next.starts_with(key)))
    };
    let end = start + memchr_iter(b'>', &value[start..]).find(|end| ends(&(start + end)))?;
    Some((&value[1..end], &value[end + 1..]))
}

fn delays(value: &[u8]) -> [f64; 4] {
    let mut delays = [f64::NAN; 4];
    for (delay, part) in delays.iter_mut().zip(value.split(|b| *b == b'/')) {
        *delay = decimal(part);
    }
    delays
}

/// Status and reply: `sent (250 2.0.0 Ok: queued as …)`.
fn finish<'a>(attempt: &mut Attempt<'a>, value: &'a [u8]) {
    let end = value
        .iter()
        .position(|b| matches!(b, b' ' | b','))
        .unwrap_or(value.len());
    attempt.status_text = &value[..end];
    let reply = value[end..].trim_ascii_start();
    attempt.reply = match reply.strip_prefix(b"(") {
        Some(inner) => trim_end(inner).strip_suffix(b")").unwrap_or(inner),
        None => reply,
    };
    attempt.reply_code = code(attempt.reply);
    attempt.next_queue_id = next_queue_id(attempt.reply);
    attempt.status = status(attempt);
}

/// The code at the start, or after the frame `host … said: ` or `… refused to talk to me: `.
fn code(reply: &[u8]) -> u16 {
    if reply.first().is_some_and(u8::is_ascii_digit) {
        return reply_code(reply).unwrap_or(0);
    }
    let reply = reply
        .strip_prefix(b"delivery temporarily suspended: ")
        .unwrap_or(reply);
    if !reply.starts_with(b"host ") && !reply.starts_with(b"SASL ") {
        return 0;
    }
    const FRAMES: [&[u8]; 2] = [b" said: ", b" refused to talk to me: "];
    let frame = head(reply, 1024);
    FRAMES
        .iter()
        .filter_map(|needle| Some(find(frame, needle)? + needle.len()))
        .min()
        .and_then(|start| reply_code(&reply[start..]))
        .unwrap_or(0)
}

/// `forwarded as ID` is local's own text; `queued as ID` counts as the last words of a positive reply,
/// which is how Postfix and amavis end theirs.
fn next_queue_id(reply: &[u8]) -> &[u8] {
    let id = if let Some(id) = reply.strip_prefix(b"forwarded as ") {
        id
    } else if reply.first() == Some(&b'2') {
        let Some(blank) = memrchr(b' ', reply) else {
            return b"";
        };
        if !reply[..blank].ends_with(b"queued as") {
            return b"";
        }
        &reply[blank + 1..]
    } else {
        return b"";
    };
    if is_queue_id(id) { id } else { b"" }
}

fn status(attempt: &Attempt<'_>) -> Status {
    match attempt.status_text {
        b"sent" if attempt.reply.starts_with(b"forwarded as ") => Status::Forwarded,
        b"sent" if discarded(attempt) => Status::Discarded,
        b"sent" => Status::Delivered,
        b"deferred" | b"SOFTBOUNCE" => Status::Deferred,
        b"bounced" => Status::Bounced,
        b"expired" => Status::Expired,
        b"hold" | b"held" => Status::Held,
        _ => Status::Other,
    }
}

/// Sent to nobody: discard(8) alone sends through no relay; amavis says `Ok, discarded` in its reply.
fn discarded(attempt: &Attempt<'_>) -> bool {
    attempt.relay.name == b"none"
        || attempt.reply.starts_with(b"delivered to file: /dev/null")
        || find(head(attempt.reply, 64), b"Ok, discarded").is_some()
}

/// A server that could not be used, before or instead of a status: the next one is tried.
pub(super) fn trouble<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Parsed<'a>> {
    const BEFORE_PEER: [&[u8]; 8] = [
        b"host ",
        b"lost connection with ",
        b"conversation with ",
        b"connect to ",
        b"SSL_connect error to ",
        b"SASL authentication failed; server ",
        b"SASL [CACHED] authentication failed; server ",
        b"SASL authentication failed; cannot authenticate to server ",
    ];
    const ALONE: [&[u8]; 4] = [
        b"Cannot start TLS: ",
        b"Server certificate ",
        b"TLS is required",
        b"SASL authentication failed",
    ];
    let relay = match BEFORE_PEER
        .iter()
        .find_map(|prefix| text.strip_prefix(*prefix))
    {
        // `connect to subsystem private/rewrite` is of `-v`.
        Some(rest) if rest.starts_with(b"subsystem ") => return None,
        Some(rest) => relay(rest),
        None if ALONE.iter().any(|prefix| text.starts_with(prefix)) => Peer::default(),
        None => return None,
    };
    event(Event::RelayTrouble {
        queue_id,
        relay,
        text,
    })
}

/// The peer, with the port that old versions write at the end: `connect to a[ip]: refused (port 25)`.
fn relay(text: &[u8]) -> Peer<'_> {
    let Some((mut relay, rest)) = peer(text) else {
        let (name, _) = word(text);
        return Peer {
            name: name.strip_suffix(b":").unwrap_or(name),
            ..Peer::default()
        };
    };
    if relay.port == 0 {
        relay.port = trim_end(rest)
            .strip_suffix(b")")
            .and_then(|t| t[memrchr(b' ', t)? + 1..].into())
            .filter(|_| find(rest, b"(port ").is_some())
            .and_then(|digits| u16::try_from(integer(digits)?).ok())
            .unwrap_or(0);
    }
    relay
}
