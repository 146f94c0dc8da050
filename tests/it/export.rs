//! Exports: everything and nothing twice, whatever fails or arrives meanwhile.

mod copied;
mod killed;
mod meanwhile;

use std::sync::Arc;

use auditlake::{
    error::ErrorKind,
    event::TenantId,
    export::{
        Asked, ExportId, Exports, NewExport, Status, What,
        encode::{Compression, Format},
        to_folder,
    },
    server::Lake,
    telemetry::Clock,
};
use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::{
    faulty::{Action, FaultyStore, Gate, Operation},
    lake::{START_MICROS, append, compact, config, decoded, event, life, open, sql},
};

const DAYS: u32 = 4;
const A_DAY: usize = 30;

/// Exports that are being carried out.
struct Working {
    exports: Exports,
    work: TaskTracker,
    stop: CancellationToken,
}

impl Working {
    fn with(exports: Exports) -> Self {
        let (work, stop) = (TaskTracker::new(), CancellationToken::new());
        let (queue, tasks, until) = (exports.clone(), work.clone(), stop.clone());
        work.spawn(async move { queue.work(&tasks, &until).await });
        Self { exports, work, stop }
    }

    async fn end(self) {
        self.stop.cancel();
        self.work.close();
        self.work.wait().await;
    }

    async fn ended(&self, status: &Status) -> Status {
        let id = ExportId::parse(&status.id).unwrap();
        self.exports.ended(None, &id).await.unwrap()
    }
}

/// A day is read at once, and each is a file.
fn in_small_pieces() -> auditlake::config::Config {
    let mut config = config();
    config.export.file_rows = 1;
    config.export.stretch_rows = A_DAY as u64;
    config.export.retry_ms = 1;
    // What is exported is what a test sends.
    config.logbook.enabled = false;
    config
}

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn all_events() -> NewExport {
    NewExport {
        tenant: tenant(),
        what: What::Filter(Box::default()),
        format: Format::Ndjson,
        compression: Some(Compression::None),
        destination: Asked::Managed,
        by: "test".to_owned(),
    }
}

fn events_of(day: u32, name: &str) -> Vec<Value> {
    let on_day = |number: usize| {
        let mut event = event(Some(&format!("{name}-{day}-{number}")), name);
        event["occurred_at"] = format!("2026-10-{day:02}T{:02}:00:00Z", number % 24).into();
        event
    };
    (0..A_DAY).map(on_day).collect()
}

async fn fill(lake: &Lake, clock: &Clock, name: &str) {
    let ingest = lake.ingest().unwrap();
    for day in 1..=DAYS {
        append(ingest, decoded(&events_of(day, name), clock)).await.unwrap();
        ingest.flush().await.unwrap();
    }
}

/// What an export has written, checked against its manifest.
async fn exported(objects: &dyn ObjectStore, status: &Status) -> Vec<Value> {
    let folder = format!("exports/tenant=acme/{}/files", status.id);
    let get = async |name: &str| {
        objects.get(&Path::from(format!("{folder}/{name}"))).await.unwrap().bytes().await.unwrap()
    };
    let manifest: Value = serde_json::from_slice(&get("manifest.json").await).unwrap();
    let mut events: Vec<Value> = Vec::new();
    for file in manifest["files"].as_array().unwrap() {
        let bytes = get(file["name"].as_str().unwrap()).await;
        let lines: Vec<Value> = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(file["rows"], lines.len() as u64, "{file}");
        assert_eq!(file["bytes"], bytes.len() as u64, "{file}");
        assert_eq!(file["seq_min"], lines.iter().map(|event| event["seq"].as_i64().unwrap()).min().unwrap());
        events.extend(lines);
    }
    assert_eq!(manifest["rows"], events.len() as u64);
    events
}

