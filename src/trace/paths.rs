//! Which rows of `messages` are one message on its way, and which of these ways are told.
//!
//! Parents link a message to what it came from on its host and, where a reply named the next queue ID, to the host
//! before. What only its Message-ID shows to be the same on another host is linked here, and so are the two halves of a
//! message that two conversions saw.

use std::collections::{BTreeMap, HashMap};

use polars::prelude::*;

use super::rows::{Attempt, Slim, chosen, read};
use crate::groups::Groups;
use crate::tables::Tables;
use crate::tables::touch::{APART, Keys, is_in};

/// How far a message's arrival on one host may lie before the line of the host that it came from, µs: the time it takes
/// to transmit it.
const TRANSMISSION: i64 = 3_600_000_000;

/// Messages that are one for the user.
pub(super) struct Way {
    /// When it began, as far as is known.
    pub(super) began: Option<i64>,
    /// Keys of its messages.
    pub(super) keys: Vec<i64>,
    /// Children that no parent names, with where they came from.
    pub(super) adopted: Vec<(i64, i64)>,
}

/// What is known of every message that was kept, a few numbers each.
struct Known {
    messages: Vec<Slim>,
    /// When each began, as far as is known.
    began: Vec<Option<i64>>,
    at: HashMap<i64, usize>,
}

/// All ways that a message named itself lies on, the oldest first.
pub(super) fn ways(tables: &Tables, named: &Keys) -> PolarsResult<Vec<Way>> {
    let known = Known::of(tables)?;
    let adopted = known.adopted(tables)?;
    let mut groups = Groups::new(known.messages.len());
    for (at, message) in known.messages.iter().enumerate() {
        if let Some(parent) = message.parent.and_then(|parent| known.at.get(&parent)) {
            groups.join(at, *parent);
        }
    }
    for (child, parent) in &adopted {
        groups.join(*child, *parent);
    }
    for (one, next) in known.halves() {
        groups.join(one, next);
    }
    let mut ways: BTreeMap<usize, Way> = BTreeMap::new();
    let mut is_named: Vec<usize> = Vec::new();
    for (at, message) in known.messages.iter().enumerate() {
        let root = groups.root(at);
        let way = ways.entry(root).or_insert(Way {
            began: None,
            keys: Vec::new(),
            adopted: Vec::new(),
        });
        way.keys.push(message.message);
        way.began = earliest(way.began, known.began[at]);
        if named.contains(&message.message) {
            is_named.push(root);
        }
    }
    for (child, parent) in &adopted {
        let pair = (
            known.messages[*child].message,
            known.messages[*parent].message,
        );
        if let Some(way) = ways.get_mut(&groups.root(*child)) {
            way.adopted.push(pair);
        }
    }
    is_named.sort_unstable();
    is_named.dedup();
    let mut ways: Vec<Way> = is_named
        .into_iter()
        .filter_map(|root| ways.remove(&root))
        .collect();
    ways.sort_by_key(|way| (way.began, way.keys.first().copied()));
    Ok(ways)
}

