//! Whether the logs can answer a question (law 4): what they lack, in words, and what would have to be logged.

use std::sync::PoisonError;

use polars::prelude::{DataFrame, PolarsResult};
use polars::sql::sql_expr;

use super::engine::Engine;
use super::error::Error;
use super::header::{Need, line_of};
use super::library::Query;
use super::own;
use super::params::Overrides;
use crate::report::Question;
use crate::tables::Frame;

impl Engine {
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
    pub(super) fn note_empty(&self, query: &Query, overrides: &Overrides, rows: usize) {
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
    pub(super) fn questions(&self, asking: &Query) -> Result<DataFrame, Error> {
        if let Some(known) = self.questions.get() {
            return Ok(known.clone());
        }
        let others = self.library.iter().filter(|query| !query.asks());
        let questions: Result<Vec<Question>, Error> =
            others.map(|query| self.question(query)).collect();
        let frame = own::questions(&questions?).map_err(|error| self.told(asking, None, &error))?;
        Ok(self.questions.get_or_init(|| frame).clone())
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
