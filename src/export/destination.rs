//! Where the files of an export go.
//!
//! In: a destination. Out: an object store, and the folder in it. Guaranteed: an export has a folder of its own, so that two can
//! never mix; a file appears there whole or not at all.

use std::sync::Arc;

use object_store::{ObjectStore, path::Path};
use serde::{Deserialize, Serialize};

use super::job::Job;
use crate::{paths, store::Store};

/// Where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Destination {
    /// The store itself: `exports/tenant=…/{id}/files/`. To be fetched over HTTP.
    #[default]
    Managed,
    /// A folder of the machine that runs the command.
    Folder {
        /// Its path.
        path: String,
    },
}

/// A destination that can be written to.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) folder: Path,
}

impl Open {
    /// The destination of `job`, which exports from `store`.
    pub(super) fn of(job: &Job, store: &Store) -> Self {
        Self { objects: store.object_store(), folder: paths::export_files(&job.tenant_id, job.id.as_str()) }
    }

    /// The whole of `folder`.
    pub(super) fn whole(folder: &Store) -> Self {
        Self { objects: folder.object_store(), folder: Path::default() }
    }

    /// The key of a file of an export that is kept in the store.
    pub(super) fn managed_key(job: &Job, name: &str) -> Path {
        paths::export_files(&job.tenant_id, job.id.as_str()).join(name)
    }

    /// The key of a file.
    pub(super) fn key(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }
}

impl Destination {
    /// It, without secrets.
    pub(super) fn shown(&self) -> serde_json::Value {
        match self {
            Self::Managed => serde_json::json!({"type": "managed"}),
            Self::Folder { path } => serde_json::json!({"type": "folder", "path": path}),
        }
    }
}
