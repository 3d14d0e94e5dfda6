//! `mtaudit trace` against the cases of `tests/traces/`: Markdown files, read as prose and run as tests.
//!
//! A heading says what the case shows. `log NAME` blocks are files, for all cases of the file; `args` is the command
//! line behind `mtaudit trace`; `out` is standard output, `said` standard error, `exit` the exit code where it is not 0.
//! `MTAUDIT_UPDATE=1` writes what was found into the files. Read the difference before it is committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::readme::words;
use super::support::{code, mtaudit, repo, said, sql, text};

/// A fenced block: what it is, and its lines with their ends.
#[derive(Clone, Debug)]
struct Block {
    info: String,
    body: String,
}

/// The text of a file as prose and blocks, in order; prose has no info.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = vec![Block {
        info: String::new(),
        body: String::new(),
    }];
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let fence = line.trim_end().strip_prefix("```");
        let last = blocks.last_mut().unwrap();
        match fence {
            Some("") if inside => inside = false,
            Some(info) if !inside => {
                inside = true;
                blocks.push(Block {
                    info: info.to_owned(),
                    body: String::new(),
                });
                continue;
            }
            _ => {
                last.body.push_str(line);
                continue;
            }
        }
        blocks.push(Block {
            info: String::new(),
            body: String::new(),
        });
    }
    blocks
}

fn written(blocks: &[Block]) -> String {
    let one = |block: &Block| match block.info.is_empty() {
        true => block.body.clone(),
        false => format!("```{}\n{}```\n", block.info, block.body),
    };
    blocks.iter().map(one).collect()
}

