//! The documents of exports in the store.
//!
//! In: documents. Out: what is stored. Guaranteed: as [`documents`] says.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;

use super::job::{End, ExportId, Job, Step};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    paths,
    store::{Store, documents},
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
        let Some(job) = documents::get::<Job>(&self.store, &paths::export_job(&self.folder)).await? else {
            return Ok(None);
        };
        let end = documents::get(&self.store, &paths::export_end(&self.folder)).await?;
        let steps = if end.is_some() { Vec::new() } else { self.steps().await? };
        Ok(Some(Stored { job, steps, end }))
    }

    /// What is complete, in order, as far as nothing is missing in between.
    pub(super) async fn steps(&self) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        while let Some(step) =
            documents::get(&self.store, &paths::export_step(&self.folder, steps.len() as u64 + 1)).await?
        {
            steps.push(step);
        }
        Ok(steps)
    }

    /// Stores a new export.
    pub(super) async fn create(&self, job: &Job) -> Result<()> {
        documents::create(&self.store, &paths::export_job(&self.folder), job).await.map(drop)
    }

    /// Stores that file number `number` is complete.
    pub(super) async fn step(&self, number: u64, step: &Step) -> Result<()> {
        let path = paths::export_step(&self.folder, number);
        let stored = documents::create(&self.store, &path, step).await?;
        match stored == *step {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Conflict, format!("{path} was written by another process"))),
        }
    }

    /// Stores the end; gives the one that holds.
    pub(super) async fn end(&self, end: &End) -> Result<End> {
        documents::create(&self.store, &paths::export_end(&self.folder), end).await
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
}
