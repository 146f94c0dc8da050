//! What the children do. Each ends with [`tell`].

use std::time::{Duration, Instant};

use auditlake::{
    compact::{Policy, compact_all},
    index::Indexes,
    query::{
        Engine, Request, Scope,
        format::{Format, encode},
    },
    store::Store,
    table::{Settings, Tables},
    telemetry::Clock,
};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::inputs;

/// First arguments that make a child of this program.
pub(crate) const NAMES: [&str; 6] = ["idle", "prepare", "prepare-answers", "tenant-of", "compact", "select"];

/// Runs one phase on threads as the program has them.
pub(crate) fn run(phase: &str, arguments: &[&str]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let percent = |text: &str| text.parse::<u64>().expect("a number");
    runtime.block_on(async {
        match (phase, arguments) {
            ("idle", [folder]) => idle(folder).await,
            ("prepare", [name, share, folder]) => inputs::prepare(name, percent(share), folder).await,
            ("prepare-answers", [share, folder]) => inputs::prepare_answers(percent(share), folder).await,
            ("tenant-of", [folder]) => tenant_of(folder).await,
            ("compact", [folder]) => compact(folder).await,
            ("select", [format, folder]) => select(format, folder).await,
            _ => panic!("{phase} does not take {arguments:?}"),
        }
    });
}

/// Says what was done and what it took at most; the parent reads it.
pub(crate) fn tell(rows: u64, taken: Duration, detail: &str) {
    let peak_kib = peak_kib().expect("the parent has looked");
    println!("measured {peak_kib} {rows} {:.3} {detail}", taken.as_secs_f64());
}

/// The largest resident memory of this process so far; `None` where the system does not tell.
pub(crate) fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The tables of the store in a folder.
pub(crate) async fn open(folder: &str) -> (Store, Tables) {
    let store = Store::open(folder, &Default::default()).await.expect("a store");
    let tables = Tables::open(store.clone(), Clock::system(), Settings::default()).await.expect("tables");
    (store, tables)
}

/// The skip index, as a program has it.
fn indexes(store: &Store) -> Indexes {
    Indexes::open(store.clone(), Clock::system(), Default::default())
}

async fn idle(folder: &str) {
    let started = Instant::now();
    let (store, tables) = open(folder).await;
    let _engine = Engine::new(&store, tables, indexes(&store), None, Clock::system(), Default::default())
        .expect("an engine");
    tell(0, started.elapsed(), "");
}

/// The tenant of a store that has one.
async fn tenant_of(folder: &str) {
    let (_, tables) = open(folder).await;
    tell(0, Duration::ZERO, tables.tenants().first().expect("there is a tenant").as_str());
}

async fn compact(folder: &str) {
    let (store, tables) = open(folder).await;
    let indexes = indexes(&store);
    let policy = Policy { settle_ms: 0, ..Policy::default() };
    let (clock, cancel) = (Clock::system(), CancellationToken::new());
    let started = Instant::now();
    let report =
        compact_all(&tables, &indexes, &policy, &clock, &cancel, |_| {}).await.expect("compaction starts");
    assert!(report.failures.is_empty(), "{}", report.failures[0]);
    let detail = format!(
        "{} files of {} MiB into {} in {} jobs",
        report.files_in,
        report.bytes_in / super::MIB,
        report.files_out,
        report.jobs
    );
    tell(report.rows, started.elapsed(), &detail);
}

async fn select(format: &str, folder: &str) {
    let (store, tables) = open(folder).await;
    let settings = auditlake::query::Settings { deadline_ms: 3_600_000, ..Default::default() };
    let engine =
        Engine::new(&store, tables, indexes(&store), None, Clock::system(), settings).expect("an engine");
    let started = Instant::now();
    let request =
        Request { sql: "SELECT * FROM events".into(), params: Default::default(), scope: Scope::All };
    let running = engine.run(request).await.expect("the query starts");
    let format = if format == "parquet" { Format::Parquet } else { Format::Ndjson };
    let mut bytes = 0;
    let mut chunks = encode(running, format);
    while let Some(chunk) = chunks.next().await {
        bytes += chunk.expect("the answer has an end").len() as u64;
    }
    tell(inputs::rows_of(folder).await, started.elapsed(), &format!("{} MiB of answer", bytes / super::MIB));
}
