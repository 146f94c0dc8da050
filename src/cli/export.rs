//! `auditlake export`: a tenant's log, or the answer to a question, as files in a folder.
//!
//! In: a store, or a server and a key. Out: the files, `manifest.json` last, and one line that sums them up. Guaranteed: broken off
//! and called again with the same folder it goes on; what a server hands over is checked against the manifest before it is
//! given its name.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use futures::{Stream, TryStreamExt as _};
use indicatif::ProgressBar;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use super::{Global, Outcome, client::Client, progress, query, sql, text};
use crate::{
    config::Config,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    export::{
        self, Asked, NewExport, What,
        encode::{Compression, Format},
        manifest,
    },
    limits,
    query::{Filter, Scope, saved::Catalogue},
    server::{self, Access, Lake},
    telemetry::{Clock, hex},
};

const AFTER_HELP: &str = "\
Examples:
  auditlake export --tenant acme --format parquet --to ./acme
  auditlake export --tenant acme --format ndjson --filter 'action=document.*' --filter from=2026-01-01 --to ./acme-documents
  auditlake export --tenant acme --format csv --query who-deleted --param target=d_9 --to ./who";

/// Pause between two looks at an export of a server.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// Whose log
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// parquet, ndjson, csv, csv-raw (text as it is, not for spreadsheets), arrow, ocsf-parquet or ocsf-ndjson
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    format: Format,
    /// none, gzip or zstd, for ndjson and csv [default: as is usual for the format]
    #[arg(long, value_name = "NAME", value_parser = parse_compression)]
    compression: Option<Compression>,
    /// Only events that pass this filter of `GET /v1/events`; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = query::parse_param, conflicts_with_all = ["sql", "query"])]
    filter: Vec<(String, String)>,
    /// The answer to this question instead of events
    #[arg(long, value_name = "TEXT", conflicts_with = "query")]
    sql: Option<String>,
    /// The answer to this saved question instead of events
    #[arg(long, value_name = "NAME")]
    query: Option<String>,
    /// A value for one of the question's parameters
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = query::parse_param)]
    params: Vec<(String, String)>,
    /// Where to: a folder, which is made if it is missing
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Commit although another writer holds the store's lease; that one then stops by itself
    #[arg(long)]
    take_over: bool,
}

fn parse_format(name: &str) -> Result<Format, String> {
    Format::from_name(name).map_err(|error| error.to_string())
}

fn parse_compression(name: &str) -> Result<Compression, String> {
    Compression::from_name(name).map_err(|error| error.to_string())
}

pub(super) async fn run(arguments: Arguments, global: &Global, config: Config) -> Result<Outcome> {
    if !arguments.params.is_empty() && arguments.sql.is_none() && arguments.query.is_none() {
        return Err(Error::new(ErrorKind::Invalid, "--param needs --sql or --query"));
    }
    let stop = server::shutdown_on_signal();
    match global.client()? {
        Some(client) => of_server(&client, &arguments, &stop).await,
        None => of_store(arguments, config, &stop).await,
    }
}

/// Everything but the values is the library's to do.
async fn of_store(arguments: Arguments, mut config: Config, stop: &CancellationToken) -> Result<Outcome> {
    // Each file is read once: to keep its footer or its rows is memory for nothing.
    config.query.block_cache_bytes = 0;
    config.query.footer_cache_bytes = config.query.footer_cache_bytes.min(limits::EXPORT_FOOTER_CACHE_BYTES);
    let tenant = TenantId::parse(&arguments.tenant)?;
    let folder = folder(&arguments)?;
    let what = what(&arguments, &tenant, &config)?;
    let settings = config.export.clone();
    let access = Access::Write { take_over: arguments.take_over };
    let Some(lake) = Lake::open_until(config, access, stop).await? else { return Ok(Outcome::Stopped) };
    let bar = progress::of_share("exporting");
    let advance = |advance: export::Advance| progress::show_share(&bar, advance.done, advance.rows);
    let new = NewExport {
        tenant,
        what,
        format: arguments.format,
        compression: arguments.compression,
        destination: Asked::Folder { path: folder.clone() },
        by: "command line".to_owned(),
    };
    let exported = match lake.export_parts() {
        Ok(parts) => export::to_folder(parts, &settings, new, &folder, stop, advance).await,
        Err(error) => Err(error),
    };
    bar.finish_and_clear();
    lake.close().await?;
    let Some((_, end)) = exported? else { return Ok(Outcome::Stopped) };
    text::write_stdout(summary(end.files.iter().map(|file| (file.rows, file.bytes)), &folder).as_bytes())?;
    if let Some(day) = end.kept_from {
        eprintln!("retention took the days before {day} meanwhile; they may be missing");
    }
    Ok(Outcome::Complete)
}

