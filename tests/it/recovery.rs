//! Single faults at places where two things meet: a write and its answer, two writers, a flush and a compaction, a
//! start and what the last process left.

use std::sync::Arc;

use auditlake::{
    config::Config,
    error::ErrorKind,
    server::{Access, Lake},
    store::Store,
    telemetry::Clock,
};
use object_store::{ObjectStoreExt, path::Path};
use serde_json::Value;

use crate::support::{
    faulty::{Action, FaultyStore, Gate, Operation},
    lake::{START_MICROS, append, compact, config, count, decoded, event, life, open, sql},
};

const FIRST_SEGMENT: &str = "wal/0000000001/00000000000000000001.arrow";
const SECOND_SEGMENT: &str = "wal/0000000001/00000000000000000002.arrow";

fn clock() -> Clock {
    Clock::manual(START_MICROS)
}

fn is_segment(path: &str) -> bool {
    path.starts_with("wal/")
}

fn is_log_entry(path: &str) -> bool {
    path.contains("_delta_log/0") && path.ends_with(".json")
}

/// Opens what is in `faulty` with the settings of [`config`].
async fn start(faulty: &FaultyStore) -> Lake {
    open(Arc::new(faulty.clone()), &clock(), config()).await.unwrap()
}

/// Accepts one event with this id; panics if it is refused.
async fn accept(lake: &Lake, id: &str) {
    let events = decoded(&[event(Some(id), id)], lake.clock());
    assert_eq!(append(lake.ingest().unwrap(), events).await.unwrap().accepted, 1);
}

