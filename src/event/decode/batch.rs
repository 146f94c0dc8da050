//! From one event at a time to columns.
//!
//! [`Event`] holds what was read of the event at hand, borrowed from the request where it can be; once the
//! event is known to be good, [`BatchBuilder`] appends it. So a bad event leaves no trace in the columns.

use std::{borrow::Cow, ops::Range, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, Int32Builder, ListBuilder, RecordBatch, StringBuilder, TimestampMicrosecondArray,
    },
    datatypes::DataType,
};

use crate::event::{
    columns::Column,
    schema::{self, OCCURRED_AT, RECEIVED_AT, TARGET_IDS},
};

/// The value of a text column in the event at hand.
#[derive(Clone, Debug, Default)]
pub(super) enum Value<'j> {
    /// Null.
    #[default]
    Absent,
    /// Text from the request.
    Text(Cow<'j, str>),
    /// Canonical JSON: a part of [`Event::json`].
    Json(Range<usize>),
}

/// One event as read so far.
#[derive(Default)]
pub(super) struct Event<'j> {
    values: [Value<'j>; Column::COUNT],
    /// Of all targets, in order, the id and then the aliases.
    target_ids: Vec<Cow<'j, str>>,
    /// Microseconds since 1970.
    pub(super) occurred_at: Option<i64>,
    pub(super) version: Option<i32>,
    /// Canonical JSON of metadata, targets and changes, one after the other.
    pub(super) json: String,
}

impl<'j> Event<'j> {
    /// Forgets the event at hand and keeps the buffers.
    pub(super) fn clear(&mut self) {
        self.values.fill(Value::Absent);
        self.target_ids.clear();
        self.occurred_at = None;
        self.version = None;
        self.json.clear();
    }

    /// The value of a column, if it has one.
    pub(super) fn get(&self, column: Column) -> Option<&str> {
        match &self.values[column as usize] {
            Value::Absent => None,
            Value::Text(text) => Some(text),
            Value::Json(range) => Some(&self.json[range.clone()]),
        }
    }

    /// Sets a column.
    pub(super) fn set(&mut self, column: Column, value: Value<'j>) {
        self.values[column as usize] = value;
    }

    /// Takes a column's value out.
    pub(super) fn take(&mut self, column: Column) -> Value<'j> {
        std::mem::take(&mut self.values[column as usize])
    }

    /// Adds the id of the target at hand and its other names, which are taken, to those of all targets.
    pub(super) fn push_target_names(&mut self, aliases: &mut Vec<Cow<'j, str>>) {
        if let Value::Text(id) = &self.values[Column::TargetId as usize] {
            self.target_ids.push(id.clone());
        }
        self.target_ids.append(aliases);
    }

    /// Bytes of all text columns together.
    pub(super) fn text_bytes(&self) -> usize {
        Column::ALL.iter().filter_map(|column| self.get(*column)).map(str::len).sum()
    }
}

/// Gathers good events into a batch of [`schema::accepted_schema`].
pub(super) struct BatchBuilder {
    text: [StringBuilder; Column::COUNT],
    occurred_at: Vec<i64>,
    target_ids: ListBuilder<StringBuilder>,
    version: Int32Builder,
}

impl BatchBuilder {
    /// A builder with room for about `rows` events.
    pub(super) fn new(rows: usize) -> Self {
        let text = |_| StringBuilder::with_capacity(rows, rows * 8);
        let element =
            match schema::accepted_schema().field_with_name(TARGET_IDS).map(|f| f.data_type().clone()) {
                Ok(DataType::List(element)) => element,
                other => unreachable!("target_ids is a list in the schema, not {other:?}"),
            };
        Self {
            text: std::array::from_fn(text),
            occurred_at: Vec::with_capacity(rows),
            target_ids: ListBuilder::with_capacity(StringBuilder::with_capacity(rows, rows * 16), rows)
                .with_field(element),
            version: Int32Builder::with_capacity(rows),
        }
    }

    /// Adds a row. The event's required columns are set: it has no problem.
    pub(super) fn append(&mut self, event: &Event<'_>) {
        for (builder, column) in self.text.iter_mut().zip(Column::ALL) {
            match event.get(column) {
                Some(value) => builder.append_value(value),
                None => builder.append_null(),
            }
        }
        self.occurred_at.push(event.occurred_at.expect("an event without problems has a time"));
        for id in &event.target_ids {
            self.target_ids.values().append_value(id);
        }
        self.target_ids.append(!event.target_ids.is_empty());
        self.version.append_option(event.version);
    }

    /// The batch of all rows, each received at `received_at` (microseconds since 1970).
    ///
    /// It takes the memory of what it holds: batches stay in memory until they are committed, and the spare
    /// room that builders grow by is as much as their content.
    pub(super) fn finish(mut self, received_at: i64) -> RecordBatch {
        let rows = self.occurred_at.len();
        let times = |micros: Vec<i64>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(micros).with_data_type(schema::timestamp_type()))
        };
        let mut text = self.text.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let mut occurred_at = Some(times(self.occurred_at));
        let schema = schema::accepted_schema();
        let columns = schema.fields().iter().map(|field| match field.name().as_str() {
            OCCURRED_AT => occurred_at.take().expect("the schema has one occurred_at"),
            RECEIVED_AT => times(vec![received_at; rows]),
            TARGET_IDS => Arc::new(self.target_ids.finish()),
            "version" => Arc::new(self.version.finish()),
            _ => text.next().expect("text columns are in the schema's order"),
        });
        let mut columns: Vec<ArrayRef> = columns.collect();
        columns.iter_mut().for_each(Array::shrink_to_fit);
        RecordBatch::try_new(schema.clone(), columns)
            .expect("every column has the schema's type and a value a row")
    }
}
