//! Finds whole records in a text that is broken before, between or behind them.
//!
//! In: bytes in which the grammar of JSON has lost its way. Out: where the next record begins that is whole. Guaranteed: what
//! is found is an object from its first to its last bracket, a record of the format for certain ([`Source`]'s
//! `is_certain_record`) or envelopes around one, and stands where a record can stand ([`stands_alone`]): what callers of a
//! service wrote into a call is not taken for a record because the record of the call is broken.

use std::borrow::Cow;

use super::{
    Source,
    envelope::{self, Content, Members},
    json,
};

/// Bytes of the longest escape or word, within which an error may lie before the end that it comes from.
const TOKEN_BYTES_MAX: usize = 8;

/// Envelopes around a record that are looked into. They are few: what is in them is looked at once for each.
const ENVELOPES_MAX: usize = 3;

/// Where the next record is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// From here to there.
    Record(usize, usize),
    /// Nowhere before this position: there begins an object whose end is not in the text, or it is the text's end.
    NotBefore(usize),
}

/// Looks for records that stand in a broken text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seeker(pub(super) Source);

impl Seeker {
    /// The next record in `text` that begins at `from` or behind it.
    pub(super) fn next(self, text: &str, from: usize) -> Next {
        let (mut at, mut open) = (from, None);
        while let Some(found) = text.as_bytes().get(at..).and_then(|rest| memchr::memchr(b'{', rest)) {
            let start = at + found;
            match json::leading_members(&text[start..]) {
                Ok((members, length)) => {
                    let between = text.get(from..start).unwrap_or("?");
                    let follows = from > 1 && between.trim_matches(is_separator).is_empty();
                    if (follows || self.stands_alone(text, start))
                        && self.accepts(&Members::from(members), ENVELOPES_MAX)
                    {
                        return Next::Record(start, start + length);
                    }
                }
                Err(error) if start + error.offset + TOKEN_BYTES_MAX >= text.len() => {
                    open.get_or_insert(start);
                }
                Err(_) => {}
            }
            at = start + 1;
        }
        Next::NotBefore(open.unwrap_or(text.len()))
    }

    /// Whether the object that begins at `start` is no part of a record, as far as what stands before it tells: it begins a line,
    /// or a list that begins before all members of records, or it follows other objects of such a list. The value of a
    /// member is a part of something.
    fn stands_alone(self, text: &str, start: usize) -> bool {
        let mut before = &text[..start];
        loop {
            if before.is_empty() || before.ends_with('\n') {
                return true;
            }
            let earlier = before.trim_end_matches(is_separator);
            let follows = earlier.len() < before.len() || before.ends_with('}');
            let is_first = before.len() == start;
            match earlier.as_bytes().last() {
                None => return true,
                Some(b'[') => return self.begins_a_page(&earlier[..earlier.len() - 1]),
                Some(b'}') if follows => match start_of_value(earlier) {
                    Some(sibling) => before = &earlier[..sibling],
                    None => return true,
                },
                Some(b':') => return !is_first,
                Some(_) => return !is_first || follows && self.follows_what_is_broken(earlier),
            }
        }
    }

    /// Whether the texts, numbers and lists at the end of `before` are the end of a broken record, and no part of a list.
    fn follows_what_is_broken(self, before: &str) -> bool {
        let mut before = before;
        loop {
            match before.as_bytes().last() {
                Some(b'[') => return self.begins_a_page(&before[..before.len() - 1]),
                None | Some(b':' | b'{' | b'}') => return true,
                Some(_) => match start_of_value(before) {
                    Some(value) => before = before[..value].trim_end_matches(is_separator),
                    None => return true,
                },
            }
        }
    }

    /// Whether a list that begins behind `before` can be one of records: no member of a record comes before it.
    fn begins_a_page(self, before: &str) -> bool {
        let names = self.0.marks();
        !before.trim_end().ends_with(':') || !names.iter().any(|name| before.contains(name))
    }

    /// Whether an object is a record, or so many envelopes around one.
    fn accepts(self, members: &Members<'_>, envelopes: usize) -> bool {
        if self.0.is_certain_record(members) {
            return true;
        }
        if envelopes == 0 {
            return false;
        }
        let holds_record = |text: &str| {
            let inside = json::leading_members(text).map(|(members, _)| Members::from(members));
            inside.is_ok_and(|inside| self.accepts(&inside, envelopes - 1))
        };
        match envelope::open(members, self.0) {
            Ok(Some(Content::Text(text))) => holds_record(&same_length(&text)),
            Ok(Some(Content::Values(values))) => values.first().is_some_and(|value| holds_record(value)),
            _ => false,
        }
    }
}

