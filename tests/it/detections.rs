//! Detections against scenarios: what fires on which attack, with the right entities and at the right time.
//!
//! `tests/lab/` has a run of the lab for each scenario alone: the log of a real Postfix and Dovecot, and `truth.tsv`,
//! drawn from the journal of what the clients did (address, account, first and last second). The table
//! `tests/lab/detections.tsv` says how many findings of which severity (H, M, L, I) each query has on each of them, and
//! how many rows it lists; `honest` is a run without any attack. `MTAUDIT_UPDATE=1` rewrites it: read the difference.
//!
//! `tests/lab/months/` has runs that were spread over a month, each attack kept together: `all` with every scenario, and
//! two that leave out the scenarios which [`SILENT`] names (`lab.py postfix --calm --messages 400`, seeds 501 to 503, ten
//! times the usual share of attacks). `months.tsv` is their table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use mtaudit::query::{Answer, Engine, Library, Overrides, Query};
use mtaudit::report::Severity;

use super::queries::run::{side_by_side, with_stack};
use super::support::{engine, repo};

/// Sections whose findings are about what somebody did to us, or with our accounts.
const SECTIONS: [&str; 2] = ["access", "spam"];

/// What one query has on one scenario.
struct Count {
    /// Findings: high, medium, low, info.
    findings: [usize; 4],
    rows: usize,
}

