//! The flusher: commits what waits, then removes the WAL segments that nobody needs any more.
//!
//! A pass asks the writer which tenants are due, and for each: numbers, sorts and cuts the events by day,
//! writes one Parquet file a day, and makes one Delta commit that also carries the WAL position it covers. Beside that the
//! tenant's Merkle tree grows; its tiles and checkpoint are published once the commit is made.
//! What fails stays where it is, visible and in the WAL, and is tried again in the next pass.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::{StreamExt, stream};
use object_store::path::Path;
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::{
    Shared, State,
    answers::Answer,
    rows::{Day, SortedRows},
    tree, window,
    writer::Message,
};
use crate::{
    error::{Error, ErrorKind, Result},
    index::Indexer,
    limits::FLUSH_KIB_AT_ONCE,
    paths,
    table::{Commit, DataFile, FileWriter, Pace, Table, maintain_aside},
    wal::Position,
};

/// Which tenants a pass commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Those past a threshold.
    Due,
    /// All with anything waiting.
    All,
}

/// What is on its way out of the store. Owned by the pass that runs.
#[derive(Debug, Default)]
pub(super) struct Removal {
    /// Segments to remove, oldest first; removed in this order so that a gap in the WAL means damage.
    segments: VecDeque<Position>,
    /// Documents with answers, and when their newest answer was given.
    pub(super) documents: Vec<(Path, i64)>,
}

