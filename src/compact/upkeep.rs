//! Keeps the skip index complete and its segments few, and the logs of tables at rest short.
//!
//! In: the live files and the segments there are. Out: segments for files that have none (their index was never
//! written, or was found damaged), few large segments in place of many small ones, and a checkpoint. Guaranteed: nothing rests on it;
//! a failure is reported and tried again with the next compaction; memory is bounded as that of writing one file is.

use std::sync::Arc;

use futures::TryStreamExt;
use tokio_util::sync::CancellationToken;

use super::{Failure, Policy, Report, job::Lanes};
use crate::{
    error::Result,
    event::{TenantId, schema},
    index::{
        FileRef, Indexer, Indexes, Swept,
        field::{ID_COLUMNS, WORD_COLUMNS},
    },
    table::{DataFile, Pace, ReadOptions, Snapshot, Table, Tables, maintain_aside},
    telemetry::Clock,
};

/// Makes every tenant's index anew, with the next [`compact_all`](super::compact_all): until then nothing is indexed.
pub async fn forget(tables: &Tables, indexes: &Indexes) {
    for tenant in tables.tenants() {
        indexes.of(&tenant).forget().await;
    }
}

/// Deletes segments that nobody needs any more, of all tenants; see [`crate::index::TenantIndex::sweep`].
pub async fn sweep(tables: &Tables, indexes: &Indexes, grace_ms: i64) -> Swept {
    let mut total = Swept::default();
    for tenant in tables.tenants() {
        match sweep_one(tables, indexes, &tenant, grace_ms).await {
            Ok(swept) => {
                total.segments += swept.segments;
                total.bytes += swept.bytes;
                total.failed += swept.failed;
            }
            Err(cause) => {
                let cause = cause.report();
                tracing::warn!(%tenant, cause, "could not sweep an index; the next sweep tries again");
            }
        }
    }
    total
}

async fn sweep_one(tables: &Tables, indexes: &Indexes, tenant: &TenantId, grace_ms: i64) -> Result<Swept> {
    match tables.get(tenant).await? {
        Some(table) => indexes.of(tenant).sweep(&live(&table.snapshot()), grace_ms).await,
        None => Ok(Swept::default()),
    }
}

/// One round for all tenants whose tables can be opened.
pub(super) async fn run(
    lanes: &Lanes,
    tables: &Tables,
    indexes: &Indexes,
    policy: &Policy,
    clock: &Clock,
    cancel: &CancellationToken,
    report: &mut Report,
) {
    for tenant in tables.tenants() {
        if cancel.is_cancelled() {
            report.cancelled = true;
            return;
        }
        // A table that cannot be opened has been reported by compaction.
        let Ok(Some(table)) = tables.get(&tenant).await else { continue };
        let newest = table.snapshot().files.iter().map(|file| file.added_at_ms).max().unwrap_or(i64::MAX);
        let is_settled = clock.now_millis().saturating_sub(newest) >= policy.settle_ms;
        if indexes.enabled()
            && let Err(error) = index(lanes, &table, indexes, is_settled, cancel, report).await
        {
            report.failures.push(Failure { tenant, day: None, error });
        }
        if is_settled {
            maintain_aside(table, Pace::AtRest).await;
        }
    }
}

async fn index(
    lanes: &Lanes,
    table: &Arc<Table>,
    indexes: &Indexes,
    is_settled: bool,
    cancel: &CancellationToken,
    report: &mut Report,
) -> Result<()> {
    let index = indexes.of(table.tenant());
    let snapshot = table.snapshot();
    let missing = index.uncovered(&live(&snapshot)).await;
    let missing: Vec<Arc<DataFile>> = missing.into_iter().map(|at| snapshot.files[at].clone()).collect();
    if !missing.is_empty() {
        report.files_indexed += missing.len();
        let indexer = Indexer::new(indexes, table.tenant());
        let indexed = lanes.reading.run(index_files(table.clone(), missing, indexer, cancel.clone())).await?;
        indexed.publish().await;
    }
    let cancel = cancel.clone();
    let merging = async move { index.maintain(&live(&snapshot), is_settled, &cancel).await };
    let merged = lanes.reading.run(merging).await?;
    report.segments_in += merged.segments_in;
    Ok(())
}

/// Reads files for their index only.
async fn index_files(
    table: Arc<Table>,
    files: Vec<Arc<DataFile>>,
    mut indexer: Indexer,
    cancel: CancellationToken,
) -> Result<Indexer> {
    let options = ReadOptions { columns: Some(columns()), text_views: true, ..ReadOptions::default() };
    for file in files {
        if cancel.is_cancelled() {
            break;
        }
        indexer.begin_file(&file.path);
        let mut batches = table.read(&file, &options).await?;
        while let Some(batch) = batches.try_next().await? {
            indexer.add(&batch);
            indexer.spill().await;
        }
    }
    indexer.finish().await;
    Ok(indexer)
}

/// The columns that the index looks at, in the stored order.
fn columns() -> Vec<&'static str> {
    let stored = schema::stored_schema();
    let names = ID_COLUMNS.into_iter().chain(WORD_COLUMNS).chain(["outcome"]);
    let mut columns: Vec<(usize, &str)> =
        names.filter_map(|name| stored.index_of(name).ok().map(|at| (at, name))).collect();
    columns.sort_unstable();
    columns.into_iter().map(|(_, name)| name).collect()
}

fn live(snapshot: &Snapshot) -> Vec<FileRef<'_>> {
    snapshot.files.iter().map(|file| FileRef { path: &file.path, rows: file.rows }).collect()
}
