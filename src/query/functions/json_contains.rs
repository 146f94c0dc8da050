//! `metadata @> '{"plan": "pro"}'`: whether a JSON value holds all of another, as PostgreSQL's `jsonb` compares them.
//!
//! In: two columns or constants of JSON text. Out: true where the second is in the first: an object's members one by one, a list's
//! items in any order and number, a single value that is equal; a list holds a single value, too. Null for null and where the first
//! is no JSON.

use std::sync::Arc;

use arrow::{
    array::{AsArray, BooleanArray},
    datatypes::DataType,
};
use datafusion::{
    common::{DFSchema, exec_datafusion_err, plan_err},
    error::Result,
    functions_nested::expr_fn::array_has_all,
    logical_expr::{
        ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, cast,
        expr::ScalarFunction,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
    },
    sql::sqlparser::ast::BinaryOperator,
};
use datafusion_functions_json::udfs::json_union_to_text_udf;
use serde_json::Value;

use super::{
    frame::{Function, udf},
    text,
};

/// The function, for registration.
pub(super) fn function() -> Arc<ScalarUDF> {
    udf(JsonHolds)
}

/// Plans `@>` and `<@` between texts as the function; between lists they are what the engine has for them.
#[derive(Debug)]
pub(super) struct Planner;

impl ExprPlanner for Planner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if !matches!(expr.op, BinaryOperator::AtArrow | BinaryOperator::ArrowAt) {
            return Ok(PlannerResult::Original(expr));
        }
        let RawBinaryExpr { op, left, right } = expr;
        let (whole, part) = if op == BinaryOperator::AtArrow { (left, right) } else { (right, left) };
        let planned = match (Side::of(&whole, schema), Side::of(&part, schema)) {
            // A parameter is of the type of what it stands beside.
            (Side::Json, Side::Json | Side::Unknown) | (Side::Unknown, Side::Json) => {
                let args = vec![as_text(whole, schema), as_text(part, schema)];
                Expr::ScalarFunction(ScalarFunction::new_udf(function(), args))
            }
            (Side::List, Side::Unknown) | (Side::Unknown, Side::List) => array_has_all(whole, part),
            (Side::Unknown, Side::Unknown) => {
                return plan_err!(
                    "@> and <@ with a parameter on both sides; cast one: $a::text for JSON, $a::text[] for a list"
                );
            }
            _ => {
                let (left, right) = if op == BinaryOperator::AtArrow { (whole, part) } else { (part, whole) };
                return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
            }
        };
        Ok(PlannerResult::Planned(planned))
    }
}

/// What stands on one side of `@>`.
#[derive(Clone, Copy)]
enum Side {
    Json,
    List,
    /// A parameter, or NULL.
    Unknown,
    Other,
}

impl Side {
    fn of(side: &Expr, schema: &DFSchema) -> Self {
        match side.get_type(schema) {
            Ok(data_type) if data_type.is_string() || matches!(data_type, DataType::Union(..)) => Self::Json,
            Ok(DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)) => Self::List,
            Ok(data_type) if data_type.is_null() => Self::Unknown,
            Err(_) if matches!(side, Expr::Placeholder(_)) => Self::Unknown,
            _ => Self::Other,
        }
    }
}

fn as_text(side: Expr, schema: &DFSchema) -> Expr {
    match side.get_type(schema) {
        Ok(DataType::Union(..)) => cast(json_union_to_text_udf().call(vec![side]), DataType::Utf8),
        _ => side,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonHolds;

impl Function for JsonHolds {
    fn name(&self) -> &'static str {
        "json_holds"
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [whole, part] if [whole, part].iter().all(|given| given.is_string() || given.is_null()) => {
                Ok(vec![DataType::Utf8; 2])
            }
            _ => plan_err!(
                "@> takes two JSON texts, as in metadata @> '{{\"plan\": \"pro\"}}', or two lists; a parameter is JSON text"
            ),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = match &args.args[1] {
            ColumnarValue::Scalar(part) => part.try_as_str().flatten().map(parsed).transpose()?,
            ColumnarValue::Array(_) => None,
        };
        let wholes = text::column(&args, 0, &DataType::Utf8)?;
        let parts = text::column(&args, 1, &DataType::Utf8)?;
        let pairs = wholes.as_string::<i32>().iter().zip(parts.as_string::<i32>());
        let held = pairs.map(|pair| {
            let (Some(whole), Some(part)) = pair else { return Ok(None) };
            let Ok(whole) = serde_json::from_str::<Value>(whole) else { return Ok(None) };
            Ok(Some(match &constant {
                Some(part) => holds(&whole, part),
                None => holds(&whole, &parsed(part)?),
            }))
        });
        Ok(text::answer(Arc::new(held.collect::<Result<BooleanArray>>()?)))
    }
}

fn parsed(text: &str) -> Result<Value> {
    let shown: String = text.chars().take(80).collect();
    serde_json::from_str(text)
        .map_err(|_| exec_datafusion_err!("'{shown}' is no JSON; write '{{\"key\": \"value\"}}'"))
}

fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        // Only at the outermost level does a list hold what is no list.
        (Value::Array(items), single) if !part.is_array() && !part.is_object() => {
            items.iter().any(|item| is(item, single))
        }
        _ => is_held(whole, part),
    }
}

fn is_held(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|held| is_held(held, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            part.iter().all(|value| whole.iter().any(|held| is_held(held, value)))
        }
        (whole, part) => is(whole, part),
    }
}

/// Whether two single values are the same; numbers whatever their form.
fn is(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PostgreSQL's own examples. Would catch a comparison of whole values, or one that minds order.
    #[test]
    fn as_jsonb_holds() {
        let held = |whole: &str, part: &str| holds(&parsed(whole).unwrap(), &parsed(part).unwrap());
        assert!(held("[1, 2, 3]", "[1, 3]") && held("[1, 2, 3]", "[3, 1, 1]"));
        assert!(held(r#"{"product": "PostgreSQL", "version": 9.4, "jsonb": true}"#, r#"{"version": 9.40}"#));
        assert!(!held("[1, 2, [1, 3]]", "[1, 3]") && held("[1, 2, [1, 3]]", "[[1, 3]]"));
        assert!(!held(r#"{"foo": {"bar": "baz"}}"#, r#"{"bar": "baz"}"#));
        assert!(held(r#"{"foo": {"bar": "baz"}}"#, r#"{"foo": {}}"#));
        assert!(held(r#"["foo", "bar"]"#, r#""bar""#) && !held(r#""bar""#, r#"["bar"]"#));
    }
}
