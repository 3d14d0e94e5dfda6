//! Hashes before and after reading (`report --case`): that the evidence did not change while it was examined.

use std::collections::HashSet;
use std::path::PathBuf;

use rayon::prelude::*;

use super::load::Options;
use super::lookup::{Lookup, read_all};
use crate::report::Rehashed;
use crate::source::{self, Outcome, Source};
use crate::tables::build::SourceRow;

/// Hashes every source again. Gives what to say of it, and the hash of each source, in their order.
pub fn rehash(rows: &[SourceRow], input: &Options) -> (Rehashed, Vec<Option<String>>) {
    let mut lookup = Lookup::of(input);
    for row in rows {
        lookup.seek(row.found_path());
    }
    let hashed = rows.iter().filter(|row| row.sha256.is_some());
    let members = hashed.filter(|row| row.member.is_some());
    let members: HashSet<String> = members.map(SourceRow::found_name).collect();
    // Members have to be read out of their archives.
    let read = read_all(&lookup.all().iter().collect::<Vec<_>>(), |source| {
        source.member.is_some() && members.contains(&source.name())
    });
    let again: Vec<Again> = rows
        .par_iter()
        .map(|row| again(row, &lookup, &read))
        .collect();
    let mut said = Rehashed::default();
    let mut hashes = Vec::with_capacity(rows.len());
    for (row, again) in rows.iter().zip(again) {
        let name = source::shown(&row.path, row.member.as_deref());
        hashes.push(match again {
            Again::Same(sha256) => {
                said.sources += 1;
                Some(sha256)
            }
            Again::Other(sha256) => {
                said.sources += 1;
                said.changed.push(format!(
                    "{name}: changed since it was read: SHA-256 {} as it was read, {sha256} after",
                    row.sha256.as_deref().unwrap_or_default()
                ));
                Some(sha256)
            }
            Again::Gone(why) => {
                said.sources += 1;
                said.changed
                    .push(format!("{name}: after it was read: {why}"));
                None
            }
            Again::LeftOut(why) => {
                said.left_out
                    .push(format!("{name}: not hashed again: {why}"));
                None
            }
        });
    }
    (said, hashes)
}

enum Again {
    Same(String),
    Other(String),
    Gone(String),
    LeftOut(&'static str),
}

fn again(row: &SourceRow, lookup: &Lookup, read: &[Option<Outcome>]) -> Again {
    let Some(before) = &row.sha256 else {
        return Again::LeftOut("it could not be read");
    };
    let sources = lookup.named(&source::shown(&row.path, row.member.as_deref()));
    if sources.is_empty() {
        let there = PathBuf::from(row.found_path()).symlink_metadata().is_ok();
        return match there {
            true => Again::Gone("no source any more".to_owned()),
            false => Again::Gone("missing".to_owned()),
        };
    }
    let hashes: Vec<Result<String, String>> = sources
        .iter()
        .map(|index| sha256(&lookup.all()[*index], read[*index].as_ref()))
        .collect();
    // Two files may show the same name; one of them is this.
    if hashes.iter().flatten().any(|sha256| sha256 == before) {
        return Again::Same(before.clone());
    }
    match hashes.into_iter().next() {
        Some(Ok(sha256)) => Again::Other(sha256),
        Some(Err(why)) => Again::Gone(why),
        None => Again::Gone("missing".to_owned()),
    }
}

/// SHA-256 as found; of a member, what reading it came to.
fn sha256(source: &Source, member: Option<&Outcome>) -> Result<String, String> {
    let Some(outcome) = member else {
        return source::sha256(&source.file).map_err(|error| format!("cannot be read: {error}"));
    };
    match &outcome.problem {
        Some(problem @ source::Problem::Unreadable(_)) => Err(super::sources::words(problem)),
        _ => Ok(outcome.sha256.clone()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_change_is_told_and_what_was_never_read_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let row = |name: &str, text: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            SourceRow {
                path: path.to_str().unwrap().to_owned(),
                sha256: Some(source::sha256_of(text)),
                ..SourceRow::default()
            }
        };
        let mut rows = vec![
            row("same", b"1\n"),
            row("other", b"2\n"),
            row("gone", b"3\n"),
            row("never", b"4\n"),
        ];
        rows[3].sha256 = None;
        std::fs::write(&rows[1].path, b"2\n2\n").unwrap();
        std::fs::remove_file(&rows[2].path).unwrap();
        let (said, hashes) = rehash(
            &rows,
            &Options::new(vec![dir.path().to_path_buf()], chrono_tz::UTC),
        );
        assert_eq!(
            (said.sources, said.changed.len(), said.left_out.len()),
            (3, 2, 1)
        );
        assert!(
            said.changed[0].contains("other: changed since it was read"),
            "{said:?}"
        );
        assert!(
            said.changed[1].ends_with("gone: after it was read: missing"),
            "{said:?}"
        );
        assert_eq!(hashes[0], rows[0].sha256);
        assert_eq!(hashes[1], Some(source::sha256_of(b"2\n2\n")));
        assert_eq!(hashes[2..], [None, None]);
    }
}
