//! `POST /v1/sql`: what a question may say, whose events it sees, what it costs, and what cannot hurt the server.

use auditlake::limits::{SQL_BYTES_MAX, SQL_DEPTH_MAX, SQL_NESTING_MAX, SQL_RELATIONS_MAX};
use reqwest::Method;
use serde_json::{Value, json};

use super::{ask, event, question, refused, store};
use crate::support::{
    place::{Place, in_every_place},
    server::Server,
};

/// The rows of a question that must be answered.
async fn rows(server: &Server, body: Value) -> Vec<Value> {
    let (status, answer) = ask(question(server, "json", &body)).await;
    assert_eq!(status, 200, "{body}: {answer}");
    answer["rows"].as_array().unwrap().clone()
}

/// Two tenants' events on three days, with something in their metadata.
fn events() -> Vec<Value> {
    let numbered = (0..30).map(|number| {
        let mut event = event(if number % 3 == 0 { "globex" } else { "acme" }, &format!("e-{number:02}"));
        event["occurred_at"] =
            format!("2025-03-{:02}T0{}:00:00.000001Z", 1 + number / 10, number % 10).into();
        event["metadata"] = json!({"plan": {"name": format!("p{}", number % 2)}, "seats": number});
        event
    });
    numbered.collect()
}

in_every_place!(questions_see_what_they_ask_for, committed_days_are_skipped_by_the_log);

/// Would catch a parameter with the wrong type, a tenant that sees another one's events, and operators on JSON that do
/// not work over what is not committed yet.
async fn questions_see_what_they_ask_for(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    store(&server, &events()).await;
    let count = "SELECT count(*) AS n FROM events";
    assert_eq!(rows(&server, json!({ "sql": count })).await, [json!({"n": 30})]);
    for (tenant, expected) in [("acme", 20), ("globex", 10), ("nobody", 0)] {
        let counted = rows(&server, json!({"sql": count, "tenant_id": tenant})).await;
        assert_eq!(counted, [json!({"n": expected})], "{tenant}");
    }
    let escaping = "SELECT count(*) AS n FROM events WHERE tenant_id = 'globex' OR true";
    let scoped = rows(&server, json!({"sql": escaping, "tenant_id": "acme"})).await;
    assert_eq!(scoped, [json!({"n": 20})]);

    let with_params = json!({
        "sql": "SELECT id FROM events WHERE id = $id AND occurred_at >= $since AND day = $day \
                AND CAST(metadata ->> 'seats' AS INT) < $seats",
        "params": {"id": "e-12", "since": "2025-03-02T00:00:00Z", "day": "2025-03-02", "seats": 13},
    });
    assert_eq!(rows(&server, with_params).await, [json!({"id": "e-12"})]);
    refused(question(&server, "json", &json!({"sql": "SELECT $x", "params": {}})), 422, "invalid").await;

    let operators = "SELECT metadata -> 'plan' ->> 'name' AS plan, count(*) AS n FROM events \
                     WHERE metadata ? 'seats' GROUP BY 1 ORDER BY 1";
    let plans = rows(&server, json!({ "sql": operators })).await;
    assert_eq!(plans, [json!({"plan": "p0", "n": 15}), json!({"plan": "p1", "n": 15})]);
    let bound = "SELECT count(*) AS n FROM events WHERE (metadata ->> 'seats')::int BETWEEN 10 AND 19";
    assert_eq!(rows(&server, json!({ "sql": bound })).await, [json!({"n": 10})]);
}

