//! `mtaudit show`: raw lines of the evidence, from inside whatever they are packed in.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, anyhow};

use super::evidence::raw;
use super::lookup::{Line, Lookup, lines};
use super::options::usage;
use super::proof::{self, Now};
use super::{Done, sources::words};
use crate::cli::ShowArgs;
use crate::report::escape::visible;
use crate::report::folder::MANIFEST;
use crate::report::manifest::{self, Manifest};
use crate::report::sums;
use crate::source::{Limits, Outcome, Problem, Source};

/// Lines that are printed at most: they are in memory before they are.
const MOST: u64 = 100_000;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    file: String,
    from: u64,
    to: u64,
}

impl Place {
    /// `file:12` or `file:10-20`. The file's name may hold colons.
    fn parse(word: &str) -> Option<Place> {
        let (file, lines) = word.rsplit_once(':')?;
        let (from, to) = lines.split_once('-').unwrap_or((lines, lines));
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        let (from, to) = (number(from)?, number(to)?);
        (!file.is_empty()).then(|| Place {
            file: file.to_owned(),
            from,
            to,
        })
    }

    fn with_context(&self, context: u64) -> std::ops::RangeInclusive<u64> {
        self.from.saturating_sub(context).max(1)..=self.to.saturating_add(context)
    }
}

/// Prints lines.
///
/// # Errors
/// Usage: no place, a place that no source or more than one has, too many lines.
pub fn run(args: &ShowArgs) -> Result<Done> {
    let (paths, places) = split(&args.words)?;
    let asked: u64 = places
        .iter()
        .map(|place| place.with_context(args.context))
        .map(|range| range.end().saturating_sub(*range.start()).saturating_add(1))
        .fold(0, u64::saturating_add);
    if asked > MOST {
        return Err(usage(
            format!("{asked} lines are asked for; at most {MOST} are shown"),
            "ask for fewer, or unpack the file",
        ));
    }
    let evidence = Evidence::open(&paths, &places)?;
    let mut sources: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    let mut chosen = Vec::with_capacity(places.len());
    for place in &places {
        let index = evidence.choose(place)?;
        sources
            .entry(index)
            .or_default()
            .extend(place.with_context(args.context));
        chosen.push(index);
    }
    let read: BTreeMap<usize, (BTreeMap<u64, Line>, Outcome)> = sources
        .into_iter()
        .map(|(index, wanted)| (index, lines(&evidence.sources[index], &wanted)))
        .collect();
    let mut told = Told::default();
    for (index, (_, outcome)) in &read {
        told.check(&evidence, *index, outcome)?;
    }
    let mut out = io::stdout().lock();
    for (number, (place, index)) in places.iter().zip(chosen).enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let (lines, outcome) = &read[&index];
        writeln!(out, "{}", visible(&evidence.names[index]))?;
        print(&mut out, place, args.context, lines)?;
        if !lines
            .range(place.from..=place.to.max(place.from))
            .any(|_| true)
        {
            told.missing += 1;
            writeln!(
                io::stderr(),
                "{}: no line {}: it has {} lines",
                visible(&evidence.names[index]),
                place.from,
                outcome.lines
            )?;
        } else {
            told.shown += 1;
        }
    }
    out.flush()?;
    Ok(told.done())
}

fn print(
    out: &mut impl Write,
    place: &Place,
    context: u64,
    lines: &BTreeMap<u64, Line>,
) -> io::Result<()> {
    let range = place.with_context(context);
    let width = lines
        .range(range.clone())
        .next_back()
        .map_or(1, |(last, _)| last.to_string().len());
    for (number, line) in lines.range(range) {
        let asked = (place.from..=place.to).contains(number);
        let mark = if asked { '>' } else { ' ' };
        writeln!(out, "{mark} {number:>width$}: {}", raw(line))?;
    }
    Ok(())
}

/// What is to be said beside the lines.
#[derive(Default)]
struct Told {
    shown: usize,
    missing: usize,
    differs: bool,
}

impl Told {
    fn check(&mut self, evidence: &Evidence, index: usize, outcome: &Outcome) -> Result<()> {
        let name = visible(&evidence.names[index]);
        if let Some(what) = &evidence.differs[index] {
            self.differs = true;
            writeln!(
                io::stderr(),
                "{name}: not as the report read it: {}",
                visible(what)
            )?;
        }
        if let Some(problem @ (Problem::Unreadable(_) | Problem::Damaged(_))) = &outcome.problem {
            writeln!(io::stderr(), "{name}: {}", visible(&words(problem)))?;
        }
        Ok(())
    }

    fn done(&self) -> Done {
        match self {
            Told { shown: 0, .. } => Done::Empty,
            Told { differs: true, .. } => Done::Incomplete,
            Told { missing: 1.., .. } => Done::Incomplete,
            _ => Done::Complete,
        }
    }
}

