//! Tables on their way to files, window by window, because they do not fit in memory.
//!
//! The files lie in a folder of tables that is kept ([`crate::tables::store`]), or in a temporary one that goes when the
//! program does ([`super::scratch`]). Directions rest on the domains that turn out to be local, which may be seen late:
//! windows that were written before one was known are gone over at the end.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use polars::prelude::{DataFrame, NamedFrom, ParquetReader, SerReader, Series};
use rayon::prelude::*;

use super::load::Options;
use super::options::usage;
use super::privacy::{self, Privacy};
use super::scratch::Scratch;
use crate::correlate::finish::{Direction, Local};
use crate::pseudonyms::Holds;
use crate::tables::build::{SourceRow, Wanted};
use crate::tables::frame::Frame;
use crate::tables::store::{Entry, Store, by_day, shift};
use crate::tables::{Tables, hide, is_of_events, names};

/// Where files go.
pub struct Spill {
    dir: PathBuf,
    place: Place,
    /// Number of the conversion in the folder, and of sources in it before.
    part: usize,
    first: usize,
    wanted: Wanted,
    windows: Mutex<Vec<Window>>,
    /// Windows to be hidden before they go to a folder that is kept: until then they lie in a temporary one.
    plain: Option<(Privacy, Scratch)>,
}

enum Place {
    Scratch(Scratch),
    /// To be kept; what is read is a part of it only when it is listed there.
    Store(Arc<Mutex<Store>>),
}

/// Where tables go that do not fit in memory.
#[derive(Clone, Debug, Default)]
pub enum Files {
    /// A temporary folder.
    #[default]
    Temporary,
    /// A new folder, which is kept; all tables go there.
    Folder(PathBuf),
    /// A folder that has been opened, whose next conversion this is; whoever opened it lists the files.
    Conversion(Arc<Mutex<Store>>),
}

/// What keeps the files of tables.
pub enum Kept {
    /// They go with this.
    Scratch(Scratch),
    /// They are in a folder of tables, and not listed there yet.
    Unlisted(Vec<Entry>),
}

/// What one window came to.
struct Window {
    files: Vec<Entry>,
    /// Local domains known when it was written.
    local: usize,
}

impl Spill {
    /// Begins the folder.
    ///
    /// # Errors
    /// A folder that is not ours to write, or holds something else.
    pub fn begin(options: &Options) -> Result<Spill> {
        let store = match &options.files {
            Files::Temporary => return Spill::temporary(options),
            Files::Folder(dir) => {
                let store = Store::open_or_begin(dir, options.zone, &options.shown_domains())?;
                if store.parts() > 0 {
                    return Err(usage(
                        format!("--store {}: it holds tables already", dir.display()),
                        "name a new folder, or give this one as a PATH to report on what it holds",
                    ));
                }
                Arc::new(Mutex::new(store))
            }
            Files::Conversion(store) => store.clone(),
        };
        let mut opened = lock(&store);
        let privacy = options.privacy.clone();
        opened.mark(privacy.as_ref().map(|own| own.pseudonyms.marking()))?;
        opened.begin()?;
        let plain = match privacy {
            Some(privacy) => Some((privacy, Scratch::new()?)),
            None => None,
        };
        Ok(Spill {
            dir: match &plain {
                Some((_, scratch)) => scratch.dir().to_owned(),
                None => opened.dir().to_owned(),
            },
            plain,
            part: opened.parts() + 1,
            first: opened.sources().len(),
            place: Place::Store(store.clone()),
            wanted: Wanted::default(),
            windows: Mutex::default(),
        })
    }

