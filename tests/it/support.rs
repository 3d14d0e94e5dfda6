//! What the tests of the whole share: where things are, the binary, rows as JSON, law 1.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mtaudit::commands::load::{self, Options};
use mtaudit::query::Engine;
use mtaudit::report::{Cell, ColumnInfo};
use serde_json::{Map, Value};

/// A row, by column name.
pub type Row = Map<String, Value>;

/// A path of the repository.
pub fn repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A path below the shared folder, when it is there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MTAUDIT_SHARED").map_or_else(|| repo("../shared"), PathBuf::from);
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    println!("left out: {} is not here", path.display());
    None
}

/// A packed file of the shared folder, unpacked into `dir` under its name without the suffix.
pub fn unpacked(path: &str, dir: &Path) -> Option<PathBuf> {
    let packed = shared(path)?;
    let tool = if path.ends_with(".zst") { "zstd" } else { "xz" };
    let out = dir.join(packed.file_stem()?);
    let file = fs::File::create(&out).unwrap();
    let done = Command::new(tool)
        .arg("-dc")
        .arg(&packed)
        .stdout(file)
        .status();
    if matches!(done, Ok(status) if status.success()) {
        return Some(out);
    }
    println!("left out: {tool} cannot unpack {}", packed.display());
    None
}

/// The records of a journal.
pub fn journal(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A text of a record; empty where there is none.
pub fn word<'a>(record: &'a Value, name: &str) -> &'a str {
    record[name].as_str().unwrap_or_default()
}

/// A list of a record.
pub fn list<'a>(record: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    record[name].as_array().into_iter().flatten()
}

/// The reply to a recipient in the end: where it was accepted, that to the message. None where the destination said
/// nothing: it hung up, or was left before the data.
pub fn last_reply<'a>(record: &'a Value, rcpt: &'a Value) -> Option<&'a str> {
    let mut reply = word(rcpt, "reply");
    if reply.starts_with('2') {
        reply = rcpt["data_reply"].as_str().or(record["data"].as_str())?;
    }
    let answers = matches!(reply.as_bytes().first()?, b'2' | b'4' | b'5');
    answers.then_some(reply)
}

/// Files read in-process.
pub fn engine(paths: &[PathBuf], zone: chrono_tz::Tz) -> Engine {
    let loaded = load::load(&Options {
        year: Some(2026),
        ..Options::new(paths.to_vec(), zone)
    });
    Engine::new(loaded.unwrap().tables.frames, zone)
}

/// Rows of a statement.
pub fn rows(engine: &Engine, sql: &str) -> Vec<Row> {
    let table = engine
        .sql(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    named(&table.columns, table.rows)
}

/// Rows by the names of their columns.
pub fn named(columns: &[ColumnInfo], rows: impl IntoIterator<Item = Vec<Cell>>) -> Vec<Row> {
    let row = |cells: Vec<Cell>| {
        let names = columns.iter().map(|column| column.name.clone());
        names
            .zip(cells.into_iter().map(|cell| cell.value))
            .collect()
    };
    rows.into_iter().map(row).collect()
}

/// Text of a field; empty when null.
pub fn text<'a>(row: &'a Row, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

/// Number of a field; zero when null.
pub fn number(row: &Row, name: &str) -> i64 {
    row[name].as_i64().unwrap_or_default()
}

/// Runs the binary in `dir`, with a clean environment as far as it matters.
pub fn mtaudit<S: AsRef<std::ffi::OsStr>>(dir: &Path, args: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mtaudit"))
        .args(args)
        .current_dir(dir)
        .env_remove("SOURCE_DATE_EPOCH")
        .output()
        .unwrap()
}

/// Exit code.
pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// Standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Rows of `mtaudit sql`, and its exit code.
pub fn sql(dir: &Path, statement: &str, paths: &[&str]) -> (Vec<Row>, i32) {
    let mut args = vec!["sql", statement];
    args.extend(["-q", "--format", "json", "--year", "2026"]);
    args.extend(paths);
    let output = mtaudit(dir, &args);
    let rows = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{statement}: {error}: {}", said(&output)));
    (rows, code(&output))
}

/// The sources, with law 1 checked: lines = events + ignored + unrecognised + undecodable, for each.
pub fn sources(dir: &Path, paths: &[&str]) -> (Vec<Row>, i32) {
    let (rows, code) = sql(dir, "SELECT * FROM sources ORDER BY source", paths);
    for row in &rows {
        equation(row);
    }
    // Every line that is ignored is of a kind that is listed.
    let (listed, _) = sql(dir, "SELECT SUM(lines) AS n FROM ignored_lines", paths);
    let ignored: i64 = rows.iter().map(|row| number(row, "ignored")).sum();
    assert_eq!(number(&listed[0], "n"), ignored);
    (rows, code)
}

/// Law 1 of one source.
pub fn equation(row: &Row) {
    let parts = ["events", "ignored", "unrecognised", "undecodable"];
    let sum: i64 = parts.iter().map(|part| number(row, part)).sum();
    assert_eq!(number(row, "lines"), sum, "{row:?}");
}

/// All files below a folder, sorted, as paths from there.
pub fn files(dir: &Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(dir).sort_by_file_name().into_iter();
    let files = walk.map(Result::unwrap).filter(|e| e.file_type().is_file());
    let name = |e: walkdir::DirEntry| e.path().strip_prefix(dir).unwrap().display().to_string();
    files.map(name).collect()
}
