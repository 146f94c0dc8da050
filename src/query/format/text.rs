//! Values as text: what JSON, CSV and the text table share.
//!
//! In: a column. Out: a formatter that appends the text of one row's value. Times, dates and binary have the
//! forms that `format.rs` documents; nested values are JSON.

use arrow::{
    array::Array,
    datatypes::{DataType, FieldRef},
    error::ArrowError,
    json::{
        EncoderOptions, WriterBuilder,
        writer::{NullableEncoder, make_encoder},
    },
    util::display::{ArrayFormatter, FormatOptions},
};

const DATE: &str = "%Y-%m-%d";
const TIME: &str = "%H:%M:%S%.6f";
/// Times without a zone.
const LOCAL: &str = "%Y-%m-%dT%H:%M:%S%.6f";
/// Times in UTC; every zone is UTC by then, see `query/plan.rs`.
const UTC: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

const PLAIN: FormatOptions<'static> = FormatOptions::new()
    .with_display_error(false)
    .with_null("")
    .with_date_format(Some(DATE))
    .with_datetime_format(Some(LOCAL))
    .with_time_format(Some(TIME))
    .with_timestamp_format(Some(LOCAL))
    .with_timestamp_tz_format(Some(UTC));

/// A JSON writer whose rows have every column, null or not.
pub(crate) fn json_writer() -> WriterBuilder {
    WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_date_format(DATE.to_string())
        .with_datetime_format(LOCAL.to_string())
        .with_time_format(TIME.to_string())
        .with_timestamp_format(LOCAL.to_string())
        .with_timestamp_tz_format(UTC.to_string())
}

/// The same forms for one value at a time.
pub(crate) fn json_options() -> EncoderOptions {
    EncoderOptions::default()
        .with_explicit_nulls(true)
        .with_date_format(DATE.to_string())
        .with_datetime_format(LOCAL.to_string())
        .with_time_format(TIME.to_string())
        .with_timestamp_format(LOCAL.to_string())
        .with_timestamp_tz_format(UTC.to_string())
}

/// One column's values as text.
pub(crate) enum Cells<'a> {
    Plain(ArrayFormatter<'a>),
    Nested(NullableEncoder<'a>),
}

impl<'a> Cells<'a> {
    pub(crate) fn new(
        field: &'a FieldRef,
        column: &'a dyn Array,
        options: &'a EncoderOptions,
    ) -> Result<Self, ArrowError> {
        Ok(if column.data_type().is_nested() {
            Self::Nested(make_encoder(field, column, options)?)
        } else {
            Self::Plain(ArrayFormatter::try_new(column, &PLAIN)?)
        })
    }

    /// Appends the value of `row`, which is not null.
    pub(crate) fn append(&mut self, row: usize, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        match self {
            Self::Plain(formatter) => {
                use std::io::Write;
                // Writing to memory fails only if formatting does.
                write!(out, "{}", formatter.value(row).try_to_string()?)?;
            }
            Self::Nested(encoder) => encoder.encode(row, out),
        }
        Ok(())
    }
}

/// A type's name in the JSON document: short, lower case, stable.
pub(super) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "string".to_string(),
        DataType::Timestamp(..) => "timestamp".to_string(),
        DataType::Date32 => "date".to_string(),
        DataType::List(item) => format!("list<{}>", type_name(item.data_type())),
        other => other.to_string().to_lowercase(),
    }
}
