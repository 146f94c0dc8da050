//! What a lock keeps: files that compaction and retention are done with, log entries, replaced proofs.

use auditlake::{
    evidence::Evidence,
    retention::{Expiry, expire_all},
    table::sweep::Swept,
};
use futures::future::join_all;

use super::*;

/// Removes what has expired; what it records goes nowhere. Gives whose events went, and how many.
pub(super) async fn expire(lake: &Lake) -> Vec<(String, u64)> {
    let stop = CancellationToken::new();
    let report = expire_all(lake.tables(), lake.control(), &stop, async |_: Expiry| Ok(())).await.unwrap();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    report.expired.iter().map(|expiry| (expiry.tenant.to_string(), expiry.rows())).collect()
}

/// Sweeps without a grace: objects bear the real time, and the clock of the test stands elsewhere.
async fn sweep(lake: &Lake) -> Swept {
    lake.tables().sweep(i64::MIN).await
}

fn data_files(locked: &Locked) -> Vec<String> {
    let days = format!("{}/day=", locked.folder("acme"));
    locked.shown().into_keys().filter(|key| key.starts_with(&days)).collect()
}

/// Would catch a compaction that fails because its files cannot be removed, a sweep that ends at the first locked file or passes over
/// those that are not, and files that stay for ever because they were locked once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn superseded_files_stay_until_their_date() {
    superseded_files_stay(TableLayout::Plain).await;
}

/// Would catch the same in a store from before, of which the folders of tables are named otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn superseded_files_of_an_older_store_stay_until_their_date() {
    superseded_files_stay(TableLayout::Hive).await;
}

async fn superseded_files_stay(layout: TableLayout) {
    let locked = Locked::of_layout(Kind::Refuses, layout).await;
    locked.set("acme", days(3)).await;
    for _ in 0..3 {
        locked.commit("acme", "2026-10-30", 2).await;
    }
    // Their lock would have ended before they were written.
    for _ in 0..2 {
        locked.commit("acme", "2026-10-01", 2).await;
    }
    let report = compact(&locked.lake).await;
    assert_eq!((report.files_in, report.files_out, report.failures.len()), (5, 2, 0));
    let swept = sweep(&locked.lake).await;
    assert_eq!((swept.files, swept.failed, swept.locked), (2, 0, 3));
    assert_eq!(data_files(&locked).len(), 5);
    assert_eq!(count(&locked.lake).await, 10);

    // It goes on, and asks again without harm.
    locked.commit("acme", "2026-10-30", 2).await;
    assert_eq!(compact(&locked.lake).await.failures.len(), 0);
    let swept = sweep(&locked.lake).await;
    assert_eq!((swept.files, swept.failed, swept.locked), (0, 0, 5));
    assert_eq!(count(&locked.lake).await, 12);

    let locked = locked.reopened(config()).await;
    // The day ends at the midnight before the 31st; three days more, and two of all these are left.
    locked.clock.advance(DAY_MICROS + DAY_MICROS / 2);
    assert_eq!(sweep(&locked.lake).await.locked, 5);
    locked.clock.advance(DAY_MICROS / 2);
    let swept = sweep(&locked.lake).await;
    assert_eq!((swept.files, swept.failed, swept.locked), (5, 0, 0));
    assert_eq!(data_files(&locked).len(), 2);
    assert_eq!(count(&locked.lake).await, 12);
}

/// Would catch a bucket that hides what is locked losing the version, and a table that shows what was hidden.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hidden_file_keeps_its_version() {
    let locked = Locked::open(Kind::Hides, config()).await;
    locked.set("acme", days(3)).await;
    for _ in 0..3 {
        locked.commit("acme", "2026-10-30", 2).await;
    }
    assert_eq!(compact(&locked.lake).await.files_in, 3);
    let swept = sweep(&locked.lake).await;
    assert_eq!((swept.files, swept.failed, swept.locked), (3, 0, 0));
    assert_eq!(data_files(&locked).len(), 1);
    let versions = locked.locks.versions(&format!("{PREFIX}/events/acme/day="));
    let hidden: Vec<_> = versions.iter().filter(|(_, version)| !version.is_current).collect();
    assert_eq!((versions.len(), hidden.len()), (4, 3));
    for (_, version) in hidden {
        assert_eq!(&version.hidden.as_ref().unwrap()[..4], b"PAR1");
        assert_eq!(version.lock.until, Some(midnight("2026-11-03")));
    }
    let locked = locked.reopened(config()).await;
    assert_eq!(count(&locked.lake).await, 6);
}

