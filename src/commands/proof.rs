//! The sources of a manifest as they are now: where each is, and in what it differs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::lookup::{Lookup, read_all};
use super::sources::words;
use crate::report::manifest::{Manifest, SourceHash};
use crate::source::{self, Limits, Outcome, Problem, Source};
use crate::tables::zone::rfc3339;

/// All sources of a manifest.
#[derive(Default)]
pub struct Now {
    /// One for each source, in the manifest's order.
    pub places: Vec<Place>,
    /// Names of sources that were found and that the manifest does not have.
    pub others: Vec<String>,
}

/// Where a source is now.
#[derive(Default)]
pub struct Place {
    /// What was found in its place, by the name that it has now.
    pub source: Option<Source>,
    /// In what it differs.
    pub differs: Option<String>,
    /// What is worth knowing: that it was moved, that it could not be read in the first place.
    pub notes: Vec<String>,
}

impl Place {
    fn differing(what: impl Into<String>) -> Place {
        Place {
            differs: Some(what.into()),
            ..Place::default()
        }
    }
}

/// SHA-256 of a regular file.
pub fn sha256_of_file(file: &Path) -> std::io::Result<String> {
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    source::sha256(file)
}

/// Looks the sources up: under `paths` by what is in them; without any, at the paths that the manifest names. Where that
/// hides persons, its names are none of files: what is in them tells which is which at its paths, too.
pub fn locate(manifest: &Manifest, paths: &[PathBuf]) -> Now {
    let limits = limits(manifest);
    let lookup = if paths.is_empty() {
        original(manifest, limits)
    } else {
        Lookup::under(paths, limits)
    };
    let hides = manifest
        .options
        .iter()
        .any(|own| own.name == "pseudonymise");
    let anywhere = hides || !paths.is_empty();
    let mut candidates = Candidates::new(&lookup, manifest, !anywhere);
    let all = manifest.sources.iter();
    // Those that are where and what they were come first, so that no copy of theirs is taken for another.
    let mut places: Vec<Option<Place>> = all.clone().map(|own| candidates.in_place(own)).collect();
    for (own, place) in all.clone().zip(&mut places) {
        if place.is_none() && anywhere {
            *place = candidates.moved(own);
        }
    }
    for (own, place) in all.zip(&mut places) {
        if place.is_none() {
            *place = Some(candidates.other(own, anywhere));
        }
    }
    let others = (0..lookup.all().len()).filter(|index| !candidates.taken.contains_key(index));
    Now {
        others: others.map(|index| lookup.all()[index].name()).collect(),
        places: places.into_iter().flatten().collect(),
    }
}

/// How far the report's command let files be decoded.
fn limits(manifest: &Manifest) -> Limits {
    let arguments = super::rebuild::arguments(manifest).ok();
    Limits {
        decoded: arguments.and_then(|report| report.input.read.max_decoded),
    }
}

/// The paths of the command line and, where they do not lead to a source, the path of the source itself.
fn original(manifest: &Manifest, limits: Limits) -> Lookup {
    let paths: Vec<PathBuf> = manifest.paths.iter().map(PathBuf::from).collect();
    let there = |path: &PathBuf| path.symlink_metadata().is_ok();
    let paths: Vec<PathBuf> = paths.into_iter().filter(there).collect();
    let mut lookup = Lookup::under(&paths, limits);
    for source in &manifest.sources {
        lookup.seek(&source.path);
    }
    lookup
}

/// What was found, read from end to end.
struct Candidates<'a> {
    lookup: &'a Lookup,
    /// In the order of the lookup; nothing of what need not be read.
    read: Vec<Option<Outcome>>,
    by_sha256: HashMap<String, Vec<usize>>,
    by_content: HashMap<String, Vec<usize>>,
    /// With the name of the source that each was taken for.
    taken: BTreeMap<usize, String>,
}

