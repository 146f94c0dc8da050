//! The engine: admits a query, pins what it sees, runs it on threads of its own, and holds it to its limits.
//!
//! In: a [`Question`]. Out: a [`Running`] answer, or why not. Guaranteed: a query reads one consistent state;
//! it never runs on the threads that serve connections or ingest; it keeps to its share of memory, spill
//! space, rows and time, and past a limit it fails with an error that says so; whatever it does, the next
//! query works.

use std::{sync::Arc, time::Duration};

use datafusion::{
    datasource::physical_plan::{ParquetFileReaderFactory, parquet::CachedParquetFileReaderFactory},
    execution::{
        SessionState,
        object_store::ObjectStoreUrl,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{mpsc, oneshot},
    time::timeout_at,
};

use super::{
    block_times::TimesCache,
    blocks::Blocks,
    browse::Stretch,
    job::Job,
    memory_words::MemoryWords,
    narrow::Narrowing,
    needle::Access,
    places::{Meter, Place, Places},
    provider::EventsTable,
    readers::{SmallFilesWhole, WithPageIndex},
    running::{AbortOnDrop, Deadline, Running},
    session::{self, Addresses},
    settings::Settings,
    statistics::Ledger,
    topk::FirstEvents,
};
use crate::{
    control::Control,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    index::Indexes,
    limits::{EXPORT_BATCH_ROWS, QUERY_BATCH_ROWS, QUERY_STACK_BYTES, RESULT_BATCHES_QUEUED_MAX},
    store::Store,
    table::{Table, Tables, snapshot::Snapshot},
    telemetry::Clock,
};

/// Tables that are read from the store at the same time when a query is the first to need them.
const TABLES_LOADED_AT_ONCE: usize = 16;
/// Threads that read and write exports, all together: half of the least machine, so that questions are answered meanwhile.
const EXPORT_THREADS: usize = 1;
/// How long one query of an export may take: never reached, for nobody waits.
const EXPORT_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
const STORE_URL: &str = "auditlake://store";

/// Whose events a query sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One tenant's; for a tenant of which nothing is stored the table is empty.
    Tenant(TenantId),
    /// A part of one tenant's.
    Part(TenantId, Arc<Narrowing>),
    /// Every tenant's.
    All,
}

impl Scope {
    /// Whose events; `None`: every tenant's.
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Tenant(tenant) | Self::Part(tenant, _) => Some(tenant),
            Self::All => None,
        }
    }
}

/// One query.
#[derive(Clone, Debug)]
pub struct Request {
    /// One read-only statement over the table `events`.
    pub sql: String,
    /// Values for `$name` and `$1` in the text: strings, numbers, booleans, nulls, and arrays of one of them.
    pub params: Map<String, Value>,
    /// Whose events.
    pub scope: Scope,
}

/// What to answer.
#[derive(Clone, Debug)]
pub enum Question {
    /// A statement.
    Sql(Request),
    /// The first events that pass conditions.
    First(FirstEvents),
}

impl Question {
    /// Whose events.
    pub fn scope(&self) -> &Scope {
        match self {
            Self::Sql(request) => &request.scope,
            Self::First(question) => &question.scope,
        }
    }
}

impl From<Request> for Question {
    fn from(request: Request) -> Self {
        Self::Sql(request)
    }
}

impl From<FirstEvents> for Question {
    fn from(question: FirstEvents) -> Self {
        Self::First(question)
    }
}

/// Runs queries. Cheap to clone; the last clone to go stops its threads.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    tables: Tables,
    indexes: Option<Indexes>,
    control: Option<Control>,
    clock: Clock,
    settings: Settings,
    places: Places,
    template: Arc<SessionState>,
    store: ObjectStoreUrl,
    readers: Arc<dyn ParquetFileReaderFactory>,
    needles: Arc<Access>,
    /// For queries; `Some` until the engine is dropped.
    runtime: Option<Runtime>,
    /// For exports, of which no thread of queries does any work.
    export_runtime: Option<Runtime>,
    /// What sessions of exports start from.
    export_template: Arc<SessionState>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // An ordinary drop would wait, which is not allowed on an async thread.
        for runtime in [self.runtime.take(), self.export_runtime.take()].into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// How a query stands among others.
