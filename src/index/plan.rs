//! Decides which segments to merge; touches nothing.
//!
//! In: how large a tenant's segments are, and how much of each still stands for live files. Out: groups to merge into
//! one each. Guaranteed: groups are disjoint; each makes the number of segments, or of dead rows, smaller; a posting
//! is rewritten O(log n) times, because a large segment waits until the others bring enough to rewrite it for; a last
//! segment (half of [`INDEX_SEGMENT_ROWS_MAX`] or more) is rewritten only when half of it is dead. So a table of n rows has about
//! n / [`INDEX_SEGMENT_ROWS_MAX`] segments and a few smaller ones.

use crate::limits::{INDEX_FAN_IN_MAX, INDEX_SEGMENT_ROWS_MAX};

/// Segments of a growing table are merged when there are so many of them.
const GROWING_MIN: usize = 8;
/// A segment is rewritten only for at least this part of its rows.
const WORTH_ONE_IN: u64 = 4;

/// What the plan knows of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Rows of all its pieces.
    pub(crate) rows: u64,
    /// Rows of pieces of live files that no other segment stands for.
    pub(crate) live_rows: u64,
    /// The first file, whose name begins with its day.
    pub(crate) first_file: String,
}

impl Extent {
    fn is_half_dead(&self) -> bool {
        self.live_rows * 2 < self.rows
    }

    fn is_last(&self) -> bool {
        self.rows >= INDEX_SEGMENT_ROWS_MAX / 2 && !self.is_half_dead()
    }
}

/// Groups of indexes into `segments`; `settled`: nothing more is expected soon, so merge as far as it goes.
pub(crate) fn plan(segments: &[Extent], settled: bool) -> Vec<Vec<usize>> {
    let mut small: Vec<usize> = (0..segments.len()).filter(|at| !segments[*at].is_last()).collect();
    small.sort_by_key(|at| segments[*at].live_rows);
    while let Some(largest) = small.last() {
        let extent = &segments[*largest];
        let others: u64 = small.iter().map(|at| segments[*at].live_rows).sum::<u64>() - extent.live_rows;
        if extent.is_half_dead() || others * WORTH_ONE_IN >= extent.live_rows {
            break;
        }
        small.pop();
    }
    let wanted = if settled { 2 } else { GROWING_MIN };
    if small.len() < wanted && !small.iter().any(|at| segments[*at].is_half_dead()) {
        return Vec::new();
    }
    // Neighbours in time together, so that a question about some days needs few segments.
    small.sort_by(|a, b| segments[*a].first_file.cmp(&segments[*b].first_file));
    let mut groups: Vec<(u64, Vec<usize>)> = Vec::new();
    for at in small {
        let rows = segments[at].live_rows;
        match groups.last_mut() {
            Some((sum, group)) if *sum + rows <= INDEX_SEGMENT_ROWS_MAX && group.len() < INDEX_FAN_IN_MAX => {
                *sum += rows;
                group.push(at);
            }
            _ => groups.push((rows, vec![at])),
        }
    }
    let is_progress = |group: &Vec<usize>| group.len() > 1 || segments[group[0]].is_half_dead();
    groups.into_iter().map(|(_, group)| group).filter(is_progress).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(number: usize, rows: u64, live_rows: u64) -> Extent {
        Extent { rows, live_rows, first_file: format!("day=2026-01-01/{number:06}.parquet") }
    }

    fn sizes(segments: &[Extent], settled: bool) -> Vec<usize> {
        plan(segments, settled).iter().map(Vec::len).collect()
    }

    /// Would catch a growing table's segments rewritten with every commit, a settled one's left apart, a large
    /// segment rewritten for a small one, and dead rows kept for ever.
    #[test]
    fn segments_merge_when_they_should() {
        let many = |count: usize, rows: u64| (0..count).map(|n| extent(n, rows, rows)).collect::<Vec<_>>();
        let max = INDEX_SEGMENT_ROWS_MAX;
        type Case = (&'static str, Vec<Extent>, bool, &'static [usize]);
        let cases: [Case; 11] = [
            ("nothing", vec![], true, &[]),
            ("one", many(1, 100), true, &[]),
            ("settled", many(2, 100), true, &[2]),
            ("growing, few", many(7, 100), false, &[]),
            ("growing, many", many(8, 100), false, &[8]),
            ("a large one and a late one", vec![extent(0, 100_000, 100_000), extent(1, 10, 10)], true, &[]),
            ("a large one and enough", vec![extent(0, 400, 400), extent(1, 100, 100)], true, &[2]),
            ("last ones", many(3, max / 2), true, &[]),
            ("half dead", vec![extent(0, max, max / 4)], false, &[1]),
            ("all dead", vec![extent(0, 100, 0)], false, &[1]),
            ("too many rows for one", many(4, max / 2 - 1), true, &[2, 2]),
        ];
        for (name, segments, settled, expected) in cases {
            assert_eq!(sizes(&segments, settled), expected, "{name}");
        }
    }

    /// Would catch planning that never ends, leaves many segments, or rewrites a row more than a few times.
    #[test]
    fn a_growing_table_has_few_segments() {
        let mut segments: Vec<Extent> = Vec::new();
        let mut rewritten = 0;
        for commit in 0..2_000 {
            segments.push(extent(commit, 50_000, 50_000));
            let groups = plan(&segments, false);
            for group in &groups {
                let rows = group.iter().map(|at| segments[*at].live_rows).sum();
                rewritten += rows;
                segments.push(extent(commit, rows, rows));
            }
            let gone: Vec<usize> = groups.concat();
            let mut at = 0;
            segments.retain(|_| {
                at += 1;
                !gone.contains(&(at - 1))
            });
        }
        let last = (2_000 * 50_000 / INDEX_SEGMENT_ROWS_MAX) as usize;
        assert!(segments.len() <= 2 * last + 16, "{} segments", segments.len());
        assert!(rewritten <= 6 * 2_000 * 50_000, "each row was rewritten {} times", rewritten / 100_000_000);
    }
}
