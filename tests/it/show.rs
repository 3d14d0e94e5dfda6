//! `mtaudit show`: the lines that a report names, from wherever they lie.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{code, mtaudit, repo, said};
use crate::verify::{evidence, report};

fn show(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = mtaudit(dir, &[&["show"], args].concat());
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (code(&output), text, said(&output))
}

#[test]
fn every_line_that_a_report_names_can_be_shown() {
    let dir = evidence();
    report(dir.path(), &["--evidence"]);
    let folder = dir.path().join("report");
    let value: Value =
        serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
    let findings = value["findings"].as_array().unwrap();
    let places = findings
        .iter()
        .flat_map(|finding| finding["evidence"].as_array().unwrap());
    let places: Vec<String> = places
        .map(|place| format!("{}:{}", place["path"].as_str().unwrap(), place["line"]))
        .collect();
    assert!(places.iter().any(|place| place.contains(".gz:")) && places.len() > 30);
    let words: Vec<&str> = ["report"]
        .into_iter()
        .chain(places.iter().map(String::as_str))
        .collect();
    let (code, text, said) = show(dir.path(), &words);
    assert_eq!(code, 0, "{said}");
    // Each as the evidence files have it, which are held against the logs elsewhere.
    let shown = text.lines().filter(|line| line.starts_with("> "));
    let shown: Vec<&str> = shown.map(|line| line.split_once(": ").unwrap().1).collect();
    assert_eq!(shown.len(), places.len());
    let mut files = String::new();
    for finding in findings {
        if let Some(file) = finding["evidence_file"].as_str() {
            files.push_str(&fs::read_to_string(folder.join(file)).unwrap());
        }
    }
    for (place, line) in places.iter().zip(shown) {
        assert!(files.contains(&format!("{place}: {line}\n")), "{place}");
    }
}

#[test]
fn lines_come_with_numbers_and_context() {
    let dir = tempfile::tempdir().unwrap();
    let text: String = (1..=120).map(|n| format!("line {n}\n")).collect();
    fs::write(dir.path().join("a:1.log"), &text).unwrap();
    let (code, out, _) = show(dir.path(), &["a:1.log", "a:1.log:99-100", "-C", "1"]);
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "a:1.log\n   98: line 98\n>  99: line 99\n> 100: line 100\n  101: line 101\n"
        )
    );
    let (code, out, _) = show(
        dir.path(),
        &[".", "1.log:1", "a:1.log:120", "--context", "2"],
    );
    // `1.log` is no whole part of a name.
    assert_eq!((code, out.as_str()), (1, ""));
    let (code, out, _) = show(
        dir.path(),
        &[".", "a:1.log:1", "a:1.log:120", "--context", "1"],
    );
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "./a:1.log\n> 1: line 1\n  2: line 2\n\n./a:1.log\n  119: line 119\n> 120: line 120\n"
        )
    );
    let (code, out, said) = show(dir.path(), &[".", "a:1.log:121"]);
    assert_eq!((code, out.as_str()), (1, "./a:1.log\n"));
    assert!(said.contains("no line 121: it has 120 lines"), "{said}");
    let (code, ..) = show(dir.path(), &[".", "a:1.log:121", "a:1.log:1"]);
    assert_eq!(code, 3);
}

#[test]
fn what_is_wrong_with_a_place_is_said() {
    let samples = repo("sample-logs");
    for (args, expected, words) in [
        (&["postfix", "mail.log:1"][..], 2, "2 sources may be meant"),
        (&["postfix", "nothing.log:1"], 1, "no such source"),
        (&["postfix"], 2, "required"),
        (&["postfix", "mx1/mail.log"], 2, "no line asked for"),
        (&["postfix", "mx1/mail.log:0"], 2, "lines count from 1"),
        (&["postfix", "mx1/mail.log:9-3"], 2, "no such lines"),
        (&["postfix", "mx1/mail.log:1-900000"], 2, "at most"),
        (&["nowhere", "mx1/mail.log:1"], 2, "no such file or folder"),
    ] {
        let (code, out, said) = show(&samples, args);
        assert_eq!((code, out.as_str()), (expected, ""), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn nothing_of_a_log_reaches_the_terminal_raw() {
    let (code, text, _) = show(&repo("sample-logs"), &["hostile", "control.log:1-9"]);
    assert_eq!(code, 0);
    assert!(text.contains("⟨U+202E⟩") && text.contains("␛[31m"));
    let acts = |c: char| {
        c != '\n'
            && (c.is_control()
                || ('\u{200b}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c))
    };
    assert!(!text.contains(acts));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.log"), b"caf\xe9 \xff\r\n").unwrap();
    assert_eq!(
        show(dir.path(), &["x.log", "x.log:1"]).1,
        "x.log\n> 1: caf⟨E9⟩ ⟨FF⟩␍\n"
    );
}

#[test]
fn evidence_that_changed_is_shown_and_told() {
    let dir = evidence();
    report(dir.path(), &[]);
    let path = dir.path().join("logs/mail.log");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("postfix", "suffix ", 1)).unwrap();
    let (code, out, said) = show(dir.path(), &["report", "logs/mail.log:1"]);
    assert_eq!(code, 3);
    assert!(out.contains("> 1: ") && out.contains("suffix"), "{out}");
    assert!(
        said.contains("not as the report read it: other SHA-256"),
        "{said}"
    );
    // Others are not looked at, and moved ones are found.
    let (code, ..) = show(dir.path(), &["report", "logs/mail.log.1:1"]);
    assert_eq!(code, 0);
    fs::rename(
        dir.path().join("logs/mail.log.2.gz"),
        dir.path().join("renamed"),
    )
    .unwrap();
    let (code, out, said) = show(dir.path(), &["report", "renamed", "logs/mail.log.2.gz:1"]);
    assert_eq!(
        (code, out.starts_with("logs/mail.log.2.gz\n> 1: ")),
        (0, true),
        "{out}{said}"
    );
}

#[test]
fn two_members_of_one_name_are_each_shown_as_itself() {
    let dir = tempfile::tempdir().unwrap();
    let tar = |flag: &str, text: &str| {
        fs::write(dir.path().join("mail.log"), text).unwrap();
        let mut tar = std::process::Command::new("tar");
        tar.current_dir(dir.path())
            .args([flag, "x.tar", "mail.log"]);
        tar.status().is_ok_and(|status| status.success())
    };
    if !(tar("-cf", "first\n") && tar("-rf", "second\n")) {
        return;
    }
    for (place, line) in [("mail.log", "first"), ("mail.log#2", "second")] {
        let place = format!("x.tar!/{place}");
        let (code, out, said) = show(dir.path(), &["x.tar", &format!("{place}:1")]);
        let wanted = format!("{place}\n> 1: {line}\n");
        assert_eq!((code, out), (0, wanted), "{said}");
    }
}
