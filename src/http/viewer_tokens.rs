//! `POST /v1/viewer-tokens`: a token with which a tenant's own user reads its log, or a part of it.
//!
//! In: whose log, who will read, for how long, and what part. Out: the token, which is stored nowhere. Guaranteed: it opens no
//! more than the key that asks for it, and only for reading.

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Api, caller::Caller, params::Params, problem::Problem, record::Record, sql};
use crate::{
    auth::NewViewer,
    limits,
    query::{ActionPattern, Narrowing},
};

const FORM: &str =
    "{\"subject\", \"tenant_id\"?, \"expires_in_seconds\"?, \"workspace_id\"?, \"actor_id\"?, \"actions\"?}";

/// What a token is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    subject: String,
    tenant_id: Option<String>,
    expires_in_seconds: Option<i64>,
    workspace_id: Option<String>,
    actor_id: Option<String>,
    #[serde(default)]
    actions: Vec<ActionPattern>,
}

/// A token just made.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    token: String,
    tenant_id: String,
    subject: String,
    expires_at: String,
    #[serde(flatten)]
    narrowing: Narrowing,
}

/// The handler.
pub(super) async fn post(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1], Json<Made>), Problem> {
    Params::parse(query.as_deref(), &[])?;
    let wanted: Wanted = sql::parse(&sql::read_question(&api, &headers, body).await?, FORM)?;
    let narrowing = Narrowing {
        workspace_id: wanted.workspace_id,
        actor_id: wanted.actor_id,
        actions: wanted.actions,
        ..Narrowing::default()
    };
    let seconds = wanted.expires_in_seconds.map(|seconds| seconds.saturating_mul(1_000));
    let new = NewViewer {
        tenant: wanted.tenant_id.as_deref().map(sql::tenant_in_body).transpose()?,
        subject: wanted.subject.clone(),
        narrowing: narrowing.clone(),
        lives_ms: seconds.unwrap_or(limits::VIEWER_TOKEN_MS),
    };
    let asked = json!({"subject": new.subject, "lives_ms": new.lives_ms, "narrowing": new.narrowing});
    let issued = api.auth.issue_viewer_token(&caller.principal, new)?;
    // Nothing else keeps a token: without its record it is not given out.
    let record =
        Record::of_change(&api, &caller, "auditlog.viewer_token.create", Some(issued.tenant.clone()));
    record.target("viewer", wanted.subject.trim()).with(asked).done(None).await?;
    let made = Made {
        token: issued.token,
        tenant_id: issued.tenant.to_string(),
        subject: wanted.subject.trim().to_owned(),
        expires_at: issued.expires_at,
        narrowing,
    };
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((StatusCode::CREATED, [no_store], Json(made)))
}
