//! What names a person goes out of the log, out of every object of its table, and every proof still holds.

mod crashes;
mod served;

use std::{collections::BTreeSet, sync::Arc};

use auditlake::{
    compact::upkeep,
    control::{Change, TenantSettings},
    erasure::Status,
    error::ErrorKind,
    event::{TenantId, sealed::SealedFields},
    index::Indexes,
    retention::append_only,
    server::Lake,
    telemetry::Clock,
    verify::{Progress, Trust, verify},
};
use object_store::ObjectStore;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{
    faulty::FaultyStore,
    lake::{START_MICROS, append, compact, config, decoded, open, sql},
};

/// Names that are nowhere but in sealed fields.
const NAMES: [&str; 3] = ["Ana Nowak", "ana@acme.example", "ana.owner@acme.example"];

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

async fn set(lake: &Lake, settings: TenantSettings) {
    let change = Change::TenantSet { id: acme(), settings };
    lake.control().change("root", |_| Ok((change.clone(), ()))).await.unwrap();
}

fn sealing(legal_hold: bool) -> TenantSettings {
    let names =
        ["actor.name", "actor.email", "actor.on_behalf_of.name", "targets.name", "metadata.owner.email"];
    let sealed_fields = SealedFields::try_from(names.map(str::to_owned).to_vec()).unwrap();
    TenantSettings { sealed_fields, legal_hold, ..TenantSettings::default() }
}

/// Events of three days in which Ana acts, is acted for, is a target, or does not occur.
fn events(first: usize, count: usize) -> Vec<Value> {
    let ana = || json!({"type": "user", "id": "ana", "name": NAMES[0]});
    let event = |number: usize| {
        let mut event = json!({
            "id": format!("e{number}"), "action": "document.update", "description": format!("event {number}"),
            "occurred_at": format!("2026-10-{}T12:00:00.{number:06}Z", 28 + number % 3),
            "actor": {"type": "user", "id": format!("u_{}", number % 5), "name": "Bob Smith"},
            "targets": [{"type": "document", "id": "d_1", "name": "The plan"}],
            "metadata": {"number": number},
        });
        match number % 4 {
            0 => {
                event["actor"] = ana();
                event["actor"]["email"] = NAMES[1].into();
                event["metadata"]["owner"] = json!({"email": NAMES[2]});
            }
            1 => event["actor"]["on_behalf_of"] = ana(),
            2 => event["targets"].as_array_mut().unwrap().push(ana()),
            _ => {}
        }
        event
    };
    (first..first + count).map(event).collect()
}

async fn send(lake: &Lake, first: usize, count: usize) {
    let receipt = append(lake.ingest().unwrap(), decoded(&events(first, count), lake.clock())).await.unwrap();
    assert_eq!(receipt.accepted, count);
}

/// Everything there is of every event, as JSON text.
async fn texts(lake: &Lake) -> BTreeSet<String> {
    let rows = sql(lake, "SELECT * FROM events WHERE action = 'document.update'").await;
    rows.iter().map(Value::to_string).collect()
}

async fn readable(lake: &Lake) -> usize {
    texts(lake).await.iter().filter(|text| NAMES.iter().any(|name| text.contains(name))).count()
}

/// Verifies all stored bytes.
async fn assert_holds(lake: &Lake) {
    let indexes = Indexes::open(lake.store().clone(), lake.clock().clone(), config().index);
    let trust = Trust { verifiers: lake.evidence().verifiers(&acme()), kept: Vec::new() };
    let report = verify(lake.tables(), lake.evidence(), &indexes, &acme(), &trust, &Progress::default())
        .await
        .unwrap();
    assert!(report.holds(), "{:?}", report.findings);
}

/// Carries out what was asked for.
async fn erase(lake: &Lake, person: &str) -> Status {
    let erasures = lake.erasures().await.unwrap();
    let id = erasures.create(&acme(), person, "root").await.unwrap().id;
    erasures.run_due(&CancellationToken::new()).await;
    erasures.get(None, auditlake::erasure::job::parse(&id).unwrap()).unwrap()
}

