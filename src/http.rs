//! The HTTP API: requests in, problems or answers out, nothing kept.
//!
//! In: HTTP/1.1 and HTTP/2 (prior knowledge) requests. Out: answers or RFC 9457 problems, a request
//! id in every answer, one log line a request. Guaranteed: every route has caps on size, time and memory; an
//! event batch that was read in full is handled to its end even if its client leaves; a query ends with its
//! client.
//!
//! [`Api`] holds what handlers need, [`Api::router`] is the routes, [`connections::serve`] drives sockets.

mod activity;
mod answer;
mod body;
mod bounds;
mod browse;
mod caller;
mod client_address;
pub mod connections;
mod continuous;
mod cors;
mod cursor;
mod docs;
mod encoding;
mod erasures;
mod etag;
mod events;
mod exports;
mod files;
mod gate;
mod health;
mod idempotency;
mod json;
mod keys;
mod media;
mod observe;
mod openapi;
mod pages;
mod params;
mod patience;
mod problem;
mod proofs;
mod queries;
mod record;
mod request_id;
mod sql;
mod table;
mod tenants;
mod unread;
mod viewer_tokens;

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, Uri},
    middleware,
    routing::{delete, get, patch, post},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::{
    auth::{Auth, Scope},
    erasure::Erasures,
    error::{Error, ErrorKind, Result},
    evidence::Evidence,
    export::{Exports, continuous::Continuous},
    ingest::Ingest,
    limits,
    logbook::Logbook,
    query::{AddressBlock, Engine, saved::Catalogue},
    rate::Rate,
    telemetry::{Clock, Metrics},
};
use body::BodyBudget;
use cors::Origins;
use problem::Problem;
pub use problem::ProblemType;

/// Section `[http]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Connections open at once; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// Time for a request's head to arrive, which is also how long an idle connection is kept.
    pub head_timeout_ms: u64,
    /// Time for a request's body to arrive.
    pub body_timeout_ms: u64,
    /// Time from a request's head to its answer's first byte, whatever it waits for: longer than a query may wait and run.
    pub request_timeout_ms: u64,
    /// How long an answer may wait for a client that does not read.
    pub write_stall_ms: u64,
    /// Request bodies in memory at once, as sent and decompressed; past it, 429.
    pub bodies_bytes_max: usize,
    /// How long a shutdown waits for requests in flight.
    pub drain_ms: u64,
    /// Addresses and blocks of proxies whose `X-Forwarded-For` is believed, separated by commas.
    pub trusted_proxies: String,
    /// Origins whose pages may read answers, as `https://app.example`, or `*` for all.
    pub allowed_origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            head_timeout_ms: 30_000,
            body_timeout_ms: 30_000,
            request_timeout_ms: 120_000,
            write_stall_ms: 30_000,
            bodies_bytes_max: 128 << 20,
            drain_ms: 20_000,
            trusted_proxies: String::new(),
            allowed_origins: Vec::new(),
        }
    }
}

impl Settings {
    /// Refuses values that would stop the server from serving; the error names the setting.
    pub fn validate(&self) -> Result<()> {
        client_address::parse_trusted(&self.trusted_proxies)
            .map_err(|error| Error::new(ErrorKind::Invalid, format!("http.trusted_proxies: {error}")))?;
        Origins::parse(&self.allowed_origins)
            .map_err(|error| Error::new(ErrorKind::Invalid, format!("http.allowed_origins: {error}")))?;
        let times = [
            ("head_timeout_ms", self.head_timeout_ms),
            ("body_timeout_ms", self.body_timeout_ms),
            ("request_timeout_ms", self.request_timeout_ms),
            ("write_stall_ms", self.write_stall_ms),
        ];
        if let Some((name, _)) = times.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::new(ErrorKind::Invalid, format!("http.{name} is 0; it must be at least 1")));
        }
        if self.connections_max == 0 || self.connections_max > Semaphore::MAX_PERMITS {
            let message = format!("http.connections_max is {}; it must be at least 1", self.connections_max);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let bytes_min = 2 * limits::REQUEST_BYTES_MAX;
        if self.bodies_bytes_max < bytes_min {
            let message = format!(
                "http.bodies_bytes_max is {}; one compressed request may need {bytes_min}",
                self.bodies_bytes_max
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(())
    }

    /// Proxies that are believed; none if the setting is not valid, which [`Settings::validate`] refuses.
    fn trusted(&self) -> Vec<AddressBlock> {
        client_address::parse_trusted(&self.trusted_proxies).unwrap_or_default()
    }

    /// Origins that are allowed; none if the setting is not valid, which [`Settings::validate`] refuses.
    fn origins(&self) -> Origins {
        Origins::parse(&self.allowed_origins).unwrap_or_default()
    }

    fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }
}

/// What the handlers work with; clones share it.
#[derive(Clone)]
pub struct Api {
    ingest: Ingest,
    engine: Engine,
    saved: Catalogue,
    auth: Auth,
    rate: Rate,
    logbook: Logbook,
    exports: Exports,
    continuous: Continuous,
    erasures: Erasures,
    evidence: Evidence,
    clock: Clock,
    metrics: Metrics,
    settings: Arc<Settings>,
    bodies: BodyBudget,
    /// One permit a core: decoding is pure computation, and more threads than cores only wait in turns.
    decoders: Arc<Semaphore>,
    /// Batches between body and answer; they outlive their connections.
    appends: TaskTracker,
    stopping: Arc<AtomicBool>,
}