fn earliest(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

impl Known {
    fn of(tables: &Tables) -> PolarsResult<Known> {
        let mut tried: HashMap<i64, i64> = HashMap::new();
        if let Some(deliveries) = tables.get("deliveries") {
            let rows = chosen(deliveries, lit(true), &["message", "first_ts"])?;
            let first = rows.column("first_ts")?.cast(&DataType::Int64)?;
            let pairs = rows
                .column("message")?
                .i64()?
                .iter()
                .zip(first.i64()?.iter());
            for (message, ts) in pairs.filter_map(|(message, ts)| message.zip(ts)) {
                let own = tried.entry(message).or_insert(ts);
                *own = ts.min(*own);
            }
        }
        let messages: Vec<Slim> = read(tables, lit(true))?;
        let began = |message: &Slim| {
            let tried = || tried.get(&message.message).copied();
            message.received_ts.or_else(tried).or(message.removed_ts)
        };
        let began = messages.iter().map(began).collect();
        let at = messages.iter().enumerate();
        let at = at.map(|(at, message)| (message.message, at)).collect();
        Ok(Known {
            messages,
            began,
            at,
        })
    }

    /// Messages without a parent that another host handed over while they arrived, under the same Message-ID.
    fn adopted(&self, tables: &Tables) -> PolarsResult<Vec<(usize, usize)>> {
        let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, message) in self.messages.iter().enumerate() {
            if let Some(id) = &message.message_id {
                by_id.entry(id).or_default().push(at);
            }
        }
        let over_hosts = |all: &Vec<usize>| {
            let host = |at: &usize| &self.messages[*at].host;
            all.iter().any(|at| host(at) != host(&all[0]))
        };
        by_id.retain(|_, all| over_hosts(all));
        if by_id.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Keys = by_id
            .values()
            .flatten()
            .map(|at| self.messages[*at].message)
            .collect();
        let handed = is_in("message", &std::sync::Arc::new(keys))
            .and(col("status").eq(lit("delivered")))
            .and(col("relay_ip").is_not_null());
        let mut handed_by: HashMap<i64, Vec<Attempt>> = HashMap::new();
        for attempt in read::<Attempt>(tables, handed)? {
            handed_by.entry(attempt.message).or_default().push(attempt);
        }
        let mut pairs = Vec::new();
        for all in by_id.values() {
            let orphans = all.iter().filter(|at| self.messages[**at].parent.is_none());
            for child in orphans {
                let others = all.iter().filter(|at| *at != child);
                let tries = others.flat_map(|parent| {
                    let tries = handed_by.get(&self.messages[*parent].message);
                    tries
                        .into_iter()
                        .flatten()
                        .map(|attempt| (*parent, attempt))
                });
                let near = tries.filter_map(|(parent, attempt)| {
                    Some((self.rank(*child, parent, attempt)?, parent))
                });
                if let Some((_, parent)) = near.min() {
                    pairs.push((*child, parent));
                }
            }
        }
        pairs.sort_unstable();
        Ok(pairs)
    }

    /// How well a try of one message fits the arrival of another: by the queue ID in the reply, then by time. What a
    /// stranger gave to both hosts did not go from one to the other.
    fn rank(&self, child: usize, parent: usize, attempt: &Attempt) -> Option<(bool, u64)> {
        let (arrived, began, handed) = (self.began[child]?, self.began[parent]?, attempt.ts?);
        let (child, parent) = (&self.messages[child], &self.messages[parent]);
        let by_id = attempt.next_queue_id.is_some() && attempt.next_queue_id == child.queue_id;
        let near = handed - TRANSMISSION <= arrived && arrived <= handed + APART;
        let after = began < arrived || (by_id && began < arrived + APART);
        let one_client = child.client_ip.is_some() && child.client_ip == parent.client_ip;
        let by_smtp = super::words::leaves(attempt);
        let fits = child.host != parent.host && near && after && !one_client && by_smtp;
        fits.then(|| (!by_id, arrived.abs_diff(handed)))
    }

    /// Of a queue ID of a host: one whose end is not in the logs, and the next whose beginning is not.
    fn halves(&self) -> Vec<(usize, usize)> {
        let mut by_id: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        for (at, message) in self.messages.iter().enumerate() {
            if let Some(id) = &message.queue_id {
                by_id.entry((&message.host, id)).or_default().push(at);
            }
        }
        let mut halves = Vec::new();
        for mut all in by_id.into_values().filter(|all| all.len() > 1) {
            all.sort_by_key(|at| (self.began[*at], *at));
            for pair in all.windows(2) {
                let (one, next) = (&self.messages[pair[0]], &self.messages[pair[1]]);
                let alike = next.message_id.is_none() || next.message_id == one.message_id;
                if !one.tail_seen && one.removed_ts.is_none() && !next.head_seen && alike {
                    halves.push((pair[0], pair[1]));
                }
            }
        }
        halves
    }
}
