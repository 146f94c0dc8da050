//! The atoms of RFC 8785 (JSON Canonicalization Scheme): text, numbers and the order of keys.
//!
//! In: decoded text, the letters of a JSON number. Out: the one byte form RFC 8785 gives them. Both the
//! decoder (which keeps metadata in canonical form) and the reader of stored rows build on this file.

use std::{cmp::Ordering, fmt};

use crate::limits::NUMBER_BYTES_MAX;

/// Smallest integer that two readers may understand differently: 2^53.
const EXACT_END: f64 = 9_007_199_254_740_992.0;
/// From here on ECMAScript writes an exponent, so that the canonical text is no integer any more.
const EXPONENT_START: f64 = 1e21;
/// An integer of this many digits is below 2^53 whatever its digits are.
const EXACT_DIGITS: usize = 15;

/// Appends `text` as a JSON string with the fewest escapes (RFC 8785, 3.2.2.2).
pub(super) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    push_escaped(out, text);
    out.push('"');
}

/// Appends what stands between the quotation marks of [`push_text`].
#[inline]
pub(super) fn push_escaped(out: &mut String, text: &str) {
    // Most text has nothing to escape.
    if is_clean(text.as_bytes()) { out.push_str(text) } else { push_escapes(out, text) }
}

#[cold]
fn push_escapes(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.as_bytes().iter().position(needs_escape) {
        out.push_str(&rest[..at]);
        push_escape(out, rest.as_bytes()[at]);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

fn needs_escape(byte: &u8) -> bool {
    *byte < 0x20 || *byte == b'"' || *byte == b'\\'
}

/// Whether no byte needs an escape. Whole chunks are looked at at once; the last one reaches back to what was looked at already.
fn is_clean(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<16>() {
        let (chunks, _) = bytes.as_chunks::<16>();
        return chunks.iter().all(is_clean_chunk) && is_clean_chunk(last);
    }
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => is_clean_chunk(first) && is_clean_chunk(last),
        _ => !bytes.iter().any(needs_escape),
    }
}

fn is_clean_chunk<const N: usize>(chunk: &[u8; N]) -> bool {
    chunk.iter().fold(0, |found, byte| found | u8::from(needs_escape(byte))) == 0
}

fn push_escape(out: &mut String, byte: u8) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    out.push_str(match byte {
        b'"' => "\\\"",
        b'\\' => "\\\\",
        0x08 => "\\b",
        b'\t' => "\\t",
        b'\n' => "\\n",
        0x0c => "\\f",
        b'\r' => "\\r",
        _ => {
            out.push_str("\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 0x0f)]);
            return;
        }
    });
}

/// Why a number has no canonical form that every JSON reader understands alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberError {
    /// Longer than [`NUMBER_BYTES_MAX`].
    Long,
    /// An integer beyond ±(2^53 - 1), in whichever notation.
    Inexact,
    /// Larger than any double.
    Overflow,
    /// Not zero, and smaller than any double.
    Underflow,
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long => write!(f, "is longer than {NUMBER_BYTES_MAX} characters"),
            Self::Inexact => f.write_str(
                "is an integer beyond ±(2^53 - 1), which readers round differently: send it as a string",
            ),
            Self::Overflow => f.write_str("is larger than a double can hold: send it as a string"),
            Self::Underflow => f.write_str("is closer to zero than a double can hold: send it as a string"),
        }
    }
}

/// Appends the number that `text`, a valid JSON number, stands for, as ECMAScript writes it (RFC 8785, 3.2.2.3).
///
/// Refused are numbers whose canonical text would mean something else to another reader, or to this
/// one when it reads that text again: see [`NumberError`].
pub(super) fn push_number(out: &mut String, text: &str) -> Result<(), NumberError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_integer = digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_integer && digits.len() <= EXACT_DIGITS {
        out.push_str(if digits == "0" { digits } else { text });
        return Ok(());
    }
    if text.len() > NUMBER_BYTES_MAX {
        return Err(NumberError::Long);
    }
    let value: f64 = text.parse().map_err(|_| NumberError::Overflow)?;
    let magnitude = value.abs();
    if magnitude.is_infinite() {
        return Err(NumberError::Overflow);
    }
    if magnitude >= EXACT_END && (is_integer || magnitude < EXPONENT_START) {
        return Err(NumberError::Inexact);
    }
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    if magnitude == 0.0 && mantissa.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        return Err(NumberError::Underflow);
    }
    out.push_str(ryu_js::Buffer::new().format_finite(value));
    Ok(())
}

