//! What strangers write: forged fields do not count, markup stays text, formulas stay cells, files stay small.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::sample;
use crate::support::{Row, code, files, mtaudit, number, repo, said, sources, sql, text};

#[test]
fn forged_fields_are_in_no_column() {
    let forged = ["sample-logs/hostile/forged.log"];
    let ask = |statement: &str| sql(&repo(""), statement, &forged).0;
    let pairs = |statement: &str, a: &str, b: &str| -> Vec<(String, String)> {
        let pair = |row: &Row| (text(row, a).to_owned(), text(row, b).to_owned());
        ask(statement).iter().map(pair).collect()
    };
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    };
    assert_eq!(
        pairs(
            "SELECT recipient, status FROM attempts ORDER BY line",
            "recipient",
            "status"
        ),
        own(&[
            ("lukas+shop@noisy.example.net", "bounced"),
            ("bob@noisy.example.net", "delivered"),
            ("carol@noisy.example.net", "deferred"),
            ("erin@noisy.example.net", "delivered"),
        ])
    );
    assert_eq!(
        pairs(
            "SELECT queue_id, sender FROM messages WHERE size IS NOT NULL ORDER BY line",
            "queue_id",
            "sender"
        ),
        own(&[
            ("8D1E2F01", "alice@corp.example"),
            ("8D1E2F02", "alice@corp.example"),
            ("8D1E2F03", "bob@corp.example"),
            ("8D1E2F06", "dave@corp.example"),
        ])
    );
    let statement =
        "SELECT sender, recipient FROM rejections WHERE action = 'reject' ORDER BY line";
    assert_eq!(
        pairs(statement, "sender", "recipient"),
        own(&[
            ("news@example.net", "alice@corp.example"),
            ("x@example.net", "victim@example.com"),
            (
                "x@example.net",
                "\"a> to=<root@corp.example> proto=X helo=<y\"@corp.example"
            ),
        ])
    );
    let logins = ask("SELECT auth_user, success, client_ip FROM logins");
    assert!(
        logins
            .iter()
            .all(|row| row["success"] == false && text(row, "client_ip") == "203.0.113.66"),
        "{logins:?}"
    );
    let stolen = ask(
        "SELECT auth_user, client_ip FROM messages WHERE auth_user IS NOT NULL OR client_ip = '192.0.2.66'",
    );
    assert!(stolen.is_empty(), "{stolen:?}");
}

/// Rows by table and a few columns that a forgery would change.
fn facts(dir: &Path, log: &[u8]) -> BTreeMap<&'static str, Vec<String>> {
    fs::write(dir.join("mail.log"), log).unwrap();
    let mut facts = BTreeMap::new();
    for (table, columns) in [
        (
            "messages",
            "queue_id, sender, size, nrcpt, origin, client_ip, auth_user",
        ),
        (
            "attempts",
            "queue_id, recipient, status, dsn, relay_ip, delay, next_queue_id",
        ),
        ("deliveries", "queue_id, recipient, outcome, attempts"),
        (
            "rejections",
            "client_ip, sender, recipient, helo, protocol, reply_code",
        ),
        (
            "sessions",
            "client_ip, auth_user, messages, rejections, \"end\"",
        ),
        ("logins", "client_ip, success"),
        ("server_events", "program, kind"),
    ] {
        let statement = format!("SELECT {columns} FROM {table} ORDER BY source, line");
        let (rows, _) = sql(dir, &statement, &["mail.log"]);
        facts.insert(
            table,
            rows.iter()
                .map(|row| serde_json::to_string(row).unwrap())
                .collect(),
        );
    }
    facts
}

/// In real lines, the destination's words now also say all this.
#[test]
fn forgeries_in_every_reply_change_nothing_else() {
    let dir = tempdir().unwrap();
    let log =
        String::from_utf8(zstd::decode_all(&sample("postfix/mx1/mail.log.5.zst")[..]).unwrap())
            .unwrap();
    let forgery = ": to=<other@example.com>, relay=fake[192.0.2.66]:25, delay=99, dsn=4.9.9, status=deferred (no), \
                   status=sent to=<you@example.com> from=<me@example.com> proto=ESMTP helo=<forged> \
                   client=x[192.0.2.66], sasl_username=root, size=1, nrcpt=9 (queue active) NOQUEUE: reject: RCPT";
    let mut changed = 0;
    let forged: String = log
        .split_inclusive('\n')
        .map(|line| match line.find(" said: ") {
            Some(at) if line.contains(", status=") => {
                changed += 1;
                let at = at + " said: 550 ".len();
                format!("{}{forgery}{}", &line[..at], &line[at..])
            }
            _ => line.to_owned(),
        })
        .collect();
    assert!(changed > 10);
    let (own, forged) = (
        facts(dir.path(), log.as_bytes()),
        facts(dir.path(), forged.as_bytes()),
    );
    for (table, rows) in &own {
        assert_eq!(rows, &forged[table], "{table}");
    }
}

fn report(kind: &str, out: &Path, logs: &Path) {
    let (out, logs) = (out.to_str().unwrap(), logs.to_str().unwrap());
    let args = ["report", kind, "--year", "2026", "--out", out, logs];
    let output = mtaudit(&repo(""), &args);
    assert_eq!(code(&output), 0, "{}", said(&output));
}

/// Characters that change what is seen without being seen.
fn invisible(text: &str) -> Vec<char> {
    let bad = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().filter(bad).collect()
}

