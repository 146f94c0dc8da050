//! Which events are delivered next: a pure function of numbers.
//!
//! In: how far a stream is, how far the log is, and the time. Out: a window of `seq`, or nothing yet. Guaranteed: windows follow one
//! another without a gap; one never spans what was there before the export began and what came after, so that each can be asked for
//! by its own rule.

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

/// The window to deliver now.
pub(super) fn next(stand: Stand, rules: Rules, now_ms: i64) -> Option<Range<i64>> {
    let Stand { origin, position, committed, last_ms } = stand;
    let backlog = position < origin.before;
    let end = if backlog { committed.min(origin.before) } else { committed };
    let waited = now_ms.saturating_sub(last_ms) >= rules.interval_ms;
    let due = backlog || committed - position >= rules.rows || waited;
    (due && position < end).then(|| position..end.min(position.saturating_add(rules.rows)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules { interval_ms: 60_000, rows: 100 };

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
                while let Some(window) = next(stand, RULES, now_ms) {
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

    /// Would catch a delivery for each event, or one that nobody waits for.
    #[test]
    fn deliveries_wait_for_size_or_time() {
        let stand = Stand { origin: Origin::default(), position: 7, committed: 106, last_ms: 1_000 };
        assert_eq!(next(stand, RULES, 60_999), None);
        assert_eq!(next(stand, RULES, 61_000), Some(7..106));
        assert_eq!(next(Stand { committed: 107, ..stand }, RULES, 1_000), Some(7..107));
        assert_eq!(next(Stand { committed: 7, ..stand }, RULES, 900_000), None);
    }
}