#[derive(Debug)]
enum Standing {
    /// It has a place among those that run at the same time, and a deadline.
    Question(Place),
    /// Whoever runs it bounds how many there are; it takes as long as it takes.
    Export,
    /// The same, of committed events that are read in the order of the log.
    Stretch,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts the threads; nothing is read. Days that a tenant's settings in `control` no longer keep are not seen by any
    /// query; without it, all that is stored is.
    pub fn new(
        store: &Store,
        tables: Tables,
        indexes: Indexes,
        control: Option<Control>,
        clock: Clock,
        settings: Settings,
    ) -> Result<Self> {
        let internal = |error| Error::with_source(ErrorKind::Internal, "start the query engine", error);
        let url = ObjectStoreUrl::parse(STORE_URL).map_err(internal)?;
        let environment = environment(&settings).map_err(internal)?;
        environment.register_object_store(url.as_ref(), store.object_store());
        let (readers, of_needles) = readers(store, &environment);
        let blocks = Blocks::new(indexes.block_rows(), settings.block_cache_bytes);
        let needles = Arc::new(Access {
            readers: of_needles,
            blocks,
            times: TimesCache::new(),
            words: MemoryWords::new(),
        });
        let template =
            session::template(&settings, QUERY_BATCH_ROWS, Arc::clone(&environment), Addresses::Canonical)
                .map_err(internal)?;
        // Files one after another, so that what is sorted comes out sorted at the cost of one.
        let of_exports = Settings { threads: 1, ..settings.clone() };
        let export_template =
            session::template(&of_exports, EXPORT_BATCH_ROWS, environment, Addresses::AsStored)
                .map_err(internal)?;
        let runtime = threads("query", settings.threads)?;
        let export_runtime = threads("export", EXPORT_THREADS)?;
        let places = Places::new(&settings);
        let indexes = Some(indexes).filter(|indexes| indexes.enabled() && settings.skip_index);
        let shared = Shared {
            tables,
            indexes,
            control,
            clock,
            settings,
            places,
            template: Arc::new(template),
            store: url,
            readers,
            needles,
            runtime: Some(runtime),
            export_runtime: Some(export_runtime),
            export_template: Arc::new(export_template),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Admits, plans and starts a query; returns once its columns are known.
    ///
    /// Errors: `Busy` if no place became free in time, or too many of the tenant's queries wait for one already; `Invalid` for the text, its names or its parameters;
    /// `Limit` past a cap or the deadline; `Unavailable` if the store cannot be read. Dropping the future or
    /// the [`Running`] ends the query. Needs a tokio runtime with a timer.
    pub async fn run(&self, question: impl Into<Question>) -> Result<Running> {
        self.run_metered(question, None).await
    }

    /// The same, and `meter` is told for how long the query had its place, once it has stopped, however it ended.
    pub async fn run_metered(&self, question: impl Into<Question>, meter: Option<Meter>) -> Result<Running> {
        let question = question.into();
        let place = self.shared.places.take(question.scope(), meter).await?;
        let deadline = Deadline::after(Duration::from_millis(self.shared.settings.deadline_ms));
        let opened = timeout_at(deadline.at, self.open(question, Standing::Question(place), deadline));
        opened.await.map_err(|_| deadline.passed())?
    }

    /// Runs a query whose answer goes elsewhere as fast as that takes it: on threads of exports, with the memory of one query,
    /// but without a deadline, a cap on rows or a place among queries. Whoever calls it bounds how many there are.
    ///
    /// # Errors
    /// As [`Engine::run`], but for `Busy` and the deadline.
    pub async fn run_export(&self, request: Request) -> Result<Running> {
        self.open(request.into(), Standing::Export, Deadline::after(EXPORT_MAX)).await
    }

    /// The same of a stretch of one tenant's log: of files that do not overlap it sorts nothing, and few rows are in memory.
    ///
    /// # Errors
    /// As [`Engine::run_export`].
    pub async fn run_stretch(&self, stretch: &Stretch<'_>, tenant: TenantId) -> Result<Running> {
        let request = stretch.request(Scope::Tenant(tenant));
        self.open(request.into(), Standing::Stretch, Deadline::after(EXPORT_MAX)).await
    }

    /// Where the work of exports belongs.
    pub fn export_threads(&self) -> Handle {
        let runtime = self.shared.export_runtime.as_ref();
        runtime.expect("present until the engine is dropped").handle().clone()
    }

    /// How many queries run at the moment, those included that were dropped and have not stopped yet.
    pub fn running(&self) -> usize {
        self.shared.places.running()
    }

    /// Lets tests look at who runs and who waits.
    #[cfg(test)]
    pub(crate) fn places(&self) -> &Places {
        &self.shared.places
    }

    async fn open(&self, question: Question, standing: Standing, deadline: Deadline) -> Result<Running> {
        let scope = question.scope();
        let ledger = match scope {
            Scope::Part(..) => Ledger::start_closed(),
            Scope::Tenant(_) | Scope::All => Ledger::start(),
        };
        let snapshots = self.pin(scope).await?;
        let shared = &self.shared;
        let is_merged = matches!(standing, Standing::Stretch) && shared.settings.pruning;
        let addresses_as_stored = matches!(standing, Standing::Export | Standing::Stretch);
        let merge_bytes_max = is_merged.then(|| shared.settings.query_memory_bytes() / 2);
        let (place, template, rows_max, runtime) = match standing {
            Standing::Question(place) => {
                (Some(place), &shared.template, shared.settings.rows_max, &shared.runtime)
            }
            Standing::Export | Standing::Stretch => {
                (None, &shared.export_template, u64::MAX, &shared.export_runtime)
            }
        };
        let runtime = runtime.as_ref().expect("present until the engine is dropped").handle();
        let (opened, on_opened) = oneshot::channel();
        let (sender, messages) = mpsc::channel(RESULT_BATCHES_QUEUED_MAX);
        let job = Job {
            template: Arc::clone(template),
            settings: Settings { rows_max, ..shared.settings.clone() },
            now: self.shared.clock.now(),
            events: self.events(
                snapshots,
                scope,
                Arc::clone(&ledger),
                (merge_bytes_max, addresses_as_stored),
            ),
            deadline: deadline.at,
            question,
            ledger: Arc::clone(&ledger),
            place: place.map(Arc::new),
        };
        let task = AbortOnDrop(runtime.spawn(job.run(opened, sender)));
        let schema = on_opened
            .await
            .map_err(|_| Error::new(ErrorKind::Internal, "query stopped while it was planned"))??;
        Ok(Running::new(schema, messages, deadline, task, ledger, runtime.clone()))
    }

    fn events(
        &self,
        snapshots: Vec<Arc<Snapshot>>,
        scope: &Scope,
        ledger: Arc<Ledger>,
        (merge_bytes_max, addresses_as_stored): (Option<usize>, bool),
    ) -> Arc<EventsTable> {
        let narrowing = match scope {
            Scope::Part(_, narrowing) => narrowing.filters(),
            Scope::Tenant(_) | Scope::All => Vec::new(),
        };
        Arc::new(EventsTable {
            snapshots,
            narrowing,
            store: self.shared.store.clone(),
            readers: Arc::clone(&self.shared.readers),
            needles: Arc::clone(&self.shared.needles),
            pushdown: self.shared.settings.pushdown,
            pruning: self.shared.settings.pruning,
            indexes: self.shared.indexes.clone(),
            ledger,
            merge_bytes_max,
            addresses_as_stored,
        })
    }

    /// One snapshot of each tenant in scope: what the query sees from here on.
    async fn pin(&self, scope: &Scope) -> Result<Vec<Arc<Snapshot>>> {
        let tenants = match scope {
            Scope::Tenant(tenant) | Scope::Part(tenant, _) => vec![tenant.clone()],
            Scope::All => self.shared.tables.tenants(),
        };
        let tables = stream::iter(tenants)
            .map(|tenant| async move { self.shared.tables.get(&tenant).await })
            .buffered(TABLES_LOADED_AT_ONCE);
        // A tenant that vanished since it was listed has no table, and no events.
        tables
            .try_filter_map(|table| async move { Ok(table.map(|table| self.kept(&table))) })
            .try_collect()
            .await
    }

    /// What is stored of a tenant, without the days whose time is over and that are only not removed yet.
    fn kept(&self, table: &Table) -> Arc<Snapshot> {
        let snapshot = table.snapshot();
        let first = self.shared.control.as_ref().and_then(|control| control.first_day(table.tenant()));
        first.map_or_else(|| Arc::clone(&snapshot), |first| snapshot.since(first))
    }
}

type Readers = Arc<dyn ParquetFileReaderFactory>;

/// What reads data files for scans, and for needles.
fn readers(store: &Store, environment: &RuntimeEnv) -> (Readers, Readers) {
    let footers = environment.cache_manager.get_file_metadata_cache();
    let objects = store.object_store();
    let cached = CachedParquetFileReaderFactory::new(Arc::clone(&objects), Arc::clone(&footers));
    let readers: Readers = Arc::new(WithPageIndex(Arc::new(cached)));
    if store.is_local() {
        return (Arc::clone(&readers), readers);
    }
    let of_large = Arc::clone(&readers);
    (readers, Arc::new(SmallFilesWhole { store: objects, footers, of_large }))
}

fn threads(name: &str, count: usize) -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count.max(1)).thread_name(name).thread_stack_size(QUERY_STACK_BYTES).enable_all();
    builder
        .build()
        .map_err(|error| Error::with_source(ErrorKind::Internal, format!("start the {name} threads"), error))
}

/// What all queries share: the store and the footer cache.
fn environment(settings: &Settings) -> datafusion::error::Result<Arc<RuntimeEnv>> {
    RuntimeEnvBuilder::new().with_metadata_cache_limit(settings.footer_cache_bytes).build_arc()
}
