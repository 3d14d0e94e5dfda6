//! Tables on their way to files, window by window, because they do not fit in memory.
//!
//! The files lie in a folder of tables that is kept ([`crate::tables::store`]), or in a temporary one that goes when the
//! program does ([`super::scratch`]). Directions rest on the domains that turn out to be local, which may be seen late:
//! windows that were written before one was known are gone over at the end.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use polars::prelude::{DataFrame, NamedFrom, ParquetReader, SerReader, Series};
use rayon::prelude::*;

use super::load::Options;
use super::options::usage;
use super::scratch::Scratch;
use crate::correlate::finish::{Direction, Local};
use crate::tables::build::{SourceRow, Wanted};
use crate::tables::frame::Frame;
use crate::tables::store::{Entry, Store};
use crate::tables::{Tables, names};

/// Tables that stay in memory: a few rows for each source, made when all is read.
const SMALL: [&str; 3] = ["sources", "line_shapes", "ignored_lines"];

/// Where files go.
pub struct Spill {
    dir: PathBuf,
    place: Place,
    wanted: Wanted,
    windows: Mutex<Vec<Window>>,
}

enum Place {
    Scratch(Scratch),
    Store(Box<Store>),
}

/// What one window came to.
struct Window {
    files: Vec<Entry>,
    /// Local domains known when it was written.
    local: usize,
}

impl Spill {
    /// Begins the folder that `--store` names, or a temporary one.
    ///
    /// # Errors
    /// A folder that is not ours to write, or holds something else.
    pub fn begin(options: &Options) -> Result<Spill> {
        let (dir, place) = match &options.store {
            None => {
                let scratch = Scratch::new()?;
                (scratch.dir().to_owned(), Place::Scratch(scratch))
            }
            Some(dir) => {
                let mut store = Store::open_or_begin(dir, options.zone, &options.local_domains)?;
                if store.parts() > 0 {
                    return Err(usage(
                        format!("--store {}: it holds tables already", dir.display()),
                        "name a new folder, or give this one as a PATH to report on what it holds",
                    ));
                }
                store.begin()?;
                (dir.clone(), Place::Store(Box::new(store)))
            }
        };
        let wanted = match place {
            Place::Store(_) => Wanted::default(),
            Place::Scratch(_) => options.wanted.clone().on_disk(),
        };
        Ok(Spill {
            dir,
            place,
            wanted,
            windows: Mutex::default(),
        })
    }

    /// The columns to build.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Writes a window.
    ///
    /// # Errors
    /// A disk that is full.
    pub fn write(&self, tables: Tables, local: &Local) -> Result<()> {
        let number = 1 + self.windows().len();
        let frames = tables.frames.into_iter();
        let frames = frames.filter(|(table, _)| !SMALL.contains(table));
        let rows: Vec<(&str, DataFrame)> = frames
            .map(|(table, frame)| Ok((table, frame.collect()?)))
            .filter(|rows| rows.as_ref().map_or(true, |(_, rows)| rows.height() > 0))
            .collect::<Result<_>>()?;
        let files: Result<Vec<Entry>> = rows
            .into_par_iter()
            .map(|(table, rows)| self.put(table, number, rows))
            .collect();
        self.windows().push(Window {
            files: files?,
            local: local.names().len(),
        });
        Ok(())
    }

