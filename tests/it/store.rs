//! `mtaudit convert`: tables in a folder are the tables of the logs, grow by what is new, and are refused when damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mtaudit::tables::schema::TABLES;
use serde_json::Value;

use super::support::{Row, code, engine, mtaudit, number, repo, rows, said};

fn convert(dir: &Path, paths: &[PathBuf]) -> std::process::Output {
    let mut args: Vec<PathBuf> = ["convert", "--year", "2026", "--out", "tables"]
        .iter()
        .map(PathBuf::from)
        .collect();
    args.extend(paths.iter().cloned());
    mtaudit(dir, &args)
}

fn samples() -> PathBuf {
    repo("sample-logs/postfix")
}

/// Every row of every table.
fn all(paths: &[PathBuf]) -> BTreeMap<&'static str, Vec<Row>> {
    let engine = engine(paths, chrono_tz::UTC);
    let rows_of = |table: &&'static str| {
        let sql = format!("SELECT * FROM {table}");
        (*table, rows(&engine, &sql))
    };
    let names: Vec<&'static str> = TABLES.iter().map(|table| table.name).collect();
    names.iter().map(rows_of).collect()
}

fn index(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("tables/mtaudit.json")).unwrap()).unwrap()
}

fn first_file(dir: &Path, table: &str) -> PathBuf {
    let index = index(dir);
    let files = index["parts"][0]["files"].as_array().unwrap();
    let entry = files.iter().find(|file| file["table"] == table).unwrap();
    dir.join("tables").join(entry["path"].as_str().unwrap())
}

#[test]
fn tables_are_those_of_the_logs() {
    let dir = tempfile::tempdir().unwrap();
    let output = convert(dir.path(), &[samples()]);
    assert!(
        code(&output) == 0 || code(&output) == 3,
        "{}",
        said(&output)
    );
    let (logs, tables) = (all(&[samples()]), all(&[dir.path().join("tables")]));
    assert_eq!(logs.len(), tables.len());
    for (table, expected) in &logs {
        let found = &tables[table];
        assert_eq!(expected.len(), found.len(), "{table}");
        for (expected, found) in expected.iter().zip(found) {
            assert_eq!(expected, found, "{table}");
        }
    }
}

