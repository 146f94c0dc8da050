//! Lists with NULLs in them, and lists without values.

use serde_json::json;

use super::{comparisons::engine, fixture::*};

/// Would catch a NULL that is found in a list, one that is not removed, and a list without values that has a length.
#[tokio::test]
async fn nulls_in_lists_are_no_values() {
    let engine = engine().await;
    for (expression, expected) in [
        ("array_remove(ARRAY[1, NULL, 2], NULL)", json!([1, 2])),
        ("array_remove(ARRAY[1, NULL, 2, 1], 1)", json!([null, 2])),
        ("array_remove(ARRAY['a', 'b'], 'a')", json!(["b"])),
        ("array_remove(ARRAY[1.5, 2], 2)", json!([1.5])),
        ("array_remove(NULL::int[], 2)", json!(null)),
        ("ARRAY[1, NULL] @> ARRAY[NULL]::int[]", json!(false)),
        ("ARRAY[1, NULL] @> ARRAY[1, NULL]", json!(false)),
        ("ARRAY[1, NULL] @> ARRAY[1]", json!(true)),
        ("ARRAY[1, NULL] <@ ARRAY[1, NULL, 2]", json!(false)),
        ("ARRAY[1, NULL] && ARRAY[NULL, 2]", json!(false)),
        ("ARRAY[1, NULL] && ARRAY[NULL, 1]", json!(true)),
        ("array_length(ARRAY[]::int[], 1)", json!(null)),
        ("array_length(ARRAY[1, 2], 1)", json!(2)),
    ] {
        assert_eq!(value(&engine, &format!("SELECT {expression}")).await, expected, "{expression}");
    }
    let sql = "SELECT array_remove(array_agg(version ORDER BY id), NULL) FROM events";
    assert_eq!(value(&engine, sql).await, json!([1, 2, 4, 5, 6]));
}
