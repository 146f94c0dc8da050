//! The first rows of those offered, by their time alone.
//!
//! In: rows, in any order, as a key and where they are. Out: rows, in parts, among which are the first `wanted` by their keys, with all that
//! have the same key as the last of them. Guaranteed: none that belongs to them is missing; unless very many have one key, no others are among them.

use std::{cmp::Reverse, collections::BinaryHeap};

/// The rows that come first as far as is known. Greater keys come first.
#[derive(Debug)]
pub(super) struct Leaders<T> {
    wanted: usize,
    held_max: usize,
    keys: BinaryHeap<Reverse<i64>>,
    rows: Vec<(i64, T)>,
}

impl<T> Leaders<T> {
    /// For the first `wanted`; there should not be more than `held_max` until they are taken.
    pub(super) fn new(wanted: usize, held_max: usize) -> Self {
        Self { wanted: wanted.max(1), held_max, keys: BinaryHeap::new(), rows: Vec::new() }
    }

    /// The least key that still belongs to them; `None`: any does.
    pub(super) fn least(&self) -> Option<i64> {
        let full = self.keys.len() >= self.wanted;
        self.keys.peek().map(|Reverse(key)| *key).filter(|_| full)
    }

    pub(super) fn offer(&mut self, key: i64, row: T) {
        if self.least().is_some_and(|least| key < least) {
            return;
        }
        self.keys.push(Reverse(key));
        if self.keys.len() > self.wanted {
            self.keys.pop();
        }
        self.rows.push((key, row));
        if self.rows.len() >= self.wanted.saturating_mul(4) && self.rows.len().is_power_of_two() {
            self.drop_others();
        }
    }

    /// Whether there are more than should be held: many that have the same key, for the others are dropped first.
    pub(super) fn are_many(&mut self) -> bool {
        if self.rows.len() > self.held_max {
            self.drop_others();
        }
        self.rows.len() > self.held_max
    }

    /// Those that belong to them as far as is known and were not taken before, the first one first.
    pub(super) fn take(&mut self) -> Vec<(i64, T)> {
        self.drop_others();
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by_key(|(key, _)| Reverse(*key));
        rows
    }

    fn drop_others(&mut self) {
        if let Some(least) = self.least() {
            self.rows.retain(|(key, _)| *key >= least);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Would catch a row that is lost, one of the same time as the last that is left out, and one that is kept in vain.
        #[test]
        fn they_are_the_first_and_their_equals(keys in prop::collection::vec(0_i64..40, 0..300), wanted in 1_usize..20, held_max in 1_usize..40) {
            let mut leaders = Leaders::new(wanted, 1_000);
            let (mut few, mut taken) = (Leaders::new(wanted, held_max), Vec::new());
            for (number, key) in keys.iter().enumerate() {
                leaders.offer(*key, number);
                few.offer(*key, number);
                if few.are_many() {
                    taken.extend(few.take());
                }
                prop_assert!(few.rows.len() <= held_max);
            }
            taken.extend(few.take());
            let mut expected: Vec<(i64, usize)> = keys.iter().copied().zip(0..).collect();
            expected.sort_by_key(|(key, _)| Reverse(*key));
            let last = expected.get(wanted - 1).map(|(key, _)| *key);
            expected.retain(|(key, _)| last.is_none_or(|last| *key >= last));
            prop_assert_eq!(leaders.least(), last);
            // What was taken early may be more, and is not given twice.
            let early: Vec<(i64, usize)> = taken.iter().copied().filter(|row| !expected.contains(row)).collect();
            prop_assert!(early.iter().all(|(key, _)| last.is_some_and(|last| *key < last)));
            prop_assert_eq!(taken.len(), early.len() + expected.len());
            prop_assert!(expected.iter().all(|row| taken.contains(row)));
            prop_assert_eq!(leaders.take(), expected);
        }
    }
}
