//! Compaction of many small files: rows a second, checked and committed.
//!
//! `cargo bench --bench compact`; the throughput that criterion prints is rows a second.

#![expect(missing_docs, reason = "of what the macros of criterion define")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use auditlake::{
    compact::{Policy, compact_all},
    index::Indexes,
    store::Store,
    table::{Settings, Tables},
    telemetry::Clock,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use object_store::memory::InMemory;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

mod support;

const FILES: u64 = 64;
const FILE_ROWS: u64 = 10_000;

/// Files that follow one another in time, as flushes of a live log do, or overlap row by row, as imports do.
async fn small_files(overlapping: bool) -> Tables {
    let store = Store::from_object_store(Arc::new(InMemory::new()));
    let tables = Tables::open(store, Clock::system(), Settings::default()).await.expect("open");
    let table = tables.get_or_create(&support::tenant(0)).await.expect("table");
    let mut files = Vec::new();
    for number in 0..FILES {
        let batch = match overlapping {
            true => support::stored(number, FILE_ROWS, FILES),
            false => support::stored(number * FILE_ROWS, FILE_ROWS, 1),
        };
        files.push(support::write(&table, &[batch]).await);
    }
    table.commit(support::append(files, 1)).await.expect("commit");
    tables
}

fn compaction(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let policy = Policy { settle_ms: 0, ..Policy::default() };
    let mut group = criterion.benchmark_group("compact");
    group.sample_size(10);
    for (name, overlapping) in [("files one after another", false), ("files that overlap", true)] {
        // What a round makes, the next merges again: the rows rewritten are what counts.
        let once = |measure: bool| {
            let tables = runtime.block_on(small_files(overlapping));
            let indexes = Indexes::open(
                Store::from_object_store(Arc::new(InMemory::new())),
                Clock::system(),
                Default::default(),
            );
            let (cancel, clock) = (CancellationToken::new(), Clock::system());
            let start = Instant::now();
            let report = runtime
                .block_on(compact_all(&tables, &indexes, &policy, &clock, &cancel, |_| {}))
                .expect("compact");
            assert!(report.failures.is_empty(), "{:?}", report.failures);
            (if measure { start.elapsed() } else { Duration::ZERO }, report.rows)
        };
        let (_, rows) = once(false);
        group.throughput(Throughput::Elements(rows));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| once(true).0).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, compaction);
criterion_main!(benches);
