//! Compaction end to end, on tables in memory.

use arrow::{
    array::{AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use futures::TryStreamExt;
use proptest::prelude::*;

use super::{digest::Digest, *};
use crate::{
    error::ErrorKind,
    event::schema,
    paths::TableLayout,
    table::{DataFile, ReadOptions, Settings, fixture::*, layout},
};

/// Everything counts as settled.
fn at_once() -> Policy {
    Policy { settle_ms: i64::MIN, ..Policy::default() }
}

/// An index that is off; `tests/it` compacts with one.
fn no_index() -> Indexes {
    let settings = crate::index::Settings { enabled: false, ..Default::default() };
    Indexes::open(memory_store(), Clock::manual(0), settings)
}

async fn run(tables: &Tables, policy: &Policy) -> Report {
    let clock = Clock::manual(0);
    compact_all(tables, &no_index(), policy, &clock, &CancellationToken::new(), |_| {}).await.unwrap()
}

async fn rows_of(table: &Table, file: &DataFile) -> RecordBatch {
    let batches: Vec<RecordBatch> =
        table.read(file, &ReadOptions::default()).await.unwrap().try_collect().await.unwrap();
    concat_batches(&schema::stored_schema(), &batches).unwrap()
}

/// The digest of events as compaction reads them, that is with text as views.
fn digest_as_read(events: &[Event]) -> Digest {
    let batch = stored(events);
    let types = crate::table::read::schema_of(true);
    let columns = batch
        .columns()
        .iter()
        .zip(types.fields())
        .map(|(column, field)| arrow::compute::cast(column, field.data_type()).unwrap());
    Digest::of(&RecordBatch::try_new(types.clone(), columns.collect()).unwrap()).unwrap()
}

fn keys(batch: &RecordBatch) -> Vec<(i64, i64)> {
    let times = batch[schema::OCCURRED_AT].as_primitive::<TimestampMicrosecondType>().values();
    let seqs = batch[schema::SEQ].as_primitive::<Int64Type>().values();
    times.iter().copied().zip(seqs.iter().copied()).collect()
}

/// A table with one committed file for each of `files`, and all their events in order.
async fn table_of(files: &[Vec<Event>], settings: Settings) -> (Tables, Arc<Table>, Vec<Event>) {
    let tables = tables(&memory_store(), settings).await;
    let table = tables.get_or_create(&tenant()).await.unwrap();
    let mut written = Vec::new();
    for events in files {
        let mut events = events.clone();
        events.sort_by_key(|event| (event.occurred_at, event.seq));
        written.push(write(&table, &events).await);
    }
    table.commit(append(written, 1, 0)).await.unwrap();
    let mut all = files.concat();
    all.sort_by_key(|event| (event.occurred_at, event.seq));
    (tables, table, all)
}

fn any_files() -> impl Strategy<Value = Vec<Vec<Event>>> {
    // Few different times, so that keys collide across files and only `seq` tells rows apart.
    let event = (0_i64..40, proptest::option::of("\\PC{0,20}"));
    prop::collection::vec(prop::collection::vec(event, 1..60), 2..20).prop_map(|files| {
        let mut number = 0;
        let mut numbered = |(minute, description): (i64, Option<String>)| {
            number += 1;
            let occurred_at = DAY_START + minute * 60_000_000;
            Event { number, seq: number as i64, occurred_at, description }
        };
        files.into_iter().map(|file| file.into_iter().map(&mut numbered).collect()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Would catch rows lost, doubled, changed or out of order, over any number of rounds, and statistics or counts
    /// that no longer fit.
    #[test]
    fn compaction_keeps_every_row_and_sorts_them(files in any_files(), row_group_rows in 10_usize..200) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let layout = layout::Settings { row_group_rows, ..Default::default() };
            let (tables, table, all) = table_of(&files, Settings { layout, ..Default::default() }).await;
            let report = run(&tables, &Policy { fan_in_max: 4, ..at_once() }).await;
            assert!(report.failures.is_empty(), "{:?}", report.failures);
            let snapshot = table.snapshot();
            assert_eq!((snapshot.files.len(), snapshot.rows()), (1, all.len() as u64));
            assert_eq!(rows_of(&table, &snapshot.files[0]).await, stored(&all));
            assert_eq!(report.files_in - report.files_out, files.len() - 1);
        });
    }
}

/// Would catch long runs, several row groups and batches being cut or merged at the wrong row.
#[tokio::test(flavor = "multi_thread")]
async fn large_files_overlapping_or_not_merge_in_order() {
    let mut files: Vec<Vec<Event>> = (0..3).map(|part| events(part * 5_000, 5_000)).collect();
    files.push(
        events(12_000, 6_000)
            .into_iter()
            .map(|event| Event { number: event.number + 50_000, ..event })
            .collect(),
    );
    let (tables, table, all) = table_of(&files, Settings::default()).await;
    let report = run(&tables, &at_once()).await;
    assert_eq!((report.jobs, report.files_in, report.rows), (1, 4, 21_000));
    let merged = rows_of(&table, &table.snapshot().files[0]).await;
    assert_eq!(merged.num_rows(), all.len());
    assert!(keys(&merged).is_sorted());
    let as_written = Digest::of(&stored(&all)).unwrap();
    assert_eq!(Digest::of(&merged).unwrap(), as_written);
}

/// Would catch a merge that trusts an unsorted file, and a failed job that changes anything or stops the others.
#[tokio::test]
async fn an_unsorted_file_is_refused_and_nothing_changes() {
    let tables = tables(&memory_store(), Settings::default()).await;
    let table = tables.get_or_create(&tenant()).await.unwrap();
    let mut backwards = events(0, 100);
    backwards.reverse();
    let bad = write(&table, &backwards).await;
    let good = write(&table, &events(100, 100)).await;
    let before = table.commit(append(vec![bad.clone(), good], 1, 200)).await.unwrap();
    let report = run(&tables, &at_once()).await;
    assert_eq!((report.jobs, report.failures.len()), (0, 1));
    assert_eq!(report.failures[0].day, Some(day()));
    assert_eq!(report.failures[0].error.kind(), ErrorKind::Corrupt);
    assert!(report.failures[0].error.to_string().contains(&bad.path));
    assert_eq!(table.snapshot().version, before.version);
}

/// Would catch one unreadable table keeping all others from being compacted.
#[tokio::test]
async fn an_unreadable_table_is_reported_and_the_others_go_on() {
    let store = memory_store();
    let broken = TenantId::parse("aaa").unwrap();
    store.put(&TableLayout::Plain.table(&broken).delta_commit(0), "not a log entry".into()).await.unwrap();
    let tables = tables(&store, Settings::default()).await;
    let table = tables.get_or_create(&tenant()).await.unwrap();
    let files = vec![write(&table, &events(0, 10)).await, write(&table, &events(10, 10)).await];
    table.commit(append(files, 1, 20)).await.unwrap();
    let report = run(&tables, &at_once()).await;
    assert_eq!((report.jobs, report.failures.len()), (1, 1));
    assert_eq!((&report.failures[0].tenant, report.failures[0].day), (&broken, None));
}

/// Would catch a result that differs from its inputs being committed, or left behind.
#[tokio::test]
async fn a_result_that_differs_is_refused() {
    let files = [events(0, 10), events(10, 10)];
    let (_tables, table, _) = table_of(&files, Settings::default()).await;
    let before = table.snapshot();
    let wrong = write(&table, &[events(0, 10), events(11, 10)].concat()).await;
    let read = digest_as_read(&events(0, 20));
    let wrong_path = wrong.path.clone();
    let error = job::commit_checked(&job::Lanes::start().unwrap(), &table, &before.files, wrong, read)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&before.files[0].path), "{error}");
    assert_eq!(table.snapshot().version, before.version);
    let gone = DataFile { path: wrong_path, ..before.files[0].as_ref().clone() };
    assert!(table.read(&gone, &ReadOptions::default()).await.is_err());
}

