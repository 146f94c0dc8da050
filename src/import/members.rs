//! Taking members out of foreign records: what the mappings of all formats share.
//!
//! In: the JSON object of a record. Out: a member in the form that a field of an event can hold, taken away from the
//! record; or nothing, and then the member stays where it is, to end up in the metadata. Guaranteed: nothing is
//! cut, and the same record gives the same answers for ever. Three things change form: whole numbers that are ids
//! become text, times that are not in RFC 3339 become so, and [`make_exact`] says which integers become text.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::times;
use crate::{limits, telemetry};

/// The largest integer that a double and all below it hold exactly; [`decimal`](super::decimal) looks after fractions.
const EXACT_INTEGER_MAX: u64 = (1 << 53) - 1;
/// How much of a wrong value a reason quotes.
const QUOTED_CHARS_MAX: usize = 40;

/// Why something is not a record of the format asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARecord {
    /// The value is not a JSON object.
    #[error("it is not an object")]
    NotAnObject,
    /// A member without which there is no event: absent, empty, far too long or not text.
    #[error("it has no usable {0}")]
    Missing(&'static str),
    /// A member that should be the time of the event, and its value.
    #[error("its {0} is not a time: {1}")]
    NotATime(&'static str, String),
}

impl NotARecord {
    /// The member that is wrong or not there.
    pub(super) fn member(&self) -> Option<&'static str> {
        match self {
            NotARecord::NotAnObject => None,
            NotARecord::Missing(member) | NotARecord::NotATime(member, _) => Some(member),
        }
    }
}

/// The members of a record, without those that are `null`: all formats mean "absent" by it.
pub(super) fn of(record: Value) -> Result<Map<String, Value>, NotARecord> {
    let Value::Object(mut members) = record else { return Err(NotARecord::NotAnObject) };
    members.retain(|_, value| !value.is_null());
    Ok(members)
}

/// Whether a field for identifiers can hold the text.
pub(super) fn fits(text: &str, bytes_max: usize) -> bool {
    if text.is_empty() || text.len() > bytes_max {
        return false;
    }
    // Nearly all are ASCII, and each record has dozens: one pass without branches for each.
    match text.is_ascii() {
        true => !text.bytes().fold(false, |found, byte| found | byte.is_ascii_control()),
        false => !text.chars().any(char::is_control),
    }
}

/// Takes a member away if it is text that its field can hold; anything else stays where it is.
pub(super) fn take_text(rest: &mut Map<String, Value>, member: &str, bytes_max: usize) -> Option<String> {
    if !fits(rest.get(member)?.as_str()?, bytes_max) {
        return None;
    }
    match rest.remove(member) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// The same for a member of a member; objects that this empties go as well.
pub(super) fn take_text_at(rest: &mut Map<String, Value>, path: &[&str], bytes_max: usize) -> Option<String> {
    let (first, inner) = path.split_first()?;
    if inner.is_empty() {
        return take_text(rest, first, bytes_max);
    }
    let members = rest.get_mut(*first)?.as_object_mut()?;
    let text = take_text_at(members, inner, bytes_max)?;
    if members.is_empty() {
        rest.remove(*first);
    }
    Some(text)
}

/// The text of a member of a member, left where it is.
pub(super) fn text_at<'a>(members: &'a Map<String, Value>, path: &[&str]) -> Option<&'a str> {
    let (first, inner) = path.split_first()?;
    let member = members.get(*first)?;
    if inner.is_empty() { member.as_str() } else { text_at(member.as_object()?, inner) }
}

/// Takes an id away that may be a whole number as well as text.
pub(super) fn take_reference(
    rest: &mut Map<String, Value>,
    member: &str,
    bytes_max: usize,
) -> Option<String> {
    match rest.get(member)? {
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            let text = number.to_string();
            rest.remove(member);
            Some(text)
        }
        _ => take_text(rest, member, bytes_max),
    }
}

