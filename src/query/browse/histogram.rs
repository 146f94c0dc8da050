//! How many events there were, by time and by a field.
//!
//! In: a filter, an interval, a field or none. Out: the count of each interval (and value) that has events. Guaranteed: exact;
//! where the index keeps the counts (by day, action and outcome), no event is read.

use std::collections::BTreeMap;

use arrow::{
    array::{Array, AsArray},
    datatypes::{Date32Type, TimestampMicrosecondType},
};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, SecondsFormat, Utc};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use super::{Field, counts, missing, text_column};
use crate::{
    error::{Error, ErrorKind, Result},
    limits::HISTOGRAM_ROWS_MAX,
    query::{Filter, Request, Running, Scope},
};

/// How long one interval is, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// From a full hour.
    Hour,
    /// From midnight.
    #[default]
    Day,
    /// From Monday, as ISO 8601 has it.
    Week,
    /// From the first.
    Month,
}

impl Interval {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// # Errors
    /// [`ErrorKind::Invalid`], naming those that there are.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|interval| interval.name() == name).ok_or_else(|| {
            let message = format!("interval '{name}' is not one of {}", Self::ALL.map(Self::name).join(", "));
            Error::new(ErrorKind::Invalid, message)
        })
    }

    /// The first day of the interval that `day` is in.
    fn first_day(self, day: NaiveDate) -> NaiveDate {
        let back = match self {
            Self::Hour | Self::Day => 0,
            Self::Week => day.weekday().num_days_from_monday(),
            Self::Month => day.day0(),
        };
        day.checked_sub_days(Days::new(back.into())).unwrap_or(day)
    }
}

/// One count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// When the interval begins, RFC 3339.
    pub start: String,
    /// The value of the field; absent if none was asked for, null for events without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Option<String>>,
    /// How many events.
    pub count: u64,
}

/// All counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Histogram {
    /// How long each interval is.
    pub interval: Interval,
    /// What else was counted by.
    pub field: Option<&'static str>,
    /// How many events there are in all.
    pub events: u64,
    /// By time, then by value; only those that are not zero.
    pub bars: Vec<Bar>,
}

/// An interval and a value.
type Kind = (i64, Option<String>);

/// What to count.
#[derive(Clone, Debug)]
pub struct HistogramQuery {
    /// Which events.
    pub filter: Filter,
    /// How long each interval is.
    pub interval: Interval,
    /// What else to count by.
    pub field: Option<Field>,
}

impl HistogramQuery {
    /// The question of [`HistogramQuery::read`].
    pub fn request(&self, scope: Scope) -> Request {
        let conditions = match self.interval {
            Interval::Hour => self.filter.conditions(),
            _ => self.filter.conditions_by_day(),
        };
        // Days are what the index keeps counts by; longer intervals are made of them.
        let start = if self.interval == Interval::Hour { "date_trunc('hour', occurred_at)" } else { "day" };
        let (value, by_value) = match self.field {
            Some(Field(field)) => (format!(", {field} AS value"), format!(", {field}")),
            None => (String::new(), String::new()),
        };
        let sql = format!(
            "SELECT {start} AS start{value}, count(*) AS count FROM events {} GROUP BY {start}{by_value}",
            conditions.clause()
        );
        Request { sql, params: conditions.params, scope }
    }

    /// The counts that the answer to [`HistogramQuery::request`] is.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] if there are more than [`HISTOGRAM_ROWS_MAX`]; the answer's.
    pub async fn read(&self, mut running: Running) -> Result<Histogram> {
        let mut sums: BTreeMap<Kind, u64> = BTreeMap::new();
        while let Some(batch) = running.next().await {
            let batch = batch?;
            let count = counts(&batch, "count")?;
            let values = self.field.map(|_| text_column(&batch, "value")).transpose()?;
            for row in 0..batch.num_rows() {
                let value =
                    values.as_ref().filter(|values| values.is_valid(row)).map(|values| values.value(row));
                let kind = (start(&batch, row, self.interval)?, value.map(str::to_owned));
                *sums.entry(kind).or_default() += count.value(row) as u64;
            }
            if sums.len() as u64 > HISTOGRAM_ROWS_MAX {
                let message = format!(
                    "there are more than {HISTOGRAM_ROWS_MAX} counts: ask for a shorter time, a longer interval or another field"
                );
                return Err(Error::new(ErrorKind::Limit, message));
            }
        }
        let bar = |((start, value), count): (Kind, u64)| Bar {
            start: rfc3339(start),
            value: self.field.map(|_| value),
            count,
        };
        Ok(Histogram {
            interval: self.interval,
            field: self.field.map(Field::name),
            events: sums.values().sum(),
            bars: sums.into_iter().map(bar).collect(),
        })
    }
}

/// When the interval of a row begins, in microseconds since 1970.
fn start(batch: &arrow::array::RecordBatch, row: usize, interval: Interval) -> Result<i64> {
    let column = batch.column_by_name("start").ok_or_else(|| missing("start"))?;
    if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return Ok(times.value(row));
    }
    let days = column.as_primitive_opt::<Date32Type>().ok_or_else(|| missing("start"))?;
    let day = Date32Type::to_naive_date_opt(days.value(row)).ok_or_else(|| missing("start"))?;
    Ok(interval.first_day(day).and_time(NaiveTime::MIN).and_utc().timestamp_micros())
}

fn rfc3339(micros: i64) -> String {
    let time: DateTime<Utc> = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a week that begins on a Sunday, or a month on another day than its first.
    #[test]
    fn intervals_begin_where_people_expect() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        for (interval, of, first) in [
            (Interval::Day, "2026-11-24", "2026-11-24"),
            (Interval::Week, "2026-11-24", "2026-11-23"),
            (Interval::Week, "2026-11-22", "2026-11-16"),
            (Interval::Week, "2027-01-01", "2026-12-28"),
            (Interval::Month, "2026-11-30", "2026-11-01"),
        ] {
            assert_eq!(interval.first_day(day(of)), day(first), "{interval:?} of {of}");
        }
    }
}
