//! The columns that an export writes: checked once a batch, so that writers need not ask.
//!
//! In: batches as a query gives them (text as `Utf8View` or dictionaries, columns in any order). Out: for events the table's
//! columns in their order, text as plain `Utf8`, which every reader of Arrow knows; for an answer its own columns.

use arrow::{
    array::RecordBatch,
    compute::cast,
    datatypes::{DataType, SchemaRef},
};

use super::Content;
use crate::{
    error::{Error, ErrorKind, Result},
    event::schema,
};

/// The columns of a file, and how they are found in a batch.
pub(super) struct Columns {
    schema: SchemaRef,
    events: bool,
}

impl Columns {
    pub(super) fn new(content: &Content) -> Self {
        match content {
            Content::Events | Content::OfClass(_) => Self { schema: schema::table_schema(), events: true },
            Content::Stored => Self { schema: schema::stored_schema(), events: true },
            Content::Rows(schema) => Self { schema: schema.clone(), events: false },
        }
    }

    /// The columns of every batch that comes out.
    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    pub(super) fn of(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if !self.events {
            return RecordBatch::try_new(self.schema(), batch.columns().to_vec()).map_err(|cause| {
                Error::with_source(
                    ErrorKind::Internal,
                    "rows to export have not the columns of their query",
                    cause,
                )
            });
        }
        let columns = self.schema.fields().iter().map(|field| column(batch, field.name(), field.data_type()));
        RecordBatch::try_new(self.schema(), columns.collect::<Result<_>>()?).map_err(|cause| {
            Error::with_source(ErrorKind::Internal, "events to export are not events", cause)
        })
    }
}

fn column(batch: &RecordBatch, name: &str, wanted: &DataType) -> Result<arrow::array::ArrayRef> {
    let Some(column) = batch.column_by_name(name) else {
        return Err(Error::new(
            ErrorKind::Internal,
            format!("column {name} is missing from events to export"),
        ));
    };
    cast(column, wanted).map_err(|cause| {
        let found = column.data_type();
        Error::with_source(ErrorKind::Internal, format!("column {name} is {found}, not {wanted}"), cause)
    })
}
