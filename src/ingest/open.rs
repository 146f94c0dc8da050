//! Opening: claim the store, read the WAL back through the normal path, then accept.

use std::{
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use super::{
    Ingest, Settings, Shared, State,
    answers::{Answer, Answers},
    budget::Budget,
    flush::{self, Removal, Which},
    pieces::{Piece, split_by_tenant},
    window::OnLeftOut,
    writer::{Message, Writer},
};
use crate::{
    control::Control,
    error::{Error, ErrorKind, Result},
    evidence::Evidence,
    index::Indexes,
    limits::FLUSH_KIB_AT_ONCE,
    paths,
    store::Store,
    table::Tables,
    telemetry::{Clock, Metrics, unique_id},
    wal::{self, Appender, Epoch, Lease, ListedSegment, Position, Segment},
};

/// Requests that may wait for the writer before senders have to wait themselves.
const INBOX_MESSAGES: usize = 1_024;

/// What ingest works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// The tenants' tables.
    pub tables: Tables,
    /// Their skip indexes.
    pub indexes: Indexes,
    /// What is set for each tenant.
    pub control: Control,
    /// Their Merkle trees.
    pub evidence: Evidence,
    /// The time.
    pub clock: Clock,
    /// The numbers of this process.
    pub metrics: Metrics,
    /// Tells of events that are never committed.
    pub on_left_out: OnLeftOut,
}

impl Ingest {
    /// Opens a store for writing. When it returns, everything that was ever acknowledged is committed or
    /// visible, and no older writer can acknowledge anything.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] while another writer holds the lease (unless `take_over`),
    /// [`ErrorKind::Invalid`] if the store overwrites what it should only create,
    /// [`ErrorKind::Corrupt`] if acknowledged events cannot be read back; otherwise as the store.
    pub async fn open(parts: Parts, settings: Settings, take_over: bool) -> Result<Self> {
        let Parts { store, tables, indexes, control, evidence, clock, metrics, on_left_out } = parts;
        settings.validate()?;
        store.require_exclusive_create(&paths::exclusive_create_check()).await?;
        let epoch =
            Epoch::claim(&store, &clock, unique_id().simple().to_string(), settings.lease_ms, take_over)
                .await?;
        let listed = wal::list(&store).await?;
        let (sender, inbox) = mpsc::channel(INBOX_MESSAGES);
        let shared = Arc::new(Shared {
            budget: Budget::new(settings.uncommitted_bytes_max),
            answers: Answers::new(settings.idempotency_ms, settings.idempotency_keys_max),
            state: watch::Sender::new(State::Recovering),
            flush_pass: tokio::sync::Mutex::new(Removal::default()),
            flush_wanted: tokio::sync::Notify::new(),
            commits_fail: AtomicBool::new(false),
            flush_memory: tokio::sync::Semaphore::new(FLUSH_KIB_AT_ONCE),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            store,
            tables,
            indexes,
            control,
            evidence,
            lagging: Mutex::default(),
            clock,
            settings,
            metrics,
            on_left_out,
            sender,
        });
        let appender = Appender::new(shared.store.clone(), epoch.number, epoch.nonce.clone());
        // The last segment of an older epoch is its fence, which stays.
        let removable = listed.iter().filter(|segment| segment.has_successor).map(|segment| segment.position);
        let writer = Writer::new(Arc::clone(&shared), appender, removable);
        shared.tasks.spawn(writer.run(inbox));
        shared.tasks.spawn(keep_lease(Arc::clone(&shared), epoch.lease.clone()));
        let recovered = recover(&shared, &listed).await;
        let ingest = Self { shared };
        if let Err(error) = recovered {
            ingest.shared.stop_for(&error);
            ingest.close().await?;
            return Err(error);
        }
        ingest.shared.tasks.spawn(flush::run(Arc::clone(&ingest.shared)));
        if let Err(error) =
            wal::forget_old_epochs(&ingest.shared.store, epoch.number, ingest.shared.clock.now_millis()).await
        {
            warn!(
                error = error.report(),
                "old writer epochs were not cleaned up; tried again at the next start"
            );
        }
        ingest.shared.state.send_replace(State::Running);
        Ok(ingest)
    }
}

