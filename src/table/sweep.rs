//! Deletes the data files that no reader needs any more: superseded ones and orphans.
//!
//! In: the objects under a tenant's table, its live files (in memory and in the log) and its tombstones. Out: deletions, after a grace
//! period in which queries that began earlier (also those of other engines) can still finish. Guaranteed: a live
//! file is never deleted, nor one that an unfinished flush or compaction has just uploaded. A deletion that
//! fails, or that the bucket refuses because the file is locked, is found and tried again by every later sweep, because the decision
//! rests on the listing alone.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::{ObjectMeta, path::Path};

use super::{Tables, load, tenant::Table};
use crate::{error::Result, event::TenantId, paths::TableFolder, store::Deletion};

/// How a sweep went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files deleted.
    pub files: usize,
    /// Their size.
    pub bytes: u64,
    /// Files that could not be deleted; the next sweep tries again.
    pub failed: usize,
    /// Files that the bucket keeps, because they are locked or held; each later sweep asks again.
    pub locked: usize,
}

/// Which of the `listed` objects to delete.
///
/// A file goes if it is not in `live` and was superseded (by `tombstones`: path and time in milliseconds) at
/// least `grace_ms` ago; one without a tombstone is an orphan, or its tombstone has expired, and goes by the age
/// of the object. `listed` must have been taken before `live`, or a file committed in between would look dead.
/// Objects that are not data files are never touched.
pub fn plan(
    folder: &TableFolder,
    listed: &[ObjectMeta],
    live: &HashSet<&str>,
    tombstones: &HashMap<String, i64>,
    now_ms: i64,
    grace_ms: i64,
) -> Vec<ObjectMeta> {
    let is_due = |object: &&ObjectMeta| {
        let Some(file) = folder.parse_data_file(&object.location) else { return false };
        let written_at = object.last_modified.timestamp_millis();
        let dead_since = tombstones.get(file).copied().unwrap_or(written_at).max(written_at);
        !live.contains(file) && now_ms - dead_since >= grace_ms
    };
    listed.iter().filter(is_due).cloned().collect()
}

impl Table {
    /// Deletes this table's dead files that are older than `grace_ms`; see [`plan`].
    ///
    /// A grace beyond the table's `deleted_file_retention_hours` is cut short: tombstones are forgotten by then.
    pub async fn sweep(&self, grace_ms: i64) -> Result<Swept> {
        let store = &self.shared.store;
        let folder = self.folder();
        let listed = store.list(&folder.path()).await?;
        let snapshot = self.snapshot();
        let mut live: HashSet<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
        let dead = |object: &ObjectMeta| {
            let file = folder.parse_data_file(&object.location);
            file.is_some_and(|file| !live.contains(file))
        };
        if !listed.iter().any(dead) {
            return Ok(Swept::default());
        }
        // A commit that is in the log and not known here (its answer was lost, or an older writer made it while it
        // was pushed aside) would make live files look like orphans.
        let (in_log, tombstones) = self.logged().await?;
        live.extend(in_log.iter().map(String::as_str));
        let now_ms = self.shared.clock.now_millis();
        let due = plan(&folder, &listed, &live, &tombstones, now_ms, grace_ms);
        let mut swept = Swept::default();
        for object in due {
            match store.try_delete(&object.location).await {
                Ok(Deletion::Done) => {
                    swept.files += 1;
                    swept.bytes += object.size;
                }
                // Told in sum: there may be thousands, each hour.
                Ok(Deletion::Refused) => swept.locked += 1,
                Err(cause) => {
                    swept.failed += 1;
                    log_failure(&object.location, &cause.report());
                }
            }
        }
        Ok(swept)
    }

    /// Whether there is a data file that is not part of the table any more and was written before `time`, by the store's clock.
    pub async fn has_dead_files(&self, time: DateTime<Utc>) -> Result<bool> {
        let folder = self.folder();
        let listed = self.shared.store.list(&folder.path()).await?;
        let snapshot = self.snapshot();
        let live: HashSet<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
        Ok(listed.iter().any(|object| {
            let file = folder.parse_data_file(&object.location);
            object.last_modified <= time && file.is_some_and(|file| !live.contains(file))
        }))
    }

