//! Runs a statement one `WITH` clause after the other.
//!
//! polars would inline the clauses into one plan and look the plan's columns up anew at each of them, which makes
//! planning quadratic in their number and runs a clause as often as it is named. Here each is run once, in its
//! order, and is a table for those that follow. The result is the same: the statement is only cut where SQL itself
//! puts a name. (One case differs: a clause hides a table of its name, as in SQL; in polars the table wins.)
//!
//! A clause over tables on disk is run at once when it groups, as its groups are what is needed of the rows. One that
//! only chooses and joins rows may give as many as the files hold: it becomes part of the clauses that name it, and the
//! files are read again for each.

use std::collections::HashMap;

use polars::prelude::{DataFrame, IntoLazy, LazyFrame, PolarsResult};
use polars::sql::SQLContext;

use super::engine::guarded;
use super::memo::{Keys, Memo};
use super::parts::{Part, Statement};
use crate::tables::Frame;
use crate::tables::frame::collect;

/// The tables that a statement may name.
#[derive(Default)]
pub(super) struct Inputs {
    context: SQLContext,
    kinds: HashMap<String, Kind>,
}

/// What is known of the rows of a table or clause.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// In memory, and so few that all may be paired with each row of a large table.
    Few,
    /// In memory.
    Many,
    /// On disk.
    Files,
    /// On disk, each paired with the few rows of another table.
    Paired,
    /// Pairs that meet a condition.
    Chosen,
}

/// The most rows that are [`Kind::Few`].
const FEW: usize = 16;

impl Kind {
    fn of(rows: &DataFrame) -> Kind {
        if rows.height() > FEW {
            Kind::Many
        } else {
            Kind::Few
        }
    }

    fn is_on_disk(self) -> bool {
        matches!(self, Kind::Files | Kind::Paired | Kind::Chosen)
    }
}

/// What gives the rows of a statement.
pub(super) struct Plan {
    pub(super) rows: LazyFrame,
    /// Whether files are read for them.
    pub(super) on_disk: bool,
}

impl Plan {
    /// The rows.
    ///
    /// # Errors
    /// Those of polars.
    pub(super) fn collect(self) -> PolarsResult<DataFrame> {
        guarded(|| collect(self.rows, self.on_disk))
    }
}

impl Inputs {
    /// Adds a table, whose rows are given as a plan.
    pub(super) fn add(&mut self, name: &str, frame: &Frame, rows: LazyFrame) {
        let kind = frame.in_memory().map_or(Kind::Files, Kind::of);
        self.register(name, rows, kind);
    }

    fn register(&mut self, name: &str, rows: LazyFrame, kind: Kind) {
        self.context.register(name, rows);
        self.kinds.insert(name.to_owned(), kind);
    }

    /// Plans a statement, and runs the clauses before it, or takes their rows from `memo` where it has them by `keys`.
    ///
    /// # Errors
    /// Those of polars: of parsing with line and column, of planning and running.
    pub(super) fn plan(
        self,
        statement: &Statement,
        keys: &mut Keys,
        memo: &Memo,
    ) -> PolarsResult<Plan> {
        guarded(|| self.stages(statement, keys, memo))
    }

    fn stages(mut self, statement: &Statement, keys: &mut Keys, memo: &Memo) -> PolarsResult<Plan> {
        let Some((clauses, last)) = &statement.parts else {
            let rows = self.context.execute(&statement.sql)?;
            // What cannot be cut may name anything.
            let on_disk = self.kinds.values().any(|kind| kind.is_on_disk());
            return Ok(Plan { rows, on_disk });
        };
        for clause in clauses {
            let key = keys.clause(clause);
            if let Some(rows) = key.and_then(|key| memo.take(&key)) {
                self.had(&clause.name, rows);
                continue;
            }
            let (rows, kind) = self.stage(clause)?;
            if kind.is_on_disk() && !clause.groups {
                self.register(&clause.name, rows, kind);
                continue;
            }
            let rows = collect(rows, kind.is_on_disk())?;
            key.into_iter().for_each(|key| memo.keep(key, &rows));
            self.had(&clause.name, rows);
        }
        let (rows, kind) = self.stage(last)?;
        let on_disk = kind.is_on_disk();
        Ok(Plan { rows, on_disk })
    }

    /// The rows of a clause are there.
    fn had(&mut self, name: &str, rows: DataFrame) {
        let kind = Kind::of(&rows);
        self.register(name, rows.lazy(), kind);
    }

    fn stage(&mut self, part: &Part) -> PolarsResult<(LazyFrame, Kind)> {
        let rows = self.context.execute(&part.sql)?;
        let kind = self.kind(part);
        // Conditions on pairs would make of them a range join, which sorts the larger table in memory. With few
        // partners, the pairs can all be had and looked at.
        let pushed = kind != Kind::Chosen;
        Ok((rows.with_predicate_pushdown(pushed), kind))
    }

