//! Places: how many queries run at the same time, all together and of one tenant, and how many wait.
//!
//! In: whose events a query asks for. Out: a place, held until the query has really stopped, or `Busy`. Guaranteed: of one
//! tenant no more than its cap run, and no more than that wait for a place that others could have: its other queries
//! wait in a queue of its own, first come, first served. So however many queries a tenant sends, another tenant's next
//! query waits for a few of them at most. What is beyond the queue is refused at once. All tenants together, as an all-tenant
//! key asks for them, count as one more tenant.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::{engine::Scope, settings::Settings};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
};

/// Told for how long a query had its place, once it has stopped.
pub type Meter = Box<dyn FnOnce(Duration) + Send + Sync>;

/// All places; shared by all queries of an engine.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    lanes: Arc<Lanes>,
    concurrent_max: usize,
    concurrent_per_tenant_max: usize,
    queued_per_tenant_max: usize,
    queue_wait: Duration,
}

/// One for each tenant that has queries at the moment; `None` is all tenants.
type Lanes = Mutex<HashMap<Option<TenantId>, Lane>>;

#[derive(Debug)]
struct Lane {
    /// A permit for each query that may run or wait for a place.
    running: Arc<Semaphore>,
    /// Queries that run or wait in any way.
    present: usize,
}

impl Places {
    pub(crate) fn new(settings: &Settings) -> Self {
        let concurrent_max = settings.concurrent_max.max(1);
        Self {
            all: Arc::new(Semaphore::new(concurrent_max)),
            lanes: Arc::default(),
            concurrent_max,
            concurrent_per_tenant_max: settings.concurrent_per_tenant().clamp(1, concurrent_max),
            queued_per_tenant_max: settings.queued_per_tenant_max,
            queue_wait: Duration::from_millis(settings.queue_wait_ms),
        }
    }

    /// A place for a query over `scope`, with `meter` told at its end.
    ///
    /// # Errors
    /// `Busy` if too many of the tenant's queries wait already, or if none became free in time.
    pub(crate) async fn take(&self, scope: &Scope, meter: Option<Meter>) -> Result<Place> {
        let (presence, running) = self.enter(scope.tenant().cloned())?;
        let both = async {
            let own = running.acquire_owned().await;
            let place = Arc::clone(&self.all).acquire_owned().await;
            own.ok().zip(place.ok())
        };
        match timeout(self.queue_wait, both).await {
            Ok(Some((own, place))) => {
                Ok(Place { since: Instant::now(), meter, _presence: presence, _own: own, _place: place })
            }
            _ => Err(self.waited_too_long()),
        }
    }

    /// Queries that run at the moment.
    pub(crate) fn running(&self) -> usize {
        self.concurrent_max - self.all.available_permits()
    }

    /// Lets tests wait until every query has stopped.
    #[cfg(test)]
    pub(crate) fn all(&self) -> &Semaphore {
        &self.all
    }

    /// Queries of a tenant that run or wait, for tests that wait for them.
    #[cfg(test)]
    pub(crate) fn present(&self, tenant: Option<&TenantId>) -> usize {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.get(&tenant.cloned()).map_or(0, |lane| lane.present)
    }

    fn enter(&self, tenant: Option<TenantId>) -> Result<(Presence, Arc<Semaphore>)> {
        // Only counts are changed under the lock: they are right even after a panic.
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(tenant.clone()).or_insert_with(|| Lane {
            running: Arc::new(Semaphore::new(self.concurrent_per_tenant_max)),
            present: 0,
        });
        let present_max = self.concurrent_per_tenant_max.saturating_add(self.queued_per_tenant_max);
        if lane.present >= present_max {
            let whose = tenant.map_or("all tenants".to_owned(), |tenant| format!("tenant '{tenant}'"));
            let message =
                format!("{} queries over {whose} run or wait already; try again later", lane.present);
            return Err(Error::new(ErrorKind::Busy, message));
        }
        lane.present += 1;
        let running = Arc::clone(&lane.running);
        Ok((Presence { lanes: Arc::clone(&self.lanes), tenant }, running))
    }

    fn waited_too_long(&self) -> Error {
        let seconds = self.queue_wait.as_secs_f64();
        let message = format!(
            "no place for the query became free in {seconds} s ({} run at once, {} of one tenant); try again later",
            self.concurrent_max, self.concurrent_per_tenant_max
        );
        Error::new(ErrorKind::Busy, message)
    }
}

/// The right to run; given back, and its time told, when dropped.
pub(crate) struct Place {
    since: Instant,
    meter: Option<Meter>,
    // Given back in this order: who finds the place free finds all else done.
    _presence: Presence,
    _own: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("since", &self.since).finish_non_exhaustive()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(meter) = self.meter.take() {
            meter(self.since.elapsed());
        }
    }
}

/// One query in its tenant's lane, which goes when its last query does.
#[derive(Debug)]
struct Presence {
    lanes: Arc<Lanes>,
    tenant: Option<TenantId>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get_mut(&self.tenant) {
            lane.present -= 1;
            if lane.present == 0 {
                lanes.remove(&self.tenant);
            }
        }
    }
}
