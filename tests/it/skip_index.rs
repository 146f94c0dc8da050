//! The skip index beside real files: it is there after every commit and compaction, and its loss costs time only.

use std::sync::Arc;

use auditlake::{
    query::{Request, Scope, Statistics},
    server::Lake,
    telemetry::Clock,
};
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path};
use serde_json::{Map, Value, json};

use crate::support::{
    faulty::{Action, FaultyStore, Operation},
    lake::{START_MICROS, append, compact, config, decoded, open},
    place::{Place, in_every_place},
    program,
};

in_every_place!(the_command_line_makes_an_index_anew);

const DAYS: u32 = 4;
const EVENTS_A_DAY: u32 = 60;

/// One event of `day`; only its number tells it from others.
fn event(day: u32, number: u32) -> Value {
    json!({
        "id": format!("event-{day}-{number}"),
        "action": "document.update",
        "occurred_at": format!("2026-10-{:02}T12:00:{number:02}Z", day + 1),
        "actor": { "type": "user", "id": format!("u_{}", number % 9) },
        "targets": [{ "type": "document", "id": format!("d_{day}_{number}") }],
        "metadata": { "project": format!("apollo{day}") },
    })
}

/// Commits the events of all days in `commits` parts of each day.
async fn fill(lake: &Lake, clock: &Clock, commits: u32) {
    let ingest = lake.ingest().unwrap();
    for part in 0..commits {
        for day in 0..DAYS {
            let numbers = (0..EVENTS_A_DAY).filter(|number| number % commits == part);
            let events: Vec<Value> = numbers.map(|number| event(day, number)).collect();
            append(ingest, decoded(&events, clock)).await.unwrap();
        }
        ingest.flush().await.unwrap();
    }
}

/// The number of rows that `condition` finds, and what it cost.
async fn found(lake: &Lake, condition: &str) -> (u64, Statistics) {
    let sql = format!("SELECT id FROM events WHERE {condition}");
    let request = Request { sql, params: Map::new(), scope: Scope::All };
    let mut running = lake.engine().run(request).await.unwrap();
    while running.next().await.transpose().unwrap().is_some() {}
    let cost = running.statistics();
    (cost.rows_returned, cost)
}

/// Each needle is found; with `indexed`, in as few files as the index allows.
async fn check(lake: &Lake, files: u64, indexed: bool) {
    for (condition, rows, files_at_most) in [
        ("id = 'event-2-17'", 1, 1),
        ("array_has(target_ids, 'd_3_5')", 1, 1),
        ("has_words(metadata, 'APOLLO1')", u64::from(EVENTS_A_DAY), files / u64::from(DAYS)),
        ("actor_id = 'nobody'", 0, 0),
    ] {
        let (rows_found, cost) = found(lake, condition).await;
        assert_eq!(rows_found, rows, "{condition}");
        assert_eq!(cost.files_considered, files, "{condition}");
        let not_indexed = if indexed { 0 } else { files };
        assert_eq!(cost.files_not_indexed, not_indexed, "{condition}");
        assert!(!indexed || cost.files_kept <= files_at_most, "{condition}: {cost:?}");
    }
}

async fn segments(objects: &Arc<InMemory>) -> Vec<Path> {
    let listed: Vec<_> = objects.list(Some(&Path::from("index"))).try_collect().await.unwrap();
    listed.into_iter().map(|object| object.location).collect()
}

async fn reopened(objects: &Arc<InMemory>, clock: &Clock, lake: Lake) -> Lake {
    lake.close().await.unwrap();
    open(objects.clone(), clock, config()).await.unwrap()
}

/// Would catch files committed or compacted without their index, in this process and in the next.
#[tokio::test(flavor = "multi_thread")]
async fn every_commit_and_compaction_writes_the_index() {
    let (objects, clock) = (Arc::new(InMemory::new()), Clock::manual(START_MICROS));
    let lake = open(objects.clone(), &clock, config()).await.unwrap();
    fill(&lake, &clock, 3).await;
    check(&lake, 12, true).await;
    let lake = reopened(&objects, &clock, lake).await;
    check(&lake, 12, true).await;
    let report = compact(&lake).await;
    assert_eq!((report.files_indexed, report.failures.len()), (0, 0));
    check(&lake, 4, true).await;
    let lake = reopened(&objects, &clock, lake).await;
    check(&lake, 4, true).await;
}

