//! From paths to sources: what is there, what it is, and how it begins.
//!
//! Every regular file counts, hidden or not and whatever its name: evidence that is passed over in silence is
//! lost. Sockets, pipes and devices in a folder are no evidence: they are named and never opened. Symbolic links are
//! followed; a file that is reached twice is one source, under the path without links that sorts first. An archive is
//! a source, and each of its members is one after it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use memchr::memrchr;
use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::archive::{Content, Member, Names, Reader, Walk, finish};
use super::decode::Decoder;
use super::journal::Journal;
use super::limits::Budget;
use super::tape::{Tape, plain_words};
use super::{Archive, Codec, Limits, Place, Problem, Source, State};

/// Files that mark a folder of tables: its index, and the lock of one that is being written.
pub const TABLES: [&str; 2] = ["mtaudit.json", "mtaudit.lock"];

/// Decoded bytes that [`Source::head`] holds at most.
const HEAD: usize = 64 * 1024;

/// Decoded bytes that it holds at least, where a file has as many.
pub(super) const LEAST_HEAD: usize = 4 * 1024;

/// Bytes that the heads of an archive's members share: few have long ones, many have short ones.
const HEADS: usize = 8 << 20;

/// Finds the sources under `paths`, files or folders, in the order of their paths; the order of the
/// arguments plays no part. What cannot be opened is a source with a problem.
pub fn discover(paths: &[PathBuf]) -> Vec<Source> {
    discover_within(paths, Limits::default())
}

/// The same, where files may decode to so much.
pub fn discover_within(paths: &[PathBuf], limits: Limits) -> Vec<Source> {
    let mut found: Vec<Found> = paths.iter().flat_map(|path| walk(path)).collect();
    found.sort_by(|a, b| a.rank().cmp(&b.rank()));
    let mut seen = HashSet::new();
    found.retain(|found| seen.insert(found.identity.clone()));
    found.sort_by(|a, b| a.rank().1.cmp(&b.rank().1));
    let probe = |found| probe(found, limits);
    found.into_par_iter().flat_map_iter(probe).collect()
}

/// A path, before it is opened.
struct Found {
    path: String,
    file: PathBuf,
    /// The file's one name, links resolved; of what is not there, the name given.
    identity: PathBuf,
    /// A symbolic link below the argument, or the argument itself, led here.
    linked: bool,
    problem: Option<Problem>,
}

impl Found {
    fn new(root: &Path, file: &Path, problem: Option<Problem>) -> Found {
        let path = file.to_string_lossy();
        let path = if cfg!(windows) {
            path.replace('\\', "/")
        } else {
            path.into_owned()
        };
        let identity = resolved(file);
        let linked = match file.strip_prefix(root) {
            Ok(below) if below != Path::new("") => resolved(root).join(below) != identity,
            _ => file.is_symlink(),
        };
        Found {
            path,
            file: file.to_path_buf(),
            identity,
            linked,
            problem,
        }
    }

    /// Links last; else by path as shown, which two files can share when their names are not UTF-8.
    fn rank(&self) -> (bool, (&str, &OsStr)) {
        (self.linked, (&self.path, self.file.as_os_str()))
    }
}

fn resolved(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf())
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::Unreadable(plain_words(error))
}

fn walk(path: &Path) -> Vec<Found> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            let entries = WalkDir::new(path).follow_links(true).into_iter();
            let entries = entries.filter_entry(|entry| !is_tables(entry));
            entries.filter_map(|entry| visit(path, entry)).collect()
        }
        Ok(meta) if meta.is_file() => vec![Found::new(path, path, None)],
        Ok(_) => {
            let problem = Problem::Unreadable("Not a regular file".into());
            vec![Found::new(path, path, Some(problem))]
        }
        Err(error) => vec![Found::new(path, path, Some(unreadable(&error)))],
    }
}

/// A folder that `mtaudit convert` wrote or is writing is no evidence.
fn is_tables(entry: &DirEntry) -> bool {
    entry.file_type().is_dir() && TABLES.iter().any(|name| entry.path().join(name).is_file())
}

fn visit(root: &Path, entry: walkdir::Result<DirEntry>) -> Option<Found> {
    match entry {
        Ok(entry) if entry.file_type().is_dir() => None,
        Ok(entry) if entry.file_type().is_file() => Some(Found::new(root, entry.path(), None)),
        Ok(entry) => {
            let what = special(entry.file_type());
            let problem = Problem::Skipped(what.to_owned());
            Some(Found::new(root, entry.path(), Some(problem)))
        }
        // What a loop leads to is visited anyway.
        Err(error) if error.loop_ancestor().is_some() => None,
        Err(error) => {
            let words = error
                .io_error()
                .map_or_else(|| error.to_string(), plain_words);
            Some(Found::new(
                root,
                error.path()?,
                Some(Problem::Unreadable(words)),
            ))
        }
    }
}

/// What is neither a file nor a folder.
fn special(kind: fs::FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        match kind {
            _ if kind.is_fifo() => return "FIFO",
            _ if kind.is_socket() => return "socket",
            _ if kind.is_block_device() => return "block device",
            _ if kind.is_char_device() => return "character device",
            _ => {}
        }
    }
    let _ = kind;
    "no regular file"
}

