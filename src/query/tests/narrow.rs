//! That a narrowed reader sees what it may, all of it, and learns nothing of the rest.

use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde_json::json;

use super::fixture::*;
use crate::{
    error::ErrorKind,
    event::TenantId,
    query::{ActionPattern, Engine, Narrowing, Pushdown, Request, Scope, Settings},
};

const ACTOR: &str = "user-3";

/// Ten days of files, one of them without an index, and uncommitted events.
async fn lake() -> Lake {
    let lake = Lake::new().await;
    let events: Vec<Event> = (0..330).map(Event::numbered).collect();
    let days = events.chunk_by(|a, b| (a.at - START) / DAY_MICROS == (b.at - START) / DAY_MICROS);
    for (number, day) in days.enumerate() {
        match number {
            3 => drop(lake.add_file_only("acme", day).await),
            _ => lake.add_file("acme", day).await,
        }
    }
    lake.add_uncommitted("acme", &(330..360).map(Event::numbered).collect::<Vec<_>>()).await;
    lake
}

fn narrowing() -> Narrowing {
    let actions = ["user.*", "document.read"].map(|text| ActionPattern::parse(text).unwrap());
    Narrowing { actor_id: Some(ACTOR.to_owned()), actions: actions.to_vec(), ..Narrowing::default() }
}

fn narrowed(sql: &str) -> Request {
    let scope = Scope::Part(TenantId::parse("acme").unwrap(), Arc::new(narrowing()));
    Request { scope, ..request(sql) }
}

fn engines(lake: &Lake) -> [Engine; 4] {
    let settings = Settings::default();
    [
        lake.engine(settings.clone()),
        lake.engine(Settings { pushdown: Pushdown::Always, ..settings.clone() }),
        lake.engine(Settings { skip_index: false, ..settings.clone() }),
        lake.engine(Settings { pruning: false, ..settings }),
    ]
}

/// Would catch a row too many or too few: a count taken from statistics or from the index, a limit that stops before enough
/// rows are within, a column that is lost or mixed up.
#[tokio::test]
async fn answers_are_those_over_the_part() {
    let lake = lake().await;
    let part = format!(
        "(SELECT * FROM events WHERE actor_id = '{ACTOR}' AND (starts_with(action, 'user.') OR action = 'document.read'))"
    );
    for engine in engines(&lake) {
        for sql in [
            "SELECT * FROM events ORDER BY id",
            "SELECT count(*), min(occurred_at), max(id), count(ip_address) FROM events",
            "SELECT day, action, count(*) FROM events GROUP BY day, action ORDER BY day, action",
            "SELECT id, occurred_at FROM events ORDER BY occurred_at DESC LIMIT 3",
            "SELECT id FROM events WHERE day = '2026-11-03' ORDER BY id",
            "SELECT count(*) FROM events WHERE tenant_id = 'acme' AND day >= '2026-11-05'",
            "SELECT count(*) FROM events WHERE action = 'document.delete' OR true",
            "SELECT count(*) FROM (SELECT * FROM events LIMIT 5)",
            "SELECT a.id FROM events a JOIN events b ON a.id = b.id WHERE a.version > 3 ORDER BY a.id",
            "SELECT id FROM events WHERE actor_id = 'user-3' AND ip_address IS NOT NULL ORDER BY id",
            "SELECT count(DISTINCT actor_id), count(*) FILTER (WHERE actor_id <> 'user-3') FROM events",
            "WITH e AS (SELECT * FROM auditlake.public.events) SELECT count(*) FROM e",
        ] {
            let of_part = sql
                .replace("auditlake.public.events", "events")
                .replace("FROM events", &format!("FROM {part}"));
            let of_part = of_part.replace("JOIN events", &format!("JOIN {part}"));
            let running = engine.run(narrowed(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            assert_eq!(json!(rows_of(running).await.unwrap()), json!(rows(&engine, &of_part).await), "{sql}");
        }
        let all = rows_of(engine.run(narrowed("SELECT id FROM events")).await.unwrap()).await.unwrap();
        assert!(all.len() > 5, "{}", all.len());
        let none = narrowed("SELECT id FROM events WHERE actor_id = 'user-4'");
        assert!(rows_of(engine.run(none).await.unwrap()).await.unwrap().is_empty());
    }
}

/// Would catch a query that is evaluated on rows outside, and tells of them by failing.
#[tokio::test]
async fn rows_outside_cannot_make_a_query_fail() {
    let lake = lake().await;
    for engine in engines(&lake) {
        for condition in ["actor_id = 'user-4'", "action = 'document.delete'", "id = 'event-000001'"] {
            let divide = format!("1 / (CASE WHEN {condition} THEN 0 ELSE 1 END) = 1");
            let sql = format!("SELECT count(*) FROM events WHERE {divide}");
            engine.run(request(&sql)).await.unwrap();
            assert!(
                rows_of(engine.run(request(&sql)).await.unwrap()).await.is_err(),
                "{sql} meets such rows"
            );
            rows_of(engine.run(narrowed(&sql)).await.unwrap()).await.unwrap();
        }
        let by_day = "SELECT count(*) FROM events WHERE 1 / (date_part('day', day) - 4)::int > -100";
        let running = engine.run(narrowed(&by_day.replace("- 4", "- 31"))).await.unwrap();
        rows_of(running).await.unwrap();
    }
}

/// Would catch a narrowed reader's newest events found by reading every file: the oldest is not there any more.
#[tokio::test]
async fn the_newest_within_are_read_from_the_newest_files() {
    let lake = lake().await;
    let folder = object_store::path::Path::from("events/acme");
    let mut files: Vec<_> = lake.store.list(Some(&folder)).try_collect::<Vec<_>>().await.unwrap();
    files.retain(|file| file.location.extension() == Some("parquet"));
    files.sort_by(|one, other| one.location.cmp(&other.location));
    lake.store.delete(&files[0].location).await.unwrap();
    let actions = ["user.*", "document.*"].map(|text| ActionPattern::parse(text).unwrap());
    let broad = Arc::new(Narrowing { actions: actions.to_vec(), ..Narrowing::default() });
    let scope = Scope::Part(TenantId::parse("acme").unwrap(), broad);
    let engine = lake.engine(Settings { threads: 1, ..Settings::default() });
    let ask = async |sql: &str| match engine.run(Request { scope: scope.clone(), ..request(sql) }).await {
        Ok(running) => rows_of(running).await.map(|rows| rows.len()),
        Err(error) => Err(error),
    };
    assert!(ask("SELECT occurred_at FROM events ORDER BY id LIMIT 3").await.is_err());
    let newest =
        "SELECT occurred_at FROM events WHERE version >= 0 OR id <> 'x' ORDER BY occurred_at DESC LIMIT 3";
    assert_eq!(ask(newest).await.unwrap(), 3);
}

/// Would catch numbers of rows and files outside, told by the cost of a query.
#[tokio::test]
async fn the_cost_tells_nothing() {
    let engine = lake().await.engine(Settings::default());
    let mut running = engine.run(narrowed("SELECT id FROM events WHERE actor_id = 'user-4'")).await.unwrap();
    while futures::StreamExt::next(&mut running).await.is_some() {}
    let statistics = running.statistics();
    assert_eq!((statistics.files_considered, statistics.rows_kept, statistics.bytes_read), (0, 0, 0));
    for sql in ["EXPLAIN SELECT * FROM events", "EXPLAIN ANALYZE SELECT * FROM events"] {
        let refused = engine.run(narrowed(sql)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Forbidden, "{refused}");
    }
}
