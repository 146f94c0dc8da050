//! Where batches of events go: into a store that this process opened, or to a running server.
//!
//! Both ways are the one way in: decode and check, then WAL, then acknowledged. [`Sent`] is told only when
//! what it counts is durable.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::task;

use super::client::Client;
use crate::{
    error::{Error, ErrorKind, Result},
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, Decoded, decode},
    },
    ingest::AppendRequest,
    server::Lake,
};

/// How long to wait for room when memory for uncommitted events is used up.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Takes batches. Cheap to clone.
#[derive(Clone)]
pub(super) enum Sink {
    /// A store of this process.
    Local(Arc<Lake>),
    /// A running server.
    Server(Client),
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) refused: Vec<Refused>,
}

/// An event of a batch that was refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// Its index in the batch.
    pub(super) index: usize,
    /// Its id, if it has a valid one.
    pub(super) id: Option<String>,
    /// Why.
    pub(super) reason: String,
}

impl Sink {
    /// Stores a batch of NDJSON. `tenant` is whose the events are that do not say it.
    pub(super) async fn send(&self, body: Bytes, tenant: Option<&TenantId>) -> Result<Sent> {
        match self {
            Sink::Local(lake) => append(lake, body, tenant.cloned()).await,
            Sink::Server(client) => {
                let receipt = client.post_events(body, tenant).await?;
                let reasons = receipt.rejected.into_iter().map(|rejected| {
                    let errors = rejected.errors.iter().map(|error| (&*error.pointer, &*error.detail));
                    Refused { index: rejected.index as usize, reason: describe(errors), id: rejected.id }
                });
                Ok(Sent {
                    accepted: receipt.accepted as u64,
                    duplicates: receipt.duplicates as u64,
                    refused: reasons.collect(),
                })
            }
        }
    }
}

async fn append(lake: &Lake, body: Bytes, tenant: Option<TenantId>) -> Result<Sent> {
    let received_at_micros = lake.clock().now_micros();
    // A log that is brought here from elsewhere brings the records of who read it.
    let context = DecodeContext { tenant, received_at_micros, own: true };
    // Decoding takes milliseconds of pure computation: not on the threads that drive the store.
    let decoded = task::spawn_blocking(move || decode(&body, BodyFormat::Ndjson, &context));
    let decoded = decoded
        .await
        .map_err(|error| Error::with_source(ErrorKind::Internal, "decoding a batch of events", error))??;
    let receipt = append_when_room(lake, decoded).await?;
    let reasons = receipt.rejected.iter().map(|rejected| {
        let errors = rejected.errors.iter().map(|error| (&*error.pointer, &*error.detail));
        Refused { index: rejected.index as usize, id: rejected.id.clone(), reason: describe(errors) }
    });
    Ok(Sent {
        accepted: receipt.accepted as u64,
        duplicates: receipt.duplicates as u64,
        refused: reasons.collect(),
    })
}

/// An import can wait, so it does what the answer 429 asks of clients.
async fn append_when_room(lake: &Lake, decoded: Decoded) -> Result<crate::ingest::Receipt> {
    let ingest = lake.ingest()?;
    loop {
        let request = AppendRequest { decoded: decoded.clone(), atomic: false, idempotency: None };
        match ingest.append(request).await {
            Err(error) if error.kind() == ErrorKind::Busy => {
                ingest.flush().await?;
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            other => return other,
        }
    }
}

/// `/actor/id: is required; /action: …`; the pointer to the event as a whole is empty and left out.
fn describe<'a>(errors: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let described = errors.map(|(pointer, detail)| match pointer {
        "" => detail.to_owned(),
        pointer => format!("{pointer}: {detail}"),
    });
    described.collect::<Vec<_>>().join("; ")
}
