//! Types of parameters that stand beside JSON values: `metadata->>$key`, `metadata->'amount' > $least`.
//!
//! In: a parsed statement and the values of its parameters. Out: the statement, in which a parameter beside `->`, `->>` or `?` has
//! the type of its value, and so has a number or a truth value that is compared or computed with. DataFusion infers the type of a parameter from what it is
//! compared with, and there a JSON value has no type that a parameter could have. Guaranteed: no other parameter is touched; nothing of a
//! value gets into the text.

use std::ops::ControlFlow;

use datafusion::sql::{
    parser::Statement,
    sqlparser::ast::{
        self, BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, Value as SqlValue, ValueWithSpan,
        visit_expressions_mut,
    },
};
use serde_json::{Map, Value};

/// Says of parameters beside JSON values what they are.
pub(crate) fn say_types(statement: &mut Statement, params: &Map<String, Value>) {
    let Some(query) = query(statement) else { return };
    let typed = |expression: &mut Expr| {
        for (side, of) in sides(expression) {
            if let Some(data_type) = type_of(side, params, of) {
                cast(side, data_type);
            }
        }
        ControlFlow::<()>::Continue(())
    };
    let _ = visit_expressions_mut(query, typed);
}

/// Which values get their type here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Those that can be keys.
    Keys,
    /// Those that a type cannot be inferred for: text may also be a time, or a day.
    Values,
}

/// What stands beside something else in an expression.
fn sides(expression: &mut Expr) -> Vec<(&mut Expr, Of)> {
    match expression {
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::Arrow | BinaryOperator::LongArrow | BinaryOperator::Question => {
                vec![(left, Of::Keys), (right, Of::Keys)]
            }
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
            | BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo => vec![(left, Of::Values), (right, Of::Values)],
            _ => Vec::new(),
        },
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
            vec![(left, Of::Values), (right, Of::Values)]
        }
        Expr::Between { low, high, .. } => vec![(low, Of::Values), (high, Of::Values)],
        Expr::InList { list, .. } => list.iter_mut().map(|value| (value, Of::Values)).collect(),
        _ => Vec::new(),
    }
}

fn query(statement: &mut Statement) -> Option<&mut ast::Statement> {
    match statement {
        Statement::Statement(query) => Some(query),
        Statement::Explain(explain) => query(&mut explain.statement),
        _ => None,
    }
}

/// The type of a parameter with such a value; `None`: it is something else.
fn type_of(expression: &Expr, params: &Map<String, Value>, of: Of) -> Option<DataType> {
    let Expr::Value(ValueWithSpan { value: SqlValue::Placeholder(name), .. }) = expression else {
        return None;
    };
    match params.get(name.strip_prefix('$')?)? {
        Value::String(_) if of == Of::Keys => Some(DataType::Text),
        Value::Number(number) if number.is_i64() => Some(DataType::BigInt(None)),
        Value::Number(number) if number.is_f64() && of == Of::Values => {
            Some(DataType::Double(ExactNumberInfo::None))
        }
        Value::Bool(_) if of == Of::Values => Some(DataType::Boolean),
        _ => None,
    }
}

fn cast(expression: &mut Expr, data_type: DataType) {
    let parameter = std::mem::replace(expression, Expr::value(SqlValue::Null));
    *expression =
        Expr::Cast { kind: CastKind::Cast, expr: Box::new(parameter), data_type, array: false, format: None };
}
