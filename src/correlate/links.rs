//! Which message came from which, and which connection an attempt used.
//!
//! Queue IDs are reused, so each link names an ID and a time: the stretch of that ID that was alive then is
//! meant. A link is believed when the ID exists in the logs; the words of a remote server (`queued as …`)
//! alone are not.

use super::pages::{Chunks, Pages};
use super::rows::{Attempt, Head, Message, NONE, TlsTo, Via};
use super::{Map, Part, finish::SLACK};
use crate::event::Status;
use crate::strings::{Reader, Renumber, Strings, Sym};

/// How far a child may begin before the line that names it, µs: transmission of a large message. No connection to a
/// next hop is kept for longer either (Postfix: `smtp_connection_reuse_time_limit`).
pub(super) const HOUR: i64 = 3_600_000_000;

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

/// What the lines say of which message came from which.
pub(super) struct Links {
    /// Of each message.
    pub(super) of: Vec<Link>,
    /// Of each attempt: it handed its message on.
    pub(super) handed: Vec<bool>,
    /// Messages that were handed on, and what they became, though that may have another parent.
    pub(super) pairs: Vec<(u32, u32)>,
}

/// The parent of each message.
pub(super) fn links(part: &Part, attempts: &Chunks<Attempt>, strings: &Strings) -> Links {
    let mut links = Links {
        of: vec![Link::None; part.messages.len()],
        handed: vec![false; attempts.len()],
        pairs: Vec::new(),
    };
    by_notification(part, &mut links.of);
    by_orig_queue_id(part, &mut links.of);
    by_next_queue_id(part, attempts, &mut links);
    by_message_id(part, attempts, strings, &mut links);
    links
}

