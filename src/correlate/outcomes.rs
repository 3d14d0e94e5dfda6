//! Final outcomes, origins and directions.

use std::collections::HashSet;

use super::finish::{Delivery, Direction, Local, MessageRow, Origin, Outcome, Rows};
use super::links::Link;
use super::pages::{Chunks, Pages};
use super::rows::{Attempt, Head, Message, NO_TIME, NONE, Session};
use super::{Map, Part};
use crate::classify::Class;
use crate::event::Status;
use crate::strings::{Strings, Sym, domain};

/// Messages, attempts, deliveries and verdicts with their final numbers.
pub(super) fn rows(
    part: &mut Part,
    sessions: &Pages<Session>,
    strings: &Strings,
    links: &[Link],
    local: &Local,
) -> Rows {
    let tried = tried(part);
    let (kept, number) = number(part, &tried);
    let mut attempts = std::mem::take(&mut part.attempts);
    let mut verdicts = std::mem::take(&mut part.verdicts);
    let stretches = std::mem::take(&mut part.messages);
    let (mut messages, (local, mut deliveries)) = rayon::join(
        || {
            let row = |&at: &u32| {
                let stretch = &stretches[at as usize];
                message_row(at, stretch, sessions, links[at as usize], &number)
            };
            let mut messages: Vec<MessageRow> = kept.iter().map(row).collect();
            sender_domains(&mut messages, &stretches, strings);
            messages
        },
        || {
            attempts
                .iter_mut()
                .for_each(|a| a.message = number[a.message as usize]);
            verdicts
                .iter_mut()
                .filter(|v| v.message != NONE)
                .for_each(|v| v.message = number[v.message as usize]);
            let local = local_domains(strings, local, &attempts);
            (local, deliveries(&stretches, &kept, &attempts))
        },
    );
    direct(&mut messages, &mut deliveries, &stretches, &local);
    Rows {
        stretches,
        messages,
        attempts,
        deliveries,
        rejections: Vec::new(),
        sessions: Vec::new(),
        session_keys: Vec::new(),
        logins: Vec::new(),
        verdicts,
        server_events: Chunks::default(),
        tally: Default::default(),
        local_domains: local,
    }
}

fn tried(part: &Part) -> Vec<bool> {
    let mut tried = vec![false; part.messages.len()];
    part.attempts
        .iter()
        .for_each(|a| tried[a.message as usize] = true);
    tried
}

impl Message {
    /// The server took responsibility for it. A queue ID that smtpd gave out and whose transaction was
    /// refused, aborted or cut off before the queue manager saw it is no message.
    fn accepted(&self, tried: bool) -> bool {
        let tail = self.closed() && self.head == Head::None;
        !self.taken
            && (self.queued
                || tried
                || self.held.is_some()
                || self.discarded
                || tail
                || self.expired_ts != NO_TIME)
    }
}

/// The messages that are rows, and each stretch's number among them ([`NONE`] for the others).
fn number(part: &Part, tried: &[bool]) -> (Vec<u32>, Vec<u32>) {
    let mut number = vec![NONE; part.messages.len()];
    let mut kept: Vec<u32> = (0..part.messages.len() as u32)
        .filter(|&at| part.messages[at as usize].accepted(tried[at as usize]))
        .collect();
    kept.sort_by_key(|&at| part.messages[at as usize].place);
    for (n, at) in kept.iter().enumerate() {
        number[*at as usize] = n as u32;
    }
    (kept, number)
}

/// Senders repeat: each one's domain is looked up once.
fn sender_domains(messages: &mut [MessageRow], stretches: &Pages<Message>, strings: &Strings) {
    let mut known: Map<Sym, Sym> = Map::default();
    for message in messages {
        message.sender_domain = *known
            .entry(stretches[message.stretch as usize].sender)
            .or_insert_with_key(|sender| {
                let sender = strings.text(*sender).unwrap_or_default();
                domain(sender.as_bytes()).map_or(Sym::NULL, |d| strings.intern(&d))
            });
    }
}

