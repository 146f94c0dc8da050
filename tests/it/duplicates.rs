//! Exactly once: the same event sent again, the same request sent again, and how much may wait.

use std::sync::Arc;

use auditlake::{
    error::{ErrorKind, Result},
    ingest::{AppendRequest, IdempotencyKey, Receipt},
    server::Lake,
    telemetry::Clock,
};
use serde_json::Value;

use crate::support::{
    faulty::{Action, FaultyStore, Gate, Operation},
    lake::{START_MICROS, append, compact, config, count, decoded, event, life, open},
};

const DAY_MICROS: i64 = 24 * 3_600_000_000;

async fn start(faulty: &FaultyStore, clock: &Clock) -> Lake {
    open(Arc::new(faulty.clone()), clock, config()).await.unwrap()
}

/// What came of sending these events: accepted, duplicates, conflicts.
async fn send(lake: &Lake, events: &[Value], atomic: bool) -> (usize, usize, usize) {
    let request = AppendRequest { decoded: decoded(events, lake.clock()), atomic, idempotency: None };
    let receipt = lake.ingest().unwrap().append(request).await.unwrap();
    assert_eq!(receipt.rejected.len(), receipt.conflicts, "{:?}", receipt.rejected);
    (receipt.accepted, receipt.duplicates, receipt.conflicts)
}

fn same() -> Value {
    event(Some("a"), "the first content")
}

fn other() -> Value {
    event(Some("a"), "another content")
}

/// Would catch an event stored twice, or a second content under one id, at any point of an event's way.
#[test]
fn an_id_is_accepted_once_wherever_its_event_is() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    life(async {
        let lake = start(&faulty, &clock).await;
        let ingest = lake.ingest().unwrap();
        assert_eq!(send(&lake, &[same(), same(), other()], false).await, (1, 1, 1), "in one request");
        clock.advance(1_000_000);
        assert_eq!(send(&lake, &[same()], false).await, (0, 1, 0), "uncommitted, received at another time");
        assert_eq!(send(&lake, &[other()], false).await, (0, 0, 1), "uncommitted");

        let gate = Gate::new();
        faulty.plan(Operation::Put, |path| path.ends_with(".parquet"), 0, Action::HoldBefore(gate.clone()));
        let meanwhile = async {
            gate.arrived().await;
            assert_eq!(send(&lake, &[same()], false).await, (0, 1, 0), "being committed");
            assert_eq!(send(&lake, &[other()], false).await, (0, 0, 1), "being committed");
            gate.open();
        };
        let (flushed, ()) = tokio::join!(ingest.flush(), meanwhile);
        flushed.unwrap();

        assert_eq!(send(&lake, &[same()], false).await, (0, 1, 0), "committed");
        assert_eq!(send(&lake, &[other()], false).await, (0, 0, 1), "committed");
        let refused = append(ingest, decoded(&[event(Some("z"), "z"), other()], lake.clock())).await.unwrap();
        assert_eq!((refused.accepted, refused.rejected[0].index), (1, 1), "{refused:?}");
        send(&lake, &[event(Some("b"), "b")], false).await;
        ingest.flush().await.unwrap();
        assert_eq!(compact(&lake).await.jobs, 1);
        assert_eq!(send(&lake, &[same(), event(Some("b"), "b")], false).await, (0, 2, 0), "merged");
        assert_eq!(count(&lake).await, 3);
    });
    life(async {
        let lake = start(&faulty, &clock).await;
        let events = [same(), event(Some("b"), "b"), event(Some("c"), "c")];
        assert_eq!(send(&lake, &events, false).await, (1, 2, 0), "after a restart");
    });
    life(async {
        let lake = start(&faulty, &clock).await;
        assert_eq!(send(&lake, &[event(Some("c"), "c")], false).await, (0, 1, 0), "read back from the WAL");
        assert_eq!(send(&lake, &[event(Some("c"), "C")], false).await, (0, 0, 1), "read back from the WAL");
        assert_eq!(count(&lake).await, 4);
    });
}

/// Would catch an id of another day that is refused or stored depending on what was committed when.
#[test]
fn an_id_is_taken_in_its_day() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let mut another_day = other();
    another_day["occurred_at"] = "2026-10-29T12:00:00Z".into();
    life(async {
        let lake = start(&faulty, &clock).await;
        assert_eq!(send(&lake, &[same(), another_day.clone()], false).await, (2, 0, 0), "uncommitted");
        assert_eq!(send(&lake, &[same(), another_day.clone()], false).await, (0, 2, 0), "uncommitted");
        lake.ingest().unwrap().flush().await.unwrap();
        assert_eq!(send(&lake, &[same(), another_day.clone()], false).await, (0, 2, 0), "committed");
        assert_eq!(count(&lake).await, 2);
    });
}

/// Would catch half of an atomic request being stored, and a refused one that keeps its ids.
#[test]
fn an_atomic_request_with_a_conflict_leaves_nothing_behind() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    life(async {
        let lake = start(&faulty, &clock).await;
        send(&lake, &[same()], false).await;
        let new = event(Some("new"), "new");
        assert_eq!(send(&lake, &[new.clone(), other()], true).await, (0, 0, 1));
        assert_eq!(count(&lake).await, 1);
        lake.ingest().unwrap().flush().await.unwrap();
        assert_eq!(send(&lake, &[new.clone(), other()], true).await, (0, 0, 1), "committed");
        assert_eq!(send(&lake, &[new, same()], true).await, (1, 1, 0));
        assert_eq!(count(&lake).await, 2);
    });
}

