//! A source becomes blocks, and a block becomes a [`Part`]: its lines parsed and folded.
//!
//! Each reader hands its blocks to the thread pool while few are waiting, and otherwise parses them itself, so that memory
//! is bounded and no thread ever waits for another. The parts are joined in order as they arrive. [`super::load`] and
//! [`super::windows`] read all that there is by this.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::progress::Progress;
use super::sources::Job;
use crate::correlate::coverage::Counter;
use crate::correlate::{Context, Part};
use crate::event::Parsed;
use crate::formats::{
    self,
    instants::{From, instant},
};
use crate::source::{self, Block, Outcome, Problem};
use crate::strings::Strings;
use crate::syslog::{self, Cache, Clock, Follower};

/// Bytes of a block: large enough that joining is rare, small enough that a few fit in a cache.
pub(super) const BLOCK: usize = 1 << 20;

/// Reads one source and joins its parts.
pub(super) struct Reader<'a> {
    rank: usize,
    job: &'a Job,
    /// Lines that are left out.
    skip: &'a [u64],
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
    pub(super) fn new(
        rank: usize,
        job: &'a Job,
        skip: &'a [u64],
        strings: &'a Strings,
        waiting: &'a AtomicUsize,
    ) -> Self {
        Reader {
            rank,
            job,
            skip,
            strings,
            waiting,
            joined: Mutex::default(),
        }
    }

    pub(super) fn run(self, progress: &Progress) -> (Part, Outcome) {
        if let Some(outcome) = self.job.refused() {
            return (Part::default(), outcome);
        }
        let source = &self.job.source;
        self.run_with(|take| source::read(source, BLOCK, &|bytes| progress.add(bytes), take))
    }

    /// What is to be said of a member that did not come by, where it is not known why.
    pub(super) fn missing(self, why: Option<Problem>) -> (Part, Outcome) {
        let lost = || Problem::Unreadable("not in the archive any more".into());
        let outcome = self.job.refused().unwrap_or_else(|| Outcome {
            problem: Some(why.unwrap_or_else(lost)),
            ..Outcome::default()
        });
        (Part::default(), outcome)
    }

    /// Joins the parts of what a source gives.
    pub(super) fn run_with(
        self,
        read: impl FnOnce(&mut dyn FnMut(Block)) -> Outcome,
    ) -> (Part, Outcome) {
        let limit = 2 * rayon::current_num_threads();
        let mut outcome = None;
        rayon::in_place_scope(|scope| {
            let mut blocks = 0;
            let mut follower = Follower::new(&self.job.clock);
            let mut take = |block: Block| {
                let number = blocks;
                blocks += 1;
                let start = follower.start(if block.cut { &[] } else { &block.bytes });
                if self.waiting.load(Ordering::Relaxed) >= limit {
                    self.add(number, self.parse(&block, start));
                    return;
                }
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let reader = &self;
                scope.spawn(move |_| {
                    reader.add(number, reader.parse(&block, start));
                    reader.waiting.fetch_sub(1, Ordering::Relaxed);
                });
            };
            outcome = Some(read(&mut take));
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

    fn parse(&self, block: &Block, start: Cache) -> Part {
        let reading = Reading {
            source: self.rank as u32,
            clock: &self.job.clock,
            skip: self.skip,
        };
        parse_but(block, &reading, start, self.strings)
    }
}

/// How the lines of a source are read.
pub(super) struct Reading<'a> {
    pub(super) source: u32,
    pub(super) clock: &'a Clock,
    /// Lines that are left out.
    pub(super) skip: &'a [u64],
}

/// One block, parsed and folded. `start` is what [`Follower`] says of its times.
pub fn parse(block: &Block, source: u32, clock: &Clock, start: Cache, strings: &Strings) -> Part {
    let reading = Reading {
        source,
        clock,
        skip: &[],
    };
    parse_but(block, &reading, start, strings)
}

/// The same without the lines that are to be left out.
pub(super) fn parse_but(
    block: &Block,
    reading: &Reading<'_>,
    start: Cache,
    strings: &Strings,
) -> Part {
    let mut lines = Lines {
        part: Part::default(),
        counter: Counter::new(strings, reading.source),
        clock: reading.clock,
        cache: start,
    };
    let mut ctx = Context::new(strings, reading.source);
    if block.cut {
        lines.counter.undecodable();
    } else {
        let from = reading
            .skip
            .partition_point(|line| *line < block.first_line);
        let mut skip = reading.skip[from..].iter().copied().peekable();
        let mut rest = &block.bytes[..];
        let mut number = block.first_line;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let left_out = skip.next_if_eq(&number).is_some();
            lines.line(&mut ctx, number, &rest[..end], left_out);
            rest = rest.get(end + 1..).unwrap_or_default();
            number += 1;
        }
    }
    lines.part.finish(ctx, lines.counter.finish())
}

/// What the lines of a block come to.
struct Lines<'a> {
    part: Part,
    counter: Counter<'a>,
    clock: &'a Clock,
    cache: Cache,
}

impl Lines<'_> {
    fn line<'b>(&mut self, ctx: &mut Context<'b>, number: u64, bytes: &'b [u8], left_out: bool) {
        let Some(header) = syslog::header(bytes, self.clock, &mut self.cache) else {
            if bytes.trim_ascii().is_empty() {
                self.counter.blank(number);
            } else if source::looks_binary(bytes) {
                self.counter.undecodable();
            } else if source::is_journal_note(bytes) {
                self.counter.noted(number);
            } else {
                self.counter.headless(number);
            }
            return;
        };
        if self.cache.is_skipped() {
            self.counter.skipped(number);
        }
        if self.cache.is_foreign() {
            self.counter.foreign(number);
        }
        let (format, parsed) = formats::parse(&header);
        let format = format.map(|format| format.name());
        if format.is_some() && !formats::is_alert(header.text) {
            self.counter.routine();
        }
        if left_out {
            self.counter.repeated(number, &header, format);
            return;
        }
        if let Some((seconds, from)) = instant(&header) {
            let surely = from == From::QueueId;
            self.counter.dated(number, header.ts, seconds, surely);
        }
        if let Parsed::Event(event) = &parsed {
            self.part.fold(ctx, number, &header, event);
        }
        self.counter.parsed(number, &header, format, &parsed);
    }
}
