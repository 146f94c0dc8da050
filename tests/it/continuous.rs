//! Continuous exports: everything once, in its day, whatever crashes, fails or comes late.

mod ended;
mod opened;
mod replayed;
mod sized;

use std::{collections::BTreeMap, sync::Arc};

use auditlake::{
    config::Config,
    control::ReplayFrom,
    error::ErrorKind,
    event::TenantId,
    export::{
        Asked,
        continuous::{Continuous, FilesAt, Layout, NewContinuous, SecurityLake, SourceClass},
        encode::{Compression, Format},
    },
    query::Filter,
    server::Lake,
    telemetry::Clock,
};
use bytes::Bytes;
use deltalake_core::DeltaTableBuilder;
use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    older_layout,
    support::{
        faulty::{Action, FaultyStore, Gate, Operation},
        lake::{START_MICROS, append, compact, config, decoded, event, life, open, sql},
    },
};

const A_DAY: usize = 20;
const MINUTE_MICROS: i64 = 60_000_000;

fn settings() -> Config {
    let mut config = config();
    config.export.retry_ms = 1;
    config.logbook.enabled = false;
    config
}

fn acme() -> Option<TenantId> {
    Some(TenantId::parse("acme").unwrap())
}

fn all(layout: Layout) -> NewContinuous {
    let files = layout == Layout::Files;
    NewContinuous {
        tenant: acme(),
        filter: Filter::default(),
        layout,
        format: files.then_some(Format::Ndjson),
        compression: files.then_some(Compression::None),
        destination: Asked::Managed,
        interval_seconds: Some(60),
        rows: Some(1_000),
        bytes: None,
        from: Some("2026-10-01".parse().unwrap()),
        by: "test".to_owned(),
    }
}

/// Events of a day, committed.
async fn fill(lake: &Lake, clock: &Clock, day: u32, name: &str) {
    fill_with(lake, clock, day, name, name).await;
}

/// The same, with a description; of `"large"` ones it is a few kilobytes that cannot be compressed to less than half.
async fn fill_with(lake: &Lake, clock: &Clock, day: u32, name: &str, text: &str) {
    let on_day = |number: usize| {
        let id = format!("{name}-{day}-{number}");
        let noise = || (0..120).map(|part| hash(format!("{id} {part}").as_bytes())).collect::<String>();
        let text = if text == "large" { noise() } else { text.to_owned() };
        let mut event = event(Some(&id), &text);
        event["occurred_at"] = format!("2026-10-{day:02}T{:02}:00:00Z", number % 24).into();
        event
    };
    let ingest = lake.ingest().unwrap();
    append(ingest, decoded(&(0..A_DAY).map(on_day).collect::<Vec<_>>(), clock)).await.unwrap();
    ingest.flush().await.unwrap();
}

/// Delivers all that is due after a minute.
async fn deliver(continuous: &Continuous, clock: &Clock) -> usize {
    clock.advance(MINUTE_MICROS);
    continuous.pass(&CancellationToken::new()).await
}

/// Delivers until everything is, whatever fails on the way.
async fn deliver_all(continuous: &Continuous, clock: &Clock, id: &str) {
    for _ in 0..20 {
        deliver(continuous, clock).await;
        let status = continuous.get(None, id).await.unwrap();
        if (status.lag_events, status.state) == (0, "active") {
            return;
        }
    }
    panic!("not delivered: {:?}", continuous.get(None, id).await);
}

async fn files(objects: &dyn ObjectStore, id: &str) -> BTreeMap<String, Bytes> {
    let folder = format!("deliveries/{id}/files");
    let listed = objects.list(Some(&Path::from(folder.clone()))).try_collect::<Vec<_>>().await.unwrap();
    let mut files = BTreeMap::new();
    for object in listed {
        let bytes = objects.get(&object.location).await.unwrap().bytes().await.unwrap();
        files.insert(object.location.as_ref()[folder.len() + 1..].to_owned(), bytes);
    }
    files
}

/// Size and SHA-256 of each file, as the list of them says.
async fn listed(continuous: &Continuous, id: &str) -> BTreeMap<String, (u64, String)> {
    let (mut listed, mut at) = (BTreeMap::new(), Some(FilesAt::after_delivery(0)));
    while let Some(from) = at {
        let page = continuous.files(None, id, None, from, 3).await.unwrap();
        for file in page.files {
            let member = |name: &str| file.file[name].clone();
            let told = (member("bytes").as_u64().unwrap(), member("sha256").as_str().unwrap().to_owned());
            listed.insert(member("name").as_str().unwrap().to_owned(), told);
        }
        at = page.end;
    }
    listed
}

