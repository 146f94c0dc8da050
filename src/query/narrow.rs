//! What a reader sees of its tenant's events, if not all of them.
//!
//! In: a [`Narrowing`] and the plan of a scan. Out: the plan that gives only rows within it. Guaranteed: it stands below
//! everything that a query says, on each scan that a query makes. Nothing of the query is evaluated on a row outside: its
//! filters would otherwise tell of such rows by the errors that they meet there (a division by zero where an actor has a
//! certain name). That is what [`Barrier`] is for; PostgreSQL calls it a security barrier. Counts that the index keeps for
//! whole files are not used, nor are a query's filters on tenant and day decided file by file.

use std::{fmt, sync::Arc};

use datafusion::{
    catalog::Session,
    common::DFSchema,
    config::ConfigOptions,
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, Operator, binary_expr, col, lit, utils::disjunction},
    physical_expr::{
        PhysicalExpr,
        expressions::{Column, DynamicFilterPhysicalExpr},
    },
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
        filter::FilterExec,
        filter_pushdown::{FilterDescription, FilterPushdownPhase},
        projection::{ProjectionExec, ProjectionExpr},
    },
    scalar::ScalarValue,
};
use serde::{Deserialize, Serialize};

use super::{columns, own_plan::evaluates_no_expressions, pattern::ActionPattern};
use crate::event::schema::SEQ;

/// The part of a tenant's events that someone may see: those that fit everything that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Narrowing {
    /// Events of this workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// Events of this actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<String>,
    /// Events with one of these actions; if there are none, with any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionPattern>,
    /// Events committed before this one: what a log was when an export of it began. Not of tokens.
    #[serde(skip)]
    pub seq_before: Option<i64>,
}

impl Narrowing {
    /// Whether everything is within it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a row within it passes, as filters that all have to hold.
    pub(crate) fn filters(&self) -> Vec<Expr> {
        let equal =
            |column: &str, value: &Option<String>| value.as_ref().map(|value| col(column).eq(text(value)));
        let workspace = equal("workspace_id", &self.workspace_id);
        let actor = equal("actor_id", &self.actor_id);
        let action = disjunction(self.actions.iter().map(action));
        let committed = self.seq_before.map(|seq| col(SEQ).lt(lit(seq)));
        workspace.into_iter().chain(actor).chain(action).chain(committed).collect()
    }
}

fn text(value: &str) -> Expr {
    lit(ScalarValue::Utf8View(Some(value.to_owned())))
}

fn action(pattern: &ActionPattern) -> Expr {
    let compare = |operator, value: &str| binary_expr(col("action"), operator, text(value));
    match pattern.range() {
        None => compare(Operator::Eq, pattern.text()),
        Some((first, end)) => compare(Operator::GtEq, first).and(compare(Operator::Lt, &end)),
    }
}

/// The columns that a scan has to give for `filters` to be applied on top of it: those of `projection` first.
pub(crate) fn widened(projection: Option<&Vec<usize>>, filters: &[Expr]) -> Result<Vec<usize>> {
    let table = columns::table_columns();
    let mut indexes = projection.cloned().unwrap_or_else(|| (0..table.fields().len()).collect());
    for column in filters.iter().flat_map(Expr::column_refs) {
        let index = table.index_of(column.name())?;
        if !indexes.contains(&index) {
            indexes.push(index);
        }
    }
    Ok(indexes)
}

/// `scan`, which has the [`widened`] columns, without the rows that `filter` does not pass, and with the first `width` of
/// its columns.
pub(crate) fn narrowed(
    scan: Arc<dyn ExecutionPlan>,
    filter: Expr,
    width: usize,
    state: &dyn Session,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = scan.schema();
    let predicate = state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&schema))?)?;
    let within: Arc<dyn ExecutionPlan> = Arc::new(FilterExec::try_new(predicate, scan)?);
    let within: Arc<dyn ExecutionPlan> = match width == schema.fields().len() {
        true => within,
        false => {
            let columns = schema.fields().iter().enumerate().take(width).map(|(index, field)| {
                ProjectionExpr::new(Arc::new(Column::new(field.name(), index)), field.name().clone())
            });
            Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), within)?)
        }
    };
    Ok(Arc::new(Barrier { input: within }))
}

/// Gives what its input gives and lets nothing through from above: no filter, no limit, no projection; but for the bounds that a plan
/// finds while it runs (the smallest value that a sort with a limit still wants, say). They are made of rows within, and compare plain
/// columns with constants: on a row outside that neither fails nor tells anything, and files that cannot matter need not be read.
#[derive(Debug)]
pub(super) struct Barrier {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for Barrier {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Barrier")
    }
}

/// All that is not said here is said by the trait's defaults, and they let nothing through.
impl ExecutionPlan for Barrier {
    fn name(&self) -> &str {
        "Barrier"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    evaluates_no_expressions!();

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self { input })),
            _ => Err(DataFusionError::Internal("a barrier has one input".to_owned())),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        // What is found while a plan runs is handed down after everything else.
        match phase == FilterPushdownPhase::Post && parent_filters.iter().all(is_bound) {
            true => FilterDescription::from_children(parent_filters, &self.children()),
            false => Ok(FilterDescription::all_unsupported(&parent_filters, &self.children())),
        }
    }
}

/// Whether a filter is a bound on plain columns, which is found while a plan runs.
fn is_bound(filter: &Arc<dyn PhysicalExpr>) -> bool {
    let bound = filter.downcast_ref::<DynamicFilterPhysicalExpr>();
    bound.is_some_and(|bound| bound.children().iter().all(|child| child.is::<Column>()))
}
