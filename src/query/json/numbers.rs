//! What JSON values and texts say, one by one: pure functions.
//!
//! In: the JSON text of a value, or a text. Out: the number, truth value or text that it is, a key to sort by, or how it compares with a
//! number; `None` for what is none. Guaranteed: no text fails; zero has no sign, for engines differ in whether -0 is 0.

use std::{borrow::Cow, cmp::Ordering};

/// From here on, and below its inverse of ten million, RFC 8785 writes an exponent.
const PLAIN_NUMBERS: std::ops::Range<f64> = 1e-6..1e21;
/// 2⁶³: from here on a number is no 64-bit integer.
const INTEGERS_END: f64 = 9_223_372_036_854_775_808.0;

/// A number as RFC 8785 writes it, if it does so without an exponent.
pub(crate) fn number_text(number: f64) -> Option<String> {
    let is_plain = number == 0.0 || PLAIN_NUMBERS.contains(&number.abs());
    is_plain.then(|| (number + 0.0).to_string())
}

/// The number that a JSON value is.
pub(super) fn number(json: &str) -> Option<f64> {
    json.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then(|| finite(json))?
}

/// As PostgreSQL reads a text as a number: blanks around it do not matter.
pub(super) fn number_of_text(text: &str) -> Option<f64> {
    finite(numeral(text)?)
}

/// What may be a number: std would also take words such as `inf`.
fn numeral(text: &str) -> Option<&str> {
    let text = text.trim_ascii();
    let is_numeral = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().all(is_numeral).then_some(text)
}

fn finite(text: &str) -> Option<f64> {
    // Zero has no sign: engines differ in whether -0 is 0.
    text.parse().ok().filter(|number: &f64| number.is_finite()).map(|number| number + 0.0)
}

/// The whole number that is nearest to what a text says; of two, the one further from zero, as PostgreSQL rounds.
pub(super) fn integer_of_text(text: &str) -> Option<i64> {
    let text = numeral(text)?;
    text.parse().ok().or_else(|| {
        let rounded = finite(text)?.round();
        (-INTEGERS_END..INTEGERS_END).contains(&rounded).then_some(rounded as i64)
    })
}

