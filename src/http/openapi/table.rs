//! The operations that tell where a tenant's table is and which files it has, and their schemas.

use serde_json::{Value, json};

use super::{
    admin::id,
    operation::Operation,
    parameters::{self, in_query, tenant_id},
    schemas::{object, reference},
};
use crate::{auth::Scope, http::problem::ProblemType, limits};

/// They.
pub(super) fn operations() -> [Operation; 2] {
    [table_operation(), files_operation()]
}

fn table_operation() -> Operation {
    Operation::new("get", "/v1/tenants/{id}/table", "getTenantTable", &[Scope::Read, Scope::Admin])
        .says(
            "Tenants",
            "Get where a tenant's table is",
            "The URL of the Delta table that the tenant's events are in, for readers that take it in place; what such a reader finds there \
             now, and lines to paste into programs that read it. Credentials are the store's to give. A store in memory has no URL (422).",
        )
        .takes([id()])
        .answers(200, "The table.", &[], &[("application/json", reference("Table"))])
        .refuses(&[ProblemType::NotFound, ProblemType::Invalid])
}

fn files_operation() -> Operation {
    let day = json!({"type": "string", "format": "date"});
    Operation::new("get", "/v1/tenants/{id}/table/files", "listTableFiles", &[Scope::Read, Scope::Admin])
        .says(
            "Tenants",
            "List the live files of a tenant's table",
            "For programs that read Parquet by a list of files and know nothing of Delta: the folder also has files that compaction has \
             replaced, and this list has not. A page has the files of whole days, so that the pages of a walk hold each committed event of \
             their days once, also if the table is compacted meanwhile. Credentials are the store's to give. A store in memory has no URLs (422).",
        )
        .takes([
            id(),
            in_query("first_day", "The first day whose files are wanted.", day.clone()),
            in_query("last_day", "The last one.", day),
            parameters::count(
                "limit",
                "Files, about: a page ends with the last day that fits, and has one day at least.",
                limits::TABLE_FILES_PAGE,
                limits::TABLE_FILES_PAGE_MAX,
            ),
            parameters::cursor("`next_cursor` of the page before. It holds the whole question."),
        ])
        .answers(200, "Some files, by day.", &["Link"], &[("application/json", reference("TableFiles"))])
        .refuses(&[ProblemType::NotFound, ProblemType::Invalid])
}

/// What they answer.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("Table", table()), ("TableFiles", files())]
}

fn files() -> Value {
    let whole = |about: &str| json!({"type": "integer", "minimum": 0, "description": about});
    let text = |about: &str| json!({"type": "string", "description": about});
    let time_or_null =
        |about: &str| json!({"type": ["string", "null"], "format": "date-time", "description": about});
    let file = object(json!({
        "url": text("Where it is: `s3://…` or `file:///…`."),
        "path": text("Where it is below the table: `day=…/….parquet`."),
        "day": {"type": "string", "format": "date", "description":
            "The day that all its events are of. The file has no column for it; the name of its folder says it."},
        "rows": whole("Its events."),
        "bytes": whole("Its size."),
        "first_occurred_at": time_or_null("No event in it is before this; null: not known."),
        "last_occurred_at": time_or_null("No event in it is after this; null: not known."),
    }));
    object(json!({
        "location": text("The table's URL."),
        "version": {"type": ["integer", "null"], "minimum": 0, "description":
            "The version whose files they are; null: nothing is committed yet. Pages of one walk may be of several."},
        "files": {"type": "array", "items": file},
        "next_cursor": {"type": ["string", "null"], "description": "What `cursor` takes for the next ones; null: there are no more."},
    }))
}

fn table() -> Value {
    let whole = |about: &str| json!({"type": "integer", "minimum": 0, "description": about});
    let text_or_null = |about: &str| json!({"type": ["string", "null"], "description": about});
    let text = |about: &str| json!({"type": "string", "description": about});
    let day_or_null =
        |about: &str| json!({"type": ["string", "null"], "format": "date", "description": about});
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
        "first_day": day_or_null("The first day that it has events of."),
        "last_day": day_or_null("The last one."),
        "partition_columns": {"type": "array", "items": {"type": "string"}},
        "schema": {"type": "array", "items": column, "description": "Its columns, in order."},
        "snippets": object(json!({
            "duckdb": text("SQL."),
            "polars": text("Python."),
            "deltalake": text("Python."),
            "pyarrow": text("Python, with deltalake."),
            "clickhouse": text("SQL, of chDB, too."),
            "daft": text("Python, with deltalake."),
            "datafusion": text("Python, with deltalake."),
            "spark": text("Python, for a session that has Delta Lake."),
        })),
    }))
}
