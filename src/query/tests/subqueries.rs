//! Subqueries and joins: the same answers as without what is run first, and the cost of the values written out.

use std::collections::BTreeMap;

use datafusion::prelude::SessionContext;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;

use super::{
    differential::{plain, random_lake, random_predicate, sorted},
    fixture::*,
};
use crate::{
    error::ErrorKind,
    event::TenantId,
    limits::{INDEX_PROBES_MAX, SUBQUERY_ROWS_MAX},
    query::{Engine, Narrowing, Request, Scope, Settings, Statistics},
};

/// Columns that are compared, some of them with NULLs.
const COMPARED: [&str; 7] = ["id", "actor_id", "ip_address", "version", "occurred_at", "day", "action"];

/// A predicate that a plain table answers, too: there `seq` is null.
fn predicate(random: &mut StdRng, depth: usize) -> String {
    loop {
        let predicate = random_predicate(random, depth);
        if !predicate.contains("seq") {
            return predicate;
        }
    }
}

/// Few rows, or none, or all.
fn some(random: &mut StdRng) -> String {
    match random.random_range(0..6) {
        0 => "false".to_string(),
        1 => "true".to_string(),
        2 => format!("id = 'event-{:06}'", random.random_range(0..200)),
        3 => format!("actor_id = 'user-{}'", random.random_range(0..25)),
        _ => predicate(random, 1),
    }
}

/// A condition with a subquery in it. The engine knows no subquery that depends on a row of a query further out than the next.
fn condition(random: &mut StdRng, depth: usize, is_inner: bool) -> String {
    let column = COMPARED.choose(random).unwrap();
    let not = ["", "NOT "].choose(random).unwrap();
    let compare = ["=", "=", "=", "<", ">=", "<>"].choose(random).unwrap();
    let extreme = ["min", "max"].choose(random).unwrap();
    let inner = match depth > 0 && random.random_bool(0.3) {
        true => condition(random, depth - 1, true),
        false => some(random),
    };
    match random.random_range(0..11) {
        0 | 1 => format!("{column} {compare} (SELECT {extreme}({column}) FROM events WHERE {inner})"),
        2 | 3 => format!("{column} {not}IN (SELECT {column} FROM events WHERE {inner})"),
        4 => format!("{not}EXISTS (SELECT 1 FROM events WHERE {inner})"),
        5 if !is_inner => format!(
            "{not}EXISTS (SELECT 1 FROM events AS b WHERE b.{column} = e.{column} AND ({}))",
            some(random)
        ),
        6 => format!("array_has(target_ids, (SELECT {extreme}(actor_id) FROM events WHERE {inner}))"),
        7 => format!(
            "occurred_at BETWEEN (SELECT min(occurred_at) FROM events WHERE {inner})
             AND (SELECT max(occurred_at) FROM events WHERE {})",
            some(random)
        ),
        8 => format!("{column} = ANY (SELECT {column} FROM events WHERE {inner})"),
        9 => format!("{column} {not}IN (SELECT NULLIF({column}, {column}) FROM events WHERE {inner})"),
        _ => {
            // The plain engine takes unknown for false inside of OR, see `lists_inside_of_conditions_know_null`.
            let column = ["id", "actor_id", "day", "occurred_at"].choose(random).unwrap();
            format!("{not}({column} IN (SELECT {column} FROM events WHERE {inner}) OR {})", some(random))
        }
    }
}

