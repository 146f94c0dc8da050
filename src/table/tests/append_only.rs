//! `delta.appendOnly`.

use bytes::Bytes;
use serde_json::Value;

use super::*;

fn removing(snapshot: &Snapshot, data_change: bool, add: Vec<DataFile>) -> Commit {
    Commit {
        operation: if data_change { "DELETE" } else { "OPTIMIZE" },
        add,
        remove: snapshot.files.to_vec(),
        data_change,
        wal_through: None,
        next_seq: None,
        tree: None,
    }
}

/// Would catch a property that changes more than itself, one that is forgotten when the table is opened anew or from a checkpoint, and
/// a removal that an append-only table takes.
#[tokio::test]
async fn an_append_only_table_only_grows() {
    let store = memory_store();
    let settings = Settings { checkpoint_commits: 1, ..Default::default() };
    let open = tables(&store, settings.clone()).await;
    let table = open.get_or_create(&tenant()).await.unwrap();
    assert!(!table.set_append_only(true).await.unwrap(), "there is no table yet");
    let file = write(&table, &events(0, 10)).await;
    table.commit(append(vec![file], 1, 10)).await.unwrap();
    assert!(table.set_append_only(true).await.unwrap());
    assert!(!table.set_append_only(true).await.unwrap(), "it is");
    assert_eq!(table.snapshot().version, Some(1));

    let merged = write(&table, &events(0, 10)).await;
    let replaced = table.commit(removing(&table.snapshot(), false, vec![merged])).await.unwrap();
    let error = table.commit(removing(&replaced, true, Vec::new())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("append-only"), "{error}");

    let entry = |text: &Bytes| -> Vec<Value> {
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    };
    let of_version =
        async |version| entry(&store.get(&folder().delta_commit(version)).await.unwrap().unwrap());
    let meta_data = |entry: Vec<Value>| {
        entry.iter().find_map(|action| action.get("metaData").cloned()).expect("an entry with properties")
    };
    let (mut before, mut after) = (meta_data(of_version(0).await), meta_data(of_version(1).await));
    assert_eq!(after["configuration"]["delta.appendOnly"], "true");
    // The schema is the same, in whatever order its text has its members.
    for said in [&mut before, &mut after] {
        let schema: Value = serde_json::from_str(said["schemaString"].as_str().unwrap()).unwrap();
        said["schemaString"] = schema;
    }
    before["configuration"]["delta.appendOnly"] = "true".into();
    assert_eq!(before, after);

    assert!(table.maintain(Pace::InUse).await.unwrap());
    let reopened = tables(&store, settings).await.get(&tenant()).await.unwrap().unwrap();
    assert!(reopened.snapshot().append_only);
    assert_eq!(committed(&reopened.snapshot()), committed(&replaced));
    reopened.permit_removals().await.unwrap();
    let emptied = reopened.commit(removing(&reopened.snapshot(), true, Vec::new())).await.unwrap();
    assert_eq!((emptied.files.len(), emptied.append_only), (0, false));
}
