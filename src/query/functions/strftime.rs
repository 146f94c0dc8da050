//! `strftime(t, '%Y-%m-%d')` and `strptime('2026-11-01', '%Y-%m-%d')`: times as text and back, in the letters that DuckDB, Python and C share.
//!
//! In: a time and a constant pattern, for `strftime` in either order; or a text and a pattern. Out: text; or a time in UTC. Refused: letters that
//! mean something else in one of those products, or nothing.

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{AsArray, StringArray},
    datatypes::{DataType, TimestampMicrosecondType},
};
use chrono::{
    NaiveDate, NaiveDateTime, NaiveTime, TimeDelta,
    format::{Parsed, StrftimeItems, parse},
};
use datafusion::{
    common::{exec_datafusion_err, exec_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};

use super::text;

/// Letters after `%`, and after `%-`, that mean one thing everywhere.
const LETTERS: &str = "aAbBdeFGHIjmMpSTuUVwWyYzZ%";
/// Of them, those that are read; weeks and names of zones would be passed over.
const READ_LETTERS: &str = "aAbBdeFHIjmMpSTyYz%";
const WITHOUT_ZEROS: &str = "dHIjmMSy";
/// Letters of times with a zone.
const OF_ZONES: &str = "zZ";

/// Both functions, for registration.
pub(super) fn functions() -> [Arc<ScalarUDF>; 2] {
    let signature = || Signature::user_defined(Volatility::Immutable);
    [
        Arc::new(ScalarUDF::from(Shown { signature: signature() })),
        Arc::new(ScalarUDF::from(Read { signature: signature() })),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shown {
    signature: Signature,
}

fn is_time(given: &DataType) -> bool {
    matches!(given, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

fn is_text(given: &DataType) -> bool {
    given.is_string() || given.is_null()
}

impl ScalarUDFImpl for Shown {
    fn name(&self) -> &str {
        "strftime"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let time = |given: &DataType| match given {
            DataType::Timestamp(_, Some(_)) => text::utc(),
            _ => text::local(),
        };
        match types {
            [given, pattern] if is_time(given) && is_text(pattern) => Ok(vec![time(given), DataType::Utf8]),
            [pattern, given] if is_time(given) && is_text(pattern) => Ok(vec![DataType::Utf8, time(given)]),
            _ => {
                plan_err!(
                    "strftime takes a time and a pattern, as in strftime(occurred_at, '%Y-%m-%d'); write a cast where the time is text: strftime(x::timestamp, '%Y-%m-%d')"
                )
            }
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let time = usize::from(args.args[0].data_type().is_string());
        let Some(pattern) = text::constant(&args, 1 - time, "the pattern of strftime")? else {
            return Ok(text::answer(arrow::array::new_null_array(&DataType::Utf8, args.number_rows)));
        };
        let given = args.args[time].data_type();
        let pattern = checked("strftime", pattern, matches!(given, DataType::Timestamp(_, Some(_))))?;
        let times = text::column(&args, time, &given)?;
        let shown = times.as_primitive::<TimestampMicrosecondType>().iter().map(|micros| {
            let Some(micros) = micros else { return Ok(None) };
            let time = text::clock_time(micros)?.and_utc();
            let mut shown = String::new();
            write!(shown, "{}", time.format(&pattern))
                .map_err(|_| exec_datafusion_err!("strftime cannot show '{pattern}'"))?;
            Ok(Some(shown))
        });
        Ok(text::answer(Arc::new(shown.collect::<Result<StringArray>>()?)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Read {
    signature: Signature,
}

impl ScalarUDFImpl for Read {
    fn name(&self) -> &str {
        "strptime"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(text::utc())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [value, pattern] if is_text(value) && is_text(pattern) => Ok(vec![DataType::Utf8; 2]),
            _ => plan_err!("strptime takes a text and a pattern; write strptime('2026-11-01', '%Y-%m-%d')"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(pattern) = text::constant(&args, 1, "the pattern of strptime")? else {
            return Ok(text::answer(arrow::array::new_null_array(&text::utc(), args.number_rows)));
        };
        if !pattern.contains('%') {
            return exec_err!(
                "strptime: the pattern '{pattern}' reads no time; write the text first, as in strptime('2026-11-01', '%Y-%m-%d')"
            );
        }
        let form = checked("strptime", pattern, true)?;
        let texts = text::column(&args, 0, &DataType::Utf8)?;
        let times = texts.as_string::<i32>().iter().map(|value| {
            let Some(value) = value else { return Ok(None) };
            let micros = time_of(value.trim(), &form).map(|time| time.and_utc().timestamp_micros());
            micros.map(Some).ok_or_else(|| {
                exec_datafusion_err!(
                    "strptime: '{value}' is no time of the form '{pattern}'; write a pattern for it, or WHERE so that there is none"
                )
            })
        });
        Ok(text::answer(text::times(times, &text::utc())?))
    }
}

/// The pattern in chrono's letters.
fn checked(function: &str, pattern: &str, has_zone: bool) -> Result<String> {
    // Digits of a second: DuckDB and Python show six of them, chrono nine; it reads one to nine after a point.
    let fraction = if function == "strftime" { "%6f" } else { "%.f" };
    let known = if function == "strftime" { LETTERS } else { READ_LETTERS };
    let mut out = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('f') => {
                if fraction.starts_with("%.") && out.pop().is_some_and(|before| before != '.') {
                    return plan_err!("{function}: %f reads digits after a point; write %S.%f");
                }
                out.push_str(fraction);
            }
            Some('-') => match letters.next() {
                Some(letter) if WITHOUT_ZEROS.contains(letter) => out.extend(['%', '-', letter]),
                other => return unknown(function, &format!("%-{}", String::from_iter(other))),
            },
            Some(letter) if OF_ZONES.contains(letter) && !has_zone => {
                return plan_err!(
                    "{function}: %{letter} is for a time with a zone; write the offset as text, as in '%H:%M +00:00'"
                );
            }
            Some(letter) if known.contains(letter) => out.extend(['%', letter]),
            other => return unknown(function, &format!("%{}", String::from_iter(other))),
        }
    }
    Ok(out)
}

fn unknown<T>(function: &str, letters: &str) -> Result<T> {
    plan_err!(
        "{function}: the pattern's '{letters}' is not available; write %Y %m %d %H %M %S %f and others of C, as in '%Y-%m-%d %H:%M:%S'"
    )
}

/// The instant that a text says; midnight, the first of the month, and UTC where it does not say.
fn time_of(value: &str, pattern: &str) -> Option<NaiveDateTime> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, value, StrftimeItems::new(pattern)).ok()?;
    let date = parsed.to_naive_date().ok().or_else(|| {
        let month = parsed.month().unwrap_or(1);
        NaiveDate::from_ymd_opt(parsed.year()?, month, parsed.day().unwrap_or(1))
    })?;
    let time = parsed.to_naive_time().ok().or_else(|| {
        let hour = parsed.hour_div_12().unwrap_or(0) * 12 + parsed.hour_mod_12().unwrap_or(0);
        NaiveTime::from_hms_opt(hour, parsed.minute().unwrap_or(0), parsed.second().unwrap_or(0))
    })?;
    date.and_time(time).checked_sub_signed(TimeDelta::seconds(parsed.offset().unwrap_or(0).into()))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn shown(pattern: &str) -> String {
        let time = DateTime::from_timestamp_micros(1_793_502_245_678_901).unwrap();
        time.format(&checked("strftime", pattern, true).unwrap()).to_string()
    }

    /// What DuckDB and Python answer. Would catch a letter that means something else to the library that formats.
    #[test]
    fn letters_mean_what_they_mean_elsewhere() {
        for (pattern, expected) in [
            ("%Y-%m-%d %H:%M:%S.%f", "2026-11-01 03:04:05.678901"),
            ("%-d.%-m.%y %I %p %a %A %b %B", "1.11.26 03 AM Sun Sunday Nov November"),
            ("%j %u %w %U %W %V %G %z 100%%", "305 7 0 44 43 44 2026 +0000 100%"),
            ("%F %T", "2026-11-01 03:04:05"),
        ] {
            assert_eq!(shown(pattern), expected, "{pattern}");
        }
        for pattern in ["%!", "%", "%-", "%-Y", "%Q", "%c", "%s", "%3f", "%n"] {
            let error = checked("strftime", pattern, true).unwrap_err().to_string();
            assert!(error.contains("is not available; write %Y"), "{pattern}: {error}");
        }
        for pattern in ["%Y-%W", "%H:%M %Z"] {
            checked("strptime", pattern, true).unwrap_err();
        }
    }

    /// Would catch a text that is read as another time, or a part of a time that makes the whole unreadable.
    #[test]
    fn texts_are_read() {
        let read = |value: &str, pattern: &str| {
            time_of(value, &checked("strptime", pattern, true).unwrap()).map(|time| time.to_string())
        };
        for (value, pattern, expected) in [
            ("2026-11-01 03:04:05.5", "%Y-%m-%d %H:%M:%S.%f", Some("2026-11-01 03:04:05.500")),
            ("2026-11-01 03:04:05.500000", "%Y-%m-%d %H:%M:%S.%f", Some("2026-11-01 03:04:05.500")),
            ("01/Nov/2026:03:04:05 -0400", "%d/%b/%Y:%H:%M:%S %z", Some("2026-11-01 07:04:05")),
            ("2026-11-01", "%Y-%m-%d", Some("2026-11-01 00:00:00")),
            ("2026", "%Y", Some("2026-01-01 00:00:00")),
            ("2026-11-01 15", "%Y-%m-%d %H", Some("2026-11-01 15:00:00")),
            ("2026-02-30", "%Y-%m-%d", None),
            ("x", "%Y", None),
        ] {
            assert_eq!(read(value, pattern).as_deref(), expected, "{value} as {pattern}");
        }
    }
}
