//! `auditlake compact`: merge now whatever can be merged, days still growing included.

use clap::Args;
use indicatif::ProgressBar;

use super::{
    Outcome,
    progress::{self, Watch},
    text,
};
use crate::{
    compact::{Policy, Report, compact_all, upkeep},
    config::Config,
    error::Result,
    server::{self, Access, Lake},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Write although another writer holds the store's lease; that one then stops by itself
    #[arg(long)]
    take_over: bool,
    /// Make the skip index of all tenants anew from their files
    #[arg(long)]
    rebuild_index: bool,
}

/// All live files.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Files {
    pub(super) count: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

pub(super) async fn run(arguments: &Arguments, config: Config) -> Result<Outcome> {
    let stop = server::shutdown_on_signal();
    let access = Access::Write { take_over: arguments.take_over };
    let Some(lake) = Lake::open_until(config, access, &stop).await? else { return Ok(Outcome::Stopped) };
    let before = files(&lake).await?;
    let watch = Watch::start();
    if arguments.rebuild_index {
        upkeep::forget(lake.tables(), lake.indexes()).await;
    }
    let compacted = compact(&lake, &stop).await;
    let after = files(&lake).await;
    let index = index_size(&lake).await;
    lake.close().await?;
    let (report, after) = (compacted?, after?);
    for failure in &report.failures {
        eprintln!("not compacted: {failure}");
    }
    text::write_stdout(summary(before, after, &report, &watch).as_bytes())?;
    if let Some((segments, bytes)) = index {
        text::write_stdout(index_summary(segments, bytes, after, &report).as_bytes())?;
    }
    Ok(match (report.cancelled, report.failures.is_empty()) {
        (true, _) => Outcome::Stopped,
        (false, true) => Outcome::Complete,
        (false, false) => Outcome::Partial,
    })
}

/// Compacts with no settle time: who asks for it wants it now.
pub(super) async fn compact(lake: &Lake, stop: &tokio_util::sync::CancellationToken) -> Result<Report> {
    let policy = Policy { settle_ms: 0, ..lake.config().compact.clone() };
    let bar: ProgressBar = progress::of_count(0, "compacting");
    let report = compact_all(lake.tables(), lake.indexes(), &policy, lake.clock(), stop, |progress| {
        bar.set_position(progress.report.rows);
        bar.set_message(format!("rows, {} to go", text::counted(progress.jobs_left as u64, "job")));
    })
    .await;
    bar.finish_and_clear();
    report
}

/// What is there now.
pub(super) async fn files(lake: &Lake) -> Result<Files> {
    let mut files = Files::default();
    for tenant in lake.tables().tenants() {
        let Some(table) = lake.tables().get(&tenant).await? else { continue };
        for file in table.snapshot().files.iter() {
            files.count += 1;
            files.rows += file.rows;
            files.bytes += file.size_bytes;
        }
    }
    Ok(files)
}

/// Segments of all tenants' indexes and their bytes; `None` if the index is off.
async fn index_size(lake: &Lake) -> Option<(usize, u64)> {
    if !lake.indexes().enabled() {
        return None;
    }
    let mut total = (0, 0);
    for tenant in lake.tables().tenants() {
        let size = lake.indexes().of(&tenant).size().await;
        total = (total.0 + size.segments, total.1 + size.bytes);
    }
    Some(total)
}

/// `index: 3 segments, 9.1 MB, 18.9 % of the files; 12 files were not indexed`
fn index_summary(segments: usize, bytes: u64, files: Files, report: &Report) -> String {
    let percent = 100.0 * bytes as f64 / files.bytes.max(1) as f64;
    let segments = text::counted(segments as u64, "segment");
    let missing = match report.files_indexed {
        0 => String::new(),
        missing => format!("; {} had no index and got one", text::counted(missing as u64, "file")),
    };
    format!("index: {segments}, {}, {percent:.1} % of the files{missing}\n", text::bytes(bytes))
}

/// `1,800 files, 62.1 MB → 120 files, 48.0 MB; 1,000,000 rows in 3.10 s (…)`
pub(super) fn summary(before: Files, after: Files, report: &Report, watch: &Watch) -> String {
    if report.jobs == 0 && !report.cancelled {
        let (files, bytes) = (text::counted(before.count, "file"), text::bytes(before.bytes));
        return format!("nothing to merge: {files}, {bytes}, {}\n", text::counted(before.rows, "row"));
    }
    format!(
        "{}{}, {} → {}, {}; {} rewritten of {}, {}\n",
        if report.cancelled { "stopped after: " } else { "" },
        text::counted(before.count, "file"),
        text::bytes(before.bytes),
        text::counted(after.count, "file"),
        text::bytes(after.bytes),
        text::counted(report.rows, "row"),
        text::count(after.rows),
        watch.describe(report.rows, "row"),
    )
}
