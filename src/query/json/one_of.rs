//! What gives one of several values: `coalesce`, `nullif`, `greatest`, `least` and `CASE`, where JSON values or their texts are among them.
//!
//! In: the values. Out: the same as values of one type: JSON values as what the others are. Guaranteed: a text that is no constant
//! beside a value of another type is refused, as PostgreSQL does, and so is a constant that is none of that type: whether such a text is
//! ever cast would depend on the events.

use arrow::datatypes::DataType;
use datafusion::{
    common::{DFSchema, plan_err, tree_node::Transformed},
    error::Result,
    logical_expr::{
        Expr, ExprSchemable, Operator, binary_expr,
        expr::{Case, ScalarFunction},
        or, when,
    },
    scalar::ScalarValue,
};
use datafusion_functions_json::JSON_UNION_DATA_TYPE;

use super::{
    calls::is_other,
    compare::{as_beside, as_boolean, as_sort_key, as_type, comparison, is_json},
};

/// Functions that give one of their arguments.
pub(super) const ONE_OF: [&str; 5] = ["greatest", "least", "nullif", "coalesce", "nvl"];
/// `ARRAY[…]`, whose values are of one type as well.
pub(super) const LIST: &str = "make_array";
/// Values among which `greatest` and `least` of JSON values choose: each doubles what has to be written.
const JSON_VALUES_MAX: usize = 4;

/// The same call over values of one type; `None`: they are.
pub(super) fn chosen(call: &ScalarFunction, schema: &DFSchema) -> Result<Option<Expr>> {
    let values: Vec<&Expr> = call.args.iter().collect();
    let name = call.name();
    if values.len() > 1 && values.iter().all(|value| is_json(value, schema)) {
        return among_json_values(name, &call.args);
    }
    let alike = alike_by(&values, schema, is_other);
    if name == LIST {
        return Ok(alike.map(|args| Expr::ScalarFunction(ScalarFunction { args, ..call.clone() })));
    }
    let args = alike.as_ref().unwrap_or(&call.args);
    let typed = of_one_type(name, args, schema)?;
    let changed = typed.or(alike);
    Ok(changed.map(|args| Expr::ScalarFunction(ScalarFunction { args, ..call.clone() })))
}

/// Values of which one is given, JSON values as the others are; `None` if all are JSON values, or none are.
pub(super) fn alike(values: &[&Expr], schema: &DFSchema) -> Option<Vec<Expr>> {
    alike_by(values, schema, |_| true)
}

/// The same, by the first type that is preferred, if there is one.
fn alike_by(values: &[&Expr], schema: &DFSchema, is_preferred: fn(&DataType) -> bool) -> Option<Vec<Expr>> {
    let plain = values.iter().filter(|value| !is_json(value, schema));
    let types: Vec<DataType> = plain.filter_map(|value| value.get_type(schema).ok()).collect();
    let plain = || types.iter().filter(|data_type| !data_type.is_null());
    let beside = plain().find(|data_type| is_preferred(data_type)).or_else(|| plain().next())?;
    if !values.iter().any(|value| is_json(value, schema)) {
        return None;
    }
    let read = |value: &&Expr| match is_json(value, schema) {
        true => as_beside((*value).clone(), beside)
            .or_else(|| beside.is_temporal().then(|| as_type((*value).clone(), beside))),
        false => Some((*value).clone()),
    };
    values.iter().map(read).collect()
}

/// The values with constant texts as what the others are; `None`: they are.
fn of_one_type(name: &str, values: &[Expr], schema: &DFSchema) -> Result<Option<Vec<Expr>>> {
    let types: Vec<DataType> = values.iter().map(|value| value.get_type(schema)).collect::<Result<_>>()?;
    let Some(other) = types.iter().find(|given| is_other(given)) else { return Ok(None) };
    let is_text = |position: &usize| types[*position].is_string();
    let texts: Vec<usize> = (0..values.len()).filter(is_text).collect();
    if texts.is_empty() {
        return Ok(None);
    }
    let mut values = values.to_vec();
    for position in texts {
        let value = &values[position];
        match constant(value) {
            Some(text) => match said(text, other) {
                Some(said) => values[position] = Expr::Literal(said, None),
                None => {
                    return plan_err!(
                        "{name} of {other} and '{text}', which is none; write {name}(col::text, '{text}')"
                    );
                }
            },
            None => {
                return plan_err!(
                    "{name} of text and {other}, which are no one type; cast the text, as in {name}((metadata->>'n')::bigint, 0), or all to text, as in {name}(a, b::text)"
                );
            }
        }
    }
    Ok(Some(values))
}

