//! `/v1/tenants`: show tenants, and change what is set for them.
//!
//! In: ids, and JSON merge patches (RFC 7396). Out: settings, their versions, and the days that can be queried. Guaranteed: a key
//! bound to a tenant sees that one; another is 404 in the same words as for one that does not exist.

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, header},
};
use serde::Serialize;

use super::{
    Api,
    params::{Params, in_path},
    problem::{Problem, ProblemType},
    sql,
};
use crate::{
    auth::{DescribedTenant, Patch, Principal, TenantPage, VersionOfTenant},
    event::TenantId,
    limits,
};

const FORM: &str = "{\"name\"?, \"retention_days\"?, \"legal_hold\"?, \"limits\"?}";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// What was set for a tenant.
#[derive(Debug, Serialize)]
pub(super) struct Versions {
    versions: Vec<VersionOfTenant>,
}

/// Those that the principal may see, by id: `limit` of them that follow `after`.
pub(super) async fn list(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Result<Json<TenantPage>, Problem> {
    let params = Params::parse(query.as_deref(), &["after", "limit"])?;
    let after = params.get("after").map(TenantId::parse).transpose()?;
    let limit = limit(params.get("limit"))?;
    Ok(Json(api.auth.tenants().list(&principal, after.as_ref(), limit).await?))
}

/// One of them.
pub(super) async fn get(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<DescribedTenant>, Problem> {
    Params::parse(query.as_deref(), &[])?;
    Ok(Json(api.auth.tenants().get(&principal, &named(id)?).await?))
}

/// What was set for one of them, newest first.
pub(super) async fn versions(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Versions>, Problem> {
    Params::parse(query.as_deref(), &[])?;
    let versions = api.auth.tenants().versions(&principal, &named(id)?).await?;
    Ok(Json(Versions { versions }))
}

/// Changes what is set for one of them.
pub(super) async fn patch(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    mut headers: HeaderMap,
    body: Body,
) -> Result<Json<DescribedTenant>, Problem> {
    Params::parse(query.as_deref(), &[])?;
    let id = named(id)?;
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| value == MERGE_PATCH) {
        // To the reader of bodies it is JSON.
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let patch: Patch = sql::parse(&sql::read_question(&api, &headers, body).await?, FORM)?;
    Ok(Json(api.auth.tenants().set(&principal, &id, &patch).await?))
}

fn named(id: Result<Path<String>, PathRejection>) -> Result<TenantId, Problem> {
    Ok(TenantId::parse(&in_path(id)?)?)
}

fn limit(given: Option<&str>) -> Result<usize, Problem> {
    let Some(given) = given else { return Ok(limits::TENANTS_PAGE) };
    let max = limits::TENANTS_PAGE_MAX;
    given.parse().ok().filter(|limit| (1..=max).contains(limit)).ok_or_else(|| {
        let detail = format!("query parameter limit is {given:?}; it is a number from 1 to {max}");
        Problem::new(ProblemType::BadRequest, detail)
    })
}
