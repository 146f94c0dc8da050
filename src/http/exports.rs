//! `/v1/exports`: ask for exports, look at them, fetch their files, give them up.
//!
//! In: what, in which format, where to. Out: a job (202), which is carried out in its turn. Guaranteed: a key bound to a tenant
//! sees that tenant's exports; another's is 404 in the same words as one that does not exist; asking for an export and each
//! file that is fetched are recorded first.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{
    Api,
    caller::Caller,
    files,
    pages::List,
    params::{Params, in_path},
    problem::{Problem, ProblemType},
    record::{Record, to_the_end},
    sql,
};
use crate::{
    auth::{Principal, Reach},
    event::TenantId,
    export::{
        Asked, ExportId, ExportPage, KeptFile, NewExport, Status, What,
        encode::{Compression, Format},
        manifest,
    },
    limits,
    query::{Filter, Scope},
};

const FORM: &str = "{\"tenant_id\"?, \"filter\" | \"sql\" | \"query\", \"params\"?, \"format\", \"compression\"?, \"destination\"?}";

/// What an export is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    tenant_id: Option<String>,
    filter: Option<Filter>,
    sql: Option<String>,
    query: Option<String>,
    params: Option<Map<String, Value>>,
    format: Format,
    compression: Option<Compression>,
    destination: Option<Asked>,
}

const LIST: List = List {
    path: "/v1/exports",
    purpose: "exports-cursor",
    limit: limits::EXPORTS_PAGE,
    limit_max: limits::EXPORTS_PER_TENANT_MAX as u64,
};

/// Some exports, newest first.
#[derive(Debug, Serialize)]
struct Page {
    exports: Vec<Status>,
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
    let Some(tenant) = scope.tenant().cloned() else {
        let detail = "an export is of one tenant: name it with tenant_id";
        return Err(Problem::new(ProblemType::Invalid, detail).at("/tenant_id"));
    };
    let what = what(&api, &wanted, &scope)?;
    let mut asked = manifest::what(&what);
    asked.insert("format".to_owned(), json!(wanted.format.name()));
    let record = Record::of(&api, &caller, "auditlog.export.create", &scope).with(Value::Object(asked));
    let new = NewExport {
        tenant,
        what,
        format: wanted.format,
        compression: wanted.compression,
        destination: wanted.destination.unwrap_or_default(),
        by: caller.principal.id().to_owned(),
    };
    let status = to_the_end(async move {
        let status = match api.exports.create(new).await {
            Ok(status) => status,
            Err(error) => return Err(record.failed(error.into()).await),
        };
        let recorded = record.with(json!({"destination": status.destination}));
        // Nothing of it can be fetched by who is not told its id.
        if let Err(error) = recorded.target("export", &*status.id).done(None).await {
            api.exports.cancel(None, &ExportId::parse(&status.id)?).await?;
            return Err(error);
        }
        Ok(status)
    });
    let status = status.await?;
    let location = HeaderValue::try_from(format!("/v1/exports/{}", status.id))
        .map_err(|error| Problem::internal(error.to_string()))?;
    let mut response =
        (StatusCode::ACCEPTED, [(header::LOCATION, location), files::no_store()], Json(status))
            .into_response();
    sql::tell_tenant(&mut response, &scope);
    Ok(response)
}

/// What is asked for: exactly one of three, or everything.
fn what(api: &Api, wanted: &Wanted, scope: &Scope) -> Result<What, Problem> {
    let params = wanted.params.clone();
    let wrong = |pointer: &str, detail: &str| Err(Problem::new(ProblemType::Invalid, detail).at(pointer));
    match (&wanted.filter, &wanted.sql, &wanted.query) {
        (filter, None, None) => match params {
            None => Ok(What::Filter(Box::new(filter.clone().unwrap_or_default()))),
            Some(_) => wrong("/params", "a filter has no parameters"),
        },
        (None, Some(text), None) => {
            Ok(What::Sql { text: text.clone(), params: params.unwrap_or_default(), query: None })
        }
        (None, None, Some(name)) => {
            let today = api.clock.now().date_naive();
            let request = api.saved.get(name)?.request(&params.unwrap_or_default(), scope.clone(), today)?;
            Ok(What::Sql { text: request.sql, params: request.params, query: Some(name.clone()) })
        }
        _ => wrong("", "only one of filter, sql and query can be asked for"),
    }
}

/// A page of those that the principal may see.
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id", "limit", "cursor"])?;
    let walk = LIST.walk(api.auth.signer(), &caller.principal, &params)?;
    let ExportPage { exports, end } = api.exports.page(walk.tenant.as_ref(), walk.after.as_ref(), walk.limit);
    LIST.answer(api.auth.signer(), walk, end, |next_cursor| Page { exports, next_cursor })
}

/// One of them; with `wait_seconds`, once it has ended or the seconds are over.
pub(super) async fn get(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Status>, Problem> {
    let params = Params::parse(query.as_deref(), &["wait_seconds"])?;
    let id = ExportId::parse(&in_path(id)?)?;
    let tenant = reached(&caller.principal);
    if let Some(seconds) = params.count("wait_seconds", limits::EXPORT_WAIT_SECONDS_MAX)? {
        let ended = api.exports.ended(tenant, &id);
        if let Ok(status) = timeout(Duration::from_secs(seconds), ended).await {
            return Ok(Json(status?));
        }
    }
    Ok(Json(api.exports.get(tenant, &id)?))
}

/// Stops one, or removes it with its files if it has ended.
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::parse(query.as_deref(), &[])?;
    let id = ExportId::parse(&in_path(id)?)?;
    let tenant = reached(&caller.principal);
    let of = TenantId::parse(&api.exports.get(tenant, &id)?.tenant_id)?;
    let left = api.exports.cancel(tenant, &id).await?;
    let record = Record::of_change(&api, &caller, "auditlog.export.delete", Some(of));
    record.target("export", id.as_str()).done_already().await;
    Ok(match left {
        Some(status) => Json(status).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// A file of a complete one that is kept here, or a range of its bytes.
pub(super) async fn file(
    State(api): State<Api>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Params::parse(query.as_deref(), &[])?;
    let (file, record) = kept(&api, &caller, path)?;
    files::answer(&file, record, &headers).await
}

/// A URL of the store that gives a file of a complete one to whoever has it.
pub(super) async fn file_url(
    State(api): State<Api>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["seconds"])?;
    let (file, record) = kept(&api, &caller, path)?;
    files::url(&api, &file, record, &params).await
}

/// A file, and the record of its being fetched.
fn kept(
    api: &Api,
    caller: &Caller,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<(KeptFile, Record), Problem> {
    let (id, name) = in_path(path)?;
    let id = ExportId::parse(&id)?;
    let tenant = reached(&caller.principal);
    let file = api.exports.kept(tenant, &id, &name)?;
    let of = TenantId::parse(&api.exports.get(tenant, &id)?.tenant_id)?;
    let record = Record::of(api, caller, "auditlog.export.download", &Scope::Tenant(of));
    Ok((file, record.target("export", id.as_str())))
}

/// The tenant whose exports the principal sees; `None`: all.
pub(super) fn reached(principal: &Principal) -> Option<&TenantId> {
    match principal.reach() {
        Reach::Tenant(tenant) => Some(tenant),
        Reach::All => None,
    }
}
