//! Events that are in no file yet.
//!
//! In: the uncommitted batches of snapshots, and a filter. Out: which of their rows pass, and when these occurred. Guaranteed: where words are
//! looked for, texts are looked at only of rows that have them (`memory_words`).

use arrow::array::RecordBatch;
use datafusion::{common::cast::as_timestamp_microsecond_array, error::Result};

use crate::{
    event::TenantId,
    query::{
        columns,
        needle::{Access, Reading},
        prune::Kept,
        scan::as_table,
    },
};

/// Rows of a batch that take some time to look at.
const LARGE_ROWS: usize = 4_096;

/// A batch of them: those that pass the filter.
pub(super) struct Memory {
    pub(super) batch: RecordBatch,
    /// Bytes of a row, about.
    pub(super) row_bytes: u64,
    /// Whose they are.
    pub(super) tenant: TenantId,
    /// Where they are in the batch, and when they occurred.
    pub(super) rows: Vec<(u32, i64)>,
}

/// What is in no file yet, has all `words`, and passes.
pub(super) async fn passing(
    kept: &Kept,
    reading: &Reading,
    words: &[u32],
    access: &Access,
) -> Result<Vec<Memory>> {
    let mut found = Vec::new();
    for snapshot in &kept.snapshots {
        for batch in snapshot.uncommitted.batches() {
            if batch.num_rows() >= LARGE_ROWS {
                // Whoever gave up is heard here, and others run.
                tokio::task::yield_now().await;
            }
            let known = if words.is_empty() { None } else { access.words.of(batch)? };
            let rows =
                known.map_or_else(|| (0..batch.num_rows() as u32).collect(), |known| known.rows_with(words));
            let rows = reading.passing(batch, rows)?;
            let times = as_table(batch, &columns::times())?;
            let times = as_timestamp_microsecond_array(times.column(0))?;
            let rows: Vec<_> = rows.into_iter().map(|row| (row, times.value(row as usize))).collect();
            if !rows.is_empty() {
                let row_bytes = (batch.get_array_memory_size() / batch.num_rows().max(1)) as u64;
                let (batch, tenant) = (batch.clone(), snapshot.tenant.clone());
                found.push(Memory { batch, row_bytes, tenant, rows });
            }
        }
    }
    Ok(found)
}
