//! Operations on erasures.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    parameters::{self, in_path, in_query},
    questions::or_null,
    schemas::{object, reference},
};
use crate::{auth::Scope, http::problem::ProblemType, limits};

const TAG: &str = "Tenants";
const JSON: &str = "application/json";

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    vec![list(), make(), get()]
}

/// The schemas that they refer to.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("Erasure", erasure())]
}

fn new(method: &'static str, path: &'static str, id: &'static str) -> Operation {
    Operation::new(method, path, id, &[Scope::Admin]).refuses(&[ProblemType::NotFound])
}

fn list() -> Operation {
    let page = object(json!({
        "erasures": {"type": "array", "items": reference("Erasure")},
        "next_cursor": {"type": ["string", "null"], "description": "What `cursor` takes for the next ones; null: there are no more."},
    }));
    new("get", "/v1/erasures", "listErasures")
        .says(TAG, "List erasures", "The erasures there were, newest first, as far as the key reaches.")
        .takes([
            parameters::tenant(),
            parameters::count(
                "limit",
                "Erasures, at most.",
                limits::ERASURES_PAGE,
                limits::ERASURES_PAGE_MAX,
            ),
            parameters::cursor("`next_cursor` of the page before. It holds the whole question."),
        ])
        .answers(200, "Some erasures.", &["Link"], &[(JSON, page)])
        .refuses(&[ProblemType::Invalid])
}

fn make() -> Operation {
    let wanted = json!({
        "type": "object",
        "properties": {
            "tenant_id": or_null(parameters::tenant_id()),
            "actor_id": {"type": "string", "minLength": 1, "maxLength": limits::REFERENCE_BYTES_MAX, "description":
                "Of whom: as an actor, as who is acted for, or as a target."},
        },
        "required": ["actor_id"],
        "additionalProperties": false,
    });
    new("post", "/v1/erasures", "makeErasure")
        .says(
            TAG,
            "Erase a person",
            "Takes the sealed values that name a person out of every event that was accepted before. Every proof still holds. It is \
             carried out in its turn, and goes on after a restart. 409 if the tenant seals no fields or is under a legal hold.",
        )
        .takes([parameters::tenant()])
        .reads(true, &[(JSON, wanted)])
        .answers(202, "It will be carried out.", &["Location"], &[(JSON, reference("Erasure"))])
        .refuses(&[ProblemType::Conflict])
}

fn get() -> Operation {
    let wait = json!({"type": "integer", "minimum": 1, "maximum": limits::ERASURE_WAIT_SECONDS_MAX});
    let id = in_path("id", "The erasure's id: `ers_…`.", json!({"type": "string", "minLength": 1}));
    new("get", "/v1/erasures/{id}", "getErasure")
        .says(TAG, "Get an erasure", "How far it is.")
        .takes([id, in_query("wait_seconds", "Answer once it is rewritten, or after so many seconds.", wait)])
        .answers(200, "The erasure.", &[], &[(JSON, reference("Erasure"))])
}

fn erasure() -> Value {
    let time = |about: &str| json!({"type": "string", "format": "date-time", "description": about});
    json!({
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "tenant_id": {"type": "string"},
            "actor_id": {"type": "string"},
            "state": {"type": "string", "enum": ["queued", "running", "paused", "rewritten", "completed"], "description":
                "`rewritten`: no query shows the values any more. `completed`: nor does any file of the table."},
            "created_at": time("When it was asked for."),
            "created_by": {"type": "string"},
            "seq_before": {"type": "integer", "description": "Events with a smaller `seq` are looked at."},
            "events": {"type": "integer", "minimum": 0, "description": "Events in which something of the person is erased."},
            "rewritten_at": time("Since when no query shows the values."),
            "completed_at": time("Since when no file of the table has them."),
            "error": {"type": "string", "description": "Why it is paused; it is tried again."},
        },
        "required": ["id", "tenant_id", "actor_id", "state", "created_at", "created_by", "seq_before"],
        "additionalProperties": false,
    })
}
