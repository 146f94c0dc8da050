//! Who calls, for handlers: the principal, and what the log of the log tells of it.

use std::net::IpAddr;

use axum::{
    extract::FromRequestParts,
    http::{Extensions, HeaderMap, header, request::Parts},
};

use super::{Api, connections::PeerAddr, problem::Problem, request_id::RequestId};
use crate::{
    auth::{Principal, Reach},
    logbook::By,
};

/// Who calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// As authenticated.
    pub(super) principal: Principal,
    /// As recorded.
    pub(super) by: By,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Principal>().cloned();
        let principal =
            principal.ok_or_else(|| Problem::internal("a route that needs a key has no principal"))?;
        let by = Circumstances::of(&parts.headers, &parts.extensions).by(&principal);
        Ok(Self { principal, by })
    }
}

/// What is known of a request whoever sends it.
#[derive(Clone, Debug)]
pub(super) struct Circumstances {
    address: Option<IpAddr>,
    request_id: Option<String>,
    user_agent: Option<String>,
}

impl Circumstances {
    pub(super) fn of(headers: &HeaderMap, extensions: &Extensions) -> Self {
        let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Self {
            address: extensions.get::<PeerAddr>().map(|peer| peer.0.ip()),
            request_id: extensions.get::<RequestId>().map(RequestId::to_string),
            user_agent: user_agent.map(str::to_owned),
        }
    }

    /// The one who is known as `principal`.
    pub(super) fn by(self, principal: &Principal) -> By {
        let all_tenants = *principal.reach() == Reach::All;
        match principal.viewer() {
            Some(viewer) => {
                self.named("viewer", &viewer.subject, Some(viewer.issued_by.clone()), all_tenants)
            }
            None if principal.is_root() => self.named("root_key", principal.id(), None, all_tenants),
            None => self.named("api_key", principal.id(), None, all_tenants),
        }
    }

    /// One whose key opens nothing: known by the key's id, if it ever was one.
    pub(super) fn refused(self, key: Option<&str>, all_tenants: bool) -> By {
        match key {
            Some(key) => self.named("api_key", key, None, all_tenants),
            None => self.named("unknown", "unknown", None, true),
        }
    }

    fn named(self, kind: &'static str, id: &str, issued_by: Option<String>, all_tenants: bool) -> By {
        let Self { address, request_id, user_agent } = self;
        By { kind, id: id.to_owned(), issued_by, all_tenants, address, request_id, user_agent }
    }
}
