//! Expressions over JSON values as expressions over plain ones.
//!
//! In: an expression whose parts were rewritten, and the columns that it may name. Out: the same over plain values. Each kind of expression
//! has a function here; what a JSON value is read as, and how it is compared, `compare` says.

use std::sync::Arc;

use super::{
    aggregates, calls,
    compare::{
        as_beside, as_boolean, as_number, as_sort_key, as_text, as_type, comparison, is_comparison, is_json,
        is_number_as_text, is_read_from_text, is_text_of_json, json_get, text_as_number, text_as_type,
    },
    functions,
    one_of::{LIST, ONE_OF, alike, branches, chosen},
};
use crate::query::lists::{COMPARE_ALL, COMPARE_ANY};
use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchema, plan_err, tree_node::Transformed},
    error::Result,
    logical_expr::{
        AggregateUDF, BinaryExpr, Expr, ExprSchemable, LogicalPlanBuilder, Operator, SortExpr, Subquery,
        WindowFunctionDefinition, and,
        expr::{
            AggregateFunction, Between, Cast, InList, InSubquery, ScalarFunction, TryCast, WindowFunction,
        },
        lit, or,
    },
};
use datafusion_functions_json::JSON_UNION_DATA_TYPE;

/// Functions of a list and a value that may be in it.
const IN_LISTS: [&str; 4] = ["array_has", "list_has", "array_contains", "list_contains"];

/// Sorts JSON values by their keys.
pub(super) fn sorted_by_keys(keys: &mut [SortExpr], schema: &DFSchema) {
    for key in keys.iter_mut().filter(|key| is_json(&key.expr, schema)) {
        key.expr = as_sort_key(std::mem::take(&mut key.expr));
    }
}

/// `expr` over plain values, if it is of JSON values.
pub(super) fn rewritten(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let json = |expr: &Expr| is_json(expr, schema);
    Ok(match expr {
        Expr::BinaryExpr(binary) => in_operator(binary, schema),
        Expr::Not(inner) if json(&inner) => Transformed::yes(Expr::Not(Box::new(as_boolean(*inner)))),
        Expr::IsTrue(inner) if json(&inner) => Transformed::yes(Expr::IsTrue(Box::new(as_boolean(*inner)))),
        Expr::IsFalse(inner) if json(&inner) => Transformed::yes(Expr::IsFalse(Box::new(as_boolean(*inner)))),
        Expr::IsNotTrue(inner) if json(&inner) => {
            Transformed::yes(Expr::IsNotTrue(Box::new(as_boolean(*inner))))
        }
        Expr::IsNotFalse(inner) if json(&inner) => {
            Transformed::yes(Expr::IsNotFalse(Box::new(as_boolean(*inner))))
        }
        Expr::IsUnknown(inner) if json(&inner) => {
            Transformed::yes(Expr::IsUnknown(Box::new(as_boolean(*inner))))
        }
        Expr::IsNotUnknown(inner) if json(&inner) => {
            Transformed::yes(Expr::IsNotUnknown(Box::new(as_boolean(*inner))))
        }
        Expr::IsNull(inner) if json(&inner) => Transformed::yes(Expr::IsNull(Box::new(as_text(*inner)))),
        Expr::IsNotNull(inner) if json(&inner) => {
            Transformed::yes(Expr::IsNotNull(Box::new(as_text(*inner))))
        }
        Expr::Like(mut like) if json(&like.expr) || json(&like.pattern) => {
            for side in [&mut like.expr, &mut like.pattern] {
                if json(side) {
                    **side = as_text(std::mem::take(side));
                }
            }
            Transformed::yes(Expr::Like(like))
        }
        Expr::Between(between) => in_range(between, schema),
        Expr::InList(list) => in_list(list, schema),
        Expr::Cast(Cast { expr, field }) => match read_as(&expr, field.data_type(), schema) {
            Some(value) => Transformed::yes(value),
            None => Transformed::no(Expr::Cast(Cast { expr, field })),
        },
        Expr::TryCast(TryCast { expr, field }) => match read_as(&expr, field.data_type(), schema) {
            Some(value) => Transformed::yes(value),
            None => Transformed::no(Expr::TryCast(TryCast { expr, field })),
        },
        Expr::AggregateFunction(call) => Transformed::yes(Expr::AggregateFunction(aggregate(call, schema)?)),
        Expr::WindowFunction(call) => {
            Transformed::yes(Expr::WindowFunction(Box::new(window(*call, schema)?)))
        }
        Expr::InSubquery(of) => in_subquery(of, schema)?,
        Expr::Case(case) => branches(case, schema),
        Expr::ScalarFunction(call) => function(call, schema)?,
        other => Transformed::no(other),
    })
}

