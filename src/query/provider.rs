//! The table `events` of one query: pinned snapshots behind DataFusion's `TableProvider`.
//!
//! In: the snapshots that the principal may see, pinned before planning. Out: a scan of exactly those.
//! Guaranteed: a tenant's session holds that tenant's snapshot and no other, so no SQL can reach further;
//! every scan of one query, however often it names `events`, sees the same state; a narrowed session's scans give only
//! what is within its narrowing.

use std::{collections::HashSet, sync::Arc};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    datasource::{TableType, physical_plan::ParquetFileReaderFactory},
    error::Result,
    execution::object_store::ObjectStoreUrl,
    logical_expr::{
        BinaryExpr, Expr, Operator, TableProviderFilterPushDown,
        utils::{conjunction, split_conjunction},
    },
    physical_optimizer::pruning::PruningPredicate,
    physical_plan::ExecutionPlan,
};
use serde::{Deserialize, Serialize};

use super::{
    addresses::older::may_hold_mapped,
    columns::{self, IP_ADDRESS},
    log_order, narrow,
    needle::Access,
    partition::{Partition, by_partition},
    prune::{self, Kept, KeptFile},
    scan::Scan,
    skip::Skip,
    statistics::{Ledger, Statistics},
};
use crate::{
    event::schema::{DAY, OCCURRED_AT, SEQ, TENANT_ID},
    index::Indexes,
    table::snapshot::Snapshot,
};

/// Columns with so many values that equality finds few rows in a file.
const NEEDLE_COLUMNS: [&str; 14] = [
    "seq",
    "id",
    "actor_id",
    "actor_name",
    "actor_email",
    "on_behalf_of_id",
    "credential_id",
    "workspace_id",
    "target_id",
    "target_name",
    "ip_address",
    "session_id",
    "request_id",
    "correlation_id",
];

/// Values that the skip index may have left, rows by columns, for them to be read as a needle is; more is a scan. A million rows with
/// all columns, or of one column the times of everything that a busy actor did.
const NEEDLE_VALUES_MAX: u64 = 40 << 20;

/// How filters are handed to the Parquet reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pushdown {
    /// Decode other columns late where a filter equates a column of many values, such as `id`, with constants.
    #[default]
    Auto,
    /// Always decode other columns only for rows that pass the filters.
    Always,
    /// Never: decode all, then filter.
    Never,
}

/// Events of the snapshots given, as a table.
#[derive(Clone, Debug)]
pub(crate) struct EventsTable {
    pub(crate) snapshots: Vec<Arc<Snapshot>>,
    /// What every row passes that comes out; empty for who sees everything in the snapshots.
    pub(crate) narrowing: Vec<Expr>,
    pub(crate) store: ObjectStoreUrl,
    pub(crate) readers: Arc<dyn ParquetFileReaderFactory>,
    pub(crate) needles: Arc<Access>,
    pub(crate) pushdown: Pushdown,
    /// Off only to compare answers with and without pruning.
    pub(crate) pruning: bool,
    /// The skip index, if it is to be asked.
    pub(crate) indexes: Option<Indexes>,
    pub(crate) ledger: Arc<Ledger>,
    /// If only committed events are read, and in the order of the log as far as files have it, so that a sort by it has nothing to do:
    /// what a merge may take.
    pub(crate) merge_bytes_max: Option<usize>,
    /// If addresses come out as they are stored instead of in their canonical form: for exports, which give what was proven.
    pub(crate) addresses_as_stored: bool,
}

#[async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        columns::table_columns()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Exact by tenant and day, unless narrowed. Other filters prune files, row groups and pages, and the plan filters what is
    /// left.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match self.decides(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let asked = filters;
        let filters: Vec<Expr> = asked.iter().chain(&self.narrowing).cloned().collect();
        let filters = filters.as_slice();
        let kept = self.prune(state, filters).await?;
        let Some(narrowing) = conjunction(self.narrowing.iter().cloned()) else {
            let partition = self.partition(state, filters)?;
            let in_log_order = match self.merge_bytes_max {
                Some(bytes_max) => log_order::can_be_merged(&kept, &self.readers, bytes_max).await?,
                None => false,
            };
            return self.scan_kept(
                state,
                projection,
                filters,
                partition.as_ref(),
                limit,
                (&kept, in_log_order),
            );
        };
        // Of the query's filters nothing but what is pruned by them gets here.
        let columns = narrow::widened(projection, &self.narrowing)?;
        let scan = self.scan_kept(state, Some(&columns), &self.narrowing, None, None, (&kept, false))?;
        let width = projection.map_or(self.schema().fields().len(), Vec::len);
        narrow::narrowed(scan, narrowing, width, state)
    }
}

impl EventsTable {
    /// What of all files and rows may pass `filters`.
    pub(crate) async fn prune(&self, state: &dyn Session, filters: &[Expr]) -> Result<Kept> {
        let kept = self.left(state, filters).await?;
        self.ledger.add_scan(&kept.counts);
        Ok(kept)
    }

    /// How many rows a scan with `filters` would read.
    pub(crate) async fn rows_left(&self, state: &dyn Session, filters: &[Expr]) -> Result<u64> {
        let all: Vec<Expr> = filters.iter().chain(&self.narrowing).cloned().collect();
        let counts = self.left(state, &all).await?.counts;
        // What it costs to ask the index is counted here: it is in memory when the scan asks again.
        self.ledger.add_scan(&Statistics {
            index_segments: counts.index_segments,
            index_requests: counts.index_requests,
            index_bytes_read: counts.index_bytes_read,
            ..Statistics::default()
        });
        Ok(counts.rows_kept + counts.rows_uncommitted)
    }

