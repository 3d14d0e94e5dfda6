//! The tables in a folder, as Parquet: what `mtaudit convert` writes, every command reads, and other engines too.
//!
//! ```text
//! mtaudit.json                              what is in it: sources, zone, files
//! messages/day=2026-11-23/part-0001.parquet one file a table, day and conversion; the rest likewise
//! sources/part-0001.parquet                 tables without days have no such level
//! ```
//!
//! A conversion of more than fits in memory has a file for each window of log (`part-0001-00001.parquet`).
//!
//! Sources count on from one conversion to the next, and so do the keys made from them (`message`, `parent`,
//! `session`), so that they are unique in the folder. A conversion writes its files under other names, renames them
//! when all are there, and writes `mtaudit.json` last: a file that it does not list was left by a run that was killed,
//! is never read, and is removed by the next conversion. Files are held against their SHA-256 before anything is made
//! of them.
//! [`crate::commands`] decides what goes in; queries see the same frames as from logs.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Error, Result, anyhow, bail};
use polars::prelude::{
    AnyValue, DataFrame, DataType, Expr, IntoLazy, PlSmallStr, PolarsResult, SortMultipleOptions,
    col, lit,
};
use polars::prelude::{
    ParallelStrategy, ParquetCompression, ParquetReader, ParquetWriter, SerReader,
    StatisticsOptions,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::build::{SourceRow, Wanted};
use super::schema::{self, TABLES};
use super::{Frame, Tables};
use crate::correlate::rows::LINES;
use crate::pseudonyms::Marking;
use crate::source::{sha256, sha256_of};

/// The file that says what is in the folder.
pub const INDEX: &str = crate::source::TABLES[0];

/// Version of the layout, to be raised when an older reader would misread a newer folder.
const FORMAT: u64 = 3;

/// The day of rows without one, as Hive writes it.
const NO_DAY: &str = "__HIVE_DEFAULT_PARTITION__";

/// Locked while a conversion writes.
const LOCK: &str = crate::source::TABLES[1];

/// Suffix of files that are not complete yet.
const UNFINISHED: &str = ".unfinished";

/// Rows that are read from a file at once.
const GROUP: usize = 1 << 16;

/// Tables that are small however long the logs are.
const SMALL: &[&str] = &[
    "sources",
    "line_shapes",
    "activity",
    "clock_steps",
    "ignored_lines",
];

/// Bytes of text in memory for a byte of a file: texts repeat, and pages are compressed.
const UNPACKED: u64 = 4;

/// What is wrong with a file of another hash.
const CHANGED: &str = "its content was changed (SHA-256)";

/// What to do about a folder that cannot be used any more.
const AGAIN: &str = "convert the logs again into a new folder";

/// What to do about a folder that cannot be written.
const WRITABLE: &str =
    "is the disk full, or the folder not ours to write? --out, --store or TMPDIR can name another";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    format: u64,
    tool: String,
    /// Zone of `day`, `hour`, `hour_of_day` and `weekday`.
    timezone: String,
    /// Local domains as given, sorted; none when each conversion saw for itself.
    given_domains: Vec<String>,
    /// Persons are hidden, with which key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pseudonyms: Option<Marking>,
    parts: Vec<Part>,
}

/// One conversion.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    sources: Vec<SourceRow>,
    local_domains: Vec<String>,
    files: Vec<Entry>,
}

/// A file of rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Entry {
    pub table: String,
    /// Below the folder, with `/`.
    pub path: String,
    pub rows: u64,
    bytes: u64,
    sha256: String,
}

impl Entry {
    /// Writes rows of a table to a file below `dir`, under the name of one that is not finished.
    ///
    /// # Errors
    /// A disk that is full, a folder that is not ours.
    pub fn write(dir: &Path, table: &str, path: String, rows: &mut DataFrame) -> Result<Entry> {
        let content = parquet(rows)?;
        write_new(&unfinished(dir, &path), &content)?;
        Ok(Entry {
            table: table.to_owned(),
            path,
            rows: rows.height() as u64,
            bytes: content.len() as u64,
            sha256: sha256_of(&content),
        })
    }

