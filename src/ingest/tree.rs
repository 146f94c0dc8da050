//! The tenant's Merkle tree, kept level with its table.
//!
//! In: events about to be committed, a table that was committed to. Out: the tree's root for the commit, and then its tiles and
//! checkpoint. Guaranteed: nothing is published that is not committed; what a crash or a store in trouble left unpublished is
//! made up from the committed files before the tree grows further. All of it runs within a pass of the flusher, so that a
//! tree has one writer.
//!
//! A tree that is damaged does not stop events from being taken in: it stops growing, which is logged with each commit.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{error, info, warn};

use super::Shared;
use crate::{
    error::{Error, ErrorKind, Result},
    event::{TenantId, schema},
    evidence::{Grown, Hash, Head, leaves_of},
    limits::EVIDENCE_WINDOW_LEAVES,
    table::{ReadOptions, Snapshot, Table, TreeRecord, start_micros},
};

/// A tree that grows while its events are written to files.
pub(super) struct Growing(JoinHandle<Result<Grown>>);

/// Begins to hash the events of `batches` that occurred on `first_day` or later, on a thread of its own. `None`: no tree is
/// kept, or it is damaged.
///
/// # Errors
/// If the store does not answer.
pub(super) async fn begin(
    shared: &Shared,
    table: &Table,
    batches: Vec<RecordBatch>,
    first_day: Option<NaiveDate>,
) -> Result<Option<Growing>> {
    let Some(head) = usable(table.tenant(), level(shared, table).await)? else { return Ok(None) };
    Ok(Some(Growing(spawn_blocking(move || head.grow(&leaves(&batches, first_day)?)))))
}

impl Growing {
    /// Waits for the hashes.
    ///
    /// # Errors
    /// If the batches are no events, which is a defect.
    pub(super) async fn grown(self) -> Result<Grown> {
        self.0
            .await
            .map_err(|error| Error::with_source(ErrorKind::Internal, "hashing events failed", error))?
    }
}

/// What the commit says of the tree.
pub(super) fn record(grown: &Grown) -> TreeRecord {
    TreeRecord { size: grown.size(), root_hash: grown.root().to_base64() }
}

/// Publishes what the commit that led to `committed` has made true. What cannot be published now, a later pass makes up for.
pub(super) async fn publish(
    shared: &Shared,
    table: &Arc<Table>,
    committed: &Snapshot,
    file: Option<&str>,
    grown: Grown,
) {
    // An earlier attempt, or another writer's, may turn out to be the one that counts, with other events left out as expired: then
    // the leaves are made from what is committed. `file` is one of this commit's own.
    let is_this = file.is_none_or(|path| committed.files.iter().any(|file| file.path == path))
        && grown.size() == committed.next_seq as u64;
    let published = match is_this {
        true if grown.is_unchanged() => Ok(()),
        true => shared.evidence.of(table.tenant()).publish(grown).await.map(drop),
        false => level(shared, table).await.map(drop),
    };
    settle(shared, table, published);
}

/// Brings the trees level that an earlier pass, or an earlier process, left behind.
pub(super) async fn catch_up(shared: &Shared) {
    let behind: Vec<Arc<Table>> = shared.lagging().values().cloned().collect();
    let caught_up = stream::iter(behind).map(|table| async move {
        let result = level(shared, &table).await.map(drop);
        settle(shared, &table, result);
    });
    caught_up.buffer_unordered(shared.settings.flush_concurrency).collect::<()>().await;
}

/// Notes whether a tree is level with its table now.
fn settle(shared: &Shared, table: &Arc<Table>, result: Result<()>) {
    let tenant = table.tenant();
    let is_damaged = |kind| matches!(kind, ErrorKind::Corrupt | ErrorKind::Limit);
    match result {
        Ok(()) => {
            shared.lagging().remove(tenant);
        }
        Err(cause) if is_damaged(cause.kind()) => {
            let _said = usable::<()>(tenant, Err(cause));
            shared.lagging().remove(tenant);
        }
        // A right that was taken away is given back.
        Err(cause) => {
            warn!(%tenant, report = cause.report(), "the checkpoint lags behind the commit; tried again soon");
            shared.metrics.checkpoint_delayed();
            shared.lagging().insert(tenant.clone(), Arc::clone(table));
        }
    }
}

/// Errors that pass stay errors; for others there is no tree to go on with.
fn usable<T>(tenant: &TenantId, result: Result<Option<T>>) -> Result<Option<T>> {
    match result {
        Err(cause) if cause.kind() != ErrorKind::Unavailable => {
            let report = cause.report();
            error!(%tenant, report, "the Merkle tree cannot go on; events are taken in without it (see auditlake verify)");
            Ok(None)
        }
        other => other,
    }
}

