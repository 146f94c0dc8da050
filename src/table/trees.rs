//! What the entries of a Delta log say of the tenant's Merkle tree.
//!
//! In: the log as far as it still has entries. Out: sizes and roots, by version. Reading them costs a request an entry: for checks,
//! not for queries.

use futures::{StreamExt, TryStreamExt, stream};

use super::{commit::TreeRecord, log, tenant::Table};
use crate::{error::Result, paths};

/// Entries read at once.
const ENTRIES_AT_ONCE: usize = 16;

impl Table {
    /// The records of trees that the log still has, oldest first.
    ///
    /// # Errors
    /// As the store.
    pub async fn recorded_trees(&self) -> Result<Vec<(u64, TreeRecord)>> {
        let store = &self.shared.store;
        let listed = store.list(&self.folder().delta_log()).await?;
        let versions = listed.iter().filter_map(|object| paths::parse_delta_commit(&object.location));
        let entries = stream::iter(versions.collect::<Vec<_>>()).map(|version| async move {
            let entry = store.get(&self.folder().delta_commit(version)).await?;
            Ok::<_, crate::error::Error>((version, entry.and_then(|entry| log::tree_of(&entry))))
        });
        let records: Vec<_> = entries.buffered(ENTRIES_AT_ONCE).try_collect().await?;
        Ok(records.into_iter().filter_map(|(version, tree)| Some((version, tree?))).collect())
    }
}
