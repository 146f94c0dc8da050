//! Schemas of all but events: problems, receipts, answers of queries, keys, tenants, viewer tokens.
//!
//! Out: Schema Objects by name. Guaranteed: choices and caps are the code's own; the kinds of problems and the numbers of
//! `statistics` are listed from the code.

use serde_json::{Map, Value, json};

use super::parameters::tenant_id;
use crate::{
    auth::Scope,
    http::problem::ProblemType,
    limits,
    query::{Statistics, browse::Interval, saved::Kind},
};

/// All of them.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("Problem", problem()),
        ("Rejected", rejected()),
        ("Receipt", receipt()),
        ("EventPage", event_page()),
        ("Histogram", histogram()),
        ("FieldValues", field_values()),
        ("Rows", rows()),
        ("Statistics", statistics()),
        ("SavedQuery", saved_query()),
        ("Key", key(false)),
        ("KeyWithSecret", key(true)),
        ("TenantSettings", tenant_settings()),
        ("Tenant", tenant()),
        ("TenantVersion", tenant_version()),
        ("ViewerToken", viewer_token()),
    ]
}

/// A reference to one of them.
pub(super) fn reference(name: &str) -> Value {
    let reference = format!("#/components/schemas/{name}");
    json!({ "$ref": reference })
}

/// An object all of whose members are there.
pub(super) fn object(properties: Value) -> Value {
    let names: Vec<String> =
        properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({"type": "object", "properties": properties, "required": names})
}

fn whole() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn time_or_null() -> Value {
    json!({"type": ["string", "null"], "format": "date-time"})
}

fn problem() -> Value {
    let types: Vec<&str> = ProblemType::ALL.iter().map(|kind| kind.reference()).collect();
    let mut problem = object(json!({
        "type": {"type": "string", "enum": types, "description":
            "What went wrong: a stable name to compare with, and a page of this server."},
        "title": {"type": "string", "description": "The same for people."},
        "status": {"type": "integer", "description": "The status of the answer."},
        "detail": {"type": "string", "description":
            "What is wrong with this request; from 500 on it says nothing of the inside."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "request_id": {"type": "string", "description":
            "As in `X-Request-Id`: the server's log knows the request by it."},
    }));
    let others = [
        ("pointer", "What it is about: a member of the body, by JSON pointer (RFC 6901)."),
        ("parameter", "What it is about: a query parameter."),
        ("header", "What it is about: a header."),
        ("policy", "Of `rate-limited`: the limit, as `RateLimit-Policy` names it."),
    ];
    for (name, about) in others {
        problem["properties"][name] = json!({"type": "string", "description": about});
    }
    problem["properties"]["of"] = json!({"type": "string", "enum": ["key", "tenant", "address"], "description":
        "Of `rate-limited`: whose limit it is."});
    problem["properties"]["retry_after_seconds"] = json!({"type": "integer", "minimum": 0, "description":
        "Of `rate-limited`: as `Retry-After`."});
    problem["properties"]["accepted"] = json!({"type": "integer", "const": 0, "description":
        "When no event was accepted, as are the next two."});
    problem["properties"]["duplicates"] = json!({"type": "integer", "const": 0});
    problem["properties"]["rejected"] = json!({"type": "array", "items": reference("Rejected")});
    problem["description"] = "Why a request was not served (RFC 9457).".into();
    problem
}

fn rejected() -> Value {
    let error = object(json!({
        "pointer": {"type": "string", "description": "The place in the event, by JSON pointer; empty: the event as a whole."},
        "detail": {"type": "string", "description": "What is wrong there: `is required`."},
    }));
    json!({
        "type": "object", "description": "A refused event and all that is wrong with it.",
        "properties": {
            "index": {"type": "integer", "minimum": 0, "description": "Its index in the request, from 0."},
            "line": {"type": "integer", "minimum": 1, "description": "Of NDJSON: its line, from 1."},
            "id": {"type": "string", "description": "Its id, if it has a valid one."},
            "errors": {"type": "array", "items": error, "minItems": 1, "maxItems": limits::PROBLEMS_MAX},
        },
        "required": ["index", "errors"],
    })
}

fn receipt() -> Value {
    object(json!({
        "accepted": {"type": "integer", "minimum": 0, "description": "Events stored by this request: durable and visible."},
        "duplicates": {"type": "integer", "minimum": 0, "description": "Events that were there before."},
        "rejected": {"type": "array", "items": reference("Rejected")},
    }))
}

fn event_page() -> Value {
    object(json!({
        "events": {"type": "array", "items": reference("Event"), "maxItems": limits::EVENTS_PAGE_MAX},
        "next_cursor": {"type": ["string", "null"], "description":
            "What `cursor` takes for the next page, as `Link` has it; null: this is the last one."},
    }))
}

fn histogram() -> Value {
    let bar = json!({
        "type": "object",
        "properties": {
            "start": {"type": "string", "format": "date-time", "description": "When the interval begins."},
            "value": {"type": ["string", "null"], "description":
                "The value of `field`: left out if none was asked for, null for events without it."},
            "count": {"type": "integer", "minimum": 1},
        },
        "required": ["start", "count"],
    });
    object(json!({
        "interval": {"type": "string", "enum": Interval::ALL.map(Interval::name)},
        "field": {"type": ["string", "null"]},
        "events": {"type": "integer", "minimum": 0, "description": "How many there are in all."},
        "bars": {"type": "array", "items": bar, "description": "By time, then by value; only those that are not zero."},
    }))
}

fn field_values() -> Value {
    let value = object(json!({
        "value": {"type": ["string", "null"], "description": "Null stands for the events that have none."},
        "count": {"type": "integer", "minimum": 1},
    }));
    object(json!({
        "field": {"type": "string"},
        "events": {"type": "integer", "minimum": 0, "description": "How many there are in all."},
        "distinct": {"type": "integer", "minimum": 0, "description": "How many different values there are in all."},
        "values": {"type": "array", "items": value, "description": "The most frequent ones, by their counts."},
    }))
}

fn rows() -> Value {
    let column = object(json!({
        "name": {"type": "string"},
        "type": {"type": "string", "description": "`string`, `int64`, `timestamp`, `date`, `list<string>`, …"},
        "nullable": {"type": "boolean"},
    }));
    object(json!({
        "schema": {"type": "array", "items": column},
        "rows": {"type": "array", "items": {"type": "object", "additionalProperties": true}, "description":
            "Each has the columns that are not null."},
        "statistics": reference("Statistics"),
    }))
}

fn statistics() -> Value {
    let zero = serde_json::to_value(Statistics::default()).unwrap_or_default();
    let schema =
        |value: &Value| if value.is_f64() { json!({"type": "number", "minimum": 0}) } else { whole() };
    let counts: Map<String, Value> =
        zero.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), schema(value))).collect();
    let mut statistics = object(Value::Object(counts));
    statistics["description"] = "What a query cost: what was considered, skipped and read.".into();
    statistics
}

