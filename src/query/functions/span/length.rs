//! How long a span of time is, in microseconds.
//!
//! In: an interval, or a difference of two times. Out: its length: a month has thirty days and a day 24 hours, as where PostgreSQL compares.

use std::sync::Arc;

use arrow::{
    array::{AsArray, Int64Array},
    datatypes::{DataType, IntervalMonthDayNanoType, IntervalUnit},
};
use datafusion::{
    common::{exec_datafusion_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF},
};

use super::super::{
    frame::{Function, udf},
    text,
};

const DAY_MICROS: i64 = 86_400_000_000;
const MONTH_DAYS: i64 = 30;

/// The function, for registration.
pub(crate) fn function() -> Arc<ScalarUDF> {
    udf(Length)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Length;

impl Function for Length {
    fn name(&self) -> &'static str {
        "interval_microseconds"
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Interval(_) | DataType::Duration(_) | DataType::Null] => {
                Ok(vec![DataType::Interval(IntervalUnit::MonthDayNano)])
            }
            _ => plan_err!("interval_microseconds takes an interval"),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let spans = text::column(&args, 0, &DataType::Interval(IntervalUnit::MonthDayNano))?;
        let lengths = spans.as_primitive::<IntervalMonthDayNanoType>().iter().map(|span| {
            let Some(span) = span else { return Ok(None) };
            let days = i64::from(span.months) * MONTH_DAYS + i64::from(span.days);
            let micros =
                days.checked_mul(DAY_MICROS).and_then(|micros| micros.checked_add(span.nanoseconds / 1_000));
            micros.map(Some).ok_or_else(|| exec_datafusion_err!("an interval is out of range"))
        });
        Ok(text::answer(Arc::new(lengths.collect::<Result<Int64Array>>()?)))
    }
}
