//! Requests and their answers.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use reqwest::StatusCode;

use super::*;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Would catch a status or receipt that differs from the documented one for what was sent.
#[tokio::test]
async fn batches_are_answered_by_what_became_of_them() {
    let server = Server::start(Settings::default()).await;
    let bad = json!({"tenant_id": "acme", "action": "x"});
    assert_eq!(
        server.send_events("", json!([event("1", "acme"), event("2", "acme")])).await,
        (201, json!({"accepted": 2, "duplicates": 0, "rejected": []}))
    );
    let (status, mixed) = server.send_events("", json!([event("3", "acme"), bad])).await;
    assert_eq!((status, &mixed["accepted"], &mixed["rejected"][0]["index"]), (207, &json!(1), &json!(1)));
    assert!(mixed["rejected"][0]["errors"].to_string().contains("/occurred_at"), "{mixed}");

    let (status, none) = server.send_events("", json!([bad])).await;
    assert_eq!((status, &none["type"]), (422, &json!("/problems/events-rejected")));
    assert_eq!((&none["accepted"], none["rejected"].as_array().unwrap().len()), (&json!(0), 1));

    let (status, atomic) = server.send_events("?atomic=true", json!([event("4", "acme"), bad])).await;
    assert_eq!((status, &atomic["accepted"]), (422, &json!(0)));

    let mut untold = event("5", "acme");
    untold.as_object_mut().unwrap().remove("tenant_id");
    assert_eq!(server.send_events("?tenant_id=acme", json!(untold)).await.0, 201);
    assert_eq!(server.send_events("", json!(untold)).await.0, 422);
    server.stop().await;
}

/// Would catch a body format or packing that is refused or misread.
#[tokio::test]
async fn formats_and_encodings_are_read() {
    let server = Server::start(Settings::default()).await;
    let lines = format!("{}\n{}\n", event("1", "acme"), event("2", "acme"));
    let (one, two) = (event("3", "acme").to_string(), event("4", "acme").to_string());
    for (body, media, encoding, accepted) in [
        (lines.into_bytes(), "application/x-ndjson", "identity", 2),
        (gzip(one.as_bytes()), "application/json; charset=utf-8", "gzip", 1),
        (zstd::encode_all(two.as_bytes(), 3).unwrap(), "application/json", "zstd", 1),
    ] {
        let request =
            server.post("/v1/events").header("content-type", media).header("content-encoding", encoding);
        let (status, receipt) = answer(request.body(body)).await;
        assert_eq!((status, &receipt["accepted"]), (201, &json!(accepted)), "{media} {encoding}");
    }
    let untyped = server.post("/v1/events").body(event("5", "acme").to_string());
    assert_eq!(answer(untyped).await.0, 201);
    server.stop().await;
}

/// Would catch a request that is wrong as a whole and gets another status than the documented one.
#[tokio::test]
async fn wrong_requests_have_their_problems() {
    let server = Server::start(Settings::default()).await;
    let events = || server.post("/v1/events");
    let large = gzip(&vec![b' '; 17 << 20]);
    let cases = [
        (events().body("{not json"), 400, "bad-request"),
        (events().header("content-type", "text/csv").body("a,b"), 415, "unsupported-media-type"),
        (events().header("content-encoding", "br").body("x"), 415, "unsupported-media-type"),
        (events().header("content-encoding", "gzip").body("x"), 400, "bad-request"),
        (events().header("content-encoding", "gzip").body(large), 413, "content-too-large"),
        (events().body(vec![b' '; 17 << 20]), 413, "content-too-large"),
        (events().header("idempotency-key", "two words").json(&event("1", "a")), 400, "bad-request"),
        (server.post("/v1/events?atomik=true").json(&event("1", "a")), 400, "bad-request"),
        (server.post("/v1/sql").json(&json!({"sql": "DROP TABLE events"})), 422, "invalid"),
        (server.post("/v1/sql").json(&json!({"query": "SELECT 1"})), 422, "invalid"),
        (server.post("/v1/sql?format=xml").json(&json!({"sql": "SELECT 1"})), 400, "bad-request"),
        (
            server.post("/v1/sql").header("accept", "image/png").json(&json!({"sql": "SELECT 1"})),
            406,
            "not-acceptable",
        ),
        (server.post("/v2/events").json(&json!([])), 404, "not-found"),
        (server.client.get(format!("{}/v1/sql", server.base)).bearer_auth(KEY), 405, "method-not-allowed"),
        (server.client.delete(format!("{}/healthz", server.base)), 405, "method-not-allowed"),
        (server.client.post(format!("{}/v1/events", server.base)), 401, "unauthorized"),
        (server.client.post(format!("{}/v1/sql", server.base)).bearer_auth("wrong"), 401, "unauthorized"),
    ];
    for (request, status, kind) in cases {
        let response = request.header("x-request-id", "test-7").send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{kind}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["x-request-id"], "test-7");
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
        assert_eq!(response.headers().contains_key("allow"), status == 405);
        let path = response.url().path().to_owned();
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{problem}");
        assert_eq!((&problem["status"], &problem["instance"]), (&json!(status), &json!(path)));
        assert_eq!(problem["request_id"], "test-7");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    }
    server.stop().await;
}

