//! `POST /v1/sql`: a question in SQL, answered as a stream.
//!
//! In: `{"sql", "tenant_id"?, "params"?}`; the format by `?format=` or `Accept`. Out: rows in that format, or a
//! problem. The answer begins when its first bytes are there, so that what fails early has a proper status; what
//! fails later breaks the connection off (see [`answer`](super::answer)). A query ends with its client.

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Api,
    answer::{self, Tally},
    body,
    encoding::Encoding,
    media::Media,
    params::Params,
    problem::{Problem, ProblemType},
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
const STATISTICS: HeaderName = HeaderName::from_static("auditlake-statistics");

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
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["format", "tenant_id"])?;
    let format = format_of(&params, &headers)?;
    let question = read_question(&api, &headers, body).await?;
    let scope = principal.tenant(named_tenant(&question, &params)?)?.map_or(Scope::All, Scope::Tenant);

    let tally = Tally::start(&api.metrics.query);
    let running = api.engine.run(Request { sql: question.sql, params: question.params, scope }).await?;
    let planned = running.statistics();
    api.metrics.query.files_pruned.inc_by(planned.files_considered.saturating_sub(planned.files_kept));
    api.metrics.query.files_kept.inc_by(planned.files_kept);

    let mut response = Response::new(answer::begin(encode(running, format), tally).await?);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(STATISTICS, statistics_header(&planned)?);
    Ok(response)
}

/// `?format=` if given, else `Accept`, else JSON.
fn format_of(params: &Params, headers: &HeaderMap) -> Result<Format, Problem> {
    if let Some(name) = params.get("format") {
        let unknown = |error: crate::error::Error| Problem::new(ProblemType::BadRequest, error.to_string());
        return Format::from_name(name).map_err(unknown);
    }
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let accept = ranges.collect::<Vec<_>>().join(", ");
    if accept.trim().is_empty() {
        return Ok(Format::Json);
    }
    Format::from_accept(&accept).ok_or_else(|| {
        Problem::new(ProblemType::NotAcceptable, format!("no format of an answer matches Accept: {accept}"))
    })
}

async fn read_question(api: &Api, headers: &HeaderMap, body: Body) -> Result<Question, Problem> {
    if Media::of(headers)? != Media::Json || Encoding::of(headers)? != Encoding::Identity {
        let detail = "a question is application/json without a content encoding";
        return Err(Problem::new(ProblemType::UnsupportedMediaType, detail));
    }
    let mut share = api.bodies.share();
    let timeout = api.settings.body_timeout();
    parse(&body::read(body, limits::SQL_REQUEST_BYTES_MAX, timeout, &mut share).await?)
}

/// 400 for a body that is not JSON, 422 for JSON that is no question; both say where.
fn parse(body: &[u8]) -> Result<Question, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let kind = if error.is_data() { ProblemType::Invalid } else { ProblemType::BadRequest };
        Problem::new(kind, format!("the body is not {{\"sql\", \"tenant_id\"?, \"params\"?}}: {error}"))
    })
}

/// The tenant that the body or the query parameter names; both may, if they agree.
fn named_tenant(question: &Question, params: &Params) -> Result<Option<TenantId>, Problem> {
    let in_body = question.tenant_id.as_deref().map(TenantId::parse).transpose()?;
    match (in_body, params.tenant()?) {
        (Some(one), Some(other)) if one != other => {
            let detail = format!("the body names tenant '{one}', the query parameter tenant '{other}'");
            Err(Problem::new(ProblemType::Invalid, detail))
        }
        (in_body, in_query) => Ok(in_body.or(in_query)),
    }
}

fn statistics_header(statistics: &Statistics) -> Result<HeaderValue, Problem> {
    let json = serde_json::to_string(statistics).map_err(|error| Problem::internal(error.to_string()))?;
    HeaderValue::try_from(json).map_err(|error| Problem::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a mistyped member that is ignored, so that a query runs without its parameters.
    #[test]
    fn questions_have_no_unknown_members() {
        assert_eq!(parse(br#"{"sql": "SELECT 1"}"#).unwrap().sql, "SELECT 1");
        assert!(format!("{:?}", parse(br#"{"sql": "", "parms": {}}"#).unwrap_err()).contains("parms"));
        assert!(format!("{:?}", parse(b"SELECT 1").unwrap_err()).contains("BadRequest"));
    }

    /// Would catch a query that runs over another tenant than the one named last.
    #[test]
    fn body_and_parameter_must_agree_on_the_tenant() {
        let named = |in_body: &str, query: &str| {
            let question =
                parse(format!(r#"{{"sql": "SELECT 1", "tenant_id": {in_body}}}"#).as_bytes()).unwrap();
            named_tenant(&question, &Params::parse(Some(query), &["tenant_id"]).unwrap()).map_err(drop)
        };
        let tenant = |text| Ok(Some(TenantId::parse(text).unwrap()));
        assert_eq!(named("null", ""), Ok(None));
        assert_eq!(named("\"a\"", ""), tenant("a"));
        assert_eq!(named("null", "tenant_id=b"), tenant("b"));
        assert_eq!(named("\"a\"", "tenant_id=a"), tenant("a"));
        assert_eq!(named("\"a\"", "tenant_id=b"), Err(()));
        assert_eq!(named("\"../a\"", ""), Err(()));
    }
}
