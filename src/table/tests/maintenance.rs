//! Checkpoints, log clean-up and the sweep.

use super::*;

async fn log_entries(store: &Store) -> Vec<String> {
    let listed = store.list(&folder().delta_log()).await.unwrap();
    listed.iter().map(|object| object.location.filename().unwrap().to_owned()).collect()
}

/// Commits `count` one-event files.
async fn commit_singly(table: &Table, count: u64) {
    let first = table.snapshot().next_seq as u64;
    for number in first..first + count {
        let file = write(table, &events(number, 1)).await;
        table.commit(append(vec![file], number + 1, number as i64 + 1)).await.unwrap();
    }
}

/// Would catch a checkpoint that loses files, statistics or positions, one made too early or too often, and a
/// clean-up that removes entries still needed.
#[tokio::test]
async fn a_checkpointed_table_reopens_the_same() {
    let store = memory_store();
    let settings = Settings { checkpoint_commits: 5, ..Default::default() };
    let open = tables(&store, settings.clone()).await;
    let table = open.get_or_create(&tenant()).await.unwrap();
    commit_singly(&table, 4).await;
    assert!(!table.maintain(Pace::InUse).await.unwrap());
    commit_singly(&table, 3).await;
    assert!(table.maintain(Pace::InUse).await.unwrap());
    assert!(!table.maintain(Pace::InUse).await.unwrap());
    assert!(log_entries(&store).await.iter().any(|name| name.starts_with("00000000000000000006.checkpoint")));
    commit_singly(&table, 2).await;

    let reopened = tables(&store, settings).await.get(&tenant()).await.unwrap().unwrap();
    assert_eq!(committed(&reopened.snapshot()), committed(&table.snapshot()));
    assert!(!reopened.maintain(Pace::InUse).await.unwrap(), "the last checkpoint is known after reopening");
    commit_singly(&reopened, 3).await;
    assert!(reopened.maintain(Pace::InUse).await.unwrap());
}

/// Would catch a table at rest whose next reader has to fetch a hundred log entries, and checkpoints for a few.
#[tokio::test]
async fn a_table_at_rest_has_a_checkpoint_sooner() {
    let table = tables(&memory_store(), Settings::default()).await.get_or_create(&tenant()).await.unwrap();
    commit_singly(&table, 8).await;
    assert!(!table.maintain(Pace::AtRest).await.unwrap());
    commit_singly(&table, 4).await;
    assert!(!table.maintain(Pace::InUse).await.unwrap());
    assert!(table.maintain(Pace::AtRest).await.unwrap());
    assert!(!table.maintain(Pace::AtRest).await.unwrap());
}

/// Would catch a log that grows for ever, or that loses what a reader needs.
#[tokio::test]
async fn expired_log_entries_go_and_the_table_stays_whole() {
    let store = memory_store();
    let settings = Settings { checkpoint_commits: 5, log_retention_hours: 0, ..Default::default() };
    // The store stamps objects with the real time; a clock far ahead makes all of them expired.
    let clock = Clock::manual(4_000_000_000_000_000);
    let open = Tables::open(store.clone(), clock.clone(), settings.clone()).await.unwrap();
    let table = open.get_or_create(&tenant()).await.unwrap();
    commit_singly(&table, 12).await;
    assert!(table.maintain(Pace::InUse).await.unwrap());
    assert!(!log_entries(&store).await.contains(&"00000000000000000003.json".to_owned()));
    commit_singly(&table, 1).await;
    let reopened = Tables::open(store, clock, settings).await.unwrap();
    let reopened = reopened.get(&tenant()).await.unwrap().unwrap();
    assert_eq!(committed(&reopened.snapshot()), committed(&table.snapshot()));
}

/// Would catch a superseded file that stays for ever, goes before its grace, or a live one that goes.
#[tokio::test]
async fn superseded_files_go_after_their_grace() {
    let store = memory_store();
    let clock = Clock::manual(4_000_000_000_000_000);
    let open = Tables::open(store.clone(), clock.clone(), Settings::default()).await.unwrap();
    let table = open.get_or_create(&tenant()).await.unwrap();
    commit_singly(&table, 3).await;
    let superseded = table.snapshot().files.to_vec();
    let merged = write(&table, &events(0, 3)).await;
    let replace = Commit {
        operation: "OPTIMIZE",
        add: vec![merged.clone()],
        remove: superseded,
        data_change: false,
        wal_through: None,
        next_seq: None,
        tree: None,
    };
    table.commit(replace).await.unwrap();
    let grace_ms = 3_600_000;
    assert_eq!(table.sweep(grace_ms).await.unwrap(), Swept::default());
    clock.advance(grace_ms * 1_000);
    let swept = open.sweep(grace_ms).await;
    assert_eq!((swept.files, swept.failed), (3, 0));
    assert_eq!(read_whole(&table, &merged).await, stored(&events(0, 3)));
    assert_eq!(table.sweep(grace_ms).await.unwrap(), Swept::default());
}
