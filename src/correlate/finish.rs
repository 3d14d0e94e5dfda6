//! The last step of correlation, once over the joined whole: what needs time, or other rows.
//!
//! Late and early lines are put back to their message, messages are linked to their parents
//! ([`super::links`]), sessions and logins completed ([`super::sessions`], [`super::logins`]), outcomes and
//! directions found ([`super::outcomes`]).

use std::collections::{BTreeSet, HashSet};

use super::coverage::Tally;
use super::pages::{Chunks, Pages};
use super::rows::{
    Attempt, Head, Login, Message, NO_TIME, NONE, Place, Rejection, ServerEvent, Session, Verdict,
};
use super::{Part, links, logins, outcomes, refusals, sessions};
use crate::classify::Class;
use crate::strings::{Strings, Sym};

/// How a message came to be (column `origin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Origin {
    Smtp,
    Submission,
    Local,
    Bounce,
    Reinjected,
    Forwarded,
    Unknown,
}

/// Where a message or delivery goes, seen from the local domains (column `direction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Direction {
    Inbound,
    Outbound,
    Internal,
    Relayed,
    Unknown,
}

impl Direction {
    /// Of what is written by us or not, to an address here or not.
    pub fn new(ours: bool, here: bool) -> Direction {
        match (ours, here) {
            (false, true) => Direction::Inbound,
            (true, false) => Direction::Outbound,
            (true, true) => Direction::Internal,
            (false, false) => Direction::Relayed,
        }
    }

    /// Of a message that reaches addresses here, or elsewhere, or both: one of ours to both sides is counted by where
    /// it leaves to.
    pub fn of_message(ours: bool, here: bool, there: bool) -> Direction {
        match (here, there) {
            (false, false) => Direction::Unknown,
            (_, true) if ours => Direction::new(ours, false),
            (here, _) => Direction::new(ours, here),
        }
    }
}

/// What became of one recipient (column `outcome`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Outcome {
    Delivered,
    Forwarded,
    Bounced,
    Expired,
    Discarded,
    Open,
    Unknown,
}

/// What a message's stretch does not say by itself, and which one that is.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct MessageRow {
    /// Index into [`Rows::stretches`].
    pub stretch: u32,
    pub sender_domain: Sym,
    /// The stretch's, or else its session's.
    pub helo: Sym,
    /// The stretch's, or else its session's.
    pub protocol: Sym,
    pub origin: Origin,
    pub direction: Direction,
    /// Index into [`Rows::messages`].
    pub parent: Option<u32>,
    pub tls_version: Sym,
    pub tls_cipher: Sym,
    pub head_seen: bool,
}

/// One message and recipient.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Delivery {
    pub place: Place,
    /// Index into [`Rows::messages`].
    pub message: u32,
    pub recipient: Sym,
    pub recipient_domain: Sym,
    pub first_ts: i64,
    pub last_ts: i64,
    pub attempts: u32,
    pub outcome: Outcome,
    pub dsn: Sym,
    pub reply_code: u16,
    pub reply: Sym,
    pub class: Option<Class>,
    pub relay_name: Sym,
    pub relay_ip: Sym,
    pub seconds: f64,
    pub direction: Direction,
}

/// Everything that was read, as rows in reading order.
pub struct Rows {
    /// Queue IDs' lives, those that are no messages among them.
    pub stretches: Pages<Message>,
    /// The messages.
    pub messages: Vec<MessageRow>,
    /// Tries; `message` is an index into `messages`.
    pub attempts: Chunks<Attempt>,
    /// Final outcomes.
    pub deliveries: Vec<Delivery>,
    #[allow(missing_docs)]
    pub rejections: Vec<Rejection>,
    #[allow(missing_docs)]
    pub sessions: Vec<Session>,
    /// Keys of sessions by the number that messages, refusals and logins have; 0 for what is no session.
    pub session_keys: Vec<i64>,
    #[allow(missing_docs)]
    pub logins: Vec<Login>,
    /// `message` is an index into `messages`, or [`NONE`].
    pub verdicts: Chunks<Verdict>,
    #[allow(missing_docs)]
    pub server_events: Chunks<ServerEvent>,
    /// Law 1.
    pub tally: Tally,
    /// Domains taken to be ours: given, or seen in local delivery.
    pub local_domains: HashSet<Sym>,
}

/// Domains that are ours: those given, or else those met in local delivery.
#[derive(Clone, Debug, Default)]
pub struct Local {
    given: bool,
    names: BTreeSet<String>,
}

