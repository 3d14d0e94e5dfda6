//! The report folder: checked before any work, written file by file, each whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::manifest::{self, Manifest, sha256_hex};
use super::templates::Templates;
use super::{Error, QueryResult, Report, csv, html, json, md};

const MANIFEST: &str = "manifest.json";
const SUMS: &str = "SHA256SUMS";
const TABLES: &str = "tables";
const SOURCES: &str = "tables/sources.csv";
/// Every file is first written under this name beside its own.
const TEMPORARY: &str = ".mtaudit-writing";

/// A folder that a report can be written to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Creates the folder when needed and makes sure that it can be written to and holds nothing but an earlier report.
pub fn prepare(out: &Path) -> Result<Folder, Error> {
    let place = out.display().to_string();
    let tables = out.join(TABLES);
    fs::create_dir_all(out).map_err(|e| unwritable(&place, &e))?;
    if !is_empty(out).map_err(|e| unwritable(&place, &e))? && !is_report(out) {
        let hint =
            "give a new or empty folder with `--out`, or one with an earlier report of mtaudit";
        return Err(Error::new(
            place,
            "the folder is not empty and holds no report",
            hint,
        ));
    }
    fs::create_dir_all(&tables).map_err(|e| unwritable(&place, &e))?;
    for dir in [out, tables.as_path()] {
        probe(dir).map_err(|e| unwritable(&place, &e))?;
    }
    Ok(Folder {
        path: out.to_path_buf(),
    })
}

fn unwritable(place: &str, error: &io::Error) -> Error {
    Error::new(
        place,
        format!("cannot write there: {error}"),
        "choose another folder with `--out`, or its permissions",
    )
}

