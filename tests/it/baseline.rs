//! A period against the one before: on an equal mix of weekdays, and only where the logs hold both.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::{code, mtaudit, said};

/// Messages of a day of the week: few on Saturday and Sunday.
const WEEK: [u32; 7] = [20, 22, 21, 20, 19, 6, 5];

/// August and September 2026, each day from its first to its last minute; in September `extra` per cent more, and three
/// recipients that fail each working day instead of one.
fn log(extra: u32) -> String {
    let mut log = String::new();
    let mut id = 0u32;
    for (month, days) in [(8, 31), (9, 30)] {
        for day in 1..=days {
            // 1 August 2026 is a Saturday.
            let since = if month == 8 { day - 1 } else { 31 + day - 1 };
            let weekday = (5 + since) % 7;
            let usual = WEEK[weekday as usize];
            let more = if month == 9 { usual * extra / 100 } else { 0 };
            let failing = if weekday < 5 {
                if month == 9 && extra > 0 { 3 } else { 1 }
            } else {
                0
            };
            for n in 0..usual + more {
                id += 1;
                let (hour, minute) = (n * 23 / (usual + more).max(1), n % 60);
                let at = format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}");
                let queue = format!("4A{id:07X}");
                // Writing into a `String` does not fail.
                writeln!(log, "{at}:00+00:00 mx1 postfix/smtpd[201]: {queue}: client=mail.example.net[192.0.2.20]").unwrap();
                writeln!(log, "{at}:00+00:00 mx1 postfix/qmgr[203]: {queue}: from=<a@example.net>, size=1000, nrcpt=1 (queue active)").unwrap();
                let (status, dsn, reply) = if n < failing {
                    (
                        "bounced",
                        "5.1.1",
                        "host mx.example.org[198.51.100.1] said: 550 5.1.1 User unknown",
                    )
                } else {
                    ("sent", "2.0.0", "250 2.0.0 Ok")
                };
                writeln!(log, "{at}:01+00:00 mx1 postfix/smtp[204]: {queue}: to=<b@example.org>, relay=mx.example.org[198.51.100.1]:25, delay=1, delays=0.1/0/0.4/0.5, dsn={dsn}, status={status} ({reply})").unwrap();
                writeln!(log, "{at}:02+00:00 mx1 postfix/qmgr[203]: {queue}: removed").unwrap();
            }
            writeln!(log, "2026-{month:02}-{day:02}T23:50:00+00:00 mx1 postfix/anvil[99]: statistics: max cache size 1 at Aug  1 00:00:00").unwrap();
        }
    }
    log
}

fn report(dir: &Path, args: &[&str]) -> Value {
    let mut all = vec!["report", "capacity", "-q"];
    all.extend(args);
    all.push("mail.log");
    let output = mtaudit(dir, &all);
    assert!([0, 3].contains(&code(&output)), "{}", said(&output));
    serde_json::from_slice(&fs::read(dir.join("report/report.json")).unwrap()).unwrap()
}

fn compared(report: &Value) -> &Value {
    let sections = report["sections"].as_array().unwrap().iter();
    let mut results = sections.flat_map(|section| section["results"].as_array().unwrap());
    results
        .find(|result| result["name"] == "capacity/period_compare")
        .unwrap()
}

/// A cell of the row of a measure.
fn cell<'a>(result: &'a Value, measure: &str, column: &str) -> &'a Value {
    let columns = result["columns"].as_array().unwrap();
    let at = columns
        .iter()
        .position(|one| one["name"] == column)
        .unwrap();
    let rows = result["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row[0]["value"] == measure).unwrap();
    &row[at]["value"]
}

#[test]
fn an_equal_month_has_no_change_whatever_its_weekdays() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mail.log"), log(0)).unwrap();
    let report = report(dir.path(), &["--month", "2026-09"]);
    assert_eq!(report["period"]["baseline"], "2026-08");
    let result = compared(&report);
    assert_eq!(cell(result, "messages accepted", "change"), 0.0);
    assert_eq!(cell(result, "messages accepted", "more_than_noise"), false);
    assert_eq!(cell(result, "messages accepted", "days_now"), 30);
    assert_eq!(cell(result, "messages accepted", "days_before"), 31);
    // September has more working days than August: the plain means a day differ.
    let tile = &report["tiles"][0];
    assert_eq!(tile["change"], "0 % a day, within the noise");
}

#[test]
fn growth_is_told_with_its_chance_and_trouble_is_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mail.log"), log(50)).unwrap();
    let report = report(dir.path(), &["--month", "2026-09"]);
    let result = compared(&report);
    let change = cell(result, "messages accepted", "change")
        .as_f64()
        .unwrap();
    assert!((0.4..0.55).contains(&change), "{change}");
    assert_eq!(cell(result, "messages accepted", "more_than_noise"), true);
    assert_eq!(cell(result, "recipients failed", "change"), 2.0);
    let said: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["query"] == "capacity/period_compare")
        .map(|finding| finding["sentence"].as_str().unwrap())
        .collect();
    assert!(
        said.iter()
            .any(|text| text.contains(" messages accepted a day, against ")),
        "{said:?}"
    );
}

#[test]
fn what_the_logs_do_not_hold_is_not_compared() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mail.log"), log(0)).unwrap();
    for args in [
        &["--month", "2026-08"][..],
        &[],
        &["--month", "2026-09", "--baseline", "none"],
    ] {
        let report = report(dir.path(), args);
        assert_eq!(report["period"]["baseline"], Value::Null, "{args:?}");
        let why = compared(&report)["not_assessable"].as_str().unwrap();
        assert!(why.contains("do not hold the period before"), "{why}");
        assert_eq!(report["tiles"][0]["change"], Value::Null);
    }
}

#[test]
fn a_baseline_of_ones_own_choice() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mail.log"), log(0)).unwrap();
    let args = [
        "--since",
        "2026-09-14",
        "--until",
        "2026-09-28",
        "--baseline",
        "2026-08-03..2026-08-17",
    ];
    let found = report(dir.path(), &args);
    assert_eq!(found["period"]["baseline"], "2026-08-03..2026-08-17");
    assert_eq!(
        cell(compared(&found), "messages accepted", "days_before"),
        14
    );
    for (args, said_of) in [
        (
            &["--baseline", "2026-08"][..],
            "give --month or --since too",
        ),
        (
            &["--month", "2026-08", "--baseline", "2026-09"],
            "it does not end before the period begins",
        ),
        (
            &["--month", "2026-09", "--baseline", "August"],
            "--baseline August: no such month",
        ),
    ] {
        let mut all = vec!["report", "capacity", "-q"];
        all.extend(args);
        all.push("mail.log");
        let output = mtaudit(dir.path(), &all);
        assert_eq!(code(&output), 2);
        assert!(said(&output).contains(said_of), "{}", said(&output));
    }
}
