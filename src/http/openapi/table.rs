//! The operation that tells where a tenant's table is, and its schema.

use serde_json::{Value, json};

use super::{
    admin::id,
    operation::Operation,
    parameters::tenant_id,
    schemas::{object, reference},
};
use crate::{auth::Scope, http::problem::ProblemType};

/// It.
pub(super) fn operation() -> Operation {
    Operation::new("get", "/v1/tenants/{id}/table", "getTenantTable", &[Scope::Read, Scope::Admin])
        .says(
            "Tenants",
            "Get where a tenant's table is",
            "The URL of the Delta table that the tenant's events are in, for readers that take it in place; what such a reader finds there \
             now, and lines to paste into DuckDB, Polars and Spark. Credentials are the store's to give. A store in memory has no URL (422).",
        )
        .takes([id()])
        .answers(200, "The table.", &[], &[("application/json", reference("Table"))])
        .refuses(&[ProblemType::NotFound, ProblemType::Invalid])
}

/// What it answers.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("Table", table())]
}

fn table() -> Value {
    let whole = |about: &str| json!({"type": "integer", "minimum": 0, "description": about});
    let text_or_null = |about: &str| json!({"type": ["string", "null"], "description": about});
    let text = |about: &str| json!({"type": "string", "description": about});
    let column = object(json!({
        "name": {"type": "string"},
        "type": text("As Delta names it: `string`, `long`, `integer`, `date`, `timestamp`, `array<string>`."),
        "nullable": {"type": "boolean"},
    }));
    object(json!({
        "tenant_id": tenant_id(),
        "location": text("The table's URL: `s3://…` or `file:///…`."),
        "endpoint": text_or_null("Of a bucket that is not on AWS: where it is asked for."),
        "region": text_or_null("The bucket's region, if the server was told."),
        "version": {"type": ["integer", "null"], "minimum": 0, "description":
            "The newest version; null: nothing is committed yet, and there is no table to read."},
        "committed_at": {"type": ["string", "null"], "format": "date-time", "description":
            "When that version was written, by the store's clock; null if its log entry is gone."},
        "rows": whole("Its rows: committed events, also those of days that have expired and are not removed yet."),
        "files": whole("Its data files."),
        "bytes": whole("Their size."),
        "partition_columns": {"type": "array", "items": {"type": "string"}},
        "schema": {"type": "array", "items": column, "description": "Its columns, in order."},
        "snippets": object(json!({
            "duckdb": text("SQL."),
            "polars": text("Python."),
            "spark": text("Python, for a session that has Delta Lake."),
        })),
    }))
}
