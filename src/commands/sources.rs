//! Sources in reading order, with their clocks, and what is to be said of each afterwards.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use crate::correlate::coverage::Counts;
use crate::correlate::finish::Rows;
use crate::correlate::rows::NO_TIME;
use crate::source::{self, Codec, Outcome, Problem, Source};
use crate::strings::Strings;
use crate::syslog::{self, Cache, Clock, YearRule};
use crate::tables::build::SourceRow;
use crate::tables::zone;

/// A source and how to read its times.
pub struct Job {
    /// The source.
    pub source: Source,
    /// How to read its times.
    pub clock: Clock,
    /// Where the year comes from: `line`, `option`, `mtime`, `unknown`.
    pub year_method: Option<&'static str>,
    /// The host that its first line names.
    pub host: Vec<u8>,
    zone: Tz,
    first_ts: Option<i64>,
    /// Offset in its first line, as logged.
    own_offset: bool,
}

/// Sources that were read before, by what is in them.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// SHA-256 of files as found, by their size.
    files: HashMap<u64, HashSet<String>>,
    /// Number by SHA-256 of the decoded stream, counted back from the source that comes next.
    decoded: HashMap<String, i64>,
}

impl Known {
    /// These sources, all that come before the next one.
    pub fn of(sources: &[SourceRow]) -> Known {
        let mut known = Known::default();
        for (row, source) in sources.iter().enumerate() {
            if let Some(sha256) = &source.sha256 {
                let files = known.files.entry(source.bytes).or_default();
                files.insert(sha256.clone());
            }
            if let Some(sha256) = source
                .decoded_sha256
                .clone()
                .filter(|_| source.decoded_bytes > 0)
            {
                let number = row as i64 - sources.len() as i64;
                known.decoded.entry(sha256).or_insert(number);
            }
        }
        known
    }

    /// Whether a file is among them. Only one of a known size is hashed.
    pub fn has(&self, source: &Source) -> bool {
        let Some(files) = self.files.get(&source.bytes) else {
            return false;
        };
        // What cannot be hashed cannot be read either, which is told when it is tried.
        source::sha256(&source.file).is_ok_and(|sha256| files.contains(&sha256))
    }

    /// Numbers by SHA-256 of decoded streams; negative, so that they are right once numbers are moved up.
    pub fn decoded(&self) -> &HashMap<String, i64> {
        &self.decoded
    }
}

/// Contents that were met, those of known sources among them, each with the number of its first source.
pub struct Seen(HashMap<String, i64>);

impl Seen {
    /// Those known.
    pub fn new(known: &Known) -> Seen {
        Seen(known.decoded.clone())
    }

    /// The source before this one, in reading order, that has the same content.
    pub fn before(&mut self, own: i64, outcome: &Outcome) -> Option<i64> {
        if outcome.decoded_bytes == 0 {
            return None;
        }
        let first = self.0.entry(outcome.decoded_sha256.clone());
        Some(*first.or_insert(own)).filter(|first| *first != own)
    }
}

/// The sources in the order of their first lines; those without one last, by path.
pub fn jobs(found: Vec<Source>, zone: Tz, year: Option<i32>) -> Vec<Job> {
    let mut jobs: Vec<Job> = found
        .into_iter()
        .map(|source| Job::new(source, zone, year))
        .collect();
    jobs.sort_by(|a, b| {
        let key = |job: &Job| (job.first_ts.is_none(), job.first_ts);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.source.path.cmp(&b.source.path))
    });
    jobs
}

impl Job {
    fn new(source: Source, zone: Tz, year: Option<i32>) -> Self {
        let day = source
            .head
            .split(|b| *b == b'\n')
            .find_map(syslog::first_calendar_day);
        let (rule, year_method) = match day {
            None => (unknown(), None),
            Some((Some(_), ..)) => (unknown(), Some("line")),
            Some((None, month, day)) => year_rule(&source, zone, year, month, day),
        };
        let clock = Clock::new(zone, rule);
        let mut cache = Cache::default();
        let first = source.head.split(|b| *b == b'\n').find_map(|line| {
            let header = syslog::header(line, &clock, &mut cache)?;
            Some((header.ts, header.host.to_owned(), syslog::layout(line)))
        });
        let own_offset = matches!(
            first,
            Some((
                _,
                _,
                Some(syslog::Layout::Iso8601 | syslog::Layout::Rfc5424)
            ))
        );
        let (first_ts, host) = match first {
            Some((ts, host, _)) => (Some(ts), host),
            None => (None, Vec::new()),
        };
        Job {
            source,
            clock,
            year_method,
            host,
            zone,
            first_ts,
            own_offset,
        }
    }

    /// It can be read, as far as is known.
    pub fn readable(&self) -> bool {
        self.source.problem.is_none()
    }

    /// What reading comes to where discovery has found that there is no use in it.
    pub fn refused(&self) -> Option<Outcome> {
        let problem = self.source.problem.clone();
        let problem =
            problem.filter(|p| matches!(p, Problem::Unreadable(_) | Problem::Unsupported(_)))?;
        Some(Outcome {
            problem: Some(problem),
            ..Outcome::default()
        })
    }

    /// The time of the first line of these that has one, µs.
    pub fn first_time(&self, lines: &[u8]) -> Option<i64> {
        let mut cache = Cache::default();
        let mut lines = lines.split(|byte| *byte == b'\n');
        lines.find_map(|line| Some(syslog::header(line, &self.clock, &mut cache)?.ts))
    }

