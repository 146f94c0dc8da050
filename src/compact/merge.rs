//! Merges sorted files into one sorted stream, in memory bounded by the number of inputs.
//!
//! In: files, each sorted by (`occurred_at`, `seq`). Out: batches of all their rows in that order. Guaranteed: each
//! input row comes out exactly once; an input that is not sorted, or begins before its statistics say, is an error,
//! not a wrong answer. A file is decoded from when the merge gets near its first event, so what is in memory is what
//! overlaps in time. A file for which there is no memory left once it is open, and those after it, are left out.
//! Rows are taken in runs; a long run, as of files that do not overlap, passes through without being copied.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    buffer::ScalarBuffer,
    compute::interleave_record_batch,
    datatypes::{DataType, Int64Type, TimestampMicrosecondType},
};

use super::{decode::Decoder, digest::Digest, memory::Share, plan};
use crate::{
    error::{Error, ErrorKind, Result},
    event::schema,
    limits::{MERGE_BATCH_BYTES_MAX, MERGE_BATCH_ROWS_MAX},
    table::{DataFile, ReadOptions, Table},
};

/// A run this long is passed on as a slice of its batch.
const LONG_RUN_ROWS: usize = 1_024;

/// What rows are sorted by: `occurred_at`, then `seq`.
type Key = (i64, i64);

/// A merge in progress.
pub(crate) struct Merge {
    table: Arc<Table>,
    /// Files not reached yet, in the order of their first events.
    waiting: VecDeque<Arc<DataFile>>,
    /// The next of them, whose decoding has begun.
    next: Option<Next>,
    inputs: Vec<Input>,
    /// Files that are merged: all but those left out.
    taken: Vec<Arc<DataFile>>,
    memory: Share,
    /// What of `memory` is not for reading.
    writing_bytes: u64,
    /// The last key given out.
    last: Key,
    /// Batches that the runs of the next output refer to.
    batches: Vec<RecordBatch>,
    runs: Vec<Run>,
    read: Digest,
}

/// A file that is not reached yet.
struct Next {
    reached_at: i64,
    file: Arc<DataFile>,
    decoder: Decoder,
}

/// Rows that stand next to each other in an input and in the output.
struct Run {
    batch: usize,
    rows: Range<usize>,
}

/// One input: its batches to come, and the one it has reached.
struct Input {
    decoder: Decoder,
    head: Head,
    memory_bytes: u64,
}

/// How far an input has been merged.
struct Head {
    batch: RecordBatch,
    times: ScalarBuffer<i64>,
    seqs: ScalarBuffer<i64>,
    row: usize,
    /// Bytes of the values of a row, on average.
    row_bytes: usize,
    /// Where the batch stands among `Merge::batches`, once a run refers to it.
    kept: Option<usize>,
}

impl Head {
    fn key(&self, row: usize) -> Key {
        (self.times[row], self.seqs[row])
    }

    fn rows(&self) -> usize {
        self.times.len()
    }
}

impl Merge {
    /// A merge of `files` of `table`, in the order of their first events, in `memory`, of which `writing_bytes` are spoken
    /// for.
    pub(crate) fn new(table: Arc<Table>, files: &[Arc<DataFile>], memory: Share, writing_bytes: u64) -> Self {
        let mut merge = Self {
            table,
            waiting: files.iter().cloned().collect(),
            next: None,
            inputs: Vec::new(),
            taken: Vec::new(),
            memory,
            writing_bytes,
            last: (i64::MIN, i64::MIN),
            batches: Vec::new(),
            runs: Vec::new(),
            read: Digest::default(),
        };
        merge.prepare();
        merge
    }

