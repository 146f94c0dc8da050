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

/// An answer of fewer bytes is at hand as a whole before its first byte is sent.
const SMALL_BYTES: usize = 128 * 1024;

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

/// An answer whose beginning is there.
pub(super) struct Begun {
    head: Vec<Bytes>,
    rest: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
    /// Whether the beginning is all of it.
    pub(super) whole: bool,
}

/// The beginning of `chunks`: all of a small answer, and of a large one as much as is small.
///
/// # Errors
/// The stream's, if it comes before that.
pub(super) async fn begin(chunks: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Result<Begun> {
    let mut rest: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>> = Box::pin(chunks);
    let (mut head, mut bytes) = (Vec::new(), 0);
    while bytes < SMALL_BYTES {
        match rest.next().await.transpose()? {
            Some(chunk) => {
                bytes += chunk.len();
                head.push(chunk);
            }
            None => return Ok(Begun { head, rest, whole: true }),
        }
    }
    Ok(Begun { head, rest, whole: false })
}

impl Begun {
    /// The whole as a body; `at_end` is called once when it has ended, with whether it ended well.
    pub(super) fn into_body(self, tally: Tally, at_end: impl FnOnce(bool) + Send + 'static) -> Body {
        let rest = if self.whole { stream::empty().boxed() } else { self.rest };
        let chunks = stream::iter(self.head.into_iter().map(Ok)).chain(rest);
        Body::from_stream(Tallied { chunks, tally, at_end: Some(Box::new(at_end)) })
    }
}

/// Chunks whose end finishes a tally.
struct Tallied<S> {
    chunks: S,
    tally: Tally,
    at_end: Option<Box<dyn FnOnce(bool) + Send>>,
}

impl<S> Drop for Tallied<S> {
    fn drop(&mut self) {
        if let Some(at_end) = self.at_end.take() {
            at_end(self.tally.finished);
        }
    }
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
    use std::sync::{Arc, Mutex};

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
        let failing = begin(chunks(vec![Err(limit())])).await;
        assert_eq!(failing.err().unwrap().kind(), ErrorKind::Limit);
        for (parts, text) in [(vec!["a", "b"], "ab"), (vec![], "")] {
            let begun = begin(chunks(parts.into_iter().map(Ok).collect())).await.unwrap();
            assert!(begun.whole);
            let ended = Arc::new(Mutex::new(Vec::new()));
            let told = Arc::clone(&ended);
            let body = begun.into_body(Tally::start(&metrics), move |whole| told.lock().unwrap().push(whole));
            assert_eq!(body.collect().await.unwrap().to_bytes(), text);
            assert_eq!(*ended.lock().unwrap(), [true]);
        }
        assert_eq!((metrics.unfinished.get(), metrics.running.get()), (0, 0));
    }

    /// Would catch a cut answer that ends as if it were whole, or that counts as finished.
    #[tokio::test]
    async fn a_late_failure_breaks_the_answer_off() {
        let metrics = Metrics::default().query;
        let large: &'static str = "x".repeat(SMALL_BYTES).leak();
        for early in [false, true] {
            let begun = begin(chunks(vec![Ok(large), Ok("b"), Err(limit())])).await.unwrap();
            assert!(!begun.whole);
            let ended = Arc::new(Mutex::new(Vec::new()));
            let told = Arc::clone(&ended);
            let body = begun.into_body(Tally::start(&metrics), move |whole| told.lock().unwrap().push(whole));
            match early {
                true => drop(body),
                false => drop(body.collect().await.unwrap_err()),
            }
            assert_eq!(*ended.lock().unwrap(), [false], "told once, however it ends");
        }
        assert_eq!((metrics.unfinished.get(), metrics.running.get()), (2, 0));
    }
}
