//! The report: one plain serialisable value, and everything that is made from it.
//!
//! `commands::report` fills a [`Report`]; templates and exporters see it and nothing else. This module knows
//! neither polars nor clap. `report.json` is exactly the value that templates see.

pub mod case;
pub mod chart;
pub mod csv;
pub mod definition;
mod error;
pub mod escape;
pub mod folder;
pub mod format;
mod full;
pub mod html;
pub mod json;
pub mod manifest;
pub mod md;
#[cfg(test)]
pub(crate) mod sample;
pub mod sums;
pub mod templates;
pub mod text;

use serde::Serialize;

pub use error::Error;
pub use full::{Full, Rows};

/// A whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// `capacity`, `incident`, `audit` or a user's own: the folder under `templates/`.
    pub kind: String,
    /// Whose servers they are (`organisation` of the configuration).
    pub organisation: Option<String>,
    /// Picture of the head, as a `data:` URI (`logo` of the configuration).
    pub logo: Option<String>,
    /// Heading.
    pub title: String,
    /// One paragraph under it: whom the report is for and what it answers.
    pub intro: String,
    /// `mtaudit 0.1.0`.
    pub tool: String,
    /// The command line, without the program's path.
    pub command: Vec<String>,
    /// RFC 3339, only when the user gave it (`--generated-at`, `SOURCE_DATE_EPOCH`).
    pub generated_at: Option<String>,
    /// The case header (`--case`).
    pub case: Option<case::CaseFile>,
    /// What hashing the sources again came to, where a case asked for it.
    pub rehashed: Option<Rehashed>,
    /// SHA-256 of `manifest.json`.
    pub manifest_sha256: String,
    /// What the report covers.
    pub period: Period,
    /// Options that narrow the report, in words (`host mx1`, `about alice@corp.example`).
    pub filters: Vec<String>,
    /// Key figures.
    pub tiles: Vec<Tile>,
    /// Conclusions, most severe first, then by section and query order.
    pub findings: Vec<Finding>,
    /// Conclusions that the configuration mutes, in the same order.
    pub muted: Vec<MutedFinding>,
    /// Every mute of the configuration, and what became of it.
    pub mutes: Vec<MuteUsed>,
    /// Query results in the order of the report's definition.
    pub sections: Vec<Section>,
    /// What the numbers rest on.
    pub coverage: Coverage,
    /// How it was made: sentences of method and of limits.
    pub method: Vec<String>,
}

/// Hashes before and after reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rehashed {
    /// Sources that were hashed again.
    pub sources: u64,
    /// Those that had another SHA-256 than when they were read, or could not be read any more, each with what differs.
    pub changed: Vec<String>,
    /// Those that were not hashed again, each with the reason.
    pub left_out: Vec<String>,
}

/// The time that the report covers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Period {
    /// Asked for with `--since`, RFC 3339 in the report's zone.
    pub since: Option<String>,
    /// Asked for with `--until`, exclusive.
    pub until: Option<String>,
    /// Earliest event in the report's zone.
    pub first: Option<String>,
    /// Latest event.
    pub last: Option<String>,
    /// The period that it is compared with: `2026-09`.
    pub baseline: Option<String>,
    /// IANA name.
    pub timezone: String,
}

/// A key figure with what it counts.
#[derive(Clone, Debug, Serialize)]
pub struct Tile {
    /// `Messages accepted`.
    pub label: String,
    /// As shown: `49,816`, `3.1 %`, or `not assessable`.
    pub value: String,
    /// Denominator or view, `of 51,002 deliveries`.
    pub note: String,
    /// Change since the period before: `+12 % a day, more than noise`.
    pub change: Option<String>,
    /// Query it is from.
    pub query: String,
}

/// How bad a finding is. Ordered: the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Severity {
    High,
    Medium,
    Low,
    Info,
}

impl Severity {
    /// `high`, `medium`, `low`, `info`.
    pub fn word(self) -> &'static str {
        match self {
            Severity::High => "high",
            Severity::Medium => "medium",
            Severity::Low => "low",
            Severity::Info => "info",
        }
    }
}

