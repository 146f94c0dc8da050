//! Keys of joins name the tables of their columns.
//!
//! In: an optimised logical plan. Out: the same plan; each column in a key of a join has the name of its table, if it has one. Guaranteed: the
//! physical planner finds the keys that it computes before a join: it looks for them by the names that they have with tables, and
//! the optimizer leaves the table out of columns that it makes itself (parts of JSON that are read at the scan).

use datafusion::{
    common::{
        Column, DFSchema,
        tree_node::{Transformed, TreeNode},
    },
    error::Result,
    logical_expr::{Expr, LogicalPlan},
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
};

/// The rule.
#[derive(Debug)]
pub(crate) struct QualifiedKeys;

impl OptimizerRule for QualifiedKeys {
    fn name(&self) -> &str {
        "qualified_keys"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(mut join) = plan else { return Ok(Transformed::no(plan)) };
        let mut is_changed = false;
        for (left, right) in &mut join.on {
            for (key, input) in [(left, &join.left), (right, &join.right)] {
                // The planner takes a key that is a column as it is.
                if !matches!(key, Expr::Column(_)) {
                    let qualified = qualified(std::mem::take(key), input.schema())?;
                    is_changed |= qualified.transformed;
                    *key = qualified.data;
                }
            }
        }
        let plan = LogicalPlan::Join(join);
        Ok(if is_changed { Transformed::yes(plan) } else { Transformed::no(plan) })
    }
}

fn qualified(key: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    key.transform_up(|expr| {
        Ok(match expr {
            Expr::Column(column) if column.relation.is_none() => {
                match schema.qualified_field_with_unqualified_name(&column.name) {
                    Ok((Some(table), field)) => {
                        Transformed::yes(Expr::Column(Column::from((Some(table), field))))
                    }
                    _ => Transformed::no(Expr::Column(column)),
                }
            }
            other => Transformed::no(other),
        })
    })
}