#[test]
fn reports_are_those_of_the_logs() {
    let dir = tempfile::tempdir().unwrap();
    convert(dir.path(), &[samples()]);
    for (out, path) in [("logs", samples()), ("store", dir.path().join("tables"))] {
        let path = path.display().to_string();
        let args = [
            "report", "audit", "-q", "--year", "2026", "--out", out, &path,
        ];
        let output = mtaudit(dir.path(), &args);
        assert!(
            code(&output) == 0 || code(&output) == 3,
            "{}",
            said(&output)
        );
    }
    let read = |out: &str| {
        let text = fs::read(dir.path().join(out).join("report.json")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()
    };
    let (logs, store) = (read("logs"), read("store"));
    for part in ["sections", "findings", "coverage", "period", "tiles"] {
        assert!(!logs[part].is_null(), "{part}");
        assert_eq!(logs[part], store[part], "{part}");
    }
    for file in fs::read_dir(dir.path().join("logs/tables")).unwrap() {
        let file = file.unwrap();
        let other = dir.path().join("store/tables").join(file.file_name());
        assert_eq!(
            fs::read(file.path()).unwrap(),
            fs::read(other).unwrap(),
            "{file:?}"
        );
    }
}

#[test]
fn only_days_of_the_period_are_read() {
    let dir = tempfile::tempdir().unwrap();
    convert(dir.path(), &[samples()]);
    let ask = |path: &str, period: &[&str]| {
        let mut rows = Vec::new();
        for query in ["outcomes", "overview", "server_events", "auth_summary"] {
            let mut args = vec!["query", query, "-q", "--format", "json", "--year", "2026"];
            args.extend(period);
            args.push(path);
            let output = mtaudit(dir.path(), &args);
            assert!(
                [0, 3].contains(&code(&output)),
                "{args:?}: {}",
                said(&output)
            );
            rows.push(serde_json::from_slice::<Value>(&output.stdout).unwrap());
        }
        rows
    };
    let period = ["--since", "2026-11-12", "--until", "2026-11-14T12:00"];
    let logs = ask(&samples().display().to_string(), &period);
    assert_eq!(logs, ask("tables", &period));
    let whole = ask("tables", &[]);
    assert_ne!(logs, whole);
    // Files of other days are not even opened.
    let index = index(dir.path());
    let files = index["parts"][0]["files"].as_array().unwrap().iter();
    let others = files.filter(|file| {
        let path = file["path"].as_str().unwrap();
        let near = ["11-12", "11-13", "11-14"]
            .iter()
            .any(|day| path.contains(day));
        path.contains("day=2026") && !near && file["table"] != "sessions"
    });
    let mut damaged = 0;
    for file in others {
        let path = dir
            .path()
            .join("tables")
            .join(file["path"].as_str().unwrap());
        let bytes = vec![0; file["bytes"].as_u64().unwrap() as usize];
        fs::write(path, bytes).unwrap();
        damaged += 1;
    }
    assert!(damaged > 10);
    assert_eq!(logs, ask("tables", &period));
}

/// The files of the samples, halved.
fn halves() -> [Vec<PathBuf>; 2] {
    let mut files: Vec<PathBuf> = walkdir(&samples());
    files.sort();
    let rest = files.split_off(files.len() / 2);
    [files, rest]
}

fn walkdir(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walkdir(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn a_folder_grows_by_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let [first, rest] = halves();
    assert!(!first.is_empty() && !rest.is_empty());
    convert(dir.path(), &first);
    let before = index(dir.path());
    let again = convert(dir.path(), &first);
    assert_eq!(code(&again), 0, "{}", said(&again));
    assert!(
        said(&again).contains("in the tables already"),
        "{}",
        said(&again)
    );
    assert_eq!(index(dir.path()), before);

    // What is there is left out, what is new is added.
    let output = convert(dir.path(), &[samples()]);
    assert!(
        said(&output).contains("in the tables already"),
        "{}",
        said(&output)
    );
    let grown = engine(&[dir.path().join("tables")], chrono_tz::UTC);
    let count = |engine: &_, sql: &str| number(&rows(engine, sql)[0], "n");
    let one = engine_of(&first);
    let other = engine_of(&rest);
    for table in TABLES {
        let sql = match table.name {
            "line_shapes" | "ignored_lines" => {
                format!("SELECT SUM(lines) AS n FROM {}", table.name)
            }
            name => format!("SELECT COUNT(*) AS n FROM {name}"),
        };
        let apart = count(&one, &sql) + count(&other, &sql);
        assert_eq!(count(&grown, &sql), apart, "{}", table.name);
    }
    for (table, key) in [
        ("messages", "message"),
        ("sessions", "session"),
        ("sources", "source"),
    ] {
        let sql = format!("SELECT COUNT(*) - COUNT(DISTINCT {key}) AS n FROM {table}");
        assert_eq!(count(&grown, &sql), 0, "{table}");
    }
    let joined = "SELECT COUNT(*) AS n FROM attempts AS a JOIN messages AS m ON a.message = m.message \
                  WHERE a.queue_id = m.queue_id AND a.host = m.host";
    let tries = "SELECT COUNT(*) AS n FROM attempts WHERE message IS NOT NULL";
    assert_eq!(count(&grown, joined), count(&grown, tries));
    assert!(count(&grown, tries) > 0);
}

fn engine_of(paths: &[PathBuf]) -> mtaudit::query::Engine {
    engine(paths, chrono_tz::UTC)
}

fn host(name: &str) -> PathBuf {
    samples().join(name)
}

/// Converts into a folder of its own.
fn into(dir: &Path, out: &str, path: &Path) -> std::process::Output {
    let path = path.display().to_string();
    mtaudit(
        dir,
        &["convert", "-q", "--year", "2026", "--out", out, &path],
    )
}

#[test]
fn tables_and_logs_are_read_together_and_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    into(dir.path(), "a", &host("mx1"));
    into(dir.path(), "b", &host("mx2"));
    // Nothing but a source of no mail: every table of events is absent.
    into(dir.path(), "none", &repo("sample-logs/damaged/dpkg.log"));
    let (samples, mx2) = (
        samples().display().to_string(),
        host("mx2").display().to_string(),
    );
    let library = mtaudit::query::Library::builtin().unwrap();
    // Evidence is about the files, which differ with `none`.
    for query in library
        .iter()
        .filter(|query| !query.name.starts_with("evidence/"))
    {
        let ask = |paths: &[&str]| {
            let mut args = vec![
                "query",
                &query.name,
                "-q",
                "--format",
                "json",
                "--year",
                "2026",
            ];
            args.extend(paths);
            let output = mtaudit(dir.path(), &args);
            assert!(
                [0, 1, 3].contains(&code(&output)),
                "{args:?}: {}",
                said(&output)
            );
            assert!(
                !said(&output).contains("error"),
                "{args:?}: {}",
                said(&output)
            );
            output.stdout
        };
        let apart = ask(&["a", "b"]);
        assert_eq!(apart, ask(&["a", &mx2]), "{}", query.name);
        let others = [ask(&["none", "a", "b"]), ask(&["a", "none", &samples])];
        // Where a row says which source it is from, that is another number.
        let numbered = query
            .header
            .columns
            .iter()
            .any(|column| column.name == "row_source");
        assert!(
            numbered || others.iter().all(|other| *other == apart),
            "{}",
            query.name
        );
    }
    let out = mtaudit(
        dir.path(),
        &["report", "audit", "-q", "--year", "2026", "a", &mx2],
    );
    assert!([0, 3].contains(&code(&out)), "{}", said(&out));
}

#[test]
fn keys_stay_apart_when_a_period_leaves_rows_out() {
    let dir = tempfile::tempdir().unwrap();
    into(dir.path(), "a", &host("mx1"));
    into(dir.path(), "b", &host("mx2"));
    let period = ["--since", "2026-11-18", "-q", "--format", "json"];
    let mx2 = host("mx2").display().to_string();
    for other in ["b", &mx2] {
        for sql in [
            "SELECT COUNT(*) - COUNT(DISTINCT message) AS n FROM messages",
            "SELECT COUNT(*) - COUNT(DISTINCT session) AS n FROM sessions",
            "SELECT COUNT(*) AS n FROM messages AS m JOIN attempts AS a ON a.message = m.message WHERE a.queue_id <> m.queue_id",
        ] {
            let mut args = vec!["sql", sql, "--year", "2026", "a", other];
            args.extend(period);
            let output = mtaudit(dir.path(), &args);
            let rows: Vec<Row> = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(number(&rows[0], "n"), 0, "{args:?}");
        }
    }
}

#[test]
fn what_is_not_ours_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    let log = host("mx2");
    // A folder that looks like tables and has no index.
    fs::create_dir_all(at("theirs/messages")).unwrap();
    fs::write(at("theirs/messages/part-0001.parquet"), "theirs").unwrap();
    let output = into(dir.path(), "theirs", &log);
    assert_eq!(code(&output), 2, "{}", said(&output));
    assert!(at("theirs/messages/part-0001.parquet").exists());
    // Files of other names beside ours.
    into(dir.path(), "ours", &host("mx1"));
    for name in [
        "ours/messages/part-1.parquet",
        "ours/messages/day=2026-11-12/part-x.parquet",
        "ours/notes",
    ] {
        fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs::write(at(name), "theirs").unwrap();
    }
    into(dir.path(), "ours", &log);
    assert_eq!(
        fs::read(at("ours/messages/part-1.parquet")).unwrap(),
        b"theirs"
    );
    assert!(at("ours/messages/day=2026-11-12/part-x.parquet").exists());
    // Links are not written through.
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        fs::write(at("victim"), "precious").unwrap();
        fs::create_dir(at("linked")).unwrap();
        symlink("../victim", at("linked/mtaudit.lock")).unwrap();
        assert_eq!(code(&into(dir.path(), "linked", &log)), 2);
        fs::remove_file(at("linked/mtaudit.lock")).unwrap();
        symlink("../victim", at("linked/mtaudit.json.unfinished")).unwrap();
        into(dir.path(), "linked", &log);
        assert_eq!(fs::read(at("victim")).unwrap(), b"precious");
    }
    // Nothing came of it: nothing is left.
    fs::create_dir(at("hollow")).unwrap();
    assert_ne!(code(&into(dir.path(), "new", &at("hollow"))), 0);
    assert!(!at("new").exists());
}

