//! That limits hold, say so, and leave an engine that works.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path,
};
use serde_json::json;
use tokio::sync::Semaphore;

use super::fixture::*;
use crate::{
    error::{Error, ErrorKind},
    query::{
        Engine, Filter, Question, Scope, Settings,
        browse::{Order, PageQuery},
    },
};

async fn lake(events: usize) -> Lake {
    let lake = Lake::new().await;
    let events: Vec<Event> =
        (0..events).map(|number| Event { at: START, ..Event::numbered(number) }).collect();
    lake.add_file("acme", &events).await;
    lake
}

async fn fails(engine: &Engine, sql: &str) -> Error {
    batches(engine, request(sql)).await.map(|_| ()).expect_err(sql)
}

/// Whatever happened before: the next query is answered, and nothing runs any more.
async fn lives(engine: &Engine, settings: &Settings) {
    let places = settings.concurrent_max as u32;
    drop(engine.places().all().acquire_many(places).await.expect("never closed"));
    assert_eq!(engine.running(), 0);
    assert!(value(engine, "SELECT count(*) FROM events").await.as_u64().unwrap() > 0);
}

/// Would catch an answer that is silently cut.
#[tokio::test]
async fn too_many_rows_are_an_error() {
    let settings = Settings { rows_max: 100, ..Settings::default() };
    let engine = lake(200).await.engine(settings.clone());
    let error = fails(&engine, "SELECT * FROM events").await;
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("more than 100 rows"), "{error}");
    assert_eq!(rows(&engine, "SELECT * FROM events LIMIT 100").await.len(), 100);
    lives(&engine, &settings).await;
}

/// Would catch a query that takes more than its share of memory, or one that cannot spill when it could.
#[tokio::test]
async fn memory_is_bounded_and_sorts_spill() {
    let settings = Settings {
        memory_bytes: 4 << 20,
        concurrent_max: 1,
        threads: 1,
        spill_bytes_max: 64 << 20,
        ..Settings::default()
    };
    let lake = lake(20_000).await;
    let engine = lake.engine(settings.clone());
    let sorted =
        batches(&engine, request("SELECT id, metadata, actor_id FROM events ORDER BY metadata, id")).await;
    assert_eq!(sorted.unwrap().iter().map(|batch| batch.num_rows()).sum::<usize>(), 20_000);

    let hungry = "SELECT array_agg(a.id || b.id) FROM events a JOIN events b ON a.action = b.action \
                  WHERE a.seq < 1000 AND b.seq < 1000";
    let error = fails(&engine, hungry).await;
    assert_eq!(error.kind(), ErrorKind::Limit, "{error:?}");
    assert!(error.to_string().contains("memory"), "{error}");
    lives(&engine, &settings).await;

    let settings = Settings { spill_bytes_max: 1 << 10, ..settings };
    let engine = lake.engine(settings.clone());
    let error = fails(&engine, "SELECT id, metadata, actor_id FROM events ORDER BY metadata, id").await;
    assert_eq!(error.kind(), ErrorKind::Limit, "{error:?}");
    lives(&engine, &settings).await;
}

/// Would catch a deadline that a busy join outlives, for its client or for the next query.
#[tokio::test]
async fn a_deadline_ends_a_heavy_join() {
    let settings = Settings { deadline_ms: 500, ..Settings::default() };
    let engine = lake(20_000).await.engine(settings.clone());
    let heavy = "SELECT count(*) FROM events a JOIN events b ON a.action = b.action
                 WHERE a.id || b.id > b.id || a.id || a.actor_id";
    let error = fails(&engine, heavy).await;
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("longer than 0.5 s"), "{error}");
    lives(&engine, &settings).await;
}

/// Would catch a join of everything with everything that starts.
#[tokio::test]
async fn joins_without_an_equality_are_bounded() {
    let settings = Settings::default();
    // The first number whose third power is past JOIN_PAIRS_MAX.
    let engine = lake(1_001).await.engine(settings.clone());
    for sql in [
        "SELECT count(*) FROM events a, events b, events c WHERE a.id || b.id < c.id",
        "SELECT count(*) FROM events a JOIN events b ON true JOIN events c ON a.id < c.id",
        "SELECT (SELECT count(*) FROM events a, events b, events c WHERE a.id || b.id < c.id)",
        "SELECT id FROM events WHERE version > (SELECT count(*) FROM events a, events b, events c WHERE a.id < c.id)",
        "EXPLAIN ANALYZE SELECT a.id FROM events a, events b, events c",
    ] {
        let error = fails(&engine, sql).await;
        assert_eq!(error.kind(), ErrorKind::Limit, "{sql}: {error:?}");
        assert!(error.to_string().contains("without an equality"), "{error}");
    }
    let small = "SELECT count(*) FROM events WHERE version > (SELECT avg(version) FROM events)";
    assert!(value(&engine, small).await.as_u64().unwrap() > 0);
    assert_eq!(value(&engine, "SELECT count(*) FROM events a, (VALUES (1), (2)) b").await, json!(2_002));
    lives(&engine, &settings).await;
}

/// Would catch a text that overflows the stack in planning or running although it passes the guard.
#[tokio::test]
async fn the_deepest_texts_allowed_are_answered() {
    use crate::limits::SQL_DEPTH_MAX;
    let settings = Settings::default();
    let engine = lake(50).await.engine(settings.clone());
    let sum = vec!["version"; SQL_DEPTH_MAX - 1].join("+");
    assert_eq!(value(&engine, &format!("SELECT count({sum}) FROM events")).await, json!(40));
    let terms: Vec<String> = (0..SQL_DEPTH_MAX - 2)
        .map(|number| format!("id || action = 'event-{number:06}user.login'"))
        .collect();
    let either = format!("SELECT count(*) FROM events WHERE {}", terms.join(" OR "));
    assert_eq!(value(&engine, &either).await, json!(17));
    let mut nested = "SELECT id, action FROM events".to_string();
    for level in 0..20 {
        nested = format!("SELECT id, action FROM ({nested}) AS t{level} WHERE id > 'a'");
    }
    assert_eq!(rows(&engine, &nested).await.len(), 50);
    let union = vec!["SELECT id FROM events"; 60].join(" UNION ALL ");
    assert_eq!(rows(&engine, &union).await.len(), 3_000);
    lives(&engine, &settings).await;
}

