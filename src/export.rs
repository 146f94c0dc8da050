//! Exports: a tenant's log, or the answer to a question, as files that other programs read.
//!
//! In: what, in which format, where to. Out: files there, and a manifest that names them. Guaranteed: an export is of one state
//! of the log, the one when it was asked for, whatever arrives, is compacted or restarted meanwhile; killed at any moment it goes
//! on, and no event is left out or there twice; the manifest comes last, so that who sees it sees everything; memory
//! does not grow with the size; questions are answered by other threads meanwhile.
//!
//! | part | does |
//! |---|---|
//! | [`encode`] | batches to the bytes of a file; [`ocsf`]: what an event is in the Open Cybersecurity Schema Framework |
//! | `pin` | holds fast which state of the log is exported; `plan` decides what is read of it at once, `copy` what need not be read |
//! | `run` | carries one export out; `writing` and `output` write its files, to a `destination`; [`mod@manifest`] says what they are |
//! | `records` | what is stored of an export: `job` |
//! | `queue` | which export of a server is next; `status` and `progress` tell how far it is |
//! | `kept` | a file that stays in the store, for whoever may fetch it |
//! | `folder` | an export to a folder, without a server |
//! | [`continuous`] | exports that follow the log |

pub mod continuous;
mod copy;
mod destination;
pub mod encode;
#[cfg(test)]
mod fixture;
mod folder;
mod job;
mod kept;
pub mod manifest;
pub mod ocsf;
mod output;
mod pin;
mod plan;
mod progress;
mod queue;
mod records;
mod run;
mod status;
mod writing;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::{
    destination::{Access, Asked, AskedAccess, AskedBucket, Destination, InBucket},
    folder::{Advance, to_folder},
    job::{End, EndState, ExportId, File, Job, Pinned, What},
    kept::KeptFile,
    status::Status,
};
use self::{
    destination::{Destinations, Open},
    encode::{Compression, Format},
    progress::Progress,
    records::{Records, Stored},
    run::Means,
    status::{State, status},
};
use crate::{
    control::Control,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    ingest::Ingest,
    limits,
    query::Engine,
    seal::Sealer,
    store::{self, Store},
    table::Tables,
    telemetry::Clock,
};

/// Section `[export]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Exports that are carried out at the same time; the tenants take turns.
    pub concurrent_max: usize,
    /// Deliveries of continuous exports that are made at the same time; what waits longest is next.
    pub continuous_max: usize,
    /// Size at which a file ends, about.
    pub file_bytes: u64,
    /// Rows at which it ends at the latest, about.
    pub file_rows: u64,
    /// Events that are read and sorted at once, about: a day that has more is cut into parts.
    pub stretch_rows: u64,
    /// How long an export whose destination fails waits before it is tried again, at first; it doubles up to `retry_max_ms`.
    pub retry_ms: u64,
    /// The longest such wait.
    pub retry_max_ms: u64,
    /// Endpoints of S3-compatible stores, other than AWS, that buckets of destinations may be at.
    pub endpoints: Vec<String>,
    /// Where roles are asked for; if not set, at AWS in the bucket's region.
    pub sts_endpoint: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrent_max: 2,
            continuous_max: 2,
            file_bytes: limits::EXPORT_FILE_BYTES,
            file_rows: limits::EXPORT_FILE_ROWS,
            stretch_rows: limits::EXPORT_STRETCH_ROWS,
            retry_ms: 5_000,
            retry_max_ms: 600_000,
            endpoints: Vec::new(),
            sts_endpoint: None,
        }
    }
}

impl Settings {
    /// Refuses values with which nothing would ever be exported; the error names the setting.
    pub fn validate(&self) -> Result<()> {
        let at_least_one = [
            ("concurrent_max", self.concurrent_max as u64),
            ("continuous_max", self.continuous_max as u64),
            ("file_bytes", self.file_bytes),
            ("file_rows", self.file_rows),
            ("stretch_rows", self.stretch_rows),
            ("retry_ms", self.retry_ms),
        ];
        match at_least_one.iter().find(|(_, value)| *value == 0) {
            None => Ok(()),
            Some((name, _)) => {
                Err(Error::new(ErrorKind::Invalid, format!("export.{name} is 0; it must be at least 1")))
            }
        }
    }
}

/// What a new export is to be.
#[derive(Clone, Debug)]
pub struct NewExport {
    /// Whose log.
    pub tenant: TenantId,
    /// What of it.
    pub what: What,
    /// How it is written.
    pub format: Format,
    /// And compressed; if not said, as is usual for the format.
    pub compression: Option<Compression>,
    /// Where to.
    pub destination: Asked,
    /// Who asks: the id of a principal.
    pub by: String,
}