#[test]
fn a_log_that_grew_is_not_counted_twice() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(host("mx1").join("mail.log")).unwrap();
    let half = whole[..whole.len() / 2]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap()
        + 1;
    fs::write(dir.path().join("mail.log"), &whole[..half]).unwrap();
    into(dir.path(), "tables", &dir.path().join("mail.log"));
    let before = index(dir.path());
    for name in ["mail.log", "mail.log.1"] {
        fs::write(dir.path().join(name), &whole).unwrap();
        let output = into(dir.path(), "tables", &dir.path().join(name));
        assert_eq!(code(&output), 1, "{}", said(&output));
        assert!(said(&output).contains("count twice"), "{}", said(&output));
        assert!(
            said(&output).trim_end().ends_with("any more"),
            "{}",
            said(&output)
        );
        assert_eq!(index(dir.path()), before);
    }
}

#[test]
fn tables_inside_the_logs_are_no_logs() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    fs::copy(host("mx2").join("mail.log"), logs.join("mail.log")).unwrap();
    for _ in 0..2 {
        let output = into(dir.path(), "logs/tables", &logs);
        assert_eq!(code(&output), 0, "{}", said(&output));
    }
    let all = rows(&engine(&[logs], chrono_tz::UTC), "SELECT path FROM sources");
    assert_eq!(all.len(), 1, "{all:?}");
}

