//! One run of the lab in three layouts of rsyslog gives the same rows, times aside.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use mtaudit::query::Engine;
use mtaudit::tables::schema::{TABLES, Type};

use crate::support::{Row, engine, number, rows, text, unpacked};

/// Durations between two lines: the traditional layout has whole seconds.
const DURATIONS: [&str; 1] = ["seconds"];

/// The first lines of a capture.
fn head(name: &str, lines: usize, dir: &Path) -> Option<Engine> {
    let whole = unpacked(&format!("lab/captures/postfix/{name}.xz"), dir)?;
    let bytes = std::fs::read(&whole).unwrap();
    let cut: Vec<u8> = bytes
        .split_inclusive(|b| *b == b'\n')
        .take(lines)
        .flatten()
        .copied()
        .collect();
    let own = dir.join(format!("{lines}.{name}"));
    std::fs::write(&own, cut).unwrap();
    Some(engine(&[own], chrono_tz::UTC))
}

/// Rows of every table but `sources`, without times, durations and the columns given.
fn all(engine: &Engine, without: &[&str]) -> BTreeMap<&'static str, Vec<Row>> {
    let mut tables = BTreeMap::new();
    for table in TABLES.iter().filter(|table| table.name != "sources") {
        let columns = table.columns.iter().filter(|column| {
            let time = matches!(column.kind, Type::Time | Type::Date)
                || ["hour_of_day", "weekday", "minute"].contains(&column.name);
            !time && !DURATIONS.contains(&column.name) && !without.contains(&column.name)
        });
        let columns: Vec<String> = columns.map(|c| format!("\"{}\"", c.name)).collect();
        let sql = format!("SELECT {} FROM {}", columns.join(", "), table.name);
        let mut rows = rows(engine, &sql);
        rows.sort_by_cached_key(|row| serde_json::to_string(row).unwrap());
        tables.insert(table.name, rows);
    }
    tables
}

/// `keep` says which rows of which table are compared.
fn compare(one: &Engine, other: &Engine, without: &[&str], keep: &dyn Fn(&str, &Row) -> bool) {
    let rows_of = |engine: &Engine| {
        let mut tables = all(engine, without);
        for (name, rows) in &mut tables {
            rows.retain(|row| keep(name, row));
        }
        tables
    };
    let (one, other) = (rows_of(one), rows_of(other));
    let mut different = 0;
    for (table, rows) in &one {
        let others = &other[table];
        let missing: Vec<&Row> = rows.iter().filter(|row| !others.contains(row)).collect();
        let surplus: Vec<&Row> = others.iter().filter(|row| !rows.contains(row)).collect();
        println!(
            "{table}: {} rows, {} missing, {} surplus",
            rows.len(),
            missing.len(),
            surplus.len()
        );
        for row in missing.iter().take(3) {
            println!("  - {}", serde_json::to_string(row).unwrap());
        }
        for row in surplus.iter().take(3) {
            println!("  + {}", serde_json::to_string(row).unwrap());
        }
        different += missing.len() + surplus.len() + rows.len().abs_diff(others.len());
    }
    assert_eq!(different, 0);
}

#[test]
fn traditional_and_iso_times() {
    let dir = tempfile::tempdir().unwrap();
    let heads = ["mail.log", "mail.iso.log"].map(|name| head(name, 10_000, dir.path()));
    if let [Some(traditional), Some(iso)] = &heads {
        compare(traditional, iso, &[], &|_, _| true);
    }
}

#[test]
fn rfc_5424() {
    let dir = tempfile::tempdir().unwrap();
    let heads = ["mail.iso.log", "mail.5424.log"].map(|name| head(name, 3000, dir.path()));
    if let [Some(iso), Some(rfc5424)] = &heads {
        // rsyslog cuts the tag at its slash: `postfix/smtp` is `postfix`, and who spoke is not in the line.
        // A session more (see below) moves the numbers of those that follow.
        let unknown = ["service", "transport", "program", "session"];
        let failed = handshakes_failed(&dir.path().join("3000.mail.iso.log"));
        compare(iso, rfc5424, &unknown, &|table, row| match table {
            // A `DISCONNECT` could be postscreen's and is taken for it, so half of tlsproxy's lines are events.
            "ignored_lines" => text(row, "why") != "tlsproxy session",
            // tlsproxy's comes before postscreen's `HANGUP` when the handshake fails, and ends the session too early.
            "sessions" => {
                !failed.contains(&(text(row, "client_ip").into(), number(row, "client_port")))
            }
            _ => true,
        });
        assert!((1..=2).contains(&failed.len()), "{failed:?}");
    }
}

/// Clients, with port, whose TLS handshake with tlsproxy failed.
fn handshakes_failed(log: &Path) -> HashSet<(String, i64)> {
    let bytes = std::fs::read(log).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let peers = text.lines().filter_map(|line| {
        line.split_once("TLS handshake failed for service=smtpd peer=[")?
            .1
            .split_once("]:")
    });
    peers
        .map(|(ip, port)| (ip.to_owned(), port.trim().parse().unwrap()))
        .collect()
}
