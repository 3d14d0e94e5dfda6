//! One event into a part.
//!
//! Everything here depends on the event, and on the open stretch of its queue ID or session, alone; see the
//! rule in [`super`].

use super::rows::{
    Attempt, Head, Login, Message, NO_TIME, NONE, Notification, Place, Rejection, ServerEvent,
    Session, TlsTo, Verdict,
};
use super::{Context, Part, SessionKey};
use crate::classify::{self, At, Question};
use crate::event::{
    self, Action, Commands, End, Event, Header, Kind, Notice, Peer, Severity, Stage, Status,
};
use crate::strings::Sym;

/// An event with where it stands and whose it is.
struct Line<'c, 'b> {
    ctx: &'c Context<'b>,
    header: &'c Header<'b>,
    place: Place,
    host: Sym,
    program: Sym,
    service: Sym,
}

impl<'b> Line<'_, 'b> {
    fn sym(&self, bytes: &'b [u8]) -> Sym {
        self.ctx.intern_some(bytes)
    }

    fn ts(&self) -> i64 {
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
            Event::Verdict {
                queue_id,
                client,
                verdict,
                score,
                detail,
                sender,
                recipient,
            } => {
                let message = if queue_id.is_empty() {
                    NONE
                } else {
                    self.message(&line, queue_id)
                };
                let row = Verdict {
                    queue_id: line.sym(queue_id),
                    message,
                    verdict,
                    score: *score,
                    sender: line.sym(sender),
                    recipient: line.sym(recipient),
                    ..verdict_of(&line, client, detail)
                };
                self.verdicts.push(row);
            }
            Event::Server {
                severity,
                kind,
                text,
            } => self.server(&line, *severity, *kind, text),
            Event::TlsTo { relay, version, .. } => self.tls_to.push(TlsTo {
                place: line.place,
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
                self.sessions[at as usize].disconnect(line, commands);
            }
            Event::SessionEnd { client, end, stage } => {
                let at = self.session(line, client);
                self.sessions[at as usize].ended(line, *end, line.sym(stage));
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
                    self.sessions[at].ended(line, *end, Sym::NULL);
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
                self.sessions[at as usize].disconnect(line, &Commands::default());
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
    fn message<'b>(&mut self, line: &Line<'_, 'b>, queue_id: &'b [u8]) -> u32 {
        let key = (line.host, line.sym(queue_id));
        let before = self.by_queue_id.get(&key).copied();
        if let Some(open) = before {
            let message = &mut self.messages[open as usize];
            if !message.closed() {
                message.last_ts = line.ts();
                return open;
            }
        }
        self.push_message(line, key.1, before, Head::None)
    }

    fn touch<'b>(&mut self, line: &Line<'_, 'b>, queue_id: &'b [u8]) -> &mut Message {
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

    fn attempted<'b>(&mut self, line: &Line<'_, 'b>, a: &event::Attempt<'b>) {
        let message = self.message(line, a.queue_id);
        let failed = matches!(
            a.status,
            Status::Deferred | Status::Bounced | Status::Expired
        );
        let class = failed.then(|| {
            classify::classify(&Question {
                reply: a.reply,
                reply_code: a.reply_code,
                dsn: a.dsn,
                at: At::Delivery,
                status_expired: a.status == Status::Expired,
            })
        });
        self.attempts.push(Attempt {
            place: line.place,
            message,
            ts: line.ts(),
            pid: line.header.pid,
            transport: line.service,
            recipient: line.ctx.intern(a.recipient),
            recipient_domain: line.ctx.domain(a.recipient),
            orig_recipient: line.sym(a.orig_recipient),
            relay_name: if a.relay.name == b"none" {
                Sym::NULL
            } else {
                line.sym(a.relay.name)
            },
            relay_ip: line.sym(a.relay.ip),
            relay_port: a.relay.port,
            delay: a.delay,
            delays: a.delays,
            status: a.status,
            dsn: line.sym(a.dsn),
            reply_code: a.reply_code,
            reply: line.sym(a.reply),
            class,
            next_queue_id: line.sym(a.next_queue_id),
            conn_use: a.conn_use,
            tls_version: Sym::NULL,
        });
    }

    fn rejected<'b>(&mut self, line: &Line<'_, 'b>, r: &event::Rejection<'b>) {
        let helo = line.sym(r.helo);
        let protocol = line.sym(r.protocol);
        let message = if r.queue_id.is_empty() {
            NONE
        } else {
            self.rejected_message(line, r, helo, protocol)
        };
        // cleanup, which checks contents, serves no client itself: its line belongs to the message's session.
        let by_cleanup = r.stage == Stage::Eod && message != NONE;
        let session = if by_cleanup || r.client.ip.is_empty() {
            NONE
        } else {
            self.session(line, &r.client)
        };
        if session != NONE {
            let open = &mut self.sessions[session as usize];
            open.helo = open.helo.or(helo);
            open.protocol = open.protocol.or(protocol);
            open.auth_user = open.auth_user.or(line.sym(r.auth_user));
        }
        let refused = matches!(
            r.action,
            Action::Reject | Action::RejectWarning | Action::Defer
        );
        let class = refused.then(|| {
            let (reply_code, dsn) = (r.reply_code, r.dsn);
            classify::classify(&Question {
                reply: r.reply,
                reply_code,
                dsn,
                at: At::Rejection,
                status_expired: false,
            })
        });
        self.rejections.push(Rejection {
            place: line.place,
            host: line.host,
            service: line.service,
            ts: line.ts(),
            stage: r.stage,
            action: r.action,
            reply_code: r.reply_code,
            dsn: line.sym(r.dsn),
            reply: line.sym(r.reply),
            class,
            client_name: line.sym(r.client.name),
            client_ip: line.sym(r.client.ip),
            helo,
            protocol,
            sender: if r.has_sender {
                line.ctx.intern(r.sender)
            } else {
                Sym::NULL
            },
            recipient: line.sym(r.recipient),
            auth_user: line.sym(r.auth_user),
            queue_id: line.sym(r.queue_id),
            dnsbl: line.sym(r.dnsbl),
            session,
            message,
        });
    }

    /// What a refusal or check under a live queue ID tells about the message.
    fn rejected_message<'b>(
        &mut self,
        line: &Line<'_, 'b>,
        r: &event::Rejection<'b>,
        helo: Sym,
        protocol: Sym,
    ) -> u32 {
        let sender = if r.has_sender {
            line.ctx.intern(r.sender)
        } else {
            Sym::NULL
        };
        let at = self.message(line, r.queue_id);
        let message = &mut self.messages[at as usize];
        message.helo = message.helo.or(helo);
        message.protocol = message.protocol.or(protocol);
        message.sender = message.sender.or(sender);
        match r.action {
            Action::Hold => message.held = Some(true),
            Action::Discard if r.stage == Stage::Eod => message.discarded = true,
            _ => {}
        }
        at
    }

    /// The server broke the session off with a 421: too many errors, a limit of postscreen.
    fn broken_off<'b>(
        &mut self,
        line: &Line<'_, 'b>,
        client: &Peer<'b>,
        stage: Stage,
        text: &'b [u8],
    ) {
        self.rejected(
            line,
            &event::Rejection {
                stage,
                client: *client,
                reply_code: 421,
                reply: text,
                ..Default::default()
            },
        );
    }

    fn logged_in<'b>(&mut self, line: &Line<'_, 'b>, l: &event::Login<'b>) {
        // A companion's service (imap) has no session of ours.
        let own = l.service.is_empty();
        let session = if own && !l.client.ip.is_empty() {
            self.session(line, &l.client)
        } else {
            NONE
        };
        let user = line.sym(l.user);
        if session != NONE {
            let open = &mut self.sessions[session as usize];
            if l.success {
                open.logins_ok += 1;
                open.auth_user = open.auth_user.or(user);
            } else {
                open.logins_failed += l.attempts.max(1);
            }
        }
        self.logins.push(Login {
            place: line.place,
            host: line.host,
            service: if own {
                line.service
            } else {
                line.sym(l.service)
            },
            ts: line.ts(),
            auth_user: user,
            auth_method: line.sym(l.method),
            client_name: line.sym(l.client.name),
            client_ip: line.sym(l.client.ip),
            tls: l.tls,
            success: l.success,
            failure: line.sym(l.failure),
            credentials: l.credentials && !l.success,
            attempts: l.attempts.max(1),
            session,
        });
    }

    fn server<'b>(&mut self, line: &Line<'_, 'b>, severity: Severity, kind: Kind, text: &'b [u8]) {
        self.server_events.push(ServerEvent {
            place: line.place,
            host: line.host,
            program: line.program,
            pid: line.header.pid,
            ts: line.ts(),
            severity,
            kind,
            text: line.sym(text),
        });
    }

    /// The open session of a line, begun when there is none. postscreen names a client by address and port
    /// and knows no name; every other server process serves one client at a time.
    fn session<'b>(&mut self, line: &Line<'_, 'b>, client: &Peer<'b>) -> u32 {
        let screen = client.name.is_empty() && client.port != 0;
        let key = session_key(line, client, screen);
        if let Some(open) = self.by_process.get(&key)
            && !self.sessions[*open as usize].closed
        {
            return *open;
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

fn verdict_of<'b>(line: &Line<'_, 'b>, client: &Peer<'b>, detail: &'b [u8]) -> Verdict {
    Verdict {
        place: line.place,
        host: line.host,
        ts: line.ts(),
        queue_id: Sym::NULL,
        message: NONE,
        program: line.service,
        verdict: "",
        score: None,
        detail: line.sym(detail),
        client_ip: line.sym(client.ip),
        sender: Sym::NULL,
        recipient: Sym::NULL,
    }
}

/// The stage that a word of `too many errors after …` names.
fn stage_of(word: &[u8]) -> Stage {
    match word {
        b"CONNECT" => Stage::Connect,
        b"HELO" | b"EHLO" | b"STARTTLS" => Stage::Helo,
        b"AUTH" => Stage::Auth,
        b"MAIL" => Stage::Mail,
        b"RCPT" => Stage::Rcpt,
        b"DATA" | b"BDAT" => Stage::Data,
        b"END-OF-MESSAGE" => Stage::Eod,
        _ => Stage::Other,
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

impl Message {
    fn new(place: Place, host: Sym, queue_id: Sym, ts: i64) -> Self {
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
    fn new(place: Place, host: Sym, service: Sym, ts: i64) -> Self {
        Session {
            place,
            host,
            service,
            pid: 0,
            connect_ts: NO_TIME,
            disconnect_ts: NO_TIME,
            first_ts: ts,
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
            counted: false,
            commands_ok: 0,
            commands_total: 0,
            auth_ok: 0,
            auth_total: 0,
            mail_failed: 0,
            rcpt_failed: 0,
            messages: 0,
            rejections: 0,
            end: None,
            end_stage: Sym::NULL,
            end_place: place,
            closed: false,
            passed: false,
            screen: false,
            leading: false,
        }
    }

    pub(super) fn key(&self) -> SessionKey {
        if self.screen {
            (self.host, self.client_ip, u32::from(self.client_port), true)
        } else {
            (self.host, self.service, self.pid, false)
        }
    }

    fn disconnect<'b>(&mut self, line: &Line<'_, 'b>, commands: &Commands) {
        self.disconnect_ts = line.ts();
        self.end_place = line.place;
        self.closed = true;
        self.counted = commands.present;
        self.commands_ok = commands.ok;
        self.commands_total = commands.total;
        self.auth_ok = commands.auth_ok;
        self.auth_total = commands.auth_total;
        self.mail_failed = commands.mail_failed;
        self.rcpt_failed = commands.rcpt_failed;
    }

    fn ended<'b>(&mut self, line: &Line<'_, 'b>, end: End, stage: Sym) {
        self.end = self.end.or(Some(end));
        self.end_stage = self.end_stage.or(stage);
        self.end_place = line.place;
    }

    /// Takes over what the stretch that follows says.
    pub(super) fn absorb(&mut self, next: &Session) {
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
        self.counted |= next.counted;
        self.commands_ok = next.commands_ok;
        self.commands_total = next.commands_total;
        self.auth_ok = next.auth_ok;
        self.auth_total = next.auth_total;
        self.mail_failed = next.mail_failed;
        self.rcpt_failed = next.rcpt_failed;
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
