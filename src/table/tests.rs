//! Tables end to end: publish, flush, commit, reopen, against a store in memory and a local folder.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::Int64Type,
};
use datafusion::scalar::ScalarValue;
use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};
use proptest::prelude::*;

use super::{fixture::*, sweep::Swept, *};
use crate::{error::ErrorKind, event::schema};

mod append_only;
mod faulty;
mod maintenance;
mod older;

async fn read_whole(table: &Table, file: &DataFile) -> RecordBatch {
    let store = &table.shared.store;
    let batches = read::read_all(store, &table.folder(), file, &ReadOptions::default()).await.unwrap();
    concat_batches(&schema::stored_schema(), &batches).unwrap()
}

/// What two snapshots must agree on to be the same committed state.
fn committed(snapshot: &Snapshot) -> String {
    format!("{:?} {} {} {:#?}", snapshot.version, snapshot.wal_through, snapshot.next_seq, snapshot.files)
}

async fn commits_survive_reopening(store: Store) {
    let table = table(&store).await;
    table.publish(accepted(&events(0, 700)), 1);
    table.publish(accepted(&events(700, 300)), 2);
    let flushed = table.begin_flush(2);
    assert_eq!(flushed.uncommitted.flushing.iter().map(RecordBatch::num_rows).sum::<usize>(), 1_000);
    table.publish(accepted(&events(1_000, 5)), 3);
    let file = write(&table, &events(0, 1_000)).await;
    let after = table.commit(append(vec![file.clone()], 2, 1_000)).await.unwrap();
    assert_eq!((after.version, after.wal_through, after.next_seq), (Some(0), 2, 1_000));
    assert_eq!((after.rows(), after.uncommitted.rows(), flushed.rows()), (1_005, 5, 1_000));
    let second = write(&table, &events(1_000, 5)).await;
    table.begin_flush(3);
    let after = table.commit(append(vec![second], 3, 1_005)).await.unwrap();
    assert_eq!((table.uncommitted_bytes(), after.uncommitted.rows()), (0, 0));

    let reopened = tables(&store, Settings::default()).await;
    assert_eq!(reopened.tenants(), [tenant()]);
    let reopened = reopened.get(&tenant()).await.unwrap().unwrap();
    assert_eq!(committed(&reopened.snapshot()), committed(&after));
    assert_eq!(read_whole(&reopened, &file).await, stored(&events(0, 1_000)));
}

/// Would catch a log that does not read back as what was committed: files, statistics, positions or contents.
#[tokio::test]
async fn commits_survive_reopening_in_memory() {
    commits_survive_reopening(memory_store()).await;
}

/// The same on disk, and on the runtime that the server uses.
#[tokio::test(flavor = "multi_thread")]
async fn commits_survive_reopening_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    commits_survive_reopening(Store::from_object_store(Arc::new(disk))).await;
}

/// Would catch a tenant that appears by being asked for, or vanishes while only its uncommitted events exist.
#[tokio::test]
async fn tenants_are_those_with_events() {
    let tables = tables(&memory_store(), Settings::default()).await;
    assert!(tables.get(&tenant()).await.unwrap().is_none());
    let table = tables.get_or_create(&tenant()).await.unwrap();
    assert_eq!(tables.tenants(), []);
    table.publish(accepted(&events(0, 1)), 1);
    assert_eq!(tables.tenants(), [tenant()]);
    assert_eq!(tables.uncommitted_bytes(), table.uncommitted_bytes());
    assert!(table.uncommitted_bytes() > 0);
}

/// Would catch a flush that failed losing its batches, or taking along events published since.
#[tokio::test]
async fn a_flush_not_committed_is_flushed_again_as_it_was() {
    let table = table(&memory_store()).await;
    table.publish(accepted(&events(0, 10)), 1);
    let first = table.begin_flush(1);
    table.publish(accepted(&events(10, 10)), 2);
    let again = table.begin_flush(2);
    assert_eq!(again.uncommitted.flushing, first.uncommitted.flushing);
    assert_eq!((again.uncommitted.flushing_through, again.rows()), (1, 20));
}

