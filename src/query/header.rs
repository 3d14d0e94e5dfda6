//! The front matter of a query file: TOML behind `-- `, up to the first line that is no comment.
//!
//! Lines of the TOML are lines of the file, so an error's place needs no table. Unknown keys are errors: a
//! misspelt `threshold` must not vanish silently.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::{Error, Remedies};
use crate::report::{ChartSpec, ColumnInfo, ColumnKind, Severity};

/// Everything a query says about itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Heading.
    pub title: String,
    /// The question it answers.
    pub question: String,
    /// Other stems that it is found by.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Every table that its SQL reads, besides `params`.
    pub tables: Vec<String>,
    /// What it cannot say.
    pub limits: String,
    /// Controls it speaks to.
    #[serde(default)]
    pub controls: Vec<String>,
    /// Rows shown in a report.
    #[serde(default = "default_rows")]
    pub rows: usize,
    /// What the logs must hold for it to be assessable.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// Why it is not assessable when the SELECT gives no row; without it, no row is an answer.
    #[serde(default)]
    pub empty: Option<String>,
    /// Parameters by name.
    #[serde(default)]
    pub params: BTreeMap<String, ParamSpec>,
    /// The parameter that decides most: the report says what would be found at half and at double its value.
    #[serde(default)]
    pub sensitivity: Option<String>,
    /// Tables that a method of [`super::derive`] makes for this query, by the name that its SQL uses.
    #[serde(default)]
    pub derived: BTreeMap<String, DerivedSpec>,
    /// Columns of the result, in order.
    pub columns: Vec<ColumnSpec>,
    /// A picture of it.
    #[serde(default)]
    pub chart: Option<ChartSpec>,
    /// What it concludes; the first rule that matches a row makes its finding.
    #[serde(default)]
    pub findings: Vec<Rule>,
}

fn default_rows() -> usize {
    15
}

/// At least one row that must exist.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// Table that must hold it.
    pub table: String,
    /// SQL condition on the row.
    #[serde(rename = "where", default)]
    pub condition: Option<String>,
    /// Tables of which any row serves as well.
    #[serde(default)]
    pub or: Vec<String>,
    /// What is said when there is none: `the logs hold no …`.
    pub missing: String,
    /// What to log, or to read, so that there is: a noun phrase.
    #[serde(default)]
    pub remedy: Option<String>,
}

/// A parameter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamSpec {
    /// Value unless the user sets another; its type is the parameter's type.
    pub default: ParamValue,
    /// `failures`, `seconds`.
    #[serde(default)]
    pub unit: String,
    /// Where the default comes from.
    pub source: String,
    /// What it does.
    pub about: String,
}

/// A table made by a method, from the rows of a statement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DerivedSpec {
    /// Name of the method, see [`super::derive::METHODS`].
    pub with: String,
    /// SQL over the query's tables and parameters that gives the columns which the method asks for.
    pub input: String,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "toml::Value")]
#[allow(missing_docs)]
pub enum ParamValue {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

impl std::fmt::Display for ParamValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl TryFrom<toml::Value> for ParamValue {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::Integer(value) => Ok(Self::Int(value)),
            toml::Value::Float(value) if value.is_finite() => Ok(Self::Float(value)),
            toml::Value::Boolean(value) => Ok(Self::Bool(value)),
            toml::Value::String(value) => Ok(Self::Text(value)),
            other => Err(format!(
                "a default is an integer, a finite float, a string or a boolean, not {other}"
            )),
        }
    }
}

/// A column of the result.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSpec {
    /// As in the SQL.
    pub name: String,
    /// How its values are shown.
    pub kind: ColumnKind,
    /// Unit, when the kind does not say it. `local` marks times that are already cut in the report's zone.
    #[serde(default)]
    pub unit: String,
    /// What it holds.
    pub about: String,
}

impl ColumnSpec {
    /// As a report shows it.
    pub fn info(&self) -> ColumnInfo {
        ColumnInfo {
            name: self.name.clone(),
            kind: self.kind,
            unit: self.unit.clone(),
            about: self.about.clone(),
        }
    }
}

/// When a result row is a finding, and what it says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// How bad.
    #[serde(with = "SeverityWord")]
    pub severity: Severity,
    /// SQL over result columns and parameters.
    pub when: String,
    /// `{column}` and `{params.name}` are replaced.
    pub sentence: String,
    /// What to do next, in one sentence; placeholders as in `sentence`.
    #[serde(default)]
    pub advice: Option<String>,
    /// Parameters it rests on.
    #[serde(default)]
    pub thresholds: Vec<String>,
    /// Findings at most; the rest is counted.
    #[serde(default = "default_limit")]
    pub limit: usize,
    /// SQL giving the key columns, `source` and `line`.
    #[serde(default)]
    pub evidence: Option<String>,
    /// Result columns that join a finding to its evidence; none: all of it belongs to every finding.
    #[serde(default)]
    pub keys: Vec<String>,
}