#[test]
fn what_cannot_be_read_is_told_and_read_the_next_time() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    fs::copy(host("mx2").join("mail.log"), logs.join("mail.log")).unwrap();
    let missing = logs.join("late.log").display().to_string();
    let logs = logs.display().to_string();
    let args = [
        "convert", "--year", "2026", "--out", "tables", &logs, &missing,
    ];
    let output = mtaudit(dir.path(), &args);
    assert_eq!(code(&output), 3, "{}", said(&output));
    assert!(
        said(&output).contains("late.log: cannot be read"),
        "{}",
        said(&output)
    );
    fs::copy(host("mx1").join("mail.log"), &missing).unwrap();
    let output = mtaudit(dir.path(), &args);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let sources = rows(
        &engine(&[dir.path().join("tables")], chrono_tz::UTC),
        "SELECT path FROM sources WHERE problem IS NULL",
    );
    assert_eq!(sources.len(), 2);
}

#[test]
fn local_domains_are_those_of_the_first_conversion() {
    let dir = tempfile::tempdir().unwrap();
    let convert = |domain: &[&str], path: &Path| {
        let path = path.display().to_string();
        let mut args = vec!["convert", "-q", "--year", "2026", "--out", "tables", &path];
        args.extend(domain);
        mtaudit(dir.path(), &args)
    };
    let own = ["--local-domain", "corp.example"];
    assert_eq!(code(&convert(&own, &host("mx2"))), 0);
    let output = convert(&["--local-domain", "other.example"], &host("mx1"));
    assert_eq!(code(&output), 2);
    assert!(said(&output).contains("corp.example"), "{}", said(&output));
    assert!([0, 3].contains(&code(&convert(&[], &host("mx1")))));
    let output = mtaudit(
        dir.path(),
        &["query", "outcomes", "-q", own[0], own[1], "tables"],
    );
    assert!([0, 3].contains(&code(&output)), "{}", said(&output));
}

