//! Tests of the engine, the findings and the checks on one small query.

#![allow(clippy::unwrap_used)]

mod more;

use polars::prelude::*;

use super::check::{Frames, check, check_shuffled, empty_frames, shuffled};
use super::engine::{Answer, Engine};
use super::library::{Library, Query};
use super::params::Overrides;
use crate::report::Severity;
use crate::tables::schema::TABLES;

const GUESSING: &str = r#"-- title    = "Clients guessing passwords"
-- question = "Which clients tried many passwords?"
-- tables   = ["logins"]
-- limits   = "Counts what was logged."
-- sensitivity = "min_failures"
-- controls = ["NIST SP 800-53 AC-7"]
-- rows     = 2
--
-- [[needs]]
-- table    = "logins"
-- where    = "credentials"
-- missing  = "the logs hold no failed authentication"
--
-- [params.min_failures]
-- default  = 2
-- unit     = "failures"
-- source   = "fail2ban"
-- about    = "failures from which a client is listed"
--
-- [[columns]]
-- name     = "client_ip"
-- kind     = "text"
-- about    = "address of the client"
--
-- [[columns]]
-- name     = "failures"
-- kind     = "count"
-- about    = "failed tries"
--
-- [[columns]]
-- name     = "successes"
-- kind     = "count"
-- about    = "tries that worked"
--
-- [[findings]]
-- severity   = "high"
-- when       = "failures >= min_failures AND successes > 0"
-- sentence   = "{client_ip} failed {failures} times (at least {params.min_failures}) and got in."
-- advice     = "Lock the account that {client_ip} got into."
-- thresholds = ["min_failures"]
-- evidence   = "SELECT client_ip, source, line FROM logins WHERE NOT success"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "failures >= min_failures"
-- sentence   = "{client_ip} failed {failures} times."
-- advice     = "Watch it."
-- limit      = 1
SELECT client_ip,
       COUNT(*) FILTER (WHERE NOT success) AS failures,
       COUNT(*) FILTER (WHERE success) AS successes
FROM logins CROSS JOIN params
GROUP BY client_ip
HAVING COUNT(*) FILTER (WHERE NOT success) >= MAX(min_failures)
ORDER BY failures DESC, client_ip
"#;

fn query(text: &str) -> Query {
    Query::parse("access/guessing", "queries/access/guessing.sql", text).unwrap()
}

/// Logins of (client, success, line); a client that is not known is null.
fn frames(logins: &[(Option<&str>, bool, i64)]) -> Frames {
    let mut frames = empty_frames(TABLES);
    let clients: Vec<_> = logins.iter().map(|login| login.0).collect();
    let good: Vec<_> = logins.iter().map(|login| login.1).collect();
    let bad: Vec<_> = good.iter().map(|good| !good).collect();
    let lines: Vec<_> = logins.iter().map(|login| login.2).collect();
    let sources = vec![1i64; logins.len()];
    let logins = df!("client_ip" => clients, "success" => good, "credentials" => bad, "source" => sources, "line" => lines);
    let sources = df!("source" => [1i64], "path" => ["mail.log.gz"], "member" => [None::<&str>]);
    for (name, frame) in &mut frames {
        match *name {
            "logins" => *frame = categorical(logins.as_ref().unwrap(), "client_ip"),
            "sources" => *frame = sources.as_ref().unwrap().clone(),
            _ => {}
        }
    }
    frames
}

fn categorical(frame: &DataFrame, name: &str) -> DataFrame {
    let coded = DataType::from_categories(Categories::global());
    let column = frame.column(name).unwrap().cast(&coded).unwrap();
    let mut frame = frame.clone();
    frame.with_column(column).unwrap();
    frame
}

fn some_logins() -> Frames {
    let mut logins = Vec::new();
    for line in 1..=12 {
        logins.push((Some("192.0.2.1"), false, line));
    }
    logins.push((Some("192.0.2.1"), true, 13));
    for (n, client) in [
        None,
        Some("192.0.2.8"),
        Some("192.0.2.9"),
        Some("192.0.2.7"),
    ]
    .into_iter()
    .enumerate()
    {
        logins.push((client, false, 20 + 2 * n as i64));
        logins.push((client, false, 21 + 2 * n as i64));
    }
    logins.push((None, true, 40));
    frames(&logins)
}

