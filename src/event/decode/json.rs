//! Free-form JSON (metadata, changes) straight from the request to its canonical text (RFC 8785).
//!
//! In: the reader, standing at an object. Out: the canonical text, appended to a string. Guaranteed: reading
//! the canonical text again gives the same text. Keys met twice, lone surrogates, numbers that readers
//! disagree on and too deep nesting are problems, each with its pointer, and reading goes on.

use std::borrow::Cow;

use super::{
    problems::{Path, Problems, quoted},
    reader::{Kind, Reader, SyntaxError, Text},
};
use crate::event::jcs;

/// What an object's members may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Members {
    /// Anything.
    Any,
    /// The fields that an event changed: each an object of [`Members::OldNew`].
    Changes,
    /// `old`, `new` or both.
    OldNew,
}

/// A member of an object that is being read: its key, and where its canonical text is.
struct Member<'j> {
    key: Cow<'j, str>,
    start: usize,
    end: usize,
}

/// Writes canonical JSON; keeps its buffers from value to value.
pub(super) struct Canonicalizer<'j> {
    /// Levels of objects and arrays that an event may have, itself included.
    depth_max: usize,
    /// Members of all open objects, the innermost last.
    members: Vec<Member<'j>>,
    sorted: String,
}

impl<'j> Canonicalizer<'j> {
    /// A writer for events of at most so many levels.
    pub(super) fn new(depth_max: usize) -> Self {
        Self { depth_max, members: Vec::new(), sorted: String::new() }
    }

    /// Forgets objects that a syntax error left open.
    pub(super) fn clear(&mut self) {
        self.members.clear();
    }

    /// Reads the object at which `reader` stands and appends its canonical text to `out`.
    ///
    /// `depth` is the object's level in its event. What is appended is of use only if no problem was found.
    pub(super) fn object(
        &mut self,
        reader: &mut Reader<'j>,
        out: &mut String,
        members: Members,
        at: (&Path<'_>, usize),
        problems: &mut Problems,
    ) -> Result<(), SyntaxError> {
        let (path, depth) = at;
        let (first, start) = (self.members.len(), out.len());
        out.push('{');
        let mut next = reader.first_key()?;
        while let Some(Text { value: key, lone_surrogate }) = next {
            let child = path.key(&key);
            if lone_surrogate {
                problems.push(&child, "is a key with a lone surrogate, which is no Unicode text");
            }
            if out.len() > start + 1 {
                out.push(',');
            }
            let member_start = out.len();
            jcs::push_text(out, &key);
            out.push(':');
            self.member(reader, out, members, (&child, depth + 1), problems)?;
            self.members.push(Member { key, start: member_start, end: out.len() });
            next = reader.next_key()?;
        }
        if members == Members::OldNew && self.members.len() == first {
            problems.push(path, "has neither \"old\" nor \"new\"");
        }
        self.sort(first, out, start + 1, path, problems);
        out.push('}');
        Ok(())
    }

    /// Reads one member's value under the rule for its object.
    fn member(
        &mut self,
        reader: &mut Reader<'j>,
        out: &mut String,
        members: Members,
        at: (&Path<'_>, usize),
        problems: &mut Problems,
    ) -> Result<(), SyntaxError> {
        match members {
            Members::Any => {}
            Members::OldNew => {
                if let Path::Key(_, key) = at.0
                    && !matches!(*key, "old" | "new")
                {
                    problems.push(at.0, "is unknown: a change has \"old\", \"new\" or both");
                }
            }
            Members::Changes => {
                let kind = reader.peek()?;
                if kind == Kind::Object {
                    return self.object(reader, out, Members::OldNew, at, problems);
                }
                problems.push(
                    at.0,
                    format_args!("is {}, not an object with \"old\" or \"new\"", kind.described()),
                );
            }
        }
        self.value(reader, out, at, problems)
    }

    /// Reads a value of any kind.
    fn value(
        &mut self,
        reader: &mut Reader<'j>,
        out: &mut String,
        at: (&Path<'_>, usize),
        problems: &mut Problems,
    ) -> Result<(), SyntaxError> {
        let (path, depth) = at;
        let kind = reader.peek()?;
        if depth > self.depth_max && matches!(kind, Kind::Array | Kind::Object) {
            problems.push(path, format_args!("is nested deeper than {} levels", self.depth_max));
            return reader.skip();
        }
        match kind {
            Kind::Null => {
                reader.null()?;
                out.push_str("null");
            }
            Kind::Bool => out.push_str(if reader.bool()? { "true" } else { "false" }),
            Kind::Number => {
                let number = reader.number()?;
                if let Err(error) = jcs::push_number(out, number) {
                    problems.push(path, format_args!("{} {error}", quoted(number)));
                }
            }
            Kind::Text => {
                let text = reader.text()?;
                if text.lone_surrogate {
                    problems.push(path, "has a lone surrogate, which is no Unicode text");
                }
                jcs::push_text(out, &text.value);
            }
            Kind::Array => return self.array(reader, out, at, problems),
            Kind::Object => return self.object(reader, out, Members::Any, at, problems),
        }
        Ok(())
    }

    fn array(
        &mut self,
        reader: &mut Reader<'j>,
        out: &mut String,
        at: (&Path<'_>, usize),
        problems: &mut Problems,
    ) -> Result<(), SyntaxError> {
        let (path, depth) = at;
        out.push('[');
        let mut more = reader.first_element()?;
        let mut index = 0;
        while more {
            if index > 0 {
                out.push(',');
            }
            self.value(reader, out, (&path.index(index), depth + 1), problems)?;
            index += 1;
            more = reader.next_element()?;
        }
        out.push(']');
        Ok(())
    }

    /// Closes the members from `first` on: puts their texts, which begin at `start`, in the order of their keys.
    fn sort(
        &mut self,
        first: usize,
        out: &mut String,
        start: usize,
        path: &Path<'_>,
        problems: &mut Problems,
    ) {
        let members = &mut self.members[first..];
        if !members.is_sorted_by(|left, right| jcs::compare_keys(&left.key, &right.key).is_lt()) {
            members.sort_by(|left, right| jcs::compare_keys(&left.key, &right.key));
            for pair in members.windows(2) {
                if pair[0].key == pair[1].key {
                    problems.push(&path.key(&pair[1].key), "is given twice");
                }
            }
            self.sorted.clear();
            for member in members.iter() {
                if !self.sorted.is_empty() {
                    self.sorted.push(',');
                }
                self.sorted.push_str(&out[member.start..member.end]);
            }
            out.truncate(start);
            out.push_str(&self.sorted);
        }
        self.members.truncate(first);
    }
}