    /// Where it lies until then.
    pub fn unfinished(&self, dir: &Path) -> PathBuf {
        unfinished(dir, &self.path)
    }

    /// Gives a file its name, now that nothing is added to what it belongs to.
    ///
    /// # Errors
    /// A folder that is not ours to write.
    pub fn finish(&self, dir: &Path) -> Result<()> {
        let path = dir.join(&self.path);
        fs::rename(unfinished(dir, &self.path), &path)
            .map_err(|error| failed(format!("cannot write {}", path.display()), error, WRITABLE))
    }
}

fn unfinished(dir: &Path, path: &str) -> PathBuf {
    dir.join(format!("{path}{UNFINISHED}"))
}

/// Local days, the first and the last, from which rows are needed; none where it does not matter.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Days {
    pub first: Option<chrono::NaiveDate>,
    pub last: Option<chrono::NaiveDate>,
}

impl Days {
    fn may_hold(self, entry: &Entry) -> bool {
        let day = entry
            .path
            .split('/')
            .find_map(|part| part.strip_prefix("day="));
        // Rows without a time are in a folder without a day, and other tables have no days.
        let Some(day) = day.and_then(|day| day.parse::<chrono::NaiveDate>().ok()) else {
            return true;
        };
        // A session whose beginning is not in the logs is filed under its first line and kept by its last.
        let late = self.last.is_some_and(|last| day > last);
        let early = self.first.is_some_and(|first| day < first) && entry.table != "sessions";
        !late && !early
    }
}

/// A folder with tables.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    index: Index,
    /// Held while one is written: of two conversions, the second is refused. The system lets go of it when the process
    /// ends, in whatever way.
    lock: Option<File>,
    /// Made for this conversion: removed when nothing came of it.
    begun: bool,
}

/// Whether a path is such a folder.
pub fn is_store(path: &Path) -> bool {
    path.join(INDEX).is_file()
}

/// An error with its cause, and the remedy as the last line.
fn failed(what: impl Display, cause: impl Display, remedy: &str) -> Error {
    anyhow!("{what}: {cause}\nhint: {remedy}")
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.begun {
            // What is in use, or not empty, stays: there is nothing to lose by leaving it.
            let _ = fs::remove_file(self.dir.join(LOCK));
            let _ = fs::remove_dir(&self.dir);
        }
    }
}

impl Store {
    /// Opens a folder.
    ///
    /// # Errors
    /// There is none, it is of another version, or a file of it is missing or has another size.
    pub fn open(dir: &Path) -> Result<Store> {
        let path = dir.join(INDEX);
        let text = fs::read(&path)
            .map_err(|error| failed(format!("cannot read {}", path.display()), error, AGAIN))?;
        let index = parse(&text)
            .map_err(|error| failed(format!("cannot use {}", path.display()), error, AGAIN))?;
        let store = Store {
            dir: dir.to_owned(),
            index,
            lock: None,
            begun: false,
        };
        store.entries().try_for_each(|entry| store.present(entry))?;
        Ok(store)
    }

    /// Opens a folder to add to it, or begins one: it must be new, empty, or a store. Local domains are those of the
    /// first conversion.
    ///
    /// # Errors
    /// Those of [`Store::open`]; something else is in the folder; it was made for another zone or other local domains;
    /// another conversion writes to it.
    pub fn open_or_begin(dir: &Path, zone: chrono_tz::Tz, domains: &[String]) -> Result<Store> {
        let begun = !dir.exists();
        if !is_store(dir) {
            make(dir)?;
        }
        // Another conversion may have ended before the lock was had: what is there is looked at under it.
        let lock = Some(lock(dir)?);
        if is_store(dir) {
            let mut store = Store::open(dir)?;
            store.check_zone(zone)?;
            store.check_given(domains)?;
            store.lock = lock;
            return Ok(store);
        }
        Ok(Store {
            dir: dir.to_owned(),
            index: Index {
                format: FORMAT,
                tool: concat!("mtaudit ", env!("CARGO_PKG_VERSION")).into(),
                timezone: zone.to_string(),
                given_domains: domains.to_vec(),
                pseudonyms: None,
                parts: Vec::new(),
            },
            lock,
            begun,
        })
    }

