//! Lines to paste that read a table with programs that are not ours.
//!
//! In: where a table is. Out: text for DuckDB, Polars and Spark that counts its events by action. Guaranteed: a pure function; whatever
//! is in a URL stays inside its quotes; credentials are those that each program finds where it runs.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::table::Described;

/// A snippet for each program.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Snippets {
    /// SQL.
    duckdb: String,
    /// Python.
    polars: String,
    /// Python, in a session that has Delta Lake.
    spark: String,
}

impl Snippets {
    pub(super) fn of(table: &Described) -> Self {
        Self { duckdb: duckdb(table), polars: polars(table), spark: spark(table) }
    }
}

fn duckdb(table: &Described) -> String {
    let location = sql_text(&table.location);
    let secret = if is_in_bucket(table) { duckdb_secret(table, &location) } else { String::new() };
    format!(
        "INSTALL delta; LOAD delta;\n{secret}SELECT action, count(*) AS events FROM delta_scan({location}) GROUP BY action ORDER BY events DESC;\n"
    )
}

fn duckdb_secret(table: &Described, location: &str) -> String {
    let mut options = format!("TYPE s3, PROVIDER credential_chain, SCOPE {location}");
    if let Some(region) = &table.region {
        options += &format!(", REGION {}", sql_text(region));
    }
    if let Some((scheme, host)) = table.endpoint.as_ref().and_then(|endpoint| endpoint.split_once("://")) {
        let host = sql_text(host.trim_end_matches('/'));
        options += &format!(", ENDPOINT {host}, URL_STYLE 'path', USE_SSL {}", scheme == "https");
    }
    format!("CREATE OR REPLACE SECRET audit_log ({options});\n")
}

fn polars(table: &Described) -> String {
    let mut options = Map::new();
    if let Some(region) = &table.region {
        options.insert("aws_region".into(), json!(region));
    }
    if let Some(endpoint) = &table.endpoint {
        options.insert("aws_endpoint_url".into(), json!(endpoint));
        if endpoint.starts_with("http://") {
            options.insert("aws_allow_http".into(), json!("true"));
        }
    }
    let options = match options.is_empty() {
        true => String::new(),
        false => format!(", storage_options={}", Value::Object(options)),
    };
    format!(
        "import polars\n# Polars' own reader takes \"tenant=\" in the URL for a column of its own; pyarrow's does not.\nevents = polars.scan_delta({}{options}, use_pyarrow=True)\nprint(events.group_by(\"action\").len().sort(\"len\", descending=True).collect())\n",
        python_text(&table.location)
    )
}

fn spark(table: &Described) -> String {
    let location = match table.location.strip_prefix("s3://") {
        Some(rest) => format!("s3a://{rest}"),
        None => table.location.clone(),
    };
    let endpoint = table.endpoint.as_ref().map_or_else(String::new, |endpoint| {
        let endpoint = python_text(endpoint);
        format!("spark.conf.set(\"fs.s3a.endpoint\", {endpoint})\nspark.conf.set(\"fs.s3a.path.style.access\", \"true\")\n")
    });
    format!(
        "{endpoint}events = spark.read.format(\"delta\").load({})\nevents.groupBy(\"action\").count().orderBy(\"count\", ascending=False).show()\n",
        python_text(&location)
    )
}

fn is_in_bucket(table: &Described) -> bool {
    table.location.starts_with("s3://")
}

fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What JSON calls a text, Python does too.
fn python_text(text: &str) -> String {
    json!(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(location: &str, endpoint: Option<&str>, region: Option<&str>) -> Described {
        Described {
            tenant_id: "acme".into(),
            location: location.into(),
            endpoint: endpoint.map(str::to_owned),
            region: region.map(str::to_owned),
            version: Some(7),
            committed_at: None,
            rows: 1,
            files: 1,
            bytes: 1,
            partition_columns: ["day"],
            schema: Vec::new(),
        }
    }

    /// Would catch a snippet that asks another place than the one where the table is, and a URL that ends its quotes.
    #[test]
    fn each_program_is_told_where_the_table_is() {
        let folder = Snippets::of(&table("file:///it's/events/acme", None, None));
        assert!(folder.duckdb.contains("delta_scan('file:///it''s/events/acme')"), "{folder:?}");
        assert!(!folder.duckdb.contains("SECRET"), "{folder:?}");
        assert!(folder.polars.contains("scan_delta(\"file:///it's/events/acme\", "), "{folder:?}");

        let aws = Snippets::of(&table("s3://lake/a\"b\\c", None, Some("eu-central-1")));
        assert!(aws.duckdb.contains("SCOPE 's3://lake/a\"b\\c', REGION 'eu-central-1')"), "{aws:?}");
        assert!(
            aws.polars.contains(r#"("s3://lake/a\"b\\c", storage_options={"aws_region":"eu-central-1"}, "#),
            "{aws:?}"
        );
        assert!(aws.spark.contains(r#"load("s3a://lake/a\"b\\c")"#), "{aws:?}");

        let other = Snippets::of(&table("s3://lake/x", Some("http://10.0.0.1:9000/"), None));
        for part in ["ENDPOINT '10.0.0.1:9000'", "URL_STYLE 'path'", "USE_SSL false"] {
            assert!(other.duckdb.contains(part), "{other:?}");
        }
        assert!(other.polars.contains(r#""aws_allow_http":"true""#), "{other:?}");
        assert!(
            other.spark.starts_with("spark.conf.set(\"fs.s3a.endpoint\", \"http://10.0.0.1:9000/\")\n"),
            "{other:?}"
        );
    }
}
