//! Bzip2, block by block: the marks between blocks are looked for bit by bit, and each block is decoded as a stream of its
//! own. So a block is handed on when its checksum was right, nothing of a damaged one is taken for a log, and those
//! after it are read.

use bzip2::{Decompress, Status};

use super::codecs::Step;

/// The mark before a block, and the one at the end, 48 bits each.
const BLOCK: u64 = 0x3141_5926_5359;
const END: u64 = 0x1772_4538_5090;
const MARK_BITS: usize = 48;
const MARK: u64 = (1 << MARK_BITS) - 1;

/// `BZh` and the level.
const HEADER: usize = 4;

/// Packed bytes of a block, at most: 900 KB and its tables do not reach it.
const LONGEST: usize = 2 << 20;

/// The state of one stream.
#[derive(Default)]
pub(super) struct Unbzip2 {
    header: Vec<u8>,
    /// Packed bytes, from the one in which the block's mark begins.
    packed: Vec<u8>,
    /// The bit of its first byte at which it does.
    shift: usize,
    /// The last eight bytes.
    last: u64,
    /// `packed` begins with a mark; if not, it is what is passed over to the next one.
    open: bool,
    /// Of the checksums of the blocks, as the end states it.
    combined: u32,
    /// A block is missing, so that the end cannot be checked.
    missing: bool,
    /// Bytes of the checksum at the end that are still to come, when the end was met.
    footer: Option<usize>,
    ready: Vec<u8>,
    given: usize,
    /// What comes after `ready`.
    next: Option<Step>,
}

impl Unbzip2 {
    pub(super) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Step) {
        let mut used = 0;
        loop {
            let ready = &self.ready[self.given..];
            let taken = ready.len().min(out.capacity() - out.len());
            out.extend_from_slice(&ready[..taken]);
            self.given += taken;
            if self.given < self.ready.len() {
                return (used, Step::More);
            }
            if let Some(next) = self.next.take() {
                return (used, next);
            }
            let Some(byte) = input.get(used) else {
                return (used, Step::More);
            };
            used += 1;
            self.take(*byte);
        }
    }

    fn take(&mut self, byte: u8) {
        if self.header.len() < HEADER {
            return self.header.push(byte);
        }
        self.packed.push(byte);
        self.last = self.last << 8 | u64::from(byte);
        if let Some(left) = &mut self.footer {
            *left -= 1;
            if *left == 0 {
                self.next = Some(self.finish());
            }
            return;
        }
        if self.packed.len() * 8 >= MARK_BITS {
            for unread in 0..8 {
                let mark = self.last >> unread & MARK;
                if (mark == BLOCK || mark == END) && self.packed.len() * 8 >= MARK_BITS + unread {
                    return self.met(mark, unread);
                }
            }
        }
        if self.packed.len() > LONGEST {
            // Its beginning is forgotten; the next mark tells the loss.
            self.packed.drain(..LONGEST / 2);
            self.open = false;
            self.missing = true;
        }
    }

    /// A mark ends `unread` bits before the last byte does.
    fn met(&mut self, mark: u64, unread: usize) {
        let begun = self.packed.len() * 8 - MARK_BITS - unread;
        let from = self.packed.len() as u64;
        let good = match self.open {
            true => self.decode(begun),
            // Between the header and the first mark there is nothing.
            false => begun == 0 && !self.missing,
        };
        self.packed.drain(..begun / 8);
        self.shift = begun % 8;
        self.open = true;
        if !good {
            self.missing = true;
            self.next = Some(Step::Lost {
                what: "a block of bzip2 fails its checksum".into(),
                from,
                to: self.packed.len() as u64,
            });
        }
        if mark == END {
            // 32 bits follow, of which `unread` are there.
            self.footer = Some((32 - unread).div_ceil(8));
        }
    }

    /// Decodes the block up to a bit; `false` when it is not what its checksum says.
    fn decode(&mut self, end: usize) -> bool {
        self.ready.clear();
        self.given = 0;
        let sum = self.bits(self.shift + MARK_BITS, 32) as u32;
        let mut stream = Bits::new(&self.header);
        let mut at = self.shift;
        while at < end {
            let count = (end - at).min(32);
            stream.push(self.bits(at, count), count);
            at += count;
        }
        stream.push(END, MARK_BITS);
        stream.push(u64::from(sum), 32);
        let good = unpack(&stream.finish(), &mut self.ready);
        if !good {
            self.ready.clear();
        }
        self.combined = self.combined.rotate_left(1) ^ sum;
        good
    }

    /// Up to 32 bits of what is packed; what is not there is zero.
    fn bits(&self, at: usize, count: usize) -> u64 {
        let bytes = (at / 8..at / 8 + 5).map(|at| self.packed.get(at).copied().unwrap_or(0));
        let word = bytes.fold(0u64, |word, byte| word << 8 | u64::from(byte));
        word >> (40 - at % 8 - count) & ((1 << count) - 1)
    }

    fn finish(&self) -> Step {
        let stated = self.bits(self.shift + MARK_BITS, 32) as u32;
        if self.missing || stated == self.combined {
            return Step::MemberEnd;
        }
        Step::Failed("a stream of bzip2 fails its checksum: blocks may be missing".into())
    }
}

/// Decodes a whole stream, whose one block holds at most 46 MB.
fn unpack(stream: &[u8], out: &mut Vec<u8>) -> bool {
    let mut decoder = Decompress::new(false);
    loop {
        out.reserve(256 << 10);
        let at = usize::try_from(decoder.total_in()).unwrap_or(stream.len());
        let before = (at, out.len());
        match decoder.decompress_vec(&stream[at.min(stream.len())..], out) {
            Ok(Status::StreamEnd) => return true,
            Ok(_) if before == (decoder.total_in() as usize, out.len()) => return false,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// Writes bits.
struct Bits {
    bytes: Vec<u8>,
    word: u64,
    count: usize,
}

impl Bits {
    fn new(header: &[u8]) -> Bits {
        Bits {
            bytes: header.to_vec(),
            word: 0,
            count: 0,
        }
    }

    /// The lowest `count` bits, 48 at most.
    fn push(&mut self, bits: u64, count: usize) {
        self.word = self.word << count | bits;
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.word >> self.count) as u8);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.push(0, 8 - self.count);
        }
        self.bytes
    }
}