impl Links {
    /// Attempts that handed their message on become [`Status::Forwarded`].
    pub(super) fn mark(&self, attempts: &mut Chunks<Attempt>) {
        for (attempt, handed) in attempts.iter_mut().zip(&self.handed) {
            if *handed && attempt.status == Status::Delivered {
                attempt.status = Status::Forwarded;
            }
        }
    }
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

/// XFORWARD's `orig_queue_id=` and pickup's `orig_id=`: the message was still there an hour before, at least.
fn by_orig_queue_id(part: &Part, links: &mut [Link]) {
    for (child, message) in part.messages.iter().enumerate() {
        if message.orig_queue_id.is_null() {
            continue;
        }
        if let Some(parent) = part.alive(message.host, message.orig_queue_id, message.first_ts)
            && parent as usize != child
            && part.messages[parent as usize].last_ts >= message.first_ts - HOUR
        {
            links[child] = Link::Reinjection(parent);
        }
    }
}

/// `queued as` and `forwarded as` of a reply.
fn by_next_queue_id(part: &Part, attempts: &Chunks<Attempt>, links: &mut Links) {
    let hosts = hosts(part);
    for (number, attempt) in attempts.iter().enumerate() {
        if attempt.next_queue_id.is_null() {
            continue;
        }
        let host = part.messages[attempt.message as usize].host;
        if let Some(child) = part.born(host, attempt.next_queue_id, attempt.ts)
            && child != attempt.message
        {
            links.handed[number] = true;
            links.pairs.push((attempt.message, child));
            hand_on(attempt, &mut links.of[child as usize]);
        } else if hosts.len() > 1 {
            relay(part, &mut links.of, attempt, host, &hosts);
        }
    }
}

fn hand_on(attempt: &Attempt, link: &mut Link) {
    if *link == Link::None {
        let parent = attempt.message;
        *link = if attempt.via == Via::Alias {
            Link::Forward(parent)
        } else {
            Link::Reinjection(parent)
        };
    }
}

/// The same message on another of our hosts: linked, and still a message of its own there. Where several answer, the
/// first in reading order is meant.
fn relay(part: &Part, links: &mut [Link], attempt: &Attempt, host: Sym, hosts: &[Sym]) {
    let message_id = part.messages[attempt.message as usize].message_id;
    if message_id.is_null() {
        return;
    }
    let place = |message: u32| part.messages[message as usize].place;
    let children = hosts
        .iter()
        .filter(|other| **other != host)
        .filter_map(|other| {
            let child = part.born(*other, attempt.next_queue_id, attempt.ts)?;
            (part.messages[child as usize].message_id == message_id).then_some(child)
        });
    let Some(child) = children.min_by_key(|child| place(*child)) else {
        return;
    };
    let link = &mut links[child as usize];
    match *link {
        Link::None => *link = Link::Relay(attempt.message),
        Link::Relay(other) if place(attempt.message) < place(other) => {
            *link = Link::Relay(attempt.message);
        }
        _ => {}
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
fn by_message_id(part: &Part, attempts: &Chunks<Attempt>, strings: &Strings, links: &mut Links) {
    let texts = strings.reader();
    let mut filtered: Map<(Sym, Sym), Vec<(usize, &Attempt)>> = Map::default();
    for (number, attempt) in attempts.iter().enumerate() {
        let message = &part.messages[attempt.message as usize];
        if attempt.status == Status::Delivered
            && !links.handed[number]
            && !message.message_id.is_null()
            && to_filter(attempt, &texts)
        {
            let key = (message.host, message.message_id);
            filtered.entry(key).or_default().push((number, attempt));
        }
    }
    if filtered.is_empty() {
        return;
    }
    for (child, message) in (0..).zip(part.messages.iter()) {
        if links.of[child as usize] != Link::None || !from_filter(message, &texts) {
            continue;
        }
        let Some(tries) = filtered.get(&(message.host, message.message_id)) else {
            continue;
        };
        let near = |attempt: &Attempt| {
            attempt.message != child && (message.first_ts - attempt.ts).abs() <= SLACK
        };
        if let Some((number, attempt)) = tries.iter().rev().find(|(_, attempt)| near(attempt)) {
            links.of[child as usize] = Link::Reinjection(attempt.message);
            links.handed[*number] = true;
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

/// Connections to next hops that are set up with TLS, by the delivery agent's process.
#[derive(Default)]
pub struct Handshakes {
    processes: Map<(Sym, u32), Connection>,
}

struct Connection {
    ts: i64,
    relay: (Sym, u16),
    version: Sym,
    /// Queue ID of the message that used it last.
    used_by: Sym,
}

/// Gives attempts the TLS version of the connection they used.
pub(super) fn tls(part: &Part, attempts: &mut Chunks<Attempt>) {
    Handshakes::default().give(&part.messages, part.tls_to.iter(), attempts.iter_mut());
}

impl Handshakes {
    /// The handshake is logged by the delivery agent's process before the attempt; without `conn_use=` the connection
    /// is new, so the handshake must lie after the process's attempt for the message before. Both are given in the
    /// order of their places, and connections go on from one call to the next.
    pub(super) fn give<'r>(
        &mut self,
        messages: &Pages<Message>,
        handshakes: impl Iterator<Item = &'r TlsTo>,
        attempts: impl Iterator<Item = &'r mut Attempt>,
    ) {
        let mut handshakes = handshakes.peekable();
        for attempt in attempts {
            while let Some(tls) = handshakes.next_if(|tls| tls.place < attempt.place) {
                self.begin(tls);
            }
            let message = &messages[attempt.message as usize];
            self.tried((message.host, attempt.pid), message.queue_id, attempt);
        }
        handshakes.for_each(|tls| self.begin(tls));
    }

    fn begin(&mut self, tls: &TlsTo) {
        let connection = Connection {
            ts: tls.ts,
            relay: (tls.relay_ip, tls.relay_port),
            version: tls.version,
            used_by: Sym::NULL,
        };
        self.processes.insert((tls.host, tls.pid), connection);
    }

    fn tried(&mut self, process: (Sym, u32), queue_id: Sym, attempt: &mut Attempt) {
        let Some(last) = self.processes.get_mut(&process) else {
            return;
        };
        let first_use = last.used_by.is_null() || last.used_by == queue_id;
        let held = attempt.ts.saturating_sub(last.ts) <= HOUR;
        if held
            && last.relay == (attempt.relay_ip, attempt.relay_port)
            && (first_use || attempt.conn_use > 1)
        {
            attempt.tls_version = last.version;
            last.used_by = queue_id;
        } else if attempt.conn_use == 0 {
            self.processes.remove(&process);
        }
    }

    /// Forgets connections that are older than any is kept.
    pub(super) fn forget(&mut self, now: i64) {
        self.processes
            .retain(|_, connection| now.saturating_sub(connection.ts) <= HOUR);
    }

    /// Puts the symbols of another table in the place of this one's.
    pub(super) fn resolve(&mut self, texts: &mut impl Renumber) {
        let processes = std::mem::take(&mut self.processes);
        for ((mut host, pid), mut connection) in processes {
            texts.put(&mut host);
            texts.put(&mut connection.relay.0);
            texts.put(&mut connection.version);
            texts.put(&mut connection.used_by);
            self.processes.insert((host, pid), connection);
        }
    }
}
