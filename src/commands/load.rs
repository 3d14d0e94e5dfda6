//! From paths to tables: the pipeline that every command shares.
//!
//! Sources are read side by side. Each reader hands its blocks to the thread pool while few are waiting, and
//! otherwise parses them itself, so that memory is bounded and no thread ever waits for another. A block
//! becomes a [`Part`]; the parts of a source are joined in order as they arrive, the sources at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use chrono_tz::Tz;
use rayon::ThreadPool;

use super::privacy::{self, Privacy};
use super::progress::Progress;
use super::sources::{Job, Known, Seen, describe, jobs, words};
use super::spill::{Files, Kept, Spill};
use super::timings::Timings;
use super::{stores, windows};
use crate::correlate::coverage::{Counter, Counts, Tally};
use crate::correlate::finish::{Local, finish};
use crate::correlate::{Context, Part};
use crate::event::Parsed;
use crate::formats;
use crate::pseudonyms::Marking;
use crate::source::{self, Block, Outcome, Problem};
use crate::strings::Strings;
use crate::syslog::{self, Cache, Clock};
use crate::tables::build::{self, SourceRow, Wanted};
use crate::tables::select::Selection;
use crate::tables::{Tables, hide, store};

/// Bytes of a block: large enough that joining is rare, small enough that a few fit in a cache.
pub(super) const BLOCK: usize = 1 << 20;

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
    pub wanted: Wanted,
    pub timings: Timings,
    /// Sources that are not to be read again.
    pub known: Known,
    /// What cannot be read is told apart rather than listed as a source.
    pub readable_only: bool,
    /// Bytes of memory that logs and tables may take; what does not fit goes to files.
    pub memory: u64,
    /// Where that is.
    pub files: Files,
    /// Persons are hidden from what is shown and written.
    pub privacy: Option<Privacy>,
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
            wanted: Wanted::default(),
            timings: Timings::default(),
            known: Known::default(),
            readable_only: false,
            memory: u64::MAX,
            files: Files::default(),
            privacy: None,
        }
    }
}

/// What was read.
pub struct Loaded {
    /// The tables, narrowed to the selection.
    pub tables: Tables,
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
    let select = |tables: Tables| {
        let alike = if tables.on_disk() {
            tables.plain_text()?
        } else {
            tables
        };
        let selected = selection.apply(alike)?;
        match &selection.about {
            Some(_) => selected.in_memory_within(options.memory / 2),
            None => Ok(selected),
        }
    };
    loaded.tables = pool
        .install(|| select(loaded.tables))
        .context("cannot select rows")?;
    match plain {
        None => Ok(loaded),
        Some(own) => {
            let hide = || pool.install(|| privacy::hide(loaded, own));
            options.timings.of("pseudonyms", hide)
        }
    }
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
    let find = || pool.install(|| source::discover(paths));
    let found = options.timings.of("discover", find);
    if found.is_empty() {
        bail!("no files under the given paths\nhint: name log files or folders that hold some");
    }
    let (left_out, found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|source| known.has(source));
    let (found, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|source| {
        !options.readable_only || !matches!(source.problem, Some(Problem::Unreadable(_)))
    });
    let jobs = jobs(found, options.zone, options.year);
    let mut loaded = if windows::needed(&jobs, options) {
        windows::read_all(jobs, options, known, Spill::begin(options)?, pool)?
    } else {
        pool.install(|| read_all(&jobs, options, known))?
    };
    loaded.left_out = left_out.into_iter().map(|source| source.path).collect();
    loaded.unreadable = refused
        .iter()
        .map(|source| match &source.problem {
            Some(problem) => format!("{}: {}", source.path, words(problem)),
            None => source.path.clone(),
        })
        .collect();
    if let (Some(_), Some(own)) = (&loaded.hidden, &options.privacy) {
        privacy::hide_paths(&mut loaded, &own.pseudonyms);
    }
    Ok(loaded)
}

