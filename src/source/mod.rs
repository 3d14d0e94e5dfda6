//! From paths to blocks of whole lines.
//!
//! [`discover()`] walks files and folders and recognises what they are by content; [`read()`] decodes one
//! source into [`Block`]s of whole lines while it hashes what is on disk and what comes out.
//! Nothing here knows what a mail server is. Damage is data: a truncated member or an unreadable file ends up
//! in [`Outcome::problem`], and what came before it is used.

mod archive;
mod bzip2;
mod codecs;
mod decode;
mod digest;
mod discover;
mod journal;
mod limits;
mod lines;
mod loss;
mod lz4;
mod magic;
mod members;
mod read;
mod sparse;
mod tape;
mod tar;
mod zip;
mod zip_fields;

pub use discover::{TABLES, discover, discover_within};
pub use journal::is_journal_note;
pub use limits::Limits;
pub use lines::looks_binary;
pub use loss::{Doubt, Loss, Losses, Mark};
pub use members::{MemberLines, read_archive};
pub use read::{begins_with, read, sha256, sha256_of};

/// How a source is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Codec {
    Plain,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
    Lz4,
}

impl Codec {
    /// The codec's name (column `codec`).
    pub fn name(self) -> &'static str {
        match self {
            Codec::Plain => "plain",
            Codec::Gzip => "gzip",
            Codec::Zstd => "zstd",
            Codec::Bzip2 => "bzip2",
            Codec::Xz => "xz",
            Codec::Lz4 => "lz4",
        }
    }
}

/// A file that holds others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Archive {
    Tar,
    Zip,
    /// Packed twice: its one member is what is still packed.
    Packed,
}

impl Archive {
    /// The archive's name (column `format`).
    pub fn name(self) -> &'static str {
        match self {
            Archive::Tar => "tar",
            Archive::Zip => "zip",
            Archive::Packed => "packed twice",
        }
    }
}

/// A file found under the given paths, or a member of one that is an archive, before it is read.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Path as it will be shown: the argument joined with what was found under it, `/`-separated, lossy UTF-8.
    pub path: String,
    /// Its name inside the archive at that path; names are joined by `!/` where archives lie in one another. Where it was
    /// met before, `#2` and so on comes after it.
    pub member: Option<String>,
    /// It is an archive: its members are sources of their own, and it has no lines.
    pub archive: Option<Archive>,
    /// Where in the archive it is.
    place: Option<Place>,
    /// What the file on disk was like when it was found.
    state: Option<State>,
    /// How much it may decode to.
    pub limits: Limits,
    /// Where it lies.
    pub file: std::path::PathBuf,
    /// Codec by magic number; `None` when the file could not be opened.
    pub codec: Option<Codec>,
    /// Size on disk or in the archive, bytes; of a member that does not say, 0.
    pub bytes: u64,
    /// Modification time, seconds since 1970; of a member, the one that the archive gives.
    pub mtime: Option<i64>,
    /// The time in the gzip header, seconds since 1970: of the file that was packed, or of packing it.
    pub packed_at: Option<i64>,
    /// First bytes after decoding, whole lines where possible (up to 64 KiB): for format, year and order.
    pub head: Vec<u8>,
    /// Why it could not be opened.
    pub problem: Option<Problem>,
}

/// Where a member is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Its number among all that the file holds, in order.
    number: usize,
    /// Of its own name: another one in its place is another member.
    name_hash: u64,
    /// Where the member of the outermost archive begins that holds it, and that one's number.
    begun: (u64, usize),
    /// The outermost archive.
    archive: Archive,
    /// How the file is compressed.
    codec: Codec,
}

impl Place {
    fn is(&self, number: usize, name_hash: u64) -> bool {
        (self.number, self.name_hash) == (number, name_hash)
    }
}

/// Size and time of a file on disk, by which a change is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    bytes: u64,
    modified: Option<std::time::SystemTime>,
}

impl Source {
    /// Its path, and its name inside the archive there.
    pub fn name(&self) -> String {
        shown(&self.path, self.member.as_deref())
    }

    /// The part of its head that every source has, however many share an archive: for what begins alike.
    pub fn least_head(&self) -> &[u8] {
        let least = discover::LEAST_HEAD;
        match self.head.get(..least) {
            Some(start) => &start[..memchr::memrchr(b'\n', start).map_or(least, |at| at + 1)],
            None => &self.head,
        }
    }

    /// It is a member of an archive that is compressed, so that it is reached only through what lies before it.
    pub fn is_in_packed(&self) -> bool {
        self.place.is_some_and(|place| place.codec != Codec::Plain)
    }

    /// Its place in the archive at its path: the number that [`MemberLines::number`] gives when it is read.
    pub fn number(&self) -> Option<usize> {
        self.place.map(|place| place.number)
    }
}

/// How a source is named wherever one is: its path, and after `!/` its name inside the archive there.
pub fn shown(path: &str, member: Option<&str>) -> String {
    match member {
        Some(member) => format!("{path}!/{member}"),
        None => path.to_owned(),
    }
}

/// Whole lines of one source.
#[derive(Debug)]
pub struct Block {
    /// The lines; every line ends in `\n` except perhaps the last of the source.
    pub bytes: Vec<u8>,
    /// Number of its first line, from 1.
    pub first_line: u64,
    /// The block holds one line that is not whole: the beginning of one that is longer than [`MAX_LINE`], or what damage
    /// left of one. It is counted as undecodable.
    pub cut: bool,
}

/// The longest line that is parsed, bytes. Postfix writes at most about 2 KiB; a longer line is counted as
/// undecodable.
pub const MAX_LINE: usize = 64 * 1024;

/// Something is wrong with a source. Data in the report, never an abort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The operating system's words.
    Unreadable(String),
    /// No bytes at all.
    Empty,
    /// The codec failed or its data end early; what could be decoded was used.
    Damaged(Losses),
    /// The archive is damaged, or not whole.
    Broken {
        /// Where.
        at: u64,
        /// Members that were found.
        members: u64,
        /// What is wrong.
        what: String,
    },
    /// A limit was reached; everything before it was used.
    Stopped {
        /// Decoded bytes that came before.
        decoded: u64,
        /// Which limit.
        what: String,
    },
    /// A member that needs a password.
    Encrypted,
    /// A pipe, a device or a link, in words: there is nothing to be read in it.
    Skipped(String),
    /// The file on disk was another one when it was read, in words.
    Changed(String),
    /// Recognised, and not supported by this version.
    Unsupported(&'static str),
    /// Not text: more than a tenth of its lines hold control bytes.
    Binary,
    /// Text, and no line of a known log.
    NotMail,
}

impl Problem {
    /// There is nothing that could be read.
    pub fn refuses(&self) -> bool {
        use Problem::{Encrypted, Skipped, Unreadable, Unsupported};
        matches!(
            self,
            Unreadable(_) | Unsupported(_) | Encrypted | Skipped(_)
        )
    }
}

/// What reading one source came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Bytes read from disk.
    pub bytes: u64,
    /// Bytes after decoding.
    pub decoded_bytes: u64,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// SHA-256 of the decoded stream.
    pub decoded_sha256: String,
    /// Lines, counting a last one without end.
    pub lines: u64,
    /// What went wrong.
    pub problem: Option<Problem>,
}

#[cfg(test)]
mod tests;
