//! Events to rows: the one stateful stage.
//!
//! A [`Part`] is what a stretch of log comes to. Blocks are folded into parts of their own, in parallel and
//! from nothing; [`Part::append`] joins two adjacent ones. Joining is associative, so any block size and any
//! number of threads give the same rows. That rests on one rule: where a queue ID's or a session's life is cut
//! into stretches is decided by its own lines alone (a head line begins one, `removed` or `disconnect` ends one, and so
//! does a long silence), never by other lines. What needs those is left to [`finish`], which runs once over the joined
//! whole: links between messages, outcomes, directions.

pub mod activity;
pub mod coverage;
pub mod dated;
mod entries;
pub mod finish;
mod fold;
mod links;
mod logins;
mod outcomes;
pub mod pages;
mod refusals;
mod resolve;
pub mod rows;
mod sessions;
pub mod settle;
pub mod steps;
mod stretch;

use std::borrow::Cow;
use std::cell::RefCell;

use hashbrown::HashMap;

use crate::strings::{Local, Renumber, Strings, Sym, domain};
use coverage::Tally;
use pages::{Chunks, Pages};
use rows::{
    Attempt, Login, Message, NONE, Notification, Rejection, ServerEvent, Session, TlsTo, Verdict,
};

/// Keys are numbers of ours, small in a block and given out by a seeded interner in a whole: a fixed hash cannot be
/// steered from outside.
type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// (host, queue ID).
type MessageKey = (Sym, Sym);

/// (host, service or client address, process id or client port, postscreen).
type SessionKey = (Sym, Sym, u32, bool);

/// What a stretch of log comes to.
#[derive(Default)]
#[allow(missing_docs)]
pub struct Part {
    pub messages: Pages<Message>,
    pub attempts: Chunks<Attempt>,
    pub rejections: Chunks<Rejection>,
    pub sessions: Pages<Session>,
    pub logins: Chunks<Login>,
    pub verdicts: Chunks<Verdict>,
    pub server_events: Chunks<ServerEvent>,
    pub notifications: Chunks<Notification>,
    pub tls_to: Chunks<TlsTo>,
    /// Lines counted, by what became of them.
    pub tally: Tally,
    /// The latest stretch of each queue ID.
    by_queue_id: Map<MessageKey, u32>,
    /// The latest stretch of each session.
    by_process: Map<SessionKey, u32>,
}

impl Part {
    /// What a block came to, with the symbols of the shared table in the place of the block's.
    pub fn finish(mut self, ctx: Context<'_>, tally: Tally) -> Part {
        self.resolve(&mut ctx.texts.into_inner().resolve());
        // Keys of this block; see `index`.
        self.by_queue_id = Map::default();
        self.by_process = Map::default();
        self.tally = tally;
        self
    }

    /// Puts the symbols of another table of texts in the place of this one's, in all rows.
    fn resolve(&mut self, texts: &mut impl Renumber) {
        self.messages.iter_mut().for_each(|row| row.resolve(texts));
        self.attempts.iter_mut().for_each(|row| row.resolve(texts));
        self.rejections
            .iter_mut()
            .for_each(|row| row.resolve(texts));
        self.sessions.iter_mut().for_each(|row| row.resolve(texts));
        self.logins.iter_mut().for_each(|row| row.resolve(texts));
        self.verdicts.iter_mut().for_each(|row| row.resolve(texts));
        self.server_events
            .iter_mut()
            .for_each(|row| row.resolve(texts));
        self.notifications
            .iter_mut()
            .for_each(|row| row.resolve(texts));
        self.tls_to.iter_mut().for_each(|row| row.resolve(texts));
    }

    /// Makes the latest stretch of each queue ID and session findable, where it is not yet. A block's part is mostly
    /// taken over by the one before, which needs its rows only.
    fn index(&mut self) {
        if !self.by_queue_id.is_empty() || !self.by_process.is_empty() {
            return;
        }
        for (at, message) in (0..).zip(self.messages.iter()) {
            self.by_queue_id
                .insert((message.host, message.queue_id), at);
        }
        for (at, session) in (0..)
            .zip(self.sessions.iter())
            .filter(|(_, session)| !session.trace)
        {
            self.by_process.insert(session.key(), at);
        }
    }

