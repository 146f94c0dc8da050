//! Operations on keys and tenants.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    parameters::{self, in_path, in_query},
    questions::or_null,
    schemas::{object, reference, scopes},
};
use crate::{auth::Scope, event::sealed::SealedField, http::problem::ProblemType, limits};

const KEYS: &str = "Keys";
const TENANTS: &str = "Tenants";
const JSON: &str = "application/json";

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = keys();
    all.extend([tenants(), tenant(), versions(), set_tenant()]);
    all
}

fn keys() -> Vec<Operation> {
    let admin = |method, path, id| Operation::new(method, path, id, &[Scope::Admin]);
    let id = || in_path("id", "The key's id: `key_…`.", json!({"type": "string", "minLength": 1}));
    let list = page("keys", "Key");
    let rotation = json!({
        "type": "object",
        "properties": {"grace_seconds": {
            "type": ["integer", "null"], "minimum": 0, "maximum": limits::KEY_GRACE_MS_MAX / 1_000,
            "description": format!("For how long the secret before still holds; {} if not given.", limits::KEY_GRACE_MS / 1_000),
        }},
        "additionalProperties": false,
    });
    let shown_once = "The key, shown only now.";
    vec![
        admin("get", "/v1/keys", "listKeys")
            .says(
                KEYS,
                "List keys",
                "A page of the keys there are, newest first, revoked ones included; without their secrets. The `Link` header leads to \
                 the next page.",
            )
            .takes([
                in_query("tenant_id", "Only keys of this tenant.", parameters::tenant_id()),
                parameters::count("limit", "Keys of a page, at most.", limits::KEYS_PAGE, limits::KEYS_PAGE_MAX),
                parameters::cursor("`next_cursor` of the page before. It holds the whole question."),
            ])
            .answers(200, "The page.", &["Link"], &[(JSON, list)])
            .refuses(&[ProblemType::NotFound, ProblemType::Invalid]),
        admin("post", "/v1/keys", "makeKey")
            .says(
                KEYS,
                "Make a key",
                "A key of one tenant, or of all. A key of one tenant makes keys of that tenant only.",
            )
            .reads(true, &[(JSON, new_key())])
            .answers(201, shown_once, &["Location", "Cache-Control"], &[(JSON, reference("KeyWithSecret"))])
            .refuses(&[ProblemType::NotFound]),
        admin("get", "/v1/keys/{id}", "getKey")
            .says(KEYS, "Get a key", "What is known of a key; not its secret.")
            .takes([id()])
            .answers(200, "The key.", &[], &[(JSON, reference("Key"))])
            .refuses(&[ProblemType::NotFound]),
        admin("delete", "/v1/keys/{id}", "revokeKey")
            .says(KEYS, "Revoke a key", "From the answer on it opens nothing in this server. Revoking again changes nothing.")
            .takes([id()])
            .answers(204, "It is revoked.", &[], &[])
            .refuses(&[ProblemType::NotFound]),
        admin("post", "/v1/keys/{id}/rotate", "rotateKey")
            .says(KEYS, "Rotate a key", "Gives the same key a new secret; the one before holds a while longer. The body may be left out.")
            .takes([id()])
            .reads(false, &[(JSON, rotation)])
            .answers(201, shown_once, &["Location", "Cache-Control"], &[(JSON, reference("KeyWithSecret"))])
            .refuses(&[ProblemType::NotFound, ProblemType::Conflict]),
    ]
}

/// A page of a list, under `member`.
fn page(member: &str, schema: &str) -> Value {
    let next = json!({"type": ["string", "null"], "description": "What `cursor` takes for the next page; null: this is the last."});
    let mut properties = json!({ "next_cursor": next });
    properties[member] = json!({"type": "array", "items": reference(schema)});
    object(properties)
}

fn new_key() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": limits::KEY_NAME_BYTES_MAX},
            "scopes": scopes(),
            "tenant_id": or_null(parameters::tenant_id()),
            "expires_at": {"type": ["string", "null"], "format": "date-time", "description": "In the future; never if not given."},
        },
        "required": ["name", "scopes"],
        "additionalProperties": false,
    })
}

