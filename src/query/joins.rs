//! Joins without an equality compare every row with every row: bounded before they start.
//!
//! In: a physical plan. Out: nothing, or an error that names the sizes. Guaranteed: no cross or nested-loop
//! join runs whose inputs, by the planner's estimate, make more than [`JOIN_PAIRS_MAX`] pairs, or whose size
//! nobody knows. Such joins do not yield to cancellation (apache/datafusion#19358), so a deadline alone would
//! leave a core busy.

use std::sync::Arc;

use datafusion::physical_plan::{
    ExecutionPlan,
    joins::{CrossJoinExec, NestedLoopJoinExec},
    statistics::{StatisticsArgs, StatisticsContext},
};

use crate::{
    error::{Error, ErrorKind, Result},
    limits::JOIN_PAIRS_MAX,
};

/// Walks `plan` and refuses the first join that is too large.
pub(crate) fn check(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    let children = plan.children();
    if plan.is::<CrossJoinExec>() || plan.is::<NestedLoopJoinExec>() {
        let pairs = children
            .iter()
            .map(|child| rows(child))
            .try_fold(1_usize, |pairs, rows| rows.map(|rows| pairs.saturating_mul(rows.max(1))));
        match pairs {
            Some(pairs) if pairs <= JOIN_PAIRS_MAX => {}
            Some(pairs) => {
                return Err(refused(&format!(
                    "about {pairs} pairs of rows; the most is {JOIN_PAIRS_MAX}; write an equality in ON, or a narrower WHERE"
                )));
            }
            None => {
                return Err(refused(
                    "a number of pairs of rows that cannot be estimated; write an equality in ON",
                ));
            }
        }
    }
    children.into_iter().try_for_each(check)
}

fn rows(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new()).ok()?;
    statistics.num_rows.get_value().copied()
}

fn refused(size: &str) -> Error {
    Error::new(
        ErrorKind::Limit,
        format!(
            "query: a join without an equality would compare {size}; join on an equality or filter first"
        ),
    )
}
