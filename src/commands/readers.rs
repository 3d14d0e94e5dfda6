//! What is read in one go: a file, or an archive with all its members in the archive's order, so that it is decoded once
//! and not once a member. [`super::load`] reads such goes side by side and joins them; [`super::lanes`], which needs the
//! members in the order of their times, reads those in one go that lie in that order.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use super::blocks::{BLOCK, Reader};
use super::overlap::Skip;
use super::progress::Progress;
use super::sources::Job;
use crate::correlate::Part;
use crate::source::{self, MemberLines, Outcome, Problem};
use crate::strings::Strings;

/// What reading the source of a rank came to.
pub(super) type Ranked = (usize, (Part, Outcome));

/// The ranks of what lies in one file: it alone, or an archive and its members.
pub(super) fn files(jobs: &[Job]) -> Vec<Vec<usize>> {
    let mut archives: HashMap<&Path, Vec<usize>> = HashMap::new();
    let mut files = Vec::new();
    for (rank, job) in jobs.iter().enumerate() {
        let source = &job.source;
        if source.member.is_some() || source.archive.is_some() {
            archives.entry(&source.file).or_default().push(rank);
        } else {
            files.push(vec![rank]);
        }
    }
    files.extend(archives.into_values());
    // Those that begin first are needed first.
    files.sort_unstable();
    files
}

/// The same of those that have lines to be left out, with the archive where it is gone through for several.
pub(super) fn files_of(jobs: &[Job], skips: &[Option<Skip>]) -> Vec<Vec<usize>> {
    let mut all = files(jobs);
    for ranks in &mut all {
        let wanted = ranks.iter().filter(|rank| skips[**rank].is_some()).count();
        let outer = |rank: usize| wanted > 1 && jobs[rank].source.member.is_none();
        ranks.retain(|rank| skips[*rank].is_some() || outer(*rank));
    }
    all.retain(|ranks| !ranks.is_empty());
    all
}

pub(super) fn in_order(read: Vec<Ranked>, jobs: usize) -> Vec<(Part, Outcome)> {
    let mut ranked: Vec<(Part, Outcome)> = Vec::new();
    ranked.resize_with(jobs, Default::default);
    for (rank, outcome) in read {
        ranked[rank] = outcome;
    }
    ranked
}

/// What all readers share.
pub(super) struct Readers<'a> {
    pub(super) jobs: &'a [Job],
    /// Lines that are left out.
    pub(super) skips: &'a [Option<Skip>],
    pub(super) strings: &'a Strings,
    pub(super) waiting: &'a AtomicUsize,
    pub(super) progress: &'a Progress,
}

impl<'a> Readers<'a> {
    fn reader(&self, rank: usize) -> Reader<'a> {
        let skip = self.skips.get(rank).and_then(Option::as_deref);
        let skip = skip.unwrap_or_default();
        Reader::new(rank, &self.jobs[rank], skip, self.strings, self.waiting)
    }

    /// Reads what lies in one file, in one pass.
    pub(super) fn read(&self, ranks: &[usize]) -> Vec<Ranked> {
        let outer = |rank: &&usize| self.jobs[**rank].source.member.is_none();
        match ranks.iter().find(outer) {
            Some(outer) if self.jobs[*outer].source.archive.is_some() => {
                self.read_archive(*outer, ranks)
            }
            _ => {
                let read = |rank: &usize| (*rank, self.reader(*rank).run(self.progress));
                ranks.iter().map(read).collect()
            }
        }
    }

    fn read_archive(&self, outer: usize, ranks: &[usize]) -> Vec<Ranked> {
        let source = |rank: usize| &self.jobs[rank].source;
        let numbered = |rank: &usize| Some((source(*rank).number()?, *rank));
        let by_number: HashMap<usize, usize> = ranks.iter().filter_map(numbered).collect();
        let members = RefCell::new(HashMap::new());
        let whole = source::read_archive(
            source(outer),
            &|bytes| self.progress.add(bytes),
            &mut |member: MemberLines<'_>| {
                let rank = by_number.get(&member.number);
                // Another name in its place: the file is not the one that was found, which is told.
                let same = |rank: &&usize| member.is(source(**rank));
                if let Some(rank) = rank.filter(same) {
                    let progress = |bytes| self.progress.add(bytes);
                    let read = self
                        .reader(*rank)
                        .run_with(|take| member.read(BLOCK, &progress, take));
                    members.borrow_mut().insert(*rank, read);
                }
            },
            &mut |number, outcome| {
                if let Some(rank) = by_number.get(&number) {
                    let read = (Part::default(), outcome);
                    members.borrow_mut().insert(*rank, read);
                }
            },
        );
        let mut members = members.into_inner();
        let stopped = not_reached(&whole);
        members.insert(outer, (Part::default(), whole));
        let read = ranks.iter().map(|rank| {
            let missing = || self.reader(*rank).missing(stopped.clone());
            (*rank, members.remove(rank).unwrap_or_else(missing))
        });
        read.collect()
    }
}

/// Why members did not come by, where the archive was not gone through to its end.
pub(super) fn not_reached(archive: &Outcome) -> Option<Problem> {
    let Some(Problem::Stopped { what, .. }) = &archive.problem else {
        return None;
    };
    Some(Problem::Stopped {
        decoded: 0,
        what: format!("before it, in the same archive, {what}"),
    })
}
