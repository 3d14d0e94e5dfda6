//! Logs past `--memory` are read window by window into files: the same rows as from memory, nothing left behind.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mtaudit::commands::blocks::parse;
use mtaudit::commands::load::{Loaded, Options, load};
use mtaudit::correlate::settle::Growing;
use mtaudit::source::Block;
use mtaudit::strings::Strings;
use mtaudit::syslog::{Cache, Clock, YearRule};

use crate::support::{code, files, mtaudit, repo, said};

#[path = "../bench/amplify.rs"]
mod amplify;

pub(super) fn read(paths: &[&Path], memory: u64, change: impl Fn(&mut Options)) -> Loaded {
    let paths = paths.iter().map(|path| path.to_path_buf()).collect();
    let mut options = Options::new(paths, chrono_tz::Europe::Berlin);
    options.year = Some(2026);
    options.memory = memory;
    change(&mut options);
    load(&options).unwrap()
}

/// Every row of every table as text, sorted: nobody promises an order.
pub(super) fn rows(loaded: &Loaded) -> BTreeMap<&'static str, Vec<String>> {
    let text = |frame: &mtaudit::tables::Frame| {
        let rows = frame.collect().unwrap();
        let columns: Vec<_> = rows.columns().iter().collect();
        let cell = |row: usize| {
            let cells = columns
                .iter()
                .map(|column| column.get(row).unwrap().to_string());
            cells.collect::<Vec<_>>().join("\t")
        };
        let mut lines: Vec<String> = (0..rows.height()).map(cell).collect();
        lines.sort();
        lines
    };
    let frames = loaded.tables.frames.iter();
    frames.map(|(name, frame)| (*name, text(frame))).collect()
}

pub(super) fn same(whole: &Loaded, windows: &Loaded) {
    assert!(!whole.tables.on_disk() && windows.tables.on_disk());
    assert_eq!(whole.local_domains, windows.local_domains);
    let (whole, windows) = (rows(whole), rows(windows));
    for (table, rows) in &whole {
        let others = &windows[table];
        let lost: Vec<_> = rows
            .iter()
            .filter(|row| others.binary_search(row).is_err())
            .collect();
        let added: Vec<_> = others
            .iter()
            .filter(|row| rows.binary_search(row).is_err())
            .collect();
        assert!(
            lost.is_empty() && added.is_empty() && rows.len() == others.len(),
            "{table}: {} and {} rows; lost {} {:#?}\nadded {} {:#?}",
            rows.len(),
            others.len(),
            lost.len(),
            lost.iter().take(3).collect::<Vec<_>>(),
            added.len(),
            added.iter().take(3).collect::<Vec<_>>(),
        );
    }
}

/// Two hosts, rotated and compressed, with the same mail passing both; windows of a few lines.
#[test]
fn any_window_gives_the_rows_of_the_whole() {
    let logs = repo("sample-logs");
    for change in [
        |_: &mut Options| (),
        |options: &mut Options| options.local_domains = vec!["example.org".into()],
        |options: &mut Options| options.threads = Some(1),
    ] {
        let whole = read(&[&logs], u64::MAX, change);
        for memory in [1, 1 << 20] {
            same(&whole, &read(&[&logs], memory, change));
        }
    }
}

/// A log of this size from a sample, as if it went on for weeks.
fn grown(dir: &Path, sample: &str, bytes: u64) -> PathBuf {
    let base = fs::read(repo("sample-logs").join(sample)).unwrap();
    let path = dir.join("mail.log");
    let mut out = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    amplify::amplify(&base, bytes, &mut out).unwrap();
    out.flush().unwrap();
    path
}

/// Most rows that were kept after a window of 500 lines each. All times of the log are an hour ahead of UTC.
fn most_kept(log: &[u8]) -> usize {
    let year = YearRule::From {
        year: 2026,
        month: 1,
        day: 1,
    };
    let clock = Clock::new(chrono_tz::UTC, year);
    let (mut growing, mut strings) = (Growing::default(), Strings::default());
    let (mut first_line, mut most) = (1, 0);
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    for lines in lines.chunks(500) {
        let block = Block {
            bytes: lines.concat(),
            first_line,
            cut: false,
        };
        first_line += lines.len() as u64;
        growing.append(parse(&block, 0, &clock, Cache::default(), &strings));
        let date = std::str::from_utf8(&lines[0][..19]).unwrap();
        let date = chrono::NaiveDateTime::parse_from_str(date, "%Y-%m-%dT%H:%M:%S").unwrap();
        let now = (date.and_utc().timestamp() - 3600) * 1_000_000;
        growing.settle(now, &strings);
        most = most.max(growing.rows());
        let next = Strings::default();
        growing.move_texts(&strings, &next);
        strings = next;
    }
    most
}

