//! Decoders: from a file's bytes to the log's, appended to whatever buffer the lines are cut from.
//!
//! The codecs' streaming states are driven directly, not through their readers: so the offset at which
//! a file is damaged is exact, and what came out before the damage is kept.

use std::fs::File;
use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{Decoder as Zstd, InBuffer, Operation, OutBuffer};

use super::digest::Digest;
use super::{Codec, magic};

/// The side of the disk: what was read, and what of it is still to be decoded.
pub(super) struct Tape {
    file: File,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Of everything that went through the buffer.
    digest: Digest,
    /// Bytes read from disk.
    pub(super) read: u64,
    reported: u64,
}

/// Compressed bytes read at once.
const READ: usize = 256 * 1024;

impl Tape {
    pub(super) fn new(file: File) -> Tape {
        let digest = Digest::default();
        Tape {
            file,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            digest,
            read: 0,
            reported: 0,
        }
    }

    /// Bytes read since the last call.
    pub(super) fn fresh(&mut self) -> u64 {
        let fresh = self.read - self.reported;
        self.reported = self.read;
        fresh
    }

    /// Bytes that were consumed.
    fn at(&self) -> u64 {
        self.read - (self.end - self.start) as u64
    }

    fn consume(&mut self, bytes: usize) {
        self.start = self.end.min(self.start + bytes);
    }

    /// What is next, at least `wanted` bytes of it unless the file ends.
    fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.end - self.start < wanted.max(1) {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            self.buffer.resize(READ, 0);
            match self.file.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(n) => {
                    self.digest.update(&self.buffer[self.end..self.end + n]);
                    self.end += n;
                    self.read += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Reads one buffer on, for its digest only; `false` at the end.
    pub(super) fn pass(&mut self) -> io::Result<bool> {
        self.start = self.end;
        Ok(!self.peek(1)?.is_empty())
    }

    /// Appends bytes as they are, past the buffer.
    fn append(&mut self, out: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        let before = out.len();
        let result = (&mut self.file).take(room as u64).read_to_end(out);
        self.read += (out.len() - before) as u64;
        result
    }

    /// SHA-256 of what went through the buffer.
    pub(super) fn sha256(self) -> String {
        self.digest.hex()
    }
}

/// Where a file is damaged, and the codec's words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) at: u64,
    pub(super) what: String,
}

/// A file and what decodes it.
pub(super) struct Decoder {
    pub(super) tape: Tape,
    codec: State,
}

enum State {
    Plain,
    Gzip(Box<Decompress>, Member),
    Zstd(Zstd<'static>, Member, usize),
}

/// Where in a gzip or zstd file the decoder is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Between,
    Inside,
}

/// What one call of a codec came to.
enum Step {
    More,
    MemberEnd,
    Failed(String),
}

impl Decoder {
    /// A decoder of `file`. Codecs that this version does not read are passed through as they are; the
    /// caller does not let it come to that.
    pub(super) fn new(file: File, codec: Codec) -> io::Result<Decoder> {
        let codec = match codec {
            Codec::Gzip => State::Gzip(gzip(), Member::Between),
            Codec::Zstd => State::Zstd(Zstd::new()?, Member::Between, ZSTD_START),
            Codec::Plain | Codec::Bzip2 | Codec::Xz | Codec::Lz4 => State::Plain,
        };
        Ok(Decoder {
            tape: Tape::new(file),
            codec,
        })
    }

    /// Appends about `room` decoded bytes to `out`; `Ok(false)` when nothing comes after them. What was
    /// appended is good also when damage is returned.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>, room: usize) -> Result<bool, Damage> {
        let result = self.try_fill(out, room);
        result.unwrap_or_else(|error| self.damage(plain_words(&error)))
    }

    fn try_fill(&mut self, out: &mut Vec<u8>, room: usize) -> io::Result<Result<bool, Damage>> {
        if matches!(self.codec, State::Plain) {
            return Ok(Ok(self.tape.append(out, room)? > 0));
        }
        out.reserve(room.max(1));
        while out.len() < out.capacity() {
            if !self.inside() {
                match self.next_member()? {
                    Some(true) => {}
                    Some(false) => return Ok(Ok(false)),
                    None => return Ok(self.damage("other data after the compressed data".into())),
                }
            }
            let before = out.len();
            let (step, ended) = self.step(out)?;
            match step {
                Step::Failed(what) => return Ok(self.damage(what)),
                Step::More if ended && out.len() == before => {
                    return Ok(self.damage("the compressed data end early".into()));
                }
                Step::More | Step::MemberEnd => {}
            }
        }
        Ok(Ok(true))
    }

