//! Runs queries over the tables with polars SQL.
//!
//! Each run has a context of its own that holds the tables the query declares and nothing else, so the
//! declaration is what was read. Frames are shared: a clone counts references. The engine is `Sync`. A statement over
//! tables on disk gives the same rows as over tables in memory, see [`super::stages`].

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono_tz::Tz;
use polars::prelude::{AnyValue, DataFrame, DataType, IntoLazy, PolarsError, PolarsResult, lit};
use polars::sql::sql_expr;

use super::cells::{self, Paths, Setting};
use super::error::{Error, list, suggest};
use super::header::{ColumnSpec, DerivedSpec, Need, line_of};
use super::library::{Library, Query};
use super::memo::{Keys, Memo};
use super::mutes::{Mute, Muted};
use super::own::{self, CLIENTS, Known, QUESTIONS};
use super::params::{Overrides, Params, check_overrides};
use super::parts::Statement;
use super::sensitivity::{sensitivity, tried};
use super::stages::{Inputs, Plan};
use super::{derive, findings};
use crate::report::{Cell, ColumnInfo, Finding, Full, QueryResult, Question};
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
    tables: Vec<(&'static str, Frame)>,
    setting: Setting,
    narrowed: bool,
    /// First moment and first one after, µs.
    period: (Option<i64>, Option<i64>),
    library: Library,
    overrides: Overrides,
    questions: OnceLock<DataFrame>,
    known: Known,
    mutes: Vec<Mute>,
    before: Vec<(&'static str, Frame)>,
    clients: OnceLock<DataFrame>,
    /// Why queries were not assessable that had to run to tell, by name.
    empty: Mutex<HashMap<String, Option<String>>>,
    memo: Memo,
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

    /// Says which queries are to be answered, so that what several of them need is worked out once. Each may be
    /// answered once then; more often costs what it would have cost anyway.
    ///
    /// # Errors
    /// A parameter that cannot have its value.
    pub fn announce(&self, queries: &[&Query], overrides: &Overrides) -> Result<(), Error> {
        if self.on_disk() {
            // What is kept would be in memory.
            return Ok(());
        }
        for query in queries {
            let params = Params::new(query, overrides)?;
            let statement = query.statement(&query.sql);
            for params in tried(self, query, &params) {
                let keys = self.keys(query, &params);
                self.memo.announce(&statement, &mut keys.clone());
                let derived = query.header.derived.iter();
                for (name, spec) in derived.filter(|(name, _)| statement.reads(name)) {
                    keys.of(name)
                        .into_iter()
                        .for_each(|key| self.memo.expect(key));
                    let input = query.statement(&spec.input);
                    self.memo.announce(&input, &mut keys.clone());
                }
            }
        }
        Ok(())
    }

    /// What the tables that a query may name are known by.
    fn keys(&self, query: &Query, params: &Params) -> Keys {
        let mut keys = Keys::default();
        keys.params(params);
        let own = own::NAMES.into_iter().filter(|name| *name != QUESTIONS);
        let tables = self.tables.iter().map(|(name, _)| *name);
        tables.clone().chain(own).for_each(|name| keys.table(name));
        tables.for_each(|name| keys.table(&own::then(name)));
        for (name, spec) in &query.header.derived {
            keys.derived(name, &spec.with, &spec.input);
        }
        keys
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

    /// Why the logs cannot answer, if they cannot. The query runs only where its rows tell that.
    pub fn why_not(&self, query: &Query) -> Result<Option<String>, Error> {
        match (self.missing(query)?, &query.header.empty) {
            (None, Some(_)) => match self.noted_empty(query) {
                Some(known) => Ok(known),
                None => Ok(self.answer(query, &self.overrides)?.result.not_assessable),
            },
            (missing, _) => Ok(missing),
        }
    }

    /// Notes whether a query gave no row, so that [`Self::why_not`] need not run it again.
    fn note_empty(&self, query: &Query, overrides: &Overrides, rows: usize) {
        if query.header.empty.is_some() && *overrides == self.overrides {
            let reason = query.header.empty.clone().filter(|_| rows == 0);
            let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
            empty.insert(query.name.clone(), reason);
        }
    }

    fn noted_empty(&self, query: &Query) -> Option<Option<String>> {
        let empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        empty.get(&query.name).cloned()
    }

    /// Why the logs cannot answer: the words of every need that no row meets.
    pub(super) fn missing(&self, query: &Query) -> Result<Option<String>, Error> {
        let mut reasons: Vec<&str> = Vec::new();
        for (index, need) in query.header.needs.iter().enumerate() {
            let line = line_of(&query.text, "needs", index);
            let met = match self.table(&need.table) {
                Some(frame) => {
                    meets(frame, need).map_err(|error| self.told(query, line, &error))?
                }
                None => return Err(self.no_table(&need.table).at(&query.file, line)),
            };
            let met = met || self.any_row(query, line, &need.or)?;
            if !met && !reasons.contains(&need.missing.as_str()) {
                reasons.push(&need.missing);
            }
        }
        Ok(Some(reasons.join("; ")).filter(|joined| !joined.is_empty()))
    }

    /// Whether one of the tables holds a row.
    fn any_row(
        &self,
        query: &Query,
        line: Option<usize>,
        tables: &[String],
    ) -> Result<bool, Error> {
        let mut any = false;
        for name in tables {
            let frame = self.table(name);
            let frame = frame.ok_or_else(|| self.no_table(name).at(&query.file, line))?;
            any = any
                || !frame
                    .is_empty()
                    .map_err(|error| self.told(query, line, &error))?;
        }
        Ok(any)
    }

    /// The question that a query asks, and what the logs lack for an answer.
    pub fn question(&self, query: &Query) -> Result<Question, Error> {
        Ok(question(query, self.why_not(query)?.as_deref()))
    }

    /// The table [`QUESTIONS`]: whether each query of the library is assessable, and what would make it so. Those that
    /// read this table are left out: they ask about the others.
    fn questions(&self, asking: &Query) -> Result<DataFrame, Error> {
        if let Some(known) = self.questions.get() {
            return Ok(known.clone());
        }
        let others = self.library.iter().filter(|query| !query.asks());
        let questions: Result<Vec<Question>, Error> =
            others.map(|query| self.question(query)).collect();
        let frame = own::questions(&questions?).map_err(|error| self.told(asking, None, &error))?;
        Ok(self.questions.get_or_init(|| frame).clone())
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

    /// What another engine needs beside the files of `convert` to run a query, and the rows that it must give: the
    /// tables of the run and the derived ones that its statements name, `params` among them.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub fn beside(
        &self,
        query: &Query,
        overrides: &Overrides,
    ) -> Result<(Vec<(String, DataFrame)>, DataFrame), Error> {
        let params = Params::new(query, overrides)?;
        let told = |error: PolarsError| self.told(query, None, &error);
        let mut tables: Vec<(String, DataFrame)> = Vec::new();
        tables.extend(
            params
                .frame()
                .map_err(told)?
                .map(|frame| ("params".to_owned(), frame)),
        );
        for sql in query.statements() {
            let statement = query.statement(sql);
            tables.extend(self.own_frames(&statement).map_err(told)?);
            for (name, frame) in self.before_tables(&statement).map_err(told)? {
                tables.push((name, frame.collect().map_err(told)?));
            }
            if statement.reads(QUESTIONS) {
                tables.push((QUESTIONS.to_owned(), self.questions(query)?));
            }
        }
        for (name, spec) in &query.header.derived {
            let table = self.derived(query, &params, name, spec)?;
            tables.push((name.clone(), table));
        }
        tables.sort_by(|a, b| a.0.cmp(&b.0));
        tables.dedup_by(|a, b| a.0 == b.0);
        let frame = self.select(query, &params)?;
        let frame = cells::owned(&frame).map_err(told)?;
        Ok((tables, frame))
    }

    /// What gives the rows of `sql` over the declared tables and the parameters. `line` is where it stands in the
    /// file.
    pub(super) fn plan(
        &self,
        query: &Query,
        params: &Params,
        sql: &str,
        line: Option<usize>,
    ) -> Result<Plan, Error> {
        let mut inputs = Inputs::default();
        for name in &query.header.tables {
            let frame = self
                .table(name)
                .ok_or_else(|| self.no_table(name).at(&query.file, None))?;
            inputs.add(name, frame, frame.lazy());
        }
        let told = |error: &_| self.told(query, line, error);
        if let Some(frame) = params.frame().map_err(|error| told(&error))? {
            inputs.add("params", &frame.clone().into(), frame.lazy());
        }
        let statement = query.statement(sql);
        self.own_tables(&statement, &mut inputs)
            .map_err(|error| told(&error))?;
        if statement.reads(QUESTIONS) {
            let questions = self.questions(query)?;
            inputs.add(QUESTIONS, &questions.clone().into(), questions.lazy());
        }
        for (name, spec) in &query.header.derived {
            if statement.reads(name) {
                let table = self.derived(query, params, name, spec)?;
                inputs.add(name, &table.clone().into(), table.lazy());
            }
        }
        let plan = inputs.plan(&statement, &mut self.keys(query, params), &self.memo);
        plan.map_err(|error| told(&error))
    }

    /// Adds the tables of the run that a statement names, but for that of questions.
    fn own_tables(&self, statement: &Statement, inputs: &mut Inputs) -> PolarsResult<()> {
        for (name, frame) in self.before_tables(statement)? {
            inputs.add(&name, &frame, frame.lazy());
        }
        for (name, frame) in self.own_frames(statement)? {
            inputs.add(&name, &frame.clone().into(), frame.lazy());
        }
        Ok(())
    }

    /// The tables of the earlier period that a statement names.
    fn before_tables(&self, statement: &Statement) -> PolarsResult<Vec<(String, Frame)>> {
        let mut found = Vec::new();
        for name in own::before(statement) {
            let of = |tables: &[(&'static str, Frame)]| {
                let mut tables = tables.iter();
                tables
                    .find(|(known, _)| *known == own::now(name))
                    .map(|(_, frame)| frame.clone())
            };
            let frame = match (of(&self.before), of(&self.tables)) {
                (Some(frame), _) => frame,
                (None, Some(frame)) => frame.filter(lit(false))?,
                (None, None) => continue,
            };
            found.push((name.to_owned(), frame));
        }
        Ok(found)
    }

    /// The other tables of the run that a statement names, but for that of questions.
    fn own_frames(&self, statement: &Statement) -> PolarsResult<Vec<(String, DataFrame)>> {
        let mut found = Vec::new();
        let mut add = |name: &str, frame: DataFrame| found.push((name.to_owned(), frame));
        if statement.reads("period") {
            let (since, until) = self.period;
            add("period", own::period(since, until, self.narrowed));
        }
        if statement.reads("holidays") {
            add("holidays", self.known.holidays()?);
        }
        if statement.reads(CLIENTS) {
            let made = match self.clients.get() {
                Some(made) => made.clone(),
                None => {
                    let made = guarded(|| self.known.clients(&self.tables))?;
                    self.clients.get_or_init(|| made).clone()
                }
            };
            add(CLIENTS, made);
        }
        Ok(found)
    }

    /// A table that the query has made by a method.
    fn derived(
        &self,
        query: &Query,
        params: &Params,
        name: &str,
        spec: &DerivedSpec,
    ) -> Result<DataFrame, Error> {
        let line = line_of(&query.text, &format!("derived.{name}"), 0);
        let at = |error: Error| error.at(&query.file, line);
        let method = derive::method(&spec.with).map_err(at)?;
        let key = self.keys(query, params).of(name);
        if let Some(known) = key.and_then(|key| self.memo.take(&key)) {
            return Ok(known);
        }
        let rows = self.plan(query, params, &spec.input, line)?.collect();
        let rows = rows.map_err(|error| self.told(query, line, &error))?;
        let table = method.table(&rows).map_err(at)?;
        key.into_iter().for_each(|key| self.memo.keep(key, &table));
        Ok(table)
    }

    /// Name of a source as evidence gives it.
    pub(super) fn path(&self, source: i64) -> String {
        self.setting.paths.of(source)
    }

    fn table(&self, name: &str) -> Option<&Frame> {
        let found = self.tables.iter().find(|(known, _)| *known == name);
        found.map(|(_, frame)| frame)
    }

    fn no_table(&self, name: &str) -> Error {
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

/// A question, why the logs cannot answer it if they cannot, and what would have to be logged.
pub fn question(query: &Query, why_not: Option<&str>) -> Question {
    let needs = query.header.needs.iter();
    let lacking = needs.filter(|need| why_not.is_some_and(|why| why.contains(&need.missing)));
    let mut remedies: Vec<&str> = lacking.filter_map(|need| need.remedy.as_deref()).collect();
    remedies.dedup();
    Question {
        query: query.name.clone(),
        title: query.header.title.clone(),
        not_assessable: why_not.map(str::to_owned),
        remedy: Some(remedies.join("; ")).filter(|text| !text.is_empty()),
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

/// Whether at least one row is as needed.
fn meets(frame: &Frame, need: &Need) -> PolarsResult<bool> {
    let Some(condition) = &need.condition else {
        return frame.is_empty().map(|empty| !empty);
    };
    let condition = sql_expr(condition)?;
    let Some(rows) = frame.in_memory() else {
        return frame.any(condition);
    };
    // The first rows nearly always tell.
    let (first, rest) = rows.split_at(FIRST.min(rows.height()) as i64);
    Ok(Frame::from(first).any(condition.clone())? || Frame::from(rest).any(condition)?)
}

/// Rows in which a condition is looked for before all others.
const FIRST: usize = 1024;

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
