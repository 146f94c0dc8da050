//! `POST /v1/sql`: a question in SQL, answered as a stream.
//!
//! In: `{"sql", "tenant_id"?, "params"?}`; the format by `?format=` or `Accept`. Out: rows in that format, or a
//! problem. The answer begins when its first bytes are there, so that what fails early has a proper status; what
//! fails later breaks the connection off (see [`answer`](super::answer)). A query ends with its client. Guaranteed: it is
//! recorded before its answer begins.

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) use super::json::parse;
use super::{
    Api,
    answer::{self, Tally},
    body,
    caller::Caller,
    encoding::Encoding,
    gate::{self, About},
    media::Media,
    params::Params,
    problem::{Problem, ProblemType},
    record::Record,
};
use crate::{
    auth::Principal,
    event::TenantId,
    limits,
    query::{
        Request, Scope, Statistics,
        format::{Format, encode},
    },
};

/// What planning found out (files considered, pruned, kept), as JSON, for every format; what is known only at the
/// end stands in the answer itself, where its format has room for it.
pub(super) const STATISTICS: HeaderName = HeaderName::from_static("auditlake-statistics");

const QUESTION_FORM: &str = "{\"sql\", \"tenant_id\"?, \"params\"?}";

/// The request's body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    sql: String,
    tenant_id: Option<String>,
    #[serde(default)]
    params: Map<String, Value>,
}

/// The handler.
pub(super) async fn post(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["format", "tenant_id"])?;
    let format = format_of(&params, &headers)?;
    let question: Question = parse(&read_question(&api, &headers, body).await?, QUESTION_FORM)?;
    let scope = scope(&caller.principal, question.tenant_id.as_deref(), &params)?;
    let record = Record::of(&api, &caller, "auditlog.sql", &scope)
        .with(json!({"sql": question.sql, "params": question.params, "format": format.name()}));
    let request = Request { sql: question.sql, params: question.params, scope };
    // What is wrong with a question and is about nothing else is about its text.
    run(&api, &caller, record, request, format).await.map_err(|problem| match problem.kind() {
        ProblemType::Invalid => problem.at("/sql"),
        _ => problem,
    })
}

/// Runs a query, records it, and begins its answer.
pub(super) async fn run(
    api: &Api,
    caller: &Caller,
    record: Record,
    request: Request,
    format: Format,
) -> Result<Response, Problem> {
    match begin(api, caller, &record, request, format).await {
        Ok(response) => Ok(response),
        Err(problem) => Err(record.failed(problem).await),
    }
}

async fn begin(
    api: &Api,
    caller: &Caller,
    record: &Record,
    request: Request,
    format: Format,
) -> Result<Response, Problem> {
    let tally = Tally::start(&api.metrics.query);
    let scope = request.scope.clone();
    let running = gate::query(api, &caller.principal, request).await?;
    let planned = running.statistics();
    api.metrics.query.files_pruned.inc_by(planned.files_considered.saturating_sub(planned.files_kept));
    api.metrics.query.files_kept.inc_by(planned.files_kept);

    let cost = running.cost();
    let begun = answer::begin(encode(running, format)).await?;
    let whole = begun.whole;
    record.done(whole.then(|| cost.statistics().rows_returned)).await?;
    let (tasks, record) = (api.appends.clone(), record.clone());
    let at_end = move |ended_well| {
        if !whole {
            tasks.spawn(async move {
                record.ended("auditlog.answer_ended", cost.statistics().rows_returned, ended_well).await;
            });
        }
    };
    let mut response = Response::new(begun.into_body(tally, at_end));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(STATISTICS, statistics_header(&planned)?);
    tell_tenant(&mut response, &scope);
    Ok(response)
}

/// Lets the gate tell how a tenant stands with its limits.
pub(super) fn tell_tenant(response: &mut Response, scope: &Scope) {
    if let Some(tenant) = scope.tenant() {
        response.extensions_mut().insert(About(tenant.clone()));
    }
}

