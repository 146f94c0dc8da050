//! The index end to end, over a store in memory: write, find, merge, damage, sweep.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder, new_null_array},
    datatypes::{DataType, Field as ArrowField},
};
use futures::StreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::{field::ID_COLUMNS, words::words, *};
use crate::{event::schema, paths};

/// One row: a value for each of the columns that the tests fill.
type Row = BTreeMap<&'static str, String>;

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn open(objects: &Arc<InMemory>, block_rows: u32) -> Indexes {
    let store = Store::from_object_store(objects.clone());
    Indexes::open(store, Clock::manual(0), Settings { block_rows, ..Settings::default() })
}

fn batch(rows: &[Row]) -> RecordBatch {
    let stored = schema::stored_schema();
    let text = |name: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.get(name).cloned())))
    };
    let columns = stored.fields().iter().map(|field| match field.name().as_str() {
        schema::TARGET_IDS => {
            let item = ArrowField::new("element", DataType::Utf8, true);
            let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item);
            for row in rows {
                lists.append_option(
                    row.get(schema::TARGET_IDS).map(|ids| ids.split(',').map(|id| Some(id.to_owned()))),
                );
            }
            Arc::new(lists.finish()) as ArrayRef
        }
        "action" => Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| row.get("action").map_or("none", String::as_str)),
        )),
        name if *field.data_type() == DataType::Utf8 => text(name),
        _ => new_null_array(field.data_type(), rows.len()),
    });
    let columns: Vec<ArrayRef> = columns.collect();
    // What is required elsewhere may be missing here.
    let fields = stored.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let nullable = Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(nullable, columns).unwrap()
}

/// A file's name and rows.
type File = (String, Vec<Row>);

fn refs(files: &[File]) -> Vec<FileRef<'_>> {
    files.iter().map(|(path, rows)| FileRef { path, rows: rows.len() as u64 }).collect()
}

/// Indexes `files` as one commit, in batches of some rows, spilling after every `spill_every`-th.
async fn index_files(indexes: &Indexes, files: &[File], batch_rows: usize, spill_every: usize) {
    let index = indexes.of(&tenant());
    let mut builder = builder::Builder::new(indexes.shared.settings.block_rows);
    let mut written = Vec::new();
    for (path, rows) in files {
        builder.begin_file(path);
        for (number, rows) in rows.chunks(batch_rows).enumerate() {
            builder.add(&batch(rows)).unwrap();
            if number % spill_every == spill_every - 1 {
                written.extend(index.write(&mut builder, true).await.unwrap());
            }
        }
    }
    written.extend(index.write(&mut builder, false).await.unwrap());
    index.publish(written).await;
}

/// Everything a row can be found by.
fn probes_of(row: &Row) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (name, value) in row {
        if let Some(field) = Field::of_column(name) {
            let is_list = *name == schema::TARGET_IDS;
            let values = value.split(move |letter| is_list && letter == ',');
            probes.extend(values.map(|value| Probe::new(field, value)));
        } else {
            let json = schema::JSON_COLUMNS.contains(name);
            probes.extend(words(value, json).iter().map(|word| Probe::new(Field::WORDS, word)));
        }
    }
    probes
}

/// Whether each row that is covered is found by each of its values; gives how many rows are covered.
async fn check(indexes: &Indexes, files: &[File]) -> usize {
    let refs = refs(files);
    let mut covered = 0;
    for (number, (path, rows)) in files.iter().enumerate() {
        for (at, row) in rows.iter().enumerate() {
            let probes = probes_of(row);
            let found = indexes.of(&tenant()).find(&refs, &probes).await;
            if !found.covered[number] {
                continue;
            }
            covered += 1;
            for rows in &found.rows {
                let ranges = rows.get(&number).cloned().unwrap_or_default();
                let is_found = ranges.iter().any(|range| range.contains(&(at as u64)));
                assert!(is_found, "row {at} of {path} is not found by {row:?}: {ranges:?}");
            }
        }
    }
    covered
}

