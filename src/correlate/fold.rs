//! One event into a part.
//!
//! Everything here depends on the event, and on the open stretch of its queue ID or session, alone; see the
//! rule in [`super`].

use super::entries::{stage_of, verdict_of};
use super::rows::{Head, Message, NO_TIME, NONE, Notification, Place, Session, TlsTo, Verdict};
use super::{Context, Part, SessionKey};
use crate::event::{Commands, End, Event, Header, Kind, Peer, Severity};
use crate::strings::Sym;

/// An event with where it stands and whose it is.
pub(super) struct Line<'c, 'b> {
    pub(super) ctx: &'c Context<'b>,
    pub(super) header: &'c Header<'b>,
    pub(super) place: Place,
    pub(super) host: Sym,
    pub(super) program: Sym,
    pub(super) service: Sym,
}

impl<'b> Line<'_, 'b> {
    pub(super) fn sym(&self, bytes: &'b [u8]) -> Sym {
        self.ctx.intern_some(bytes)
    }

    pub(super) fn ts(&self) -> i64 {
        self.header.ts
    }
}

/// The service that a program belongs to: `postfix/submission/smtpd` is `submission/smtpd`, and a further
/// instance keeps its name (`postfix-out/smtpd`). A tag without any service (`postfix`, see
/// [`Header::program`]) has none.
pub fn service(program: &[u8]) -> &[u8] {
    match program.strip_prefix(b"postfix") {
        Some(b"") => b"",
        Some(rest) => rest.strip_prefix(b"/").unwrap_or(program),
        None => program,
    }
}

