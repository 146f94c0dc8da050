//! Sockets: accepts connections, speaks HTTP/1.1 or HTTP/2 on each, and lets them end in order.
//!
//! In: a listener and the routes. Guaranteed: the number of connections, the size and time of a head and the
//! patience with a slow or silent client are bounded; after `shutdown` no connection is accepted, requests in flight get
//! `drain_ms`, and what is left is cut off.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::util::MapRequest;

use super::{Settings, activity::Activity, client_address::client_address, patience::Patient};
use crate::{
    limits,
    query::AddressBlock,
    telemetry::metrics::{Held, HttpMetrics},
};

/// Pause after `accept` fails, as it does when file descriptors run out: trying again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often an idle HTTP/2 client is asked whether it is still there, and how long it may think.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Among each request's extensions: where it comes from. If that is a trusted proxy, whom the proxy heard from, and no port.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddr(pub SocketAddr);

/// Serves until `shutdown` is cancelled and the connections have ended.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &Settings,
    metrics: &HttpMetrics,
    shutdown: &CancellationToken,
) {
    let builder = Arc::new(builder(settings));
    let trusted: Arc<[AddressBlock]> = settings.trusted().into();
    let slots = Arc::new(Semaphore::new(settings.connections_max));
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    while let Some((stream, peer, slot)) = next(&listener, &slots, shutdown).await {
        let io = patient(stream, settings);
        let activity = Activity::default();
        let service = MapRequest::new(router.clone(), from(peer, Arc::clone(&trusted), activity.clone()));
        let service = TowerToHyperService::new(service);
        let patience = Duration::from_millis(settings.head_timeout_ms);
        let connection = builder.serve_connection(io, service).into_owned();
        let connection = graceful.watch(connection);
        let (cut, open) = (cut.clone(), Held::one(&metrics.connections));
        connections.spawn(async move {
            tokio::select! {
                // How a connection ends is its client's affair; each request has its own line in the log.
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(error, "connection ended early");
                },
                () = activity.idle(patience) => tracing::debug!("an idle connection was closed"),
                () = cut.cancelled() => {}
            }
            drop((open, slot));
        });
    }
    drop(listener);
    connections.close();
    let drain = Duration::from_millis(settings.drain_ms);
    if time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "cutting connections that did not end in time");
    }
    cut.cancel();
    connections.wait().await;
}

/// Tells each request where it comes from, and its connection that it is there.
fn from(
    peer: SocketAddr,
    trusted: Arc<[AddressBlock]>,
    activity: Activity,
) -> impl Fn(Request<Incoming>) -> Request<Incoming> + Clone {
    move |mut request| {
        let client = client_address(peer.ip(), request.headers(), &trusted);
        let address = if client == peer.ip() { peer } else { SocketAddr::new(client, 0) };
        request.extensions_mut().insert(PeerAddr(address));
        request.extensions_mut().insert(activity.begin());
        request
    }
}

/// The next connection, its other end and its slot; `None` once `shutdown` is cancelled. A slot comes first, so that surplus
/// clients wait in the kernel's queue and cost no memory here.
async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let accepted = async {
        let slot = Arc::clone(slots).acquire_owned().await.expect("the slots' semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, peer, slot),
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        accepted = accepted => Some(accepted),
        () = shutdown.cancelled() => None,
    }
}

/// Errors of `accept` that are about one connection that is gone already.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

fn patient(stream: TcpStream, settings: &Settings) -> TokioIo<Patient<TcpStream>> {
    // Answers are written whole; waiting for more only delays them. Failure costs time, nothing else.
    let _without_delay = stream.set_nodelay(true);
    let opening = Duration::from_millis(settings.head_timeout_ms);
    let write_stall = Duration::from_millis(settings.write_stall_ms);
    TokioIo::new(Patient::new(stream, opening, write_stall))
}

fn builder(settings: &Settings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(settings.head_timeout_ms))
        .max_buf_size(limits::HEAD_BYTES_MAX)
        .max_headers(limits::HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .max_header_list_size(u32::try_from(limits::HEAD_BYTES_MAX).expect("a head is small"))
        .max_concurrent_streams(limits::HTTP2_STREAMS_MAX);
    builder
}