    fn check_given(&self, domains: &[String]) -> Result<()> {
        let own = &self.index.given_domains;
        if domains.is_empty() || domains == own.as_slice() {
            return Ok(());
        }
        let own = if own.is_empty() {
            "those seen in local delivery".to_owned()
        } else {
            own.join(", ")
        };
        Err(failed(
            format!("{}: made with other local domains", self.dir.display()),
            own,
            "leave --local-domain out, or name a new folder",
        ))
    }

    /// Local domains as given to the first conversion.
    pub fn given_domains(&self) -> &[String] {
        &self.index.given_domains
    }

    /// The key with which persons are hidden in its tables.
    pub fn marking(&self) -> Option<&Marking> {
        self.index.pseudonyms.as_ref()
    }

    /// Says with which key persons are hidden in what is added.
    ///
    /// # Errors
    /// What is in it was hidden with another one, or one of them was not hidden.
    pub fn mark(&mut self, marking: Option<Marking>) -> Result<()> {
        if self.parts() > 0 && self.index.pseudonyms != marking {
            let own = self.marking().map_or_else(
                || "no pseudonyms".to_owned(),
                |own| format!("pseudonyms ({own})"),
            );
            return Err(failed(
                self.dir.display(),
                format!("its tables have {own}"),
                "name a new folder, or give the --pseudonymise of the first conversion",
            ));
        }
        self.index.pseudonyms = marking;
        Ok(())
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Names of its files in the folder: the index, and the rows, sorted.
    pub fn files(&self) -> Vec<String> {
        let rows = self.entries().map(|entry| entry.path.clone());
        let mut names: Vec<String> = rows.chain([INDEX.to_owned()]).collect();
        names.sort_unstable();
        names
    }

    /// Number of conversions.
    pub fn parts(&self) -> usize {
        self.index.parts.len()
    }

    /// Days and hours are cut in the zone of the first conversion.
    ///
    /// # Errors
    /// It is another one.
    pub fn check_zone(&self, zone: chrono_tz::Tz) -> Result<()> {
        let own = &self.index.timezone;
        if *own != zone.to_string() {
            return Err(failed(
                self.dir.display(),
                format!("its days and hours are those of {own}"),
                &format!("add `--timezone {own}`, or convert the logs again for {zone}"),
            ));
        }
        Ok(())
    }

    /// Every source, in the order of their numbers.
    pub fn sources(&self) -> Vec<SourceRow> {
        let parts = self.index.parts.iter();
        parts.flat_map(|part| part.sources.clone()).collect()
    }

    /// Domains taken to be local when the tables were made, sorted.
    pub fn local_domains(&self) -> Vec<String> {
        let parts = self.index.parts.iter();
        let mut all: Vec<String> = parts.flat_map(|part| part.local_domains.clone()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The tables, each in the order of its places. Files of days that cannot hold a row of the period are not read;
    /// which rows are of it, [`super::select`] decides.
    ///
    /// # Errors
    /// A file that is no Parquet file any more, or has not the columns that it should have.
    pub fn tables(&self, wanted: &Wanted, days: Days) -> Result<Tables> {
        let frames: Result<Vec<_>> = TABLES
            .par_iter()
            .map(|table| Ok((table.name, self.table(table, wanted, days)?.into())))
            .collect();
        Ok(Tables { frames: frames? })
    }

    /// The same tables, left on disk but for those that are always small. Texts are strings. Files are held against
    /// their SHA-256 here; until the tables are let go of, they have to stay as they are.
    ///
    /// # Errors
    /// Those of [`Store::tables`].
    pub fn scans(&self, wanted: &Wanted, days: Days) -> Result<Tables> {
        let wanted = &wanted.clone().plain();
        let frames: Result<Vec<_>> = TABLES
            .par_iter()
            .map(|table| {
                let small = SMALL.contains(&table.name);
                let frame = if small {
                    self.table(table, wanted, days)?.into()
                } else {
                    self.scan(table, wanted, days)?
                };
                Ok((table.name, frame))
            })
            .collect();
        Ok(Tables { frames: frames? })
    }

    fn scan(&self, table: &schema::Table, wanted: &Wanted, days: Days) -> Result<Frame> {
        let entries: Vec<&Entry> = self.entries_of(table, days).collect();
        let paths: Result<Vec<PathBuf>> =
            entries.par_iter().map(|entry| self.hashed(entry)).collect();
        let rows = entries.iter().map(|entry| entry.rows).sum();
        Ok(Frame::files(table.name, paths?, rows, wanted)?)
    }

    /// A file that is as it was written.
    fn hashed(&self, entry: &Entry) -> Result<PathBuf> {
        let path = self.dir.join(&entry.path);
        let what = format!("cannot read {}", path.display());
        match sha256(&path) {
            Ok(found) if found == entry.sha256 => Ok(path),
            Ok(_) => Err(failed(what, CHANGED, AGAIN)),
            Err(error) => Err(failed(what, error, AGAIN)),
        }
    }

    /// About the bytes of memory that [`Store::tables`] takes.
    pub fn bytes_in_memory(&self, wanted: &Wanted, days: Days) -> u64 {
        let table = |table: &schema::Table| {
            let width = wanted.width(table);
            let entries = self.entries_of(table, days);
            entries
                .map(|entry| entry.rows * width + entry.bytes * UNPACKED)
                .sum::<u64>()
        };
        // Half as much again is there while they are read: files, and columns that are being joined.
        TABLES.iter().map(table).sum::<u64>() / 2 * 3
    }

    fn entries_of(&self, table: &schema::Table, days: Days) -> impl Iterator<Item = &Entry> {
        let name = table.name;
        self.entries()
            .filter(move |entry| entry.table == name && days.may_hold(entry))
    }

    fn table(&self, table: &schema::Table, wanted: &Wanted, days: Days) -> Result<DataFrame> {
        let columns: Vec<&schema::Column> = table
            .columns
            .iter()
            .filter(|column| wanted.keeps(table.name, column.name))
            .collect();
        let names: Vec<String> = columns.iter().map(|c| c.name.to_owned()).collect();
        let entries: Vec<&Entry> = self.entries_of(table, days).collect();
        let frames: Result<Vec<DataFrame>> = entries
            .par_iter()
            .map(|entry| self.read(entry, &names))
            .collect();
        let mut frames = frames?.into_iter();
        let Some(mut whole) = frames.next() else {
            return Ok(wanted.coded_text(table.name, schema::empty(columns))?);
        };
        for next in frames {
            whole.vstack_mut_owned(next)?;
        }
        whole.rechunk_mut_par();
        let whole = arranged(table.name, whole, self.index.parts.len())?;
        Ok(wanted.coded_text(table.name, whole)?)
    }

    fn read(&self, entry: &Entry, columns: &[String]) -> Result<DataFrame> {
        let path = self.dir.join(&entry.path);
        let what = format!("cannot read {}", path.display());
        let bytes = fs::read(&path).map_err(|error| failed(&what, error, AGAIN))?;
        if sha256_of(&bytes) != entry.sha256 {
            return Err(failed(&what, CHANGED, AGAIN));
        }
        // Files are read side by side already. Were each spread over polars' threads too, the thread that waits for
        // them would begin the next file meanwhile, within the one before, and so on until its stack is full.
        let reader = ParquetReader::new(Cursor::new(bytes))
            .read_parallel(ParallelStrategy::None)
            .with_columns(Some(columns.to_vec()));
        let frame = reader
            .finish()
            .map_err(|error| failed(&what, error, AGAIN))?;
        if frame.height() as u64 != entry.rows {
            return Err(failed(&what, "not the rows that were written", AGAIN));
        }
        Ok(frame.select(columns.iter().map(String::as_str))?)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.index.parts.iter().flat_map(|part| &part.files)
    }

    fn present(&self, entry: &Entry) -> Result<()> {
        let path = self.dir.join(&entry.path);
        match fs::metadata(&path) {
            _ if !is_part(&entry.path) => Err(failed(&entry.path, "no file of tables", AGAIN)),
            Ok(found) if found.len() == entry.bytes => Ok(()),
            Ok(found) => {
                let cause = format!("{} bytes, {} were written", found.len(), entry.bytes);
                Err(failed(path.display(), cause, AGAIN))
            }
            Err(error) => Err(failed(path.display(), error, AGAIN)),
        }
    }

    /// Adds what one conversion read. Sources are numbered on from [`Store::sources`] already.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn add(
        &mut self,
        tables: &Tables,
        sources: Vec<SourceRow>,
        local_domains: Vec<String>,
    ) -> Result<()> {
        self.begin()?;
        let number = self.index.parts.len() + 1;
        let files = self.write(tables, number)?;
        self.list(sources, local_domains, files)
    }

    /// Makes ready for new files, those of a run that was killed removed.
    ///
    /// # Errors
    /// A folder that is not ours to write.
    pub fn begin(&mut self) -> Result<()> {
        if !is_store(&self.dir) {
            // A folder whose first conversion is killed is known by it.
            self.replace_index(&self.index)?;
        }
        self.begun = false;
        self.remove_unlisted()
    }

    /// Ends a conversion: from now on these files are a part of the folder.
    ///
    /// # Errors
    /// A folder that is not ours to write.
    pub fn list(
        &mut self,
        sources: Vec<SourceRow>,
        local_domains: Vec<String>,
        files: Vec<Entry>,
    ) -> Result<()> {
        files.iter().try_for_each(|file| file.finish(&self.dir))?;
        let mut index = self.index.clone();
        index.parts.push(Part {
            sources,
            local_domains,
            files,
        });
        self.replace_index(&index)?;
        self.index = index;
        Ok(())
    }

    fn write(&self, tables: &Tables, number: usize) -> Result<Vec<Entry>> {
        let mut pieces: Vec<(&str, String, DataFrame)> = Vec::new();
        for (table, frame) in &tables.frames {
            let frame = frame.collect()?;
            if frame.height() == 0 {
                continue;
            }
            for (folder, rows) in by_day(table, &frame)? {
                pieces.push((table, format!("{folder}/part-{number:04}.parquet"), rows));
            }
        }
        pieces
            .into_par_iter()
            .map(|(table, path, mut rows)| Entry::write(&self.dir, table, path, &mut rows))
            .collect()
    }

    fn replace_index(&self, index: &Index) -> Result<()> {
        let (path, next) = (self.dir.join(INDEX), unfinished(&self.dir, INDEX));
        let mut text = serde_json::to_vec_pretty(index)?;
        text.push(b'\n');
        write_new(&next, &text)?;
        fs::rename(&next, &path)
            .map_err(|error| failed(format!("cannot write {}", path.display()), error, WRITABLE))
    }

    /// Removes files of ours that no conversion finished.
    fn remove_unlisted(&self) -> Result<()> {
        let listed: HashSet<&str> = self.entries().map(|entry| entry.path.as_str()).collect();
        for table in TABLES {
            let files = walkdir::WalkDir::new(self.dir.join(table.name)).max_depth(2);
            for file in files.into_iter().filter_map(Result::ok) {
                let below = file
                    .path()
                    .strip_prefix(&self.dir)
                    .ok()
                    .and_then(Path::to_str);
                let Some(path) = below.filter(|_| file.file_type().is_file()) else {
                    continue;
                };
                let finished = path.strip_suffix(UNFINISHED).unwrap_or(path);
                if is_part(finished) && !listed.contains(path) {
                    fs::remove_file(file.path()).map_err(|error| {
                        failed(
                            format!("cannot remove {}", file.path().display()),
                            error,
                            WRITABLE,
                        )
                    })?;
                }
            }
        }
        Ok(())
    }
}

/// `table/part-0001.parquet` or `table/day=2026-11-23/part-0001-00001.parquet`: nothing else is read or removed.
fn is_part(path: &str) -> bool {
    let mut parts = path.split('/');
    let (table, rest) = (parts.next().unwrap_or_default(), parts.collect::<Vec<_>>());
    let (day, file) = match rest.as_slice() {
        [file] => (None, *file),
        [day, file] => (Some(*day), *file),
        _ => return false,
    };
    let number = file
        .strip_prefix("part-")
        .and_then(|rest| rest.strip_suffix(".parquet"));
    let is_number = |n: &str| n.len() >= 4 && n.bytes().all(|b| b.is_ascii_digit());
    let number = number.is_some_and(|n| match n.split_once('-') {
        Some((part, window)) => is_number(part) && is_number(window),
        None => is_number(n),
    });
    let day = day.is_none_or(|day| {
        let day = day.strip_prefix("day=");
        day.is_some_and(|day| day == NO_DAY || day.parse::<chrono::NaiveDate>().is_ok())
    });
    TABLES.iter().any(|known| known.name == table) && number && day
}

fn parse(text: &[u8]) -> Result<Index> {
    let value: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| anyhow!("damaged: {error}"))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(FORMAT) => {
            serde_json::from_value(value).map_err(|error| anyhow!("not as written: {error}"))
        }
        Some(other) => bail!("format {other} of another version, this one reads {FORMAT}"),
        None => bail!("not written by `mtaudit convert`"),
    }
}

