//! The rules' own examples, hostile text, precedence, and the share of `undetermined` on real logs.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::*;

#[test]
fn the_rules_are_sound() {
    let problems = super::check::check_embedded();
    let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(
        list.is_empty(),
        "{} problems\n{}",
        list.len(),
        list.join("\n")
    );
}

#[test]
fn reasons_are_unique_and_have_a_meaning() {
    for (index, (_, reason, about)) in REASONS.iter().enumerate() {
        assert_eq!(position(reason), Some(index), "{reason} stands twice");
        assert!(about.ends_with('.'), "{reason}");
    }
}

/// One problem with `needle` in it.
fn assert_problem(toml: &str, needle: &str) {
    let problems = check(toml);
    assert!(
        problems.iter().any(|p| p.to_string().contains(needle)),
        "{needle}: {problems:?}"
    );
}

const CODE: &str = "[[code]]\nreason='loop'\nfrom='x'\ndsn=['4.6']\n";

#[test]
fn mistakes_in_the_rules_are_named() {
    let rule = |reason: &str, pattern: &str, example: &str| {
        format!("[[rule]]\nreason='{reason}'\nfrom='x'\nmatch=[{pattern}]\nexamples=[{example}]\n")
    };
    let loops = rule("loop", "'mail loop'", "'a mail loop'");
    assert_problem("rule = [", "TOML");
    assert_problem(&(rule("lop", "'a'", "'a'") + CODE), "no reason `lop`");
    assert_problem(
        &(rule("loop", "'Mail'", "'Mail'") + CODE),
        "can never match",
    );
    assert_problem(&(rule("loop", "", "'a'") + CODE), "no pattern");
    assert_problem(&(rule("loop", "'mail'", "") + CODE), "no example");
    assert_problem(&(loops.clone() + &loops + CODE), "already in rule 1");
    assert_problem(
        &(loops.clone() + &rule("spam", "'mail loop spam'", "'mail loop spam'") + CODE),
        "is decided by rule 1",
    );
    assert_problem(&(loops.clone() + CODE), "no rule for reason `spam`");
    assert_problem(&(loops + CODE + &CODE.replace("loop", "spam")), "code 2");
}

fn delivery(reply: &str, dsn: &str) -> &'static str {
    let question = Question {
        reply: reply.as_bytes(),
        reply_code: 0,
        dsn: dsn.as_bytes(),
        at: At::Delivery,
        status_expired: false,
    };
    classify(&question).reason()
}

fn rejection(reply: &str) -> &'static str {
    classify(&Question {
        reply: reply.as_bytes(),
        reply_code: 0,
        dsn: b"",
        at: At::Rejection,
        status_expired: false,
    })
    .reason()
}

#[test]
fn what_strangers_write_does_not_decide() {
    let said = |text: &str| {
        delivery(
            &format!("host mx.spam.example[192.0.2.1] said: {text} (in reply to RCPT TO command)"),
            "5.1.1",
        )
    };
    assert_eq!(
        said("550 5.1.1 <mailbox-full@virus.example>: Recipient address rejected: User unknown"),
        "user-unknown"
    );
    assert_eq!(
        said("550 5.1.1 <\"a>mailbox full\"@example.com>"),
        "user-unknown"
    );
    assert_eq!(said("550 5.1.1 virus@example.com: no"), "user-unknown");
    assert_eq!(
        said(
            "550 5.1.1 mail for virus.example has nobody; see http://help.example/spam?virus=infected"
        ),
        "user-unknown"
    );
    assert_eq!(
        said(
            "550 5.1.1 <a@example.com>: to=<b@example.com>, status=sent (250 2.0.0 Ok: queued as FAKE)"
        ),
        "user-unknown"
    );
    assert_eq!(
        delivery("unknown user: \"relay access denied\"", "5.1.1"),
        "user-unknown"
    );
    assert_eq!(
        delivery(
            "connect to virus.example[192.0.2.1]:25: Connection timed out",
            "4.4.1"
        ),
        "timeout"
    );
    assert_eq!(
        rejection("<virus@spam.example>: Relay access denied"),
        "relay-denied"
    );
}

