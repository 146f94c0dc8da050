//! Bounds that hold on every route: how long until an answer begins, and no body where none is read.
//!
//! Guaranteed: whatever a handler waits for, its client hears something within `http.request_timeout_ms`; a body that
//! nobody would look at is refused, not taken and thrown away.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use hyper::body::Body as _;
use tokio::time;

use super::{
    Api,
    problem::{Problem, ProblemType},
};

/// Gives up a request whose answer does not begin in time. What was handed to a task of its own, as a batch of events that
/// was read, goes on.
pub(super) async fn in_time(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let allowed = api.settings.request_timeout();
    time::timeout(allowed, next.run(request)).await.map_err(|_| {
        let detail = format!("no answer within {} ms; what became of it is not known", allowed.as_millis());
        Problem::new(ProblemType::Timeout, detail)
    })
}

/// Refuses a body that comes with a method that has none.
pub(super) async fn no_stray_body(request: Request, next: Next) -> Result<Response, Problem> {
    let method = request.method();
    let reads_none = [Method::GET, Method::HEAD, Method::DELETE].contains(method);
    if reads_none && !request.body().is_end_stream() {
        // What comes of it is in the way of any further request.
        return Err(Problem::new(ProblemType::BadRequest, format!("{method} takes no body"))
            .with_header(header::CONNECTION, HeaderValue::from_static("close")));
    }
    Ok(next.run(request).await)
}
