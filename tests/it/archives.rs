//! Archives as they lie: the sample logs, packed in every way that tar, xz, zip and Python know, give the same tables as
//! the plain files; what is hostile, damaged or no log is named.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::support::{Row, code, mtaudit, number, repo, said, sources, sql, text};
use super::windows;

/// Questions whose answers are all of a table that does not say where a line lies.
const TABLES: [&str; 4] = [
    "SELECT host, queue_id, received_ts, removed_ts, sender, size, nrcpt, origin, client_ip, direction FROM messages \
     ORDER BY host, received_ts, queue_id, message_id, sender",
    "SELECT host, queue_id, ts, recipient, relay_name, delay, status, dsn, reply, reason FROM attempts \
     ORDER BY host, ts, queue_id, recipient, reply",
    "SELECT host, service, ts, stage, action, client_ip, recipient, reason FROM rejections \
     ORDER BY host, ts, service, client_ip, recipient",
    "SELECT host, service, pid, connect_ts, client_ip, auth_user, messages, \"end\" FROM sessions \
     ORDER BY host, connect_ts, pid, client_ip",
];

pub(super) fn tables(dir: &Path, paths: &[&str]) -> Vec<Vec<Row>> {
    TABLES
        .iter()
        .map(|sql_text| sql(dir, sql_text, paths).0)
        .collect()
}

