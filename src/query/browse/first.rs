//! The events that are on a page, out of many in any order.
//!
//! In: events, one by one, with their positions. Out: the first of them, in order, as many as a page holds. Guaranteed: what is
//! kept is bounded by the page and not by what is offered; only events that may be on it are copied.

use std::{cmp::Reverse, collections::BTreeMap};

use super::page::{Order, Position};
use crate::limits::EVENTS_PAGE_BYTES_MAX;

/// The first events of those offered, as many as a page holds.
pub(super) struct First {
    order: Order,
    events_max: u64,
    events: BTreeMap<Place, String>,
    bytes: usize,
    /// Whether others come after them.
    more: bool,
}

impl First {
    pub(super) fn new(order: Order, events_max: u64) -> Self {
        Self { order, events_max, events: BTreeMap::new(), bytes: 0, more: false }
    }

    /// Whether others come after them.
    pub(super) fn more(&self) -> bool {
        self.more
    }

    /// Where they are, in their order.
    pub(super) fn positions(&self) -> impl DoubleEndedIterator<Item = &Position> {
        self.events.keys().map(Place::position)
    }

    /// They, in their order.
    pub(super) fn into_events(self) -> Vec<String> {
        self.events.into_values().collect()
    }

    /// Takes an event in if it is on the page as far as is known; `write` gives it as JSON.
    pub(super) fn offer(&mut self, position: Position, write: impl FnOnce(&mut String)) {
        let place = Place::new(position, self.order);
        let full = self.events.len() as u64 >= self.events_max || self.bytes > EVENTS_PAGE_BYTES_MAX;
        if full && self.events.last_key_value().is_some_and(|(last, _)| place > *last) {
            self.more = true;
            return;
        }
        let mut event = String::new();
        write(&mut event);
        self.bytes += event.len();
        self.events.insert(place, event);
        while self.is_too_long()
            && let Some((_, event)) = self.events.pop_last()
        {
            self.bytes -= event.len();
            self.more = true;
        }
    }

    /// Whether it is long enough without its last event.
    fn is_too_long(&self) -> bool {
        let last_bytes = self.events.last_key_value().map_or(0, |(_, event)| event.len());
        self.events.len() as u64 > self.events_max || self.bytes - last_bytes > EVENTS_PAGE_BYTES_MAX
    }
}

/// A position that comes before those that come after it on the page.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Ascending(Position),
    Descending(Reverse<Position>),
}

impl Place {
    fn new(position: Position, order: Order) -> Self {
        match order {
            Order::Asc => Self::Ascending(position),
            Order::Desc => Self::Descending(Reverse(position)),
        }
    }

    fn position(&self) -> &Position {
        let (Self::Ascending(position) | Self::Descending(Reverse(position))) = self;
        position
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(number: i64) -> Position {
        Position { occurred_at: number / 3, tenant_id: (number % 3).to_string(), id: "x".into() }
    }

    fn page(order: Order, limit: u64, offered: &[(i64, usize)]) -> (Vec<i64>, bool) {
        let mut first = First::new(order, limit);
        for (number, bytes) in offered {
            first.offer(place(*number), |event| event.push_str(&"x".repeat(*bytes)));
        }
        let number =
            |position: &Position| position.occurred_at * 3 + position.tenant_id.parse::<i64>().unwrap();
        (first.positions().map(number).collect(), first.more())
    }

    proptest! {
        /// Would catch a page that is not the beginning of all events in their order, or whose end is not told.
        #[test]
        fn a_page_is_the_beginning(numbers in prop::collection::hash_set(0_i64..60, 0..40), limit in 1_u64..30) {
            let offered: Vec<(i64, usize)> = numbers.iter().map(|number| (*number, 1)).collect();
            let mut expected: Vec<i64> = numbers.into_iter().collect();
            for order in [Order::Asc, Order::Desc] {
                expected.sort_unstable();
                if order == Order::Desc {
                    expected.reverse();
                }
                let beginning: Vec<i64> = expected.iter().copied().take(limit as usize).collect();
                let more = expected.len() as u64 > limit;
                prop_assert_eq!(page(order, limit, &offered), (beginning, more));
            }
        }
    }

    /// Would catch a page without bounds, one that loses what comes before a large event, and one that is empty because of it.
    #[test]
    fn large_events_end_a_page() {
        let half = EVENTS_PAGE_BYTES_MAX / 2 + 1;
        let offered = [(4, half), (1, half), (3, half), (0, half), (2, half)];
        assert_eq!(page(Order::Asc, 100, &offered), (vec![0, 1], true));
        assert_eq!(page(Order::Asc, 100, &[(0, 3 * half)]), (vec![0], false));
        assert_eq!(page(Order::Desc, 100, &[(0, 1), (1, 3 * half)]), (vec![1], true));
    }
}
