//! Carries one job out: merge, write, check, commit.
//!
//! In: a [`Job`] and its share of memory. Out: one file in place of its inputs, or of as many of them as there was memory
//! for; the others wait for another round. Guaranteed: the commit is made only if the written file, read back, has
//! exactly the rows of the inputs; otherwise it is deleted and nothing has changed. A cancelled job leaves nothing
//! but, at worst, an orphan for the sweep.

use std::{ops::Range, sync::Arc};

use arrow::array::RecordBatch;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{decode::Decoder, digest::Digest, lane::Lane, memory::Share, merge::Merge, plan::Job};
use crate::{
    error::{Error, ErrorKind, Result},
    index::{Indexer, Indexes},
    limits,
    table::{Commit, DataFile, FileWriter, ReadOptions, Table},
};

/// Merged batches that wait for the encoder.
const MERGED_BATCHES_AHEAD: usize = 2;

/// The threads that all jobs share.
pub(crate) struct Lanes {
    /// Decodes and merges.
    pub(super) reading: Lane,
    /// Encodes and compresses.
    writing: Lane,
    /// Indexes.
    indexing: Lane,
}

impl Lanes {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self {
            reading: Lane::start("compact-read")?,
            writing: Lane::start("compact-write")?,
            indexing: Lane::start("compact-index")?,
        })
    }
}

/// How a job ended that did not fail.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Done(Done),
    Cancelled,
    /// Some of its files went while they were merged (their days have expired), and so does what came of them.
    Outdated,
    /// Its files take more memory than was thought, and others have what it would need.
    LacksMemory,
}

/// What a finished job did.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) files_in: usize,
    pub(crate) rows: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

/// What a merge read: of which files, and its digest.
struct Merged {
    inputs: Vec<Arc<DataFile>>,
    digest: Digest,
    /// Held until the job ends.
    _memory: Share,
}

/// Runs `job` in `memory`.
pub(crate) async fn run(
    lanes: &Lanes,
    table: &Arc<Table>,
    indexes: &Indexes,
    job: &Job,
    memory: Share,
    cancel: &CancellationToken,
) -> Result<Outcome> {
    let indexer = Indexer::new(indexes, table.tenant());
    match rewrite(lanes, table, indexer, job, memory, cancel).await? {
        Some((file, indexer, merged)) => {
            match commit_checked(lanes, table, &merged.inputs, file, merged.digest).await {
                Ok(done) => {
                    indexer.publish().await;
                    Ok(Outcome::Done(done))
                }
                // Of the merged file nobody knows: the sweep takes it.
                Err(error) if error.kind() == ErrorKind::Conflict && !table.are_live(&merged.inputs) => {
                    Ok(Outcome::Outdated)
                }
                Err(error) => Err(error),
            }
        }
        None if cancel.is_cancelled() => Ok(Outcome::Cancelled),
        None => Ok(Outcome::LacksMemory),
    }
}

/// Commits `file` in place of `inputs` if it has exactly the rows that were `read`, and deletes it if not.
pub(crate) async fn commit_checked(
    lanes: &Lanes,
    table: &Arc<Table>,
    inputs: &[Arc<DataFile>],
    file: DataFile,
    read: Digest,
) -> Result<Done> {
    let file = Arc::new(file);
    let written = digest(lanes, table, &file).await;
    if !matches!(&written, Ok(written) if *written == read) {
        table.discard(&file).await?;
        return Err(refusal(inputs, read, written));
    }
    let (rows, bytes_out) = (file.rows, file.size_bytes);
    let commit = Commit {
        operation: "OPTIMIZE",
        add: vec![Arc::unwrap_or_clone(file)],
        remove: inputs.to_vec(),
        data_change: false,
        wal_through: None,
        next_seq: None,
        tree: None,
    };
    table.commit(commit).await?;
    let bytes_in = inputs.iter().map(|file| file.size_bytes).sum();
    Ok(Done { files_in: inputs.len(), rows, bytes_in, bytes_out })
}

