//! The files of one export, one after another.
//!
//! In: batches, and days that are copied as their files stand. Out: files at the destination, and a step for each from whose end an
//! export can go on. Guaranteed: a file is batches or copies, not both; it is stored as a step only when it is complete.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::{
    copy::Whole,
    encode::Content,
    job::{File, Job, Position, Step, VERSION},
    output::Output,
    run::{Broken, Run},
};
use crate::{error::Result, table::Table};

/// Days that are copied as their files stand.
pub(super) struct WholeDays {
    pub(super) table: Arc<Table>,
    pub(super) files: Vec<Whole>,
    /// How many stretches they are.
    pub(super) stretches: usize,
}

/// The files of one export, one after another.
pub(super) struct Writing<'a> {
    run: &'a Run<'a>,
    /// Those that are complete.
    pub(super) files: Vec<File>,
    open: Option<Output>,
}

impl<'a> Writing<'a> {
    /// Goes on after `files`, which are complete.
    pub(super) fn new(run: &'a Run<'a>, files: Vec<File>) -> Self {
        Self { run, files, open: None }
    }

    /// Appends rows to the file that is open, or to a new one.
    pub(super) async fn write(&mut self, batch: &RecordBatch, content: &Content) -> Result<()> {
        let name = self.next_name();
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let Job { format, compression, .. } = *self.run.job;
                none.insert(Output::begin(self.run.destination, name, (format, compression), content)?)
            }
        };
        open.write(batch).await?;
        self.run.progress.wrote(batch.num_rows() as u64);
        Ok(())
    }

    /// Copies days into the file that is open, or into a new one; they begin with the stretch `number`.
    pub(super) async fn copy(&mut self, days: WholeDays, number: usize) -> Result<(), Broken> {
        for Whole { file, range } in days.files {
            let mut groups = self.run.next_of(days.table.row_groups(&file)).await?;
            while let Some(group) = self.run.next_of(groups.next()).await? {
                let open = self.copying(number).await?;
                let rows = open.copy(&group, file.day).await?;
                self.run.progress.wrote(rows);
            }
            self.copying(number).await?.spans(Some(range));
        }
        if self.is_full() {
            let next = number + days.stretches;
            self.complete(Some(Position { stretch: next, after: None })).await?;
        }
        Ok(())
    }

    /// The file that is open for copies.
    async fn copying(&mut self, number: usize) -> Result<&mut Output, Broken> {
        if self.open.as_ref().is_some_and(Output::is_encoded) {
            self.complete(Some(Position { stretch: number, after: None })).await?;
        }
        match self.open {
            Some(ref mut open) => Ok(open),
            None => {
                let name = self.next_name();
                Ok(self.open.insert(Output::begin_copy(self.run.destination, name)?))
            }
        }
    }

    /// From here on, from the beginning of a stretch, batches are written: what was copied is a file of its own.
    pub(super) async fn encode_from(&mut self, number: usize) -> Result<(), Broken> {
        match self.open.as_ref().is_some_and(|open| !open.is_encoded()) {
            true => self.complete(Some(Position { stretch: number, after: None })).await,
            false => Ok(()),
        }
    }

    fn next_name(&self) -> String {
        let Job { format, compression, .. } = self.run.job;
        format!("part-{:05}.{}", self.files.len() + 1, format.extension(*compression))
    }

    pub(super) fn is_full(&self) -> bool {
        let means = self.run.means;
        let full = |open: &Output| open.size_bytes() >= means.file_bytes || open.rows() >= means.file_rows;
        self.open.as_ref().is_some_and(full)
    }

    /// Completes the file that is open, if one is. If an export can go on at `next`, that it can is stored.
    pub(super) async fn complete(&mut self, next: Option<Position>) -> Result<(), Broken> {
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
    pub(super) async fn abandon(self) {
        if let Some(open) = self.open {
            open.abandon().await;
        }
    }
}
