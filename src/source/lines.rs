//! From decoded bytes to blocks of whole lines.
//!
//! The decoder writes straight into the buffer that becomes the next [`Block`]; only the begun line at its end
//! is copied over to the one after. Memory is bounded by the block size and [`MAX_LINE`], whatever the lines.

use memchr::{memchr, memchr_iter, memrchr};

use super::{Block, MAX_LINE};

/// What passes from the decoder to the one who counts and hands on.
pub(super) enum Piece {
    /// Lines.
    Block(Block),
    /// The rest of a line whose beginning was a cut block.
    Skipped(Vec<u8>),
    /// So many bytes were read from disk.
    Read(u64),
}

/// Cuts a stream into pieces whose bytes, one after the other, are the stream.
pub(super) struct Splitter {
    buffer: Vec<u8>,
    block_size: usize,
    /// Lines before the buffer.
    pub(super) lines: u64,
    /// The buffer is inside a line that was cut.
    skipping: bool,
    /// The line that begins the buffer is not whole: bytes of it are lost.
    torn: bool,
}

impl Splitter {
    pub(super) fn new(block_size: usize) -> Splitter {
        Splitter {
            buffer: Vec::new(),
            block_size: block_size.max(1),
            lines: 0,
            skipping: false,
            torn: false,
        }
    }

    /// The buffer to append to, and how much. It grows twofold up to the block size, so that a line that is
    /// longer than a small block is not scanned again and again. What is skipped comes in large steps.
    pub(super) fn room(&mut self) -> (&mut Vec<u8>, usize) {
        let used = self.buffer.len();
        let left = self.block_size.saturating_sub(used);
        let room = match left {
            _ if self.skipping => self.block_size.max(MAX_LINE),
            0 => used.clamp(1, MAX_LINE),
            left => left,
        };
        self.buffer.reserve(room);
        (&mut self.buffer, room)
    }

    /// Bytes are lost here: the begun line, and what comes up to the next end of a line, are one line that is not whole.
    pub(super) fn tear(&mut self) {
        self.torn = true;
    }

    /// Hands on the whole lines of the buffer and keeps the begun one.
    pub(super) fn split(&mut self, out: &mut dyn FnMut(Piece)) {
        if self.skipping || self.torn || long_line(&self.buffer).is_some() {
            return self.split_slowly(out);
        }
        let end = memrchr(b'\n', &self.buffer).map_or(0, |at| at + 1);
        let mut next = Vec::new();
        if end > 0 {
            // Room for the rest of the next block at once.
            next.reserve_exact(self.block_size.max(self.buffer.len() - end));
            next.extend_from_slice(&self.buffer[end..]);
            self.buffer.truncate(end);
            let whole = std::mem::replace(&mut self.buffer, next);
            self.emit(whole, out);
        }
    }

