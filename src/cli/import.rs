//! `auditlake import`: events from files into a store or a running server.
//!
//! Stores what can be stored, names what cannot (file, line, id, reason) and says how many of each. Importing
//! the same files again changes nothing, as far as their events carry ids, which those of all formats but native do.

mod report;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use self::report::Report;

use super::{
    Global, Outcome,
    pipeline::{self, Outlet, Parcel},
    sink::Sink,
};
use crate::{
    config::Config,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    import::{Counts, Input, Note, Origin, Reader, Refusal, Settings, Source, Step},
    server::{self, Access, Lake},
};

const AFTER_HELP: &str = "\
Formats:
  native      events as POST /v1/events takes them: NDJSON, an array, or single objects
  cloudtrail  AWS CloudTrail log files ({\"Records\": […]}), or single records
  okta        events of the Okta System Log, as the API and log streams give them
  github      events of GitHub's audit log: REST API, streams, JSON export

All but native need --tenant. What a record has no column for goes to the event's metadata.
Envelopes of transports are opened for every format: EventBridge, event hooks, Splunk HEC,
CloudWatch Logs, Firehose, Kinesis, SNS, SQS, log shippers, pages of APIs; docs/import.md
lists them. A broken record, line or comma is refused by name and costs no other record.
Files may be packed with gzip or zstd. From a folder, all files that begin as JSON does are
taken, whatever their names; those that are left out are named. An event that is there already
is not stored again; a native one without an id always counts as new.

Exit codes: 0 nothing refused, 3 records or files refused (all others are stored), 1 not done.

Examples:
  auditlake import --tenant acme --format cloudtrail ./AWSLogs
  auditlake import --tenant acme --format okta system-log.ndjson
  auditlake generate --events 100000 | auditlake import -
  auditlake import --server http://localhost:8080 --key $KEY --tenant acme events.ndjson.zst";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// Files and folders; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Whose events they are; needed if they do not name their tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// What the files hold
    #[arg(long, default_value = "native", value_name = "FORMAT")]
    format: Source,
    /// How to sum up on stdout what was imported, refused and left out
    #[arg(long, default_value = "text", value_name = "FORM")]
    summary: Summary,
    /// Write although another writer holds the store's lease; that one then stops by itself
    #[arg(long)]
    take_over: bool,
}

/// Forms of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Summary {
    /// A line for people
    Text,
    /// A JSON object on one line
    Json,
}

pub(super) async fn run(arguments: Arguments, global: &Global, config: Config) -> Result<Outcome> {
    let tenant = arguments.tenant.as_deref().map(TenantId::parse).transpose()?;
    if tenant.is_none() && !arguments.format.names_tenants() {
        let message = format!(
            "records of format {} name no tenant: say whose they are with --tenant",
            arguments.format
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let found = Input::find(&arguments.paths)?;
    let left_out = found.left_out.clone();
    let reader = Reader::new(found, arguments.format, Settings::default());
    let stop = server::shutdown_on_signal();
    let client = global.client()?;
    let lake = match &client {
        Some(_) => None,
        None => {
            let access = Access::Write { take_over: arguments.take_over };
            let Some(lake) = Lake::open_until(config, access, &stop).await? else {
                return Ok(Outcome::Stopped);
            };
            Some(lake.into())
        }
    };
    let sink = match (client, &lake) {
        (Some(client), _) => Sink::server(client).mapped_from(arguments.format),
        (None, Some(lake)) => Sink::local(std::sync::Arc::clone(lake)).mapped_from(arguments.format),
        (None, None) => return Err(Error::new(ErrorKind::Internal, "neither a server nor a store is open")),
    };
    let mut report = Report::new(&reader, left_out);
    let stored = store(reader, &sink, tenant.as_ref(), &stop, &mut report).await;
    drop(sink);
    // What was accepted is durable whatever happened to the rest; it is committed before anything is reported.
    let closed = match lake.and_then(std::sync::Arc::into_inner) {
        Some(lake) => {
            // A long import may have a thousand days to commit, which takes longer than an ordered end waits for.
            report.bar.set_message("committing");
            let committed = match lake.ingest() {
                Ok(ingest) => stop.run_until_cancelled(ingest.flush()).await.unwrap_or(Ok(())),
                Err(error) => Err(error),
            };
            committed.and(lake.close().await)
        }
        None => Ok(()),
    };
    report.bar.finish_and_clear();
    let counts = stored?;
    closed?;
    report.print(arguments.summary, counts, stop.is_cancelled())
}

/// Reads and stores everything; the refusals go to stderr as they come.
async fn store(
    mut reader: Reader,
    sink: &Sink,
    tenant: Option<&TenantId>,
    stop: &CancellationToken,
    report: &mut Report,
) -> Result<Counts> {
    let bar = report.bar.clone();
    let producer = move |outlet: Outlet<Label>| {
        while outlet.is_wanted()
            && let Some(step) = reader.next()
        {
            let parcel = match step {
                Step::Batch(batch) => Parcel { body: batch.body.into(), label: Label::Events(batch.origins) },
                Step::Refused(refusal) => without_body(Label::Refused(refusal)),
                Step::Noted(note) => without_body(Label::Noted(note)),
            };
            bar.set_position(reader.bytes_read());
            if !outlet.put(parcel) {
                break;
            }
        }
        reader.counts()
    };
    pipeline::run(sink, tenant, stop, producer, |label, bytes, sent| report.add(label, bytes, sent)).await
}

/// What a parcel was.
enum Label {
    Events(Vec<Origin>),
    /// Nothing to store, something to say, in its place among the others.
    Refused(Refusal),
    /// The same.
    Noted(Note),
}

fn without_body(label: Label) -> Parcel<Label> {
    Parcel { body: bytes::Bytes::new(), label }
}
