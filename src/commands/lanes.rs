//! Sources of one host one after the other, hosts side by side: each host's are decoded by a thread of its own, and what
//! comes out is taken in the order of its times.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context as _, Result};

use super::blocks::BLOCK;
use super::overlap::{Skip, TOUCHING};
use super::progress::Progress;
use super::readers::not_reached;
use super::sources::Job;
use super::windows::Twice;
use crate::source::{self, Block, Outcome, Problem, Source};
use crate::syslog::{self, Cache, Follower};

/// Blocks of a host that are decoded ahead.
const AHEAD: usize = 1;

/// The sources of one host, one after the other.
pub(super) struct Lane {
    /// What was decoded and not asked for.
    next: Option<Piece>,
    pieces: Receiver<Piece>,
}

/// What a lane gives.
pub(super) enum Piece {
    /// Lines of the source of this rank, how their times begin, and the time of the first.
    Block(u32, Block, Box<Cache>, i64),
    /// The end of a source.
    End(u32, Box<Outcome>),
    /// This source begins at the first time, and the one before it reached the second: they overlap.
    Overlap(u32, i64, i64),
}

impl Piece {
    /// Pieces of all lanes are taken in this order. Ends cost nothing and come at once.
    fn order(&self) -> (i64, u32) {
        match self {
            Piece::Block(rank, _, _, ts) => (*ts, *rank),
            Piece::End(rank, _) | Piece::Overlap(rank, ..) => (i64::MIN, *rank),
        }
    }
}

/// One lane for each host that sources begin with, each read by a thread of its own.
pub(super) fn lanes(
    jobs: &Arc<Vec<Job>>,
    skips: &Arc<Vec<Option<Skip>>>,
    twice: &[Twice],
    progress: &Arc<Progress>,
    window: u64,
) -> Result<Vec<Lane>> {
    let mut by_host: BTreeMap<&[u8], Vec<u32>> = BTreeMap::new();
    for (rank, job) in (0..).zip(jobs.iter()) {
        by_host.entry(&job.host).or_default().push(rank);
    }
    // Where there are many hosts, what is decoded ahead for each of them counts.
    let block = (BLOCK * 8 / by_host.len().max(8)).max(BLOCK / 16);
    let block = block.min(window as usize);
    let mut lanes = Vec::with_capacity(by_host.len());
    for ranks in by_host.into_values() {
        let (sender, pieces) = sync_channel(AHEAD);
        let ranks: Vec<(u32, Option<Outcome>)> = ranks
            .into_iter()
            .map(|rank| (rank, twice[rank as usize].as_ref()))
            .map(|(rank, told)| {
                let duplicate = told.filter(|(_, duplicate)| duplicate.is_some());
                (rank, duplicate.map(|(outcome, _)| outcome.clone()))
            })
            .collect();
        let (jobs, skips, progress) = (jobs.clone(), skips.clone(), progress.clone());
        let read = move || {
            let mut reached = i64::MIN;
            let own = |rank: u32| Own {
                job: &jobs[rank as usize],
                rank,
                skip: skips[rank as usize].as_deref().unwrap_or_default(),
            };
            let mut rest = &ranks[..];
            while let Some((rank, told)) = rest.first() {
                let run: Vec<Own<'_>> = rest[..run(&jobs, rest)]
                    .iter()
                    .map(|one| own(one.0))
                    .collect();
                let outer = outer(&jobs, *rank).filter(|_| run.len() > 1);
                let read = match (told, outer) {
                    (Some(outcome), _) => vec![(*rank, outcome.clone())],
                    (None, Some(outer)) => {
                        read_run(outer, &run, block, &progress, &sender, &mut reached)
                    }
                    (None, None) => {
                        let own = own(*rank);
                        vec![(*rank, read(&own, block, &progress, &sender, &mut reached))]
                    }
                };
                rest = &rest[read.len()..];
                for (rank, outcome) in read {
                    // Nobody listens any more after a failure.
                    let _ = sender.send(Piece::End(rank, Box::new(outcome)));
                }
            }
        };
        thread::Builder::new()
            .name("lane".into())
            .spawn(read)
            .context("cannot start threads")?;
        lanes.push(Lane { next: None, pieces });
    }
    Ok(lanes)
}

/// A source, and the lines of it that are left out.
struct Own<'a> {
    job: &'a Job,
    rank: u32,
    skip: &'a [u64],
}

