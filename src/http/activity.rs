//! Whether a connection has anything to do: one that has not is let go.
//!
//! HTTP/1 ends a connection whose next head does not come. An HTTP/2 client that answers pings would keep its connection,
//! and with it one of `http.connections_max`, for ever. Guaranteed: no connection is cut while one of its requests or answers
//! is on its way, and none is kept much longer than twice the patience without one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time;

/// A request, from its head to its answer's last byte: whoever has it to the end keeps it as long.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    _alive: Arc<()>,
}

/// The requests of one connection; clones share.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Shared with each request in flight, and nobody else.
    alive: Arc<()>,
    begun: AtomicU64,
}

impl Activity {
    /// A request begins.
    pub(super) fn begin(&self) -> InFlight {
        self.shared.begun.fetch_add(1, Ordering::AcqRel);
        InFlight { _alive: Arc::clone(&self.shared.alive) }
    }

    /// Waits until there was no request for the whole of `patience`.
    pub(super) async fn idle(&self, patience: Duration) {
        let mut idle_since_begun = None;
        loop {
            time::sleep(patience).await;
            let begun = self.shared.begun.load(Ordering::Acquire);
            let in_flight = Arc::strong_count(&self.shared.alive) > 1;
            match in_flight {
                false if idle_since_begun == Some(begun) => return,
                false => idle_since_begun = Some(begun),
                true => idle_since_begun = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a long answer that is cut because nothing else is asked meanwhile.
    #[tokio::test]
    async fn a_request_in_flight_is_not_idle() {
        let (busy, quiet) = (Activity::default(), Activity::default());
        let request = busy.begin();
        drop(quiet.begin());
        tokio::select! {
            () = busy.idle(Duration::from_millis(2)) => panic!("it was cut in mid-request"),
            () = quiet.idle(Duration::from_millis(40)) => {}
        }
        drop(request);
        busy.idle(Duration::from_millis(2)).await;
    }
}