/// Orders keys by their UTF-16 code units (RFC 8785, 3.2.3).
///
/// That is the order of UTF-8 bytes but for one case: characters past U+FFFF (first byte F0–F4), whose
/// surrogates D800–DFFF come before U+E000–U+FFFF (first byte EE or EF).
pub(super) fn compare_keys(left: &str, right: &str) -> Ordering {
    let rank = |byte: u8| if matches!(byte, 0xee | 0xef) { byte | 0x10 } else { byte };
    left.bytes().map(rank).cmp(right.bytes().map(rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<String, NumberError> {
        let mut out = String::new();
        push_number(&mut out, text).map(|()| out)
    }

    fn text(text: &str) -> String {
        let mut out = String::new();
        push_text(&mut out, text);
        out
    }

    /// RFC 8785, appendix B: the bits of a double and its text. Would catch a formatter that is not ECMAScript's.
    #[test]
    fn numbers_of_appendix_b() {
        for (bits, wanted) in [
            (0x0000000000000000_u64, "0"),
            (0x8000000000000000, "0"),
            (0x0000000000000001, "5e-324"),
            (0x8000000000000001, "-5e-324"),
            (0x7fefffffffffffff, "1.7976931348623157e+308"),
            (0xffefffffffffffff, "-1.7976931348623157e+308"),
            (0x4340000000000000, "9007199254740992"),
            (0xc340000000000000, "-9007199254740992"),
            (0x4430000000000000, "295147905179352830000"),
            (0x44b52d02c7e14af5, "9.999999999999997e+22"),
            (0x44b52d02c7e14af6, "1e+23"),
            (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
            (0x444b1ae4d6e2ef4e, "999999999999999700000"),
            (0x444b1ae4d6e2ef4f, "999999999999999900000"),
            (0x444b1ae4d6e2ef50, "1e+21"),
            (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
            (0x3eb0c6f7a0b5ed8d, "0.000001"),
            (0x41b3de4355555553, "333333333.3333332"),
            (0x41b3de4355555554, "333333333.33333325"),
            (0x41b3de4355555555, "333333333.3333333"),
            (0x41b3de4355555556, "333333333.3333334"),
            (0x41b3de4355555557, "333333333.33333343"),
            (0xbecbf647612f3696, "-0.0000033333333333333333"),
            (0x43143ff3c1cb0959, "1424953923781206.2"),
        ] {
            let value = f64::from_bits(bits);
            // Seventeen digits and an exponent: the double, in a notation of its own.
            let found = number(&format!("{value:.17e}"));
            if (EXACT_END..EXPONENT_START).contains(&value.abs()) {
                assert_eq!(found, Err(NumberError::Inexact), "{wanted}");
            } else {
                assert_eq!(found.as_deref(), Ok(wanted));
            }
        }
    }

    /// Would catch a number that reads back as another, or is refused without need.
    #[test]
    fn numbers_are_normalised_or_refused() {
        for (sent, wanted) in [
            ("-0", "0"),
            ("0", "0"),
            ("-0.0e7", "0"),
            ("1.0", "1"),
            ("1E30", "1e+30"),
            ("4.50", "4.5"),
            ("2e-3", "0.002"),
            ("-12", "-12"),
            ("999999999999999", "999999999999999"),
            ("0.000000000000000000000000001", "1e-27"),
            ("9007199254740991", "9007199254740991"),
            ("-9007199254740991", "-9007199254740991"),
            ("9007199254740991.0", "9007199254740991"),
            ("333333333.33333329", "333333333.3333333"),
            ("1e21", "1e+21"),
        ] {
            assert_eq!(number(sent).as_deref(), Ok(wanted), "{sent}");
        }
        for (sent, why) in [
            ("9007199254740992", NumberError::Inexact),
            ("-9007199254740993", NumberError::Inexact),
            ("1e17", NumberError::Inexact),
            ("9007199254740992.0", NumberError::Inexact),
            ("1000000000000000000000000", NumberError::Inexact),
            ("1e309", NumberError::Overflow),
            ("-1e999999999", NumberError::Overflow),
            ("1e-400", NumberError::Underflow),
            ("-0.00001e-9999999", NumberError::Underflow),
        ] {
            assert_eq!(number(sent), Err(why), "{sent}");
        }
        assert_eq!(number(&"1".repeat(NUMBER_BYTES_MAX + 1)), Err(NumberError::Long));
    }

    /// Would catch an escape that is missed where one chunk ends and the next begins.
    #[test]
    fn escapes_are_found_wherever_they_stand() {
        for length in 0..70 {
            for place in 0..length {
                for (letter, escape) in [('"', "\\\""), ('\\', "\\\\"), ('\n', "\\n"), ('\u{1f}', "\\u001f")]
                {
                    let (before, after) = ("é".repeat(place), "x".repeat(length - place));
                    assert_eq!(
                        text(&format!("{before}{letter}{after}")),
                        format!("\"{before}{escape}{after}\"")
                    );
                }
            }
        }
    }

    /// RFC 8785, 3.2.2: would catch an escape too many or too few.
    #[test]
    fn text_of_section_3_2_2() {
        assert_eq!(text("€$\u{f}\nA'B\"\\\\\"/"), r#""€$\u000f\nA'B\"\\\\\"/""#);
        assert_eq!(
            text("\u{8}\t\u{c}\r\0\u{1f}\u{7f}\u{2028}😀"),
            "\"\\b\\t\\f\\r\\u0000\\u001f\u{7f}\u{2028}😀\""
        );
        assert_eq!(text(""), "\"\"");
    }

    /// RFC 8785, 3.2.3: would catch keys sorted by code point or by bytes.
    #[test]
    fn keys_of_section_3_2_3() {
        let mut keys = ["€", "\r", "\u{fb33}", "1", "😀", "\u{80}", "ö"];
        keys.sort_by(|left, right| compare_keys(left, right));
        assert_eq!(keys, ["\r", "1", "\u{80}", "ö", "€", "😀", "\u{fb33}"]);
    }

    proptest::proptest! {
        /// Would catch a shortcut of the order that UTF-16 does not follow.
        #[test]
        fn keys_are_in_the_order_of_utf16(left: String, right: String) {
            proptest::prop_assert_eq!(compare_keys(&left, &right), left.encode_utf16().cmp(right.encode_utf16()));
        }
    }
}