impl Part {
    /// Folds one event in.
    pub fn fold<'b>(
        &mut self,
        ctx: &mut Context<'b>,
        line: u64,
        header: &Header<'b>,
        event: &Event<'b>,
    ) {
        let host = ctx.host(header.host);
        let (program, service) = ctx.program(header.program);
        let place = Place {
            source: ctx.source,
            line,
        };
        let line = Line {
            ctx,
            header,
            place,
            host,
            program,
            service,
        };
        match event {
            Event::Connect { .. }
            | Event::Disconnect { .. }
            | Event::SessionEnd { .. }
            | Event::TlsFrom { .. }
            | Event::TlsFromFailed { .. }
            | Event::ScreenConnect { .. }
            | Event::ScreenPass { .. }
            | Event::ScreenTest { .. }
            | Event::ScreenDisconnect { .. } => self.fold_session(&line, event),
            Event::Attempted(attempt) => self.attempted(&line, attempt),
            Event::Rejected(rejection) => self.rejected(&line, rejection),
            Event::LoggedIn(login) => self.logged_in(&line, login),
            Event::Verdict { .. } => self.verdict(&line, event),
            Event::Server {
                severity,
                kind,
                text,
            } => self.server(&line, *severity, *kind, text),
            Event::TlsTo { relay, version, .. } => self.tls_to.push(TlsTo {
                place: line.place,
                ts: line.ts(),
                host: line.host,
                pid: header.pid,
                relay_ip: line.sym(relay.ip),
                relay_port: relay.port,
                version: line.sym(version),
            }),
            Event::RelayTrouble { text, .. } => {
                self.server(&line, Severity::Warning, Kind::Other, text)
            }
            _ => self.fold_message(&line, event),
        }
    }

    fn fold_session<'b>(&mut self, line: &Line<'_, 'b>, event: &Event<'b>) {
        match event {
            Event::Connect { client } => {
                self.begin_session(line, client, false);
            }
            Event::ScreenConnect { client } => {
                self.begin_session(line, client, true);
            }
            Event::Disconnect { client, commands } => {
                let at = self.session(line, client);
                self.sessions[at as usize].disconnect(line.place, line.ts(), commands);
            }
            Event::SessionEnd { client, end, stage } => {
                let at = self.session(line, client);
                self.sessions[at as usize].ended(line.place, *end, line.sym(stage));
                if *end == End::Error {
                    self.broken_off(line, client, stage_of(stage), b"too many errors");
                }
            }
            Event::TlsFrom {
                client,
                version,
                cipher,
            } => {
                let at = self.session(line, client) as usize;
                self.sessions[at].tls_version = line.sym(version);
                self.sessions[at].tls_cipher = line.sym(cipher);
            }
            Event::TlsFromFailed { client, text } => {
                let at = self.session(line, client) as usize;
                self.sessions[at].tls_failed = true;
                self.server(line, Severity::Info, Kind::Tls, text);
            }
            Event::ScreenPass { client, .. } => {
                let at = self.session(line, client) as usize;
                self.sessions[at].passed = true;
            }
            Event::ScreenTest {
                client,
                verdict,
                score,
                detail,
                end,
            } => {
                let at = self.session(line, client) as usize;
                if let Some(end) = end {
                    self.sessions[at].ended(line.place, *end, Sym::NULL);
                    if *end == End::Error {
                        self.broken_off(line, client, stage_of(detail), verdict.as_bytes());
                    }
                }
                let row = Verdict {
                    verdict,
                    score: *score,
                    ..verdict_of(line, client, detail)
                };
                self.verdicts.push(row);
            }
            Event::ScreenDisconnect { client } => {
                let at = self.session(line, client);
                self.sessions[at as usize].disconnect(line.place, line.ts(), &Commands::default());
            }
            _ => {}
        }
    }

    fn fold_message<'b>(&mut self, line: &Line<'_, 'b>, event: &Event<'b>) {
        match event {
            Event::Received { queue_id, .. } | Event::PickedUp { queue_id, .. } => {
                self.begin_message(line, queue_id, event)
            }
            Event::MessageId {
                queue_id,
                message_id,
                ..
            } => {
                let message_id = line.ctx.intern(message_id);
                let message = self.touch(line, queue_id);
                message.message_id = message.message_id.or(message_id);
                if message.received_ts == NO_TIME && !message.queued {
                    message.received_ts = line.ts();
                }
            }
            Event::Queued {
                queue_id,
                sender,
                size,
                nrcpt,
            } => {
                let sender = line.ctx.intern(sender);
                let message = self.touch(line, queue_id);
                message.queued = true;
                message.held = Some(false);
                message.sender = sender;
                message.size.get_or_insert(*size);
                message.nrcpt.get_or_insert(*nrcpt);
            }
            Event::Expired {
                queue_id, sender, ..
            } => {
                let sender = line.ctx.intern(sender);
                let message = self.touch(line, queue_id);
                message.sender = message.sender.or(sender);
                message.expired_ts = line.ts();
            }
            Event::Removed { queue_id, by_admin } => {
                let message = self.touch(line, queue_id);
                message.removed_ts = line.ts();
                message.deleted |= by_admin;
            }
            Event::Superuser { queue_id, action } => superuser(self.touch(line, queue_id), action),
            Event::Notified {
                queue_id,
                notice,
                new_queue_id,
                ..
            } => {
                let message = self.message(line, queue_id);
                let row = Notification {
                    message,
                    ts: line.ts(),
                    notice: *notice,
                    new_queue_id: line.sym(new_queue_id),
                };
                self.notifications.push(row);
            }
            _ => {}
        }
    }

    /// The open stretch of a queue ID, begun when there is none.
    pub(super) fn message<'b>(&mut self, line: &Line<'_, 'b>, queue_id: &'b [u8]) -> u32 {
        let key = (line.host, line.sym(queue_id));
        let before = self.by_queue_id.get(&key).copied();
        if let Some(open) = before {
            let message = &mut self.messages[open as usize];
            if message.takes(line.ts()) {
                message.last_ts = line.ts();
                return open;
            }
        }
        self.push_message(line, key.1, before, Head::None)
    }

    pub(super) fn touch<'b>(&mut self, line: &Line<'_, 'b>, queue_id: &'b [u8]) -> &mut Message {
        let at = self.message(line, queue_id);
        &mut self.messages[at as usize]
    }

    fn push_message<'b>(
        &mut self,
        line: &Line<'_, 'b>,
        queue_id: Sym,
        before: Option<u32>,
        head: Head,
    ) -> u32 {
        let index = self.messages.len() as u32;
        let leading = before.is_none() && head == Head::None;
        let previous = before.unwrap_or(NONE);
        let message = Message {
            head,
            leading,
            previous,
            ..Message::new(line.place, line.host, queue_id, line.ts())
        };
        self.messages.push(message);
        self.by_queue_id.insert((line.host, queue_id), index);
        index
    }

    fn begin_message<'b>(&mut self, line: &Line<'_, 'b>, queue_id: &'b [u8], event: &Event<'b>) {
        let queue_id = line.sym(queue_id);
        let before = self.by_queue_id.get(&(line.host, queue_id)).copied();
        match event {
            Event::Received {
                client,
                auth_method,
                auth_user,
                orig_queue_id,
                ..
            } => {
                let session = self.session(line, client);
                let index = self.push_message(line, queue_id, before, Head::Smtp);
                let auth_user = line.sym(auth_user);
                let auth_method = line.sym(auth_method);
                let open = &mut self.sessions[session as usize];
                open.messages += 1;
                open.auth_user = open.auth_user.or(auth_user);
                open.auth_method = open.auth_method.or(auth_method);
                let message = &mut self.messages[index as usize];
                message.service = line.service;
                message.received_ts = line.ts();
                message.session = session;
                message.client_name = line.sym(client.name);
                message.client_ip = line.sym(client.ip);
                message.client_port = client.port;
                message.auth_user = auth_user;
                message.auth_method = auth_method;
                message.orig_queue_id = line.sym(orig_queue_id);
            }
            Event::PickedUp {
                sender, orig_id, ..
            } => {
                let index = self.push_message(line, queue_id, before, Head::Pickup);
                let message = &mut self.messages[index as usize];
                message.service = line.service;
                message.received_ts = line.ts();
                message.sender = line.ctx.intern(sender);
                message.orig_queue_id = line.sym(orig_id);
            }
            _ => {}
        }
    }

    /// The open session of a line, begun when there is none. postscreen names a client by address and port
    /// and knows no name; every other server process serves one client at a time.
    pub(super) fn session<'b>(&mut self, line: &Line<'_, 'b>, client: &Peer<'b>) -> u32 {
        let screen = client.name.is_empty() && client.port != 0;
        let key = session_key(line, client, screen);
        if let Some(&at) = self.by_process.get(&key) {
            let open = &mut self.sessions[at as usize];
            if open.takes(line.ts()) {
                open.last_ts = line.ts();
                return at;
            }
        }
        self.push_session(line, client, key)
    }

    fn begin_session<'b>(&mut self, line: &Line<'_, 'b>, client: &Peer<'b>, screen: bool) {
        let key = session_key(line, client, screen);
        let at = self.push_session(line, client, key);
        let session = &mut self.sessions[at as usize];
        session.leading = false;
        session.connect_ts = line.ts();
    }

    fn push_session<'b>(&mut self, line: &Line<'_, 'b>, client: &Peer<'b>, key: SessionKey) -> u32 {
        let index = self.sessions.len() as u32;
        let mut session = Session::new(line.place, line.host, line.service, line.ts());
        session.pid = line.header.pid;
        session.client_name = line.sym(client.name);
        session.client_ip = line.sym(client.ip);
        session.client_port = client.port;
        session.screen = key.3;
        session.leading = !self.by_process.contains_key(&key);
        self.sessions.push(session);
        self.by_process.insert(key, index);
        index
    }
}

fn session_key<'b>(line: &Line<'_, 'b>, client: &Peer<'b>, screen: bool) -> SessionKey {
    if screen {
        (line.host, line.sym(client.ip), u32::from(client.port), true)
    } else {
        (line.host, line.service, line.header.pid, false)
    }
}

fn superuser(message: &mut Message, action: &[u8]) {
    match action {
        b"placed on hold" => message.held = Some(true),
        b"released from hold" => message.held = Some(false),
        b"requeued" => message.requeued = true,
        _ => {}
    }
}
