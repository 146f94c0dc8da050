//! One page of events.
//!
//! In: a filter, an order, and where the page before ended. Out: the next events as JSON, and where they end. Guaranteed:
//! whoever walks from page to page is given every event once that was visible when the walk began, and none twice,
//! whatever arrives, is committed or compacted meanwhile: the order is by what never changes of an event (`occurred_at`,
//! then `tenant_id` and `id`, which no two share), and a page begins right after the last event of the one before. Events
//! that arrive meanwhile are on a later page if they belong after its end. The records that reading itself leaves in the
//! log are not, or a walk forwards would never end.

use std::collections::BTreeSet;

use arrow::{
    array::{AsArray, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::TimestampMicrosecondType,
};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use super::{first::First, missing, text_column};
use crate::{
    error::Result,
    event::{
        canonical::Rows,
        decode::OWN_ACTIONS,
        schema::{ID, OCCURRED_AT, TENANT_ID},
    },
    limits::PAGE_AT_ONCE_ROWS_MAX,
    query::{ActionPattern, Filter, Request, Running, Scope, Statistics, filter::Conditions},
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

/// From when to when a page goes.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// When its first event occurred, in microseconds since 1970.
    first: i64,
    /// The same of its last event, and of the one after it.
    last: i64,
    /// Whether there are events after it.
    more: bool,
}

impl PageQuery {
    /// Whether so few events can match that their [`Extent`] need not be found first.
    pub fn seeks_few(&self) -> bool {
        self.filter.id.is_some() || self.filter.request_id.is_some()
    }

    /// Whether the filter names something of which most logs have few events, so that [`PageQuery::first_request`] may do.
    pub fn names_one(&self) -> bool {
        let Filter { actor_id, actor_email, target_id, session_id, correlation_id, .. } = &self.filter;
        [actor_id, actor_email, target_id, session_id, correlation_id].iter().any(|named| named.is_some())
            || self.filter.ip_address.is_some()
    }

    /// The page in one question, for [`PageQuery::read`]: of the few rows that an index has left all columns can be read at once. It
    /// asks for the whole order of a page, or it might end among events of one time and leave out some of them.
    pub fn first_request(&self, scope: Scope) -> Request {
        let conditions = self.conditions();
        let (clause, rows) = (conditions.clause(), self.limit + 1);
        let (direction, _) = self.order.sql();
        let order = [OCCURRED_AT, TENANT_ID, ID].map(|column| format!("{column} {direction}")).join(", ");
        let sql = format!("SELECT * FROM events {clause} ORDER BY {order} LIMIT {rows}");
        Request { sql, params: conditions.params, scope }
    }

    /// Whether `running`, the answer to [`PageQuery::first_request`], looks at so few rows that all of it can be read.
    pub fn reads_few(&self, running: &Running) -> bool {
        running.rows_kept() <= PAGE_AT_ONCE_ROWS_MAX
    }

    /// The question of [`PageQuery::read_extent`]. To find a page by its times alone reads one column; to read all columns of all
    /// that might be on it takes many times as long, and more memory than a query has where a filter fits many events.
    pub fn extent_request(&self, scope: Scope) -> Request {
        let conditions = self.conditions();
        let (direction, _) = self.order.sql();
        let rows = self.limit + 1;
        let clause = conditions.clause();
        let sql =
            format!("SELECT occurred_at FROM events {clause} ORDER BY occurred_at {direction} LIMIT {rows}");
        Request { sql, params: conditions.params, scope }
    }

    /// From when to when the page goes; `None`: there are no events.
    ///
    /// # Errors
    /// The answer's.
    pub async fn read_extent(&self, mut running: Running) -> Result<Option<Extent>> {
        let mut extent: Option<Extent> = None;
        let mut rows = 0;
        while let Some(batch) = running.next().await {
            let batch = batch?;
            let times = times(&batch)?;
            rows += times.len() as u64;
            if !times.is_empty() {
                let (first, last) = (times.value(0), times.value(times.len() - 1));
                extent =
                    Some(Extent { first: extent.map_or(first, |extent| extent.first), last, more: false });
            }
        }
        Ok(extent.map(|extent| Extent { more: rows > self.limit, ..extent }))
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

    /// The question of [`PageQuery::read`], within `extent` if it is known. It has no order: a sort of DataFusion's would hold, for
    /// each row, all that was decoded with it, which is more memory than a query has where rows come from many files.
    pub fn request(&self, scope: Scope, extent: Option<&Extent>) -> Request {
        let mut conditions = self.conditions();
        if let Some(extent) = extent {
            let (from, to) = (extent.first.min(extent.last), extent.first.max(extent.last));
            let (from, to) = (conditions.bind_time(time(from)), conditions.bind_time(time(to)));
            conditions.add(format!("occurred_at >= {from} AND occurred_at <= {to}"));
        }
        let sql = format!("SELECT * FROM events {}", conditions.clause());
        Request { sql, params: conditions.params, scope }
    }

    /// The page that the answer to [`PageQuery::request`] is. It may have fewer events than asked for and not be the last
    /// one, if they are large.
    ///
    /// # Errors
    /// The answer's.
    pub async fn read(&self, mut running: Running, extent: Option<&Extent>) -> Result<Page> {
        let mut first = First::new(self.order, self.limit);
        while let Some(batch) = running.next().await {
            let batch = batch?;
            let (rows, places) = (Rows::new(&batch)?, Places::of(&batch)?);
            for row in 0..rows.len() {
                first.offer(places.get(row), |event| rows.push_api(row, event));
            }
        }
        // Retention may have taken what came next.
        let more = first.more() || extent.is_some_and(|extent| extent.more);
        let tenants: BTreeSet<&str> = first.positions().map(|position| &*position.tenant_id).collect();
        let tenants = tenants.len();
        let end = first.positions().last().filter(|_| more).cloned();
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
