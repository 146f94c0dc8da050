//! Work that repeats while a server runs: compaction, retention, the sweep for files that nothing refers to any more, what tables and
//! objects say of what is not to be removed, and the look for keys and settings that others have changed.
//!
//! Each is one named task of its own. A round that fails or panics is logged and tried again after the pause; a
//! shutdown ends it between two batches or objects.

use std::{future::Future, time::Duration};

use tokio::time;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use super::{Lake, expire::Expiring};
use crate::{
    auth::Auth,
    compact::{self, Policy},
    control::Control,
    error::Result,
    evidence::Evidence,
    index::Indexes,
    retention::{append_only, locks},
    store::Store,
    table::{Tables, sweep::Swept},
    telemetry::{Clock, Metrics},
};

/// How long the first round waits at most: a server that is often started anew does its work, too.
const FIRST_PAUSE_MAX: Duration = Duration::from_secs(60);

/// Starts all of it in `work`; it ends once `stop` is cancelled.
pub(super) fn start(
    lake: &Lake,
    expiring: Expiring,
    auth: &Auth,
    work: &TaskTracker,
    stop: &CancellationToken,
) {
    let settings = lake.config().background.clone();
    let (tables, clock) = (lake.tables().clone(), lake.clock().clone());
    let indexes = lake.indexes().clone();
    let (policy, metrics) = (lake.config().compact.clone(), lake.metrics().clone());
    repeat(work, "compaction", settings.compact_every_ms, stop, move |stop| {
        compact(tables.clone(), indexes.clone(), policy.clone(), clock.clone(), metrics.clone(), stop)
    });
    repeat(work, "retention", settings.retention_every_ms, stop, move |stop| {
        let expiring = expiring.clone();
        async move {
            let report = expiring.run(&stop).await?;
            for (tenant, error) in &report.failures {
                tracing::error!(%tenant, report = error.report(), "expired days were not removed; trying again later");
            }
            Ok(())
        }
    });
    let auth = auth.clone();
    repeat(work, "keys", settings.keys_every_ms, stop, move |_| {
        let auth = auth.clone();
        async move { auth.refresh().await }
    });
    let parts = (lake.store().clone(), lake.tables().clone(), lake.control().clone(), lake.clock().clone());
    repeat(work, "protection", settings.protect_every_ms, stop, move |stop| {
        let (store, tables, control, clock) = parts.clone();
        async move { protect(&store, &tables, &control, &clock, &stop).await }
    });
    let (tables, indexes) = (lake.tables().clone(), lake.indexes().clone());
    let (evidence, metrics) = (lake.evidence().clone(), lake.metrics().clone());
    let grace_ms = i64::try_from(settings.sweep_grace_ms).unwrap_or(i64::MAX);
    repeat(work, "sweep", settings.sweep_every_ms, stop, move |stop| {
        sweep(tables.clone(), indexes.clone(), evidence.clone(), metrics.clone(), grace_ms, stop)
    });
}

/// Runs `round` again and again, `pause_ms` after the last one ended; 0 means never.
fn repeat<Round, Rounds>(
    work: &TaskTracker,
    name: &'static str,
    pause_ms: u64,
    stop: &CancellationToken,
    round: Rounds,
) where
    Rounds: Fn(CancellationToken) -> Round + Send + 'static,
    Round: Future<Output = Result<()>> + Send + 'static,
{
    if pause_ms == 0 {
        return;
    }
    let stop = stop.clone();
    let repeated = async move {
        let mut pause = Duration::from_millis(pause_ms).min(FIRST_PAUSE_MAX);
        while stop.run_until_cancelled(time::sleep(pause)).await.is_some() {
            pause = Duration::from_millis(pause_ms);
            // A task of its own, so that a panic ends this round and not the work.
            let result = tokio::spawn(round(stop.clone()).in_current_span()).await;
            match result {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(report = error.report(), "failed; trying again later"),
                Err(error) => tracing::error!(%error, "stopped unexpectedly; trying again later"),
            }
        }
    };
    work.spawn(repeated.instrument(tracing::info_span!("background", work = name)));
}

async fn compact(
    tables: Tables,
    indexes: Indexes,
    policy: Policy,
    clock: Clock,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<()> {
    let report = compact::compact_all(&tables, &indexes, &policy, &clock, &stop, |_progress| {}).await?;
    metrics.compacted(report.jobs as u64, report.rows, report.bytes_in, report.bytes_out);
    for failure in &report.failures {
        metrics.compaction_failed();
        tracing::error!(%failure, "not compacted; trying again later");
    }
    if report.jobs > 0 {
        tracing::info!(
            jobs = report.jobs,
            files_in = report.files_in,
            files_out = report.files_out,
            rows = report.rows,
            ms = report.millis,
            "compacted"
        );
    }
    Ok(())
}

/// Locks, legal holds and `delta.appendOnly`.
async fn protect(
    store: &Store,
    tables: &Tables,
    control: &Control,
    clock: &Clock,
    stop: &CancellationToken,
) -> Result<()> {
    let locks = locks::lock_all(store, tables.layout(), control, clock, stop).await?;
    if locks.locked + locks.held + locks.released > 0 {
        let locks::Report { locked, held, released, .. } = locks;
        tracing::info!(locked, held, released, "locked what was there already");
    }
    for (tenant, error) in &locks.failures {
        tracing::error!(%tenant, report = error.report(), "locks and legal holds were not set; going on later");
    }
    let declared = append_only::declare(tables, control, stop).await?;
    for (tenant, error) in &declared.failures {
        tracing::warn!(%tenant, report = error.report(), "delta.appendOnly was not set; trying again later");
    }
    Ok(())
}

async fn sweep(
    tables: Tables,
    indexes: Indexes,
    evidence: Evidence,
    metrics: Metrics,
    grace_ms: i64,
    stop: CancellationToken,
) -> Result<()> {
    let of_index = compact::upkeep::sweep(&tables, &indexes, grace_ms);
    if let Some(swept) = stop.run_until_cancelled(of_index).await
        && swept.segments + swept.failed > 0
    {
        tracing::info!(
            segments = swept.segments,
            bytes = swept.bytes,
            failed = swept.failed,
            "swept the index"
        );
    }
    if let Some(swept) = stop.run_until_cancelled(tables.sweep(grace_ms)).await
        && swept.files + swept.failed + swept.locked > 0
    {
        metrics.deletions_refused(swept.locked);
        let Swept { files, bytes, failed, locked } = swept;
        tracing::info!(files, bytes, failed, locked, "swept");
    }
    if let Some(swept) = stop.run_until_cancelled(evidence.sweep()).await
        && swept.objects + swept.locked > 0
    {
        metrics.deletions_refused(swept.locked);
        tracing::info!(objects = swept.objects, locked = swept.locked, "swept evidence");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::error::{Error, ErrorKind};

    /// Would catch work that ends with its first failure or panic, or that outlives a shutdown.
    #[tokio::test]
    async fn failing_rounds_are_repeated_until_the_stop() {
        let (work, stop) = (TaskTracker::new(), CancellationToken::new());
        let rounds = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&rounds);
        repeat(&work, "test", 1, &stop, move |stop| {
            let round = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match round {
                    0 => Err(Error::new(ErrorKind::Unavailable, "the store is away")),
                    1 => panic!("a defect"),
                    _ => {
                        stop.cancel();
                        Ok(())
                    }
                }
            }
        });
        work.close();
        work.wait().await;
        assert_eq!(rounds.load(Ordering::SeqCst), 3);
    }
}