/// Would catch files that are opened although the log says that nothing in them is asked for, files that are skipped
/// although something is, and statistics that tell another story than what happened.
async fn committed_days_are_skipped_by_the_log(place: &Place) {
    let first = Server::start(&place.calm(), &[]).await;
    store(&first, &events()).await;
    assert!(first.terminate().await.status.success());

    let server = Server::start(&place.calm(), &[]).await;
    let explain =
        rows(&server, json!({"sql": "EXPLAIN SELECT id FROM events WHERE day = '2025-03-02'"})).await;
    assert!(json!(explain).to_string().contains("parquet"), "{explain:?}");
    // Two tenants, three days: six files.
    for (condition, tenant, found, by_tenant, by_day, by_index, by_min_max) in [
        ("true", None, 30, 0, 0, 0, 0),
        ("day = '2025-03-02'", None, 10, 0, 4, 0, 0),
        ("day = '2025-03-02'", Some("acme"), 7, 0, 2, 0, 0),
        ("occurred_at >= '2025-03-02T05:00:00Z'", None, 15, 0, 2, 0, 0),
        ("tenant_id = 'globex'", None, 10, 3, 0, 0, 0),
        ("action = 'document.delete'", None, 0, 0, 0, 0, 6),
        ("id = 'e-10' AND day = '2025-03-02'", None, 1, 0, 4, 1, 0),
    ] {
        let sql = format!("SELECT count(id) AS n FROM events WHERE {condition}");
        let mut body = json!({ "sql": sql });
        if let Some(tenant) = tenant {
            body["tenant_id"] = tenant.into();
        }
        let (_, answer) = ask(question(&server, "json", &body)).await;
        assert_eq!(answer["rows"], json!([{"n": found}]), "{sql}: {answer}");
        let statistics = &answer["statistics"];
        let considered = if tenant.is_some() { 3 } else { 6 };
        for (name, expected) in [
            ("files_considered", considered),
            ("files_pruned_by_tenant", by_tenant),
            ("files_pruned_by_day", by_day),
            ("files_pruned_by_index", by_index),
            ("files_pruned_by_min_max", by_min_max),
            ("files_kept", considered - by_tenant - by_day - by_index - by_min_max),
            ("rows_uncommitted", 0),
        ] {
            assert_eq!(statistics[name], expected, "{name} of {sql}: {statistics}");
        }
    }
}

/// Texts just past the caps: what they keep away are longer ones, which overflow a planner's stack and end the process, and with it
/// everyone's requests. Would catch a cap that requests do not meet, and a server that answers no more after a refusal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_past_the_caps_are_refused() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    store(&server, &[event("acme", "1")]).await;
    let chain = |term: &str, link: &str, count: usize| vec![term; count].join(link);
    let nested = |open: &str, close: &str, count| format!("{}1{}", open.repeat(count), close.repeat(count));
    for sql in [
        format!("SELECT {}", chain("1", "+", SQL_DEPTH_MAX + 1)),
        format!("SELECT count(*) FROM events WHERE {}", chain("actor_id = 'x'", " OR ", SQL_DEPTH_MAX + 1)),
        format!("SELECT count(*) FROM events WHERE {}", chain("actor_id = 'x'", " AND ", SQL_DEPTH_MAX + 1)),
        format!("SELECT {}", nested("(", ")", SQL_NESTING_MAX + 1)),
        format!("SELECT {}", nested("abs(", ")", SQL_NESTING_MAX + 1)),
        format!("SELECT {} true", "NOT ".repeat(SQL_DEPTH_MAX + 1)),
        format!("SELECT {}1", "- ".repeat(SQL_DEPTH_MAX + 1)),
        format!("SELECT * FROM {}", nested("(SELECT * FROM ", ")", SQL_NESTING_MAX + 1)),
        chain("SELECT 1", " UNION ALL ", SQL_RELATIONS_MAX as usize + 1),
        format!("SELECT '{}'", "x".repeat(SQL_BYTES_MAX)),
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT count(*) FROM r".to_owned(),
        "SELECT count(*) FROM generate_series(1, 9)".to_owned(),
    ] {
        let start: String = sql.chars().take(60).collect();
        let answer = question(&server, "json", &json!({ "sql": sql })).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{start}: {error}\n{}", server.stderr()));
        let status = answer.status().as_u16();
        assert!(matches!(status, 413 | 422), "{start}: {status} {}", answer.text().await.unwrap());
        assert_eq!(server.api().sql("SELECT count(*) AS n FROM events").await[0]["n"], 1, "after {start}");
    }
}

/// Would catch a monitor that needs a key, a server that says it is ready when it is not, and events or queries that
/// no number shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_metrics_are_for_everyone() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    store(&server, &[event("acme", "1"), event("acme", "2")]).await;
    server.api().sql("SELECT count(*) FROM events").await;
    let get = |path| server.api().request(Method::GET, path).send();
    assert_eq!(get("/healthz").await.unwrap().status(), 200);
    assert_eq!(get("/readyz").await.unwrap().json::<Value>().await.unwrap(), json!({"status": "ready"}));
    let metrics = get("/metrics").await.unwrap();
    let media = metrics.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(media.starts_with("application/openmetrics-text") || media.starts_with("text/plain"), "{media}");
    let text = metrics.text().await.unwrap();
    for line in [
        "auditlake_events_accepted_total 2",
        "auditlake_http_requests_total{route=\"/v1/sql\",status=\"200\"} 1",
        "auditlake_queries_running 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
}
