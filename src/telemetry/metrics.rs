//! The metrics: handles that any floor may count with, and the text that Prometheus reads.
//!
//! A [`Metrics`] is made once and cloned; clones share their numbers. Counters only grow; gauges say what is
//! now. All names start with `auditlake_`; the unit stands last. No label takes a value that a client chooses.
//! Lower floors report what happened ([`Metrics::events`], [`Metrics::commit`], …); which numbers that changes is
//! decided here.

mod delivery;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};

pub use self::delivery::DeliveryMetrics;

/// Media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All numbers of one process.
#[derive(Clone)]
pub struct Metrics {
    events_accepted: Counter,
    events_duplicates: Counter,
    events_conflicts: Counter,
    events_rejected: Counter,
    wal_append_seconds: Histogram,
    wal_append_bytes: Counter,
    uncommitted_bytes: Gauge,
    commits: Counter,
    rows_committed: Counter,
    checkpoints_delayed: Counter,
    compaction_jobs: Counter,
    compaction_failures: Counter,
    compaction_rows: Counter,
    compaction_read_bytes: Counter,
    compaction_written_bytes: Counter,
    deletions_refused: Counter,
    /// Queries.
    pub query: QueryMetrics,
    /// HTTP.
    pub http: HttpMetrics,
    /// Continuous exports.
    pub delivery: DeliveryMetrics,
    registry: Arc<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("auditlake");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", build);
        let r = &mut registry;
        Self {
            events_accepted: counter(r, "events_accepted", "Events durable and acknowledged"),
            events_duplicates: counter(r, "events_duplicates", "Events known already with the same content"),
            events_conflicts: counter(r, "events_conflicts", "Events refused: id known with other content"),
            events_rejected: counter(r, "events_rejected", "Events refused as not valid"),
            wal_append_seconds: histogram(r, "wal_append_seconds", "Time to make a WAL segment durable"),
            wal_append_bytes: counter(r, "wal_append_bytes", "Bytes of WAL segments written"),
            uncommitted_bytes: gauge(r, "uncommitted_bytes", "Bytes of events durable but in no file yet"),
            commits: counter(r, "commits", "Delta commits of new events"),
            rows_committed: counter(r, "rows_committed", "Rows added by commits"),
            checkpoints_delayed: counter(
                r,
                "checkpoints_delayed",
                "Times that a Merkle tree could not be brought level with its table",
            ),
            compaction_jobs: counter(r, "compaction_jobs", "Compaction jobs committed"),
            compaction_failures: counter(r, "compaction_failures", "Compaction runs given up"),
            compaction_rows: counter(r, "compaction_rows", "Rows rewritten by compaction"),
            compaction_read_bytes: counter(r, "compaction_read_bytes", "Bytes of the files replaced"),
            compaction_written_bytes: counter(r, "compaction_written_bytes", "Bytes of the files written"),
            deletions_refused: counter(
                r,
                "deletions_refused",
                "Deletions of replaced objects that the bucket refused because of a lock, each sweep's counted",
            ),
            query: QueryMetrics::register(r),
            http: HttpMetrics::register(r),
            delivery: DeliveryMetrics::register(r),
            registry: Arc::new(registry),
        }
    }
}

impl Metrics {
    /// Events of one request were acknowledged, known already, or refused for their ids.
    pub fn events(&self, accepted: usize, duplicates: usize, conflicts: usize) {
        self.events_accepted.inc_by(accepted as u64);
        self.events_duplicates.inc_by(duplicates as u64);
        self.events_conflicts.inc_by(conflicts as u64);
    }

    /// Events of one request were not valid.
    pub fn events_rejected(&self, count: usize) {
        self.events_rejected.inc_by(count as u64);
    }

    /// A WAL segment of `bytes` became durable.
    pub fn wal_append(&self, elapsed: Duration, bytes: usize) {
        self.wal_append_seconds.observe(elapsed.as_secs_f64());
        self.wal_append_bytes.inc_by(bytes as u64);
    }

