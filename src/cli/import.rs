//! `auditlake import`: events from files into a store or a running server.
//!
//! Stores what can be stored, names what cannot (file, record, reason) and says how many of each. Importing
//! the same files again changes nothing, as far as their events carry ids, which those of all formats but native do.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use tokio_util::sync::CancellationToken;

use super::{
    Global, Outcome,
    pipeline::{self, Outlet, Parcel},
    progress::{self, Watch},
    sink::{Sent, Sink},
    text,
};
use crate::{
    config::Config,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    import::{Counts, Input, Origin, Reader, Refusal, Settings, Source, Step},
    limits::{IMPORT_REASONS_COUNTED_MAX, IMPORT_REFUSALS_SHOWN_MAX},
    server::{self, Access, Lake},
};

const AFTER_HELP: &str = "\
Formats:
  native      events as POST /v1/events takes them: NDJSON, an array, or single objects
  cloudtrail  AWS CloudTrail log files ({\"Records\": […]}), or single records
  okta        events of the Okta System Log, as the API and log streams give them
  github      events of GitHub's audit log: REST API, streams, JSON export

All but native need --tenant. What a record has no column for goes to the event's metadata.
Files may be packed with gzip or zstd. From a folder, all .json, .ndjson and .jsonl files are taken.
An event that is there already is not stored again; a native one without an id always counts as new.

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
    /// Write although another writer holds the store's lease; that one then stops by itself
    #[arg(long)]
    take_over: bool,
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
    let inputs = Input::find(&arguments.paths)?;
    let reader = Reader::new(inputs, arguments.format, Settings::default());
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
    let mut report = Report::new(&reader);
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
    report.print(counts, stop.is_cancelled())
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
                Step::Refused(refusal) => {
                    Parcel { body: bytes::Bytes::new(), label: Label::Refused(refusal) }
                }
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
}

struct Report {
    bar: ProgressBar,
    watch: Watch,
    bytes: u64,
    accepted: u64,
    duplicates: u64,
    refused: u64,
    /// Those that are not shown one by one, by reason.
    not_shown: BTreeMap<String, u64>,
}

impl Report {
    fn new(reader: &Reader) -> Self {
        let bar = progress::of_bytes(reader.bytes_total(), "importing");
        let (watch, not_shown) = (Watch::start(), BTreeMap::new());
        Self { bar, watch, bytes: 0, accepted: 0, duplicates: 0, refused: 0, not_shown }
    }

    fn add(&mut self, label: Label, bytes: u64, sent: Sent) {
        self.bytes += bytes;
        self.accepted += sent.accepted;
        self.duplicates += sent.duplicates;
        match label {
            Label::Refused(Refusal { input, origin, reason }) => {
                let place = origin.map_or_else(|| input.to_string(), |origin| origin.to_string());
                self.refuse(&place, &reason);
            }
            Label::Events(origins) => {
                for (index, reason) in &sent.refused {
                    let origin = origins.get(*index).map_or_else(String::new, Origin::to_string);
                    self.refuse(&origin, reason);
                }
            }
        }
        self.bar.set_message(format!("{} events", text::count(self.accepted + self.duplicates)));
    }

    fn refuse(&mut self, place: &str, reason: &str) {
        self.refused += 1;
        if self.refused <= IMPORT_REFUSALS_SHOWN_MAX {
            self.bar.suspend(|| eprintln!("refused {place}: {reason}"));
        } else if let Some(count) = self.not_shown.get_mut(reason) {
            *count += 1;
        } else if self.not_shown.len() < IMPORT_REASONS_COUNTED_MAX {
            self.not_shown.insert(reason.to_owned(), 1);
        }
    }

    /// The refused that were not shown one by one, and why, as far as the reasons are few.
    fn print_not_shown(&self) {
        let more = self.refused.saturating_sub(IMPORT_REFUSALS_SHOWN_MAX);
        if more == 0 {
            return;
        }
        eprintln!("refused {} more, not shown", text::count(more));
        for (reason, count) in &self.not_shown {
            eprintln!("  {} × {reason}", text::count(*count));
        }
        let other = more - self.not_shown.values().sum::<u64>();
        if other > 0 {
            eprintln!("  {} × other reasons", text::count(other));
        }
    }

    fn print(&self, counts: Counts, stopped: bool) -> Result<Outcome> {
        self.print_not_shown();
        let events = self.accepted + self.duplicates;
        let line = format!(
            "{}{} from {}: {} new, {} known before, {} refused; {} {}\n",
            if stopped { "stopped after " } else { "" },
            text::counted(counts.records, "record"),
            text::counted(counts.inputs, "file"),
            text::count(self.accepted),
            text::count(self.duplicates),
            text::count(self.refused),
            text::bytes(self.bytes),
            self.watch.describe(events, "event"),
        );
        text::write_stdout(line.as_bytes())?;
        Ok(match (stopped, self.refused) {
            (true, _) => Outcome::Stopped,
            (false, 0) => Outcome::Complete,
            (false, _) => Outcome::Partial,
        })
    }
}
