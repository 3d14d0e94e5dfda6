//! `mtaudit inspect`: what is here, before any analysis.

use std::io::{self, Write};

use anyhow::{Result, anyhow};

use super::load::load;
use super::query::state;
use super::{Done, options, print};
use crate::cli::{Format, InspectArgs};
use crate::query::{Engine, Overrides, ResultTable};
use crate::report::format::count;

/// Columns that a reader wants first; `mtaudit sql 'SELECT * FROM sources'` has all.
const SOURCES: &str = "SELECT path, codec, format, hosts, first_ts, last_ts, year_method, bytes, decoded_bytes, lines, \
                       events, ignored, unrecognised, undecodable, problem FROM sources ORDER BY source";

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
    let engine = Engine::new(loaded.tables.frames, input.zone);
    let table = engine.sql(SOURCES).map_err(|error| anyhow!("{error}"))?;
    print::rows(&table, args.format)?;
    if args.format == Format::Table {
        writeln!(io::stdout(), "{equation}")?;
        silences(&engine)?;
    }
    input.write_map()?;
    input.timings.print()?;
    Ok(done)
}

/// The longest time without a line of each host, and all that are long, for people: programs ask the query.
fn silences(engine: &Engine) -> Result<()> {
    let library = options::queries(None)?;
    let answer = library
        .find("evidence/coverage")
        .and_then(|query| engine.run(query, &Overrides::new()))
        .map_err(|error| anyhow!("{error}"))?;
    let shown =
        |name: &str| ["host", "silent_from", "silent_until", "seconds", "unusual"].contains(&name);
    let columns = &answer.result.columns;
    let keep: Vec<usize> = (0..columns.len())
        .filter(|at| shown(&columns[*at].name))
        .collect();
    let table = ResultTable {
        columns: keep.iter().map(|at| columns[*at].clone()).collect(),
        rows: answer
            .result
            .rows
            .iter()
            .map(|row| keep.iter().map(|at| row[*at].clone()).collect())
            .collect(),
    };
    if table.rows.is_empty() {
        return Ok(());
    }
    writeln!(io::stdout(), "\n{}:", answer.result.title)?;
    print::rows(&table, Format::Table)?;
    let more = answer.result.total - table.rows.len();
    if more > 0 {
        writeln!(io::stdout(), "{more} more: mtaudit query coverage")?;
    }
    Ok(())
}
