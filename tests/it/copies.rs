//! The same lines in two sources: in other forms, of other years, damaged, or few.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use mtaudit::commands::load::{Loaded, Options, load};

use super::month::{days, lines};
use super::windows;

fn read(dir: &Path, year: Option<i32>) -> Loaded {
    let mut options = Options::new(vec![dir.to_path_buf()], chrono_tz::UTC);
    options.year = year;
    load(&options).unwrap()
}

fn heights(loaded: &Loaded) -> Vec<usize> {
    let names = [
        "messages",
        "attempts",
        "rejections",
        "sessions",
        "server_events",
    ];
    let height = |name| loaded.tables.get(name).unwrap().collect().unwrap().height();
    names.map(height).to_vec()
}

fn repeated(loaded: &Loaded) -> u64 {
    loaded.sources.iter().map(|row| row.repeated).sum()
}

/// ISO 8601 lines as RFC 3164 ones, in UTC and with the whole host name.
fn traditional(day: &[u8]) -> String {
    let other = |line: &[u8]| {
        let line = String::from_utf8_lossy(line).into_owned();
        let (time, rest) = line.split_once(' ').unwrap();
        let at = chrono::DateTime::parse_from_rfc3339(time).unwrap().to_utc();
        let rest = rest.strip_prefix("mx1 ").unwrap();
        format!("{} mx1.corp.example {rest}", at.format("%b %e %H:%M:%S"))
    };
    lines(day).into_iter().map(other).collect()
}

#[test]
fn events_in_two_forms_count_once() {
    let dir = tempfile::tempdir().unwrap();
    let day = &days("mx1")[2];
    fs::write(dir.path().join("mail.log"), day).unwrap();
    let once = read(dir.path(), Some(2026));
    fs::write(dir.path().join("old.log"), traditional(day)).unwrap();
    let both = read(dir.path(), Some(2026));
    assert_eq!(heights(&both), heights(&once));
    assert_eq!(repeated(&both) as usize, lines(day).len());
    windows::same(
        &windows::read(&[dir.path()], u64::MAX, |_| ()),
        &windows::read(&[dir.path()], 1, |_| ()),
    );
}

/// A copy made before the log was whole, which was written two years later.
#[test]
fn copies_of_one_log_are_of_one_year() {
    let dir = tempfile::tempdir().unwrap();
    let day: String = (0..50)
        .map(|n| format!("Oct  5 10:{n:02}:00 mx1 postfix/smtpd[9]: warning: hostname h{n}.example does not resolve to address 192.0.2.9\n"))
        .collect();
    let half: String = day.split_inclusive('\n').take(20).collect();
    let write = |name: &str, content: &str, year: i64| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        let at = std::time::UNIX_EPOCH
            + std::time::Duration::from_secs((year as u64 - 1970) * 31_556_952 + 26_000_000);
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(at)
            .unwrap();
    };
    write("mail.log", &day, 2023);
    write("copy", &half, 2025);
    let loaded = read(dir.path(), None);
    let years: Vec<i64> = loaded.sources.iter().filter_map(|row| row.year).collect();
    assert_eq!(years, [2023, 2023]);
    assert_eq!(repeated(&loaded), 20);
}

/// The beginning of a damaged copy is in the log; what is garbled behind it is no evidence of anything.
#[test]
fn a_damaged_copy_adds_no_rows() {
    use std::io::Write as _;
    let day = &days("mx1")[2];
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mail.log"), day).unwrap();
    let once = read(dir.path(), Some(2026));
    let all = lines(day);
    let mut copy = all[..200].concat();
    // As a decoder leaves it: readable, and not what was written.
    for line in &all[200..204] {
        let text = String::from_utf8_lossy(line)
            .replace("mx1 postfix", "mx1 postfix/smtpd[9]: warning: garbled");
        copy.extend(text.as_bytes());
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&copy).unwrap();
    let mut packed = packed.finish().unwrap();
    let check = packed.len() - 8;
    packed[check] ^= 1;
    fs::write(dir.path().join("copy.gz"), packed).unwrap();
    let both = read(dir.path(), Some(2026));
    assert_eq!(heights(&both), heights(&once));
    let copy = both
        .sources
        .iter()
        .find(|row| row.path.ends_with("copy.gz"))
        .unwrap();
    assert!(copy.incomplete);
    let told = copy.contradictions.clone().unwrap();
    assert!(
        told.contains("damaged copy") && told.contains("4 lines"),
        "{told}"
    );
}

/// Two shards that begin in one second: the one that ends first is read first.
#[test]
fn shards_that_begin_together_are_in_the_order_of_their_ends() {
    let dir = tempfile::tempdir().unwrap();
    let line = |minute: u32, id: u32| {
        format!("2026-10-05T10:{minute:02}:00+00:00 mx1 postfix/qmgr[{id}]: 4A1{id:06X}: removed\n")
    };
    fs::write(dir.path().join("a"), line(0, 1) + &line(30, 2)).unwrap();
    fs::write(dir.path().join("b"), line(0, 3) + &line(0, 4)).unwrap();
    let loaded = read(dir.path(), None);
    let names: Vec<&str> = loaded
        .sources
        .iter()
        .map(|row| &row.path[row.path.len() - 1..])
        .collect();
    assert_eq!(names, ["b", "a"]);
}

