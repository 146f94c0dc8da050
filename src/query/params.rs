//! Parameters: `$name` and `$1` in the SQL text, values in the request.
//!
//! In: the JSON object `params` and the names found in the text. Out: typed values for the planner, which
//! puts them into the plan; they are never part of the SQL text. Guaranteed: each parameter has a value and
//! each value has its parameter, otherwise the error names the one that is wrong.

use std::collections::{BTreeSet, HashMap};

use arrow::datatypes::DataType;
use datafusion::common::{ParamValues, ScalarValue, metadata::ScalarAndMetadata};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result, pointer_to};

/// Typed values for `placeholders`, which are names without the `$` (`$1` is named `1`).
///
/// A string, number, boolean or null becomes a scalar; an array of one of them becomes a list, for
/// `array_has($ids, id)`. Times are given as RFC 3339 strings and compared as times.
pub(crate) fn bind(params: &Map<String, Value>, placeholders: &BTreeSet<String>) -> Result<ParamValues> {
    if let Some(unused) = params.keys().find(|name| !placeholders.contains(*name)) {
        return Err(unusable(unused, "not used in the sql"));
    }
    let mut values = HashMap::with_capacity(placeholders.len());
    for name in placeholders {
        let value =
            params.get(name).ok_or_else(|| unusable(name, &format!("missing, the sql uses ${name}")))?;
        values.insert(name.clone(), ScalarAndMetadata::from(scalar(name, value)?));
    }
    Ok(ParamValues::Map(values))
}

fn scalar(name: &str, value: &Value) -> Result<ScalarValue> {
    Ok(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::String(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => ScalarValue::Int64(Some(value)),
            (None, Some(value), _) => ScalarValue::UInt64(Some(value)),
            (None, None, Some(value)) => ScalarValue::Float64(Some(value)),
            (None, None, None) => return Err(unusable(name, "a number out of range")),
        },
        Value::Array(items) => list(name, items)?,
        Value::Object(_) => return Err(unusable(name, "an object; pass JSON text as a string")),
    })
}

fn list(name: &str, items: &[Value]) -> Result<ScalarValue> {
    let mut scalars = Vec::with_capacity(items.len());
    let mut item_type = DataType::Null;
    let has_fraction = items.iter().any(Value::is_f64);
    for item in items {
        if matches!(item, Value::Array(_)) {
            return Err(unusable(name, "an array inside an array"));
        }
        let value = match (scalar(name, item)?, item.as_f64()) {
            // Numbers are of one type in JSON: beside a fraction a whole one is a double, if it is exact as one.
            (ScalarValue::Int64(Some(whole)), Some(double))
                if has_fraction && whole.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS =>
            {
                ScalarValue::Float64(Some(double))
            }
            (value, _) => value,
        };
        if item_type.is_null() {
            item_type = value.data_type();
        } else if !value.is_null() && value.data_type() != item_type {
            return Err(unusable(name, "an array of different types"));
        }
        scalars.push(value);
    }
    if item_type.is_null() {
        item_type = DataType::Utf8;
    }
    let scalars = scalars
        .iter()
        .map(|value| if value.is_null() { value.cast_to(&item_type) } else { Ok(value.clone()) })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::with_source(ErrorKind::Internal, format!("params: '{name}'"), error))?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&scalars, &item_type)))
}

fn unusable(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("params: '{name}' is {what}")).about(pointer_to("/params", name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    /// Would catch a value that is silently ignored, or a parameter that silently becomes null.
    #[test]
    fn missing_and_unused_parameters_are_named() {
        let error = bind(&object(json!({"a": 1})), &names(&["a", "b"])).unwrap_err();
        assert_eq!(error.to_string(), "params: 'b' is missing, the sql uses $b");
        let error = bind(&object(json!({"a": 1, "c": 2})), &names(&["a"])).unwrap_err();
        assert_eq!(error.to_string(), "params: 'c' is not used in the sql");
    }

    /// Would catch a number that loses its type, and lists of mixed types.
    #[test]
    fn json_becomes_typed_values() {
        assert_eq!(scalar("a", &json!(7)).unwrap(), ScalarValue::Int64(Some(7)));
        assert_eq!(scalar("a", &json!(u64::MAX)).unwrap(), ScalarValue::UInt64(Some(u64::MAX)));
        assert_eq!(scalar("a", &json!(1.5)).unwrap(), ScalarValue::Float64(Some(1.5)));
        assert_eq!(scalar("a", &json!("x")).unwrap(), ScalarValue::from("x"));
        assert!(matches!(scalar("a", &json!(["x", null])).unwrap(), ScalarValue::List(_)));
        let ScalarValue::List(numbers) = scalar("a", &json!([5, 20.5])).unwrap() else { panic!("no list") };
        assert_eq!(numbers.value_type(), DataType::Float64);
        assert!(scalar("a", &json!([9_007_199_254_740_993_i64, 20.5])).is_err());
        assert!(scalar("a", &json!(["x", 1])).is_err());
        assert!(scalar("a", &json!({"x": 1})).is_err());
    }
}
