//! Every kind of write fails once, in every way, and no acknowledged event is lost, doubled or made up.
//!
//! The same day is lived through with each fault: a first process leaves committed and uncommitted events behind and
//! dies; a second one opens the store, meets the fault and goes on, or dies with it; a third one reads what is left.

use std::{env, sync::Arc};

use auditlake::{server::Lake, telemetry::Clock};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{
    faulty::{Action, FaultyStore, Gate, Operation},
    lake::{Client, START_MICROS, compact, config, life, open},
};

/// One kind of write.
struct Write {
    what: &'static str,
    operation: Operation,
    path: fn(&str) -> bool,
}

/// All kinds of writes that the second process makes.
const WRITES: &[Write] = &[
    Write {
        what: "epoch claim",
        operation: Operation::Create,
        path: |path| path.starts_with("control/epochs/"),
    },
    Write { what: "lease", operation: Operation::Put, path: |path| path.starts_with("control/leases/") },
    Write { what: "fence", operation: Operation::Create, path: |path| path.starts_with("wal/0000000001/") },
    Write {
        what: "WAL segment",
        operation: Operation::Create,
        path: |path| path.starts_with("wal/") && !path.starts_with("wal/0000000001/"),
    },
    Write {
        what: "data file",
        operation: Operation::Put,
        path: |path| path.contains("/day=") && path.ends_with(".parquet"),
    },
    Write {
        what: "Delta log entry",
        operation: Operation::Create,
        path: |path| path.contains("_delta_log") && path.ends_with(".json"),
    },
    Write { what: "checkpoint", operation: Operation::Put, path: |path| path.contains(".checkpoint.") },
    Write {
        what: "checkpoint's pointer",
        operation: Operation::Put,
        path: |path| path.ends_with("_last_checkpoint"),
    },
    Write {
        what: "kept answers",
        operation: Operation::Put,
        path: |path| path.starts_with("control/idempotency/"),
    },
    Write { what: "index segment", operation: Operation::Put, path: |path| path.starts_with("index/") },
    Write { what: "WAL removal", operation: Operation::Delete, path: |path| path.starts_with("wal/") },
];

/// How often a write of one kind may pass before the fault: the first and later ones stand at different places.
const PASSES: [usize; 2] = [0, 2];

/// A process, before any fault: events in files, events in the WAL only, an answer in the WAL.
async fn first_process(faulty: &FaultyStore, clock: &Clock, client: &mut Client) {
    let lake = open(Arc::new(faulty.clone()), clock, config()).await.unwrap();
    let ingest = lake.ingest().unwrap();
    client.send(ingest, clock, 6).await;
    ingest.flush().await.unwrap();
    client.send(ingest, clock, 6).await;
    client.send_keyed(ingest, clock, 2).await;
}

/// The process that meets the fault. It goes on as a server would: what failed is tried again later.
async fn second_process(faulty: &FaultyStore, clock: &Clock, client: &mut Client) -> Lake {
    let lake = loop {
        // A fault happens once: the second start meets none.
        if let Ok(lake) = open(Arc::new(faulty.clone()), clock, config()).await {
            break lake;
        }
    };
    let ingest = lake.ingest().unwrap();
    for _ in 0..3 {
        client.send(ingest, clock, 4).await;
        client.send_keyed(ingest, clock, 2).await;
        let _ = ingest.flush().await;
        client.send(ingest, clock, 3).await;
    }
    let _ = ingest.flush().await;
    compact(&lake).await;
    client.send(ingest, clock, 1).await;
    let _ = ingest.flush().await;
    lake
}

/// The process after it, over a store without faults.
fn last_process(faulty: &FaultyStore, clock: &Clock, client: &mut Client) {
    faulty.heal();
    life(async {
        let lake = open(Arc::new(faulty.clone()), clock, config()).await.unwrap();
        client.settle(&lake).await;
        compact(&lake).await;
        client.check_all(&lake).await;
        lake.close().await.unwrap();
    });
}

/// Lives through the day with each of the `writes` in turn; `second` is the second process's life.
fn with_each<'a>(
    writes: impl Iterator<Item = &'a Write>,
    mut second: impl FnMut(&FaultyStore, &Clock, &mut Client, &Write, usize),
) {
    for write in writes {
        for passes in PASSES {
            println!("{} after {passes}", write.what);
            let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
            let mut client = Client::default();
            life(first_process(&faulty, &clock, &mut client));
            second(&faulty, &clock, &mut client, write, passes);
            last_process(&faulty, &clock, &mut client);
        }
    }
}

/// Whether the fault is of a kind that a day has only once.
fn is_rare(write: &Write, passes: usize) -> bool {
    passes > 0 && matches!(write.what, "epoch claim" | "lease" | "fence")
}

