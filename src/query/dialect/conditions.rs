//! JSON values as conditions: `WHERE metadata->'flag'`.
//!
//! In: the conditions of a `SELECT`, which the planner wants to be true or false. Out: the same; a JSON value is its truth value, and NULL if it has
//! none. Inside of `AND`, `OR`, `NOT`, `CASE` and `IS TRUE`, [`crate::query::json`] reads it so.

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, JoinConstraint, JoinOperator, Select};

use super::{cast, take};

/// Reads the conditions of a `SELECT` that are JSON values as truth values.
pub(super) fn of_select(select: &mut Select) {
    let clauses = [&mut select.selection, &mut select.having, &mut select.qualify];
    clauses.into_iter().flatten().for_each(truth_value);
    for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
        if let Some(condition) = condition_of(&mut join.join_operator) {
            truth_value(condition);
        }
    }
}

fn condition_of(join: &mut JoinOperator) -> Option<&mut Expr> {
    match join {
        JoinOperator::Join(JoinConstraint::On(condition))
        | JoinOperator::Inner(JoinConstraint::On(condition))
        | JoinOperator::Left(JoinConstraint::On(condition))
        | JoinOperator::LeftOuter(JoinConstraint::On(condition))
        | JoinOperator::Right(JoinConstraint::On(condition))
        | JoinOperator::RightOuter(JoinConstraint::On(condition))
        | JoinOperator::FullOuter(JoinConstraint::On(condition)) => Some(condition),
        _ => None,
    }
}

fn truth_value(condition: &mut Expr) {
    if gives_json(condition) {
        *condition = cast(take(condition), DataType::Boolean);
    }
}

fn gives_json(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => gives_json(inner),
        Expr::BinaryOp { op: BinaryOperator::Arrow | BinaryOperator::HashArrow, .. } => true,
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            ["json_get", "jsonb_extract_path", "json_extract_path"].contains(&name.as_str())
        }
        _ => false,
    }
}
