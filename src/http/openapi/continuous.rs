//! Operations on continuous exports.

use serde_json::{Value, json};

use super::{
    exports::{destination, export_file, gives_file, gives_url, name},
    operation::Operation,
    parameters::{self, in_path, in_query},
    questions::or_null,
    schemas::{object, reference},
};
use crate::{
    auth::Scope,
    export::encode::{Compression, Format},
    http::problem::ProblemType,
    limits,
};

const TAG: &str = "Continuous exports";
const JSON: &str = "application/json";

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    vec![list(), make(), get(), change(), replay(), delete(), files(), file(), file_url()]
}

/// The schemas that they refer to.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("Layout", layout()), ("ContinuousExport", export()), ("DeliveredFile", delivered_file())]
}

fn new(method: &'static str, path: &'static str, id: &'static str) -> Operation {
    Operation::new(method, path, id, &[Scope::Export]).refuses(&[ProblemType::NotFound])
}

fn id() -> Value {
    in_path("id", "The id of the continuous export: `sub_…`.", json!({"type": "string", "minLength": 1}))
}

fn list() -> Operation {
    let page = object(json!({
        "exports": {"type": "array", "items": reference("ContinuousExport")},
        "next_cursor": {"type": ["string", "null"], "description": "What `cursor` takes for the next ones; null: there are no more."},
    }));
    new("get", "/v1/exports/continuous", "listContinuousExports")
        .says(
            TAG,
            "List continuous exports",
            "The continuous exports there are, newest first, as far as the key reaches.",
        )
        .takes([
            parameters::tenant(),
            parameters::count(
                "limit",
                "Exports, at most.",
                limits::CONTINUOUS_PAGE,
                limits::CONTINUOUS_PAGE_MAX,
            ),
            parameters::cursor("`next_cursor` of the page before. It holds the whole question."),
        ])
        .answers(200, "Some continuous exports.", &["Link"], &[(JSON, page)])
        .refuses(&[ProblemType::Invalid])
}

fn make() -> Operation {
    let whole =
        |least: u64, most: u64| json!({"type": ["integer", "null"], "minimum": least, "maximum": most});
    let wanted = json!({
        "type": "object",
        "properties": {
            "tenant_id": or_null(parameters::tenant_id()),
            "filter": {"oneOf": [reference("Filter"), {"type": "null"}], "description": "Only events that pass it; it has no times."},
            "layout": reference("Layout"),
            "format": {"type": ["string", "null"], "enum": Format::ALL.map(Format::name).map(Value::from).into_iter().chain([Value::Null]).collect::<Vec<_>>(),
                "description": "Of `files`; the other layouts have one of their own."},
            "compression": {"type": ["string", "null"], "enum": [null, "none", "gzip", "zstd"]},
            "destination": {"oneOf": [destination(), {"type": "null"}]},
            "interval_seconds": whole(limits::CONTINUOUS_INTERVAL_SECONDS_MIN, limits::CONTINUOUS_INTERVAL_SECONDS_MAX),
            "rows_max": whole(limits::CONTINUOUS_ROWS_MIN, limits::CONTINUOUS_ROWS_MAX),
            "bytes_max": whole(limits::CONTINUOUS_BYTES_MIN, limits::CONTINUOUS_BYTES_MAX),
            "from": {"type": ["string", "null"], "format": "date", "description":
                "The first day whose events are delivered of those that are there already; if not given, none of these are."},
        },
        "required": ["layout"],
        "additionalProperties": false,
    });
    new("post", "/v1/exports/continuous", "makeContinuousExport")
        .says(
            TAG,
            "Deliver a log as it grows",
            "Every event that is committed from now on is delivered once in effect, late ones in their day, after `interval_seconds` or once \
             `rows_max` events, or `bytes_max` bytes of the log's files, wait. A key of all tenants that names none has all tenants' logs delivered, each to a folder of its own.",
        )
        .takes([parameters::tenant()])
        .reads(true, &[(JSON, wanted)])
        .answers(201, "It is delivered.", &["Location"], &[(JSON, reference("ContinuousExport"))])
}

