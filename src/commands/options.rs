//! The words of the command line to values, with errors that name the option and the remedy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use chrono::{DateTime, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;

use super::load::{Baseline, Options};
use super::privacy::Privacy;
use super::spill::Files;
use super::timings::Timings;
use super::{Usage, configured, machine};
use crate::cli::{InputArgs, LibraryArgs, ReadArgs};
use crate::query::{Library, Overrides};
use crate::report::format::when;
use crate::source::{Limits, Source};
use crate::tables::select::{Entity, Selection};
use crate::tables::zone::rfc3339;

/// A usage error with its remedy.
pub fn usage(what: String, hint: &str) -> anyhow::Error {
    Usage(format!("{what}\nhint: {hint}")).into()
}

/// Which rows of which logs, and how to read them.
///
/// # Errors
/// Those of [`read`], a month or time that does not exist, a period that ends before it begins.
pub fn input(args: &InputArgs, paths: &[PathBuf], about: Option<&str>) -> Result<Options> {
    input_of(args, paths, about, None)
}

/// The same of logs that were found before, wherever the paths lead.
///
/// # Errors
/// Those of [`input`].
pub fn input_of(
    args: &InputArgs,
    paths: &[PathBuf],
    about: Option<&str>,
    found: Option<Vec<Source>>,
) -> Result<Options> {
    let read = match found {
        None => read(&args.read, paths)?,
        Some(found) => Options {
            paths: paths.to_vec(),
            found: Some(found),
            ..read(&args.read, &[])?
        },
    };
    let (since, until) = period(args, read.zone)?;
    let baseline = baseline(args, (since, until), read.zone)?;
    if let Some(store) = &args.store {
        read.keep_map_out_of(store)?;
    }
    let hosts = args.hosts.clone();
    let about = about.map(entity).transpose()?;
    Ok(Options {
        selection: Selection {
            since,
            until,
            hosts,
            about,
            whole: false,
        },
        baseline,
        files: args.store.clone().map_or(Files::Temporary, Files::Folder),
        ..read
    })
}

/// What to read and how.
///
/// # Errors
/// A zone that does not exist, a domain that is none, paths of which none exists, a configuration that is wrong.
pub fn read(args: &ReadArgs, paths: &[PathBuf]) -> Result<Options> {
    let zone = zone(&args.timezone)?;
    if !paths.is_empty() && paths.iter().all(|path| missing(path)) {
        return Err(usage(
            format!("{}: no such file or folder", paths[0].display()),
            "name the files or folders that hold the logs",
        ));
    }
    for domain in &args.local_domains {
        if domain.trim().is_empty() || domain.contains(['@', ' ']) {
            return Err(usage(
                format!("--local-domain {domain:?}: no domain"),
                "give a domain such as example.org",
            ));
        }
    }
    let config = configured::read(args)?;
    let named = config.iter().flat_map(|config| &config.local_domains);
    let local_domains = args.local_domains.iter().chain(named);
    Ok(Options {
        year: args.year,
        local_domains: domains(local_domains),
        threads: args.threads,
        quiet: args.quiet,
        limits: Limits {
            decoded: args.max_decoded,
        },
        timings: Timings::new(args.timings),
        memory: args.memory.unwrap_or_else(default_memory),
        privacy: Privacy::new(&args.privacy)?,
        config,
        ..Options::new(paths.to_vec(), zone)
    })
}

/// A quarter of the machine's memory, or of what this process may have of it, at most [`MOST`]; where the system does
/// not tell, a quarter of that.
fn default_memory() -> u64 {
    let known = [machine::memory(), machine::group_memory()];
    let least = known.into_iter().flatten().min();
    least.map_or(MOST / 4, |bytes| (bytes / 4).clamp(MOST / 64, MOST))
}

/// Memory taken without being asked, bytes.
const MOST: u64 = 4 << 30;

/// In lower case, sorted, each once.
fn domains<'d>(given: impl Iterator<Item = &'d String>) -> Vec<String> {
    let mut domains: Vec<String> = given.map(|d| d.to_ascii_lowercase()).collect();
    domains.sort_unstable();
    domains.dedup();
    domains
}

fn entity(key: &str) -> Result<Entity> {
    Entity::new(key).map_err(|what| {
        usage(
            format!("--about {key:?}: {what}"),
            "write alice@example.org, 192.0.2.1, example.org, or a queue ID as logged",
        )
    })
}

/// Nothing is there, not even a link that leads nowhere.
fn missing(path: &std::path::Path) -> bool {
    matches!(path.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

fn zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| {
        usage(
            format!("--timezone {name}: no such zone"),
            "give an IANA name such as Europe/Berlin or UTC",
        )
    })
}

fn period(args: &InputArgs, zone: Tz) -> Result<(Option<i64>, Option<i64>)> {
    if let Some(month) = &args.month {
        let (first, next) = month_of("--month", month)?;
        return Ok((Some(local(zone, first)), Some(local(zone, next))));
    }
    let time = |name: &str, text: &Option<String>| {
        text.as_deref().map(|t| moment(name, t, zone)).transpose()
    };
    let (since, until) = (time("--since", &args.since)?, time("--until", &args.until)?);
    match (since, until) {
        (Some(since), Some(until)) if since >= until => Err(usage(
            "--until is not after --since".into(),
            "the period is from --since up to, not including, --until",
        )),
        _ => Ok((since, until)),
    }
}

