//! Stored bytes changed behind the server's back: each change is found, and named.

mod tools;

use std::sync::Arc;

use arrow::{
    array::{Array as _, Int64Array, ListBuilder, StringArray, StringBuilder},
    compute::{cast, concat_batches},
    datatypes::{DataType, Int64Type},
};
use auditlake::{
    evidence::{Removal, SigningKey},
    index::Indexes,
    server::expire,
    store::Store,
    verify::{Kind, Trust},
};
use object_store::{ObjectStoreExt as _, memory::InMemory, path::Path};
use tokio_util::sync::CancellationToken;

use self::tools::*;
use super::*;
use crate::support::lake::{append, config, decoded, event, open};

/// Would catch a verification that finds something where there is nothing, whatever the server has done by itself.
#[tokio::test]
async fn an_untouched_log_holds() {
    for compacted in [false, true] {
        let objects = Arc::new(InMemory::new());
        let lake = log(&objects, SEED, compacted).await;
        let report = audit(&objects, vec![checkpoint(&lake, "acme").await.unwrap()]).await;
        assert_holds(&report);
        assert_eq!((report.size, report.events, report.independent), (EVENTS, EVENTS, true));
        assert!(report.evidence_bytes < 40 * EVENTS, "{} bytes", report.evidence_bytes);
        // What is not committed yet is nobody's business; what is committed and not signed yet is counted.
        append(lake.ingest().unwrap(), decoded(&[event(Some("x"), "x")], lake.clock())).await.unwrap();
        assert_holds(&audit(&objects, Vec::new()).await);
    }
}

/// Would catch a changed value, in a file that is valid in itself, that nobody notices.
#[tokio::test]
async fn a_changed_value_is_named() {
    let objects = Arc::new(InMemory::new());
    let lake = log(&objects, SEED, true).await;
    let (file, rows) = file_of(&lake, 700).await;
    let row = row_of(&rows, 700);
    let path = replace(&lake, file, Some(with_text(&rows, "description", row, "nothing happened"))).await;
    let report = audit(&objects, Vec::new()).await;
    assert_found(&report, &[Kind::Changed], &["event 700 ", "id-700", &path]);
    assert_eq!(report.findings.len(), 1);
}

