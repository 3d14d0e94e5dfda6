//! What each step means, in plain words. Names, addresses and replies stand in them as logged: who shows them has to make
//! them harmless.

use super::path::{By, Path};
use super::rows::{Attempt, Delivery, Message};
use crate::classify::REASONS;
use crate::report::format::seconds;

/// The words of a reason, to go on a sentence with.
pub(super) fn reason(word: Option<&str>) -> Option<String> {
    let word = word.filter(|word| *word != "undetermined")?;
    let (_, _, means) = REASONS.iter().find(|(_, reason, _)| *reason == word)?;
    let means = means.trim_end_matches('.');
    let mut chars = means.chars();
    let first = chars.next()?;
    // An abbreviation stays.
    let word = means.split([' ', ':', ',']).next().unwrap_or_default();
    Some(
        match word.len() > 1 && word.chars().all(char::is_uppercase) {
            true => means.to_owned(),
            false => format!("{}{}", first.to_lowercase(), chars.as_str()),
        },
    )
}

/// Why, and the words of the reply, to go behind what happened.
pub(super) fn because(why: Option<&str>, reply: Option<&str>) -> String {
    let reply = reply.filter(|reply| !reply.is_empty());
    match (reason(why), reply) {
        (Some(why), Some(reply)) => format!(": {why} ({reply})"),
        (Some(why), None) => format!(": {why}"),
        (None, Some(reply)) => format!(" ({reply})"),
        (None, None) => String::new(),
    }
}

/// An address of the envelope.
pub(super) fn mailbox(address: Option<&str>) -> &str {
    match address {
        Some("") => "<>",
        Some(address) => address,
        None => "someone the logs do not name",
    }
}

/// A host and its address.
pub(super) fn host(name: Option<&str>, ip: Option<&str>) -> String {
    let name = name.filter(|name| !name.is_empty() && *name != "unknown" && *name != "none");
    match (name, ip) {
        (Some(name), Some(ip)) => format!("{name} [{ip}]"),
        (Some(name), None) => name.to_owned(),
        (None, Some(ip)) => format!("[{ip}] (no host name)"),
        (None, None) => "a client that the logs do not name".to_owned(),
    }
}

/// `TLSv1.3` as people write it.
fn tls(version: Option<&str>) -> Option<String> {
    let version = version?;
    Some(match version.strip_prefix("TLSv") {
        Some(number) => format!("TLS {number}"),
        None => version.to_owned(),
    })
}

/// Whether an attempt went to another server by SMTP.
pub(super) fn leaves(attempt: &Attempt) -> bool {
    let transport = attempt.transport.as_deref().unwrap_or_default();
    let by_smtp = transport.ends_with("smtp") || transport.starts_with("relay");
    by_smtp && attempt.relay_ip.is_some()
}

/// How a message came to be on its host.
pub(super) fn reception(path: &Path, message: &Message) -> String {
    let parent = path.parent(message);
    let before = parent
        .and_then(|parent| parent.queue_id.as_deref())
        .unwrap_or("an ID that the logs do not name");
    let own = message.queue_id.as_deref().unwrap_or("a new queue ID");
    match path.by(message) {
        Some(By::Filter) => format!(
            "came back from the content filter, which had {before}; its queue ID is now {own}"
        ),
        Some(By::Requeue) => {
            format!("put back into the queue with a new queue ID: {before} is now {own}")
        }
        Some(By::Alias) => format!("an alias or forward of {before} sends it on as {own}"),
        Some(By::Notice) => format!(
            "wrote to {} about what became of {before}: the notice is {own}",
            mailbox(parent.and_then(|parent| parent.sender.as_deref()))
        ),
        Some(By::Relay) => {
            let from = parent.map_or("another host", |parent| &parent.host);
            let how = match path.is_adopted(message) {
                true => "; the Message-ID and the time tell that it is the same message",
                false => "",
            };
            format!("took it over from {from} ({}){how}", from_where(message))
        }
        None if message.head_seen => accepted(message),
        None => "first seen here: how it came in is not in the logs".to_owned(),
    }
}

fn accepted(message: &Message) -> String {
    match message.origin.as_deref() {
        Some("local") => "took the message in from a program or user on the host itself".to_owned(),
        Some("bounce") => "wrote this notice, about a message that the logs do not show".to_owned(),
        Some("forwarded") => {
            "an alias or forward made this message of one that the logs do not show".to_owned()
        }
        Some("reinjected") => {
            "took the message back from a content filter; what was before is not in the logs"
                .to_owned()
        }
        _ => format!("took the message in from {}", from_where(message)),
    }
}

/// The client, and how it was let in.
fn from_where(message: &Message) -> String {
    let client = host(message.client_name.as_deref(), message.client_ip.as_deref());
    let login = match (&message.auth_user, &message.auth_method) {
        (Some(user), Some(method)) => format!(", logged in as {user} ({method})"),
        (Some(user), None) => format!(", logged in as {user}"),
        (None, _) => ", without login".to_owned(),
    };
    let secured = message
        .protocol
        .as_deref()
        .is_some_and(|p| p.starts_with("ESMTPS"));
    let tls = match tls(message.tls_version.as_deref()) {
        Some(version) => format!(", {version}"),
        None if secured => ", TLS".to_owned(),
        None => String::new(),
    };
    format!("{client}{login}{tls}")
}

