//! How continuous exports do: deliveries, failures, and how far behind each is.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::counter;

/// Which continuous export a gauge is of: an id that the server made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExportLabel {
    export: String,
}

/// Continuous exports.
#[derive(Clone, Debug)]
pub struct DeliveryMetrics {
    deliveries: Counter,
    failures: Counter,
    lag_events: Family<ExportLabel, Gauge>,
    lag_seconds: Family<ExportLabel, Gauge>,
}

impl DeliveryMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (lag_events, lag_seconds) = (Family::default(), Family::default());
        registry.register("delivery_lag_events", "Events committed and not delivered", lag_events.clone());
        registry.register("delivery_lag_seconds", "Longest wait of such an event", lag_seconds.clone());
        Self {
            deliveries: counter(registry, "deliveries", "Deliveries of continuous exports made"),
            failures: counter(registry, "deliveries_failed", "Deliveries that failed and are tried again"),
            lag_events,
            lag_seconds,
        }
    }

    /// A delivery was made.
    pub fn delivered(&self) {
        self.deliveries.inc();
    }

    /// One failed.
    pub fn failed(&self) {
        self.failures.inc();
    }

    /// So far behind is an export.
    pub fn lag(&self, export: &str, events: i64, seconds: u64) {
        let label = ExportLabel { export: export.to_owned() };
        self.lag_events.get_or_create(&label).set(events);
        self.lag_seconds.get_or_create(&label).set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// An export is no more.
    pub fn forget(&self, export: &str) {
        let label = ExportLabel { export: export.to_owned() };
        self.lag_events.remove(&label);
        self.lag_seconds.remove(&label);
    }
}
