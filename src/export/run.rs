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
        let files = match &self.job.what {
            What::Filter(filter) => self.events(filter, steps).await?,
            What::Sql { text, params, .. } => {
                let pinned =
                    Narrowing { seq_before: Some(self.job.pinned.seq_before), ..Narrowing::default() };
                let scope = Scope::Part(self.job.tenant_id.clone(), Arc::new(pinned));
                self.answer(Request { sql: text.clone(), params: params.clone(), scope }).await?
            }
        };
        let end = End {
            version: VERSION,
            state: EndState::Completed,
            at_ms: self.means.clock.now_millis(),
            error: None,
            files,
            kept_from: self.kept_from(),
        };
        manifest::write(self.destination, self.job, &end).await?;
        Ok(end)
    }

    /// The first day that is kept, if some of the days pinned are not any more.
    fn kept_from(&self) -> Option<chrono::NaiveDate> {
        let kept = self.means.control.first_day(&self.job.tenant_id)?;
        let (first, _) = self.job.pinned.days.first_key_value()?;
        (*first < kept).then_some(kept)
    }

    async fn events(&self, filter: &Filter, steps: Vec<Step>) -> Result<Vec<File>, Broken> {
        let stretches = plan::stretches(&self.job.pinned);
        let from = steps.last().map_or(Position::default(), |step| step.next);
        let mut files: Vec<File> = steps.into_iter().map(|step| step.file).collect();
        let mut output = None;
        for (number, days) in stretches.iter().enumerate().skip(from.stretch) {
            let after = from.after.filter(|_| number == from.stretch);
            let rest = stretches[..number].iter().map(|days| days.rows).sum();
            self.progress.at(rest);
            let reading = self.means.engine.run_export(self.request(filter, days, after));
            let read = self.stretch(reading.await?, number, &mut output, &mut files).await;
            if let Err(broken) = read {
                abandon(output).await;
                return Err(broken);
            }
        }
        if let Some(last) = output {
            self.complete(last, Position { stretch: stretches.len(), after: None }, &mut files).await?;
        }
        Ok(files)
    }

    fn request(&self, filter: &Filter, days: &Days, after: Option<Place>) -> Request {
        let seq_before = self.job.pinned.seq_before;
        let stretch = Stretch { filter, first: days.first, last: days.last, after, seq_before };
        stretch.request(Scope::Tenant(self.job.tenant_id.clone()))
    }

    /// Writes the events of one stretch, to the file that is open and to new ones.
    async fn stretch(
        &self,
        mut running: Running,
        number: usize,
        output: &mut Option<Output>,
        files: &mut Vec<File>,
    ) -> Result<(), Broken> {
        while let Some(batch) = self.next(&mut running).await? {
            let mut writing = match output.take() {
                Some(writing) => writing,
                None => self.begin(files.len(), &Content::Events)?,
            };
            if let Err(error) = writing.write(&batch).await {
                writing.abandon().await;
                return Err(error.into());
            }
            self.progress.wrote(batch.num_rows() as u64);
            if !self.is_full(&writing) {
                *output = Some(writing);
                continue;
            }
            let next = Position { stretch: number, after: Some(last_place(&batch)?) };
            self.complete(writing, next, files).await?;
        }
        Ok(())
    }

    /// Writes the answer to a question.
    async fn answer(&self, request: Request) -> Result<Vec<File>, Broken> {
        self.progress.at(0);
        let mut running = self.means.engine.run_export(request).await?;
        let content = Content::Rows(running.schema());
        let (mut files, mut output) = (Vec::new(), None::<Output>);
        loop {
            let batch = match self.next(&mut running).await {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(broken) => {
                    abandon(output).await;
                    return Err(broken);
                }
            };
            let mut writing = match output.take() {
                Some(writing) => writing,
                None => self.begin(files.len(), &content)?,
            };
            if let Err(error) = writing.write(&batch).await {
                writing.abandon().await;
                return Err(error.into());
            }
            self.progress.wrote(batch.num_rows() as u64);
            match self.is_full(&writing) {
                false => output = Some(writing),
                true => files.push(writing.finish().await?),
            }
        }
        if let Some(last) = output {
            files.push(last.finish().await?);
        }
        Ok(files)
    }

    async fn next(&self, running: &mut Running) -> Result<Option<RecordBatch>, Broken> {
        match self.stop.run_until_cancelled(running.next()).await {
            None => Err(Broken::Stopped),
            Some(batch) => Ok(batch.transpose()?),
        }
    }

    fn is_full(&self, output: &Output) -> bool {
        output.size_bytes() >= self.means.file_bytes || output.rows() >= self.means.file_rows
    }

    fn begin(&self, files: usize, content: &Content) -> Result<Output> {
        let (format, compression) = (self.job.format, self.job.compression);
        let name = format!("part-{:05}.{}", files + 1, format.extension(compression));
        Output::begin(self.destination, name, (format, compression), content)
    }

    /// A file is complete; that it is, is stored.
    async fn complete(&self, output: Output, next: Position, files: &mut Vec<File>) -> Result<(), Broken> {
        let file = output.finish().await?;
        let step = Step { version: VERSION, file: file.clone(), next };
        self.records.step(files.len() as u64 + 1, &step).await?;
        self.progress.completed(&file);
        files.push(file);
        Ok(())
    }
}

async fn abandon(output: Option<Output>) {
    if let Some(output) = output {
        output.abandon().await;
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
