//! Exports, with the record of their end: the one place where the two meet.
//!
//! In: an export that is about to be complete. Out: it is recorded in its tenant's log, with its rows. Guaranteed: what cannot be
//! recorded does not become complete, and so is not handed over.

use std::sync::Arc;

use futures::FutureExt as _;
use serde_json::{Map, json};

use crate::{
    export::{End, Job, OnCompleted},
    logbook::{About, By, Ending, Entry, Logbook},
};

/// Writes the record.
pub(super) fn recorded(logbook: Logbook) -> OnCompleted {
    Arc::new(move |job, end| {
        let logbook = logbook.clone();
        async move { logbook.write(&entry(&job, &end)).await }.boxed()
    })
}

fn entry(job: &Job, end: &End) -> Entry {
    let parameters = json!({
        "format": job.format.name(),
        "asked_by": job.by,
        "files": end.files.len(),
        "bytes": end.files.iter().map(|file| file.bytes).sum::<u64>(),
    });
    Entry {
        action: "auditlog.export.complete",
        by: By::service("export"),
        about: About::Tenant(job.tenant_id.clone()),
        target: Some(("export", job.id.to_string())),
        parameters: parameters.as_object().cloned().unwrap_or_else(Map::new),
        rows: Some(end.files.iter().map(|file| file.rows).sum()),
        ending: Ending::Success,
    }
}
