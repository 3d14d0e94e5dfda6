//! Where the sources of a report are now, by the names that it gives them, and their raw lines.
//!
//! Used by what goes back to the evidence: `verify`, `show`, `report --case` and `report --evidence`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::blocks::BLOCK;
use super::load::Options;
use super::readers;
use crate::pseudonyms::{Holds, Pseudonyms};
use crate::source::{self, Block, Limits, MemberLines, Outcome, Problem, Source};
use crate::tables::store;

/// Sources by name. Two may share one, when their names are not UTF-8.
#[derive(Default)]
pub struct Lookup {
    found: Vec<Source>,
    by_name: HashMap<String, Vec<usize>>,
    /// Paths that were found, or looked at on their own.
    paths: HashSet<String>,
    limits: Limits,
    /// What hides persons in the names that the report gives.
    pseudonyms: Option<Arc<Pseudonyms>>,
}

impl Lookup {
    /// The sources under these paths; folders of tables hold none.
    pub fn under(paths: &[PathBuf], limits: Limits) -> Lookup {
        let mut lookup = Lookup {
            limits,
            ..Lookup::default()
        };
        lookup.look_under(paths);
        lookup
    }

    /// The sources that a command was to read.
    pub fn of(input: &Options) -> Lookup {
        let mut lookup = Lookup {
            limits: input.limits,
            pseudonyms: input.privacy.as_ref().map(|own| own.pseudonyms.clone()),
            ..Lookup::default()
        };
        match &input.found {
            None => lookup.look_under(&input.paths),
            Some(found) => lookup.add(found.clone()),
        }
        lookup
    }

    fn look_under(&mut self, paths: &[PathBuf]) {
        let logs = paths.iter().filter(|path| !store::is_store(path));
        let logs: Vec<PathBuf> = logs.cloned().collect();
        self.add(source::discover_within(&logs, self.limits));
    }

    /// The name that the report gives a source.
    fn name(&self, source: &Source) -> String {
        let Some(own) = &self.pseudonyms else {
            return source.name();
        };
        let hide = |text: &str| own.hide(Holds::Path, text);
        source::shown(
            &hide(&source.path),
            source.member.as_deref().map(hide).as_deref(),
        )
    }

    fn add(&mut self, found: Vec<Source>) {
        for source in found {
            let index = self.found.len();
            self.by_name
                .entry(self.name(&source))
                .or_default()
                .push(index);
            self.paths.insert(source.path.clone());
            self.found.push(source);
        }
    }

    /// Also looks at the path itself where no source under the paths has it: tables name files that lie elsewhere.
    pub fn seek(&mut self, path: &str) {
        let there = || PathBuf::from(path).symlink_metadata().is_ok();
        if self.paths.insert(path.to_owned()) && there() {
            self.add(source::discover_within(&[PathBuf::from(path)], self.limits));
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Source] {
        &self.found
    }

    /// Those of this name, by their place in [`Self::all`].
    pub fn named(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Names that someone may mean: this very one or, where there is none, those that end so, or that this one ends with.
pub fn meant<'a>(names: impl Iterator<Item = (usize, &'a String)>, wanted: &str) -> Vec<usize> {
    let (mut exact, mut near) = (Vec::new(), Vec::new());
    for (index, name) in names {
        if name == wanted {
            exact.push(index);
        } else if ends_alike(name, wanted) {
            near.push(index);
        }
    }
    if exact.is_empty() { near } else { exact }
}

/// One name ends with the other, at a `/`, or they are the same once shown.
fn ends_alike(one: &str, other: &str) -> bool {
    let (one, other) = (
        crate::report::escape::visible(one),
        crate::report::escape::visible(other),
    );
    let ends = |long: &str, short: &str| {
        let before = long.strip_suffix(short);
        before.is_some_and(|rest| !short.is_empty() && (rest.is_empty() || rest.ends_with('/')))
    };
    ends(&one, &other) || ends(&other, &one)
}

/// A line as it stands in its source, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// It is longer than any that is parsed, and this is its beginning.
    pub cut: bool,
}

/// Lines of a source by their number.
pub type LinesOf = BTreeMap<u64, Line>;

