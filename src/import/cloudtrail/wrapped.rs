//! Parameters and answers of EC2 that are wrapped.
//!
//! In: `requestParameters` or `responseElements`, where newer calls of EC2 keep the form of their XML: `{"DeleteFlowLogsRequest":
//! {"FlowLogId": {"tag": 1, "content": "fl-…"}}}`. Out: the form of all other calls, `{"flowLogId": "fl-…"}`, to look for
//! names in; the record keeps its own form. Guaranteed: of two members whose names differ in the first letter's case only,
//! both stay.

use serde_json::{Map, Value};

/// The plain form; `None` if nothing is wrapped.
pub(super) fn unwrapped(value: &Value, service: &str) -> Option<Value> {
    let members = value.as_object()?;
    let is_upper =
        |name: &str| service == "ec2" && name.starts_with(|letter: char| letter.is_ascii_uppercase());
    if !members.iter().any(|(name, value)| is_wrapper(name, value) || is_upper(name)) {
        return None;
    }
    let mut out = Map::new();
    for (name, value) in members {
        match plain_form(value) {
            Value::Object(inner) if is_wrapper(name, value) => {
                for (name, value) in inner {
                    out.entry(name).or_insert(value);
                }
            }
            plain => out.extend([(lower_first(name, members), plain)]),
        }
    }
    Some(out.into())
}

fn is_wrapper(name: &str, value: &Value) -> bool {
    value.is_object() && (name.ends_with("Request") || name.ends_with("Response"))
}

fn plain_form(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(plain_form).collect(),
        Value::Object(members) => match (members.get("tag"), members.get("content")) {
            (Some(_), Some(content)) if members.len() == 2 => plain_form(content),
            _ => {
                members.iter().map(|(name, value)| (lower_first(name, members), plain_form(value))).collect()
            }
        },
        other => other.clone(),
    }
}

/// `flowLogId` of `FlowLogId`; lists of XML are an `item`, of all other calls `items`.
fn lower_first(name: &str, beside: &Map<String, Value>) -> String {
    let mut letters = name.chars();
    let lower = match letters.next() {
        _ if name == "item" => "items".to_owned(),
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    };
    if beside.contains_key(&lower) { name.to_owned() } else { lower }
}