/// The rows of each day with the folder that they go to; a table without days goes to one.
///
/// # Errors
/// Those of polars.
pub fn by_day(table: &str, frame: &DataFrame) -> Result<Vec<(String, DataFrame)>> {
    let Ok(day) = frame.column("day") else {
        return Ok(vec![(table.to_owned(), frame.clone())]);
    };
    if day.dtype() != &DataType::Date {
        return Ok(vec![(table.to_owned(), frame.clone())]);
    }
    let parts = frame.partition_by_stable(["day"], true)?;
    let named = parts.into_iter().map(|rows| {
        let day = match rows.column("day")?.get(0)? {
            AnyValue::Date(days) => date(days),
            _ => NO_DAY.to_owned(),
        };
        Ok((format!("{table}/day={day}"), rows))
    });
    named.collect()
}

fn date(days: i32) -> String {
    let date = chrono::NaiveDate::default().checked_add_signed(chrono::Duration::days(days.into()));
    date.map_or_else(|| format!("{days}"), |date| date.to_string())
}

fn parquet(rows: &mut DataFrame) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    ParquetWriter::new(&mut content)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::default())
        .with_row_group_size(Some(GROUP))
        .set_parallel(false)
        .finish(rows)?;
    Ok(content)
}

/// Writes a file that is new, whatever was there: a link is removed, never followed.
fn write_new(path: &Path, content: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        File::create_new(path)?.write_all(content)
    };
    write().map_err(|error| failed(format!("cannot write {}", path.display()), error, WRITABLE))
}

