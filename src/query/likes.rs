//! Rewrites `x LIKE '%word%'` to `(STRPOS(x, 'word') > 0)`.
//!
//! polars makes a regular expression of every pattern and follows each text to its end; a word alone is searched for. The
//! meaning is the same, with nulls too. Patterns with other wildcards stay as they are.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Value, visit_expressions_mut};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

/// Rewrites the patterns of a query; says whether there were any.
pub(super) fn search(query: &mut Query) -> bool {
    let mut any = false;
    // Nothing breaks off.
    let _: ControlFlow<()> = visit_expressions_mut(query, |expr| {
        if let Some(search) = searched(expr) {
            *expr = search;
            any = true;
        }
        ControlFlow::Continue(())
    });
    any
}

fn searched(like: &Expr) -> Option<Expr> {
    let Expr::Like {
        negated,
        any: false,
        expr: text,
        pattern,
        escape_char: None,
    } = like
    else {
        return None;
    };
    let Expr::Value(pattern) = &**pattern else {
        return None;
    };
    let Value::SingleQuotedString(pattern) = &pattern.value else {
        return None;
    };
    let word = pattern.strip_prefix('%')?.strip_suffix('%')?;
    if word.is_empty() || word.contains(['%', '_', '\\']) {
        return None;
    }
    let word = word.replace('\'', "''");
    let found = if *negated { "=" } else { ">" };
    let sql = format!("(STRPOS({text}, '{word}') {found} 0)");
    let parser = Parser::new(&GenericDialect).try_with_sql(&sql);
    parser.and_then(|mut parser| parser.parse_expr()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::parts::Statement;

    #[test]
    fn words_are_searched_for_and_other_patterns_stay() {
        let rewritten = |sql: &str| Statement::new(sql).parts.unwrap().1.sql;
        assert_eq!(
            rewritten(
                "SELECT a FROM t WHERE CAST(b AS VARCHAR) LIKE '%it''s%' OR b NOT LIKE '%x%'"
            ),
            "SELECT a FROM t WHERE (STRPOS(CAST(b AS VARCHAR), 'it''s') > 0) OR (STRPOS(b, 'x') = 0)"
        );
        for sql in [
            "SELECT a FROM t WHERE b LIKE '%a%b%'",
            "SELECT a FROM t WHERE b LIKE 'a%' OR b LIKE '%a' OR b LIKE '%a_b%' OR b LIKE '%%'",
            "SELECT a FROM t WHERE b ILIKE '%a%'",
        ] {
            assert_eq!(rewritten(sql), sql);
        }
    }
}
