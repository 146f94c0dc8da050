//! Stretches of a log: what is in order is merged, and what may not be is sorted.

use arrow::{
    array::AsArray,
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use futures::TryStreamExt;

use super::fixture::*;
use crate::{
    error::{ErrorKind, Result},
    event::TenantId,
    query::{Engine, Filter, Settings, browse::Stretch},
};

const FILES: usize = 3;
const FILE_EVENTS: usize = 8_000;

/// Times and numbers of a whole day's events, in the order in which they come.
async fn places(engine: &Engine) -> Result<Vec<(i64, i64)>> {
    let day = chrono::DateTime::from_timestamp_micros(START).unwrap().date_naive();
    let filter = Filter::default();
    let stretch = Stretch {
        filter: &filter,
        first: day,
        last: day,
        part: None,
        after: None,
        seq_before: (FILES * FILE_EVENTS) as i64,
        seq_from: 0,
    };
    let running = engine.run_stretch(&stretch, TenantId::parse("acme").unwrap()).await?;
    let batches: Vec<_> = running.try_collect().await?;
    let places = batches.iter().flat_map(|batch| {
        let times = batch["occurred_at"].as_primitive::<TimestampMicrosecondType>().values();
        let seqs = batch["seq"].as_primitive::<Int64Type>().values();
        times.iter().copied().zip(seqs.iter().copied()).collect::<Vec<_>>()
    });
    Ok(places.collect())
}

/// Would catch a stretch that is sorted as a whole though its files are in order, which takes memory by the size of it, and one of
/// another program's files that is taken to be in order because ours are: there is no room here to sort.
#[tokio::test]
async fn what_is_in_order_is_merged() {
    for (says_sorted, memory_bytes) in [(true, 12 << 20), (false, 12 << 20), (false, 256 << 20)] {
        let mut lake = Lake::new().await;
        lake.says_sorted = says_sorted;
        for file in 0..FILES {
            // They overlap, event by event.
            let at = |number: usize| START + (number * FILES + file) as i64 * 1_000_000;
            let event = |number: usize| Event { at: at(number), ..Event::numbered(number) };
            lake.add_file_only("acme", &(0..FILE_EVENTS).map(event).collect::<Vec<_>>()).await;
        }
        let settings = Settings {
            memory_bytes,
            concurrent_max: 1,
            threads: 1,
            spill_bytes_max: 1 << 10,
            ..Settings::default()
        };
        let found = places(&lake.engine(settings)).await;
        if !says_sorted && memory_bytes < 256 << 20 {
            assert_eq!(found.unwrap_err().kind(), ErrorKind::Limit);
            continue;
        }
        let found = found.unwrap();
        assert_eq!(found.len(), FILES * FILE_EVENTS);
        assert!(found.is_sorted(), "{says_sorted}");
    }
}