fn get() -> Operation {
    new("get", "/v1/exports/continuous/{id}", "getContinuousExport")
        .says(TAG, "Get a continuous export", "How far it is, and what failed last.")
        .takes([id()])
        .answers(200, "The continuous export.", &[], &[(JSON, reference("ContinuousExport"))])
}

fn change() -> Operation {
    let wanted = json!({
        "type": "object",
        "properties": {"paused": {"type": "boolean"}},
        "required": ["paused"],
        "additionalProperties": false,
    });
    new("patch", "/v1/exports/continuous/{id}", "changeContinuousExport")
        .says(
            TAG,
            "Pause or resume",
            "While it is paused nothing is delivered; what comes meanwhile is delivered once it goes on.",
        )
        .takes([id()])
        .reads(true, &[(JSON, wanted)])
        .answers(200, "It is so.", &[], &[(JSON, reference("ContinuousExport"))])
}

fn replay() -> Operation {
    let wanted = json!({
        "type": "object",
        "properties": {
            "seq": {"type": ["integer", "null"], "minimum": 0, "description": "From the delivery that has this event."},
            "since": {"type": ["string", "null"], "format": "date-time", "description": "Or all deliveries since then."},
        },
        "additionalProperties": false,
    });
    new("post", "/v1/exports/continuous/{id}/replay", "replayContinuousExport")
        .says(
            TAG,
            "Deliver again",
            "The same deliveries are made again, to the same files: for a destination that has lost some. A Delta table gets those files back that \
             it does not have any more. One of `seq` and `since` says from where on.",
        )
        .takes([id()])
        .reads(true, &[(JSON, wanted)])
        .answers(202, "It will be done.", &[], &[(JSON, reference("ContinuousExport"))])
}

fn delete() -> Operation {
    new("delete", "/v1/exports/continuous/{id}", "deleteContinuousExport")
        .says(
            TAG,
            "End a continuous export",
            "What it has delivered to a bucket stays there; what is kept here goes.",
        )
        .takes([id()])
        .answers(204, "It is ended.", &[], &[])
}

fn files() -> Operation {
    let page = object(json!({
        "files": {"type": "array", "items": reference("DeliveredFile")},
        "next_cursor": {"type": ["string", "null"], "description":
            "What `cursor` takes for the next ones; null: there are no more for now. There may be more even if these are few."},
    }));
    let after = json!({"type": "integer", "minimum": 0});
    new("get", "/v1/exports/continuous/{id}/files", "listDeliveredFiles")
        .says(
            TAG,
            "List delivered files",
            "The files of a continuous export that are kept here (`managed`), the first delivery first: what is delivered meanwhile comes at \
             the end. Of an export that delivers to a bucket: 409.",
        )
        .takes([
            id(),
            parameters::tenant(),
            in_query("after_delivery", "Only files of deliveries after this one, such as the last `delivery` that is known.", after),
            parameters::count(
                "limit",
                "Files, at most.",
                limits::CONTINUOUS_FILES_PAGE,
                limits::CONTINUOUS_FILES_PAGE_MAX,
            ),
            parameters::cursor("`next_cursor` of the page before. It holds the whole question."),
        ])
        .answers(200, "Some files.", &["Link"], &[(JSON, page)])
        .refuses(&[ProblemType::Invalid, ProblemType::Conflict])
}

fn file() -> Operation {
    let operation = new("get", "/v1/exports/continuous/{id}/files/{name}", "getDeliveredFile")
        .says(
            TAG,
            "Fetch a delivered file",
            "A file that is kept here (`managed`), by its name, slashes included; of a Delta table also the files of its `_delta_log/`. `Range` \
             gives a part of it, so that a download can go on. Of an export that delivers to a bucket: 409.",
        )
        .takes([id(), name("The file's name, as the list has it.")])
        .refuses(&[ProblemType::Conflict]);
    gives_file(operation, "The file, as it is hashed in the list.")
}

