//! The rules for single values: pure functions from the text sent to the value kept, or to what is wrong.
//!
//! A message is made to follow the field's pointer: `"x" is not …`.

use std::{borrow::Cow, net::IpAddr};

use chrono::{DateTime, Datelike};

use super::problems::quoted;
use crate::limits::{FUTURE_SKEW_HOURS_MAX, OCCURRED_AT_YEAR_MIN, VERSION_MAX};

const OUTCOMES: [&str; 4] = ["success", "failure", "denied", "unknown"];
const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// Checks text of up to `bytes_max` bytes.
pub(super) fn prose(text: &str, bytes_max: usize) -> Result<(), String> {
    if text.len() <= bytes_max {
        return Ok(());
    }
    Err(format!("{} is {} bytes, more than the {bytes_max} allowed", quoted(text), text.len()))
}

/// Checks text of 1 to `bytes_max` bytes without control characters, so that it can stand in URLs and logs.
pub(super) fn identifier(text: &str, bytes_max: usize) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    // U+007F–U+009F begin with these bytes too, but so do other letters: look closer only then.
    let suspect = text.bytes().any(|byte| byte < 0x20 || byte == 0x7f || byte == 0xc2);
    if suspect && text.chars().any(char::is_control) {
        return Err(format!("{} has a control character", quoted(text)));
    }
    prose(text, bytes_max)
}

/// Checks the result of an outcome.
pub(super) fn outcome(text: &str) -> Result<(), String> {
    if OUTCOMES.contains(&text) {
        return Ok(());
    }
    Err(format!("{} is none of success, failure, denied, unknown", quoted(text)))
}

/// Checks a country code's form.
pub(super) fn country(text: &str) -> Result<(), String> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(format!("{} is not two uppercase letters (ISO 3166)", quoted(text)))
}

/// An IP address in its one canonical form: IPv4 with dots, also where it was written in IPv6 (`::ffff:203.0.113.7`); IPv6
/// lowercase and compressed (RFC 5952). Leading zeros in IPv4 are refused: readers differ in whether they are octal.
pub(super) fn ip_address(text: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    match text.parse::<IpAddr>() {
        // std takes no leading zeros, so that what it takes is what it prints.
        Ok(IpAddr::V4(_)) => Ok(text),
        Ok(address) => Ok(Cow::Owned(address.to_canonical().to_string())),
        Err(_) => Err(format!("{} is not an IPv4 or IPv6 address", quoted(&text))),
    }
}

/// A time in microseconds since 1970, UTC. Anything finer is cut off; a leap second is the second after it.
///
/// It must have an offset, lie in the year 2000 (UTC) or later, and not too far after `now_micros`.
pub(super) fn occurred_at(text: &str, now_micros: i64) -> Result<i64, String> {
    let Ok(time) = DateTime::parse_from_rfc3339(text) else {
        return Err(format!("{} is not an RFC 3339 time with an offset", quoted(text)));
    };
    let time = time.to_utc();
    if time.year() < OCCURRED_AT_YEAR_MIN {
        return Err(format!("{} is before the year {OCCURRED_AT_YEAR_MIN}", quoted(text)));
    }
    let micros = time.timestamp_micros();
    if micros > now_micros.saturating_add(FUTURE_SKEW_HOURS_MAX * MICROS_PER_HOUR) {
        let now = DateTime::from_timestamp_micros(now_micros).unwrap_or_default();
        return Err(format!(
            "{} is more than {FUTURE_SKEW_HOURS_MAX} hours after the server's clock, {}",
            quoted(text),
            now.format("%FT%TZ")
        ));
    }
    Ok(micros)
}

/// A version: digits only, so `1.0` is refused.
pub(super) fn version(number: &str) -> Result<i32, String> {
    number
        .parse()
        .ok()
        .filter(|version| *version >= 0)
        .ok_or_else(|| format!("{} is not an integer from 0 to {VERSION_MAX}", quoted(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000_000_000;

    /// Would catch a time kept in another zone, rounded instead of cut, or cut in the wrong place.
    #[test]
    fn times_become_utc_microseconds() {
        for (text, micros) in [
            ("2000-01-01T00:00:00Z", 946_684_800_000_000),
            ("2020-01-01T01:30:00+01:30", 1_577_836_800_000_000),
            ("2020-01-01t00:00:00.1234569999z", 1_577_836_800_123_456),
            ("2016-12-31T23:59:60.5Z", 1_483_228_800_500_000),
            ("2020-12-31T23:59:59.9999999-00:00", 1_609_459_199_999_999),
        ] {
            assert_eq!(occurred_at(text, NOW), Ok(micros), "{text}");
        }
    }

    /// Would catch a time accepted without an offset, or from outside the log's span.
    #[test]
    fn times_outside_the_rules_are_refused() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T03:04:05",
            "2026-13-01T00:00:00Z",
            "1795000000",
            "1999-12-31T23:59:59.999999Z",
            "2000-01-01T00:00:00+00:01",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert!(occurred_at(text, NOW).is_err(), "{text}");
        }
        let edge = DateTime::from_timestamp_micros(NOW + 24 * MICROS_PER_HOUR).unwrap();
        assert!(occurred_at(&edge.to_rfc3339(), NOW).is_ok());
        let past = edge + chrono::TimeDelta::microseconds(1);
        assert!(occurred_at(&past.to_rfc3339(), NOW).unwrap_err().contains("after the server's clock"));
    }

    /// Would catch one address stored in two forms.
    #[test]
    fn addresses_have_one_form() {
        for (sent, kept) in [
            ("203.0.113.7", Some("203.0.113.7")),
            ("2001:DB8:0:0:0:0:0:1", Some("2001:db8::1")),
            ("2001:0DB8:0:0::1", Some("2001:db8::1")),
            ("::ffff:1.2.3.4", Some("1.2.3.4")),
            ("::FFFF:CB00:7107", Some("203.0.113.7")),
            ("0:0:0:0:0:ffff:cb00:7107", Some("203.0.113.7")),
            ("::ffff:0:1.2.3.4", Some("::ffff:0:102:304")),
            ("::ffff:1.2.3.04", None),
            ("1.2.3.04", None),
            ("1.2.3", None),
            ("fe80::1%eth0", None),
            ("host", None),
            ("", None),
        ] {
            assert_eq!(ip_address(sent.into()).ok().as_deref(), kept, "{sent}");
        }
    }

    /// Would catch a rule that lets a neighbour of its edge pass.
    #[test]
    fn words_and_numbers_are_checked() {
        assert!(identifier("é€ x", 7).is_ok());
        for bad in ["", "a\nb", "a\u{85}b", "\u{7f}", "12345678"] {
            assert!(identifier(bad, 7).is_err(), "{bad:?}");
        }
        assert!(prose("a\nb\u{85}", 5).is_ok() && prose("123456", 5).is_err());
        assert!(outcome("denied").is_ok() && outcome("Denied").is_err());
        assert!(country("DE").is_ok());
        for bad in ["de", "DEU", "D", "Ü", "D1", ""] {
            assert!(country(bad).is_err(), "{bad}");
        }
        assert_eq!((version("0"), version("2147483647")), (Ok(0), Ok(i32::MAX)));
        for bad in ["-1", "2147483648", "1.0", "1e1"] {
            assert!(version(bad).is_err(), "{bad}");
        }
    }
}
