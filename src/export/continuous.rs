//! Continuous exports: a tenant's log, or all tenants' logs, delivered to a lake as it grows.
//!
//! In: what, in which form, how often, where to. Out: a Delta table, files by day, or a custom source of Amazon Security Lake, which
//! follow the log. Guaranteed: each event is delivered once in effect, whatever crashes; late ones too, in their day; what is
//! seen of a delivery in a Delta table is all of it.
//!
//! | part | does |
//! |---|---|
//! | `definition` | what an export delivers, and where its files go |
//! | `window` | which events are delivered next |
//! | `ledger` | what was delivered, as documents in the store |
//! | `deliver` | writes the files of one delivery; `delta` commits them |
//! | `stream` | one tenant's log on its way; `work` sends all that is due; `status` tells how far it is |
//!
//! That there is an export, and whether it is paused, stands in the [control log](crate::control).

mod definition;
mod deliver;
mod delta;
mod ledger;
mod status;
mod stream;
mod window;
mod work;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt as _, TryStreamExt as _, stream as streams};
use object_store::path::Path;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::{
    definition::{Definition, VERSION},
    ledger::Ledger,
    status::{Seen, status},
    stream::{Stream, With},
    window::Origin,
};
pub use self::{
    definition::{Layout, NewContinuous, SecurityLake, SourceClass},
    ledger::Totals,
    status::ContinuousStatus,
};
use super::{
    Parts, Settings, below,
    destination::{Destination, Destinations, Open},
    encode::Encoder,
    run::Means,
};
use crate::{
    control::{Change, Control, ReplayFrom, State, Subscription},
    error::{Error, ErrorKind, Result},
    event::TenantId,
    ingest::Ingest,
    limits, paths,
    store::Store,
    telemetry::metrics::DeliveryMetrics,
};

/// Tenants whose beginnings are stored at the same time.
const ORIGINS_AT_ONCE: usize = 16;

/// Some of them, and where they end if there are more.
#[derive(Clone, Debug)]
pub struct ContinuousPage {
    /// They.
    pub exports: Vec<ContinuousStatus>,
    /// The last of them, if there are more.
    pub end: Option<String>,
}

/// The continuous exports of a store; clones share them.
#[derive(Clone)]
pub struct Continuous {
    shared: Arc<Shared>,
}

struct Shared {
    means: Means,
    destinations: Destinations,
    store: Store,
    ingest: Ingest,
    metrics: DeliveryMetrics,
    concurrent_max: usize,
    retry_ms: u64,
    retry_max_ms: u64,
    live: Mutex<HashMap<String, Arc<Live>>>,
    /// Told when something was delivered or changed.
    changed: watch::Sender<()>,
}

/// One export, as far as it is the same for its whole life.
struct Live {
    id: String,
    tenant: Option<TenantId>,
    created_ms: i64,
    definition: Definition,
    streams: Mutex<BTreeMap<TenantId, Arc<Stream>>>,
    removed: CancellationToken,
}

impl fmt::Debug for Continuous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Continuous").field("live", &self.shared.live().len()).finish_non_exhaustive()
    }
}