/// Writes the merged inputs to a new file, not yet part of the table. `None` if it was cancelled or lacks memory.
async fn rewrite(
    lanes: &Lanes,
    table: &Arc<Table>,
    mut indexer: Indexer,
    job: &Job,
    memory: Share,
    cancel: &CancellationToken,
) -> Result<Option<(DataFile, Indexer, Merged)>> {
    let mut writer = table.file_writer(job.day).encoding_in_place();
    if !job.inputs.iter().any(|input| table.remembers_ids(input)) {
        writer = writer.forgetting_ids();
    }
    indexer.begin_file(writer.path());
    let (sender, merged) = mpsc::channel(MERGED_BATCHES_AHEAD);
    let (to_index, indexed) = mpsc::channel(1);
    let reading = lanes.reading.run(merge(table.clone(), job.clone(), memory, sender, to_index));
    let writing = lanes.writing.run(write(writer, merged, cancel.clone()));
    let indexing = lanes.indexing.run(index(indexer, indexed));
    let (read, written, indexed) = tokio::join!(reading, writing, indexing);
    let (writer, indexer) = (written?, indexed?);
    match read {
        Ok(merged) if !cancel.is_cancelled() && merged.inputs.len() >= job.inputs.len().min(2) => {
            let mut file = lanes.writing.run(writer.finish()).await?;
            // For the planner the file is as new as its newest event, not as the rewriting of old ones.
            file.added_at_ms = merged.inputs.iter().map(|input| input.added_at_ms).max().unwrap_or(0);
            Ok(Some((file, indexer, merged)))
        }
        unfinished => {
            let abandoned = writer.abandon().await;
            // An error of the merge is the one to tell; what the upload leaves, the sweep finds.
            unfinished?;
            abandoned.map(|()| None)
        }
    }
}

/// Sends the merged rows of the job's inputs to those who write and index them.
async fn merge(
    table: Arc<Table>,
    job: Job,
    memory: Share,
    merged: mpsc::Sender<RecordBatch>,
    to_index: mpsc::Sender<RecordBatch>,
) -> Result<Merged> {
    let mut merge = Merge::new(table, &job.inputs, memory, job.writing_bytes);
    while let Some(batch) = merge.next().await? {
        // That nobody indexes any more is an error which the task that did so tells.
        let _told_there = to_index.send(batch.clone()).await;
        if merged.send(batch).await.is_err() {
            break;
        }
    }
    let digest = merge.read();
    let (inputs, memory) = merge.end();
    Ok(Merged { inputs, digest, _memory: memory })
}

/// Indexes all batches.
async fn index(mut indexer: Indexer, mut merged: mpsc::Receiver<RecordBatch>) -> Result<Indexer> {
    while let Some(batch) = merged.recv().await {
        indexer.add(&batch);
        indexer.spill().await;
    }
    indexer.finish().await;
    Ok(indexer)
}

/// Encodes all batches, or those before the cancellation.
async fn write(
    mut writer: FileWriter,
    mut merged: mpsc::Receiver<RecordBatch>,
    cancel: CancellationToken,
) -> Result<FileWriter> {
    while let Some(batch) = merged.recv().await {
        if cancel.is_cancelled() {
            break;
        }
        writer.write(batch).await?;
    }
    Ok(writer)
}

/// Reads `file` back, in two halves at once.
async fn digest(lanes: &Lanes, table: &Arc<Table>, file: &Arc<DataFile>) -> Result<Digest> {
    let (first, second) = halves(file.rows as usize);
    let first = lanes.reading.run(digest_rows(table.clone(), file.clone(), first));
    let second = lanes.writing.run(digest_rows(table.clone(), file.clone(), second));
    let (first, second) = tokio::try_join!(first, second)?;
    Ok(first.and(second))
}

async fn digest_rows(table: Arc<Table>, file: Arc<DataFile>, rows: Range<usize>) -> Result<Digest> {
    let mut digest = Digest::default();
    if rows.is_empty() {
        return Ok(digest);
    }
    let options = ReadOptions { rows: Some(vec![rows]), ..ReadOptions::default() };
    let mut decoder = Decoder::start(table, file, options);
    while let Some((_, of_batch)) = decoder.next().await? {
        digest = digest.and(of_batch);
    }
    Ok(digest)
}

/// Two ranges of rows, split between row groups so that none is decoded twice.
fn halves(rows: usize) -> (Range<usize>, Range<usize>) {
    let groups = rows.div_ceil(limits::ROW_GROUP_ROWS_MAX);
    let middle = (groups.div_ceil(2) * limits::ROW_GROUP_ROWS_MAX).min(rows);
    (0..middle, middle..rows)
}

fn refusal(inputs: &[Arc<DataFile>], read: Digest, written: Result<Digest>) -> Error {
    let inputs: Vec<&str> = inputs.iter().map(|file| file.path.as_str()).collect();
    let inputs = inputs.join(", ");
    match written {
        Ok(written) => Error::new(
            ErrorKind::Corrupt,
            format!(
                "compaction of {inputs} refused: {} rows were read, {} rows written, or their contents differ",
                read.rows, written.rows
            ),
        ),
        Err(cause) => {
            let message = format!("compaction of {inputs} refused: its result cannot be read back");
            Error::with_source(cause.kind(), message, cause)
        }
    }
}
