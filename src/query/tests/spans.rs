//! Intervals and differences of times: their fields, their order, windows over them.

use serde_json::json;

use super::{comparisons::engine, fixture::*};
use crate::error::ErrorKind;

const LATER: &str = "(timestamptz '2026-11-11T03:05:07.25Z' - timestamptz '2026-11-01T00:00:00Z')";

/// Would catch hours that are counted across days, seconds that overflow, and an epoch without its fraction or with years of 360 days.
#[tokio::test]
async fn fields_of_differences_are_of_days_and_a_time_of_day() {
    let engine = engine().await;
    for (field, expected) in [
        ("day", json!(10)),
        ("hour", json!(3)),
        ("minute", json!(5)),
        ("second", json!(7.25)),
        ("milliseconds", json!(7250.0)),
        ("microseconds", json!(7_250_000)),
        ("epoch", json!(875_107.25)),
        ("month", json!(0)),
    ] {
        let sql = format!("SELECT extract({field} FROM {LATER})");
        assert_eq!(value(&engine, &sql).await, expected, "{sql}");
        let sql = format!("SELECT date_part('{field}', d) FROM (SELECT avg({LATER}) AS d FROM events) s");
        assert_eq!(value(&engine, &sql).await, expected, "{sql}");
    }
    for (expression, expected) in [
        ("extract(epoch FROM interval '1 year')", json!(31_557_600.0)),
        ("extract(epoch FROM interval '1 month 1 day')", json!(2_678_400.0)),
        ("extract(hour FROM interval '30 hours')", json!(30)),
        ("extract(second FROM interval '-1.5 seconds')", json!(-1.5)),
        ("extract(year FROM interval '14 months')", json!(1)),
        ("date_part('hour', timestamp '2026-11-02' - timestamp '2026-11-03 01:00')", json!(-1)),
        ("epoch(timestamp '2027-11-02' - timestamp '2026-11-02')", json!(31_536_000.0)),
    ] {
        assert_eq!(value(&engine, &format!("SELECT {expression}")).await, expected, "{expression}");
    }
    for (expression, expected) in [
        ("extract(epoch FROM (timestamp '2026-11-02 01:00' - timestamp '2026-11-01') / 2)", json!(45_000.0)),
        ("extract(epoch FROM 2 * (timestamp '2026-11-02' - timestamp '2026-11-01'))", json!(172_800.0)),
        ("extract(epoch FROM interval '2:03')", json!(7_380.0)),
        ("extract(epoch FROM interval '-2:03')", json!(-7_380.0)),
        ("length('é'::bytea)", json!(2)),
        ("timestamp '2026-11-01 00:00:00.1234560'", json!("2026-11-01T00:00:00.123456")),
    ] {
        assert_eq!(value(&engine, &format!("SELECT {expression}")).await, expected, "{expression}");
    }
    refused(&[("SELECT timestamp '2026-11-01 00:00:00.1234567'", "more than six digits")]).await;
    refused(&[
        ("SELECT extract(dow FROM interval '1 day')", "no field 'dow'"),
        ("SELECT extract(century FROM interval '250 years')", "extract(year FROM …) / 100"),
    ])
    .await;
}

async fn refused(statements: &[(&str, &str)]) {
    let engine = engine().await;
    for (sql, part) in statements {
        let error = batches(&engine, request(sql)).await.expect_err(sql);
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error:?}");
        assert!(text.contains(part) && !text.contains('\n'), "{sql}: {text}");
    }
}