fn message_row(
    at: u32,
    stretch: &Message,
    sessions: &Pages<Session>,
    link: Link,
    number: &[u32],
) -> MessageRow {
    let (mut helo, mut protocol) = (stretch.helo, stretch.protocol);
    let parent = link
        .parent()
        .map(|p| number[p as usize])
        .filter(|p| *p != NONE);
    let (mut tls_version, mut tls_cipher) = (Sym::NULL, Sym::NULL);
    let mut submission = !stretch.auth_user.is_null();
    if stretch.session != NONE {
        let session = &sessions[stretch.session as usize];
        (tls_version, tls_cipher) = (session.tls_version, session.tls_cipher);
        helo = helo.or(session.helo);
        protocol = protocol.or(session.protocol);
        submission |= !session.auth_user.is_null();
    }
    let origin = match link {
        Link::Bounce(_) => Origin::Bounce,
        Link::Forward(_) => Origin::Forwarded,
        Link::Reinjection(_) => Origin::Reinjected,
        Link::Relay(_) | Link::None => match stretch.head {
            Head::Smtp if submission => Origin::Submission,
            Head::Smtp => Origin::Smtp,
            Head::Pickup => Origin::Local,
            Head::None => Origin::Unknown,
        },
    };
    let born = stretch.head == Head::None && stretch.received_ts != NO_TIME && parent.is_some();
    let head_seen = stretch.head != Head::None || born;
    MessageRow {
        stretch: at,
        sender_domain: Sym::NULL,
        helo,
        protocol,
        origin,
        direction: Direction::Unknown,
        parent,
        tls_version,
        tls_cipher,
        head_seen,
    }
}

/// Domains that are known, and unless they were given those that were delivered to on this side of the network (by
/// local, virtual, a pipe, or LMTP), and those of addresses that an alias of ours replaced.
fn local_domains(strings: &Strings, local: &Local, attempts: &Chunks<Attempt>) -> HashSet<Sym> {
    let known = local.names().iter();
    let mut domains: HashSet<Sym> = known.map(|name| strings.intern(name.as_bytes())).collect();
    if local.is_given() {
        return domains;
    }
    let lmtp = strings.intern(b"lmtp");
    let delivered = attempts
        .iter()
        .filter(|a| a.status == Status::Delivered && !a.relay_name.is_null())
        .filter(|a| a.relay_ip.is_null() || a.transport == lmtp)
        .map(|a| a.recipient_domain);
    domains.extend(delivered);
    let mut aliased: Vec<Sym> = attempts
        .iter()
        .map(|a| a.orig_recipient)
        .filter(|a| !a.is_null())
        .collect();
    aliased.sort_unstable_by_key(|sym| sym.id());
    aliased.dedup();
    for address in aliased {
        let text = strings.text(address).unwrap_or_default();
        domains.extend(domain(text.as_bytes()).map(|d| strings.intern(&d)));
    }
    domains.remove(&Sym::NULL);
    domains
}

/// One row for each message and recipient, in the order of their first attempts. `kept` has the stretch of each
/// message.
fn deliveries(
    stretches: &Pages<Message>,
    kept: &[u32],
    attempts: &Chunks<Attempt>,
) -> Vec<Delivery> {
    let mut at: Map<(u32, Sym, Sym), u32> =
        Map::with_capacity_and_hasher(attempts.len(), Default::default());
    let mut rows: Vec<Delivery> = Vec::with_capacity(attempts.len());
    let mut seen = vec![false; kept.len()];
    for attempt in attempts.iter() {
        seen[attempt.message as usize] = true;
        let key = (attempt.message, attempt.recipient, attempt.orig_recipient);
        let next = rows.len() as u32;
        let index = *at.entry(key).or_insert(next);
        if index == next {
            rows.push(Delivery::new(attempt));
        } else {
            rows[index as usize].again(attempt);
        }
    }
    for row in &mut rows {
        row.conclude(&stretches[kept[row.message as usize] as usize]);
    }
    let untried = (0..)
        .zip(kept)
        .filter(|(message, _)| !seen[*message as usize]);
    rows.extend(
        untried.filter_map(|(message, at)| Delivery::untried(message, &stretches[*at as usize])),
    );
    rows.sort_by_key(|row| row.place);
    rows
}

