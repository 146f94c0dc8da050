//! `document.delete` or `document.*`: which actions are meant.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    limits,
};

/// One action, or all that begin in the same way: the text of the action, or a beginning and `*`.
///
/// ```
/// use auditlake::query::ActionPattern;
/// let pattern = ActionPattern::parse("document.*").unwrap();
/// assert!(pattern.fits("document.delete") && !pattern.fits("documents"));
/// assert!(ActionPattern::parse("*.delete").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActionPattern(String);

impl ActionPattern {
    /// Checks the text: `*` may only stand at its end, and not alone.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the text.
    pub fn parse(text: &str) -> Result<Self> {
        let beginning = text.strip_suffix('*').unwrap_or(text);
        let max = limits::ACTION_BYTES_MAX;
        match !beginning.is_empty() && text.len() <= max && !beginning.contains('*') {
            true => Ok(Self(text.to_owned())),
            false => {
                let shown: String = text.chars().take(80).collect();
                let message = format!(
                    "action '{shown}' is not an action or a beginning and '*', of at most {max} bytes"
                );
                Err(Error::new(ErrorKind::Invalid, message))
            }
        }
    }

    /// All actions that begin with `text`.
    pub(crate) fn beginning(text: &str) -> Self {
        Self(format!("{text}*"))
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// For a beginning: the first text that begins so, and the first after all that do.
    pub(crate) fn range(&self) -> Option<(&str, String)> {
        let beginning = self.0.strip_suffix('*')?;
        let mut end: Vec<char> = beginning.chars().collect();
        while let Some(last) = end.pop() {
            // Past the last letter there is none: then what is before it has to grow.
            if let Some(next) = next(last) {
                end.push(next);
                break;
            }
        }
        Some((beginning, end.into_iter().collect()))
    }

    /// Whether `action` is meant.
    pub fn fits(&self, action: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => action.starts_with(beginning),
            None => action == self.0,
        }
    }
}

/// The letter after `letter`, in the order of UTF-8, which is the order of code points.
fn next(letter: char) -> Option<char> {
    (letter as u32 + 1..=char::MAX as u32).find_map(char::from_u32)
}

impl TryFrom<String> for ActionPattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<ActionPattern> for String {
    fn from(pattern: ActionPattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Would catch a range that leaves out an action that begins so, or lets another in.
        #[test]
        fn the_range_is_what_begins_so(beginning in "[a-c.\u{d7ff}\u{e000}]{1,3}", action in "[a-d.\u{d7ff}\u{e000}]{0,4}") {
            let pattern = ActionPattern::parse(&format!("{beginning}*")).unwrap();
            let (first, end) = pattern.range().unwrap();
            prop_assert_eq!(action.as_str() >= first && action < end, pattern.fits(&action));
        }
    }

    /// Would catch a pattern that is taken for a text, so that it fits nothing.
    #[test]
    fn only_the_end_is_open() {
        for wrong in ["", "*", "a*b", "*a", "a**"] {
            assert!(ActionPattern::parse(wrong).is_err(), "{wrong}");
        }
        assert!(ActionPattern::parse("a.b").unwrap().range().is_none());
    }
}
