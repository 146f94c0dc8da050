//! A query that runs: its columns, its batches as a stream, and its cost.
//!
//! Guaranteed: the stream ends with `None` only after the last row; anything else, a limit, the deadline or a
//! crash of the query's task, is one `Err` and then the end. Dropping it ends the query's work at its next
//! yield and gives back its memory and its place.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::Stream;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, Sleep, sleep_until},
};

use super::statistics::{Ledger, Statistics};
use crate::error::{Error, ErrorKind, Result};

/// What a query's task sends. The end is a message of its own: a closed channel alone is a crash.
#[derive(Debug)]
pub(crate) enum Message {
    Batch(RecordBatch),
    Failed(Error),
    End,
}

/// Aborts a task when its reader goes.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(pub(crate) JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// When a query has to be done, and how long that was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) allowed: Duration,
}

impl Deadline {
    pub(crate) fn after(allowed: Duration) -> Self {
        Self { at: Instant::now() + allowed, allowed }
    }

    pub(crate) fn passed(self) -> Error {
        let seconds = self.allowed.as_secs_f64();
        Error::new(
            ErrorKind::Limit,
            format!("query took longer than {seconds} s; a filter on occurred_at or day makes it read less"),
        )
    }
}

/// The cost of an answer that another reads.
#[derive(Clone, Debug)]
pub struct Cost(Arc<Ledger>);

impl Cost {
    /// What the query cost so far; final once the answer has ended.
    pub fn statistics(&self) -> Statistics {
        self.0.statistics()
    }
}

/// The answer of [`Engine::run`](super::Engine::run): a stream of record batches.
#[derive(Debug)]
pub struct Running {
    schema: SchemaRef,
    messages: mpsc::Receiver<Message>,
    deadline: Deadline,
    timer: Pin<Box<Sleep>>,
    task: Option<AbortOnDrop>,
    ledger: Arc<Ledger>,
    runtime: Handle,
}

impl Running {
    pub(crate) fn new(
        schema: SchemaRef,
        messages: mpsc::Receiver<Message>,
        deadline: Deadline,
        task: AbortOnDrop,
        ledger: Arc<Ledger>,
        runtime: Handle,
    ) -> Self {
        let timer = Box::pin(sleep_until(deadline.at));
        Self { schema, messages, deadline, timer, task: Some(task), ledger, runtime }
    }

    /// The columns of every batch: distinct names; see `query/plan.rs` for the types.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// What the query cost so far; final once the stream has ended.
    pub fn statistics(&self) -> Statistics {
        self.ledger.statistics()
    }

    /// Where encoding belongs: off the threads that serve connections.
    pub(crate) fn runtime(&self) -> Handle {
        self.runtime.clone()
    }

    /// Lets one look at the cost while another owns the answer.
    pub fn cost(&self) -> Cost {
        Cost(Arc::clone(&self.ledger))
    }

    fn finish(&mut self) {
        self.task = None;
        self.ledger.end();
    }
}

impl Stream for Running {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.task.is_none() {
            return Poll::Ready(None);
        }
        // Asked first: joins may not yield, and a busy query must not outlive its deadline for its client.
        if self.timer.as_mut().poll(context).is_ready() {
            self.finish();
            return Poll::Ready(Some(Err(self.deadline.passed())));
        }
        match ready!(self.messages.poll_recv(context)) {
            Some(Message::Batch(batch)) => Poll::Ready(Some(Ok(batch))),
            Some(Message::Failed(error)) => {
                self.finish();
                Poll::Ready(Some(Err(error)))
            }
            Some(Message::End) => {
                self.finish();
                Poll::Ready(None)
            }
            None => {
                self.finish();
                Poll::Ready(Some(Err(Error::new(ErrorKind::Internal, "query stopped without an end"))))
            }
        }
    }
}
