//! How an export of events is divided: stretches of the log, each read and sorted at once.
//!
//! In: the days that were pinned, and how many events each has. Out: stretches, in order. Guaranteed: a pure function, so that
//! an export that goes on after a restart finds the same ones; every moment of every day is in exactly one. A stretch has few
//! events, if those of a day that has many are spread over it: such a day is cut into parts of the same length.

use std::ops::Range;

use chrono::NaiveDate;

use super::job::Pinned;
use crate::table::snapshot::start_micros;

const DAY_MICROS: i64 = 86_400_000_000;
/// A day is not cut any finer: parts of a second.
const PARTS_MAX: u64 = 86_400;

/// Consecutive days, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    /// Of one day, the part: from when until before when, in microseconds since 1970.
    pub(super) part: Option<Range<i64>>,
    /// How many events they have, about for a part, whether or not they are exported.
    pub(super) rows: u64,
}

/// The stretches of what is pinned.
pub(super) fn stretches(pinned: &Pinned) -> Vec<Days> {
    let mut stretches: Vec<Days> = Vec::new();
    for (day, rows) in &pinned.days {
        let joined = |last: &&mut Days| last.part.is_none() && last.rows + rows <= pinned.stretch_rows;
        match stretches.last_mut().filter(joined) {
            Some(last) => {
                last.last = *day;
                last.rows += rows;
            }
            None => stretches.extend(parts(*day, *rows, pinned.stretch_rows)),
        }
    }
    stretches
}

/// A day as one stretch, or as several of the same length.
fn parts(day: NaiveDate, rows: u64, rows_max: u64) -> impl Iterator<Item = Days> {
    let count = rows.div_ceil(rows_max.max(1)).clamp(1, PARTS_MAX);
    (0..count).map(move |number| {
        let at = |number: u64| start_micros(day) + DAY_MICROS / count as i64 * number as i64;
        let end = if number + 1 == count { start_micros(day) + DAY_MICROS } else { at(number + 1) };
        let part = (count > 1).then(|| at(number)..end);
        let rows = rows * (number + 1) / count - rows * number / count;
        Days { first: day, last: day, part, rows }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Would catch a moment that no stretch reads, or two do, and a stretch that is sorted beyond memory without need.
        #[test]
        fn every_moment_is_in_one_stretch(
            days in prop::collection::btree_map(0_u64..900, 0..1_000_u64, 0..40),
            moments in prop::collection::vec(0..DAY_MICROS, 1..4),
        ) {
            let stretch_rows = 100;
            let day = |number: u64| NaiveDate::default() + chrono::Days::new(number);
            let days: BTreeMap<NaiveDate, u64> =
                days.into_iter().map(|(number, rows)| (day(number), rows)).collect();
            let pinned = Pinned { table_version: None, seq_before: 0, stretch_rows, days: days.clone() };
            let stretches = stretches(&pinned);
            for day in days.keys() {
                for moment in moments.iter().chain(&[0, DAY_MICROS - 1]) {
                    let at = start_micros(*day) + moment;
                    let holding = stretches.iter().filter(|of| {
                        of.first <= *day && *day <= of.last && of.part.as_ref().is_none_or(|part| part.contains(&at))
                    });
                    prop_assert_eq!(holding.count(), 1);
                }
            }
            prop_assert_eq!(stretches.iter().map(|of| of.rows).sum::<u64>(), days.values().sum::<u64>());
            prop_assert!(stretches.iter().all(|of| of.rows <= stretch_rows));
            let begins = |of: &Days| of.part.as_ref().map_or(start_micros(of.first), |part| part.start);
            prop_assert!(stretches.windows(2).all(|pair| begins(&pair[0]) < begins(&pair[1])));
        }
    }
}
