//! Writes the files of one delivery.
//!
//! In: a window of a tenant's log. Out: a file for each day that it has events of, at the destination. Guaranteed: names and bytes
//! follow from the window alone, so that a delivery that is made again makes the same files; memory and disk do not grow with the
//! window.

use std::collections::{BTreeMap, HashSet};

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::{cast, filter_record_batch},
    datatypes::{DataType, Date32Type},
};
use chrono::NaiveDate;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::{definition::Definition, ledger::Begun};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{TenantId, schema},
    export::{
        destination::Open,
        job::{File, Pinned},
        ocsf::{kind::Kind, mapping::Class},
        output::Output,
        plan::{self, Days},
        run::{Broken, Means},
    },
    query::browse::Stretch,
    table::Snapshot,
};

/// What is delivered, and how.
pub(super) struct Delivery<'a> {
    pub(super) means: &'a Means,
    /// The continuous export's.
    pub(super) id: &'a str,
    pub(super) definition: &'a Definition,
    pub(super) tenant: &'a TenantId,
    pub(super) destination: &'a Open,
    pub(super) window: Begun,
    /// Files that the destination has, and that are left as they are.
    pub(super) there: &'a HashSet<String>,
    /// Only days from this one on.
    pub(super) first_day: NaiveDate,
    pub(super) stop: &'a CancellationToken,
}

/// A file at the destination.
#[derive(Clone, Debug)]
pub(super) struct Delivered {
    pub(super) day: NaiveDate,
    pub(super) file: File,
}

impl Delivery<'_> {
    /// Writes them, and gives those that are complete.
    pub(super) async fn files(&self, snapshot: &Snapshot) -> Result<Vec<Delivered>, Broken> {
        let mut writing = Writing { delivery: self, done: Vec::new(), open: None };
        match self.write(self.stretches(snapshot), &mut writing).await {
            Ok(()) => Ok(writing.done),
            Err(broken) => {
                if let Some((_, Some(open))) = writing.open {
                    open.abandon().await;
                }
                Err(broken)
            }
        }
    }

    /// What is read and sorted at once, one after another: the days that may have events of the window, and of large ones parts.
    fn stretches(&self, snapshot: &Snapshot) -> Vec<Days> {
        let rows_max = (self.window.to - self.window.from).unsigned_abs();
        let window = self.window.from..self.window.to;
        let files = snapshot.files.iter().filter(|file| file.may_have(&window));
        let mut days: BTreeMap<NaiveDate, u64> = BTreeMap::new();
        for file in files.filter(|file| self.first_day <= file.day) {
            let rows = days.entry(file.day).or_default();
            *rows = (*rows + file.rows).min(rows_max);
        }
        let stretch_rows = self.means.stretch_rows;
        plan::stretches(&Pinned { table_version: None, seq_before: self.window.to, stretch_rows, days })
    }

    async fn write(&self, stretches: Vec<Days>, writing: &mut Writing<'_>) -> Result<(), Broken> {
        for Days { first, last, part, .. } in stretches {
            let stretch = Stretch {
                filter: &self.definition.filter,
                first,
                last,
                part,
                after: None,
                seq_before: self.window.to,
                seq_from: self.window.from,
            };
            self.write_stretch(&stretch, writing).await?;
        }
        Ok(writing.complete().await?)
    }

    async fn write_stretch(&self, stretch: &Stretch<'_>, writing: &mut Writing<'_>) -> Result<(), Broken> {
        let mut running = self.means.engine.run_stretch(stretch, self.tenant.clone()).await?;
        loop {
            let next = self.stop.run_until_cancelled(running.next()).await.ok_or(Broken::Stopped)?;
            let Some(batch) = next.transpose()? else { return Ok(()) };
            let batch = match self.definition.class() {
                Some(class) => of_class(&batch, class)?,
                None => batch,
            };
            for (day, rows) in by_day(&batch)? {
                writing.write(day, &rows).await?;
            }
        }
    }
}

