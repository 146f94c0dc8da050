//! That answers are right: scopes, statistics, parameters, JSON, EXPLAIN, types.

use serde_json::json;

use super::fixture::*;
use crate::{
    error::ErrorKind,
    event::TenantId,
    query::{Request, Scope, Settings},
};

/// Three tenants, ten days: files of one day each, two of them overlapping, and uncommitted events.
async fn lake() -> Lake {
    let lake = Lake::new().await;
    let events: Vec<Event> = (0..110).map(Event::numbered).collect();
    for tenant in ["acme", "bolt"] {
        for day in events.chunk_by(|a, b| (a.at - START) / DAY_MICROS == (b.at - START) / DAY_MICROS) {
            lake.add_file(tenant, day).await;
        }
    }
    lake.add_uncommitted("acme", &(110..115).map(Event::numbered).collect::<Vec<_>>()).await;
    lake.add_uncommitted("acme", &(115..117).map(Event::numbered).collect::<Vec<_>>()).await;
    lake.add_uncommitted("coda", &(0..3).map(Event::numbered).collect::<Vec<_>>()).await;
    lake
}

fn tenant(name: &str, sql: &str) -> Request {
    Request { scope: Scope::Tenant(TenantId::parse(name).unwrap()), ..request(sql) }
}

/// Would catch events that are missed or doubled between files and memory.
#[tokio::test]
async fn counts_files_and_uncommitted_events() {
    let engine = lake().await.engine(Settings::default());
    assert_eq!(value(&engine, "SELECT count(*) FROM events").await, json!(110 + 110 + 7 + 3));
    assert_eq!(value(&engine, "SELECT count(seq) FROM events").await, json!(220));
    assert_eq!(
        value(&engine, "SELECT count(DISTINCT tenant_id || id) FROM events").await,
        json!(110 + 110 + 7 + 3)
    );
    let newest = "SELECT id FROM events WHERE tenant_id = 'acme' ORDER BY occurred_at DESC LIMIT 2";
    let newest = rows(&engine, newest).await;
    assert_eq!(json!(newest), json!([{"id": "event-000116"}, {"id": "event-000115"}]));
    // The day of an uncommitted event is computed, that of a file is its partition.
    let days = "SELECT count(*) FROM events WHERE day != CAST(occurred_at AS DATE)";
    assert_eq!(value(&engine, days).await, json!(0));
}

/// Would catch a tenant that sees another one's events, whatever the SQL says.
#[tokio::test]
async fn a_tenant_sees_its_own_events_only() {
    let engine = lake().await.engine(Settings::default());
    for sql in [
        "SELECT DISTINCT tenant_id FROM events",
        "SELECT DISTINCT tenant_id FROM events WHERE tenant_id = 'bolt' OR true",
        "SELECT DISTINCT b.tenant_id FROM events a JOIN events b ON a.action = b.action",
        "WITH e AS (SELECT * FROM auditlake.public.events) SELECT DISTINCT tenant_id FROM e",
    ] {
        let rows = rows_of(engine.run(tenant("bolt", sql)).await.unwrap()).await.unwrap();
        assert_eq!(json!(rows), json!([{"tenant_id": "bolt"}]), "{sql}");
    }
    let running = engine.run(tenant("nobody", "SELECT * FROM events")).await.unwrap();
    assert_eq!(running.schema(), crate::event::schema::table_schema());
    assert!(rows_of(running).await.unwrap().is_empty());
}

/// Would catch a way to other tables, files, catalogs or settings.
#[tokio::test]
async fn nothing_but_events_can_be_reached() {
    let engine = lake().await.engine(Settings::default());
    for sql in [
        "SELECT * FROM information_schema.df_settings",
        "SELECT * FROM pg_catalog.pg_tables",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"events/acme\"",
        "SELECT * FROM other.public.events",
        "SELECT read_csv('/etc/passwd')",
        "SELECT @@version",
    ] {
        let error = batches(&engine, request(sql)).await.expect_err(sql);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error:?}");
    }
}

