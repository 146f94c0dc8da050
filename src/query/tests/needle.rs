//! Reading the few rows that the index has left.

use super::fixture::*;
use crate::query::{Pushdown, Settings};

const DAYS: usize = 40;

/// A lake of forty days, with one event of `rare` on each and one of `single` on one of them.
async fn lake() -> Lake {
    let lake = Lake::new().await;
    for day in 0..DAYS {
        let events = (0..40).map(|number| {
            let event = Event::numbered(day * 40 + number);
            let actor = match (day, number) {
                (_, 7) => "rare".to_owned(),
                (3, 8) => "single".to_owned(),
                _ => event.actor,
            };
            Event { actor, at: START + day as i64 * DAY_MICROS + number as i64, ..event }
        });
        lake.add_file("acme", &events.collect::<Vec<_>>()).await;
    }
    lake
}

/// Would catch needles that are read as scans are, and a filter that is applied twice.
#[tokio::test]
async fn a_needle_is_read_as_one() {
    let lake = lake().await;
    let explain =
        "EXPLAIN SELECT id FROM events WHERE actor_id = 'single' AND version IS NOT DISTINCT FROM version";
    let plan = format!("{:?}", rows(&lake.engine(Settings::default()), explain).await);
    assert!(plan.contains("needle: files=1, rows=4, filter=") && !plan.contains("FilterExec"), "{plan}");
    let never = Settings { pushdown: Pushdown::Never, ..Settings::default() };
    let plan = format!("{:?}", rows(&lake.engine(never), explain).await);
    assert!(!plan.contains("needle:") && plan.contains("FilterExec"), "{plan}");
}

/// Would catch a needle that loses columns, mixes them up, or gives them other types than a scan does.
#[tokio::test]
async fn a_needle_has_the_columns_of_a_scan() {
    let lake = lake().await;
    let sql = "SELECT *, day AS again FROM events WHERE actor_id IN ('single', 'rare') ORDER BY seq";
    let by_needle = batches(&lake.engine(Settings::default()), request(sql)).await.unwrap();
    let by_scan = Settings { skip_index: false, pushdown: Pushdown::Never, ..Settings::default() };
    let by_scan = batches(&lake.engine(by_scan), request(sql)).await.unwrap();
    assert_eq!(by_needle.iter().map(|batch| batch.num_rows()).sum::<usize>(), DAYS + 1);
    let schema = by_scan[0].schema();
    let whole = |batches: &[_]| arrow::compute::concat_batches(&schema, batches).unwrap();
    assert_eq!(whole(&by_needle), whole(&by_scan));
}

/// Would catch `ORDER BY … LIMIT n` that goes on reading files that cannot have one of the newest rows.
#[tokio::test]
async fn the_newest_needles_are_read_from_the_newest_files() {
    let lake = lake().await;
    let engine = lake.engine(Settings { threads: 1, ..Settings::default() });
    let read = async |sql: &str| {
        let mut running = engine.run(request(sql)).await.unwrap();
        let mut rows = 0;
        while let Some(batch) = futures::StreamExt::next(&mut running).await {
            rows += batch.unwrap().num_rows();
        }
        (rows, running.statistics().bytes_read)
    };
    let of_rare = "SELECT id, seq FROM events WHERE actor_id = 'rare'";
    let (all_rows, all_bytes) = read(of_rare).await;
    let (rows, bytes) = read(&format!("{of_rare} ORDER BY occurred_at DESC, seq DESC LIMIT 2")).await;
    assert_eq!((all_rows, rows), (DAYS, 2));
    assert!(bytes * 3 < all_bytes, "{bytes} of {all_bytes} bytes");
}

/// Would catch a small file far away that is fetched in parts, or again for each of them.
#[tokio::test]
async fn a_small_file_far_away_is_fetched_once() {
    let engine = lake().await.engine(Settings { block_cache_bytes: 0, ..Settings::default() });
    for time in ["the first time", "with its footer in memory"] {
        let mut running =
            engine.run(request("SELECT * FROM events WHERE actor_id = 'single'")).await.unwrap();
        while futures::StreamExt::next(&mut running).await.is_some() {}
        let statistics = running.statistics();
        assert_eq!((statistics.files_kept, statistics.rows_returned), (1, 1));
        assert_eq!(statistics.bytes_read, statistics.bytes_kept, "{time}");
    }
}

/// Would catch blocks that are read again although they are in memory, columns of another block or file, and a column that was
/// not asked for the first time and is then missing.
#[tokio::test]
async fn what_was_read_is_not_read_again() {
    let lake = lake().await;
    let engine = lake.engine(Settings::default());
    let without = lake.engine(Settings { block_cache_bytes: 0, ..Settings::default() });
    let few = "SELECT seq, id FROM events WHERE actor_id IN ('single', 'rare') ORDER BY seq";
    let all = "SELECT * FROM events WHERE actor_id IN ('single', 'rare') ORDER BY seq";
    for (sql, is_read) in [(few, true), (few, false), (all, true), (all, false), (few, false)] {
        let mut running = engine.run(request(sql)).await.unwrap();
        let mut answer = Vec::new();
        while let Some(batch) = futures::StreamExt::next(&mut running).await {
            answer.push(batch.unwrap());
        }
        assert_eq!(running.statistics().bytes_read > 0, is_read, "{sql}");
        let expected = batches(&without, request(sql)).await.unwrap();
        let whole = |batches: &[_]| arrow::compute::concat_batches(&running.schema(), batches).unwrap();
        assert_eq!(whole(&answer), whole(&expected), "{sql}");
    }
}

/// Would catch files that are read in vain because the index leaves only some of their rows: their times still bound those.
#[tokio::test]
async fn the_newest_of_many_are_read_from_the_newest_files() {
    let lake = Lake::new().await;
    for day in 0..DAYS {
        let events = (0..40).map(|number| {
            let at = START + day as i64 * DAY_MICROS + number as i64;
            let metadata = (number % 16 < 4).then(|| r#"{"note":"quarterly"}"#.to_owned());
            Event { at, metadata, ..Event::numbered(day * 40 + number) }
        });
        lake.add_file("acme", &events.collect::<Vec<_>>()).await;
    }
    let engine = lake.engine(Settings { threads: 1, ..Settings::default() });
    let read = async |sql: &str| {
        let mut running = engine.run(request(sql)).await.unwrap();
        while let Some(batch) = futures::StreamExt::next(&mut running).await {
            batch.unwrap();
        }
        running.statistics()
    };
    let of_many = "SELECT occurred_at FROM events WHERE has_words(metadata, description, 'quarterly')";
    let all = read(of_many).await;
    let matching = DAYS as u64 * 12;
    assert_eq!(
        (all.rows_kept, all.rows_returned),
        (matching, matching),
        "too many rows are left for a needle"
    );
    for order in ["DESC", "ASC"] {
        let newest = read(&format!("{of_many} ORDER BY occurred_at {order} LIMIT 2")).await;
        assert_eq!(newest.rows_returned, 2);
        assert!(newest.bytes_read * 3 < all.bytes_read, "{order}: {newest:?} of {all:?}");
    }
}
