//! A report folder against its `SHA256SUMS`: what was changed, what is missing, what was not there.
//!
//! The folder may come from a stranger. A name that leads out of it is told and never followed, a symbolic link is told
//! and never opened, and what is no regular file is not opened either: a pipe would wait for ever.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use sha2::Digest;

/// Name of the list.
pub const SUMS: &str = "SHA256SUMS";

/// The list may be this large: a line takes about a hundred bytes.
const MAX_SUMS: u64 = 64 << 20;

/// What is to be said of one file, or of a line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file's name in the folder.
    pub name: String,
    /// What is wrong.
    pub what: String,
}

impl Difference {
    fn new(name: impl Into<String>, what: impl Into<String>) -> Self {
        Difference {
            name: name.into(),
            what: what.into(),
        }
    }
}

/// What a look at a folder came to.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Files that are as listed.
    pub same: Vec<String>,
    /// Everything that is not as it should be, by name.
    pub differences: Vec<Difference>,
}

/// Holds every file of the folder against the list.
///
/// # Errors
/// The folder cannot be listed.
pub fn check(folder: &Path) -> io::Result<Checked> {
    let mut checked = Checked::default();
    let listed = match read_list(folder) {
        Ok(text) => listed(&text, &mut checked.differences),
        Err(error) => {
            let what = format!("cannot be read ({error}), so no file of the report can be checked");
            checked.differences.push(Difference::new(SUMS, what));
            BTreeMap::new()
        }
    };
    let there = there(folder, &mut checked.differences)?;
    for (name, sha256) in &listed {
        match check_file(folder, name, sha256) {
            Ok(()) => checked.same.push(name.clone()),
            Err(what) => checked.differences.push(Difference::new(name, what)),
        }
    }
    for name in there {
        if name != SUMS && !listed.contains_key(&name) {
            let what = format!("not listed in {SUMS}");
            checked.differences.push(Difference::new(name, what));
        }
    }
    checked.differences.sort_by(|a, b| a.name.cmp(&b.name));
    checked.differences.dedup();
    Ok(checked)
}

fn read_list(folder: &Path) -> io::Result<Vec<u8>> {
    let path = folder.join(SUMS);
    if !path.symlink_metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = Vec::new();
    fs::File::open(&path)?
        .take(MAX_SUMS + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > MAX_SUMS {
        return Err(io::Error::other("too large"));
    }
    Ok(text)
}

/// Names with their hashes. A line that is not exactly as this program writes it is a difference.
fn listed(text: &[u8], differences: &mut Vec<Difference>) -> BTreeMap<String, String> {
    let mut listed = BTreeMap::new();
    let mut tell = |number: usize, what: String| {
        differences.push(Difference::new(SUMS, format!("line {number}: {what}")));
    };
    if text.is_empty() {
        tell(1, "the list is empty".to_owned());
    }
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let Some((sha256, name)) = entry(line) else {
            tell(
                number,
                "not a SHA-256, two spaces, a name and a line end".to_owned(),
            );
            continue;
        };
        if inside(name).is_none() || name == SUMS {
            tell(
                number,
                format!("{name}: not the name of a file of a report; not followed"),
            );
        } else if listed.insert(name.to_owned(), sha256.to_owned()).is_some() {
            tell(number, format!("{name}: listed before"));
        }
    }
    listed
}

fn entry(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (sha256, name) = line.split_at_checked(64)?;
    let name = name.strip_prefix("  ")?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let good = sha256.bytes().all(hex) && !name.is_empty() && !name.contains(char::is_control);
    good.then_some((sha256, name))
}

/// The name as a path that cannot lead out of the folder.
fn inside(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    // `a//b` and `./a` name a file in another way than the list does.
    let whole = path.components().all(plain) && !name.contains(['\\', ':']);
    let same = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy());
    (whole && same.collect::<Vec<_>>().join("/") == name).then(|| path.to_path_buf())
}

/// Regular files below the folder, by name; links and what is no file are differences.
fn there(folder: &Path, differences: &mut Vec<Difference>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in walkdir::WalkDir::new(folder)
        .min_depth(1)
        .sort_by_file_name()
    {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.depth() == 0 => return Err(error.into()),
            Err(error) => {
                let name = error.path().unwrap_or(folder);
                let what = format!("cannot be listed: {}", io_words(&error));
                differences.push(Difference::new(below(folder, name), what));
                continue;
            }
        };
        let name = below(folder, entry.path());
        let kind = entry.file_type();
        if kind.is_file() {
            names.push(name);
        } else if kind.is_symlink() {
            differences.push(Difference::new(name, LINK));
        } else if !kind.is_dir() {
            differences.push(Difference::new(name, "not a regular file"));
        }
    }
    Ok(names)
}

const LINK: &str = "a symbolic link; not followed";

