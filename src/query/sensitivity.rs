//! How much a query's findings hang on its threshold: what there would be at half and at double its value.
//!
//! A threshold is a choice, and a reader has to see whether the result turns on it. Where the SELECT does not read the
//! parameter, its rows are those of every value and only the rules are asked again; where it does, the clauses that hang
//! on it run again (see [`super::memo`]).

use polars::prelude::DataFrame;

use super::engine::Engine;
use super::error::Error;
use super::findings::matches;
use super::header::{ParamValue, Rule};
use super::library::Query;
use super::params::Params;
use crate::report::{Hits, Sensitivity};

/// The rows that rules resting on the query's decisive parameter match, at half, at the value in use, and at double;
/// `None` where the query names none, or no rule that bears a finding rests on it.
pub(super) fn sensitivity(
    engine: &Engine,
    query: &Query,
    params: &Params,
    frame: &DataFrame,
) -> Result<Option<Sensitivity>, Error> {
    let Some(name) = decisive(engine, query, params) else {
        return Ok(None);
    };
    let rules: Vec<&Rule> = resting(engine, query, name).collect();
    let mut hits = Vec::new();
    for changed in values(query, name, params) {
        let shown = changed.get(name).map(|param| param.value.clone());
        let count = if changed == *params || !reads(query, name) {
            count(query, &rules, frame, &changed)?
        } else {
            let frame = engine.select(query, &changed)?;
            count(query, &rules, &frame, &changed)?
        };
        hits.push(Hits {
            value: shown.unwrap_or_default(),
            rows: count,
        });
    }
    let unit = params.get(name).map(|param| param.unit.clone());
    Ok(Some(Sensitivity {
        param: name.clone(),
        unit: unit.unwrap_or_default(),
        hits,
    }))
}

/// The parameters with which a query runs: as they are, and with half and double of the decisive one where the SELECT
/// reads that.
pub(super) fn tried(engine: &Engine, query: &Query, params: &Params) -> Vec<Params> {
    let mut tried = match decisive(engine, query, params) {
        Some(name) if reads(query, name) => values(query, name, params),
        _ => vec![params.clone()],
    };
    // Half of one is one.
    tried.dedup();
    tried
}

/// The decisive parameter, where a rule that bears a finding rests on it. A limit that nobody has set has neither half
/// nor double.
fn decisive<'q>(engine: &Engine, query: &'q Query, params: &Params) -> Option<&'q String> {
    let name = query.header.sensitivity.as_ref()?;
    let zero = matches!(
        params.value(name)?,
        ParamValue::Int(0) | ParamValue::Float(0.0)
    );
    (!zero && resting(engine, query, name).next().is_some()).then_some(name)
}

/// The rules that bear a finding and rest on a parameter.
fn resting<'q>(engine: &Engine, query: &'q Query, name: &String) -> impl Iterator<Item = &'q Rule> {
    let rules = query.header.findings.iter();
    rules.filter(|rule| rule.thresholds.contains(name) && engine.bears(query, &rule.thresholds))
}

/// Half, the value in use, double.
fn values(query: &Query, name: &str, params: &Params) -> Vec<Params> {
    let Some(value) = params.value(name) else {
        return Vec::new();
    };
    let values = [half(value), Some(value.clone()), double(query, name, value)];
    let values = values.into_iter().flatten();
    values
        .map(|value| params.with(query, name, value))
        .collect()
}

/// Whether the SELECT, or what its tables are derived from, names the parameter.
fn reads(query: &Query, name: &str) -> bool {
    let derived = query.header.derived.values().map(|one| one.input.as_str());
    let word = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|word| word == name)
    };
    derived.chain([query.sql.as_str()]).any(word)
}

/// Rows that at least one of the rules matches.
fn count(query: &Query, rules: &[&Rule], frame: &DataFrame, params: &Params) -> Result<u64, Error> {
    let mut any = vec![false; frame.height()];
    for rule in rules {
        let mask = matches(frame, params, rule);
        let mask = mask.map_err(|error| Error::from_polars(&error).at(&query.file, None))?;
        let mask = mask.unwrap_or_default();
        any.iter_mut().zip(mask).for_each(|(any, hit)| *any |= hit);
    }
    Ok(any.into_iter().filter(|hit| *hit).count() as u64)
}

/// Half, rounded up: a count below one is no threshold.
fn half(value: &ParamValue) -> Option<ParamValue> {
    match value {
        ParamValue::Int(value) => Some(ParamValue::Int(value - value / 2)),
        ParamValue::Float(value) => Some(ParamValue::Float(value / 2.0)),
        ParamValue::Bool(_) | ParamValue::Text(_) => None,
    }
}

/// Double; a share ends at one.
fn double(query: &Query, name: &str, value: &ParamValue) -> Option<ParamValue> {
    match value {
        ParamValue::Int(value) => Some(ParamValue::Int(value.saturating_mul(2))),
        ParamValue::Float(value) if query.is_share(name) => {
            Some(ParamValue::Float((value * 2.0).min(1.0)))
        }
        ParamValue::Float(value) => Some(ParamValue::Float(value * 2.0)),
        ParamValue::Bool(_) | ParamValue::Text(_) => None,
    }
}
