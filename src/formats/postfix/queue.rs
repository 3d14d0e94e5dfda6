//! The life of a message in the queue: pickup, cleanup, qmgr, bounce, postsuper.

use super::fields::{self, integer, is_queue_id, trim_end, unbracket};
use super::{Hint, event};
use crate::event::{Event, Kind, Notice, Parsed, Severity};
use memchr::{memchr, memrchr};

/// cleanup `message-id=…`, `resent-message-id=…`: the value is the rest of the line. Of the angle
/// brackets one pair goes, or the opening one alone where the closing one was cut off.
pub(super) fn message_id<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Parsed<'a>> {
    let (resent, value) = match text.strip_prefix(b"message-id=") {
        Some(value) => (false, value),
        None => (true, text.strip_prefix(b"resent-message-id=")?),
    };
    let message_id = match value.strip_prefix(b"<") {
        Some(cut) if memchr(b'>', cut).is_none() => cut,
        _ => unbracket(value),
    };
    event(Event::MessageId {
        queue_id,
        message_id,
        resent,
    })
}

/// qmgr `from=<…>, size=…, nrcpt=… (queue active)` or `from=<…>, status=expired, returned to sender`.
///
/// Only numbers follow the sender, so its end is looked for from the right.
pub(super) fn queued<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Parsed<'a>> {
    let value = text.strip_prefix(b"from=")?;
    let (sender, rest) = sender(value)?;
    if let Some(status) = rest.strip_prefix(b"status=") {
        return expired(queue_id, sender, status);
    }
    let mut size = 0;
    let mut nrcpt = 0;
    for field in rest.split(|b| matches!(b, b' ' | b',')) {
        if let Some(value) = field.strip_prefix(b"size=") {
            size = integer(value)?;
        } else if let Some(value) = field.strip_prefix(b"nrcpt=") {
            nrcpt = u32::try_from(integer(value)?).ok()?;
        }
    }
    event(Event::Queued {
        queue_id,
        sender,
        size,
        nrcpt,
    })
}

fn sender(value: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(address) = value.strip_prefix(b"<") {
        let end = memrchr(b'>', address)?;
        return Some((&address[..end], address[end + 1..].strip_prefix(b", ")?));
    }
    let end = fields::find(value, b", ")?;
    Some((&value[..end], &value[end + 2..]))
}

fn expired<'a>(queue_id: &'a [u8], sender: &'a [u8], status: &'a [u8]) -> Option<Parsed<'a>> {
    let forced = status.starts_with(b"force-expired");
    if !forced && !status.starts_with(b"expired") {
        return None;
    }
    event(Event::Expired {
        queue_id,
        sender,
        forced,
    })
}

/// qmgr or postsuper `removed`.
pub(super) fn removed<'a>(hint: Hint, queue_id: &'a [u8], text: &'a [u8]) -> Option<Parsed<'a>> {
    if trim_end(text) != b"removed" {
        return None;
    }
    event(Event::Removed {
        queue_id,
        by_admin: hint == Hint::Postsuper,
    })
}

/// postsuper's actions on one message.
pub(super) fn superuser<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Parsed<'a>> {
    let action = trim_end(text);
    match action {
        b"placed on hold" | b"released from hold" | b"requeued" | b"expired" => {
            event(Event::Superuser { queue_id, action })
        }
        _ => None,
    }
}

/// bounce `sender non-delivery notification: NEW`.
pub(super) fn notified<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Parsed<'a>> {
    let (to, rest) = match text.strip_prefix(b"sender ") {
        Some(rest) => (&text[..6], rest),
        None => (text.get(..10)?, text.strip_prefix(b"postmaster ")?),
    };
    const NOTICES: [(&[u8], Notice); 3] = [
        (b"non-delivery notification: ", Notice::NonDelivery),
        (b"delay notification: ", Notice::Delay),
        (b"delivery status notification: ", Notice::DeliveryStatus),
    ];
    let (notice, new) = NOTICES
        .iter()
        .find_map(|(prefix, notice)| Some((*notice, rest.strip_prefix(*prefix)?)))?;
    let new_queue_id = Some(trim_end(new)).filter(|id| is_queue_id(id))?;
    event(Event::Notified {
        queue_id,
        notice,
        to,
        new_queue_id,
    })
}

/// pickup `uid=102 from=<…>`, after `postsuper -r` with ` orig_id=…`.
pub(super) fn picked_up<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Parsed<'a>> {
    let (uid, rest) = fields::word(text.strip_prefix(b"uid=")?);
    let uid = u32::try_from(integer(uid)?).ok()?;
    let value = trim_end(rest.strip_prefix(b" from=")?);
    let (sender, orig_id) = match memrchr(b' ', value) {
        Some(blank) => match value[blank + 1..].strip_prefix(b"orig_id=") {
            Some(id) => (&value[..blank], id),
            None => (value, &b""[..]),
        },
        None => (value, &b""[..]),
    };
    event(Event::PickedUp {
        queue_id,
        uid,
        sender: unbracket(sender),
        orig_id,
    })
}

/// What else is said about one message and reaches no table, or the server's.
pub(super) fn other(text: &[u8]) -> Option<Parsed<'_>> {
    if text.starts_with(b"status=deferred (bounce failed)") {
        return event(Event::Server {
            severity: Severity::Warning,
            kind: Kind::Queue,
            text,
        });
    }
    if text.starts_with(b"skipped, still being delivered") {
        return Some(Parsed::Ignored("still being delivered"));
    }
    if text.starts_with(b"enabling PIX ") {
        return Some(Parsed::Ignored("PIX workaround"));
    }
    // Only said where TLS is not in use (`smtp_tls_note_starttls_offer`): nothing went wrong.
    if text.starts_with(b"Host offered STARTTLS") {
        return Some(Parsed::Ignored("STARTTLS offered"));
    }
    None
}