#[test]
fn what_is_compressed_and_known_is_a_duplicate() {
    let dir = tempfile::tempdir().unwrap();
    let line = "2026-11-02T10:00:00+00:00 mx1 postfix/qmgr[13]: 4F1AAAA1: from=<a@corp.example>, size=9, nrcpt=1 (queue active)\n";
    let plain = dir.path().join("mail.log");
    fs::write(&plain, line).unwrap();
    convert(dir.path(), std::slice::from_ref(&plain));
    let packed = dir.path().join("mail.log.gz");
    let mut writer = flate2::write::GzEncoder::new(
        fs::File::create(&packed).unwrap(),
        flate2::Compression::fast(),
    );
    std::io::Write::write_all(&mut writer, line.as_bytes()).unwrap();
    writer.finish().unwrap();
    let output = convert(dir.path(), &[packed]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let grown = engine(&[dir.path().join("tables")], chrono_tz::UTC);
    let messages = rows(&grown, "SELECT message FROM messages");
    assert_eq!(messages.len(), 1);
    let sources = rows(
        &grown,
        "SELECT source, duplicate_of FROM sources ORDER BY source",
    );
    assert_eq!(sources[1]["duplicate_of"], sources[0]["source"]);
}

fn refused(dir: &Path, args: &[&str], exit: i32, words: &[&str]) {
    let output = mtaudit(dir, args);
    let text = said(&output);
    assert_eq!(code(&output), exit, "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{args:?}: {word} is not in: {text}");
    }
}

#[test]
fn a_damaged_folder_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    convert(dir.path(), &[samples()]);
    let query = ["query", "outcomes", "tables"];
    let file = first_file(dir.path(), "deliveries");
    let whole = fs::read(&file).unwrap();

    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused(
        dir.path(),
        &query,
        1,
        &["deliveries", "bytes", "convert the logs again"],
    );
    let mut other = whole.clone();
    other[..whole.len() / 2].fill(0);
    let end = other.len();
    other[end - 8..].fill(0);
    fs::write(&file, &other).unwrap();
    refused(
        dir.path(),
        &query,
        1,
        &["deliveries", "convert the logs again"],
    );
    fs::remove_file(&file).unwrap();
    refused(
        dir.path(),
        &query,
        1,
        &["deliveries", "convert the logs again"],
    );
    fs::write(&file, &whole).unwrap();

    let path = dir.path().join("tables/mtaudit.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"format\": 3", "\"format\": 999")).unwrap();
    refused(dir.path(), &query, 1, &["999", "convert the logs again"]);
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    refused(
        dir.path(),
        &query,
        1,
        &["mtaudit.json", "convert the logs again"],
    );
    fs::write(&path, &text).unwrap();
    let output = mtaudit(dir.path(), &query);
    assert!([0, 3].contains(&code(&output)), "{}", said(&output));
}

#[test]
fn wrong_uses_are_named() {
    let dir = tempfile::tempdir().unwrap();
    convert(dir.path(), &[samples()]);
    let samples = samples().display().to_string();
    refused(
        dir.path(),
        &["query", "outcomes", "--timezone", "Asia/Tokyo", "tables"],
        2,
        &["UTC", "--timezone"],
    );
    refused(
        dir.path(),
        &[
            "query",
            "outcomes",
            "--local-domain",
            "else.example",
            "tables",
        ],
        2,
        &["--local-domain"],
    );
    refused(
        dir.path(),
        &[
            "convert",
            "--timezone",
            "Asia/Tokyo",
            "--out",
            "tables",
            &samples,
        ],
        2,
        &["UTC"],
    );
    refused(
        dir.path(),
        &["convert", "--out", "other", "tables"],
        2,
        &["folder of tables"],
    );
    fs::create_dir(dir.path().join("full")).unwrap();
    fs::write(dir.path().join("full/letter.txt"), "mine").unwrap();
    refused(
        dir.path(),
        &["convert", "--out", "full", &samples],
        2,
        &["not empty", "hint"],
    );
    into(dir.path(), "blocked", &host("mx2"));
    fs::write(dir.path().join("blocked/messages/day=2026-11-12"), "a file").unwrap();
    refused(
        dir.path(),
        &["convert", "--year", "2026", "--out", "blocked", &samples],
        1,
        &["cannot write", "hint"],
    );
    let twice = dir.path().join("twice");
    let args = [
        "convert", "-q", "--year", "2026", "--out", "twice", &samples,
    ];
    mtaudit(dir.path(), &args);
    assert!(twice.join("mtaudit.json").exists());
    refused(
        dir.path(),
        &["query", "outcomes", "tables", "twice"],
        2,
        &["another of these"],
    );
}