    async fn left(&self, state: &dyn Session, filters: &[Expr]) -> Result<Kept> {
        let predicate = self.predicate(state, filters)?;
        let mut kept = self.keep(state, predicate.as_ref(), filters)?;
        if let Some(indexes) = self.indexes.as_ref().filter(|_| self.pruning && !kept.files.is_empty())
            && let Some(skip) = Skip::of(filters, are_of_addresses(filters) && holds_mapped(&kept))
        {
            skip.prune(indexes, &mut kept).await;
        }
        prune::by_min_max(predicate.as_ref(), &mut kept);
        kept.counts.rows_kept = kept.files.iter().map(KeptFile::rows).sum();
        Ok(kept)
    }

    /// What pruning asks of the filters.
    pub(crate) fn predicate(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> Result<Option<PruningPredicate>> {
        let predicate = match conjunction(filters.iter().cloned()).filter(|_| self.pruning) {
            Some(filter) => Some(state.create_physical_expr(filter, &columns::planned_columns())?),
            None => None,
        };
        Ok(predicate.as_ref().and_then(prune::compile))
    }

    /// What tenant and day leave of all files.
    pub(crate) fn keep(
        &self,
        state: &dyn Session,
        predicate: Option<&PruningPredicate>,
        filters: &[Expr],
    ) -> Result<Kept> {
        let mut kept = prune::by_tenant_and_day(predicate, &self.snapshots);
        if let Some(partition) = self.partition(state, filters)? {
            partition.files(&mut kept)?;
        }
        let uncommitted = kept.snapshots.iter().map(|snapshot| snapshot.uncommitted.rows() as u64);
        kept.counts.rows_uncommitted = uncommitted.sum();
        Ok(kept)
    }

    /// Whether the scan applies `filter` in full, so that the plan need not.
    pub(crate) fn decides(&self, filter: &Expr) -> bool {
        self.pruning && self.narrowing.is_empty() && by_partition(filter)
    }

    fn partition(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<Partition>> {
        let of: Vec<Expr> = filters.iter().filter(|filter| self.decides(filter)).cloned().collect();
        Partition::of(&of, state)
    }

    /// The plan that reads what is kept.
    pub(crate) fn scan_kept(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        partition: Option<&Partition>,
        limit: Option<usize>,
        (kept, in_log_order): (&Kept, bool),
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let late_materialisation = match self.pushdown {
            // A filter above the scan would copy text into blocks of up to a megabyte, for each column of each file that is merged.
            Pushdown::Auto => {
                looks_selective(filters) || kept.needle || (in_log_order && filters.iter().all(by_place))
            }
            Pushdown::Always => true,
            Pushdown::Never => false,
        };
        let columns_used = columns_used_by(projection, filters);
        let width = columns_used.iter().filter(|used| **used).count() as u64;
        let scan = Scan {
            projection,
            columns_used: &columns_used,
            columns_filtered: &columns_used_by(Some(&Vec::new()), filters),
            partition,
            // A limit below a filter would stop before enough rows have passed it.
            limit: limit.filter(|_| self.pruning && filters.iter().all(by_partition)),
            late_materialisation,
            needle: late_materialisation && kept.needle && kept.counts.rows_kept * width <= NEEDLE_VALUES_MAX,
            target_partitions: state.config().target_partitions(),
            in_log_order,
            addresses_as_stored: self.addresses_as_stored,
            store: &self.store,
            readers: &self.readers,
            needles: &self.needles,
        };
        scan.plan(kept)
    }
}

/// Whether a file that is kept may hold an address whose text is not canonical.
fn holds_mapped(kept: &Kept) -> bool {
    kept.files.iter().any(|kept| may_hold_mapped(&kept.file))
}

/// Whether a filter is about addresses.
fn are_of_addresses(filters: &[Expr]) -> bool {
    filters.iter().flat_map(Expr::column_refs).any(|column| column.name == IP_ADDRESS)
}

/// For each column of the table, whether the scan returns it or filters by it.
fn columns_used_by(projection: Option<&Vec<usize>>, filters: &[Expr]) -> Vec<bool> {
    let fields = columns::table_columns();
    let filtered: HashSet<&str> =
        filters.iter().flat_map(Expr::column_refs).map(|column| column.name.as_str()).collect();
    let projected = |index| projection.is_none_or(|columns| columns.contains(&index));
    let names = fields.fields().iter().enumerate();
    names.map(|(index, field)| projected(index) || filtered.contains(field.name().as_str())).collect()
}

/// Whether a filter asks for nothing but where in the log events are: those that pass it stand together.
fn by_place(filter: &Expr) -> bool {
    filter.column_refs().iter().all(|column| [OCCURRED_AT, SEQ, DAY, TENANT_ID].contains(&&*column.name))
}

/// Whether one of the filters, which all have to hold, equates a column of many values with a constant.
///
/// Late materialisation makes such needle queries several times faster and broad ones up to twice as slow
/// (apache/datafusion#20324, #23263), so it is chosen by the shape of the filter.
fn looks_selective(filters: &[Expr]) -> bool {
    let needle =
        |expr: &Expr| matches!(expr, Expr::Column(column) if NEEDLE_COLUMNS.contains(&column.name()));
    let constant = |expr: &Expr| expr.column_refs().is_empty();
    filters.iter().flat_map(split_conjunction).any(|filter| match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            (needle(left) && constant(right)) || (needle(right) && constant(left))
        }
        Expr::InList(list) => !list.negated && needle(&list.expr),
        // `a = 'x' OR a = 'y'` is how short IN lists arrive.
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            looks_selective(std::slice::from_ref(left)) && looks_selective(std::slice::from_ref(right))
        }
        _ => false,
    })
}
