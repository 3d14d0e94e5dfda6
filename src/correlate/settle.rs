//! A whole that grows, and gives up what no later line can change: memory is what is open, not what was read.
//!
//! Messages and the messages they became belong together, so they leave together: what leaves is a [`Part`] of its own,
//! and [`super::finish`] makes of it the same rows as of the whole. A message waits for the connection that it came in
//! by, but not the other way round: one connection may bring the mail of days, and some of that is always deferred. What
//! a connection gives to its messages stays with them as a trace of it (`Session::trace`). All this holds
//! while the lines of a host are in the order of their times, give or take [`SLACK`]: nothing is looked for further back
//! than an hour ([`links::HOUR`]), so what has been silent for longer, and has ended, is settled.

use super::finish::SLACK;
use super::links::{self, HOUR, Handshakes};
use super::pages::Pages;
use super::rows::{Attempt, Message, NONE, Place, Session, TlsTo};
use super::stretch::{QUIET_MESSAGE, QUIET_SESSION};
use super::{Part, logins, place, sessions};
use crate::strings::{Moved, Strings};

/// How long what has ended is kept, µs: lines that name it, or that it names, come within this time.
pub const KEPT: i64 = HOUR + 3 * SLACK;

/// A transaction that was cut off before the queue manager saw it is over for certain after so long, µs.
const ABANDONED: i64 = QUIET_SESSION;

/// What has been read and is not settled yet.
#[derive(Default)]
pub struct Growing {
    part: Part,
    handshakes: Handshakes,
    /// Attempts from the beginning whose connection has been looked for.
    tried: usize,
}

impl Growing {
    /// Joins the part that follows.
    pub fn append(&mut self, next: Part) {
        self.part.append(next);
    }

    /// Rows that are kept: stretches, connections, attempts and refusals.
    pub fn rows(&self) -> usize {
        let part = &self.part;
        part.messages.len() + part.sessions.len() + part.attempts.len() + part.rejections.len()
    }

    /// Takes out what is settled at this time: no line that is still to come is older, but for a few seconds.
    pub fn settle(&mut self, now: i64, strings: &Strings) -> Part {
        self.part.index();
        self.give_tls();
        self.handshakes.forget(now);
        let leaving = Leaving::of(&self.part, now, strings);
        let tally = std::mem::take(&mut self.part.tally);
        let (settled, mut rest) = leaving.split(std::mem::take(&mut self.part));
        rest.tally = tally;
        self.tried = rest.attempts.len();
        self.part = rest;
        settled
    }

    /// Everything that is left, and the tally of all.
    pub fn end(mut self) -> Part {
        self.give_tls();
        self.part
    }

    /// Goes on with another table of texts.
    pub fn move_texts(&mut self, from: &Strings, to: &Strings) {
        let texts = &mut Moved::new(from, to);
        self.part.resolve(texts);
        self.part.tally.resolve(texts);
        self.handshakes.resolve(texts);
        // Their keys are symbols.
        self.part.by_queue_id.clear();
        self.part.by_process.clear();
    }

    /// Hosts' sources are read side by side, so that places are not in order here.
    fn give_tls(&mut self) {
        let mut handshakes: Vec<TlsTo> = std::mem::take(&mut self.part.tls_to).into_vec();
        handshakes.sort_by_key(|tls| tls.place);
        let new = self.part.attempts.iter_mut().skip(self.tried);
        let mut new: Vec<&mut Attempt> = new.collect();
        new.sort_by_key(|attempt| attempt.place);
        self.handshakes
            .give(&self.part.messages, handshakes.iter(), new.into_iter());
        self.tried = self.part.attempts.len();
    }
}

/// Which stretches of messages and of connections leave.
struct Leaving {
    messages: Vec<bool>,
    sessions: Vec<bool>,
    /// Of messages, then sessions: none of its queue ID or process came later.
    latest: Vec<bool>,
    /// Where each of postscreen's stretches went on.
    smtpd: Vec<u32>,
}

