//! The documents of exports in the store.
//!
//! In: documents. Out: what is stored. Guaranteed: each is created once; who creates learns what is stored in the end,
//! be it another's; a document that cannot be read is an error that names it.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use serde::{Serialize, de::DeserializeOwned};

use super::job::{End, ExportId, Job, Step};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    paths,
    store::{PutOutcome, Store},
};

/// Exports that are read at the same time.
const EXPORTS_AT_ONCE: usize = 16;

/// The documents of one export.
#[derive(Clone, Debug)]
pub(super) struct Records {
    store: Store,
    /// The folder of the export.
    folder: Path,
}

/// All that is stored of one export.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) job: Job,
    pub(super) steps: Vec<Step>,
    pub(super) end: Option<End>,
}

/// Every export that is stored in `store`.
pub(super) async fn all(store: &Store) -> Result<Vec<Stored>> {
    let objects = store.list(&paths::exports()).await?;
    let jobs: Vec<Path> =
        objects.iter().filter_map(|object| paths::parse_export_job(&object.location)).collect();
    let stored = stream::iter(jobs)
        .map(|folder| async move { Records::at(store, folder).stored().await })
        .buffered(EXPORTS_AT_ONCE);
    // It may have been removed since it was listed.
    stored.try_filter_map(|stored| async move { Ok(stored) }).try_collect().await
}

impl Records {
    /// Those in `folder` of `store`.
    pub(super) fn at(store: &Store, folder: Path) -> Self {
        Self { store: store.clone(), folder }
    }

    /// Those of an export that is carried out by a server.
    pub(super) fn of(store: &Store, tenant: &TenantId, id: &ExportId) -> Self {
        Self::at(store, paths::export(tenant, id.as_str()))
    }

    /// All there is; `None`: no export.
    pub(super) async fn stored(&self) -> Result<Option<Stored>> {
        let Some(job) = self.get::<Job>(&paths::export_job(&self.folder)).await? else { return Ok(None) };
        let end = self.get(&paths::export_end(&self.folder)).await?;
        let steps = if end.is_some() { Vec::new() } else { self.steps().await? };
        Ok(Some(Stored { job, steps, end }))
    }

    /// What is complete, in order, as far as nothing is missing in between.
    pub(super) async fn steps(&self) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        while let Some(step) = self.get(&paths::export_step(&self.folder, steps.len() as u64 + 1)).await? {
            steps.push(step);
        }
        Ok(steps)
    }

    /// Stores a new export.
    pub(super) async fn create(&self, job: &Job) -> Result<()> {
        self.put(&paths::export_job(&self.folder), job).await.map(drop)
    }

    /// Stores that file number `number` is complete.
    pub(super) async fn step(&self, number: u64, step: &Step) -> Result<()> {
        let path = paths::export_step(&self.folder, number);
        let stored = self.put(&path, step).await?;
        match stored == *step {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Conflict, format!("{path} was written by another process"))),
        }
    }

    /// Stores the end; gives the one that holds.
    pub(super) async fn end(&self, end: &End) -> Result<End> {
        self.put(&paths::export_end(&self.folder), end).await
    }

    /// Removes everything below the folder, what names the export last.
    pub(super) async fn remove(&self) -> Result<()> {
        let job = paths::export_job(&self.folder);
        for object in self.store.list(&self.folder).await? {
            if object.location != job {
                self.store.delete(&object.location).await?;
            }
        }
        self.store.delete(&job).await
    }

    /// Creates a document unless it is there, and gives what is there then.
    async fn put<T: Clone + Serialize + DeserializeOwned>(&self, path: &Path, document: &T) -> Result<T> {
        let json = serde_json::to_vec(document)
            .map_err(|error| Error::with_source(ErrorKind::Internal, format!("write {path}"), error))?;
        let put = self.store.put_if_absent(path, Bytes::from(json)).await;
        if matches!(put, Ok(PutOutcome::Created)) {
            return Ok(document.clone());
        }
        // A request whose answer was lost may have met its own first attempt: only what is stored tells.
        match (self.get(path).await?, put) {
            (Some(stored), _) => Ok(stored),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => {
                Err(Error::new(ErrorKind::Unavailable, format!("{path} is said to exist and cannot be read")))
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>> {
        let Some(bytes) = self.store.get(path).await? else { return Ok(None) };
        let parsed = serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("{path} is not of an export that this version writes");
            Error::with_source(ErrorKind::Corrupt, message, error)
        })?;
        Ok(Some(parsed))
    }
}
