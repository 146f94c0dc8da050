//! Batches from a producer thread through a sink, a few at a time.
//!
//! In: a producer that makes batches (reading and parsing block, so it has a thread of its own), a [`Sink`].
//! Out: each batch with what became of it, in order. Guaranteed: at most [`QUEUED`] + [`IN_FLIGHT`] batches are
//! in memory; when the token is cancelled the producer ends and everything it made is still stored.

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::{sync::mpsc, task};
use tokio_util::sync::CancellationToken;

use super::sink::{Sent, Sink};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
};

const QUEUED: usize = 2;
/// While one batch is being made durable the next ones are decoded.
const IN_FLIGHT: usize = 4;

/// Something to store, and what the producer wants to know it by.
pub(super) struct Parcel<T> {
    /// NDJSON; nothing is sent for an empty one, which only keeps its place among the others.
    pub(super) body: Bytes,
    pub(super) label: T,
}

/// Where a producer puts its parcels.
pub(super) struct Outlet<T> {
    sender: mpsc::Sender<Parcel<T>>,
    stop: CancellationToken,
}

impl<T> Outlet<T> {
    /// Waits for room. `false`: no more is wanted.
    pub(super) fn put(&self, parcel: Parcel<T>) -> bool {
        !self.stop.is_cancelled() && self.sender.blocking_send(parcel).is_ok()
    }

    /// Whether to go on at all.
    pub(super) fn is_wanted(&self) -> bool {
        !self.stop.is_cancelled() && !self.sender.is_closed()
    }
}

/// Calls `each` for every parcel in order, once it is durable. Returns what the producer returned.
pub(super) async fn run<T, P>(
    sink: &Sink,
    tenant: Option<&TenantId>,
    stop: &CancellationToken,
    producer: impl FnOnce(Outlet<T>) -> P + Send + 'static,
    mut each: impl FnMut(T, u64, Sent),
) -> Result<P>
where
    T: Send + 'static,
    P: Send + 'static,
{
    let (sender, receiver) = mpsc::channel(QUEUED);
    let outlet = Outlet { sender, stop: stop.clone() };
    let producing = task::spawn_blocking(move || producer(outlet));
    let mut sent = std::pin::pin!(
        parcels(receiver)
            .map(|parcel| async move {
                let bytes = parcel.body.len() as u64;
                let sent = match parcel.body.is_empty() {
                    true => Sent::default(),
                    false => sink.send(parcel.body, tenant).await?,
                };
                Ok::<_, Error>((parcel.label, bytes, sent))
            })
            .buffered(IN_FLIGHT)
    );
    while let Some(done) = sent.next().await {
        let (label, bytes, sent) = done?;
        each(label, bytes, sent);
    }
    producing
        .await
        .map_err(|error| Error::with_source(ErrorKind::Internal, "making batches of events", error))
}

fn parcels<T>(receiver: mpsc::Receiver<Parcel<T>>) -> impl Stream<Item = Parcel<T>> {
    stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)))
}
