//! One page of events.
//!
//! In: a filter, an order, and where the page before ended. Out: the next events as JSON, and where they end. Guaranteed:
//! whoever walks from page to page is given every event once that was visible when the walk began, and none twice,
//! whatever arrives, is committed or compacted meanwhile: the order is by what never changes of an event (`occurred_at`,
//! then `tenant_id` and `id`, which no two share), and a page begins right after the last event of the one before. Events
//! that arrive meanwhile are on a later page if they belong after its end. The records that reading itself leaves in the
//! log are not, or a walk forwards would never end.

use std::{collections::BTreeSet, ops::Range};

use arrow::{
    array::{Array, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::TimestampMicrosecondType,
};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use super::{first::First, missing, text_column};
use crate::{
    error::Result,
    event::{
        decode::OWN_ACTIONS,
        schema::{ID, OCCURRED_AT, TENANT_ID},
    },
    query::{
        ActionPattern, Filter, FirstEvents, Running, Scope, Statistics, columns::EVENT,
        conditions::Conditions, topk::Direction,
    },
};

/// Which events come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The newest.
    #[default]
    Desc,
    /// The oldest.
    Asc,
}

impl Order {
    fn sql(self) -> (&'static str, &'static str) {
        match self {
            Self::Desc => ("DESC", "<"),
            Self::Asc => ("ASC", ">"),
        }
    }
}

/// The place of an event in the order, which is that of the members.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Microseconds since 1970.
    #[serde(rename = "t")]
    pub occurred_at: i64,
    /// Whose.
    #[serde(rename = "n")]
    pub tenant_id: String,
    /// Which.
    #[serde(rename = "i")]
    pub id: String,
}

/// What to ask for.
#[derive(Clone, Debug)]
pub struct PageQuery {
    /// Which events.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// How many at most.
    pub limit: u64,
    /// Where the page before ended, and when the walk began, in microseconds since 1970; `None` for the first page.
    pub after: Option<(Position, i64)>,
}

/// Events and what follows.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Each as the API shows it.
    pub events: Vec<String>,
    /// How many tenants they are of.
    pub tenants: usize,
    /// Where the page ends; `None`: there is nothing after it.
    pub end: Option<Position>,
    /// What it cost.
    pub statistics: Statistics,
}

impl PageQuery {
    /// The question of [`PageQuery::read`]: one event more than a page has tells whether it is the last.
    pub fn question(&self, scope: Scope) -> FirstEvents {
        let direction = Direction { oldest_first: self.order == Order::Asc, times: self.times() };
        let rows = usize::try_from(self.limit).unwrap_or(usize::MAX).saturating_add(1);
        FirstEvents { conditions: self.conditions(), direction, rows, scope }
    }

    /// From when to when its events can be.
    fn times(&self) -> Range<i64> {
        let micros = |time: &Option<DateTime<Utc>>| time.map(|time| time.timestamp_micros());
        let from = micros(&self.filter.from).unwrap_or(i64::MIN);
        let to = micros(&self.filter.to).unwrap_or(i64::MAX);
        match (&self.after, self.order) {
            (None, _) => from..to,
            (Some((position, _)), Order::Asc) => from.max(position.occurred_at)..to,
            (Some((position, _)), Order::Desc) => from..to.min(position.occurred_at.saturating_add(1)),
        }
    }

    fn conditions(&self) -> Conditions {
        let mut conditions = self.filter.conditions();
        let (_, beyond) = self.order.sql();
        if let Some((position, began_at)) = &self.after {
            continue_after(&mut conditions, position, beyond);
            leave_out_own_records(&mut conditions, *began_at);
        }
        conditions
    }

    /// The page that the answer to [`PageQuery::question`] is. It may have fewer events than asked for and not be the last
    /// one, if they are large.
    ///
    /// # Errors
    /// The answer's.
    pub async fn read(&self, mut running: Running) -> Result<Page> {
        let mut first = First::new(self.order, self.limit);
        while let Some(batch) = running.next().await {
            let batch = batch?;
            let (events, places) = (text_column(&batch, EVENT)?, Places::of(&batch)?);
            for row in 0..events.len() {
                first.offer(places.get(row), |event| event.push_str(events.value(row)));
            }
        }
        let tenants: BTreeSet<&str> = first.positions().map(|position| &*position.tenant_id).collect();
        let tenants = tenants.len();
        let end = first.positions().last().filter(|_| first.more()).cloned();
        Ok(Page { events: first.into_events(), tenants, end, statistics: running.statistics() })
    }
}

/// Only what comes after `position`.
fn continue_after(conditions: &mut Conditions, position: &Position, beyond: &str) {
    let time = conditions.bind_time(time(position.occurred_at));
    let tenant = conditions.bind(position.tenant_id.as_str());
    let id = conditions.bind(position.id.as_str());
    // The first says nothing that the second does not; files are pruned by it.
    conditions.add(format!("occurred_at {beyond}= {time}"));
    conditions.add(format!(
        "(occurred_at {beyond} {time} OR tenant_id {beyond} {tenant} OR (tenant_id = {tenant} AND id {beyond} {id}))"
    ));
}

/// No record of reading that was made since the walk began.
fn leave_out_own_records(conditions: &mut Conditions, began_at: i64) {
    let began_at = conditions.bind_time(time(began_at));
    let own = conditions.action(&ActionPattern::beginning(OWN_ACTIONS));
    conditions.add(format!("NOT (received_at >= {began_at} AND {own})"));
}

pub(super) fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

fn times(batch: &RecordBatch) -> Result<&TimestampMicrosecondArray> {
    let times = batch.column_by_name(OCCURRED_AT).ok_or_else(|| missing(OCCURRED_AT))?;
    times.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| missing(OCCURRED_AT))
}

/// Where each row of a batch is in the order.
struct Places<'a> {
    times: &'a TimestampMicrosecondArray,
    tenants: StringArray,
    ids: StringArray,
}

impl<'a> Places<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self> {
        Ok(Self {
            times: times(batch)?,
            tenants: text_column(batch, TENANT_ID)?,
            ids: text_column(batch, ID)?,
        })
    }

    fn get(&self, row: usize) -> Position {
        Position {
            occurred_at: self.times.value(row),
            tenant_id: self.tenants.value(row).to_owned(),
            id: self.ids.value(row).to_owned(),
        }
    }
}
