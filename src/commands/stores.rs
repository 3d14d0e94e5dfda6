//! Folders of tables as input: opened, held against what is asked, and joined with one another and with logs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Usage;
use super::load::{Loaded, Options};
use super::options::usage;
use super::privacy;
use crate::source::shown;
use crate::tables::Tables;
use crate::tables::build::SourceRow;
use crate::tables::select::Found;
use crate::tables::store::{self, Days, Store};

/// The tables of these folders; nothing when there is none.
///
/// # Errors
/// A folder that cannot be used, one that was made for another zone or other local domains, two that hold the same
/// source.
pub fn load(folders: &[PathBuf], options: &Options) -> Result<Option<Loaded>> {
    let mut whole: Option<Loaded> = None;
    let stores: Result<Vec<Store>> = folders.iter().map(|folder| Store::open(folder)).collect();
    let stores = stores?;
    let bytes = stores
        .iter()
        .map(|store| store.bytes_in_memory(&options.wanted, days(options)));
    let on_disk = bytes.sum::<u64>() > options.memory;
    for (folder, store) in folders.iter().zip(stores) {
        store
            .check_zone(options.zone)
            .map_err(|error| Usage(format!("{error:#}")))?;
        let hidden = store.marking().cloned();
        if let Some(own) = &hidden {
            privacy::check_key(folder, own, options)?;
        }
        check_domains(folder, &store, options)?;
        let read = || match on_disk {
            true => store.scans(&options.wanted, days(options)),
            false => store.tables(&options.wanted, days(options)),
        };
        let tables = options.timings.of("read tables", read)?;
        let sources = store.sources();
        let next = Loaded {
            before: Tables::default(),
            tables,
            sources,
            local_domains: store.local_domains(),
            left_out: Vec::new(),
            unreadable: Vec::new(),
            parts: store.parts(),
            kept: None,
            hidden,
            found: Found::default(),
        };
        whole = Some(match whole {
            None => next,
            Some(before) => {
                privacy::check_alike(before.hidden.as_ref(), next.hidden.as_ref())?;
                check_sources(folder, &before, &next)?;
                join(before, next)?
            }
        });
    }
    Ok(whole)
}

/// The days of the period, and of the one before it where that is compared. What touches one entity is followed beyond them.
fn days(options: &Options) -> Days {
    let selection = &options.selection;
    if selection.about.is_some() {
        return Days::default();
    }
    let day = |ts: i64| {
        let utc = chrono::DateTime::from_timestamp_micros(ts)?;
        Some(utc.with_timezone(&options.zone).date_naive())
    };
    let first = match &options.baseline {
        Some(baseline) => selection.since.map(|since| since.min(baseline.since)),
        None => selection.since,
    };
    Days {
        first: first.and_then(day),
        last: selection
            .until
            .and_then(|until| day(until.saturating_sub(1))),
    }
}

/// Directions were decided when the tables were made.
fn check_domains(folder: &Path, store: &Store, options: &Options) -> Result<()> {
    let own = store.local_domains();
    let given = match store.marking() {
        None => &options.local_domains,
        Some(_) => &options.shown_domains(),
    };
    if given.is_empty() || *given == own {
        return Ok(());
    }
    Err(usage(
        format!(
            "{}: its directions were decided with the local domains {}",
            folder.display(),
            own.join(", ")
        ),
        "leave --local-domain out, or convert the logs again with it",
    ))
}

fn check_sources(folder: &Path, before: &Loaded, next: &Loaded) -> Result<()> {
    let known: HashMap<&str, &SourceRow> = before
        .sources
        .iter()
        .filter(|source| source.duplicate_of.is_none())
        .filter_map(|source| Some((source.decoded_sha256.as_deref()?, source)))
        .collect();
    let mut twice = next
        .sources
        .iter()
        .filter(|source| source.decoded_bytes > 0);
    let twice = twice.find_map(|source| known.get(source.decoded_sha256.as_deref()?));
    match twice {
        None => Ok(()),
        Some(twice) => Err(usage(
            format!(
                "{}: {} is in another of these folders too",
                folder.display(),
                shown(&twice.path, twice.member.as_deref())
            ),
            "name one of them, or convert the logs into one folder",
        )),
    }
}

/// Two loads as one: the sources of the second count on from those of the first.
///
/// # Errors
/// Those of polars.
pub fn join(first: Loaded, mut next: Loaded) -> Result<Loaded> {
    let joined = || -> Result<Tables> {
        let moved = store::shift(next.tables, &mut next.sources, first.sources.len())?;
        store::append(first.tables, moved)
    };
    let tables = joined().context("cannot join tables")?;
    let mut sources = first.sources;
    sources.extend(next.sources);
    let mut local_domains = first.local_domains;
    local_domains.extend(next.local_domains);
    local_domains.sort_unstable();
    local_domains.dedup();
    let mut left_out = first.left_out;
    left_out.extend(next.left_out);
    Ok(Loaded {
        before: Tables::default(),
        tables,
        sources,
        local_domains,
        left_out,
        unreadable: first.unreadable,
        parts: first.parts + next.parts,
        kept: next.kept,
        hidden: first.hidden,
        found: Found::default(),
    })
}
