//! From paths to tables: the pipeline that every command shares.
//!
//! Sources are read side by side, each in [`super::blocks`]; the [`Part`]s that they become are joined at the end. The
//! members of an archive are read in one pass, in the archive's order.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use anyhow::{Context as _, Result, bail};
use chrono_tz::Tz;
use polars::prelude::PolarsResult;
use rayon::ThreadPool;

use super::overlap::Overlaps;
use super::privacy::{self, Privacy};
use super::progress::Progress;
use super::readers::{Ranked, Readers, files, files_of, in_order};
use super::sources::{Job, Known, Seen, describe, jobs, words};
use super::spill::{Files, Kept, Spill};
use super::timings::Timings;
use super::{overlap, sources, stores, windows};
use crate::config::Config;
use crate::correlate::Part;
use crate::correlate::coverage::{Counts, Tally};
use crate::correlate::finish::{Local, finish};
use crate::pseudonyms::Marking;
use crate::source::{self, Limits, Outcome, Problem, Source};
use crate::strings::Strings;
use crate::tables::build::{self, SourceRow, Wanted};
use crate::tables::select::{Found, Selection};
use crate::tables::{Tables, hide, store};

/// What to read and how.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Options {
    pub paths: Vec<PathBuf>,
    pub zone: Tz,
    pub year: Option<i32>,
    pub local_domains: Vec<String>,
    pub threads: Option<usize>,
    pub quiet: bool,
    pub selection: Selection,
    /// The period to compare with, as `since` and `until` of a selection.
    pub baseline: Option<Baseline>,
    pub wanted: Wanted,
    pub timings: Timings,
    /// How much files may decode to.
    pub limits: Limits,
    /// Sources that are not to be read again.
    pub known: Known,
    /// What cannot be read is told apart rather than listed as a source.
    pub readable_only: bool,
    /// Bytes of memory that logs and tables may take; what does not fit goes to files.
    pub memory: u64,
    /// Where that is.
    pub files: Files,
    /// Logs that were found before, instead of those under the paths: a report made again calls them by the names
    /// and times that they had.
    pub found: Option<Vec<Source>>,
    /// Persons are hidden from what is shown and written.
    pub privacy: Option<Privacy>,
    /// What the user says about the world that the logs are of.
    pub config: Option<Arc<Config>>,
}

impl Options {
    /// Everything of these paths, quietly; log times without an offset are times of `zone`.
    pub fn new(paths: Vec<PathBuf>, zone: Tz) -> Self {
        Options {
            paths,
            zone,
            year: None,
            local_domains: Vec::new(),
            threads: None,
            quiet: true,
            selection: Selection::default(),
            baseline: None,
            wanted: Wanted::default(),
            timings: Timings::default(),
            limits: Limits::default(),
            known: Known::default(),
            readable_only: false,
            memory: u64::MAX,
            files: Files::default(),
            found: None,
            privacy: None,
            config: None,
        }
    }
}

/// What was read.
pub struct Loaded {
    /// The tables, narrowed to the selection.
    pub tables: Tables,
    /// The same of the period to compare with; no tables where none was asked for.
    pub before: Tables,
    /// Every source, in reading order.
    pub sources: Vec<SourceRow>,
    /// Domains taken to be local, sorted.
    pub local_domains: Vec<String>,
    /// Files that were known and not read again.
    pub left_out: Vec<String>,
    /// Files that cannot be read, with the reason, where they were not to become sources.
    pub unreadable: Vec<String>,
    /// Conversions that the tables were made in; 0 for logs.
    pub parts: usize,
    /// What keeps the tables' files, where they did not fit in memory.
    pub kept: Option<Kept>,
    /// Persons are hidden in all of it, with which key.
    pub hidden: Option<Marking>,
    /// What was found of what the selection is about.
    pub found: Found,
}

/// An earlier period that numbers are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// First moment, µs UTC.
    pub since: i64,
    /// First moment after, µs UTC.
    pub until: i64,
    /// As the user would say it: `2026-09`.
    pub name: String,
}

impl Baseline {
    /// The same rows of the earlier period.
    pub fn selection(&self, now: &Selection) -> Selection {
        Selection {
            since: Some(self.since),
            until: Some(self.until),
            ..now.clone()
        }
    }
}

