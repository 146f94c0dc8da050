//! From a logical plan to a physical one, with what subqueries and the small sides of joins give known before the scans are planned.
//!
//! In: a logical plan. Out: a physical plan. Guaranteed: the same answer as without; every part sees the same snapshot, and counts to the
//! same deadline, memory and statistics.
//!
//! A scan decides which files and rows to read when it is planned (`prune`, `skip`), by constants. DataFusion runs an uncorrelated
//! subquery when the plan runs, and hands the keys of a join's smaller side to the other side's scan while it runs: both too late for
//! the skip index, for a needle's way of reading, and for the choice between the two. So what is small is run first, and planning goes on
//! with its values as if they had been written: a needle by `= (SELECT …)` gets the plan of a needle.
//!
//! - `find` finds subqueries and `values` replaces them, before the optimizer;
//! - `join_keys` reads small sides of joins, after it (which has turned `EXISTS` into joins by then);
//! - `estimate` says what is small, from pruning alone; `collected` is what was read.
//!
//! `EXPLAIN` runs nothing: it shows the plan without these values, and says which parts would be run first. `EXPLAIN ANALYZE` runs and shows
//! them all ([`WithFirst`]).

mod collected;
mod estimate;
mod explain;
mod find;
mod join_keys;
mod values;

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::{
    common::tree_node::TreeNodeRecursion,
    execution::{SessionState, TaskContext},
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, analyze::AnalyzeExec},
};
use futures::{FutureExt, future::BoxFuture};

use self::{collected::Collected, explain::WithFirst};
use super::{
    failure::failure,
    joins,
    newest::with_children,
    statistics::{Ledger, Reading},
};
use crate::error::Result;

/// Plans one query.
pub(crate) struct Subqueries<'a> {
    pub(crate) state: &'a SessionState,
    pub(crate) task: &'a Arc<TaskContext>,
    pub(crate) ledger: &'a Ledger,
    /// What was run so far, for `EXPLAIN ANALYZE`.
    ran: Mutex<Vec<Arc<dyn ExecutionPlan>>>,
}

impl<'a> Subqueries<'a> {
    pub(crate) fn new(state: &'a SessionState, task: &'a Arc<TaskContext>, ledger: &'a Ledger) -> Self {
        Self { state, task, ledger, ran: Mutex::default() }
    }

    /// The plan of a query, a part of which may have been run.
    pub(crate) async fn plan(&self, logical: LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        if !has_parts(&logical) {
            return self.state.create_physical_plan(&logical).await.map_err(failure);
        }
        let logical = find::without_quantifiers(logical).and_then(find::without_exists_as_value);
        let logical = logical.map_err(failure)?;
        if let LogicalPlan::Explain(explain) = &logical {
            let explained = self.state.create_physical_plan(&logical).await.map_err(failure)?;
            return self.with_note(explained, explain).await;
        }
        let analysed = self.analysed(logical)?;
        let plan = self.planned(analysed).await?;
        let ran = std::mem::take(&mut *self.ran.lock().unwrap_or_else(PoisonError::into_inner));
        match plan.is::<AnalyzeExec>() && !ran.is_empty() {
            true => {
                let shown = WithFirst::new(Arc::clone(plan.children()[0]), ran);
                with_children(plan, vec![Arc::new(shown)]).map_err(failure)
            }
            false => Ok(plan),
        }
    }

    fn analysed(&self, logical: LogicalPlan) -> Result<LogicalPlan> {
        let options = self.state.config_options();
        self.state.analyzer().execute_and_check(logical, options, |_, _| {}).map_err(failure)
    }

    /// The physical plan of an analysed one.
    fn planned(&self, analysed: LogicalPlan) -> BoxFuture<'_, Result<Arc<dyn ExecutionPlan>>> {
        async move {
            let with_values = self.with_values(analysed).await?;
            let optimised =
                self.state.optimizer().optimize(with_values, self.state, |_, _| {}).map_err(failure)?;
            let narrowed = self.with_join_keys(optimised).await?;
            self.physical(&narrowed).await
        }
        .boxed()
    }

    async fn physical(&self, optimised: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = self.state.query_planner();
        planner.create_physical_plan(optimised, self.state).await.map_err(failure)
    }

    /// Runs a part of the query.
    async fn run(&self, plan: Arc<dyn ExecutionPlan>, rows_max: usize) -> Result<Collected> {
        joins::check(&plan)?;
        let reading = self.ledger.begin(Reading::Plan(Arc::clone(&plan)));
        let collected = Collected::read(Arc::clone(&plan), Arc::clone(self.task), rows_max).await;
        let collected = collected.map_err(failure)?;
        if collected.is_whole() {
            // What is done must not hold its memory any longer.
            self.ledger.finish(reading);
        }
        self.ran.lock().unwrap_or_else(PoisonError::into_inner).push(plan);
        Ok(collected)
    }
}

/// Whether there may be anything to run first.
fn has_parts(plan: &LogicalPlan) -> bool {
    let mut has_parts = false;
    let walked = plan.apply_with_subqueries(|node| {
        let is_inner = matches!(node, LogicalPlan::Join(_));
        node.apply_expressions(|expr| {
            has_parts |= find::has_subquery(expr);
            Ok(TreeNodeRecursion::Continue)
        })?;
        has_parts |= is_inner;
        Ok(if has_parts { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.is_ok() && has_parts
}
