//! `WHERE … ORDER BY … LIMIT n`: hands the sort what it needs as soon as it is found.
//!
//! In: a physical plan. Out: the same plan, in which below a sort that keeps `n` rows a filter gives away its rows as soon as it
//! has `n`, and files are read from the end that the sort wants first. Guaranteed: the same answer. A filter of DataFusion's
//! collects 8,192 rows before it gives any away, and until the sort has seen `n` rows it cannot tell the scan which files
//! are of no use: where few rows pass, all were read.

use std::sync::Arc;

use datafusion::{
    common::tree_node::{Transformed, TreeNode},
    config::ConfigOptions,
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder},
        source::{DataSource, DataSourceExec},
    },
    error::Result,
    physical_expr::{PhysicalExpr, expressions::Column, utils::collect_columns},
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ExecutionPlan, coalesce_partitions::CoalescePartitionsExec, filter::FilterExec,
        projection::ProjectionExec, sorts::sort::SortExec, union::UnionExec,
    },
};

use super::{narrow::Barrier, needle::Needle, newest::with_children};
use crate::event::schema::{DAY, OCCURRED_AT, SEQ};

/// Fewer rows than this are not worth a batch of their own.
const ROWS_MIN: usize = 16;

/// The rule. It stands after all others, which may replace filters.
#[derive(Debug)]
pub(crate) struct EagerFilters;

impl PhysicalOptimizerRule for EagerFilters {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let eager = plan.transform_down(|node| {
            let Some(wanted) = node.downcast_ref::<SortExec>().and_then(Wanted::by) else {
                return Ok(Transformed::no(node));
            };
            let input = wanted.of(node.children()[0])?;
            Ok(Transformed::yes(with_children(node, vec![input])?))
        });
        eager.map(|eager| eager.data)
    }

    fn name(&self) -> &str {
        "eager_filters"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What a sort wants.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    rows: usize,
    oldest_first: bool,
}

impl Wanted {
    /// What `sort` wants, if it does not want everything.
    fn by(sort: &SortExec) -> Option<Self> {
        let rows = sort.fetch()?.max(ROWS_MIN);
        let key = sort.expr().first();
        let column = key.expr.downcast_ref::<Column>().map(Column::name);
        let oldest_first = column == Some(OCCURRED_AT) && !key.options.descending;
        Some(Self { rows, oldest_first })
    }

    /// `plan` to suit, down to what changes the order of rows or their number.
    fn of(self, plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(source) = plan.downcast_ref::<DataSourceExec>() {
            let reversed = self.oldest_first.then(|| reversed(source.data_source().as_ref())).flatten();
            return Ok(reversed.unwrap_or_else(|| Arc::clone(plan)));
        }
        let plan: Arc<dyn ExecutionPlan> = match plan.downcast_ref::<FilterExec>() {
            // Of what passes by its time, there are enough at once, and to change the sort's bound often costs more than it saves.
            Some(filter) if is_of_time(filter.predicate()) => Arc::clone(plan),
            Some(filter) => Arc::new(filter.with_batch_size(self.rows.min(filter.batch_size()))?),
            None if changes_no_rows(plan) => Arc::clone(plan),
            None => return Ok(Arc::clone(plan)),
        };
        let children = plan.children().into_iter().map(|child| self.of(child)).collect::<Result<_>>()?;
        with_children(plan, children)
    }
}

fn is_of_time(predicate: &Arc<dyn PhysicalExpr>) -> bool {
    collect_columns(predicate).iter().all(|column| [OCCURRED_AT, DAY, SEQ].contains(&column.name()))
}

fn changes_no_rows(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<ProjectionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<UnionExec>()
        || plan.is::<Barrier>()
}

/// The same files from the other end: they stand newest first.
fn reversed(source: &dyn DataSource) -> Option<Arc<dyn ExecutionPlan>> {
    if let Some(needle) = source.downcast_ref::<Needle>() {
        return Some(DataSourceExec::from_data_source(needle.oldest_first()));
    }
    let scan = source.downcast_ref::<FileScanConfig>()?;
    let groups = scan.file_groups.iter().map(|group| {
        let mut files: Vec<PartitionedFile> = group.iter().cloned().collect();
        files.reverse();
        FileGroup::new(files)
    });
    let groups = groups.collect();
    Some(DataSourceExec::from_data_source(
        FileScanConfigBuilder::from(scan.clone()).with_file_groups(groups).build(),
    ))
}
