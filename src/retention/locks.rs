//! Locks and legal holds of objects that were there before: what is written brings its own along, the rest is seen to here.
//!
//! In: what is set for tenants. Out: S3 locks on the objects of their tables and trees, as long as if `lock_days` had been set when they
//! were written; S3 legal holds on all their versions, or none. Guaranteed: it goes on where it stopped, in whatever process; what is
//! done already does no harm when it is done again; a tenant counts as done only after a second pass, which finds what was on its way to
//! the store when the settings changed. No lock is shortened.
//!
//! How far it has come is kept in `control/locks/`, one small document for each tenant with locks or holds.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    control::{Control, Tenant, TenantSettings, lock},
    error::{Error, ErrorKind, Result},
    event::TenantId,
    limits,
    paths::{self, TableLayout},
    store::{Store, Version, VersionsAfter},
    telemetry::Clock,
};

/// So long after settings changed an object may still arrive that was begun before, or by a process that had not heard of it.
pub const SETTLE_MS: i64 = 3_600_000;

/// How a round went.
#[derive(Debug, Default)]
pub struct Report {
    /// Objects that were locked, or for longer than before.
    pub locked: u64,
    /// Versions of objects that a hold was put on.
    pub held: u64,
    /// Versions of objects that one was taken off.
    pub released: u64,
    /// The tenants that a round was not through with; the next one goes on.
    pub failures: Vec<(TenantId, Error)>,
}

/// How far a tenant's objects are locked, and holds put on them or taken off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    /// Whether holds are put on.
    hold: bool,
    /// The version of the tenant's settings that asked for it.
    version: u64,
    /// When that was first seen, in milliseconds since 1970.
    begun_ms: i64,
    /// 1 or 2.
    pass: u8,
    /// 0: the table; 1: the tree.
    folder: usize,
    /// Where in it the next page begins; `None`: at the beginning.
    after: Option<VersionsAfter>,
    /// Whether both passes are through.
    done: bool,
}

impl Progress {
    fn of(hold: bool, version: u64, now_ms: i64) -> Self {
        Self { hold, version, begun_ms: now_ms, pass: 1, folder: 0, after: None, done: false }
    }

    /// What is to be done now, after what was done before; `None`: nothing yet, or nothing any more.
    fn next(found: Option<Self>, tenant: &Tenant, now_ms: i64) -> Option<Self> {
        let hold = tenant.current().settings.legal_hold;
        let changed = changed_at(tenant);
        let progress = match found {
            Some(found) if found.hold == hold && changed.is_none_or(|version| version <= found.version) => {
                found
            }
            None if changed.is_none() && is_free(tenant) => return None,
            _ => Self::of(hold, changed.unwrap_or(tenant.current().version), now_ms),
        };
        let waits = progress.pass > 1 && now_ms < progress.begun_ms.saturating_add(SETTLE_MS);
        (!progress.done && !waits).then_some(progress)
    }

    /// After a page.
    fn advance(&mut self, next: Option<VersionsAfter>) {
        self.after = next;
        if self.after.is_none() {
            self.folder += 1;
        }
        if self.folder == FOLDERS {
            self.folder = 0;
            self.done = self.pass > 1;
            self.pass = 2;
        }
    }
}

/// How many folders a tenant has whose objects are locked.
const FOLDERS: usize = 2;

/// They: its table, its tree.
fn folders(tables: TableLayout, tenant: &TenantId) -> [Path; FOLDERS] {
    [tables.table(tenant).path(), paths::proof(tenant)]
}

/// The newest version of a tenant's settings that asks for something else of what is there already: another hold, or longer locks. As far
/// back as they are at hand.
fn changed_at(tenant: &Tenant) -> Option<u64> {
    let asks = |settings: &TenantSettings| (settings.legal_hold, settings.lock_days);
    // What was before the first one at hand is not known, unless there was nothing.
    let first = tenant.versions.first().filter(|first| first.version > 1);
    let mut before = first.map_or_else(Default::default, |first| asks(&first.settings));
    let mut changed = None;
    for version in &tenant.versions {
        let (hold, days) = asks(&version.settings);
        if hold != before.0 || days > before.1 {
            changed = Some(version.version);
        }
        before = (hold, days);
    }
    changed
}

