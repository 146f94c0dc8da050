//! The members of an object as they stand in its text, for what looks at an object before it is a value.
//!
//! In: the text of an object or array. Out: slices of it. Guaranteed: the slices are whole JSON values, in the order
//! of the text; members given twice are both there.

use std::borrow::Cow;

use super::{Parser, SyntaxError};

/// A member of an object.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::import) struct Member<'t> {
    pub(in crate::import) name: Cow<'t, str>,
    /// The text of its value.
    pub(in crate::import) value: &'t str,
}

/// The members of the object that `text` is.
pub(in crate::import) fn members(text: &str) -> Result<Vec<Member<'_>>, SyntaxError> {
    let mut parser = Parser::new(text);
    let found = parser.members()?;
    parser.finish()?;
    Ok(found)
}

/// The members of the object with which `text` begins, and how many bytes it has.
pub(in crate::import) fn leading_members(text: &str) -> Result<(Vec<Member<'_>>, usize), SyntaxError> {
    let mut parser = Parser::new(text);
    let found = parser.members()?;
    Ok((found, parser.at))
}

/// The elements of the array that `text` is.
pub(in crate::import) fn elements(text: &str) -> Result<Vec<&str>, SyntaxError> {
    let mut parser = Parser::new(text);
    parser.space();
    if parser.peek() != Some(b'[') {
        return parser.error("expected an array");
    }
    let mut found = Vec::new();
    let mut more = parser.open(b']')?;
    while more {
        let start = parser.at;
        parser.skip(1)?;
        found.push(&text[start..parser.at]);
        more = parser.step(b']', "expected ',' or ']'")?;
    }
    parser.finish()?;
    Ok(found)
}

/// The letters of the string that `text` is.
pub(in crate::import) fn string(text: &str) -> Option<Cow<'_, str>> {
    let mut parser = Parser::new(text);
    (parser.peek() == Some(b'"')).then(|| parser.string().ok()).flatten()
}

/// Of the beginning of an object: the bytes before the first element of the first array of objects that one of
/// `names` holds. `None` if there is no such member before the text ends.
pub(in crate::import) fn list_start(text: &str, names: &[&str]) -> Option<usize> {
    let mut parser = Parser::new(text);
    parser.space();
    let mut more = parser.peek() == Some(b'{') && parser.open(b'}').ok()?;
    while more {
        let name = parser.key().ok()?;
        if names.contains(&&*name) && parser.peek() == Some(b'[') {
            let first = text[parser.at + 1..].trim_start();
            if first.starts_with('{') {
                return Some(parser.at + 1);
            }
        }
        parser.skip(1).ok()?;
        more = parser.step(b'}', "").ok()?;
    }
    None
}

impl<'t> Parser<'t> {
    /// Reads the object that comes, without its values.
    fn members(&mut self) -> Result<Vec<Member<'t>>, SyntaxError> {
        self.space();
        if self.peek() != Some(b'{') {
            return self.error("expected an object");
        }
        let mut found = Vec::new();
        let mut more = self.open(b'}')?;
        while more {
            let name = self.key()?;
            let start = self.at;
            self.skip(1)?;
            found.push(Member { name, value: &self.text[start..self.at] });
            more = self.step(b'}', "expected ',' or '}'")?;
        }
        Ok(found)
    }

    /// Steps over the value at which the parser stands.
    fn skip(&mut self, depth: usize) -> Result<(), SyntaxError> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            Some(b'{') => {
                self.check_depth(depth)?;
                let mut more = self.open(b'}')?;
                while more {
                    self.key()?;
                    self.skip(depth + 1)?;
                    more = self.step(b'}', "expected ',' or '}'")?;
                }
                Ok(())
            }
            Some(b'[') => {
                self.check_depth(depth)?;
                let mut more = self.open(b']')?;
                while more {
                    self.skip(depth + 1)?;
                    more = self.step(b']', "expected ',' or ']'")?;
                }
                Ok(())
            }
            _ => self.word().map(drop),
        }
    }
}
