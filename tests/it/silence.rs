//! Silence, and the files of a host in their order, where other logs of the host lie beside.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use super::month::{days, lines};
use super::support::{Row, engine, mtaudit, number, text};

const MISSING: usize = 9;

fn gaps(dir: &Path) -> Vec<Row> {
    let args = [
        "query", "gaps", "-q", "--format", "json", "--year", "2026", "logs",
    ];
    serde_json::from_slice(&mtaudit(dir, &args).stdout).unwrap()
}

/// The lines of a day that syslog writes to `mail.warn` as well.
fn warnings(day: &[u8]) -> Vec<u8> {
    let of = |line: &&[u8]| String::from_utf8_lossy(line).contains("]: warning:");
    lines(day)
        .into_iter()
        .filter(of)
        .collect::<Vec<_>>()
        .concat()
}

/// The day, with a warning behind every tenth line.
fn with_warnings(day: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, line) in lines(day).into_iter().enumerate() {
        out.extend(line);
        if number % 10 == 5 && line.ends_with(b"\n") {
            let end = memchr::memmem::find(line, b" postfix").unwrap_or(0);
            let text = " postfix/smtpd[9]: warning: hostname x.example does not resolve to address 192.0.2.9\n";
            out.extend([&line[..end], text.as_bytes()].concat());
        }
    }
    out
}

#[test]
fn an_extract_hides_no_missing_day() {
    let all: Vec<Vec<u8>> = days("mx1").iter().map(|day| with_warnings(day)).collect();
    let middle = lines(&all[MISSING])[lines(&all[MISSING]).len() / 2];
    let day = String::from_utf8_lossy(&middle[..10]).into_owned();
    // As one file that goes on, and rotated by days: then the missing day's is in no other file.
    for rotated in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        fs::create_dir_all(&logs).unwrap();
        let mut whole = Vec::new();
        for (number, content) in all.iter().enumerate().rev() {
            if number != MISSING {
                fs::write(logs.join(format!("mail.log.{number}")), content).unwrap();
            }
            let warned = warnings(content);
            if rotated && !warned.is_empty() {
                fs::write(logs.join(format!("mail.warn.{number}")), &warned).unwrap();
            }
            whole.extend(warned);
        }
        if !rotated {
            fs::write(logs.join("mail.warn"), &whole).unwrap();
        }
        let aside = lines(&warnings(&all[MISSING])).len();
        assert!(aside > 3, "{aside}");
        let found = gaps(dir.path());
        let spans = |row: &&Row| {
            let at = |name: &str| text(row, name).get(..10).unwrap_or_default().to_owned();
            at("silent_from") < day && at("silent_until") > day
        };
        let gap = found.iter().find(spans);
        let gap = gap.unwrap_or_else(|| panic!("{rotated} {day}: {found:#?}"));
        assert_eq!(gap["day_missing"], true, "{gap:#?}");
        assert_eq!(number(gap, "aside") as usize, aside);
    }
}

/// Where nothing else is there, an extract is the log.
#[test]
fn an_extract_alone_is_judged_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir_all(&logs).unwrap();
    let all: Vec<u8> = days("mx1")
        .iter()
        .rev()
        .flat_map(|day| warnings(day))
        .collect();
    fs::write(logs.join("mail.warn"), &all).unwrap();
    assert_eq!(text(&gaps(dir.path())[0], "host"), "mx1");
    let engine = engine(&[logs], chrono_tz::UTC);
    let rows = super::support::rows(&engine, "SELECT extract FROM sources");
    assert_eq!(rows[0]["extract"], true);
}

/// Lines of a host from this second of a day on, so many seconds apart.
fn ticking(day: &str, from: u32, step: u32, lines: u32) -> String {
    let line = |n: u32| {
        let at = from + n * step;
        let (hour, minute, second) = (at / 3600, at / 60 % 60, at % 60);
        format!(
            "{day}T{hour:02}:{minute:02}:{second:02}+00:00 mx1 postfix/qmgr[{n}]: 4A1{n:06X}: removed\n"
        )
    };
    (0..lines).map(line).collect()
}

fn clocks(dir: &Path) -> Vec<Row> {
    let args = ["query", "clock", "-q", "--format", "json", "logs"];
    serde_json::from_slice(&mtaudit(dir, &args).stdout).unwrap()
}

#[test]
fn a_clock_that_is_set_between_two_files_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir_all(&logs).unwrap();
    // Back by an hour at one border; ahead by a day at the next one, and back in the middle of the last file.
    fs::write(
        logs.join("mail.log.2"),
        ticking("2026-10-05", 36_000, 30, 240),
    )
    .unwrap();
    fs::write(
        logs.join("mail.log.1"),
        ticking("2026-10-05", 39_600, 30, 240),
    )
    .unwrap();
    let ahead = ticking("2026-10-06", 46_830, 400, 20) + &ticking("2026-10-05", 54_900, 30, 100);
    fs::write(logs.join("mail.log"), ahead).unwrap();
    let found = clocks(dir.path());
    let told: Vec<(&str, &str, i64)> = found
        .iter()
        .map(|row| {
            (
                text(row, "kind"),
                text(row, "path"),
                row["seconds"].as_f64().unwrap() as i64,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("ahead and back", "logs/mail.log", 85_930),
            ("back", "logs/mail.log.1", 3570),
        ]
    );
    assert_eq!(text(&found[0], "ahead_from"), "2026-10-05T12:59:30+00:00");
}

#[test]
fn a_wrong_clock_does_not_stretch_the_period() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir_all(&logs).unwrap();
    let log = ticking("2026-10-05", 36_000, 30, 240)
        + &ticking("2038-01-19", 11_000, 70, 4)
        + &ticking("2026-10-05", 43_500, 30, 240);
    fs::write(logs.join("mail.log"), log).unwrap();
    let args = ["report", "audit", "--out", "out", "logs"];
    mtaudit(dir.path(), &args);
    let page = fs::read_to_string(dir.path().join("out/report.md")).unwrap();
    let told = "from 2026-10-05 10:00:00 +00:00 to 2026-10-05 14:04:30 +00:00 (without lines of a clock that was wrong for a time)";
    assert!(page.contains(told), "{page}");
    let found = clocks(dir.path());
    assert_eq!(text(&found[0], "kind"), "ahead and back");
}
