//! Request bodies: read once, whole, within a cap, a deadline and a memory budget shared by all requests.
//!
//! Guaranteed: bodies in memory never exceed the budget, whoever sends how many; only bytes that really came
//! count, so that announcing a large body reserves nothing.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    http::{HeaderValue, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

use super::problem::{Problem, ProblemType};

/// Size of one permit of the budget.
const UNIT_BYTES: usize = 1_024;

/// Memory for request bodies; clones share it.
#[derive(Clone, Debug)]
pub(super) struct BodyBudget {
    units: Arc<Semaphore>,
    held: Gauge,
}

impl BodyBudget {
    /// A budget of `bytes_max`, whose use `held` shows.
    pub(super) fn new(bytes_max: usize, held: Gauge) -> Self {
        Self { units: Arc::new(Semaphore::new(bytes_max / UNIT_BYTES)), held }
    }

    /// A share of the budget, of no bytes yet.
    pub(super) fn share(&self) -> Share {
        Share { budget: self.clone(), permit: None, units: 0, bytes: 0 }
    }
}

/// One request's part of the budget; returned when dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: BodyBudget,
    permit: Option<OwnedSemaphorePermit>,
    units: usize,
    bytes: usize,
}

impl Share {
    /// Adds `bytes`, or fails at once with 429: waiting while holding a part could block every request for ever.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let units = (self.bytes + bytes).div_ceil(UNIT_BYTES);
        let more = u32::try_from(units - self.units).map_err(|_| busy())?;
        let permit = Arc::clone(&self.budget.units).try_acquire_many_owned(more).map_err(|_| busy())?;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        self.budget.held.inc_by(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.units = units;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.dec_by(i64::try_from(self.bytes).unwrap_or(i64::MAX));
    }
}

fn busy() -> Problem {
    Problem::new(ProblemType::TooManyRequests, "request bodies fill the memory set aside for them; retry")
}

/// The problem of a body over its cap.
pub(super) fn too_large(bytes_max: usize) -> Problem {
    Problem::new(ProblemType::ContentTooLarge, format!("the body is larger than {bytes_max} bytes"))
}

/// Reads the whole body, or says why not: 413 over `bytes_max` (at once if announced), 408 past `timeout`, 429
/// if the budget is used up, 400 if it breaks off.
pub(super) async fn read(
    body: Body,
    bytes_max: usize,
    timeout: Duration,
    share: &mut Share,
) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large(bytes_max));
    }
    match time::timeout(timeout, collect(body, bytes_max, share)).await {
        Ok(read) => read,
        Err(_) => {
            let detail = format!("the body did not arrive within {} ms", timeout.as_millis());
            // What is left of the body is in the way of any further request.
            Err(Problem::new(ProblemType::RequestTimeout, detail)
                .with_header(header::CONNECTION, HeaderValue::from_static("close")))
        }
    }
}

async fn collect(mut body: Body, bytes_max: usize, share: &mut Share) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::new(ProblemType::BadRequest, format!("the body cannot be read: {error}"))
        })?;
        // Trailers carry nothing that is read here.
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        share.grow(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use std::{io, iter};

    use futures::stream;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn chunks(count: usize, size: usize) -> Body {
        let chunk = move || Ok::<_, io::Error>(Bytes::from(vec![b'x'; size]));
        Body::from_stream(stream::iter(iter::repeat_with(chunk).take(count)))
    }

    fn status(problem: Problem) -> u16 {
        axum::response::IntoResponse::into_response(problem).status().as_u16()
    }

    /// Would catch a chunked body that is collected past its cap.
    #[tokio::test]
    async fn a_body_stops_at_its_cap() {
        let budget = BodyBudget::new(1 << 20, Gauge::default());
        let read_all = read(chunks(4, 25), 100, LONG, &mut budget.share()).await.unwrap();
        assert_eq!(read_all.len(), 100);
        assert_eq!(status(read(chunks(5, 25), 100, LONG, &mut budget.share()).await.unwrap_err()), 413);
        let announced = Body::from(vec![0; 101]);
        assert_eq!(status(read(announced, 100, LONG, &mut budget.share()).await.unwrap_err()), 413);
    }

    /// Would catch a budget that is not shared, not enforced, or not given back.
    #[tokio::test]
    async fn all_bodies_share_one_budget() {
        let gauge = Gauge::default();
        let budget = BodyBudget::new(2 * UNIT_BYTES, gauge.clone());
        let mut first = budget.share();
        read(chunks(2, 1_000), 4_096, LONG, &mut first).await.unwrap();
        assert_eq!(gauge.get(), 2_000);
        assert_eq!(status(read(chunks(1, 1), 4_096, LONG, &mut budget.share()).await.unwrap_err()), 429);
        drop(first);
        assert_eq!(gauge.get(), 0);
        read(chunks(1, 1), 4_096, LONG, &mut budget.share()).await.unwrap();
    }

    /// Would catch a request that a silent client keeps open for ever.
    #[tokio::test]
    async fn a_body_that_stops_coming_is_given_up() {
        let budget = BodyBudget::new(1 << 20, Gauge::default());
        let silent = Body::from_stream(stream::pending::<io::Result<Vec<u8>>>());
        let short = Duration::from_millis(20);
        assert_eq!(status(read(silent, 100, short, &mut budget.share()).await.unwrap_err()), 408);
    }
}
