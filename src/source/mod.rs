//! From paths to blocks of whole lines.
//!
//! [`discover()`] walks files and folders and recognises what they are by content; [`read()`] decodes one
//! source into [`Block`]s of whole lines while it hashes what is on disk and what comes out.
//! Nothing here knows what a mail server is. Damage is data: a truncated member or an unreadable file ends up
//! in [`Outcome::problem`], and what came before it is used.

mod decode;
mod digest;
mod discover;
mod lines;
mod magic;
mod read;

pub use discover::{TABLES, discover};
pub use lines::looks_binary;
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

/// A file found under the given paths, before it is read.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path as it will be shown: the argument joined with what was found under it, `/`-separated, lossy UTF-8.
    pub path: String,
    /// Where it lies.
    pub file: std::path::PathBuf,
    /// Codec by magic number; `None` when the file could not be opened.
    pub codec: Option<Codec>,
    /// Size on disk, bytes.
    pub bytes: u64,
    /// Modification time, seconds since 1970.
    pub mtime: Option<i64>,
    /// The time in the gzip header, seconds since 1970: of the file that was packed, or of packing it.
    pub packed_at: Option<i64>,
    /// First bytes after decoding, whole lines where possible (up to 64 KiB): for format, year and order.
    pub head: Vec<u8>,
    /// Why it could not be opened.
    pub problem: Option<Problem>,
}

/// Whole lines of one source.
#[derive(Debug)]
pub struct Block {
    /// The lines; every line ends in `\n` except perhaps the last of the source.
    pub bytes: Vec<u8>,
    /// Number of its first line, from 1.
    pub first_line: u64,
    /// The block holds the beginning of one line that is longer than [`MAX_LINE`]; the rest was skipped.
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
    /// The codec ended early or failed; everything before `decoded` was used.
    Damaged {
        /// Bytes of the file that were consumed.
        at: u64,
        /// Decoded bytes that came before.
        decoded: u64,
        /// The codec's words.
        what: String,
    },
    /// Recognised, and not supported by this version.
    Unsupported(&'static str),
    /// Not text: more than a tenth of its lines hold control bytes.
    Binary,
    /// Text, and no line of a known log.
    NotMail,
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