fn run(text: &str, frames: Frames) -> Result<Answer, super::Error> {
    Engine::new(frames, chrono_tz::UTC).run(&query(text), &Overrides::new())
}

fn said(text: &str) -> String {
    run(text, some_logins()).unwrap_err().to_string()
}

#[test]
fn shows_some_rows_and_keeps_all() {
    let result = run(GUESSING, some_logins()).unwrap().result;
    assert_eq!(
        (result.rows.len(), result.total, result.full.len()),
        (2, 5, 5)
    );
    assert_eq!(result.rows[0][0].text, "192.0.2.1");
    assert_eq!(result.csv, "tables/access_guessing.csv");
    assert_eq!(result.params[0].value, "2");
    assert!(result.not_assessable.is_none());
}

#[test]
fn the_first_rule_that_matches_makes_the_finding() {
    let findings = run(GUESSING, some_logins()).unwrap().findings;
    let said: Vec<_> = findings
        .iter()
        .map(|f| (f.severity, f.sentence.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (
                Severity::High,
                "192.0.2.1 failed 12 times (at least 2) and got in."
            ),
            (Severity::Low, "192.0.2.7 failed 2 times."),
            (Severity::High, "– failed 2 times (at least 2) and got in."),
            (
                Severity::Low,
                "2 more of this kind: see tables/access_guessing.csv."
            ),
        ]
    );
    assert_eq!(findings[0].controls, ["NIST SP 800-53 AC-7"]);
    assert_eq!(findings[0].thresholds[0].source, "fail2ban");
}

#[test]
fn evidence_is_the_first_ten_lines_and_the_number_of_all() {
    let findings = run(GUESSING, some_logins()).unwrap().findings;
    let lines = |n: usize| -> Vec<u64> { findings[n].evidence.iter().map(|e| e.line).collect() };
    assert_eq!(lines(0), (1..=10).collect::<Vec<_>>());
    assert_eq!(findings[0].evidence_total, 12);
    assert_eq!(findings[0].evidence[0].path, "mail.log.gz");
    assert_eq!((lines(1), lines(2)), (vec![], vec![20, 21]));
}

#[test]
fn evidence_without_keys_belongs_to_every_finding() {
    let text = GUESSING.replace("-- keys       = [\"client_ip\"]\n", "");
    let findings = run(&text, some_logins()).unwrap().findings;
    assert_eq!(
        (findings[0].evidence_total, findings[2].evidence_total),
        (20, 20)
    );
}

#[test]
fn not_assessable_is_not_zero() {
    let answer = run(GUESSING, frames(&[(Some("192.0.2.1"), true, 1)])).unwrap();
    let reason = answer.result.not_assessable.unwrap();
    assert_eq!(reason, "the logs hold no failed authentication");
    assert_eq!(
        (
            answer.result.columns.len(),
            answer.result.total,
            answer.findings.len()
        ),
        (3, 0, 0)
    );
}

#[test]
fn no_row_is_an_answer_unless_the_query_says_otherwise() {
    let one = || frames(&[(Some("192.0.2.1"), false, 1)]);
    assert_eq!(run(GUESSING, one()).unwrap().result.not_assessable, None);
    let text = GUESSING.replace("-- rows ", "-- empty = \"no client\"\n-- rows ");
    let answer = run(&text, one()).unwrap();
    assert_eq!(answer.result.not_assessable.unwrap(), "no client");
}

#[test]
fn a_parameter_changes_the_result() {
    let engine = Engine::new(some_logins(), chrono_tz::UTC);
    let overrides = Overrides::from([("guessing.min_failures".to_owned(), "3".to_owned())]);
    let answer = engine.run(&query(GUESSING), &overrides).unwrap();
    assert_eq!(answer.result.total, 1);
    assert!(answer.result.params[0].changed);
    let unknown = Overrides::from([("nonsense".to_owned(), "3".to_owned())]);
    assert!(engine.run(&query(GUESSING), &unknown).is_err());
}