/// Ids in the order of the log.
async fn stored(lake: &Lake) -> Vec<String> {
    let rows = sql(lake, "SELECT id FROM events ORDER BY occurred_at, seq").await;
    rows.into_iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn ids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// Would catch an export that is of more than one state of the log, or out of order: events that come after it was asked for, late ones
/// among them, do not belong to it, and compaction changes nothing.
#[tokio::test]
async fn an_export_is_of_one_state() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let lake = open(Arc::new(faulty.clone()), &clock, in_small_pieces()).await.unwrap();
    fill(&lake, &clock, "early").await;
    // Not committed yet when the export is asked for.
    append(lake.ingest().unwrap(), decoded(&events_of(2, "just"), &clock)).await.unwrap();
    let expected = stored(&lake).await;

    let exports = lake.exports().await.unwrap();
    let asked = exports.create(all_events()).await.unwrap();
    assert_eq!((asked.state, asked.seq_before), ("queued", expected.len() as i64));
    fill(&lake, &clock, "late").await;
    compact(&lake).await;

    let working = Working::with(exports);
    let ended = working.ended(&asked).await;
    assert_eq!((ended.state, ended.rows), ("completed", expected.len() as u64), "{ended:?}");
    assert_eq!(
        ended.files.len(),
        DAYS as usize + 1,
        "each day is a file, and one that has twice as many is two"
    );
    let events = exported(&*faulty.inner(), &ended).await;
    // Events of the same time are in the order in which they were committed, on both sides.
    assert_eq!(ids(&events), expected.into_iter().filter(|id| !id.starts_with("late")).collect::<Vec<_>>());
    working.end().await;
    lake.close().await.unwrap();
}

/// Would catch an event that is lost or doubled, or a manifest that names what is not there, whichever request fails and whether
/// or not it was done.
#[test]
fn whatever_fails_the_export_is_whole() {
    let mut injected = 0;
    for operation in [Operation::Put, Operation::Create, Operation::Get] {
        for (action, position) in [Action::FailBefore, Action::FailAfter]
            .into_iter()
            .flat_map(|action| (0..7).map(move |position| (action.clone(), position)))
        {
            life(async {
                let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
                let lake = open(Arc::new(faulty.clone()), &clock, in_small_pieces()).await.unwrap();
                fill(&lake, &clock, "x").await;
                let exports = lake.exports().await.unwrap();
                let asked = exports.create(all_events()).await.unwrap();
                faulty.plan(operation, |path| path.starts_with("exports/"), position, action.clone());
                let working = Working::with(exports);
                let ended = working.ended(&asked).await;
                injected += 1 - faulty.faults_left();
                let what = format!("{operation:?} {action:?} {position}: {ended:?}");
                assert_eq!(ended.state, "completed", "{what}");
                let events = exported(&*faulty.inner(), &ended).await;
                assert_eq!(ids(&events), stored(&lake).await, "{what}");
                working.end().await;
                lake.close().await.unwrap();
            });
        }
    }
    assert!(injected > 18, "only {injected} faults happened");
}

/// Would catch an export that is lost, begun anew with another state of the log, or doubled, when the process dies at any of
/// its writes; and one that the next start does not go on with by itself.
#[test]
fn a_crash_anywhere_leaves_an_export_that_goes_on() {
    let mut crashes = 0;
    for operation in [Operation::Put, Operation::Create] {
        for position in 0.. {
            let clock = Clock::manual(START_MICROS);
            let faulty = FaultyStore::over_memory();
            let objects = faulty.inner();
            let (asked, expected, died) = life(async {
                let lake = open(Arc::new(faulty.clone()), &clock, in_small_pieces()).await.unwrap();
                fill(&lake, &clock, "x").await;
                let exports = lake.exports().await.unwrap();
                let asked = exports.create(all_events()).await.unwrap();
                let gate = Gate::new();
                let at = if position % 2 == 0 { Action::HoldBefore } else { Action::HoldAfter };
                faulty.plan(operation, |path| path.starts_with("exports/"), position / 2, at(gate.clone()));
                let working = Working::with(exports);
                let died = tokio::select! {
                    () = gate.arrived() => true,
                    _ = working.ended(&asked) => false,
                };
                (asked, stored(&lake).await, died)
            });
            if !died {
                break;
            }
            crashes += 1;
            life(async {
                let lake = open(Arc::clone(&objects), &clock, in_small_pieces()).await.unwrap();
                fill(&lake, &clock, "later").await;
                compact(&lake).await;
                let working = Working::with(lake.exports().await.unwrap());
                let ended = working.ended(&asked).await;
                let what = format!("{operation:?} {position}: {ended:?}");
                assert_eq!(ended.state, "completed", "{what}");
                assert_eq!(ids(&exported(&*objects, &ended).await), expected, "{what}");
                working.end().await;
                lake.close().await.unwrap();
            });
        }
    }
    assert!(crashes > 12, "only {crashes} crashes");
}

