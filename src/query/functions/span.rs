//! Spans of time compared as PostgreSQL compares them: by how long they are, whatever they are made of.
//!
//! In: a statement as it was planned. Out: the same, in which what compares or sorts spans takes their microseconds, a month being thirty
//! days and a day 24 hours. The engine compares months, then days, then the rest: for it a difference of two times is never more than a day,
//! and 30 hours come before a day. Guaranteed: what would compare intervals field by field, and cannot be said by their length, is refused
//! with what to write; ranks by values of which the engine makes no ranges are by their groups, which are the same.

mod length;
mod words;

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        DFSchema, plan_err,
        tree_node::{Transformed, TreeNode},
    },
    config::ConfigOptions,
    error::Result,
    logical_expr::{
        BinaryExpr, Distinct, Expr, ExprSchemable, LogicalPlan, SortExpr, WindowFrameBound, WindowFrameUnits,
        expr::{Between, InList, ScalarFunction, WindowFunction},
        expr_rewriter::NamePreserver,
        lit,
        utils::merge_schema,
        when,
    },
    optimizer::AnalyzerRule,
    scalar::ScalarValue,
};

pub(crate) use self::words::clock_in_words;
pub(super) use self::{length::function, words::span_of};
use crate::query::json::is_comparison;

/// Functions that compare the values of lists.
const OF_LISTS: [&str; 17] = [
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_position",
    "array_positions",
    "array_remove",
    "array_remove_all",
    "array_remove_n",
    "array_replace",
    "array_replace_all",
    "array_distinct",
    "array_sort",
    "array_union",
    "array_intersect",
    "array_except",
    "array_max",
    "array_min",
];

/// The rule.
#[derive(Debug)]
pub(crate) struct Spans;

impl AnalyzerRule for Spans {
    fn name(&self) -> &str {
        "spans_by_length"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewritten).map(|plan| plan.data)
    }
}

fn rewritten(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    whole_plan_allowed(&plan, &schema)?;
    let plan = match plan {
        LogicalPlan::Sort(mut sort) => {
            sort.expr = sort.expr.into_iter().map(|key| sorted_by(key, &schema)).collect();
            LogicalPlan::Sort(sort)
        }
        plan => plan,
    };
    let names = NamePreserver::new(&plan);
    let is_sort = matches!(plan, LogicalPlan::Sort(_));
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = expr.transform_up(|expr| of_expression(expr, &schema))?;
        Ok(if is_sort { expr } else { expr.update_data(|expr| name.restore(expr)) })
    })
}

/// Refuses steps that compare whole rows with intervals in them.
fn whole_plan_allowed(plan: &LogicalPlan, schema: &DFSchema) -> Result<()> {
    let has_interval = match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.iter().any(|key| match key {
            Expr::GroupingSet(sets) => sets.distinct_expr().into_iter().any(|key| is_interval(key, schema)),
            key => is_interval(key, schema),
        }),
        LogicalPlan::Distinct(Distinct::All(input)) => {
            input.schema().fields().iter().any(|field| of_intervals(field.data_type()))
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            distinct.on_expr.iter().any(|key| is_interval(key, schema))
        }
        LogicalPlan::Join(join) => {
            join.on.iter().any(|(left, right)| is_interval(left, schema) || is_interval(right, schema))
        }
        _ => false,
    };
    match has_interval {
        true => plan_err!(
            "GROUP BY, DISTINCT, UNION and the like of an interval would take a day and 24 hours for two; \
             write extract(epoch FROM …) for the interval"
        ),
        false => Ok(()),
    }
}

fn of_expression(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
            let mut sides = [*left, *right];
            let changed = by_length(&mut sides, schema);
            let [left, right] = sides.map(Box::new);
            changed_if(changed, Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let mut sides = [*expr, *low, *high];
            let changed = by_length(&mut sides, schema);
            let [expr, low, high] = sides.map(Box::new);
            changed_if(changed, Expr::Between(Between { expr, negated, low, high }))
        }
        Expr::InList(InList { expr, mut list, negated }) => {
            list.insert(0, *expr);
            let changed = by_length(&mut list, schema);
            let expr = Box::new(list.remove(0));
            changed_if(changed, Expr::InList(InList { expr, list, negated }))
        }
        Expr::Case(mut case) => {
            let Some(of) = case.expr.take() else { return Ok(Transformed::no(Expr::Case(case))) };
            let (whens, results): (Vec<_>, Vec<_>) =
                std::mem::take(&mut case.when_then_expr).into_iter().unzip();
            let mut sides: Vec<Expr> =
                std::iter::once(*of).chain(whens.into_iter().map(|when| *when)).collect();
            let changed = by_length(&mut sides, schema);
            case.expr = Some(Box::new(sides.remove(0)));
            case.when_then_expr = sides.into_iter().map(Box::new).zip(results).collect();
            changed_if(changed, Expr::Case(case))
        }
        Expr::InSubquery(of) if is_interval(&of.expr, schema) => {
            return plan_err!("an interval IN (SELECT …); write extract(epoch FROM …) on both sides");
        }
        Expr::ScalarFunction(call) => of_call(call, schema)?,
        Expr::AggregateFunction(mut aggregate) => {
            let params = &mut aggregate.params;
            aggregate_allowed(aggregate.func.name(), &params.args, params.distinct, schema)?;
            let keys = std::mem::take(&mut params.order_by);
            params.order_by = keys.into_iter().map(|key| sorted_by(key, schema)).collect();
            Transformed::yes(Expr::AggregateFunction(aggregate))
        }
        Expr::WindowFunction(window) => Transformed::yes(Expr::WindowFunction(of_window(window, schema)?)),
        other => Transformed::no(other),
    })
}

