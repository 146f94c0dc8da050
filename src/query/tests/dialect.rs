//! That statements mean what they mean in PostgreSQL, or are refused in a line that says what to write; local time; names; comfort.
//!
//! `tests/postgres/run` compares the same list with a real PostgreSQL.

use serde_json::json;

use super::fixture::*;
use crate::{error::ErrorKind, query::Settings};

/// Statements and what this program does with each.
const STATEMENTS: &str = include_str!("../../../tests/postgres/statements.txt");
const PAGE: &str = include_str!("../../../docs/sql-dialect.md");

async fn engine() -> crate::query::Engine {
    let lake = Lake::new().await;
    let events: Vec<Event> = (0..11).map(Event::numbered).collect();
    lake.add_file("acme", &events).await;
    lake.engine(Settings::default())
}

async fn refusal(engine: &crate::query::Engine, sql: &str) -> String {
    let error = batches(engine, request(sql)).await.expect_err(sql);
    assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error:?}");
    error.to_string()
}

/// Whether a refusal says what to do instead.
fn says_what_to_write(text: &str) -> bool {
    let ways = ["write ", "leave ", "choose ", "cast ", "SHOW ", "as in ", "did you mean"];
    ways.iter().any(|way| text.contains(way))
}

/// Would catch a clause that is accepted and ignored from one version of the engine to the next, a refusal that no longer tells
/// what to write, and a page that does not show the list.
#[tokio::test]
async fn statements_do_what_the_list_says() {
    let lake = Lake::new().await;
    // Ids as in the list: what is wrong with a value shows only where there is one.
    let named = |number| Event { id: format!("e{}", number + 1), ..Event::numbered(number) };
    lake.add_file("acme", &(0..6).map(named).collect::<Vec<_>>()).await;
    let engine = lake.engine(Settings::default());
    let mut seen = [0, 0];
    for line in STATEMENTS.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (verdict, rest) = line.split_once(' ').unwrap();
        let (sql, note) = match rest.trim().split_once("  => ") {
            Some((sql, note)) => (sql.trim(), note),
            None => (rest.trim(), ""),
        };
        let shown = sql.replace('|', "\\|").replace('`', "'");
        assert!(PAGE.contains(&shown), "docs/sql-dialect.md lacks: {sql}");
        let answer = batches(&engine, request(sql)).await;
        match (verdict, answer) {
            ("refused", Err(error)) => {
                seen[0] += 1;
                let text = error.to_string();
                assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error:?}");
                assert!(text.contains(note) && !text.contains('\n'), "{sql}: {text}");
                assert!(says_what_to_write(&text), "{sql}: {text}");
            }
            ("refused", Ok(_)) => panic!("{sql} is not refused"),
            ("same", Err(error)) => assert!(!error.to_string().contains('\n'), "{sql}: {error}"),
            ("same", Ok(_)) => seen[1] += 1,
            ("different" | "extra", answer) => {
                answer.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            }
            (other, _) => panic!("{other} is no verdict: {line}"),
        }
    }
    assert!(seen[0] > 60 && seen[1] > 200, "{seen:?}");
}