    fn kind(&self, part: &Part) -> Kind {
        let is = |name: &String, kind: Kind| self.kinds.get(name) == Some(&kind);
        let reads = |kind: Kind| part.reads.iter().any(|name| is(name, kind));
        let pairs = reads(Kind::Files) && part.crossed.iter().any(|name| is(name, Kind::Few));
        if reads(Kind::Chosen) || ((pairs || reads(Kind::Paired)) && part.chooses) {
            Kind::Chosen
        } else if pairs || reads(Kind::Paired) {
            Kind::Paired
        } else if reads(Kind::Files) {
            Kind::Files
        } else {
            Kind::Many
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use polars::prelude::df;

    fn inputs() -> Inputs {
        let mut inputs = Inputs::default();
        let frame = df!("a" => [3i64, 1, 2], "b" => ["x", "it's", "%"]).unwrap();
        inputs.add("t", &frame.clone().into(), frame.lazy());
        inputs
    }

    fn run(inputs: Inputs, sql: &str) -> PolarsResult<DataFrame> {
        let statement = Statement::new(sql);
        inputs
            .plan(&statement, &mut Keys::default(), &Memo::default())?
            .collect()
    }

    #[test]
    fn in_stages_is_as_at_once() {
        let statements = [
            "SELECT a FROM t ORDER BY a",
            "WITH u AS (SELECT a, b FROM t WHERE b <> 'it''s') SELECT b FROM u ORDER BY a DESC",
            "WITH u AS (SELECT a FROM t), v AS (SELECT u.a AS a, w.a AS c FROM u CROSS JOIN u AS w WHERE u.a < w.a)
             SELECT COUNT(*) AS n, MAX(c) AS c FROM v -- a comment",
            "WITH u(x) AS (SELECT a FROM t) SELECT x FROM u ORDER BY x",
            "SELECT a FROM t WHERE b IN ('x', 'it''s') OR NOT (a NOT IN (2)) ORDER BY a",
            "WITH u AS (SELECT a, CASE WHEN a > 1 THEN a END AS n FROM t)
             SELECT a, n IN (2, 3) AS i, n NOT IN (2, 9) AS o, NOT (n IN (3)) AS m FROM u ORDER BY a",
            "SELECT a FROM t WHERE b IN (SELECT b FROM t WHERE a > 1) AND a + 1 IN (2, 3) ORDER BY a",
            "WITH u AS (SELECT b FROM t WHERE b LIKE '%''%' OR b = '%') SELECT b FROM u UNION ALL SELECT 'end' AS b",
        ];
        for sql in statements {
            let once = inputs().context.execute(sql).unwrap().collect().unwrap();
            let staged = run(inputs(), sql).unwrap();
            assert!(staged.equals_missing(&once), "{sql}\n{staged}\n{once}");
        }
    }

    #[test]
    fn files_are_told_from_what_is_in_memory() {
        let mut inputs = inputs();
        let rows = inputs.context.execute("SELECT a, b FROM t").unwrap();
        for (name, kind) in [("f", Kind::Files), ("m", Kind::Many), ("p", Kind::Paired)] {
            inputs.register(name, rows.clone(), kind);
        }
        let kind = |sql: &str| inputs.kind(&Statement::new(sql).parts.unwrap().1);
        assert!(kind("SELECT a FROM t CROSS JOIN m WHERE t.a > m.a") == Kind::Many);
        assert!(kind("SELECT a FROM \"f\" WHERE a > 1") == Kind::Files);
        assert!(kind("SELECT a FROM (SELECT a FROM f) AS x") == Kind::Files);
        assert!(kind("SELECT f.a FROM f CROSS JOIN m WHERE f.a > m.a") == Kind::Files);
        assert!(kind("SELECT f.a FROM f CROSS JOIN t") == Kind::Paired);
        assert!(kind("SELECT f.a FROM f CROSS JOIN t WHERE f.a > t.a") == Kind::Chosen);
        assert!(kind("SELECT f.a FROM f, t WHERE f.a > t.a") == Kind::Chosen);
        assert!(kind("SELECT a FROM p UNION ALL SELECT a FROM f") == Kind::Paired);
        assert!(kind("SELECT a FROM p WHERE a > 1") == Kind::Chosen);
    }

    #[test]
    fn a_clause_hides_the_table_of_its_name() {
        let sql = "WITH t AS (SELECT a + 1 AS a FROM t) SELECT SUM(a) AS a FROM t";
        let sum = run(inputs(), sql).unwrap();
        assert_eq!(sum.column("a").unwrap().i64().unwrap().get(0), Some(9));
    }

    #[test]
    fn a_mistake_has_its_line() {
        let said = run(inputs(), "WITH u AS (\nSELECT a FORM t)\nSELECT a FROM u")
            .unwrap_err()
            .to_string();
        assert!(said.contains("Line: 2"), "{said}");
        let said = run(inputs(), "WITH u AS (SELECT z FROM t) SELECT z FROM u")
            .unwrap_err()
            .to_string();
        assert!(said.contains('z'), "{said}");
    }
}