/// Would catch statistics that do not add up, or pruning that stops to work.
#[tokio::test]
async fn statistics_tell_what_was_pruned() {
    let lake = lake().await;
    let engine = lake.engine(Settings::default());
    let statistics = async |sql: &str| {
        let mut running = engine.run(request(sql)).await.unwrap();
        while futures::StreamExt::next(&mut running).await.is_some() {}
        running.statistics()
    };
    let without_index = lake.engine(Settings { skip_index: false, ..Settings::default() });
    let by_bounds = async |sql: &str| {
        let mut running = without_index.run(request(sql)).await.unwrap();
        while futures::StreamExt::next(&mut running).await.is_some() {}
        running.statistics()
    };
    let all = statistics("SELECT id, action FROM events").await;
    assert_eq!((all.tenants_considered, all.files_considered, all.files_kept), (3, 20, 20));
    assert_eq!((all.rows_uncommitted, all.rows_returned), (10, 230));
    assert!(all.bytes_read > 0 && all.milliseconds > 0.0);

    let one = statistics("SELECT id FROM events WHERE tenant_id = 'acme' AND day = '2026-11-03'").await;
    assert_eq!((one.tenants_pruned, one.files_pruned_by_tenant, one.files_pruned_by_day), (2, 10, 9));
    assert_eq!((one.files_kept, one.rows_returned), (1, 11));
    assert!(one.bytes_read < all.bytes_read);

    let time = statistics("SELECT id FROM events WHERE occurred_at >= '2026-11-10T00:00:00Z'").await;
    assert_eq!((time.files_pruned_by_day, time.files_kept), (18, 2));

    let needle = by_bounds("SELECT action FROM events WHERE id = 'event-000042'").await;
    assert_eq!((needle.files_pruned_by_min_max, needle.files_kept, needle.rows_returned), (18, 2, 2));

    // Longer lists than DataFusion compares with bounds by itself.
    let ids: Vec<String> = (20..45).map(|number| format!("'event-{number:06}'")).collect();
    let list = by_bounds(&format!("SELECT action FROM events WHERE id IN ({})", ids.join(","))).await;
    assert_eq!((list.files_pruned_by_min_max, list.files_kept, list.rows_returned), (14, 6, 50));

    // A count of everything is in the Delta log already.
    let count = statistics("SELECT count(*) FROM events").await;
    assert_eq!((count.bytes_read, count.rows_returned), (0, 1));
    let count = statistics("SELECT count(*) FROM events WHERE day >= '2026-11-05'").await;
    assert_eq!((count.bytes_read, count.files_pruned_by_day), (0, 8));
    let by_day = statistics("SELECT day, count(*) FROM events WHERE action <> 'x' GROUP BY day").await;
    assert_eq!((by_day.bytes_read, by_day.files_counted, by_day.files_kept), (0, 20, 0));

    // Since a midnight is since a day, so that nobody looks at times; since noon is not.
    let since = async |time: &str| {
        let sql =
            format!("SELECT action, count(*) FROM events WHERE occurred_at >= '{time}' GROUP BY action");
        statistics(&sql).await.files_counted
    };
    assert_eq!((since("2026-11-05T00:00:00Z").await, since("2026-11-05T12:00:00Z").await), (12, 0));
    let by_time = statistics("SELECT id FROM events WHERE occurred_at < '2026-11-05T00:00:00Z'").await;
    let by_day = statistics("SELECT id FROM events WHERE day < '2026-11-05'").await;
    assert_eq!((by_time.bytes_read, by_time.rows_returned), (by_day.bytes_read, by_day.rows_returned));

    let by_actor = statistics("SELECT actor_id, count(*) FROM events GROUP BY actor_id").await;
    assert_eq!((by_actor.files_counted, by_actor.files_kept), (0, 20));
    let range = statistics("SELECT min(occurred_at), max(occurred_at) FROM events").await;
    assert_eq!(range.rows_returned, 1);
}

/// Would catch a needle for which whole files are read: the index must be asked for every kind of condition that it
/// understands, for parameters as for constants, and not for others.
#[tokio::test]
async fn the_index_leaves_few_rows() {
    let engine = lake().await.engine(Settings::default());
    let kept = async |condition: &str, params: serde_json::Value| {
        let mut request = request(&format!("SELECT * FROM events WHERE tenant_id = 'acme' AND {condition}"));
        request.params = params.as_object().unwrap().clone();
        let mut running = engine.run(request).await.unwrap_or_else(|error| panic!("{condition}: {error:?}"));
        while futures::StreamExt::next(&mut running).await.is_some() {}
        let cost = running.statistics();
        assert_eq!(cost.files_not_indexed, 0, "{condition}");
        (cost.files_kept, cost.rows_kept)
    };
    let none = || json!({});
    for (condition, params) in [
        ("id = 'event-000042'", none()),
        ("id = $id", json!({"id": "event-000042"})),
        ("id IN ('event-000042', 'none')", none()),
        ("(id = 'event-000042' OR correlation_id = 'none')", none()),
        ("has_words(metadata, 'Number 43') AND actor_id = 'user-2'", none()),
        ("metadata->>'number' = $number", json!({"number": "43"})),
        ("metadata->>$key = $number", json!({"key": "number", "number": "43"})),
    ] {
        let (files, rows) = kept(condition, params).await;
        assert!(files <= 1 && rows <= 4, "{condition}: {files} files, {rows} rows");
    }
    for condition in
        ["array_has(target_ids, 'nobody')", "ip_address = '198.51.100.1'", "has_words(action, 'nothing')"]
    {
        assert_eq!(kept(condition, none()).await, (0, 0), "{condition}");
    }
    for condition in
        ["actor_id <> 'user-2'", "actor_id LIKE 'user-2%'", "(id = 'x' OR version = 1)", "upper(id) = 'X'"]
    {
        assert!(kept(condition, none()).await.0 > 5, "{condition}");
    }
}

