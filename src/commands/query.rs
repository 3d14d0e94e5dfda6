//! `mtaudit query` and `mtaudit sql`: rows of one question to standard output.

use std::io::{self, Write};

use anyhow::{Result, anyhow};

use super::load::load;
use super::{Done, Usage, options, print};
use crate::cli::{QueryArgs, SqlArgs};
use crate::query::{Engine, Library, Query, ResultTable};
use crate::report::escape::visible;
use crate::tables::build::{SourceRow, Wanted};
use crate::tables::schema::TABLES;

/// One named query.
///
/// # Errors
/// An unknown query or parameter, unreadable paths, a query that fails.
pub fn run(args: &QueryArgs) -> Result<Done> {
    let (library, given) = options::library(&args.library)?;
    let query = library
        .find(&args.name)
        .map_err(|error| Usage(error.to_string()))?;
    crate::query::params::check_overrides([query], &given)
        .map_err(|error| Usage(error.to_string()))?;
    let mut input = options::input(&args.input, &args.paths, None)?;
    let overrides = input.overrides(&library, &given)?;
    crate::query::params::Params::new(query, &overrides)
        .map_err(|error| Usage(error.to_string()))?;
    input.wanted = wanted(&[query], &library);
    if !query.compares() {
        input.baseline = None;
    }
    let loaded = load(&input)?;
    let done = state(&loaded.sources);
    let mutes = input.mutes(&library, &loaded)?;
    let engine = Engine::new(loaded.tables.frames, input.zone)
        .over(input.selection.since, input.selection.until)
        .comparing(loaded.before.frames)
        .asking(&library, &overrides)
        .knowing(input.known())
        .muting(mutes.clone());
    let answer = input
        .timings
        .query(&query.name, || engine.answer(query, &overrides))
        .map_err(|error| anyhow!("{error}"))?;
    if let Some(why) = &answer.result.not_assessable {
        writeln!(io::stderr(), "{}: not assessable: {why}", query.name)?;
        return Ok(Done::Empty);
    }
    let table = ResultTable {
        columns: answer.result.columns,
        rows: answer.result.full.iter().collect(),
    };
    print::rows(&table, args.format)?;
    input.write_map()?;
    input.timings.print()?;
    if !args.input.read.quiet {
        for finding in &answer.findings {
            writeln!(
                io::stderr(),
                "{}: {}",
                finding.severity.word(),
                finding.sentence
            )?;
        }
        for muted in &answer.muted {
            let (why, said) = (&mutes[muted.by].reason, &muted.finding.sentence);
            writeln!(io::stderr(), "muted ({}): {said}", visible(why))?;
        }
    }
    Ok(done)
}

/// Any SQL.
///
/// # Errors
/// Unreadable paths, SQL that is refused.
pub fn sql(args: &SqlArgs) -> Result<Done> {
    let input = options::input(&args.input, &args.paths, None)?;
    let loaded = load(&input)?;
    let done = state(&loaded.sources);
    let engine = Engine::new(loaded.tables.frames, input.zone)
        .over(input.selection.since, input.selection.until)
        .comparing(loaded.before.frames)
        .knowing(input.known());
    let table = input
        .timings
        .of("statement", || engine.sql(&args.statement))
        .map_err(|error| Usage(error.to_string()))?;
    print::rows(&table, args.format)?;
    input.write_map()?;
    input.timings.print()?;
    Ok(done)
}

/// Columns that commands read themselves: to narrow the tables, and for the period of a report.
const USED: &str = "message parent host reason received_ts removed_ts ts first_ts last_ts to_ts connect_ts disconnect_ts";

/// What these queries and the commands read: all of the library's, where one of them asks what that can answer.
pub fn wanted(queries: &[&Query], library: &Library) -> Wanted {
    let all = TABLES.iter().map(|table| table.name);
    let own = Wanted::none().add(all, [USED]);
    let others = library
        .iter()
        .filter(|_| queries.iter().any(|query| query.asks()));
    let queries: Vec<&Query> = queries.iter().copied().chain(others).collect();
    let wanted = queries
        .iter()
        .fold(own, |wanted, query| query.wanted(wanted));
    // Tests hold the built-in queries to the same results in both forms; those of others may use `LIKE`.
    if queries.iter().all(|query| query.is_builtin()) {
        wanted.coded()
    } else {
        wanted
    }
}

/// What the evidence allows to say of a result.
pub fn state(sources: &[SourceRow]) -> Done {
    if sources
        .iter()
        .all(|source| source.lines == 0 || source.format.is_none())
    {
        Done::Empty
    } else if sources.iter().any(SourceRow::leaves_gaps) {
        Done::Incomplete
    } else {
        Done::Complete
    }
}
