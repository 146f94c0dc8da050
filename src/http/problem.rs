//! Problems: every answer that is not a success, as RFC 9457 `application/problem+json`.
//!
//! A handler returns a [`Problem`]; [`observe`](super::observe) completes it with the request's id and path and
//! logs its report. Guaranteed: `type` is a stable reference to compare with (`/problems/…`), and an answer of
//! 500 or above says nothing about the inside: its `detail` names the request id under which the log tells more.
//! A problem that is about one part of the request names it: `pointer` a member of the body (RFC 6901), `parameter` a
//! query parameter, `header` a header.

mod kind;
mod page;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

pub use self::kind::ProblemType;
pub(super) use self::page::explain;
use super::request_id::RequestId;
use crate::{
    error::{Error, ErrorKind},
    rate::{Exceeded, Whose},
};

/// One problem on its way to the client.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    kind: ProblemType,
    detail: String,
    /// The whole story, for the log only.
    report: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    members: Map<String, Value>,
    /// Whether the log of the log tells of it already.
    recorded: bool,
}

impl Problem {
    /// A problem whose `detail` may be shown to the client.
    pub(super) fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        let headers = match kind {
            ProblemType::Unauthorized => {
                vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"auditlake\""))]
            }
            ProblemType::TooManyRequests | ProblemType::Unavailable | ProblemType::Timeout => {
                vec![(header::RETRY_AFTER, HeaderValue::from_static("1"))]
            }
            _ => Vec::new(),
        };
        Self { kind, detail: detail.into(), report: None, headers, members: Map::new(), recorded: false }
    }

    /// A problem of the server's own making: `report` goes to the log, never to the client.
    pub(super) fn internal(report: impl Into<String>) -> Self {
        Self { report: Some(report.into()), ..Self::new(ProblemType::Internal, "") }
    }

    /// The same problem about the body's member that `pointer` (RFC 6901) leads to, unless it is about another already.
    pub(super) fn at(self, pointer: &str) -> Self {
        self.about("pointer", pointer)
    }

    /// The same problem about a query parameter, unless it is about something else already.
    pub(super) fn of_parameter(self, name: &str) -> Self {
        self.about("parameter", name)
    }

    /// The same problem about a header of the request, unless it is about something else already.
    pub(super) fn of_header(self, name: &str) -> Self {
        self.about("header", name)
    }

    fn about(mut self, member: &str, value: &str) -> Self {
        if !["pointer", "parameter", "header"].iter().any(|member| self.members.contains_key(*member)) {
            self.members.insert(member.into(), value.into());
        }
        self
    }

    /// Which kind it is.
    pub(super) fn kind(&self) -> ProblemType {
        self.kind
    }

    /// The same problem with a header, in place of one of that name if there is one.
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
        self
    }

    /// The same problem with one more member (RFC 9457, section 3.2).
    pub(super) fn with_member(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.into(), value);
        self
    }

    /// The same problem in other words.
    pub(super) fn explained(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The same problem, of which the log of the log tells.
    pub(super) fn recorded(self) -> Self {
        Self { recorded: true, ..self }
    }

    /// Whether the log of the log tells of it already.
    pub(super) fn is_recorded(&self) -> bool {
        self.recorded
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
        let mut document = self.members.clone();
        let detail = match self.report {
            Some(_) if self.detail.is_empty() => format!("the server's log has the cause under {request_id}"),
            Some(_) => format!("{}; the server's log has the cause under {request_id}", self.detail),
            None => self.detail.clone(),
        };
        document.insert("type".into(), self.kind.reference().into());
        document.insert("title".into(), self.kind.title().into());
        document.insert("status".into(), self.kind.status().into());
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
        let problem = match kind {
            ProblemType::Internal => Self { report, ..Self::new(kind, "") },
            ProblemType::Unavailable => {
                Self { report, ..Self::new(kind, "this cannot be done at the moment and was not done") }
            }
            shown => Self::new(shown, error.to_string()),
        };
        match error.pointer() {
            Some(pointer) => problem.at(pointer),
            None => problem,
        }
    }
}

impl From<Exceeded> for Problem {
    fn from(exceeded: Exceeded) -> Self {
        let of = match exceeded.whose {
            Whose::Key => "key",
            Whose::Tenant => "tenant",
            Whose::Address => "address",
        };
        let seconds = exceeded.retry_after_seconds;
        Self::new(ProblemType::RateLimited, exceeded.detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
            .with_member("policy", exceeded.policy.into())
            .with_member("of", of.into())
            .with_member("retry_after_seconds", seconds.into())
    }
}

impl IntoResponse for Problem {
    /// The status and headers, with the problem among the extensions for `observe` to complete.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.kind.code();
        response.headers_mut().extend(self.headers.iter().cloned());
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests;
