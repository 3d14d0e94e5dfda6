//! The lab's journals against our tables: what clients and destination servers saw, row by row.
//!
//! The journals were written by the clients and servers of the lab and know nothing of the log. Each class of
//! record has a rule by which a row answers it; a record that no row answers is a difference. A difference with a
//! known reason is *explained* and counted, any other fails the test, and both together stay under 0.5 % of
//! their class.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Instant;

use mtaudit::query::Engine;
use serde_json::Value;

use crate::support::{Row, engine, journal, last_reply, list, number, rows, text, unpacked, word};

/// Clocks of journal and log: a record is written when the reply was sent, a line when Postfix came to it; year-less
/// logs cut to the second.
const SLACK: f64 = 4.0;
/// The same for what happens within a client's session.
const SESSION_SLACK: f64 = 2.0;

/// How one class of records fared.
struct Class {
    name: &'static str,
    records: usize,
    explained: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
}

impl Class {
    fn new(name: &'static str) -> Self {
        Class {
            name,
            records: 0,
            explained: BTreeMap::new(),
            unexplained: Vec::new(),
        }
    }

    fn check(&mut self, found: bool, what: impl Fn() -> String) {
        self.records += 1;
        if !found {
            self.unexplained.push(what());
        }
    }

    fn explain(&mut self, why: &'static str) {
        self.records += 1;
        *self.explained.entry(why).or_default() += 1;
    }

    fn close(self, run: &str) {
        let different = self.unexplained.len() + self.explained.values().sum::<usize>();
        println!(
            "{run}: {}: {} records, {different} different",
            self.name, self.records
        );
        for (why, n) in &self.explained {
            println!("  {n} explained: {why}");
        }
        for what in self.unexplained.iter().take(20) {
            println!("  unexplained: {what}");
        }
        assert!(self.records > 0, "{run}: no {}", self.name);
        assert!(different * 200 < self.records, "{run}: {}", self.name);
        assert!(self.unexplained.is_empty(), "{run}: {}", self.name);
    }
}

/// Rows by a key, with their time in seconds.
type Index = HashMap<String, Vec<(f64, Row)>>;

fn index(rows: Vec<Row>, key: &str) -> Index {
    let mut index = Index::new();
    for row in rows {
        let at = number(&row, "us") as f64 / 1e6;
        let key = text(&row, key).to_lowercase();
        index.entry(key).or_default().push((at, row));
    }
    index
}

fn within<'a>(
    index: &'a Index,
    key: &str,
    from: f64,
    to: f64,
) -> impl Iterator<Item = &'a (f64, Row)> {
    let rows = index
        .get(&key.to_lowercase())
        .map_or(&[][..], Vec::as_slice);
    rows.iter().filter(move |(at, _)| (from..=to).contains(at))
}

fn code(value: &Value) -> Option<i64> {
    value.as_i64()
}

/// Every message whose data got 2xx has a row with its queue ID and sender.
fn accepted(engine: &Engine, truth: &[Value]) -> Class {
    let senders: HashSet<(String, String)> = rows(engine, "SELECT queue_id, sender FROM messages")
        .iter()
        .map(|row| (text(row, "queue_id").into(), text(row, "sender").into()))
        .collect();
    let mut class = Class::new("messages accepted");
    for mail in truth.iter().flat_map(|session| list(session, "mails")) {
        if code(&mail["data_code"]).is_some_and(|code| code / 100 == 2) {
            let key = (
                word(mail, "queue_id").to_owned(),
                word(mail, "from").to_owned(),
            );
            class.check(senders.contains(&key), || mail.to_string());
        }
    }
    class
}

/// A client's session: where and when.
struct Visit<'a> {
    client: &'a str,
    start: f64,
    stop: f64,
}

impl<'a> Visit<'a> {
    fn new(session: &'a Value) -> Self {
        Visit {
            client: word(session, "src"),
            start: session["start"].as_f64().unwrap(),
            stop: session["stop"].as_f64().unwrap(),
        }
    }

    fn find(&self, index: &Index, fits: impl Fn(&Row) -> bool) -> bool {
        let (from, to) = (self.start - SESSION_SLACK, self.stop + SESSION_SLACK);
        within(index, self.client, from, to).any(|(_, row)| fits(row))
    }
}

