//! Which events are delivered next: a pure function of numbers.
//!
//! In: how far a stream is, how far the log is and how large, and the time. Out: a window of `seq`, or nothing yet. Guaranteed: windows
//! follow one another without a gap; one never spans what was there before the export began and what came after, so that each can be
//! asked for by its own rule.
//!
//! Sizes are those of the log's files when a window is made, taken to be spread evenly over the numbers that a file has: they are known
//! before anything is written. Compaction changes them, and a window, once it is made, is not made again.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Where a stream began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    /// The first number that it may deliver.
    pub(super) first: i64,
    /// Events below this number were there when the export began.
    pub(super) before: i64,
}

/// When a delivery is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) interval_ms: i64,
    pub(super) rows: i64,
    pub(super) bytes: Option<u64>,
}

/// Committed events, and how large they are.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    pub(super) seqs: Range<i64>,
    pub(super) bytes: u64,
}

/// How far things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stand {
    pub(super) origin: Origin,
    /// The number after the last one delivered.
    pub(super) position: i64,
    /// The number after the last one committed.
    pub(super) committed: i64,
    /// When the last window was made, or the export.
    pub(super) last_ms: i64,
}

/// The window to deliver now; `extents` are of what is committed.
pub(super) fn next(stand: Stand, rules: Rules, extents: &[Extent], now_ms: i64) -> Option<Range<i64>> {
    let Stand { origin, position, committed, last_ms } = stand;
    let backlog = position < origin.before;
    let end = if backlog { committed.min(origin.before) } else { committed };
    if end <= position {
        return None;
    }
    let waited = now_ms.saturating_sub(last_ms) >= rules.interval_ms;
    let is_large = rules.bytes.is_some_and(|bytes| bytes <= size(extents, &(position..end)));
    let due = backlog || committed - position >= rules.rows || is_large || waited;
    let end = end.min(position.saturating_add(rules.rows));
    due.then(|| position..rules.bytes.map_or(end, |bytes| cut(extents, position..end, bytes)))
}

/// How large the events of a window are, about.
fn size(extents: &[Extent], window: &Range<i64>) -> u64 {
    let part = |extent: &Extent| {
        let shared = extent.seqs.end.min(window.end) - extent.seqs.start.max(window.start);
        let all = extent.seqs.end - extent.seqs.start;
        match shared > 0 {
            true => {
                u128::from(extent.bytes) * u128::from(shared.unsigned_abs()) / u128::from(all.unsigned_abs())
            }
            false => 0,
        }
    };
    u64::try_from(extents.iter().map(part).sum::<u128>()).unwrap_or(u64::MAX)
}

/// Where a window ends that has at most so many bytes, and at least one event.
fn cut(extents: &[Extent], window: Range<i64>, bytes_max: u64) -> i64 {
    let (mut fits, mut is_too_far) = (window.start + 1, window.end + 1);
    while fits + 1 < is_too_far {
        let middle = fits + (is_too_far - fits) / 2;
        match size(extents, &(window.start..middle)) <= bytes_max {
            true => fits = middle,
            false => is_too_far = middle,
        }
    }
    fits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules { interval_ms: 60_000, rows: 100, bytes: None };

    proptest! {
        /// Would catch an event that no window has, or two have, a window that is too large, and one over the border of the backlog.
        #[test]
        fn windows_cover_everything_once(
            first in 0_i64..500, backlog in 0_i64..500, steps in prop::collection::vec((0_i64..250, 0_i64..90_000), 1..40),
        ) {
            let origin = Origin { first, before: first + backlog };
            let mut stand = Stand { origin, position: first, committed: origin.before, last_ms: 0 };
            let mut now_ms = 0;
            for (arrived, passed) in steps {
                stand.committed += arrived;
                now_ms += passed;
                while let Some(window) = next(stand, RULES, &[], now_ms) {
                    prop_assert_eq!(window.start, stand.position);
                    prop_assert!(window.start < window.end && window.end <= stand.committed);
                    prop_assert!(window.end - window.start <= RULES.rows);
                    prop_assert!(window.end <= origin.before || origin.before <= window.start);
                    stand = Stand { position: window.end, last_ms: now_ms, ..stand };
                }
                // What waits is few, and has not waited long.
                prop_assert!(stand.position >= origin.before);
                prop_assert!(stand.committed - stand.position < RULES.rows);
                prop_assert!(stand.committed == stand.position || now_ms - stand.last_ms < RULES.interval_ms);
            }
        }
    }

    proptest! {
        /// Would catch an event that no window has because of its size, or two have, a window that is larger than it may be although it
        /// could be smaller, one that is smaller than it could be, and what waits although it is enough.
        #[test]
        fn windows_are_cut_by_their_size(
            files in prop::collection::vec((0_i64..300, 1_i64..120, 0_u64..5_000), 1..12), bytes_max in 1_u64..3_000, before in 0_i64..200,
        ) {
            let extents: Vec<Extent> =
                files.iter().map(|(first, count, bytes)| Extent { seqs: *first..first + count, bytes: *bytes }).collect();
            let committed = extents.iter().map(|extent| extent.seqs.end).max().unwrap_or(0);
            let rules = Rules { bytes: Some(bytes_max), ..RULES };
            let origin = Origin { first: 0, before: before.min(committed) };
            let mut stand = Stand { origin, position: 0, committed, last_ms: 0 };
            while let Some(window) = next(stand, rules, &extents, 0) {
                prop_assert_eq!(window.start, stand.position);
                let end = if window.start < origin.before { origin.before } else { committed };
                let end = end.min(window.start + RULES.rows);
                prop_assert!(window.start < window.end && window.end <= end);
                prop_assert!(size(&extents, &window) <= bytes_max || window.end == window.start + 1);
                prop_assert!(window.end == end || size(&extents, &(window.start..window.end + 1)) > bytes_max);
                stand.position = window.end;
            }
            let left = stand.position..committed;
            prop_assert!(origin.before <= left.start && size(&extents, &left) < bytes_max || left.is_empty());
        }
    }

    /// Would catch a file whose bytes count whole for a part of it, or not at all.
    #[test]
    fn sizes_are_of_the_part() {
        let extents = [Extent { seqs: 0..100, bytes: 1_000 }, Extent { seqs: 50..150, bytes: 500 }];
        for (window, bytes) in [(0..150, 1_500), (0..50, 500), (50..100, 750), (140..200, 50), (150..200, 0)]
        {
            assert_eq!(size(&extents, &window), bytes, "{window:?}");
        }
        let stand = Stand { origin: Origin::default(), position: 0, committed: 90, last_ms: 0 };
        let rules = |bytes| Rules { bytes: Some(bytes), ..RULES };
        assert_eq!(next(stand, rules(1_101), &extents, 1), None);
        assert_eq!(next(stand, rules(1_100), &extents, 1), Some(0..90));
        assert_eq!(next(stand, rules(500), &extents, 1), Some(0..50));
        assert_eq!(next(stand, rules(1), &extents, 1), Some(0..1), "an event that is too large comes alone");
    }

    /// Would catch a delivery for each event, or one that nobody waits for.
    #[test]
    fn deliveries_wait_for_size_or_time() {
        let stand = Stand { origin: Origin::default(), position: 7, committed: 106, last_ms: 1_000 };
        assert_eq!(next(stand, RULES, &[], 60_999), None);
        assert_eq!(next(stand, RULES, &[], 61_000), Some(7..106));
        assert_eq!(next(Stand { committed: 107, ..stand }, RULES, &[], 1_000), Some(7..107));
        assert_eq!(next(Stand { committed: 7, ..stand }, RULES, &[], 900_000), None);
    }
}
