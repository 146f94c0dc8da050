//! Erasures: what names a person goes out of a tenant's log, and every proof still holds.
//!
//! In: the id of a person. Out: files without its sealed values, and word of how far it is. Guaranteed: it is about every event that
//! was accepted before it was asked for; killed at any moment it goes on; a commit takes the place of files whose every leaf is what it
//! was, and of no others; none is made under a legal hold that was acknowledged before it; it is recorded before it is called done.
//!
//! An erasure goes through these states: `queued`, `running` (or `paused`, if something went wrong, and it is tried again),
//! `rewritten` (no query shows the values any more; the old files wait for the sweep), `completed` (nor does any object of the table or of the write-ahead log).
//!
//! | part | does |
//! |---|---|
//! | [`job`] | what is stored of an erasure |
//! | `rewrite` | files without the values |
//! | `queue` | carries erasures out, one after another |
//! | [`status`] | what is told of one |

pub mod job;
mod queue;
mod rewrite;
pub mod status;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use tokio::sync::watch;
use uuid::Uuid;

pub use self::{job::Job, status::Status};
use self::{
    job::{Records, Stored, VERSION},
    status::State,
};
use crate::{
    control::Control,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    index::Indexes,
    ingest::Ingest,
    store::Store,
    table::Tables,
    telemetry::{self, Clock},
};

/// Told of an erasure that is about to count as done, and in how many events something of the person was found; if it fails, it is
/// tried again.
pub type OnRewritten = Arc<dyn Fn(Arc<Job>, u64) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// What erasures stand on.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where they are kept.
    pub store: Store,
    /// The files.
    pub tables: Tables,
    /// Their skip indexes.
    pub indexes: Indexes,
    /// Commits what was accepted.
    pub ingest: Ingest,
    /// Says what is sealed, and what is held.
    pub control: Control,
    /// Tells the time.
    pub clock: Clock,
}

/// The erasures of a store; clones share them.
#[derive(Clone)]
pub struct Erasures {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    on_rewritten: OnRewritten,
    entries: Mutex<BTreeMap<Uuid, Entry>>,
    /// Told when an erasure has another state.
    changed: watch::Sender<()>,
}

struct Entry {
    job: Arc<Job>,
    state: State,
}

/// Some erasures, and where they end if there are more.
#[derive(Clone, Debug)]
pub struct ErasurePage {
    /// They.
    pub erasures: Vec<Status>,
    /// The last of them, if there are more.
    pub end: Option<Uuid>,
}

impl fmt::Debug for Erasures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Erasures").finish_non_exhaustive()
    }
}

impl Erasures {
    /// Reads what is stored of erasures; none is carried out before [`Erasures::work`].
    ///
    /// # Errors
    /// As the store; [`ErrorKind::Corrupt`] with the object's name for a document that is not one of ours.
    pub async fn open(parts: Parts, on_rewritten: OnRewritten) -> Result<Self> {
        let stored = job::all(&parts.store).await?.into_iter();
        let entries = stored.map(|stored| (stored.job.id, Entry::of(stored))).collect();
        let shared =
            Shared { parts, on_rewritten, entries: Mutex::new(entries), changed: watch::Sender::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Stores a new erasure of what names `actor_id` in everything that `tenant`'s log has accepted before the call. It is carried out
    /// in its turn.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the tenant has no events; [`ErrorKind::Conflict`] if it seals nothing or is under a legal hold; as
    /// [`Ingest::flush`] and the store.
    pub async fn create(&self, tenant: &TenantId, actor_id: &str, by: &str) -> Result<Status> {
        let Parts { store, tables, ingest, control, clock, .. } = &self.shared.parts;
        control.refresh().await?;
        let settings = control.state().settings(tenant);
        let Some(table) = tables.get(tenant).await? else {
            return Err(Error::new(ErrorKind::NotFound, format!("tenant '{tenant}' does not exist")));
        };
        if settings.sealed_fields.is_empty() {
            let message = format!(
                "tenant '{tenant}' seals no fields, and what is not sealed cannot be erased: see sealed_fields of the tenant"
            );
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        if settings.legal_hold {
            return Err(held(tenant));
        }
        // What has no number yet gets one, and so belongs to it.
        ingest.flush().await?;
        let job = Job {
            version: VERSION,
            id: telemetry::unique_id(),
            tenant_id: tenant.clone(),
            actor_id: actor_id.to_owned(),
            created_at_ms: clock.now_millis(),
            by: by.to_owned(),
            seq_before: table.snapshot().next_seq,
        };
        Records::of(store, &job).create(&job).await?;
        let entry = Entry::of(Stored { job, rewritten: None, end: None });
        let shown = entry.status();
        self.shared.entries().insert(entry.job.id, entry);
        self.shared.changed.send_replace(());
        Ok(shown)
    }

    /// Those of a tenant, or of all, newest first: at most `count` that follow `after`.
    pub fn page(&self, tenant: Option<&TenantId>, after: Option<Uuid>, count: usize) -> ErasurePage {
        let entries = self.shared.entries();
        let mut following = entries
            .values()
            .rev()
            .filter(|entry| tenant.is_none_or(|tenant| entry.job.tenant_id == *tenant))
            .filter(|entry| after.is_none_or(|after| entry.job.id < after));
        let page: Vec<&Entry> = following.by_ref().take(count).collect();
        let end = following.next().and_then(|_| page.last()).map(|last| last.job.id);
        ErasurePage { erasures: page.into_iter().map(Entry::status).collect(), end }
    }

    /// One of them; `tenant`: of this tenant only.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], also for another tenant's.
    pub fn get(&self, tenant: Option<&TenantId>, id: Uuid) -> Result<Status> {
        let entries = self.shared.entries();
        let entry = entries.get(&id).filter(|entry| tenant.is_none_or(|of| entry.job.tenant_id == *of));
        entry.map(Entry::status).ok_or_else(|| job::not_found(&job::shown(id)))
    }

    /// The same, once no query shows the values any more.
    ///
    /// # Errors
    /// As [`Erasures::get`].
    pub async fn rewritten(&self, tenant: Option<&TenantId>, id: Uuid) -> Result<Status> {
        let mut changes = self.shared.changed.subscribe();
        loop {
            let status = self.get(tenant, id)?;
            // The sender is shared by this very value, so it does not go.
            if status.rewritten_at.is_some() || changes.changed().await.is_err() {
                return Ok(status);
            }
        }
    }
}

fn held(tenant: &TenantId) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("tenant '{tenant}' is under a legal hold: nothing of it is erased"),
    )
}

impl Shared {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<Uuid, Entry>> {
        // Entries are changed whole: they are right even after a panic.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn of(Stored { job, rewritten, end }: Stored) -> Self {
        let state = match (rewritten, end) {
            (None, _) => State::Queued,
            (Some(rewritten), None) => State::Rewritten(rewritten),
            (Some(rewritten), Some(end)) => State::Completed(rewritten, end),
        };
        Self { job: Arc::new(job), state }
    }

    fn status(&self) -> Status {
        status::status(&self.job, &self.state)
    }
}
