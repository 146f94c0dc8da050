//! Requests that cannot be served: each has its status, and a problem that says why.

use futures::{StreamExt as _, stream};
use reqwest::{Body, Method};
use serde_json::json;

use super::{event, question, refused};
use crate::support::{place::Place, server::Server};

/// More than the cap of 16 MiB.
const TOO_LARGE: usize = 17 << 20;

/// Would catch a status or a problem other than the documented one, on the way from the socket to the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_wrong_request_has_its_status() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    let events = || server.api().post("/v1/events");
    let sql = |text: &str| question(&server, "json", &json!({ "sql": text }));
    let many: Vec<_> = (0..=10_000).map(|number| event("acme", &number.to_string())).collect();
    let zeros = zstd::encode_all(vec![b' '; TOO_LARGE].as_slice(), 3).unwrap();
    for (request, status, kind) in [
        (events().body("{\"tenant_id\": "), 400, "bad-request"),
        (events().header("content-encoding", "zstd").body("not packed"), 400, "bad-request"),
        (server.api().post("/v1/events?atomik=true").json(&event("acme", "1")), 400, "bad-request"),
        (sql("SELECT 1").query(&[("format", "json")]), 400, "bad-request"),
        (server.api().request(Method::POST, "/v1/events"), 401, "unauthorized"),
        (server.api().request(Method::POST, "/v1/sql").bearer_auth("guessed"), 401, "unauthorized"),
        (server.api().post("/v1/nothing"), 404, "not-found"),
        (server.api().request(Method::DELETE, "/v1/sql"), 405, "method-not-allowed"),
        (
            server.api().post("/v1/sql").header("accept", "image/png").json(&json!({"sql": ""})),
            406,
            "not-acceptable",
        ),
        (events().json(&many), 413, "content-too-large"),
        (events().body(vec![b' '; TOO_LARGE]), 413, "content-too-large"),
        (events().header("content-encoding", "zstd").body(zeros), 413, "content-too-large"),
        (events().header("content-type", "text/csv").body("a,b"), 415, "unsupported-media-type"),
        (events().header("content-encoding", "br").body("x"), 415, "unsupported-media-type"),
        (server.api().post("/v1/sql").body("SELECT 1"), 400, "bad-request"),
        (sql("SELEC 1"), 422, "invalid"),
        (sql("SELECT 1; SELECT 2"), 422, "invalid"),
        (sql("SELECT no_such_column FROM events"), 422, "invalid"),
        (sql("SELECT * FROM no_such_table"), 422, "invalid"),
        (sql("DELETE FROM events"), 422, "invalid"),
        (sql("COPY events TO '/tmp/stolen.csv'"), 422, "invalid"),
        (sql("SELECT 1/0"), 422, "invalid"),
    ] {
        let (headers, _) = refused(request, status, kind).await;
        assert_eq!(headers.contains_key("www-authenticate"), status == 401);
        assert_eq!(headers.contains_key("allow"), status == 405);
    }
    assert_eq!(server.api().sql("SELECT count(*) AS n FROM events").await[0]["n"], 0);
}

/// Would catch a request that is turned away without a word about when to come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_is_answered_with_when_to_come_back() {
    let place = Place::folder();
    let mut launch = place.calm();
    launch.environment.push(("AUDITLAKE_INGEST__IDEMPOTENCY_KEYS_MAX", "1".into()));
    let server = Server::start(&launch, &[]).await;
    let send = |key: &str| {
        server.api().post("/v1/events").header("idempotency-key", key.to_owned()).json(&event("acme", key))
    };
    assert_eq!(send("1").send().await.unwrap().status(), 201);
    let (headers, _) = refused(send("2"), 429, "too-many-requests").await;
    assert!(headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(server.api().sql("SELECT id FROM events").await, [json!({"id": "1"})]);
}

/// Would catch a client that holds a request open for ever by never sending the end of its body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_never_ends_is_given_up() {
    let place = Place::folder();
    let mut launch = place.calm();
    launch.environment.push(("AUDITLAKE_HTTP__BODY_TIMEOUT_MS", "100".into()));
    let server = Server::start(&launch, &[]).await;
    let start = stream::iter([Ok::<_, std::io::Error>("[")]).chain(stream::pending());
    refused(server.api().post("/v1/events").body(Body::wrap_stream(start)), 408, "request-timeout").await;
    assert_eq!(server.api().sql("SELECT id FROM events").await.len(), 0);
}
