//! Lines that two sources of one host both have: a rotated copy and its original, or the extracts (`mail.warn`, `mail.err`)
//! that syslog writes beside the log. Each counts once.
//!
//! Only sources whose times overlap are looked at, after they were read ([`super::load`]): their lines are hashed. Of two,
//! the one with more lines in the time that both cover is the log, and the other loses what that one has, as often as it
//! has it. A line that a server wrote twice stays two lines.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::load::BLOCK;
use super::sources::Job;
use crate::correlate::activity::HostTimes;
use crate::correlate::coverage::Tally;
use crate::correlate::rows::NO_TIME;
use crate::source;
use crate::strings::Sym;

/// Rotation may fall between two lines of one second, and lines of one second may be out of order.
pub(super) const TOUCHING: i64 = 2_000_000;

/// Fewer lines than this in two sources are no overlap: a server can write the same line twice in a second.
const LEAST: usize = 2;

/// Lines of a source that are left out, by their number, in order.
pub type Skip = Vec<u64>;

/// What is left out of each source, by its rank; `None` where nothing is.
pub fn skips(jobs: &[Job], tallies: &[Option<&Tally>]) -> Vec<Option<Skip>> {
    let mut skips = vec![None; jobs.len()];
    let all: Vec<Option<Span>> = (0..).zip(tallies).map(|(at, t)| Span::of(at, *t)).collect();
    for group in groups(&all) {
        let seeds = (RandomState::new(), RandomState::new());
        let mut kept: HashMap<usize, Lines> = HashMap::new();
        for rank in in_order(group, &all) {
            let beside = |other: &&usize| overlap(&all, rank, **other).is_some();
            let held: Vec<&Lines> = kept
                .keys()
                .filter(beside)
                .map(|other| &kept[other])
                .collect();
            let (own, skip) = leave_out(&jobs[rank], &seeds, &held);
            kept.insert(rank, own);
            if skip.len() >= LEAST {
                skips[rank] = Some(skip);
            }
        }
    }
    skips
}

/// Lines by their hash, and how often.
type Lines = HashMap<u128, u32>;

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
    let fuller =
        |a: usize, b: usize| overlap(all, a, b).is_some_and(|both| lines(a, both) > lines(b, both));
    let mut order = Vec::with_capacity(group.len());
    while !group.is_empty() {
        let first = |rank: &usize| !group.iter().any(|other| fuller(*other, *rank));
        // Where each has a fuller one beside it, the first by its times is as good as any.
        let at = group.iter().position(first).unwrap_or(0);
        order.push(group.remove(at));
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

/// Lines of this source that others hold, and those that it keeps.
fn leave_out(job: &Job, seeds: &(RandomState, RandomState), held: &[&Lines]) -> (Lines, Skip) {
    let mut own = Lines::new();
    let mut skip = Vec::new();
    source::read(&job.source, BLOCK, &|_| (), &mut |block| {
        let lines = block.bytes.split_inclusive(|byte| *byte == b'\n');
        for (number, line) in (block.first_line..).zip(lines) {
            let line = line.trim_ascii_end();
            if line.is_empty() {
                continue;
            }
            // The seeds are not known outside: a hostile log cannot make two lines one.
            let hash = |seed: &RandomState| u128::from(seed.hash_one(line));
            let hash = hash(&seeds.0) << 64 | hash(&seeds.1);
            let times = own.entry(hash).or_default();
            *times += 1;
            let elsewhere = held.iter().filter_map(|lines| lines.get(&hash)).max();
            if elsewhere.is_some_and(|elsewhere| elsewhere >= times) {
                skip.push(number);
            }
        }
    });
    for (hash, times) in &mut own {
        let elsewhere = held.iter().filter_map(|lines| lines.get(hash)).max();
        *times = times.saturating_sub(elsewhere.copied().unwrap_or(0));
    }
    (own, skip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strings::Strings;

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