/// The head of the tree, after as many leaves as the table has events; `None` if no trees are kept.
async fn level(shared: &Shared, table: &Table) -> Result<Option<Arc<Head>>> {
    if !shared.evidence.signs() {
        return Ok(None);
    }
    let snapshot = table.snapshot();
    let (tree, target) = (shared.evidence.of(table.tenant()), snapshot.next_seq as u64);
    let mut head = tree.head().await?;
    if head.edge.size() > target {
        let message = format!(
            "the checkpoint of tenant '{}' is of {} events, and its table has {target}",
            table.tenant(),
            head.edge.size()
        );
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    if head.edge.size() < target {
        let (tenant, from) = (table.tenant(), head.edge.size());
        info!(%tenant, from, to = target, "making the tree up from the committed files");
    }
    let records = if head.edge.size() < target { table.recorded_trees().await? } else { Vec::new() };
    while head.edge.size() < target {
        let from = head.edge.size();
        let recorded = records.iter().map(|(_, record)| record.size).filter(|size| from < *size).min();
        let window = from..target.min(from + EVIDENCE_WINDOW_LEAVES).min(recorded.unwrap_or(u64::MAX));
        let leaves = committed_leaves(table, &snapshot, window).await?;
        let grown = spawn_blocking(move || head.grow(&leaves)).await;
        let grown =
            grown.map_err(|error| Error::with_source(ErrorKind::Internal, "hashing failed", error))??;
        check_record(table.tenant(), &records, &grown)?;
        head = tree.publish(grown).await?;
    }
    Ok(Some(head))
}

/// A tree that is made up must be the one that commits spoke of: what was changed since is not signed.
fn check_record(tenant: &TenantId, records: &[(u64, TreeRecord)], grown: &Grown) -> Result<()> {
    let made = record(grown);
    match records.iter().find(|(_, said)| said.size == made.size && said.root_hash != made.root_hash) {
        None => Ok(()),
        Some((version, said)) => {
            let message = format!(
                "the committed events of tenant '{tenant}' hash to {}, and version {version} of its table says {}: they are not those \
                 that were committed, or their tree is gone",
                made.root_hash, said.root_hash
            );
            Err(Error::new(ErrorKind::Corrupt, message))
        }
    }
}

/// The leaves of events in the order of their acceptance, without those that occurred before `first_day`.
fn leaves(batches: &[RecordBatch], first_day: Option<NaiveDate>) -> Result<Vec<Hash>> {
    let start = first_day.map_or(i64::MIN, start_micros);
    let mut all = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        let times = batch[schema::OCCURRED_AT].as_primitive::<TimestampMicrosecondType>().values();
        all.extend(leaves_of(batch, |row| times[row] >= start)?);
    }
    Ok(all)
}

/// The leaves of the committed events with these numbers. An event that is not there any more, because its day expired before a
/// tree was kept, is the leaf that says so.
async fn committed_leaves(table: &Table, snapshot: &Snapshot, window: Range<u64>) -> Result<Vec<Hash>> {
    let mut leaves: Vec<Option<Hash>> = vec![None; (window.end - window.start) as usize];
    let numbers = window.start as i64..window.end as i64;
    for file in snapshot.files.iter().filter(|file| file.may_have(&numbers)) {
        let mut batches = table.read(file, &ReadOptions::default()).await?;
        while let Some(batch) = batches.try_next().await? {
            let within = window.clone();
            let hashing = spawn_blocking(move || numbered_leaves(&batch, &within)).await;
            let numbered = hashing
                .map_err(|error| Error::with_source(ErrorKind::Internal, "hashing events failed", error))??;
            for (seq, leaf) in numbered {
                if leaves[(seq - window.start) as usize].replace(leaf).is_some() {
                    let message = format!("tenant '{}' has two events with number {seq}", table.tenant());
                    return Err(Error::new(ErrorKind::Corrupt, message));
                }
            }
        }
    }
    let absent = leaves.iter().filter(|leaf| leaf.is_none()).count();
    if absent > 0 {
        warn!(tenant = %table.tenant(), absent, "events were removed before a tree was kept; their leaves say so");
    }
    Ok(leaves.into_iter().map(|leaf| leaf.unwrap_or_else(Hash::absent)).collect())
}

fn numbered_leaves(batch: &RecordBatch, window: &Range<u64>) -> Result<Vec<(u64, Hash)>> {
    let seqs = batch[schema::SEQ].as_primitive::<Int64Type>();
    let wanted = |row: &usize| window.contains(&(seqs.value(*row) as u64));
    let leaves = leaves_of(batch, |row| wanted(&row))?;
    let numbers = (0..batch.num_rows()).filter(wanted).map(|row| seqs.value(row) as u64);
    Ok(numbers.zip(leaves).collect())
}
