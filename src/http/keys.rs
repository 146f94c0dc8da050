//! `/v1/keys`: make, list, rotate and revoke keys; for keys with the scope `admin`.
//!
//! In: names, scopes, times. Out: descriptions of keys; the key itself only in the answer that makes it. Guaranteed: a key
//! bound to a tenant manages that tenant's keys, and of others learns nothing, not even that they are there (404).

use std::collections::BTreeSet;

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Api,
    caller::Caller,
    pages::List,
    params::{Params, in_path},
    problem::Problem,
    record::Record,
    sql,
};
use crate::{
    auth::{Described, KeyPage, Made, NewKey, Principal, Scope},
    error::ErrorKind,
    event::TenantId,
    limits,
};

const FORM: &str = "{\"name\", \"scopes\", \"tenant_id\"?, \"expires_at\"?}";
const ROTATION_FORM: &str = "{\"grace_seconds\"?}";

const LIST: List = List {
    path: "/v1/keys",
    purpose: "keys-cursor",
    limit: limits::KEYS_PAGE,
    limit_max: limits::KEYS_PAGE_MAX,
};

/// Some of the keys there are.
#[derive(Debug, Serialize)]
struct Page {
    keys: Vec<Described>,
    next_cursor: Option<String>,
}

/// What a new key is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    scopes: BTreeSet<Scope>,
    tenant_id: Option<String>,
    expires_at: Option<DateTime<Utc>>,
}

/// For how long the secret before still holds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    grace_seconds: Option<i64>,
}

/// A page of those that the principal may see, newest first.
pub(super) async fn list(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id", "limit", "cursor"])?;
    let walk = LIST.walk(api.auth.signer(), &principal, &params)?;
    let KeyPage { keys, end } =
        api.auth.keys().page(&principal, walk.tenant.as_ref(), walk.after.as_ref(), walk.limit);
    LIST.answer(api.auth.signer(), walk, end, |next_cursor| Page { keys, next_cursor })
}

/// One of them.
pub(super) async fn get(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Described>, Problem> {
    Params::parse(query.as_deref(), &[])?;
    Ok(Json(api.auth.keys().get(&principal, &in_path(id)?)?))
}

/// A new one.
pub(super) async fn post(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::parse(query.as_deref(), &[])?;
    let wanted: Wanted = sql::parse(&sql::read_question(&api, &headers, body).await?, FORM)?;
    let wanted = NewKey {
        name: wanted.name,
        scopes: wanted.scopes,
        tenant: wanted.tenant_id.as_deref().map(sql::tenant_in_body).transpose()?,
        expires_ms: wanted.expires_at.map(|time| time.timestamp_millis()),
    };
    let asked = json!({"name": wanted.name, "scopes": wanted.scopes, "expires_ms": wanted.expires_ms});
    // What is not there for this key is the tenant that it names.
    let new =
        api.auth.keys().create(&caller.principal, wanted).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Problem::from(error).at("/tenant_id"),
            _ => Problem::from(error),
        })?;
    changed(&api, &caller, "auditlog.key.create", &new.described, asked).await;
    made(new)
}

/// A new secret for one of them.
pub(super) async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::parse(query.as_deref(), &[])?;
    let body = sql::read_question(&api, &headers, body).await?;
    let rotation: Rotation =
        if body.is_empty() { Rotation::default() } else { sql::parse(&body, ROTATION_FORM)? };
    let grace_ms =
        rotation.grace_seconds.map_or(limits::KEY_GRACE_MS, |seconds| seconds.saturating_mul(1_000));
    let new = api.auth.keys().rotate(&caller.principal, &in_path(id)?, grace_ms).await?;
    changed(&api, &caller, "auditlog.key.rotate", &new.described, json!({"grace_ms": grace_ms})).await;
    made(new)
}

/// The end of one of them.
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Problem> {
    Params::parse(query.as_deref(), &[])?;
    let id = in_path(id)?;
    api.auth.keys().revoke(&caller.principal, &id).await?;
    let revoked = api.auth.keys().get(&caller.principal, &id)?;
    changed(&api, &caller, "auditlog.key.revoke", &revoked, json!({})).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Records a change of a key, in the log of the tenant that it is bound to.
async fn changed(api: &Api, caller: &Caller, action: &'static str, key: &Described, asked: Value) {
    let tenant = key.tenant_id.as_deref().and_then(|tenant| TenantId::parse(tenant).ok());
    Record::of_change(api, caller, action, tenant)
        .target("api_key", &*key.id)
        .with(asked)
        .done_already()
        .await;
}

/// 201 with the key, which no cache may keep.
fn made(made: Made) -> Result<Response, Problem> {
    let location = HeaderValue::try_from(format!("/v1/keys/{}", made.described.id))
        .map_err(|error| Problem::internal(error.to_string()))?;
    let headers: [(HeaderName, HeaderValue); 2] =
        [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, headers, Json(made)).into_response())
}
