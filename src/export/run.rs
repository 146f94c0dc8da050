//! Carries an export out: from where it stopped, if it did, to the manifest.
//!
//! In: a job and the files that are complete. Out: all files at the destination, then the manifest. Guaranteed: whenever it is
//! broken off and begun again, no event is left out and none is there twice: a file is complete, and then stored as a step,
//! and the next one begins where it ended; one that was not stored is written again under the same name. The answer to a
//! question has no order to go on in, so it is written anew as a whole.

use std::sync::Arc;

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use chrono::NaiveDate;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    Settings,
    destination::Open,
    encode::Content,
    job::{End, EndState, File, Job, Position, Step, VERSION, What},
    manifest,
    output::Output,
    plan::{self, Days},
    progress::Progress,
    records::Records,
};
use crate::{
    control::Control,
    error::{Error, ErrorKind, Result},
    event::schema::{OCCURRED_AT, SEQ},
    query::{
        Engine, Filter, Narrowing, Request, Running, Scope,
        browse::{Place, Stretch},
    },
    telemetry::Clock,
};

/// What carries exports out.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) engine: Engine,
    pub(super) control: Control,
    pub(super) clock: Clock,
    /// Size at which a file ends, about.
    pub(super) file_bytes: u64,
    /// Rows at which it ends at the latest, about.
    pub(super) file_rows: u64,
    /// Events that new exports read and sort at once.
    pub(super) stretch_rows: u64,
}

impl Means {
    pub(super) fn new(engine: Engine, control: Control, clock: Clock, settings: &Settings) -> Self {
        let Settings { file_bytes, file_rows, stretch_rows, .. } = *settings;
        Self { engine, control, clock, file_bytes, file_rows, stretch_rows }
    }
}

/// One export under way.
pub(super) struct Run<'a> {
    pub(super) means: &'a Means,
    pub(super) job: &'a Job,
    pub(super) records: &'a Records,
    pub(super) destination: &'a Open,
    pub(super) progress: &'a Progress,
    pub(super) stop: &'a CancellationToken,
}

