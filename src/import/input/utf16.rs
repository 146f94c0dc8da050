//! Text in UTF-16 to UTF-8, as it is read.
//!
//! In: bytes, and which byte of two goes first. Out: the same text in UTF-8. Guaranteed: half a surrogate pair becomes a byte
//! that is no UTF-8, so that the parser tells of it as of any other letter that is none.

use std::io::{self, BufRead, Read};

const NOT_UTF8: u8 = 0xff;

/// Which byte of a unit goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The high one.
    Big,
    /// The low one.
    Little,
}

/// The order of text that begins with these bytes, if it is UTF-16: with a byte order mark, or as JSON does.
pub(super) fn order_of(first: &[u8]) -> Option<Order> {
    match first {
        [0xff, 0xfe, ..] | [b'{' | b'[', 0, _, 0, ..] => Some(Order::Little),
        [0xfe, 0xff, ..] | [0, b'{' | b'[', 0, 1..=u8::MAX, ..] => Some(Order::Big),
        _ => None,
    }
}

/// Reads UTF-8 out of a reader of UTF-16.
pub(super) struct Decoder<R> {
    inner: R,
    order: Order,
    /// Bytes that are not decoded yet: less than a unit, or the first half of a pair.
    undecoded: Vec<u8>,
    /// Text that is not given out yet, from `at` on.
    text: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: BufRead> Decoder<R> {
    pub(super) fn new(inner: R, order: Order) -> Self {
        Self { inner, order, undecoded: Vec::new(), text: Vec::new(), at: 0, ended: false }
    }

    fn decode_more(&mut self) -> io::Result<()> {
        let chunk = self.inner.fill_buf()?;
        let count = chunk.len();
        self.undecoded.extend_from_slice(chunk);
        self.inner.consume(count);
        self.ended = count == 0;
        let (pairs, rest) = self.undecoded.as_chunks::<2>();
        let mut units: Vec<u16> = pairs
            .iter()
            .map(|pair| match self.order {
                Order::Big => u16::from_be_bytes(*pair),
                Order::Little => u16::from_le_bytes(*pair),
            })
            .collect();
        let mut kept = rest.to_vec();
        let is_first_half = |unit: &u16| (0xd800..0xdc00).contains(unit);
        if !self.ended && units.pop_if(|unit| is_first_half(unit)).is_some() {
            kept = self.undecoded[self.undecoded.len() - rest.len() - 2..].to_vec();
        }
        self.text.clear();
        self.at = 0;
        for letter in char::decode_utf16(units) {
            match letter {
                Ok(letter) => self.text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(_) => self.text.push(NOT_UTF8),
            }
        }
        if self.ended && !kept.is_empty() {
            self.text.push(NOT_UTF8);
            kept.clear();
        }
        self.undecoded = kept;
        Ok(())
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() && !self.ended {
            self.decode_more()?;
        }
        let rest = &self.text[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Would catch a letter that is lost where two reads meet, bytes in the wrong order, and half a pair that is nobody told of.
    #[test]
    fn text_is_the_same_however_it_is_read() {
        let text = "\u{feff}{\"a\": \"é😀漢\"}\n";
        for order in [Order::Big, Order::Little] {
            let bytes: Vec<u8> = text
                .encode_utf16()
                .flat_map(|unit| if order == Order::Big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
            assert_eq!((order_of(&bytes), order_of(&bytes[2..])), (Some(order), Some(order)));
            for capacity in 1..8 {
                let mut read = String::new();
                let inner = BufReader::with_capacity(capacity, &bytes[..]);
                Decoder::new(inner, order).read_to_string(&mut read).unwrap();
                assert_eq!(read, text);
            }
        }
        let mut read = Vec::new();
        let halves = [0xd8, 0x3d, 0, b'x', 0xd8, 0x3d, 0];
        Decoder::new(&halves[..], Order::Big).read_to_end(&mut read).unwrap();
        assert_eq!(read, b"\xffx\xff\xff");
        for other in [&b"{\"a\""[..], b"\0\0\0{", b"\0{\"a", b"[1]", b"", b"{"] {
            assert_eq!(order_of(other), None, "{other:?}");
        }
    }
}
