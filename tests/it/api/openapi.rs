//! The documentation that the server gives: it is served without a key, and what it describes is there.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::support::{place::Place, server::Server};

/// A path in which each variable part is something that may be there.
fn filled(path: &str) -> String {
    path.replace("/problems/{name}", "/problems/invalid").replace("{id}", "x").replace("{name}", "x")
}

/// Would catch a route that is described and not served, a method that is served and not described, and a key that is asked for
/// where none is needed, or the other way round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_described_is_there() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    let served = server.api().request(Method::GET, "/openapi.json").send().await.unwrap();
    assert_eq!(
        (served.status().as_u16(), &served.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    let document: Value = served.json().await.unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let described: BTreeSet<&str> = methods.as_object().unwrap().keys().map(String::as_str).collect();
        for method in ["get", "post", "put", "patch", "delete"] {
            let asked = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let status = server.api().request(asked, &filled(path)).send().await.unwrap().status().as_u16();
            let expected: &[u16] = match methods.get(method) {
                None => &[405],
                Some(object) if object["security"] == serde_json::json!([]) => &[200],
                Some(_) => &[401],
            };
            assert!(expected.contains(&status), "{method} {path}, of {described:?}: {status}");
        }
    }
}

/// Would catch a page that a browser does not show, or is allowed to load something for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_for_people_loads_nothing() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    let page = server.api().request(Method::GET, "/docs").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["content-security-policy"], "default-src 'none'; style-src 'unsafe-inline'");
    let text = page.text().await.unwrap();
    assert!(text.starts_with("<!DOCTYPE html>") && text.trim_end().ends_with("</html>"));
    let refused = server.api().request(Method::GET, "/docs?dark=true").send().await.unwrap();
    assert_eq!(refused.status(), 400, "as everywhere, unknown parameters are errors");
}
