//! Subqueries in conditions and among columns, replaced by what they give.
//!
//! In: an analysed plan. Out: the same plan, in which a subquery that does not depend on the row is a constant: `= (SELECT …)` the value
//! (NULL if it has no row), `IN (SELECT …)` the list of its distinct values, `EXISTS (SELECT …)` true or false. Guaranteed: the same
//! answer, by the rules of three-valued logic. `x IN ()` is false and `x NOT IN ()` true even for a NULL, and a NULL in the list
//! makes an `IN` without a match unknown. A subquery stays as it is, for the engine, if it depends on the row or on chance, if it cannot
//! be planned alone (the engine then says why), or if it gives JSON values of no fixed type. One that gives too many values for a list is
//! read from where it was left off, not run again.

use std::collections::{HashMap, HashSet};

use arrow::{array::ArrayRef, datatypes::DataType};
use datafusion::{
    common::{
        exec_err,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    error::Result as PlanResult,
    logical_expr::{
        Expr, LogicalPlan, LogicalPlanBuilder, Subquery,
        expr::{Exists, InList, InSubquery},
        expr_rewriter::NamePreserver,
        lit,
    },
    scalar::ScalarValue,
};

use super::{
    Subqueries,
    collected::{Collected, table},
    estimate::estimate,
    find::{Found, collect},
};
use crate::{
    error::{Error, ErrorKind, Result},
    limits::{INDEX_PROBES_MAX, SUBQUERY_ROWS_MAX},
    query::failure::failure,
};

/// What the rows of a subquery are called in the plan.
const SUBQUERY: &str = "__subquery";
/// A subquery is read first if the rest reads no fewer rows than this part of what it reads; else the rest's values narrow it.
const REST_ONE_IN: u64 = 4;

impl Subqueries<'_> {
    /// `plan` with constants where subqueries can be replaced.
    pub(super) async fn with_values(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let mut found = Vec::new();
        collect(&plan, &mut found).map_err(failure)?;
        found.sort_by_key(|found| !found.has_to_be_known);
        let mut values: HashMap<Expr, Expr> = HashMap::new();
        for found in found {
            if !values.contains_key(&found.expr)
                && let Some(value) = self.value(&found).await?
            {
                values.insert(found.expr, value);
            }
        }
        if values.is_empty() {
            return Ok(plan);
        }
        replace(plan, &values).map_err(failure)
    }

    /// What a subquery is the same as; `None`: it stays.
    async fn value(&self, found: &Found) -> Result<Option<Expr>> {
        match &found.expr {
            Expr::ScalarSubquery(subquery) => self.scalar(subquery).await,
            Expr::Exists(Exists { subquery, negated }) => {
                let one = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone()).limit(0, Some(1));
                let one = one.and_then(LogicalPlanBuilder::build).map_err(failure)?;
                let rows = self.read(one, 1).await?;
                Ok(rows.map(|rows| lit((rows.rows() > 0) != *negated)))
            }
            Expr::InSubquery(asked) => self.members(asked, found).await,
            _ => Ok(None),
        }
    }

    /// `x IN (SELECT …)` as `x IN (…)`; with what was read of the subquery in its place, if that is too much for a list.
    async fn members(&self, asked: &InSubquery, found: &Found) -> Result<Option<Expr>> {
        let InSubquery { expr, subquery, negated } = asked;
        if !found.has_to_be_known && !self.comes_first(&subquery.subquery, &found.rest).await {
            return Ok(None);
        }
        let Some(rows) = self.read(subquery.subquery.as_ref().clone(), usize::MAX).await? else {
            return Ok(None);
        };
        let most = if found.has_to_be_known { SUBQUERY_ROWS_MAX } else { INDEX_PROBES_MAX };
        if let Some(list) = list(expr, subquery, &rows, (*negated, most)).map_err(failure)? {
            return Ok(Some(list));
        }
        if found.has_to_be_known {
            let message = format!(
                "query: (NOT) IN (SELECT …) inside of NOT, OR or CASE gives more than {SUBQUERY_ROWS_MAX} rows; \
                 write it as a condition of its own, or as (NOT) EXISTS (SELECT …)"
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let plan = as_table(rows, &subquery.subquery).map_err(failure)?;
        let subquery = Subquery { subquery: plan.into(), ..subquery.clone() };
        Ok(Some(Expr::InSubquery(InSubquery::new(expr.clone(), subquery, *negated))))
    }

    async fn scalar(&self, subquery: &Subquery) -> Result<Option<Expr>> {
        let declared = subquery.subquery.schema().field(0).data_type().clone();
        let Some(rows) = self.read(subquery.subquery.as_ref().clone(), 1).await? else { return Ok(None) };
        let value = the_one_value(&rows, &declared).map_err(failure)?;
        Ok(Some(Expr::Literal(value, None)))
    }

    /// Whether to run a subquery before the rest. If the rest reads much less, it is the other way round: its values narrow the
    /// subquery, see `join_keys`.
    async fn comes_first(&self, subquery: &LogicalPlan, rest: &LogicalPlan) -> bool {
        let subquery = estimate(subquery, self.state).await;
        let is_short = subquery.rows.is_some_and(|rows| rows <= INDEX_PROBES_MAX as u64);
        is_short || estimate(rest, self.state).await.work.saturating_mul(REST_ONE_IN) >= subquery.work
    }

    /// The rows of a subquery, all of them or the first; `None` if it cannot be planned alone.
    async fn read(&self, plan: LogicalPlan, rows_max: usize) -> Result<Option<Collected>> {
        let physical = match self.planned(plan).await {
            Ok(physical) => physical,
            // The engine finds the same mistake in its place, or there is none if the subquery is not alone.
            Err(error) if error.kind() == ErrorKind::Invalid => return Ok(None),
            Err(error) => return Err(error),
        };
        self.run(physical, rows_max).await.map(Some)
    }
}

/// `plan` with these in the place of subqueries.
fn replace(plan: LogicalPlan, values: &HashMap<Expr, Expr>) -> PlanResult<LogicalPlan> {
    let replaced = plan.transform_down_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_down(|expr| match values.get(&expr) {
                Some(value) => Ok(Transformed::new(value.clone(), true, TreeNodeRecursion::Jump)),
                None => Ok(Transformed::no(expr)),
            })?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })
    })?;
    // A subquery without a row is NULL, whatever its column may be.
    let known =
        replaced.data.transform_up_with_subqueries(|node| node.recompute_schema().map(Transformed::yes));
    known.map(|known| known.data)
}

