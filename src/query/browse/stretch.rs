//! A stretch of a tenant's log: the events of some days, in the order of the log.
//!
//! In: days, a filter, where to begin, and up to which commit. Out: the question. Guaranteed: its answer is the same whenever
//! and however often it is asked, as long as the days are kept: events that are committed later have a higher `seq`, and
//! the order, by (`occurred_at`, `seq`), is one that no two events share.

use std::ops::Range;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::page::time;
use crate::query::{Filter, Request, Scope};

/// What to ask for.
#[derive(Clone, Debug)]
pub struct Stretch<'a> {
    /// Which events.
    pub filter: &'a Filter,
    /// The first of the days (UTC).
    pub first: NaiveDate,
    /// The last of them.
    pub last: NaiveDate,
    /// Only events that occurred from then until before then, in microseconds since 1970.
    pub part: Option<Range<i64>>,
    /// Only events after this one.
    pub after: Option<Place>,
    /// Only events committed before the one with this number.
    pub seq_before: i64,
    /// And not before this one.
    pub seq_from: i64,
}

/// Where an event is in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// When it occurred, in microseconds since 1970.
    pub occurred_at: i64,
    /// Its number in its tenant's log.
    pub seq: i64,
}

impl Stretch<'_> {
    /// All columns of its events, in order.
    pub fn request(&self, scope: Scope) -> Request {
        let mut conditions = self.filter.conditions();
        for (comparison, day) in [("day >=", self.first), ("day <=", self.last)] {
            let day = conditions.bind(day.to_string());
            conditions.add(format!("{comparison} {day}"));
        }
        if let Some(part) = &self.part {
            let (from, to) = (conditions.bind_time(time(part.start)), conditions.bind_time(time(part.end)));
            conditions.add(format!("occurred_at >= {from} AND occurred_at < {to}"));
        }
        let seq = conditions.bind(self.seq_before);
        conditions.add(format!("seq < {seq}"));
        if self.seq_from > 0 {
            let seq = conditions.bind(self.seq_from);
            conditions.add(format!("seq >= {seq}"));
        }
        if let Some(after) = &self.after {
            let (time, seq) = (conditions.bind_time(time(after.occurred_at)), conditions.bind(after.seq));
            // The first says nothing that the second does not; files are pruned by it.
            conditions.add(format!("occurred_at >= {time}"));
            conditions.add(format!("(occurred_at > {time} OR seq > {seq})"));
        }
        let sql = format!("SELECT * FROM events {} ORDER BY occurred_at, seq", conditions.clause());
        Request { sql, params: conditions.params, scope }
    }
}