fn fail_each_write(action: &Action) {
    with_each(WRITES.iter(), |faulty, clock, client, write, passes| {
        faulty.plan(write.operation, write.path, passes, action.clone());
        life(async {
            let lake = second_process(faulty, clock, client).await;
            assert_eq!(faulty.faults_left() == 0, !is_rare(write, passes), "{} was met", write.what);
            client.settle(&lake).await;
        });
    });
}

/// Would catch a failed write taken for done, a retry that doubles, and a failure that stops the writer for good.
#[test]
fn each_write_fails_without_being_done() {
    fail_each_write(&Action::FailBefore);
}

/// Would catch an error taken at its word: the write was done, and what is tried again must meet it.
#[test]
fn each_write_is_done_and_reported_as_failed() {
    fail_each_write(&Action::FailAfter);
}

/// A write stops in the middle, the process dies there, and another one starts.
fn die_at_each_write(gated: fn(Gate) -> Action) {
    // deltalake-core writes a checkpoint in one step that blocks its thread: nothing can die in the middle of it.
    let writes = WRITES.iter().filter(|write| !write.what.contains("checkpoint"));
    with_each(writes, |faulty, clock, client, write, passes| {
        let gate = Gate::new();
        faulty.plan(write.operation, write.path, passes, gated(gate.clone()));
        life(async {
            tokio::select! {
                biased;
                () = gate.arrived() => {}
                _ = second_process(faulty, clock, client) => {
                    assert!(is_rare(write, passes), "{} was met", write.what);
                }
            }
        });
    });
}

/// Would catch a step whose next step relies on more than what is stored when it begins.
#[test]
fn a_crash_just_before_each_write_loses_nothing() {
    die_at_each_write(Action::HoldBefore);
}

/// Would catch a write that counts only once its writer has heard of it.
#[test]
fn a_crash_just_after_each_write_loses_and_doubles_nothing() {
    die_at_each_write(Action::HoldAfter);
}

/// Would catch an event that is visible twice or not at all while a write takes long, and an answer that comes before
/// the event is durable.
#[test]
fn queries_see_every_acknowledged_event_while_a_write_takes_long() {
    for write in
        WRITES.iter().filter(|write| matches!(write.what, "data file" | "Delta log entry" | "WAL removal"))
    {
        let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
        let mut client = Client::default();
        life(first_process(&faulty, &clock, &mut client));
        life(async {
            let lake = open(Arc::new(faulty.clone()), &clock, config()).await.unwrap();
            let ingest = lake.ingest().unwrap();
            for action in [Action::HoldBefore, Action::HoldAfter] {
                client.send(ingest, &clock, 4).await;
                let gate = Gate::new();
                faulty.plan(write.operation, write.path, 0, action(gate.clone()));
                let meanwhile = async {
                    gate.arrived().await;
                    client.check(&lake).await;
                    client.send(ingest, &clock, 4).await;
                    client.check(&lake).await;
                    gate.open();
                };
                let (flushed, ()) = tokio::join!(ingest.flush(), meanwhile);
                flushed.unwrap();
                client.check(&lake).await;
            }
            client.settle(&lake).await;
        });
    }
}

/// Many small operations over a store whose writes fail at random; every few of them the process dies.
fn random_days(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let mut client = Client::default();
    for process in 0..6 {
        println!("seed {seed}, process {process}");
        faulty.fail_writes_at_random(seed * 100 + process, 0.15);
        life(async {
            let Ok(lake) = open(Arc::new(faulty.clone()), &clock, config()).await else { return };
            let ingest = lake.ingest().unwrap();
            for _ in 0..random.random_range(1..20) {
                match random.random_range(0..10) {
                    0..=3 => client.send(ingest, &clock, random.random_range(1..5)).await,
                    4 => client.send_keyed(ingest, &clock, random.random_range(1..5)).await,
                    5..=6 => drop(ingest.flush().await),
                    7 => drop(compact(&lake).await),
                    8 => client.check(&lake).await,
                    _ => flush_and_go_away(&lake, &mut random).await,
                }
            }
            if random.random_bool(0.3) {
                faulty.heal();
                client.settle(&lake).await;
            }
        });
    }
    last_process(&faulty, &clock, &mut client);
}

/// A flush whose caller goes away after a few steps.
async fn flush_and_go_away(lake: &Lake, random: &mut ChaCha8Rng) {
    let mut flush = Box::pin(lake.ingest().unwrap().flush());
    for _ in 0..random.random_range(0..30) {
        if futures::poll!(&mut flush).is_ready() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// Would catch what no list of single faults has: one failure while another is being dealt with.
#[test]
fn random_failures_lose_and_double_nothing() {
    let seeds = env::var("AUDITLAKE_FAULT_SEEDS").map_or(6, |text| text.parse().unwrap());
    for seed in 0..seeds {
        random_days(seed);
    }
}
