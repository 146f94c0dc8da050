//! A tree and its table, when the store fails, the process dies, or another writer comes.

use std::sync::Arc;

use auditlake::{server::expire, telemetry::Clock};
use object_store::ObjectStoreExt as _;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::support::{
    faulty::{Action, FaultyStore, Gate, Operation},
    lake::{Client, START_MICROS, append, compact, config, decoded, event, life, open},
};

fn clock() -> Clock {
    Clock::manual(START_MICROS)
}

async fn start(faulty: &FaultyStore) -> Lake {
    open(Arc::new(faulty.clone()), &clock(), config()).await.unwrap()
}

async fn check_both(lake: &Lake) {
    for name in ["acme", "globex"] {
        check_level(lake, name).await;
    }
}

type Step = (&'static str, Operation, fn(&str) -> bool);

/// Every kind of object that a commit and its evidence write, in the order in which they are written.
const STEPS: [Step; 7] = [
    ("deployment's name", Operation::Create, |path| path == "proof/deployment.json"),
    ("public key", Operation::Create, |path| path.starts_with("proof/keys/")),
    ("data file", Operation::Put, |path| path.contains("/day=")),
    ("Delta log entry", Operation::Create, |path| path.contains("_delta_log/0")),
    ("tile", Operation::Put, |path| path.contains("/tile/")),
    ("checkpoint", Operation::Put, |path| path.contains("/checkpoint")),
    ("removal", Operation::Delete, |path| path.starts_with("proof/") || path.starts_with("wal/")),
];

/// Sends, commits and compacts under whatever fails.
async fn work(faulty: &FaultyStore, client: &mut Client) {
    let lake = loop {
        // A fault happens once: the second start meets none.
        if let Ok(lake) = open(Arc::new(faulty.clone()), &clock(), config()).await {
            break lake;
        }
    };
    let ingest = lake.ingest().unwrap();
    for count in [3, 300, 1, 280] {
        client.send(ingest, lake.clock(), count).await;
        let _ = ingest.flush().await;
    }
    compact(&lake).await;
    client.send(ingest, lake.clock(), 5).await;
    let _ = ingest.flush().await;
    client.check(&lake).await;
}

/// Opens over a healthy store: the opening and the next pass make everything level, without a new event.
fn recover(faulty: &FaultyStore, client: &mut Client) {
    faulty.heal();
    life(async {
        let lake = start(faulty).await;
        lake.ingest().unwrap().flush().await.unwrap();
        check_both(&lake).await;
        client.settle(&lake).await;
        check_both(&lake).await;
        lake.close().await.unwrap();
    });
}

/// Would catch a tree that disagrees with its table after a write of either failed, or is not made up.
#[test]
fn a_failed_write_leaves_tree_and_table_level() {
    for action in [Action::FailBefore, Action::FailAfter] {
        for (what, operation, path) in STEPS {
            for passes in [0, 1, 4] {
                println!("{what} after {passes}: {action:?}");
                let (faulty, mut client) = (FaultyStore::over_memory(), Client::default());
                faulty.plan(operation, path, passes, action.clone());
                life(work(&faulty, &mut client));
                recover(&faulty, &mut client);
            }
        }
    }
}

/// Would catch a step of a commit that a crash must not come after.
#[test]
fn a_crash_at_any_step_leaves_tree_and_table_level() {
    let mut crashes = 0;
    for gated in [Action::HoldBefore as fn(Gate) -> Action, Action::HoldAfter] {
        for (what, operation, path) in STEPS {
            for passes in [0, 1, 4] {
                println!("{what} after {passes}");
                let (faulty, mut client) = (FaultyStore::over_memory(), Client::default());
                let gate = Gate::new();
                faulty.plan(operation, path, passes, gated(gate.clone()));
                life(async {
                    tokio::select! {
                        biased;
                        () = gate.arrived() => crashes += 1,
                        () = work(&faulty, &mut client) => {}
                    }
                });
                recover(&faulty, &mut client);
            }
        }
    }
    assert!(crashes > 3 * STEPS.len(), "only {crashes} crashes");
}

/// Would catch a writer that lost its store and, waking up late, puts older tiles or an older checkpoint in the place of newer
/// ones; and events that expired in between which tear the tree and the table apart.
#[test]
fn a_writer_that_lost_its_store_changes_nothing() {
    for (what, held) in [
        ("tile", (|path: &str| path.contains("/tile/")) as fn(&str) -> bool),
        ("checkpoint", |path| path.contains("/checkpoints/")),
        ("copy", |path| path.ends_with("/checkpoint")),
        ("data file", |path| path.contains("/day=")),
    ] {
        println!("{what}");
        let faulty = FaultyStore::over_memory();
        life(async {
            let old = start(&faulty).await;
            let events: Vec<_> = (0..300).map(|number| event(Some(&format!("a{number}")), "old")).collect();
            append(old.ingest().unwrap(), decoded(&events, old.clock())).await.unwrap();
            let gate = Gate::new();
            faulty.plan(Operation::Put, held, 0, Action::HoldBefore(gate.clone()));
            let old_ingest = old.ingest().unwrap().clone();
            let flushing = tokio::spawn(async move { old_ingest.flush().await });
            gate.arrived().await;
            // Another takes over, keeps fewer days, and goes on.
            let new = start(&faulty).await;
            let days = auditlake::control::TenantSettings { retention_days: Some(1), ..Default::default() };
            let change = auditlake::control::Change::TenantSet { id: tenant("acme"), settings: days };
            new.control().change("root", |_| Ok((change.clone(), ()))).await.unwrap();
            let mut fresh = event(Some("b"), "new");
            fresh["occurred_at"] = "2026-11-01T00:00:00Z".into();
            append(new.ingest().unwrap(), decoded(&[fresh], new.clock())).await.unwrap();
            new.ingest().unwrap().flush().await.unwrap();
            check_level(&new, "acme").await;
            let before = checkpoint(&new, "acme").await.unwrap();
            gate.open();
            let _ = flushing.await.unwrap();
            assert_eq!(checkpoint(&new, "acme").await.unwrap(), before);
            check_level(&new, "acme").await;
            let again = start(&faulty).await;
            check_level(&again, "acme").await;
        });
    }
}

/// Would catch a table from before there was evidence that never gets a tree, or one without what has expired by then.
#[test]
fn older_tables_get_their_trees() {
    let faulty = FaultyStore::over_memory();
    let mut without = config();
    without.evidence.enabled = false;
    let mut client = Client::default();
    life(async {
        let lake = open(Arc::new(faulty.clone()), &clock(), without).await.unwrap();
        for _ in 0..3 {
            client.send(lake.ingest().unwrap(), lake.clock(), 200).await;
            lake.ingest().unwrap().flush().await.unwrap();
        }
        compact(&lake).await;
        assert!(faulty.count(Operation::Put, |path| path.starts_with("proof/")) == 0);
        lake.close().await.unwrap();
    });
    life(async {
        let lake = start(&faulty).await;
        client.send(lake.ingest().unwrap(), lake.clock(), 3).await;
        client.settle(&lake).await;
        check_both(&lake).await;
        lake.close().await.unwrap();
    });
}

/// Would catch an expiry that takes the leaf hashes with it, one that nobody has signed for, or one of events that are not in the
/// tree yet.
#[test]
fn retention_keeps_leaves_and_says_what_went() {
    let faulty = FaultyStore::over_memory();
    let mut client = Client::default();
    life(async {
        let lake = start(&faulty).await;
        for _ in 0..2 {
            client.send(lake.ingest().unwrap(), lake.clock(), 300).await;
            lake.ingest().unwrap().flush().await.unwrap();
        }
        let before = checkpoint(&lake, "acme").await.unwrap();
        let settings = auditlake::control::TenantSettings { retention_days: Some(3), ..Default::default() };
        let change = auditlake::control::Change::TenantSet { id: tenant("acme"), settings };
        lake.control().change("root", |_| Ok((change.clone(), ()))).await.unwrap();

        faulty.plan(Operation::Put, |path| path.contains("/removed/"), 0, Action::FailBefore);
        let report = expire(&lake, &CancellationToken::new()).await.unwrap();
        assert_eq!((report.expired.len(), report.failures.len()), (0, 1), "what is not signed for stays");
        let report = expire(&lake, &CancellationToken::new()).await.unwrap();
        assert_eq!(report.expired.len(), 1);
        lake.ingest().unwrap().flush().await.unwrap();

        let leaves = stored_leaves(table(&lake, "acme").await.as_ref()).await;
        let gone: Vec<u64> =
            (0..).zip(&leaves).filter(|(_, leaf)| leaf.is_none()).map(|(seq, _)| seq).collect();
        assert!(!gone.is_empty());
        let removals = lake
            .evidence()
            .of(&tenant("acme"))
            .removals(&lake.evidence().verifiers(&tenant("acme")))
            .await
            .unwrap();
        let [(_, Ok(removal))] = &removals[..] else { panic!("{removals:?}") };
        let listed: Vec<u64> = removal.events.iter().flat_map(|(first, last)| *first..=*last).collect();
        assert_eq!(listed, gone);
        check_level(&lake, "acme").await;
        let after = checkpoint(&lake, "acme").await.unwrap();
        assert!(after.size > before.size, "the record of it was committed");
        let stored = lake.evidence().of(&tenant("acme"));
        let proof = stored.reader(after.size).consistency(before.size).await.unwrap();
        assert!(auditlake::evidence::proof::is_consistent(
            before.size,
            before.root,
            after.size,
            after.root,
            &proof
        ));
    });
    life(async { assert!(faulty.inner().head(&"proof/tenant=acme/checkpoint".into()).await.is_ok()) });
}
