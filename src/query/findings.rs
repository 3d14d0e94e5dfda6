//! From result rows to findings: the first rule that matches a row makes its finding, with evidence.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::{
    Column, DataFrame, DataType, Expr, IntoLazy, JoinArgs, JoinType, LazyFrame, NamedFrom,
    PolarsResult, SchemaRef, Series, col, lit,
};
use polars::sql::sql_expr;

use super::cells::is_text;
use super::engine::{Engine, guarded};
use super::error::{Error, list};
use super::header::{Rule, line_of};
use super::library::Query;
use super::mutes::Muted;
use super::params::Params;
use super::places::Places;
use super::sentence::{Piece, fill};
use super::stages::Plan;
use crate::report::{Evidence, Finding, Full};
use crate::tables::frame::each_batch;

/// Lines named with a finding; the rest is counted.
const EVIDENCE_LINES: usize = 10;

/// Name of the column that joins evidence to its finding. No query may use it.
const FINDING: &str = "__finding";

/// What a result comes to.
pub struct Concluded {
    /// The findings, in the order of the rows; then what the rules' limits left out.
    pub findings: Vec<Finding>,
    /// Those that are muted, by rule and mute.
    pub muted: Vec<Muted>,
}

/// The findings of a result.
pub fn conclude(
    engine: &Engine,
    query: &Query,
    params: &Params,
    frame: &DataFrame,
    rows: &Full,
) -> Result<Concluded, Error> {
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
    rows: &'a Full,
}

