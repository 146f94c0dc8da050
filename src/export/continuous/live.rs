//! The continuous exports there are, and what is the same of each for its whole life.
//!
//! In: what the control log says. Out: each export with its streams, and how it is. Guaranteed: an export that cannot be read rests, and
//! keeps no other from its deliveries.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt as _, TryStreamExt as _, stream as streams};
use object_store::path::Path;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    definition::{self, Definition, VERSION},
    ledger::Ledger,
    status::{self, ContinuousStatus, Seen, status},
    stream::{Stream, With},
    window::Origin,
};
use crate::{
    control::{Control, Subscription},
    error::{Error, ErrorKind, Result},
    event::TenantId,
    export::{
        destination::{Destination, Destinations, Open},
        run::Means,
    },
    ingest::Ingest,
    paths,
    store::Store,
    telemetry::metrics::DeliveryMetrics,
};

/// Tenants whose beginnings are stored at the same time.
const ORIGINS_AT_ONCE: usize = 16;

/// What all continuous exports of a store share.
pub(super) struct Shared {
    pub(super) means: Means,
    pub(super) destinations: Destinations,
    pub(super) store: Store,
    pub(super) ingest: Ingest,
    pub(super) metrics: DeliveryMetrics,
    pub(super) concurrent_max: usize,
    pub(super) retry_ms: u64,
    pub(super) retry_max_ms: u64,
    pub(super) live: Mutex<HashMap<String, Arc<Live>>>,
    /// Those that are being made: something is stored of them, and the control log does not have them yet.
    pub(super) making: Mutex<HashSet<String>>,
    /// Told when something was delivered or changed.
    pub(super) changed: watch::Sender<()>,
}

/// An export is being made for as long as this is there.
pub(super) struct Making<'a> {
    shared: &'a Shared,
    id: String,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.shared.making().remove(&self.id);
    }
}

/// One export, as far as it is the same for its whole life.
pub(super) struct Live {
    pub(super) id: String,
    pub(super) tenant: Option<TenantId>,
    pub(super) created_ms: i64,
    pub(super) definition: Definition,
    pub(super) streams: Mutex<BTreeMap<TenantId, Arc<Stream>>>,
    /// The bucket, once it was opened: it keeps connections, and credentials for as long as they hold.
    opened: Mutex<Option<Open>>,
    pub(super) removed: CancellationToken,
}

impl Shared {
    pub(super) fn control(&self) -> &Control {
        &self.means.control
    }

    pub(super) fn live(&self) -> MutexGuard<'_, HashMap<String, Arc<Live>>> {
        // Entries are put in and taken out whole: it is right even after a panic.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn making(&self) -> MutexGuard<'_, HashSet<String>> {
        // Entries are put in and taken out whole: it is right even after a panic.
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps [`Shared::sweep`] from an export until it is made, or not.
    pub(super) fn make(&self, id: &str) -> Making<'_> {
        self.making().insert(id.to_owned());
        Making { shared: self, id: id.to_owned() }
    }

    /// Removes what is kept here of exports that there are not: their making or their removal broke off. Tells how many they were.
    pub(super) async fn sweep(&self) -> Result<usize> {
        let folders = self.store.list_folders(&paths::deliveries()).await?;
        // Asked after what is stored, and in this order: an export is being made until the control log has it.
        let (making, state) = (self.making().clone(), self.control().state());
        let is_left = |id: &String| {
            definition::check_id(id).is_ok() && !making.contains(id) && state.subscription(id).is_none()
        };
        let names = folders.iter().filter_map(|folder| Some(folder.filename()?.to_owned()));
        let left: Vec<String> = names.filter(is_left).collect();
        for id in &left {
            self.delete(id).await?;
        }
        Ok(left.len())
    }

    /// Removes all that is kept here of an export.
    pub(super) async fn delete(&self, id: &str) -> Result<()> {
        for object in self.store.list(&paths::deliveries_of(id)).await? {
            self.store.delete(&object.location).await?;
        }
        Ok(())
    }

    /// Stores where each tenant's stream begins, of the tenants that have events. One that comes later begins with its first.
    pub(super) async fn begin_streams(
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
    pub(super) fn all_live(&self) -> Vec<Arc<Live>> {
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

    pub(super) fn live_one(&self, subscription: &Subscription) -> Result<Arc<Live>> {
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
            opened: Mutex::default(),
            removed: CancellationToken::new(),
        };
        Ok(Arc::clone(self.live().entry(live.id.clone()).or_insert_with(|| Arc::new(live))))
    }

    pub(super) fn with<'a>(
        &'a self,
        live: &'a Live,
        destination: &'a Open,
        stop: &'a CancellationToken,
    ) -> With<'a> {
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

    pub(super) fn destination(&self, live: &Live) -> Result<Open> {
        let elsewhere = match &live.definition.destination {
            Destination::Managed => return Ok(self.kept_here(live)),
            elsewhere => elsewhere,
        };
        let mut opened = live.opened();
        if let Some(open) = opened.as_ref() {
            return Ok(open.clone());
        }
        Ok(opened.insert(self.destinations.prefix(elsewhere, &live.id)?).clone())
    }

    pub(super) fn kept_here(&self, live: &Live) -> Open {
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

    /// How an export is. One that cannot be read is told of as well, so that it can be ended.
    pub(super) async fn status(&self, subscription: &Subscription) -> Result<ContinuousStatus> {
        match self.readable(subscription).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(status::unreadable(subscription, &error)),
            found => found,
        }
    }

    async fn readable(&self, subscription: &Subscription) -> Result<ContinuousStatus> {
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
    pub(super) async fn measure(&self) {
        let now_ms = self.means.clock.now_millis();
        let all: Vec<Arc<Live>> = self.live().values().cloned().collect();
        for live in all {
            if let Ok(seen) = self.seen(&live).await {
                let lag = status::lag(&seen, live.created_ms, now_ms);
                // Whoever ends it has the metrics forget it while they hold this: what has ended by now is not told of again.
                let held = self.live();
                if self.control().state().subscription(&live.id).is_some() {
                    self.metrics.lag(&live.id, lag.events, lag.seconds);
                }
                drop(held);
            }
        }
    }

    /// Lets go of an export that the control log has no more.
    pub(super) fn forget(&self, id: &str) -> Option<Arc<Live>> {
        let mut held = self.live();
        self.metrics.forget(id);
        held.remove(id)
    }
}

impl Live {
    fn opened(&self) -> MutexGuard<'_, Option<Open>> {
        // It is put in and taken out whole: it is right even after a panic.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the next delivery open the bucket anew, with credentials anew: those that are held may be why the last one failed.
    pub(super) fn close(&self) {
        *self.opened() = None;
    }

    /// Where it is noted what was delivered of a tenant.
    pub(super) fn folder(&self, tenant: &TenantId) -> Path {
        paths::deliveries_of_tenant(&self.id, tenant)
    }

    pub(super) fn is_paused(&self, shared: &Shared) -> bool {
        shared.control().state().subscription(&self.id).is_none_or(|it| it.paused)
    }

    /// A stream for each tenant that it delivers.
    pub(super) fn streams(&self, shared: &Shared) -> Vec<Arc<Stream>> {
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
