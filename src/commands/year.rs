//! The year of logs whose lines do not name it: proven, declared, or concluded, and what speaks against it.
//!
//! In this order (law 6): the first line itself; the time inside of IDs that the server made
//! ([`crate::formats::instants`]); `--year`; a date in the path; sources of the same host whose year is known; the time in
//! the gzip header; the file's mtime. The best that there is decides, the others are held against it, and what does not
//! agree is said in the report. Today's date plays no part. What the lines behind the first mean follows from it
//! ([`crate::syslog::Follower`]); IDs in all of them are held against their times while they are read
//! ([`crate::correlate::coverage`]).

mod name;
mod neighbours;

pub(super) use neighbours::family;

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::formats::instants::{From, instant};
use crate::source::Source;
use crate::syslog::{self, Cache, Clock, YearRule, nearest_year};

/// Where a year comes from, the better first (column `year_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// The lines name it.
    Line,
    /// The time in queue IDs.
    QueueId,
    /// The time in Message-IDs of our own server.
    MessageId,
    /// `--year`.
    Option,
    /// A date in the path.
    FileName,
    /// Sources of the same host.
    Neighbours,
    /// The header of the compressed file.
    Gzip,
    /// When the file was last written.
    Mtime,
    /// Nothing tells it.
    Unknown,
}

impl Method {
    /// The word in the column.
    pub fn name(self) -> &'static str {
        match self {
            Method::Line => "line",
            Method::QueueId => "queue-id",
            Method::MessageId => "message-id",
            Method::Option => "option",
            Method::FileName => "file-name",
            Method::Neighbours => "neighbours",
            Method::Gzip => "gzip",
            Method::Mtime => "mtime",
            Method::Unknown => "unknown",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Method::Line => "its lines",
            Method::QueueId => "the time in queue IDs",
            Method::MessageId => "the time in Message-IDs of the server",
            Method::Option => "--year",
            Method::FileName => "the path's date",
            Method::Neighbours => "the host's other files",
            Method::Gzip => "the gzip header",
            Method::Mtime => "the file's mtime",
            Method::Unknown => "nothing",
        }
    }

    /// How far it can be relied on (column `year_confidence`).
    pub fn confidence(self) -> &'static str {
        match self {
            Method::Line | Method::QueueId | Method::MessageId => "certain",
            Method::Option => "declared",
            Method::FileName | Method::Neighbours => "likely",
            Method::Gzip | Method::Mtime => "assumed",
            Method::Unknown => "none",
        }
    }
}

/// The year of one source.
#[derive(Clone, Debug)]
pub struct Proof {
    /// For its first line.
    pub rule: YearRule,
    /// What the rule rests on; `None` for a source without a line that has a time.
    pub method: Option<Method>,
    /// What speaks against it.
    pub contradictions: Vec<String>,
}

impl Proof {
    /// The same for lines that turned out to be of so many years before, by the time in their IDs.
    pub fn earlier(&self, years: i64) -> Proof {
        let mut proof = self.clone();
        let was = proof.method.map_or("nothing", Method::words);
        if let YearRule::From { year, .. } = &mut proof.rule {
            let old = *year;
            *year = i32::try_from(i64::from(old) - years).unwrap_or(old);
            let said = format!("the year {year} is by the time in IDs; by {was} it would be {old}");
            // A copy is younger than what it copies.
            let copied = matches!(self.method, Some(Method::Gzip | Method::Mtime)) && years > 0;
            if !copied && self.method != Some(Method::Unknown) {
                proof.contradictions.push(said);
            }
        }
        proof.method = Some(Method::QueueId);
        proof
    }
}

/// A day as lines name it: month, day.
type Day = (u32, u32);

/// What is known of a source before its neighbours are looked at.
struct Known {
    first: Option<(Option<i32>, Day)>,
    /// Year of the first line by each kind of evidence.
    told: BTreeMap<Method, i32>,
    host: Vec<u8>,
    contradictions: Vec<String>,
}

/// The years of all sources, in their order.
pub fn prove(sources: &[Source], zone: Tz, declared: Option<i32>) -> Vec<Proof> {
    use rayon::prelude::*;
    let look = |source: &Source| look(source, zone, declared);
    let mut known: Vec<Known> = sources.par_iter().map(look).collect();
    neighbours::copies(sources, &mut known);
    neighbours::tell(sources, &mut known);
    known.into_iter().map(conclude).collect()
}

