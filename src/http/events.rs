//! `POST /v1/events`: one event, an array, or NDJSON, packed or not; answered once everything is durable.
//!
//! In: the body and `?atomic=`, `?tenant_id=`, `?source=`, `Idempotency-Key`. Out: 201, 207, 409 or 422 with the receipt, or a
//! problem. Guaranteed: what is reported as accepted is durable, and a request whose body was read in full is
//! handled to its end even if its client leaves meanwhile, so that a retry finds duplicates and not a race.

use std::collections::BTreeMap;

use arrow::array::AsArray as _;
use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::task;
use tracing::Instrument as _;

use super::{
    Api,
    body::{self, Share},
    encoding::Encoding,
    gate::{self, About},
    idempotency,
    media::Media,
    params::Params,
    problem::{Problem, ProblemType},
};
use crate::{
    auth::Principal,
    error::{Error, ErrorKind},
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, DecodeError, Decoded, decode},
    },
    import::Source,
    ingest::{AppendRequest, IdempotencyKey, Receipt},
    limits,
};

/// One request with its body, ready to be handled without its client.
struct Sent {
    body: Bytes,
    encoding: Encoding,
    format: BodyFormat,
    tenant: Option<TenantId>,
    atomic: bool,
    /// What the events were mapped from: such events have the limits of its records.
    source: Source,
    /// The principal's id.
    principal: String,
    /// The `Idempotency-Key`.
    key: Option<String>,
    /// Pays for the body and, until the answer, for the columns made of it: they take about as much.
    share: Share,
}

/// The handler.
pub(super) async fn post(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["atomic", "tenant_id", "source"])?;
    let encoding = Encoding::of(&headers)?;
    let format = match Media::of(&headers)? {
        Media::Json => BodyFormat::Json,
        Media::Ndjson => BodyFormat::Ndjson,
    };
    let key = idempotency::key_of(&headers)?;
    let atomic = params.flag("atomic")?;
    let source = params.parsed("source", |name| name.parse().map_err(invalid))?.unwrap_or(Source::Native);
    let named = params.tenant()?;
    let tenant = principal.tenant(named).map_err(|error| Problem::from(error).of_parameter("tenant_id"))?;
    gate::may_send(&api, &principal, tenant.as_ref())?;

    let mut share = api.bodies.share();
    let timeout = api.settings.body_timeout();
    let body = body::read(body, limits::REQUEST_BYTES_MAX, timeout, &mut share).await?;
    let principal = principal.id().to_owned();
    let sent = Sent { body, encoding, format, tenant, atomic, source, principal, key, share };
    // A task of its own: this handler is dropped when its client leaves.
    let handling = api.appends.spawn(append(api.clone(), sent).in_current_span());
    handling.await.map_err(|error| Problem::internal(format!("appending events: {error}")))?
}

async fn append(api: Api, mut sent: Sent) -> Result<Response, Problem> {
    let principal = sent.principal.clone();
    let permit = api.decoders.acquire().await.expect("the decoders' semaphore is never closed");
    let received_at_micros = api.clock.now_micros();
    let span = tracing::Span::current();
    // Unpacking and decoding compute for milliseconds: on a thread of the runtime they would hold up others.
    let decoding = task::spawn_blocking(move || {
        let _entered = span.entered();
        let prepared = prepare(&mut sent, received_at_micros)?;
        let counts = by_tenant(&prepared.decoded)?;
        Ok::<_, Problem>((prepared, counts, sent.share))
    });
    let decoded = decoding.await.map_err(|error| Problem::internal(format!("decoding events: {error}")))?;
    drop(permit);
    let (request, counts, _share) = decoded?;
    let about = match counts.as_slice() {
        [(tenant, _)] => Some(About(tenant.clone())),
        _ => None,
    };
    gate::charge_events(&api, &principal, request.decoded.total, counts)?;
    api.metrics.events_rejected(request.decoded.rejected.len());
    let receipt = api.ingest.append(request).await?;
    let mut response = answer(&receipt);
    if let Some(about) = about {
        response.extensions_mut().insert(about);
    }
    Ok(response)
}

