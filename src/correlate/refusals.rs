//! Refusals that no line of their own tells.
//!
//! smtpd says nothing of a command that it refuses for its syntax, its place in the dialogue, or for want of TLS;
//! the counters of the `disconnect` line do. Each session's counters are held against the refusals logged, and what
//! is missing is added at the disconnect line, without a reply and so without a cause.

use super::finish::Clients;
use super::pages::Pages;
use super::rows::{Message, NONE, Rejection, Session};
use crate::event::{Action, Stage};
use crate::strings::{Strings, Sym};

/// What the counters say and no line explains.
pub const REFUSED: &str = "refused without a reason in the log (counter of the disconnect line)";

/// Refusals that the lines of a session gave.
#[derive(Clone, Copy, Default)]
struct Told {
    mail: u32,
    rcpt: u32,
}

/// Gives each refusal its session, each session its number of refusals, and adds the missing rows.
pub(super) fn complete(messages: &Pages<Message>, clients: &mut Clients, strings: &Strings) {
    for row in &mut clients.rejections {
        if row.session == NONE && row.message != NONE {
            row.session = messages[row.message as usize].session;
        }
    }
    let told = told(clients);
    let refused = strings.intern(REFUSED.as_bytes());
    for (index, told) in told.iter().enumerate() {
        let session = clients.sessions[index];
        if !session.commands.present {
            continue;
        }
        let mail = session.commands.mail_failed.saturating_sub(told.mail);
        let rcpt = session.commands.rcpt_failed.saturating_sub(told.rcpt);
        for (stage, missing) in [(Stage::Mail, mail), (Stage::Rcpt, rcpt)] {
            clients.sessions[index].rejections += missing;
            let row = row(&session, index as u32, stage, refused);
            clients
                .rejections
                .extend((0..missing.min(MOST)).map(|_| row));
        }
    }
}

/// Rows added for one session and stage: a counter is a number in a log line, and may be any.
const MOST: u32 = 1000;

fn told(clients: &mut Clients) -> Vec<Told> {
    let mut told = vec![Told::default(); clients.sessions.len()];
    let refusals = clients
        .rejections
        .iter()
        .filter(|r| matches!(r.action, Action::Reject | Action::Defer));
    for row in refusals.filter(|row| row.session != NONE) {
        let at = row.session as usize;
        clients.sessions[at].rejections += 1;
        // Breaking the session off (421) is no answer to a command.
        match row.stage {
            Stage::Mail if row.reply_code != 421 => told[at].mail += 1,
            Stage::Rcpt if row.reply_code != 421 => told[at].rcpt += 1,
            _ => {}
        }
    }
    told
}

fn row(session: &Session, index: u32, stage: Stage, reply: Sym) -> Rejection {
    Rejection {
        place: session.end_place,
        host: session.host,
        service: session.service,
        ts: session.disconnect_ts,
        stage,
        action: Action::Reject,
        reply_code: 0,
        dsn: Sym::NULL,
        reply,
        class: None,
        client_name: session.client_name,
        client_ip: session.client_ip,
        helo: session.helo,
        protocol: session.protocol,
        sender: Sym::NULL,
        sender_domain: Sym::NULL,
        recipient: Sym::NULL,
        recipient_domain: Sym::NULL,
        auth_user: session.auth_user,
        queue_id: Sym::NULL,
        dnsbl: Sym::NULL,
        session: index,
        message: NONE,
    }
}
