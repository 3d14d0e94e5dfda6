//! Whole results: rows that are made when they are written, as there may be a million of them.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::Cell;

/// Something that has rows of cells.
pub trait Rows: Send + Sync {
    /// How many.
    fn len(&self) -> usize;

    /// There is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them, cells in column order; `at` is below [`Rows::len`].
    fn row(&self, at: usize) -> Vec<Cell>;
}

impl Rows for Vec<Vec<Cell>> {
    fn len(&self) -> usize {
        self.len()
    }

    fn row(&self, at: usize) -> Vec<Cell> {
        self[at].clone()
    }
}

/// The rows of a whole result. A clone costs nothing.
#[derive(Clone)]
pub struct Full(Arc<dyn Rows>);

impl Full {
    /// These rows.
    pub fn new(rows: impl Rows + 'static) -> Self {
        Full(Arc::new(rows))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One of them.
    pub fn row(&self, at: usize) -> Vec<Cell> {
        self.0.row(at)
    }

    /// All, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Vec<Cell>> {
        (0..self.len()).map(|at| self.row(at))
    }
}

impl Default for Full {
    fn default() -> Self {
        Full::new(Vec::new())
    }
}

impl fmt::Debug for Full {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Full {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
