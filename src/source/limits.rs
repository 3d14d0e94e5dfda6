//! How much a file may decode to: archives can be made that fill any disk.
//!
//! A limit is a number of bytes that follows from sizes alone, so that the same file stops at the same byte however it
//! is read. It holds for a file, and for each member of an archive by itself.

/// Decoded bytes for each packed one. Mail logs reach 30, and floods of one line some 200.
const RATIO: u64 = 250;

/// What any file may decode to, however small it is.
const SLACK: u64 = 64 << 20;

/// What any file may decode to at most, unless the user says otherwise.
const MOST: u64 = 1 << 40;

/// Limits of decoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Decoded bytes of a file, whatever its ratio; `None` for the usual limits.
    pub decoded: Option<u64>,
}

impl Limits {
    /// Bytes that `packed` bytes may decode to.
    pub(super) fn of(self, packed: u64) -> u64 {
        let usual = || packed.saturating_mul(RATIO).clamp(SLACK, MOST);
        self.decoded.unwrap_or_else(usual)
    }
}

/// What is said where a limit was reached.
pub(super) fn words(limit: u64) -> String {
    format!("more than {limit} bytes come out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_have_room_and_large_ones_a_ratio() {
        let usual = Limits::default();
        assert_eq!(usual.of(10), SLACK);
        assert_eq!(usual.of(1 << 30), 250 << 30);
        assert_eq!(usual.of(u64::MAX), MOST);
        let own = Limits { decoded: Some(7) };
        assert_eq!(own.of(1 << 30), 7);
    }
}
