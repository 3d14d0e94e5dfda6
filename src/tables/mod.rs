//! The rows, in columns.
//!
//! [`schema`] is the one list of names; [`columns`] are the builders, [`build`] fills them from
//! [`crate::correlate`]'s rows, [`zone`] cuts times to local days and hours, [`select`] narrows to what [`entity`] names and
//! `touch` finds to belong to it, [`store`] keeps them as
//! Parquet, [`hide`] takes persons out of them. A query sees a [`Frame`] and cannot tell where its rows came from, or where they are.

pub mod build;
mod columns;
pub mod entity;
pub mod frame;
pub mod hide;
pub(crate) mod names;
pub mod near;
pub mod persons;
pub mod schema;
pub mod select;
pub mod store;
pub(crate) mod touch;
pub mod zone;

use polars::prelude::PolarsResult;

pub use crate::source::shown;
pub use frame::Frame;

/// A table tells what happened, rather than what was read: a few rows for each source.
pub fn is_of_events(table: &str) -> bool {
    !matches!(
        table,
        "sources" | "line_shapes" | "activity" | "clock_steps" | "ignored_lines"
    )
}

/// All tables, in the order of [`schema::TABLES`].
#[derive(Clone, Default)]
pub struct Tables {
    /// Name and rows.
    pub frames: Vec<(&'static str, Frame)>,
}

impl Tables {
    /// The rows of one table.
    pub fn get(&self, name: &str) -> Option<&Frame> {
        self.frames
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, frame)| frame)
    }

    /// Whether any of them is on disk.
    pub fn on_disk(&self) -> bool {
        self.frames.iter().any(|(_, frame)| frame.is_on_disk())
    }

    /// Rows of what happened, in all tables together: not the sources, nor the shapes of lines.
    ///
    /// # Errors
    /// Those of polars.
    pub fn rows(&self) -> PolarsResult<u64> {
        self.happened().map(Frame::rows).sum()
    }

    /// Whether nothing happened: files are read up to the first row.
    ///
    /// # Errors
    /// Those of polars.
    pub fn is_empty(&self) -> PolarsResult<bool> {
        for frame in self.happened() {
            if !frame.is_empty()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn happened(&self) -> impl Iterator<Item = &Frame> {
        let frames = self.frames.iter().filter(|(name, _)| is_of_events(name));
        frames.map(|(_, frame)| frame)
    }

    /// The same with strings in place of categories. Where one table is on disk all have to be so, to be joined with
    /// one another.
    ///
    /// # Errors
    /// Those of polars.
    pub fn plain_text(self) -> PolarsResult<Tables> {
        let plain = |(name, frame): (_, Frame)| Ok((name, frame.plain_text()?));
        let frames: PolarsResult<Vec<_>> = self.frames.into_iter().map(plain).collect();
        Ok(Tables { frames: frames? })
    }

    /// The same in memory, when these many bytes hold it: where few rows are left of large files, looking for them once
    /// is faster than whenever they are asked for.
    ///
    /// # Errors
    /// Those of polars.
    pub fn in_memory_within(self, bytes: u64) -> PolarsResult<Tables> {
        let mut needed = 0;
        for (_, frame) in self.frames.iter().filter(|(_, frame)| frame.is_on_disk()) {
            needed += frame.rows()? * frame.columns().len() as u64 * CELL;
            if needed > bytes {
                return Ok(self);
            }
        }
        let read = |(name, frame): (_, Frame)| {
            let rows = frame::collect(frame.in_place_order(), frame.is_on_disk())?;
            Ok((name, rows.into()))
        };
        let frames: PolarsResult<Vec<_>> = self.frames.into_iter().map(read).collect();
        Ok(Tables { frames: frames? })
    }
}

/// Bytes of a cell in memory, texts among them.
const CELL: u64 = 32;
