//! Times as text: RFC 3339 in UTC with six fractional digits, the only form they go out in.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat};

const DAY_MICROS: i64 = 86_400_000_000;
/// The first and the last year that RFC 3339 can write.
const YEARS: std::ops::RangeInclusive<i32> = 0..=9_999;

/// Appends a time, in microseconds since 1970, as a JSON string.
///
/// No event has a time outside of the years of RFC 3339, but a file that somebody changed may: what is written then is another text
/// than that of any event.
pub(super) fn push(out: &mut String, micros: i64) {
    let day = i32::try_from(micros.div_euclid(DAY_MICROS)).ok().and_then(NaiveDate::from_epoch_days);
    let date = day.filter(|date| YEARS.contains(&date.year()));
    let Some(date) = date else { return push_beyond(out, micros) };
    let (year, of_day) = (date.year() as u32, micros.rem_euclid(DAY_MICROS) as u64);
    let (second, fraction) = ((of_day / 1_000_000) as u32, (of_day % 1_000_000) as u32);
    let mut text = *b"\"0000-00-00T00:00:00.000000Z\"";
    for (at, number) in [
        (1, year / 100),
        (3, year % 100),
        (6, date.month()),
        (9, date.day()),
        (12, second / 3_600),
        (15, second / 60 % 60),
        (18, second % 60),
        (21, fraction / 10_000),
        (23, fraction / 100 % 100),
        (25, fraction % 100),
    ] {
        text[at] = b'0' + (number / 10) as u8;
        text[at + 1] = b'0' + (number % 10) as u8;
    }
    out.push_str(std::str::from_utf8(&text).expect("digits and signs are ASCII"));
}

fn push_beyond(out: &mut String, micros: i64) {
    let text = match DateTime::from_timestamp_micros(micros) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Micros, true),
        None => micros.to_string(),
    };
    out.extend(["\"", &text, "\""]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(micros: i64) -> String {
        let mut out = String::new();
        push(&mut out, micros);
        out
    }

    /// Would catch a time of a changed file that brings the reader down, or is written as that of an event.
    #[test]
    fn no_other_time_is_written_alike() {
        let first = DateTime::parse_from_rfc3339("0000-01-01T00:00:00Z").unwrap().timestamp_micros();
        let last = DateTime::parse_from_rfc3339("9999-12-31T23:59:59.999999Z").unwrap().timestamp_micros();
        assert_eq!(text(first), "\"0000-01-01T00:00:00.000000Z\"");
        assert_eq!(text(last), "\"9999-12-31T23:59:59.999999Z\"");
        assert_eq!(text(last + 1), "\"+10000-01-01T00:00:00.000000Z\"");
        assert_eq!(text(first - 1), "\"-0001-12-31T23:59:59.999999Z\"");
        assert_eq!(text(i64::MAX), format!("\"{}\"", i64::MAX));
        assert_eq!(text(i64::MIN), format!("\"{}\"", i64::MIN));
    }

    proptest! {
        /// Would catch digits in the wrong place.
        #[test]
        fn times_are_as_chrono_writes_them(micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
            let time = DateTime::from_timestamp_micros(micros).unwrap();
            prop_assert_eq!(text(micros), format!("\"{}\"", time.to_rfc3339_opts(SecondsFormat::Micros, true)));
        }
    }
}
