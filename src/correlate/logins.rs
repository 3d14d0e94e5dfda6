//! Logins that no line of their own tells.
//!
//! smtpd logs a failed AUTH with a warning, but a successful one only on the `client=` line of a message, and
//! on the counters of the `disconnect` line. Each session's counters are held against the rows that its lines
//! gave, and what is missing is added at the disconnect line.

use super::finish::Clients;
use super::pages::Pages;
use super::rows::{Head, Login, Message, NONE, Session};
use crate::strings::{Strings, Sym};

/// What the counters say and no line explains.
pub const REFUSED: &str =
    "refused without a reason in the log (AUTH counter of the disconnect line)";

/// Adds the missing rows.
pub(super) fn complete(messages: &Pages<Message>, clients: &mut Clients, strings: &Strings) {
    for message in messages.iter() {
        if message.session != NONE {
            let session = &mut clients.sessions[message.session as usize];
            clients.logins.extend(from_message(session, message));
        }
    }
    let refused = strings.intern(REFUSED.as_bytes());
    for index in 0..clients.sessions.len() {
        let session = clients.sessions[index];
        if session.commands.present {
            from_counters(clients, index as u32, &session, refused);
        }
    }
    for login in &mut clients.logins {
        if login.tls.is_none() && login.session != NONE {
            login.tls = Some(
                !clients.sessions[login.session as usize]
                    .tls_version
                    .is_null(),
            );
        }
    }
}

/// The first message of an authenticated session shows the login.
pub(super) fn from_message(session: &mut Session, message: &Message) -> Option<Login> {
    let shown = message.head == Head::Smtp && !message.auth_user.is_null();
    if !shown || session.logins_ok > 0 || session.trace {
        return None;
    }
    session.logins_ok = 1;
    Some(Login {
        place: message.place,
        host: message.host,
        service: message.service,
        ts: message.received_ts,
        auth_user: message.auth_user,
        auth_method: message.auth_method,
        client_name: message.client_name,
        client_ip: message.client_ip,
        tls: None,
        success: true,
        failure: Sym::NULL,
        credentials: false,
        attempts: 1,
        session: message.session,
    })
}

fn from_counters(clients: &mut Clients, index: u32, session: &Session, refused: Sym) {
    let row = |success: bool, attempts: u32| Login {
        place: session.end_place,
        host: session.host,
        service: session.service,
        ts: session.disconnect_ts,
        auth_user: if success {
            session.auth_user
        } else {
            Sym::NULL
        },
        auth_method: Sym::NULL,
        client_name: session.client_name,
        client_ip: session.client_ip,
        tls: None,
        success,
        failure: if success { Sym::NULL } else { refused },
        credentials: false,
        attempts,
        session: index,
    };
    let succeeded = session.commands.auth_ok.saturating_sub(session.logins_ok);
    if succeeded > 0 {
        clients.logins.push(row(true, succeeded));
    }
    let failed = session
        .commands
        .auth_total
        .saturating_sub(session.commands.auth_ok)
        .saturating_sub(session.logins_failed);
    if failed > 0 {
        clients.logins.push(row(false, failed));
    }
}
