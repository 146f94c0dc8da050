//! Shows tenants, and changes what is set for them.
//!
//! In: who wants it, and what. Out: what is set, since when, and which days there are. Guaranteed: a tenant exists by its first
//! event or its first setting; one out of reach is not found, as if it weren't there; how long events are kept, legal hold and limits
//! are the operator's, who has a key of all tenants: a tenant's own key sets its name only; each change is a version, durable when it
//! is acknowledged.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{Patch, Principal, Reach, keys::time};
use crate::{
    control::{Change, Control, State, TenantSettings, TenantVersion},
    error::{Error, ErrorKind, Result},
    event::TenantId,
    table::{Days, Described, LiveFiles, Tables},
};

/// Tables that are read from the store at the same time when a list is the first to need them.
const TABLES_LOADED_AT_ONCE: usize = 16;

/// The tenants of a store. Cheap to clone: clones share.
#[derive(Clone, Debug)]
pub struct Tenants {
    control: Control,
    tables: Tables,
}

/// A tenant as the API tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribedTenant {
    /// What names it.
    pub id: String,
    /// What is set.
    #[serde(flatten)]
    pub settings: TenantSettings,
    /// The number of these settings; 0 if nothing was ever set.
    pub version: u64,
    /// When they were set.
    pub changed_at: Option<String>,
    /// The principal that set them.
    pub changed_by: Option<String>,
    /// Committed events that can be queried.
    pub events: u64,
    /// The days that can be queried.
    pub window: TenantWindow,
}

/// Which days of a tenant can be queried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantWindow {
    /// The first one that is kept; `null`: all are.
    pub from: Option<NaiveDate>,
    /// The first one that has committed events.
    pub first_day: Option<NaiveDate>,
    /// The last one that has.
    pub last_day: Option<NaiveDate>,
}

/// Of which version a tenant's settings have to be for a change to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Of any, and the tenant need not be there.
    #[default]
    Anything,
    /// Of any, if the tenant is there.
    Something,
    /// Of one of these.
    OneOf(Vec<u64>),
}

impl Expected {
    /// Refuses a tenant's version; `None`: the tenant is not there.
    fn check(&self, id: &TenantId, version: Option<u64>) -> Result<()> {
        let holds = match (self, version) {
            (Self::Anything, _) | (Self::Something, Some(_)) => true,
            (Self::Something, None) => false,
            (Self::OneOf(expected), version) => version.is_some_and(|version| expected.contains(&version)),
        };
        if holds {
            return Ok(());
        }
        let found = match version {
            Some(version) => format!("what is set for tenant '{id}' is of version {version}"),
            None => format!("tenant '{id}' does not exist"),
        };
        Err(Error::new(ErrorKind::Conflict, format!("{found}, which is not what was expected")))
    }
}

/// Some tenants, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantPage {
    /// They.
    pub tenants: Vec<DescribedTenant>,
    /// After which one there are more; `None`: there are no more.
    pub end: Option<TenantId>,
}

/// Settings as they were made at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionOfTenant {
    /// Its number among the tenant's, from 1.
    pub version: u64,
    /// When it was set.
    pub changed_at: String,
    /// The principal that set it.
    pub changed_by: String,
    /// All settings.
    #[serde(flatten)]
    pub settings: TenantSettings,
}

impl Tenants {
    /// Those of a store with these tables, whose control log is `control`.
    pub fn new(control: Control, tables: Tables) -> Self {
        Self { control, tables }
    }

    /// One tenant.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for one that is out of reach or does not exist; as the store.
    pub async fn get(&self, by: &Principal, id: &TenantId) -> Result<DescribedTenant> {
        by.tenant(Some(id.clone()))?;
        self.describe(id).await?.ok_or_else(|| not_found(id))
    }

    /// A tenant's table, as readers that are not ours see it.
    ///
    /// # Errors
    /// As [`Tenants::get`] and [`Tables::described`].
    pub async fn table(&self, by: &Principal, id: &TenantId) -> Result<Described> {
        self.get(by, id).await?;
        self.tables.described(id).await
    }

    /// Live files of a tenant's table, see [`Tables::live_files`].
    ///
    /// # Errors
    /// As [`Tenants::table`].
    pub async fn live_files(
        &self,
        by: &Principal,
        id: &TenantId,
        days: Days,
        count: usize,
    ) -> Result<LiveFiles> {
        self.get(by, id).await?;
        self.tables.live_files(id, days, count).await
    }

    /// The tenants within reach of `by` whose ids follow `after`, at most `count`.
    ///
    /// # Errors
    /// As the store.
    pub async fn list(&self, by: &Principal, after: Option<&TenantId>, count: usize) -> Result<TenantPage> {
        let mut ids: BTreeSet<TenantId> = self.tables.tenants().into_iter().collect();
        ids.extend(self.control.state().tenants().map(|tenant| tenant.id.clone()));
        ids.retain(|id| by.reaches(Some(id)) && after.is_none_or(|after| id > after));
        let described = stream::iter(ids)
            .map(|id| async move { self.describe(&id).await })
            .buffered(TABLES_LOADED_AT_ONCE)
            .try_filter_map(|described| async move { Ok(described) });
        let mut tenants: Vec<DescribedTenant> = described.take(count.saturating_add(1)).try_collect().await?;
        let has_more = tenants.len() > count;
        tenants.truncate(count);
        let last = tenants.last().filter(|_| has_more);
        let end = last.map(|last| TenantId::parse(&last.id)).transpose()?;
        Ok(TenantPage { tenants, end })
    }

