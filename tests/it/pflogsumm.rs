//! The grand totals of `pflogsumm`, from our tables.
//!
//! Each figure is equal, or equal by the formula beside it: `pflogsumm` counts log lines, we count messages, recipients
//! and commands. The limits of `capacity/overview` say the same in words.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use mtaudit::query::Engine;

use crate::support::{Row, engine, number, repo, rows, text, unpacked};

/// Figures of the grand totals by their words; sizes in the unit printed.
fn totals(log: &Path) -> Option<BTreeMap<String, i64>> {
    let output = Command::new("pflogsumm").arg("-q").arg(log).output();
    let Ok(output) = output else {
        println!("left out: pflogsumm is not installed");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut totals = BTreeMap::new();
    for line in text
        .lines()
        .skip_while(|line| *line != "Grand Totals")
        .take(22)
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(value) = words.first().and_then(|word| figure(word)) else {
            continue;
        };
        let name: Vec<&str> = words[1..]
            .iter()
            .copied()
            .take_while(|w| !w.starts_with('('))
            .collect();
        totals.insert(name.join(" "), value);
        if let Some(at) = words.iter().position(|word| *word == "deferrals)") {
            totals.insert(
                "deferrals".into(),
                figure(words[at - 1].trim_start_matches('(')).unwrap(),
            );
        }
    }
    Some(totals)
}

fn figure(word: &str) -> Option<i64> {
    word.trim_end_matches(['k', 'm']).parse().ok()
}

/// As `pflogsumm` prints it: from half a megabyte on in kilobytes, from half a gigabyte on in megabytes.
fn in_its_unit(bytes: i64) -> i64 {
    match bytes {
        ..=524_288 => bytes,
        524_289..=536_870_912 => bytes / 1024,
        _ => bytes / 1_048_576,
    }
}

/// What only the text of the log knows.
struct Lines {
    /// Queue IDs given to clients by smtpd.
    given: HashSet<String>,
    /// Queue IDs that became a message.
    active: HashSet<String>,
    /// INFO actions of header and body checks.
    info: i64,
    /// `warn` actions of access tables.
    warn: i64,
}

impl Lines {
    fn of(log: &Path) -> Self {
        let bytes = std::fs::read(log).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = Lines {
            given: HashSet::new(),
            active: HashSet::new(),
            info: 0,
            warn: 0,
        };
        for line in text.lines() {
            let Some((_, rest)) = line.split_once("]: ") else {
                continue;
            };
            let Some((id, rest)) = rest.split_once(": ") else {
                continue;
            };
            if line.contains("smtpd[") && rest.starts_with("client=") {
                lines.given.insert(id.to_owned());
            } else if rest.ends_with("(queue active)") {
                lines.active.insert(id.to_owned());
            }
            lines.warn += i64::from(rest.starts_with("warn: "));
            lines.info +=
                i64::from(rest.starts_with("info: header ") || rest.starts_with("info: body "));
        }
        lines
    }
}

fn one(engine: &Engine, sql: &str) -> i64 {
    number(&rows(engine, &format!("SELECT {sql}"))[0], "n")
}

/// As `pflogsumm` writes an address: the domain in lower case.
fn folded(address: &str) -> String {
    match address.split_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_lowercase()),
        None => address.to_owned(),
    }
}

/// Messages that came from outside of the queue: with a client's or pickup's line, and so not bounces and forwards.
fn received(engine: &Engine) -> Vec<Row> {
    rows(
        engine,
        "SELECT queue_id, sender, size FROM messages \
         WHERE head_seen AND (service = 'pickup' OR service LIKE '%smtpd') ORDER BY line",
    )
}

