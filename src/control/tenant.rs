//! Tenants: what is set for each, and what was set before.
//!
//! A tenant exists by its first event or by its first setting. Guaranteed: a change of settings is a version of its own, with
//! who made it and when; the newest is what holds. The log keeps every version; the state the last [`VERSIONS_KEPT`].

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::event::{TenantId, sealed::SealedFields};

/// Versions of a tenant's settings that the state holds.
pub const VERSIONS_KEPT: usize = 100;

/// What is set for a tenant. By default: nothing, which keeps events for ever and limits by the configuration's limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    /// What people call it.
    pub name: Option<String>,
    /// Days that events are kept, by the day they occurred on; `None`: for ever.
    pub retention_days: Option<u32>,
    /// Days for which a bucket with Object Lock keeps what is written, whoever wants to remove it; `None`: it does not lock. Never more
    /// than `retention_days`.
    pub lock_days: Option<u32>,
    /// While it holds, nothing is removed, whatever the days.
    pub legal_hold: bool,
    /// Fields whose values can be erased without breaking a proof; decided before the first event.
    #[serde(default)]
    pub sealed_fields: SealedFields,
    /// What takes the place of the configuration's limits.
    pub limits: TenantLimits,
}

impl TenantSettings {
    /// Whether nothing of the tenant's events is ever to be removed, as things are set.
    pub fn only_grows(&self) -> bool {
        self.retention_days.is_none() || self.legal_hold
    }

    /// The first day whose events are kept, on `today`; `None`: all are.
    pub fn first_day(&self, today: NaiveDate) -> Option<NaiveDate> {
        let days = self.retention_days.filter(|_| !self.legal_hold)?;
        today.checked_sub_days(Days::new(days.into()))
    }
}

/// Rate limits of a tenant; `None`: the configuration's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantLimits {
    /// Requests in a second.
    pub requests_per_second: Option<u32>,
    /// Events taken in, in a second.
    pub events_per_second: Option<u32>,
    /// Seconds that queries run, all together, in a minute.
    pub query_seconds_per_minute: Option<u32>,
}

/// Settings as they were made at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantVersion {
    /// Its number among the tenant's, from 1.
    pub version: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The principal that made it.
    pub by: String,
    /// All settings, not only what changed.
    pub settings: TenantSettings,
}

/// A tenant for which something was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Which.
    pub id: TenantId,
    /// When its first settings were made, in milliseconds since 1970.
    pub created_ms: i64,
    /// Oldest first; never empty.
    pub versions: Vec<TenantVersion>,
}

impl Tenant {
    /// What holds.
    pub fn current(&self) -> &TenantVersion {
        self.versions.last().expect("a tenant is made with its first version")
    }

    /// Adds a version.
    pub(super) fn set(&mut self, at_ms: i64, by: &str, settings: TenantSettings) {
        let version = self.versions.last().map_or(1, |last| last.version + 1);
        self.versions.push(TenantVersion { version, at_ms, by: by.to_owned(), settings });
        let surplus = self.versions.len().saturating_sub(VERSIONS_KEPT);
        self.versions.drain(..surplus);
    }
}
