//! A lake by hand: events, Parquet files with their statistics, uncommitted batches, an engine over them.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
        TimestampMicrosecondArray, new_null_array,
    },
    compute::{max, max_string, min, min_string},
    datatypes::{DataType, Field},
};
use chrono::{DateTime, NaiveDate};
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory};
use parquet::{
    arrow::ArrowWriter,
    file::properties::{EnabledStatistics, WriterProperties},
};
use serde_json::{Map, Value, json};

use crate::{
    error::Result,
    event::{TenantId, schema},
    index::{self, Indexer, Indexes},
    query::{Engine, Request, Running, Scope, Settings},
    store::Store,
    table::{
        self, Commit, Table, Tables,
        layout::sorting_columns,
        snapshot::{ColumnStats, DataFile},
    },
    telemetry::Clock,
};

/// 2026-11-01T00:00:00Z.
pub(crate) const START: i64 = 1_793_491_200_000_000;
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// One event: what the tests vary.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) at: i64,
    pub(crate) action: String,
    pub(crate) actor: String,
    pub(crate) ip: Option<String>,
    pub(crate) version: Option<i32>,
    pub(crate) metadata: Option<String>,
}

impl Event {
    /// Event number `number` of a small company: some columns repeat, some are null.
    pub(crate) fn numbered(number: usize) -> Self {
        Self {
            id: format!("event-{number:06}"),
            at: START + number as i64 * 7_777_777_777,
            action: ["user.login", "document.read", "document.delete"][number % 3].to_string(),
            actor: format!("user-{}", number * 7 % 23),
            ip: (!number.is_multiple_of(4)).then(|| format!("203.0.113.{}", number % 50)),
            version: (!number.is_multiple_of(5)).then_some(number as i32 % 11),
            metadata: (!number.is_multiple_of(3))
                .then(|| json!({"number": number, "plan": {"tier": "pro"}, "tags": ["a", "b"]}).to_string()),
        }
    }
}

/// Events as the columns of an accepted batch.
pub(crate) fn accepted(tenant: &str, events: &[Event]) -> RecordBatch {
    let text = |pick: &dyn Fn(&Event) -> Option<String>| -> ArrayRef {
        Arc::new(events.iter().map(pick).collect::<StringArray>())
    };
    let times = || -> ArrayRef {
        let micros = TimestampMicrosecondArray::from_iter_values(events.iter().map(|event| event.at));
        Arc::new(micros.with_timezone("UTC"))
    };
    let fields = schema::accepted_schema();
    let columns = fields.fields().iter().map(|field| match field.name().as_str() {
        "id" => text(&|event| Some(event.id.clone())),
        "tenant_id" => text(&|_| Some(tenant.to_string())),
        "occurred_at" | "received_at" => times(),
        "action" => text(&|event| Some(event.action.clone())),
        "actor_type" => text(&|_| Some("user".to_string())),
        "actor_id" => text(&|event| Some(event.actor.clone())),
        "ip_address" => text(&|event| event.ip.clone()),
        "metadata" => text(&|event| event.metadata.clone()),
        "version" => Arc::new(events.iter().map(|event| event.version).collect::<Int32Array>()),
        "target_ids" => target_ids(events),
        _ => new_null_array(field.data_type(), events.len()),
    });
    RecordBatch::try_new(schema::accepted_schema(), columns.collect()).unwrap()
}

fn target_ids(events: &[Event]) -> ArrayRef {
    let element = Field::new("element", DataType::Utf8, true);
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(element);
    for event in events {
        lists.append_value([Some(event.actor.clone()), Some("d,\"1\"".to_string())]);
    }
    Arc::new(lists.finish())
}

/// A store and the tables in it.
pub(crate) struct Lake {
    pub(crate) store: Arc<InMemory>,
    tables: Tables,
    pub(crate) indexes: Indexes,
    /// Whether files say that they are sorted, as this program's do; otherwise they are another's.
    pub(crate) says_sorted: bool,
}

impl Lake {
    /// Nothing is stored yet.
    pub(crate) async fn new() -> Self {
        let store = Arc::new(InMemory::new());
        let opened = Store::from_object_store(Arc::clone(&store) as Arc<dyn ObjectStore>);
        let clock = Clock::manual(START);
        // Blocks as small as the files, so that parts of files are skipped, too.
        let of_index = index::Settings { block_rows: 4, ..index::Settings::default() };
        let indexes = Indexes::open(opened.clone(), clock.clone(), of_index);
        let tables = Tables::open(opened, clock, table::Settings::default()).await.unwrap();
        Self { store, tables, indexes, says_sorted: false }
    }

    /// Writes, indexes and commits one file; all `events` are of the same day.
    pub(crate) async fn add_file(&self, tenant: &str, events: &[Event]) {
        let (file, rows) = self.add_file_only(tenant, events).await;
        let mut indexer = Indexer::new(&self.indexes, &TenantId::parse(tenant).unwrap());
        indexer.begin_file(&file);
        indexer.add(&rows);
        indexer.finish().await;
        indexer.publish().await;
    }

