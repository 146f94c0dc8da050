//! Foreign JSON to values, without a lost digit, member or letter that nobody hears of.
//!
//! In: the text of one value. Out: the value, and what there is to tell about it: members that are given twice (of
//! which one value only is in the tree, so the caller refuses the record), and text that was no Unicode: half of a
//! surrogate pair, or bytes that are no UTF-8, each replaced by U+FFFD. Guaranteed: numbers keep their value
//! ([`decimal`](super::decimal) says how), text keeps its letters, and anything but JSON grammar (RFC 8259) is an
//! error. `serde_json` does none of this: it rounds numbers, keeps the last of two members in silence, and refuses
//! a whole record for half a surrogate pair.

mod members;

use std::borrow::Cow;

use serde_json::{Map, Value, map::Entry};

pub(super) use self::members::{Member, elements, leading_members, list_start, members, string};
use super::decimal;
use crate::limits::{IMPORT_DEPTH_MAX, IMPORT_PROBLEMS_MAX};

/// Where and why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not JSON: {detail} at byte {offset}")]
pub(super) struct SyntaxError {
    /// Bytes before the place.
    pub(super) offset: usize,
    /// What was found or expected there, lowercase.
    pub(super) detail: &'static str,
}

/// A value and what there is to tell about it.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) value: Value,
    pub(super) oddities: Oddities,
}

/// What JSON allows and a tree of values cannot hold, by JSON pointer; of each kind the first few.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    /// Members that are given twice.
    pub(super) twice: Vec<String>,
    /// Text that was no Unicode.
    pub(super) replaced: Vec<String>,
}

/// Parses one value, white space around it.
pub(super) fn parse(text: &[u8]) -> Result<Parsed, SyntaxError> {
    let (unicode, broken) = unicode(text);
    let mut parser = Parser::new(&unicode);
    parser.space();
    let value = parser.value(0)?;
    parser.finish()?;
    let mut oddities = parser.oddities;
    if (broken || parser.replaced) && oddities.replaced.len() < IMPORT_PROBLEMS_MAX {
        oddities.replaced.push(String::new());
    }
    Ok(Parsed { value, oddities })
}

/// The text with U+FFFD in place of what is no UTF-8, and whether there was any.
pub(super) fn unicode(text: &[u8]) -> (Cow<'_, str>, bool) {
    match simdutf8::basic::from_utf8(text) {
        Ok(unicode) => (Cow::Borrowed(unicode), false),
        Err(_) => (String::from_utf8_lossy(text), true),
    }
}

