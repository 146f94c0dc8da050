//! Events that are in no file yet.
//!
//! In: the uncommitted batches of snapshots, and a filter. Out: which of their rows pass, and when these occurred. Guaranteed: where words are
//! looked for, texts are looked at only of rows that have them (`memory_words`).

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::take_record_batch,
};
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

/// A batch of them: those that pass the filter.
pub(super) struct Memory {
    pub(super) batch: RecordBatch,
    /// Whose they are.
    pub(super) tenant: TenantId,
    /// Where they are in the batch, and when they occurred.
    pub(super) rows: Vec<(u32, i64)>,
}

/// What is in no file yet, has all `words`, and passes.
pub(super) fn passing(kept: &Kept, reading: &Reading, words: &[u32], access: &Access) -> Result<Vec<Memory>> {
    let batches = kept.snapshots.iter().flat_map(|snapshot| {
        snapshot.uncommitted.batches().map(move |batch| (snapshot.tenant.clone(), batch.clone()))
    });
    let memory = batches.map(|(tenant, batch)| {
        let known = if words.is_empty() { None } else { access.words.of(&batch)? };
        let rows = match known {
            Some(known) => passing_of(&batch, known.rows_with(words), reading)?,
            None => reading.passing(batch.num_rows(), |columns| as_table(&batch, columns))?.to_vec(),
        };
        let times = as_table(&batch, &columns::times())?;
        let times = as_timestamp_microsecond_array(times.column(0))?;
        let rows = rows.into_iter().map(|row| (row, times.value(row as usize))).collect();
        Ok(Memory { batch, tenant, rows })
    });
    memory.collect()
}

/// Those of these rows that pass.
fn passing_of(batch: &RecordBatch, rows: Vec<u32>, reading: &Reading) -> Result<Vec<u32>> {
    if rows.is_empty() {
        return Ok(rows);
    }
    let some = take_record_batch(batch, &UInt32Array::from(rows.clone()))?;
    let passing = reading.passing(rows.len(), |columns| as_table(&some, columns))?;
    Ok(passing.iter().map(|place| rows[*place as usize]).collect())
}
