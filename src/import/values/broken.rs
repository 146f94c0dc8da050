//! Where reading goes on behind something broken.
//!
//! In: the buffer, at the start of what is broken. Out: how far it goes: to the next line that begins like a value, or to the
//! next whole record. Guaranteed: what is passed is given out as broken or told of as too long, and nothing is looked at beyond the
//! longest value.

use super::{BYTE_ORDER_MARK, Cut, RECORD_SEPARATOR, Shape, Values, ValuesError};
use crate::import::{
    folder::begins_as_json,
    resync::{self, Next, Seeker},
};

impl Values {
    /// Bytes before the first line behind this one that begins like a value, or before the end. Where no line ends for as
    /// long as a value may be, those before the next whole record.
    pub(super) fn broken_bytes(&mut self) -> Result<usize, ValuesError> {
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.start + searched..];
            if let Some(found) = memchr::memchr(b'\n', rest) {
                searched += found + 1;
                if self.line_begins_value(searched)? {
                    return Ok(searched);
                }
                continue;
            }
            searched += rest.len();
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return Ok(self.buffer.len() - self.start),
                Err(ValuesError::TooLong(line)) => {
                    if let Some(length) = self.record_ahead()? {
                        return Ok(length);
                    }
                    self.skip_line()?;
                    return Err(ValuesError::LongLine(line));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Steps over what is too long to be in memory, to the next line that begins like a value.
    fn skip_line(&mut self) -> Result<(), ValuesError> {
        self.lost_brackets = true;
        loop {
            match memchr::memchr(b'\n', &self.buffer[self.start..]) {
                Some(found) => {
                    self.advance(found + 1);
                    if self.line_begins_value(0)? {
                        return Ok(());
                    }
                }
                None => {
                    self.advance(self.buffer.len() - self.start);
                    if !self.fill()? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Whether what stands so many bytes ahead, where a line begins, begins like a value.
    fn line_begins_value(&mut self, ahead: usize) -> Result<bool, ValuesError> {
        loop {
            let line = &self.buffer[self.start + ahead..];
            let is_mark = |byte: &u8| matches!(byte, b'{' | b'[' | b'"' | 0xef | &RECORD_SEPARATOR);
            if line.first().is_some_and(|first| !is_mark(first)) {
                return Ok(false);
            }
            let letters = line.iter().filter(|byte| !byte.is_ascii_whitespace());
            if letters.take(BYTE_ORDER_MARK.len() + 2).count() == BYTE_ORDER_MARK.len() + 2 || !self.fill()? {
                return Ok(begins_as_json(&self.buffer[self.start + ahead..]));
            }
        }
    }

    /// Bytes before the next whole record that does not begin at `start`, as far as the buffer may reach.
    fn record_ahead(&mut self) -> Result<Option<usize>, ValuesError> {
        let seeker = Seeker(self.source);
        let mut from = 1;
        loop {
            let text = resync::same_length(&self.buffer[self.start..]);
            match seeker.next(&text, from) {
                Next::Record(start, _) => return Ok(Some(start)),
                Next::NotBefore(position) => from = position.max(1),
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) | Err(ValuesError::TooLong(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// What stands in the place of an element, up to the next whole record. Where none comes, that is all there is; if the
    /// element was `open` at the end of the stream, it is cut off.
    pub(super) fn take_broken_element(&mut self, open: bool) -> Result<Option<Cut<'_>>, ValuesError> {
        if let Some(length) = self.record_ahead()? {
            return Ok(Some(self.take(length, true)));
        }
        if !self.ended {
            return Err(ValuesError::TooLong(self.line));
        }
        if open {
            return self.end();
        }
        self.shape = Shape::Between;
        Ok(Some(self.take(self.buffer.len() - self.start, true)))
    }
}
