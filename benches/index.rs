//! What the skip index costs and finds, beside the structure that others use: a Bloom filter for each file.
//!
//! `cargo bench --bench index` makes `AUDITLAKE_BENCH_EVENTS` events (default 1,000,000) of one tenant over three years, stores
//! and compacts them in a temporary folder, and prints: bytes of each field of the index, against the bytes of
//! the Parquet files; the same for split-block Bloom filters of one false answer in 100 (Parquet's own, built here
//! for each file); and for both, how long one value takes and how many rows would be read for it.

use std::{collections::HashMap, sync::Arc, time::Instant};

use arrow::array::{AsArray, RecordBatch};
use auditlake::{
    compact::{Policy, compact_all},
    config::Config,
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, decode},
        schema,
    },
    generate::{Generator, Settings},
    index::{Field, FileRef, Probe, field::ID_COLUMNS},
    ingest::AppendRequest,
    server::{Access, Lake},
    table::{ReadOptions, Snapshot, Table},
};
use futures::TryStreamExt;
use parquet::bloom_filter::Sbbf;
use tokio_util::sync::CancellationToken;

const DAYS: u32 = 1_095;
const BATCH_EVENTS: usize = 10_000;
const FALSE_ANSWERS: f64 = 0.01;
/// Values looked for.
const VALUES: usize = 200;

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let events =
        std::env::var("AUDITLAKE_BENCH_EVENTS").map_or(1_000_000, |text| text.parse().expect("a number"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = fill(folder.path(), events).await;
        let tenant = lake.tables().tenants().remove(0);
        let table = lake.tables().get(&tenant).await.expect("readable").expect("a table");
        let snapshot = table.snapshot();
        sizes(&lake, &tenant, &snapshot).await;
        compare(&lake, &table, &snapshot).await;
        lake.close().await.expect("close");
    });
}

/// A compacted store with `events` of one tenant.
async fn fill(folder: &std::path::Path, events: u64) -> Lake {
    let mut config = Config { store: folder.to_string_lossy().into_owned(), ..Config::default() };
    config.background.compact_every_ms = 0;
    let lake = Lake::open(config, Access::Write { take_over: false }).await.expect("open");
    let start = lake.clock().now().date_naive() - chrono::Days::new(DAYS.into());
    let settings = Settings { seed: 1, tenants: 1, events, start, days: DAYS, enterprise_percent: None };
    let mut generator = Generator::new(&settings).expect("settings");
    let mut body = Vec::new();
    while generator.fill(&mut body, BATCH_EVENTS) > 0 {
        let context = DecodeContext::new(None, lake.clock().now_micros());
        let decoded = decode(&body, BodyFormat::Ndjson, &context).expect("events");
        let ingest = lake.ingest().expect("open for writing");
        while ingest
            .append(AppendRequest { decoded: decoded.clone(), atomic: false, idempotency: None })
            .await
            .is_err()
        {
            ingest.flush().await.expect("flush");
        }
        body.clear();
    }
    lake.ingest().expect("open for writing").flush().await.expect("flush");
    let policy = Policy { settle_ms: 0, ..Policy::default() };
    let cancel = CancellationToken::new();
    let report = compact_all(lake.tables(), lake.indexes(), &policy, lake.clock(), &cancel, |_| {}).await;
    assert!(report.expect("compaction").failures.is_empty());
    lake
}

async fn sizes(lake: &Lake, tenant: &TenantId, snapshot: &Snapshot) {
    let size = lake.indexes().of(tenant).size().await;
    let parquet: u64 = snapshot.files.iter().map(|file| file.size_bytes).sum();
    let rows = snapshot.rows() as f64;
    println!("{} files, {parquet} bytes, {:.1} bytes an event", snapshot.files.len(), parquet as f64 / rows);
    println!(
        "{:<16} {:>12} {:>9} {:>16} {:>14}",
        "field", "bytes", "% of file", "postings / event", "bits / posting"
    );
    let mut ids = 0;
    for (field, (bytes, postings, _)) in &size.by_field {
        ids += if field == "words" { 0 } else { *bytes };
        println!(
            "{field:<16} {bytes:>12} {:>9.2} {:>16.2} {:>14.1}",
            100.0 * *bytes as f64 / parquet as f64,
            *postings as f64 / rows,
            8.0 * *bytes as f64 / (*postings).max(1) as f64,
        );
    }
    let percent = |bytes: u64| 100.0 * bytes as f64 / parquet as f64;
    println!(
        "ids {:.1} %, all {:.1} % of the files, in {} segments",
        percent(ids),
        percent(size.bytes),
        size.segments
    );
}