/// The same of the files that there are; of a Delta table, without its log.
async fn there(objects: &dyn ObjectStore, id: &str) -> BTreeMap<String, (u64, String)> {
    let files = files(objects, id).await.into_iter().filter(|(name, _)| !name.contains("_delta_log/"));
    files.map(|(name, bytes)| (name, (bytes.len() as u64, hash(&bytes)))).collect()
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ids in NDJSON files, each in the folder of its day.
async fn in_files(objects: &dyn ObjectStore, id: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for (name, bytes) in files(objects, id).await {
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_slice(line).unwrap();
            let day = &event["occurred_at"].as_str().unwrap()[..10];
            assert!(name.contains(&format!("day={day}/")), "{name}: {event}");
            ids.push(event["id"].as_str().unwrap().to_owned());
        }
    }
    ids.sort();
    ids
}

/// Ids in a Parquet file.
pub(crate) fn ids_of(file: Bytes) -> Vec<String> {
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut ids = Vec::new();
    for batch in batches {
        let batch = batch.unwrap();
        let column =
            arrow::compute::cast(batch.column_by_name("id").unwrap(), &arrow::datatypes::DataType::Utf8);
        let column = column.unwrap();
        ids.extend(arrow::array::AsArray::as_string::<i32>(&column).iter().flatten().map(ToOwned::to_owned));
    }
    ids
}

/// Ids in a Delta table, as a reader that is not ours finds its files.
async fn in_delta(objects: &Arc<dyn ObjectStore>, folder: &str) -> Vec<String> {
    let location = Url::parse(&format!("memory:///{folder}/")).unwrap();
    let builder = DeltaTableBuilder::from_url(location.clone()).unwrap();
    let table = builder.with_storage_backend(Arc::clone(objects), location).load().await.unwrap();
    let mut ids = Vec::new();
    for file in table.snapshot().unwrap().log_data().iter() {
        let path = file.path().into_owned();
        let bytes =
            objects.get(&Path::from(format!("{folder}/{path}"))).await.unwrap().bytes().await.unwrap();
        assert_eq!(bytes.len() as i64, file.size(), "{path}");
        let found = ids_of(bytes);
        assert_eq!(file.num_records(), Some(found.len()), "{path}");
        assert!(
            found
                .iter()
                .all(|id| path.contains(&format!("day=2026-10-{:0>2}/", id.split('-').nth(1).unwrap())))
        );
        ids.extend(found);
    }
    ids.sort();
    ids
}

/// Ids that there are.
async fn stored(lake: &Lake, condition: &str) -> Vec<String> {
    let rows = sql(lake, &format!("SELECT id FROM events WHERE {condition} ORDER BY id")).await;
    rows.into_iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Would catch an event that is left out or delivered twice: of the days asked for, of what came while it waited, late, of a day before
/// these, or compacted meanwhile; and days that nobody asked for.
#[tokio::test]
async fn everything_is_delivered_in_its_day() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let objects = faulty.inner();
    let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
    for day in [5, 6, 7] {
        fill(&lake, &clock, day, "before").await;
    }
    compact(&lake).await;
    let continuous = lake.continuous().unwrap();
    let from = Some("2026-10-06".parse().unwrap());
    let mut made = Vec::new();
    for layout in [Layout::Files, Layout::Delta] {
        made.push(continuous.create(NewContinuous { from, ..all(layout) }).await.unwrap());
    }
    let now = continuous.create(NewContinuous { from: None, ..all(Layout::Files) }).await.unwrap();
    fill(&lake, &clock, 5, "late").await;
    fill(&lake, &clock, 8, "new").await;
    compact(&lake).await;
    deliver_all(&continuous, &clock, &made[0].id).await;
    fill(&lake, &clock, 7, "later").await;
    fill(&lake, &clock, 5, "latest").await;
    for status in &made {
        deliver_all(&continuous, &clock, &status.id).await;
    }
    let expected = stored(&lake, "id NOT LIKE 'before-5-%'").await;
    assert_eq!(expected.len(), 6 * A_DAY);
    assert_eq!(in_files(&*objects, &made[0].id).await, expected);
    assert_eq!(in_delta(&objects, &format!("deliveries/{}/files", made[1].id)).await, expected);
    assert_eq!(in_files(&*objects, &now.id).await, stored(&lake, "id NOT LIKE 'before-%'").await);
    let status = continuous.get(None, &made[0].id).await.unwrap();
    assert_eq!(
        (status.rows, status.lag_seconds, status.position),
        (expected.len() as u64, 0, Some(7 * A_DAY as i64))
    );
    lake.close().await.unwrap();
}

