//! What every query must keep, checked without a fixture: used by tests over the whole library, and on a user's
//! own queries.
//!
//! [`check`] needs the schema only. [`check_shuffled`] needs rows: it runs the query over the same rows in other
//! orders, which must not show.

use std::collections::BTreeSet;

use polars::prelude::{DataFrame, IdxCa, PolarsError};
use polars::sql::extract_table_identifiers;

use super::engine::{Answer, Engine, infos};
use super::error::Error;
use super::findings::{self, Found};
use super::header::{ParamValue, Rule, line_of};
use super::library::Query;
use super::params::{Overrides, Params};
use super::sentence::{Piece, pieces};
use crate::report::{ChartSpec, ColumnKind, Severity};
use crate::tables::schema::{Table, empty};

/// Tables by name.
pub type Frames = Vec<(&'static str, DataFrame)>;

/// Everything that is wrong with `query`, given the tables there are; empty when nothing is.
pub fn check(query: &Query, tables: &[Table]) -> Vec<String> {
    check_with(query, empty_frames(tables))
}

/// The same with tables of the caller's making, which need no rows: their types are what counts.
pub fn check_with(query: &Query, frames: Frames) -> Vec<String> {
    let mut wrong = Vec::new();
    words(query, &mut wrong);
    columns(query, &mut wrong);
    table_list(query, &frames, &mut wrong);
    params(query, &mut wrong);
    for (index, rule) in query.header.findings.iter().enumerate() {
        let found = rule_words(query, rule);
        wrong.extend(
            found
                .into_iter()
                .map(|said| format!("finding {}: {said}", index + 1)),
        );
    }
    decisive(query, &mut wrong);
    if let Some(chart) = &query.header.chart {
        chart_columns(query, chart, &mut wrong);
    }
    if !ends_ordered(&query.sql) {
        wrong.push("the SELECT has no ORDER BY".to_owned());
    }
    wrong.extend(all_runs(query, frames).err().map(|error| error.to_string()));
    wrong
}

/// What differs when the rows of `frames` come in other orders; empty when nothing does.
pub fn check_shuffled(query: &Query, frames: &Frames) -> Vec<String> {
    let answer = |frames: Frames| Engine::new(frames, chrono_tz::UTC).run(query, &Overrides::new());
    let compare = || -> Result<Vec<String>, Error> {
        let want = plain(&answer(frames.clone())?);
        let mut wrong = Vec::new();
        for seed in 1..=3 {
            let have = plain(&answer(shuffled(frames, seed))?);
            wrong.extend(first_difference(&want, &have));
        }
        Ok(wrong)
    };
    compare().unwrap_or_else(|error| vec![error.to_string()])
}

/// The tables without rows.
pub fn empty_frames(tables: &[Table]) -> Frames {
    let of = |table: &Table| (table.name, empty(table.columns));
    tables.iter().map(of).collect()
}

/// The same rows in another order, which depends on `seed` only.
pub fn shuffled(frames: &Frames, seed: u64) -> Frames {
    let one = |(name, frame): &(&'static str, DataFrame)| {
        let order = IdxCa::from_vec("".into(), permutation(frame.height(), seed));
        // A permutation of the rows is in bounds.
        (*name, frame.take(&order).unwrap_or_else(|_| frame.clone()))
    };
    frames.iter().map(one).collect()
}

/// Fisher and Yates with a linear congruential generator: the same on every machine.
fn permutation(rows: usize, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for last in (1..rows).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (state >> 33) as usize % (last + 1));
    }
    order
}

/// The result and the findings as lines of JSON.
fn plain(answer: &Answer) -> Vec<String> {
    let json = |value: serde_json::Result<String>| value.unwrap_or_else(|error| error.to_string());
    let rows = answer
        .result
        .full
        .iter()
        .map(|row| json(serde_json::to_string(&row)));
    let findings = answer
        .findings
        .iter()
        .map(|finding| json(serde_json::to_string(finding)));
    rows.chain(findings).collect()
}

fn first_difference(want: &[String], have: &[String]) -> Option<String> {
    if want.len() != have.len() {
        return Some(format!(
            "shuffled rows give {} lines instead of {}",
            have.len(),
            want.len()
        ));
    }
    let mut pairs = want.iter().zip(have);
    let (want, have) = pairs.find(|(want, have)| want != have)?;
    Some(format!("shuffled rows give {have} instead of {want}"))
}