impl Run<'_> {
    fn conclude(&self) -> Result<Concluded, Error> {
        let mut findings: Vec<(usize, Finding)> = Vec::new();
        let (mut rest, mut muted) = (Vec::new(), Vec::new());
        let mut taken = vec![false; self.rows.len()];
        let mut known = Known::new();
        for (index, rule) in self.query.header.findings.iter().enumerate() {
            if !self.engine.bears(self.query, &rule.thresholds) {
                continue;
            }
            let matched = self.claim(index, rule, &mut taken)?;
            let (open, silent) = self.apart(index, rule, matched)?;
            let (shown, more) = self.stated(index, rule, &open, &mut known)?;
            findings.extend(shown);
            rest.extend(more);
            for (by, matched) in silent {
                let (shown, more) = self.stated(index, rule, &matched, &mut known)?;
                let beyond = (matched.len() - shown.len()) as u64;
                let one = |finding, rows| Muted { finding, by, rows };
                muted.extend(shown.into_iter().map(|(_, finding)| one(finding, 1)));
                muted.extend(more.map(|finding| one(finding, beyond)));
            }
        }
        findings.sort_by_key(|(row, _)| *row);
        let findings = findings.into_iter().map(|(_, finding)| finding);
        Ok(Concluded {
            findings: findings.chain(rest).collect(),
            muted,
        })
    }

    /// The rows that no mute silences, and the others by the first one that does.
    fn apart(&self, index: usize, rule: &Rule, matched: Vec<usize>) -> Result<Apart, Error> {
        let (mut open, mut silent) = (Vec::new(), BTreeMap::<usize, Vec<usize>>::new());
        let name = &self.query.name;
        let mutes = self.engine.mutes();
        if mutes.iter().all(|mute| mute.query != *name) {
            return Ok((matched, silent));
        }
        for row in matched {
            let sentence = self.filled(index, &rule.sentence, row)?;
            match mutes.iter().position(|mute| mute.silences(name, &sentence)) {
                Some(by) => silent.entry(by).or_default().push(row),
                None => open.push(row),
            }
        }
        Ok((open, silent))
    }

    /// The findings of rows that a rule matched, and the one that counts those beyond its limit.
    fn stated<'r>(
        &self,
        index: usize,
        rule: &'r Rule,
        matched: &[usize],
        known: &mut Known<'r>,
    ) -> Result<Stated, Error> {
        let shown = matched.len().min(rule.limit);
        let mut evidence = self.evidence(index, rule, matched, shown, known)?;
        let left_out = evidence.pop().unwrap_or_default();
        let rows = matched.iter().zip(evidence);
        let findings: Result<Vec<_>, Error> = rows
            .map(|(&row, lines)| Ok((row, self.finding(index, rule, row, lines)?)))
            .collect();
        Ok((
            findings?,
            self.left_out(rule, matched.len() - shown, left_out),
        ))
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
        let filled = |text: &str| self.filled(index, text, row);
        let mut finding = self.stating(rule, filled(&rule.sentence)?, lines);
        finding.advice = rule.advice.as_deref().map(filled).transpose()?;
        Ok(finding)
    }

    /// A text of a rule with the values of a row.
    fn filled(&self, index: usize, text: &str, row: usize) -> Result<String, Error> {
        let cells = self.rows.row(row);
        let value = |piece: Piece<'_>| match piece {
            Piece::Column(name) => self.column(name).map(|at| cells[at].text.as_str()),
            Piece::Param(name) => self.params.get(name).map(|param| param.value.as_str()),
            Piece::Text(_) => None,
        };
        fill(text, value).map_err(|said| {
            let error = Error::new(format!("the sentence has {said}"));
            error
                .hint("placeholders are {column} and {params.name}")
                .at(&self.query.file, self.line(index))
        })
    }

    fn column(&self, name: &str) -> Option<usize> {
        let columns = &self.query.header.columns;
        columns.iter().position(|column| column.name == name)
    }

    /// The closing finding of a rule that matched more rows than it may show.
    fn left_out(&self, rule: &Rule, more: usize, lines: Lines) -> Option<Finding> {
        let sentence = match more {
            0 => return None,
            1 => format!("One more of this kind: see {}.", self.query.csv()),
            n => format!(
                "{} more of this kind: see {}.",
                crate::report::format::count(n as u64),
                self.query.csv()
            ),
        };
        Some(self.stating(rule, sentence, lines))
    }

    fn stating(&self, rule: &Rule, sentence: String, lines: Lines) -> Finding {
        let header = &self.query.header;
        Finding {
            severity: rule.severity,
            query: self.query.name.clone(),
            title: header.title.clone(),
            sentence,
            advice: None,
            thresholds: rule
                .thresholds
                .iter()
                .filter_map(|name| self.params.get(name))
                .cloned()
                .collect(),
            evidence: lines.first,
            evidence_total: lines.total,
            evidence_file: None,
            controls: header.controls.clone(),
        }
    }

    /// Evidence for each of the first rows that a rule matched, and for all others together. The rule's SQL runs only
    /// when there is a finding, and over rows in memory once for all rules that have it.
    fn evidence<'r>(
        &self,
        index: usize,
        rule: &'r Rule,
        matched: &[usize],
        shown: usize,
        known: &mut Known<'r>,
    ) -> Result<Vec<Lines>, Error> {
        let (Some(sql), false) = (&rule.evidence, matched.is_empty()) else {
            return Ok(vec![Lines::default(); shown + 1]);
        };
        let told = |error| self.told(index, &error);
        let found = match known.entry(sql) {
            Entry::Occupied(found) => &*found.into_mut(),
            Entry::Vacant(place) => {
                let plan = self
                    .engine
                    .plan(self.query, self.params, sql, self.line(index))?;
                place.insert(Found::new(plan).map_err(told)?)
            }
        };
        if let Some(said) = lacks(rule, found) {
            return Err(Error::new(said).at(&self.query.file, self.line(index)));
        }
        if rule.keys.is_empty() {
            let places = found.places().map_err(told)?;
            return Ok(vec![self.lines(&places); shown + 1]);
        }
        let places = found
            .places_of(self.frame, matched, shown, &rule.keys)
            .map_err(told)?;
        Ok(places.iter().map(|places| self.lines(places)).collect())
    }

    fn lines(&self, places: &Places) -> Lines {
        let first = places.first(EVIDENCE_LINES).into_iter();
        let first = first.map(|(source, line)| Evidence {
            path: self.engine.path(source),
            // Lines count from 1.
            line: line.unsigned_abs(),
        });
        Lines {
            first: first.collect(),
            total: places.total(),
        }
    }

    fn line(&self, index: usize) -> Option<usize> {
        line_of(&self.query.text, "findings", index)
    }

    fn told(&self, index: usize, error: &polars::prelude::PolarsError) -> Error {
        self.engine.told(self.query, self.line(index), error)
    }
}

/// Rows that no mute silences, and others by the place of their mute.
type Apart = (Vec<usize>, BTreeMap<usize, Vec<usize>>);

/// Findings with their rows, and the one that counts those beyond the limit.
type Stated = (Vec<(usize, Finding)>, Option<Finding>);

/// Evidence by its SQL.
type Known<'r> = HashMap<&'r str, Found>;

