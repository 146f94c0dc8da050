//! How `EXPLAIN` tells of the parts of a query that are run first.

use std::{collections::HashSet, fmt, sync::Arc};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::{
    catalog::memory::MemorySourceConfig,
    error::Result as PlanResult,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Explain, LogicalPlan},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
        explain::ExplainExec,
    },
};

use super::{Subqueries, find::replaceable};
use crate::{
    error::Result,
    query::{failure::failure, own_plan::evaluates_no_expressions},
};

/// The name of the row.
const NOTE: &str = "run_first";

impl Subqueries<'_> {
    /// `explained`, the plan of an `EXPLAIN`, with a row that says what would be run first.
    pub(super) async fn with_note(
        &self,
        explained: Arc<dyn ExecutionPlan>,
        explain: &Explain,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(shown) = explained.downcast_ref::<ExplainExec>() else { return Ok(explained) };
        let analysed = self.analysed(explain.plan.as_ref().clone())?;
        let mut parts = replaceable(&analysed).map_err(failure)?;
        let optimised = self.state.optimizer().optimize(analysed, self.state, |_, _| {}).map_err(failure)?;
        if let Some((join, _)) = self.next_join(&optimised, &HashSet::new()).await? {
            parts.push(format!("the small side of: {}", LogicalPlan::Join(join).display()));
        }
        if parts.is_empty() {
            return Ok(explained);
        }
        let note = format!(
            "EXPLAIN does not run these parts, so the plan above does not know what they give. The query runs them \
             first and plans the rest with their values, as if they had been written (EXPLAIN ANALYZE shows it):\n{}",
            parts.join("\n")
        );
        with_row(shown, &note).map_err(failure)
    }
}

fn with_row(shown: &ExplainExec, note: &str) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let plans = shown.stringified_plans().iter().filter(|plan| plan.should_display(shown.verbose()));
    let rows: Vec<(String, &str)> =
        plans.map(|plan| (plan.plan_type.to_string(), plan.plan.as_str())).collect();
    let column = |texts: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(texts)) };
    let kinds = rows.iter().map(|(kind, _)| kind.as_str()).chain([NOTE]).collect();
    let texts = rows.iter().map(|(_, text)| *text).chain([note]).collect();
    let schema = shown.schema();
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column(kinds), column(texts)])?;
    Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None)?)
}

/// Gives what its input gives, and shows beside it what was run before.
#[derive(Debug)]
pub(super) struct WithFirst {
    input: Arc<dyn ExecutionPlan>,
    first: Vec<Arc<dyn ExecutionPlan>>,
}

impl WithFirst {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, first: Vec<Arc<dyn ExecutionPlan>>) -> Self {
        Self { input, first }
    }
}

impl DisplayAs for WithFirst {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WithFirst: parts run first={}", self.first.len())
    }
}

impl ExecutionPlan for WithFirst {
    fn name(&self) -> &str {
        "WithFirst"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        std::iter::once(&self.input).chain(&self.first).collect()
    }

    evaluates_no_expressions!();

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let mut children = children.into_iter();
        let input = children.next().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self { input, first: children.collect() }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}
