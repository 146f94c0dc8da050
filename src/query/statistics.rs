//! What an answer cost: files considered, pruned and kept, bytes, rows, milliseconds.
//!
//! The table provider adds what it pruned, once per scan (a self-join scans twice); the engine adds rows and
//! time; bytes come from the metrics of the plan, or of the readers where there is none, so they can be asked for while a query runs.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::physical_plan::{
    ExecutionPlan,
    metrics::{ExecutionPlanMetricsSet, MetricValue, MetricsSet},
};
use serde::Serialize;
use tokio::time::Instant;

/// The cost of one query so far. All counts are sums over the scans of the query.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Statistics {
    /// Tenants whose events the principal may see.
    pub tenants_considered: u64,
    /// Tenants skipped because of a predicate on `tenant_id`.
    pub tenants_pruned: u64,
    /// Live files of the tenants considered.
    pub files_considered: u64,
    /// Files skipped with their tenant.
    pub files_pruned_by_tenant: u64,
    /// Files skipped because of their day.
    pub files_pruned_by_day: u64,
    /// Files skipped because of the smallest and largest values of their columns.
    pub files_pruned_by_min_max: u64,
    /// Files skipped because the skip index knows that none of their rows can match.
    pub files_pruned_by_index: u64,
    /// Files that the index was asked about and does not cover: of them only what else is known can leave any out.
    pub files_not_indexed: u64,
    /// Parts of the skip index that were asked.
    pub index_segments: u64,
    /// Requests to the store for the skip index; what is in memory costs none.
    pub index_requests: u64,
    /// Bytes fetched of the skip index.
    pub index_bytes_read: u64,
    /// Files of which the skip index knows how many events of each kind they hold, so that they are not read.
    pub files_counted: u64,
    /// Files left to read; the scan may still skip row groups and pages of them.
    pub files_kept: u64,
    /// Size of the files left to read.
    pub bytes_kept: u64,
    /// Rows of those files that may match, as far as the skip index knows.
    pub rows_kept: u64,
    /// Bytes fetched from the store.
    pub bytes_read: u64,
    /// Events that were not in a file yet and were read from memory.
    pub rows_uncommitted: u64,
    /// Rows of the answer so far.
    pub rows_returned: u64,
    /// Time since the query was admitted; stands still when it ends.
    pub milliseconds: f64,
}

/// Collects the cost of one query from the places where it arises.
#[derive(Debug)]
pub(crate) struct Ledger {
    started: Instant,
    /// Whether what pruning and reading cost may be told.
    open: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: Statistics,
    /// What reads or has read; `None` for what is done, whose bytes are in `counts`.
    readings: Vec<Option<Reading>>,
    ended: Option<Instant>,
}

impl Ledger {
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(Self { started: Instant::now(), open: true, state: Mutex::default() })
    }

    /// One that tells only the time and the rows of the answer: the rest would tell a reader of a part about the whole.
    pub(crate) fn start_closed() -> Arc<Self> {
        Arc::new(Self { started: Instant::now(), open: false, state: Mutex::default() })
    }

    /// Adds one scan's counts.
    pub(crate) fn add_scan(&self, scan: &Statistics) {
        self.with(|state| {
            let counts = &mut state.counts;
            counts.tenants_considered += scan.tenants_considered;
            counts.tenants_pruned += scan.tenants_pruned;
            counts.files_considered += scan.files_considered;
            counts.files_pruned_by_tenant += scan.files_pruned_by_tenant;
            counts.files_pruned_by_day += scan.files_pruned_by_day;
            counts.files_pruned_by_min_max += scan.files_pruned_by_min_max;
            counts.files_pruned_by_index += scan.files_pruned_by_index;
            counts.files_counted += scan.files_counted;
            counts.files_not_indexed += scan.files_not_indexed;
            counts.index_segments += scan.index_segments;
            counts.index_requests += scan.index_requests;
            counts.index_bytes_read += scan.index_bytes_read;
            counts.rows_kept += scan.rows_kept;
            counts.files_kept += scan.files_kept;
            counts.bytes_kept += scan.bytes_kept;
            counts.rows_uncommitted += scan.rows_uncommitted;
        });
    }

    /// Adds something that tells the bytes it reads; gives its number.
    pub(crate) fn begin(&self, reading: Reading) -> usize {
        self.with(|state| {
            state.readings.push(Some(reading));
            state.readings.len() - 1
        })
    }

    /// Keeps what was read by the one with that number, and lets it go.
    pub(crate) fn finish(&self, number: usize) {
        self.with(|state| state.finish(number));
    }

    /// Adds rows of the answer and returns how many there are now.
    pub(crate) fn add_rows(&self, rows: usize) -> u64 {
        self.with(|state| {
            state.counts.rows_returned += rows as u64;
            state.counts.rows_returned
        })
    }

    /// Stops the watch; what was read is kept, the plan is let go.
    pub(crate) fn end(&self) {
        self.with(|state| {
            state.ended.get_or_insert_with(Instant::now);
            (0..state.readings.len()).for_each(|number| state.finish(number));
        });
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.with(|state| {
            let mut counts = match self.open {
                true => state.counts.clone(),
                false => Statistics { rows_returned: state.counts.rows_returned, ..Statistics::default() },
            };
            if self.open {
                counts.bytes_read += state.readings.iter().flatten().map(Reading::bytes).sum::<u64>();
            }
            let elapsed = state.ended.unwrap_or_else(Instant::now).duration_since(self.started);
            counts.milliseconds = elapsed.as_micros() as f64 / 1_000.0;
            counts
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn finish(&mut self, number: usize) {
        if let Some(reading) = self.readings.get_mut(number).and_then(Option::take) {
            self.counts.bytes_read += reading.bytes();
        }
    }
}

/// What reads files and counts what it reads.
#[derive(Clone, Debug)]
pub(crate) enum Reading {
    /// The scans of a plan.
    Plan(Arc<dyn ExecutionPlan>),
    /// Readers without one.
    Metrics(ExecutionPlanMetricsSet),
}

impl Reading {
    fn bytes(&self) -> u64 {
        match self {
            Self::Plan(plan) => {
                let children = plan.children().into_iter().cloned().map(Self::Plan);
                plan.metrics().map_or(0, |metrics| scanned(&metrics))
                    + children.map(|child| child.bytes()).sum::<u64>()
            }
            Self::Metrics(metrics) => scanned(&metrics.clone_inner()),
        }
    }
}

fn scanned(metrics: &MetricsSet) -> u64 {
    metrics.sum_by_name("bytes_scanned").as_ref().map_or(0, MetricValue::as_usize) as u64
}
