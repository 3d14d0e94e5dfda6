//! `--pseudonymise`: nobody of the logs is in anything that is written, and nothing but the words differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use mtaudit::cli::{HiddenToo, PrivacyArgs};
use mtaudit::commands::load::{Options, load};
use mtaudit::commands::privacy::Privacy;
use mtaudit::pseudonyms::nobody;
use mtaudit::tables::schema::TABLES;
use serde_json::Value;

use crate::support::{code, files, mtaudit, repo, said};
use crate::windows::rows;

const KEY: &[u8] = b"a key of the tests, thirty-two b";

/// A folder with the sample logs, and one that has persons in places where samples have none.
struct Case {
    dir: tempfile::TempDir,
}

/// Names in a path, in a server's words, in a Dovecot line, in a subject, with a number for a user.
const ODD: &str = "\
2026-11-23T11:00:01.000000+01:00 mx5 postfix/submission/smtpd[11]: connect from p4fd2a1b3.dip0.isp.example[198.51.100.77]
2026-11-23T11:00:02.000000+01:00 mx5 postfix/submission/smtpd[11]: 4F1AAAA1: client=p4fd2a1b3.dip0.isp.example[198.51.100.77], sasl_method=PLAIN, sasl_username=zacharias
2026-11-23T11:00:02.100000+01:00 mx5 postfix/cleanup[12]: 4F1AAAA1: message-id=<zacharias.77@p4fd2a1b3.dip0.isp.example>
2026-11-23T11:00:02.200000+01:00 mx5 postfix/qmgr[13]: 4F1AAAA1: from=<Zacharias.Quint@corp.example>, size=900, nrcpt=1 (queue active)
2026-11-23T11:00:03.000000+01:00 mx5 postfix/local[14]: 4F1AAAA1: to=<wilhelmina@corp.example>, relay=local, delay=1, delays=0.2/0/0.3/0.5, dsn=5.2.2, status=bounced (cannot update mailbox /var/mail/wilhelmina for user wilhelmina. unable to lock: zacharias.quint%40corp.example via p198-51-100-77.isp.example)
2026-11-23T11:00:03.100000+01:00 mx5 postfix/qmgr[13]: 4F1AAAA1: removed
2026-11-23T11:00:04.000000+01:00 mx5 postfix/submission/smtpd[11]: disconnect from p4fd2a1b3.dip0.isp.example[198.51.100.77] ehlo=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=6
2026-11-23T11:00:05.000000+01:00 mx5 postfix/local[14]: warning: maildir access problem for UID/GID=491701234567/8: create /home/wilhelmina/tmp/x: Permission denied
2026-11-23T11:00:06.000000+01:00 mx5 postfix/cleanup[12]: 4F1AAAA2: warning: header Subject: Secret of Ottokar from p4fd2a1b3.dip0.isp.example[198.51.100.77]; from=<Zacharias.Quint@corp.example> to=<wilhelmina@corp.example> proto=ESMTP helo=<ottokars-laptop>
2026-11-23T11:00:06.500000+01:00 mx5 postfix/cleanup[12]: 4F1AAAA2: reject: header X-Note: Ottokar is away from p4fd2a1b3.dip0.isp.example[198.51.100.77]; from=<Zacharias.Quint@corp.example> to=<wilhelmina@corp.example> proto=ESMTP helo=<ottokars-laptop>: 5.7.1 no notes
2026-11-23T11:00:07.000000+01:00 mx5 postfix/smtpd[15]: NOQUEUE: reject: RCPT from unknown[198.51.100.78]: 554 5.7.1 Service unavailable; Client host [198.51.100.78] blocked using zen.spamhaus.example; https://check.example/ip/198.51.100.78?to=wilhelmina%40corp.example 78.100.51.198.zen.spamhaus.example; from=<bounce+wilhelmina=corp.example@list.example> to=<wilhelmina@corp.example> proto=ESMTP helo=<ottokars-laptop>
2026-11-23T11:00:08.000000+01:00 mx5 dovecot: imap-login: Login: user=<wilhelmina>, method=PLAIN, rip=2001:db8:77:1::9, lip=192.0.2.10, mpid=99, TLS, session=<abc>
2026-11-23T11:00:09.000000+01:00 mx5 postfix/smtpd[15]: odd words about wilhelmina and zacharias here
2026-11-23T11:00:10.000000+01:00 mx5 postfix/smtpd[15]: fatal: no such user: zacharias
";

