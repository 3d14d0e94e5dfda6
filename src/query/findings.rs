//! From result rows to findings: the first rule that matches a row makes its finding, with evidence.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use polars::prelude::{
    Column, DataFrame, DataType, IntoLazy, JoinArgs, JoinType, NamedFrom, PolarsResult, Series, col,
};
use polars::sql::sql_expr;

use super::cells::is_text;
use super::engine::Engine;
use super::error::{Error, list};
use super::header::{Rule, line_of};
use super::library::Query;
use super::params::Params;
use super::sentence::{Piece, fill};
use crate::report::{Cell, Evidence, Finding};

/// Lines named with a finding; the rest is counted.
const EVIDENCE_LINES: usize = 10;

/// Name of the column that joins evidence to its finding. No query may use it.
const FINDING: &str = "__finding";

/// The findings of a result, in the order of its rows; then what the rules' limits left out.
pub fn conclude(
    engine: &Engine,
    query: &Query,
    params: &Params,
    frame: &DataFrame,
    rows: &[Vec<Cell>],
) -> Result<Vec<Finding>, Error> {
    let run = Run {
        engine,
        query,
        params,
        frame,
        rows,
    };
    run.conclude()
}

/// One run of one query.
struct Run<'a> {
    engine: &'a Engine,
    query: &'a Query,
    params: &'a Params,
    frame: &'a DataFrame,
    rows: &'a [Vec<Cell>],
}

