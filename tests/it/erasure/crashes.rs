//! An erasure, when the store fails, the process dies, or compaction is at work.

use super::*;
use crate::support::{
    faulty::{Action, Gate, Operation},
    lake::life,
};

type Step = (&'static str, Operation, fn(&str) -> bool);

/// Every kind of object that an erasure writes.
const STEPS: [Step; 5] = [
    ("the job", Operation::Create, |path| path.ends_with("job.json")),
    ("a data file", Operation::Put, |path| path.contains("/day=")),
    ("the commit", Operation::Create, |path| path.contains("_delta_log/0")),
    ("an index segment", Operation::Put, |path| path.starts_with("index/")),
    ("that it is rewritten", Operation::Create, |path| path.ends_with("rewritten.json")),
];

async fn opened(faulty: &FaultyStore) -> Lake {
    open(Arc::new(faulty.clone()), &Clock::manual(START_MICROS), config()).await.unwrap()
}

async fn with_events(faulty: &FaultyStore) {
    let lake = opened(faulty).await;
    set(&lake, sealing(false)).await;
    for commit in 0..2 {
        send(&lake, 20 * commit, 20).await;
        lake.ingest().unwrap().flush().await.unwrap();
    }
    lake.close().await.unwrap();
}

/// Whoever comes next carries on, to the same end.
async fn carries_on(faulty: &FaultyStore) {
    let lake = opened(faulty).await;
    let erasures = lake.erasures().await.unwrap();
    let is_asked = !erasures.page(None, None, 1).erasures.is_empty();
    if !is_asked {
        erasures.create(&acme(), "ana", "root").await.unwrap();
    }
    erasures.run_due(&CancellationToken::new()).await;
    let status = &erasures.page(None, None, 1).erasures[0];
    assert_eq!((status.state, status.events), ("rewritten", Some(30)));
    assert_eq!((readable(&lake).await, texts(&lake).await.len()), (0, 40));
    assert_holds(&lake).await;
    lake.close().await.unwrap();
}

/// Would catch an erasure that is forgotten, half done for good, or does harm, if any of its writes fails or is not answered.
#[test]
fn a_failed_write_is_made_up_for() {
    for action in [Action::FailBefore, Action::FailAfter] {
        for (what, operation, path) in STEPS {
            println!("{what}: {action:?}");
            let faulty = FaultyStore::over_memory();
            life(with_events(&faulty));
            life(async {
                let lake = opened(&faulty).await;
                faulty.plan(operation, path, 0, action.clone());
                let erasures = lake.erasures().await.unwrap();
                let _ = erasures.create(&acme(), "ana", "root").await;
                erasures.run_due(&CancellationToken::new()).await;
                assert_eq!(texts(&lake).await.len(), 40);
                assert_holds(&lake).await;
            });
            faulty.heal();
            life(carries_on(&faulty));
        }
    }
}

/// Would catch the same if the process dies there.
#[test]
fn a_crash_at_any_write_is_made_up_for() {
    let mut crashes = 0;
    for gated in [Action::HoldBefore as fn(Gate) -> Action, Action::HoldAfter] {
        for (what, operation, path) in STEPS {
            println!("{what}");
            let faulty = FaultyStore::over_memory();
            life(with_events(&faulty));
            let gate = Gate::new();
            life(async {
                let lake = opened(&faulty).await;
                faulty.plan(operation, path, 0, gated(gate.clone()));
                let erasures = lake.erasures().await.unwrap();
                let work = async {
                    erasures.create(&acme(), "ana", "root").await.unwrap();
                    erasures.run_due(&CancellationToken::new()).await;
                };
                // The runtime ends with all its tasks, as a process does.
                tokio::select! {
                    biased;
                    () = gate.arrived() => crashes += 1,
                    () = work => {}
                }
            });
            faulty.heal();
            life(carries_on(&faulty));
        }
    }
    assert_eq!(crashes, 2 * STEPS.len());
}

/// Would catch a compaction that brings the old rows back because it read them before, and an erasure that gives up because its files
/// were merged meanwhile.
#[test]
fn a_compaction_meanwhile_does_no_harm() {
    for compaction_first in [true, false] {
        let faulty = FaultyStore::over_memory();
        life(with_events(&faulty));
        life(async {
            let lake = opened(&faulty).await;
            let erasures = lake.erasures().await.unwrap();
            erasures.create(&acme(), "ana", "root").await.unwrap();
            let gate = Gate::new();
            let stop = CancellationToken::new();
            faulty.plan(Operation::Put, |path| path.contains("/day="), 0, Action::HoldBefore(gate.clone()));
            if compaction_first {
                let other = async {
                    gate.arrived().await;
                    faulty.heal();
                    erasures.run_due(&stop).await;
                    gate.open();
                };
                tokio::join!(compact(&lake), other);
            } else {
                let other = async {
                    gate.arrived().await;
                    faulty.heal();
                    compact(&lake).await;
                    gate.open();
                };
                tokio::join!(erasures.run_due(&stop), other);
            }
            assert_eq!((readable(&lake).await, texts(&lake).await.len()), (0, 40));
            assert_eq!(erasures.page(None, None, 1).erasures[0].state, "rewritten");
            assert_holds(&lake).await;
        });
    }
}