impl Case {
    fn new() -> Case {
        let dir = tempfile::tempdir().unwrap();
        let case = Case { dir };
        copy(&repo("sample-logs"), &case.path("logs"));
        fs::create_dir_all(case.path("logs/wilhelmina")).unwrap();
        fs::write(case.path("logs/wilhelmina/198.51.100.77.log"), ODD).unwrap();
        fs::write(case.path("key"), KEY).unwrap();
        let about = "reference = \"7 of wilhelmina@corp.example\"\nexaminer = \"Examiner X.\"\n";
        fs::write(case.path("case.toml"), about).unwrap();
        fs::write(case.path("other"), b"another key, just as long as that").unwrap();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command; everything it says and prints.
    fn run(&self, words: &[&str]) -> (String, i32) {
        let output = mtaudit(self.dir.path(), words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output);
        (text, code(&output))
    }

    /// The same with logs and key.
    fn hidden(&self, words: &[&str]) -> String {
        let (text, code) =
            self.run(&[words, &["--year", "2026", "--pseudonymise", "key"]].concat());
        assert!([0, 3].contains(&code), "{words:?}: {code}: {text}");
        text
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in files(from) {
        let target = to.join(&name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(name), target).unwrap();
    }
}

/// What is to be found nowhere, in lower case.
#[derive(Default)]
struct Persons {
    addresses: BTreeSet<String>,
    users: BTreeSet<String>,
    ips: BTreeSet<String>,
    ids: BTreeSet<String>,
}

/// A scanner of its own: text between marks.
fn between<'t>(text: &'t str, open: &str, close: &[char]) -> Vec<&'t str> {
    let found = text.match_indices(open).filter_map(|(at, _)| {
        let rest = &text[at + open.len()..];
        rest.find(close).map(|end| &rest[..end])
    });
    found.collect()
}

impl Persons {
    fn of(dir: &Path) -> Persons {
        let mut all = Persons::default();
        for name in files(dir) {
            let bytes = decoded(&dir.join(name));
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            text.lines().for_each(|line| all.add(line));
        }
        assert!(all.addresses.len() > 100 && all.ips.len() > 20 && all.ids.len() > 100);
        all
    }

    fn add(&mut self, line: &str) {
        // A log line: `date host program: text`. What stands elsewhere is no log.
        if !line.contains("postfix") && !line.contains("dovecot") {
            return;
        }
        let word = |c: char| !(c.is_alphanumeric() || "!#$&'*+-/?^_`{|}~.@%".contains(c));
        for token in line.split(word) {
            if let Some((local, domain)) = token.split_once('@')
                && !local.is_empty()
                && domain.contains('.')
            {
                self.addresses
                    .insert(token.trim_end_matches('.').to_owned());
            }
        }
        for ip in between(line, "[", &[']'])
            .into_iter()
            .chain(between(line, "rip=", &[',']))
        {
            if let Ok(ip) = ip.parse::<std::net::IpAddr>()
                && !ip.is_loopback()
                && line.contains(&format!("from {}", ip))
                    | line.contains(&format!("[{ip}]"))
                    | line.contains(&format!("rip={ip}"))
            {
                self.ips.insert(ip.to_string());
            }
        }
        let ids = between(line, "message-id=<", &['>']);
        self.ids
            .extend(ids.into_iter().filter(|id| id.len() > 4).map(str::to_owned));
        let users = format!("{line},");
        for (open, close) in [("sasl_username=", ','), ("user=<", '>')] {
            for user in between(&users, open, &[close]) {
                if !nobody::is_plain_word(user) && user.len() > 3 {
                    self.users.insert(user.to_owned());
                }
            }
        }
    }