fn read_all(jobs: &[Job], options: &Options, known: &Known) -> Result<Loaded> {
    let strings = Strings::default();
    let progress = Progress::new(jobs.iter().map(|job| job.source.bytes).sum(), options.quiet);
    let waiting = AtomicUsize::new(0);
    let decoded = |read: &Vec<(Part, Outcome)>| {
        read.iter()
            .map(|(_, outcome)| outcome.decoded_bytes)
            .sum::<u64>()
    };
    let read = || {
        use rayon::prelude::*;
        let read = |rank: usize| Reader::new(rank, &jobs[rank], &strings, &waiting).run(&progress);
        (0..jobs.len())
            .into_par_iter()
            .with_max_len(1)
            .map(read)
            .collect::<Vec<(Part, Outcome)>>()
    };
    let read = options
        .timings
        .with_bytes("read and fold", read, |read| Some(decoded(read)));
    progress.finish();
    let bytes = Some(decoded(&read));
    let (whole, mut sources) = options
        .timings
        .of("join", || join(jobs, read, known, &strings));
    let correlate = || finish(whole, &strings, &Local::new(&options.local_domains));
    let mut rows = options
        .timings
        .with_bytes("correlate", correlate, |_| bytes);
    describe(jobs, &mut sources, &mut rows, &strings);
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
        tables,
        sources,
        local_domains,
        left_out: Vec::new(),
        unreadable: Vec::new(),
        parts: 0,
        kept: None,
        hidden: None,
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

/// Reads one source and joins its parts.
struct Reader<'a> {
    rank: usize,
    job: &'a Job,
    strings: &'a Strings,
    /// Blocks handed to the pool and not parsed yet, of all sources.
    waiting: &'a AtomicUsize,
    joined: Mutex<Joined>,
}

#[derive(Default)]
struct Joined {
    whole: Part,
    /// Parts that came before their turn.
    early: BTreeMap<usize, Part>,
    next: usize,
}

impl<'a> Reader<'a> {
    fn new(rank: usize, job: &'a Job, strings: &'a Strings, waiting: &'a AtomicUsize) -> Self {
        Reader {
            rank,
            job,
            strings,
            waiting,
            joined: Mutex::default(),
        }
    }

    fn run(self, progress: &Progress) -> (Part, Outcome) {
        if let Some(outcome) = self.job.refused() {
            return (Part::default(), outcome);
        }
        let limit = 2 * rayon::current_num_threads();
        let mut outcome = None;
        rayon::in_place_scope(|scope| {
            let mut blocks = 0;
            let mut take = |block: Block| {
                let number = blocks;
                blocks += 1;
                if self.waiting.load(Ordering::Relaxed) >= limit {
                    self.add(number, self.parse(&block));
                    return;
                }
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let reader = &self;
                scope.spawn(move |_| {
                    reader.add(number, reader.parse(&block));
                    reader.waiting.fetch_sub(1, Ordering::Relaxed);
                });
            };
            outcome = Some(source::read(
                &self.job.source,
                BLOCK,
                &|bytes| progress.add(bytes),
                &mut take,
            ));
        });
        let joined = self
            .joined
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (joined.whole, outcome.unwrap_or_default())
    }

    /// Joins a part in its turn.
    fn add(&self, number: usize, part: Part) {
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        joined.early.insert(number, part);
        loop {
            let next = joined.next;
            let Some(part) = joined.early.remove(&next) else {
                return;
            };
            joined.whole.append(part);
            joined.next += 1;
        }
    }

    fn parse(&self, block: &Block) -> Part {
        parse(block, self.rank as u32, &self.job.clock, self.strings)
    }
}

/// One block, parsed and folded.
pub fn parse(block: &Block, source: u32, clock: &Clock, strings: &Strings) -> Part {
    let mut ctx = Context::new(strings, source);
    let mut part = Part::default();
    let mut counter = Counter::new(strings, source);
    let mut cache = Cache::default();
    if block.cut {
        counter.undecodable();
    } else {
        let mut rest = &block.bytes[..];
        let mut number = block.first_line;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            line(
                &mut part,
                &mut counter,
                &mut ctx,
                number,
                &rest[..end],
                clock,
                &mut cache,
            );
            rest = rest.get(end + 1..).unwrap_or_default();
            number += 1;
        }
    }
    part.finish(ctx, counter.finish())
}

fn line<'b>(
    part: &mut Part,
    counter: &mut Counter<'_>,
    ctx: &mut Context<'b>,
    number: u64,
    bytes: &'b [u8],
    clock: &Clock,
    cache: &mut Cache,
) {
    let Some(header) = syslog::header(bytes, clock, cache) else {
        if bytes.trim_ascii().is_empty() {
            counter.blank(number);
        } else if source::looks_binary(bytes) {
            counter.undecodable();
        } else {
            counter.headless(number);
        }
        return;
    };
    let (format, parsed) = formats::parse(&header);
    if let Parsed::Event(event) = &parsed {
        part.fold(ctx, number, &header, event);
    }
    counter.parsed(number, &header, format.map(|format| format.name()), &parsed);
}
