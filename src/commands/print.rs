//! Rows to standard output.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;

use super::Done;
use crate::cli::Format;
use crate::query::ResultTable;
use crate::report::{csv, json, md, text};

/// Widest table when standard output is no terminal, columns.
const PIPE_WIDTH: usize = 4096;
/// Width of a terminal that does not tell, columns.
const TERMINAL_WIDTH: usize = 100;

/// Bytes as they are.
pub fn bytes(bytes: &[u8]) -> Result<Done> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(Done::Complete)
}

/// Rows in a format.
pub fn rows(table: &ResultTable, format: Format) -> Result<Done> {
    let rendered = match format {
        Format::Table => text::table(&table.columns, &table.rows, width()).into_bytes(),
        Format::Csv => csv::table(&table.columns, &table.rows)?,
        Format::Json => json::table(&table.columns, &table.rows)?,
        Format::Md => md::table(&table.columns, &table.rows).into_bytes(),
    };
    bytes(&rendered)
}

fn width() -> usize {
    if !io::stdout().is_terminal() {
        return PIPE_WIDTH;
    }
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    columns.unwrap_or(TERMINAL_WIDTH)
}