/// Reads everything: logs, and folders of tables. Persons are hidden in what comes out, where that is wanted.
///
/// # Errors
/// No such path, no source at all, a thread pool that cannot be made, a table that does not fit in memory, a folder
/// of tables that cannot be used, or was made for another zone or other local domains.
pub fn load(options: &Options) -> Result<Loaded> {
    let threads = options.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .context("cannot start threads")?;
    let (folders, logs): (Vec<PathBuf>, Vec<PathBuf>) = options
        .paths
        .iter()
        .cloned()
        .partition(|path| store::is_store(path));
    let options = &Options {
        wanted: options.wanted_with_names(),
        ..options.clone()
    };
    let read = |known: &Known| read_logs(&logs, options, known, &pool);
    let mut loaded = match pool.install(|| stores::load(&folders, options))? {
        None => read(&options.known)?,
        Some(kept) if logs.is_empty() => kept,
        Some(kept) => {
            let next = read(&Known::of(&kept.sources))?;
            pool.install(|| join_logs(kept, next, options))?
        }
    };
    let privacy = options.privacy.as_ref().map(|own| &own.pseudonyms);
    let plain = privacy.filter(|_| loaded.hidden.is_none());
    let selection = match (privacy, &loaded.hidden) {
        (Some(own), Some(_)) => &privacy::selection(&options.selection, own),
        _ => &options.selection,
    };
    if let Some(own) = plain {
        let learn = || pool.install(|| hide::learn(&loaded.tables, own));
        options.timings.of("names", learn)?;
    }
    (loaded.tables, loaded.before, loaded.found) = pool
        .install(|| select(loaded.tables, selection, options))
        .context("cannot select rows")?;
    match plain {
        None => Ok(loaded),
        Some(own) => {
            let hide = || pool.install(|| privacy::hide(loaded, own));
            options.timings.of("pseudonyms", hide)
        }
    }
}

/// The rows that are wanted, those of the period to compare with, and what was found of what is asked about.
fn select(
    tables: Tables,
    selection: &Selection,
    options: &Options,
) -> PolarsResult<(Tables, Tables, Found)> {
    let alike = if tables.on_disk() {
        tables.plain_text()?
    } else {
        tables
    };
    let before = match &options.baseline {
        Some(baseline) => baseline.selection(selection).apply(alike.clone())?,
        None => Tables::default(),
    };
    let (selected, found) = selection.find(alike)?;
    let selected = match &selection.about {
        Some(_) => selected.in_memory_within(options.memory / 2)?,
        None => selected,
    };
    Ok((selected, before, found))
}

/// Tables and logs as one. Where the tables have pseudonyms, the logs are hidden first.
fn join_logs(kept: Loaded, mut logs: Loaded, options: &Options) -> Result<Loaded> {
    if let (Some(_), Some(own)) = (&kept.hidden, &options.privacy)
        && logs.hidden.is_none()
    {
        hide::learn(&logs.tables, &own.pseudonyms)?;
        logs = privacy::hide(logs, &own.pseudonyms)?;
    }
    privacy::check_alike(kept.hidden.as_ref(), logs.hidden.as_ref())?;
    stores::join(kept, logs)
}

fn read_logs(
    paths: &[PathBuf],
    options: &Options,
    known: &Known,
    pool: &ThreadPool,
) -> Result<Loaded> {
    let find = || match &options.found {
        Some(found) => found.clone(),
        None => pool.install(|| source::discover_within(paths, options.limits)),
    };
    let found = options.timings.of("discover", find);
    if found.is_empty() {
        bail!("no files under the given paths\nhint: name log files or folders that hold some");
    }
    if let Some(privacy) = &options.privacy {
        privacy.keep_key_out_of(&found)?;
    }
    let (left_out, found) = known.take_out(found);
    let (found, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|source| {
        !options.readable_only || !matches!(source.problem, Some(Problem::Unreadable(_)))
    });
    let jobs = jobs(found, options.zone, options.year);
    let mut loaded = if windows::needed(&jobs, options) {
        windows::read_all(jobs, options, known, Spill::begin(options)?, pool)?
    } else {
        pool.install(|| read_all(jobs, options, known))?
    };
    let left_out = left_out
        .into_iter()
        .filter(|source| source.member.is_none());
    loaded.left_out = left_out.map(|source| source.path).collect();
    loaded.unreadable = refused
        .iter()
        .map(|source| match &source.problem {
            Some(problem) => format!("{}: {}", source.name(), words(problem)),
            None => source.name(),
        })
        .collect();
    if let (Some(_), Some(own)) = (&loaded.hidden, &options.privacy) {
        privacy::hide_paths(&mut loaded, &own.pseudonyms);
    }
    Ok(loaded)
}

/// Reads the sources, and those again whose lines turn out to be of another year, or to be held by another source.
fn read_all(mut jobs: Vec<Job>, options: &Options, known: &Known) -> Result<Loaded> {
    let strings = Strings::default();
    let progress = Progress::new(jobs.iter().map(|job| job.source.bytes).sum(), options.quiet);
    let mut read = read_once(&jobs, options, &strings, &progress);
    if let Some(again) = sources::in_their_years(&jobs, &counts(&read)) {
        jobs = again;
        drop(std::mem::take(&mut read));
        read = read_once(&jobs, options, &strings, &progress);
    }
    let garbled: Vec<bool> = read
        .iter()
        .map(|(_, outcome)| overlap::is_garbled(outcome))
        .collect();
    let look = || overlap::overlaps(&jobs, &once(&read), &garbled, &strings, options.memory);
    let overlaps = options.timings.of("overlaps", look)?;
    let waiting = AtomicUsize::new(0);
    let readers = Readers {
        jobs: &jobs,
        skips: &overlaps.skips,
        strings: &strings,
        waiting: &waiting,
        progress: &progress,
    };
    for ranks in files_of(&jobs, &overlaps.skips) {
        for (rank, again) in readers.read(&ranks) {
            read[rank] = again;
        }
    }
    progress.finish();
    finish_all(&jobs, read, options, known, strings, &overlaps)
}