impl Own<'_> {
    /// The time of the first line that is read, µs.
    fn first_time(&self, block: &Block, start: &Cache) -> Option<i64> {
        if block.cut {
            return None;
        }
        let (clock, mut cache) = (&self.job.clock, start.clone());
        let lines = (block.first_line..).zip(block.bytes.split(|byte| *byte == b'\n'));
        let mut times = lines.filter_map(|(number, line)| {
            let ts = syslog::header(line, clock, &mut cache)?.ts;
            self.skip.binary_search(&number).is_err().then_some(ts)
        });
        times.next()
    }
}

/// How many of these sources, from the first on, are members of one packed archive that follow one another there as they do
/// in time: they are read in one pass. Where an archive has them in another order, as of `mail.log`, `mail.log.1` …, each
/// costs a pass up to where it lies: nothing is unpacked to disk, and only the lines of one time are in memory.
fn run(jobs: &[Job], ranks: &[(u32, Option<Outcome>)]) -> usize {
    let follows = |pair: &&[(u32, Option<Outcome>)]| {
        let [(before, told), (after, told_after)] = pair else {
            return false;
        };
        let (before, after) = (&jobs[*before as usize], &jobs[*after as usize]);
        let fresh = |job: &Job, told: &Option<Outcome>| told.is_none() && job.refused().is_none();
        before.source.is_in_packed()
            && before.source.file == after.source.file
            && before.source.number() < after.source.number()
            && fresh(before, told)
            && fresh(after, told_after)
    };
    1 + ranks.windows(2).take_while(follows).count()
}

/// The archive that a source lies in.
fn outer(jobs: &[Job], rank: u32) -> Option<&Source> {
    let own = &jobs[rank as usize].source;
    let mut all = jobs.iter().map(|job| &job.source);
    all.find(|source| {
        source.member.is_none() && source.archive.is_some() && source.file == own.file
    })
}

fn read_run(
    outer: &Source,
    run: &[Own<'_>],
    block: usize,
    progress: &Progress,
    sender: &SyncSender<Piece>,
    reached: &mut i64,
) -> Vec<(u32, Outcome)> {
    let mut found: BTreeMap<u32, Outcome> = BTreeMap::new();
    let told = |bytes| progress.add(bytes);
    let whole = source::read_archive(
        outer,
        &told,
        &mut |member| {
            if let Some(own) = run.iter().find(|own| member.is(&own.job.source)) {
                let mut take = taker(own, sender, reached);
                found.insert(own.rank, member.read(block, &told, &mut take));
            }
        },
        &mut |_, _| (),
    );
    let lost = || Problem::Unreadable("not in the archive any more".into());
    let why = not_reached(&whole).unwrap_or_else(lost);
    let missing = || Outcome {
        problem: Some(why.clone()),
        ..Outcome::default()
    };
    let outcome = |own: &Own<'_>| (own.rank, found.remove(&own.rank).unwrap_or_else(missing));
    run.iter().map(outcome).collect()
}

fn read(
    own: &Own<'_>,
    block: usize,
    progress: &Progress,
    sender: &SyncSender<Piece>,
    reached: &mut i64,
) -> Outcome {
    if let Some(outcome) = own.job.refused() {
        return outcome;
    }
    let mut take = taker(own, sender, reached);
    source::read(
        &own.job.source,
        block,
        &|bytes| progress.add(bytes),
        &mut take,
    )
}

/// Sends the blocks of a source.
fn taker<'a>(
    own: &'a Own<'_>,
    sender: &'a SyncSender<Piece>,
    reached: &'a mut i64,
) -> impl FnMut(Block) + 'a {
    let (mut last, before) = (i64::MIN, *reached);
    let mut follower = Follower::new(&own.job.clock);
    let rank = own.rank;
    move |block| {
        let start = follower.start(if block.cut { &[] } else { &block.bytes });
        let first = own.first_time(&block, &start);
        if let Some(first) = first.filter(|first| *first < before.saturating_sub(TOUCHING)) {
            let _ = sender.send(Piece::Overlap(rank, first, before));
        }
        last = first.unwrap_or(last).max(before);
        if first.is_some() {
            *reached = follower.last().max(*reached);
        }
        let _ = sender.send(Piece::Block(rank, block, Box::new(start), last));
    }
}

impl Lane {
    fn peek(&mut self) -> Option<&Piece> {
        if self.next.is_none() {
            self.next = self.pieces.recv().ok();
        }
        self.next.as_ref()
    }
}

/// The earliest piece of all lanes.
pub(super) fn earliest(lanes: &mut [Lane]) -> Option<Piece> {
    let orders = lanes.iter_mut().enumerate();
    let orders = orders.filter_map(|(at, lane)| Some((lane.peek()?.order(), at)));
    let (_, at) = orders.min()?;
    lanes[at].next.take()
}
