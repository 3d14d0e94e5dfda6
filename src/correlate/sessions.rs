//! Sessions as the table has them: postscreen's part and smtpd's joined where the log allows it.

use std::collections::VecDeque;

use super::Map;
use super::pages::Pages;
use super::rows::{NO_TIME, Session};
use crate::strings::{Strings, Sym};

/// postscreen keeps a client at most this long before it hands it on, µs: greet wait, DNS lists.
const HANDOVER: i64 = 60_000_000;

/// Joins, drops what is no session, and sorts by place.
pub(super) fn complete(sessions: &Pages<Session>, strings: &Strings) -> Vec<Session> {
    let mut waiting = handed_on(sessions);
    let smtpd = strings.intern(b"smtpd");
    let mut joined = vec![false; sessions.len()];
    let mut out = Vec::with_capacity(sessions.len());
    for session in sessions.iter().filter(|s| !s.screen) {
        let mut row = *session;
        if (session.service == smtpd || session.service.is_null())
            && let Some(at) = take(&mut waiting, sessions, session)
        {
            joined[at] = true;
            row.join(&sessions[at]);
        }
        out.push(row);
    }
    let alone = sessions
        .iter()
        .zip(&joined)
        .filter(|(s, joined)| s.screen && !**joined && s.is_one());
    out.extend(alone.map(|(s, _)| *s));
    out.sort_by_key(|s| s.place);
    out
}

/// Clients that postscreen passed and did not disconnect itself, by (host, address), in order.
fn handed_on(sessions: &Pages<Session>) -> Map<(Sym, Sym), VecDeque<usize>> {
    let mut waiting: Map<(Sym, Sym), VecDeque<usize>> = Map::default();
    for (index, session) in sessions.iter().enumerate() {
        if session.screen && session.passed && !session.closed {
            waiting
                .entry((session.host, session.client_ip))
                .or_default()
                .push_back(index);
        }
    }
    waiting
}

fn take(
    waiting: &mut Map<(Sym, Sym), VecDeque<usize>>,
    all: &Pages<Session>,
    smtpd: &Session,
) -> Option<usize> {
    let queue = waiting.get_mut(&(smtpd.host, smtpd.client_ip))?;
    while let Some(&index) = queue.front() {
        let waited = smtpd.first_ts - all[index].first_ts;
        if waited < 0 || comes_after(&all[index], smtpd) {
            return None;
        }
        queue.pop_front();
        if waited <= HANDOVER {
            return Some(index);
        }
    }
    None
}

/// Within one source the lines tell more than their times, which may be whole seconds.
fn comes_after(screen: &Session, smtpd: &Session) -> bool {
    screen.place.source == smtpd.place.source && screen.place.line > smtpd.place.line
}

impl Session {
    /// A postscreen stretch that is more than a stray `DISCONNECT` (tlsproxy logs one of its own).
    fn is_one(&self) -> bool {
        self.connect_ts != NO_TIME
            || self.passed
            || self.end.is_some()
            || self.rejections > 0
            || self.tls_failed
    }

    /// Takes over what postscreen saw of the same connection.
    fn join(&mut self, screen: &Session) {
        self.place = screen.place;
        if screen.connect_ts != NO_TIME {
            self.connect_ts = screen.connect_ts;
        }
        self.client_port = screen.client_port;
        self.rejections += screen.rejections;
        self.tls_failed |= screen.tls_failed;
    }
}