#[test]
fn text_outranks_enhanced_code_outranks_basic_code() {
    assert_eq!(
        delivery(
            "host a[192.0.2.1] said: 550 5.7.1 <x@example.com>: user unknown",
            "5.7.1"
        ),
        "user-unknown"
    );
    assert_eq!(
        delivery("host a[192.0.2.1] said: 550 5.2.2 zzz", "5.2.2"),
        "mailbox-full"
    );
    assert_eq!(
        delivery("host a[192.0.2.1] said: 452 zzz", "4.0.0"),
        "remote-full"
    );
}

#[test]
fn a_bare_code_is_read_with_the_command_it_answers() {
    let said = |command: &str| {
        delivery(
            &format!("host a[192.0.2.1] said: 550 (in reply to {command} command)"),
            "5.0.0",
        )
    };
    assert_eq!(
        [said("RCPT TO"), said("MAIL FROM"), said("end of DATA")],
        ["user-unknown", "other", "other"]
    );
}

#[test]
fn a_hop_on_this_machine_is_not_remote() {
    let text = "said: 451 4.2.0 <ann@example.com> Execution of Sieve filters was aborted due to temporary failure";
    assert_eq!(
        delivery(&format!("host mx.example.com[192.0.2.1] {text}"), "4.2.0"),
        "remote-temporary"
    );
    assert_eq!(
        delivery(
            &format!("host mx.example.com[private/dovecot-lmtp] {text}"),
            "4.2.0"
        ),
        "local-resource"
    );
}

#[test]
fn line_breaks_of_a_reply_do_not_matter() {
    let broken = "host a[192.0.2.1] said: 550-5.2.1 mailbox 550-5.2.1 is   550 5.2.1 locked (in reply to RCPT TO command)";
    assert_eq!(delivery(broken, "5.2.1"), "mailbox-inactive");
    assert_eq!(delivery("550-no such\\n550 user here", ""), "user-unknown");
}

#[test]
fn age_decides_only_where_the_text_is_silent() {
    let asked = |reply: &'static [u8]| {
        classify(&Question {
            reply,
            reply_code: 0,
            dsn: b"4.0.0",
            at: At::Delivery,
            status_expired: true,
        })
    };
    assert_eq!(asked(b"returned to sender").reason(), "expired");
    assert_eq!(
        asked(b"delivery temporarily suspended: connect to a[192.0.2.1]:25: Connection refused")
            .reason(),
        "refused"
    );
}

#[test]
fn nothing_said_is_undetermined() {
    assert_eq!(
        delivery(
            "host a[192.0.2.1] said: 599 unknown kind of failure",
            "5.0.0"
        ),
        "undetermined"
    );
    assert_eq!(delivery("", ""), "undetermined");
    assert_eq!(rejection("suspicious sender"), "other");
}

#[test]
fn hostile_bytes_neither_panic_nor_hang() {
    let shapes: [&[u8]; 6] = [b"<", b"\"", b"\\n", b"a@", b"https://", b"550-5.1.1 \xff"];
    for shape in shapes {
        let long = shape.repeat(500_000);
        for at in [At::Delivery, At::Rejection] {
            classify(&Question {
                reply: &long,
                reply_code: u16::MAX,
                dsn: b"\xff.",
                at,
                status_expired: false,
            });
        }
    }
}

// ---------------------------------------------------------------- real logs

/// The shared folder of captures and corpora, if this machine has it.
pub(super) fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("MTAUDIT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    folder.is_dir().then_some(folder)
}

fn files(folder: &Path, list: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, list)
        } else {
            list.push(path)
        }
    }
}

