//! Numbers and output for people.

use std::io::{self, Write};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// `1234567` as `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun: `1 file`, `2 files`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Bytes in the largest unit (powers of 1000) that leaves a number of at least 1.
pub(super) fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value < 999.5 {
            return if unit == "bytes" { counted(number, "byte") } else { format!("{value:.1} {unit}") };
        }
        value /= 1_000.0;
    }
    format!("{value:.1} TB")
}

/// How many a second, rounded; at least a millisecond is assumed.
pub(super) fn rate(number: u64, seconds: f64) -> String {
    count((number as f64 / seconds.max(0.001)) as u64)
}

/// A value as JSON for people, with a line feed.
pub(super) fn json(value: &impl Serialize) -> Result<String> {
    let json = serde_json::to_string_pretty(value);
    json.map(|json| json + "\n")
        .map_err(|error| Error::with_source(ErrorKind::Internal, "cannot write the answer as JSON", error))
}

/// Writes to stdout. A reader that has gone (`| head`) is not an error: [`Written::ReaderGone`].
pub(super) fn write_stdout(bytes: &[u8]) -> Result<Written> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Written::All),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Written::ReaderGone),
        Err(error) => Err(Error::with_source(ErrorKind::Internal, "cannot write to stdout", error)),
    }
}

/// Says something to a person, with a line feed. If nobody reads it any more, the work goes on all the same.
pub(super) fn say(line: &str) {
    let _reader_gone = writeln!(io::stdout(), "{line}");
}

/// What became of bytes written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    All,
    ReaderGone,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a misplaced comma and a unit that is off by a thousand.
    #[test]
    fn numbers_are_readable() {
        let counts = [0, 999, 1_000, 12_345, 1_000_000].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "12,345", "1,000,000"]);
        let sizes = [0, 1, 999, 1_000, 1_500_000, 999_999, 2_000_000_000_000].map(bytes);
        assert_eq!(sizes, ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.5 MB", "1.0 MB", "2.0 TB"]);
        assert_eq!(rate(500, 0.5), "1,000");
    }
}