fn default_limit() -> usize {
    5
}

/// How [`Severity`] is written in front matter.
#[derive(Deserialize)]
#[serde(remote = "Severity", rename_all = "lowercase")]
enum SeverityWord {
    High,
    Medium,
    Low,
    Info,
}

impl Header {
    /// Reads the front matter of `text`; `file` is for messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let toml = front_matter(text);
        if toml.trim().is_empty() {
            let error =
                Error::new("no front matter").hint("begin the file with `-- title = \"…\"`");
            return Err(error.at(file, Some(1)));
        }
        toml::from_str(&toml)
            .map_err(|error| Error::from_toml(&error, &toml, &REMEDIES).at(file, None))
    }
}

/// The TOML of a query file: its leading comment lines without their dashes, line for line.
fn front_matter(text: &str) -> String {
    let mut toml = String::new();
    for line in text.lines().map_while(|line| line.strip_prefix("--")) {
        toml.push_str(line.strip_prefix(' ').unwrap_or(line));
        toml.push('\n');
    }
    toml
}

/// The SQL of a query file: what follows the front matter.
pub fn body(text: &str) -> &str {
    let header: usize = text
        .split_inclusive('\n')
        .take_while(|line| line.starts_with("--"))
        .map(str::len)
        .sum();
    text[header..].trim()
}

/// Line of the `n`th `[[key]]` (from 0) in the front matter, of `[key]`, or of `key = [`; for errors found later.
pub fn line_of(text: &str, key: &str, n: usize) -> Option<usize> {
    let header = text.lines().map_while(|line| line.strip_prefix("--"));
    let header: Vec<&str> = header.map(str::trim).collect();
    let (many, one) = (format!("[[{key}]]"), format!("[{key}]"));
    let mut headings =
        (0..header.len()).filter(|&line| header[line] == many || header[line] == one);
    let inline = || {
        let is_key = |line: &&str| line.split('=').next().map(str::trim) == Some(key);
        header.iter().position(is_key)
    };
    headings.nth(n).or_else(inline).map(|index| index + 1)
}

/// Remedies for front matter.
const REMEDIES: Remedies<'static> = Remedies {
    missing: "every query of the library shows an example",
    other: "front matter is TOML behind `-- `",
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = r#"-- title    = "Clients"
-- question = "Which?"
-- tables   = ["logins"]
-- limits   = "None."
--
-- [params.most]
-- default = 5
-- source  = "here"
-- about   = "how many"
--
-- [[columns]]
-- name  = "client_ip"
-- kind  = "text"
-- about = "address"
--
-- [[findings]]
-- severity = "high"
-- when     = "n > most"
-- sentence = "{client_ip}."
SELECT client_ip FROM logins
"#;

    #[test]
    fn reads_a_header_and_fills_in_defaults() {
        let header = Header::parse("x.sql", GOOD).unwrap();
        assert_eq!(header.rows, 15);
        assert_eq!(header.params["most"].default, ParamValue::Int(5));
        assert_eq!(header.findings[0].severity, Severity::High);
        assert_eq!(header.findings[0].limit, 5);
        assert_eq!(body(GOOD), "SELECT client_ip FROM logins");
        assert_eq!(line_of(GOOD, "limits", 0), Some(4));
        assert_eq!(line_of(GOOD, "findings", 0), Some(16));
    }

    fn error(from: &str, to: &str) -> String {
        Header::parse("x.sql", &GOOD.replace(from, to))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_misspelt_key_has_its_line_and_the_right_one() {
        let said = error("-- sentence =", "-- sentense =");
        assert_eq!(
            said,
            "x.sql:19: unknown key `sentense` (hint: did you mean `sentence`?)"
        );
    }

    #[test]
    fn an_unknown_key_lists_the_allowed_ones() {
        let said = error("-- limits ", "-- colour ");
        assert!(
            said.starts_with("x.sql:4: unknown key `colour` (hint: known: `title`"),
            "{said}"
        );
    }

    #[test]
    fn other_errors_have_a_line_too() {
        assert!(error("\"high\"", "\"grave\"").starts_with("x.sql:17: unknown value `grave`"));
        assert!(error("\"text\"", "\"cuont\"").contains("did you mean `count`?"));
        assert!(error("-- kind  = \"text\"\n", "").starts_with("x.sql:11: missing key `kind`"));
        assert!(error("default = 5", "default = [5]").starts_with("x.sql:7: a default is"));
        assert!(error("= \"None.\"", "= None.").starts_with("x.sql:4:"));
        assert!(error("-- ", "# ").contains("x.sql:1: no front matter"));
    }
}
