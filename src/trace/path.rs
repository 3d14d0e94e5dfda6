//! One message on its way: its rows on every host, and how they hang together.

use std::collections::{HashMap, HashSet};

use super::paths::Way;
use super::rows::{Attempt, Delivery, Login, Message, Rejection, Said, by_place};
use crate::tables::touch::APART;

/// How a message came of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Handed to a content filter, which gave it back.
    Filter,
    /// Put back into the queue under a new ID.
    Requeue,
    /// An alias or `.forward`.
    Alias,
    /// A notice to the sender.
    Notice,
    /// Sent to another host of these logs.
    Relay,
}

/// All rows of one way.
#[derive(Default)]
pub(super) struct Path {
    /// In the order in which they began.
    pub(super) messages: Vec<Message>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) rejections: Vec<Rejection>,
    pub(super) logins: Vec<Login>,
    pub(super) said: Vec<Said>,
    at: HashMap<i64, usize>,
    by_queue_id: HashMap<String, Vec<usize>>,
    children: HashMap<i64, Vec<usize>>,
    tries: HashMap<(i64, Option<String>), Vec<usize>>,
    /// Children that only their Message-ID gives a parent.
    adopted: HashMap<i64, i64>,
}

impl Path {
    pub(super) fn new(way: &Way, mut messages: Vec<Message>) -> Path {
        let adopted: HashMap<i64, i64> = way.adopted.iter().copied().collect();
        messages.sort_by(|one, other| {
            let began = |m: &Message| m.received_ts.or(m.removed_ts);
            began(one).cmp(&began(other)).then(by_place(one, other))
        });
        let mut path = Path {
            adopted,
            messages,
            ..Path::default()
        };
        for (at, message) in path.messages.iter().enumerate() {
            path.at.insert(message.message, at);
            if let Some(id) = &message.queue_id {
                path.by_queue_id.entry(id.clone()).or_default().push(at);
            }
        }
        for (at, message) in path.messages.iter().enumerate() {
            if let Some(parent) = path.parent(message) {
                path.children.entry(parent.message).or_default().push(at);
            }
        }
        path
    }

    /// Adds the attempts, in any order.
    pub(super) fn tried(&mut self, mut attempts: Vec<Attempt>) {
        attempts.sort_by(|one, other| one.ts.cmp(&other.ts).then(by_place(one, other)));
        for (at, attempt) in attempts.iter().enumerate() {
            let key = (attempt.message, attempt.recipient.clone());
            self.tries.entry(key).or_default().push(at);
        }
        self.attempts = attempts;
    }

    /// The message of a key.
    pub(super) fn message(&self, key: i64) -> Option<&Message> {
        self.at.get(&key).map(|at| &self.messages[*at])
    }

    /// What a message came from, when that is in the logs.
    pub(super) fn parent(&self, message: &Message) -> Option<&Message> {
        let key = message
            .parent
            .or_else(|| self.adopted.get(&message.message).copied())?;
        self.message(key)
            .filter(|parent| parent.message != message.message)
    }

    /// Only its Message-ID tells where it came from.
    pub(super) fn is_adopted(&self, message: &Message) -> bool {
        message.parent.is_none() && self.adopted.contains_key(&message.message)
    }

    /// How a message came of its parent.
    pub(super) fn by(&self, message: &Message) -> Option<By> {
        let parent = self.parent(message)?;
        if parent.host != message.host {
            return Some(By::Relay);
        }
        Some(match message.origin.as_deref() {
            Some("bounce") => By::Notice,
            Some("forwarded") => By::Alias,
            _ if self.was_handed(parent, message) => By::Filter,
            _ => By::Requeue,
        })
    }

    fn was_handed(&self, parent: &Message, child: &Message) -> bool {
        let tries = self.attempts.iter();
        tries
            .filter(|attempt| attempt.message == parent.message)
            .any(|attempt| {
                let named =
                    attempt.next_queue_id.is_some() && attempt.next_queue_id == child.queue_id;
                named || attempt.status.as_deref() == Some("forwarded")
            })
    }