fn is_separator(letter: char) -> bool {
    letter.is_ascii_whitespace() || letter == ','
}

/// Where the value begins that ends at the end of `text`, by its quotation marks or its own kind of brackets.
fn start_of_value(text: &str) -> Option<usize> {
    let (last, before) = text.as_bytes().split_last()?;
    match last {
        b'}' => opening_bracket(before, b'{', b'}'),
        b']' => opening_bracket(before, b'[', b']'),
        b'"' => opening_quote(before),
        // A number or word, or what is left of something broken.
        _ => {
            let ends = |letter: char| matches!(letter, ',' | ':' | '[' | '{' | '"' | '}' | ']' | '\n');
            text.rfind(ends).map(|end| end + 1)
        }
    }
}

/// The bracket that one behind `bytes` closes; those in strings do not count.
fn opening_bracket(bytes: &[u8], opens: u8, closes: u8) -> Option<usize> {
    let (mut open, mut position) = (1_usize, bytes.len());
    while position > 0 {
        position -= 1;
        match bytes[position] {
            b'"' => position = opening_quote(&bytes[..position])?,
            byte if byte == closes => open += 1,
            byte if byte == opens => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(position);
        }
    }
    None
}

/// The last quotation mark that is not escaped.
fn opening_quote(bytes: &[u8]) -> Option<usize> {
    let mut end = bytes.len();
    loop {
        let quote = memchr::memrchr(b'"', &bytes[..end])?;
        let escapes = bytes[..quote].iter().rev().take_while(|byte| **byte == b'\\').count();
        if escapes % 2 == 0 {
            return Some(quote);
        }
        end = quote;
    }
}

/// The text with a question mark for each byte that is no UTF-8, so that positions are those of the bytes.
pub(super) fn same_length(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"eventID":"e","eventTime":"t","requestParameters":{"x":{"y":[{}]}}}"#;

    fn next(text: &str, from: usize) -> Next {
        Seeker(Source::Cloudtrail).next(text, from)
    }

    /// Would catch a part of a record taken for one, a record that is not whole, and one that is passed over.
    #[test]
    fn the_next_whole_record_is_found() {
        let end = RECORD.len();
        assert_eq!(next(RECORD, 0), Next::Record(0, end));
        assert_eq!(next(RECORD, 1), Next::NotBefore(end));
        for broken in [
            r#"{"eventID":"1,"#,
            r#"{"eventID":"1","a":{"b":{"c":"}"},"#,
            r#"}],{"eventID":}, "#,
            "{\"message\":\"{\\\"eventID\\\":1}\",\n",
            r#"{"eventID":"1","eventTime":"t","#,
            "ü\" [[[",
        ] {
            let text = format!("{broken}{RECORD},{RECORD}");
            assert_eq!(next(&text, 0), Next::Record(broken.len(), broken.len() + end), "{broken}");
        }
        let cut = format!("[{{\"a\":1}},{}", &RECORD[..end - 1]);
        assert_eq!(next(&cut, 0), Next::NotBefore(9));
    }

    /// Would catch a list or a text inside a record taken for an envelope of records, and an envelope that is not found.
    #[test]
    fn envelopes_are_found_by_the_record_inside() {
        for other in [r#"{"items":[{"x":1}]}"#, r#"{"message":"{}"}"#] {
            let text = format!("{{\"eventID\":{other} x {other}");
            assert_eq!(next(&text, 1), Next::NotBefore(text.len()));
        }
        let row = format!("{{\"_raw\":{RECORD:?}}}");
        for envelope in
            [format!("{{\"items\":[{RECORD}]}}"), format!("{{\"detail-type\":\"x\",\"detail\":{row}}}"), row]
        {
            assert_eq!(next(&envelope, 0), Next::Record(0, envelope.len()), "{envelope}");
        }
    }

    /// Would catch positions that are off behind letters of a broken text.
    #[test]
    fn positions_are_those_of_the_bytes() {
        assert_eq!(same_length(b"a\xff\xfe\xc3\xa9\xe2\x82{"), "a??é??{");
    }
}
