//! A statement cut at its `WITH` clauses, and what each part of it reads.
//!
//! [`super::stages`] runs the parts one after the other; [`super::memo`] knows by them which clauses of several
//! statements are the same.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use polars::sql::extract_table_identifiers;
use sqlparser::ast::{
    Cte, Expr, GroupByExpr, Join, JoinOperator, ObjectName, Query, Select, SelectItem, SetExpr,
    SetOperator, SetQuantifier, Statement as Sql, TableFactor, With, visit_expressions,
    visit_relations,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};

use super::lists;

/// A statement.
#[derive(Debug)]
pub(super) struct Statement {
    /// In its own words.
    pub(super) sql: String,
    /// Its clauses and the rest; nothing when it cannot be cut, or polars has to say what is wrong.
    pub(super) parts: Option<(Vec<Part>, Part)>,
    /// Tables that it names, its own clauses left out.
    tables: BTreeSet<String>,
}

impl Statement {
    /// Takes `sql` apart.
    pub(super) fn new(sql: &str) -> Self {
        let parts = cut(sql);
        let tables = match &parts {
            Some((clauses, last)) => tables(clauses.iter().chain([last])),
            // SQL that does not parse is reported when it is run.
            None => extract_table_identifiers(sql, false, true)
                .unwrap_or_default()
                .into_iter()
                .collect(),
        };
        Statement {
            sql: sql.to_owned(),
            parts,
            tables,
        }
    }

    /// Whether it reads the table.
    pub(super) fn reads(&self, table: &str) -> bool {
        self.tables.contains(table)
    }

    /// Tables that it reads.
    pub(super) fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(String::as_str)
    }
}

/// Statements by their text, each taken apart once. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Parsed(Arc<Mutex<HashMap<String, Arc<Statement>>>>);

impl Parsed {
    /// The statement, taken apart.
    pub(super) fn get(&self, sql: &str) -> Arc<Statement> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statement) = known.get(sql) {
            return statement.clone();
        }
        let statement = Arc::new(Statement::new(sql));
        known.insert(sql.to_owned(), statement.clone());
        statement
    }
}

/// What parts read that is none of the clauses before them.
fn tables<'p>(parts: impl Iterator<Item = &'p Part>) -> BTreeSet<String> {
    let (mut tables, mut clauses) = (BTreeSet::new(), HashSet::new());
    for part in parts {
        let outside = part.reads.iter().filter(|name| !clauses.contains(*name));
        tables.extend(outside.cloned());
        clauses.insert(&part.name);
    }
    tables
}

/// The clauses, and the rest of the statement; nothing when polars has to say what is wrong.
fn cut(sql: &str) -> Option<(Vec<Part>, Part)> {
    // As polars-sql parses.
    let options = ParserOptions {
        trailing_commas: true,
        ..ParserOptions::default()
    };
    let parser = Parser::new(&GenericDialect).with_options(options);
    let mut statements = parser.try_with_sql(sql).ok()?.parse_statements().ok()?;
    let (Some(Sql::Query(mut query)), true) = (statements.pop(), statements.is_empty()) else {
        return None;
    };
    let rewritten = lists::compare(&mut query);
    let Some(with) = query.with.take() else {
        let mut whole = Part::new(String::new(), &query);
        if !rewritten {
            // In the words that it was given in.
            whole.sql = sql.to_owned();
        }
        return Some((Vec::new(), whole));
    };
    if with.recursive || !with.cte_tables.iter().all(is_plain) {
        return None;
    }
    let With { cte_tables, .. } = with;
    let clauses = cte_tables
        .into_iter()
        .map(|clause| Part::new(clause.alias.name.value, &clause.query));
    Some((clauses.collect(), Part::new(String::new(), &query)))
}

/// A clause, or the rest of the statement.
#[derive(Debug)]
pub(super) struct Part {
    /// Nothing for the rest.
    pub(super) name: String,
    pub(super) sql: String,
    /// Tables and clauses that it names.
    pub(super) reads: BTreeSet<String>,
    /// Those of them that it pairs with every row.
    pub(super) crossed: Vec<String>,
    /// It has a WHERE.
    pub(super) chooses: bool,
    /// It gives groups of rows, or rows that cannot be had one by one.
    pub(super) groups: bool,
}