/// Would catch intervals that are compared month by month and day by day: for PostgreSQL a day is 24 hours and a month thirty days.
#[tokio::test]
async fn intervals_are_compared_by_their_length() {
    let engine = engine().await;
    for (expression, expected) in [
        ("interval '30 hours' > interval '1 day'", json!(true)),
        ("interval '1 day' = '24 hours'", json!(true)),
        ("interval '1 day' = '24:00:00'", json!(true)),
        ("interval '24 hours' IN ('23:00', '1 day')", json!(true)),
        ("interval '24 hours' IN (interval '2 days', interval '1 day')", json!(true)),
        ("interval '24 hours' IN ('2 days', '1 day')", json!(true)),
        ("interval '24 hours' = ANY (ARRAY[interval '1 day'])", json!(true)),
        ("interval '31 days' BETWEEN interval '1 month' AND interval '2 months'", json!(true)),
        ("nullif(interval '24 hours', interval '1 day')", json!(null)),
        ("CASE interval '24 hours' WHEN interval '1 day' THEN 'a' END", json!("a")),
        ("timestamp '2026-11-02' - timestamp '2026-11-01' > '23 hours'", json!(true)),
        (
            "greatest(timestamp '2026-11-02' - timestamp '2026-11-01', timestamp '2026-11-03' - timestamp '2026-11-01') = interval '2 days'",
            json!(true),
        ),
    ] {
        assert_eq!(value(&engine, &format!("SELECT {expression}")).await, expected, "{expression}");
    }
    const SPANS: &str = "(VALUES ('b', interval '30 hours'), ('a', interval '1 day'), ('c', interval '1 month'), \
        ('d', interval '31 days')) v (n, i)";
    for (select, order) in [
        ("SELECT string_agg(n, '' ORDER BY i) FROM", ""),
        ("SELECT string_agg(n, '') FROM (SELECT n FROM", "ORDER BY i LIMIT 4) s"),
        (
            "SELECT string_agg(n, '' ORDER BY r) FROM (SELECT n, row_number() OVER (ORDER BY i) AS r FROM",
            ") s",
        ),
    ] {
        let sql = format!("{select} {SPANS} {order}");
        assert_eq!(value(&engine, &sql).await, json!("abcd"), "{sql}");
    }
    let owned = [
        "SELECT max(i) FROM",
        "SELECT i, count(*) FROM",
        "SELECT DISTINCT i FROM",
        "SELECT count(DISTINCT i) FROM",
    ]
    .map(|select| {
        format!("{select} {SPANS}{}", if select.contains("count(*)") { " GROUP BY i" } else { "" })
    });
    refused(&[
        (&owned[0], "extract(epoch FROM"),
        (&owned[1], "extract(epoch FROM"),
        (&owned[2], "extract(epoch FROM"),
        (&owned[3], "extract(epoch FROM"),
        ("SELECT interval '1 day' UNION SELECT interval '24 hours'", "extract(epoch FROM"),
        ("SELECT interval '1 day' INTERSECT SELECT interval '24 hours'", "extract(epoch FROM"),
        ("SELECT greatest(interval '1 day', interval '30 hours')", "CASE WHEN"),
        ("SELECT array_sort(ARRAY[interval '1 day', interval '30 hours'])", "extract(epoch FROM"),
        ("SELECT interval '1 day' IN (SELECT interval '24 hours')", "extract(epoch FROM"),
    ])
    .await;
}

/// Would catch a window without a frame that fails because the engine makes no ranges of what it is ordered by.
#[tokio::test]
async fn windows_are_ordered_by_any_type() {
    let engine = engine().await;
    for key in [
        "version * interval '1 day'",
        "occurred_at - timestamptz '2026-01-01'",
        "('0' || coalesce(version, 9) || ':00:00')::time",
        "decode('0' || coalesce(version, 9), 'hex')",
    ] {
        let sql = format!(
            "SELECT sum(r) AS a, sum(s) AS b FROM (SELECT rank() OVER (ORDER BY {key}) AS r,
               count(*) OVER (ORDER BY {key} DESC) AS s FROM events) t"
        );
        let found = rows(&engine, &sql).await;
        let expected = if key.starts_with("occurred") {
            json!([{"a": 6, "b": 36}])
        } else {
            json!([{"a": 21, "b": 21}])
        };
        assert_eq!(json!(found), expected, "{sql}");
    }
}
