//! The HTTP API of the real program: what goes in, what comes out, and what a request that cannot be served is told.

mod answers;
mod browse;
mod buckets;
mod continuous;
mod delivered;
mod events;
mod exports;
mod idempotency;
mod keys;
mod logbook;
mod openapi;
mod problems;
mod queries;
mod saved;
mod table;
mod tenants;

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::support::server::Server;

/// A login on the first of March 2025.
fn event(tenant: &str, id: &str) -> Value {
    json!({
        "tenant_id": tenant,
        "id": id,
        "action": "user.login",
        "occurred_at": "2025-03-01T12:00:00Z",
        "actor": { "type": "user", "id": "u_1" },
    })
}

/// The same without an id of its own.
fn nameless(tenant: &str, description: &str) -> Value {
    let mut event = event(tenant, "");
    event.as_object_mut().unwrap().remove("id");
    event["description"] = description.into();
    event
}

/// The status and the document of an answer.
async fn ask(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Posts events as JSON.
async fn post(server: &Server, query: &str, events: &Value) -> (u16, Value) {
    ask(server.api().post(&format!("/v1/events{query}")).json(events)).await
}

/// Posts events that must all be new.
async fn store(server: &Server, events: &[Value]) {
    for part in events.chunks(5_000) {
        let receipt = json!({"accepted": part.len(), "duplicates": 0, "rejected": []});
        assert_eq!(post(server, "", &json!(part)).await, (201, receipt));
    }
}

/// The request of a question.
fn question(server: &Server, format: &str, question: &Value) -> RequestBuilder {
    server.api().post(&format!("/v1/sql?format={format}")).json(question)
}

/// Sends a request that must be told this problem, in the form that all problems have; returns the whole answer's
/// headers and document.
async fn refused(request: RequestBuilder, status: u16, kind: &str) -> (reqwest::header::HeaderMap, Value) {
    let answer: Response = request.header("x-request-id", "asked-7").send().await.unwrap();
    let (headers, path) = (answer.headers().clone(), answer.url().path().to_owned());
    let found = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(found, status, "{problem}");
    assert_eq!(headers["content-type"], "application/problem+json", "{problem}");
    assert_eq!(headers["x-request-id"], "asked-7");
    assert_eq!(problem["type"], format!("/problems/{kind}"), "{problem}");
    assert_eq!((&problem["status"], &problem["instance"]), (&json!(status), &json!(path)), "{problem}");
    assert_eq!(problem["request_id"], "asked-7", "{problem}");
    for member in ["title", "detail"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no {member} in {problem}");
    }
    (headers, problem)
}
