//! Operations that let a tenant check its log.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    parameters::{self, in_path, in_query},
    schemas::{object, reference},
};
use crate::{auth::Scope, evidence::bundle::FORMAT, http::problem::ProblemType};

const TAG: &str = "Proofs";
const JSON: &str = "application/json";

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    vec![checkpoint(), tile(), event(), consistency(), keys()]
}

/// The schemas that they refer to.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("Hash", hash()), ("Proof", proof())]
}

fn new(path: &'static str, id: &'static str) -> Operation {
    Operation::new("get", path, id, &[Scope::Read])
        .takes([tenant()])
        .refuses(&[ProblemType::NotFound, ProblemType::Invalid])
}

fn tenant() -> Value {
    let about =
        "Whose log. A key of one tenant needs none, and finds no other; a key of all tenants must name one.";
    in_query("tenant_id", about, parameters::tenant_id())
}

fn checkpoint() -> Operation {
    new("/v1/checkpoint", "getCheckpoint")
        .says(
            TAG,
            "Get the newest checkpoint",
            "How many events there are, and the root of their Merkle tree (RFC 6962), as a signed note (C2SP tlog-checkpoint). Who \
             keeps it can prove any later rewrite of these events.",
        )
        .answers(200, "The note.", &["Cache-Control"], &[("text/plain", json!({"type": "string"}))])
}

fn tile() -> Operation {
    let path = "The tile's path by C2SP tlog-tiles, slashes included: `0/x001/234`, or `0/x001/234.p/17`.";
    new("/v1/tile/{path}", "getTile")
        .says(
            TAG,
            "Get a tile",
            "Up to 256 hashes of the Merkle tree, 32 bytes each. A tile never changes. Viewer tokens that reach only part of a log \
             get none.",
        )
        .takes([in_path("path", path, json!({"type": "string", "minLength": 1}))])
        .answers(200, "The hashes.", &["Cache-Control"], &[("application/octet-stream", json!({"description": "The hashes."}))])
}

fn event() -> Operation {
    new("/v1/events/{id}/proof", "proveEvent")
        .says(
            TAG,
            "Prove an event",
            "The event, its number, its inclusion proof (RFC 6962, 2.1.1), and the checkpoint that this leads to: all that \
             `auditlake verify --proof` needs. While no checkpoint covers the event, 409.",
        )
        .takes([in_path("id", "The event's id.", json!({"type": "string", "minLength": 1}))])
        .answers(200, "The proof.", &["Cache-Control"], &[(JSON, reference("Proof"))])
        .refuses(&[ProblemType::Conflict, ProblemType::TooManyRequests])
}

fn consistency() -> Operation {
    let size = || json!({"type": "integer", "minimum": 1});
    let mut from = in_query("from", "Events of the checkpoint that was kept.", size());
    from["required"] = true.into();
    let answer = object(json!({
        "from": size(),
        "to": size(),
        "from_root": reference("Hash"),
        "to_root": reference("Hash"),
        "proof": {"type": "array", "items": reference("Hash")},
    }));
    new("/v1/proofs/consistency", "proveConsistency")
        .says(
            TAG,
            "Prove that the log goes on",
            "What proves that the tree of `to` events begins with the tree of `from` events (RFC 6962, 2.1.2).",
        )
        .takes([from, in_query("to", "Events of the newer one; the newest if not given.", size())])
        .answers(200, "The proof.", &["Cache-Control"], &[(JSON, answer)])
}

fn keys() -> Operation {
    let answer = object(json!({
        "origin": {"type": "string", "description": "The name that the checkpoints bear."},
        "verifier_keys": {"type": "array", "items": {"type": "string", "description": "`name+hash+base64` (C2SP signed-note)."}},
    }));
    new("/v1/verifier-keys", "listVerifierKeys")
        .says(
            TAG,
            "List the keys that sign",
            "All keys that have ever signed this log's checkpoints, the current ones first. Get them once by another way, too: a \
             server that is not to be trusted could name any.",
        )
        .answers(200, "The keys.", &[], &[(JSON, answer)])
}

fn hash() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$", "description": "A SHA-256 in base64."})
}

fn proof() -> Value {
    object(json!({
        "format": {"const": FORMAT},
        "event": reference("Event"),
        "seq": {"type": "integer", "minimum": 0, "description": "The leaf's place in the tree."},
        "leaf_hash": reference("Hash"),
        "inclusion": {"type": "array", "items": reference("Hash"), "description": "From the leaf's sibling up."},
        "checkpoint": {"type": "string", "description": "The signed note."},
    }))
}