    /// Looks for all of them at once.
    fn finder(&self) -> Finder {
        let lists = [&self.addresses, &self.ids, &self.ips, &self.users];
        let words = lists.into_iter().flatten().map(String::as_str);
        let words: Vec<String> = words
            .chain(WORDS.iter().copied())
            .map(str::to_owned)
            .collect();
        Finder {
            all: AhoCorasick::new(&words).unwrap(),
            words,
        }
    }
}

struct Finder {
    all: AhoCorasick,
    words: Vec<String>,
}

impl Finder {
    /// Who stands in a text as a word, with the text around.
    fn found(&self, text: &str) -> Vec<(&str, String)> {
        let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let found = self.all.find_overlapping_iter(text).filter(|found| {
            let (before, after) = (&text[..found.start()], &text[found.end()..]);
            !is_part(before.chars().next_back()) && !is_part(after.chars().next())
        });
        let near = |at: usize| {
            let before: Vec<char> = text[..at].chars().rev().take(60).collect();
            let before: String = before.into_iter().rev().collect();
            before + &text[at..].chars().take(80).collect::<String>()
        };
        let found = found.map(|found| {
            let word = self.words[found.pattern().as_usize()].as_str();
            (word, near(found.start()))
        });
        found.collect()
    }

    fn nobody_in(&self, what: &str, output: &str) {
        let lower = output.to_lowercase();
        // Markdown escapes with backslashes, HTML with entities: names are looked for in what is read, too.
        let read = lower
            .replace('\\', "")
            .replace("&#64;", "@")
            .replace("&#x27;", "'");
        for text in [&lower, &read] {
            if let Some((word, near)) = self.found(text).first() {
                panic!("{what} holds {word}: {near}");
            }
        }
    }
}

fn decoded(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let mut out = Vec::new();
    match bytes.as_slice() {
        [0x1f, 0x8b, ..] => {
            // Damaged ones end early.
            let _ = flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut out);
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = zstd::stream::read::Decoder::new(bytes.as_slice());
            let _ = decoder.and_then(|mut decoder| decoder.read_to_end(&mut out));
        }
        _ => out = bytes,
    }
    out
}

/// Names that stand in words, paths and hosts.
const WORDS: &[&str] = &[
    "wilhelmina",
    "zacharias",
    "zacharias.quint",
    "ottokar",
    "ottokars-laptop",
    "p4fd2a1b3.dip0.isp.example",
    "p198-51-100-77",
    "78.100.51.198",
    "198.51.100.77",
];

fn folder(dir: &Path) -> BTreeMap<String, String> {
    let read = |name: String| {
        let text = String::from_utf8_lossy(&fs::read(dir.join(&name)).unwrap()).into_owned();
        (name, text)
    };
    files(dir).into_iter().map(read).collect()
}

fn json(folder: &BTreeMap<String, String>) -> Value {
    serde_json::from_str(&folder["report.json"]).unwrap()
}

/// Queries that read the form of a name: a pseudonym has none, as their limits say.
const OF_FORMS: [&str; 4] = [
    "access/honeypot_names",
    "delivery/we_are_blocked",
    "spam/helo_anomaly",
    "spam/snowshoe",
];

/// Without what [`OF_FORMS`] say.
fn of_no_forms(figures: (Vec<String>, Vec<String>)) -> (Vec<String>, Vec<String>) {
    let keep = |list: Vec<String>| {
        let other = |text: &String| !OF_FORMS.iter().any(|name| text.contains(name));
        list.into_iter().filter(other).collect()
    };
    (keep(figures.0), keep(figures.1))
}