/// The sample logs, unpacked and as they are, below `logs/`.
fn logs(dir: &Path) {
    for host in ["mx1", "mx2"] {
        fs::create_dir_all(dir.join("logs").join(host)).unwrap();
        let from = repo("sample-logs/postfix").join(host);
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = dir.join("logs").join(host).join(entry.file_name());
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Runs a command in `dir`; `false` when it is not installed.
pub(super) fn run(dir: &Path, line: &str) -> bool {
    let program = line.split(' ').next().unwrap();
    let there = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status();
    if !there.is_ok_and(|status| status.success()) {
        println!("left out: {program} is not here");
        return false;
    }
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(dir)
        .output()
        .unwrap();
    if !output.status.success() {
        println!(
            "left out: {line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        return false;
    }
    true
}

/// The tables are the same when each member is read alone, in windows of a few lines.
fn in_windows(paths: &[&Path]) {
    windows::same(
        &windows::read(paths, u64::MAX, |_| ()),
        &windows::read(paths, 1, |_| ()),
    );
}

const WAYS: [(&str, &str); 12] = [
    ("tar", "tar cf ../x logs"),
    ("tar, GNU", "tar --format=gnu -cf ../x logs"),
    ("tar, pax", "tar --format=pax -cf ../x logs"),
    ("tar.gz", "tar czf ../x logs"),
    ("tar.xz", "tar cf - logs | xz -T2 --block-size=65536 > ../x"),
    ("tar.bz2", "tar cf - logs | bzip2 -1 > ../x"),
    ("tar.zst", "tar cf - logs | zstd -q --long=27 > ../x"),
    ("tar.lz4", "tar cf - logs | lz4 -q -B4 -BD > ../x"),
    ("zip", "zip -qr ../x.zip logs && mv ../x.zip ../x"),
    ("zip, streamed", "zip -qr - logs > ../x"),
    (
        "zip by Python",
        "python3 -c \"import zipfile,os\nwith zipfile.ZipFile('../x','w',zipfile.ZIP_BZIP2) as z:\n for d,_,fs in os.walk('logs'):\n  [z.write(os.path.join(d,f)) for f in fs]\"",
    ),
    (
        "zip in a tar in a zip",
        "zip -qr a.zip logs && tar czf b.tgz a.zip && zip -q ../x.zip b.tgz && mv ../x.zip ../x",
    ),
];

#[test]
fn packed_in_every_way_the_tables_are_those_of_the_plain_files() {
    let dir = TempDir::new().unwrap();
    let work = dir.path().join("work");
    logs(&work);
    let plain = tables(dir.path(), &["work/logs"]);
    assert!(plain.iter().all(|rows| !rows.is_empty()));
    for (name, command) in WAYS {
        if !run(&work, command) {
            continue;
        }
        assert!(tables(dir.path(), &["x"]) == plain, "{name}");
        // Each member alone, in the order of its times.
        if matches!(
            name,
            "tar" | "tar.xz" | "zip, streamed" | "zip in a tar in a zip"
        ) {
            in_windows(&[&dir.path().join("x")]);
        }
        let (rows, exit) = sources(dir.path(), &["x"]);
        assert_eq!(exit, 0, "{name}");
        let members = rows.iter().filter(|row| number(row, "events") > 0);
        assert!(members.clone().count() >= 18, "{name}");
        assert!(
            members
                .clone()
                .all(|row| text(row, "member").contains("logs/mx"))
        );
        let outer: Vec<&Row> = rows.iter().filter(|row| row["member"].is_null()).collect();
        assert_eq!(outer.len(), 1);
        let kind = if name.starts_with("tar") {
            "tar"
        } else {
            "zip"
        };
        assert_eq!(
            (text(outer[0], "format"), number(outer[0], "lines")),
            (kind, 0)
        );
        let own = fs::read(dir.path().join("x")).unwrap();
        assert_eq!(
            text(outer[0], "sha256"),
            mtaudit::source::sha256_of(&own),
            "{name}"
        );
        assert_eq!(number(outer[0], "bytes"), own.len() as i64);
        for row in members {
            let path = text(row, "member")
                .rsplit("!/")
                .next()
                .unwrap()
                .trim_start_matches("./");
            let file = fs::read(work.join(path)).unwrap();
            assert_eq!(
                text(row, "sha256"),
                mtaudit::source::sha256_of(&file),
                "{path}"
            );
            assert_eq!(number(row, "bytes"), file.len() as i64);
        }
    }
}

#[test]
fn each_codec_gives_the_tables_of_the_plain_file() {
    let dir = TempDir::new().unwrap();
    fs::copy(
        repo("sample-logs/postfix/mx1/mail.log.1"),
        dir.path().join("plain"),
    )
    .unwrap();
    let plain = tables(dir.path(), &["plain"]);
    for command in ["gzip -c", "zstd -qc", "bzip2 -c", "xz -c", "lz4 -c"] {
        if run(dir.path(), &format!("{command} < plain > packed")) {
            assert!(tables(dir.path(), &["packed"]) == plain, "{command}");
            let (rows, _) = sources(dir.path(), &["plain", "packed"]);
            let hash = text(&rows[0], "decoded_sha256");
            assert!(rows.iter().all(|row| text(row, "decoded_sha256") == hash));
            assert!(!rows[1]["duplicate_of"].is_null(), "{command}");
        }
    }
}

#[test]
fn a_member_counts_once_beside_the_file_that_it_was() {
    let dir = TempDir::new().unwrap();
    logs(dir.path());
    if !run(dir.path(), "tar czf logs.tgz logs") {
        return;
    }
    let plain = tables(dir.path(), &["logs"]);
    assert!(tables(dir.path(), &["logs", "logs.tgz"]) == plain);
    in_windows(&[&dir.path().join("logs"), &dir.path().join("logs.tgz")]);
}

#[test]
fn a_report_names_members_and_is_the_same_on_any_number_of_threads() {
    let dir = TempDir::new().unwrap();
    logs(dir.path());
    if !run(
        dir.path(),
        "tar cJf logs.txz logs && zip -q two.zip logs.txz logs/mx1/mail.log",
    ) {
        return;
    }
    let report = |out: &str, threads: &str| {
        let args = [
            "report",
            "audit",
            "-q",
            "--year",
            "2026",
            "--threads",
            threads,
            "--out",
            out,
            "two.zip",
        ];
        let output = mtaudit(dir.path(), &args);
        assert_eq!(code(&output), 0, "{}", said(&output));
        fs::read(dir.path().join(out).join("manifest.json")).unwrap();
        fs::read_to_string(dir.path().join(out).join("report.md")).unwrap()
    };
    let one = report("one", "1");
    assert!(
        one.contains("two.zip!/logs.txz!/logs/mx1/mail.log"),
        "members are not named"
    );
    assert_eq!(one, report("two", "2"));
}

#[cfg(unix)]
#[test]
fn pipes_and_sockets_are_named_and_never_opened() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    fs::copy(
        repo("sample-logs/postfix/mx1/mail.log.1"),
        dir.path().join("in/a"),
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("in/socket")).unwrap();
    std::os::unix::fs::symlink(".", dir.path().join("in/loop")).unwrap();
    let piped = run(dir.path(), "mkfifo in/pipe");
    let (rows, exit) = sources(dir.path(), &["in"]);
    assert_eq!(exit, 0);
    let told: Vec<&str> = rows.iter().map(|row| text(row, "problem")).collect();
    assert!(
        told.contains(&"not a regular file (socket): skipped"),
        "{told:?}"
    );
    assert_eq!(told.contains(&"not a regular file (FIFO): skipped"), piped);
}

#[test]
fn an_encrypted_member_is_told_and_the_others_are_read() {
    let dir = TempDir::new().unwrap();
    logs(dir.path());
    if !run(
        dir.path(),
        "zip -q -P secret x.zip logs/mx1/mail.log && zip -q x.zip logs/mx2/mail.log",
    ) {
        return;
    }
    let (rows, exit) = sources(dir.path(), &["x.zip"]);
    assert_eq!(exit, 3);
    let of = |name: &str| rows.iter().find(|row| text(row, "member") == name).unwrap();
    assert_eq!(
        text(of("logs/mx1/mail.log"), "problem"),
        "encrypted: not read"
    );
    assert!(number(of("logs/mx2/mail.log"), "events") > 0);
}

#[test]
fn a_cut_archive_is_told_and_what_is_left_is_read() {
    let dir = TempDir::new().unwrap();
    logs(dir.path());
    if !run(dir.path(), "tar czf x.tgz logs && tar cf x.tar logs") {
        return;
    }
    for name in ["x.tgz", "x.tar"] {
        let whole = fs::read(dir.path().join(name)).unwrap();
        fs::write(dir.path().join("cut"), &whole[..whole.len() * 2 / 3]).unwrap();
        let (rows, exit) = sources(dir.path(), &["cut"]);
        assert_eq!(exit, 3);
        let outer = rows.iter().find(|row| row["member"].is_null()).unwrap();
        assert!(
            text(outer, "problem").starts_with("damaged at byte "),
            "{outer:?}"
        );
        let cut = rows
            .iter()
            .filter(|row| !row["member"].is_null() && !row["problem"].is_null());
        assert!(cut.count() <= 1);
        assert!(rows.iter().any(|row| number(row, "events") > 0));
    }
}

/// A connection that was refused, in two lines.
fn refused(number: usize) -> String {
    let at = format!(
        "2026-11-{:02}T10:{:02}:{:02}+00:00",
        1 + number / 3600,
        number / 60 % 60,
        number % 60
    );
    format!(
        "{at} mx1 postfix/smtpd[{number}]: connect from mail.example.net[192.0.2.7]\n\
         {at} mx1 postfix/smtpd[{number}]: NOQUEUE: reject: RCPT from mail.example.net[192.0.2.7]: 554 5.7.1 \
         <a@b.example>: Relay access denied; from=<x@y.example> to=<a@b.example> proto=ESMTP helo=<h{number}>\n"
    )
}

#[test]
fn members_that_overlap_count_once_however_many_lie_in_one_archive() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("logs")).unwrap();
    let log: Vec<String> = (0..2000).map(refused).collect();
    // Each begins within the one before it.
    for (number, start) in (0..2000).step_by(10).enumerate() {
        let part = log[start..2000.min(start + 20)].concat();
        fs::write(dir.path().join(format!("logs/mail.{number:03}")), part).unwrap();
    }
    if !run(dir.path(), "tar czf x.tgz --sort=name logs") {
        return;
    }
    let question = "SELECT COUNT(*) AS n FROM rejections";
    let (rows, exit) = sql(dir.path(), question, &["x.tgz"]);
    assert_eq!((number(&rows[0], "n"), exit), (2000, 0));
    let (rows, _) = sources(dir.path(), &["x.tgz"]);
    let sum = |name: &str| rows.iter().map(|row| number(row, name)).sum::<i64>();
    assert_eq!(sum("events") + sum("ignored"), sum("lines"));
    in_windows(&[&dir.path().join("x.tgz")]);
}

