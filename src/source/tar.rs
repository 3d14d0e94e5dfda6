//! Tar, as a stream: ustar, GNU's long names, pax, sparse files. What cannot be a header is passed over up to the next
//! one, and told.

use std::io::{self, Read};

use super::archive::{Entry, Kind};
use super::magic::{TAR_BLOCK, is_tar, next_tar, was_tar};
use super::sparse::{self, Plan};
use super::tape::{Damage, Tape, is_gap};

/// Bytes of one long name or of one set of attributes, at most.
const EXTRA: u64 = 1 << 20;

/// Bytes in which a header is looked for at once.
const SEARCHED: usize = 64 * 1024;

/// A tar that is being read.
pub(super) struct Tar<'a> {
    tape: Tape<'a>,
    /// Where the next header is.
    next: u64,
    /// What is left of the current file.
    plan: Plan,
    /// Zeros that mark the end were seen.
    ended: bool,
    /// The file's header is damaged: it goes on up to the next header, or to the end. Where it ends by its size.
    open: Option<u64>,
    /// Something of what it lies in is lost: where the next header is, only looking for it tells.
    lost: bool,
    pub(super) fault: Option<Damage>,
}

/// What extended headers say of the header after them.
#[derive(Default)]
struct Extras {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    mtime: Option<i64>,
    sparse: sparse::Pax,
}

impl<'a> Tar<'a> {
    /// From where the tape is, which is before a header.
    pub(super) fn new(tape: Tape<'a>) -> Tar<'a> {
        Tar {
            tape,
            next: 0,
            plan: Plan::default(),
            ended: false,
            open: None,
            lost: false,
            fault: None,
        }
    }

    /// The next file, folder or link.
    pub(super) fn next(&mut self) -> Option<Entry> {
        loop {
            match self.try_next() {
                Ok(entry) => return entry,
                Err(error) => {
                    self.fail(Damage::met(self.tape.at(), &error));
                    if !is_gap(&error) {
                        return None;
                    }
                    self.lost = true;
                }
            }
        }
    }

    /// Goes to the next header that is surely one: nothing tells where it has to be.
    fn search(&mut self) -> io::Result<bool> {
        self.tape.discard();
        loop {
            let next = self.tape.peek(SEARCHED)?;
            if let Some(at) = next_tar(next) {
                self.tape.consume(at);
                self.next = self.tape.at();
                self.lost = false;
                self.ended = false;
                return Ok(true);
            }
            let len = next.len();
            if len < SEARCHED {
                self.tape.consume(len);
                return Ok(false);
            }
            self.tape.consume(len - (TAR_BLOCK - 1));
        }
    }

    fn try_next(&mut self) -> io::Result<Option<Entry>> {
        self.plan = Plan::default();
        if self.open.take().is_some() {
            // Whoever walks has read it to its end.
            self.next = self.tape.at();
        }
        let there = match self.lost {
            true => self.search()?,
            false => self.go_to_next()?,
        };
        if !there {
            return Ok(None);
        }
        let mut extras = Extras::default();
        let mut first = None;
        loop {
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let at = *first.get_or_insert(self.tape.at() - TAR_BLOCK as u64);
            if self.open.is_some() {
                return Ok(Some(damaged(&header, at)));
            }
            let size = extras.size.unwrap_or_else(|| number(&header[124..136]));
            match header[156] {
                b'L' => extras.name = Some(until_nul(&self.extra(size)?).to_vec()),
                b'K' => extras.link = Some(until_nul(&self.extra(size)?).to_vec()),
                b'x' | b'X' => {
                    let attributes = self.extra(size)?;
                    extras.add(&attributes);
                }
                // What holds for the whole archive, and its label, say nothing of a log.
                b'g' | b'V' => drop(self.extra(size)?),
                _ => return self.entry(&header, extras, size, at).map(Some),
            }
        }
    }

    fn fail(&mut self, damage: Damage) {
        self.fault.get_or_insert(damage);
    }

    fn complain(&mut self, what: &str) {
        self.fail(Damage::new(self.tape.at(), what));
    }

    /// Passes over what is left of the file before.
    fn go_to_next(&mut self) -> io::Result<bool> {
        let left = self.next.saturating_sub(self.tape.at());
        let whole = self.tape.skip(left)? == left;
        if !whole {
            self.complain("the archive ends early");
        }
        Ok(whole)
    }

    /// The next header, over zeros and over what is none.
    fn header(&mut self) -> io::Result<Option<[u8; TAR_BLOCK]>> {
        loop {
            let block = self.tape.peek(TAR_BLOCK)?;
            let Some(block) = block.first_chunk::<TAR_BLOCK>().copied() else {
                let rest = block.len();
                let zeros = block.iter().all(|byte| *byte == 0);
                if !self.ended || !zeros {
                    self.complain("the archive ends early");
                }
                self.tape.consume(rest);
                return Ok(None);
            };
            if block.iter().all(|byte| *byte == 0) {
                self.ended = true;
            } else if is_tar(&block) {
                self.tape.consume(TAR_BLOCK);
                self.ended = false;
                return Ok(Some(block));
            } else if was_tar(&block) {
                self.complain("a header with a wrong sum");
                self.tape.consume(TAR_BLOCK);
                self.ended = false;
                let size = number(&block[124..136]);
                self.open = Some(self.tape.at().saturating_add(size));
                return Ok(Some(block));
            } else if self.ended {
                self.complain("other data after the end of the archive");
            } else {
                self.complain("a header with a wrong sum");
            }
            self.tape.consume(TAR_BLOCK);
        }
    }

    /// What an extended header holds.
    fn extra(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let padded = padded(size);
        let mut bytes = Vec::new();
        if size > EXTRA {
            self.complain("an extended header of more than 1 MiB");
        } else {
            let mut left = padded as usize;
            while left > 0 {
                let next = self.tape.peek(1)?;
                let taken = next.len().min(left);
                if taken == 0 {
                    break;
                }
                bytes.extend_from_slice(&next[..taken]);
                self.tape.consume(taken);
                left -= taken;
            }
            bytes.truncate(size as usize);
            return Ok(bytes);
        }
        self.tape.skip(padded)?;
        Ok(bytes)
    }

    /// Some of a file whose header is damaged: up to the next one, without the zeros that fill its last block.
    fn read_open(&mut self, end: u64, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let at = self.tape.at();
            let next = match self.tape.peek(SEARCHED) {
                Ok(next) => next,
                Err(error) => {
                    self.lost |= is_gap(&error);
                    self.open = None;
                    return Err(error);
                }
            };
            let found = next_tar(next);
            let whole = found.is_some() || next.len() < SEARCHED;
            let until = match found {
                Some(at) => at,
                None if whole => next.len(),
                None => next.len() - (TAR_BLOCK - 1),
            };
            let zeros = next[..until].iter().rev().take_while(|byte| **byte == 0);
            let trimmed = until - zeros.count();
            // Zeros before the end that its size says are its own; a size that leads further than the next header is wrong.
            let stated = match whole && end > at + until as u64 {
                true => 0,
                false => {
                    usize::try_from(end.saturating_sub(at)).map_or(until, |len| len.min(until))
                }
            };
            let there = trimmed.max(stated);
            if there > 0 {
                let taken = there.min(buffer.len());
                buffer[..taken].copy_from_slice(&next[..taken]);
                self.tape.consume(taken);
                return Ok(taken);
            }
            self.tape.consume(until);
            if whole {
                return Ok(0);
            }
        }
    }

