//! A thread for work that mostly computes, so that compaction takes some cores' time and no one's place.
//!
//! In: futures. Out: their results. Guaranteed: all futures of a lane run on its one thread, taking turns where
//! they wait; their I/O is the runtime's. One lane decodes and merges, one encodes, one indexes. Were this work spread
//! over the runtime's threads, it would delay requests, and each thread's share of the allocator would keep what
//! the work needed at its peak.

use futures::{
    StreamExt,
    channel::{mpsc, oneshot},
    future::BoxFuture,
};

use crate::error::{Error, ErrorKind, Result};

/// One thread; it ends when the lane has been dropped and its work is done.
pub(crate) struct Lane {
    work: mpsc::UnboundedSender<BoxFuture<'static, ()>>,
}

impl Lane {
    /// Starts the thread. Must be called within a runtime, which does the I/O.
    pub(crate) fn start(name: &str) -> Result<Self> {
        let (work, arriving) = mpsc::unbounded();
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(arriving.for_each_concurrent(None, |work: BoxFuture<'_, ()>| work))
            })
            .map_err(|cause| {
                Error::with_source(ErrorKind::Unavailable, format!("start thread {name}"), cause)
            })?;
        Ok(Self { work })
    }

    /// Begins `work` at once and gives its result. If nobody waits for that, the work is still done.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let (sender, receiver) = oneshot::channel();
        let work = async move {
            // The receiver is gone if the result is not wanted any more.
            let _ = sender.send(work.await);
        };
        // A lane whose thread has died drops the work, and with it the sender: the receiver tells.
        let _ = self.work.unbounded_send(Box::pin(work));
        Box::pin(async move {
            let died = |cause| Error::with_source(ErrorKind::Internal, "a thread of compaction died", cause);
            receiver.await.map_err(died)?
        })
    }
}