/// Runs passes until the handle stops: when the writer asks for one, and by the clock.
pub(super) async fn run(shared: Arc<Shared>) {
    let tick = Duration::from_millis((shared.settings.flush_age_ms / 10).clamp(50, 10_000).unsigned_abs());
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.flush_wanted.notified() => {}
            () = tokio::time::sleep(tick) => {}
        }
        if let Err(error) = pass(&shared, Which::Due).await {
            // The writer was closed in the middle of it; who closed it knows what became of the last commit.
            if shared.stop.is_cancelled() {
                return;
            }
            warn!(error = error.report(), "a commit failed; its events stay in the WAL and are tried again");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// One pass. All tenants are tried; the first error is reported.
pub(super) async fn pass(shared: &Arc<Shared>, which: Which) -> Result<()> {
    let mut removal = shared.flush_pass.lock().await;
    tree::catch_up(shared).await;
    let tables = ask(shared, |reply| Message::Due { all: which == Which::All, reply }).await?;
    let mut outcomes = stream::iter(tables)
        .map(|table| flush_table(shared, table, which))
        .buffer_unordered(shared.settings.flush_concurrency);
    let mut first_error = None;
    while let Some(outcome) = outcomes.next().await {
        first_error = first_error.or(outcome.err());
    }
    drop(outcomes);
    // The segments tell the next process which trees to look at, should this one die before they are level.
    let all_level = shared.lagging().is_empty();
    let removed = if all_level { removal.run(shared).await } else { Ok(()) };
    shared.commits_fail.store(first_error.is_some(), Ordering::Relaxed);
    first_error.map_or(removed, Err)
}

async fn ask<T>(shared: &Shared, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T> {
    let gone = || Error::new(ErrorKind::Unavailable, "the writer stopped");
    let (reply, answered) = oneshot::channel();
    shared.sender.send(message(reply)).await.map_err(|_| gone())?;
    answered.await.map_err(|_| gone())
}

async fn flush_table(shared: &Arc<Shared>, table: Arc<Table>, which: Which) -> Result<()> {
    flush_once(shared, &table).await?;
    // What an earlier failure left behind went first; now what came since.
    if which == Which::All && !table.snapshot().uncommitted.active.is_empty() {
        flush_once(shared, &table).await?;
    }
    maintain(shared, table).await;
    Ok(())
}

/// Makes a checkpoint if one is due. Nothing rests on it, so no commit waits long for one, and the end of the process not at
/// all, not even for one begun.
async fn maintain(shared: &Shared, table: Arc<Table>) {
    let mut states = shared.state.subscribe();
    let closing = states.wait_for(|state| matches!(state, State::Closed | State::Stopped(_)));
    tokio::select! {
        biased;
        _ = closing => {}
        () = maintain_aside(table, Pace::InUse) => {}
    }
}

async fn flush_once(shared: &Arc<Shared>, table: &Arc<Table>) -> Result<()> {
    let share = (table.uncommitted_bytes() / 1_024).clamp(1, FLUSH_KIB_AT_ONCE);
    let share = u32::try_from(share).expect("the limit is small");
    let _memory = shared.flush_memory.acquire_many(share).await.expect("the semaphore is never closed");
    let snapshot = ask(shared, |reply| Message::BeginFlush { table: Arc::clone(table), reply }).await?;
    let uncommitted = Arc::clone(&snapshot.uncommitted);
    let first_seq = snapshot.next_seq;
    let rows: usize = uncommitted.flushing.iter().map(RecordBatch::num_rows).sum();
    if rows > 0 {
        let mut batches = uncommitted.flushing.clone();
        // Until the commit is made: a legal hold that was acknowledged meanwhile would come too late.
        let (first_day, _still) = window::to_commit(shared, table.tenant(), &batches).await?;
        if let Some(first_day) = first_day {
            batches.extend(shared.record_of_left_out(table.tenant(), &batches, first_day).await?);
        }
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let growing = tree::begin(shared, table, batches.clone(), first_day).await?;
        let sorted = move || Arc::new(SortedRows::new(batches, first_seq, first_day));
        let sorted = tokio::task::spawn_blocking(sorted)
            .await
            .map_err(|error| Error::with_source(ErrorKind::Internal, "sorting events failed", error))?;
        let kept = sorted.count();
        let mut add = Vec::new();
        let mut indexer = Indexer::new(&shared.indexes, table.tenant());
        for day in sorted.days() {
            let (file, indexed) = write_file(table, &sorted, &day, indexer).await?;
            add.push(file);
            indexer = indexed;
        }
        drop(sorted);
        indexer.finish().await;
        let grown = match growing {
            Some(growing) => Some(growing.grown().await?),
            None => None,
        };
        let file = add.first().map(|file| file.path.clone());
        let commit = Commit {
            operation: "WRITE",
            add,
            remove: Vec::new(),
            data_change: true,
            wal_through: Some(uncommitted.flushing_through),
            next_seq: Some(first_seq + kept as i64),
            tree: grown.as_ref().map(tree::record),
        };
        let committed = match table.commit(commit).await {
            Ok(committed) => committed,
            Err(error) => return Err(check_ownership(shared, table, snapshot.wal_through, error)),
        };
        let publish_tree = async {
            if let Some(grown) = grown {
                tree::publish(shared, table, &committed, file.as_deref(), grown).await;
            }
        };
        tokio::join!(indexer.publish(), publish_tree);
        shared.metrics.commit(kept);
        debug!(tenant = %table.tenant(), rows = kept, "committed");
        if kept < rows {
            info!(tenant = %table.tenant(), rows = rows - kept, "left out events whose days expired while they waited");
        }
    }
    let tenant = table.tenant().clone();
    let gone = |_| Error::new(ErrorKind::Unavailable, "the writer stopped");
    shared.sender.send(Message::Flushed { tenant }).await.map_err(gone)
}

/// Writes the events of one day, and indexes them. What a failure leaves of an upload is given up at once: the sweep
/// cannot see it.
async fn write_file(
    table: &Table,
    sorted: &Arc<SortedRows>,
    day: &Day,
    mut indexer: Indexer,
) -> Result<(DataFile, Indexer)> {
    let mut file = table.file_writer(day.date);
    indexer.begin_file(file.path());
    match write_rows(&mut file, sorted, day, indexer).await {
        Ok(indexer) => Ok((file.finish().await?, indexer)),
        Err(error) => {
            if let Err(failed) = file.abandon().await {
                let (tenant, error) = (table.tenant(), failed.report());
                warn!(%tenant, error, "an unfinished upload was not given up");
            }
            Err(error)
        }
    }
}

/// Encodes the rows piece by piece, and indexes each on another thread meanwhile.
async fn write_rows(
    file: &mut FileWriter,
    sorted: &Arc<SortedRows>,
    day: &Day,
    mut indexer: Indexer,
) -> Result<Indexer> {
    let died = |error| Error::with_source(ErrorKind::Internal, "sorting or indexing events failed", error);
    for piece in 0..sorted.pieces(day) {
        let (rows, day) = (Arc::clone(sorted), day.clone());
        let made = tokio::task::spawn_blocking(move || rows.piece(&day, piece))
            .await
            .map_err(died)?
            .map_err(|error| Error::with_source(ErrorKind::Internal, "cannot sort events by day", error))?;
        let rows = made.clone();
        let indexing = tokio::task::spawn_blocking(move || {
            indexer.add(&rows);
            indexer
        });
        let (written, indexed) = tokio::join!(file.write(made), indexing);
        indexer = indexed.map_err(died)?;
        written?;
        indexer.spill().await;
    }
    Ok(indexer)
}

/// A commit found that somebody else had committed. If that somebody committed WAL events, there is another
/// writer, and going on would store its events twice.
fn check_ownership(shared: &Shared, table: &Table, wal_through: u64, error: Error) -> Error {
    if error.kind() != ErrorKind::Conflict || table.snapshot().wal_through == wal_through {
        return error;
    }
    let message = format!(
        "another writer committed events of tenant '{}'; this one must stop, a restart reads everything anew",
        table.tenant()
    );
    let error = Error::with_source(ErrorKind::Fenced, message, error);
    shared.stop_for(&error);
    error
}

impl Removal {
    async fn run(&mut self, shared: &Shared) -> Result<()> {
        self.segments.extend(ask(shared, |reply| Message::Unneeded { reply }).await?);
        if let Some(last) = self.segments.back().copied() {
            self.move_answers(shared, last).await?;
        }
        while let Some(position) = self.segments.front() {
            shared.store.delete(&paths::wal_segment(position.epoch(), position.segment())).await?;
            self.segments.pop_front();
        }
        self.remove_expired(shared).await
    }

    async fn move_answers(&mut self, shared: &Shared, through: Position) -> Result<()> {
        let now_ms = shared.clock.now_millis();
        let answers = shared.answers.in_wal(through, now_ms);
        if let Some(newest_ms) = answers.iter().map(Answer::answered_at_ms).max() {
            let path = paths::idempotency(through.as_u64());
            let bytes = serde_json::to_vec(&answers).map_err(|error| {
                Error::with_source(ErrorKind::Internal, "cannot encode kept answers", error)
            })?;
            shared.store.put(&path, Bytes::from(bytes)).await?;
            self.documents.push((path, newest_ms));
        }
        shared.answers.moved(through, now_ms);
        Ok(())
    }

    async fn remove_expired(&mut self, shared: &Shared) -> Result<()> {
        let oldest_ms = shared.clock.now_millis() - shared.settings.idempotency_ms;
        while let Some(place) = self.documents.iter().position(|(_, newest_ms)| *newest_ms < oldest_ms) {
            shared.store.delete(&self.documents[place].0).await?;
            self.documents.swap_remove(place);
        }
        Ok(())
    }
}