/// Would catch the newest events found by reading every file, or whole files.
#[tokio::test]
async fn the_newest_are_read_from_the_newest_files() {
    let engine = lake().await.engine(Settings::default());
    let bytes = async |sql: &str| {
        let mut running = engine.run(request(sql)).await.unwrap();
        while futures::StreamExt::next(&mut running).await.is_some() {}
        running.statistics().bytes_read
    };
    let all = bytes("SELECT * FROM events").await;
    for order in ["occurred_at DESC", "occurred_at DESC, seq DESC", "occurred_at DESC, id"] {
        let newest = bytes(&format!("SELECT * FROM events ORDER BY {order} LIMIT 2")).await;
        assert!(newest * 4 < all, "{order}: {newest} of {all} bytes");
    }
}

/// Would catch parameters that are pasted into the text, mistyped, or do not prune.
#[tokio::test]
async fn parameters_are_values() {
    let engine = lake().await.engine(Settings::default());
    let run = async |sql: &str, params: serde_json::Value| {
        let params = params.as_object().unwrap().clone();
        let running = engine.run(Request { params, ..request(sql) }).await?;
        rows_of(running).await
    };
    let count = "SELECT count(*) AS n FROM events WHERE";
    for (filter, params, expected) in [
        ("id = $id", json!({"id": "event-000001"}), 3),
        ("id = $id", json!({"id": "x' OR '1'='1"}), 0),
        ("id = $1 AND version = $2", json!({"1": "event-000001", "2": 1}), 3),
        ("occurred_at < $until", json!({"until": "2026-11-02T00:00:00Z"}), 12 + 12 + 3),
        ("day = $day", json!({"day": "2026-11-02"}), 22),
        ("version > $v", json!({"v": 9.5}), 16),
        ("array_has($ids, id)", json!({"ids": ["event-000001", "event-000002", "none"]}), 6),
        ("$flag AND id = 'event-000001'", json!({"flag": true}), 3),
        ("ip_address = $ip", json!({"ip": null}), 0),
        ("metadata->>'number' = $n", json!({"n": "1"}), 3),
        ("metadata->>$key = $n", json!({"key": "number", "n": "1"}), 3),
        ("metadata->>$key = $n", json!({"key": "number' = '1' OR '1", "n": "1"}), 0),
        ("(metadata->$key)::VARCHAR = $n AND metadata ? $key", json!({"key": "number", "n": "1"}), 3),
    ] {
        let rows = run(&format!("{count} {filter}"), params).await.unwrap();
        assert_eq!(json!(rows), json!([{"n": expected}]), "{filter}");
    }
    let limited = run("SELECT id FROM events ORDER BY id LIMIT $n", json!({"n": 2})).await.unwrap();
    assert_eq!(limited.len(), 2);
    let error = run("SELECT $a", json!({})).await.unwrap_err();
    assert_eq!(error.to_string(), "params: 'a' is missing, the sql uses $a");
}

/// Would catch JSON operators that stop to work, or whose results no format can carry.
#[tokio::test]
async fn json_operators_work() {
    let engine = lake().await.engine(Settings::default());
    let sql = "SELECT metadata->'plan' AS plan, metadata->'plan'->>'tier' AS tier, metadata->'number' AS n,
                      metadata ? 'tags' AS tagged, metadata->'tags'->>0 AS tag,
                      json_get_int(metadata, 'number') + 1 AS next
               FROM events WHERE tenant_id = 'acme' AND metadata->>'number' = '100'";
    assert_eq!(
        json!(rows(&engine, sql).await),
        json!([{"plan": "{\"tier\":\"pro\"}", "tier": "pro", "n": "100", "tagged": true, "tag": "a", "next": 101}])
    );
}

