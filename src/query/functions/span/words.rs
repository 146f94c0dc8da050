//! Spans of time in quotes, in the forms that PostgreSQL reads and the engine does not: `'2:03'` and `'1 day 02:30:00'`.
//!
//! In: the text of a constant. Out: the same with words for the hours, minutes and seconds of its clock.

use datafusion::{
    arrow::datatypes::{DataType, IntervalUnit},
    logical_expr::{Expr, cast, lit},
};

/// `interval '1 day 02:30:00'` with words for its clock.
pub(crate) fn clock_in_words(interval: &str) -> Option<String> {
    let (before, clock) = interval.trim().rsplit_once(char::is_whitespace).unwrap_or(("", interval.trim()));
    let (sign, clock) = match clock.strip_prefix('-') {
        Some(clock) => ("-", clock),
        None => ("", clock),
    };
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let is_number =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if parts.next().is_some() || ![hours, minutes, seconds].into_iter().all(is_number) {
        return None;
    }
    let words = format!("{before} {sign}{hours} hours {sign}{minutes} minutes {sign}{seconds} seconds");
    Some(words.trim_start().to_string())
}

/// A constant in quotes as the span that it is.
pub(in crate::query::functions) fn span_of(constant: Expr) -> Expr {
    let words = match &constant {
        Expr::Literal(value, _) => value.try_as_str().flatten().and_then(clock_in_words),
        _ => None,
    };
    cast(words.map_or(constant, lit), DataType::Interval(IntervalUnit::MonthDayNano))
}
