//! Section `[rate]` of the configuration.

use serde::{Deserialize, Serialize};

use super::bucket::{Quota, SECOND};
use crate::{
    control::TenantLimits,
    error::{Error, ErrorKind, Result},
    limits,
};

/// Tokens a window for each key, tenant and address; 0 is no limit.
///
/// The defaults stop what has run wild, not what works hard: one key may take in 150,000 events a second in batches, and
/// query seconds are what the default places for queries (`query.concurrent_max`) could give at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds of requests and of events that may be saved up and spent at once. Query seconds are saved up for a minute.
    pub burst_seconds: u32,
    /// Requests of one key in a second.
    pub key_requests_per_second: u32,
    /// Events sent by one key in a second.
    pub key_events_per_second: u32,
    /// Seconds that queries of one key run, all together, in a minute.
    pub key_query_seconds_per_minute: u32,
    /// Requests of all keys of one tenant in a second, unless the tenant's own settings say otherwise; so the next two.
    pub tenant_requests_per_second: u32,
    /// Events taken in for one tenant in a second.
    pub tenant_events_per_second: u32,
    /// Seconds that queries over one tenant run, all together, in a minute.
    pub tenant_query_seconds_per_minute: u32,
    /// Requests without a key that holds, from one address (of IPv6: one /64) in a minute.
    pub address_failures_per_minute: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            burst_seconds: 5,
            key_requests_per_second: 2_000,
            key_events_per_second: 0,
            key_query_seconds_per_minute: 240,
            tenant_requests_per_second: 4_000,
            tenant_events_per_second: 0,
            tenant_query_seconds_per_minute: 120,
            address_failures_per_minute: 60,
        }
    }
}

impl Settings {
    /// Refuses what makes no sense; the error names the setting.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`].
    pub fn validate(&self) -> Result<()> {
        let (burst, max) = (self.burst_seconds, limits::RATE_BURST_SECONDS_MAX);
        match (1..=max).contains(&burst) {
            true => Ok(()),
            false => {
                let message = format!("rate.burst_seconds is {burst}; it must be from 1 to {max}");
                Err(Error::new(ErrorKind::Invalid, message))
            }
        }
    }

    /// Of a key: requests, events, query seconds.
    pub(super) fn of_key(&self) -> [Option<Quota>; 3] {
        let requests = self.a_second(self.key_requests_per_second);
        let events = self.a_second(self.key_events_per_second);
        [requests, events, a_minute(self.key_query_seconds_per_minute)]
    }

    /// Of a tenant, whose own limits take the place of the configuration's.
    pub(super) fn of_tenant(&self, own: TenantLimits) -> [Option<Quota>; 3] {
        let requests = own.requests_per_second.unwrap_or(self.tenant_requests_per_second);
        let events = own.events_per_second.unwrap_or(self.tenant_events_per_second);
        let query = own.query_seconds_per_minute.unwrap_or(self.tenant_query_seconds_per_minute);
        [self.a_second(requests), self.a_second(events), a_minute(query)]
    }

    /// Of an address: failures.
    pub(super) fn of_address(&self) -> Option<Quota> {
        a_minute(self.address_failures_per_minute)
    }

    fn a_second(&self, rate: u32) -> Option<Quota> {
        (rate > 0).then_some(Quota { rate, window: SECOND, windows: self.burst_seconds.max(1) })
    }
}

fn a_minute(rate: u32) -> Option<Quota> {
    (rate > 0).then_some(Quota { rate, window: 60 * SECOND, windows: 1 })
}