/// Values for a text of one's own have the types of JSON; what a saved question's have to be, it says itself.
fn params(arguments: &Arguments) -> Result<Map<String, Value>> {
    let params = query::params(&arguments.params)?;
    if arguments.sql.is_none() {
        return Ok(params);
    }
    let typed = arguments.params.iter().map(|(name, value)| sql::parse_param(&format!("{name}={value}")));
    typed.collect::<Result<_, _>>().map_err(|message| Error::new(ErrorKind::Invalid, message))
}

fn what(arguments: &Arguments, tenant: &TenantId, config: &Config) -> Result<What> {
    let params = params(arguments)?;
    match (&arguments.sql, &arguments.query) {
        (Some(sql), _) => Ok(What::Sql { text: sql.clone(), params, query: None }),
        (None, Some(name)) => {
            let saved = Catalogue::load(config.query.folder.as_deref())?;
            let today = Clock::system().now().date_naive();
            let request = saved.get(name)?.request(&params, Scope::Tenant(tenant.clone()), today)?;
            Ok(What::Sql { text: request.sql, params: request.params, query: Some(name.clone()) })
        }
        (None, None) => filter(arguments).map(|filter| What::Filter(Box::new(filter))),
    }
}

fn filter(arguments: &Arguments) -> Result<Filter> {
    let mut filter = Filter::default();
    for (name, value) in &arguments.filter {
        if !Filter::knows(name) {
            let names = Filter::NAMES.join(", ");
            let message =
                format!("--filter {name}: there is no such filter; there are {names}, metadata.KEY");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        filter.set(name, value)?;
    }
    Ok(filter)
}

fn folder(arguments: &Arguments) -> Result<String> {
    let message = || format!("--to {}: the name is not Unicode", arguments.to.display());
    let folder = arguments.to.to_str().ok_or_else(|| Error::new(ErrorKind::Invalid, message()))?;
    Ok(folder.to_owned())
}

/// Asks a server, waits, and fetches.
async fn of_server(client: &Client, arguments: &Arguments, stop: &CancellationToken) -> Result<Outcome> {
    let folder = folder(arguments)?;
    let wanted = wanted(arguments)?;
    let begun = client.call::<Value>(Method::POST, "v1/exports", None, Some(&wanted));
    let Some(begun) = stop.run_until_cancelled(begun).await else { return Ok(Outcome::Stopped) };
    let id = begun?["id"].as_str().unwrap_or_default().to_owned();
    let bar = progress::of_share("exporting");
    let waited = stop.run_until_cancelled(wait(client, &id, &bar)).await;
    bar.finish_and_clear();
    let Some(ended) = waited else {
        eprintln!("the server goes on with {id}: fetch its files from /v1/exports/{id}/files/, or DELETE it");
        return Ok(Outcome::Stopped);
    };
    let fetched = stop.run_until_cancelled(fetch(client, &id, &ended?, arguments)).await;
    let Some(files) = fetched else { return Ok(Outcome::Stopped) };
    let files = files?;
    let sizes = files.iter().map(|file| (file.rows, file.bytes));
    text::write_stdout(summary(sizes, &folder).as_bytes())?;
    Ok(Outcome::Complete)
}

fn wanted(arguments: &Arguments) -> Result<Value> {
    let mut wanted = json!({
        "tenant_id": arguments.tenant,
        "format": arguments.format.name(),
        "compression": arguments.compression.map(Compression::name),
    });
    let params = params(arguments)?;
    match (&arguments.sql, &arguments.query) {
        (Some(sql), _) => (wanted["sql"], wanted["params"]) = (json!(sql), json!(params)),
        (None, Some(name)) => (wanted["query"], wanted["params"]) = (json!(name), json!(params)),
        (None, None) => wanted["filter"] = json!(filter(arguments)?),
    }
    Ok(wanted)
}

/// Waits until an export has ended well; gives its status.
async fn wait(client: &Client, id: &str, bar: &ProgressBar) -> Result<Value> {
    loop {
        let status: Value = client.call(Method::GET, &format!("v1/exports/{id}"), None, None).await?;
        let share = status["progress"].as_f64().unwrap_or_default();
        progress::show_share(bar, share, status["rows"].as_u64().unwrap_or_default());
        let why = status["error"].as_str().unwrap_or("no reason is given");
        match status["state"].as_str() {
            Some("completed") => return Ok(status),
            Some("failed") => {
                return Err(Error::new(ErrorKind::Invalid, format!("export {id} failed: {why}")));
            }
            Some("cancelled") => {
                return Err(Error::new(ErrorKind::Conflict, format!("export {id} was cancelled")));
            }
            Some("paused") => bar.println(format!("paused: {why}")),
            _ => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Fetches what `status` names, and the manifest last.
async fn fetch(client: &Client, id: &str, status: &Value, arguments: &Arguments) -> Result<Vec<Part>> {
    let message = || format!("what the server says of the files of {id} is not understood");
    let files: Vec<Part> = serde_json::from_value(status["files"].clone())
        .map_err(|error| Error::with_source(ErrorKind::Unavailable, message(), error))?;
    // A name that leads elsewhere is none of ours.
    if files.iter().any(|file| Path::new(&file.name).file_name() != Some(file.name.as_ref())) {
        return Err(Error::new(ErrorKind::Unavailable, message()));
    }
    tokio::fs::create_dir_all(&arguments.to).await.map_err(|error| unwritten(&arguments.to, error))?;
    let bar = progress::of_bytes(files.iter().map(|file| file.bytes).sum(), "fetching");
    for file in &files {
        let path = arguments.to.join(&file.name);
        let bytes = client.fetch(&format!("v1/exports/{id}/files/{}", file.name)).await?;
        download(bytes, &path, Some(&file.sha256), &bar).await?;
    }
    let manifest = client.fetch(&format!("v1/exports/{id}/files/{}", manifest::NAME)).await?;
    download(manifest, &arguments.to.join(manifest::NAME), None, &bar).await?;
    bar.finish_and_clear();
    Ok(files)
}

/// Writes `bytes` beside `path`, and gives them that name if they are what they should be.
async fn download(
    bytes: impl Stream<Item = Result<Bytes>>,
    path: &Path,
    sha256: Option<&str>,
    bar: &ProgressBar,
) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let written = |error| unwritten(&beside, error);
    let (mut file, mut digest) = (tokio::fs::File::create(&beside).await.map_err(written)?, Sha256::new());
    let mut bytes = pin!(bytes);
    while let Some(chunk) = bytes.try_next().await? {
        digest.update(&chunk);
        bar.inc(chunk.len() as u64);
        file.write_all(&chunk).await.map_err(written)?;
    }
    file.sync_all().await.map_err(written)?;
    let found = hex(&digest.finalize());
    if sha256.is_some_and(|expected| expected != found) {
        let message = format!("{} is not what the server wrote: its SHA-256 is {found}", beside.display());
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    tokio::fs::rename(&beside, path).await.map_err(|error| unwritten(path, error))
}

fn unwritten(path: &Path, error: std::io::Error) -> Error {
    Error::with_source(ErrorKind::Unavailable, format!("cannot write {}", path.display()), error)
}

/// A file, as a server tells of it.
#[derive(Debug, Deserialize)]
struct Part {
    name: String,
    rows: u64,
    bytes: u64,
    sha256: String,
}

/// `exported 2,900 rows in 1 file, 180.3 kB, to ./acme`, of the rows and bytes of each file.
fn summary(sizes: impl ExactSizeIterator<Item = (u64, u64)>, folder: &str) -> String {
    let files = sizes.len() as u64;
    let (rows, bytes) =
        sizes.fold((0, 0), |(rows, bytes), (more_rows, more_bytes)| (rows + more_rows, bytes + more_bytes));
    format!(
        "exported {} in {}, {}, to {folder}\n",
        text::counted(rows, "row"),
        text::counted(files, "file"),
        text::bytes(bytes)
    )
}
