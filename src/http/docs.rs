//! `GET /docs`: the OpenAPI document as a page for people; needs no key.
//!
//! In: the document of [`openapi`]. Out: one page of HTML, made once. Guaranteed: it says nothing that the document does not say and
//! leaves out no route, parameter, status, schema, problem or limit of it; it has no script and loads nothing, so that it works
//! offline and in any browser, and its headers forbid that it ever does.

mod html;
mod parts;

use std::sync::LazyLock;

use axum::{
    extract::RawQuery,
    http::{HeaderName, HeaderValue, header},
};
use bytes::Bytes;
use serde_json::Value;

use self::{
    html::{escape, prose, table},
    parts::{operation, schema_section},
};
use super::{openapi, params::Params, problem::Problem};

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str = include_str!("docs/style.css");

static PAGE: LazyLock<Bytes> = LazyLock::new(|| page(&openapi::document()).into());

/// The handler.
pub(super) async fn serve(
    RawQuery(query): RawQuery,
) -> Result<([(HeaderName, HeaderValue); 2], Bytes), Problem> {
    Params::parse(query.as_deref(), &[])?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    Ok((headers, PAGE.clone()))
}

/// The page of a document.
fn page(document: &Value) -> String {
    let title = escape(document["info"]["title"].as_str().unwrap_or_default());
    let (mut contents, mut sections) = (String::new(), String::new());
    for tag in items(&document["tags"]) {
        let name = tag["name"].as_str().unwrap_or_default();
        contents.push_str(&format!("<h3>{}</h3><ul>", escape(name)));
        sections.push_str(&format!("<h2>{}</h2>{}", escape(name), prose(&tag["description"])));
        for (path, method, object) in operations(document).filter(|(_, _, object)| object["tags"][0] == name)
        {
            let id = escape(object["operationId"].as_str().unwrap_or_default());
            let called = escape(&format!("{} {path}", method.to_uppercase()));
            contents.push_str(&format!("<li><a href=\"#{id}\">{called}</a></li>"));
            sections.push_str(&operation(document, path, method, object));
        }
        contents.push_str("</ul>");
    }
    let schemas: String = members(&document["components"]["schemas"])
        .map(|(name, schema)| schema_section(name, schema))
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}: the API</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}: the API</h1>{about}\
         <p>Version {version}. For tools: <a href=\"/openapi.json\">/openapi.json</a>, OpenAPI {openapi}.</p>\
         <p>{security}</p>\n<nav>{contents}<h3>More</h3><ul><li><a href=\"#errors\">Errors</a></li>\
         <li><a href=\"#limits\">Limits</a></li><li><a href=\"#headers\">Headers</a></li>\
         <li><a href=\"#schemas\">Schemas</a></li></ul></nav>\n{sections}\n{errors}\n{limits}\n{headers}\n\
         <h2 id=\"schemas\">Schemas</h2>{schemas}</body></html>\n",
        about = prose(&document["info"]["description"]),
        version = escape(document["info"]["version"].as_str().unwrap_or_default()),
        openapi = escape(document["openapi"].as_str().unwrap_or_default()),
        security = prose(&document["components"]["securitySchemes"]["bearer"]["description"]),
        errors = errors(document),
        limits = limits(document),
        headers = headers(document),
    )
}

/// Path, method and object of each operation.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    members(&document["paths"])
        .flat_map(|(path, methods)| members(methods).map(move |(method, object)| (path, method, object)))
}

fn errors(document: &Value) -> String {
    let rows = items(&document["x-problems"]).map(|problem| {
        let reference = escape(problem["type"].as_str().unwrap_or_default());
        vec![
            problem["status"].to_string(),
            format!("<a href=\"{reference}\"><code>{reference}</code></a>"),
            prose(&problem["title"]),
            prose(&problem["advice"]),
        ]
    });
    let about = "<p>Each is a <a href=\"#schema-Problem\">Problem</a>.</p>";
    format!("<h2 id=\"errors\">Errors</h2>{about}{}", table(&["status", "type", "title", "what to do"], rows))
}

fn limits(document: &Value) -> String {
    let rows = items(&document["x-limits"]).map(|limit| {
        let largest = format!("{} {}", limit["value"], limit["unit"].as_str().unwrap_or_default());
        vec![prose(&limit["name"]), escape(&largest), prose(&limit["effect"])]
    });
    format!("<h2 id=\"limits\">Limits</h2>{}", table(&["limit", "largest", "past it"], rows))
}

fn headers(document: &Value) -> String {
    let rows = members(&document["components"]["headers"])
        .map(|(name, header)| vec![format!("<code>{}</code>", escape(name)), prose(&header["description"])]);
    format!("<h2 id=\"headers\">Headers of answers</h2>{}", table(&["header", "what it says"], rows))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests;
