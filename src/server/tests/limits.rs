//! Rates, times and bodies: what is too much, how that is said, and that it does nobody else any harm.

use std::collections::BTreeSet;

use reqwest::{Method, Response};

use super::*;
use crate::{http::ProblemType, rate};

/// A loop that waits for a limit gives up after so many requests.
const REQUESTS_MAX: usize = 10_000;

async fn with_rates(rate: rate::Settings) -> Server {
    Server::start_with(|config| config.rate = rate).await
}

/// What a header says of one limit: the numbers of its parameters, in order.
fn numbers(response: &Response, header: &str, policy: &str) -> Vec<i64> {
    let text = response.headers()[header].to_str().unwrap();
    let items = text.split(", ").filter_map(|item| item.strip_prefix(&format!("\"{policy}\";")));
    let parameters = items.flat_map(|item| item.split(';')).map(|one| one.split_once('=').unwrap().1);
    parameters.map(|number| number.parse().unwrap()).collect()
}

/// A refusal by a rate limit, complete in header and body; how many seconds it says to wait.
async fn refused_by(policy: &str, of: &str, response: Response) -> i64 {
    assert_eq!(response.status().as_u16(), 429);
    let after: i64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let problem: Value = response.json().await.unwrap();
    assert_eq!((&problem["type"], &problem["policy"]), (&json!("/problems/rate-limited"), &json!(policy)));
    assert_eq!((&problem["of"], &problem["retry_after_seconds"]), (&json!(of), &json!(after)), "{problem}");
    assert!(after >= 1);
    after
}

/// Would catch requests without a limit, a refusal that does not say when to come back, or a limit that nobody is told of.
#[tokio::test]
async fn requests_of_a_key_are_limited() {
    let server = with_rates(rate::Settings { key_requests_per_second: 1, ..Default::default() }).await;
    let list = || server.client.get(format!("{}/v1/queries", server.base)).bearer_auth(KEY).send();
    let first = list().await.unwrap();
    assert_eq!(first.status().as_u16(), 200);
    assert_eq!(numbers(&first, "ratelimit-policy", "requests"), [5, 5]);
    assert_eq!(numbers(&first, "ratelimit", "requests"), [4, 1]);
    assert_eq!(numbers(&first, "ratelimit-policy", "query-seconds"), [240, 60]);
    let mut refused = first;
    for _ in 0..REQUESTS_MAX {
        refused = list().await.unwrap();
        if refused.status().as_u16() != 200 {
            break;
        }
    }
    assert_eq!(numbers(&refused, "ratelimit", "requests")[0], 0);
    assert_eq!(refused_by("requests", "key", refused).await, 1);
    // What needs no key has no limit; and what a refusal costs, nobody pays.
    let get = |path: &str| server.client.get(format!("{}{path}", server.base)).send();
    assert_eq!(get("/healthz").await.unwrap().status().as_u16(), 200);
    let metrics = get("/metrics").await.unwrap().text().await.unwrap();
    assert!(metrics.contains("auditlake_rate_limited_total{policy=\"requests\"}"), "{metrics}");
    server.stop().await;
}

/// Would catch a key that is let in more often than its rate allows because it asks with tokens that it issues.
#[tokio::test]
async fn tokens_do_not_multiply_a_keys_rate() {
    let server = with_rates(rate::Settings { key_requests_per_second: 1, ..Default::default() }).await;
    let wanted = |subject: String| json!({"tenant_id": "acme", "subject": subject});
    let list =
        |token: &str| server.client.get(format!("{}/v1/queries", server.base)).bearer_auth(token).send();
    let mut refused = None;
    for number in 0..REQUESTS_MAX {
        let (status, issued) =
            answer(server.post("/v1/viewer-tokens").json(&wanted(format!("u_{number}")))).await;
        // The key itself is refused first, or the token that it has just made.
        if status != 201 {
            continue;
        }
        let answer = list(issued["token"].as_str().unwrap()).await.unwrap();
        assert_eq!(numbers(&answer, "ratelimit-policy", "requests"), [5, 5]);
        if answer.status().as_u16() != 200 {
            refused = Some(answer);
            break;
        }
        assert!(numbers(&answer, "ratelimit", "requests")[0] < 4, "its key's are fewer than its own");
    }
    refused_by("requests", "key", refused.expect("the key has five at once")).await;
    server.stop().await;
}

