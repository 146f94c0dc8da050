//! Parts of the page: an operation, a schema.
//!
//! In: objects of the document. Out: HTML. References lead to the part that shows what they refer to.

use serde_json::Value;

use super::{
    html::{escape, example, prose, table},
    items, members,
};

/// One method of one path: what it takes, and all that it can answer.
pub(super) fn operation(document: &Value, path: &str, method: &str, object: &Value) -> String {
    let id = escape(object["operationId"].as_str().unwrap_or_default());
    let called = escape(&format!("{} {path}", method.to_uppercase()));
    format!(
        "<section id=\"{id}\"><h3><code>{called}</code> {summary}</h3><p>{about}</p><p>{key}</p>{parameters}{body}\
         <h4>Answers</h4>{answers}</section>\n",
        summary = prose(&object["summary"]),
        about = prose(&object["description"]),
        key = key(object),
        parameters = parameters(object),
        body = body(object),
        answers = answers(document, object),
    )
}

fn key(object: &Value) -> String {
    let scopes: Vec<String> = items(&object["security"])
        .flat_map(|requirement| items(&requirement["bearer"]))
        .map(|scope| prose(&format!("`{}`", scope.as_str().unwrap_or_default()).into()))
        .collect();
    match scopes.is_empty() {
        true => "Needs no key.".into(),
        false => format!("Needs a key with the scope {}.", scopes.join(" or ")),
    }
}

fn parameters(object: &Value) -> String {
    let rows = items(&object["parameters"]).map(|parameter| {
        let name = escape(parameter["name"].as_str().unwrap_or_default());
        let required = if parameter["required"] == true { ", required" } else { "" };
        let place = escape(parameter["in"].as_str().unwrap_or_default());
        vec![
            format!("<code>{name}</code>"),
            format!("<span class=\"kind\">{place}{required}</span>"),
            kind(&parameter["schema"]),
            prose(&parameter["description"]),
        ]
    });
    let table = table(&["parameter", "where", "value", "meaning"], rows);
    if table.is_empty() { table } else { format!("<h4>Parameters</h4>{table}") }
}

fn body(object: &Value) -> String {
    let Some(body) = object.get("requestBody") else { return String::new() };
    let required = if body["required"] == true { "" } else { " (may be left out)" };
    format!("<h4>Body{required}</h4>{}", content(&body["content"]))
}

/// Media types with their schemas, and the first example.
fn content(content: &Value) -> String {
    let mut html = String::from("<ul>");
    for (media, object) in members(content) {
        html.push_str(&format!("<li><code>{}</code>: {}</li>", escape(media), shown(&object["schema"])));
    }
    html.push_str("</ul>");
    if let Some(found) = members(content).find_map(|(_, object)| object.get("example")) {
        html.push_str(&example(found));
    }
    html
}

/// A schema in a list: objects that have no name of their own with their members.
fn shown(schema: &Value) -> String {
    match schema.get("properties") {
        Some(_) => format!("{}{}", kind(schema), properties(schema)),
        None => kind(schema),
    }
}

/// Each answer; one that refuses is shown where it stands for the first time, with what to do, and its example.
fn answers(document: &Value, object: &Value) -> String {
    let rows = members(&object["responses"]).map(|(status, answer)| {
        let refusal = answer["$ref"].as_str().and_then(|reference| document.pointer(&reference[1..]));
        let answer = refusal.unwrap_or(answer);
        let headers: Vec<String> = members(&answer["headers"])
            .map(|(name, _)| format!("<a href=\"#headers\"><code>{}</code></a>", escape(name)))
            .collect();
        let body = match (refusal, answer.get("content")) {
            (Some(_), Some(body)) => problem(body),
            (None, Some(body)) => content(body),
            (_, None) => String::new(),
        };
        vec![escape(status), format!("{}{body}", prose(&answer["description"])), headers.join(", ")]
    });
    table(&["status", "what it says", "headers"], rows)
}

/// A problem's example, folded away.
fn problem(content: &Value) -> String {
    match content["application/problem+json"].get("example") {
        Some(found) => format!("<details><summary>example</summary>{}</details>", example(found)),
        None => String::new(),
    }
}

/// A schema that has a name.
pub(super) fn schema_section(name: &str, schema: &Value) -> String {
    let parts: String = items(&schema["allOf"]).map(|part| format!("<p>{}</p>", shown(part))).collect();
    format!(
        "<section id=\"schema-{name}\"><h3>{name}</h3><p>{}</p>{}{parts}</section>\n",
        prose(&schema["description"]),
        properties(schema),
        name = escape(name),
    )
}

fn properties(schema: &Value) -> String {
    let rows = members(&schema["properties"]).map(|(name, member)| {
        let required = items(&schema["required"]).any(|required| required == name);
        let required = if required { "always" } else { "" };
        let mut about = prose(&member["description"]);
        about.push_str(&properties(member));
        about.push_str(&properties(&member["items"]));
        vec![format!("<code>{}</code>", escape(name)), required.into(), kind(member), about]
    });
    table(&["member", "", "value", "meaning"], rows)
}

/// What values a schema allows, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{name}\">{name}</a>", name = escape(name));
    }
    for (joined_by, word) in [("anyOf", " or "), ("allOf", " and ")] {
        // Formats beside a type are told with the type.
        if let Some(parts) = schema.get(joined_by).filter(|_| schema.get("type").is_none()) {
            return items(parts).map(kind).collect::<Vec<_>>().join(word);
        }
    }
    let mut words = match &schema["type"] {
        Value::String(one) if one == "array" => format!("list of: {}", kind(&schema["items"])),
        Value::String(one) => escape(one),
        Value::Array(several) => {
            several.iter().filter_map(Value::as_str).map(escape).collect::<Vec<_>>().join(" or ")
        }
        _ => "anything".into(),
    };
    for choice in items(&schema["enum"]) {
        words.push_str(&format!(" <code>{}</code>", escape(choice.as_str().unwrap_or("null"))));
    }
    if let Some(only) = schema.get("const") {
        words.push_str(&format!(" <code>{}</code>", escape(only.as_str().unwrap_or(&only.to_string()))));
    }
    for (key, word) in [
        ("format", "format"),
        ("pattern", "pattern"),
        ("minimum", "from"),
        ("maximum", "to"),
        ("maxLength", "at most, in bytes:"),
        ("maxItems", "at most:"),
        ("default", "if not given:"),
    ] {
        match schema.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => words.push_str(&format!(", {word} <code>{}</code>", escape(text))),
            Some(other) => words.push_str(&format!(", {word} {}", escape(&other.to_string()))),
        }
    }
    words
}
