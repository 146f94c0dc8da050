//! Pages of other origins: who may read, what their browsers are told, and that nobody else's are told anything.

use reqwest::{Method, Response};

use super::*;

const APP: &str = "https://app.example";

async fn with_origins(origins: &[&str]) -> Server {
    let allowed_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    Server::start(Settings { allowed_origins, ..Settings::default() }).await
}

async fn ask(server: &Server, method: Method, path: &str, headers: &[(&'static str, &str)]) -> Response {
    let request = server.client.request(method, format!("{}{path}", server.base));
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

/// A browser's question before `PATCH` with a key.
async fn preflight(server: &Server, path: &str, origin: &str) -> Response {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "authorization,content-type,if-match"),
    ];
    ask(server, Method::OPTIONS, path, &headers).await
}

fn list(response: &Response, header: &str) -> Vec<String> {
    let values =
        response.headers().get_all(header).iter().flat_map(|value| value.to_str().unwrap().split(", "));
    values.map(str::to_ascii_lowercase).collect()
}

/// What [`list`] finds in headers of this protocol, all together.
fn shared(response: &Response) -> Vec<String> {
    let names = response.headers().keys().map(ToString::to_string);
    names.filter(|name| name.starts_with("access-control-")).collect()
}

/// Would catch a browser that may not ask or not read what its user's token opens, or an answer to one page that a cache
/// gives to another.
#[tokio::test]
async fn pages_of_allowed_origins_read() {
    let server = with_origins(&["https://other.example", APP]).await;
    for path in ["/v1/tenants/acme", "/v1/events"] {
        let response = preflight(&server, path, APP).await;
        assert_eq!(response.status().as_u16(), 204);
        assert!(response.headers().contains_key("x-request-id"));
        assert_eq!(response.headers()["access-control-allow-origin"], APP);
        assert_eq!(response.headers()["access-control-max-age"], "7200");
        assert_eq!(list(&response, "vary"), ["origin"]);
        for (header, needed) in [
            ("access-control-allow-methods", &["get", "post", "patch", "delete"][..]),
            (
                "access-control-allow-headers",
                &["authorization", "content-type", "idempotency-key", "if-match"],
            ),
        ] {
            let listed = list(&response, header);
            assert!(
                needed.iter().all(|name| listed.iter().any(|other| other == name)),
                "{header}: {listed:?}"
            );
        }
    }
    let key = format!("Bearer {KEY}");
    for (path, status, vary) in [
        ("/v1/queries", 200, &["origin"][..]),
        ("/v1/events/none", 404, &["origin"]),
        ("/nowhere", 404, &["origin"]),
        ("/healthz", 200, &["origin"]),
    ] {
        let response = ask(&server, Method::GET, path, &[("origin", APP), ("authorization", &*key)]).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], APP);
        assert!(!response.headers().contains_key("access-control-allow-credentials"));
        assert_eq!(list(&response, "vary"), vary);
        let exposed = list(&response, "access-control-expose-headers");
        for needed in ["link", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id", "etag"] {
            assert!(exposed.iter().any(|name| name == needed), "{needed} is not in {exposed:?}");
        }
    }
    // What has to say that it differs by something else says both.
    let sql =
        server.post("/v1/sql").header("origin", APP).json(&json!({"sql": "SELECT 1"})).send().await.unwrap();
    assert_eq!(list(&sql, "vary"), ["accept", "origin"]);
    let refused = ask(&server, Method::GET, "/v1/queries", &[("origin", APP)]).await;
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["access-control-allow-origin"] == APP),
        (401, true)
    );
    server.stop().await;
}

/// Would catch a page of any other origin that reads, or learns what is allowed to whom.
#[tokio::test]
async fn pages_of_other_origins_do_not() {
    for allowed in [&[][..], &["https://other.example"]] {
        let server = with_origins(allowed).await;
        for origin in [APP, "null", "https://other.example.evil.example"] {
            let response = preflight(&server, "/v1/events", origin).await;
            assert_eq!((response.status().as_u16(), shared(&response)), (405, vec![]), "{origin}");
            let response = ask(&server, Method::GET, "/healthz", &[("origin", origin)]).await;
            assert_eq!((response.status().as_u16(), shared(&response)), (200, vec![]), "{origin}");
            assert_eq!(response.headers().contains_key("vary"), !allowed.is_empty());
        }
        server.stop().await;
    }
}

/// Would catch `*` that is not for all, or that comes with what browsers refuse beside it.
#[tokio::test]
async fn all_origins_may_be_allowed() {
    let server = with_origins(&["*"]).await;
    for origin in [APP, "null"] {
        let response = preflight(&server, "/v1/events", origin).await;
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert!(!response.headers().contains_key("access-control-allow-credentials"));
        assert!(!response.headers().contains_key("vary"), "the same for all");
    }
    let response = ask(&server, Method::GET, "/healthz", &[]).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*", "a cache keeps one answer for all");
    let plain = ask(&server, Method::OPTIONS, "/v1/events", &[("origin", APP)]).await;
    assert_eq!(plain.status().as_u16(), 405, "no preflight");
    server.stop().await;
}
