//! Locks and legal holds of what was there before, and of what a later deletion hides.

use auditlake::retention::locks::{Report, SETTLE_MS, lock_all};

use super::*;

async fn lock(locked: &Locked) -> Report {
    let stop = CancellationToken::new();
    lock_all(locked.lake.store(), locked.lake.tables().layout(), locked.lake.control(), &locked.clock, &stop)
        .await
        .unwrap()
}

async fn hold(locked: &Locked) -> (u64, u64) {
    let report = lock(locked).await;
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!((report.locked, locked.locks.retentions()), (0, 0), "it was locked when it was written");
    (report.held, report.released)
}

fn held(hold: bool) -> TenantSettings {
    TenantSettings { legal_hold: hold, ..days(3) }
}

/// All versions of a tenant's objects: how many, and how many of them are held.
fn versions(locked: &Locked, name: &str) -> (usize, usize) {
    let of = |folder: &str| locked.locks.versions(&format!("{PREFIX}/{folder}/"));
    let all = [of(&locked.folder(name)), of(&format!("proof/tenant={name}"))].concat();
    (all.len(), all.iter().filter(|(_, version)| version.lock.hold).count())
}

/// Would catch a hold that leaves out what was there before it or what others had replaced, one that reaches another tenant, and one that
/// stays on a hidden version for ever when it is lifted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_reaches_what_was_there_before_and_leaves_it_again() {
    a_hold_reaches_what_was_there_before(TableLayout::Plain).await;
}

/// Would catch the same in a store from before, of which the folders of tables are named otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_reaches_an_older_store_and_leaves_it_again() {
    a_hold_reaches_what_was_there_before(TableLayout::Hive).await;
}

async fn a_hold_reaches_what_was_there_before(layout: TableLayout) {
    let locked = Locked::of_layout(Kind::Hides, layout).await;
    locked.locks.page(3);
    locked.set("acme", held(false)).await;
    for name in ["acme", "acme2"] {
        for _ in 0..3 {
            locked.commit(name, "2026-10-30", 2).await;
        }
    }
    compact(&locked.lake).await;
    locked.lake.tables().sweep(i64::MIN).await;
    assert_eq!(hold(&locked).await, (0, 0));
    let (before, none) = versions(&locked, "acme");
    assert!(before > 10 && none == 0, "{before} {none}");

    locked.set("acme", held(true)).await;
    assert_eq!(hold(&locked).await, (before as u64, 0));
    assert_eq!(versions(&locked, "acme"), (before, before));
    assert_eq!(versions(&locked, "acme2").1, 0);
    assert_eq!(hold(&locked).await, (0, 0), "until everything has arrived");
    locked.commit("acme", "2026-10-30", 2).await;
    let (all, of_all) = versions(&locked, "acme");
    assert_eq!(all, of_all, "what comes under a hold is held");
    locked.clock.advance(SETTLE_MS * 1_000);
    assert_eq!(hold(&locked).await, (all as u64, 0));
    assert_eq!(hold(&locked).await, (0, 0));

    // Nothing that is shown may go while it holds; a file that is replaced is hidden and held.
    compact(&locked.lake).await;
    locked.lake.tables().sweep(i64::MIN).await;
    let (all, of_all) = versions(&locked, "acme");
    assert_eq!(all, of_all);

    locked.set("acme", held(false)).await;
    assert_eq!(hold(&locked).await, (0, all as u64));
    assert_eq!(versions(&locked, "acme"), (all, 0));
    locked.clock.advance(SETTLE_MS * 1_000);
    assert_eq!(hold(&locked).await, (0, all as u64));
    assert_eq!(hold(&locked).await, (0, 0));
}

/// Would catch a hold that begins anew with each process, so that it never ends for a large tenant, and one that forgets the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_goes_on_where_it_was_stopped() {
    let locked = Locked::open(Kind::Refuses, config()).await;
    locked.locks.page(2);
    locked.set("acme", held(false)).await;
    for _ in 0..4 {
        locked.commit("acme", "2026-10-30", 2).await;
    }
    locked.set("acme", held(true)).await;
    let (all, _) = versions(&locked, "acme");
    // The third page cannot be had: progress, two pages (a list, two holds, two looks at locks, a document each), and then trouble.
    let trouble = crate::support::s3::Answer::Instead(hyper::StatusCode::FORBIDDEN);
    let fine = crate::support::s3::Answer::Normal;
    locked.server.answer_next(&[[fine; 14].as_slice(), &[trouble]].concat());
    let stopped = lock(&locked).await;
    assert_eq!(stopped.failures.len(), 1, "{stopped:?}");
    let first = stopped.held as usize;
    assert!(first > 0 && first < all, "{first} of {all}");
    let locked = locked.reopened(config()).await;
    let (rest, _) = hold(&locked).await;
    assert_eq!(first + rest as usize, versions(&locked, "acme").0, "each once");
    assert_eq!(locked.locks.holds(), first + rest as usize);
}