/// Would catch a lock that outlives the retention of its events by a day, or ends a day before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_as_long_as_retention_ends_with_it() {
    let locked = Locked::open(Kind::Refuses, config()).await;
    locked.set("acme", TenantSettings { retention_days: Some(3), ..days(3) }).await;
    locked.commit("acme", "2026-10-30", 2).await;
    locked.clock.advance(2 * DAY_MICROS - 1);
    assert_eq!((expire(&locked.lake).await.len(), sweep(&locked.lake).await), (0, Swept::default()));
    assert_eq!(locked.locks.refused(), 0);
    locked.clock.advance(1);
    assert_eq!(expire(&locked.lake).await, [("acme".to_owned(), 2)]);
    let swept = sweep(&locked.lake).await;
    assert_eq!((swept.files, swept.locked), (1, 0));
    assert_eq!(count(&locked.lake).await, 0);
}

/// Would catch a locked log entry that makes each commit write a checkpoint anew, or that keeps a table from being opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_log_entries_stay_and_harm_nobody() {
    let mut config = config();
    config.table.log_retention_hours = 0;
    // The server stamps objects with the real time: by a clock far ahead all entries have expired.
    let locked = Locked::open_at(Kind::Refuses, 4_000_000_000_000_000, config.clone()).await;
    locked.set("acme", days(3)).await;
    for _ in 0..4 {
        locked.commit("acme", "2096-10-01", 1).await;
    }
    let table = locked.table("acme").await;
    table.maintain(Pace::InUse).await.unwrap();
    assert!(!table.maintain(Pace::InUse).await.unwrap(), "a checkpoint is there");
    let entries =
        locked.shown().into_keys().filter(|key| key.contains("_delta_log") && key.ends_with(".json")).count();
    assert_eq!(entries, 4);
    assert!(locked.locks.refused() > 0, "it was tried");
    let locked = locked.reopened(config).await;
    assert_eq!(count(&locked.lake).await, 4);
}

/// Would catch replaced proofs that are never removed once their locks end, needed ones that are, and a tree that stops growing because
/// of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_proofs_stay_until_their_date() {
    let locked = Locked::open(Kind::Refuses, config()).await;
    locked.set("acme", days(3)).await;
    for events in [100, 100, 100] {
        locked.commit("acme", "2026-10-30", events).await;
    }
    let proofs = || -> Vec<String> {
        let keys = locked.shown().into_keys();
        keys.filter_map(|key| key.strip_prefix("proof/tenant=acme/").map(str::to_owned)).collect()
    };
    let partial = |proofs: &[String]| proofs.iter().filter(|key| key.starts_with("tile/0/000.p/")).count();
    let notes = |proofs: &[String]| proofs.iter().filter(|key| key.starts_with("checkpoints/")).count();
    let found = proofs();
    assert_eq!((partial(&found), notes(&found)), (2, 3), "{found:?}");
    let evidence: &Evidence = locked.lake.evidence();
    let newest = |evidence: &Evidence| {
        let tree = evidence.of(&tenant("acme"));
        async move { tree.checkpoint().await.unwrap().unwrap().1.size }
    };
    assert_eq!(newest(evidence).await, 300);
    let swept = evidence.sweep().await;
    assert_eq!((swept.objects, swept.locked), (0, 4));
    locked.clock.advance(3 * DAY_MICROS);
    let swept = evidence.sweep().await;
    assert_eq!((swept.objects, swept.locked), (4, 0));
    let found = proofs();
    assert_eq!((partial(&found), notes(&found)), (0, 1), "{found:?}");
    assert_eq!(evidence.sweep().await, Default::default());
    let again = join_all([newest(evidence)]).await;
    assert_eq!(again, [300]);
}
