//! The gate: who asks, whether their key opens this, and whether they have not asked for too much.
//!
//! In: a request. Out: the same with a [`Principal`] among its extensions, or 401, 403 or 429. Guaranteed: a good key is
//! never refused for what others do from the same address, as behind a proxy all come from one; who sends keys that do not
//! hold is told less and less often that they don't; every answer to a known key tells how it stands with its limits.
//!
//! Headers as of draft-ietf-httpapi-ratelimit-headers-10. `q` is what a full bucket holds and `w` the seconds in which so
//! much comes back; `t` is when it is full again.

use std::{fmt::Write as _, net::IpAddr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    Api,
    connections::PeerAddr,
    problem::{Problem, ProblemType},
    record,
};
use crate::{
    auth::{Auth, Principal, Reach, Scope},
    control::TenantLimits,
    error::Error,
    event::TenantId,
    query::{self, Question, Running},
    rate::{Exceeded, Payer, Resource, Standing},
    telemetry::metrics::PolicyLabel,
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Among an answer's extensions: the tenant that an all-tenant key's request was about.
#[derive(Clone, Debug)]
pub(super) struct About(pub(super) TenantId);

/// Finds out who asks, for the handler ([`Principal`] among the request's extensions) and for the access log
/// (among the response's), and takes one request of theirs.
pub(super) async fn authenticate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let credentials = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let principal = match api.auth.authenticate(credentials) {
        Ok(principal) => principal,
        Err(error) => {
            let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.0.ip());
            let refusal = record::Unauthorized::of(&api, &request);
            drop(request);
            let problem = unknown(&api, peer, error);
            if problem.kind() == ProblemType::Unauthorized {
                refusal.write(&api, problem.detail()).await;
            }
            return problem.into_response();
        }
    };
    let tenant = match principal.reach() {
        Reach::All => None,
        Reach::Tenant(tenant) => Some(tenant.clone()),
    };
    let mut response = match api.rate.request(payer(&api.auth, &principal, tenant.as_ref())) {
        Ok(()) => {
            request.extensions_mut().insert(principal.clone());
            next.run(request).await
        }
        Err(exceeded) => limited(&api, exceeded).into_response(),
    };
    let about = tenant.or_else(|| response.extensions_mut().remove::<About>().map(|about| about.0));
    let standings = api.rate.standings(payer(&api.auth, &principal, about.as_ref()));
    show(&standings, response.headers_mut());
    response.extensions_mut().insert(principal);
    response
}

/// Refuses a principal with none of `scopes`.
pub(super) async fn require(
    State(scopes): State<&'static [Scope]>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let principal = request.extensions().get::<Principal>();
    principal
        .ok_or_else(|| Problem::internal("a route that needs a scope has no principal"))?
        .require_one(scopes)?;
    Ok(next.run(request).await)
}

/// Refuses who owes events already.
pub(super) fn may_send(api: &Api, principal: &Principal, tenant: Option<&TenantId>) -> Result<(), Problem> {
    let payer = payer(&api.auth, principal, tenant);
    api.rate.allows(payer, Resource::Events).map_err(|exceeded| limited(api, exceeded))
}

/// Charges for the events of one request: `sent` to the key, and to each tenant its own. `key` is the principal's id.
pub(super) fn charge_events(
    api: &Api,
    key: &str,
    sent: usize,
    tenants: Vec<(TenantId, u64)>,
) -> Result<(), Problem> {
    let with_limits: Vec<(TenantId, TenantLimits, u64)> = tenants
        .into_iter()
        .map(|(tenant, count)| {
            let limits = api.auth.tenant_limits(&tenant);
            (tenant, limits, count)
        })
        .collect();
    let charged = api.rate.events(key, sent as u64, &with_limits);
    charged.map_err(|exceeded| limited(api, exceeded))
}

/// Runs a query that its key and its tenant pay for, if they do not owe query seconds already. Every query of the API
/// goes this way.
pub(super) async fn query(
    api: &Api,
    principal: &Principal,
    question: impl Into<Question>,
) -> Result<Running, Problem> {
    let question = question.into();
    let tenant = question.scope().tenant().cloned();
    let payer_now = payer(&api.auth, principal, tenant.as_ref());
    api.rate.allows(payer_now, Resource::QuerySeconds).map_err(|exceeded| limited(api, exceeded))?;
    let (rate, auth, principal) = (api.rate.clone(), api.auth.clone(), principal.clone());
    let meter: query::Meter =
        Box::new(move |held| rate.query(payer(&auth, &principal, tenant.as_ref()), held));
    Ok(api.engine.run_metered(question, Some(meter)).await?)
}

fn payer<'a>(auth: &Auth, principal: &'a Principal, tenant: Option<&'a TenantId>) -> Payer<'a> {
    let tenant = tenant.map(|tenant| (tenant, auth.tenant_limits(tenant)));
    let issuer = principal.viewer().map(|viewer| viewer.issued_by.as_str());
    Payer { key: principal.id(), issuer, tenant }
}

/// 401, or 429 if there were too many of them from there.
fn unknown(api: &Api, peer: Option<IpAddr>, error: Error) -> Problem {
    match peer.map_or(Ok(()), |peer| api.rate.failure(peer)) {
        Ok(()) => error.into(),
        Err(exceeded) => limited(api, exceeded),
    }
}

fn limited(api: &Api, exceeded: Exceeded) -> Problem {
    api.metrics.http.rate_limited.get_or_create(&PolicyLabel { policy: exceeded.policy }).inc();
    exceeded.into()
}

fn show(standings: &[Standing], headers: &mut HeaderMap) {
    let (mut policies, mut states) = (String::new(), String::new());
    for standing in standings {
        let comma = if policies.is_empty() { "" } else { ", " };
        let Standing { policy, quota, window_seconds, remaining, full_in_seconds } = standing;
        // Writing to a string cannot fail.
        let _ = write!(policies, "{comma}\"{policy}\";q={quota};w={window_seconds}");
        let _ = write!(states, "{comma}\"{policy}\";r={remaining};t={full_in_seconds}");
    }
    for (name, text) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, states)] {
        if let Ok(value) = HeaderValue::try_from(text)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
}