/// Would catch a query that fails, or an answer that changes, without the index; and one that is never made again.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_index_costs_time_and_is_made_again() {
    let (objects, clock) = (Arc::new(InMemory::new()), Clock::manual(START_MICROS));
    let lake = open(objects.clone(), &clock, config()).await.unwrap();
    fill(&lake, &clock, 1).await;
    for segment in segments(&objects).await {
        objects.delete(&segment).await.unwrap();
    }
    let lake = reopened(&objects, &clock, lake).await;
    check(&lake, 4, false).await;
    assert_eq!(compact(&lake).await.files_indexed, 4);
    check(&lake, 4, true).await;

    for segment in segments(&objects).await {
        let bytes = objects.get(&segment).await.unwrap().bytes().await.unwrap();
        let mut damaged = bytes.to_vec();
        damaged[0] ^= 1;
        let at = damaged.len() - 3;
        damaged[at] ^= 1;
        objects.put(&segment, damaged.into()).await.unwrap();
    }
    let lake = reopened(&objects, &clock, lake).await;
    check(&lake, 4, false).await;
    compact(&lake).await;
    check(&lake, 4, true).await;
}

/// Would catch events held back, or lost, because their index could not be written.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_does_not_wait_for_its_index() {
    let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
    let lake = open(Arc::new(faulty.clone()), &clock, config()).await.unwrap();
    faulty.plan(Operation::Put, |path| path.starts_with("index/"), 0, Action::FailBefore);
    fill(&lake, &clock, 1).await;
    assert_eq!(lake.ingest().unwrap().uncommitted_bytes(), 0);
    check(&lake, 4, false).await;
    assert_eq!(compact(&lake).await.files_indexed, 4);
    check(&lake, 4, true).await;
}

/// Would catch an index that grows with every commit for ever, and counts that it answers wrongly.
#[tokio::test(flavor = "multi_thread")]
async fn segments_stay_few_and_counts_exact() {
    let (objects, clock) = (Arc::new(InMemory::new()), Clock::manual(START_MICROS));
    let lake = open(objects.clone(), &clock, config()).await.unwrap();
    fill(&lake, &clock, 20).await;
    assert_eq!(segments(&objects).await.len(), 20);
    compact(&lake).await;
    let tenant = lake.tables().tenants().remove(0);
    assert_eq!(lake.indexes().of(&tenant).size().await.segments, 1);
    auditlake::compact::upkeep::sweep(lake.tables(), lake.indexes(), i64::MIN).await;
    assert_eq!(segments(&objects).await.len(), 1);
    check(&lake, 4, true).await;
    let sql = "SELECT day, action, count(*) AS n FROM events GROUP BY day, action ORDER BY day";
    let rows = crate::support::lake::sql(&lake, sql).await;
    let expected =
        |day: u32| json!({"day": format!("2026-10-{:02}", day + 1), "action": "document.update", "n": 60});
    assert_eq!(rows, (0..DAYS).map(expected).collect::<Vec<_>>());
}

/// Would catch a `--rebuild-index` that leaves the old index as it is, or none.
async fn the_command_line_makes_an_index_anew(place: &Place) {
    let events =
        (0..DAYS).flat_map(|day| (0..EVENTS_A_DAY).map(move |number| event(day, number).to_string()));
    let lines = events.collect::<Vec<_>>().join("\n");
    let imported = program::run(place.command(&["import", "--tenant", "acme", "-"]), lines.as_bytes());
    assert!(imported.code == Some(0) && imported.stdout.contains("240 new"), "{imported:?}");
    let compacted = place.run(&["compact"]).quiet().stdout;
    assert!(compacted.contains("index: 1 segment, ") && !compacted.contains("had no index"), "{compacted}");
    let anew = place.run(&["compact", "--rebuild-index"]).quiet().stdout;
    assert!(
        anew.contains("index: 1 segment, ") && anew.contains("4 files had no index and got one"),
        "{anew}"
    );
    let found = place.sql("SELECT id FROM events WHERE array_has(target_ids, 'd_2_7')");
    assert_eq!(found, [json!({"id": "event-2-7"})]);
}