fn io_words(error: &walkdir::Error) -> String {
    error
        .io_error()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

fn below(folder: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(folder).unwrap_or(path);
    let parts = inside.iter().map(|part| part.to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

/// Names of the regular files below a folder, sorted.
///
/// # Errors
/// The folder cannot be listed.
pub fn names(folder: &Path) -> io::Result<Vec<String>> {
    there(folder, &mut Vec::new())
}

/// The bytes of a file of the folder.
///
/// # Errors
/// In words: a name or link that leads out of the folder, a file that is missing, is none, or cannot be read.
pub fn read(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    fs::read(file(folder, name)?).map_err(|error| format!("cannot be read: {error}"))
}

/// Where a file of the folder is, which is a regular file behind no link.
fn file(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let relative = inside(name).ok_or("not the name of a file of a report")?;
    let mut path = folder.to_path_buf();
    for part in relative.components() {
        path.push(part);
        match path.symlink_metadata() {
            Ok(meta) if meta.is_symlink() => return Err(LINK.to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err("missing".to_owned());
            }
            Err(error) => return Err(format!("cannot be read: {error}")),
        }
    }
    if path.is_file() {
        Ok(path)
    } else {
        Err("not a regular file".to_owned())
    }
}

fn check_file(folder: &Path, name: &str, sha256: &str) -> Result<(), String> {
    let path = file(folder, name)?;
    let own = hash(&path).map_err(|error| format!("cannot be read: {error}"))?;
    if own == sha256 {
        Ok(())
    } else {
        Err(format!(
            "changed: its SHA-256 is {own}, {SUMS} says {sha256}"
        ))
    }
}

fn hash(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hash.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(super::manifest::hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::manifest::sha256_hex;
    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("tables")).unwrap();
        let mut sums = String::new();
        for (name, text) in [("a.txt", "one\n"), ("tables/b.csv", "x,y\r\n1,2\r\n")] {
            fs::write(dir.path().join(name), text).unwrap();
            sums.push_str(&format!("{}  {name}\n", sha256_hex(text.as_bytes())));
        }
        fs::write(dir.path().join(SUMS), sums).unwrap();
        dir
    }

    fn told(dir: &Path) -> Vec<String> {
        let differences = check(dir).unwrap().differences;
        differences
            .iter()
            .map(|d| format!("{}: {}", d.name, d.what))
            .collect()
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let dir = folder();
        assert_eq!(told(dir.path()), [""; 0]);
        assert_eq!(check(dir.path()).unwrap().same, ["a.txt", "tables/b.csv"]);
        for name in ["a.txt", "tables/b.csv", SUMS] {
            let path = dir.path().join(name);
            let good = fs::read(&path).unwrap();
            for at in 0..good.len() {
                for bit in 0..8 {
                    let mut bad = good.clone();
                    bad[at] ^= 1 << bit;
                    fs::write(&path, &bad).unwrap();
                    assert!(!told(dir.path()).is_empty(), "{name}: byte {at}, bit {bit}");
                }
            }
            for cut in 0..good.len() {
                fs::write(&path, &good[..cut]).unwrap();
                assert!(!told(dir.path()).is_empty(), "{name}: cut at {cut}");
            }
            fs::write(&path, [&good[..], b"\n"].concat()).unwrap();
            assert!(!told(dir.path()).is_empty(), "{name}: a line more");
            fs::write(&path, &good).unwrap();
        }
        assert_eq!(told(dir.path()), [""; 0]);
    }

    #[test]
    fn missing_and_added_files_are_told_apart() {
        let dir = folder();
        fs::rename(dir.path().join("a.txt"), dir.path().join("c.txt")).unwrap();
        assert_eq!(
            told(dir.path()),
            ["a.txt: missing", "c.txt: not listed in SHA256SUMS"]
        );
        fs::remove_file(dir.path().join(SUMS)).unwrap();
        assert!(told(dir.path())[0].starts_with("SHA256SUMS: cannot be read"));
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let outer = folder();
        let inner = outer.path().join("report");
        fs::create_dir(&inner).unwrap();
        let sum = sha256_hex(b"one\n");
        let absolute = outer.path().join("a.txt").display().to_string();
        for name in [
            "../a.txt",
            "tables/../../a.txt",
            &absolute,
            "./a.txt",
            "a//b",
            "..",
            "SHA256SUMS",
        ] {
            fs::write(inner.join(SUMS), format!("{sum}  {name}\n")).unwrap();
            let told = told(&inner);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains("not followed"), "{told:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_told_and_not_followed() {
        let (dir, other) = (folder(), folder());
        for name in ["a.txt", "tables"] {
            let path = dir.path().join(name);
            if path.is_dir() {
                fs::remove_dir_all(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            std::os::unix::fs::symlink(other.path().join(name), &path).unwrap();
        }
        let told = told(dir.path());
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().all(|line| line.ends_with(LINK)), "{told:?}");
    }
}
