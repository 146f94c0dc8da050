//! `to_timestamp('01.11.2026 03:04', 'DD.MM.YYYY HH24:MI')` and `to_date(…)`: text as a time, in PostgreSQL's patterns.
//!
//! In: text and a constant pattern. Out: a time in UTC, or a date; null for null. Read as PostgreSQL does: blanks before a field do
//! not matter, a separator of the pattern matches any one or none, text after the last field is not looked at. An error where the
//! text is not of that form or names no time, and for fields that say a day in ways that are not carried out (weeks, centuries).
//! With one argument: seconds since 1970 as a number, or an RFC 3339 text.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Date32Array},
    datatypes::{DataType, Float64Type},
};
use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta};
use datafusion::{
    common::{exec_datafusion_err, exec_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF},
};

use super::{
    frame::{Function, udf},
    pattern::{self, Item, Kind},
    text, to_char,
};

/// Letters of a name that tell it from the others.
const SHORT_NAME: usize = 3;

/// Both functions, for registration.
pub(super) fn functions() -> [Arc<ScalarUDF>; 2] {
    ["to_timestamp", "to_date"].map(|name| udf(ParseTime { name }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ParseTime {
    name: &'static str,
}

impl ParseTime {
    fn is_date(&self) -> bool {
        self.name == "to_date"
    }
}

impl Function for ParseTime {
    fn name(&self) -> &'static str {
        self.name
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.is_date() { DataType::Date32 } else { text::utc() })
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_text = |given: &DataType| given.is_string() || given.is_null();
        match types {
            [value, pattern] if is_text(value) && is_text(pattern) => Ok(vec![DataType::Utf8; 2]),
            [number] if number.is_numeric() && !self.is_date() => Ok(vec![DataType::Float64]),
            [time] if is_text(time) || time.is_temporal() => Ok(vec![self.return_type(types)?]),
            _ => {
                plan_err!("{0} takes a text and a pattern, as in {0}('2026-11-01', 'YYYY-MM-DD')", self.name)
            }
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let answers = args.return_field.data_type().clone();
        if args.args.len() == 1 {
            return match args.arg_fields[0].data_type() {
                DataType::Float64 => Ok(text::answer(from_seconds(&args, &answers)?)),
                _ => Ok(text::answer(text::column(&args, 0, &answers)?)),
            };
        }
        let Some(pattern) = text::constant(&args, 1, &format!("the pattern of {}", self.name))? else {
            return Ok(text::answer(arrow::array::new_null_array(&answers, args.number_rows)));
        };
        let items = pattern::parse(pattern)?;
        refuse_unread(self.name, &items)?;
        let texts = text::column(&args, 0, &DataType::Utf8)?;
        let times = texts.as_string::<i32>().iter().map(|value| {
            let Some(value) = value else { return Ok(None) };
            let time = Read::default().all(value, &items).and_then(|read| read.time());
            time.map(Some).ok_or_else(|| {
                exec_datafusion_err!(
                    "{}: '{value}' is no time of the form '{pattern}'; write a pattern for it",
                    self.name
                )
            })
        });
        let times: Vec<Option<NaiveDateTime>> = times.collect::<Result<_>>()?;
        Ok(text::answer(if self.is_date() {
            let days = times.into_iter().map(|time| time.map(|time| days_since_1970(time.date())));
            Arc::new(days.collect::<Date32Array>())
        } else {
            let micros = times.into_iter().map(|time| Ok(time.map(|time| time.and_utc().timestamp_micros())));
            text::times(micros, &answers)?
        }))
    }
}

fn days_since_1970(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - NaiveDate::default().num_days_from_ce()
}

fn from_seconds(args: &ScalarFunctionArgs, answers: &DataType) -> Result<ArrayRef> {
    let seconds = text::column(args, 0, &DataType::Float64)?;
    let micros = seconds.as_primitive::<Float64Type>().iter().map(|seconds| {
        let micros = seconds.map(|seconds| (seconds * 1e6).round_ties_even());
        match micros {
            Some(micros) if !(i64::MIN as f64..i64::MAX as f64).contains(&micros) => {
                exec_err!("to_timestamp: {} seconds are out of range; write seconds since 1970", micros / 1e6)
            }
            micros => Ok(micros.map(|micros| micros as i64)),
        }
    });
    text::times(micros, answers)
}

/// Refuses fields that are shown but not read.
fn refuse_unread(function: &str, items: &[Item]) -> Result<()> {
    let unread = items.iter().find_map(|item| match item {
        Item::Field(field) => match field.kind {
            Kind::IsoYear(_) | Kind::IsoDayOfYear | Kind::IsoWeek => Some("ISO weeks"),
            Kind::DayOfWeek | Kind::IsoDayOfWeek => Some("days of the week by number"),
            Kind::WeekOfMonth | Kind::WeekOfYear => Some("weeks"),
            Kind::Century => Some("centuries"),
            Kind::Julian => Some("Julian days"),
            Kind::MonthRoman(_) => Some("Roman months"),
            Kind::Zone(_) | Kind::Offset => Some("names of zones (write TZH:TZM for an offset)"),
            _ => None,
        },
        Item::Letter(..) => None,
    });
    match unread {
        Some(what) => plan_err!("{function} does not read {what}; write year, month and day in the pattern"),
        None => Ok(()),
    }
}

/// What has been read of one text.
#[derive(Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    second_of_day: Option<i64>,
    micros: i64,
    is_half_day: bool,
    is_afternoon: Option<bool>,
    is_before_christ: bool,
    zone_sign: i64,
    zone_minutes: i64,
}

impl Read {
    fn all(mut self, value: &str, items: &[Item]) -> Option<Self> {
        let mut rest = value.trim_start();
        // Blanks that were passed over, for which letters of the pattern may stand.
        let mut passed: usize = 0;
        for (position, item) in items.iter().enumerate() {
            if rest.is_empty() {
                break;
            }
            match item {
                Item::Letter(_, true) => {
                    if let Some(letter) = rest.chars().next()
                        && (letter.is_whitespace() || is_separator(letter))
                    {
                        rest = &rest[letter.len_utf8()..];
                    } else {
                        passed = passed.saturating_sub(1);
                    }
                }
                Item::Letter(_, false) if passed > 0 => passed -= 1,
                Item::Letter(_, false) => {
                    let letter = rest.chars().next()?;
                    rest = &rest[letter.len_utf8()..];
                }
                Item::Field(field) => {
                    let trimmed = rest.trim_start();
                    passed = rest.len() - trimmed.len();
                    let is_followed = matches!(items.get(position + 1), Some(Item::Field(_)));
                    rest = self.field(field.kind, trimmed, is_followed)?;
                    if field.ordinal.is_some() {
                        rest = rest.get(2..).unwrap_or_default();
                    }
                }
            }
        }
        Some(self)
    }

    fn field<'a>(&mut self, kind: Kind, rest: &'a str, is_followed: bool) -> Option<&'a str> {
        let number = |width: usize| {
            let (value, digits, after) = number(rest, if is_followed { Some(width) } else { None })?;
            Some((value, digits, after))
        };
        let after;
        match kind {
            Kind::Year(digits) => {
                let (value, read, then) = number(digits)?;
                self.year = Some(if digits < 4 && read < 4 { near_2020(value) } else { value });
                after = then;
            }
            Kind::YearWithComma => {
                let (thousands, then) = rest.split_once(',')?;
                let (value, _, then) = self::number(then, Some(3))?;
                self.year = Some(thousands.trim().parse::<i64>().ok()? * 1_000 + value);
                after = then;
            }
            Kind::Month => (self.month, after) = number(2).map(|(value, _, then)| (Some(value), then))?,
            Kind::Day => (self.day, after) = number(2).map(|(value, _, then)| (Some(value), then))?,
            Kind::DayOfYear => {
                (self.day_of_year, after) = number(3).map(|(value, _, then)| (Some(value), then))?;
            }
            Kind::Hour24 => (self.hour, after) = number(2).map(|(value, _, then)| (value, then))?,
            Kind::Hour12 => {
                (self.hour, after) = number(2).map(|(value, _, then)| (value, then))?;
                self.is_half_day = true;
            }
            Kind::Minute => (self.minute, after) = number(2).map(|(value, _, then)| (value, then))?,
            Kind::Second => (self.second, after) = number(2).map(|(value, _, then)| (value, then))?,
            Kind::SecondOfDay => {
                (self.second_of_day, after) = number(5).map(|(value, _, then)| (Some(value), then))?;
            }
            Kind::Millisecond => (self.micros, after) = fraction(rest, 3)?,
            Kind::Microsecond => (self.micros, after) = fraction(rest, 6)?,
            Kind::Fraction(digits) => (self.micros, after) = fraction(rest, digits as usize)?,
            Kind::HalfDay(_, points) => {
                let is_afternoon = rest.chars().next()?.eq_ignore_ascii_case(&'p');
                let form = if is_afternoon { ["PM", "P.M."] } else { ["AM", "A.M."] }[usize::from(points)];
                after = rest
                    .get(..form.len())
                    .filter(|start| start.eq_ignore_ascii_case(form))
                    .map(|_| &rest[form.len()..])?;
                self.is_afternoon = Some(is_afternoon);
            }
            Kind::Era(_, points) => {
                self.is_before_christ = rest.chars().next()?.eq_ignore_ascii_case(&'b');
                after = rest.get(if points { 4 } else { 2 }..)?;
            }
            Kind::MonthName(_) | Kind::MonthShort(_) => {
                let whole = matches!(kind, Kind::MonthName(_));
                let (month, then) = name(rest, to_char::months(), whole)?;
                self.month = Some(month as i64 + 1);
                after = then;
            }
            Kind::DayName(_) | Kind::DayShort(_) => {
                let whole = matches!(kind, Kind::DayName(_));
                after = name(rest, to_char::days(), whole)?.1;
            }
            Kind::Quarter => after = number(1)?.2,
            Kind::ZoneHours => {
                let (hours, _, then) = self::number(rest, Some(2))?;
                self.zone_sign = if rest.starts_with('-') { -1 } else { 1 };
                self.zone_minutes += hours.abs() * 60;
                after = then;
            }
            Kind::ZoneMinutes => {
                let (minutes, _, then) = self::number(rest, Some(2))?;
                self.zone_minutes += minutes;
                after = then;
            }
            _ => return None,
        }
        Some(after)
    }

    /// The instant that was read, in UTC.
    fn time(self) -> Option<NaiveDateTime> {
        let year = match (self.year, self.is_before_christ) {
            (Some(year), true) => 1 - year,
            (Some(year), false) => year,
            (None, _) => 0,
        };
        let year = i32::try_from(year).ok()?;
        let date = match self.day_of_year {
            Some(day) if self.month.is_none() => NaiveDate::from_yo_opt(year, u32::try_from(day).ok()?)?,
            _ => {
                let month = u32::try_from(self.month.unwrap_or(1)).ok()?;
                NaiveDate::from_ymd_opt(year, month, u32::try_from(self.day.unwrap_or(1)).ok()?)?
            }
        };
        let hour = match (self.is_half_day, self.is_afternoon) {
            (true, _) if !(1..=12).contains(&self.hour) => return None,
            (true, Some(afternoon)) => self.hour % 12 + if afternoon { 12 } else { 0 },
            (true, None) => self.hour % 12,
            (false, _) => self.hour,
        };
        let (hour, minute, second) = match self.second_of_day {
            Some(second) => (second / 3_600, second / 60 % 60, second % 60),
            None => (hour, self.minute, self.second),
        };
        let part = |value: i64| u32::try_from(value).ok();
        let time = date.and_hms_micro_opt(part(hour)?, part(minute)?, part(second)?, part(self.micros)?)?;
        time.checked_sub_signed(TimeDelta::minutes(self.zone_sign * self.zone_minutes))
    }
}

