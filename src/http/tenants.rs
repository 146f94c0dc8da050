//! `/v1/tenants`: show tenants, and change what is set for them.
//!
//! In: ids, and JSON merge patches (RFC 7396). Out: settings, their versions, and the days that can be queried. Guaranteed: a key
//! bound to a tenant sees that one; another is 404 in the same words as for one that does not exist.

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Api,
    caller::Caller,
    etag,
    pages::List,
    params::{Params, in_path},
    problem::{Problem, ProblemType},
    record::Record,
    sql,
};
use crate::{
    auth::{DescribedTenant, Patch, Principal, TenantPage, VersionOfTenant},
    error::ErrorKind,
    event::TenantId,
    limits,
};

const FORM: &str = "{\"name\"?, \"retention_days\"?, \"lock_days\"?, \"legal_hold\"?, \"limits\"?}";
const MERGE_PATCH: &str = "application/merge-patch+json";

const LIST: List = List {
    path: "/v1/tenants",
    purpose: "tenants-cursor",
    limit: limits::TENANTS_PAGE,
    limit_max: limits::TENANTS_PAGE_MAX,
};

/// Some of the tenants there are.
#[derive(Debug, Serialize)]
struct Page {
    tenants: Vec<DescribedTenant>,
    next_cursor: Option<String>,
}

/// What was set for a tenant.
#[derive(Debug, Serialize)]
pub(super) struct Versions {
    versions: Vec<VersionOfTenant>,
}

/// A page of those that the principal may see, by id.
pub(super) async fn list(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["limit", "cursor"])?;
    principal.require_key()?;
    let walk = LIST.walk(api.auth.signer(), &principal, &params)?;
    let page = api.auth.tenants().list(&principal, walk.after.as_ref(), walk.limit).await?;
    let TenantPage { tenants, end } = page;
    LIST.answer(api.auth.signer(), walk, end, |next_cursor| Page { tenants, next_cursor })
}

/// One of them.
pub(super) async fn get(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::parse(query.as_deref(), &[])?;
    principal.require_key()?;
    tagged(api.auth.tenants().get(&principal, &named(id)?).await?)
}

/// What was set for one of them, newest first.
pub(super) async fn versions(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Versions>, Problem> {
    Params::parse(query.as_deref(), &[])?;
    principal.require_key()?;
    let versions = api.auth.tenants().versions(&principal, &named(id)?).await?;
    Ok(Json(Versions { versions }))
}

/// Changes what is set for one of them, if it is as `If-Match` says.
pub(super) async fn patch(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    mut headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::parse(query.as_deref(), &[])?;
    let id = named(id)?;
    let expected = etag::if_match(&headers)?;
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| value == MERGE_PATCH) {
        // To the reader of bodies it is JSON.
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let body = sql::read_question(&api, &headers, body).await?;
    let patch: Patch = sql::parse(&body, FORM)?;
    let asked = json!({"patch": sql::parse::<Value>(&body, FORM)?});
    let set = api.auth.tenants().set(&caller.principal, &id, &patch, &expected).await;
    let set = set.map_err(|error| match error.kind() {
        ErrorKind::Conflict if error.pointer().is_none() => {
            Problem::new(ProblemType::PreconditionFailed, error.to_string()).of_header("if-match")
        }
        _ => error.into(),
    })?;
    let record = Record::of_change(&api, &caller, "auditlog.tenant.update", Some(id.clone()));
    record.target("tenant", id.as_str()).with(asked).done_already().await;
    tagged(set)
}

/// A tenant, with the version of what is set for it.
fn tagged(tenant: DescribedTenant) -> Result<Response, Problem> {
    Ok(([(header::ETAG, etag::of_version(tenant.version)?)], Json(tenant)).into_response())
}

pub(super) fn named(id: Result<Path<String>, PathRejection>) -> Result<TenantId, Problem> {
    Ok(TenantId::parse(&in_path(id)?)?)
}
