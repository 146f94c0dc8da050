//! `delta.appendOnly`: a table that tells every writer of Delta to remove nothing from it.
//!
//! In: whether events may be removed. Out: one commit that says so, if it is not said yet. Guaranteed: nothing but that property changes;
//! of an append-only table only files are replaced by others with the same events, as Delta's protocol allows (`dataChange` is false);
//! this process holds to it as well.
//!
//! It is a rule for those who keep rules: whoever can write to the bucket can also take the property away.

use serde_json::Value;

use super::{
    commit::Commit,
    load, log,
    tenant::{MetaData, Table},
};
use crate::error::{Error, ErrorKind, Result};

/// How often it is tried because another commit came in between.
const TRIES_MAX: u32 = 16;

impl Table {
    /// Makes the table append-only, or no longer. Returns whether that changed anything; a table without a commit stays as it is.
    ///
    /// # Errors
    /// As [`Table::commit`].
    pub async fn set_append_only(&self, append_only: bool) -> Result<bool> {
        for _ in 0..TRIES_MAX {
            let snapshot = self.snapshot();
            if snapshot.version.is_none() || snapshot.append_only == append_only {
                return Ok(false);
            }
            let Some(action) = self.meta_data().await? else { return Ok(false) };
            let action = log::with_append_only(action, append_only);
            match self.commit_with(properties_only(), Some(MetaData { action, append_only })).await {
                Ok(_) => return Ok(true),
                // Read anew meanwhile.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        let message = format!("others commit to the table of tenant '{}' all the time", self.tenant());
        Err(Error::new(ErrorKind::Busy, message))
    }

    /// Call this before a commit that removes events: an append-only table takes none.
    ///
    /// # Errors
    /// As [`Table::set_append_only`].
    pub async fn permit_removals(&self) -> Result<()> {
        self.set_append_only(false).await.map(drop)
    }

    /// The newest `metaData` of the log.
    async fn meta_data(&self) -> Result<Option<Value>> {
        let failed = |cause| load::delta_error("read the properties of", self.tenant(), cause);
        let Some(table) = load::open(&self.shared.store, self.tenant(), &self.folder()).await? else {
            return Ok(None);
        };
        let meta_data = serde_json::to_value(table.snapshot().map_err(failed)?.metadata());
        meta_data
            .map(Some)
            .map_err(|error| Error::with_source(ErrorKind::Internal, "the properties of a table", error))
    }
}

fn properties_only() -> Commit {
    Commit {
        operation: "SET TBLPROPERTIES",
        add: Vec::new(),
        remove: Vec::new(),
        data_change: false,
        wal_through: None,
        next_seq: None,
        tree: None,
    }
}
