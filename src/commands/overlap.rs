//! Lines that two sources of one host both have: a rotated copy and its original, or the extracts (`mail.warn`, `mail.err`)
//! that syslog writes beside the log. Each counts once.
//!
//! Only sources whose times overlap are looked at, once it is known when they begin and end: in memory after they were
//! read ([`super::load`]), else after a first look at their times ([`super::windows`]). Of two, the one with more lines in
//! the time that both cover is the log, and the other loses what that one has, as often as it has it: its lines are hashed,
//! and those of the fuller one held against them. A line that a server wrote twice stays two lines.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use anyhow::{Result, bail};

use super::lookup::{Pass, passes};
use super::sources::Job;
use crate::correlate::activity::{BUCKET, HostTimes};
use crate::correlate::coverage::{Counter, Tally};
use crate::correlate::rows::NO_TIME;
use crate::formats::instants::{From, instant};
use crate::source::Source;
use crate::strings::{Strings, Sym};
use crate::syslog::{self, Follower};

/// Rotation may fall between two lines of one second, and lines of one second may be out of order.
pub(super) const TOUCHING: i64 = 2_000_000;

/// Fewer lines than this in two sources are no overlap: a server can write the same line twice in a second.
const LEAST: usize = 2;

/// Lines of a source that are left out, by their number, in order.
pub type Skip = Vec<u64>;

/// What overlapping comes to, for each source by its rank.
#[derive(Default)]
pub struct Overlaps {
    /// What is left out.
    pub skips: Vec<Option<Skip>>,
    /// Where what is left lies beside lines of another source, whose name this is.
    pub beside: Vec<Option<String>>,
}

/// What is left out of each source. Of the sources that may lose lines one has to fit in `memory`, bytes.
///
/// # Errors
/// One does not.
pub fn overlaps(jobs: &[Job], tallies: &[Option<&Tally>], memory: u64) -> Result<Overlaps> {
    let mut found = Overlaps {
        skips: vec![None; jobs.len()],
        beside: vec![None; jobs.len()],
    };
    let all: Vec<Option<Span>> = (0..).zip(tallies).map(|(at, t)| Span::of(at, *t)).collect();
    let seeds = (RandomState::new(), RandomState::new());
    let mut held = Vec::new();
    for group in groups(&all) {
        let order = in_order(group, &all);
        for (at, rank) in order.iter().copied().enumerate() {
            let beside = |other: &&usize| overlap(&all, rank, **other).is_some();
            let fuller: Vec<usize> = order[..at].iter().filter(beside).copied().collect();
            let bytes = tallies[rank].map_or(0, |tally| tally.lines().saturating_mul(LINE));
            if !fuller.is_empty() && bytes > memory {
                bail!(
                    "{}: overlaps {} in time, and is too large to be held against it line by line\n\
                     hint: raise --memory, or give apart what overlaps",
                    jobs[rank].source.name(),
                    jobs[fuller[0]].source.name()
                );
            }
            if !fuller.is_empty() {
                held.push((Held { rank, fuller }, bytes));
            }
        }
    }
    for some in batches(held, memory) {
        let skips = leave_out(jobs, &some, &seeds);
        for (Held { rank, fuller }, skip) in some.iter().zip(skips) {
            let left = |other: &&usize| lies_beside(&all, *rank, **other, skip.len() as u64);
            let other = fuller.iter().find(left);
            found.beside[*rank] = other.map(|other| jobs[*other].source.name());
            if skip.len() >= LEAST {
                found.skips[*rank] = Some(skip);
            }
        }
    }
    Ok(found)
}

/// More than a few lines of a source are of the time of a fuller one, and are not in it.
fn lies_beside(all: &[Option<Span<'_>>], rank: usize, other: usize, skipped: u64) -> bool {
    // Lines are known to five minutes.
    let long = |(from, to): &(i64, i64)| to - from > 3 * BUCKET;
    let Some(both) = overlap(all, rank, other).filter(long) else {
        return false;
    };
    let within = all[rank].as_ref().map_or(0, |span| span.lines(both));
    within > skipped + within / 20 + 2
}

/// Bytes of memory for the hash of a line.
const LINE: u64 = 112;

/// A source, and those that are fuller in the time that both cover.
struct Held {
    rank: usize,
    fuller: Vec<usize>,
}

/// How often a source has a line.
struct Often {
    /// The source, by its place among those that are held against others.
    own: usize,
    /// How often the fuller one has it that is read, whose rank this is; then how often the source itself, as it goes by.
    times: u32,
    of: usize,
    /// How often the one that has it most.
    most: u32,
}

/// Sources of which all lines fit in memory at one time.
fn batches(held: Vec<(Held, u64)>, memory: u64) -> Vec<Vec<Held>> {
    let mut batches: Vec<Vec<Held>> = Vec::new();
    let mut left = 0u64;
    for (one, bytes) in held {
        match batches.last_mut().filter(|_| bytes <= left) {
            Some(last) => last.push(one),
            None => {
                left = memory;
                batches.push(vec![one]);
            }
        }
        left = left.saturating_sub(bytes);
    }
    batches
}

/// What is known of a source's times.
struct Span<'a> {
    first: i64,
    last: i64,
    hosts: &'a [Sym],
    times: Vec<&'a HostTimes>,
}

