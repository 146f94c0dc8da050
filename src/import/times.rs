//! Times as services, and the data warehouses that their logs pass through, write them.
//!
//! In: the value of a member that should be a time. Out: the same time in RFC 3339. Read are:
//! - RFC 3339, as it is;
//! - the same with a blank (or several) in place of `T`, without seconds, with a comma before the fraction, with an
//!   hour of one digit, and with `UTC`, `GMT`, `+00`, `+0000` or `+0000 UTC` in place of the offset, a blank before it or not;
//! - the same without any offset: UTC, which is what the logs that are read here are in;
//! - seconds (with or without a fraction), milliseconds, microseconds or nanoseconds since 1970, as number or text: which
//!   of these it is, is told by its size, since from 1980 to 2200 no two of the units share a number. Numbers that are no
//!   such time in any of the units are milliseconds, as GitHub documents them; text of that kind is no time.
//!
//! Guaranteed: a time is never made up. Dates without a time of day, names of zones and times that do not exist are no times.

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use super::decimal::Decimal;

/// No time is longer, whatever its fraction.
const TIME_BYTES_MAX: usize = 64;
/// Seconds since 1970 of the years in which a bare number is told to be seconds, milliseconds and so on: 1980 to 2200.
const PLAUSIBLE_SECONDS: std::ops::Range<i64> = 315_532_800..7_258_118_400;
/// Powers of ten from a second to the units.
const UNITS: [i64; 4] = [0, 3, 6, 9];

/// A time of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// RFC 3339.
    pub(super) text: String,
    /// Whether microseconds hold it; if not, what was given has to be kept besides.
    pub(super) whole: bool,
}

/// The time that a value stands for.
pub(super) fn read(value: &Value) -> Option<Time> {
    match value {
        Value::String(text) if text.len() <= TIME_BYTES_MAX => {
            let text = text.trim_matches(' ');
            of_text(text).or_else(|| of_number(text, false))
        }
        Value::Number(number) => of_number(&number.to_string(), true),
        _ => None,
    }
}

fn of_text(text: &str) -> Option<Time> {
    let fraction_is_short = fraction(text).trim_end_matches('0').len() <= 6;
    if DateTime::parse_from_rfc3339(text).is_ok() {
        return Some(Time { text: text.to_owned(), whole: fraction_is_short });
    }
    let normal = normalised(text)?;
    DateTime::parse_from_rfc3339(&normal).ok()?;
    Some(Time { text: normal, whole: fraction_is_short })
}

/// The digits behind the seconds.
fn fraction(text: &str) -> &str {
    let Some((_, behind)) = text.split_once(['.', ',']) else { return "" };
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    &behind[..digits]
}

