//! Which file of a log is written after which, by their names: the hint where times contradict one another.
//!
//! Reading order is by content ([`super::sources`]). A clock that was set just when a file was rotated shows only where
//! the last line of one is held against the first of the next ([`crate::correlate::steps`]).

use std::collections::BTreeMap;

use super::sources::Job;
use super::year;

/// Pairs of sources by their ranks, the second following the first; `first` says when each begins, those without lines
/// left out.
pub fn borders(jobs: &[Job], first: &[Option<i64>]) -> Vec<(u32, u32)> {
    let mut families: BTreeMap<(String, bool), Vec<(i64, u32)>> = BTreeMap::new();
    for (rank, job) in (0..).zip(jobs) {
        if first[rank as usize].is_some() {
            let (stem, by_date, place) = place(job);
            families
                .entry((stem, by_date))
                .or_default()
                .push((place, rank));
        }
    }
    let mut pairs = Vec::new();
    for mut files in families.into_values() {
        files.sort_unstable();
        let begin = |rank: u32| first[rank as usize].unwrap_or_default();
        // Some number the older file lower; the one without a number is the last in any case.
        let numbered: Vec<u32> = files
            .iter()
            .filter(|(place, _)| *place != 0)
            .map(|(_, rank)| *rank)
            .collect();
        let down = numbered
            .windows(2)
            .filter(|pair| begin(pair[1]) < begin(pair[0]))
            .count();
        if down * 2 > numbered.len().saturating_sub(1) {
            files[..numbered.len()].reverse();
        }
        pairs.extend(files.windows(2).map(|pair| (pair[0].1, pair[1].1)));
    }
    pairs
}

/// What a source is a file of, whether that is told by dates, and its place there.
fn place(job: &Job) -> (String, bool, i64) {
    let name = job.source.name();
    if let Some(day) = year::named(&job.source) {
        let undated: String = name.chars().filter(|c| !c.is_ascii_digit()).collect();
        // Days are counted from far before: the file without a date is in a family of its own.
        return (
            undated,
            true,
            i64::from(chrono::Datelike::num_days_from_ce(&day)) - 4_000_000,
        );
    }
    match year::family(&name) {
        Some((stem, number)) => (stem, false, -i64::from(number)),
        None => (name, false, 0),
    }
}