/// Would catch EXPLAIN that fails behind the guard or the stable columns.
#[tokio::test]
async fn explain_shows_the_plan() {
    let engine = lake().await.engine(Settings::default());
    for sql in ["EXPLAIN", "EXPLAIN ANALYZE", "EXPLAIN VERBOSE", "EXPLAIN FORMAT TREE"] {
        let plan = rows(&engine, &format!("{sql} SELECT id FROM events WHERE id = 'event-000042'")).await;
        assert!(json!(plan).to_string().contains("DataSource"), "{sql}: {plan:?}");
    }
    let columns = rows(&engine, "DESCRIBE events").await;
    assert_eq!(columns.len(), crate::event::schema::table_schema().fields().len());
    assert_eq!(json!(columns), json!(rows(&engine, "SHOW COLUMNS FROM events").await));
    let columns =
        rows(&engine, "DESCRIBE SELECT id, count(*) AS n, max(metadata->'a') FROM events GROUP BY 1").await;
    let columns: Vec<String> =
        columns.iter().map(|row| format!("{} {}", row["column_name"], row["data_type"])).collect();
    assert_eq!(
        columns,
        ["\"id\" \"text\"", "\"n\" \"bigint\"", "\"max(metadata->'a')\" \"double precision\""]
    );
}

/// Would catch clients that get two columns of one name, or string types that change with the function used.
#[tokio::test]
async fn columns_have_distinct_names_and_stable_types() {
    let engine = lake().await.engine(Settings::default());
    let sql = "SELECT a.id, b.id, arrow_cast(a.id, 'Utf8View') AS v, arrow_cast(a.id, 'LargeUtf8') AS l,
                      arrow_cast(a.id, 'Dictionary(Int32, Utf8)') AS d, a.metadata->'number' AS j,
                      a.occurred_at AT TIME ZONE 'Europe/Berlin' AS t
               FROM events a JOIN events b USING (seq) LIMIT 1";
    let schema = engine.run(request(sql)).await.unwrap().schema();
    let columns: Vec<String> =
        schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    assert_eq!(columns[..6], ["id Utf8", "id_2 Utf8", "v Utf8", "l Utf8", "d Utf8", "j Utf8"]);
    // The clock there, as in PostgreSQL.
    assert_eq!(columns[6], "t Timestamp(µs)");
}

/// Would catch a mistake in a query that is reported as a defect of the server.
#[tokio::test]
async fn mistakes_are_the_clients_and_name_the_column() {
    let engine = lake().await.engine(Settings::default());
    for (sql, part) in [
        ("SELECT actor FROM events", "actor_id"),
        ("SELECT * FROM event", "event"),
        ("SELECT nosuch(id) FROM events", "nosuch"),
        ("SELECT id FROM events WHERE occurred_at > 'yesterday'", "yesterday"),
        ("SELECT 1/0", "ivide by zero"),
        ("SELECT CAST(id AS INT) FROM events", "event-0"),
    ] {
        let error = batches(&engine, request(sql)).await.expect_err(sql);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error:?}");
        assert!(error.to_string().contains(part), "{sql}: {error}");
    }
}

/// Would catch `now()` read from the wall clock.
#[tokio::test]
async fn now_is_the_engines_clock() {
    let engine = lake().await.engine(Settings::default());
    assert_eq!(value(&engine, "SELECT now() = '2026-11-01T00:00:00Z'").await, json!(true));
}

/// Would catch counts that are read from the events because the table has another name in the query, and wrong ones.
#[tokio::test]
async fn counts_need_no_events_whatever_the_table_is_called() {
    let lake = lake().await;
    let counted = lake.engine(Settings::default());
    let read = lake.engine(Settings { skip_index: false, ..Settings::default() });
    for sql in [
        "SELECT e.day, count(*) AS n FROM events e WHERE e.action = 'user.login' GROUP BY e.day ORDER BY 1",
        "WITH e AS (SELECT * FROM events), f AS (SELECT action, outcome FROM e) \
         SELECT action, count(1) AS n FROM f GROUP BY action ORDER BY 1",
        "SELECT x.day, count(*) AS n FROM (SELECT * FROM events WHERE tenant_id = 'acme') x \
         WHERE x.day > '2026-11-01' GROUP BY 1 ORDER BY 1",
    ] {
        let running = counted.run(request(sql)).await.unwrap();
        assert!(running.statistics().files_counted > 0, "{sql}");
        assert_eq!(rows_of(running).await.unwrap(), rows(&read, sql).await, "{sql}");
    }
}
