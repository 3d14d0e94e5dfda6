//! The list of real replies in `tests/replies`: how many of them the rules understand.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::path::Path;

use super::{At, Class, Question, REASONS, classify};

/// Fewest replies, and fewest of whom.
const REPLIES: usize = 400;
const PROVIDERS: usize = 30;
/// Most wrong answers, in a hundred.
const WRONG: usize = 2;

/// A line of the list.
struct Entry {
    place: String,
    who: String,
    at: String,
    class: String,
    reply: String,
    why: Option<String>,
}

fn list(name: &str) -> Vec<Entry> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/replies")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    (text.lines().enumerate())
        .filter(|(_, line)| !line.starts_with('#'))
        .map(|(number, line)| entry(format!("{name}:{}", number + 1), line))
        .collect()
}

fn entry(place: String, line: &str) -> Entry {
    let fields: Vec<&str> = line.split('\t').collect();
    let (fields, why) = match fields[..] {
        [a, b, c, d] => ([a, b, c, d], None),
        [a, b, c, d, why] => ([a, b, c, d], Some(why.to_string())),
        _ => panic!("{place}: {} fields, 4 or 5 are due", fields.len()),
    };
    let [who, at, class, reply] = fields.map(str::to_string);
    let known = REASONS
        .iter()
        .any(|(cause, reason, _)| class == format!("{cause}/{reason}"));
    assert!(known, "{place}: no class `{class}`");
    assert!(
        !who.is_empty() && !reply.is_empty(),
        "{place}: an empty field"
    );
    Entry {
        place,
        who,
        at,
        class,
        reply,
        why,
    }
}

/// What the log of a Postfix would say about it.
fn logged(entry: &Entry) -> (At, String) {
    let (host, command) = match entry.at.strip_prefix("near-") {
        Some(command) => ("127.0.0.1[127.0.0.1]", command),
        None => ("mx.example.com[192.0.2.25]", entry.at.as_str()),
    };
    let said = |command: &str| {
        format!(
            "host {host} said: {} (in reply to {command} command)",
            entry.reply
        )
    };
    match command {
        "server" => (At::Rejection, entry.reply.clone()),
        "agent" => (At::Delivery, entry.reply.clone()),
        "connect" => (
            At::Delivery,
            format!("host {host} refused to talk to me: {}", entry.reply),
        ),
        "ehlo" => (At::Delivery, said("EHLO")),
        "mail" => (At::Delivery, said("MAIL FROM")),
        "rcpt" => (At::Delivery, said("RCPT TO")),
        "data" => (At::Delivery, said("end of DATA")),
        _ => panic!("{}: no place `{}` in a dialogue", entry.place, entry.at),
    }
}

fn got(entry: &Entry) -> String {
    let class = class_of(entry);
    format!("{}/{}", class.cause(), class.reason())
}

fn class_of(entry: &Entry) -> Class {
    let (at, reply) = logged(entry);
    classify(&Question {
        reply: reply.as_bytes(),
        reply_code: 0,
        dsn: b"",
        at,
        status_expired: false,
    })
}

/// Prints what is wrong in a list; how many, and how many without a word why.
fn wrong(name: &str, entries: &[Entry]) -> (usize, usize) {
    let mut wrong = (0, 0);
    for entry in entries {
        let got = got(entry);
        if got == entry.class {
            assert!(
                entry.why.is_none(),
                "{}: right now, so strike the reason why it was not",
                entry.place
            );
            continue;
        }
        wrong.0 += 1;
        wrong.1 += usize::from(entry.why.is_none());
        let why = entry.why.as_deref().unwrap_or("NOT LISTED");
        eprintln!(
            "{}: {}: expected {}, got {got}: {} [{why}]",
            entry.place, entry.who, entry.class, entry.reply
        );
    }
    eprintln!(
        "{name}: {} of {} right",
        entries.len() - wrong.0,
        entries.len()
    );
    wrong
}

#[test]
fn real_replies_are_understood() {
    let (tuned, held_out) = (list("tuned.tsv"), list("held-out.tsv"));
    let (a, b) = (wrong("tuned", &tuned), wrong("held out", &held_out));
    let all: Vec<&Entry> = tuned.iter().chain(&held_out).collect();
    let who: BTreeSet<&str> = all.iter().map(|e| e.who.as_str()).collect();
    eprintln!(
        "{} replies of {} providers and servers",
        all.len(),
        who.len()
    );
    assert!(all.len() >= REPLIES, "only {} replies", all.len());
    assert!(who.len() >= PROVIDERS, "only {} providers", who.len());
    assert!(
        (a.0 + b.0) * 100 <= WRONG * all.len(),
        "{} of {} wrong",
        a.0 + b.0,
        all.len()
    );
    assert!(
        a.1 + b.1 == 0,
        "{} wrong and not listed as ambiguous: mend a rule, or say why in a fifth field",
        a.1 + b.1
    );
}