/// Told of an export that is about to be complete; if it fails, the export is not, and is tried again.
pub type OnCompleted = Arc<dyn Fn(Arc<Job>, End) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// Some exports, and where they end if there are more.
#[derive(Clone, Debug)]
pub struct ExportPage {
    /// They.
    pub exports: Vec<Status>,
    /// The last of them, if there are more.
    pub end: Option<ExportId>,
}

/// The exports of a store; clones share them.
#[derive(Clone)]
pub struct Exports {
    shared: Arc<Shared>,
}

struct Shared {
    means: Means,
    destinations: Destinations,
    store: Store,
    ingest: Ingest,
    settings: Settings,
    on_completed: OnCompleted,
    entries: Mutex<BTreeMap<ExportId, Entry>>,
    /// Told when an export has another state.
    changed: watch::Sender<()>,
}

/// One export.
struct Entry {
    job: Arc<Job>,
    state: State,
    progress: Arc<Progress>,
    /// Attempts that failed in a row.
    failures: u32,
    cancelled: CancellationToken,
}

impl fmt::Debug for Exports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exports").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

/// What exports stand on.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "its parts are others' to show")]
pub struct Parts {
    /// Where they are kept.
    pub store: Store,
    /// Tells what there is.
    pub tables: Tables,
    /// Commits what was accepted.
    pub ingest: Ingest,
    /// Reads it.
    pub engine: Engine,
    /// Says what is kept.
    pub control: Control,
    /// Tells the time.
    pub clock: Clock,
    /// How a bucket is reached, and who this process is there.
    pub object_store: store::Settings,
    /// Keeps the secrets of destinations.
    pub sealer: Sealer,
}

