//! `/v1/exports/continuous`: have a log delivered as it grows, look how far it is, let it rest, deliver again, end it.
//!
//! In: what, in which form, how often, where to. Out: a continuous export and its state. Guaranteed: a key bound to a tenant sees that
//! tenant's; another's is 404 in the same words as one that does not exist; each change is recorded.

pub(super) mod files;

use axum::{
    Json,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Api,
    caller::Caller,
    exports::reached,
    pages::List,
    params::{Params, in_path},
    problem::{Problem, ProblemType},
    record::{Record, to_the_end},
    sql,
};
use crate::{
    control::ReplayFrom,
    event::TenantId,
    export::{
        Asked,
        continuous::{ContinuousPage, ContinuousStatus, Layout, NewContinuous},
        encode::{Compression, Format},
    },
    limits,
    query::Filter,
};

const FORM: &str = "{\"tenant_id\"?, \"filter\"?, \"layout\", \"format\"?, \"compression\"?, \"destination\"?, \
                    \"interval_seconds\"?, \"rows_max\"?, \"bytes_max\"?, \"from\"?}";
const PATCH_FORM: &str = "{\"paused\"}";
const REPLAY_FORM: &str = "{\"seq\" | \"since\"}";

/// What a continuous export is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    tenant_id: Option<String>,
    filter: Option<Filter>,
    layout: Layout,
    format: Option<Format>,
    compression: Option<Compression>,
    destination: Option<Asked>,
    interval_seconds: Option<u64>,
    rows_max: Option<u64>,
    bytes_max: Option<u64>,
    from: Option<NaiveDate>,
}

/// What is to be different.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    paused: bool,
}

/// From where on deliveries are made again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    seq: Option<u64>,
    since: Option<DateTime<Utc>>,
}

const LIST: List = List {
    path: "/v1/exports/continuous",
    purpose: "continuous-exports-cursor",
    limit: limits::CONTINUOUS_PAGE,
    limit_max: limits::CONTINUOUS_PAGE_MAX,
};

/// Some of them, newest first.
#[derive(Debug, Serialize)]
struct Page {
    exports: Vec<ContinuousStatus>,
    next_cursor: Option<String>,
}

/// A new one.
pub(super) async fn post(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id"])?;
    let wanted: Wanted = sql::parse(&sql::read_question(&api, &headers, body).await?, FORM)?;
    let scope = sql::scope(&caller.principal, wanted.tenant_id.as_deref(), &params)?;
    let tenant = scope.tenant().cloned();
    let new = NewContinuous {
        tenant: tenant.clone(),
        filter: wanted.filter.unwrap_or_default(),
        layout: wanted.layout,
        format: wanted.format,
        compression: wanted.compression,
        destination: wanted.destination.unwrap_or_default(),
        interval_seconds: wanted.interval_seconds,
        rows: wanted.rows_max,
        bytes: wanted.bytes_max,
        from: wanted.from,
        by: caller.principal.id().to_owned(),
    };
    let asked = json!({"layout": new.layout, "filter": new.filter, "from": new.from});
    let record = Record::of_change(&api, &caller, "auditlog.continuous_export.create", tenant).with(asked);
    let made = to_the_end(async move {
        let made = match api.continuous.create(new).await {
            Ok(made) => made,
            Err(error) => return Err(record.failed(error.into()).await),
        };
        let record = record
            .with(json!({"destination": made.delivers.as_ref().map(|delivers| &delivers.destination)}))
            .target("continuous_export", &*made.id);
        // What is not on record is not handed over.
        if let Err(error) = record.done(None).await {
            api.continuous.remove(None, &made.id, caller.principal.id()).await?;
            return Err(error);
        }
        Ok(made)
    });
    let made = made.await?;
    let location = HeaderValue::try_from(format!("/v1/exports/continuous/{}", made.id))
        .map_err(|error| Problem::internal(error.to_string()))?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(made)).into_response())
}

/// A page of those that the principal may see.
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id", "limit", "cursor"])?;
    let walk = LIST.walk(api.auth.signer(), &caller.principal, &params)?;
    let page = api.continuous.page(walk.tenant.as_ref(), walk.after.as_ref(), walk.limit).await?;
    let ContinuousPage { exports, end } = page;
    LIST.answer(api.auth.signer(), walk, end, |next_cursor| Page { exports, next_cursor })
}

/// One of them.
pub(super) async fn get(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<ContinuousStatus>, Problem> {
    Params::parse(query.as_deref(), &[])?;
    Ok(Json(api.continuous.get(reached(&caller.principal), &in_path(id)?).await?))
}

/// Lets one rest, or go on.
pub(super) async fn patch(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ContinuousStatus>, Problem> {
    Params::parse(query.as_deref(), &[])?;
    let id = in_path(id)?;
    let (tenant, by) = (reached(&caller.principal), caller.principal.id());
    let Patch { paused } = sql::parse(&sql::read_question(&api, &headers, body).await?, PATCH_FORM)?;
    api.continuous.pause(tenant, &id, paused, by).await?;
    let changed = api.continuous.get(tenant, &id).await?;
    changed_already(&api, &caller, "auditlog.continuous_export.update", &changed, json!({"paused": paused}))
        .await;
    Ok(Json(changed))
}

/// Has one deliver again.
pub(super) async fn replay(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::parse(query.as_deref(), &[])?;
    let id = in_path(id)?;
    let (tenant, by) = (reached(&caller.principal), caller.principal.id());
    let again: Again = sql::parse(&sql::read_question(&api, &headers, body).await?, REPLAY_FORM)?;
    let (from, asked) = match (again.seq, again.since) {
        (Some(seq), None) => (ReplayFrom::Seq(i64::try_from(seq).unwrap_or(i64::MAX)), json!({"seq": seq})),
        (None, Some(since)) => (ReplayFrom::SinceMs(since.timestamp_millis()), json!({"since": since})),
        _ => return Err(Problem::new(ProblemType::Invalid, "either seq or since says from where on").at("")),
    };
    api.continuous.replay(tenant, &id, from, by).await?;
    let changed = api.continuous.get(tenant, &id).await?;
    changed_already(&api, &caller, "auditlog.continuous_export.replay", &changed, asked).await;
    Ok((StatusCode::ACCEPTED, Json(changed)).into_response())
}

/// Ends one.
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Problem> {
    Params::parse(query.as_deref(), &[])?;
    let id = in_path(id)?;
    let tenant = reached(&caller.principal);
    let ended = api.continuous.get(tenant, &id).await?;
    api.continuous.remove(tenant, &id, caller.principal.id()).await?;
    changed_already(&api, &caller, "auditlog.continuous_export.delete", &ended, Value::Null).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Records what was done to one.
async fn changed_already(
    api: &Api,
    caller: &Caller,
    action: &'static str,
    changed: &ContinuousStatus,
    asked: Value,
) {
    let tenant: Option<TenantId> = changed.tenant_id.clone();
    let record = Record::of_change(api, caller, action, tenant).with(asked);
    record.target("continuous_export", &*changed.id).done_already().await;
}