    /// What was set for a tenant, newest first, as far back as is kept at hand.
    ///
    /// # Errors
    /// As [`Tenants::get`].
    pub async fn versions(&self, by: &Principal, id: &TenantId) -> Result<Vec<VersionOfTenant>> {
        self.get(by, id).await?;
        let state = self.control.state();
        let versions = state.tenant(id).into_iter().flat_map(|tenant| tenant.versions.iter().rev());
        Ok(versions.map(version).collect())
    }

    /// Changes what is set for a tenant if that is as `expected`, and makes one that does not exist if `by` reaches all tenants. What
    /// changes nothing makes no version. Of changes that expect the same version, one is made.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a tenant out of reach; [`ErrorKind::Forbidden`] for what a tenant does not set itself;
    /// [`ErrorKind::Conflict`] if it is not as expected; [`ErrorKind::Invalid`] naming what is wrong; as the store.
    pub async fn set(
        &self,
        by: &Principal,
        id: &TenantId,
        patch: &Patch,
        expected: &Expected,
    ) -> Result<DescribedTenant> {
        by.tenant(Some(id.clone()))?;
        self.control.refresh().await?;
        let known = self.describe(id).await?;
        if matches!(by.reach(), Reach::Tenant(_)) {
            known.as_ref().ok_or_else(|| not_found(id))?;
            if patch.is_operators() {
                let message = "retention_days, lock_days, legal_hold, sealed_fields and limits are set with a key of all tenants";
                return Err(Error::new(ErrorKind::Forbidden, message));
            }
        }
        if patch.locks() && !self.tables.locks() {
            let message = "lock_days: this store locks nothing: object_store.s3.object_lock is \"off\"";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        expected.check(id, known.as_ref().map(|known| known.version))?;
        let is_there = known.is_some();
        let has_events = self.has_events(id).await?;
        if let Some(known) = known
            && patch.apply(&known.settings)? == known.settings
        {
            return Ok(known);
        }
        let decide = |state: &State| {
            // It may have been changed since it was looked at.
            let set = state.tenant(id).map(|tenant| tenant.current().version);
            expected.check(id, set.or(is_there.then_some(0)))?;
            let before = state.settings(id);
            let settings = patch.apply(&before)?;
            if has_events && settings.sealed_fields != before.sealed_fields {
                let message = format!(
                    "sealed_fields: tenant '{id}' has events already, and which fields are sealed is decided before the first"
                );
                return Err(Error::new(ErrorKind::Conflict, message).about("/sealed_fields"));
            }
            Ok((Change::TenantSet { id: id.clone(), settings }, ()))
        };
        self.control.change(by.id(), decide).await?;
        self.get(by, id).await
    }

    /// Whether an event of the tenant was ever accepted.
    async fn has_events(&self, id: &TenantId) -> Result<bool> {
        let snapshot = self.tables.get(id).await?.map(|table| table.snapshot());
        Ok(snapshot.is_some_and(|snapshot| snapshot.next_seq > 0 || snapshot.uncommitted.rows() > 0))
    }

    /// `None` if there is no such tenant.
    async fn describe(&self, id: &TenantId) -> Result<Option<DescribedTenant>> {
        let snapshot = self.tables.get(id).await?.map(|table| table.snapshot());
        let snapshot =
            snapshot.filter(|snapshot| snapshot.version.is_some() || snapshot.uncommitted.rows() > 0);
        let (state, today) = (self.control.state(), self.control.today());
        let set = state.tenant(id).map(|tenant| tenant.current());
        if snapshot.is_none() && set.is_none() {
            return Ok(None);
        }
        let settings = set.map(|set| set.settings.clone()).unwrap_or_default();
        let from = settings.first_day(today);
        let files = snapshot.iter().flat_map(|snapshot| snapshot.files.iter());
        let files: Vec<_> = files.filter(|file| from.is_none_or(|from| file.day >= from)).collect();
        Ok(Some(DescribedTenant {
            id: id.to_string(),
            version: set.map_or(0, |set| set.version),
            changed_at: set.map(|set| time(set.at_ms)),
            changed_by: set.map(|set| set.by.clone()),
            events: files.iter().map(|file| file.rows).sum(),
            window: TenantWindow {
                from,
                first_day: files.first().map(|file| file.day),
                last_day: files.last().map(|file| file.day),
            },
            settings,
        }))
    }
}

fn version(version: &TenantVersion) -> VersionOfTenant {
    VersionOfTenant {
        version: version.version,
        changed_at: time(version.at_ms),
        changed_by: version.by.clone(),
        settings: version.settings.clone(),
    }
}

fn not_found(id: &TenantId) -> Error {
    Error::new(ErrorKind::NotFound, format!("tenant '{id}' does not exist"))
}