#[test]
fn what_a_killed_run_left_is_not_read_and_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let [first, rest] = halves();
    convert(dir.path(), &first);
    let file = first_file(dir.path(), "deliveries");
    let half = file.with_file_name("part-0002.parquet");
    fs::copy(&file, &half).unwrap();
    let begun = file.with_file_name("part-0002.parquet.unfinished");
    fs::write(&begun, "PAR1").unwrap();
    let theirs = dir.path().join("tables/deliveries/notes.txt");
    fs::write(&theirs, "mine").unwrap();
    let tables = dir.path().join("tables");
    let count = || {
        let engine = engine(std::slice::from_ref(&tables), chrono_tz::UTC);
        number(
            &rows(&engine, "SELECT COUNT(*) AS n FROM deliveries")[0],
            "n",
        )
    };
    let before = count();
    assert!(before > 0);
    convert(dir.path(), &rest);
    assert!(!begun.exists());
    assert!(theirs.exists());
    let listed = index(dir.path());
    let listed = listed["parts"].as_array().unwrap().iter();
    let listed = listed.flat_map(|part| part["files"].as_array().unwrap());
    let sum: i64 = listed
        .filter(|file| file["table"] == "deliveries")
        .map(|file| file["rows"].as_i64().unwrap())
        .sum();
    assert_eq!(count(), sum);
}

#[test]
fn other_engines_read_the_same() {
    let dir = tempfile::tempdir().unwrap();
    convert(dir.path(), &[samples()]);
    let own = engine(&[dir.path().join("tables")], chrono_tz::UTC);
    let sql = "SELECT outcome, COUNT(*) AS n FROM deliveries GROUP BY outcome ORDER BY outcome";
    let expected: Vec<(String, i64)> = rows(&own, sql)
        .iter()
        .map(|row| {
            (
                row["outcome"].as_str().unwrap().to_owned(),
                number(row, "n"),
            )
        })
        .collect();
    let duckdb = format!(
        "import duckdb, json; print(json.dumps(duckdb.sql(\"{}\").fetchall()))",
        sql.replace(
            "FROM deliveries",
            "FROM read_parquet('tables/deliveries/**/*.parquet', hive_partitioning = true)"
        )
    );
    let polars = "import polars, json; d = polars.scan_parquet('tables/deliveries/**/*.parquet', hive_partitioning=True); \
                  print(json.dumps([[o, n] for o, n in d.group_by('outcome').agg(polars.len().alias('n')).sort('outcome').collect().rows()]))";
    for (name, script) in [("duckdb", duckdb.as_str()), ("polars", polars)] {
        let python = |script: &str| {
            Command::new("python3")
                .args(["-c", script])
                .current_dir(dir.path())
                .output()
        };
        if !matches!(python(&format!("import {name}")), Ok(output) if output.status.success()) {
            println!("left out: Python has no {name}");
            continue;
        }
        let output = python(script).unwrap();
        let found: Vec<(String, i64)> = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{name}: {}", said(&output)));
        assert_eq!(found, expected, "{name}");
    }
}
