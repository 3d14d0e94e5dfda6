//! The rows, in columns.
//!
//! [`schema`] is the one list of names; [`columns`] are the builders, [`build`] fills them from
//! [`crate::correlate`]'s rows, [`zone`] cuts times to local days and hours, [`select`] narrows, [`store`] keeps them as
//! Parquet. A query sees the frames and cannot tell where
//! they came from.

pub mod build;
mod columns;
pub(crate) mod names;
pub mod schema;
pub mod select;
pub mod store;
pub mod zone;

use polars::prelude::DataFrame;

/// All tables, in the order of [`schema::TABLES`].
pub struct Tables {
    /// Name and rows.
    pub frames: Vec<(&'static str, DataFrame)>,
}

impl Tables {
    /// The rows of one table.
    pub fn get(&self, name: &str) -> Option<&DataFrame> {
        self.frames
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, frame)| frame)
    }

    /// Rows of what happened, in all tables together: not the sources, nor the shapes of lines.
    pub fn rows(&self) -> usize {
        let happened = |name: &str| !matches!(name, "sources" | "line_shapes" | "ignored_lines");
        let frames = self.frames.iter().filter(|(name, _)| happened(name));
        frames.map(|(_, frame)| frame.height()).sum()
    }
}