/// Would catch a check that refuses everything, and so would let the one above pass for nothing.
#[tokio::test]
async fn a_result_that_equals_its_inputs_is_committed() {
    let (_tables, table, _) = table_of(&[events(0, 10), events(10, 10)], Settings::default()).await;
    let inputs = &table.snapshot().files;
    let merged = write(&table, &events(0, 20)).await;
    job::commit_checked(
        &job::Lanes::start().unwrap(),
        &table,
        inputs,
        merged,
        digest_as_read(&events(0, 20)),
    )
    .await
    .unwrap();
    assert_eq!((table.snapshot().files.len(), table.snapshot().rows()), (1, 20));
}

/// Would catch a cancellation that commits half a job or is not reported.
#[tokio::test]
async fn a_cancelled_compaction_changes_nothing() {
    let (tables, table, _) = table_of(&[events(0, 10), events(10, 10)], Settings::default()).await;
    let cancel = CancellationToken::new();
    let job = Job { day: day(), inputs: table.snapshot().files.to_vec(), reading_bytes: 0, writing_bytes: 0 };
    cancel.cancel();
    let share = Memory::new(1 << 20).whole().await;
    let outcome =
        job::run(&job::Lanes::start().unwrap(), &table, &no_index(), &job, share, &cancel).await.unwrap();
    assert!(matches!(outcome, Outcome::Cancelled));
    let report =
        compact_all(&tables, &no_index(), &at_once(), &Clock::manual(0), &cancel, |_| {}).await.unwrap();
    assert!(report.cancelled && report.jobs == 0);
    assert_eq!(table.snapshot().files.len(), 2);
}