/// The wanted lines of a source, and what reading all of it came to.
pub fn lines(source: &Source, wanted: &BTreeSet<u64>) -> (LinesOf, Outcome) {
    let mut found = BTreeMap::new();
    let outcome = source::read(source, BLOCK, &|_| {}, &mut |block| {
        pick(&block, wanted, &mut found);
    });
    (found, outcome)
}

/// The same of several sources, by their place; an archive is gone through once.
pub fn lines_of_all(
    sources: &[Source],
    wanted: &BTreeMap<usize, &BTreeSet<u64>>,
) -> BTreeMap<usize, (LinesOf, Outcome)> {
    let all: Vec<&Source> = sources.iter().collect();
    let needed = |index: usize| wanted.contains_key(&index);
    let read = passes(&all, needed).into_par_iter().with_max_len(1);
    let read = read.flat_map_iter(|pass| {
        let mut lines: BTreeMap<usize, LinesOf> = BTreeMap::new();
        let outcomes = pass.read(&all, &mut |index, block| {
            if let Some(wanted) = wanted.get(&index) {
                pick(&block, wanted, lines.entry(index).or_default());
            }
        });
        let join =
            move |(index, outcome)| (index, (lines.remove(&index).unwrap_or_default(), outcome));
        outcomes.into_iter().map(join).collect::<Vec<_>>()
    });
    read.collect()
}