/// The rows whose action is of this class.
fn of_class(batch: &RecordBatch, class: Class) -> Result<RecordBatch> {
    let failed = |cause| Error::with_source(ErrorKind::Internal, "tell classes of events apart", cause);
    let actions = batch.column_by_name("action").ok_or_else(|| unlike("action"))?;
    let actions = cast(actions, &DataType::Utf8).map_err(failed)?;
    let is =
        actions.as_string::<i32>().iter().map(|action| action.is_some_and(|it| Kind::of(it).class == class));
    filter_record_batch(batch, &BooleanArray::from_iter(is.map(Some))).map_err(failed)
}

/// The rows of each day; they are sorted by time.
fn by_day(batch: &RecordBatch) -> Result<Vec<(NaiveDate, RecordBatch)>> {
    let days = batch.column_by_name(schema::DAY).and_then(|days| days.as_primitive_opt::<Date32Type>());
    let days = days.ok_or_else(|| unlike(schema::DAY))?;
    let mut parts = Vec::new();
    let mut start = 0;
    for end in 1..=days.len() {
        if end == days.len() || days.value(end) != days.value(start) {
            let day = Date32Type::to_naive_date_opt(days.value(start)).ok_or_else(|| unlike(schema::DAY))?;
            parts.push((day, batch.slice(start, end - start)));
            start = end;
        }
    }
    Ok(parts)
}

fn unlike(column: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("events to deliver have no column {column}"))
}

/// The files of a delivery, one after another.
struct Writing<'a> {
    delivery: &'a Delivery<'a>,
    done: Vec<Delivered>,
    /// The day that is being written, and its file; `None` if the destination has that already.
    open: Option<(NaiveDate, Option<Output>)>,
}

impl Writing<'_> {
    async fn write(&mut self, day: NaiveDate, rows: &RecordBatch) -> Result<()> {
        if self.open.as_ref().is_some_and(|(of, _)| *of != day) {
            self.complete().await?;
        }
        let (_, output) = match &mut self.open {
            Some(open) => open,
            none => none.insert((day, self.delivery.begin(day)?)),
        };
        match output {
            Some(output) => output.write(rows).await,
            None => Ok(()),
        }
    }

    async fn complete(&mut self) -> Result<()> {
        if let Some((day, Some(output))) = self.open.take() {
            let file = output.finish().await?;
            self.done.push(Delivered { day, file });
        }
        Ok(())
    }
}

impl Delivery<'_> {
    fn begin(&self, day: NaiveDate) -> Result<Option<Output>> {
        let Begun { from, to, .. } = self.window;
        let Definition { format, compression, .. } = *self.definition;
        let name = self.definition.file_name(self.id, self.tenant, day, (from, to));
        if self.there.contains(&name) {
            return Ok(None);
        }
        Output::begin(self.destination, name, (format, compression), &self.definition.content()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Date32Array, StringArray},
        datatypes::{Field, Schema},
    };

    use super::*;

    fn batch(rows: &[(i32, &str)]) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new(schema::DAY, DataType::Date32, false),
            Field::new("action", DataType::Utf8, false),
        ]);
        let days = Date32Array::from_iter_values(rows.iter().map(|(day, _)| *day));
        let actions = StringArray::from_iter_values(rows.iter().map(|(_, action)| *action));
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(days), Arc::new(actions)]).unwrap()
    }

    /// Would catch a day whose events land in another one's file, and a class that gets others' events.
    #[test]
    fn rows_are_told_apart() {
        let rows = batch(&[(1, "user.login"), (1, "document.view"), (2, "user.create"), (4, "user.logout")]);
        let days: Vec<(i32, usize)> = by_day(&rows)
            .unwrap()
            .into_iter()
            .map(|(day, rows)| ((day - NaiveDate::default()).num_days() as i32, rows.num_rows()))
            .collect();
        assert_eq!(days, [(1, 2), (2, 1), (4, 1)]);
        assert!(by_day(&batch(&[])).unwrap().is_empty());
        for (class, count) in [(Class::Authentication, 2), (Class::ApiActivity, 1), (Class::AccountChange, 1)]
        {
            assert_eq!(of_class(&rows, class).unwrap().num_rows(), count, "{class:?}");
        }
    }
}