/// `?format=` if given, else `Accept`, else JSON.
pub(super) fn format_of(params: &Params, headers: &HeaderMap) -> Result<Format, Problem> {
    if let Some(name) = params.get("format") {
        let unknown = |error: crate::error::Error| {
            Problem::new(ProblemType::BadRequest, error.to_string()).of_parameter("format")
        };
        return Format::from_name(name).map_err(unknown);
    }
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let accept = ranges.collect::<Vec<_>>().join(", ");
    if accept.trim().is_empty() {
        return Ok(Format::Json);
    }
    Format::from_accept(&accept).ok_or_else(|| {
        Problem::new(ProblemType::NotAcceptable, format!("no format of an answer matches Accept: {accept}"))
            .of_header("accept")
    })
}

/// The bytes of a question's body.
pub(super) async fn read_question(api: &Api, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    if Media::of(headers)? != Media::Json || Encoding::of(headers)? != Encoding::Identity {
        let detail = "this body is application/json without a content encoding";
        return Err(Problem::new(ProblemType::UnsupportedMediaType, detail).of_header("content-type"));
    }
    let mut share = api.bodies.share();
    let timeout = api.settings.body_timeout();
    body::read(body, limits::SQL_REQUEST_BYTES_MAX, timeout, &mut share).await
}

/// What the principal sees of the tenant that the body or the query parameter names.
pub(super) fn scope(principal: &Principal, in_body: Option<&str>, params: &Params) -> Result<Scope, Problem> {
    let named = named_tenant(in_body, params)?;
    principal.scope(named).map_err(|error| match in_body {
        Some(_) => Problem::from(error).at("/tenant_id"),
        None => Problem::from(error).of_parameter("tenant_id"),
    })
}

/// The tenant that the body or the query parameter names; both may, if they agree.
fn named_tenant(in_body: Option<&str>, params: &Params) -> Result<Option<TenantId>, Problem> {
    let in_body = in_body.map(tenant_in_body).transpose()?;
    match (in_body, params.tenant()?) {
        (Some(one), Some(other)) if one != other => {
            let detail = format!("the body names tenant '{one}', the query parameter tenant '{other}'");
            Err(Problem::new(ProblemType::Invalid, detail).at("/tenant_id"))
        }
        (in_body, in_query) => Ok(in_body.or(in_query)),
    }
}

/// A body's `tenant_id`.
pub(super) fn tenant_in_body(text: &str) -> Result<TenantId, Problem> {
    TenantId::parse(text).map_err(|error| Problem::from(error).at("/tenant_id"))
}

pub(super) fn statistics_header(statistics: &Statistics) -> Result<HeaderValue, Problem> {
    let json = serde_json::to_string(statistics).map_err(|error| Problem::internal(error.to_string()))?;
    HeaderValue::try_from(json).map_err(|error| Problem::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a mistyped member that is ignored, so that a query runs without its parameters.
    #[test]
    fn questions_have_no_unknown_members() {
        let parse = |body: &str| parse::<Question>(body.as_bytes(), QUESTION_FORM);
        assert_eq!(parse(r#"{"sql": "SELECT 1"}"#).unwrap().sql, "SELECT 1");
        assert!(format!("{:?}", parse(r#"{"sql": "", "parms": {}}"#).unwrap_err()).contains("parms"));
        assert!(format!("{:?}", parse("SELECT 1").unwrap_err()).contains("BadRequest"));
    }

    /// Would catch a query that runs over another tenant than the one named last.
    #[test]
    fn body_and_parameter_must_agree_on_the_tenant() {
        let named = |in_body, query| {
            let params = Params::parse(Some(query), &["tenant_id"]).unwrap();
            named_tenant(in_body, &params).map_err(drop)
        };
        let tenant = |text| Ok(Some(TenantId::parse(text).unwrap()));
        assert_eq!(named(None, ""), Ok(None));
        assert_eq!(named(Some("a"), ""), tenant("a"));
        assert_eq!(named(None, "tenant_id=b"), tenant("b"));
        assert_eq!(named(Some("a"), "tenant_id=a"), tenant("a"));
        assert_eq!(named(Some("a"), "tenant_id=b"), Err(()));
        assert_eq!(named(Some("../a"), ""), Err(()));
    }
}
