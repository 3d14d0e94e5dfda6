//! What a statement is given to read: the tables that its query declares, those of the run, those that methods make, and
//! its parameters.

use polars::prelude::{DataFrame, IntoLazy, PolarsError, PolarsResult, lit};

use super::cells;
use super::derive;
use super::engine::{Engine, guarded};
use super::error::Error;
use super::header::{DerivedSpec, line_of};
use super::library::Query;
use super::memo::Keys;
use super::own::{self, CLIENTS, QUESTIONS};
use super::params::{Overrides, Params};
use super::parts::Statement;
use super::sensitivity::tried;
use super::stages::{Inputs, Plan};
use crate::tables::Frame;

impl Engine {
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
    pub(super) fn own_tables(
        &self,
        statement: &Statement,
        inputs: &mut Inputs,
    ) -> PolarsResult<()> {
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
}