/// Would catch a clock that is UTC's, days that begin at UTC's midnight, and instants that move when they come back.
#[tokio::test]
async fn local_time_is_the_clock_there() {
    let engine = engine().await;
    let at = "timestamptz '2026-11-01T03:30:00Z'";
    for (sql, expected) in [
        (format!("({at} AT TIME ZONE 'America/New_York')::timestamp"), json!("2026-10-31T23:30:00")),
        (format!("date_bin('1 day', {at} AT TIME ZONE 'America/New_York')"), json!("2026-10-31T00:00:00")),
        (format!("date_trunc('day', {at} AT TIME ZONE 'America/New_York')"), json!("2026-10-31T00:00:00")),
        (format!("date_trunc('day', {at}, 'America/New_York')"), json!("2026-10-31T04:00:00Z")),
        (format!("extract(hour from {at} AT TIME ZONE 'Asia/Kolkata')"), json!(9)),
        (format!("({at} AT TIME ZONE 'America/New_York')::date"), json!("2026-10-31")),
        (format!("{at} AT TIME ZONE 'America/New_York' AT TIME ZONE 'America/New_York' = {at}"), json!(true)),
        (format!("{at} AT TIME ZONE 'America/New_York' < timestamp '2026-11-01'"), json!(true)),
        // The day on which clocks are put back has 25 hours: both of its half past ones are of that day.
        (
            "date_trunc('day', timestamptz '2026-11-01T05:30:00Z', 'America/New_York')".into(),
            json!("2026-11-01T04:00:00Z"),
        ),
        (
            "date_trunc('day', timestamptz '2026-11-02T04:59:59Z', 'America/New_York')".into(),
            json!("2026-11-01T04:00:00Z"),
        ),
        (
            "timestamp '2026-11-01 01:30:00' AT TIME ZONE 'America/New_York'".into(),
            json!("2026-11-01T06:30:00Z"),
        ),
        // Of an hour that comes twice, each keeps its own.
        (
            "date_trunc('minute', timestamptz '2026-11-01T05:30:20Z', 'America/New_York')".into(),
            json!("2026-11-01T05:30:00Z"),
        ),
        (
            "date_trunc('hours', timestamptz '2026-11-01T06:30:20Z', 'America/New_York')".into(),
            json!("2026-11-01T06:00:00Z"),
        ),
        (
            "date_trunc('hour', timestamptz '2026-11-01T05:10:00Z', 'Asia/Kathmandu')".into(),
            json!("2026-11-01T04:15:00Z"),
        ),
        ("timestamptz '2026-11-01 00:00:00-04:00'".into(), json!("2026-11-01T04:00:00Z")),
        (
            format!("to_char({at} AT TIME ZONE 'America/New_York', 'YYYY-MM-DD HH24:MI')"),
            json!("2026-10-31 23:30"),
        ),
    ] {
        assert_eq!(value(&engine, &format!("SELECT {sql}")).await, expected, "{sql}");
    }
    let days = rows(
        &engine,
        "SELECT date_trunc('day', occurred_at AT TIME ZONE 'America/New_York')::date AS day, count(*) AS n
         FROM events GROUP BY 1 ORDER BY 1",
    )
    .await;
    assert_eq!(json!(days), json!([{"day": "2026-10-31", "n": 2}, {"day": "2026-11-01", "n": 9}]));
    for (sql, hint) in [
        ("SELECT occurred_at AT TIME ZONE '+02:00' FROM events", "name of a place"),
        ("SELECT occurred_at AT TIME ZONE 'CET' FROM events", "name of a place"),
        (
            "SELECT arrow_cast(occurred_at, 'Timestamp(Microsecond, Some(\"Europe/Berlin\"))') FROM events",
            "AT TIME ZONE",
        ),
        ("SELECT occurred_at AT TIME ZONE country FROM events", "constant"),
        ("SET TIME ZONE 'Europe/Berlin'", "AT TIME ZONE"),
    ] {
        let text = refusal(&engine, sql).await;
        assert!(text.contains(hint), "{sql}: {text}");
    }
}