impl Api {
    /// The API over an open lake.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another room of the program, and there is one caller"
    )]
    pub fn new(
        ingest: Ingest,
        engine: Engine,
        saved: Catalogue,
        auth: Auth,
        rate: Rate,
        logbook: Logbook,
        exports: Exports,
        continuous: Continuous,
        erasures: Erasures,
        evidence: Evidence,
        clock: Clock,
        metrics: Metrics,
        settings: &Settings,
    ) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            ingest,
            engine,
            saved,
            auth,
            rate,
            logbook,
            exports,
            continuous,
            erasures,
            evidence,
            clock,
            bodies: BodyBudget::new(settings.bodies_bytes_max, metrics.http.body_bytes.clone()),
            metrics,
            settings: Arc::new(settings.clone()),
            decoders: Arc::new(Semaphore::new(cores)),
            appends: TaskTracker::new(),
            stopping: Arc::default(),
        }
    }

    /// All routes, with limits, authentication, request ids, problems and the access log around them.
    pub fn router(&self) -> Router {
        let origins = self.settings.origins();
        let ingest = Router::new().route("/v1/events", post(events::post));
        let read = Router::new()
            .route("/v1/events", get(browse::list))
            .route("/v1/events/histogram", get(browse::histogram))
            .route("/v1/events/fields", get(browse::fields))
            .route("/v1/events/{id}", get(browse::get))
            .route("/v1/events/{id}/proof", get(proofs::event))
            .route("/v1/checkpoint", get(proofs::checkpoint))
            .route("/v1/tile/{*path}", get(proofs::tile))
            .route("/v1/proofs/consistency", get(proofs::consistency))
            .route("/v1/verifier-keys", get(proofs::keys))
            .route("/v1/sql", post(sql::post))
            .route("/v1/queries", get(queries::list))
            .route("/v1/queries/{name}", post(queries::post))
            .route("/v1/viewer-tokens", post(viewer_tokens::post));
        let admin = Router::new()
            .route("/v1/keys", get(keys::list).post(keys::post))
            .route("/v1/keys/{id}", get(keys::get).delete(keys::delete))
            .route("/v1/keys/{id}/rotate", post(keys::rotate))
            .route("/v1/tenants/{id}", patch(tenants::patch))
            .route("/v1/erasures", get(erasures::list).post(erasures::post))
            .route("/v1/erasures/{id}", get(erasures::get));
        let export = Router::new()
            .route("/v1/exports", get(exports::list).post(exports::post))
            .route("/v1/exports/continuous", get(continuous::list).post(continuous::post))
            .route("/v1/exports/continuous/{id}", get(continuous::get).patch(continuous::patch))
            .route("/v1/exports/continuous/{id}", delete(continuous::delete))
            .route("/v1/exports/continuous/{id}/replay", post(continuous::replay))
            .route("/v1/exports/continuous/{id}/files", get(continuous::files::list))
            .route("/v1/exports/continuous/{id}/files/{*name}", get(continuous::files::get))
            .route("/v1/exports/continuous/{id}/file-urls/{*name}", get(continuous::files::url))
            .route("/v1/exports/{id}", get(exports::get).delete(exports::delete))
            .route("/v1/exports/{id}/files/{name}", get(exports::file))
            .route("/v1/exports/{id}/files/{name}/url", get(exports::file_url));
        let tenants = Router::new()
            .route("/v1/tenants", get(tenants::list))
            .route("/v1/tenants/{id}", get(tenants::get))
            .route("/v1/tenants/{id}/table", get(table::get))
            .route("/v1/tenants/{id}/table/files", get(table::files::list))
            .route("/v1/tenants/{id}/versions", get(tenants::versions));
        let with_key = with_scope(&[Scope::Ingest], ingest)
            .merge(with_scope(&[Scope::Read], read))
            .merge(with_scope(&[Scope::Read, Scope::Admin], tenants))
            .merge(with_scope(&[Scope::Export], export))
            .merge(with_scope(&[Scope::Admin], admin))
            .route_layer(middleware::from_fn_with_state(self.clone(), record::refusals))
            .route_layer(middleware::from_fn_with_state(self.clone(), gate::authenticate));
        let open = Router::new()
            .route("/healthz", get(health::healthz))
            .route("/readyz", get(health::readyz))
            .route("/metrics", get(health::metrics))
            .route("/problems/{name}", get(problem::explain))
            .route("/openapi.json", get(openapi::serve))
            .route("/docs", get(docs::serve));
        with_key
            .merge(open)
            .fallback(no_such_route)
            .method_not_allowed_fallback(no_such_method)
            // Bodies are read by `body::read`, which has a cap, a deadline and a memory budget of its own.
            .layer(DefaultBodyLimit::disable())
            .layer(middleware::from_fn(bounds::no_stray_body))
            .layer(middleware::from_fn_with_state(self.clone(), bounds::in_time))
            .layer(middleware::map_request_with_state(self.clone(), unread::lend_body))
            .layer(middleware::from_fn_with_state(origins.clone(), cors::preflight))
            .layer(middleware::from_fn_with_state(self.metrics.http.clone(), observe::observe))
            .layer(middleware::from_fn_with_state(origins, cors::share))
            .with_state(self.clone())
    }

    /// From now on `/readyz` says no, so that load balancers send requests elsewhere.
    pub fn begin_shutdown(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Waits until every batch that was read is handled. Call it once no connection is open any more.
    pub async fn finish_appends(&self) {
        self.appends.close();
        self.appends.wait().await;
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// `routes` for principals with one of `scopes`.
fn with_scope(scopes: &'static [Scope], routes: Router<Api>) -> Router<Api> {
    routes.route_layer(middleware::from_fn_with_state(scopes, gate::require))
}

async fn no_such_route(uri: Uri) -> Problem {
    Problem::new(ProblemType::NotFound, format!("there is nothing at {}", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(ProblemType::MethodNotAllowed, format!("{} does not take {method}", uri.path()))
}