/// One filter for each file and id column.
type Filters = HashMap<&'static str, Vec<Sbbf>>;

async fn compare(lake: &Lake, table: &Arc<Table>, snapshot: &Snapshot) {
    let (filters, values, bloom_bytes) = filters(table, snapshot).await;
    let parquet: u64 = snapshot.files.iter().map(|file| file.size_bytes).sum();
    println!(
        "\nBloom filters of ids, one a file: {:.1} % of the files",
        100.0 * bloom_bytes as f64 / parquet as f64
    );
    println!(
        "{:<16} {:>12} {:>12} {:>14} {:>14}",
        "one value of", "index, µs", "Bloom, µs", "index, rows", "Bloom, rows"
    );
    let index = lake.indexes().of(table.tenant());
    let files: Vec<FileRef<'_>> =
        snapshot.files.iter().map(|file| FileRef { path: &file.path, rows: file.rows }).collect();
    for column in ID_COLUMNS {
        let (Some(values), Some(field)) = (values.get(column), Field::of_column(column)) else { continue };
        let (mut index_rows, mut bloom_rows) = (0, 0);
        // The first round fills the cache.
        let mut took = 0.0;
        for _ in 0..2 {
            index_rows = 0;
            let started = Instant::now();
            for value in values {
                let found = index.find(&files, &[Probe::new(field, value)]).await;
                let ranges = found.rows[0].values().flatten();
                index_rows += ranges.map(|range| range.end - range.start).sum::<u64>();
            }
            took = started.elapsed().as_micros() as f64 / values.len() as f64;
        }
        let started = Instant::now();
        for value in values {
            let admitting = filters[column]
                .iter()
                .zip(snapshot.files.iter())
                .filter(|(filter, _)| filter.check(&value.as_str()));
            bloom_rows += admitting.map(|(_, file)| file.rows).sum::<u64>();
        }
        let bloom_took = started.elapsed().as_micros() as f64 / values.len() as f64;
        println!(
            "{column:<16} {took:>12.0} {bloom_took:>12.0} {:>14.0} {:>14.0}",
            index_rows as f64 / values.len() as f64,
            bloom_rows as f64 / values.len() as f64
        );
    }
}

/// Filters of all files, some values of each column, and the filters' bytes.
async fn filters(
    table: &Arc<Table>,
    snapshot: &Snapshot,
) -> (Filters, HashMap<&'static str, Vec<String>>, usize) {
    let (mut filters, mut values, mut bytes) = (Filters::new(), HashMap::<_, Vec<String>>::new(), 0);
    let stored = schema::stored_schema();
    let mut columns = ID_COLUMNS.to_vec();
    columns.sort_by_key(|name| stored.index_of(name).expect("a stored column"));
    for (number, file) in snapshot.files.iter().enumerate() {
        let options = ReadOptions { columns: Some(columns.clone()), ..ReadOptions::default() };
        let batches: Vec<RecordBatch> =
            table.read(file, &options).await.expect("open").try_collect().await.expect("read");
        for column in ID_COLUMNS {
            let texts: Vec<&str> = batches.iter().flat_map(|batch| texts(batch, column)).collect();
            let mut different = texts.clone();
            different.sort_unstable();
            different.dedup();
            let mut filter =
                Sbbf::new_with_ndv_fpp(different.len().max(1) as u64, FALSE_ANSWERS).expect("a filter");
            different.iter().for_each(|text| filter.insert(text));
            let mut written = Vec::new();
            filter.write(&mut written).expect("to memory");
            bytes += written.len();
            filters.entry(column).or_default().push(filter);
            let known = values.entry(column).or_default();
            if number % (snapshot.files.len() / VALUES).max(1) == 0 && known.len() < VALUES {
                known.extend(different.get(different.len() / 2).map(|text| (*text).to_owned()));
            }
        }
    }
    values.retain(|_, values| !values.is_empty());
    (filters, values, bytes)
}

fn texts<'a>(batch: &'a RecordBatch, column: &str) -> Vec<&'a str> {
    let array = batch.column_by_name(column).expect("a column");
    let array = array.as_list_opt::<i32>().map_or(array, |list| list.values());
    array.as_string::<i32>().iter().flatten().collect()
}