/// What a query concludes.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Full query name, `access/password_guessing`.
    pub query: String,
    /// Title of the query.
    pub title: String,
    /// One sentence with its numbers and their denominators.
    pub sentence: String,
    /// What to do next, in one sentence.
    pub advice: Option<String>,
    /// The thresholds it rests on.
    pub thresholds: Vec<Param>,
    /// First lines that show it, in order of source and line.
    pub evidence: Vec<Evidence>,
    /// How many lines show it.
    pub evidence_total: u64,
    /// File of the report with these lines as they are (`--evidence`).
    pub evidence_file: Option<String>,
    /// Controls it speaks to (`NIST SP 800-53 AC-7`).
    pub controls: Vec<String>,
}

/// A finding that is known, and why it is not among the others.
#[derive(Clone, Debug, Serialize)]
pub struct MutedFinding {
    /// What was found.
    pub finding: Finding,
    /// Why it is muted.
    pub reason: String,
    /// Last day of a report for which it is.
    pub until: Option<String>,
}

/// A mute of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MuteUsed {
    /// `mtaudit.toml:12`
    pub place: String,
    /// Full name of the query.
    pub query: String,
    /// Text that a sentence has to hold; nothing where there is none, or where persons are hidden.
    pub contains: Option<String>,
    /// Why.
    pub reason: String,
    /// Last day of a report for which it holds.
    pub until: Option<String>,
    /// Findings that it muted.
    pub findings: u64,
    /// What a reader has to know of it: that it muted nothing, and why.
    pub note: Option<String>,
}

/// A line of a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct Evidence {
    pub path: String,
    pub line: u64,
}

/// A parameter of a query with the value used.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Param {
    pub name: String,
    /// As shown.
    pub value: String,
    pub unit: String,
    /// Where the default comes from.
    pub source: String,
    /// Set by the user with `--param`.
    pub changed: bool,
}

/// A part of a report.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Section {
    pub id: String,
    pub title: String,
    pub intro: String,
    pub results: Vec<QueryResult>,
}

/// One query's answer.
#[derive(Clone, Debug, Serialize)]
pub struct QueryResult {
    /// `capacity/hourly_profile`.
    pub name: String,
    /// Usable as an HTML id: `capacity-hourly_profile`.
    pub id: String,
    /// Heading.
    pub title: String,
    /// The question it answers.
    pub question: String,
    /// `None` when assessed; else why the logs cannot say (law 4).
    pub not_assessable: Option<String>,
    /// Columns in order.
    pub columns: Vec<ColumnInfo>,
    /// The rows shown, cells in column order.
    pub rows: Vec<Vec<Cell>>,
    /// Rows in all; `tables/<section>_<stem>.csv` has them.
    pub total: usize,
    /// `tables/capacity_hourly_profile.csv`.
    pub csv: String,
    /// Parameters used.
    pub params: Vec<Param>,
    /// What it cannot say.
    pub limits: String,
    /// Controls.
    pub controls: Vec<String>,
    /// How much its findings hang on its threshold.
    pub sensitivity: Option<Sensitivity>,
    /// A picture of it.
    pub chart: Option<Chart>,
    /// The whole result, for the CSV: not part of the report value.
    #[serde(skip)]
    pub full: Full,
}

/// What a query would find at other values of its decisive parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sensitivity {
    /// Name of the parameter.
    pub param: String,
    /// Its unit, where the values do not say it.
    pub unit: String,
    /// At half, at the value in use, at double.
    pub hits: Vec<Hits>,
}

/// Rows that are findings at one value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Hits {
    pub value: String,
    pub rows: u64,
}

/// A column of a result.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct ColumnInfo {
    pub name: String,
    pub kind: ColumnKind,
    pub unit: String,
    pub about: String,
}

/// How a column's values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// As it is.
    Text,
    /// Whole number with thousands separators.
    Count,
    /// Number, two significant decimals.
    Number,
    /// 0.031 is shown as 3.1 %.
    Share,
    /// Seconds, shown as `1.2 s`, `4 min 10 s`, `2 d 3 h`.
    Seconds,
    /// Bytes, shown as `12.3 MB`.
    Bytes,
    /// UTC microseconds, shown in the report's zone.
    Time,
    /// A calendar day.
    Date,
    /// yes or no
    Flag,
    /// A line, as `source * 10^10 + line`, shown as `file:line`.
    Place,
}

