//! What is lost at a beginning or at a border costs that and no more: archives one after the other, archives and journals
//! whose first bytes are damaged, headers in a tar whose sum is wrong.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use tempfile::TempDir;

use super::archives::run;
use super::month::{days, lines};
use super::support::{Row, number, sources, text};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Frames of so many bytes each, the first with its block damaged.
fn first_damaged(bytes: &[u8], step: usize) -> Vec<u8> {
    let pack = |piece: &[u8]| zstd::stream::encode_all(piece, 3).unwrap();
    let mut frames: Vec<Vec<u8>> = bytes.chunks(step).map(pack).collect();
    // A block of a kind that there is not.
    frames[0][6..9].fill(0xff);
    frames.concat()
}

/// Events of the member of this name, or of the file that is none.
fn events(rows: &[Row], member: &str) -> i64 {
    let row = rows.iter().find(|row| text(row, "member") == member);
    number(
        row.unwrap_or_else(|| panic!("{member} in {rows:?}")),
        "events",
    )
}

fn problem(rows: &[Row]) -> &str {
    let outer = rows.iter().find(|row| row["member"].is_null());
    text(outer.unwrap(), "problem")
}

/// `a`, `b` and the packed `c.gz`, the sample's logs of three days; and what each holds.
fn three(dir: &Path) -> [i64; 3] {
    let days = days("mx1");
    let names = ["a", "b", "c.gz"];
    for (name, day) in names.iter().zip([&days[6], &days[2], &days[4]]) {
        let day = if *name == "c.gz" {
            gzip(day)
        } else {
            day.clone()
        };
        fs::write(dir.join(name), day).unwrap();
    }
    names.map(|name| events(&sources(dir, &[name]).0, ""))
}

#[test]
fn zips_in_a_row_are_all_read() {
    let dir = TempDir::new().unwrap();
    let known = three(dir.path());
    if !run(
        dir.path(),
        "zip -q one.zip a && echo a word | zip -q -z two.zip b && zip -q three.zip c.gz",
    ) {
        return;
    }
    let zip = |name: &str| fs::read(dir.path().join(name)).unwrap();
    let row = [
        zip("one.zip"),
        zip("two.zip"),
        vec![0; 700],
        zip("three.zip"),
    ]
    .concat();
    fs::write(dir.path().join("row"), &row).unwrap();
    let (rows, exit) = sources(dir.path(), &["row"]);
    assert_eq!(exit, 0, "{}", problem(&rows));
    assert_eq!(["a", "b", "c.gz"].map(|name| events(&rows, name)), known);
    // What is no zip is not passed over in silence.
    let day = fs::read(dir.path().join("b")).unwrap();
    fs::write(dir.path().join("more"), [zip("one.zip"), day].concat()).unwrap();
    let (rows, exit) = sources(dir.path(), &["more"]);
    assert_eq!((events(&rows, "a"), exit), (known[0], 3));
    assert!(
        problem(&rows).contains("other data after the end of the archive"),
        "{}",
        problem(&rows)
    );
}

#[test]
fn an_archive_whose_beginning_is_damaged_is_still_one() {
    let dir = TempDir::new().unwrap();
    let known = three(dir.path());
    if !run(dir.path(), "tar cf all.tar a b c.gz") {
        return;
    }
    let tar = fs::read(dir.path().join("all.tar")).unwrap();
    fs::write(dir.path().join("packed"), first_damaged(&tar, 100_000)).unwrap();
    let (rows, exit) = sources(dir.path(), &["packed"]);
    assert_eq!(exit, 3);
    assert_eq!(
        (events(&rows, "b"), events(&rows, "c.gz")),
        (known[1], known[2])
    );
    assert!(
        problem(&rows).contains("reading went on at byte "),
        "{}",
        problem(&rows)
    );
}

#[test]
fn a_header_of_a_tar_with_a_wrong_sum_costs_no_lines() {
    let dir = TempDir::new().unwrap();
    let known = three(dir.path());
    if !run(dir.path(), "tar cf all.tar c.gz a b") {
        return;
    }
    let tar = fs::read(dir.path().join("all.tar")).unwrap();
    let second = 512
        + fs::metadata(dir.path().join("c.gz"))
            .unwrap()
            .len()
            .div_ceil(512)
            * 512;
    for at in [50, second as usize + 50, second as usize + 130] {
        let mut damaged = tar.clone();
        damaged[at] ^= 1;
        fs::write(dir.path().join("damaged"), damaged).unwrap();
        let (rows, exit) = sources(dir.path(), &["damaged"]);
        assert_eq!(exit, 3);
        let all: i64 = rows.iter().map(|row| number(row, "events")).sum();
        assert_eq!(all, known.iter().sum::<i64>(), "byte {at}: {rows:?}");
        let told = rows.iter().filter(|row| !row["problem"].is_null());
        assert_eq!(told.count(), 1, "byte {at}: {rows:?}");
        assert!(
            problem(&rows).contains("a header with a wrong sum"),
            "{}",
            problem(&rows)
        );
    }
}

/// A record for each of these lines.
fn journal(day: &[u8]) -> String {
    let record = |line: &[u8]| {
        let line = String::from_utf8_lossy(line).into_owned();
        let (time, rest) = line.trim_end().split_once(' ').unwrap();
        let (host, rest) = rest.split_once(' ').unwrap();
        let (program, message) = rest.split_once(": ").unwrap();
        let at = chrono::DateTime::parse_from_rfc3339(time)
            .unwrap()
            .timestamp_micros();
        let record = serde_json::json!({
            "__REALTIME_TIMESTAMP": at.to_string(), "_HOSTNAME": host, "MESSAGE": message,
            "SYSLOG_IDENTIFIER": program.split('[').next(), "_PID": "7",
        });
        format!("{record}\n")
    };
    lines(day).into_iter().map(record).collect()
}

#[test]
fn a_journal_that_has_lost_its_beginning_is_still_one() {
    let dir = TempDir::new().unwrap();
    let all = journal(&days("mx1")[4]);
    let whole = |text: &str| {
        fs::write(dir.path().join("whole"), text).unwrap();
        events(&sources(dir.path(), &["whole"]).0, "")
    };
    let step = 100_000;
    // The record that the loss cuts is no good, like the first line of any log.
    let left = &all[step..][all[step..].find('\n').unwrap() + 1..];
    fs::write(
        dir.path().join("packed"),
        first_damaged(all.as_bytes(), step),
    )
    .unwrap();
    let (rows, exit) = sources(dir.path(), &["packed"]);
    assert_eq!((events(&rows, ""), exit), (whole(left), 3));
    fs::write(dir.path().join("cut"), &all[20..]).unwrap();
    let (rows, _) = sources(dir.path(), &["cut"]);
    assert_eq!(
        events(&rows, ""),
        whole(&all[all.find('\n').unwrap() + 1..])
    );
    assert_eq!(number(&rows[0], "unrecognised"), 1);
}