/// Would catch a batch larger than the burst that is never let in, or events that cost nothing.
#[tokio::test]
async fn events_are_charged_after_they_are_counted() {
    let rates = rate::Settings { tenant_events_per_second: 1, ..Default::default() };
    let server = with_rates(rates).await;
    let batch = |tenant: &str| -> Value { (0..100).map(|id| event(&id.to_string(), tenant)).collect() };
    let send = |tenant: &str| server.post("/v1/events").json(&batch(tenant)).send();
    let taken = send("acme").await.unwrap();
    assert_eq!(taken.status().as_u16(), 201);
    assert_eq!(numbers(&taken, "ratelimit-policy", "tenant-events"), [5, 5]);
    assert_eq!(numbers(&taken, "ratelimit", "tenant-events")[0], 0);
    let after = refused_by("tenant-events", "tenant", send("acme").await.unwrap()).await;
    assert!((80..=96).contains(&after), "95 events are owed, and {after} s said");
    assert_eq!(send("other").await.unwrap().status().as_u16(), 201, "another tenant's events");
    server.stop().await;
}

/// Would catch queries that cost nothing, however long they run.
#[tokio::test]
async fn query_seconds_are_limited() {
    let server =
        with_rates(rate::Settings { tenant_query_seconds_per_minute: 1, ..Default::default() }).await;
    let values = "(VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10))";
    let sql = format!(
        "SELECT count(*) FROM {values} a, {values} b, {values} c, {values} d, {values} e, {values} f WHERE a.column1 > 5"
    );
    let ask = |tenant: &str| server.post("/v1/sql").json(&json!({"sql": sql, "tenant_id": tenant})).send();
    let mut refused = None;
    for _ in 0..REQUESTS_MAX {
        let answer = ask("acme").await.unwrap();
        if answer.status().as_u16() != 200 {
            refused = Some(answer);
            break;
        }
        answer.bytes().await.unwrap();
    }
    refused_by("tenant-query-seconds", "tenant", refused.expect("it costs time")).await;
    assert_eq!(ask("other").await.unwrap().status().as_u16(), 200, "another tenant's queries");
    server.stop().await;
}

/// Would catch guesses that cost the server as much as they like, and a good key that is locked out by them.
#[tokio::test]
async fn keys_that_do_not_hold_are_limited_by_address() {
    let server = with_rates(rate::Settings { address_failures_per_minute: 3, ..Default::default() }).await;
    let guess = || server.client.get(format!("{}/v1/queries", server.base)).bearer_auth("guessed").send();
    let mut refused = guess().await.unwrap();
    let mut failures = 0;
    while refused.status().as_u16() == 401 && failures < REQUESTS_MAX {
        refused = guess().await.unwrap();
        failures += 1;
    }
    assert!(failures >= 3);
    refused_by("address-failures", "address", refused).await;
    let good = server.client.get(format!("{}/v1/queries", server.base)).bearer_auth(KEY).send();
    assert_eq!(good.await.unwrap().status().as_u16(), 200);
    server.stop().await;
}

/// Would catch a route on which a client can wait for ever.
#[tokio::test]
async fn an_answer_begins_in_time() {
    let server = Server::start(Settings { request_timeout_ms: 50, ..Settings::default() }).await;
    for path in ["/v1/events", "/v1/sql", "/v1/queries/failed-logins", "/v1/keys"] {
        let endless = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        let request = server.post(path).body(reqwest::Body::wrap_stream(endless));
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 503, "{path}");
        assert!(
            response.headers().contains_key("retry-after") && response.headers().contains_key("x-request-id")
        );
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["type"], "/problems/timeout", "{problem}");
    }
    server.stop().await;
}

/// Would catch a body that is taken where none is read.
#[tokio::test]
async fn what_reads_no_body_takes_none() {
    let server = Server::start(Settings::default()).await;
    for (method, path) in [
        (Method::GET, "/v1/queries"),
        (Method::GET, "/v1/keys"),
        (Method::DELETE, "/v1/keys/key_0123456789abcdef"),
        (Method::GET, "/healthz"),
        (Method::GET, "/nowhere"),
    ] {
        let request =
            || server.client.request(method.clone(), format!("{}{path}", server.base)).bearer_auth(KEY);
        let (status, problem) = answer(request().body("{}")).await;
        assert_eq!((status, &problem["type"]), (400, &json!("/problems/bad-request")), "{method} {path}");
        let empty = request().header("content-length", "0").send().await.unwrap();
        assert_ne!(empty.status().as_u16(), 400, "{method} {path}");
    }
    server.stop().await;
}

/// Would catch a `type` that leads nowhere.
#[tokio::test]
async fn every_type_can_be_looked_up() {
    let server = Server::start(Settings::default()).await;
    for kind in ProblemType::ALL {
        let page = reqwest::get(format!("{}{}", server.base, kind.reference())).await.unwrap();
        assert_eq!(page.status().as_u16(), 200);
        assert_eq!(page.headers()["content-type"], "text/markdown; charset=utf-8");
        let text = page.text().await.unwrap();
        assert!(text.contains(kind.title()) && text.contains(kind.advice()), "{text}");
    }
    let (status, problem) = answer(server.client.get(format!("{}/problems/none", server.base))).await;
    assert_eq!((status, &problem["type"]), (404, &json!("/problems/not-found")));
    server.stop().await;
}

