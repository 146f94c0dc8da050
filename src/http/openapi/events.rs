//! Operations on events: sending them, and reading them without SQL.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    parameters::{self, in_path, in_query},
    schemas::reference,
};
use crate::{auth::Scope, http::problem::ProblemType, import::Source, limits};

const TAG: &str = "Events";
const JSON: &str = "application/json";

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    vec![send(), list(), one(), histogram(), fields()]
}

fn send() -> Operation {
    let tenant = "The tenant of events that name none; those that name one must name this.";
    let single = json!({"anyOf": [reference("NewEvent"), reference("NewEventInEnvelope")]});
    let many = json!({"type": "array", "items": single, "maxItems": limits::REQUEST_EVENTS_MAX});
    let schema = json!({"anyOf": [reference("NewEvent"), reference("NewEventInEnvelope"), many]});
    let lines = json!({"type": "string", "description": "One event a line; blank lines do not count."});
    let sources: Vec<&str> = Source::NAMES.iter().map(|(name, _)| *name).collect();
    let encoding = json!({
        "name": "Content-Encoding", "in": "header",
        "description": "How the body is packed.",
        "schema": {"type": "string", "enum": ["identity", "gzip", "zstd"]},
    });
    Operation::new("post", "/v1/events", "sendEvents", &[Scope::Ingest])
        .says(
            TAG,
            "Send events",
            "One event, an array, or NDJSON, packed or not; answered once everything is durable. An event whose `id` is known in its \
             tenant and day counts as a duplicate, so that a request can be sent again. What is wrong with events is told by index \
             and JSON pointer. The limits are in the table of limits.",
        )
        .takes([
            in_query("tenant_id", tenant, parameters::tenant_id()),
            in_query(
                "atomic",
                "All or nothing: one bad event refuses all, and the answer is 422.",
                json!({"type": "boolean", "default": false}),
            ),
            in_query(
                "source",
                "What the events were mapped from, by `auditlake import` or a mapper of yours; the server maps nothing. Records of other \
                 systems may be larger than native events: the table of limits has both.",
                json!({"type": "string", "enum": sources, "default": "native"}),
            ),
            parameters::idempotency_key(),
            encoding,
        ])
        .reads(
            true,
            &[(JSON, schema), ("application/x-ndjson", lines.clone()), ("application/ndjson", lines)],
        )
        .answers(201, "Everything is durable.", &[], &[(JSON, reference("Receipt"))])
        .answers(
            207,
            "Some events were refused, which `rejected` names; the rest is durable.",
            &[],
            &[(JSON, reference("Receipt"))],
        )
        .refuses(&[ProblemType::NotFound, ProblemType::Conflict, ProblemType::EventsRejected])
}

/// An operation that reads events.
fn reading(path: &'static str, id: &'static str) -> Operation {
    Operation::new("get", path, id, &[Scope::Read]).refuses(&[
        ProblemType::NotFound,
        ProblemType::Invalid,
        ProblemType::TooManyRequests,
    ])
}

fn list() -> Operation {
    let order = json!({"type": "string", "enum": ["desc", "asc"], "default": "desc"});
    let cursor =
        "`next_cursor` of the page before. It holds the whole question: send no filter and no order with it.";
    reading("/v1/events", "listEvents")
        .says(
            TAG,
            "List events",
            "A page of the events that pass all filters, the newest first unless `order` says otherwise. Who walks from cursor to \
             cursor is given every event once that was there when the walk began, whatever arrives meanwhile. The `Link` header \
             leads to the next page. Unknown parameters are errors.",
        )
        .takes([parameters::tenant()])
        .takes(parameters::filters())
        .takes([
            in_query("order", "The newest first (`desc`), or the oldest.", order),
            parameters::count("limit", "Events of a page, at most.", limits::EVENTS_PAGE, limits::EVENTS_PAGE_MAX),
            parameters::cursor(cursor),
        ])
        .answers(
            200,
            "The page.",
            &["Link", "Auditlake-Statistics", "Cache-Control"],
            &[(JSON, reference("EventPage"))],
        )
}

fn one() -> Operation {
    reading("/v1/events/{id}", "getEvent")
        .says(
            TAG,
            "Get one event",
            "The event with this id: of several, on different days, the newest. If several tenants have one, name the tenant (409).",
        )
        .takes([in_path("id", "The event's id.", json!({"type": "string", "minLength": 1})), parameters::tenant()])
        .answers(200, "The event.", &["Auditlake-Statistics", "Cache-Control"], &[(JSON, reference("Event"))])
        .refuses(&[ProblemType::Conflict])
}

fn histogram() -> Operation {
    reading("/v1/events/histogram", "countEventsByTime")
        .says(
            TAG,
            "Count events by time",
            "How many of the events that pass all filters there are in each interval, and, if `field` is given, with each of its \
             values. The counts are exact. More than the rows that the table of limits allows are an error, never a shorter answer.",
        )
        .takes([parameters::tenant()])
        .takes(parameters::filters())
        .takes([parameters::interval(), parameters::field("What else to count by.")])
        .answers(200, "The counts.", &[], &[(JSON, reference("Histogram"))])
}

fn fields() -> Operation {
    let mut field = parameters::field("The field whose values are counted.");
    field["required"] = Value::Bool(true);
    reading("/v1/events/fields", "countEventsByField")
        .says(
            TAG,
            "Count events by field",
            "The most frequent values of a field among the events that pass all filters, with exact counts.",
        )
        .takes([parameters::tenant()])
        .takes(parameters::filters())
        .takes([
            field,
            parameters::count("limit", "Values, at most.", limits::FIELD_VALUES, limits::FIELD_VALUES_MAX),
        ])
        .answers(200, "The values.", &[], &[(JSON, reference("FieldValues"))])
}
