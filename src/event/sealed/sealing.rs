//! Rows as they are accepted, with a salt for each sealed field that they have.
//!
//! In: a batch of accepted events, the fields that their tenant seals. Out: the batch with its column `sealed` set. Guaranteed: what
//! the events say is as it was; every value that stands in a sealed field has a salt of its own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder};

use super::{
    field::{Place, SealedFields},
    marks::{self, Mark, Marks},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{columns::Column, members, schema::SEALED},
};

/// The batch, sealed.
///
/// # Errors
/// [`ErrorKind::Internal`] if it is not of [`crate::event::schema::accepted_schema`].
pub fn seal(batch: RecordBatch, fields: &SealedFields) -> Result<RecordBatch> {
    if fields.is_empty() {
        return Ok(batch);
    }
    let column = |column: Column| text_column(&batch, column.name());
    let places = fields.iter().map(|field| {
        let of = match &field.place {
            Place::Whole(of) | Place::Within(of, _) => *of,
            Place::OfTargets(_) => Column::Targets,
        };
        Ok((&field.place, of, column(of)?))
    });
    let places: Vec<(&Place, Column, &StringArray)> = places.collect::<Result<_>>()?;
    let mut sealed = StringBuilder::with_capacity(batch.num_rows(), batch.num_rows() * 64);
    for row in 0..batch.num_rows() {
        let mut marks = Marks::new();
        for (place, column, values) in &places {
            if values.is_valid(row) {
                let pointers = pointers(place, *column, values.value(row));
                marks.extend(pointers.into_iter().map(|pointer| (pointer, Mark::salted())));
            }
        }
        sealed.append_option((!marks.is_empty()).then(|| marks::write(&marks)));
    }
    replace(&batch, SEALED, Arc::new(sealed.finish()))
}

/// Where values of a field stand, in an event whose column has this value.
fn pointers(place: &Place, column: Column, value: &str) -> Vec<String> {
    match place {
        Place::Whole(_) => vec![marks::pointer(root(column).iter().copied())],
        Place::Within(_, path) => {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let is_there = members::get(value, &path).is_some();
            let steps = root(column).iter().copied().chain(path);
            is_there.then(|| marks::pointer(steps)).into_iter().collect()
        }
        Place::OfTargets(path) => {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let targets = members::elements(value).unwrap_or_default();
            let with = targets.iter().enumerate().filter(|(_, target)| members::get(target, &path).is_some());
            let pointer = |at: usize| {
                let at = at.to_string();
                marks::pointer(["targets", &at].into_iter().chain(path.iter().copied()))
            };
            with.map(|(at, _)| pointer(at)).collect()
        }
    }
}

/// The columns of which anything can be sealed, and where each stands in the JSON of an event.
pub(super) const SEALABLE: [(Column, &[&str]); 10] = [
    (Column::ActorName, &["actor", "name"]),
    (Column::ActorEmail, &["actor", "email"]),
    (Column::ActorMetadata, &["actor", "metadata"]),
    (Column::OnBehalfOfName, &["actor", "on_behalf_of", "name"]),
    (Column::IpAddress, &["context", "ip_address"]),
    (Column::UserAgent, &["context", "user_agent"]),
    (Column::Description, &["description"]),
    (Column::Changes, &["changes"]),
    (Column::Metadata, &["metadata"]),
    (Column::Targets, &["targets"]),
];

/// Whether something may stand in a column that an erasure takes out, or it is `sealed` itself: its smallest and largest values are
/// nowhere but in the files of the events.
pub fn is_erasable(column: &str) -> bool {
    let derived = [Column::TargetName, Column::Sealed].into_iter();
    SEALABLE.into_iter().map(|(column, _)| column).chain(derived).any(|erasable| erasable.name() == column)
}

/// Where a column stands in the JSON of an event.
fn root(column: Column) -> &'static [&'static str] {
    SEALABLE.into_iter().find(|(other, _)| *other == column).map_or(&[], |(_, root)| root)
}

pub(super) fn text_column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b StringArray> {
    let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    column.ok_or_else(|| {
        Error::new(ErrorKind::Internal, format!("a batch of events has no text column {name}"))
    })
}

/// The batch with another column in the place of `name`.
pub(super) fn replace(batch: &RecordBatch, name: &str, column: ArrayRef) -> Result<RecordBatch> {
    let failed = |error| Error::with_source(ErrorKind::Internal, format!("replace column {name}"), error);
    let at = batch.schema().index_of(name).map_err(failed)?;
    let mut columns = batch.columns().to_vec();
    columns[at] = column;
    RecordBatch::try_new(batch.schema(), columns).map_err(failed)
}
