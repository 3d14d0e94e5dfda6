//! Sources in reading order, with their clocks, and what is to be said of each afterwards.

use std::collections::{HashMap, HashSet};

use chrono_tz::Tz;

use super::blocks::BLOCK;
use super::overlap::{Overlaps, TOUCHING, short};
use super::rotation;
use super::year::{self, Method, Proof};
use crate::correlate::coverage::Counts;
use crate::correlate::finish::Rows;
use crate::correlate::rows::NO_TIME;
use crate::correlate::steps;
use crate::source::{self, Outcome, Problem, Source};
use crate::strings::Strings;
use crate::syslog::{self, Cache, Clock, Follower};
use crate::tables::build::SourceRow;
use crate::tables::zone;

/// A source and how to read its times.
pub struct Job {
    /// The source.
    pub source: Source,
    /// How to read its times.
    pub clock: Clock,
    /// Where its year comes from, and what speaks against it.
    pub proof: Proof,
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
    /// When the lines of each host are, and in which source.
    spans: HashMap<String, Vec<(i64, i64, String)>>,
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
            known.add_span(source);
        }
        known
    }

    /// Takes the files out that are among them, archives with their members. Only one of a known size is hashed.
    pub fn take_out(&self, found: Vec<Source>) -> (Vec<Source>, Vec<Source>) {
        let mut archives: HashSet<String> = HashSet::new();
        found.into_iter().partition(|source| {
            if source.member.is_some() {
                return archives.contains(&source.path);
            }
            let has = self.has(source);
            if has && source.archive.is_some() {
                archives.insert(source.path.clone());
            }
            has
        })
    }

    fn has(&self, source: &Source) -> bool {
        let Some(files) = self.files.get(&source.bytes) else {
            return false;
        };
        // What cannot be hashed cannot be read either, which is told when it is tried.
        source::sha256(&source.file).is_ok_and(|sha256| files.contains(&sha256))
    }

    fn add_span(&mut self, source: &SourceRow) {
        let (Some(hosts), Some(first), Some(last)) =
            (&source.hosts, source.first_ts, source.last_ts)
        else {
            return;
        };
        if source.duplicate_of.is_none() && source.events > 0 {
            for host in hosts.split(", ") {
                let name = source::shown(&source.path, source.member.as_deref());
                let spans = self.spans.entry(short_name(host)).or_default();
                spans.push((first, last, name));
            }
        }
    }

    /// A source that was read before and has lines of a host of this one at the same time: lines that both have would
    /// be told only by reading both.
    fn overlapping(&self, source: &SourceRow) -> Option<&str> {
        let (first, last) = (source.first_ts?, source.last_ts?);
        let hosts = source.hosts.as_deref()?.split(", ");
        let mut spans = hosts
            .filter_map(|host| self.spans.get(&short_name(host)))
            .flatten();
        let found = spans.find(|(from, to, _)| last.min(*to) - first.max(*from) > TOUCHING);
        found.map(|(_, _, name)| name.as_str())
    }

    /// Numbers by SHA-256 of decoded streams; negative, so that they are right once numbers are moved up.
    pub fn decoded(&self) -> &HashMap<String, i64> {
        &self.decoded
    }
}

/// One host is called by its name alone in one log, and with its domain in another.
fn short_name(host: &str) -> String {
    String::from_utf8_lossy(short(host.as_bytes())).into_owned()
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
    let proofs = year::prove(&found, zone, year);
    let pairs = found.into_iter().zip(proofs);
    let jobs: Vec<Job> = pairs
        .map(|(source, proof)| Job::new(source, proof, zone))
        .collect();
    in_order(jobs)
}

fn in_order(jobs: Vec<Job>) -> Vec<Job> {
    let mut begins: HashMap<(&[u8], i64), u32> = HashMap::new();
    for job in &jobs {
        if let Some(first) = job.first_ts {
            *begins.entry((&job.host, first)).or_default() += 1;
        }
    }
    // Shards of a host that begin together: the one that ends first comes first. Only these are read for it.
    let together = |job: &Job| {
        let begin = job.first_ts.map(|first| (&job.host[..], first));
        begin.is_some_and(|begin| begins[&begin] > 1)
    };
    let last: Vec<i64> = jobs
        .iter()
        .map(|job| if together(job) { job.last() } else { 0 })
        .collect();
    let mut jobs: Vec<(i64, Job)> = last.into_iter().zip(jobs).collect();
    jobs.sort_by(|(a_last, a), (b_last, b)| {
        let key = |job: &Job| (job.first_ts.is_none(), job.first_ts);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.host.cmp(&b.host))
            .then(a_last.cmp(b_last))
            .then_with(|| a.source.path.cmp(&b.source.path))
            .then_with(|| a.source.number().cmp(&b.source.number()))
    });
    jobs.into_iter().map(|(_, job)| job).collect()
}