/// Its totals, computed from our tables.
fn ours(engine: &Engine, lines: &Lines) -> BTreeMap<String, i64> {
    let mut ours = BTreeMap::new();
    let mut is = |name: &str, value: i64| {
        ours.insert(name.to_owned(), value);
    };
    let messages = received(engine);
    let known: HashSet<String> = messages
        .iter()
        .map(|m| text(m, "queue_id").to_owned())
        .collect();
    let refused: Vec<&String> = lines.given.difference(&known).collect();
    assert!(
        refused.iter().all(|id| !lines.active.contains(*id)),
        "messages lost: {refused:?}"
    );
    // It counts queue IDs given out, also those whose data were refused or never came.
    is("received", (messages.len() + refused.len()) as i64);
    let queued: Vec<&Row> = messages.iter().filter(|m| !m["size"].is_null()).collect();
    is(
        "bytes received",
        in_its_unit(queued.iter().map(|m| number(m, "size")).sum()),
    );
    let senders: BTreeSet<String> = queued.iter().map(|m| folded(text(m, "sender"))).collect();
    is("senders", senders.len() as i64);

    // `status=sent` is a delivery to it, also the hand-over to our own filter and what was thrown away.
    let sent =
        "status IN ('delivered', 'forwarded', 'discarded') AND reply NOT LIKE '%forwarded as %'";
    let delivered = rows(
        engine,
        &format!(
            "SELECT a.recipient AS recipient, m.size AS size FROM attempts AS a \
             LEFT JOIN messages AS m ON a.message = m.message WHERE {sent}"
        ),
    );
    is("delivered", delivered.len() as i64);
    is(
        "bytes delivered",
        in_its_unit(delivered.iter().map(|a| number(a, "size")).sum()),
    );
    let recipients: BTreeSet<String> = delivered
        .iter()
        .map(|a| folded(text(a, "recipient")))
        .collect();
    is("recipients", recipients.len() as i64);
    let domain = |address: &String| {
        address
            .split_once('@')
            .map_or(address.clone(), |(_, d)| d.to_owned())
    };
    let domains: BTreeSet<String> = recipients.iter().map(domain).collect();
    is("recipient hosts/domains", domains.len() as i64);
    is(
        "forwarded",
        one(
            engine,
            "COUNT(*) AS n FROM attempts WHERE reply LIKE '%forwarded as %'",
        ),
    );

    is(
        "deferrals",
        one(
            engine,
            "COUNT(*) AS n FROM attempts WHERE status = 'deferred'",
        ),
    );
    is(
        "deferred",
        one(
            engine,
            "COUNT(DISTINCT queue_id) AS n FROM attempts WHERE status = 'deferred'",
        ),
    );
    is(
        "bounced",
        one(
            engine,
            "COUNT(*) AS n FROM attempts WHERE status = 'bounced'",
        ),
    );

    // It knows refusals that have a line `reject:`, not those that end a session or are only counted at its end.
    let logged = "stage <> 'other' AND reply <> 'too many errors' AND reply NOT LIKE 'refused without a reason%'";
    let rejected =
        format!("COUNT(*) AS n FROM rejections WHERE action IN ('reject', 'defer') AND {logged}");
    is("rejected", one(engine, &rejected));
    // We have a row for `warn` actions too, and one verdict for a check that warns and one that informs.
    let warned = one(
        engine,
        "COUNT(*) AS n FROM rejections WHERE action = 'reject_warning'",
    );
    let checks = "COUNT(*) AS n FROM verdicts WHERE verdict IN ('header-check', 'body-check')";
    is(
        "reject warnings",
        warned + one(engine, checks) - lines.info - lines.warn,
    );
    is(
        "held",
        one(
            engine,
            "COUNT(*) AS n FROM rejections WHERE action = 'hold'",
        ),
    );
    is(
        "discarded",
        one(
            engine,
            "COUNT(*) AS n FROM rejections WHERE action = 'discard'",
        ),
    );
    ours
}

fn compare(name: &str, log: &Path, zone: chrono_tz::Tz) {
    let Some(mut theirs) = totals(log) else {
        return;
    };
    // Half senders' domains, half clients' names, as the case may be: no figure of ours.
    theirs.remove("sending hosts/domains");
    let ours = ours(&engine(&[log.to_path_buf()], zone), &Lines::of(log));
    println!("{name}: {theirs:?}");
    assert!(theirs.len() >= 14, "{theirs:?}");
    assert_eq!(theirs, ours, "{name}");
}

#[test]
fn the_limits_say_where_the_totals_differ() {
    let query = std::fs::read_to_string(repo("queries/capacity/overview.sql")).unwrap();
    let limits = query.lines().find(|line| line.starts_with("-- limits"));
    assert!(limits.unwrap().contains("pflogsumm differ by rule"));
}

#[test]
fn totals_of_the_lab() {
    let dir = tempfile::tempdir().unwrap();
    for (name, zone) in [
        ("mail.iso.log", chrono_tz::UTC),
        ("mail.log", chrono_tz::UTC),
        ("long-ids.mail.log", chrono_tz::Europe::Berlin),
    ] {
        let log = unpacked(&format!("lab/captures/postfix/{name}.xz"), dir.path());
        log.iter().for_each(|log| compare(name, log, zone));
    }
}

/// Rotated files as one, oldest first: `pflogsumm` reads no zstd.
fn concatenated(folder: &Path) -> Vec<u8> {
    let mut ages: HashMap<usize, PathBuf> = HashMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let age = name
            .split('.')
            .find_map(|part| part.parse().ok())
            .unwrap_or(0);
        ages.insert(age, path);
    }
    let mut all = Vec::new();
    for age in (0..ages.len()).rev() {
        let bytes = std::fs::read(&ages[&age]).unwrap();
        match ages[&age].extension().and_then(|e| e.to_str()) {
            Some("gz") => {
                let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
                std::io::Read::read_to_end(&mut decoder, &mut all).unwrap();
            }
            Some("zst") => all.extend(zstd::decode_all(&bytes[..]).unwrap()),
            _ => all.extend(bytes),
        }
    }
    all
}

#[test]
fn totals_of_the_sample_logs() {
    let dir = tempfile::tempdir().unwrap();
    for host in ["mx1", "mx2"] {
        let log = dir.path().join(host);
        std::fs::write(&log, concatenated(&repo("sample-logs/postfix").join(host))).unwrap();
        compare(host, &log, chrono_tz::Europe::Berlin);
    }
}
