//! One run of the lab in three layouts of rsyslog gives the same rows, times aside.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;

use mtaudit::query::Engine;
use mtaudit::tables::schema::{TABLES, Type};

use crate::support::{Row, engine, rows, unpacked};

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

fn compare(one: &Engine, other: &Engine, without: &[&str]) {
    let (one, other) = (all(one, without), all(other, without));
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
        compare(traditional, iso, &[]);
    }
}

#[test]
fn rfc_5424() {
    let dir = tempfile::tempdir().unwrap();
    let heads = ["mail.iso.log", "mail.5424.log"].map(|name| head(name, 3000, dir.path()));
    if let [Some(iso), Some(rfc5424)] = &heads {
        // rsyslog cuts the tag at its slash: `postfix/smtp` is `postfix`, and who spoke is not in the line.
        compare(iso, rfc5424, &["service", "transport", "program"]);
    }
}