    fn windows(&self) -> std::sync::MutexGuard<'_, Vec<Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, table: &str, number: usize, mut rows: DataFrame) -> Result<Entry> {
        let path = format!("{table}/part-0001-{number:05}.parquet");
        let entry = Entry::write(&self.dir, table, path, &mut rows);
        entry.context(match self.place {
            Place::Scratch(_) => {
                "the tables do not fit in memory (--memory), nor on the disk of TMPDIR"
            }
            Place::Store(_) => "the folder of --store cannot take the tables",
        })
    }

    /// The last window, and the tables of all. What is given back with them keeps the files.
    ///
    /// # Errors
    /// A disk that is full, a file that was changed meanwhile.
    pub fn end(
        self,
        last: Tables,
        sources: &[SourceRow],
        local: &Local,
    ) -> Result<(Tables, Option<Scratch>)> {
        let small: HashMap<&str, Frame> = last
            .frames
            .iter()
            .filter(|(table, _)| SMALL.contains(table))
            .map(|(table, frame)| (*table, frame.clone()))
            .collect();
        self.write(last, local)?;
        self.direct(local)?;
        let windows = std::mem::take(&mut *self.windows());
        let files: Vec<Entry> = windows
            .into_iter()
            .flat_map(|window| window.files)
            .collect();
        let kept = match self.place {
            Place::Scratch(scratch) => {
                files.iter().try_for_each(|file| file.finish(&self.dir))?;
                Some(scratch)
            }
            Place::Store(mut store) => {
                let names = local.names().iter().cloned().collect();
                let mut all = files.clone();
                for table in SMALL {
                    let mut rows = small
                        .get(table)
                        .map_or_else(|| Ok(DataFrame::default()), Frame::collect)?;
                    if rows.height() > 0 {
                        let path = format!("{table}/part-0001.parquet");
                        all.push(Entry::write(&self.dir, table, path, &mut rows)?);
                    }
                }
                store.list(sources.to_vec(), names, all)?;
                None
            }
        };
        let frame = |table: &'static str| match small.get(table) {
            Some(frame) => Ok(frame.clone()),
            None => frame(&self.dir, table, &files, &self.wanted),
        };
        let tables = crate::tables::schema::TABLES.iter();
        let frames: Result<Vec<_>> = tables
            .map(|table| Ok((table.name, frame(table.name)?)))
            .collect();
        Ok((Tables { frames: frames? }, kept))
    }

    /// Decides directions anew where a local domain was not known yet.
    fn direct(&self, local: &Local) -> Result<()> {
        let mut windows = self.windows();
        let early = windows
            .iter_mut()
            .filter(|window| window.local < local.names().len());
        for window in early {
            let of = |table: &str| window.files.iter().position(|file| file.table == table);
            let Some(messages) = of("messages") else {
                continue;
            };
            let deliveries = of("deliveries");
            let mut rows = read(&self.dir, &window.files[messages])?;
            let mut recipients = match deliveries {
                Some(at) => read(&self.dir, &window.files[at])?,
                None => DataFrame::default(),
            };
            if rows.column("direction").is_err() && recipients.column("direction").is_err() {
                return Ok(());
            }
            directions(&mut rows, &mut recipients, local.names())?;
            let own = &mut window.files[messages];
            *own = Entry::write(&self.dir, "messages", own.path.clone(), &mut rows)?;
            if let Some(at) = deliveries {
                let own = &mut window.files[at];
                *own = Entry::write(&self.dir, "deliveries", own.path.clone(), &mut recipients)?;
            }
            window.local = local.names().len();
        }
        Ok(())
    }
}

fn frame(dir: &Path, table: &'static str, files: &[Entry], wanted: &Wanted) -> Result<Frame> {
    let own: Vec<&Entry> = files.iter().filter(|file| file.table == table).collect();
    let rows = own.iter().map(|file| file.rows).sum();
    let paths = own.iter().map(|file| dir.join(&file.path)).collect();
    Ok(Frame::files(table, paths, rows, wanted)?)
}

fn read(dir: &Path, entry: &Entry) -> Result<DataFrame> {
    let path = entry.unfinished(dir);
    let what = || format!("cannot read {}", path.display());
    let file = File::open(&path).with_context(what)?;
    ParquetReader::new(file).finish().with_context(what)
}

/// Puts in place the directions of a window's messages and deliveries, as [`crate::correlate::finish`] decides them.
fn directions(
    messages: &mut DataFrame,
    deliveries: &mut DataFrame,
    local: &BTreeSet<String>,
) -> Result<()> {
    let is_local = |domain: Option<&str>| domain.is_some_and(|domain| local.contains(domain));
    let by_us = |origin: Option<&str>| matches!(origin, Some("local" | "bounce" | "submission"));
    let keys = messages.column("message")?.i64()?.clone();
    let users = messages.column("auth_user")?.str()?.clone();
    let origins = messages.column("origin")?.str()?.clone();
    let senders = messages.column("sender_domain")?.str()?.clone();
    let mut ours: HashSet<i64> = HashSet::new();
    for row in 0..messages.height() {
        let own = users.get(row).is_some() || by_us(origins.get(row)) || is_local(senders.get(row));
        if let Some(key) = keys.get(row).filter(|_| own) {
            ours.insert(key);
        }
    }
    // (a local recipient, a remote one)
    let mut reaches: HashMap<i64, (bool, bool)> = HashMap::new();
    if deliveries.height() > 0 {
        let of = deliveries.column("message")?.i64()?.clone();
        let recipients = deliveries.column("recipient")?.str()?.clone();
        let domains = deliveries.column("recipient_domain")?.str()?.clone();
        let decide = |row: usize| {
            let (Some(key), Some(_)) = (of.get(row), recipients.get(row)) else {
                return Direction::Unknown;
            };
            let here = domains.get(row).is_none_or(|domain| local.contains(domain));
            let reach = reaches.entry(key).or_default();
            reach.0 |= here;
            reach.1 |= !here;
            Direction::new(ours.contains(&key), here)
        };
        let decided: Vec<&str> = (0..deliveries.height())
            .map(decide)
            .map(names::direction)
            .collect();
        replace(deliveries, decided)?;
    }
    let decide = |key: Option<i64>| {
        let key = key.unwrap_or_default();
        let (here, there) = reaches.get(&key).copied().unwrap_or_default();
        Direction::of_message(ours.contains(&key), here, there)
    };
    let decided: Vec<&str> = keys.iter().map(decide).map(names::direction).collect();
    replace(messages, decided)
}

fn replace(rows: &mut DataFrame, directions: Vec<&str>) -> Result<()> {
    if rows.column("direction").is_ok() {
        rows.replace(
            "direction",
            Series::new("direction".into(), directions).into(),
        )?;
    }
    Ok(())
}
