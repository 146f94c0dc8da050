//! Lines to paste that read a table with programs that are not ours.
//!
//! In: where a table is, and which days it has. Out: text for each program that counts the events of the newest week by action, and says
//! in a line what is easily got wrong there. Guaranteed: a pure function; whatever is in a URL stays inside its quotes; credentials are
//! those that each program finds where it runs; files of other days are skipped, for `day` stands beside the time.

mod python;
mod sql;

use chrono::{Days, NaiveDate};
use serde::Serialize;

use crate::table::Described;

/// Days that are counted: the newest ones.
const DAYS: u64 = 7;

/// A snippet for each program.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Snippets {
    /// SQL.
    duckdb: String,
    /// Python.
    polars: String,
    /// Python.
    deltalake: String,
    /// Python.
    pyarrow: String,
    /// SQL.
    clickhouse: String,
    /// Python.
    daft: String,
    /// Python.
    datafusion: String,
    /// Python, in a session that has Delta Lake.
    spark: String,
}

impl Snippets {
    pub(super) fn of(table: &Described) -> Self {
        let since = since(table);
        Self {
            duckdb: sql::duckdb(table, since),
            polars: python::polars(table, since),
            deltalake: python::deltalake(table, since),
            pyarrow: python::pyarrow(table, since),
            clickhouse: sql::clickhouse(table, since),
            daft: python::daft(table, since),
            datafusion: python::datafusion(table, since),
            spark: python::spark(table, since),
        }
    }
}

/// The first of the days that are counted.
fn since(table: &Described) -> NaiveDate {
    let newest = table.last_day.and_then(|last| last.checked_sub_days(Days::new(DAYS - 1)));
    newest.unwrap_or_default()
}

/// The names of the places below a bucket: its name, and the key.
fn in_bucket(table: &Described) -> Option<(&str, &str)> {
    table.location.strip_prefix("s3://")?.split_once('/')
}

/// Whether the folder's name looks like a partition column, as in stores that were made before there was another layout.
fn looks_like_a_column(table: &Described) -> bool {
    table.location.rsplit('/').next().is_some_and(|name| name.contains('='))
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
            first_day: NaiveDate::from_ymd_opt(2025, 1, 1),
            last_day: NaiveDate::from_ymd_opt(2026, 11, 30),
            partition_columns: ["day"],
            schema: Vec::new(),
        }
    }

    fn all(snippets: &Snippets) -> [(&str, &String); 8] {
        [
            ("duckdb", &snippets.duckdb),
            ("polars", &snippets.polars),
            ("deltalake", &snippets.deltalake),
            ("pyarrow", &snippets.pyarrow),
            ("clickhouse", &snippets.clickhouse),
            ("daft", &snippets.daft),
            ("datafusion", &snippets.datafusion),
            ("spark", &snippets.spark),
        ]
    }

    /// Would catch a snippet that asks another place than the one where the table is, and a URL that ends its quotes.
    #[test]
    fn each_program_is_told_where_the_table_is() {
        let folder = Snippets::of(&table("file:///it's/events/acme", None, None));
        assert!(folder.duckdb.contains("delta_scan('file:///it''s/events/acme')"), "{folder:?}");
        assert!(!folder.duckdb.contains("SECRET"), "{folder:?}");
        assert!(folder.polars.contains("scan_delta(\"file:///it's/events/acme\")"), "{folder:?}");
        assert!(folder.clickhouse.contains("deltaLakeLocal('/it''s/events/acme')"), "{folder:?}");

        let aws = Snippets::of(&table("s3://lake/a\"b\\c", None, Some("eu-central-1")));
        assert!(aws.duckdb.contains("SCOPE 's3://lake/a\"b\\c', REGION 'eu-central-1')"), "{aws:?}");
        let options = r#"("s3://lake/a\"b\\c", storage_options={"aws_region":"eu-central-1"})"#;
        for python in [&aws.polars, &aws.deltalake, &aws.pyarrow, &aws.datafusion] {
            assert!(python.contains(options), "{python}");
        }
        assert!(aws.spark.contains(r#"load("s3a://lake/a\"b\\c")"#), "{aws:?}");
        assert!(aws.daft.contains(r#"S3Config(region_name="eu-central-1")"#), "{aws:?}");
        let at_aws = "deltaLake('https://lake.s3.eu-central-1.amazonaws.com/a\"b\\\\c')";
        assert!(aws.clickhouse.contains(at_aws), "{aws:?}");

        let other = Snippets::of(&table("s3://lake/x", Some("http://10.0.0.1:9000/"), None));
        for part in ["ENDPOINT '10.0.0.1:9000'", "URL_STYLE 'path'", "USE_SSL false"] {
            assert!(other.duckdb.contains(part), "{other:?}");
        }
        assert!(other.polars.contains(r#""aws_allow_http":"true""#), "{other:?}");
        assert!(other.clickhouse.contains("deltaLake('http://10.0.0.1:9000/lake/x')"), "{other:?}");
        assert!(
            other.daft.contains(r#"S3Config(endpoint_url="http://10.0.0.1:9000/", use_ssl=False)"#),
            "{other:?}"
        );
        let spark = "spark.conf.set(\"fs.s3a.endpoint\", \"http://10.0.0.1:9000/\")\n";
        assert!(other.spark.starts_with(spark), "{other:?}");
    }

    /// Would catch a snippet that reads all files for a week's events, because it asks for times only.
    #[test]
    fn the_day_stands_beside_the_time() {
        for (name, snippet) in all(&Snippets::of(&table("s3://lake/acme", None, None))) {
            for part in ["day", "occurred_at", "action"] {
                assert!(snippet.contains(part), "{name}: {snippet}");
            }
            assert!(snippet.contains("2026-11-24") || snippet.contains("2026, 11, 24"), "{name}: {snippet}");
        }
    }

    /// Would catch a document that shows other lines than those that the tests run.
    #[test]
    fn the_document_has_the_same_snippets() {
        let document = include_str!("../../../docs/delta.md");
        let snippets = Snippets::of(&table("s3://logs/prod/events/acme", None, Some("eu-central-1")));
        for (name, snippet) in all(&snippets) {
            assert!(document.contains(snippet.as_str()), "{name} in docs/delta.md:\n{snippet}");
        }
    }

    /// Would catch a table of an older store that is given to a reader which refuses it.
    #[test]
    fn polars_reads_older_stores_by_pyarrow() {
        let polars = |location: &str| Snippets::of(&table(location, None, None)).polars;
        assert!(polars("file:///events/tenant=acme").contains("use_pyarrow=True"));
        assert!(!polars("file:///a=b/events/acme").contains("use_pyarrow"));
    }
}