#[test]
fn many_run_side_by_side_in_the_order_given() {
    let engine = Engine::new(some_logins(), chrono_tz::UTC);
    let queries: Vec<Query> = (0..8)
        .map(|n| Query::parse(&format!("a/q{n}"), "x.sql", GUESSING).unwrap())
        .collect();
    let queries: Vec<&Query> = queries.iter().collect();
    let answers = engine.run_all(&queries, &Overrides::new()).unwrap();
    let names: Vec<&str> = answers
        .iter()
        .map(|answer| answer.result.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "a/q0", "a/q1", "a/q2", "a/q3", "a/q4", "a/q5", "a/q6", "a/q7"
        ]
    );
}

#[test]
fn errors_have_file_line_and_remedy() {
    let mut wrong = Vec::new();
    let with = |from: &str, to: &str| said(&GUESSING.replace(from, to));
    for (error, start, hint) in [
        (
            with("FROM logins CROSS", "FROM login CROSS"),
            "queries/access/guessing.sql: relation",
            "did you mean",
        ),
        (
            with("FROM logins CROSS", "FROM sessions CROSS"),
            "queries/access/guessing.sql: relation",
            "add `sessions`",
        ),
        (
            with("GROUP BY client_ip", "GROUP BAI client_ip"),
            "queries/access/guessing.sql:54: ",
            "GROUP",
        ),
        (
            with("SELECT client_ip,\n", "SELECT client_ips,\n"),
            "queries/access/guessing.sql: ",
            "client_ips",
        ),
        (
            with("AS failures,", "AS fails,"),
            "queries/access/guessing.sql",
            "failures",
        ),
        (
            with("name     = \"failures\"", "name     = \"tries\""),
            "queries/access/guessing.sql:20: the SELECT gives",
            "declare",
        ),
        (
            with(
                "\"count\"\n-- about    = \"failed",
                "\"time\"\n-- about    = \"failed",
            ),
            "queries/access/guessing.sql:20: column `failures` is",
            "time",
        ),
        (
            with("failures >= min_failures AND", "failures >= min_fail AND"),
            "queries/access/guessing.sql:35: ",
            "min_fail",
        ),
        (
            with("failures >= min_failures\"", "failures + 1\""),
            "queries/access/guessing.sql:44: `when` is no condition",
            "compare",
        ),
        (
            with("{failures} times.", "{tries} times."),
            "queries/access/guessing.sql:44: the sentence has no column `tries`",
            "hint",
        ),
        (
            with("FROM logins WHERE", "FROM log_ins WHERE"),
            "queries/access/guessing.sql:35: relation",
            "did you mean `logins`?",
        ),
    ] {
        if !error.starts_with(start) || !error.contains(hint) || error.contains('\n') {
            wrong.push(error);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn sql_by_hand_has_kinds_by_type_and_name() {
    let engine = Engine::new(some_logins(), chrono_tz::UTC);
    let table = engine.sql("SELECT client_ip, COUNT(*) AS n, MIN(line) AS line FROM logins GROUP BY client_ip ORDER BY n DESC LIMIT 1").unwrap();
    let kinds: Vec<String> = table
        .columns
        .iter()
        .map(|c| format!("{:?}", c.kind))
        .collect();
    assert_eq!(kinds, ["Text", "Count", "Text"]);
    assert_eq!(table.rows[0][1].text, "13");
    let error = engine.sql("SELECT 1 FROM login").unwrap_err().to_string();
    assert!(error.contains("did you mean `logins`?"), "{error}");
    for bad in [
        "",
        ";",
        "SELECT",
        "SELECT 1; SELECT 2",
        "DROP",
        "SELECT * FROM read_csv('mail.csv')",
        "-- all of it\nDROP TABLE logins",
    ] {
        assert!(engine.sql(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_panic_of_polars_is_an_error() {
    // Overflows where polars is built with overflow checks, as here; elsewhere it is a number.
    let engine = Engine::new(some_logins(), chrono_tz::UTC);
    if let Err(error) = engine.sql("SELECT POW(2, 1000)") {
        assert_eq!(error.message, "polars cannot run this");
    }
}

#[test]
fn an_engine_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Engine>();
}

#[test]
fn a_good_query_passes_all_checks() {
    assert_eq!(check(&query(GUESSING), TABLES), Vec::<String>::new());
    assert_eq!(
        check_shuffled(&query(GUESSING), &some_logins()),
        Vec::<String>::new()
    );
}

#[test]
fn checks_find_what_is_wrong() {
    let mut missed = Vec::new();
    for (from, to, said) in [
        ("passwords?\"", "passwords\"", "question mark"),
        ("logged.\"", "logged\"", "full stop"),
        ("got in.\"", "got in\"", "finding 1: the sentence ends"),
        (
            "{client_ip} failed {failures} times.",
            "{x}.",
            "finding 2: the sentence has no column `x`",
        ),
        (
            "thresholds = [\"min_failures\"]",
            "thresholds = [\"x\"]",
            "threshold `x` is no parameter",
        ),
        (
            "keys       = [\"client_ip\"]",
            "keys       = [\"x\"]",
            "key `x` is no column",
        ),
        ("limit      = 1", "limit      = 0", "limit = 0"),
        (
            "tables   = [\"logins\"]",
            "tables   = [\"logins\", \"sessions\"]",
            "`tables` has `sessions`, which nothing reads",
        ),
        (
            "FROM logins WHERE",
            "FROM sessions WHERE",
            "`tables` lacks `sessions`",
        ),
        ("\nORDER BY failures DESC, client_ip\n", "\n", "no ORDER BY"),
        (
            "about    = \"failed tries\"",
            "about    = \"\"",
            "does not say what it holds",
        ),
        (
            "name     = \"successes\"",
            "name     = \"failures\"",
            "declared twice",
        ),
        (
            "-- [params.min_failures]",
            "-- [params.x]\n-- default=1\n-- source=\"s\"\n-- about=\"a\"\n-- [params.min_failures]",
            "parameter `x` is not used",
        ),
        (
            "-- [[findings]]\n-- severity   = \"low\"",
            "-- [chart]\n-- kind=\"pie\"\n-- x=\"x\"\n-- y=[\"client_ip\"]\n-- label=\"l\"\n-- [[findings]]\n-- severity   = \"low\"",
            "chart: no kind `pie`",
        ),
        (
            "line FROM logins WHERE NOT success",
            "line AS row FROM logins WHERE NOT success",
            "guessing.sql:35: the evidence lacks `line`",
        ),
    ] {
        let wrong = check(&query(&GUESSING.replace(from, to)), TABLES);
        if !wrong.iter().any(|wrong| wrong.contains(said)) {
            missed.push((said, wrong));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn an_order_with_ties_shows_when_shuffled() {
    let text = GUESSING.replace("failures DESC, client_ip\n", "successes DESC\n");
    assert!(!check_shuffled(&query(&text), &some_logins()).is_empty());
}

#[test]
fn shuffling_keeps_the_rows() {
    let frames = some_logins();
    let mixed = shuffled(&frames, 1);
    let lines = |frames: &Frames| {
        let logins = &frames.iter().find(|(name, _)| *name == "logins").unwrap().1;
        let lines: Vec<i64> = logins
            .column("line")
            .unwrap()
            .i64()
            .unwrap()
            .into_no_null_iter()
            .collect();
        lines
    };
    let (before, mut after) = (lines(&frames), lines(&mixed));
    assert_ne!(before, after);
    after.sort_unstable();
    assert_eq!(before, after);
}

#[test]
fn order_by_inside_parentheses_is_none() {
    let with = |sql: &str| GUESSING.replace("ORDER BY failures DESC, client_ip", sql);
    for (sql, fine) in [
        ("order  by failures, client_ip", true),
        ("-- ORDER BY failures", false),
        ("LIMIT 3", false),
    ] {
        let wrong = check(&query(&with(sql)), TABLES);
        assert_eq!(wrong.is_empty(), fine, "{sql}: {wrong:?}");
    }
}

#[test]
fn every_built_in_query_passes_all_checks() {
    let library = Library::builtin().unwrap();
    let wrong: Vec<String> = library
        .iter()
        .flat_map(|query| {
            let found = check(query, TABLES).into_iter();
            found.map(|said| format!("{}: {said}", query.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
