//! Lines that two sources of one host both have: a rotated copy and its original, or the extracts (`mail.warn`, `mail.err`)
//! that syslog writes beside the log. Each counts once.
//!
//! Only sources whose times overlap are looked at, once it is known when they begin and end: in memory after they were
//! read ([`super::load`]), else after a first look at their times ([`super::windows`]). Of two, the one with more lines in
//! the time that both cover is the log, and the other loses what that one has, as often as it has it: its lines are hashed,
//! and those of the fuller one held against them. A line that a server wrote twice stays two lines.

mod lines;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::RandomState;

use anyhow::{Result, bail};

use lines::{Held, LINE, Left, batches, leave_out};

use super::lookup::Pass;
use super::sources::Job;
use crate::correlate::activity::{BUCKET, HostTimes};
use crate::correlate::coverage::{Counter, Tally};
use crate::correlate::rows::NO_TIME;
use crate::formats::instants::{From, instant};
use crate::source::Source;
use crate::strings::{Strings, Sym};
use crate::syslog::{self, Follower};

/// Rotation may fall between two lines of one second, and lines of one second may be out of order: so little is no overlap
/// where lines cannot be compared.
pub(super) const TOUCHING: i64 = 2_000_000;

/// Lines of a source that are left out, by their number, in order.
pub type Skip = Vec<u64>;

/// What overlapping comes to, for each source by its rank.
#[derive(Default)]
pub struct Overlaps {
    /// What is left out.
    pub skips: Vec<Option<Skip>>,
    /// Where what is left lies beside lines of another source, whose name this is.
    pub beside: Vec<Option<String>>,
    /// It holds little of what a fuller source has in that time, and hardly anything else.
    pub extract: Vec<bool>,
    /// It is a damaged copy: lines that the other one, whose name this is, does not have, and which are left out too.
    pub damaged: Vec<Option<(u64, String)>>,
}

/// What is left out of each source. Of the sources that may lose lines one has to fit in `memory`, bytes. Hosts of the
/// tallies are texts of `strings`.
///
/// # Errors
/// One does not.
pub fn overlaps(
    jobs: &[Job],
    tallies: &[Option<&Tally>],
    strings: &Strings,
    memory: u64,
) -> Result<Overlaps> {
    let mut found = Overlaps {
        skips: vec![None; jobs.len()],
        beside: vec![None; jobs.len()],
        extract: vec![false; jobs.len()],
        damaged: vec![None; jobs.len()],
    };
    let all: Vec<Option<Span>> = (0..).zip(tallies).map(|(at, t)| Span::of(at, *t)).collect();
    let seeds = (RandomState::new(), RandomState::new());
    let mut held = Vec::new();
    for group in groups(&all, strings) {
        let order = in_order(group, &all);
        for (at, rank) in order.iter().copied().enumerate() {
            let fuller = fuller(&all, rank, &order[..at]);
            let Some(first) = fuller.first() else {
                continue;
            };
            let lines = tallies[rank].map_or(0, |tally| tally.lines());
            let own = fuller.iter().map(|fuller| fuller.own);
            let own = own.fold((u64::MAX, 0), |a, b| (a.0.min(b.0), a.1.max(b.1)));
            let compared = lines.min(own.1.saturating_sub(own.0) + 1);
            let bytes = compared.saturating_mul(LINE);
            if bytes > memory {
                bail!(
                    "{}: overlaps {} in time, and is too large to be held against it line by line\n\
                     hint: raise --memory, or give apart what overlaps",
                    jobs[rank].source.name(),
                    jobs[first.rank].source.name()
                );
            }
            let one = Held {
                rank,
                lines,
                own,
                fuller,
            };
            held.push((one, bytes));
        }
    }
    for some in batches(held, memory) {
        let left = leave_out(jobs, &some, &seeds);
        for (one, left) in some.iter().zip(left) {
            found.note(jobs, &all, one, left);
        }
    }
    Ok(found)
}

impl Overlaps {
    /// What holding a source against the fuller ones came to.
    fn note(&mut self, jobs: &[Job], all: &[Option<Span<'_>>], held: &Held, left: Left) {
        let Held { rank, fuller, .. } = held;
        let mut skip = left.skip;
        let same = skip.len() as u64;
        let other = fuller
            .iter()
            .find(|other| lies_beside(all, *rank, other.rank, same));
        self.beside[*rank] = other.map(|other| jobs[other.rank].source.name());
        let lines = |other: &Fuller| {
            all[other.rank]
                .as_ref()
                .map_or(0, |span| span.lines(other.both))
        };
        let fullest = fuller.iter().map(lines).max().unwrap_or(0);
        self.extract[*rank] = same * 2 > held.lines && held.lines * PART <= fullest;
        let rest = left.rest.len() as u64;
        if let Some(first) = fuller.first()
            && left.damaged
            && rest > 0
            && rest <= same / GARBLED + 2
        {
            self.beside[*rank] = None;
            self.damaged[*rank] = Some((rest, jobs[first.rank].source.name()));
            skip.extend(left.rest);
            skip.sort_unstable();
        }
        if !skip.is_empty() {
            self.skips[*rank] = Some(skip);
        }
    }
}

/// A source that has more lines than another one in the time that both cover.
struct Fuller {
    rank: usize,
    both: (i64, i64),
    /// Its lines of that time are among these.
    lines: (u64, u64),
    /// And those of the other one among these.
    own: (u64, u64),
}

fn fuller(all: &[Option<Span<'_>>], rank: usize, before: &[usize]) -> Vec<Fuller> {
    let among = |rank: usize, both| all[rank].as_ref().map_or((1, 0), |span| span.among(both));
    let fuller = before.iter().filter_map(|other| {
        let both = overlap(all, rank, *other)?;
        Some(Fuller {
            rank: *other,
            both,
            lines: among(*other, both),
            own: among(rank, both),
        })
    });
    fuller.collect()
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

/// An extract has at most one of so many lines of what it is from.
const PART: u64 = 5;

/// Of a damaged copy at most one of so many lines is garbled.
const GARBLED: u64 = 4;

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

    /// Numbers of the first and the last of the lines from one time to another, to five minutes.
    fn among(&self, (from, to): (i64, i64)) -> (u64, u64) {
        // The same event may be written to the second here, and with its fraction there.
        let (from, to) = (from.saturating_sub(TOUCHING), to.saturating_add(TOUCHING));
        let buckets = self.times.iter().flat_map(|times| &times.buckets);
        let within = buckets.filter(|bucket| bucket.last_ts >= from && bucket.first_ts <= to);
        within.fold((u64::MAX, 0), |(first, last), bucket| {
            (first.min(bucket.first_line), last.max(bucket.last_line))
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
fn groups(all: &[Option<Span<'_>>], strings: &Strings) -> Vec<Vec<usize>> {
    let mut by_host: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    for (rank, span) in all.iter().enumerate() {
        for host in span.iter().flat_map(|span| span.hosts) {
            let name = strings.text(*host).unwrap_or_default();
            let ranks = by_host.entry(short(name.as_bytes()).to_vec());
            ranks.or_default().push(rank);
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

/// A host's name without its domain.
fn short(host: &[u8]) -> &[u8] {
    let is_address = host
        .iter()
        .all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let end = memchr::memchr(b'.', host).filter(|end| *end > 0 && !is_address);
    &host[..end.unwrap_or(host.len())]
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
        let host = |host: u8| [strings.intern(&[b'a' + host])];
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
        let mut found = groups(&all, &strings);
        found.sort();
        assert_eq!(found, [vec![1, 2], vec![4, 5]]);
    }
}
