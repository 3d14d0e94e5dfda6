//! Sources that cannot be read, or not to their end.

use std::fs;
use std::io::Write;
use std::path::Path;

use tempfile::tempdir;

use super::{log, sample};
use crate::support::{Row, code, equation, mtaudit, number, said, sources, sql, text};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The one source of this file, and the exit code.
fn only(dir: &Path, name: &str, bytes: &[u8]) -> (Row, i32) {
    fs::write(dir.join(name), bytes).unwrap();
    let (mut rows, code) = sources(dir, &[name]);
    assert_eq!(rows.len(), 1);
    (rows.remove(0), code)
}

/// What came before the damage was used, and what comes after it if there is more; the place is stated.
fn used_until(row: &Row, at: std::ops::RangeInclusive<i64>) {
    let problem = text(row, "problem");
    let stated = problem
        .strip_prefix("damaged at byte ")
        .and_then(|rest| rest.split(' ').next());
    let stated: i64 = stated
        .unwrap_or_else(|| panic!("{problem}"))
        .parse()
        .unwrap();
    assert!(at.contains(&stated), "{problem}");
    assert!(
        number(row, "events") > 0 && number(row, "decoded_bytes") > 0,
        "{row:?}"
    );
    let decoded = number(row, "decoded_bytes");
    let before = format!("{decoded} bytes decoded before");
    let all = format!("All {decoded} bytes that could be decoded were used");
    assert!(
        problem.contains(&before) || problem.contains(&all),
        "{problem}"
    );
    assert_eq!(text(row, "sha256").len(), 64);
}

#[test]
fn a_truncated_gzip() {
    let dir = tempdir().unwrap();
    let packed = gzip(log(2000).as_bytes());
    let end = packed.len() / 2;
    let (row, code) = only(dir.path(), "mail.log.gz", &packed[..end]);
    assert_eq!(code, 3);
    used_until(&row, end as i64..=end as i64);
}

#[test]
fn a_corrupt_gzip_keeps_the_member_before() {
    let dir = tempdir().unwrap();
    let first = gzip(log(500).as_bytes());
    let mut packed = [first.clone(), gzip(log(700).as_bytes())].concat();
    let middle = first.len() + 400;
    packed[middle..middle + 200].fill(0xff);
    let (row, code) = only(dir.path(), "mail.log.gz", &packed);
    assert_eq!(code, 3);
    assert!(number(&row, "events") >= 500);
    used_until(&row, first.len() as i64..=packed.len() as i64);
}

#[test]
fn a_gzip_whose_sum_is_wrong() {
    let dir = tempdir().unwrap();
    let mut packed = gzip(log(300).as_bytes());
    let crc = packed.len() - 8;
    packed[crc] ^= 1;
    let (row, code) = only(dir.path(), "mail.log.gz", &packed);
    assert_eq!((code, number(&row, "events")), (3, 300));
    assert!(text(&row, "problem").starts_with("damaged at byte "));
}

#[test]
fn a_truncated_and_a_corrupt_zstd() {
    let dir = tempdir().unwrap();
    let frame = |lines| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(log(lines).as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let (first, second) = (frame(500), frame(900));
    let both = [first.clone(), second].concat();
    let end = first.len() + 300;
    let (row, code) = only(dir.path(), "cut.zst", &both[..end]);
    assert_eq!(code, 3);
    used_until(&row, end as i64..=end as i64);
    let mut corrupt = both.clone();
    corrupt[end..end + 64].fill(0);
    let (row, code) = only(dir.path(), "corrupt.zst", &corrupt);
    assert_eq!(code, 3);
    used_until(&row, first.len() as i64..=both.len() as i64);
}

#[test]
fn foreign_files_in_the_folder_are_named_and_not_fatal() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("mail.log"), log(20)).unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    for name in ["core", "dpkg.log"] {
        fs::write(dir.path().join(name), sample(&format!("damaged/{name}"))).unwrap();
    }
    let (rows, code) = sources(dir.path(), &["."]);
    assert_eq!(code, 0);
    let problem = |name: &str| {
        let row = rows
            .iter()
            .find(|row| text(row, "path").ends_with(name))
            .unwrap();
        (text(row, "problem").to_owned(), number(row, "events"))
    };
    assert_eq!(problem("mail.log"), (String::new(), 20));
    assert_eq!(problem("empty"), ("empty".into(), 0));
    assert_eq!(problem("core"), ("not text".into(), 0));
    assert_eq!(
        problem("dpkg.log"),
        ("no line of a known mail server".into(), 0)
    );
}

#[test]
fn what_cannot_be_opened_is_incomplete() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("logs")).unwrap();
    fs::write(dir.path().join("logs/mail.log"), log(20)).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", dir.path().join("logs/mail.log.1")).unwrap();
    for paths in [&["logs/mail.log", "absent.log"][..], &["logs"]] {
        if paths == ["logs"] && cfg!(not(unix)) {
            continue;
        }
        let (rows, code) = sources(dir.path(), paths);
        assert_eq!(code, 3, "{paths:?}");
        let unread: Vec<&Row> = rows
            .iter()
            .filter(|row| !row["problem"].is_null())
            .collect();
        assert_eq!(unread.len(), 1);
        let problem = text(unread[0], "problem");
        assert!(
            problem.starts_with("cannot be read: No such file"),
            "{problem}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_file_without_permission_is_incomplete() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("mail.log"), log(20)).unwrap();
    let closed = dir.path().join("mail.log.1");
    fs::write(&closed, log(30)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&closed).is_ok() {
        return; // Nothing is closed to root.
    }
    let (rows, code) = sources(dir.path(), &["."]);
    assert_eq!((rows.len(), code), (2, 3));
}

#[test]
fn the_same_content_counts_once() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("mail.log.1"), log(50)).unwrap();
    fs::write(dir.path().join("mail.log.1.gz"), gzip(log(50).as_bytes())).unwrap();
    let (rows, code) = sources(dir.path(), &["."]);
    assert_eq!(code, 0);
    assert_eq!(
        rows.iter().map(|row| number(row, "events")).sum::<i64>(),
        50
    );
    assert_eq!(number(&rows[1], "duplicate_of"), 0);
}

#[test]
fn a_damaged_source_stands_in_the_report() {
    let dir = tempdir().unwrap();
    let packed = gzip(log(2000).as_bytes());
    fs::write(dir.path().join("mail.log.gz"), &packed[..packed.len() / 2]).unwrap();
    let output = mtaudit(
        dir.path(),
        &["report", "audit", "--out", "out", "mail.log.gz"],
    );
    assert_eq!(code(&output), 3, "{}", said(&output));
    let expected = format!("damaged at byte {}", packed.len() / 2);
    for name in ["report.html", "report.md", "report.json"] {
        let report = fs::read_to_string(dir.path().join("out").join(name)).unwrap();
        assert!(report.contains(&expected), "{name}");
    }
    let manifest = fs::read_to_string(dir.path().join("out/manifest.json")).unwrap();
    assert!(manifest.contains("\"complete\": false"));
}

#[test]
fn the_samples_damage() {
    let (rows, code) = sql(
        &crate::support::repo(""),
        "SELECT * FROM sources WHERE problem LIKE 'damaged%' ORDER BY path",
        &["sample-logs/damaged"],
    );
    assert_eq!((rows.len(), code), (2, 3));
    for row in &rows {
        equation(row);
        used_until(row, 1..=number(row, "bytes"));
    }
}
