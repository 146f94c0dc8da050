//! Days whose time is over go, and nothing brings them back: not the WAL, not a late compaction, not a crash in between.

mod crashes;

use std::{collections::BTreeSet, sync::Arc};

use auditlake::{
    compact::upkeep,
    control::{Change, TenantSettings},
    error::{Error, ErrorKind, Result},
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, Decoded, decode},
    },
    ingest::AppendRequest,
    retention::{Expiry, Report, expire_all, planned},
    server::Lake,
    table::{Snapshot, Table},
    telemetry::Clock,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{
    faulty::{Action, FaultyStore, Gate, Operation},
    lake::{START_MICROS, append, compact, config, count, event, life, open, sql},
};

const DAY_MICROS: i64 = 24 * 3_600_000_000;

/// Of the three days on which events occur the first has expired on the first of November, if three days are kept.
const DAYS: [u32; 3] = [28, 29, 30];
const KEPT_DAYS: u32 = 3;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

async fn set(lake: &Lake, name: &str, retention_days: Option<u32>, legal_hold: bool) {
    let settings = TenantSettings { retention_days, legal_hold, ..TenantSettings::default() };
    let change = Change::TenantSet { id: tenant(name), settings };
    lake.control().change("root", |_| Ok((change.clone(), ()))).await.unwrap();
}

fn event_on(name: &str, day: u32, description: &str) -> Value {
    let mut event = event(None, description);
    event["tenant_id"] = name.into();
    event["occurred_at"] = format!("2026-10-{day}T12:00:00Z").into();
    event
}

/// Events that name their tenants, as the server decodes them.
fn decoded(events: &[Value], clock: &Clock) -> Decoded {
    let body = serde_json::to_vec(events).unwrap();
    let context = DecodeContext::new(None, clock.now_micros());
    decode(&body, BodyFormat::Json, &context).unwrap()
}

/// Removes what has expired; what it records goes nowhere.
async fn expire(lake: &Lake) -> Report {
    let stop = CancellationToken::new();
    expire_all(lake.tables(), lake.control(), &stop, async |_: Expiry| Ok(())).await.unwrap()
}

async fn table(lake: &Lake, name: &str) -> Arc<Table> {
    lake.tables().get(&tenant(name)).await.unwrap().unwrap()
}

/// The days that files of a snapshot are of.
fn days_of(snapshot: &Snapshot) -> Vec<String> {
    let days: BTreeSet<String> = snapshot.files.iter().map(|file| file.day.to_string()).collect();
    days.into_iter().collect()
}

async fn opened(faulty: &FaultyStore, clock: &Clock) -> Lake {
    open(Arc::new(faulty.clone()), clock, config()).await.unwrap()
}

fn new_store() -> (FaultyStore, Clock) {
    (FaultyStore::over_memory(), Clock::manual(START_MICROS))
}

/// Would catch a day that is removed under a legal hold, or hidden by it, and one that a lifted hold still keeps.
#[tokio::test]
async fn a_legal_hold_keeps_everything() {
    let (faulty, clock) = new_store();
    let lake = opened(&faulty, &clock).await;
    let ingest = lake.ingest().unwrap();
    let events = DAYS.map(|day| event_on("acme", day, "x"));
    append(ingest, decoded(&events, &clock)).await.unwrap();
    ingest.flush().await.unwrap();
    set(&lake, "acme", Some(KEPT_DAYS), true).await;
    assert!(expire(&lake).await.expired.is_empty());
    assert!(planned(lake.tables(), lake.control()).await.unwrap().is_empty());
    // Held means everything is kept, what comes late included.
    let late = append(ingest, decoded(&events[..1], &clock)).await.unwrap();
    assert_eq!((late.accepted, late.rejected.len()), (1, 0));
    ingest.flush().await.unwrap();
    assert_eq!(count(&lake).await, 4);

    set(&lake, "acme", Some(KEPT_DAYS), false).await;
    assert_eq!(count(&lake).await, 2, "hidden before it is removed");
    let planned = planned(lake.tables(), lake.control()).await.unwrap();
    assert_eq!((planned.len(), planned[0].rows(), planned[0].files.len()), (1, 2, 2));
    let report = expire(&lake).await;
    assert_eq!((report.expired.len(), report.expired[0].rows()), (1, 2));
    set(&lake, "acme", Some(KEPT_DAYS), true).await;
    assert_eq!(count(&lake).await, 2, "removed is removed");
}

