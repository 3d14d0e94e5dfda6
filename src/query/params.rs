//! The parameters of one run: defaults, what the user set with `--param`, and how SQL sees them.

use std::collections::BTreeMap;

use polars::prelude::{Column, DataFrame, NamedFrom, PolarsResult, Series};

use super::error::{Error, suggest};
use super::header::{ParamSpec, ParamValue};
use super::library::{Library, Query};
use crate::report::Param;
use crate::report::format;

/// The unit of parameters that are fractions of one.
pub(super) const SHARE: &str = "share";

/// What the user set: `name` for every query that has it, `query.name` for one.
pub type Overrides = BTreeMap<String, String>;

/// The values of one query's parameters, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    values: BTreeMap<String, ParamValue>,
    shown: Vec<Param>,
}

impl Params {
    /// Defaults with the overrides that concern `query`.
    pub fn new(query: &Query, overrides: &Overrides) -> Result<Self, Error> {
        let mut params = Self::default();
        for (name, spec) in &query.header.params {
            let set = setting(query, name, overrides);
            let value = match set {
                Some(text) => parse(&format!("{}.{name}", query.name), spec, text)?,
                None => spec.default.clone(),
            };
            params.shown.push(show(name, spec, &value, set.is_some()));
            params.values.insert(name.clone(), value);
        }
        Ok(params)
    }

    /// The value of a parameter.
    pub(super) fn value(&self, name: &str) -> Option<&ParamValue> {
        self.values.get(name)
    }

    /// The same with another value of one parameter that there is.
    pub(super) fn with(&self, query: &Query, name: &str, value: ParamValue) -> Self {
        let mut changed = self.clone();
        let spec = query.header.params.get(name);
        let shown = changed.shown.iter_mut().find(|param| param.name == name);
        if let (Some(spec), Some(param)) = (spec, shown) {
            *param = show(name, spec, &value, param.changed);
            changed.values.insert(name.to_owned(), value);
        }
        changed
    }

    /// The values as text, by name: what tells one set of them from another.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        let values = self.values.iter();
        let texts = values.map(|(name, value)| (name.clone(), format!("{value:?}")));
        texts.collect()
    }

    /// For the report.
    pub fn shown(&self) -> &[Param] {
        &self.shown
    }

    /// The parameter of that name as a report shows it.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.shown.iter().find(|param| param.name == name)
    }

    /// One row, one column a parameter; `None` without parameters.
    pub fn frame(&self) -> PolarsResult<Option<DataFrame>> {
        if self.values.is_empty() {
            return Ok(None);
        }
        let columns = self.values.iter().map(|(name, value)| column(name, value));
        DataFrame::new_infer_height(columns.collect()).map(Some)
    }
}

/// Refuses what no query of `queries` knows, naming what they know.
pub fn check_overrides<'a>(
    queries: impl IntoIterator<Item = &'a Query> + Clone,
    overrides: &Overrides,
) -> Result<(), Error> {
    for key in overrides.keys() {
        let known = queries
            .clone()
            .into_iter()
            .any(|query| concerns(query, key));
        if !known {
            return Err(unknown(queries, key));
        }
    }
    Ok(())
}

fn unknown<'a>(queries: impl IntoIterator<Item = &'a Query>, key: &str) -> Error {
    let mut names: Vec<String> = Vec::new();
    for query in queries {
        let full = query.header.params.keys();
        names.extend(full.map(|name| match key.contains('.') {
            true => format!("{}.{name}", query.name),
            false => name.clone(),
        }));
    }
    names.sort_unstable();
    names.dedup();
    let error = Error::new(format!("unknown parameter `{key}`"));
    match names.as_slice() {
        [] => error.hint("no query in use has parameters"),
        names => error.hint(suggest(key, names.iter().map(String::as_str))),
    }
}

/// Holds one setting against a library: its name and, for each query that it sets, its value.
///
/// # Errors
/// A parameter that there is not, a value that it cannot have.
pub fn check_setting(library: &Library, key: &str, value: &str) -> Result<(), Error> {
    let one = Overrides::from([(key.to_owned(), value.to_owned())]);
    check_overrides(library.iter(), &one)?;
    let mut concerned = library.iter().filter(|query| concerns(query, key));
    concerned.try_for_each(|query| Params::new(query, &one).map(drop))
}

