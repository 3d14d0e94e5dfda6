//! SHA-256 of what passes by, as lower-case hex.

use std::io;

use sha2::{Digest as _, Sha256};

/// A running SHA-256 and the bytes it has seen.
#[derive(Clone, Default)]
pub(super) struct Digest {
    hash: Sha256,
    pub(super) bytes: u64,
}

impl Digest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Of all that a reader gives.
    pub(super) fn of(mut reader: impl io::Read) -> io::Result<Digest> {
        let mut digest = Digest::default();
        let mut buffer = vec![0; 1 << 18];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(digest),
                Ok(read) => digest.update(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn hex(self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let nibbles = self
            .hash
            .finalize()
            .into_iter()
            .flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles
            .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_example() {
        let mut digest = Digest::default();
        digest.update(b"a");
        digest.update(b"bc");
        assert_eq!(digest.bytes, 3);
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.hex(), expected);
    }
}
