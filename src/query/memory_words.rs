//! Which rows of a batch of uncommitted events have which words.
//!
//! In: a batch as a snapshot holds it. Out: its words, made when they are asked for the first time. Guaranteed: they are of this batch: it is known
//! by the memory of its first column, which is no other's as long as something is known of it (a `Weak` keeps the address taken).

use std::sync::{Arc, Weak};

use arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::error::Result;
use quick_cache::{Weighter, sync::Cache};

use super::{block_words::BlockWords, columns, scan::as_table};
use crate::limits::{MEMORY_WORDS_CACHE_BYTES, MEMORY_WORDS_ESTIMATE};

type Known = (Weak<dyn Array>, Arc<BlockWords>);

/// The words of batches, in memory.
#[derive(Debug)]
pub(crate) struct MemoryWords(Cache<usize, Known, BySize>);

impl MemoryWords {
    pub(crate) fn new() -> Self {
        Self(Cache::with_weighter(MEMORY_WORDS_ESTIMATE, MEMORY_WORDS_CACHE_BYTES, BySize))
    }

    /// Of `batch`; `None` if it has too many rows.
    pub(crate) fn of(&self, batch: &RecordBatch) -> Result<Option<Arc<BlockWords>>> {
        let Some(column) = batch.columns().first() else { return Ok(None) };
        let address = address(column);
        if let Some((of, words)) = self.0.get(&address)
            && of.upgrade().is_some_and(|of| Arc::ptr_eq(&of, column))
        {
            return Ok(Some(words));
        }
        let texts = as_table(batch, &columns::texts())?;
        let Some(words) = BlockWords::of(&texts).map(Arc::new) else { return Ok(None) };
        self.0.insert(address, (Arc::downgrade(column), Arc::clone(&words)));
        Ok(Some(words))
    }
}

fn address(column: &ArrayRef) -> usize {
    Arc::as_ptr(column).cast::<()>().addr()
}

#[derive(Clone, Copy, Debug)]
struct BySize;

impl Weighter<usize, Known> for BySize {
    fn weight(&self, _: &usize, (_, words): &Known) -> u64 {
        (words.memory_bytes() + ENTRY_BYTES) as u64
    }
}

/// What an entry takes beside its words, about.
const ENTRY_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{
        block_words::hash,
        tests::fixture::{Event, accepted},
    };

    /// Would catch words of a batch that is gone given for one that took its place in memory, and those of one column's other rows.
    #[test]
    fn words_are_of_the_batch_that_is_asked_about() {
        let words = MemoryWords::new();
        for number in 0..200 {
            let action = format!("action.number{}", number % 7);
            let batch = accepted("acme", &[Event { action, ..Event::numbered(number) }]);
            for _ in 0..2 {
                let known = words.of(&batch).unwrap().unwrap();
                for other in 0..7 {
                    let found = known.rows_with(&[hash(&format!("number{other}"))]);
                    assert_eq!(found.len(), usize::from(other == number % 7), "batch {number}");
                }
            }
            let first = words.of(&batch).unwrap().unwrap();
            assert!(Arc::ptr_eq(&first, &words.of(&batch.clone()).unwrap().unwrap()), "they are made once");
        }
        assert!(words.0.weight() <= MEMORY_WORDS_CACHE_BYTES);
    }
}
