//! Zip, as a stream: by the headers before the members, so that a zip inside a compressed tar and one that lost its
//! directory are read too. The directory at the end is counted, to tell what it hides.

use std::io::{self, Read};

use flate2::Crc;
use memchr::memmem;

use super::Codec;
use super::archive::{Entry, Kind};
use super::codecs::{Engine, Step};
use super::magic::{ZIP_MEMBER, is_program, is_zip_member};
use super::tape::{Damage, Tape, is_gap};
use super::zip_fields::{Extra, dos_time, long, short, word};

const MEMBER: &[u8] = b"PK\x03\x04";
const LISTED: &[u8] = b"PK\x01\x02";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// What follows the directory: of archives with wide numbers two records more before it.
const END: &[u8] = b"PK\x05\x06";
const WIDE_END: &[u8] = b"PK\x06\x06";
const LOCATOR: &[u8] = b"PK\x06\x07";
const HEADER: usize = 30;
const LISTING: usize = 46;
const END_LEN: usize = 22;
const LOCATOR_LEN: u64 = 20;
/// Bytes that are decoded at once.
const STEP: usize = 64 * 1024;

/// A zip that is being read.
pub(super) struct Zip<'a> {
    tape: Tape<'a>,
    /// It is read from its beginning.
    whole: bool,
    /// It is before the first member, in the program that unpacks them.
    program: bool,
    current: Option<Current>,
    members: u64,
    pub(super) fault: Option<Damage>,
}

/// The member that is being read.
struct Current {
    method: Method,
    /// Packed bytes that are left, where the header says.
    left: Option<u64>,
    /// Packed bytes that were taken.
    packed: u64,
    /// Checksum and size, where the header says.
    stated: Option<(u32, u64)>,
    /// They come after the content.
    described: bool,
    crc: Crc,
    size: u64,
    ready: Vec<u8>,
    given: usize,
    ended: bool,
    /// What is wrong with it, told whenever it is asked for more.
    failed: Option<Damage>,
}

enum Method {
    Stored,
    Packed(Engine),
    /// Encrypted, or not known.
    Opaque,
}

