//! What names in `ORDER BY` mean.

use serde_json::json;

use super::{comparisons::engine, fixture::*};
use crate::error::ErrorKind;

/// Would catch a name inside of an expression that is taken for a column of the answer where a table has one of that name.
#[tokio::test]
async fn names_within_expressions_are_those_of_tables() {
    let engine = engine().await;
    let first = async |sql: &str| rows(&engine, sql).await[0].values().next().unwrap().clone();
    for (sql, expected) in [
        // Alone it is the answer's column.
        ("SELECT -version AS version FROM events WHERE version > 0 ORDER BY version LIMIT 1", json!(-6)),
        ("SELECT -version AS version FROM events WHERE version > 0 ORDER BY (version) LIMIT 1", json!(-6)),
        ("SELECT upper(id) AS id FROM events ORDER BY upper(id) DESC LIMIT 1", json!("E6")),
        ("SELECT DISTINCT upper(id) AS id FROM events ORDER BY upper(id) DESC LIMIT 1", json!("E6")),
        ("SELECT upper(id) AS id FROM events GROUP BY upper(id) ORDER BY upper(id) LIMIT 1", json!("E1")),
        // No table has it.
        ("SELECT version AS v FROM events WHERE version > 0 ORDER BY -v LIMIT 1", json!(6)),
    ] {
        assert_eq!(first(sql).await, expected, "{sql}");
    }
    for sql in [
        "SELECT id AS action, action AS id FROM events ORDER BY upper(id)",
        "SELECT -version AS version FROM events ORDER BY version + 0",
        "SELECT 9 - v AS v FROM (SELECT version AS v FROM events) s ORDER BY v * 1",
        "SELECT a.id AS action FROM events a JOIN events b ON a.id = b.id ORDER BY upper(action)",
    ] {
        let error = batches(&engine, request(sql)).await.expect_err(sql);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("another name after AS"), "{error}");
    }
}
