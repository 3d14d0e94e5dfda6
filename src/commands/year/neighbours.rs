//! What sources of the same host, whose year is known, say of one whose year is not.
//!
//! Rotation numbers the older file higher: `mail.log.2.gz` begins before `mail.log.1`. Where names say nothing, the year is
//! meant that puts the first line next to one of the same host.

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};

use super::{Day, Known, Method};
use crate::source::Source;
use crate::syslog;

/// Lines of one host that begin so many days apart are of one archive.
const NEAR: i64 = 62;

/// Adds what the neighbours tell to each source that names no year.
pub(super) fn tell(sources: &[Source], known: &mut [Known]) {
    let sure: Vec<Option<NaiveDate>> = known.iter().map(first_day).collect();
    let families: Vec<Option<(String, u32)>> = sources
        .iter()
        .map(|source| family(&source.name()))
        .collect();
    let mut of_family: HashMap<&str, Vec<(u32, NaiveDate)>> = HashMap::new();
    let mut of_host: HashMap<Vec<u8>, Vec<NaiveDate>> = HashMap::new();
    for (at, day) in sure
        .iter()
        .enumerate()
        .filter_map(|(at, day)| Some((at, (*day)?)))
    {
        if let Some((name, number)) = &families[at] {
            of_family.entry(name).or_default().push((*number, day));
        }
        of_host.entry(known[at].host.clone()).or_default().push(day);
    }
    for (at, known) in known
        .iter_mut()
        .enumerate()
        .filter(|(at, _)| sure[*at].is_none())
    {
        let Some((None, day)) = known.first else {
            continue;
        };
        let siblings = families[at]
            .as_ref()
            .and_then(|(name, number)| by_number(of_family.get(name.as_str())?, *number, day));
        let year = siblings.or_else(|| nearest(of_host.get(&known.host)?, day));
        known
            .told
            .extend(year.map(|year| (Method::Neighbours, year)));
    }
}

/// Lines that two sources have to begin with alike for one to be a copy of the other.
const ALIKE: usize = 3;

/// Copies of one log are of one year, however late each was made and whatever it was called: that of the best evidence
/// which any of them has, of evidence of one kind the earliest.
pub(super) fn copies(sources: &[Source], known: &mut [Known]) {
    let mut alike: HashMap<Vec<&[u8]>, Vec<usize>> = HashMap::new();
    for (at, source) in sources.iter().enumerate() {
        let dated = source.head.split(|byte| *byte == b'\n');
        let dated = dated.filter(|line| syslog::has_year(line) == Some(false));
        let first: Vec<&[u8]> = dated.take(ALIKE).map(<[u8]>::trim_ascii_end).collect();
        if first.len() == ALIKE && known[at].first.is_some_and(|(year, _)| year.is_none()) {
            alike.entry(first).or_default().push(at);
        }
    }
    for copies in alike.into_values().filter(|copies| copies.len() > 1) {
        let told = copies
            .iter()
            .filter_map(|at| known[*at].told.first_key_value());
        let Some((method, year)) = told.map(|(method, year)| (*method, *year)).min() else {
            continue;
        };
        for at in copies {
            let own = &mut known[at].told;
            // A copy's own evidence of that kind, or of a worse one, is of when the copy was made.
            if own.first_key_value().is_some_and(|(_, of)| *of != year) {
                let old = own
                    .insert(method.min(Method::Neighbours), year)
                    .filter(|old| *old != year);
                if let Some(old) = old {
                    let said = format!(
                        "by its own evidence of that kind the year would be {old}, by a copy that begins alike it is {year}"
                    );
                    known[at].contradictions.push(said);
                }
            }
        }
    }
}

/// The day of the first line, where its year is beyond doubt.
fn first_day(known: &Known) -> Option<NaiveDate> {
    let (_, (month, day)) = known.first?;
    let (method, year) = known.told.first_key_value()?;
    (*method <= Method::FileName).then_some(())?;
    NaiveDate::from_ymd_opt(*year, month, day)
}

/// `mail.log.2.gz` is number 2 of `mail.log`, and `mail.log` itself number 0.
pub(in crate::commands) fn family(path: &str) -> Option<(String, u32)> {
    let mut name = path;
    for end in [".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z"] {
        name = name.strip_suffix(end).unwrap_or(name);
    }
    match name.rsplit_once('.') {
        Some((stem, number)) if number.len() <= 4 => match number.parse() {
            Ok(number) => Some((stem.to_owned(), number)),
            Err(_) => Some((name.to_owned(), 0)),
        },
        _ => Some((name.to_owned(), 0)),
    }
}

/// Between the next older and the next younger file of the same name: as late as the younger one allows, or else as early
/// as the older one does.
fn by_number(siblings: &[(u32, NaiveDate)], number: u32, day: Day) -> Option<i32> {
    let younger = siblings.iter().filter(|(other, _)| *other < number).max();
    let older = siblings.iter().filter(|(other, _)| *other > number).min();
    let on = |year: i32| NaiveDate::from_ymd_opt(year, day.0, day.1);
    let before = |limit: &NaiveDate| {
        let years = [limit.year(), limit.year() - 1, limit.year() - 2];
        years
            .into_iter()
            .find(|year| on(*year).is_some_and(|date| date <= *limit))
    };
    let after = |limit: &NaiveDate| {
        let years = [limit.year(), limit.year() + 1, limit.year() + 2];
        years
            .into_iter()
            .find(|year| on(*year).is_some_and(|date| date >= *limit))
    };
    match (younger, older) {
        (Some((_, limit)), _) => before(limit),
        (None, Some((_, limit))) => after(limit),
        (None, None) => None,
    }
}

/// The year that puts the day next to one of these.
fn nearest(days: &[NaiveDate], day: Day) -> Option<i32> {
    let candidates = days.iter().flat_map(|near| {
        let years = [near.year() - 1, near.year(), near.year() + 1];
        years.into_iter().filter_map(move |year| {
            let date = NaiveDate::from_ymd_opt(year, day.0, day.1)?;
            Some(((date - *near).num_days().abs(), year))
        })
    });
    candidates
        .min()
        .filter(|(apart, _)| *apart <= NEAR)
        .map(|(_, year)| year)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn on(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn families_are_numbered() {
        assert_eq!(family("a/mail.log"), Some(("a/mail.log".into(), 0)));
        assert_eq!(family("a/mail.log.12.gz"), Some(("a/mail.log".into(), 12)));
        assert_eq!(family("maillog.0"), Some(("maillog".into(), 0)));
    }

    #[test]
    fn rotated_files_lie_before_the_younger_one() {
        let siblings = [(1, on(2024, 1, 7))];
        assert_eq!(by_number(&siblings, 2, (12, 31)), Some(2023));
        assert_eq!(by_number(&siblings, 2, (1, 1)), Some(2024));
        assert_eq!(by_number(&siblings, 0, (1, 14)), Some(2024));
        assert_eq!(by_number(&[(3, on(2023, 12, 24))], 2, (1, 1)), Some(2024));
        assert_eq!(by_number(&[], 2, (1, 1)), None);
    }

    #[test]
    fn without_a_name_the_nearest_of_the_host_counts() {
        assert_eq!(nearest(&[on(2024, 3, 5)], (3, 12)), Some(2024));
        assert_eq!(nearest(&[on(2024, 1, 5)], (12, 29)), Some(2023));
        assert_eq!(nearest(&[on(2024, 1, 5)], (7, 1)), None);
    }
}