/// A JSON pointer's step (RFC 6901) in front of `pointer`.
fn prefixed(key: &str, pointer: &str) -> String {
    format!("/{}{pointer}", key.replace('~', "~0").replace('/', "~1"))
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// Letters of the string at hand that were no Unicode.
    replaced: bool,
    oddities: Oddities,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0, replaced: false, oddities: Oddities::default() }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error<T>(&self, detail: &'static str) -> Result<T, SyntaxError> {
        let detail = if self.at >= self.text.len() { "the text ends inside a value" } else { detail };
        Err(SyntaxError { offset: self.at, detail })
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn finish(&mut self) -> Result<(), SyntaxError> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { self.error("text behind the value") }
    }

    /// Reads the value at which the parser stands; `depth` is the number of objects and arrays around it.
    fn value(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        match self.peek() {
            Some(b'"') => Ok(Value::String(self.string()?.into_owned())),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => Ok(decimal::value(self.number()?)),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Value, SyntaxError> {
        let words = [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
        for (word, value) in words {
            if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        self.error("expected a value")
    }

    fn check_depth(&self, depth: usize) -> Result<(), SyntaxError> {
        if depth < IMPORT_DEPTH_MAX {
            Ok(())
        } else {
            self.error("too many objects and arrays inside each other")
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        self.check_depth(depth)?;
        let mut members = Map::new();
        let mut more = self.open(b'}')?;
        while more {
            let before = (self.oddities.twice.len(), self.oddities.replaced.len());
            let key = self.key()?;
            let key_replaced = std::mem::take(&mut self.replaced);
            let value = self.value(depth + 1)?;
            if key_replaced || std::mem::take(&mut self.replaced) {
                self.note_replaced();
            }
            if before != (self.oddities.twice.len(), self.oddities.replaced.len()) {
                self.prefix(before, &key);
            }
            match members.entry(key.into_owned()) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) if self.oddities.twice.len() < IMPORT_PROBLEMS_MAX => {
                    self.oddities.twice.push(prefixed(entry.key(), ""));
                }
                Entry::Occupied(_) => {}
            }
            more = self.step(b'}', "expected ',' or '}'")?;
        }
        Ok(Value::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        self.check_depth(depth)?;
        let mut elements = Vec::new();
        let mut more = self.open(b']')?;
        while more {
            let before = (self.oddities.twice.len(), self.oddities.replaced.len());
            elements.push(self.value(depth + 1)?);
            if std::mem::take(&mut self.replaced) {
                self.note_replaced();
            }
            if before != (self.oddities.twice.len(), self.oddities.replaced.len()) {
                self.prefix(before, &(elements.len() - 1).to_string());
            }
            more = self.step(b']', "expected ',' or ']'")?;
        }
        Ok(Value::Array(elements))
    }

    #[cold]
    fn note_replaced(&mut self) {
        if self.oddities.replaced.len() < IMPORT_PROBLEMS_MAX {
            self.oddities.replaced.push(String::new());
        }
    }

    /// Puts a step in front of the pointers that were found below it.
    #[cold]
    fn prefix(&mut self, before: (usize, usize), step: &str) {
        let twice = self.oddities.twice.iter_mut().skip(before.0);
        for pointer in twice.chain(self.oddities.replaced.iter_mut().skip(before.1)) {
            *pointer = prefixed(step, pointer);
        }
    }

    /// Steps over the opening bracket; whether something stands before the closing one.
    fn open(&mut self, close: u8) -> Result<bool, SyntaxError> {
        self.at += 1;
        self.space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// Steps over a comma, or over the closing bracket and then there is no more.
    fn step(&mut self, close: u8, expected: &'static str) -> Result<bool, SyntaxError> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.space();
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => self.error(expected),
        }
    }

    /// Reads a key and its colon, and stands at the value then.
    fn key(&mut self) -> Result<Cow<'t, str>, SyntaxError> {
        if self.peek() != Some(b'"') {
            return self.error("expected a key in quotation marks");
        }
        let key = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return self.error("expected ':'");
        }
        self.at += 1;
        self.space();
        Ok(key)
    }

    /// Reads a number and returns its letters.
    fn number(&mut self) -> Result<&'t str, SyntaxError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.at;
        self.digits()?;
        if self.text.as_bytes()[whole] == b'0' && self.at > whole + 1 {
            self.at = whole + 1;
            return self.error("a number with a zero before it");
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.error("expected a digit") } else { Ok(()) }
    }

    /// Reads a string; sets `replaced` if it is not as it was given.
    fn string(&mut self) -> Result<Cow<'t, str>, SyntaxError> {
        self.at += 1;
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += plain_bytes(&bytes[start..]);
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(Cow::Borrowed(&self.text[start..self.at - 1]))
            }
            Some(b'\\') => self.string_with_escapes(start).map(Cow::Owned),
            _ => self.error("control character inside a string"),
        }
    }

    fn string_with_escapes(&mut self, start: usize) -> Result<String, SyntaxError> {
        let mut out = String::from(&self.text[start..self.at]);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return self.error("control character inside a string"),
            }
            let from = self.at;
            self.at += plain_bytes(&self.text.as_bytes()[from..]);
            out.push_str(&self.text[from..self.at]);
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<char, SyntaxError> {
        let letter = match self.peek() {
            Some(letter @ (b'"' | b'\\' | b'/')) => letter.into(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.error("unknown escape"),
        };
        self.at += 1;
        Ok(letter)
    }

    /// Reads `uXXXX`, and the second half of a surrogate pair if it follows.
    fn unicode_escape(&mut self) -> Result<char, SyntaxError> {
        let first = self.hex()?;
        if let Some(letter) = char::from_u32(first) {
            return Ok(letter);
        }
        let behind = self.at;
        if first < 0xdc00 && self.text.as_bytes()[behind..].starts_with(b"\\u") {
            self.at += 1;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = behind;
        }
        self.replaced = true;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    /// Reads `u` and four digits.
    fn hex(&mut self) -> Result<u32, SyntaxError> {
        let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let code =
            digits.and_then(|digits| digits.iter().try_fold(0, |code, byte| Some(code << 4 | digit(byte)?)));
        match code {
            Some(code) => {
                self.at += 5;
                Ok(code)
            }
            None => self.error("expected four hexadecimal digits"),
        }
    }
}

/// Bytes before the first that ends a string, begins an escape or is a control character.
///
/// Eight bytes at once: the high bit of each byte of `stops` says that it is one. Subtraction borrows from a byte only
/// behind one that is itself a stop, so that the first of them is exact (Hacker's Delight, 2nd edition, 6-1).
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let controls = word.wrapping_sub(0x20 * ONES) & !word;
        let ends = zeros(word ^ (u64::from(b'"') * ONES)) | zeros(word ^ (u64::from(b'\\') * ONES));
        let stops = (controls | ends) & HIGH;
        if stops != 0 {
            return index * 8 + (stops.trailing_zeros() / 8) as usize;
        }
    }
    let is_stop = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    words.len() * 8 + rest.iter().position(is_stop).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;
