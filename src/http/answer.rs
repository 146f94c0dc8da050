//! An answer that streams: it begins when its first bytes are there, and its end is counted, however it comes.
//!
//! In: a stream of encoded chunks. Out: the same stream as a body. Guaranteed: an error before the first byte is
//! returned and not sent; a later one breaks the body off, so that no cut answer looks whole; a client that leaves
//! drops the stream, and with it the query behind it.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};

use crate::{
    error::Result,
    telemetry::metrics::{Held, QueryMetrics, observe_since},
};

/// Counts one query: running until dropped, unfinished unless told otherwise.
#[derive(Debug)]
pub(super) struct Tally {
    metrics: QueryMetrics,
    started: Instant,
    finished: bool,
    _running: Held,
}

impl Tally {
    /// A query begins.
    pub(super) fn start(metrics: &QueryMetrics) -> Self {
        metrics.started.inc();
        Self {
            metrics: metrics.clone(),
            started: Instant::now(),
            finished: false,
            _running: Held::one(&metrics.running),
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        observe_since(&self.metrics.seconds, self.started);
        if !self.finished {
            self.metrics.unfinished.inc();
        }
    }
}

/// A body of `chunks`, once the first of them is there.
///
/// # Errors
/// The stream's, if that is what comes first.
pub(super) async fn begin(
    chunks: impl Stream<Item = Result<Bytes>> + Send + 'static,
    tally: Tally,
) -> Result<Body> {
    let mut chunks = Box::pin(chunks);
    let first = chunks.next().await.transpose()?;
    let chunks = stream::iter(first.map(Ok)).chain(chunks);
    Ok(Body::from_stream(Tallied { chunks, tally }))
}

/// Chunks whose end finishes a tally.
struct Tallied<S> {
    chunks: S,
    tally: Tally,
}

impl<S: Stream<Item = Result<Bytes>> + Unpin> Stream for Tallied<S> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = Pin::new(&mut self.chunks).poll_next(context);
        self.tally.finished |= matches!(chunk, Poll::Ready(None));
        chunk
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::{
        error::{Error, ErrorKind},
        telemetry::Metrics,
    };

    fn chunks(items: Vec<Result<&'static str>>) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        stream::iter(items).map(|item| item.map(|text| Bytes::from_static(text.as_bytes())))
    }

    fn limit() -> Error {
        Error::new(ErrorKind::Limit, "too slow")
    }

    /// Would catch an early failure that is sent as a broken 200, and a first chunk that gets lost.
    #[tokio::test]
    async fn an_answer_begins_with_its_first_bytes() {
        let metrics = Metrics::default().query;
        let failing = begin(chunks(vec![Err(limit())]), Tally::start(&metrics)).await;
        assert_eq!(failing.unwrap_err().kind(), ErrorKind::Limit);
        assert_eq!(metrics.unfinished.get(), 1);
        let whole = begin(chunks(vec![Ok("a"), Ok("b")]), Tally::start(&metrics)).await.unwrap();
        assert_eq!(whole.collect().await.unwrap().to_bytes(), "ab");
        let empty = begin(chunks(vec![]), Tally::start(&metrics)).await.unwrap();
        assert_eq!(empty.collect().await.unwrap().to_bytes(), "");
        assert_eq!((metrics.unfinished.get(), metrics.running.get()), (1, 0));
    }

    /// Would catch a cut answer that ends as if it were whole, or that counts as finished.
    #[tokio::test]
    async fn a_late_failure_breaks_the_answer_off() {
        let metrics = Metrics::default().query;
        let body = begin(chunks(vec![Ok("a"), Err(limit())]), Tally::start(&metrics)).await.unwrap();
        body.collect().await.unwrap_err();
        assert_eq!((metrics.unfinished.get(), metrics.running.get()), (1, 0));
    }
}
