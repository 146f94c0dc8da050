//! Reads JSON values as the type of what they meet.
//!
//! In: a statement before types are coerced. Out: the same, in which no comparison, cast, aggregate, sort or group is over a union.
//! Guaranteed: the names of its columns stay; from the tables up, what one step changed is known to the next.

use std::{fmt, sync::Arc};

use arrow::datatypes::FieldRef;
use datafusion::{
    common::{
        Column, DFSchema, TableReference,
        tree_node::{Transformed, TreeNode},
    },
    config::ConfigOptions,
    error::Result,
    logical_expr::{
        Aggregate, Distinct, Expr, LogicalPlan, LogicalPlanBuilder, SortExpr,
        expr_rewriter::{FunctionRewrite, NamePreserver},
        utils::merge_schema,
    },
    optimizer::AnalyzerRule,
};
use datafusion_functions_json::udfs::json_get_udf;

use super::{
    compare::{as_json_text, as_sort_key, is_json},
    read::{rewritten, sorted_by_keys},
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

/// Sorts, groups, joins and distinct rows by values that have an order and an equality.
fn without_unions(plan: LogicalPlan, schema: &DFSchema) -> Result<Transformed<LogicalPlan>> {
    Ok(match plan {
        LogicalPlan::Sort(mut sort) if has_json_key(&sort.expr, schema) => {
            sorted_by_keys(&mut sort.expr, schema);
            Transformed::yes(LogicalPlan::Sort(sort))
        }
        LogicalPlan::Aggregate(aggregate)
            if aggregate.group_expr.iter().any(|expr| is_json(expr, schema)) =>
        {
            let columns = Arc::clone(&aggregate.schema);
            let Aggregate { input, group_expr, aggr_expr, .. } = aggregate;
            let group_expr = group_expr.into_iter().map(|expr| match is_json(&expr, schema) {
                true => {
                    let (relation, name) = expr.qualified_name();
                    as_json_text(expr.unalias()).alias_qualified(relation, name)
                }
                false => expr,
            });
            let grouped = LogicalPlan::Aggregate(Aggregate::try_new(input, group_expr.collect(), aggr_expr)?);
            Transformed::yes(as_json_values(grouped, &columns)?)
        }
        LogicalPlan::Distinct(Distinct::All(input)) if has_json_column(input.schema()) => {
            let columns = Arc::clone(input.schema());
            let texts = with_json_columns(&columns, as_json_text);
            let input = LogicalPlanBuilder::from(input.as_ref().clone()).project(texts)?.build()?;
            let distinct = LogicalPlan::Distinct(Distinct::All(Arc::new(input)));
            Transformed::yes(as_json_values(distinct, &columns)?)
        }
        LogicalPlan::Distinct(Distinct::On(mut on)) => {
            for key in on.on_expr.iter_mut().filter(|key| is_json(key, schema)) {
                *key = as_sort_key(std::mem::take(key));
            }
            if let Some(keys) = &mut on.sort_expr {
                sorted_by_keys(keys, schema);
            }
            Transformed::yes(LogicalPlan::Distinct(Distinct::On(on)))
        }
        LogicalPlan::Join(mut join) => {
            let both_json = |pair: &&mut (Expr, Expr)| is_json(&pair.0, schema) && is_json(&pair.1, schema);
            for (left, right) in join.on.iter_mut().filter(both_json) {
                *left = as_sort_key(std::mem::take(left));
                *right = as_sort_key(std::mem::take(right));
            }
            Transformed::yes(LogicalPlan::Join(join))
        }
        other => Transformed::no(other),
    })
}

/// The columns of `schema`, those with JSON values read as something else.
fn with_json_columns(schema: &DFSchema, read: impl Fn(Expr) -> Expr) -> Vec<Expr> {
    let column = |(qualifier, field): (Option<&TableReference>, &FieldRef)| {
        let column = Expr::Column(Column::from((qualifier, field)));
        match is_json(&column, schema) {
            true => read(column).alias_qualified(qualifier.cloned(), field.name()),
            false => column,
        }
    };
    schema.iter().map(column).collect()
}

/// JSON values again of what `plan` has as their text, where `columns` have them.
fn as_json_values(plan: LogicalPlan, columns: &DFSchema) -> Result<LogicalPlan> {
    let values = with_json_columns(columns, |text| json_get_udf().call(vec![text]));
    LogicalPlanBuilder::from(plan).project(values)?.build()
}

fn has_json_column(schema: &DFSchema) -> bool {
    schema.iter().any(|(qualifier, field)| is_json(&Expr::Column(Column::from((qualifier, field))), schema))
}

fn has_json_key(keys: &[SortExpr], schema: &DFSchema) -> bool {
    keys.iter().any(|key| is_json(&key.expr, schema))
}