/// The id of a tenant in a path.
pub(super) fn id() -> Value {
    in_path("id", "The tenant's id.", parameters::tenant_id())
}

fn reading(path: &'static str, id: &'static str) -> Operation {
    Operation::new("get", path, id, &[Scope::Read, Scope::Admin]).refuses(&[ProblemType::Invalid])
}

fn tenants() -> Operation {
    reading("/v1/tenants", "listTenants")
        .says(
            TENANTS,
            "List tenants",
            "A page of the tenants there are, by id, as far as the key reaches. The `Link` header leads to the next page.",
        )
        .takes([
            parameters::count(
                "limit",
                "Tenants of a page, at most.",
                limits::TENANTS_PAGE,
                limits::TENANTS_PAGE_MAX,
            ),
            parameters::cursor("`next_cursor` of the page before."),
        ])
        .answers(200, "The page.", &["Link"], &[(JSON, page("tenants", "Tenant"))])
}

fn tenant() -> Operation {
    reading("/v1/tenants/{id}", "getTenant")
        .says(
            TENANTS,
            "Get a tenant",
            "What is set for it, how many events it has, and the days that can be queried.",
        )
        .takes([id()])
        .answers(200, "The tenant.", &["ETag"], &[(JSON, reference("Tenant"))])
        .refuses(&[ProblemType::NotFound])
}

fn versions() -> Operation {
    let list = object(json!({"versions": {"type": "array", "items": reference("TenantVersion")}}));
    reading("/v1/tenants/{id}/versions", "listTenantVersions")
        .says(
            TENANTS,
            "List a tenant's settings",
            "What was set for it and by whom, newest first: the last 100 versions.",
        )
        .takes([id()])
        .answers(200, "The versions.", &[], &[(JSON, list)])
        .refuses(&[ProblemType::NotFound])
}

fn set_tenant() -> Operation {
    let limit = || json!({"type": ["integer", "null"], "minimum": 1, "maximum": u32::MAX});
    let patch = json!({
        "type": "object",
        "properties": {
            "name": {"type": ["string", "null"], "minLength": 1, "maxLength": limits::KEY_NAME_BYTES_MAX},
            "retention_days": {"type": ["integer", "null"], "minimum": 1, "maximum": limits::RETENTION_DAYS_MAX},
            "lock_days": {"type": ["integer", "null"], "minimum": 1, "maximum": limits::RETENTION_DAYS_MAX},
            "legal_hold": {"type": ["boolean", "null"]},
            "sealed_fields": {"type": ["array", "null"], "maxItems": limits::SEALED_FIELDS_MAX,
                "items": {"type": "string", "minLength": 1, "maxLength": limits::SEALED_FIELD_BYTES_MAX},
                "description": format!("Decided before the first event (409): {}.", SealedField::FORMS)},
            "limits": {
                "type": ["object", "null"],
                "properties": {
                    "requests_per_second": limit(),
                    "events_per_second": limit(),
                    "query_seconds_per_minute": limit(),
                },
                "additionalProperties": false,
            },
        },
        "additionalProperties": false,
    });
    Operation::new("patch", "/v1/tenants/{id}", "setTenant", &[Scope::Admin])
        .says(
            TENANTS,
            "Set something for a tenant",
            "A JSON merge patch (RFC 7396): what is left out stays, `null` clears. With a key of all tenants it makes a tenant that is \
             not there. A tenant's own key sets `name` only (403). With `If-Match` only the version that it names is changed (412).",
        )
        .takes([id(), parameters::if_match()])
        .reads(true, &[("application/merge-patch+json", patch.clone()), (JSON, patch)])
        .answers(200, "The tenant as it is now.", &["ETag"], &[(JSON, reference("Tenant"))])
        .refuses(&[ProblemType::NotFound, ProblemType::Conflict, ProblemType::PreconditionFailed])
}