impl Run<'_> {
    fn conclude(&self) -> Result<Vec<Finding>, Error> {
        let mut findings: Vec<(usize, Finding)> = Vec::new();
        let mut rest = Vec::new();
        let mut taken = vec![false; self.rows.len()];
        let mut known = Known::new();
        for (index, rule) in self.query.header.findings.iter().enumerate() {
            if !self.engine.bears(self.query, &rule.thresholds) {
                continue;
            }
            let matched = self.claim(index, rule, &mut taken)?;
            let shown = &matched[..matched.len().min(rule.limit)];
            let evidence = self.evidence(index, rule, shown, &mut known)?;
            for (&row, lines) in shown.iter().zip(evidence) {
                findings.push((row, self.finding(index, rule, row, lines)?));
            }
            rest.extend(self.left_out(rule, matched.len() - shown.len()));
        }
        findings.sort_by_key(|(row, _)| *row);
        let findings = findings.into_iter().map(|(_, finding)| finding);
        Ok(findings.chain(rest).collect())
    }

    /// Rows that the rule matches and no earlier one has taken.
    fn claim(&self, index: usize, rule: &Rule, taken: &mut [bool]) -> Result<Vec<usize>, Error> {
        let mask =
            matches(self.frame, self.params, rule).map_err(|error| self.told(index, &error))?;
        let Some(mask) = mask else {
            let error = Error::new("`when` is no condition")
                .hint("compare something: `failures >= min_failures`");
            return Err(error.at(&self.query.file, self.line(index)));
        };
        let fresh = (0..mask.len()).filter(|&row| mask[row] && !taken[row]);
        let fresh: Vec<usize> = fresh.collect();
        fresh.iter().for_each(|&row| taken[row] = true);
        Ok(fresh)
    }

    fn finding(
        &self,
        index: usize,
        rule: &Rule,
        row: usize,
        lines: Lines,
    ) -> Result<Finding, Error> {
        let value = |piece: Piece<'_>| match piece {
            Piece::Column(name) => self.cell(row, name),
            Piece::Param(name) => self.params.get(name).map(|param| param.value.as_str()),
            Piece::Text(_) => None,
        };
        let sentence = fill(&rule.sentence, value).map_err(|said| {
            let error = Error::new(format!("the sentence has {said}"));
            error
                .hint("placeholders are {column} and {params.name}")
                .at(&self.query.file, self.line(index))
        })?;
        Ok(self.stating(rule, sentence, lines))
    }

    fn cell(&self, row: usize, name: &str) -> Option<&str> {
        let columns = &self.query.header.columns;
        let index = columns.iter().position(|column| column.name == name)?;
        Some(&self.rows[row][index].text)
    }

    /// The closing finding of a rule that matched more rows than it may show.
    fn left_out(&self, rule: &Rule, more: usize) -> Option<Finding> {
        let sentence = match more {
            0 => return None,
            1 => format!("One more of this kind: see {}.", self.query.csv()),
            n => format!(
                "{} more of this kind: see {}.",
                crate::report::format::count(n as u64),
                self.query.csv()
            ),
        };
        Some(self.stating(rule, sentence, Lines::default()))
    }

    fn stating(&self, rule: &Rule, sentence: String, lines: Lines) -> Finding {
        let header = &self.query.header;
        Finding {
            severity: rule.severity,
            query: self.query.name.clone(),
            title: header.title.clone(),
            sentence,
            thresholds: rule
                .thresholds
                .iter()
                .filter_map(|name| self.params.get(name))
                .cloned()
                .collect(),
            evidence: lines.first,
            evidence_total: lines.total,
            controls: header.controls.clone(),
        }
    }

    /// Evidence for each of `shown`, in its order. The rule's SQL runs only when there is a finding, and once for all
    /// rules that have it.
    fn evidence<'r>(
        &self,
        index: usize,
        rule: &'r Rule,
        shown: &[usize],
        known: &mut Known<'r>,
    ) -> Result<Vec<Lines>, Error> {
        let (Some(sql), false) = (&rule.evidence, shown.is_empty()) else {
            return Ok(vec![Lines::default(); shown.len()]);
        };
        let found = match known.entry(sql) {
            Entry::Occupied(found) => &*found.into_mut(),
            Entry::Vacant(place) => {
                let line = self.line(index);
                place.insert(self.engine.frame(self.query, self.params, sql, line)?)
            }
        };
        if let Some(said) = lacks(rule, found) {
            return Err(Error::new(said).at(&self.query.file, self.line(index)));
        }
        let told = |error| self.told(index, &error);
        if rule.keys.is_empty() {
            let lines = triples(None, found).map_err(told)?;
            return Ok(vec![self.lines(&lines); shown.len()]);
        }
        let joined = join(self.frame, shown, found, &rule.keys).map_err(told)?;
        let lines = triples(Some(FINDING), &joined).map_err(told)?;
        let of = |n: usize| {
            let start = lines.partition_point(|line| line.0 < n as i64);
            let end = lines.partition_point(|line| line.0 <= n as i64);
            self.lines(&lines[start..end])
        };
        Ok((0..shown.len()).map(of).collect())
    }

    fn lines(&self, lines: &[Triple]) -> Lines {
        let first = lines
            .iter()
            .take(EVIDENCE_LINES)
            .map(|&(_, source, line)| Evidence {
                path: self.engine.path(source),
                // Lines count from 1.
                line: line.unsigned_abs(),
            });
        Lines {
            first: first.collect(),
            total: lines.len() as u64,
        }
    }

    fn line(&self, index: usize) -> Option<usize> {
        line_of(&self.query.text, "findings", index)
    }

    fn told(&self, index: usize, error: &polars::prelude::PolarsError) -> Error {
        self.engine.told(self.query, self.line(index), error)
    }
}

/// Evidence by its SQL.
type Known<'r> = HashMap<&'r str, DataFrame>;

/// The lines that show a finding.
#[derive(Clone, Debug, Default)]
struct Lines {
    first: Vec<Evidence>,
    total: u64,
}

/// Finding (its place among those shown), source, line.
type Triple = (i64, i64, i64);

