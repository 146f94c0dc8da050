//! Events of about 500 bytes for the benches, the same on every run.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field},
};
use auditlake::{
    event::{TenantId, schema},
    table::{Commit, DataFile, Table},
};
use chrono::NaiveDate;

/// 2026-01-02T00:00:00Z.
const DAY_START: i64 = 1_767_312_000_000_000;

/// The day of all events.
pub(crate) fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 2).expect("a date")
}

pub(crate) fn tenant(number: usize) -> TenantId {
    TenantId::parse(&format!("tenant-{number}")).expect("a tenant id")
}

/// Scatters a number over 64 bits (SplitMix64).
fn scatter(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Events `first`, `first + step`, … of the stored schema; event `n` occurs 20 ms times `n` into the day.
pub(crate) fn stored(first: u64, count: u64, step: u64) -> RecordBatch {
    let numbers: Vec<u64> = (0..count).map(|at| first + at * step).collect();
    let schema = schema::stored_schema();
    let columns = schema.fields().iter().map(|field| column(field, &numbers)).collect();
    RecordBatch::try_new(schema, columns).expect("columns of the stored schema")
}

fn column(field: &Field, numbers: &[u64]) -> ArrayRef {
    let time = |delay: u64| -> ArrayRef {
        let times = numbers.iter().map(|number| DAY_START + (number * 20_000 + delay) as i64);
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    match field.name().as_str() {
        schema::SEQ => Arc::new(Int64Array::from_iter_values(numbers.iter().map(|number| *number as i64))),
        schema::OCCURRED_AT => time(0),
        schema::RECEIVED_AT => time(1_500_000),
        "version" => Arc::new(Int32Array::from_iter(numbers.iter().map(|_| Some(1)))),
        schema::TARGET_IDS => target_ids(numbers),
        name if field.data_type() == &DataType::Utf8 => {
            Arc::new(StringArray::from_iter(numbers.iter().map(|number| text(name, *number))))
        }
        other => panic!("no values for column {other}"),
    }
}

fn text(column: &str, number: u64) -> Option<String> {
    let random = scatter(number);
    let actor = scatter(random % 700) % 500;
    Some(match column {
        "id" => format!(
            "018c{:08x}-7{:03x}-8{:03x}-{:012x}",
            number,
            random % 4_096,
            random % 4_093,
            random >> 16
        ),
        "tenant_id" => "tenant-0".into(),
        "action" => {
            format!("{}.{}", ["document", "user", "role", "key", "export"][random as usize % 5], random % 7)
        }
        "outcome" => ["success", "success", "success", "failure"][random as usize % 4].into(),
        "actor_type" => "user".into(),
        "actor_id" => format!("user_{actor}"),
        "actor_name" => format!("Person Number {actor}"),
        "actor_email" => format!("person.{actor}@example.com"),
        "target_type" => "document".into(),
        "target_id" => format!("doc_{}", random % 50_000),
        "target_name" => format!("Quarterly plan {}", random % 50_000),
        "targets" => {
            format!(r#"[{{"id":"doc_{}","name":"Quarterly plan {0}","type":"document"}}]"#, random % 50_000)
        }
        "ip_address" => format!("203.0.{}.{}", actor % 200, actor % 250),
        "user_agent" => {
            format!("Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox", actor % 20)
        }
        "session_id" => format!("session_{:016x}", scatter(number / 40)),
        "request_id" => format!("{random:016x}{:016x}", scatter(random)),
        "country" => ["DE", "FR", "US", "JP"][actor as usize % 4].into(),
        "metadata" => format!(
            r#"{{"bytes":{},"feature":"f{}","region":"eu-{}"}}"#,
            random % 1_000_000,
            random % 40,
            actor % 3
        ),
        _ => return None,
    })
}

fn target_ids(numbers: &[u64]) -> ArrayRef {
    let mut lists =
        ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, true));
    for number in numbers {
        lists.values().append_option(text("target_id", *number));
        lists.append(true);
    }
    Arc::new(lists.finish())
}

/// Writes one file of events and does not commit it.
pub(crate) async fn write(table: &Table, batches: &[RecordBatch]) -> DataFile {
    let mut writer = table.file_writer(day());
    for batch in batches {
        writer.write(batch.clone()).await.expect("encode");
    }
    writer.finish().await.expect("upload")
}

/// Adds `files` as WAL segment `through`.
pub(crate) fn append(files: Vec<DataFile>, through: u64) -> Commit {
    Commit {
        operation: "WRITE",
        add: files,
        remove: Vec::new(),
        data_change: true,
        wal_through: Some(through),
        next_seq: Some(0),
        tree: None,
    }
}
