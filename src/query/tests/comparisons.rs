//! Comparisons of rows, of addresses and with lists: each answers as PostgreSQL does, or is refused with what to write instead.

use serde_json::{Value, json};

use super::fixture::*;
use crate::{
    error::ErrorKind,
    query::{Engine, Request, Scope, Settings},
};

/// Six events; `e1` and `e6` have their addresses as versions before stored them.
pub(super) async fn engine() -> Engine {
    let event = |id: &str, ip: Option<&str>, version, metadata: Value| Event {
        id: id.to_owned(),
        at: START,
        action: "user.login".to_owned(),
        actor: format!("u_{id}"),
        ip: ip.map(str::to_owned),
        version,
        metadata: (!metadata.is_null()).then(|| metadata.to_string()),
    };
    let lake = Lake::new().await;
    let older = [
        event(
            "e1",
            Some("::ffff:203.0.113.7"),
            Some(1),
            json!({"n": 5, "flag": true, "peer": "::FFFF:CB00:7107", "due": "2026-11-02"}),
        ),
        event("e6", Some("::ffff:10.0.0.9"), Some(6), json!({"n": 5, "flag": null, "peer": "x"})),
    ];
    let newer = [
        event(
            "e2",
            Some("203.0.113.10"),
            Some(2),
            json!({"n": "many", "flag": false, "peer": "203.0.113.9", "due": "soon"}),
        ),
        event("e3", Some("203.0.113.9"), None, json!({"n": 20.5, "flag": "yes"})),
        event("e4", None, Some(4), Value::Null),
        event("e5", Some("2001:db8::1"), Some(5), json!({"n": 1000, "flag": 1})),
    ];
    lake.add_file("acme", &older).await;
    lake.add_file("acme", &newer).await;
    lake.engine(Settings::default())
}

pub(super) fn with(sql: &str, params: Value) -> Request {
    Request { sql: sql.to_owned(), params: params.as_object().unwrap().clone(), scope: Scope::All }
}

async fn ids(engine: &Engine, condition: &str, params: Value) -> Result<Vec<String>, crate::error::Error> {
    let sql = format!("SELECT id FROM events WHERE {condition} ORDER BY id");
    let rows = rows_of(engine.run(with(&sql, params)).await?).await?;
    Ok(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect())
}

/// Asks for the events of each condition; `events` are the numbers of those that are right, `135`.
async fn compare(questions: &[(&str, Value, &str)]) {
    let engine = engine().await;
    for (condition, params, events) in questions {
        let expected: Vec<String> = events.chars().map(|number| format!("e{number}")).collect();
        let found = ids(&engine, condition, params.clone()).await;
        assert_eq!(found.unwrap_or_else(|error| panic!("{condition}: {error:?}")), expected, "{condition}");
    }
}

/// Asks for what is refused in one line that has a part in it.
async fn refused(statements: &[(&str, &str)]) {
    let engine = engine().await;
    for (sql, part) in statements {
        let error = batches(&engine, request(sql)).await.expect_err(sql);
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error:?}");
        assert!(text.contains(part) && !text.contains('\n'), "{sql}: {text}");
    }
}