impl Part {
    fn new(name: String, query: &Query) -> Self {
        let mut reads = BTreeSet::new();
        // Nothing breaks off.
        let _: ControlFlow<()> = visit_relations(query, |name| {
            reads.extend(own_name(name));
            ControlFlow::Continue(())
        });
        let (mut crossed, mut chooses) = (Vec::new(), false);
        selects(&query.body, &mut |select| {
            chooses |= select.selection.is_some();
            let joins = select.from.iter().flat_map(|from| &from.joins);
            let crosses = |join: &&Join| matches!(join.join_operator, JoinOperator::CrossJoin(_));
            let relations = joins.filter(crosses).map(|join| &join.relation);
            let listed = select.from.iter().skip(1).map(|from| &from.relation);
            crossed.extend(relations.chain(listed).filter_map(table_name));
        });
        Part {
            name,
            sql: query.to_string(),
            reads,
            crossed,
            chooses,
            groups: groups(query),
        }
    }
}

/// The last part of a name, without quotes.
fn own_name(name: &ObjectName) -> Option<String> {
    let ident = name.0.last()?.as_ident()?;
    Some(ident.value.clone())
}

fn table_name(relation: &TableFactor) -> Option<String> {
    match relation {
        TableFactor::Table { name, .. } => own_name(name),
        _ => None,
    }
}

/// Calls `see` with every SELECT that is part of a UNION or the like, but not of a FROM.
fn selects<'q>(body: &'q SetExpr, see: &mut impl FnMut(&'q Select)) {
    match body {
        SetExpr::Select(select) => see(select),
        SetExpr::Query(query) => selects(&query.body, see),
        SetExpr::SetOperation { left, right, .. } => {
            selects(left, see);
            selects(right, see);
        }
        _ => {}
    }
}

fn groups(query: &Query) -> bool {
    query.limit_clause.is_some() || query.fetch.is_some() || body_groups(&query.body)
}

fn body_groups(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => {
            let by = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
            by || select.distinct.is_some() || select.projection.iter().any(aggregates)
        }
        SetExpr::Query(query) => groups(query),
        SetExpr::SetOperation {
            op,
            set_quantifier,
            left,
            right,
        } => {
            let all = (op, set_quantifier) == (&SetOperator::Union, &SetQuantifier::All);
            !all || (body_groups(left) && body_groups(right))
        }
        _ => false,
    }
}

/// Whether it makes one of many rows. A window gives a value to each of them.
fn aggregates(item: &SelectItem) -> bool {
    let found = visit_expressions(item, |expr| match expr {
        Expr::Function(function) if function.over.is_none() => {
            let name = function.name.to_string().to_ascii_uppercase();
            match AGGREGATES.contains(&name.as_str()) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// Functions of many rows.
const AGGREGATES: &[&str] = &[
    "AVG",
    "COUNT",
    "MAX",
    "MEDIAN",
    "MIN",
    "QUANTILE_CONT",
    "QUANTILE_DISC",
    "STDDEV",
    "SUM",
    "VARIANCE",
];

/// A name and a query, without names for the columns.
fn is_plain(clause: &Cte) -> bool {
    clause.alias.columns.is_empty() && clause.from.is_none()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tables_are_told_from_clauses() {
        let tables = |sql: &str| Statement::new(sql).tables.into_iter().collect::<Vec<_>>();
        let sql = "WITH u AS (SELECT a FROM t), t AS (SELECT a FROM t JOIN v ON t.a = v.a) SELECT a FROM t, u";
        assert_eq!(tables(sql), ["t", "v"]);
        assert_eq!(
            tables("WITH u AS (SELECT a FROM t) SELECT a, clients FROM u"),
            ["t"]
        );
        assert_eq!(
            // What cannot be cut may name a clause.
            tables("WITH u(x) AS (SELECT a FROM t) SELECT x FROM u"),
            ["t", "u"]
        );
        assert!(tables("SELECT a FORM t").is_empty());
    }

    #[test]
    fn clauses_that_group_are_known() {
        let groups = |sql: &str| cut(sql).unwrap().1.groups;
        for sql in [
            "SELECT a FROM t GROUP BY a",
            "SELECT DISTINCT a FROM t",
            "SELECT a + MAX(b) AS m FROM t",
            "SELECT CASE WHEN count(*) > 1 THEN 1 END AS n FROM t",
            "SELECT a FROM t LIMIT 3",
            "SELECT a FROM t UNION SELECT a FROM u",
            "SELECT MIN(a) AS a FROM t UNION ALL SELECT a FROM u GROUP BY a",
        ] {
            assert!(groups(sql), "{sql}");
        }
        for sql in [
            "SELECT a, SUM(b) OVER (ORDER BY a) AS s FROM t",
            "SELECT a FROM t WHERE a > 1 ORDER BY a",
            "SELECT MIN(a) AS a FROM t UNION ALL SELECT a FROM u",
            "SELECT a FROM t JOIN u ON t.a = u.a",
        ] {
            assert!(!groups(sql), "{sql}");
        }
    }
}