    fn entry(
        &mut self,
        header: &[u8; TAR_BLOCK],
        extras: Extras,
        size: u64,
        at: u64,
    ) -> io::Result<Entry> {
        let name = extras.name.unwrap_or_else(|| short_name(header));
        let link = extras
            .link
            .as_deref()
            .unwrap_or(until_nul(&header[157..257]));
        let kind = kind(header[156], &name, link);
        // Links and devices have no content, whatever their headers say.
        let stored = if matches!(kind, Kind::Other(_)) {
            0
        } else {
            size
        };
        let begun = self.tape.at();
        self.next = begun.saturating_add(padded(stored));
        let mut entry = Entry {
            name: extras.sparse.name.clone().unwrap_or(name),
            kind,
            at,
            size: Some(stored),
            mtime: Some(extras.mtime.unwrap_or_else(|| signed(&header[136..148]))),
            ..Entry::default()
        };
        if entry.kind == Kind::File {
            let plan = sparse::plan(&mut self.tape, header, &extras.sparse, stored)?;
            // The maps of sparse files lie before their content, in GNU's kind outside its size.
            if header[156] == b'S' {
                self.next = self.tape.at().saturating_add(padded(stored));
            }
            match plan {
                Some(plan) => self.plan = plan,
                None => entry.kind = Kind::Unsupported("a sparse file whose map makes no sense"),
            }
            entry.packed = Some(stored);
        }
        Ok(entry)
    }
}