/// Would catch rows that are compared as wholes: a NULL that is a value, an address or a JSON value that is compared as text, and an order
/// that looks at one value only.
#[tokio::test]
async fn rows_are_compared_value_by_value() {
    let none = || json!({});
    compare(&[
        ("(version, id) = (1, 'e1')", none(), "1"),
        ("(version, id) <> (1, 'e1')", none(), "23456"),
        ("(version, id) < (4, 'e4')", none(), "12"),
        ("(version, id) <= (4, 'e4')", none(), "124"),
        ("(version, id) > (4, 'e3')", none(), "456"),
        ("ROW(version, lower(id)) >= (4, 'e4')", none(), "456"),
        ("(version, id) < (NULL, 'e4')", none(), ""),
        ("(id, version) < ('e4', NULL)", none(), "123"),
        ("(version, id, action) > ($v, $i, 'user')", json!({"v": 4, "i": "e4"}), "456"),
        ("(version, id) IN ((1, 'e1'), (2, 'zz'), (5, 'e5'))", none(), "15"),
        ("(version, id) NOT IN ((1, 'e1'), (2, 'zz'), (NULL, 'e5'))", none(), "2346"),
        ("(ip_address, id) IN (('::FFFF:CB00:7107', 'e1'), ($ip, 'e2'))", json!({"ip": "203.0.113.10"}), "12"),
        ("(ip_address, metadata->'n') = ('203.0.113.7', 5)", none(), "1"),
        ("(ip_address, metadata->'n') IS NOT DISTINCT FROM (NULL, NULL)", none(), "4"),
        ("(version, ip_address) IS DISTINCT FROM (1, '::ffff:203.0.113.7')", none(), "23456"),
        ("(ip_address, metadata->'n') IS NULL", none(), "4"),
        ("(ip_address, version) IS NOT NULL", none(), "1256"),
        ("NOT (ip_address, version) IS NULL", none(), "123456"),
        ("(version, id) BETWEEN (2, 'a') AND ROW(5, 'e5')", none(), "245"),
        ("(version, id) NOT BETWEEN (2, 'a') AND (5, 'e4')", none(), "156"),
        ("(occurred_at, id) <= ('2026-11-01T00:00:00Z', 'e2')", none(), "12"),
        (
            "id IN (SELECT a.id FROM events a JOIN events b ON (a.ip_address, a.version) = (b.metadata->>'peer', b.version))",
            none(),
            "1",
        ),
    ])
    .await;
    let engine = engine().await;
    let sql = "SELECT (version, id) = (1, 'e1') AS a, (version, id) IN ((NULL, 'e3'), (1, 'x')) AS b FROM events ORDER BY id";
    let found = rows(&engine, sql).await;
    let expected = [(true, Some(false)), (false, Some(false))];
    for (row, (a, b)) in found.iter().zip(expected) {
        assert_eq!((&row["a"], &row["b"]), (&json!(a), &json!(b)));
    }
    assert_eq!((&found[2]["a"], &found[2]["b"]), (&json!(false), &json!(null)));
}

/// Would catch a page after a row, or a list of rows, that reads all files: neither the times nor the index would be asked.
#[tokio::test]
async fn comparisons_of_rows_leave_files_out() {
    let lake = Lake::new().await;
    for day in 0..4 {
        let events = (0..8).map(|number| Event {
            at: START + day * DAY_MICROS + number,
            actor: format!("u_{day}"),
            ..Event::numbered((day * 8 + number) as usize)
        });
        lake.add_file("acme", &events.collect::<Vec<_>>()).await;
    }
    let engine = lake.engine(Settings::default());
    for (condition, kept) in [
        ("(occurred_at, id) < (timestamptz '2026-11-02', 'event-000000')", 1),
        ("(occurred_at, id) >= (timestamptz '2026-11-04', 'e')", 1),
        ("(actor_id, action) IN (('u_1', 'user.login'), ('u_3', 'document.read'))", 2),
    ] {
        let sql = format!("SELECT id FROM events WHERE {condition}");
        let running = engine.run(request(&sql)).await.unwrap();
        let cost = running.cost();
        assert!(!rows_of(running).await.unwrap().is_empty(), "{sql}");
        let statistics = cost.statistics();
        assert_eq!((statistics.files_considered, statistics.files_kept), (4, kept), "{sql}");
    }
}

/// Would catch `NOT IN` that counts a NULL as different, a subquery whose columns hide those outside of it, and rows of which one value only
/// is looked for.
#[tokio::test]
async fn rows_are_looked_for_in_subqueries() {
    let none = || json!({});
    compare(&[
        ("(version, id) IN (SELECT version, id FROM events WHERE version > 3)", none(), "456"),
        ("(version, id) NOT IN (SELECT version, id FROM events WHERE version > 3)", none(), "123"),
        // Of e3 the version is NULL: it may be any, but of e3 only.
        ("(version, id) NOT IN (SELECT version, id FROM events WHERE id = 'e3')", none(), "12456"),
        ("NOT (version, id) IN (SELECT version, 'e' || version FROM events)", none(), ""),
        ("(version, id) NOT IN (SELECT version, id FROM events WHERE false)", none(), "123456"),
        ("(version, id) IN (VALUES (1, 'e1'), (2, 'x'))", none(), "1"),
        ("(version, id) = ANY (SELECT version, id FROM events WHERE version > 4)", none(), "56"),
        ("(version, id) <> ALL (SELECT version, id FROM events WHERE version > 4)", none(), "1234"),
        ("version = 1 OR (version, id) IN (SELECT version, id FROM events WHERE version > 4)", none(), "156"),
        ("NOT (version < 3 OR (version, id) IN (SELECT version, id FROM events WHERE version > 4))", none(), "4"),
        ("(ip_address, id) IN (SELECT '::ffff:203.0.113.7', 'e1')", none(), "1"),
        ("(ip_address, version) IN (SELECT metadata->>'peer', version FROM events)", none(), "1"),
        ("(metadata->'n', id) IN (SELECT 5, id FROM events)", none(), "16"),
        ("(version, id) IN (SELECT b.version, b.id FROM events b ORDER BY b.version LIMIT 2)", none(), "12"),
        (
            "(version, id) IN (SELECT version, id FROM events e WHERE EXISTS (SELECT 1 FROM events f WHERE f.id = e.id AND f.version > 4))",
            none(),
            "56",
        ),
    ])
    .await;
}

