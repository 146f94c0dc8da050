//! Cuts a stream of bytes into JSON values without parsing them, in bounded memory.
//!
//! In: NDJSON, one array, one object, objects one after another, or (where asked for) CloudTrail's
//! `{"Records": […]}`; which of these it is, is seen from the first bytes. Out: the text of each value and the
//! line it starts at. Guaranteed: the parts are cut at the right places in every valid text; an invalid text
//! gives an error that says where, or wrong parts that the parser behind refuses, never a silent skip.

use std::io::{self, Read};

use crate::limits::IMPORT_VALUE_BYTES_MAX;

const CHUNK_BYTES: usize = 256 * 1024;
const ENVELOPE: [&[u8]; 4] = [b"{", b"\"Records\"", b":", b"["];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why the rest of a stream cannot be cut into values.
#[derive(Debug, thiserror::Error)]
pub(super) enum ValuesError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("line {0}: does not start with '{{' or '[', so it is not JSON events")]
    NotJson(u64),
    #[error("line {0}: the value that starts here is longer than {IMPORT_VALUE_BYTES_MAX} bytes")]
    TooLong(u64),
    #[error("line {0}: the file ends inside a value or array (is it cut off?)")]
    CutOff(u64),
    #[error("line {line}: {found:?} where {expected} should be")]
    Unexpected { line: u64, found: char, expected: &'static str },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// At the start of the stream or after the end of an array.
    Unknown,
    /// One value a line.
    Lines,
    /// Inside `[…]`.
    Array,
    /// Inside the array of `{"Records": […]}`.
    Envelope,
    /// Values one after another, over several lines each.
    Sequence,
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
    envelopes: bool,
}

impl Values {
    /// `envelopes`: whether `{"Records": […]}` stands for the values inside it.
    pub(super) fn new(input: Box<dyn Read + Send>, envelopes: bool) -> Self {
        let shape = Shape::Unknown;
        Self { input, buffer: Vec::new(), start: 0, ended: false, line: 1, shape, envelopes }
    }

    /// The next value's text and line; `None` at the end. After an error there is nothing more to get.
    pub(super) fn next_value(&mut self) -> Result<Option<(&[u8], u64)>, ValuesError> {
        loop {
            if self.skip_space()?.is_none() {
                return match self.shape {
                    Shape::Array | Shape::Envelope => Err(ValuesError::CutOff(self.line)),
                    Shape::Unknown | Shape::Lines | Shape::Sequence => Ok(None),
                };
            }
            match self.shape {
                Shape::Unknown => self.recognise()?,
                Shape::Lines => return self.take_line().map(Some),
                Shape::Sequence => return self.take_value().map(Some),
                Shape::Array | Shape::Envelope => {
                    if !self.leave_array()? {
                        return self.take_element().map(Some);
                    }
                }
            }
        }
    }

    /// Decides the shape from the first bytes and steps into an array or envelope.
    fn recognise(&mut self) -> Result<(), ValuesError> {
        match self.buffer[self.start] {
            b'[' => {
                self.advance(1);
                self.shape = Shape::Array;
            }
            b'{' => match self.envelope_bytes()? {
                Some(length) => {
                    self.advance(length);
                    self.shape = Shape::Envelope;
                }
                None => self.shape = self.lines_or_sequence()?,
            },
            _ => return Err(ValuesError::NotJson(self.line)),
        }
        Ok(())
    }

    /// Length of `{"Records": [` if that is what comes.
    fn envelope_bytes(&mut self) -> Result<Option<usize>, ValuesError> {
        if !self.envelopes {
            return Ok(None);
        }
        let mut at = 0;
        for token in ENVELOPE {
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

    /// Lines if the first line is a whole value, else values that may spread over lines.
    fn lines_or_sequence(&mut self) -> Result<Shape, ValuesError> {
        let end = self.find_line_end()?;
        let whole = serde_json::from_slice::<serde::de::IgnoredAny>(&self.buffer[self.start..end]).is_ok();
        Ok(if whole { Shape::Lines } else { Shape::Sequence })
    }

    /// Steps over the end of the array (and of the envelope around it), if that is what comes.
    fn leave_array(&mut self) -> Result<bool, ValuesError> {
        if self.buffer[self.start] != b']' {
            return Ok(false);
        }
        self.advance(1);
        if self.shape == Shape::Envelope {
            self.expect(b'}', "'}' after the Records array")?;
        }
        self.shape = Shape::Unknown;
        Ok(true)
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), ValuesError> {
        match self.skip_space()? {
            Some(found) if found == byte => {
                self.advance(1);
                Ok(())
            }
            Some(found) => Err(ValuesError::Unexpected { line: self.line, found: found.into(), expected }),
            None => Err(ValuesError::CutOff(self.line)),
        }
    }

    fn take_line(&mut self) -> Result<(&[u8], u64), ValuesError> {
        let end = self.find_line_end()?;
        Ok(self.take(end))
    }

    fn take_value(&mut self) -> Result<(&[u8], u64), ValuesError> {
        let end = self.find_value_end()?;
        Ok(self.take(end))
    }

    /// A value and the comma behind it.
    fn take_element(&mut self) -> Result<(&[u8], u64), ValuesError> {
        let line = self.line;
        let length = self.find_value_end()? - self.start;
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

    /// Position of the line's end, its line feed left out.
    fn find_line_end(&mut self) -> Result<usize, ValuesError> {
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.start + searched..];
            if let Some(found) = rest.iter().position(|&byte| byte == b'\n') {
                return Ok(self.start + searched + found);
            }
            searched += rest.len();
            if !self.fill()? {
                return Ok(self.buffer.len());
            }
        }
    }

    /// Position behind the value that begins at `start`.
    fn find_value_end(&mut self) -> Result<usize, ValuesError> {
        let mut scan = Scan::default();
        let mut scanned = 0;
        loop {
            let rest = &self.buffer[self.start + scanned..];
            if let Some(length) = scan.find_end(rest) {
                return Ok(self.start + scanned + length);
            }
            scanned += rest.len();
            if !self.fill()? {
                return match scan.is_open() {
                    true => Err(ValuesError::CutOff(self.line)),
                    false => Ok(self.buffer.len()),
                };
            }
        }
    }

    /// The next byte that is not white space, left in place.
    fn skip_space(&mut self) -> Result<Option<u8>, ValuesError> {
        loop {
            if self.start == 0 && self.line == 1 && self.buffer.starts_with(BYTE_ORDER_MARK) {
                self.advance(BYTE_ORDER_MARK.len());
            }
            let rest = &self.buffer[self.start..];
            let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let found = rest.get(space).copied();
            self.advance(space);
            if found.is_some() || !self.fill()? {
                return Ok(found);
            }
        }
    }

    fn advance(&mut self, count: usize) {
        let passed = &self.buffer[self.start..self.start + count];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count() as u64;
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

/// How far a value has been followed: brackets outside of strings, counted.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    started: bool,
}

impl Scan {
    fn is_open(&self) -> bool {
        self.depth > 0 || self.in_string || !self.started
    }

    /// Length of `bytes` up to the end of the value, `None` if it does not end here.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (position, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return Some(position + 1);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 1 => self.depth -= 1,
                b'}' | b']' if self.depth == 1 => {
                    self.depth = 0;
                    return Some(position + 1);
                }
                // A number or word ends at whatever cannot belong to it.
                b'}' | b']' | b',' if self.depth == 0 && self.started => return Some(position),
                _ if self.depth == 0 && self.started && byte.is_ascii_whitespace() => return Some(position),
                _ => {}
            }
            self.started = true;
        }
        None
    }
}

#[cfg(test)]
mod tests;
