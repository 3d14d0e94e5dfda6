//! Which message came from which, and which connection an attempt used.
//!
//! Queue IDs are reused, so each link names an ID and a time: the stretch of that ID that was alive then is
//! meant. A link is believed when the ID exists in the logs; the words of a remote server (`queued as …`)
//! alone are not.

use super::pages::Chunks;
use super::rows::{Attempt, Head, Message, NONE, Via};
use super::{Map, Part, finish::SLACK};
use crate::event::Status;
use crate::strings::{Reader, Strings, Sym};

/// How far a child may begin before the line that names it, µs: transmission of a large message.
const HOUR: i64 = 3_600_000_000;

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// No parent known.
    None,
    /// A notification of `0`.
    Bounce(u32),
    /// Handed on by an alias or `.forward` of `0`.
    Forward(u32),
    /// Back from a content filter, or under a new ID after `postsuper -r`.
    Reinjection(u32),
    /// Received from another host of these logs.
    Relay(u32),
}

impl Link {
    pub(super) fn parent(self) -> Option<u32> {
        match self {
            Link::None => None,
            Link::Bounce(p) | Link::Forward(p) | Link::Reinjection(p) | Link::Relay(p) => Some(p),
        }
    }
}

/// The parent of each message. Attempts that handed their message on become [`Status::Forwarded`].
pub(super) fn parents(part: &Part, attempts: &mut Chunks<Attempt>, strings: &Strings) -> Vec<Link> {
    let mut links = vec![Link::None; part.messages.len()];
    by_notification(part, &mut links);
    by_orig_queue_id(part, &mut links);
    by_next_queue_id(part, attempts, &mut links);
    by_message_id(part, attempts, strings, &mut links);
    links
}

impl Part {
    /// The stretch of a queue ID that began at most an hour before `ts`.
    fn born(&self, host: Sym, queue_id: Sym, ts: i64) -> Option<u32> {
        let at = self.alive(host, queue_id, ts)?;
        (self.messages[at as usize].first_ts >= ts - HOUR).then_some(at)
    }

    /// The last stretch of a queue ID that began before `ts`.
    fn alive(&self, host: Sym, queue_id: Sym, ts: i64) -> Option<u32> {
        let mut at = *self.by_queue_id.get(&(host, queue_id))?;
        while at != NONE {
            if self.messages[at as usize].first_ts <= ts + SLACK {
                return Some(at);
            }
            at = self.messages[at as usize].previous;
        }
        None
    }
}

fn by_notification(part: &Part, links: &mut [Link]) {
    for notification in part.notifications.iter() {
        let host = part.messages[notification.message as usize].host;
        if let Some(child) = part.born(host, notification.new_queue_id, notification.ts)
            && child != notification.message
        {
            links[child as usize] = Link::Bounce(notification.message);
        }
    }
}

/// XFORWARD's `orig_queue_id=` and pickup's `orig_id=`.
fn by_orig_queue_id(part: &Part, links: &mut [Link]) {
    for (child, message) in part.messages.iter().enumerate() {
        if message.orig_queue_id.is_null() {
            continue;
        }
        if let Some(parent) = part.alive(message.host, message.orig_queue_id, message.first_ts)
            && parent as usize != child
        {
            links[child] = Link::Reinjection(parent);
        }
    }
}

/// `queued as` and `forwarded as` of a reply.
fn by_next_queue_id(part: &Part, attempts: &mut Chunks<Attempt>, links: &mut [Link]) {
    let hosts = hosts(part);
    for attempt in attempts.iter_mut() {
        if attempt.next_queue_id.is_null() {
            continue;
        }
        let host = part.messages[attempt.message as usize].host;
        if let Some(child) = part.born(host, attempt.next_queue_id, attempt.ts)
            && child != attempt.message
        {
            hand_on(attempt, links, child);
        } else {
            relay(part, links, attempt, host, &hosts);
        }
    }
}

fn hand_on(attempt: &mut Attempt, links: &mut [Link], child: u32) {
    if links[child as usize] == Link::None {
        let parent = attempt.message;
        links[child as usize] = if attempt.via == Via::Alias {
            Link::Forward(parent)
        } else {
            Link::Reinjection(parent)
        };
    }
    if attempt.status == Status::Delivered {
        attempt.status = Status::Forwarded;
    }
}

