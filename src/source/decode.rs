//! Decoders: from a file's bytes to the log's, appended to whatever buffer the lines are cut from.
//!
//! A decoder is also a reader ([`Input`]), so that an archive can be read from what it decodes.
//!
//! Damage does not end it: the next member whose header is sound, and of which some can be decoded, is looked for in the
//! packed bytes. What is lost between is a [`Loss`], and told once as an error behind which reading goes on.

use std::io::{self, Read};

use super::codecs::{Engine, Step};
use super::limits::{self, Budget};
use super::loss::{Doubt, Loss, Losses, Mark};
use super::tape::{BACK, Damage, Input, Tape, is_gap};
use super::{Archive, Codec, Problem, magic};

/// What one step came to.
enum Advance {
    On,
    End,
    /// The codec cannot go on; or its data end.
    Failed {
        what: String,
        early: bool,
    },
    /// The codec goes on by itself: what is lost lies between these numbers of bytes before the place where it is.
    Lost {
        what: String,
        from: u64,
        to: u64,
    },
}

/// A file and what decodes it.
pub(super) struct Decoder<'a> {
    pub(super) tape: Tape<'a>,
    pub(super) codec: Codec,
    engine: Option<Engine>,
    /// Inside a member, not between two.
    inside: bool,
    /// The first byte at which another member can begin.
    floor: u64,
    /// Decoded, looked at, and not handed on.
    ahead: Vec<u8>,
    /// What was decoded to see whether a member is one.
    tried: Vec<u8>,
    /// Comes after `ahead`, and was not told.
    gap: Option<Damage>,
    /// Comes after `gap`: decoded, looked at, and what damage ended it.
    beyond: Vec<u8>,
    gap_beyond: Option<Damage>,
    /// What came out so far.
    came: Mark,
    /// What of it was checked.
    sure: Mark,
    pub(super) losses: Losses,
    /// Members that were tried and are none.
    false_starts: usize,
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

/// Bytes in which a zip that unpacks itself has its first member.
const PROGRAM: usize = 512 * 1024;

/// Bytes behind a damaged beginning in which an archive has another member.
const BEYOND: usize = 8 << 20;

/// Bytes that a member has to give after damage, unless it is shorter: what is none fails before.
const TRIED: usize = 4 * 1024;

/// Packed bytes after which it is one, whatever came.
const TRIED_PACKED: u64 = BACK as u64 / 2;

/// Members that are tried in vain in one file, at most, and losses: a file can be made of their beginnings.
const MOST: usize = 1000;

