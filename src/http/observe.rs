//! Around every request: its id, its problem completed, its line in the log, its share of the metrics.
//!
//! Guaranteed: exactly one log line and one count for each request, written when the answer's last byte is
//! handed over or its client has left; a panic in a handler becomes a 500 and costs no other request anything.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::FutureExt as _;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use tracing::Instrument as _;

use super::{
    activity::InFlight,
    problem::Problem,
    request_id::{RequestId, X_REQUEST_ID},
};
use crate::{
    auth::Principal,
    telemetry::metrics::{HttpLabels, HttpMetrics, RouteLabel, observe_since},
};

/// The outermost middleware but for [`share`](super::cors::share).
pub(super) async fn observe(
    State(metrics): State<HttpMetrics>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let request_id = RequestId::of(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let in_flight = request.extensions().get::<InFlight>().cloned();
    request.extensions_mut().insert(request_id.clone());

    let span = tracing::info_span!("request", request_id = %request_id);
    let handled = AssertUnwindSafe(next.run(request).instrument(span)).catch_unwind().await;
    let mut response = handled.unwrap_or_else(|panic| Problem::internal(panic_text(&*panic)).into_response());

    let mut report = None;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        report = problem.report().map(str::to_owned);
        *response.body_mut() = Body::new(Full::from(problem.document(&request_id, &path)));
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    response.headers_mut().insert(X_REQUEST_ID, request_id.to_header());
    let principal = response.extensions().get::<Principal>().map(|principal| principal.id().to_owned());
    let record = Record {
        metrics,
        started,
        method,
        route,
        path,
        status: response.status(),
        request_id,
        principal,
        report,
        _in_flight: in_flight,
    };
    response.map(|inner| Body::new(Observed { inner, bytes: 0, ended: false, failure: None, record }))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", text.unwrap_or("(no message)"))
}

/// What is known of a request once its answer begins.
struct Record {
    metrics: HttpMetrics,
    started: Instant,
    method: Method,
    route: String,
    path: String,
    status: StatusCode,
    request_id: RequestId,
    principal: Option<String>,
    report: Option<String>,
    /// Until the answer's end.
    _in_flight: Option<InFlight>,
}

impl Record {
    fn write(&self, bytes: u64, ending: Ending<'_>) {
        let (ending, failure) = match ending {
            Ending::Complete => ("complete", None),
            Ending::Failed(failure) => ("failed", Some(failure)),
            Ending::Left => ("client left", None),
        };
        let labels = HttpLabels { route: self.route.clone(), status: self.status.as_u16() };
        self.metrics.requests.get_or_create(&labels).inc();
        let label = RouteLabel { route: self.route.clone() };
        observe_since(&self.metrics.seconds.get_or_create(&label), self.started);
        self.metrics.sent_bytes.inc_by(bytes);

        let report = self.report.as_deref().or(failure);
        let ms = self.started.elapsed().as_micros() as f64 / 1e3;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    method = %self.method,
                    path = self.path,
                    status = self.status.as_u16(),
                    ms,
                    bytes,
                    request_id = %self.request_id,
                    principal = self.principal,
                    ending,
                    report,
                    "request"
                )
            };
        }
        match (self.route.as_str(), report) {
            (_, Some(_)) => line!(error),
            ("/healthz" | "/readyz" | "/metrics", None) => line!(debug),
            _ => line!(info),
        }
    }
}

enum Ending<'a> {
    Complete,
    Failed(&'a str),
    Left,
}

/// An answer's body that writes the request's record when it ends, however it ends.
struct Observed {
    inner: Body,
    bytes: u64,
    ended: bool,
    failure: Option<String>,
    record: Record,
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            None => self.ended = true,
            Some(Ok(frame)) => self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(error)) => self.failure = Some(causes(error)),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        // A body of known length is not asked again after its last byte, so its own word counts too.
        let complete = self.ended || self.inner.is_end_stream() || self.record.method == Method::HEAD;
        let ending = match &self.failure {
            Some(failure) => Ending::Failed(failure),
            None if complete => Ending::Complete,
            None => Ending::Left,
        };
        self.record.write(self.bytes, ending);
    }
}

/// An error and its causes in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware, routing::get};
    use futures::{StreamExt as _, stream};
    use http_body_util::BodyExt as _;
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;
    use crate::telemetry::Metrics;

    fn observed(metrics: &Metrics) -> Router {
        let endless = || async { Body::from_stream(stream::repeat("x").map(Ok::<_, std::io::Error>)) };
        let panicking = || async {
            if true {
                panic!("secret 10.0.0.1")
            }
        };
        Router::new()
            .route("/panic", get(panicking))
            .route("/endless", get(endless))
            .route("/empty", get(|| async {}))
            .layer(middleware::from_fn_with_state(metrics.http.clone(), observe))
    }

    async fn ask(metrics: &Metrics, path: &str) -> Response {
        let request = Request::get(path).body(Body::empty()).unwrap();
        observed(metrics).oneshot(request).await.unwrap()
    }

    /// Would catch a panic that takes the connection with it, or whose text reaches the client.
    #[tokio::test]
    async fn a_panic_is_a_problem_with_a_request_id() {
        let response = ask(&Metrics::default(), "/panic").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let request_id = response.headers()[X_REQUEST_ID].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&problem["request_id"], &problem["instance"]), (&request_id.into(), &"/panic".into()));
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }

    /// Would catch an answer that is counted twice, or never because its client left.
    #[tokio::test]
    async fn every_answer_is_counted_once() {
        let metrics = Metrics::default();
        let count = |route: &str| {
            let labels = HttpLabels { route: route.into(), status: 200 };
            metrics.http.requests.get_or_create(&labels).get()
        };
        let mut left = ask(&metrics, "/endless").await.into_body();
        left.frame().await.unwrap().unwrap();
        assert_eq!(count("/endless"), 0, "its answer has not ended");
        drop(left);
        ask(&metrics, "/empty").await.into_body().collect().await.unwrap();
        assert_eq!((count("/endless"), count("/empty"), metrics.http.sent_bytes.get()), (1, 1, 1));
    }
}
