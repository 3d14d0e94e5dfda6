//! An event as name → value, so that other tools' expectations can be compared with it field by field.

use mtaudit::event::{Attempt, Event, Parsed, Peer, Rejection};
use std::collections::BTreeMap;

/// Fields of an event, by our names.
pub type Flat = BTreeMap<&'static str, String>;

/// Everything the event carries; `kind` says which event.
pub fn flat(parsed: &Parsed<'_>) -> Flat {
    let mut flat = Flat::new();
    match parsed {
        Parsed::Event(event) => event_fields(&mut flat, event),
        Parsed::Ignored(why) => {
            flat.insert("kind", "Ignored".into());
            flat.insert("why", (*why).into());
        }
        Parsed::Unrecognised => {
            flat.insert("kind", "Unrecognised".into());
        }
    }
    flat
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A peer as Postfix writes it.
fn joined(peer: &Peer<'_>) -> String {
    let inside = if peer.socket.is_empty() {
        peer.ip
    } else {
        peer.socket
    };
    let mut joined = text(peer.name);
    if !inside.is_empty() {
        joined += &format!("[{}]", text(inside));
    }
    if peer.port != 0 {
        joined += &format!(":{}", peer.port);
    }
    joined
}

fn peer(flat: &mut Flat, keys: [&'static str; 5], peer: &Peer<'_>) {
    flat.insert(keys[0], joined(peer));
    flat.insert(keys[1], text(peer.name));
    flat.insert(keys[2], text(peer.ip));
    flat.insert(keys[3], peer.port.to_string());
    flat.insert(keys[4], text(peer.socket));
}

const CLIENT: [&str; 5] = [
    "client",
    "client.name",
    "client.ip",
    "client.port",
    "client.socket",
];
const RELAY: [&str; 5] = [
    "relay",
    "relay.name",
    "relay.ip",
    "relay.port",
    "relay.socket",
];

fn event_fields(flat: &mut Flat, event: &Event<'_>) {
    let debug = format!("{event:?}");
    let kind = debug.split(|c: char| !c.is_alphanumeric()).next();
    flat.insert("kind", kind.unwrap_or_default().into());
    match event {
        Event::Attempted(attempt) => attempt_fields(flat, attempt),
        Event::Rejected(rejection) => rejection_fields(flat, rejection),
        Event::Connect { client }
        | Event::ScreenConnect { client }
        | Event::ScreenDisconnect { client } => {
            peer(flat, CLIENT, client);
        }
        Event::Disconnect { client, commands } => {
            peer(flat, CLIENT, client);
            flat.insert("commands", format!("{}/{}", commands.ok, commands.total));
            flat.insert("commands.ok", commands.ok.to_string());
            flat.insert("commands.total", commands.total.to_string());
            flat.insert("auth.ok", commands.auth_ok.to_string());
            flat.insert("auth.total", commands.auth_total.to_string());
        }
        Event::SessionEnd { client, end, stage } => {
            peer(flat, CLIENT, client);
            flat.insert("end", format!("{end:?}"));
            flat.insert("stage", text(stage));
        }
        Event::TlsFrom {
            client,
            version,
            cipher,
        } => {
            peer(flat, CLIENT, client);
            flat.insert("version", text(version));
            flat.insert("cipher", text(cipher));
        }
        Event::TlsTo {
            relay,
            trust,
            version,
            cipher,
        } => {
            peer(flat, RELAY, relay);
            flat.insert("trust", text(trust));
            flat.insert("version", text(version));
            flat.insert("cipher", text(cipher));
        }
        Event::TlsFromFailed { client, text: said } => {
            peer(flat, CLIENT, client);
            flat.insert("text", text(said));
        }
        Event::ScreenPass { client, how } => {
            peer(flat, CLIENT, client);
            flat.insert("how", (*how).into());
        }
        Event::ScreenTest {
            client,
            verdict,
            score,
            detail,
            ..
        } => {
            peer(flat, CLIENT, client);
            flat.insert("verdict", (*verdict).into());
            flat.insert("score", score.map_or(String::new(), |s| s.to_string()));
            flat.insert("detail", text(detail));
        }
        _ => message_fields(flat, event),
    }
}

fn message_fields(flat: &mut Flat, event: &Event<'_>) {
    match event {
        Event::Received {
            queue_id,
            client,
            auth_method,
            auth_user,
            auth_sender,
            orig_queue_id,
            orig_client,
        } => {
            flat.insert("queue_id", text(queue_id));
            peer(flat, CLIENT, client);
            flat.insert("auth_method", text(auth_method));
            flat.insert("auth_user", text(auth_user));
            flat.insert("auth_sender", text(auth_sender));
            flat.insert("orig_queue_id", text(orig_queue_id));
            flat.insert("orig_client", joined(orig_client));
        }
        Event::PickedUp {
            queue_id,
            uid,
            sender,
            orig_id,
        } => {
            flat.insert("queue_id", text(queue_id));
            flat.insert("uid", uid.to_string());
            flat.insert("sender", text(sender));
            flat.insert("orig_id", text(orig_id));
        }
        Event::MessageId {
            queue_id,
            message_id,
            resent,
        } => {
            flat.insert("queue_id", text(queue_id));
            flat.insert("message_id", text(message_id));
            flat.insert("resent", resent.to_string());
        }
        Event::Queued {
            queue_id,
            sender,
            size,
            nrcpt,
        } => {
            flat.insert("queue_id", text(queue_id));
            flat.insert("sender", text(sender));
            flat.insert("size", size.to_string());
            flat.insert("nrcpt", nrcpt.to_string());
        }
        Event::Expired {
            queue_id,
            sender,
            forced,
        } => {
            flat.insert("queue_id", text(queue_id));
            flat.insert("sender", text(sender));
            flat.insert(
                "status",
                if *forced { "force-expired" } else { "expired" }.into(),
            );
        }
        Event::Removed { queue_id, by_admin } => {
            flat.insert("queue_id", text(queue_id));
            flat.insert("action", "removed".into());
            flat.insert("by_admin", by_admin.to_string());
        }
        Event::Superuser { queue_id, action } => {
            flat.insert("queue_id", text(queue_id));
            flat.insert("action", text(action));
        }
        Event::Notified {
            queue_id,
            notice,
            to,
            new_queue_id,
        } => {
            flat.insert("queue_id", text(queue_id));
            flat.insert("notice", format!("{notice:?}"));
            flat.insert("to", text(to));
            flat.insert("new_queue_id", text(new_queue_id));
        }
        _ => other_fields(flat, event),
    }
}

fn other_fields(flat: &mut Flat, event: &Event<'_>) {
    match event {
        Event::RelayTrouble {
            queue_id,
            relay,
            text: said,
        } => {
            flat.insert("queue_id", text(queue_id));
            peer(flat, RELAY, relay);
            flat.insert("text", text(said));
        }
        Event::LoggedIn(login) => {
            peer(flat, CLIENT, &login.client);
            flat.insert("auth_method", text(login.method));
            flat.insert("auth_user", text(login.user));
            flat.insert("text", text(login.failure));
        }
        Event::Verdict {
            queue_id,
            client,
            verdict,
            detail,
            sender,
            recipient,
            ..
        } => {
            flat.insert("queue_id", text(queue_id));
            peer(flat, CLIENT, client);
            flat.insert("verdict", (*verdict).into());
            flat.insert("detail", text(detail));
            flat.insert("sender", text(sender));
            flat.insert("recipient", text(recipient));
        }
        Event::Server {
            severity,
            kind,
            text: said,
        } => {
            flat.insert("severity", format!("{severity:?}").to_lowercase());
            flat.insert("about", format!("{kind:?}"));
            flat.insert("text", text(said));
        }
        other => panic!("not flattened: {other:?}"),
    }
}

fn attempt_fields(flat: &mut Flat, attempt: &Attempt<'_>) {
    peer(flat, RELAY, &attempt.relay);
    flat.insert("queue_id", text(attempt.queue_id));
    flat.insert("recipient", text(attempt.recipient));
    flat.insert("orig_recipient", text(attempt.orig_recipient));
    flat.insert("delay", attempt.delay.to_string());
    flat.insert("delays", attempt.delays.map(|d| d.to_string()).join("/"));
    flat.insert("dsn", text(attempt.dsn));
    flat.insert("status", text(attempt.status_text));
    flat.insert("outcome", format!("{:?}", attempt.status));
    flat.insert("reply", text(attempt.reply));
    flat.insert("reply_code", attempt.reply_code.to_string());
    flat.insert("next_queue_id", text(attempt.next_queue_id));
    flat.insert("conn_use", attempt.conn_use.to_string());
}

fn rejection_fields(flat: &mut Flat, rejection: &Rejection<'_>) {
    peer(flat, CLIENT, &rejection.client);
    flat.insert("queue_id", text(rejection.queue_id));
    flat.insert("action", format!("{:?}", rejection.action));
    flat.insert("stage", format!("{:?}", rejection.stage));
    flat.insert("reply_code", rejection.reply_code.to_string());
    flat.insert("dsn", text(rejection.dsn));
    flat.insert("reply", text(rejection.reply));
    flat.insert("sender", text(rejection.sender));
    flat.insert("recipient", text(rejection.recipient));
    flat.insert("protocol", text(rejection.protocol));
    flat.insert("helo", text(rejection.helo));
    flat.insert("dnsbl", text(rejection.dnsbl));
}
