//! `POST /v1/sql`: a question in SQL, answered as a stream.
//!
//! In: `{"sql", "tenant_id"?, "params"?}`; the format by `?format=` or `Accept`. Out: rows in that format, or a
//! problem. The answer begins when its first bytes are there, so that what fails early has a proper status; what
//! fails later breaks the connection, never ends the answer as if it were whole. A client that leaves drops the
//! stream, and with it the query.

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use futures::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Api, body,
    encoding::Encoding,
    media::Media,
    params::Params,
    problem::{Problem, ProblemType},
};
use crate::{
    auth::Principal,
    error::Result as CrateResult,
    event::TenantId,
    limits,
    query::{
        self, Scope,
        format::{Format, encode},
    },
};

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
    if Media::of(&headers)? != Media::Json || Encoding::of(&headers)? != Encoding::Identity {
        let detail = "a question is application/json without a content encoding";
        return Err(Problem::new(ProblemType::UnsupportedMediaType, detail));
    }
    let timeout = api.settings.body_timeout();
    let mut share = api.bodies.share();
    let body = body::read(body, limits::SQL_REQUEST_BYTES_MAX, timeout, &mut share).await?;
    let question = parse(&body)?;
    let named = match (question.tenant_id.as_deref().map(TenantId::parse).transpose()?, params.tenant()?) {
        (Some(one), Some(other)) if one != other => {
            let detail = format!("the body names tenant '{one}', the query parameter tenant '{other}'");
            return Err(Problem::new(ProblemType::Invalid, detail));
        }
        (one, other) => one.or(other),
    };
    let scope = principal.tenant(named)?.map_or(Scope::All, Scope::Tenant);
    drop((body, share));

    let running =
        api.engine.run(query::Request { sql: question.sql, params: question.params, scope }).await?;
    let stream = begin(encode(running, format)).await?;
    let mut response = Response::new(Body::from_stream(stream));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `?format=` if given, else `Accept`, else JSON.
fn format_of(params: &Params, headers: &HeaderMap) -> Result<Format, Problem> {
    if let Some(name) = params.get("format") {
        return Format::from_name(name)
            .map_err(|error| Problem::new(ProblemType::BadRequest, error.to_string()));
    }
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let accept = accept.collect::<Vec<_>>().join(", ");
    Format::from_accept(&accept).ok_or_else(|| {
        Problem::new(ProblemType::NotAcceptable, format!("no format of an answer matches Accept: {accept}"))
    })
}

/// 400 for a body that is not JSON, 422 for JSON that is no question; both say where.
fn parse(body: &[u8]) -> Result<Question, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let kind = if error.is_data() { ProblemType::Invalid } else { ProblemType::BadRequest };
        Problem::new(kind, format!("the body is not {{\"sql\", \"tenant_id\"?, \"params\"?}}: {error}"))
    })
}

/// Waits for the stream's first item: an error there is the request's, and the answer has not begun.
async fn begin<T>(
    stream: impl Stream<Item = CrateResult<T>> + Send + 'static,
) -> CrateResult<impl Stream<Item = CrateResult<T>> + Send + 'static>
where
    T: Send + 'static,
{
    let mut stream = Box::pin(stream);
    let first = stream.next().await.transpose()?;
    Ok(stream::iter(first.map(Ok)).chain(stream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    /// Would catch an early failure that is sent as a broken 200, and a first chunk that gets lost.
    #[tokio::test]
    async fn an_answer_begins_with_its_first_bytes() {
        let failing = stream::iter([Err::<&str, _>(Error::new(ErrorKind::Limit, "too slow"))]);
        assert_eq!(begin(failing).await.map(drop).unwrap_err().kind(), ErrorKind::Limit);
        let whole: Vec<_> = begin(stream::iter([Ok("a"), Ok("b")])).await.unwrap().collect().await;
        assert_eq!(whole.into_iter().map(Result::unwrap).collect::<String>(), "ab");
        let empty = begin(stream::iter(Vec::<CrateResult<&str>>::new())).await.unwrap();
        assert_eq!(empty.count().await, 0);
    }

    /// Would catch a mistyped member that is ignored, so that a query runs without its parameters.
    #[test]
    fn questions_have_no_unknown_members() {
        assert_eq!(parse(br#"{"sql": "SELECT 1"}"#).unwrap().sql, "SELECT 1");
        assert!(format!("{:?}", parse(br#"{"sql": "", "parms": {}}"#).unwrap_err()).contains("parms"));
        assert!(format!("{:?}", parse(b"SELECT 1").unwrap_err()).contains("BadRequest"));
    }
}