/// Would catch rows that are compared otherwise than PostgreSQL compares them, where the planner would let them through.
#[tokio::test]
async fn rows_that_cannot_be_compared_are_refused() {
    let of_rows = |condition: &str| {
        format!("SELECT id FROM (SELECT id, row(version, id) AS r FROM events) e WHERE {condition}")
    };
    let owned = [
        of_rows("r = (1, 'e1')"),
        of_rows("r = r"),
        of_rows("r IN (SELECT row(version, id) FROM events)"),
        of_rows("CASE r WHEN r THEN true END"),
        of_rows("r = ANY (ARRAY[r])"),
    ];
    refused(&[
        (&owned[0], "compare (a, b) with (1, 2)"),
        (&owned[1], "compare its columns"),
        (&owned[2], "compare its columns"),
        (&owned[3], "compare its columns"),
        (&owned[4], "compare its columns"),
        ("SELECT id FROM events WHERE (version, id) = (1, 'e1', 2)", "both have as many values"),
        ("SELECT id FROM events WHERE (version, (id, 1)) = (1, ('e1', 1))", "side by side"),
        ("SELECT id FROM events WHERE (version, id) = (SELECT 1, 'e1')", "(a, b) IN (SELECT x, y …)"),
        (
            "SELECT id FROM events WHERE (version, id) IN (SELECT e.version, e.id FROM events e WHERE e.id = events.id)",
            "beside (a, b) IN",
        ),
        (
            "SELECT id FROM events WHERE EXISTS (SELECT 1 FROM (SELECT e.version AS v FROM events e WHERE e.id = events.id) r WHERE r.v > 3)",
            "a subquery within FROM",
        ),
        ("SELECT id FROM events WHERE (version, id) IN (SELECT version FROM events)", "as many values"),
        ("SELECT id FROM events WHERE version IN ((1, 2))", "(a, b) IN ((1, 2), (3, 4))"),
        ("SELECT id FROM events WHERE (version, id) IN (1, 2)", "(a, b) IN ((1, 2), (3, 4))"),
        ("SELECT id FROM events WHERE (version, id) BETWEEN 1 AND (2, 'a')", "compare (a, b) with (1, 2)"),
        ("SELECT id FROM events WHERE (version, id) = ANY (ARRAY[(1, 'e1')])", "(a, b) IN ((1, 2), (3, 4))"),
        ("SELECT (version, id) IN (SELECT 1, 'e1') FROM events", "EXISTS (SELECT 1"),
        ("SELECT CASE (version, id) WHEN (1, 'e1') THEN 1 END FROM events", "CASE WHEN (a, b) = (1, 2)"),
        ("SELECT nullif((version, id), (1, 'e1')) FROM events", "compare its values"),
    ])
    .await;
}

