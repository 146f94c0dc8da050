//! Files without what names a person, in the place of those with it.
//!
//! In: a job. Out: commits, each of which replaces some files. Guaranteed: a file is replaced only by one whose rows have the same
//! leaves and the same order, read back before the commit; memory is that of one batch and one file being written; what a
//! compaction or an expiry takes meanwhile is found again, or is gone.

use std::sync::Arc;

use arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::Int64Type,
};
use futures::TryStreamExt as _;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::{Job, Parts, held};
use crate::{
    compact::digest::Digest,
    error::{Error, ErrorKind, Result},
    event::{
        schema::SEQ,
        sealed::{self, Survey},
    },
    evidence::leaves_of,
    index::{Field, FileRef, Indexer, Probe},
    limits::ERASURE_FILES_AT_ONCE,
    table::{BatchStream, Commit, DataFile, FileWriter, ReadOptions, Snapshot, Table},
};

/// How often files are looked for anew because others changed them.
const TRIES_MAX: u32 = 64;

/// One erasure at work.
pub(super) struct Rewrite<'p> {
    parts: &'p Parts,
    job: Arc<Job>,
}

/// What a look at all files found.
#[derive(Default)]
struct Found {
    /// Files in which something of the person is readable.
    readable: Vec<Arc<DataFile>>,
    /// Events in which something of the person is erased.
    erased: u64,
}

impl<'p> Rewrite<'p> {
    pub(super) fn new(parts: &'p Parts, job: &Arc<Job>) -> Self {
        Self { parts, job: Arc::clone(job) }
    }

    /// Rewrites files until nothing of the person is readable; gives in how many events something is erased. `None`: it was stopped.
    pub(super) async fn run(&self, stop: &CancellationToken) -> Result<Option<u64>> {
        let Some(table) = self.parts.tables.get(&self.job.tenant_id).await? else { return Ok(Some(0)) };
        for _ in 0..TRIES_MAX {
            let Some(found) = self.look(&table, &table.snapshot(), stop).await? else { return Ok(None) };
            if found.readable.is_empty() {
                return Ok(Some(found.erased));
            }
            for files in found.readable.chunks(ERASURE_FILES_AT_ONCE) {
                if stop.is_cancelled() {
                    return Ok(None);
                }
                // They may be others now: they are looked for again.
                if !self.replace(&table, files).await? {
                    break;
                }
            }
        }
        let message =
            format!("the files of tenant '{}' change all the time; it is tried again", self.job.tenant_id);
        Err(Error::new(ErrorKind::Busy, message))
    }