async fn recover(shared: &Arc<Shared>, listed: &[ListedSegment]) -> Result<()> {
    load_answers(shared).await?;
    let mut events = 0;
    for segment in listed {
        let Some(content) = wal::read_one(&shared.store, segment).await? else { continue };
        if content.sealed_by.is_some() {
            continue;
        }
        // Whoever wrote it may have died between making it visible and making it durable.
        let position = segment.position;
        shared.store.make_durable(&paths::wal_segment(position.epoch(), position.segment())).await?;
        keep_answers(shared, &content, position)?;
        events += replay(shared, content, position).await?;
        if shared.budget.uncommitted_bytes() > shared.settings.uncommitted_bytes_max / 2 {
            flush::pass(shared, Which::All).await?;
        }
    }
    if !listed.is_empty() {
        info!(segments = listed.len(), events, "read the write-ahead log back");
    }
    Ok(())
}

/// Publishes the events of a segment that are not committed yet; returns how many.
async fn replay(shared: &Arc<Shared>, content: Segment, position: Position) -> Result<usize> {
    let mut pieces = Vec::new();
    for batch in content.batches {
        let given = arrow::buffer::BooleanBuffer::new_unset(batch.num_rows());
        let all = shared.cut(batch, &given).await?;
        // A process that died after a commit may not have published its tree: its segments are still here.
        shared
            .lagging()
            .extend(all.iter().map(|piece| (piece.table.tenant().clone(), Arc::clone(&piece.table))));
        pieces.extend(all.into_iter().filter(|piece| is_uncommitted(piece, position)));
    }
    let events = pieces.iter().map(|piece| piece.batch.num_rows()).sum();
    let (done, replayed) = oneshot::channel();
    let gone = || Error::new(ErrorKind::Internal, "the writer stopped during recovery");
    shared.sender.send(Message::Replayed { position, pieces, done }).await.map_err(|_| gone())?;
    replayed.await.map_err(|_| gone())?;
    Ok(events)
}

fn is_uncommitted(piece: &Piece, position: Position) -> bool {
    position > Position::from_u64(piece.table.snapshot().wal_through)
}

fn keep_answers(shared: &Shared, content: &Segment, position: Position) -> Result<()> {
    if content.answers.is_empty() {
        return Ok(());
    }
    let answers: Vec<Answer> = serde_json::from_str(&content.answers).map_err(|error| {
        Error::with_source(
            ErrorKind::Corrupt,
            format!("WAL segment {position} has answers that are not JSON"),
            error,
        )
    })?;
    shared.answers.keep(answers, Some(position));
    Ok(())
}

/// Reads the answers that left the WAL.
async fn load_answers(shared: &Shared) -> Result<()> {
    let mut removal = shared.flush_pass.lock().await;
    for object in shared.store.list(&paths::idempotency_root()).await? {
        let Some(bytes) = shared.store.get(&object.location).await? else { continue };
        match serde_json::from_slice::<Vec<Answer>>(&bytes) {
            Ok(answers) => {
                let newest_ms = answers.iter().map(Answer::answered_at_ms).max().unwrap_or_default();
                removal.documents.push((object.location, newest_ms));
                shared.answers.keep(answers, None);
            }
            Err(error) => {
                warn!(object = %object.location, %error, "ignoring kept answers that cannot be read");
            }
        }
    }
    Ok(())
}

/// Renews the lease until the end, then gives it up.
async fn keep_lease(shared: Arc<Shared>, mut lease: Lease) {
    let pause = Duration::from_millis((shared.settings.lease_ms / 3).unsigned_abs());
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
        if let Err(error) = lease.renew(&shared.store, &shared.clock, shared.settings.lease_ms).await {
            warn!(error = error.report(), "the writer's lease was not renewed");
        }
    }
    if matches!(&*shared.state.borrow(), State::Stopped(_)) {
        return;
    }
    if let Err(error) = lease.release(&shared.store).await {
        warn!(error = error.report(), "the writer's lease was not released; it runs out by itself");
    }
}

/// For a process that only reads: publishes what stands in the WAL and is not committed, as of now.
///
/// The WAL is read before the tables are loaded, so that an event which a running writer commits meanwhile is
/// seen in the table, and its WAL copy is skipped. Memory: what the writer may leave uncommitted.
///
/// # Errors
/// As [`wal::read_all`].
pub async fn read_uncommitted(store: &Store, tables: &Tables) -> Result<()> {
    let mut found = Vec::new();
    wal::read_all(store, async |listed, segment| {
        for batch in segment.batches {
            found.extend(split_by_tenant(batch)?.into_iter().map(|split| (listed.position, split)));
        }
        Ok(())
    })
    .await?;
    for (position, split) in found {
        let table = tables.get_or_create(&split.tenant).await?;
        if position > Position::from_u64(table.snapshot().wal_through) {
            table.publish(split.batch, position.as_u64());
        }
    }
    Ok(())
}
