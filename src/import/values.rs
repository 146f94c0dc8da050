//! Cuts a stream of bytes into JSON values without parsing them, in bounded memory.
//!
//! In: NDJSON, values one after another with or without line breaks between them, values over several lines, JSON text
//! sequences (RFC 7464), arrays, CloudTrail's `{"Records": […]}`, and any object that holds an array of objects and is too
//! long for a record. Out: the text of each value and the line it starts at. Guaranteed: the parts are cut at the
//! right places in every valid text; an invalid text gives an error that says where, or parts that the parser behind
//! refuses, never a silent skip.
//!
//! A broken value between others costs what stands before the next line that begins like a value. A broken element of an
//! array costs what stands before the next whole record ([`resync`](super::resync) says what that is). A comma that is
//! missing between two elements costs none of them.

mod broken;
mod errors;
mod scan;

use std::io::{self, Read};

pub(super) use self::errors::ValuesError;
use self::scan::{Progress, Scan};
use super::{
    Source,
    envelope::{LISTS, Members},
    folder::other_format,
    json,
};
use crate::limits::{IMPORT_RECORD_BYTES_MAX, IMPORT_VALUE_BYTES_MAX};

const CHUNK_BYTES: usize = 256 * 1024;
const RECORDS: [&[u8]; 4] = [b"{", b"\"Records\"", b":", b"["];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Stands before each value of a JSON text sequence.
const RECORD_SEPARATOR: u8 = 0x1e;

/// So many bytes tell every other format that is told by its first bytes.
const FORMAT_BYTES: usize = 512;

/// A part of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut<'t> {
    pub(super) text: &'t [u8],
    /// 1-based number of the line at which it starts.
    pub(super) line: u64,
    /// Whether the text is no value for certain, but what stands in a place of one.
    pub(super) broken: bool,
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
    /// What its records are, to find the next one behind a broken one.
    source: Source,
    buffer: Vec<u8>,
    /// Start of what is not yet given out.
    start: usize,
    ended: bool,
    /// Why the stream ended before its end.
    read_error: Option<io::Error>,
    /// What to tell before the next value.
    pending: Option<ValuesError>,
    /// 1-based number of the line of `start`.
    line: u64,
    shape: Shape,
    /// Whether something was there that is not white space.
    began: bool,
    /// Whether something was broken between values: closing brackets that are left of it are not told of once more.
    lost_brackets: bool,
}

impl Values {
    pub(super) fn new(input: Box<dyn Read + Send>, source: Source) -> Self {
        Self {
            input,
            source,
            buffer: Vec::new(),
            start: 0,
            ended: false,
            read_error: None,
            pending: None,
            line: 1,
            shape: Shape::Between,
            began: false,
            lost_brackets: false,
        }
    }

    /// The values of a text that is in memory.
    pub(super) fn of_text(buffer: Vec<u8>, source: Source) -> Self {
        Self { buffer, ended: true, ..Self::new(Box::new(io::empty()), source) }
    }

    /// Whether there was anything but white space so far.
    pub(super) fn began(&self) -> bool {
        self.began
    }

