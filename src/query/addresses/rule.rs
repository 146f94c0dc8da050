//! What is compared with an address is taken as an address.
//!
//! In: an analysed statement. Out: the same, in which every value that stands beside an address (`ip_address`, under whatever name
//! a subquery gives it) in `=`, `<>`, `IN`, `BETWEEN`, a join, `CASE` or `array_has` has its canonical text. The column itself
//! has it already, see [`super::older`]. Guaranteed: `ip_address = '::FFFF:CB00:7107'` and `ip_address = '203.0.113.7'` are one filter,
//! which prunes; what is no address is compared as the text that it is.

use std::sync::Arc;

use arrow::{
    array::{AsArray, StringArray},
    datatypes::DataType,
};
use datafusion::{
    common::{
        Column, DFSchema,
        tree_node::{Transformed, TreeNode},
    },
    config::ConfigOptions,
    error::Result,
    logical_expr::{
        Aggregate, BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Subquery,
        expr::{InSubquery, ScalarFunction, SetComparison},
        expr_rewriter::NamePreserver,
        utils::merge_schema,
    },
    optimizer::AnalyzerRule,
    scalar::ScalarValue,
};

use super::canonical;
use crate::query::{columns::IP_ADDRESS, json::is_comparison};

/// Functions that give one of the values of their first argument.
const GIVE_ONE_OF: [&str; 10] = [
    "min",
    "max",
    "first_value",
    "last_value",
    "nth_value",
    "any_value",
    "lag",
    "lead",
    "coalesce",
    "nullif",
];
const ARE_IN: [&str; 4] = ["array_has", "list_has", "array_contains", "list_contains"];

/// The rule.
#[derive(Debug)]
pub(crate) struct Addresses;

impl AnalyzerRule for Addresses {
    fn name(&self) -> &str {
        "addresses"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewritten).map(|plan| plan.data)
    }
}

fn rewritten(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let inputs: Vec<LogicalPlan> = plan.inputs().into_iter().cloned().collect();
    let names = NamePreserver::new(&plan);
    let context = Context { schema: merge_schema(&inputs.iter().collect::<Vec<_>>()), inputs: &inputs };
    let plan = match plan {
        LogicalPlan::Join(mut join) => {
            for (left, right) in &mut join.on {
                match (context.is_address(left), context.is_address(right)) {
                    (true, false) => *right = context.canonical(std::mem::take(right)),
                    (false, true) => *left = context.canonical(std::mem::take(left)),
                    _ => {}
                }
            }
            LogicalPlan::Join(join)
        }
        other => other,
    };
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = expr.transform_up(|expr| context.rewritten(expr))?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })
}

/// Where expressions of a plan get their values from.
struct Context<'a> {
    inputs: &'a [LogicalPlan],
    schema: DFSchema,
}

