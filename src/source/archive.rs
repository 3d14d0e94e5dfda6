//! Archives: one stream in, its members out, one after the other and one inside another.
//!
//! [`walk`] goes through an archive in its order and numbers what it meets; the same bytes get the same numbers, so that
//! a member found once ([`super::discover`]) is found again when it is read ([`super::members`]). Nothing is written to
//! disk, and no name in an archive is ever used as a path.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::ops::ControlFlow;

use super::decode::Decoder;
use super::limits::{Budget, Limits};
use super::loss::{Loss, Losses};
use super::tape::{Damage, Input, Tape, plain_words};
use super::tar::Tar;
use super::zip::Zip;
use super::{Archive, Outcome, Problem, limits};

/// Archives inside one another that are read.
const DEPTH: usize = 4;

/// Members of one file, at most: each is a row of a table.
const MEMBERS: usize = 100_000;

/// The name of what comes out of a file that was packed twice.
const UNPACKED: &[u8] = b"unpacked";

/// Characters of a member's name that are kept.
const NAME: usize = 1024;

/// What a header of an archive says.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    /// Where its header begins, in the archive.
    pub(super) at: u64,
    /// Its size, where the header says.
    pub(super) size: Option<u64>,
    /// The bytes that it takes in the archive, where the header says.
    pub(super) packed: Option<u64>,
    /// Seconds since 1970.
    pub(super) mtime: Option<i64>,
}

/// What a member is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    File,
    Folder,
    /// A link or a device, in words.
    Other(String),
    Encrypted,
    Unsupported(&'static str),
}

/// An archive that is being read; as a reader, the content of its current member.
// One at a time is there, on the stack of who reads it.
#[allow(clippy::large_enum_variant)]
pub(super) enum Reader<'a> {
    Tar(Tar<'a>),
    Zip(Zip<'a>),
    /// What is packed again, and whether it was met.
    Packed(Tape<'a>, bool),
}

impl<'a> Reader<'a> {
    /// From where the tape is, which is before a header.
    pub(super) fn new(kind: Archive, tape: Tape<'a>) -> Reader<'a> {
        match kind {
            Archive::Tar => Reader::Tar(Tar::new(tape)),
            Archive::Zip => Reader::Zip(Zip::new(tape)),
            Archive::Packed => Reader::Packed(tape, false),
        }
    }

    fn next(&mut self) -> Option<Entry> {
        match self {
            Reader::Tar(tar) => tar.next(),
            Reader::Zip(zip) => zip.next(),
            Reader::Packed(_, met) => (!std::mem::replace(met, true)).then(|| Entry {
                name: UNPACKED.to_vec(),
                ..Entry::default()
            }),
        }
    }

    /// What is wrong with the archive itself, as far as it was read.
    fn fault(self) -> Option<Damage> {
        match self {
            Reader::Tar(tar) => tar.fault,
            Reader::Zip(zip) => zip.fault,
            Reader::Packed(..) => None,
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Reader::Tar(tar) => tar.read(buffer),
            Reader::Zip(zip) => zip.read(buffer),
            Reader::Packed(tape, _) => {
                let next = tape.peek(1)?;
                let taken = next.len().min(buffer.len());
                buffer[..taken].copy_from_slice(&next[..taken]);
                tape.consume(taken);
                Ok(taken)
            }
        }
    }
}

/// The content of one member, up to its limit.
struct Body<'r, 'a> {
    reader: &'r mut Reader<'a>,
    limit: u64,
    /// The bytes that it takes in the archive, or that its header says and were counted; what comes beyond is counted.
    counted: u64,
    budget: Budget,
    read: u64,
    /// Some of it was not handed on, which the next call tells.
    cut: bool,
}

impl Read for Body<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cut && !buffer.is_empty() {
            return Err(Damage::stopped(self.read, self.budget.words()).into_error());
        }
        let left = self.limit - self.read;
        if left == 0 && !buffer.is_empty() {
            if self.reader.read(&mut buffer[..1])? == 0 {
                return Ok(0);
            }
            return Err(Damage::stopped(self.read, limits::words(self.limit)).into_error());
        }
        let room = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.reader.read(&mut buffer[..room])?;
        let allowed = self.allowed(read);
        self.cut = allowed < read;
        self.read += allowed as u64;
        match allowed {
            0 if self.cut => self.read(buffer),
            _ => Ok(allowed),
        }
    }
}

impl Body<'_, '_> {
    /// How many of the bytes read may be handed on.
    fn allowed(&self, read: usize) -> usize {
        let before = self.read.saturating_sub(self.counted);
        let grown = (self.read + read as u64).saturating_sub(self.counted) - before;
        let refused = grown - self.budget.take(grown);
        read - refused as usize
    }
}

impl Input for Body<'_, '_> {}

/// A member, as it is met.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Names from the outermost archive on, joined by `!/`; lossy. No other member of the file has it, if the walk began
    /// at the beginning.
    pub(super) name: String,
    /// Of its own name, as it stands in the archive: the same wherever the walk began.
    pub(super) name_hash: u64,
    /// Its place among all that was met.
    pub(super) number: usize,
    /// Where the member of the outermost archive begins that holds it, and that one's number.
    pub(super) place: (u64, usize),
    pub(super) size: Option<u64>,
    pub(super) mtime: Option<i64>,
}

