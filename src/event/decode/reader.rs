//! A pull reader of JSON text that hands out borrowed strings and survives lone surrogates.
//!
//! In: a body, or one line of it, already known to be UTF-8. Out: kinds, keys, text and numbers in order,
//! borrowed wherever no escape had to be resolved. Guaranteed: anything but JSON grammar (RFC 8259) ends in a
//! [`SyntaxError`] with its byte offset. A lone surrogate (`"\ud800"`) is grammar, yet no text: it is
//! marked, and reading goes on behind it, so that it costs one event and not its whole request.

use std::borrow::Cow;

use jiter::{Jiter, JiterError, JiterErrorType, JsonErrorType, Peek};

use crate::limits::BODY_DEPTH_MAX;

/// Where and why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Bytes before the offending one.
    pub(super) offset: usize,
    /// What was found or expected there, lowercase.
    pub(super) detail: String,
}

/// What a JSON value is, by its first letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
}

impl Kind {
    /// The kind as messages name it, article included.
    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// A string or key of the text.
pub(super) struct Text<'j> {
    /// Its letters; as they stand in the text, escapes included, if `lone_surrogate`.
    pub(super) value: Cow<'j, str>,
    /// Whether it is no Unicode text because half of a surrogate pair is missing.
    pub(super) lone_surrogate: bool,
}

/// Reads one JSON text from front to back.
pub(super) struct Reader<'j> {
    text: &'j str,
    jiter: Jiter<'j>,
    /// Where in `text` the part begins that `jiter` reads; past 0 once a lone surrogate was stepped over.
    base: usize,
}

impl<'j> Reader<'j> {
    /// A reader at the start of `text`.
    pub(super) fn new(text: &'j str) -> Self {
        Self { text, jiter: Jiter::new(text.as_bytes()), base: 0 }
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> usize {
        self.base + self.jiter.current_index()
    }

    /// Steps over white space and tells what comes next, without reading it.
    pub(super) fn peek(&mut self) -> Result<Kind, SyntaxError> {
        let peek = self.jiter.peek().map_err(|error| syntax(self.base, &error))?;
        match peek {
            Peek::Null => Ok(Kind::Null),
            Peek::True | Peek::False => Ok(Kind::Bool),
            Peek::String => Ok(Kind::Text),
            Peek::Array => Ok(Kind::Array),
            Peek::Object => Ok(Kind::Object),
            _ if peek.is_num() && !matches!(peek, Peek::Infinity | Peek::NaN) => Ok(Kind::Number),
            _ => Err(SyntaxError { offset: self.offset(), detail: "expected a value".into() }),
        }
    }

    /// Reads a null; [`Kind::Null`] was peeked.
    pub(super) fn null(&mut self) -> Result<(), SyntaxError> {
        self.jiter.known_null().map_err(|error| syntax(self.base, &error))
    }

    /// Reads a boolean; [`Kind::Bool`] was peeked.
    pub(super) fn bool(&mut self) -> Result<bool, SyntaxError> {
        self.jiter.next_bool().map_err(|error| syntax(self.base, &error))
    }

    /// Reads a number and returns its letters; [`Kind::Number`] was peeked.
    pub(super) fn number(&mut self) -> Result<&'j str, SyntaxError> {
        let start = self.offset();
        match self.jiter.next_number_bytes() {
            Ok(_) => {}
            // More digits than jiter reads: a number all the same, for the caller to refuse.
            Err(error) if is_json_error(&error, &[JsonErrorType::NumberOutOfRange]) => {
                let letters = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                let length = self.text.as_bytes()[start..].iter().take_while(|byte| letters(byte)).count();
                self.seek(start + length);
            }
            Err(error) => return Err(syntax(self.base, &error)),
        }
        Ok(&self.text[start..self.offset()])
    }