fn look(source: &Source, zone: Tz, declared: Option<i32>) -> Known {
    let lines = || source.head.split(|byte| *byte == b'\n');
    let first = lines().find_map(syslog::first_calendar_day);
    let first = first.map(|(year, month, day)| (year, (month, day)));
    let mut known = Known {
        first,
        told: BTreeMap::new(),
        host: Vec::new(),
        contradictions: Vec::new(),
    };
    let Some((year, day)) = first else {
        return known;
    };
    let any = clock(zone, year.unwrap_or(UNKNOWN), day);
    let mut cache = Cache::default();
    let host = lines().find_map(|line| Some(syslog::header(line, &any, &mut cache)?.host));
    known.host = host.unwrap_or_default().to_vec();
    if let Some(year) = year {
        known.told.insert(Method::Line, year);
    } else {
        from_ids(source, zone, day, &mut known);
        known
            .told
            .extend(declared.map(|year| (Method::Option, year)));
    }
    let name = named(source);
    let written = |seconds: i64| local_day(zone, seconds);
    for (method, until) in [
        (Method::FileName, name),
        (Method::Gzip, source.packed_at.and_then(written)),
        (Method::Mtime, source.mtime.and_then(written)),
    ] {
        let year = until.map(|until| leap(source, day, year_until(until, day)));
        known.told.extend(year.map(|year| (method, year)));
    }
    known
}

/// The date in a source's path: its lines are not later, but for a day.
pub fn named(source: &Source) -> Option<NaiveDate> {
    // What an archive is called says when it was packed.
    let own = source.member.as_deref().unwrap_or(&source.path);
    name::date(own.rsplit("!/").next().unwrap_or(own))
}

/// A clock for a first line of this day.
fn clock(zone: Tz, year: i32, (month, day): Day) -> Clock {
    Clock::new(zone, YearRule::From { year, month, day })
}

fn local_day(zone: Tz, seconds: i64) -> Option<NaiveDate> {
    let utc = DateTime::<Utc>::from_timestamp(seconds, 0)?;
    Some(utc.with_timezone(&zone).date_naive())
}

/// The year of a day that is not after this one, or by a day at most.
fn year_until(until: NaiveDate, (month, day): Day) -> i32 {
    let rule = YearRule::Until {
        year: until.year(),
        month: until.month(),
        day: until.day(),
    };
    Clock::new(Tz::UTC, rule).year(month, day)
}

/// The year for a first line of this day, or the one before it that has a 29 February where its lines have one.
fn leap(source: &Source, first: Day, year: i32) -> i32 {
    let mut lines = source.head.split(|byte| *byte == b'\n');
    let has = lines.any(|line| {
        let day = syslog::first_calendar_day(line);
        day.is_some_and(|(year, month, day)| (year, month, day) == (None, 2, 29))
    });
    let of_leap_day = |year: i32| year + i32::from(first > (2, 29));
    let fits = |year: &i32| NaiveDate::from_ymd_opt(of_leap_day(*year), 2, 29).is_some();
    // Nine: 1896 to 1904.
    (0..9)
        .map(|back| year - back)
        .find(|year| !has || fits(year))
        .unwrap_or(year)
}

/// A line and the ID on it are at most so far apart, seconds: the zone may be wrong by half a day, and the first line of
/// a large message comes late.
const APART: i64 = 36 * 3600;

/// IDs that are looked at.
const IDS: usize = 200;

/// Years that IDs on the lines of the head tell for the first line.
fn from_ids(source: &Source, zone: Tz, first: Day, known: &mut Known) {
    let mut votes: BTreeMap<(From, i32), usize> = BTreeMap::new();
    let mut others = 0;
    // Any year will do to read host, program and text.
    let any = clock(zone, UNKNOWN, first);
    let mut cache = Cache::default();
    let lines = source.head.split(|byte| *byte == b'\n');
    let dated = lines.filter_map(|line| {
        let (seconds, from) = instant(&syslog::header(line, &any, &mut cache)?)?;
        Some((line, seconds, from))
    });
    for (line, seconds, from) in dated.take(IDS) {
        match year_of(line, seconds, zone) {
            Some((year, day)) => {
                *votes
                    .entry((from, nearest_year(year, day, first)))
                    .or_default() += 1
            }
            None => others += 1,
        }
    }
    let Some(((from, year), most)) = votes.iter().max_by_key(|(_, votes)| **votes) else {
        return;
    };
    let against: usize = votes
        .iter()
        .filter(|((_, other), _)| other != year)
        .map(|(_, n)| n)
        .sum();
    if against + others > 0 {
        known.contradictions.push(format!(
            "{most} of the first IDs that hold a time say {year}, {} do not",
            against + others
        ));
    }
    let method = match from {
        From::QueueId => Method::QueueId,
        From::MessageId => Method::MessageId,
    };
    known.told.insert(method, *year);
}

/// The year in which a line lies at this time, and its day.
fn year_of(line: &[u8], seconds: i64, zone: Tz) -> Option<(i32, Day)> {
    let (_, month, day) = syslog::first_calendar_day(line)?;
    let about = DateTime::<Utc>::from_timestamp(seconds, 0)?.year();
    let near = |year: &i32| {
        let clock = clock(zone, *year, (month, day));
        let header = syslog::header(line, &clock, &mut Cache::default());
        header.is_some_and(|header| (header.ts / 1_000_000 - seconds).abs() <= APART)
    };
    let year = [about, about - 1, about + 1].into_iter().find(near)?;
    Some((year, (month, day)))
}

