//! Collects the terms of data files while they are written, and makes one segment of them.
//!
//! In: the batches of one file after another, in the order of their rows. Out: a segment. Guaranteed: every block
//! with a value of a field is among the value's postings; memory stays below [`limits::INDEX_BUILD_BYTES_MAX`] and
//! one piece, if the caller writes a segment whenever [`Builder::is_full`] says so.

use arrow::array::RecordBatch;

use super::{
    counts::{Counter, PieceCounts},
    field::{BlockHashes, Field},
    format::Piece,
};
use crate::{error::Result, limits};

/// A value in more than one of so many blocks of a piece counts as being in all of them.
const MANY_ONE_IN: usize = 3;
/// In up to this many blocks a value is never "in all".
const FEW_BLOCKS: usize = 4;

/// The postings of some pieces of files, on their way into a segment.
#[derive(Debug)]
pub struct Builder {
    /// Rows of a full block.
    block_rows_max: u32,
    block: BlockHashes,
    /// Rows of the block in progress.
    block_rows: u32,
    counter: Counter,
    /// The file in progress, the number of its first row here, and its rows so far.
    piece: Option<Piece>,
    /// Hash and block in the piece in progress, of each field.
    piece_postings: Vec<Vec<(u32, u32)>>,
    done: Done,
}

/// The pieces that are complete.
#[derive(Debug)]
pub(crate) struct Done {
    /// Rows of a full block.
    pub(crate) block_rows: u32,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) counts: Vec<PieceCounts>,
    /// Hash and code of each field; sorted in runs, one for each piece.
    pub(crate) postings: Vec<Vec<(u32, u32)>>,
    /// Codes of all pieces.
    pub(crate) codes: u32,
}

impl Done {
    fn new(block_rows: u32) -> Self {
        Self { block_rows, pieces: Vec::new(), counts: Vec::new(), postings: lists(), codes: 0 }
    }
}

impl Builder {
    /// An empty builder for blocks of so many rows.
    pub fn new(block_rows: u32) -> Self {
        let block_rows_max = block_rows.max(1);
        Self {
            block_rows_max,
            block: BlockHashes::default(),
            block_rows: 0,
            counter: Counter::default(),
            piece: None,
            piece_postings: lists(),
            done: Done::new(block_rows_max),
        }
    }

    /// What follows belongs to the file at `path`, relative to its table.
    pub fn begin_file(&mut self, path: &str) {
        self.end_piece();
        self.piece = Some(Piece { file: path.to_owned(), first_row: 0, rows: 0 });
    }

    /// Adds the next rows of the file: batches of the stored or the accepted schema, text as views or not.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut from = 0;
        while from < batch.num_rows() {
            let rows = (batch.num_rows() - from).min((self.block_rows_max - self.block_rows) as usize);
            let part = batch.slice(from, rows);
            self.block.add(&part)?;
            self.counter.add(&part)?;
            self.block_rows += rows as u32;
            from += rows;
            if self.block_rows == self.block_rows_max {
                self.end_block();
            }
        }
        Ok(())
    }

    /// Whether it holds so much that a segment should be written, in the middle of a file too.
    pub fn is_full(&self) -> bool {
        let in_progress: usize = self.piece_postings.iter().map(Vec::len).sum();
        let complete: usize = self.done.postings.iter().map(Vec::len).sum();
        (in_progress + complete) * size_of::<(u32, u32)>() >= limits::INDEX_BUILD_BYTES_MAX
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.done.pieces.is_empty() && self.piece.as_ref().is_none_or(|piece| piece.rows == 0)
    }

    /// Everything so far. With `file_goes_on`, what follows is the next piece of the same file.
    pub(crate) fn take(&mut self, file_goes_on: bool) -> Done {
        let next = self.piece.as_ref().filter(|_| file_goes_on).map(|piece| Piece {
            file: piece.file.clone(),
            first_row: piece.first_row + u64::from(piece.rows + self.block_rows),
            rows: 0,
        });
        self.end_piece();
        self.piece = next;
        std::mem::replace(&mut self.done, Done::new(self.block_rows_max))
    }

    fn end_block(&mut self) {
        let Some(piece) = &mut self.piece else { return };
        let number = piece.rows / self.block_rows_max;
        piece.rows += self.block_rows;
        self.block_rows = 0;
        self.block.take(|field, hashes| {
            let postings = &mut self.piece_postings[field.number()];
            postings.extend(hashes.iter().map(|hash| (*hash, number)));
        });
    }

    fn end_piece(&mut self) {
        if self.block_rows > 0 {
            self.end_block();
        }
        let Some(piece) = self.piece.take().filter(|piece| piece.rows > 0) else { return };
        let blocks = piece.blocks(self.block_rows_max);
        let base = self.done.codes;
        for (from, to) in self.piece_postings.iter_mut().zip(&mut self.done.postings) {
            let mut postings = std::mem::take(from);
            to_codes(&mut postings, base, blocks);
            match to.is_empty() {
                true => *to = postings,
                false => to.append(&mut postings),
            }
        }
        self.done.codes += piece.codes(self.block_rows_max);
        self.done.counts.push(self.counter.take());
        self.done.pieces.push(piece);
    }
}

/// Sorts the postings of a piece with `blocks` blocks, whose first code is `base`, and gives them their codes.
fn to_codes(postings: &mut Vec<(u32, u32)>, base: u32, blocks: u32) {
    postings.sort_unstable();
    let (mut from, mut to) = (0, 0);
    while from < postings.len() {
        let hash = postings[from].0;
        let count = postings[from..].iter().take_while(|posting| posting.0 == hash).count();
        if count > FEW_BLOCKS && count * MANY_ONE_IN > blocks as usize {
            postings[to] = (hash, base + blocks);
            to += 1;
        } else {
            for at in from..from + count {
                postings[to] = (hash, base + postings[at].1);
                to += 1;
            }
        }
        from += count;
    }
    postings.truncate(to);
}

/// No postings of any field.
fn lists() -> Vec<Vec<(u32, u32)>> {
    Field::all().map(|_| Vec::new()).collect()
}
