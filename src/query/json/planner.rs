//! Operators whose types the engine wants to know before a statement is analysed: `metadata->'amount' * 2`.
//!
//! In: an operator and its sides. Out: the same; of a JSON value its number, its truth value for `AND` and `OR`, its text for `||`, `~` and `LIKE`.

use arrow::datatypes::DataType;
use datafusion::{
    common::DFSchema,
    error::Result,
    logical_expr::{
        Expr, ExprSchemable,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
    },
    sql::sqlparser::ast::BinaryOperator,
};

use super::{
    compare::{as_beside, as_boolean, as_number, as_text, is_json},
    one_of::alike,
};

/// The planner.
#[derive(Debug)]
pub(super) struct JsonOperands;

impl ExprPlanner for JsonOperands {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let read: fn(Expr) -> Expr = match expr.op {
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo => as_number,
            BinaryOperator::And | BinaryOperator::Or => as_boolean,
            BinaryOperator::StringConcat if is_list(&expr.left, schema) || is_list(&expr.right, schema) => {
                return Ok(with_list(expr, schema));
            }
            BinaryOperator::StringConcat
            | BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch
            | BinaryOperator::PGLikeMatch
            | BinaryOperator::PGILikeMatch
            | BinaryOperator::PGNotLikeMatch
            | BinaryOperator::PGNotILikeMatch => as_text,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let side = |side: Expr| if is_json(&side, schema) { read(side) } else { side };
        let RawBinaryExpr { op, left, right } = expr;
        Ok(PlannerResult::Original(RawBinaryExpr { op, left: side(left), right: side(right) }))
    }

    fn plan_array_literal(&self, exprs: Vec<Expr>, schema: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        let alike = alike(&exprs.iter().collect::<Vec<_>>(), schema);
        Ok(PlannerResult::Original(alike.unwrap_or(exprs)))
    }
}

/// `ARRAY[1] || (metadata->'n')` adds a number to a list, and `ARRAY[1] || NULL` nothing: to PostgreSQL it is a list that is null.
fn with_list(expr: RawBinaryExpr, schema: &DFSchema) -> PlannerResult<RawBinaryExpr> {
    let RawBinaryExpr { op, left, right } = expr;
    let is_null = |side: &Expr| matches!(side, Expr::Literal(value, _) if value.is_null());
    if is_null(&right) {
        return PlannerResult::Planned(left);
    }
    if is_null(&left) {
        return PlannerResult::Planned(right);
    }
    let item = [&left, &right].into_iter().find_map(|side| match side.get_type(schema) {
        Ok(DataType::List(item) | DataType::LargeList(item)) => Some(item.data_type().clone()),
        _ => None,
    });
    let side = |side: Expr| match &item {
        Some(item) if is_json(&side, schema) => as_beside(side.clone(), item).unwrap_or(side),
        _ => side,
    };
    PlannerResult::Original(RawBinaryExpr { op, left: side(left), right: side(right) })
}

fn is_list(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(
        expr.get_type(schema),
        Ok(DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
    )
}
