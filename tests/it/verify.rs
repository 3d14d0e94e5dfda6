//! `mtaudit verify`, `report --case` and `report --evidence`: what proves a report, and that every change is found.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sha2::Digest;

use crate::support::{code, files, mtaudit, repo, said};

const CASE: &str = "reference = \"2026-0417\"\npurpose = \"Who guessed <b>passwords</b>?\"\nexaminer = \"E. Xaminer\"\n";

/// A folder with a few logs, `logs/`, and a case, `case.toml`.
pub fn evidence() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    for (from, to) in [
        ("postfix/mx2/mail.log", "mail.log"),
        ("postfix/mx2/mail.log.1", "mail.log.1"),
        ("postfix/mx2/mail.log.2.gz", "mail.log.2.gz"),
        ("postfix/mx2/mail.log.3.zst", "mail.log.3.zst"),
        ("hostile/control.log", "control.log"),
    ] {
        fs::copy(repo("sample-logs").join(from), logs.join(to)).unwrap();
    }
    fs::write(dir.path().join("case.toml"), CASE).unwrap();
    dir
}

/// A report on them in `report/`.
pub fn report(dir: &Path, more: &[&str]) -> Output {
    let args = [
        "report",
        "audit",
        "--timezone",
        "Europe/Berlin",
        "--year",
        "2026",
        "--out",
        "report",
    ];
    let output = mtaudit(dir, &[&args[..], more, &["logs"]].concat());
    assert_eq!(code(&output), 0, "{}", said(&output));
    output
}

fn verify(dir: &Path, args: &[&str]) -> (i32, String) {
    let output = mtaudit(dir, &[&["verify"], args].concat());
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(
        code(&output) == 0 || code(&output) == 3,
        "{args:?}: {}",
        said(&output)
    );
    (code(&output), text)
}

