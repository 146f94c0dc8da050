//! `/v1/checkpoint`, `/v1/tile/…`, `/v1/events/{id}/proof`, `/v1/proofs/consistency`, `/v1/verifier-keys`: what lets a tenant
//! check its log without trusting the server.
//!
//! In: whose log, and what of it. Out: signed notes, tiles (C2SP tlog-tiles), proofs as JSON. Guaranteed: nothing past the newest
//! checkpoint is shown, nothing of another tenant; each answer is recorded first, as any other read; a viewer whose token
//! reaches only part of a log gets the proofs of its events, and no tiles.

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use serde_json::json;

use super::{
    Api, browse,
    caller::Caller,
    params::{self, Params, in_path},
    problem::{Problem, ProblemType},
    record::Record,
    sql,
};
use crate::{
    event::TenantId,
    evidence::{Checkpoint, Hash, Stored, TileId, Tiles as _},
    query::Scope,
};

/// The name under which all of it is recorded.
const ACTION: &str = "auditlog.proof";

/// A tile never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// One tenant's tree, as a request asks for it.
struct Asked {
    scope: Scope,
    tree: Stored,
    record: Record,
    note: String,
    checkpoint: Checkpoint,
}

/// The newest checkpoint, a signed note.
pub(super) async fn checkpoint(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id"])?;
    let asked = ask(&api, &caller, &params).await?;
    let record = asked.record.with(json!({"checkpoint": asked.checkpoint.size}));
    record.done(None).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut response = (headers, asked.note).into_response();
    sql::tell_tenant(&mut response, &asked.scope);
    Ok(response)
}

/// One tile, at its path by C2SP tlog-tiles.
pub(super) async fn tile(
    State(api): State<Api>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id"])?;
    let path = in_path(path)?;
    let asked = ask(&api, &caller, &params).await?;
    let not_there = || Problem::new(ProblemType::NotFound, format!("there is no tile '{path}'"));
    if matches!(asked.scope, Scope::Part(..)) {
        let detail = "tiles are of a whole log, and this token reaches only part of it";
        let problem = Problem::new(ProblemType::Forbidden, detail);
        return Err(asked.record.failed(problem).await);
    }
    let tile =
        TileId::parse(&path).filter(|tile| is_within(*tile, asked.checkpoint.size)).ok_or_else(not_there)?;
    let bytes = asked.tree.tile(tile).await?;
    asked.record.with(json!({"tile": path})).done(None).await?;
    let octets = HeaderValue::from_static("application/octet-stream");
    let mut response =
        ([(header::CONTENT_TYPE, octets), (header::CACHE_CONTROL, FOR_EVER)], bytes).into_response();
    sql::tell_tenant(&mut response, &asked.scope);
    Ok(response)
}

/// Whether a tree of `size` leaves has all hashes of the tile.
fn is_within(tile: TileId, size: u64) -> bool {
    let last = tile.index * u64::from(TileId::FULL) + u64::from(tile.width) - 1;
    TileId::holding(tile.level, last, size).is_some()
}

/// An event with all that proves it.
pub(super) async fn event(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id"])?;
    let id = in_path(id)?;
    let query = browse::by_id(&id)?;
    let asked = ask(&api, &caller, &params).await?;
    let record = asked.record.clone().target("event", &*id).with(json!({"id": id}));
    let found = browse::page(&api, &caller, &query, asked.scope.clone()).await;
    let found = record.answered(found, |page| page.events.len().min(1)).await?;
    let Some(event) = found.events.into_iter().next() else {
        return Err(browse::no_such_event(&id).recorded());
    };
    let bundle = asked.tree.prove(&asked.note, event).await?;
    let mut response =
        ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(bundle)).into_response();
    sql::tell_tenant(&mut response, &asked.scope);
    Ok(response)
}

/// That a tree goes on from another.
#[derive(Serialize)]
struct Consistency {
    from: u64,
    to: u64,
    /// Of the tree of `from` events, as the server has it: the customer's own checkpoint is what counts.
    from_root: Hash,
    to_root: Hash,
    proof: Vec<Hash>,
}

/// What proves that the tree of `to` events begins with the tree of `from` events.
pub(super) async fn consistency(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id", "from", "to"])?;
    let asked = ask(&api, &caller, &params).await?;
    // Between trees that differ by an event it is that event's hash.
    if matches!(asked.scope, Scope::Part(..)) {
        let detail = "proofs of consistency are of a whole log, and this token reaches only part of it";
        let problem = Problem::new(ProblemType::Forbidden, detail);
        return Err(asked.record.failed(problem).await);
    }
    let size = asked.checkpoint.size;
    let to = params.count("to", size.max(1))?.unwrap_or(size);
    let Some(from) = params.count("from", to.max(1))? else {
        return Err(params::wrong("from", "it is missing: the size of the checkpoint that was kept"));
    };
    let mut reader = asked.tree.reader(to);
    let (to_root, from_root) = (reader.root().await?, reader.root_at(from).await?);
    let proof = reader.consistency(from).await?;
    asked.record.with(json!({"from": from, "to": to})).done(None).await?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let mut response = (no_store, Json(Consistency { from, to, from_root, to_root, proof })).into_response();
    sql::tell_tenant(&mut response, &asked.scope);
    Ok(response)
}

/// The keys by which a tenant's checkpoints are to be checked.
#[derive(Serialize)]
struct Keys {
    origin: String,
    verifier_keys: Vec<String>,
}

/// All keys that ever signed a tenant's checkpoints, the newest first.
pub(super) async fn keys(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["tenant_id"])?;
    let (scope, tenant) = tenant(&caller, &params)?;
    let Some(origin) = api.evidence.origin(&tenant) else { return Err(nothing_signed(&tenant)) };
    let verifier_keys = api.evidence.verifiers(&tenant).iter().map(ToString::to_string).collect();
    let mut response = Json(Keys { origin, verifier_keys }).into_response();
    sql::tell_tenant(&mut response, &scope);
    Ok(response)
}

/// The one tenant that a request is about.
fn tenant(caller: &Caller, params: &Params) -> Result<(Scope, TenantId), Problem> {
    let named = caller.principal.scope(params.tenant()?);
    let scope = named.map_err(|error| Problem::from(error).of_parameter("tenant_id"))?;
    let Some(tenant) = scope.tenant().cloned() else {
        let detail = "a tree is of one tenant: name it with tenant_id";
        return Err(params::wrong("tenant_id", detail));
    };
    Ok((scope, tenant))
}

async fn ask(api: &Api, caller: &Caller, params: &Params) -> Result<Asked, Problem> {
    let (scope, tenant) = tenant(caller, params)?;
    let tree = api.evidence.of(&tenant);
    let record = Record::of(api, caller, ACTION, &scope);
    let note = tree.head().await?.note.clone();
    let read = note.and_then(|note| Checkpoint::parse(&note).map(|checkpoint| (note, checkpoint)));
    let Some((note, checkpoint)) = read else { return Err(nothing_signed(&tenant)) };
    Ok(Asked { scope, tree, record, note, checkpoint })
}

fn nothing_signed(tenant: &TenantId) -> Problem {
    Problem::new(ProblemType::NotFound, format!("nothing of tenant '{tenant}' is signed yet"))
}
