//! Which days can be exported as their files stand, without reading an event.
//!
//! In: a snapshot, a day, and what is pinned. Out: its files in the order of the log, or nothing. Guaranteed: a pure function; the
//! files that it gives have all events of the day that are exported, no other ones, and one after another they are in order.

use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::scalar::ScalarValue;

use super::job::Range;
use crate::{
    event::schema::{OCCURRED_AT, SEQ},
    table::{DataFile, Snapshot},
};

/// A file to copy, and what its events span.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) file: Arc<DataFile>,
    pub(super) range: Range,
}

/// The files of `day` with all of its events below `seq_before`, if no file has others besides and none overlaps another in time.
pub(super) fn day(snapshot: &Snapshot, day: NaiveDate, seq_before: i64) -> Option<Vec<Whole>> {
    let mut files = Vec::new();
    for file in snapshot.files.iter().filter(|file| file.day == day) {
        let range = range(file)?;
        if range.seq_max < seq_before {
            files.push(Whole { file: Arc::clone(file), range });
        } else if range.seq_min < seq_before {
            return None;
        }
    }
    files.sort_by_key(|whole| whole.range.first_occurred_at);
    let follow = |pair: &[Whole]| pair[0].range.last_occurred_at < pair[1].range.first_occurred_at;
    files.windows(2).all(follow).then_some(files)
}

/// What the events of a file span, if its statistics say exactly.
fn range(file: &DataFile) -> Option<Range> {
    let bounds = |column: &str| {
        let stats = file.stats.get(column).filter(|stats| stats.exact)?;
        Some((whole(stats.min.as_ref()?)?, whole(stats.max.as_ref()?)?))
    };
    let ((seq_min, seq_max), (first_occurred_at, last_occurred_at)) = (bounds(SEQ)?, bounds(OCCURRED_AT)?);
    Some(Range { first_occurred_at, last_occurred_at, seq_min, seq_max })
}

fn whole(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Int64(value) | ScalarValue::TimestampMicrosecond(value, _) => *value,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{event::TenantId, table::ColumnStats};

    fn file(day: NaiveDate, times: (i64, i64), seqs: (i64, i64)) -> Arc<DataFile> {
        let time = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
        let stats =
            |min, max| ColumnStats { min: Some(min), max: Some(max), null_count: Some(0), exact: true };
        Arc::new(DataFile {
            path: format!("{times:?}-{seqs:?}"),
            day,
            rows: 1,
            size_bytes: 1,
            added_at_ms: 0,
            stats: BTreeMap::from([
                (OCCURRED_AT, stats(time(times.0), time(times.1))),
                (SEQ, stats(ScalarValue::Int64(Some(seqs.0)), ScalarValue::Int64(Some(seqs.1)))),
            ]),
        })
    }

    fn pair() -> impl Strategy<Value = (i64, i64)> {
        (0_i64..60, 0_i64..12).prop_map(|(first, more)| (first, first + more))
    }

    proptest! {
        /// Would catch an event that is copied though it does not belong to the export, one that is left out, and an order that is
        /// not that of the log.
        #[test]
        fn whole_files_are_exactly_the_events(
            files in prop::collection::vec((0_i64..2, pair(), pair()), 0..6), seq_before in 0_i64..80,
        ) {
            let first = NaiveDate::default();
            let days: Vec<NaiveDate> = vec![first, first + chrono::Days::new(1)];
            let mut snapshot = Snapshot::empty(TenantId::parse("acme").unwrap());
            snapshot.files = Arc::new(files.iter().map(|(at, times, seqs)| file(days[*at as usize], *times, *seqs)).collect());
            for wanted in &days {
                let of_day: Vec<_> = files.iter().filter(|(at, ..)| days[*at as usize] == *wanted).collect();
                let before: Vec<_> = of_day.iter().filter(|(_, _, seqs)| seqs.0 < seq_before).collect();
                let straddles = before.iter().any(|(_, _, seqs)| seqs.1 >= seq_before);
                let overlaps = before.iter().enumerate().any(|(at, (_, one, _))| {
                    before.iter().skip(at + 1).any(|(_, other, _)| one.0 <= other.1 && other.0 <= one.1)
                });
                match day(&snapshot, *wanted, seq_before) {
                    None => prop_assert!(straddles || overlaps),
                    Some(whole) => {
                        prop_assert!(!straddles && !overlaps);
                        prop_assert_eq!(whole.len(), before.len());
                        prop_assert!(whole.windows(2).all(|pair| pair[0].range.last_occurred_at < pair[1].range.first_occurred_at));
                    }
                }
            }
        }
    }
}
