//! Operators whose types the engine wants to know before a statement is analysed: `metadata->'amount' * 2`.
//!
//! In: an operator and its sides. Out: the same; of a JSON value its number, its truth value for `AND` and `OR`, its text for `||`.

use datafusion::{
    common::DFSchema,
    error::Result,
    logical_expr::{
        Expr,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
    },
    sql::sqlparser::ast::BinaryOperator,
};

use super::compare::{as_boolean, as_number, as_text, is_json};

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
            BinaryOperator::StringConcat => as_text,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let side = |side: Expr| if is_json(&side, schema) { read(side) } else { side };
        let RawBinaryExpr { op, left, right } = expr;
        Ok(PlannerResult::Original(RawBinaryExpr { op, left: side(left), right: side(right) }))
    }
}
