//! What a JSON value is read as, and how it is compared.
//!
//! In: expressions, of which one gives a JSON value, or a text that is compared with a number. Out: expressions over plain values.

use arrow::datatypes::DataType;
use datafusion::{
    common::DFSchema,
    functions::core::expr_fn::coalesce,
    logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, expr::ScalarFunction, lit, try_cast},
    scalar::ScalarValue,
};
use datafusion_functions_json::{JSON_UNION_DATA_TYPE, udfs::json_as_text_udf};

use super::functions::{Reads, compare_numbers};

/// Integers of less than this are exact as doubles, and so are those that a double was rounded to.
const EXACT_END: u64 = 1 << f64::MANTISSA_DIGITS;

/// What is compared with a JSON value, or with the text of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Number,
    Text,
    Boolean,
    Null,
    Other,
}

/// Whether an operator compares two values.
pub(crate) fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// The operator that says the same with its sides exchanged.
fn swapped(op: Operator) -> Operator {
    match op {
        Operator::Lt => Operator::Gt,
        Operator::LtEq => Operator::GtEq,
        Operator::Gt => Operator::Lt,
        Operator::GtEq => Operator::LtEq,
        other => other,
    }
}

/// Whether `expr` gives JSON values.
pub(super) fn is_json(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| data_type == *JSON_UNION_DATA_TYPE)
}

fn kind(expr: &Expr, schema: &DFSchema) -> Kind {
    match expr.get_type(schema) {
        Ok(data_type) if data_type == *JSON_UNION_DATA_TYPE => Kind::Json,
        Ok(DataType::Boolean) => Kind::Boolean,
        Ok(DataType::Null) => Kind::Null,
        Ok(data_type) if data_type.is_numeric() => Kind::Number,
        Ok(data_type) if data_type.is_string() => Kind::Text,
        _ => Kind::Other,
    }
}

/// The call of `->` behind a name.
pub(super) fn json_get(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::Alias(alias) => json_get(&alias.expr),
        Expr::ScalarFunction(call) if call.name() == "json_get" => Some(call),
        _ => None,
    }
}

/// `value`, a JSON value, read as something else.
fn read(reads: Reads, value: Expr) -> Expr {
    reads.call(json_get(&value).map_or_else(|| vec![value.clone()], |call| call.args.clone()))
}

/// The JSON text of a JSON value.
pub(super) fn as_json_text(value: Expr) -> Expr {
    read(Reads::Json, value)
}

/// The number that a JSON value is.
pub(super) fn as_number(value: Expr) -> Expr {
    read(Reads::Number, value)
}

/// The truth value that a JSON value is.
pub(super) fn as_boolean(value: Expr) -> Expr {
    read(Reads::Boolean, value)
}

/// The text of a JSON value, as `->>` gives it.
pub(super) fn as_text(value: Expr) -> Expr {
    match json_get(&value) {
        // The skip index knows it by this name.
        Some(call) => json_as_text_udf().call(call.args.clone()),
        None => Reads::Text.call(vec![value]),
    }
}

/// What JSON values are sorted by.
pub(super) fn as_sort_key(value: Expr) -> Expr {
    read(Reads::SortKey, value)
}

/// The number that a text says.
pub(super) fn text_as_number(text: Expr) -> Expr {
    Reads::NumberOfText.call(vec![text])
}

/// A JSON value as `data_type`; null if it is none.
pub(super) fn as_type(value: Expr, data_type: &DataType) -> Expr {
    match data_type {
        DataType::Boolean => as_boolean(value),
        DataType::Float64 => as_number(value),
        DataType::Int64 => read(Reads::Integer, value),
        integer if integer.is_integer() => try_cast(read(Reads::Integer, value), integer.clone()),
        number if number.is_numeric() => try_cast(as_number(value), number.clone()),
        text if text.is_string() => cast(as_text(value), text.clone()),
        other => try_cast(as_text(value), other.clone()),
    }
}

/// Whether the text of a JSON value is read as what stands beside it, or what it is cast to: null where it says none, for whether it is
/// cast at all depends on the file that it lies in.
pub(super) fn is_read_from_text(data_type: &DataType) -> bool {
    data_type.is_numeric() || data_type.is_temporal() || *data_type == DataType::Boolean
}

/// A text as a value of this type; null if it says none.
pub(super) fn text_as_type(text: Expr, data_type: &DataType) -> Expr {
    match data_type {
        DataType::Float64 => text_as_number(text),
        DataType::Int64 => Reads::IntegerOfText.call(vec![text]),
        integer if integer.is_integer() => try_cast(Reads::IntegerOfText.call(vec![text]), integer.clone()),
        number if number.is_numeric() => try_cast(text_as_number(text), number.clone()),
        other => try_cast(text, other.clone()),
    }
}

/// A JSON value as what stands beside it in a list or a subquery of this type; `None` if that is no plain value.
pub(super) fn as_beside(value: Expr, data_type: &DataType) -> Option<Expr> {
    Some(match data_type {
        DataType::Boolean => as_boolean(value),
        number if number.is_numeric() => as_number(value),
        text if text.is_string() || text.is_null() => as_text(value),
        json if *json == *JSON_UNION_DATA_TYPE => as_sort_key(value),
        _ => return None,
    })
}