/// RFC 3339 out of what is like it; whether the parts are in their ranges is for the parser of RFC 3339 to say.
fn normalised(text: &str) -> Option<String> {
    let (date, rest) = text.split_at_checked("YYYY-MM-DD".len())?;
    let clock = rest.strip_prefix(['T', 't']).unwrap_or_else(|| rest.trim_start_matches(' '));
    if clock.len() == rest.len() {
        return None;
    }
    let length = clock.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b':').count();
    let (clock, rest) = clock.split_at(length);
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next().unwrap_or("00"));
    if parts.next().is_some() {
        return None;
    }
    let (fraction, rest) = match rest.strip_prefix(['.', ',']) {
        Some(behind) => behind.split_at(behind.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("", rest),
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{date}T{hour:0>2}:{minute}:{second}{dot}{fraction}{}", offset(rest)?))
}

fn offset(text: &str) -> Option<String> {
    let text = text.trim_start_matches(' ');
    let without_name = text.trim_end_matches("UTC").trim_end_matches("GMT").trim_end_matches(' ');
    if matches!(without_name, "" | "Z" | "z") {
        return Some("Z".into());
    }
    let digits = without_name.strip_prefix(['+', '-'])?;
    let sign = &without_name[..1];
    let (hours, minutes) = match digits.len() {
        2 => (digits, "00"),
        4 => digits.split_at_checked(2)?,
        5 => digits.split_once(':')?,
        _ => return None,
    };
    // A name behind an offset that is not its own would be two times.
    let named = without_name.len() != text.len();
    (!named || (hours == "00" && minutes == "00")).then(|| format!("{sign}{hours}:{minutes}"))
}

/// A number of seconds or parts of them since 1970.
fn of_number(text: &str, as_milliseconds: bool) -> Option<Time> {
    let number = Decimal::parse(text)?;
    let plausible = UNITS
        .into_iter()
        .find(|unit| number.scaled_floor(-unit).is_some_and(|seconds| PLAUSIBLE_SECONDS.contains(&seconds)));
    let unit = match plausible {
        Some(unit) => unit,
        // Milliseconds have no fraction.
        None if as_milliseconds && number.scaled(0).is_some() => 3,
        None => return None,
    };
    let micros = number.scaled_floor(6 - unit)?;
    let whole = number.scaled(6 - unit).is_some();
    let time = DateTime::from_timestamp_micros(micros)?;
    let format = if micros % 1_000 == 0 { SecondsFormat::Millis } else { SecondsFormat::Micros };
    Some(Time { text: time.to_rfc3339_opts(format, true), whole })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn time(value: &Value) -> Option<String> {
        read(value).map(|time| time.text)
    }

    /// Would catch a time read in another zone, by a wrong unit, or made up from what is none.
    #[test]
    fn times_come_in_many_forms() {
        for (value, expected) in [
            (json!("2024-05-02T18:46:21.121Z"), Some("2024-05-02T18:46:21.121Z")),
            (json!("2024-05-02T20:46:21+02:00"), Some("2024-05-02T20:46:21+02:00")),
            (json!("2024-05-02 18:46:21.121000000"), Some("2024-05-02T18:46:21.121000000Z")),
            (json!("2024-05-02T18:46:21"), Some("2024-05-02T18:46:21Z")),
            (json!("2024-05-02  18:46"), Some("2024-05-02T18:46:00Z")),
            (json!("2024-05-02T18:46Z"), Some("2024-05-02T18:46:00Z")),
            (json!("2024-05-02 18:46:21+00"), Some("2024-05-02T18:46:21+00:00")),
            (json!("2024-05-02 18:46:21.5 -0730"), Some("2024-05-02T18:46:21.5-07:30")),
            (json!("2024-05-02 18:46:21.121 UTC"), Some("2024-05-02T18:46:21.121Z")),
            (json!("2024-05-02 18:46:21 +0000 UTC"), Some("2024-05-02T18:46:21+00:00")),
            (json!("2024-05-02 18:46:21,121 GMT"), Some("2024-05-02T18:46:21.121Z")),
            (json!(" 2024-05-02T9:46:21Z "), Some("2024-05-02T09:46:21Z")),
            (json!(1_714_675_581_121_u64), Some("2024-05-02T18:46:21.121Z")),
            (json!(1_714_675_581_121.0), Some("2024-05-02T18:46:21.121Z")),
            (json!(1_714_675_581), Some("2024-05-02T18:46:21.000Z")),
            (json!(1_714_675_581.121), Some("2024-05-02T18:46:21.121Z")),
            (json!("1714675581"), Some("2024-05-02T18:46:21.000Z")),
            (json!("1.714675581121E12"), Some("2024-05-02T18:46:21.121Z")),
            (json!("1714675581121456"), Some("2024-05-02T18:46:21.121456Z")),
            (json!(1_714_675_581_121_456_789_u64), Some("2024-05-02T18:46:21.121456Z")),
            (json!(7), Some("1970-01-01T00:00:00.007Z")),
            (json!("7"), None),
            (json!(0.5), None),
            (json!(1e300), None),
            (json!(u64::MAX), None),
            (json!("2024-12-17 00:00:00000000"), None),
            (json!("2024-12-17"), None),
            (json!("2024-12-17 25:00:00"), None),
            (json!("2024-02-30 05:00:00"), None),
            (json!("2024-05-02 18:46:21 +0200 UTC"), None),
            (json!("2024-05-02 18:46:21 Europe/Paris"), None),
            (json!("redacted"), None),
            (json!(" ".repeat(1_000)), None),
            (json!(["2024-05-02T18:46:21Z"]), None),
        ] {
            assert_eq!(time(&value).as_deref(), expected, "{value}");
        }
    }

    /// Would catch digits behind the microsecond that are gone without a word.
    #[test]
    fn times_finer_than_microseconds_are_not_whole() {
        for (value, whole) in [
            (json!("2024-05-02T18:46:21.123456Z"), true),
            (json!("2024-05-02T18:46:21.123456000Z"), true),
            (json!("2024-05-02T18:46:21.123456789Z"), false),
            (json!("2024-05-02 18:46:21.1234567"), false),
            (json!(1_714_675_581_121_456_000_u64), true),
            (json!(1_714_675_581_121_456_789_u64), false),
            (json!("1714675581.1214567"), false),
        ] {
            assert_eq!(read(&value).map(|time| time.whole), Some(whole), "{value}");
        }
    }
}