impl<'a> Decoder<'a> {
    /// A decoder of `codec`, of which at most `limit` bytes come. The input is hashed unless it is plain, whose
    /// digest is that of what comes out.
    pub(super) fn new(tape: Tape<'a>, codec: Codec, limit: u64) -> io::Result<Decoder<'a>> {
        Ok(Decoder {
            tape,
            codec,
            engine: Engine::new(codec)?,
            inside: false,
            floor: 0,
            ahead: Vec::new(),
            tried: Vec::new(),
            gap: None,
            beyond: Vec::new(),
            gap_beyond: None,
            came: Mark::default(),
            sure: Mark::default(),
            losses: Losses::default(),
            false_starts: 0,
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
    /// appended is good also when damage is returned, and more may follow when the damage says so.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>, room: usize) -> Result<bool, Damage> {
        if !self.ahead.is_empty() {
            out.append(&mut self.ahead);
            return Ok(true);
        }
        if let Some(gap) = self.gap.take() {
            return Err(gap);
        }
        if !self.beyond.is_empty() {
            out.append(&mut self.beyond);
            return Ok(true);
        }
        if let Some(gap) = self.gap_beyond.take() {
            return Err(gap);
        }
        if let Some(end) = &self.end {
            return end.clone().map(|()| false);
        }
        let before = out.len();
        let result = self.try_fill(out, room);
        let mut result = result.unwrap_or_else(|error| self.ended(&error));
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
            Err(damage) if damage.goes_on => {}
            Err(damage) => self.end = Some(Err(damage.clone())),
        }
        result
    }

    /// What it lies in is damaged or cannot be read.
    fn ended(&mut self, error: &io::Error) -> Result<bool, Damage> {
        let damage = Damage::met(self.tape.at(), error);
        if !damage.stopped {
            self.lose(damage.at, None, damage.what.clone(), true);
        }
        Err(damage)
    }

    /// The archive that it decodes to. Where its beginning is damaged, a header of a later member tells.
    pub(super) fn archive(&mut self) -> Option<Archive> {
        let start = self.look(magic::MAGIC);
        if magic::is_program(start) {
            return magic::holds_zip(self.look(PROGRAM)).then_some(Archive::Zip);
        }
        let cut = start.len() < magic::MAGIC;
        let known = magic::archive(start);
        if known.is_some() || !cut || self.gap.is_none() {
            return known;
        }
        let beyond = self.look_beyond(BEYOND);
        match magic::next_tar(beyond) {
            Some(_) => Some(Archive::Tar),
            None => magic::holds_zip(beyond).then_some(Archive::Zip),
        }
    }

    /// Nothing but `ahead` comes before what is on the tape.
    fn is_level(&self) -> bool {
        self.gap.is_none() && self.beyond.is_empty() && self.gap_beyond.is_none()
    }

    /// What follows the damage before which [`Decoder::look`] ended, up to the next damage; it will come again.
    pub(super) fn look_beyond(&mut self, wanted: usize) -> &[u8] {
        if self.beyond.len() < wanted && self.gap_beyond.is_none() && self.gap.is_some() {
            let (ahead, gap) = (std::mem::take(&mut self.ahead), self.gap.take());
            let mut beyond = std::mem::take(&mut self.beyond);
            while beyond.len() < wanted {
                match self.fill(&mut beyond, STEP) {
                    Ok(true) => {}
                    // Where nothing lies between two, they are one.
                    Err(damage) if damage.goes_on && beyond.is_empty() => {}
                    Err(damage) if damage.goes_on => {
                        self.gap_beyond = Some(damage);
                        break;
                    }
                    _ => break,
                }
            }
            (self.ahead, self.gap, self.beyond) = (ahead, gap, beyond);
        }
        &self.beyond
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
        // Damage is told when what comes before it was taken.
        while ahead.len() < wanted && self.gap.is_none() {
            match self.fill(&mut ahead, STEP) {
                Ok(true) => {}
                Err(damage) if damage.goes_on => self.gap = Some(damage),
                _ => break,
            }
        }
        self.ahead = ahead;
        &self.ahead
    }

    fn try_fill(&mut self, out: &mut Vec<u8>, room: usize) -> io::Result<Result<bool, Damage>> {
        if self.engine.is_none() {
            let taken = self.tape.append(out, room)?;
            self.came.bytes += taken as u64;
            return Ok(Ok(taken > 0));
        }
        if !self.tried.is_empty() {
            out.append(&mut self.tried);
            return Ok(Ok(true));
        }
        out.reserve(room.max(1));
        while out.len() < out.capacity() {
            match self.advance(out) {
                Ok(Some(Advance::On)) => {}
                Ok(Some(Advance::End)) => return Ok(Ok(false)),
                Ok(Some(Advance::Lost { what, from, to })) => {
                    let at = self.tape.at();
                    let most = self.losses.len() >= MOST as u64;
                    self.lose(
                        at - from,
                        Some(at - to).filter(|_| !most),
                        what.clone(),
                        false,
                    );
                    return Ok(Err(match most {
                        true => Damage::new(at, what),
                        false => self.going_on(at, what),
                    }));
                }
                Ok(Some(Advance::Failed { what, early })) => {
                    return self.salvage(what, early).map(Err);
                }
                Ok(None) => {
                    let what = "other data after the compressed data".into();
                    return self.salvage(what, false).map(Err);
                }
                // What it lies in goes on after damage; so may this.
                Err(error) if is_gap(&error) => {
                    let what = Damage::met(0, &error).what;
                    self.tape.discard();
                    self.floor = self.tape.at();
                    return self.salvage(what, false).map(Err);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Ok(true))
    }

    /// One step on. `None` where something follows that is no member.
    fn advance(&mut self, out: &mut Vec<u8>) -> io::Result<Option<Advance>> {
        if !self.inside {
            match self.next_member()? {
                Some(true) => {}
                Some(false) => return Ok(Some(Advance::End)),
                None => return Ok(None),
            }
        }
        let before = out.len();
        let (step, ended) = self.step(out)?;
        let fresh = &out[before..];
        self.came.bytes += fresh.len() as u64;
        self.came.lines += memchr::memchr_iter(b'\n', fresh).count() as u64;
        let checked = self.engine.as_ref().is_some_and(Engine::checks_first);
        if checked || matches!(step, Step::MemberEnd) {
            self.sure = self.came;
        }
        Ok(Some(match step {
            Step::Failed(what) => Advance::Failed { what, early: false },
            Step::Lost { what, from, to } => Advance::Lost { what, from, to },
            Step::More if ended && fresh.is_empty() => {
                if !self.engine.as_ref().is_some_and(Engine::may_end) {
                    let what = "the compressed data end early".into();
                    return Ok(Some(Advance::Failed { what, early: true }));
                }
                self.leave();
                Advance::On
            }
            Step::More | Step::MemberEnd => Advance::On,
        }))
    }

    /// Writes down a loss. What came since the last checksum is in doubt.
    fn lose(&mut self, at: u64, resumed: Option<u64>, what: String, early: bool) {
        let doubt = match (self.engine.is_some() && self.sure != self.came, early) {
            (false, _) => None,
            (true, false) => Some(Doubt::Wrong(self.sure)),
            (true, true) => Some(Doubt::Unchecked(self.sure)),
        };
        self.sure = self.came;
        self.losses.push(Loss {
            at,
            resumed,
            before: self.came,
            doubt,
            what,
        });
    }

    fn going_on(&self, at: u64, what: String) -> Damage {
        Damage {
            goes_on: true,
            ..Damage::new(at, what)
        }
    }

    /// After damage: goes on at the next member of which some can be decoded.
    fn salvage(&mut self, what: String, early: bool) -> io::Result<Damage> {
        let (at, before) = (self.tape.at(), (self.came, self.sure));
        let found = match self.losses.len() < MOST as u64 {
            true => self.resume(at)?,
            false => None,
        };
        let after = (self.came, self.sure);
        (self.came, self.sure) = before;
        self.lose(at, found, what.clone(), early && found.is_none());
        if found.is_some() {
            self.came = after.0;
            self.sure = if after.1.bytes > self.sure.bytes {
                after.1
            } else {
                self.sure
            };
            return Ok(self.going_on(at, what));
        }
        Ok(Damage::new(at, what))
    }

    /// Finds a member behind damage that was noticed at a byte, and decodes a little of it.
    fn resume(&mut self, noticed: u64) -> io::Result<Option<u64>> {
        let one = self.engine.as_ref().is_some_and(Engine::is_one_member);
        let reach = if one { BACK as u64 } else { 0 };
        let mut from = self.floor.max(noticed.saturating_sub(reach));
        self.inside = false;
        let mark = self.came;
        while self.false_starts < MOST {
            self.tape.back_to(from);
            let Some(start) = self.find()? else {
                return Ok(None);
            };
            self.sure = mark;
            if self.attempt(start)? {
                return Ok(Some(start));
            }
            self.came = mark;
            self.tried.clear();
            self.false_starts += 1;
            from = (start + 1).max(self.tape.at().saturating_sub(BACK as u64));
        }
        Ok(None)
    }

    /// Goes to where a member may begin.
    fn find(&mut self) -> io::Result<Option<u64>> {
        loop {
            let next = match self.tape.peek(magic::START) {
                Ok(next) => next,
                Err(error) if is_gap(&error) => {
                    self.tape.discard();
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(at) = magic::next_member(self.codec, next) {
                self.tape.consume(at);
                return Ok(Some(self.tape.at()));
            }
            let (len, kept) = (next.len(), magic::START - 1);
            self.tape.consume(len.saturating_sub(kept).max(1));
            if len <= kept {
                self.tape.consume(len);
                return Ok(None);
            }
        }
    }

    /// Decodes some of the member that begins here, to see whether it is one.
    fn attempt(&mut self, start: u64) -> io::Result<bool> {
        let mut tried = Vec::with_capacity(TRIED);
        let mut entered = false;
        let good = loop {
            if tried.len() == tried.capacity() || self.tape.at() - start > TRIED_PACKED {
                break true;
            }
            if entered && !self.inside {
                break true;
            }
            entered = true;
            match self.advance(&mut tried) {
                Ok(Some(Advance::On)) => {}
                Ok(_) => break false,
                Err(error) if is_gap(&error) => {
                    self.tape.discard();
                    break false;
                }
                Err(error) => return Err(error),
            }
        };
        self.tried = tried;
        self.inside &= good;
        Ok(good)
    }

    /// A member has ended.
    fn leave(&mut self) {
        self.inside = false;
        self.floor = self.tape.at();
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
            self.floor = self.tape.at() + u64::from(self.inside);
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
        self.tape.consume(used);
        if matches!(step, Step::MemberEnd) {
            self.leave();
        }
        Ok((step, ended))
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.engine.is_none() && self.is_level() && self.ahead.is_empty() && self.tape.hashed() {
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
        if taken > 0 {
            return Ok(taken);
        }
        if let Some(gap) = self.gap.take() {
            return Err(gap.into_error());
        }
        match &self.end {
            Some(Err(damage)) => Err(damage.clone().into_error()),
            _ => Ok(0),
        }
    }
}

impl Input for Decoder<'_> {
    fn jump(&mut self, bytes: u64) -> io::Result<u64> {
        if self.engine.is_some() || self.tape.hashed() || !self.is_level() {
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