    fn tries(&self, key: i64, recipient: &Option<String>) -> impl Iterator<Item = &Attempt> {
        let tries = self.tries.get(&(key, recipient.clone()));
        tries.into_iter().flatten().map(|at| &self.attempts[*at])
    }

    /// The message that an attempt's became on our side, when that is in the logs.
    pub(super) fn became(&self, attempt: &Attempt) -> Option<&Message> {
        if !matches!(attempt.status.as_deref(), Some("forwarded" | "delivered")) {
            return None;
        }
        let of = |all: Option<&Vec<usize>>| -> Vec<&Message> {
            let all = all.into_iter().flatten().map(|at| &self.messages[*at]);
            all.filter(|message| message.message != attempt.message)
                .collect()
        };
        let next = attempt.next_queue_id.as_ref();
        let named = of(next.and_then(|next| self.by_queue_id.get(next)));
        let is_child = |child: &&&Message| {
            self.parent(child)
                .is_some_and(|parent| parent.message == attempt.message)
        };
        let child = named.iter().find(is_child);
        let here = || named.iter().find(|message| message.host == attempt.host);
        if let Some(message) = child.or_else(here) {
            return Some(message);
        }
        let kin = of(self.children.get(&attempt.message)).into_iter();
        let kin = kin.filter(|child| self.fits(attempt, child));
        kin.min_by_key(|child| distance(child.received_ts, attempt.ts))
    }

    /// Whether an attempt without a known next queue ID may be what made a child.
    fn fits(&self, attempt: &Attempt, child: &Message) -> bool {
        match self.by(child) {
            Some(By::Relay) => {
                super::words::leaves(attempt)
                    && distance(child.received_ts, attempt.ts) <= APART as u64
            }
            Some(By::Filter | By::Alias) => attempt.status.as_deref() == Some("forwarded"),
            _ => false,
        }
    }

    /// A notice to a sender, or what came of one.
    pub(super) fn is_notice(&self, message: &Message) -> bool {
        let mut seen = HashSet::new();
        let mut at = Some(message);
        while let Some(own) = at.filter(|own| seen.insert(own.message)) {
            if self.by(own) == Some(By::Notice) {
                return true;
            }
            at = self.parent(own);
        }
        false
    }

    /// The message that all others came of: the first without a parent.
    pub(super) fn root(&self) -> Option<&Message> {
        let mut all = self.messages.iter();
        let mut orphans = all.clone().filter(|message| self.parent(message).is_none());
        orphans.next().or_else(|| all.next())
    }

    /// The last try of a delivery.
    pub(super) fn last_try(&self, delivery: &Delivery) -> Option<&Attempt> {
        let tries = self.tries(delivery.message, &delivery.recipient);
        tries.last()
    }

    /// The next try for the same recipient of the same message.
    pub(super) fn next_try(&self, attempt: &Attempt) -> Option<&Attempt> {
        let place = |a: &Attempt| (a.source, a.line);
        let mut tries = self.tries(attempt.message, &attempt.recipient);
        tries.by_ref().find(|other| place(other) == place(attempt));
        let mut next = tries.filter(|other| other.orig_recipient == attempt.orig_recipient);
        next.next()
    }

    /// Deliveries whose outcome is the end of the way for a recipient: not handed on, and no notice.
    pub(super) fn ends(&self) -> Vec<&Delivery> {
        let ends = self.deliveries.iter().filter(|delivery| {
            let message = self.message(delivery.message);
            let handed = delivery.outcome.as_deref() == Some("forwarded")
                || self
                    .last_try(delivery)
                    .is_some_and(|last| self.became(last).is_some());
            !handed && message.is_some_and(|message| !self.is_notice(message))
        });
        ends.collect()
    }
}

fn distance(one: Option<i64>, other: Option<i64>) -> u64 {
    match (one, other) {
        (Some(one), Some(other)) => one.abs_diff(other),
        _ => u64::MAX,
    }
}
