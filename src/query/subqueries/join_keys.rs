//! Joins of events with something small: the small side is read first, and its values narrow the other side.
//!
//! In: an optimised plan. Out: the same plan, in which the small side of a join is rows in memory, and the other side has a filter that
//! follows from the condition of the join: `key IN (…)` for few values, `key BETWEEN … AND …` for more, and bounds for a join by `<` and
//! `>`. Guaranteed: the same answer. A filter is put only on a side of which the join gives no row that has no partner: both of an inner or
//! a semi join, the right one of a left join. Databases call it sideways information passing.

use std::{cmp::Ordering, collections::HashSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    datatypes::DataType,
};
use datafusion::{
    common::{
        NullEquality,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    error::Result as PlanResult,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr,
        expr::{Between, InList},
        lit,
        logical_plan::Join,
        utils::{conjunction, split_conjunction},
    },
    optimizer::{
        Optimizer, OptimizerRule, eliminate_filter::EliminateFilter,
        propagate_empty_relation::PropagateEmptyRelation, push_down_filter::PushDownFilter,
    },
    scalar::ScalarValue,
};
use futures::{FutureExt, future::BoxFuture};

use super::{
    Subqueries,
    collected::{Collected, table},
    estimate::{Estimate, collected_of, estimate, events_of},
    find::{has_subquery, is_stable},
    values::distinct,
};
use crate::{
    error::{ErrorKind, Result},
    limits::{INDEX_PROBES_MAX, SUBQUERY_ROWS_MAX},
    query::failure::failure,
};

/// What the rows of a side are called in the plan.
const JOIN_SIDE: &str = "__join_side";
/// A side is small if it gives, or reads, at most this part of the rows that the other side reads.
const SMALL_ONE_IN: u64 = 4;
/// Joins of one query that are looked at.
const JOINS_MAX: usize = 8;

/// Which side of a join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    fn of(self, join: &Join) -> &Arc<LogicalPlan> {
        match self {
            Self::Left => &join.left,
            Self::Right => &join.right,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// Whether rows of this side without a partner are of no use.
    fn needs_partner(self, join: &Join) -> bool {
        if join.null_aware {
            return false;
        }
        match join.join_type {
            JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => true,
            JoinType::Left | JoinType::LeftAnti => self == Self::Right,
            JoinType::Right | JoinType::RightAnti => self == Self::Left,
            JoinType::Full | JoinType::LeftMark | JoinType::RightMark => false,
        }
    }
}

