//! `mtaudit queries`: the library, and one query described.

use std::fmt::Write;

use anyhow::Result;

use super::{Done, Usage, options, print};
use crate::cli::QueriesArgs;
use crate::query::{Library, Query};

/// Lists or describes.
///
/// # Errors
/// A query file that is wrong, a name that nothing has.
pub fn run(args: &QueriesArgs) -> Result<Done> {
    let library = options::queries(args.queries.as_deref())?;
    let text = match &args.name {
        None => list(&library),
        Some(name) => describe(
            library
                .find(name)
                .map_err(|error| Usage(error.to_string()))?,
        ),
    };
    print::bytes(text.as_bytes())
}

fn list(library: &Library) -> String {
    let width = library
        .iter()
        .map(|query| query.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for query in library.iter() {
        // Writing into a `String` does not fail.
        let _ = writeln!(text, "{:width$}  {}", query.name, query.header.title);
    }
    text
}

fn describe(query: &Query) -> String {
    let header = &query.header;
    let mut text = format!("{}: {}\n{}\n", query.name, header.title, header.question);
    let _ = writeln!(text, "\nTables: {}", header.tables.join(", "));
    for (name, param) in &header.params {
        let _ = writeln!(
            text,
            "Parameter {name} = {} {}: {} ({})",
            param.default, param.unit, param.about, param.source
        );
    }
    for column in &header.columns {
        let unit = if column.unit.is_empty() {
            String::new()
        } else {
            format!(" [{}]", column.unit)
        };
        let _ = writeln!(text, "Column {}{unit}: {}", column.name, column.about);
    }
    for rule in &header.findings {
        let _ = writeln!(
            text,
            "Finding ({}) when {}: {}",
            rule.severity.word(),
            rule.when,
            rule.sentence
        );
    }
    if !header.limits.is_empty() {
        let _ = writeln!(text, "Limits: {}", header.limits);
    }
    if !header.controls.is_empty() {
        let _ = writeln!(text, "Controls: {}", header.controls.join(", "));
    }
    let _ = write!(text, "\n{}\n", query.sql.trim_end());
    text
}