fn saved_query() -> Value {
    let parameter = object(json!({
        "name": {"type": "string"},
        "type": {"type": "string", "enum": Kind::ALL.map(Kind::name)},
        "default": {"description": "The value if none is given; null: there is none. A date may be `today` or `today-7`."},
        "required": {"type": "boolean"},
        "about": {"type": "string"},
    }));
    let column = object(json!({"name": {"type": "string"}, "about": {"type": "string"}}));
    object(json!({
        "name": {"type": "string"},
        "title": {"type": "string"},
        "question": {"type": "string"},
        "parameters": {"type": "array", "items": parameter},
        "columns": {"type": "array", "items": column},
    }))
}

/// The scopes of a key.
pub(super) fn scopes() -> Value {
    let one = json!({"type": "string", "enum": Scope::ALL.map(Scope::name)});
    json!({"type": "array", "items": one, "minItems": 1})
}

fn key(with_secret: bool) -> Value {
    let mut key = object(json!({
        "id": {"type": "string"},
        "name": {"type": "string"},
        "scopes": scopes(),
        "tenant_id": {"type": ["string", "null"], "description": "Whose events; null: everyone's."},
        "state": {"type": "string", "enum": ["active", "expired", "revoked"]},
        "created_at": time(),
        "created_by": {"type": "string", "description": "The principal that made it."},
        "expires_at": time_or_null(),
        "earlier_secret_ends_at": {"type": ["string", "null"], "format": "date-time", "description":
            "When the secret before the newest ends, if it still holds."},
        "last_used_at": time_or_null(),
        "revoked_at": time_or_null(),
    }));
    if with_secret {
        key["properties"]["key"] =
            json!({"type": "string", "description": "The key itself: shown in this answer and never again."});
        if let Some(required) = key["required"].as_array_mut() {
            required.push("key".into());
        }
    }
    key
}

fn limit_or_null(about: &str) -> Value {
    json!({"type": ["integer", "null"], "minimum": 1, "maximum": u32::MAX, "description": about})
}

fn tenant_settings() -> Value {
    object(json!({
        "name": {"type": ["string", "null"]},
        "retention_days": {"type": ["integer", "null"], "minimum": 1, "maximum": limits::RETENTION_DAYS_MAX, "description":
            "Days that events are kept, by the day they occurred on; null: for ever."},
        "lock_days": {"type": ["integer", "null"], "minimum": 1, "maximum": limits::RETENTION_DAYS_MAX, "description":
            "Days for which S3 Object Lock keeps what is written; null: it does not. Never more than `retention_days`."},
        "legal_hold": {"type": "boolean", "description": "While it holds, nothing is removed."},
        "sealed_fields": {"type": "array", "items": {"type": "string"}, "description":
            "Fields whose values can be erased without breaking a proof."},
        "limits": object(json!({
            "requests_per_second": limit_or_null("Null: as the server is set."),
            "events_per_second": limit_or_null("Null: as the server is set."),
            "query_seconds_per_minute": limit_or_null("Null: as the server is set."),
        })),
    }))
}

fn tenant() -> Value {
    let day_or_null =
        |about: &str| json!({"type": ["string", "null"], "format": "date", "description": about});
    let own = object(json!({
        "id": tenant_id(),
        "version": {"type": "integer", "minimum": 0, "description": "The number of these settings; 0: nothing was ever set."},
        "changed_at": time_or_null(),
        "changed_by": {"type": ["string", "null"]},
        "events": {"type": "integer", "minimum": 0, "description": "Committed events that can be queried."},
        "window": object(json!({
            "from": day_or_null("The first day that is kept; null: all are."),
            "first_day": day_or_null("The first day that has committed events."),
            "last_day": day_or_null("The last day that has."),
        })),
    }));
    json!({"allOf": [reference("TenantSettings"), own]})
}

fn tenant_version() -> Value {
    let own = object(json!({
        "version": {"type": "integer", "minimum": 1},
        "changed_at": time(),
        "changed_by": {"type": "string"},
    }));
    json!({"allOf": [reference("TenantSettings"), own]})
}

fn viewer_token() -> Value {
    let mut token = object(json!({
        "token": {"type": "string", "description": "To be sent as a key is. It is stored nowhere."},
        "tenant_id": tenant_id(),
        "subject": {"type": "string"},
        "expires_at": time(),
    }));
    token["properties"]["workspace_id"] = json!({"type": "string"});
    token["properties"]["actor_id"] = json!({"type": "string"});
    token["properties"]["actions"] = json!({"type": "array", "items": {"type": "string"}});
    token
}
