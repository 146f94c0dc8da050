//! Keeps the uncommitted batches of a tenant few, whatever size they arrive in.
//!
//! In: accepted batches, often of one row (which costs about 15 KB as a batch of its own). Out: the same rows in
//! the same order in few batches. Guaranteed: a row is copied O(log n) times, because like sizes merge with like,
//! as in a log-structured tree; a merged batch stays below [`COALESCED_ROWS_MAX`] and [`COALESCED_BYTES_MAX`];
//! no batch keeps memory alive that belongs to rows outside it.

use arrow::{
    array::{Array, RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
};

use crate::limits::{COALESCED_BYTES_MAX, COALESCED_ROWS_MAX};

/// What a column of a small batch takes beside its values.
const COLUMN_OVERHEAD_BYTES: usize = 512;

/// Adds `batch` behind `batches`, merges neighbours of like size at the end, and returns by how many bytes
/// the memory of `batches` grew. Batches that cannot be merged stay as they are.
pub(crate) fn push(batches: &mut Vec<RecordBatch>, batch: RecordBatch) -> isize {
    if batch.num_rows() == 0 {
        return 0;
    }
    let mut grown = bytes(&batch) as isize;
    batches.push(batch);
    while let [.., earlier, last] = batches.as_slice() {
        let (earlier_bytes, last_bytes) = (bytes(earlier), bytes(last));
        let alike = last.num_rows() * 2 >= earlier.num_rows();
        let small = earlier.num_rows() + last.num_rows() <= COALESCED_ROWS_MAX
            && earlier_bytes + last_bytes <= COALESCED_BYTES_MAX;
        if !alike || !small {
            break;
        }
        let Ok(merged) = concat_batches(&last.schema(), [earlier, last]) else { break };
        grown += bytes(&merged) as isize - (earlier_bytes + last_bytes) as isize;
        batches.truncate(batches.len() - 2);
        batches.push(merged);
    }
    grown + batches.last_mut().map_or(0, compact)
}

/// Copies a slice that pins much more than its own rows; returns by how many bytes its memory grew.
fn compact(batch: &mut RecordBatch) -> isize {
    let before = bytes(batch);
    let own: usize =
        batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(before)).sum();
    // Buffers are padded and builders grow by doubling: only a clear excess is worth a copy.
    if before <= 2 * own + batch.num_columns() * COLUMN_OVERHEAD_BYTES {
        return 0;
    }
    let all = UInt32Array::from_iter_values(0..batch.num_rows() as u32);
    let Ok(copy) = take_record_batch(batch, &all) else { return 0 };
    *batch = copy;
    bytes(batch) as isize - before as isize
}

/// Memory that a batch keeps alive.
pub(crate) fn bytes(batch: &RecordBatch) -> usize {
    batch.get_array_memory_size()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Int64Array, StringArray},
        datatypes::{DataType, Field, Schema, SchemaRef},
    };
    use proptest::prelude::*;

    use super::*;

    fn schema() -> SchemaRef {
        let number = Field::new("number", DataType::Int64, false);
        let text = Field::new("text", DataType::Utf8, true);
        Arc::new(Schema::new(vec![number, text]))
    }

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        let text = StringArray::from_iter(numbers.clone().map(|n| (n % 3 > 0).then(|| format!("event {n}"))));
        RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from_iter_values(numbers)), Arc::new(text)])
            .unwrap()
    }

    proptest! {
        /// Would catch rows lost, doubled or reordered by merging, memory miscounted, and batches piling up.
        #[test]
        fn rows_and_order_stay_and_batches_are_few(sizes in prop::collection::vec(0_i64..3_000, 1..60)) {
            let mut kept = Vec::new();
            let (mut next, mut grown) = (0, 0);
            for size in sizes {
                grown += push(&mut kept, batch(next..next + size));
                next += size;
            }
            prop_assert_eq!(grown as usize, kept.iter().map(bytes).sum::<usize>());
            let whole = concat_batches(&schema(), &kept).unwrap();
            prop_assert_eq!(whole, batch(0..next));
            let full = next as usize / COALESCED_ROWS_MAX;
            prop_assert!(kept.len() <= 14 * (full + 1), "{} batches for {} rows", kept.len(), next);
        }
    }

    /// Would catch one-row batches costing kilobytes each.
    #[test]
    fn single_rows_merge_into_few_compact_batches() {
        let mut kept = Vec::new();
        for number in 0..10_000 {
            push(&mut kept, batch(number..number + 1));
        }
        assert!(kept.len() < 30, "{} batches", kept.len());
        let total: usize = kept.iter().map(bytes).sum();
        assert!(total < 10_000 * 64, "{total} bytes");
    }

    /// Would catch one row of a large request keeping the whole request in memory, uncounted.
    #[test]
    fn a_slice_is_copied_out_of_its_large_batch() {
        let large = batch(0..50_000);
        let mut kept = Vec::new();
        push(&mut kept, large.slice(100, 1));
        assert!(bytes(&kept[0]) < 4_096, "{} bytes", bytes(&kept[0]));
        assert_eq!(kept[0], batch(100..101));
    }
}