/// Rows of each result, and findings by query and severity.
fn figures(report: &Value) -> (Vec<String>, Vec<String>) {
    let sections = report["sections"].as_array().unwrap();
    let results = sections
        .iter()
        .flat_map(|s| s["results"].as_array().unwrap());
    let rows = results.map(|r| format!("{} {} {}", r["name"], r["total"], r["not_assessable"]));
    let findings = report["findings"].as_array().unwrap();
    let mut said: Vec<String> = findings
        .iter()
        .map(|f| format!("{} {}", f["query"], f["severity"]))
        .collect();
    said.sort();
    (rows.collect(), said)
}

#[test]
fn nobody_is_in_a_report() {
    let case = Case::new();
    let persons = Persons::of(&case.path("logs")).finder();
    for kind in ["audit", "capacity"] {
        let more = ["--evidence", "--case", "case.toml"];
        let said = case.hidden(&[&["report", kind, "logs", "--out", kind], &more[..]].concat());
        persons.nobody_in("what the report says", &said);
        let shown = folder(&case.path(kind));
        let evidence = shown
            .iter()
            .filter(|(name, _)| name.starts_with("evidence/"));
        assert!(
            evidence.clone().any(|(_, text)| text.contains("u_")),
            "{:?}",
            shown.keys()
        );
        for (name, text) in evidence {
            assert!(
                !text.contains("not here") && !text.contains("not there"),
                "{name}: {text}"
            );
        }
        assert!(
            shown["report.md"].contains("Examiner X."),
            "{}",
            shown["report.md"]
        );
        for (name, text) in &shown {
            persons.nobody_in(&format!("{kind}/{name}"), text);
        }
        let (said, _) = case.run(&["report", kind, "logs", "--year", "2026", "--out", "plain"]);
        assert!(said.contains("findings"), "{said}");
        let plain = folder(&case.path("plain"));
        // The scanner finds what it looks for where nothing is hidden.
        let all = plain.values().cloned().collect::<String>().to_lowercase();
        let found = persons.found(&all).into_iter().map(|(word, _)| word);
        let found: BTreeSet<&str> = found.collect();
        assert!(found.len() > 40, "{kind}: {found:?}");
        let (hidden, open) = (figures(&json(&shown)), figures(&json(&plain)));
        assert_eq!(of_no_forms(hidden), of_no_forms(open), "{kind}");
        assert!(!figures(&json(&plain)).1.is_empty() || kind != "audit");
        fs::remove_dir_all(case.path("plain")).unwrap();
    }
    let manifest = &folder(&case.path("audit"))["manifest.json"];
    assert!(
        manifest.contains("key check") && manifest.contains("KEYFILE"),
        "{manifest}"
    );
}

#[test]
fn a_report_about_somebody_names_the_pseudonym() {
    let case = Case::new();
    let persons = Persons::of(&case.path("logs")).finder();
    for (key, form) in [
        ("Wilhelmina@corp.example", "u_"),
        ("198.51.100.77", "198.51.100.h"),
        ("2001:db8:77:1::9", "2001:db8:77:h"),
        ("isp.example", "isp.example"),
    ] {
        let words = ["report", "incident", "logs", "--about", key, "--out"];
        let said = case.hidden(&[&words[..], &["hidden"]].concat());
        persons.nobody_in("what the report says", &said);
        let shown = folder(&case.path("hidden"));
        for (name, text) in &shown {
            persons.nobody_in(&format!("{key}: {name}"), text);
        }
        let filter = &json(&shown)["filters"][0];
        assert!(
            filter
                .as_str()
                .unwrap()
                .starts_with(&format!("about {form}")),
            "{filter}"
        );
        let (said, code) = case.run(&[&words[..], &["plain", "--year", "2026"]].concat());
        assert!([0, 3].contains(&code), "{said}");
        let plain = json(&folder(&case.path("plain")));
        assert_eq!(figures(&json(&shown)), figures(&plain), "{key}");
    }
}

