//! How much a part of a query reads, and how many rows it can give at most: from pruning, before anything is read.
//!
//! In: a logical plan, optimised or not. Out: two numbers. Guaranteed: nothing is read but the skip index; they only decide what is
//! run first, and never what the answer is.

use datafusion::{
    datasource::DefaultTableSource,
    execution::SessionState,
    logical_expr::{
        Aggregate, Distinct, Expr, Filter, JoinType, Limit, LogicalPlan, Projection, TableScan,
        expr_rewriter::unnormalize_cols, utils::split_conjunction_owned,
    },
};
use futures::{FutureExt, future::BoxFuture};

use super::{collected::CollectedTable, find::has_subquery};
use crate::query::{columns, conditions::simplified, provider::EventsTable};

/// What a part of a query costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Estimate {
    /// Rows that its scans of events read.
    pub(super) work: u64,
    /// Rows that it gives at most, if that is known.
    pub(super) rows: Option<u64>,
}

/// What `plan` costs.
pub(super) async fn estimate(plan: &LogicalPlan, state: &SessionState) -> Estimate {
    of(plan, Vec::new(), state).await
}

/// The table `events` of a scan, if it is one of it.
pub(super) fn events_of(scan: &TableScan) -> Option<&EventsTable> {
    provider(scan)?.downcast_ref()
}

/// The rows that were read before, if it is a scan of such.
pub(super) fn collected_of(scan: &TableScan) -> Option<&CollectedTable> {
    provider(scan)?.downcast_ref()
}

fn provider(scan: &TableScan) -> Option<&dyn std::any::Any> {
    let source = (scan.source.as_ref() as &dyn std::any::Any).downcast_ref::<DefaultTableSource>()?;
    Some(source.table_provider.as_ref() as &dyn std::any::Any)
}

/// The same, below filters that are not pushed down yet.
fn of<'a>(plan: &'a LogicalPlan, filters: Vec<Expr>, state: &'a SessionState) -> BoxFuture<'a, Estimate> {
    async move {
        match plan {
            LogicalPlan::TableScan(scan) => of_scan(scan, filters, state).await,
            LogicalPlan::Filter(Filter { predicate, input, .. }) => {
                let more = split_conjunction_owned(predicate.clone());
                let known = more.into_iter().filter(|filter| !has_subquery(filter));
                of(input, filters.into_iter().chain(known).collect(), state).await
            }
            LogicalPlan::SubqueryAlias(named) => of(&named.input, filters, state).await,
            LogicalPlan::Projection(Projection { expr, input, .. }) => {
                // What a computed column is called may be a name of the table, too.
                let is_plain = expr.iter().all(|expr| matches!(expr, Expr::Column(_)));
                of(input, if is_plain { filters } else { Vec::new() }, state).await
            }
            LogicalPlan::Sort(sort) => {
                let below = of(&sort.input, Vec::new(), state).await;
                at_most(below, sort.fetch.map(|fetch| fetch as u64))
            }
            LogicalPlan::Limit(limit) => at_most(of(&limit.input, Vec::new(), state).await, fetch(limit)),
            LogicalPlan::Distinct(Distinct::All(input)) => of(input, filters, state).await,
            LogicalPlan::Aggregate(Aggregate { input, group_expr, .. }) => {
                let below = of(input, Vec::new(), state).await;
                at_most(below, group_expr.is_empty().then_some(1))
            }
            LogicalPlan::Values(values) => Estimate { work: 0, rows: Some(values.values.len() as u64) },
            LogicalPlan::EmptyRelation(_) => Estimate { work: 0, rows: Some(1) },
            _ => of_inputs(plan, state).await,
        }
    }
    .boxed()
}

fn at_most(below: Estimate, most: Option<u64>) -> Estimate {
    let rows = match (below.rows, most) {
        (Some(rows), Some(most)) => Some(rows.min(most)),
        (rows, most) => rows.or(most),
    };
    Estimate { rows, ..below }
}

fn fetch(limit: &Limit) -> Option<u64> {
    match limit.fetch.as_deref() {
        Some(Expr::Literal(value, _)) => value.to_string().parse().ok(),
        _ => None,
    }
}

async fn of_scan(scan: &TableScan, filters: Vec<Expr>, state: &SessionState) -> Estimate {
    if let Some(CollectedTable(rows)) = collected_of(scan) {
        return Estimate { work: 0, rows: rows.is_whole().then_some(rows.rows() as u64) };
    }
    let Some(events) = events_of(scan) else { return Estimate::default() };
    let table = columns::planned_columns();
    let is_of_table = |filter: &Expr| {
        let columns = filter.column_refs();
        columns.iter().all(|column| table.has_column_with_unqualified_name(column.name()))
    };
    let filters = unnormalize_cols(scan.filters.iter().cloned().chain(filters));
    let filters = filters.into_iter().filter(is_of_table);
    let filters = filters.filter_map(|filter| simplified(filter, state, &table).ok());
    let filters: Vec<Expr> = filters.flat_map(split_conjunction_owned).collect();
    match events.rows_left(state, &filters).await {
        Ok(rows) => {
            Estimate { work: rows, rows: Some(scan.fetch.map_or(rows, |most| rows.min(most as u64))) }
        }
        Err(_) => Estimate::default(),
    }
}

async fn of_inputs(plan: &LogicalPlan, state: &SessionState) -> Estimate {
    let mut inputs = Vec::new();
    for input in plan.inputs() {
        inputs.push(of(input, Vec::new(), state).await);
    }
    let work = inputs.iter().map(|input| input.work).sum();
    let rows = || inputs.iter().map(|input| input.rows).collect::<Option<Vec<u64>>>();
    let rows = match plan {
        LogicalPlan::Union(_) => rows().map(|rows| rows.iter().sum()),
        LogicalPlan::Window(_) => inputs.first().and_then(|input| input.rows),
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                inputs.first().and_then(|input| input.rows)
            }
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                inputs.last().and_then(|input| input.rows)
            }
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => rows().map(|rows| {
                rows.iter().fold(1, |product, rows| u64::saturating_mul(product, (*rows).max(1)))
            }),
        },
        _ => None,
    };
    Estimate { work, rows }
}