impl ColumnKind {
    /// Shown right-aligned, and what charts can measure.
    pub fn is_numeric(self) -> bool {
        matches!(
            self,
            Self::Count | Self::Number | Self::Share | Self::Seconds | Self::Bytes
        )
    }
}

/// A value and how it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Cell {
    /// Null, bool, number or text; times as RFC 3339 with offset, dates as `2026-11-23`.
    pub value: serde_json::Value,
    /// As shown in HTML and Markdown; `–` for null.
    pub text: String,
}

/// A chart, drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Chart {
    /// One of `chart::KINDS`.
    pub kind: String,
    /// Inline SVG, escaped, no script, no reference to anything outside.
    pub svg: String,
    /// The same in words.
    pub alt: String,
}

/// What a chart shows, from a query's front matter (`[chart]`).
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChartSpec {
    /// `line`, `area`, `bar` (horizontal, categories), `columns` (vertical, over time), `stacked` (over time), `heatmap`.
    pub kind: String,
    /// Column on the horizontal axis (`bar`: the categories).
    pub x: String,
    /// Columns drawn (`stacked`, `columns`, `line`: several; `heatmap`: one, the value).
    pub y: Vec<String>,
    /// `heatmap`: the column of the rows.
    #[serde(default)]
    pub rows: Option<String>,
    /// `line`, `columns` and `stacked`: y values come from one `y` column, split by this text column.
    #[serde(default)]
    pub series: Option<String>,
    /// `bar`: longest first, where the rows have another order and the categories have none of their own.
    #[serde(default)]
    pub sorted: bool,
    /// Axis label with unit.
    pub label: String,
}

/// What the numbers rest on: law 1 in figures.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Coverage {
    /// Every source, in the order read.
    pub sources: Vec<SourceRow>,
    /// Sources in all (`sources` may be cut; `tables/sources.csv` is complete).
    pub sources_total: usize,
    /// Sums over all sources.
    pub lines: u64,
    #[allow(missing_docs)]
    pub events: u64,
    #[allow(missing_docs)]
    pub ignored: u64,
    #[allow(missing_docs)]
    pub unrecognised: u64,
    #[allow(missing_docs)]
    pub undecodable: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes after decoding.
    pub decoded_bytes: u64,
    /// Sentences about what is damaged, missing or doubtful, each with its source.
    pub problems: Vec<String>,
    /// How the year was found, one sentence a method in use; empty when every line has its year.
    pub years: Vec<String>,
    /// Unsuccessful attempts and rejections whose reason is undetermined, and all of them.
    pub undetermined: u64,
    #[allow(missing_docs)]
    pub classified_total: u64,
    /// Nothing is damaged, unreadable or undecodable: exit code 0 rather than 3.
    pub complete: bool,
    /// How complete the evidence is, in two or three sentences: what a reader sees first.
    pub statement: String,
    /// What speaks against it being whole: silences that what is usual does not explain, findings on missing lines and
    /// on clocks.
    pub doubts: u64,
    /// What the report asks, in its order, and whether the logs can answer it.
    pub questions: Vec<Question>,
    /// How many of them they can.
    pub answered: usize,
}

/// A query, and whether the logs can answer it.
#[derive(Clone, Debug, Serialize)]
pub struct Question {
    /// Full query name.
    pub query: String,
    /// Its heading.
    pub title: String,
    /// Why the logs cannot say; `None` when they can.
    pub not_assessable: Option<String>,
    /// What would have to be logged, or read, for an answer.
    pub remedy: Option<String>,
}

/// One source, as shown.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct SourceRow {
    pub path: String,
    pub member: Option<String>,
    pub codec: String,
    pub format: String,
    pub hosts: String,
    pub bytes: u64,
    pub decoded_bytes: u64,
    pub sha256: String,
    pub decoded_sha256: String,
    pub lines: u64,
    pub events: u64,
    pub ignored: u64,
    pub unrecognised: u64,
    pub undecodable: u64,
    pub first: Option<String>,
    pub last: Option<String>,
    pub year: Option<i64>,
    pub year_method: String,
    /// `certain`, `declared`, `likely`, `assumed`, `none`.
    pub year_confidence: String,
    /// What speaks against its times, or leaves them in doubt.
    pub contradictions: Option<String>,
    /// Lines that another source has as well, not counted again.
    pub repeated: u64,
    pub problem: Option<String>,
}
