//! Says in each table whether events may be removed from it: `delta.appendOnly`.
//!
//! In: the tables, and what is set for their tenants. Out: a commit in each table that says something else than what holds. Guaranteed:
//! a table of a tenant without `retention_days`, or under a legal hold, becomes append-only, and what retention will empty does not.
//! Whoever removes events calls [`crate::table::Table::permit_removals`] before; that is the one thing that makes room for it.

use tokio_util::sync::CancellationToken;

use crate::{
    control::Control,
    error::{Error, Result},
    event::TenantId,
    table::Tables,
};

/// How a round went.
#[derive(Debug, Default)]
pub struct Declared {
    /// Tables that say something else now.
    pub changed: usize,
    /// Those that could not be told; the next round tries again.
    pub failures: Vec<(TenantId, Error)>,
}

/// Goes through all tables, until `stop` is cancelled.
///
/// # Errors
/// If the newest settings cannot be read.
pub async fn declare(tables: &Tables, control: &Control, stop: &CancellationToken) -> Result<Declared> {
    control.refresh().await?;
    let mut declared = Declared::default();
    for tenant in tables.tenants() {
        if stop.is_cancelled() {
            break;
        }
        match declare_one(tables, control, &tenant).await {
            Ok(changed) => declared.changed += usize::from(changed),
            Err(error) => declared.failures.push((tenant, error)),
        }
    }
    Ok(declared)
}

async fn declare_one(tables: &Tables, control: &Control, tenant: &TenantId) -> Result<bool> {
    let Some(table) = tables.get(tenant).await? else { return Ok(false) };
    table.set_append_only(control.state().settings(tenant).only_grows()).await
}