/// Names of the logs in a folder.
fn logs(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(repo(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter_map(|name| name.strip_suffix(".log.zst").map(str::to_owned))
        .collect();
    names.sort_unstable();
    names
}

fn log(folder: &str, name: &str) -> PathBuf {
    repo(&format!("{folder}/{name}.log.zst"))
}

fn detections(library: &Library) -> Vec<&Query> {
    let ours = |query: &&Query| {
        SECTIONS.contains(&query.section.as_str()) && !query.header.findings.is_empty()
    };
    library.iter().filter(ours).collect()
}

/// What the clients of a scenario did, by the journal of the lab.
#[derive(Default)]
struct Truth {
    clients: BTreeSet<String>,
    accounts: BTreeSet<String>,
    /// Seconds since 1970.
    first: f64,
    last: f64,
}

fn truths() -> BTreeMap<String, Truth> {
    let text = fs::read_to_string(repo("tests/lab/truth.tsv")).unwrap();
    let mut truths: BTreeMap<String, Truth> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [scenario, client, account, first, last] = fields[..] else {
            panic!("tests/lab/truth.tsv: {line}");
        };
        let (first, last): (f64, f64) = (first.parse().unwrap(), last.parse().unwrap());
        let truth = truths.entry(scenario.to_owned()).or_insert_with(|| Truth {
            first,
            last,
            ..Truth::default()
        });
        truth.clients.insert(client.to_owned());
        truth.accounts.insert(account.to_owned());
        (truth.first, truth.last) = (truth.first.min(first), truth.last.max(last));
    }
    truths
}

fn count(answer: &Answer) -> Count {
    let findings = &answer.findings;
    let of = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let all = [
        Severity::High,
        Severity::Medium,
        Severity::Low,
        Severity::Info,
    ];
    Count {
        findings: all.map(of),
        rows: answer.result.total,
    }
}

/// `H1 L2 of 5`, `0 of 5`, or `-` without a row.
fn shown(count: &Count) -> String {
    if count.rows == 0 {
        return "-".to_owned();
    }
    let words = ["H", "M", "L", "I"].into_iter().zip(count.findings);
    let words: Vec<String> = words
        .filter(|(_, n)| *n > 0)
        .map(|(word, n)| format!("{word}{n}"))
        .collect();
    let words = Some(words.join(" ")).filter(|words| !words.is_empty());
    format!(
        "{} of {}",
        words.unwrap_or_else(|| "0".to_owned()),
        count.rows
    )
}

/// The table of queries and scenarios, and what is wrong with the entities of findings.
fn measured() -> (String, Vec<String>) {
    let (library, scenarios, truths) = (Library::builtin().unwrap(), logs("tests/lab"), truths());
    let queries = detections(&library);
    let columns = side_by_side(&scenarios, |scenario| {
        let engine = engine(&[log("tests/lab", scenario)], chrono_tz::UTC);
        let found = queries
            .iter()
            .map(|query| on(&engine, query, scenario, &truths));
        found.collect::<Vec<(Count, Vec<String>)>>()
    });
    let cell = |column: usize, row: usize| shown(&columns[column][row].0);
    let table = table(&queries, &scenarios, cell);
    let wrong = columns.into_iter().flatten().flat_map(|(_, wrong)| wrong);
    (table, wrong.collect())
}

/// What each query has on each log, as text.
fn table(queries: &[&Query], logs: &[String], cell: impl Fn(usize, usize) -> String) -> String {
    let mut table = format!("query\t{}\n", logs.join("\t"));
    for (row, query) in queries.iter().enumerate() {
        let cells: Vec<String> = (0..logs.len()).map(|column| cell(column, row)).collect();
        writeln!(table, "{}\t{}", query.name, cells.join("\t")).unwrap();
    }
    table
}

/// Holds a table against the file that has it.
fn hold(table: &str, file: &str) {
    let path = repo(file);
    if std::env::var_os("MTAUDIT_UPDATE").is_some() {
        fs::write(&path, table).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(table, expected, "MTAUDIT_UPDATE=1 rewrites {file}");
}

/// Findings of a query on a scenario, and those of its rows that name somebody or a time which the journal does not.
fn on(
    engine: &Engine,
    query: &Query,
    scenario: &str,
    truths: &BTreeMap<String, Truth>,
) -> (Count, Vec<String>) {
    let answer = engine.run(query, &Overrides::new());
    let answer = answer.unwrap_or_else(|error| panic!("{scenario}: {error}"));
    let mut wrong = Vec::new();
    let truth = &truths[scenario];
    let names: Vec<&str> = answer
        .result
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    for row in answer.result.full.iter() {
        for (name, cell) in names.iter().zip(&row) {
            let Some(text) = cell.value.as_str().filter(|text| !text.is_empty()) else {
                continue;
            };
            let known = match *name {
                "client_ip" => truth.clients.contains(text),
                "auth_user" => truth.accounts.contains(text),
                "first_ts" | "last_ts" | "ts" => {
                    let time = chrono::DateTime::parse_from_rfc3339(text).unwrap();
                    let second = time.timestamp_micros() as f64 / 1e6;
                    // The server's clock is the client's. Its own mail begins some seconds before the first client, and it
                    // goes on delivering after the last.
                    (truth.first - 15.0..=truth.last + 90.0).contains(&second)
                }
                _ => true,
            };
            if !known {
                wrong.push(format!(
                    "{} on {scenario}: {name} {text} is not in the journal",
                    query.name
                ));
            }
        }
    }
    (count(&answer), wrong)
}

#[test]
fn detections_fire_on_their_scenario_with_its_entities() {
    with_stack(|| {
        let (table, wrong) = measured();
        hold(&table, "tests/lab/detections.tsv");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// Scenarios that a query is made for: it must list something there. The lab's spray comes from many addresses, its
/// brute force from one that is refused as AUTH is not offered without TLS.
const MADE_FOR: &[(&str, &[&str])] = &[
    (
        "access/password_guessing",
        &["brute", "compromise", "imap_brute"],
    ),
    ("access/spray_distributed", &["spray"]),
    ("access/success_after_failures", &["compromise"]),
    ("access/targeted_account", &["brute", "compromise"]),
    ("access/honeypot_names", &["brute"]),
    ("access/user_enumeration", &["brute"]),
    ("access/service_abuse", &["brute"]),
    ("spam/compromised_account", &["compromise"]),
    ("spam/directory_harvest", &["harvest"]),
    ("spam/relay_probes", &["relay"]),
    ("spam/internal_spoof", &["spoof"]),
    ("spam/helo_anomaly", &["bad_helo"]),
    (
        "spam/protocol_abuse",
        &["early", "http", "pipeline", "junk"],
    ),
    ("spam/blocklisted_clients", &["listed"]),
    (
        "spam/rejections_by_client",
        &["bad_sender", "syntax", "shady"],
    ),
];

#[test]
fn every_scenario_has_the_detection_that_is_made_for_it() {
    let table = fs::read_to_string(repo("tests/lab/detections.tsv")).unwrap();
    let mut lines = table.lines();
    let scenarios: Vec<&str> = lines.next().unwrap().split('\t').skip(1).collect();
    let rows: BTreeMap<&str, Vec<&str>> = lines
        .map(|line| {
            let mut cells = line.split('\t');
            (cells.next().unwrap(), cells.collect())
        })
        .collect();
    let mut wrong = Vec::new();
    for (query, made_for) in MADE_FOR {
        for scenario in *made_for {
            let at = scenarios.iter().position(|one| one == scenario).unwrap();
            if rows[query][at] == "-" {
                wrong.push(format!("{query} is silent on {scenario}"));
            }
        }
        let honest = scenarios.iter().position(|one| *one == "honest").unwrap();
        if rows[query][honest].contains(['H', 'M']) {
            wrong.push(format!(
                "{query} finds {} in honest mail",
                rows[query][honest]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The month that lacks the scenarios for which a detection is made, and those detections.
const SILENT: &[(&str, &[&str])] = &[
    // Without brute, compromise, harvest, relay, syntax, vrfy, junk, no_tls_auth, shady, early, pipeline, http.
    (
        "without_a",
        &[
            "access/honeypot_names",
            "access/password_guessing",
            "access/service_abuse",
            "access/success_after_failures",
            "access/targeted_account",
            "spam/compromised_account",
            "spam/directory_harvest",
            "spam/protocol_abuse",
            "spam/rejections_by_client",
            "spam/sender_login_mismatch",
        ],
    ),
    // Without spray, bad_login, imap_brute, spoof, bad_helo, listed.
    (
        "without_b",
        &[
            "access/spray_distributed",
            "spam/helo_anomaly",
            "spam/internal_spoof",
        ],
    ),
];

#[test]
fn detections_are_silent_in_a_month_without_their_scenarios() {
    const FOLDER: &str = "tests/lab/months";
    with_stack(|| {
        let (library, months) = (Library::builtin().unwrap(), logs(FOLDER));
        let queries = detections(&library);
        let columns = side_by_side(&months, |month| {
            let engine = engine(&[log(FOLDER, month)], chrono_tz::UTC);
            let run = |query: &&Query| engine.run(query, &Overrides::new()).unwrap();
            queries
                .iter()
                .map(|query| count(&run(query)))
                .collect::<Vec<Count>>()
        });
        let table = table(&queries, &months, |column, row| {
            shown(&columns[column][row])
        });
        hold(&table, "tests/lab/months.tsv");
        for (silent, names) in SILENT {
            for name in *names {
                let row = queries.iter().position(|query| query.name == *name);
                let row = row.unwrap();
                let found = |here: bool| -> usize {
                    let columns = months.iter().zip(&columns);
                    let columns = columns.filter(|(month, _)| (*month == silent) == here);
                    columns.flat_map(|(_, counts)| counts[row].findings).sum()
                };
                assert_eq!(found(true), 0, "{name} in {silent}");
                assert!(found(false) > 0, "{name} fires in no month");
            }
        }
    });
}
