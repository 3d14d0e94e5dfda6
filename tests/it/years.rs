//! The year of logs that do not name it, and sources that overlap: as they lie in archives.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use mtaudit::commands::load::{Loaded, Options, load};
use mtaudit::tables::build::SourceRow;

use crate::support::repo;
use crate::windows;

/// Windows of a few lines give the same rows.
fn in_windows(dir: &Path) {
    windows::same(
        &windows::read(&[dir], u64::MAX, |_| ()),
        &windows::read(&[dir], 1, |_| ()),
    );
}

fn read(dir: &Path, change: impl Fn(&mut Options)) -> Loaded {
    let mut options = Options::new(vec![dir.to_path_buf()], chrono_tz::UTC);
    change(&mut options);
    load(&options).unwrap()
}

/// Digits of Postfix's long queue IDs.
const BASE52: &[u8; 52] = b"0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

fn long_id(seconds: i64) -> String {
    let mut rest = seconds;
    let mut digits = Vec::new();
    while rest > 0 {
        digits.push(BASE52[(rest % 52) as usize]);
        rest /= 52;
    }
    digits.reverse();
    format!("{}1234zKvD", String::from_utf8(digits).unwrap())
}

fn short_id(seconds: i64) -> String {
    format!("{:07X}", seconds % 0x0fff_ffff)
}

/// One message of mail.
fn message(start: &str, id: fn(i64) -> String) -> String {
    let start = chrono::DateTime::parse_from_rfc3339(start)
        .unwrap()
        .to_utc();
    let id = id(start.timestamp());
    let line = |second: i64, program: &str, text: &str| {
        let time = (start + chrono::Duration::seconds(second)).format("%b %e %T");
        format!("{time} mx1 postfix/{program}: {id}: {text}\n")
    };
    [
        line(0, "smtpd[11]", "client=a.example.net[192.0.2.7]"),
        line(0, "cleanup[12]", "message-id=<x@example.net>"),
        line(1, "qmgr[13]", "from=<a@example.net>, size=900, nrcpt=1 (queue active)"),
        line(
            2,
            "smtp[14]",
            "to=<b@example.org>, relay=mx.example.org[198.51.100.9]:25, delay=2, delays=1/0/0/1, dsn=2.0.0, \
             status=sent (250 2.0.0 Ok)",
        ),
        line(2, "qmgr[13]", "removed"),
    ]
    .concat()
}

fn years(loaded: &Loaded) -> Vec<(String, i64, String)> {
    let row = |row: &SourceRow| {
        let name = Path::new(&row.path)
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        (name, row.year.unwrap(), row.year_method.clone().unwrap())
    };
    loaded.sources.iter().map(row).collect()
}

/// Written today, read today, of 2023 and 2024.
#[test]
fn ids_prove_the_year_whatever_the_names_and_times_of_files() {
    let dir = tempfile::tempdir().unwrap();
    let old = message("2023-12-31T23:59:58Z", long_id) + &message("2024-01-01T08:00:00Z", long_id);
    fs::write(
        dir.path().join("mail.log"),
        message("2024-02-29T10:00:00Z", long_id),
    )
    .unwrap();
    fs::write(dir.path().join("zz"), old).unwrap();
    // Only behind the head does it show.
    let filler =
        "Jan  2 08:00:00 mx1 postfix/anvil[3]: statistics: max cache size 4 at Jan  2 08:00:00\n";
    let late = filler.repeat(1000) + &message("2024-01-02T09:00:00Z", long_id);
    fs::write(dir.path().join("late"), late).unwrap();
    let loaded = read(dir.path(), |_| ());
    let method = "queue-id".to_owned();
    assert_eq!(
        years(&loaded),
        [
            ("zz".to_owned(), 2023, method.clone()),
            ("late".into(), 2024, method.clone()),
            ("mail.log".into(), 2024, method),
        ]
    );
    assert!(
        loaded
            .sources
            .iter()
            .all(|row| row.contradictions.is_none()),
        "{:?}",
        loaded.sources
    );
    let days = loaded.tables.get("messages").unwrap().collect().unwrap();
    let days = days.column("day").unwrap();
    let days: Vec<String> = (0..days.len())
        .map(|at| days.get(at).unwrap().to_string())
        .collect();
    assert_eq!(
        days,
        ["2023-12-31", "2024-01-01", "2024-01-02", "2024-02-29"]
    );
    in_windows(dir.path());
    // What is declared does not outweigh what is proven, and the contradiction is told.
    let declared = read(dir.path(), |options| options.year = Some(2019));
    assert_eq!(years(&declared)[0].1, 2023);
    let told = declared.sources[0].contradictions.clone().unwrap();
    assert_eq!(
        told,
        "the year 2023 is by the time in queue IDs; by --year it would be 2019"
    );
}