/// Would catch what stays of a cancelled export, one that goes on, or a removed one that comes back with the next start.
#[tokio::test]
async fn a_cancelled_export_leaves_nothing() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let lake = open(Arc::new(faulty.clone()), &clock, in_small_pieces()).await.unwrap();
    fill(&lake, &clock, "x").await;
    let exports = lake.exports().await.unwrap();
    let asked = exports.create(all_events()).await.unwrap();
    let id = ExportId::parse(&asked.id).unwrap();
    let gate = Gate::new();
    faulty.plan(
        Operation::Put,
        |path| path.contains("/files/part-00003"),
        0,
        Action::HoldBefore(gate.clone()),
    );
    let working = Working::with(exports.clone());
    gate.arrived().await;
    assert_eq!(exports.cancel(None, &id).await.unwrap().unwrap().state, "cancelled");
    gate.open();
    working.end().await;
    let left = async || {
        let listed = faulty.inner().list(Some(&Path::from("exports"))).try_collect::<Vec<_>>().await.unwrap();
        listed.into_iter().map(|object| object.location.to_string()).collect::<Vec<_>>()
    };
    assert!(!left().await.iter().any(|path| path.contains("/files/")), "{:?}", left().await);
    assert_eq!(lake.exports().await.unwrap().get(None, &id).unwrap().state, "cancelled");

    assert!(exports.cancel(None, &id).await.unwrap().is_none());
    assert_eq!(left().await, Vec::<String>::new());
    assert!(lake.exports().await.unwrap().get(None, &id).is_err());
    lake.close().await.unwrap();
}

/// Would catch a question's answer that is of another state than the one when it was asked, or written in pieces of two attempts.
#[tokio::test]
async fn an_answer_is_of_the_state_when_it_was_asked_for() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let lake = open(Arc::new(faulty.clone()), &clock, in_small_pieces()).await.unwrap();
    fill(&lake, &clock, "x").await;
    let exports = lake.exports().await.unwrap();
    let what = What::Sql {
        text: "SELECT day, count(*) AS events FROM events GROUP BY day ORDER BY day".to_owned(),
        params: serde_json::Map::new(),
        query: None,
    };
    let asked = exports.create(NewExport { what, ..all_events() }).await.unwrap();
    fill(&lake, &clock, "later").await;
    faulty.plan(Operation::Put, |path| path.ends_with("manifest.json"), 0, Action::FailAfter);
    let working = Working::with(exports);
    let ended = working.ended(&asked).await;
    let path = format!("exports/tenant=acme/{}/files/part-00001.ndjson", asked.id);
    let text = faulty.inner().get(&Path::from(path)).await.unwrap().bytes().await.unwrap();
    let days: Vec<Value> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(ended.rows, u64::from(DAYS));
    assert!(days.iter().all(|day| day["events"] == A_DAY), "{days:?}");
    working.end().await;

    // What cannot be answered is refused at once.
    let wrong =
        What::Sql { text: "SELECT x FROM events".to_owned(), params: serde_json::Map::new(), query: None };
    let refused = lake.exports().await.unwrap().create(NewExport { what: wrong, ..all_events() }).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    lake.close().await.unwrap();
}