/// The truth value that a JSON value is.
pub(super) fn boolean(json: &str) -> Option<bool> {
    match json {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The text of a JSON value, as `->>` gives it.
pub(super) fn plain_text(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(json).ok().map(Cow::Owned),
        b'n' => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

/// A text in whose order values are sorted: texts, numbers, truth values, lists, objects, in this order, as PostgreSQL sorts `jsonb`; lists and
/// objects among themselves by their JSON text. Text, because window frames take no bytes.
pub(super) fn sort_key(json: &str) -> Option<String> {
    let key = |rank: char, rest: &str| Some(format!("{rank}{rest}"));
    match json.as_bytes().first()? {
        b'"' => key('1', &serde_json::from_str::<String>(json).ok()?),
        b't' => key('3', "1"),
        b'f' => key('3', "0"),
        b'[' => key('4', json),
        b'{' => key('5', json),
        _ => key('2', &format!("{:016x}", sortable(number(json)?))),
    }
}

/// Bits that sort as numbers do.
fn sortable(number: f64) -> u64 {
    let bits = number.to_bits();
    let is_negative = bits >> 63 == 1;
    if is_negative { !bits } else { bits | 1 << 63 }
}

/// What a text says beside `digits` of which `scale` stand after the point; `None` if it says no number.
pub(super) fn compared(text: &str, (digits, scale): (i128, u8)) -> Option<Ordering> {
    let text = numeral(text)?;
    let exactly = |(own, own_scale): (i128, u8)| {
        let most = scale.max(own_scale);
        Some(scaled(own, most - own_scale)?.cmp(&scaled(digits, most - scale)?))
    };
    decimal(text).and_then(exactly).or_else(|| {
        // Written with an exponent, or with more digits than can be told apart.
        finite(text)?.partial_cmp(&(digits as f64 / 10_f64.powi(scale.into())))
    })
}

fn scaled(digits: i128, by: u8) -> Option<i128> {
    digits.checked_mul(10_i128.checked_pow(by.into())?)
}

/// The digits of a number without an exponent, and how many of them stand after the point.
fn decimal(text: &str) -> Option<(i128, u8)> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let scale = u8::try_from(part.len()).ok()?;
    Some((format!("{whole}{part}").parse().ok()?, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a form of a number that is not read, and something else that is.
    #[test]
    fn numbers_are_numbers_whatever_their_form() {
        for (json, read) in [
            ("100", Some(100.0)),
            ("20.25", Some(20.25)),
            ("1e+21", Some(1e21)),
            ("-5", Some(-5.0)),
            ("\"100\"", None),
            ("true", None),
            ("null", None),
            ("[1]", None),
            ("{\"a\":1}", None),
        ] {
            assert_eq!(number(json), read, "{json}");
        }
        for (text, read) in [
            ("100", Some(100.0)),
            (" 1e2 ", Some(100.0)),
            ("+.5", Some(0.5)),
            ("-0", Some(0.0)),
            ("many", None),
            ("inf", None),
            ("NaN", None),
            ("1e999", None),
            ("1 2", None),
            ("", None),
            ("0x10", None),
            ("1_000", None),
        ] {
            assert_eq!(number_of_text(text), read, "{text}");
        }
        assert!(number_of_text("-0").is_some_and(f64::is_sign_positive));
    }

    /// Would catch a rounding that is not PostgreSQL's, and one that loses digits.
    #[test]
    fn whole_numbers_are_rounded_once() {
        for (text, read) in [
            ("20.25", Some(20)),
            ("0.5", Some(1)),
            ("-1.5", Some(-2)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1e2", Some(100)),
            ("x", None),
        ] {
            assert_eq!(integer_of_text(text), read, "{text}");
        }
    }

    /// Would catch two numbers that a double cannot tell apart and that are taken for equal.
    #[test]
    fn large_numbers_are_not_rounded_to_compare() {
        for (text, number, order) in [
            ("9007199254740992", (9_007_199_254_740_993, 0), Some(Ordering::Less)),
            ("9007199254740993", (9_007_199_254_740_993, 0), Some(Ordering::Equal)),
            ("1e+21", (i128::from(i64::MAX), 0), Some(Ordering::Greater)),
            ("1e300", (0, 0), Some(Ordering::Greater)),
            ("20.25", (2025, 2), Some(Ordering::Equal)),
            ("100000000.1", (1_000_000_001, 1), Some(Ordering::Equal)),
            ("100000000.1", (100_000_000_100, 3), Some(Ordering::Equal)),
            (".5", (5, 1), Some(Ordering::Equal)),
            ("1e2", (100, 0), Some(Ordering::Equal)),
            ("-20.25", (-2025, 2), Some(Ordering::Equal)),
            ("-20.5", (-20, 0), Some(Ordering::Less)),
            ("0.5", (0, 0), Some(Ordering::Greater)),
            ("-0.5", (0, 0), Some(Ordering::Less)),
            ("many", (1, 0), None),
        ] {
            assert_eq!(compared(text, number), order, "{text}");
        }
    }

    /// Would catch kinds of values that are mixed up in an order, and numbers that are sorted as texts.
    #[test]
    fn values_sort_by_kind_and_then_by_value() {
        let sorted = [
            "\"\"",
            "\"10\"",
            "\"9\"",
            "\"é\"",
            "-1e300",
            "-2",
            "-1.5",
            "0",
            "0.5",
            "9",
            "20.25",
            "100",
            "1e+21",
            "false",
            "true",
            "[1]",
            "[2]",
            "{\"a\":1}",
        ];
        let keys: Vec<_> = sorted.iter().map(|json| sort_key(json).unwrap()).collect();
        assert!(keys.is_sorted_by(|one, other| one < other), "{keys:?}");
        assert_eq!(sort_key("null"), None);
    }

    /// Would catch a number that is looked for in the index by another text than it is stored by.
    #[test]
    fn numbers_are_written_as_they_are_stored() {
        for (number, text) in [
            (100.0, Some("100")),
            (-0.0, Some("0")),
            (20.25, Some("20.25")),
            (-0.000001, Some("-0.000001")),
            (123456789012345680000.0, Some("123456789012345680000")),
            (1e21, None),
            (1e-7, None),
        ] {
            assert_eq!(number_text(number).as_deref(), text, "{number}");
        }
    }
}
