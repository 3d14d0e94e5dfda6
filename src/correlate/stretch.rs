//! Stretches of messages and sessions: how they begin, and how one takes over what the next says.
//!
//! Folding ([`super::fold`]) changes a stretch event by event; [`super::Part::append`] joins two. Both must come to
//! the same: what `absorb` does with a stretch is what folding its events would have done.

use super::SessionKey;
use super::rows::{Head, Message, NO_TIME, NONE, Notification, Place, Session};
use crate::event::{Commands, End, Notice};
use crate::strings::Sym;

/// A queue ID that no line names for so long, µs, belongs to another message when one does: deferred mail is tried
/// every few hours (Postfix: `maximal_backoff_time`), and five days is the usual end of it.
pub(super) const QUIET_MESSAGE: i64 = 30 * 86_400_000_000;

/// A server process that says nothing of its client for so long, µs, serves another one when it speaks again.
pub(super) const QUIET_SESSION: i64 = 86_400_000_000;

impl Message {
    /// A line of this time belongs to it, when it is the latest of its queue ID.
    pub(super) fn takes(&self, ts: i64) -> bool {
        !self.closed() && !self.over && ts.saturating_sub(self.last_ts) <= QUIET_MESSAGE
    }

    pub(super) fn new(place: Place, host: Sym, queue_id: Sym, ts: i64) -> Self {
        Message {
            place,
            host,
            queue_id,
            service: Sym::NULL,
            first_ts: ts,
            last_ts: ts,
            head: Head::None,
            received_ts: NO_TIME,
            removed_ts: NO_TIME,
            message_id: Sym::NULL,
            sender: Sym::NULL,
            size: None,
            nrcpt: None,
            client_name: Sym::NULL,
            client_ip: Sym::NULL,
            client_port: 0,
            helo: Sym::NULL,
            protocol: Sym::NULL,
            auth_user: Sym::NULL,
            auth_method: Sym::NULL,
            orig_queue_id: Sym::NULL,
            queued: false,
            expired_ts: NO_TIME,
            deleted: false,
            requeued: false,
            held: None,
            discarded: false,
            session: NONE,
            leading: false,
            previous: NONE,
            taken: false,
            over: false,
        }
    }

    /// Its queue file is gone: a further line belongs to another message of the same ID.
    pub fn closed(&self) -> bool {
        self.removed_ts != NO_TIME || self.requeued
    }

    /// Takes over what the stretch that follows says.
    pub(super) fn absorb(&mut self, next: &Message) {
        self.last_ts = next.last_ts;
        if self.received_ts == NO_TIME && next.received_ts != NO_TIME && !self.queued {
            self.received_ts = next.received_ts;
        }
        self.removed_ts = next.removed_ts;
        self.message_id = self.message_id.or(next.message_id);
        self.sender = if next.queued {
            next.sender
        } else {
            self.sender.or(next.sender)
        };
        self.size = self.size.or(next.size);
        self.nrcpt = self.nrcpt.or(next.nrcpt);
        self.helo = self.helo.or(next.helo);
        self.protocol = self.protocol.or(next.protocol);
        self.held = next.held.or(self.held);
        self.queued |= next.queued;
        if next.expired_ts != NO_TIME {
            self.expired_ts = next.expired_ts;
        }
        self.deleted |= next.deleted;
        self.requeued |= next.requeued;
        self.discarded |= next.discarded;
        if self.session == NONE {
            self.session = next.session;
        }
    }
}

impl Session {
    /// A line of this time belongs to it, when it is the latest of its process.
    pub(super) fn takes(&self, ts: i64) -> bool {
        !self.closed && !self.over && ts.saturating_sub(self.last_ts) <= QUIET_SESSION
    }

    pub(super) fn new(place: Place, host: Sym, service: Sym, ts: i64) -> Self {
        Session {
            place,
            host,
            service,
            pid: 0,
            connect_ts: NO_TIME,
            disconnect_ts: NO_TIME,
            first_ts: ts,
            last_ts: ts,
            client_name: Sym::NULL,
            client_ip: Sym::NULL,
            client_port: 0,
            tls_version: Sym::NULL,
            tls_cipher: Sym::NULL,
            tls_failed: false,
            auth_user: Sym::NULL,
            auth_method: Sym::NULL,
            helo: Sym::NULL,
            protocol: Sym::NULL,
            logins_ok: 0,
            logins_failed: 0,
            commands: Commands::default(),
            messages: 0,
            rejections: 0,
            end: None,
            end_stage: Sym::NULL,
            end_place: place,
            closed: false,
            passed: false,
            screen: false,
            stretch: NONE,
            leading: false,
            over: false,
            trace: false,
        }
    }

    pub(super) fn key(&self) -> SessionKey {
        if self.screen {
            (self.host, self.client_ip, u32::from(self.client_port), true)
        } else {
            (self.host, self.service, self.pid, false)
        }
    }

    pub(super) fn disconnect(&mut self, place: Place, ts: i64, commands: &Commands) {
        self.disconnect_ts = ts;
        self.end_place = place;
        self.closed = true;
        self.commands = *commands;
    }

    pub(super) fn ended(&mut self, place: Place, end: End, stage: Sym) {
        self.end = self.end.or(Some(end));
        self.end_stage = self.end_stage.or(stage);
        self.end_place = place;
    }

    /// Takes over what the stretch that follows says.
    pub(super) fn absorb(&mut self, next: &Session) {
        self.last_ts = next.last_ts;
        self.disconnect_ts = next.disconnect_ts;
        self.tls_version = next.tls_version.or(self.tls_version);
        self.tls_cipher = next.tls_cipher.or(self.tls_cipher);
        self.tls_failed |= next.tls_failed;
        self.auth_user = self.auth_user.or(next.auth_user);
        self.auth_method = self.auth_method.or(next.auth_method);
        self.helo = self.helo.or(next.helo);
        self.protocol = self.protocol.or(next.protocol);
        self.logins_ok += next.logins_ok;
        self.logins_failed += next.logins_failed;
        // An open session has no counters yet.
        self.commands = next.commands;
        self.messages += next.messages;
        self.end = self.end.or(next.end);
        self.end_stage = self.end_stage.or(next.end_stage);
        if next.end.is_some() || next.closed {
            self.end_place = next.end_place;
        }
        self.closed = next.closed;
        self.passed |= next.passed;
    }
}

impl Notification {
    /// The new message tells a sender of a failure, rather than of a delay or a success.
    pub fn is_bounce(&self) -> bool {
        self.notice == Notice::NonDelivery
    }
}
