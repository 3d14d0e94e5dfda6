//! Rows whose symbols are those of a block get those of the shared table.
//!
//! Each row names all its fields here, so that a new one cannot be forgotten.

use super::rows::{
    Attempt, Login, Message, Notification, Rejection, ServerEvent, Session, TlsTo, Verdict,
};
use crate::strings::Resolved;

impl Message {
    pub(super) fn resolve(&mut self, texts: &Resolved) {
        let Message {
            place: _,
            host,
            queue_id,
            service,
            first_ts: _,
            last_ts: _,
            head: _,
            received_ts: _,
            removed_ts: _,
            message_id,
            sender,
            size: _,
            nrcpt: _,
            client_name,
            client_ip,
            client_port: _,
            helo,
            protocol,
            auth_user,
            auth_method,
            orig_queue_id,
            queued: _,
            expired_ts: _,
            deleted: _,
            requeued: _,
            held: _,
            discarded: _,
            session: _,
            leading: _,
            previous: _,
            taken: _,
        } = self;
        let all = [
            host,
            queue_id,
            service,
            message_id,
            sender,
            client_name,
            client_ip,
            helo,
            protocol,
            auth_user,
            auth_method,
            orig_queue_id,
        ];
        all.into_iter().for_each(|sym| texts.put(sym));
    }
}

impl Attempt {
    pub(super) fn resolve(&mut self, texts: &Resolved) {
        let Attempt {
            place: _,
            message: _,
            ts: _,
            pid: _,
            transport,
            recipient,
            recipient_domain,
            orig_recipient,
            relay_name,
            relay_ip,
            relay_port: _,
            delay: _,
            delays: _,
            status: _,
            dsn,
            reply_code: _,
            reply,
            class: _,
            next_queue_id,
            conn_use: _,
            tls_version,
        } = self;
        let all = [
            transport,
            recipient,
            recipient_domain,
            orig_recipient,
            relay_name,
            relay_ip,
            dsn,
            reply,
            next_queue_id,
            tls_version,
        ];
        all.into_iter().for_each(|sym| texts.put(sym));
    }
}

impl Rejection {
    pub(super) fn resolve(&mut self, texts: &Resolved) {
        let Rejection {
            place: _,
            host,
            service,
            ts: _,
            stage: _,
            action: _,
            reply_code: _,
            dsn,
            reply,
            class: _,
            client_name,
            client_ip,
            helo,
            protocol,
            sender,
            sender_domain,
            recipient,
            recipient_domain,
            auth_user,
            queue_id,
            dnsbl,
            session: _,
            message: _,
        } = self;
        let all = [
            host,
            service,
            dsn,
            reply,
            client_name,
            client_ip,
            helo,
            protocol,
            sender,
            sender_domain,
            recipient,
            recipient_domain,
            auth_user,
            queue_id,
            dnsbl,
        ];
        all.into_iter().for_each(|sym| texts.put(sym));
    }
}

impl Session {
    pub(super) fn resolve(&mut self, texts: &Resolved) {
        let Session {
            place: _,
            host,
            service,
            pid: _,
            connect_ts: _,
            disconnect_ts: _,
            first_ts: _,
            client_name,
            client_ip,
            client_port: _,
            tls_version,
            tls_cipher,
            tls_failed: _,
            auth_user,
            auth_method,
            helo,
            protocol,
            logins_ok: _,
            logins_failed: _,
            commands: _,
            messages: _,
            rejections: _,
            end: _,
            end_stage,
            end_place: _,
            closed: _,
            passed: _,
            screen: _,
            leading: _,
        } = self;
        let all = [
            host,
            service,
            client_name,
            client_ip,
            tls_version,
            tls_cipher,
            auth_user,
            auth_method,
            helo,
            protocol,
            end_stage,
        ];
        all.into_iter().for_each(|sym| texts.put(sym));
    }
}

impl Login {
    pub(super) fn resolve(&mut self, texts: &Resolved) {
        let Login {
            place: _,
            host,
            service,
            ts: _,
            auth_user,
            auth_method,
            client_name,
            client_ip,
            tls: _,
            success: _,
            failure,
            credentials: _,
            attempts: _,
            session: _,
        } = self;
        let all = [
            host,
            service,
            auth_user,
            auth_method,
            client_name,
            client_ip,
            failure,
        ];
        all.into_iter().for_each(|sym| texts.put(sym));
    }
}

impl Verdict {
    pub(super) fn resolve(&mut self, texts: &Resolved) {
        let Verdict {
            place: _,
            host,
            ts: _,
            queue_id,
            message: _,
            program,
            verdict: _,
            score: _,
            detail,
            client_ip,
            sender,
            recipient,
        } = self;
        let all = [
            host, queue_id, program, detail, client_ip, sender, recipient,
        ];
        all.into_iter().for_each(|sym| texts.put(sym));
    }
}

impl ServerEvent {
    pub(super) fn resolve(&mut self, texts: &Resolved) {
        let ServerEvent {
            place: _,
            host,
            program,
            pid: _,
            ts: _,
            severity: _,
            kind: _,
            text,
        } = self;
        let all = [host, program, text];
        all.into_iter().for_each(|sym| texts.put(sym));
    }
}

impl Notification {
    pub(super) fn resolve(&mut self, texts: &Resolved) {
        let Notification {
            message: _,
            ts: _,
            notice: _,
            new_queue_id,
        } = self;
        let all = [new_queue_id];
        all.into_iter().for_each(|sym| texts.put(sym));
    }
}

impl TlsTo {
    pub(super) fn resolve(&mut self, texts: &Resolved) {
        let TlsTo {
            place: _,
            host,
            pid: _,
            relay_ip,
            relay_port: _,
            version,
        } = self;
        let all = [host, relay_ip, version];
        all.into_iter().for_each(|sym| texts.put(sym));
    }
}