impl Local {
    /// The given ones, in lower case; none yet where none is given.
    pub fn new(given: &[String]) -> Self {
        Local {
            given: !given.is_empty(),
            names: given.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// All that are known.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// They were given: what the logs show does not count.
    pub(super) fn is_given(&self) -> bool {
        self.given
    }

    /// Adds those that rows brought to light.
    pub fn meet(&mut self, rows: &Rows, strings: &Strings) {
        let names = rows.local_domains.iter();
        self.names
            .extend(names.filter_map(|name| strings.text(*name)));
    }
}

/// Lines of one message may stand this far on the wrong side of its first or last line, µs.
pub(super) const SLACK: i64 = 10_000_000;

/// What came from clients: the half of a whole that attempts to deliver do not touch.
pub(super) struct Clients {
    pub(super) sessions: Pages<Session>,
    pub(super) logins: Vec<Login>,
    pub(super) rejections: Vec<Rejection>,
}

/// Rows of a whole.
pub fn finish(mut part: Part, strings: &Strings, local: &Local) -> Rows {
    part.index();
    glue(&mut part);
    let mut attempts = std::mem::take(&mut part.attempts);
    let mut clients = Clients {
        sessions: std::mem::take(&mut part.sessions),
        logins: std::mem::take(&mut part.logins).into_vec(),
        rejections: std::mem::take(&mut part.rejections).into_vec(),
    };
    let (parents, sessions) = rayon::join(
        || {
            links::tls(&part, &mut attempts);
            let links = links::links(&part, &attempts, strings);
            links.mark(&mut attempts);
            links.of
        },
        || {
            logins::complete(&part.messages, &mut clients, strings);
            refusals::complete(&part.messages, &mut clients, strings);
            clients
                .logins
                .sort_by_key(|login| (login.place, login.success));
            clients.rejections.sort_by_key(|row| row.place);
            sessions::complete(&clients.sessions, strings)
        },
    );
    part.attempts = attempts;
    let all = &clients.sessions;
    let mut rows = outcomes::rows(&mut part, all, strings, &parents, local);
    rows.sessions = sessions.rows;
    rows.session_keys = sessions.keys;
    rows.logins = clients.logins;
    rows.rejections = clients.rejections;
    rows.server_events = part.server_events;
    rows.tally = part.tally;
    rows
}

/// Puts stretches together that the order of lines tore apart: a cleanup line before the head line, or a
/// line or two after `removed`.
fn glue(part: &mut Part) {
    let mut same: Vec<u32> = (0..part.messages.len() as u32).collect();
    let mut glued = false;
    for index in 0..part.messages.len() {
        let previous = part.messages[index].previous;
        if previous == NONE {
            continue;
        }
        let message = part.messages[index];
        let before = same[previous as usize];
        if belongs(&part.messages[before as usize], &message) {
            part.messages[before as usize].join(&message);
            same[index] = before;
            glued = true;
        }
    }
    if !glued {
        return;
    }
    let root = |message: u32| {
        if message == NONE {
            NONE
        } else {
            same[message as usize]
        }
    };
    part.attempts
        .iter_mut()
        .for_each(|row| row.message = root(row.message));
    part.verdicts
        .iter_mut()
        .for_each(|row| row.message = root(row.message));
    part.rejections
        .iter_mut()
        .for_each(|row| row.message = root(row.message));
    part.notifications
        .iter_mut()
        .for_each(|row| row.message = root(row.message));
    part.by_queue_id
        .values_mut()
        .for_each(|latest| *latest = root(*latest));
    for (index, message) in part.messages.iter_mut().enumerate() {
        message.previous = root(message.previous);
        // A stretch that was taken over has no life of its own.
        message.taken = same[index] != index as u32;
    }
}

fn belongs(before: &Message, next: &Message) -> bool {
    let near = next.first_ts.saturating_sub(before.last_ts) <= SLACK;
    let late =
        before.closed() && next.head == Head::None && !next.queued && next.message_id.is_null();
    let early =
        !before.closed() && before.head == Head::None && !before.queued && next.head != Head::None;
    near && (late || early)
}

impl Rows {
    /// Key of the session that a message, refusal or login names.
    pub fn session(&self, named: u32) -> Option<i64> {
        let key = self.session_keys.get(named as usize);
        key.copied().filter(|key| *key != 0)
    }

    /// The life of a message by its index.
    pub fn stretch(&self, message: u32) -> &Message {
        &self.stretches[self.messages[message as usize].stretch as usize]
    }
}

impl Message {
    /// Takes over a stretch that belongs to it, in whichever order they came.
    fn join(&mut self, next: &Message) {
        let removed = self.removed_ts;
        if self.head == Head::None && next.head != Head::None {
            let (mut whole, early) = (*next, *self);
            whole.place = early.place;
            whole.message_id = whole.message_id.or(early.message_id);
            whole.previous = early.previous;
            *self = whole;
        } else {
            self.absorb(next);
        }
        if self.removed_ts == NO_TIME {
            self.removed_ts = removed;
        }
    }
}
