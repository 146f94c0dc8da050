//! Events as the Open Cybersecurity Schema Framework has them (<https://schema.ocsf.io>, version 1.3.0).
//!
//! In: batches of events. Out: OCSF events of three classes (API Activity 6003, Authentication 3002, Account Change 3001) with
//! the profile `datetime`, as lines of JSON or as columns of one schema for all three. Guaranteed:
//!
//! - each object has all attributes that its class requires, and none that it has not;
//! - nothing of an event is lost: every text, number and truth value of its API form is in the object, and what has no place of
//!   its own is in `unmapped`, under the name it has in the API;
//! - both forms are one object: the columns have JSON text where the lines have JSON (`unmapped`, `resources.data`).
//!
//! [`mapping`] is the documented table: which class, which activity, and what goes where; [`kind`] takes an action by it. `event.rs` reads an event's API form,
//! `object.rs` has the objects (their columns are made from the same lines), `build.rs` makes the ones of the other.

mod build;
mod event;
pub mod kind;
pub mod mapping;
mod object;
#[cfg(test)]
mod tests;

use std::{io::Write, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema, SchemaRef},
    json::{ReaderBuilder, reader::Decoder},
};

use self::{event::Event, mapping::Class, object::Object};
use crate::{
    error::{Error, ErrorKind, Result},
    event::canonical::Rows,
};

/// How JSON stands inside of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As JSON.
    Lines,
    /// As text: columns have a fixed type.
    Columns,
}

/// Writes events as OCSF, one JSON object a line, without nulls.
pub(super) fn write_lines(events: &RecordBatch, out: &mut impl Write) -> Result<()> {
    each(events, Form::Lines, |object| {
        serde_json::to_writer(&mut *out, object).map_err(|cause| failed(object, cause))?;
        out.write_all(b"\n").map_err(|cause| failed(object, cause))
    })
}

/// Makes OCSF columns of events.
pub(super) struct Table {
    schema: SchemaRef,
    decoder: Decoder,
}

impl Table {
    /// The columns of all classes, or of the one that all events are of.
    pub(super) fn new(class: Option<Class>) -> Result<Self> {
        let has = |field: &Field| class.is_none_or(|class| class.has(field.name()));
        let fields: Vec<Field> = object::Object::fields().into_iter().filter(has).collect();
        let schema = Arc::new(Schema::new(fields));
        // Strict: an attribute without a column is an error, not a loss.
        let decoder = ReaderBuilder::new(schema.clone()).with_strict_mode(true).build_decoder();
        let decoder = decoder.map_err(|cause| {
            Error::with_source(ErrorKind::Internal, "make the columns of OCSF events", cause)
        })?;
        Ok(Self { schema, decoder })
    }

    /// Structs in structs, text, whole numbers, times.
    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    pub(super) fn columns(&mut self, events: &RecordBatch) -> Result<RecordBatch> {
        each(events, Form::Columns, |object| {
            self.decoder.serialize(std::slice::from_ref(object)).map_err(|cause| failed(object, cause))
        })?;
        let columns = self
            .decoder
            .flush()
            .map_err(|cause| Error::with_source(ErrorKind::Internal, "make columns of OCSF events", cause))?;
        Ok(columns.unwrap_or_else(|| RecordBatch::new_empty(self.schema())))
    }
}

fn each(events: &RecordBatch, form: Form, mut write: impl FnMut(&Object) -> Result<()>) -> Result<()> {
    let rows = Rows::new(events)?;
    let mut json = String::new();
    for row in 0..rows.len() {
        json.clear();
        rows.push_api(row, &mut json);
        let event = Event::parse(&json)?;
        let targets = event.targets()?;
        write(&build::object(&event, &targets, form)?)?;
    }
    Ok(())
}

fn failed(object: &Object, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = format!("write event '{}' as OCSF", object.metadata.uid);
    Error::with_source(ErrorKind::Internal, message, cause)
}