/// Plain text of a file; the captures that matter here are plain or zstd.
fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path).ok()?;
    match path.extension().and_then(|e| e.to_str()) {
        Some("zst") => zstd::decode_all(&bytes[..]).ok(),
        Some("xz" | "bz2" | "gz") => None,
        _ => Some(bytes),
    }
}

fn after<'a>(line: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    memchr::memmem::find(line, needle).map(|at| &line[at + needle.len()..])
}

/// Crude on purpose: the formats do this properly. A failed attempt's text, or a rejection's.
fn question(line: &[u8]) -> Option<Question<'_>> {
    for word in [
        &b"status=deferred ("[..],
        b"status=bounced (",
        b"status=undeliverable (",
        b"status=expired (",
    ] {
        if let Some(reply) = after(line, word) {
            let reply = reply.strip_suffix(b")").unwrap_or(reply);
            let dsn = after(line, b"dsn=")
                .and_then(|d| d.split(|b| *b == b',').next())
                .unwrap_or_default();
            return Some(Question {
                reply,
                reply_code: 0,
                dsn,
                at: At::Delivery,
                status_expired: false,
            });
        }
    }
    let rest = after(line, b"reject: ").or_else(|| after(line, b"reject_warning: "))?;
    let rest = after(
        &rest[after(rest, b" from ").map(|r| rest.len() - r.len())?..],
        b": ",
    )?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let end = memchr::memmem::find(rest, b"; ")
        .filter(|at| {
            !rest[*at..].to_ascii_lowercase().starts_with(b"; client [")
                && !rest[*at..].starts_with(b"; Client host")
        })
        .unwrap_or(rest.len());
    Some(Question {
        reply: &rest[..end],
        reply_code: 0,
        dsn: b"",
        at: At::Rejection,
        status_expired: false,
    })
}

/// Failures by reason, and the texts that nothing is known about.
#[derive(Default)]
struct Tally {
    reasons: HashMap<&'static str, u64>,
    unknown: HashMap<String, u64>,
    other: HashMap<String, u64>,
    total: u64,
}

impl Tally {
    fn read(&mut self, text: &[u8]) {
        for question in text.split(|b| *b == b'\n').filter_map(question) {
            let class = classify(&question);
            self.total += 1;
            *self.reasons.entry(class.reason()).or_default() += 1;
            let texts = match class.reason() {
                "undetermined" => &mut self.unknown,
                "other" => &mut self.other,
                _ => continue,
            };
            let shape = String::from_utf8_lossy(&question.reply[..question.reply.len().min(160)])
                .into_owned();
            *texts.entry(shape).or_default() += 1;
        }
    }

    fn print(&self, name: &str) {
        eprintln!("{name}: {} failures", self.total);
        for (kind, texts) in [("undetermined", &self.unknown), ("other", &self.other)] {
            let mut texts: Vec<_> = texts.iter().collect();
            texts.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            texts
                .iter()
                .take(25)
                .for_each(|(text, n)| eprintln!("  {kind} {n} {text}"));
        }
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        eprintln!("  {reasons:?}");
    }
}

#[test]
fn few_real_failures_are_undetermined() {
    let Some(shared) = shared() else {
        eprintln!("left out: no shared folder with captures (MTAUDIT_SHARED)");
        return;
    };
    for (name, folders) in [
        (
            "lab",
            &["lab/captures/postfix", "lab/captures/postfix-60k"][..],
        ),
        ("corpora", &["corpora/postfix"]),
    ] {
        let mut list = Vec::new();
        folders
            .iter()
            .for_each(|folder| files(&shared.join(folder), &mut list));
        let mut tally = Tally::default();
        list.iter()
            .filter_map(|path| read(path))
            .for_each(|text| tally.read(&text));
        tally.print(name);
        let unknown: u64 = tally.unknown.values().sum();
        assert!(
            tally.total > 100,
            "{name}: only {} failures found",
            tally.total
        );
        assert!(
            unknown * 50 < tally.total,
            "{name}: {unknown} of {} undetermined",
            tally.total
        );
    }
}
