//! The control log: keys, tenants' settings and continuous exports, as a sequence of changes that is never rewritten.
//!
//! In: changes, each decided upon the newest state. Out: that state, and the history that led to it. Guaranteed: a change
//! is durable when it is acknowledged; two processes that change at the same time take turns (create-if-absent of the
//! next version) and each decides upon what the other did; a record that cannot be read is an error that names it, never
//! a change that did not happen.
//!
//! The log is `control/log/{version:020}.json`, one [`Record`] each, from version 1; every [`SNAPSHOT_EVERY`] versions the
//! whole state stands beside it, so that a start reads little. Nothing secret is in it: of keys, hashes; of
//! what opens others' buckets, what [`crate::seal`] makes of it.

mod change;
mod key;
pub mod lock;
mod log;
mod state;
mod subscription;
mod tenant;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use chrono::NaiveDate;
use tokio::sync::{Mutex, MutexGuard};

use self::log::{Appended, Log};
pub use self::{
    change::{Change, Record},
    key::{Key, KeyId, KeyState, Scope, Secret},
    log::SNAPSHOT_EVERY,
    state::State,
    subscription::{Replay, ReplayFrom, Subscription},
    tenant::{Tenant, TenantLimits, TenantSettings, TenantVersion, VERSIONS_KEPT},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{TenantId, sealed::SealedFields},
    store::{LockRule, Store},
    telemetry::{self, Clock},
};

/// How often a change is decided anew because another process was faster.
const TRIES_MAX: u32 = 32;

/// The control log of a store. Cheap to clone: clones share.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

struct Shared {
    log: Log,
    clock: Clock,
    /// What the log says as far as it was read.
    state: Arc<RwLock<Arc<State>>>,
    /// Held while the log is read on or written.
    reading: Mutex<()>,
}

/// The newest state, which nobody in this process changes while this is held. For what must not be done once a change
/// (a legal hold, say) has been acknowledged: hold it from the decision to the end of the deed, and no longer.
#[must_use]
pub struct Still<'control> {
    state: Arc<State>,
    today: NaiveDate,
    _reading: MutexGuard<'control, ()>,
}

impl Still<'_> {
    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The day (UTC) on which it was taken.
    pub fn today(&self) -> NaiveDate {
        self.today
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("version", &self.state().version()).finish_non_exhaustive()
    }
}

impl Control {
    /// Reads the newest snapshot and what came after it. A store without a log has an empty state.
    ///
    /// # Errors
    /// As the store; [`ErrorKind::Corrupt`] with the object's name if a record is not one of ours.
    pub async fn open(store: Store, clock: Clock) -> Result<Self> {
        let log = Log::new(store);
        let state = Arc::new(RwLock::new(Arc::new(log.read().await?)));
        Ok(Self { shared: Arc::new(Shared { log, clock, state, reading: Mutex::default() }) })
    }

    /// The state as of the last change that this process made or read.
    pub fn state(&self) -> Arc<State> {
        newest(&self.shared.state)
    }

    /// Reads what other processes have changed since.
    ///
    /// # Errors
    /// As [`Control::open`]; the state stays as it was.
    pub async fn refresh(&self) -> Result<()> {
        let _reading = self.shared.reading.lock().await;
        self.catch_up().await
    }

    /// The first day whose events are kept for a tenant now; `None`: all are. What is older is not shown, not accepted and
    /// on its way out.
    pub fn first_day(&self, tenant: &TenantId) -> Option<NaiveDate> {
        self.state().first_day(tenant, self.today())
    }

    /// The fields that a tenant has sealed; `None`: none.
    pub fn sealed_fields(&self, tenant: &TenantId) -> Option<SealedFields> {
        let state = self.state();
        let fields = &state.tenant(tenant)?.current().settings.sealed_fields;
        (!fields.is_empty()).then(|| fields.clone())
    }

    /// How what is written for tenants is locked: as this process knows their settings at the time.
    pub fn lock_rule(&self) -> LockRule {
        // Not the log: the store that gets the rule would hold itself open.
        let (state, clock) = (Arc::clone(&self.shared.state), self.shared.clock.clone());
        Arc::new(move |path| lock::lock_of(path, |id| newest(&state).settings(id), clock.now()))
    }

    /// The day (UTC) that it is.
    pub fn today(&self) -> NaiveDate {
        self.shared.clock.now().date_naive()
    }

    /// Reads what other processes have changed since, and keeps this one from changing anything until the result is dropped.
    ///
    /// # Errors
    /// As [`Control::open`].
    pub async fn still(&self) -> Result<Still<'_>> {
        let reading = self.shared.reading.lock().await;
        self.catch_up().await?;
        Ok(Still { state: self.state(), today: self.today(), _reading: reading })
    }

    /// Makes the change that `decide` wants of the newest state, in the name of `by`, and returns what it gives beside.
    /// `decide` is asked again if another process was faster.
    ///
    /// # Errors
    /// What `decide` says; as the store, and then the change may have been made: look before making it again.
    pub async fn change<T>(&self, by: &str, decide: impl Fn(&State) -> Result<(Change, T)>) -> Result<T> {
        let _reading = self.shared.reading.lock().await;
        for _ in 0..TRIES_MAX {
            self.catch_up().await?;
            let state = self.state();
            let (change, value) = decide(&state)?;
            let record = Record {
                version: state.version() + 1,
                id: telemetry::unique_id(),
                at_ms: self.shared.clock.now_millis(),
                by: by.to_owned(),
                change,
            };
            match self.shared.log.append(&record).await? {
                Appended::Done => {
                    self.take(&record)?;
                    return Ok(value);
                }
                Appended::OtherWasFaster => {}
            }
        }
        Err(Error::new(ErrorKind::Busy, "others change the control log all the time; try again later"))
    }

    async fn catch_up(&self) -> Result<()> {
        while let Some(record) = self.shared.log.get(self.state().version() + 1).await? {
            self.take(&record)?;
        }
        Ok(())
    }

    /// Makes `record` part of the state, and of a snapshot if one is due.
    fn take(&self, record: &Record) -> Result<()> {
        let next = Arc::new(self.state().after(record)?);
        *self.shared.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        if record.version.is_multiple_of(SNAPSHOT_EVERY) {
            self.shared.log.write_snapshot_aside(next);
        }
        Ok(())
    }
}

fn newest(state: &RwLock<Arc<State>>) -> Arc<State> {
    // Only whole states are put in: it is whole even after a panic.
    Arc::clone(&state.read().unwrap_or_else(PoisonError::into_inner))
}
