//! How much a file may decode to: archives can be made that fill any disk.
//!
//! A limit is a number of bytes that follows from sizes alone, so that the same file stops at the same byte however it
//! is read. It holds for a file, and for each member of an archive by itself. What is unpacked inside a file, all of it
//! together, may be as much as the file may decode to ([`Budget`]): small members may be many, and lie in one another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::Problem;

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

/// What may still be unpacked inside one file. Its clones count together; one of them counts at a time, as an archive is
/// gone through in its order.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    whole: u64,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    left: AtomicU64,
    over: AtomicBool,
}

impl Budget {
    pub(super) fn new(whole: u64) -> Budget {
        let shared = Shared {
            left: AtomicU64::new(whole),
            over: AtomicBool::new(false),
        };
        Budget {
            whole,
            shared: Arc::new(shared),
        }
    }

    /// Takes `bytes`, or what is left of them.
    pub(super) fn take(&self, bytes: u64) -> u64 {
        let left = self.shared.left.load(Relaxed);
        let taken = bytes.min(left);
        self.shared.left.store(left - taken, Relaxed);
        if taken < bytes {
            self.shared.over.store(true, Relaxed);
        }
        taken
    }

    /// Takes `bytes` if they are there; otherwise it is over.
    pub(super) fn take_all(&self, bytes: u64) -> bool {
        let left = self.shared.left.load(Relaxed);
        match left.checked_sub(bytes) {
            Some(rest) => self.shared.left.store(rest, Relaxed),
            None => self.shared.over.store(true, Relaxed),
        }
        left >= bytes
    }

    /// More was wanted than there was.
    pub(super) fn over(&self) -> bool {
        self.shared.over.load(Relaxed)
    }

    /// What is said then.
    pub(super) fn words(&self) -> String {
        format!("{} of what lies inside it", words(self.whole))
    }

    /// What is wrong with the archive then.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.over().then(|| Problem::Stopped {
            decoded: self.whole - self.shared.left.load(Relaxed),
            what: self.words(),
        })
    }
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

    #[test]
    fn a_budget_is_one_for_all_who_count() {
        let one = Budget::new(10);
        let other = one.clone();
        assert_eq!((one.take(4), other.take(6)), (4, 6));
        assert!(!one.over() && other.problem().is_none());
        assert_eq!((other.take(0), other.over()), (0, false));
        assert_eq!((other.take(1), one.over()), (0, true));
        let third = Budget::new(10);
        assert!(third.take_all(7) && !third.over());
        assert!(!third.take_all(4) && third.over());
        let used = |problem| matches!(problem, Some(Problem::Stopped { decoded: 7, .. }));
        assert!(used(third.problem()));
    }
}