/// Would catch a tenant with many exports that keeps another from its first.
#[tokio::test]
async fn tenants_take_turns() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let mut config = in_small_pieces();
    config.export.concurrent_max = 2;
    let lake = open(Arc::new(faulty.clone()), &clock, config).await.unwrap();
    fill(&lake, &clock, "x").await;
    let exports = lake.exports().await.unwrap();
    let mut greedy = Vec::new();
    for _ in 0..3 {
        greedy.push(exports.create(all_events()).await.unwrap());
    }
    let other = NewExport { tenant: TenantId::parse("other").unwrap(), ..all_events() };
    let other = exports.create(other).await.unwrap();
    let gate = Gate::new();
    faulty.plan(Operation::Put, |path| path.contains("tenant=acme"), 0, Action::HoldBefore(gate.clone()));
    let working = Working::with(exports.clone());
    gate.arrived().await;
    // The first of the greedy tenant has one place and holds it; the other one is for the other tenant first.
    working.ended(&other).await;
    let states: Vec<&str> =
        exports.page(None, None, 10).exports.iter().rev().map(|status| status.state).collect();
    assert_eq!((states[0], states[3]), ("running", "completed"));
    gate.open();
    for status in &greedy {
        assert_eq!(working.ended(status).await.state, "completed");
    }
    working.end().await;
    lake.close().await.unwrap();
}

/// Would catch an export to a folder that, broken off, begins anew, loses what was complete, or takes in what came later; and one that
/// writes into a folder with other files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_to_a_folder_goes_on() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let lake = open(Arc::new(faulty.clone()), &clock, in_small_pieces()).await.unwrap();
    fill(&lake, &clock, "x").await;
    let expected = stored(&lake).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let settings = in_small_pieces().export;
    let export = || {
        let parts = lake.export_parts().unwrap();
        let (settings, stop) = (settings.clone(), CancellationToken::new());
        async move { to_folder(parts, &settings, all_events(), path, &stop, |_| {}).await }
    };
    let second = folder.path().join("part-00002.ndjson");
    let broken_off = async {
        while !second.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = export() => panic!("it was not broken off: {ended:?}"),
        () = broken_off => {}
    }
    let first = std::fs::metadata(folder.path().join("part-00001.ndjson")).unwrap().modified().unwrap();
    fill(&lake, &clock, "later").await;
    let (_, end) = export().await.unwrap().unwrap();
    let again = std::fs::metadata(folder.path().join("part-00001.ndjson")).unwrap().modified().unwrap();
    assert_eq!(first, again, "what was complete is not written again");
    let text: String = end
        .files
        .iter()
        .map(|file| std::fs::read_to_string(folder.path().join(&file.name)).unwrap())
        .collect();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ids(&events), expected);
    assert_eq!(export().await.unwrap_err().kind(), ErrorKind::Conflict);
    lake.close().await.unwrap();
}

/// Would catch an export whose task dies of a defect and that is then under way for ever, in the place of another.
#[tokio::test]
async fn a_defect_ends_one_export() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let mut config = in_small_pieces();
    config.export.concurrent_max = 1;
    let lake = open(Arc::new(faulty.clone()), &clock, config).await.unwrap();
    fill(&lake, &clock, "x").await;
    let exports = lake.exports().await.unwrap();
    let first = exports.create(all_events()).await.unwrap();
    let second = exports.create(all_events()).await.unwrap();
    let of_first = first.id.clone();
    let defect = move |path: &str| {
        assert!(!path.contains(&format!("{of_first}/files/")), "a defect");
        false
    };
    faulty.plan(Operation::Put, defect, 0, Action::FailBefore);
    let working = Working::with(exports);
    let failed = working.ended(&first).await;
    assert_eq!(failed.state, "failed", "{failed:?}");
    assert!(failed.error.unwrap().contains("unexpectedly"));
    assert_eq!(working.ended(&second).await.state, "completed");
    working.end().await;
    lake.close().await.unwrap();
}