/// Every reply of 4xx or 5xx to RCPT, MAIL or the data has a row in `rejections`.
fn rejections(engine: &Engine, truth: &[Value]) -> Class {
    let sql =
        "SELECT CAST(ts AS BIGINT) AS us, client_ip, stage, recipient, reply_code FROM rejections";
    let index_of = index(rows(engine, sql), "client_ip");
    let oversize = "SELECT CAST(ts AS BIGINT) AS us, '' AS none FROM server_events \
                    WHERE text LIKE '%queue file size limit exceeded%'";
    let oversize = index(rows(engine, oversize), "none");
    let mut class = Class::new("rejections");
    for session in truth {
        let visit = Visit::new(session);
        let say = |mail: &Value| format!("{} {} {mail}", visit.client, word(session, "scenario"));
        for mail in list(session, "mails") {
            for rcpt in list(mail, "rcpts") {
                if let Some(code) = code(&rcpt["code"]).filter(|code| *code >= 400) {
                    // Where a client is thrown out for what it did before, the row has no recipient.
                    let found = visit.find(&index_of, |row| {
                        let own = row["recipient"] == rcpt["to"] || row["recipient"].is_null();
                        own && number(row, "reply_code") == code
                    });
                    class.check(found, || say(rcpt));
                }
            }
            if let Some(code) = code(&mail["mail_code"]).filter(|code| *code >= 400) {
                class.check(mail_refused(&index_of, &visit, code), || say(mail));
            }
            if code(&mail["data_code"]).is_some_and(|code| code >= 400) {
                let found = visit.find(&index_of, |row| {
                    matches!(text(row, "stage"), "eod" | "data")
                });
                let (from, to) = (visit.start - SESSION_SLACK, visit.stop + SESSION_SLACK);
                let large = within(&oversize, "", from, to).next().is_some();
                match (found, large && code(&mail["data_code"]) == Some(552)) {
                    (false, true) => class.explain(
                        "552 at the end of data: Postfix logs `queue file size limit exceeded` and names no client; \
                         the row is in server_events",
                    ),
                    (found, _) => class.check(found, || say(mail)),
                }
            }
        }
    }
    class
}

/// MAIL refused before STARTTLS is logged only as a count when the session ends: a row without reply.
fn mail_refused(index: &Index, visit: &Visit<'_>, code: i64) -> bool {
    let counted = |row: &Row| text(row, "stage") == "mail" && row["reply_code"].is_null();
    visit.find(index, |row| number(row, "reply_code") == code)
        || within(index, visit.client, visit.stop - SLACK, visit.stop + SLACK)
            .any(|(_, row)| counted(row))
}

/// Every authentication has a row in `logins` with the same success.
fn logins(engine: &Engine, truth: &[Value]) -> Class {
    let sql = "SELECT CAST(ts AS BIGINT) AS us, client_ip, success FROM logins";
    let index = index(rows(engine, sql), "client_ip");
    let mut class = Class::new("logins");
    for session in truth {
        let visit = Visit::new(session);
        for auth in list(session, "auth") {
            let found = visit.find(&index, |row| row["success"] == auth["ok"]);
            class.check(found, || format!("{} {auth}", visit.client));
        }
    }
    class
}

/// What a destination said of one recipient in the end.
struct Verdict<'a> {
    at: f64,
    record: &'a Value,
    to: &'a str,
    reply: &'a str,
}

impl<'a> Verdict<'a> {
    fn of(record: &'a Value, rcpt: &'a Value) -> Option<Self> {
        Some(Verdict {
            at: record["t"].as_f64()?,
            record,
            to: word(rcpt, "to"),
            reply: last_reply(record, rcpt)?,
        })
    }

    fn answers(&self, row: &Row) -> bool {
        let status = match self.reply.as_bytes()[0] {
            b'2' => "delivered",
            b'4' => "deferred",
            _ => "bounced",
        };
        let queue_id = self.record["queue_id"].as_str();
        text(row, "status") == status && queue_id.is_none_or(|id| text(row, "queue_id") == id)
    }

    /// An attempt that went on to the next MX is logged as what a host said, without a recipient.
    fn went_on(&self, events: &Index) -> bool {
        let said: String = self.reply.split_whitespace().collect::<Vec<_>>().join(" ");
        let said: String = said.chars().take(40).collect();
        let host = format!("host {}[", word(self.record, "host"));
        within(events, "", self.at - SLACK, self.at + SLACK).any(|(_, row)| {
            let words = text(row, "text").split_whitespace().collect::<Vec<_>>();
            let line = words.join(" ");
            line.starts_with(&host) && line.contains(&format!("said: {said}"))
        })
    }
}

/// Every recipient that a destination answered has an attempt of that status, or the server's word that it went on to the
/// next MX; and the last of these is the outcome in `deliveries`.
fn recipients(engine: &Engine, sink: &[Value], handled: &HashSet<String>) -> (Class, Class) {
    let sql = "SELECT CAST(ts AS BIGINT) AS us, message, queue_id, recipient, status FROM attempts";
    let attempts = index(rows(engine, sql), "recipient");
    let sql = "SELECT CAST(ts AS BIGINT) AS us, '' AS none, text FROM server_events WHERE text LIKE 'host %said:%'";
    let events = index(rows(engine, sql), "none");
    let mut class = Class::new("recipients at destinations");
    let mut went_on = 0;
    let mut last: BTreeMap<(i64, String), Verdict<'_>> = BTreeMap::new();
    for record in sink {
        for rcpt in list(record, "rcpts") {
            let Some(verdict) = Verdict::of(record, rcpt) else {
                continue;
            };
            let (from, to) = (verdict.at - SLACK, verdict.at + SLACK);
            let near =
                within(&attempts, verdict.to, from, to).filter(|(_, row)| verdict.answers(row));
            let near = near.min_by(|a, b| {
                (a.0 - verdict.at)
                    .abs()
                    .total_cmp(&(b.0 - verdict.at).abs())
            });
            if let Some((_, row)) = near {
                class.check(true, String::new);
                let key = (number(row, "message"), verdict.to.to_lowercase());
                if last.get(&key).is_none_or(|before| before.at <= verdict.at) {
                    last.insert(key, verdict);
                }
            } else {
                let found = verdict.went_on(&events);
                went_on += usize::from(found);
                class.check(found, || format!("{} {rcpt}", verdict.at));
            }
        }
    }
    println!("  {went_on} went on to the next MX: in server_events");
    (class, outcomes(engine, &last, handled))
}