/// Would catch a job that opens more files than there is memory for, one that loses the files it left out, and two files
/// that are never merged because they are large.
#[tokio::test]
async fn a_job_leaves_out_what_there_is_no_memory_for() {
    let files: Vec<_> = (0..5).map(|first| events(first, 50)).collect();
    let (_tables, table, _) = table_of(&files, Settings::default()).await;
    let inputs = table.snapshot().files.to_vec();
    let (lanes, cancel) = (job::Lanes::start().unwrap(), CancellationToken::new());
    let job = Job { day: day(), inputs, reading_bytes: 0, writing_bytes: 0 };
    let memory = Memory::new(4 << 20);

    let (share, other) = (memory.share(1 << 20).await, memory.share(3 << 20).await);
    let version = table.snapshot().version;
    let outcome = job::run(&lanes, &table, &no_index(), &job, share, &cancel).await.unwrap();
    assert!(matches!(outcome, Outcome::LacksMemory), "{outcome:?}");
    assert_eq!(table.snapshot().version, version);
    drop(other);

    let outcome = job::run(&lanes, &table, &no_index(), &job, memory.whole().await, &cancel).await.unwrap();
    assert!(matches!(outcome, Outcome::Done(job::Done { files_in: 2, rows: 100, .. })), "{outcome:?}");
    assert_eq!((table.snapshot().files.len(), table.snapshot().rows()), (4, 250));
    assert!(memory.whole().await.is_whole(), "a finished job gives its memory back");
}

/// Would catch merged batches of so many rows that large events make them larger than memory.
#[tokio::test]
async fn merged_batches_of_large_events_are_short() {
    let large = |first: u64| -> Vec<Event> {
        let text = Some("x".repeat(16_000));
        let events = (0..600).flat_map(|at| events(first + at * 2, 1));
        events.map(|event| Event { description: text.clone(), ..event }).collect()
    };
    let (_tables, table, _) = table_of(&[large(0), large(1)], Settings::default()).await;
    let share = Memory::new(1 << 30).whole().await;
    let mut merge = merge::Merge::new(table.clone(), &table.snapshot().files, share, 0);
    let (mut rows, mut longest) = (0, 0);
    while let Some(batch) = merge.next().await.unwrap() {
        rows += batch.num_rows();
        longest = longest.max(batch.num_rows());
    }
    assert_eq!(rows, 1_200);
    assert!(longest * 16_000 <= crate::limits::MERGE_BATCH_BYTES_MAX + 16_000, "{longest} rows");
}