    /// Reads a string; [`Kind::Text`] was peeked.
    pub(super) fn text(&mut self) -> Result<Text<'j>, SyntaxError> {
        let start = self.offset();
        match self.jiter.known_bytes() {
            Ok(_) => Ok(unescaped(self.text, start + 1, self.offset() - 1)),
            Err(error) => self.recover(start, &error),
        }
    }

    /// Opens an array; [`Kind::Array`] was peeked. Whether there is a first element, at which the reader then stands.
    pub(super) fn first_element(&mut self) -> Result<bool, SyntaxError> {
        let first = self.jiter.known_array().map_err(|error| syntax(self.base, &error))?;
        Ok(first.is_some())
    }

    /// Steps to the next element of an array; whether there is one.
    pub(super) fn next_element(&mut self) -> Result<bool, SyntaxError> {
        let next = self.jiter.array_step().map_err(|error| syntax(self.base, &error))?;
        Ok(next.is_some())
    }

    /// Opens an object and reads its first key and colon; [`Kind::Object`] was peeked.
    pub(super) fn first_key(&mut self) -> Result<Option<Text<'j>>, SyntaxError> {
        let before = self.offset();
        let length = self.jiter.next_object_bytes().map(|key| key.map(<[u8]>::len));
        self.key(before, length)
    }

    /// Reads the next key of an object and its colon.
    pub(super) fn next_key(&mut self) -> Result<Option<Text<'j>>, SyntaxError> {
        let before = self.offset();
        let length = self.jiter.next_key_bytes().map(|key| key.map(<[u8]>::len));
        self.key(before, length)
    }

    /// Checks that nothing but white space is left.
    pub(super) fn finish(&mut self) -> Result<(), SyntaxError> {
        self.jiter.finish().map_err(|error| syntax(self.base, &error))
    }

    /// Reads a value of any kind and forgets it.
    pub(super) fn skip(&mut self) -> Result<(), SyntaxError> {
        self.skip_below(BODY_DEPTH_MAX)
    }

    fn skip_below(&mut self, levels: usize) -> Result<(), SyntaxError> {
        let kind = self.peek()?;
        if levels == 0 && matches!(kind, Kind::Array | Kind::Object) {
            let detail = format!("nested more than {BODY_DEPTH_MAX} levels deep");
            return Err(SyntaxError { offset: self.offset(), detail });
        }
        match kind {
            Kind::Null => self.null(),
            Kind::Bool => self.bool().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::Text => self.text().map(drop),
            Kind::Array => {
                let mut more = self.first_element()?;
                while more {
                    self.skip_below(levels - 1)?;
                    more = self.next_element()?;
                }
                Ok(())
            }
            Kind::Object => {
                let mut key = self.first_key()?;
                while key.is_some() {
                    self.skip_below(levels - 1)?;
                    key = self.next_key()?;
                }
                Ok(())
            }
        }
    }

    /// The key whose bytes jiter measured: the first string after `before`.
    fn key(
        &mut self,
        before: usize,
        length: Result<Option<usize>, JiterError>,
    ) -> Result<Option<Text<'j>>, SyntaxError> {
        // It is the next byte or one of the next few.
        let quote = |text: &str| {
            before + text.as_bytes()[before..].iter().position(|byte| *byte == b'"').unwrap_or(0)
        };
        match length {
            Ok(None) => Ok(None),
            Ok(Some(length)) => {
                let start = quote(self.text) + 1;
                Ok(Some(unescaped(self.text, start, start + length)))
            }
            Err(error) => {
                let key = self.recover(quote(self.text), &error)?;
                let offset = self.offset();
                let rest = self.text[offset..].trim_start_matches([' ', '\t', '\n', '\r']);
                if !rest.starts_with(':') {
                    let detail = "expected `:`".into();
                    return Err(SyntaxError { offset: self.text.len() - rest.len(), detail });
                }
                self.seek(self.text.len() - rest.len() + 1);
                Ok(Some(key))
            }
        }
    }

    /// Steps over the string at `start` if all that `error` complains of is a lone surrogate.
    fn recover(&mut self, start: usize, error: &JiterError) -> Result<Text<'j>, SyntaxError> {
        use JsonErrorType::{LoneLeadingSurrogateInHexEscape, UnexpectedEndOfHexEscape};
        if !is_json_error(error, &[LoneLeadingSurrogateInHexEscape, UnexpectedEndOfHexEscape]) {
            return Err(syntax(self.base, error));
        }
        let end = end_of_string(self.text, start)?;
        self.seek(end);
        Ok(Text { value: Cow::Borrowed(&self.text[start + 1..end - 1]), lone_surrogate: true })
    }

    fn seek(&mut self, offset: usize) {
        self.base = offset;
        self.jiter = Jiter::new(&self.text.as_bytes()[offset..]);
    }
}

/// The letters between the quotes of a string that jiter found valid.
fn unescaped(text: &str, start: usize, end: usize) -> Text<'_> {
    let raw = &text[start..end];
    let value = if has_backslash(raw.as_bytes()) {
        let quoted = &text.as_bytes()[start - 1..=end];
        let decoded = Jiter::new(quoted).known_str().map(str::to_owned);
        Cow::Owned(decoded.expect("a string that was valid before is valid again"))
    } else {
        Cow::Borrowed(raw)
    };
    Text { value, lone_surrogate: false }
}

