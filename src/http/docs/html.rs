//! Text as HTML. Guaranteed: nothing of a text becomes markup but what stands between backquotes, which becomes code.

use serde_json::Value;

/// Text with what HTML would take for markup escaped.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text in which what stands between backquotes is code; nothing if it is no text.
pub(super) fn prose(text: &Value) -> String {
    let mut html = String::new();
    for (position, part) in text.as_str().unwrap_or_default().split('`').enumerate() {
        match position % 2 {
            0 => html.push_str(&escape(part)),
            _ => html.push_str(&format!("<code>{}</code>", escape(part))),
        }
    }
    html
}

/// A table of cells that are HTML already; nothing if it has no rows.
pub(super) fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: String = rows
        .map(|cells| {
            let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
            format!("<tr>{cells}</tr>\n")
        })
        .collect();
    if rows.is_empty() {
        return rows;
    }
    let heads: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
    format!("<table><tr>{heads}</tr>\n{rows}</table>")
}

/// JSON, or a text as it is, in a frame of its own.
pub(super) fn example(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    format!("<pre>{}</pre>", escape(&text))
}