fn join(random: &mut StdRng) -> String {
    let column = COMPARED.choose(random).unwrap();
    let kind = ["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"].choose(random).unwrap();
    let (left, right, third) = (some(random), some(random), some(random));
    match random.random_range(0..7) {
        0 => format!(
            "SELECT e.id, s.n FROM events AS e {kind}
             (SELECT {column} AS k, count(*) AS n FROM events WHERE {right} GROUP BY {column}) AS s ON e.{column} = s.k"
        ),
        1 => format!(
            "SELECT e.id, s.k FROM (SELECT * FROM events WHERE {left}) AS e {kind}
             (SELECT DISTINCT {column} AS k FROM events WHERE {right}) AS s ON e.{column} = s.k"
        ),
        2 => format!(
            "WITH s AS (SELECT actor_id, min(occurred_at) AS low, max(occurred_at) AS high FROM events
                        WHERE {right} GROUP BY actor_id ORDER BY actor_id LIMIT 3)
             SELECT e.id, s.low FROM events AS e JOIN s ON e.occurred_at > s.low AND e.occurred_at <= s.high"
        ),
        3 => format!(
            "WITH s AS (SELECT DISTINCT actor_id, action FROM events WHERE {right}),
                  t AS (SELECT DISTINCT ip_address FROM events WHERE {third})
             SELECT e.id FROM events AS e JOIN s ON e.actor_id = s.actor_id AND e.action = s.action
                                          JOIN t ON e.ip_address = t.ip_address WHERE {}",
            left.replace("id = ", "e.id = ").replace("actor_e.id = ", "e.actor_id = ")
        )
        .replace(&format!(" WHERE {left}"), ""),
        4 => format!(
            "SELECT e.id, v.k FROM events AS e {kind}
             (VALUES ('user-1'), ('user-{}'), (NULL), ('nobody')) AS v(k) ON e.actor_id = v.k",
            random.random_range(0..25)
        ),
        5 => format!(
            "SELECT a.id, b.id AS other FROM (SELECT * FROM events WHERE {left}) AS a,
             (SELECT * FROM events WHERE {right} ORDER BY id, tenant_id, occurred_at LIMIT 5) AS b WHERE a.{column} = b.{column}"
        ),
        _ => format!(
            "SELECT a.id, (SELECT count(*) FROM events AS b WHERE b.{column} = a.{column}) AS n
             FROM events AS a WHERE {left}"
        ),
    }
}

async fn compare(plain: &SessionContext, engines: &[Engine], sql: &str, seed: u64) {
    // The same, see `without_quantifiers`.
    let expected = match plain.sql(&sql.replace("= ANY (", "IN (")).await {
        Ok(planned) => planned.collect().await,
        Err(error) => Err(error),
    };
    for engine in engines {
        match (&expected, batches(engine, request(sql)).await) {
            (Ok(expected), Ok(found)) => assert_eq!(sorted(&found), sorted(expected), "seed {seed}: {sql}"),
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => panic!("seed {seed}: {sql}: {error:?}"),
            (Err(error), Ok(_)) => panic!("seed {seed}: only the plain one fails: {sql}: {error}"),
        }
    }
}

/// Would catch a subquery or a join whose values leave out rows, let in others, or treat a NULL or an empty list wrongly.
/// `AUDITLAKE_DIFFERENTIAL_SEEDS` asks for more than the 12 lakes of an ordinary run.
#[tokio::test]
async fn what_is_run_first_never_changes_an_answer() {
    let seeds = std::env::var("AUDITLAKE_DIFFERENTIAL_SEEDS").map_or(12, |text| text.parse().unwrap());
    for seed in 500..500 + seeds {
        let mut random = StdRng::seed_from_u64(seed);
        let (lake, all) = random_lake(&mut random).await;
        let plain = plain(all).await;
        let engines = [lake.engine(Settings::default())];
        for _ in 0..20 {
            let (first, second) = (condition(&mut random, 2, false), predicate(&mut random, 1));
            let and = match first.contains("NOT IN") {
                true => "AND",
                false => ["AND", "OR", "AND NOT"].choose(&mut random).unwrap(),
            };
            let sql = match random.random_range(0..3) {
                0 => join(&mut random),
                1 => format!(
                    "SELECT id, tenant_id, occurred_at FROM events AS e WHERE {first} {and} ({second})"
                ),
                _ => format!(
                    "SELECT action, count(*) AS n FROM events AS e WHERE {first} {and} ({second}) GROUP BY action"
                ),
            };
            compare(&plain, &engines, &sql, seed).await;
        }
    }
}

