//! Erasures, with the record of their end: the one place where the two meet.
//!
//! In: an erasure whose files are rewritten. Out: it is recorded in its tenant's log, with the number of events. Guaranteed: what
//! cannot be recorded does not count as done, and is tried again; it may then be recorded twice.

use std::sync::Arc;

use futures::FutureExt as _;
use serde_json::{Map, json};

use crate::{
    erasure::{Job, OnRewritten, job},
    logbook::{About, By, Ending, Entry, Logbook},
};

/// Writes the record.
pub(super) fn recorded(logbook: Logbook) -> OnRewritten {
    Arc::new(move |job, events| {
        let logbook = logbook.clone();
        async move { logbook.write(&entry(&job, events)).await }.boxed()
    })
}

fn entry(job: &Job, events: u64) -> Entry {
    let parameters = json!({"actor_id": job.actor_id, "asked_by": job.by, "seq_before": job.seq_before});
    Entry {
        action: "auditlog.erasure.complete",
        by: By::service("erasure"),
        about: About::Tenant(job.tenant_id.clone()),
        target: Some(("erasure", job::shown(job.id))),
        parameters: parameters.as_object().cloned().unwrap_or_else(Map::new),
        rows: Some(events),
        ending: Ending::Success,
    }
}
