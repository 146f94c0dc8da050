//! Writes one entry of a Delta log, and finds out what happened when the store will not say.
//!
//! In: an entry and its version. Out: whether the entry at that version is ours. Guaranteed: the answer is never
//! a guess. A put whose outcome is unknown is resolved by reading the version back; as long as even that fails,
//! it is tried again a bounded number of times, with the same bytes, and then reported as unresolved.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{log, snapshot::DataFile};
use crate::{
    error::{Error, ErrorKind, Result},
    limits::COMMIT_ATTEMPTS_MAX,
    paths::TableFolder,
    store::{PutOutcome, Store},
};

/// One change of a tenant's table: files that come and files that go, at once or not at all.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Delta's name of it: `WRITE`, `OPTIMIZE`, `DELETE` or `SET TBLPROPERTIES`.
    pub operation: &'static str,
    /// Files that become live; their objects must be complete.
    pub add: Vec<DataFile>,
    /// Live files that are superseded; their objects stay until the sweep.
    pub remove: Vec<Arc<DataFile>>,
    /// Whether events come or go, or are only moved.
    pub data_change: bool,
    /// `Some`: everything that was being flushed is in `add`, through this WAL segment.
    pub wal_through: Option<u64>,
    /// `Some`: the `seq` that the next event gets.
    pub next_seq: Option<i64>,
    /// `Some`: the tenant's Merkle tree once the commit is made, as a record for people and for checks.
    pub tree: Option<TreeRecord>,
}

/// What a commit says of the tree of all events up to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeRecord {
    /// Its leaves: the same as `next_seq`.
    pub size: u64,
    /// Its root hash in base64.
    pub root_hash: String,
}

/// Whose entry stands at the version that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The entry is in the log.
    Ours,
    /// Another entry is at that version, this one nowhere; with the other's id, if auditlake wrote it.
    Other(Option<String>),
}

/// Writes `entry` as `version` of the log in `folder`, if that version does not exist.
///
/// Waits `wait` before the second attempt and twice as long before each further one. Fails with
/// [`ErrorKind::Unavailable`] if the store would not tell: the entry may or may not be there.
pub(crate) async fn write_entry(
    store: &Store,
    folder: &TableFolder,
    version: u64,
    entry: &Bytes,
    commit_id: &str,
    mut wait: Duration,
) -> Result<Written> {
    let key = folder.delta_commit(version);
    let mut trouble = None;
    for attempt in 1..=COMMIT_ATTEMPTS_MAX {
        match store.put_if_absent(&key, entry.clone()).await {
            Ok(PutOutcome::Created) => return Ok(Written::Ours),
            Ok(PutOutcome::Exists) => {}
            Err(cause) => trouble = Some(cause),
        }
        match store.get(&key).await {
            Ok(Some(found)) => {
                let found_id = log::commit_id_of(&found);
                if found_id.as_deref() != Some(commit_id) {
                    return Ok(Written::Other(found_id));
                }
                // It is there, but the put failed, perhaps before the folder was synced.
                store.make_durable(&key).await?;
                return Ok(Written::Ours);
            }
            Ok(None) => {}
            Err(cause) => trouble = Some(cause),
        }
        if attempt < COMMIT_ATTEMPTS_MAX {
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }
    let message = format!("commit {key}: not known to be written after {COMMIT_ATTEMPTS_MAX} attempts");
    Err(match trouble {
        Some(cause) => Error::with_source(ErrorKind::Unavailable, message, cause),
        None => Error::new(ErrorKind::Unavailable, message),
    })
}
