//! The leaves of rows: of events on their way into files, and of events read back from them.
//!
//! In: batches of any of the event's schemas. Out: a leaf hash a row, over the canonical bytes without `seq`, in which digests stand
//! for sealed values. Pure computation: some microseconds a row.

use arrow::array::RecordBatch;

use super::hash::Hash;
use crate::{error::Result, event::canonical::Rows};

/// The leaves of the rows that `wanted` says, in the order of the rows.
///
/// # Errors
/// If the batch does not have the columns of an event.
pub fn leaves_of(batch: &RecordBatch, wanted: impl Fn(usize) -> bool) -> Result<Vec<Hash>> {
    let rows = Rows::new(batch)?;
    let (mut leaves, mut bytes) = (Vec::with_capacity(rows.len()), String::new());
    for row in (0..rows.len()).filter(|row| wanted(*row)) {
        bytes.clear();
        rows.push_leaf(row, &mut bytes);
        leaves.push(Hash::leaf(bytes.as_bytes()));
    }
    Ok(leaves)
}