impl Read for Tar<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(end) = self.open {
            return self.read_open(end, buffer);
        }
        let Some((hole, len)) = self.plan.next() else {
            return Ok(0);
        };
        let wanted = usize::try_from(len).map_or(buffer.len(), |len| len.min(buffer.len()));
        let taken = if hole {
            buffer[..wanted].fill(0);
            wanted
        } else {
            let next = match self.tape.peek(1) {
                Ok(next) => next,
                Err(error) => {
                    self.lost |= is_gap(&error);
                    self.plan = Plan::default();
                    return Err(error);
                }
            };
            let taken = next.len().min(wanted);
            buffer[..taken].copy_from_slice(&next[..taken]);
            self.tape.consume(taken);
            taken
        };
        if taken == 0 && wanted > 0 {
            let at = self.tape.at();
            return Err(Damage::new(at, "the archive ends early").into_error());
        }
        self.plan.took(taken as u64);
        Ok(taken)
    }
}

/// A file of which the header is damaged: nothing of that is sure, its size the least.
fn damaged(header: &[u8; TAR_BLOCK], at: u64) -> Entry {
    Entry {
        name: short_name(header),
        kind: Kind::File,
        at,
        ..Entry::default()
    }
}

fn padded(size: u64) -> u64 {
    size.div_ceil(TAR_BLOCK as u64)
        .saturating_mul(TAR_BLOCK as u64)
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    &bytes[..end]
}

/// The name in the header, after its prefix where there is one.
fn short_name(header: &[u8]) -> Vec<u8> {
    let (name, prefix) = (until_nul(&header[..100]), until_nul(&header[345..500]));
    // GNU's kind has times where ustar has the prefix.
    if header[257..].starts_with(b"ustar\0") && !prefix.is_empty() {
        [prefix, b"/", name].concat()
    } else {
        name.to_vec()
    }
}

fn kind(flag: u8, name: &[u8], link: &[u8]) -> Kind {
    let to = |what: &str| Kind::Other(format!("{what} to {}", String::from_utf8_lossy(link)));
    match flag {
        b'1' => to("hard link"),
        b'2' => to("symbolic link"),
        b'3' => Kind::Other("character device".into()),
        b'4' => Kind::Other("block device".into()),
        b'6' => Kind::Other("FIFO".into()),
        b'5' | b'D' => Kind::Folder,
        b'M' => Kind::Unsupported("the rest of a file that begins in another volume"),
        b'\0' if name.ends_with(b"/") => Kind::Folder,
        _ => Kind::File,
    }
}

/// An octal number, or a binary one where its first bit is set.
pub(super) fn number(field: &[u8]) -> u64 {
    u64::try_from(signed(field)).unwrap_or(0)
}

fn signed(field: &[u8]) -> i64 {
    match field {
        [first @ (0x80 | 0xff), rest @ ..] => {
            let start = if *first == 0xff { -1i64 } else { 0 };
            let shifted = |value: i64, byte: &u8| value.wrapping_shl(8) | i64::from(*byte);
            rest.iter().fold(start, shifted)
        }
        _ => {
            let digits = field.iter().skip_while(|byte| **byte == b' ');
            let digits = digits.take_while(|byte| matches!(byte, b'0'..=b'7'));
            digits.fold(0i64, |value, digit| value << 3 | i64::from(digit - b'0'))
        }
    }
}

impl Extras {
    /// Attributes of pax: `len key=value\n`, one after the other.
    fn add(&mut self, mut bytes: &[u8]) {
        while let Some(blank) = memchr::memchr(b' ', bytes) {
            let Some(len) = decimal(&bytes[..blank]).and_then(|len| usize::try_from(len).ok())
            else {
                return;
            };
            let Some(record) = bytes.get(blank + 1..len) else {
                return;
            };
            bytes = &bytes[len..];
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            if let Some(equals) = memchr::memchr(b'=', record) {
                self.set(&record[..equals], &record[equals + 1..]);
            }
        }
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"path" => self.name = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = decimal(value),
            b"mtime" => {
                let (minus, digits) = match value {
                    [b'-', rest @ ..] => (true, rest),
                    _ => (false, value),
                };
                let whole = digits
                    .split(|byte| *byte == b'.')
                    .next()
                    .unwrap_or_default();
                let seconds = decimal(whole).and_then(|seconds| i64::try_from(seconds).ok());
                self.mtime = seconds.map(|seconds| if minus { -seconds } else { seconds });
            }
            _ => self.sparse.set(key, value),
        }
    }
}

/// A decimal number and nothing else.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits.parse().ok()
}
