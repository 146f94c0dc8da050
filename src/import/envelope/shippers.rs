//! What log shippers and tables put around a record: an object in which one member, among many of their own, has it.
//!
//! In: an object that no transport and no list tells of. Out: what the one member holds that has a record. Guaranteed: nothing
//! is guessed: of several members that hold JSON, the one is taken that is a record of the format; if none or more than one
//! is, the object is refused, and both are named. A member that shippers are not known for has to hold a record for certain.

use std::borrow::Cow;

use super::{Content, Members, not_certain, text_of, unpack};
use crate::import::{Source, json};

/// Members that shippers put a line of a log into, or what they parsed it to.
const LINES: [&str; 15] = [
    "_raw",
    "event.original",
    "message",
    "MESSAGE",
    "log",
    "line",
    "msg",
    "body",
    "payload",
    "textPayload",
    "jsonPayload",
    "full_message",
    "_airbyte_data",
    "RECORD_CONTENT",
    "raw",
];
/// What tells that a `message` should have been JSON.
const LOG_LINE: [&str; 10] = [
    "timestamp",
    "ingestionTime",
    "@timestamp",
    "logStreamName",
    "eventId",
    "@log",
    "@logStream",
    "id",
    "agent",
    "ecs",
];

/// A member that may hold a record.
struct Candidate<'m, 't> {
    name: &'m str,
    json: Cow<'t, str>,
    is_record: bool,
    is_certain: bool,
}

/// What is inside, if a member holds it. Errors: more than one does, or what should hold it does not.
pub(super) fn open<'t>(members: &Members<'t>, source: Source) -> Option<Result<Content<'t>, String>> {
    if members.has("stream")
        && let Some(lines) = loki_lines(members)
    {
        return Some(Ok(Content::Values(lines)));
    }
    // A row of a table is a record, although its columns have other names.
    if source.is_certain_record(members) {
        return None;
    }
    let candidates: Vec<Candidate<'_, 't>> =
        named_texts(members).filter_map(|(name, value)| candidate(name, value, source)).collect();
    let known = |candidate: &&Candidate<'_, 't>| LINES.contains(&candidate.name);
    let certain: Vec<&Candidate<'_, 't>> =
        candidates.iter().filter(|candidate| candidate.is_certain).collect();
    let records: Vec<&Candidate<'_, 't>> =
        candidates.iter().filter(known).filter(|candidate| candidate.is_record).collect();
    let lines: Vec<&Candidate<'_, 't>> =
        candidates.iter().filter(known).filter(|candidate| candidate.is_text()).collect();
    let chosen = [certain, records, lines].into_iter().find(|list| !list.is_empty());
    match chosen.as_deref() {
        Some([one]) => Some(Ok(one.content())),
        Some([one, others @ ..]) if others.iter().all(|other| other.json == one.json) => {
            Some(Ok(one.content()))
        }
        Some([one, other, ..]) => Some(Err(not_certain(one.name, other.name))),
        Some([]) | None => told_line(members).map(|(name, text)| text_of(name, &text)),
    }
}

impl<'t> Candidate<'_, 't> {
    fn is_text(&self) -> bool {
        matches!(self.json, Cow::Owned(_))
    }

    fn content(&self) -> Content<'t> {
        match &self.json {
            Cow::Borrowed(object) => Content::Values(vec![object]),
            Cow::Owned(text) => Content::Text(text.clone().into_bytes()),
        }
    }
}

/// All members and, as `event.original` and `body`, those inside a member that are known to hold a line.
fn named_texts<'m, 't: 'm>(members: &'m Members<'t>) -> impl Iterator<Item = (&'m str, &'t str)> {
    let inside = |outer: &str, inner: &str| Members::of(members.object(outer)?)?.get(inner);
    let original = inside("event", "original").map(|value| ("event.original", value));
    let body = inside("body", "stringValue").map(|value| ("body", value));
    let fields = members.object("fields").and_then(Members::of);
    let field = fields.and_then(|fields| fields.elements_of("event.original"));
    let field = field.and_then(|values| Some(("event.original", *values.first()?)));
    members.iter().chain(original).chain(body).chain(field)
}

fn candidate<'m, 't>(name: &'m str, value: &'t str, source: Source) -> Option<Candidate<'m, 't>> {
    let json: Cow<'t, str> = match value.as_bytes().first()? {
        b'{' => Cow::Borrowed(value),
        b'"' => Cow::Owned(String::from_utf8(unpack(&json::string(value)?).ok()?).ok()?),
        _ => return None,
    };
    let inner = json::leading_members(&json).ok().map(|(members, _)| Members::from(members));
    let is_record = inner.as_ref().is_some_and(|inner| source.is_record(|name| inner.has(name)));
    let is_certain = inner.as_ref().is_some_and(|inner| source.is_certain_record(inner));
    Some(Candidate { name, is_record, is_certain, json })
}

/// The text that should have been JSON, to say that it is not.
fn told_line<'t>(members: &Members<'t>) -> Option<(&'static str, Cow<'t, str>)> {
    if let Some(text) = members.text("_raw") {
        return Some(("_raw", text));
    }
    if let Some(event) = members.object("event").and_then(Members::of)
        && let Some(text) = event.text("original")
    {
        return Some(("event.original", text));
    }
    if members.has_any(&LOG_LINE) { Some(("message", members.text("message")?)) } else { None }
}

/// The lines of a stream of Loki: each stands behind its time.
fn loki_lines<'t>(members: &Members<'t>) -> Option<Vec<&'t str>> {
    let values = members.elements_of("values")?;
    values.into_iter().map(|value| json::elements(value).ok()?.get(1).copied()).collect()
}
