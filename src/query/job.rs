//! One query on its own task: check, plan, run, send.
//!
//! In: the question and the table it may read. Out: the columns once, then batches, then one end or one error.
//! Guaranteed: its place among the concurrent queries, its memory and its plan are given back when the task
//! has really stopped, whether it ended, failed or was aborted.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use datafusion::{
    execution::SessionState,
    physical_plan::{SendableRecordBatchStream, execute_stream},
};
use futures::StreamExt;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    engine::{Question, Request},
    failure::failure,
    guard, joins, keys, params,
    places::Place,
    plan,
    provider::EventsTable,
    running::Message,
    session,
    settings::Settings,
    statistics::{Ledger, Reading},
    subqueries::Subqueries,
    topk,
};
use crate::error::{Error, ErrorKind, Result};

/// Everything that a query's task owns.
pub(crate) struct Job {
    pub(crate) template: Arc<SessionState>,
    pub(crate) settings: Settings,
    pub(crate) now: DateTime<Utc>,
    pub(crate) deadline: Instant,
    pub(crate) events: Arc<EventsTable>,
    pub(crate) question: Question,
    pub(crate) ledger: Arc<Ledger>,
    /// Held until the task stops; an export has none.
    pub(crate) place: Option<Arc<Place>>,
}

impl Drop for Job {
    fn drop(&mut self) {
        // The ledger may outlive the task in a slow reader's hands; the plan, with its tables, must not.
        self.ledger.end();
    }
}

impl Job {
    /// Runs the query; a reader that is gone ends it early.
    pub(crate) async fn run(
        self,
        opened: oneshot::Sender<Result<SchemaRef>>,
        messages: mpsc::Sender<Message>,
    ) {
        let mut batches = match self.start().await {
            Ok(batches) => batches,
            Err(error) => {
                let _reader_gone = opened.send(Err(error));
                return;
            }
        };
        if opened.send(Ok(batches.schema())).is_err() {
            return;
        }
        // The reader tells its client of the deadline. Here it frees what a reader that has stalled, and so
        // does not look, would hold.
        let Ok(pumped) = timeout_at(self.deadline, self.pump(&mut batches, &messages)).await else { return };
        drop(batches);
        drop(self);
        let last = match pumped {
            Ok(()) => Message::End,
            Err(error) => Message::Failed(error),
        };
        let _reader_gone = messages.send(last).await;
    }

    async fn start(&self) -> Result<SendableRecordBatchStream> {
        let answer = match &self.question {
            Question::Sql(request) => self.start_plan(request).await?,
            Question::First(question) => {
                let filters = question.conditions.compile(&self.template)?;
                let place = self.place.clone();
                topk::first(&self.events, &self.template, question, filters, place).await.map_err(failure)?
            }
        };
        Ok(plan::with_plain_text(answer))
    }

    async fn start_plan(&self, request: &Request) -> Result<SendableRecordBatchStream> {
        let mut checked = guard::check(&request.sql)?;
        keys::say_types(&mut checked.statement, &request.params);
        if !self.events.narrowing.is_empty() && guard::explains(&checked.statement) {
            let message = "EXPLAIN tells about events outside of what this token may read";
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
        let params = params::bind(&request.params, &checked.placeholders)?;
        let events = Arc::clone(&self.events);
        let (state, task) =
            session::session(&self.template, events, &self.settings, self.now).map_err(failure)?;
        let logical = plan::plan(&state, checked.statement, params).await.map_err(failure)?;
        let plan = match self.settings.pruning {
            true => Subqueries::new(&state, &task, &self.ledger).plan(logical).await?,
            false => state.create_physical_plan(&logical).await.map_err(failure)?,
        };
        joins::check(&plan)?;
        self.ledger.begin(Reading::Plan(Arc::clone(&plan)));
        execute_stream(plan, task).map_err(failure)
    }

    async fn pump(
        &self,
        batches: &mut SendableRecordBatchStream,
        messages: &mpsc::Sender<Message>,
    ) -> Result<()> {
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(failure)?;
            if self.ledger.add_rows(batch.num_rows()) > self.settings.rows_max {
                return Err(self.too_many_rows());
            }
            if messages.send(Message::Batch(batch)).await.is_err() {
                // The reader is gone, so nobody is left to be told.
                return Ok(());
            }
        }
        Ok(())
    }

    fn too_many_rows(&self) -> Error {
        Error::new(
            ErrorKind::Limit,
            format!("query has more than {} rows; add LIMIT or a narrower filter", self.settings.rows_max),
        )
    }
}
