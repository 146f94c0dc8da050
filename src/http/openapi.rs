//! `GET /openapi.json`: the API as OpenAPI 3.1, for people's tools; needs no key.
//!
//! Out: one document, made of what the code knows: filters, formats, scopes, kinds of problems and limits are listed from where they
//! are defined, the rest is said in the rooms below, a group of routes each. Guaranteed: it has every route and method of
//! [`Api::router`](super::Api::router) and no other (tests compare them); it depends on the build and on nothing else, so that
//! `testdata/openapi.json` shows in review what changes for clients.

mod admin;
mod continuous;
mod erasures;
mod event;
mod events;
mod exports;
mod open;
mod operation;
mod parameters;
mod proofs;
mod questions;
mod schemas;
mod table;

use std::sync::LazyLock;

use axum::{
    extract::RawQuery,
    http::{HeaderName, HeaderValue, header},
};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use self::operation::{Operation, refusal};
use super::{
    params::Params,
    problem::{Problem, ProblemType},
};
use crate::limits;

static TEXT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

/// The handler.
pub(super) async fn serve(
    RawQuery(query): RawQuery,
) -> Result<([(HeaderName, HeaderValue); 1], Bytes), Problem> {
    Params::parse(query.as_deref(), &[])?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], TEXT.clone()))
}

/// The document.
pub(super) fn document() -> Value {
    let mut operations = events::operations();
    operations.extend(questions::operations());
    operations.extend(exports::operations());
    operations.extend(continuous::operations());
    operations.extend(proofs::operations());
    operations.extend(admin::operations());
    operations.extend(erasures::operations());
    operations.extend(table::operations());
    operations.extend(open::operations());
    let responses: Map<String, Value> =
        operations.iter().flat_map(Operation::refusals).map(|kinds| refusal(&kinds)).collect();
    let mut paths = json!({});
    for operation in operations {
        let (path, method) = (operation.path, operation.method);
        paths[path][method] = operation.into_object();
    }
    let mut described: Map<String, Value> = Map::new();
    for (name, schema) in event::schemas()
        .into_iter()
        .chain(schemas::schemas())
        .chain(exports::schemas())
        .chain(continuous::schemas())
        .chain(erasures::schemas())
        .chain(table::schemas())
        .chain(proofs::schemas())
    {
        described.insert(name.to_owned(), schema);
    }
    json!({
        "openapi": "3.1.0",
        "info": info(),
        "servers": [{"url": "/"}],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": described,
            "responses": responses,
            "headers": headers(),
            "securitySchemes": {"bearer": {
                "type": "http", "scheme": "bearer",
                "description": "A key (`alk_…`), the root key, or a viewer token (`alv_…`), which only reads events. The roles of an \
                                operation are scopes, of which the key must have one.",
            }},
        },
        "x-problems": problems(),
        "x-limits": limits_table(),
    })
}

fn info() -> Value {
    json!({
        "title": "auditlake",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": "Audit events in, kept for years, answers out.",
        "description":
            "Bearer key in, JSON out. Errors are `application/problem+json` (RFC 9457), and times RFC 3339 in UTC. `X-Request-Id` is in \
             every answer. `GET` routes answer `HEAD` too; another method than those described is 405 `method-not-allowed`, and another \
             path 404; preflights of pages that may read answers (CORS) are answered at every path, with 204. Unknown query \
             parameters and unknown members of bodies are errors that name them. A head that is too large, too long on its way or no \
             HTTP at all is answered by a bare status (431, 408, 400), or by nothing.",
        "license": {"name": "Apache-2.0", "identifier": env!("CARGO_PKG_LICENSE")},
    })
}

fn tags() -> Value {
    json!([
        {"name": "Events", "description": "Send events, and read them by filters."},
        {"name": "Questions", "description": "SQL, saved queries, and tokens for those who ask about themselves."},
        {"name": "Exports", "description": "Files of a tenant's log, or of the answer to a question."},
        {"name": "Continuous exports", "description": "A tenant's log, delivered as it grows."},
        {"name": "Proofs", "description": "What lets a tenant check its log without trusting the server."},
        {"name": "Keys", "description": "Who may do what."},
        {"name": "Tenants", "description": "What is set for whom."},
        {"name": "Health", "description": "For those who operate the server."},
        {"name": "Documentation", "description": "What the server says of itself."},
    ])
}

