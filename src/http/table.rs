//! `/v1/tenants/{id}/table`: where a tenant's Delta table is, for readers that take it in place.
//!
//! In: a tenant's id. Out: the table's URL, what is in it, and lines to paste. Guaranteed: as for tenants, another's is 404 in the same
//! words as one that does not exist; no credential is in the answer: who may read a table, the store's own rules say.

pub(super) mod files;
mod snippets;

use axum::{
    Extension, Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
};
use serde::Serialize;

use self::snippets::Snippets;
use super::{Api, params::Params, problem::Problem, tenants::named};
use crate::{auth::Principal, table::Described};

/// A table and how to read it.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    table: Described,
    snippets: Snippets,
}

/// The table of one tenant.
pub(super) async fn get(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, Problem> {
    Params::parse(query.as_deref(), &[])?;
    principal.require_key()?;
    let table = api.auth.tenants().table(&principal, &named(id)?).await?;
    Ok(Json(Answer { snippets: Snippets::of(&table), table }))
}
