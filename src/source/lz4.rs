//! Frames of lz4, block by block: a block is handed on when it was decoded and its checksum, if it has one, was right.
//!
//! Reads frames of the format's version 1, frames that decoders skip, and the legacy frame that the Linux kernel
//! uses. What lies between a header and a block is gathered until it is whole, and no more: a block has at most 8 MiB.

use std::hash::Hasher as _;

use lz4_flex::block::decompress_into_with_dict;
use twox_hash::XxHash32;

use super::codecs::Step;

const FRAME: u32 = 0x184d_2204;
const LEGACY: u32 = 0x184c_2102;
const LEGACY_BLOCK: usize = 8 << 20;
/// How far back a block may refer.
const WINDOW: usize = 64 << 10;

/// What comes next.
#[derive(Clone, Copy)]
enum Next {
    Magic,
    /// Flags, block size, and what these say follows.
    Descriptor(usize),
    Size,
    Block {
        len: usize,
        stored: bool,
    },
    ContentSum,
    SkipSize,
    Skip(u64),
    LegacySize,
    LegacyBlock(usize),
}

/// What a frame says of itself.
#[derive(Clone, Copy, Default)]
struct Frame {
    linked: bool,
    block_sums: bool,
    content_sum: bool,
    content_size: Option<u64>,
    block_size: usize,
}

/// The state of one frame.
pub(super) struct Unlz4 {
    next: Next,
    gathered: Vec<u8>,
    frame: Frame,
    /// The last bytes that were decoded, then those of this block.
    window: Vec<u8>,
    /// Bytes of `window` that were handed on.
    given: usize,
    decoded: u64,
    sum: XxHash32,
    /// A block is lost, so that the checksum of the frame says nothing.
    missing: bool,
    legacy: bool,
    ended: bool,
}

impl Default for Unlz4 {
    fn default() -> Self {
        Unlz4 {
            next: Next::Magic,
            gathered: Vec::new(),
            frame: Frame::default(),
            window: Vec::new(),
            given: 0,
            decoded: 0,
            sum: XxHash32::with_seed(0),
            missing: false,
            legacy: false,
            ended: false,
        }
    }
}

type Result<T> = std::result::Result<T, &'static str>;

impl Unlz4 {
    /// What it gives was checked before.
    pub(super) fn checks_first(&self) -> bool {
        self.frame.block_sums
    }

    /// It began as a legacy frame.
    pub(super) fn was_legacy(&self) -> bool {
        self.legacy
    }

    /// A legacy frame has no end mark.
    pub(super) fn may_end(&self) -> bool {
        matches!(self.next, Next::LegacySize) && self.gathered.is_empty()
    }