/// Would catch deliveries for each event, or none for hours, and a lag that is not told.
#[tokio::test]
async fn what_waits_is_told_and_not_delivered_too_early() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
    let continuous = lake.continuous().unwrap();
    let made = continuous.create(NewContinuous { from: None, ..all(Layout::Files) }).await.unwrap();
    let stop = CancellationToken::new();
    fill(&lake, &clock, 1, "x").await;
    clock.advance(59 * 1_000_000);
    assert_eq!(continuous.pass(&stop).await, 0);
    let status = continuous.get(None, &made.id).await.unwrap();
    assert_eq!((status.lag_events, status.lag_seconds, status.rows), (A_DAY as i64, 59, 0));
    clock.advance(1_000_000);
    assert_eq!(continuous.pass(&stop).await, 1);
    let status = continuous.get(None, &made.id).await.unwrap();
    assert_eq!((status.lag_events, status.lag_seconds, status.rows), (0, 0, A_DAY as u64));
    assert!(lake.metrics().render().contains(&format!("delivery_lag_events{{export=\"{}\"}} 0", made.id)));
    lake.close().await.unwrap();
}

/// Would catch an event that is lost or doubled when the process dies at any write of a delivery, and one that is not taken up again.
#[test]
fn a_crash_anywhere_delivers_once() {
    let crashes = crashes_deliver_once(&[all(Layout::Delta), all(Layout::Files)], "small");
    assert!(crashes > 30, "only {crashes} crashes");
}

/// Lets the process die at each write of deliveries of each of these exports, and tells how often.
fn crashes_deliver_once(exports: &[NewContinuous], text: &str) -> usize {
    let mut crashes = 0;
    for new in exports {
        let layout = &new.layout;
        for operation in [Operation::Put, Operation::Create] {
            for position in 0.. {
                let clock = Clock::manual(START_MICROS);
                let faulty = FaultyStore::over_memory();
                let objects = faulty.inner();
                let (id, died) = life(async {
                    let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
                    fill_with(&lake, &clock, 1, "a", text).await;
                    let continuous = lake.continuous().unwrap();
                    let made = continuous.create(new.clone()).await.unwrap();
                    let gate = Gate::new();
                    let at = if position % 2 == 0 { Action::HoldBefore } else { Action::HoldAfter };
                    let of_it = |path: &str| path.starts_with("deliveries/");
                    faulty.plan(operation, of_it, position / 2, at(gate.clone()));
                    let delivering = async {
                        deliver(&continuous, &clock).await;
                        fill_with(&lake, &clock, 2, "b", text).await;
                        fill_with(&lake, &clock, 1, "c", text).await;
                        deliver(&continuous, &clock).await;
                    };
                    let died = tokio::select! {
                        () = gate.arrived() => true,
                        () = delivering => false,
                    };
                    (made.id, died)
                });
                if !died {
                    break;
                }
                crashes += 1;
                life(async {
                    let lake = open(Arc::clone(&objects), &clock, settings()).await.unwrap();
                    compact(&lake).await;
                    fill_with(&lake, &clock, 3, "d", text).await;
                    let continuous = lake.continuous().unwrap();
                    deliver_all(&continuous, &clock, &id).await;
                    let delivered = match layout {
                        Layout::Files => in_files(&*objects, &id).await,
                        _ => in_delta(&objects, &format!("deliveries/{id}/files")).await,
                    };
                    let what = format!("{layout:?} {operation:?} {position}");
                    assert_eq!(delivered, stored(&lake, "true").await, "{what}");
                    assert_eq!(listed(&continuous, &id).await, there(&*objects, &id).await, "{what}");
                    lake.close().await.unwrap();
                });
            }
        }
    }
    crashes
}