    /// It has no rows.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.sessions.is_empty()
            && self.attempts.is_empty()
            && self.rejections.is_empty()
            && self.logins.is_empty()
            && self.verdicts.is_empty()
            && self.server_events.is_empty()
    }

    /// Joins the part that follows.
    pub fn append(&mut self, next: Part) {
        // Joining to nothing changes nothing, and needs no copy of a whole source.
        if self.tally.sources.is_empty() {
            *self = next;
            return;
        }
        self.index();
        let Part {
            messages,
            mut attempts,
            mut rejections,
            sessions,
            mut logins,
            mut verdicts,
            server_events,
            mut notifications,
            ..
        } = next;
        let session_at = self.append_sessions(sessions);
        let message_at = self.append_messages(messages, &session_at);
        attempts
            .iter_mut()
            .for_each(|row| place(&mut row.message, &message_at));
        for row in rejections.iter_mut() {
            place(&mut row.session, &session_at);
            place(&mut row.message, &message_at);
        }
        logins
            .iter_mut()
            .for_each(|row| place(&mut row.session, &session_at));
        verdicts
            .iter_mut()
            .for_each(|row| place(&mut row.message, &message_at));
        notifications
            .iter_mut()
            .for_each(|row| place(&mut row.message, &message_at));
        self.attempts.append(attempts);
        self.rejections.append(rejections);
        self.logins.append(logins);
        self.verdicts.append(verdicts);
        self.server_events.append(server_events);
        self.notifications.append(notifications);
        self.tls_to.append(next.tls_to);
        self.tally.append(next.tally);
    }

    /// Where each of the next part's messages ends up here.
    fn append_messages(&mut self, next: Pages<Message>, session_at: &[u32]) -> Vec<u32> {
        let mut at = Vec::with_capacity(next.len());
        for mut message in next {
            if message.session != NONE {
                message.session = session_at[message.session as usize];
            }
            let key = (message.host, message.queue_id);
            let before = self.by_queue_id.get(&key).copied();
            match before {
                Some(open)
                    if message.leading && self.messages[open as usize].takes(message.first_ts) =>
                {
                    self.messages[open as usize].absorb(&message);
                    at.push(open);
                }
                _ => {
                    let index = self.messages.len() as u32;
                    message.leading &= before.is_none();
                    message.previous = before.unwrap_or(NONE);
                    self.messages.push(message);
                    self.by_queue_id.insert(key, index);
                    at.push(index);
                }
            }
        }
        at
    }

    /// Where each of the next part's sessions ends up here.
    fn append_sessions(&mut self, next: Pages<Session>) -> Vec<u32> {
        let mut at = Vec::with_capacity(next.len());
        for mut session in next {
            let key = session.key();
            let before = self.by_process.get(&key).copied();
            match before {
                Some(open)
                    if session.leading && self.sessions[open as usize].takes(session.first_ts) =>
                {
                    self.sessions[open as usize].absorb(&session);
                    at.push(open);
                }
                _ => {
                    let index = self.sessions.len() as u32;
                    session.leading &= before.is_none();
                    self.sessions.push(session);
                    self.by_process.insert(key, index);
                    at.push(index);
                }
            }
        }
        at
    }
}

/// Where a row that another one names went to; [`NONE`] stays.
fn place(row: &mut u32, at: &[u32]) {
    if *row != NONE {
        *row = at[*row as usize];
    }
}

/// What folding a block needs beside the events: the shared texts and where the events are from.
pub struct Context<'a> {
    texts: RefCell<Local<'a>>,
    source: u32,
    host: &'a [u8],
    host_sym: Sym,
    programs: Vec<Program<'a>>,
}

/// A program met in a block, with its symbols.
struct Program<'a> {
    name: &'a [u8],
    program: Sym,
    service: Sym,
}

impl<'a> Context<'a> {
    /// For a block of the source of this rank in reading order.
    pub fn new(strings: &'a Strings, source: u32) -> Self {
        Context {
            texts: RefCell::new(Local::new(strings)),
            source,
            host: b"",
            host_sym: Sym::NULL,
            programs: Vec::new(),
        }
    }

    /// The symbol of a text of the block.
    fn intern(&self, bytes: &'a [u8]) -> Sym {
        self.texts.borrow_mut().intern(bytes)
    }

    /// The same; none for the empty text.
    fn intern_some(&self, bytes: &'a [u8]) -> Sym {
        if bytes.is_empty() {
            Sym::NULL
        } else {
            self.intern(bytes)
        }
    }

    /// The symbol of a text that is not compared by symbol; none for the empty text.
    fn store_some(&self, bytes: &'a [u8]) -> Sym {
        if bytes.is_empty() {
            Sym::NULL
        } else {
            self.texts.borrow_mut().store(bytes)
        }
    }

    /// The symbol of the domain of an address of the block.
    fn domain(&self, address: &'a [u8]) -> Sym {
        match domain(address) {
            None => Sym::NULL,
            Some(Cow::Borrowed(domain)) => self.intern(domain),
            Some(Cow::Owned(domain)) => self.texts.borrow_mut().intern_owned(&domain),
        }
    }

    /// Every line has a host, and nearly every one the same.
    fn host(&mut self, host: &'a [u8]) -> Sym {
        if host != self.host {
            self.host_sym = self.intern_some(host);
            self.host = host;
        }
        self.host_sym
    }

    /// Program and service. A block meets a dozen of them; a log with many is only slower.
    fn program(&mut self, name: &'a [u8]) -> (Sym, Sym) {
        if let Some(known) = self.programs.iter().find(|known| known.name == name) {
            return (known.program, known.service);
        }
        let program = self.intern_some(name);
        let service = self.intern_some(fold::service(name));
        if self.programs.len() < 64 {
            self.programs.push(Program {
                name,
                program,
                service,
            });
        }
        (program, service)
    }
}