/// Runs everything that the file holds: needs, SELECT, conditions and evidence.
fn all_runs(query: &Query, frames: Frames) -> Result<(), Error> {
    let engine = Engine::new(frames, chrono_tz::UTC);
    let params = Params::new(query, &Overrides::new())?;
    engine.missing(query)?;
    let frame = engine.select(query, &params)?;
    for (index, rule) in query.header.findings.iter().enumerate() {
        let line = line_of(&query.text, "findings", index);
        rule_runs(&engine, query, &params, &frame, rule)
            .map_err(|error| error.at(&query.file, line))?;
    }
    Ok(())
}

fn rule_runs(
    engine: &Engine,
    query: &Query,
    params: &Params,
    frame: &DataFrame,
    rule: &Rule,
) -> Result<(), Error> {
    let told = |error: PolarsError| Error::from_polars(&error);
    if findings::matches(frame, params, rule)
        .map_err(told)?
        .is_none()
    {
        return Err(Error::new("`when` is no condition"));
    }
    let Some(sql) = &rule.evidence else {
        return Ok(());
    };
    let found = Found::new(engine.plan(query, params, sql, None)?).map_err(told)?;
    if let Some(said) = findings::lacks(rule, &found) {
        return Err(Error::new(said));
    }
    found.places().map_err(told)?;
    if !rule.keys.is_empty() {
        found.places_of(frame, &[], 0, &rule.keys).map_err(told)?;
    }
    Ok(())
}

fn words(query: &Query, wrong: &mut Vec<String>) {
    let header = &query.header;
    let mut must = |good: bool, said: &str| {
        if !good {
            wrong.push(said.to_owned());
        }
    };
    must(!header.title.trim().is_empty(), "no title");
    must(
        !header.title.ends_with('.'),
        "the title ends with a full stop",
    );
    must(
        header.question.ends_with('?'),
        "the question ends with no question mark",
    );
    must(
        header.limits.ends_with('.'),
        "the limits end with no full stop",
    );
    must(!header.tables.is_empty(), "no tables");
    must(header.rows > 0, "rows = 0 shows nothing");
    let empty = header.empty.as_deref();
    must(
        empty.is_none_or(|reason| !reason.is_empty() && !reason.ends_with('.')),
        "`empty` is part of a sentence: no full stop",
    );
    for need in &header.needs {
        must(
            !need.missing.trim().is_empty(),
            "a need says nothing when missing",
        );
        must(
            !need.missing.ends_with('.'),
            "`missing` is joined with others: no full stop",
        );
        let remedy = need.remedy.as_deref();
        must(
            remedy.is_none_or(|remedy| !remedy.is_empty() && !remedy.ends_with('.')),
            "`remedy` is joined with others: no full stop",
        );
    }
}

fn columns(query: &Query, wrong: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for column in &query.header.columns {
        if !seen.insert(&column.name) {
            wrong.push(format!("column `{}` is declared twice", column.name));
        }
        if column.about.trim().is_empty() {
            wrong.push(format!(
                "column `{}` does not say what it holds",
                column.name
            ));
        }
        if query.header.params.contains_key(&column.name) {
            wrong.push(format!("`{}` is a column and a parameter", column.name));
        }
    }
    if seen.is_empty() {
        wrong.push("no columns".to_owned());
    }
}

/// `tables` is exactly what the SQL and the evidence read.
fn table_list(query: &Query, frames: &Frames, wrong: &mut Vec<String>) {
    let mut read = BTreeSet::new();
    for sql in query.statements() {
        // SQL that does not parse is reported when it is run.
        read.extend(extract_table_identifiers(sql, false, true).unwrap_or_default());
    }
    read.retain(|name| frames.iter().any(|(known, _)| known == name));
    let declared: BTreeSet<String> = query.header.tables.iter().cloned().collect();
    let undeclared = read
        .difference(&declared)
        .map(|name| format!("`tables` lacks `{name}`"));
    wrong.extend(undeclared);
    wrong.extend(
        declared
            .difference(&read)
            .map(|name| format!("`tables` has `{name}`, which nothing reads")),
    );
}

fn params(query: &Query, wrong: &mut Vec<String>) {
    let mut text: String = query.statements().collect::<Vec<&str>>().join("\n");
    for rule in &query.header.findings {
        text = [&text, rule.when.as_str(), &rule.sentence].join("\n");
    }
    let used: BTreeSet<&str> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect();
    for (name, spec) in &query.header.params {
        if !used.contains(name.as_str()) {
            wrong.push(format!("parameter `{name}` is not used"));
        }
        if spec.source.trim().is_empty() || spec.about.trim().is_empty() {
            wrong.push(format!(
                "parameter `{name}` does not say what it is or where it comes from"
            ));
        }
    }
}