fn probe(found: Found, limits: Limits) -> Vec<Source> {
    let mut source = Source {
        path: found.path,
        file: found.file,
        problem: found.problem,
        limits,
        ..Source::default()
    };
    let mut members = Vec::new();
    if source.problem.is_none() {
        match open(&mut source) {
            Ok(found) => members = found,
            Err(error) => source.problem = Some(unreadable(&error)),
        }
    }
    members.insert(0, source);
    members
}

/// Fills in what the file says of itself. Returns its members.
fn open(source: &mut Source) -> io::Result<Vec<Source>> {
    let file = File::open(&source.file)?;
    let meta = file.metadata()?;
    source.bytes = meta.len();
    source.mtime = mtime(&meta);
    source.state = Some(State::of(&meta));
    let limit = source.limits.of(source.bytes);
    let (mut decoder, problem) = Decoder::recognise(Tape::new(Box::new(file), false), limit)?;
    source.codec = Some(decoder.codec);
    source.packed_at = decoder.packed_at;
    source.problem = problem;
    if source.problem.is_some() {
        return Ok(Vec::new());
    }
    source.archive = decoder.archive();
    match source.archive {
        Some(kind) => Ok(members(source, kind, &mut decoder)),
        None => {
            source.head = head(&mut decoder, HEAD);
            Ok(Vec::new())
        }
    }
}

/// Goes through an archive for what its members are and how they begin.
fn members(outer: &mut Source, kind: Archive, decoder: &mut Decoder<'_>) -> Vec<Source> {
    let mut found: Vec<Source> = Vec::new();
    let template = Source {
        codec: None,
        bytes: 0,
        archive: None,
        ..outer.clone()
    };
    let mut visit = |member: &Member, content: Content<'_>| {
        let codec = outer.codec.unwrap_or(Codec::Plain);
        let place = Place {
            number: member.number,
            name_hash: member.name_hash,
            begun: member.place,
            archive: kind,
            codec,
        };
        let mut source = Source {
            member: Some(member.name.clone()),
            place: Some(place),
            bytes: member.size.unwrap_or(0),
            mtime: member.mtime,
            ..template.clone()
        };
        match content {
            Content::Problem(problem) => source.problem = Some(problem),
            Content::Archive(kind, codec) => {
                source.archive = Some(kind);
                source.codec = Some(codec);
            }
            Content::File(mut decoder) => {
                let room = (HEADS / (member.number + 1)).clamp(LEAST_HEAD, HEAD);
                source.codec = Some(decoder.codec);
                source.packed_at = decoder.packed_at;
                source.head = head(&mut decoder, room);
            }
            Content::End(outcome) => {
                // Nested archives are few; theirs is the last with this number.
                let own = |source: &&mut Source| source.number() == Some(member.number);
                if let Some(source) = found.iter_mut().rev().find(own) {
                    source.problem = outcome.problem;
                }
                return ControlFlow::Continue(());
            }
        }
        found.push(source);
        ControlFlow::Continue(())
    };
    let budget = Budget::new(template.limits.of(outer.bytes));
    let mut walk = Walk {
        limits: template.limits,
        packed: outer.bytes,
        budget: budget.clone(),
        names: Names::default(),
        number: 0,
        hashed: false,
        visit: &mut visit,
    };
    let tape = Tape::new(Box::new(&mut *decoder), false);
    let (_, fault) = walk.run(Reader::new(kind, tape));
    // A plain archive is read to its end when it is hashed.
    let whole = decoder.codec != Codec::Plain;
    outer.problem = match whole {
        true => finish(decoder, fault, found.len() as u64).problem,
        false => fault.map(|fault| fault.into_broken(found.len() as u64)),
    };
    if let Some(problem) = budget.problem() {
        outer.problem = Some(problem);
    }
    found
}

impl State {
    pub(super) fn of(meta: &Metadata) -> State {
        State {
            bytes: meta.len(),
            modified: meta.modified().ok(),
        }
    }
}

fn mtime(meta: &Metadata) -> Option<i64> {
    let modified = meta.modified().ok()?;
    match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs())
            .ok()
            .map(|seconds| -seconds),
    }
}

/// The beginning, up to the last line end in reach.
fn head(decoder: &mut Decoder<'_>, most: usize) -> Vec<u8> {
    let mut head = Vec::new();
    // Damage is found again, and stated, when the source is read. What comes after it begins inside a line.
    let mut room = most;
    while room > 0 {
        match decoder.fill(&mut head, room) {
            Ok(true) => room = most.saturating_sub(head.len()),
            // What has no end of a line tells nothing.
            Err(damage) if damage.goes_on && memrchr(b'\n', &head).is_none() => head.clear(),
            _ => break,
        }
    }
    if head.len() >= most {
        head.truncate(most);
        head.truncate(memrchr(b'\n', &head).map_or(most, |at| at + 1));
    }
    if let Some(mut journal) = Journal::of(&head) {
        let mut lines = Vec::new();
        journal.feed(&head, &mut lines);
        return lines;
    }
    head.shrink_to_fit();
    head
}
