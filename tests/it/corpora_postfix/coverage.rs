//! How much of what was logged is known, and that a bare `postfix` loses nothing.

use super::{corpus, lines, parse_bytes, shared};
use mtaudit::event::{Event, Parsed};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Events, ignored and unrecognised lines of a file, with the shapes of the last.
#[derive(Default)]
struct Count {
    events: usize,
    ignored: usize,
    shapes: BTreeMap<String, usize>,
}

impl Count {
    fn unrecognised(&self) -> usize {
        self.shapes.values().sum()
    }
}

fn ours(program: &[u8]) -> bool {
    program.starts_with(b"postfix") || program.starts_with(b"dovecot")
}

fn count(lines: &[(Vec<u8>, Vec<u8>)]) -> Count {
    let mut count = Count::default();
    for (program, text) in lines.iter().filter(|(program, _)| ours(program)) {
        match parse_bytes(program, text) {
            Parsed::Event(_) => count.events += 1,
            Parsed::Ignored(_) => count.ignored += 1,
            Parsed::Unrecognised => *count.shapes.entry(shape(program, text)).or_default() += 1,
        }
    }
    count
}

fn shape(program: &[u8], text: &[u8]) -> String {
    let masked = text
        .iter()
        .take(60)
        .map(|b| if b.is_ascii_digit() { b'0' } else { *b });
    let masked: Vec<u8> = masked.collect();
    format!(
        "{} {}",
        String::from_utf8_lossy(program),
        String::from_utf8_lossy(&masked)
    )
}

fn report(path: &str, count: &Count) {
    let unknown = count.unrecognised();
    println!(
        "{path}: {} events, {} ignored, {unknown} unrecognised",
        count.events, count.ignored
    );
    for (shape, lines) in count.shapes.iter().take(20) {
        println!("  {lines:5} {shape}");
    }
}

/// Captures of the lab.
fn captures() -> Vec<PathBuf> {
    [
        "mail.log",
        "mail.iso.log",
        "mail.5424.log",
        "long-ids.mail.log",
        "shapes.log",
    ]
    .iter()
    .filter_map(|name| {
        let folder = "lab/captures/postfix";
        shared(&format!("{folder}/{name}.xz")).or_else(|| shared(&format!("{folder}/{name}")))
    })
    .collect()
}

#[test]
fn the_lab_is_known_to_the_last_line() {
    for path in captures() {
        let Some(lines) = lines(&path) else {
            continue;
        };
        let count = count(&lines);
        report(&path.display().to_string(), &count);
        assert!(count.events > 400, "{}", path.display());
        assert_eq!(count.unrecognised(), 0, "{}", path.display());
    }
}

/// Logs of others, with the share of lines that may stay unknown. modoboa's and infohtreasure's rest are
/// lines that were cut by hand.
const LOGS: [&str; 6] = [
    "infohtreasure-dump/maillog",
    "infohtreasure-dump/mailog2",
    "mchirico-sasl-brute-force/tests/fixtures/mail.log",
    "modoboa/modoboa/maillog/tests/mail.log",
    "digineo-exporter/testdata/mail.log",
    "homoluctus-maillogger/tests/fixtures/source/maillog",
];

#[test]
fn of_other_logs_less_than_one_in_two_hundred_is_unknown() {
    for name in LOGS {
        let Some(lines) = corpus(name).and_then(|path| lines(&path)) else {
            continue;
        };
        let count = count(&lines);
        report(name, &count);
        let all = count.events + count.ignored + count.unrecognised();
        assert!(count.unrecognised() * 200 < all, "{name}");
    }
}

/// Tags of logwatch's test lines: the program and what stands before the text. The rest of its tags are of
/// policy services or are cut.
const LOGWATCH: [(&str, &str, &str); 17] = [
    ("TDsdN", "smtpd", "NOQUEUE: "),
    ("TDsdQ", "smtpd", "552B6C20E: "),
    ("TDsdQ(12)", "smtpd", "552B6C20E: "),
    ("TDsd", "smtpd", ""),
    ("TDsQ", "smtp", "552B6C20E: "),
    ("TDs", "smtp", ""),
    ("TDqQ", "qmgr", "552B6C20E: "),
    ("TDcQ", "cleanup", "552B6C20E: "),
    ("TDcN", "cleanup", ""),
    ("TDbQ", "bounce", "552B6C20E: "),
    ("TDlQ", "local", "552B6C20E: "),
    ("TDvQ", "virtual", "552B6C20E: "),
    ("TDvN", "virtual", ""),
    ("TDppQ", "pipe", "552B6C20E: "),
    ("TDpQ2", "pickup", "552B6C20E: "),
    ("TDps", "postsuper", ""),
    ("TD", "smtpd", ""),
];

#[test]
fn logwatch_lines_are_known() {
    let Some(path) = corpus("logwatch-test-lines/extracted/postfix.TD.tsv") else {
        return;
    };
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let lines: Vec<_> = text.lines().filter_map(logwatch).collect();
    let count = count(&lines);
    report("logwatch", &count);
    assert_eq!(lines.len(), 280);
    // `client=` without a queue ID, and a line with its program inside the text.
    assert_eq!(count.unrecognised(), 2);
}

fn logwatch(line: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (tag, text) = line.split_once("\t#")?.1.split_once(' ')?;
    let (_, daemon, before) = LOGWATCH.iter().find(|(name, ..)| *name == tag)?;
    let text = format!("{before}{}", text.trim_matches(' '));
    Some((format!("postfix/{daemon}").into_bytes(), text.into_bytes()))
}

#[test]
fn a_bare_program_name_loses_nothing() {
    let folder = "lab/captures/postfix";
    let path = |name: &str| {
        shared(&format!("{folder}/{name}.xz")).or_else(|| shared(&format!("{folder}/{name}")))
    };
    let (Some(full), Some(bare)) = (path("mail.iso.log"), path("mail.5424.log")) else {
        return;
    };
    let (Some(full), Some(bare)) = (lines(&full), lines(&bare)) else {
        return;
    };
    let mut exceptions = BTreeMap::new();
    for ((program, text), (cut, same)) in full.iter().zip(&bare).filter(|(full, _)| ours(&full.0)) {
        assert_eq!(text.trim_ascii_start(), same.trim_ascii_start());
        let (full, bare) = (parse_bytes(program, text), parse_bytes(cut, same));
        if format!("{full:?}") != format!("{bare:?}") {
            let why = exception(&full, &bare).unwrap_or_else(|| panic!("{full:?}\n{bare:?}"));
            *exceptions.entry(why).or_insert(0) += 1;
        }
    }
    println!("differences with a bare program name: {exceptions:?}");
}

/// Two daemons write the same text; without their name the more frequent one is meant.
fn exception(full: &Parsed<'_>, bare: &Parsed<'_>) -> Option<&'static str> {
    match (full, bare) {
        (Parsed::Ignored("tlsproxy session"), Parsed::Event(Event::ScreenDisconnect { .. })) => {
            Some("DISCONNECT of tlsproxy: the correlator closes a postscreen session once")
        }
        (
            Parsed::Event(Event::Removed { by_admin: true, .. }),
            Parsed::Event(Event::Removed {
                by_admin: false, ..
            }),
        ) => Some("removed by postsuper looks like removed by qmgr"),
        _ => None,
    }
}