fn changed_if(changed: bool, expr: Expr) -> Transformed<Expr> {
    if changed { Transformed::yes(expr) } else { Transformed::no(expr) }
}

fn of_call(call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let has_intervals = |call: &ScalarFunction| call.args.iter().any(|arg| is_interval(arg, schema));
    match call.name() {
        "nullif" if has_intervals(&call) && call.args.len() == 2 => {
            let value = call.args[0].clone();
            let mut sides = call.args;
            by_length(&mut sides, schema);
            let other = sides.remove(1);
            Ok(Transformed::yes(when(sides.remove(0).eq(other), lit(ScalarValue::Null)).otherwise(value)?))
        }
        "greatest" | "least" if has_intervals(&call) => {
            plan_err!(
                "{} of intervals, which may be as long in other words; write CASE WHEN a > b THEN a ELSE b END",
                call.name()
            )
        }
        name if (OF_LISTS.contains(&name) || name.starts_with("compare_")) && has_intervals(&call) => {
            plan_err!("{name} compares a list of intervals; write a list of extract(epoch FROM …)")
        }
        _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
    }
}

fn aggregate_allowed(name: &str, args: &[Expr], is_distinct: bool, schema: &DFSchema) -> Result<()> {
    let compares = is_distinct || ["min", "max"].contains(&name);
    match compares && args.iter().any(|arg| is_interval(arg, schema)) {
        true => plan_err!(
            "{name} of {}intervals; write {name}(extract(epoch FROM …)), and * interval '1 second' for an interval again",
            if is_distinct { "distinct " } else { "" }
        ),
        false => Ok(()),
    }
}

/// A window ordered by lengths, whose frame the engine can run.
fn of_window(mut window: Box<WindowFunction>, schema: &DFSchema) -> Result<Box<WindowFunction>> {
    let name = window.fun.name().to_string();
    let params = &mut window.params;
    aggregate_allowed(&name, &params.args, params.distinct, schema)?;
    let keys = std::mem::take(&mut params.order_by);
    params.order_by = keys.into_iter().map(|key| sorted_by(key, schema)).collect();
    for key in &mut params.partition_by {
        by_length(std::slice::from_mut(key), schema);
    }
    let frame = &mut params.window_frame;
    let has_distance = [&frame.start_bound, &frame.end_bound].into_iter().any(|bound| match bound {
        WindowFrameBound::Preceding(rows) | WindowFrameBound::Following(rows) => !rows.is_null(),
        WindowFrameBound::CurrentRow => false,
    });
    let has_no_range = |key: &SortExpr| key.expr.get_type(schema).is_ok_and(|given| !has_ranges(&given));
    if frame.units == WindowFrameUnits::Range && !has_distance && params.order_by.iter().any(has_no_range) {
        frame.units = WindowFrameUnits::Groups;
    }
    Ok(window)
}

/// Types that the engine makes ranges of.
fn has_ranges(data_type: &DataType) -> bool {
    let is_time = matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64);
    let is_plain = data_type.is_numeric() || data_type.is_string() || data_type.is_null();
    is_time || is_plain || *data_type == DataType::Boolean || matches!(data_type, DataType::Union(..))
}

fn sorted_by(mut key: SortExpr, schema: &DFSchema) -> SortExpr {
    if is_interval(&key.expr, schema) {
        by_length(std::slice::from_mut(&mut key.expr), schema);
    }
    key
}

/// Puts lengths for all of `sides` if one of them is a span; tells whether it is. Constants in quotes are read as spans then.
fn by_length(sides: &mut [Expr], schema: &DFSchema) -> bool {
    let is_text = |side: &Expr| matches!(side, Expr::Literal(value, _) if value.is_null() || value.data_type().is_string());
    let is_span = |side: &Expr| {
        side.get_type(schema)
            .is_ok_and(|given| matches!(given, DataType::Interval(_) | DataType::Duration(_)))
    };
    let are_spans = sides.iter().any(is_span) && sides.iter().all(|side| is_span(side) || is_text(side));
    if are_spans {
        for side in sides {
            let given = std::mem::replace(side, lit(ScalarValue::Null));
            let span = match is_text(&given) {
                true => span_of(given),
                false => given,
            };
            *side = function().call(vec![span]);
        }
    }
    are_spans
}

fn is_interval(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|given| of_intervals(&given))
}

/// Whether values of a type are intervals or lists of them.
fn of_intervals(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            of_intervals(item.data_type())
        }
        _ => false,
    }
}