/// Would catch an address that is compared as text somewhere beside `ip_address`; `e1` has it as versions before stored it, and a constant has
/// letters and zeros of its own.
#[tokio::test]
async fn addresses_are_addresses_in_every_comparison() {
    let none = || json!({});
    compare(&[
        ("ip_address = ANY (ARRAY['::FFFF:CB00:7107', 'x'])", none(), "1"),
        ("ip_address <> ALL (ARRAY['::FFFF:CB00:7107', 'x'])", none(), "2356"),
        ("ip_address = ANY ($p)", json!({"p": ["::FFFF:CB00:7107", "::ffff:10.0.0.9"]}), "16"),
        ("ip_address <> ALL ($p)", json!({"p": ["::FFFF:CB00:7107", "::ffff:10.0.0.9"]}), "235"),
        ("ip_address <> ALL ($p)", json!({"p": ["::FFFF:CB00:7107", null]}), ""),
        ("array_has(ARRAY['::ffff:203.0.113.7']::text[], ip_address)", none(), "1"),
        ("array_has(string_to_array('::ffff:203.0.113.7,::FFFF:10.0.0.9', ','), ip_address)", none(), "16"),
        ("ip_address = ANY (string_to_array('::ffff:203.0.113.7,::FFFF:10.0.0.9', ','))", none(), "16"),
        ("'::ffff:203.0.113.7' = ANY (ARRAY[ip_address, 'x'])", none(), "1"),
        ("'::FFFF:CB00:7107' IN (ip_address, id)", none(), "1"),
        ("'::FFFF:CB00:7107' NOT IN (ip_address, id)", none(), "2356"),
        ("nullif(ip_address, '::FFFF:CB00:7107') IS NULL", none(), "14"),
        ("nullif('::FFFF:CB00:7107', ip_address) IS NULL", none(), "1"),
        ("CASE ip_address WHEN '::FFFF:CB00:7107' THEN true END", none(), "1"),
        ("CASE '::FFFF:CB00:7107' WHEN ip_address THEN true END", none(), "1"),
        ("CASE WHEN version > 0 THEN ip_address ELSE metadata->>'peer' END = '::FFFF:CB00:7107'", none(), "1"),
        ("coalesce(ip_address, '::FFFF:CB00:7107') = '203.0.113.7'", none(), "14"),
        ("coalesce(metadata->>'peer', ip_address) = '203.0.113.7'", none(), "1"),
        ("ip_address IS DISTINCT FROM '::FFFF:CB00:7107'", none(), "23456"),
        ("ip_address IS NOT DISTINCT FROM '::FFFF:CB00:7107'", none(), "1"),
        ("ip_address IN (SELECT '::FFFF:CB00:7107' UNION SELECT ip_address FROM events WHERE id = 'e2')", none(), "12"),
        ("id IN (SELECT e.id FROM events e JOIN (SELECT '::FFFF:CB00:7107' AS ip_address) o USING (ip_address))", none(), "1"),
        (
            "id IN (SELECT i FROM (SELECT id AS i, ip_address AS a FROM events GROUP BY ROLLUP (id, ip_address)) WHERE a = '::FFFF:CB00:7107')",
            none(),
            "1",
        ),
        (
            "id IN (SELECT e.i FROM (SELECT id AS i, ip_address AS a FROM events) e
              WHERE EXISTS (SELECT 1 FROM (SELECT '::FFFF:CB00:7107' AS b) o WHERE o.b = e.a))",
            none(),
            "1",
        ),
        (
            "id IN (SELECT i FROM (SELECT metadata->>'peer' AS a, 'e9' AS i FROM events UNION ALL SELECT ip_address, id FROM events)
              WHERE a = '::FFFF:CB00:7107')",
            none(),
            "1",
        ),
        (
            "ip_address IN (SELECT u FROM (SELECT unnest(array_agg(ip_address)) AS u FROM events) WHERE u = '::FFFF:CB00:7107')",
            none(),
            "1",
        ),
        ("EXISTS (SELECT 1 FROM events b WHERE b.metadata->>'peer' = events.ip_address)", none(), "13"),
        ("id IN (SELECT a.id FROM events a, events b WHERE a.ip_address = b.metadata->>'peer')", none(), "13"),
        (
            "id IN (SELECT a.id FROM events a CROSS JOIN LATERAL (SELECT id FROM events b WHERE b.metadata->>'peer' = a.ip_address) x)",
            none(),
            "13",
        ),
        ("EXISTS (SELECT 1 FROM events b WHERE length(b.metadata->>'due') - 9 = events.version)", none(), "1"),
        ("(SELECT array_agg(ip_address) @> ARRAY['::FFFF:CB00:7107'] FROM events) AND id = 'e1'", none(), "1"),
    ])
    .await;
    let engine = engine().await;
    for (sql, count) in [
        ("SELECT ip_address FROM events UNION SELECT '::FFFF:CB00:7107'", 6),
        ("SELECT '::FFFF:CB00:7107' AS a UNION SELECT ip_address FROM events", 6),
        ("SELECT ip_address FROM events INTERSECT SELECT '::FFFF:CB00:7107'", 1),
        ("SELECT ip_address FROM events EXCEPT SELECT '::FFFF:CB00:7107'", 5),
        ("SELECT '::FFFF:CB00:7107' AS a EXCEPT SELECT ip_address FROM events", 0),
        (
            "SELECT DISTINCT ip_address FROM (SELECT ip_address FROM events UNION ALL SELECT '0:0::FFFF:CB00:7107')",
            6,
        ),
        ("SELECT coalesce(ip_address, '::FFFF:CB00:7107') AS a FROM events GROUP BY 1", 5),
    ] {
        assert_eq!(rows(&engine, sql).await.len(), count, "{sql}");
    }
}

