//! Subqueries among columns, groups and sorts.

use serde_json::json;

use super::fixture::*;
use crate::{
    error::ErrorKind,
    query::{Engine, Settings},
};

async fn engine() -> Engine {
    let lake = Lake::new().await;
    let events: Vec<Event> = (0..10).map(Event::numbered).collect();
    lake.add_file("acme", &events[..4]).await;
    lake.add_file("acme", &events[4..]).await;
    lake.engine(Settings::default())
}

/// Would catch a subquery that is refused where PostgreSQL answers, and one whose lack of a row is an error and no NULL.
#[tokio::test]
async fn subqueries_stand_for_values() {
    let engine = engine().await;
    for (sql, expected) in [
        ("SELECT (SELECT count(*) FROM events)", json!(10)),
        ("SELECT (SELECT id FROM events WHERE false)", json!(null)),
        ("SELECT coalesce((SELECT id FROM events WHERE false), 'none')", json!("none")),
        ("SELECT EXISTS (SELECT 1 FROM events)", json!(true)),
        ("SELECT NOT EXISTS (SELECT 1 FROM events WHERE version > 100)", json!(true)),
        ("SELECT 3 IN (SELECT version FROM events WHERE version IS NOT NULL)", json!(true)),
        ("SELECT 300 IN (SELECT version FROM events)", json!(null)),
        ("SELECT 300 NOT IN (SELECT version FROM events WHERE false)", json!(true)),
        (
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM events WHERE version = 1) THEN 'a' ELSE 'b' END",
            json!("a"),
        ),
        ("SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM events)) FROM events", json!(10)),
        ("SELECT max((SELECT max(version) FROM events)) FROM events", json!(9)),
        ("SELECT count(*) * 100 / (SELECT count(*) FROM events) FROM events WHERE version > 6", json!(30)),
        ("SELECT m FROM (SELECT (SELECT max(version) FROM events) AS m)", json!(9)),
        ("SELECT (SELECT target_ids[1] FROM events WHERE id = 'event-000000')", json!("user-0")),
        ("SELECT (SELECT metadata->'number' FROM events WHERE id = 'event-000001')", json!("1")),
        ("SELECT row_number() OVER (ORDER BY (SELECT 1)) FROM events LIMIT 1", json!(1)),
    ] {
        assert_eq!(value(&engine, sql).await, expected, "{sql}");
    }
    let shown = rows(
        &engine,
        "SELECT version, version = (SELECT max(version) FROM events) AS is_last, EXISTS (SELECT 1 FROM events) AS x
         FROM events WHERE version > 7 ORDER BY version - (SELECT min(version) FROM events)",
    )
    .await;
    assert_eq!(
        json!(shown),
        json!([{"version": 8, "is_last": false, "x": true}, {"version": 9, "is_last": true, "x": true}])
    );
    let sql = "EXPLAIN SELECT id, EXISTS (SELECT 1 FROM events) FROM events";
    let plan = json!(rows(&engine, sql).await).to_string();
    assert!(!plan.contains("error"), "{plan}");
    let grouped =
        rows(&engine, "SELECT (SELECT 'all') AS a, count(*) AS n FROM events GROUP BY (SELECT 'all')").await;
    assert_eq!(json!(grouped), json!([{"a": "all", "n": 10}]));
}

/// Would catch a subquery of the row that is not asked for each row, or counts rows of others.
#[tokio::test]
async fn subqueries_of_the_row_stand_for_values() {
    let engine = engine().await;
    let shown = rows(
        &engine,
        "SELECT a.version AS v, EXISTS (SELECT 1 FROM events b WHERE b.version = a.version + 5) AS later,
                NOT EXISTS (SELECT b.id FROM events b WHERE b.version = a.version + 5 LIMIT 1) AS not_later,
                (SELECT max(b.version) FROM events b WHERE b.action = a.action) AS m
         FROM events a WHERE a.version IN (1, 2, 6) ORDER BY 1",
    )
    .await;
    assert_eq!(
        json!(shown),
        json!([
            {"v": 1, "later": true, "not_later": false, "m": 7},
            {"v": 2, "later": true, "not_later": false, "m": 8},
            {"v": 6, "later": false, "not_later": true, "m": 9},
        ])
    );
}

/// Would catch a value that is one of several, and a refusal that does not say what to write.
#[tokio::test]
async fn what_is_no_value_is_refused() {
    let engine = engine().await;
    for (sql, part) in [
        ("SELECT (SELECT id FROM events)", "more than one row; write max(…), or LIMIT 1"),
        ("SELECT id, (SELECT id FROM events) FROM events", "more than one row"),
        ("SELECT (SELECT id, action FROM events LIMIT 1)", "has one column"),
        (
            "SELECT a.id, (SELECT b.id FROM events b WHERE b.action = a.action) FROM events a",
            "write an aggregate in it",
        ),
        (
            "SELECT a.id, a.id IN (SELECT b.id FROM events b WHERE b.version = a.version) FROM events a",
            "write (NOT) EXISTS",
        ),
        (
            "SELECT id, (SELECT count(*) FROM events b WHERE b.version > a.version) FROM events a",
            "write a join",
        ),
    ] {
        let error = batches(&engine, request(sql)).await.expect_err(sql);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error:?}");
        assert!(error.to_string().contains(part), "{sql}: {error}");
    }
}
