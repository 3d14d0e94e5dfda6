//! Runs queries over the tables with polars SQL.
//!
//! Each run has a context of its own that holds the tables the query declares and nothing else, so the
//! declaration is what was read. Frames are shared: a clone counts references. The engine is `Sync`. A statement over
//! tables on disk gives the same rows as over tables in memory, see [`super::stages`]. What a statement is given to read
//! is in [`super::supply`], whether the logs can answer at all in [`super::assess`], what rows come to in
//! [`super::findings`].

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock};

use chrono_tz::Tz;
use polars::prelude::{AnyValue, DataFrame, DataType, PolarsError, PolarsResult};

use super::cells::{self, Paths, Setting};
use super::error::{Error, list, suggest};
use super::findings;
use super::header::{ColumnSpec, line_of};
use super::library::{Library, Query};
use super::memo::{Keys, Memo};
use super::mutes::{Mute, Muted};
use super::own::{self, Known};
use super::params::{Overrides, Params, check_overrides};
use super::parts::Statement;
use super::sensitivity::sensitivity;
use super::stages::Inputs;
use crate::report::{Cell, ColumnInfo, Finding, Full, QueryResult};
use crate::tables::{Frame, shown};

/// A query's result with what it concludes.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The rows.
    pub result: QueryResult,
    /// The conclusions, in the order of the rows.
    pub findings: Vec<Finding>,
    /// Those that the configuration mutes.
    pub muted: Vec<Muted>,
}

/// The result of SQL given by hand.
#[derive(Clone, Debug)]
pub struct ResultTable {
    /// Kinds are guessed from types and names.
    pub columns: Vec<ColumnInfo>,
    /// Cells in column order.
    pub rows: Vec<Vec<Cell>>,
}