/// `given` with what `layers` set of all else, the first layer first. A name in `given` outranks a fuller one in a
/// layer, so each of theirs is added under the full name of its query.
pub fn layered(library: &Library, given: &Overrides, layers: &[&Overrides]) -> Overrides {
    let mut all = given.clone();
    for query in library.iter() {
        for name in query.header.params.keys() {
            if setting(query, name, given).is_some() {
                continue;
            }
            let found = layers.iter().find_map(|layer| setting(query, name, layer));
            if let Some(value) = found {
                all.insert(format!("{}.{name}", query.name), value.to_owned());
            }
        }
    }
    all
}

/// Whether the override `key` sets a parameter of `query`.
fn concerns(query: &Query, key: &str) -> bool {
    let mut names = query.header.params.keys();
    names.any(|name| keys(query, name).iter().any(|known| known == key))
}

/// How a parameter may be called, the most particular first.
fn keys(query: &Query, name: &str) -> [String; 3] {
    [
        format!("{}.{name}", query.name),
        format!("{}.{name}", query.stem),
        name.to_owned(),
    ]
}

fn setting<'a>(query: &Query, name: &str, overrides: &'a Overrides) -> Option<&'a str> {
    let keys = keys(query, name);
    keys.iter()
        .find_map(|key| overrides.get(key))
        .map(String::as_str)
}

/// Reads `text` as the type of the default.
fn parse(name: &str, spec: &ParamSpec, text: &str) -> Result<ParamValue, Error> {
    let text = text.trim();
    let (value, wanted) = match &spec.default {
        ParamValue::Int(_) => (text.parse().ok().map(ParamValue::Int), "an integer"),
        ParamValue::Float(_) => (finite(text).map(ParamValue::Float), "a number"),
        ParamValue::Bool(_) => (text.parse().ok().map(ParamValue::Bool), "`true` or `false`"),
        ParamValue::Text(_) => (Some(ParamValue::Text(text.to_owned())), "text"),
    };
    let wrong = |what: &str| {
        let error = Error::new(format!("parameter `{name}` is {what}, not `{text}`"));
        Err(error.hint(format!("its default is {}", plain(&spec.default))))
    };
    match value {
        None => wrong(wanted),
        Some(value) if amount(&value) < 0.0 && amount(&spec.default) >= 0.0 => wrong("0 or more"),
        Some(value) if spec.unit == SHARE && amount(&value) > 1.0 => wrong("a share from 0 to 1"),
        Some(value) => Ok(value),
    }
}

