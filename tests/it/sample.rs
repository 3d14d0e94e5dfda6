//! The sample logs: what their README promises is there, and the README's own command gives a complete report.

#![allow(clippy::unwrap_used)]

use crate::support::{code, files, mtaudit, number, repo, said, sources, text};

const POSTFIX: &str = "sample-logs/postfix";

#[test]
fn every_folder_and_hand_made_file_is_in_the_readme() {
    let readme = std::fs::read_to_string(repo("sample-logs/README.md")).unwrap();
    for file in files(&repo("sample-logs")) {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", &file));
        match folder {
            "" => assert!(
                ["README.md", "remake.py", ".gitattributes"].contains(&name),
                "{file}"
            ),
            "hostile" => assert!(readme.contains(&format!("`{name}`")), "{file}"),
            _ => assert!(readme.contains(&format!("`{folder}/`")), "{file}"),
        }
    }
}

#[test]
fn two_hosts_and_sixteen_days_are_read_without_remainder() {
    let (rows, code) = sources(&repo(""), &["--timezone", "Europe/Berlin", POSTFIX]);
    assert_eq!(code, 0);
    assert_eq!(rows.len(), 20);
    let codecs = |codec: &str| {
        rows.iter()
            .filter(|row| text(row, "codec") == codec)
            .count()
    };
    assert_eq!((codecs("plain"), codecs("gzip"), codecs("zstd")), (4, 8, 8));
    for row in &rows {
        assert!(row["problem"].is_null(), "{row:?}");
        assert_eq!(
            (number(row, "unrecognised"), number(row, "undecodable")),
            (0, 0),
            "{row:?}"
        );
        assert_eq!(number(row, "year"), 2026, "{row:?}");
        let (host, method) = (text(row, "hosts"), text(row, "year_method"));
        assert!(
            matches!((host, method), ("mx1", "line") | ("mx2", "queue-id")),
            "{row:?}"
        );
    }
}

#[test]
fn the_readmes_commands_do_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let report = |name: &str, path: &str| {
        let out = dir.path().join(name);
        let out = out.to_str().unwrap();
        let args = [
            "report",
            "audit",
            "--year",
            "2026",
            "--timezone",
            "Europe/Berlin",
        ];
        mtaudit(&repo(""), &[&args[..], &["--out", out, path]].concat())
    };
    let clean = report("clean", POSTFIX);
    assert_eq!(code(&clean), 0, "{}", said(&clean));
    let all = report("all", "sample-logs");
    assert_eq!(code(&all), 3, "{}", said(&all));
    assert!(said(&all).contains("damaged at byte"), "{}", said(&all));
    for file in [
        "report.html",
        "report.md",
        "report.json",
        "manifest.json",
        "SHA256SUMS",
    ] {
        assert!(dir.path().join("clean").join(file).is_file(), "{file}");
    }
}

#[test]
fn timings_name_the_stages() {
    let dir = tempfile::tempdir().unwrap();
    let log = repo("sample-logs/postfix/mx2/mail.log")
        .display()
        .to_string();
    let commands: [(&[&str], &[&str]); 4] = [
        (
            &["report", "capacity", "--out", "out"],
            &[
                "read and fold",
                "correlate",
                "tables",
                "queries",
                "other queries",
                "render and write",
            ],
        ),
        (
            &["query", "outcomes"],
            &["read and fold", "delivery/outcomes"],
        ),
        (
            &["sql", "SELECT 1 AS n FROM messages"],
            &["read and fold", "statement"],
        ),
        (&["convert", "--out", "tables"], &["read and fold", "write"]),
    ];
    for (command, stages) in commands {
        let mut args = command.to_vec();
        args.extend(["--year", "2026", "-q", "--timings", &log]);
        let output = mtaudit(dir.path(), &args);
        assert_eq!(code(&output), 0, "{args:?}: {}", said(&output));
        for stage in stages {
            let told = said(&output);
            let line = told.lines().find(|line| line.ends_with(stage));
            assert!(
                line.is_some_and(|line| line.contains("ms wall")),
                "{stage}: {told}"
            );
        }
        assert!(said(&output).contains("MB/s"));
    }
}
