//! From paths to tables on disk: the pipeline for logs that do not fit in memory.
//!
//! A first look ([`Looked`]) tells years and what overlaps. Then sources of one host follow one another, hosts run side by side ([`super::lanes`]), so that what belongs
//! together is read together. Blocks are parsed in parallel and joined in the order in which they were handed out.
//! After each window of log, what is settled ([`crate::correlate::settle`]) becomes tables in files
//! ([`super::spill`]), and its texts are let go. The rows are those of [`super::load`], which has everything in memory.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use rayon::ThreadPool;

use super::blocks::{BLOCK, Reading, parse, parse_but};
use super::lanes::{Lane, Piece, earliest, lanes};
use super::load::{Loaded, Options, tell_duplicate};
use super::lookup::passes;
use super::overlap::{self, Overlaps, Skip};
use super::progress::Progress;
use super::sources::{Job, Known, Seen, describe, in_their_years, tell_overlaps};
use super::spill::{Files, Spill, names_shown};
use crate::correlate::Part;
use crate::correlate::coverage::{Counts, Tally};
use crate::correlate::finish::{Local, finish};
use crate::correlate::settle::{Growing, KEPT};
use crate::source::{self, Block, Codec, Outcome, Source};
use crate::strings::{Moved, Strings};
use crate::syslog::Follower;
use crate::tables::Tables;
use crate::tables::build::{self, SourceRow};
use crate::tables::select::Found;
use crate::tables::zone::rfc3339;

/// Bytes of memory for a byte of log when logs are held whole: rows, texts, tables.
const WHOLE: f64 = 1.7;

/// Bytes of log in a byte of a compressed file: mail logs repeat themselves.
const PACKED: u64 = 14;

/// The share of `--memory` that one window of log takes: it is there as rows of two kinds, as texts, as columns and as
/// files' content, beside what stays open.
const SHARE: u64 = 16;

/// Bytes of a window, at least, whatever the memory.
const LEAST: u64 = 16 * 1024;

/// Bytes of memory for comparing sources by line, whatever `--memory`.
const SMALL: u64 = 8 << 20;

/// A window has at most so many times the bytes that it has at least.
const MANY: u64 = 8;

/// Reads everything into files; `pool` parses.
///
/// # Errors
/// A folder that cannot be written, a table that does not fit in memory, a thread that cannot be had.
pub fn read_all(
    jobs: Vec<Job>,
    options: &Options,
    known: &Known,
    spill: Spill,
    pool: &ThreadPool,
) -> Result<Loaded> {
    let look = || pool.install(|| Looked::new(jobs, known, options.memory));
    let Looked {
        jobs,
        twice,
        overlaps,
    } = options.timings.of("look", look)?;
    let skips = Arc::new(overlaps.skips.clone());
    let jobs = Arc::new(jobs);
    let bytes = jobs.iter().map(|job| job.source.bytes).sum();
    let progress = Arc::new(Progress::new(bytes, options.quiet));
    let window = (options.memory / SHARE).max(LEAST);
    let lanes = lanes(&jobs, &skips, &twice, &progress, window)?;
    let work = Work {
        jobs: &jobs,
        skips: &skips,
        options,
        window,
        most: 2 * pool.current_num_threads() + 2,
        spill: &spill,
        state: Mutex::new(State::new(options)),
        moved: Condvar::new(),
    };
    let read = || pool.in_place_scope(|scope| work.run(lanes, scope));
    let outcomes = options.timings.of("read and write", read);
    progress.finish();
    let state = work
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = state.failed {
        return Err(error);
    }
    let told = Told {
        jobs: &jobs,
        known,
        twice: &twice,
        overlaps: &overlaps,
    };
    let end = || conclude(&told, options, spill, state, outcomes);
    options.timings.of("conclude", || pool.install(end))
}

/// What is known of a source before it is read: that it has the content of another, and how it was read to tell.
pub(super) type Twice = Option<(Outcome, Option<i64>)>;

