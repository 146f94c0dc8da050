//! How an export of events is divided: stretches of days, each read and sorted at once.
//!
//! In: the days that were pinned, and how many events each has. Out: stretches, in order. Guaranteed: a pure function, so that
//! an export that goes on after a restart finds the same ones; every day is in exactly one; a stretch has few events, or is
//! one day.

use chrono::NaiveDate;

use super::job::Pinned;

/// Consecutive days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    /// How many events they have, whether or not they are exported.
    pub(super) rows: u64,
}

/// The stretches of what is pinned.
pub(super) fn stretches(pinned: &Pinned) -> Vec<Days> {
    let mut stretches: Vec<Days> = Vec::new();
    for (day, rows) in &pinned.days {
        match stretches.last_mut().filter(|last| last.rows + rows <= pinned.stretch_rows) {
            Some(last) => {
                last.last = *day;
                last.rows += rows;
            }
            None => stretches.push(Days { first: *day, last: *day, rows: *rows }),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Would catch a day that no stretch reads, or two do, and a stretch that is sorted beyond memory without need.
        #[test]
        fn every_day_is_in_one_stretch(
            days in prop::collection::btree_map(0_u64..900, 0..200_u64, 0..40),
        ) {
            let stretch_rows = 100;
            let day = |number: u64| NaiveDate::default() + chrono::Days::new(number);
            let days: BTreeMap<NaiveDate, u64> =
                days.into_iter().map(|(number, rows)| (day(number), rows)).collect();
            let pinned = Pinned { table_version: None, seq_before: 0, stretch_rows, days: days.clone() };
            let stretches = stretches(&pinned);
            for day in days.keys() {
                let holding = stretches.iter().filter(|of| of.first <= *day && *day <= of.last);
                prop_assert_eq!(holding.count(), 1);
            }
            for of in &stretches {
                let rows: u64 = days.range(of.first..=of.last).map(|(_, rows)| rows).sum();
                prop_assert_eq!(rows, of.rows);
                prop_assert!(of.first == of.last || of.rows <= stretch_rows);
            }
            prop_assert!(stretches.windows(2).all(|pair| pair[0].last < pair[1].first));
        }
    }
}