/// The same message on another of our hosts: linked, and still a message of its own there.
fn relay(part: &Part, links: &mut [Link], attempt: &Attempt, host: Sym, hosts: &[Sym]) {
    let message_id = part.messages[attempt.message as usize].message_id;
    for other in hosts.iter().filter(|other| **other != host) {
        if let Some(child) = part.born(*other, attempt.next_queue_id, attempt.ts)
            && !message_id.is_null()
            && part.messages[child as usize].message_id == message_id
            && links[child as usize] == Link::None
        {
            links[child as usize] = Link::Relay(attempt.message);
            return;
        }
    }
}

fn hosts(part: &Part) -> Vec<Sym> {
    let mut hosts: Vec<Sym> = Vec::new();
    for message in part.messages.iter() {
        if hosts.last() != Some(&message.host) && !hosts.contains(&message.host) {
            hosts.push(message.host);
        }
    }
    hosts
}

/// A filter without XFORWARD and without an ID in its reply gives the message back under its Message-ID:
/// through pickup, or from the loopback address, while the first one is still being delivered to it.
fn by_message_id(
    part: &Part,
    attempts: &mut Chunks<Attempt>,
    strings: &Strings,
    links: &mut [Link],
) {
    let texts = strings.reader();
    let mut filtered: Map<(Sym, Sym), &mut Attempt> = Map::default();
    for attempt in attempts.iter_mut() {
        let message = &part.messages[attempt.message as usize];
        if attempt.status == Status::Delivered
            && !message.message_id.is_null()
            && to_filter(attempt, &texts)
        {
            filtered.insert((message.host, message.message_id), attempt);
        }
    }
    if filtered.is_empty() {
        return;
    }
    for (child, link) in links.iter_mut().enumerate() {
        let message = &part.messages[child];
        if *link != Link::None || !from_filter(message, &texts) {
            continue;
        }
        let Some(attempt) = filtered.get_mut(&(message.host, message.message_id)) else {
            continue;
        };
        if attempt.message as usize != child && (message.first_ts - attempt.ts).abs() <= SLACK {
            *link = Link::Reinjection(attempt.message);
            attempt.status = Status::Forwarded;
        }
    }
}

fn to_filter(attempt: &Attempt, texts: &Reader<'_>) -> bool {
    loopback(attempt.relay_ip, texts) || (attempt.relay_ip.is_null() && attempt.via == Via::Pipe)
}

fn from_filter(message: &Message, texts: &Reader<'_>) -> bool {
    match message.head {
        Head::Pickup => !message.message_id.is_null(),
        Head::Smtp => !message.message_id.is_null() && loopback(message.client_ip, texts),
        Head::None => false,
    }
}

fn loopback(ip: Sym, texts: &Reader<'_>) -> bool {
    texts
        .get(ip)
        .is_some_and(|ip| ip == "::1" || ip.starts_with("127."))
}

/// Gives attempts the TLS version of the connection they used. The handshake is logged by the delivery
/// agent's process before the attempt; without `conn_use=` the connection is new, so the handshake must lie
/// after the process's attempt for the message before.
pub(super) fn tls(part: &Part, attempts: &mut Chunks<Attempt>) {
    struct Last {
        relay: (Sym, u16),
        version: Sym,
        used_by: u32,
    }
    let mut processes: Map<(Sym, u32), Last> = Map::default();
    let mut handshakes = part.tls_to.iter().peekable();
    for attempt in attempts.iter_mut() {
        while let Some(tls) = handshakes.next_if(|tls| tls.place < attempt.place) {
            let last = Last {
                relay: (tls.relay_ip, tls.relay_port),
                version: tls.version,
                used_by: NONE,
            };
            processes.insert((tls.host, tls.pid), last);
        }
        let host = part.messages[attempt.message as usize].host;
        let Some(last) = processes.get_mut(&(host, attempt.pid)) else {
            continue;
        };
        let first_use = last.used_by == NONE || last.used_by == attempt.message;
        if last.relay == (attempt.relay_ip, attempt.relay_port)
            && (first_use || attempt.conn_use > 1)
        {
            attempt.tls_version = last.version;
            last.used_by = attempt.message;
        } else if attempt.conn_use == 0 {
            processes.remove(&(host, attempt.pid));
        }
    }
}
