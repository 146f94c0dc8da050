//! `to_char(t, 'YYYY-MM-DD HH24:MI')`: a time as text, in PostgreSQL's patterns.
//!
//! In: a time (an instant is shown in UTC) or a date, and a constant pattern. Out: text. Refused: numbers and intervals.

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{AsArray, StringArray},
    datatypes::{DataType, TimestampMicrosecondType},
};
use chrono::{Datelike, NaiveDateTime, Timelike};
use datafusion::{
    common::plan_err,
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF},
};

use super::{
    frame::{Function, udf},
    pattern::{self, Case, Field, Item, Kind},
    text,
};

/// How wide names of months and days are, filled up with blanks.
const NAME_WIDTH: usize = 9;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
/// What is added to days since 0001-01-01, which is day 1, for Julian days.
const JULIAN_DAYS_BEFORE: i64 = 1_721_425;

/// The function, for registration.
pub(super) fn function() -> Arc<ScalarUDF> {
    udf(ToChar)
}

/// Names of months.
pub(super) fn months() -> &'static [&'static str] {
    &MONTHS
}

/// Names of days, from Monday.
pub(super) fn days() -> &'static [&'static str] {
    &DAYS
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToChar;

impl Function for ToChar {
    fn name(&self) -> &'static str {
        "to_char"
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [time, pattern] = types else {
            return plan_err!(
                "to_char takes a time and a pattern, as in to_char(occurred_at, 'YYYY-MM-DD HH24:MI')"
            );
        };
        if !pattern.is_string() && !pattern.is_null() {
            return plan_err!(
                "to_char takes a pattern as text, as in to_char(occurred_at, 'YYYY-MM-DD HH24:MI')"
            );
        }
        let time = match time {
            DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 => text::local(),
            DataType::Timestamp(_, Some(_)) | DataType::Null => text::utc(),
            other if other.is_numeric() => {
                return plan_err!("to_char of a number is not available; write round(x, 2)::text");
            }
            other => return plan_err!("to_char takes a time, not {other}; cast it to timestamp first"),
        };
        Ok(vec![time, DataType::Utf8])
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_instant = matches!(args.arg_fields[0].data_type(), DataType::Timestamp(_, Some(_)));
        let pattern =
            text::constant(&args, 1, "the pattern of to_char")?.filter(|pattern| !pattern.is_empty());
        let Some(pattern) = pattern else {
            return Ok(text::answer(Arc::new(StringArray::new_null(args.number_rows))));
        };
        let items = pattern::parse(pattern)?;
        let times = text::column(&args, 0, &if is_instant { text::utc() } else { text::local() })?;
        let shown = times.as_primitive::<TimestampMicrosecondType>().iter().map(|micros| {
            let Some(micros) = micros else { return Ok(None) };
            let time = text::clock_time(micros)?;
            let mut out = String::new();
            items.iter().for_each(|item| append(item, time, is_instant, &mut out));
            Ok(Some(out))
        });
        let shown: StringArray = shown.collect::<Result<_>>()?;
        Ok(text::answer(Arc::new(shown)))
    }
}

