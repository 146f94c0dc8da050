//! Problems: every answer that is not a success, as RFC 9457 `application/problem+json`.
//!
//! A handler returns a [`Problem`]; [`observe`](super::observe) completes it with the request's id and path and
//! logs its report. Guaranteed: `type` is a stable reference to compare with (`/problems/…`), and an answer of
//! 500 or above says nothing about the inside: its `detail` names the request id under which the log tells more.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use super::request_id::RequestId;
use crate::error::{Error, ErrorKind};

/// What went wrong, in terms a client can act on: one `type` of RFC 9457 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProblemType {
    /// The request cannot be parsed; sending it again will not help.
    BadRequest,
    /// No key, or a wrong one.
    Unauthorized,
    /// The key is good and lacks the scope.
    Forbidden,
    /// No such route or object, or not for this key.
    NotFound,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// No format the client accepts can be produced.
    NotAcceptable,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The request contradicts what is stored, or repeats one in flight.
    Conflict,
    /// The body is over a cap.
    ContentTooLarge,
    /// A content type or encoding that is not read here.
    UnsupportedMediaType,
    /// The request was understood and is wrong.
    Invalid,
    /// Every event sent was refused.
    EventsRejected,
    /// Too much at the moment; `Retry-After` says when.
    TooManyRequests,
    /// A defect or damaged data.
    Internal,
    /// The same request will work later.
    Unavailable,
}

impl ProblemType {
    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::ContentTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid | Self::EventsRejected => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The `type` member and the `title` member.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::BadRequest => ("/problems/bad-request", "The request cannot be parsed"),
            Self::Unauthorized => ("/problems/unauthorized", "A valid key is required"),
            Self::Forbidden => ("/problems/forbidden", "The key lacks the scope"),
            Self::NotFound => ("/problems/not-found", "Not found"),
            Self::MethodNotAllowed => ("/problems/method-not-allowed", "Method not allowed"),
            Self::NotAcceptable => ("/problems/not-acceptable", "No acceptable format"),
            Self::RequestTimeout => ("/problems/request-timeout", "The body did not arrive in time"),
            Self::Conflict => ("/problems/conflict", "The request contradicts what is stored"),
            Self::ContentTooLarge => ("/problems/content-too-large", "The body is too large"),
            Self::UnsupportedMediaType => {
                ("/problems/unsupported-media-type", "Unsupported content type or encoding")
            }
            Self::Invalid => ("/problems/invalid", "The request is not valid"),
            Self::EventsRejected => ("/problems/events-rejected", "No event was accepted"),
            Self::TooManyRequests => ("/problems/too-many-requests", "Too many requests"),
            Self::Internal => ("/problems/internal", "Internal error"),
            Self::Unavailable => ("/problems/unavailable", "Temporarily unavailable"),
        }
    }
}

/// One problem on its way to the client.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    kind: ProblemType,
    detail: String,
    /// The whole story, for the log only.
    report: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    members: Map<String, Value>,
}