/// Would catch a hold that is acknowledged while a removal that it should have stopped is still under way.
#[tokio::test]
async fn a_hold_waits_for_a_removal_that_has_begun() {
    let (faulty, clock) = new_store();
    let lake = opened(&faulty, &clock).await;
    append(lake.ingest().unwrap(), decoded(&[event_on("acme", DAYS[0], "x")], &clock)).await.unwrap();
    lake.ingest().unwrap().flush().await.unwrap();
    set(&lake, "acme", Some(KEPT_DAYS), false).await;
    let gate = Gate::new();
    faulty.plan(Operation::Create, |path| path.contains("_delta_log"), 0, Action::HoldBefore(gate.clone()));
    let hold = async {
        gate.arrived().await;
        let mut hold = Box::pin(set(&lake, "acme", Some(KEPT_DAYS), true));
        for _ in 0..20 {
            assert!(futures::poll!(&mut hold).is_pending());
            tokio::task::yield_now().await;
        }
        gate.open();
        hold.await;
    };
    let (report, ()) = tokio::join!(expire(&lake), hold);
    assert_eq!(report.expired.len(), 1);
}

/// Would catch an expiry that is made although nobody could record it, or recorded more than once because a compaction came
/// in between.
#[tokio::test]
async fn what_cannot_be_recorded_stays() {
    let (faulty, clock) = new_store();
    let lake = opened(&faulty, &clock).await;
    for _ in 0..3 {
        append(lake.ingest().unwrap(), decoded(&DAYS.map(|day| event_on("acme", day, "x")), &clock))
            .await
            .unwrap();
        lake.ingest().unwrap().flush().await.unwrap();
    }
    set(&lake, "acme", Some(KEPT_DAYS), false).await;
    let stop = CancellationToken::new();
    let refuse = async |_: Expiry| -> Result<()> { Err(Error::new(ErrorKind::Unavailable, "no record")) };
    let report = expire_all(lake.tables(), lake.control(), &stop, refuse).await.unwrap();
    assert_eq!((report.expired.len(), report.failures.len()), (0, 1));
    assert_eq!(days_of(&table(&lake, "acme").await.snapshot()).len(), 3);

    let recorded = std::sync::Mutex::new(Vec::new());
    let record = async |expiry: Expiry| {
        recorded.lock().unwrap().push((expiry.days.clone(), expiry.version));
        // Its files are not those of the plan any more.
        compact(&lake).await;
        Ok(())
    };
    let report = expire_all(lake.tables(), lake.control(), &stop, record).await.unwrap();
    assert_eq!((report.expired.len(), report.failures.len()), (1, 0));
    assert_eq!((report.expired[0].files.len(), report.expired[0].rows()), (1, 3), "the merged file went");
    let recorded = recorded.into_inner().unwrap();
    assert_eq!((recorded.len(), recorded[0].0[0].rows), (1, 3), "{recorded:?}");
    assert_eq!(days_of(&table(&lake, "acme").await.snapshot()), ["2026-10-29", "2026-10-30"]);
}

