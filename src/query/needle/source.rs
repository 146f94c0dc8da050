//! Pieces of one file, from memory or, what is not there, from the file.
//!
//! In: a file, which rows of it may match, and the columns wanted. Out: its pieces with these columns. Guaranteed: the file is
//! opened only if something is missing; what is missing is fetched together, and is in memory from then on, unless it is not to be kept.

use std::{ops::Range, sync::Arc};

use arrow::{array::RecordBatch, compute::concat_batches};
use chrono::NaiveDate;
use datafusion::{common::internal_err, error::Result, physical_plan::metrics::ExecutionPlanMetricsSet};
use futures::TryStreamExt;

use super::{
    Access, NeedleFile,
    opened::{Opened, as_wanted},
};
use crate::{
    index::{Rows, join_ranges},
    query::{
        block_words::BlockWords,
        blocks::{Block, Event, Piece},
        columns,
        prune::KeptFile,
        scan::selection,
    },
};

/// Blocks of one file that are looked at one by one; of more it is quicker to read what the filter leaves.
const BLOCKS_MAX: usize = 64;
/// Decoded bytes, about, for each byte of a file.
const DECODED_BYTES: u64 = 8;
/// Decoded bytes, about, that are fetched together.
const FETCHED_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// One file's blocks.
pub(in crate::query) struct Source<'a> {
    access: &'a Access,
    file: &'a NeedleFile,
    /// The partition that reads, and what counts for it.
    place: (usize, &'a ExecutionPlanMetricsSet),
    location: Arc<str>,
    opened: Option<Opened>,
    keeps: bool,
    row_bytes_known: u64,
}

