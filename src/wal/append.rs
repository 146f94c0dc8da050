//! Writing segments: one at a time, each with a known outcome.

use std::time::Duration;

use bytes::Bytes;
use tracing::{info, warn};

use super::{Position, Segment, SegmentError};
use crate::{
    error::{Error, ErrorKind, Result},
    paths,
    store::{PutOutcome, Store},
};

/// Longest pause between two attempts to learn the outcome of a write.
const RESOLVE_PAUSE_MS_MAX: u64 = 2_000;

/// How an append ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The segment is durable at this position.
    Durable(Position),
    /// The segment is not stored and never will be: its slot is closed. The same events may be sent again.
    Void,
}

/// The one writer of an epoch's segments. Owned by the ingest writer task.
#[derive(Debug)]
pub struct Appender {
    store: Store,
    next: Position,
    /// Makes each attempt's bytes unique; see [`Segment::writer`].
    name: String,
}

impl Appender {
    /// A writer for `epoch`, which was claimed just now: nothing is stored under it yet.
    pub fn new(store: Store, epoch: u64, name: String) -> Self {
        Self { store, next: Position::new(epoch, 1), name }
    }

    /// The position that the next segment gets.
    pub fn next_position(&self) -> Position {
        self.next
    }

    /// The text for [`Segment::writer`] of the next segment.
    pub fn segment_name(&self) -> String {
        format!("{}/{}", self.name, self.next)
    }

    /// Stores the bytes of a segment in the next slot and returns once the outcome is known, however long
    /// the store takes to say so.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`] if another writer closed the slot: nothing more can be written under this
    /// epoch. [`ErrorKind::Corrupt`] if the slot holds something else, or if a local disk wrote the segment
    /// and failed to make it durable, which no retry can repair. Both mean that this writer must stop.
    pub async fn append(&mut self, bytes: Bytes) -> Result<Appended> {
        let slot = self.next;
        let path = paths::wal_segment(slot.epoch(), slot.segment());
        let outcome = match self.store.put_if_absent(&path, bytes.clone()).await {
            Ok(PutOutcome::Created) => Appended::Durable(slot),
            Ok(PutOutcome::Exists) => self.resolve(slot, &bytes, false).await?,
            Err(error) => {
                warn!(object = %path, error = error.report(), "a WAL write failed; closing its slot");
                self.resolve(slot, &bytes, true).await?
            }
        };
        self.next = slot.next();
        Ok(outcome)
    }

    /// Finds out what became of a write: closes the slot, or reads what is in it.
    async fn resolve(&self, slot: Position, ours: &Bytes, after_error: bool) -> Result<Appended> {
        let path = paths::wal_segment(slot.epoch(), slot.segment());
        let tombstone = Segment::tombstone(format!("{}/seal", self.name), slot.epoch());
        let tombstone = tombstone.encode().map_err(|error| encoding_failed(&path, error))?;
        let mut pause = Duration::from_millis(20);
        loop {
            match self.try_resolve(&path, ours, &tombstone, after_error).await {
                Ok(Some(true)) => return Ok(Appended::Durable(slot)),
                Ok(Some(false)) => {
                    info!(object = %path, "closed the slot of a failed WAL write");
                    return Ok(Appended::Void);
                }
                Ok(None) => {}
                Err(error) if matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Corrupt) => {
                    return Err(error);
                }
                Err(error) => warn!(object = %path, error = error.report(), "the outcome is still unknown"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(RESOLVE_PAUSE_MS_MAX));
        }
    }

    /// `Some(true)`: ours is stored. `Some(false)`: the slot is closed. `None`: ask again.
    async fn try_resolve(
        &self,
        path: &object_store::path::Path,
        ours: &Bytes,
        tombstone: &Bytes,
        after_error: bool,
    ) -> Result<Option<bool>> {
        if self.store.put_if_absent(path, tombstone.clone()).await? == PutOutcome::Created {
            return Ok(Some(false));
        }
        let Some(found) = self.store.get(path).await? else { return Ok(None) };
        if found == *ours {
            if after_error && self.store.is_local() {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("the disk could not make {path} durable; check it, then restart auditlake"),
                ));
            }
            return Ok(Some(true));
        }
        if found == *tombstone {
            return Ok(Some(false));
        }
        Err(foreign(path, &found))
    }
}

fn encoding_failed(path: &object_store::path::Path, error: arrow::error::ArrowError) -> Error {
    Error::with_source(ErrorKind::Internal, format!("cannot encode a tombstone for {path}"), error)
}

/// Somebody else's object in our slot: a newer writer's fence, or something that must not be there.
fn foreign(path: &object_store::path::Path, found: &Bytes) -> Error {
    match Segment::decode(found) {
        Ok(Segment { sealed_by: Some(epoch), .. }) => Error::new(
            ErrorKind::Fenced,
            format!("another writer took over this store (writer epoch {epoch}); this one must stop"),
        ),
        Ok(_) => Error::new(
            ErrorKind::Fenced,
            format!("{path} was written by another process that uses the same epoch; this one must stop"),
        ),
        Err(error @ (SegmentError::Torn { .. } | SegmentError::Damaged { .. })) => {
            Error::with_source(ErrorKind::Corrupt, format!("{path} was written by somebody else"), error)
        }
    }
}