impl Subqueries<'_> {
    /// `plan` with the small sides of its joins read, and the others narrowed.
    pub(super) fn with_join_keys(&self, plan: LogicalPlan) -> BoxFuture<'_, Result<LogicalPlan>> {
        self.narrow_joins(plan).boxed()
    }

    async fn narrow_joins(&self, mut plan: LogicalPlan) -> Result<LogicalPlan> {
        let mut left_alone = HashSet::new();
        for _ in 0..JOINS_MAX {
            let Some((join, small)) = self.next_join(&plan, &left_alone).await? else { return Ok(plan) };
            let Some(rows) = self.rows_of(small.of(&join)).await? else {
                left_alone.insert(LogicalPlan::Join(join));
                continue;
            };
            let narrowed = self.narrowed(&join, small, rows).map_err(failure)?;
            plan = put(plan, join, &narrowed).and_then(|plan| self.pushed_down(plan)).map_err(failure)?;
        }
        Ok(plan)
    }

    /// A join with a small side that was not read yet.
    pub(super) async fn next_join(
        &self,
        plan: &LogicalPlan,
        left_alone: &HashSet<LogicalPlan>,
    ) -> Result<Option<(Join, Side)>> {
        for join in joins(plan).into_iter().take(JOINS_MAX) {
            let was_read = [&join.left, &join.right].into_iter().any(|side| was_read(side));
            if was_read || left_alone.contains(&LogicalPlan::Join(join.clone())) {
                continue;
            }
            let left = estimate(&join.left, self.state).await;
            let right = estimate(&join.right, self.state).await;
            for (small, of_small, of_other) in [(Side::Right, right, left), (Side::Left, left, right)] {
                let other = small.other();
                if other.needs_partner(&join)
                    && reads_events(other.of(&join))
                    && is_small(of_small, of_other)
                    && can_be_read(small.of(&join)).map_err(failure)?
                {
                    return Ok(Some((join, small)));
                }
            }
        }
        Ok(None)
    }

    /// The rows of a side, which is optimised already; `None` if it cannot be planned alone.
    async fn rows_of(&self, side: &LogicalPlan) -> Result<Option<Collected>> {
        let side = self.with_join_keys(side.clone()).await?;
        match self.physical(&side).await {
            Ok(physical) => self.run(physical, usize::MAX).await.map(Some),
            Err(error) if error.kind() == ErrorKind::Invalid => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `join` with `rows` for its small side, and a filter on the other.
    fn narrowed(&self, join: &Join, small: Side, rows: Collected) -> PlanResult<LogicalPlan> {
        let schema = small.of(join).schema();
        let rows = rows.numbered(schema.as_arrow())?;
        let filters = match rows.is_whole() {
            true => self.filters(join, small, &rows)?,
            false => Vec::new(),
        };
        let other = LogicalPlanBuilder::from(Arc::clone(small.other().of(join)));
        let other = Arc::new(match conjunction(filters) {
            Some(filter) => other.filter(filter)?.build()?,
            None => other.build()?,
        });
        let rows = Arc::new(table(JOIN_SIDE, rows, schema)?);
        let (left, right) = if small == Side::Left { (rows, other) } else { (other, rows) };
        Ok(LogicalPlan::Join(Join { left, right, ..join.clone() }))
    }

    /// What rows of the other side pass that have a partner among `rows`.
    fn filters(&self, join: &Join, small: Side, rows: &Collected) -> PlanResult<Vec<Expr>> {
        let values = |expr: &Expr| -> PlanResult<Vec<ArrayRef>> {
            let expr = self.state.create_physical_expr(expr.clone(), small.of(join).schema())?;
            let of_batch = |batch: &RecordBatch| expr.evaluate(batch)?.into_array(batch.num_rows());
            rows.batches().iter().map(of_batch).collect()
        };
        let mut filters = Vec::new();
        for (other, op, expr) in comparisons(join, small) {
            let is_known = is_comparable(&expr.get_type(small.of(join).schema())?)
                && !other.column_refs().is_empty()
                && ![&other, &expr].into_iter().any(|expr| expr.is_volatile() || has_subquery(expr));
            if is_known {
                filters.extend(follows(other, op, &values(&expr)?)?);
            }
        }
        Ok(filters)
    }

    /// `plan` with its filters as near to the scans as they can be.
    fn pushed_down(&self, plan: LogicalPlan) -> PlanResult<LogicalPlan> {
        let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
            Arc::new(EliminateFilter::new()),
            Arc::new(PropagateEmptyRelation::new()),
            Arc::new(PushDownFilter::new()),
        ];
        Optimizer::with_rules(rules).optimize(plan, self.state, |_, _| {})
    }
}

