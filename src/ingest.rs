//! How an event goes in: duplicates dropped, durable in the WAL, visible, acknowledged; later committed.
//!
//! In: decoded batches ([`AppendRequest`]). Out: a [`Receipt`] once every accepted event is durable and
//! visible; then, per tenant and by rows, bytes or age, one Delta commit. Guaranteed:
//!
//! - Order: durable → visible → acknowledged. No acknowledged event is lost, whatever dies when.
//! - An event of a day that its tenant no longer keeps is refused; one that waits when its day's time is over is not committed, and
//!   the commit tells of it.
//! - An `id` is accepted once: the same content again is a duplicate, whether it is committed or not.
//! - Memory for uncommitted events is bounded in real bytes; past the cap a request is refused with
//!   [`ErrorKind::Busy`] and nothing of it is kept.
//! - A write whose outcome is unknown is resolved before anyone is answered (see [`crate::wal`]).
//!
//! One task owns all that changes (`writer`); requests and the flusher send it messages.

mod answers;
mod append;
mod budget;
mod flush;
mod group;
mod ids;
mod open;
mod pieces;
mod policy;
mod probe;
mod rows;
mod settings;
mod tree;
mod window;
mod writer;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use answers::IdempotencyKey;
pub use open::{Parts, read_uncommitted};
pub use settings::Settings;
pub use window::{LeftOut, OnLeftOut};

use crate::{
    control::Control,
    error::{Error, ErrorKind, Result},
    event::{
        TenantId,
        decode::{Decoded, Rejected},
    },
    evidence::Evidence,
    index::Indexes,
    store::Store,
    table::{Table, Tables},
    telemetry::{Clock, Metrics},
};

/// How long the end waits for what is still on its way to the store; nothing acknowledged rests on it.
const TASKS_END_MAX: Duration = Duration::from_secs(5);

/// What a client sent, decoded.
#[derive(Debug)]
pub struct AppendRequest {
    /// The good events and what is wrong with the others.
    pub decoded: Decoded,
    /// Accept all events or none.
    pub atomic: bool,
    /// Set if the request carried an `Idempotency-Key`.
    pub idempotency: Option<IdempotencyKey>,
}

/// What became of a request's events. Everything counted is durable.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Receipt {
    /// Events stored by this request.
    pub accepted: usize,
    /// Events that were there before.
    pub duplicates: usize,
    /// Events refused, by their index in the request.
    pub rejected: Vec<Rejected>,
    /// How many of `rejected` were refused because their `id` belongs to an event with other content.
    #[serde(skip)]
    pub conflicts: usize,
}

/// Whether events can be accepted at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Reading back the WAL after a start.
    Recovering,
    /// Accepting.
    Running,
    /// A WAL write failed and its outcome is being found out.
    Resolving,
    /// The store did not take the last WAL write, of which nothing is stored. Events are tried as before, and so is an empty segment
    /// from time to time, so that the state ends without them.
    Refusing,
    /// Stopped for good; the text says why. Only a restart helps.
    Stopped(String),
    /// Closed on purpose.
    Closed,
}

/// The way in. Cheap to clone; all clones share one writer.
#[derive(Clone, Debug)]
pub struct Ingest {
    shared: Arc<Shared>,
}

