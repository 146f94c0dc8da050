//! What is compared with an address is taken as an address.
//!
//! In: an analysed statement. Out: the same, in which every value that stands beside an address (`ip_address`, under whatever name
//! a subquery gives it) in `=`, `<>`, `IN`, a join, `CASE`, `UNION`, `nullif` or `array_has` has its canonical text, and `<`, `BETWEEN`, `ORDER BY`,
//! `min` and `max` go by the order of addresses. The column itself has its canonical text already, see [`super::older`]. Guaranteed:
//! `ip_address = '::FFFF:CB00:7107'` and `ip_address = '203.0.113.7'` are one filter, which prunes; what is no address is compared as
//! the text that it is.

use std::{collections::HashSet, sync::Arc};

use datafusion::{
    common::{
        Column,
        tree_node::{Transformed, TreeNode},
    },
    config::ConfigOptions,
    error::Result,
    logical_expr::{
        Distinct, Expr, LogicalPlan, LogicalPlanBuilder, Union, expr_rewriter::NamePreserver,
        utils::merge_schema,
    },
    optimizer::AnalyzerRule,
};

use super::{
    beside::Context,
    canonical,
    gives::{Sources, nth_is_address},
    order,
};

/// The rule.
#[derive(Debug)]
pub(crate) struct Addresses;

impl AnalyzerRule for Addresses {
    fn name(&self) -> &str {
        "addresses"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let none = HashSet::new();
        plan.transform_up_with_subqueries(|plan| rewritten(plan, &none)).map(|plan| plan.data)
    }
}

/// One step of a plan; `outer` are columns of the plans around it that are of addresses.
pub(super) fn rewritten(plan: LogicalPlan, outer: &HashSet<Column>) -> Result<Transformed<LogicalPlan>> {
    let inputs: Vec<LogicalPlan> = plan.inputs().into_iter().cloned().collect();
    let names = NamePreserver::new(&plan);
    let schema = merge_schema(&inputs.iter().collect::<Vec<_>>());
    let context = Context(Sources { inputs: &inputs, schema, outer });
    let plan = match plan {
        LogicalPlan::Join(mut join) => {
            for (left, right) in &mut join.on {
                context.alike([left, right]);
            }
            LogicalPlan::Join(join)
        }
        LogicalPlan::Sort(mut sort) => {
            context.sort(&mut sort.expr);
            LogicalPlan::Sort(sort)
        }
        LogicalPlan::Distinct(Distinct::On(mut on)) => {
            if let Some(keys) = &mut on.sort_expr {
                context.sort(keys);
                // Both have to begin with the same expressions.
                for key in on.on_expr.iter_mut().filter(|key| context.0.is_address(key)) {
                    *key = order::sorted_by(std::mem::take(key));
                }
            }
            LogicalPlan::Distinct(Distinct::On(on))
        }
        LogicalPlan::Union(union) => LogicalPlan::Union(alike_columns(union)?).recompute_schema()?,
        other => other,
    };
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = expr.transform_up(|expr| context.rewritten(expr))?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })
}

/// A union of which a column has addresses in one part has canonical text in the others.
fn alike_columns(mut union: Union) -> Result<Union> {
    for place in 0..union.schema.fields().len() {
        if !union.inputs.iter().any(|input| nth_is_address(input, place)) {
            continue;
        }
        for input in &mut union.inputs {
            let schema = Arc::clone(input.schema());
            if nth_is_address(input, place) || !schema.field(place).data_type().is_string() {
                continue;
            }
            let columns = schema.iter().enumerate().map(|(at, (qualifier, field))| {
                let column = Expr::Column(Column::from((qualifier, field)));
                match at == place {
                    true => canonical::function()
                        .call(vec![column])
                        .alias_qualified(qualifier.cloned(), field.name()),
                    false => column,
                }
            });
            let plan = LogicalPlanBuilder::from(input.as_ref().clone()).project(columns)?.build()?;
            *input = Arc::new(plan);
        }
    }
    Ok(union)
}
