//! Where batches of events go: into a store that this process opened, or to a running server.
//!
//! Both ways are the one way in: decode and check, then WAL, then acknowledged. [`Sent`] is told only when
//! what it counts is durable. Events that were mapped from records of another system have the limits of such records.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::task;

use super::client::Client;
use crate::{
    error::{Error, ErrorKind, Result},
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, Decoded, EventLimits, decode},
    },
    import::Source,
    ingest::AppendRequest,
    server::Lake,
};

/// How long to wait for room when memory for uncommitted events is used up.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Takes batches. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sink {
    destination: Destination,
    /// What the events were mapped from.
    source: Source,
}

#[derive(Clone)]
enum Destination {
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
    /// Native events into a store of this process.
    pub(super) fn local(lake: Arc<Lake>) -> Self {
        Self { destination: Destination::Local(lake), source: Source::Native }
    }

    /// Native events to a running server.
    pub(super) fn server(client: Client) -> Self {
        Self { destination: Destination::Server(client), source: Source::Native }
    }

    /// The same for events that were mapped from records of `source`.
    pub(super) fn mapped_from(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// Stores a batch of NDJSON. `tenant` is whose the events are that do not say it.
    pub(super) async fn send(&self, body: Bytes, tenant: Option<&TenantId>) -> Result<Sent> {
        match &self.destination {
            Destination::Local(lake) => append(lake, body, tenant.cloned(), self.source.limits()).await,
            Destination::Server(client) => {
                let receipt = client.post_events(body, tenant, self.source).await?;
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

async fn append(lake: &Lake, body: Bytes, tenant: Option<TenantId>, limits: EventLimits) -> Result<Sent> {
    let received_at_micros = lake.clock().now_micros();
    // A log that is brought here from elsewhere brings the records of who read it.
    let context = DecodeContext { own: true, limits, ..DecodeContext::new(tenant, received_at_micros) };
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