#[test]
fn nobody_is_in_tables_nor_in_what_is_asked_of_them() {
    let case = Case::new();
    let persons = Persons::of(&case.path("logs")).finder();
    persons.nobody_in(
        "convert",
        &case.hidden(&["convert", "logs", "--out", "tables"]),
    );
    persons.nobody_in(
        "--store",
        &case.hidden(&["inspect", "logs", "--store", "stored"]),
    );
    for store in ["tables", "stored"] {
        let index = fs::read_to_string(case.path(store).join("mtaudit.json")).unwrap();
        persons.nobody_in("mtaudit.json", &index);
        assert!(index.contains("\"check\""), "{index}");
        for table in TABLES {
            let all = format!("SELECT * FROM {} ORDER BY source, line", table.name);
            // Without a key, as whoever receives the tables reads them.
            let (text, code) = case.run(&["sql", &all, store, "--format", "csv"]);
            assert!([0, 3].contains(&code), "{text}");
            persons.nobody_in(&format!("{store}: {}", table.name), &text);
            assert!(table.name != "messages" || text.matches("u_").count() > 100);
        }
    }
    for format in ["table", "csv", "json", "md"] {
        let said = case.hidden(&["inspect", "logs", "--format", format]);
        persons.nobody_in("inspect", &said);
        let said = case.hidden(&["query", "unknown_recipients", "logs", "--format", format]);
        persons.nobody_in("query", &said);
        let said = case.hidden(&[
            "sql",
            "SELECT * FROM server_events",
            "logs",
            "--format",
            format,
        ]);
        persons.nobody_in("sql", &said);
    }
}

#[test]
fn one_key_gives_one_person_and_another_key_another() {
    let case = Case::new();
    let senders = "SELECT DISTINCT sender FROM messages WHERE host = 'mx5'";
    let ask = |from: &str, key: &str| {
        let words = ["sql", senders, from, "--year", "2026", "--format", "json"];
        let (text, _) = case.run(&[&words[..], &["-q", "--pseudonymise", key]].concat());
        text
    };
    let own = ask("logs", "key");
    assert!(own.contains("u_"), "{own}");
    assert_eq!(own, ask("logs", "key"));
    assert_eq!(own, ask("logs/wilhelmina", "key"));
    assert_ne!(own, ask("logs", "other"));
    case.hidden(&["convert", "logs", "--out", "tables"]);
    assert_eq!(own, ask("tables", "key"));
    // A report and a query agree.
    case.hidden(&[
        "report",
        "incident",
        "logs",
        "--about",
        "wilhelmina@corp.example",
        "--out",
        "out",
    ]);
    let report = folder(&case.path("out"));
    let name: Value = serde_json::from_str(&own).unwrap();
    let name = name[0]["sender"].as_str().unwrap();
    assert!(report["report.json"].contains(name), "{name}");
    // Plain tables are read with a key too.
    case.run(&["convert", "logs", "--year", "2026", "--out", "plain"]);
    assert_eq!(own, ask("plain", "key"));
}

/// Every line of the logs, as evidence would show it: nobody is in any.
#[test]
fn nobody_is_in_any_raw_line() {
    let case = Case::new();
    let persons = Persons::of(&case.path("logs")).finder();
    let args = PrivacyArgs {
        pseudonymise: Some(case.path("key")),
        pseudonymise_also: Vec::new(),
        pseudonymise_keep: Vec::new(),
        pseudonym_map: None,
    };
    let mut options = Options::new(vec![case.path("logs")], chrono_tz::Europe::Berlin);
    options.year = Some(2026);
    options.privacy = Privacy::new(&args).unwrap();
    load(&options).unwrap();
    let own = options.privacy.unwrap().pseudonyms;
    let mut lines = 0;
    for name in files(&case.path("logs")) {
        let bytes = decoded(&case.path("logs").join(&name));
        for line in String::from_utf8_lossy(&bytes).lines() {
            // Journal exports and the like become lines before they are shown.
            if line.starts_with('{') {
                continue;
            }
            let (head, text) = line.split_at(mtaudit::syslog::text_start(line.as_bytes()));
            persons.nobody_in(&name, &own.line(head, text));
            lines += 1;
        }
    }
    assert!(lines > 1000, "{lines}");
}