fn headers() -> Value {
    let text = |about: &str| json!({"description": about, "schema": {"type": "string"}});
    let number = json!({"type": "integer", "minimum": 0});
    let mut request_id =
        text("The request's id: the client's own if it sent a harmless one, else a new one.");
    request_id["required"] = true.into();
    json!({
        "X-Request-Id": request_id,
        "RateLimit-Policy": text(
            "The limits of the key and of its tenant (draft-ietf-httpapi-ratelimit-headers-10): `\"requests\";q=10000;w=5` is what can be \
             saved up, and the seconds in which so much comes back. Not for those without a key."
        ),
        "RateLimit": text("How they stand: `\"requests\";r=9999;t=1` is what is left, and the seconds until all is back."),
        "Retry-After": {"description": "Seconds after which the same request may be sent again.", "schema": number},
        "Link": text("The next page, if there is one: `</v1/…?cursor=…>; rel=\"next\"` (RFC 8288)."),
        "ETag": text("The version of what is set, as `\"3\"`: what `If-Match` takes."),
        "Location": text("Where what was made is described: `/v1/keys/{id}`."),
        "WWW-Authenticate": text("`Bearer realm=\"auditlake\"`."),
        "Auditlake-Statistics": text("What planning found out, as JSON of the form of `Statistics`."),
        "Cache-Control": text("`no-store`; of tiles, which never change, `private, max-age=31536000, immutable`."),
        "Accept-Ranges": text("`bytes`."),
        "Content-Range": text("Which bytes of how many (RFC 9110, 14.4)."),
        "Vary": text("`accept`; `origin` too where the pages of some origins may read answers (`http.allowed_origins`)."),
        "Content-Security-Policy": text("Nothing is loaded."),
    })
}

/// The table of errors.
fn problems() -> Value {
    let rows = ProblemType::ALL.iter().map(|kind| {
        json!({"type": kind.reference(), "status": kind.status(), "title": kind.title(), "advice": kind.advice()})
    });
    Value::Array(rows.collect())
}

/// The table of limits.
fn limits_table() -> Value {
    let row = |name: &str, value: i64, unit: &str, effect: &str| json!({"name": name, "value": value, "unit": unit, "effect": effect});
    let mut rows: Vec<Value> =
        limits::TABLE.iter().map(|limit| row(limit.name, limit.value, limit.unit, limit.effect)).collect();
    let refused = "request refused (400)";
    let others = [
        (
            "request body of all other routes",
            limits::SQL_REQUEST_BYTES_MAX as i64,
            "bytes",
            "request refused (413)",
        ),
        ("request head", limits::HEAD_BYTES_MAX as i64, "bytes", "request refused (431)"),
        ("SQL text", limits::SQL_BYTES_MAX as i64, "bytes", "request refused (422)"),
        ("value of a filter", limits::FILTER_VALUE_BYTES_MAX as i64, "bytes", refused),
        ("action filters", limits::FILTER_ACTIONS_MAX as i64, "filters", refused),
        ("metadata filters", limits::FILTER_METADATA_MAX as i64, "filters", refused),
        ("words of q", limits::FILTER_WORDS_MAX as i64, "words", refused),
        ("events of a page", limits::EVENTS_PAGE_MAX as i64, "events", refused),
        ("rows of a histogram", limits::HISTOGRAM_ROWS_MAX as i64, "rows", "request refused (422)"),
        ("life of a viewer token", limits::VIEWER_TOKEN_MS_MAX / 1_000, "seconds", "request refused (422)"),
        (
            "continuous exports of a tenant",
            limits::CONTINUOUS_PER_TENANT_MAX as i64,
            "exports",
            "request refused (422)",
        ),
        ("exports of a tenant", limits::EXPORTS_PER_TENANT_MAX as i64, "exports", "request refused (422)"),
        ("keys that are not revoked", limits::KEYS_MAX as i64, "keys", "request refused (422)"),
    ];
    rows.extend(others.map(|(name, value, unit, effect)| row(name, value, unit, effect)));
    Value::Array(rows)
}

#[cfg(test)]
mod tests;
