//! Carries one job out: merge, write, check, commit.
//!
//! In: a [`Job`]. Out: one file in place of its inputs. Guaranteed: the commit is made only if the written file,
//! read back, has exactly the rows of the inputs; otherwise it is deleted and nothing has changed. A cancelled
//! job leaves nothing but, at worst, an orphan for the sweep.

use std::{ops::Range, sync::Arc};

use arrow::array::RecordBatch;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{decode::Decoder, digest::Digest, lane::Lane, merge::Merge, plan::Job};
use crate::{
    error::{Error, ErrorKind, Result},
    index::{Indexer, Indexes},
    limits,
    table::{Commit, DataFile, FileWriter, ReadOptions, Table},
};

/// Merged batches that wait for the encoder.
const MERGED_BATCHES_AHEAD: usize = 2;

/// The two threads that all jobs share.
pub(crate) struct Lanes {
    /// Decodes, merges and indexes.
    pub(super) reading: Lane,
    /// Encodes and compresses.
    writing: Lane,
}

impl Lanes {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { reading: Lane::start("compact-read")?, writing: Lane::start("compact-write")? })
    }
}

/// What a finished job did.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) rows: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

/// Runs `job`; `None` if it was cancelled.
pub(crate) async fn run(
    lanes: &Lanes,
    table: &Arc<Table>,
    indexes: &Indexes,
    job: &Job,
    cancel: &CancellationToken,
) -> Result<Option<Done>> {
    let indexer = Indexer::new(indexes, table.tenant());
    let Some((file, read, indexer)) = rewrite(lanes, table, indexer, job, cancel).await? else {
        return Ok(None);
    };
    let done = commit_checked(lanes, table, job, file, read).await?;
    indexer.publish().await;
    Ok(Some(done))
}

/// Commits `file` in place of the job's inputs if it has exactly the rows that were `read`, and deletes it if not.
pub(crate) async fn commit_checked(
    lanes: &Lanes,
    table: &Arc<Table>,
    job: &Job,
    file: DataFile,
    read: Digest,
) -> Result<Done> {
    let file = Arc::new(file);
    let written = digest(lanes, table, &file).await;
    if !matches!(&written, Ok(written) if *written == read) {
        table.discard(&file).await?;
        return Err(refusal(job, read, written));
    }
    let (rows, bytes_out) = (file.rows, file.size_bytes);
    let commit = Commit {
        operation: "OPTIMIZE",
        add: vec![Arc::unwrap_or_clone(file)],
        remove: job.inputs.clone(),
        data_change: false,
        wal_through: None,
        next_seq: None,
    };
    table.commit(commit).await?;
    Ok(Done { rows, bytes_in: job.inputs.iter().map(|file| file.size_bytes).sum(), bytes_out })
}

/// Writes the merged inputs to a new file, not yet part of the table; with the digest of what was read.
async fn rewrite(
    lanes: &Lanes,
    table: &Arc<Table>,
    mut indexer: Indexer,
    job: &Job,
    cancel: &CancellationToken,
) -> Result<Option<(DataFile, Digest, Indexer)>> {
    let writer = table.file_writer(job.day)?.encoding_in_place();
    indexer.begin_file(writer.path());
    let (sender, merged) = mpsc::channel(MERGED_BATCHES_AHEAD);
    let reading = lanes.reading.run(merge(table.clone(), job.inputs.clone(), indexer, sender));
    let writing = lanes.writing.run(write(writer, merged, cancel.clone()));
    let (read, written) = tokio::join!(reading, writing);
    let writer = written?;
    match read {
        Ok((read, indexer)) if !cancel.is_cancelled() => {
            let mut file = lanes.writing.run(writer.finish()).await?;
            // For the planner the file is as new as its newest event, not as the rewriting of old ones.
            file.added_at_ms = job.inputs.iter().map(|input| input.added_at_ms).max().unwrap_or(0);
            Ok(Some((file, read, indexer)))
        }
        unfinished => {
            let abandoned = writer.abandon().await;
            // An error of the merge is the one to tell; what the upload leaves, the sweep finds.
            unfinished?;
            abandoned.map(|()| None)
        }
    }
}

/// Sends the merged rows of `files`, and indexes them; gives the digest of all that was read.
async fn merge(
    table: Arc<Table>,
    files: Vec<Arc<DataFile>>,
    mut indexer: Indexer,
    merged: mpsc::Sender<RecordBatch>,
) -> Result<(Digest, Indexer)> {
    let mut merge = Merge::new(table, &files);
    while let Some(batch) = merge.next().await? {
        indexer.add(&batch);
        indexer.spill().await;
        if merged.send(batch).await.is_err() {
            break;
        }
    }
    indexer.finish().await;
    Ok((merge.read(), indexer))
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

fn refusal(job: &Job, read: Digest, written: Result<Digest>) -> Error {
    let inputs: Vec<&str> = job.inputs.iter().map(|file| file.path.as_str()).collect();
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
