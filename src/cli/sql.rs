//! `auditlake sql`: one question, its answer on stdout.

use std::io::{IsTerminal, Read};

use clap::Args;
use futures::{Stream, StreamExt};
use serde_json::{Map, Value};

use super::{
    Global, Outcome,
    progress::Watch,
    text::{self, Written},
};
use crate::{
    config::Config,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    query::{
        Request, Scope,
        format::{Format, encode},
    },
    server::{self, Access, Lake},
};

const AFTER_HELP: &str = "\
The table is `events`; its columns: auditlake sql \"SELECT * FROM events LIMIT 1\" --format json

Examples:
  auditlake sql \"SELECT count(*) FROM events\"
  auditlake sql --tenant acme --param who=u_1 \"SELECT * FROM events WHERE actor_id = $who\"
  auditlake sql --format parquet - < question.sql > answer.parquet";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// The question; `-` reads it from standard input
    #[arg(value_name = "SQL")]
    sql: String,
    /// Whose events; all tenants' if not given
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// table, json, ndjson, csv, csv-raw (text as it is, not for spreadsheets), arrow or parquet
    #[arg(long, default_value = "table", value_name = "FORMAT", value_parser = parse_format)]
    format: Format,
    /// A value for $NAME in the question: JSON if it is valid JSON, else text
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_param)]
    params: Vec<(String, Value)>,
}

pub(super) fn parse_format(name: &str) -> Result<Format, String> {
    Format::from_name(name).map_err(|error| error.to_string())
}

/// `n=10` is a number, `id=u_1` text; `id="10"` (with the quotes) is text too.
pub(super) fn parse_param(given: &str) -> Result<(String, Value), String> {
    let (name, value) = given.split_once('=').ok_or_else(|| format!("{given:?} is not NAME=VALUE"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.trim_start_matches('$').to_owned(), value))
}

pub(super) async fn run(arguments: Arguments, global: &Global, config: Config) -> Result<Outcome> {
    let Arguments { sql, tenant, format, params } = arguments;
    refuse_bytes_for_people(format)?;
    let sql = if sql == "-" { read_stdin()? } else { sql };
    let tenant = tenant.as_deref().map(TenantId::parse).transpose()?;
    let params: Map<String, Value> = params.into_iter().collect();
    finish(async {
        if let Some(client) = global.client()? {
            let answer = client.sql(&sql, tenant.as_ref(), &params, format).await?;
            return print(answer).await;
        }
        let lake = Lake::open(config, Access::Read).await?;
        let scope = tenant.map_or(Scope::All, Scope::Tenant);
        let running = lake.engine().run(Request { sql, params, scope }).await?;
        print(encode(running, format)).await
    })
    .await
}

/// Formats of bytes make a mess of a terminal.
pub(super) fn refuse_bytes_for_people(format: Format) -> Result<()> {
    if matches!(format, Format::Arrow | Format::Parquet) && std::io::stdout().is_terminal() {
        let message = format!("{} is not for terminals: redirect it to a file", format.name());
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(())
}

/// Waits for an answer, which is printed while it comes, or for Ctrl-C.
pub(super) async fn finish(asked: impl Future<Output = Result<u64>>) -> Result<Outcome> {
    let stop = server::shutdown_on_signal();
    let watch = Watch::start();
    let bytes = tokio::select! {
        printed = asked => printed?,
        () = stop.cancelled() => {
            eprintln!("stopped; the answer is not complete");
            return Ok(Outcome::Stopped);
        }
    };
    if std::io::stderr().is_terminal() {
        eprintln!("{} in {:.3} s", text::bytes(bytes), watch.seconds());
    }
    Ok(Outcome::Complete)
}

fn read_stdin() -> Result<String> {
    let mut sql = String::new();
    std::io::stdin().read_to_string(&mut sql).map_err(|error| {
        Error::with_source(ErrorKind::Invalid, "cannot read the question from standard input", error)
    })?;
    Ok(sql)
}

/// Writes the answer as it comes; returns its size.
pub(super) async fn print(answer: impl Stream<Item = Result<bytes::Bytes>>) -> Result<u64> {
    let mut answer = std::pin::pin!(answer);
    let mut bytes = 0;
    while let Some(chunk) = answer.next().await {
        let chunk = chunk?;
        bytes += chunk.len() as u64;
        if text::write_stdout(&chunk)? == Written::ReaderGone {
            break;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Would catch a number sent as text, or text that looks like a number without a way to say so.
    #[test]
    fn params_are_json_where_they_can_be() {
        for (given, name, value) in [
            ("n=10", "n", json!(10)),
            ("$who=u_1", "who", json!("u_1")),
            ("id=\"10\"", "id", json!("10")),
            ("eq=a=b", "eq", json!("a=b")),
            ("none=null", "none", json!(null)),
            ("ids=[\"a\",\"b\"]", "ids", json!(["a", "b"])),
        ] {
            assert_eq!(parse_param(given), Ok((name.to_owned(), value)));
        }
        assert!(parse_param("nothing").is_err());
    }
}