    pub(super) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Step) {
        let mut used = 0;
        loop {
            let ready = &self.window[self.given..];
            let taken = ready.len().min(out.capacity() - out.len());
            out.extend_from_slice(&ready[..taken]);
            self.given += taken;
            if self.given < self.window.len() {
                return (used, Step::More);
            }
            if self.ended {
                return (used, Step::MemberEnd);
            }
            match self.gather(input, &mut used) {
                Ok(true) => {}
                Ok(false) => return (used, Step::More),
                Err(what) => return (used, self.failed(what)),
            }
        }
    }

    /// Where blocks do not refer to one another, those after a damaged one are good.
    fn failed(&mut self, what: &str) -> Step {
        let Next::Block { len, .. } = self.next else {
            return Step::Failed(what.to_owned());
        };
        if self.frame.linked {
            return Step::Failed(what.to_owned());
        }
        let sum = if self.frame.block_sums { 4 } else { 0 };
        self.gathered.clear();
        self.window.truncate(self.given);
        self.next = Next::Size;
        self.missing = true;
        Step::Lost {
            what: what.to_owned(),
            from: (4 + len + sum) as u64,
            to: 0,
        }
    }

    /// Takes what comes next, if it is all there.
    fn gather(&mut self, input: &[u8], used: &mut usize) -> Result<bool> {
        let rest = &input[*used..];
        if let Next::Skip(left) = &mut self.next {
            let skipped = usize::try_from(*left).map_or(rest.len(), |left| rest.len().min(left));
            *left -= skipped as u64;
            *used += skipped;
            self.ended = *left == 0;
            return Ok(self.ended);
        }
        let wanted = self.wanted() - self.gathered.len();
        let taken = wanted.min(rest.len());
        self.gathered.extend_from_slice(&rest[..taken]);
        *used += taken;
        if taken < wanted {
            return Ok(false);
        }
        let bytes = std::mem::take(&mut self.gathered);
        self.next = self.take(&bytes)?;
        self.gathered = bytes;
        // A descriptor is gathered in two steps, the rest in one.
        match self.next {
            Next::Descriptor(len) if len > 2 => {}
            _ => self.gathered.clear(),
        }
        Ok(true)
    }

    fn wanted(&self) -> usize {
        match self.next {
            Next::Descriptor(len) => len,
            Next::Block { len, .. } => len + if self.frame.block_sums { 4 } else { 0 },
            Next::LegacyBlock(len) => len,
            Next::Skip(_) => 0,
            _ => 4,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Next> {
        match self.next {
            Next::Magic => magic(word(bytes)),
            Next::Descriptor(2) => self.flags(bytes),
            Next::Descriptor(_) => self.descriptor(bytes),
            Next::Size => self.size(word(bytes)),
            Next::Block { len, stored } => self.block(bytes, len, stored),
            Next::ContentSum if !self.missing && word(bytes) != self.sum.finish_32() => {
                Err("an lz4 frame fails its checksum")
            }
            Next::ContentSum => {
                self.ended = true;
                Ok(Next::Magic)
            }
            Next::SkipSize => {
                let len = u64::from(word(bytes));
                self.ended = len == 0;
                Ok(Next::Skip(len))
            }
            Next::LegacySize => {
                self.legacy = true;
                self.legacy_size(word(bytes))
            }
            Next::LegacyBlock(_) => {
                self.frame.block_size = LEGACY_BLOCK;
                self.decode(bytes, false)?;
                Ok(Next::LegacySize)
            }
            Next::Skip(_) => Ok(self.next),
        }
    }

    fn flags(&mut self, bytes: &[u8]) -> Result<Next> {
        let (flags, sizes) = (bytes[0], bytes[1]);
        if flags >> 6 != 1 || flags & 2 != 0 || sizes & 0x8f != 0 {
            return Err("an lz4 frame of an unknown version");
        }
        if flags & 1 != 0 {
            return Err("an lz4 frame that needs a dictionary");
        }
        // It may follow a legacy frame, which has no end.
        (self.decoded, self.missing) = (0, false);
        self.sum = XxHash32::with_seed(0);
        self.frame = Frame {
            linked: flags & 0x20 == 0,
            block_sums: flags & 0x10 != 0,
            content_sum: flags & 4 != 0,
            content_size: None,
            block_size: match sizes >> 4 {
                size @ 4..=7 => 1 << (8 + 2 * size),
                _ => return Err("an lz4 frame with blocks of unknown size"),
            },
        };
        let size = if flags & 8 != 0 { 8 } else { 0 };
        Ok(Next::Descriptor(2 + size + 1))
    }

    fn descriptor(&mut self, bytes: &[u8]) -> Result<Next> {
        let (described, sum) = bytes.split_at(bytes.len() - 1);
        if XxHash32::oneshot(0, described).to_le_bytes()[1] != sum[0] {
            return Err("an lz4 header fails its checksum");
        }
        if let Some(size) = described.get(2..).and_then(|rest| rest.first_chunk()) {
            self.frame.content_size = Some(u64::from_le_bytes(*size));
        }
        Ok(Next::Size)
    }

    fn size(&mut self, word: u32) -> Result<Next> {
        if word == 0 {
            if self.missing && !self.frame.block_sums {
                return Err("an lz4 frame of which a block is lost: the others cannot be checked");
            }
            let whole = !self.missing;
            if self
                .frame
                .content_size
                .is_some_and(|size| whole && size != self.decoded)
            {
                return Err("an lz4 frame is not as long as it says");
            }
            self.ended = !self.frame.content_sum;
            return Ok(Next::ContentSum);
        }
        let len = (word & 0x7fff_ffff) as usize;
        if len > self.frame.block_size {
            return Err("an lz4 block that is too large");
        }
        let stored = word >> 31 == 1;
        Ok(Next::Block { len, stored })
    }

    fn block(&mut self, bytes: &[u8], len: usize, stored: bool) -> Result<Next> {
        let (block, sum) = bytes.split_at(len);
        if !sum.is_empty() && XxHash32::oneshot(0, block) != word(sum) {
            return Err("an lz4 block fails its checksum");
        }
        self.decode(block, stored)?;
        Ok(Next::Size)
    }

    /// The next frame may follow without a mark.
    fn legacy_size(&mut self, word: u32) -> Result<Next> {
        if let Ok(next) = magic(word) {
            self.window.clear();
            self.given = 0;
            return Ok(next);
        }
        let len = word as usize;
        if len == 0 || len > LEGACY_BLOCK + LEGACY_BLOCK / 255 + 16 {
            return Err("an lz4 block that is too large");
        }
        Ok(Next::LegacyBlock(len))
    }

    /// Appends a block to the window. Everything in the window was handed on before.
    fn decode(&mut self, block: &[u8], stored: bool) -> Result<()> {
        let keep = if self.frame.linked { WINDOW } else { 0 };
        let old = self.window.len().saturating_sub(keep);
        self.window.drain(..old);
        self.given = self.window.len();
        if stored {
            self.window.extend_from_slice(block);
        } else {
            self.window.resize(self.given + self.frame.block_size, 0);
            let (before, room) = self.window.split_at_mut(self.given);
            let decoded = decompress_into_with_dict(block, room, before);
            let end = self.given + *decoded.as_ref().unwrap_or(&0);
            self.window.truncate(end);
            decoded.map_err(|_| "corrupt lz4 data")?;
        }
        let fresh = &self.window[self.given..];
        self.decoded += fresh.len() as u64;
        if self.frame.content_sum {
            self.sum.write(fresh);
        }
        Ok(())
    }
}

fn magic(word: u32) -> Result<Next> {
    match word {
        FRAME => Ok(Next::Descriptor(2)),
        LEGACY => Ok(Next::LegacySize),
        word if word & 0xffff_fff0 == 0x184d_2a50 => Ok(Next::SkipSize),
        _ => Err("no lz4 frame"),
    }
}

/// Four bytes, or fewer at the end of what is there.
fn word(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |word| u32::from_le_bytes(*word))
}