#[test]
fn members_after_a_damaged_one_are_read_and_the_loss_is_told() {
    let dir = TempDir::new().unwrap();
    let gzip = |lines: std::ops::Range<usize>| {
        let text: String = lines.map(refused).collect();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let (a, mut b, c) = (gzip(0..300), gzip(300..600), gzip(600..900));
    let crc = b.len() - 6;
    b[crc] ^= 1;
    let resumed = a.len() + b.len();
    fs::write(dir.path().join("mail.log.gz"), [a, b, c].concat()).unwrap();
    let (rows, exit) = sources(dir.path(), &["mail.log.gz"]);
    assert_eq!(exit, 3);
    let of = |name: &str| number(&rows[0], name);
    // The first line behind the damage is not known to be whole.
    assert_eq!((of("lines"), of("undecodable")), (1800, 1));
    assert_eq!(of("events") + of("ignored") + of("unrecognised") + 1, 1800);
    let problem = text(&rows[0], "problem");
    for part in [
        &format!("reading went on at byte {resumed}, after"),
        "line 1201 is cut there",
        "(lines 601 to 1201) came out before the damage was noticed: their text may be wrong",
    ] {
        assert!(problem.contains(part), "{problem}");
    }
}

#[test]
fn a_bomb_is_stopped_and_told() {
    let dir = TempDir::new().unwrap();
    let log = fs::read(repo("sample-logs/postfix/mx1/mail.log.1")).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&log).unwrap();
    let blank = [&[b' '; 1023][..], b"\n"].concat().repeat(1024);
    for _ in 0..80 {
        encoder.write_all(&blank).unwrap();
    }
    fs::write(dir.path().join("bomb.gz"), encoder.finish().unwrap()).unwrap();
    let (rows, exit) = sources(dir.path(), &["bomb.gz"]);
    assert_eq!((exit, number(&rows[0], "decoded_bytes")), (3, 64 << 20));
    assert!(text(&rows[0], "problem").contains("more than 67108864 bytes come out"));
    assert!(number(&rows[0], "events") > 0);
    let (rows, exit) = sources(dir.path(), &["--max-decoded", "1G", "bomb.gz"]);
    assert_eq!(
        (exit, number(&rows[0], "decoded_bytes")),
        (0, (80 << 20) + log.len() as i64)
    );
}

