//! Request bodies that their handler does not read to the end.
//!
//! A client that is refused early (no key, too large) is still sending. If its body were dropped, the connection would
//! be reset under it, and most clients then report a broken pipe and never show the refusal. So the rest of the body
//! is read and thrown away while the answer is on its way. Guaranteed: for no longer than a body may take anyway, and
//! no more than [`DISCARDED_BYTES_MAX`](limits::DISCARDED_BYTES_MAX); past that the connection is closed.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    http::header,
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use super::Api;
use crate::limits;

/// The request with a body that may be dropped at any time.
pub(super) async fn lend_body(State(api): State<Api>, request: Request) -> Request {
    let timeout = api.settings.body_timeout();
    // A client that asks first sends nothing before it is told to go on, which reading does.
    let is_coming = !request.headers().contains_key(header::EXPECT);
    request.map(|body| lend(body, timeout, is_coming))
}

fn lend(body: Body, timeout: Duration, is_coming: bool) -> Body {
    Body::new(Lent { body, deadline: Instant::now() + timeout, is_coming, ended: false })
}

/// A body whose rest is discarded when it is dropped.
struct Lent {
    body: Body,
    deadline: Instant,
    /// The client sends it, asked or not.
    is_coming: bool,
    ended: bool,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.is_coming = true;
        self.ended |= matches!(frame, Poll::Ready(None | Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let is_whole = self.ended || self.body.is_end_stream();
        if is_whole || !self.is_coming || self.deadline <= Instant::now() {
            return;
        }
        // Without a runtime there is no connection either.
        if let Ok(runtime) = Handle::try_current() {
            let (body, deadline) = (std::mem::take(&mut self.body), self.deadline);
            runtime.spawn(async move { timeout_at(deadline, discard(body)).await });
        }
    }
}

async fn discard(mut body: Body) {
    let mut left = limits::DISCARDED_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(less) => left = less,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use futures::{StreamExt as _, stream};
    use tokio::sync::oneshot;

    use super::*;

    const CHUNK_BYTES: usize = 1 << 20;

    /// A body of `chunks`, which counts how many were read and tells when it is dropped.
    fn counted(chunks: usize) -> (Body, Arc<AtomicUsize>, oneshot::Receiver<()>) {
        let read = Arc::<AtomicUsize>::default();
        let (alive, dropped) = oneshot::channel::<()>();
        let counter = read.clone();
        let endless = stream::repeat_with(move || {
            let _held_by_the_body = &alive;
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, io::Error>(Bytes::from(vec![b'x'; CHUNK_BYTES]))
        });
        (Body::from_stream(endless.take(chunks)), read, dropped)
    }

    /// Would catch a refusal that resets the connection under a client that is still sending.
    #[tokio::test]
    async fn what_nobody_reads_is_discarded() {
        let (body, read, dropped) = counted(10);
        drop(lend(body, Duration::from_secs(60), true));
        dropped.await.unwrap_err();
        assert_eq!(read.load(Ordering::Relaxed), 10);
    }

    /// Would catch a client that keeps the server busy with what it will not look at.
    #[tokio::test]
    async fn no_more_than_a_bound_is_discarded() {
        let (body, read, dropped) = counted(usize::MAX);
        drop(lend(body, Duration::from_secs(60), true));
        dropped.await.unwrap_err();
        assert_eq!(read.load(Ordering::Relaxed), limits::DISCARDED_BYTES_MAX / CHUNK_BYTES + 1);

        for (timeout, is_coming, why) in
            [(Duration::ZERO, true, "its time was over"), (Duration::from_secs(60), false, "not asked for")]
        {
            let (body, read, dropped) = counted(10);
            drop(lend(body, timeout, is_coming));
            dropped.await.unwrap_err();
            assert_eq!(read.load(Ordering::Relaxed), 0, "{why}");
        }
    }
}