/// What is known of each source after reading, in their order.
fn counts(read: &[(Part, Outcome)]) -> Vec<Option<&Counts>> {
    let counts = read.iter().enumerate();
    counts
        .map(|(rank, (part, _))| part.tally.sources.get(&(rank as u32)))
        .collect()
}

/// What was counted of each source, without those that have the content of another one.
fn once(read: &[(Part, Outcome)]) -> Vec<Option<&Tally>> {
    let mut seen = HashSet::new();
    let mut first = |outcome: &Outcome| seen.insert(outcome.decoded_sha256.clone());
    let tallies = read.iter();
    tallies
        .map(|(part, outcome)| Some(&part.tally).filter(|_| first(outcome)))
        .collect()
}

fn decoded(read: &[(Part, Outcome)]) -> u64 {
    read.iter().map(|(_, outcome)| outcome.decoded_bytes).sum()
}

fn read_once(
    jobs: &[Job],
    options: &Options,
    strings: &Strings,
    progress: &Progress,
) -> Vec<(Part, Outcome)> {
    use rayon::prelude::*;
    let waiting = AtomicUsize::new(0);
    let readers = Readers {
        jobs,
        skips: &[],
        strings,
        waiting: &waiting,
        progress,
    };
    let all = || {
        let read: Vec<Ranked> = files(jobs)
            .into_par_iter()
            .with_max_len(1)
            .flat_map_iter(|ranks| readers.read(&ranks))
            .collect();
        in_order(read, jobs.len())
    };
    let timings = &options.timings;
    timings.with_bytes("read and fold", all, |read| Some(decoded(read)))
}

fn finish_all(
    jobs: &[Job],
    read: Vec<(Part, Outcome)>,
    options: &Options,
    known: &Known,
    strings: Strings,
    overlaps: &Overlaps,
) -> Result<Loaded> {
    let bytes = Some(decoded(&read));
    let (whole, mut sources) = options
        .timings
        .of("join", || join(jobs, read, known, &strings));
    let correlate = || finish(whole, &strings, &Local::new(&options.local_domains));
    let mut rows = options
        .timings
        .with_bytes("correlate", correlate, |_| bytes);
    describe(jobs, &mut sources, &mut rows, &strings, known);
    sources::tell_overlaps(&mut sources, overlaps);
    let mut local_domains: Vec<String> = rows
        .local_domains
        .iter()
        .filter_map(|d| strings.text(*d))
        .collect();
    local_domains.sort_unstable();
    let build = || build::tables(rows, &sources, &strings, options.zone, &options.wanted);
    let tables = options
        .timings
        .with_bytes("tables", build, |_| bytes)
        .context("cannot build the tables")?;
    // Nobody needs to wait until the texts are taken apart. Where no thread can be had, they are here.
    let rest = move || drop(strings);
    drop(std::thread::Builder::new().name("rest".into()).spawn(rest));
    Ok(Loaded {
        before: Tables::default(),
        tables,
        sources,
        local_domains,
        left_out: Vec::new(),
        unreadable: Vec::new(),
        parts: 0,
        kept: None,
        hidden: None,
        found: Found::default(),
    })
}

/// Joins the sources in reading order. A source whose decoded content came before is not counted again.
fn join(
    jobs: &[Job],
    read: Vec<(Part, Outcome)>,
    known: &Known,
    strings: &Strings,
) -> (Part, Vec<SourceRow>) {
    let mut whole = Part::default();
    let mut rows = Vec::with_capacity(jobs.len());
    let mut seen = Seen::new(known);
    for (rank, (job, (mut part, outcome))) in jobs.iter().zip(read).enumerate() {
        let duplicate = seen.before(rank as i64, &outcome);
        if duplicate.is_some() {
            // Its format, hosts and times are told all the same.
            let known = part.tally.sources.remove_entry(&(rank as u32));
            part = Part::default();
            part.tally.sources.extend(known);
            tell_duplicate(&mut part.tally, rank as u32, outcome.lines, strings);
        }
        rows.push(job.row(outcome, duplicate));
        whole.append(part);
    }
    (whole, rows)
}

/// Lines of a source that were seen before are ignored, and count nowhere else.
pub(super) fn tell_duplicate(tally: &mut Tally, source: u32, lines: u64, strings: &Strings) {
    let counts = Counts {
        lines,
        events: 0,
        ignored: lines,
        unrecognised: 0,
        undecodable: 0,
        ..tally.sources.remove(&source).unwrap_or_default()
    };
    tally.sources.insert(source, counts);
    tally.ignore_all(source, "same content as another source", lines, strings);
}