impl Continuous {
    /// Over `parts`; nothing is delivered before [`Continuous::work`].
    pub fn open(parts: Parts, settings: &Settings, metrics: DeliveryMetrics) -> Self {
        let Parts { store, tables, ingest, engine, control, clock, object_store, sealer } = parts;
        let destinations = Destinations::new(store.clone(), object_store, sealer, settings);
        let shared = Shared {
            means: Means::new(engine, tables, control, clock, settings),
            destinations,
            store,
            ingest,
            metrics,
            concurrent_max: settings.continuous_max,
            retry_ms: settings.retry_ms,
            retry_max_ms: settings.retry_max_ms,
            live: Mutex::default(),
            changed: watch::Sender::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A new one. Everything that is accepted from now on is delivered, and what was before as far as `from` asks for it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] about the member that is wrong; [`ErrorKind::Limit`] if the tenant has too many; as the store.
    pub async fn create(&self, new: NewContinuous) -> Result<ContinuousStatus> {
        let shared = &self.shared;
        // Before anything is stored of it.
        require_room(&shared.control().state(), new.tenant.as_ref())?;
        let id = definition::new_id();
        let settled = shared.destinations.settle(new.destination.clone(), new.tenant.as_ref(), &id);
        let destination = settled.map_err(|error| below(error, "/destination"))?;
        if matches!(destination, Destination::Folder { .. }) {
            let message = "a continuous export goes to a bucket (s3), or stays in the store (managed)";
            return Err(Error::new(ErrorKind::Invalid, message).about("/destination/type"));
        }
        let definition = Definition::of(&new, destination)?;
        // To be told what is wrong with it.
        drop(Encoder::new(definition.format, definition.compression, &definition.content())?);
        shared.begin_streams(&id, new.tenant.as_ref(), &definition).await?;
        let document = serde_json::to_value(&definition)
            .map_err(|error| Error::with_source(ErrorKind::Internal, "write a continuous export", error))?;
        let control = shared.control();
        let created_ms = shared.means.clock.now_millis();
        let made = control.change(&new.by, |state| {
            require_room(state, new.tenant.as_ref())?;
            let subscription = Subscription {
                id: id.clone(),
                tenant: new.tenant.clone(),
                created_ms,
                created_by: new.by.clone(),
                definition: document.clone(),
                paused: false,
                replay: None,
            };
            Ok((Change::SubscriptionCreated { subscription }, ()))
        });
        made.await?;
        shared.changed.send_replace(());
        self.get(new.tenant.as_ref(), &id).await
    }

    /// Those of a tenant, or all, newest first: at most `count` that follow `after`.
    ///
    /// # Errors
    /// As the store.
    pub async fn page(
        &self,
        tenant: Option<&TenantId>,
        after: Option<&String>,
        count: usize,
    ) -> Result<ContinuousPage> {
        let state = self.shared.control().state();
        let newest = state.subscriptions().rev().filter(|it| is_of(it, tenant));
        let mut following = newest.filter(|it| after.is_none_or(|after| it.id < *after));
        let page: Vec<&Arc<Subscription>> = following.by_ref().take(count).collect();
        let end = following.next().and_then(|_| page.last()).map(|last| last.id.clone());
        let mut exports = Vec::with_capacity(page.len());
        for subscription in page {
            exports.push(self.shared.status(subscription).await?);
        }
        Ok(ContinuousPage { exports, end })
    }

    /// One of them; `tenant`: of this tenant only.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], also for another tenant's.
    pub async fn get(&self, tenant: Option<&TenantId>, id: &str) -> Result<ContinuousStatus> {
        let subscription = found(&self.shared.control().state(), tenant, id)?;
        self.shared.status(&subscription).await
    }

    /// Lets it rest, or go on.
    ///
    /// # Errors
    /// As [`Continuous::get`] and the store.
    pub async fn pause(&self, tenant: Option<&TenantId>, id: &str, paused: bool, by: &str) -> Result<()> {
        self.change(tenant, id, by, Change::SubscriptionPaused { id: id.to_owned(), paused }).await
    }

    /// Has it make deliveries again, from there on: the same files, under the same names.
    ///
    /// # Errors
    /// As [`Continuous::get`] and the store.
    pub async fn replay(
        &self,
        tenant: Option<&TenantId>,
        id: &str,
        from: ReplayFrom,
        by: &str,
    ) -> Result<()> {
        self.change(tenant, id, by, Change::SubscriptionReplayed { id: id.to_owned(), from }).await
    }

    /// Ends it. What is kept of it here goes, what was delivered elsewhere stays.
    ///
    /// # Errors
    /// As [`Continuous::get`] and the store.
    pub async fn remove(&self, tenant: Option<&TenantId>, id: &str, by: &str) -> Result<()> {
        self.change(tenant, id, by, Change::SubscriptionRemoved { id: id.to_owned() }).await?;
        let live = self.shared.live().remove(id);
        if let Some(live) = live {
            live.removed.cancel();
            for stream in live.streams(&self.shared) {
                stream.rested().await;
            }
        }
        self.shared.metrics.forget(id);
        for object in self.shared.store.list(&paths::deliveries_of(id)).await? {
            self.shared.store.delete(&object.location).await?;
        }
        Ok(())
    }

    async fn change(&self, tenant: Option<&TenantId>, id: &str, by: &str, change: Change) -> Result<()> {
        let decide = |state: &State| {
            found(state, tenant, id)?;
            Ok((change.clone(), ()))
        };
        self.shared.control().change(by, decide).await?;
        self.shared.changed.send_replace(());
        Ok(())
    }
}

fn is_of(subscription: &Subscription, tenant: Option<&TenantId>) -> bool {
    tenant.is_none_or(|tenant| subscription.tenant.as_ref() == Some(tenant))
}

fn found(state: &State, tenant: Option<&TenantId>, id: &str) -> Result<Arc<Subscription>> {
    definition::check_id(id)?;
    let subscription = state.subscription(id).filter(|subscription| is_of(subscription, tenant));
    subscription.cloned().ok_or_else(|| definition::not_there(id))
}

fn require_room(state: &State, tenant: Option<&TenantId>) -> Result<()> {
    let count = state.subscriptions().filter(|it| it.tenant.as_ref() == tenant).count();
    match count < limits::CONTINUOUS_PER_TENANT_MAX {
        true => Ok(()),
        false => {
            let message =
                format!("there are {count} continuous exports already, which is the most: remove one first");
            Err(Error::new(ErrorKind::Limit, message))
        }
    }
}

impl Shared {
    fn control(&self) -> &Control {
        &self.means.control
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Arc<Live>>> {
        // Entries are put in and taken out whole: it is right even after a panic.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores where each tenant's stream begins, of the tenants that have events. One that comes later begins with its first.
    async fn begin_streams(
        &self,
        id: &str,
        tenant: Option<&TenantId>,
        definition: &Definition,
    ) -> Result<()> {
        // What has no number yet gets one, so that it belongs to what is there.
        self.ingest.flush().await?;
        let tenants = match tenant {
            Some(tenant) => vec![tenant.clone()],
            None => self.means.tables.tenants(),
        };
        streams::iter(tenants)
            .map(|tenant| self.begin_stream(id, tenant, definition))
            .buffer_unordered(ORIGINS_AT_ONCE)
            .try_collect()
            .await
    }

    async fn begin_stream(&self, id: &str, tenant: TenantId, definition: &Definition) -> Result<()> {
        let Some(table) = self.means.tables.get(&tenant).await? else { return Ok(()) };
        let snapshot = table.snapshot();
        let first = match definition.from {
            None => snapshot.next_seq,
            Some(from) => {
                let files = snapshot.files.iter().filter(|file| from <= file.day);
                // A file that does not say is taken to begin with the first event.
                let least = files.map(|file| file.seqs().0.unwrap_or(0)).min();
                least.unwrap_or(snapshot.next_seq)
            }
        };
        let origin = Origin { first, before: snapshot.next_seq };
        Ledger::create(&self.store, &paths::deliveries_of_tenant(id, &tenant), origin).await.map(drop)
    }

    /// All exports there are, each with its streams.
    fn all_live(&self) -> Vec<Arc<Live>> {
        let state = self.control().state();
        let found = state.subscriptions().filter_map(|subscription| match self.live_one(subscription) {
            Ok(live) => Some(live),
            Err(error) => {
                tracing::error!(report = error.report(), "a continuous export rests");
                None
            }
        });
        let found: Vec<Arc<Live>> = found.collect();
        self.live().retain(|id, _| state.subscription(id).is_some());
        found
    }

    fn live_one(&self, subscription: &Subscription) -> Result<Arc<Live>> {
        if let Some(live) = self.live().get(&subscription.id) {
            return Ok(Arc::clone(live));
        }
        let unread = |cause: String| {
            let message =
                format!("continuous export {} is not one that this version reads: {cause}", subscription.id);
            Error::new(ErrorKind::Corrupt, message)
        };
        let definition: Definition = serde_json::from_value(subscription.definition.clone())
            .map_err(|error| unread(error.to_string()))?;
        if definition.version != VERSION {
            return Err(unread(format!("its form is {}", definition.version)));
        }
        let live = Live {
            id: subscription.id.clone(),
            tenant: subscription.tenant.clone(),
            created_ms: subscription.created_ms,
            definition,
            streams: Mutex::default(),
            removed: CancellationToken::new(),
        };
        Ok(Arc::clone(self.live().entry(live.id.clone()).or_insert_with(|| Arc::new(live))))
    }

    fn with<'a>(&'a self, live: &'a Live, destination: &'a Open, stop: &'a CancellationToken) -> With<'a> {
        let replay = self.control().state().subscription(&live.id).and_then(|it| it.replay);
        With {
            means: &self.means,
            store: &self.store,
            id: &live.id,
            definition: &live.definition,
            one_of_all: live.tenant.is_none(),
            created_ms: live.created_ms,
            replay,
            destination,
            stop,
        }
    }

    fn destination(&self, live: &Live) -> Result<Open> {
        match &live.definition.destination {
            Destination::Managed => Ok(self.kept_here(live)),
            elsewhere => self.destinations.prefix(elsewhere, &live.id),
        }
    }

    fn kept_here(&self, live: &Live) -> Open {
        Open { objects: self.store.object_store(), folder: paths::delivered_files(&live.id) }
    }

    async fn seen(&self, live: &Live) -> Result<Vec<Seen>> {
        let mut seen = Vec::new();
        for stream in live.streams(self) {
            let committed =
                self.means.tables.get(&stream.tenant).await?.map_or(0, |table| table.snapshot().next_seq);
            let health = stream.health().clone();
            seen.push(Seen { tenant: stream.tenant.clone(), health, committed });
        }
        Ok(seen)
    }

    async fn status(&self, subscription: &Subscription) -> Result<ContinuousStatus> {
        let live = self.live_one(subscription)?;
        let stop = CancellationToken::new();
        let kept = self.kept_here(&live);
        for stream in live.streams(self) {
            if stream.health().position.is_none() {
                // Its ledger is read.
                stream.is_due(self.with(&live, &kept, &stop), &live.folder(&stream.tenant)).await?;
            }
        }
        let seen = self.seen(&live).await?;
        Ok(status(subscription, &live.definition, &seen, self.means.clock.now_millis()))
    }

    /// Tells the metrics how far behind deliveries are.
    async fn measure(&self) {
        let now_ms = self.means.clock.now_millis();
        let all: Vec<Arc<Live>> = self.live().values().cloned().collect();
        for live in all {
            if let Ok(seen) = self.seen(&live).await {
                let lag = status::lag(&seen, live.created_ms, now_ms);
                self.metrics.lag(&live.id, lag.events, lag.seconds);
            }
        }
    }
}

impl Live {
    /// Where it is noted what was delivered of a tenant.
    fn folder(&self, tenant: &TenantId) -> Path {
        paths::deliveries_of_tenant(&self.id, tenant)
    }

    fn is_paused(&self, shared: &Shared) -> bool {
        shared.control().state().subscription(&self.id).is_none_or(|it| it.paused)
    }

    /// A stream for each tenant that it delivers.
    fn streams(&self, shared: &Shared) -> Vec<Arc<Stream>> {
        let tenants = match &self.tenant {
            Some(tenant) => vec![tenant.clone()],
            None => shared.means.tables.tenants(),
        };
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = |tenant: TenantId| {
            let new = || Arc::new(Stream::new(tenant.clone()));
            Arc::clone(streams.entry(tenant.clone()).or_insert_with(new))
        };
        tenants.into_iter().map(stream).collect()
    }
}
