//! Law 1 in figures, for the report.

use chrono_tz::Tz;
use polars::prelude::{DataType, PolarsResult, col, lit};

use super::load::Loaded;
use super::statement::{Doubts, statement};
use crate::report::{Coverage, Period, Question, SourceRow as Shown};
use crate::source;
use crate::tables::Tables;
use crate::tables::build::SourceRow;
use crate::tables::frame::collect;
use crate::tables::zone::rfc3339;

/// Rows of sources that a report shows; `tables/evidence_sources.csv` has all.
const SHOWN: usize = 100;
/// Sentences about problems that a report shows.
const PROBLEMS: usize = 50;

/// What the numbers rest on.
///
/// # Errors
/// Those of polars.
pub fn coverage(
    loaded: &Loaded,
    zone: Tz,
    doubts: &Doubts,
    questions: Vec<Question>,
) -> PolarsResult<Coverage> {
    let rows = &loaded.sources;
    let sum = |of: fn(&SourceRow) -> u64| rows.iter().map(of).sum();
    let (undetermined, classified_total) = classified(&loaded.tables)?;
    Ok(Coverage {
        sources: rows
            .iter()
            .take(SHOWN)
            .map(|row| shown(row, zone))
            .collect(),
        sources_total: rows.len(),
        lines: sum(|r| r.lines),
        events: sum(|r| r.events),
        ignored: sum(|r| r.ignored),
        unrecognised: sum(|r| r.unrecognised),
        undecodable: sum(|r| r.undecodable),
        bytes: sum(|r| if r.member.is_none() { r.bytes } else { 0 }),
        decoded_bytes: sum(|r| r.decoded_bytes),
        problems: problems(rows),
        years: years(rows),
        undetermined,
        classified_total,
        complete: !rows.iter().any(SourceRow::leaves_gaps),
        statement: stated(loaded, zone, doubts),
        doubts: doubts.number
            + rows
                .iter()
                .filter(|row| row.contradictions.is_some())
                .count() as u64,
        answered: questions
            .iter()
            .filter(|question| question.not_assessable.is_none())
            .count(),
        questions,
    })
}

/// The sentences on how complete the evidence is.
pub fn stated(loaded: &Loaded, zone: Tz, doubts: &Doubts) -> String {
    let period = period(loaded, None, None, zone);
    let ends = period.first.as_deref().zip(period.last.as_deref());
    statement(&loaded.sources, ends, doubts)
}

/// First and last line of all sources, those of clocks that were wrong for a time left out, and what was asked for.
pub fn period(loaded: &Loaded, since: Option<i64>, until: Option<i64>, zone: Tz) -> Period {
    let text = |ts: Option<i64>| ts.map(|ts| rfc3339(zone, ts));
    let reach = |row: &SourceRow| row.sound.or(row.first_ts.zip(row.last_ts));
    let reached = loaded.sources.iter().filter_map(reach);
    let reached = reached.filter(|(first, last)| first <= last);
    Period {
        since: text(since),
        until: text(until),
        first: text(reached.clone().map(|(first, _)| first).min()),
        last: text(reached.map(|(_, last)| last).max()),
        baseline: None,
        timezone: zone.to_string(),
    }
}

fn shown(row: &SourceRow, zone: Tz) -> Shown {
    Shown {
        path: row.path.clone(),
        member: row.member.clone(),
        codec: row.codec.clone().unwrap_or_default(),
        format: row.format.clone().unwrap_or_default(),
        hosts: row.hosts.clone().unwrap_or_default(),
        bytes: row.bytes,
        decoded_bytes: row.decoded_bytes,
        sha256: row.sha256.clone().unwrap_or_default(),
        decoded_sha256: row.decoded_sha256.clone().unwrap_or_default(),
        lines: row.lines,
        events: row.events,
        ignored: row.ignored,
        unrecognised: row.unrecognised,
        undecodable: row.undecodable,
        first: row.first_ts.map(|ts| rfc3339(zone, ts)),
        last: row.last_ts.map(|ts| rfc3339(zone, ts)),
        year: row.year,
        year_method: row.year_method.clone().unwrap_or_default(),
        year_confidence: row.year_confidence.clone().unwrap_or_default(),
        contradictions: row.contradictions.clone(),
        repeated: row.repeated,
        problem: row.problem.clone(),
    }
}

fn problems(rows: &[SourceRow]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for row in rows {
        let name = source::shown(&row.path, row.member.as_deref());
        if let Some(problem) = &row.problem {
            all.push(format!("{name}: {problem}."));
        }
        if let Some(contradictions) = &row.contradictions {
            all.push(format!("{name}: times in doubt: {contradictions}."));
        }
        if row.repeated > 0 {
            all.push(format!(
                "{name}: {} of {} lines are in another source as well, and were counted once.",
                row.repeated, row.lines
            ));
        }
        if row.undecodable > 0 && row.format.is_some() {
            all.push(format!(
                "{name}: {} of {} lines are not text or too long.",
                row.undecodable, row.lines
            ));
        }
    }
    let more = all.len().saturating_sub(PROBLEMS);
    all.truncate(PROBLEMS);
    if more > 0 {
        all.push(format!("{more} more: see tables/evidence_sources.csv."));
    }
    all
}

/// Law 6: where each year comes from, when it is not in the line.
fn years(rows: &[SourceRow]) -> Vec<String> {
    const SAID: &[(&str, &str)] = &[
        (
            "queue-id",
            "it is proven by the time in the queue IDs of their own lines",
        ),
        (
            "message-id",
            "it is proven by the time in Message-IDs that their server made",
        ),
        ("option", "it was given with --year"),
        ("file-name", "it was taken from a date in the path"),
        (
            "neighbours",
            "it was concluded from other sources of the same host",
        ),
        (
            "gzip",
            "it was taken from the time in the gzip header: give --year where that is not right",
        ),
        (
            "mtime",
            "it was taken from the time each file was last changed. A copy that did not keep that time makes it wrong: \
             give --year then",
        ),
    ];
    let of = |method: &str| {
        rows.iter()
            .filter(|row| row.year_method.as_deref() == Some(method))
            .count()
    };
    let mut said: Vec<String> = SAID
        .iter()
        .map(|(method, how)| (of(method), how))
        .filter(|(sources, _)| *sources > 0)
        .map(|(sources, how)| match sources {
            1 => format!("1 source has no year in its lines; {how}."),
            _ => format!("{sources} sources have no year in their lines; {how}."),
        })
        .collect();
    if of("unknown") > 0 {
        said.push(format!(
            "{} sources give no year at all; 1970 stands in its place.",
            of("unknown")
        ));
    }
    said
}

/// Unsuccessful attempts and rejections without a reason, and all of them.
fn classified(tables: &Tables) -> PolarsResult<(u64, u64)> {
    let (mut undetermined, mut all) = (0, 0);
    for frame in ["attempts", "rejections"].map(|name| tables.get(name)) {
        let Some(frame) = frame.filter(|frame| frame.has("reason")) else {
            continue;
        };
        // Words are strings or categories, see `tables::build::Wanted`.
        let without = col("reason").cast(DataType::String).eq(lit("undetermined"));
        let counted = frame.lazy().select([
            without.sum().cast(DataType::UInt64).alias("undetermined"),
            col("reason").count().cast(DataType::UInt64).alias("all"),
        ]);
        let counted = collect(counted, frame.is_on_disk())?;
        undetermined += counted.column("undetermined")?.u64()?.get(0).unwrap_or(0);
        all += counted.column("all")?.u64()?.get(0).unwrap_or(0);
    }
    Ok((undetermined, all))
}
