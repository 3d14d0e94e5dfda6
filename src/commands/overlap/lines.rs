//! Which lines of sources fuller ones have as well: lines are hashed, and those of the fuller one held against them.
//!
//! [`super::overlap`] says what is held against what.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::super::lookup::passes;
use super::super::sources::Job;
use super::{Fuller, Skip, is_garbled, short};
use crate::correlate::activity::BUCKET;
use crate::event::Header;
use crate::source::Source;
use crate::syslog::{self, Follower};

/// Bytes of memory for the hash of a line.
pub const LINE: u64 = 112;

/// Lines of a copy are known to five minutes: what lies further from the time compared is among them by its number alone.
const FAR: i64 = 2 * BUCKET;

/// A source, and those that are fuller in the time that both cover.
pub struct Held {
    /// Its rank.
    pub rank: usize,
    /// How many it has.
    pub lines: u64,
    /// Those that are compared are among these.
    pub own: (u64, u64),
    /// The fuller ones.
    pub fuller: Vec<Fuller>,
}

impl Held {
    /// Whether a line of this time is of one that a fuller source covers. Between two of those, and after them, a line that
    /// none of them has is no garbled one; far from all of them its time itself is.
    fn is_of_fuller(&self, ts: Option<i64>) -> bool {
        let Some(ts) = ts else { return true };
        let from = self.fuller.iter().map(|fuller| fuller.both.0).min();
        let to = self.fuller.iter().map(|fuller| fuller.both.1).max();
        let far = from.is_none_or(|from| ts < from.saturating_sub(FAR))
            || to.is_none_or(|to| ts > to.saturating_add(FAR));
        let within = |fuller: &Fuller| (fuller.both.0..=fuller.both.1).contains(&ts);
        far || self.fuller.iter().any(within)
    }
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
pub fn batches(held: Vec<(Held, u64)>, memory: u64) -> Vec<Vec<Held>> {
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

/// What comparing a source came to.
#[derive(Default)]
pub struct Left {
    /// Lines that fuller ones have as well.
    pub skip: Skip,
    /// The others of the same time.
    pub rest: Skip,
    /// What is left may be garbled.
    pub damaged: bool,
}

/// Which lines of sources are looked at, by rank: from one number to another.
type Among = HashMap<usize, (u64, u64)>;

/// Lines of sources that fuller ones have as well. Each file is read three times, however many members it has.
pub fn leave_out(jobs: &[Job], held: &[Held], seeds: &(RandomState, RandomState)) -> Vec<Left> {
    let own: HashMap<usize, usize> = (0..).zip(held).map(|(at, one)| (one.rank, at)).collect();
    let own_lines: Among = held.iter().map(|one| (one.rank, one.own)).collect();
    // Who is held against which lines of a source.
    let mut against: HashMap<usize, HashMap<usize, (u64, u64)>> = HashMap::new();
    for (at, one) in held.iter().enumerate() {
        for other in &one.fuller {
            against
                .entry(other.rank)
                .or_default()
                .insert(at, other.lines);
        }
    }
    let hull = |of: &HashMap<usize, (u64, u64)>| {
        of.values()
            .fold((u64::MAX, 0), |a, b| (a.0.min(b.0), a.1.max(b.1)))
    };
    let fuller_lines: Among = against.iter().map(|(rank, of)| (*rank, hull(of))).collect();
    let mut lines: HashMap<u128, Vec<Often>> = HashMap::new();
    each_line(jobs, &own_lines, seeds, &mut |rank, _, _, hash| {
        let often = lines.entry(hash).or_default();
        if often.last().is_none_or(|last| last.own != own[&rank]) {
            often.push(Often {
                own: own[&rank],
                times: 0,
                of: usize::MAX,
                most: 0,
            });
        }
    });
    each_line(jobs, &fuller_lines, seeds, &mut |rank, number, _, hash| {
        let (Some(often), Some(held)) = (lines.get_mut(&hash), against.get(&rank)) else {
            return;
        };
        let within = |often: &Often| {
            let among = held.get(&often.own);
            among.is_some_and(|(from, to)| (*from..=*to).contains(&number))
        };
        for often in often.iter_mut().filter(|often| within(often)) {
            often.times = if often.of == rank { often.times + 1 } else { 1 };
            often.of = rank;
            often.most = often.most.max(often.times);
        }
    });
    let mut left: Vec<Left> = held.iter().map(|_| Left::default()).collect();
    let damaged = each_line(jobs, &own_lines, seeds, &mut |rank, number, ts, hash| {
        let own = own[&rank];
        let rest = |left: &mut Left| {
            if held[own].is_of_fuller(ts) {
                left.rest.push(number);
            }
        };
        let often = lines.get_mut(&hash).into_iter().flatten();
        let Some(often) = often.into_iter().find(|often| often.own == own) else {
            // A line that was not there before was added while it was read.
            rest(&mut left[own]);
            return;
        };
        // No source is fuller than itself.
        often.times = if often.of == rank { often.times + 1 } else { 1 };
        often.of = rank;
        if often.times <= often.most {
            left[own].skip.push(number);
        } else {
            rest(&mut left[own]);
        }
    });
    for rank in damaged {
        left[own[&rank]].damaged = true;
    }
    left
}

/// Gives rank, number, time and hash of each of these lines that is not empty, one source after the other; returns those that
/// were damaged. The same event has the same hash however it is written: journal or text, with the year or without, under
/// the host's short name or the whole. The seeds are not known outside: a hostile log cannot make two lines one.
fn each_line(
    jobs: &[Job],
    among: &Among,
    seeds: &(RandomState, RandomState),
    give: &mut dyn FnMut(usize, u64, Option<i64>, u128),
) -> Vec<usize> {
    let sources: Vec<&Source> = jobs.iter().map(|job| &job.source).collect();
    let mut damaged = Vec::new();
    for pass in passes(&sources, |rank| among.contains_key(&rank)) {
        let mut followers: HashMap<usize, Follower<'_>> = HashMap::new();
        let read = pass.read(&sources, &mut |rank, block| {
            let Some((from, to)) = among.get(&rank).filter(|_| !block.cut) else {
                return;
            };
            let clock = &jobs[rank].clock;
            let follower = followers
                .entry(rank)
                .or_insert_with(|| Follower::new(clock));
            let mut cache = follower.start(&block.bytes);
            let lines = block.bytes.split(|byte| *byte == b'\n');
            for (number, line) in (block.first_line..).zip(lines) {
                // Every line is looked at, as times follow one another.
                let header = syslog::header(line, clock, &mut cache);
                let line = line.trim_ascii_end();
                if !line.is_empty() && (*from..=*to).contains(&number) {
                    let hash = |seed: &RandomState| u128::from(hashed(seed, header.as_ref(), line));
                    let ts = header.as_ref().map(|header| header.ts);
                    give(rank, number, ts, hash(&seeds.0) << 64 | hash(&seeds.1));
                }
            }
        });
        let of_damaged = read.iter().filter(|(_, outcome)| is_garbled(outcome));
        damaged.extend(of_damaged.map(|(rank, _)| *rank));
    }
    damaged
}

/// Hash of the event that a line writes down; of the line, where it has no header.
fn hashed(seed: &RandomState, header: Option<&Header<'_>>, line: &[u8]) -> u64 {
    match header {
        Some(header) => seed.hash_one((
            header.ts.div_euclid(1_000_000),
            short(header.host),
            header.program,
            header.pid,
            header.text.trim_ascii_end(),
        )),
        None => seed.hash_one(line),
    }
}
