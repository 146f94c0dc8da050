//! The WAL as a whole, on a store in memory: what a crash or a second writer leaves behind.

use std::sync::Arc;

use bytes::Bytes;
use object_store::memory::InMemory;

use super::*;
use crate::{
    error::ErrorKind,
    event::decode::{BodyFormat, DecodeContext, decode},
    paths,
    store::Store,
    telemetry::Clock,
};

const NOW_MICROS: i64 = 1_700_000_000_000_000;
const LEASE_MS: i64 = 15_000;

fn store() -> Store {
    Store::from_object_store(Arc::new(InMemory::new()))
}

fn segment(id: &str) -> Segment {
    let body = format!(
        r#"{{"id":"{id}","tenant_id":"acme","action":"a.b","occurred_at":"2023-11-14T22:13:20Z","actor":{{"type":"user","id":"u"}}}}"#
    );
    let context = DecodeContext::new(None, NOW_MICROS);
    let decoded = decode(body.as_bytes(), BodyFormat::Json, &context).unwrap();
    assert!(decoded.rejected.is_empty(), "{:?}", decoded.rejected);
    Segment { writer: "w".into(), batches: vec![decoded.batch], answers: "[1]".into(), sealed_by: None }
}

async fn put(store: &Store, position: Position, bytes: Bytes) {
    store.put(&paths::wal_segment(position.epoch(), position.segment()), bytes).await.unwrap();
}

async fn read(store: &Store) -> crate::error::Result<Vec<Position>> {
    let mut read = Vec::new();
    read_all(store, async |listed, segment| {
        if segment.sealed_by.is_none() {
            read.push(listed.position);
        }
        Ok(())
    })
    .await?;
    Ok(read)
}

async fn claim(store: &Store, clock: &Clock, take_over: bool) -> crate::error::Result<Epoch> {
    Epoch::claim(store, clock, "nonce".into(), LEASE_MS, take_over).await
}

/// Would catch a segment that loses an event or its answers on the way.
#[test]
fn a_segment_comes_back_whole() {
    let written = segment("e1");
    assert_eq!(Segment::decode(&written.encode().unwrap()).unwrap(), written);
    let tombstone = Segment::tombstone("w".into(), 7);
    assert_eq!(Segment::decode(&tombstone.encode().unwrap()).unwrap(), tombstone);
}

/// Would catch half a write read as a whole one, wherever it was cut.
#[test]
fn a_cut_segment_is_torn() {
    let bytes = segment("e1").encode().unwrap();
    for length in 0..bytes.len() {
        let error = Segment::decode(&bytes.slice(..length)).unwrap_err();
        assert!(matches!(error, SegmentError::Torn { .. }), "cut at {length}: {error}");
    }
    let zeros = Bytes::from(vec![0; bytes.len()]);
    assert!(matches!(Segment::decode(&zeros).unwrap_err(), SegmentError::Torn { .. }));
}

/// Would catch a flipped bit that is read as an event.
#[test]
fn a_changed_byte_never_goes_unnoticed() {
    let bytes = segment("e1").encode().unwrap();
    for place in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[place] ^= 0x10;
        assert!(Segment::decode(&changed.into()).is_err(), "byte {place}");
    }
}

