//! Events and tables for tests, the same for the same arguments.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, SchemaRef},
};
use chrono::NaiveDate;
use object_store::memory::InMemory;

use super::{Commit, DataFile, Settings, Table, Tables};
use crate::{
    event::{TenantId, schema},
    paths::{TableFolder, TableLayout},
    store::Store,
    telemetry::Clock,
};

/// 2026-01-02T00:00:00Z, the start of [`day`].
pub(crate) const DAY_START: i64 = 1_767_312_000_000_000;

pub(crate) fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 2).unwrap()
}

/// Where the tenant's table is.
pub(crate) fn folder() -> TableFolder {
    TableLayout::Plain.table(&tenant())
}

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

/// One event to make a row of; the other columns follow from `number`.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) number: u64,
    pub(crate) seq: i64,
    pub(crate) occurred_at: i64,
    pub(crate) description: Option<String>,
}

/// Events numbered from `first`, a second apart.
pub(crate) fn events(first: u64, count: u64) -> Vec<Event> {
    let event = |number: u64| Event {
        number,
        seq: number as i64,
        occurred_at: DAY_START + (number % 86_400) as i64 * 1_000_000,
        description: number.is_multiple_of(3).then(|| format!("description {number}")),
    };
    (first..first + count).map(event).collect()
}

pub(crate) fn id(number: u64) -> String {
    format!("event-{number:012}")
}

/// Rows of the stored schema.
pub(crate) fn stored(events: &[Event]) -> RecordBatch {
    rows(schema::stored_schema(), events)
}

/// Rows of the accepted schema.
pub(crate) fn accepted(events: &[Event]) -> RecordBatch {
    rows(schema::accepted_schema(), events)
}

fn rows(schema: SchemaRef, events: &[Event]) -> RecordBatch {
    let columns = schema.fields().iter().map(|field| column(field, events)).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

fn column(field: &Field, events: &[Event]) -> ArrayRef {
    let text = |value: &dyn Fn(&Event) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(events.iter().map(value)))
    };
    let time = |value: &dyn Fn(&Event) -> i64| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter_values(events.iter().map(value));
        Arc::new(times.with_timezone("UTC"))
    };
    match field.name().as_str() {
        schema::SEQ => Arc::new(Int64Array::from_iter_values(events.iter().map(|event| event.seq))),
        schema::OCCURRED_AT => time(&|event| event.occurred_at),
        schema::RECEIVED_AT => time(&|event| event.occurred_at + 1_234),
        schema::ID => text(&|event| Some(id(event.number))),
        schema::TENANT_ID => text(&|_| Some("acme".into())),
        "action" => text(&|event| Some(format!("document.{}", ["read", "write"][event.number as usize % 2]))),
        "actor_type" => text(&|_| Some("user".into())),
        "actor_id" => text(&|event| Some(format!("u_{}", event.number % 17))),
        "description" => text(&|event| event.description.clone()),
        "metadata" => text(&|event| Some(format!(r#"{{"n":{}}}"#, event.number))),
        "version" => {
            Arc::new(Int32Array::from_iter(events.iter().map(|e| e.number.is_multiple_of(5).then_some(1))))
        }
        schema::TARGET_IDS => target_ids(events),
        _ if field.data_type() == &DataType::Utf8 => text(&|_| None),
        other => panic!("no value for column {other}"),
    }
}

fn target_ids(events: &[Event]) -> ArrayRef {
    let item = Field::new("element", DataType::Utf8, true);
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item);
    for event in events {
        if event.number.is_multiple_of(4) {
            lists.append_null();
            continue;
        }
        lists.values().append_value(format!("d_{}", event.number));
        lists.append(true);
    }
    Arc::new(lists.finish())
}

pub(crate) fn memory_store() -> Store {
    Store::from_object_store(Arc::new(InMemory::new()))
}

pub(crate) async fn tables(store: &Store, settings: Settings) -> Tables {
    Tables::open(store.clone(), Clock::manual(DAY_START + 86_400_000_000), settings).await.unwrap()
}

pub(crate) async fn table(store: &Store) -> Arc<Table> {
    tables(store, Settings::default()).await.get_or_create(&tenant()).await.unwrap()
}

/// One file of `events`, in their order.
pub(crate) async fn write(table: &Table, events: &[Event]) -> DataFile {
    let mut writer = table.file_writer(day());
    for chunk in events.chunks(1_000) {
        writer.write(stored(chunk)).await.unwrap();
    }
    writer.finish().await.unwrap()
}

/// A commit that adds `files` and covers the WAL through `wal_through`.
pub(crate) fn append(files: Vec<DataFile>, wal_through: u64, next_seq: i64) -> Commit {
    Commit {
        operation: "WRITE",
        add: files,
        remove: Vec::new(),
        data_change: true,
        wal_through: Some(wal_through),
        next_seq: Some(next_seq),
        tree: None,
    }
}
