//! Merges segments into one, streaming.
//!
//! In: segments, and which of their pieces still count. Out: one segment with those pieces. Guaranteed: a posting of
//! a piece that counts is in the new segment, others are not; memory is bounded by the number of inputs, whatever
//! their size: of each, some chunks of one field at a time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{
    counts::PieceCounts,
    field::Field,
    format::{self, FieldEntry, Piece},
    postings::ChunkReader,
    segment::{Access, Cost, Segment},
    write::{self, FieldWriter, SegmentWriter},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
};

/// Fetched of one input at once.
const RUN_BYTES: u64 = 256 * 1024;
/// Hashes merged before it is judged how many there will be.
const SAMPLE_HASHES: usize = 4_096;

/// A segment to merge, and which of its pieces count.
pub(crate) struct Input {
    pub(crate) segment: Arc<Segment>,
    pub(crate) wanted: Vec<bool>,
}

/// Writes one segment in place of `inputs`; `None` if none of their pieces counts, or it was cancelled.
pub(crate) async fn merge(
    access: &Access,
    tenant: &TenantId,
    inputs: &[Input],
    cancel: &CancellationToken,
) -> Result<Option<Segment>> {
    let kept = Kept::of(inputs);
    if kept.pieces.is_empty() {
        return Ok(None);
    }
    let counts = kept.counts(access, inputs).await?;
    let generation = inputs.iter().map(|input| input.segment.footer.generation).max().unwrap_or(0) + 1;
    let pieces = kept.pieces.iter().map(|(_, _, piece)| piece.clone()).collect();
    let mut writer = SegmentWriter::new(&access.store, tenant, generation, kept.block_rows, pieces);
    for field in Field::all() {
        let merged = merge_field(access, &mut writer, field, inputs, &kept, cancel).await;
        if !matches!(merged, Ok(true)) {
            writer.abandon().await;
            return merged.map(|_| None);
        }
    }
    writer.finish(&counts).await.map(Some)
}

/// The pieces that count, in their new order, and what becomes of the inputs' codes.
struct Kept {
    /// Rows of a block, the same in all inputs.
    block_rows: u32,
    /// Input, number of the piece there, piece.
    pieces: Vec<(usize, usize, Piece)>,
    /// By input and piece: the new first code.
    bases: Vec<Vec<Option<u32>>>,
}

impl Kept {
    fn of(inputs: &[Input]) -> Self {
        let block_rows = inputs.first().map_or(1, |input| input.segment.footer.block_rows);
        let mut pieces = Vec::new();
        for (at, input) in inputs.iter().enumerate() {
            let footer = &input.segment.footer;
            debug_assert_eq!(footer.block_rows, block_rows);
            let wanted = footer.pieces.iter().enumerate().filter(|(number, _)| input.wanted[*number]);
            pieces.extend(wanted.map(|(number, piece)| (at, number, piece.clone())));
        }
        // By day: codes of neighbours in time are then neighbours, and so cheap to write down.
        pieces.sort_by(|(_, _, a), (_, _, b)| (&a.file, a.first_row).cmp(&(&b.file, b.first_row)));
        let mut bases: Vec<Vec<Option<u32>>> =
            inputs.iter().map(|input| vec![None; input.segment.footer.pieces.len()]).collect();
        let mut next = 0;
        for (input, number, piece) in &pieces {
            bases[*input][*number] = Some(next);
            next += piece.codes(block_rows);
        }
        Self { block_rows, pieces, bases }
    }

    /// The new code of `code` in input number `input`, if its piece counts.
    fn code(&self, inputs: &[Input], input: usize, code: u32) -> Option<u32> {
        let segment = &inputs[input].segment;
        let (piece, block) = segment.place(code);
        let block = block.unwrap_or_else(|| segment.footer.pieces[piece].blocks(self.block_rows));
        self.bases[input][piece].map(|base| base + block)
    }

    async fn counts(&self, access: &Access, inputs: &[Input]) -> Result<Vec<PieceCounts>> {
        let mut by_input = Vec::with_capacity(inputs.len());
        for input in inputs {
            by_input.push(input.segment.counts(access, &Cost::default()).await?);
        }
        Ok(self.pieces.iter().map(|(input, number, _)| by_input[*input].stored(*number)).collect())
    }
}

/// Merges one field; `false` if it was cancelled.
async fn merge_field(
    access: &Access,
    writer: &mut SegmentWriter,
    field: Field,
    inputs: &[Input],
    kept: &Kept,
    cancel: &CancellationToken,
) -> Result<bool> {
    let mut sources = Vec::with_capacity(inputs.len());
    let mut heads = BinaryHeap::new();
    for (number, input) in inputs.iter().enumerate() {
        let mut source = Source::open(access, &input.segment, field).await?;
        heads.extend(source.head(access).await?.map(|hash| Reverse((hash, number))));
        sources.push(source);
    }
    let mut out = Output::new(field, writer.rows(), writer.codes());
    let mut codes = Vec::new();
    while let Some(Reverse((hash, number))) = heads.pop() {
        sources[number].take(&mut codes);
        let renumbered = codes.iter().filter_map(|code| kept.code(inputs, number, *code));
        out.push(hash, renumbered);
        if let Some(field) = &mut out.writer {
            writer.drain(field).await?;
        }
        if let Some(next) = sources[number].head(access).await? {
            heads.push(Reverse((next, number)));
        }
        if cancel.is_cancelled() {
            return Ok(false);
        }
    }
    writer.end_field(out.finish()).await?;
    Ok(true)
}

