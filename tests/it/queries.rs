//! The built-in queries against the cases of `tests/queries/`: one Markdown file a query, read as prose and run as a test.
//!
//! A case is a heading that says what it shows, with fenced blocks under it:
//!
//! * `log` holds log lines; `log NAME` names the file, for a case that needs several.
//! * `params` holds lines `name = value`: parameters of the query, `timezone`, `year`, `local-domain`,
//!   `since` and `until` in RFC 3339, `about` a key, `baseline` as two of these times with `..` between, and of the
//!   configuration `trusted`, `relay` and `scanner` (a network) and `holiday` (a day).
//! * `csv` is the result, all columns, with a header row; an empty cell is null, `""` is empty text. `text` stands in
//!   its place when the logs cannot answer: `not assessable: …`.
//! * `findings` holds lines `severity: sentence`. A case without it expects none.
//! * `evidence` holds the lines named with each finding, `mail.log:1 mail.log:2`, one line a finding. Optional.
//!
//! `MTAUDIT_UPDATE=1` writes what was found into the files. Read the difference before it is committed: the numbers
//! were counted by hand.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "queries/case.rs"]
mod case;
#[path = "queries/run.rs"]
pub mod run;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mtaudit::commands::load::{Options, load};
use mtaudit::query::check::{Frames, check, check_shuffled};
use mtaudit::query::{Engine, Library, Overrides, Query};
use mtaudit::report::templates::Templates;
use mtaudit::tables::build::Wanted;
use mtaudit::tables::schema::TABLES;

use case::CaseFile;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/queries")
}

/// Every Markdown file under `tests/queries/<section>/`, in order.
fn case_files() -> Vec<CaseFile> {
    let found = walkdir::WalkDir::new(root())
        .min_depth(2)
        .sort_by_file_name()
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.path().extension().is_some_and(|ext| ext == "md"));
    found
        .map(|entry| CaseFile::read(&root(), entry.path()))
        .collect()
}

/// The queries as they lie in the folder: a changed one is tested without building anything again. That they are those
/// built in is a unit test of `query::builtin`.
fn library() -> Library {
    let mut library = Library::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
    library.load_dir(&folder).unwrap();
    library
}

/// What was said of each query, behind the query's file.
fn with_file(queries: &[&Query], wrong: Vec<Vec<String>>) -> Vec<String> {
    let pairs = queries.iter().zip(wrong);
    pairs
        .flat_map(|(query, said)| {
            said.into_iter()
                .map(|said| format!("{}: {said}", query.file))
        })
        .collect()
}

fn fail_with(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}\n\n{}\n", wrong.join("\n"));
}

#[test]
fn every_case_gives_what_it_says() {
    let (library, files) = (library(), case_files());
    let update = std::env::var_os("MTAUDIT_UPDATE").is_some();
    let cases: Vec<(&CaseFile, usize)> = files
        .iter()
        .flat_map(|file| (0..file.cases.len()).map(move |case| (file, case)))
        .collect();
    let wrong: Vec<Option<(String, run::Found)>> = run::side_by_side(&cases, |(file, case)| {
        let case = &file.cases[*case];
        let query = library.find(&file.query).unwrap();
        let found = run::run(query, case, run::Tables::InMemory);
        run::difference(file, case, &found).map(|said| (said, found))
    });
    if update {
        for file in &files {
            let of_file = cases
                .iter()
                .zip(&wrong)
                .filter(|((f, _), _)| f.query == file.query);
            let changed =
                of_file.filter_map(|((_, case), wrong)| Some((*case, &wrong.as_ref()?.1)));
            file.rewrite(changed.collect());
        }
        return;
    }
    let wrong: Vec<String> = wrong.into_iter().flatten().map(|(said, _)| said).collect();
    fail_with("cases differ (MTAUDIT_UPDATE=1 rewrites them)", &wrong);
}

#[test]
fn every_case_gives_the_same_from_disk() {
    let (library, files) = (library(), case_files());
    let cases: Vec<(&CaseFile, &case::Case)> = files
        .iter()
        .flat_map(|file| file.cases.iter().map(move |case| (file, case)))
        .collect();
    let wrong: Vec<Option<String>> = run::side_by_side(&cases, |(file, case)| {
        let query = library.find(&file.query).unwrap();
        let found = run::run(query, case, run::Tables::OnDisk);
        run::difference(file, case, &found)
    });
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    fail_with("cases differ when tables are on disk", &wrong);
}

#[test]
fn every_query_has_two_cases() {
    let (library, files) = (library(), case_files());
    let named: BTreeSet<&str> = files.iter().map(|file| file.query.as_str()).collect();
    let known: BTreeSet<&str> = library.iter().map(|query| query.name.as_str()).collect();
    let mut wrong = Vec::new();
    for name in known.difference(&named) {
        wrong.push(format!("queries/{name}.sql has no tests/queries/{name}.md"));
    }
    for name in named.difference(&known) {
        wrong.push(format!("tests/queries/{name}.md has no queries/{name}.sql"));
    }
    let few = files.iter().filter(|file| file.cases.len() < 2);
    wrong.extend(few.map(|file| format!("{}: fewer than two cases", file.shown())));
    fail_with("queries and case files do not match", &wrong);
}

#[test]
fn every_query_keeps_the_contract() {
    let library = library();
    let queries: Vec<&Query> = library.iter().collect();
    let wrong = run::side_by_side(&queries, |query| check(query, TABLES));
    let wrong: Vec<String> = with_file(&queries, wrong);
    fail_with("queries break the contract (src/query/check.rs)", &wrong);
}