/// Would catch columns with names that nobody typed, or two of one name.
#[tokio::test]
async fn columns_are_named_as_typed() {
    let engine = engine().await;
    for (sql, names) in [
        (
            "SELECT count(*) FILTER (WHERE outcome = 'success') FROM events",
            vec!["count(*) FILTER (WHERE outcome = 'success')"],
        ),
        ("SELECT id, ID, metadata->>'a', 1 FROM events", vec!["id", "id_2", "metadata->>'a'", "1"]),
        (
            "SELECT Max( version ),\n  lower(action), lower(action) FROM events GROUP BY action",
            vec!["Max( version )", "lower(action)", "lower(action)_2"],
        ),
        ("SELECT * FROM (SELECT count(*) FROM events)", vec!["count(*)"]),
        ("SELECT * FROM (VALUES (1, 'a')) AS t", vec!["column1", "column2"]),
        ("SELECT occurred_at::date, version + 1 AS next FROM events", vec!["occurred_at::date", "next"]),
        ("SELECT events.id, action FROM events", vec!["id", "action"]),
        (
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY version), EXISTS (SELECT 1), (SELECT 1) FROM events",
            vec!["percentile_cont(0.5) WITHIN GROUP (ORDER BY version)", "EXISTS (SELECT 1)", "(SELECT 1)"],
        ),
        (
            "SELECT id IS DISTINCT FROM 'a', occurred_at AT TIME ZONE 'UTC', CASE WHEN true THEN 1 END, \
             extract(hour FROM occurred_at), row_number() OVER (ORDER BY id), version BETWEEN 1 AND 2, substring(id from 1 for 2), \
             trim(trailing from id), 'a' || id, -version, NOT true, interval '1 day', (ARRAY[1])[1], target_ids[1] FROM events",
            vec![
                "id IS DISTINCT FROM 'a'",
                "occurred_at AT TIME ZONE 'UTC'",
                "CASE WHEN true THEN 1 END",
                "extract(hour FROM occurred_at)",
                "row_number() OVER (ORDER BY id)",
                "version BETWEEN 1 AND 2",
                "substring(id from 1 for 2)",
                "trim(trailing from id)",
                "'a' || id",
                "-version",
                "NOT true",
                "interval '1 day'",
                "(ARRAY[1])[1]",
                "target_ids[1]",
            ],
        ),
    ] {
        let schema =
            engine.run(request(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).schema();
        let named: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(named, names, "{sql}");
    }
}

/// Would catch a listing that shows nothing, or that shows more than the reader's own view.
#[tokio::test]
async fn what_can_be_asked_is_listed() {
    let engine = engine().await;
    let tables = rows(&engine, "SHOW TABLES").await;
    assert_eq!(
        json!(tables),
        json!([{"table_schema": "public", "table_name": "events", "table_type": "VIEW"}])
    );
    let count = crate::event::schema::table_schema().fields().len();
    for sql in [
        "SHOW COLUMNS FROM events",
        "SHOW COLUMNS IN events",
        "SHOW COLUMNS FROM public.Events",
        "SELECT * FROM information_schema.columns",
    ] {
        assert_eq!(rows(&engine, sql).await.len(), count, "{sql}");
    }
    let sql = "SELECT data_type FROM information_schema.columns WHERE column_name = 'occurred_at'";
    assert_eq!(value(&engine, sql).await, json!("timestamp with time zone"));
    for table in ["others", "nope.events", "other.public.events", "information_schema.columns", "\"Events\""]
    {
        let text = refusal(&engine, &format!("SHOW COLUMNS FROM {table}")).await;
        assert!(text.contains(&format!("there is no table {table}; the one view is events")), "{text}");
    }
    let all = "SELECT DISTINCT table_schema || '.' || table_name FROM information_schema.tables";
    assert_eq!(value(&engine, all).await, json!("public.events"));
    for sql in ["SHOW ALL", "SHOW timezone", "SHOW FUNCTIONS", "SHOW COLUMNS FROM \"a'b\""] {
        assert!(refusal(&engine, sql).await.contains("SHOW TABLES"), "{sql}");
    }
    for table in ["df_settings", "routines", "parameters", "schemata", "views"] {
        refusal(&engine, &format!("SELECT * FROM information_schema.{table}")).await;
    }
    let row = rows(&engine, "SELECT * EXCLUDE (metadata, targets) FROM events LIMIT 1").await;
    assert_eq!(row[0].len(), count - 2);
    let row = rows(&engine, "SELECT * EXCEPT (metadata) FROM events LIMIT 1").await;
    assert!(row[0].len() == count - 1 && !row[0].contains_key("metadata"));
}

