//! Schemas of events: as they are sent, and as they are read.
//!
//! Out: Schema Objects. Guaranteed: lengths are those of [`limits`]. They count bytes of UTF-8, and a schema's `maxLength` counts
//! characters: what a schema refuses is refused, and of texts beyond ASCII a little more is.

use serde_json::{Map, Value, json};

use crate::limits;

/// Whether a schema is of what is sent or of what is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sent,
    Read,
}

/// `Event`, `NewEvent` and their parts, by name.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let sent = Side::Sent;
    let envelope = json!({
        "type": "object",
        "description": "An event as WorkOS sends it: `organization_id` is the tenant's id.",
        "properties": {
            "organization_id": or_null(sent, super::parameters::tenant_id()),
            "tenant_id": or_null(sent, super::parameters::tenant_id()),
            "event": {"$ref": "#/components/schemas/NewEvent"},
        },
        "required": ["event"],
        "additionalProperties": false,
    });
    vec![("Event", read()), ("NewEvent", new()), ("NewEventInEnvelope", envelope)]
}

/// An event as the API shows it. Members without a value are left out.
fn read() -> Value {
    let mut event = event(Side::Read);
    event["description"] =
        "An event as it was sent, with the fields of the server. Members without a value are left out."
            .into();
    let members = [
        ("received_at", time("When the server took it in.")),
        (
            "seq",
            json!({"type": "integer", "minimum": 0, "description":
                "Its number in its tenant's log, from 0, without gaps; left out until the event is committed."}),
        ),
        (
            "sealed",
            json!({"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}},
                "description": "The sealed fields of the event by JSON pointer: `{\"salt\": …}` if the value stands there, `{\"digest\": …}` \
                                if it is erased."}),
        ),
    ];
    for (name, schema) in members {
        event["properties"][name] = schema;
    }
    event["required"] = json!(["action", "actor", "id", "occurred_at", "received_at", "tenant_id"]);
    event
}

/// An event as it is sent.
fn new() -> Value {
    let mut event = event(Side::Sent);
    event["description"] = "An event as it is sent. `null`, `{}` and `[]` in place of a field that is not required mean that it is \
                            absent. What a length counts is bytes of UTF-8."
        .into();
    event["properties"]["organization_id"] = or_null(Side::Sent, super::parameters::tenant_id());
    event["properties"]["organization_id"]["description"] = "Another name of `tenant_id`.".into();
    event
}

fn event(side: Side) -> Value {
    let outcome = json!({"type": "string", "enum": ["success", "failure", "denied", "unknown"]});
    let country = json!({"type": "string", "pattern": "^[A-Z]{2}$", "description": "ISO 3166."});
    let version = json!({"type": "integer", "minimum": 0, "maximum": limits::VERSION_MAX, "description":
        "The version of the event's form, as its sender counts it."});
    let mut context = vec![
        ("ip_address", text("An IPv4 or IPv6 address.", 45)),
        ("user_agent", prose("", limits::USER_AGENT_BYTES_MAX)),
        ("session_id", text("", limits::TRACE_ID_BYTES_MAX)),
        ("request_id", text("", limits::TRACE_ID_BYTES_MAX)),
        ("country", country),
    ];
    if side == Side::Sent {
        context.push(("location", text("Another name of `ip_address`.", 45)));
    }
    let mut targets = json!({
        "type": "array", "items": target(side), "maxItems": limits::IMPORTED_TARGETS_MAX,
        "description": format!(
            "What it was done to: at most {} targets, or {} of a record of another system (`source`).",
            limits::TARGETS_MAX,
            limits::IMPORTED_TARGETS_MAX,
        ),
    });
    if side == Side::Sent {
        targets = or_null(side, targets);
    }
    let id = "Makes the event one of its kind in its tenant and day; without it the server makes a UUIDv7.";
    let members = vec![
        ("id", text(id, limits::EVENT_ID_BYTES_MAX)),
        ("tenant_id", super::parameters::tenant_id()),
        ("action", text("What was done: `document.delete`.", limits::ACTION_BYTES_MAX)),
        (
            "occurred_at",
            time("When it was done: RFC 3339 with any offset; what is finer than a microsecond is cut off."),
        ),
        ("actor", actor(side)),
        ("targets", targets),
        ("context", object(side, &[], context)),
        (
            "outcome",
            object(
                side,
                &["result"],
                vec![("result", outcome), ("reason", prose("", limits::REASON_BYTES_MAX))],
            ),
        ),
        ("metadata", metadata(side)),
        ("workspace", named(side, None)),
        ("description", prose("", limits::DESCRIPTION_BYTES_MAX)),
        ("correlation_id", text("What belongs together has the same.", limits::TRACE_ID_BYTES_MAX)),
        ("changes", changes(side)),
        ("version", version),
    ];
    let mut event = object(side, &["action", "occurred_at", "actor"], members);
    event["type"] = "object".into();
    event
}