/// Whether nothing is locked or held, as things are set.
fn is_free(tenant: &Tenant) -> bool {
    let TenantSettings { legal_hold, lock_days, .. } = tenant.current().settings;
    !legal_hold && lock_days.is_none()
}

/// Whether the tenant was never held, for certain.
fn never_held(tenant: &Tenant) -> bool {
    let is_whole = tenant.versions.first().is_some_and(|first| first.version == 1);
    is_whole && tenant.versions.iter().all(|version| !version.settings.legal_hold)
}

/// Brings the locks and holds of all tenants' objects level with what is set, until `stop` is cancelled. Does nothing where nothing can be locked.
///
/// # Errors
/// If the newest settings cannot be read.
pub async fn lock_all(
    store: &Store,
    tables: TableLayout,
    control: &Control,
    clock: &Clock,
    stop: &CancellationToken,
) -> Result<Report> {
    let mut report = Report::default();
    if !store.locks() {
        return Ok(report);
    }
    control.refresh().await?;
    for tenant in control.state().tenants() {
        if stop.is_cancelled() {
            break;
        }
        if let Err(error) = lock_one(store, tables, tenant, clock, stop, &mut report).await {
            report.failures.push((tenant.id.clone(), error));
        }
    }
    Ok(report)
}

async fn lock_one(
    store: &Store,
    tables: TableLayout,
    tenant: &Tenant,
    clock: &Clock,
    stop: &CancellationToken,
    report: &mut Report,
) -> Result<()> {
    if never_held(tenant) && is_free(tenant) {
        return Ok(());
    }
    let document = paths::locks(&tenant.id);
    let mut found = read(store, &document).await?;
    while let Some(mut progress) = Progress::next(found, tenant, clock.now_millis()) {
        if stop.is_cancelled() {
            return Ok(());
        }
        let folder = &folders(tables, &tenant.id)[progress.folder];
        let page = store.versions(folder, progress.after.as_ref()).await?;
        let hold = (!never_held(tenant)).then_some(progress.hold);
        let until = |version: &Version| {
            let settings = &tenant.current().settings;
            let until = lock::until(&version.path, settings, version.written, clock.now());
            // A hidden one was done with by then.
            until.filter(|_| version.is_latest)
        };
        let count = page.versions.len() as u64;
        let versions =
            page.versions.into_iter().map(|version| (until(&version), version)).collect::<Vec<_>>();
        let locked = stream::iter(versions).map(|(until, version)| lock_version(store, version, until, hold));
        let locked: Vec<bool> = locked.buffer_unordered(limits::LOCKS_AT_ONCE).try_collect().await?;
        report.locked += locked.into_iter().filter(|locked| *locked).count() as u64;
        match hold {
            Some(true) => report.held += count,
            Some(false) => report.released += count,
            None => {}
        }
        progress.advance(page.next);
        store.put(&document, to_json(&progress)?).await?;
        found = Some(progress);
    }
    Ok(())
}

/// Whether it had to be locked.
async fn lock_version(
    store: &Store,
    version: Version,
    until: Option<DateTime<Utc>>,
    hold: Option<bool>,
) -> Result<bool> {
    if let Some(on) = hold {
        store.hold(&version, on).await?;
    }
    match until {
        Some(until) => store.retain(&version, until).await,
        None => Ok(false),
    }
}

async fn read(store: &Store, document: &Path) -> Result<Option<Progress>> {
    let Some(bytes) = store.get(document).await? else { return Ok(None) };
    match serde_json::from_slice(&bytes) {
        Ok(progress) => Ok(Some(progress)),
        Err(error) => {
            // It is only a short cut: without it, all is done once more.
            tracing::warn!(%document, %error, "how far locks and holds are put on cannot be read; beginning anew");
            Ok(None)
        }
    }
}

