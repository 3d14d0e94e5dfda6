//! Events that are rows of their own: attempts, refusals, logins, verdicts, the server about itself.
//!
//! The other half of [`super::fold`], which keeps the open messages and sessions that these rows belong to.

use super::Part;
use super::fold::Line;
use super::rows::{Attempt, Login, NONE, Rejection, ServerEvent, Verdict, Via};
use crate::classify::{self, At, Question};
use crate::event::{self, Action, Event, Kind, Peer, Severity, Stage, Status};
use crate::strings::Sym;

impl Part {
    pub(super) fn attempted<'b>(&mut self, line: &Line<'_, 'b>, a: &event::Attempt<'b>) {
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
            reply: line.ctx.store_some(a.reply),
            class,
            via: Via::of(a.reply),
            next_queue_id: line.sym(a.next_queue_id),
            conn_use: a.conn_use,
            tls_version: Sym::NULL,
        });
    }

    pub(super) fn rejected<'b>(&mut self, line: &Line<'_, 'b>, r: &event::Rejection<'b>) {
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
            reply: line.ctx.store_some(r.reply),
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
            sender_domain: line.ctx.domain(r.sender),
            recipient: line.sym(r.recipient),
            recipient_domain: line.ctx.domain(r.recipient),
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
    pub(super) fn broken_off<'b>(
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

    pub(super) fn logged_in<'b>(&mut self, line: &Line<'_, 'b>, l: &event::Login<'b>) {
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

    pub(super) fn server<'b>(
        &mut self,
        line: &Line<'_, 'b>,
        severity: Severity,
        kind: Kind,
        text: &'b [u8],
    ) {
        self.server_events.push(ServerEvent {
            place: line.place,
            host: line.host,
            program: line.program,
            pid: line.header.pid,
            ts: line.ts(),
            severity,
            kind,
            text: line.ctx.store_some(text),
        });
    }

    pub(super) fn verdict<'b>(&mut self, line: &Line<'_, 'b>, event: &Event<'b>) {
        let Event::Verdict {
            queue_id,
            client,
            verdict,
            score,
            detail,
            sender,
            recipient,
        } = event
        else {
            return;
        };
        let message = if queue_id.is_empty() {
            NONE
        } else {
            self.message(line, queue_id)
        };
        let row = Verdict {
            queue_id: line.sym(queue_id),
            message,
            verdict,
            score: *score,
            sender: line.sym(sender),
            recipient: line.sym(recipient),
            ..verdict_of(line, client, detail)
        };
        self.verdicts.push(row);
    }
}

pub(super) fn verdict_of<'b>(line: &Line<'_, 'b>, client: &Peer<'b>, detail: &'b [u8]) -> Verdict {
    Verdict {
        place: line.place,
        host: line.host,
        ts: line.ts(),
        queue_id: Sym::NULL,
        message: NONE,
        program: line.service,
        verdict: "",
        score: None,
        detail: line.ctx.store_some(detail),
        client_ip: line.sym(client.ip),
        sender: Sym::NULL,
        recipient: Sym::NULL,
    }
}

/// The stage that a word of `too many errors after …` names.
pub(super) fn stage_of(word: &[u8]) -> Stage {
    match word {
        b"STARTTLS" => Stage::Helo,
        command => Stage::of_command(command),
    }
}
