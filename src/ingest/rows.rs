//! From uncommitted batches to the rows of Parquet files: numbered, sorted, cut by day. Pure.
//!
//! In: a tenant's accepted batches. Out: for each UTC day its rows in order, a few at a time. Guaranteed: beside the batches
//! only the order of the rows and one piece are in memory: a copy of everything would take as much again, and large
//! buffers are what the allocator is slowest to give back.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch},
    compute::interleave_record_batch,
    datatypes::TimestampMicrosecondType,
    error::ArrowError,
};
use chrono::{DateTime, NaiveDate};

use crate::{event::schema, limits::FLUSH_ROWS_AT_ONCE, table::start_micros};

const DAY_MICROS: i64 = 86_400_000_000;

/// A tenant's events on their way into files.
#[derive(Debug)]
pub(super) struct SortedRows {
    batches: Vec<RecordBatch>,
    order: Vec<Row>,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug)]
struct Row {
    occurred_at: i64,
    seq: i64,
    batch: u32,
    row: u32,
}

/// The events of one day, by their places in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) date: NaiveDate,
    rows: Range<usize>,
}

impl SortedRows {
    /// Numbers the events in the order of their acceptance from `first_seq` on and sorts them by `occurred_at` (equal
    /// times by `seq`). Those that occurred before `first_day`, if there is one, get no number and are left out. The batches
    /// have the accepted columns.
    pub(super) fn new(batches: Vec<RecordBatch>, first_seq: i64, first_day: Option<NaiveDate>) -> Self {
        let start = first_day.map_or(i64::MIN, start_micros);
        let mut order: Vec<Row> = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
        for (batch, events) in (0..).zip(&batches) {
            let times = events
                .column_by_name(schema::OCCURRED_AT)
                .expect("an accepted batch has occurred_at")
                .as_primitive::<TimestampMicrosecondType>();
            for (row, occurred_at) in (0..).zip(times.values()).filter(|(_, time)| **time >= start) {
                let seq = first_seq + order.len() as i64;
                order.push(Row { occurred_at: *occurred_at, seq, batch, row });
            }
        }
        order.sort_unstable_by_key(|row| (row.occurred_at, row.seq));
        Self { batches, order }
    }

    /// How many events there are.
    pub(super) fn count(&self) -> usize {
        self.order.len()
    }

    /// The days that have events, oldest first.
    pub(super) fn days(&self) -> Vec<Day> {
        let day_at = |place: usize| self.order[place].occurred_at.div_euclid(DAY_MICROS);
        let mut days = Vec::new();
        let mut start = 0;
        while start < self.order.len() {
            let day = day_at(start);
            let length =
                self.order[start..].partition_point(|row| row.occurred_at.div_euclid(DAY_MICROS) == day);
            days.push(Day { date: date(day), rows: start..start + length });
            start += length;
        }
        days
    }

    /// How many pieces a day has.
    pub(super) fn pieces(&self, day: &Day) -> usize {
        day.rows.len().div_ceil(FLUSH_ROWS_AT_ONCE)
    }

    /// The rows of a day's piece as a [`schema::stored_schema`] batch.
    ///
    /// # Errors
    /// Fails if a batch does not have the accepted columns.
    pub(super) fn piece(&self, day: &Day, piece: usize) -> Result<RecordBatch, ArrowError> {
        let start = day.rows.start + piece * FLUSH_ROWS_AT_ONCE;
        let rows = &self.order[start..day.rows.end.min(start + FLUSH_ROWS_AT_ONCE)];
        let places: Vec<(usize, usize)> =
            rows.iter().map(|row| (row.batch as usize, row.row as usize)).collect();
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let events = interleave_record_batch(&batches, &places)?;
        let seq: Int64Array = rows.iter().map(|row| row.seq).collect();
        let columns = std::iter::once(Arc::new(seq) as ArrayRef).chain(events.columns().iter().cloned());
        RecordBatch::try_new(schema::stored_schema(), columns.collect())
    }
}

fn date(days_since_1970: i64) -> NaiveDate {
    DateTime::from_timestamp_micros(days_since_1970 * DAY_MICROS)
        .expect("decoding keeps occurred_at within the calendar")
        .date_naive()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::table::fixture::{DAY_START, Event, accepted};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Would catch events lost, doubled, numbered out of the order they came in, or put into another day's file, also
        /// where one piece ends and the next begins.
        #[test]
        fn every_event_is_in_its_day_once_and_in_order(
            sizes in prop::collection::vec(1_usize..6_000, 1..4),
            seconds in 1_i64..300_000,
        ) {
            let mut number = 0;
            let batches = sizes.iter().map(|size| {
                let events: Vec<Event> = (0..*size).map(|_| {
                    number += 1;
                    let occurred_at = DAY_START + (number as i64 * 7_919 % seconds) * 1_000_000;
                    Event { number, seq: 0, occurred_at, description: None }
                }).collect();
                accepted(&events)
            });
            let sorted = SortedRows::new(batches.collect(), 100, None);
            let mut seen = BTreeMap::new();
            for day in sorted.days() {
                let mut last = (i64::MIN, i64::MIN);
                for batch in (0..sorted.pieces(&day)).map(|piece| sorted.piece(&day, piece).unwrap()) {
                    let times = batch[schema::OCCURRED_AT].as_primitive::<TimestampMicrosecondType>();
                    let seqs = batch[schema::SEQ].as_primitive::<arrow::datatypes::Int64Type>();
                    let ids = batch[schema::ID].as_string::<i32>();
                    for row in 0..batch.num_rows() {
                        let key = (times.value(row), seqs.value(row));
                        prop_assert!(key > last && date(key.0.div_euclid(DAY_MICROS)) == day.date);
                        last = key;
                        seen.insert(key.1, ids.value(row).to_owned());
                    }
                }
            }
            let expected = (1..=number).map(|number| (99 + number as i64, crate::table::fixture::id(number)));
            prop_assert_eq!(seen, expected.collect::<BTreeMap<_, _>>());
        }
    }
}