/// Sources that begin alike are read once for their hashes, so that the same content counts once. Where there are
/// tables already, every source is.
fn twice(jobs: &[Job], known: &Known) -> Vec<Twice> {
    use rayon::prelude::*;
    let mut heads: HashMap<&[u8], usize> = HashMap::new();
    let has_lines = |job: &&Job| job.readable() && job.source.archive.is_none();
    for job in jobs.iter().filter(has_lines) {
        *heads.entry(job.source.least_head()).or_default() += 1;
    }
    let alike = |job: &Job| heads.get(job.source.least_head()).is_some_and(|n| *n > 1);
    let needed: Vec<bool> = jobs
        .iter()
        .map(|job| has_lines(&job) && (alike(job) || !known.decoded().is_empty()))
        .collect();
    let sources: Vec<&Source> = jobs.iter().map(|job| &job.source).collect();
    let mut outcomes = vec![None; jobs.len()];
    let read = passes(&sources, |rank| needed[rank]).into_par_iter();
    let read = read.flat_map_iter(|pass| pass.read(&sources, &mut |_, _| ()));
    for (rank, outcome) in read.collect::<Vec<_>>() {
        outcomes[rank] = Some(outcome);
    }
    let mut seen = Seen::new(known);
    let told = (0..).zip(outcomes).map(|(own, outcome)| {
        let outcome = outcome?;
        let duplicate = seen.before(own, &outcome);
        Some((outcome, duplicate))
    });
    told.collect()
}

/// A first look at the times of sources, and at whether some are garbled: of all where there are several, and of one whose year is not proven.
fn look(jobs: &[Job], twice: &[Twice], strings: &Strings) -> (Vec<Option<Tally>>, Vec<bool>) {
    use rayon::prelude::*;
    let has_lines = |rank: usize| {
        let copy = |(_, duplicate): &(Outcome, Option<i64>)| duplicate.is_some();
        let job = &jobs[rank];
        job.readable() && job.source.archive.is_none() && !twice[rank].as_ref().is_some_and(copy)
    };
    let several = (0..jobs.len()).filter(|rank| has_lines(*rank)).count() > 1;
    let needed = |rank: usize| has_lines(rank) && (several || !jobs[rank].is_proven());
    let sources: Vec<&Source> = jobs.iter().map(|job| &job.source).collect();
    let mut tallies: Vec<Option<Tally>> = jobs.iter().map(|_| None).collect();
    let mut garbled = vec![false; jobs.len()];
    let read = passes(&sources, needed).into_par_iter();
    let read = read.flat_map_iter(|pass| overlap::times(jobs, &sources, &pass, strings));
    for (rank, tally, wrong) in read.collect::<Vec<_>>() {
        tallies[rank] = Some(tally);
        garbled[rank] = wrong;
    }
    (tallies, garbled)
}

/// The sources in their years and order, and for each what is known of it before it is read.
struct Looked {
    jobs: Vec<Job>,
    twice: Vec<Twice>,
    overlaps: Overlaps,
}

impl Looked {
    fn new(mut jobs: Vec<Job>, known: &Known, memory: u64) -> Result<Looked> {
        let strings = Strings::default();
        let mut hashes = twice(&jobs, known);
        let (mut tallies, mut garbled) = look(&jobs, &hashes, &strings);
        let counts = (0..)
            .zip(&tallies)
            .map(|(rank, tally)| tally.as_ref()?.sources.get(&rank));
        if let Some(again) = in_their_years(&jobs, &counts.collect::<Vec<_>>()) {
            jobs = again;
            hashes = twice(&jobs, known);
            (tallies, garbled) = look(&jobs, &hashes, &strings);
        }
        let told: Vec<Option<&Tally>> = tallies.iter().map(Option::as_ref).collect();
        let memory = (memory / 4).max(SMALL);
        let overlaps = overlap::overlaps(&jobs, &told, &garbled, &strings, memory)?;
        Ok(Looked {
            jobs,
            twice: hashes,
            overlaps,
        })
    }
}

/// Where a window ends, by the blocks alone: the same logs are cut at the same places.
struct Window {
    /// Bytes that it has at least.
    least: u64,
    bytes: u64,
    /// Time of its first block.
    since: Option<i64>,
}

impl Window {
    fn new(least: u64) -> Self {
        Window {
            least,
            bytes: 0,
            since: None,
        }
    }

    /// Adds a block; says whether it is the last. What stays open is gone over at each end, so that a window has to be
    /// long enough for much to be settled: half the time that things are kept, or many times the least size.
    fn ends_with(&mut self, block: &Block, ts: i64) -> bool {
        self.bytes += block.bytes.len() as u64;
        let since = *self.since.get_or_insert(ts);
        let long = ts.saturating_sub(since) >= KEPT / 2 || self.bytes >= MANY * self.least;
        let ends = long && self.bytes >= self.least;
        if ends {
            *self = Window::new(self.least);
        }
        ends
    }
}

/// What all threads share.
struct Work<'a> {
    jobs: &'a [Job],
    /// Lines of each source that are left out.
    skips: &'a [Option<Skip>],
    options: &'a Options,
    /// Bytes of log after which what is settled is written.
    window: u64,
    /// Blocks that are being parsed, or wait to be joined, at most.
    most: usize,
    spill: &'a Spill,
    state: Mutex<State>,
    /// A block was joined.
    moved: Condvar,
}

