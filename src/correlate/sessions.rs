//! Sessions as the table has them: postscreen's part and smtpd's joined where the log allows it.

use std::collections::VecDeque;

use super::Map;
use super::pages::Pages;
use super::rows::{NO_TIME, NONE, Session};
use crate::strings::{Strings, Sym};

/// postscreen keeps a client at most this long before it hands it on, µs: greet wait, DNS lists.
const HANDOVER: i64 = 60_000_000;

/// The rows of the table, and the key of the one that each stretch became (0 for one that is no session).
pub(super) struct Complete {
    pub(super) rows: Vec<Session>,
    pub(super) keys: Vec<i64>,
}

/// Joins, drops what is no session, and sorts by place.
pub(super) fn complete(sessions: &Pages<Session>, strings: &Strings) -> Complete {
    let handed_over = handed_over(sessions, strings);
    let mut screen_of: Map<u32, u32> = Map::default();
    for (screen, smtpd) in (0..).zip(&handed_over).filter(|(_, smtpd)| **smtpd != NONE) {
        screen_of.insert(*smtpd, screen);
    }
    let mut rows = Vec::with_capacity(sessions.len());
    for (index, session) in (0..).zip(sessions.iter()) {
        let mut row = Session {
            stretch: index,
            ..*session
        };
        if let Some(screen) = screen_of.get(&index) {
            row.join(&sessions[*screen as usize]);
        }
        let alone = handed_over[index as usize] == NONE && session.is_one();
        if (!session.screen && !session.trace) || alone {
            rows.push(row);
        }
    }
    rows.sort_by_key(|s| s.place);
    let key = |session: &Session| {
        if session.trace {
            session.place.key()
        } else {
            0
        }
    };
    let mut keys: Vec<i64> = sessions.iter().map(key).collect();
    for row in &rows {
        keys[row.stretch as usize] = row.place.key();
    }
    for (screen, smtpd) in handed_over
        .iter()
        .enumerate()
        .filter(|(_, to)| **to != NONE)
    {
        keys[screen] = keys[*smtpd as usize];
    }
    Complete { rows, keys }
}

/// Where each of postscreen's stretches went on ([`NONE`] where it did not).
///
/// A client that is connected to postscreen already, and owes it no test, is handed on without a `PASS`: what smtpd got
/// and no `PASS` announced is sought among the stretches that nothing ended.
pub(super) fn handed_over(sessions: &Pages<Session>, strings: &Strings) -> Vec<u32> {
    let mut to = vec![NONE; sessions.len()];
    if !sessions.iter().any(|session| session.screen) {
        return to;
    }
    let smtpd = strings.intern(b"smtpd");
    let receives = |s: &Session| s.service == smtpd || s.service.is_null();
    let mut receivers: Vec<u32> = (0..)
        .zip(sessions.iter())
        .filter(|(_, s)| !s.screen && !s.trace && receives(s))
        .map(|(index, _)| index)
        .collect();
    for announced in [true, false] {
        let mut waiting = handed_on(sessions, announced);
        receivers.retain(|index| {
            let screen = take(&mut waiting, sessions, &sessions[*index as usize]);
            if let Some(screen) = screen {
                to[screen] = *index;
            }
            screen.is_none()
        });
    }
    to
}

/// Clients that postscreen did not disconnect itself, by (host, address), in order: those that it passed, or those of
/// which it says neither.
fn handed_on(sessions: &Pages<Session>, announced: bool) -> Map<(Sym, Sym), VecDeque<usize>> {
    let mut waiting: Map<(Sym, Sym), VecDeque<usize>> = Map::default();
    for (index, session) in sessions.iter().enumerate() {
        let begun = session.passed || session.connect_ts != NO_TIME;
        if session.screen && !session.closed && begun && session.passed == announced {
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
