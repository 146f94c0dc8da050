//! Cuts a stream of bytes into JSON values without parsing them, in bounded memory.
//!
//! In: NDJSON, values one after another with or without line breaks between them, values over several lines, JSON text
//! sequences (RFC 7464), arrays, CloudTrail's `{"Records": […]}`, and any object that holds an array of objects and is too
//! long for a record. Out: the text of each value and the line it starts at. Guaranteed: the parts are cut at the
//! right places in every valid text; an invalid text gives an error that says where, or wrong parts that the parser
//! behind refuses, never a silent skip. A broken value costs what stands before the next line that begins like a value.

mod scan;

use std::io::{self, Read};

use self::scan::{Progress, Scan};
use super::{
    envelope::{LISTS, Members},
    json,
};
use crate::limits::{IMPORT_RECORD_BYTES_MAX, IMPORT_VALUE_BYTES_MAX};

const CHUNK_BYTES: usize = 256 * 1024;
const RECORDS: [&[u8]; 4] = [b"{", b"\"Records\"", b":", b"["];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Stands before each value of a JSON text sequence.
const RECORD_SEPARATOR: u8 = 0x1e;

/// Why the rest of a stream cannot be cut into values.
#[derive(Debug, thiserror::Error)]
pub(super) enum ValuesError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("line {0}: does not start with '{{' or '[', so it is not JSON events")]
    NotJson(u64),
    #[error("is text in UTF-16: convert it to UTF-8")]
    Utf16,
    #[error("line {0}: the value that starts here is longer than {IMPORT_VALUE_BYTES_MAX} bytes")]
    TooLong(u64),
    #[error("line {0}: the file ends inside a value or array (is it cut off?)")]
    CutOff(u64),
    #[error("line {line}: {found:?} where {expected} should be")]
    Unexpected { line: u64, found: char, expected: &'static str },
    #[error("line {line}: the object has {name:?} besides the list of records that was read")]
    SecondList { line: u64, name: &'static str },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Between values.
    Between,
    /// Inside `[…]`.
    Array,
    /// Inside the array of an object.
    Envelope,
}

/// The values of one stream.
pub(super) struct Values {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Start of what is not yet given out.
    start: usize,
    ended: bool,
    /// 1-based number of the line of `start`.
    line: u64,
    shape: Shape,
    /// Whether something was there that is not white space.
    began: bool,
}

impl Values {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            ended: false,
            line: 1,
            shape: Shape::Between,
            began: false,
        }
    }

    /// The values of a text that is in memory.
    pub(super) fn of_text(buffer: Vec<u8>) -> Self {
        Self { buffer, ended: true, ..Self::new(Box::new(io::empty())) }
    }

    /// Whether there was anything but white space so far.
    pub(super) fn began(&self) -> bool {
        self.began
    }

    /// The next value's text and line; `None` at the end. After an error there is nothing more to get.
    pub(super) fn next_value(&mut self) -> Result<Option<(&[u8], u64)>, ValuesError> {
        loop {
            let Some(first) = self.skip_space()? else {
                return match self.shape {
                    Shape::Array | Shape::Envelope => Err(ValuesError::CutOff(self.line)),
                    Shape::Between => Ok(None),
                };
            };
            let began = std::mem::replace(&mut self.began, true);
            match (self.shape, first) {
                (Shape::Array | Shape::Envelope, b']') => self.leave_array()?,
                (Shape::Array | Shape::Envelope, _) => return self.take_element().map(Some),
                (Shape::Between, b'[') => {
                    self.advance(1);
                    self.shape = Shape::Array;
                }
                (Shape::Between, b'{') => {
                    if let Some(length) = self.records_bytes()? {
                        self.advance(length);
                        self.shape = Shape::Envelope;
                    } else if let Some(end) = self.find_end_between()? {
                        return Ok(Some(self.take(end)));
                    }
                }
                // Values with commas between them, as in an array whose brackets somebody took away.
                (Shape::Between, b',') if began => self.advance(1),
                (Shape::Between, b'"') if began || self.is_json_in_text()? => {
                    if let Some(end) = self.find_end_between()? {
                        return Ok(Some(self.take(end)));
                    }
                }
                (Shape::Between, _) if began => {
                    let end = self.find_broken_end()?;
                    return Ok(Some(self.take(end)));
                }
                (Shape::Between, 0xfe | 0xff) => return Err(ValuesError::Utf16),
                (Shape::Between, _) => return Err(ValuesError::NotJson(self.line)),
            }
        }
    }

    /// Whether a stream that begins with a quotation mark is JSON in JSON strings, and not a table with quoted columns.
    fn is_json_in_text(&mut self) -> Result<bool, ValuesError> {
        while self.buffer.len() < self.start + 2 && self.fill()? {}
        Ok(self.buffer.get(self.start + 1).is_some_and(|byte| matches!(byte, b'{' | b'[')))
    }

    /// Length of `{"Records": [` if that is what comes.
    fn records_bytes(&mut self) -> Result<Option<usize>, ValuesError> {
        let mut at = 0;
        for token in RECORDS {
            loop {
                let rest = &self.buffer[self.start + at..];
                let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                if rest.len() >= space + token.len() {
                    if !rest[space..].starts_with(token) {
                        return Ok(None);
                    }
                    at += space + token.len();
                    break;
                }
                if !self.fill()? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(at))
    }

    /// Steps over the end of the array, and of the object around it.
    fn leave_array(&mut self) -> Result<(), ValuesError> {
        self.advance(1);
        if self.shape == Shape::Envelope {
            self.leave_object()?;
        }
        self.shape = Shape::Between;
        Ok(())
    }

    /// Steps over the members behind the list of records, if there is none that holds records as well.
    fn leave_object(&mut self) -> Result<(), ValuesError> {
        let line = self.line;
        match self.skip_space()? {
            None => return Err(ValuesError::CutOff(self.line)),
            Some(b'}') => {
                self.advance(1);
                return Ok(());
            }
            Some(b',') => {}
            Some(found) => {
                let expected = "',' or '}' behind the list of records";
                return Err(ValuesError::Unexpected { line: self.line, found: found.into(), expected });
            }
        }
        let end = match self.find_end(Scan::inside_object())? {
            Found::End(end) => end,
            Found::Open | Found::Broken | Found::List(_) => return Err(ValuesError::CutOff(self.line)),
        };
        let rest = String::from_utf8_lossy(&self.buffer[self.start + 1..end]);
        let object = format!("{{{rest}");
        let Some(members) = Members::of(&object) else {
            let expected = "a member of the object around the list of records";
            return Err(ValuesError::Unexpected { line, found: ',', expected });
        };
        if let Some(name) = members.list_name() {
            return Err(ValuesError::SecondList { line, name });
        }
        self.advance(end - self.start);
        Ok(())
    }

    /// Position behind the value between values that begins at `start`, broken or not; `None` if this is an object
    /// whose records come one after another, which has been stepped into.
    fn find_end_between(&mut self) -> Result<Option<usize>, ValuesError> {
        match self.find_end(Scan::of_lines())? {
            Found::End(end) => Ok(Some(end)),
            Found::List(length) => {
                self.advance(length);
                self.shape = Shape::Envelope;
                Ok(None)
            }
            Found::Broken => self.find_broken_end().map(Some),
            Found::Open => {
                let end = self.find_broken_end()?;
                let text = &self.buffer[self.start..end];
                // A last line is a record that is broken; several lines are what is left of a file.
                if end == self.buffer.len() && memchr::memchr(b'\n', text.trim_ascii_end()).is_some() {
                    return Err(ValuesError::CutOff(self.line));
                }
                Ok(Some(end))
            }
        }
    }

    /// Position of the first line behind this one that begins like a value, or of the end.
    fn find_broken_end(&mut self) -> Result<usize, ValuesError> {
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.start + searched..];
            match memchr::memchr(b'\n', rest) {
                Some(found) => {
                    searched += found + 1;
                    while self.start + searched == self.buffer.len() && self.fill()? {}
                    match self.buffer.get(self.start + searched) {
                        Some(b'{' | b'[' | &RECORD_SEPARATOR) | None => return Ok(self.start + searched),
                        Some(_) => {}
                    }
                }
                None => {
                    searched += rest.len();
                    if !self.fill()? {
                        return Ok(self.buffer.len());
                    }
                }
            }
        }
    }

    /// A value and the comma behind it.
    fn take_element(&mut self) -> Result<(&[u8], u64), ValuesError> {
        let line = self.line;
        let length = match self.find_end(Scan::default())? {
            Found::End(end) => end - self.start,
            Found::Open | Found::Broken | Found::List(_) => return Err(ValuesError::CutOff(self.line)),
        };
        // The comma is looked for first, because the text is lent out from the buffer that this may refill.
        let passed = self.find_element_end(length)?;
        let start = self.start;
        self.advance(passed);
        Ok((&self.buffer[start..start + length], line))
    }

    /// Bytes from `start` to behind the comma that follows the element, or to the array's end.
    fn find_element_end(&mut self, length: usize) -> Result<usize, ValuesError> {
        let mut at = length;
        loop {
            match self.buffer.get(self.start + at).copied() {
                Some(b',') => return Ok(at + 1),
                Some(b']') => return Ok(at),
                Some(space) if space.is_ascii_whitespace() => at += 1,
                Some(other) => {
                    let expected = "',' or ']'";
                    return Err(ValuesError::Unexpected { line: self.line, found: other.into(), expected });
                }
                None => {
                    if !self.fill()? {
                        return Err(ValuesError::CutOff(self.line));
                    }
                }
            }
        }
    }

    fn take(&mut self, end: usize) -> (&[u8], u64) {
        let (start, line) = (self.start, self.line);
        self.advance(end - start);
        (&self.buffer[start..end], line)
    }

    /// Follows the value that begins at `start`.
    fn find_end(&mut self, mut scan: Scan) -> Result<Found, ValuesError> {
        let mut looked_for_list = self.shape != Shape::Between;
        loop {
            match scan.go_on(&self.buffer[self.start..]) {
                Progress::Ended(length) => return Ok(Found::End(self.start + length)),
                Progress::Broken => return Ok(Found::Broken),
                Progress::More => {}
            }
            if !looked_for_list && self.buffer.len() - self.start > IMPORT_RECORD_BYTES_MAX {
                looked_for_list = true;
                let text = &self.buffer[self.start..];
                let whole = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
                if let Some(length) = json::list_start(whole, &LISTS) {
                    return Ok(Found::List(length));
                }
            }
            if !self.fill()? {
                let ended = scan.ends_with_text();
                return Ok(if ended { Found::End(self.buffer.len()) } else { Found::Open });
            }
        }
    }

    /// The next byte that is not white space, left in place.
    fn skip_space(&mut self) -> Result<Option<u8>, ValuesError> {
        let between = self.shape == Shape::Between;
        let is_space = |byte: &&u8| byte.is_ascii_whitespace() || (between && **byte == RECORD_SEPARATOR);
        loop {
            let rest = &self.buffer[self.start..];
            let space = rest.iter().take_while(is_space).count();
            let found = rest.get(space).copied();
            self.advance(space);
            // Files that were put together have such a mark wherever one of them begins.
            if found == Some(BYTE_ORDER_MARK[0]) && between {
                while self.buffer.len() - self.start < BYTE_ORDER_MARK.len() && self.fill()? {}
                if self.buffer[self.start..].starts_with(BYTE_ORDER_MARK) {
                    self.advance(BYTE_ORDER_MARK.len());
                    continue;
                }
            }
            if found.is_some() || !self.fill()? {
                return Ok(found);
            }
        }
    }

    fn advance(&mut self, count: usize) {
        let passed = &self.buffer[self.start..self.start + count];
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.start += count;
    }

    /// Reads more behind what is there; `false` at the end of the stream.
    fn fill(&mut self) -> Result<bool, ValuesError> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let length = self.buffer.len();
        if length > IMPORT_VALUE_BYTES_MAX {
            return Err(ValuesError::TooLong(self.line));
        }
        self.buffer.resize(length + CHUNK_BYTES, 0);
        let read = self.input.read(&mut self.buffer[length..]);
        self.buffer.truncate(length + *read.as_ref().unwrap_or(&0));
        self.ended = read? == 0;
        Ok(!self.ended)
    }
}

/// Where a value ends.
enum Found {
    /// At this position of the buffer.
    End(usize),
    /// Nowhere: there is something in it that no JSON has.
    Broken,
    /// Nowhere before the end of the stream.
    Open,
    /// It is an object too long for a record, whose list of records begins after so many bytes.
    List(usize),
}

#[cfg(test)]
mod tests;