    /// Looks for the person in every file that may have it.
    async fn look(
        &self,
        table: &Table,
        snapshot: &Snapshot,
        stop: &CancellationToken,
    ) -> Result<Option<Found>> {
        let mut found = Found::default();
        let columns = [&[SEQ][..], &sealed::SURVEYED].concat();
        let options = ReadOptions { columns: Some(columns), ..ReadOptions::default() };
        for file in self.candidates(snapshot).await {
            if stop.is_cancelled() {
                return Ok(None);
            }
            let mut batches = match table.read(&file, &options).await {
                Ok(batches) => batches,
                // What it was replaced by is looked at next time.
                Err(_) if !table.are_live(std::slice::from_ref(&file)) => {
                    found.readable.push(file);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut readable = 0;
            while let Some(batch) = batches.try_next().await? {
                let job = Arc::clone(&self.job);
                let Survey { readable: of_batch, erased } =
                    aside(move || sealed::survey(&batch, &job.actor_id, wanted(&batch, job.seq_before)?))
                        .await?;
                readable += of_batch;
                found.erased += erased;
            }
            if readable > 0 {
                found.readable.push(file);
            }
        }
        Ok(Some(found))
    }

    /// The files in which the person may occur in events of these numbers, as far as the skip index and statistics say.
    async fn candidates(&self, snapshot: &Snapshot) -> Vec<Arc<DataFile>> {
        let numbers = 0..self.job.seq_before;
        let files: Vec<&Arc<DataFile>> =
            snapshot.files.iter().filter(|file| file.may_have(&numbers)).collect();
        let refs: Vec<FileRef<'_>> =
            files.iter().map(|file| FileRef { path: &file.path, rows: file.rows }).collect();
        let columns = ["actor_id", "on_behalf_of_id", "target_ids"];
        let probe = |column| Field::of_column(column).map(|field| Probe::new(field, &self.job.actor_id));
        let probes: Vec<Probe> = columns.into_iter().filter_map(probe).collect();
        let found = self.parts.indexes.of(&self.job.tenant_id).find(&refs, &probes).await;
        let may_have =
            |at: &usize| !found.covered[*at] || found.rows.iter().any(|rows| rows.contains_key(at));
        (0..files.len()).filter(may_have).map(|at| Arc::clone(files[at])).collect()
    }

    /// Puts files without the values in the place of `files`, in one commit. `false`: another commit came before it.
    async fn replace(&self, table: &Arc<Table>, files: &[Arc<DataFile>]) -> Result<bool> {
        let mut indexer = Indexer::new(&self.parts.indexes, table.tenant());
        let mut written: Vec<DataFile> = Vec::new();
        for file in files {
            match self.write(table, file, indexer).await {
                Ok((file, indexed)) => {
                    written.push(file);
                    indexer = indexed;
                }
                Err(error) => {
                    discard(table, &written).await;
                    return Err(error);
                }
            }
        }
        indexer.finish().await;
        // Until the commit is made: a legal hold that was acknowledged meanwhile would come too late.
        let still = self.parts.control.still().await?;
        if still.state().settings(table.tenant()).legal_hold {
            discard(table, &written).await;
            return Err(held(table.tenant()));
        }
        table.permit_removals().await?;
        let commit = Commit {
            operation: "UPDATE",
            add: written,
            remove: files.to_vec(),
            data_change: true,
            wal_through: None,
            next_seq: None,
            tree: None,
        };
        // What was written for a commit that did not come to be is left to the sweep.
        match table.commit(commit).await {
            Ok(_) => {
                drop(still);
                indexer.publish().await;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes one file, not yet part of the table, and reads it back.
    async fn write(
        &self,
        table: &Table,
        file: &Arc<DataFile>,
        mut indexer: Indexer,
    ) -> Result<(DataFile, Indexer)> {
        let mut writer = table.file_writer(file.day);
        if !table.remembers_ids(file) {
            writer = writer.forgetting_ids();
        }
        indexer.begin_file(writer.path());
        let rows = table.read(file, &ReadOptions::default()).await?;
        let (digest, indexer) = match self.write_rows(&mut writer, rows, indexer).await {
            Ok(done) => done,
            Err(error) => {
                if let Err(failed) = writer.abandon().await {
                    tracing::warn!(tenant = %table.tenant(), error = failed.report(), "an unfinished upload was not given up");
                }
                return Err(error);
            }
        };
        let mut written = writer.finish().await?;
        // For the planner of compactions it is as old as the one it replaces.
        written.added_at_ms = file.added_at_ms;
        let read_back = digest_of(table.read(&written, &ReadOptions::default()).await?).await;
        if !matches!(&read_back, Ok(read_back) if *read_back == digest) {
            discard(table, std::slice::from_ref(&written)).await;
            let message = format!(
                "what was written in the place of {} does not read back as it was written",
                file.path
            );
            return Err(match read_back {
                Ok(_) => Error::new(ErrorKind::Corrupt, message),
                Err(cause) => Error::with_source(cause.kind(), message, cause),
            });
        }
        Ok((written, indexer))
    }

    async fn write_rows(
        &self,
        writer: &mut FileWriter,
        mut rows: BatchStream,
        mut indexer: Indexer,
    ) -> Result<(Digest, Indexer)> {
        let mut digest = Digest::default();
        while let Some(batch) = rows.try_next().await? {
            let job = Arc::clone(&self.job);
            let (erased, of_batch, indexed) = aside(move || {
                let erased = erased(batch, &job)?;
                indexer.add(&erased);
                let digest = Digest::of(&erased)?;
                Ok((erased, digest, indexer))
            })
            .await?;
            digest = digest.and(of_batch);
            indexer = indexed;
            writer.write(erased).await?;
            indexer.spill().await;
        }
        Ok((digest, indexer))
    }
}

/// The batch without what names the person, with the leaves that it had.
fn erased(batch: RecordBatch, job: &Job) -> Result<RecordBatch> {
    let Some(erased) = sealed::erase(&batch, &job.actor_id, wanted(&batch, job.seq_before)?)? else {
        return Ok(batch);
    };
    match leaves_of(&batch, |_| true)? == leaves_of(&erased.batch, |_| true)? {
        true => Ok(erased.batch),
        false => Err(Error::new(ErrorKind::Internal, "an erasure would change the leaf of an event")),
    }
}

/// Which rows of a batch the job is about.
fn wanted(batch: &RecordBatch, seq_before: i64) -> Result<impl Fn(usize) -> bool + use<>> {
    let seqs = batch.column_by_name(SEQ).and_then(|column| column.as_primitive_opt::<Int64Type>().cloned());
    let seqs =
        seqs.ok_or_else(|| Error::new(ErrorKind::Internal, "a batch of stored events has no column seq"))?;
    Ok(move |row| seqs.value(row) < seq_before)
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let died = |error| Error::with_source(ErrorKind::Internal, "erasing failed", error);
    spawn_blocking(work).await.map_err(died)?
}

async fn digest_of(mut rows: BatchStream) -> Result<Digest> {
    let mut digest = Digest::default();
    while let Some(batch) = rows.try_next().await? {
        digest = digest.and(aside(move || Digest::of(&batch)).await?);
    }
    Ok(digest)
}

async fn discard(table: &Table, files: &[DataFile]) {
    for file in files {
        if let Err(error) = table.discard(file).await {
            tracing::warn!(tenant = %table.tenant(), report = error.report(), "a file stays until the sweep");
        }
    }
}
