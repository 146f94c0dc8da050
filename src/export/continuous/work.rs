//! Delivers what is due, again and again.
//!
//! In: the continuous exports there are. Out: deliveries. Guaranteed: no more at a time than the setting; of the streams that are due, the
//! one whose turn is longest ago is next; a failure, a defect included, keeps its own stream waiting and no other; a stop leaves every stream
//! so that the next start goes on with it.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use super::{
    Continuous,
    live::{Live, Shared},
    stream::Stream,
};
use crate::{
    error::{Error, ErrorKind, Result},
    export::run::Broken,
    limits::EXPORT_STOP,
};

/// How often what is left of exports that broke off is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How often it is looked for what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A stream that is due, and what it is of.
pub(super) struct Due {
    live: Arc<Live>,
    stream: Arc<Stream>,
}

impl Continuous {
    /// Delivers until `stop` is cancelled, in tasks of `work`.
    pub async fn work(&self, work: &TaskTracker, stop: &CancellationToken) {
        let places = Arc::new(Semaphore::new(self.shared.concurrent_max));
        let mut changes = self.shared.changed.subscribe();
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        while !stop.is_cancelled() {
            // At the start, and then each hour.
            if sweeps.tick().now_or_never().is_some() {
                self.sweep().await;
            }
            for due in self.due().await {
                let Some(Ok(place)) = stop.run_until_cancelled(Arc::clone(&places).acquire_owned()).await
                else {
                    return;
                };
                let (shared, stop) = (Arc::clone(&self.shared), stop.clone());
                let span =
                    tracing::info_span!("continuous export", id = due.live.id, tenant = %due.stream.tenant);
                let task = async move {
                    shared.deliver(&due, &stop).await;
                    drop(place);
                    shared.changed.send_replace(());
                };
                work.spawn_on(task.instrument(span), &self.shared.means.engine.export_threads());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = changes.changed() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Removes what is kept here of continuous exports that there are not: one that was being made, or removed, when the process died or
    /// the store failed. Tells how many they were; what fails is for the next time.
    pub async fn sweep(&self) -> usize {
        match self.shared.sweep().await {
            Ok(swept) => swept,
            Err(error) => {
                tracing::warn!(report = error.report(), "what is left of continuous exports stays for now");
                0
            }
        }
    }

    /// Delivers all that is due now, one after another, until nothing is; tells how many deliveries were tried.
    pub async fn pass(&self, stop: &CancellationToken) -> usize {
        let mut tried = 0;
        loop {
            let due = self.due().await;
            if due.is_empty() || stop.is_cancelled() {
                return tried;
            }
            for due in &due {
                self.shared.deliver(due, stop).await;
                tried += 1;
            }
        }
    }

    /// What is due now, what waits longest first.
    async fn due(&self) -> Vec<Due> {
        let mut found = Vec::new();
        for live in self.shared.all_live() {
            if live.is_paused(&self.shared) {
                continue;
            }
            for stream in live.streams(&self.shared) {
                match self.shared.is_due(&live, &stream).await {
                    Ok(true) => found.push(Due { live: Arc::clone(&live), stream }),
                    Ok(false) => {}
                    Err(error) => self.shared.failed(&stream, &error),
                }
            }
        }
        found.sort_by_key(|due| due.stream.health().turn_ms);
        self.shared.measure().await;
        found
    }
}

impl Shared {
    async fn is_due(&self, live: &Live, stream: &Stream) -> Result<bool> {
        let now_ms = self.means.clock.now_millis();
        if stream.is_busy() || stream.health().retry_ms.is_some_and(|retry_ms| now_ms < retry_ms) {
            return Ok(false);
        }
        // Nothing is sent: the destination is of no account.
        let stop = CancellationToken::new();
        let kept = self.kept_here(live);
        stream.is_due(self.with(live, &kept, &stop), &live.folder(&stream.tenant)).await
    }

    /// One delivery; what fails is noted, and tried again later.
    async fn deliver(self: &Arc<Self>, due: &Due, stop: &CancellationToken) {
        let (shared, live, stream) = (Arc::clone(self), Arc::clone(&due.live), Arc::clone(&due.stream));
        let stop = stop.clone();
        let attempt = async move {
            if live.is_paused(&shared) {
                return Ok(false);
            }
            let destination = shared.destination(&live)?;
            let with = shared.with(&live, &destination, &stop);
            let folder = live.folder(&stream.tenant);
            // A destination that stalls must not hold the end: what was begun there is not visible, or is written again.
            let given_up = async {
                tokio::select! {
                    () = live.removed.cancelled() => {}
                    () = stop.cancelled() => tokio::time::sleep(EXPORT_STOP).await,
                }
            };
            let delivered = tokio::select! {
                delivered = stream.deliver(with, &folder) => delivered,
                () = given_up => Err(Broken::Stopped),
            };
            match delivered {
                Ok(delivered) => Ok(delivered),
                Err(Broken::Stopped) => Ok(false),
                Err(Broken::Failed(error)) => Err(error),
            }
        };
        // A task of its own, so that a panic ends this delivery and not the work.
        let ended = tokio::spawn(attempt.in_current_span()).await;
        let ended = ended.unwrap_or_else(|error| {
            Err(Error::with_source(ErrorKind::Internal, "it stopped unexpectedly", error))
        });
        match ended {
            Ok(true) => self.metrics.delivered(),
            Ok(false) => {}
            Err(error) => {
                due.live.close();
                self.failed(&due.stream, &error);
            }
        }
    }

    fn failed(&self, stream: &Stream, error: &Error) {
        let failures = stream.health().failures;
        let wait_ms = self.retry_ms.saturating_mul(1 << failures.min(20)).min(self.retry_max_ms);
        let wait_ms = i64::try_from(wait_ms).unwrap_or(i64::MAX);
        tracing::warn!(report = error.report(), wait_ms, "a delivery failed; it is tried again");
        self.metrics.failed();
        stream.failed(error.report(), self.means.clock.now_millis().saturating_add(wait_ms));
    }
}