/// Would catch an event that is lost or doubled, or an export that rests for ever, because a request failed, done or not.
#[test]
fn whatever_fails_is_delivered_once() {
    let mut injected = 0;
    for (layout, operation, action) in [Layout::Delta, Layout::Files].into_iter().flat_map(|layout| {
        [Operation::Put, Operation::Create, Operation::Get, Operation::List].into_iter().flat_map(
            move |operation| {
                let layout = layout.clone();
                [Action::FailBefore, Action::FailAfter].map(|action| (layout.clone(), operation, action))
            },
        )
    }) {
        for position in 0..6 {
            life(async {
                let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
                let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
                fill(&lake, &clock, 1, "a").await;
                let continuous = lake.continuous().unwrap();
                let made = continuous.create(all(layout.clone())).await.unwrap();
                faulty.plan(operation, |path| path.starts_with("deliveries/"), position, action.clone());
                deliver(&continuous, &clock).await;
                fill(&lake, &clock, 2, "b").await;
                deliver_all(&continuous, &clock, &made.id).await;
                injected += 1 - faulty.faults_left();
                let objects = faulty.inner();
                let delivered = match layout {
                    Layout::Files => in_files(&*objects, &made.id).await,
                    _ => in_delta(&objects, &format!("deliveries/{}/files", made.id)).await,
                };
                let what = format!("{layout:?} {operation:?} {action:?} {position}");
                assert_eq!(delivered, stored(&lake, "true").await, "{what}");
                // A fault that did not happen yet would meet the list.
                if faulty.faults_left() == 0 {
                    assert_eq!(
                        listed(&continuous, &made.id).await,
                        there(&*objects, &made.id).await,
                        "{what}"
                    );
                }
                lake.close().await.unwrap();
            });
        }
    }
    assert!(injected > 40, "only {injected} faults happened");
}

