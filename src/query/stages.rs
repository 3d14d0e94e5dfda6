//! Runs a statement one `WITH` clause after the other.
//!
//! polars would inline the clauses into one plan and look the plan's columns up anew at each of them, which makes
//! planning quadratic in their number and runs a clause as often as it is named. Here each is run once, in its
//! order, and is a table for those that follow. The result is the same: the statement is only cut where SQL itself
//! puts a name. (One case differs: a clause hides a table of its name, as in SQL; in polars the table wins.)

use polars::prelude::{DataFrame, IntoLazy, PolarsResult};
use polars::sql::SQLContext;
use sqlparser::ast::{Cte, Statement, With};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};

use super::lists;

/// The rows of a statement over the tables of `context`.
///
/// # Errors
/// Those of polars: of parsing with line and column, of planning and running.
pub(super) fn run(mut context: SQLContext, sql: &str) -> PolarsResult<DataFrame> {
    let Some((clauses, last)) = cut(sql) else {
        return context.execute(sql)?.collect();
    };
    for (name, clause) in clauses {
        let rows = context.execute(&clause)?.collect()?;
        context.register(&name, rows.lazy());
    }
    context.execute(&last)?.collect()
}

/// Names and texts of the clauses, and the rest of the statement; nothing when it can be run as it is, or when polars
/// has to say what is wrong.
fn cut(sql: &str) -> Option<(Vec<(String, String)>, String)> {
    // As polars-sql parses.
    let options = ParserOptions {
        trailing_commas: true,
        ..ParserOptions::default()
    };
    let parser = Parser::new(&GenericDialect).with_options(options);
    let mut statements = parser.try_with_sql(sql).ok()?.parse_statements().ok()?;
    let (Some(Statement::Query(mut query)), true) = (statements.pop(), statements.is_empty())
    else {
        return None;
    };
    let rewritten = lists::compare(&mut query);
    let Some(with) = query.with.take() else {
        return rewritten.then(|| (Vec::new(), query.to_string()));
    };
    if with.recursive || !with.cte_tables.iter().all(is_plain) {
        return None;
    }
    let With { cte_tables, .. } = with;
    let clauses = cte_tables
        .into_iter()
        .map(|clause| (clause.alias.name.value, clause.query.to_string()));
    Some((clauses.collect(), query.to_string()))
}

/// A name and a query, without names for the columns.
fn is_plain(clause: &Cte) -> bool {
    clause.alias.columns.is_empty() && clause.from.is_none()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use polars::prelude::df;

    fn context() -> SQLContext {
        let context = SQLContext::new();
        let frame = df!("a" => [3i64, 1, 2], "b" => ["x", "it's", "%"]).unwrap();
        context.register("t", frame.lazy());
        context
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
            let once = context().execute(sql).unwrap().collect().unwrap();
            let staged = run(context(), sql).unwrap();
            assert!(staged.equals_missing(&once), "{sql}\n{staged}\n{once}");
        }
    }

    #[test]
    fn a_clause_hides_the_table_of_its_name() {
        let sql = "WITH t AS (SELECT a + 1 AS a FROM t) SELECT SUM(a) AS a FROM t";
        let sum = run(context(), sql).unwrap();
        assert_eq!(sum.column("a").unwrap().i64().unwrap().get(0), Some(9));
    }

    #[test]
    fn a_mistake_has_its_line() {
        let said = run(context(), "WITH u AS (\nSELECT a FORM t)\nSELECT a FROM u")
            .unwrap_err()
            .to_string();
        assert!(said.contains("Line: 2"), "{said}");
        let said = run(context(), "WITH u AS (SELECT z FROM t) SELECT z FROM u")
            .unwrap_err()
            .to_string();
        assert!(said.contains('z'), "{said}");
    }
}
