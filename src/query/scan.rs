//! From kept files and uncommitted batches to a physical plan: native Parquet scan, memory scan, union.
//!
//! In: what pruning kept, the projection, the filter. Out: one plan whose columns are the projection of
//! [`table_columns`]. Guaranteed: each kept event comes out exactly once, with the statistics of the Delta log
//! attached, so that counts and extremes of unfiltered queries need no read at all.
//!
//! [`table_columns`]: columns::table_columns

mod estimates;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Date32Array, RecordBatch, RecordBatchOptions, new_null_array},
    compute::cast,
    datatypes::{DataType, Field, SchemaRef, TimestampMicrosecondType},
};
use chrono::DateTime;
use datafusion::{
    datasource::{
        listing::PartitionedFile,
        memory::MemorySourceConfig,
        physical_plan::{
            FileGroup, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
            parquet::ParquetRowSelection,
        },
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    error::{DataFusionError, Result},
    execution::object_store::ObjectStoreUrl,
    physical_expr::LexOrdering,
    physical_plan::{ExecutionPlan, empty::EmptyExec, union::UnionExec},
    scalar::ScalarValue,
};
use object_store::ObjectMeta;
use parquet::arrow::arrow_reader::RowSelection;

use super::{
    addresses::{
        canonical::canonical_column,
        older::{self, may_hold_mapped},
    },
    columns, log_order,
    needle::{Access, Needle, NeedleFile},
    partition::Partition,
    prune::{Kept, KeptFile, MICROS_PER_DAY, day_scalar},
};
use crate::{
    event::schema::{DAY, OCCURRED_AT, SEQ},
    index::Rows,
    table::snapshot::{DataFile, Snapshot},
};

/// What is read from a file's end at first: the footer of a large file, in one request.
pub(crate) const FOOTER_BYTES_HINT: usize = 128 * 1024;

/// How to scan.
pub(crate) struct Scan<'a> {
    /// Indexes into the table's columns; `None` for all.
    pub(crate) projection: Option<&'a Vec<usize>>,
    /// Columns that the plan may want statistics of: those of projection and filters.
    pub(crate) columns_used: &'a [bool],
    /// Columns that files may be skipped by while the scan runs.
    pub(crate) columns_filtered: &'a [bool],
    /// Filters that nothing above the scan repeats.
    pub(crate) partition: Option<&'a Partition>,
    /// Rows that suffice.
    pub(crate) limit: Option<usize>,
    /// Whether Parquet decodes other columns only for rows that pass the filter.
    pub(crate) late_materialisation: bool,
    /// Whether so few rows are left that each file costs more than its rows.
    pub(crate) needle: bool,
    /// Files read at the same time.
    pub(crate) target_partitions: usize,
    /// Whether rows are to come in the order of the log, as far as files have it, and only committed ones.
    pub(crate) in_log_order: bool,
    /// Whether addresses come out as they are stored.
    pub(crate) addresses_as_stored: bool,
    /// Where files are, as registered with the runtime.
    pub(crate) store: &'a ObjectStoreUrl,
    /// Reads files, with cached footers.
    pub(crate) readers: &'a Arc<dyn ParquetFileReaderFactory>,
    /// The same for needles.
    pub(crate) needles: &'a Arc<Access>,
}

