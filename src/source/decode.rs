//! Decoders: from a file's bytes to the log's, appended to whatever buffer the lines are cut from.
//!
//! A decoder is also a reader ([`Input`]), so that an archive can be read from what it decodes.

use std::io::{self, Read};

use super::codecs::{Engine, Step};
use super::limits::{self, Budget};
use super::tape::{Damage, Input, Tape};
use super::{Codec, Problem, magic};

/// A file and what decodes it.
pub(super) struct Decoder<'a> {
    pub(super) tape: Tape<'a>,
    pub(super) codec: Codec,
    engine: Option<Engine>,
    /// Inside a member, not between two.
    inside: bool,
    /// Decoded, looked at, and not handed on.
    ahead: Vec<u8>,
    /// What the end was, once it was reached.
    end: Option<Result<(), Damage>>,
    /// Bytes that may still come out.
    left: u64,
    limit: u64,
    /// Of the file that a member lies in.
    pub(super) budget: Option<Budget>,
    /// The time in the gzip header.
    pub(super) packed_at: Option<i64>,
}

/// Bytes that are decoded at once for a reader.
const STEP: usize = 64 * 1024;

impl<'a> Decoder<'a> {
    /// A decoder of `codec`, of which at most `limit` bytes come. The input is hashed unless it is plain, whose
    /// digest is that of what comes out.
    pub(super) fn new(tape: Tape<'a>, codec: Codec, limit: u64) -> io::Result<Decoder<'a>> {
        Ok(Decoder {
            tape,
            codec,
            engine: Engine::new(codec)?,
            inside: false,
            ahead: Vec::new(),
            end: None,
            packed_at: None,
            left: limit,
            limit,
            budget: None,
        })
    }

    /// The same, of the codec that the first bytes tell; and why there is no use in decoding, if so. Damage of what it
    /// lies in is told when it is read.
    pub(super) fn recognise(
        mut tape: Tape<'a>,
        limit: u64,
    ) -> io::Result<(Decoder<'a>, Option<Problem>)> {
        if let Err(error) = tape.peek(magic::MAGIC) {
            let damaged = error.get_ref().is_some_and(|inner| inner.is::<Damage>());
            if !damaged && tape.buffered().is_empty() {
                return Err(error);
            }
        }
        let (codec, problem) = magic::recognise(tape.buffered());
        let packed_at = magic::gzip_time(tape.buffered());
        let decoder = Decoder {
            packed_at,
            ..Decoder::new(tape, codec, limit)?
        };
        Ok((decoder, problem))
    }

    /// Appends about `room` decoded bytes to `out`; `Ok(false)` when nothing comes after them. What was
    /// appended is good also when damage is returned.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>, room: usize) -> Result<bool, Damage> {
        if !self.ahead.is_empty() {
            out.append(&mut self.ahead);
            return Ok(true);
        }
        if let Some(end) = &self.end {
            return end.clone().map(|()| false);
        }
        let before = out.len();
        let result = self.try_fill(out, room);
        let mut result = result.unwrap_or_else(|error| Err(Damage::met(self.tape.at(), &error)));
        let fresh = (out.len() - before) as u64;
        // Plain bytes are what they are; only what is unpacked can be too much.
        if self.engine.is_some() && fresh > 0 {
            let (allowed, words) = self.allowed(fresh);
            self.left -= allowed;
            if let Some(words) = words {
                out.truncate(before + allowed as usize);
                result = Err(Damage::stopped(self.tape.at(), words));
            }
        }
        match &result {
            Ok(true) => {}
            Ok(false) => self.end = Some(Ok(())),
            Err(damage) => self.end = Some(Err(damage.clone())),
        }
        result
    }

    /// How many of so many bytes may come out, and what is said when that is not all.
    fn allowed(&self, fresh: u64) -> (u64, Option<String>) {
        let own = fresh.min(self.left);
        if let Some(budget) = &self.budget {
            let taken = budget.take(own);
            if taken < own {
                return (taken, Some(budget.words()));
            }
        }
        (own, (own < fresh).then(|| limits::words(self.limit)))
    }

    /// The next `wanted` decoded bytes, or as many as there are, which will come again.
    pub(super) fn look(&mut self, wanted: usize) -> &[u8] {
        let mut ahead = std::mem::take(&mut self.ahead);
        // Damage is told again when what comes before it was taken.
        while ahead.len() < wanted && self.fill(&mut ahead, STEP) == Ok(true) {}
        self.ahead = ahead;
        &self.ahead
    }

    fn try_fill(&mut self, out: &mut Vec<u8>, room: usize) -> io::Result<Result<bool, Damage>> {
        if self.engine.is_none() {
            return Ok(Ok(self.tape.append(out, room)? > 0));
        }
        out.reserve(room.max(1));
        while out.len() < out.capacity() {
            if !self.inside {
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
                    if !self.engine.as_ref().is_some_and(Engine::may_end) {
                        return Ok(self.damage("the compressed data end early".into()));
                    }
                    self.inside = false;
                }
                Step::More | Step::MemberEnd => {}
            }
        }
        Ok(Ok(true))
    }

    fn damage<T>(&self, what: String) -> Result<T, Damage> {
        Err(Damage::new(self.tape.at(), what))
    }

    /// Goes to the next member, over zeros (tapes and block devices pad with them). `Some(false)` at the end of
    /// the file, `None` when something else follows.
    fn next_member(&mut self) -> io::Result<Option<bool>> {
        loop {
            let next = self.tape.peek(magic::MEMBER)?;
            let zeros = next.iter().take_while(|byte| **byte == 0).count();
            if next.is_empty() {
                return Ok(Some(false));
            }
            if zeros > 0 {
                self.tape.consume(zeros);
                continue;
            }
            let engine = self.engine.as_mut();
            self.inside = engine.is_some_and(|engine| engine.enter(next).unwrap_or(false));
            return Ok(self.inside.then_some(true));
        }
    }

    /// Decodes what is buffered, as far as it fits; says whether the file had ended.
    fn step(&mut self, out: &mut Vec<u8>) -> io::Result<(Step, bool)> {
        let input = self.tape.peek(1)?;
        let ended = input.is_empty();
        let Some(engine) = &mut self.engine else {
            return Ok((Step::More, ended));
        };
        let (used, step) = engine.step(input, out);
        if matches!(step, Step::MemberEnd) {
            self.inside = false;
        }
        self.tape.consume(used);
        Ok((step, ended))
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.engine.is_none() && self.ahead.is_empty() && self.tape.hashed() {
            let next = self.tape.peek(1)?;
            let taken = next.len().min(buffer.len());
            buffer[..taken].copy_from_slice(&next[..taken]);
            self.tape.consume(taken);
            return Ok(taken);
        }
        let ahead = self.look(1);
        let taken = ahead.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&ahead[..taken]);
        self.ahead.drain(..taken);
        match &self.end {
            Some(Err(damage)) if taken == 0 => Err(damage.clone().into_error()),
            _ => Ok(taken),
        }
    }
}

impl Input for Decoder<'_> {
    fn jump(&mut self, bytes: u64) -> io::Result<u64> {
        if self.engine.is_some() || self.tape.hashed() {
            return Ok(0);
        }
        let ahead = (self.ahead.len() as u64).min(bytes);
        self.ahead.drain(..ahead as usize);
        Ok(ahead + self.tape.skip(bytes - ahead)?)
    }
}

impl<T: Input> Input for &mut T {
    fn jump(&mut self, bytes: u64) -> io::Result<u64> {
        (**self).jump(bytes)
    }
}
