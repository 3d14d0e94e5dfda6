//! The report folder: checked before any work, written file by file, each whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::manifest::{self, Manifest, sha256_hex};
use super::sums::SUMS;
use super::templates::Templates;
use super::{Error, QueryResult, Report, csv, html, json, md};

/// Name of the manifest.
pub const MANIFEST: &str = "manifest.json";
/// Raw lines behind findings, by file name.
pub type Evidence = BTreeMap<String, Vec<u8>>;

const DOCUMENTS: [&str; 3] = ["report.html", "report.md", "report.json"];
const EVIDENCE: &str = "evidence";
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

    /// Writes all files of a report and removes tables and evidence that an earlier report left. `SHA256SUMS` comes
    /// last: while it does not match, the folder is not finished. The manifest is made first: the report states its
    /// hash, and it names all files.
    pub fn write(
        &self,
        report: &mut Report,
        manifest: &mut Manifest,
        templates: &Templates,
        evidence: Evidence,
    ) -> Result<(), Error> {
        manifest.files = names(report, &evidence);
        let rendered = manifest::render(manifest).map_err(|e| internal(MANIFEST, &e))?;
        report.manifest_sha256 = sha256_hex(&rendered);
        let mut files = render(report, templates)?;
        files.insert(MANIFEST.to_owned(), rendered);
        files.extend(evidence);
        if files.keys().any(|name| name.starts_with(EVIDENCE)) {
            let dir = self.path.join(EVIDENCE);
            fs::create_dir_all(&dir).map_err(|e| unwritable(&dir.display().to_string(), &e))?;
        }
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
        for (folder, ending) in [(TABLES, ".csv"), (EVIDENCE, ".txt")] {
            let dir = self.path.join(folder);
            let remove = || -> io::Result<()> {
                for entry in fs::read_dir(&dir)? {
                    let entry = entry?;
                    let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                    if name.ends_with(ending) && !files.contains_key(&name) {
                        fs::remove_file(entry.path())?;
                    }
                }
                Ok(())
            };
            if dir.is_dir() {
                remove().map_err(|e| unwritable(&dir.display().to_string(), &e))?;
            }
        }
        Ok(())
    }
}

/// Names of all files of the report, sorted.
fn names(report: &Report, evidence: &Evidence) -> Vec<String> {
    let tables = tables(report).map(|result| result.csv.as_str());
    let own = [MANIFEST, SUMS, SOURCES];
    let own = own.into_iter().chain(DOCUMENTS);
    let evidence = evidence.keys().map(String::as_str);
    let mut names: Vec<String> = own
        .chain(tables)
        .chain(evidence)
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names
}

/// Results that have a table of their own.
fn tables(report: &Report) -> impl Iterator<Item = &QueryResult> {
    let results = report.sections.iter().flat_map(|section| &section.results);
    results.filter(|result| result.not_assessable.is_none())
}

/// The documents and tables by name; they are made side by side.
fn render(report: &Report, templates: &Templates) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let tables: Vec<&QueryResult> = tables(report).collect();
    for result in &tables {
        check_name(&result.csv, &result.name)?;
    }
    let table = |result: &QueryResult| {
        csv::table(&result.columns, result.full.iter()).map_err(|e| internal(&result.csv, &e))
    };
    let documents: [(&str, &Make<'_>); 4] = [
        (DOCUMENTS[0], &|| {
            html::render(report, templates).map(String::into_bytes)
        }),
        (DOCUMENTS[1], &|| {
            md::render(report, templates).map(String::into_bytes)
        }),
        (DOCUMENTS[2], &|| {
            json::report(report).map_err(|e| internal("report.json", &e))
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
            .write(
                &mut report.clone(),
                &mut sample::manifest(),
                &Templates::load(None).unwrap(),
                Evidence::from([("evidence/001_x.txt".to_owned(), b"line\n".to_vec())]),
            )
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
        assert!(there.contains(&"evidence/001_x.txt".to_string()));
        assert!(
            super::super::sums::check(&out)
                .unwrap()
                .differences
                .is_empty()
        );
        // The manifest names every file, and the report has the manifest's hash.
        let manifest = fs::read(out.join(MANIFEST)).unwrap();
        there.push(SUMS.to_owned());
        there.sort();
        assert_eq!(manifest::parse(&manifest, "m").unwrap().files, there);
        let hash = sha256_hex(&manifest);
        for name in DOCUMENTS {
            let text = fs::read_to_string(out.join(name)).unwrap();
            assert!(text.contains(&hash), "{name}");
        }
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
