//! The first events by time that pass conditions: a page of a log, without a plan.
//!
//! In: conditions, an order, how many. Out: the first so many events by `occurred_at` as the API shows them, and all
//! that are of the same time as the last of them, for whoever orders them further. Guaranteed: none that belongs to them is missing;
//! what a reader may not see is not among them, and no condition is evaluated on it (`narrow`); memory is bounded by what is read at once.
//!
//! `SELECT * … ORDER BY occurred_at DESC LIMIT 101` says the same. To plan it, with its forty columns, takes longer than to find a page
//! whose blocks are in memory, and its sort learns only file by file what it needs no more. Here the
//! same files, rows and filters as a scan has (`EventsTable::prune`) are looked at block by block, from the end that the order begins at
//! (`frontier`, with the times of Parquet's page index), until no block that is left can hold a row that comes before those found (`leaders`):
//! the threshold algorithm of Fagin, Lotem and Naor (2003) with one list. Only then are all columns of those rows read.

mod frontier;
mod leaders;
mod look;
mod memory;
mod open;
mod rows;
mod search;
mod steps;

use std::sync::{Arc, Mutex};

use datafusion::{
    error::Result,
    execution::SessionState,
    logical_expr::{Expr, utils::conjunction},
    physical_expr::PhysicalExpr,
    physical_plan::{
        SendableRecordBatchStream, metrics::ExecutionPlanMetricsSet, stream::RecordBatchStreamAdapter,
    },
};

pub(crate) use self::frontier::Direction;
use self::{look::Look, search::Search};
use super::{
    block_words, columns,
    conditions::Conditions,
    engine::Scope,
    needle::{Access, NeedleFile, Reading},
    places::Place,
    provider::EventsTable,
    prune::{Kept, KeptFile},
    scan::partitioned,
    skip::words_wanted,
    statistics,
};

/// Blocks of which it is worth while to know the words.
const BLOCKS_WITH_WORDS_MIN: u64 = 32;

/// A question for the first events that pass conditions.
#[derive(Clone, Debug)]
pub struct FirstEvents {
    pub(crate) conditions: Conditions,
    pub(crate) direction: Direction,
    /// How many.
    pub(crate) rows: usize,
    pub(crate) scope: Scope,
}

/// The stream of them; `filters` are the question's conditions, compiled. No file is read before it is asked for; `place` is held
/// until nothing is read any more.
pub(crate) async fn first(
    table: &EventsTable,
    state: &SessionState,
    question: &FirstEvents,
    filters: Vec<Expr>,
    place: Option<Arc<Place>>,
) -> Result<SendableRecordBatchStream> {
    let all: Vec<Expr> = table.narrowing.iter().chain(&filters).cloned().collect();
    let kept = table.prune(state, &all).await?;
    let metrics = ExecutionPlanMetricsSet::new();
    table.ledger.begin(statistics::Reading::Metrics(metrics.clone()));
    let left = filters.iter().filter(|filter| !table.decides(filter)).cloned();
    let (of_files, of_memory) = (physical(left, state)?, physical(filters.iter().cloned(), state)?);
    let narrowing = physical(table.narrowing.iter().cloned(), state)?;
    let words: Vec<u32> = words_wanted(&all).iter().map(|word| block_words::hash(word)).collect();
    let schema = columns::table_columns();
    let batch_rows = state.config().batch_size();
    let reading = |filters: &Option<_>| {
        Reading::new(0, &schema, filters.as_slice(), batch_rows, (&table.needles, &metrics))?
            .behind(narrowing.clone())
    };
    let look = Look {
        files: files(&kept),
        memory: memory::passing(&kept, &reading(&of_memory)?, &words, &table.needles).await?,
        reading: Arc::new(reading(&of_files)?.with_words(words_of_blocks(&words, &kept, &table.needles))),
        access: Arc::clone(&table.needles),
        metrics: metrics.clone(),
        open: Mutex::default(),
        _place: place,
    };
    let search = Search::new(Arc::new(look), question.direction.clone(), question.rows);
    Ok(Box::pin(RecordBatchStreamAdapter::new(columns::shown_columns(), rows::stream_of(search))))
}

fn physical(
    filters: impl Iterator<Item = Expr>,
    state: &SessionState,
) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let filter = conjunction(filters);
    filter.map(|filter| state.create_physical_expr(filter, &columns::planned_columns())).transpose()
}

fn files(kept: &Kept) -> Vec<Arc<NeedleFile>> {
    let file = |kept_file: &KeptFile| {
        let snapshot = &kept.snapshots[kept_file.tenant];
        let file = partitioned(snapshot, &kept_file.file);
        Arc::new(NeedleFile { file, kept: kept_file.clone(), snapshot: Arc::clone(snapshot) })
    };
    kept.files.iter().map(file).collect()
}

/// Words that are looked for in many blocks. In few, to look at their texts is quicker than to learn all their words.
fn words_of_blocks(words: &[u32], kept: &Kept, access: &Access) -> Vec<u32> {
    let blocks = kept.counts.rows_kept / access.blocks.rows();
    match blocks >= BLOCKS_WITH_WORDS_MIN && access.blocks.keeps() {
        true => words.to_vec(),
        false => Vec::new(),
    }
}