/// Raw lines behind tables that hide persons would name them.
#[test]
fn tables_with_pseudonyms_have_no_raw_lines() {
    let case = Case::new();
    case.hidden(&["convert", "logs", "--out", "hidden"]);
    let words = ["report", "audit", "hidden", "--evidence", "--out", "out"];
    for key in [&[][..], &["--pseudonymise", "key"]] {
        let (text, code) = case.run(&[&words[..], key].concat());
        assert_eq!(code, 2, "{text}");
        assert!(
            text.contains("hides persons") && text.contains("hint:"),
            "{text}"
        );
        assert!(!case.path("out").exists());
    }
    let (text, code) = case.run(&["report", "audit", "hidden", "--out", "out"]);
    assert!([0, 3].contains(&code), "{text}");
}

/// Sources are found again by the names that they have, not by those that are shown: under folders of plain tables, and
/// inside archives.
#[test]
fn sources_with_hidden_names_are_hashed_again() {
    let case = Case::new();
    let logs = case.path("logs");
    fs::create_dir(case.path("packed")).unwrap();
    let tar = std::process::Command::new("tar")
        .args([
            "czf",
            "packed/wilhelmina.tgz",
            "-C",
            "logs",
            "wilhelmina",
            "postfix",
        ])
        .current_dir(case.dir.path())
        .status();
    assert!(tar.unwrap().success());
    let (text, code) = case.run(&[
        "convert",
        "logs/wilhelmina",
        "--year",
        "2026",
        "--out",
        "plain",
    ]);
    assert_eq!(code, 0, "{text}");
    assert!(logs.exists());
    for (from, sources) in [("plain", 1), ("packed", 3), ("logs/wilhelmina", 1)] {
        let words = [
            "report",
            "audit",
            from,
            "--evidence",
            "--case",
            "case.toml",
            "--out",
        ];
        case.hidden(&[&words[..], &["out"]].concat());
        let report = json(&folder(&case.path("out")));
        let again = &report["rehashed"];
        assert_eq!(again["changed"], serde_json::json!([]), "{from}: {again}");
        assert!(
            again["sources"].as_u64().unwrap() >= sources,
            "{from}: {again}"
        );
        let shown = folder(&case.path("out"));
        let evidence = shown
            .iter()
            .filter(|(name, _)| name.starts_with("evidence/"));
        assert!(evidence.clone().count() > 0, "{from}");
        for (name, text) in evidence {
            assert!(!text.contains("not here"), "{from}: {name}: {text}");
        }
    }
}

