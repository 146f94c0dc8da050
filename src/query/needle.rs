//! Reads the few rows that the skip index has left of many files.
//!
//! In: files with the rows of each that may match, newest first, and the filters of the plan above. Out: the rows that pass.
//! Guaranteed: every row among those left that passes comes out once; a filter that is taken is applied in full.
//! DataFusion's own scan is made for many rows of few files: for each file it compiles the filter, looks at statistics and
//! adapts the columns anew, which for a block of a thousand rows takes longer than to read it. Here the filter is
//! compiled once; then each file gives the blocks of the filter's columns, and of the other columns those
//! blocks that have a match (`read`): from memory, or from its pages (`source`, `opened`). Filters that change while the query
//! runs, such as the bound of `ORDER BY … LIMIT n`, leave files out that are no longer needed (`bound`).

mod bound;
mod opened;
mod read;
mod source;

use std::{fmt, sync::Arc};

use arrow::datatypes::SchemaRef;
use datafusion::{
    common::{Statistics as TableStatistics, stats::Precision, tree_node::TreeNodeRecursion},
    config::ConfigOptions,
    datasource::{listing::PartitionedFile, physical_plan::ParquetFileReaderFactory, source::DataSource},
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{
        EquivalenceProperties, Partitioning, PhysicalExpr, expressions::DynamicFilterTracking,
        projection::ProjectionExprs,
    },
    physical_expr_common::physical_expr::is_volatile,
    physical_plan::{
        DisplayFormatType,
        filter_pushdown::{FilterPushdownPropagation, PushedDown},
        metrics::{BaselineMetrics, ExecutionPlanMetricsSet},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, TryStreamExt, stream};

use self::bound::Bound;
pub(super) use self::{
    opened::Opened,
    read::Reading,
    source::{Source, numbers},
};
use super::{block_times::TimesCache, blocks::Blocks, memory_words::MemoryWords, prune::KeptFile};
use crate::table::snapshot::Snapshot;

/// Files that one partition reads at the same time: enough to hide that a store is far away.
const FILES_AT_ONCE: usize = 16;
/// The same where what the first files give may make the others unnecessary.
const BOUNDED_FILES_AT_ONCE: usize = 4;

/// What files are read with.
#[derive(Debug)]
pub(crate) struct Access {
    /// Reads what is not in memory.
    pub(crate) readers: Arc<dyn ParquetFileReaderFactory>,
    /// What is.
    pub(crate) blocks: Blocks,
    /// From when to when blocks go.
    pub(crate) times: TimesCache,
    /// Which words uncommitted events have.
    pub(crate) words: MemoryWords,
}

/// One file to read.
#[derive(Debug)]
pub(crate) struct NeedleFile {
    /// As readers take it.
    pub(crate) file: PartitionedFile,
    /// What the index has left of it.
    pub(crate) kept: KeptFile,
    /// The log that it is part of.
    pub(crate) snapshot: Arc<Snapshot>,
}

/// The source of the rows.
#[derive(Clone, Debug)]
pub(crate) struct Needle {
    /// What each partition reads, in this order.
    partitions: Vec<Vec<Arc<NeedleFile>>>,
    /// A projection of the table's columns.
    schema: SchemaRef,
    access: Arc<Access>,
    /// Rows that come out pass all of these.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    /// Rows that do not pass these are not wanted, but may come out.
    changing: Vec<Arc<dyn PhysicalExpr>>,
    metrics: ExecutionPlanMetricsSet,
}

impl Needle {
    pub(crate) fn new(partitions: Vec<Vec<Arc<NeedleFile>>>, schema: SchemaRef, access: Arc<Access>) -> Self {
        let metrics = ExecutionPlanMetricsSet::new();
        Self { partitions, schema, access, filters: Vec::new(), changing: Vec::new(), metrics }
    }

    /// The same files from the other end.
    pub(crate) fn oldest_first(&self) -> Self {
        let mut reversed = self.clone();
        reversed.partitions.iter_mut().for_each(|files| files.reverse());
        reversed
    }

    fn files(&self) -> impl Iterator<Item = &Arc<NeedleFile>> {
        self.partitions.iter().flatten()
    }
}

impl DataSource for Needle {
    fn open(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let reading = Arc::new(Reading::new(
            partition,
            &self.schema,
            &self.filters,
            context.session_config().batch_size(),
            (&self.access, &self.metrics),
        )?);
        let bound = Arc::new(Bound::new(&self.changing));
        let at_once = if self.changing.is_empty() { FILES_AT_ONCE } else { BOUNDED_FILES_AT_ONCE };
        let measured = BaselineMetrics::new(&self.metrics, partition);
        let batches = stream::iter(self.partitions[partition].clone())
            .map(move |file| {
                let (reading, bound) = (Arc::clone(&reading), Arc::clone(&bound));
                async move {
                    match bound.still_wants(&file) {
                        true => reading.read(&file).await,
                        false => Ok(Vec::new()),
                    }
                }
            })
            .buffered(at_once)
            .map_ok(|batches| stream::iter(batches.into_iter().map(Ok)))
            .try_flatten()
            .inspect_ok(move |batch| measured.record_output(batch.num_rows()));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }

    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: u64 = self.files().map(|file| file.kept.rows()).sum();
        write!(f, "needle: files={}, rows={rows}", self.files().count())?;
        for filter in &self.filters {
            write!(f, ", filter={filter}")?;
        }
        Ok(())
    }

    fn output_partitioning(&self) -> Partitioning {
        Partitioning::UnknownPartitioning(self.partitions.len())
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        EquivalenceProperties::new(Arc::clone(&self.schema))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<TableStatistics>> {
        let files: &mut dyn Iterator<Item = &Arc<NeedleFile>> = match partition {
            Some(number) => &mut self.partitions[number].iter(),
            None => &mut self.files(),
        };
        let rows = files.map(|file| file.kept.rows() as usize).sum();
        let unknown = TableStatistics::new_unknown(&self.schema);
        Ok(Arc::new(TableStatistics { num_rows: Precision::Inexact(rows), ..unknown }))
    }

    fn with_fetch(&self, _: Option<usize>) -> Option<Arc<dyn DataSource>> {
        None
    }

    fn fetch(&self) -> Option<usize> {
        None
    }

    fn metrics(&self) -> ExecutionPlanMetricsSet {
        self.metrics.clone()
    }

    fn try_swapping_with_projection(&self, _: &ProjectionExprs) -> Result<Option<Arc<dyn DataSource>>> {
        Ok(None)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn DataSource>>> {
        let mut source = self.clone();
        let take = |filter: Arc<dyn PhysicalExpr>| {
            if DynamicFilterTracking::classify(&filter).contains_dynamic_filter() {
                source.changing.push(filter);
                PushedDown::No
            } else if is_volatile(&filter) {
                PushedDown::No
            } else {
                source.filters.push(filter);
                PushedDown::Yes
            }
        };
        let taken = filters.into_iter().map(take).collect();
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(taken)
            .with_updated_node(Arc::new(source) as Arc<dyn DataSource>))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for filter in self.filters.iter().chain(&self.changing) {
            if f(filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }
}