/// The tables, ready for queries.
pub struct Engine {
    pub(super) tables: Vec<(&'static str, Frame)>,
    setting: Setting,
    pub(super) narrowed: bool,
    /// First moment and first one after, µs.
    pub(super) period: (Option<i64>, Option<i64>),
    pub(super) library: Library,
    pub(super) overrides: Overrides,
    pub(super) questions: OnceLock<DataFrame>,
    pub(super) known: Known,
    mutes: Vec<Mute>,
    pub(super) before: Vec<(&'static str, Frame)>,
    pub(super) clients: OnceLock<DataFrame>,
    /// Why queries were not assessable that had to run to tell, by name.
    pub(super) empty: Mutex<HashMap<String, Option<String>>>,
    pub(super) memo: Memo,
}

impl Engine {
    /// An engine over `tables`; times are shown in `zone`.
    pub fn new<F: Into<Frame>>(tables: Vec<(&'static str, F)>, zone: Tz) -> Self {
        let tables = tables.into_iter().map(|(name, frame)| (name, frame.into()));
        let tables: Vec<(&'static str, Frame)> = tables.collect();
        let sources = tables.iter().find(|(name, _)| *name == "sources");
        // A table without these columns gives no paths; evidence then names sources by number.
        let paths = sources.and_then(|(_, frame)| source_paths(&frame.collect().ok()?).ok());
        Self {
            setting: Setting {
                zone,
                paths: Paths::new(paths.unwrap_or_default()),
            },
            tables,
            narrowed: false,
            period: (None, None),
            library: Library::default(),
            overrides: Overrides::new(),
            questions: OnceLock::new(),
            known: Known::default(),
            mutes: Vec::new(),
            before: Vec::new(),
            clients: OnceLock::new(),
            empty: Mutex::default(),
            memo: Memo::default(),
        }
    }

    /// The same with the library whose questions the table [`QUESTIONS`] lists, asked with these parameters.
    #[must_use]
    pub fn asking(self, library: &Library, overrides: &Overrides) -> Self {
        let (library, overrides) = (library.clone(), overrides.clone());
        Self {
            library,
            overrides,
            ..self
        }
    }

    /// The same with what the user says about clients and days: the tables `clients` and `holidays`.
    #[must_use]
    pub fn knowing(self, known: Known) -> Self {
        Self { known, ..self }
    }

    /// The same with findings that are known: they are told apart.
    #[must_use]
    pub fn muting(self, mutes: Vec<Mute>) -> Self {
        Self { mutes, ..self }
    }

    /// What is muted.
    pub(super) fn mutes(&self) -> &[Mute] {
        &self.mutes
    }

    /// The same with the tables of an earlier period, which SQL knows as `before_messages` and so on. They have no rows
    /// where there is no such period.
    #[must_use]
    pub fn comparing(self, before: Vec<(&'static str, Frame)>) -> Self {
        Self { before, ..self }
    }

    /// The same with the period that was asked for, µs: the one-row table `period`, for queries that ask whether the
    /// logs cover it.
    #[must_use]
    pub fn over(self, since: Option<i64>, until: Option<i64>) -> Self {
        Self {
            period: (since, until),
            ..self
        }
    }

    /// The same over tables that hold only what touches one entity: no share is held against a threshold then, as
    /// thresholds are made for all mail and the denominators are not all mail.
    #[must_use]
    pub fn narrowed(self, narrowed: bool) -> Self {
        Self { narrowed, ..self }
    }

    /// Whether a table is on disk.
    pub fn on_disk(&self) -> bool {
        self.tables.iter().any(|(_, frame)| frame.is_on_disk())
    }

    /// Whether the tables can bear a finding that rests on these parameters.
    pub(super) fn bears(&self, query: &Query, thresholds: &[String]) -> bool {
        !(self.narrowed && thresholds.iter().any(|name| query.is_share(name)))
    }

    /// Runs one query. Overrides that it does not know are an error.
    pub fn run(&self, query: &Query, overrides: &Overrides) -> Result<Answer, Error> {
        check_overrides([query], overrides)?;
        self.announce(&[query], overrides)?;
        self.answer(query, overrides)
    }

    /// Runs queries one after the other, as polars itself spreads each over all cores. Overrides that none of them
    /// knows are an error.
    pub fn run_all(&self, queries: &[&Query], overrides: &Overrides) -> Result<Vec<Answer>, Error> {
        check_overrides(queries.iter().copied(), overrides)?;
        self.announce(queries, overrides)?;
        queries
            .iter()
            .map(|query| self.answer(query, overrides))
            .collect()
    }

    /// Runs SQL given by hand over all tables.
    pub fn sql(&self, text: &str) -> Result<ResultTable, Error> {
        if let Some(verb) = writes(text) {
            let error = Error::new(format!("`{verb}` is not possible: evidence is read only"));
            return Err(error.hint("write a SELECT"));
        }
        let mut inputs = Inputs::default();
        for (name, frame) in &self.tables {
            // A statement by hand may ask for no order of its own.
            inputs.add(name, frame, frame.in_place_order());
        }
        let statement = Statement::new(text);
        self.own_tables(&statement, &mut inputs)
            .map_err(|error| Error::from_polars(&error))?;
        let told = |error: &_| {
            let error = Error::from_polars(error);
            let names = self.tables.iter().map(|(name, _)| *name);
            let names = names.chain(own::NAMES);
            let hint = relation(&error.message).map(|name| suggest(name, names));
            error.hint(hint.unwrap_or_default())
        };
        let plan = inputs.plan(&statement, &mut Keys::default(), &self.memo);
        let plan = plan.map_err(|error| told(&error))?;
        let frame = plan.collect().map_err(|error| told(&error))?;
        let columns: Vec<ColumnInfo> = frame
            .columns()
            .iter()
            .map(|c| guessed(c.name(), c.dtype()))
            .collect();
        let shown = cells::Shown::new(frame, columns.clone(), self.setting.clone());
        let rows = Full::new(shown).iter().collect();
        Ok(ResultTable { columns, rows })
    }

    /// Runs one query whose overrides were checked before.
    pub fn answer(&self, query: &Query, overrides: &Overrides) -> Result<Answer, Error> {
        let params = Params::new(query, overrides)?;
        if let Some(reason) = self.missing(query)? {
            return Ok(not_assessable(query, &params, reason));
        }
        let frame = self.select(query, &params)?;
        self.note_empty(query, overrides, frame.height());
        if let (0, Some(reason)) = (frame.height(), &query.header.empty) {
            return Ok(not_assessable(query, &params, reason.clone()));
        }
        let frame = if self.on_disk() {
            cells::owned(&frame).map_err(|error| self.told(query, None, &error))?
        } else {
            frame
        };
        let rows = Full::new(cells::Shown::new(
            frame.clone(),
            infos(query),
            self.setting.clone(),
        ));
        let concluded = findings::conclude(self, query, &params, &frame, &rows)?;
        let mut result = result(query, &params, None, rows);
        result.sensitivity = sensitivity(self, query, &params, &frame)?;
        Ok(Answer {
            result,
            findings: concluded.findings,
            muted: concluded.muted,
        })
    }

    /// The query's rows, with the columns that it declares.
    pub(super) fn select(&self, query: &Query, params: &Params) -> Result<DataFrame, Error> {
        let frame = match self.plan(query, params, &query.sql, None) {
            Ok(plan) => plan.collect(),
            // The whole file, as its comments keep the parser's line numbers those of the file.
            Err(_) => self.plan(query, params, &query.text, None)?.collect(),
        };
        let frame = frame.map_err(|error| self.told(query, None, &error))?;
        match mismatch(&query.header.columns, &frame) {
            None => Ok(frame),
            Some(said) => {
                let error = Error::new(said).hint("declare `[[columns]]` as the SELECT gives them");
                Err(error.at(&query.file, line_of(&query.text, "columns", 0)))
            }
        }
    }

    /// Name of a source as evidence gives it.
    pub(super) fn path(&self, source: i64) -> String {
        self.setting.paths.of(source)
    }

    pub(super) fn table(&self, name: &str) -> Option<&Frame> {
        let found = self.tables.iter().find(|(known, _)| *known == name);
        found.map(|(_, frame)| frame)
    }

    pub(super) fn no_table(&self, name: &str) -> Error {
        let names = self.tables.iter().map(|(name, _)| *name);
        Error::new(format!("there is no table `{name}`")).hint(suggest(name, names))
    }

    /// The engine's error with the query's file and a remedy.
    pub(super) fn told(&self, query: &Query, line: Option<usize>, error: &PolarsError) -> Error {
        let error = Error::from_polars(error);
        let hint = match relation(&error.message) {
            Some("params") => "`params` exists when the front matter has `[params.…]`".to_owned(),
            Some(name) if self.table(name).is_some() => {
                format!("add `{name}` to `tables` in the front matter")
            }
            Some(name) => suggest(name, self.tables.iter().map(|(name, _)| *name)),
            None => String::new(),
        };
        error.hint(hint).at(&query.file, line)
    }
}

/// Runs something of polars'. Where it panics (an overflow, a case it left out), that is an error like others: the
/// context is dropped, and the tables cannot be changed.
pub(super) fn guarded<T>(run: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(PolarsError::ComputeError("polars cannot run this".into())))
}

/// The statement's first word, when it would change tables.
fn writes(sql: &str) -> Option<&str> {
    let code = sql
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"));
    let word = code.flat_map(str::split_whitespace).next()?;
    let known = ["CREATE", "DELETE", "DROP", "INSERT", "TRUNCATE", "UPDATE"];
    known
        .iter()
        .any(|verb| word.eq_ignore_ascii_case(verb))
        .then_some(word)
}

/// The table that the engine did not find, from its message.
fn relation(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("relation '")?;
    rest.split_once('\'').map(|(name, _)| name)
}

/// What differs between the declared columns and those found.
fn mismatch(declared: &[ColumnSpec], frame: &DataFrame) -> Option<String> {
    let want: Vec<&str> = declared.iter().map(|column| column.name.as_str()).collect();
    let have: Vec<&str> = frame
        .columns()
        .iter()
        .map(|column| column.name().as_str())
        .collect();
    if want != have {
        let (have, want) = (list(&have, "and"), list(&want, "and"));
        return Some(format!(
            "the SELECT gives {have}, the front matter declares {want}"
        ));
    }
    let wrong = declared.iter().zip(frame.columns());
    let mut wrong = wrong.filter(|(spec, column)| !cells::fits(spec.kind, column.dtype()));
    wrong.next().map(|(spec, column)| {
        let kind = format!("{:?}", spec.kind).to_lowercase();
        format!(
            "column `{}` is {}, which cannot be shown as {kind}",
            spec.name,
            column.dtype()
        )
    })
}

/// The columns as a report shows them.
pub(super) fn infos(query: &Query) -> Vec<ColumnInfo> {
    query.header.columns.iter().map(ColumnSpec::info).collect()
}

fn guessed(name: &str, found: &DataType) -> ColumnInfo {
    ColumnInfo {
        name: name.to_owned(),
        kind: cells::guess(name, found),
        unit: String::new(),
        about: String::new(),
    }
}

fn not_assessable(query: &Query, params: &Params, reason: String) -> Answer {
    Answer {
        result: result(query, params, Some(reason), Full::default()),
        findings: Vec::new(),
        muted: Vec::new(),
    }
}

fn result(
    query: &Query,
    params: &Params,
    not_assessable: Option<String>,
    full: Full,
) -> QueryResult {
    QueryResult {
        name: query.name.clone(),
        id: query.id(),
        title: query.header.title.clone(),
        question: query.header.question.clone(),
        not_assessable,
        columns: infos(query),
        rows: full.iter().take(query.header.rows).collect(),
        total: full.len(),
        csv: query.csv(),
        params: params.shown().to_vec(),
        limits: query.header.limits.clone(),
        controls: query.header.controls.clone(),
        sensitivity: None,
        chart: None,
        full,
    }
}

/// `path`, or `path!/member` inside an archive, by source.
fn source_paths(frame: &DataFrame) -> PolarsResult<HashMap<i64, String>> {
    let (source, path, member) = (
        frame.column("source")?,
        frame.column("path")?,
        frame.column("member")?,
    );
    let mut paths = HashMap::with_capacity(frame.height());
    for row in 0..frame.height() {
        let Some(id) = source.get(row)?.extract() else {
            continue;
        };
        let (path, member): (AnyValue<'_>, AnyValue<'_>) = (path.get(row)?, member.get(row)?);
        if let Some(path) = path.get_str() {
            paths.insert(id, shown(path, member.get_str()));
        }
    }
    Ok(paths)
}