/// What the handle, the writer and the flusher share.
#[derive(Debug)]
pub(crate) struct Shared {
    store: Store,
    tables: Tables,
    indexes: Indexes,
    control: Control,
    evidence: Evidence,
    /// Tables whose trees have not caught up with them. Owned by the flusher's pass; opening adds to it.
    lagging: Mutex<BTreeMap<TenantId, Arc<Table>>>,
    clock: Clock,
    settings: Settings,
    metrics: Metrics,
    on_left_out: window::OnLeftOut,
    /// Written by the writer task, and by `open` and `close`.
    state: watch::Sender<State>,
    budget: budget::Budget,
    answers: answers::Answers,
    sender: mpsc::Sender<writer::Message>,
    /// Held during one pass of the flusher; owns what waits for removal from the WAL.
    flush_pass: tokio::sync::Mutex<flush::Removal>,
    flush_wanted: tokio::sync::Notify,
    /// Whether the flusher's last pass failed. Written by the passes.
    commits_fail: AtomicBool,
    /// KiB of events that may be on their way into files at the same time.
    flush_memory: tokio::sync::Semaphore,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Ingest {
    /// Whether events can be accepted at the moment.
    pub fn state(&self) -> State {
        self.shared.state.borrow().clone()
    }

    /// Waits until the writer stopped or was closed; the error says why it stopped.
    pub async fn stopped(&self) -> Option<Error> {
        let mut states = self.shared.state.subscribe();
        let ended = |state: &State| matches!(state, State::Stopped(_) | State::Closed);
        match states.wait_for(ended).await.as_deref() {
            Ok(State::Stopped(reason)) => Some(Error::new(ErrorKind::Fenced, reason.clone())),
            _ => None,
        }
    }

    /// Waits until events can be accepted, or never will be.
    pub async fn settled(&self) -> State {
        let mut states = self.shared.state.subscribe();
        let is_settled = |state: &State| matches!(state, State::Running | State::Stopped(_) | State::Closed);
        match states.wait_for(is_settled).await {
            Ok(state) => state.clone(),
            Err(_) => State::Closed,
        }
    }

    /// Whether events are refused because what waits fills the memory and cannot be committed.
    pub fn is_stuck(&self) -> bool {
        self.shared.commits_fail.load(Ordering::Relaxed) && self.shared.budget.is_full()
    }

    /// Bytes of events that are accepted or on their way and not committed yet.
    pub fn uncommitted_bytes(&self) -> usize {
        self.shared.budget.used_bytes()
    }

    /// Commits everything that was accepted before the call.
    ///
    /// # Errors
    /// As the store; what failed stays in the WAL and is tried again later.
    pub async fn flush(&self) -> Result<()> {
        flush::pass(&self.shared, flush::Which::All).await
    }

    /// Brings a tenant's Merkle tree level with its table.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it could not be done now.
    pub async fn catch_up(&self, table: Arc<Table>) -> Result<()> {
        let _pass = self.shared.flush_pass.lock().await;
        let tenant = table.tenant().clone();
        self.shared.lagging().insert(tenant.clone(), table);
        tree::catch_up(&self.shared).await;
        if self.shared.lagging().contains_key(&tenant) {
            let message = format!("the Merkle tree of tenant '{tenant}' cannot be brought level now");
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        Ok(())
    }

    /// Refuses new events, finishes those on their way, commits everything and gives up the lease.
    ///
    /// # Errors
    /// If the last commit fails: its events stay in the WAL and the next start commits them.
    pub async fn close(&self) -> Result<()> {
        self.shared.state.send_if_modified(|state| match state {
            State::Stopped(_) | State::Closed => false,
            _ => {
                *state = State::Closed;
                true
            }
        });
        let flushed = match self.state() {
            State::Closed => self.last_flush().await,
            _ => Ok(()),
        };
        self.shared.stop.cancel();
        self.shared.tasks.close();
        if tokio::time::timeout(TASKS_END_MAX, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!("the store does not answer; ending without waiting for it");
        }
        flushed
    }
}

impl Ingest {
    /// A store that does not answer must not keep a process from ending.
    async fn last_flush(&self) -> Result<()> {
        let limit = Duration::from_millis(self.shared.settings.close_ms);
        tokio::time::timeout(limit, self.flush()).await.unwrap_or_else(|_| {
            let message =
                "the last commit did not end in time; its events are in the WAL, the next start commits them";
            Err(Error::new(ErrorKind::Unavailable, message))
        })
    }
}

impl Shared {
    /// Fails unless events can be accepted.
    fn check_running(&self) -> Result<()> {
        let reason = match &*self.state.borrow() {
            State::Running | State::Refusing => return Ok(()),
            State::Recovering => "reading back the write-ahead log after a start; try again soon".to_owned(),
            State::Resolving => "finding out what became of a write to the store; try again soon".to_owned(),
            State::Closed => "shutting down".to_owned(),
            State::Stopped(reason) => format!("no longer writing: {reason}"),
        };
        Err(Error::new(ErrorKind::Unavailable, reason))
    }

    fn lagging(&self) -> MutexGuard<'_, BTreeMap<TenantId, Arc<Table>>> {
        // Only lookups and insertions happen under it: it is whole even after a panic.
        self.lagging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all writing; idempotent, the first reason stays.
    fn stop_for(&self, error: &Error) {
        let changed = self.state.send_if_modified(|state| match state {
            State::Stopped(_) | State::Closed => false,
            _ => {
                *state = State::Stopped(error.to_string());
                true
            }
        });
        if changed {
            tracing::error!(error = error.report(), "the writer stops");
        }
        self.stop.cancel();
    }
}
