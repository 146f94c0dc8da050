//! A configuration as a TOML file to start from.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Config;

/// `config` as TOML: plain fields first, then a section for each module. A field without a value is a comment.
pub(super) fn toml(config: &Config) -> String {
    let mut text = String::new();
    if let Ok(Value::Object(fields)) = config.serialize(serde_json::value::Serializer) {
        write_table(&mut text, "", &fields);
    }
    text
}

fn write_table(text: &mut String, name: &str, fields: &Map<String, Value>) {
    let mut lines = String::new();
    for (field, value) in fields {
        match value {
            Value::Object(_) => {}
            Value::Null => lines.push_str(&format!("# {field} =\n")),
            // JSON's strings, numbers and booleans are TOML's too.
            other => lines.push_str(&format!("{field} = {other}\n")),
        }
    }
    if !name.is_empty() && !lines.is_empty() {
        text.push_str(&format!("\n[{name}]\n"));
    }
    text.push_str(&lines);
    for (field, value) in fields {
        if let Value::Object(inner) = value {
            let inner_name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
            write_table(text, &inner_name, inner);
        }
    }
}
