//! Rewrites `x IN ('a', 'b')` to `(x = 'a' OR x = 'b')`.
//!
//! polars looks every cell of a list test up in a set; comparing a column of categories with a word compares numbers,
//! many at a time. The meaning is the same, with nulls too: a null is in no list and outside of none. Only short
//! lists of literals over a plain column are rewritten, as anything else would be worked out again for each word.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, Query, Value, visit_expressions_mut};

/// Comparing with more words than this is not faster.
const WORDS: usize = 8;

/// Rewrites the lists of a query; says whether there were any.
pub(super) fn compare(query: &mut Query) -> bool {
    let mut any = false;
    // Nothing breaks off.
    let _: ControlFlow<()> = visit_expressions_mut(query, |expr| {
        if let Some(comparisons) = comparisons(expr) {
            *expr = comparisons;
            any = true;
        }
        ControlFlow::Continue(())
    });
    any
}

fn comparisons(list: &Expr) -> Option<Expr> {
    let Expr::InList {
        expr: column,
        list: words,
        negated,
    } = list
    else {
        return None;
    };
    let is_column = matches!(**column, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    if !is_column || words.len() > WORDS || !words.iter().all(is_literal) {
        return None;
    }
    let (compare, join) = if *negated {
        (BinaryOperator::NotEq, BinaryOperator::And)
    } else {
        (BinaryOperator::Eq, BinaryOperator::Or)
    };
    let each = words
        .iter()
        .map(|word| binary((**column).clone(), &compare, word.clone()));
    let all = each.reduce(|all, next| binary(all, &join, next))?;
    Some(Expr::Nested(Box::new(all)))
}

fn binary(left: Expr, op: &BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op: op.clone(),
        right: Box::new(right),
    }
}

fn is_literal(expr: &Expr) -> bool {
    let Expr::Value(value) = expr else {
        return false;
    };
    matches!(
        value.value,
        Value::SingleQuotedString(_) | Value::Number(..)
    )
}