/// Would catch an `IN` that takes unknown for false where that matters: inside of NOT, OR and CASE. The values written out say what is right.
#[tokio::test]
async fn lists_inside_of_conditions_know_null() {
    for seed in 700..706 {
        let mut random = StdRng::seed_from_u64(seed);
        let (lake, all) = random_lake(&mut random).await;
        let plain = plain(all).await;
        let engine = lake.engine(Settings::default());
        for _ in 0..12 {
            let column = ["ip_address", "version", "actor_id"].choose(&mut random).unwrap();
            let (not, other) = (["", "NOT "].choose(&mut random).unwrap(), some(&mut random));
            let subquery = format!("SELECT {column} FROM events WHERE {}", some(&mut random));
            let values = plain.sql(&subquery).await.unwrap().collect().await.unwrap();
            let values: Vec<String> = sorted(&values)
                .iter()
                .map(|line| line.trim_matches(['|', ' ']).to_string())
                .map(|value| if value.is_empty() { "NULL".to_string() } else { format!("'{value}'") })
                .collect();
            let question = match random.random_range(0..5) {
                0 => format!("{column} {not}IN ({{}}) OR {other}"),
                1 => format!("{not}({column} IN ({{}}) OR {other})"),
                2 => format!("NOT ({column} {not}IN ({{}}) AND {other})"),
                3 => format!("({column} {not}IN ({{}})) IS NULL"),
                _ => format!("CASE WHEN {column} {not}IN ({{}}) THEN {other} ELSE version IS NULL END"),
            };
            let sql = format!("SELECT id, occurred_at, version FROM events WHERE {question}");
            // There is no empty list; see `a_subquery_keeps_its_rules`.
            if !values.is_empty() {
                let written = plain.sql(&sql.replace("{}", &values.join(", "))).await.unwrap();
                let expected = sorted(&written.collect().await.unwrap());
                let found = batches(&engine, request(&sql.replace("{}", &subquery))).await.unwrap();
                assert_eq!(sorted(&found), expected, "seed {seed}: {sql}: {subquery}");
            }
        }
    }
}

/// Thirty days of one tenant, a file a day, indexed; and some events of another.
async fn lake() -> Lake {
    lake_of(40).await
}

async fn lake_of(a_day: usize) -> Lake {
    let lake = Lake::new().await;
    for day in 0..30 {
        let event = |number: usize| Event {
            at: START + day as i64 * DAY_MICROS + number as i64 * 1_000_000,
            actor: format!("user-{}", (day * a_day + number) % 200),
            ..Event::numbered(day * a_day + number)
        };
        lake.add_file("acme", &(0..a_day).map(event).collect::<Vec<_>>()).await;
    }
    lake.add_file(
        "bolt",
        &(0..40).map(Event::numbered).map(|event| Event { at: START, ..event }).collect::<Vec<_>>(),
    )
    .await;
    lake
}

fn of(tenant: &str, sql: &str) -> Request {
    Request { scope: Scope::Tenant(TenantId::parse(tenant).unwrap()), ..request(sql) }
}

/// The rows of an answer and its cost.
async fn asked(engine: &Engine, sql: &str) -> (String, Statistics) {
    let running = engine.run(of("acme", sql)).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let cost = running.cost();
    let rows = rows_of(running).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    (json!(rows).to_string(), cost.statistics())
}

/// Would catch values of a subquery or a small side that do not reach the pruning which the same values get when they are written out.
#[tokio::test]
async fn a_subquery_prunes_as_its_values_do() {
    let engine = lake().await.engine(Settings::default());
    // A subquery, what it gives, and a condition or a join with `{}` for either.
    let one = "SELECT actor_id FROM events WHERE id = 'event-000123'";
    let two = "SELECT actor_id FROM events WHERE id IN ('event-000123', 'event-000124')";
    let day = "SELECT max(day) FROM events";
    let rows = "SELECT id FROM events";
    for (subquery, values, question) in [
        (one, "'user-123'", format!("{rows} WHERE actor_id = ({{}}) ORDER BY id")),
        (one, "'user-123'", format!("{rows} WHERE ({{}}) = actor_id ORDER BY occurred_at DESC LIMIT 2")),
        (one, "'user-123'", format!("{rows} WHERE array_has(target_ids, ({{}})) ORDER BY id")),
        (one, "'user-123'", format!("{rows} WHERE actor_id = ({{}}) OR id = 'event-000007' ORDER BY id")),
        (two, "'user-123', 'user-124'", format!("{rows} WHERE actor_id IN ({{}}) ORDER BY id")),
        (
            two,
            "'user-123', 'user-124'",
            format!("{rows} WHERE version > 3 AND actor_id IN ({{}}) ORDER BY id"),
        ),
        (day, "DATE '2026-11-30'", format!("{rows} WHERE day = ({{}}) ORDER BY id")),
        (day, "DATE '2026-11-30'", format!("{rows} WHERE occurred_at >= ({{}}) ORDER BY id")),
        (
            "SELECT min(occurred_at) FROM events WHERE id = 'event-000123'",
            "TIMESTAMPTZ '2026-11-04T00:00:03Z'",
            format!("{rows} WHERE occurred_at < ({{}}) ORDER BY id"),
        ),
    ] {
        let (alone, of_alone) = asked(&engine, subquery).await;
        assert_ne!(alone, "[]", "{subquery}");
        let (expected, written) = asked(&engine, &question.replace("{}", values)).await;
        let (found, both) = asked(&engine, &question.replace("{}", subquery)).await;
        assert_eq!(found, expected, "{question}");
        assert!(written.files_kept < 30, "{question}: {written:?}");
        assert_eq!(both.files_kept, written.files_kept + of_alone.files_kept, "{question}");
        assert_eq!(both.rows_kept, written.rows_kept + of_alone.rows_kept, "{question}");
        assert_eq!(both.files_considered, written.files_considered + of_alone.files_considered, "{question}");
    }
}

