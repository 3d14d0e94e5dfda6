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
