//! Cursors: where a walk through pages of events stands, in the client's hands.
//!
//! In: a question, whose events it is about, and where its page ended. Out: opaque text for a URL, and the question again.
//! Guaranteed: a cursor holds the whole question, so that no page of a walk can be about other events than the first; it is
//! taken from whoever may ask that question about those events, and from nobody else; what was changed or made by another
//! store is refused.

use serde::{Deserialize, Serialize};

use super::{params, problem::Problem};
use crate::{
    auth::{Principal, Reach, Signer},
    event::TenantId,
    query::{
        Filter, Scope,
        browse::{Order, PageQuery, Position},
    },
};

const PURPOSE: &str = "events-cursor";
const VERSION: u32 = 1;

/// What is signed. Members are short because the text is long enough.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "v")]
    version: u32,
    /// The tenant; `None`: all.
    #[serde(rename = "n")]
    tenant: Option<TenantId>,
    #[serde(rename = "f")]
    filter: Filter,
    #[serde(rename = "o")]
    order: Order,
    #[serde(rename = "l")]
    limit: u64,
    /// When the walk began, in microseconds since 1970.
    #[serde(rename = "b")]
    began_at: i64,
    #[serde(rename = "p")]
    end: Position,
}

/// The cursor to what comes after `end`.
pub(super) fn write(
    signer: &Signer,
    scope: &Scope,
    query: &PageQuery,
    end: Position,
    began_at: i64,
) -> Result<String, Problem> {
    let document = Document {
        version: VERSION,
        tenant: scope.tenant().cloned(),
        filter: query.filter.clone(),
        order: query.order,
        limit: query.limit,
        began_at,
        end,
    };
    let json = serde_json::to_vec(&document).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(signer.sign(PURPOSE, &json))
}

/// The question of a cursor and whose events it is about, for `principal`, who may name the tenant once more.
pub(super) fn read(
    signer: &Signer,
    principal: &Principal,
    named: Option<TenantId>,
    text: &str,
) -> Result<(Scope, PageQuery), Problem> {
    let document = signer.verify(PURPOSE, text).and_then(|json| serde_json::from_slice(&json).ok());
    let document = document.filter(|document: &Document| document.version == VERSION);
    let held = document.as_ref().and_then(|document| document.tenant.clone());
    let scope = principal.scope(named_or_held(principal, named, held))?;
    let document = document.filter(|document| document.tenant.as_ref() == scope.tenant());
    let document = document.ok_or_else(not_given)?;
    let query = PageQuery {
        filter: document.filter,
        order: document.order,
        limit: document.limit,
        after: Some((document.end, document.began_at)),
    };
    Ok((scope, query))
}

/// The tenant that a request is about: the one it names, or else, for who reaches all, the one that its cursor holds.
pub(super) fn named_or_held(
    principal: &Principal,
    named: Option<TenantId>,
    held: Option<TenantId>,
) -> Option<TenantId> {
    match principal.reach() {
        Reach::All => named.or(held),
        Reach::Tenant(_) => named,
    }
}

/// The same words whether it is no cursor or another's: nothing is told about other tenants.
pub(super) fn not_given() -> Problem {
    params::wrong("cursor", "it is not a cursor that was given to this reader")
}
