//! The first rows of those offered, by their time alone.
//!
//! In: rows, in any order, as a key and where they are. Out: the first `wanted` by their keys, with all that have the same key as the
//! last of them. Guaranteed: no row that belongs to them is missing; what is kept is bounded by them and their equals.

use std::{cmp::Reverse, collections::BinaryHeap};

/// The rows that come first as far as is known. Greater keys come first.
#[derive(Debug)]
pub(super) struct Leaders<T> {
    wanted: usize,
    keys: BinaryHeap<Reverse<i64>>,
    rows: Vec<(i64, T)>,
}

impl<T> Leaders<T> {
    pub(super) fn new(wanted: usize) -> Self {
        Self { wanted: wanted.max(1), keys: BinaryHeap::new(), rows: Vec::new() }
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
        if self.rows.len() >= 4 * self.wanted && self.rows.len().is_power_of_two() {
            self.drop_others();
        }
    }

    /// They, the first one first.
    pub(super) fn finish(mut self) -> Vec<(i64, T)> {
        self.drop_others();
        self.rows.sort_by_key(|(key, _)| Reverse(*key));
        self.rows
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
        fn they_are_the_first_and_their_equals(keys in prop::collection::vec(0_i64..40, 0..300), wanted in 1_usize..20) {
            let mut leaders = Leaders::new(wanted);
            for (number, key) in keys.iter().enumerate() {
                leaders.offer(*key, number);
            }
            let mut expected: Vec<(i64, usize)> = keys.iter().copied().zip(0..).collect();
            expected.sort_by_key(|(key, _)| Reverse(*key));
            let last = expected.get(wanted - 1).map(|(key, _)| *key);
            expected.retain(|(key, _)| last.is_none_or(|last| *key >= last));
            prop_assert_eq!(leaders.least(), last);
            prop_assert_eq!(leaders.finish(), expected);
        }
    }
}
