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
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.push_str(&rest[..at]);
        push_escape(out, rest.as_bytes()[at]);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
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
