//! Operations that ask by SQL and by saved queries, and the one that lets a tenant's own user ask.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    parameters::{self, in_path},
    schemas::{object, reference},
};
use crate::{auth::Scope, http::problem::ProblemType, limits, query::format::Format};

const TAG: &str = "Questions";
const JSON: &str = "application/json";
/// The headers of an answer that streams.
const HEADERS: &[&str] = &["Auditlake-Statistics", "Cache-Control", "Vary"];

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    vec![sql(), list(), ask(), viewer_token()]
}

/// The same rows in each format.
fn formats() -> Vec<(&'static str, Value)> {
    let schema = |format: Format| match format {
        Format::Json => reference("Rows"),
        Format::Ndjson => json!({"type": "string", "description": "One row a line."}),
        Format::Csv | Format::CsvRaw => json!({"type": "string", "description":
            "RFC 4180 with a header line. Text that a spreadsheet could take for a formula gets a ' before it; \
             ?format=csv-raw leaves it as it is."}),
        Format::Table => json!({"type": "string", "description": "Columns for a terminal; the first rows."}),
        Format::Arrow | Format::Parquet => json!({"description": "Binary."}),
    };
    let media = |format: Format| format.content_type().split(';').next().unwrap_or_default();
    // The raw form has the media type of the other, which is what `Accept` gets.
    let of_accept = Format::ALL.into_iter().filter(|format| *format != Format::CsvRaw);
    of_accept.map(|format| (media(format), schema(format))).collect()
}

fn params() -> Value {
    json!({"type": "object", "additionalProperties": true, "description": "Values by the names of their parameters."})
}

/// An operation that asks a question.
fn asking(path: &'static str, id: &'static str) -> Operation {
    Operation::new("post", path, id, &[Scope::Read])
        .takes([parameters::format(), parameters::tenant()])
        .answers(
            200,
            "The rows, as a stream. A failure after its beginning breaks the connection off, so that half an answer is never \
             taken for a whole one.",
            HEADERS,
            &formats(),
        )
        .refuses(&[ProblemType::NotFound, ProblemType::NotAcceptable])
}

fn sql() -> Operation {
    let mut question = object(json!({
        "sql": {"type": "string", "maxLength": limits::SQL_BYTES_MAX, "description":
            "One read-only statement over the view `events`; `$name` stands for a parameter."},
    }));
    question["properties"]["tenant_id"] = or_null(parameters::tenant_id());
    question["properties"]["params"] = params();
    question["additionalProperties"] = false.into();
    asking("/v1/sql", "askSql")
        .says(
            TAG,
            "Ask in SQL",
            "One read-only statement over the view `events`, whose columns the README lists. Parameters are bound, never pasted. \
             `tenant_id` may stand in the body or in the query string.",
        )
        .reads(true, &[(JSON, question)])
}

fn list() -> Operation {
    let list = object(json!({"queries": {"type": "array", "items": reference("SavedQuery")}}));
    Operation::new("get", "/v1/queries", "listQueries", &[Scope::Read])
        .says(
            TAG,
            "List saved queries",
            "What there is to ask: questions, their parameters and their columns.",
        )
        .answers(200, "The queries, by name.", &[], &[(JSON, list)])
}

fn ask() -> Operation {
    let question = json!({
        "type": "object",
        "properties": {"params": params(), "tenant_id": or_null(parameters::tenant_id())},
        "additionalProperties": false,
    });
    asking("/v1/queries/{name}", "askQuery")
        .says(
            TAG,
            "Ask a saved query",
            "Its answer, as that of SQL. The body may be left out; parameters then have their defaults.",
        )
        .takes([in_path("name", "The query's name.", json!({"type": "string", "minLength": 1}))])
        .reads(false, &[(JSON, question)])
}

fn viewer_token() -> Operation {
    let seconds_max = limits::VIEWER_TOKEN_MS_MAX / 1_000;
    let wanted = json!({
        "type": "object",
        "properties": {
            "subject": {"type": "string", "minLength": 1, "maxLength": limits::VIEWER_SUBJECT_BYTES_MAX, "description":
                "Who will read, in your words: a user's id. The log of the log names it."},
            "tenant_id": or_null(parameters::tenant_id()),
            "expires_in_seconds": {"type": ["integer", "null"], "minimum": 1, "maximum": seconds_max, "description":
                format!("{} if not given.", limits::VIEWER_TOKEN_MS / 1_000)},
            "workspace_id": {"type": ["string", "null"], "description": "Only events of this workspace."},
            "actor_id": {"type": ["string", "null"], "description": "Only events of this actor."},
            "actions": {"type": "array", "maxItems": limits::FILTER_ACTIONS_MAX, "description":
                "Only events with one of these actions, or with one that begins so: `document.*`.",
                "items": {"type": "string", "pattern": "^[^*]+\\*?$", "maxLength": limits::ACTION_BYTES_MAX}},
        },
        "required": ["subject"],
        "additionalProperties": false,
    });
    Operation::new("post", "/v1/viewer-tokens", "makeViewerToken", &[Scope::Read])
        .says(
            TAG,
            "Make a viewer token",
            "A short-lived token with which a tenant's own user reads its log, or a part of it, through filters and SQL alike. It is \
             sent as a key is, opens no more than the key that asks for it, and can do nothing but read events.",
        )
        .reads(true, &[(JSON, wanted)])
        .answers(201, "The token, which is stored nowhere.", &["Cache-Control"], &[(JSON, reference("ViewerToken"))])
        .refuses(&[ProblemType::NotFound])
}

/// The same schema, of what may be null.
pub(super) fn or_null(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").and_then(Value::as_str) {
        schema["type"] = json!([kind, "null"]);
    }
    schema
}
