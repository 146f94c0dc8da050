//! Stores from before tables' folders were named `events/{tenant}`: they go on with `events/tenant={tenant}`, by the same program.

mod life;

use std::sync::Arc;

use auditlake::{event::TenantId, paths::TableLayout, telemetry::Clock};
use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path as Key};
use serde_json::{Value, json};

use crate::{
    readers,
    support::{
        lake::{START_MICROS, append, compact, config, count, decoded, event, open},
        place::{Place, in_every_place},
        program,
    },
};

/// What such a store says of itself.
pub(crate) const OLDER: &str = r#"{"version":1,"tables":"hive"}"#;

pub(crate) fn document() -> Key {
    Key::from("control/layout.json")
}

/// The folders below `events/`.
async fn folders(objects: &dyn ObjectStore) -> Vec<String> {
    let listed = objects.list_with_delimiter(Some(&Key::from("events"))).await.unwrap();
    listed.common_prefixes.iter().map(|folder| folder.filename().unwrap().to_owned()).collect()
}

fn import(place: &Place, part: usize) {
    let event = |tenant: &str, number: usize| {
        json!({
            "tenant_id": tenant, "id": format!("{part}-{number}"), "action": "document.view",
            "occurred_at": format!("2026-01-0{}T03:04:05Z", 1 + number % 3), "actor": {"type": "user", "id": "u_1"},
        })
    };
    let lines: Vec<String> = ["acme", "Acme"]
        .iter()
        .flat_map(|tenant| (0..30).map(|number| event(tenant, number).to_string()))
        .collect();
    program::run(place.command(&["import", "-"]), lines.join("\n").as_bytes()).quiet();
}

in_every_place!(a_store_from_before_goes_on);

/// Would catch a store from before whose tables are not found any more, or that gets a second set of them: it takes events, merges,
/// answers, verifies and tells where its tables are, and other programs read it.
async fn a_store_from_before_goes_on(place: &Place) {
    let objects = place.objects().await;
    objects.put(&document(), OLDER.into()).await.unwrap();
    import(place, 1);
    // As it was before there was such a document.
    objects.delete(&document()).await.unwrap();
    for part in 2..4 {
        import(place, part);
    }
    let said = objects.get(&document()).await.unwrap().bytes().await.unwrap();
    assert_eq!(said, OLDER.as_bytes(), "the first writer writes down what it found");
    assert_eq!(folders(&*objects).await, ["tenant=_acme", "tenant=acme"]);
    let files = |shown: &Value| shown["files"].as_u64().unwrap();
    for compacted in [false, true] {
        if compacted {
            place.run(&["compact"]).quiet();
        }
        for tenant in ["acme", "Acme"] {
            let rows = place.sql(&format!("SELECT count(*) AS n FROM events WHERE tenant_id = '{tenant}'"));
            assert_eq!(rows, [json!({"n": 90})]);
            let shown: Value =
                serde_json::from_str(&place.run(&["table", "show", tenant]).quiet().stdout).unwrap();
            let tenant = TenantId::parse(tenant).unwrap();
            let folder = TableLayout::Hive.table(&tenant).to_string();
            assert!(shown["location"].as_str().unwrap().ends_with(&folder), "{shown}");
            assert_eq!(files(&shown), if compacted { 3 } else { 9 });
            if let Some(python) = readers::python(readers::IMPORTS_OF_SCRIPT) {
                let url = format!("{}/{folder}", place.store());
                let (live, found) = readers::read(&python, &url, place.environment());
                assert_eq!((live, &found["events"]), (files(&shown), &json!(90)), "{found}");
            }
        }
    }
    let verified = place.run(&["verify"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    assert_eq!(folders(&*objects).await, ["tenant=_acme", "tenant=acme"]);
}

/// Would catch a sweep that takes live files of an older store for orphans, or leaves the dead ones, and a restart that does not find
/// what was committed.
#[tokio::test]
async fn an_older_store_is_swept_and_reopened() {
    let (objects, clock) = (Arc::new(InMemory::new()), Clock::manual(START_MICROS));
    objects.put(&document(), OLDER.into()).await.unwrap();
    for part in 0..3 {
        let lake = open(objects.clone(), &clock, config()).await.unwrap();
        let events: Vec<Value> =
            (0..20).map(|number| event(Some(&format!("{part}-{number}")), "x")).collect();
        append(lake.ingest().unwrap(), decoded(&events, &clock)).await.unwrap();
        lake.ingest().unwrap().flush().await.unwrap();
        if part == 2 {
            assert!(compact(&lake).await.failures.is_empty());
        }
        lake.close().await.unwrap();
    }
    let lake = open(objects.clone(), &clock, config()).await.unwrap();
    let swept = lake.tables().sweep(i64::MIN).await;
    assert!(swept.files > 0 && swept.failed == 0, "{swept:?}");
    assert_eq!(count(&lake).await, 60);
    let stored: Vec<_> = objects.list(Some(&Key::from("events"))).try_collect().await.unwrap();
    let is_data = |path: &Key| path.as_ref().starts_with("events/tenant=acme/day=");
    let data = stored.iter().filter(|object| is_data(&object.location)).count();
    let table = lake.tables().get(&TenantId::parse("acme").unwrap()).await.unwrap().unwrap();
    assert_eq!(data, table.snapshot().files.len(), "{stored:?}");
}