#[test]
fn times_that_do_not_exist_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let line = |time: &str| format!("Mar 29 {time}:00 mx1 postfix/qmgr[1]: 4A1000001: removed\n");
    let log: String = ["01:50", "02:10", "02:50", "03:10"].map(line).concat();
    fs::write(dir.path().join("mail.log"), log).unwrap();
    let mut options = Options::new(vec![dir.path().to_path_buf()], chrono_tz::Europe::Berlin);
    options.year = Some(2026);
    let told = load(&options).unwrap().sources[0]
        .contradictions
        .clone()
        .unwrap();
    assert!(
        told.contains("2 of its lines, line 2 the first, are of local times that were skipped"),
        "{told}"
    );
}

/// The same in windows of a few lines.
fn in_windows(dir: &Path) {
    windows::same(
        &windows::read(&[dir], u64::MAX, |_| ()),
        &windows::read(&[dir], 1, |_| ()),
    );
}

/// A log host that lost lines on the way, and the hosts' own logs beside it: those are whole, though it holds more.
#[test]
fn a_hosts_own_log_goes_before_that_of_a_log_host() {
    let dir = tempfile::tempdir().unwrap();
    let day = &days("mx1")[4];
    let other = String::from_utf8_lossy(day).replace("mx1", "mx2");
    fs::write(dir.path().join("mx1.log"), day).unwrap();
    fs::write(dir.path().join("mx2.log"), &other).unwrap();
    let own = read(dir.path(), Some(2026));
    let pairs = lines(day).into_iter().zip(lines(other.as_bytes()));
    let came = pairs.enumerate().filter(|(at, _)| at % 3 > 0);
    let central: Vec<&[u8]> = came.flat_map(|(_, (one, two))| [one, two]).collect();
    fs::write(dir.path().join("central.log"), central.concat()).unwrap();
    let all = read(dir.path(), Some(2026));
    assert_eq!(heights(&all), heights(&own));
    for row in &all.sources {
        assert_eq!(row.contradictions, None, "{row:?}");
        assert_eq!(
            row.events == 0,
            row.path.ends_with("central.log"),
            "{row:?}"
        );
    }
    in_windows(dir.path());
}

/// Hosts of one short name in two domains are two, and logs of two hosts say nothing against one another.
#[test]
fn hosts_of_two_domains_are_not_one() {
    let dir = tempfile::tempdir().unwrap();
    let days = days("mx1");
    for (step, domain) in [(2, "a.example"), (3, "b.example")] {
        let some = lines(&days[4])
            .into_iter()
            .enumerate()
            .filter(|(at, _)| at % step == 0);
        let text: Vec<&[u8]> = some.map(|(_, line)| line).collect();
        let text =
            String::from_utf8_lossy(&text.concat()).replace(" mx1 ", &format!(" mx1.{domain} "));
        fs::write(dir.path().join(domain), text).unwrap();
    }
    let loaded = read(dir.path(), Some(2026));
    assert_eq!(repeated(&loaded), 0);
    assert!(
        loaded
            .sources
            .iter()
            .all(|row| row.contradictions.is_none())
    );
}

/// `content` as a gzip whose checksum is wrong: it may be garbled.
fn doubtful(content: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(content).unwrap();
    let mut packed = packed.finish().unwrap();
    let check = packed.len() - 8;
    packed[check] ^= 1;
    packed
}

/// Garbling may add lines: what is whole is the log all the same.
#[test]
fn a_garbled_copy_with_more_lines_adds_no_rows() {
    let dir = tempfile::tempdir().unwrap();
    let day = &days("mx1")[4];
    fs::write(dir.path().join("mail.log"), day).unwrap();
    let once = read(dir.path(), Some(2026));
    let double = |(at, line): (usize, &[u8])| {
        let odd = String::from_utf8_lossy(line).replace("postfix/", "postfix/smtpd[9]: warning: x");
        let odd = if at % 50 == 7 { odd } else { String::new() };
        [line, odd.as_bytes()].concat()
    };
    let garbled: Vec<u8> = lines(day)
        .into_iter()
        .enumerate()
        .flat_map(double)
        .collect();
    fs::write(dir.path().join("copy.gz"), doubtful(&garbled)).unwrap();
    let both = read(dir.path(), Some(2026));
    assert_eq!(heights(&both), heights(&once));
    in_windows(dir.path());
}

/// What a doubtful copy has of a time that no other log covers is all that there is of it.
#[test]
fn a_damaged_copy_fills_what_lies_between_two_others() {
    let dir = tempfile::tempdir().unwrap();
    let day = &days("mx1")[6];
    fs::write(dir.path().join("whole"), day).unwrap();
    let known = heights(&read(dir.path(), Some(2026)));
    fs::remove_file(dir.path().join("whole")).unwrap();
    let all = lines(day);
    fs::write(dir.path().join("first"), all[..600].concat()).unwrap();
    fs::write(dir.path().join("last"), all[700..].concat()).unwrap();
    fs::write(dir.path().join("copy.gz"), doubtful(day)).unwrap();
    let loaded = read(dir.path(), Some(2026));
    let events = |name: &str| {
        let row = loaded.sources.iter().find(|row| row.path.ends_with(name));
        row.unwrap().events
    };
    assert!(events("copy.gz") >= 98, "{:?}", loaded.sources);
    let sum: u64 = loaded.sources.iter().map(|row| row.events).sum();
    fs::write(dir.path().join("whole"), day).unwrap();
    let whole = read(dir.path(), Some(2026));
    assert_eq!(heights(&whole), known);
    assert_eq!(sum, whole.sources.iter().map(|row| row.events).sum::<u64>());
}
