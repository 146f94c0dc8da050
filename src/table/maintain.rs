//! Checkpoints and log clean-up, so that a table of ten thousand commits still opens in an instant.
//!
//! In: a table some commits past its last checkpoint. Out: a Delta checkpoint of its version, and a log without
//! the entries that no reader needs. Guaranteed: readers are served throughout; entries go only if they are
//! older than the retention and a checkpoint stands for them; those that a bucket keeps locked stay. Nothing rests on maintenance
//! being done.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use deltalake_core::{DeltaTableError, checkpoints};
use serde::Deserialize;

use super::{load, tenant::Table};
use crate::{error::Result, paths::TableFolder, store::Store};

/// How long anybody waits for a checkpoint.
const CHECKPOINT_WAIT_MAX: Duration = Duration::from_secs(20);
/// Commits that bring a checkpoint about in a table at rest: whoever opens it next reads no more log entries one by one.
const COMMITS_AT_REST: u64 = 10;

/// Whether commits go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// They do: checkpoints come as often as the settings say.
    InUse,
    /// Nothing has been written for a while.
    AtRest,
}

/// [`Table::maintain`] on a thread of its own, for the Delta kernel blocks the thread that it runs on.
///
/// Waits at most twenty seconds. Nothing rests on a checkpoint: that there is none is logged, and tried again with the next call.
pub async fn maintain_aside(table: Arc<Table>, pace: Pace) {
    let tenant = table.tenant().clone();
    let runtime = tokio::runtime::Handle::current();
    let work = tokio::task::spawn_blocking(move || runtime.block_on(table.maintain(pace)));
    let failure = match tokio::time::timeout(CHECKPOINT_WAIT_MAX, work).await {
        Ok(Ok(Ok(_))) => return,
        Ok(Ok(Err(error))) => error.report(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it takes long".to_owned(),
    };
    tracing::warn!(%tenant, failure, "no checkpoint was made; tried again later");
}

/// What is known of a table's checkpoints; owned by the maintenance in progress.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    /// Version of the newest checkpoint; `None` until it has been looked up.
    checkpoint: Option<Checkpoint>,
}

#[derive(Clone, Copy, Debug)]
struct Checkpoint {
    /// `None`: the table has none.
    version: Option<u64>,
}

impl Table {
    /// Makes a checkpoint if enough commits have gone by since the last one, then removes expired log entries.
    ///
    /// Costs nothing while none is due. Meant to be called after commits, beside other work; calls wait for one
    /// another. Returns whether a checkpoint was made. After an error nothing is lost: the next call tries again.
    pub async fn maintain(&self, pace: Pace) -> Result<bool> {
        let mut maintenance = self.maintenance.lock().await;
        let often = self.shared.settings.checkpoint_commits;
        let every = match pace {
            Pace::InUse => often.max(1),
            Pace::AtRest => often.clamp(1, COMMITS_AT_REST),
        };
        let Some(version) = self.snapshot().version.filter(|version| version + 1 >= every) else {
            return Ok(false);
        };
        let last = match maintenance.checkpoint {
            Some(last) => last,
            None => last_checkpoint(&self.shared.store, &self.folder()).await?,
        };
        maintenance.checkpoint = Some(last);
        let commits_since = last.version.map_or(version + 1, |last| version.saturating_sub(last));
        if commits_since < every {
            return Ok(false);
        }
        let version = self.checkpoint().await?;
        maintenance.checkpoint = Some(Checkpoint { version });
        Ok(true)
    }

    /// Makes a checkpoint of the newest version and cleans up before it; returns that version.
    async fn checkpoint(&self) -> Result<Option<u64>> {
        let failed = |cause| load::delta_error("checkpoint", self.tenant(), cause);
        let Some(table) = load::open(&self.shared.store, self.tenant(), &self.folder()).await? else {
            return Ok(None);
        };
        checkpoints::create_checkpoint(&table, None).await.map_err(failed)?;
        let version = table.version().unwrap_or_default();
        let retention_ms = self.shared.settings.log_retention_hours as i64 * 3_600_000;
        let expired = self.shared.clock.now_millis() - retention_ms;
        let log_store = table.log_store();
        match checkpoints::cleanup_expired_logs_for(version, log_store.as_ref(), expired, None).await {
            Ok(_) => {}
            Err(cause) if self.is_kept(&cause) => {
                let tenant = self.tenant();
                tracing::debug!(%tenant, "the bucket keeps log entries that are locked; tried again later");
            }
            Err(cause) => return Err(failed(cause)),
        }
        Ok(Some(version))
    }

    /// Whether a deletion failed because the bucket keeps what is locked.
    fn is_kept(&self, error: &DeltaTableError) -> bool {
        let first: &dyn StdError = error;
        std::iter::successors(Some(first), |error| (*error).source())
            .filter_map(|error| error.downcast_ref::<object_store::Error>())
            .any(|error| self.shared.store.keeps(error))
    }
}

async fn last_checkpoint(store: &Store, folder: &TableFolder) -> Result<Checkpoint> {
    #[derive(Deserialize)]
    struct Pointer {
        version: u64,
    }
    let bytes = store.get(&folder.delta_last_checkpoint()).await?;
    // A pointer that cannot be read is only a hint lost: the next checkpoint writes it anew.
    let pointer = bytes.and_then(|bytes| serde_json::from_slice::<Pointer>(&bytes).ok());
    Ok(Checkpoint { version: pointer.map(|pointer| pointer.version) })
}