fn conclude(known: Known) -> Proof {
    let Known {
        first,
        told,
        mut contradictions,
        ..
    } = known;
    let Some((_, (month, day))) = first else {
        return Proof {
            rule: rule(UNKNOWN, (1, 1)),
            method: None,
            contradictions,
        };
    };
    let best = told
        .first_key_value()
        .map(|(method, year)| (*method, *year));
    let (method, year) = best.unwrap_or((Method::Unknown, UNKNOWN));
    for (other, says) in told.iter().skip(1) {
        // A copy is younger than what it copies.
        let copied = matches!(other, Method::Gzip | Method::Mtime) && *says > year;
        if *says != year && !copied {
            contradictions.push(format!(
                "the year {year} is by {}; by {} it would be {says}",
                method.words(),
                other.words()
            ));
        }
    }
    Proof {
        rule: rule(year, (month, day)),
        method: Some(method),
        contradictions,
    }
}

/// The year of lines whose year nothing tells: one with a 29 February.
const UNKNOWN: i32 = 1972;

fn rule(year: i32, (month, day): Day) -> YearRule {
    YearRule::From { year, month, day }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::source::Codec;

    const MTIME_2026: i64 = 1_795_500_000;

    fn source(path: &str, head: &str, mtime: Option<i64>) -> Source {
        let mut source = Source::default();
        source.path = path.into();
        source.codec = Some(Codec::Plain);
        source.mtime = mtime;
        source.head = head.as_bytes().to_vec();
        source
    }

    fn one(path: &str, head: &str, declared: Option<i32>) -> (Method, i32, Vec<String>) {
        let source = source(path, head, Some(MTIME_2026));
        let proof = prove(&[source], Tz::UTC, declared).remove(0);
        let YearRule::From { year, .. } = proof.rule else {
            unreachable!()
        };
        (proof.method.unwrap(), year, proof.contradictions)
    }

    const PLAIN: &str = "Oct  3 10:15:01 mx1 postfix/qmgr[7]: 0188FFC: removed\n";

    #[test]
    fn each_kind_of_evidence_has_its_rank() {
        let none = Vec::<String>::new();
        assert_eq!(
            one("mail.log", PLAIN, None),
            (Method::Mtime, 2026, none.clone())
        );
        let (method, year, against) = one("mail.log-20241004", PLAIN, None);
        assert_eq!(
            (method, year, against),
            (Method::FileName, 2024, none.clone())
        );
        let (method, year, against) = one("mail.log-20241004", PLAIN, Some(2025));
        assert_eq!((method, year), (Method::Option, 2025));
        assert_eq!(
            against,
            ["the year 2025 is by --year; by the path's date it would be 2024"]
        );
        let made = "Oct  3 12:15:00 mx1 postfix/cleanup[9]: 0188FFC: message-id=<20231003101500.0188FFC@mx1.example>\n";
        let (method, year, against) = one("2024/mail.log", &format!("{PLAIN}{made}"), Some(2025));
        assert_eq!((method, year), (Method::MessageId, 2023));
        assert_eq!(against.len(), 2, "{against:?}");
        let iso = "2022-10-03T10:15:01Z mx1 postfix/qmgr[7]: 0188FFC: removed\n";
        assert_eq!(one("mail.log", iso, Some(2025)), (Method::Line, 2022, none));
    }

    #[test]
    fn a_leap_day_is_of_a_leap_year() {
        let leap = "Feb 29 10:15:01 mx1 postfix/qmgr[7]: 0188FFC: removed\n";
        assert_eq!(one("mail.log", leap, None).1, 2024);
        let before = format!("{}{leap}", leap.replace("Feb 29", "Feb 27"));
        assert_eq!(one("mail.log", &before, None).1, 2024);
        let long = format!("{}{leap}", leap.replace("Feb 29", "Dec 30"));
        assert_eq!(one("mail.log", &long, None).1, 2023);
    }

    #[test]
    fn an_id_of_another_time_proves_nothing() {
        let old = "Oct  3 12:15:00 mx1 postfix/cleanup[9]: 0188FFC: message-id=<20230903101500.0188FFC@mx1.example>\n";
        assert_eq!(
            one("mail.log", &format!("{PLAIN}{old}"), None).0,
            Method::Mtime
        );
    }

    #[test]
    fn new_year_lies_between_the_first_line_and_the_proof() {
        let made = "Jan  1 00:10:00 mx1 postfix/cleanup[9]: 0188FFC: message-id=<20240101001000.0188FFC@mx1.example>\n";
        let head = format!("Dec 31 23:59:59 mx1 postfix/qmgr[7]: 0188FFC: removed\n{made}");
        assert_eq!(one("mail.log", &head, None).1, 2023);
    }

    #[test]
    fn a_file_that_was_written_before_its_lines_is_told() {
        let iso = "2028-10-03T10:15:01Z mx1 postfix/qmgr[7]: 0188FFC: removed\n";
        let (_, year, against) = one("mail.log", iso, None);
        assert_eq!(year, 2028);
        assert_eq!(against.len(), 1, "{against:?}");
    }
}