/// What is kept after each window is what is open then, however much was read before.
#[test]
fn what_is_kept_does_not_grow_with_what_was_read() {
    let base = fs::read(repo("sample-logs/postfix/mx1/mail.log")).unwrap();
    let kept = |bytes: u64| {
        let mut log = Vec::new();
        amplify::amplify(&base, bytes, &mut log).unwrap();
        most_kept(&log)
    };
    let (few, many) = (kept(2_000_000), kept(16_000_000));
    assert!(
        few > 100 && many <= few + few / 10,
        "{few} rows, then {many}"
    );
}

/// Mail of users, a minute apart, through a content filter that brings 50 messages a connection and always keeps one
/// open; one in a hundred stays deferred.
fn filtered(messages: usize) -> String {
    let mut log = String::new();
    for n in 0..messages {
        let (minute, batch) = (60 * n as i64, n / 50);
        let mut line = |second: i64, program: &str, text: String| {
            let time =
                chrono::DateTime::from_timestamp(1_767_225_600 + minute + second, 0).unwrap();
            let time = time.format("%Y-%m-%dT%H:%M:%S+01:00");
            log += &format!("{time} mx1 postfix/{program}: {text}\n");
        };
        // The connection for the next batch is there before the one for this batch goes.
        if n % 50 == 40 || n == 0 {
            let pid = 9000 + if n == 0 { 0 } else { batch + 1 };
            line(
                0,
                &format!("smtpd[{pid}]"),
                "connect from localhost[127.0.0.1]".into(),
            );
        }
        let (user, first, second) = (100 + n % 7, format!("4A{n:08X}"), format!("4B{n:08X}"));
        let smtpd = format!("smtpd[{}]", 1000 + n);
        let client = format!("pc{user}.example.org[192.0.2.{user}]");
        line(1, &smtpd, format!("connect from {client}"));
        line(
            1,
            &smtpd,
            format!(
                "Anonymous TLS connection established from {client}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
            ),
        );
        line(
            1,
            &smtpd,
            format!("{first}: client={client}, sasl_method=PLAIN, sasl_username=u{user}"),
        );
        line(
            1,
            "cleanup[7]",
            format!("{first}: message-id=<{n}@example.org>"),
        );
        line(
            1,
            "qmgr[8]",
            format!("{first}: from=<u{user}@example.org>, size=900, nrcpt=1 (queue active)"),
        );
        line(
            2,
            &smtpd,
            format!(
                "disconnect from {client} ehlo=2 starttls=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=8"
            ),
        );
        let filter = format!("smtpd[{}]", 9000 + batch);
        line(
            3,
            &filter,
            format!(
                "{second}: client=localhost[127.0.0.1], orig_queue_id={first}, orig_client={client}"
            ),
        );
        line(
            3,
            "cleanup[7]",
            format!("{second}: message-id=<{n}@example.org>"),
        );
        line(
            3,
            "qmgr[8]",
            format!("{second}: from=<u{user}@example.org>, size=950, nrcpt=1 (queue active)"),
        );
        let to = format!("to=<r{n}@example.net>");
        line(
            3,
            "smtp[6]",
            format!(
                "{first}: {to}, relay=127.0.0.1[127.0.0.1]:10024, delay=2, delays=0.1/0/0/1.9, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as {second})"
            ),
        );
        line(3, "qmgr[8]", format!("{first}: removed"));
        let relay = "relay=mx.example.net[198.51.100.5]:25, delay=1, delays=0.1/0/0.4/0.5";
        if n % 100 == 17 {
            line(
                4,
                "smtp[5]",
                format!(
                    "{second}: {to}, {relay}, dsn=4.2.0, status=deferred (host mx.example.net[198.51.100.5] said: 450 4.2.0 try later (in reply to RCPT TO command))"
                ),
            );
        } else {
            line(
                4,
                "smtp[5]",
                format!("{second}: {to}, {relay}, dsn=2.0.0, status=sent (250 2.0.0 OK)"),
            );
            line(4, "qmgr[8]", format!("{second}: removed"));
        }
        if n % 50 == 49 {
            line(
                9,
                &filter,
                "disconnect from localhost[127.0.0.1] ehlo=1 mail=50 rcpt=50 data=50 quit=1 commands=152".into(),
            );
        }
    }
    log
}