/// Tables of one row each: what windows, medians and shares are made of is often not there.
#[test]
fn one_row_is_enough_to_run() {
    let logs: Vec<String> = case_files()
        .iter()
        .flat_map(|file| &file.cases)
        .map(|case| case.logs().map(|(_, text)| text).collect())
        .collect();
    let frames: Frames = run::frames(&logs.concat())
        .into_iter()
        .map(|(name, frame)| (name, frame.head(Some(1))))
        .collect();
    let library = library();
    let queries: Vec<&Query> = library.iter().collect();
    let wrong = run::side_by_side(&queries, |query| {
        let engine =
            Engine::new(frames.clone(), chrono_tz::UTC).asking(&library, &Overrides::new());
        let answer = engine.run(query, &Overrides::new());
        answer
            .err()
            .map(|error| error.to_string())
            .into_iter()
            .collect()
    });
    fail_with("queries fail over one row", &with_file(&queries, wrong));
}

#[test]
fn the_order_of_rows_does_not_show() {
    let files = case_files();
    let mut logs: Vec<String> = files
        .iter()
        .flat_map(|file| &file.cases)
        .map(|case| case.logs().map(|(_, text)| text).collect())
        .collect();
    logs.extend(capture(5000));
    let frames = run::frames(&logs.concat());
    let library = library();
    let queries: Vec<&Query> = library.iter().collect();
    let wrong = run::side_by_side(&queries, |query| check_shuffled(query, &frames));
    let wrong: Vec<String> = with_file(&queries, wrong);
    fail_with("the order of the tables' rows shows", &wrong);
}

/// The first lines of the lab's capture. xz is unpacked by its own program: the crate does not read it.
fn capture(lines: usize) -> Option<String> {
    let path = shared("lab/captures/postfix/mail.iso.log.xz")?;
    let unpacked = std::process::Command::new("xz")
        .arg("-dc")
        .arg(&path)
        .output();
    let Ok(unpacked) = unpacked else {
        println!("left out: no xz to unpack {}", path.display());
        return None;
    };
    let text = String::from_utf8_lossy(&unpacked.stdout);
    Some(text.split_inclusive('\n').take(lines).collect())
}

/// A path below the shared folder, when it is there.
fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MTAUDIT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    println!("left out: {} is not here", path.display());
    None
}

/// The names of the catalogue in the field study: `mal_sender_burst` is `spam/sender_burst`. The story of one message is
/// the command `trace`.
#[test]
fn every_entry_of_the_catalogue_is_found() {
    let Some(path) = shared("reference/field-study.md") else {
        return;
    };
    let library = library();
    let text = std::fs::read_to_string(path).unwrap();
    let mut wrong = Vec::new();
    let mut entries = 0;
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (Some(number), Some(name)) = (cells.get(1), cells.get(2)) else {
            continue;
        };
        let sections = [
            ("cap_", "capacity/"),
            ("del_", "delivery/"),
            ("mal_", "spam/"),
            ("acc_", "access/"),
            ("trc_", "trace/"),
            ("evd_", "evidence/"),
        ];
        let section = sections.iter().find(|(prefix, _)| name.starts_with(prefix));
        let (Ok(_), Some((prefix, section))) = (number.parse::<u32>(), section) else {
            continue;
        };
        entries += 1;
        let name = name.replacen(prefix, section, 1);
        if name != "trace/message" && library.find(&name).is_err() {
            wrong.push(name);
        }
    }
    assert_eq!(entries, 101);
    fail_with("entries of the catalogue that no query has", &wrong);
}

#[test]
fn every_query_appears_in_a_report() {
    let (library, templates) = (library(), Templates::load(None).unwrap());
    let definitions: Vec<_> = templates
        .kinds()
        .into_iter()
        .map(|kind| templates.definition(kind).unwrap())
        .collect();
    let asked: BTreeSet<&str> = definitions.iter().flat_map(|d| d.queries()).collect();
    let absent = library
        .iter()
        .filter(|query| !asked.contains(query.name.as_str()));
    let wrong: Vec<String> = absent
        .map(|query| format!("{} is in no templates/*/report.toml", query.file))
        .collect();
    fail_with("queries that no report asks", &wrong);
}

/// Where only built-in queries are asked, they get names, addresses and our own words as categories (see
/// `tables::build::Wanted`); queries of others and `sql` get strings. No query may tell the two apart.
#[test]
fn words_as_categories_change_no_answer() {
    let read = |wanted: fn() -> Wanted| {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs/postfix");
        let mut options = Options::new(vec![samples], chrono_tz::Tz::UTC);
        options.year = Some(2026);
        options.wanted = wanted();
        let loaded = load(&options).expect("the samples are read");
        Engine::new(loaded.tables.frames, chrono_tz::Tz::UTC).asking(&library(), &Overrides::new())
    };
    let strings = read(Wanted::default);
    let categories = read(|| Wanted::default().coded());
    let like = "SELECT COUNT(*) AS n FROM deliveries WHERE outcome LIKE 'deliv%'";
    assert!(strings.sql(like).is_ok() && categories.sql(like).is_err());
    // Without rows nothing could differ.
    let rows = strings
        .sql("SELECT message FROM messages")
        .map(|table| table.rows.len());
    assert!(rows.is_ok_and(|rows| rows > 1_000));
    let library = library();
    let mut wrong = Vec::new();
    for query in library.iter() {
        let told = |engine: &Engine| match engine.run(query, &Overrides::new()) {
            Ok(answer) => {
                serde_json::to_string(&(answer.result.full, answer.findings)).expect("serialises")
            }
            Err(error) => error.to_string(),
        };
        if told(&strings) != told(&categories) {
            wrong.push(query.name.clone());
        }
    }
    let answered = |query| strings.run(query, &Overrides::new()).is_ok();
    assert!(library.iter().count() > 30 && library.iter().all(answered));
    assert!(wrong.is_empty(), "answers differ: {wrong:?}");
}
