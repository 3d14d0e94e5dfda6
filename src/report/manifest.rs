//! `manifest.json`: from what and with what a report was made, each part with its hash.

use serde::Serialize;

use super::json;

/// Everything needed to make the same report again, or to see what differs.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    /// `mtaudit`; an earlier report in a folder is known by it.
    pub tool: String,
    /// Version of the tool.
    pub version: String,
    /// The command line, without the program's path.
    pub command: Vec<String>,
    /// RFC 3339, only when the user gave it.
    pub generated_at: Option<String>,
    /// Which report.
    pub kind: String,
    /// Nothing is damaged, unreadable or undecodable.
    pub complete: bool,
    /// Options with the value in effect, in the order of the command line's definition.
    pub options: Vec<OptionUsed>,
    /// Parameters of the queries.
    pub parameters: Vec<ParameterUsed>,
    /// Every source.
    pub sources: Vec<SourceHash>,
    /// Every query that ran.
    pub queries: Vec<FileHash>,
    /// Every template file that was used; see `Templates::hashes`.
    pub templates: Vec<FileHash>,
}

/// An option and the value in effect.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct OptionUsed {
    pub name: String,
    pub value: String,
}

/// A query's parameter and the value used.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct ParameterUsed {
    pub query: String,
    pub name: String,
    pub value: String,
    /// Set by the user.
    pub changed: bool,
}

/// A source as it lay on disk and as it was read.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct SourceHash {
    pub path: String,
    pub member: Option<String>,
    pub bytes: u64,
    pub sha256: String,
    pub decoded_bytes: u64,
    pub decoded_sha256: String,
}

/// A file of the library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileHash {
    /// `capacity/overview` or `shared/style.css`.
    pub name: String,
    /// Hexadecimal SHA-256 of its text.
    pub sha256: String,
    /// `built in`, or the user's folder.
    pub origin: String,
}

/// The file's bytes.
pub fn render(manifest: &Manifest) -> serde_json::Result<Vec<u8>> {
    json::pretty(manifest)
}

/// Hexadecimal SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest;
    use std::fmt::Write;
    sha2::Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            // Writing into a `String` does not fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nothing_is_known() {
        assert_eq!(
            sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
