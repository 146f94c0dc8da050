//! `auditlake demo`: a sample company from nothing to answers, through the same code that real events take.

use std::net::SocketAddr;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Outcome, compact, demo_steps, progress::Watch, text};
use crate::{
    config::{Config, Sources},
    error::{Error, ErrorKind, Result},
    generate::{Generator, Settings},
    query::saved::Catalogue,
    server::{self, Access, Lake},
    telemetry::random_hex,
};

const AFTER_HELP: &str = "\
Without --store the events go into a new folder under the system's temporary folder, never into
AUDITLAKE_STORE. The folder is kept; remove it when you are done.

Examples:
  auditlake demo
  auditlake demo --events 100000 --exit";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// Number of events
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    events: u64,
    /// Number of tenants, from very large to very small
    #[arg(long, default_value_t = 20, value_name = "N")]
    tenants: usize,
    /// Number of days, up to yesterday
    #[arg(long, default_value_t = 90, value_name = "N")]
    days: u32,
    /// Any number; another one gives another company
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// End after the investigations instead of serving
    #[arg(long)]
    exit: bool,
    /// Where to serve; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,
}

/// Before the configuration is put together: a store of its own and a key that can be shown.
pub(super) fn prepare(sources: &mut Sources) {
    if sources.flags.store.is_none() {
        let folder = std::env::temp_dir().join(format!("auditlake-demo-{}", random_hex::<4>()));
        sources.flags.store = Some(folder.to_string_lossy().into_owned());
    }
    if !sources.environment.iter().any(|(name, _)| name == "AUDITLAKE_ROOT_KEY") {
        let key = format!("alk_{}", random_hex::<32>());
        sources.environment.push(("AUDITLAKE_ROOT_KEY".into(), key));
    }
}

pub(super) async fn run(arguments: &Arguments, config: Config) -> Result<Outcome> {
    let stop = server::shutdown_on_signal();
    // The address first: a port that is taken should not be found out after all the work.
    let listener = if arguments.exit { None } else { Some(server::bind(&config).await?) };
    let saved = Catalogue::load(config.query.folder.as_deref())?;
    let access = Access::Write { take_over: false };
    let Some(lake) = Lake::open_until(config, access, &stop).await? else { return Ok(Outcome::Stopped) };
    text::say(&format!("store: {} (kept after the demo)", lake.store().display()));
    if !lake.tables().tenants().is_empty() {
        let message = format!("{} holds events: the demo wants an empty store", lake.store().display());
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let lake = fill_and_ask(arguments, lake, &saved, &stop).await?;
    let Some(listener) = listener.filter(|_| !stop.is_cancelled()) else {
        lake.close().await?;
        return Ok(Outcome::Complete);
    };
    let address = listener
        .local_addr()
        .map_err(|error| Error::with_source(ErrorKind::Internal, "the listener has no address", error))?;
    say_curl(&lake, address);
    server::serve(lake, saved, listener, stop).await?;
    Ok(Outcome::Complete)
}

/// Everything but serving. The lake comes back open, also after Ctrl-C.
async fn fill_and_ask(
    arguments: &Arguments,
    lake: Lake,
    saved: &Catalogue,
    stop: &CancellationToken,
) -> Result<Lake> {
    let today = lake.clock().now().date_naive();
    let start = today.checked_sub_days(chrono::Days::new(arguments.days.into())).unwrap_or(today);
    let settings = Settings {
        seed: arguments.seed,
        tenants: arguments.tenants,
        events: arguments.events,
        start,
        days: arguments.days,
        enterprise_percent: None,
    };
    let generator = Generator::new(&settings)?;
    let incident = generator.incident().cloned();
    text::say(&format!(
        "\n1. {} of {} over {}, generated and taken in as a server would",
        text::counted(settings.events, "event"),
        text::counted(settings.tenants as u64, "tenant"),
        text::counted(settings.days.into(), "day"),
    ));
    let lake = demo_steps::ingest(lake, generator, settings.events, stop).await?;
    if stop.is_cancelled() {
        return Ok(lake);
    }

    text::say("\n2. Compaction");
    let before = compact::files(&lake).await?;
    let watch = Watch::start();
    let report = compact::compact(&lake, stop).await?;
    text::say(compact::summary(before, compact::files(&lake).await?, &report, &watch).trim_end());
    if stop.is_cancelled() {
        return Ok(lake);
    }

    text::say("\n3. Investigations");
    demo_steps::investigate(&lake, saved, today, arguments.days, incident.as_ref()).await?;
    Ok(lake)
}

fn say_curl(lake: &Lake, address: SocketAddr) {
    let key = lake.config().root_key.as_ref().map_or("$KEY", |key| key.expose());
    text::say(&format!(
        "\n4. The same over HTTP, with the key {key}\n\n\
         curl -s 'http://{address}/v1/sql?format=table' -H 'Authorization: Bearer {key}' \\\n  \
         -H 'Content-Type: application/json' \\\n  \
         -d '{{\"sql\": \"SELECT action, count(*) AS events FROM events GROUP BY action ORDER BY events DESC LIMIT 10\"}}'\n"
    ));
}