/// Would catch a join that reads everything although one of its sides says what is needed of the other.
#[tokio::test]
async fn the_small_side_of_a_join_prunes() {
    let engine = lake().await.engine(Settings::default());
    let one = "SELECT actor_id, ip_address FROM events WHERE id = 'event-000123'";
    let (expected, written) =
        asked(&engine, "SELECT id FROM events WHERE actor_id = 'user-123' ORDER BY id").await;
    for sql in [
        format!("SELECT e.id FROM events AS e JOIN ({one}) AS s ON e.actor_id = s.actor_id ORDER BY e.id"),
        format!("SELECT e.id FROM ({one}) AS s JOIN events AS e ON e.actor_id = s.actor_id ORDER BY e.id"),
        format!("SELECT e.id FROM ({one}) AS s LEFT JOIN events AS e USING (actor_id) ORDER BY e.id"),
        format!("SELECT e.id FROM events AS e, ({one}) AS s WHERE e.actor_id = s.actor_id ORDER BY e.id"),
        format!("WITH s AS ({one}) SELECT id FROM events WHERE actor_id IN (SELECT actor_id FROM s) ORDER BY id"),
        "SELECT id FROM events AS e WHERE EXISTS (SELECT 1 FROM events AS b
         WHERE b.id = 'event-000123' AND b.actor_id = e.actor_id) ORDER BY id"
            .to_string(),
        "SELECT e.id FROM events AS e JOIN (VALUES ('user-123'), (NULL)) AS v(k) ON e.actor_id = v.k ORDER BY e.id"
            .to_string(),
        "SELECT e.id FROM events AS e JOIN (SELECT actor_id, count(*) AS n FROM events WHERE actor_id = 'user-123'
         GROUP BY actor_id ORDER BY n DESC LIMIT 1) AS s ON e.actor_id = s.actor_id ORDER BY e.id"
            .to_string(),
        // The first join makes the side of the second one small.
        format!(
            "SELECT c.id FROM events AS c JOIN (SELECT DISTINCT b.actor_id FROM events AS b JOIN ({one}) AS a
             ON a.actor_id = b.actor_id) AS s ON c.actor_id = s.actor_id ORDER BY c.id"
        ),
    ] {
        let (found, cost) = asked(&engine, &sql).await;
        assert_eq!(found, expected, "{sql}");
        assert!(cost.files_kept <= 2 * written.files_kept + 2, "{sql}: {cost:?}");
    }

    let sql = "WITH w AS (SELECT occurred_at - interval '1 hour' AS low, occurred_at + interval '1 hour' AS high FROM events
                          WHERE id = 'event-000123')
               SELECT count(*) AS n FROM events AS e JOIN w ON e.occurred_at BETWEEN w.low AND w.high";
    let (found, cost) = asked(&engine, sql).await;
    assert_eq!(found, r#"[{"n":40}]"#);
    assert!(cost.files_kept <= 3, "{cost:?}");
}