    /// The same without the index; gives the file's path and its rows.
    pub(crate) async fn add_file_only(&self, tenant: &str, events: &[Event]) -> (String, RecordBatch) {
        let mut events = events.to_vec();
        events.sort_by_key(|event| event.at);
        let table = self.table(tenant).await;
        let first = table.snapshot().next_seq;
        let next_seq = first + events.len() as i64;
        let day = day_of(&events[0]);
        let seqs: ArrayRef = Arc::new(Int64Array::from_iter_values(first..next_seq));
        let mut columns = vec![seqs];
        columns.extend(accepted(tenant, &events).columns().iter().cloned());
        let batch = RecordBatch::try_new(schema::stored_schema(), columns).unwrap();
        let bytes = parquet(&batch, self.says_sorted);
        let file = DataFile {
            path: format!("day={day}/{first}.parquet"),
            day,
            rows: batch.num_rows() as u64,
            size_bytes: bytes.len() as u64,
            added_at_ms: first,
            stats: statistics(&batch),
        };
        let location = table.snapshot().data_file(&file);
        self.store.put(&location, bytes.into()).await.unwrap();
        let commit = Commit {
            operation: "WRITE",
            add: vec![file],
            remove: Vec::new(),
            data_change: true,
            wal_through: None,
            next_seq: Some(next_seq),
            tree: None,
        };
        let path = commit.add[0].path.clone();
        table.commit(commit).await.unwrap();
        (path, batch)
    }

    /// Adds events that no file holds yet: the first batch of a tenant is being flushed, later ones are not.
    pub(crate) async fn add_uncommitted(&self, tenant: &str, events: &[Event]) {
        let table = self.table(tenant).await;
        table.publish(accepted(tenant, events), 1);
        table.begin_flush(1);
    }

    async fn table(&self, tenant: &str) -> Arc<Table> {
        self.tables.get_or_create(&TenantId::parse(tenant).unwrap()).await.unwrap()
    }

    /// An engine over the lake.
    pub(crate) fn engine(&self, settings: Settings) -> Engine {
        self.engine_on(Arc::clone(&self.store) as Arc<dyn ObjectStore>, settings)
    }

    /// The same, reading files through another store.
    pub(crate) fn engine_on(&self, store: Arc<dyn ObjectStore>, settings: Settings) -> Engine {
        let store = Store::from_object_store(store);
        Engine::new(&store, self.tables.clone(), self.indexes.clone(), None, Clock::manual(START), settings)
            .unwrap()
    }
}

fn day_of(event: &Event) -> NaiveDate {
    DateTime::from_timestamp_micros(event.at).unwrap().date_naive()
}

fn parquet(batch: &RecordBatch, says_sorted: bool) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_sorting_columns(says_sorted.then(sorting_columns))
        .set_max_row_group_row_count(Some(if says_sorted { 4_096 } else { 16 }))
        .set_data_page_row_count_limit(4)
        .set_write_batch_size(4)
        .set_statistics_enabled(EnabledStatistics::Page)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// Exact statistics; long text is cut as Delta's are, so that bounds that are no values are tried too.
fn statistics(batch: &RecordBatch) -> BTreeMap<&'static str, ColumnStats> {
    let mut stats = BTreeMap::new();
    for name in ["seq", "id", "occurred_at", "action", "actor_id", "ip_address", "version", "metadata"] {
        let column = batch.column_by_name(name).unwrap();
        let (low, high, exact) = bounds(column);
        let null_count = Some(column.null_count() as u64);
        stats.insert(name, ColumnStats { min: low, max: high, null_count, exact });
    }
    stats
}

fn bounds(column: &ArrayRef) -> (Option<ScalarValue>, Option<ScalarValue>, bool) {
    use arrow::array::AsArray;
    match column.data_type() {
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            let (low, high) = (min_string(column), max_string(column));
            let exact = high.is_none_or(|text| text.len() <= 12);
            let low = low.map(|text| ScalarValue::from(&text[..text.len().min(12)]));
            let cut = |text: &str| {
                if text.len() <= 12 { text.to_string() } else { format!("{}\u{7f}", &text[..12]) }
            };
            (low, high.map(|text| ScalarValue::from(cut(text).as_str())), exact)
        }
        DataType::Int64 => {
            let column = column.as_primitive::<arrow::datatypes::Int64Type>();
            (min(column).map(ScalarValue::from), max(column).map(ScalarValue::from), true)
        }
        DataType::Int32 => {
            let column = column.as_primitive::<arrow::datatypes::Int32Type>();
            (min(column).map(ScalarValue::from), max(column).map(ScalarValue::from), true)
        }
        _ => {
            let column = column.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
            let time = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
            (min(column).map(time), max(column).map(time), true)
        }
    }
}

/// A request over all tenants.
pub(crate) fn request(sql: &str) -> Request {
    Request { sql: sql.to_string(), params: Map::new(), scope: Scope::All }
}

/// Runs to the end.
pub(crate) async fn batches(engine: &Engine, request: Request) -> Result<Vec<RecordBatch>> {
    engine.run(request).await?.try_collect().await
}

/// The rows as JSON objects, in the order they came.
pub(crate) async fn rows(engine: &Engine, sql: &str) -> Vec<Map<String, Value>> {
    let running = engine.run(request(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    rows_of(running).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

/// The rows of a running query as JSON objects.
pub(crate) async fn rows_of(running: Running) -> Result<Vec<Map<String, Value>>> {
    let batches: Vec<RecordBatch> = running.try_collect().await?;
    let mut writer = arrow::json::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, arrow::json::writer::JsonArray>(Vec::new());
    writer.write_batches(&batches.iter().collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    Ok(serde_json::from_slice(&writer.into_inner()).unwrap())
}

/// The one value of a query with one row and one column.
pub(crate) async fn value(engine: &Engine, sql: &str) -> Value {
    let mut rows = rows(engine, sql).await;
    assert_eq!(rows.len(), 1, "{sql}");
    rows.remove(0).into_iter().next().unwrap().1
}
