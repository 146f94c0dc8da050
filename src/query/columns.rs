//! The table's columns as the planner sees them: text as views.
//!
//! A view (`Utf8View`) keeps a text's first letters beside its length and shares the decoded page, so that
//! filters and groups compare and copy less. Files and uncommitted batches hold plain `Utf8`; the scan reads
//! it as views, and `plan.rs` turns the answer's columns back into `Utf8`.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::{
    common::{DFSchema, DFSchemaRef},
    scalar::ScalarValue,
};

use crate::{event::schema, index::field::WORD_COLUMNS};

/// The column of [`shown_columns`] with an event's JSON.
pub(crate) const EVENT: &str = "event";
/// The column of addresses.
pub(crate) const IP_ADDRESS: &str = "ip_address";

static FILE: LazyLock<SchemaRef> = LazyLock::new(|| with_views(&schema::stored_schema()));
static TIMES: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = TABLE.field_with_name(schema::OCCURRED_AT).expect("the table has it");
    Arc::new(Schema::new(vec![field.clone()]))
});
static SHOWN: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = TIMES.field(0).clone();
    let text = |name| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![time, text(schema::TENANT_ID), text(schema::ID), text(EVENT)]))
});
static TEXTS: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(FILE.project(&word_columns()).expect("the places are of this schema")));
static PLANNED: LazyLock<DFSchemaRef> = LazyLock::new(|| {
    Arc::new(DFSchema::try_from(table_columns()).expect("the table's columns have names of their own"))
});
static TABLE: LazyLock<SchemaRef> = LazyLock::new(|| with_views(&schema::table_schema()));

fn with_views(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Arc::new(Field::new(field.name(), DataType::Utf8View, field.is_nullable())),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Columns of a data file.
pub(crate) fn file_columns() -> SchemaRef {
    Arc::clone(&FILE)
}

/// The type of a column of a data file, by its place.
pub(crate) fn type_of_file_column(place: usize) -> &'static DataType {
    FILE.field(place).data_type()
}

/// The column `occurred_at`.
pub(crate) fn times() -> SchemaRef {
    Arc::clone(&TIMES)
}

/// What is shown of an event: when it occurred, whose it is, its id, and itself as JSON.
pub(crate) fn shown_columns() -> SchemaRef {
    Arc::clone(&SHOWN)
}

/// The columns whose words are looked for.
pub(crate) fn texts() -> SchemaRef {
    Arc::clone(&TEXTS)
}

/// The places in a data file of the columns whose words are looked for, which ascend.
pub(crate) fn word_columns() -> Vec<usize> {
    let fields = FILE.fields().iter().enumerate();
    fields
        .filter(|(_, field)| WORD_COLUMNS.contains(&field.name().as_str()))
        .map(|(place, _)| place)
        .collect()
}

/// Columns of the table `events`.
pub(crate) fn table_columns() -> SchemaRef {
    Arc::clone(&TABLE)
}

/// The same, as filters name them.
pub(crate) fn planned_columns() -> DFSchemaRef {
    Arc::clone(&PLANNED)
}

/// A statistics value in the type of its planned column.
pub(crate) fn as_planned(value: &ScalarValue) -> ScalarValue {
    match value {
        ScalarValue::Utf8(text) => ScalarValue::Utf8View(text.clone()),
        other => other.clone(),
    }
}
