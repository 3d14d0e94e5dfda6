//! `--config` and `mtaudit init`, through the binary.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{code, files, mtaudit, said, text};

/// A client that guesses: six failures in as many minutes.
fn guessing(ip: &str) -> String {
    let line = |minute: usize| {
        format!(
            "2026-10-05T09:{minute:02}:00+00:00 mx1 postfix/smtpd[201]: warning: unknown[{ip}]: SASL LOGIN \
             authentication failed: UGFzc3dvcmQ6, sasl_username=alice@corp.example\n"
        )
    };
    (0..6).map(line).collect()
}

/// One message from a client to a mailbox, or to another domain.
fn message(n: usize, client: &str, to: &str, here: bool) -> String {
    let time = format!("2026-10-05T10:{n:02}:00+00:00 mx1 postfix");
    let (program, relay) = match here {
        true => ("local", "local"),
        false => ("smtp", "mx.other.example[198.51.100.200]:25"),
    };
    format!(
        "{time}/smtpd[301]: connect from {client}\n{time}/smtpd[301]: 4F1AAA{n:02X}: client={client}\n\
         {time}/qmgr[302]: 4F1AAA{n:02X}: from=<bob@corp.example>, size=900, nrcpt=1 (queue active)\n\
         {time}/{program}[303]: 4F1AAA{n:02X}: to=<{to}>, relay={relay}, delay=1, delays=0.2/0/0.3/0.5, dsn=2.0.0, \
         status=sent (250 ok)\n{time}/qmgr[302]: 4F1AAA{n:02X}: removed\n\
         {time}/smtpd[301]: disconnect from {client} ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n"
    )
}

/// Looks in once an hour, for 26 hours.
fn monitor(client: &str) -> String {
    let look = |hour: usize| {
        let time = format!(
            "2026-10-{:02}T{:02}:30:00+00:00 mx1",
            5 + hour / 24,
            hour % 24
        );
        format!(
            "{time} postfix/smtpd[401]: connect from {client}\n\
             {time} postfix/smtpd[401]: disconnect from {client} quit=1 commands=1\n"
        )
    };
    (0..26).map(look).collect()
}

/// A folder with logs in `logs/`.
fn logs() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("logs")).unwrap();
    // In the order of time: the monitor's log is another host's as far as the order goes, so it is a file of its own.
    let guesses: Vec<String> = (70..78)
        .map(|n| guessing(&format!("192.0.2.{n}")))
        .collect();
    let mut lines: Vec<&str> = guesses.iter().flat_map(|text| text.lines()).collect();
    lines.sort_unstable();
    let mail: String = (0..12)
        .map(|n| {
            message(
                n,
                "relay.partner.example[198.51.100.7]",
                "x@other.example",
                false,
            )
        })
        .chain([message(12, "desk[10.1.2.3]", "alice@corp.example", true)])
        .collect();
    fs::write(
        dir.path().join("logs/mail.log"),
        lines.join("\n") + "\n" + &mail,
    )
    .unwrap();
    let monitor = monitor("probe.monitor.example[203.0.113.5]").replace(" mx1 ", " mx2 ");
    fs::write(dir.path().join("logs/mx2.log"), monitor).unwrap();
    dir
}

const CONFIG: &str = r#"organisation = "Example <Ltd>"
title = "Mail of October"
logo = "art/logo.svg"
local_domains = ["Corp.example"]
holidays = ["2026-10-05"]

[networks]
relays = ["198.51.100.7"]
scanners = ["203.0.113.0/24"]

[thresholds]
"password_guessing.max_failures" = 6

[[mute]]
query = "access/password_guessing"
contains = "192.0.2.7"
reason = "matches no whole address"

[[mute]]
query = "password_guessing"
contains = "192.0.2.71"
reason = "our monitor"
until = "2026-10-06"

[[mute]]
query = "access/password_guessing"
contains = "192.0.2.72"
reason = "was our monitor"
until = 2026-10-05
"#;

const LOGO: &str =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 2 2\"><path d=\"M0 0h2v2z\"/></svg>";

fn configured() -> tempfile::TempDir {
    let dir = logs();
    fs::write(dir.path().join("mtaudit.toml"), CONFIG).unwrap();
    fs::create_dir(dir.path().join("art")).unwrap();
    fs::write(dir.path().join("art/logo.svg"), LOGO).unwrap();
    dir
}

