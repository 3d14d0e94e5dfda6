//! Aggregates of the lab's journals against the results of queries: by client, reply code, account, domain, day, …
//!
//! `truth.rs` holds single records against single rows. Here both sides are counted up independently, the journals by
//! what the lab's clients and servers wrote down, the logs by the queries, and the numbers are compared key by key: a row
//! counted twice, or under the wrong name, shows here. Each number is equal, or differs by as much as a named reason says
//! for its key; reasons are rules on the journals alone, and together stay under 0.5 % of their breakdown. What a journal
//! cannot know (tries that reached no server, bytes as queued) is not compared; where a breakdown leaves out keys, the
//! function that makes it says which.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod calendar;
mod clients;
mod destinations;
mod logins;
mod messages;
mod visit;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Instant;

use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use mtaudit::commands::load::{self, Options};
use mtaudit::query::{Engine, Library, Overrides};
use polars::prelude::{col, lit};
use serde_json::Value;

use crate::queries::run::with_stack;
use crate::support::{Row, journal, named, number, rows, shared, unpacked};

/// The run in which no breakdown may be empty.
const LARGE: &str = "postfix-60k";

/// Key and number.
type Counts = BTreeMap<String, i64>;

/// Rows by query, and whether those of `Run::submitted`.
type Asked = BTreeMap<(&'static str, bool), Rc<Vec<Row>>>;

/// One run of the lab: what its log gives, and what was written down beside it.
struct Run {
    name: &'static str,
    zone: Tz,
    engine: Engine,
    /// The same without the notices that the server wrote itself: no journal knows how many these were.
    submitted: Engine,
    library: Library,
    truth: Vec<Value>,
    sink: Vec<Value>,
    /// Empty where the run had no content filter.
    filter: Vec<Value>,
    /// Empty where it was not kept.
    admin: Vec<Value>,
    /// Rows of the queries that were asked.
    asked: RefCell<Asked>,
}

impl Run {
    fn load(name: &'static str, zone: Tz, path: impl Fn(&str) -> String) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let log = unpacked(&path("log"), dir.path())?;
        let read = |part| unpacked(&path(part), dir.path()).map(|path| journal(&path));
        let engines = engines(&log, 2026, zone);
        let mut run = Run::new(name, zone, engines, read("truth")?, read("sink")?);
        run.filter = read("filter").unwrap_or_default();
        run.admin = read("admin").unwrap_or_default();
        Some(run)
    }

    /// What two thousand messages are spread over a month, with both sides moved alike.
    fn spread(zone: Tz) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let script = shared("lab/spread.py")?;
        for part in ["mail.iso.log", "truth.jsonl", "sink.jsonl"] {
            unpacked(&format!("lab/captures/postfix/{part}.xz"), dir.path())?;
        }
        let month = dir.path().join("month");
        let mut spread = Command::new("python3");
        spread.arg(script).arg(dir.path()).arg("--out").arg(&month);
        spread
            .args(["--month", "2024-10", "--tz", zone.name()])
            .stdout(Stdio::null());
        if !matches!(spread.status(), Ok(status) if status.success()) {
            println!("left out: python3 does not run spread.py");
            return None;
        }
        let read = |part: &str| journal(&month.join(part));
        let (truth, mut sink) = (read("truth.jsonl"), read("sink.jsonl"));
        sink.retain(|record| record["moved"] != false);
        for part in ["truth.jsonl", "sink.jsonl", "spread.json"] {
            std::fs::remove_file(month.join(part)).unwrap();
        }
        Some(Run::new(
            "month",
            zone,
            engines(&month, 2024, zone),
            truth,
            sink,
        ))
    }

    fn new(
        name: &'static str,
        zone: Tz,
        engines: [Engine; 2],
        truth: Vec<Value>,
        sink: Vec<Value>,
    ) -> Self {
        let [engine, submitted] = engines;
        Run {
            name,
            zone,
            engine,
            submitted,
            library: Library::builtin().unwrap(),
            truth,
            sink,
            filter: Vec::new(),
            admin: Vec::new(),
            asked: RefCell::default(),
        }
    }

    /// All rows of a query; those that list only the first few list them all.
    fn rows(&self, query: &'static str) -> Rc<Vec<Row>> {
        self.ask(query, false)
    }

    /// The same of what was handed in.
    fn submitted(&self, query: &'static str) -> Rc<Vec<Row>> {
        self.ask(query, true)
    }

    fn ask(&self, name: &'static str, submitted: bool) -> Rc<Vec<Row>> {
        let mut asked = self.asked.borrow_mut();
        let engine = if submitted {
            &self.submitted
        } else {
            &self.engine
        };
        let rows = asked
            .entry((name, submitted))
            .or_insert_with(|| Rc::new(answer(engine, &self.library, name)));
        rows.clone()
    }

    /// Rows whose column has one of these values.
    fn rows_of(&self, query: &'static str, column: &str, values: &[&str]) -> Vec<Row> {
        let all = self.rows(query);
        let wanted = |row: &&Row| values.iter().any(|value| row[column] == *value);
        all.iter().filter(wanted).cloned().collect()
    }

    /// A column of a query, summed by others.
    fn sums(&self, query: &'static str, keys: &[&str], column: &str) -> Counts {
        sums(&self.rows(query), keys, column)
    }

    /// A column of a query that has one row.
    fn single(&self, query: &'static str, columns: &[&str]) -> Counts {
        let rows = self.rows(query);
        count(
            columns
                .iter()
                .map(|column| ((*column).to_owned(), number(&rows[0], column))),
        )
    }

    /// A statement whose last column, `n`, is the number.
    fn table(&self, sql: &str, keys: &[&str]) -> Counts {
        sums(&rows(&self.engine, sql), keys, "n")
    }

    /// A journal's time in the zone of the report.
    fn time(&self, at: f64) -> DateTime<Tz> {
        self.zone.timestamp_opt(at as i64, 0).unwrap()
    }

    fn day(&self, at: f64) -> String {
        self.time(at).format("%Y-%m-%d").to_string()
    }
}

