//! `mtaudit verify`: a report against its own list of hashes, and the evidence against its manifest.
//!
//! What a report folder says is a stranger's word: nothing in it is followed out of the folder, and of its manifest
//! only the paths of the evidence are opened, to be hashed. What differs goes to standard output, a line each, and
//! makes the exit code 3; what is only worth knowing is a note.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::proof::{self, Now};
use super::{Done, rebuild, tables};
use crate::cli::VerifyArgs;
use crate::report::escape::visible;
use crate::report::folder::MANIFEST;
use crate::report::manifest::{self, FileHash, Manifest, sha256_hex};
use crate::report::sums::{self, SUMS};

/// What is said, and how much of it are differences.
pub(super) struct Said {
    quiet: bool,
    differences: usize,
}

impl Said {
    /// Something is not as it should be.
    pub(super) fn differs(&mut self, name: &str, what: &str) -> io::Result<()> {
        self.differences += 1;
        writeln!(io::stdout(), "{}: {}", visible(name), visible(what))
    }

    /// Worth knowing.
    pub(super) fn note(&self, name: &str, what: &str) -> io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        writeln!(io::stdout(), "note: {}: {}", visible(name), visible(what))
    }

    /// What was looked at.
    pub(super) fn total(&self, text: &str) -> io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        writeln!(io::stdout(), "{}", visible(text))
    }
}

/// Checks a report.
///
/// # Errors
/// There is no report, threads cannot be had, standard output is closed.
pub fn run(args: &VerifyArgs) -> Result<Done> {
    let folder = &args.report;
    let any = [SUMS, MANIFEST].iter().any(|name| {
        let meta = folder.join(name).symlink_metadata();
        meta.is_ok()
    });
    if !any {
        return Err(anyhow!(
            "{}: no report, as it has neither {SUMS} nor {MANIFEST}\nhint: name the folder that `mtaudit report` wrote",
            folder.display()
        ));
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads.unwrap_or(0))
        .build()?;
    let mut said = Said {
        quiet: args.quiet,
        differences: 0,
    };
    if let Some(manifest) = files(folder, &mut said)? {
        let now = pool.install(|| proof::locate(&manifest, &args.paths));
        sources(&manifest, &now, &mut said)?;
        tables::check(&manifest.tables, &args.paths, &mut said)?;
        if args.rebuild {
            rebuild::run(args, &manifest, &now, &mut said)?;
        }
    }
    Ok(match said.differences {
        0 => {
            said.total("verified: everything is as the report says")?;
            Done::Complete
        }
        n => {
            let s = if n == 1 { "" } else { "s" };
            said.total(&format!("not verified: {n} difference{s}"))?;
            Done::Incomplete
        }
    })
}

/// The files of the report, and its manifest where it can be read.
fn files(folder: &Path, said: &mut Said) -> Result<Option<Manifest>> {
    let named = |name: &str| folder.join(name).display().to_string();
    let checked = sums::check(folder)
        .map_err(|error| anyhow!("{}: cannot be listed: {error}", folder.display()))?;
    for difference in &checked.differences {
        said.differs(&named(&difference.name), &difference.what)?;
    }
    said.total(&format!(
        "{}: {} files are as {SUMS} says",
        folder.display(),
        checked.same.len()
    ))?;
    let manifest = match sums::read(folder, MANIFEST) {
        Ok(bytes) => bytes,
        Err(what) => {
            // `check` has told of it, unless the list does not name it.
            if !checked.differences.iter().any(|d| d.name == MANIFEST) {
                said.differs(&named(MANIFEST), &what)?;
            }
            said.total("the sources cannot be checked without the manifest")?;
            return Ok(None);
        }
    };
    let stated = stated_hash(folder);
    let hash = sha256_hex(&manifest);
    if stated.as_deref() != Some(&hash) {
        let what = match stated {
            Some(stated) => {
                format!("states {stated} as the SHA-256 of {MANIFEST}, which has another")
            }
            None => format!("does not state the SHA-256 of {MANIFEST}"),
        };
        said.differs(&named("report.json"), &what)?;
    }
    let manifest = match manifest::parse(&manifest, &named(MANIFEST)) {
        Ok(manifest) => manifest,
        Err(error) => {
            said.differs(&error.place, &error.message)?;
            said.total("the sources cannot be checked without the manifest")?;
            return Ok(None);
        }
    };
    stated_in_words(folder, &manifest, &hash, said)?;
    for name in &manifest.files {
        let known =
            checked.same.contains(name) || checked.differences.iter().any(|d| d.name == *name);
        if !known && name != SUMS {
            said.differs(
                &named(name),
                &format!("named in {MANIFEST}, but not in {SUMS} and not there"),
            )?;
        }
    }
    for name in checked
        .same
        .iter()
        .filter(|name| !manifest.files.contains(name))
    {
        said.differs(
            &named(name),
            &format!("listed in {SUMS}, but not named in {MANIFEST}"),
        )?;
    }
    Ok(Some(manifest))
}

/// The hash that people read and have stamped is that of the manifest, where our own templates wrote it.
fn stated_in_words(
    folder: &Path,
    manifest: &Manifest,
    hash: &str,
    said: &mut Said,
) -> io::Result<()> {
    let own = |file: &FileHash| file.origin == "built in";
    if !manifest.templates.iter().all(own) {
        return Ok(());
    }
    for name in ["report.html", "report.md"] {
        // One that cannot be read is told of by its sum.
        let Ok(bytes) = sums::read(folder, name) else {
            continue;
        };
        if memchr::memmem::find(&bytes, hash.as_bytes()).is_none() {
            let what = format!("does not state the SHA-256 of {MANIFEST}");
            said.differs(&folder.join(name).display().to_string(), &what)?;
        }
    }
    Ok(())
}

/// The manifest's hash as `report.json` has it.
fn stated_hash(folder: &Path) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Stated {
        manifest_sha256: String,
    }
    let bytes = sums::read(folder, "report.json").ok()?;
    let stated: Stated = serde_json::from_slice(&bytes).ok()?;
    Some(stated.manifest_sha256)
}

fn sources(manifest: &Manifest, now: &Now, said: &mut Said) -> Result<()> {
    let mut same = 0;
    for (source, place) in manifest.sources.iter().zip(&now.places) {
        let name = source.name();
        if let Some(what) = &place.differs {
            said.differs(&name, what)?;
        } else if source.sha256.is_some() {
            same += 1;
        }
        for note in &place.notes {
            said.note(&name, note)?;
        }
    }
    for name in &now.others {
        said.note(name, "not among the sources of the report")?;
    }
    let file = manifest
        .case
        .as_ref()
        .and_then(|case| Some((PathBuf::from(&case.file), case.sha256.as_ref()?)));
    if let Some((file, sha256)) = file {
        let name = file.display().to_string();
        match proof::sha256_of_file(&file) {
            Ok(own) if own == *sha256 => {}
            Ok(_) => said.note(
                &name,
                "the case file is another by now; the manifest has what it said",
            )?,
            Err(_) => said.note(
                &name,
                "the case file is not here; the manifest has what it said",
            )?,
        }
    }
    said.total(&format!(
        "{same} of {} sources are as the manifest says",
        manifest.sources.len()
    ))?;
    Ok(())
}