/// Findings that rest on thresholds say how much they hang on one of them.
fn decisive(query: &Query, wrong: &mut Vec<String>) {
    let rules = &query.header.findings;
    let thresholds: BTreeSet<&String> = rules.iter().flat_map(|rule| &rule.thresholds).collect();
    let numeric = |name: &String| {
        let spec = query.header.params.get(name);
        spec.is_some_and(|spec| matches!(spec.default, ParamValue::Int(_) | ParamValue::Float(_)))
    };
    match &query.header.sensitivity {
        None if thresholds.iter().any(|name| numeric(name)) => wrong
            .push("findings rest on thresholds: name the decisive one as `sensitivity`".to_owned()),
        Some(name) if !thresholds.contains(name) || !numeric(name) => {
            wrong.push(format!("sensitivity: `{name}` is no numeric threshold"));
        }
        _ => {}
    }
}

fn rule_words(query: &Query, rule: &Rule) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_column = |name: &str| {
        query
            .header
            .columns
            .iter()
            .any(|column| column.name == name)
    };
    let is_param = |name: &str| query.header.params.contains_key(name);
    let advice = rule.advice.as_deref().map(|text| ("advice", text));
    for (what, text) in [("sentence", rule.sentence.as_str())]
        .into_iter()
        .chain(advice)
    {
        match pieces(text) {
            Err(said) => wrong.push(said),
            Ok(pieces) => wrong.extend(pieces.into_iter().filter_map(|(piece, _)| match piece {
                Piece::Column(name) if !is_column(name) => {
                    Some(format!("the {what} has no column `{name}`"))
                }
                Piece::Param(name) if !is_param(name) => {
                    Some(format!("the {what} has no parameter `{name}`"))
                }
                _ => None,
            })),
        }
        if !text.ends_with('.') {
            wrong.push(format!("the {what} ends with no full stop"));
        }
    }
    if rule.advice.is_none() && rule.severity != Severity::Info {
        wrong.push("no advice: say what to do next".to_owned());
    }
    let unknown = rule.thresholds.iter().filter(|name| !is_param(name));
    wrong.extend(unknown.map(|name| format!("threshold `{name}` is no parameter")));
    let unknown = rule.keys.iter().filter(|name| !is_column(name));
    wrong.extend(unknown.map(|name| format!("key `{name}` is no column")));
    if !rule.keys.is_empty() && rule.evidence.is_none() {
        wrong.push("keys without evidence".to_owned());
    }
    if rule.limit == 0 {
        wrong.push("limit = 0 shows nothing".to_owned());
    }
    wrong
}

fn chart_columns(query: &Query, chart: &ChartSpec, wrong: &mut Vec<String>) {
    const KINDS: [&str; 6] = ["line", "area", "bar", "columns", "stacked", "heatmap"];
    if !KINDS.contains(&chart.kind.as_str()) {
        wrong.push(format!("chart: no kind `{}`", chart.kind));
    }
    if chart.y.is_empty() {
        wrong.push("chart: no y".to_owned());
    }
    let infos = infos(query);
    let kind = |name: &str| {
        infos
            .iter()
            .find(|info| info.name == name)
            .map(|info| info.kind)
    };
    let across = chart.rows.iter().chain(&chart.series).chain([&chart.x]);
    for name in across.filter(|name| kind(name).is_none()) {
        wrong.push(format!("chart: no column `{name}`"));
    }
    for name in &chart.y {
        match kind(name) {
            Some(ColumnKind::Count | ColumnKind::Number | ColumnKind::Share) => {}
            Some(ColumnKind::Seconds | ColumnKind::Bytes) => {}
            Some(_) => wrong.push(format!("chart: column `{name}` is no number")),
            None => wrong.push(format!("chart: no column `{name}`")),
        }
    }
}

/// Whether `ORDER BY` stands outside of parentheses, strings and comments.
fn ends_ordered(sql: &str) -> bool {
    let mut depth = 0usize;
    let mut outer = String::with_capacity(sql.len());
    for line in sql.lines() {
        let code = line.split("--").next().unwrap_or_default();
        for (index, part) in code.split('\'').enumerate() {
            if index % 2 == 0 {
                outside(part, &mut depth, &mut outer);
            }
        }
        outer.push(' ');
    }
    let words: Vec<&str> = outer.split_whitespace().collect();
    let is = |word: &str, want: &str| word.eq_ignore_ascii_case(want);
    words
        .windows(2)
        .any(|pair| is(pair[0], "ORDER") && is(pair[1], "BY"))
}

/// Copies what stands outside of parentheses.
fn outside(code: &str, depth: &mut usize, outer: &mut String) {
    for c in code.chars() {
        match c {
            '(' => *depth += 1,
            ')' => *depth = depth.saturating_sub(1),
            _ if *depth == 0 => outer.push(c),
            _ => {}
        }
    }
}
