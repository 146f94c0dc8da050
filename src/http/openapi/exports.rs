//! Operations on exports.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
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
    query::Filter,
};

const TAG: &str = "Exports";
const JSON: &str = "application/json";

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    vec![list(), make(), get(), delete(), file(), file_url()]
}

/// The schemas that they refer to.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("Filter", filter()), ("Bucket", bucket()), ("ExportFile", export_file()), ("Export", export())]
}

fn new(method: &'static str, path: &'static str, id: &'static str) -> Operation {
    Operation::new(method, path, id, &[Scope::Export]).refuses(&[ProblemType::NotFound])
}

fn id() -> Value {
    in_path("id", "The export's id: `exp_…`.", json!({"type": "string", "minLength": 1}))
}

fn list() -> Operation {
    let page = object(json!({
        "exports": {"type": "array", "items": reference("Export")},
        "next_cursor": {"type": ["string", "null"], "description": "What `cursor` takes for the next ones; null: there are no more."},
    }));
    new("get", "/v1/exports", "listExports")
        .says(TAG, "List exports", "The exports there are, newest first, as far as the key reaches.")
        .takes([
            parameters::tenant(),
            parameters::count(
                "limit",
                "Exports, at most.",
                limits::EXPORTS_PAGE,
                limits::EXPORTS_PER_TENANT_MAX as u64,
            ),
            parameters::cursor("`next_cursor` of the page before. It holds the whole question."),
        ])
        .answers(200, "Some exports.", &["Link"], &[(JSON, page)])
        .refuses(&[ProblemType::Invalid])
}

fn make() -> Operation {
    let wanted = json!({
        "type": "object",
        "properties": {
            "tenant_id": or_null(parameters::tenant_id()),
            "filter": {"oneOf": [reference("Filter"), {"type": "null"}], "description": "Events that pass it; all, if nothing is asked for."},
            "sql": {"type": ["string", "null"], "maxLength": limits::SQL_BYTES_MAX, "description": "The answer to a question instead."},
            "query": {"type": ["string", "null"], "description": "The answer to a saved query instead."},
            "params": {"type": ["object", "null"], "additionalProperties": true},
            "format": {"type": "string", "enum": Format::ALL.map(Format::name)},
            "compression": {"type": ["string", "null"], "enum": [null, "none", "gzip", "zstd"], "description":
                "Of the text formats; if not given, zstd, and none of CSV."},
            "destination": {"oneOf": [destination(), {"type": "null"}]},
        },
        "required": ["format"],
        "additionalProperties": false,
    });
    new("post", "/v1/exports", "makeExport")
        .says(
            TAG,
            "Export a log or an answer",
            "Files of one tenant's events, or of the answer to a question, as of now: what comes later does not belong to it. It is \
             carried out in its turn, and goes on after a restart. Only one of `filter`, `sql` and `query` may be given.",
        )
        .takes([parameters::tenant()])
        .reads(true, &[(JSON, wanted)])
        .answers(202, "It will be carried out.", &["Location", "Cache-Control"], &[(JSON, reference("Export"))])
}

fn get() -> Operation {
    let wait = json!({"type": "integer", "minimum": 1, "maximum": limits::EXPORT_WAIT_SECONDS_MAX});
    new("get", "/v1/exports/{id}", "getExport")
        .says(TAG, "Get an export", "How far it is, or what has become of it.")
        .takes([id(), in_query("wait_seconds", "Answer once it has ended, or after so many seconds.", wait)])
        .answers(200, "The export.", &[], &[(JSON, reference("Export"))])
}

fn delete() -> Operation {
    new("delete", "/v1/exports/{id}", "deleteExport")
        .says(
            TAG,
            "Give an export up",
            "One that has not ended is cancelled, and what was written of it goes. One that has ended is removed, with the files that \
             are kept here.",
        )
        .takes([id()])
        .answers(200, "It is cancelled.", &[], &[(JSON, reference("Export"))])
        .answers(204, "It is removed.", &[], &[])
}

fn file() -> Operation {
    let operation = new("get", "/v1/exports/{id}/files/{name}", "getExportFile")
        .says(
            TAG,
            "Fetch a file",
            "A file of a complete export that is kept here, or `manifest.json`. `Range` gives a part of it, so that a download can go on.",
        )
        .takes([id(), name("The file's name, as `files` of the export has it.")]);
    gives_file(operation, "The file, as it is hashed in the manifest.")
}

/// The name of a file, in the path.
pub(super) fn name(about: &str) -> Value {
    in_path("name", about, json!({"type": "string", "minLength": 1}))
}

/// What files are: by format, or by what they are packed with; a manifest and a Delta table's log are JSON.
fn media_of_files() -> Vec<(&'static str, Value)> {
    let by_format = Format::ALL.into_iter().map(Format::content_type);
    let all = by_format.chain(["application/gzip", "application/zstd", JSON]);
    let names: BTreeSet<&str> = all.filter_map(|media| media.split(';').next()).collect();
    names.into_iter().map(|media| (media, json!({"description": "The bytes of the file."}))).collect()
}

/// An operation that gives a file, whole or in part.
pub(super) fn gives_file(operation: Operation, about: &str) -> Operation {
    let media = media_of_files();
    let range = json!({"name": "Range", "in": "header", "schema": {"type": "string"}, "description":
        "`bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-COUNT` (RFC 9110, 14.2); anything else is answered by the whole file."});
    operation
        .takes([range])
        .answers(200, about, &["Cache-Control", "Accept-Ranges"], &media)
        .answers(206, "The part asked for.", &["Cache-Control", "Accept-Ranges", "Content-Range"], &media)
        .refuses(&[ProblemType::RangeNotSatisfiable])
}