impl Leaving {
    fn of(part: &Part, now: i64, strings: &Strings) -> Self {
        let first_session = part.messages.len();
        let tied = tied(part);
        let smtpd = sessions::handed_over(&part.sessions, strings);
        let mut groups = Groups::new(first_session + part.sessions.len());
        together(part, &tied, &smtpd, strings, &mut groups);
        let mut latest = Vec::with_capacity(first_session + part.sessions.len());
        for (at, message) in (0..).zip(part.messages.iter()) {
            let last = part.by_queue_id.get(&(message.host, message.queue_id));
            latest.push(last == Some(&at) && !message.over);
        }
        for (at, session) in (0..).zip(part.sessions.iter()) {
            let last = part.by_process.get(&session.key());
            latest.push(last == Some(&at) && !session.over);
        }
        let messages = part.messages.iter().zip(&latest);
        let settled = messages.map(|(message, latest)| message.settled(now, *latest));
        let sessions = part.sessions.iter().zip(&latest[first_session..]);
        let settled =
            settled.chain(sessions.map(|(session, latest)| session.settled(now, *latest)));
        for (at, _) in settled.enumerate().filter(|(_, settled)| !settled) {
            groups.keep(at);
        }
        wait_for_sessions(part, &mut groups);
        let mut leaves = |at: usize| !groups.kept(at);
        let messages = (0..first_session).map(&mut leaves).collect();
        let sessions = (0..part.sessions.len())
            .map(|at| leaves(first_session + at))
            .collect();
        Leaving {
            messages,
            sessions,
            latest,
            smtpd,
        }
    }

    /// What leaves, and what stays. Refusals and logins follow their connection, else their message; other rows their
    /// message; those of neither leave.
    fn split(&self, mut part: Part) -> (Part, Part) {
        self.log_in(&mut part);
        let (mut out, mut rest) = (Part::default(), Part::default());
        let sessions = std::mem::take(&mut part.sessions);
        let (session_out, session_rest) =
            self.split_sessions(sessions, &part.messages, &mut out, &mut rest);
        let message_at = numbers(&self.messages);
        let previous: Vec<u32> = part.messages.iter().map(|m| m.previous).collect();
        for ((at, mut message), leaves) in (0..).zip(part.messages).zip(&self.messages) {
            let session_at = if *leaves { &session_out } else { &session_rest };
            place(&mut message.session, session_at);
            // The stretch before may be on the other side, but the one before that not.
            while message.previous != NONE && self.messages[message.previous as usize] != *leaves {
                message.previous = previous[message.previous as usize];
            }
            place(&mut message.previous, &message_at);
            message.over |= !self.latest[at];
            side(&mut out, &mut rest, *leaves).messages.push(message);
        }
        let message_leaves = |at: u32| self.messages[at as usize];
        let session_leaves = |at: u32| self.sessions[at as usize];
        for mut row in part.attempts {
            let leaves = message_leaves(row.message);
            place(&mut row.message, &message_at);
            side(&mut out, &mut rest, leaves).attempts.push(row);
        }
        for mut row in part.rejections {
            let leaves = match (row.message, row.session) {
                (NONE, NONE) => true,
                (message, NONE) => message_leaves(message),
                (_, session) => session_leaves(session),
            };
            if row.message != NONE && message_leaves(row.message) != leaves {
                // It has its connection, and needs its message for nothing else.
                row.message = NONE;
            }
            place(&mut row.message, &message_at);
            let session_at = if leaves { &session_out } else { &session_rest };
            place(&mut row.session, session_at);
            side(&mut out, &mut rest, leaves).rejections.push(row);
        }
        for mut row in part.logins {
            let leaves = row.session == NONE || session_leaves(row.session);
            let session_at = if leaves { &session_out } else { &session_rest };
            place(&mut row.session, session_at);
            side(&mut out, &mut rest, leaves).logins.push(row);
        }
        for mut row in part.verdicts {
            let leaves = row.message == NONE || message_leaves(row.message);
            place(&mut row.message, &message_at);
            side(&mut out, &mut rest, leaves).verdicts.push(row);
        }
        for mut row in part.notifications {
            let leaves = message_leaves(row.message);
            place(&mut row.message, &message_at);
            side(&mut out, &mut rest, leaves).notifications.push(row);
        }
        out.server_events = part.server_events;
        (out, rest)
    }

