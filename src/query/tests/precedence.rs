//! That operators bind as in PostgreSQL, whatever the parser makes of them.

use serde_json::json;

use super::{comparisons::engine, fixture::*};
use crate::error::ErrorKind;

/// Would catch `IS DISTINCT FROM` that takes the condition after it into its right side, in a select list, `CASE`, `FILTER` and `HAVING`, and
/// operators that bind less or more than PostgreSQL's.
#[tokio::test]
async fn operators_bind_as_in_postgresql() {
    let engine = engine().await;
    for (expression, expected) in [
        ("true IS DISTINCT FROM true AND false", json!(false)),
        ("false IS NOT DISTINCT FROM true OR true", json!(true)),
        ("1 IS DISTINCT FROM 2 AND 'a' = 'a'", json!(true)),
        ("NOT 1 IS DISTINCT FROM 2", json!(false)),
        ("true IS DISTINCT FROM 1 = 2", json!(true)),
        ("2 IS NOT DISTINCT FROM 1 + 1", json!(true)),
        ("1 = 2 IS DISTINCT FROM true", json!(true)),
        ("CASE WHEN 1 IS DISTINCT FROM NULL AND false THEN 'a' ELSE 'b' END", json!("b")),
        ("count(*) FILTER (WHERE 1 IS DISTINCT FROM 1 OR true)", json!(1)),
        ("(1 IS DISTINCT FROM 2) IS NOT NULL", json!(true)),
        ("true = 'abc' ~ '^a'", json!(true)),
        ("'a' || 'bc' ~ 'b'", json!(true)),
        ("NOT 'a' ~ 'b' AND true", json!(true)),
        ("'b' !~ 'a' = true", json!(true)),
        ("1 BETWEEN 0 AND 2 AND false", json!(false)),
        ("NOT 1 IN (2) AND NOT 'a' LIKE 'b'", json!(true)),
        ("'ab' LIKE 'a' || '%'", json!(true)),
        ("-2 ^ 2", json!(4.0)),
        ("-'3'::int + 1", json!(-2)),
        ("'x' || 1 + 2", json!("x3")),
        ("1 + 1 = 2 IS NULL", json!(false)),
        ("(ARRAY[1, 2])[2]::text || 'a'", json!("2a")),
    ] {
        assert_eq!(value(&engine, &format!("SELECT {expression}")).await, expected, "{expression}");
    }
    for (sql, expected) in [
        ("SELECT count(*) FROM events WHERE metadata->'n' IS DISTINCT FROM NULL AND version = 1", 1),
        ("SELECT count(*) FROM events WHERE action IS DISTINCT FROM 'x' AND version = 1 OR id = 'e2'", 2),
        (
            "SELECT count(*) FROM events a JOIN events b ON a.id IS NOT DISTINCT FROM b.id AND b.version = 1",
            1,
        ),
        ("SELECT count(*) FROM events HAVING count(*) IS DISTINCT FROM 0 AND true", 6),
    ] {
        assert_eq!(value(&engine, sql).await, json!(expected), "{sql}");
    }
    let sql = "SELECT 1 IS DISTINCT FROM 2 IS NULL";
    let error = batches(&engine, request(sql)).await.expect_err(sql);
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("parentheses"), "{error}");
}

/// Would catch groups that took no part and are left out, so that those after them move.
#[tokio::test]
async fn groups_of_regular_expressions_keep_their_positions() {
    let engine = engine().await;
    for (expression, expected) in [
        ("(regexp_match('GET /a', '(?:(PUT)|(GET)) (.*)'))[2]", json!("GET")),
        ("regexp_match('abc', '(x)?(b)')", json!([null, "b"])),
        ("regexp_match('abc', 'b.')", json!(["bc"])),
        ("regexp_match('ABC', '(b)', 'i')", json!(["B"])),
        ("regexp_match('abc', 'x')", json!(null)),
        ("regexp_match(NULL, 'x')", json!(null)),
        ("substring('abc' from '(x)?(b)')", json!(null)),
        ("substring('abc' from 'b.')", json!("bc")),
        ("regexp_replace('abc', '(x)?(b)', '[\\1\\2]')", json!("a[b]c")),
    ] {
        assert_eq!(value(&engine, &format!("SELECT {expression}")).await, expected, "{expression}");
    }
    let sql = "SELECT string_agg((regexp_match(id, '(e[1-3])|(e[4-6])'))[2], '' ORDER BY id) FROM events";
    assert_eq!(value(&engine, sql).await, json!("e4e5e6"));
}