    fn temporary(options: &Options) -> Result<Spill> {
        let scratch = Scratch::new()?;
        Ok(Spill {
            dir: scratch.dir().to_owned(),
            part: 1,
            first: 0,
            place: Place::Scratch(scratch),
            wanted: options.wanted.clone().on_disk(),
            windows: Mutex::default(),
            plain: None,
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
        let number = 1 + lock(&self.windows).len();
        let tables = shift(tables, &mut [], self.first)?;
        let mut pieces: Vec<(&str, String, DataFrame)> = Vec::new();
        let frames = tables.frames.iter();
        for (table, frame) in frames.filter(|(table, _)| is_of_events(table)) {
            for (folder, rows) in self.by_folder(table, frame.collect()?)? {
                let path = format!("{folder}/part-{:04}-{number:05}.parquet", self.part);
                pieces.push((table, path, rows));
            }
        }
        let files = pieces.into_par_iter();
        let files = files.map(|(table, path, rows)| self.put(table, path, rows));
        let files: Result<Vec<Entry>> = files.collect();
        lock(&self.windows).push(Window {
            files: files?,
            local: local.names().len(),
        });
        Ok(())
    }

    /// Rows with the folder that they go to: days tell periods apart later on, in a folder that is kept.
    fn by_folder(&self, table: &str, rows: DataFrame) -> Result<Vec<(String, DataFrame)>> {
        match self.place {
            _ if rows.height() == 0 => Ok(Vec::new()),
            Place::Scratch(_) => Ok(vec![(table.to_owned(), rows)]),
            Place::Store(_) => by_day(table, &rows),
        }
    }

    fn put(&self, table: &str, path: String, mut rows: DataFrame) -> Result<Entry> {
        let entry = Entry::write(&self.dir, table, path, &mut rows);
        entry.context(match self.place {
            Place::Scratch(_) => {
                "the tables fit neither in memory (--memory) nor on the disk of TMPDIR"
            }
            Place::Store(_) => "the folder cannot take the tables",
        })
    }

    /// The last window, and the tables of all. What is given back with them keeps the files.
    ///
    /// # Errors
    /// A disk that is full, a file that was changed meanwhile.
    pub fn end(
        mut self,
        last: Tables,
        sources: &mut [SourceRow],
        local: &Local,
        options: &Options,
    ) -> Result<(Tables, Option<Kept>)> {
        let (small, large): (Vec<_>, Vec<_>) = last
            .frames
            .into_iter()
            .partition(|(table, _)| !is_of_events(table));
        self.write(Tables { frames: large }, local)?;
        self.direct(local)?;
        let mut small = shift(Tables { frames: small }, sources, self.first)?;
        let windows = std::mem::take(&mut *lock(&self.windows));
        let mut files: Vec<Entry> = windows
            .into_iter()
            .flat_map(|window| window.files)
            .collect();
        // The names of the logs are known now.
        let plain = self.plain.take();
        if let Some((privacy, _)) = &plain {
            files = self.hide(&files, privacy)?;
            small = hide::tables(small, &privacy.pseudonyms)?;
            privacy::hide_sources(sources, &privacy.pseudonyms);
        }
        drop(plain);
        let kept = match &self.place {
            Place::Scratch(_) => None,
            Place::Store(_) => Some(self.put_small(&small, &files)?),
        };
        let unlisted = matches!(options.files, Files::Conversion(_));
        let kept = match (self.place, kept) {
            (Place::Scratch(scratch), _) => {
                files.iter().try_for_each(|file| file.finish(&self.dir))?;
                Some(Kept::Scratch(scratch))
            }
            (Place::Store(_), Some(all)) if unlisted => {
                return Ok((small, Some(Kept::Unlisted(all))));
            }
            (Place::Store(store), all) => {
                let names = names_shown(local, options);
                lock(&store).list(sources.to_vec(), names, all.unwrap_or_default())?;
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

    /// Writes all files anew without persons, where they are to be kept.
    fn hide(&mut self, files: &[Entry], privacy: &Privacy) -> Result<Vec<Entry>> {
        for file in files {
            hide::learn_rows(&self.read(file)?, &privacy.pseudonyms)?;
        }
        let to = match &self.place {
            Place::Scratch(scratch) => scratch.dir().to_owned(),
            Place::Store(store) => lock(store).dir().to_owned(),
        };
        let hidden = files.par_iter().map(|file| {
            let rows = self.read(file)?;
            let mut rows = hide::rows(&file.table, rows, &privacy.pseudonyms)?;
            Entry::write(&to, &file.table, file.path.clone(), &mut rows)
        });
        let hidden: Result<Vec<Entry>> = hidden.collect();
        let hidden = hidden?;
        self.dir = to;
        Ok(hidden)
    }

    /// All files, with those of the tables that stay in memory.
    fn put_small(&self, small: &Tables, files: &[Entry]) -> Result<Vec<Entry>> {
        let mut all = files.to_vec();
        for (table, frame) in &small.frames {
            let rows = frame.collect()?;
            if rows.height() > 0 {
                let path = format!("{table}/part-{:04}.parquet", self.part);
                all.push(self.put(table, path, rows)?);
            }
        }
        Ok(all)
    }

    /// Decides directions anew where a local domain was not known yet.
    fn direct(&self, local: &Local) -> Result<()> {
        let mut windows = lock(&self.windows);
        let early = windows
            .iter_mut()
            .filter(|window| window.local < local.names().len());
        for window in early {
            self.direct_window(&mut window.files, local.names())?;
            window.local = local.names().len();
        }
        Ok(())
    }

    fn direct_window(&self, files: &mut [Entry], local: &BTreeSet<String>) -> Result<()> {
        let mut directions = Directions::new(local);
        for file in files.iter().filter(|file| file.table == "messages") {
            directions.learn(&self.read(file)?)?;
        }
        for file in files.iter_mut().filter(|file| file.table == "deliveries") {
            let mut rows = self.read(file)?;
            let decided = directions.of_deliveries(&rows)?;
            self.replace(file, &mut rows, decided)?;
        }
        for file in files.iter_mut().filter(|file| file.table == "messages") {
            let mut rows = self.read(file)?;
            let decided = directions.of_messages(&rows)?;
            self.replace(file, &mut rows, decided)?;
        }
        Ok(())
    }

    fn read(&self, file: &Entry) -> Result<DataFrame> {
        let path = file.unfinished(&self.dir);
        let what = || format!("cannot read {}", path.display());
        let content = File::open(&path).with_context(what)?;
        ParquetReader::new(content).finish().with_context(what)
    }

    /// Writes a file again with these directions, where it has any.
    fn replace(&self, file: &mut Entry, rows: &mut DataFrame, decided: Vec<&str>) -> Result<()> {
        if rows.column("direction").is_ok() {
            let column = Series::new("direction".into(), decided);
            rows.replace("direction", column.into())?;
            *file = Entry::write(&self.dir, &file.table, file.path.clone(), rows)?;
        }
        Ok(())
    }
}

/// Directions of a window's messages and deliveries, from their columns, as [`crate::correlate`] decides them.
struct Directions<'a> {
    local: &'a BTreeSet<String>,
    /// Messages that are written by one of us.
    ours: HashSet<i64>,
    /// By message: it reaches an address here, one elsewhere.
    reaches: HashMap<i64, (bool, bool)>,
}

impl<'a> Directions<'a> {
    fn new(local: &'a BTreeSet<String>) -> Self {
        Directions {
            local,
            ours: HashSet::new(),
            reaches: HashMap::new(),
        }
    }

    /// Looks at who wrote messages. All of a window have to be known before its deliveries are decided.
    fn learn(&mut self, messages: &DataFrame) -> Result<()> {
        let keys = messages.column("message")?.i64()?;
        let users = messages.column("auth_user")?.str()?;
        let origins = messages.column("origin")?.str()?;
        let domains = messages.column("sender_domain")?.str()?;
        for row in 0..messages.height() {
            let own = matches!(origins.get(row), Some("local" | "bounce" | "submission"))
                || users.get(row).is_some()
                || domains
                    .get(row)
                    .is_some_and(|domain| self.local.contains(domain));
            if let Some(key) = keys.get(row).filter(|_| own) {
                self.ours.insert(key);
            }
        }
        Ok(())
    }

    fn of_deliveries(&mut self, deliveries: &DataFrame) -> Result<Vec<&'static str>> {
        let keys = deliveries.column("message")?.i64()?;
        let recipients = deliveries.column("recipient")?.str()?;
        let domains = deliveries.column("recipient_domain")?.str()?;
        let mut decide = |row: usize| {
            let (Some(key), Some(_)) = (keys.get(row), recipients.get(row)) else {
                return Direction::Unknown;
            };
            let here = domains
                .get(row)
                .is_none_or(|domain| self.local.contains(domain));
            let reach = self.reaches.entry(key).or_default();
            reach.0 |= here;
            reach.1 |= !here;
            Direction::new(self.ours.contains(&key), here)
        };
        let decided = (0..deliveries.height()).map(&mut decide);
        Ok(decided.map(names::direction).collect())
    }

    fn of_messages(&self, messages: &DataFrame) -> Result<Vec<&'static str>> {
        let decide = |key: Option<i64>| {
            let key = key.unwrap_or_default();
            let (here, there) = self.reaches.get(&key).copied().unwrap_or_default();
            Direction::of_message(self.ours.contains(&key), here, there)
        };
        let keys = messages.column("message")?.i64()?.iter();
        Ok(keys.map(decide).map(names::direction).collect())
    }
}

/// Local domains as they are shown.
pub fn names_shown(local: &Local, options: &Options) -> Vec<String> {
    let names = local.names().iter();
    let shown = names.map(|name| match options.files {
        Files::Temporary => name.clone(),
        _ => options.shown(Holds::Domain, name),
    });
    let mut shown: Vec<String> = shown.collect();
    shown.sort_unstable();
    shown
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn frame(dir: &Path, table: &'static str, files: &[Entry], wanted: &Wanted) -> Result<Frame> {
    let own: Vec<&Entry> = files.iter().filter(|file| file.table == table).collect();
    let rows = own.iter().map(|file| file.rows).sum();
    let paths = own.iter().map(|file| dir.join(&file.path)).collect();
    Ok(Frame::files(table, paths, rows, wanted)?)
}
