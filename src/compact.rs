//! Compaction: many small files of a day become few large ones, and no event is touched.
//!
//! In: the tables. Out: fewer files, sorted by (`occurred_at`, `seq`), one Delta commit a job with
//! `dataChange = false`. Guaranteed: before a commit the rows read and the rows written, read back, have the same
//! number and the same digest; memory is bounded by the policy whatever the input; readers and writers go on
//! meanwhile. Superseded files stay until [`Tables::sweep`] takes them.
//!
//! | part | does |
//! |---|---|
//! | [`plan`] | decides what to merge |
//! | `decode`, `merge` | many sorted files → one sorted stream |
//! | [`digest`] | fingerprint of a multiset of rows |
//! | `job`, `lane` | merge, write, check, commit, on threads of their own |
//! | `memory` | what jobs that run at once may take together |
//! | [`upkeep`] | keeps the skip index complete and its segments few |

mod decode;
pub mod digest;
mod job;
mod lane;
mod memory;
mod merge;
pub mod plan;
#[cfg(test)]
mod tests;
pub mod upkeep;

use std::{fmt, sync::Arc};

use chrono::NaiveDate;
use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

pub use self::plan::{Job, Policy};
use self::{job::Outcome, memory::Memory};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    index::Indexes,
    table::{Table, Tables},
    telemetry::Clock,
};

/// What compaction did.
#[derive(Debug, Default)]
pub struct Report {
    /// Jobs done.
    pub jobs: usize,
    /// Files replaced.
    pub files_in: usize,
    /// Files written.
    pub files_out: usize,
    /// Rows rewritten.
    pub rows: u64,
    /// Size of the files replaced.
    pub bytes_in: u64,
    /// Size of the files written.
    pub bytes_out: u64,
    /// Time taken.
    pub millis: u64,
    /// Whether it was cancelled before it was through.
    pub cancelled: bool,
    /// Jobs that failed; nothing changed for their days.
    pub failures: Vec<Failure>,
    /// Files that had no index, or a damaged one, and got one.
    pub files_indexed: usize,
    /// Segments of the skip index that were merged.
    pub segments_in: usize,
}

/// One job that failed.
#[derive(Debug)]
pub struct Failure {
    /// Whose files.
    pub tenant: TenantId,
    /// Of which day; `None`: the tenant's table could not be opened, or its index not kept up.
    pub day: Option<NaiveDate>,
    /// Why.
    pub error: Error,
}

impl fmt::Display for Failure {
    /// Whose files, of which day, and why, with all causes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.day {
            Some(day) => write!(f, "tenant '{}', {day}: {}", self.tenant, self.error.report()),
            None => write!(f, "tenant '{}': {}", self.tenant, self.error.report()),
        }
    }
}

/// How far a compaction is, told after each job.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Jobs of this round that are not done yet. More may follow: what one round makes, the next may merge.
    pub jobs_left: usize,
    /// Everything done so far, failures included.
    pub report: &'a Report,
}

/// Compacts all tenants' tables until `policy` wants nothing more.
///
/// A job that fails is reported and its day left alone; the others go on. `cancel` takes effect between batches.
/// Takes three threads of its own; readers and writers are not delayed by more than that. Fails only if those cannot
/// be started.
pub async fn compact_all(
    tables: &Tables,
    indexes: &Indexes,
    policy: &Policy,
    clock: &Clock,
    cancel: &CancellationToken,
    mut progress: impl FnMut(&Progress<'_>),
) -> Result<Report> {
    let started_ms = clock.now_millis();
    let lanes = &job::Lanes::start()?;
    let mut report = Report::default();
    loop {
        // Looking at every table takes long where there are many.
        let planned = jobs(tables, policy, clock, &mut report.failures);
        let jobs = cancel.run_until_cancelled(planned).await.unwrap_or_default();
        if jobs.is_empty() || cancel.is_cancelled() {
            report.cancelled = cancel.is_cancelled();
            break;
        }
        let mut jobs_left = jobs.len();
        let memory = &Memory::new(policy.memory_bytes_max);
        let mut running = stream::iter(jobs)
            .map(|(table, job)| async move {
                let outcome = run(lanes, &table, indexes, &job, memory, cancel).await;
                (table, job, outcome)
            })
            .buffer_unordered(policy.jobs_at_once.max(1));
        while let Some((table, job, outcome)) = running.next().await {
            jobs_left -= 1;
            match outcome {
                Ok(Outcome::Done(done)) => report.add(&done),
                // The next round plans on what is there now.
                Ok(Outcome::Outdated) => {}
                Ok(Outcome::Cancelled | Outcome::LacksMemory) => report.cancelled = true,
                Err(error) => {
                    report.failures.push(Failure {
                        tenant: table.tenant().clone(),
                        day: Some(job.day),
                        error,
                    });
                }
            }
            report.millis = (clock.now_millis() - started_ms).max(0) as u64;
            progress(&Progress { jobs_left, report: &report });
        }
    }
    upkeep::run(lanes, tables, indexes, policy, clock, cancel, &mut report).await;
    report.millis = (clock.now_millis() - started_ms).max(0) as u64;
    Ok(report)
}

/// Runs `job` beside others, or alone if its files turn out to take more memory than was thought.
async fn run(
    lanes: &job::Lanes,
    table: &Arc<Table>,
    indexes: &Indexes,
    job: &Job,
    memory: &Memory,
    cancel: &CancellationToken,
) -> Result<Outcome> {
    let share = memory.share(job.memory_bytes()).await;
    let outcome = job::run(lanes, table, indexes, job, share, cancel).await?;
    if !matches!(outcome, Outcome::LacksMemory) {
        return Ok(outcome);
    }
    match job::run(lanes, table, indexes, job, memory.whole().await, cancel).await? {
        Outcome::LacksMemory => Err(Error::new(ErrorKind::Internal, "a job that was alone lacked memory")),
        outcome => Ok(outcome),
    }
}

/// The jobs of one round, of all tenants, without those that failed in an earlier one. Tables that cannot be opened
/// are added to the failures, once.
async fn jobs(
    tables: &Tables,
    policy: &Policy,
    clock: &Clock,
    failures: &mut Vec<Failure>,
) -> Vec<(Arc<Table>, Job)> {
    let mut all = Vec::new();
    for tenant in tables.tenants() {
        let failed: Vec<_> = failures.iter().filter(|failure| failure.tenant == tenant).collect();
        if failed.iter().any(|failure| failure.day.is_none()) {
            continue;
        }
        let table = match tables.get(&tenant).await {
            Ok(Some(table)) => table,
            Ok(None) => continue,
            Err(error) => {
                failures.push(Failure { tenant, day: None, error });
                continue;
            }
        };
        let planned = plan::plan(&table.snapshot().files, policy, clock.now_millis());
        let wanted =
            planned.into_iter().filter(|job| failed.iter().all(|failure| failure.day != Some(job.day)));
        all.extend(wanted.map(|job| (table.clone(), job)));
    }
    all
}

impl Report {
    fn add(&mut self, done: &job::Done) {
        self.jobs += 1;
        self.files_in += done.files_in;
        self.files_out += 1;
        self.rows += done.rows;
        self.bytes_in += done.bytes_in;
        self.bytes_out += done.bytes_out;
    }
}
