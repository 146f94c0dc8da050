//! The log in the store.
//!
//! In: records and states. Out: what is stored. Guaranteed: of several records for one version exactly one is ever
//! stored, and its writer learns that it is; a snapshot is only a short cut, which may be missing.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Serialize, de::DeserializeOwned};

use super::{change::Record, state::State};
use crate::{
    error::{Error, ErrorKind, Result},
    paths,
    store::{PutOutcome, Store},
};

/// Versions between two snapshots.
pub const SNAPSHOT_EVERY: u64 = 64;

/// Records that are read at the same time.
const RECORDS_AT_ONCE: usize = 16;

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Appended {
    /// It is the one of its version.
    Done,
    /// Another one is.
    OtherWasFaster,
}

#[derive(Clone)]
pub(super) struct Log {
    store: Store,
}

impl Log {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    /// The state that everything stored adds up to.
    pub(super) async fn read(&self) -> Result<State> {
        let objects = self.store.list(&paths::control_log()).await?;
        let snapshots = objects.iter().filter_map(|object| paths::parse_control_snapshot(&object.location));
        let mut state = match snapshots.max() {
            Some(version) => {
                let path = paths::control_snapshot(version);
                parse(&path, &self.store.get(&path).await?.unwrap_or_default())?
            }
            None => State::default(),
        };
        let mut versions: Vec<u64> = objects
            .iter()
            .filter_map(|object| paths::parse_control_record(&object.location))
            .filter(|version| *version > state.version())
            .collect();
        versions.sort_unstable();
        let mut records = stream::iter(versions).map(|version| self.get(version)).buffered(RECORDS_AT_ONCE);
        while let Some(record) = records.try_next().await? {
            if let Some(record) = record {
                state = state.after(&record)?;
            }
        }
        Ok(state)
    }

    /// The record of a version, if there is one yet.
    pub(super) async fn get(&self, version: u64) -> Result<Option<Record>> {
        let path = paths::control_record(version);
        self.store.get(&path).await?.map(|bytes| parse(&path, &bytes)).transpose()
    }

    /// Stores `record` unless its version is taken.
    pub(super) async fn append(&self, record: &Record) -> Result<Appended> {
        let path = paths::control_record(record.version);
        let put = self.store.put_if_absent(&path, to_json(record)?).await;
        if matches!(put, Ok(PutOutcome::Created)) {
            return Ok(Appended::Done);
        }
        // A request whose answer was lost may have met its own first attempt: only what is stored tells.
        match (self.get(record.version).await?, put) {
            (Some(stored), _) if stored.id == record.id => Ok(Appended::Done),
            (Some(_), _) => Ok(Appended::OtherWasFaster),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => {
                let message = format!("{path} is said to exist and cannot be read");
                Err(Error::new(ErrorKind::Unavailable, message))
            }
        }
    }

    /// Stores the state beside the log, without anyone waiting for it.
    pub(super) fn write_snapshot_aside(&self, state: Arc<State>) {
        let store = self.store.clone();
        tokio::spawn(async move {
            let path = paths::control_snapshot(state.version());
            let written = match to_json(state.as_ref()) {
                Ok(bytes) => store.put_if_absent(&path, bytes).await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                tracing::warn!(%path, error = error.report(), "no snapshot of the control log; starts read more of it");
            }
        });
    }
}

fn to_json(value: &impl Serialize) -> Result<Bytes> {
    let json = serde_json::to_vec(value);
    json.map(Bytes::from)
        .map_err(|error| Error::with_source(ErrorKind::Internal, "write the control log", error))
}

fn parse<T: DeserializeOwned>(path: &object_store::path::Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("{path} is not of the control log that this version writes");
        Error::with_source(ErrorKind::Corrupt, message, error)
    })
}