/// The lines that show a finding.
#[derive(Clone, Debug, Default)]
struct Lines {
    first: Vec<Evidence>,
    total: u64,
}

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
pub(super) fn lacks(rule: &Rule, found: &Found) -> Option<String> {
    let wanted = rule
        .keys
        .iter()
        .map(String::as_str)
        .chain(["source", "line"]);
    let missing: Vec<&str> = wanted.filter(|name| !found.schema.contains(name)).collect();
    let missing = Some(missing).filter(|missing| !missing.is_empty())?;
    Some(format!("the evidence lacks {}", list(&missing, "and")))
}

/// What gives the lines of evidence: they may be most lines of the logs.
pub(super) struct Found {
    plan: Plan,
    schema: SchemaRef,
}

impl Found {
    /// Rows that are in memory anyway are had once.
    pub(super) fn new(plan: Plan) -> PolarsResult<Found> {
        let mut plan = if plan.on_disk {
            plan
        } else {
            Plan {
                rows: plan.collect()?.lazy(),
                on_disk: false,
            }
        };
        let schema = guarded(|| plan.rows.collect_schema())?;
        Ok(Found { plan, schema })
    }

    /// The distinct lines; rows without a line are left out.
    pub(super) fn places(&self) -> PolarsResult<Places> {
        let rows = self.plan.rows.clone();
        let mut places = self.sets(rows.with_columns([lit(0i64).alias(FINDING)]), 1)?;
        Ok(places.pop().unwrap_or_default())
    }

    /// The distinct lines that have the keys of each of the first rows, and of all others together.
    pub(super) fn places_of(
        &self,
        frame: &DataFrame,
        matched: &[usize],
        shown: usize,
        keys: &[String],
    ) -> PolarsResult<Vec<Places>> {
        let rows: Vec<u32> = matched.iter().map(|&row| row as u32).collect();
        let (mut wanted, mut lines) = (Vec::new(), vec![col("source"), col("line")]);
        for key in keys {
            let want = frame.column(key)?.take_slice(&rows)?;
            let common = common(want.dtype(), self.schema.try_get(key)?);
            wanted.push(want.cast(&common)?);
            lines.push(col(key).cast(common));
        }
        let finding: Vec<i64> = (0..matched.len()).map(|at| at.min(shown) as i64).collect();
        wanted.push(Series::new(FINDING.into(), finding).into());
        let wanted = DataFrame::new_infer_height(wanted)?.lazy();
        let on: Vec<Expr> = keys.iter().map(col).collect();
        let mut args = JoinArgs::new(JoinType::Inner);
        // A row whose key is null has its evidence among the lines whose key is null.
        args.nulls_equal = true;
        let rows = self.plan.rows.clone().select(lines);
        self.sets(rows.join(wanted, &on, &on, args), shown + 1)
    }

    /// Lines by the finding that they belong to, of which there are so many.
    fn sets(&self, rows: LazyFrame, findings: usize) -> PolarsResult<Vec<Places>> {
        let ints = [FINDING, "source", "line"].map(|name| col(name).cast(DataType::Int64));
        let rows = rows.select(ints);
        let sets = Mutex::new(vec![Places::default(); findings]);
        let sets = Arc::new(sets);
        let own = sets.clone();
        let add = move |batch: DataFrame| {
            add(
                &mut own.lock().unwrap_or_else(PoisonError::into_inner),
                &batch,
            )
        };
        guarded(|| each_batch(rows, self.plan.on_disk, add))?;
        let mut sets = sets.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(take(&mut *sets))
    }
}

/// Adds a batch of lines to the findings that they belong to.
fn add(sets: &mut [Places], batch: &DataFrame) -> PolarsResult<()> {
    let ints = |name: &str| batch.column(name)?.i64();
    let (finding, source, line) = (ints(FINDING)?, ints("source")?, ints("line")?);
    let rows = finding.iter().zip(source.iter().zip(line.iter()));
    let rows = rows.filter_map(|(finding, (source, line))| Some((finding?, source?, line?)));
    let mut rows = rows.peekable();
    while let Some((finding, source, line)) = rows.next() {
        let same = std::iter::from_fn(|| rows.next_if(|next| next.0 == finding));
        let places = [(source, line)].into_iter();
        // Findings were numbered by their place.
        sets[finding as usize].extend(places.chain(same.map(|(_, source, line)| (source, line))));
    }
    Ok(())
}

/// One type for both: words of different dictionaries as strings.
fn common(want: &DataType, have: &DataType) -> DataType {
    if want == have {
        return want.clone();
    }
    match (want, have) {
        (a, b) if is_text(a) || is_text(b) => DataType::String,
        (a, b) if a.is_integer() && b.is_integer() => DataType::Int64,
        (_, b) => b.clone(),
    }
}