fn pick(block: &Block, wanted: &BTreeSet<u64>, found: &mut LinesOf) {
    let (mut number, mut rest) = (block.first_line, &block.bytes[..]);
    for next in wanted.range(block.first_line..) {
        while number < *next {
            let Some(end) = memchr::memchr(b'\n', rest) else {
                return;
            };
            rest = &rest[end + 1..];
            number += 1;
        }
        if rest.is_empty() {
            return;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = Line {
            bytes: rest[..end].to_vec(),
            cut: block.cut,
        };
        found.insert(number, line);
    }
}

/// What reading each of these sources from end to end comes to; `None` for those that are not needed. An archive is gone
/// through once for all of its members.
pub fn read_all(
    sources: &[&Source],
    needed: impl Fn(&Source) -> bool + Sync,
) -> Vec<Option<Outcome>> {
    let read = passes(sources, |index| needed(sources[index])).into_par_iter();
    let read: Vec<(usize, Outcome)> = read
        .with_max_len(1)
        .flat_map_iter(|pass| pass.read(sources, &mut |_, _| ()))
        .collect();
    let mut all = vec![None; sources.len()];
    for (index, outcome) in read {
        all[index] = Some(outcome);
    }
    all
}

/// What is read in one go: a file, or members of one archive in the archive's order.
pub struct Pass {
    /// The archive that the members lie in.
    outer: Option<usize>,
    indices: Vec<usize>,
}

/// The needed sources, by the files that they lie in.
pub fn passes(sources: &[&Source], needed: impl Fn(usize) -> bool) -> Vec<Pass> {
    let mut files: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
    let mut outer: HashMap<&Path, usize> = HashMap::new();
    for (index, source) in sources.iter().enumerate() {
        if needed(index) {
            files.entry(&source.file).or_default().push(index);
        }
        if source.archive.is_some() && source.member.is_none() {
            outer.insert(&source.file, index);
        }
    }
    let pass = |(file, indices): (&Path, Vec<usize>)| Pass {
        // One member alone may be reached by seeking.
        outer: outer.get(file).copied().filter(|_| indices.len() > 1),
        indices,
    };
    files.into_iter().map(pass).collect()
}

impl Pass {
    /// Reads them and gives each block with the place of its source. Returns what each came to.
    pub fn read(
        &self,
        sources: &[&Source],
        give: &mut dyn FnMut(usize, Block),
    ) -> Vec<(usize, Outcome)> {
        let mut alone = |index: usize| {
            let read = source::read(sources[index], BLOCK, &|_| {}, &mut |block| {
                give(index, block)
            });
            (index, read)
        };
        match self.outer {
            Some(outer) => self.read_archive(sources, outer, give),
            None => self.indices.iter().map(|index| alone(*index)).collect(),
        }
    }

    fn read_archive(
        &self,
        sources: &[&Source],
        outer: usize,
        give: &mut dyn FnMut(usize, Block),
    ) -> Vec<(usize, Outcome)> {
        let numbered = |index: &usize| Some((sources[*index].number()?, *index));
        let by_number: HashMap<usize, usize> = self.indices.iter().filter_map(numbered).collect();
        let found = RefCell::new(BTreeMap::new());
        let whole = source::read_archive(
            sources[outer],
            &|_| {},
            &mut |member: MemberLines<'_>| {
                let index = by_number.get(&member.number);
                if let Some(index) = index.filter(|index| member.is(sources[**index])) {
                    let mut take = |block| give(*index, block);
                    let outcome = member.read(BLOCK, &|_| {}, &mut take);
                    found.borrow_mut().insert(*index, outcome);
                }
            },
            &mut |number, outcome| {
                if let Some(index) = by_number.get(&number) {
                    found.borrow_mut().insert(*index, outcome);
                }
            },
        );
        let mut found = found.into_inner();
        let stopped = readers::not_reached(&whole);
        found.insert(outer, whole);
        let outcome = |index: &usize| {
            let source = sources[*index];
            let why = source.problem.clone().filter(Problem::refuses);
            let unread = || match why.or_else(|| stopped.clone()) {
                None => source::read(source, BLOCK, &|_| {}, &mut |block| give(*index, block)),
                problem => Outcome {
                    problem,
                    ..Outcome::default()
                },
            };
            (*index, found.remove(index).unwrap_or_else(unread))
        };
        self.indices.iter().map(outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_those_of_the_file_in_blocks_of_any_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        // More than one block, an empty line, one that is too long, and none at the end.
        let mut text = String::new();
        for n in 1..=60_000 {
            text.push_str(&format!("line number {n} of many\n"));
        }
        text.push('\n');
        text.push_str(&"x".repeat(source::MAX_LINE + 10));
        text.push_str("\nlast");
        std::fs::write(&path, &text).unwrap();
        let found = source::discover(&[path]);
        let wanted = BTreeSet::from([1, 2, 45_000, 60_000, 60_001, 60_002, 60_003, 60_004, 99_999]);
        let (lines, outcome) = lines(&found[0], &wanted);
        assert_eq!(outcome.lines, 60_003);
        let all: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 7);
        for (number, line) in &lines {
            let whole = all[*number as usize - 1].as_bytes();
            assert_eq!(line.cut, *number == 60_002);
            assert_eq!(
                line.bytes,
                whole[..whole.len().min(source::MAX_LINE)],
                "{number}"
            );
        }
    }

    #[test]
    fn sources_read_together_come_to_what_each_comes_to_alone() {
        let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("logs.tgz");
        let packed = std::process::Command::new("tar")
            .args(["czf", file.to_str().unwrap(), "-C"])
            .arg(logs)
            .arg(".")
            .status();
        if !packed.is_ok_and(|status| status.success()) {
            return;
        }
        std::fs::write(dir.path().join("plain"), "a line\n").unwrap();
        let sources = source::discover(&[dir.path().to_path_buf()]);
        assert!(sources.len() > 5);
        let needed = |source: &Source| source.number() != Some(2);
        let all: Vec<&Source> = sources.iter().collect();
        for (source, together) in sources.iter().zip(read_all(&all, needed)) {
            let read = || source::read(source, BLOCK, &|_| {}, &mut |_| {});
            let alone = needed(source).then(read);
            assert_eq!(
                format!("{alone:?}"),
                format!("{together:?}"),
                "{}",
                source.name()
            );
        }
    }

    #[test]
    fn names_are_met_from_their_end() {
        for (one, other, alike) in [
            ("logs/mx1/mail.log", "mail.log", true),
            ("logs/mx1/mail.log", "x/logs/mx1/mail.log", true),
            ("logs/a.tar!/mx1/mail.log", "mx1/mail.log", true),
            ("logs/a.tar!/mail.log", "mail.log", true),
            ("logs/xmail.log", "mail.log", false),
            ("logs/mail.log", "", false),
            ("a\u{202e}b", "a⟨U+202E⟩b", true),
        ] {
            assert_eq!(ends_alike(one, other), alike, "{one} {other}");
        }
    }
}