/// Texts just past the caps, which keep away longer ones that would end the process. Would catch a text that reaches the planner past the
/// guard, and a refusal that leaves an engine which answers no more.
#[tokio::test]
async fn texts_past_the_caps_leave_an_engine_that_works() {
    use crate::limits::{SQL_DEPTH_MAX, SQL_NESTING_MAX};

    let settings = Settings::default();
    let engine = lake(50).await.engine(settings.clone());
    for sql in [
        format!("SELECT {}", vec!["1"; SQL_DEPTH_MAX + 1].join("+")),
        format!("SELECT 1 FROM events WHERE {}", vec!["id='a'"; SQL_DEPTH_MAX + 1].join(" OR ")),
        format!("SELECT {}1{}", "(".repeat(SQL_NESTING_MAX + 1), ")".repeat(SQL_NESTING_MAX + 1)),
    ] {
        assert_eq!(fails(&engine, &sql).await.kind(), ErrorKind::Limit);
    }
    lives(&engine, &settings).await;
}

/// A store whose reads wait for a permit each, and are counted.
#[derive(Debug)]
struct Gate {
    inner: Arc<InMemory>,
    permits: Semaphore,
    reads: AtomicUsize,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gate")
    }
}

#[async_trait]
impl ObjectStore for Gate {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.expect("never closed").forget();
        self.inner.get_opts(location, options).await
    }

    async fn put_opts(
        &self,
        at: &Path,
        bytes: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.inner.put_opts(at, bytes, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// An engine whose reads all wait for the gate.
async fn gated(settings: &Settings) -> (Arc<Gate>, Engine) {
    let lake = lake(100).await;
    let gate = Arc::new(Gate {
        inner: Arc::clone(&lake.store),
        permits: Semaphore::new(0),
        reads: AtomicUsize::new(0),
    });
    let engine = lake.engine_on(Arc::clone(&gate) as Arc<dyn ObjectStore>, settings.clone());
    (gate, engine)
}

/// Would catch a query, or a page, that goes on reading after its client has left.
#[tokio::test]
async fn dropping_an_answer_stops_its_work() {
    let page = PageQuery { filter: Filter::default(), order: Order::Desc, limit: 10, after: None };
    for question in [Question::from(request("SELECT id FROM events")), page.question(Scope::All).into()] {
        let settings = Settings::default();
        let (gate, engine) = gated(&settings).await;
        let mut running = engine.run(question).await.unwrap();
        assert!(futures::poll!(running.next()).is_pending());
        drop(running);
        // All places are free only once the task has stopped; it cannot have ended by itself.
        drop(engine.places().all().acquire_many(settings.concurrent_max as u32).await.unwrap());
        let reads = gate.reads.load(Ordering::SeqCst);
        gate.permits.add_permits(1_000);
        lives(&engine, &settings).await;
        assert!(reads <= 1, "{reads} reads");
    }
}

/// Would catch a client that stalls and keeps its place, and with it its share of memory, for ever.
#[tokio::test]
async fn a_stalled_reader_loses_its_place() {
    let settings = Settings { deadline_ms: 2_000, ..Settings::default() };
    let engine = lake(20_000).await.engine(settings.clone());
    let mut stalled = engine.run(request("SELECT id FROM events")).await.unwrap();
    assert!(stalled.next().await.unwrap().is_ok());
    lives(&engine, &settings).await;
    assert_eq!(stalled.next().await.unwrap().unwrap_err().kind(), ErrorKind::Limit);
    assert!(stalled.next().await.is_none());
}

/// Would catch footers that every query fetches again: on S3 that is a request for each file.
#[tokio::test]
async fn footers_are_read_once() {
    let settings = Settings::default();
    let (gate, engine) = gated(&settings).await;
    gate.permits.add_permits(1_000);
    let reads = async |sql: &str| {
        let before = gate.reads.load(Ordering::SeqCst);
        rows(&engine, sql).await;
        gate.reads.load(Ordering::SeqCst) - before
    };
    let first = reads("SELECT id FROM events WHERE version = 7").await;
    let second = reads("SELECT id FROM events WHERE version = 7").await;
    assert!(second < first, "{first} reads, then {second}");
}

/// Would catch queries beyond the cap that wait for ever, or places that are lost.
#[tokio::test]
async fn past_the_places_a_query_is_told_to_come_back() {
    let settings = Settings { concurrent_max: 1, queue_wait_ms: 20, ..Settings::default() };
    let (gate, engine) = gated(&settings).await;
    let first = engine.run(request("SELECT id FROM events")).await.unwrap();
    let error = fails(&engine, "SELECT 1").await;
    assert_eq!(error.kind(), ErrorKind::Busy);
    gate.permits.add_permits(1_000);
    assert_eq!(rows_of(first).await.unwrap().len(), 100);
    lives(&engine, &settings).await;
}

/// Would catch a lost file that looks like an empty one, or a cause that is not named.
#[tokio::test]
async fn a_lost_file_is_an_error() {
    let lake = lake(100).await;
    let engine = lake.engine_on(Arc::new(InMemory::new()), Settings::default());
    let error = fails(&engine, "SELECT id FROM events").await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}