/// In the order of places, as tables from logs are; kinds of lines that several conversions met, summed.
fn arranged(table: &str, rows: DataFrame, parts: usize) -> Result<DataFrame> {
    let kind: &[&str] = match table {
        "line_shapes" => &["format", "program", "shape"],
        "ignored_lines" => &["format", "program", "why"],
        _ => &[],
    };
    let places = ["source", "line"];
    let options = SortMultipleOptions::default().with_maintain_order(true);
    let sorted = rows.sort(places, options.clone())?;
    let has = |name: &&&str| sorted.column(name).is_ok();
    if parts < 2 || kind.is_empty() || kind.iter().filter(has).count() < kind.len() {
        return Ok(sorted);
    }
    let others = sorted
        .columns()
        .iter()
        .map(|c| c.name().clone())
        .filter(|name| !kind.contains(&name.as_str()));
    let first = others.map(|name| match name.as_str() {
        "lines" => col(name).sum(),
        _ => col(name).first(),
    });
    let first: Vec<Expr> = first.collect();
    let order: Vec<Expr> = sorted
        .columns()
        .iter()
        .map(|c| col(c.name().clone()))
        .collect();
    let keys: Vec<Expr> = kind.iter().map(|name| col(*name)).collect();
    let summed = sorted.lazy().group_by_stable(keys).agg(first).select(order);
    Ok(summed.collect()?.sort(places, options)?)
}