impl Exports {
    /// Reads what is stored of exports; none is carried out before [`Exports::work`].
    ///
    /// # Errors
    /// As the store; [`ErrorKind::Corrupt`] with the object's name for a document that is not one of ours.
    pub async fn open(parts: Parts, settings: Settings, on_completed: OnCompleted) -> Result<Self> {
        let Parts { store, tables, ingest, engine, control, clock, object_store, sealer } = parts;
        let entries = records::all(&store).await?.into_iter().map(|stored| {
            let entry = Entry::of(stored);
            (entry.job.id.clone(), entry)
        });
        let entries = Mutex::new(entries.collect());
        let means = Means::new(engine, tables, control, clock, &settings);
        let changed = watch::Sender::default();
        let destinations = Destinations::new(store.clone(), object_store, sealer, &settings);
        let shared = Shared { means, destinations, store, ingest, settings, on_completed, entries, changed };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Stores a new export of everything that was accepted before the call. It is carried out in its turn.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a format that cannot hold what is asked for, and for a question that cannot be answered;
    /// [`ErrorKind::Limit`] if the tenant has too many; as [`Ingest::flush`] and the store.
    pub async fn create(&self, new: NewExport) -> Result<Status> {
        self.require_room(&new.tenant)?;
        if matches!(new.destination, Asked::Folder { .. }) {
            let message = "a folder is of the machine that runs `auditlake export`; a server keeps an export itself, as managed, \
                           or delivers it to a bucket, as s3";
            return Err(Error::new(ErrorKind::Invalid, message).about("/destination/type"));
        }
        let shared = &self.shared;
        let id = ExportId::new();
        let settled = shared.destinations.settle(new.destination.clone(), Some(&new.tenant), id.as_str());
        let destination = settled.map_err(|error| below(error, "/destination"))?;
        let job = pin::job(new, (id, destination), &shared.means, &shared.ingest).await?;
        Records::of(&shared.store, &job.tenant_id, &job.id).create(&job).await?;
        let entry = Entry::of(Stored { job, steps: Vec::new(), end: None });
        let shown = entry.status();
        self.entries().insert(entry.job.id.clone(), entry);
        shared.changed.send_replace(());
        Ok(shown)
    }

    fn require_room(&self, tenant: &TenantId) -> Result<()> {
        let kept = self.entries().values().filter(|entry| entry.job.tenant_id == *tenant).count();
        match kept < limits::EXPORTS_PER_TENANT_MAX {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Limit,
                format!("tenant '{tenant}' has {kept} exports, which is the most: remove old ones first"),
            )),
        }
    }

    /// Those of a tenant, or of all, newest first: at most `count` that follow `after`.
    pub fn page(&self, tenant: Option<&TenantId>, after: Option<&ExportId>, count: usize) -> ExportPage {
        let entries = self.entries();
        let newest = entries.values().rev();
        let mut following = newest
            .filter(|entry| tenant.is_none_or(|tenant| entry.job.tenant_id == *tenant))
            .filter(|entry| after.is_none_or(|after| entry.job.id < *after));
        let page: Vec<&Entry> = following.by_ref().take(count).collect();
        let end = following.next().and_then(|_| page.last()).map(|last| last.job.id.clone());
        ExportPage { exports: page.into_iter().map(Entry::status).collect(), end }
    }

    /// One of them; `tenant`: of this tenant only.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], also for another tenant's.
    pub fn get(&self, tenant: Option<&TenantId>, id: &ExportId) -> Result<Status> {
        self.with(tenant, id, |entry| Ok(entry.status()))
    }

    /// The same, once it has ended.
    ///
    /// # Errors
    /// As [`Exports::get`].
    pub async fn ended(&self, tenant: Option<&TenantId>, id: &ExportId) -> Result<Status> {
        let mut changes = self.shared.changed.subscribe();
        loop {
            let status = self.get(tenant, id)?;
            // The sender is shared by this very value, so it does not go.
            if status.ended_at.is_some() || changes.changed().await.is_err() {
                return Ok(status);
            }
        }
    }

    /// What is carried out stops, and what was written goes, if it is kept here; what has ended is removed, with its files.
    /// Gives the state it is in then; `None`: it is removed.
    ///
    /// # Errors
    /// As [`Exports::get`] and the store.
    pub async fn cancel(&self, tenant: Option<&TenantId>, id: &ExportId) -> Result<Option<Status>> {
        let (job, ended) = self
            .with(tenant, id, |entry| Ok((Arc::clone(&entry.job), matches!(entry.state, State::Ended(_)))))?;
        if ended {
            Records::of(&self.shared.store, &job.tenant_id, &job.id).remove().await?;
            self.entries().remove(id);
            return Ok(None);
        }
        let end = End::without_files(EndState::Cancelled, self.shared.means.clock.now_millis(), None);
        self.shared.ended(&job, &end).await?;
        self.get(tenant, id).map(Some)
    }

    /// A file of a complete export that is kept here.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none of that name, or the export is not complete.
    pub fn kept(&self, tenant: Option<&TenantId>, id: &ExportId, name: &str) -> Result<KeptFile> {
        self.with(tenant, id, |entry| entry.kept(name, &self.shared.store))
    }

    fn with<T>(
        &self,
        tenant: Option<&TenantId>,
        id: &ExportId,
        look: impl FnOnce(&Entry) -> Result<T>,
    ) -> Result<T> {
        let entries = self.entries();
        let entry = entries.get(id).filter(|entry| tenant.is_none_or(|of| entry.job.tenant_id == *of));
        let not_there = || Error::new(ErrorKind::NotFound, format!("export '{id}' does not exist"));
        look(entry.ok_or_else(not_there)?)
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<ExportId, Entry>> {
        self.shared.entries()
    }
}

impl Shared {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<ExportId, Entry>> {
        // Entries are changed whole: they are right even after a panic.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn of(Stored { job, steps, end }: Stored) -> Self {
        let progress = Arc::new(queue::progress(&job, &steps));
        let state = end.map_or(State::Queued, |end| State::Ended(Arc::new(end)));
        Self { job: Arc::new(job), state, progress, failures: 0, cancelled: CancellationToken::new() }
    }

    fn status(&self) -> Status {
        status(&self.job, &self.state, &self.progress)
    }

    fn kept(&self, name: &str, store: &Store) -> Result<KeptFile> {
        let of = format!("export '{}'", self.job.id);
        let State::Ended(end) = &self.state else { return Err(kept::not_there(&of, name)) };
        let named = name == manifest::NAME || end.files.iter().any(|file| file.name == name);
        if !named || end.state != EndState::Completed || self.job.destination != Destination::Managed {
            return Err(kept::not_there(&of, name));
        }
        let media = match name == manifest::NAME {
            true => "application/json",
            false => kept::media(self.job.format, self.job.compression),
        };
        let path = Open::managed_key(&self.job, name);
        Ok(KeptFile { store: store.clone(), path, of, name: name.to_owned(), media })
    }
}

/// An error about a member of `parent`, as one about a member of what `parent` is in.
fn below(error: Error, parent: &str) -> Error {
    match error.pointer().map(|pointer| format!("{parent}{pointer}")) {
        Some(pointer) => error.about(pointer),
        None => error,
    }
}
