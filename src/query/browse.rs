//! The questions of the events API: a page of events, counts over time, the most frequent values; and of exports: a stretch of a log.
//!
//! In: a scope and a [`Filter`](super::Filter). Out: events and numbers, all exact. Guaranteed: every question is put as conditions with
//! parameters, most in a statement, pages without one (`topk`), so that it prunes, is limited and is narrowed as any other query is.

mod fields;
mod first;
mod histogram;
mod page;
mod stretch;

use arrow::{
    array::{AsArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
};

pub use self::{
    fields::{FieldValue, Fields, FieldsQuery},
    histogram::{Bar, Histogram, HistogramQuery, Interval},
    page::{Order, Page, PageQuery, Position},
    stretch::{Place, Stretch},
};
use crate::error::{Error, ErrorKind, Result};

/// Columns whose values can be counted.
pub const FIELDS: [&str; 16] = [
    "action",
    "outcome",
    "actor_type",
    "actor_id",
    "actor_name",
    "actor_email",
    "on_behalf_of_id",
    "credential_id",
    "workspace_id",
    "target_type",
    "target_id",
    "ip_address",
    "country",
    "session_id",
    "user_agent",
    "correlation_id",
];

/// A column that can be counted by: one of [`FIELDS`], so that it can stand in the text of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field(&'static str);

impl Field {
    /// # Errors
    /// [`ErrorKind::Invalid`], naming those that there are.
    pub fn parse(name: &str) -> Result<Self> {
        FIELDS.into_iter().find(|field| *field == name).map(Self).ok_or_else(|| {
            let message = format!("field '{name}' is not one of {}", FIELDS.join(", "));
            Error::new(ErrorKind::Invalid, message)
        })
    }

    /// The name of the column.
    pub fn name(self) -> &'static str {
        self.0
    }
}

fn text_column(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    let column = batch.column_by_name(name).ok_or_else(|| missing(name))?;
    let text = cast(column, &DataType::Utf8)
        .map_err(|error| Error::with_source(ErrorKind::Internal, format!("read column '{name}'"), error))?;
    Ok(text.as_string::<i32>().clone())
}

fn counts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a arrow::array::Int64Array> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("an answer has no column '{name}' of the type expected"))
}