/// One table after the other, arranged as one: rows on disk stay there, where they need no order. Columns that one of
/// them lacks were asked for by nobody.
///
/// # Errors
/// Those of polars.
pub fn append(first: Tables, next: Tables) -> Result<Tables> {
    let (first, next) = if first.on_disk() || next.on_disk() {
        (first.plain_text()?, next.plain_text()?)
    } else {
        (first, next)
    };
    let frames = first.frames.into_iter().zip(next.frames);
    let frames = frames.map(|((name, frame), (_, next))| {
        let chained = match (frame.in_memory(), next.in_memory()) {
            (Some(frame), Some(next)) => stacked(name, frame, next)?.into(),
            _ => frame.chain(next)?,
        };
        Ok((name, chained))
    });
    let frames: Result<Vec<_>> = frames.collect();
    Ok(Tables { frames: frames? })
}

fn stacked(name: &str, frame: &DataFrame, next: &DataFrame) -> Result<DataFrame> {
    let both: Vec<PlSmallStr> = frame
        .columns()
        .iter()
        .map(|column| column.name().clone())
        .filter(|name| next.column(name).is_ok())
        .collect();
    let mut frame = frame.select(both.iter().cloned())?;
    frame.vstack_mut_owned(next.select(both)?)?;
    frame.rechunk_mut_par();
    arranged(name, frame, 2)
}