/// The period to compare with: as given, else the one of the same length before the period, where that has both ends.
fn baseline(
    args: &InputArgs,
    (since, until): (Option<i64>, Option<i64>),
    zone: Tz,
) -> Result<Option<Baseline>> {
    match (args.baseline.as_deref(), since) {
        (Some("none"), _) => Ok(None),
        (Some(_), None) => Err(usage(
            "--baseline needs a period to compare".into(),
            "give --month or --since too",
        )),
        (Some(text), Some(since)) => {
            let found = given_baseline(text, zone)?;
            if found.until > since {
                return Err(usage(
                    format!("--baseline {text}: it does not end before the period begins"),
                    "name an earlier period",
                ));
            }
            Ok(Some(found))
        }
        (None, _) => Ok(previous(args, (since, until), zone)),
    }
}

/// `2026-09`, or `2026-09-01..2026-09-15` with any two times, the second exclusive.
fn given_baseline(text: &str, zone: Tz) -> Result<Baseline> {
    let name = text.to_owned();
    let Some((since, until)) = text.split_once("..") else {
        let (first, next) = month_of("--baseline", text)?;
        let (since, until) = (local(zone, first), local(zone, next));
        return Ok(Baseline { since, until, name });
    };
    let time = |text: &str| moment("--baseline", text.trim(), zone);
    let (since, until) = (time(since)?, time(until)?);
    if since >= until {
        return Err(usage(
            format!("--baseline {text}: it ends before it begins"),
            "write 2026-09-01..2026-10-01",
        ));
    }
    Ok(Baseline { since, until, name })
}

/// The month before a month; before two times, as long as lies between them.
fn previous(
    args: &InputArgs,
    (since, until): (Option<i64>, Option<i64>),
    zone: Tz,
) -> Option<Baseline> {
    if let Some(month) = &args.month {
        let (first, _) = month_of("--month", month).ok()?;
        let before = first.checked_sub_months(Months::new(1))?;
        return Some(Baseline {
            since: local(zone, before),
            until: local(zone, first),
            name: before.format("%Y-%m").to_string(),
        });
    }
    let (since, until) = (since?, until?);
    let begin = since.checked_sub(until - since)?;
    let shown = |time: i64| when(&rfc3339(zone, time));
    Some(Baseline {
        since: begin,
        until: since,
        name: format!("{} to {}", shown(begin), shown(since)),
    })
}

fn month_of(option: &str, month: &str) -> Result<(NaiveDateTime, NaiveDateTime)> {
    let wrong = || {
        usage(
            format!("{option} {month}: no such month"),
            "write it as 2026-10",
        )
    };
    let first =
        NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").map_err(|_| wrong())?;
    let next = first.checked_add_months(Months::new(1)).ok_or_else(wrong)?;
    Ok((
        first.and_time(NaiveTime::MIN),
        next.and_time(NaiveTime::MIN),
    ))
}

fn moment(option: &str, text: &str, zone: Tz) -> Result<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_micros());
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(local(zone, day.and_time(NaiveTime::MIN)));
    }
    for layout in [
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M:%S",
    ] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, layout) {
            return Ok(local(zone, time));
        }
    }
    Err(usage(
        format!("{option} {text}: not a time"),
        "write 2026-10-01, 2026-10-01T12:00, or RFC 3339 such as 2026-10-01T12:00:00+02:00",
    ))
}

/// A local time in UTC, µs. Of a time that a zone has twice, the first; of one that it skips, an hour later.
fn local(zone: Tz, time: NaiveDateTime) -> i64 {
    let found = zone.from_local_datetime(&time).earliest();
    let found = found.or_else(|| {
        zone.from_local_datetime(&(time + chrono::Duration::hours(1)))
            .earliest()
    });
    found.map_or_else(
        || time.and_utc().timestamp_micros(),
        |time| time.timestamp_micros(),
    )
}

/// The queries and the parameters set.
///
/// # Errors
/// A query file that is wrong, a `--param` without `=`.
pub fn library(args: &LibraryArgs) -> Result<(Library, Overrides)> {
    let library = queries(args.queries.as_deref())?;
    let mut overrides: Overrides = BTreeMap::new();
    for param in &args.params {
        let Some((name, value)) = param.split_once('=') else {
            return Err(usage(
                format!("--param {param}: no value"),
                "write --param name=value",
            ));
        };
        overrides.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok((library, overrides))
}

/// The built-in queries and those of a folder.
///
/// # Errors
/// A query file that is wrong.
pub fn queries(dir: Option<&std::path::Path>) -> Result<Library> {
    let mut library = Library::builtin().map_err(|error| Usage(error.to_string()))?;
    if let Some(dir) = dir {
        library
            .load_dir(dir)
            .map_err(|error| Usage(error.to_string()))?;
    }
    Ok(library)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_read_in_the_zone() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(
            moment("--since", "2026-07-01", berlin).unwrap(),
            1_782_856_800_000_000
        );
        assert_eq!(
            moment("--since", "2026-07-01T00:00:00Z", berlin).unwrap(),
            1_782_864_000_000_000
        );
        assert!(
            moment("--since", "yesterday", berlin)
                .unwrap_err()
                .to_string()
                .contains("hint:")
        );
    }

    #[test]
    fn months_end_where_the_next_begins() {
        let (first, next) = month_of("--month", "2024-12").unwrap();
        assert_eq!(
            (first.to_string(), next.to_string()),
            ("2024-12-01 00:00:00".into(), "2025-01-01 00:00:00".into())
        );
        assert!(month_of("--month", "2024-13").is_err());
    }

    #[test]
    fn skipped_and_doubled_hours_resolve() {
        let berlin = chrono_tz::Europe::Berlin;
        let at = |text: &str| moment("--since", text, berlin).unwrap();
        assert_eq!(at("2026-03-29T02:30"), at("2026-03-29T03:30"));
        assert_eq!(
            at("2026-10-25T02:30:00") + 3_600_000_000,
            at("2026-10-25T02:30:00+01:00")
        );
    }
}
