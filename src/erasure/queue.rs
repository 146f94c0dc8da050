//! Carries erasures out, one after another, oldest first.
//!
//! In: erasures that wait. Out: each rewritten, and, once the sweep has taken the old files, completed. Guaranteed: an error or a panic
//! pauses one and not the others; a stop leaves every erasure so that the next start goes on with it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    Erasures, Shared,
    job::{End, Job, Records, Rewritten, VERSION},
    rewrite::Rewrite,
    status::State,
};
use crate::{
    error::{Error, ErrorKind, Result},
    limits::{ERASURE_LATE_FILES, ERASURE_LOOK, ERASURE_RETRY},
    store::Store,
    wal,
};

impl Erasures {
    /// Carries erasures out until `stop` is cancelled.
    pub async fn work(&self, stop: &CancellationToken) {
        let mut changes = self.shared.changed.subscribe();
        while !stop.is_cancelled() {
            changes.mark_unchanged();
            self.run_due(stop).await;
            tokio::select! {
                _ = changes.changed() => {}
                () = sleep_until(self.shared.next_look()) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Carries out what is due, and completes what the sweep has got through with.
    pub async fn run_due(&self, stop: &CancellationToken) {
        while let Some(job) = self.shared.take_due() {
            if stop.is_cancelled() {
                self.shared.set(&job, State::Queued);
                return;
            }
            let (shared, of_task, stop) = (Arc::clone(&self.shared), Arc::clone(&job), stop.clone());
            // A task of its own, so that a panic ends this attempt and not the work.
            let attempt = tokio::spawn(async move { shared.rewrite(&of_task, &stop).await }).await;
            let state = match attempt {
                Ok(Ok(Some(rewritten))) => State::Rewritten(rewritten),
                Ok(Ok(None)) => State::Queued,
                Ok(Err(error)) => paused(&job, &error),
                Err(error) => {
                    paused(&job, &Error::with_source(ErrorKind::Internal, "it stopped unexpectedly", error))
                }
            };
            let is_stopped = matches!(state, State::Queued);
            self.shared.set(&job, state);
            if is_stopped {
                return;
            }
        }
        for (job, rewritten) in self.shared.rewritten() {
            match self.shared.complete(&job).await {
                Ok(Some(end)) => self.shared.set(&job, State::Completed(rewritten, end)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(id = %job.id, report = error.report(), "an erasure is not known to be complete");
                }
            }
        }
    }
}

fn paused(job: &Job, error: &Error) -> State {
    tracing::warn!(id = %job.id, tenant = %job.tenant_id, report = error.report(), "an erasure is paused");
    State::Paused { error: error.to_string(), due: Instant::now() + ERASURE_RETRY }
}

impl Shared {
    /// The oldest that is due; it counts as running then.
    fn take_due(&self) -> Option<Arc<Job>> {
        let mut entries = self.entries();
        let entry = entries.values_mut().find(|entry| match entry.state {
            State::Queued => true,
            State::Paused { due, .. } => due <= Instant::now(),
            State::Running | State::Rewritten(_) | State::Completed(..) => false,
        })?;
        entry.state = State::Running;
        Some(Arc::clone(&entry.job))
    }

    /// When there may be something to do although nothing is asked for.
    fn next_look(&self) -> Instant {
        let dues = self
            .entries()
            .values()
            .filter_map(|entry| match entry.state {
                State::Paused { due, .. } => Some(due),
                _ => None,
            })
            .min();
        let look = Instant::now() + ERASURE_LOOK;
        dues.map_or(look, |due| due.min(look))
    }

    /// Those whose old files wait for the sweep.
    fn rewritten(&self) -> Vec<(Arc<Job>, Rewritten)> {
        let entries = self.entries();
        let waiting = entries.values().filter_map(|entry| match entry.state {
            State::Rewritten(rewritten) => Some((Arc::clone(&entry.job), rewritten)),
            _ => None,
        });
        waiting.collect()
    }

    fn set(&self, job: &Job, state: State) {
        if let Some(entry) = self.entries().get_mut(&job.id) {
            entry.state = state;
        }
        self.changed.send_replace(());
    }

    /// To where no query shows the values, which is told before it counts; `None`: it was stopped.
    async fn rewrite(&self, job: &Arc<Job>, stop: &CancellationToken) -> Result<Option<Rewritten>> {
        let Some(events) = Rewrite::new(&self.parts, job).run(stop).await? else { return Ok(None) };
        (self.on_rewritten)(Arc::clone(job), events).await?;
        let rewritten = Rewritten { version: VERSION, at_ms: self.parts.clock.now_millis(), events };
        let rewritten = Records::of(&self.parts.store, job).rewritten(rewritten).await?;
        tracing::info!(id = %job.id, tenant = %job.tenant_id, events, "an erasure is rewritten");
        Ok(Some(rewritten))
    }

    /// To its end, if no file from before it is there any more, nor a segment of the write-ahead log.
    async fn complete(&self, job: &Job) -> Result<Option<End>> {
        let records = Records::of(&self.parts.store, job);
        let Some((asked_at, rewritten_at)) = records.stored_at().await? else { return Ok(None) };
        // A compaction that had read the old files may have written its own a while later, in vain.
        if let Some(table) = self.parts.tables.get(&job.tenant_id).await?
            && table.has_dead_files(rewritten_at + ERASURE_LATE_FILES).await?
        {
            return Ok(None);
        }
        if has_segments(&self.parts.store, asked_at).await? {
            return Ok(None);
        }
        let end = End { version: VERSION, at_ms: self.parts.clock.now_millis() };
        records.end(end).await.map(Some)
    }
}

/// Whether the write-ahead log has segments with events from before `time`. The last one of each older epoch is a fence and has none.
async fn has_segments(store: &Store, time: DateTime<Utc>) -> Result<bool> {
    let segments = wal::list(store).await?;
    let newest = segments.last().map(|segment| segment.position.epoch());
    let mut earlier = segments.iter().filter(|segment| segment.stored_at_ms <= time.timestamp_millis());
    Ok(earlier.any(|segment| segment.has_successor || Some(segment.position.epoch()) == newest))
}