fn actor(side: Side) -> Value {
    let credential =
        vec![("type", text("", limits::TYPE_BYTES_MAX)), ("id", text("", limits::REFERENCE_BYTES_MAX))];
    let mut on_behalf_of = named(side, Some("user"));
    on_behalf_of["description"] = "For whom the actor did it.".into();
    let members = vec![
        ("type", text("`user`, `api_key`, …", limits::TYPE_BYTES_MAX)),
        ("id", text("", limits::REFERENCE_BYTES_MAX)),
        ("name", prose("", limits::NAME_BYTES_MAX)),
        ("email", prose("", limits::EMAIL_BYTES_MAX)),
        ("metadata", metadata(side)),
        ("on_behalf_of", on_behalf_of),
        ("credential", object(side, &["type", "id"], credential)),
    ];
    let mut actor = object(side, &["type", "id"], members);
    actor["type"] = "object".into();
    actor["description"] = "Who did it.".into();
    actor
}

fn target(side: Side) -> Value {
    let mut target = named(side, Some("document"));
    target["type"] = "object".into();
    let aliases = json!({
        "type": "array", "items": text("", limits::REFERENCE_BYTES_MAX), "maxItems": limits::ALIASES_MAX, "uniqueItems": true,
        "description": "Other names of the same thing, by each of which the event is found.",
    });
    target["properties"]["aliases"] = or_null(side, aliases);
    target["properties"]["metadata"] = metadata(side);
    target
}

/// Something with an id and a name, and a type if `example` is one.
fn named(side: Side, example: Option<&str>) -> Value {
    let mut members =
        vec![("id", text("", limits::REFERENCE_BYTES_MAX)), ("name", prose("", limits::NAME_BYTES_MAX))];
    let Some(example) = example else { return object(side, &["id"], members) };
    members.insert(0, ("type", text(&format!("`{example}`, …"), limits::TYPE_BYTES_MAX)));
    object(side, &["type", "id"], members)
}

/// An object with these members. Of what is sent, members that are not required may be null, and the object may be so itself.
fn object(side: Side, required: &[&str], members: Vec<(&str, Value)>) -> Value {
    let mut properties = Map::new();
    for (name, schema) in members {
        let schema = if required.contains(&name) { schema } else { or_null(side, schema) };
        properties.insert(name.to_owned(), schema);
    }
    let mut object = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    if side == Side::Sent {
        object["additionalProperties"] = false.into();
    }
    object
}

/// The same schema, of what may be null if it is sent.
fn or_null(side: Side, mut schema: Value) -> Value {
    if side == Side::Sent {
        if let Some(kind) = schema.get("type").and_then(Value::as_str) {
            schema["type"] = json!([kind, "null"]);
        }
        if let Some(choices) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            choices.push(Value::Null);
        }
    }
    schema
}

fn metadata(side: Side) -> Value {
    let about = format!(
        "Anything, of at most {} bytes of JSON; kept as it was sent. Of a record of another system: {}.",
        limits::METADATA_BYTES_MAX,
        limits::IMPORTED_METADATA_BYTES_MAX
    );
    or_null(side, json!({"type": "object", "additionalProperties": true, "description": about}))
}

fn changes(side: Side) -> Value {
    let change =
        json!({"type": "object", "properties": {"old": {}, "new": {}}, "additionalProperties": false});
    json!({
        "type": "object", "additionalProperties": or_null(side, change),
        "description": "What was changed: for each field its value before and after.",
    })
}

/// Text of at least one character without control characters.
fn text(about: &str, max: usize) -> Value {
    described(about, json!({"type": "string", "minLength": 1, "maxLength": max}))
}

fn prose(about: &str, max: usize) -> Value {
    described(about, json!({"type": "string", "maxLength": max}))
}

fn time(about: &str) -> Value {
    described(about, json!({"type": "string", "format": "date-time"}))
}

fn described(about: &str, mut schema: Value) -> Value {
    if !about.is_empty() {
        schema["description"] = about.into();
    }
    schema
}
