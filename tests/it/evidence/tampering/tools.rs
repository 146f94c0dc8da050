//! What tampering takes: logs in memory, ways to change what is stored of them, and what is said of it.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, Int64Array, RecordBatch, StringArray},
    compute::{concat_batches, take_record_batch},
    datatypes::Int64Type,
};
use auditlake::{
    config::Config,
    evidence::{Evidence, Settings, SigningKey, Verifier},
    index::Indexes,
    store::Store,
    table::{Commit, DataFile, Tables},
    telemetry::Clock,
    verify::{Kind, Progress, Report, Trust, verify},
};
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};

use super::*;
use crate::support::lake::{START_MICROS, append, compact, config, decoded, event, open};

pub(super) const SEED: [u8; 32] = [9; 32];
pub(super) const EVENTS: u64 = 1_500;

pub(super) fn with_key(seed: [u8; 32]) -> Config {
    let mut config = config();
    config.signing_key = Some(SigningKey::from_seed(seed).unwrap().to_text().into());
    config.evidence.origin = Some("audit.example.com".into());
    config
}

pub(super) fn clock() -> Clock {
    Clock::manual(START_MICROS)
}

/// A log of three days and several commits, compacted or not.
pub(super) async fn log(objects: &Arc<InMemory>, seed: [u8; 32], compacted: bool) -> Lake {
    let lake = open(objects.clone(), &clock(), with_key(seed)).await.unwrap();
    for commit in 0..3 {
        send(&lake, commit * EVENTS / 3, EVENTS / 3).await;
    }
    if compacted {
        assert!(compact(&lake).await.failures.is_empty());
    }
    lake
}

pub(super) async fn send(lake: &Lake, first: u64, count: u64) {
    let events: Vec<_> = (first..first + count)
        .map(|number| {
            let mut event = event(Some(&format!("id-{number}")), &format!("event {number}"));
            event["occurred_at"] = format!("2026-10-{}T12:00:00.{number:06}Z", 28 + number / 600).into();
            event
        })
        .collect();
    append(lake.ingest().unwrap(), decoded(&events, lake.clock())).await.unwrap();
    lake.ingest().unwrap().flush().await.unwrap();
}

pub(super) fn key(seed: [u8; 32]) -> Verifier {
    SigningKey::from_seed(seed).unwrap().public().named("audit.example.com/acme")
}

/// As an auditor does: from the stored bytes alone, with the public key.
pub(super) async fn audit(objects: &Arc<InMemory>, kept: Vec<Checkpoint>) -> Report {
    audit_by(objects, Trust { verifiers: vec![key(SEED)], kept }).await
}

pub(super) async fn audit_by(objects: &Arc<InMemory>, trust: Trust) -> Report {
    let store = Store::from_object_store(objects.clone());
    let tables = Tables::open(store.clone(), clock(), config().table).await.unwrap();
    let evidence = Evidence::open_to_read(&store, &Settings::default()).await.unwrap();
    let indexes = Indexes::open(store.clone(), clock(), config().index);
    verify(&tables, &evidence, &indexes, &tenant("acme"), &trust, &Progress::default()).await.unwrap()
}

pub(super) fn shown(report: &Report) -> String {
    report.findings.iter().map(|finding| format!("{finding}\n")).collect()
}

#[track_caller]
pub(super) fn assert_holds(report: &Report) {
    assert!(report.holds(), "{}", shown(report));
}

/// Exactly these sorts of findings, and all of these words.
#[track_caller]
pub(super) fn assert_found(report: &Report, kinds: &[Kind], words: &[&str]) {
    let text = shown(report);
    let found: Vec<Kind> = report.findings.iter().map(|finding| finding.kind).collect();
    assert!(!found.is_empty(), "nothing was found");
    assert!(found.iter().all(|kind| kinds.contains(kind)), "{kinds:?} expected:\n{text}");
    assert!(kinds.iter().all(|kind| found.contains(kind)), "{kinds:?} expected:\n{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }
}

/// The file that holds event `seq`, and its rows.
pub(super) async fn file_of(lake: &Lake, seq: i64) -> (Arc<DataFile>, RecordBatch) {
    let table = table(lake, "acme").await;
    for file in table.snapshot().files.iter() {
        let batches: Vec<_> =
            table.read(file, &ReadOptions::default()).await.unwrap().try_collect().await.unwrap();
        let rows = concat_batches(&batches[0].schema(), &batches).unwrap();
        if rows[schema::SEQ].as_primitive::<Int64Type>().values().contains(&seq) {
            return (file.clone(), rows);
        }
    }
    panic!("no file holds event {seq}");
}

/// Puts `rows` in the place of a file, by a commit as any Delta writer makes it.
pub(super) async fn replace(lake: &Lake, file: Arc<DataFile>, rows: Option<RecordBatch>) -> String {
    let table = table(lake, "acme").await;
    let mut add = Vec::new();
    if let Some(rows) = rows {
        let mut writer = table.file_writer(file.day);
        writer.write(rows).await.unwrap();
        add.push(writer.finish().await.unwrap());
    }
    let path = add.first().map(|file| file.path.clone()).unwrap_or_default();
    let commit = Commit {
        operation: "OPTIMIZE",
        add,
        remove: vec![file],
        data_change: false,
        wal_through: None,
        next_seq: None,
        tree: None,
    };
    table.commit(commit).await.unwrap();
    path
}

pub(super) fn row_of(rows: &RecordBatch, seq: i64) -> usize {
    rows[schema::SEQ].as_primitive::<Int64Type>().values().iter().position(|value| *value == seq).unwrap()
}

pub(super) fn with_column(rows: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let place = rows.schema().index_of(name).unwrap();
    let mut columns = rows.columns().to_vec();
    columns[place] = column;
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

pub(super) fn with_text(rows: &RecordBatch, name: &str, row: usize, text: &str) -> RecordBatch {
    let column = rows[name].as_string::<i32>();
    let changed: StringArray = (0..column.len())
        .map(|at| if at == row { Some(text) } else { column.is_valid(at).then(|| column.value(at)) })
        .collect();
    with_column(rows, name, Arc::new(changed))
}

pub(super) fn with_seqs(rows: &RecordBatch, change: impl Fn(usize, i64) -> i64) -> RecordBatch {
    let seqs = rows[schema::SEQ].as_primitive::<Int64Type>();
    let changed: Int64Array = seqs.values().iter().enumerate().map(|(row, seq)| change(row, *seq)).collect();
    with_column(rows, schema::SEQ, Arc::new(changed))
}

pub(super) fn rows_at(rows: &RecordBatch, places: impl Iterator<Item = usize>) -> RecordBatch {
    let places: Int64Array = places.map(|place| place as i64).collect();
    take_record_batch(rows, &places).unwrap()
}

pub(super) async fn objects_under(objects: &InMemory, prefix: &str) -> BTreeMap<String, bytes::Bytes> {
    let listed: Vec<_> = objects.list(Some(&Path::from(prefix))).try_collect().await.unwrap();
    let mut found = BTreeMap::new();
    for object in listed {
        let bytes = objects.get(&object.location).await.unwrap().bytes().await.unwrap();
        found.insert(object.location.to_string(), bytes);
    }
    found
}

pub(super) async fn put(objects: &InMemory, path: &str, bytes: impl Into<bytes::Bytes>) {
    objects.put(&Path::from(path), bytes.into().into()).await.unwrap();
}
