//! `mtaudit inspect`: what is here, before any analysis.

use std::io::{self, Write};

use anyhow::{Result, anyhow};

use super::load::load;
use super::query::state;
use super::statement::{self, GAPS};
use super::{Done, coverage, options, print};
use crate::cli::{Format, InspectArgs};
use crate::query::{Engine, Library, Overrides, ResultTable};
use crate::report::format::count;
use crate::report::{QueryResult, escape};

/// Columns that a reader wants first; `mtaudit sql 'SELECT * FROM sources'` has all.
const SOURCES: &str = "SELECT CASE WHEN member IS NULL THEN path ELSE CONCAT(path, '!/', member) END AS path, codec, format, hosts, first_ts, last_ts, year_method, year_confidence, bytes, decoded_bytes, lines, \
                       events, ignored, unrecognised, undecodable, repeated, contradictions, problem FROM sources ORDER BY source";

/// Sources, formats, periods and coverage.
///
/// # Errors
/// Unreadable paths.
pub fn run(args: &InspectArgs) -> Result<Done> {
    let input = options::input(&args.input, &args.paths, None)?;
    let loaded = load(&input)?;
    let done = state(&loaded.sources);
    let sum = |of: fn(&crate::tables::build::SourceRow) -> u64| {
        count(loaded.sources.iter().map(of).sum::<u64>())
    };
    let equation = format!(
        "{} lines = {} events + {} ignored + {} unrecognised + {} undecodable",
        sum(|s| s.lines),
        sum(|s| s.events),
        sum(|s| s.ignored),
        sum(|s| s.unrecognised),
        sum(|s| s.undecodable),
    );
    let engine = Engine::new(loaded.tables.frames.clone(), input.zone)
        .over(input.selection.since, input.selection.until);
    let table = engine.sql(SOURCES).map_err(|error| anyhow!("{error}"))?;
    print::rows(&table, args.format)?;
    if args.format == Format::Table {
        writeln!(io::stdout(), "{equation}")?;
        let library = options::queries(None)?;
        let gaps = library
            .find(GAPS)
            .and_then(|query| engine.run(query, &Overrides::new()))
            .map_err(|error| anyhow!("{error}"))?;
        silences(&gaps.result)?;
        unanswered(&engine, &library)?;
        let doubts = statement::doubts(Some(&gaps.result), |_| 0);
        let said = coverage::stated(&loaded, input.zone, &doubts);
        writeln!(io::stdout(), "\n{}", escape::visible(&said))?;
    }
    input.write_map()?;
    input.timings.print()?;
    Ok(done)
}

/// The longest time without a line of each host, and all that are long, for people: programs ask the query.
fn silences(gaps: &QueryResult) -> Result<()> {
    let shown = |name: &str| {
        let names = [
            "host",
            "silent_from",
            "silent_until",
            "seconds",
            "unusual",
            "day_missing",
        ];
        names.contains(&name)
    };
    let columns = &gaps.columns;
    let keep: Vec<usize> = (0..columns.len())
        .filter(|at| shown(&columns[*at].name))
        .collect();
    let table = ResultTable {
        columns: keep.iter().map(|at| columns[*at].clone()).collect(),
        rows: gaps
            .rows
            .iter()
            .map(|row| keep.iter().map(|at| row[*at].clone()).collect())
            .collect(),
    };
    if table.rows.is_empty() {
        return Ok(());
    }
    writeln!(io::stdout(), "\n{}:", gaps.title)?;
    print::rows(&table, Format::Table)?;
    let more = gaps.total - table.rows.len();
    if more > 0 {
        writeln!(io::stdout(), "{more} more: mtaudit query gaps")?;
    }
    Ok(())
}

/// Which questions of the library these logs cannot answer, why, and what would have to be logged.
fn unanswered(engine: &Engine, library: &Library) -> Result<()> {
    let mut out = io::stdout().lock();
    let (mut asked, mut open) = (0, Vec::new());
    for query in library.iter() {
        let question = engine.question(query).map_err(|error| anyhow!("{error}"))?;
        asked += 1;
        open.extend(Some(question).filter(|question| question.not_assessable.is_some()));
    }
    writeln!(
        out,
        "\n{} of {asked} questions can be answered from these logs.",
        asked - open.len()
    )?;
    for question in open {
        let why = question.not_assessable.unwrap_or_default();
        writeln!(out, "  {}: {why}", question.query)?;
        if let Some(remedy) = question.remedy {
            writeln!(out, "    needed: {remedy}")?;
        }
    }
    Ok(())
}
