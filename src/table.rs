//! The tables: one Delta table per tenant, its files, its commits, and what a reader sees of it.
//!
//! In: accepted batches that are durable in the WAL, files to commit, files to replace. Out: [`Snapshot`]s to
//! read from. Guaranteed: the Delta log is the one truth about which files there are; memory is that truth plus
//! what is not committed yet; a commit is one put-if-absent and takes effect at once and as a whole.
//!
//! | part | does |
//! |---|---|
//! | [`snapshot`] | what a reader sees |
//! | [`tenant`] | one table in memory: publish, flush, commit |
//! | `coalesce` | keeps uncommitted batches few |
//! | [`commit`], `log`, `load` | writes and reads the Delta log |
//! | `stats` | column statistics, in Parquet, memory and log |
//! | [`layout`], [`mod@file`], [`read`], `pages` | writes and reads data files |
//! | [`ids`] | is this id stored already? |
//! | `folders` | how the store names the folders of tables |
//! | [`described`] | what readers that are not ours see |
//! | `live_files` | its files by name, for readers that know nothing of Delta |
//! | `trees` | what the log says of Merkle trees |
//! | `append_only` | `delta.appendOnly` |
//! | `maintain`, [`sweep`] | checkpoints, log clean-up, deletion of dead files |

mod append_only;
mod coalesce;
pub mod commit;
pub mod described;
pub mod file;
#[cfg(test)]
pub(crate) mod fixture;
mod folders;
mod groups;
pub mod ids;
pub mod layout;
mod live_files;
mod load;
mod log;
mod maintain;
mod pages;
pub mod read;
pub mod snapshot;
mod stats;
pub mod sweep;
pub mod tenant;
#[cfg(test)]
mod tests;
mod trees;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

pub use self::{
    commit::{Commit, TreeRecord},
    described::Described,
    file::FileWriter,
    groups::{RowGroup, RowGroups},
    ids::IdCache,
    live_files::{Days, LiveFile, LiveFiles},
    maintain::{Pace, maintain_aside},
    read::{BatchRows, BatchStream, OpenFile, ReadOptions},
    snapshot::{ColumnStats, DataFile, Snapshot, Uncommitted, has_before, start_micros},
    tenant::Table,
};
pub(crate) use self::{load::location as delta_location, log::schema_string as delta_schema};
use crate::{
    error::Result,
    event::TenantId,
    paths::{self, TableFolder, TableLayout},
    store::Store,
    telemetry::Clock,
};

/// What can be chosen about tables. What a table's first commit records (intervals and retentions, for other
/// readers) stays as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Layout of new data files.
    pub layout: layout::Settings,
    /// Commits between two checkpoints.
    pub checkpoint_commits: u64,
    /// Hours for which log entries older than a checkpoint are kept.
    pub log_retention_hours: u64,
    /// Hours for which other readers may count on superseded files.
    pub deleted_file_retention_hours: u64,
    /// Wait before a log entry is tried a second time; doubled before each further attempt.
    pub commit_retry_wait_ms: u64,
    /// Memory for the hashes of stored ids, all tables together.
    pub id_cache_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            layout: layout::Settings::default(),
            checkpoint_commits: 100,
            log_retention_hours: 24,
            deleted_file_retention_hours: 24,
            commit_retry_wait_ms: 50,
            id_cache_bytes: 256 * 1024 * 1024,
        }
    }
}

impl Settings {
    fn table_configuration(&self) -> log::TableConfiguration {
        log::TableConfiguration {
            checkpoint_commits: self.checkpoint_commits,
            log_retention_hours: self.log_retention_hours,
            deleted_file_retention_hours: self.deleted_file_retention_hours,
        }
    }
}

/// What all tables of a store have in common.
struct Shared {
    store: Store,
    clock: Clock,
    settings: Settings,
    ids: IdCache,
    layout: TableLayout,
}

/// The tables of all tenants of a store. Cheap to clone: clones share.
#[derive(Clone)]
pub struct Tables {
    shared: Arc<Shared>,
    /// Every tenant known; its cell is filled when its table is first asked for.
    known: Arc<Mutex<BTreeMap<TenantId, Slot>>>,
}

type Slot = Arc<OnceCell<Arc<Table>>>;

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").field("store", &self.shared.store.display()).finish_non_exhaustive()
    }
}

impl Tables {
    /// Lists the tenants of `store`; loads none of them.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::error::ErrorKind::Corrupt) if the store has tables of another layout than it says; as the store.
    pub async fn open(store: Store, clock: Clock, settings: Settings) -> Result<Self> {
        let folders = store.list_folders(&paths::tables_root()).await?;
        let layout = folders::layout_of(&store, &folders).await?;
        let tenants = folders.iter().filter_map(|folder| layout.parse_table(folder));
        let known = tenants.map(|tenant| (tenant, Slot::default())).collect();
        let ids = IdCache::new(settings.id_cache_bytes);
        let shared = Arc::new(Shared { store, clock, settings, ids, layout });
        Ok(Self { shared, known: Arc::new(Mutex::new(known)) })
    }

    /// How the store names the folders of tables.
    pub fn layout(&self) -> TableLayout {
        self.shared.layout
    }

    /// Writes down how the store names the folders of tables, unless it says so already: for who is about to write.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::error::ErrorKind::Conflict) if it says something else by now; as the store.
    pub async fn record_layout(&self) -> Result<()> {
        folders::record(&self.shared.store, self.shared.layout).await
    }

    /// Where a tenant's table is in the store.
    pub(crate) fn folder(&self, tenant: &TenantId) -> TableFolder {
        self.shared.layout.table(tenant)
    }

    /// Whether the store can lock objects.
    pub fn locks(&self) -> bool {
        self.shared.store.locks()
    }

    /// The tenants that have a Delta log or uncommitted events, sorted. A tenant whose table has not been loaded
    /// counts if it has a folder.
    pub fn tenants(&self) -> Vec<TenantId> {
        let has_events = |slot: &Slot| {
            slot.get().is_none_or(|table| {
                let snapshot = table.snapshot();
                snapshot.version.is_some() || snapshot.uncommitted.rows() > 0
            })
        };
        let known = self.lock();
        known.iter().filter(|(_, slot)| has_events(slot)).map(|(tenant, _)| tenant.clone()).collect()
    }

    /// A tenant's table for reading, loaded on first use; `None` if nothing is stored or published.
    pub async fn get(&self, tenant: &TenantId) -> Result<Option<Arc<Table>>> {
        let slot = self.lock().get(tenant).cloned();
        match slot {
            Some(slot) => self.load(tenant, &slot).await.map(Some),
            None => Ok(None),
        }
    }

    /// A tenant's table for writing: loaded on first use, empty if nothing is stored.
    pub async fn get_or_create(&self, tenant: &TenantId) -> Result<Arc<Table>> {
        let slot = self.lock().entry(tenant.clone()).or_default().clone();
        self.load(tenant, &slot).await
    }

    /// Memory of all uncommitted batches, in real Arrow bytes.
    pub fn uncommitted_bytes(&self) -> usize {
        self.lock().values().filter_map(|slot| slot.get()).map(|table| table.uncommitted_bytes()).sum()
    }

    async fn load(&self, tenant: &TenantId, slot: &Slot) -> Result<Arc<Table>> {
        let load = async {
            let snapshot = load::load(&self.shared.store, tenant, &self.folder(tenant)).await?;
            Ok(Arc::new(Table::new(self.shared.clone(), snapshot)))
        };
        slot.get_or_try_init(|| load).await.cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TenantId, Slot>> {
        // Only lookups and insertions happen under it: it is whole even after a panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
