//! `(a, b) IN (SELECT …)` as a question whether such a row exists.
//!
//! In: the condition of a `WHERE`. Out: the same without rows that are looked for in subqueries. Guaranteed: the same events, whatever is
//! NULL on either side.

use datafusion::sql::sqlparser::{
    ast::{
        BinaryOperator, Expr, Ident, Query, Select, SetExpr, TableAliasColumnDef, TableFactor, UnaryOperator,
        Value,
    },
    parser::Parser,
};

use super::{Dialect, rows, take};
use crate::error::{Error, ErrorKind, Result};

/// The rows of the subquery have this name.
const ROWS: &str = "compared_rows";

/// `WHERE (a, b) IN (SELECT x, y …)` as `EXISTS` with a condition over the values.
///
/// `IN` is NULL where a NULL leaves it open whether a row is equal, and `EXISTS` never is. Under `AND`, `OR` and `NOT` of a `WHERE` NULL and
/// false are one, so that it is enough to ask whether a row is equal, or, under `NOT`, whether one may be. Elsewhere it is refused by
/// [`rows::translate`].
pub(super) fn of_select(select: &mut Select) -> Result<()> {
    match &mut select.selection {
        Some(condition) => of_condition(condition, true),
        None => Ok(()),
    }
}

/// `is_wanted`: the condition is asked for as it is, and not under an odd number of `NOT`.
fn of_condition(condition: &mut Expr, is_wanted: bool) -> Result<()> {
    match condition {
        Expr::Nested(inner) => of_condition(inner, is_wanted),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => of_condition(expr, !is_wanted),
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            of_condition(left, is_wanted)?;
            of_condition(right, is_wanted)
        }
        Expr::InSubquery { expr, .. } if rows::is_row(expr) => {
            if let Expr::InSubquery { expr, subquery, negated } = take(condition) {
                *condition = exists(rows::values(*expr), subquery, negated, is_wanted)?;
            }
            Ok(())
        }
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. }
        | Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right }
            if rows::is_row(left) && matches!(**right, Expr::Subquery(_)) =>
        {
            let (row, subquery) = (rows::values(take(left)), take(right));
            let negated = matches!(condition, Expr::AllOp { .. });
            if let Expr::Subquery(subquery) = subquery {
                *condition = exists(row, subquery, negated, is_wanted)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn exists(row: Vec<Expr>, subquery: Box<Query>, negated: bool, is_wanted: bool) -> Result<Expr> {
    if row.iter().any(rows::is_row) {
        return rows::alike(&row, &row).map(|()| Expr::value(Value::Null));
    }
    let names: Vec<Ident> = (1..=row.len()).map(|number| Ident::new(format!("value_{number}"))).collect();
    let column = |name: &Ident| Expr::CompoundIdentifier(vec![Ident::new(ROWS), name.clone()]);
    let same = rows::equal(row, names.iter().map(column).collect());
    let condition = match negated != is_wanted {
        true => same,
        false => Expr::IsNotFalse(Box::new(rows::nested(same))),
    };
    let mut exists = question()?;
    if let SetExpr::Select(select) = exists.body.as_mut() {
        select.selection = Some(condition);
        if let Some(TableFactor::Derived { subquery: inner, alias: Some(alias), .. }) =
            select.from.first_mut().map(|from| &mut from.relation)
        {
            *inner = subquery;
            let columns = names.into_iter().map(|name| TableAliasColumnDef { name, data_type: None });
            alias.columns = columns.collect();
        }
    }
    Ok(Expr::Exists { subquery: exists, negated })
}

/// What is asked of the rows of a subquery, which is put into it.
fn question() -> Result<Box<Query>> {
    let text = format!("SELECT 1 FROM (SELECT 1) AS {ROWS}");
    let parsed = Parser::new(&Dialect).try_with_sql(&text).and_then(|mut parser| parser.parse_query());
    parsed.map_err(|error| Error::with_source(ErrorKind::Internal, "sql: a comparison of rows", error))
}