#[test]
fn two_thousand_members_and_an_archive_without_logs() {
    let dir = TempDir::new().unwrap();
    let many = dir.path().join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..2000 {
        let line = format!(
            "2026-11-{:02}T10:00:00+00:00 mx1 postfix/qmgr[1]: {number:010X}: removed\n",
            number % 28 + 1
        );
        fs::write(many.join(format!("mail.{number}")), line).unwrap();
    }
    fs::write(dir.path().join("note"), "not a log\n").unwrap();
    if !run(dir.path(), "tar czf many.tgz many && tar cf none.tar note") {
        return;
    }
    let (rows, exit) = sources(dir.path(), &["many.tgz"]);
    assert_eq!((rows.len(), exit), (2001, 0));
    let events: i64 = rows.iter().map(|row| number(row, "events")).sum();
    assert_eq!(events, 2000);
    let (rows, _) = sources(dir.path(), &["none.tar"]);
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .any(|row| text(row, "problem") == "no line of a known mail server")
    );
}

#[test]
fn a_journal_gives_the_tables_of_its_lines() {
    let dir = TempDir::new().unwrap();
    let at = 1_795_455_412_000_000i64;
    let texts = [
        "connect from mail.example.net[192.0.2.7]",
        "NOQUEUE: reject: RCPT from mail.example.net[192.0.2.7]: 554 5.7.1 <a@b.example>: Relay access denied; \
         from=<x@y.example> to=<a@b.example> proto=ESMTP helo=<h>",
        "disconnect from mail.example.net[192.0.2.7] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4",
    ];
    let (mut json, mut export) = (Vec::new(), Vec::new());
    let (mut full, mut iso) = (String::new(), String::new());
    for (n, text) in texts.iter().enumerate() {
        let ts = at + n as i64 * 1_000_000;
        let bytes: Vec<u8> = text.bytes().collect();
        let mut record = serde_json::json!({
            "__REALTIME_TIMESTAMP": ts.to_string(), "_HOSTNAME": "mx1",
            "SYSLOG_IDENTIFIER": "postfix/smtpd", "_PID": "7", "MESSAGE": text,
        });
        if n == 1 {
            record["MESSAGE"] = serde_json::json!(bytes);
        }
        writeln!(json, "{record}").unwrap();
        let fields = "_HOSTNAME=mx1\nSYSLOG_IDENTIFIER=postfix/smtpd\n_PID=7\nMESSAGE\n";
        write!(export, "__REALTIME_TIMESTAMP={ts}\n{fields}").unwrap();
        export.extend((text.len() as u64).to_le_bytes());
        export.extend([&bytes[..], b"\n\n"].concat());
        let second = 52 + n;
        full += &format!("Mon 2026-11-23 17:36:{second} UTC mx1 postfix/smtpd[7]: {text}\n");
        iso += &format!("2026-11-23T18:36:{second}+0100 mx1 postfix/smtpd[7]: {text}\n");
    }
    fs::write(dir.path().join("iso"), iso).unwrap();
    let plain = tables(dir.path(), &["iso"]);
    assert!(!plain[2].is_empty() && !plain[3].is_empty());
    for (name, bytes) in [
        ("json", json),
        ("export", export),
        ("full", full.into_bytes()),
    ] {
        fs::write(dir.path().join(name), &bytes).unwrap();
        assert!(tables(dir.path(), &[name]) == plain, "{name}");
        let (rows, exit) = sources(dir.path(), &[name]);
        assert_eq!((exit, number(&rows[0], "events")), (0, 3), "{name}");
        let hash = mtaudit::source::sha256_of(&bytes);
        assert_eq!(text(&rows[0], "decoded_sha256"), hash);
        assert_eq!(number(&rows[0], "decoded_bytes"), bytes.len() as i64);
    }
    let (rows, _) = sql(dir.path(), "SELECT line FROM rejections", &["export"]);
    // The first record takes five lines, one for its value, and an empty one.
    assert_eq!(number(&rows[0], "line"), 8);
}