/// Why it ended early.
pub(super) enum Broken {
    /// It was told to.
    Stopped,
    /// Something failed.
    Failed(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Run<'_> {
    /// Writes what is missing after `steps`, and the manifest; gives the end, which is not stored yet.
    pub(super) async fn to_the_end(&self, steps: Vec<Step>) -> Result<End, Broken> {
        let from = steps.last().map_or(Position::default(), |step| step.next);
        let files = steps.into_iter().map(|step| step.file).collect();
        let mut writing = Writing { run: self, files, open: None };
        let written = match &self.job.what {
            What::Filter(filter) => self.events(filter, from, &mut writing).await,
            What::Sql { text, params, .. } => {
                let seq_before = Some(self.job.pinned.seq_before);
                let pinned = Arc::new(Narrowing { seq_before, ..Narrowing::default() });
                let scope = Scope::Part(self.job.tenant_id.clone(), pinned);
                let request = Request { sql: text.clone(), params: params.clone(), scope };
                self.answer(request, &mut writing).await
            }
        };
        if let Err(broken) = written {
            writing.abandon().await;
            return Err(broken);
        }
        let end = End {
            version: VERSION,
            state: EndState::Completed,
            at_ms: self.means.clock.now_millis(),
            error: None,
            files: writing.files,
            kept_from: self.kept_from(),
        };
        manifest::write(self.destination, self.job, &end).await?;
        Ok(end)
    }

    /// The first day that is kept, if some of the days pinned are not any more.
    fn kept_from(&self) -> Option<NaiveDate> {
        let kept = self.means.control.first_day(&self.job.tenant_id)?;
        let (first, _) = self.job.pinned.days.first_key_value()?;
        (*first < kept).then_some(kept)
    }

    /// Writes the events from `from` on.
    async fn events(&self, filter: &Filter, from: Position, writing: &mut Writing<'_>) -> Result<(), Broken> {
        let stretches = plan::stretches(&self.job.pinned);
        let mut behind = stretches.iter().take(from.stretch).map(|days| days.rows).sum();
        for (number, days) in stretches.iter().enumerate().skip(from.stretch) {
            self.progress.at(behind);
            behind += days.rows;
            let after = from.after.filter(|_| number == from.stretch);
            let mut running = self.means.engine.run_export(self.request(filter, days, after)).await?;
            while let Some(batch) = self.next(&mut running).await? {
                writing.write(&batch, &Content::Events).await?;
                if writing.is_full() {
                    let after = Some(last_place(&batch)?);
                    writing.complete(Some(Position { stretch: number, after })).await?;
                }
            }
        }
        writing.complete(Some(Position { stretch: stretches.len(), after: None })).await
    }

    fn request(&self, filter: &Filter, days: &Days, after: Option<Place>) -> Request {
        let seq_before = self.job.pinned.seq_before;
        let Days { first, last, part, .. } = days.clone();
        let stretch = Stretch { filter, first, last, part, after, seq_before, seq_from: 0 };
        stretch.request(Scope::Tenant(self.job.tenant_id.clone()))
    }

    /// Writes the answer to a question.
    async fn answer(&self, request: Request, writing: &mut Writing<'_>) -> Result<(), Broken> {
        let mut running = self.means.engine.run_export(request).await?;
        let content = Content::Rows(running.schema());
        while let Some(batch) = self.next(&mut running).await? {
            writing.write(&batch, &content).await?;
            if writing.is_full() {
                writing.complete(None).await?;
            }
        }
        writing.complete(None).await
    }

    async fn next(&self, running: &mut Running) -> Result<Option<RecordBatch>, Broken> {
        match self.stop.run_until_cancelled(running.next()).await {
            None => Err(Broken::Stopped),
            Some(batch) => Ok(batch.transpose()?),
        }
    }
}

/// The files of one export, one after another.
struct Writing<'a> {
    run: &'a Run<'a>,
    /// Those that are complete.
    files: Vec<File>,
    open: Option<Output>,
}

impl Writing<'_> {
    /// Appends rows to the file that is open, or to a new one.
    async fn write(&mut self, batch: &RecordBatch, content: &Content) -> Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let Job { format, compression, .. } = self.run.job;
                let name = format!("part-{:05}.{}", self.files.len() + 1, format.extension(*compression));
                none.insert(Output::begin(self.run.destination, name, (*format, *compression), content)?)
            }
        };
        open.write(batch).await?;
        self.run.progress.wrote(batch.num_rows() as u64);
        Ok(())
    }

    fn is_full(&self) -> bool {
        let means = self.run.means;
        let full = |open: &Output| open.size_bytes() >= means.file_bytes || open.rows() >= means.file_rows;
        self.open.as_ref().is_some_and(full)
    }

    /// Completes the file that is open, if one is. If an export can go on at `next`, that it can is stored.
    async fn complete(&mut self, next: Option<Position>) -> Result<(), Broken> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let file = open.finish().await?;
        if let Some(next) = next {
            let step = Step { version: VERSION, file: file.clone(), next };
            self.run.records.step(self.files.len() as u64 + 1, &step).await?;
        }
        self.run.progress.completed(&file);
        self.files.push(file);
        Ok(())
    }

    /// Gives up the file that is open.
    async fn abandon(self) {
        if let Some(open) = self.open {
            open.abandon().await;
        }
    }
}

/// Where the last event of a batch is.
fn last_place(batch: &RecordBatch) -> Result<Place> {
    let last = batch.num_rows().checked_sub(1);
    let times = batch.column_by_name(OCCURRED_AT);
    let times = times.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
    let seqs = batch.column_by_name(SEQ).and_then(|seqs| seqs.as_primitive_opt::<Int64Type>());
    match (last, times, seqs) {
        (Some(last), Some(times), Some(seqs)) => {
            Ok(Place { occurred_at: times.value(last), seq: seqs.value(last) })
        }
        _ => Err(Error::new(ErrorKind::Internal, "a stretch of a log has no times or numbers")),
    }
}