/// One try: what it was, and what came of it.
pub(super) fn tried(path: &Path, attempt: &Attempt) -> String {
    let to = recipient(attempt);
    let because = because(attempt.reason.as_deref(), attempt.reply.as_deref());
    let relay = relay(attempt);
    match attempt.status.as_deref() {
        Some("delivered" | "forwarded") => handed(path, attempt),
        Some("deferred") => format!(
            "tried {relay} for {to}, put off{because}{}",
            then(path, attempt)
        ),
        Some("bounced") => {
            format!("tried {relay} for {to}, refused for good{because}; it is not tried again")
        }
        Some("expired") => format!("gave {to} up, as it had waited too long{because}"),
        Some("discarded") => format!("discarded for {to}{because}"),
        Some("held") => {
            format!("put on hold for {to}{because}: it waits until an administrator releases it")
        }
        _ => format!("tried {relay} for {to}, with an outcome that is not known{because}"),
    }
}

fn recipient(attempt: &Attempt) -> String {
    let to = mailbox(attempt.recipient.as_deref());
    match attempt.orig_recipient.as_deref() {
        Some(before) if Some(before) != attempt.recipient.as_deref() => {
            format!("{to} (written to {before})")
        }
        _ => to.to_owned(),
    }
}

fn relay(attempt: &Attempt) -> String {
    match (attempt.relay_name.as_deref(), attempt.relay_ip.as_deref()) {
        (None | Some("none" | ""), None) => "to find and reach a server".to_owned(),
        (name, ip) => host(name, ip),
    }
}

/// What came after an attempt that was put off.
fn then(path: &Path, attempt: &Attempt) -> String {
    match path.next_try(attempt) {
        Some(next) => match (attempt.ts, next.ts) {
            (Some(from), Some(to)) if to >= from => {
                format!("; tried again {} later", seconds((to - from) as f64 / 1e6))
            }
            _ => "; tried again".to_owned(),
        },
        None => String::new(),
    }
}

/// An attempt that gave the message to the next.
fn handed(path: &Path, attempt: &Attempt) -> String {
    let to = recipient(attempt);
    let reply = reply(attempt);
    let took = attempt.delay.map_or(String::new(), |delay| {
        format!(", {} after it came in", seconds(delay))
    });
    if let Some(next) = path.became(attempt) {
        let id = next
            .queue_id
            .as_deref()
            .unwrap_or("a message that the logs do not name");
        return match path.by(next) {
            Some(By::Alias) => format!("forwarded for {to}: an alias or forward made {id} of it"),
            Some(By::Relay) if path.is_adopted(next) => format!(
                "handed to {} for {to}{took}{reply}; it came on to our host {}, which took it as {id}",
                relay(attempt),
                next.host
            ),
            Some(By::Relay) => format!(
                "handed to our host {} ({}) for {to}, which took it as {id}{took}{reply}",
                next.host,
                relay(attempt)
            ),
            _ => format!(
                "handed to the content filter {} for {to}, which gave it back as {id}",
                relay(attempt)
            ),
        };
    }
    let transport = attempt.transport.as_deref().unwrap_or("a program");
    if attempt.status.as_deref() == Some("forwarded") {
        let id = attempt.next_queue_id.as_deref();
        let as_id = id.map_or(String::new(), |id| format!(" as {id}"));
        return format!("handed on for {to}{as_id}, to a message that is not shown here{reply}");
    }
    if leaves(attempt) {
        let id = attempt.next_queue_id.as_deref();
        let id = id.map_or(String::new(), |id| {
            format!(", which took it as its queue ID {id}")
        });
        let tls =
            tls(attempt.tls_version.as_deref()).map_or(String::new(), |tls| format!(" ({tls})"));
        return format!(
            "delivered to {to}: handed to {}{tls}{id}{took}{reply}",
            relay(attempt)
        );
    }
    match transport {
        "local" | "virtual" => {
            format!("delivered to {to}: put into the mailbox by {transport}{took}{reply}")
        }
        "lmtp" => format!(
            "delivered to {to}: given to the mailbox server {}{took}{reply}",
            relay(attempt)
        ),
        _ => format!(
            "delivered to {to}: given to {} by {transport}{took}{reply}",
            relay(attempt)
        ),
    }
}

fn reply(attempt: &Attempt) -> String {
    let reply = attempt.reply.as_deref().filter(|reply| !reply.is_empty());
    reply.map_or(String::new(), |reply| format!(" ({reply})"))
}

/// How a delivery ended that no attempt shows to have ended.
pub(super) fn ended(delivery: &Delivery, end: &str) -> Option<String> {
    let to = match delivery.recipient.as_deref() {
        Some(to) => format!(" for {to}"),
        None => String::new(),
    };
    let because = because(delivery.reason.as_deref(), delivery.reply.as_deref());
    Some(match delivery.outcome.as_deref()? {
        "open" => format!("still in the queue{to} at the end of the logs ({end})"),
        "expired" => format!("given up{to}, and told to the sender{because}"),
        "discarded" => {
            format!("taken out of the queue{to}, by an administrator or a rule, and not delivered")
        }
        "unknown" => format!("left the queue{to}; what became of it is not in the logs"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_goes_on_a_sentence() {
        for (_, word, means) in REASONS {
            let words = reason(Some(word));
            match *word {
                "undetermined" => assert_eq!(words, None),
                "spf" | "dkim" | "dmarc" => assert!(means.starts_with(&words.unwrap_or_default())),
                _ => assert!(
                    words.is_some_and(
                        |words| words.starts_with(char::is_lowercase) && !words.ends_with('.')
                    ),
                    "{word}"
                ),
            }
        }
        assert_eq!(reason(None), None);
    }
}
