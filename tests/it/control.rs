//! The control log when the store fails, half-succeeds, or others write at the same time.

use std::{collections::BTreeSet, sync::Arc};

use auditlake::{
    control::{Change, Control, Key, KeyId, Scope, Secret},
    error::Result,
    store::Store,
    telemetry::Clock,
};
use object_store::ObjectStore;

use crate::support::faulty::{Action, FaultyStore, Operation};

const SEEDS: u64 = 20;
const CHANGES: usize = 24;

fn is_record(path: &str) -> bool {
    path.starts_with("control/log/")
}

async fn open(objects: Arc<dyn ObjectStore>) -> Result<Control> {
    Control::open(Store::from_object_store(objects), Clock::manual(0)).await
}

/// Makes a key; its name tells it from others.
async fn create(control: &Control, name: &str) -> Result<()> {
    let key = Key {
        id: KeyId::random(),
        name: name.to_owned(),
        scopes: BTreeSet::from([Scope::Read]),
        tenant: None,
        secrets: vec![Secret { sha256: "0".repeat(64), ends_ms: None }],
        created_ms: 0,
        created_by: "root".into(),
        expires_ms: None,
        revoked_ms: None,
    };
    control.change("root", |_| Ok((Change::KeyCreated { key: key.clone() }, ()))).await
}

fn names(control: &Control) -> Vec<String> {
    let mut names: Vec<String> = control.state().keys().map(|key| key.name.clone()).collect();
    names.sort_unstable();
    names
}

/// Would catch a change that was made and is reported as failed because its answer was lost, and one that is reported and
/// was not made.
#[tokio::test]
async fn a_change_is_what_its_answer_says() {
    for (action, made) in [(Action::FailBefore, false), (Action::FailAfter, true)] {
        let faulty = FaultyStore::over_memory();
        let control = open(Arc::new(faulty.clone())).await.unwrap();
        faulty.plan(Operation::Create, is_record, 0, action.clone());
        assert_eq!(create(&control, "first").await.is_ok(), made, "{action:?}");
        create(&control, "second").await.unwrap();
        let expected = if made { vec!["first", "second"] } else { vec!["second"] };
        assert_eq!(names(&control), expected, "{action:?}");
        assert_eq!(names(&open(faulty.inner()).await.unwrap()), expected, "{action:?}");
    }
}

/// Would catch a state that moves although the log could not be read.
#[tokio::test]
async fn a_log_that_cannot_be_read_changes_nothing() {
    let faulty = FaultyStore::over_memory();
    let (control, other) =
        (open(Arc::new(faulty.clone())).await.unwrap(), open(Arc::new(faulty.clone())).await.unwrap());
    create(&other, "first").await.unwrap();
    faulty.plan(Operation::Get, is_record, 0, Action::FailBefore);
    control.refresh().await.unwrap_err();
    assert!(names(&control).is_empty());
    control.refresh().await.unwrap();
    assert_eq!(names(&control), ["first"]);
}

/// Would catch a change that is acknowledged and lost, or made twice, when two processes write to a store that fails now and
/// then.
#[tokio::test]
async fn acknowledged_changes_are_there_once() {
    for seed in 0..SEEDS {
        let faulty = FaultyStore::over_memory();
        let writers =
            [open(Arc::new(faulty.clone())).await.unwrap(), open(Arc::new(faulty.clone())).await.unwrap()];
        faulty.fail_writes_at_random(seed, 0.3);
        let asked: Vec<String> = (0..CHANGES).map(|number| format!("key {number:02}")).collect();
        let mut acknowledged = Vec::new();
        for (number, name) in asked.iter().enumerate() {
            if create(&writers[number % 2], name).await.is_ok() {
                acknowledged.push(name.clone());
            }
        }
        faulty.heal();
        let found = names(&open(faulty.inner()).await.unwrap());
        assert_eq!(found, acknowledged, "seed {seed}");
        for writer in writers {
            writer.refresh().await.unwrap();
            assert_eq!(names(&writer), found, "seed {seed}");
        }
    }
}