impl Context<'_> {
    fn rewritten(&self, expr: Expr) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
                match (self.is_address(&left), self.is_address(&right)) {
                    (true, false) => {
                        let right = Box::new(self.canonical(*right));
                        Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
                    }
                    (false, true) => {
                        let left = Box::new(self.canonical(*left));
                        Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
                    }
                    _ => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
                }
            }
            Expr::InList(mut list) if self.is_address(&list.expr) => {
                list.list = list.list.into_iter().map(|value| self.canonical(value)).collect();
                Transformed::yes(Expr::InList(list))
            }
            Expr::Between(mut between) if self.is_address(&between.expr) => {
                for bound in [&mut between.low, &mut between.high] {
                    **bound = self.canonical(std::mem::take(bound));
                }
                Transformed::yes(Expr::Between(between))
            }
            Expr::Case(mut case) if case.expr.as_ref().is_some_and(|expr| self.is_address(expr)) => {
                for (value, _) in &mut case.when_then_expr {
                    **value = self.canonical(std::mem::take(value));
                }
                Transformed::yes(Expr::Case(case))
            }
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let sides = self.beside_subquery(*expr, subquery)?;
                let of = |(expr, subquery)| Expr::InSubquery(InSubquery::new(expr, subquery, negated));
                sides.map_data(|sides| Ok(of(sides)))?
            }
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                let sides = self.beside_subquery(*expr, subquery)?;
                let of = |(expr, subquery)| SetComparison::new(expr, subquery, op, quantifier);
                sides.map_data(|sides| Ok(Expr::SetComparison(of(sides))))?
            }
            Expr::ScalarFunction(call) if ARE_IN.contains(&call.name()) => self.is_in(call),
            other => Transformed::no(other),
        })
    }

    /// A value and a subquery that it is compared with.
    fn beside_subquery(&self, expr: Expr, of: Subquery) -> Result<Transformed<(Box<Expr>, Subquery)>> {
        match (self.is_address(&expr), first_is_address(&of.subquery)) {
            (true, false) => {
                let subquery = of.subquery.as_ref().clone();
                let (qualifier, field) = subquery.schema().qualified_field(0);
                if !field.data_type().is_string() {
                    return Ok(Transformed::no((Box::new(expr), of)));
                }
                let (column, name) = (Expr::Column(Column::from((qualifier, field))), field.name().clone());
                let value = canonical::function().call(vec![column]).alias(name);
                let plan = LogicalPlanBuilder::from(subquery).project(vec![value])?.build()?;
                Ok(Transformed::yes((Box::new(expr), Subquery { subquery: Arc::new(plan), ..of })))
            }
            (false, true) => Ok(Transformed::yes((Box::new(self.canonical(expr)), of))),
            _ => Ok(Transformed::no((Box::new(expr), of))),
        }
    }

    /// `array_has($addresses, ip_address)`, which is what `ip_address = ANY ($addresses)` becomes.
    fn is_in(&self, mut call: ScalarFunction) -> Transformed<Expr> {
        let is_of_addresses = call.args.get(1).is_some_and(|value| self.is_address(value));
        match call.args.first_mut() {
            Some(Expr::Literal(ScalarValue::List(list), _)) if is_of_addresses => {
                let texts = list.values();
                if let Some(texts) = texts.as_string_opt::<i32>() {
                    let texts: StringArray =
                        texts.iter().map(|text| text.map(canonical::canonical)).collect();
                    let (field, offsets, _, nulls) = list.as_ref().clone().into_parts();
                    if let Ok(canonical) =
                        arrow::array::ListArray::try_new(field, offsets, Arc::new(texts), nulls)
                    {
                        *list = Arc::new(canonical);
                    }
                }
                Transformed::yes(Expr::ScalarFunction(call))
            }
            Some(Expr::ScalarFunction(list)) if is_of_addresses && list.name() == "make_array" => {
                list.args =
                    std::mem::take(&mut list.args).into_iter().map(|value| self.canonical(value)).collect();
                Transformed::yes(Expr::ScalarFunction(call))
            }
            _ => Transformed::no(Expr::ScalarFunction(call)),
        }
    }

    /// `value` as the canonical text of the address that it is.
    fn canonical(&self, value: Expr) -> Expr {
        if let Expr::Literal(literal, metadata) = &value {
            let text = literal.try_as_str().flatten().map(|text| canonical::canonical(text).into_owned());
            let same_type = |text| ScalarValue::new_utf8view(text).cast_to(&literal.data_type()).ok();
            return match text.and_then(same_type) {
                Some(text) => Expr::Literal(text, metadata.clone()),
                None => value,
            };
        }
        let is_text = value.get_type(&self.schema).is_ok_and(|data_type| data_type.is_string());
        match is_text && !self.is_address(&value) {
            true => canonical::function().call(vec![value]),
            false => value,
        }
    }

    fn is_address(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column(column) => self.inputs.iter().any(|input| is_address(input, column)),
            // Of which outer plan it is, its name tells well enough.
            Expr::OuterReferenceColumn(_, column) => column.name() == IP_ADDRESS,
            Expr::Alias(alias) => self.is_address(&alias.expr),
            Expr::Cast(cast) => is_text(cast.field.data_type()) && self.is_address(&cast.expr),
            Expr::ScalarSubquery(subquery) => first_is_address(&subquery.subquery),
            Expr::ScalarFunction(call) => self.gives_address(call.name(), &call.args),
            Expr::AggregateFunction(call) => self.gives_address(call.func.name(), &call.params.args),
            Expr::WindowFunction(call) => self.gives_address(call.fun.name(), &call.params.args),
            _ => false,
        }
    }

    fn gives_address(&self, function: &str, args: &[Expr]) -> bool {
        function == canonical::NAME
            || GIVE_ONE_OF.contains(&function) && args.first().is_some_and(|value| self.is_address(value))
    }
}

fn is_text(data_type: &DataType) -> bool {
    data_type.is_string()
}

/// Whether the first column of `plan` is of addresses.
fn first_is_address(plan: &LogicalPlan) -> bool {
    !plan.schema().fields().is_empty() && is_address(plan, &Column::from(plan.schema().qualified_field(0)))
}

/// Whether a column that `plan` gives is of addresses.
fn is_address(plan: &LogicalPlan, column: &Column) -> bool {
    let Some(place) = plan.schema().maybe_index_of_column(column) else { return false };
    let inputs: Vec<LogicalPlan> = plan.inputs().into_iter().cloned().collect();
    let by_place = |place: usize| {
        let of_input = |input: &LogicalPlan| {
            place < input.schema().fields().len()
                && is_address(input, &Column::from(input.schema().qualified_field(place)))
        };
        inputs.first().is_some_and(of_input)
    };
    let by_expr = |expr: Option<&Expr>| {
        expr.is_some_and(|expr| Context { inputs: &inputs, schema: DFSchema::empty() }.is_address(expr))
    };
    match plan {
        LogicalPlan::TableScan(_) => column.name() == IP_ADDRESS,
        LogicalPlan::Projection(projection) => by_expr(projection.expr.get(place)),
        LogicalPlan::Aggregate(Aggregate { group_expr, aggr_expr, .. }) => {
            by_expr(group_expr.iter().chain(aggr_expr).nth(place))
        }
        LogicalPlan::Window(window) => {
            let of_input = window.input.schema().fields().len();
            match place.checked_sub(of_input) {
                None => by_place(place),
                Some(place) => by_expr(window.window_expr.get(place)),
            }
        }
        LogicalPlan::SubqueryAlias(_) | LogicalPlan::Union(_) => by_place(place),
        _ => inputs.iter().any(|input| is_address(input, column)),
    }
}
