//! The tables in a folder, as Parquet: what `mtaudit convert` writes, every command reads, and other engines too.
//!
//! ```text
//! mtaudit.json                              what is in it: sources, zone, files
//! messages/day=2026-11-23/part-0001.parquet one file a table, day and conversion; the rest likewise
//! sources/part-0001.parquet                 tables without days have no such level
//! ```
//!
//! Keys (`message`, `parent`, `session`, `source`) count on from one conversion to the next, so that they are unique in
//! the folder. A conversion writes its files under other names, renames them when all are there, and writes
//! `mtaudit.json` last: what that does not list was left by a run that was killed, is never read, and is removed by
//! the next conversion. [`crate::commands`] decides what goes in; queries see the same frames as from logs.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, Expr, IntoLazy, PolarsResult, SortMultipleOptions,
    TimeUnit, col, lit,
};
use polars_io::SerReader;
use polars_io::parquet::write::{ParquetCompression, ParquetWriter, StatisticsOptions};
use polars_io::prelude::ParquetReader;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Tables;
use super::build::{SourceRow, Wanted};
use super::schema::{self, TABLES, Type};

/// The file that says what is in the folder.
pub const INDEX: &str = "mtaudit.json";

/// Version of the layout, to be raised when an older reader would misread a newer folder.
const FORMAT: u64 = 1;

/// Locked while a conversion writes.
const LOCK: &str = "mtaudit.lock";

/// Suffix of files that are not complete yet.
const UNFINISHED: &str = "unfinished";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    format: u64,
    tool: String,
    /// Zone of `day`, `hour`, `hour_of_day` and `weekday`.
    timezone: String,
    parts: Vec<Part>,
}

/// One conversion.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    sources: Vec<SourceRow>,
    local_domains: Vec<String>,
    messages: i64,
    sessions: i64,
    files: Vec<Entry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    table: String,
    /// Below the folder, with `/`.
    path: String,
    rows: u64,
    bytes: u64,
}

/// How far keys have been given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Keys {
    pub sources: i64,
    pub messages: i64,
    pub sessions: i64,
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
    _lock: Option<File>,
}

/// Whether a path is such a folder.
pub fn is_store(path: &Path) -> bool {
    path.join(INDEX).is_file()
}

impl Store {
    /// Opens a folder.
    ///
    /// # Errors
    /// There is none, it is of another version, or a file of it is missing or has another size.
    pub fn open(dir: &Path) -> Result<Store> {
        let path = dir.join(INDEX);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let index = parse(&text).with_context(|| format!("cannot use {}", path.display()))?;
        let store = Store {
            dir: dir.to_owned(),
            index,
            _lock: None,
        };
        store.entries().try_for_each(|entry| store.present(entry))?;
        Ok(store)
    }

