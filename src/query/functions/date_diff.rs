//! `date_diff('day', a, b)`: how many borders of a unit lie between two times, as DuckDB counts them.
//!
//! In: a constant unit and two times (instants in UTC) or dates. Out: a whole number, negative if `b` is before `a`.

use std::sync::Arc;

use arrow::{
    array::{AsArray, Int64Array},
    datatypes::{DataType, TimestampMicrosecondType},
};
use chrono::{Datelike, NaiveDateTime};
use datafusion::{
    common::{exec_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF},
};

use super::{
    frame::{Function, udf},
    text,
};

const DAY_MICROS: i64 = 86_400_000_000;
/// 1970-01-01 was a Thursday; weeks start on Monday.
const DAYS_TO_MONDAY: i64 = 3;

/// The function, for registration.
pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(udf(DateDiff).as_ref().clone().with_aliases(["datediff"]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateDiff;

impl Function for DateDiff {
    fn name(&self) -> &'static str {
        "date_diff"
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_time = |given: &DataType| given.is_temporal() || given.is_string() || given.is_null();
        match types {
            [unit, from, to] if (unit.is_string() || unit.is_null()) && is_time(from) && is_time(to) => {
                Ok(vec![DataType::Utf8, text::local(), text::local()])
            }
            _ => plan_err!("date_diff takes a unit and two times, as in date_diff('day', a, b)"),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(unit) = text::constant(&args, 0, "the unit of date_diff")? else {
            return Ok(text::answer(Arc::new(Int64Array::new_null(args.number_rows))));
        };
        let unit = unit.to_lowercase();
        let Some(count) = counter(unit.trim_end_matches('s')) else {
            return exec_err!(
                "date_diff: '{unit}' is no unit; write year, quarter, month, week, day, hour, minute, second or millisecond"
            );
        };
        let from = text::column(&args, 1, &text::local())?;
        let to = text::column(&args, 2, &text::local())?;
        let pairs = from.as_primitive::<TimestampMicrosecondType>().iter();
        let pairs = pairs.zip(to.as_primitive::<TimestampMicrosecondType>());
        let counted = pairs.map(|pair| match pair {
            (Some(from), Some(to)) => Ok(Some(count(to)? - count(from)?)),
            _ => Ok(None),
        });
        Ok(text::answer(Arc::new(counted.collect::<Result<Int64Array>>()?)))
    }
}

/// How many borders of a unit there are from a fixed time to another.
fn counter(unit: &str) -> Option<fn(i64) -> Result<i64>> {
    Some(match unit {
        "year" => |micros| calendar(micros, |time| time.year().into()),
        "quarter" => {
            |micros| calendar(micros, |time| i64::from(time.year()) * 4 + i64::from(time.month0() / 3))
        }
        "month" => |micros| calendar(micros, |time| i64::from(time.year()) * 12 + i64::from(time.month0())),
        "week" => |micros| Ok((micros.div_euclid(DAY_MICROS) + DAYS_TO_MONDAY).div_euclid(7)),
        "day" => |micros| Ok(micros.div_euclid(DAY_MICROS)),
        "hour" => |micros| Ok(micros.div_euclid(3_600_000_000)),
        "minute" => |micros| Ok(micros.div_euclid(60_000_000)),
        "second" => |micros| Ok(micros.div_euclid(1_000_000)),
        "millisecond" => |micros| Ok(micros.div_euclid(1_000)),
        "microsecond" => Ok,
        _ => return None,
    })
}

fn calendar(micros: i64, count: fn(NaiveDateTime) -> i64) -> Result<i64> {
    text::clock_time(micros).map(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch whole spans counted instead of borders, and weeks that start on Thursday.
    #[test]
    fn borders_are_counted() {
        let count = |unit: &str, from: i64, to: i64| {
            let count = counter(unit).unwrap();
            count(to).unwrap() - count(from).unwrap()
        };
        // 2026-11-01 is a Sunday: one second before Monday's midnight, and that midnight.
        let sunday = 1_793_491_200_000_000 + DAY_MICROS - 1_000_000;
        for (unit, expected) in
            [("second", 1), ("hour", 1), ("day", 1), ("week", 1), ("month", 0), ("year", 0)]
        {
            assert_eq!(count(unit, sunday, sunday + 1_000_000), expected, "{unit}");
        }
        assert_eq!(count("month", sunday, sunday - 2 * DAY_MICROS), -1);
        assert_eq!(count("day", -1, 0), 1);
    }
}
