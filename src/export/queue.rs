//! Which export is carried out next.
//!
//! In: exports that wait. Out: each in its turn, again after a pause if its destination failed. Guaranteed: no more than the
//! setting at the same time; of the tenants that wait, the one with the fewest under way is next, and of its exports the
//! oldest; a stop leaves every export so that the next start goes on with it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use super::{
    Entry, Exports, Shared,
    job::{End, EndState, ExportId, Job, Step, VERSION},
    plan,
    progress::Progress,
    records::Records,
    run::{Broken, Run},
    status::State,
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    limits::EXPORT_STOP,
    paths,
};

impl Exports {
    /// Carries exports out, until `stop` is cancelled, in tasks of `work`.
    pub async fn work(&self, work: &TaskTracker, stop: &CancellationToken) {
        let mut changes = self.shared.changed.subscribe();
        while !stop.is_cancelled() {
            let due = self.start_due(work, stop);
            tokio::select! {
                _ = changes.changed() => {}
                () = due.sleep() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Starts as many as may be under way; tells when the next one that is paused is due.
    fn start_due(&self, work: &TaskTracker, stop: &CancellationToken) -> Due {
        loop {
            let mut entries = self.shared.entries();
            let under_way = under_way(entries.values());
            if under_way.values().sum::<usize>() >= self.shared.settings.concurrent_max {
                return Due(None);
            }
            let Some(id) = next(entries.values(), &under_way) else {
                return Due::first(entries.values());
            };
            let Some(entry) = entries.get_mut(&id) else { return Due(None) };
            entry.state = State::Running;
            let (shared, job) = (Arc::clone(&self.shared), Arc::clone(&entry.job));
            let stop_one = entry.cancelled.clone();
            drop(entries);
            let (span, stop) = (tracing::info_span!("export", id = %job.id), stop.clone());
            let task = async move {
                let (of_attempt, of_job) = (Arc::clone(&shared), Arc::clone(&job));
                let attempt = async move { of_attempt.attempt(&of_job, &stop, &stop_one).await };
                // A task of its own, so that a panic ends this export and not its place in the queue.
                if let Err(error) = tokio::spawn(attempt.in_current_span()).await {
                    let error = Error::with_source(ErrorKind::Internal, "it stopped unexpectedly", error);
                    shared.fail(&job, &error).await;
                }
                shared.changed.send_replace(());
            };
            work.spawn_on(task.instrument(span), &self.shared.means.engine.export_threads());
        }
    }
}

/// When something is to be done next.
struct Due(Option<Instant>);

impl Due {
    fn first<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let dues = entries.filter_map(|entry| match entry.state {
            State::Paused { due, .. } => Some(due),
            _ => None,
        });
        Self(dues.min())
    }

    async fn sleep(self) {
        match self.0 {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

fn under_way<'a>(entries: impl Iterator<Item = &'a Entry>) -> HashMap<TenantId, usize> {
    let mut counts = HashMap::new();
    for entry in entries.filter(|entry| matches!(entry.state, State::Running)) {
        *counts.entry(entry.job.tenant_id.clone()).or_default() += 1;
    }
    counts
}

fn next<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    under_way: &HashMap<TenantId, usize>,
) -> Option<ExportId> {
    let waiting = entries.filter(|entry| match entry.state {
        State::Queued => true,
        State::Paused { due, .. } => due <= Instant::now(),
        State::Running | State::Ended(_) => false,
    });
    let of_tenant = |entry: &Entry| under_way.get(&entry.job.tenant_id).copied().unwrap_or_default();
    // Ids grow with time.
    let first = waiting.min_by_key(|entry| (of_tenant(entry), entry.job.id.clone()));
    first.map(|entry| entry.job.id.clone())
}

/// The progress of an attempt that goes on after `steps`.
pub(super) fn progress(job: &Job, steps: &[Step]) -> Progress {
    let stretches = plan::stretches(&job.pinned);
    let reached = steps.last().map_or(0, |step| step.next.stretch);
    let rows = |part: &[plan::Days]| part.iter().map(|days| days.rows).sum();
    Progress::begin(rows(&stretches), rows(&stretches[..reached.min(stretches.len())]), steps)
}

impl Shared {
    /// Carries `job` out as far as it gets, and notes how it stands then.
    async fn attempt(&self, job: &Arc<Job>, stop: &CancellationToken, cancelled: &CancellationToken) {
        let Err(broken) = self.carry_out(job, stop, cancelled).await else { return };
        match broken {
            _ if cancelled.is_cancelled() => self.remove_files(job).await,
            Broken::Stopped => self.set(job, State::Queued),
            Broken::Failed(error) if may_pass(&error) => self.pause(job, &error),
            Broken::Failed(error) => self.fail(job, &error).await,
        }
    }

    /// To its end, which is told before it holds: what is not on record is not handed over.
    async fn carry_out(
        &self,
        job: &Arc<Job>,
        stop: &CancellationToken,
        cancelled: &CancellationToken,
    ) -> Result<(), Broken> {
        let end = self.run(job, stop, cancelled).await?;
        (self.on_completed)(Arc::clone(job), end.clone()).await?;
        Ok(self.ended(job, &end).await?)
    }

    async fn run(
        &self,
        job: &Arc<Job>,
        stop: &CancellationToken,
        cancelled: &CancellationToken,
    ) -> Result<End, Broken> {
        let records = Records::of(&self.store, &job.tenant_id, &job.id);
        let steps = records.steps().await?;
        let progress = Arc::new(progress(job, &steps));
        if let Some(entry) = self.entries().get_mut(&job.id) {
            entry.progress = Arc::clone(&progress);
        }
        let destination = self.destinations.open(&job.destination, &job.tenant_id, job.id.as_str())?;
        let stop_run = CancellationToken::new();
        let run = Run {
            means: &self.means,
            job,
            records: &records,
            destination: &destination,
            progress: &progress,
            stop: &stop_run,
        };
        let either = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = cancelled.cancelled() => {}
            }
            stop_run.cancel();
            // A destination that stalls must not hold it: what was begun there is not visible.
            tokio::time::sleep(EXPORT_STOP).await;
        };
        tokio::select! {
            ended = run.to_the_end(steps) => ended,
            () = either => Err(Broken::Stopped),
        }
    }

    /// Stores an end, and notes the one that holds: another may have been first.
    pub(super) async fn ended(&self, job: &Arc<Job>, end: &End) -> Result<()> {
        let holds = Records::of(&self.store, &job.tenant_id, &job.id).end(end).await?;
        let cancelled = holds.state == EndState::Cancelled;
        tracing::info!(id = %job.id, tenant = %job.tenant_id, state = ?holds.state, "export ended");
        let was_running = {
            let mut entries = self.entries();
            let Some(entry) = entries.get_mut(&job.id) else { return Ok(()) };
            let was_running = matches!(entry.state, State::Running);
            entry.state = State::Ended(Arc::new(holds));
            if cancelled {
                entry.cancelled.cancel();
            }
            was_running
        };
        // Whoever carries it out removes what it has written once it has stopped.
        if cancelled && !was_running {
            self.remove_files(job).await;
        }
        self.changed.send_replace(());
        Ok(())
    }

    /// What is kept here of a cancelled export goes.
    async fn remove_files(&self, job: &Job) {
        let removed = async {
            for object in self.store.list(&paths::export_files(&job.tenant_id, job.id.as_str())).await? {
                self.store.delete(&object.location).await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = removed.await {
            tracing::warn!(id = %job.id, report = error.report(), "files of a cancelled export stay");
        }
    }

    fn set(&self, job: &Job, state: State) {
        if let Some(entry) = self.entries().get_mut(&job.id)
            && !matches!(entry.state, State::Ended(_))
        {
            entry.state = state;
        }
    }

    fn pause(&self, job: &Job, error: &Error) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&job.id) else { return };
        if entry.progress.has_advanced() {
            entry.failures = 0;
        }
        let wait = self.settings.retry_ms.saturating_mul(1 << entry.failures.min(20));
        let wait = wait.min(self.settings.retry_max_ms);
        entry.failures += 1;
        tracing::warn!(report = error.report(), wait_ms = wait, "an export is paused");
        if !matches!(entry.state, State::Ended(_)) {
            let retry_at_ms = self.means.clock.now_millis().saturating_add_unsigned(wait);
            let due = Instant::now() + Duration::from_millis(wait);
            entry.state = State::Paused { error: error.report(), retry_at_ms, due };
        }
    }

    async fn fail(&self, job: &Arc<Job>, error: &Error) {
        tracing::warn!(report = error.report(), "an export failed");
        let end = End::without_files(EndState::Failed, self.means.clock.now_millis(), Some(error.report()));
        if let Err(error) = self.ended(job, &end).await {
            self.pause(job, &error);
        }
    }
}

impl End {
    pub(super) fn without_files(state: EndState, at_ms: i64, error: Option<String>) -> Self {
        Self { version: VERSION, state, at_ms, error, files: Vec::new(), kept_from: None }
    }
}

/// Whether trying again later may help.
fn may_pass(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Busy)
}
