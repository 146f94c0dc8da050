//! The program put together: an open [`Lake`], and the server around it.
//!
//! In: a [`Config`]. Out: the modules of a store, opened in order and closed in order. [`serve`] answers HTTP until
//! it is told to stop or the writer stops by itself. Guaranteed: after [`serve`] returned, no request is running,
//! every acknowledged event is committed or safe in the WAL, and the lease is given up.

mod background;
mod erased;
mod expire;
mod exported;
mod lake;
mod signals;

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use expire::Expiring;
pub use expire::expire;
pub use lake::{Access, Lake};
pub use signals::shutdown_on_signal;

use crate::{
    auth,
    config::Config,
    error::{Error, ErrorKind, Result},
    http::{Api, connections},
    ingest::Ingest,
    limits,
    query::saved::Catalogue,
    rate::Rate,
};

/// What batches in hand and background work get in any case, when connections took all the time that there is to end.
const APPENDS_END_MIN: Duration = Duration::from_secs(5);

/// How long an end waits to store when keys were last used.
const LAST_USES_MAX: Duration = Duration::from_secs(2);

/// Binds the address of the configuration; the error names it.
pub async fn bind(config: &Config) -> Result<TcpListener> {
    config.check_listen()?;
    listen(config.listen).map_err(|error| {
        Error::with_source(ErrorKind::Unavailable, format!("cannot listen on {}", config.listen), error)
    })
}

/// As `TcpListener::bind`, whose queue of 128 a burst of clients overflows: the kernel then drops some of them unheard.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // So that a restart need not wait until the kernel has forgotten the last one's connections.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(address)?;
    socket.listen(limits::LISTEN_QUEUE_MAX)
}

/// Serves `lake` and the saved queries on `listener` until `shutdown` is cancelled or the writer stops, then closes both in order: no new
/// connections; requests in flight end, within `http.drain_ms`; batches that were read are handled; background
/// work ends; everything is committed; the lease is given up.
///
/// Writes two things to stderr for people and scripts: the root key, if one had to be made, and, once requests
/// are answered, the line `listening on http://ADDRESS`.
///
/// # Errors
/// Why the writer stopped, if it did; otherwise what failed last while closing.
pub async fn serve(
    lake: Lake,
    saved: Catalogue,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<()> {
    let served = serve_requests(&lake, saved, listener, &shutdown).await;
    // Whatever happened: a lease that is not given up keeps the next start waiting.
    let closed = lake.close().await;
    if let (Err(_), Err(error)) = (&served, &closed) {
        tracing::error!(report = error.report(), "closing failed");
    }
    served.and(closed)
}

async fn serve_requests(
    lake: &Lake,
    saved: Catalogue,
    listener: TcpListener,
    shutdown: &CancellationToken,
) -> Result<()> {
    let ingest = lake.ingest()?.clone();
    let root_key = lake.config().root_key.as_ref().map(|key| key.expose());
    let (auth, generated) =
        auth::open(lake.store(), lake.control(), lake.tables(), root_key, lake.clock()).await?;
    let settings = &lake.config().http;
    let metrics = lake.metrics().clone();
    let (engine, clock) = (lake.engine().clone(), lake.clock().clone());
    let rate = Rate::new(lake.config().rate.clone(), clock.clone());
    let logbook = lake.logbook()?;
    let (exports, continuous) = (lake.exports().await?, lake.continuous()?);
    let erasures = lake.erasures().await?;
    let api = Api::new(
        ingest.clone(),
        engine,
        saved,
        auth.clone(),
        rate,
        logbook.clone(),
        exports.clone(),
        continuous.clone(),
        erasures.clone(),
        lake.evidence().clone(),
        clock,
        metrics,
        settings,
    );
    let address = listener
        .local_addr()
        .map_err(|error| Error::with_source(ErrorKind::Internal, "the listener has no address", error))?;
    let work = TaskTracker::new();
    background::start(lake, Expiring::of(lake)?, &auth, &work, shutdown);
    let (tasks, stop) = (work.clone(), shutdown.clone());
    work.spawn(async move {
        tokio::join!(exports.work(&tasks, &stop), continuous.work(&tasks, &stop), erasures.work(&stop));
    });
    announce(lake, address, generated);

    let watched = watch_writer(&ingest, shutdown);
    let served = connections::serve(listener, api.router(), settings, &lake.metrics().http, shutdown);
    let told = async {
        shutdown.cancelled().await;
        tracing::info!("shutting down");
        api.begin_shutdown();
        time::Instant::now() + Duration::from_millis(settings.drain_ms)
    };
    let (stopped, (), drained_at) = tokio::join!(watched, served, told);

    work.close();
    // Connections may have taken the whole time; what they brought still gets some.
    let end = drained_at.max(time::Instant::now() + APPENDS_END_MIN);
    if time::timeout_at(end, async { tokio::join!(api.finish_appends(), work.wait()) }).await.is_err() {
        tracing::warn!("some work did not end in time; what was acknowledged is in the WAL");
    }
    store_last_uses(&auth).await;
    stopped.map_or(Ok(()), Err)
}

/// Nothing rests on it, and it must not keep the process from ending.
async fn store_last_uses(auth: &auth::Auth) {
    match time::timeout(LAST_USES_MAX, auth.refresh()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(report = error.report(), "when keys were last used was not stored"),
        Err(_) => tracing::warn!("when keys were last used was not stored in time"),
    }
}

/// Waits for the shutdown; if the writer stops by itself first, that is the shutdown, and its reason is returned.
async fn watch_writer(ingest: &Ingest, shutdown: &CancellationToken) -> Option<Error> {
    tokio::select! {
        reason = ingest.stopped() => {
            shutdown.cancel();
            reason
        }
        () = shutdown.cancelled() => None,
    }
}

fn announce(lake: &Lake, address: SocketAddr, generated: Option<auth::GeneratedKey>) {
    if let Some(auth::GeneratedKey(key)) = generated {
        eprintln!("root key, shown only now (AUDITLAKE_ROOT_KEY replaces it): {key}");
    }
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "keys and events cross the network unencrypted unless a TLS proxy stands in front");
    }
    tracing::info!(store = lake.store().display(), %address, "serving");
    eprintln!("listening on http://{address}");
}

#[cfg(test)]
mod tests;