    /// The connection leaves, and this message of it stays.
    fn parted(&self, at: usize, message: &Message) -> bool {
        message.session != NONE && !self.messages[at] && self.sessions[message.session as usize]
    }

    /// Gives connections that leave the logins that only their messages tell, as those may not all leave with them.
    fn log_in(&self, part: &mut Part) {
        let mut parted = vec![false; part.sessions.len()];
        for (at, message) in part.messages.iter().enumerate() {
            if self.parted(at, message) {
                parted[message.session as usize] = true;
            }
        }
        let named = |message: &&Message| message.session != NONE;
        for message in part.messages.iter().filter(named) {
            if parted[message.session as usize] {
                let session = &mut part.sessions[message.session as usize];
                if let Some(login) = logins::from_message(session, message) {
                    part.logins.push(login);
                }
            }
        }
    }

    /// Where each connection, or the trace of it that is needed there, went to on both sides.
    fn split_sessions(
        &self,
        sessions: Pages<Session>,
        messages: &Pages<Message>,
        out: &mut Part,
        rest: &mut Part,
    ) -> (Vec<u32>, Vec<u32>) {
        let mut needed = [vec![false; sessions.len()], vec![false; sessions.len()]];
        for (message, leaves) in messages.iter().zip(&self.messages) {
            if message.session != NONE {
                needed[usize::from(!leaves)][message.session as usize] = true;
            }
        }
        let begins = self.begins(&sessions);
        let mut at = [vec![NONE; sessions.len()], vec![NONE; sessions.len()]];
        for (index, mut session) in sessions.into_iter().enumerate() {
            session.over |= !self.latest[self.messages.len() + index];
            for (side, part) in [&mut *out, &mut *rest].into_iter().enumerate() {
                let itself = !session.trace && self.sessions[index] == (side == 0);
                if itself || needed[side][index] {
                    at[side][index] = part.sessions.len() as u32;
                    part.sessions.push(if itself {
                        session
                    } else {
                        session.trace(begins[index])
                    });
                }
            }
        }
        at.into()
    }

    /// Where the row of each connection begins: with postscreen's part, where that handed it over.
    fn begins(&self, sessions: &Pages<Session>) -> Vec<Place> {
        let mut begins: Vec<Place> = sessions.iter().map(|session| session.place).collect();
        for (screen, smtpd) in self.smtpd.iter().enumerate() {
            if *smtpd != NONE {
                begins[*smtpd as usize] = sessions[screen].place;
            }
        }
        begins
    }
}

fn side<'a>(out: &'a mut Part, rest: &'a mut Part, leaves: bool) -> &'a mut Part {
    if leaves { out } else { rest }
}

/// The number of each row among those of its side.
fn numbers(leaves: &[bool]) -> Vec<u32> {
    let mut next = [0, 0];
    let number = |leaves: &bool| {
        let next = &mut next[usize::from(*leaves)];
        *next += 1;
        *next - 1
    };
    leaves.iter().map(number).collect()
}

/// Messages whose connection must leave with them: a stretch that may be one with another, or has a refusal that names
/// no connection, decides something of it.
fn tied(part: &Part) -> Vec<bool> {
    let mut tied = vec![false; part.messages.len()];
    for row in part.rejections.iter() {
        if row.message != NONE && row.session == NONE {
            tied[row.message as usize] = true;
        }
    }
    for (at, message) in part.messages.iter().enumerate() {
        if message.previous != NONE && near(&part.messages, message) {
            tied[at] = true;
            tied[message.previous as usize] = true;
        }
    }
    tied
}

