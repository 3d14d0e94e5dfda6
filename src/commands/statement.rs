//! How complete the evidence is, in words: the sentences at the top of a report, and what it cannot answer.
//!
//! [`super::coverage`] has the figures. Nothing is said to be complete here: what is missing altogether leaves silence
//! at most.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::escape::clip;
use crate::report::format::{count, counted, share, when};
use crate::report::{Cell, QueryResult};
use crate::tables::build::SourceRow;

/// The query that tells silences.
pub const GAPS: &str = "evidence/gaps";

/// Host names that are told one by one.
const NAMED: usize = 3;

/// Characters of a host name that are shown: they come from the logs.
const NAME: usize = 40;

/// What speaks against the evidence being whole.
#[derive(Debug, Default)]
pub struct Doubts {
    /// How many: silences that what is usual does not explain, and findings on missing lines and on clocks.
    pub number: u64,
    /// Clauses on them.
    words: Vec<String>,
}

/// Doubts by the answer to [`GAPS`], and by the number of findings of other queries.
pub fn doubts(gaps: Option<&QueryResult>, findings: impl Fn(&str) -> u64) -> Doubts {
    let mut doubts = gaps.map(silences).unwrap_or_default();
    let others: [(&[&str], &str); 2] = [
        (&["evidence/sequence"], "lines are missing inside the logs"),
        (
            &["evidence/clock", "evidence/clock_hosts"],
            "clocks stepped, or differ between hosts",
        ),
    ];
    for (queries, words) in others {
        let number: u64 = queries.iter().map(|query| findings(query)).sum();
        doubts.number += number;
        if number > 0 {
            doubts.words.push(format!("{words} (findings: {number})"));
        }
    }
    doubts
}

fn silences(gaps: &QueryResult) -> Doubts {
    let said = |number, words| Doubts {
        number,
        words: vec![words],
    };
    if let Some(why) = &gaps.not_assessable {
        return said(0, format!("silences cannot be told ({why})"));
    }
    let at = |name: &str| gaps.columns.iter().position(|column| column.name == name);
    let columns = ["host", "seconds", "silent_from", "silent_until", "usual"].map(at);
    let (
        [
            Some(host),
            Some(seconds),
            Some(from),
            Some(until),
            Some(usual),
        ],
        Some(flags),
    ) = (columns, at("unusual").zip(at("day_missing")))
    else {
        return Doubts::default();
    };
    let (mut unexplained, mut longest, mut untold) = (0, None, 0);
    for row in gaps.full.iter() {
        if is_true(&row[flags.0]) || is_true(&row[flags.1]) {
            unexplained += 1;
            // The longest comes first.
            longest = longest.or(Some(row));
        } else if row[usual].value.is_null() {
            untold += 1;
        }
    }
    let words = match longest {
        Some(row) => format!(
            "the longest unexplained silence is {} of {}, from {} to {} ({} in all)",
            row[seconds].text,
            clip(&row[host].text, NAME),
            row[from].text,
            row[until].text,
            count(unexplained)
        ),
        None if untold > 0 => {
            "whether silences are unusual cannot be told from so few lines".into()
        }
        None => "no silence is far longer than what is usual there".into(),
    };
    said(unexplained, words)
}

fn is_true(cell: &Cell) -> bool {
    cell.value.as_bool() == Some(true)
}