    /// Opens a folder to add to it, or begins one: it must be new, empty, or a store.
    ///
    /// # Errors
    /// Those of [`Store::open`]; something else is in the folder; it was made for another zone; another conversion
    /// writes to it.
    pub fn open_or_begin(dir: &Path, zone: chrono_tz::Tz) -> Result<Store> {
        if is_store(dir) {
            let lock = lock(dir)?;
            let store = Store::open(dir)?;
            store.check_zone(zone)?;
            return Ok(Store {
                _lock: Some(lock),
                ..store
            });
        }
        let strangers = match fs::read_dir(dir) {
            Ok(entries) => entries.filter_map(Result::ok).any(|entry| !ours(&entry)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error).with_context(|| dir.display().to_string()),
        };
        if strangers {
            bail!(
                "{}: not empty, and no folder of tables\nhint: name a new folder, or one that `mtaudit convert` wrote",
                dir.display()
            );
        }
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Store {
            _lock: Some(lock(dir)?),
            dir: dir.to_owned(),
            index: Index {
                format: FORMAT,
                tool: concat!("mtaudit ", env!("CARGO_PKG_VERSION")).into(),
                timezone: zone.to_string(),
                parts: Vec::new(),
            },
        })
    }

    /// Days and hours are cut in the zone of the first conversion.
    ///
    /// # Errors
    /// It is another one.
    pub fn check_zone(&self, zone: chrono_tz::Tz) -> Result<()> {
        let own = &self.index.timezone;
        if *own != zone.to_string() {
            bail!(
                "{}: its days and hours are those of {own}\nhint: add `--timezone {own}`, or convert the logs again for {zone}",
                self.dir.display()
            );
        }
        Ok(())
    }

    /// Keys given out so far.
    pub fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        for part in &self.index.parts {
            keys.sources += part.sources.len() as i64;
            keys.messages += part.messages;
            keys.sessions += part.sessions;
        }
        keys
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
            .map(|table| Ok((table.name, self.table(table, wanted, days)?)))
            .collect();
        Ok(Tables { frames: frames? })
    }

    fn table(&self, table: &schema::Table, wanted: &Wanted, days: Days) -> Result<DataFrame> {
        let columns: Vec<&schema::Column> = table
            .columns
            .iter()
            .filter(|column| {
                // The sources are few, and commands read all that is known of them.
                let needed = table.name == "sources" || ["source", "line"].contains(&column.name);
                needed || wanted.has(table.name, column.name)
            })
            .collect();
        let names: Vec<String> = columns.iter().map(|c| c.name.to_owned()).collect();
        let entries: Vec<&Entry> = self
            .entries()
            .filter(|entry| entry.table == table.name && days.may_hold(entry))
            .collect();
        let frames: Result<Vec<DataFrame>> = entries
            .par_iter()
            .map(|entry| self.read(entry, &names))
            .collect();
        let mut frames = frames?.into_iter();
        let Some(mut whole) = frames.next() else {
            return Ok(empty(&columns).lazy().collect()?);
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
        let told = || {
            format!(
                "cannot read {}\nhint: convert the logs again into a new folder",
                path.display()
            )
        };
        let file = File::open(&path).with_context(told)?;
        let reader = ParquetReader::new(file).with_columns(Some(columns.to_vec()));
        let frame = reader.finish().with_context(told)?;
        if frame.height() as u64 != entry.rows {
            return Err(anyhow!("not the rows that were written").context(told()));
        }
        Ok(frame.select(columns.iter().map(String::as_str))?)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.index.parts.iter().flat_map(|part| &part.files)
    }

    fn present(&self, entry: &Entry) -> Result<()> {
        let path = self.dir.join(&entry.path);
        let hint = "hint: convert the logs again into a new folder";
        match fs::metadata(&path) {
            Ok(found) if found.len() == entry.bytes => Ok(()),
            Ok(found) => bail!(
                "{}: {} bytes, {} were written\n{hint}",
                path.display(),
                found.len(),
                entry.bytes
            ),
            Err(error) => Err(error).with_context(|| format!("{}\n{hint}", path.display())),
        }
    }

    /// Adds what one conversion read. Keys of `tables` and `sources` count on from [`Store::keys`] already.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn add(
        &mut self,
        tables: &Tables,
        sources: Vec<SourceRow>,
        local_domains: Vec<String>,
    ) -> Result<()> {
        self.remove_unlisted()?;
        let number = self.index.parts.len() + 1;
        let rows = |table: &str| tables.get(table).map_or(0, |frame| frame.height() as i64);
        let files = self.write(tables, number)?;
        let mut index = self.index.clone();
        index.parts.push(Part {
            sources,
            local_domains,
            messages: rows("messages"),
            sessions: rows("sessions"),
            files,
        });
        self.replace_index(&index)?;
        self.index = index;
        Ok(())
    }

    fn write(&self, tables: &Tables, number: usize) -> Result<Vec<Entry>> {
        let mut pieces: Vec<(&str, String, DataFrame)> = Vec::new();
        for (table, frame) in tables.frames.iter().filter(|(_, frame)| frame.height() > 0) {
            for (folder, rows) in by_day(table, frame)? {
                pieces.push((table, format!("{folder}/part-{number:04}.parquet"), rows));
            }
        }
        let entries: Result<Vec<Entry>> = pieces
            .into_par_iter()
            .map(|(table, path, mut rows)| {
                let bytes = write_file(&self.unfinished(&path), &mut rows)?;
                Ok(Entry {
                    table: table.to_owned(),
                    path,
                    rows: rows.height() as u64,
                    bytes,
                })
            })
            .collect();
        let entries = entries?;
        for entry in &entries {
            let path = self.dir.join(&entry.path);
            fs::rename(self.unfinished(&entry.path), &path)
                .with_context(|| format!("cannot name {}", path.display()))?;
        }
        Ok(entries)
    }

    fn unfinished(&self, path: &str) -> PathBuf {
        self.dir.join(format!("{path}.{UNFINISHED}"))
    }

    fn replace_index(&self, index: &Index) -> Result<()> {
        let (path, next) = (self.dir.join(INDEX), self.unfinished(INDEX));
        let told = || format!("cannot write {}", path.display());
        let mut text = serde_json::to_vec_pretty(index).with_context(told)?;
        text.push(b'\n');
        let mut file = File::create(&next).with_context(told)?;
        file.write_all(&text).with_context(told)?;
        // The listed files must not outlive their list, nor the list its files.
        file.sync_all().with_context(told)?;
        fs::rename(&next, &path).with_context(told)
    }

    /// Removes files of ours that no conversion finished.
    fn remove_unlisted(&self) -> Result<()> {
        let listed: HashMap<PathBuf, ()> = self
            .entries()
            .map(|e| (self.dir.join(&e.path), ()))
            .collect();
        for table in TABLES {
            let files = walkdir::WalkDir::new(self.dir.join(table.name)).max_depth(2);
            for file in files.into_iter().filter_map(Result::ok) {
                let name = file.file_name().to_string_lossy();
                let own = name.starts_with("part-")
                    && (name.ends_with(".parquet") || name.ends_with(UNFINISHED));
                if own && file.file_type().is_file() && !listed.contains_key(file.path()) {
                    fs::remove_file(file.path())
                        .with_context(|| format!("cannot remove {}", file.path().display()))?;
                }
            }
        }
        Ok(())
    }
}

