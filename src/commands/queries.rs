//! `mtaudit queries`: the library, and one query described.

use std::fmt::Write;

use anyhow::Result;

use super::{Done, Usage, options, print};
use crate::cli::QueriesArgs;
use crate::query::derive::METHODS;
use crate::query::header::{ColumnSpec, Need, ParamSpec, Rule};
use crate::query::sentence::shown;
use crate::query::{Library, Query};

/// Lists or describes.
///
/// # Errors
/// A query file that is wrong, a name that nothing has.
pub fn run(args: &QueriesArgs) -> Result<Done> {
    let library = options::queries(args.queries.as_deref())?;
    let text = match &args.name {
        None => list(&library),
        Some(name) => describe(
            library
                .find(name)
                .map_err(|error| Usage(error.to_string()))?,
        ),
    };
    print::bytes(text.as_bytes())
}

fn list(library: &Library) -> String {
    let width = library
        .iter()
        .map(|query| query.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for query in library.iter() {
        // Writing into a `String` does not fail.
        let _ = writeln!(text, "{:width$}  {}", query.name, query.header.title);
    }
    text
}

/// A query as a page for people: what it asks, what it needs, what it gives, when it speaks up, and its SQL.
fn describe(query: &Query) -> String {
    let header = &query.header;
    let mut page = Page::default();
    page.line(&format!("{}: {}", query.name, header.title));
    page.line(&header.question);
    page.part(
        "Also found as",
        Some(header.aliases.join(", ")).filter(|text| !text.is_empty()),
    );
    page.part("Reads", [header.tables.join(", ")]);
    page.part("Needs", header.needs.iter().map(need));
    page.part(
        "Says \"not assessable\" without a row",
        header.empty.clone(),
    );
    let derived = header.derived.iter();
    page.part(
        "Made by a method",
        derived.map(|(name, spec)| format!("{name}: {}", method(&spec.with))),
    );
    page.part(
        "Parameters",
        header.params.iter().map(|(name, spec)| param(name, spec)),
    );
    page.part("Columns", header.columns.iter().map(column));
    page.part("Findings", header.findings.iter().map(rule));
    page.part(
        "Sensitivity",
        header.sensitivity.iter().map(|name| {
            format!("the report says how many rows there would be at half and at double of {name}")
        }),
    );
    page.part("Limits", [header.limits.clone()]);
    page.part("Speaks to", header.controls.iter().cloned());
    page.text.push_str("\nSQL\n\n");
    page.text.push_str(query.sql.trim_end());
    page.text.push('\n');
    page.text
}

/// Text in parts, wrapped for a terminal.
#[derive(Default)]
struct Page {
    text: String,
}

/// Columns of a page.
const WIDTH: usize = 96;

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(&wrapped(text, "", ""));
    }

    /// A heading with its entries; nothing where there are none.
    fn part(&mut self, heading: &str, entries: impl IntoIterator<Item = String>) {
        let mut entries = entries.into_iter().peekable();
        if entries.peek().is_none() {
            return;
        }
        self.text.push('\n');
        self.text.push_str(heading);
        self.text.push('\n');
        for entry in entries {
            for (at, line) in entry.lines().enumerate() {
                let (first, rest) = if at == 0 {
                    ("  ", "      ")
                } else {
                    ("      ", "      ")
                };
                self.text.push_str(&wrapped(line, first, rest));
            }
        }
    }
}

/// Lines of at most [`WIDTH`] characters, broken between words.
fn wrapped(text: &str, first: &str, rest: &str) -> String {
    let mut lines = String::new();
    let mut line = first.to_owned();
    let mut bare = true;
    for word in text.split_whitespace() {
        if !bare && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = rest.to_owned();
            bare = true;
        }
        if !bare {
            line.push(' ');
        }
        line.push_str(word);
        bare = false;
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

fn need(need: &Need) -> String {
    let condition = need.condition.as_ref();
    let condition = condition.map_or_else(String::new, |sql| format!(" where {sql}"));
    let or: String = need
        .or
        .iter()
        .map(|table| format!(", or any of {table}"))
        .collect();
    let remedy = need.remedy.as_ref();
    let remedy = remedy.map_or_else(String::new, |text| format!("\nremedy: {text}"));
    format!(
        "a row of {}{condition}{or}; else: {}{remedy}",
        need.table, need.missing
    )
}

fn method(name: &str) -> String {
    let known = METHODS.iter().find(|method| method.name == name);
    let about = known.map_or("not known to this version", |method| method.about);
    format!("{name}, {about}")
}

fn param(name: &str, spec: &ParamSpec) -> String {
    let value = [spec.default.to_string(), spec.unit.clone()];
    let value: Vec<String> = value.into_iter().filter(|text| !text.is_empty()).collect();
    format!(
        "{name} = {}\n{}\ndefault from: {}",
        value.join(" "),
        spec.about,
        spec.source
    )
}

fn column(spec: &ColumnSpec) -> String {
    let kind = format!("{:?}", spec.kind).to_lowercase();
    let unit = Some(&spec.unit).filter(|unit| !unit.is_empty());
    let unit = unit.map_or_else(String::new, |unit| format!(", {unit}"));
    format!("{} ({kind}{unit}): {}", spec.name, spec.about)
}

fn rule(rule: &Rule) -> String {
    let advice = rule.advice.as_ref();
    let advice = advice.map_or_else(String::new, |text| format!("\nwhat to do: {}", shown(text)));
    format!(
        "{} when {}\n\u{201c}{}\u{201d}{advice}",
        rule.severity.word(),
        rule.when,
        shown(&rule.sentence)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        let text = "word ".repeat(40);
        let lines = wrapped(&text, "  ", "    ");
        assert!(lines.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(
            lines.starts_with("  word") && lines.lines().nth(1).unwrap().starts_with("    word")
        );
        assert_eq!(lines.split_whitespace().count(), 40);
        let long = "x".repeat(200);
        assert_eq!(wrapped(&long, "", "  ").trim(), long);
    }

    #[test]
    fn a_page_has_everything_that_the_front_matter_says() {
        let library = Library::builtin().unwrap();
        for query in library.iter() {
            let page = describe(query);
            let plain: String = page.split_whitespace().collect::<Vec<_>>().join(" ");
            let has = |text: &str| {
                let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(plain.contains(&text), "{}: {text}", query.name);
            };
            has(&query.header.question);
            has(&query.header.limits);
            for (name, spec) in &query.header.params {
                has(&format!("{name} = {}", spec.default));
                has(&spec.source);
            }
            for rule in &query.header.findings {
                has(&shown(&rule.sentence));
                rule.advice.iter().for_each(|advice| has(&shown(advice)));
            }
            query
                .header
                .controls
                .iter()
                .for_each(|control| has(control));
        }
    }
}
