//! Parameters as keys into JSON columns: `metadata->>$key`.
//!
//! In: a parsed statement and the values of its parameters. Out: the statement, in which a parameter beside `->`, `->>` or `?` has
//! the type of its value. DataFusion infers the type of a parameter from what it is compared with, and for these operators, which are
//! functions, there is nothing. Guaranteed: no other parameter is touched; nothing of a value gets into the text.

use std::ops::ControlFlow;

use datafusion::sql::{
    parser::Statement,
    sqlparser::ast::{
        self, BinaryOperator, CastKind, DataType, Expr, Value as SqlValue, ValueWithSpan,
        visit_expressions_mut,
    },
};
use serde_json::{Map, Value};

/// Says of parameters beside the operators of JSON what they are.
pub(crate) fn say_types(statement: &mut Statement, params: &Map<String, Value>) {
    let Some(query) = query(statement) else { return };
    let typed = |expression: &mut Expr| {
        if let Expr::BinaryOp { left, op, right } = expression
            && matches!(op, BinaryOperator::Arrow | BinaryOperator::LongArrow | BinaryOperator::Question)
        {
            for side in [left, right] {
                if let Some(data_type) = type_of(side, params) {
                    cast(side, data_type);
                }
            }
        }
        ControlFlow::<()>::Continue(())
    };
    let _ = visit_expressions_mut(query, typed);
}

fn query(statement: &mut Statement) -> Option<&mut ast::Statement> {
    match statement {
        Statement::Statement(query) => Some(query),
        Statement::Explain(explain) => query(&mut explain.statement),
        _ => None,
    }
}

/// The type of a parameter with a value that can be a key; `None`: it is something else.
fn type_of(expression: &Expr, params: &Map<String, Value>) -> Option<DataType> {
    let Expr::Value(ValueWithSpan { value: SqlValue::Placeholder(name), .. }) = expression else {
        return None;
    };
    match params.get(name.strip_prefix('$')?)? {
        Value::String(_) => Some(DataType::Text),
        Value::Number(number) if number.is_i64() => Some(DataType::BigInt(None)),
        _ => None,
    }
}

fn cast(expression: &mut Expr, data_type: DataType) {
    let parameter = std::mem::replace(expression, Expr::value(SqlValue::Null));
    *expression =
        Expr::Cast { kind: CastKind::Cast, expr: Box::new(parameter), data_type, array: false, format: None };
}