async fn ids(lake: &Lake) -> Vec<String> {
    let rows = sql(lake, "SELECT id FROM events ORDER BY id").await;
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Would catch a client told to send again what is stored, or an error that ends the writer.
#[test]
fn a_wal_write_that_was_done_is_acknowledged_whatever_the_store_says() {
    let faulty = FaultyStore::over_memory();
    life(async {
        let lake = start(&faulty).await;
        faulty.plan(Operation::Create, is_segment, 0, Action::FailAfter);
        accept(&lake, "a").await;
        accept(&lake, "b").await;
        assert_eq!(ids(&lake).await, ["a", "b"]);
    });
    life(async { assert_eq!(ids(&start(&faulty).await).await, ["a", "b"]) });
}

/// Would catch a refused event that appears later, and a slot left open for a write that comes late.
#[test]
fn a_wal_write_that_was_not_done_is_refused_and_its_slot_closed() {
    let faulty = FaultyStore::over_memory();
    life(async {
        let lake = start(&faulty).await;
        faulty.plan(Operation::Create, is_segment, 0, Action::FailBefore);
        let refused = append(lake.ingest().unwrap(), decoded(&[event(Some("a"), "a")], lake.clock())).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
        assert!(faulty.inner().head(&Path::from(FIRST_SEGMENT)).await.is_ok(), "nothing can use the slot");
        accept(&lake, "b").await;
        assert_eq!(ids(&lake).await, ["b"]);
        // The id is free again, and its event stored once when it is sent again.
        accept(&lake, "a").await;
    });
    life(async { assert_eq!(ids(&start(&faulty).await).await, ["a", "b"]) });
}

/// Would catch a request answered before its events are durable.
#[test]
fn nobody_is_answered_before_the_write_is() {
    let faulty = FaultyStore::over_memory();
    life(async {
        let lake = start(&faulty).await;
        let gate = Gate::new();
        faulty.plan(Operation::Create, is_segment, 0, Action::HoldAfter(gate.clone()));
        let mut accepting = Box::pin(accept(&lake, "a"));
        tokio::select! {
            () = gate.arrived() => {}
            () = &mut accepting => panic!("acknowledged while the write was on its way"),
        }
        assert_eq!(count(&lake).await, 0, "visible only when durable");
        gate.open();
        accepting.await;
        assert_eq!(count(&lake).await, 1);
    });
}

/// What is left when a disk or a power failure cuts the last write short.
#[test]
fn a_torn_last_segment_is_skipped_and_an_earlier_one_is_not() {
    for (damaged, survives) in [(SECOND_SEGMENT, true), (FIRST_SEGMENT, false)] {
        let faulty = FaultyStore::over_memory();
        life(async {
            let lake = start(&faulty).await;
            accept(&lake, "a").await;
            accept(&lake, "b").await;
        });
        life(async {
            let path = Path::from(damaged);
            let bytes = faulty.inner().get(&path).await.unwrap().bytes().await.unwrap();
            faulty.inner().put(&path, bytes.slice(..bytes.len() / 2).into()).await.unwrap();
            let opened = open(Arc::new(faulty.clone()), &clock(), config()).await;
            if survives {
                let lake = opened.unwrap();
                assert_eq!(ids(&lake).await, ["a"]);
                accept(&lake, "c").await;
                lake.close().await.unwrap();
            } else {
                let error = opened.map(|_| ()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                assert!(error.to_string().contains(damaged), "{error}");
            }
        });
        if survives {
            life(async { assert_eq!(ids(&start(&faulty).await).await, ["a", "c"]) });
        }
    }
}

/// Would catch a writer that goes on after another one took over: nobody would ever read what it accepts.
#[test]
fn a_fenced_writer_refuses_and_says_that_it_stopped() {
    let faulty = FaultyStore::over_memory();
    life(async {
        let first = start(&faulty).await;
        accept(&first, "a").await;
        let second = start(&faulty).await;
        for id in ["b", "c"] {
            let refused =
                append(first.ingest().unwrap(), decoded(&[event(Some(id), id)], first.clock())).await;
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        let reason = first.ingest().unwrap().stopped().await.unwrap();
        assert_eq!(reason.kind(), ErrorKind::Fenced);
        assert!(reason.to_string().contains("another writer took over"), "{reason}");
        first.close().await.unwrap();

        accept(&second, "b").await;
        second.close().await.unwrap();
    });
    life(async { assert_eq!(ids(&start(&faulty).await).await, ["a", "b"]) });
}

/// A second writer takes over while the first one's write is on its way to the store, or back.
#[test]
fn a_write_in_the_middle_of_a_take_over_is_either_read_or_refused() {
    for (hold, is_stored) in
        [(Action::HoldBefore as fn(Gate) -> Action, false), (Action::HoldAfter as fn(Gate) -> Action, true)]
    {
        let faulty = FaultyStore::over_memory();
        life(async {
            let first = start(&faulty).await;
            accept(&first, "a").await;
            let gate = Gate::new();
            faulty.plan(Operation::Create, is_segment, 0, hold(gate.clone()));
            let taking_over = async {
                gate.arrived().await;
                let second = start(&faulty).await;
                accept(&second, "c").await;
                gate.open();
                second
            };
            let events = decoded(&[event(Some("b"), "b")], first.clock());
            let (answer, second) = tokio::join!(append(first.ingest().unwrap(), events), taking_over);
            assert_eq!(answer.is_ok(), is_stored, "{answer:?}");
            let expected: &[&str] = if is_stored { &["a", "b", "c"] } else { &["a", "c"] };
            assert_eq!(ids(&second).await, expected);
        });
    }
}

/// Would catch two writers that both commit what the first one accepted: its commit is on its way when the second one
/// has read everything back.
#[test]
fn a_commit_in_the_middle_of_a_take_over_is_made_by_one_of_the_two() {
    for second_is_faster in [true, false] {
        let faulty = FaultyStore::over_memory();
        life(async {
            let first = start(&faulty).await;
            accept(&first, "a").await;
            let gate = Gate::new();
            faulty.plan(Operation::Create, is_log_entry, 0, Action::HoldBefore(gate.clone()));
            let taking_over = async {
                gate.arrived().await;
                let second = start(&faulty).await;
                accept(&second, "b").await;
                if second_is_faster {
                    second.ingest().unwrap().flush().await.unwrap();
                }
                gate.open();
                second
            };
            let (flushed, second) = tokio::join!(first.ingest().unwrap().flush(), taking_over);
            // Whoever comes second has read another table than there is now, and must stop.
            let late = if second_is_faster { flushed } else { second.ingest().unwrap().flush().await };
            assert_eq!(late.unwrap_err().kind(), ErrorKind::Fenced);
            let stopped = if second_is_faster { &first } else { &second };
            assert!(stopped.ingest().unwrap().stopped().await.is_some());
        });
        life(async {
            let lake = start(&faulty).await;
            assert_eq!(ids(&lake).await, ["a", "b"]);
            lake.ingest().unwrap().flush().await.unwrap();
            assert_eq!(ids(&lake).await, ["a", "b"]);
        });
    }
}

/// Would catch a start that failed half-way and thereby lets the next one push a writer aside that is at work.
#[test]
fn a_failed_start_does_not_void_the_lease_of_the_writer_at_work() {
    let faulty = FaultyStore::over_memory();
    life(async {
        let first = start(&faulty).await;
        faulty.plan(Operation::Put, |path| path.starts_with("control/leases/"), 0, Action::FailBefore);
        assert!(open(Arc::new(faulty.clone()), &clock(), config()).await.is_err());

        let store = Store::from_object_store(Arc::new(faulty.clone()));
        let third = Lake::open_on(store, clock(), config(), Access::Write { take_over: false }).await;
        assert_eq!(third.map(|_| ()).unwrap_err().kind(), ErrorKind::Conflict);
        accept(&first, "a").await;
    });
}

/// Would catch a commit made twice, or a writer that takes its own commit for another's and stops, because whoever
/// asked for the flush went away in the middle of it.
#[test]
fn a_flush_whose_caller_goes_away_is_finished_by_the_next() {
    for hold in [Action::HoldBefore as fn(Gate) -> Action, Action::HoldAfter] {
        let faulty = FaultyStore::over_memory();
        life(async {
            let lake = start(&faulty).await;
            accept(&lake, "a").await;
            let gate = Gate::new();
            faulty.plan(Operation::Create, is_log_entry, 0, hold(gate.clone()));
            tokio::select! {
                () = gate.arrived() => {}
                _ = lake.ingest().unwrap().flush() => panic!("the commit is held"),
            }
            accept(&lake, "b").await;
            lake.ingest().unwrap().flush().await.unwrap();
            assert_eq!(ids(&lake).await, ["a", "b"]);
            accept(&lake, "c").await;
            lake.ingest().unwrap().flush().await.unwrap();
        });
        life(async { assert_eq!(ids(&start(&faulty).await).await, ["a", "b", "c"]) });
    }
}

/// The next commit is done, and nobody finds out.
fn leave_next_commit_unresolved(faulty: &FaultyStore) {
    faulty.plan(Operation::Create, is_log_entry, 0, Action::FailAfter);
    for _ in 0..5 {
        faulty.plan(Operation::Get, is_log_entry, 0, Action::FailBefore);
    }
}

/// Would catch events committed twice: a flush is done without anyone knowing, and it is a compaction that finds out
/// while the flush is being made once more.
#[test]
fn a_compaction_may_be_the_first_to_learn_that_a_flush_was_done() {
    let faulty = FaultyStore::over_memory();
    life(async {
        let lake = start(&faulty).await;
        let ingest = lake.ingest().unwrap();
        for id in ["a", "b"] {
            accept(&lake, id).await;
            ingest.flush().await.unwrap();
        }
        accept(&lake, "c").await;
        leave_next_commit_unresolved(&faulty);
        assert_eq!(ingest.flush().await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(faulty.faults_left(), 0);

        let gate = Gate::new();
        faulty.plan(Operation::Put, |path| path.ends_with(".parquet"), 0, Action::HoldBefore(gate.clone()));
        let meanwhile = async {
            gate.arrived().await;
            assert!(compact(&lake).await.jobs > 0);
            gate.open();
        };
        let (flushed, ()) = tokio::join!(ingest.flush(), meanwhile);
        flushed.unwrap();
        assert_eq!(ids(&lake).await, ["a", "b", "c"]);
        accept(&lake, "d").await;
        ingest.flush().await.unwrap();
        assert_eq!(ids(&lake).await, ["a", "b", "c", "d"]);
    });
    life(async { assert_eq!(ids(&start(&faulty).await).await, ["a", "b", "c", "d"]) });
}

/// A lake on the machine's clock, by which the store dates its objects, with two files to merge.
async fn start_with_two_files(faulty: &FaultyStore) -> Lake {
    let lake = open(Arc::new(faulty.clone()), &Clock::system(), config()).await.unwrap();
    for id in ["a", "b"] {
        accept(&lake, id).await;
        lake.ingest().unwrap().flush().await.unwrap();
    }
    lake
}

/// Would catch a sweep that deletes the one file that the log now has: the commit was done without anyone knowing, so
/// the file looks like an orphan.
#[test]
fn a_sweep_spares_what_an_unclear_commit_added() {
    let faulty = FaultyStore::over_memory();
    life(async {
        let lake = start_with_two_files(&faulty).await;
        leave_next_commit_unresolved(&faulty);
        assert_eq!(compact(&lake).await.failures.len(), 1);
        assert_eq!(faulty.faults_left(), 0);
        lake.tables().sweep(0).await;
        assert_eq!(ids(&lake).await, ["a", "b"]);
    });
    life(async { assert_eq!(ids(&start(&faulty).await).await, ["a", "b"]) });
}

/// The same when a writer merges files while it is pushed aside, and its successor sweeps.
#[test]
fn a_sweep_spares_what_an_older_writer_merged() {
    let faulty = FaultyStore::over_memory();
    life(async {
        let first = start_with_two_files(&faulty).await;
        let second = open(Arc::new(faulty.clone()), &Clock::system(), config()).await.unwrap();
        assert_eq!(ids(&second).await, ["a", "b"]);
        assert_eq!(compact(&first).await.jobs, 1);
        second.tables().sweep(0).await;
        assert_eq!(ids(&second).await, ["a", "b"]);
    });
    life(async { assert_eq!(ids(&start(&faulty).await).await, ["a", "b"]) });
}

/// Large events, so that few of them fill the smallest cap there is.
fn large_events(from: usize) -> Vec<Value> {
    let large = |number: usize| {
        let mut large = event(Some(&format!("id-{number}")), &format!("event {number}"));
        // Three objects of 15 KB each that do not compress to nothing.
        let text = |salt: usize| {
            let word = |place: usize| format!("{:x}", (place + salt) * 0x9e37_79b9 * (number + 1));
            (0..2_000).map(word).collect::<String>().chars().take(15_000).collect::<String>()
        };
        large["metadata"] = serde_json::json!({ "text": text(1) });
        large["changes"] = serde_json::json!({ "text": { "new": text(2) } });
        large["actor"]["metadata"] = serde_json::json!({ "text": text(3) });
        large
    };
    (from..from + 50).map(large).collect()
}

/// Would catch a start that needs memory for the whole WAL, and one that removes segments which it has not read yet
/// because what it has read is committed.
#[test]
fn a_wal_larger_than_the_cap_is_read_back_in_parts() {
    let faulty = FaultyStore::over_memory();
    let small = |mut config: Config| {
        config.ingest.uncommitted_bytes_max = 32 << 20;
        config
    };
    life(async {
        let lake = start(&faulty).await;
        for from in (0..800).step_by(50) {
            append(lake.ingest().unwrap(), decoded(&large_events(from), lake.clock())).await.unwrap();
        }
        assert!(lake.ingest().unwrap().uncommitted_bytes() > 32 << 20);
    });
    life(async {
        let lake = open(Arc::new(faulty.clone()), &clock(), small(config())).await.unwrap();
        assert!(lake.ingest().unwrap().uncommitted_bytes() <= 20 << 20);
        assert_eq!(count(&lake).await, 800);
        assert!(faulty.count(Operation::Create, is_log_entry) > 0, "some of it was committed on the way");
        lake.ingest().unwrap().flush().await.unwrap();
    });
    life(async {
        let rows =
            sql(&start(&faulty).await, "SELECT count(DISTINCT id) AS ids, max(seq) AS last FROM events")
                .await;
        assert_eq!((rows[0]["ids"].as_u64(), rows[0]["last"].as_u64()), (Some(800), Some(799)));
    });
}

/// Would catch an upload in parts that is taken for whole, and a failed one that is never made again.
#[test]
fn an_upload_in_parts_that_fails_is_made_again() {
    let faulty = FaultyStore::over_memory();
    life(async {
        let lake = start(&faulty).await;
        for from in (0..800).step_by(50) {
            append(lake.ingest().unwrap(), decoded(&large_events(from), lake.clock())).await.unwrap();
        }
        for operation in [Operation::Part, Operation::Complete] {
            for action in [Action::FailBefore, Action::FailAfter] {
                faulty.plan(operation, |_| true, 0, action);
                assert_eq!(lake.ingest().unwrap().flush().await.unwrap_err().kind(), ErrorKind::Unavailable);
                assert_eq!((faulty.faults_left(), count(&lake).await), (0, 800));
            }
        }
        lake.ingest().unwrap().flush().await.unwrap();
        assert_eq!((lake.ingest().unwrap().uncommitted_bytes(), count(&lake).await), (0, 800));
    });
    life(async { assert_eq!(count(&start(&faulty).await).await, 800) });
}
