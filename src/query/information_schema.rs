//! `information_schema.tables` and `information_schema.columns`: what a reader can ask for.
//!
//! Out: a schema with two tables that describe `events`, the same for everybody. Guaranteed: nothing of other tenants, of settings
//! or of files is in it; it is made once.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, Int32Array, RecordBatch, StringArray},
    datatypes::{DataType, Schema},
};
use datafusion::{
    catalog::{MemTable, MemorySchemaProvider, SchemaProvider},
    common::exec_datafusion_err,
    error::Result,
};

use crate::event::schema;

/// The name of the schema.
pub(crate) const NAME: &str = "information_schema";
const CATALOG: &str = "auditlake";
const SCHEMA: &str = "public";
const TABLE: &str = "events";

static TABLES: LazyLock<Option<Arc<MemorySchemaProvider>>> = LazyLock::new(|| made().ok());

/// The schema, for a session's catalog.
pub(crate) fn schema() -> Result<Arc<dyn SchemaProvider>> {
    let tables = TABLES.as_ref().ok_or_else(|| exec_datafusion_err!("information_schema cannot be made"))?;
    Ok(Arc::clone(tables) as Arc<dyn SchemaProvider>)
}

fn made() -> Result<Arc<MemorySchemaProvider>> {
    let made = MemorySchemaProvider::new();
    for (name, batch) in [("tables", tables()?), ("columns", columns(&schema::table_schema())?)] {
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        made.register_table(name.to_string(), Arc::new(table))?;
    }
    Ok(Arc::new(made))
}

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<StringArray>())
}

fn tables() -> Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter([
        ("table_catalog", texts([CATALOG])),
        ("table_schema", texts([SCHEMA])),
        ("table_name", texts([TABLE])),
        ("table_type", texts(["VIEW"])),
    ])?)
}

fn columns(of: &Schema) -> Result<RecordBatch> {
    let fields = of.fields();
    let same = |value: &'static str| texts(fields.iter().map(|_| value));
    let positions = (1..).take(fields.len()).collect::<Int32Array>();
    Ok(RecordBatch::try_from_iter([
        ("table_catalog", same(CATALOG)),
        ("table_schema", same(SCHEMA)),
        ("table_name", same(TABLE)),
        ("column_name", texts(fields.iter().map(|field| field.name().as_str()))),
        ("ordinal_position", Arc::new(positions) as ArrayRef),
        ("is_nullable", texts(fields.iter().map(|field| if field.is_nullable() { "YES" } else { "NO" }))),
        ("data_type", texts(fields.iter().map(|field| type_name(field.data_type())))),
    ])?)
}

/// A type's name in PostgreSQL.
pub(crate) fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => "text",
        DataType::Int64 | DataType::UInt64 | DataType::UInt32 => "bigint",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Int16 | DataType::Int8 | DataType::UInt8 => "smallint",
        DataType::Boolean => "boolean",
        DataType::Float64 => "double precision",
        DataType::Float32 | DataType::Float16 => "real",
        DataType::Date32 => "date",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary => "bytea",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "ARRAY",
        DataType::Struct(_) => "record",
        decimal if decimal.is_decimal() => "numeric",
        _ => "USER-DEFINED",
    }
}