impl<'a> Source<'a> {
    /// Reads nothing.
    pub(in crate::query) fn new(
        access: &'a Access,
        file: &'a NeedleFile,
        place: (usize, &'a ExecutionPlanMetricsSet),
    ) -> Self {
        let location = Arc::from(file.file.object_meta.location.as_ref());
        Self { access, file, place, location, opened: None, keeps: true, row_bytes_known: 0 }
    }

    /// The same, if it was opened before.
    pub(in crate::query) fn with(mut self, opened: Option<Opened>) -> Self {
        self.opened = opened;
        self
    }

    /// The same, of a file whose rows have so many bytes where they are largest.
    pub(in crate::query) fn with_row_bytes(mut self, row_bytes: u64) -> Self {
        self.row_bytes_known = row_bytes;
        self
    }

    /// The same; what it decodes it keeps, or not, as whoever goes through everything once.
    pub(in crate::query) fn keeping(mut self, keeps: bool) -> Self {
        self.keeps = keeps;
        self
    }

    /// The file, if it is open.
    pub(in crate::query) fn into_opened(self) -> Option<Opened> {
        self.opened
    }

    /// The blocks with rows that may match, in parts that are small enough to be in memory at the same time; `None` if they are too
    /// many, or too large, to be kept, or none are.
    pub(super) fn parts(&self) -> Option<Vec<Vec<Piece>>> {
        let numbers = numbers(&self.file.kept, self.access.blocks.rows());
        let are_kept = self.access.blocks.keeps() && !self.is_large() && numbers.len() <= BLOCKS_MAX;
        are_kept.then(|| self.parts_of(&numbers))
    }

    /// These blocks in parts that are small enough to be in memory at the same time. Of a large block, a piece is not all.
    pub(in crate::query) fn parts_of(&self, numbers: &[u64]) -> Vec<Vec<Piece>> {
        if !self.is_large() {
            let at_once = FETCHED_BYTES_MAX / self.block_bytes();
            let block = |number: &u64| Piece::Block(*number);
            return numbers.chunks(at_once as usize).map(|part| part.iter().map(block).collect()).collect();
        }
        let rows_at_once = u32::try_from(FETCHED_BYTES_MAX / self.row_bytes()).unwrap_or(u32::MAX).max(1);
        let slices = |number: &u64| {
            let (number, rows) = (*number, self.rows(*number) as u32);
            let firsts = (0..rows).step_by(rows_at_once as usize);
            firsts.map(move |first| {
                let end = rows.min(first.saturating_add(rows_at_once));
                vec![Piece::Rows(number, (first..end).collect())]
            })
        };
        numbers.iter().flat_map(slices).collect()
    }

    /// Whether a block is more than is read at once.
    pub(super) fn is_large(&self) -> bool {
        self.block_bytes() > FETCHED_BYTES_MAX
    }

    /// Decoded bytes of a block, about.
    fn block_bytes(&self) -> u64 {
        self.row_bytes() * self.access.blocks.rows().min(self.file.kept.file.rows).max(1)
    }

    /// Decoded bytes of a row, about: what is known of its pages, or, before the file was opened, what such files have.
    pub(in crate::query) fn row_bytes(&self) -> u64 {
        let file = &self.file.kept.file;
        let estimate = file.size_bytes * DECODED_BYTES / file.rows.max(1);
        estimate.max(self.row_bytes_known).max(1)
    }

    /// Which day its events are of.
    pub(super) fn day(&self) -> NaiveDate {
        self.file.kept.file.day
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

    fn ranges(&self, piece: &Piece) -> Rows {
        let block = self.range(piece.number());
        match piece {
            Piece::Block(_) => vec![block],
            Piece::Rows(_, places) => {
                let row = |place: &u32| block.start + u64::from(*place);
                places.iter().map(|place| row(place)..row(place) + 1).collect()
            }
        }
    }

    /// Rows of a piece.
    pub(super) fn rows_of(&self, piece: &Piece) -> usize {
        match piece {
            Piece::Block(number) => self.rows(*number),
            Piece::Rows(_, places) => places.len(),
        }
    }

    /// Pieces that have these columns, given by their places in a file: those asked for, which are in ascending order and of
    /// different blocks, or, of those whose whole block is known, that.
    pub(in crate::query) async fn fetch(
        &mut self,
        pieces: &[Piece],
        columns: &[usize],
    ) -> Result<Vec<(Piece, Arc<Block>)>> {
        let mut found: Vec<_> = pieces.iter().map(|piece| self.known(piece, columns)).collect();
        let missing = |column: &&usize| found.iter().any(|(_, block)| !block.has(**column));
        let missing: Vec<usize> = columns.iter().filter(missing).copied().collect();
        let lacking = |place: &usize| missing.iter().any(|column| !found[*place].1.has(*column));
        let lacking: Vec<usize> = (0..found.len()).filter(lacking).collect();
        if lacking.is_empty() {
            return Ok(found);
        }
        let wanted: Vec<Piece> = lacking.iter().map(|place| found[*place].0.clone()).collect();
        for (place, batch) in lacking.into_iter().zip(self.decode(&wanted, &missing).await?) {
            let (piece, block) = &mut found[place];
            let filled = missing
                .iter()
                .zip(batch.columns())
                .try_fold(Block::clone(block), |block, (column, values)| block.with(*column, values))?;
            *block = Arc::new(filled);
            if self.keeps {
                self.access.blocks.put(&self.location, piece, Arc::clone(block));
            }
        }
        Ok(found)
    }

    /// The words of blocks that are not large; `None` if a block has too many rows, or its words are not known and would not be kept.
    pub(in crate::query) async fn words(&mut self, numbers: &[u64]) -> Result<Vec<Option<Arc<BlockWords>>>> {
        let blocks = &self.access.blocks;
        let mut found: Vec<_> = numbers.iter().map(|number| blocks.words(&self.location, *number)).collect();
        let lacking: Vec<usize> = (0..found.len()).filter(|place| found[*place].is_none()).collect();
        if lacking.is_empty() || !self.keeps {
            return Ok(found);
        }
        // The texts are not kept: the words take less memory, and the texts of few rows will be asked for.
        let wanted: Vec<Piece> = lacking.iter().map(|place| Piece::Block(numbers[*place])).collect();
        let texts = self.decode(&wanted, &columns::word_columns()).await?;
        for (place, texts) in lacking.into_iter().zip(texts) {
            let Some(words) = BlockWords::of(&texts).map(Arc::new) else { continue };
            self.access.blocks.put_words(&self.location, numbers[place], Arc::clone(&words));
            found[place] = Some(words);
        }
        Ok(found)
    }

    /// All columns of the rows of pieces, a batch for each; they are not kept.
    pub(in crate::query) async fn read(&mut self, pieces: &[Piece]) -> Result<Vec<RecordBatch>> {
        let all: Vec<usize> = (0..columns::file_columns().fields().len()).collect();
        match pieces.is_empty() {
            true => Ok(Vec::new()),
            false => self.decode(pieces, &all).await,
        }
    }

    /// What is shown of a block's row, if it is in memory.
    pub(in crate::query) fn event(&self, block: u64, row: u32) -> Option<Arc<Event>> {
        self.access.blocks.event(&self.location, self.range(block).start + u64::from(row))
    }

    /// Keeps what is shown of a block's row.
    pub(in crate::query) fn keep_event(&self, block: u64, row: u32, event: &Arc<Event>) {
        let row = self.range(block).start + u64::from(row);
        self.access.blocks.put_event(&self.location, row, Arc::clone(event));
    }

    /// What is in memory of a piece, or of its whole block if that has all `columns`.
    fn known(&self, piece: &Piece, columns: &[usize]) -> (Piece, Arc<Block>) {
        let blocks = &self.access.blocks;
        let whole = Piece::Block(piece.number());
        let has_all = |block: &Arc<Block>| columns.iter().all(|column| block.has(*column));
        match blocks.get(&self.location, &whole).filter(has_all) {
            Some(block) => (whole, block),
            None => {
                let known = blocks.get(&self.location, piece);
                (piece.clone(), known.unwrap_or_else(|| Arc::new(Block::empty())))
            }
        }
    }

    /// The same, from the file: a batch for each piece.
    async fn decode(&mut self, pieces: &[Piece], columns: &[usize]) -> Result<Vec<RecordBatch>> {
        let file = &self.file.kept.file;
        let columns = Arc::new(columns::file_columns().project(columns)?);
        let mut ranges: Rows = pieces.iter().flat_map(|piece| self.ranges(piece)).collect();
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
        let sizes: Vec<usize> = pieces.iter().map(|piece| self.rows_of(piece)).collect();
        if batches.iter().map(RecordBatch::num_rows).eq(sizes.iter().copied()) {
            return Ok(batches);
        }
        // Blocks across the borders of row groups, or few rows of several blocks.
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

/// The blocks of a file, of so many rows each, with rows that may match.
pub(in crate::query) fn numbers(kept: &KeptFile, rows_of_block: u64) -> Vec<u64> {
    let blocks = |range: &Range<u64>| range.start / rows_of_block..range.end.div_ceil(rows_of_block);
    let mut numbers: Vec<u64> = match &kept.rows {
        Some(ranges) => ranges.iter().flat_map(blocks).collect(),
        None => blocks(&(0..kept.file.rows)).collect(),
    };
    numbers.dedup();
    numbers
}
