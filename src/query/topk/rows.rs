//! All columns of the rows that were found.
//!
//! In: where rows are, the first one first. Out: batches of them. Guaranteed: each row once; a batch has no more than can be read at
//! once, however many rows are of one time.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
};
use datafusion::error::Result;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::look::{At, Look};
use crate::query::{columns, scan::as_table};

/// Decoded bytes, about, that are read at once.
const BATCH_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Files that are read at the same time.
const FILES_AT_ONCE: usize = 16;

/// Rows that were found.
pub(super) struct Found {
    look: Arc<Look>,
    rows: Vec<At>,
}

impl Found {
    pub(super) fn new(look: Arc<Look>, leaders: Vec<(i64, At)>) -> Self {
        Self { look, rows: leaders.into_iter().map(|(_, at)| at).collect() }
    }

    /// They, read when they are asked for.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<RecordBatch>> {
        stream::try_unfold((self, 0), async |(found, first)| {
            let end = first + found.at_once(&found.rows[first..]);
            if end == first {
                return Ok(None);
            }
            let batch = found.read(&found.rows[first..end]).await?;
            Ok(Some((batch, (found, end))))
        })
    }

    /// How many of the rows are read at once: all unless that is much; at least one.
    fn at_once(&self, rows: &[At]) -> usize {
        let mut bytes = 0;
        let fits = |at: &&At| {
            let fits = bytes <= BATCH_BYTES_MAX;
            bytes += self.bytes(**at);
            fits
        };
        rows.iter().take_while(fits).count()
    }

    fn bytes(&self, at: At) -> u64 {
        match at {
            At::File { file, .. } => self.look.source(&self.look.files[file]).row_bytes(),
            At::Memory { batch, .. } => {
                let batch = &self.look.memory[batch].batch;
                (batch.get_array_memory_size() / batch.num_rows().max(1)) as u64
            }
        }
    }

    async fn read(&self, rows: &[At]) -> Result<RecordBatch> {
        let mut of_files: BTreeMap<usize, BTreeMap<u64, Vec<u32>>> = BTreeMap::new();
        let mut of_memory: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for at in rows {
            match *at {
                At::File { file, block, row } => {
                    of_files.entry(file).or_default().entry(block).or_default().push(row);
                }
                At::Memory { batch, row } => of_memory.entry(batch).or_default().push(row),
            }
        }
        let mut batches: Vec<RecordBatch> = stream::iter(of_files)
            .map(|(file, blocks)| self.of_file(file, blocks))
            .buffered(FILES_AT_ONCE)
            .try_concat()
            .await?;
        for (batch, rows) in of_memory {
            let rows = take_record_batch(&self.look.memory[batch].batch, &UInt32Array::from(rows))?;
            batches.push(as_table(&rows, &columns::table_columns())?);
        }
        Ok(concat_batches(&columns::table_columns(), &batches)?)
    }

    async fn of_file(&self, file: usize, blocks: BTreeMap<u64, Vec<u32>>) -> Result<Vec<RecordBatch>> {
        let found: Vec<(u64, Arc<[u32]>)> = blocks
            .into_iter()
            .map(|(block, mut rows)| {
                rows.sort_unstable();
                (block, Arc::from(rows))
            })
            .collect();
        self.look.reading.rows(&mut self.look.source(&self.look.files[file]), &found).await
    }
}
