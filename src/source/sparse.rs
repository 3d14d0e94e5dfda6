//! Files with holes in a tar: the four ways in which GNU tar writes down where the holes are. A hole is read as zeros,
//! as it is from the file.

use std::collections::VecDeque;
use std::io;

use super::magic::TAR_BLOCK;
use super::tape::Tape;
use super::tar::{decimal, number};

/// Pieces of a map, at most: what is cut up more finely is no log.
const PIECES: usize = 100_000;

/// Digits of a number in a map, at most: those of the largest `u64`.
const DIGITS: usize = 20;

/// What comes next of a file: holes and pieces that are there.
#[derive(Debug, Default)]
pub(super) struct Plan(VecDeque<(bool, u64)>);

impl Plan {
    fn whole(size: u64) -> Plan {
        Plan([(false, size)].into())
    }

    /// Of pieces that are there, each with its place, out of `real` bytes. `None` when they overlap, or are not
    /// what is stored.
    fn new(pieces: &[(u64, u64)], real: u64, stored: u64) -> Option<Plan> {
        let mut plan = VecDeque::new();
        let (mut at, mut sum) = (0u64, 0u64);
        for (start, len) in pieces {
            plan.push_back((true, start.checked_sub(at)?));
            plan.push_back((false, *len));
            at = start.checked_add(*len)?;
            sum = sum.checked_add(*len)?;
        }
        plan.push_back((true, real.checked_sub(at)?));
        (sum == stored).then_some(Plan(plan))
    }

    /// Whether a hole is next, and how much of it is left.
    pub(super) fn next(&mut self) -> Option<(bool, u64)> {
        while let Some((_, 0)) = self.0.front() {
            self.0.pop_front();
        }
        self.0.front().copied()
    }

    pub(super) fn took(&mut self, bytes: u64) {
        if let Some((_, left)) = self.0.front_mut() {
            *left = left.saturating_sub(bytes);
        }
    }
}

/// What pax attributes say of holes.
#[derive(Default)]
pub(super) struct Pax {
    pub(super) name: Option<Vec<u8>>,
    major: Option<u64>,
    real: Option<u64>,
    numbers: Vec<u64>,
}

impl Pax {
    pub(super) fn set(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"GNU.sparse.name" => self.name = Some(value.to_vec()),
            b"GNU.sparse.major" => self.major = decimal(value),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.real = decimal(value),
            b"GNU.sparse.map" => {
                let numbers = value.split(|byte| *byte == b',');
                self.numbers = numbers.filter_map(decimal).take(2 * PIECES).collect();
            }
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" if self.numbers.len() < 2 * PIECES => {
                self.numbers.extend(decimal(value));
            }
            _ => {}
        }
    }
}

/// What comes of a file whose header, of either kind, was read; `None` when its map makes no sense.
pub(super) fn plan(
    tape: &mut Tape<'_>,
    header: &[u8; TAR_BLOCK],
    pax: &Pax,
    stored: u64,
) -> io::Result<Option<Plan>> {
    if header[156] == b'S' {
        let pieces = gnu(tape, header)?;
        return Ok(Plan::new(&pieces, number(&header[483..495]), stored));
    }
    match (pax.real, pax.major) {
        (Some(real), Some(1)) => {
            let begun = tape.at();
            let Some(numbers) = written_before(tape, stored)? else {
                return Ok(None);
            };
            let map = tape.at() - begun;
            Ok(stored
                .checked_sub(map)
                .and_then(|stored| Plan::new(&pairs(&numbers), real, stored)))
        }
        (Some(real), _) => Ok(Plan::new(&pairs(&pax.numbers), real, stored)),
        (None, _) => Ok(Some(Plan::whole(stored))),
    }
}

fn pairs(numbers: &[u64]) -> Vec<(u64, u64)> {
    numbers
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

/// GNU's own kind: four pieces in the header, twenty-one in each block after it.
fn gnu(tape: &mut Tape<'_>, header: &[u8; TAR_BLOCK]) -> io::Result<Vec<(u64, u64)>> {
    let mut pieces = Vec::new();
    let mut add = |fields: &[u8]| {
        let pairs = fields.chunks_exact(24).filter(|pair| pair[0] != 0);
        pieces.extend(pairs.map(|pair| (number(&pair[..12]), number(&pair[12..]))));
        pieces.len() < PIECES
    };
    add(&header[386..482]);
    let mut more = header[482] != 0;
    while more {
        let Some(block) = tape.peek(TAR_BLOCK)?.first_chunk::<TAR_BLOCK>().copied() else {
            break;
        };
        tape.consume(TAR_BLOCK);
        more = add(&block[..504]) && block[504] != 0;
    }
    Ok(pieces)
}

/// Pax 1.0: decimal numbers, one a line, in whole blocks before the content.
fn written_before(tape: &mut Tape<'_>, stored: u64) -> io::Result<Option<Vec<u64>>> {
    let mut numbers = Vec::new();
    let mut text: Vec<u8> = Vec::new();
    let mut left = stored / TAR_BLOCK as u64;
    loop {
        while let Some(end) = memchr::memchr(b'\n', &text) {
            let line: Vec<u8> = text.drain(..=end).collect();
            let Some(value) = decimal(&line[..end]) else {
                return Ok(None);
            };
            numbers.push(value);
            let wanted = numbers[0].saturating_mul(2).saturating_add(1);
            if numbers[0] > PIECES as u64 {
                return Ok(None);
            }
            if numbers.len() as u64 == wanted {
                numbers.remove(0);
                return Ok(Some(numbers));
            }
        }
        // What is longer is no number, and would be searched again with each block.
        if left == 0 || text.len() > DIGITS {
            return Ok(None);
        }
        let Some(block) = tape.peek(TAR_BLOCK)?.first_chunk::<TAR_BLOCK>().copied() else {
            return Ok(None);
        };
        left -= 1;
        tape.consume(TAR_BLOCK);
        text.extend_from_slice(&block);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The numbers of a map, and how many bytes of it were taken.
    fn map(bytes: &[u8]) -> (Option<Vec<u64>>, u64) {
        let mut tape = Tape::new(Box::new(Bytes(bytes)), false);
        let numbers = written_before(&mut tape, bytes.len() as u64).unwrap();
        (numbers, tape.at())
    }

    struct Bytes<'a>(&'a [u8]);

    impl io::Read for Bytes<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl super::super::tape::Input for Bytes<'_> {}

    #[test]
    fn a_map_without_line_ends_is_given_up_at_once() {
        for byte in [b'1', 0] {
            assert_eq!(map(&vec![byte; 1 << 20]), (None, TAR_BLOCK as u64));
        }
    }

    #[test]
    fn the_largest_number_may_lie_across_two_blocks() {
        // 24 numbers of 21 bytes fill a block but for 8 of them.
        let numbers = [&[1; 24][..], &[u64::MAX; 2]].concat();
        let lines = numbers.iter().map(|number| format!("{number:0>20}\n"));
        let mut bytes = format!("13\n{}", lines.collect::<String>()).into_bytes();
        bytes.resize(2 * TAR_BLOCK, 0);
        assert_eq!(map(&bytes), (Some(numbers), bytes.len() as u64));
    }
}