impl Scan<'_> {
    /// The plan that reads `kept`.
    pub(crate) fn plan(&self, kept: &Kept) -> Result<Arc<dyn ExecutionPlan>> {
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        let (older, files) = self.by_addresses(&kept.files);
        if !files.is_empty() {
            inputs.push(self.files(kept, &files)?);
        }
        if !older.is_empty() {
            inputs.push(older::with_canonical(self.files(kept, &older)?)?);
        }
        if !self.in_log_order && kept.snapshots.iter().any(|snapshot| snapshot.uncommitted.rows() > 0) {
            inputs.push(self.uncommitted(&kept.snapshots)?);
        }
        match inputs.len() {
            0 => Ok(Arc::new(EmptyExec::new(self.schema()?))),
            1 => Ok(inputs.remove(0)),
            _ => UnionExec::try_new(inputs),
        }
    }

    fn schema(&self) -> Result<SchemaRef> {
        let table = columns::table_columns();
        Ok(match self.projection {
            Some(columns) => Arc::new(table.project(columns)?),
            None => table,
        })
    }

    /// The files whose addresses have to be made canonical, and the others.
    fn by_addresses<'k>(&self, files: &'k [KeptFile]) -> (Vec<&'k KeptFile>, Vec<&'k KeptFile>) {
        let place = columns::table_columns().index_of(columns::IP_ADDRESS).ok();
        let is_given =
            self.projection.is_none_or(|columns| place.is_some_and(|place| columns.contains(&place)));
        let has_to_be_made = is_given && !self.addresses_as_stored;
        files.iter().partition(|kept| has_to_be_made && may_hold_mapped(&kept.file))
    }

    fn files(&self, kept: &Kept, files: &[&KeptFile]) -> Result<Arc<dyn ExecutionPlan>> {
        if self.needle {
            return self.needle(kept, files);
        }
        let day = Arc::new(Field::new(DAY, DataType::Date32, true));
        let columns =
            TableSchema::builder(columns::file_columns()).with_table_partition_cols(vec![day]).build();
        let source = ParquetSource::new(columns)
            .with_parquet_file_reader_factory(Arc::clone(self.readers))
            .with_metadata_size_hint(FOOTER_BYTES_HINT)
            .with_pushdown_filters(self.late_materialisation);
        let (groups, ordering) = self.groups(kept, files)?;
        let total = estimates::of_all(files, self.columns_used, self.columns_filtered);
        let config = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_output_ordering(ordering)
            .with_statistics(total)
            .with_limit(self.limit)
            .with_projection_indices(self.projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn needle(&self, kept: &Kept, files: &[&KeptFile]) -> Result<Arc<dyn ExecutionPlan>> {
        let file = |snapshot: &Arc<Snapshot>, kept_file: &KeptFile| {
            let (kept, snapshot) = (kept_file.clone(), Arc::clone(snapshot));
            Arc::new(NeedleFile { file: partitioned(&snapshot, &kept.file), kept, snapshot })
        };
        let needle = Needle::new(self.dealt(kept, files, file), self.schema()?, Arc::clone(self.needles));
        Ok(DataSourceExec::from_data_source(needle))
    }

    /// The files to read one after another, and what they are sorted by then.
    fn groups(&self, kept: &Kept, files: &[&KeptFile]) -> Result<(Vec<FileGroup>, Vec<LexOrdering>)> {
        let file = |kept_file: &KeptFile| self.file(&kept.snapshots[kept_file.tenant], kept_file);
        if self.in_log_order
            && let Some(groups) = log_order::groups(&kept.files)
        {
            let groups =
                groups.into_iter().map(|files| FileGroup::new(files.into_iter().map(file).collect()));
            return Ok((groups.collect(), log_order::ordering()?.into_iter().collect()));
        }
        let groups = self.dealt(kept, files, |_, kept_file| file(kept_file));
        Ok((groups.into_iter().map(FileGroup::new).collect(), Vec::new()))
    }

    /// Newest files first in every group: `ORDER BY occurred_at DESC LIMIT n` then fills its heap from the
    /// first files and skips the rest by their statistics.
    fn dealt<T>(
        &self,
        kept: &Kept,
        files: &[&KeptFile],
        file: impl Fn(&Arc<Snapshot>, &KeptFile) -> T,
    ) -> Vec<Vec<T>> {
        let mut files = files.to_vec();
        files.sort_by(|a, b| {
            let (a, b) = (&a.file, &b.file);
            (b.day, b.added_at_ms, &b.path).cmp(&(a.day, a.added_at_ms, &a.path))
        });
        let count = self.target_partitions.clamp(1, files.len().max(1));
        let mut groups: Vec<Vec<T>> = (0..count).map(|_| Vec::new()).collect();
        for (position, kept_file) in files.into_iter().enumerate() {
            groups[position % count].push(file(&kept.snapshots[kept_file.tenant], kept_file));
        }
        groups
    }

    fn file(&self, snapshot: &Snapshot, kept: &KeptFile) -> PartitionedFile {
        let file = &kept.file;
        let mut partitioned = partitioned(snapshot, file);
        if let Some(times) = Times::of(kept) {
            partitioned = partitioned.with_extension(times);
        }
        // Without a filter there is nothing to skip a file by, and a table has thousands of files.
        if self.in_log_order || self.columns_filtered.contains(&true) {
            partitioned =
                partitioned.with_statistics(Arc::new(estimates::of_file(kept, self.columns_filtered)));
        }
        match &kept.rows {
            Some(rows) => partitioned.with_extension(ParquetRowSelection::new(selection(rows, file.rows))),
            None => partitioned,
        }
    }

    fn uncommitted(&self, snapshots: &[Arc<Snapshot>]) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.schema()?;
        let batches = snapshots
            .iter()
            .flat_map(|snapshot| snapshot.uncommitted.batches())
            .map(|batch| self.rows(batch, &schema))
            .collect::<Result<Vec<_>>>()?;
        let mut partitions = vec![Vec::new(); self.target_partitions.clamp(1, batches.len().max(1))];
        let count = partitions.len();
        for (position, batch) in batches.into_iter().enumerate() {
            partitions[position % count].push(batch);
        }
        Ok(MemorySourceConfig::try_new_exec(&partitions, schema, None)?)
    }

    /// Uncommitted rows with their addresses as the scan gives them: versions before may have accepted them.
    fn seen(&self, rows: RecordBatch) -> Result<RecordBatch> {
        let Some(place) =
            rows.schema().index_of(columns::IP_ADDRESS).ok().filter(|_| !self.addresses_as_stored)
        else {
            return Ok(rows);
        };
        let mut arrays = rows.columns().to_vec();
        arrays[place] = canonical_column(&arrays[place]);
        Ok(RecordBatch::try_new(rows.schema(), arrays)?)
    }

    /// Rows of an uncommitted batch: exactly those that the filters by partition let through.
    fn rows(&self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let rows = self.seen(as_table(batch, schema)?)?;
        match self.partition {
            Some(partition) => partition.rows(&rows, &as_table(batch, &partition.columns())?),
            None => Ok(rows),
        }
    }
}