/// Without IDs that hold a time: names, then the files beside.
#[test]
fn names_and_neighbours_tell_what_lines_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, start: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, message(start, short_id)).unwrap();
    };
    write("mail.log-20240107", "2024-01-05T10:00:00Z");
    write("mail.log-20240101", "2023-12-28T10:00:00Z");
    write("2022/10/mx1.log", "2022-10-03T10:00:00Z");
    write("other", "2024-02-01T10:00:00Z");
    let loaded = read(dir.path(), |_| ());
    let found = years(&loaded);
    let expected = [
        ("mx1.log", 2022, "file-name"),
        ("mail.log-20240101", 2023, "file-name"),
        ("mail.log-20240107", 2024, "file-name"),
        ("other", 2024, "neighbours"),
    ];
    let expected = expected.map(|(name, year, how)| (name.to_owned(), year, how.to_owned()));
    assert_eq!(found, expected);
    let confidence = |at: usize| loaded.sources[at].year_confidence.as_deref();
    assert_eq!(
        (confidence(0), confidence(3)),
        (Some("likely"), Some("likely"))
    );
}

/// A server whose one file was never rotated.
#[test]
fn one_file_may_span_years() {
    let dir = tempfile::tempdir().unwrap();
    let starts = [
        "2021-11-03",
        "2022-03-01",
        "2022-08-09",
        "2023-01-15",
        "2023-06-30",
        "2023-12-24",
    ];
    let log: String = starts
        .iter()
        .map(|day| message(&format!("{day}T10:00:00Z"), short_id))
        .collect();
    fs::write(dir.path().join("mail.log"), log).unwrap();
    let loaded = read(dir.path(), |options| options.year = Some(2021));
    let days = loaded.tables.get("messages").unwrap().collect().unwrap();
    let days = days.column("day").unwrap();
    let days: Vec<String> = (0..days.len())
        .map(|at| days.get(at).unwrap().to_string())
        .collect();
    assert_eq!(days, starts);
}

#[test]
fn a_wrong_zone_and_a_file_older_than_its_lines_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let log: String = (10..20)
        .map(|hour| message(&format!("2024-03-05T{hour}:00:00Z"), long_id))
        .collect();
    let path = dir.path().join("mail.log");
    fs::write(&path, log).unwrap();
    let told = |loaded: Loaded| loaded.sources[0].contradictions.clone();
    assert_eq!(told(read(dir.path(), |_| ())), None);
    let wrong = told(read(dir.path(), |options| {
        options.zone = chrono_tz::America::New_York
    }));
    assert!(
        wrong
            .unwrap()
            .contains("are 5 hours later than those: is --timezone right")
    );
    let file = fs::File::options().write(true).open(&path).unwrap();
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    file.set_modified(then).unwrap();
    let told = told(read(dir.path(), |_| ())).unwrap();
    assert!(
        told.contains("by the file's mtime it would be 2020"),
        "{told}"
    );
}

fn counted(loaded: &Loaded) -> Vec<(&'static str, usize)> {
    let names = [
        "messages",
        "attempts",
        "deliveries",
        "rejections",
        "sessions",
        "logins",
        "server_events",
    ];
    let height = |name| loaded.tables.get(name).unwrap().collect().unwrap().height();
    names.map(|name| (name, height(name))).to_vec()
}

/// A rotated copy that was made before its original ended, and the extracts that syslog writes beside the log.
#[test]
fn lines_that_two_sources_have_count_once() {
    let log = fs::read_to_string(repo("sample-logs/postfix/mx1/mail.log")).unwrap();
    let lines: Vec<String> = log.lines().map(|line| format!("{line}\n")).collect();
    let plain = tempfile::tempdir().unwrap();
    fs::write(plain.path().join("mail.log"), &log).unwrap();
    let whole = read(plain.path(), |_| ());
    let dir = tempfile::tempdir().unwrap();
    let write =
        |name: &str, lines: &[String]| fs::write(dir.path().join(name), lines.concat()).unwrap();
    let (a, b) = (lines.len() * 2 / 5, lines.len() * 3 / 5);
    write("mail.log.1", &lines[..b]);
    write("mail.log", &lines[a..]);
    let extract = |word: &str| -> Vec<String> {
        lines
            .iter()
            .filter(|line| line.contains(word))
            .cloned()
            .collect()
    };
    write("mail.warn", &extract("warning:"));
    write("rejected", &extract("reject:"));
    let loaded = read(dir.path(), |_| ());
    assert_eq!(counted(&loaded), counted(&whole));
    let repeated: u64 = loaded.sources.iter().map(|row| row.repeated).sum();
    let extra = extract("warning:").len() + extract("reject:").len();
    assert!(extra > 10, "{extra}");
    in_windows(dir.path());
    assert_eq!(repeated as usize, b - a + extra);
    for row in &loaded.sources {
        assert_eq!(
            row.lines,
            row.events + row.ignored + row.unrecognised + row.undecodable,
            "{}",
            row.path
        );
    }
}