/// Would catch an order of texts, in which 203.0.113.10 comes before 203.0.113.9, in one of the ways to ask for an order.
#[tokio::test]
async fn addresses_have_their_own_order() {
    let none = || json!({});
    compare(&[
        ("ip_address < '203.0.113.10'", none(), "136"),
        ("ip_address > '::ffff:203.0.113.9'", none(), "25"),
        ("'203.0.113.9' <= ip_address", none(), "235"),
        ("ip_address BETWEEN '203.0.113.0' AND '::FFFF:CB00:7109'", none(), "13"),
        ("ip_address NOT BETWEEN '203.0.113.0' AND '203.0.113.9'", none(), "256"),
        ("ip_address BETWEEN $a AND $b", json!({"a": "9.255.0.0", "b": "10.0.0.255"}), "6"),
        ("(ip_address, id) > ('203.0.113.9', 'e3')", none(), "25"),
        ("ip_address <= ALL (ARRAY['203.0.113.9', '203.0.113.10'])", none(), "136"),
        ("ip_address < metadata->>'peer'", none(), ""),
        ("ip_address = (SELECT min(ip_address) FROM events)", none(), "6"),
        ("ip_address = (SELECT max(ip_address) FROM events WHERE id < 'e5')", none(), "2"),
    ])
    .await;
    let engine = engine().await;
    let sorted = json!(["10.0.0.9", "203.0.113.7", "203.0.113.9", "203.0.113.10", "2001:db8::1", null]);
    for sql in [
        "SELECT ip_address AS a FROM events ORDER BY ip_address",
        "SELECT DISTINCT ip_address AS a FROM events ORDER BY a",
        "SELECT DISTINCT ON (ip_address) ip_address AS a FROM events ORDER BY ip_address, id",
        "SELECT a FROM (SELECT ip_address AS a, rank() OVER (ORDER BY ip_address) AS r FROM events) ORDER BY r",
        "SELECT ip_address AS a FROM events GROUP BY ip_address ORDER BY 1",
    ] {
        let found: Vec<Value> = rows(&engine, sql).await.into_iter().map(|row| row["a"].clone()).collect();
        assert_eq!(json!(found), sorted, "{sql}");
    }
    assert_eq!(value(&engine, "SELECT array_agg(ip_address ORDER BY ip_address) FROM events").await, sorted);
    let groups = "SELECT version % 2 AS v, min(ip_address) AS low, max(ip_address) AS high FROM events GROUP BY 1 ORDER BY 1";
    let found = rows(&engine, groups).await;
    assert_eq!((&found[0]["low"], &found[0]["high"]), (&json!("10.0.0.9"), &json!("203.0.113.10")));
    refused(&[
        ("SELECT id FROM events WHERE ip_address > '203.'", "in_network"),
        ("SELECT id FROM events WHERE ip_address BETWEEN '10.0.0.0/8' AND '11.0.0.0'", "in_network"),
        ("SELECT greatest(ip_address, '10.0.0.1') FROM events", "CASE WHEN a > b"),
        ("SELECT min(ip_address) OVER () FROM events", "first_value"),
        ("SELECT array_sort(array_agg(ip_address)) FROM events", "ORDER BY ip_address"),
        (
            "SELECT array_agg(DISTINCT ip_address ORDER BY ip_address) FROM events",
            "SELECT DISTINCT ip_address",
        ),
        ("SELECT id FROM events WHERE ip_address < ANY (string_to_array('1.2.3.4', ','))", "= and <> only"),
    ])
    .await;
}