/// Would catch a compaction that read files before they were removed and commits their rows after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_compaction_brings_nothing_back() {
    let (faulty, clock) = new_store();
    let lake = opened(&faulty, &clock).await;
    for _ in 0..3 {
        append(lake.ingest().unwrap(), decoded(&[event_on("acme", DAYS[0], "x")], &clock)).await.unwrap();
        lake.ingest().unwrap().flush().await.unwrap();
    }
    set(&lake, "acme", Some(KEPT_DAYS), false).await;
    let gate = Gate::new();
    faulty.plan(Operation::Put, |path| path.contains("/day="), 0, Action::HoldBefore(gate.clone()));
    let meanwhile = async {
        gate.arrived().await;
        let expired = expire(&lake).await;
        gate.open();
        expired
    };
    let (compacted, expired) = tokio::join!(compact(&lake), meanwhile);
    assert_eq!((expired.expired.len(), expired.expired[0].rows()), (1, 3));
    assert_eq!((compacted.jobs, compacted.failures.len(), compacted.cancelled), (0, 0, false));
    assert!(table(&lake, "acme").await.snapshot().files.is_empty());
    drop(lake);
    let lake = opened(&faulty, &clock).await;
    set(&lake, "acme", None, false).await;
    assert_eq!(count(&lake).await, 0);
}

/// Would catch events that the WAL brings back although their day was over before they were committed, a WAL that is read
/// back for ever because nothing of it was worth a commit, and events that go without a word in their tenant's log, or with one
/// where nothing is to be recorded.
#[test]
fn what_expires_in_the_wal_is_never_committed() {
    let (faulty, clock) = new_store();
    life(async {
        let lake = opened(&faulty, &clock).await;
        append(lake.ingest().unwrap(), decoded(&[event_on("acme", DAYS[0], "x")], &clock)).await.unwrap();
        append(lake.ingest().unwrap(), decoded(&[event_on("globex", DAYS[0], "x")], &clock)).await.unwrap();
        append(lake.ingest().unwrap(), decoded(&[event_on("globex", DAYS[1], "y")], &clock)).await.unwrap();
        set(&lake, "acme", Some(10), false).await;
        set(&lake, "globex", Some(KEPT_DAYS + 1), false).await;
        assert_eq!(count(&lake).await, 3);
    });
    clock.advance(DAY_MICROS);
    set_in_a_life(&faulty, &clock);
    life(async {
        let lake = opened(&faulty, &clock).await;
        assert_eq!(count(&lake).await, 1);
        lake.ingest().unwrap().flush().await.unwrap();
        let (acme, globex) = (table(&lake, "acme").await.snapshot(), table(&lake, "globex").await.snapshot());
        // What tells of it.
        assert_eq!((acme.rows(), acme.next_seq, acme.version), (1, 1, Some(0)));
        assert!(acme.wal_through > 0 && globex.wal_through > 0);
        assert_eq!(
            (globex.rows(), globex.next_seq, days_of(&globex)),
            (2, 2, days(["2026-10-29", "2026-11-02"]))
        );
    });
    life(async {
        let lake = opened(&faulty, &clock).await;
        for name in ["acme", "globex"] {
            set(&lake, name, None, false).await;
        }
        let sent = "SELECT description AS d, seq FROM events WHERE description IS NOT NULL";
        assert_eq!(sql(&lake, sent).await, [json!({"d": "y", "seq": 0})]);
        let told =
            "SELECT tenant_id, actor_id, metadata->'parameters' AS of, metadata->>'rows' AS rows FROM events
            WHERE action = 'auditlog.retention.expire' ORDER BY tenant_id";
        let record = |tenant: &str| {
            let of = r#"{"files":0,"first_day":"2026-10-28","last_day":"2026-10-28"}"#;
            json!({"tenant_id": tenant, "actor_id": "retention", "of": of, "rows": "1"})
        };
        assert_eq!(sql(&lake, told).await, ["acme", "globex"].map(record));
    });
}

/// The same where the log of the log is off.
#[tokio::test]
async fn what_is_not_to_be_recorded_goes_without_a_word() {
    let (faulty, clock) = new_store();
    let mut silent = config();
    silent.logbook.enabled = false;
    let lake = open(Arc::new(faulty.clone()), &clock, silent).await.unwrap();
    append(lake.ingest().unwrap(), decoded(&[event_on("acme", DAYS[0], "x")], &clock)).await.unwrap();
    set(&lake, "acme", Some(KEPT_DAYS), false).await;
    lake.ingest().unwrap().flush().await.unwrap();
    let acme = table(&lake, "acme").await.snapshot();
    assert_eq!((acme.rows(), acme.next_seq, acme.version), (0, 0, Some(0)));
    assert!(acme.wal_through > 0);
}