/// Puts into one group what finishing looks at together.
fn together(part: &Part, tied: &[bool], smtpd: &[u32], strings: &Strings, groups: &mut Groups) {
    let first_session = part.messages.len();
    let session = |at: u32| first_session + at as usize;
    let links = links::links(part, &part.attempts, strings);
    for (at, message) in part.messages.iter().enumerate() {
        if message.session != NONE && tied[at] {
            groups.join(at, session(message.session));
        }
        if let Some(parent) = links.of[at].parent() {
            groups.join(at, parent as usize);
        }
        if message.previous != NONE && near(&part.messages, message) {
            groups.join(at, message.previous as usize);
        }
    }
    for (parent, child) in &links.pairs {
        groups.join(*parent as usize, *child as usize);
    }
    for (screen, smtpd) in (0..).zip(smtpd).filter(|(_, smtpd)| **smtpd != NONE) {
        groups.join(session(screen), session(*smtpd));
    }
}

/// Keeps the messages of connections that are kept, until that keeps no further one.
fn wait_for_sessions(part: &Part, groups: &mut Groups) {
    let first_session = part.messages.len();
    let mut more = true;
    while std::mem::take(&mut more) {
        for (at, message) in part.messages.iter().enumerate() {
            if message.session != NONE
                && !groups.kept(at)
                && groups.kept(first_session + message.session as usize)
            {
                groups.keep(at);
                more = true;
            }
        }
    }
}

/// It may turn out to be one with the stretch before it.
fn near(messages: &Pages<Message>, message: &Message) -> bool {
    let before = &messages[message.previous as usize];
    message.first_ts.saturating_sub(before.last_ts) <= SLACK
}

impl Message {
    /// No line to come can name it, or be named by it. `latest`: of its queue ID.
    fn settled(&self, now: i64, latest: bool) -> bool {
        let quiet = now.saturating_sub(self.last_ts);
        let begun_only = !self.queued && self.held.is_none();
        let over = self.closed() || !latest;
        quiet > KEPT && (over || quiet > QUIET_MESSAGE || (begun_only && quiet > ABANDONED))
    }
}

impl Session {
    /// No line to come can belong to it. `latest`: of its process.
    fn settled(&self, now: i64, latest: bool) -> bool {
        let quiet = now.saturating_sub(self.last_ts);
        let over = self.closed || self.passed || !latest;
        self.trace || (quiet > KEPT && (over || quiet > QUIET_SESSION))
    }

    /// What is left of it with its messages when it leaves before them: its key and what they take from it.
    fn trace(&self, begins: Place) -> Session {
        Session {
            pid: self.pid,
            tls_version: self.tls_version,
            tls_cipher: self.tls_cipher,
            auth_user: self.auth_user,
            helo: self.helo,
            protocol: self.protocol,
            closed: true,
            trace: true,
            ..Session::new(begins, self.host, self.service, self.first_ts)
        }
    }
}

/// Things that belong together, as a forest.
struct Groups {
    parent: Vec<u32>,
    /// Of roots: one of the group is not settled.
    kept: Vec<bool>,
}

impl Groups {
    fn new(len: usize) -> Self {
        Groups {
            parent: (0..len as u32).collect(),
            kept: vec![false; len],
        }
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parent[at] as usize != at {
            let above = self.parent[self.parent[at] as usize];
            self.parent[at] = above;
            at = above as usize;
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.kept[b] |= self.kept[a];
        self.parent[a] = b as u32;
    }

    fn keep(&mut self, at: usize) {
        let root = self.root(at);
        self.kept[root] = true;
    }

    fn kept(&mut self, at: usize) -> bool {
        let root = self.root(at);
        self.kept[root]
    }
}