/// The number of a parameter that is one; 0 for others.
fn amount(value: &ParamValue) -> f64 {
    match value {
        ParamValue::Int(value) => *value as f64,
        ParamValue::Float(value) => *value,
        ParamValue::Bool(_) | ParamValue::Text(_) => 0.0,
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn show(name: &str, spec: &ParamSpec, value: &ParamValue, changed: bool) -> Param {
    Param {
        name: name.to_owned(),
        value: shown(value, &spec.unit),
        // `5 %` says what it is.
        unit: Some(&spec.unit)
            .filter(|unit| *unit != SHARE)
            .cloned()
            .unwrap_or_default(),
        source: spec.source.clone(),
        changed,
    }
}

/// Shares as per cent, everything else as it is.
fn shown(value: &ParamValue, unit: &str) -> String {
    match value {
        // Ten decimals: what 100 times a decimal fraction adds in binary is not shown.
        ParamValue::Float(value) if unit == SHARE => format!("{} %", (value * 1e12).round() / 1e10),
        value => plain(value),
    }
}

/// Exact, as thresholds are evidence: floats are not rounded.
fn plain(value: &ParamValue) -> String {
    match value {
        ParamValue::Int(value) => format::count(*value),
        ParamValue::Float(value) => value.to_string(),
        ParamValue::Bool(value) => value.to_string(),
        ParamValue::Text(value) => value.clone(),
    }
}

fn column(name: &str, value: &ParamValue) -> Column {
    let name = name.into();
    match value {
        ParamValue::Int(value) => Series::new(name, [*value]).into(),
        ParamValue::Float(value) => Series::new(name, [*value]).into(),
        ParamValue::Bool(value) => Series::new(name, [*value]).into(),
        ParamValue::Text(value) => Series::new(name, [value.as_str()]).into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn query() -> Query {
        let text = r#"-- title = "T"
-- question = "Q?"
-- tables = ["logins"]
-- limits = "L."
-- columns = []
-- [params.most]
-- default = 1000
-- unit = "tries"
-- source = "s"
-- about = "a"
-- [params.ratio]
-- default = 0.05
-- source = "s"
-- about = "a"
SELECT 1
"#;
        Query::parse("access/guess", "queries/access/guess.sql", text).unwrap()
    }

    fn set(pairs: &[(&str, &str)]) -> Overrides {
        pairs
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect()
    }

    #[test]
    fn defaults_are_shown_with_unit_and_source() {
        let params = Params::new(&query(), &set(&[])).unwrap();
        let most = params.get("most").unwrap();
        assert_eq!(
            (most.value.as_str(), most.unit.as_str(), most.changed),
            ("1,000", "tries", false)
        );
        assert_eq!(params.get("ratio").unwrap().value, "0.05");
        assert_eq!(shown(&ParamValue::Float(0.07), SHARE), "7 %");
        assert_eq!(shown(&ParamValue::Float(0.0005), SHARE), "0.05 %");
    }

    #[test]
    fn what_is_given_outranks_a_fuller_name_in_a_layer() {
        let mut library = Library::default();
        library.add(query());
        let layers = [
            set(&[("access/guess.most", "7"), ("ratio", "0.3")]),
            set(&[("most", "8"), ("ratio", "0.4")]),
        ];
        let value = |given: &[(&str, &str)], name: &str| {
            let all = layered(&library, &set(given), &[&layers[0], &layers[1]]);
            let params = Params::new(&query(), &all).unwrap();
            params.get(name).unwrap().value.clone()
        };
        assert_eq!(value(&[("most", "5")], "most"), "5");
        assert_eq!(value(&[], "most"), "7");
        assert_eq!(value(&[("guess.most", "6")], "ratio"), "0.3");
        assert!(check_setting(&library, "guess.most", "7").is_ok());
        let said = |key: &str, value: &str| check_setting(&library, key, value).unwrap_err();
        assert!(
            said("mots", "7")
                .to_string()
                .contains("did you mean `most`?")
        );
        assert!(said("most", "many").to_string().contains("an integer"));
    }

    #[test]
    fn the_most_particular_override_wins() {
        let overrides = set(&[
            ("most", "1"),
            ("guess.most", "2"),
            ("access/guess.most", "3"),
        ]);
        let params = Params::new(&query(), &overrides).unwrap();
        assert_eq!(params.get("most").unwrap().value, "3");
        assert!(params.get("most").unwrap().changed);
    }

    #[test]
    fn a_value_of_the_wrong_type_names_the_type_and_the_default() {
        let error = Params::new(&query(), &set(&[("most", "many")])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "parameter `access/guess.most` is an integer, not `many` (hint: its default is 1,000)"
        );
        assert!(Params::new(&query(), &set(&[("ratio", "NaN")])).is_err());
        assert!(Params::new(&query(), &set(&[("ratio", "1")])).is_ok());
    }

    #[test]
    fn amounts_are_not_below_zero_and_shares_not_above_one() {
        let mut query = query();
        query.header.params.get_mut("ratio").unwrap().unit = SHARE.to_owned();
        let said = |name: &str, value: &str| {
            let error = Params::new(&query, &set(&[(name, value)])).unwrap_err();
            error.message
        };
        assert!(said("most", "-1").ends_with("is 0 or more, not `-1`"));
        assert!(said("ratio", "1.01").ends_with("is a share from 0 to 1, not `1.01`"));
        assert!(Params::new(&query, &set(&[("most", "0"), ("ratio", "1")])).is_ok());
    }

    #[test]
    fn unknown_parameters_list_the_known() {
        let query = query();
        let error = check_overrides([&query], &set(&[("moss", "1")])).unwrap_err();
        assert_eq!(error.hint.unwrap(), "did you mean `most`?");
        let error = check_overrides([&query], &set(&[("other.x", "1")])).unwrap_err();
        assert_eq!(
            error.hint.unwrap(),
            "known: `access/guess.most` and `access/guess.ratio`"
        );
        assert!(check_overrides([&query], &set(&[("guess.ratio", "1")])).is_ok());
    }

    #[test]
    fn sql_sees_one_row() {
        let frame = Params::new(&query(), &set(&[]))
            .unwrap()
            .frame()
            .unwrap()
            .unwrap();
        assert_eq!((frame.height(), frame.width()), (1, 2));
    }
}
