//! Text that a spreadsheet would run, made harmless.
//!
//! Who can name a document can name it `=HYPERLINK(…)`, and a spreadsheet runs that on the machine of whoever opens the file
//! ([OWASP, CSV injection](https://owasp.org/www-community/attacks/CSV_Injection)). So text gets one `'` before it, and quotes
//! around it, if
//!
//! - its first letter that is neither white space, nor a control or an invisible one (U+200B–U+200F, U+2060, U+FEFF), is one of
//!   `=` `+` `-` `@`, their full-width and small forms (U+FF1D, U+FF0B, U+FF0D, U+FF20, U+FE66, U+FE62, U+FE63, U+FE6B), or
//!   the minus sign U+2212; or
//! - a tab, a carriage return or a line feed stands before that letter.
//!
//! That holds for values of all types but numbers, truth values, times, dates and intervals, and for the names of columns. It
//! cannot be undone: `'=a` may have been `=a` or `'=a`. Whoever needs every letter takes `csv-raw`, or another format.

use arrow::datatypes::DataType;

use super::{append_in_quotes, append_quoted};

/// What makes a spreadsheet take a text for a formula.
const SIGNS: [char; 13] = [
    '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\u{fe66}', '\u{fe62}', '\u{fe63}',
    '\u{fe6b}', '\u{2212}',
];

/// Types whose text forms no spreadsheet runs; a span of time may begin with a minus, and is no number.
pub(super) fn is_harmless(data_type: &DataType) -> bool {
    if matches!(data_type, DataType::Duration(_) | DataType::Interval(_)) {
        return false;
    }
    data_type.is_numeric() || data_type.is_temporal() || matches!(data_type, DataType::Boolean)
}

/// Appends text that somebody chose.
pub(super) fn append_text(value: &[u8], line: &mut Vec<u8>) {
    if !std::str::from_utf8(value).is_ok_and(may_be_formula) {
        return append_quoted(value, line);
    }
    append_in_quotes("'", value, line);
}

fn may_be_formula(text: &str) -> bool {
    let shown = text.trim_start_matches(is_unseen);
    let before = &text[..text.len() - shown.len()];
    before.contains(['\t', '\r', '\n']) || shown.starts_with(SIGNS)
}

fn is_unseen(letter: char) -> bool {
    let invisible = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    letter.is_whitespace() || letter.is_control() || invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a text that a spreadsheet runs, and one that is changed without need.
    #[test]
    fn formulas_are_made_text() {
        for text in [
            "=1+1",
            "+cmd|' /C calc'!A0",
            "-2+3",
            "@SUM(1)",
            "\tx",
            "\rx",
            "\nx",
            "  =1",
            " \u{a0}\u{3000}+1",
            "\u{feff}=1",
            "\u{200b}@x",
            "\0=1",
            "＝1",
            "＋1",
            "－1",
            "＠x",
            "﹦1",
            "−1",
            " \t",
        ] {
            assert!(may_be_formula(text), "{text:?}");
        }
        for text in ["", " ", "a=1", "'=1", "x\t=1", "\"=1", "{\"=\":1}", "[\"=\"]", "é", "–1", "1-2"] {
            assert!(!may_be_formula(text), "{text:?}");
        }
        let mut line = Vec::new();
        append_text(b"=HYPERLINK(\"x\",1)", &mut line);
        assert_eq!(line, b"\"'=HYPERLINK(\"\"x\"\",1)\"");
    }
}