/// The outcome in `deliveries` is what the last record says.
fn outcomes(
    engine: &Engine,
    last: &BTreeMap<(i64, String), Verdict<'_>>,
    handled: &HashSet<String>,
) -> Class {
    let mut outcomes: HashMap<(i64, String), Vec<String>> = HashMap::new();
    let mut by_hand = HashSet::new();
    let sql = "SELECT message, queue_id, recipient, outcome FROM deliveries";
    for row in rows(engine, sql) {
        let key = (
            number(&row, "message"),
            text(&row, "recipient").to_lowercase(),
        );
        if handled.contains(text(&row, "queue_id")) {
            by_hand.insert(key.clone());
        }
        outcomes
            .entry(key)
            .or_default()
            .push(text(&row, "outcome").into());
    }
    let mut class = Class::new("final outcomes");
    for (key, verdict) in last {
        let allowed: &[&str] = match verdict.reply.as_bytes()[0] {
            b'2' => &["delivered"],
            // Tried until it expired, or still in the queue when the log ends.
            b'4' => &["open", "expired"],
            _ => &["bounced"],
        };
        let own = outcomes.get(key).map_or(&[][..], Vec::as_slice);
        let found = own
            .iter()
            .any(|outcome| allowed.contains(&outcome.as_str()));
        let ended = own
            .iter()
            .any(|outcome| outcome == "discarded" || outcome == "forwarded");
        if !found && verdict.reply.starts_with('4') && ended && by_hand.contains(key) {
            class.explain("4xx, and then postsuper deleted or requeued the message: no server was asked again");
        } else {
            class.check(found, || format!("{key:?} {} but {own:?}", verdict.reply));
        }
    }
    class
}

/// Queue IDs that an administrator deleted or requeued, straight from the log's text.
fn handled(log: &Path) -> HashSet<String> {
    let text = std::fs::read(log).unwrap();
    let text = String::from_utf8_lossy(&text);
    let lines = text
        .lines()
        .filter(|line| line.contains(" postfix/postsuper["));
    let words = lines.filter_map(|line| line.split_once("]: ")?.1.split_once(": "));
    words
        .filter(|(_, what)| matches!(*what, "removed" | "requeued"))
        .map(|(id, _)| id.to_owned())
        .collect()
}

/// A run of the lab: log, truth, sink.
fn compare(run: &str, paths: [&str; 3], zone: chrono_tz::Tz) {
    let start = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let mut found = paths.iter().map(|path| unpacked(path, dir.path()));
    let (Some(Some(log)), Some(Some(truth)), Some(Some(sink))) =
        (found.next(), found.next(), found.next())
    else {
        return;
    };
    let handled = handled(&log);
    let engine = engine(&[log], zone);
    let truth = journal(&truth);
    accepted(&engine, &truth).close(run);
    rejections(&engine, &truth).close(run);
    logins(&engine, &truth).close(run);
    let sink = journal(&sink);
    let (recipients, outcomes) = recipients(&engine, &sink, &handled);
    recipients.close(run);
    outcomes.close(run);
    println!("{run}: {:.1} s", start.elapsed().as_secs_f64());
}

#[test]
fn two_thousand_messages() {
    let at = |name: &str| format!("lab/captures/postfix/{name}.xz");
    let paths = [at("mail.iso.log"), at("truth.jsonl"), at("sink.jsonl")];
    compare(
        "postfix",
        paths.each_ref().map(String::as_str),
        chrono_tz::UTC,
    );
}

#[test]
fn long_queue_ids_without_filter() {
    let at = |name: &str| format!("lab/captures/postfix/long-ids.{name}.xz");
    let paths = [at("mail.log"), at("truth.jsonl"), at("sink.jsonl")];
    let berlin = chrono_tz::Europe::Berlin;
    compare("long-ids", paths.each_ref().map(String::as_str), berlin);
}

#[test]
fn sixty_thousand_messages() {
    let at = |name: &str| format!("lab/captures/postfix-60k/{name}.zst");
    let paths = [at("mail.log"), at("truth.jsonl"), at("sink.jsonl")];
    compare(
        "postfix-60k",
        paths.each_ref().map(String::as_str),
        chrono_tz::UTC,
    );
}