/// Empty, but for the empty folder of tables that a run which failed later leaves behind.
fn is_empty(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let left_over = entry.file_name() == TABLES && entry.file_type()?.is_dir();
        if !left_over || fs::read_dir(entry.path())?.next().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the folder's manifest is one of ours.
fn is_report(dir: &Path) -> bool {
    let Ok(bytes) = fs::read(dir.join(MANIFEST)) else {
        return false;
    };
    let manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    manifest["tool"] == "mtaudit"
}

fn probe(dir: &Path) -> io::Result<()> {
    let path = dir.join(TEMPORARY);
    fs::write(&path, b"")?;
    fs::remove_file(&path)
}

impl Folder {
    /// Where the report is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all files of a report and removes tables that an earlier report left. `SHA256SUMS` comes last: while it
    /// does not match, the folder is not finished.
    pub fn write(
        &self,
        report: &Report,
        manifest: &Manifest,
        templates: &Templates,
    ) -> Result<(), Error> {
        let files = render(report, manifest, templates)?;
        let mut sums = String::new();
        for (name, bytes) in &files {
            self.put(name, bytes)?;
            sums.push_str(&format!("{}  {name}\n", sha256_hex(bytes)));
        }
        self.remove_stale(&files)?;
        self.put(SUMS, sums.as_bytes())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path.join(name);
        replace(&path, bytes).map_err(|e| unwritable(&path.display().to_string(), &e))
    }

    fn remove_stale(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<(), Error> {
        let dir = self.path.join(TABLES);
        let remove = || -> io::Result<()> {
            for entry in fs::read_dir(&dir)? {
                let entry = entry?;
                let name = format!("{TABLES}/{}", entry.file_name().to_string_lossy());
                if name.ends_with(".csv") && !files.contains_key(&name) {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        };
        remove().map_err(|e| unwritable(&dir.display().to_string(), &e))
    }
}

/// Every file of the report but the sums, by name; they are made side by side.
fn render(
    report: &Report,
    manifest: &Manifest,
    templates: &Templates,
) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let results = report.sections.iter().flat_map(|section| &section.results);
    let tables: Vec<&QueryResult> = results.filter(|r| r.not_assessable.is_none()).collect();
    for result in &tables {
        check_name(&result.csv, &result.name)?;
    }
    let table = |result: &QueryResult| {
        csv::table(&result.columns, result.full.iter()).map_err(|e| internal(&result.csv, &e))
    };
    let documents: [(&str, &Make<'_>); 5] = [
        ("report.html", &|| {
            html::render(report, templates).map(String::into_bytes)
        }),
        ("report.md", &|| {
            md::render(report, templates).map(String::into_bytes)
        }),
        ("report.json", &|| {
            json::report(report).map_err(|e| internal("report.json", &e))
        }),
        (MANIFEST, &|| {
            manifest::render(manifest).map_err(|e| internal(MANIFEST, &e))
        }),
        (SOURCES, &|| {
            csv::sources(&report.coverage.sources).map_err(|e| internal(SOURCES, &e))
        }),
    ];
    let documents = documents
        .par_iter()
        .with_max_len(1)
        .map(|(name, make)| Ok(((*name).to_owned(), make()?)));
    let tables = tables
        .par_iter()
        .map(|result| Ok((result.csv.clone(), table(result)?)));
    documents.chain(tables).collect()
}

/// Makes one file.
type Make<'a> = dyn Fn() -> Result<Vec<u8>, Error> + Sync + 'a;

fn internal(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(
        name,
        error.to_string(),
        "this is a defect of mtaudit: please report it",
    )
}

/// A table's name comes from a query's file name, which may be a stranger's.
fn check_name(csv: &str, query: &str) -> Result<(), Error> {
    let stem = csv
        .strip_prefix("tables/")
        .and_then(|n| n.strip_suffix(".csv"))
        .unwrap_or_default();
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !stem.is_empty() && stem != "sources" && stem.bytes().all(good) {
        return Ok(());
    }
    let message = format!("`{csv}` is no name for a table");
    Err(Error::new(
        query,
        message,
        "name the query's folder and file with letters, digits, `_` and `-`",
    ))
}

/// The new content or the old one, never half of either.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_file_name(TEMPORARY);
    let written = fs::File::create(&temporary).and_then(|mut file| {
        // Not synced: after a power loss the sums tell which files are whole.
        file.write_all(bytes)
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    renamed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::sample;
    use super::*;

    fn written(dir: &Path, report: &Report) {
        let folder = prepare(dir).unwrap();
        folder
            .write(report, &sample::manifest(), &Templates::load(None).unwrap())
            .unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        let files = walkdir::WalkDir::new(dir)
            .sort_by_file_name()
            .into_iter()
            .map(Result::unwrap);
        let files = files.filter(|e| e.file_type().is_file());
        files
            .map(|e| e.path().strip_prefix(dir).unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn the_folder_holds_what_its_sums_say() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("new/report");
        written(&out, &sample::report("audit"));
        let sums = fs::read_to_string(out.join(SUMS)).unwrap();
        let listed: Vec<String> = sums
            .lines()
            .map(|l| l.split_once("  ").unwrap().1.to_string())
            .collect();
        let mut there = names(&out);
        there.retain(|n| n != SUMS);
        there.sort();
        assert_eq!(listed, there);
        for line in sums.lines() {
            let (hash, name) = line.split_once("  ").unwrap();
            assert_eq!(
                hash,
                sha256_hex(&fs::read(out.join(name)).unwrap()),
                "{name}"
            );
        }
        assert!(there.contains(&"tables/sources.csv".to_string()));
    }

    #[test]
    fn tables_are_complete_and_stale_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = sample::report("audit");
        written(dir.path(), &report);
        let top = report
            .sections
            .iter()
            .flat_map(|s| &s.results)
            .find(|r| r.total > r.rows.len())
            .unwrap();
        let text = fs::read(dir.path().join(&top.csv)).unwrap();
        assert_eq!(
            ::csv::Reader::from_reader(text.as_slice())
                .records()
                .count(),
            top.total
        );

        report.sections.truncate(1);
        written(dir.path(), &report);
        let kept: Vec<&str> = report.sections[0]
            .results
            .iter()
            .map(|r| r.csv.as_str())
            .collect();
        for name in names(&dir.path().join(TABLES)) {
            let name = format!("{TABLES}/{name}");
            assert!(
                kept.contains(&name.as_str()) || name == "tables/sources.csv",
                "{name}"
            );
        }
    }

    #[test]
    fn a_strangers_folder_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "x").unwrap();
        let error = prepare(dir.path()).unwrap_err();
        assert!(
            error.message.contains("not empty") && error.hint.contains("--out"),
            "{error}"
        );
        assert_eq!(names(dir.path()), ["thesis.txt"]);
        fs::write(dir.path().join(MANIFEST), "{\"tool\": \"other\"}").unwrap();
        assert!(prepare(dir.path()).is_err());
    }

    #[test]
    fn a_file_in_the_way_is_found_before_any_work() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        fs::write(&path, "x").unwrap();
        assert!(prepare(&path).unwrap_err().message.contains("cannot write"));
        assert!(prepare(&path.join("below")).is_err());
    }

    #[test]
    fn a_query_cannot_name_its_way_out_of_the_folder() {
        for name in [
            "tables/../x.csv",
            "x.csv",
            "tables/a/b.csv",
            "tables/.csv",
            "tables/sources.csv",
            "tables/a\nb.csv",
        ] {
            assert!(check_name(name, "q").is_err(), "{name}");
        }
        assert!(check_name("tables/capacity_overview.csv", "q").is_ok());
    }
}