/// Whether a text has an escape. Whole chunks are looked at at once; the last one reaches back to what was looked at already.
fn has_backslash(bytes: &[u8]) -> bool {
    let in_chunk =
        |chunk: &[u8; 16]| chunk.iter().fold(0, |found, byte| found | u8::from(*byte == b'\\')) != 0;
    match bytes.last_chunk::<16>() {
        Some(last) => bytes.as_chunks::<16>().0.iter().any(in_chunk) || in_chunk(last),
        None => bytes.contains(&b'\\'),
    }
}

/// The offset behind the closing quote of the string at `start`, whose `\u` escapes need not pair up.
fn end_of_string(text: &str, start: usize) -> Result<usize, SyntaxError> {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    let fail = |offset: usize, detail: &str| Err(SyntaxError { offset, detail: detail.into() });
    loop {
        match bytes.get(at) {
            None => return fail(bytes.len(), "the text ends inside a string"),
            Some(b'"') => return Ok(at + 1),
            Some(0..0x20) => return fail(at, "control character inside a string"),
            Some(b'\\') => match bytes.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                Some(b'u') if hex_digits(bytes, at + 2) => at += 6,
                _ => return fail(at, "invalid escape"),
            },
            Some(_) => at += 1,
        }
    }
}

fn hex_digits(bytes: &[u8], start: usize) -> bool {
    bytes.get(start..start + 4).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

fn is_json_error(error: &JiterError, types: &[JsonErrorType]) -> bool {
    matches!(&error.error_type, JiterErrorType::JsonError(found) if types.contains(found))
}

fn syntax(base: usize, error: &JiterError) -> SyntaxError {
    let mut detail = error.error_type.to_string();
    // "EOF while parsing …", as serde_json words it, is for readers of parser code.
    if let Some(inside) = detail.strip_prefix("EOF while parsing ") {
        detail = format!("the text ends inside {inside}");
    }
    SyntaxError { offset: base + error.index, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip_all(text: &str) -> Result<(), SyntaxError> {
        let mut reader = Reader::new(text);
        reader.skip()?;
        reader.finish()
    }

    /// Would catch a grammar wider or narrower than RFC 8259, also behind a lone surrogate, where a new
    /// jiter takes over.
    #[test]
    fn the_grammar_is_that_of_json() {
        let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
        let digits = "1".repeat(5000);
        for good in [
            "null",
            " [1, -0.5e+7, true, false] ",
            r#"{"a": {"b": []}, "": "\u00e9\n"}"#,
            r#"{"\ud800": "\udc00 \n", "b": ["\ud800\ud800", 1]}"#,
            &deep,
            &digits,
        ] {
            assert_eq!(skip_all(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "nul",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{a: 1}",
            "01",
            "1.",
            "-",
            "+1",
            "NaN",
            "Infinity",
            "-Infinity",
            "\"\\x\"",
            "\"\t\"",
            "1 2",
            "[",
            "{\"a\":1",
            "\"\\ud800",
            "[\"\\ud800\\x\"]",
            "{\"\\ud800\" 1}",
            "[\"\\ud800\t\"]",
            &format!("[{deep}]"),
        ] {
            assert!(skip_all(bad).is_err(), "{bad}");
        }
    }

    /// Would catch text that loses or gains letters on its way through escapes.
    #[test]
    fn text_is_borrowed_or_unescaped() {
        let mut reader = Reader::new(r#" {"k\u0065y" : "a\ud83d\ude00\"", "plain":"é"}"#);
        assert_eq!(reader.peek(), Ok(Kind::Object));
        assert_eq!(reader.first_key().unwrap().unwrap().value, "key");
        assert_eq!(reader.peek(), Ok(Kind::Text));
        assert_eq!(reader.text().unwrap().value, "a😀\"");
        assert!(matches!(reader.next_key().unwrap().unwrap().value, Cow::Borrowed("plain")));
        assert_eq!(reader.peek(), Ok(Kind::Text));
        assert!(matches!(reader.text().unwrap().value, Cow::Borrowed("é")));
        assert!(reader.next_key().unwrap().is_none());
        assert_eq!(reader.finish(), Ok(()));
    }

    /// Would catch an offset that points elsewhere once a lone surrogate moved the reader's base.
    #[test]
    fn offsets_survive_a_lone_surrogate() {
        let error = skip_all(r#"["\ud800", x]"#).unwrap_err();
        assert_eq!((error.offset, error.detail.as_str()), (11, "expected a value"));
    }
}
