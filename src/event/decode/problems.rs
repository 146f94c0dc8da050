//! What is wrong with an event and where: problems with JSON pointers (RFC 6901).
//!
//! A [`Path`] lives on the call stack and costs nothing until a problem is found; [`Problems`] gathers up to
//! [`PROBLEMS_MAX`] of one event and counts the rest.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::PROBLEMS_MAX;

/// Letters of a key or value that a message repeats; longer ones are cut and end in `…`.
const SHOWN_CHARS_MAX: usize = 64;

/// One problem of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// RFC 6901 pointer into the event as it was sent; empty for the event as a whole. A key longer than
    /// 64 characters is cut.
    pub pointer: String,
    /// The rule and the value that breaks it, lowercase, made to follow the pointer: `is required`.
    pub detail: String,
}

/// The way from an event's root to the value at hand.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    /// The event itself.
    Root,
    /// A member of an object.
    Key(&'p Path<'p>, &'p str),
    /// An element of an array.
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// The path of the member `key`.
    pub(super) fn key(&'p self, key: &'p str) -> Path<'p> {
        Path::Key(self, key)
    }

    /// The path of the element at `index`.
    pub(super) fn index(&'p self, index: usize) -> Path<'p> {
        Path::Index(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Index(parent, index) => write!(f, "{parent}/{index}"),
            Path::Key(parent, key) => {
                write!(f, "{parent}/{}", shortened(key).replace('~', "~0").replace('/', "~1"))
            }
        }
    }
}

/// `text`, cut to what a message can bear.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `text` in quotes, cut to what a message can bear.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// The problems of one event, in the order they were met.
#[derive(Default)]
pub(super) struct Problems {
    shown: Vec<FieldError>,
    hidden: usize,
}

impl Problems {
    /// Adds a problem, or counts it if enough are shown already.
    pub(super) fn push(&mut self, path: &Path<'_>, detail: impl fmt::Display) {
        if self.shown.len() + 1 < PROBLEMS_MAX {
            self.shown.push(FieldError { pointer: path.to_string(), detail: detail.to_string() });
        } else {
            self.hidden += 1;
        }
    }

    /// Whether nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// Hands over what was found and starts afresh.
    pub(super) fn take(&mut self) -> Vec<FieldError> {
        let hidden = std::mem::take(&mut self.hidden);
        let mut all = std::mem::take(&mut self.shown);
        if hidden > 0 {
            all.push(FieldError { pointer: String::new(), detail: format!("has {hidden} more problems") });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a pointer that names another field than the one that is wrong.
    #[test]
    fn pointers_escape_tilde_and_slash() {
        let root = Path::Root;
        let (targets, key) = (root.key("targets"), "a/b~c");
        assert_eq!(targets.index(3).key(key).to_string(), "/targets/3/a~1b~0c");
        assert_eq!(root.to_string(), "");
    }

    /// Would catch an event whose answer grows with the number of its mistakes, or mistakes that vanish.
    #[test]
    fn problems_past_the_cap_are_counted() {
        let mut problems = Problems::default();
        for _ in 0..40 {
            problems.push(&Path::Root, "is odd");
        }
        let all = problems.take();
        assert_eq!(all.len(), PROBLEMS_MAX);
        assert_eq!(all[PROBLEMS_MAX - 1].detail, "has 9 more problems");
        assert!(problems.is_empty() && problems.take().is_empty());
    }
}