/// Takes away the first of `members` that is a time; the others stay. The first is the one that should be there.
///
/// [`times`] says what is a time. One that is finer than the microseconds of an event stays as well, for its digits.
pub(super) fn take_time(
    rest: &mut Map<String, Value>,
    members: &[&'static str],
) -> Result<String, NotARecord> {
    for member in members {
        if let Some(time) = rest.get(*member).and_then(times::read) {
            if time.whole {
                rest.remove(*member);
            }
            return Ok(time.text);
        }
    }
    let wrong = members.iter().find_map(|member| Some((*member, rest.get(*member)?)));
    Err(match wrong {
        Some((member, value)) => {
            let text = value.to_string();
            NotARecord::NotATime(member, text.chars().take(QUOTED_CHARS_MAX).collect())
        }
        None => NotARecord::Missing(members.first().copied().unwrap_or("time")),
    })
}

/// Gives members back the names that are documented, where only case and underscores differ: the columns of data
/// warehouses are `EVENTTYPE`, `eventtype` or `event_type`. A member under the documented name goes first, and of
/// several others the first by name; the rest stays as it is. `documented` is sorted, as the members of a record are.
pub(super) fn restore_names(rest: &mut Map<String, Value>, documented: &[&str]) {
    debug_assert!(documented.is_sorted(), "{documented:?}");
    // Logs that come from the service itself have nothing to restore.
    let is_other = |key: &&String| documented.binary_search(&key.as_str()).is_err();
    let mut others: Vec<String> = rest.keys().filter(is_other).cloned().collect();
    if others.is_empty() {
        return;
    }
    for name in documented {
        if let Some(position) = others.iter().position(|key| is_spelling(key, name))
            && !rest.contains_key(*name)
            && let Some(value) = rest.remove(&others.remove(position))
        {
            rest.insert((*name).to_owned(), value);
        }
    }
}

/// Whether two names are the same but for case and underscores.
pub(super) fn is_spelling(key: &str, name: &str) -> bool {
    fn letters(text: &str) -> impl Iterator<Item = u8> {
        text.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase())
    }
    key == name || letters(key).eq(letters(name))
}

/// The id of a record: its own, taken away, if it is one by `is_id`; else that of its content, and what stands in
/// place of the own id stays. Logs that were made anonymous have one word in place of all ids.
pub(super) fn take_id(rest: &mut Map<String, Value>, member: &str, is_id: impl Fn(&str) -> bool) -> String {
    if rest.get(member).and_then(Value::as_str).is_some_and(is_id)
        && let Some(id) = take_text(rest, member, limits::EVENT_ID_BYTES_MAX)
    {
        return id;
    }
    content_id(rest)
}

/// `sha256:` and the digest of the record's JSON, members sorted by name: equal records are one event.
fn content_id(record: &Map<String, Value>) -> String {
    let mut text = String::new();
    push_sorted_object(record, &mut text);
    format!("sha256:{}", telemetry::hex(&Sha256::digest(text.as_bytes())))
}

fn push_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => push_sorted_object(members, out),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                out.push(if index == 0 { '[' } else { ',' });
                push_sorted(item, out);
            }
            out.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        other => out.push_str(&other.to_string()),
    }
}

fn push_sorted_object(members: &Map<String, Value>, out: &mut String) {
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    out.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&Value::from(name.as_str()).to_string());
        out.push(':');
        push_sorted(value, out);
    }
    out.push('}');
}

/// Turns integers that a double cannot hold into text, at any depth. Other numbers that it cannot hold are text already
/// when a record is parsed.
pub(super) fn make_exact(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let magnitude = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            if magnitude.is_some_and(|magnitude| magnitude > EXACT_INTEGER_MAX) {
                *value = number.to_string().into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_exact),
        Value::Object(members) => members.values_mut().for_each(make_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Puts a value into an object unless it is empty text, an empty object or an empty array.
pub(super) fn put(object: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    let value = value.into();
    let empty = match &value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    if !empty {
        object.insert(field.to_owned(), value);
    }
}

#[cfg(test)]
pub(super) mod tests;