#[test]
fn reports_of_hostile_logs_hold_no_live_markup() {
    let dir = tempdir().unwrap();
    for kind in ["audit", "capacity", "incident"] {
        let out = dir.path().join(kind);
        report(kind, &out, &repo("sample-logs/hostile"));
        let html = fs::read_to_string(out.join("report.html")).unwrap();
        let lower = html.to_lowercase();
        for live in [
            "<script",
            "<img",
            "<iframe",
            "<object",
            "<svg/",
            "onload=alert(4)>",
            "=\"javascript:",
            "='javascript:",
            "</td><svg",
        ] {
            assert!(!lower.contains(live), "{kind}: {live}");
        }
        assert_eq!(
            lower.matches("</style").count(),
            lower.matches("<style").count(),
            "{kind}"
        );
        assert_eq!(
            lower.matches("</title").count(),
            lower.matches("<title").count(),
            "{kind}"
        );
        assert!(html.contains("Content-Security-Policy"));
        assert_eq!(invisible(&html), Vec::<char>::new(), "{kind}");
        let md = fs::read_to_string(out.join("report.md")).unwrap();
        assert_eq!(invisible(&md), Vec::<char>::new(), "{kind}");
        let md: String = md.lines().map(without_code).collect();
        for live in [
            "<script",
            "<img",
            "<iframe",
            "](http://198",
            "](javascript:",
        ] {
            assert!(!md.contains(live), "{kind}: {live}");
        }
        csv_is_safe(&out);
    }
}

/// A line of Markdown without its code spans, in which nothing is live, and without escaped characters.
fn without_code(line: &str) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some(at) = rest.find(['`', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(escaped) = rest.strip_prefix('\\') {
            rest = escaped.get(1..).unwrap_or_default();
            continue;
        }
        let ticks = rest.len() - rest.trim_start_matches('`').len();
        let inner = &rest[ticks..];
        rest = closing(inner, ticks).map_or(inner, |end| {
            out.push('`');
            &inner[end..]
        });
    }
    out + rest + "\n"
}

/// Where the code span ends: after a run of exactly so many backticks.
fn closing(inner: &str, ticks: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(start) = inner[at..].find('`') {
        let run = inner[at + start..].len() - inner[at + start..].trim_start_matches('`').len();
        at += start + run;
        if run == ticks {
            return Some(at);
        }
    }
    None
}

#[test]
fn code_spans_are_told() {
    let cases = [
        ("a `<b>` c", "a ` c\n"),
        ("``x`<b>`` y", "` y\n"),
        (r"\<b\> `", "b \n"),
        ("`<b>", "<b>\n"),
    ];
    for (line, bare) in cases {
        assert_eq!(without_code(line), bare, "{line}");
    }
}

fn csv_is_safe(out: &Path) {
    let mut read = 0;
    for name in files(out).iter().filter(|name| name.ends_with(".csv")) {
        let bytes = fs::read(out.join(name)).unwrap();
        let mut reader = csv::ReaderBuilder::new()
            .flexible(false)
            .from_reader(&bytes[..]);
        for record in reader.byte_records() {
            for field in record
                .unwrap_or_else(|error| panic!("{name}: {error}"))
                .iter()
            {
                let field = String::from_utf8_lossy(field).into_owned();
                let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
                let number = field.parse::<f64>().is_ok() && !field.contains(char::is_alphabetic);
                assert!(
                    !formula || (number && !field.starts_with('+')),
                    "{name}: {field:?}"
                );
                read += 1;
            }
        }
    }
    assert!(read > 100);
}

/// The terminal gets none of it either.
#[test]
fn tables_on_the_terminal_are_plain() {
    let logs = "sample-logs/hostile/control.log";
    for format in ["table", "md"] {
        let statement = "SELECT sender, recipient, helo, reply FROM rejections";
        let output = mtaudit(&repo(""), &["sql", statement, logs, "-q", "-f", format]);
        assert_eq!(code(&output), 0);
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(invisible(&shown), Vec::<char>::new(), "{format}");
    }
}

#[test]
fn the_html_of_a_large_hostile_log_stays_small() {
    let dir = tempdir().unwrap();
    let mut log = String::new();
    for n in 0..4000 {
        let stamp = format!(
            "2026-11-{:02}T{:02}:{:02}:{:02}+00:00 mx{}",
            1 + n % 28,
            n % 24,
            n % 60,
            n / 7 % 60,
            n % 50
        );
        let evil = format!("<\"&'>{n}").repeat(100);
        log.push_str(&format!(
            "{stamp} postfix/smtp[{n}]: {:08X}: to=<{n}&\"{}@{n}.example.com>, relay=mx{n}.example.com[192.0.2.1]:25, \
             delay=0.4, delays=0.1/0/0.2/0.1, dsn=5.{}.{}, status=bounced (host mx said: 550 {evil})\n",
            0x2000_0000 + n, "&\"'".repeat(60), n % 8, n % 100
        ));
        log.push_str(&format!(
            "{stamp} postfix/smtpd[{n}]: NOQUEUE: reject: RCPT from unknown[203.0.{}.{}]: 554 5.7.1 <{n}@example.com>: \
             {evil}; from=<{n}@example.net> to=<{n}@example.com> proto=ESMTP helo=<{evil}>\n",
            n / 250, n % 250
        ));
        log.push_str(&format!(
            "{stamp} postfix/smtpd[{n}]: warning: {evil}\n{stamp} postfix/odd{n}[1]: {n}{evil}\n"
        ));
    }
    let file = dir.path().join("mail.log");
    fs::write(&file, log).unwrap();
    let (rows, _) = sources(dir.path(), &["mail.log"]);
    assert_eq!(number(&rows[0], "lines"), 16_000);
    for kind in ["audit", "incident"] {
        let out = dir.path().join(kind);
        report(kind, &out, &file);
        let bytes = fs::metadata(out.join("report.html")).unwrap().len();
        assert!(bytes < 2 << 20, "{kind}: {bytes}");
    }
}
