//! Folders of tables as evidence: the hashes of their files in the manifest, and whether they are still so.
//!
//! Sources name the logs that tables were made of; what a report over tables rests on first are the tables themselves.
//! Used by [`super::provenance`] and [`super::verify`].

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::load::Options;
use super::proof::sha256_of_file;
use super::verify::Said;
use crate::pseudonyms::Holds;
use crate::report::manifest::TableFile;
use crate::tables::store::{INDEX, Store, is_store};

/// Every file of the folders of tables that were read, by folder and name.
pub fn files(input: &Options) -> Vec<TableFile> {
    let folders = input.paths.iter().filter(|path| is_store(path));
    // A folder that cannot be opened was no input.
    let stores = folders.filter_map(|folder| Some((folder, Store::open(folder).ok()?)));
    let files: Vec<(&PathBuf, String)> = stores
        .flat_map(|(folder, store)| store.files().into_iter().map(move |name| (folder, name)))
        .collect();
    let hashed = files.into_par_iter().map(|(folder, name)| TableFile {
        folder: input.shown(Holds::Path, &folder.to_string_lossy()),
        sha256: sha256_of_file(&folder.join(&name)).ok(),
        name,
    });
    let mut files: Vec<TableFile> = hashed.collect();
    files.sort_unstable_by(|a, b| (&a.folder, &a.name).cmp(&(&b.folder, &b.name)));
    files
}

/// Tells what is not as the manifest says. The folders are where they were, or among `paths`.
///
/// # Errors
/// Those of standard output.
pub(super) fn check(files: &[TableFile], paths: &[PathBuf], said: &mut Said) -> io::Result<()> {
    let mut folders: BTreeMap<&str, Vec<&TableFile>> = BTreeMap::new();
    for file in files {
        folders.entry(&file.folder).or_default().push(file);
    }
    let mut same = 0;
    for (folder, files) in folders {
        let Some(now) = find(folder, &files, paths) else {
            said.differs(folder, "missing: no folder of tables is there")?;
            continue;
        };
        for file in files {
            // Names come from the report: none leads out of the folder.
            let inside = Path::new(&file.name).components();
            let inside = inside
                .into_iter()
                .all(|part| matches!(part, std::path::Component::Normal(_)));
            let hash = inside.then(|| sha256_of_file(&now.join(&file.name)));
            let place = format!("{folder}/{}", file.name);
            match (hash, &file.sha256) {
                (Some(Ok(hash)), Some(before)) if hash == *before => same += 1,
                (Some(Ok(hash)), Some(before)) => {
                    said.differs(
                        &place,
                        &format!("changed: SHA-256 {before} in the report, {hash} now"),
                    )?;
                }
                (Some(Ok(_)), None) => {
                    said.note(&place, "could not be hashed when the report was made")?;
                }
                (Some(Err(error)), _) => {
                    said.differs(&place, &format!("cannot be read: {error}"))?
                }
                (None, _) => said.differs(&place, "its name leads out of the folder")?,
            }
        }
    }
    if !files.is_empty() {
        said.total(&format!(
            "{same} of {} files of tables are as the manifest says",
            files.len()
        ))?;
    }
    Ok(())
}

/// Where a folder is now: of those that are tables, rather the one with the same index.
fn find(folder: &str, files: &[&TableFile], paths: &[PathBuf]) -> Option<PathBuf> {
    let own = [PathBuf::from(folder)];
    let mut there: Vec<&PathBuf> = paths
        .iter()
        .chain(&own)
        .filter(|path| is_store(path))
        .collect();
    let index = files.iter().find(|file| file.name == INDEX)?;
    let is_it = |path: &PathBuf| sha256_of_file(&path.join(INDEX)).ok() == index.sha256;
    there.sort_by_key(|path| !is_it(path));
    there.first().map(|path| (*path).clone())
}