/// Would catch `ANY` and `ALL` that mean something else than `IN` and `NOT IN` do: a JSON value, a text or a time beside values of another type, a
/// NULL in a list, and a list without values.
#[tokio::test]
async fn any_and_all_follow_in() {
    let none = || json!({});
    compare(&[
        ("metadata->'n' = ANY (ARRAY[5, 20.5])", none(), "136"),
        ("metadata->'n' = ANY ($p)", json!({"p": [5, 20.5]}), "136"),
        ("metadata->>'n' = ANY (ARRAY[5, 1000])", none(), "156"),
        ("metadata->>'n' = ANY ($p)", json!({"p": [5, 1000]}), "156"),
        ("metadata->>'n' = ANY (array_append(ARRAY[1000], version))", none(), "5"),
        ("metadata->'n' = ANY (array_append(ARRAY[1000], version + 4))", none(), "15"),
        ("metadata->>'n' > ALL ($p)", json!({"p": [5, 19]}), "35"),
        ("metadata->'n' < ANY (ARRAY[6, 7])", none(), "16"),
        ("1000 < ANY (ARRAY[metadata->'n'])", none(), ""),
        ("1000 <= ANY (ARRAY[metadata->'n', 3])", none(), "5"),
        ("metadata->>'due' = ANY (ARRAY[date '2026-11-02'])", none(), "1"),
        ("metadata->'n' = ANY (ARRAY['many', '5'])", none(), "126"),
        ("occurred_at = ANY (ARRAY['2026-11-01T00:00:00Z'])", none(), "123456"),
        ("occurred_at = ANY ($p)", json!({"p": ["2026-11-01T00:00:00Z"]}), "123456"),
        ("occurred_at < ALL ($p)", json!({"p": ["2026-11-02T00:00:00Z", "2026-11-01"]}), ""),
        ("occurred_at > ANY ('{2026-10-01,2026-12-01}'::timestamptz[])", none(), "123456"),
        ("version = ANY ('{1,2}'::int[])", none(), "12"),
        ("version = ANY (ARRAY['1', '2'])", none(), "12"),
        ("version <> ALL (ARRAY[1, NULL])", none(), ""),
        ("NOT version = ANY ($p)", json!({"p": [1, null]}), ""),
        ("version = ANY ($p)", json!({"p": []}), ""),
        ("version <> ALL ($p)", json!({"p": []}), "123456"),
        ("version = ANY ($p)", json!({"p": null}), ""),
        ("version > ANY ($p)", json!({"p": [3, 5]}), "456"),
        ("version >= ALL (array_append(ARRAY[2], version))", none(), "2456"),
        ("action ~ ANY (ARRAY['^doc', 'login$'])", none(), "123456"),
        ("'u_e1' = ANY (target_ids)", none(), "1"),
        ("'u_e1' <> ALL (target_ids)", none(), "23456"),
        ("'u_e1' > ALL (target_ids)", none(), ""),
    ])
    .await;
    let engine = engine().await;
    for (comparison, expected) in [
        ("1 = ANY (ARRAY[NULL, 2])", json!(null)),
        ("2 = ANY (ARRAY[NULL, 2])", json!(true)),
        ("NULL = ANY (ARRAY[1])", json!(null)),
        ("1 < ALL (ARRAY[2, NULL])", json!(null)),
        ("3 < ALL (ARRAY[2, NULL])", json!(false)),
        ("NULL = ANY (ARRAY[]::int[])", json!(false)),
        ("NULL <> ALL (ARRAY[]::int[])", json!(true)),
        ("1 <> ANY (ARRAY[1, NULL])", json!(null)),
        ("1 = ANY (array_append(ARRAY[2], NULL))", json!(null)),
        ("'1' = ANY (array_append(ARRAY[2], 1))", json!(true)),
    ] {
        assert_eq!(value(&engine, &format!("SELECT {comparison}")).await, expected, "{comparison}");
    }
    // Longer than what is written out as one comparison for each value.
    let many: Vec<i32> = (0..500).collect();
    let found = ids(&engine, "metadata->'n' > ALL ($p)", json!({"p": many})).await.unwrap();
    assert_eq!(found, ["e5"]);
    refused(&[
        ("SELECT id FROM events WHERE 1 = ANY (target_ids)", "in quotes"),
        ("SELECT id FROM events WHERE array_has(target_ids, 1)", "in quotes"),
        ("SELECT id FROM events WHERE array_has(target_ids, version)", "::text"),
        ("SELECT id FROM events WHERE target_ids @> ARRAY[1]", "in quotes"),
        ("SELECT id FROM events WHERE array_has(ARRAY[1], id)", "cast one of them"),
        (
            "SELECT id FROM events WHERE 1 = ANY (SELECT array_agg(version) FROM events)",
            "array_has((SELECT …), value)",
        ),
        ("SELECT 5 = ANY (array_agg(metadata->'n')) FROM events", "JSON values"),
        ("SELECT id FROM events WHERE action ~ ANY (target_ids)", "unnest"),
    ])
    .await;
    let error = ids(&engine, "version = ANY ($p)", json!({"p": 1})).await.unwrap_err();
    assert!(error.to_string().contains("a parameter of it is an array"), "{error}");
}