    /// What can be said before counting.
    pub fn row(&self, outcome: Outcome, duplicate_of: Option<i64>) -> SourceRow {
        let problem = outcome.problem.as_ref().or(self.source.problem.as_ref());
        let read = outcome.bytes > 0 || matches!(problem, Some(Problem::Empty));
        SourceRow {
            path: self.source.path.clone(),
            codec: self.source.codec.map(|c| codec(c).to_owned()),
            bytes: self.source.bytes,
            decoded_bytes: outcome.decoded_bytes,
            sha256: Some(outcome.sha256.clone()).filter(|_| read),
            decoded_sha256: Some(outcome.decoded_sha256.clone()).filter(|_| read),
            mtime: self
                .source
                .mtime
                .map(|seconds| seconds.saturating_mul(1_000_000)),
            lines: outcome.lines,
            year_method: self.year_method.map(str::to_owned),
            utc_offset: self.first_ts.map(|_| {
                if self.own_offset {
                    "in the lines".into()
                } else {
                    self.zone.to_string()
                }
            }),
            duplicate_of,
            incomplete: problem.is_some_and(damaging),
            problem: problem.map(words),
            ..SourceRow::default()
        }
    }
}

/// Any year: every line has its own.
fn unknown() -> YearRule {
    YearRule::From {
        year: 1970,
        month: 1,
        day: 1,
    }
}

fn year_rule(
    source: &Source,
    zone: Tz,
    year: Option<i32>,
    month: u32,
    day: u32,
) -> (YearRule, Option<&'static str>) {
    if let Some(year) = year {
        return (YearRule::From { year, month, day }, Some("option"));
    }
    let written = source
        .mtime
        .and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
    match written.map(|utc| utc.with_timezone(&zone)) {
        Some(at) => (
            YearRule::Until {
                year: at.year(),
                month: at.month(),
                day: at.day(),
            },
            Some("mtime"),
        ),
        None => (unknown(), Some("unknown")),
    }
}

fn codec(codec: Codec) -> &'static str {
    match codec {
        Codec::Plain => "plain",
        Codec::Gzip => "gzip",
        Codec::Zstd => "zstd",
        Codec::Bzip2 => "bzip2",
        Codec::Xz => "xz",
        Codec::Lz4 => "lz4",
    }
}

/// The evidence is incomplete for this.
fn damaging(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::Unreadable(_) | Problem::Damaged { .. } | Problem::Unsupported(_)
    )
}

/// A problem in words.
pub fn words(problem: &Problem) -> String {
    match problem {
        Problem::Unreadable(why) => format!("cannot be read: {why}"),
        Problem::Empty => "empty".into(),
        Problem::Damaged { at, decoded, what } => {
            format!("damaged at byte {at} ({what}); the {decoded} bytes decoded before were used")
        }
        Problem::Unsupported(what) => format!("{what} is not read by this version"),
        Problem::Binary => "not text".into(),
        Problem::NotMail => "no line of a known mail server".into(),
    }
}

/// Fills in what counting brought. A source without a single line of a known program is named as such, and its
/// lines are ignored rather than unrecognised.
pub fn describe(jobs: &[Job], sources: &mut [SourceRow], rows: &mut Rows, strings: &Strings) {
    let mut foreign = Vec::new();
    for (rank, (job, row)) in jobs.iter().zip(sources.iter_mut()).enumerate() {
        let rank = rank as u32;
        let Some(counts) = rows.tally.sources.get_mut(&rank) else {
            continue;
        };
        if counts.formats.is_empty() {
            let lines = std::mem::take(&mut counts.unrecognised);
            counts.ignored += lines;
            rows.tally.shapes.retain(|kind, _| kind.0 != rank);
            rows.tally.times.retain(|(source, _), _| *source != rank);
            foreign.push((rank, lines));
        }
        row.lines = counts.lines;
        row.events = counts.events;
        row.ignored = counts.ignored;
        row.unrecognised = counts.unrecognised;
        row.undecodable = counts.undecodable;
        row.first_ts = Some(counts.first_ts).filter(|ts| *ts != NO_TIME);
        row.last_ts = Some(counts.last_ts).filter(|ts| *ts != NO_TIME);
        row.year = row.first_ts.map(|ts| i64::from(zone::year(job.zone, ts)));
        row.hosts = hosts(counts, strings);
        row.format = formats(counts);
        if row.problem.is_none() && row.duplicate_of.is_some() {
            row.problem = Some("same content as a source before it: not counted again".into());
        }
        if row.format.is_none() && row.problem.is_none() && counts.lines > 0 {
            let binary = counts.undecodable * 10 > counts.lines;
            row.problem = Some(words(if binary {
                &Problem::Binary
            } else {
                &Problem::NotMail
            }));
        }
    }
    for (rank, lines) in foreign {
        let why = "line of a source without any of a known mail server";
        rows.tally.ignore_all(rank, why, lines, strings);
    }
}

fn hosts(counts: &Counts, strings: &Strings) -> Option<String> {
    let mut names: Vec<String> = counts
        .hosts
        .iter()
        .filter_map(|host| strings.text(*host))
        .collect();
    names.sort_unstable();
    Some(names.join(", ")).filter(|names| !names.is_empty())
}

fn formats(counts: &Counts) -> Option<String> {
    let mut formats: Vec<&str> = counts.formats.iter().map(|(name, _)| *name).collect();
    formats.sort_unstable();
    Some(formats.join(", ")).filter(|names| !names.is_empty())
}