impl<'a> Zip<'a> {
    /// From where the tape is, which is before a header.
    pub(super) fn new(tape: Tape<'a>) -> Zip<'a> {
        Zip {
            whole: tape.at() == 0,
            program: false,
            tape,
            current: None,
            members: 0,
            fault: None,
        }
    }

    /// The next file or folder.
    pub(super) fn next(&mut self) -> Option<Entry> {
        loop {
            match self.try_next() {
                Ok(entry) => return entry,
                Err(error) => {
                    self.fail(Damage::met(self.tape.at(), &error));
                    if !is_gap(&error) {
                        return None;
                    }
                    self.tape.discard();
                }
            }
        }
    }

    fn fail(&mut self, damage: Damage) {
        self.fault.get_or_insert(damage);
    }

    fn complain(&mut self, what: impl Into<String>) {
        self.fail(Damage::new(self.tape.at(), what));
    }

    fn early(&self) -> io::Error {
        Damage::new(self.tape.at(), "the archive ends early").into_error()
    }

    fn try_next(&mut self) -> io::Result<Option<Entry>> {
        self.leave()?;
        if self.tape.at() == 0 {
            self.program = is_program(self.tape.peek(HEADER)?);
        }
        loop {
            let program = self.program;
            let next = self.tape.peek(if program { ZIP_MEMBER } else { HEADER })?;
            if next.is_empty() {
                self.complain("the archive ends early");
                return Ok(None);
            }
            if program && !is_zip_member(next) {
                self.resync()?;
                continue;
            }
            if next.starts_with(MEMBER) && next.len() >= HEADER {
                return self.enter().map(Some);
            }
            if next.starts_with(LISTED) {
                self.directory()?;
                continue;
            }
            if next.starts_with(END) || next.starts_with(WIDE_END) {
                if self.end_of_archive()? {
                    continue;
                }
                return Ok(None);
            }
            self.resync()?;
        }
    }

    /// Goes to where the next header may be.
    fn resync(&mut self) -> io::Result<()> {
        if !self.program {
            self.complain("no header where one has to be");
        }
        let next = self.tape.peek(HEADER)?;
        let rest = next.get(1..).unwrap_or_default();
        let found = [MEMBER, LISTED].map(|mark| memmem::find(rest, mark));
        let found = found.into_iter().flatten().min();
        let len = found.map_or(next.len().saturating_sub(3).max(1), |at| at + 1);
        self.tape.consume(len);
        Ok(())
    }

    /// Passes over what is left of the member before.
    fn leave(&mut self) -> io::Result<()> {
        let Some(mut current) = self.current.take() else {
            return Ok(());
        };
        if current.ended {
            return Ok(());
        }
        if let Some(left) = current.left {
            if self.tape.skip(left)? < left {
                return Err(self.early());
            }
            if current.described {
                self.pass_descriptor()?;
            }
            return Ok(());
        }
        // Only decoding tells where it ends. Its faults are those of the member.
        while !current.ended {
            let len = self.advance(&mut current);
            match len {
                Ok(()) => {}
                Err(_) if self.tape.peek(1)?.is_empty() => return Err(self.early()),
                Err(_) => return Ok(()),
            }
            current.given = current.ready.len();
        }
        Ok(())
    }

    /// A descriptor has a mark or none, and sizes of four bytes or eight: what follows it tells.
    fn pass_descriptor(&mut self) -> io::Result<()> {
        let next = self.tape.peek(24 + 4)?;
        let follows = |at: usize| next.get(at..at + 2) == Some(b"PK");
        let marked = next.starts_with(DESCRIPTOR);
        let lens = if marked { [16, 24] } else { [12, 20] };
        let len = lens.into_iter().find(|len| follows(*len)).unwrap_or(0);
        self.tape.consume(len);
        Ok(())
    }

    fn enter(&mut self) -> io::Result<Entry> {
        let at = self.tape.at();
        let header = self.tape.peek(HEADER)?;
        let (flags, method) = (short(header, 6), short(header, 8));
        let stamp = (short(header, 10), short(header, 12));
        let (crc, packed, size) = (word(header, 14), word(header, 18), word(header, 22));
        let name_len = usize::from(short(header, 26));
        let len = HEADER + name_len + usize::from(short(header, 28));
        let header = self.tape.peek(len)?;
        let Some(header) = header.get(..len) else {
            return Err(self.early());
        };
        let name = header[HEADER..HEADER + name_len].to_vec();
        let extra = Extra::read(&header[HEADER + name_len..]);
        let wide = |short: u32, wide: Option<u64>| match wide {
            Some(wide) if short == u32::MAX => wide,
            _ => u64::from(short),
        };
        let size = wide(size, extra.size);
        let packed = wide(packed, extra.packed);
        let described = flags & 8 != 0;
        let known = !described || packed > 0;
        self.tape.consume(len);
        self.members += 1;
        self.program = false;
        let (kind, method) = methods(flags, method, &name)?;
        self.current = Some(Current {
            method,
            left: known.then_some(packed),
            packed: 0,
            stated: (!described).then_some((crc, size)),
            described,
            crc: Crc::new(),
            size: 0,
            ready: Vec::new(),
            given: 0,
            ended: false,
            failed: None,
        });
        Ok(Entry {
            name,
            kind,
            at,
            size: (!described).then_some(size),
            packed: known.then_some(packed),
            mtime: extra.mtime.or_else(|| dos_time(stamp)),
        })
    }

    /// Makes more of the member ready, or ends it. What is ready was given.
    fn advance(&mut self, current: &mut Current) -> io::Result<()> {
        current.ready.clear();
        current.given = 0;
        match (&mut current.method, current.left) {
            (Method::Packed(_), _) => self.unpack(current),
            (_, Some(0)) => self.end(current),
            (_, Some(left)) => {
                let next = self.tape.peek(1)?;
                let taken = usize::try_from(left).map_or(next.len(), |left| left.min(next.len()));
                current.ready.extend_from_slice(&next[..taken]);
                current.left = Some(left - taken as u64);
                self.take(current, taken)
            }
            (_, None) => self.search(current),
        }
    }

    fn take(&mut self, current: &mut Current, taken: usize) -> io::Result<()> {
        if taken == 0 {
            return Err(self.early());
        }
        self.tape.consume(taken);
        current.packed += taken as u64;
        current.size += current.ready.len() as u64;
        current.crc.update(&current.ready);
        Ok(())
    }

    fn unpack(&mut self, current: &mut Current) -> io::Result<()> {
        let Method::Packed(engine) = &mut current.method else {
            return Ok(());
        };
        let next = self.tape.peek(1)?;
        let there = next.is_empty();
        let fed = current.left.and_then(|left| usize::try_from(left).ok());
        let fed = &next[..fed.map_or(next.len(), |left| left.min(next.len()))];
        current.ready.reserve(STEP);
        let (used, step) = engine.step(fed, &mut current.ready);
        let ended = fed.is_empty();
        self.tape.consume(used);
        current.packed += used as u64;
        current.left = current.left.map(|left| left - used as u64);
        current.size += current.ready.len() as u64;
        current.crc.update(&current.ready);
        match step {
            Step::Failed(what) | Step::Lost { what, .. } => {
                let at = self.tape.at();
                Err(Damage::new(at, what).into_error())
            }
            Step::MemberEnd if current.left.is_none_or(|left| left == 0) => self.end(current),
            Step::MemberEnd => {
                // Frames of zstd may follow one another.
                let next = self.tape.peek(super::magic::MEMBER)?;
                if engine.enter(next)? {
                    return Ok(());
                }
                let at = self.tape.at();
                Err(Damage::new(at, "other data after the compressed data").into_error())
            }
            Step::More if ended && current.ready.is_empty() => Err(if there {
                self.early()
            } else {
                let at = self.tape.at();
                Damage::new(at, "the compressed data end early").into_error()
            }),
            Step::More => Ok(()),
        }
    }

    /// Content without a size ends at a descriptor that fits it.
    fn search(&mut self, current: &mut Current) -> io::Result<()> {
        let next = self.tape.peek(STEP)?;
        let len = match memmem::find(next, DESCRIPTOR) {
            Some(0) => {
                if let Some(len) = descriptor(next, current) {
                    self.tape.consume(len);
                    current.ended = true;
                    return Ok(());
                }
                1
            }
            Some(at) => at,
            None if next.len() >= STEP => next.len() - 3,
            None => next.len(),
        };
        current.ready.extend_from_slice(&next[..len]);
        self.take(current, len)
    }

    /// All content was taken: it has to be what was stated.
    fn end(&mut self, current: &mut Current) -> io::Result<()> {
        current.ended = true;
        let fits = match current.stated {
            _ if matches!(current.method, Method::Opaque) => {
                if current.described {
                    self.pass_descriptor()?;
                }
                true
            }
            Some((crc, size)) => (crc, size) == (current.crc.sum(), current.size),
            None => {
                let next = self.tape.peek(24)?;
                let len = descriptor(next, current);
                self.tape.consume(len.unwrap_or(0));
                len.is_some()
            }
        };
        if fits {
            return Ok(());
        }
        let at = self.tape.at();
        Err(Damage::new(at, "checksum or size is not that of the archive").into_error())
    }

    /// Passes over the end of an archive, with its comment. Says whether another one follows, as `cat` puts one after the
    /// other: its directory lists its own members alone.
    fn end_of_archive(&mut self) -> io::Result<bool> {
        loop {
            let next = self.tape.peek(END_LEN)?;
            let (len, last) = match next {
                _ if next.starts_with(WIDE_END) && next.len() >= 12 => {
                    (long(next, 4).saturating_add(12), false)
                }
                _ if next.starts_with(LOCATOR) => (LOCATOR_LEN, false),
                _ if next.starts_with(END) && next.len() >= END_LEN => {
                    (END_LEN as u64 + u64::from(short(next, 20)), true)
                }
                _ => {
                    self.complain("the archive ends early");
                    return Ok(false);
                }
            };
            if self.tape.skip(len)? < len {
                self.complain("the archive ends early");
                return Ok(false);
            }
            if last {
                break;
            }
        }
        self.members = 0;
        self.pass_zeros()?;
        let next = self.tape.peek(HEADER)?;
        let follows = next.starts_with(MEMBER) || next.starts_with(END);
        if !follows && !next.is_empty() {
            self.complain("other data after the end of the archive");
            // It may begin anywhere behind them.
            self.resync()?;
            return Ok(true);
        }
        Ok(follows)
    }

    /// Tapes and block devices pad with them.
    fn pass_zeros(&mut self) -> io::Result<()> {
        loop {
            let next = self.tape.peek(1)?;
            let zeros = next.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                return Ok(());
            }
            self.tape.consume(zeros);
        }
    }