/// Whether `expr` gives a text of a JSON value.
pub(super) fn is_text_of_json(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_text_of_json(&alias.expr),
        Expr::Cast(cast) if cast.field.data_type().is_string() => is_text_of_json(&cast.expr),
        Expr::ScalarFunction(call) => ["json_as_text", "json_get_str"].contains(&call.name()),
        _ => false,
    }
}

/// Whether `expr` gives a text that is to be read as a number beside one.
pub(super) fn is_number_as_text(expr: &Expr, schema: &DFSchema) -> bool {
    kind(expr, schema) == Kind::Text && is_read_as_number(expr)
}

/// Whether a text that `expr` gives is to be read as a number beside one: any but a constant, which is of the other side's type.
fn is_read_as_number(expr: &Expr) -> bool {
    !expr.column_refs().is_empty() || is_text_of_json(expr)
}

/// `left op right` over plain values; `None` if neither side gives JSON values, or a text beside a number.
pub(super) fn comparison(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> Option<Expr> {
    let plain = |left: Expr, right: Expr| binary(left, op, right);
    let (left, right) = (left.clone(), right.clone());
    Some(match (kind(&left, schema), kind(&right, schema)) {
        (Kind::Json, Kind::Json) => plain(as_sort_key(left), as_sort_key(right)),
        (Kind::Json, Kind::Number) => {
            let (number, text) = (as_number(left.clone()), as_json_text(left));
            of_numbers(number, text, op, right, schema)
        }
        (Kind::Text, Kind::Number) if is_read_as_number(&left) => {
            of_numbers(text_as_number(left.clone()), left, op, right, schema)
        }
        (Kind::Json, Kind::Boolean) => plain(as_boolean(left), right),
        (Kind::Json, Kind::Text | Kind::Null) => plain(as_text(left), right),
        (Kind::Json, Kind::Other) => match right.get_type(schema) {
            Ok(data_type) => plain(as_type(left, &data_type), right),
            Err(_) => return None,
        },
        (_, Kind::Json) => return comparison(&right, swapped(op), &left, schema),
        (Kind::Number, Kind::Text) if is_read_as_number(&right) => {
            return comparison(&right, swapped(op), &left, schema);
        }
        (Kind::Text, Kind::Boolean | Kind::Other) if is_text_of_json(&left) => match right.get_type(schema) {
            Ok(data_type) if is_read_from_text(&data_type) => plain(text_as_type(left, &data_type), right),
            _ => return None,
        },
        (Kind::Boolean | Kind::Other, Kind::Text) if is_text_of_json(&right) => {
            return comparison(&right, swapped(op), &left, schema);
        }
        _ => return None,
    })
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
}

/// A number, and the text that says it, beside another number.
fn of_numbers(number: Expr, text: Expr, op: Operator, other: Expr, schema: &DFSchema) -> Expr {
    match exact(&other, schema) {
        Some(other) => binary(number, op, other),
        None => {
            let order = compare_numbers().call(vec![text, other.clone()]);
            let zero = || lit(0_i8);
            let same = || {
                coalesce(vec![
                    order.clone().eq(zero()),
                    number.clone().is_null().and(other.clone().is_null()),
                ])
            };
            match op {
                Operator::IsDistinctFrom => Expr::Not(Box::new(same())),
                Operator::IsNotDistinctFrom => same(),
                _ => binary(order, op, zero()),
            }
        }
    }
}

/// `number` as a double, if no two of its values become the same.
fn exact(number: &Expr, schema: &DFSchema) -> Option<Expr> {
    let double = |value: f64| Some(lit(value + 0.0));
    match number {
        Expr::Alias(alias) => exact(&alias.expr, schema),
        Expr::Literal(value, _) => match value {
            ScalarValue::Int64(Some(value)) if value.unsigned_abs() < EXACT_END => double(*value as f64),
            ScalarValue::UInt64(Some(value)) if *value < EXACT_END => double(*value as f64),
            ScalarValue::Int64(Some(_)) | ScalarValue::UInt64(Some(_)) => None,
            ScalarValue::Float64(Some(value)) => double(*value),
            ScalarValue::Decimal128(..) => None,
            other => other.cast_to(&DataType::Float64).ok().map(lit),
        },
        Expr::Cast(inner) if matches!(*inner.expr, Expr::Literal(..)) => {
            let Expr::Literal(value, _) = inner.expr.as_ref() else { return None };
            exact(&Expr::Literal(value.cast_to(inner.field.data_type()).ok()?, None), schema)
        }
        Expr::Negative(inner) => match exact(inner, schema)? {
            Expr::Literal(ScalarValue::Float64(Some(value)), _) => double(-value),
            _ => Some(cast(number.clone(), DataType::Float64)),
        },
        _ => match number.get_type(schema).ok()? {
            DataType::Float64 => Some(number.clone()),
            DataType::Int64 | DataType::UInt64 | DataType::Decimal128(..) => None,
            _ => Some(cast(number.clone(), DataType::Float64)),
        },
    }
}
