//! Deliveries that are made, and cut, by their size.

use super::*;

const BYTES: u64 = 64 << 10;

fn by_size(layout: Layout) -> NewContinuous {
    NewContinuous { bytes: Some(BYTES), ..all(layout) }
}

/// Would catch a size that nothing is delivered at, one that does not cut what is delivered at once, days from before that are not cut or
/// that count although nobody asked for them, and an event that is lost or doubled between two cuts.
#[tokio::test]
async fn what_is_large_is_delivered_early_and_in_parts() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let objects = faulty.inner();
    let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
    let continuous = lake.continuous().unwrap();
    let stop = CancellationToken::new();
    for day in 1..=2 {
        fill_with(&lake, &clock, day, "before", "large").await;
    }
    compact(&lake).await;
    let from_now =
        continuous.create(NewContinuous { from: None, ..by_size(Layout::Delta) }).await.unwrap().id;
    fill(&lake, &clock, 3, "few").await;
    assert_eq!(continuous.pass(&stop).await, 0, "they are not enough, and have not waited");
    fill_with(&lake, &clock, 4, "x", "large").await;
    assert!(continuous.pass(&stop).await >= 1, "they are enough");
    let parts = listed(&continuous, &from_now).await;
    let lag = continuous.get(None, &from_now).await.unwrap().lag_events;
    assert!(lag < A_DAY as i64, "{lag} wait: {parts:?}");
    deliver_all(&continuous, &clock, &from_now).await;
    let folder = |id: &str| format!("deliveries/{id}/files");
    assert_eq!(in_delta(&objects, &folder(&from_now)).await, stored(&lake, "id NOT LIKE 'before-%'").await);

    // Of the first day from before nothing is wanted, whatever its size.
    let from = Some("2026-10-02".parse().unwrap());
    let of_before = continuous.create(NewContinuous { from, ..by_size(Layout::Delta) }).await.unwrap();
    assert_eq!(of_before.delivers.as_ref().unwrap().bytes_max, Some(BYTES));
    assert!(continuous.pass(&stop).await > 1, "it is more than one delivery has");
    let parts = listed(&continuous, &of_before.id).await;
    assert_eq!(
        in_delta(&objects, &folder(&of_before.id)).await,
        stored(&lake, "id NOT LIKE 'before-1-%'").await
    );
    // About: each has a footer of its own, and events are not all of one size.
    assert!(parts.values().all(|(bytes, _)| *bytes < 2 * BYTES), "{parts:?}");
    let whole = continuous.create(NewContinuous { from, ..all(Layout::Delta) }).await.unwrap().id;
    assert_eq!(continuous.pass(&stop).await, 1, "without a size it is one");
    assert!(listed(&continuous, &whole).await.len() < parts.len());
    lake.close().await.unwrap();
}

/// Would catch a window that has another end after a crash, because compaction has changed sizes meanwhile.
#[test]
fn a_crash_anywhere_delivers_once_by_size() {
    let crashes = crashes_deliver_once(&[by_size(Layout::Delta), by_size(Layout::Files)], "large");
    assert!(crashes > 30, "only {crashes} crashes");
}
