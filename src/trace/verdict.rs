//! Who to whom, and where it is now: one line for each message.

use std::collections::BTreeMap;

use super::path::{By, Path};
use super::rows::{Delivery, Message};
use super::{Scribe, words};
use crate::report::format::{count, seconds};

/// The line and what it rests on.
pub(super) struct Verdict {
    pub(super) sentence: String,
    pub(super) state: &'static str,
    /// Addresses that its ends are for, each once.
    pub(super) recipients: Vec<String>,
}

/// Recipients that are named.
const NAMED: usize = 3;

impl Scribe<'_> {
    /// What became of a message.
    pub(super) fn verdict(&self, path: &Path) -> Verdict {
        let ends = path.ends();
        let own: Vec<&Delivery> = ends
            .iter()
            .copied()
            .filter(|row| self.is_asked(path, row))
            .collect();
        let about = if own.is_empty() { &ends } else { &own };
        let recipients = recipients(path, about);
        let root = path.root();
        let sender = root.and_then(|root| root.sender.as_deref());
        let came = match root.and_then(|root| root.received_ts) {
            Some(ts) => self.when(ts),
            None => "before the logs begin".to_owned(),
        };
        let (state, place) = match about.as_slice() {
            [] => self.without_delivery(path),
            [one] => (state(one), self.one(path, one)),
            many => self.many(path, many),
        };
        let to = match recipients.as_slice() {
            [] => "recipients that the logs do not name".to_owned(),
            few if few.len() <= NAMED => few.join(", "),
            many => format!(
                "{} and {} others",
                many[..NAMED].join(", "),
                count((many.len() - NAMED) as i64)
            ),
        };
        Verdict {
            sentence: format!("{came}, from {} to {to}: {place}", words::mailbox(sender)),
            state,
            recipients,
        }
    }

    /// The delivery is to the address that is asked for.
    fn is_asked(&self, path: &Path, row: &Delivery) -> bool {
        let Some(focus) = &self.asked.focus else {
            return false;
        };
        let before = path
            .last_try(row)
            .and_then(|last| last.orig_recipient.as_ref());
        let all = row.recipient.iter().chain(before);
        all.into_iter()
            .any(|address| address.eq_ignore_ascii_case(focus))
    }

    fn one(&self, path: &Path, row: &Delivery) -> String {
        let at = row
            .last_ts
            .map_or(String::new(), |ts| format!(" at {}", self.when(ts)));
        let why = words::reason(row.reason.as_deref());
        let why = why.map_or(String::new(), |why| format!(": {why}"));
        let told = told(path, row);
        match state(row) {
            "delivered" => format!("delivered{at} to {}", destination(path, row)),
            "bounced" => format!(
                "refused for good{at} by {}{why}{told}",
                destination(path, row)
            ),
            "expired" => format!(
                "given up{at} after {} tries{why}{told}",
                count(row.attempts)
            ),
            "discarded" => format!("taken out of the queue{at} and not delivered"),
            "open" => self.waiting(row, &why),
            _ => "left the queue; what became of it is not in the logs".to_owned(),
        }
    }

    fn waiting(&self, row: &Delivery, why: &str) -> String {
        let tries = match row.attempts {
            1 => "1 try".to_owned(),
            many => format!("{} tries", count(many)),
        };
        let for_so_long = row.first_ts.zip(self.asked.ends.get(&row.host));
        let for_so_long = for_so_long.filter(|(from, to)| *to > from);
        let for_so_long = for_so_long.map_or(String::new(), |(from, to)| {
            format!(", the first {} before", seconds((to - from) as f64 / 1e6))
        });
        format!(
            "still in the queue of {} at the end of the logs ({}) after {tries}{for_so_long}{why}",
            row.host,
            self.end(&row.host)
        )
    }

    fn many(&self, path: &Path, rows: &[&Delivery]) -> (&'static str, String) {
        let mut counts: BTreeMap<usize, (u64, &'static str)> = BTreeMap::new();
        for row in rows {
            let state = state(row);
            let rank = STATES
                .iter()
                .position(|(word, _)| *word == state)
                .unwrap_or(STATES.len());
            counts.entry(rank).or_insert((0, state)).0 += 1;
        }
        let all = rows.len() as i64;
        let words = |state: &str| {
            STATES
                .iter()
                .find(|(word, _)| *word == state)
                .map_or("", |(_, words)| *words)
        };
        if let (1, Some((_, state))) = (counts.len(), counts.values().next()) {
            let last = rows.iter().filter_map(|row| row.last_ts).max();
            let last = last.map_or(String::new(), |ts| {
                format!(", the last at {}", self.when(ts))
            });
            let told = rows.first().map_or(String::new(), |row| told(path, row));
            return (
                state,
                format!("all {} deliveries {}{last}{told}", count(all), words(state)),
            );
        }
        let parts = counts
            .values()
            .map(|(n, state)| format!("{} {}", count(*n), words(state)));
        let parts: Vec<String> = parts.collect();
        (
            "mixed",
            format!("of {} deliveries {}", count(all), parts.join(", ")),
        )
    }

    /// No delivery is known: refused after it had a queue ID, or nothing was tried.
    fn without_delivery(&self, path: &Path) -> (&'static str, String) {
        let refused = path.rejections.iter().find(|row| {
            let own = row.queue_id.is_some();
            own && path
                .messages
                .iter()
                .any(|message| message.queue_id == row.queue_id)
        });
        if let Some(row) = refused {
            let why = words::reason(row.reason.as_deref());
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            return match row.action.as_deref() {
                Some("hold") => ("open", format!("put on hold on {}{why}", row.host)),
                Some("discard") => ("discarded", format!("discarded on {}{why}", row.host)),
                Some("defer") => (
                    "refused",
                    format!(
                        "not taken in by {}, the client was told to come back later{why}",
                        row.host
                    ),
                ),
                _ => ("refused", format!("refused by {}{why}", row.host)),
            };
        }
        let gone = path
            .messages
            .iter()
            .any(|message: &Message| message.removed_ts.is_some());
        match gone {
            true => (
                "unknown",
                "left the queue; no try of delivery is in the logs".to_owned(),
            ),
            false => (
                "open",
                "no try of delivery is in the logs, nor that it left the queue".to_owned(),
            ),
        }
    }
}