/// Would catch a subquery over everything that is run for one event whose values say what is needed of it.
#[tokio::test]
async fn a_large_subquery_is_narrowed_by_the_rest() {
    let a_day = INDEX_PROBES_MAX / 30 + 10;
    let engine = lake_of(a_day).await.engine(Settings::default());
    let (_, written) = asked(&engine, "SELECT id FROM events WHERE actor_id = 'user-123'").await;
    let one = "SELECT id FROM events WHERE id = 'event-000123' AND";
    for subquery in [
        "actor_id IN (SELECT actor_id FROM events WHERE outcome IS NULL)",
        "actor_id = ANY (SELECT actor_id FROM events WHERE outcome IS NULL)",
        "EXISTS (SELECT 1 FROM events AS b WHERE b.actor_id = events.actor_id AND b.outcome IS NULL)",
    ] {
        let (found, cost) = asked(&engine, &format!("{one} {subquery}")).await;
        assert_eq!(found, r#"[{"id":"event-000123"}]"#);
        assert!(written.files_kept < 30 && cost.files_kept <= written.files_kept + 2, "{subquery}: {cost:?}");
    }
}

/// Would catch a list of values that is cut, or run again from its start, where it is too long for the index or for memory.
#[tokio::test]
async fn long_lists_lose_nothing() {
    let lake = lake().await;
    let many: Vec<Event> = (0..SUBQUERY_ROWS_MAX + 5_000)
        .map(|number| Event {
            at: START + number as i64,
            id: format!("many-{number:06}"),
            ..Event::numbered(number)
        })
        .collect();
    lake.add_uncommitted("acme", &many).await;
    let engine = lake.engine(Settings::default());
    let count = many.len();
    for (of_many, rows) in [("true", count), ("id < 'many-006000'", 6_000)] {
        assert!(rows > INDEX_PROBES_MAX);
        let subquery = format!("SELECT id FROM events WHERE id LIKE 'many-%' AND {of_many}");
        let other = "id LIKE 'event-%' OR id LIKE 'many-%'";
        for (sql, expected) in [
            (format!("SELECT count(*) AS n FROM events WHERE ({other}) AND id IN ({subquery})"), rows),
            (
                format!("SELECT count(*) AS n FROM events WHERE ({other}) AND id NOT IN ({subquery})"),
                count + 1_200 - rows,
            ),
            (format!("SELECT count(*) AS n FROM events AS e JOIN ({subquery}) AS s ON e.id = s.id"), rows),
        ] {
            let (found, _) = asked(&engine, &sql).await;
            assert_eq!(found, json!([{"n": expected}]).to_string(), "{sql}");
        }
    }
    let sql = "SELECT id FROM events WHERE id NOT IN (SELECT id FROM events) OR version = 7";
    let error = batches(&engine, of("acme", sql)).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error:?}");
    assert!(error.to_string().contains("EXISTS"), "{error}");
}

/// Would catch a subquery of several rows that is taken for one, of none that is taken for anything but NULL, and a defect reported
/// where the query has to change.
#[tokio::test]
async fn a_subquery_keeps_its_rules() {
    let engine = lake().await.engine(Settings::default());
    for sql in [
        "SELECT id FROM events WHERE actor_id = (SELECT actor_id FROM events)",
        "SELECT id FROM events WHERE version = (SELECT 1 / (version - version) FROM events WHERE version = 7 LIMIT 1)",
        "SELECT id FROM events WHERE actor_id = (SELECT nothing FROM events)",
        "SELECT id FROM events WHERE actor_id = (SELECT id, actor_id FROM events)",
        "SELECT id FROM events WHERE version > ANY (SELECT version FROM events)",
        "SELECT id FROM events WHERE id = 'a' OR version NOT IN (SELECT version FROM events AS b WHERE b.id = events.id)",
        "SELECT id = ALL (SELECT id FROM events) AS x FROM events",
    ] {
        let error = batches(&engine, of("acme", sql)).await.map(|_| ()).expect_err(sql);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error:?}");
    }
    let error =
        batches(&engine, of("acme", "SELECT id FROM events WHERE id = (SELECT id FROM events)")).await;
    let message = error.map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("more than one row; write max(…), or LIMIT 1"), "{message}");
    for (sql, expected) in [
        (
            "SELECT count(*) AS n FROM events WHERE actor_id = (SELECT actor_id FROM events WHERE id = 'none')",
            0,
        ),
        (
            "SELECT count(*) AS n FROM events WHERE actor_id IN (SELECT actor_id FROM events WHERE id = 'none')",
            0,
        ),
        (
            "SELECT count(*) AS n FROM events WHERE actor_id NOT IN (SELECT actor_id FROM events WHERE id = 'none')",
            1_200,
        ),
        (
            "SELECT count(*) AS n FROM events WHERE ip_address NOT IN (SELECT ip_address FROM events WHERE id = 'none')",
            1_200,
        ),
        ("SELECT count(*) AS n FROM events WHERE actor_id NOT IN (SELECT ip_address FROM events)", 0),
        ("SELECT count(*) AS n FROM events WHERE EXISTS (SELECT 1 FROM events WHERE id = 'none')", 0),
        (
            "SELECT count(*) AS n FROM events WHERE day = ANY (SELECT day FROM events ORDER BY day LIMIT 9)",
            40,
        ),
        (
            "SELECT count(*) AS n FROM events WHERE day <> ALL (SELECT day FROM events ORDER BY day LIMIT 9)",
            1_160,
        ),
        ("SELECT count(*) AS n FROM events WHERE day IN (SELECT day FROM events ORDER BY day LIMIT 9)", 40),
        // A JSON value has no fixed type, and chance gives another value for each row: both stay with the engine.
        (
            "SELECT count(*) AS n FROM events WHERE id = (SELECT min(id) FROM events) AND random() < (SELECT 2 + random())",
            1,
        ),
    ] {
        assert_eq!(asked(&engine, sql).await.0, json!([{"n": expected}]).to_string(), "{sql}");
    }
}

