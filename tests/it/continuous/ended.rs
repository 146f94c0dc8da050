//! What becomes of continuous exports that are ended, were never made, or cannot be read.

use auditlake::control::{Change, Subscription};
use serde_json::json;

use super::*;

const UNREADABLE: &str = "sub_0123456789abcdef0123456789abcdef";

/// Has the control log tell of an export that this version does not read.
async fn of_another_version(lake: &Lake) {
    let subscription = Subscription {
        id: UNREADABLE.to_owned(),
        tenant: acme(),
        created_ms: 1,
        created_by: "test".to_owned(),
        definition: json!({"version": 9}),
        paused: false,
        replay: None,
    };
    let made = lake
        .control()
        .change("test", |_| Ok((Change::SubscriptionCreated { subscription: subscription.clone() }, ())));
    made.await.unwrap();
}

async fn kept(objects: &dyn ObjectStore) -> Vec<String> {
    let listed = objects.list(Some(&Path::from("deliveries"))).try_collect::<Vec<_>>().await.unwrap();
    listed.into_iter().map(|object| object.location.to_string()).collect()
}

/// Would catch a list that fails because one of its exports cannot be read, one that is kept from its deliveries by it, and one that can
/// never be ended.
#[tokio::test]
async fn one_that_cannot_be_read_is_listed_and_can_be_ended() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
    let continuous = lake.continuous().unwrap();
    let good = continuous.create(all(Layout::Files)).await.unwrap();
    of_another_version(&lake).await;
    fill(&lake, &clock, 1, "x").await;
    deliver_all(&continuous, &clock, &good.id).await;
    let page = continuous.page(acme().as_ref(), None, 10).await.unwrap();
    let states: BTreeMap<&str, &str> = page.exports.iter().map(|it| (&*it.id, it.state)).collect();
    assert_eq!(states, BTreeMap::from([(&*good.id, "active"), (UNREADABLE, "unreadable")]));
    let unreadable = continuous.get(acme().as_ref(), UNREADABLE).await.unwrap();
    assert!(unreadable.error.as_ref().is_some_and(|error| error.contains(UNREADABLE)), "{unreadable:?}");
    assert!(unreadable.delivers.is_none());
    continuous.remove(acme().as_ref(), UNREADABLE, "test").await.unwrap();
    assert_eq!(continuous.get(None, UNREADABLE).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(continuous.page(None, None, 10).await.unwrap().exports.len(), 1);
    lake.close().await.unwrap();
}

/// Would catch what stays for ever of an export whose making or removal broke off, and what is taken from one that there is.
#[tokio::test]
async fn what_broke_off_is_swept() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let objects = faulty.inner();
    let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
    fill(&lake, &clock, 1, "x").await;
    let continuous = lake.continuous().unwrap();
    let stays = continuous.create(all(Layout::Files)).await.unwrap().id;
    let removed = continuous.create(all(Layout::Files)).await.unwrap().id;
    for id in [&stays, &removed] {
        deliver_all(&continuous, &clock, id).await;
    }
    faulty.plan(Operation::Create, |path| path.starts_with("control/"), 0, Action::FailBefore);
    continuous.create(all(Layout::Delta)).await.unwrap_err();
    faulty.plan(Operation::Delete, |path| path.starts_with("deliveries/"), 0, Action::FailBefore);
    continuous.remove(None, &removed, "test").await.unwrap_err();
    assert_eq!(faulty.faults_left(), 0);
    let is_left = |path: &String| !path.starts_with(&format!("deliveries/{stays}/"));
    assert!(kept(&*objects).await.iter().any(is_left));
    let before = files(&*objects, &stays).await;
    assert_eq!(continuous.sweep().await, 2);
    assert!(!kept(&*objects).await.iter().any(is_left), "{:?}", kept(&*objects).await);
    assert_eq!(files(&*objects, &stays).await, before);
    assert_eq!(continuous.sweep().await, 0);
    lake.close().await.unwrap();
}

/// Would catch an export that loses its beginning to a sweep while it is made, and so delivers what nobody asked for.
#[tokio::test]
async fn what_is_being_made_is_not_swept() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let objects = faulty.inner();
    let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
    fill(&lake, &clock, 1, "x").await;
    let continuous = lake.continuous().unwrap();
    let gate = Gate::new();
    faulty.plan(Operation::Create, |path| path.starts_with("control/"), 0, Action::HoldBefore(gate.clone()));
    let swept = async {
        gate.arrived().await;
        assert!(!kept(&*objects).await.is_empty());
        let swept = continuous.sweep().await;
        gate.open();
        swept
    };
    let (made, swept) = tokio::join!(continuous.create(all(Layout::Files)), swept);
    assert_eq!(swept, 0);
    assert!(!kept(&*objects).await.is_empty());
    continuous.remove(None, &made.unwrap().id, "test").await.unwrap();
    lake.close().await.unwrap();
}

/// Would catch metrics that tell for ever of an export that was ended while they were taken.
#[tokio::test]
async fn metrics_do_not_come_back() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
    let continuous = lake.continuous().unwrap();
    let mut made = Vec::new();
    for _ in 0..2 {
        let of_all = NewContinuous { tenant: None, ..all(Layout::Files) };
        made.push(continuous.create(of_all).await.unwrap().id);
        continuous.pause(None, made.last().unwrap(), true, "test").await.unwrap();
    }
    // A tenant's first event, whose table is held back while it is looked for: how far behind it is cannot be told yet.
    let gate = Gate::new();
    for operation in [Operation::List, Operation::Get] {
        let of_table = |path: &str| path.starts_with("events/acme");
        faulty.plan(operation, of_table, 0, Action::HoldBefore(gate.clone()));
    }
    let arrives = {
        let (ingest, events) = (lake.ingest().unwrap().clone(), decoded(&[event(Some("x"), "x")], &clock));
        tokio::spawn(async move { append(&ingest, events).await.map(drop) })
    };
    gate.arrived().await;
    let looks = {
        let continuous = continuous.clone();
        tokio::spawn(async move { continuous.pass(&CancellationToken::new()).await })
    };
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!looks.is_finished(), "it waits for the table");
    for id in &made {
        continuous.remove(None, id, "test").await.unwrap();
    }
    gate.open();
    gate.open();
    arrives.await.unwrap().unwrap();
    assert_eq!(looks.await.unwrap(), 0);
    let metrics = lake.metrics().render();
    assert!(!metrics.contains("delivery_lag_events{"), "{metrics}");
    lake.close().await.unwrap();
}
