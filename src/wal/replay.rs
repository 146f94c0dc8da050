//! Reading the WAL back: which segments are there, in order, and what is in them.

use std::collections::BTreeMap;

use tracing::warn;

use super::{Position, Segment, SegmentError};
use crate::{
    error::{Error, ErrorKind, Result},
    paths,
    store::Store,
};

/// A stored segment, not read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedSegment {
    /// Where it stands.
    pub position: Position,
    /// Object size.
    pub bytes: u64,
    /// When it was stored, by the store's clock, milliseconds since 1970.
    pub stored_at_ms: i64,
    /// Whether a later segment of the same epoch is stored. Its writer wrote that only after this one was
    /// acknowledged or closed, so a damaged one with a successor is lost data, not a write cut short.
    pub has_successor: bool,
}

/// How often a listing with a gap is taken again: a reader may list while the writer removes segments.
const LIST_ATTEMPTS_MAX: usize = 3;

/// All stored segments in the order of their positions.
///
/// # Errors
/// As the store; [`ErrorKind::Corrupt`] if a segment is missing between two others, because segments are
/// removed from the oldest on.
pub async fn list(store: &Store) -> Result<Vec<ListedSegment>> {
    let mut attempt = 1;
    loop {
        match list_once(store).await {
            Err(error) if error.kind() == ErrorKind::Corrupt && attempt < LIST_ATTEMPTS_MAX => attempt += 1,
            listed => return listed,
        }
    }
}

async fn list_once(store: &Store) -> Result<Vec<ListedSegment>> {
    let mut found = BTreeMap::new();
    for object in store.list(&paths::wal_root()).await? {
        match paths::parse_wal_segment(&object.location) {
            Some((epoch, segment)) => {
                found.insert(Position::new(epoch, segment), object);
            }
            None => warn!(object = %object.location, "ignoring an object that is no WAL segment"),
        }
    }
    let mut segments: Vec<ListedSegment> = Vec::with_capacity(found.len());
    for (position, object) in found {
        if let Some(before) = segments.last_mut().filter(|before| before.position.epoch() == position.epoch())
        {
            if before.position.next() != position {
                return Err(missing(before.position, position));
            }
            before.has_successor = true;
        }
        segments.push(ListedSegment {
            position,
            bytes: object.size,
            stored_at_ms: object.last_modified.timestamp_millis(),
            has_successor: false,
        });
    }
    Ok(segments)
}

fn missing(before: Position, after: Position) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "WAL segment {} is missing ({} and {} are there): acknowledged events may be lost. Restore it from a \
             backup or an older version of the object, then start again",
            paths::wal_segment(before.epoch(), before.segment() + 1),
            paths::wal_segment(before.epoch(), before.segment()),
            paths::wal_segment(after.epoch(), after.segment()),
        ),
    )
}

/// Reads one segment. `None`: it is gone (committed and removed since it was listed), or it is the end of a
/// write that was cut short and never acknowledged, which is logged.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if an acknowledged segment is damaged; otherwise as the store.
pub async fn read_one(store: &Store, listed: &ListedSegment) -> Result<Option<Segment>> {
    let path = paths::wal_segment(listed.position.epoch(), listed.position.segment());
    let Some(bytes) = store.get(&path).await? else { return Ok(None) };
    match Segment::decode(&bytes) {
        Ok(segment) => Ok(Some(segment)),
        Err(SegmentError::Torn { bytes })
            if !listed.has_successor || listed.followed_by_fence(store).await? =>
        {
            warn!(object = %path, bytes, "skipping a WAL write that was cut short and never acknowledged");
            Ok(None)
        }
        Err(error) => Err(Error::with_source(
            ErrorKind::Corrupt,
            format!(
                "WAL segment {path} holds acknowledged events and is damaged. Restore it from a backup or an \
                 older version of the object; to give its events up, move it out of {} and start again",
                paths::wal_root()
            ),
            error,
        )),
    }
}

impl ListedSegment {
    /// Whether the next segment is a newer writer's fence: then this one was the last its writer wrote.
    async fn followed_by_fence(&self, store: &Store) -> Result<bool> {
        let next = self.position.next();
        let Some(bytes) = store.get(&paths::wal_segment(next.epoch(), next.segment())).await? else {
            return Ok(false);
        };
        Ok(Segment::decode(&bytes).is_ok_and(|segment| segment.sealed_by.is_some_and(|by| by > next.epoch())))
    }
}

/// Reads every stored segment in order and hands each to `apply`, one in memory at a time.
///
/// # Errors
/// As [`list`] and [`read_one`], and whatever `apply` fails with.
pub async fn read_all<F>(store: &Store, mut apply: F) -> Result<()>
where
    F: AsyncFnMut(ListedSegment, Segment) -> Result<()>,
{
    for listed in list(store).await? {
        if let Some(segment) = read_one(store, &listed).await? {
            apply(listed, segment).await?;
        }
    }
    Ok(())
}