    /// What the log says now: the live files, and when each other one was superseded as far back as it remembers;
    /// by path relative to the table.
    async fn logged(&self) -> Result<(HashSet<String>, HashMap<String, i64>)> {
        let failed = |cause| load::delta_error("read the tombstones of", self.tenant(), cause);
        let Some(table) = load::open(&self.shared.store, self.tenant(), &self.folder()).await? else {
            return Ok(Default::default());
        };
        let log_store = table.log_store();
        let state = table.snapshot().map_err(failed)?;
        let live = state.log_data().iter().map(|file| file.path().into_owned()).collect();
        let tombstones: Vec<_> =
            state.all_tombstones(log_store.as_ref()).try_collect().await.map_err(failed)?;
        let times =
            tombstones.iter().filter_map(|dead| Some((dead.path().into_owned(), dead.deletion_timestamp()?)));
        Ok((live, times.collect()))
    }
}

impl Tables {
    /// Sweeps all tenants' tables, one after another; a table that cannot be swept is logged and left for the next
    /// time.
    pub async fn sweep(&self, grace_ms: i64) -> Swept {
        let mut total = Swept::default();
        for tenant in self.tenants() {
            match self.sweep_one(&tenant, grace_ms).await {
                Ok(swept) => total = total.and(swept),
                Err(cause) => {
                    let cause = cause.report();
                    tracing::warn!(%tenant, cause, "could not sweep a table; the next sweep tries again");
                }
            }
        }
        total
    }

    async fn sweep_one(&self, tenant: &TenantId, grace_ms: i64) -> Result<Swept> {
        match self.get(tenant).await? {
            Some(table) => table.sweep(grace_ms).await,
            None => Ok(Swept::default()),
        }
    }
}

impl Swept {
    fn and(self, other: Self) -> Self {
        Self {
            files: self.files + other.files,
            bytes: self.bytes + other.bytes,
            failed: self.failed + other.failed,
            locked: self.locked + other.locked,
        }
    }
}

fn log_failure(path: &Path, cause: &str) {
    tracing::warn!(%path, cause, "could not delete a superseded file; the next sweep tries again");
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::paths::TableLayout;

    fn object(key: &str, written_at_ms: i64) -> ObjectMeta {
        ObjectMeta {
            location: Path::from(key),
            last_modified: DateTime::from_timestamp_millis(written_at_ms).unwrap(),
            size: 1,
            e_tag: None,
            version: None,
        }
    }

    /// Would catch a live, fresh or foreign object being deleted, and a dead one being kept.
    #[test]
    fn only_dead_data_files_past_their_grace_go() {
        let folder = TableLayout::Plain.table(&TenantId::parse("acme").unwrap());
        let key = |name: &str| format!("events/acme/{name}");
        let listed = [
            object(&key("day=2026-01-01/live.parquet"), 0),
            object(&key("day=2026-01-01/superseded-long-ago.parquet"), 0),
            object(&key("day=2026-01-01/superseded-now.parquet"), 0),
            object(&key("day=2026-01-01/orphan-old.parquet"), 100),
            object(&key("day=2026-01-01/upload-in-progress.parquet"), 950),
            object(&key("_delta_log/00000000000000000000.json"), 0),
            object(&key("day=2026-01-01/notes.txt"), 0),
            object("events/other/day=2026-01-01/orphan.parquet", 0),
        ];
        let live = HashSet::from(["day=2026-01-01/live.parquet"]);
        let tombstones = HashMap::from([
            ("day=2026-01-01/superseded-long-ago.parquet".to_owned(), 400),
            ("day=2026-01-01/superseded-now.parquet".to_owned(), 901),
        ]);
        let due = plan(&folder, &listed, &live, &tombstones, 1_000, 100);
        let due: Vec<_> = due.iter().map(|object| object.location.filename().unwrap()).collect();
        assert_eq!(due, ["superseded-long-ago.parquet", "orphan-old.parquet"]);
    }
}
