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
    copy::{self, Whole},
    destination::Open,
    encode::{Content, Copied, Format},
    job::{End, EndState, Job, Position, Step, VERSION, What},
    manifest,
    plan::{self, Days},
    progress::Progress,
    records::Records,
    writing::{WholeDays, Writing},
};
use crate::{
    control::Control,
    error::{Error, ErrorKind, Result},
    event::schema::{OCCURRED_AT, SEQ},
    query::{
        Engine, Filter, Narrowing, Request, Running, Scope,
        browse::{Place, Stretch},
    },
    table::{Tables, start_micros},
    telemetry::Clock,
};

/// What carries exports out.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) engine: Engine,
    pub(super) tables: Tables,
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
    pub(super) fn new(
        engine: Engine,
        tables: Tables,
        control: Control,
        clock: Clock,
        settings: &Settings,
    ) -> Self {
        let Settings { file_bytes, file_rows, stretch_rows, .. } = *settings;
        Self { engine, tables, control, clock, file_bytes, file_rows, stretch_rows }
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
        let mut writing = Writing::new(self, files);
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
        let behind = |number: usize| stretches[..number].iter().map(|days| days.rows).sum();
        let mut copied_to = from.stretch;
        for (number, days) in stretches.iter().enumerate().skip(from.stretch) {
            if number < copied_to {
                continue;
            }
            self.progress.at(behind(number));
            let fresh = number > from.stretch || from.after.is_none();
            if fresh && let Some(whole) = self.whole(filter, &stretches[number..]).await? {
                copied_to = number + whole.stretches;
                writing.copy(whole, number).await?;
                continue;
            }
            writing.encode_from(number).await?;
            let after = from.after.filter(|_| number == from.stretch);
            let stretch = self.stretch(filter, days, after);
            let mut running = self.means.engine.run_stretch(&stretch, self.job.tenant_id.clone()).await?;
            let mut last = after;
            while let Some(batch) = self.next(&mut running).await? {
                last = in_order(&batch, last)?;
                writing.write(&batch, &Content::Events).await?;
                if writing.is_full() {
                    writing.complete(Some(Position { stretch: number, after: last })).await?;
                }
            }
        }
        writing.complete(Some(Position { stretch: stretches.len(), after: None })).await
    }

    /// The files of the first of `stretches`, and of those that belong to the same day, if they can be copied.
    async fn whole(&self, filter: &Filter, stretches: &[Days]) -> Result<Option<WholeDays>, Broken> {
        if self.job.format != Format::Parquet || *filter != Filter::default() {
            return Ok(None);
        }
        let (Some(first), Some(table)) =
            (stretches.first(), self.means.tables.get(&self.job.tenant_id).await?)
        else {
            return Ok(None);
        };
        // Not a part of a day whose other parts were read.
        let begins_day = first.part.as_ref().is_none_or(|part| part.start == start_micros(first.first));
        let kept = self.means.control.first_day(&self.job.tenant_id).is_none_or(|kept| kept <= first.first);
        if !begins_day || !kept {
            return Ok(None);
        }
        let snapshot = table.snapshot();
        let days = self.job.pinned.days.range(first.first..=first.last).map(|(day, _)| *day);
        let files = days.map(|day| copy::day(&snapshot, day, self.job.pinned.seq_before));
        let Some(files) = files.collect::<Option<Vec<Vec<Whole>>>>() else { return Ok(None) };
        let files = files.concat();
        for whole in &files {
            let groups = self.next_of(table.row_groups(&whole.file)).await?;
            // Another program may have rewritten it.
            if !Copied::fits(groups.metadata()) {
                return Ok(None);
            }
        }
        let stretches = stretches.iter().take_while(|days| days.first == first.first).count();
        Ok(Some(WholeDays { table, files, stretches }))
    }

    fn stretch<'f>(&self, filter: &'f Filter, days: &Days, after: Option<Place>) -> Stretch<'f> {
        let seq_before = self.job.pinned.seq_before;
        let Days { first, last, part, .. } = days.clone();
        Stretch { filter, first, last, part, after, seq_before, seq_from: 0 }
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
        self.next_of(async { running.next().await.transpose() }).await
    }

    /// What comes next, unless it is told to stop.
    pub(super) async fn next_of<T>(&self, next: impl Future<Output = Result<T>>) -> Result<T, Broken> {
        match self.stop.run_until_cancelled(next).await {
            None => Err(Broken::Stopped),
            Some(next) => Ok(next?),
        }
    }
}

/// Where the last event of a batch is, all of which follow `last` in the order of the log: files are taken at their word that they are
/// sorted, and an export that goes on after an event would leave out those that came too late.
fn in_order(batch: &RecordBatch, last: Option<Place>) -> Result<Option<Place>> {
    let times = batch.column_by_name(OCCURRED_AT);
    let times = times.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
    let seqs = batch.column_by_name(SEQ).and_then(|seqs| seqs.as_primitive_opt::<Int64Type>());
    let (Some(times), Some(seqs)) = (times, seqs) else {
        return Err(Error::new(ErrorKind::Internal, "a stretch of a log has no times or numbers"));
    };
    let mut last = last;
    for (occurred_at, seq) in times.values().iter().copied().zip(seqs.values().iter().copied()) {
        let place = Some(Place { occurred_at, seq });
        if place <= last {
            let message = format!("a file says that it is sorted, and event {seq} is not in its place");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        last = place;
    }
    Ok(last)
}
