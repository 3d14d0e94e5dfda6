//! Rows to steps, in the order in which they happened.

use std::collections::HashSet;

use polars::prelude::*;

use super::path::Path;
use super::rows::{Delivery, Login, Message, Notice, Rejection, Said, Session, read};
use super::{Brought, Hop, Scribe, Step, Totals, Trace, beside, words};
use crate::tables::Tables;
use crate::tables::select::Found;

/// What a step is made of.
struct Made<'a> {
    kind: &'static str,
    at: Option<i64>,
    host: &'a str,
    queue_id: Option<&'a String>,
    place: (i64, i64),
    recipient: Option<&'a String>,
    status: Option<&'a str>,
}

impl Scribe<'_> {
    fn step(&self, made: Made<'_>, text: String) -> Step {
        let (source, line) = made.place;
        Step {
            ts: made.at.and_then(|ts| self.time(ts)),
            host: made.host.to_owned(),
            queue_id: made.queue_id.cloned(),
            kind: made.kind,
            recipient: made.recipient.cloned(),
            status: made.status.map(str::to_owned),
            text,
            file: self.files.get(&source).cloned().unwrap_or_default(),
            line,
            at: made.at,
            source,
        }
    }

    /// One message: what became of it, and all steps.
    pub(super) fn trace(&self, path: &Path) -> Trace {
        let verdict = self.verdict(path);
        let root = path.root();
        let id = path
            .messages
            .iter()
            .find_map(|message| message.message_id.clone());
        let hop = |message: &Message| {
            Some(Hop {
                host: message.host.clone(),
                queue_id: message.queue_id.clone()?,
            })
        };
        let mut hops: Vec<Hop> = path.messages.iter().filter_map(hop).collect();
        hops.dedup();
        Trace {
            verdict: verdict.sentence,
            state: verdict.state,
            received: root
                .and_then(|root| root.received_ts)
                .and_then(|ts| self.time(ts)),
            sender: root.and_then(|root| root.sender.clone()),
            recipients: verdict.recipients,
            message_id: root.and_then(|root| root.message_id.clone()).or(id),
            size: path.messages.iter().find_map(|message| message.size),
            hops,
            steps: self.steps(path),
        }
    }

    fn steps(&self, path: &Path) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        // The line that tells of the message tells of the login as well.
        let received = |row: &&Login| {
            let place = (row.source, row.line);
            row.success
                && path
                    .messages
                    .iter()
                    .any(|message| (message.source, message.line) == place)
        };
        let logins = path.logins.iter().filter(|row| !received(row));
        steps.extend(logins.map(|row| self.login(row)));
        steps.extend(path.rejections.iter().map(|row| self.refused(row)));
        steps.extend(path.messages.iter().map(|message| {
            let made = Made {
                kind: "received",
                at: message.received_ts,
                host: &message.host,
                queue_id: message.queue_id.as_ref(),
                place: (message.source, message.line),
                recipient: None,
                status: None,
            };
            self.step(made, words::reception(path, message))
        }));
        steps.extend(path.said.iter().map(|row| self.said(row)));
        steps.extend(path.attempts.iter().map(|attempt| {
            let made = Made {
                kind: "tried",
                at: attempt.ts,
                host: &attempt.host,
                queue_id: attempt.queue_id.as_ref(),
                place: (attempt.source, attempt.line),
                recipient: attempt.recipient.as_ref(),
                status: attempt.status.as_deref(),
            };
            self.step(made, words::tried(path, attempt))
        }));
        steps.extend(
            path.deliveries
                .iter()
                .filter_map(|delivery| self.ended(path, delivery)),
        );
        steps.extend(
            path.messages
                .iter()
                .filter_map(|message| self.unsettled(path, message)),
        );
        in_order(&mut steps);
        steps
    }

    /// The end of a delivery, where no try shows it.
    fn ended(&self, path: &Path, delivery: &Delivery) -> Option<Step> {
        let last = path.last_try(delivery);
        let outcome = delivery.outcome.as_deref();
        if last.is_some_and(|last| last.status.as_deref() == outcome) {
            return None;
        }
        let message = path.message(delivery.message);
        let removed = message.and_then(|message| message.removed_ts);
        let open = outcome == Some("open");
        let text = words::ended(delivery, &self.end(&delivery.host))?;
        let made = Made {
            kind: "ended",
            // What is open is so at the end of the logs.
            at: match open {
                true => self
                    .asked
                    .ends
                    .get(&delivery.host)
                    .copied()
                    .or(delivery.last_ts),
                false => removed.max(delivery.last_ts),
            },
            host: &delivery.host,
            queue_id: delivery.queue_id.as_ref(),
            place: last.map_or((delivery.source, delivery.line), |last| {
                (last.source, last.line)
            }),
            recipient: delivery.recipient.as_ref(),
            status: outcome,
        };
        Some(self.step(made, text))
    }

    /// A message that nothing was tried for.
    fn unsettled(&self, path: &Path, message: &Message) -> Option<Step> {
        let settled = path
            .deliveries
            .iter()
            .any(|row| row.message == message.message);
        let refused = path
            .rejections
            .iter()
            .any(|row| row.queue_id.is_some() && row.queue_id == message.queue_id);
        if settled || refused {
            return None;
        }
        let end = self.end(&message.host);
        let (at, text) = match message.removed_ts {
            Some(removed) => (
                Some(removed),
                "left the queue; no try of delivery is in the logs".to_owned(),
            ),
            None => (
                self.asked.ends.get(&message.host).copied(),
                format!(
                    "no try of delivery is in the logs, nor that it left the queue (they end at {end})"
                ),
            ),
        };
        let made = Made {
            kind: "ended",
            at,
            host: &message.host,
            queue_id: message.queue_id.as_ref(),
            place: (message.source, message.line),
            recipient: None,
            status: None,
        };
        Some(self.step(made, text))
    }

    fn refused(&self, row: &Rejection) -> Step {
        let made = Made {
            kind: "refused",
            at: row.ts,
            host: &row.host,
            queue_id: row.queue_id.as_ref(),
            place: (row.source, row.line),
            recipient: row.recipient.as_ref(),
            status: row.action.as_deref(),
        };
        self.step(made, beside::refused(row))
    }

    fn login(&self, row: &Login) -> Step {
        let made = Made {
            kind: "login",
            at: row.ts,
            host: &row.host,
            queue_id: None,
            place: (row.source, row.line),
            recipient: None,
            status: Some(if row.success { "success" } else { "failure" }),
        };
        self.step(made, beside::login(row))
    }

    fn said(&self, row: &Said) -> Step {
        let made = Made {
            kind: "said",
            at: row.ts,
            host: &row.host,
            queue_id: row.queue_id.as_ref(),
            place: (row.source, row.line),
            recipient: None,
            status: None,
        };
        self.step(made, beside::said(row))
    }

    fn connected(&self, row: &Session) -> Step {
        let made = Made {
            kind: "connected",
            at: row.connect_ts.or(row.disconnect_ts),
            host: &row.host,
            queue_id: None,
            place: (row.source, row.line),
            recipient: None,
            status: None,
        };
        self.step(made, beside::connected(row))
    }

    fn noted(&self, row: &Notice) -> Step {
        let made = Made {
            kind: "noted",
            at: row.ts,
            host: &row.host,
            queue_id: None,
            place: (row.source, row.line),
            recipient: None,
            status: None,
        };
        self.step(made, beside::noticed(row))
    }

    /// What names the key and is of no message, the oldest first, with counts of it.
    pub(super) fn others(
        &self,
        tables: &Tables,
        found: &Found,
    ) -> PolarsResult<(Vec<Step>, Totals)> {
        let brought = Brought::of(tables)?;
        let named = |source: i64, line: i64| found.places.contains(&(source, line));
        let of_message = |session: Option<i64>| session.is_some_and(|own| brought.has(own));
        let mut steps = Vec::new();
        let mut total = Totals::default();
        let mut busy: HashSet<i64> = brought.sessions.clone();
        for row in read::<Rejection>(tables, lit(true))? {
            busy.extend(row.session);
            if named(row.source, row.line) && !brought.tells(&row) {
                total.refusals += 1;
                steps.push(self.refused(&row));
            }
        }
        for row in read::<Login>(tables, lit(true))? {
            busy.extend(row.session);
            if named(row.source, row.line) && !of_message(row.session) {
                let count = if row.success {
                    &mut total.logins
                } else {
                    &mut total.failed_logins
                };
                *count += 1;
                steps.push(self.login(&row));
            }
        }
        for row in read::<Session>(tables, lit(true))? {
            let empty = row.messages == 0 && row.rejections == 0 && !busy.contains(&row.session);
            if empty && named(row.source, row.line) {
                total.connections += 1;
                steps.push(self.connected(&row));
            }
        }
        for row in read::<Said>(tables, col("message").is_null())? {
            total.notes += 1;
            steps.push(self.said(&row));
        }
        for row in read::<Notice>(tables, lit(true))? {
            total.notes += 1;
            steps.push(self.noted(&row));
        }
        in_order(&mut steps);
        Ok((steps, total))
    }
}

/// By time, then by place.
fn in_order(steps: &mut [Step]) {
    let rank = |step: &Step| match step.kind {
        "ended" => 1,
        _ => 0,
    };
    steps.sort_by(|one, other| {
        let key = |step: &Step| (step.at, rank(step), step.source, step.line);
        key(one)
            .cmp(&key(other))
            .then_with(|| one.text.cmp(&other.text))
    });
}