    fn damage<T>(&self, what: String) -> Result<T, Damage> {
        Err(Damage {
            at: self.tape.at(),
            what,
        })
    }

    fn inside(&self) -> bool {
        match &self.codec {
            State::Plain => true,
            State::Gzip(_, member) | State::Zstd(_, member, _) => *member == Member::Inside,
        }
    }

    /// Goes to the next member, over zeros (tapes and block devices pad with them). `Some(false)` at the end of
    /// the file, `None` when something else follows.
    fn next_member(&mut self) -> io::Result<Option<bool>> {
        loop {
            let next = self.tape.peek(4)?;
            let zeros = next.iter().take_while(|byte| **byte == 0).count();
            if next.is_empty() {
                return Ok(Some(false));
            }
            if zeros > 0 {
                self.tape.consume(zeros);
                continue;
            }
            return Ok(self.enter().then_some(true));
        }
    }

    /// Begins a member if one begins here.
    fn enter(&mut self) -> bool {
        let next = &self.tape.buffer[self.tape.start..self.tape.end];
        match &mut self.codec {
            State::Gzip(inflate, member) if magic::is_gzip(next) => {
                **inflate = *gzip();
                *member = Member::Inside;
                true
            }
            State::Zstd(_, member, wanted) if magic::is_zstd(next) => {
                (*member, *wanted) = (Member::Inside, ZSTD_START);
                true
            }
            _ => false,
        }
    }

    /// Decodes what is buffered, as far as it fits; says whether the file had ended.
    fn step(&mut self, out: &mut Vec<u8>) -> io::Result<(Step, bool)> {
        let input = self.tape.peek(1)?;
        let ended = input.is_empty();
        let (used, step, member) = match &mut self.codec {
            State::Plain => return Ok((Step::More, ended)),
            State::Gzip(inflate, member) => {
                let (used, step) = inflate_some(inflate, input, out);
                (used, step, member)
            }
            State::Zstd(decoder, member, wanted) => {
                let (used, step) = unzstd_some(decoder, input, out, wanted);
                (used, step, member)
            }
        };
        if matches!(step, Step::MemberEnd) {
            *member = Member::Between;
        }
        self.tape.consume(used);
        Ok((step, ended))
    }
}

/// A decoder of one member that checks its header and its CRC.
fn gzip() -> Box<Decompress> {
    Box::new(Decompress::new_gzip(15))
}

fn inflate_some(inflate: &mut Decompress, input: &[u8], out: &mut Vec<u8>) -> (usize, Step) {
    let before = inflate.total_in();
    let result = inflate.decompress_vec(input, out, FlushDecompress::None);
    let used = usize::try_from(inflate.total_in() - before).unwrap_or(input.len());
    let step = match result {
        Ok(Status::StreamEnd) => Step::MemberEnd,
        Ok(Status::Ok | Status::BufError) => Step::More,
        Err(error) => Step::Failed(error.message().unwrap_or("corrupt deflate data").to_owned()),
    };
    (used, step)
}

/// What a zstd frame's header needs at least.
const ZSTD_START: usize = 5;

/// Feeds no more than the decoder asks for: that is one block, and blocks before a damaged one are kept.
fn unzstd_some(
    decoder: &mut Zstd<'static>,
    input: &[u8],
    out: &mut Vec<u8>,
    wanted: &mut usize,
) -> (usize, Step) {
    let fed = input.len().min(*wanted);
    let mut input = InBuffer::around(&input[..fed]);
    let filled = out.len();
    let result = decoder.run(&mut input, &mut OutBuffer::around_pos(out, filled));
    let step = match result {
        Ok(0) => Step::MemberEnd,
        Ok(hint) => {
            // The hint is for the whole block; what was fed of it is already subtracted.
            *wanted = hint;
            Step::More
        }
        Err(error) => Step::Failed(plain_words(&error)),
    };
    (input.pos(), step)
}

/// The system's words without its error number.
pub(super) fn plain_words(error: &io::Error) -> String {
    let words = error.to_string();
    match words.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => words,
    }
}