/// What a member holds.
// One at a time is there, on the stack of who reads it.
#[allow(clippy::large_enum_variant)]
pub(super) enum Content<'d> {
    /// Bytes to be read, perhaps lines.
    File(Decoder<'d>),
    /// An archive; its members follow.
    Archive(Archive, super::Codec),
    /// Nothing that can be read.
    Problem(Problem),
    /// The end of an archive inside, and what reading it came to.
    End(Outcome),
}

/// Goes through archives.
pub(super) struct Walk<'v> {
    pub(super) limits: Limits,
    /// Bytes of the file that all this lies in.
    pub(super) packed: u64,
    /// What may still be unpacked in it.
    pub(super) budget: Budget,
    /// The number of the next member.
    pub(super) number: usize,
    pub(super) names: Names,
    /// Digests of archives inside are wanted.
    pub(super) hashed: bool,
    /// Is told each member, and says whether to go on.
    pub(super) visit: &'v mut dyn FnMut(&Member, Content<'_>) -> ControlFlow<()>,
}

/// Where in a walk an archive is.
#[derive(Clone, Copy)]
struct Inside<'p> {
    prefix: &'p str,
    place: Option<(u64, usize)>,
    depth: usize,
}

impl Walk<'_> {
    /// Goes through an archive to its end, or until the visitor breaks off. Returns what is wrong with it.
    pub(super) fn run(&mut self, mut reader: Reader<'_>) -> (ControlFlow<()>, Option<Damage>) {
        let top = Inside {
            prefix: "",
            place: None,
            depth: 1,
        };
        let flow = self.members(&mut reader, top);
        let full = self.number >= MEMBERS;
        let many = || {
            Damage::new(
                0,
                format!("more than {MEMBERS} members, the rest is not read"),
            )
        };
        let fault = reader.fault().or_else(|| full.then(many));
        (flow, fault)
    }

    fn members(&mut self, reader: &mut Reader<'_>, inside: Inside<'_>) -> ControlFlow<()> {
        while self.number < MEMBERS && !self.budget.over() {
            let Some(entry) = reader.next() else {
                break;
            };
            if entry.kind == Kind::Folder {
                self.drain(reader, entry.packed);
                continue;
            }
            if entry.kind == Kind::File && !self.charge(&entry) {
                break;
            }
            let number = self.number;
            self.number += 1;
            let member = Member {
                name: self.names.unique(joined(inside.prefix, &entry.name)),
                name_hash: hash(&entry.name),
                number,
                place: inside.place.unwrap_or((entry.at, number)),
                size: entry.size,
                mtime: entry.mtime,
            };
            let problem = match entry.kind {
                Kind::File | Kind::Folder => None,
                Kind::Other(what) => Some(Problem::Skipped(what)),
                Kind::Encrypted => Some(Problem::Encrypted),
                Kind::Unsupported(what) => Some(Problem::Unsupported(what)),
            };
            match problem {
                Some(problem) => (self.visit)(&member, Content::Problem(problem))?,
                None => self.file(reader, &member, entry.packed, inside.depth)?,
            }
            self.drain(reader, entry.packed);
        }
        ControlFlow::Continue(())
    }

    /// Counts what a member will come to by its header: finding members and reading them, together or alone, then end at
    /// the same one. `false` when there is no room for it.
    fn charge(&self, entry: &Entry) -> bool {
        let (Some(size), Some(packed)) = (entry.size, entry.packed) else {
            return true;
        };
        let comes = size.min(self.limits.of(packed));
        self.budget.take_all(comes.saturating_sub(packed))
    }

    /// Passes over what only decoding tells the end of, and counts it.
    fn drain(&self, reader: &mut Reader<'_>, packed: Option<u64>) {
        if packed.is_some() {
            return;
        }
        let mut rest = self.body(reader, 0, u64::MAX);
        // Its faults were told with the member.
        let _ = io::copy(&mut rest, &mut io::sink());
    }

    fn body<'r, 'a>(&self, reader: &'r mut Reader<'a>, counted: u64, limit: u64) -> Body<'r, 'a> {
        Body {
            reader,
            limit,
            counted,
            budget: self.budget.clone(),
            read: 0,
            cut: false,
        }
    }

    fn file(
        &mut self,
        reader: &mut Reader<'_>,
        member: &Member,
        packed: Option<u64>,
        depth: usize,
    ) -> ControlFlow<()> {
        let limit = self.limits.of(packed.unwrap_or(self.packed));
        // A size alone was not counted: see `charge`.
        let counted = packed.map_or(0, |packed| packed.max(member.size.unwrap_or(0)));
        let body = self.body(reader, counted, limit);
        let tape = Tape::new(Box::new(body), self.hashed);
        let (mut decoder, problem) = match Decoder::recognise(tape, limit) {
            Ok(recognised) => recognised,
            Err(error) => {
                let damage = Damage::met(0, &error);
                return (self.visit)(member, Content::Problem(damage.into_problem(0)));
            }
        };
        decoder.budget = Some(self.budget.clone());
        if let Some(problem) = problem {
            return (self.visit)(member, Content::Problem(problem));
        }
        match decoder.archive() {
            None => {
                if decoder.codec == super::Codec::Plain {
                    decoder.tape.without_digest();
                }
                (self.visit)(member, Content::File(decoder))
            }
            Some(_) if depth == DEPTH => {
                let what = "an archive inside four others";
                (self.visit)(member, Content::Problem(Problem::Unsupported(what)))
            }
            Some(kind) => self.archive(decoder, kind, member, depth),
        }
    }

    fn archive(
        &mut self,
        mut decoder: Decoder<'_>,
        kind: Archive,
        member: &Member,
        depth: usize,
    ) -> ControlFlow<()> {
        (self.visit)(member, Content::Archive(kind, decoder.codec))?;
        let prefix = format!("{}!/", member.name);
        let inner = Inside {
            prefix: &prefix,
            place: Some(member.place),
            depth: depth + 1,
        };
        let first = self.number;
        let tape = Tape::new(Box::new(&mut decoder), false);
        let mut reader = Reader::new(kind, tape);
        self.members(&mut reader, inner)?;
        let fault = reader.fault();
        let members = (self.number - first) as u64;
        let mut outcome = finish(&mut decoder, fault, members);
        if let Some(problem) = self.budget.problem() {
            outcome.problem = Some(problem);
        }
        if !self.hashed {
            outcome.sha256.clear();
        }
        (self.visit)(member, Content::End(outcome))
    }
}