/// Numbers sources that were numbered from nothing, and the keys made from them, on from so many others.
///
/// # Errors
/// Those of polars.
pub fn shift(tables: Tables, sources: &mut [SourceRow], by: usize) -> PolarsResult<Tables> {
    let by = by as i64;
    for source in sources.iter_mut() {
        source.duplicate_of = source.duplicate_of.map(|of| of + by);
    }
    let amounts = BTreeMap::from([
        ("source", by),
        ("example_source", by),
        ("duplicate_of", by),
        ("message", by * LINES),
        ("parent", by * LINES),
        ("session", by * LINES),
    ]);
    let frames = tables.frames.into_iter().map(|(name, frame)| {
        let moved: Vec<Expr> = amounts
            .iter()
            .filter(|(column, by)| **by != 0 && frame.has(column))
            .map(|(column, by)| col(*column) + lit(*by))
            .collect();
        let frame = if moved.is_empty() {
            frame
        } else {
            frame.replace(moved)?
        };
        Ok((name, frame))
    });
    let frames: PolarsResult<Vec<_>> = frames.collect();
    Ok(Tables { frames: frames? })
}

/// Makes a folder, unless there is one with nothing of anybody in it.
fn make(dir: &Path) -> Result<()> {
    let stranger = match fs::read_dir(dir) {
        Ok(mut entries) => entries.any(|entry| entry.is_ok_and(|e| e.file_name() != LOCK)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(dir.display(), error, WRITABLE)),
    };
    if stranger {
        return Err(failed(
            dir.display(),
            "not empty, and no folder of tables",
            "name a new folder, or one that `mtaudit convert` wrote",
        ));
    }
    fs::create_dir_all(dir)
        .map_err(|error| failed(format!("cannot make {}", dir.display()), error, WRITABLE))
}

/// Takes the lock of a folder.
fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let what = format!("cannot lock {}", path.display());
    let is_link = fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file());
    if is_link {
        return Err(failed(what, "it is no plain file", "remove it"));
    }
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let file = file.map_err(|error| failed(&what, error, WRITABLE))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(failed(
            dir.display(),
            "another conversion writes to this folder",
            "wait until it has ended",
        )),
        Err(fs::TryLockError::Error(error)) => Err(failed(what, error, WRITABLE)),
    }
}