fn case_files() -> Vec<PathBuf> {
    let files = fs::read_dir(repo("tests/traces")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Writes the logs of a file into a folder.
fn logs(blocks: &[Block], dir: &Path) {
    for block in blocks {
        if let Some(name) = block.info.strip_prefix("log ") {
            fs::write(dir.join(name), &block.body).unwrap();
        }
    }
}

fn trace(dir: &Path, args: &str) -> Output {
    let mut all = vec!["trace".to_owned(), "-q".to_owned()];
    all.extend(words(args));
    mtaudit(dir, &all)
}

#[test]
fn every_case_gives_what_it_says() {
    let update = std::env::var_os("MTAUDIT_UPDATE").is_some();
    let mut wrong = Vec::new();
    let mut ran = 0;
    for file in case_files() {
        let before = fs::read_to_string(&file).unwrap();
        let mut blocks = blocks(&before);
        let dir = tempfile::tempdir().unwrap();
        logs(&blocks, dir.path());
        let mut output = None;
        let mut exit = 0;
        for block in &mut blocks {
            match block.info.as_str() {
                "args" => {
                    output = Some(trace(dir.path(), &block.body));
                    exit = 0;
                    ran += 1;
                }
                "exit" => exit = block.body.trim().parse().unwrap(),
                "out" | "said" => {
                    let output = output.as_ref().unwrap();
                    let bytes = if block.info == "out" {
                        &output.stdout
                    } else {
                        &output.stderr
                    };
                    block.body = String::from_utf8(bytes.clone()).unwrap();
                    assert_eq!(code(output), exit, "{}: {}", file.display(), said(output));
                }
                _ => {}
            }
        }
        let after = written(&blocks);
        if after == before {
            continue;
        }
        if update {
            fs::write(&file, after).unwrap();
        } else {
            wrong.push(format!("{}\n{after}", file.display()));
        }
    }
    assert!(ran > 12, "only {ran} cases found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The logs of a file of cases.
fn folder_of(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(repo(&format!("tests/traces/{name}.md"))).unwrap();
    logs(&blocks(&text), dir.path());
    dir
}

fn out(output: &Output) -> String {
    assert_eq!(code(output), 0, "{}", said(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_page_shows_text_of_strangers_and_does_nothing() {
    let dir = folder_of("hostile");
    let page = out(&trace(dir.path(), "4F1AAAA1 --format html mail.log"));
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    assert!(page.contains("bob&quot;&gt;&lt;b&gt;@example.net"));
    assert!(page.contains("⟨U+202E⟩gpj.exe") && page.contains("␛[31m"));
    for raw in [
        "<script",
        "<img",
        "<b>",
        "\u{202e}",
        "\u{1b}",
        "7*7 = 49",
        " onerror=\"",
        "href=\"http",
    ] {
        assert!(!page.contains(raw), "{raw}");
    }
    assert!(
        page.contains("default-src 'none'; style-src 'sha256-")
            || page.contains("default-src &#39;none&#39;")
    );
}

#[test]
fn the_order_of_paths_does_not_show() {
    let dir = folder_of("two_hosts");
    for format in ["text", "json", "html", "md"] {
        let one = out(&trace(
            dir.path(),
            &format!("anna@corp.example --format {format} mx1.log mx2.log"),
        ));
        let other = out(&trace(
            dir.path(),
            &format!("mx2.log --format {format} mx1.log").replacen(
                "mx2.log",
                "anna@corp.example mx2.log",
                1,
            ),
        ));
        assert_eq!(one, other, "{format}");
        let threads = out(&trace(
            dir.path(),
            &format!("anna@corp.example --threads 1 --format {format} mx1.log mx2.log"),
        ));
        assert_eq!(one, threads, "{format}");
    }
}

#[test]
fn tables_on_disk_tell_the_same() {
    for (name, key, logs) in [
        ("two_hosts", "5A00002", "mx1.log mx2.log"),
        ("refused", "anna@corp.example", "mail.log"),
        ("retries", "dora@full.example", "mail.log"),
        ("user", "anna", "mail.log"),
    ] {
        let dir = folder_of(name);
        let args = words(&format!("convert -q --out tables {logs}"));
        let converted = mtaudit(dir.path(), &args);
        assert_eq!(code(&converted), 0, "{}", said(&converted));
        let of_logs = out(&trace(dir.path(), &format!("{key} {logs}")));
        let of_tables = out(&trace(dir.path(), &format!("{key} tables")));
        assert_eq!(of_logs, of_tables, "{name}");
    }
}

/// What two conversions saw of a way is one way.
#[test]
fn hosts_that_were_converted_apart_are_joined() {
    let dir = folder_of("two_hosts");
    for host in ["mx1", "mx2"] {
        let args = words(&format!("convert -q --out tables {host}.log"));
        let converted = mtaudit(dir.path(), &args);
        assert_eq!(code(&converted), 0, "{}", said(&converted));
    }
    let together = out(&trace(dir.path(), "4F1AAAA1 mx1.log mx2.log"));
    let apart = out(&trace(dir.path(), "4F1AAAA1 tables"));
    // No parent was found when they were converted: the Message-ID tells, and the words say so.
    let plain = apart.replace(
        "; the Message-ID and the time tell that it is the same message",
        "",
    );
    assert_eq!(together, plain);
}

#[test]
fn a_trace_hides_persons() {
    let dir = folder_of("bounce_to_sender");
    fs::write(dir.path().join("key"), [7; 32]).unwrap();
    for key in [
        "4F1AAAA1",
        "anna@corp.example",
        "nobody@dest.example",
        "<1@corp.example>",
        "anna",
        "192.0.2.7",
    ] {
        let shown = out(&trace(
            dir.path(),
            &format!("{key} --pseudonymise key mail.log"),
        ));
        for name in ["anna", "nobody", "1@corp.example", "192.0.2.7", "pc.corp"] {
            assert!(!shown.contains(name), "{key}: {name}\n{shown}");
        }
        assert!(
            shown.contains("4F1AAAA1") && shown.contains("mailbox does not exist"),
            "{shown}"
        );
    }
    let args = words("convert -q --pseudonymise key --out tables mail.log");
    assert_eq!(code(&mtaudit(dir.path(), &args)), 0);
    let of_logs = out(&trace(
        dir.path(),
        "anna@corp.example --pseudonymise key mail.log",
    ));
    let of_tables = out(&trace(
        dir.path(),
        "anna@corp.example --pseudonymise key tables",
    ));
    assert_eq!(of_logs, of_tables);
}

#[test]
fn what_is_no_key_is_a_mistake() {
    let dir = folder_of("user");
    for key in ["192.0.2.0/24", "\"a b\"", "\"\""] {
        let output = trace(dir.path(), &format!("{key} mail.log"));
        assert_eq!(code(&output), 2, "{key}");
        assert!(said(&output).contains("hint:"), "{key}: {}", said(&output));
    }
}

/// Every message of the sample logs is told, with a verdict that its deliveries bear out.
#[test]
fn verdicts_are_those_of_the_deliveries() {
    let dir = repo("sample-logs");
    let (rows, _) = sql(
        &dir,
        "SELECT d.queue_id AS queue_id, MIN(d.outcome) AS outcome FROM deliveries AS d \
         JOIN messages AS m ON d.message = m.message \
         WHERE m.parent IS NULL AND d.outcome IN ('delivered', 'bounced', 'open') \
         GROUP BY d.queue_id HAVING COUNT(*) = 1 ORDER BY outcome, queue_id LIMIT 8",
        &["postfix/mx2"],
    );
    assert!(rows.len() > 5);
    for row in rows {
        let id = text(&row, "queue_id");
        let output = trace(&dir, &format!("{id} --format json --year 2026 postfix/mx2"));
        let told: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
        let message = &told["messages"][0];
        let state = message["state"].as_str().unwrap();
        assert_eq!(state, text(&row, "outcome"), "{id}: {message}");
        for step in message["steps"].as_array().unwrap() {
            assert!(
                step["line"].as_i64().unwrap() > 0 && !step["file"].as_str().unwrap().is_empty()
            );
        }
    }
}
