//! `mtaudit convert`: the tables as Parquet.
//!
//! What was converted before is known by its SHA-256 and is not read again, so that a folder can grow by a month at a
//! time.

use std::io::{self, Write};

use anyhow::Result;

use super::load::{Loaded, load};
use super::query::state;
use super::sources::Known;
use super::{Done, Usage, options};
use crate::cli::ConvertArgs;
use crate::report::format::count;
use crate::tables::store::{Store, is_store, shift};

/// Adds the tables of these logs to a folder.
///
/// # Errors
/// Unreadable paths, a folder of something else or of another zone, a disk that refuses.
pub fn run(args: &ConvertArgs) -> Result<Done> {
    let mut input = options::read(&args.read, &args.paths)?;
    if let Some(path) = args.paths.iter().find(|path| is_store(path)) {
        return Err(options::usage(
            format!("{}: a folder of tables, not of logs", path.display()),
            "name the logs; other commands read several folders of tables at once",
        ));
    }
    let mut store =
        Store::open_or_begin(&args.out, input.zone).map_err(|error| Usage(format!("{error:#}")))?;
    input.known = Known::of(&store.sources());
    let loaded = load(&input)?;
    let done = state(&loaded);
    let Loaded {
        tables,
        mut sources,
        local_domains,
        left_out,
        ..
    } = loaded;
    if !args.read.quiet {
        for path in &left_out {
            writeln!(io::stderr(), "{path}: in the tables already")?;
        }
    }
    if sources.is_empty() {
        return Ok(Done::Complete);
    }
    let rows = tables.rows() as u64;
    let tables = shift(tables, &mut sources, store.keys())?;
    let read = sources.len() as u64;
    let write = || store.add(&tables, sources, local_domains);
    input.timings.of("write", write)?;
    if !args.read.quiet {
        writeln!(
            io::stderr(),
            "{}: {} rows of {} sources added",
            args.out.display(),
            count(rows),
            count(read)
        )?;
    }
    if args.read.timings {
        input.timings.print()?;
    }
    Ok(done)
}