/// Would catch two requests that each find the id free, in one group or while the other is on its way.
#[test]
fn of_two_requests_at_once_one_is_first() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    life(async {
        let lake = start(&faulty, &clock).await;
        let (one, two) = ([same()], [same()]);
        let (one, two) = tokio::join!(send(&lake, &one, false), send(&lake, &two, false));
        assert_eq!((one.0 + two.0, one.1 + two.1), (1, 1));
        assert_eq!(count(&lake).await, 1);

        let gate = Gate::new();
        faulty.plan(Operation::Create, |path| path.starts_with("wal/"), 0, Action::HoldBefore(gate.clone()));
        let (b, other_b) = ([event(Some("b"), "b")], [event(Some("b"), "B")]);
        let second = async {
            gate.arrived().await;
            gate.open();
            send(&lake, &other_b, false).await
        };
        let (first, second) = tokio::join!(send(&lake, &b, false), second);
        assert_eq!((first, second), ((1, 0, 0), (0, 0, 1)));
        assert_eq!(count(&lake).await, 2);
    });
}

fn key(key: &str, fingerprint: u8) -> Option<IdempotencyKey> {
    Some(IdempotencyKey { principal: "root".into(), key: key.into(), fingerprint: [fingerprint; 32] })
}

/// Sends two events without ids: only the key can tell that they were sent before.
async fn send_keyed(lake: &Lake, idempotency: Option<IdempotencyKey>) -> Result<Receipt> {
    let events = [event(None, "one"), event(None, "two")];
    let decoded = decoded(&events, lake.clock());
    lake.ingest().unwrap().append(AppendRequest { decoded, atomic: false, idempotency }).await
}

/// Would catch a repeated request that is stored twice, and an answer that goes with the WAL or lasts for ever.
#[test]
fn a_key_gets_its_first_answer_for_a_day() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let documents = |path: &str| path.starts_with("control/idempotency/");
    life(async {
        let lake = start(&faulty, &clock).await;
        let first = send_keyed(&lake, key("k", 1)).await.unwrap();
        assert_eq!((first.accepted, first.duplicates), (2, 0));
        assert_eq!(send_keyed(&lake, key("k", 1)).await.unwrap(), first);
        assert_eq!(send_keyed(&lake, key("k", 2)).await.unwrap_err().kind(), ErrorKind::Invalid);
    });
    life(async {
        let lake = start(&faulty, &clock).await;
        assert_eq!(send_keyed(&lake, key("k", 1)).await.unwrap().accepted, 2, "from the WAL");
        assert_eq!(count(&lake).await, 2);
        // A second segment lets the first one go; the answer in it moves to a document.
        send(&lake, &[same()], false).await;
        lake.ingest().unwrap().flush().await.unwrap();
        assert_eq!(faulty.count(Operation::Put, documents), 1);
        assert!(faulty.count(Operation::Delete, |path| path.starts_with("wal/0000000001/")) > 0);
    });
    life(async {
        let lake = start(&faulty, &clock).await;
        clock.advance(DAY_MICROS - 1_000);
        assert_eq!(send_keyed(&lake, key("k", 1)).await.unwrap().accepted, 2, "from the document");
        assert_eq!(send_keyed(&lake, key("k", 2)).await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(count(&lake).await, 3);
        clock.advance(2_000);
        assert_eq!(send_keyed(&lake, key("k", 2)).await.unwrap().accepted, 2, "a day is over");
        assert_eq!(count(&lake).await, 5);
        lake.ingest().unwrap().flush().await.unwrap();
        assert_eq!(faulty.count(Operation::Delete, documents), 1, "its document goes as well");
    });
}

/// Would catch memory for uncommitted events that only grows, or is not given back by commits and refusals.
#[test]
fn past_the_cap_requests_are_refused_until_a_commit() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    life(async {
        let mut config = config();
        config.ingest.uncommitted_bytes_max = 32 << 20;
        let lake = open(Arc::new(faulty.clone()), &clock, config).await.unwrap();
        let ingest = lake.ingest().unwrap();
        // While the store takes no files, nothing can be committed.
        let gate = Gate::new();
        faulty.plan(Operation::Put, |path| path.ends_with(".parquet"), 0, Action::HoldBefore(gate.clone()));
        let (mut accepted, mut number) = (0, 0);
        let refused = loop {
            let text = "x".repeat(8_000);
            let events: Vec<Value> =
                (0..500).map(|at| event(Some(&format!("{number}-{at}")), &text)).collect();
            number += 1;
            match append(ingest, decoded(&events, &clock)).await {
                Ok(receipt) => accepted += receipt.accepted,
                Err(error) => break error,
            }
            assert!(number < 20, "{} bytes are uncommitted", ingest.uncommitted_bytes());
        };
        assert_eq!(refused.kind(), ErrorKind::Busy, "{refused:?}");
        assert!(accepted > 0 && ingest.uncommitted_bytes() <= 32 << 20);
        gate.open();
        ingest.flush().await.unwrap();
        assert_eq!(ingest.uncommitted_bytes(), 0);
        assert_eq!(send(&lake, &[same()], false).await, (1, 0, 0));
        assert_eq!(count(&lake).await, accepted as u64 + 1);

        faulty.plan(Operation::Create, |path| path.starts_with("wal/"), 0, Action::FailBefore);
        let before = ingest.uncommitted_bytes();
        assert!(append(ingest, decoded(&[event(None, "refused")], &clock)).await.is_err());
        assert_eq!(ingest.uncommitted_bytes(), before, "a refused request gives its memory back");
    });
}
