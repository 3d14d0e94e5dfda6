//! Header and body checks: `reject: header Subject: … from name[ip]; from=<…> … helo=<…>: text`.
//!
//! The header is a stranger's, up to 200 bytes of it, so the frame is looked for from the right.

use super::fields::{code_and_dsn, peer, trim_end, trim_start};
use super::trailer::Trailer;
use super::{event, reject, trailer};
use crate::event::{Event, Parsed, Peer, Rejection, Stage};
use memchr::{memchr, memmem};

/// What was checked, with our word for it.
const CONTEXTS: [(&[u8], &str); 5] = [
    (b"header ", "header-check"),
    (b"body ", "body-check"),
    (b"content ", "content-check"),
    (b"nested ", "header-check"),
    (b"mime", "mime-check"),
];

/// A check's action; `warning:` and `info:` only inform and are verdicts. Their detail is the header, as
/// the text is the rule's and says nothing about the message.
pub(super) fn check<'a>(queue_id: &'a [u8], verb: &[u8], text: &'a [u8]) -> Option<Parsed<'a>> {
    let (_, verdict) = CONTEXTS
        .iter()
        .find(|(context, _)| text.starts_with(context))?;
    let (header, client, fields) = frame(text);
    // `milter-header-redirect`, `milter-body-warning`: checks of what a milter added.
    let verb = match verb.strip_prefix(b"milter-") {
        Some(verb) => &verb[memchr(b'-', verb).map_or(0, |hyphen| hyphen + 1)..],
        None => verb,
    };
    if matches!(verb, b"warning" | b"info") {
        return event(Event::Verdict {
            queue_id,
            client,
            verdict,
            score: None,
            detail: header,
            sender: fields.sender,
            recipient: fields.recipient,
        });
    }
    let action = reject::action(verb)?;
    let said = trim_start(fields.rest.strip_prefix(b":").unwrap_or(fields.rest));
    let (reply_code, dsn, reply) = code_and_dsn(if said.is_empty() { header } else { said });
    event(Event::Rejected(Rejection {
        queue_id,
        action,
        stage: Stage::Eod,
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
        dnsbl: b"",
    }))
}

/// Splits header, client and fields. smtp's own checks have neither client nor fields.
fn frame(text: &[u8]) -> (&[u8], Peer<'_>, Trailer<'_>) {
    memmem::rfind_iter(text, b"; ")
        .filter(|at| trim_start(&text[at + 1..]).starts_with(b"from=<"))
        .take(16)
        .find_map(|at| {
            let (header, client) = client(&text[..at])?;
            let fields = trailer::parse(trim_start(&text[at + 1..]), true)?;
            Some((header, client, fields))
        })
        .unwrap_or((text, Peer::default(), Trailer::default()))
}

/// Splits `header … from name[ip]` or `header … from local` at its end.
fn client(text: &[u8]) -> Option<(&[u8], Peer<'_>)> {
    const FROM: &[u8] = b" from ";
    let tail = text.len().saturating_sub(400);
    let from = tail + memmem::rfind(&text[tail..], FROM)?;
    let name = &text[from + FROM.len()..];
    let client = match peer(name) {
        Some((client, rest)) if trim_end(rest).is_empty() => client,
        None if name == b"local" => Peer {
            name,
            ..Peer::default()
        },
        _ => return None,
    };
    Some((trim_end(&text[..from]), client))
}