    /// The same, where a line of the buffer is longer than any that is parsed.
    fn split_slowly(&mut self, out: &mut dyn FnMut(Piece)) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            if self.skipping {
                rest = self.skip(rest, out);
                continue;
            }
            if self.torn {
                match self.torn_line(rest, out) {
                    Some(after) => rest = after,
                    None => break,
                }
                continue;
            }
            let Some(start) = long_line(rest) else { break };
            self.emit(rest[..start].to_vec(), out);
            self.cut(&rest[start..start + MAX_LINE], out);
            rest = &rest[start + MAX_LINE..];
        }
        let end = match self.torn {
            true => 0,
            false => memrchr(b'\n', rest).map_or(0, |at| at + 1),
        };
        self.emit(rest[..end].to_vec(), out);
        self.buffer = rest[end..].to_vec();
    }

    /// Hands on the line that is not whole as one that was cut; nothing while its end is not there.
    fn torn_line<'a>(&mut self, bytes: &'a [u8], out: &mut dyn FnMut(Piece)) -> Option<&'a [u8]> {
        let reach = &bytes[..bytes.len().min(MAX_LINE)];
        let end = match memchr(b'\n', reach) {
            Some(end) => end + 1,
            None if bytes.len() >= MAX_LINE => MAX_LINE,
            None => return None,
        };
        let (line, rest) = bytes.split_at(end);
        self.cut(line, out);
        Some(rest)
    }

    /// Skips to the end of the line.
    fn skip<'a>(&mut self, bytes: &'a [u8], out: &mut dyn FnMut(Piece)) -> &'a [u8] {
        let end = memchr(b'\n', bytes).map(|at| at + 1);
        self.skipping = end.is_none();
        let (skipped, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        out(Piece::Skipped(skipped.to_vec()));
        rest
    }

    fn cut(&mut self, start: &[u8], out: &mut dyn FnMut(Piece)) {
        let first_line = self.lines + 1;
        self.lines += 1;
        self.skipping = start.last() != Some(&b'\n');
        self.torn = false;
        out(Piece::Block(Block {
            bytes: start.to_vec(),
            first_line,
            cut: true,
        }));
    }

    fn emit(&mut self, bytes: Vec<u8>, out: &mut dyn FnMut(Piece)) {
        if bytes.is_empty() {
            return;
        }
        let first_line = self.lines + 1;
        let open_end = u64::from(bytes.last() != Some(&b'\n'));
        self.lines += memchr_iter(b'\n', &bytes).count() as u64 + open_end;
        out(Piece::Block(Block {
            bytes,
            first_line,
            cut: false,
        }));
    }

    /// Hands on the last line, which has no end. Returns the number of lines.
    pub(super) fn finish(mut self, out: &mut dyn FnMut(Piece)) -> u64 {
        let last = std::mem::take(&mut self.buffer);
        match self.torn && !last.is_empty() {
            true => self.cut(&last, out),
            false => self.emit(last, out),
        }
        self.lines
    }
}

/// Where the first line begins that is known to be too long. Looks at little more than one line in
/// every [`MAX_LINE`] bytes.
fn long_line(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    while let Some(window) = bytes.get(start..start + MAX_LINE + 1) {
        match memrchr(b'\n', window) {
            Some(end) => start += end + 1,
            None => return Some(start),
        }
    }
    None
}

/// Whether a line is no text: more than a twentieth of it are control characters that no text has. NULs at
/// its start do not count; a crash leaves them before a good line. UTF-8 and other alphabets are text.
pub fn looks_binary(line: &[u8]) -> bool {
    let nuls = line.iter().take_while(|byte| **byte == 0).count();
    let rest = &line[nuls..];
    let controls = rest.iter().filter(|byte| is_control(**byte)).count();
    controls * 20 > rest.len() || (nuls > 0 && rest.iter().all(u8::is_ascii_whitespace))
}

/// A control character other than bell, backspace, white space and escape.
fn is_control(byte: u8) -> bool {
    byte == 0x7f || byte < 0x20 && !matches!(byte, 0x07..=0x0d | 0x1b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_lines_are_told_from_text() {
        for text in [
            "",
            "\n",
            "Nov 23 mx1 x: y\r\n",
            "\0\0\0Nov 23 mx1 x: y\n",
            "用户名\n",
            "\x1b[1mx\x1b[0m",
        ] {
            assert!(!looks_binary(text.as_bytes()), "{text:?}");
        }
        for noise in [
            &b"\0\0\0\n"[..],
            b"\x01",
            b"N\0o\0v\0 \0x\0\n",
            b"\x7fELF\x02\x01\x01\0\0",
        ] {
            assert!(looks_binary(noise), "{noise:?}");
        }
    }

    #[test]
    fn a_line_is_too_long_when_its_end_is_not_in_reach() {
        let line = |len: usize| [vec![b'x'; len], vec![b'\n']].concat();
        assert_eq!(long_line(&line(MAX_LINE)), None);
        assert_eq!(long_line(&line(MAX_LINE + 1)), Some(0));
        let later = [line(7), line(MAX_LINE), line(MAX_LINE + 1)].concat();
        assert_eq!(long_line(&later), Some(8 + MAX_LINE + 1));
    }
}
