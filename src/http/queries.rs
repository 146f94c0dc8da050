//! `GET /v1/queries` and `POST /v1/queries/{name}`: saved investigations.
//!
//! In: nothing; or a name and `{"params"?, "tenant_id"?}`, or no body at all. Out: what there is to ask; or an answer
//! as [`sql`](super::sql) gives it, in the same formats and with the same statistics. Errors name what is wrong: the
//! query (404, with the names that are near), or the parameter and what was expected (422).

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Api,
    params::{Params, in_path},
    problem::Problem,
    sql,
};
use crate::{auth::Principal, query::saved::Description};

const FORM: &str = "{\"params\"?, \"tenant_id\"?}";

/// All there is to ask, by name.
#[derive(Debug, Serialize)]
pub(super) struct List {
    queries: Vec<Description>,
}

/// The request's body.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Question {
    params: Map<String, Value>,
    tenant_id: Option<String>,
}

/// What there is to ask.
pub(super) async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Json<List>, Problem> {
    Params::parse(query.as_deref(), &[])?;
    Ok(Json(List { queries: api.saved.descriptions().cloned().collect() }))
}

/// The answer to one of them.
pub(super) async fn post(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let name = in_path(name)?;
    let params = Params::parse(query.as_deref(), &["format", "tenant_id"])?;
    let format = sql::format_of(&params, &headers)?;
    let investigation = api.saved.get(&name)?;
    let body = sql::read_question(&api, &headers, body).await?;
    let question = if body.is_empty() { Question::default() } else { sql::parse(&body, FORM)? };
    let scope = sql::scope(&principal, question.tenant_id.as_deref(), &params)?;
    let request = investigation.request(&question.params, scope, api.clock.now().date_naive())?;
    sql::run(&api, &principal, request, format).await
}
