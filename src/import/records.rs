//! From a JSON text that was cut out of a file to the records in it, and from a record to an event.
//!
//! In: the text of one value, and the format. Out: for each record, in order, the event in API form as a line of NDJSON, or
//! why there is none; and what was noticed. Guaranteed: each record in the text is told of exactly once; a record is never
//! taken for an envelope, and of what is neither the members are named.

use serde_json::{Map, Value};

use super::{
    NotARecord, Source, cloudtrail,
    envelope::{self, Content, EMPTY_LIST, Members},
    github,
    json::{self, Oddities, Parsed},
    native::{begins_native, with_time},
    okta, salvage,
    values::{Cut, Values},
};
use crate::limits::IMPORT_ENVELOPES_MAX;

/// What comes out of a text, bit by bit.
pub(super) trait Outlet {
    /// Where the next event is to be appended.
    fn body(&mut self) -> &mut Vec<u8>;
    /// The record became an event, which is what was appended.
    fn event(&mut self, line: u64);
    /// The record became none.
    fn refused(&mut self, line: u64, problem: Problem);
    /// The next record is not in all its letters what was given.
    fn changed(&mut self, line: u64, id: Option<String>, pointer: String);
    /// There is no record.
    fn without_events(&mut self, line: u64, what: &'static str);
}

/// Why a record is no event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Problem {
    /// The record's own id, if it has one.
    pub(super) id: Option<String>,
    /// The member that is wrong, as a JSON pointer into the record.
    pub(super) pointer: Option<String>,
    pub(super) reason: String,
}

impl Problem {
    pub(super) fn of(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }
}

/// Tells `outlet` of everything in a part of a stream.
pub(super) fn read(source: Source, cut: Cut<'_>, outlet: &mut impl Outlet) {
    read_cut(source, cut, 0, outlet);
}

/// `envelopes`: how many there are around the part.
fn read_cut(source: Source, cut: Cut<'_>, envelopes: usize, outlet: &mut impl Outlet) {
    let Cut { text, line, broken } = cut;
    // Native events are not parsed here, so it is to be said where there is something else.
    if broken && source == Source::Native && salvage::read(source, text, line, envelopes, outlet) {
        return;
    }
    read_inside(source, text, line, envelopes, outlet);
}

/// The same for the text of one value.
pub(super) fn read_inside(
    source: Source,
    text: &[u8],
    line: u64,
    envelopes: usize,
    outlet: &mut impl Outlet,
) {
    if source == Source::Native {
        if begins_native(text) {
            return pass_on(text, line, outlet);
        }
        let (unicode, _) = json::unicode(text);
        if open(source, &unicode, line, envelopes, outlet) {
            return;
        }
        // A page with a broken event in it; what is none is for the decoder to refuse.
        let is_broken = unicode.starts_with(['{', '[']) && Members::of(&unicode).is_none();
        if !is_broken || !salvage::read(source, text, line, envelopes, outlet) {
            pass_on(text, line, outlet);
        }
        return;
    }
    let parsed = match json::parse(text) {
        Ok(parsed) => parsed,
        Err(_) => {
            salvage::read(source, text, line, envelopes, outlet);
            return;
        }
    };
    let is_record = match &parsed.value {
        Value::Object(members) => source.is_record(|name| members.contains_key(name)),
        Value::Array(_) | Value::String(_) => false,
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    };
    if is_record || !open(source, &json::unicode(text).0, line, envelopes, outlet) {
        map(source, parsed, text, line, outlet);
    }
}

