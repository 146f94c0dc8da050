//! `/healthz`, `/readyz`, `/metrics`: what an orchestrator and a monitoring system ask, without a key.
//!
//! `healthz` says that the process answers; nothing else, so that a store's outage does not restart it in a loop.
//! `readyz` says whether events would be accepted now. `metrics` is in the OpenMetrics text format.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::{
    Api,
    problem::{Problem, ProblemType},
};
use crate::{ingest, telemetry::metrics::CONTENT_TYPE};

pub(super) async fn healthz() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

pub(super) async fn readyz(State(api): State<Api>) -> Result<Response, Problem> {
    let reason = match api.ingest.state() {
        _ if api.is_stopping() => "shutting down",
        ingest::State::Running if api.ingest.is_stuck() => {
            "events that wait to be committed fill the memory, and commits fail; they are tried again"
        }
        ingest::State::Running => return Ok(Json(json!({"status": "ready"})).into_response()),
        ingest::State::Refusing => {
            "the store refused the last write of events; it is tried again each second, the server's log says why it fails"
        }
        ingest::State::Recovering => "reading back the write-ahead log",
        ingest::State::Resolving => "finding out what became of a write to the store",
        // The reason itself may name objects of the store; it is in the log.
        ingest::State::Stopped(_) => "the writer has stopped; only a restart helps",
        ingest::State::Closed => "closed",
    };
    Err(Problem::new(ProblemType::Unavailable, format!("not ready: {reason}")))
}

pub(super) async fn metrics(State(api): State<Api>) -> Response {
    api.metrics.set_uncommitted_bytes(api.ingest.uncommitted_bytes());
    ([(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))], api.metrics.render()).into_response()
}