    /// Counts what the directory lists.
    fn directory(&mut self) -> io::Result<()> {
        let mut listed = 0u64;
        loop {
            let next = self.tape.peek(LISTING)?;
            if !next.starts_with(LISTED) || next.len() < LISTING {
                break;
            }
            let lens = [28, 30, 32].map(|at| u64::from(short(next, at)));
            self.tape.skip(LISTING as u64 + lens.iter().sum::<u64>())?;
            listed += 1;
        }
        let end = self.tape.peek(4)?;
        let whole = end.starts_with(END) || end.starts_with(WIDE_END);
        if !whole {
            self.complain("the directory of the archive ends early");
        } else if listed != self.members && self.whole {
            let members = self.members;
            self.complain(format!(
                "its directory lists {listed} members, {members} were found"
            ));
        }
        Ok(())
    }
}

impl Read for Zip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut current) = self.current.take() else {
            return Ok(0);
        };
        while current.given == current.ready.len() && !current.ended && current.failed.is_none() {
            if let Err(error) = self.advance(&mut current) {
                let at = self.tape.at();
                let own = error.get_ref().and_then(|inner| inner.downcast_ref());
                current.failed = own.cloned().or_else(|| Some(Damage::met(at, &error)));
            }
        }
        let ready = &current.ready[current.given..];
        let taken = ready.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&ready[..taken]);
        current.given += taken;
        // What came before damage is given first.
        let failed = current.failed.clone().filter(|_| taken == 0);
        self.current = Some(current);
        failed.map_or(Ok(taken), |damage| Err(damage.into_error()))
    }
}

