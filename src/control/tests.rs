//! The log under several writers, lost answers and damage.

use std::{collections::BTreeSet, sync::Arc};

use object_store::memory::InMemory;

use super::*;
use crate::paths;

fn key(name: &str) -> Key {
    Key {
        id: KeyId::random(),
        name: name.to_owned(),
        scopes: BTreeSet::from([Scope::Read]),
        tenant: None,
        secrets: vec![Secret { sha256: "0".repeat(64), ends_ms: None }],
        created_ms: 0,
        created_by: "root".into(),
        expires_ms: None,
        revoked_ms: None,
    }
}

fn store() -> Store {
    Store::from_object_store(Arc::new(InMemory::new()))
}

async fn open(store: &Store) -> Control {
    Control::open(store.clone(), Clock::manual(0)).await.unwrap()
}

async fn create(control: &Control, name: &str) -> Result<KeyId> {
    let key = key(name);
    control.change("root", |_| Ok((Change::KeyCreated { key: key.clone() }, key.id.clone()))).await
}

/// Would catch a change that is lost or made twice when two processes write at the same time, and states that differ.
#[tokio::test]
async fn writers_take_turns() {
    let store = store();
    let (one, other) = (open(&store).await, open(&store).await);
    let names: Vec<String> = (0..20).map(|number| format!("key {number}")).collect();
    let made = names.iter().enumerate().map(|(number, name)| {
        let control = if number % 2 == 0 { &one } else { &other };
        create(control, name)
    });
    for made in futures::future::join_all(made).await {
        made.unwrap();
    }
    one.refresh().await.unwrap();
    other.refresh().await.unwrap();
    assert_eq!(one.state().version(), 20);
    assert_eq!(one.state(), other.state());
    assert_eq!(one.state(), open(&store).await.state());
    let mut found: Vec<_> = one.state().keys().map(|key| key.name.clone()).collect();
    found.sort_unstable_by_key(|name| name[4..].parse::<u32>().unwrap());
    assert_eq!(found, names);
}

/// Would catch a decision upon what is out of date.
#[tokio::test]
async fn a_change_is_decided_upon_what_others_did() {
    let store = store();
    let (one, other) = (open(&store).await, open(&store).await);
    create(&one, "first").await.unwrap();
    let refused = other.change("root", |state| match state.version() {
        0 => Ok((Change::KeyCreated { key: key("second") }, ())),
        version => Err(Error::new(ErrorKind::Conflict, format!("there are {version}"))),
    });
    assert_eq!(refused.await.unwrap_err().to_string(), "there are 1");
    assert_eq!(other.state().version(), 1);
}

/// Would catch a start that forgets what a snapshot stands for, reads it twice, or cannot do without it.
#[tokio::test]
async fn snapshots_shorten_the_start_and_change_nothing() {
    let store = store();
    let control = open(&store).await;
    let id = create(&control, "first").await.unwrap();
    for _ in 1..=SNAPSHOT_EVERY {
        control.change("root", |_| Ok((Change::KeyRevoked { id: id.clone() }, ()))).await.unwrap();
    }
    let path = paths::control_snapshot(SNAPSHOT_EVERY);
    while store.get(&path).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(open(&store).await.state(), control.state());
    // With the snapshot there, the first records are not needed; without it, they are.
    let first = paths::control_record(1);
    let record = store.get(&first).await.unwrap().unwrap();
    store.delete(&first).await.unwrap();
    assert_eq!(open(&store).await.state(), control.state());
    store.delete(&path).await.unwrap();
    let error = Control::open(store.clone(), Clock::manual(0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    store.put(&first, record).await.unwrap();
    assert_eq!(open(&store).await.state(), control.state());
}

/// Would catch a record of a later version, or a damaged one, that is passed over.
#[tokio::test]
async fn what_is_not_understood_is_named() {
    for text in [
        "",
        "{}",
        r#"{"version":1,"id":"0190a6de-5d5b-7000-8000-000000000000","at_ms":0,"by":"root","change":{"type":"key_widened"}}"#,
    ] {
        let store = store();
        let control = open(&store).await;
        store.put(&paths::control_record(1), text.as_bytes().to_vec().into()).await.unwrap();
        for error in
            [control.refresh().await.unwrap_err(), Control::open(store, Clock::manual(0)).await.unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(error.to_string().contains("control/log/00000000000000000001.json"), "{error}");
        }
    }
}

/// Would catch settings that lose their past, or that a start reads otherwise than they were made.
#[tokio::test]
async fn settings_are_versions() {
    let store = store();
    let control = open(&store).await;
    let acme = crate::event::TenantId::parse("acme").unwrap();
    assert_eq!(control.state().settings(&acme), TenantSettings::default());
    for days in 1..=VERSIONS_KEPT as u32 + 2 {
        let settings = TenantSettings { retention_days: Some(days), ..TenantSettings::default() };
        let change = Change::TenantSet { id: acme.clone(), settings };
        control.change("root", |_| Ok((change.clone(), ()))).await.unwrap();
    }
    let state = control.state();
    let tenant = state.tenant(&acme).unwrap();
    assert_eq!(tenant.current().settings.retention_days, Some(VERSIONS_KEPT as u32 + 2));
    assert_eq!(tenant.current().version, VERSIONS_KEPT as u64 + 2);
    assert_eq!(tenant.versions.first().unwrap().version, 3);
    assert_eq!(tenant.versions.len(), VERSIONS_KEPT);
    assert_eq!(open(&store).await.state(), state);
}