/// Would catch a retry that stores its events again, or a key that covers for another body.
#[tokio::test]
async fn an_idempotency_key_stands_for_one_request() {
    let server = Server::start(Settings::default()).await;
    let mut nameless = event("1", "acme");
    nameless.as_object_mut().unwrap().remove("id");
    let send = |key: &str, query: &str, body: &Value| {
        let request = server.post(&format!("/v1/events{query}")).header("idempotency-key", key.to_owned());
        answer(request.json(body))
    };
    let first = send("abc", "", &nameless).await;
    assert_eq!(first, (201, json!({"accepted": 1, "duplicates": 0, "rejected": []})));
    assert_eq!(send("\"abc\"", "", &nameless).await, first, "the quoted form is the same key");
    assert_eq!(send("abc", "?atomic=true", &nameless).await.0, 422, "another meaning of the same body");
    assert_eq!(send("abc", "", &event("2", "acme")).await.0, 422);
    server.stop().await;
}

/// Would catch an orchestrator's or monitor's question that needs a key, or counts that are not shown.
#[tokio::test]
async fn health_and_metrics_need_no_key() {
    let server = Server::start(Settings::default()).await;
    server.send_events("", json!([event("1", "acme")])).await;
    let get = |path: &str| server.client.get(format!("{}{path}", server.base)).send();
    assert_eq!(get("/healthz").await.unwrap().status(), StatusCode::OK);
    assert_eq!(get("/readyz").await.unwrap().json::<Value>().await.unwrap(), json!({"status": "ready"}));
    let text = get("/metrics").await.unwrap().text().await.unwrap();
    for line in [
        "auditlake_events_accepted_total 1",
        "auditlake_http_requests_total{route=\"/v1/events\",status=\"201\"} 1",
        "auditlake_http_seconds_count{route=\"/v1/events\"} 1",
    ] {
        assert!(text.contains(line), "{line} is missing:\n{text}");
    }
    server.stop().await;
}

/// Would catch a question whose answer has the wrong type, no statistics, or an unquoted tenant.
#[tokio::test]
async fn questions_are_answered_in_the_format_asked_for() {
    let server = Server::start(Settings::default()).await;
    let question = json!({"sql": "SELECT 1 AS one"});
    let response = server.post("/v1/sql").json(&question).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    let planned: Value =
        serde_json::from_slice(response.headers()["auditlake-statistics"].as_bytes()).unwrap();
    assert_eq!(planned["files_considered"], 0);
    assert!(response.json::<Value>().await.unwrap()["rows"].is_array());
    for (asked, path) in [(None, "/v1/sql?format=ndjson"), (Some("application/x-ndjson"), "/v1/sql")] {
        let mut request = server.post(path).json(&question);
        if let Some(accept) = asked {
            request = request.header("accept", accept);
        }
        assert_eq!(request.send().await.unwrap().headers()["content-type"], "application/x-ndjson");
    }
    server.stop().await;
}
