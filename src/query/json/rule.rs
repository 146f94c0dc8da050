//! Reads JSON values as the type of what they meet.
//!
//! In: a statement before types are coerced. Out: the same, in which no comparison, cast, aggregate, sort or group is over a union.
//! Guaranteed: the names of its columns stay; from the tables up, what one step changed is known to the next.

use std::{fmt, sync::Arc};

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        Column, DFSchema,
        tree_node::{Transformed, TreeNode},
    },
    config::ConfigOptions,
    error::Result,
    logical_expr::{
        Aggregate, BinaryExpr, Distinct, Expr, LogicalPlan, LogicalPlanBuilder, Operator, SortExpr,
        WindowFunctionDefinition, and,
        expr::{AggregateFunction, Between, Cast, InList, TryCast, WindowFunction},
        expr_rewriter::{FunctionRewrite, NamePreserver},
        lit, or,
        utils::merge_schema,
    },
    optimizer::AnalyzerRule,
};
use datafusion_functions_json::udfs::json_union_to_text_udf;

use super::{
    aggregates,
    compare::{
        as_boolean, as_number, as_sort_key, as_type, comparison, is_comparison, is_json, is_text_of_json,
        text_as_type,
    },
    rewrites,
};

/// The rule.
pub(crate) struct JsonValues {
    /// The library's own, which come after ours at each expression.
    others: Vec<Arc<dyn FunctionRewrite + Send + Sync>>,
}

impl JsonValues {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { others: rewrites()? })
    }
}

impl fmt::Debug for JsonValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonValues")
    }
}

impl AnalyzerRule for JsonValues {
    fn name(&self) -> &str {
        "json_values"
    }

    fn analyze(&self, plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| self.rewritten(plan, options)).map(|plan| plan.data)
    }
}

impl JsonValues {
    fn rewritten(&self, plan: LogicalPlan, options: &ConfigOptions) -> Result<Transformed<LogicalPlan>> {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema
                .merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
        }
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_up(|expr| {
                let mut expr = rewritten(expr, &schema)?;
                for other in &self.others {
                    expr = expr.transform_data(|expr| other.rewrite(expr, &schema, options))?;
                }
                Ok(expr)
            })?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })?;
        let plan = plan.transform_data(|plan| without_unions(plan, &schema))?;
        plan.map_data(LogicalPlan::recompute_schema)
    }
}

/// Sorts, groups and distinct rows by values that have an order and an equality.
fn without_unions(plan: LogicalPlan, schema: &DFSchema) -> Result<Transformed<LogicalPlan>> {
    Ok(match plan {
        LogicalPlan::Sort(mut sort) if has_json_key(&sort.expr, schema) => {
            sorted_by_keys(&mut sort.expr, schema);
            Transformed::yes(LogicalPlan::Sort(sort))
        }
        LogicalPlan::Aggregate(aggregate)
            if aggregate.group_expr.iter().any(|expr| is_json(expr, schema)) =>
        {
            let Aggregate { input, group_expr, aggr_expr, .. } = aggregate;
            let group_expr = group_expr.into_iter().map(|expr| match is_json(&expr, schema) {
                true => {
                    let (relation, name) = expr.qualified_name();
                    json_union_to_text_udf().call(vec![expr.unalias()]).alias_qualified(relation, name)
                }
                false => expr,
            });
            Transformed::yes(LogicalPlan::Aggregate(Aggregate::try_new(
                input,
                group_expr.collect(),
                aggr_expr,
            )?))
        }
        LogicalPlan::Distinct(Distinct::All(input)) if has_json_column(input.schema()) => {
            let columns: Vec<Expr> = input
                .schema()
                .iter()
                .map(|(qualifier, field)| {
                    let column = Expr::Column(Column::from((qualifier, field)));
                    match is_json(&column, input.schema()) {
                        true => json_union_to_text_udf()
                            .call(vec![column])
                            .alias_qualified(qualifier.cloned(), field.name()),
                        false => column,
                    }
                })
                .collect();
            let input = LogicalPlanBuilder::from(input.as_ref().clone()).project(columns)?.build()?;
            Transformed::yes(LogicalPlan::Distinct(Distinct::All(Arc::new(input))))
        }
        other => Transformed::no(other),
    })
}