fn parse(text: &[u8]) -> Result<Index> {
    let hint = "hint: convert the logs again into a new folder";
    let value: serde_json::Value =
        serde_json::from_slice(text).with_context(|| format!("damaged\n{hint}"))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(FORMAT) => {
            serde_json::from_value(value).with_context(|| format!("not as written\n{hint}"))
        }
        Some(other) => {
            bail!("format {other} of another version; this one reads {FORMAT}\n{hint}")
        }
        None => bail!("not written by `mtaudit convert`"),
    }
}

/// What a run that was killed before it finished may have left in a folder that was new.
fn ours(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    TABLES.iter().any(|table| table.name == name) || name.ends_with(UNFINISHED) || name == LOCK
}

/// The rows of each day with the folder that they go to; a table without days goes to one.
fn by_day(table: &str, frame: &DataFrame) -> Result<Vec<(String, DataFrame)>> {
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
            _ => "__HIVE_DEFAULT_PARTITION__".to_owned(),
        };
        Ok((format!("{table}/day={day}"), rows))
    });
    named.collect()
}

fn date(days: i32) -> String {
    let date = chrono::NaiveDate::default().checked_add_signed(chrono::Duration::days(days.into()));
    date.map_or_else(|| format!("{days}"), |date| date.to_string())
}

fn write_file(path: &Path, rows: &mut DataFrame) -> Result<u64> {
    let told = || {
        format!(
            "cannot write {}\nhint: is the disk full, or the folder read only?",
            path.display()
        )
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(told)?;
    }
    let file = BufWriter::new(File::create(path).with_context(told)?);
    let written = ParquetWriter::new(file)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::default())
        .set_parallel(false)
        .finish(rows)
        .with_context(told)?;
    // What is on disk is the measure, as the reader checks it.
    let bytes = fs::metadata(path).with_context(told)?.len();
    debug_assert_eq!(written, bytes);
    Ok(bytes)
}

/// No rows, with these columns.
fn empty(columns: &[&schema::Column]) -> DataFrame {
    let columns = columns
        .iter()
        .map(|column| Column::new_empty(column.name.into(), &dtype(column.kind)));
    // Columns of no rows have one height.
    DataFrame::new_infer_height(columns.collect()).unwrap_or_default()
}

fn dtype(kind: Type) -> DataType {
    match kind {
        Type::Text => DataType::String,
        Type::Int => DataType::Int64,
        Type::Float => DataType::Float64,
        Type::Bool => DataType::Boolean,
        Type::Time => DataType::Datetime(TimeUnit::Microseconds, None),
        Type::Date => DataType::Date,
    }
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

/// One table after the other, arranged as one.
///
/// # Errors
/// Those of polars.
pub fn append(first: Tables, next: Tables) -> Result<Tables> {
    let frames = first.frames.into_iter().zip(next.frames);
    let frames = frames.map(|((name, mut frame), (_, next))| {
        frame.vstack_mut_owned(next)?;
        frame.rechunk_mut_par();
        Ok((name, arranged(name, frame, 2)?))
    });
    let frames: Result<Vec<_>> = frames.collect();
    Ok(Tables { frames: frames? })
}

/// Moves the keys of tables and sources that were numbered from nothing.
///
/// # Errors
/// Those of polars.
pub fn shift(tables: Tables, sources: &mut [SourceRow], by: Keys) -> PolarsResult<Tables> {
    for source in sources.iter_mut() {
        source.duplicate_of = source.duplicate_of.map(|of| of + by.sources);
    }
    let amounts = BTreeMap::from([
        ("source", by.sources),
        ("example_source", by.sources),
        ("duplicate_of", by.sources),
        ("message", by.messages),
        ("parent", by.messages),
        ("session", by.sessions),
    ]);
    let frames = tables.frames.into_iter().map(|(name, frame)| {
        let moved: Vec<Expr> = amounts
            .iter()
            .filter(|(column, by)| **by != 0 && frame.column(column).is_ok())
            .map(|(column, by)| col(*column) + lit(*by))
            .collect();
        let frame = if moved.is_empty() {
            frame
        } else {
            frame.lazy().with_columns(moved).collect()?
        };
        Ok((name, frame))
    });
    let frames: PolarsResult<Vec<_>> = frames.collect();
    Ok(Tables { frames: frames? })
}

/// Takes the lock of a folder.
fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let file = File::create(&path).with_context(|| format!("cannot write to {}", dir.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => bail!(
            "{}: another conversion writes to this folder\nhint: wait until it has ended",
            dir.display()
        ),
        Err(fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
