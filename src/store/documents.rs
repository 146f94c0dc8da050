//! JSON documents in the store: each created once and never changed.
//!
//! In: documents. Out: what is stored. Guaranteed: who creates learns what is stored in the end, be it another's; a document that
//! cannot be read is an error that names it.

use bytes::Bytes;
use object_store::path::Path;
use serde::{Serialize, de::DeserializeOwned};

use super::{PutOutcome, Store};
use crate::error::{Error, ErrorKind, Result};

/// Creates a document unless it is there, and gives what is there then.
///
/// # Errors
/// As the store; [`ErrorKind::Corrupt`] for a document of another kind.
pub async fn create<T: Clone + Serialize + DeserializeOwned>(
    store: &Store,
    path: &Path,
    document: &T,
) -> Result<T> {
    let json = serde_json::to_vec(document)
        .map_err(|error| Error::with_source(ErrorKind::Internal, format!("write {path}"), error))?;
    let put = store.put_if_absent(path, Bytes::from(json)).await;
    if matches!(put, Ok(PutOutcome::Created)) {
        return Ok(document.clone());
    }
    // A request whose answer was lost may have met its own first attempt: only what is stored tells.
    match (get(store, path).await?, put) {
        (Some(stored), _) => Ok(stored),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => {
            Err(Error::new(ErrorKind::Unavailable, format!("{path} is said to exist and cannot be read")))
        }
    }
}

/// A document, if it is there.
///
/// # Errors
/// As [`create`].
pub async fn get<T: DeserializeOwned>(store: &Store, path: &Path) -> Result<Option<T>> {
    let Some(bytes) = store.get(path).await? else { return Ok(None) };
    let parsed = serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("{path} is not a document that this version writes");
        Error::with_source(ErrorKind::Corrupt, message, error)
    })?;
    Ok(Some(parsed))
}