/// A file as readers take it.
pub(crate) fn partitioned(snapshot: &Snapshot, file: &DataFile) -> PartitionedFile {
    let meta = ObjectMeta {
        location: snapshot.data_file(file),
        last_modified: DateTime::from_timestamp_millis(file.added_at_ms).unwrap_or_default(),
        size: file.size_bytes,
        e_tag: None,
        version: None,
    };
    PartitionedFile::new_from_meta(meta).with_partition_values(vec![day_scalar(file.day)])
}

/// What is known of a whole file's times, for [`newest`](super::newest).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Exact number of rows.
    pub(crate) rows: usize,
    /// Microseconds; no row is before it.
    pub(crate) first: i64,
    /// Microseconds; no row is after it.
    pub(crate) last: i64,
}

impl Times {
    /// `None` if only some rows are read, or the statistics do not tell.
    fn of(kept: &KeptFile) -> Option<Self> {
        let stats = kept.file.stats.get(OCCURRED_AT).filter(|_| kept.rows.is_none())?;
        let micros = |value: &Option<ScalarValue>| match value {
            Some(ScalarValue::TimestampMicrosecond(micros, _)) => *micros,
            _ => None,
        };
        Some(Self { rows: kept.file.rows as usize, first: micros(&stats.min)?, last: micros(&stats.max)? })
    }
}

/// The rows that a scan reads of a file, which has `total`.
pub(crate) fn selection(rows: &Rows, total: u64) -> RowSelection {
    let ranges = rows.iter().map(|range| range.start as usize..range.end as usize);
    RowSelection::from_consecutive_ranges(ranges, total as usize)
}

/// Columns of `schema`, a projection of the table's, for events that have no `seq` yet.
pub(crate) fn as_table(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        SEQ => Ok(new_null_array(&DataType::Int64, batch.num_rows())),
        DAY => days(batch),
        name => Ok(cast(column(batch, name)?, field.data_type())?),
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch
        .column_by_name(name)
        .ok_or_else(|| DataFusionError::Internal(format!("uncommitted batch has no column '{name}'")))
}

/// The UTC day of each event, rounding down before 1970 too.
fn days(batch: &RecordBatch) -> Result<ArrayRef> {
    let times = column(batch, OCCURRED_AT)?;
    let times = times.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| {
        DataFusionError::Internal(format!("uncommitted batch has '{OCCURRED_AT}' as {}", times.data_type()))
    })?;
    let days: Date32Array = times.unary(|micros| micros.div_euclid(MICROS_PER_DAY) as i32);
    Ok(Arc::new(days))
}