fn constant(value: &Expr) -> Option<&str> {
    match value {
        Expr::Alias(alias) => constant(&alias.expr),
        Expr::Literal(value, _) => Some(value.try_as_str()??),
        _ => None,
    }
}

/// The value of this type that a text says; a time may lack its seconds.
fn said(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    let cast = |text: String| ScalarValue::from(text).cast_to(data_type).ok();
    cast(text.to_string()).or_else(|| data_type.is_temporal().then(|| cast(format!("{text}:00")))?)
}

/// `nullif`, `greatest` and `least` of JSON values, by their equality and order; `None`: the engine's own way is right.
fn among_json_values(name: &str, values: &[Expr]) -> Result<Option<Expr>> {
    let key = |value: &Expr| as_sort_key(value.clone());
    let operator = match (name, values) {
        ("nullif", [a, b]) => {
            let null = Expr::Literal(ScalarValue::try_from(&*JSON_UNION_DATA_TYPE)?, None);
            return when(key(a).eq(key(b)), null).otherwise(a.clone()).map(Some);
        }
        ("greatest", _) => Operator::Gt,
        ("least", _) => Operator::Lt,
        _ => return Ok(None),
    };
    if values.len() > JSON_VALUES_MAX {
        return plan_err!(
            "{name} of more than {JSON_VALUES_MAX} JSON values; write casts, as in {name}((metadata->'n')::double precision, …)"
        );
    }
    let mut best = values[0].clone();
    for value in &values[1..] {
        let is_better = binary_expr(key(value), operator, key(&best));
        best = when(or(key(&best).is_null(), is_better), value.clone()).otherwise(best)?;
    }
    Ok(Some(best))
}

/// A `CASE` whose results are values of one type, and whose conditions are conditions.
pub(super) fn branches(case: Case, schema: &DFSchema) -> Transformed<Expr> {
    let case = compared(case, schema);
    let results = case.data.when_then_expr.iter().map(|(_, then)| then.as_ref());
    let results: Vec<&Expr> = results.chain(case.data.else_expr.as_deref()).collect();
    let Some(results) = alike(&results, schema) else { return case.update_data(Expr::Case) };
    let mut results = results.into_iter().map(Box::new);
    let case = case.data;
    let conditions = case.when_then_expr.into_iter().map(|(condition, _)| condition);
    let when_then_expr = conditions.zip(results.by_ref()).collect();
    Transformed::yes(Expr::Case(Case { expr: case.expr, when_then_expr, else_expr: results.next() }))
}

/// The conditions of a `CASE`: a JSON value is a truth value, and `CASE a WHEN b` compares as `a = b` does.
fn compared(case: Case, schema: &DFSchema) -> Transformed<Case> {
    let Some(value) = &case.expr else { return with_truth_values(case, schema) };
    let equal = |other: &Expr| comparison(value, Operator::Eq, other, schema);
    if !case.when_then_expr.iter().any(|(other, _)| equal(other).is_some()) {
        return Transformed::no(case);
    }
    let condition = |other: &Expr| equal(other).unwrap_or_else(|| value.as_ref().clone().eq(other.clone()));
    let when_then_expr =
        case.when_then_expr.iter().map(|(other, then)| (Box::new(condition(other)), then.clone())).collect();
    Transformed::yes(Case { expr: None, when_then_expr, else_expr: case.else_expr })
}

fn with_truth_values(mut case: Case, schema: &DFSchema) -> Transformed<Case> {
    let mut is_changed = false;
    for (condition, _) in case.when_then_expr.iter_mut().filter(|(condition, _)| is_json(condition, schema)) {
        **condition = as_boolean(std::mem::take(condition));
        is_changed = true;
    }
    Transformed::new_transformed(case, is_changed)
}
