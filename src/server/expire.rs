//! Retention, with its record: the one place where the two meet.
//!
//! In: what has expired. Out: it is recorded in its tenant's log, and then removed. Guaranteed: what cannot be recorded stays.

use serde_json::{Map, json};
use tokio_util::sync::CancellationToken;

use super::Lake;
use crate::{
    error::Result,
    logbook::{About, By, Ending, Entry, Logbook},
    retention::{self, Expiry, Report},
};

/// Removes the expired days of all tenants; see [`retention::expire_all`].
///
/// # Errors
/// As [`retention::expire_all`]; of a lake that is open for reading only.
pub async fn expire(lake: &Lake, stop: &CancellationToken) -> Result<Report> {
    let logbook = lake.logbook()?;
    expire_with(&logbook, lake.tables(), lake.control(), stop).await
}

/// The same for work that outlives the borrow of a lake.
pub(super) async fn expire_with(
    logbook: &Logbook,
    tables: &crate::table::Tables,
    control: &crate::control::Control,
    stop: &CancellationToken,
) -> Result<Report> {
    let record = |expiry: Expiry| async move {
        logbook.write(&entry(&expiry)).await?;
        let (first, last) = expiry.range();
        tracing::info!(tenant = %expiry.tenant, %first, %last, rows = expiry.rows(), "removing expired days");
        Ok(())
    };
    retention::expire_all(tables, control, stop, record).await
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
    Entry {
        action: "auditlog.retention.expire",
        by: By::service("retention"),
        about: About::Tenant(expiry.tenant.clone()),
        target: None,
        parameters: parameters.as_object().cloned().unwrap_or_else(Map::new),
        rows: Some(expiry.rows()),
        ending: Ending::Success,
    }
}
