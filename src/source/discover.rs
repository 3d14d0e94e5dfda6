//! From paths to sources: what is there, what it is, and how it begins.
//!
//! Every regular file counts, hidden or not and whatever its name: evidence that is passed over in silence is
//! lost. Sockets, pipes and devices in a folder are no evidence and are left out. Symbolic links are followed;
//! a file that is reached twice is one source, under the path without links that sorts first.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use memchr::memrchr;
use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::decode::{Decoder, plain_words};
use super::{Problem, Source, magic};

/// Files that mark a folder of tables: its index, and the lock of one that is being written.
pub const TABLES: [&str; 2] = ["mtaudit.json", "mtaudit.lock"];

/// Decoded bytes that [`Source::head`] holds at most.
const HEAD: usize = 64 * 1024;

/// Finds the sources under `paths`, files or folders, in the order of their paths; the order of the
/// arguments plays no part. What cannot be opened is a source with a problem.
pub fn discover(paths: &[PathBuf]) -> Vec<Source> {
    let mut found: Vec<Found> = paths.iter().flat_map(|path| walk(path)).collect();
    found.sort_by(|a, b| a.rank().cmp(&b.rank()));
    let mut seen = HashSet::new();
    found.retain(|found| seen.insert(found.identity.clone()));
    found.sort_by(|a, b| a.rank().1.cmp(&b.rank().1));
    found.into_par_iter().map(probe).collect()
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
        Ok(entry) => entry
            .file_type()
            .is_file()
            .then(|| Found::new(root, entry.path(), None)),
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

fn probe(found: Found) -> Source {
    let Found {
        path,
        file,
        problem,
        ..
    } = found;
    let mut source = Source {
        path,
        file,
        codec: None,
        bytes: 0,
        mtime: None,
        packed_at: None,
        head: Vec::new(),
        problem,
    };
    if source.problem.is_none() {
        let opened = open(&mut source);
        source.problem = opened.unwrap_or_else(|error| Some(unreadable(&error)));
    }
    source
}

/// Fills in what the file says of itself, and returns why it will not be read.
fn open(source: &mut Source) -> io::Result<Option<Problem>> {
    let mut file = File::open(&source.file)?;
    let meta = file.metadata()?;
    source.bytes = meta.len();
    source.mtime = mtime(&meta);
    let mut start = Vec::new();
    (&mut file)
        .take(magic::MAGIC as u64)
        .read_to_end(&mut start)?;
    let (codec, problem) = magic::recognise(&start);
    source.codec = Some(codec);
    source.packed_at = magic::gzip_time(&start);
    if problem.is_some() {
        return Ok(problem);
    }
    file.rewind()?;
    source.head = head(Decoder::new(file, codec)?);
    Ok(magic::is_tar(&source.head).then_some(Problem::Unsupported("tar")))
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
fn head(mut decoder: Decoder) -> Vec<u8> {
    let mut head = Vec::new();
    // Damage is found again, and stated, when the source is read.
    let mut room = HEAD;
    while room > 0 && decoder.fill(&mut head, room) == Ok(true) {
        room = HEAD.saturating_sub(head.len());
    }
    if head.len() >= HEAD {
        head.truncate(HEAD);
        head.truncate(memrchr(b'\n', &head).map_or(HEAD, |at| at + 1));
    }
    head
}