/// A connection that has ended does not wait for the mail that it brought, nor does other mail of it.
#[test]
fn deferred_mail_does_not_keep_what_came_by_its_connection() {
    let (few, many) = (filtered(2_000), filtered(8_000));
    // One message in a hundred stays, its first life, two traces and its attempts with it.
    let (less, more) = (most_kept(few.as_bytes()), most_kept(many.as_bytes()));
    assert!(
        more < less + 6 * 60 + 200,
        "{less} rows of {} bytes, then {more} of {}",
        few.len(),
        many.len()
    );
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mail.log"), few).unwrap();
    let (whole, windows) = (
        read(&[dir.path()], u64::MAX, |_| ()),
        read(&[dir.path()], 1, |_| ()),
    );
    same(&whole, &windows);
    let rows = rows(&windows);
    assert_eq!(rows["messages"].len(), 4_000);
    assert_eq!(rows["logins"].len(), 2_000);
}

/// A host whose lines lie in two files of the same time cannot be read piece by piece, and is not read wrongly.
#[test]
fn what_goes_back_in_time_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = grown(dir.path(), "postfix/mx1/mail.log", 2 << 20);
    let (qmgr, rest): (Vec<String>, Vec<String>) = fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(|line| format!("{line}\n"))
        .partition(|line| line.contains("/qmgr["));
    fs::write(&log, rest.concat()).unwrap();
    fs::write(dir.path().join("qmgr.log"), qmgr.concat()).unwrap();
    let mut options = Options::new(vec![dir.path().to_path_buf()], chrono_tz::UTC);
    options.memory = 1;
    let told = format!("{:#}", load(&options).err().unwrap());
    assert!(told.contains("goes back to 2026-11-2"), "{told}");
    assert!(told.contains("hint: raise --memory"), "{told}");
    options.memory = u64::MAX;
    assert!(load(&options).is_ok());
}

/// The same log twice, and once compressed, counts once.
#[test]
fn the_same_content_counts_once_in_windows_too() {
    let dir = tempfile::tempdir().unwrap();
    let log = grown(dir.path(), "postfix/mx1/mail.log", 1 << 20);
    fs::copy(&log, dir.path().join("copy.log")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(
        fs::File::create(dir.path().join("packed.log.gz")).unwrap(),
        flate2::Compression::fast(),
    );
    packed.write_all(&fs::read(&log).unwrap()).unwrap();
    packed.finish().unwrap();
    let whole = read(&[dir.path()], u64::MAX, |_| ());
    let windows = read(&[dir.path()], 1, |_| ());
    assert_eq!(
        windows
            .sources
            .iter()
            .filter(|s| s.duplicate_of.is_some())
            .count(),
        2
    );
    same(&whole, &windows);
}

fn temporary(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let ours = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .contains("mtaudit")
    };
    entries.filter(ours).collect()
}