/// Would catch a subquery or a small side that sees what its reader must not.
#[tokio::test]
async fn a_subquery_sees_what_its_reader_sees() {
    let engine = lake().await.engine(Settings::default());
    let sql = "SELECT count(*) AS n, count(DISTINCT tenant_id) AS t FROM events WHERE tenant_id IN (SELECT tenant_id FROM events)";
    let rows = rows_of(engine.run(of("bolt", sql)).await.unwrap()).await.unwrap();
    assert_eq!(json!(rows), json!([{"n": 40, "t": 1}]));

    let narrowing = Narrowing { actor_id: Some("user-5".to_string()), ..Narrowing::default() };
    let scope = Scope::Part(TenantId::parse("acme").unwrap(), narrowing.into());
    for sql in [
        "SELECT DISTINCT actor_id FROM events WHERE id IN (SELECT id FROM events)",
        "SELECT DISTINCT actor_id FROM events WHERE action = (SELECT max(action) FROM events WHERE actor_id <> 'user-6')
         OR EXISTS (SELECT 1 FROM events WHERE actor_id = 'user-6')",
        "SELECT DISTINCT a.actor_id FROM events AS a JOIN (SELECT DISTINCT action FROM events) AS b ON a.action = b.action",
    ] {
        let asked = Request { scope: scope.clone(), ..request(sql) };
        let rows = rows_of(engine.run(asked).await.unwrap()).await.unwrap();
        let actors: BTreeMap<_, _> = rows.into_iter().flatten().collect();
        assert_eq!(json!(actors), json!({"actor_id": "user-5"}), "{sql}");
    }
}

/// Would catch EXPLAIN that runs a part of a query, or keeps silent about what will be run; and EXPLAIN ANALYZE that hides it.
#[tokio::test]
async fn explain_tells_what_is_run_first() {
    let engine = lake().await.engine(Settings::default());
    let subquery =
        "SELECT id FROM events WHERE actor_id = (SELECT actor_id FROM events WHERE id = 'event-000123')";
    let join = "SELECT e.id FROM events AS e JOIN (VALUES ('user-1')) AS v(k) ON e.actor_id = v.k";
    for sql in [subquery, join] {
        let (plan, cost) = asked(&engine, &format!("EXPLAIN {sql}")).await;
        assert!(plan.contains("run_first") && plan.contains("EXPLAIN ANALYZE"), "{plan}");
        assert_eq!(cost.bytes_read, 0);
        let (plan, cost) = asked(&engine, &format!("EXPLAIN ANALYZE {sql}")).await;
        assert!(plan.contains("parts run first=1") && !plan.contains("run_first"), "{plan}");
        assert!(cost.files_kept < 30 && cost.bytes_read > 0, "{cost:?}");
    }
    let (plan, _) = asked(&engine, "EXPLAIN SELECT id FROM events WHERE id = 'event-000123'").await;
    assert!(!plan.contains("run_first"), "{plan}");
}
