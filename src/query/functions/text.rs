//! What functions over text and times share: arguments as columns, constants as constants.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, TimestampMicrosecondArray},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, TimeUnit},
};
use chrono::{DateTime, NaiveDateTime};
use datafusion::{
    common::exec_datafusion_err,
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs},
};

/// The text of a constant argument; `None` for null.
pub(super) fn constant<'a>(
    args: &'a ScalarFunctionArgs,
    position: usize,
    what: &str,
) -> Result<Option<&'a str>> {
    match &args.args[position] {
        ColumnarValue::Scalar(value) => Ok(value.try_as_str().flatten()),
        ColumnarValue::Array(_) => Err(exec_datafusion_err!(
            "{what} has to be a constant; write it as a text, or give it as a parameter"
        )),
    }
}

/// An argument as a column of a type.
pub(super) fn column(args: &ScalarFunctionArgs, position: usize, data_type: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(&args.args[position].to_array(args.number_rows)?, data_type, &options)?)
}

/// The type of times without a zone.
pub(super) fn local() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// The type of times in UTC.
pub(super) fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

/// A clock's time of microseconds since 1970.
pub(super) fn clock_time(micros: i64) -> Result<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros)
        .map(|time| time.naive_utc())
        .ok_or_else(|| exec_datafusion_err!("a time is out of range; write one of a year of four digits"))
}

/// Times, with the zone UTC or without one.
pub(super) fn times(
    micros: impl Iterator<Item = Result<Option<i64>>>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let times: TimestampMicrosecondArray = micros.collect::<Result<_>>()?;
    Ok(match data_type {
        DataType::Timestamp(_, Some(zone)) => Arc::new(times.with_timezone(Arc::clone(zone))),
        _ => Arc::new(times),
    })
}

/// One value if all arguments were constants, else the column.
pub(super) fn answer(array: ArrayRef) -> ColumnarValue {
    ColumnarValue::Array(array)
}