#[test]
fn no_reply_is_listed_twice() {
    let mut seen = BTreeSet::new();
    for entry in list("tuned.tsv").into_iter().chain(list("held-out.tsv")) {
        assert!(
            seen.insert((entry.at, entry.reply)),
            "{}: listed before",
            entry.place
        );
    }
}

#[test]
fn a_greeting_is_about_the_client() {
    let class = |at: &str| {
        got(&Entry {
            place: "a test".into(),
            who: "a test".into(),
            at: at.into(),
            class: String::new(),
            reply: "554 5.7.1 Blocked for spam".into(),
            why: None,
        })
    };
    assert_eq!(class("connect"), "reputation/blocklist");
    assert_eq!(class("data"), "content/spam");
}

/// Sisimai's reasons, and which of ours they may be: theirs are coarser in some places and finer in others.
const SISIMAI: &[(&str, &[&str])] = &[
    ("AuthFailure", &["spf", "dkim", "dmarc"]),
    ("BadReputation", &["blocklist", "rate-limit", "greylist"]),
    (
        "Blocked",
        &[
            "blocklist",
            "ptr",
            "helo",
            "spf",
            "rate-limit",
            "connection-limit",
        ],
    ),
    ("Filtered", &["other", "mailbox-inactive", "spam"]),
    ("HostUnknown", &["nxdomain", "no-mx"]),
    ("MailboxFull", &["mailbox-full"]),
    ("MesgTooBig", &["size"]),
    (
        "NetworkError",
        &[
            "loop",
            "timeout",
            "refused",
            "unreachable",
            "reset",
            "lost",
            "servfail",
        ],
    ),
    ("NoRelaying", &["relay-denied", "auth"]),
    (
        "PolicyViolation",
        &[
            "other",
            "attachment",
            "dmarc",
            "format",
            "protocol",
            "rate-limit",
            "spam",
        ],
    ),
    ("RateLimited", &["rate-limit", "connection-limit"]),
    ("Rejected", &["bad-sender", "other", "blocklist", "auth"]),
    ("RequirePTR", &["ptr"]),
    ("SecurityError", &["auth", "tls", "attachment"]),
    ("SpamDetected", &["spam", "blocklist"]),
    ("Suspend", &["mailbox-inactive"]),
    (
        "SystemError",
        &["remote-temporary", "remote-config", "remote-full", "loop"],
    ),
    ("UserUnknown", &["user-unknown"]),
    ("VirusDetected", &["virus", "attachment"]),
];

/// Phrases of another classifier with its reasons, if this machine has them.
#[test]
fn another_classifier_agrees() {
    let path = super::tests::shared().map(|s| s.join("corpora/replies/sisimai-phrases.tsv"));
    let Some(text) = path.and_then(|p| std::fs::read_to_string(p).ok()) else {
        eprintln!("left out: no corpora/replies/sisimai-phrases.tsv (MTAUDIT_SHARED)");
        return;
    };
    let mut counts = (0, 0);
    for (number, line) in text
        .lines()
        .enumerate()
        .filter(|(_, l)| !l.starts_with('#'))
    {
        let place = format!("sisimai-phrases.tsv:{}", number + 1);
        let [theirs, at, reply] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{place}: three fields are due");
        };
        let may = SISIMAI.iter().find(|(name, _)| *name == theirs);
        let (_, ours) = may.unwrap_or_else(|| panic!("{place}: no mapping for `{theirs}`"));
        let entry = Entry {
            place,
            who: theirs.into(),
            at: at.into(),
            class: String::new(),
            reply: reply.into(),
            why: None,
        };
        let reason = class_of(&entry).reason();
        counts.1 += 1;
        if ours.contains(&reason) {
            counts.0 += 1;
        } else {
            eprintln!("{}: {theirs}, got {reason}: {reply}", entry.place);
        }
    }
    eprintln!("{} of {} agree", counts.0, counts.1);
    assert!(
        counts.1 > 0 && counts.0 * 100 >= 90 * counts.1,
        "{counts:?} agree"
    );
}