/// The first word is always a path. A later one is a line unless a file of just that name is there.
fn split(words: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<Place>)> {
    let (mut paths, mut places) = (Vec::new(), Vec::new());
    for (index, word) in words.iter().enumerate() {
        let place = word.to_str().and_then(Place::parse);
        match place {
            Some(place) if index > 0 && word.symlink_metadata().is_err() => {
                if place.from == 0 || place.to < place.from {
                    return Err(usage(
                        format!("{}: no such lines", word.display()),
                        "lines count from 1, and a range is written from-to",
                    ));
                }
                places.push(place);
            }
            _ => paths.push(word.clone()),
        }
    }
    if places.is_empty() {
        return Err(usage(
            "show: no line asked for".to_owned(),
            "name one as the report does: file:line, or file:from-to",
        ));
    }
    if let Some(missing) = paths.iter().find(|path| path.symlink_metadata().is_err()) {
        return Err(usage(
            format!("{}: no such file or folder", missing.display()),
            "name a report or the logs first, then lines as file:line",
        ));
    }
    Ok((paths, places))
}

/// Where lines may come from, each source with the name it has for the user.
struct Evidence {
    sources: Vec<Source>,
    names: Vec<String>,
    /// In what it differs from what a report read.
    differs: Vec<Option<String>>,
}

impl Evidence {
    fn open(paths: &[PathBuf], places: &[Place]) -> Result<Evidence> {
        let report = paths
            .first()
            .filter(|path| path.join(MANIFEST).symlink_metadata().is_ok());
        let Some(report) = report else {
            let lookup = Lookup::under(paths, Limits::default());
            let sources = lookup.all().to_vec();
            return Ok(Evidence {
                names: sources.iter().map(Source::name).collect(),
                differs: vec![None; sources.len()],
                sources,
            });
        };
        let place = report.join(MANIFEST).display().to_string();
        let bytes = sums::read(report, MANIFEST).map_err(|what| anyhow!("{place}: {what}"))?;
        let manifest = manifest::parse(&bytes, &place).map_err(|error| anyhow!("{error}"))?;
        let paths = &paths[1..];
        // At their own paths others need not be read; elsewhere, what is one of them is not taken for another.
        let manifest = match paths.is_empty() {
            true => asked(manifest, places),
            false => manifest,
        };
        Ok(Evidence::of(manifest, paths))
    }

    /// The sources of a manifest, wherever they are now.
    fn of(manifest: Manifest, paths: &[PathBuf]) -> Evidence {
        let now: Now = proof::locate(&manifest, paths);
        let mut evidence = Evidence {
            sources: Vec::new(),
            names: Vec::new(),
            differs: Vec::new(),
        };
        for (own, place) in manifest.sources.iter().zip(now.places) {
            let Some(source) = place.source else { continue };
            evidence.sources.push(source);
            evidence.names.push(own.name());
            evidence.differs.push(place.differs);
        }
        evidence
    }

    /// The one source that a place means.
    fn choose(&self, place: &Place) -> Result<usize> {
        let names = self.names.iter().enumerate();
        let meant = super::lookup::meant(names, &place.file);
        match meant.as_slice() {
            [one] => Ok(*one),
            [] => Err(anyhow!(
                "{}: no such source here\nhint: `mtaudit inspect PATH...` lists them; write a name as the report does",
                visible(&place.file)
            )),
            many => {
                let some = many
                    .iter()
                    .take(5)
                    .map(|index| visible(&self.names[*index]));
                Err(usage(
                    format!(
                        "{}: {} sources may be meant: {}",
                        visible(&place.file),
                        many.len(),
                        some.collect::<Vec<_>>().join(", ")
                    ),
                    "write more of the path",
                ))
            }
        }
    }
}

/// The manifest with the sources alone that may be meant: others need not be read.
fn asked(mut manifest: Manifest, places: &[Place]) -> Manifest {
    let names: Vec<String> = manifest
        .sources
        .iter()
        .map(|source| source.name())
        .collect();
    let meant = places
        .iter()
        .flat_map(|place| super::lookup::meant(names.iter().enumerate(), &place.file));
    let meant: BTreeSet<usize> = meant.collect();
    let mut index = 0;
    manifest.sources.retain(|_| {
        index += 1;
        meant.contains(&(index - 1))
    });
    manifest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn places_are_read_from_their_end() {
        let place = |file: &str, from, to| {
            Some(Place {
                file: file.into(),
                from,
                to,
            })
        };
        assert_eq!(Place::parse("a/b.log:12"), place("a/b.log", 12, 12));
        assert_eq!(Place::parse("a:b:12-14"), place("a:b", 12, 14));
        assert_eq!(Place::parse("C:/x.log:1"), place("C:/x.log", 1, 1));
        assert_eq!(
            Place::parse("t.tar.gz!/d/x.log:7"),
            place("t.tar.gz!/d/x.log", 7, 7)
        );
        for none in [
            "a.log",
            ":12",
            "a:",
            "a:x",
            "a:1-",
            "a:-1",
            "a:+1",
            "a:1-2-3",
            "a:99999999999999999999",
        ] {
            assert_eq!(Place::parse(none), None, "{none}");
        }
    }
}