/// Would catch a function that is known elsewhere under this name and answers something else here.
#[tokio::test]
async fn known_functions_answer_as_known() {
    let engine = engine().await;
    let at = "timestamptz '2026-11-01T03:04:05.678901Z'";
    for (sql, expected) in [
        ("md5('hello')".to_string(), json!("5d41402abc4b2a76b9719d911017c592")),
        ("sha256('abc')".into(), json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")),
        (
            "digest('abc', 'sha256') = sha256('abc') AND encode(sha256('abc'), 'hex') = sha256('abc')".into(),
            json!(true),
        ),
        ("encode(decode('00ff', 'hex'), 'base64')".into(), json!("AP8=")),
        (format!("strftime({at}, '%Y-%m-%d')"), json!("2026-11-01")),
        (format!("strftime('%H:%M:%S.%f', {at})"), json!("03:04:05.678901")),
        ("strftime(date '2026-11-01', '%-d.%-m.%Y')".into(), json!("1.11.2026")),
        ("strptime('01/Nov/2026 03:04', '%d/%b/%Y %H:%M')".into(), json!("2026-11-01T03:04:00Z")),
        ("ARRAY['a'] || NULL = ARRAY['a'] AND NULL || ARRAY['a'] = ARRAY['a']".into(), json!(true)),
        ("trim(trailing from 'a  ') || trim(leading FROM '  b')".into(), json!("ab")),
        (format!("time_bucket(interval '1 hour', {at})"), json!("2026-11-01T03:00:00Z")),
        (format!("time_bucket(interval '7 days', {at})"), json!("2026-10-26T00:00:00Z")),
        (format!("epoch_ms({at})"), json!(1_793_502_245_678_i64)),
        (format!("epoch({at})"), json!(1_793_502_245.678901)),
        (format!("date_diff('day', timestamptz '2026-10-31T23:59:59Z', {at})"), json!(1)),
        (format!("year({at}) * 100 + month({at})"), json!(202_611)),
        (format!("monthname({at}) || ' ' || dayname({at})"), json!("November Sunday")),
        ("len('Bö')".into(), json!(2)),
        ("if(1 < 2, 'yes', 'no')".into(), json!("yes")),
        ("list_contains(string_split('a,b', ','), 'b')".into(), json!(true)),
        ("mod(-7, 3)".into(), json!(-1)),
        ("date '2026-11-01' + interval '1 hour'".into(), json!("2026-11-01T01:00:00")),
        ("date '2026-11-01' + interval '1 day'".into(), json!("2026-11-02")),
        (
            "2 * interval '1 day' = interval '2 days' AND interval '1 day' = interval '24 hours'".into(),
            json!(true),
        ),
        ("timestamptz '2026-11-03' - timestamptz '2026-11-01' > interval '1 day'".into(), json!(true)),
        ("-2 ^ 2".into(), json!(4.0)),
        ("timestamp '1600-01-01' < timestamp '9000-01-01'".into(), json!(true)),
        ("timestamp '2026-11-01 03:30' = '2026-11-01T03:30:00'".into(), json!(true)),
        ("'abc'::varchar(2)".into(), json!("ab")),
        ("16777217::float".into(), json!(16_777_217.0)),
        ("(2.7::int) * 10 + (-2.5::int)".into(), json!(27)),
    ] {
        assert_eq!(value(&engine, &format!("SELECT {sql}")).await, expected, "{sql}");
    }
    for (sql, expected) in [
        ("SELECT arg_max(id, occurred_at) FROM events", json!("event-000010")),
        ("SELECT arg_min(id, occurred_at) FROM events", json!("event-000000")),
        ("SELECT count_if(version > 5) FROM events", json!(4)),
        ("SELECT approx_count_distinct(action) FROM events", json!(3)),
        ("SELECT quantile_cont(version, 0.5) FROM events", json!(5.0)),
        ("SELECT count(*) FROM events WHERE metadata @> '{\"plan\": {\"tier\": \"pro\"}}'", json!(7)),
        ("SELECT count(*) FROM events WHERE metadata #>> '{plan,tier}' = 'pro'", json!(7)),
        ("SELECT count(*) FROM events WHERE metadata ?| ARRAY['plan', 'x']", json!(7)),
        ("SELECT count(*) FROM events WHERE action SIMILAR TO '(user|api).%'", json!(4)),
    ] {
        assert_eq!(value(&engine, sql).await, expected, "{sql}");
    }
}

/// Would catch whole numbers that wrap around: another number, and no word.
#[tokio::test]
async fn whole_numbers_do_not_wrap() {
    let engine = engine().await;
    for sql in [
        "SELECT 9223372036854775807 + 1",
        "SELECT -9223372036854775807 - 2",
        "SELECT seq + 9223372036854775807 FROM events",
        "SELECT 4611686018427387904 * 2",
    ] {
        assert!(refusal(&engine, sql).await.contains("out of range"), "{sql}");
    }
    assert_eq!(value(&engine, "SELECT 9223372036854775806 + 1").await, json!(i64::MAX));
}

/// Would catch an error that is a page long, or in the words of the engine.
#[tokio::test]
async fn mistakes_are_told_in_one_line() {
    let engine = engine().await;
    for (sql, part) in [
        ("SELECT actor FROM events", "did you mean"),
        ("SELECT nonsense FROM events", "there is no column nonsense"),
        ("SELECT sum(action) FROM events", "sum(text)"),
        ("SELECT sum(target_ids) FROM events", "sum"),
        ("SELECT date_trunc('day') FROM events", "date_trunc"),
        ("SELECT regexp_lik(id, 'x') FROM events", "did you mean 'regexp_like'?"),
        ("SELECT to_char(version, '999') FROM events", "to_char of a number"),
        ("SELECT age(occurred_at, occurred_at) FROM events", "date_diff"),
        ("SELECT id FROM events WHERE id ~ '('", "regular expression"),
        ("SELECT id FROM events WHERE action", "boolean"),
        ("SELECT * FROM evnts", "evnts"),
        ("SELECT metadata->'a' + 'x' FROM events", ""),
        ("SELECT id FROM events GROUP BY action", "id"),
        ("SELECT has_target(targets) FROM events", "has_target takes"),
        ("SELECT id COLLATE \"de_DE\" FROM events", "COLLATE"),
        ("SELECT id FROM events WHERE metadata.amount = 1", "metadata->'amount'"),
        ("SELECT metadata['amount'] FROM events", "metadata->'amount'"),
        ("SELECT targets[1].id FROM events", "targets->0->'id'"),
        ("SELECT targets[1] FROM events", "targets->0->'id'"),
        ("SELECT rank() FROM events", "rank(…) OVER (ORDER BY occurred_at)"),
        ("SELECT id FROM events WHERE target_ids = 'd_1'", "array_has(target_ids, 'd_1')"),
        ("SELECT id FROM events WHERE target_ids IN ('d_1')", "array_has(target_ids, 'd_1')"),
        ("SELECT id FROM events WHERE target_ids LIKE 'd%'", "array_has(target_ids, 'd_1')"),
        (
            "SELECT id, (SELECT count(*) FROM events b WHERE b.version > a.version) FROM events a",
            "write a join",
        ),
        ("SELECT id, (SELECT id, action FROM events LIMIT 1) FROM events", "write a join"),
        ("SELECT (lower(action), id) FROM events", "row(lower(a), b)"),
        ("SELECT strftime(occurred_at, '%Y-%!') FROM events", "'%!' is not available; write %Y %m %d"),
        ("SELECT strftime(occurred_at, id) FROM events", "has to be a constant; write it"),
        ("SELECT strftime(id, '%Y') FROM events", "write a cast"),
        ("SELECT strptime('%Y-%m-%d', '2026-11-01')", "write the text first"),
        ("SELECT strptime('2026', '%Q')", "'%Q' is not available"),
        (
            "SELECT abs(metadata->>'n') FROM events",
            "function abs does not take these arguments: abs(text); cast them",
        ),
        ("SELECT sqrt(action) FROM events", "sqrt(text); cast them"),
        ("SELECT -(metadata->'n') FROM events", "-((metadata->'n')::double precision)"),
        ("SELECT action::date FROM events", "is no date; write '2026-11-01'"),
        ("SELECT left(action, country) FROM events WHERE false", "left(text, text); cast them"),
        ("SELECT array_max(action) FROM events", "array_max does not support type text; write"),
        ("SELECT json_get(target_ids, 'a') FROM events", "write metadata->'key'"),
        ("SELECT sum(version, 1) FROM events", "; "),
        ("SELECT * FROM evnts", "there is no table evnts; write FROM events"),
        (
            "SELECT id, count(*) FROM events",
            "id in SELECT is neither grouped by nor in an aggregate; write it into GROUP BY",
        ),
        ("SELECT action * 2 FROM events", "there is no text * bigint; write casts"),
    ] {
        let text = refusal(&engine, sql).await;
        let is_short = text.chars().count() <= 330 && !text.contains('\n');
        let is_plain =
            !["Utf8", "Union(", "Candidate", "OneOf", "Coercible", "Word(", "Error during planning", "Span("]
                .iter()
                .any(|word| text.contains(word));
        assert!(text.contains(part) && is_short && is_plain, "{sql}: {text}");
    }
}

/// Would catch an order or a grouping by a constant, which is none, and a window function's clause that is left out.
#[tokio::test]
async fn what_would_have_no_effect_is_refused() {
    let engine = engine().await;
    for (sql, part) in [
        ("SELECT id FROM events ORDER BY 'id' DESC", "non-integer constant in ORDER BY"),
        ("SELECT id FROM events ORDER BY ('id')", "without quotes"),
        ("SELECT id FROM events ORDER BY NULL", "non-integer constant in ORDER BY"),
        ("SELECT id FROM events ORDER BY true", "non-integer constant in ORDER BY"),
        ("SELECT id FROM events ORDER BY -1", "no position"),
        ("SELECT id FROM events ORDER BY 1.5", "non-integer constant in ORDER BY"),
        ("SELECT id FROM events UNION SELECT action FROM events ORDER BY 'id'", "ORDER BY"),
        ("SELECT id FROM events ORDER BY $p", "a parameter is a value and no column"),
        ("SELECT count(*) FROM events GROUP BY 'x', id", "non-integer constant in GROUP BY"),
        ("SELECT count(*) FROM events GROUP BY ROLLUP ('x', id)", "non-integer constant in GROUP BY"),
        ("SELECT id, count(*) FROM events GROUP BY ROLLUP (1)", "write the column itself"),
        ("SELECT DISTINCT ON ('id') id FROM events", "non-integer constant in DISTINCT ON"),
        ("SELECT DISTINCT ON (1) id FROM events", "write the column itself"),
        ("SELECT * REPLACE (1 AS nope) FROM events", "there is no column nope"),
        ("SELECT e.* REPLACE (1 AS nope) FROM events AS e", "there is no column nope"),
        ("SELECT * EXCLUDE (id) REPLACE (1 AS id) FROM events", "REPLACE of id, which is excluded"),
        ("SELECT * EXCEPT (id) REPLACE (1 AS ID) FROM events", "REPLACE of id, which is excluded"),
        ("SELECT row_number() IGNORE NULLS OVER (ORDER BY id) FROM events", "IGNORE NULLS"),
        ("SELECT count(*) IGNORE NULLS FROM events", "IGNORE NULLS"),
        ("SELECT id FROM events WHERE occurred_at > now() - interval $p", "$p * interval '1 day'"),
    ] {
        let text = refusal(&engine, sql).await;
        assert!(text.contains(part) && !text.contains('\n'), "{sql}: {text}");
    }
    for sql in [
        "SELECT id, version FROM events ORDER BY 2 DESC, (1), lower('a')",
        "SELECT * REPLACE (1 AS nope) FROM (SELECT id AS nope FROM events)",
        "WITH events AS (SELECT 2 AS nope) SELECT * REPLACE (1 AS nope) FROM events",
        "SELECT * REPLACE (1 AS nope) FROM events AS e (nope)",
        "SELECT id, lag(id) IGNORE NULLS OVER (ORDER BY id), array_agg(id) OVER () FROM events",
        "SELECT array_agg(country) IGNORE NULLS FROM events",
    ] {
        if let Err(error) = batches(&engine, request(sql)).await {
            assert!(!error.to_string().contains("refused"), "{sql}: {error:?}");
        }
    }
    let row = rows(&engine, "SELECT * REPLACE (1 AS ID) FROM events LIMIT 1").await;
    assert_eq!(row[0]["id"], json!(1));
}