fn is_separator(letter: char) -> bool {
    letter.is_ascii_punctuation()
}

/// A number, how many digits it had, and what comes after it; at most `width` digits if one is given.
fn number(text: &str, width: Option<usize>) -> Option<(i64, usize, &str)> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count().min(width.unwrap_or(usize::MAX));
    let value: i64 = unsigned[..digits].parse().ok()?;
    Some((if text.starts_with('-') { -value } else { value }, digits, &unsigned[digits..]))
}

/// Digits after a point, as microseconds.
fn fraction(text: &str, width: usize) -> Option<(i64, &str)> {
    let (value, digits, after) = number(text, Some(width))?;
    Some((value * 10_i64.pow(6 - digits as u32), after))
}

/// Of years with fewer than four digits the one that is nearest to 2020.
fn near_2020(year: i64) -> i64 {
    match year {
        ..70 => year + 2_000,
        70..100 => year + 1_900,
        100..520 => year + 2_000,
        520..1_000 => year + 1_000,
        _ => year,
    }
}

/// Which name a text starts with, and what comes after it.
fn name<'a>(text: &'a str, names: &[&str], whole: bool) -> Option<(usize, &'a str)> {
    let fits = |name: &&str| {
        let length = if whole { name.len() } else { SHORT_NAME };
        text.get(..length).is_some_and(|start| start.eq_ignore_ascii_case(&name[..length]))
    };
    let found = names.iter().position(fits)?;
    Some((found, &text[if whole { names[found].len() } else { SHORT_NAME }..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str, pattern: &str) -> Option<String> {
        let items = pattern::parse(pattern).unwrap();
        Some(Read::default().all(value, &items)?.time()?.to_string())
    }

    /// What PostgreSQL 15 answers. Would catch texts that are read as another time than they name.
    #[test]
    fn as_postgresql_reads_it() {
        for (value, pattern, expected) in [
            ("2026-11-01 03:04:05.678", "YYYY-MM-DD HH24:MI:SS.MS", "2026-11-01 03:04:05.678"),
            ("20261101030405", "YYYYMMDDHH24MISS", "2026-11-01 03:04:05"),
            ("  1 Nov 2026", "DD Mon YYYY", "2026-11-01 00:00:00"),
            ("November 1, 2026", "Month DD, YYYY", "2026-11-01 00:00:00"),
            ("01/11/26 12:30 am", "DD/MM/YY HH12:MI am", "2026-11-01 00:30:00"),
            ("2026.305", "YYYY-DDD", "2026-11-01 00:00:00"),
            ("2026-11-01T03:04:05", "YYYY-MM-DD\"T\"HH24:MI:SS", "2026-11-01 03:04:05"),
            ("2026-11-01 03:04 +02:30", "YYYY-MM-DD HH24:MI TZH:TZM", "2026-11-01 00:34:00"),
            ("99", "YY", "1999-01-01 00:00:00"),
        ] {
            assert_eq!(read(value, pattern).as_deref(), Some(expected), "{value} as {pattern}");
        }
        for (value, pattern) in
            [("2026-13-01", "YYYY-MM-DD"), ("2026-02-30", "YYYY-MM-DD"), ("x", "YYYY"), ("25:00", "HH24:MI")]
        {
            assert_eq!(read(value, pattern), None, "{value} as {pattern}");
        }
    }
}
