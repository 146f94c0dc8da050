//! `/v1/erasures`: have what names a person taken out of a log, and see how far it is.
//!
//! In: of whom. Out: a job (202), which is carried out in its turn. Guaranteed: a key bound to a tenant sees that tenant's erasures;
//! another's is 404 in the same words as one that does not exist; asking for one is recorded.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

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
    erasure::{ErasurePage, Status, job},
    limits,
};

const FORM: &str = "{\"tenant_id\"?, \"actor_id\"}";

/// What an erasure is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    tenant_id: Option<String>,
    actor_id: String,
}

const LIST: List = List {
    path: "/v1/erasures",
    purpose: "erasures-cursor",
    limit: limits::ERASURES_PAGE,
    limit_max: limits::ERASURES_PAGE_MAX,
};

/// Some erasures, newest first.
#[derive(Debug, Serialize)]
struct Page {
    erasures: Vec<Status>,
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
    let Wanted { tenant_id, actor_id } = sql::parse(&sql::read_question(&api, &headers, body).await?, FORM)?;
    let scope = sql::scope(&caller.principal, tenant_id.as_deref(), &params)?;
    let Some(tenant) = scope.tenant().cloned() else {
        let detail = "an erasure is of one tenant's log: name it with tenant_id";
        return Err(Problem::new(ProblemType::Invalid, detail).at("/tenant_id"));
    };
    if actor_id.is_empty() || actor_id.len() > limits::REFERENCE_BYTES_MAX {
        let detail =
            format!("actor_id has {} bytes, not 1 to {}", actor_id.len(), limits::REFERENCE_BYTES_MAX);
        return Err(Problem::new(ProblemType::Invalid, detail).at("/actor_id"));
    }
    let record = Record::of_change(&api, &caller, "auditlog.erasure.create", Some(tenant.clone()))
        .with(json!({"actor_id": actor_id}));
    let status = to_the_end(async move {
        match api.erasures.create(&tenant, &actor_id, caller.principal.id()).await {
            Ok(status) => {
                record.target("erasure", &*status.id).done_already().await;
                Ok(status)
            }
            Err(error) => Err(record.failed(error.into()).await),
        }
    });
    let status = status.await?;
    let location = HeaderValue::try_from(format!("/v1/erasures/{}", status.id))
        .map_err(|error| Problem::internal(error.to_string()))?;
    let mut response = (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(status)).into_response();
    sql::tell_tenant(&mut response, &scope);
    Ok(response)
}

/// A page of those that the principal may see.
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id", "limit", "cursor"])?;
    let walk = LIST.walk(api.auth.signer(), &caller.principal, &params)?;
    let ErasurePage { erasures, end } = api.erasures.page(walk.tenant.as_ref(), walk.after, walk.limit);
    LIST.answer(api.auth.signer(), walk, end, |next_cursor| Page { erasures, next_cursor })
}

/// One of them; with `wait_seconds`, once no query shows the values any more or the seconds are over.
pub(super) async fn get(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Status>, Problem> {
    let params = Params::parse(query.as_deref(), &["wait_seconds"])?;
    let id = job::parse(&in_path(id)?)?;
    let tenant = reached(&caller.principal);
    if let Some(seconds) = params.count("wait_seconds", limits::ERASURE_WAIT_SECONDS_MAX)? {
        let rewritten = api.erasures.rewritten(tenant, id);
        if let Ok(status) = timeout(Duration::from_secs(seconds), rewritten).await {
            return Ok(Json(status?));
        }
    }
    Ok(Json(api.erasures.get(tenant, id)?))
}