/// Would catch compaction removing a file that is gone, and thereby doubling its events.
#[tokio::test]
async fn removing_a_file_that_is_not_live_is_a_conflict() {
    let table = table(&memory_store()).await;
    let file = write(&table, &events(0, 10)).await;
    let snapshot = table.commit(append(vec![file.clone()], 1, 10)).await.unwrap();
    let replace = |with: DataFile| Commit {
        operation: "OPTIMIZE",
        add: vec![with],
        remove: snapshot.files.to_vec(),
        data_change: false,
        wal_through: None,
        next_seq: None,
        tree: None,
    };
    let merged = write(&table, &events(0, 10)).await;
    let after = table.commit(replace(merged.clone())).await.unwrap();
    assert_eq!((after.files.len(), after.rows(), after.next_seq), (1, 10, 10));
    let error = table.commit(replace(merged)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(&file.path), "{error}");
}

/// Would catch a foreign table being read as if its columns and protocol were ours.
#[tokio::test]
async fn foreign_tables_are_refused_by_name() {
    let store = memory_store();
    let first = table(&store).await;
    let file = write(&first, &events(0, 10)).await;
    first.commit(append(vec![file], 1, 10)).await.unwrap();
    let key = folder().delta_commit(0);
    let log = String::from_utf8(store.get(&key).await.unwrap().unwrap().to_vec()).unwrap();
    let changes = [
        (r#""partitionColumns":["day"]"#, r#""partitionColumns":[]"#),
        (r#"\"name\":\"actor_email\""#, r#"\"name\":\"actor_mail\""#),
        ("auditlake-seq", "someone-else"),
        (r#""minWriterVersion":2"#, r#""minWriterVersion":4"#),
    ];
    for (ours, theirs) in changes {
        assert!(log.contains(ours), "{ours} is not in {log}");
        store.put(&key, log.replace(ours, theirs).into()).await.unwrap();
        let tables = tables(&store, Settings::default()).await;
        let Err(error) = tables.get(&tenant()).await else { panic!("{theirs} was accepted") };
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert!(error.to_string().contains("events/acme"), "{error}");
    }
}

/// Would catch a duplicate that is stored but not found: in several files, at row group and page borders, after
/// the cache was emptied; and rows found that were not asked for.
#[tokio::test]
async fn stored_ids_are_found_wherever_they_are() {
    let small = layout::Settings { row_group_rows: 64, page_rows: 16, ..Default::default() };
    let store = memory_store();
    let settings = Settings { layout: small, ..Default::default() };
    let table = tables(&store, settings.clone()).await.get_or_create(&tenant()).await.unwrap();
    let files = vec![write(&table, &events(0, 500)).await, write(&table, &events(1_000, 500)).await];
    table.commit(append(files, 1, 1_500)).await.unwrap();
    let fresh = tables(&store, settings).await.get(&tenant()).await.unwrap().unwrap();
    let numbers = [0, 15, 16, 63, 64, 499, 700, 1_000, 1_255, 1_499, 9_999];
    let ids: Vec<String> = numbers.iter().map(|number| id(*number)).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for table in [table, fresh] {
        let snapshot = table.snapshot();
        let found = table.find_ids(&snapshot, day(), &ids).await.unwrap();
        let mut seqs: Vec<i64> = found
            .iter()
            .flat_map(|batch| batch[schema::SEQ].as_primitive::<Int64Type>().values().to_vec())
            .collect();
        seqs.sort_unstable();
        assert_eq!(seqs, [0, 15, 16, 63, 64, 499, 1_000, 1_255, 1_499]);
        assert!(found.iter().all(|batch| batch.schema() == schema::stored_schema()));
        let other_day = day().succ_opt().unwrap();
        assert!(table.find_ids(&snapshot, other_day, &ids).await.unwrap().is_empty());
    }
}

/// Would catch an empty file in the log, and a file given up that stays.
#[tokio::test]
async fn a_file_without_rows_or_given_up_leaves_nothing() {
    let store = memory_store();
    let table = table(&store).await;
    let empty = table.file_writer(day());
    assert_eq!(empty.finish().await.unwrap_err().kind(), ErrorKind::Invalid);
    let mut given_up = table.file_writer(day());
    given_up.write(stored(&events(0, 10))).await.unwrap();
    given_up.abandon().await.unwrap();
    assert!(store.list(&paths::tables_root()).await.unwrap().is_empty());
}

/// Would catch a projection or row choice that gives other rows or columns than asked for.
#[tokio::test]
async fn chosen_rows_and_columns_are_read() {
    let table = table(&memory_store()).await;
    let file = write(&table, &events(0, 3_000)).await;
    let options = ReadOptions {
        columns: Some(vec![schema::SEQ, schema::ID]),
        rows: Some(vec![5..7, 2_999..3_000]),
        text_views: true,
        ..Default::default()
    };
    let batches = read::read_all(&table.shared.store, &folder(), &file, &options).await.unwrap();
    let seqs: Vec<i64> = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
        .collect();
    assert_eq!(seqs, [5, 6, 2_999]);
    assert_eq!(batches[0].column(1).as_string_view().value(0), id(5));
}

/// Would catch a reader that takes the average row for every row: text that compresses well, in a few rows that stand
/// together, would make batches of hundreds of megabytes.
#[tokio::test]
async fn batches_stay_small_where_rows_are_large() {
    let table = table(&memory_store()).await;
    let mut events = events(0, 6_000);
    for event in &mut events[2_000..3_000] {
        event.description = Some(format!("{}{}", event.number, "x".repeat(16_000)));
    }
    let file = write(&table, &events).await;
    let options = ReadOptions { text_views: true, ..Default::default() };
    let batches = read::read_all(&table.shared.store, &folder(), &file, &options).await.unwrap();
    let text_bytes = |batch: &RecordBatch| -> usize {
        let descriptions = batch["description"].as_string_view();
        descriptions.iter().flatten().map(str::len).sum()
    };
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 6_000);
    let largest = batches.iter().map(text_bytes).max().unwrap();
    assert!(largest <= crate::limits::READ_BATCH_BYTES_MAX, "{largest} bytes");
}

fn any_event() -> impl Strategy<Value = Event> {
    let text = prop_oneof![
        2 => Just(None),
        3 => "\\PC{0,50}".prop_map(Some),
        1 => Just(Some("\u{10FFFF}".repeat(70))),
        1 => "[a-z]{31,33}".prop_map(Some),
    ];
    (any::<u32>(), any::<i64>(), 0_i64..86_400_000_000, text).prop_map(
        |(number, seq, offset, description)| Event {
            number: number.into(),
            seq,
            occurred_at: DAY_START + offset,
            description,
        },
    )
}

/// Whether every value of `column` is within `stats`.
fn bounded(column: &ArrayRef, stats: &ColumnStats) -> bool {
    (0..column.len()).filter(|row| column.is_valid(*row)).all(|row| {
        let value = ScalarValue::try_from_array(column, row).unwrap();
        stats.min.as_ref().is_none_or(|min| min <= &value)
            && stats.max.as_ref().is_none_or(|max| &value <= max)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Would catch statistics that exclude a stored value (events vanish from answers), miscount rows or nulls, or
    /// change on their way through the log.
    #[test]
    fn statistics_bound_every_value_and_survive_the_log(
        events in prop::collection::vec(any_event(), 1..80),
        row_group_rows in 1_usize..100,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = memory_store();
            let layout = layout::Settings { row_group_rows, ..Default::default() };
            let settings = Settings { layout, ..Default::default() };
            let table = tables(&store, settings).await.get_or_create(&tenant()).await.unwrap();
            let file = write(&table, &events).await;
            let batch = stored(&events);
            assert_eq!(file.rows, events.len() as u64);
            for (field, column) in schema::stored_schema().fields().iter().zip(batch.columns()) {
                if field.data_type().is_nested() {
                    continue;
                }
                let stats = &file.stats[field.name().as_str()];
                assert_eq!(stats.null_count, Some(column.null_count() as u64), "{}", field.name());
                assert!(bounded(column, stats), "{} is not within {stats:?}", field.name());
            }
            table.commit(append(vec![file.clone()], 1, 0)).await.unwrap();
            let loaded = load::load(&store, &tenant(), &folder()).await.unwrap();
            assert_eq!(format!("{:?}", loaded.files[0]), format!("{file:?}"));
            assert_eq!(read_whole(&table, &file).await, batch);
        });
    }
}
