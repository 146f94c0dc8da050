//! SIGTERM and Ctrl-C: the first asks for an ordered end, the second no longer waits for it.

use tokio_util::sync::CancellationToken;

/// A token that the process's first SIGTERM or SIGINT cancels; the second one ends the process at once, which
/// loses nothing that was acknowledged. Must be called within a runtime.
pub fn shutdown_on_signal() -> CancellationToken {
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        next_signal().await;
        token.cancel();
        next_signal().await;
        eprintln!("ended at once; the next start recovers what was acknowledged");
        std::process::exit(130);
    });
    shutdown
}

#[cfg(unix)]
async fn next_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                () = interrupted() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "cannot listen for SIGTERM");
            interrupted().await;
        }
    }
}

#[cfg(not(unix))]
async fn next_signal() {
    interrupted().await;
}

async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!(%error, "cannot listen for Ctrl-C");
        std::future::pending::<()>().await;
    }
}
