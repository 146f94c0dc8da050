//! What queries see while events come in, are committed and merged: never fewer than before, and none twice.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
};

use auditlake::{
    server::{Access, Lake},
    store::Store,
    telemetry::Clock,
};
use futures::future::try_join_all;
use serde_json::Value;

use crate::support::{
    lake::{append, compact, config, decoded, event, sql},
    s3::S3Server,
};

const SENDERS: usize = 2;
const BATCH_EVENTS: usize = 10;
/// Commits and merges that must have happened while queries ran, before a sender ends.
const VERSION_MIN: u64 = 8;
const BATCHES_MAX: usize = 2_000;

/// A store in memory commits quickly: the moments between two states come often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_only_grow_in_memory() {
    counts_only_grow(Store::open("memory://", &Default::default()).await.unwrap()).await;
}

/// On S3 each step takes long: the moments between two states are wide.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_only_grow_on_s3() {
    let s3 = S3Server::start();
    counts_only_grow(s3.store("visibility").await.unwrap()).await;
}

/// Would catch a flush or a merge that swaps batches and files in two steps, a snapshot that is not pinned, and an
/// answer given before its events are visible.
async fn counts_only_grow(store: Store) {
    let clock = Clock::system();
    let lake = Lake::open_on(store, clock, config(), Access::Write { take_over: false }).await.unwrap();
    let acknowledged = AtomicU64::new(0);
    let sending = try_join_all((0..SENDERS).map(|sender| send(&lake, sender, &acknowledged)));
    tokio::select! {
        sent = sending => drop(sent.unwrap()),
        never = commit_on_and_on(&lake) => match never {},
        never = merge_on_and_on(&lake) => match never {},
        never = look_on_and_on(&lake, &acknowledged) => match never {},
    }
    let last = look(&lake, 0, &acknowledged).await;
    assert_eq!(last, acknowledged.load(Ordering::SeqCst));
    lake.close().await.unwrap();
}

async fn send(lake: &Lake, sender: usize, acknowledged: &AtomicU64) -> Result<(), Infallible> {
    for batch in 0.. {
        let number = |place: usize| format!("{sender}-{}", batch * BATCH_EVENTS + place);
        let events: Vec<Value> = (0..BATCH_EVENTS).map(|place| event(Some(&number(place)), "seen")).collect();
        let receipt = append(lake.ingest().unwrap(), decoded(&events, lake.clock())).await.unwrap();
        assert_eq!((receipt.accepted, receipt.duplicates), (BATCH_EVENTS, 0));
        acknowledged.fetch_add(BATCH_EVENTS as u64, Ordering::SeqCst);
        if version(lake).await >= Some(VERSION_MIN) {
            break;
        }
        assert!(batch < BATCHES_MAX, "only version {:?} after {batch} batches", version(lake).await);
        // Waits for the others without taking time: each gets its turn between two batches.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Version of the only tenant's table.
async fn version(lake: &Lake) -> Option<u64> {
    let tenants = lake.tables().tenants();
    lake.tables().get(&tenants[0]).await.unwrap().unwrap().snapshot().version
}

async fn commit_on_and_on(lake: &Lake) -> Infallible {
    loop {
        lake.ingest().unwrap().flush().await.unwrap();
        tokio::task::yield_now().await;
    }
}

async fn merge_on_and_on(lake: &Lake) -> Infallible {
    loop {
        let report = compact(lake).await;
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        tokio::task::yield_now().await;
    }
}

async fn look_on_and_on(lake: &Lake, acknowledged: &AtomicU64) -> Infallible {
    let mut seen = 0;
    loop {
        seen = look(lake, seen, acknowledged).await;
    }
}

/// One query; returns how many events it saw, which are at least `seen` and all that were acknowledged before it.
async fn look(lake: &Lake, seen: u64, acknowledged: &AtomicU64) -> u64 {
    let least = seen.max(acknowledged.load(Ordering::SeqCst));
    let rows = sql(lake, "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM events").await;
    let number = |name: &str| rows[0][name].as_u64().unwrap();
    assert_eq!(number("n"), number("ids"), "an event is there twice");
    assert!(number("n") >= least, "{} events, and {least} before", number("n"));
    number("n")
}