/// The merged field. Its first hashes wait until they tell how many there will be: hashes are spread evenly.
struct Output {
    field: Field,
    rows: u64,
    codes: u32,
    waiting: Vec<(u32, Vec<u32>)>,
    writer: Option<FieldWriter>,
}

impl Output {
    fn new(field: Field, rows: u64, codes: u32) -> Self {
        Self { field, rows, codes, waiting: Vec::new(), writer: None }
    }

    fn push(&mut self, hash: u32, codes: impl Iterator<Item = u32>) {
        let mut codes = codes.peekable();
        if codes.peek().is_none() {
            return;
        }
        if let Some(writer) = &mut self.writer {
            return writer.push(hash, codes);
        }
        match self.waiting.last_mut() {
            Some((last, of_last)) if *last == hash => of_last.extend(codes),
            _ => self.waiting.push((hash, codes.collect())),
        }
        if self.waiting.len() > SAMPLE_HASHES {
            let part = (f64::from(hash) + 1.0) / 2_f64.powi(32);
            self.start(self.waiting.len() as f64 / part);
        }
    }

    fn start(&mut self, distinct: f64) -> &mut FieldWriter {
        let shape = write::shape(self.rows, distinct, self.codes);
        let mut writer = FieldWriter::new(self.field, shape);
        for (hash, codes) in self.waiting.drain(..) {
            writer.push(hash, codes);
        }
        self.writer.insert(writer)
    }

    fn finish(mut self) -> FieldWriter {
        if self.writer.is_none() {
            self.start(self.waiting.len() as f64);
        }
        self.writer.expect("started above")
    }
}

/// One input's postings of one field, in order.
struct Source {
    segment: Arc<Segment>,
    entry: FieldEntry,
    directory: Bytes,
    /// Chunks fetched and not decoded, with their numbers.
    fetched: VecDeque<(usize, Bytes)>,
    next_chunk: usize,
    /// Of the chunk in progress: each hash, as 32 bits, with the number of its codes, last first; their codes.
    hashes: VecDeque<(u32, usize)>,
    codes: VecDeque<u32>,
}

impl Source {
    async fn open(access: &Access, segment: &Arc<Segment>, field: Field) -> Result<Self> {
        let entry = segment.footer.field(field).cloned().ok_or_else(|| {
            let message = format!("segment {} of the index has no field '{}'", segment.key, field.name());
            Error::new(ErrorKind::Corrupt, message)
        })?;
        let directory = segment.directory(access, &Cost::default(), &entry).await?;
        Ok(Self {
            segment: segment.clone(),
            entry,
            directory,
            fetched: VecDeque::new(),
            next_chunk: 0,
            hashes: VecDeque::new(),
            codes: VecDeque::new(),
        })
    }

    /// The hash that [`Source::take`] gives the codes of; `None` at the end.
    async fn head(&mut self, access: &Access) -> Result<Option<u32>> {
        while self.hashes.is_empty() {
            if self.fetched.is_empty() && !self.fetch(access).await? {
                return Ok(None);
            }
            self.decode()?;
        }
        Ok(self.hashes.front().map(|(hash, _)| *hash))
    }

    /// Puts the codes of the head in place of what is in `codes`.
    fn take(&mut self, codes: &mut Vec<u32>) {
        let (_, count) = self.hashes.pop_front().unwrap_or_default();
        codes.clear();
        codes.extend(self.codes.drain(..count));
    }

    async fn fetch(&mut self, access: &Access) -> Result<bool> {
        let chunks = self.entry.shape.chunks();
        if self.next_chunk >= chunks {
            return Ok(false);
        }
        let mean = (self.entry.chunks.bytes / chunks as u64).max(1);
        let end = (self.next_chunk + (RUN_BYTES / mean).max(1) as usize).min(chunks);
        let run = self.segment.run(&access.store, &self.entry, &self.directory, self.next_chunk..end).await?;
        self.fetched.extend((self.next_chunk..end).zip(run));
        self.next_chunk = end;
        Ok(true)
    }

    fn decode(&mut self) -> Result<()> {
        let Some((number, bytes)) = self.fetched.pop_front() else { return Ok(()) };
        let shape = self.entry.shape;
        let damaged = |cause| self.segment.damaged(cause);
        let mut reader = ChunkReader::new(&bytes, shape, number).map_err(damaged)?;
        let mut codes = Vec::new();
        while let Some(hash) = reader.next(&mut codes).map_err(damaged)? {
            self.hashes.push_back((format::widened(hash, shape.hash_bits), codes.len()));
            self.codes.extend(&codes);
        }
        Ok(())
    }
}
