//! `ORDER BY occurred_at DESC LIMIT n` without a filter: reads the newest files only, and of each the last rows.
//!
//! In: a physical plan in which a sort keeps the newest `n` rows of a scan that nothing filters. Out: the same plan over
//! fewer files and rows. Guaranteed: the newest `n` rows are among those left, because each file is sorted by
//! (`occurred_at`, `seq`) and its statistics bound its times. A sort by other columns after the time may choose
//! among rows of the same time, so then whole files are read; with a filter, the rule does not apply, and
//! the scan's order and the sort's own bound stop it early.

use std::sync::Arc;

use datafusion::{
    common::tree_node::{Transformed, TreeNode},
    config::ConfigOptions,
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, parquet::ParquetRowSelection},
        source::DataSourceExec,
    },
    error::Result,
    physical_expr::{PhysicalExpr, expressions::Column},
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions,
        coalesce_partitions::CoalescePartitionsExec, projection::ProjectionExec, sorts::sort::SortExec,
        union::UnionExec,
    },
};
use parquet::arrow::arrow_reader::RowSelection;

use super::scan::Times;
use crate::event::schema::{OCCURRED_AT, SEQ};

/// The rule.
#[derive(Debug)]
pub(crate) struct NewestFirst;

impl PhysicalOptimizerRule for NewestFirst {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let narrowed = plan.transform_down(|node| {
            let Some((newest, columns)) = Newest::of(&node) else { return Ok(Transformed::no(node)) };
            match newest.narrow(node.children()[0], &columns)? {
                Some(input) => Ok(Transformed::yes(with_children(node, vec![input])?)),
                None => Ok(Transformed::no(node)),
            }
        });
        narrowed.map(|narrowed| narrowed.data)
    }

    fn name(&self) -> &str {
        "newest_first"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What a sort wants.
struct Newest {
    /// How many rows.
    rows: usize,
    /// Whether rows of the same time are taken in the order of the files, or in any.
    by_file_order: bool,
}

impl Newest {
    /// What `node` wants, and the columns that it sorts by, if it is a sort of interest.
    fn of(node: &Arc<dyn ExecutionPlan>) -> Option<(Self, Vec<usize>)> {
        let sort = node.downcast_ref::<SortExec>()?;
        let rows = sort.fetch()?;
        let mut columns = Vec::new();
        for key in sort.expr().iter() {
            match column(&key.expr).filter(|_| key.options.descending) {
                Some(index) => columns.push(index),
                None => break,
            }
        }
        let by_file_order = columns.len() == sort.expr().len() && columns.len() <= 2;
        (!columns.is_empty()).then_some((Self { rows, by_file_order }, columns))
    }

    /// `plan` over fewer files; `None` if it is not a scan that this can be said of.
    fn narrow(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        columns: &[usize],
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
            let below = |index: &usize| projection.expr().get(*index).and_then(|each| column(&each.expr));
            let Some(below) = columns.iter().map(below).collect::<Option<Vec<_>>>() else { return Ok(None) };
            return self.narrow_child(plan, &below);
        }
        if plan.is::<CoalescePartitionsExec>() {
            return self.narrow_child(plan, columns);
        }
        if plan.is::<UnionExec>() {
            let mut children = Vec::new();
            let mut any = false;
            for child in plan.children() {
                let narrowed = self.narrow(child, columns)?;
                any |= narrowed.is_some();
                children.push(narrowed.unwrap_or_else(|| Arc::clone(child)));
            }
            return if any { with_children(Arc::clone(plan), children).map(Some) } else { Ok(None) };
        }
        Ok(self.narrow_scan(plan, columns))
    }

    fn narrow_child(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        columns: &[usize],
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        match self.narrow(plan.children()[0], columns)? {
            Some(child) => with_children(Arc::clone(plan), vec![child]).map(Some),
            None => Ok(None),
        }
    }

    fn narrow_scan(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        columns: &[usize],
    ) -> Option<Arc<dyn ExecutionPlan>> {
        let scan = plan.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<FileScanConfig>()?;
        let schema = plan.schema();
        let names: Vec<&str> = columns.iter().map(|index| schema.field(*index).name().as_str()).collect();
        let is_whole = scan.file_source().filter().is_none() && scan.limit.is_none();
        if names.first() != Some(&OCCURRED_AT) || !is_whole {
            return None;
        }
        let by_file_order = self.by_file_order && (names.len() == 1 || names[1] == SEQ);
        let files = scan.file_groups.iter().flat_map(FileGroup::iter).cloned().collect();
        let kept = newest_files(files, self.rows)?;
        let mut groups = vec![Vec::new(); scan.file_groups.len().clamp(1, kept.len().max(1))];
        let count = groups.len();
        for (position, file) in kept.into_iter().enumerate() {
            let file = if by_file_order { last_rows(file, self.rows) } else { file };
            groups[position % count].push(file);
        }
        let narrowed = FileScanConfigBuilder::from(scan.clone())
            .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
            .with_statistics(scan.statistics().to_inexact())
            .build();
        Some(DataSourceExec::from_data_source(narrowed))
    }
}

pub(super) fn with_children(
    plan: Arc<dyn ExecutionPlan>,
    children: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

fn column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expr.downcast_ref::<Column>().map(Column::index)
}

/// The files that the newest `rows` rows are in, newest first; `None` if their statistics do not tell.
fn newest_files(files: Vec<PartitionedFile>, rows: usize) -> Option<Vec<PartitionedFile>> {
    let mut bounded = files
        .into_iter()
        .map(|file| {
            let (count, first, last) = bounds(&file)?;
            Some((count, first, last, file))
        })
        .collect::<Option<Vec<_>>>()?;
    bounded.sort_by_key(|(_, _, last, _)| std::cmp::Reverse(*last));
    // So many rows are at or after this time that none before it can be among the newest.
    let mut oldest = i64::MIN;
    let (mut counted, mut first_of_all) = (0, i64::MAX);
    for (count, first, _, _) in &bounded {
        counted += count;
        first_of_all = first_of_all.min(*first);
        if counted >= rows {
            oldest = first_of_all;
            break;
        }
    }
    Some(bounded.into_iter().filter(|(_, _, last, _)| *last >= oldest).map(|(_, _, _, file)| file).collect())
}

/// Exact number of rows, and bounds of their times.
fn bounds(file: &PartitionedFile) -> Option<(usize, i64, i64)> {
    file.extensions.get::<Times>().map(|times| (times.rows, times.first, times.last))
}

/// The last `rows` rows of a file, which are its newest.
fn last_rows(file: PartitionedFile, rows: usize) -> PartitionedFile {
    let Some((total, _, _)) = bounds(&file).filter(|(total, _, _)| *total > rows) else { return file };
    let last = RowSelection::from_consecutive_ranges(std::iter::once(total - rows..total), total);
    file.with_extension(ParquetRowSelection::new(last))
}
