//! From uncommitted batches to the rows of Parquet files: numbered, sorted, cut by day. Pure.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
    datatypes::TimestampMicrosecondType,
    error::ArrowError,
};
use chrono::{DateTime, NaiveDate};

use crate::event::schema;

const DAY_MICROS: i64 = 86_400_000_000;

/// Numbers the events in the order of their acceptance from `first_seq` on, sorts them by `occurred_at`
/// (equal times by `seq`), and cuts them by UTC day. Out: [`schema::stored_schema`] batches, oldest day first.
///
/// # Errors
/// Fails if a batch does not have the accepted columns.
pub(super) fn by_day(
    batches: &[RecordBatch],
    first_seq: i64,
) -> Result<Vec<(NaiveDate, RecordBatch)>, ArrowError> {
    let all = concat_batches(&schema::accepted_schema(), batches)?;
    let count = all.num_rows();
    let seq: Int64Array = (first_seq..first_seq + count as i64).collect();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(seq)];
    columns.extend(all.columns().iter().cloned());
    let numbered = RecordBatch::try_new(schema::stored_schema(), columns)?;

    let times = all
        .column_by_name(schema::OCCURRED_AT)
        .expect("an accepted batch has occurred_at")
        .as_primitive::<TimestampMicrosecondType>()
        .values();
    let mut order: Vec<u32> = (0..count as u32).collect();
    let sorted = times.windows(2).all(|pair| pair[0] <= pair[1]);
    let numbered = if sorted {
        numbered
    } else {
        order.sort_by_key(|row| times[*row as usize]);
        take_record_batch(&numbered, &UInt32Array::from(order.clone()))?
    };

    let day_at = |place: usize| times[order[place] as usize].div_euclid(DAY_MICROS);
    let mut days = Vec::new();
    let mut start = 0;
    while start < count {
        let day = day_at(start);
        let length = order[start..].partition_point(|row| times[*row as usize].div_euclid(DAY_MICROS) == day);
        days.push((date(day), numbered.slice(start, length)));
        start += length;
    }
    Ok(days)
}

fn date(days_since_1970: i64) -> NaiveDate {
    DateTime::from_timestamp_micros(days_since_1970 * DAY_MICROS)
        .expect("decoding keeps occurred_at within the calendar")
        .date_naive()
}