/// What `verify -q` says: the differences alone.
fn differences(dir: &Path, args: &[&str]) -> Vec<String> {
    let (code, text) = verify(dir, &[&["-q"], args].concat());
    assert_eq!(code == 3, !text.is_empty(), "{text}");
    text.lines().map(str::to_owned).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    let hash = sha2::Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_untouched_report_is_verified_and_made_again() {
    let dir = evidence();
    report(
        dir.path(),
        &[
            "--case",
            "case.toml",
            "--evidence",
            "--generated-at",
            "2026-11-24T12:00:00Z",
        ],
    );
    let (code, text) = verify(dir.path(), &["report", "--rebuild"]);
    assert_eq!(code, 0, "{text}");
    for line in [
        "5 of 5 sources are as the manifest says",
        "verified: everything",
        "have the same bytes",
    ] {
        assert!(text.contains(line), "{text}");
    }
    // Neither the case file nor the clock of the environment is needed.
    fs::remove_file(dir.path().join("case.toml")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mtaudit"))
        .args(["verify", "report", "--rebuild"])
        .env("SOURCE_DATE_EPOCH", "1")
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(crate::support::code(&output), 0, "{}", said(&output));
}

#[test]
fn the_manifest_says_all_that_is_needed() {
    let dir = evidence();
    report(dir.path(), &["--case", "case.toml"]);
    let folder = dir.path().join("report");
    let manifest = json(&folder.join("manifest.json"));
    assert_eq!(manifest["format"], 1);
    assert_eq!(manifest["paths"], serde_json::json!(["logs"]));
    assert_eq!(manifest["case"]["header"]["reference"], "2026-0417");
    assert_eq!(manifest["case"]["sha256"], sha256(CASE.as_bytes()));
    let sources = manifest["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 5);
    for source in sources {
        let bytes = fs::read(dir.path().join(source["path"].as_str().unwrap())).unwrap();
        assert_eq!(source["bytes"], bytes.len());
        assert_eq!(source["sha256"], sha256(&bytes));
        assert_eq!(source["sha256_after"], source["sha256"]);
        let classes = ["events", "ignored", "unrecognised", "undecodable"];
        let sum: i64 = classes
            .iter()
            .map(|class| source[class].as_i64().unwrap())
            .sum();
        assert_eq!(source["lines"], sum);
        for known in [
            "mtime",
            "codec",
            "format",
            "hosts",
            "first",
            "last",
            "year_method",
            "decoded_sha256",
        ] {
            assert!(source[known].is_string(), "{known}: {source}");
        }
    }
    let mut named: Vec<&str> = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let there = files(&folder);
    named.sort_unstable();
    let mut sorted: Vec<&str> = there.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    assert_eq!(named, sorted);
}

#[test]
fn the_manifests_hash_stands_at_the_end() {
    let dir = evidence();
    let output = report(dir.path(), &[]);
    let folder = dir.path().join("report");
    let hash = sha256(&fs::read(folder.join("manifest.json")).unwrap());
    assert!(
        said(&output).trim_end().ends_with(&hash),
        "{}",
        said(&output)
    );
    let text = fs::read_to_string(folder.join("report.md")).unwrap();
    assert!(text.lines().last().unwrap().ends_with(&hash));
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let end = page.rfind("</footer>").unwrap();
    let last = page[..end].trim_end().lines().last().unwrap();
    assert!(last.contains(&hash), "{last}");
}

#[test]
fn one_flipped_bit_anywhere_in_the_report_is_found() {
    let dir = evidence();
    report(dir.path(), &["--evidence"]);
    let folder = dir.path().join("report");
    for (turn, name) in files(&folder).into_iter().enumerate() {
        let path = folder.join(&name);
        let good = fs::read(&path).unwrap();
        // Every file at one place, what proves the others at more.
        let times = if ["SHA256SUMS", "manifest.json"].contains(&name.as_str()) {
            12
        } else {
            1
        };
        for time in 0..times {
            let at = (turn * 7919 + time * 104_729) % good.len();
            let mut bad = good.clone();
            bad[at] ^= 1 << (time % 8);
            fs::write(&path, &bad).unwrap();
            let told = differences(dir.path(), &["report"]);
            assert!(!told.is_empty(), "{name}: byte {at}");
            let listed = name != "SHA256SUMS";
            assert!(
                !listed
                    || told
                        .iter()
                        .any(|line| line.starts_with(&format!("report/{name}: "))),
                "{told:?}"
            );
        }
        fs::write(&path, &good).unwrap();
    }
    assert!(differences(dir.path(), &["report"]).is_empty());
}

#[test]
fn a_manifest_that_was_changed_with_its_sum_is_still_found() {
    let dir = evidence();
    report(dir.path(), &[]);
    let (manifest, sums) = (
        dir.path().join("report/manifest.json"),
        dir.path().join("report/SHA256SUMS"),
    );
    let good = fs::read_to_string(&manifest).unwrap();
    let bad = good.replacen("Europe/Berlin", "Europe/London", 1);
    fs::write(&manifest, &bad).unwrap();
    let list = fs::read_to_string(&sums).unwrap();
    fs::write(
        &sums,
        list.replace(&sha256(good.as_bytes()), &sha256(bad.as_bytes())),
    )
    .unwrap();
    let told = differences(dir.path(), &["report"]);
    // Each of the documents states its hash.
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("as the SHA-256 of manifest.json"),
        "{told:?}"
    );
    // A file that goes with its line is missed all the same.
    fs::write(&manifest, &good).unwrap();
    let list: String = list
        .lines()
        .filter(|line| !line.ends_with("report.md"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&sums, list).unwrap();
    fs::remove_file(dir.path().join("report/report.md")).unwrap();
    let told = differences(dir.path(), &["report"]);
    assert_eq!(
        told,
        ["report/report.md: named in manifest.json, but not in SHA256SUMS and not there"]
    );
}

#[test]
fn files_that_come_and_go_are_told_and_links_are_not_followed() {
    let dir = evidence();
    report(dir.path(), &[]);
    let folder = dir.path().join("report");
    fs::write(folder.join("tables/more.csv"), "x").unwrap();
    fs::rename(folder.join("report.md"), dir.path().join("elsewhere.md")).unwrap();
    let told = differences(dir.path(), &["report"]);
    assert_eq!(
        told,
        [
            "report/report.md: missing",
            "report/tables/more.csv: not listed in SHA256SUMS"
        ]
    );
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(dir.path().join("elsewhere.md"), folder.join("report.md"))
            .unwrap();
        let told = differences(dir.path(), &["report"]);
        assert_eq!(told[0], "report/report.md: a symbolic link; not followed");
    }
}

#[test]
fn names_that_lead_out_of_the_report_are_never_followed() {
    let dir = evidence();
    report(dir.path(), &[]);
    let (manifest, sums) = (
        dir.path().join("report/manifest.json"),
        dir.path().join("report/SHA256SUMS"),
    );
    let outside = sha256(CASE.as_bytes());
    let list = fs::read_to_string(&sums).unwrap();
    fs::write(
        &sums,
        format!(
            "{list}{outside}  ../case.toml\n{outside}  {}\n",
            dir.path().join("case.toml").display()
        ),
    )
    .unwrap();
    let told = differences(dir.path(), &["report"]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter().all(|line| line.contains("not followed")),
        "{told:?}"
    );
    // Nor those of a manifest, which are names only; and its command writes nowhere but to a temporary folder.
    let mut value = json(&manifest);
    value["files"]
        .as_array_mut()
        .unwrap()
        .push("../../etc/passwd".into());
    let command = value["command"].as_array_mut().unwrap();
    command.insert(3, "--out".into());
    command.insert(4, "stolen".into());
    command.insert(5, "--store".into());
    command.insert(6, "stored".into());
    fs::write(&manifest, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
    let told = differences(dir.path(), &["report", "--rebuild"]);
    assert!(
        told.iter()
            .any(|line| line.contains("../../etc/passwd: named in manifest.json")),
        "{told:?}"
    );
    assert!(!dir.path().join("stolen").exists() && !dir.path().join("stored").exists());
}

#[test]
fn one_flipped_bit_anywhere_in_a_source_is_found() {
    let dir = evidence();
    report(dir.path(), &[]);
    for name in files(&dir.path().join("logs")) {
        let path = dir.path().join("logs").join(&name);
        let good = fs::read(&path).unwrap();
        for time in 0..6 {
            // The first and last bytes among them: a gzip header's time, a checksum.
            let at = [
                0,
                5,
                good.len() - 1,
                good.len() - 5,
                good.len() / 2,
                good.len() / 3,
            ][time];
            let mut bad = good.clone();
            bad[at] ^= 1 << time;
            fs::write(&path, &bad).unwrap();
            let told = differences(dir.path(), &["report"]);
            assert_eq!(told.len(), 1, "{name}: byte {at}: {told:?}");
            assert!(
                told[0].starts_with(&format!("logs/{name}: other SHA-256 as found")),
                "{told:?}"
            );
        }
        fs::write(&path, &good).unwrap();
    }
    assert!(differences(dir.path(), &["report"]).is_empty());
}

/// Of two sources with the same content, one does not stand in for the other.
#[test]
fn a_copy_proves_nothing_of_the_other_copy() {
    let dir = evidence();
    let path = |name: &str| dir.path().join("logs").join(name);
    fs::copy(path("mail.log"), path("twin.log")).unwrap();
    report(dir.path(), &[]);
    let good = fs::read(path("twin.log")).unwrap();
    let mut bad = good.clone();
    bad[100] ^= 1;
    for paths in [&["report"][..], &["report", "logs"]] {
        assert!(differences(dir.path(), paths).is_empty());
        for name in ["mail.log", "twin.log"] {
            fs::write(path(name), &bad).unwrap();
            let told = differences(dir.path(), paths);
            assert_eq!(told.len(), 1, "{name}: {told:?}");
            let other = format!("logs/{name}: other SHA-256 as found");
            assert!(told[0].starts_with(&other), "{told:?}");
            fs::remove_file(path(name)).unwrap();
            let told = differences(dir.path(), paths);
            assert_eq!(told.len(), 1, "{name}: {told:?}");
            assert!(
                told[0].starts_with(&format!("logs/{name}: missing")),
                "{told:?}"
            );
            fs::write(path(name), &good).unwrap();
        }
    }
}

/// Who changes the hash that people read, and the sums with it, is found.
#[test]
fn the_hash_that_people_read_is_held_against_the_manifest() {
    let dir = evidence();
    report(dir.path(), &[]);
    let report = dir.path().join("report");
    let hash = sha256(&fs::read(report.join("manifest.json")).unwrap());
    let sums = fs::read_to_string(report.join("SHA256SUMS")).unwrap();
    for name in ["report.html", "report.md"] {
        let good = fs::read_to_string(report.join(name)).unwrap();
        let bad = good.replace(&hash, &"0".repeat(64));
        assert_ne!(good, bad);
        fs::write(report.join(name), &bad).unwrap();
        let forged = sums.replace(&sha256(good.as_bytes()), &sha256(bad.as_bytes()));
        fs::write(report.join("SHA256SUMS"), forged).unwrap();
        let told = differences(dir.path(), &["report"]);
        assert_eq!(
            told,
            [format!(
                "report/{name}: does not state the SHA-256 of manifest.json"
            )]
        );
        fs::write(report.join(name), good).unwrap();
    }
}

#[test]
fn what_differs_in_a_source_is_said_precisely() {
    let dir = evidence();
    report(dir.path(), &[]);
    let logs = dir.path().join("logs");
    let text = fs::read(logs.join("mail.log")).unwrap();
    fs::write(logs.join("mail.log"), &text[..text.len() - 7]).unwrap();
    fs::remove_file(logs.join("mail.log.1")).unwrap();
    // The time in a gzip header: other bytes, the same log.
    let mut gzip = fs::read(logs.join("mail.log.2.gz")).unwrap();
    gzip[4] ^= 1;
    fs::write(logs.join("mail.log.2.gz"), gzip).unwrap();
    fs::remove_file(logs.join("control.log")).unwrap();
    fs::create_dir(logs.join("control.log")).unwrap();
    let told = differences(dir.path(), &["report"]);
    let of = |name: &str| {
        told.iter()
            .find(|line| line.starts_with(&format!("logs/{name}: ")))
            .unwrap()
    };
    let (now, then) = (text.len() - 7, text.len());
    assert!(
        of("mail.log").contains(&format!("other size: {now} bytes, {then} in the manifest")),
        "{told:?}"
    );
    assert!(of("mail.log").contains("other decoded content"), "{told:?}");
    assert_eq!(of("mail.log.1"), "logs/mail.log.1: missing");
    assert!(
        of("mail.log.2.gz").ends_with("the decoded content is the same"),
        "{told:?}"
    );
    assert_eq!(of("control.log"), "logs/control.log: missing");
    assert_eq!(told.len(), 4, "{told:?}");
    let told = differences(dir.path(), &["report", "--rebuild"]);
    assert!(
        told.iter()
            .any(|line| line.contains("cannot be made again: logs/")),
        "{told:?}"
    );
}

#[test]
fn sources_that_were_moved_are_found_by_what_is_in_them() {
    let dir = evidence();
    // A year from the time of a file: a copy that did not keep it still gives the same report.
    let log = "Nov 20 05:00:00 mx9 postfix/smtp[1]: 0A1B2C3: to=<a@example.net>, relay=none, delay=0, status=deferred (x)\n";
    fs::write(dir.path().join("logs/plain.log"), log).unwrap();
    let args = ["report", "capacity", "--out", "report", "logs"];
    assert_eq!(code(&mtaudit(dir.path(), &args)), 0);
    let moved = dir.path().join("archive/2026");
    fs::create_dir_all(&moved).unwrap();
    for (number, name) in files(&dir.path().join("logs")).iter().enumerate() {
        let bytes = fs::read(dir.path().join("logs").join(name)).unwrap();
        fs::write(moved.join(format!("{number}.bin")), bytes).unwrap();
        let file = fs::File::options()
            .write(true)
            .open(moved.join(format!("{number}.bin")))
            .unwrap();
        let long_ago =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        file.set_modified(long_ago).unwrap();
    }
    fs::write(moved.join("other.log"), "no part of it\n").unwrap();
    fs::remove_dir_all(dir.path().join("logs")).unwrap();
    let (code, text) = verify(dir.path(), &["report", "archive", "--rebuild"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("logs/mail.log: found as archive/2026/"),
        "{text}"
    );
    assert!(
        text.contains("archive/2026/other.log: not among the sources"),
        "{text}"
    );
    assert!(text.contains("its year was taken from"), "{text}");
    let told = differences(dir.path(), &["report"]);
    assert_eq!(told.len(), 6, "{told:?}");
    assert!(
        told.iter().all(|line| line.ends_with(": missing")),
        "{told:?}"
    );
    // Changed and moved: nothing there is it any more.
    let path = moved.join("0.bin");
    let mut bytes = fs::read(&path).unwrap();
    bytes[10] ^= 1;
    fs::write(&path, bytes).unwrap();
    let told = differences(dir.path(), &["report", "archive"]);
    assert_eq!(
        told,
        ["logs/control.log: missing: no file under the given paths has its SHA-256"]
    );
}

#[test]
fn a_report_that_cannot_be_reproduced_says_where() {
    let dir = evidence();
    report(dir.path(), &[]);
    let (path, sums) = (
        dir.path().join("report/report.md"),
        dir.path().join("report/SHA256SUMS"),
    );
    let good = fs::read_to_string(&path).unwrap();
    let line = 1 + good
        .lines()
        .position(|line| line.starts_with("## Findings"))
        .unwrap();
    let bad = good.replacen("## Findings", "## F\u{1b}ndings", 1);
    fs::write(&path, &bad).unwrap();
    let list = fs::read_to_string(&sums).unwrap();
    fs::write(
        &sums,
        list.replace(&sha256(good.as_bytes()), &sha256(bad.as_bytes())),
    )
    .unwrap();
    assert!(differences(dir.path(), &["report"]).is_empty());
    let told = differences(dir.path(), &["report", "--rebuild"]);
    let place =
        format!("differs from line {line} on: “## F␛ndings” here, “## Findings” made again");
    assert!(
        told.iter()
            .any(|line| line.starts_with("report/report.md: ") && line.contains(&place)),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|line| line.starts_with("report/SHA256SUMS: ")),
        "{told:?}"
    );
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn a_folder_that_is_no_report_is_nothing_to_verify() {
    let dir = evidence();
    for name in ["logs", "nowhere"] {
        let output = mtaudit(dir.path(), &["verify", name]);
        assert_eq!(code(&output), 1);
        assert!(said(&output).contains("hint:"), "{}", said(&output));
    }
    assert_eq!(code(&mtaudit(dir.path(), &["verify"])), 2);
    // One that broke off, or has a manifest of another version, is a difference.
    report(dir.path(), &[]);
    let manifest = dir.path().join("report/manifest.json");
    let text = fs::read_to_string(&manifest)
        .unwrap()
        .replacen("\"format\": 1", "\"format\": 2", 1);
    fs::write(&manifest, text).unwrap();
    let told = differences(dir.path(), &["report"]);
    assert!(
        told.iter()
            .any(|line| line.contains("a manifest of format 2")),
        "{told:?}"
    );
    fs::remove_file(&manifest).unwrap();
    assert!(
        differences(dir.path(), &["report"])
            .iter()
            .any(|line| line.ends_with("manifest.json: missing"))
    );
}

#[test]
fn the_case_stands_on_the_first_page() {
    let dir = evidence();
    report(dir.path(), &["--case", "case.toml"]);
    let read = |name: &str| fs::read_to_string(dir.path().join("report").join(name)).unwrap();
    let (page, text) = (read("report.html"), read("report.md"));
    for (whole, case, findings) in [
        (&page, "Case 2026-0417", "<h2>Findings"),
        (&text, "## Case 2026-0417", "## Findings"),
    ] {
        assert!(whole.find(case).unwrap() < whole.find(findings).unwrap());
        assert!(whole.contains("E. Xaminer") && !whole.contains("<b>passwords"));
        assert!(whole.contains("hashed before and after reading: the same SHA-256"));
    }
    let value: Value = serde_json::from_str(&read("report.json")).unwrap();
    assert_eq!(value["case"]["header"]["examiner"], "E. Xaminer");
    assert_eq!(value["rehashed"]["sources"], 5);
    for (text, place) in [
        ("reference = 'x'\npurpos = 'y'\n", "case.toml:2"),
        ("purpose = 'y'\n", "case.toml:1"),
    ] {
        fs::write(dir.path().join("case.toml"), text).unwrap();
        let output = mtaudit(
            dir.path(),
            &["report", "--case", "case.toml", "--out", "other", "logs"],
        );
        assert_eq!(code(&output), 2);
        assert!(
            said(&output).contains(place) && said(&output).contains("hint:"),
            "{}",
            said(&output)
        );
        assert!(!dir.path().join("other").exists());
    }
}

/// The raw line at a place, from the file itself.
fn line_at(dir: &Path, place: &str) -> String {
    let (path, line) = place.rsplit_once(':').unwrap();
    let path: PathBuf = dir.join(path);
    let bytes = match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => {
            Command::new("gzip")
                .arg("-dc")
                .arg(&path)
                .output()
                .unwrap()
                .stdout
        }
        Some("zst") => zstd::decode_all(fs::File::open(&path).unwrap()).unwrap(),
        _ => fs::read(&path).unwrap(),
    };
    let mut lines = bytes.split(|byte| *byte == b'\n');
    String::from_utf8_lossy(lines.nth(line.parse::<usize>().unwrap() - 1).unwrap()).into_owned()
}

#[test]
fn evidence_files_hold_the_lines_that_findings_name() {
    let dir = evidence();
    report(dir.path(), &["--evidence"]);
    let folder = dir.path().join("report");
    let value = json(&folder.join("report.json"));
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let mut lines = 0;
    for finding in value["findings"].as_array().unwrap() {
        let evidence = finding["evidence"].as_array().unwrap();
        let Some(file) = finding["evidence_file"].as_str() else {
            assert!(evidence.is_empty());
            continue;
        };
        assert!(page.contains(&format!("href=\"{file}\"")), "{file}");
        let text = fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains("SHA-256"), "{text}");
        for place in evidence {
            let place = format!("{}:{}", place["path"].as_str().unwrap(), place["line"]);
            let shown = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{place}: ")))
                .unwrap();
            let raw = line_at(dir.path(), &place);
            let plain = raw.chars().all(|c| (' '..='~').contains(&c));
            assert!(!plain || shown == raw, "{place}: {shown}");
            assert!(!shown.contains(char::is_control), "{shown}");
            lines += 1;
        }
    }
    assert!(lines > 30, "{lines}");
    // A report without them takes the old ones away.
    report(dir.path(), &[]);
    assert!(
        files(&folder)
            .iter()
            .all(|name| !name.starts_with("evidence/"))
    );
    assert!(differences(dir.path(), &["report"]).is_empty());
}

#[test]
fn tables_made_by_convert_keep_their_evidence() {
    let dir = evidence();
    let convert = [
        "convert",
        "--timezone",
        "Europe/Berlin",
        "--year",
        "2026",
        "--out",
        "tables",
        "logs",
    ];
    assert_eq!(code(&mtaudit(dir.path(), &convert)), 0);
    let args = [
        "report",
        "--timezone",
        "Europe/Berlin",
        "--case",
        "case.toml",
        "--evidence",
        "--out",
        "report",
        "tables",
    ];
    let output = mtaudit(dir.path(), &args);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let (code, text) = verify(dir.path(), &["report", "--rebuild"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("5 of 5 sources"), "{text}");
    let rows = crate::support::files(&dir.path().join("tables"));
    let rows: Vec<_> = rows
        .iter()
        .filter(|name| !name.ends_with(".lock"))
        .map(|name| dir.path().join("tables").join(name))
        .collect();
    let listed = format!("{} of {} files of tables", rows.len(), rows.len());
    assert!(text.contains(&listed), "{listed}: {text}");
    for path in &rows {
        // A folder whose files have other sizes is opened no more, but is verified all the same.
        let bytes = fs::read(path).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        fs::write(path, flipped).unwrap();
        let said = differences(dir.path(), &["report"]);
        assert!(
            said.len() == 1 && said[0].contains("changed: SHA-256"),
            "{path:?}: {said:?}"
        );
        fs::write(path, bytes).unwrap();
    }
    fs::rename(dir.path().join("tables"), dir.path().join("moved")).unwrap();
    assert_eq!(differences(dir.path(), &["report"]).len(), 1);
    assert!(differences(dir.path(), &["report", "moved", "logs"]).is_empty());
    fs::rename(dir.path().join("moved"), dir.path().join("tables")).unwrap();
    fs::write(dir.path().join("logs/mail.log"), "gone\n").unwrap();
    let output = mtaudit(dir.path(), &args);
    assert_eq!(crate::support::code(&output), 3, "{}", said(&output));
    assert!(
        said(&output).contains("logs/mail.log: changed since it was read"),
        "{}",
        said(&output)
    );
}