/// Tells what is inside the envelope that `text` is; `false` if it is none.
fn open(source: Source, text: &str, line: u64, envelopes: usize, outlet: &mut impl Outlet) -> bool {
    let content = match text.as_bytes().first() {
        Some(b'{') => {
            let Some(members) = Members::of(text) else { return false };
            if source.is_record(|name| members.has(name)) {
                return false;
            }
            match envelope::open(&members, source) {
                // A table's row may have an empty list in a column of such a name.
                Ok(Some(Content::NoEvents(EMPTY_LIST)))
                    if source.is_record(|name| members.has_spelling(name)) =>
                {
                    return false;
                }
                Ok(Some(content)) => content,
                Ok(None) => return false,
                Err(reason) => {
                    outlet.refused(line, Problem::of(reason));
                    return true;
                }
            }
        }
        Some(b'[') => match json::elements(text) {
            Ok(elements) => Content::Values(elements),
            Err(_) => return false,
        },
        Some(b'"') => match json::string(text).and_then(|inner| envelope::unpack(&inner).ok()) {
            Some(inner) => Content::Text(inner),
            None => return false,
        },
        _ => return false,
    };
    if envelopes == IMPORT_ENVELOPES_MAX {
        outlet
            .refused(line, Problem::of(format!("more than {IMPORT_ENVELOPES_MAX} envelopes in each other")));
        return true;
    }
    match content {
        Content::NoEvents(what) => outlet.without_events(line, what),
        Content::Values(values) if values.is_empty() => outlet.without_events(line, EMPTY_LIST),
        Content::Values(values) => {
            let (mut passed, mut line) = (0, line);
            for value in values {
                let offset = (value.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
                let between = text.as_bytes().get(passed..offset).unwrap_or_default();
                line += memchr::memchr_iter(b'\n', between).count() as u64;
                passed = offset;
                read_inside(source, value.as_bytes(), line, envelopes + 1, outlet);
            }
        }
        Content::Text(inner) => read_text(source, inner, line, envelopes + 1, outlet),
    }
    true
}

/// Tells what is in a text that an envelope holds as a string or packed.
fn read_text(source: Source, text: Vec<u8>, line: u64, envelopes: usize, outlet: &mut impl Outlet) {
    let mut values = Values::of_text(text, source);
    let mut found = false;
    loop {
        match values.next_value() {
            Ok(Some(cut)) => read_cut(source, Cut { line, ..cut }, envelopes, outlet),
            Ok(None) if found => return,
            Ok(None) => return outlet.without_events(line, EMPTY_LIST),
            Err(error) => {
                outlet.refused(line, Problem::of(format!("the text inside its envelope: {error}")));
                if error.is_final() {
                    return;
                }
            }
        }
        found = true;
    }
}

/// A native event goes to its decoder as it is, but for its time.
fn pass_on(text: &[u8], line: u64, outlet: &mut impl Outlet) {
    let text = &*with_time(text);
    let body = outlet.body();
    if memchr::memchr2(b'\n', b'\r', text).is_some() {
        // A line feed cannot be part of a JSON string, so it is white space.
        body.extend(text.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    } else {
        body.extend_from_slice(text);
    }
    body.push(b'\n');
    outlet.event(line);
}

fn map(source: Source, parsed: Parsed, text: &[u8], line: u64, outlet: &mut impl Outlet) {
    let Parsed { value, oddities } = parsed;
    if oddities != Oddities::default() {
        let id = id_of(source, &value);
        if let Some(first) = oddities.twice.first() {
            let reason = format!("has a member twice: {}", oddities.twice.join(", "));
            return outlet.refused(line, Problem { id, pointer: Some(first.clone()), reason });
        }
        for pointer in oddities.replaced {
            outlet.changed(line, id.clone(), pointer);
        }
    }
    let event = match source {
        Source::Cloudtrail => cloudtrail::event(value),
        Source::Okta => okta::event(value),
        Source::Github => github::event(value),
        Source::Native => Err(NotARecord::NotAnObject),
    };
    let event = event.map_err(|error| not_a_record(source, &error));
    match event.and_then(|event| write(&event, outlet.body()).map_err(Problem::of)) {
        Ok(()) => outlet.event(line),
        Err(problem) => outlet.refused(line, explained(source, problem, text)),
    }
}

fn write(event: &Map<String, Value>, body: &mut Vec<u8>) -> Result<(), String> {
    serde_json::to_writer(&mut *body, event).map_err(|error| error.to_string())?;
    body.push(b'\n');
    Ok(())
}

fn not_a_record(source: Source, error: &NotARecord) -> Problem {
    let pointer = error.member().map(|member| format!("/{member}"));
    Problem { id: None, pointer, reason: format!("not a record of format {source}: {error}") }
}

/// The problem with the id of the record, and with the names of its members if it is not even like a record.
fn explained(source: Source, problem: Problem, text: &[u8]) -> Problem {
    let Ok(Parsed { value, .. }) = json::parse(text) else { return problem };
    let mut problem = Problem { id: id_of(source, &value), ..problem };
    let (unicode, _) = json::unicode(text);
    if let Some(members) = Members::of(&unicode)
        && !source.is_record(|name| members.has(name))
    {
        problem.reason = format!("{}; its members are {}", problem.reason, members.names());
    }
    problem
}

fn id_of(source: Source, value: &Value) -> Option<String> {
    value.get(source.id_member())?.as_str().map(shown)
}

/// As much of an id as is shown.
pub(super) fn shown(id: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 128;
    id.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod fidelity;
#[cfg(test)]
pub(super) mod tests;
