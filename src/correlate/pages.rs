//! Rows in pages, so that growing moves none.
//!
//! A vector that doubles copies all it holds again and again, on memory that the system has to hand out anew each
//! time; with a million rows of a whole log that cost more than making them. [`Pages`] has rows by number, as
//! messages and sessions need that later lines come back to; [`Chunks`] only in their order, so that another part's
//! rows are taken over as they are.

use std::ops::{Index, IndexMut};

/// Rows of a page, a power of two. A page has room for so many from the start.
const PAGE: usize = 256;

/// Rows by number.
#[derive(Clone, Debug)]
pub struct Pages<T>(Vec<Vec<T>>);

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Pages(Vec::new())
    }
}

impl<T> Pages<T> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self.0.split_last() {
            // Every page but the last is full.
            Some((last, full)) => full.len() * PAGE + last.len(),
            None => 0,
        }
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a row, whose number is the number of rows before.
    pub fn push(&mut self, row: T) {
        push(&mut self.0, row);
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// The rows in order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flatten()
    }
}

impl<T> Index<usize> for Pages<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.0[at / PAGE][at % PAGE]
    }
}

impl<T> IndexMut<usize> for Pages<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.0[at / PAGE][at % PAGE]
    }
}

impl<T> IntoIterator for Pages<T> {
    type Item = T;
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

/// Rows in order.
#[derive(Clone, Debug)]
pub struct Chunks<T>(Vec<Vec<T>>);

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Chunks(Vec::new())
    }
}

impl<T> Chunks<T> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a row.
    pub fn push(&mut self, row: T) {
        push(&mut self.0, row);
    }

    /// Adds the rows that follow, without moving them.
    pub fn append(&mut self, next: Chunks<T>) {
        self.0.extend(next.0);
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// The rows in order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flatten()
    }

    /// The rows in order, by chunks.
    pub fn slices(&self) -> impl Iterator<Item = &[T]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// All rows in one piece.
    pub fn into_vec(self) -> Vec<T> {
        let mut rows = Vec::with_capacity(self.len());
        self.0.into_iter().for_each(|chunk| rows.extend(chunk));
        rows
    }
}

impl<T> IntoIterator for Chunks<T> {
    type Item = T;
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

fn push<T>(pages: &mut Vec<Vec<T>>, row: T) {
    match pages.last_mut().filter(|last| last.len() < PAGE) {
        Some(last) => last.push(row),
        None => {
            let mut page = Vec::with_capacity(PAGE);
            page.push(row);
            pages.push(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_numbers() {
        let mut pages = Pages::default();
        for n in 0..3 * PAGE + 7 {
            assert_eq!(pages.len(), n);
            pages.push(n);
        }
        assert!((0..pages.len()).all(|n| pages[n] == n));
        pages[PAGE] = 0;
        assert_eq!(pages.iter().nth(PAGE), Some(&0));
        assert_eq!(pages.into_iter().count(), 3 * PAGE + 7);
    }

    #[test]
    fn chunks_follow_one_another() {
        let mut whole = Chunks::default();
        for start in [0, 5, PAGE, 2 * PAGE + 3] {
            let mut next = Chunks::default();
            (start..start + PAGE + 1).for_each(|n| next.push(n));
            whole.append(next);
            whole.push(usize::MAX);
        }
        assert_eq!(whole.len(), 4 * (PAGE + 2));
        let rows: Vec<usize> = whole.iter().copied().collect();
        assert_eq!(whole.slices().flatten().copied().collect::<Vec<_>>(), rows);
        assert_eq!(rows[PAGE + 2], 5);
        assert_eq!(whole.into_vec(), rows);
    }
}
