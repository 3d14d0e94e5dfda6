//! Refusals and other actions during SMTP: `reject: RCPT from name[ip]: 554 5.7.1 …; from=<…> …`.

use super::fields::{code_and_dsn, find, head, peer, trim_end, trim_start};
use super::{checks, event, trailer};
use crate::event::{Action, Event, Parsed, Peer, Rejection, Stage};
use memchr::memchr;

/// What was done, by the word before the colon. Not every word is a refusal.
pub(super) fn action(verb: &[u8]) -> Option<Action> {
    Some(match verb {
        b"reject" | b"milter-reject" | b"proxy-reject" => Action::Reject,
        b"reject_warning" | b"warn" | b"defer_warning" => Action::RejectWarning,
        b"defer" => Action::Defer,
        b"discard" | b"milter-discard" => Action::Discard,
        b"hold" | b"milter-hold" => Action::Hold,
        b"redirect" => Action::Redirect,
        b"filter" | b"prepend" | b"bcc" | b"replace" | b"strip" | b"info" | b"dunno" | b"delay" => {
            Action::Other
        }
        _ => return None,
    })
}

/// `VERB: STAGE from PEER: REPLY; FIELDS`, or a header or body check under the same verbs.
pub(super) fn transaction<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Parsed<'a>> {
    let colon = memchr(b':', head(text, 32))?;
    let verb = &text[..colon];
    let rest = trim_start(&text[colon + 1..]);
    if let Some(check) = checks::check(queue_id, verb, rest) {
        return Some(check);
    }
    let says_only = matches!(verb, b"proxy-accept" | b"permit");
    let action = if says_only {
        Action::Other
    } else {
        action(verb)?
    };
    let (command, client, reply) = frame(rest)?;
    let (reply, fields) = trailer::split(reply);
    let (reply_code, dsn, reply) = code_and_dsn(reply);
    if says_only {
        return event(Event::Verdict {
            queue_id,
            client,
            verdict: if verb == b"permit" {
                "permit"
            } else {
                "proxy-accept"
            },
            score: None,
            detail: reply,
            sender: fields.sender,
            recipient: fields.recipient,
        });
    }
    event(Event::Rejected(Rejection {
        queue_id,
        action,
        stage: Stage::of_command(command),
        client,
        reply_code,
        dsn,
        reply,
        sender: fields.sender,
        has_sender: fields.has_sender,
        recipient: fields.recipient,
        protocol: fields.protocol,
        helo: fields.helo,
        auth_user: fields.auth_user,
        dnsbl: dnsbl(reply),
    }))
}

/// Splits `RCPT from name[ip]: reply`; a before-queue filter's lines have no client: `END-OF-MESSAGE: reply`.
fn frame(text: &[u8]) -> Option<(&[u8], Peer<'_>, &[u8])> {
    let end = head(text, 40)
        .iter()
        .position(|b| matches!(b, b' ' | b':'))?;
    let (command, rest) = text.split_at(end);
    if !command.iter().all(|b| b.is_ascii_uppercase() || *b == b'-') {
        return None;
    }
    match trim_start(rest).strip_prefix(b"from ") {
        Some(rest) => {
            let (client, rest) = peer(rest)?;
            Some((command, client, trim_start(rest.strip_prefix(b":")?)))
        }
        None => Some((
            command,
            Peer::default(),
            trim_start(rest.strip_prefix(b":")?),
        )),
    }
}

/// The list named in `… blocked using bl.example; …`. What the reply quotes in front is not searched.
fn dnsbl(reply: &[u8]) -> &[u8] {
    const FRAME: &[u8] = b"blocked using ";
    let quoted = match reply.first() {
        Some(b'<') => find(reply, b">: ").unwrap_or(0),
        _ => 0,
    };
    let reply = &reply[quoted..];
    let Some(start) = find(reply, FRAME) else {
        return b"";
    };
    let list = &reply[start + FRAME.len()..];
    let end = list.iter().position(|b| matches!(b, b';' | b',' | b' '));
    &list[..end.unwrap_or(list.len())]
}

/// `warning: reject: ETRN domain... from name[ip]`: a flush of a domain that may not be asked for.
pub(super) fn etrn(text: &[u8]) -> Option<Parsed<'_>> {
    let request = text.strip_prefix(b"reject: ")?;
    if !request.starts_with(b"ETRN ") {
        return None;
    }
    let from = memchr::memmem::rfind(request, b" from ")?;
    let (client, _) = peer(trim_end(&request[from + 6..]))?;
    event(Event::Rejected(Rejection {
        client,
        reply: &request[..from],
        ..Rejection::default()
    }))
}
