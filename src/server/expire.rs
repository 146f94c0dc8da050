//! Retention, with its record: the one place where the two meet.
//!
//! In: what has expired. Out: it is recorded, and then removed. Guaranteed: what cannot be recorded stays.

use tokio_util::sync::CancellationToken;

use crate::{
    control::Control,
    error::Result,
    retention::{self, Report},
    table::Tables,
};

/// Removes the expired days of all tenants; see [`retention::expire_all`].
///
/// # Errors
/// As [`retention::expire_all`].
pub async fn expire(tables: &Tables, control: &Control, stop: &CancellationToken) -> Result<Report> {
    let record = async |expiry: &retention::Expiry| {
        let (first, last) = expiry.range();
        tracing::info!(
            tenant = %expiry.tenant,
            days = expiry.days.len(),
            %first,
            %last,
            files = expiry.files.len(),
            rows = expiry.rows(),
            version = expiry.version,
            "removing expired days"
        );
        Ok(())
    };
    retention::expire_all(tables, control, stop, record).await
}