    /// The next value, or what stands in its place; `None` at the end. Behind an error that is
    /// [final](ValuesError::is_final) there is nothing more to get.
    pub(super) fn next_value(&mut self) -> Result<Option<Cut<'_>>, ValuesError> {
        loop {
            if let Some(error) = self.pending.take() {
                return Err(error);
            }
            let Some(first) = self.skip_space()? else { return self.end() };
            let began = std::mem::replace(&mut self.began, true);
            match (self.shape, first) {
                (Shape::Array | Shape::Envelope, b']') => self.leave_array()?,
                (_, b',') if began => self.advance(1),
                (Shape::Between, b']' | b'}') if self.lost_brackets => self.advance(1),
                (Shape::Array | Shape::Envelope, first) if begins_value(first) => {
                    return self.take_element();
                }
                (Shape::Array | Shape::Envelope, _) => return self.take_broken_element(false),
                (Shape::Between, b'[') => {
                    self.advance(1);
                    self.shape = Shape::Array;
                }
                (Shape::Between, b'{') => {
                    if let Some(length) = self.records_bytes()? {
                        self.advance(length);
                        self.shape = Shape::Envelope;
                    } else if let Some((length, broken)) = self.value_bytes()? {
                        return Ok(Some(self.take(length, broken)));
                    }
                }
                (Shape::Between, b'"') if self.is_json_in_text()? => {
                    if let Some((length, broken)) = self.value_bytes()? {
                        return Ok(Some(self.take(length, broken)));
                    }
                }
                (Shape::Between, _) => {
                    let line = self.line;
                    if !began && let Some(what) = self.other_format()? {
                        return Err(ValuesError::OtherFormat(what));
                    }
                    let length = match self.broken_bytes() {
                        Err(ValuesError::LongLine(_)) if !began => return Err(ValuesError::NotJson(line)),
                        length => length?,
                    };
                    // A file in which nothing at all is JSON is one thing to say and not many.
                    if !began && self.start + length == self.buffer.len() {
                        return Err(ValuesError::NotJson(line));
                    }
                    return Ok(Some(self.take(length, true)));
                }
            }
        }
    }

    /// What there is to say where the stream ends.
    fn end(&mut self) -> Result<Option<Cut<'_>>, ValuesError> {
        match (self.read_error.take(), self.shape) {
            (Some(error), _) => Err(ValuesError::Read(self.line, error)),
            (None, Shape::Between) => Ok(None),
            (None, Shape::Array | Shape::Envelope) => Err(ValuesError::CutOff(self.line)),
        }
    }

    /// What a stream that does not begin as JSON does is instead, if that is known.
    fn other_format(&mut self) -> Result<Option<&'static str>, ValuesError> {
        while self.buffer.len() - self.start < FORMAT_BYTES && self.fill()? {}
        Ok(other_format(&self.buffer[self.start..]))
    }

    /// Whether a string is JSON in a JSON string, and not the first column of a table or a key that lost its object.
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
        match std::mem::replace(&mut self.shape, Shape::Between) {
            Shape::Envelope => self.leave_object(),
            Shape::Array | Shape::Between => Ok(()),
        }
    }

    /// Steps over the members behind the list of records, if there is none that holds records as well.
    fn leave_object(&mut self) -> Result<(), ValuesError> {
        match self.skip_space()? {
            None => return Err(ValuesError::CutOff(self.line)),
            Some(b'}') => {
                self.advance(1);
                return Ok(());
            }
            Some(b',') => {}
            Some(found) => {
                self.pending = Some(ValuesError::AfterList { line: self.line, found: found.into() });
                self.lost_brackets = true;
                return Ok(());
            }
        }
        let line = self.line;
        let length = match self.find_end(Scan::inside_object())? {
            Found::End(length) => length,
            Found::Open => return Err(ValuesError::CutOff(line)),
            Found::Broken | Found::TooLong | Found::List(_) => {
                self.pending = Some(ValuesError::AfterList { line, found: ',' });
                self.lost_brackets = true;
                return Ok(());
            }
        };
        let rest = String::from_utf8_lossy(&self.buffer[self.start + 1..self.start + length]);
        let object = format!("{{{rest}");
        self.pending = match Members::of(&object) {
            None => Some(ValuesError::AfterList { line, found: ',' }),
            Some(members) => members.list_name().map(|name| ValuesError::SecondList { line, name }),
        };
        self.advance(length);
        Ok(())
    }

    /// Length of the value between values that begins at `start`, and whether it is broken; `None` if this is an object
    /// whose records come one after another, which has been stepped into.
    fn value_bytes(&mut self) -> Result<Option<(usize, bool)>, ValuesError> {
        match self.find_end(Scan::of_lines())? {
            Found::End(length) => Ok(Some((length, false))),
            Found::List(length) => {
                self.advance(length);
                self.shape = Shape::Envelope;
                Ok(None)
            }
            Found::Broken | Found::Open | Found::TooLong => Ok(Some((self.broken_bytes()?, true))),
        }
    }

    /// An element of an array, without the comma behind it.
    fn take_element(&mut self) -> Result<Option<Cut<'_>>, ValuesError> {
        let line = self.line;
        let length = match self.find_end(Scan::default())? {
            Found::End(length) => length,
            Found::Open => return self.take_broken_element(true),
            Found::Broken | Found::TooLong | Found::List(_) => return self.take_broken_element(false),
        };
        // The comma is looked for first, because the text is lent out from the buffer that this may refill.
        let passed = self.element_bytes(length)?;
        let start = self.start;
        let follower = self.buffer.get(start + passed).copied();
        let is_bracketed = matches!(self.buffer[start], b'{' | b'[');
        if !is_bracketed && self.buffer[start + passed - 1] != b',' && !matches!(follower, None | Some(b']'))
        {
            // A text or word with something else behind it is what is left of something broken.
            self.pending = None;
            return self.take_broken_element(false);
        }
        self.advance(passed);
        Ok(Some(Cut { text: &self.buffer[start..start + length], line, broken: false }))
    }

    /// Bytes of the element and what belongs to it: the comma behind it, or the space before the array's end.
    fn element_bytes(&mut self, length: usize) -> Result<usize, ValuesError> {
        let mut at = length;
        loop {
            match self.buffer.get(self.start + at).copied() {
                Some(b',') => return Ok(at + 1),
                Some(byte) if is_space(byte) => at += 1,
                Some(byte) => {
                    if begins_value(byte) {
                        let passed = &self.buffer[self.start..self.start + at];
                        let line = self.line + memchr::memchr_iter(b'\n', passed).count() as u64;
                        self.pending = Some(ValuesError::NoComma(line));
                    }
                    return Ok(at);
                }
                None => {
                    if !self.fill()? {
                        return Ok(at);
                    }
                }
            }
        }
    }

    fn take(&mut self, length: usize, broken: bool) -> Cut<'_> {
        self.lost_brackets |= broken;
        let (start, line) = (self.start, self.line);
        self.advance(length);
        Cut { text: &self.buffer[start..start + length], line, broken }
    }

    /// Follows the value that begins at `start`.
    fn find_end(&mut self, mut scan: Scan) -> Result<Found, ValuesError> {
        let mut looked_for_list = self.shape != Shape::Between;
        loop {
            match scan.go_on(&self.buffer[self.start..]) {
                Progress::Ended(length) => return Ok(Found::End(length)),
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
            match self.fill() {
                Ok(true) => {}
                Ok(false) if scan.ends_with_text() => return Ok(Found::End(self.buffer.len() - self.start)),
                Ok(false) => return Ok(Found::Open),
                Err(ValuesError::TooLong(_)) => return Ok(Found::TooLong),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next byte that is not white space, left in place.
    fn skip_space(&mut self) -> Result<Option<u8>, ValuesError> {
        let between = self.shape == Shape::Between;
        let is_skipped = |byte: &&u8| is_space(**byte) || (between && **byte == RECORD_SEPARATOR);
        loop {
            let rest = &self.buffer[self.start..];
            let space = rest.iter().take_while(is_skipped).count();
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

    /// Reads more behind what is there; `false` at the end of the stream, which may be one before its time.
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
        let count = read.unwrap_or_else(|error| {
            self.read_error = Some(error);
            0
        });
        self.buffer.truncate(length + count);
        self.ended = count == 0;
        Ok(!self.ended)
    }
}

/// Whether a byte between values says nothing. Files whose end was written in blocks have zeros there.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0
}

fn begins_value(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
}

/// Where a value ends.
enum Found {
    /// Behind so many bytes.
    End(usize),
    /// Nowhere: there is something in it that no JSON has.
    Broken,
    /// Nowhere before the end of the stream.
    Open,
    /// Nowhere as far as a value may reach.
    TooLong,
    /// It is an object too long for a record, whose list of records begins after so many bytes.
    List(usize),
}

#[cfg(test)]
mod tests;