fn answer(engine: &Engine, library: &Library, name: &str) -> Vec<Row> {
    let query = library.find(name).unwrap();
    let mut overrides = Overrides::new();
    if query.header.params.contains_key("top") {
        overrides.insert("top".into(), "1000000".into());
    }
    let answer = engine
        .run(query, &overrides)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    named(&answer.result.columns, answer.result.full.iter())
}

/// All rows; and without the notices that the server wrote itself, of which no journal knows.
fn engines(log: &Path, year: i32, zone: Tz) -> [Engine; 2] {
    let options = Options {
        year: Some(year),
        ..Options::new(vec![log.to_owned()], zone)
    };
    let frames = load::load(&options).unwrap().tables.frames;
    let handed_in = frames.iter().cloned().map(|(name, frame)| match name {
        "messages" => (
            name,
            frame.filter(col("origin").neq(lit("bounce"))).unwrap(),
        ),
        _ => (name, frame),
    });
    let submitted = Engine::new(handed_in.collect(), zone);
    [Engine::new(frames, zone), submitted]
}

/// A cell as a part of a key; nothing when null.
fn cell(row: &Row, column: &str) -> String {
    match &row[column] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn sums(rows: &[Row], keys: &[&str], column: &str) -> Counts {
    let key = |row: &Row| key(keys.iter().map(|name| cell(row, name)));
    count(rows.iter().map(|row| (key(row), number(row, column))))
}

fn key(parts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let parts: Vec<String> = parts
        .into_iter()
        .map(|part| part.as_ref().to_owned())
        .collect();
    parts.join(" | ")
}

/// Sums up; what comes to nothing is no key.
fn count(items: impl IntoIterator<Item = (String, i64)>) -> Counts {
    let mut counts = Counts::new();
    for (key, n) in items {
        *counts.entry(key).or_default() += n;
    }
    counts.retain(|_, n| *n != 0);
    counts
}

/// How many times each key comes.
fn tally(keys: impl IntoIterator<Item = String>) -> Counts {
    count(keys.into_iter().map(|key| (key, 1)))
}

/// How many different things each key has.
fn distinct(pairs: impl IntoIterator<Item = (String, String)>) -> Counts {
    let pairs: BTreeSet<(String, String)> = pairs.into_iter().collect();
    tally(pairs.into_iter().map(|(key, _)| key))
}

/// Why the rows of one key have so many more (or fewer) than the journal.
struct Reason {
    why: &'static str,
    key: String,
    least: i64,
    most: i64,
}

/// Both sides of one comparison.
struct Breakdown {
    name: &'static str,
    journal: Counts,
    rows: Counts,
    reasons: Vec<Reason>,
}

/// How it came out.
struct Verdict {
    keys: usize,
    total: i64,
    differing: usize,
    explained: BTreeMap<&'static str, i64>,
    wrong: Vec<String>,
}

impl Breakdown {
    fn new(name: &'static str, journal: Counts, rows: Counts) -> Self {
        Breakdown {
            name,
            journal,
            rows,
            reasons: Vec::new(),
        }
    }

    /// The rows have so many more.
    fn because(mut self, why: &'static str, more: impl IntoIterator<Item = (String, i64)>) -> Self {
        let reason = |(key, n)| Reason {
            why,
            key,
            least: n,
            most: n,
        };
        self.reasons.extend(more.into_iter().map(reason));
        self
    }

    /// The rows may have up to so many fewer.
    fn perhaps(
        mut self,
        why: &'static str,
        fewer: impl IntoIterator<Item = (String, i64)>,
    ) -> Self {
        let reason = |(key, n): (String, i64)| Reason {
            why,
            key,
            least: -n,
            most: 0,
        };
        self.reasons.extend(fewer.into_iter().map(reason));
        self
    }

    /// Only the keys that the query lists: it lists those above a threshold.
    fn where_listed(mut self) -> Self {
        self.journal.retain(|key, _| self.rows.contains_key(key));
        self
    }

    /// Only the keys that the journal knows.
    fn where_known(mut self) -> Self {
        self.rows.retain(|key, _| self.journal.contains_key(key));
        self
    }

    fn judge(&self) -> Verdict {
        let keys: BTreeSet<&String> = self.journal.keys().chain(self.rows.keys()).collect();
        let mut verdict = Verdict {
            keys: keys.len(),
            total: self.journal.values().sum(),
            differing: 0,
            explained: BTreeMap::new(),
            wrong: Vec::new(),
        };
        for key in keys {
            self.judge_key(key, &mut verdict);
        }
        verdict
    }

    fn judge_key(&self, key: &str, verdict: &mut Verdict) {
        let of = |counts: &Counts| counts.get(key).copied().unwrap_or_default();
        let (journal, rows) = (of(&self.journal), of(&self.rows));
        let mut rest = rows - journal;
        verdict.differing += usize::from(rest != 0);
        for reason in self.reasons.iter().filter(|reason| reason.key == key) {
            let taken = rest.clamp(reason.least, reason.most);
            rest -= taken;
            *verdict.explained.entry(reason.why).or_default() += taken.abs();
        }
        if rest != 0 {
            verdict.wrong.push(format!(
                "{key}: journal {journal}, rows {rows}, {rest:+} unexplained"
            ));
        }
    }
}

/// Prints the table, and says what is wrong with it.
fn report(run: &str, breakdowns: &[Breakdown]) -> Vec<String> {
    let mut wrong = Vec::new();
    println!("{run}: breakdown, keys, journal, rows, keys that differ");
    for breakdown in breakdowns {
        let verdict = breakdown.judge();
        let (name, rows) = (breakdown.name, breakdown.rows.values().sum::<i64>());
        println!(
            "  {name:64} {:6} {:8} {rows:8} {:4}",
            verdict.keys, verdict.total, verdict.differing
        );
        for (why, n) in verdict.explained.iter().filter(|(_, n)| **n > 0) {
            println!("      {n} explained: {why}");
        }
        let explained: i64 = verdict.explained.values().sum();
        // A small run may lack a kind of event on both sides.
        let lacking = verdict.keys == 0 && run != LARGE;
        if !lacking && explained * 200 >= verdict.total {
            wrong.push(format!(
                "{run}: {name}: {explained} of {} explained",
                verdict.total
            ));
        }
        let said = verdict.wrong.iter().take(20);
        wrong.extend(said.map(|what| format!("{run}: {name}: {what}")));
    }
    wrong
}

/// A run of the lab, by these breakdowns.
fn compare(load: impl FnOnce() -> Option<Run> + Send, parts: &[fn(&Run) -> Vec<Breakdown>]) {
    with_stack(|| {
        let start = Instant::now();
        let Some(run) = load() else {
            return;
        };
        let breakdowns: Vec<Breakdown> = parts.iter().flat_map(|part| part(&run)).collect();
        let mut wrong = report(run.name, &breakdowns);
        wrong.extend(clients::at_once(&run));
        println!("{}: {:.1} s", run.name, start.elapsed().as_secs_f64());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

const EVERY: &[fn(&Run) -> Vec<Breakdown>] =
    &[clients::all, logins::all, messages::all, destinations::all];

#[test]
fn two_thousand_messages() {
    let path = |part: &str| match part {
        "log" => "lab/captures/postfix/mail.iso.log.xz".into(),
        part => format!("lab/captures/postfix/{part}.jsonl.xz"),
    };
    compare(|| Run::load("postfix", Tz::UTC, path), EVERY);
}

#[test]
fn long_queue_ids_without_filter() {
    let path = |part: &str| match part {
        "log" => "lab/captures/postfix/long-ids.mail.log.xz".into(),
        part => format!("lab/captures/postfix/long-ids.{part}.jsonl.xz"),
    };
    compare(|| Run::load("long-ids", Tz::Europe__Berlin, path), EVERY);
}

#[test]
fn sixty_thousand_messages() {
    let path = |part: &str| match part {
        "log" => "lab/captures/postfix-60k/mail.log.zst".into(),
        part => format!("lab/captures/postfix-60k/{part}.jsonl.zst"),
    };
    compare(|| Run::load(LARGE, Tz::UTC, path), EVERY);
}

/// A month with the end of summer time in it, by day, hour and weekday.
#[test]
fn two_thousand_messages_over_a_month() {
    compare(|| Run::spread(Tz::Europe__Berlin), &[calendar::all]);
}

/// The comparison itself: what differs is told, and a reason that does not fit its key is none.
#[test]
fn a_wrong_number_is_told() {
    let counts =
        |pairs: &[(&str, i64)]| count(pairs.iter().map(|(key, n)| ((*key).to_owned(), *n)));
    let judged = |journal: &[(&str, i64)], rows: &[(&str, i64)]| {
        let breakdown = Breakdown::new("b", counts(journal), counts(rows));
        let breakdown = breakdown.because("one more", [("a".to_owned(), 1)]);
        breakdown
            .perhaps("one fewer", [("c".to_owned(), 1)])
            .judge()
            .wrong
            .len()
    };
    assert_eq!(judged(&[("a", 1), ("c", 2)], &[("a", 2), ("c", 1)]), 0);
    assert_eq!(judged(&[("a", 1), ("c", 2)], &[("a", 2), ("c", 2)]), 0);
    assert_eq!(judged(&[("a", 2), ("c", 2)], &[("a", 2), ("c", 0)]), 2);
    assert_eq!(judged(&[("a", 1), ("b", 1)], &[("a", 2), ("d", 1)]), 2);
}
