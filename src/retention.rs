//! Retention: days whose time is over go, whole.
//!
//! In: the tables, and what is set for their tenants. Out: one Delta commit for each tenant that removes all files of all its
//! expired days. Guaranteed: each expiry is recorded before it is made, and not made if it cannot be recorded; none is made
//! under a legal hold that was acknowledged before its commit; what is removed stays removed: a compaction that read
//! the files before cannot commit any more, and ingest neither takes nor commits events of such days.
//!
//! The objects go with the sweep, after its grace, and their index with the next compaction and sweep: until then queries that
//! began before can finish. What no query shows any more between the end of a day's time and its commit, `query` leaves out.
//!
//! | part | does |
//! |---|---|
//! | [`mod@plan`] | decides what has expired |
//! | [`append_only`] | says in the tables of which nothing is to expire that nothing is removed from them |
//! | [`locks`] | locks and holds what is there already |

pub mod append_only;
pub mod locks;
pub mod plan;

use chrono::NaiveDate;
use tokio_util::sync::CancellationToken;

pub use self::plan::{ExpiredDay, Expiry, plan};
use crate::{
    control::Control,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    table::{Table, Tables},
};

/// How often an expiry is planned anew because a compaction committed in between.
const TRIES_MAX: u32 = 16;

/// What a round did.
#[derive(Debug, Default)]
pub struct Report {
    /// What was removed.
    pub expired: Vec<Expiry>,
    /// The tenants of which nothing was removed although something should have been; the next round tries again.
    pub failures: Vec<(TenantId, Error)>,
    /// Whether it was cancelled before it was through.
    pub cancelled: bool,
}

/// Removes what has expired, of all tenants. `record` is told of each expiry before it is made; if it fails, nothing of that
/// tenant is removed. It may be told of the same expiry again when a commit failed and is made by a later round: the
/// `version` is then the same. It must not commit events or change settings itself: the settings are held still meanwhile.
///
/// # Errors
/// If the newest settings cannot be read; nothing is removed then.
pub async fn expire_all<R: Future<Output = Result<()>>>(
    tables: &Tables,
    control: &Control,
    stop: &CancellationToken,
    record: impl Fn(Expiry) -> R,
) -> Result<Report> {
    control.refresh().await?;
    let mut report = Report::default();
    for tenant in with_retention(control) {
        if stop.is_cancelled() {
            report.cancelled = true;
            break;
        }
        match expire_one(tables, control, &tenant, &record).await {
            Ok(expiry) => report.expired.extend(expiry),
            Err(error) => report.failures.push((tenant, error)),
        }
    }
    Ok(report)
}

/// What [`expire_all`] would remove now.
///
/// # Errors
/// If the newest settings or a table cannot be read.
pub async fn planned(tables: &Tables, control: &Control) -> Result<Vec<Expiry>> {
    control.refresh().await?;
    let mut planned = Vec::new();
    for tenant in with_retention(control) {
        // Where a table cannot be read, nothing is planned, and whoever removes is told of it.
        let Ok(Some(table)) = tables.get(&tenant).await else { continue };
        planned.extend(plan(&table.snapshot(), &control.state().settings(&tenant), control.today()));
    }
    Ok(planned)
}

/// The tenants whose tables need to be looked at.
fn with_retention(control: &Control) -> Vec<TenantId> {
    let (state, today) = (control.state(), control.today());
    let tenants = state.tenants().filter(|tenant| tenant.current().settings.first_day(today).is_some());
    tenants.map(|tenant| tenant.id.clone()).collect()
}

async fn expire_one<R: Future<Output = Result<()>>>(
    tables: &Tables,
    control: &Control,
    tenant: &TenantId,
    record: &impl Fn(Expiry) -> R,
) -> Result<Option<Expiry>> {
    let Some(table) = tables.get(tenant).await? else { return Ok(None) };
    // Nobody waits for a tenant of which nothing has expired.
    if plan(&table.snapshot(), &control.state().settings(tenant), control.today()).is_none() {
        return Ok(None);
    }
    let still = control.still().await?;
    let settings = still.state().settings(tenant);
    let mut recorded: Vec<(NaiveDate, u64)> = Vec::new();
    for _ in 0..TRIES_MAX {
        if plan(&table.snapshot(), &settings, still.today()).is_none() {
            return Ok(None);
        }
        // Before the expiry is planned whose version is recorded: an expiry that is made by a later round has the same.
        table.permit_removals().await?;
        let Some(expiry) = plan(&table.snapshot(), &settings, still.today()) else { return Ok(None) };
        let rows: Vec<(NaiveDate, u64)> = expiry.days.iter().map(|day| (day.day, day.rows)).collect();
        if rows != recorded {
            record(expiry.clone()).await?;
            recorded = rows;
        }
        if commit(&table, &expiry).await? {
            return Ok(Some(expiry));
        }
    }
    let message = format!("the files of tenant '{tenant}' change all the time; the next round tries again");
    Err(Error::new(ErrorKind::Busy, message))
}

/// `false`: some of the files were replaced since the plan.
async fn commit(table: &Table, expiry: &Expiry) -> Result<bool> {
    match table.commit(expiry.commit()).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}