fn append(item: &Item, time: NaiveDateTime, is_instant: bool, out: &mut String) {
    let field = match item {
        Item::Letter(letter, _) => return out.push(*letter),
        Item::Field(field) => *field,
    };
    let Field { kind, is_bare, .. } = field;
    let micros = time.nanosecond() / 1_000;
    let week = time.iso_week();
    // Year 0 is 1 BC.
    let year = i64::from(time.year());
    let shown_year = if year <= 0 { 1 - year } else { year };
    let iso_year = i64::from(week.year());
    let weekday = time.weekday().num_days_from_monday() as usize;
    let last_digits =
        |year: i64, digits: usize| if digits == 4 { year } else { year % 10_i64.pow(digits as u32) };
    let mut number = |value: i64, width: usize| push_number(value, width, field, out);
    match kind {
        Kind::Hour24 => number(time.hour().into(), 2),
        Kind::Hour12 => number(i64::from((time.hour() + 11) % 12 + 1), 2),
        Kind::Minute => number(time.minute().into(), 2),
        Kind::Second => number(time.second().into(), 2),
        Kind::Millisecond => number(i64::from(micros / 1_000), 3),
        Kind::Microsecond => number(micros.into(), 6),
        Kind::Fraction(digits) => {
            // Digits after a point are never left out.
            let field = Field { is_bare: false, ..field };
            push_number(i64::from(micros / 10_u32.pow(6 - digits)), digits as usize, field, out);
        }
        Kind::SecondOfDay => number(time.num_seconds_from_midnight().into(), 1),
        Kind::Year(digits) => number(last_digits(shown_year, digits), digits),
        Kind::YearWithComma => {
            let _ = write!(out, "{},{:03}", shown_year / 1_000, shown_year % 1_000);
        }
        Kind::IsoYear(digits) => number(last_digits(iso_year, digits), digits),
        Kind::Month => number(time.month().into(), 2),
        Kind::Day => number(time.day().into(), 2),
        Kind::DayOfYear => number(time.ordinal().into(), 3),
        Kind::IsoDayOfYear => number(i64::from((week.week() - 1) * 7) + weekday as i64 + 1, 3),
        Kind::DayOfWeek => number((weekday as i64 + 1) % 7 + 1, 1),
        Kind::IsoDayOfWeek => number(weekday as i64 + 1, 1),
        Kind::WeekOfMonth => number(i64::from(time.day0() / 7 + 1), 1),
        Kind::WeekOfYear => number(i64::from(time.ordinal0() / 7 + 1), 2),
        Kind::IsoWeek => number(week.week().into(), 2),
        Kind::Century => number((year + 99).div_euclid(100), 2),
        Kind::Julian => number(i64::from(time.num_days_from_ce()) + JULIAN_DAYS_BEFORE, 1),
        Kind::Quarter => number(i64::from(time.month0() / 3 + 1), 1),
        Kind::MonthName(case) => push_name(MONTHS[time.month0() as usize], case, is_bare, NAME_WIDTH, out),
        Kind::MonthShort(case) => push_name(&MONTHS[time.month0() as usize][..3], case, true, 0, out),
        Kind::MonthRoman(case) => push_name(ROMAN[time.month0() as usize], case, is_bare, 4, out),
        Kind::DayName(case) => push_name(DAYS[weekday], case, is_bare, NAME_WIDTH, out),
        Kind::DayShort(case) => push_name(&DAYS[weekday][..3], case, true, 0, out),
        Kind::HalfDay(case, points) => {
            let name = match (time.hour() < 12, points) {
                (true, false) => "AM",
                (true, true) => "A.M.",
                (false, false) => "PM",
                (false, true) => "P.M.",
            };
            push_name(name, case, true, 0, out);
        }
        Kind::Era(case, points) => {
            let name = match (year > 0, points) {
                (true, false) => "AD",
                (true, true) => "A.D.",
                (false, false) => "BC",
                (false, true) => "B.C.",
            };
            push_name(name, case, true, 0, out);
        }
        Kind::Zone(case) if is_instant => push_name("UTC", case, true, 0, out),
        Kind::Zone(_) => {}
        Kind::ZoneHours | Kind::Offset => out.push_str("+00"),
        Kind::ZoneMinutes => out.push_str("00"),
    }
}

fn push_number(value: i64, width: usize, field: Field, out: &mut String) {
    let width = if field.is_bare { 0 } else { width };
    // Writing to a text never fails.
    let _ = write!(out, "{value:0width$}");
    if let Some(capitals) = field.ordinal {
        let ending = match (value % 100, value % 10) {
            (11..=13, _) => "TH",
            (_, 1) => "ST",
            (_, 2) => "ND",
            (_, 3) => "RD",
            _ => "TH",
        };
        out.push_str(&if capitals { ending.to_string() } else { ending.to_lowercase() });
    }
}

fn push_name(name: &str, case: Case, is_bare: bool, width: usize, out: &mut String) {
    let name = match case {
        Case::Upper => name.to_uppercase(),
        Case::Capital => name.to_string(),
        Case::Lower => name.to_lowercase(),
    };
    let width = if is_bare { 0 } else { width };
    let _ = write!(out, "{name:<width$}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(micros: i64, pattern: &str) -> String {
        let mut out = String::new();
        let time = text::clock_time(micros).unwrap();
        pattern::parse(pattern).unwrap().iter().for_each(|item| append(item, time, true, &mut out));
        out
    }

    /// What PostgreSQL 15 answers. Would catch fields that are one off, filled up wrongly or in other letters.
    #[test]
    fn as_postgresql_shows_it() {
        // 2026-11-01T03:04:05.678901Z, a Sunday.
        let at = 1_793_502_245_678_901;
        for (pattern, expected) in [
            ("YYYY-MM-DD HH24:MI:SS", "2026-11-01 03:04:05"),
            ("YYYY-MM-DD\"T\"HH24:MI:SS.US", "2026-11-01T03:04:05.678901"),
            ("HH12:MI AM", "03:04 AM"),
            ("Day, DD Month YYYY", "Sunday   , 01 November  2026"),
            ("FMDay, FMDD FMMonth YYYY", "Sunday, 1 November 2026"),
            ("DY Dy dy MON Mon mon", "SUN Sun sun NOV Nov nov"),
            ("DDD IDDD D ID W WW IW Q CC J", "305 308 1 7 1 44 44 4 21 2461346"),
            ("FMDDth FMDDTH", "1st 1ST"),
            ("MS US FF2 SSSS", "678 678901 67 11045"),
            ("Y,YYY YYY YY Y IYYY", "2,026 026 26 6 2026"),
            ("RM BC a.m. TZ TZH:TZM OF", "XI   AD a.m. UTC +00:00 +00"),
        ] {
            assert_eq!(shown(at, pattern), expected, "{pattern}");
        }
    }
}