/// The objects in which any of the names stands as it is: of Parquet, the values as they are after decoding.
async fn objects_with_names(objects: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    use futures::TryStreamExt as _;
    use object_store::ObjectStoreExt as _;
    let listed: Vec<_> = objects.list(Some(&prefix.into())).try_collect().await.unwrap();
    let mut found = Vec::new();
    for object in listed {
        let bytes = objects.get(&object.location).await.unwrap().bytes().await.unwrap();
        let text = match object.location.as_ref().ends_with(".parquet") {
            false => String::from_utf8_lossy(&bytes).into_owned(),
            true => {
                let reader =
                    parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
                let footer = format!("{:?}", reader.metadata());
                let rows: Vec<_> =
                    reader.build().unwrap().map(|batch| format!("{:?}", batch.unwrap())).collect();
                footer + &rows.concat()
            }
        };
        if NAMES.iter().any(|name| text.contains(name)) {
            found.push(object.location.to_string());
        }
    }
    found
}

async fn start(objects: &Arc<dyn ObjectStore>) -> Lake {
    let mut config = config();
    config.logbook.enabled = false;
    open(Arc::clone(objects), &Clock::manual(START_MICROS), config).await.unwrap()
}

/// Would catch a name that stays readable by a query, in a file, in the table's log or in the WAL; an event that is lost or changed
/// otherwise; and a proof that does not hold any more.
#[tokio::test]
async fn nothing_of_a_person_is_left_and_every_proof_holds() {
    let objects: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
    let lake = start(&objects).await;
    set(&lake, sealing(false)).await;
    for commit in 0..3 {
        send(&lake, 40 * commit, 40).await;
        lake.ingest().unwrap().flush().await.unwrap();
        if commit == 1 {
            compact(&lake).await;
        }
    }
    // Accepted, and not committed when it is asked for.
    send(&lake, 120, 40).await;
    assert_eq!(readable(&lake).await, 120);
    let logged = "events/acme/_delta_log";
    assert_eq!(
        objects_with_names(&*objects, logged).await,
        Vec::<String>::new(),
        "names stand in the table's log"
    );
    assert_holds(&lake).await;

    // A log that keeps everything says so to every writer of Delta, until something is to go.
    append_only::declare(lake.tables(), lake.control(), &CancellationToken::new()).await.unwrap();
    let status = erase(&lake, "ana").await;
    assert_eq!((status.state, status.events, status.error.as_deref()), ("rewritten", Some(120), None));
    assert_eq!(readable(&lake).await, 0);
    let left = sql(
        &lake,
        "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM events WHERE action = 'document.update'",
    )
    .await;
    assert_eq!(left[0], json!({"n": 160, "ids": 160}));
    let bob = sql(
        &lake,
        "SELECT count(*) AS n FROM events WHERE actor_name = 'Bob Smith' AND target_name = 'The plan'",
    )
    .await;
    assert_eq!(bob[0]["n"], 120, "what is another's stays");
    let shown = sql(&lake, "SELECT count(*) AS n FROM events WHERE sealed->'/actor/name' ? 'digest'").await;
    assert_eq!(shown[0]["n"], 40, "it is shown as erased");
    assert_holds(&lake).await;
    compact(&lake).await;
    assert_holds(&lake).await;

    // The old files are there until the sweep.
    let table = lake.tables().get(&acme()).await.unwrap().unwrap();
    assert!(!objects_with_names(&*objects, "events").await.is_empty());
    let erasures = lake.erasures().await.unwrap();
    erasures.run_due(&CancellationToken::new()).await;
    let page = erasures.page(Some(&acme()), None, 10);
    assert_eq!(page.erasures[0].state, "rewritten", "a restart knows it");
    // Objects bear the time of the machine, which the clock of the lake is behind.
    table.sweep(i64::MIN).await.unwrap();
    upkeep::sweep(lake.tables(), lake.indexes(), i64::MIN).await;
    erasures.run_due(&CancellationToken::new()).await;
    assert_eq!(
        erasures.page(None, None, 1).erasures[0].state,
        "rewritten",
        "names stand in the write-ahead log"
    );
    // Its newest segment goes once there is a newer one.
    send(&lake, 163, 1).await;
    lake.ingest().unwrap().flush().await.unwrap();
    assert_eq!(objects_with_names(&*objects, "").await, Vec::<String>::new());
    erasures.run_due(&CancellationToken::new()).await;
    let page = erasures.page(None, None, 10);
    assert_eq!((page.erasures[0].state, page.erasures[0].completed_at.is_some()), ("completed", true));
    assert_holds(&lake).await;
    lake.close().await.unwrap();
}

