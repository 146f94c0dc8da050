//! A table from before events had a column `sealed`.

use bytes::Bytes;
use parquet::arrow::ArrowWriter;

use super::*;
use crate::event::schema::SEALED;

fn without_sealed(rows: &RecordBatch) -> RecordBatch {
    let kept: Vec<usize> =
        (0..rows.num_columns()).filter(|at| rows.schema().field(*at).name() != SEALED).collect();
    rows.project(&kept).unwrap()
}

/// Would catch a version that refuses what an earlier one has stored, or reads it otherwise.
#[tokio::test]
async fn a_table_without_the_column_is_gone_on_with() {
    let store = memory_store();
    let table = table(&store).await;
    let file = write(&table, &events(0, 100)).await;
    table.commit(append(vec![file.clone()], 1, 100)).await.unwrap();
    // As it was then: rows and schema know no such column.
    let mut writer =
        ArrowWriter::try_new(Vec::new(), without_sealed(&stored(&events(0, 1))).schema(), None).unwrap();
    writer.write(&without_sealed(&stored(&events(0, 100)))).unwrap();
    let key = folder().data_file(&file.path);
    store.put(&key, Bytes::from(writer.into_inner().unwrap())).await.unwrap();
    let key = folder().delta_commit(0);
    let entry = String::from_utf8(store.get(&key).await.unwrap().unwrap().to_vec()).unwrap();
    let field = r#"{\"metadata\":{},\"name\":\"sealed\",\"nullable\":true,\"type\":\"string\"},"#;
    assert!(entry.contains(field), "{entry}");
    store.put(&key, Bytes::from(entry.replace(field, ""))).await.unwrap();

    let table = tables(&store, Settings::default()).await.get(&tenant()).await.unwrap().unwrap();
    assert_eq!(read_whole(&table, &file).await, stored(&events(0, 100)));
    let options = ReadOptions { columns: Some(vec![schema::SEQ, SEALED]), ..ReadOptions::default() };
    let batches = read::read_all(&store, &folder(), &file, &options).await.unwrap();
    assert!(batches.iter().all(|batch| batch[SEALED].null_count() == batch.num_rows()));
    let more = write(&table, &events(100, 5)).await;
    let after = table.commit(append(vec![more.clone()], 2, 105)).await.unwrap();
    assert_eq!(after.rows(), 105);
    assert_eq!(read_whole(&table, &more).await, stored(&events(100, 5)));
}
