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
//! | `listed` | what is said of files that stay in the store; `files` gives them to whoever fetches them |
//! | `live` | the exports there are; `stream`: one tenant's log on its way; `work` sends all that is due; `status` tells how far it is |
//!
//! That there is an export, and whether it is paused, stands in the [control log](crate::control).

mod definition;
mod deliver;
mod delta;
mod files;
mod ledger;
mod listed;
mod live;
mod status;
mod stream;
mod window;
mod work;

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use self::{definition::Definition, live::Shared};
pub use self::{
    definition::{Layout, NewContinuous, SecurityLake, SourceClass},
    files::{DeliveredFile, FilesAt, FilesPage},
    ledger::Totals,
    status::{ContinuousStatus, Delivers},
};
use super::{
    Parts, Settings, below,
    destination::{Destination, Destinations},
    encode::Encoder,
    run::Means,
};
use crate::{
    control::{Change, ReplayFrom, State, Subscription},
    error::{Error, ErrorKind, Result},
    event::TenantId,
    limits,
    telemetry::metrics::DeliveryMetrics,
};

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
            making: Mutex::default(),
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
        let _making = shared.make(&id);
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
        if let Some(live) = self.shared.forget(id) {
            live.removed.cancel();
            for stream in live.streams(&self.shared) {
                stream.rested().await;
            }
        }
        self.shared.delete(id).await
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
