//! `manifest.json`: from what and with what a report was made, each part with its hash.
//!
//! It is enough to check every part again and to make the same report again (`mtaudit verify`). It holds no hash of the
//! report's other files, which `SHA256SUMS` has: so the report itself can state the hash of its manifest.

use serde::{Deserialize, Serialize};

use super::case::CaseFile;
use super::{Error, json};

/// Number of this layout of the manifest. One that only gains a field that may be left out keeps it.
pub const FORMAT: u32 = 1;

/// Everything needed to make the same report again, or to see what differs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `mtaudit`; an earlier report in a folder is known by it.
    pub tool: String,
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the tool.
    pub version: String,
    /// The command line, without the program's path, as far as it decides the result.
    pub command: Vec<String>,
    /// RFC 3339, only when the user gave it.
    pub generated_at: Option<String>,
    /// Which report.
    pub kind: String,
    /// Nothing is damaged, unreadable or undecodable.
    pub complete: bool,
    /// The paths of the command line, sorted.
    pub paths: Vec<String>,
    /// Options with the value in effect, in the order of the command line's definition.
    pub options: Vec<OptionUsed>,
    /// Parameters of the queries.
    pub parameters: Vec<ParameterUsed>,
    /// The case header, with the file that it is from.
    pub case: Option<CaseFile>,
    /// The configuration, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigUsed>,
    /// Every source, in the order read.
    pub sources: Vec<SourceHash>,
    /// Every file of the tables that were read, as `mtaudit convert` wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableFile>,
    /// Every query that ran.
    pub queries: Vec<FileHash>,
    /// Every template file that was used; see `Templates::hashes`.
    pub templates: Vec<FileHash>,
    /// Names of the files of the report, this one and `SHA256SUMS` among them.
    pub files: Vec<String>,
}

/// A configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigUsed {
    /// Path as given.
    pub file: String,
    /// Hexadecimal SHA-256 of the file; nothing where persons are hidden.
    pub sha256: Option<String>,
    /// SHA-256 of the picture that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_sha256: Option<String>,
}

/// An option and the value in effect.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct OptionUsed {
    pub name: String,
    pub value: String,
}

/// A query's parameter and the value used.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ParameterUsed {
    pub query: String,
    pub name: String,
    pub value: String,
    /// Set by the user.
    pub changed: bool,
}

/// A file of a folder of tables.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableFile {
    /// The folder, as given.
    pub folder: String,
    /// The file in it.
    pub name: String,
    /// Hexadecimal SHA-256; nothing when it could not be read again.
    pub sha256: Option<String>,
}

/// A source as it lay on disk and as it was read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct SourceHash {
    pub path: String,
    pub member: Option<String>,
    /// Size as found, bytes.
    pub bytes: u64,
    /// As found; nothing when it could not be read.
    pub sha256: Option<String>,
    pub decoded_bytes: u64,
    pub decoded_sha256: Option<String>,
    /// When it was last changed, RFC 3339 in UTC.
    pub mtime: Option<String>,
    pub codec: Option<String>,
    pub format: Option<String>,
    pub hosts: Option<String>,
    pub lines: u64,
    pub events: u64,
    pub ignored: u64,
    pub unrecognised: u64,
    pub undecodable: u64,
    /// First and last time in its lines, RFC 3339 in the report's zone.
    pub first: Option<String>,
    pub last: Option<String>,
    pub year: Option<i64>,
    pub year_method: Option<String>,
    pub year_confidence: Option<String>,
    /// What speaks against its times.
    pub contradictions: Option<String>,
    /// Lines that another source has as well.
    pub repeated: u64,
    /// The problem leaves the evidence incomplete.
    pub incomplete: bool,
    /// Place in this list, from 0, of the source with the same content that was counted.
    pub duplicate_of: Option<i64>,
    pub problem: Option<String>,
    /// SHA-256 as found when all reading was done, where a case asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256_after: Option<String>,
}

impl SourceHash {
    /// Its name as the report prints it.
    pub fn name(&self) -> String {
        crate::source::shown(&self.path, self.member.as_deref())
    }
}

/// A file of the library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileHash {
    /// `capacity/overview` or `shared/style.css`.
    pub name: String,
    /// Hexadecimal SHA-256 of its text.
    pub sha256: String,
    /// `built in`, or the user's folder.
    pub origin: String,
}

/// Reads a manifest that this version understands; `place` is what errors call it.
pub fn parse(bytes: &[u8], place: &str) -> Result<Manifest, Error> {
    #[derive(Deserialize)]
    struct Mark {
        tool: String,
        #[serde(default)]
        format: u32,
    }
    let mark: Mark = serde_json::from_slice(bytes)
        .map_err(|error| Error::new(place, format!("no manifest: {error}"), ""))?;
    if mark.tool != "mtaudit" {
        return Err(Error::new(place, "not a manifest of mtaudit", ""));
    }
    if mark.format != FORMAT {
        let message = format!(
            "a manifest of format {}; this version reads format {FORMAT}",
            mark.format
        );
        return Err(Error::new(
            place,
            message,
            "use the version of mtaudit that made the report",
        ));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| Error::new(place, format!("not as this version writes it: {error}"), ""))
}

/// The file's bytes.
pub fn render(manifest: &Manifest) -> serde_json::Result<Vec<u8>> {
    json::pretty(manifest)
}

/// Hexadecimal SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex(&sha2::Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            // Writing into a `String` does not fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_hash_of_nothing_is_known() {
        assert_eq!(
            sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is() {
        let manifest = super::super::sample::manifest();
        let bytes = render(&manifest).unwrap();
        let back = parse(&bytes, "m").unwrap();
        assert_eq!(render(&back).unwrap(), bytes);
        let text = String::from_utf8(bytes).unwrap();
        for (from, to, said) in [
            ("\"mtaudit\"", "\"other\"", "not a manifest of mtaudit"),
            ("\"format\": 1", "\"format\": 99", "format 99"),
            ("\"kind\"", "\"kinds\"", "unknown field"),
            ("{", "[", "no manifest"),
        ] {
            let error = parse(text.replacen(from, to, 1).as_bytes(), "m").unwrap_err();
            assert!(error.message.contains(said), "{error}");
        }
    }
}
