//! Merges sorted files into one sorted stream, in memory bounded by the number of inputs.
//!
//! In: decoded batches of each input, sorted by (`occurred_at`, `seq`). Out: batches of all rows in that order.
//! Guaranteed: each input row comes out exactly once; an input that is not sorted is an error, not a wrong
//! answer. Rows are taken in runs; a long run, as of files that do not overlap in time, passes through without
//! being copied.

use std::ops::Range;

use arrow::{
    array::{AsArray, RecordBatch},
    buffer::ScalarBuffer,
    compute::interleave_record_batch,
    datatypes::{Int64Type, TimestampMicrosecondType},
};

use super::{decode::Decoder, digest::Digest};
use crate::{
    error::{Error, ErrorKind, Result},
    event::schema,
    limits::MERGE_BATCH_ROWS_MAX,
};

/// A run this long is passed on as a slice of its batch.
const LONG_RUN_ROWS: usize = 1_024;

/// What rows are sorted by: `occurred_at`, then `seq`.
type Key = (i64, i64);

/// A merge in progress.
pub(crate) struct Merge {
    inputs: Vec<Input>,
    /// Batches that the runs of the next output refer to.
    batches: Vec<RecordBatch>,
    runs: Vec<Run>,
    read: Digest,
}

/// Rows that stand next to each other in an input and in the output.
struct Run {
    batch: usize,
    rows: Range<usize>,
}

/// One input: its batches to come, and the one it has reached.
struct Input {
    decoder: Decoder,
    head: Option<Head>,
}

/// How far an input has been merged.
struct Head {
    batch: RecordBatch,
    times: ScalarBuffer<i64>,
    seqs: ScalarBuffer<i64>,
    row: usize,
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
    /// A merge of what the decoders yield.
    pub(crate) async fn new(decoders: Vec<Decoder>) -> Result<Self> {
        let inputs = decoders.into_iter().map(|decoder| Input { decoder, head: None }).collect();
        let mut merge = Self { inputs, batches: Vec::new(), runs: Vec::new(), read: Digest::default() };
        for at in 0..merge.inputs.len() {
            merge.advance(at).await?;
        }
        Ok(merge)
    }

    /// The next rows in order; `None` when all inputs are exhausted.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let mut rows = 0;
        while rows < MERGE_BATCH_ROWS_MAX {
            let Some((first, bound)) = self.least() else { break };
            let Some(head) = self.inputs[first].head.as_mut() else { break };
            let run = head.row..run_end(head, bound, MERGE_BATCH_ROWS_MAX - rows);
            let is_long = run.len() >= LONG_RUN_ROWS;
            if is_long && rows > 0 {
                break;
            }
            head.row = run.end;
            rows += run.len();
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

    /// The input with the least key, and the key that its rows may not pass: the least of the others.
    fn least(&self) -> Option<(usize, Option<Key>)> {
        let mut first: Option<(usize, Key)> = None;
        let mut second: Option<Key> = None;
        for (at, input) in self.inputs.iter().enumerate() {
            let Some(head) = &input.head else { continue };
            let key = head.key(head.row);
            match first {
                Some((_, least)) if key >= least => {
                    second = Some(second.map_or(key, |bound| bound.min(key)));
                }
                _ => {
                    second = first.map(|(_, key)| key);
                    first = Some((at, key));
                }
            }
        }
        first.map(|(at, _)| (at, second))
    }

    /// Makes one batch of the runs collected.
    fn assemble(&mut self) -> Result<Option<RecordBatch>> {
        let (batches, runs) = (std::mem::take(&mut self.batches), std::mem::take(&mut self.runs));
        for input in &mut self.inputs {
            if let Some(head) = &mut input.head {
                head.kept = None;
            }
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

    /// Moves an input on to its next batch.
    async fn advance(&mut self, at: usize) -> Result<()> {
        let input = &mut self.inputs[at];
        let last = input.head.take().map(|head| head.key(head.rows() - 1));
        let Some((batch, digest)) = input.decoder.next().await? else { return Ok(()) };
        self.read = self.read.and(digest);
        let times = batch[schema::OCCURRED_AT].as_primitive::<TimestampMicrosecondType>().values().clone();
        let seqs = batch[schema::SEQ].as_primitive::<Int64Type>().values().clone();
        let head = Head { batch, times, seqs, row: 0, kept: None };
        let in_order = (1..head.rows()).all(|row| head.key(row - 1) <= head.key(row));
        if !in_order || last.is_some_and(|last| last > head.key(0)) {
            let message = format!("file {} is not sorted by occurred_at and seq", input.decoder.file());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        input.head = Some(head);
        Ok(())
    }
}

/// Where the run from the head's row ends: at the bound, at the end of the batch, or after `rows_max` rows.
fn run_end(head: &Head, bound: Option<Key>, rows_max: usize) -> usize {
    let last = head.rows().min(head.row + rows_max);
    let Some(bound) = bound else { return last };
    (head.row + 1..last).find(|row| head.key(*row) > bound).unwrap_or(last)
}