fn file_url() -> Operation {
    let operation = new("get", "/v1/exports/{id}/files/{name}/url", "getExportFileUrl")
        .says(
            TAG,
            "Get a URL of a file",
            "A presigned URL of the bucket that the store is in: it gives the file to whoever has it. A store in a folder has none (422).",
        )
        .takes([id(), name("The file's name.")]);
    gives_url(operation)
}

/// An operation that gives a URL of a file.
pub(super) fn gives_url(operation: Operation) -> Operation {
    let seconds = json!({"type": "integer", "minimum": 1, "maximum": limits::EXPORT_URL_SECONDS_MAX,
        "default": limits::EXPORT_URL_SECONDS});
    let url = object(json!({
        "url": {"type": "string", "format": "uri"},
        "expires_at": {"type": "string", "format": "date-time"},
    }));
    operation
        .takes([in_query("seconds", "For how long it holds.", seconds)])
        .answers(200, "The URL.", &["Cache-Control"], &[(JSON, url)])
        .refuses(&[ProblemType::Invalid])
}

pub(super) fn destination() -> Value {
    let managed = json!({
        "type": "object",
        "properties": {"type": {"const": "managed", "description": "Kept by the server, to be fetched from it."}},
        "required": ["type"],
        "additionalProperties": false,
    });
    json!({"oneOf": [managed, reference("Bucket")]})
}

/// A bucket as it is asked for.
fn bucket() -> Value {
    let text = json!({"type": "string", "minLength": 1});
    let keys = json!({
        "type": "object",
        "properties": {"type": {"const": "keys"}, "access_key_id": text, "secret_access_key":
            {"type": "string", "writeOnly": true, "description": "Stored encrypted, and shown to nobody."}},
        "required": ["type", "access_key_id", "secret_access_key"],
        "additionalProperties": false,
    });
    let role = json!({
        "type": "object",
        "properties": {"type": {"const": "role"}, "role_arn": {"type": "string", "description":
            "Its trust policy has to ask for the external id `auditlake:tenant:{tenant_id}`."}},
        "required": ["type", "role_arn"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {
            "type": {"const": "s3", "description": "Delivered to a bucket, in a folder that is named by the export's id."},
            "bucket": {"type": "string", "minLength": 3, "maxLength": 63},
            "prefix": {"type": "string", "description": "What goes before every key."},
            "region": {"type": ["string", "null"], "description": "`us-east-1` if none is given."},
            "endpoint": {"type": ["string", "null"], "description": "A store other than AWS, of those that the operator lists in `export.endpoints`."},
            "access": {"oneOf": [keys, role]},
        },
        "required": ["type", "bucket", "access"],
        "additionalProperties": false,
    })
}

/// The filters of `GET /v1/events` as members of an object.
fn filter() -> Value {
    let text =
        json!({"type": ["string", "null"], "minLength": 1, "maxLength": limits::FILTER_VALUE_BYTES_MAX});
    let time = json!({"type": ["string", "null"], "format": "date-time"});
    let mut properties = json!({
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": limits::FILTER_METADATA_MAX},
    });
    for name in Filter::NAMES {
        properties[name] = match name {
            "from" | "to" => time.clone(),
            "action" => {
                json!({"type": "array", "items": {"type": "string"}, "maxItems": limits::FILTER_ACTIONS_MAX})
            }
            _ => text.clone(),
        };
    }
    json!({
        "type": "object", "properties": properties, "additionalProperties": false,
        "description": "The filters of `GET /v1/events`; all that are given have to hold.",
    })
}

/// A file as a manifest has it.
pub(super) fn export_file() -> Value {
    let mut file = object(json!({
        "name": {"type": "string"},
        "rows": {"type": "integer", "minimum": 0},
        "bytes": {"type": "integer", "minimum": 0},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }));
    for name in ["first_occurred_at", "last_occurred_at"] {
        file["properties"][name] = json!({"type": "string", "format": "date-time"});
    }
    for name in ["seq_min", "seq_max"] {
        file["properties"][name] = json!({"type": "integer", "minimum": 0});
    }
    file
}

fn export() -> Value {
    let time = json!({"type": "string", "format": "date-time"});
    let whole = json!({"type": "integer", "minimum": 0});
    let compressions = [Compression::None, Compression::Gzip, Compression::Zstd].map(Compression::name);
    let mut export = object(json!({
        "id": {"type": "string"},
        "tenant_id": parameters::tenant_id(),
        "state": {"type": "string", "enum": ["queued", "running", "paused", "completed", "cancelled", "failed"]},
        "format": {"type": "string", "enum": Format::ALL.map(Format::name)},
        "compression": {"type": "string", "enum": compressions},
        "destination": {"type": "object"},
        "created_at": time,
        "created_by": {"type": "string", "description": "The id of a key."},
        "table_version": {"type": ["integer", "null"], "description": "The version of the Delta table that is exported."},
        "seq_before": {"type": "integer", "minimum": 0, "description": "Events with a smaller `seq` are exported."},
        "rows": whole,
        "bytes": whole,
        "files": {"type": "array", "items": reference("ExportFile")},
    }));
    let others = json!({
        "filter": reference("Filter"),
        "sql": {"type": "string"},
        "query": {"type": "string"},
        "params": {"type": "object"},
        "ended_at": time,
        "progress": {"type": "number", "minimum": 0, "maximum": 1, "description": "Of an answer to a question not known before the end."},
        "eta_seconds": whole,
        "error": {"type": "string", "description": "Why it failed or is paused."},
        "retry_at": time,
        "kept_from": {"type": "string", "format": "date", "description":
            "Retention had taken days before this one when it ended: they may be missing."},
    });
    for (name, schema) in others.as_object().into_iter().flatten() {
        export["properties"][name] = schema.clone();
    }
    export
}
