//! `auditlake retention`: remove now the days whose time is over, or tell which these are.
//!
//! In: the store. Out: a line for each tenant of which days go. Guaranteed: what is reported as removed is not shown any more by
//! anyone; its files go with a later sweep of a server.

use clap::Args;

use super::{Outcome, text};
use crate::{
    config::Config,
    error::Result,
    retention::{self, Expiry},
    server::{self, Access, Lake},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only tell what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Write although another writer holds the store's lease; that one then stops by itself
    #[arg(long, conflicts_with = "dry_run")]
    take_over: bool,
}

pub(super) async fn run(arguments: &Arguments, config: Config) -> Result<Outcome> {
    let stop = server::shutdown_on_signal();
    let access = match arguments.dry_run {
        true => Access::Read,
        false => Access::Write { take_over: arguments.take_over },
    };
    let Some(lake) = Lake::open_until(config, access, &stop).await? else { return Ok(Outcome::Stopped) };
    if arguments.dry_run {
        let planned = retention::planned(lake.tables(), lake.control()).await?;
        text::write_stdout(listed(&planned, "would go").as_bytes())?;
        return Ok(Outcome::Complete);
    }
    let expired = server::expire(&lake, &stop).await;
    lake.close().await?;
    let report = expired?;
    text::write_stdout(listed(&report.expired, "removed").as_bytes())?;
    for (tenant, error) in &report.failures {
        eprintln!("not removed: tenant '{tenant}': {}", error.report());
    }
    Ok(match (report.cancelled, report.failures.is_empty()) {
        (true, _) => Outcome::Stopped,
        (false, true) => Outcome::Complete,
        (false, false) => Outcome::Partial,
    })
}

/// `acme: 2 days removed, 2025-01-01 to 2025-01-02: 3 files, 1,200 events, 80.1 kB`
fn listed(expired: &[Expiry], what: &str) -> String {
    if expired.is_empty() {
        return "nothing has expired\n".to_owned();
    }
    let line = |expiry: &Expiry| {
        let (first, last) = expiry.range();
        let (days, files) = (expiry.days.len() as u64, expiry.files.len() as u64);
        format!(
            "{}: {} {what}, {first} to {last}: {}, {}, {}\n",
            expiry.tenant,
            text::counted(days, "day"),
            text::counted(files, "file"),
            text::counted(expiry.rows(), "event"),
            text::bytes(expiry.bytes()),
        )
    };
    expired.iter().map(line).collect()
}