/// Would catch a pause that loses what comes meanwhile, a replay that writes something else than before or doubles rows of a table, and
/// what stays of an export that was removed.
#[tokio::test]
async fn it_rests_goes_on_delivers_again_and_ends() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let objects = faulty.inner();
    let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
    let continuous = lake.continuous().unwrap();
    let made = [
        continuous.create(all(Layout::Files)).await.unwrap().id,
        continuous.create(all(Layout::Delta)).await.unwrap().id,
    ];
    for day in 1..=3 {
        fill(&lake, &clock, day, "x").await;
        deliver(&continuous, &clock).await;
    }
    for id in &made {
        continuous.pause(None, id, true, "test").await.unwrap();
    }
    fill(&lake, &clock, 4, "x").await;
    assert_eq!(deliver(&continuous, &clock).await, 0);
    assert_eq!(continuous.get(None, &made[0]).await.unwrap().state, "paused");
    for id in &made {
        continuous.pause(None, id, false, "test").await.unwrap();
        deliver_all(&continuous, &clock, id).await;
    }

    let before = files(&*objects, &made[0]).await;
    assert_eq!(before.len(), 4);
    let lost: Vec<&String> = before.keys().skip(1).collect();
    for name in &lost {
        objects.delete(&Path::from(format!("deliveries/{}/files/{name}", made[0]))).await.unwrap();
    }
    for id in &made {
        continuous.replay(None, id, ReplayFrom::Seq(A_DAY as i64), "test").await.unwrap();
        // Each of the three deliveries since then has a turn of its own, so that others come in between.
        assert_eq!(deliver(&continuous, &clock).await, 3);
        assert_eq!(deliver(&continuous, &clock).await, 0);
    }
    assert_eq!(files(&*objects, &made[0]).await, before);
    for id in &made {
        assert_eq!(listed(&continuous, id).await, there(&*objects, id).await);
    }
    let expected = stored(&lake, "true").await;
    assert_eq!(in_delta(&objects, &format!("deliveries/{}/files", made[1])).await, expected);

    for id in &made {
        continuous.remove(None, id, "test").await.unwrap();
        assert_eq!(continuous.get(None, id).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    let left = objects.list(Some(&Path::from("deliveries"))).try_collect::<Vec<_>>().await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    lake.close().await.unwrap();
}

/// Would catch a tenant that comes later and is left out, and one whose files mix with another's.
#[tokio::test]
async fn an_operator_has_all_tenants_delivered() {
    all_tenants_are_delivered(FaultyStore::over_memory()).await;
}

/// Would catch the same in a store from before, of which the folders of tables are named otherwise; those of what is delivered are not.
#[tokio::test]
async fn an_operator_has_all_tenants_of_an_older_store_delivered() {
    let faulty = FaultyStore::over_memory();
    faulty.inner().put(&older_layout::document(), older_layout::OLDER.into()).await.unwrap();
    all_tenants_are_delivered(faulty).await;
}

async fn all_tenants_are_delivered(faulty: FaultyStore) {
    let clock = Clock::manual(START_MICROS);
    let objects = faulty.inner();
    let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
    fill(&lake, &clock, 1, "early").await;
    let continuous = lake.continuous().unwrap();
    let made =
        continuous.create(NewContinuous { tenant: None, from: None, ..all(Layout::Delta) }).await.unwrap();
    fill(&lake, &clock, 2, "x").await;
    let ingest = lake.ingest().unwrap();
    let mut other = event(Some("y-3-0"), "other");
    other["tenant_id"] = "other".into();
    other["occurred_at"] = "2026-10-03T00:00:00Z".into();
    let body = serde_json::to_vec(&[other]).unwrap();
    let context = auditlake::event::decode::DecodeContext::new(None, clock.now_micros());
    let decoded =
        auditlake::event::decode::decode(&body, auditlake::event::decode::BodyFormat::Json, &context);
    append(ingest, decoded.unwrap()).await.unwrap();
    ingest.flush().await.unwrap();
    deliver_all(&continuous, &clock, &made.id).await;
    let folder = |tenant: &str| format!("deliveries/{}/files/{tenant}", made.id);
    assert_eq!(in_delta(&objects, &folder("acme")).await, stored(&lake, "description = 'x'").await);
    assert_eq!(in_delta(&objects, &folder("other")).await, ["y-3-0"]);
    assert_eq!(listed(&continuous, &made.id).await, there(&*objects, &made.id).await);
    let theirs = TenantId::parse("other").unwrap();
    let page = continuous.files(None, &made.id, Some(&theirs), FilesAt::after_delivery(0), 9).await.unwrap();
    let [file] = &page.files[..] else { panic!("{page:?}") };
    let name = file.file["name"].as_str().unwrap();
    assert!(name.starts_with("other/day=2026-10-03/"), "{name}");
    assert_eq!(continuous.kept(None, &made.id, name).unwrap().1, Some(theirs.clone()));
    assert!(continuous.kept(Some(&theirs), &made.id, name).is_err(), "it is the operator's");
    assert!(continuous.get(acme().as_ref(), &made.id).await.is_err(), "it is the operator's");
    lake.close().await.unwrap();
}

/// Would catch files that Security Lake does not take: in other partitions, or of more than one class.
#[tokio::test]
async fn a_source_of_security_lake_has_one_class() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let lake = open(Arc::new(faulty.clone()), &clock, settings()).await.unwrap();
    let continuous = lake.continuous().unwrap();
    let source = SecurityLake {
        source: "auditlake-authentication/1.0".to_owned(),
        region: "eu-central-1".to_owned(),
        account_id: "123456789012".to_owned(),
        class: SourceClass::Authentication,
    };
    let new = NewContinuous { interval_seconds: Some(300), ..all(Layout::SecurityLake(source.clone())) };
    let made = continuous.create(new.clone()).await.unwrap();
    let too_often =
        continuous.create(NewContinuous { interval_seconds: Some(299), ..new.clone() }).await.unwrap_err();
    assert_eq!(too_often.pointer(), Some("/interval_seconds"));
    let elsewhere = Layout::SecurityLake(SecurityLake { source: "../x".to_owned(), ..source });
    let refused = continuous.create(NewContinuous { layout: elsewhere, ..new }).await.unwrap_err();
    assert_eq!(refused.pointer(), Some("/layout/source"));
    let mut login = event(Some("in"), "x");
    login["action"] = "user.login".into();
    append(lake.ingest().unwrap(), decoded(&[login, event(Some("view"), "x")], &clock)).await.unwrap();
    lake.ingest().unwrap().flush().await.unwrap();
    clock.advance(5 * MINUTE_MICROS);
    continuous.pass(&CancellationToken::new()).await;
    let files = files(&*faulty.inner(), &made.id).await;
    let partition =
        "ext/auditlake-authentication/1.0/region=eu-central-1/accountId=123456789012/eventDay=20261030/";
    assert_eq!(files.len(), 1, "{:?}", files.keys());
    let (name, bytes) = files.into_iter().next().unwrap();
    assert!(name.starts_with(partition) && name.ends_with(".parquet"), "{name}");
    let rows = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let rows: Vec<_> = rows.map(|batch| batch.unwrap()).collect();
    assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    let class = rows[0].column_by_name("class_uid").unwrap();
    assert_eq!(arrow::util::display::array_value_to_string(class, 0).unwrap(), "3002");
    lake.close().await.unwrap();
}
