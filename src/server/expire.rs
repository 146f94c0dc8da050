//! Retention, with its record and its evidence: the one place where they meet.
//!
//! In: what has expired. Out: it is recorded in its tenant's log, and the numbers of its events are signed beside its tree; then it
//! is removed. Guaranteed: what cannot be recorded stays, and so does what is not in the tree yet: its leaf hash will be all that
//! is left of it.

use std::sync::Arc;

use arrow::{array::AsArray as _, datatypes::Int64Type};
use futures::TryStreamExt as _;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::Lake;
use crate::{
    control::Control,
    error::{Error, ErrorKind, Result},
    event::{TenantId, schema},
    evidence::{
        Evidence,
        removal::{Ranges, joined, ranges},
    },
    ingest::{Ingest, OnLeftOut},
    logbook::{self, About, By, Ending, Entry, Logbook},
    retention::{self, Expiry, Report},
    table::{ReadOptions, Tables},
    telemetry::Clock,
};

/// What an expiry takes.
#[derive(Clone)]
pub(super) struct Expiring {
    logbook: Logbook,
    tables: Tables,
    control: Control,
    evidence: Evidence,
    ingest: Ingest,
}

/// Removes the expired days of all tenants; see [`retention::expire_all`].
///
/// # Errors
/// As [`retention::expire_all`]; of a lake that is open for reading only.
pub async fn expire(lake: &Lake, stop: &CancellationToken) -> Result<Report> {
    Expiring::of(lake)?.run(stop).await
}

impl Expiring {
    /// The same for work that outlives the borrow of a lake.
    pub(super) fn of(lake: &Lake) -> Result<Self> {
        Ok(Self {
            logbook: lake.logbook()?,
            tables: lake.tables().clone(),
            control: lake.control().clone(),
            evidence: lake.evidence().clone(),
            ingest: lake.ingest()?.clone(),
        })
    }

    pub(super) async fn run(&self, stop: &CancellationToken) -> Result<Report> {
        if self.evidence.signs() {
            // A tree may lag behind, or not have been begun: what an expiry removes, nothing brings back.
            for expiry in retention::planned(&self.tables, &self.control).await? {
                // Of a tenant for which this fails nothing is removed, see `announce`; the others' days go.
                if let Err(error) = self.catch_up(&expiry).await {
                    let (tenant, report) = (&expiry.tenant, error.report());
                    tracing::warn!(%tenant, report, "its tree does not cover the days that expire");
                }
            }
        }
        let record = |expiry: Expiry| async move {
            self.announce(&expiry).await?;
            self.logbook.write(&entry(&expiry)).await?;
            let (first, last) = expiry.range();
            tracing::info!(tenant = %expiry.tenant, %first, %last, rows = expiry.rows(), "removing expired days");
            Ok(())
        };
        retention::expire_all(&self.tables, &self.control, stop, record).await
    }

    async fn catch_up(&self, expiry: &Expiry) -> Result<()> {
        match self.tables.get(&expiry.tenant).await? {
            Some(table) => self.ingest.catch_up(table).await,
            None => Ok(()),
        }
    }

    /// Signs which events go.
    async fn announce(&self, expiry: &Expiry) -> Result<()> {
        if !self.evidence.signs() {
            return Ok(());
        }
        let events = self.numbers(expiry).await?;
        let tree = self.evidence.of(&expiry.tenant);
        let covered = tree.checkpoint().await?.map_or(0, |(_, checkpoint)| checkpoint.size);
        if events.last().is_some_and(|(_, last)| *last >= covered) {
            let message =
                format!("the checkpoint of tenant '{}' does not cover the expired events yet", expiry.tenant);
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        tree.announce(expiry.range(), expiry.version, events).await
    }

    /// The numbers of all events that go.
    async fn numbers(&self, expiry: &Expiry) -> Result<Ranges> {
        let Some(table) = self.tables.get(&expiry.tenant).await? else { return Ok(Ranges::new()) };
        let options = ReadOptions { columns: Some(vec![schema::SEQ]), ..ReadOptions::default() };
        let mut found = Ranges::new();
        for file in &expiry.files {
            let mut batches = table.read(file, &options).await?;
            while let Some(batch) = batches.try_next().await? {
                let mut numbers: Vec<u64> = batch[schema::SEQ]
                    .as_primitive::<Int64Type>()
                    .values()
                    .iter()
                    .map(|seq| *seq as u64)
                    .collect();
                numbers.sort_unstable();
                found.extend(ranges(numbers));
            }
        }
        Ok(joined(found))
    }
}

/// The same record for events whose days expired before they were in a file. It is committed in their place.
pub(super) fn on_left_out(settings: &logbook::Settings, clock: &Clock) -> OnLeftOut {
    let (enabled, clock) = (settings.enabled, clock.clone());
    OnLeftOut(Arc::new(move |left_out| {
        if !enabled {
            return Ok(None);
        }
        let parameters = json!({
            "first_day": left_out.first.to_string(),
            "last_day": left_out.last.to_string(),
            "files": 0,
        });
        let entry = expired(&left_out.tenant, &parameters, left_out.rows);
        let tenants = std::slice::from_ref(&left_out.tenant);
        Ok(Some(logbook::as_events(&entry, tenants, clock.now_micros())?.batch))
    }))
}

fn entry(expiry: &Expiry) -> Entry {
    let (first, last) = expiry.range();
    let parameters = json!({
        "first_day": first.to_string(),
        "last_day": last.to_string(),
        "days": expiry.days.len(),
        "files": expiry.files.len(),
        "table_version": expiry.version,
    });
    expired(&expiry.tenant, &parameters, expiry.rows())
}

fn expired(tenant: &TenantId, parameters: &Value, rows: u64) -> Entry {
    Entry {
        action: "auditlog.retention.expire",
        by: By::service("retention"),
        about: About::Tenant(tenant.clone()),
        target: None,
        parameters: parameters.as_object().cloned().unwrap_or_else(Map::new),
        rows: Some(rows),
        ending: Ending::Success,
    }
}
