//! Lines that are not as lines should be.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::{good, log};
use crate::support::{Row, number, sources, sql, text};

fn read(dir: &Path, bytes: &[u8]) -> (Row, i32) {
    fs::write(dir.join("mail.log"), bytes).unwrap();
    let (mut rows, code) = sources(dir, &["mail.log"]);
    (rows.remove(0), code)
}

/// (lines, events, ignored, unrecognised, undecodable)
fn counts(row: &Row) -> [i64; 5] {
    ["lines", "events", "ignored", "unrecognised", "undecodable"].map(|name| number(row, name))
}

#[test]
fn line_ends_of_other_systems_and_none() {
    let dir = tempdir().unwrap();
    let crlf = log(3).replace('\n', "\r\n");
    let (row, code) = read(dir.path(), crlf.as_bytes());
    assert_eq!((counts(&row), code), ([3, 3, 0, 0, 0], 0));
    let statement = "SELECT reply FROM attempts";
    let (rows, _) = sql(dir.path(), statement, &["mail.log"]);
    assert!(
        rows.iter().all(|row| text(row, "reply") == "250 2.0.0 Ok"),
        "{rows:?}"
    );
    let (row, code) = read(dir.path(), log(3).trim_end().as_bytes());
    assert_eq!((counts(&row), code), ([3, 3, 0, 0, 0], 0));
    let (row, _) = read(dir.path(), format!("\n\n{}\r\n \n", good(1)).as_bytes());
    assert_eq!(counts(&row), [5, 1, 4, 0, 0]);
}

#[test]
fn nuls_before_and_in_lines() {
    let dir = tempdir().unwrap();
    let padded = format!("{}{}{}", good(1), "\0".repeat(5000), good(2));
    let (row, code) = read(dir.path(), padded.as_bytes());
    assert_eq!((counts(&row), code), ([2, 2, 0, 0, 0], 0));
    let inside = format!("{}{}", good(1), good(2).replace("user2", "us\0er2"));
    let (row, _) = read(dir.path(), inside.as_bytes());
    assert_eq!(counts(&row)[..2], [2, 2]);
    let noise = format!("{}{}\n{}", good(1), "\u{1}".repeat(300), good(2));
    let (row, code) = read(dir.path(), noise.as_bytes());
    assert_eq!((counts(&row), code), ([3, 2, 0, 0, 1], 3));
}

#[test]
fn bytes_that_are_no_utf_8() {
    let dir = tempdir().unwrap();
    let mut bytes = good(1).into_bytes();
    let at = bytes.windows(5).position(|w| w == b"user1").unwrap();
    bytes[at] = 0xe9;
    bytes.extend_from_slice(b"\xff\xfe\xfd\xfc\n");
    let (row, code) = read(dir.path(), &bytes);
    assert_eq!((counts(&row), code), ([2, 1, 0, 1, 0], 0));
    let (rows, _) = sql(dir.path(), "SELECT recipient FROM attempts", &["mail.log"]);
    assert_eq!(text(&rows[0], "recipient"), "\u{fffd}ser1@example.com");
}

#[test]
fn a_line_of_a_hundred_megabytes() {
    let dir = tempdir().unwrap();
    let long = "x".repeat(100 << 20);
    for start in ["", good(2).trim_end()] {
        let bytes = format!("{}{start}{long}\n{}", good(1), good(3));
        let (row, code) = read(dir.path(), bytes.as_bytes());
        assert_eq!((counts(&row), code), ([3, 2, 0, 0, 1], 3));
    }
    // A line that never ends.
    let (row, code) = read(dir.path(), format!("{}{long}", good(1)).as_bytes());
    assert_eq!((counts(&row), code), ([2, 1, 0, 0, 1], 3));
}

#[test]
fn dates_that_do_not_exist() {
    let dir = tempdir().unwrap();
    let words = "postfix/smtpd[1]: connect from mx.example.com[192.0.2.1]";
    let stamps = [
        "Feb 30 10:00:00",
        "Nov 31 10:00:00",
        "Xyz 12 10:00:00",
        "Nov 23 25:61:61",
        "Nov  0 10:00:00",
        "2026-13-45T25:61:61.0+00:00",
        "2026-02-29T10:00:00+00:00",
        "2026-11-23T10:00:00+99:99",
        "0000-00-00T00:00:00Z",
        "99999-01-01T00:00:00Z",
        "2026-11-23T10:00:00.99999999999999999999Z",
    ];
    let lines: String = stamps
        .iter()
        .map(|stamp| format!("{stamp} mx1 {words}\n"))
        .collect();
    let (row, code) = read(
        dir.path(),
        format!("{}{lines}{}", good(1), good(2)).as_bytes(),
    );
    assert_eq!(
        (number(&row, "lines"), number(&row, "undecodable"), code),
        (13, 0, 0)
    );
    assert!(
        number(&row, "events") >= 2 && number(&row, "unrecognised") >= 7,
        "{row:?}"
    );
    let (years, _) = sql(dir.path(), "SELECT ts FROM attempts", &["mail.log"]);
    assert!(
        years
            .iter()
            .all(|row| text(row, "ts").starts_with("2026-11-23")),
        "{years:?}"
    );
}

#[test]
fn a_leap_day_without_a_year() {
    let dir = tempdir().unwrap();
    let line = "Feb 29 10:00:00 mx1 postfix/smtpd[1]: connect from mx.example.com[192.0.2.1]\n";
    // In 2026 there is none: the line is counted and has no time, or the year before that has one.
    let (row, code) = read(dir.path(), line.as_bytes());
    assert_eq!((number(&row, "lines"), code), (1, 0));
}
