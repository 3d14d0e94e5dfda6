//! Lines that two sources of one host both have: a rotated copy and its original, or the extracts (`mail.warn`, `mail.err`)
//! that syslog writes beside the log. Each counts once.
//!
//! Only sources whose times overlap are looked at, after they were read ([`super::load`]): their lines are hashed, the
//! source with most lines keeps all of its own, and of the others those are left out that it has already, as often as it
//! has them. A line that a server wrote twice stays two lines.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::load::BLOCK;
use super::sources::Job;
use crate::correlate::coverage::Counts;
use crate::correlate::rows::NO_TIME;
use crate::source;
use crate::strings::Sym;

/// Rotation may fall between two lines of one second, and lines of one second may be out of order.
const TOUCHING: i64 = 2_000_000;

/// Fewer lines than this in two sources are no overlap: a server can write the same line twice in a second.
const LEAST: usize = 2;

/// Lines of a source that are left out, by their number, in order.
pub type Skip = Vec<u64>;

/// What is left out of each source, by its rank; `None` where nothing is.
pub fn skips(jobs: &[Job], counts: &[Option<&Counts>]) -> Vec<Option<Skip>> {
    let mut skips = vec![None; jobs.len()];
    for mut group in groups(counts) {
        let lines = |rank: usize| counts[rank].map_or(0, |counts| counts.lines);
        group.sort_by_key(|rank| (std::cmp::Reverse(lines(*rank)), *rank));
        let seeds = (RandomState::new(), RandomState::new());
        let mut held: HashMap<u128, u32> = HashMap::new();
        for rank in group {
            let skip = leave_out(&jobs[rank], &seeds, &mut held);
            if skip.len() >= LEAST {
                skips[rank] = Some(skip);
            }
        }
    }
    skips
}

/// Sources of one host whose times overlap, two or more together.
fn groups(counts: &[Option<&Counts>]) -> Vec<Vec<usize>> {
    let mut by_host: HashMap<Sym, Vec<usize>> = HashMap::new();
    for (rank, counts) in counts.iter().enumerate() {
        let Some(counts) = counts.filter(|counts| counts.first_ts != NO_TIME) else {
            continue;
        };
        for host in &counts.hosts {
            by_host.entry(*host).or_default().push(rank);
        }
    }
    let span =
        |rank: &usize| counts[*rank].map_or((0, 0), |counts| (counts.first_ts, counts.last_ts));
    let mut together = Together((0..counts.len()).collect());
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

/// Lines of this source that are held already; adds those that are not.
fn leave_out(job: &Job, seeds: &(RandomState, RandomState), held: &mut HashMap<u128, u32>) -> Skip {
    let mut own: HashMap<u128, u32> = HashMap::new();
    let mut skip = Vec::new();
    source::read(&job.source, BLOCK, &|_| (), &mut |block| {
        let lines = block.bytes.split_inclusive(|byte| *byte == b'\n');
        for (number, line) in (block.first_line..).zip(lines) {
            let line = line.trim_ascii_end();
            // Its number is one of a hostile log's as well: the seeds are not known outside.
            let hash = |seed: &RandomState| u128::from(seed.hash_one(line));
            if !line.is_empty() {
                let hash = hash(&seeds.0) << 64 | hash(&seeds.1);
                let times = own.entry(hash).or_default();
                *times += 1;
                if held.get(&hash).is_some_and(|held| *held >= *times) {
                    skip.push(number);
                }
            }
        }
    });
    for (hash, times) in own {
        let held = held.entry(hash).or_default();
        *held = times.max(*held);
    }
    skip
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strings::Strings;

    #[test]
    fn what_overlaps_is_looked_at_together() {
        let strings = Strings::default();
        let counts = |host: u8, first: i64, last: i64| Counts {
            first_ts: first * 1_000_000,
            last_ts: last * 1_000_000,
            hosts: vec![strings.intern(&[host])],
            ..Counts::default()
        };
        let all = [
            counts(1, 0, 100),
            counts(1, 101, 200),
            counts(1, 150, 160),
            counts(2, 0, 1000),
            counts(1, 199, 300),
            counts(1, 290, 400),
        ];
        let all: Vec<Option<&Counts>> = all.iter().map(Some).collect();
        let mut found = groups(&all);
        found.sort();
        assert_eq!(found, [vec![1, 2], vec![4, 5]]);
    }
}
