//! `/v1/exports/continuous/{id}/files`: what was delivered and is kept here.
//!
//! In: which export, and from which delivery on; a file's name. Out: pages of its files, the first delivery first; a file, a range of its
//! bytes, a URL of it. Guaranteed: a cursor is of one export; each file that is fetched is recorded first.

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind},
    export::{
        KeptFile,
        continuous::{DeliveredFile, FilesAt, FilesPage},
    },
    http::{
        Api,
        caller::Caller,
        cursor,
        exports::reached,
        files,
        pages::List,
        params::{Params, in_path, wrong},
        problem::Problem,
        record::Record,
    },
    limits,
    query::Scope,
};

const LIST: List = List {
    path: "/v1/exports/continuous/{id}/files",
    purpose: "delivered-files-cursor",
    limit: limits::CONTINUOUS_FILES_PAGE,
    limit_max: limits::CONTINUOUS_FILES_PAGE_MAX,
};

/// Where a page ends, and of which export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    #[serde(rename = "e")]
    export: String,
    at: FilesAt,
}

/// Some files, the first delivery first.
#[derive(Debug, Serialize)]
struct Page {
    files: Vec<DeliveredFile>,
    next_cursor: Option<String>,
}

/// A page of those of one export.
pub(in crate::http) async fn list(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id", "after_delivery", "limit", "cursor"])?;
    let id = in_path(id)?;
    let signer = api.auth.signer();
    let walk = LIST.walk::<End>(signer, &caller.principal, &params)?;
    let number = |text: &str| {
        let wrong = || {
            Error::new(ErrorKind::Invalid, format!("it is {text:?}; it is the number of a delivery, or 0"))
        };
        text.parse::<u64>().map_err(|_| wrong())
    };
    let after = params.parsed("after_delivery", number)?;
    let at = match &walk.after {
        None => FilesAt::after_delivery(after.unwrap_or(0)),
        Some(_) if after.is_some() => return Err(wrong("after_delivery", "the cursor says from where on")),
        Some(end) if end.export == id => end.at.clone(),
        Some(_) => return Err(cursor::not_given()),
    };
    let tenant = reached(&caller.principal);
    let FilesPage { files, end } =
        api.continuous.files(tenant, &id, walk.tenant.as_ref(), at, walk.limit).await?;
    let path = LIST.path.replace("{id}", &id);
    let end = end.map(|at| End { export: id, at });
    LIST.answer_at(&path, signer, walk, end, |next_cursor| Page { files, next_cursor })
}

/// One of them, or a range of its bytes.
pub(in crate::http) async fn get(
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

/// A URL of the store that gives one of them to whoever has it.
pub(in crate::http) async fn url(
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
    let (file, tenant) = api.continuous.kept(reached(&caller.principal), &id, &name)?;
    let scope = tenant.map_or(Scope::All, Scope::Tenant);
    let record = Record::of(api, caller, "auditlog.continuous_export.download", &scope);
    Ok((file, record.target("continuous_export", id)))
}
