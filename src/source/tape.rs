//! What is read, and what of it is still to be decoded: a window over a file, a member of an archive, or a decoder's output.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::digest::Digest;

/// What a tape reads: a file, a member, a decoder.
pub(super) trait Input: Read + Send {
    /// Goes on by up to `bytes` without reading them, where that costs nothing. Says how far it went.
    fn jump(&mut self, _bytes: u64) -> io::Result<u64> {
        Ok(0)
    }
}

impl Input for File {
    fn jump(&mut self, bytes: u64) -> io::Result<u64> {
        let (at, len) = (self.stream_position()?, self.metadata()?.len());
        // Beyond its end a file can be sought, and is not there.
        let to = at.saturating_add(bytes).min(len.max(at));
        self.seek(SeekFrom::Start(to))?;
        Ok(to - at)
    }
}

/// The side of the disk: what was read, and what of it is still to be decoded.
pub(super) struct Tape<'a> {
    input: Box<dyn Input + 'a>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Of everything that went through the buffer, when it is wanted.
    digest: Option<Digest>,
    /// Bytes read.
    pub(super) read: u64,
    reported: u64,
}

/// Bytes read at once.
const READ: usize = 256 * 1024;

/// Bytes that stay in reach behind: a codec may notice damage when it has run into what comes after.
pub(super) const BACK: usize = 64 * 1024;

impl<'a> Tape<'a> {
    /// With a digest of all that is read, or without.
    pub(super) fn new(input: Box<dyn Input + 'a>, hashed: bool) -> Tape<'a> {
        Tape {
            input,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            digest: hashed.then(Digest::default),
            read: 0,
            reported: 0,
        }
    }

    /// Leaves the digest to others, as long as nothing was consumed.
    pub(super) fn without_digest(&mut self) {
        self.digest = None;
    }

    pub(super) fn hashed(&self) -> bool {
        self.digest.is_some()
    }

    /// Bytes read since the last call.
    pub(super) fn fresh(&mut self) -> u64 {
        let fresh = self.read - self.reported;
        self.reported = self.read;
        fresh
    }

    /// Bytes that were consumed.
    pub(super) fn at(&self) -> u64 {
        self.read - (self.end - self.start) as u64
    }

    /// What is buffered.
    pub(super) fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.start = self.end.min(self.start + bytes);
    }

    /// Goes back to a byte that was consumed, or as far as it is in reach.
    pub(super) fn back_to(&mut self, at: u64) {
        let back = self.at().saturating_sub(at).min(BACK as u64) as usize;
        self.start -= back.min(self.start);
    }

    /// Lets go of what is buffered: what comes next does not follow it.
    pub(super) fn discard(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// What is next, at least `wanted` bytes of it (up to [`READ`]) unless the file ends.
    pub(super) fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.end - self.start < wanted.max(1) {
            let kept = self.start.min(BACK);
            self.buffer.copy_within(self.start - kept..self.end, 0);
            (self.start, self.end) = (kept, self.end - self.start + kept);
            self.buffer.resize(BACK + READ, 0);
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(n) => {
                    let fresh = &self.buffer[self.end..self.end + n];
                    if let Some(digest) = &mut self.digest {
                        digest.update(fresh);
                    }
                    self.end += n;
                    self.read += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.buffered())
    }

    /// Reads one buffer on, for its digest only; `false` at the end.
    pub(super) fn pass(&mut self) -> io::Result<bool> {
        self.start = self.end;
        Ok(!self.peek(1)?.is_empty())
    }

    /// Goes on by `bytes`, or to the end. Says how far it went.
    pub(super) fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let mut left = bytes;
        loop {
            let there = (self.end - self.start) as u64;
            let step = there.min(left);
            self.consume(step as usize);
            left -= step;
            if left > 0 && self.digest.is_none() {
                let jumped = self.input.jump(left)?;
                if jumped > 0 {
                    self.discard();
                }
                self.read += jumped;
                left -= jumped;
            }
            if left == 0 || self.peek(1)?.is_empty() {
                return Ok(bytes - left);
            }
        }
    }

    /// Appends bytes as they are: what is buffered, then past the buffer.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        if self.start < self.end || self.digest.is_some() {
            let taken = self.peek(1)?.len().min(room.max(1));
            out.extend_from_slice(&self.buffer[self.start..self.start + taken]);
            self.consume(taken);
            return Ok(taken);
        }
        self.discard();
        let before = out.len();
        let result = (&mut self.input).take(room as u64).read_to_end(out);
        self.read += (out.len() - before) as u64;
        result
    }

    /// SHA-256 of what went through the buffer.
    pub(super) fn sha256(&self) -> String {
        let digest = self.digest.clone().unwrap_or_default();
        digest.hex()
    }
}

/// Where something is damaged, and the codec's words for it. Travels through readers as the payload of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) at: u64,
    pub(super) what: String,
    /// Nothing is damaged: a limit was reached.
    pub(super) stopped: bool,
    /// Whoever asks again gets what comes after it.
    pub(super) goes_on: bool,
}

impl Damage {
    pub(super) fn new(at: u64, what: impl Into<String>) -> Damage {
        Damage {
            at,
            what: what.into(),
            stopped: false,
            goes_on: false,
        }
    }

    /// That a limit was reached.
    pub(super) fn stopped(at: u64, what: String) -> Damage {
        Damage {
            at,
            what,
            stopped: true,
            goes_on: false,
        }
    }

    /// What an error says, met at byte `at`: damage below keeps its own place.
    pub(super) fn met(at: u64, error: &io::Error) -> Damage {
        let below = error.get_ref().and_then(|inner| inner.downcast_ref());
        match below {
            Some(Damage {
                at: below,
                what,
                stopped,
                ..
            }) => Damage {
                at,
                what: format!("{what}, at byte {below} of what it lies in"),
                stopped: *stopped,
                goes_on: false,
            },
            None => Damage::new(at, plain_words(error)),
        }
    }

    pub(super) fn into_error(self) -> io::Error {
        io::Error::other(self)
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, at byte {}", self.what, self.at)
    }
}

impl std::error::Error for Damage {}

/// An error is damage behind which what was being read goes on.
pub(super) fn is_gap(error: &io::Error) -> bool {
    let damage: Option<&Damage> = error.get_ref().and_then(|inner| inner.downcast_ref());
    damage.is_some_and(|damage| damage.goes_on)
}

/// The system's words without its error number.
pub(super) fn plain_words(error: &io::Error) -> String {
    let words = error.to_string();
    match words.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => words,
    }
}