/// Would catch a start that gives up acknowledged events in silence, or one that a torn tail prevents.
#[tokio::test]
async fn only_the_unacknowledged_end_may_be_missing() {
    let whole = segment("e1").encode().unwrap();
    let torn = whole.slice(..whole.len() - 1);
    let mut damaged = whole.to_vec();
    damaged[100] ^= 1;

    let tail_torn = store();
    put(&tail_torn, Position::new(1, 1), whole.clone()).await;
    put(&tail_torn, Position::new(1, 2), torn.clone()).await;
    assert_eq!(read(&tail_torn).await.unwrap(), [Position::new(1, 1)]);
    // The next writer fences the epoch; the torn write is still the last that its writer wrote.
    let fence = Segment::tombstone("x".into(), 2).encode().unwrap();
    put(&tail_torn, Position::new(1, 3), fence).await;
    assert_eq!(read(&tail_torn).await.unwrap(), [Position::new(1, 1)]);

    let middle_torn = store();
    put(&middle_torn, Position::new(1, 1), torn).await;
    put(&middle_torn, Position::new(1, 2), whole.clone()).await;
    let error = read(&middle_torn).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("wal/0000000001/00000000000000000001.arrow"), "{error}");

    let tail_damaged = store();
    put(&tail_damaged, Position::new(1, 1), damaged.into()).await;
    assert_eq!(read(&tail_damaged).await.unwrap_err().kind(), ErrorKind::Corrupt);

    let gap = store();
    put(&gap, Position::new(1, 1), whole.clone()).await;
    put(&gap, Position::new(1, 3), whole).await;
    let error = read(&gap).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("00000000000000000002.arrow is missing"), "{error}");
}

/// Would catch an old writer that still gets events acknowledged after a new one read the WAL.
#[tokio::test]
async fn a_claim_fences_every_older_writer() {
    let (store, clock) = (store(), Clock::manual(NOW_MICROS));
    let bytes = |id| segment(id).encode().unwrap();
    let first = claim(&store, &clock, false).await.unwrap();
    let mut busy = Appender::new(store.clone(), first.number, first.nonce);
    assert_eq!(busy.append(bytes("e1")).await.unwrap(), Appended::Durable(Position::new(1, 1)));
    let second = claim(&store, &clock, true).await.unwrap();
    let mut idle = Appender::new(store.clone(), second.number, second.nonce);
    let third = claim(&store, &clock, true).await.unwrap();
    let mut newest = Appender::new(store.clone(), third.number, third.nonce);

    for old in [&mut busy, &mut idle] {
        let error = old.append(bytes("lost")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fenced);
        assert!(error.to_string().contains("took over"), "{error}");
    }
    assert_eq!(newest.append(bytes("e2")).await.unwrap(), Appended::Durable(Position::new(3, 1)));
    assert_eq!(read(&store).await.unwrap(), [Position::new(1, 1), Position::new(3, 1)]);
}

/// Would catch two writers started by accident, and a lease that outlives its holder's goodbye.
#[tokio::test]
async fn a_lease_keeps_a_second_writer_out() {
    let (store, clock) = (store(), Clock::manual(NOW_MICROS));
    let mut first = claim(&store, &clock, false).await.unwrap();
    assert_eq!(claim(&store, &clock, false).await.unwrap_err().kind(), ErrorKind::Conflict);
    clock.advance(LEASE_MS * 1_000);
    first.lease.renew(&store, &clock, LEASE_MS).await.unwrap();
    assert_eq!(claim(&store, &clock, false).await.unwrap_err().kind(), ErrorKind::Conflict);
    first.lease.release(&store).await.unwrap();
    assert_eq!(claim(&store, &clock, false).await.unwrap().number, 2);
}

/// Would catch a store that keeps an object for each start it ever had, or forgets a fence too early.
#[tokio::test]
async fn old_epochs_are_forgotten_after_a_week() {
    let (store, clock) = (store(), Clock::system());
    for _ in 0..3 {
        claim(&store, &clock, true).await.unwrap();
    }
    let week_ms = 7 * 24 * 3_600_000;
    forget_old_epochs(&store, 3, clock.now_millis() + week_ms - 60_000).await.unwrap();
    assert_eq!(store.list(&paths::epochs()).await.unwrap().len(), 3);
    forget_old_epochs(&store, 3, clock.now_millis() + week_ms + 60_000).await.unwrap();
    assert_eq!(store.list(&paths::epochs()).await.unwrap().len(), 1);
    assert!(list(&store).await.unwrap().is_empty());
    assert_eq!(claim(&store, &clock, true).await.unwrap().number, 4);
}