/// Would catch an error about one member, parameter or header that does not say which.
#[tokio::test]
async fn problems_name_what_they_are_about() {
    let server = Server::start(Settings::default()).await;
    let key = json!({"name": "x", "scopes": ["read"]});
    let (_, made) = answer(server.post("/v1/keys").json(&key)).await;
    let rotate = format!("/v1/keys/{}/rotate", made["id"].as_str().unwrap());
    let sql = |body: Value| server.post("/v1/sql").json(&body);
    let keys = |member: &str, value: Value| {
        let mut wanted = key.clone();
        wanted[member] = value;
        server.post("/v1/keys").json(&wanted)
    };
    let saved = |body: Value| server.post("/v1/queries/failed-logins").json(&body);
    let get = |path: &str| server.client.get(format!("{}{path}", server.base)).bearer_auth(KEY);
    let one = json!({"sql": "SELECT 1"});
    let mut seen = BTreeSet::new();
    for (request, member, value) in [
        (sql(json!({"sql": "SELEC 1"})), "pointer", "/sql"),
        (sql(json!({"sql": "SELECT nothing FROM events"})), "pointer", "/sql"),
        (sql(json!({"sql": "DROP TABLE events"})), "pointer", "/sql"),
        (sql(json!({"sql": "SELECT 1/0"})), "pointer", "/sql"),
        (sql(json!({"sql": 7})), "pointer", "/sql"),
        (sql(json!({})), "pointer", "/sql"),
        (sql(json!({"sql": "SELECT 1", "parms": {}})), "pointer", "/parms"),
        (sql(json!({"sql": "SELECT $a"})), "pointer", "/params/a"),
        (sql(json!({"sql": "SELECT 1", "params": {"a/b": 1}})), "pointer", "/params/a~1b"),
        (sql(json!({"sql": "SELECT $a", "params": {"a": {}}})), "pointer", "/params/a"),
        (sql(json!({"sql": "SELECT 1", "tenant_id": "a b"})), "pointer", "/tenant_id"),
        (saved(json!({"params": {"days": "many"}})), "pointer", "/params/days"),
        (saved(json!({"params": {"from": "soon"}})), "pointer", "/params/from"),
        (saved(json!({"params": {"from": "2026-02-02", "to": "2026-01-01"}})), "pointer", "/params/from"),
        (saved(json!({"params": []})), "pointer", "/params"),
        (keys("name", json!("")), "pointer", "/name"),
        (keys("scopes", json!([])), "pointer", "/scopes"),
        (keys("scopes", json!(["read", "everything"])), "pointer", "/scopes/1"),
        (keys("expires_at", json!("2001-01-01T00:00:00Z")), "pointer", "/expires_at"),
        (keys("expires_at", json!("soon")), "pointer", "/expires_at"),
        (keys("tenant_id", json!("a/b")), "pointer", "/tenant_id"),
        (keys("tenant", json!("acme")), "pointer", "/tenant"),
        (server.post("/v1/keys").json(&json!({"scopes": ["read"]})), "pointer", "/name"),
        (server.post(&rotate).json(&json!({"grace_seconds": -1})), "pointer", "/grace_seconds"),
        (server.post("/v1/sql?format=xml").json(&one), "parameter", "format"),
        (server.post("/v1/sql?tenant_id=a+b").json(&one), "parameter", "tenant_id"),
        (server.post("/v1/events?atomic=maybe").json(&json!([])), "parameter", "atomic"),
        (server.post("/v1/events?atomik=true").json(&json!([])), "parameter", "atomik"),
        (get("/v1/keys?tenant_id=a&tenant_id=b"), "parameter", "tenant_id"),
        (get("/v1/queries?x=1"), "parameter", "x"),
        (server.post("/v1/events").header("idempotency-key", "a b").body("[]"), "header", "idempotency-key"),
        (server.post("/v1/events").header("content-type", "text/csv").body("x"), "header", "content-type"),
        (server.post("/v1/events").header("content-encoding", "br").body("x"), "header", "content-encoding"),
        (server.post("/v1/sql").header("accept", "image/png").json(&one), "header", "accept"),
    ] {
        let (status, problem) = answer(request).await;
        assert!((400..500).contains(&status), "{problem}");
        assert_eq!(problem[member], value, "{problem}");
        seen.insert(problem["type"].to_string());
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    server.stop().await;
}