/// Unpacks and decodes; leaves the body's memory free again.
fn prepare(sent: &mut Sent, received_at_micros: i64) -> Result<AppendRequest, Problem> {
    let packed = std::mem::take(&mut sent.body);
    let body = sent.encoding.unpack(packed, limits::REQUEST_BYTES_MAX, &mut sent.share)?;
    let context = DecodeContext {
        limits: sent.source.limits(),
        ..DecodeContext::new(sent.tenant.clone(), received_at_micros)
    };
    let decoded: Decoded = decode(&body, sent.format, &context).map_err(undecodable)?;
    let idempotency = sent.key.take().map(|key| IdempotencyKey {
        principal: sent.principal.clone(),
        key,
        fingerprint: fingerprint(&body, sent),
    });
    Ok(AppendRequest { decoded, atomic: sent.atomic, idempotency })
}

/// How many good events each tenant has in a request.
fn by_tenant(decoded: &Decoded) -> Result<Vec<(TenantId, u64)>, Problem> {
    let column = decoded.batch.column_by_name("tenant_id");
    let column = column.ok_or_else(|| Problem::internal("decoded events have no tenant_id"))?;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for tenant in column.as_string::<i32>().iter().flatten() {
        *counts.entry(tenant).or_default() += 1;
    }
    let parsed = counts.into_iter().map(|(tenant, count)| Ok((TenantId::parse(tenant)?, count)));
    parsed.collect()
}

/// SHA-256 of the unpacked body and of all that changes its meaning.
fn fingerprint(body: &[u8], sent: &Sent) -> [u8; 32] {
    let tenant = sent.tenant.as_ref().map_or("", TenantId::as_str);
    let meaning = format!("{:?} {} {} {tenant}\n", sent.format, sent.atomic, sent.source);
    Sha256::new().chain_update(meaning).chain_update(body).finalize().into()
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

/// A body that as a whole is no list of events.
fn undecodable(error: DecodeError) -> Problem {
    let error = Error::from(error);
    let kind = match error.kind() {
        ErrorKind::Limit => ProblemType::ContentTooLarge,
        _ => ProblemType::BadRequest,
    };
    Problem::new(kind, error.to_string())
}

/// The receipt under its status: 201 if all is durable, 207 if some is, else 409 or 422.
fn answer(receipt: &Receipt) -> Response {
    let durable = receipt.accepted + receipt.duplicates;
    let refused = receipt.rejected.len();
    if refused == 0 {
        return (StatusCode::CREATED, Json(receipt)).into_response();
    }
    if durable > 0 {
        return (StatusCode::MULTI_STATUS, Json(receipt)).into_response();
    }
    let (kind, why) = if receipt.conflicts == refused {
        (ProblemType::Conflict, "their ids belong to events with other content")
    } else {
        (ProblemType::EventsRejected, "\"rejected\" says why")
    };
    Problem::new(kind, format!("no event was accepted; {refused} were refused: {why}"))
        .with_member("accepted", json!(0))
        .with_member("duplicates", json!(0))
        .with_member("rejected", json!(receipt.rejected))
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::decode::Rejected;

    fn status(accepted: usize, duplicates: usize, refused: u32, conflicts: usize) -> u16 {
        let rejected = (0..refused).map(|index| Rejected { index, line: None, id: None, errors: vec![] });
        let receipt = Receipt { accepted, duplicates, rejected: rejected.collect(), conflicts };
        answer(&receipt).status().as_u16()
    }

    /// Would catch a 2xx for a batch of which nothing is durable, or an error for one that is.
    #[test]
    fn the_status_says_what_is_durable() {
        assert_eq!(status(2, 0, 0, 0), 201);
        assert_eq!(status(0, 2, 0, 0), 201);
        assert_eq!(status(0, 0, 0, 0), 201, "an empty batch");
        assert_eq!(status(1, 0, 1, 0), 207);
        assert_eq!(status(0, 1, 1, 1), 207);
        assert_eq!(status(0, 0, 2, 1), 422);
        assert_eq!(status(0, 0, 2, 2), 409);
    }
}
