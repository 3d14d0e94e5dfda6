//! Tables without persons: every column of text by what [`super::persons`] says of it.
//!
//! Rows are joined, classified and selected by what the logs say; only then are they hidden, so that nothing but the
//! words differs. In memory that is done at once, and on disk whenever rows are read, in columns that are asked for. A
//! text that repeats within a batch is treated once.

use std::collections::HashMap;
use std::sync::Arc;

use polars::prelude::*;

use super::frame::collect;
use super::persons::{holds, naming};
use super::schema::{TABLES, Type};
use super::{Frame, Tables};
use crate::pseudonyms::{Holds, Pseudonyms};

/// Columns that [`learn`] reads: to be wanted beside what queries want.
pub const NAMING: &str = "sender recipient orig_recipient auth_user sender_domain recipient_domain client_name helo relay_name";

/// Learns the names that these tables hold, to find them in free text.
///
/// # Errors
/// Those of polars.
pub fn learn(tables: &Tables, pseudonyms: &Pseudonyms) -> PolarsResult<()> {
    for (_, frame) in &tables.frames {
        for (name, holds) in naming().filter(|(name, _)| frame.has(name)) {
            let values = frame
                .lazy()
                .select([col(name).cast(DataType::String).unique()]);
            let values = collect(values, frame.is_on_disk())?;
            learn_column(values.column(name)?, holds, pseudonyms)?;
        }
    }
    Ok(())
}

/// The same of some rows.
///
/// # Errors
/// Those of polars.
pub fn learn_rows(rows: &DataFrame, pseudonyms: &Pseudonyms) -> PolarsResult<()> {
    for (name, holds) in naming() {
        if let Ok(column) = rows.column(name) {
            learn_column(column, holds, pseudonyms)?;
        }
    }
    Ok(())
}

fn learn_column(column: &Column, holds: Holds, pseudonyms: &Pseudonyms) -> PolarsResult<()> {
    let values = column.str()?.iter().flatten();
    pseudonyms.learn(values.map(|value| (holds, value)));
    Ok(())
}

/// The tables with pseudonyms.
///
/// # Errors
/// Those of polars.
pub fn tables(tables: Tables, pseudonyms: &Arc<Pseudonyms>) -> PolarsResult<Tables> {
    let hidden = |(name, frame): (&'static str, Frame)| {
        let texts = texts(name).filter(|column| frame.has(column));
        let columns: Vec<Expr> = texts.map(|column| hidden(column, pseudonyms)).collect();
        let frame = match columns.is_empty() {
            true => frame,
            false => frame.replace(columns)?,
        };
        Ok((name, frame))
    };
    let frames: PolarsResult<Vec<_>> = tables.frames.into_iter().map(hidden).collect();
    Ok(Tables { frames: frames? })
}

/// Some rows of a table with pseudonyms.
///
/// # Errors
/// Those of polars.
pub fn rows(table: &str, mut rows: DataFrame, pseudonyms: &Pseudonyms) -> PolarsResult<DataFrame> {
    for name in texts(table) {
        let Ok(column) = rows.column(name) else {
            continue;
        };
        let hidden = cells(column, holds(name), pseudonyms)?;
        rows.replace(name, hidden)?;
    }
    Ok(rows)
}

/// Columns of a table that may hold something of persons.
fn texts(table: &str) -> impl Iterator<Item = &'static str> {
    let columns = TABLES.iter().filter(move |known| known.name == table);
    let columns = columns.flat_map(|known| known.columns);
    let texts = columns.filter(|column| column.kind == Type::Text);
    texts
        .map(|column| column.name)
        .filter(|name| holds(name) != Holds::Nothing)
}

fn hidden(column: &'static str, pseudonyms: &Arc<Pseudonyms>) -> Expr {
    let (holds, own) = (holds(column), pseudonyms.clone());
    col(column).map(
        move |column| cells(&column, holds, &own),
        |_: &Schema, field: &Field| Ok(field.clone()),
    )
}

/// A column with pseudonyms, of the same type.
fn cells(column: &Column, holds: Holds, pseudonyms: &Pseudonyms) -> PolarsResult<Column> {
    let plain = column.cast(&DataType::String)?;
    let texts = plain.str()?;
    let mut known: HashMap<&str, String> = HashMap::new();
    let mut hidden = StringChunkedBuilder::new(column.name().clone(), texts.len());
    for text in texts.iter() {
        let own = text.map(|text| {
            let own = known.entry(text);
            &*own.or_insert_with(|| pseudonyms.hide(holds, text))
        });
        hidden.append_option(own);
    }
    hidden.finish().into_column().cast(column.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_learnt_from_is_wanted() {
        let wanted: Vec<&str> = NAMING.split(' ').collect();
        let mut named: Vec<&str> = naming().map(|(name, _)| name).collect();
        assert_eq!(wanted.len(), named.len());
        named.retain(|name| !wanted.contains(name));
        assert!(named.is_empty(), "{named:?}");
    }
}
