//! Postfix lines of the lab and of others' test suites: what they expect, we find; what differs is decided
//! here, in words. Left out, and said so, where the shared folder is not there.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "corpora_postfix/coverage.rs"]
mod coverage;
#[path = "corpora_postfix/flat.rs"]
mod flat;
#[path = "corpora_postfix/laws.rs"]
mod laws;
#[path = "corpora_postfix/others.rs"]
mod others;
#[path = "corpora_postfix/whyscream.rs"]
mod whyscream;

use mtaudit::event::{Header, Parsed};
use mtaudit::formats;
use std::path::{Path, PathBuf};

/// A path below the shared folder, when it is there.
fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MTAUDIT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    println!("left out: {} is not here", path.display());
    None
}

/// A path below `corpora/postfix`.
fn corpus(path: &str) -> Option<PathBuf> {
    shared(&format!("corpora/postfix/{path}"))
}

fn parse<'a>(program: &'a str, text: &'a str) -> Parsed<'a> {
    parse_bytes(program.as_bytes(), text.as_bytes())
}

fn parse_bytes<'a>(program: &'a [u8], text: &'a [u8]) -> Parsed<'a> {
    formats::parse(&Header {
        ts: 0,
        host: b"mx1",
        program,
        pid: 1,
        text,
    })
    .1
}

/// Splits program and text off a syslog line: RFC 3164, ISO 8601 or RFC 5424, as far as these files need.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line.first() == Some(&b'<') {
        let mut parts = line.splitn(8, |b| *b == b' ');
        let program = parts.nth(3)?;
        return Some((program, parts.nth(3)?.trim_ascii_start()));
    }
    let words = if line.first()?.is_ascii_digit() { 2 } else { 4 };
    let mut rest = line;
    for _ in 0..words {
        rest = &rest[rest.iter().position(|b| *b == b' ')?..];
        rest = rest.trim_ascii_start();
    }
    // One of the corpora lost the colon of its tags.
    let blank = rest.iter().position(|b| *b == b' ')?;
    let tag = &rest[..blank];
    let end = tag
        .iter()
        .position(|b| matches!(b, b'[' | b':'))
        .unwrap_or(blank);
    Some((&tag[..end], &rest[blank + 1..]))
}

/// Lines of a file, plain or xz, with program and text.
fn lines(path: &Path) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let bytes = if path.extension().is_some_and(|ext| ext == "xz") {
        match std::process::Command::new("xz")
            .arg("-dc")
            .arg(path)
            .output()
        {
            Ok(output) if output.status.success() => output.stdout,
            _ => {
                println!("left out: xz cannot read {}", path.display());
                return None;
            }
        }
    } else {
        std::fs::read(path).ok()?
    };
    let lines = bytes.split(|b| *b == b'\n').filter_map(split);
    Some(
        lines
            .map(|(program, text)| (program.to_vec(), text.to_vec()))
            .collect(),
    )
}