fn has_json_column(schema: &DFSchema) -> bool {
    schema.iter().any(|(qualifier, field)| is_json(&Expr::Column(Column::from((qualifier, field))), schema))
}

fn has_json_key(keys: &[SortExpr], schema: &DFSchema) -> bool {
    keys.iter().any(|key| is_json(&key.expr, schema))
}

fn sorted_by_keys(keys: &mut [SortExpr], schema: &DFSchema) {
    for key in keys.iter_mut().filter(|key| is_json(&key.expr, schema)) {
        key.expr = as_sort_key(std::mem::take(&mut key.expr));
    }
}

fn rewritten(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let json = |expr: &Expr| is_json(expr, schema);
    Ok(match expr {
        Expr::BinaryExpr(binary) => in_operator(binary, schema),
        Expr::Not(inner) if json(&inner) => Transformed::yes(Expr::Not(Box::new(as_boolean(*inner)))),
        Expr::Negative(inner) if json(&inner) => {
            Transformed::yes(Expr::Negative(Box::new(as_number(*inner))))
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
        Expr::AggregateFunction(call) => Transformed::yes(Expr::AggregateFunction(aggregate(call, schema))),
        Expr::WindowFunction(call) => Transformed::yes(Expr::WindowFunction(Box::new(window(*call, schema)))),
        // A JSON value that was made text further down, or that is a number by now.
        Expr::ScalarFunction(call) if call.name() == "json_union_to_text" => match call.args.as_slice() {
            [value] if !json(value) => Transformed::yes(value.clone()),
            _ => Transformed::no(Expr::ScalarFunction(call)),
        },
        other => Transformed::no(other),
    })
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

/// What is cast as what is asked for; `None` if it is no JSON value, nor the text of one that is to be a number.
fn read_as(value: &Expr, data_type: &DataType, schema: &DFSchema) -> Option<Expr> {
    if is_json(value, schema) {
        return Some(as_type(value.clone(), data_type));
    }
    (is_text_of_json(value) && data_type.is_numeric()).then(|| text_as_type(value.clone(), data_type))
}

fn aggregate(mut call: AggregateFunction, schema: &DFSchema) -> AggregateFunction {
    sorted_by_keys(&mut call.params.order_by, schema);
    call.params.args = arguments(call.params.args, call.func.name(), schema);
    if let Some(filter) = call.params.filter.as_mut().filter(|filter| is_json(filter, schema)) {
        **filter = as_boolean(std::mem::take(filter));
    }
    call.func = aggregates::planned(&call.func).cloned().unwrap_or(call.func);
    call
}

fn window(mut call: WindowFunction, schema: &DFSchema) -> WindowFunction {
    sorted_by_keys(&mut call.params.order_by, schema);
    for key in call.params.partition_by.iter_mut().filter(|key| is_json(key, schema)) {
        *key = as_sort_key(std::mem::take(key));
    }
    if let WindowFunctionDefinition::AggregateUDF(function) = &call.fun {
        call.params.args = arguments(call.params.args, function.name(), schema);
        if let Some(function) = aggregates::planned(function).cloned() {
            call.fun = WindowFunctionDefinition::AggregateUDF(function);
        }
    }
    call
}

/// What an aggregate is given instead of JSON values.
fn arguments(args: Vec<Expr>, function: &str, schema: &DFSchema) -> Vec<Expr> {
    let read = |value: Expr| match is_json(&value, schema) {
        false => value,
        true if aggregates::is_of_numbers(function) => as_number(value),
        // Only whether they are equal matters.
        true if ["count", "approx_distinct"].contains(&function) => as_sort_key(value),
        true => json_union_to_text_udf().call(vec![value]),
    };
    args.into_iter().map(read).collect()
}
