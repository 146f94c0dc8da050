//! Parameters: what stands in paths, query strings and headers.
//!
//! Out: Parameter Objects. Guaranteed: every filter that the code knows is described, in its order; caps and choices are the
//! code's own.

use serde_json::{Value, json};

use crate::{
    limits,
    query::{
        Filter,
        browse::{FIELDS, Interval},
        format::Format,
    },
};

/// A parameter of the path.
pub(super) fn in_path(name: &str, about: &str, schema: Value) -> Value {
    json!({"name": name, "in": "path", "required": true, "description": about, "schema": schema})
}

/// A parameter of the query string that may be left out.
pub(super) fn in_query(name: &str, about: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": about, "schema": schema})
}

/// The form of a tenant's id.
pub(super) fn tenant_id() -> Value {
    let pattern = format!("^[A-Za-z0-9._-]{{1,{}}}$", limits::TENANT_ID_BYTES_MAX);
    json!({"type": "string", "pattern": pattern})
}

/// `tenant_id`, for requests about the events of one tenant or of all.
pub(super) fn tenant() -> Value {
    let about = "Whose events. A key of one tenant needs none, and finds no other; without it a key of all tenants asks \
                 about all.";
    in_query("tenant_id", about, tenant_id())
}

/// `format`, for answers of SQL.
pub(super) fn format() -> Value {
    let about = "The format of the answer; it takes the place of `Accept`. JSON if neither says anything.";
    in_query("format", about, json!({"type": "string", "enum": Format::ALL.map(Format::name)}))
}

/// A number from 1 to `max`.
pub(super) fn count(name: &str, about: &str, default: u64, max: u64) -> Value {
    in_query(name, about, json!({"type": "integer", "minimum": 1, "maximum": max, "default": default}))
}

/// `interval` of a histogram.
pub(super) fn interval() -> Value {
    let names = Interval::ALL.map(Interval::name);
    let schema = json!({"type": "string", "enum": names, "default": Interval::default().name()});
    in_query("interval", "How long each interval is, in UTC; weeks begin on Monday.", schema)
}

/// `field`, a column whose values are counted.
pub(super) fn field(about: &str) -> Value {
    in_query("field", about, json!({"type": "string", "enum": FIELDS}))
}

/// `Idempotency-Key`.
pub(super) fn idempotency_key() -> Value {
    let about = "Names the request (draft-ietf-httpapi-idempotency-key-header), bare or as a quoted string: the same key with the \
                 same body within 24 hours gets the first answer, with another body 422.";
    let max = limits::IDEMPOTENCY_KEY_BYTES_MAX;
    json!({
        "name": "Idempotency-Key", "in": "header", "description": about,
        "schema": {"type": "string", "minLength": 1, "maxLength": max, "pattern": "^[!#-~]+$"},
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    })
}

/// `cursor`, to a page.
pub(super) fn cursor(about: &str) -> Value {
    in_query("cursor", about, json!({"type": "string"}))
}

/// `If-Match`.
pub(super) fn if_match() -> Value {
    let about = "What is changed only if it is so still: `*`, any that is there, or the `ETag` of an answer (RFC 9110).";
    json!({
        "name": "If-Match", "in": "header", "description": about,
        "schema": {"type": "string", "pattern": "^(\\*|\"[0-9]+\"(, *\"[0-9]+\")*)$"}, "example": "\"3\"",
    })
}

/// All filters of events. All that are given have to hold.
pub(super) fn filters() -> Vec<Value> {
    let mut all: Vec<Value> = Filter::NAMES.iter().map(|name| filter(name)).collect();
    let about = format!(
        "`metadata.project=apollo`: events whose `metadata` has at KEY this text, number or truth value. KEY stands for any \
         member of `metadata`; up to {} different ones may be given.",
        limits::FILTER_METADATA_MAX
    );
    all.push(in_query("metadata.KEY", &about, text()));
    all
}

/// Any value of a filter.
fn text() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": limits::FILTER_VALUE_BYTES_MAX})
}

fn filter(name: &str) -> Value {
    let moment = || json!({"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]});
    let (about, schema) = match name {
        "from" => (
            "Events that occurred then or later: an RFC 3339 time with an offset, or a day, which means its first \
             moment in UTC.",
            moment(),
        ),
        "to" => ("Events that occurred before: a time or a day as in `from`, and after `from`.", moment()),
        "id" => ("Events with this id: in a tenant, at most one a day.", text()),
        "action" => {
            let item =
                json!({"type": "string", "pattern": "^[^*]+\\*?$", "maxLength": limits::ACTION_BYTES_MAX});
            let about = "Events with one of these actions, or with one that begins so: `document.*`. May be repeated: \
                         `action=user.login&action=document.*`.";
            let schema = json!({"type": "array", "items": item, "maxItems": limits::FILTER_ACTIONS_MAX});
            let mut parameter = in_query(name, about, schema);
            parameter["style"] = "form".into();
            parameter["explode"] = true.into();
            return parameter;
        }
        "outcome" => (
            "Events that ended so.",
            json!({"type": "string", "enum": ["success", "failure", "denied", "unknown"]}),
        ),
        "actor_id" => ("Events of this actor.", text()),
        "actor_email" => ("Events of the actor with this address, letter by letter.", text()),
        "target_id" => {
            ("Events with a target of this id; with `target_type`, a target of this id and type.", text())
        }
        "target_type" => ("Events with a target of this type.", text()),
        "workspace_id" => ("Events of this workspace.", text()),
        "ip_address" => ("Events from this address, or from one in this block: `203.0.113.0/24`.", text()),
        "session_id" => ("Events of this session.", text()),
        "request_id" => ("Events of this request.", text()),
        "correlation_id" => ("Events that belong together under this id.", text()),
        "q" => (
            "Events that have all of these words, whole, in any order and whatever their case, anywhere in their text.",
            text(),
        ),
        // A test finds a filter that is not described.
        _ => ("", text()),
    };
    in_query(name, about, schema)
}