/// Would catch a column that queries read and nobody checks: one that no leaf covers, and that is made of no other.
#[tokio::test]
async fn every_column_is_covered() {
    let objects = Arc::new(InMemory::new());
    let lake = log(&objects, SEED, true).await;
    let (_, rows) = file_of(&lake, 700).await;
    let row = row_of(&rows, 700);
    for field in rows.schema().fields() {
        let name = field.name().as_str();
        let tampered = match field.data_type() {
            DataType::Utf8 if name == "targets" => with_text(&rows, name, row, r#"[{"id":"d","type":"t"}]"#),
            DataType::Utf8 if schema::JSON_COLUMNS.contains(&name) => {
                with_text(&rows, name, row, r#"{"x":1}"#)
            }
            DataType::Utf8 => with_text(&rows, name, row, "acme2"),
            DataType::List(item) => {
                let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item.clone());
                (0..rows.num_rows()).for_each(|at| lists.append_option((at == row).then_some([Some("d")])));
                with_column(&rows, name, Arc::new(lists.finish()))
            }
            // Numbers and times: one more than it was, or 1 where there was none.
            _ => {
                let numbers = cast(&rows[name], &DataType::Int64).unwrap();
                let numbers = numbers.as_primitive::<Int64Type>().clone();
                let more = |at: usize| match numbers.is_valid(at) {
                    true => Some(numbers.value(at) + i64::from(at == row)),
                    false => (at == row).then_some(1),
                };
                let changed: Int64Array = (0..rows.num_rows()).map(more).collect();
                with_column(&rows, name, cast(&changed, field.data_type()).unwrap())
            }
        };
        let (file, _) = file_of(&lake, 699).await;
        replace(&lake, file, Some(tampered)).await;
        assert!(!audit(&objects, Vec::new()).await.holds(), "{name} was changed, and nobody noticed");
        let (file, _) = file_of(&lake, 699).await;
        replace(&lake, file, Some(rows.clone())).await;
    }
    assert_holds(&audit(&objects, Vec::new()).await);
}

/// Would catch a row that is taken out, or a day that goes with its entry in the table's log.
#[tokio::test]
async fn missing_events_are_named() {
    let objects = Arc::new(InMemory::new());
    let lake = log(&objects, SEED, true).await;
    let (file, rows) = file_of(&lake, 700).await;
    let row = row_of(&rows, 700);
    let rest = rows_at(&rows, (0..rows.num_rows()).filter(|at| *at != row));
    replace(&lake, file, Some(rest)).await;
    assert_found(&audit(&objects, Vec::new()).await, &[Kind::Missing], &["missing event 700:"]);

    let (file, _) = file_of(&lake, 100).await;
    replace(&lake, file, None).await;
    let report = audit(&objects, Vec::new()).await;
    assert_found(&report, &[Kind::Missing], &["missing events 0 to 599:", "missing event 700:"]);
}

/// Would catch a row that is put in, under a new number or another's.
#[tokio::test]
async fn inserted_events_are_named() {
    let objects = Arc::new(InMemory::new());
    let lake = log(&objects, SEED, true).await;
    let (file, rows) = file_of(&lake, 700).await;
    let row = row_of(&rows, 700);
    let copy = with_text(&rows_at(&rows, std::iter::once(row)), "id", 0, "forged");
    for (number, kinds, words) in [
        (EVENTS as i64 + 7, vec![Kind::Inserted], "inserted event 1507 (id \"forged\")"),
        (-3, vec![Kind::Inserted], "(id \"forged\")"),
        (700, vec![Kind::Duplicate, Kind::Changed], "duplicate event 700 (id"),
    ] {
        let forged = with_seqs(&copy, |_, _| number);
        let both = concat_batches(&rows.schema(), [&rows, &forged]).unwrap();
        replace(&lake, file_of(&lake, 700).await.0, Some(both)).await;
        assert_found(&audit(&objects, Vec::new()).await, &kinds, &[words]);
    }
    replace(&lake, file_of(&lake, 700).await.0, Some(rows)).await;
    assert_holds(&audit(&objects, Vec::new()).await);
    drop(file);
}

/// Would catch two events that have changed places, and one that stands on another day than it happened.
#[tokio::test]
async fn swapped_and_misplaced_events_are_named() {
    let objects = Arc::new(InMemory::new());
    let lake = log(&objects, SEED, true).await;
    let (file, rows) = file_of(&lake, 700).await;
    let swapped = with_seqs(&rows, |_, seq| match seq {
        700 => 800,
        800 => 700,
        other => other,
    });
    let path = replace(&lake, file, Some(swapped)).await;
    let report = audit(&objects, Vec::new()).await;
    assert_found(
        &report,
        &[Kind::Changed],
        &[&path, "this is event 800, put in the place of 700", "in the place of 800"],
    );
    replace(&lake, file_of(&lake, 700).await.0, Some(rows.clone())).await;

    let (other, of_other) = file_of(&lake, 1_400).await;
    let row = row_of(&rows, 700);
    let moved = rows_at(&rows, std::iter::once(row));
    replace(&lake, other, Some(concat_batches(&rows.schema(), [&of_other, &moved]).unwrap())).await;
    let rest = rows_at(&rows, (0..rows.num_rows()).filter(|at| *at != row));
    replace(&lake, file_of(&lake, 701).await.0, Some(rest)).await;
    assert_found(
        &audit(&objects, Vec::new()).await,
        &[Kind::Misplaced],
        &["misplaced event 700 (id \"id-700\")", "another day"],
    );
}

/// Would catch a file that is gone from the store, or whose bytes are not Parquet any more.
#[tokio::test]
async fn broken_files_are_named() {
    let objects = Arc::new(InMemory::new());
    let lake = log(&objects, SEED, true).await;
    let (file, _) = file_of(&lake, 700).await;
    let path = format!("events/acme/{}", file.path);
    let good = objects.get(&Path::from(&*path)).await.unwrap().bytes().await.unwrap();
    put(&objects, &path, good.slice(..good.len() / 2)).await;
    assert_found(
        &audit(&objects, Vec::new()).await,
        &[Kind::File, Kind::Missing],
        &[&file.path, "events 600 to 1199"],
    );
    objects.delete(&Path::from(&*path)).await.unwrap();
    assert_found(&audit(&objects, Vec::new()).await, &[Kind::File, Kind::Missing], &[&file.path]);
}

/// Would catch rows that a writer of Delta which is not ours takes out, by an entry of the log that is right in itself, also out of a
/// table that says of itself that nothing is removed from it: that binds only writers that keep to it.
#[tokio::test]
async fn what_another_writer_takes_out_is_named() {
    let objects = Arc::new(InMemory::new());
    let lake = log(&objects, SEED, true).await;
    let table = table(&lake, "acme").await;
    assert!(table.set_append_only(true).await.unwrap(), "it says so now");
    let (file, _) = file_of(&lake, 700).await;
    let version = table.snapshot().version.unwrap() + 1;
    lake.close().await.unwrap();
    let day = file.day.to_string();
    let removal = serde_json::json!({"remove": {
        "path": file.path, "deletionTimestamp": 1_793_500_000_000_i64, "dataChange": true, "extendedFileMetadata": true,
        "partitionValues": {"day": day}, "size": file.size_bytes,
    }});
    let info = serde_json::json!({"commitInfo": {"timestamp": 1_793_500_000_000_i64, "operation": "DELETE", "engineInfo": "another"}});
    let entry = format!("{info}\n{removal}\n");
    put(&objects, &format!("events/acme/_delta_log/{version:020}.json"), entry).await;

    let report = audit(&objects, Vec::new()).await;
    assert_found(&report, &[Kind::Missing], &["events 600 to 1199"]);
    // The server goes on, and does not take it for its own doing.
    let lake = open(objects.clone(), &clock(), with_key(SEED)).await.unwrap();
    assert_eq!(crate::support::lake::count(&lake).await, EVENTS - 600);
    send(&lake, EVENTS, 10).await;
    assert_found(&audit(&objects, Vec::new()).await, &[Kind::Missing], &["events 600 to 1199"]);
}

/// Would catch a tile that was edited or removed, at the leaves, above them, or at the edge.
#[tokio::test]
async fn edited_tiles_are_named() {
    let objects = Arc::new(InMemory::new());
    let lake = log(&objects, SEED, true).await;
    for tile in ["0/003", "0/005.p/220", "1/000.p/5"] {
        let path = format!("proof/tenant=acme/tile/{tile}");
        let good = objects.get(&Path::from(&*path)).await.unwrap().bytes().await.unwrap();
        let mut bad = good.to_vec();
        bad[40] ^= 1;
        put(&objects, &path, bad).await;
        assert_found(&audit(&objects, Vec::new()).await, &[Kind::Tile], &[tile]);
        objects.delete(&Path::from(&*path)).await.unwrap();
        assert_found(&audit(&objects, Vec::new()).await, &[Kind::Tile], &[tile]);
        put(&objects, &path, good).await;
        assert_holds(&audit(&objects, Vec::new()).await);
    }
    // A tile of leaves that is made to fit a changed event.
    let (file, rows) = file_of(&lake, 700).await;
    let forged = with_text(&rows, "description", row_of(&rows, 700), "nothing happened");
    let leaf = leaves_of(&forged, |_| true).unwrap()[row_of(&rows, 700)];
    replace(&lake, file, Some(forged)).await;
    let path = "proof/tenant=acme/tile/0/002";
    let mut tile = objects.get(&Path::from(path)).await.unwrap().bytes().await.unwrap().to_vec();
    tile[(700 - 512) * 32..][..32].copy_from_slice(&leaf.0);
    put(&objects, path, tile).await;
    assert_found(&audit(&objects, Vec::new()).await, &[Kind::Tile], &["0/002", "events 512 to 767"]);
}

/// Would catch an index that hides events from queries, and one that is only old or absent and hides nothing.
#[tokio::test]
async fn an_index_that_hides_events_is_named() {
    let objects = Arc::new(InMemory::new());
    let lake = log(&objects, SEED, true).await;
    drop(lake);
    let segments = objects_under(&objects, "index/tenant=acme").await;
    // The segments of another log of the same files: its events have other ids.
    let (file, rows) = {
        let lake = open(objects.clone(), &clock(), with_key(SEED)).await.unwrap();
        let (file, rows) = file_of(&lake, 700).await;
        (file, rows)
    };
    for path in segments.keys() {
        objects.delete(&Path::from(&**path)).await.unwrap();
    }
    assert_holds(&audit(&objects, Vec::new()).await);
    let store = Store::from_object_store(objects.clone());
    let indexes = Indexes::open(store, clock(), config().index);
    let mut indexer = auditlake::index::Indexer::new(&indexes, &tenant("acme"));
    indexer.begin_file(&file.path);
    let others: StringArray = (0..rows.num_rows()).map(|row| Some(format!("other-{row}"))).collect();
    let others = with_column(&rows, "id", Arc::new(others));
    indexer.add(&others);
    indexer.finish().await;
    indexer.publish().await;
    assert_found(
        &audit(&objects, Vec::new()).await,
        &[Kind::Index],
        &[&file.path, "the skip index does not lead to row"],
    );
}

/// Would catch a checkpoint that is edited, or signed by somebody else.
#[tokio::test]
async fn wrong_checkpoints_are_named() {
    let objects = Arc::new(InMemory::new());
    let _lake = log(&objects, SEED, false).await;
    let good = objects_under(&objects, "proof/tenant=acme/checkpoint").await;
    let by_size = objects_under(&objects, "proof/tenant=acme/checkpoints").await;
    let (path, note) = by_size.first_key_value().unwrap();
    let note = std::str::from_utf8(note).unwrap();
    let forged = Checkpoint { origin: "audit.example.com/acme".into(), size: EVENTS, root: Hash::leaf(b"x") };
    let stranger = SigningKey::from_seed([5; 32]).unwrap();
    for (bad, words) in [
        (note.replace("\n1500\n", "\n1499\n"), "does not fit its text"),
        (forged.sign(&[&stranger]), "no key that is trusted"),
        ("nonsense".to_owned(), "not a signed note"),
    ] {
        put(&objects, path, bad).await;
        let report = audit(&objects, Vec::new()).await;
        assert_found(&report, &[Kind::Checkpoint], &[words, path, "no checkpoint that can be believed"]);
    }
    objects.delete(&Path::from(&**path)).await.unwrap();
    assert_found(&audit(&objects, Vec::new()).await, &[Kind::Checkpoint], &["there is no checkpoint"]);
    for (path, bytes) in by_size.into_iter().chain(good) {
        put(&objects, &path, bytes).await;
    }
    assert_holds(&audit(&objects, Vec::new()).await);
    put(&objects, "proof/tenant=acme/checkpoint", "nonsense").await;
    assert_found(&audit(&objects, Vec::new()).await, &[Kind::Checkpoint], &["the copy named 'checkpoint'"]);
}

/// Would catch a log whose tail was cut off, by who holds the key, against who kept a newer checkpoint.
#[tokio::test]
async fn a_cut_tail_is_found_by_who_kept_a_checkpoint() {
    let objects = Arc::new(InMemory::new());
    let lake = open(objects.clone(), &clock(), with_key(SEED)).await.unwrap();
    send(&lake, 0, 400).await;
    drop(lake);
    let everything = objects_under(&objects, "").await;
    let lake = open(objects.clone(), &clock(), with_key(SEED)).await.unwrap();
    send(&lake, 400, 300).await;
    let kept = checkpoint(&lake, "acme").await.unwrap();
    drop(lake);
    // The whole store as it was before: it is whole in itself.
    for path in objects_under(&objects, "").await.into_keys() {
        objects.delete(&Path::from(&*path)).await.unwrap();
    }
    for (path, bytes) in everything {
        put(&objects, &path, bytes).await;
    }
    assert_holds(&audit(&objects, Vec::new()).await);
    assert_found(
        &audit(&objects, vec![kept]).await,
        &[Kind::Rewritten],
        &["checkpoint of 700 events was kept", "the tail is gone"],
    );
}

/// Would catch a log made anew: without the key by its checkpoints, with the key by any checkpoint that was kept.
#[tokio::test]
async fn a_log_made_anew_is_found() {
    let objects = Arc::new(InMemory::new());
    let kept = {
        let lake = log(&objects, SEED, false).await;
        checkpoint(&lake, "acme").await.unwrap()
    };
    let forge = async |seed| {
        let forged = Arc::new(InMemory::new());
        let lake = open(forged.clone(), &clock(), with_key(seed)).await.unwrap();
        send(&lake, 1, EVENTS + 100).await;
        drop(lake);
        forged
    };
    let stranger = forge([5; 32]).await;
    assert_found(&audit(&stranger, Vec::new()).await, &[Kind::Checkpoint], &["no key that is trusted"]);
    let insider = forge(SEED).await;
    assert_holds(&audit(&insider, Vec::new()).await);
    let report = audit(&insider, vec![kept]).await;
    assert_found(
        &report,
        &[Kind::Rewritten],
        &["the first 1500 events hash to", "the checkpoint that was kept says"],
    );
}

/// Would catch a server that signs what was changed in its store, because the tree was taken away as well.
#[tokio::test]
async fn a_tree_is_not_made_anew_of_changed_events() {
    let objects = Arc::new(InMemory::new());
    {
        let lake = log(&objects, SEED, false).await;
        let (file, rows) = file_of(&lake, 700).await;
        let changed = with_text(&rows, "description", row_of(&rows, 700), "nothing happened");
        replace(&lake, file, Some(changed)).await;
    }
    for path in objects_under(&objects, "proof/tenant=acme").await.into_keys() {
        objects.delete(&Path::from(path)).await.unwrap();
    }
    let lake = open(objects.clone(), &clock(), with_key(SEED)).await.unwrap();
    send(&lake, EVENTS, 10).await;
    // What the first commit spoke of is still there, and is signed again; not the rest.
    let signed = checkpoint(&lake, "acme").await.map_or(0, |checkpoint| checkpoint.size);
    assert_eq!(signed, EVENTS / 3);
    assert_eq!(table(&lake, "acme").await.snapshot().next_seq as u64, EVENTS + 10);
    drop(lake);
    // Undisturbed, a tree that was lost is made again to its end.
    let objects = Arc::new(InMemory::new());
    drop(log(&objects, SEED, true).await);
    for path in objects_under(&objects, "proof/tenant=acme").await.into_keys() {
        objects.delete(&Path::from(path)).await.unwrap();
    }
    let lake = open(objects.clone(), &clock(), with_key(SEED)).await.unwrap();
    send(&lake, EVENTS, 10).await;
    assert_holds(&audit(&objects, Vec::new()).await);
}

/// Would catch a note about removed events that is believed of another log than its own.
#[tokio::test]
async fn a_note_of_another_log_says_nothing() {
    let objects = Arc::new(InMemory::new());
    let lake = log(&objects, SEED, true).await;
    let (file, _) = file_of(&lake, 0).await;
    let day = file.day;
    replace(&lake, file, None).await;
    let other = "audit.example.com/other";
    let removal = Removal { origin: other.to_owned(), days: (day, day), events: vec![(0, 599)] };
    let signing = SigningKey::from_seed(SEED).unwrap();
    let path = auditlake::paths::removal(&tenant("acme"), day, 7);
    put(&objects, path.as_ref(), removal.sign(&[&signing])).await;
    let trusted = vec![key(SEED), signing.public().named(other)];
    let report = audit_by(&objects, Trust { verifiers: trusted, kept: Vec::new() }).await;
    assert_found(&report, &[Kind::Missing, Kind::Removal], &["missing events 0 to 599"]);
}

/// Would catch expired events that are taken for missing ones, and missing ones that pass for expired.
#[tokio::test]
async fn expired_is_told_from_missing() {
    let objects = Arc::new(InMemory::new());
    let lake = log(&objects, SEED, true).await;
    let settings = auditlake::control::TenantSettings { retention_days: Some(3), ..Default::default() };
    let change = auditlake::control::Change::TenantSet { id: tenant("acme"), settings };
    lake.control().change("root", |_| Ok((change.clone(), ()))).await.unwrap();
    assert_eq!(expire(&lake, &CancellationToken::new()).await.unwrap().expired.len(), 1);
    let report = audit(&objects, Vec::new()).await;
    assert_holds(&report);
    assert_eq!((report.expired, report.size), (600, EVENTS + report.uncovered));
    // Another day goes the same way, and nobody has signed for it.
    let (file, _) = file_of(&lake, 700).await;
    replace(&lake, file, None).await;
    assert_found(&audit(&objects, Vec::new()).await, &[Kind::Missing], &["missing events 600 to 1199"]);
    let notes = objects_under(&objects, "proof/tenant=acme/removed").await;
    let (path, note) = notes.first_key_value().unwrap();
    put(&objects, path, std::str::from_utf8(note).unwrap().replace("0-599", "0-1199")).await;
    assert_found(
        &audit(&objects, Vec::new()).await,
        &[Kind::Missing, Kind::Removal],
        &["events 0 to 1199", "does not fit"],
    );
}