struct State {
    growing: Growing,
    strings: Arc<Strings>,
    local: Local,
    /// Parts that came before their turn, by their number.
    early: BTreeMap<usize, Parsed>,
    /// The number that is next.
    next: usize,
    /// Blocks handed out and not joined.
    waiting: usize,
    /// One thread joins; the others leave their parts to it.
    joining: bool,
    failed: Option<anyhow::Error>,
}

struct Parsed {
    part: Part,
    /// The block was the last of a window: its time, and the texts of the next one.
    ends: Option<(i64, Arc<Strings>)>,
}

impl State {
    fn new(options: &Options) -> Self {
        State {
            growing: Growing::default(),
            strings: Arc::default(),
            local: Local::new(&options.local_domains),
            early: BTreeMap::new(),
            next: 0,
            waiting: 0,
            joining: false,
            failed: None,
        }
    }
}

impl Work<'_> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out all blocks; what reading each source came to.
    fn run<'s>(&'s self, mut lanes: Vec<Lane>, scope: &rayon::Scope<'s>) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; self.jobs.len()];
        let mut number = 0;
        let mut window = Window::new(self.window);
        // The latest time at which something was settled.
        let mut settled = i64::MIN;
        let mut strings = self.lock().strings.clone();
        while let Some(piece) = earliest(&mut lanes) {
            let (rank, block, start, ts) = match piece {
                Piece::End(rank, outcome) => {
                    outcomes[rank as usize] = Some(*outcome);
                    continue;
                }
                Piece::Overlap(rank, ts, reached) => {
                    self.fail(self.goes_back(rank, ts, reached));
                    break;
                }
                Piece::Block(rank, block, start, ts) => (rank, block, *start, ts),
            };
            if ts != i64::MIN && ts < settled.saturating_sub(KEPT) {
                self.fail(self.goes_back(rank, ts, settled));
            }
            if !self.wait() {
                break;
            }
            let texts = strings.clone();
            let ends = window.ends_with(&block, ts).then(|| {
                strings = Arc::default();
                settled = settled.max(ts);
                (ts, strings.clone())
            });
            scope.spawn(move |_| {
                let line = block.first_line;
                let work = move || {
                    let reading = Reading {
                        source: rank,
                        clock: &self.jobs[rank as usize].clock,
                        skip: self.skips[rank as usize].as_deref().unwrap_or_default(),
                    };
                    let part = parse_but(&block, &reading, start, &texts);
                    drop((block, texts));
                    self.add(number, Parsed { part, ends });
                };
                // Whoever waits for this block would wait for ever.
                if catch_unwind(AssertUnwindSafe(work)).is_err() {
                    self.fail(self.fault(rank, line));
                }
            });
            number += 1;
        }
        if let Some(at) = outcomes.iter().position(Option::is_none) {
            self.fail(anyhow!(
                "{}: reading broke off",
                self.jobs[at].source.name()
            ));
        }
        outcomes.into_iter().flatten().collect()
    }

    /// Ends the reading with an error, unless there is one.
    fn fail(&self, error: anyhow::Error) {
        let mut state = self.lock();
        state.failed.get_or_insert(error);
        self.moved.notify_all();
    }

    /// What was settled might have been named by these lines: rather none than a wrong report.
    fn goes_back(&self, rank: u32, ts: i64, settled: i64) -> anyhow::Error {
        anyhow!(
            "{}: goes back to {}, after lines of {}: such logs cannot be read piece by piece\n\
             hint: raise --memory so that they are read at once, or give apart what overlaps in time",
            self.jobs[rank as usize].source.name(),
            rfc3339(self.options.zone, ts),
            rfc3339(self.options.zone, settled)
        )
    }

    fn fault(&self, rank: u32, line: u64) -> anyhow::Error {
        anyhow!(
            "{}: this program fails at lines from {line} on, or at what came before\n\
             hint: leave the file out, and report the fault with these lines",
            self.jobs[rank as usize].source.path
        )
    }

    /// Waits until another block may be handed out; says whether there is any use in it.
    fn wait(&self) -> bool {
        let mut state = self.lock();
        while state.waiting >= self.most && state.failed.is_none() {
            state = self
                .moved
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting += 1;
        state.failed.is_none()
    }

    /// Joins a part in its turn, and those that waited for it. No thread waits here for another: one that settles a
    /// window may itself be given a block to parse meanwhile, and comes by here again.
    fn add(&self, number: usize, parsed: Parsed) {
        let mut state = self.lock();
        state.early.insert(number, parsed);
        if state.joining {
            return;
        }
        state.joining = true;
        loop {
            let next = state.next;
            let Some(Parsed { part, ends }) = state.early.remove(&next) else {
                break;
            };
            let mut growing = std::mem::take(&mut state.growing);
            let mut local = std::mem::take(&mut state.local);
            let strings = state.strings.clone();
            drop(state);
            growing.append(part);
            let failed = match &ends {
                Some((now, texts)) => {
                    let written = self.settle(&mut growing, *now, &strings, &mut local);
                    growing.move_texts(&strings, texts);
                    written.err()
                }
                None => None,
            };
            state = self.lock();
            state.growing = growing;
            state.local = local;
            if let Some((_, texts)) = ends {
                state.strings = texts;
            }
            state.failed = state.failed.take().or(failed);
            state.next += 1;
            state.waiting -= 1;
            self.moved.notify_one();
        }
        state.joining = false;
    }

    /// Writes what is settled.
    fn settle(
        &self,
        growing: &mut Growing,
        now: i64,
        strings: &Strings,
        local: &mut Local,
    ) -> Result<()> {
        let settled = growing.settle(now, strings);
        if settled.is_empty() {
            return Ok(());
        }
        let rows = finish(settled, strings, local);
        local.meet(&rows, strings);
        let tables = build::tables(rows, &[], strings, self.options.zone, self.spill.wanted())
            .context("cannot build the tables")?;
        self.spill.write(tables, local)
    }
}

