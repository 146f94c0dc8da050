//! From sorted events to a Delta commit: rows a second, small flushes, and opening a table of many commits.
//!
//! `cargo bench --bench commit`; the throughput that criterion prints is rows a second.

#![expect(missing_docs, reason = "of what the macros of criterion define")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use auditlake::{
    store::Store,
    table::{Pace, Settings, Tables},
    telemetry::Clock,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use object_store::memory::InMemory;
use tokio::runtime::Runtime;

mod support;

const COMMITS: u64 = 10_000;

fn memory() -> Store {
    Store::from_object_store(Arc::new(InMemory::new()))
}

async fn open(store: &Store) -> Tables {
    Tables::open(store.clone(), Clock::system(), Settings::default()).await.expect("open")
}

fn large_flush(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let batches: Vec<_> = (0..12).map(|part| support::stored(part * 8_192, 8_192, 1)).collect();
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(10).throughput(Throughput::Elements(12 * 8_192));
    group.bench_function("one file", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let table = open(&memory()).await.get_or_create(&support::tenant(0)).await.expect("table");
            let file = support::write(&table, &batches).await;
            table.commit(support::append(vec![file], 1)).await.expect("commit")
        });
    });
    group.finish();
}

fn many_small_flushes(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let batch = [support::stored(0, 10, 1)];
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(10).throughput(Throughput::Elements(10_000));
    group.bench_function("1000 tenants with 10 events each", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let tables = open(&memory()).await;
            for number in 0..1_000 {
                let table = tables.get_or_create(&support::tenant(number)).await.expect("table");
                let file = support::write(&table, &batch).await;
                table.commit(support::append(vec![file], 1)).await.expect("commit");
            }
        });
    });
    group.finish();
}

/// A folder with a table of [`COMMITS`] commits, its files' objects left out: opening reads the log only.
async fn many_commits(folder: &std::path::Path) -> Store {
    let disk = object_store::local::LocalFileSystem::new_with_prefix(folder).expect("a folder");
    let store = Store::from_object_store(Arc::new(disk));
    let table = open(&store).await.get_or_create(&support::tenant(0)).await.expect("table");
    let file = support::write(&table, &[support::stored(0, 10, 1)]).await;
    let mut live = None;
    for number in 0..COMMITS {
        // As compaction leaves it: the files of a hundred commits become one.
        let path = format!("day=2026-01-02/{number}.parquet");
        let mut commit =
            support::append(vec![auditlake::table::DataFile { path, ..file.clone() }], number + 1);
        if number % 100 != 0 {
            commit.remove = live.take().into_iter().collect();
        }
        let snapshot = table.commit(commit).await.expect("commit");
        live = snapshot.files.iter().find(|file| file.path.contains(&format!("/{number}."))).cloned();
        table.maintain(Pace::InUse).await.expect("checkpoint");
    }
    store
}

fn opening(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let store = runtime.block_on(many_commits(folder.path()));
    let mut group = criterion.benchmark_group("open");
    group.sample_size(10);
    group.bench_function("a table of 10000 commits", |bencher| {
        bencher.iter_custom(|times| {
            let mut taken = Duration::ZERO;
            for _ in 0..times {
                let start = Instant::now();
                let table = runtime.block_on(async { open(&store).await.get(&support::tenant(0)).await });
                taken += start.elapsed();
                assert_eq!(table.expect("table").expect("stored").snapshot().version, Some(COMMITS - 1));
            }
            taken
        });
    });
    group.finish();
}

criterion_group!(benches, large_flush, many_small_flushes, opening);
criterion_main!(benches);