/// A call of a function over JSON values.
fn function(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    // `json_number(json_get(a, 'b'), 'c')`, as operators are planned one by one.
    if functions::is_of_json(call.name())
        && let Some(inner) = call.args.first().and_then(json_get).filter(|_| call.args.len() > 1)
    {
        let path = call.args.iter().skip(1);
        call.args = inner.args.iter().chain(path).cloned().collect();
        return Ok(Transformed::yes(Expr::ScalarFunction(call)));
    }
    if [COMPARE_ANY, COMPARE_ALL].contains(&call.name()) {
        return beside_list(call, schema);
    }
    if let ("arrow_cast" | "arrow_try_cast", [value, Expr::Literal(named, _)]) =
        (call.name(), call.args.as_slice())
        && let Some(Ok(data_type)) = named.try_as_str().flatten().map(str::parse::<DataType>)
        && let Some(value) = read_as(value, &data_type, schema)
    {
        return Ok(Transformed::yes(value));
    }
    if IN_LISTS.contains(&call.name()) {
        call.args.first().map_or(Ok(()), |list| no_list_of_json(list, schema))?;
    }
    let mut is_changed = false;
    if let [list, value] = call.args.as_slice()
        && IN_LISTS.contains(&call.name())
        && is_json(value, schema)
        && let Some(item) = item_type(&list.get_type(schema)?)
        && let Some(value) = as_beside(value.clone(), item)
    {
        call.args[1] = value;
        is_changed = true;
    }
    if (ONE_OF.contains(&call.name()) || call.name() == LIST)
        && let Some(chosen) = chosen(&call, schema)?
    {
        match chosen {
            Expr::ScalarFunction(chosen) => call = chosen,
            other => return Ok(Transformed::yes(other)),
        }
        is_changed = true;
    }
    Ok(match calls::of_plain_values(&call, schema)? {
        Some(call) => Transformed::yes(Expr::ScalarFunction(call)),
        None => Transformed::new_transformed(Expr::ScalarFunction(call), is_changed),
    })
}

/// `metadata->'n' = ANY (list)` and `metadata->>'n' < ALL (list)`: the value as what the list has.
fn beside_list(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let [_, value, list] = call.args.as_mut_slice() else {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    };
    no_list_of_json(list, schema)?;
    let Some(item) = list.get_type(schema).ok().and_then(|list| item_type(&list).cloned()) else {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    };
    let read = if is_json(value, schema) {
        Some(as_type(value.clone(), &item))
    } else if item.is_numeric() && is_number_as_text(value, schema) {
        Some(text_as_number(value.clone()))
    } else {
        (is_text_of_json(value) && is_read_from_text(&item)).then(|| text_as_type(value.clone(), &item))
    };
    Ok(match read {
        Some(read) => {
            *value = read;
            Transformed::yes(Expr::ScalarFunction(call))
        }
        None if item.is_numeric() && value.get_type(schema)?.is_string() => {
            return plan_err!("a list of {item} is not compared with text; cast one of them");
        }
        None => Transformed::no(Expr::ScalarFunction(call)),
    })
}

fn no_list_of_json(list: &Expr, schema: &DFSchema) -> Result<()> {
    let item = list.get_type(schema).ok().and_then(|list| item_type(&list).cloned());
    match item {
        Some(item) if item == *JSON_UNION_DATA_TYPE => plan_err!(
            "a list of JSON values is not compared with a value; take them as text with ->>, or cast them: (metadata->'n')::double precision"
        ),
        _ => Ok(()),
    }
}