/// The hash of a case whose text is known but for a name would tell which name fits.
#[test]
fn a_case_that_names_somebody_has_no_hash() {
    let case = Case::new();
    let report = |file: &str| {
        let words = ["report", "capacity", "logs", "--case", file, "--out", "out"];
        case.hidden(&words);
        let manifest = fs::read(case.path("out/manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        manifest["case"].clone()
    };
    let named = report("case.toml");
    assert!(named["sha256"].is_null(), "{named}");
    assert_eq!(named["header"]["examiner"], "Examiner X.");
    let reference = named["header"]["reference"].as_str().unwrap();
    assert!(reference.starts_with("7 of u_"), "{reference}");
    let text = fs::read_to_string(case.path("out/report.md")).unwrap();
    assert!(text.contains("its SHA-256 is left out"), "{text}");
    let (text, _) = case.run(&["verify", "out", "logs"]);
    assert!(!text.contains("case.toml"), "{text}");
    fs::write(case.path("plain.toml"), "reference = \"7\"\n").unwrap();
    let plain = report("plain.toml");
    assert_eq!(plain["sha256"].as_str().map(str::len), Some(64), "{plain}");
}

#[test]
fn tables_with_pseudonyms_are_not_mixed() {
    let case = Case::new();
    case.hidden(&["convert", "logs/postfix", "--out", "hidden"]);
    case.run(&[
        "convert",
        "logs/hostile",
        "--out",
        "plain",
        "--year",
        "2026",
    ]);
    let count = "SELECT COUNT(*) AS n FROM messages";
    for (words, said) in [
        (
            vec!["sql", count, "hidden", "logs/wilhelmina"],
            "are not joined",
        ),
        (vec!["sql", count, "hidden", "plain"], "are not joined"),
        (
            vec!["sql", count, "hidden", "--pseudonymise", "other"],
            "key check",
        ),
        (
            vec![
                "sql",
                count,
                "hidden",
                "--pseudonymise",
                "key",
                "--pseudonymise-also",
                "domains",
            ],
            "key check",
        ),
        (
            vec!["convert", "logs/wilhelmina", "--out", "hidden"],
            "pseudonyms",
        ),
        (
            vec![
                "convert",
                "logs/wilhelmina",
                "--out",
                "plain",
                "--pseudonymise",
                "key",
            ],
            "no pseudonyms",
        ),
    ] {
        let (text, code) = case.run(&words);
        assert_eq!(code, 2, "{words:?}: {text}");
        assert!(
            text.contains(said) && text.contains("hint:"),
            "{words:?}: {text}"
        );
    }
    // With the key, tables grow and logs are read beside them.
    case.hidden(&["sql", count, "hidden", "logs/wilhelmina"]);
    case.hidden(&["convert", "logs/wilhelmina", "--out", "hidden"]);
    let (text, _) = case.run(&["sql", "SELECT * FROM sources", "hidden", "--format", "csv"]);
    Persons::default().finder().nobody_in("grown tables", &text);
}

#[test]
fn domains_and_networks_are_hidden_too() {
    let case = Case::new();
    let also = ["--pseudonymise-also", "domains,networks"];
    let words = [
        "report",
        "audit",
        "logs",
        "--local-domain",
        "corp.example",
        "--out",
        "out",
    ];
    let said = case.hidden(&[&words[..], &also].concat());
    let mut shown = folder(&case.path("out"));
    shown.insert("said".into(), said);
    for (name, text) in &shown {
        for word in [
            "corp.example",
            "isp.example",
            "198.51.100",
            "203.0.113",
            "2001:db8",
        ] {
            let lower = text.to_lowercase();
            assert!(!lower.contains(word), "{name} holds {word}");
        }
    }
    let words = [
        "convert",
        "logs",
        "--local-domain",
        "corp.example",
        "--out",
        "tables",
    ];
    case.hidden(&[&words[..], &also].concat());
    let index = fs::read_to_string(case.path("tables/mtaudit.json")).unwrap();
    assert!(!index.contains("corp.example"), "{index}");
}

#[test]
fn the_map_is_written_once_for_its_owner() {
    let case = Case::new();
    let words = [
        "query",
        "unknown_recipients",
        "logs",
        "-q",
        "--format",
        "csv",
        "--pseudonym-map",
    ];
    let shown = case.hidden(&[&words[..], &["map.csv"]].concat());
    let map = fs::read_to_string(case.path("map.csv")).unwrap();
    assert!(map.starts_with("pseudonym,kind,original\r\n"), "{map}");
    let rows: BTreeMap<&str, &str> = map
        .lines()
        .filter_map(|line| Some((line.split(',').next()?, line.split(',').nth(2)?)))
        .collect();
    let first = shown.lines().skip(1).flat_map(|line| line.split(','));
    let first = first
        .into_iter()
        .find(|cell| cell.starts_with("u_"))
        .unwrap();
    assert!(rows[first].contains('@'), "{first}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = fs::metadata(case.path("map.csv")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let base = ["report", "audit", "logs", "--out", "out", "--pseudonymise"];
    fs::write(case.path("short"), "too short").unwrap();
    for (words, said) in [
        (vec!["key", "--pseudonym-map", "map.csv"], "there is a file"),
        (vec!["key", "--pseudonym-map", "out/map.csv"], "passed on"),
        (vec!["short"], "head -c 32 /dev/urandom"),
        (vec!["missing"], "head -c 32 /dev/urandom"),
    ] {
        let (text, code) = case.run(&[&base[..], &words].concat());
        assert_eq!(code, 2, "{words:?}: {text}");
        assert!(
            text.contains(said) && text.contains("hint:"),
            "{words:?}: {text}"
        );
    }
}

/// From memory, from files, and with other threads: the same pseudonyms in the same rows.
#[test]
fn windows_hide_what_memory_hides() {
    let case = Case::new();
    let args = PrivacyArgs {
        pseudonymise: Some(case.path("key")),
        pseudonymise_also: vec![HiddenToo::Networks],
        pseudonymise_keep: Vec::new(),
        pseudonym_map: None,
    };
    let read = |memory: u64, threads: usize| {
        let mut options = Options::new(vec![case.path("logs")], chrono_tz::Europe::Berlin);
        options.year = Some(2026);
        options.memory = memory;
        options.threads = Some(threads);
        options.privacy = Privacy::new(&args).unwrap();
        load(&options).unwrap()
    };
    let (whole, windows) = (read(u64::MAX, 2), read(1, 1));
    assert!(windows.tables.on_disk() && !whole.tables.on_disk());
    let (whole, windows) = (rows(&whole), rows(&windows));
    for (table, rows) in &whole {
        for (one, other) in rows.iter().zip(&windows[table]) {
            assert_eq!(one, other, "{table}");
        }
        assert_eq!(rows.len(), windows[table].len(), "{table}");
    }
}

#[test]
fn a_report_without_persons_is_made_again_with_its_key() {
    let case = Case::new();
    case.hidden(&["report", "audit", "logs", "--evidence", "--out", "out"]);
    let verify = |more: &[&str]| {
        let words = ["verify", "out", "logs", "--rebuild"];
        case.run(&[&words[..], more].concat())
    };
    let (said, code) = verify(&["--pseudonymise", "key"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("made again:"), "{said}");
    // Where its paths are still right, none need be given, though names in them are hidden.
    let words = ["verify", "out", "--rebuild", "--pseudonymise", "key"];
    let (text, code) = case.run(&words);
    assert_eq!(code, 0, "{text}");
    let (said, code) = verify(&[]);
    assert!(
        code == 3 && said.contains("give the file with --pseudonymise"),
        "{said}"
    );
    let (said, code) = verify(&["--pseudonymise", "other"]);
    assert!(code == 3 && said.contains("not of this key"), "{said}");
}

/// Sources are listed with their hashes, and a hash of the key would let a short one be guessed.
#[test]
fn a_key_among_the_logs_is_refused() {
    let case = Case::new();
    fs::write(case.path("logs/key"), KEY).unwrap();
    for words in [
        &["report", "audit", "logs", "--out", "out"][..],
        &["convert", "logs", "--out", "tables"],
        &["inspect", "logs", "logs/key"],
        &["query", "outcomes", "logs"],
    ] {
        let (text, code) = case.run(&[words, &["--pseudonymise", "logs/key"]].concat());
        assert_eq!(code, 2, "{words:?}: {text}");
        assert!(text.contains("lies among the logs"), "{text}");
    }
    assert!(!case.path("out/manifest.json").exists());
}

/// What a report says of its command is a stranger's word.
#[test]
fn a_report_that_is_made_again_writes_no_map() {
    let case = Case::new();
    case.hidden(&["report", "audit", "logs", "--out", "out"]);
    let path = case.path("out/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let map = case.path("map.csv").display().to_string();
    let forged = text.replacen(
        "\"--pseudonymise\",",
        &format!("\"--pseudonym-map={map}\", \"--pseudonymise\","),
        1,
    );
    assert_ne!(text, forged);
    fs::write(&path, forged).unwrap();
    let (said, code) = case.run(&[
        "verify",
        "out",
        "logs",
        "--rebuild",
        "--pseudonymise",
        "key",
    ]);
    assert!(code == 3 && said.contains("made again:"), "{said}");
    assert!(!case.path("map.csv").exists(), "{said}");
}
