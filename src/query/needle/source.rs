//! Blocks of one file, from memory or, what is not there, from the file.
//!
//! In: a file, which rows of it may match, and the columns wanted. Out: its blocks with these columns. Guaranteed: the file is
//! opened only if something is missing; what is missing is fetched together, and is in memory from then on.

use std::{ops::Range, sync::Arc};

use arrow::{array::RecordBatch, compute::concat_batches};
use datafusion::{common::internal_err, error::Result, physical_plan::metrics::ExecutionPlanMetricsSet};
use futures::TryStreamExt;

use super::{
    Access, NeedleFile,
    opened::{Opened, as_wanted},
};
use crate::{
    index::{Rows, join_ranges},
    query::{blocks::Block, columns, scan::selection},
};

/// Blocks of one file that are looked at one by one; of more it is quicker to read what the filter leaves.
const BLOCKS_MAX: usize = 64;
/// Decoded bytes, about, for each byte of a file.
const DECODED_BYTES: u64 = 8;
/// Decoded bytes, about, that are fetched together.
const FETCHED_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// One file's blocks.
pub(super) struct Source<'a> {
    access: &'a Access,
    file: &'a NeedleFile,
    /// The partition that reads, and what counts for it.
    place: (usize, &'a ExecutionPlanMetricsSet),
    location: Arc<str>,
    opened: Option<Opened>,
}

impl<'a> Source<'a> {
    /// Reads nothing.
    pub(super) fn new(
        access: &'a Access,
        file: &'a NeedleFile,
        place: (usize, &'a ExecutionPlanMetricsSet),
    ) -> Self {
        let location = Arc::from(file.file.object_meta.location.as_ref());
        Self { access, file, place, location, opened: None }
    }

    /// The blocks with rows that may match, in parts that are small enough to be in memory at the same time; `None` if they are too
    /// many, or too large, to be kept, or none are.
    pub(super) fn parts(&self) -> Option<Vec<Vec<u64>>> {
        let (file, rows) = (&self.file.kept.file, self.access.blocks.rows());
        let mut numbers: Vec<u64> = match &self.file.kept.rows {
            Some(ranges) => {
                ranges.iter().flat_map(|range| range.start / rows..range.end.div_ceil(rows)).collect()
            }
            None => (0..file.rows.div_ceil(rows)).collect(),
        };
        numbers.dedup();
        let block_bytes = file.size_bytes * DECODED_BYTES * rows.min(file.rows) / file.rows.max(1);
        let at_once = FETCHED_BYTES_MAX / block_bytes.max(1);
        (self.access.blocks.keeps() && at_once > 0 && numbers.len() <= BLOCKS_MAX)
            .then(|| numbers.chunks(at_once as usize).map(<[u64]>::to_vec).collect())
    }

    /// Rows of a block.
    pub(super) fn rows(&self, number: u64) -> usize {
        let range = self.range(number);
        (range.end - range.start) as usize
    }

    fn range(&self, number: u64) -> Range<u64> {
        let (rows, total) = (self.access.blocks.rows(), self.file.kept.file.rows);
        (number * rows).min(total)..((number + 1) * rows).min(total)
    }

    /// Blocks that have these columns, given by their places in a file.
    pub(super) async fn fetch(&mut self, numbers: &[u64], columns: &[usize]) -> Result<Vec<Arc<Block>>> {
        let known = |number: &u64| self.access.blocks.get(&self.location, *number);
        let mut blocks: Vec<Arc<Block>> =
            numbers.iter().map(|number| known(number).unwrap_or_else(|| Arc::new(Block::empty()))).collect();
        let missing = |column: &&usize| blocks.iter().any(|block| !block.has(**column));
        let missing: Vec<usize> = columns.iter().filter(missing).copied().collect();
        let lacking = |place: &usize| missing.iter().any(|column| !blocks[*place].has(*column));
        let lacking: Vec<usize> = (0..blocks.len()).filter(lacking).collect();
        if lacking.is_empty() {
            return Ok(blocks);
        }
        let wanted: Vec<u64> = lacking.iter().map(|place| numbers[*place]).collect();
        for (place, batch) in lacking.into_iter().zip(self.decode(&wanted, &missing).await?) {
            let mut block = Block::clone(&blocks[place]);
            for (column, values) in missing.iter().zip(batch.columns()) {
                block = block.with(*column, values);
            }
            blocks[place] = Arc::new(block);
            self.access.blocks.put(&self.location, numbers[place], Arc::clone(&blocks[place]));
        }
        Ok(blocks)
    }

    /// The same, from the file: a batch for each block.
    async fn decode(&mut self, numbers: &[u64], columns: &[usize]) -> Result<Vec<RecordBatch>> {
        let file = &self.file.kept.file;
        let columns = Arc::new(columns::file_columns().project(columns)?);
        let mut ranges: Rows = numbers.iter().map(|number| self.range(*number)).collect();
        join_ranges(&mut ranges);
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => Opened::open(self.access, self.file, self.place).await?,
        };
        let stream = opened
            .stream(&columns)
            .with_batch_size(self.access.blocks.rows() as usize)
            .with_row_selection(selection(&ranges, file.rows))
            .build()?;
        let batches =
            stream.map_err(Into::into).and_then(async |batch| as_wanted(&batch, &columns, file.day));
        let batches: Vec<RecordBatch> = batches.try_collect().await?;
        self.opened = Some(opened);
        let sizes: Vec<usize> = numbers.iter().map(|number| self.rows(*number)).collect();
        if batches.iter().map(RecordBatch::num_rows).eq(sizes.iter().copied()) {
            return Ok(batches);
        }
        // Blocks across the borders of row groups.
        let whole = concat_batches(&columns, &batches)?;
        if whole.num_rows() != sizes.iter().sum::<usize>() {
            return internal_err!("{} has other rows than its table says", self.location);
        }
        let mut first = 0;
        let slice = |size: usize| {
            first += size;
            whole.slice(first - size, size)
        };
        Ok(sizes.into_iter().map(slice).collect())
    }
}