fn joins(plan: &LogicalPlan) -> Vec<Join> {
    let mut joins = Vec::new();
    let walked = plan.apply(|node| {
        if let LogicalPlan::Join(join) = node {
            joins.push(join.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    // The closure does not fail.
    walked.map_or_else(|_| Vec::new(), |_| joins)
}

/// Whether a side was read before and there is nothing more to learn from it.
fn was_read(side: &LogicalPlan) -> bool {
    let mut side = side;
    while let [input] = side.inputs()[..] {
        side = input;
    }
    let LogicalPlan::TableScan(scan) = side else { return false };
    collected_of(scan).is_some_and(|rows| scan.table_name.table() == JOIN_SIDE || !rows.0.is_whole())
}

fn reads_events(side: &LogicalPlan) -> bool {
    side.exists(|node| Ok(matches!(node, LogicalPlan::TableScan(scan) if events_of(scan).is_some())))
        .unwrap_or(false)
}

fn is_small(small: Estimate, other: Estimate) -> bool {
    let is_part = |rows: u64| rows.saturating_mul(SMALL_ONE_IN) <= other.work;
    is_part(small.work) || small.rows.is_some_and(|rows| rows <= SUBQUERY_ROWS_MAX as u64 && is_part(rows))
}

fn can_be_read(side: &LogicalPlan) -> PlanResult<bool> {
    let is_alone = !side.exists(|node| Ok(node.contains_outer_reference()))?;
    Ok(is_alone && !side.schema().fields().is_empty() && is_stable(side)?)
}

/// `plan` with `narrowed` for `join`.
fn put(plan: LogicalPlan, join: Join, narrowed: &LogicalPlan) -> PlanResult<LogicalPlan> {
    let join = LogicalPlan::Join(join);
    let replaced = plan.transform_down(|node| match node == join {
        true => Ok(Transformed::new(narrowed.clone(), true, TreeNodeRecursion::Jump)),
        false => Ok(Transformed::no(node)),
    });
    replaced.map(|replaced| replaced.data)
}

/// What the join compares: an expression of the other side, how, and one of the small side.
fn comparisons(join: &Join, small: Side) -> Vec<(Expr, Operator, Expr)> {
    let mut comparisons = Vec::new();
    if join.null_equality == NullEquality::NullEqualsNothing {
        for (left, right) in join.on.iter().cloned() {
            let (small, other) = if small == Side::Left { (left, right) } else { (right, left) };
            comparisons.push((other, Operator::Eq, small));
        }
    }
    let is_of = |expr: &Expr, side: Side| {
        let schema = side.of(join).schema();
        let columns = expr.column_refs();
        !columns.is_empty() && columns.into_iter().all(|column| schema.has_column(column))
    };
    for condition in join.filter.iter().flat_map(split_conjunction) {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { continue };
        let (other, op, expr) = match (is_of(left, small), is_of(right, small)) {
            (false, true) => (left, Some(*op), right),
            (true, false) => (right, op.swap(), left),
            _ => continue,
        };
        if let Some(op) = op.filter(|_| is_of(other, small.other())) {
            comparisons.push((other.as_ref().clone(), op, expr.as_ref().clone()));
        }
    }
    comparisons
}

/// What follows for `other` from `other op value` for one of the values.
fn follows(other: Expr, op: Operator, values: &[ArrayRef]) -> PlanResult<Option<Expr>> {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq};
    if !matches!(op, Eq | Gt | GtEq | Lt | LtEq) {
        return Ok(None);
    }
    let Some((low, high)) = extremes(values)? else {
        // There is nothing but NULLs to compare with.
        return Ok(Some(lit(false)));
    };
    let constant = |value: ScalarValue| Expr::Literal(value, None);
    Ok(match op {
        Eq => Some(match distinct(values.iter(), INDEX_PROBES_MAX)? {
            Some(values) => {
                let values = values.into_iter().filter(|value| !value.is_null());
                Expr::InList(InList::new(Box::new(other), values.map(constant).collect(), false))
            }
            None => {
                let (low, high) = (Box::new(constant(low)), Box::new(constant(high)));
                Expr::Between(Between::new(Box::new(other), false, low, high))
            }
        }),
        Gt | GtEq => Some(binary_expr(other, op, constant(low))),
        _ => Some(binary_expr(other, op, constant(high))),
    })
}

/// The smallest and the largest value; `None` if there is none.
fn extremes(values: &[ArrayRef]) -> PlanResult<Option<(ScalarValue, ScalarValue)>> {
    let mut extremes: Option<(ScalarValue, ScalarValue)> = None;
    for column in values {
        for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
            let value = ScalarValue::try_from_array(column, row)?;
            extremes = Some(match extremes {
                None => (value.clone(), value),
                Some((low, high)) if value.partial_cmp(&low) == Some(Ordering::Less) => (value, high),
                Some((low, high)) if value.partial_cmp(&high) == Some(Ordering::Greater) => (low, value),
                Some(known) => known,
            });
        }
    }
    Ok(extremes)
}

/// Whether a join and a filter compare values of that type alike; of floating-point numbers there are two zeros.
fn is_comparable(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Boolean | DataType::Date32
        )
        || matches!(data_type, DataType::Timestamp(..) | DataType::Decimal128(..))
}
