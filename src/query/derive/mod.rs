//! What SQL in the common subset cannot compute: tables made by a method from the rows of a statement.
//!
//! A query asks for one in its front matter, and reads it like a table:
//!
//! ```toml
//! [derived.trend]
//! with  = "theil_sen"
//! input = "SELECT host AS series, no AS x, accepted AS y FROM …"
//! ```
//!
//! One file a method, one line in [`METHODS`]. A method sees the rows of `input` and nothing else: constants (a season,
//! a horizon) come as columns, taken from `params` by the statement. Its result depends on the set of rows, never on
//! their order.

mod block_lists;
mod compare_periods;
mod holt_winters;
mod providers;
mod rank_sum;
mod similar_names;
mod theil_sen;

use polars::prelude::{Column, DataFrame, PolarsResult};

use super::error::{Error, suggest};
use crate::tables::schema::Type;

/// A way to make a table.
pub struct Method {
    /// As `with` names it.
    pub name: &'static str,
    /// What it computes, and after whom.
    pub about: &'static str,
    /// Columns that it reads.
    pub inputs: &'static [(&'static str, Type)],
    /// Columns that it gives.
    pub outputs: &'static [(&'static str, Type)],
    /// From rows with the columns of `inputs`, to columns in the order of `outputs`.
    run: fn(&DataFrame) -> PolarsResult<Vec<Column>>,
}

/// Every method, by name.
pub const METHODS: &[Method] = &[
    block_lists::METHOD,
    compare_periods::METHOD,
    holt_winters::METHOD,
    providers::METHOD,
    rank_sum::METHOD,
    similar_names::METHOD,
    theil_sen::METHOD,
];

/// The method of that name.
///
/// # Errors
/// There is none; the error suggests one.
pub(super) fn method(name: &str) -> Result<&'static Method, Error> {
    let found = METHODS.iter().find(|method| method.name == name);
    found.ok_or_else(|| {
        let error = Error::new(format!("there is no method `{name}`"));
        error.hint(suggest(name, METHODS.iter().map(|method| method.name)))
    })
}

impl Method {
    /// The table made from `rows`, which may have more columns than are read.
    pub(super) fn table(&self, rows: &DataFrame) -> Result<DataFrame, Error> {
        let told = |error| Error::from_polars(&error);
        let inputs = self.inputs.iter().map(|(name, kind)| {
            let Ok(column) = rows.column(name) else {
                let error = Error::new(format!("`input` gives no column `{name}`"));
                return Err(error.hint(format!("{} reads {}", self.name, names(self.inputs))));
            };
            column.cast(&kind.dtype()).map_err(told)
        });
        let inputs: Result<Vec<Column>, Error> = inputs.collect();
        let rows = DataFrame::new(rows.height(), inputs?).map_err(told)?;
        let columns = (self.run)(&rows).map_err(told)?;
        let named = columns.into_iter().zip(self.outputs);
        let columns: PolarsResult<Vec<Column>> = named
            .map(|(column, (name, kind))| {
                let column: Column = column.cast(&kind.dtype())?;
                Ok(column.with_name((*name).into()))
            })
            .collect();
        columns.and_then(DataFrame::new_infer_height).map_err(told)
    }
}

fn names(columns: &[(&str, Type)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    super::error::list(&names, "and")
}

/// Of sorted values.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    match sorted.len() % 2 {
        0 => Some((sorted[middle - 1] + upper) / 2.0),
        _ => Some(upper),
    }
}
