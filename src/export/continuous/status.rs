//! What is told of a continuous export.
//!
//! In: what is stored of it, and how its streams are. Out: the JSON of the API. Guaranteed: nothing secret is in it.

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;

use super::{
    definition::{Definition, Layout},
    ledger::Totals,
    stream::Health,
};
use crate::{control::Subscription, error::Error, event::TenantId, export::manifest, query::Filter};

/// What there is to know.
#[derive(Clone, Debug, Serialize)]
pub struct ContinuousStatus {
    /// Which.
    pub id: String,
    /// Whose log; `None`: all.
    pub tenant_id: Option<TenantId>,
    /// `active`, `replaying`, `failing` (it is tried again), `paused`, or `unreadable`: what is stored of it is damaged, or of another
    /// version; then `error` says what is wrong, and nothing is delivered.
    pub state: &'static str,
    /// What it delivers; `None` if that is not readable.
    #[serde(flatten)]
    pub delivers: Option<Delivers>,
    /// When it was made.
    pub created_at: String,
    /// By whom: the id of a principal.
    pub created_by: String,
    /// Events that were delivered.
    pub rows: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// The files.
    pub files: u64,
    /// The `seq` of the next event to deliver, of an export of one tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// Events that are committed and not delivered, filtered or not.
    pub lag_events: i64,
    /// For how long some of them wait at most.
    pub lag_seconds: u64,
    /// When something was delivered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<String>,
    /// What failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
}

/// What a continuous export delivers, and how.
#[derive(Clone, Debug, Serialize)]
pub struct Delivers {
    /// Which events.
    pub filter: Filter,
    /// How the destination is laid out.
    pub layout: Layout,
    /// Name of the format.
    pub format: &'static str,
    /// Name of the compression.
    pub compression: &'static str,
    /// Where to, without secrets.
    pub destination: Value,
    /// Seconds that an event waits at most, about.
    pub interval_seconds: u64,
    /// Events of a delivery, at most.
    pub rows_max: u64,
    /// Bytes of the log that a delivery has at most, about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    /// The first day of what was there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<NaiveDate>,
}

/// A stream, and how far the log is that it delivers.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) tenant: TenantId,
    pub(super) health: Health,
    pub(super) committed: i64,
}

/// How far behind deliveries are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) events: i64,
    pub(super) seconds: u64,
}

impl Seen {
    pub(super) fn lag(&self, created_ms: i64, now_ms: i64) -> Lag {
        let events = self.committed - self.health.position.unwrap_or(0).min(self.committed);
        let since_ms = self.health.caught_up_ms.or(self.health.delivered_ms).unwrap_or(created_ms);
        let seconds = (now_ms - since_ms).max(0).unsigned_abs() / 1_000;
        Lag { events, seconds: if events > 0 { seconds } else { 0 } }
    }
}

/// Of several streams.
pub(super) fn lag(streams: &[Seen], created_ms: i64, now_ms: i64) -> Lag {
    streams.iter().map(|seen| seen.lag(created_ms, now_ms)).fold(Lag::default(), |all, one| Lag {
        events: all.events + one.events,
        seconds: all.seconds.max(one.seconds),
    })
}

pub(super) fn status(
    subscription: &Subscription,
    definition: &Definition,
    streams: &[Seen],
    now_ms: i64,
) -> ContinuousStatus {
    let lag = lag(streams, subscription.created_ms, now_ms);
    let totals = streams.iter().map(|seen| seen.health.totals).fold(Totals::default(), |all, one| Totals {
        rows: all.rows + one.rows,
        bytes: all.bytes + one.bytes,
        files: all.files + one.files,
    });
    let failing = streams.iter().find(|seen| seen.health.error.is_some());
    let error = failing.map(|seen| {
        let report = seen.health.error.clone().unwrap_or_default();
        match subscription.tenant {
            Some(_) => report,
            None => format!("tenant '{}': {report}", seen.tenant),
        }
    });
    let state = match (subscription.paused, &error) {
        (true, _) => "paused",
        (false, Some(_)) => "failing",
        (false, None) if streams.iter().any(|seen| seen.health.replaying) => "replaying",
        (false, None) => "active",
    };
    let of_one = subscription.tenant.as_ref().and(streams.first());
    ContinuousStatus {
        id: subscription.id.clone(),
        tenant_id: subscription.tenant.clone(),
        state,
        delivers: Some(Delivers {
            filter: definition.filter.clone(),
            layout: definition.layout.clone(),
            format: definition.format.name(),
            compression: definition.compression.name(),
            destination: definition.destination.shown(),
            interval_seconds: definition.interval_seconds,
            rows_max: definition.rows,
            bytes_max: definition.bytes,
            from: definition.from,
        }),
        created_at: manifest::millis(subscription.created_ms),
        created_by: subscription.created_by.clone(),
        rows: totals.rows,
        bytes: totals.bytes,
        files: totals.files,
        position: of_one.and_then(|seen| seen.health.position),
        lag_events: lag.events,
        lag_seconds: lag.seconds,
        delivered_at: streams.iter().filter_map(|seen| seen.health.delivered_ms).max().map(manifest::millis),
        error,
        retry_at: failing.and_then(|seen| seen.health.retry_ms).map(manifest::millis),
    }
}

/// Of one that cannot be read: that there is one, and why it rests.
pub(super) fn unreadable(subscription: &Subscription, error: &Error) -> ContinuousStatus {
    ContinuousStatus {
        id: subscription.id.clone(),
        tenant_id: subscription.tenant.clone(),
        state: "unreadable",
        delivers: None,
        created_at: manifest::millis(subscription.created_ms),
        created_by: subscription.created_by.clone(),
        rows: 0,
        bytes: 0,
        files: 0,
        position: None,
        lag_events: 0,
        lag_seconds: 0,
        delivered_at: None,
        error: Some(error.report()),
        retry_at: None,
    }
}
