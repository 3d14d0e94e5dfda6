//! `mtaudit convert`: the tables as Parquet.
//!
//! What was converted before is known by its SHA-256 and is not read again, so that a folder can grow by a month at a
//! time. What cannot be read does not become a source of the tables, as it may be readable the next time.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, anyhow};

use super::load::{Loaded, Options, load};
use super::query::state;
use super::sources::Known;
use super::spill::{Files, Kept};
use super::{Done, Usage, options};
use crate::cli::ConvertArgs;
use crate::report::format::count;
use crate::source;
use crate::tables::build::SourceRow;
use crate::tables::is_of_events;
use crate::tables::store::{Store, is_store, shift};

/// Adds the tables of these logs to a folder.
///
/// # Errors
/// Unreadable paths, a folder of something else or of another zone, a log that is in the folder and has grown, a disk
/// that refuses.
pub fn run(args: &ConvertArgs) -> Result<Done> {
    let mut input = options::read(&args.read, &args.paths)?;
    if let Some(path) = args.paths.iter().find(|path| is_store(path)) {
        return Err(options::usage(
            format!("{}: a folder of tables, not of logs", path.display()),
            "name the logs; other commands read several folders of tables at once",
        ));
    }
    input.keep_map_out_of(&args.out)?;
    let marking = input.privacy.as_ref().map(|own| own.pseudonyms.marking());
    let mut store = Store::open_or_begin(&args.out, input.zone, &input.shown_domains())
        .map_err(|error| Usage(error.to_string()))?;
    store
        .mark(marking)
        .map_err(|error| Usage(error.to_string()))?;
    input.known = Known::of(&store.sources());
    if input.shown_domains() != store.given_domains() {
        // Only those that are kept can be taken over.
        if store.marking().is_some_and(|own| own.also.domains) {
            return Err(options::usage(
                format!("{}: its local domains are hidden", args.out.display()),
                "give the --local-domain of the first conversion",
            ));
        }
        input.local_domains = store.given_domains().to_vec();
    }
    input.readable_only = true;
    let store = Arc::new(Mutex::new(store));
    input.files = Files::Conversion(store.clone());
    let loaded = load(&input)?;
    tell(args, &loaded)?;
    let unread = !loaded.unreadable.is_empty();
    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
    if !loaded.sources.is_empty() {
        grown(&store, &loaded.sources, &input)?;
        add(args, &mut store, loaded, &input)?;
    }
    input.write_map()?;
    input.timings.print()?;
    Ok(match state(&store.sources()) {
        Done::Complete if unread => Done::Incomplete,
        done => done,
    })
}

/// Says what was not read, and why.
fn tell(args: &ConvertArgs, loaded: &Loaded) -> io::Result<()> {
    let mut out = io::stderr().lock();
    for problem in &loaded.unreadable {
        writeln!(out, "{problem}")?;
    }
    if !args.read.quiet {
        for path in &loaded.left_out {
            writeln!(out, "{path}: in the tables already")?;
        }
    }
    Ok(())
}

/// A log that was converted before it was whole would be counted twice.
fn grown(store: &Store, read: &[SourceRow], input: &Options) -> Result<()> {
    let before = store.sources();
    for new in read.iter().filter(|source| source.duplicate_of.is_none()) {
        let mut shorter = before.iter().filter(|old| {
            old.first_ts == new.first_ts && (1..new.decoded_bytes).contains(&old.decoded_bytes)
        });
        if let Some(old) = shorter.find(|old| continues(new, old, input)) {
            return Err(anyhow!(
                "{}: begins with all of {}, which is in the tables: its lines would count twice\n\
                 hint: convert the logs again into a new folder, each when nothing is added to it any more",
                source::shown(&new.path, new.member.as_deref()),
                source::shown(&old.path, old.member.as_deref())
            ));
        }
    }
    Ok(())
}

fn continues(new: &SourceRow, old: &SourceRow, input: &Options) -> bool {
    let Some(sha256) = &old.decoded_sha256 else {
        return false;
    };
    let found = match input.privacy {
        None => source::discover_within(&[PathBuf::from(&new.path)], input.limits),
        // Its path is hidden: it is among those that were given.
        Some(_) => source::discover_within(&input.paths, input.limits),
    };
    found
        .iter()
        .filter(|source| source.member == new.member)
        .any(|source| source::begins_with(source, old.decoded_bytes, sha256))
}

fn add(args: &ConvertArgs, store: &mut Store, loaded: Loaded, input: &Options) -> Result<()> {
    let read = loaded.sources.len() as u64;
    let mut sources = loaded.sources;
    let rows = match loaded.kept {
        // Read in windows, and written already.
        Some(Kept::Unlisted(files)) => {
            let happened = files.iter().filter(|file| is_of_events(&file.table));
            let rows = happened.map(|file| file.rows).sum();
            store.list(sources, loaded.local_domains, files)?;
            rows
        }
        _ => {
            let rows = loaded.tables.rows()?;
            let tables = shift(loaded.tables, &mut sources, store.sources().len())?;
            let write = || store.add(&tables, sources, loaded.local_domains);
            input.timings.of("write", write)?;
            rows
        }
    };
    if !args.read.quiet {
        writeln!(
            io::stderr(),
            "{}: {} rows of {} sources added",
            args.out.display(),
            count(rows),
            count(read)
        )?;
    }
    Ok(())
}
