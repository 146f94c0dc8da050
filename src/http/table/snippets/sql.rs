//! Snippets in SQL: DuckDB and ClickHouse.

use chrono::NaiveDate;
use url::Url;

use super::in_bucket;
use crate::table::Described;

pub(super) fn duckdb(table: &Described, since: NaiveDate) -> String {
    let location = text(&table.location);
    let secret = if in_bucket(table).is_some() { duckdb_secret(table, &location) } else { String::new() };
    format!(
        "INSTALL delta; LOAD delta;\n\
         {secret}\
         -- day skips files, occurred_at alone skips none.\n\
         SELECT action, count(*) AS events FROM delta_scan({location})\n\
         WHERE day >= DATE '{since}' AND occurred_at >= TIMESTAMPTZ '{since} 00:00:00+00'\n\
         GROUP BY action ORDER BY events DESC;\n"
    )
}

fn duckdb_secret(table: &Described, location: &str) -> String {
    let mut options = format!("TYPE s3, PROVIDER credential_chain, SCOPE {location}");
    if let Some(region) = &table.region {
        options += &format!(", REGION {}", text(region));
    }
    if let Some((scheme, host)) = table.endpoint.as_ref().and_then(|endpoint| endpoint.split_once("://")) {
        let host = text(host.trim_end_matches('/'));
        options += &format!(", ENDPOINT {host}, URL_STYLE 'path', USE_SSL {}", scheme == "https");
    }
    format!("CREATE OR REPLACE SECRET audit_log ({options});\n")
}

/// It and chDB, which is the same inside a program.
pub(super) fn clickhouse(table: &Described, since: NaiveDate) -> String {
    let source = match (in_bucket(table), &table.endpoint, &table.region) {
        (Some((bucket, key)), Some(endpoint), _) => {
            format!("deltaLake({})", escaped(&format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/'))))
        }
        (Some((bucket, key)), None, Some(region)) => {
            format!("deltaLake({})", escaped(&format!("https://{bucket}.s3.{region}.amazonaws.com/{key}")))
        }
        (Some(_), None, None) => format!("deltaLake({})", escaped(&table.location)),
        (None, ..) => format!("deltaLakeLocal({})", escaped(&folder(&table.location))),
    };
    let where_from = match in_bucket(table) {
        Some(_) => {
            "-- Credentials are the server's own (use_environment_credentials), or two more arguments."
        }
        None => {
            "-- A folder has to be below user_files_path; of chDB and clickhouse-local, below the working folder."
        }
    };
    format!(
        "{where_from}\n\
         -- Times are UTC and do not say so; a list that is null comes as an empty one.\n\
         -- day skips files, occurred_at alone skips none.\n\
         SELECT action, count() AS events FROM {source}\n\
         WHERE day >= '{since}' AND occurred_at >= '{since} 00:00:00'\n\
         GROUP BY action ORDER BY events DESC\n"
    )
}

/// The path of a folder, of its URL.
fn folder(location: &str) -> String {
    let path = Url::parse(location).ok().and_then(|url| url.to_file_path().ok());
    path.map_or_else(|| location.to_owned(), |path| path.display().to_string())
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text of ClickHouse, in which a backslash means something.
fn escaped(value: &str) -> String {
    text(&value.replace('\\', "\\\\"))
}