impl<'a> Candidates<'a> {
    fn new(lookup: &'a Lookup, manifest: &Manifest, named_only: bool) -> Self {
        let names: BTreeSet<String> = manifest.sources.iter().map(SourceHash::name).collect();
        let needed = |source: &Source| !named_only || names.contains(&source.name());
        let read = read_all(&lookup.all().iter().collect::<Vec<_>>(), needed);
        let mut by_sha256: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_content: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, outcome) in read.iter().enumerate() {
            let Some(outcome) = outcome else { continue };
            if !outcome.sha256.is_empty() {
                by_sha256
                    .entry(outcome.sha256.clone())
                    .or_default()
                    .push(index);
            }
            if outcome.decoded_bytes > 0 {
                let same = by_content.entry(outcome.decoded_sha256.clone());
                same.or_default().push(index);
            }
        }
        Candidates {
            lookup,
            read,
            by_sha256,
            by_content,
            taken: BTreeMap::new(),
        }
    }

    /// The source at its own name, when it is as it was.
    fn in_place(&mut self, own: &SourceHash) -> Option<Place> {
        let named = self.lookup.named(&own.name()).iter().copied();
        let index = named.clone().find(|index| self.is(*index, own))?;
        Some(self.take(index, own, None))
    }

    /// A file of its SHA-256 under another name: one that ends alike rather than any. Never one that is another source: of
    /// two copies, one that is gone or was changed is not proven by the other.
    fn moved(&mut self, own: &SourceHash) -> Option<Place> {
        let same = self.by_sha256.get(own.sha256.as_ref()?)?;
        let mut same: Vec<usize> = same
            .iter()
            .copied()
            .filter(|index| self.is(*index, own) && self.is_free(*index, own))
            .collect();
        same.sort_by_key(|index| {
            let alike = common_tail(&self.lookup.all()[*index].name(), &own.name());
            (std::cmp::Reverse(alike), *index)
        });
        let index = *same.first()?;
        let note = format!("found as {}", self.lookup.all()[index].name());
        Some(self.take(index, own, Some(note)))
    }

    /// Taken for no other source. Two rows of one name are one file: tables of two folders may both name it.
    fn is_free(&self, index: usize, own: &SourceHash) -> bool {
        self.taken
            .get(&index)
            .is_none_or(|name| *name == own.name())
    }

    /// What is there in its place, and in what it differs.
    fn other(&mut self, own: &SourceHash, anywhere: bool) -> Place {
        if own.sha256.is_none() {
            return self.never_read(own, anywhere);
        }
        // Rather a file of the same content in another packing than any other of its name.
        let content = own.decoded_sha256.as_ref();
        let content = content.filter(|_| anywhere && own.decoded_bytes > 0);
        let packed = content.and_then(|sha256| self.by_content.get(sha256));
        let mut packed = packed.into_iter().flatten().copied();
        let packed = packed.find(|index| !self.taken.contains_key(index));
        if let Some(index) = packed.or_else(|| self.in_its_place(own, anywhere)) {
            self.taken.insert(index, own.name());
            return Place {
                source: Some(self.lookup.all()[index].clone()),
                ..Place::differing(self.difference(index, own))
            };
        }
        if !anywhere {
            return Place::differing("missing");
        }
        // Another source with the same content shows what it said, and proves nothing of it.
        let twins = own
            .sha256
            .as_ref()
            .and_then(|sha256| self.by_sha256.get(sha256));
        let mut twins = twins.into_iter().flatten().copied();
        match twins.find(|index| self.is(*index, own)) {
            None => Place::differing("missing: no file under the given paths has its SHA-256"),
            Some(index) => Place {
                source: Some(self.lookup.all()[index].clone()),
                ..Place::differing(format!(
                    "missing: {} has its SHA-256, and is another source",
                    self.lookup.all()[index].name()
                ))
            },
        }
    }

    /// What could not be read when the report was made has no hash to be held against.
    fn never_read(&mut self, own: &SourceHash, anywhere: bool) -> Place {
        let index = self.in_its_place(own, anywhere);
        self.taken.extend(index.map(|index| (index, own.name())));
        Place {
            source: index.map(|index| self.lookup.all()[index].clone()),
            differs: None,
            notes: vec![
                "could not be read when the report was made: there is no hash to compare"
                    .to_owned(),
            ],
        }
    }

    /// A source of its name; under other paths, one whose name ends alike and that is no other source.
    fn in_its_place(&self, own: &SourceHash, anywhere: bool) -> Option<usize> {
        let name = own.name();
        let named = self.lookup.named(&name).iter().copied();
        let free = |index: &usize| !self.taken.contains_key(index);
        let exact = named.clone().find(free).or_else(|| named.clone().next());
        if exact.is_some() || !anywhere {
            return exact;
        }
        let names = self.lookup.all().iter().map(Source::name).enumerate();
        let alike = names.map(|(index, other)| (common_tail(&other, &name), index));
        let alike = alike.filter(|(parts, index)| *parts > 0 && free(index));
        // The first of those that share most.
        alike
            .max_by_key(|(parts, index)| (*parts, std::cmp::Reverse(*index)))
            .map(|(_, index)| index)
    }

    fn is(&self, index: usize, own: &SourceHash) -> bool {
        let Some(outcome) = &self.read[index] else {
            return false;
        };
        Some(&outcome.sha256) == own.sha256.as_ref() && same_content(outcome, own)
    }

    fn take(&mut self, index: usize, own: &SourceHash, moved: Option<String>) -> Place {
        self.taken.insert(index, own.name());
        let source = self.lookup.all()[index].clone();
        let mut notes: Vec<String> = moved.into_iter().collect();
        let mtime = source
            .mtime
            .map(|seconds| rfc3339(chrono_tz::UTC, seconds.saturating_mul(1_000_000)));
        if own.year_method.as_deref() == Some("mtime") && mtime != own.mtime {
            notes.push(format!(
                "was changed at {} by now; its year was taken from {}",
                mtime.as_deref().unwrap_or("no time"),
                own.mtime.as_deref().unwrap_or("none")
            ));
        }
        Place {
            source: Some(source),
            differs: None,
            notes,
        }
    }

    fn difference(&self, index: usize, own: &SourceHash) -> String {
        let Some(outcome) = &self.read[index] else {
            return "not read".to_owned();
        };
        if let Some(problem @ Problem::Unreadable(_)) = &outcome.problem {
            return format!("unreadable: {}", words(problem));
        }
        let before = own.sha256.as_deref().unwrap_or_default();
        let mut said = Vec::new();
        let name = self.lookup.all()[index].name();
        if name != own.name() {
            said.push(format!("found as {name}"));
        }
        if outcome.bytes != own.bytes {
            said.push(format!(
                "other size: {} bytes, {} in the manifest",
                outcome.bytes, own.bytes
            ));
        }
        if outcome.sha256 != before {
            said.push(format!(
                "other SHA-256 as found: {}, {before} in the manifest",
                outcome.sha256
            ));
        }
        said.push(if same_content(outcome, own) {
            "the decoded content is the same".to_owned()
        } else {
            format!(
                "other decoded content: {} bytes, {} in the manifest",
                outcome.decoded_bytes, own.decoded_bytes
            )
        });
        if let Some(problem) = outcome.problem.as_ref().map(words)
            && Some(&problem) != own.problem.as_ref()
        {
            said.push(problem);
        }
        said.join("; ")
    }
}

/// A source that is only hashed has no decoded content.
fn same_content(outcome: &Outcome, own: &SourceHash) -> bool {
    match &own.decoded_sha256 {
        Some(sha256) => outcome.decoded_sha256 == *sha256,
        None => outcome.decoded_bytes == own.decoded_bytes,
    }
}

/// How many last parts two names share.
fn common_tail(one: &str, other: &str) -> usize {
    let (one, other) = (one.rsplit('/'), other.rsplit('/'));
    one.zip(other).take_while(|(a, b)| a == b).count()
}
