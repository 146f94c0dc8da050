//! Whole days of a log as Parquet: copied as their files stand, and the same as what is read and encoded.

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

/// A whole log as Parquet, which is copied where it can be.
fn all_as_parquet() -> NewExport {
    NewExport { format: Format::Parquet, compression: None, ..all_events() }
}

/// The same, of which every event passes a filter: it is read and encoded.
fn all_encoded() -> NewExport {
    let mut filter = auditlake::query::Filter::default();
    filter.set("from", "2000-01-01T00:00:00Z").unwrap();
    NewExport { what: What::Filter(Box::new(filter)), ..all_as_parquet() }
}

/// The events of an export's Parquet files, as text a row.
async fn in_parquet(objects: &dyn ObjectStore, status: &Status) -> Vec<String> {
    let mut rows = Vec::new();
    for file in &status.files {
        let path = format!("exports/tenant=acme/{}/files/{}", status.id, file["name"].as_str().unwrap());
        let bytes = objects.get(&Path::from(path)).await.unwrap().bytes().await.unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let before = rows.len();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let table = arrow::util::pretty::pretty_format_batches(&[batch]).unwrap().to_string();
            rows.extend(table.lines().skip(3).filter(|line| line.starts_with("| ")).map(squeezed));
        }
        assert_eq!(file["rows"], rows.len() - before, "{file}");
    }
    rows
}

/// A line without the padding of its table.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Would catch rows, columns, an order or a manifest that differ when days are copied as their files stand, whatever of the log is
/// compacted, overlaps, or came after the export was asked for.
#[tokio::test]
async fn days_are_copied_as_they_stand() {
    let clock = Clock::manual(START_MICROS);
    for file_rows in [1, 1_000_000] {
        for compactions in 0..4 {
            let mut config = in_small_pieces();
            config.export.file_rows = file_rows;
            let objects = FaultyStore::over_memory().inner();
            let lake = open(Arc::clone(&objects), &clock, config).await.unwrap();
            for part in 0..3 {
                fill(&lake, &clock, &format!("{file_rows}-{compactions}-{part}")).await;
                if part < compactions {
                    compact(&lake).await;
                }
            }
            let exports = lake.exports().await.unwrap();
            let copied = exports.create(all_as_parquet()).await.unwrap();
            let encoded = exports.create(all_encoded()).await.unwrap();
            append(
                lake.ingest().unwrap(),
                decoded(&events_of(2, &format!("{file_rows}-{compactions}-late")), &clock),
            )
            .await
            .unwrap();
            lake.ingest().unwrap().flush().await.unwrap();
            if compactions == 2 {
                compact(&lake).await;
            }
            let working = Working::with(exports);
            let (copied, encoded) = (working.ended(&copied).await, working.ended(&encoded).await);
            let what = format!("{file_rows} {compactions}: {copied:?}");
            assert_eq!((copied.state, encoded.state), ("completed", "completed"), "{what}");
            let (found, expected) =
                (in_parquet(&*objects, &copied).await, in_parquet(&*objects, &encoded).await);
            assert_eq!(found.len(), expected.len(), "{what}");
            assert_eq!(found, expected, "{what}");
            let spans = |status: &Status, name: &str, least: bool| {
                let values = status.files.iter().map(|file| file[name].to_string());
                if least { values.min() } else { values.max() }
            };
            for (name, least) in [("first_occurred_at", true), ("last_occurred_at", false)] {
                assert_eq!(spans(&copied, name, least), spans(&encoded, name, least), "{name} {what}");
            }
            working.end().await;
            lake.close().await.unwrap();
        }
    }
}

/// A column of a row group: whether other readers have its encodings right, and its compressed bytes.
type Column = (bool, i64);