/// Would catch a parameter beside `@>` that is taken for a list where the other side is JSON, or the other way round.
#[tokio::test]
async fn parameters_are_contained() {
    compare(&[
        ("metadata @> $p", json!({"p": "{\"n\": 5}"}), "16"),
        ("$p <@ metadata", json!({"p": "{\"n\": 5}"}), "16"),
        ("metadata <@ $p", json!({"p": "{\"n\": 20.5, \"flag\": \"yes\"}"}), "3"),
        ("$p @> metadata", json!({"p": "{\"n\": 20.5, \"flag\": \"yes\"}"}), "3"),
        ("metadata->'n' @> $p", json!({"p": "5"}), "16"),
        ("metadata @> $p", json!({"p": null}), ""),
        ("target_ids @> $p", json!({"p": ["u_e1"]}), "1"),
        ("$p <@ target_ids", json!({"p": ["u_e1"]}), "1"),
        ("target_ids <@ $p", json!({"p": ["u_e1", "d,\"1\"", "x"]}), "1"),
    ])
    .await;
    let engine = engine().await;
    for params in [json!({"p": 5}), json!({"p": ["a"]})] {
        let error = ids(&engine, "metadata @> $p", params).await.unwrap_err();
        assert!(error.to_string().contains("a parameter is JSON text"), "{error}");
    }
    let error = ids(&engine, "$p @> $q", json!({"p": "{}", "q": "{}"})).await.unwrap_err();
    assert!(error.to_string().contains("cast one"), "{error}");
}

/// Would catch a JSON value that is no condition, and one that is no truth value and counts as false where it is NULL.
#[tokio::test]
async fn json_values_are_conditions() {
    let none = || json!({});
    compare(&[
        ("metadata->'flag'", none(), "1"),
        ("metadata#>'{flag}'", none(), "1"),
        ("NOT metadata->'flag'", none(), "2"),
        ("metadata->'flag' AND version > 0", none(), "1"),
        ("metadata->'flag' OR version = 5", none(), "15"),
        ("metadata->'flag' IS TRUE", none(), "1"),
        ("metadata->'flag' IS NOT TRUE", none(), "23456"),
        ("metadata->'flag' IS FALSE", none(), "2"),
        ("metadata->'flag' IS NOT FALSE", none(), "13456"),
        ("metadata->'flag' IS UNKNOWN", none(), "3456"),
        ("metadata->'flag' IS NOT UNKNOWN", none(), "12"),
        ("CASE WHEN metadata->'flag' THEN false ELSE true END", none(), "23456"),
        ("CASE metadata->'n' WHEN 5 THEN true WHEN '1000' THEN true END", none(), "156"),
        ("if(metadata->'flag', 1, 0) = 1", none(), "1"),
        (
            "id IN (SELECT a.id FROM events a JOIN events b ON a.id = b.id AND a.metadata->'flag')",
            none(),
            "1",
        ),
        ("id IN (SELECT id FROM events GROUP BY id HAVING bool_or(metadata->'flag'))", none(), "1"),
    ])
    .await;
    let engine = engine().await;
    let sql =
        "SELECT bool_or(metadata->'flag') AS any, bool_and(metadata->'flag') AS every, every(x) AS same,
                      count(*) FILTER (WHERE metadata->'flag') AS n
               FROM (SELECT metadata, metadata->'flag' AS x FROM events)";
    let found = rows(&engine, sql).await;
    assert_eq!(json!(found), json!([{"any": true, "every": false, "same": false, "n": 1}]));
    refused(&[
        ("SELECT id FROM (SELECT id, metadata->'flag' AS f FROM events) WHERE f", "::boolean"),
        ("SELECT id FROM events WHERE version", "version <> 0"),
    ])
    .await;
}
