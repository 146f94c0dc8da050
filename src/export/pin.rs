//! Which state of the log an export is of.
//!
//! In: what is wanted. Out: the job, which names a version of the table, the `seq` that it had reached, and its days. Guaranteed:
//! everything that was accepted before is in it; a job that could never be carried out is refused here.

use std::{collections::BTreeMap, ops::RangeInclusive};

use chrono::NaiveDate;

use super::{
    NewExport,
    destination::Destination,
    encode::{Content, Encoder},
    job::{ExportId, Job, Pinned, VERSION, What},
    run::Means,
};
use crate::{
    error::Result,
    event::TenantId,
    ingest::Ingest,
    query::{Filter, Request, Scope},
};

/// The job for what is wanted, of the log as it is now.
pub(super) async fn job(
    new: NewExport,
    (id, destination): (ExportId, Destination),
    means: &Means,
    ingest: &Ingest,
) -> Result<Job> {
    let compression = new.compression.unwrap_or(new.format.default_compression());
    let content = match &new.what {
        What::Filter(_) => Content::Events,
        What::Sql { text, params, .. } => {
            let scope = Scope::Tenant(new.tenant.clone());
            let request = Request { sql: text.clone(), params: params.clone(), scope };
            // To be told what is wrong with it, and its columns; it is asked in earnest later.
            Content::Rows(means.engine.run_export(request).await?.schema())
        }
    };
    drop(Encoder::new(new.format, compression, &content)?);
    // What has no number yet gets one, and so belongs to what is pinned.
    ingest.flush().await?;
    Ok(Job {
        version: VERSION,
        id,
        pinned: pinned(&new.tenant, &new.what, means).await?,
        tenant_id: new.tenant,
        created_at_ms: means.clock.now_millis(),
        by: new.by,
        what: new.what,
        format: new.format,
        compression,
        destination,
    })
}

async fn pinned(tenant: &TenantId, what: &What, means: &Means) -> Result<Pinned> {
    let stretch_rows = means.stretch_rows;
    let Some(table) = means.tables.get(tenant).await? else {
        return Ok(Pinned { table_version: None, seq_before: 0, stretch_rows, days: BTreeMap::new() });
    };
    let snapshot = table.snapshot();
    let kept = means.control.first_day(tenant).unwrap_or(NaiveDate::MIN);
    let wanted = match what {
        What::Filter(filter) => days_of(filter),
        What::Sql { .. } => NaiveDate::MIN..=NaiveDate::MAX,
    };
    let mut days = BTreeMap::new();
    for file in snapshot.files.iter().filter(|file| wanted.contains(&file.day) && kept <= file.day) {
        *days.entry(file.day).or_default() += file.rows;
    }
    Ok(Pinned { table_version: snapshot.version, seq_before: snapshot.next_seq, stretch_rows, days })
}

/// The days that the times of a filter leave.
fn days_of(filter: &Filter) -> RangeInclusive<NaiveDate> {
    let first = filter.from.map_or(NaiveDate::MIN, |from| from.date_naive());
    let last = filter.to.map_or(NaiveDate::MAX, |to| to.date_naive());
    first..=last
}