impl Job {
    fn new(source: Source, proof: Proof, zone: Tz) -> Self {
        let clock = Clock::new(zone, proof.rule);
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
            proof,
            host,
            zone,
            first_ts,
            own_offset,
        }
    }

    /// The time of its last line, by reading it.
    fn last(&self) -> i64 {
        let mut follower = Follower::new(&self.clock);
        source::read(&self.source, BLOCK, &|_| (), &mut |block| {
            follower.start(&block.bytes);
        });
        follower.last()
    }

    /// It can be read, as far as is known.
    pub fn readable(&self) -> bool {
        self.source.problem.is_none()
    }

    /// What reading comes to where discovery has found that there is no use in it.
    pub fn refused(&self) -> Option<Outcome> {
        let problem = self.source.problem.clone().filter(Problem::refuses)?;
        Some(Outcome {
            problem: Some(problem),
            ..Outcome::default()
        })
    }

    /// Nothing that its lines hold can tell another year.
    pub fn is_proven(&self) -> bool {
        self.proof
            .method
            .is_none_or(|method| method <= Method::MessageId)
    }

    /// What can be said before counting.
    pub fn row(&self, outcome: Outcome, duplicate_of: Option<i64>) -> SourceRow {
        let problem = outcome.problem.as_ref().or(self.source.problem.as_ref());
        let read = outcome.bytes > 0 || matches!(problem, Some(Problem::Empty));
        SourceRow {
            path: self.source.path.clone(),
            member: self.source.member.clone(),
            format: self.source.archive.map(|kind| kind.name().to_owned()),
            codec: self.source.codec.map(|codec| codec.name().to_owned()),
            // A member's header may not say how long it is.
            bytes: match self.source.member {
                Some(_) => self.source.bytes.max(outcome.bytes),
                None => self.source.bytes,
            },
            decoded_bytes: outcome.decoded_bytes,
            sha256: Some(outcome.sha256.clone()).filter(|_| read),
            // An archive has no lines, and no digest of any.
            decoded_sha256: Some(outcome.decoded_sha256.clone())
                .filter(|digest| read && !digest.is_empty()),
            mtime: self
                .source
                .mtime
                .map(|seconds| seconds.saturating_mul(1_000_000)),
            lines: outcome.lines,
            year_method: self.proof.method.map(|method| method.name().to_owned()),
            year_confidence: self
                .proof
                .method
                .map(|method| method.confidence().to_owned()),
            contradictions: said(&self.proof.contradictions),
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

/// What overlaps come to. Sources are read one after the other: where two of a host hold different lines of one time, they
/// are not joined in the order of their times.
pub fn tell_overlaps(sources: &mut [SourceRow], overlaps: &Overlaps) {
    for (rank, row) in sources.iter_mut().enumerate() {
        row.extract |= overlaps.extract[rank];
        let beside = overlaps.beside[rank].as_ref().map(|other| format!(
            "it holds other lines of the same host and time than {other}: what belongs together may be counted apart"
        ));
        let damaged = overlaps.damaged[rank].as_ref().map(|(lines, other)| format!(
            "it is a damaged copy of {other}: {lines} lines that this does not have, garbled or lost there, are not counted"
        ));
        let known = row.contradictions.take();
        row.contradictions = said(
            &[known, beside, damaged]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>(),
        );
    }
}

fn said(contradictions: &[String]) -> Option<String> {
    Some(contradictions.join("; ")).filter(|text| !text.is_empty())
}

/// The evidence is incomplete for this.
fn damaging(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::Unreadable(_)
            | Problem::Damaged(_)
            | Problem::Broken { .. }
            | Problem::Stopped { .. }
            | Problem::Encrypted
            | Problem::Changed(_)
            | Problem::Unsupported(_)
    )
}

/// A problem in words.
pub fn words(problem: &Problem) -> String {
    match problem {
        Problem::Unreadable(why) => format!("cannot be read: {why}"),
        Problem::Empty => "empty".into(),
        Problem::Damaged(losses) => losses.to_string(),
        Problem::Broken { at, members, what } => {
            format!(
                "damaged at byte {at} ({what}); the {members} members found were read as far as they go"
            )
        }
        Problem::Stopped { decoded, what } => format!(
            "{what}, which no log does: stopped, and the {decoded} bytes decoded before were used; \
             --max-decoded sets another limit"
        ),
        Problem::Encrypted => "encrypted: not read".into(),
        Problem::Skipped(what) => format!("not a regular file ({what}): skipped"),
        Problem::Changed(what) => format!("changed while it was read: {what}"),
        Problem::Unsupported(what) => format!("{what} is not read by this version"),
        Problem::Binary => "not text".into(),
        Problem::NotMail => "no line of a known mail server".into(),
    }
}

/// The sources again, where the IDs on most lines of one say that it is of another year, and nothing better said so
/// before; in their new order.
pub fn in_their_years(jobs: &[Job], counts: &[Option<&Counts>]) -> Option<Vec<Job>> {
    let wrong = |job: &Job, counts: Option<&Counts>| {
        let years = counts.and_then(|counts| counts.dated.years());
        years.filter(|_| !job.is_proven())
    };
    let late: Vec<Option<i64>> = jobs
        .iter()
        .zip(counts)
        .map(|(job, counts)| wrong(job, *counts))
        .collect();
    late.iter().any(Option::is_some).then(|| {
        let again = jobs.iter().zip(late).map(|(job, late)| {
            let proof = match late {
                Some(years) => job.proof.earlier(years),
                None => job.proof.clone(),
            };
            Job::new(job.source.clone(), proof, job.zone)
        });
        in_order(again.collect())
    })
}

/// Fills in what counting brought. A source without a single line of a known program is named as such, and its
/// lines are ignored rather than unrecognised.
pub fn describe(
    jobs: &[Job],
    sources: &mut [SourceRow],
    rows: &mut Rows,
    strings: &Strings,
    known: &Known,
) {
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
        row.repeated = counts.repeated;
        row.extract = !counts.formats.is_empty() && counts.routine == 0;
        row.contradictions = said(&doubts(job, counts));
        let method = job
            .proof
            .method
            .map(|method| match counts.dated.confirms() {
                Some(true) if method > Method::QueueId => Method::QueueId,
                Some(false) if method > Method::MessageId => Method::MessageId,
                _ => method,
            });
        row.year_method = method.map(|method| method.name().to_owned());
        row.year_confidence = method.map(|method| method.confidence().to_owned());
        row.format = formats(counts);
        if row.problem.is_none()
            && row.duplicate_of.is_none()
            && row.events > 0
            && let Some(other) = known.overlapping(row)
        {
            row.problem = Some(format!(
                "overlaps {other}, which was converted before: lines that both hold count twice"
            ));
            row.incomplete = true;
        }
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
    let first: Vec<Option<i64>> = sources.iter().map(|row| row.first_ts).collect();
    let sound = steps::tell(&mut rows.tally.times, &rotation::borders(jobs, &first));
    for (rank, reach) in sound {
        if let Some(row) = sources.get_mut(rank as usize) {
            row.sound = Some(reach);
        }
    }
    for (rank, lines) in foreign {
        let why = "line of a source without any of a known mail server";
        rows.tally.ignore_all(rank, why, lines, strings);
    }
}

/// What speaks against the times of a source, or leaves them in doubt.
fn doubts(job: &Job, counts: &Counts) -> Vec<String> {
    let mut doubts = job.proof.contradictions.clone();
    doubts.extend(counts.dated.contradictions());
    if counts.last_ts == NO_TIME {
        return doubts;
    }
    let named = year::named(&job.source).and_then(|day| day.and_hms_opt(23, 59, 59));
    for (written, what) in [
        (
            named.map(|time| time.and_utc().timestamp()),
            "its path is of",
        ),
        (job.source.packed_at, "the time in its gzip header"),
        (job.source.mtime, "its mtime"),
    ] {
        const DAY: i64 = 86_400;
        let first = counts.first_ts.div_euclid(1_000_000);
        let last = counts.last_ts.div_euclid(1_000_000);
        // A first line that is later is told by the proof of the year.
        if let Some(written) = written.filter(|at| first <= *at + DAY && last > *at + DAY) {
            let time = |seconds: i64| zone::rfc3339(job.zone, seconds * 1_000_000);
            let (last, written) = (time(last), time(written));
            doubts.push(format!("its last line is of {last}, and {what} {written}"));
        }
    }
    let (skipped, line) = counts.skipped;
    if skipped > 0 {
        doubts.push(format!(
            "{skipped} of its lines, line {line} the first, are of local times that were skipped when the clock was put \
             forward, read as if it had not been: is --timezone right?"
        ));
    }
    let (foreign, line) = counts.foreign;
    if foreign > 0 {
        doubts.push(format!(
            "{foreign} of its lines, line {line} the first, name another time zone than {}, in which they were read: is \
             --timezone right?",
            job.zone
        ));
    }
    if !job.own_offset {
        let twice = zone::put_back(job.zone, counts.first_ts, counts.last_ts);
        doubts.extend(twice.into_iter().map(|ts| {
            let at = zone::rfc3339(job.zone, ts);
            format!("the clock was put back at {at}: the hour that came twice is told by the order of lines")
        }));
    }
    doubts
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