    /// The next rows in order; `None` when all inputs are exhausted.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (mut rows, mut bytes) = (0, 0);
        while rows < MERGE_BATCH_ROWS_MAX && bytes < MERGE_BATCH_BYTES_MAX {
            self.open_reached().await?;
            let Some((first, bound)) = self.least() else { break };
            let head = &mut self.inputs[first].head;
            let rows_max =
                (MERGE_BATCH_ROWS_MAX - rows).min((MERGE_BATCH_BYTES_MAX - bytes) / head.row_bytes + 1);
            let run = head.row..run_end(head, bound, rows_max);
            let is_long = run.len() >= LONG_RUN_ROWS;
            if is_long && rows > 0 {
                break;
            }
            self.last = head.key(run.end - 1);
            head.row = run.end;
            rows += run.len();
            bytes += run.len() * head.row_bytes;
            let batch = *head.kept.get_or_insert_with(|| {
                self.batches.push(head.batch.clone());
                self.batches.len() - 1
            });
            self.runs.push(Run { batch, rows: run });
            if head.row == head.rows() {
                self.advance(first).await?;
            }
            if is_long {
                break;
            }
        }
        self.assemble()
    }

    /// The digest of everything read so far: of all inputs, once `next` has given `None`.
    pub(crate) fn read(&self) -> Digest {
        self.read
    }

    /// The files merged, once `next` has given `None`: less than two if there was no memory for a second one. And the
    /// memory.
    pub(crate) fn end(self) -> (Vec<Arc<DataFile>>, Share) {
        (self.taken, self.memory)
    }

    /// Begins to decode the file that comes next.
    fn prepare(&mut self) {
        self.next = self.waiting.pop_front().map(|file| {
            let decoder = Decoder::start(self.table.clone(), file.clone(), ReadOptions::default());
            Next { reached_at: plan::first_event(&file), file, decoder }
        });
    }

    /// Takes in every file whose first event may be the next in order.
    async fn open_reached(&mut self) -> Result<()> {
        loop {
            let least = self.inputs.iter().map(|input| input.head.key(input.head.row).0).min();
            let is_reached = |next: &mut Next| least.is_none_or(|least| least >= next.reached_at);
            let Some(Next { file, mut decoder, .. }) = self.next.take_if(is_reached) else { return Ok(()) };
            let memory_bytes = decoder.memory_bytes().await?;
            if !self.has_room(memory_bytes) {
                self.waiting.clear();
                return Ok(());
            }
            self.prepare();
            self.taken.push(file);
            if let Some(head) = next_head(&mut decoder, self.last, &mut self.read).await? {
                self.inputs.push(Input { decoder, head, memory_bytes });
            }
        }
    }

    /// Whether one more file can be open. Two always can if nobody else is at work: less cannot be merged.
    fn has_room(&mut self, memory_bytes: u64) -> bool {
        let open: u64 = self.inputs.iter().map(|input| input.memory_bytes).sum();
        self.memory.grow_to(self.writing_bytes + open + memory_bytes)
            || (self.taken.len() < 2 && self.memory.is_whole())
    }

    /// The input with the least key, and the key that its rows may not pass: the least of the others.
    fn least(&self) -> Option<(usize, Option<Key>)> {
        let mut first: Option<(usize, Key)> = None;
        let mut bound = self.next.as_ref().map(|next| (next.reached_at, i64::MIN));
        for (at, input) in self.inputs.iter().enumerate() {
            let key = input.head.key(input.head.row);
            let other = match first {
                Some((_, least)) if key >= least => Some(key),
                _ => first.replace((at, key)).map(|(_, least)| least),
            };
            bound = match (bound, other) {
                (Some(bound), Some(other)) => Some(bound.min(other)),
                (bound, other) => bound.or(other),
            };
        }
        first.map(|(at, _)| (at, bound))
    }

    /// Moves an input on to its next batch, or closes it.
    async fn advance(&mut self, at: usize) -> Result<()> {
        let input = &mut self.inputs[at];
        match next_head(&mut input.decoder, self.last, &mut self.read).await? {
            Some(head) => input.head = head,
            None => drop(self.inputs.swap_remove(at)),
        }
        Ok(())
    }

    /// Makes one batch of the runs collected.
    fn assemble(&mut self) -> Result<Option<RecordBatch>> {
        let (batches, runs) = (std::mem::take(&mut self.batches), std::mem::take(&mut self.runs));
        for input in &mut self.inputs {
            input.head.kept = None;
        }
        if let [run] = runs.as_slice() {
            return Ok(Some(batches[run.batch].slice(run.rows.start, run.rows.len())));
        }
        if runs.is_empty() {
            return Ok(None);
        }
        let rows: Vec<(usize, usize)> =
            runs.into_iter().flat_map(|run| run.rows.map(move |row| (run.batch, row))).collect();
        let batches: Vec<&RecordBatch> = batches.iter().collect();
        let merged = interleave_record_batch(&batches, &rows)
            .map_err(|cause| Error::with_source(ErrorKind::Internal, "merge batches of events", cause))?;
        Ok(Some(merged))
    }
}

/// The next batch of an input, checked to be in order and not before what was given out already.
async fn next_head(decoder: &mut Decoder, last: Key, read: &mut Digest) -> Result<Option<Head>> {
    let Some((batch, digest)) = decoder.next().await? else { return Ok(None) };
    *read = read.and(digest);
    let times = batch[schema::OCCURRED_AT].as_primitive::<TimestampMicrosecondType>().values().clone();
    let seqs = batch[schema::SEQ].as_primitive::<Int64Type>().values().clone();
    let row_bytes = value_bytes(&batch) / batch.num_rows() + 1;
    let head = Head { batch, times, seqs, row: 0, row_bytes, kept: None };
    let in_order = (1..head.rows()).all(|row| head.key(row - 1) <= head.key(row));
    if !in_order || last > head.key(0) {
        let message = format!("file {} is not sorted by occurred_at and seq", decoder.file());
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    Ok(Some(head))
}

/// Bytes of a batch's values. What else its buffers hold, which it shares with its neighbours, does not count.
fn value_bytes(batch: &RecordBatch) -> usize {
    let of_column = |column: &ArrayRef| match column.data_type() {
        // The low half of a view is the length of its text.
        DataType::Utf8View => {
            column.as_string_view().views().iter().map(|view| size_of::<u128>() + *view as u32 as usize).sum()
        }
        _ => column.to_data().get_slice_memory_size().unwrap_or(0),
    };
    batch.columns().iter().map(of_column).sum()
}

/// Where the run from the head's row ends: at the bound, at the end of the batch, or after `rows_max` rows.
fn run_end(head: &Head, bound: Option<Key>, rows_max: usize) -> usize {
    let last = head.rows().min(head.row + rows_max);
    let Some(bound) = bound else { return last };
    (head.row + 1..last).find(|row| head.key(*row) > bound).unwrap_or(last)
}