/// Would catch a hold under which retention or a sweep removes something, and days that are locked for ever once it is lifted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_while_a_hold_is_on() {
    let locked = Locked::open(Kind::Refuses, config()).await;
    let keeps = |hold| TenantSettings { retention_days: Some(3), ..held(hold) };
    locked.set("acme", keeps(true)).await;
    for _ in 0..2 {
        locked.commit("acme", "2026-10-30", 2).await;
    }
    compact(&locked.lake).await;
    locked.clock.advance(30 * DAY_MICROS);
    assert!(kept::expire(&locked.lake).await.is_empty());
    let swept = locked.lake.tables().sweep(i64::MIN).await;
    assert_eq!((swept.files, swept.locked), (0, 2));
    assert_eq!(count(&locked.lake).await, 4);
    locked.set("acme", keeps(false)).await;
    assert_eq!(kept::expire(&locked.lake).await, [("acme".to_owned(), 4)]);
    assert_eq!(locked.lake.tables().sweep(i64::MIN).await.locked, 3, "the objects are held still");
    assert!(hold(&locked).await.1 > 0);
    let swept = locked.lake.tables().sweep(i64::MIN).await;
    assert_eq!((swept.files, swept.locked), (3, 0));
}

/// Would catch a policy that holds for new objects only, one that locks what has expired or what is hidden, and longer locks that are
/// never made, or made again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_reach_what_was_there_before() {
    let locked = Locked::open(Kind::Hides, config()).await;
    locked.locks.page(3);
    for day in ["2026-10-01", "2026-10-30", "2026-10-30"] {
        locked.commit("acme", day, 2).await;
        locked.commit("free", day, 2).await;
    }
    compact(&locked.lake).await;
    locked.lake.tables().sweep(i64::MIN).await;
    let (written, now) = (locked.clock.now(), DAY_MICROS);
    locked.clock.advance(now);
    assert_eq!(lock(&locked).await.locked, 0);

    locked.set("acme", days(5)).await;
    let untils = |name: &str| -> BTreeMap<String, Option<DateTime<Utc>>> {
        let of = |folder: &str| {
            let prefix = format!("{PREFIX}/{folder}{name}/");
            locked.locks.shown(&prefix).into_iter().map(|(key, lock)| (key, lock.until))
        };
        of("events/").chain(of("proof/tenant=")).collect()
    };
    let of_day = |day: u32| midnight(&format!("2026-11-{day:02}"));
    let check = |data: u32, days: u64| {
        let shown = untils("acme");
        assert!(shown.len() > 8, "{shown:#?}");
        for (key, until) in &shown {
            let expected = match key {
                old if old.starts_with("day=2026-10-01/") => None,
                file if file.starts_with("day=") => Some(of_day(data)),
                _ => written.checked_add_days(Days::new(days)),
            };
            assert_eq!(*until, expected, "{key}");
        }
        assert!(untils("free").values().all(Option::is_none));
        shown.values().flatten().count() as u64
    };
    let report = lock(&locked).await;
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!((report.locked, report.held, report.released), (check(5, 5), 0, 0));
    let hidden = locked.locks.versions(&format!("{PREFIX}/events/acme/"));
    let mut hidden = hidden.iter().filter(|(_, version)| !version.is_current).peekable();
    assert!(hidden.peek().is_some());
    assert!(hidden.all(|(_, version)| version.lock.until.is_none()));
    locked.clock.advance(SETTLE_MS * 1_000);
    assert_eq!(lock(&locked).await.locked, 0, "all are locked");

    locked.set("acme", days(10)).await;
    assert_eq!(lock(&locked).await.locked, check(10, 10));
    // Nothing is shortened, nor does anybody try.
    locked.set("acme", days(3)).await;
    locked.clock.advance(SETTLE_MS * 1_000);
    let report = lock(&locked).await;
    assert_eq!((report.locked, report.failures.len()), (0, 0));
    check(10, 10);
}
