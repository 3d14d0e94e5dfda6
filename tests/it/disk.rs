//! Tables past `--memory` stay on disk: the same answers as from memory, cell by cell, for any number of runs.

use std::path::{Path, PathBuf};

use mtaudit::commands::load::{Loaded, Options, load};
use mtaudit::query::{Engine, Library, Overrides, Query};
use mtaudit::tables::build::Wanted;
use mtaudit::tables::schema::TABLES;
use mtaudit::tables::select::{Entity, Selection};
use serde_json::Value;

use super::queries::run::with_stack;
use super::support::{code, mtaudit, repo, rows, said};

fn converted(dir: &Path, name: &str, logs: &[&str]) -> PathBuf {
    let mut args = vec!["convert", "-q", "--year", "2026", "--out"];
    let out = dir.join(name);
    args.push(out.to_str().unwrap());
    args.extend(logs);
    let output = mtaudit(&repo("sample-logs"), &args);
    assert!([0, 3].contains(&code(&output)), "{}", said(&output));
    out
}

/// Both the same, the second with its tables on disk.
fn both(paths: &[PathBuf], selection: &Selection, queries: Option<&[&Query]>) -> [Loaded; 2] {
    [u64::MAX, 0].map(|memory| {
        let mut options = Options {
            year: Some(2026),
            selection: selection.clone(),
            memory,
            ..Options::new(paths.to_vec(), chrono_tz::UTC)
        };
        if let Some(queries) = queries {
            options.wanted = queries
                .iter()
                .fold(Wanted::none(), |wanted, query| query.wanted(wanted))
                .coded();
        }
        let loaded = load(&options).unwrap();
        assert_eq!(loaded.tables.on_disk(), memory == 0);
        loaded
    })
}

/// Engines over what was loaded, which has to stay: logs that were read into files lose them with it.
fn engines(loaded: &[Loaded; 2]) -> [Engine; 2] {
    loaded
        .each_ref()
        .map(|loaded| Engine::new(loaded.tables.frames.clone(), chrono_tz::UTC))
}

/// Results and findings of every query, as a report has them.
fn answers(engine: &Engine, library: &Library) -> Vec<(String, Value)> {
    let all = library.iter().map(|query| {
        let answer = engine.run(query, &Overrides::new()).unwrap();
        let result = serde_json::to_value(&answer.result).unwrap();
        let full = serde_json::to_value(&answer.result.full).unwrap();
        let findings = serde_json::to_value(&answer.findings).unwrap();
        (
            query.name.clone(),
            serde_json::json!([result, full, findings]),
        )
    });
    all.collect()
}

fn same_answers(engines: &[Engine; 2], library: &Library, what: &str) {
    let [memory, disk] = engines;
    let expected = answers(memory, library);
    for ((name, expected), (_, found)) in expected.iter().zip(answers(disk, library)) {
        assert_eq!(*expected, found, "{what}: {name}");
    }
}

fn same_tables(engines: &[Engine; 2], what: &str) {
    for table in TABLES {
        let all = format!("SELECT * FROM {}", table.name);
        let first = format!("SELECT source, line FROM {} LIMIT 5", table.name);
        let count = format!(
            "SELECT COUNT(*) AS n, MAX(line) AS line FROM {}",
            table.name
        );
        for sql in [all, first, count] {
            let [expected, found] = engines.each_ref().map(|engine| rows(engine, &sql));
            assert_eq!(expected, found, "{what}: {sql}");
        }
    }
}

#[test]
fn every_query_answers_the_same() {
    with_stack(|| {
        let dir = tempfile::tempdir().unwrap();
        let library = Library::builtin().unwrap();
        let queries: Vec<&Query> = library.iter().collect();
        let mut folder = vec![converted(dir.path(), "all", &["."])];
        let coded = both(&folder, &Selection::default(), Some(&queries));
        same_answers(&engines(&coded), &library, "one folder");
        // Two conversions, joined with another folder.
        folder = vec![
            converted(dir.path(), "two", &["postfix/mx1"]),
            converted(dir.path(), "other", &["hostile"]),
        ];
        converted(dir.path(), "two", &["postfix/mx2"]);
        let coded = both(&folder, &Selection::default(), Some(&queries));
        same_answers(&engines(&coded), &library, "two folders");
        folder[1] = repo("sample-logs/hostile");
        let coded = both(&folder, &Selection::default(), Some(&queries));
        same_answers(&engines(&coded), &library, "a folder and logs");
    });
}

#[test]
fn a_narrowed_folder_answers_the_same() {
    with_stack(|| {
        let dir = tempfile::tempdir().unwrap();
        let library = Library::builtin().unwrap();
        let folder = [converted(dir.path(), "tables", &["."])];
        let at = |day: i64| Some(1_793_491_200_000_000 + day * 86_400_000_000);
        let host = Selection {
            hosts: vec!["mx2".into()],
            ..Selection::default()
        };
        let month = Selection {
            since: at(9),
            until: at(12),
            ..Selection::default()
        };
        for selection in [Selection::default(), host, month] {
            let loaded = both(&folder, &selection, None);
            let engines = engines(&loaded);
            same_tables(&engines, &format!("{selection:?}"));
            same_answers(&engines, &library, &format!("{selection:?}"));
        }
    });
}

#[test]
fn what_touches_an_entity_is_the_same() {
    with_stack(|| {
        let dir = tempfile::tempdir().unwrap();
        let library = Library::builtin().unwrap();
        let folder = [converted(dir.path(), "tables", &["."])];
        let [all, _] = both(&folder, &Selection::default(), None);
        let all = Engine::new(all.tables.frames, chrono_tz::UTC);
        let sql = "SELECT MAX(sender) AS a, MAX(client_ip) AS b, MAX(sender_domain) AS c, MAX(queue_id) AS d FROM messages";
        let keys = rows(&all, sql).remove(0);
        for (part, key) in keys.values().filter_map(Value::as_str).enumerate() {
            let about = Selection {
                about: Some(Entity::new(key).unwrap()),
                ..Selection::default()
            };
            let loaded = both(&folder, &about, None);
            assert!(!loaded[1].tables.is_empty().unwrap(), "{key}");
            let counted = loaded
                .each_ref()
                .map(|loaded| loaded.tables.rows().unwrap());
            assert_eq!(counted[0], counted[1], "{key}");
            let engines = engines(&loaded).map(|engine| engine.narrowed(true));
            same_tables(&engines, key);
            // All queries answer the same over all rows: of each key a part of them is asked.
            let mut some = Library::default();
            let of_part = library.iter().skip(part).step_by(keys.len());
            of_part.for_each(|query| some.add(query.clone()));
            same_answers(&engines, &some, key);
            // Few rows are had once.
            let [memory, disk] =
                loaded.map(|loaded| loaded.tables.in_memory_within(1 << 30).unwrap());
            assert!(!disk.on_disk());
            let gathered = [memory, disk].map(|tables| Engine::new(tables.frames, chrono_tz::UTC));
            same_tables(&gathered, key);
        }
    });
}

#[test]
fn a_changed_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = converted(dir.path(), "tables", &["postfix/mx1"]);
    let files = walkdir::WalkDir::new(folder.join("attempts")).into_iter();
    let file = files
        .map(Result::unwrap)
        .find(|file| file.file_type().is_file());
    let path = file.unwrap().into_path();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let options = Options {
        memory: 0,
        ..Options::new(vec![folder], chrono_tz::UTC)
    };
    let said = format!("{:#}", load(&options).err().unwrap());
    assert!(said.contains("SHA-256") && said.contains("hint"), "{said}");
}