fn item_type(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item.data_type())
        }
        _ => None,
    }
}

fn in_subquery(mut of: InSubquery, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let plan = Arc::clone(&of.subquery.subquery);
    let (qualifier, field) = plan.schema().qualified_field(0);
    let column = Expr::Column(Column::from((qualifier, field)));
    let given = of.expr.get_type(schema)?;
    let (value, read) = match (is_json(&of.expr, schema), is_json(&column, plan.schema())) {
        (true, true) => (Some(as_sort_key(of.expr.as_ref().clone())), Some(as_sort_key(column))),
        (true, false) => (as_beside(of.expr.as_ref().clone(), field.data_type()), None),
        (false, true) => (None, as_beside(column, &given)),
        (false, false) if field.data_type().is_numeric() && is_number_as_text(&of.expr, schema) => {
            (Some(text_as_number(of.expr.as_ref().clone())), None)
        }
        (false, false) => (None, None),
    };
    if value.is_none() && read.is_none() {
        return Ok(Transformed::no(Expr::InSubquery(of)));
    }
    if let Some(value) = value {
        *of.expr = value;
    }
    if let Some(read) = read {
        let read = read.alias(field.name());
        let plan = LogicalPlanBuilder::from(plan.as_ref().clone()).project(vec![read])?.build()?;
        of.subquery = Subquery { subquery: Arc::new(plan), ..of.subquery };
    }
    Ok(Transformed::yes(Expr::InSubquery(of)))
}

fn in_operator(binary: BinaryExpr, schema: &DFSchema) -> Transformed<Expr> {
    match is_comparison(binary.op).then(|| comparison(&binary.left, binary.op, &binary.right, schema)) {
        Some(Some(plain)) => Transformed::yes(plain),
        _ => Transformed::no(Expr::BinaryExpr(binary)),
    }
}

fn in_range(between: Between, schema: &DFSchema) -> Transformed<Expr> {
    let compare = |op, bound| comparison(&between.expr, op, bound, schema);
    let (from, to) = (compare(Operator::GtEq, &between.low), compare(Operator::LtEq, &between.high));
    if from.is_none() && to.is_none() {
        return Transformed::no(Expr::Between(between));
    }
    let as_it_is = |op, bound: &Expr| {
        Expr::BinaryExpr(BinaryExpr { left: between.expr.clone(), op, right: Box::new(bound.clone()) })
    };
    let within = and(
        from.unwrap_or_else(|| as_it_is(Operator::GtEq, &between.low)),
        to.unwrap_or_else(|| as_it_is(Operator::LtEq, &between.high)),
    );
    Transformed::yes(if between.negated { Expr::Not(Box::new(within)) } else { within })
}

fn in_list(list: InList, schema: &DFSchema) -> Transformed<Expr> {
    let compared: Vec<_> =
        list.list.iter().map(|value| comparison(&list.expr, Operator::Eq, value, schema)).collect();
    if compared.iter().all(Option::is_none) {
        return Transformed::no(Expr::InList(list));
    }
    let as_it_is = |value: &Expr| list.expr.as_ref().clone().eq(value.clone());
    let each =
        compared.into_iter().zip(&list.list).map(|(plain, value)| plain.unwrap_or_else(|| as_it_is(value)));
    match one_list(each.clone().collect(), list.negated) {
        Some(list) => Transformed::yes(list),
        None => {
            let any = each.reduce(or).unwrap_or_else(|| lit(false));
            Transformed::yes(if list.negated { Expr::Not(Box::new(any)) } else { any })
        }
    }
}

/// `a = 1 OR a = 2 …` as one list, if all are of one value: a long chain would nest deep.
fn one_list(each: Vec<Expr>, negated: bool) -> Option<Expr> {
    let mut value: Option<Box<Expr>> = None;
    let mut others = Vec::with_capacity(each.len());
    for equal in each {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = equal else { return None };
        if value.get_or_insert_with(|| left.clone()) != &left {
            return None;
        }
        others.push(*right);
    }
    Some(Expr::InList(InList::new(value?, others, negated)))
}