/// What was known of the sources before they were read.
struct Told<'a> {
    jobs: &'a [Job],
    known: &'a Known,
    twice: &'a [Twice],
    overlaps: &'a Overlaps,
}

/// The last window, and what can be said of all.
fn conclude(
    told: &Told<'_>,
    options: &Options,
    spill: Spill,
    state: State,
    outcomes: Vec<Outcome>,
) -> Result<Loaded> {
    let Told { jobs, twice, .. } = *told;
    let State {
        growing,
        strings,
        mut local,
        ..
    } = state;
    let mut part = growing.end();
    let mut sources: Vec<SourceRow> = Vec::with_capacity(jobs.len());
    for (rank, (job, outcome)) in jobs.iter().zip(outcomes).enumerate() {
        let duplicate = twice[rank].as_ref().and_then(|(_, duplicate)| *duplicate);
        if duplicate.is_some() {
            let seen = seen(job, rank as u32, &strings);
            part.tally.sources.insert(rank as u32, seen);
            tell_duplicate(&mut part.tally, rank as u32, outcome.lines, &strings);
        }
        sources.push(job.row(outcome, duplicate));
    }
    let mut rows = finish(part, &strings, &local);
    local.meet(&rows, &strings);
    describe(jobs, &mut sources, &mut rows, &strings, told.known);
    tell_overlaps(&mut sources, told.overlaps);
    let tables = build::tables(rows, &sources, &strings, options.zone, spill.wanted())
        .context("cannot build the tables")?;
    let local_domains = names_shown(&local, options);
    let hidden = match (&options.files, &options.privacy) {
        (Files::Temporary, _) | (_, None) => None,
        (_, Some(own)) => Some(own.pseudonyms.marking()),
    };
    let (tables, kept) = spill.end(tables, &mut sources, &local, options)?;
    Ok(Loaded {
        before: Tables::default(),
        tables,
        sources,
        local_domains,
        left_out: Vec::new(),
        unreadable: Vec::new(),
        parts: 0,
        kept,
        hidden,
        found: Found::default(),
    })
}

/// What the lines of a source say of it, whose rows are those of another one.
fn seen(job: &Job, rank: u32, strings: &Strings) -> Counts {
    let mut whole = Tally::default();
    let mut follower = Follower::new(&job.clock);
    source::read(&job.source, BLOCK, &|_| (), &mut |block| {
        let texts = Strings::default();
        let start = follower.start(if block.cut { &[] } else { &block.bytes });
        let mut tally = parse(&block, rank, &job.clock, start, &texts).tally;
        tally.resolve(&mut Moved::new(&texts, strings));
        whole.append(tally);
    });
    whole.sources.remove(&rank).unwrap_or_default()
}

/// Whether logs are to be read into files: they would not fit in memory, or the files are asked for.
pub fn needed(jobs: &[Job], options: &Options) -> bool {
    let decoded = |job: &Job| match job.source.codec {
        _ if job.source.archive.is_some() => 0,
        Some(Codec::Plain) | None => job.source.bytes,
        Some(_) => job.source.bytes.saturating_mul(PACKED),
    };
    let decoded: u64 = jobs.iter().map(decoded).sum();
    matches!(options.files, Files::Folder(_)) || decoded as f64 * WHOLE > options.memory as f64
}
