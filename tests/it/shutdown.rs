//! The end: whatever the store does, a process that is asked to end does so in bounded time, and loses nothing.

use std::{sync::Arc, time::Duration};

use auditlake::{error::ErrorKind, server::Lake, telemetry::Clock};
use tokio::net::TcpListener;

use crate::support::{
    faulty::{Action, FaultyStore, Gate, Operation},
    lake::{START_MICROS, append, config, count, decoded, event, life, open},
    s3::{ACCESS_KEY, SECRET_KEY},
    server::{Launch, Server},
};

/// Far more than an end takes when nothing holds it up, and less than any bound on waiting for the store.
const AT_ONCE: Duration = Duration::from_secs(10);

async fn start(faulty: &FaultyStore, close_ms: u64) -> Lake {
    let mut config = config();
    config.ingest.close_ms = close_ms;
    open(Arc::new(faulty.clone()), &Clock::manual(START_MICROS), config).await.unwrap()
}

async fn accept(lake: &Lake, id: &str) {
    let events = decoded(&[event(Some(id), id)], lake.clock());
    assert_eq!(append(lake.ingest().unwrap(), events).await.unwrap().accepted, 1);
}

/// Would catch an end that waits for a checkpoint begun before it: nothing rests on one.
#[test]
fn closing_does_not_wait_for_a_checkpoint() {
    let faulty = FaultyStore::over_memory();
    life(async {
        let lake = start(&faulty, 60_000).await;
        accept(&lake, "a").await;
        lake.ingest().unwrap().flush().await.unwrap();
        let gate = Gate::new();
        let is_checkpoint = |path: &str| path.contains(".checkpoint.");
        faulty.plan(Operation::Put, is_checkpoint, 0, Action::HoldBefore(gate.clone()));
        accept(&lake, "b").await;
        let ingest = lake.ingest().unwrap().clone();
        let flushing = tokio::spawn(async move { ingest.flush().await });
        gate.arrived().await;
        accept(&lake, "c").await;
        tokio::time::timeout(AT_ONCE, lake.close()).await.expect("it ends").unwrap();
        flushing.await.unwrap().unwrap();
    });
    life(async { assert_eq!(count(&start(&faulty, 60_000).await).await, 3) });
}

/// Would catch an end that waits for ever for its last commit, one that takes a commit for made that was not, and a lease
/// that stays.
#[test]
fn closing_gives_up_on_a_store_that_does_not_answer() {
    let faulty = FaultyStore::over_memory();
    life(async {
        let lake = start(&faulty, 50).await;
        accept(&lake, "a").await;
        let gate = Gate::new();
        let is_data = |path: &str| path.ends_with(".parquet");
        faulty.plan(Operation::Put, is_data, 0, Action::HoldBefore(gate.clone()));
        let closed = tokio::time::timeout(AT_ONCE, lake.close()).await.expect("it ends");
        assert_eq!(closed.unwrap_err().kind(), ErrorKind::Unavailable);
        gate.arrived().await;
    });
    life(async { assert_eq!(count(&start(&faulty, 60_000).await).await, 1) });
}

/// Would catch a start that no signal can end while the store keeps it waiting, and a signal that comes before anybody
/// listens for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_a_start_on_a_store_that_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let environment = vec![
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1".into()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
    ];
    let server = Server::spawn(&Launch { store: "s3://lake/silent".into(), environment }, &[]);
    let _open = silent.accept().await.unwrap();
    let exit = server.terminate().await;
    assert_eq!(exit.status.code(), Some(130), "{exit:?}");
}
