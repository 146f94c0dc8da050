//! Members that are objects in the log itself and JSON in a text in what a data warehouse exports.
//!
//! In: a record under its documented names, and which of its members are documented as objects or lists. Out: the record with
//! these parsed, as the log has them; and each member that was changed as it was given, which the mapping puts into the metadata.
//! Guaranteed: what is no JSON, or has a member twice, stays text; the text that was given is kept to the letter.

use serde_json::{Map, Value};

use super::{json, members::is_spelling};

/// Texts in texts that are parsed.
const LAYERS_MAX: usize = 3;

/// A documented object or list of objects, and those inside it.
pub(super) struct Object {
    name: &'static str,
    inside: &'static [Object],
}

/// An object in which no member is known to be one.
pub(super) const fn object(name: &'static str) -> Object {
    Object { name, inside: &[] }
}

/// An object with others inside.
pub(super) const fn nested(name: &'static str, inside: &'static [Object]) -> Object {
    Object { name, inside }
}

/// Parses the documented objects of a record that are texts, or have texts inside; gives the members back as they were.
pub(super) fn parse(record: &mut Map<String, Value>, documented: &[Object]) -> Map<String, Value> {
    let mut given = Map::new();
    for (name, value) in record.iter_mut().filter(|(_, value)| may_hold_text(value)) {
        let object = documented.iter().find(|object| object.name == name);
        if let Some(parsed) = object.and_then(|object| parsed(value, object.inside)) {
            given.insert(name.clone(), std::mem::replace(value, parsed));
        }
    }
    given
}

fn may_hold_text(value: &Value) -> bool {
    match value {
        Value::String(text) => begins_json(text),
        Value::Array(_) | Value::Object(_) => true,
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn begins_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
}

/// The value with its texts parsed; `None` if there is none to parse.
fn parsed(value: &Value, inside: &[Object]) -> Option<Value> {
    match value {
        Value::String(text) => {
            let value = value_of(text, LAYERS_MAX)?;
            Some(parsed(&value, inside).unwrap_or(value))
        }
        Value::Array(items) => {
            let changed: Vec<Option<Value>> = items.iter().map(|item| parsed(item, inside)).collect();
            let any = changed.iter().any(Option::is_some);
            let all = || changed.iter().zip(items).map(|(new, old)| new.as_ref().unwrap_or(old).clone());
            any.then(|| all().collect())
        }
        Value::Object(members) if !inside.is_empty() => {
            let mut changed = Vec::new();
            for (name, value) in members.iter().filter(|(_, value)| may_hold_text(value)) {
                let object = inside.iter().find(|object| is_spelling(name, object.name));
                if let Some(value) = object.and_then(|object| parsed(value, object.inside)) {
                    changed.push((name.clone(), value));
                }
            }
            if changed.is_empty() {
                return None;
            }
            let mut members = members.clone();
            members.extend(changed);
            Some(members.into())
        }
        _ => None,
    }
}

/// The object or list that a text is.
fn value_of(text: &str, layers: usize) -> Option<Value> {
    if layers == 0 || !begins_json(text) {
        return None;
    }
    let parsed = json::parse(text.as_bytes()).ok().filter(|parsed| parsed.oddities.twice.is_empty())?;
    match parsed.value {
        Value::String(inner) => value_of(&inner, layers - 1),
        value => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DOCUMENTED: [Object; 3] =
        [object("a"), nested("b", &[nested("cD", &[object("e")])]), nested("list", &[object("x")])];

    fn read(record: Value) -> (Value, Value) {
        let Value::Object(mut record) = record else { panic!("an object") };
        let given = parse(&mut record, &DOCUMENTED);
        (record.into(), given.into())
    }

    /// Would catch an object in a text that is not found in its depth, and a text that is not given back.
    #[test]
    fn objects_come_out_of_texts() {
        let issuer = json!({"c_d": "{\"e\":\"{\\\"f\\\":1}\"}", "other": "{}"});
        let (record, given) = read(json!({
            "a": " {\"k\": 1.10}", "b": issuer, "list": ["{\"x\":\"[1]\"}", {"x": 2}], "z": "{\"k\":1}",
        }));
        let expected = json!({
            "a": {"k": 1.1}, "b": {"c_d": {"e": {"f": 1}}, "other": "{}"}, "list": [{"x": [1]}, {"x": 2}], "z": "{\"k\":1}",
        });
        assert_eq!(record, expected);
        assert_eq!(given, json!({"a": " {\"k\": 1.10}", "b": issuer, "list": ["{\"x\":\"[1]\"}", {"x": 2}]}));
        let (record, _) = read(json!({"a": json!("{\"k\":1}").to_string()}));
        assert_eq!(record, json!({"a": {"k": 1}}));
    }

    /// Would catch a text that is no object taken for one, and a value of two that is gone.
    #[test]
    fn what_is_no_object_stays_text() {
        for text in ["", "null", "{type=IAMUser}", "{\"a\":1", "\"x\"", "{\"a\":1,\"a\":2}", "7", "[1] "] {
            let (record, given) = read(json!({"a": text, "b": {"c": text}}));
            if text == "[1] " {
                assert_eq!((record, given), (json!({"a": [1], "b": {"c": text}}), json!({"a": text})));
            } else {
                assert_eq!((record, given), (json!({"a": text, "b": {"c": text}}), json!({})), "{text}");
            }
        }
    }
}