/// Reads what is left of the file that an archive was read from, for its digest and for damage behind the archive. What the
/// file lost says more than what the archive missed.
pub(super) fn finish(decoder: &mut Decoder<'_>, fault: Option<Damage>, members: u64) -> Outcome {
    let mut fault = fault;
    let mut rest = Vec::new();
    loop {
        rest.clear();
        match decoder.fill(&mut rest, 1 << 16) {
            Ok(true) => {}
            Ok(false) => break,
            Err(damage) if damage.goes_on => {}
            Err(damage) => {
                fault.get_or_insert(damage);
                break;
            }
        }
    }
    let lost = decoder.losses.broken(members);
    let unread = loop {
        match decoder.tape.pass() {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(Problem::Unreadable(plain_words(&error))),
        }
    };
    Outcome {
        bytes: decoder.tape.read,
        sha256: decoder.tape.sha256(),
        problem: unread
            .or(lost)
            .or_else(|| fault.map(|fault| fault.into_broken(members))),
        ..Outcome::default()
    }
}

impl Damage {
    /// As a problem of lines, of which `decoded` bytes came before.
    pub(super) fn into_problem(self, decoded: u64) -> Problem {
        let Damage {
            at, what, stopped, ..
        } = self;
        if stopped {
            return Problem::Stopped { decoded, what };
        }
        let mut losses = Losses::default();
        losses.push(Loss::end(at, decoded, what));
        Problem::Damaged(losses)
    }

    /// As a problem of an archive.
    pub(super) fn into_broken(self, members: u64) -> Problem {
        let Damage { at, what, .. } = self;
        Problem::Broken { at, members, what }
    }
}

/// Names that were met, and how often each.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    /// The name, or the first of `name#2`, `name#3` … that was not met: an archive may have two members of one name.
    fn unique(&mut self, name: String) -> String {
        let mut count = self.0.get(&name).copied().unwrap_or(0);
        let mut own = name.clone();
        if count > 0 {
            while self.0.contains_key(&own) {
                count += 1;
                own = format!("{name}#{count}");
            }
            self.0.insert(own.clone(), 1);
        }
        self.0.insert(name, count.max(1));
        own
    }
}

/// Of a name, for as long as the program runs.
fn hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// The name of a member after those of the archives that it lies in.
fn joined(prefix: &str, name: &[u8]) -> String {
    let own = String::from_utf8_lossy(name);
    let mut joined = format!("{prefix}{own}");
    if let Some((cut, _)) = joined.char_indices().nth(NAME) {
        joined.truncate(cut);
        joined.push('…');
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_members_have_one_name() {
        let mut names = Names::default();
        let met = ["a", "b", "a", "a#3", "a", "a#2", "b", "a"];
        let own = met.map(|name| names.unique(name.into()));
        let wanted = ["a", "b", "a#2", "a#3", "a#4", "a#2#2", "b#2", "a#5"];
        assert_eq!(own, wanted);
    }
}