/// The value of a scalar subquery.
fn the_one_value(rows: &Collected, declared: &DataType) -> PlanResult<ScalarValue> {
    if rows.rows() > 1 {
        // As the engine says it where it runs such a subquery itself.
        return exec_err!("Scalar subquery returned more than one row");
    }
    let batch = rows.batches().iter().find(|batch| batch.num_rows() > 0);
    match batch {
        Some(batch) => of_type(ScalarValue::try_from_array(batch.column(0), 0)?, declared),
        None => ScalarValue::try_from(declared),
    }
}

/// What was read of a subquery, and the rest of it.
fn as_table(rows: Collected, subquery: &LogicalPlan) -> PlanResult<LogicalPlan> {
    let schema = subquery.schema();
    table(SUBQUERY, rows.numbered(schema.as_arrow())?, schema)
}

/// Plans may give text as another kind of text than was declared.
fn of_type(value: ScalarValue, declared: &DataType) -> PlanResult<ScalarValue> {
    if value.data_type() == *declared { Ok(value) } else { value.cast_to(declared) }
}

/// `expr IN (…)` with what is in `rows`, the answer of `subquery`; `None` if there are more than `most` values.
fn list(
    expr: &Expr,
    subquery: &Subquery,
    rows: &Collected,
    (negated, most): (bool, usize),
) -> PlanResult<Option<Expr>> {
    let declared = subquery.subquery.schema().field(0).data_type();
    let columns = rows.batches().iter().map(|batch| batch.column(0));
    let Some(values) = rows.is_whole().then(|| distinct(columns, most)).transpose()?.flatten() else {
        return Ok(None);
    };
    if values.is_empty() {
        return Ok(Some(lit(negated)));
    }
    let list = values.into_iter().map(|value| Ok(Expr::Literal(of_type(value, declared)?, None)));
    let list = list.collect::<PlanResult<Vec<_>>>()?;
    Ok(Some(Expr::InList(InList::new(Box::new(expr.clone()), list, negated))))
}

/// The distinct values of some columns of one type, in the order in which they come, a NULL included; `None` if they are more than `most`.
pub(super) fn distinct<'a>(
    columns: impl Iterator<Item = &'a ArrayRef>,
    most: usize,
) -> PlanResult<Option<Vec<ScalarValue>>> {
    let (mut known, mut values) = (HashSet::new(), Vec::new());
    for column in columns {
        for row in 0..column.len() {
            let value = ScalarValue::try_from_array(column, row)?;
            if known.contains(&value) {
                continue;
            }
            if values.len() == most {
                return Ok(None);
            }
            known.insert(value.clone());
            values.push(value);
        }
    }
    Ok(Some(values))
}