/// Files whose rows have few different values, so that values meet in blocks, files and segments.
fn any_files() -> impl Strategy<Value = Vec<File>> {
    let value = prop_oneof!["[a-c]", "[a-z]{4}", "\\PC{0,6}"];
    let row = (prop::option::of(value), 0_usize..4, "[a-d]{1,2}( [a-d])?", 0_u8..3).prop_map(
        |(value, columns, text, targets)| {
            let mut row = Row::new();
            for name in ID_COLUMNS.iter().filter(|name| **name != schema::TARGET_IDS).skip(columns) {
                row.extend(value.clone().map(|value| (*name, value)));
            }
            if targets > 0 {
                row.insert(schema::TARGET_IDS, vec!["t1", "t2"][..usize::from(targets)].join(","));
            }
            row.insert("action", format!("{}.view", &text[..1]));
            row.insert("metadata", serde_json::json!({"note": text, "n": columns}).to_string());
            row.insert("description", text);
            row
        },
    );
    prop::collection::vec(prop::collection::vec(row, 1..40), 1..5).prop_map(|files| {
        let named = |(number, rows)| (format!("day=2026-01-0{}/{number}.parquet", 1 + number % 3), rows);
        files.into_iter().enumerate().map(named).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Would catch a value lost: at the borders of blocks, batches, pieces, files and segments, by "in all blocks", by a
    /// merge, or on the way to the store and back.
    #[test]
    fn every_value_is_found(
        files in any_files(),
        block_rows in 1_u32..9,
        batch_rows in 1_usize..20,
        spill_every in 1_usize..6,
        together in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let objects = Arc::new(InMemory::new());
            let indexes = open(&objects, block_rows);
            let rows: usize = files.iter().map(|(_, rows)| rows.len()).sum();
            let commits = if together { files.len() } else { 1 };
            for commit in files.chunks(commits) {
                index_files(&indexes, commit, batch_rows, spill_every).await;
            }
            assert_eq!(check(&indexes, &files).await, rows);
            let index = indexes.of(&tenant());
            index.maintain(&refs(&files), true, &CancellationToken::new()).await.unwrap();
            assert_eq!(check(&indexes, &files).await, rows);
            assert_eq!(check(&open(&objects, block_rows), &files).await, rows);
            let (counts, _) = index.counts(&refs(&files)).await;
            for ((_, rows), counts) in files.iter().zip(counts) {
                let views = rows.iter().filter(|row| row["action"] == "a.view").count() as u64;
                assert_eq!(of_action(&counts.unwrap(), "a.view"), views);
            }
        });
    }
}

/// How many events of `action` are counted.
fn of_action(file: &FileCounts, action: &str) -> u64 {
    let of_piece = |(segment, counts): (&Arc<SegmentCounts>, &[(u32, u64)])| {
        let kinds: Vec<_> = segment.kinds().collect();
        let of_kind = counts.iter().filter(|(kind, _)| kinds[*kind as usize].0 == action);
        of_kind.map(|(_, count)| count).sum::<u64>()
    };
    file.pieces().map(of_piece).sum()
}

/// Rows that stand together.
fn run(rows: std::ops::Range<u64>) -> Rows {
    std::iter::once(rows).collect()
}

fn files(names: std::ops::Range<usize>, rows: usize) -> Vec<File> {
    let row = |file: usize, at: usize| {
        Row::from([
            ("id", format!("event-{file}-{at}")),
            ("actor_id", format!("u_{}", at % 7)),
            ("metadata", format!(r#"{{"number":{at}}}"#)),
        ])
    };
    let rows_of = |file| (0..rows).map(|at| row(file, at)).collect();
    names.map(|file| (format!("day=2026-01-01/{file:03}.parquet"), rows_of(file))).collect()
}

/// Would catch an index that finds everything everywhere, which would pass every other test here.
#[tokio::test]
async fn other_rows_are_not_found() {
    let objects = Arc::new(InMemory::new());
    let indexes = open(&objects, 8);
    let files = files(0..20, 100);
    index_files(&indexes, &files, 64, usize::MAX).await;
    let id = Field::of_column("id").unwrap();
    let probes =
        [Probe::new(id, "event-7-42"), Probe::new(id, "event-7-1000"), Probe::new(Field::WORDS, "42")];
    let found = indexes.of(&tenant()).find(&refs(&files), &probes).await;
    assert_eq!(found.covered, [true; 20]);
    assert_eq!(found.rows[0], datafusion::common::HashMap::from([(7, run(40..48))]));
    assert!(found.rows[1].is_empty());
    assert_eq!(found.rows[2].len(), 20);
    assert!(found.rows[2].values().all(|rows| *rows == run(40..48)));
}

/// Would catch a flipped bit that makes a value disappear, a panic on damage, and damage that is never repaired.
#[tokio::test]
async fn damage_costs_time_and_never_a_row() {
    let objects = Arc::new(InMemory::new());
    let files = files(0..3, 50);
    index_files(&open(&objects, 8), &files, 64, usize::MAX).await;
    let store = Store::from_object_store(objects.clone());
    let path = store.list(&paths::index(&tenant())).await.unwrap().remove(0).location;
    let whole = store.get(&path).await.unwrap().unwrap();
    let mut not_covered = 0;
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.to_vec();
        damaged[at] ^= 1 << (at % 8);
        objects.put(&path, damaged.into()).await.unwrap();
        not_covered += usize::from(check(&open(&objects, 8), &files).await < 150);
    }
    assert!(not_covered > 20, "damage was noticed {not_covered} times only");
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        objects.put(&path, whole.slice(..length).into()).await.unwrap();
        assert_eq!(check(&open(&objects, 8), &files).await, 0, "cut to {length}");
    }
    let indexes = open(&objects, 8);
    let missing = indexes.of(&tenant()).uncovered(&refs(&files)).await;
    assert_eq!(missing, [0, 1, 2]);
    index_files(&indexes, &files, 64, usize::MAX).await;
    assert_eq!(check(&indexes, &files).await, 150);
}