    /// So many Arrow bytes of events are durable and in no file yet.
    pub fn set_uncommitted_bytes(&self, bytes: usize) {
        self.uncommitted_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// One tenant's events were committed.
    pub fn commit(&self, rows: usize) {
        self.commits.inc();
        self.rows_committed.inc_by(rows as u64);
    }

    /// A tree's tiles or checkpoint could not be published; it is tried again.
    pub fn checkpoint_delayed(&self) {
        self.checkpoints_delayed.inc();
    }

    /// Compaction committed `jobs`.
    pub fn compacted(&self, jobs: u64, rows: u64, read_bytes: u64, written_bytes: u64) {
        self.compaction_jobs.inc_by(jobs);
        self.compaction_rows.inc_by(rows);
        self.compaction_read_bytes.inc_by(read_bytes);
        self.compaction_written_bytes.inc_by(written_bytes);
    }

    /// Compaction gave up; it tries again later.
    pub fn compaction_failed(&self) {
        self.compaction_failures.inc();
    }

    /// The bucket refused to delete so many objects that nobody needs any more.
    pub fn deletions_refused(&self, count: usize) {
        self.deletions_refused.inc_by(count as u64);
    }

    /// All numbers in the OpenMetrics text format, of media type [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Queries.
#[derive(Clone, Debug)]
pub struct QueryMetrics {
    /// Queries that began to run.
    pub started: Counter,
    /// Queries that were refused, failed, ran into a limit or were left by their client.
    pub unfinished: Counter,
    /// Queries running at the moment.
    pub running: Gauge,
    /// Time from the request to the answer's last byte.
    pub seconds: Histogram,
    /// Data files that no query had to open.
    pub files_pruned: Counter,
    /// Data files left to read.
    pub files_kept: Counter,
}

impl QueryMetrics {
    fn register(r: &mut Registry) -> Self {
        Self {
            started: counter(r, "queries", "Queries asked"),
            unfinished: counter(r, "queries_unfinished", "Queries refused, failed, cut or left"),
            running: gauge(r, "queries_running", "Queries running now"),
            seconds: histogram(r, "query_seconds", "Time from a query's start to its last byte"),
            files_pruned: counter(r, "query_files_pruned", "Data files that queries did not open"),
            files_kept: counter(r, "query_files_kept", "Data files that queries had to read"),
        }
    }
}

/// Which requests an HTTP counter counts. The route is the pattern, never the path a client sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HttpLabels {
    /// The route's pattern, or `unmatched`.
    pub route: String,
    /// The status code sent.
    pub status: u16,
}

/// Which requests an HTTP histogram measures.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabel {
    /// The route's pattern, or `unmatched`.
    pub route: String,
}

/// Which rate limit a counter counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PolicyLabel {
    /// The limit's name.
    pub policy: &'static str,
}

/// HTTP.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    /// Requests answered, by route and status.
    pub requests: Family<HttpLabels, Counter>,
    /// Time from the request's head to the answer's last byte, by route.
    pub seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
    /// Requests refused, by the rate limit that refused them.
    pub rate_limited: Family<PolicyLabel, Counter>,
    /// Bytes of answers' bodies.
    pub sent_bytes: Counter,
    /// Connections open at the moment.
    pub connections: Gauge,
    /// Bytes of request bodies held at the moment.
    pub body_bytes: Gauge,
}

impl HttpMetrics {
    fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let rate_limited = Family::default();
        registry.register("rate_limited", "Requests refused by a rate limit", rate_limited.clone());
        let seconds: Family<_, _, fn() -> Histogram> = Family::new_with_constructor(new_histogram);
        registry.register("http_seconds", "Time from request to the answer's last byte", seconds.clone());
        Self {
            requests,
            seconds,
            rate_limited,
            sent_bytes: counter(registry, "http_sent_bytes", "Bytes of answers' bodies"),
            connections: gauge(registry, "http_connections", "Connections open now"),
            body_bytes: gauge(registry, "http_body_bytes", "Bytes of request bodies held now"),
        }
    }
}

/// Adds one to a gauge while it lives.
#[derive(Debug)]
pub struct Held(Gauge);

impl Held {
    /// Counts one until dropped.
    pub fn one(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Observes the seconds since `start`.
pub fn observe_since(histogram: &Histogram, start: Instant) {
    histogram.observe(start.elapsed().as_secs_f64());
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let metric = Counter::default();
    registry.register(name, help, metric.clone());
    metric
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let metric = Gauge::default();
    registry.register(name, help, metric.clone());
    metric
}

fn histogram(registry: &mut Registry, name: &str, help: &str) -> Histogram {
    let metric = new_histogram();
    registry.register(name, help, metric.clone());
    metric
}

/// Half a millisecond to about a minute, each bucket twice the one before.
fn new_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 18))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a metric that is counted but never shown, and clones that do not share their numbers.
    #[test]
    fn clones_count_into_one_text() {
        let metrics = Metrics::default();
        metrics.clone().events(3, 0, 0);
        metrics.http.requests.get_or_create(&HttpLabels { route: "/v1/sql".into(), status: 200 }).inc();
        let held = Held::one(&metrics.query.running);
        let text = metrics.render();
        assert!(text.contains("auditlake_events_accepted_total 3"), "{text}");
        assert!(text.contains("auditlake_http_requests_total{route=\"/v1/sql\",status=\"200\"} 1"), "{text}");
        assert!(text.contains("auditlake_queries_running 1"), "{text}");
        drop(held);
        assert!(metrics.render().contains("auditlake_queries_running 0"));
    }
}