/// Which rows the condition holds for; `None` when it gives no boolean. Unknown is no.
pub(super) fn matches(
    frame: &DataFrame,
    params: &Params,
    rule: &Rule,
) -> PolarsResult<Option<Vec<bool>>> {
    let rows = frame.height();
    let params = params.frame()?.unwrap_or_default();
    let constants: Vec<Column> = params
        .columns()
        .iter()
        .map(|value| value.new_from_index(0, rows))
        .collect();
    let when = sql_expr(&rule.when)?.alias(FINDING);
    let all = frame
        .hstack(&constants)?
        .lazy()
        .with_columns([when])
        .collect()?;
    let when = all.column(FINDING)?;
    match when.dtype() {
        DataType::Boolean => Ok(Some(
            when.bool()?
                .iter()
                .map(|holds| holds == Some(true))
                .collect(),
        )),
        DataType::Null => Ok(Some(vec![false; rows])),
        _ => Ok(None),
    }
}

/// What the evidence should have given and has not.
pub(super) fn lacks(rule: &Rule, found: &DataFrame) -> Option<String> {
    let wanted = rule
        .keys
        .iter()
        .map(String::as_str)
        .chain(["source", "line"]);
    let missing: Vec<&str> = wanted.filter(|name| found.column(name).is_err()).collect();
    let missing = Some(missing).filter(|missing| !missing.is_empty())?;
    Some(format!("the evidence lacks {}", list(&missing, "and")))
}

/// The evidence that has the keys of the rows `shown`, with [`FINDING`] for the place of the row among them.
pub(super) fn join(
    frame: &DataFrame,
    shown: &[usize],
    found: &DataFrame,
    keys: &[String],
) -> PolarsResult<DataFrame> {
    let mut wanted = Vec::with_capacity(keys.len() + 1);
    let mut lines = vec![
        found.column("source")?.clone(),
        found.column("line")?.clone(),
    ];
    let rows: Vec<u32> = shown.iter().map(|&row| row as u32).collect();
    for key in keys {
        let want = frame.column(key)?.take_slice(&rows)?;
        let (want, have) = comparable(want, found.column(key)?)?;
        wanted.push(want);
        lines.push(have);
    }
    wanted.push(Series::new(FINDING.into(), (0..shown.len() as i64).collect::<Vec<_>>()).into());
    let on: Vec<_> = keys.iter().map(col).collect();
    let mut args = JoinArgs::new(JoinType::Inner);
    // A row whose key is null has its evidence among the lines whose key is null.
    args.nulls_equal = true;
    let lines = DataFrame::new_infer_height(lines)?.lazy();
    let wanted = DataFrame::new_infer_height(wanted)?.lazy();
    lines.join(wanted, &on, &on, args).collect()
}

/// Both columns in one type: words of different dictionaries as strings.
fn comparable(want: Column, have: &Column) -> PolarsResult<(Column, Column)> {
    if want.dtype() == have.dtype() {
        return Ok((want, have.clone()));
    }
    let common = match (want.dtype(), have.dtype()) {
        (a, b) if is_text(a) || is_text(b) => DataType::String,
        (a, b) if a.is_integer() && b.is_integer() => DataType::Int64,
        (_, b) => b.clone(),
    };
    Ok((want.cast(&common)?, have.cast(&common)?))
}

/// The distinct lines of `frame`, sorted by finding, source and line; rows without a line are left out.
pub(super) fn triples(finding: Option<&str>, frame: &DataFrame) -> PolarsResult<Vec<Triple>> {
    let ints = |name: &str| frame.column(name)?.cast(&DataType::Int64);
    let (source, line) = (ints("source")?, ints("line")?);
    let finding = finding.map(ints).transpose()?;
    let finding = finding.as_ref().map(|column| column.i64()).transpose()?;
    let pairs = source.i64()?.iter().zip(line.i64()?.iter()).enumerate();
    let mut lines: Vec<Triple> = pairs
        .filter_map(|(row, (source, line))| {
            let of = finding.map_or(Some(0), |finding| finding.get(row))?;
            Some((of, source?, line?))
        })
        .collect();
    lines.sort_unstable();
    lines.dedup();
    Ok(lines)
}
