//! What an erasure is, as it is stored: the job, that its files are rewritten, that the old ones are gone.
//!
//! In and out: JSON documents. Guaranteed: none is ever changed; of two that are to be the same one the first that is stored holds.

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    paths,
    store::{Store, documents},
};

/// The version of all documents.
pub(super) const VERSION: u32 = 1;
const PREFIX: &str = "ers_";
/// Erasures that are read at the same time.
const AT_ONCE: usize = 16;

/// An erasure as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The form of the document: 1.
    pub version: u32,
    /// Which; later ones sort later.
    pub id: Uuid,
    /// Of whose log.
    pub tenant_id: TenantId,
    /// Of whom: as `actor_id`, `on_behalf_of_id` or a target's id.
    pub actor_id: String,
    /// When it was asked for, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Who asked: the id of a principal.
    pub by: String,
    /// Of events with a smaller number.
    pub seq_before: i64,
}

/// That no live file has the values any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rewritten {
    pub(super) version: u32,
    /// When, in milliseconds since 1970.
    pub(super) at_ms: i64,
    /// Events in which something of the person is erased.
    pub(super) events: u64,
}

/// That no file has them any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) version: u32,
    /// When, in milliseconds since 1970.
    pub(super) at_ms: i64,
}

/// All that is stored of one erasure.
pub(super) struct Stored {
    pub(super) job: Job,
    pub(super) rewritten: Option<Rewritten>,
    pub(super) end: Option<End>,
}

/// The documents of one erasure.
pub(super) struct Records {
    store: Store,
    folder: Path,
}

/// Reads the id of an erasure: `ers_` and 32 hexadecimal digits.
///
/// # Errors
/// [`ErrorKind::NotFound`]: none has such an id.
pub fn parse(text: &str) -> Result<Uuid> {
    let id = text.strip_prefix(PREFIX).and_then(|digits| Uuid::try_parse(digits).ok());
    // One way to write each.
    id.filter(|id| shown(*id) == text).ok_or_else(|| not_found(text))
}

/// How the id of an erasure is written.
pub fn shown(id: Uuid) -> String {
    format!("{PREFIX}{}", id.simple())
}

pub(super) fn not_found(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("erasure '{id}' does not exist"))
}

/// Every erasure that is stored.
pub(super) async fn all(store: &Store) -> Result<Vec<Stored>> {
    let objects = store.list(&paths::erasures()).await?;
    let folders: Vec<Path> =
        objects.iter().filter_map(|object| paths::parse_erasure_job(&object.location)).collect();
    let stored = stream::iter(folders)
        .map(|folder| async move { Records { store: store.clone(), folder }.stored().await })
        .buffered(AT_ONCE);
    stored.try_filter_map(|stored| async move { Ok(stored) }).try_collect().await
}

impl Records {
    pub(super) fn of(store: &Store, job: &Job) -> Self {
        Self { store: store.clone(), folder: paths::erasure(&job.tenant_id, job.id) }
    }

    async fn stored(&self) -> Result<Option<Stored>> {
        let Some(job) = documents::get::<Job>(&self.store, &paths::erasure_job(&self.folder)).await? else {
            return Ok(None);
        };
        let rewritten = documents::get(&self.store, &paths::erasure_rewritten(&self.folder)).await?;
        let end = documents::get(&self.store, &paths::erasure_end(&self.folder)).await?;
        Ok(Some(Stored { job, rewritten, end }))
    }

    pub(super) async fn create(&self, job: &Job) -> Result<()> {
        documents::create(&self.store, &paths::erasure_job(&self.folder), job).await.map(drop)
    }

    pub(super) async fn rewritten(&self, rewritten: Rewritten) -> Result<Rewritten> {
        documents::create(&self.store, &paths::erasure_rewritten(&self.folder), &rewritten).await
    }

    /// When the job and [`Records::rewritten`] were stored, by the store's clock: the one that the times of other objects are of.
    pub(super) async fn stored_at(&self) -> Result<Option<(DateTime<Utc>, DateTime<Utc>)>> {
        let objects = self.store.list(&self.folder).await?;
        let at = |document: Path| {
            objects.iter().find(|object| object.location == document).map(|object| object.last_modified)
        };
        Ok(at(paths::erasure_job(&self.folder)).zip(at(paths::erasure_rewritten(&self.folder))))
    }

    pub(super) async fn end(&self, end: End) -> Result<End> {
        documents::create(&self.store, &paths::erasure_end(&self.folder), &end).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch an id with two spellings, of which one is not found.
    #[test]
    fn ids_have_one_spelling() {
        let id = Uuid::from_u128(0xa7);
        assert_eq!(parse(&shown(id)).unwrap(), id);
        for text in ["", "ers_", "ers_7", &shown(id).to_uppercase(), &format!("ers_{id}"), &shown(id)[4..]] {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::NotFound, "{text}");
        }
    }
}