/// Would catch an erasure that reaches what was sent after it, and one that is asked for twice and does harm the second time.
#[tokio::test]
async fn it_is_about_what_was_there() {
    let objects: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
    let lake = start(&objects).await;
    set(&lake, sealing(false)).await;
    send(&lake, 0, 40).await;
    let erasures = lake.erasures().await.unwrap();
    let asked = erasures.create(&acme(), "ana", "root").await.unwrap();
    assert_eq!((asked.state, asked.seq_before), ("queued", 40));
    send(&lake, 40, 40).await;
    lake.ingest().unwrap().flush().await.unwrap();
    compact(&lake).await;
    erasures.run_due(&CancellationToken::new()).await;
    assert_eq!(readable(&lake).await, 30, "what came later is readable");
    assert_holds(&lake).await;
    let again = erase(&lake, "ana").await;
    assert_eq!((again.state, again.events), ("rewritten", Some(60)));
    assert_eq!(readable(&lake).await, 0);
    let version = lake.tables().get(&acme()).await.unwrap().unwrap().snapshot().version;
    let nobody = erase(&lake, "nobody").await;
    assert_eq!((nobody.state, nobody.events), ("rewritten", Some(0)));
    assert_eq!(
        lake.tables().get(&acme()).await.unwrap().unwrap().snapshot().version,
        version,
        "nothing to commit"
    );
    assert_holds(&lake).await;
}

/// Would catch an erasure under a legal hold, also one that comes between its asking and its commit, and one of what was never sealed.
#[tokio::test]
async fn what_is_held_or_not_sealed_is_not_erased() {
    let objects: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
    let lake = start(&objects).await;
    let erasures = lake.erasures().await.unwrap();
    let refused = erasures.create(&acme(), "ana", "root").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    set(&lake, sealing(false)).await;
    send(&lake, 0, 40).await;
    erasures.create(&acme(), "ana", "root").await.unwrap();
    set(&lake, sealing(true)).await;
    erasures.run_due(&CancellationToken::new()).await;
    let paused = &erasures.page(None, None, 1).erasures[0];
    assert_eq!(paused.state, "paused");
    assert!(paused.error.as_ref().unwrap().contains("legal hold"), "{paused:?}");
    assert_eq!(readable(&lake).await, 30);
    let refused = erasures.create(&acme(), "ana", "root").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    // It goes on once the hold is lifted.
    set(&lake, sealing(false)).await;
    let erasures = lake.erasures().await.unwrap();
    erasures.run_due(&CancellationToken::new()).await;
    assert_eq!(erasures.page(None, None, 1).erasures[0].state, "rewritten");
    assert_eq!(readable(&lake).await, 0);
    set(&lake, TenantSettings::default()).await;
    let refused = erasures.create(&acme(), "ana", "root").await.unwrap_err();
    assert!(refused.to_string().contains("seals no fields"), "{refused}");
}

/// Would catch an event that is stored a second time, readable, when its sender repeats it after the erasure, and another event
/// under its id that is taken for it, although more than what is erased is different.
#[tokio::test]
async fn an_event_sent_again_does_not_bring_a_name_back() {
    let objects: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
    let lake = start(&objects).await;
    set(&lake, sealing(false)).await;
    send(&lake, 0, 40).await;
    erase(&lake, "ana").await;
    let again = append(lake.ingest().unwrap(), decoded(&events(0, 40), lake.clock())).await.unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 40));
    let mut others = events(0, 40);
    others.iter_mut().for_each(|other| other["action"] = "document.delete".into());
    let refused = append(lake.ingest().unwrap(), decoded(&others, lake.clock())).await.unwrap();
    assert_eq!((refused.accepted, refused.duplicates, refused.conflicts), (0, 0, 40));
    assert_eq!(readable(&lake).await, 0);
}