/// Would catch a query that fails, or misses rows, when another process has merged and swept a segment away.
#[tokio::test]
async fn a_segment_that_is_gone_is_looked_for_anew() {
    let objects = Arc::new(InMemory::new());
    // Large enough that segments are not kept in memory as a whole.
    let files = files(0..4, 12_000);
    let writer = open(&objects, 8);
    index_files(&writer, &files[..2], 64, usize::MAX).await;
    index_files(&writer, &files[2..], 64, usize::MAX).await;
    let reader = open(&objects, 8);
    let probe = [Probe::new(Field::of_column("id").unwrap(), "event-3-11999")];
    // The reader has listed the segments, and read nothing of them yet.
    assert_eq!(reader.of(&tenant()).uncovered(&refs(&files)).await, [0; 0]);
    let index = writer.of(&tenant());
    index.maintain(&refs(&files), true, &CancellationToken::new()).await.unwrap();
    let swept = index.sweep(&refs(&files), i64::MIN).await.unwrap();
    assert_eq!((swept.segments, swept.failed), (2, 0));
    let found = reader.of(&tenant()).find(&refs(&files), &probe).await;
    assert_eq!(found.covered, [false; 4]);
    let found = reader.of(&tenant()).find(&refs(&files), &probe).await;
    assert_eq!((found.covered, found.rows[0][&3].clone()), (vec![true; 4], run(11_992..12_000)));
}

/// Would catch dead files kept in the index, live ones dropped from it, and segments deleted that are in use or fresh.
#[tokio::test]
async fn only_dead_segments_go() {
    let objects = Arc::new(InMemory::new());
    let indexes = open(&objects, 8);
    let files = files(0..10, 20);
    for file in files.chunks(1) {
        index_files(&indexes, file, 64, usize::MAX).await;
    }
    let index = indexes.of(&tenant());
    // Compaction has replaced the first eight; what replaces them is not indexed yet.
    let live = refs(&files[8..]);
    let in_store = async || objects.list(None).collect::<Vec<_>>().await.len();
    assert_eq!(index.sweep(&live, 1_000_000_000_000_000).await.unwrap(), Swept::default());
    let report = index.maintain(&live, false, &CancellationToken::new()).await.unwrap();
    assert_eq!((report.merges, report.segments_in), (1, 10));
    assert_eq!(index.size().await.rows, 40);
    assert_eq!(in_store().await, 11);
    assert_eq!(index.sweep(&live, i64::MIN).await.unwrap().segments, 10);
    assert_eq!(check(&indexes, &files[8..]).await, 40);
    assert_eq!(check(&open(&objects, 8), &files[8..]).await, 40);
    assert_eq!(in_store().await, 1);
}

/// Would catch a start that opens every segment that was ever merged, and one that stops before all files are covered.
#[tokio::test]
async fn a_start_opens_what_covers_the_files() {
    let objects = Arc::new(InMemory::new());
    let writer = open(&objects, 8);
    let files = files(0..100, 10);
    for file in files.chunks(1) {
        index_files(&writer, file, 64, usize::MAX).await;
    }
    let opened = async |reader: &Indexes| reader.of(&tenant()).size().await.segments;
    let before = open(&objects, 8);
    assert_eq!(check(&before, &files).await, 1_000);
    assert_eq!(opened(&before).await, 100);
    // The newest are enough for the newest file; what else is asked is opened then.
    let newest = open(&objects, 8);
    assert_eq!(check(&newest, &files[99..]).await, 10);
    assert!(opened(&newest).await < 30);
    assert_eq!(check(&newest, &files).await, 1_000);

    writer.of(&tenant()).maintain(&refs(&files), true, &CancellationToken::new()).await.unwrap();
    let after = open(&objects, 8);
    assert_eq!(check(&after, &files).await, 1_000);
    assert!(opened(&after).await < 30, "{} of the 100 that were merged are opened", opened(&after).await);
}
