//! `auditlake generate`: the events of a synthetic company as NDJSON.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use chrono::NaiveDate;
use clap::Args;

use super::{
    Outcome,
    progress::{self, Watch},
    text,
};
use crate::{
    error::{Error, ErrorKind, Result},
    generate::{Generator, Incident, Settings},
    limits::IMPORT_BATCH_EVENTS_MAX,
};

const AFTER_HELP: &str = "\
The same seed and settings give the same bytes. One tenant has an account takeover among its events; --labels
writes what really happened, so that an investigation can be checked.

Examples:
  auditlake generate --events 1000 | head -1
  auditlake generate --events 20000000 --days 1095 --labels truth.json -o events.ndjson
  auditlake generate --events 20000000 --days 1095 --tenants 51 --enterprise 99 -o events.ndjson";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// Number of events, over all tenants
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    events: u64,
    /// Number of tenants, from very large to very small
    #[arg(long, default_value_t = 20, value_name = "N")]
    tenants: usize,
    /// Number of days
    #[arg(long, default_value_t = 90, value_name = "N")]
    days: u32,
    /// First day, UTC
    #[arg(long, default_value = "2026-01-01", value_name = "YYYY-MM-DD")]
    start: NaiveDate,
    /// Make the first tenant an enterprise with this share of the events, and the others small: 50 to 100
    #[arg(long, value_name = "PERCENT")]
    enterprise: Option<u32>,
    /// Any number; another one gives another company
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Write here instead of to stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the truth about the planted incident here, as JSON
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome> {
    let settings = Settings {
        seed: arguments.seed,
        tenants: arguments.tenants,
        events: arguments.events,
        start: arguments.start,
        days: arguments.days,
        enterprise_percent: arguments.enterprise,
    };
    let mut generator = Generator::new(&settings)?;
    if let Some(path) = &arguments.labels {
        write_labels(path, generator.incident())?;
    }
    let output: Box<dyn Write> = match &arguments.output {
        Some(path) => Box::new(File::create(path).map_err(|error| cannot_write(path, error))?),
        None => Box::new(io::stdout()),
    };
    let watch = Watch::start();
    let bar = progress::of_count(settings.events, "generating");
    let written = write(&mut generator, output, |events| bar.inc(events));
    bar.finish_and_clear();
    let (events, bytes) = match written {
        Ok(written) => written,
        // `auditlake generate | head` has all it wants.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Outcome::Complete),
        Err(error) => {
            let path = arguments.output.as_deref().unwrap_or(Path::new("stdout"));
            return Err(cannot_write(path, error));
        }
    };
    eprintln!(
        "{} of {}, {} {}",
        text::counted(events, "event"),
        text::counted(settings.tenants as u64, "tenant"),
        text::bytes(bytes),
        watch.describe(events, "event"),
    );
    Ok(Outcome::Complete)
}

/// Writes all events; returns their number and bytes.
fn write(generator: &mut Generator, output: impl Write, mut each: impl FnMut(u64)) -> io::Result<(u64, u64)> {
    let mut output = BufWriter::new(output);
    let (mut events, mut bytes) = (0, 0);
    let mut body = Vec::new();
    loop {
        body.clear();
        let count = generator.fill(&mut body, IMPORT_BATCH_EVENTS_MAX) as u64;
        if count == 0 {
            output.flush()?;
            return Ok((events, bytes));
        }
        output.write_all(&body)?;
        events += count;
        bytes += body.len() as u64;
        each(count);
    }
}

fn write_labels(path: &Path, incident: Option<&Incident>) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(&incident.into_iter().collect::<Vec<_>>())
        .map_err(|error| Error::with_source(ErrorKind::Internal, "cannot write the labels", error))?;
    text.push(b'\n');
    std::fs::write(path, text).map_err(|error| cannot_write(path, error))
}

fn cannot_write(path: &Path, error: io::Error) -> Error {
    Error::with_source(ErrorKind::Invalid, format!("cannot write {}", path.display()), error)
}