fn to_json(progress: &Progress) -> Result<Bytes> {
    let json = serde_json::to_vec(progress);
    json.map(Bytes::from)
        .map_err(|error| Error::with_source(ErrorKind::Internal, "write how far locks are put on", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{TenantSettings, TenantVersion};

    /// Would catch a store of the older layout whose table stays without locks.
    #[test]
    fn tables_of_both_layouts_are_locked() {
        let acme = TenantId::parse("acme").unwrap();
        for (layout, table) in
            [(TableLayout::Plain, "events/acme"), (TableLayout::Hive, "events/tenant=acme")]
        {
            assert_eq!(folders(layout, &acme), [Path::from(table), Path::from("proof/tenant=acme")]);
        }
    }

    /// A tenant whose versions from `first` on are held or not, as said.
    fn tenant(first: u64, holds: &[bool]) -> Tenant {
        let version = |(place, hold): (usize, &bool)| TenantVersion {
            version: first + place as u64,
            at_ms: 0,
            by: "root".into(),
            settings: TenantSettings { legal_hold: *hold, ..TenantSettings::default() },
        };
        let versions = holds.iter().enumerate().map(version).collect();
        Tenant { id: TenantId::parse("acme").unwrap(), created_ms: 0, versions }
    }

    fn done(hold: bool, version: u64) -> Option<Progress> {
        Some(Progress { pass: 2, done: true, ..Progress::of(hold, version, 0) })
    }

    /// Would catch a hold that was off for a while between two looks, and objects of that while that stay without one; and work that
    /// is done again with every other setting.
    #[test]
    fn each_change_of_a_hold_is_seen_once() {
        for (name, found, tenant, expected) in [
            ("never held", None, tenant(1, &[false, false]), None),
            ("held from the first", None, tenant(1, &[true]), Some((true, 1))),
            ("held later", None, tenant(1, &[false, true, true]), Some((true, 2))),
            ("done", done(true, 2), tenant(1, &[false, true, true]), None),
            ("released", done(true, 2), tenant(1, &[false, true, false]), Some((false, 3))),
            ("off for a while", done(true, 2), tenant(1, &[false, true, false, true]), Some((true, 4))),
            ("changed long ago", done(true, 2), tenant(90, &[true, true]), None),
            ("changed long ago and not done", done(false, 2), tenant(90, &[true, true]), Some((true, 91))),
            ("released before locks were on", None, tenant(1, &[true, false]), Some((false, 2))),
        ] {
            let next = Progress::next(found, &tenant, 7).map(|next| (next.hold, next.version));
            assert_eq!(next, expected, "{name}");
        }
    }

    /// Would catch locks that are set or made longer and reach only what comes, and work for locks that are made shorter.
    #[test]
    fn longer_locks_are_seen() {
        let locked = |days: &[Option<u32>]| {
            let mut tenant = tenant(1, &vec![false; days.len()]);
            for (version, lock_days) in tenant.versions.iter_mut().zip(days) {
                version.settings.lock_days = *lock_days;
            }
            tenant
        };
        for (days, expected) in [
            (&[None, Some(30)][..], Some(2)),
            (&[Some(30), Some(90), Some(90)], Some(2)),
            (&[Some(90), Some(30)], Some(1)),
            (&[Some(90), None, Some(30)], Some(3)),
            (&[None, None], None),
        ] {
            let tenant = locked(days);
            assert_eq!(Progress::next(None, &tenant, 7).map(|next| next.version), expected, "{days:?}");
            let done = Progress::next(done(false, expected.unwrap_or(1)), &tenant, 7);
            assert_eq!(done, None, "{days:?}");
        }
    }

    /// Would catch a tenant that counts as done although an object came in behind the first pass, or one that is never done.
    #[test]
    fn a_second_pass_follows_once_everything_has_arrived() {
        let held = tenant(1, &[true]);
        let after = VersionsAfter::default();
        let mut progress = Progress::next(None, &held, 1_000).unwrap();
        let mut pages = Vec::new();
        for next in [Some(after.clone()), None, None] {
            pages.push((progress.pass, progress.folder, progress.after.is_some()));
            progress.advance(next);
        }
        assert_eq!(pages, [(1, 0, false), (1, 0, true), (1, 1, false)]);
        assert_eq!(Progress::next(Some(progress.clone()), &held, 999 + SETTLE_MS), None);
        let mut progress = Progress::next(Some(progress), &held, 1_000 + SETTLE_MS).unwrap();
        assert_eq!((progress.pass, progress.folder), (2, 0));
        progress.advance(None);
        progress.advance(None);
        assert!(progress.done);
        assert_eq!(Progress::next(Some(progress), &held, i64::MAX), None);
    }
}