/// What a member is and how it is packed.
fn methods(flags: u16, method: u16, name: &[u8]) -> io::Result<(Kind, Method)> {
    if flags & 1 != 0 {
        return Ok((Kind::Encrypted, Method::Opaque));
    }
    let codec = match method {
        0 => None,
        8 => Some(Engine::deflate()),
        12 => Engine::new(Codec::Bzip2)?,
        93 | 20 => Engine::new(Codec::Zstd)?,
        95 => Engine::new(Codec::Xz)?,
        _ => {
            let what = "a member packed in a way that is not known";
            return Ok((Kind::Unsupported(what), Method::Opaque));
        }
    };
    let folder = name.ends_with(b"/") || name.ends_with(b"\\");
    let kind = if folder { Kind::Folder } else { Kind::File };
    Ok((kind, codec.map_or(Method::Stored, Method::Packed)))
}

/// The length of the descriptor that these bytes begin with, if it fits the content before it.
fn descriptor(bytes: &[u8], current: &Current) -> Option<usize> {
    let mark = if bytes.starts_with(DESCRIPTOR) { 4 } else { 0 };
    let rest = &bytes[mark..];
    let opaque = matches!(current.method, Method::Opaque);
    if rest.len() < 12 || !opaque && word(rest, 0) != current.crc.sum() {
        return None;
    }
    let sizes =
        |packed: u64, size: u64| packed == current.packed && (opaque || size == current.size);
    if rest.len() >= 20 && sizes(long(rest, 4), long(rest, 12)) {
        return Some(mark + 20);
    }
    let narrow = sizes(u64::from(word(rest, 4)), u64::from(word(rest, 8)));
    narrow.then_some(mark + 12)
}