/// What is cast as what is asked for; `None` if it is no JSON value, nor the text of one that is to be a number, a time or a boolean.
fn read_as(value: &Expr, data_type: &DataType, schema: &DFSchema) -> Option<Expr> {
    // How a plan gives its columns to clients: by now this one may be a plain value.
    if let Expr::ScalarFunction(call) = value
        && let ("json_union_to_text", [value]) = (call.name(), call.args.as_slice())
        && !is_json(value, schema)
    {
        return Some(value.clone());
    }
    if is_json(value, schema) {
        return Some(as_type(value.clone(), data_type));
    }
    (is_text_of_json(value) && is_read_from_text(data_type)).then(|| text_as_type(value.clone(), data_type))
}

fn aggregate(mut call: AggregateFunction, schema: &DFSchema) -> Result<AggregateFunction> {
    match call.func.supports_within_group_clause() {
        // What it is sorted by is what it is of.
        true => call.params.order_by.iter_mut().filter(|key| is_json(&key.expr, schema)).for_each(|key| {
            key.expr = as_number(std::mem::take(&mut key.expr));
        }),
        false => sorted_by_keys(&mut call.params.order_by, schema),
    }
    call.params.args = arguments(call.params.args, &call.func, schema)?;
    if let Some(filter) = call.params.filter.as_mut().filter(|filter| is_json(filter, schema)) {
        **filter = as_boolean(std::mem::take(filter));
    }
    call.func = aggregates::planned(&call.func).cloned().unwrap_or(call.func);
    Ok(call)
}

fn window(mut call: WindowFunction, schema: &DFSchema) -> Result<WindowFunction> {
    sorted_by_keys(&mut call.params.order_by, schema);
    for key in call.params.partition_by.iter_mut().filter(|key| is_json(key, schema)) {
        *key = as_sort_key(std::mem::take(key));
    }
    match &call.fun {
        WindowFunctionDefinition::AggregateUDF(function) => {
            call.params.args = arguments(call.params.args, function, schema)?;
            if let Some(function) = aggregates::planned(function).cloned() {
                call.fun = WindowFunctionDefinition::AggregateUDF(function);
            }
        }
        // `lag(a, 1, b)` gives one of the two.
        WindowFunctionDefinition::WindowUDF(_) => {
            if let [value, _, other] = call.params.args.as_slice()
                && let Some(alike) = alike(&[value, other], schema)
            {
                let values = [0, 2].into_iter().zip(alike);
                values.for_each(|(position, value)| call.params.args[position] = value);
            }
        }
    }
    Ok(call)
}

/// What an aggregate is given instead of JSON values, and of their texts where it is one of numbers. Other texts are refused, as
/// PostgreSQL does: a column that never holds numbers would silently give null.
fn arguments(args: Vec<Expr>, function: &AggregateUDF, schema: &DFSchema) -> Result<Vec<Expr>> {
    let args = aggregates::of_plain_values(args, function, schema)?;
    let function = function.name();
    let is_text = |value: &Expr| value.get_type(schema).is_ok_and(|data_type| data_type.is_string());
    let of_texts = aggregates::is_of_numbers_only(function);
    let read = |value: Expr| match is_json(&value, schema) {
        true if aggregates::is_of_numbers(function) => Ok(as_number(value)),
        true if aggregates::is_of_booleans(function) => Ok(as_boolean(value)),
        // Only whether they are equal matters.
        true if ["count", "approx_distinct"].contains(&function) => Ok(as_sort_key(value)),
        false if of_texts && is_text_of_json(&value) => Ok(text_as_number(value)),
        false if of_texts && is_text(&value) => plan_err!(
            "{function}(text) is not available; cast what is a number, as in {function}(col::double precision)"
        ),
        _ => Ok(value),
    };
    args.into_iter().map(read).collect()
}