/// Outcomes in the order in which they are told, with their words for several.
const STATES: &[(&str, &str)] = &[
    ("delivered", "delivered"),
    ("bounced", "refused for good"),
    ("expired", "given up, as it had waited too long"),
    ("discarded", "taken out of the queue and not delivered"),
    ("open", "still in the queue at the end of the logs"),
    ("unknown", "of an outcome that is not in the logs"),
];

fn state(row: &Delivery) -> &'static str {
    let outcome = row.outcome.as_deref();
    let known = STATES.iter().find(|(state, _)| Some(*state) == outcome);
    known.map_or("unknown", |(state, _)| state)
}

/// Where the last try went.
fn destination(path: &Path, row: &Delivery) -> String {
    let name = row.relay_name.as_deref().filter(|name| *name != "none");
    let last = path.last_try(row);
    match (name, row.relay_ip.as_deref()) {
        (Some(name), Some(ip)) => format!("{name} [{ip}]"),
        (Some("local" | "virtual"), None) => format!("the mailbox on {}", row.host),
        (Some(name), None) => match last.and_then(|last| last.transport.as_deref()) {
            Some("lmtp") => format!("the mailbox server {name}"),
            _ => format!("{name} on {}", row.host),
        },
        (None, _) => match last.and_then(|last| last.transport.as_deref()) {
            Some(transport) => format!("{transport} on {}", row.host),
            None => row.host.clone(),
        },
    }
}

/// Whether the sender was told.
fn told(path: &Path, row: &Delivery) -> String {
    if !matches!(state(row), "bounced" | "expired") {
        return String::new();
    }
    let notice = path.messages.iter().find(|message| {
        let of_it = path
            .parent(message)
            .is_some_and(|parent| parent.message == row.message);
        of_it && path.by(message) == Some(By::Notice)
    });
    let Some(notice) = notice else {
        return String::new();
    };
    let id = notice.queue_id.as_deref().unwrap_or("without a queue ID");
    let sent = path.deliveries.iter().filter(|delivery| {
        path.message(delivery.message)
            .is_some_and(|own| own.message == notice.message)
    });
    let sent: Vec<&str> = sent
        .filter_map(|delivery| delivery.outcome.as_deref())
        .collect();
    match sent.as_slice() {
        [] => format!("; a notice to the sender was written ({id})"),
        all if all
            .iter()
            .any(|end| matches!(*end, "delivered" | "forwarded")) =>
        {
            format!("; the sender was told ({id})")
        }
        all if all.contains(&"open") => {
            format!("; the notice to the sender is still in the queue ({id})")
        }
        _ => format!("; the notice to the sender did not arrive ({id})"),
    }
}

/// Addresses as they were written to first, each once, in order.
fn recipients(path: &Path, rows: &[&Delivery]) -> Vec<String> {
    let address = |row: &&Delivery| {
        let before = path
            .last_try(row)
            .and_then(|last| last.orig_recipient.clone());
        before
            .or_else(|| row.recipient.clone())
            .filter(|address| !address.is_empty())
    };
    let mut all: Vec<String> = rows.iter().filter_map(address).collect();
    all.sort();
    all.dedup();
    all
}
