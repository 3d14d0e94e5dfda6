//! `report --evidence`: the raw lines behind each finding, one file a finding.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use super::load::Options;
use super::lookup::{Line, LinesOf, Lookup, lines_of_all};
use crate::report::escape::{clip_bytes, visible};
use crate::report::folder::Evidence;
use crate::report::{Finding, format};
use crate::source::Outcome;
use crate::syslog;
use crate::tables::build::SourceRow;

/// Longest line that is written whole, characters. Servers write at most about 2,000.
const MAX_CHARS: usize = 8192;

/// What was read of one source.
struct Read {
    lines: LinesOf,
    /// Nothing when the source is not there.
    outcome: Option<Outcome>,
}

/// The files, and their names in the findings. Each source is read once, and an archive once for all of its members.
pub fn write(findings: &mut [Finding], rows: &[SourceRow], input: &Options) -> Evidence {
    let mut wanted: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for line in findings.iter().flat_map(|finding| &finding.evidence) {
        wanted
            .entry(line.path.clone())
            .or_default()
            .insert(line.line);
    }
    let hashes: HashMap<String, &SourceRow> = rows
        .iter()
        .map(|row| (crate::source::shown(&row.path, row.member.as_deref()), row))
        .collect();
    let mut lookup = Lookup::of(input);
    for row in wanted.keys().filter_map(|name| hashes.get(name)) {
        lookup.seek(row.found_path());
    }
    // Two files may show the same name: both are read.
    let mut places = BTreeMap::new();
    for (name, wanted) in &wanted {
        places.extend(lookup.named(name).iter().map(|index| (*index, wanted)));
    }
    let mut found = lines_of_all(lookup.all(), &places);
    let read: BTreeMap<&String, Read> = wanted
        .keys()
        .map(|name| {
            let before = hashes.get(name).and_then(|row| row.sha256.as_deref());
            (name, the_one(lookup.named(name), &mut found, before))
        })
        .collect();
    let mut files = Evidence::new();
    for (index, finding) in findings.iter_mut().enumerate() {
        if finding.evidence.is_empty() {
            continue;
        }
        let stem = finding.query.replace('/', "_");
        let name = format!("evidence/{:03}_{stem}.txt", index + 1);
        files.insert(
            name.clone(),
            text(finding, &read, &hashes, input).into_bytes(),
        );
        finding.evidence_file = Some(name);
    }
    files
}

/// Of the files that show one name, the one that was read for the report; else the first.
fn the_one(
    indices: &[usize],
    found: &mut BTreeMap<usize, (LinesOf, Outcome)>,
    before: Option<&str>,
) -> Read {
    let same = |index: &&usize| {
        let outcome = found.get(index).map(|(_, outcome)| outcome.sha256.as_str());
        outcome.is_some() && outcome == before
    };
    let one = indices.iter().find(same).or(indices.first());
    match one.and_then(|index| found.remove(index)) {
        Some((lines, outcome)) => Read {
            lines,
            outcome: Some(outcome),
        },
        None => Read {
            lines: BTreeMap::new(),
            outcome: None,
        },
    }
}

fn text(
    finding: &Finding,
    read: &BTreeMap<&String, Read>,
    hashes: &HashMap<String, &SourceRow>,
    input: &Options,
) -> String {
    let mut out = String::new();
    // Writing into a `String` does not fail.
    let _ = writeln!(
        out,
        "{}: {}",
        finding.severity.word(),
        visible(&finding.sentence)
    );
    let _ = writeln!(out, "Query: {}", finding.query);
    let _ = writeln!(
        out,
        "Lines: {} of {} that show it, {}; what acts unseen is shown as ␛ or ⟨U+202E⟩, a byte \
         that is no UTF-8 as ⟨E9⟩.",
        finding.evidence.len(),
        format::count(finding.evidence_total),
        match input.privacy {
            None => "as they stand in the sources",
            Some(_) => "with pseudonyms for persons, else as they stand in the sources",
        }
    );
    let sources: BTreeSet<&String> = finding.evidence.iter().map(|line| &line.path).collect();
    for name in sources {
        let before = hashes.get(name).and_then(|row| row.sha256.as_deref());
        let _ = writeln!(
            out,
            "Source: {}, {}",
            visible(name),
            state(read.get(name), before)
        );
    }
    out.push('\n');
    for place in &finding.evidence {
        let found = read.get(&place.path);
        let line = found.and_then(|read| read.lines.get(&place.line));
        let shown = match line {
            Some(line) => shown(line, input),
            // What is said of a whole source is shown by its first line, which it need not have.
            None if hashes.get(&place.path).is_some_and(|row| row.lines == 0) => {
                "(the source has no line)".to_owned()
            }
            None => "(this line is not there any more)".to_owned(),
        };
        let _ = writeln!(out, "{}:{}: {shown}", visible(&place.path), place.line);
    }
    out
}

fn state(read: Option<&Read>, before: Option<&str>) -> String {
    let outcome = read.and_then(|read| read.outcome.as_ref());
    match (outcome, before) {
        (None, _) => "not here: its lines cannot be shown".to_owned(),
        (Some(_), None) => "without a SHA-256".to_owned(),
        (Some(outcome), Some(before)) if outcome.sha256 == before => format!("SHA-256 {before}"),
        (Some(outcome), Some(before)) => format!(
            "changed since it was read for this report: SHA-256 {before} then, {} for these lines",
            outcome.sha256
        ),
    }
}

/// The line, with pseudonyms where they are asked for.
fn shown(line: &Line, input: &Options) -> String {
    let Some(privacy) = &input.privacy else {
        return raw(line);
    };
    if line.cut {
        // A name that is cut at its end is none that is known.
        return "(longer than any line that is read: not shown, as persons are hidden)".to_owned();
    }
    let whole = String::from_utf8_lossy(&line.bytes);
    let start = syslog::text_start(whole.as_bytes());
    let (head, text) = whole.split_at_checked(start).unwrap_or(("", &whole));
    let bytes = privacy.pseudonyms.line(head, text).into_bytes();
    raw(&Line { bytes, cut: false })
}

/// A line on one line, harmless.
pub fn raw(line: &Line) -> String {
    let mut shown = clip_bytes(&line.bytes, MAX_CHARS);
    if line.cut {
        shown.push_str(" (the line goes on; it is longer than any that is read)");
    }
    shown
}