impl<'a> Span<'a> {
    fn of(rank: u32, tally: Option<&'a Tally>) -> Option<Self> {
        let tally = tally?;
        let counts = tally
            .sources
            .get(&rank)
            .filter(|counts| counts.first_ts != NO_TIME)?;
        Some(Span {
            first: counts.first_ts,
            last: counts.last_ts,
            hosts: &counts.hosts,
            times: tally.times.values().collect(),
        })
    }

    /// Lines from one time to another, to five minutes.
    fn lines(&self, (from, to): (i64, i64)) -> u64 {
        let buckets = self.times.iter().flat_map(|times| &times.buckets);
        let within = buckets.filter(|bucket| bucket.last_ts >= from && bucket.first_ts <= to);
        within.map(|bucket| bucket.lines).sum()
    }
}

/// The time that two sources both cover, when that is more than a touch.
fn overlap(all: &[Option<Span<'_>>], a: usize, b: usize) -> Option<(i64, i64)> {
    let (a, b) = (all[a].as_ref()?, all[b].as_ref()?);
    let (from, to) = (a.first.max(b.first), a.last.min(b.last));
    (to - from > TOUCHING).then_some((from, to))
}

/// Those first that have more lines than the others in the time that both cover.
fn in_order(mut group: Vec<usize>, all: &[Option<Span<'_>>]) -> Vec<usize> {
    group.sort_unstable();
    let lines = |rank: usize, both| all[rank].as_ref().map_or(0, |span| span.lines(both));
    let mut fuller: HashMap<usize, HashSet<usize>> = HashMap::new();
    for (at, a) in group.iter().copied().enumerate() {
        for b in group[at + 1..].iter().copied() {
            let Some(both) = overlap(all, a, b) else {
                continue;
            };
            let (more, less) = match lines(a, both) >= lines(b, both) {
                true => (a, b),
                false => (b, a),
            };
            fuller.entry(less).or_default().insert(more);
        }
    }
    let mut order = Vec::with_capacity(group.len());
    while !group.is_empty() {
        let first = |rank: &usize| fuller.get(rank).is_none_or(HashSet::is_empty);
        // Where each has a fuller one beside it, the first by its times is as good as any.
        let at = group.iter().position(first).unwrap_or(0);
        let next = group.remove(at);
        for of in fuller.values_mut() {
            of.remove(&next);
        }
        order.push(next);
    }
    order
}

/// Sources of one host whose times overlap, two or more together.
fn groups(all: &[Option<Span<'_>>]) -> Vec<Vec<usize>> {
    let mut by_host: HashMap<Sym, Vec<usize>> = HashMap::new();
    for (rank, span) in all.iter().enumerate() {
        for host in span.iter().flat_map(|span| span.hosts) {
            by_host.entry(*host).or_default().push(rank);
        }
    }
    let span = |rank: &usize| {
        all[*rank]
            .as_ref()
            .map_or((0, 0), |span| (span.first, span.last))
    };
    let mut together = Together((0..all.len()).collect());
    for mut ranks in by_host.into_values() {
        ranks.sort_by_key(|rank| (span(rank), *rank));
        // The one that reaches furthest so far.
        let mut furthest = None;
        for rank in ranks {
            let (first, last) = span(&rank);
            match furthest {
                Some((end, other)) if end - first > TOUCHING => {
                    together.join(other, rank);
                    furthest = Some((end, other)).max(Some((last, rank)));
                }
                _ => furthest = Some((last, rank)),
            }
        }
    }
    together.groups()
}

/// Numbers that belong together, each pointing to another one or itself.
struct Together(Vec<usize>);

impl Together {
    fn root(&self, mut at: usize) -> usize {
        while self.0[at] != at {
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }

    fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
        for at in 0..self.0.len() {
            groups.entry(self.root(at)).or_default().push(at);
        }
        groups
            .into_values()
            .filter(|group| group.len() > 1)
            .collect()
    }
}

/// Lines of sources that fuller ones have as well. Each file is read three times, however many members it has.
fn leave_out(jobs: &[Job], held: &[Held], seeds: &(RandomState, RandomState)) -> Vec<Skip> {
    let mut skips: Vec<Skip> = held.iter().map(|_| Vec::new()).collect();
    let own: HashMap<usize, usize> = (0..).zip(held).map(|(at, one)| (one.rank, at)).collect();
    // Who is held against a source.
    let mut against: HashMap<usize, HashSet<usize>> = HashMap::new();
    for (at, one) in held.iter().enumerate() {
        for other in &one.fuller {
            against.entry(*other).or_default().insert(at);
        }
    }
    let mut lines: HashMap<u128, Vec<Often>> = HashMap::new();
    each_line(
        jobs,
        &|rank| own.contains_key(&rank),
        seeds,
        &mut |rank, _, hash| {
            let often = lines.entry(hash).or_default();
            if often.last().is_none_or(|last| last.own != own[&rank]) {
                often.push(Often {
                    own: own[&rank],
                    times: 0,
                    of: usize::MAX,
                    most: 0,
                });
            }
        },
    );
    each_line(
        jobs,
        &|rank| against.contains_key(&rank),
        seeds,
        &mut |rank, _, hash| {
            let (Some(often), Some(held)) = (lines.get_mut(&hash), against.get(&rank)) else {
                return;
            };
            for often in often.iter_mut().filter(|often| held.contains(&often.own)) {
                often.times = if often.of == rank { often.times + 1 } else { 1 };
                often.of = rank;
                often.most = often.most.max(often.times);
            }
        },
    );
    let mut again = |rank: usize, number: u64, hash: u128| {
        let often = lines.get_mut(&hash).into_iter().flatten();
        // A line that was not there before was added while it was read.
        let Some(often) = often.into_iter().find(|often| often.own == own[&rank]) else {
            return;
        };
        // No source is fuller than itself.
        often.times = if often.of == rank { often.times + 1 } else { 1 };
        often.of = rank;
        if often.times <= often.most {
            skips[often.own].push(number);
        }
    };
    each_line(jobs, &|rank| own.contains_key(&rank), seeds, &mut again);
    skips
}

/// Gives rank, number and hash of each line that is not empty, of all that are needed, one source after the other. The seeds
/// are not known outside: a hostile log cannot make two lines one.
fn each_line(
    jobs: &[Job],
    needed: &dyn Fn(usize) -> bool,
    seeds: &(RandomState, RandomState),
    give: &mut dyn FnMut(usize, u64, u128),
) {
    let sources: Vec<&Source> = jobs.iter().map(|job| &job.source).collect();
    for pass in passes(&sources, needed) {
        pass.read(&sources, &mut |rank, block| {
            if block.cut {
                return;
            }
            let lines = block.bytes.split_inclusive(|byte| *byte == b'\n');
            for (number, line) in (block.first_line..).zip(lines) {
                let line = line.trim_ascii_end();
                if !line.is_empty() {
                    let hash = |seed: &RandomState| u128::from(seed.hash_one(line));
                    give(rank, number, hash(&seeds.0) << 64 | hash(&seeds.1));
                }
            }
        });
    }
}

/// When the lines of sources are, without what they say.
pub fn times(
    jobs: &[Job],
    sources: &[&Source],
    pass: &Pass,
    strings: &Strings,
) -> Vec<(usize, Tally)> {
    let mut found: BTreeMap<usize, (Tally, Follower<'_>)> = BTreeMap::new();
    let read = pass.read(sources, &mut |rank, block| {
        if block.cut {
            return;
        }
        let clock = &jobs[rank].clock;
        let new = || (Tally::default(), Follower::new(clock));
        let (whole, follower) = found.entry(rank).or_insert_with(new);
        let mut cache = follower.start(&block.bytes);
        let mut counter = Counter::new(strings, rank as u32);
        let lines = block.bytes.split(|byte| *byte == b'\n');
        for (number, line) in (block.first_line..).zip(lines) {
            if let Some(header) = syslog::header(line, clock, &mut cache) {
                counter.passed(number, &header);
                if let Some((seconds, from)) = instant(&header) {
                    counter.dated(number, header.ts, seconds, from == From::QueueId);
                }
            }
        }
        whole.append(counter.finish());
    });
    let tally = |(rank, _)| {
        (
            rank,
            found
                .remove(&rank)
                .map_or_else(Tally::default, |(tally, _)| tally),
        )
    };
    read.into_iter().map(tally).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_looked_at_together() {
        let strings = Strings::default();
        let host = |host: u8| [strings.intern(&[host])];
        let (one, two) = (host(1), host(2));
        let span = |hosts, first: i64, last: i64| {
            Some(Span {
                first: first * 1_000_000,
                last: last * 1_000_000,
                hosts,
                times: Vec::new(),
            })
        };
        let all = [
            span(&one, 0, 100),
            span(&one, 101, 200),
            span(&one, 150, 160),
            span(&two, 0, 1000),
            span(&one, 199, 300),
            span(&one, 290, 400),
            None,
        ];
        let mut found = groups(&all);
        found.sort();
        assert_eq!(found, [vec![1, 2], vec![4, 5]]);
    }
}
