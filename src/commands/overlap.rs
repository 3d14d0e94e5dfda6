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
use crate::correlate::coverage::{Counter, Hosts, Tally};
use crate::correlate::rows::NO_TIME;
use crate::formats::instants::{From, instant};
use crate::groups::Groups;
use crate::source::{Doubt, Loss, Outcome, Problem, Source};
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
    garbled: &[bool],
    strings: &Strings,
    memory: u64,
) -> Result<Overlaps> {
    let mut found = Overlaps {
        skips: vec![None; jobs.len()],
        beside: vec![None; jobs.len()],
        extract: vec![false; jobs.len()],
        damaged: vec![None; jobs.len()],
    };
    let spans = (0..).zip(tallies).zip(garbled);
    let spans = spans.map(|((at, tally), garbled)| Span::of(at, *tally, *garbled, strings));
    let all: Vec<Option<Span>> = spans.collect();
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
        let lines = |other: &Fuller| lines(all, other.rank, *rank, other.both);
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
    let within = lines(all, rank, other, both);
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
    hosts: &'a Hosts,
    names: Vec<Vec<u8>>,
    /// By the host's name.
    times: Vec<(Vec<u8>, &'a HostTimes)>,
    /// Some of it may be garbled.
    garbled: bool,
}

impl<'a> Span<'a> {
    fn of(rank: u32, tally: Option<&'a Tally>, garbled: bool, strings: &Strings) -> Option<Self> {
        let tally = tally?;
        let counts = tally
            .sources
            .get(&rank)
            .filter(|counts| counts.first_ts != NO_TIME)?;
        Some(Span {
            first: counts.first_ts,
            last: counts.last_ts,
            hosts: &counts.hosts,
            names: names(&counts.hosts, strings),
            times: tally
                .times
                .iter()
                .map(|((_, host), times)| (name(*host, strings), times))
                .collect(),
            garbled,
        })
    }

    /// Numbers of the first and the last of the lines from one time to another, to five minutes.
    fn among(&self, (from, to): (i64, i64)) -> (u64, u64) {
        // The same event may be written to the second here, and with its fraction there.
        let (from, to) = (from.saturating_sub(TOUCHING), to.saturating_add(TOUCHING));
        let buckets = self.times.iter().flat_map(|(_, times)| &times.buckets);
        let within = buckets.filter(|bucket| bucket.last_ts >= from && bucket.first_ts <= to);
        within.fold((u64::MAX, 0), |(first, last), bucket| {
            (first.min(bucket.first_line), last.max(bucket.last_line))
        })
    }

    /// Lines of the hosts of another source from one time to another, to five minutes.
    fn lines_of(&self, other: &Span<'_>, (from, to): (i64, i64)) -> u64 {
        let shared = self
            .times
            .iter()
            .filter(|(host, _)| is_among(host, &other.names));
        let buckets = shared.flat_map(|(_, times)| &times.buckets);
        let within = buckets.filter(|bucket| bucket.last_ts >= from && bucket.first_ts <= to);
        within.map(|bucket| bucket.lines).sum()
    }
}

/// The time that two sources of one host both cover, when that is more than a touch.
fn overlap(all: &[Option<Span<'_>>], a: usize, b: usize) -> Option<(i64, i64)> {
    let (a, b) = (all[a].as_ref()?, all[b].as_ref()?);
    let (from, to) = (a.first.max(b.first), a.last.min(b.last));
    let shared = || a.names.iter().any(|host| is_among(host, &b.names));
    (to - from > TOUCHING && shared()).then_some((from, to))
}

/// Lines of the hosts that one source shares with another, from one time to another.
fn lines(all: &[Option<Span<'_>>], of: usize, other: usize, both: (i64, i64)) -> u64 {
    match (&all[of], &all[other]) {
        (Some(span), Some(other)) => span.lines_of(other, both),
        _ => 0,
    }
}

/// Whether what came out of a source may be garbled: a part of it fails its checksum, and was read all the same.
pub fn is_garbled(outcome: &Outcome) -> bool {
    let Some(Problem::Damaged(losses)) = &outcome.problem else {
        return false;
    };
    let wrong = |loss: &Loss| matches!(loss.doubt, Some(Doubt::Wrong(_)));
    losses.told.iter().any(wrong)
}

fn name(host: Sym, strings: &Strings) -> Vec<u8> {
    strings.text(host).unwrap_or_default().into_bytes()
}

/// Names of hosts, sorted.
fn names(hosts: &Hosts, strings: &Strings) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = hosts.iter().map(|host| name(*host, strings)).collect();
    names.sort_unstable();
    names
}

/// Whether a host is among these, sorted: under the same name, or one of both without its domain.
fn is_among(host: &[u8], names: &[Vec<u8>]) -> bool {
    let has = |name: &[u8]| {
        names
            .binary_search_by(|other| other.as_slice().cmp(name))
            .is_ok()
    };
    let own = short(host);
    if own.len() < host.len() {
        return has(host) || has(own);
    }
    let longer = [own, b"."].concat();
    let at = names.partition_point(|other| *other < longer);
    has(host)
        || !own.is_empty()
            && names
                .get(at)
                .is_some_and(|other| other.starts_with(&longer))
}

/// Those first that have more lines than the others in the time that both cover.
fn in_order(mut group: Vec<usize>, all: &[Option<Span<'_>>]) -> Vec<usize> {
    group.sort_unstable();
    let mut fuller: HashMap<usize, HashSet<usize>> = HashMap::new();
    for (at, a) in group.iter().copied().enumerate() {
        for b in group[at + 1..].iter().copied() {
            let Some(both) = overlap(all, a, b) else {
                continue;
            };
            let (a_lines, b_lines) = (lines(all, a, b, both), lines(all, b, a, both));
            let is_garbled = |rank: usize| all[rank].as_ref().is_some_and(|span| span.garbled);
            let a_first = match (is_garbled(a), is_garbled(b)) {
                // Garbling adds lines as well as it takes some.
                (false, true) => a_lines >= b_lines - b_lines / GARBLED,
                (true, false) => b_lines < a_lines - a_lines / GARBLED,
                _ => a_lines >= b_lines,
            };
            let (more, less) = match a_first {
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
    let mut together = Groups::new(all.len());
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
    together.several()
}

/// A host's name without its domain.
pub(super) fn short(host: &[u8]) -> &[u8] {
    let is_address = host
        .iter()
        .all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let end = memchr::memchr(b'.', host).filter(|end| *end > 0 && !is_address);
    &host[..end.unwrap_or(host.len())]
}

/// When the lines of sources are, without what they say; and whether some are garbled.
pub fn times(
    jobs: &[Job],
    sources: &[&Source],
    pass: &Pass,
    strings: &Strings,
) -> Vec<(usize, Tally, bool)> {
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
    let tally = |(rank, outcome): (usize, Outcome)| {
        let tally = found.remove(&rank).map(|(tally, _)| tally);
        (rank, tally.unwrap_or_default(), is_garbled(&outcome))
    };
    read.into_iter().map(tally).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_looked_at_together() {
        let strings = Strings::default();
        let host = |host: u8| Hosts::from_iter([strings.intern(&[b'a' + host])]);
        let (one, two) = (host(1), host(2));
        let span = |hosts, first: i64, last: i64| {
            Some(Span {
                first: first * 1_000_000,
                last: last * 1_000_000,
                hosts,
                names: names(hosts, &strings),
                times: Vec::new(),
                garbled: false,
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