/// What a server wrote twice is two lines, in each of two files.
#[test]
fn equal_lines_of_one_source_stay() {
    let line = "Mar  5 10:00:00 mx1 postfix/smtpd[9]: warning: hostname x.example does not resolve to address 192.0.2.9\n";
    let other = "Mar  5 11:00:00 mx1 postfix/smtpd[9]: warning: hostname y.example does not resolve to address 192.0.2.9\n";
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), format!("{line}{line}{line}{other}")).unwrap();
    fs::write(dir.path().join("b"), format!("{line}{line}{other}")).unwrap();
    let loaded = read(dir.path(), |options| options.year = Some(2024));
    let repeated: Vec<u64> = loaded.sources.iter().map(|row| row.repeated).collect();
    assert_eq!(repeated, [0, 3]);
}

/// The extract begins with another host than the log that it is from.
#[test]
fn an_extract_of_one_of_two_hosts_counts_once_in_windows_too() {
    let log: String = (0..3000)
        .map(|n| {
            let (host, minute) = (n % 2, n / 60 % 60);
            format!(
                "2026-11-2{}T{:02}:{minute:02}:{:02}.{n:04}+01:00 mx{host} postfix/smtpd[9]: warning: hostname h{n}.example does not resolve to address 192.0.2.9\n",
                n / 2000,
                n / 100 % 24,
                n % 60
            )
        })
        .collect();
    let mut lines: Vec<&str> = log.split_inclusive('\n').collect();
    lines.sort_unstable();
    let extract: Vec<&str> = lines
        .iter()
        .filter(|line| line.contains(" mx1 "))
        .copied()
        .collect();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mail.log"), lines.concat()).unwrap();
    fs::write(dir.path().join("mail.warn"), extract.concat()).unwrap();
    in_windows(dir.path());
    let loaded = windows::read(&[dir.path()], 1, |_| ());
    let repeated: u64 = loaded.sources.iter().map(|row| row.repeated).sum();
    assert_eq!(repeated, 1500);
}

/// `journalctl -o short-full` names a zone, which the one given may not be.
#[test]
fn another_zone_than_the_one_given_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let line = |time: &str| format!("{time} mx1 postfix/qmgr[1]: 4A10000001: removed\n");
    let log = [
        "Thu 2026-10-01 10:00:00 CEST",
        "Thu 2026-11-19 10:00:00 CET",
    ]
    .map(line);
    fs::write(dir.path().join("journal.txt"), log.concat()).unwrap();
    let told = |zone| {
        let loaded = read(dir.path(), |options| options.zone = zone);
        loaded.sources[0].contradictions.clone()
    };
    let own = told(chrono_tz::Europe::Berlin).unwrap();
    assert!(own.starts_with("the clock was put back at "), "{own}");
    let other = told(chrono_tz::UTC).unwrap();
    assert!(
        other.contains("2 of its lines, line 1 the first, name another time zone than UTC"),
        "{other}"
    );
}

/// Logs of two years put together: each line's ID says of which it is, whatever most of them say.
#[test]
fn lines_of_another_year_are_told_though_they_are_few() {
    let dir = tempfile::tempdir().unwrap();
    let of = |year: i32, hours: std::ops::Range<u32>| -> String {
        hours
            .map(|hour| {
                message(
                    &format!("{year}-10-0{}T{hour}:00:00Z", year - 2021),
                    long_id,
                )
            })
            .collect()
    };
    let log = of(2022, 10..20) + &of(2024, 10..14);
    fs::write(dir.path().join("mail.log"), log).unwrap();
    let loaded = read(dir.path(), |_| ());
    let told = loaded.sources[0].contradictions.clone().unwrap();
    assert!(
        told.contains("line 51 the first, are 2 years earlier than those"),
        "{told}"
    );
}