/// Three sentences: what there is; what is wrong with it; what that leaves open. Times are RFC 3339 in the report's
/// zone.
pub fn statement(rows: &[SourceRow], first_last: Option<(&str, &str)>, doubts: &Doubts) -> String {
    let lines: u64 = rows.iter().map(|row| row.lines).sum();
    let mut said = format!(
        "{} with {} of {}",
        counted(rows.len() as u64, "source"),
        counted(lines, "line"),
        hosts(rows)
    );
    if let Some((first, last)) = first_last {
        said.push_str(&format!(", from {} to {}", when(first), when(last)));
        if rows.iter().any(|row| row.sound.is_some()) {
            said.push_str(" (without lines of a clock that was wrong for a time)");
        }
    }
    let year = Some(years(rows)).filter(|text| !text.is_empty());
    let open: Vec<String> = doubts.words.iter().cloned().chain(year).collect();
    let last = if open.is_empty() {
        String::new()
    } else {
        format!(" {}.", capital(&open.join("; ")))
    };
    format!("{said}. {}; {}.{last}", wrong(rows), unknown(rows, lines))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

fn hosts(rows: &[SourceRow]) -> String {
    let mail = rows.iter().filter(|row| row.format.is_some());
    let names: BTreeSet<&str> = mail
        .filter_map(|row| row.hosts.as_deref())
        .flat_map(|hosts| hosts.split(", "))
        .collect();
    let number = counted(names.len() as u64, "host");
    if names.is_empty() || names.len() > NAMED {
        return number;
    }
    let names: Vec<String> = names.iter().map(|name| clip(name, NAME)).collect();
    format!("{number} ({})", names.join(", "))
}

/// What is damaged, doubled or not a mail log.
fn wrong(rows: &[SourceRow]) -> String {
    let number = |of: fn(&SourceRow) -> bool| rows.iter().filter(|row| of(row)).count();
    let damaged = number(|row| row.incomplete);
    let copies = number(|row| row.duplicate_of.is_some());
    let foreign =
        number(|row| !row.incomplete && row.duplicate_of.is_none() && row.format.is_none());
    let mut said = match damaged {
        0 => "No source was found to be damaged".to_owned(),
        number => format!(
            "Damaged or not readable: {} of the sources",
            count(number as u64)
        ),
    };
    for (number, what) in [
        (copies, "copies left out"),
        (foreign, "empty or no mail log"),
        (
            number(|row| row.repeated > 0),
            "with lines that another has as well",
        ),
        (
            number(|row| row.contradictions.is_some()),
            "with times in doubt",
        ),
    ] {
        if number > 0 {
            said.push_str(&format!(", {what}: {}", count(number as u64)));
        }
    }
    said
}

fn unknown(rows: &[SourceRow], lines: u64) -> String {
    let sum = |of: fn(&SourceRow) -> u64| rows.iter().map(of).sum::<u64>();
    let of = |number: u64| {
        let share = share(number as f64 / lines.max(1) as f64);
        format!("{share} of the lines ({})", count(number))
    };
    let mut said = match sum(|row| row.unrecognised) {
        0 => "every line that is text was recognised".to_owned(),
        number => format!("{} were not recognised", of(number)),
    };
    let undecodable = sum(|row| row.undecodable);
    if undecodable > 0 {
        said.push_str(&format!(", {} are not text or too long", of(undecodable)));
    }
    said
}

/// Law 6 in short.
fn years(rows: &[SourceRow]) -> String {
    let mut methods: BTreeMap<&str, u64> = BTreeMap::new();
    let mail = rows.iter().filter(|row| row.format.is_some());
    for method in mail.filter_map(|row| row.year_method.as_deref()) {
        *methods.entry(method).or_default() += 1;
    }
    let with = methods.remove("line").unwrap_or(0);
    if methods.is_empty() {
        return if with > 0 {
            "every line has its year".into()
        } else {
            String::new()
        };
    }
    let word = |method: &str| match method {
        "option" => "given with --year".to_owned(),
        "mtime" => "taken from the time of the last change".to_owned(),
        "unknown" => "not known".to_owned(),
        other => format!("from {other}"),
    };
    let told: Vec<String> = methods
        .iter()
        .map(|(method, number)| format!("{} for {}", word(method), count(*number)))
        .collect();
    let without: u64 = methods.values().sum();
    format!(
        "the year is not in the lines of {} ({})",
        counted(without, "source"),
        told.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(hosts: &str, lines: u64) -> SourceRow {
        SourceRow {
            format: Some("postfix".into()),
            hosts: Some(hosts.into()),
            lines,
            events: lines,
            year_method: Some("line".into()),
            ..SourceRow::default()
        }
    }

    #[test]
    fn nothing_is_said_to_be_complete() {
        let said = statement(&[source("mx1", 1200)], None, &Doubts::default());
        assert_eq!(
            said,
            "1 source with 1,200 lines of 1 host (mx1). No source was found to be damaged; every line that is text was \
             recognised. Every line has its year."
        );
    }

    #[test]
    fn what_is_wrong_is_counted() {
        let mut damaged = source("mx1, mx2", 600);
        damaged.incomplete = true;
        damaged.unrecognised = 6;
        damaged.year_method = Some("option".into());
        let mut copy = source("mx1", 400);
        copy.duplicate_of = Some(0);
        copy.year_method = Some("mtime".into());
        let times = Some(("2026-10-01T00:00:03+02:00", "2026-10-31T23:59:58+01:00"));
        let mut doubts = doubts(None, |query| u64::from(query == "evidence/sequence"));
        doubts
            .words
            .push("the longest unexplained silence is 1 d of mx1".into());
        let said = statement(&[damaged, copy], times, &doubts);
        assert_eq!(
            said,
            "2 sources with 1,000 lines of 2 hosts (mx1, mx2), from 2026-10-01 00:00:03 +02:00 to 2026-10-31 23:59:58 \
             +01:00. \
             Damaged or not readable: 1 of the sources, copies left out: 1; 0.6 % of the lines (6) were not recognised. \
             Lines are missing inside the logs (findings: 1); the longest unexplained silence is 1 d of mx1; the year is not in the lines of 2 sources \
             (taken from the time of the last change for 1, given with --year for 1)."
        );
    }
}
