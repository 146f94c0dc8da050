//! Which expressions give addresses.
//!
//! In: an expression, and the plans that its columns come from. Out: whether its values are addresses, or lists of them: `ip_address` under whatever
//! name a subquery gives it, and what gives one of its values. Guaranteed: what is said to give addresses gives their canonical text, for
//! the rule has made canonical what stands beside it.

use std::collections::HashSet;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchema},
    logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, utils::grouping_set_to_exprlist},
};

use super::canonical;
use crate::query::columns::IP_ADDRESS;

/// Functions that give their first argument, one of its values, or a list of some of them.
const OF_FIRST: [&str; 24] = [
    "min",
    "max",
    "first_value",
    "last_value",
    "nth_value",
    "any_value",
    "nullif",
    "array_agg",
    "array_any_value",
    "array_distinct",
    "array_element",
    "array_except",
    "array_max",
    "array_min",
    "array_pop_back",
    "array_pop_front",
    "array_remove",
    "array_remove_all",
    "array_remove_n",
    "array_reverse",
    "array_slice",
    "array_sort",
    "flatten",
    "unnest",
];
/// Functions that give any of their arguments, or a list of them.
const OF_ANY: [&str; 15] = [
    "coalesce",
    "nvl",
    "nvl2",
    "greatest",
    "least",
    "lag",
    "lead",
    "make_array",
    "array_append",
    "array_prepend",
    "array_concat",
    "array_intersect",
    "array_union",
    "array_replace",
    "array_replace_all",
];

/// Where expressions get their values from.
pub(super) struct Sources<'a> {
    pub(super) inputs: &'a [LogicalPlan],
    pub(super) schema: DFSchema,
    /// Columns of the plans around a subquery that are of addresses.
    pub(super) outer: &'a HashSet<Column>,
}

impl Sources<'_> {
    pub(super) fn is_address(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column(column) => self.inputs.iter().any(|input| is_address(input, column)),
            // A subquery is looked at before it is known what is around it, where its name tells.
            Expr::OuterReferenceColumn(_, column) => {
                column.name() == IP_ADDRESS || self.outer.contains(column)
            }
            Expr::Alias(alias) => self.is_address(&alias.expr),
            Expr::Cast(cast) => is_text(cast.field.data_type()) && self.is_address(&cast.expr),
            Expr::TryCast(cast) => is_text(cast.field.data_type()) && self.is_address(&cast.expr),
            Expr::Case(case) => {
                let results = case.when_then_expr.iter().map(|(_, then)| then);
                results.chain(&case.else_expr).any(|result| self.is_address(result))
            }
            Expr::Unnest(unnest) => self.is_address(&unnest.expr),
            Expr::ScalarSubquery(subquery) => first_is_address(&subquery.subquery),
            Expr::ScalarFunction(call) => self.gives_address(call.name(), &call.args),
            Expr::AggregateFunction(call) => self.gives_address(call.func.name(), &call.params.args),
            Expr::WindowFunction(call) => self.gives_address(call.fun.name(), &call.params.args),
            _ => false,
        }
    }

    fn gives_address(&self, function: &str, args: &[Expr]) -> bool {
        function == canonical::NAME
            || OF_FIRST.contains(&function) && args.first().is_some_and(|value| self.is_address(value))
            || OF_ANY.contains(&function) && args.iter().any(|value| self.is_address(value))
    }

    /// Whether `expr` gives texts, or lists of texts.
    pub(super) fn is_text(&self, expr: &Expr) -> bool {
        expr.get_type(&self.schema).is_ok_and(|data_type| is_text(&data_type))
    }
}

/// Text, or a list of texts.
pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_text(item.data_type())
        }
        other => other.is_string(),
    }
}

/// Whether the first column of `plan` is of addresses.
pub(super) fn first_is_address(plan: &LogicalPlan) -> bool {
    nth_is_address(plan, 0)
}

/// Whether the column of `plan` at this place is of addresses.
pub(super) fn nth_is_address(plan: &LogicalPlan, place: usize) -> bool {
    place < plan.schema().fields().len()
        && is_address(plan, &Column::from(plan.schema().qualified_field(place)))
}

/// Whether a column that `plan` gives is of addresses.
pub(super) fn is_address(plan: &LogicalPlan, column: &Column) -> bool {
    let Some(place) = plan.schema().maybe_index_of_column(column) else { return false };
    let inputs: Vec<LogicalPlan> = plan.inputs().into_iter().cloned().collect();
    let by_place = |place: usize| inputs.iter().any(|input| nth_is_address(input, place));
    let none = HashSet::new();
    let by_expr = |expr: Option<&Expr>| {
        let sources = Sources { inputs: &inputs, schema: DFSchema::empty(), outer: &none };
        expr.is_some_and(|expr| sources.is_address(expr))
    };
    match plan {
        LogicalPlan::TableScan(_) => column.name() == IP_ADDRESS,
        LogicalPlan::Projection(projection) => by_expr(projection.expr.get(place)),
        LogicalPlan::Aggregate(aggregate) => by_expr(column_of(aggregate, place)),
        LogicalPlan::Window(window) => {
            let of_input = window.input.schema().fields().len();
            match place.checked_sub(of_input) {
                None => by_place(place),
                Some(place) => by_expr(window.window_expr.get(place)),
            }
        }
        LogicalPlan::Unnest(unnest) => {
            unnest.dependency_indices.get(place).is_some_and(|place| by_place(*place))
        }
        LogicalPlan::SubqueryAlias(_) | LogicalPlan::Union(_) => by_place(place),
        _ => inputs.iter().any(|input| is_address(input, column)),
    }
}

/// What a column of an aggregation is computed by; `None` for the number of a grouping set.
fn column_of(aggregate: &Aggregate, place: usize) -> Option<&Expr> {
    let Aggregate { group_expr, aggr_expr, .. } = aggregate;
    let Ok(keys) = grouping_set_to_exprlist(group_expr) else { return None };
    let is_set = matches!(group_expr.as_slice(), [Expr::GroupingSet(_)]);
    match keys.get(place).copied() {
        Some(key) => Some(key),
        None => aggr_expr.get(place.checked_sub(keys.len() + usize::from(is_set))?),
    }
}
