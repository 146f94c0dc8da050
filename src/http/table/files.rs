//! `/v1/tenants/{id}/table/files`: the live files of a tenant's table, for programs that read Parquet by a list of files.
//!
//! In: a tenant's id, days, how many. Out: pages of whole days. Guaranteed: as for the table itself, another tenant's is 404 in the same
//! words as one that does not exist; a cursor is of one table and its days.

use axum::{
    Extension,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::Response,
};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    auth::Principal,
    error::{Error, ErrorKind},
    event::TenantId,
    http::{
        Api, cursor,
        pages::List,
        params::{Params, wrong},
        problem::Problem,
        tenants::named,
    },
    limits,
    table::{Days, LiveFiles},
};

const LIST: List = List {
    path: "/v1/tenants/{id}/table/files",
    purpose: "table-files-cursor",
    limit: limits::TABLE_FILES_PAGE,
    limit_max: limits::TABLE_FILES_PAGE_MAX,
};

/// Where a page ends, of which table, and which of its days are wanted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    #[serde(rename = "t")]
    tenant: TenantId,
    /// Those that are left.
    #[serde(rename = "d")]
    days: Days,
}

/// Some files.
#[derive(Debug, Serialize)]
struct Page {
    #[serde(flatten)]
    found: LiveFiles,
    next_cursor: Option<String>,
}

/// A page of those of one table.
pub(in crate::http) async fn list(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["first_day", "last_day", "limit", "cursor"])?;
    principal.require_key()?;
    let tenant = named(id)?;
    let (first, last) = (params.parsed("first_day", day)?, params.parsed("last_day", day)?);
    let walk = LIST.walk::<End>(api.auth.signer(), &principal, &params)?;
    let days = match &walk.after {
        None => Days::new(first, last).map_err(|error| Problem::from(error).of_parameter("last_day"))?,
        Some(_) if first.is_some() => return Err(wrong("first_day", "the cursor holds the days")),
        Some(_) if last.is_some() => return Err(wrong("last_day", "the cursor holds the days")),
        Some(end) if end.tenant == tenant => end.days,
        Some(_) => return Err(cursor::not_given()),
    };
    let found = api.auth.tenants().live_files(&principal, &tenant, days, walk.limit).await?;
    let path = LIST.path.replace("{id}", tenant.as_str());
    let end = found.end.map(|end| End { tenant, days: days.after(end) });
    LIST.answer_at(&path, api.auth.signer(), walk, end, |next_cursor| Page { found, next_cursor })
}

fn day(text: &str) -> Result<NaiveDate, Error> {
    let wrong = || Error::new(ErrorKind::Invalid, format!("it is {text:?}; it is a day, such as 2026-11-30"));
    text.parse().map_err(|_| wrong())
}
