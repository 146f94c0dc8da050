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
