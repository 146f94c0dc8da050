//! Epochs: who may write. Each writer claims the next one; claiming fences all that came before.

use std::collections::BTreeMap;

use bytes::Bytes;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tracing::info;

use super::{Holder, Lease, Position, Segment, replay};
use crate::{
    error::{Error, ErrorKind, Result},
    paths,
    store::{PutOutcome, Store},
    telemetry::Clock,
};

/// The stored claim of one epoch; created once, never changed.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    epoch: u64,
    holder: Holder,
    claimed_at_ms: i64,
    /// Two claims never have the same bytes, so that an unclear answer can be resolved by reading.
    nonce: String,
}

/// A claimed epoch: the right to write until somebody claims the next one.
#[derive(Debug)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: u64,
    /// The lease to renew while writing and to release afterwards.
    pub lease: Lease,
    /// Unique to this claim; names the writer's segments.
    pub nonce: String,
}

impl Epoch {
    /// Claims the next epoch and fences every older one: when this returns, no older writer can get another
    /// event acknowledged, and every segment it got acknowledged is stored.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if another writer holds the lease (unless `take_over`) or claims at the same
    /// moment; otherwise as the store.
    pub async fn claim(
        store: &Store,
        clock: &Clock,
        nonce: String,
        lease_ms: i64,
        take_over: bool,
    ) -> Result<Self> {
        let claims = claims(store).await?;
        if !take_over && let Some(lease) = newest_lease(store, &claims).await? {
            lease.check_free(store, clock.now_millis())?;
        }
        let number = claims.last().unwrap_or(&0) + 1;
        let holder = Holder::this_process();
        let claim = Claim {
            epoch: number,
            holder: holder.clone(),
            claimed_at_ms: clock.now_millis(),
            nonce: nonce.clone(),
        };
        create_claim(store, &claim).await?;
        let mut lease = Lease { epoch: number, holder, expires_at_ms: 0 };
        lease.renew(store, clock, lease_ms).await?;
        fence(store, number, &nonce).await?;
        info!(epoch = number, store = store.display(), "claimed the store for writing");
        Ok(Self { number, lease, nonce })
    }
}

/// The epochs that were ever claimed and are not forgotten, oldest first.
async fn claims(store: &Store) -> Result<Vec<u64>> {
    let objects = store.list(&paths::epochs()).await?;
    let mut epochs: Vec<u64> =
        objects.iter().filter_map(|object| paths::parse_epoch(&object.location)).collect();
    epochs.sort_unstable();
    Ok(epochs)
}

/// The lease of the newest epoch that has one. A writer that failed between its claim and its lease has none, and
/// fenced nobody: the one before it may still be at work.
async fn newest_lease(store: &Store, claims: &[u64]) -> Result<Option<Lease>> {
    for epoch in claims.iter().rev() {
        if let Some(lease) = Lease::read(store, *epoch).await? {
            return Ok(Some(lease));
        }
    }
    Ok(None)
}

/// Creates the claim, or finds out that an unclear answer did so.
async fn create_claim(store: &Store, claim: &Claim) -> Result<()> {
    let path = paths::epoch(claim.epoch);
    let bytes: Bytes = serde_json::to_vec(claim)
        .map_err(|error| Error::with_source(ErrorKind::Internal, "cannot encode the epoch claim", error))?
        .into();
    match store.put_if_absent(&path, bytes.clone()).await {
        Ok(PutOutcome::Created) => Ok(()),
        Ok(PutOutcome::Exists) if store.get(&path).await?.as_ref() == Some(&bytes) => Ok(()),
        Ok(PutOutcome::Exists) => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "another auditlake claimed {} at the same moment (epoch {})",
                store.display(),
                claim.epoch
            ),
        )),
        Err(error) => Err(error),
    }
}

/// Closes the next slot of every epoch below `epoch`.
///
/// # Errors
/// As the store; safe to repeat.
async fn fence(store: &Store, epoch: u64, nonce: &str) -> Result<()> {
    let mut last_of: BTreeMap<u64, u64> = BTreeMap::new();
    for object in store.list(&paths::epochs()).await? {
        if let Some(older) = paths::parse_epoch(&object.location).filter(|older| *older < epoch) {
            last_of.insert(older, 0);
        }
    }
    for segment in replay::list(store).await? {
        if let Some(last) = last_of.get_mut(&segment.position.epoch()) {
            *last = (*last).max(segment.position.segment());
        }
    }
    for (older, last) in last_of {
        fence_one(store, Position::new(older, last), epoch, nonce).await?;
    }
    Ok(())
}

/// Puts a tombstone after `last`, or after whatever its writer still got in before it.
async fn fence_one(store: &Store, last: Position, epoch: u64, nonce: &str) -> Result<()> {
    if last.segment() > 0 && is_fence(store, last).await? {
        return Ok(());
    }
    let tombstone = Segment::tombstone(format!("{nonce}/fence"), epoch)
        .encode()
        .map_err(|error| Error::with_source(ErrorKind::Internal, "cannot encode a fence", error))?;
    let mut slot = last.next();
    loop {
        let path = paths::wal_segment(slot.epoch(), slot.segment());
        match store.put_if_absent(&path, tombstone.clone()).await? {
            PutOutcome::Created => return Ok(()),
            PutOutcome::Exists if is_fence(store, slot).await? => return Ok(()),
            PutOutcome::Exists => slot = slot.next(),
        }
    }
}

/// Whether the slot holds the tombstone of a later epoch (and not one that its own writer left).
async fn is_fence(store: &Store, slot: Position) -> Result<bool> {
    let path: Path = paths::wal_segment(slot.epoch(), slot.segment());
    let Some(bytes) = store.get(&path).await? else { return Ok(false) };
    Ok(Segment::decode(&bytes).is_ok_and(|segment| segment.sealed_by.is_some_and(|by| by > slot.epoch())))
}

/// How long the fence of an epoch is kept: longer than any writer can be paused and come back.
const FENCE_KEPT_MS: i64 = 7 * 24 * 3_600_000;

/// Removes claims, leases and fences of epochs below `current` that were fenced a week ago.
///
/// # Errors
/// As the store; safe to repeat.
pub async fn forget_old_epochs(store: &Store, current: u64, now_ms: i64) -> Result<()> {
    let segments = replay::list(store).await?;
    for older in
        store.list(&paths::epochs()).await?.iter().filter_map(|object| paths::parse_epoch(&object.location))
    {
        let mut own = segments.iter().filter(|segment| segment.position.epoch() == older);
        // Only its fence is left, and that for long.
        if let (true, Some(fence), None) = (older < current, own.next(), own.next())
            && now_ms - fence.stored_at_ms > FENCE_KEPT_MS
        {
            store.delete(&paths::epoch(older)).await?;
            store.delete(&paths::lease(older)).await?;
            store.delete(&paths::wal_segment(older, fence.position.segment())).await?;
        }
    }
    Ok(())
}
