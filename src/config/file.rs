//! `mtaudit.toml` as it is written: every key with its place, and no key that is not known.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Deserialize;
use toml::Spanned;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub organisation: Option<Spanned<String>>,
    pub title: Option<Spanned<String>>,
    pub logo: Option<Spanned<String>>,
    pub local_domains: Vec<Spanned<String>>,
    pub holidays: Vec<Day>,
    pub networks: Networks,
    pub limits: Values,
    pub thresholds: Values,
    pub mute: Vec<Spanned<Mute>>,
}

/// Names with their values.
pub(super) type Values = BTreeMap<Spanned<String>, Value>;

/// Who is where.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Networks {
    pub trusted: Vec<Spanned<String>>,
    pub relays: Vec<Spanned<String>>,
    pub scanners: Vec<Spanned<String>>,
}

/// Findings that are known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mute {
    pub query: Spanned<String>,
    pub contains: Option<Spanned<String>>,
    pub reason: Spanned<String>,
    pub until: Option<Day>,
}

/// The value of a parameter, as `--param` would have it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(super) struct Value(pub String);

impl TryFrom<toml::Value> for Value {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::Integer(value) => Ok(Self(value.to_string())),
            toml::Value::Float(value) => Ok(Self(value.to_string())),
            toml::Value::Boolean(value) => Ok(Self(value.to_string())),
            toml::Value::String(value) => Ok(Self(value)),
            other => Err(format!(
                "a parameter is a number, a string, true or false, not {}",
                other.type_str()
            )),
        }
    }
}

/// A calendar day: `"2026-12-25"`, or without quotes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "toml::Value")]
pub(super) struct Day(pub NaiveDate);

impl TryFrom<toml::Value> for Day {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Datetime(time) => time.to_string(),
            other => other.to_string(),
        };
        // The layout of RFC 3339 only: chrono alone would take 2026-1-1 too.
        let whole = text.len() == "2026-12-25".len();
        NaiveDate::parse_from_str(&text, "%Y-%m-%d")
            .ok()
            .filter(|_| whole)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no day: write it as \"2026-12-25\""))
    }
}