fn report(dir: &Path, more: &[&str]) -> Value {
    let args = [
        &["report", "audit", "-q", "--out", "report"],
        more,
        &["logs"],
    ]
    .concat();
    let output = mtaudit(dir, &args);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let json = fs::read(dir.join("report/report.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

/// Sentences of the findings on guessing.
fn guesses(list: &Value, inner: &str) -> Vec<String> {
    let findings = list.as_array().unwrap().iter();
    let findings = findings.map(|one| if inner.is_empty() { one } else { &one[inner] });
    let own = findings.filter(|one| one["query"] == "access/password_guessing");
    own.map(|one| one["sentence"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_report_is_made_as_the_configuration_says() {
    let dir = configured();
    let report = report(dir.path(), &["--config", "mtaudit.toml"]);
    assert_eq!(report["title"], "Mail of October");
    assert_eq!(report["organisation"], "Example <Ltd>");
    let html = read(dir.path(), "report/report.html");
    assert!(html.contains("default-src 'none'; img-src data:; style-src"));
    assert!(html.contains("<img class=\"logo\" src=\"data:image/svg+xml;base64,PHN2Zy"));
    assert!(html.contains("Example &lt;Ltd&gt;") && !html.contains("<Ltd>"));
    let md = read(dir.path(), "report/report.md");
    assert!(md.starts_with("# Mail of October\n"), "{md}");
    assert!(md.contains("- Organisation: Example"));
    let method = report["method"].to_string();
    assert!(
        method.contains("Local domains, as given: corp.example."),
        "{method}"
    );
    assert!(
        method.contains("1 local domain, 2 networks, 1 holiday, 1 threshold, 3 mutes"),
        "{method}"
    );
    let manifest: Value = serde_json::from_str(&read(dir.path(), "report/manifest.json")).unwrap();
    assert_eq!(manifest["config"]["file"], "mtaudit.toml");
    let sha256 = manifest["config"]["sha256"].as_str().unwrap();
    assert!(method.contains(sha256));
    let parameters = manifest["parameters"].as_array().unwrap();
    let max = parameters
        .iter()
        .find(|p| p["query"] == "access/password_guessing" && p["name"] == "max_failures");
    assert_eq!(
        (&max.unwrap()["value"], &max.unwrap()["changed"]),
        (&"6".into(), &true.into())
    );
}

#[test]
fn muted_findings_stand_apart_and_take_nobodys_place() {
    let dir = configured();
    let plain = report(dir.path(), &[]);
    assert!(plain["mutes"].as_array().unwrap().is_empty());
    assert!(!read(dir.path(), "report/report.html").contains("id=\"muted\""));
    let before = guesses(&plain["findings"], "");
    // Eight clients, five of them shown, and the rest counted.
    assert_eq!(before.len(), 6, "{before:?}");
    assert!(before[5].starts_with("3 more of this kind"), "{before:?}");
    assert!(before.iter().any(|said| said.starts_with("192.0.2.71 ")));

    let report = report(dir.path(), &["--config", "mtaudit.toml"]);
    let after = guesses(&report["findings"], "");
    assert_eq!(after.len(), 6, "{after:?}");
    assert!(after[5].starts_with("2 more of this kind"), "{after:?}");
    assert!(!after.iter().any(|said| said.starts_with("192.0.2.71 ")));
    // The third mute ended before the monitor's last line.
    assert!(after.iter().any(|said| said.starts_with("192.0.2.72 ")));
    let muted = guesses(&report["muted"], "finding");
    assert_eq!(muted.len(), 1, "{muted:?}");
    assert!(
        muted[0].starts_with("192.0.2.71 failed to log in 6 times"),
        "{muted:?}"
    );
    assert_eq!(report["muted"][0]["reason"], "our monitor");
    let mutes = report["mutes"].as_array().unwrap();
    let told: Vec<(u64, bool)> = mutes
        .iter()
        .map(|mute| (mute["findings"].as_u64().unwrap(), mute["note"].is_string()))
        .collect();
    assert_eq!(told, [(0, true), (1, false), (0, true)]);
    assert_eq!(mutes[1]["place"], "mtaudit.toml:20");
    assert!(
        mutes[2]["note"]
            .as_str()
            .unwrap()
            .contains("ended on 2026-10-05")
    );
    for (name, heading) in [
        ("report.html", "<h2>Muted findings</h2>"),
        ("report.md", "## Muted findings"),
    ] {
        let page = read(dir.path(), &format!("report/{name}"));
        for words in [heading, "our monitor", "It muted nothing"] {
            assert!(page.contains(words), "{name}: {words}");
        }
    }
    // A period that ends by its day.
    let short = self::report(
        dir.path(),
        &["--config", "mtaudit.toml", "--until", "2026-10-06"],
    );
    assert_eq!(guesses(&short["muted"], "finding").len(), 2);
}

#[test]
fn a_query_is_asked_as_the_configuration_says() {
    let dir = configured();
    let query = |more: &[&str]| {
        let args = [&["query", "password_guessing"], more, &["logs"]].concat();
        let output = mtaudit(dir.path(), &args);
        assert_eq!(code(&output), 0, "{}", said(&output));
        said(&output)
    };
    let with = ["--config", "mtaudit.toml"];
    assert!(query(&with).contains("muted (our monitor): 192.0.2.71 failed"));
    assert!(!query(&[]).contains("muted ("));
    let more = [&with[..], &["--param", "max_failures=7"]].concat();
    assert!(!query(&more).contains("failed to log in"));
    let args = [
        &[
            "sql",
            "SELECT client_ip, kind FROM clients ORDER BY client_ip",
            "-q",
            "--format",
            "json",
        ][..],
        &with,
        &["logs"],
    ];
    let output = mtaudit(dir.path(), &args.concat());
    let rows: Vec<crate::support::Row> = serde_json::from_slice(&output.stdout).unwrap();
    let kind = |ip: &str| {
        let row = rows.iter().find(|row| text(row, "client_ip") == ip);
        text(row.unwrap(), "kind").to_owned()
    };
    assert_eq!(kind("198.51.100.7"), "relay");
    assert_eq!(kind("203.0.113.5"), "scanner");
    assert_eq!(kind("10.1.2.3"), "private");
    assert_eq!(kind("192.0.2.71"), "other");
}

#[test]
fn a_mistake_is_told_before_any_log_is_read() {
    let dir = configured();
    for (from, to, expected) in [
        (
            "holidays",
            "hollidays",
            "mtaudit.toml:5: unknown key `hollidays`",
        ),
        (
            "max_failures",
            "max_failure",
            "mtaudit.toml:12: unknown parameter `password_guessing.max_failure`",
        ),
        (
            "[thresholds]",
            "[limits]\nmost = 7\n[thresholds]",
            "mtaudit.toml:12: unknown parameter `most`",
        ),
        (
            "\"password_guessing\"",
            "\"password_gessing\"",
            "mtaudit.toml:20: no query is named",
        ),
        (
            "logo.svg",
            "logo.sgv",
            "mtaudit.toml:3: `logo` art/logo.sgv: ",
        ),
    ] {
        fs::write(
            dir.path().join("mtaudit.toml"),
            CONFIG.replacen(from, to, 1),
        )
        .unwrap();
        let output = mtaudit(dir.path(), &["report", "--config", "mtaudit.toml", "logs"]);
        assert_eq!(code(&output), 2, "{}", said(&output));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
    fs::write(dir.path().join("mtaudit.toml"), CONFIG).unwrap();
    let script = LOGO.replace("<path", "<script>x()</script><path");
    fs::write(dir.path().join("art/logo.svg"), script).unwrap();
    let output = mtaudit(dir.path(), &["report", "--config", "mtaudit.toml", "logs"]);
    assert_eq!(code(&output), 2, "{}", said(&output));
    assert!(
        said(&output).contains("holds <script>"),
        "{}",
        said(&output)
    );
    assert!(!dir.path().join("report").exists());
    let output = mtaudit(dir.path(), &["report", "--config", "none.toml", "logs"]);
    assert!(said(&output).contains("none.toml: "), "{}", said(&output));
}

#[test]
fn a_report_is_made_again_with_its_configuration_only() {
    let dir = configured();
    report(dir.path(), &["--config", "mtaudit.toml"]);
    let verify = |more: &[&str]| {
        let args = [&["verify", "--rebuild", "report"], more].concat();
        let output = mtaudit(dir.path(), &args);
        (code(&output), String::from_utf8(output.stdout).unwrap())
    };
    let (done, told) = verify(&[]);
    assert_eq!(done, 0, "{told}");
    // Moved, and called by its name of then.
    fs::create_dir(dir.path().join("moved")).unwrap();
    fs::rename(dir.path().join("art"), dir.path().join("moved/art")).unwrap();
    fs::rename(
        dir.path().join("mtaudit.toml"),
        dir.path().join("moved/known.toml"),
    )
    .unwrap();
    let (done, told) = verify(&[]);
    assert!(
        done == 3 && told.contains("its configuration: mtaudit.toml: "),
        "{told}"
    );
    let moved = ["--config", "moved/known.toml"];
    let (done, told) = verify(&moved);
    assert_eq!(done, 0, "{told}");
    fs::write(
        dir.path().join("moved/art/logo.svg"),
        LOGO.replace("h2v2", "h2v1"),
    )
    .unwrap();
    let (done, told) = verify(&moved);
    assert!(
        done == 3 && told.contains("the logo of moved/known.toml is not as it was"),
        "{told}"
    );
    fs::write(
        dir.path().join("moved/known.toml"),
        CONFIG.replace("our monitor", "your monitor"),
    )
    .unwrap();
    let (done, told) = verify(&moved);
    assert!(
        done == 3 && told.contains("the configuration moved/known.toml is not as it was"),
        "{told}"
    );
}

#[test]
fn nobody_of_a_configuration_is_in_a_report_without_persons() {
    let dir = configured();
    let config = CONFIG
        .replace(
            "contains = \"192.0.2.72\"",
            "contains = \"alice@corp.example\"",
        )
        .replace(
            "reason = \"our monitor\"",
            "reason = \"alice@corp.example asked for it\"",
        )
        .replace("Mail of October", "Mail of alice@corp.example")
        .replace("until = 2026-10-05\n", "");
    fs::write(dir.path().join("mtaudit.toml"), config).unwrap();
    fs::write(dir.path().join("key"), [7; 32]).unwrap();
    let given = ["--config", "mtaudit.toml", "--pseudonymise", "key"];
    let report = report(dir.path(), &given);
    // The pseudonym of the address is what the mute looks for.
    let muted = guesses(&report["muted"], "finding");
    assert_eq!(muted.len(), 1, "{muted:?}");
    assert!(
        report["mutes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|mute| mute["contains"].is_null())
    );
    let manifest: Value = serde_json::from_str(&read(dir.path(), "report/manifest.json")).unwrap();
    assert!(manifest["config"]["sha256"].is_null());
    for name in files(&dir.path().join("report")) {
        let bytes = fs::read(dir.path().join("report").join(&name)).unwrap();
        let page = String::from_utf8_lossy(&bytes);
        for who in ["alice", "192.0.2.71", "192.0.2.72"] {
            assert!(!page.contains(who), "{name}: {who}");
        }
    }
    let args = ["verify", "--rebuild", "--pseudonymise", "key", "report"];
    let output = mtaudit(dir.path(), &args);
    assert_eq!(
        code(&output),
        0,
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn init_writes_what_the_logs_show() {
    let dir = logs();
    let output = mtaudit(dir.path(), &["init", "logs"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let draft = read(dir.path(), "mtaudit.toml");
    for line in [
        "# Hosts: mx1 (1 source), mx2 (1 source).",
        "    \"corp.example\", # 1 delivery",
        "    # \"10.1.2.0/24\", # clients: 1; connections: 1; messages: 1",
        "    # \"198.51.100.7\", # messages passed on: 12; relay.partner.example",
        "    # \"203.0.113.5\", # hours: 26 of 26; connections: 26; probe.monitor.example",
    ] {
        assert!(draft.lines().any(|own| own == line), "{line}\n{draft}");
    }
    // Who guesses passwords is no monitor.
    assert!(!draft.contains("192.0.2.70"), "{draft}");
    // It is read as it is, and with its proposals taken.
    let taken = draft.replace("    # \"", "    \"");
    for text in [&draft, &taken] {
        fs::write(dir.path().join("own.toml"), text).unwrap();
        let output = mtaudit(
            dir.path(),
            &["query", "overview", "-q", "--config", "own.toml", "logs"],
        );
        assert_eq!(code(&output), 0, "{}", said(&output));
    }
    // The same logs in another order and on one thread, the same bytes.
    let again = [
        "init",
        "--threads",
        "1",
        "--out",
        "b.toml",
        "logs/mx2.log",
        "logs/mail.log",
    ];
    assert_eq!(code(&mtaudit(dir.path(), &again)), 0);
    assert_eq!(read(dir.path(), "b.toml"), draft);
}

#[test]
fn init_never_writes_over_a_file_unasked() {
    let dir = logs();
    fs::write(dir.path().join("mtaudit.toml"), "title = 'mine'\n").unwrap();
    let output = mtaudit(dir.path(), &["init", "logs"]);
    assert_eq!(code(&output), 2);
    assert!(said(&output).contains("--force"), "{}", said(&output));
    assert_eq!(read(dir.path(), "mtaudit.toml"), "title = 'mine'\n");
    assert_eq!(
        code(&mtaudit(dir.path(), &["init", "--force", "-q", "logs"])),
        0
    );
    assert!(read(dir.path(), "mtaudit.toml").contains("local_domains"));
    for (option, value) in [("--config", "mtaudit.toml"), ("--pseudonymise", "key")] {
        let output = mtaudit(
            dir.path(),
            &["init", "--out", "new.toml", option, value, "logs"],
        );
        assert!(
            code(&output) == 2 && said(&output).contains(option),
            "{}",
            said(&output)
        );
    }
    fs::write(dir.path().join("none.txt"), "no log at all\n").unwrap();
    let output = mtaudit(dir.path(), &["init", "--out", "new.toml", "none.txt"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(!dir.path().join("new.toml").exists());
}