/// The columns of each row group of a file, without `day`.
async fn columns(objects: &dyn ObjectStore, path: String) -> Vec<Vec<Column>> {
    let bytes = objects.get(&Path::from(path)).await.unwrap().bytes().await.unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let of_group = |group: &parquet::file::metadata::RowGroupMetaData| {
        let columns = group.columns().iter().filter(|column| column.column_path().string() != "day");
        let is_portable = |column: &parquet::file::metadata::ColumnChunkMetaData| {
            !column.encodings().any(|encoding| encoding.to_string().starts_with("DELTA"))
        };
        columns.map(|column| (is_portable(column), column.compressed_size())).collect()
    };
    reader.metadata().row_groups().iter().map(of_group).collect()
}

/// Would catch columns that are encoded anew though their pages could be copied, copies where events are to be left out, and files in
/// encodings that some readers have wrong: a page of the table has one row here, of an export many, and the table has such encodings, too.
#[tokio::test]
async fn what_can_be_copied_is() {
    let (objects, clock) = (FaultyStore::over_memory().inner(), Clock::manual(START_MICROS));
    let mut config = in_small_pieces();
    config.table.layout.page_rows = 1;
    let lake = open(Arc::clone(&objects), &clock, config).await.unwrap();
    fill(&lake, &clock, "x").await;
    let exports = lake.exports().await.unwrap();
    let (copied, encoded) =
        (exports.create(all_as_parquet()).await.unwrap(), exports.create(all_encoded()).await.unwrap());
    let working = Working::with(exports);
    let table = lake.tables().get(&tenant()).await.unwrap().unwrap();
    for (asked, is_copied) in [(copied, true), (encoded, false)] {
        let ended = working.ended(&asked).await;
        assert_eq!(ended.files.len(), DAYS as usize);
        for (file, stored) in ended.files.iter().zip(table.snapshot().files.iter()) {
            let path = format!("exports/tenant=acme/{}/files/{}", ended.id, file["name"].as_str().unwrap());
            let exported = columns(&*objects, path).await.concat();
            let stored = columns(&*objects, format!("events/acme/{}", stored.path)).await.concat();
            assert!(exported.iter().all(|(is_portable, _)| *is_portable), "{exported:?}");
            assert!(stored.iter().any(|(is_portable, _)| !is_portable), "{stored:?}");
            let pairs = exported.iter().zip(&stored).filter(|(_, (is_portable, _))| *is_portable);
            let as_stored = pairs.map(|(exported, stored)| exported == stored).collect::<Vec<_>>();
            assert!(as_stored.len() > 10);
            assert_eq!(as_stored.iter().all(|same| *same), is_copied, "{exported:?} {stored:?}");
        }
    }
    working.end().await;
    lake.close().await.unwrap();
}

/// Would catch a day that is left out or doubled when the process dies while days are copied, and compaction has other files for it when it
/// goes on.
#[test]
fn a_crash_while_copying_leaves_nothing_out() {
    let mut crashes = 0;
    for position in 0.. {
        let clock = Clock::manual(START_MICROS);
        let faulty = FaultyStore::over_memory();
        let objects = faulty.inner();
        let (asked, expected, died) = life(async {
            let lake = open(Arc::new(faulty.clone()), &clock, in_small_pieces()).await.unwrap();
            fill(&lake, &clock, "x").await;
            // Of two files each, so that they are read at first and copied once they are compacted.
            append(lake.ingest().unwrap(), decoded(&events_of(3, "y"), &clock)).await.unwrap();
            let exports = lake.exports().await.unwrap();
            let asked = exports.create(all_as_parquet()).await.unwrap();
            let gate = Gate::new();
            let at = if position % 2 == 0 { Action::HoldBefore } else { Action::HoldAfter };
            faulty.plan(Operation::Put, |path| path.starts_with("exports/"), position / 2, at(gate.clone()));
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
            compact(&lake).await;
            let working = Working::with(lake.exports().await.unwrap());
            let ended = working.ended(&asked).await;
            assert_eq!(ended.state, "completed", "{position}: {ended:?}");
            let rows = in_parquet(&*objects, &ended).await;
            let found: Vec<&str> = rows.iter().map(|row| row.split(" | ").nth(1).unwrap()).collect();
            assert_eq!(found, expected, "{position}");
            working.end().await;
            lake.close().await.unwrap();
        });
    }
    assert!(crashes > 6, "only {crashes} crashes");
}
