//! Pages of lists that are not of events: from where on, how much, and where the next page is.
//!
//! In: `limit` and `cursor` of a request, and where its page ended. Out: the same for the next one, as a cursor and as a `Link`.
//! Guaranteed: as for cursors of events ([`cursor`]): a cursor holds the whole question, and is taken from whoever may ask that.

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{cursor, params::Params, problem::Problem};
use crate::{
    auth::{Principal, Signer},
    event::TenantId,
};

const VERSION: u32 = 1;

/// A list that is given in pages.
#[derive(Debug)]
pub(super) struct List {
    pub(super) path: &'static str,
    /// What its cursors are signed for.
    pub(super) purpose: &'static str,
    /// Of a page, if nothing is said.
    pub(super) limit: u64,
    pub(super) limit_max: u64,
}

/// Where a walk through a list stands.
#[derive(Debug)]
pub(super) struct Walk<P> {
    /// Whose part of the list; `None`: all that the principal reaches.
    pub(super) tenant: Option<TenantId>,
    pub(super) limit: usize,
    /// Where the page before ended.
    pub(super) after: Option<P>,
}

/// What is signed. Members as in cursors of events.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<P> {
    #[serde(rename = "v")]
    version: u32,
    #[serde(rename = "n")]
    tenant: Option<TenantId>,
    #[serde(rename = "l")]
    limit: u64,
    #[serde(rename = "p")]
    end: P,
}

impl List {
    /// The walk that a request begins or goes on with.
    pub(super) fn walk<P: DeserializeOwned>(
        &self,
        signer: &Signer,
        principal: &Principal,
        params: &Params,
    ) -> Result<Walk<P>, Problem> {
        let named = params.tenant()?;
        let limit = params.count("limit", self.limit_max)?;
        let of_parameter = |error| Problem::from(error).of_parameter("tenant_id");
        let Some(text) = params.get("cursor") else {
            let tenant = principal.tenant(named).map_err(of_parameter)?;
            return Ok(Walk { tenant, limit: limit.unwrap_or(self.limit) as usize, after: None });
        };
        let document = signer.verify(self.purpose, text).and_then(|json| serde_json::from_slice(&json).ok());
        let document = document.filter(|document: &Document<P>| document.version == VERSION);
        let held = document.as_ref().and_then(|document| document.tenant.clone());
        let tenant = principal.tenant(cursor::named_or_held(principal, named, held)).map_err(of_parameter)?;
        let document = document.filter(|document| document.tenant == tenant).ok_or_else(cursor::not_given)?;
        let limit = limit.unwrap_or(document.limit) as usize;
        Ok(Walk { tenant, limit, after: Some(document.end) })
    }

    /// The answer that `page` makes of the cursor to the next page, which there is if this one has an `end`.
    pub(super) fn answer<P: Serialize, B: Serialize>(
        &self,
        signer: &Signer,
        walk: Walk<P>,
        end: Option<P>,
        page: impl FnOnce(Option<String>) -> B,
    ) -> Result<Response, Problem> {
        self.answer_at(self.path, signer, walk, end, page)
    }

    /// The same of a list whose path has a variable part, which stands in `path`.
    pub(super) fn answer_at<P: Serialize, B: Serialize>(
        &self,
        path: &str,
        signer: &Signer,
        walk: Walk<P>,
        end: Option<P>,
        page: impl FnOnce(Option<String>) -> B,
    ) -> Result<Response, Problem> {
        let Some(end) = end else { return Ok(Json(page(None)).into_response()) };
        let Walk { tenant, limit, .. } = walk;
        let document = Document { version: VERSION, tenant, limit: limit as u64, end };
        let json = serde_json::to_vec(&document).map_err(|error| Problem::internal(error.to_string()))?;
        let next = signer.sign(self.purpose, &json);
        let link = link(path, &next)?;
        Ok(([(header::LINK, link)], Json(page(Some(next)))).into_response())
    }
}

/// The next page as a link (RFC 8288).
pub(super) fn link(path: &str, next: &str) -> Result<HeaderValue, Problem> {
    let link = HeaderValue::try_from(format!("<{path}?cursor={next}>; rel=\"next\""));
    link.map_err(|error| Problem::internal(error.to_string()))
}