fn days<const N: usize>(days: [&str; N]) -> Vec<String> {
    days.map(str::to_owned).to_vec()
}

/// Acme's days are shortened by a process that dies at once.
fn set_in_a_life(faulty: &FaultyStore, clock: &Clock) {
    life(async {
        let lake = opened(faulty, clock).await;
        set(&lake, "acme", Some(1), false).await;
    });
}

/// Would catch an old event that is taken and then vanishes, one that takes others with it, and one day too many or few.
#[tokio::test]
async fn events_before_the_window_are_refused_one_by_one() {
    let (faulty, clock) = new_store();
    let lake = opened(&faulty, &clock).await;
    let ingest = lake.ingest().unwrap();
    set(&lake, "acme", Some(KEPT_DAYS), false).await;
    let mut events = vec![event_on("acme", 30, "a"), event_on("acme", 28, "b"), event_on("globex", 28, "c")];
    events.push(event_on("acme", 29, "d"));
    events[1]["occurred_at"] = "2026-10-28T23:59:59.999999Z".into();
    events[1]["id"] = "old".into();
    events[3]["occurred_at"] = "2026-10-29T00:00:00Z".into();
    let all = |atomic| AppendRequest { decoded: decoded(&events, &clock), atomic, idempotency: None };
    let none = ingest.append(all(true)).await.unwrap();
    assert_eq!((none.accepted, none.rejected.len()), (0, 1));
    let receipt = ingest.append(all(false)).await.unwrap();
    assert_eq!((receipt.accepted, receipt.duplicates), (3, 0));
    let refused = serde_json::to_value(&receipt.rejected).unwrap();
    let detail = "2026-10-28 is before 2026-10-29, the first day that is kept for this tenant";
    let errors = json!([{"pointer": "/occurred_at", "detail": detail}]);
    assert_eq!(refused, json!([{"index": 1, "id": "old", "errors": errors}]));
    let only_old = append(ingest, decoded(&events[1..2], &clock)).await.unwrap();
    assert_eq!((only_old.accepted, only_old.rejected.len()), (0, 1));
    let seen = sql(&lake, "SELECT description AS d FROM events ORDER BY d").await;
    assert_eq!(json!(seen), json!([{"d": "a"}, {"d": "c"}, {"d": "d"}]));
}

/// Would catch files or an index of expired days that stay in the store for ever, and any of another tenant's that goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_and_index_go_after_the_grace() {
    let (faulty, clock) = new_store();
    let lake = opened(&faulty, &clock).await;
    for _ in 0..2 {
        let events = ["acme", "globex"].map(|name| event_on(name, DAYS[0], "needle"));
        append(lake.ingest().unwrap(), decoded(&events, &clock)).await.unwrap();
        lake.ingest().unwrap().flush().await.unwrap();
    }
    set(&lake, "acme", Some(KEPT_DAYS), false).await;
    assert_eq!(expire(&lake).await.expired.len(), 1);
    let objects = async |folder: &str| {
        let prefix = object_store::path::Path::from(folder);
        let listed = lake.store().list(&prefix).await.unwrap();
        listed.iter().filter(|object| !object.location.as_ref().contains("_delta_log")).count()
    };
    assert_eq!(objects("events/tenant=acme").await, 2, "others may still read them");
    // The store stamps objects with the real time, which may be later than the clock's.
    clock.advance(30 * 365 * DAY_MICROS);
    compact(&lake).await;
    upkeep::sweep(lake.tables(), lake.indexes(), 0).await;
    lake.tables().sweep(0).await;
    assert_eq!((objects("events/tenant=acme").await, objects("index/tenant=acme").await), (0, 0));
    assert_eq!((objects("events/tenant=globex").await, objects("index/tenant=globex").await), (1, 1));
    let needle = sql(&lake, "SELECT tenant_id AS t FROM events WHERE has_words(description, 'needle')").await;
    assert_eq!(json!(needle), json!([{"t": "globex"}, {"t": "globex"}]));
}