impl Delivery {
    fn new(a: &Attempt) -> Self {
        let mut row = Delivery {
            place: a.place,
            message: a.message,
            recipient: a.recipient,
            recipient_domain: a.recipient_domain,
            first_ts: a.ts,
            last_ts: a.ts,
            attempts: 0,
            outcome: Outcome::Open,
            dsn: Sym::NULL,
            reply_code: 0,
            reply: Sym::NULL,
            class: None,
            relay_name: Sym::NULL,
            relay_ip: Sym::NULL,
            seconds: f64::NAN,
            direction: Direction::Unknown,
        };
        row.again(a);
        row
    }

    fn again(&mut self, a: &Attempt) {
        self.attempts += 1;
        self.last_ts = a.ts;
        self.dsn = a.dsn;
        self.reply_code = a.reply_code;
        self.reply = a.reply;
        self.class = a.class;
        self.relay_name = a.relay_name;
        self.relay_ip = a.relay_ip;
        self.seconds = a.delay;
        self.outcome = match a.status {
            Status::Delivered => Outcome::Delivered,
            Status::Forwarded => Outcome::Forwarded,
            Status::Bounced => Outcome::Bounced,
            Status::Expired => Outcome::Expired,
            Status::Discarded => Outcome::Discarded,
            Status::Deferred | Status::Held => Outcome::Open,
            Status::Other => Outcome::Unknown,
        };
    }

    /// What the end of the message says about a recipient that was still open.
    fn conclude(&mut self, message: &Message) {
        if self.outcome == Outcome::Open {
            self.outcome = message.open_end();
        }
        if message.received_ts != NO_TIME {
            self.seconds = (self.last_ts - message.received_ts).max(0) as f64 / 1e6;
        }
    }

    /// A message that ended, or is held, without any attempt in the logs: its recipients are not known.
    fn untried(message: u32, stretch: &Message) -> Option<Self> {
        let outcome = stretch.open_end();
        let ended = stretch.discarded || stretch.expired_ts != NO_TIME || stretch.deleted;
        ended.then(|| Delivery {
            place: stretch.place,
            message,
            recipient: Sym::NULL,
            recipient_domain: Sym::NULL,
            first_ts: stretch.last_ts,
            last_ts: stretch.last_ts,
            attempts: 0,
            outcome,
            dsn: Sym::NULL,
            reply_code: 0,
            reply: Sym::NULL,
            class: (outcome == Outcome::Expired).then(Class::expired),
            relay_name: Sym::NULL,
            relay_ip: Sym::NULL,
            seconds: f64::NAN,
            direction: Direction::Unknown,
        })
    }
}

impl Message {
    fn open_end(&self) -> Outcome {
        if self.expired_ts != NO_TIME {
            Outcome::Expired
        } else if self.deleted || self.discarded {
            Outcome::Discarded
        } else if self.requeued {
            Outcome::Forwarded
        } else if self.closed() {
            Outcome::Unknown
        } else {
            Outcome::Open
        }
    }
}

/// Directions of messages and deliveries, seen from the local domains.
fn direct(
    messages: &mut [MessageRow],
    deliveries: &mut [Delivery],
    stretches: &Pages<Message>,
    local: &HashSet<Sym>,
) {
    if local.is_empty() {
        return;
    }
    let ours: Vec<bool> = messages
        .iter()
        .map(|m| is_ours(m, &stretches[m.stretch as usize], local))
        .collect();
    // (a local recipient, a remote one)
    let mut reaches = vec![(false, false); messages.len()];
    for row in deliveries.iter_mut().filter(|row| !row.recipient.is_null()) {
        let here = row.recipient_domain.is_null() || local.contains(&row.recipient_domain);
        let reach = &mut reaches[row.message as usize];
        if here {
            reach.0 = true
        } else {
            reach.1 = true
        }
        row.direction = Direction::new(ours[row.message as usize], here);
    }
    for ((message, ours), (here, there)) in messages.iter_mut().zip(ours).zip(reaches) {
        message.direction = Direction::of_message(ours, here, there);
    }
}

/// Written by one of us: a login, a local program, our bounces, or a sender of a local domain.
fn is_ours(message: &MessageRow, stretch: &Message, local: &HashSet<Sym>) -> bool {
    !stretch.auth_user.is_null()
        || matches!(
            message.origin,
            Origin::Local | Origin::Bounce | Origin::Submission
        )
        || local.contains(&message.sender_domain)
}
