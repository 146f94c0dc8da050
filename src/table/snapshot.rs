//! What a reader sees of one tenant: one immutable pair of committed files and uncommitted batches.
//!
//! A query pins one [`Snapshot`] and keeps it; flush, commit and compaction swap in a new one. A committed
//! event is in the files or in the batches of every snapshot, never in both and never in neither.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute,
    datatypes::TimestampMicrosecondType,
};
use chrono::{NaiveDate, NaiveTime};
use datafusion::scalar::ScalarValue;
use object_store::path::Path;

use crate::{
    event::{TenantId, schema},
    paths::{TableFolder, TableLayout},
};

/// Smallest and largest value of one column in one file, and how many are null.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnStats {
    /// A lower bound; `None` if unknown (or if all values are null).
    pub min: Option<ScalarValue>,
    /// An upper bound; `None` if unknown (or if all values are null).
    pub max: Option<ScalarValue>,
    /// Exact number of nulls; `None` if unknown.
    pub null_count: Option<u64>,
    /// Whether `min` and `max` are values of the column rather than bounds (long text is cut).
    pub exact: bool,
}

/// One live Parquet file of a tenant's table, as the Delta log describes it.
#[derive(Clone, Debug)]
pub struct DataFile {
    /// Path relative to the table: `day=…/….parquet`.
    pub path: String,
    /// The partition.
    pub day: NaiveDate,
    /// Exact number of rows.
    pub rows: u64,
    /// Object size.
    pub size_bytes: u64,
    /// When the file was added, milliseconds since 1970.
    pub added_at_ms: i64,
    /// Statistics by column name; a column may be missing.
    pub stats: BTreeMap<&'static str, ColumnStats>,
}

impl DataFile {
    /// The smallest and the largest `seq` in it, as far as its statistics say.
    pub fn seqs(&self) -> (Option<i64>, Option<i64>) {
        let stats = self.stats.get(schema::SEQ);
        let number = |value: Option<&ScalarValue>| match value {
            Some(ScalarValue::Int64(number)) => *number,
            _ => None,
        };
        (
            number(stats.and_then(|stats| stats.min.as_ref())),
            number(stats.and_then(|stats| stats.max.as_ref())),
        )
    }

    /// Whether it may have events with these numbers: only `false` is certain.
    pub fn may_have(&self, seqs: &Range<i64>) -> bool {
        let (least, most) = self.seqs();
        least.is_none_or(|least| least < seqs.end) && most.is_none_or(|most| seqs.start <= most)
    }
}

/// Batches of accepted events that are durable in the WAL and not yet in a file.
/// Their schema is [`crate::event::schema::accepted_schema`].
#[derive(Clone, Debug, Default)]
pub struct Uncommitted {
    /// Batches that a flush is writing at the moment.
    pub flushing: Vec<RecordBatch>,
    /// WAL segment up to which `flushing` reaches.
    pub flushing_through: u64,
    /// Batches accepted since.
    pub active: Vec<RecordBatch>,
    /// WAL segment up to which `active` reaches.
    pub active_through: u64,
}

impl Uncommitted {
    /// All uncommitted batches, oldest first.
    pub fn batches(&self) -> impl Iterator<Item = &RecordBatch> {
        self.flushing.iter().chain(&self.active)
    }

    /// Number of uncommitted events.
    pub fn rows(&self) -> usize {
        self.batches().map(RecordBatch::num_rows).sum()
    }
}

/// One consistent state of one tenant's log.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Whose log.
    pub tenant: TenantId,
    /// Where the table is in the store.
    pub folder: TableFolder,
    /// Delta version; `None` while the table has no commit.
    pub version: Option<u64>,
    /// All live files, by day and then by path.
    pub files: Arc<Vec<Arc<DataFile>>>,
    /// The WAL segment through which everything of this tenant is committed.
    pub wal_through: u64,
    /// The `seq` that the next committed event gets.
    pub next_seq: i64,
    /// Whether the table says of itself that nothing is removed from it (`delta.appendOnly`).
    pub append_only: bool,
    /// Durable, acknowledged, not yet in a file.
    pub uncommitted: Arc<Uncommitted>,
}

impl Snapshot {
    /// The state of a tenant of which nothing is stored, in a store that was made lately.
    pub fn empty(tenant: TenantId) -> Self {
        Self {
            folder: TableLayout::Plain.table(&tenant),
            tenant,
            version: None,
            files: Arc::default(),
            wal_through: 0,
            next_seq: 0,
            append_only: false,
            uncommitted: Arc::default(),
        }
    }

    /// The same state without what occurred before `first`, committed or not.
    pub fn since(self: &Arc<Self>, first: NaiveDate) -> Arc<Self> {
        // Files are sorted by day.
        let expired = self.files.partition_point(|file| file.day < first);
        let has_expired = expired > 0 || self.uncommitted.batches().any(|batch| has_before(batch, first));
        if !has_expired {
            return Arc::clone(self);
        }
        let cut = |batches: &[RecordBatch]| -> Vec<RecordBatch> {
            batches.iter().map(|batch| since(batch, first)).filter(|batch| batch.num_rows() > 0).collect()
        };
        let uncommitted = Uncommitted {
            flushing: cut(&self.uncommitted.flushing),
            active: cut(&self.uncommitted.active),
            ..*self.uncommitted
        };
        let files = Arc::new(self.files[expired..].to_vec());
        Arc::new(Self { files, uncommitted: Arc::new(uncommitted), ..Self::clone(self) })
    }

    /// The key of one of its files.
    pub fn data_file(&self, file: &DataFile) -> Path {
        self.folder.data_file(&file.path)
    }

    /// Number of events, committed or not.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum::<u64>() + self.uncommitted.rows() as u64
    }
}

/// The first moment of `day`, microseconds since 1970.
pub fn start_micros(day: NaiveDate) -> i64 {
    day.and_time(NaiveTime::MIN).and_utc().timestamp_micros()
}

/// Whether an event of an accepted batch occurred before `first`.
pub fn has_before(batch: &RecordBatch, first: NaiveDate) -> bool {
    let times = batch[schema::OCCURRED_AT].as_primitive::<TimestampMicrosecondType>();
    compute::min(times).is_some_and(|earliest| earliest < start_micros(first))
}

/// The events of an accepted batch that occurred on `first` or later.
fn since(batch: &RecordBatch, first: NaiveDate) -> RecordBatch {
    if !has_before(batch, first) {
        return batch.clone();
    }
    let start = start_micros(first);
    let times = batch[schema::OCCURRED_AT].as_primitive::<TimestampMicrosecondType>();
    let kept: BooleanArray = times.values().iter().map(|time| Some(*time >= start)).collect();
    compute::filter_record_batch(batch, &kept).expect("there is one flag a row")
}
