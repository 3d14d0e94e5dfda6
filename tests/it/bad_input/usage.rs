//! What is asked wrongly is found before any work, with its place and a remedy: exit code 2.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::{TempDir, tempdir};

use super::log;
use crate::support::{code, mtaudit, repo, said};

fn with_log() -> TempDir {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("mail.log"), log(20)).unwrap();
    dir
}

/// The command is refused with these words.
#[track_caller]
fn refused(dir: &Path, args: &[&str], words: &[&str]) {
    let output = mtaudit(dir, args);
    let said = said(&output);
    assert_eq!(code(&output), 2, "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?}: {word} is not in: {said}");
    }
}

#[test]
fn no_input_at_all() {
    let dir = tempdir().unwrap();
    refused(dir.path(), &["report"], &["Usage"]);
    refused(dir.path(), &["report", "audit"], &["hint"]);
    refused(dir.path(), &["query", "overview"], &["PATH"]);
    let output = mtaudit(dir.path(), &["report", "audit", "."]);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("no files"), "{}", said(&output));
}

#[test]
fn logs_that_are_not_there() {
    let dir = with_log();
    for words in [
        &["report", "audit", "absent.log"][..],
        &["query", "overview", "absent.log", "absent"],
        &["sql", "SELECT 1", "absent.log"],
    ] {
        refused(dir.path(), words, &["absent.log", "hint"]);
    }
    assert!(!dir.path().join("report").exists());
}

#[test]
fn keys_that_are_none_and_keys_that_nothing_touches() {
    let dir = with_log();
    let about = |key: &str| {
        mtaudit(
            dir.path(),
            &["report", "incident", "--about", key, "mail.log"],
        )
    };
    for key in ["", " ", "192.0.2.0/24", "two words"] {
        let output = about(key);
        assert_eq!(code(&output), 2, "{key:?}");
        assert!(said(&output).contains("hint"), "{}", said(&output));
    }
    for key in ["nobody@nowhere.invalid", "203.0.113.254", "FFFFFFFFFF"] {
        let output = about(key);
        assert_eq!(code(&output), 1, "{key}");
        assert!(said(&output).contains(key), "{}", said(&output));
    }
    let period = ["report", "audit", "--month", "1999-01", "mail.log"];
    let output = mtaudit(dir.path(), &period);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("1999-01"), "{}", said(&output));
}

#[test]
fn an_output_that_cannot_be_written_is_found_before_any_work() {
    let dir = with_log();
    fs::write(dir.path().join("file"), "mine").unwrap();
    fs::create_dir(dir.path().join("full")).unwrap();
    fs::write(dir.path().join("full/thesis.txt"), "mine").unwrap();
    for out in ["file", "full", "file/below"] {
        refused(
            dir.path(),
            &["report", "audit", "--out", out, "mail.log"],
            &[out],
        );
    }
    assert_eq!(
        fs::read_to_string(dir.path().join("full/thesis.txt")).unwrap(),
        "mine"
    );
    assert_eq!(fs::read_dir(dir.path().join("full")).unwrap().count(), 1);
}

#[test]
fn words_that_mean_nothing() {
    let dir = with_log();
    let cases: [(&[&str], &[&str]); 9] = [
        (
            &["query", "overview", "--timezone", "Mars/Base", "mail.log"],
            &["Mars/Base", "hint"],
        ),
        (
            &["query", "overview", "--month", "2026-13", "mail.log"],
            &["2026-13", "hint"],
        ),
        (
            &["query", "overview", "--since", "yesterday", "mail.log"],
            &["yesterday", "hint"],
        ),
        (
            &[
                "query",
                "overview",
                "--since",
                "2026-02-01",
                "--until",
                "2026-01-01",
                "mail.log",
            ],
            &["hint"],
        ),
        (
            &["query", "overview", "--param", "nothing=1", "mail.log"],
            &["nothing"],
        ),
        (
            &["query", "overview", "--param", "min_final", "mail.log"],
            &["min_final", "hint"],
        ),
        (
            &["query", "overwiev", "mail.log"],
            &["overwiev", "overview"],
        ),
        (
            &["report", "capacity", "--about", "a@example.com", "mail.log"],
            &["--about", "hint"],
        ),
        (&["sql", "DROP TABLE messages", "mail.log"], &["read only"]),
    ];
    for (args, words) in cases {
        refused(dir.path(), args, words);
    }
    refused(
        dir.path(),
        &["sql", "SELECT nothing FROM messages", "mail.log"],
        &["nothing"],
    );
    refused(
        dir.path(),
        &["sql", "SELECT * FROM mesages", "mail.log"],
        &["mesages"],
    );
    refused(dir.path(), &["sql", "SELEC 1", "mail.log"], &[]);
}

#[test]
fn a_query_with_an_error_names_file_line_and_remedy() {
    let dir = with_log();
    let folder = dir.path().join("queries/capacity");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("overview.sql");
    let good = fs::read_to_string(repo("queries/capacity/overview.sql")).unwrap();
    let wrong = [
        (good.replacen("-- tables ", "-- tabels ", 1), "tabels"),
        (
            good.replacen("-- title    = \"", "-- title    = ", 1),
            "overview.sql:1",
        ),
        (
            String::from("SELECT 1 AS one FROM messages\n"),
            "overview.sql",
        ),
    ];
    for (text, words) in wrong {
        fs::write(&file, text).unwrap();
        let args = ["query", "overview", "--queries", "queries", "mail.log"];
        refused(dir.path(), &args, &["overview.sql", words]);
        let args = [
            "report",
            "capacity",
            "--out",
            "out",
            "--queries",
            "queries",
            "mail.log",
        ];
        refused(dir.path(), &args, &["overview.sql", words]);
    }
    assert!(!dir.path().join("out").exists());
}

#[test]
fn a_template_with_an_error_names_its_file_and_line() {
    let dir = with_log();
    for (name, text, words) in [
        ("report.html", "<p>\n{{ title }\n", "report.html:2"),
        ("report.md", "{% for x in %}\n", "report.md:1"),
        ("report.toml", "title = \n", "report.toml"),
    ] {
        let templates = dir.path().join("templates");
        fs::create_dir_all(templates.join("audit")).unwrap();
        fs::write(templates.join("audit").join(name), text).unwrap();
        let args = [
            "report",
            "audit",
            "--out",
            "out",
            "--templates",
            "templates",
            "mail.log",
        ];
        refused(dir.path(), &args, &[words]);
        assert!(!dir.path().join("out/report.html").exists());
        fs::remove_dir_all(templates).unwrap();
    }
}

#[test]
fn a_closed_pipe_is_success() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("mail.log"), log(5000)).unwrap();
    for args in [
        &["sql", "SELECT * FROM attempts", "mail.log", "-f", "csv"][..],
        &["queries"],
        &["man"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mtaudit"))
            .args(args)
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert!(child.wait().unwrap().success(), "{args:?}: {said}");
        assert!(!said.contains("error"), "{said}");
    }
}