impl Problem {
    /// A problem whose `detail` may be shown to the client.
    pub(super) fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        let headers = match kind {
            ProblemType::Unauthorized => {
                vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"auditlake\""))]
            }
            ProblemType::TooManyRequests | ProblemType::Unavailable => {
                vec![(header::RETRY_AFTER, HeaderValue::from_static("1"))]
            }
            _ => Vec::new(),
        };
        Self { kind, detail: detail.into(), report: None, headers, members: Map::new() }
    }

    /// A problem of the server's own making: `report` goes to the log, never to the client.
    pub(super) fn internal(report: impl Into<String>) -> Self {
        Self { report: Some(report.into()), ..Self::new(ProblemType::Internal, "") }
    }

    /// The same problem with one more header.
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same problem with one more member (RFC 9457, section 3.2).
    pub(super) fn with_member(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.into(), value);
        self
    }

    /// What kind of problem it is.
    pub(super) fn kind(&self) -> ProblemType {
        self.kind
    }

    /// What the client is told.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// What the log should say beyond the status, if anything.
    pub(super) fn report(&self) -> Option<&str> {
        self.report.as_deref()
    }

    /// The document that the client gets.
    pub(super) fn document(&self, request_id: &RequestId, path: &str) -> Vec<u8> {
        let (name, title) = self.kind.names();
        let mut document = self.members.clone();
        let detail = match self.report {
            Some(_) if self.detail.is_empty() => format!("the server's log has the cause under {request_id}"),
            Some(_) => format!("{}; the server's log has the cause under {request_id}", self.detail),
            None => self.detail.clone(),
        };
        document.insert("type".into(), name.into());
        document.insert("title".into(), title.into());
        document.insert("status".into(), self.kind.status().as_u16().into());
        document.insert("detail".into(), detail.into());
        document.insert("instance".into(), path.into());
        document.insert("request_id".into(), request_id.to_string().into());
        Value::Object(document).to_string().into_bytes()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Invalid | ErrorKind::Limit => ProblemType::Invalid,
            ErrorKind::Unauthorized => ProblemType::Unauthorized,
            ErrorKind::Forbidden => ProblemType::Forbidden,
            ErrorKind::NotFound => ProblemType::NotFound,
            ErrorKind::Conflict => ProblemType::Conflict,
            ErrorKind::Busy => ProblemType::TooManyRequests,
            ErrorKind::Unavailable | ErrorKind::Fenced => ProblemType::Unavailable,
            ErrorKind::Corrupt | ErrorKind::Internal => ProblemType::Internal,
        };
        let report = Some(error.report());
        match kind {
            ProblemType::Internal => Self { report, ..Self::new(kind, "") },
            ProblemType::Unavailable => {
                Self { report, ..Self::new(kind, "this cannot be done at the moment and was not done") }
            }
            shown => Self::new(shown, error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    /// The status and headers, with the problem among the extensions for `observe` to complete.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.kind.status();
        response.headers_mut().extend(self.headers.iter().cloned());
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;

    fn document(problem: &Problem) -> Value {
        let id = RequestId::of(&HeaderMap::new());
        serde_json::from_slice(&problem.document(&id, "/v1/sql")).unwrap()
    }

    /// Would catch a store's address or a file's name in an answer.
    #[test]
    fn server_errors_tell_nothing_but_the_request_id() {
        for kind in [ErrorKind::Internal, ErrorKind::Corrupt, ErrorKind::Unavailable, ErrorKind::Fenced] {
            let problem =
                Problem::from(Error::with_source(kind, "put wal/7", std::io::Error::other("10.0.0.1")));
            let text = document(&problem).to_string();
            assert!(!text.contains("wal") && !text.contains("10.0.0.1"), "{text}");
            assert_eq!(problem.report(), Some("put wal/7: 10.0.0.1"));
        }
    }

    /// Would catch a kind answered with the wrong status or without its header.
    #[test]
    fn kinds_have_their_status_and_headers() {
        let cases = [
            (ErrorKind::Invalid, 422, None),
            (ErrorKind::Limit, 422, None),
            (ErrorKind::Unauthorized, 401, Some(header::WWW_AUTHENTICATE)),
            (ErrorKind::Forbidden, 403, None),
            (ErrorKind::NotFound, 404, None),
            (ErrorKind::Conflict, 409, None),
            (ErrorKind::Busy, 429, Some(header::RETRY_AFTER)),
            (ErrorKind::Unavailable, 503, Some(header::RETRY_AFTER)),
            (ErrorKind::Fenced, 503, Some(header::RETRY_AFTER)),
            (ErrorKind::Corrupt, 500, None),
            (ErrorKind::Internal, 500, None),
        ];
        for (kind, status, required) in cases {
            let problem = Problem::from(Error::new(kind, "x"));
            assert_eq!(document(&problem)["status"], status);
            let response = problem.into_response();
            assert_eq!(response.status().as_u16(), status);
            assert!(required.is_none_or(|name| response.headers().contains_key(name)), "{kind:?}");
        }
    }
}
