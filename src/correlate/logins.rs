//! Logins that no line of their own tells.
//!
//! smtpd logs a failed AUTH with a warning, but a successful one only on the `client=` line of a message, and
//! on the counters of the `disconnect` line. Each session's counters are held against the rows that its lines
//! gave, and what is missing is added at the disconnect line.

use super::Part;
use super::rows::{Head, Login, Message, NONE, Session};
use crate::strings::{Strings, Sym};

/// What the counters say and no line explains.
pub const REFUSED: &str =
    "refused without a reason in the log (AUTH counter of the disconnect line)";

/// Adds the missing rows.
pub(super) fn complete(part: &mut Part, strings: &Strings) {
    for index in 0..part.messages.len() {
        let message = part.messages[index];
        if message.head == Head::Smtp && !message.auth_user.is_null() && message.session != NONE {
            from_message(part, &message);
        }
    }
    let refused = strings.intern(REFUSED.as_bytes());
    for index in 0..part.sessions.len() {
        let session = part.sessions[index];
        if session.counted {
            from_counters(part, index as u32, &session, refused);
        }
    }
    for login in &mut part.logins {
        if login.tls.is_none() && login.session != NONE {
            login.tls = Some(!part.sessions[login.session as usize].tls_version.is_null());
        }
    }
}

/// The first message of an authenticated session shows the login.
fn from_message(part: &mut Part, message: &Message) {
    let session = &mut part.sessions[message.session as usize];
    if session.logins_ok > 0 {
        return;
    }
    session.logins_ok = 1;
    part.logins.push(Login {
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
    });
}

fn from_counters(part: &mut Part, index: u32, session: &Session, refused: Sym) {
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
    let succeeded = session.auth_ok.saturating_sub(session.logins_ok);
    if succeeded > 0 {
        part.logins.push(row(true, succeeded));
    }
    let failed = session
        .auth_total
        .saturating_sub(session.auth_ok)
        .saturating_sub(session.logins_failed);
    if failed > 0 {
        part.logins.push(row(false, failed));
    }
}