fn report(log: &Path, out: &Path, temporary: &Path, memory: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtaudit"));
    command.args(["report", "audit", "--quiet", "--memory", memory, "--out"]);
    command.args([out, log]).env("TMPDIR", temporary);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Some hundred megabytes with a tiny `--memory`: the report is that of the log in memory, to the byte; a run that is asked to end leaves nothing, and what one leaves that is killed outright, the
/// next one removes.
#[test]
fn hundreds_of_megabytes_with_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let scratch = dir.path().join("tmp");
    fs::create_dir(&scratch).unwrap();
    let log = grown(dir.path(), "postfix/mx1/mail.log", 200_000_000);
    let out = |name: &str| dir.path().join(name);
    for (name, signal) in [("ended", "TERM"), ("killed", "KILL")] {
        let mut run = report(&log, &out(name), &scratch, "32M").spawn().unwrap();
        let start = Instant::now();
        while temporary(&scratch).is_empty() && start.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(temporary(&scratch).len(), 1, "{name}");
        let pid = run.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", signal, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
        assert!(!run.wait().unwrap().success());
        assert_eq!(
            temporary(&scratch).len(),
            usize::from(signal == "KILL"),
            "{name}"
        );
    }
    assert!(
        report(&log, &out("little"), &scratch, "32M")
            .status()
            .unwrap()
            .success()
    );
    assert!(temporary(&scratch).is_empty());
    assert!(
        report(&log, &out("plenty"), &scratch, "8G")
            .status()
            .unwrap()
            .success()
    );
    let names = files(&out("plenty"));
    assert!(names.len() > 30 && names == files(&out("little")));
    for name in names {
        let of = |folder: &str| fs::read(out(folder).join(&name)).unwrap();
        assert!(of("little") == of("plenty"), "{name}");
    }
    let tables = out("tables");
    let (tables, log) = (tables.to_str().unwrap(), log.to_str().unwrap());
    let told = fs::read(out("plenty").join("tables/delivery_outcomes.csv")).unwrap();
    let convert = ["convert", "--memory", "32M", "--out", tables, log];
    let output = mtaudit(dir.path(), &convert);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let written = files(Path::new(tables));
    let of_a_window =
        |file: &String| file.contains("messages/day=") && file.ends_with("-00003.parquet");
    assert!(written.iter().any(of_a_window), "{written:#?}");
    let query = ["query", "outcomes", "--format", "csv", tables];
    let output = mtaudit(dir.path(), &query);
    assert!(output.stdout == told, "{}", said(&output));
}

/// A store that is asked for is a folder of tables like others.
#[test]
fn a_store_is_kept_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, store) = (repo("sample-logs/postfix"), dir.path().join("store"));
    let (logs, store) = (logs.to_str().unwrap(), store.to_str().unwrap());
    let ask = |paths: &[&str]| {
        let query = [
            "query", "outcomes", "--format", "csv", "--quiet", "--year", "2026",
        ];
        mtaudit(&repo(""), &[&query[..], paths].concat())
    };
    let plain = ask(&[logs]);
    let stored = ask(&[logs, "--store", store]);
    assert_eq!(code(&stored), 0, "{}", said(&stored));
    assert!(stored.stdout == plain.stdout);
    assert!(ask(&[store]).stdout == plain.stdout);
    let again = ask(&[logs, "--store", store]);
    assert_eq!(code(&again), 2);
    assert!(
        said(&again).contains("it holds tables already"),
        "{}",
        said(&again)
    );
}

#[test]
fn what_cannot_work_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let logs = repo("sample-logs/postfix/mx1");
    let logs = logs.to_str().unwrap();
    let tiny = mtaudit(&repo(""), &["query", "outcomes", "--memory", "1M", logs]);
    assert_eq!(code(&tiny), 2);
    assert!(said(&tiny).contains("at least 32M"), "{}", said(&tiny));
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    let file = file.to_str().unwrap();
    let taken = mtaudit(&repo(""), &["query", "outcomes", "--store", file, logs]);
    assert_ne!(code(&taken), 0);
    assert!(said(&taken).contains("hint:"), "{}", said(&taken));
    assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "mine");
}

/// A disk that is full in the middle: no report, nothing left, and the remedy.
#[cfg(unix)]
#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let scratch = dir.path().join("tmp");
    fs::create_dir(&scratch).unwrap();
    let log = grown(dir.path(), "postfix/mx1/mail.log", 24_000_000);
    // No file may be larger than 32 KiB; the signal that says so is ignored, the error is not.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$@\"";
    let run = |temporary: &Path| {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_mtaudit")]);
        command.args(["report", "--quiet", "--memory", "32M", "--out"]);
        command.args([&dir.path().join("out"), &log]);
        command.env("TMPDIR", temporary).output().unwrap()
    };
    let full = run(&scratch);
    assert_eq!(code(&full), 1, "{}", said(&full));
    let told = said(&full);
    assert!(
        told.contains("neither in memory (--memory) nor on the disk of TMPDIR"),
        "{told}"
    );
    assert!(told.contains("hint: is the disk full"), "{told}");
    assert!(temporary(&scratch).is_empty());
    assert!(!dir.path().join("out/report.html").exists());
    let nowhere = run(&dir.path().join("nowhere"));
    assert_eq!(code(&nowhere), 1);
    assert!(
        said(&nowhere).contains("hint: set TMPDIR to a folder with room"),
        "{}",
        said(&nowhere)
    );
}
