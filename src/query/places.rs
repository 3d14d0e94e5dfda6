//! A set of lines, which may be most lines of the logs: where they are dense, each takes a bit.

use std::collections::BTreeMap;

/// Lines that share a chunk.
const CHUNK: i64 = 1 << 16;

/// Words of a bit a line.
const WORDS: usize = CHUNK as usize / 64;

/// So many lines take as much room by their numbers as all take in bits.
const FEW: usize = WORDS * 4;

/// Lines of sources, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// By source and the line's high bits.
    chunks: BTreeMap<(i64, i64), Chunk>,
}

/// Low bits of lines.
#[derive(Clone, Debug)]
enum Chunk {
    /// In any order; some may be there twice.
    Few(Vec<u16>),
    /// A bit a line.
    Many(Box<[u64; WORDS]>),
}

impl Places {
    /// Adds lines, with their sources. Those of one chunk should come together.
    pub(super) fn extend(&mut self, places: impl Iterator<Item = (i64, i64)>) {
        let mut places = places.peekable();
        while let Some((source, line)) = places.next() {
            let high = line.div_euclid(CHUNK);
            let chunk = self.chunks.entry((source, high)).or_default();
            chunk.insert(line);
            let near = |next: &(i64, i64)| next.0 == source && next.1.div_euclid(CHUNK) == high;
            while let Some((_, line)) = places.next_if(near) {
                chunk.insert(line);
            }
        }
    }

    /// Number of lines.
    pub(super) fn total(&self) -> u64 {
        self.chunks.values().map(Chunk::total).sum()
    }

    /// The first lines, in the order of sources and lines.
    pub(super) fn first(&self, wanted: usize) -> Vec<(i64, i64)> {
        let mut first = Vec::new();
        for ((source, high), chunk) in &self.chunks {
            let lines = chunk.lines().into_iter().take(wanted - first.len());
            first.extend(lines.map(|low| (*source, high * CHUNK + i64::from(low))));
            if first.len() == wanted {
                break;
            }
        }
        first
    }
}

impl Default for Chunk {
    fn default() -> Self {
        Chunk::Few(Vec::new())
    }
}

impl Chunk {
    fn insert(&mut self, line: i64) {
        // The remainder is below 65,536.
        let low = line.rem_euclid(CHUNK) as u16;
        match self {
            Chunk::Many(bits) => set(bits, low),
            Chunk::Few(lines) => {
                lines.push(low);
                if lines.len() == FEW {
                    self.settle();
                }
            }
        }
    }

    /// Keeps each line once, by its number or as a bit.
    fn settle(&mut self) {
        let lines = self.lines();
        *self = if lines.len() <= FEW / 2 {
            Chunk::Few(lines)
        } else {
            let mut bits = Box::new([0; WORDS]);
            lines.into_iter().for_each(|low| set(&mut bits, low));
            Chunk::Many(bits)
        };
    }

    fn total(&self) -> u64 {
        match self {
            Chunk::Few(_) => self.lines().len() as u64,
            Chunk::Many(bits) => bits.iter().map(|word| u64::from(word.count_ones())).sum(),
        }
    }

    /// Sorted, each once.
    fn lines(&self) -> Vec<u16> {
        match self {
            Chunk::Few(lines) => {
                let mut lines = lines.clone();
                lines.sort_unstable();
                lines.dedup();
                lines
            }
            Chunk::Many(bits) => {
                let is_set = |low: &u16| bits[usize::from(*low) / 64] >> (low % 64) & 1 == 1;
                (0..=u16::MAX).filter(is_set).collect()
            }
        }
    }
}

fn set(bits: &mut [u64; WORDS], low: u16) {
    bits[usize::from(low) / 64] |= 1 << (low % 64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_set_of_places_is_one() {
        let (mut places, mut expected) = (Places::default(), BTreeSet::new());
        // Sparse and dense chunks, with repetitions, in no order.
        let sparse = (0..3000).map(|n| (n * 7919 % 5, n * n * 31 % 9_000_000));
        let dense = (0..90_000).map(|n| (2, 1 + n * 7 % 45_000));
        for place in sparse.chain(dense) {
            places.extend([place].into_iter());
            expected.insert(place);
        }
        assert_eq!(places.total(), expected.len() as u64);
        let all: Vec<_> = expected.into_iter().collect();
        assert_eq!(places.first(10), &all[..10]);
        assert_eq!(places.first(usize::MAX), all);
        assert!(Places::default().first(10).is_empty());
    }
}