fn file_url() -> Operation {
    let operation = new("get", "/v1/exports/continuous/{id}/file-urls/{name}", "getDeliveredFileUrl")
        .says(
            TAG,
            "Get a URL of a delivered file",
            "A presigned URL of the bucket that the store is in: it gives the file to whoever has it. A store in a folder has none (422).",
        )
        .takes([id(), name("The file's name, as the list has it.")])
        .refuses(&[ProblemType::Conflict]);
    gives_url(operation)
}

fn delivered_file() -> Value {
    let mut file = export_file();
    let more = object(json!({
        "tenant_id": parameters::tenant_id(),
        "delivery": {"type": "integer", "minimum": 1, "description": "The number of the delivery, of those of this tenant's log."},
        "delivered_at": {"type": "string", "format": "date-time"},
    }));
    for (name, schema) in more["properties"].as_object().into_iter().flatten() {
        file["properties"][name] = schema.clone();
    }
    let required = [&file, &more].map(|part| part["required"].as_array().cloned().unwrap_or_default());
    file["required"] = required.concat().into();
    file
}

fn layout() -> Value {
    let plain = |name: &str, says: &str| {
        json!({
            "type": "object", "description": says,
            "properties": {"type": {"const": name}}, "required": ["type"], "additionalProperties": false,
        })
    };
    let security_lake = json!({
        "type": "object",
        "description": "A custom source of Amazon Security Lake: OCSF Parquet of one class.",
        "properties": {
            "type": {"const": "security_lake"},
            "source": {"type": "string", "minLength": 1, "description": "As it stands after `ext/`."},
            "region": {"type": "string", "minLength": 1},
            "account_id": {"type": "string", "minLength": 1},
            "class": {"type": "string", "enum": ["api_activity", "authentication", "account_change"]},
        },
        "required": ["type", "source", "region", "account_id", "class"],
        "additionalProperties": false,
    });
    json!({"oneOf": [
        plain("delta", "A Delta table, partitioned by `day`; each delivery is a commit."),
        plain("files", "Files in folders `day=…/`."),
        security_lake,
    ]})
}

fn export() -> Value {
    let time = json!({"type": "string", "format": "date-time"});
    let whole = json!({"type": "integer", "minimum": 0});
    let compressions = [Compression::None, Compression::Gzip, Compression::Zstd].map(Compression::name);
    let mut export = object(json!({
        "id": {"type": "string"},
        "tenant_id": {"type": ["string", "null"], "description": "null: of all tenants."},
        "state": {"type": "string", "enum": ["active", "replaying", "failing", "paused", "unreadable"],
            "description": "unreadable: what is stored of it is damaged, or of another version; it says so in `error`, not what it delivers."},
        "created_at": time,
        "created_by": {"type": "string", "description": "The id of a key."},
        "rows": {"type": "integer", "minimum": 0, "description": "Events delivered."},
        "bytes": whole,
        "files": whole,
        "lag_events": {"type": "integer", "minimum": 0, "description": "Events committed and not delivered, filtered or not."},
        "lag_seconds": {"type": "integer", "minimum": 0, "description": "For how long some of them wait at most."},
    }));
    let others = json!({
        "filter": reference("Filter"),
        "layout": reference("Layout"),
        "format": {"type": "string", "enum": Format::ALL.map(Format::name)},
        "compression": {"type": "string", "enum": compressions},
        "destination": {"type": "object"},
        "interval_seconds": whole,
        "rows_max": whole,
        "bytes_max": {"type": "integer", "minimum": 0, "description": "Bytes of the log's files, about, not of what is delivered."},
        "from": {"type": "string", "format": "date"},
        "position": {"type": "integer", "minimum": 0, "description": "The `seq` of the next event to deliver."},
        "delivered_at": time,
        "error": {"type": "string", "description": "What failed last."},
        "retry_at": time,
    });
    for (name, schema) in others.as_object().into_iter().flatten() {
        export["properties"][name] = schema.clone();
    }
    export
}
