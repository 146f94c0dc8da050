//! Which blocks are looked at next.
//!
//! In: files, then their blocks, with the times that they go from and to. Out: blocks, those first that may hold the first event of
//! all that are left. Guaranteed: every block that may hold a wanted time is given once, unless all that it may hold comes after
//! what was found already; a file is opened only when it is its turn.

use std::{collections::BinaryHeap, ops::Range};

use crate::query::block_times::Times;

/// In which order events are wanted, and from when to when.
#[derive(Clone, Debug)]
pub(crate) struct Direction {
    /// Else the newest first.
    pub(crate) oldest_first: bool,
    /// Microseconds since 1970.
    pub(crate) times: Range<i64>,
}

impl Direction {
    /// Of events, the one with the greater key comes first.
    pub(super) fn key(&self, micros: i64) -> i64 {
        match self.oldest_first {
            true => !micros,
            false => micros,
        }
    }

    /// The greatest key that there may be.
    fn bound(&self, times: Times) -> i64 {
        self.key(if self.oldest_first { times.first } else { times.last })
    }
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Find out about the blocks of a file.
    Open(usize),
    /// Look at these blocks of a file, which ascend.
    Look(usize, Vec<u64>),
}

/// Files and blocks that were not looked at.
#[derive(Debug)]
pub(super) struct Frontier {
    direction: Direction,
    files: BinaryHeap<Next>,
}

/// A file and the greatest key that what is left of it may have.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    bound: i64,
    file: usize,
    /// Bounds and numbers of its blocks, the next one last; `None` if nothing is known of them.
    blocks: Option<Vec<(i64, u64)>>,
}

impl Frontier {
    /// Files by their times; their places are their names.
    pub(super) fn new(direction: Direction, files: impl Iterator<Item = Times>) -> Self {
        let meeting = files.enumerate().filter(|(_, times)| times.meet(&direction.times));
        let next = meeting.map(|(file, times)| Next { bound: direction.bound(times), file, blocks: None });
        Self { files: next.collect(), direction }
    }

    /// The next step and the greatest key that it may find, or `None` if there is nothing left with keys from `least` on.
    pub(super) fn step(&mut self, least: Option<i64>, blocks_max: usize) -> Option<(i64, Step)> {
        let Next { bound, file, blocks } = self.files.pop()?;
        if least.is_some_and(|least| bound < least) {
            self.files.clear();
            return None;
        }
        let Some(mut blocks) = blocks else { return Some((bound, Step::Open(file))) };
        let mut numbers = Vec::new();
        while numbers.len() < blocks_max.max(1)
            && let Some((_, number)) = blocks.pop_if(|(bound, _)| least.is_none_or(|least| *bound >= least))
        {
            numbers.push(number);
        }
        numbers.sort_unstable();
        self.put_back(file, blocks);
        Some((bound, Step::Look(file, numbers)))
    }

    /// Takes in the blocks of a file that was opened.
    pub(super) fn opened(&mut self, file: usize, blocks: impl Iterator<Item = (u64, Times)>) {
        let meeting = blocks.filter(|(_, times)| times.meet(&self.direction.times));
        let mut blocks: Vec<(i64, u64)> =
            meeting.map(|(number, times)| (self.direction.bound(times), number)).collect();
        // Of the same bound, those first that are read one after another.
        blocks.sort_unstable_by_key(|(bound, number)| (*bound, self.direction.key(*number as i64)));
        self.put_back(file, blocks);
    }

    fn put_back(&mut self, file: usize, blocks: Vec<(i64, u64)>) {
        if let Some((bound, _)) = blocks.last() {
            self.files.push(Next { bound: *bound, file, blocks: Some(blocks) });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Blocks = Vec<(i64, i64)>;

    fn times((first, length): (i64, i64)) -> Times {
        Times { first, last: first + length }
    }

    /// All that is given until there is nothing left, with the keys that were promised.
    fn walk(
        files: &[Blocks],
        direction: &Direction,
        least: Option<i64>,
        blocks_max: usize,
    ) -> Vec<(usize, u64)> {
        let of_file = |blocks: &Blocks| Times {
            first: blocks.iter().map(|(first, _)| *first).min().unwrap_or(0),
            last: blocks.iter().map(|block| times(*block).last).max().unwrap_or(0),
        };
        let mut frontier = Frontier::new(direction.clone(), files.iter().map(of_file));
        let (mut given, mut before) = (Vec::new(), i64::MAX);
        while let Some((bound, step)) = frontier.step(least, blocks_max) {
            assert!(bound <= before, "what comes first is given first");
            before = bound;
            match step {
                Step::Open(file) => {
                    frontier.opened(file, (0..).zip(files[file].iter().map(|block| times(*block))));
                }
                Step::Look(file, numbers) => {
                    assert!(numbers.is_sorted() && numbers.len() <= blocks_max);
                    given.extend(numbers.into_iter().map(|number| (file, number)));
                }
            }
        }
        given
    }

    proptest! {
        /// Would catch a block that is left out although it may hold what is wanted, one that is given twice or in vain, and an order in which the
        /// first events are not found first.
        #[test]
        fn blocks_are_given_once_and_the_first_first(
            files in prop::collection::vec(prop::collection::vec((0_i64..50, 0_i64..9), 0..6), 0..5),
            from in 0_i64..50,
            length in 1_i64..60,
            least in prop::option::of(-60_i64..60),
            oldest_first: bool,
            blocks_max in 1_usize..4,
        ) {
            let direction = Direction { oldest_first, times: from..from + length };
            let least = least.map(|time| direction.key(time));
            let mut given = walk(&files, &direction, least, blocks_max);
            given.sort_unstable();
            let wanted = |block: (i64, i64)| {
                let times = times(block);
                let comes_first = least.is_none_or(|least| direction.bound(times) >= least);
                times.meet(&direction.times) && comes_first
            };
            let expected: Vec<(usize, u64)> = files
                .iter()
                .enumerate()
                .flat_map(|(file, blocks)| (0..).zip(blocks).map(move |(number, block)| (file, number, *block)))
                .filter(|(_, _, block)| wanted(*block))
                .map(|(file, number, _)| (file, number))
                .collect();
            prop_assert_eq!(given, expected);
        }
    }
}
