//! Keys over HTTP and by the command line: what each opens, and that a tenant's opens nothing of another's.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{ask, event, refused, store};
use crate::support::{
    place::{Place, in_every_place},
    server::{ROOT_KEY, Server},
};

fn with_key(server: &Server, key: &str, method: Method, path: &str) -> RequestBuilder {
    server.api().request(method, path).bearer_auth(key)
}

/// Makes a key with the root key; the whole answer.
async fn make(server: &Server, wanted: &Value) -> Value {
    let (status, made) = ask(server.api().post("/v1/keys").json(wanted)).await;
    assert_eq!(status, 201, "{made}");
    made
}

async fn key_of(server: &Server, tenant: &str, scopes: &[&str]) -> String {
    let wanted = json!({"name": format!("of {tenant}"), "scopes": scopes, "tenant_id": tenant});
    make(server, &wanted).await["key"].as_str().unwrap().to_owned()
}

fn sql(server: &Server, key: &str, question: &Value) -> RequestBuilder {
    with_key(server, key, Method::POST, "/v1/sql").json(question)
}

in_every_place!(a_key_lives_from_its_making_to_its_end, keys_are_made_by_the_command_line);

/// Would catch a key that a restart forgets, a rotation that locks out, and a revoked key that still opens.
async fn a_key_lives_from_its_making_to_its_end(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    let made = make(&server, &json!({"name": "analysts", "scopes": ["read"]})).await;
    let (id, first) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!((&made["tenant_id"], &made["state"]), (&Value::Null, &json!("active")));
    let one = json!({"sql": "SELECT 1 AS one"});
    assert_eq!(ask(sql(&server, first, &one)).await.0, 200);
    assert!(server.terminate().await.status.success());

    let server = Server::start(&place.calm(), &[]).await;
    assert_eq!(ask(sql(&server, first, &one)).await.0, 200);
    let (_, known) = ask(with_key(&server, ROOT_KEY, Method::GET, &format!("/v1/keys/{id}"))).await;
    assert!(known["last_used_at"].is_string() && known["key"].is_null(), "{known}");
    let (status, rotated) = ask(server.api().post(&format!("/v1/keys/{id}/rotate")).json(&json!({}))).await;
    assert_eq!((status, &rotated["id"]), (201, &json!(id)));
    let second = rotated["key"].as_str().unwrap();
    for key in [first, second] {
        assert_eq!(ask(sql(&server, key, &one)).await.0, 200);
    }
    for _ in 0..2 {
        let ended =
            with_key(&server, ROOT_KEY, Method::DELETE, &format!("/v1/keys/{id}")).send().await.unwrap();
        assert_eq!(ended.status(), 204);
    }
    for key in [first, second] {
        let (_, problem) = refused(sql(&server, key, &one), 401, "unauthorized").await;
        assert_eq!(problem["detail"], "the key was revoked");
    }
    assert!(!server.stderr().contains(&second[24..]), "a log has a key");
}

/// Would catch a key that no page shows or that two do, and a cursor with which a tenant learns of another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_show_each_key_once() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    let own = key_of(&server, "acme", &["admin"]).await;
    for tenant in ["acme", "bolt", "acme", "bolt"] {
        key_of(&server, tenant, &["read"]).await;
    }
    let walk = async |key: &str, query: &str| {
        let (mut seen, mut pages, mut path) = (Vec::new(), 0, format!("/v1/keys?{query}"));
        loop {
            let answer = with_key(&server, key, Method::GET, &path).send().await.unwrap();
            let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            let page: Value = answer.json().await.unwrap();
            let keys = page["keys"].as_array().unwrap_or_else(|| panic!("{page}"));
            seen.extend(keys.iter().map(|key| key["id"].as_str().unwrap().to_owned()));
            pages += 1;
            let Some(cursor) = page["next_cursor"].as_str() else { break assert_eq!(link, None) };
            path = format!("/v1/keys?cursor={cursor}");
            assert_eq!(link, Some(format!("<{path}>; rel=\"next\"")));
            // What is made meanwhile is newer than what follows.
            if pages == 1 {
                key_of(&server, "other", &["read"]).await;
            }
        }
        (seen, pages)
    };
    let (all, pages) = walk(ROOT_KEY, "limit=2").await;
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), different.len(), pages), (5, 5, 3), "{all:?}");
    let (whole, pages) = walk(ROOT_KEY, "").await;
    assert_eq!((whole.len(), pages), (6, 1));
    assert!(all.iter().all(|id| whole.contains(id)), "{all:?} {whole:?}");
    for (key, query) in [(ROOT_KEY, "tenant_id=acme&limit=1"), (&*own, "limit=1")] {
        assert_eq!(walk(key, query).await.1, 3, "of acme");
    }
    let (_, page) = ask(with_key(&server, ROOT_KEY, Method::GET, "/v1/keys?limit=1")).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    for (key, cursor) in [(&*own, cursor), (ROOT_KEY, &cursor[1..])] {
        let request = with_key(&server, key, Method::GET, &format!("/v1/keys?cursor={cursor}"));
        assert_eq!(refused(request, 400, "bad-request").await.1["parameter"], "cursor");
    }
    for query in ["limit=0", "limit=1001", "after=x"] {
        refused(with_key(&server, ROOT_KEY, Method::GET, &format!("/v1/keys?{query}")), 400, "bad-request")
            .await;
    }
    let through = ["--server", server.api().address(), "--key", ROOT_KEY];
    let listed = place.run(&[&["key", "list", "--json"], &through[..]].concat()).quiet().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert!(listed.as_array().unwrap().len() > 5, "{listed}");
}

/// Would catch a route that asks for no scope, or for the wrong one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_route_needs_its_scope() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    let routes = [
        (Method::POST, "/v1/events", "ingest"),
        (Method::GET, "/v1/events", "read"),
        (Method::GET, "/v1/events/histogram", "read"),
        (Method::GET, "/v1/events/fields", "read"),
        (Method::GET, "/v1/events/e1", "read"),
        (Method::POST, "/v1/viewer-tokens", "read"),
        (Method::POST, "/v1/sql", "read"),
        (Method::GET, "/v1/queries", "read"),
        (Method::POST, "/v1/queries/who-deleted", "read"),
        (Method::GET, "/v1/keys", "admin"),
        (Method::POST, "/v1/keys", "admin"),
        (Method::GET, "/v1/keys/key_0123456789abcdef", "admin"),
        (Method::DELETE, "/v1/keys/key_0123456789abcdef", "admin"),
        (Method::POST, "/v1/keys/key_0123456789abcdef/rotate", "admin"),
    ];
    for scope in ["ingest", "read", "export", "admin"] {
        let key = key_of(&server, "acme", &[scope]).await;
        for (method, path, needed) in &routes {
            let request =
                with_key(&server, &key, method.clone(), path).header("content-type", "application/json");
            if scope == *needed {
                let status = request.send().await.unwrap().status();
                assert!(![401, 403].contains(&status.as_u16()), "{scope} at {method} {path}: {status}");
            } else {
                let (_, problem) = refused(request, 403, "forbidden").await;
                assert!(problem["detail"].as_str().unwrap().contains(needed), "{problem}");
            }
        }
    }
    for (method, path, _) in routes {
        refused(server.api().request(method, path), 401, "unauthorized").await;
    }
}

/// Would catch any way from one tenant's key to another tenant's events, keys or mere existence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_key_opens_nothing_of_another() {
    let place = Place::folder();
    let server = Server::start(&place.busy(), &[]).await;
    store(&server, &[event("acme", "a1"), event("acme", "a2"), event("bolt", "b1")]).await;
    let acme = key_of(&server, "acme", &["ingest", "read", "admin"]).await;
    key_of(&server, "bolt", &["read"]).await;

    for text in [
        "SELECT tenant_id, id FROM events",
        "SELECT tenant_id, id FROM events WHERE tenant_id = 'bolt' OR true",
        "SELECT tenant_id, id FROM auditlake.public.events",
        "WITH e AS (SELECT * FROM events) SELECT a.tenant_id, b.id FROM e a JOIN events b ON a.action = b.action",
        "SELECT tenant_id, id FROM events WHERE has_words(metadata, 'x') OR id IN ('a1', 'b1')",
        "SELECT tenant_id, count(*) AS n FROM events GROUP BY tenant_id",
        "SELECT (SELECT max(id) FROM events) AS id",
        "EXPLAIN ANALYZE SELECT * FROM events",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM information_schema.columns",
        "SHOW TABLES",
    ] {
        for body in [json!({"sql": text}), json!({"sql": text, "tenant_id": "acme"})] {
            let (status, answer) = ask(sql(&server, &acme, &body)).await;
            assert_eq!(status, 200, "{text}: {answer}");
            let rows = answer["rows"].to_string();
            assert!(!rows.contains("bolt") && !rows.contains("b1"), "{text}: {rows}");
            assert!(answer["statistics"]["tenants_considered"].as_u64() <= Some(2), "{answer}");
        }
    }
    for text in [
        "SELECT * FROM information_schema.df_settings",
        "SELECT * FROM information_schema.schemata",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM bolt.public.events",
        "SHOW ALL",
        "SET datafusion.catalog.information_schema = true",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/'",
    ] {
        let (_, problem) = refused(sql(&server, &acme, &json!({"sql": text})), 422, "invalid").await;
        assert!(!problem.to_string().contains("b1"), "{problem}");
    }
    // Another tenant's is as if it weren't there: the same words as for one that nobody has ever named.
    let words = |problem: Value, tenant: &str| problem["detail"].as_str().unwrap().replace(tenant, "TENANT");
    for tenant in ["bolt", "nobody"] {
        let told = "tenant 'TENANT' does not exist";
        let question = json!({"sql": "SELECT 1 AS one", "tenant_id": tenant});
        assert_eq!(words(refused(sql(&server, &acme, &question), 404, "not-found").await.1, tenant), told);
        for (method, path) in [
            (Method::POST, format!("/v1/events?tenant_id={tenant}")),
            (Method::POST, format!("/v1/queries/failed-logins?tenant_id={tenant}")),
            (Method::GET, format!("/v1/keys?tenant_id={tenant}")),
        ] {
            let has_body = method == Method::POST;
            let request = with_key(&server, &acme, method, &path);
            let request = if has_body { request.json(&json!({})) } else { request };
            assert_eq!(words(refused(request, 404, "not-found").await.1, tenant), told, "{path}");
        }
    }
    // Nothing is stored for a tenant that the key is not of.
    let foreign = with_key(&server, &acme, Method::POST, "/v1/events").json(&event("bolt", "b2"));
    let (status, receipt) = ask(foreign).await;
    assert_eq!((status, &receipt["accepted"]), (422, &json!(0)), "{receipt}");
    let all = server.api().sql("SELECT id FROM events ORDER BY id").await;
    assert_eq!(json!(all), json!([{"id": "a1"}, {"id": "a2"}, {"id": "b1"}]));
    let (_, keys) = ask(with_key(&server, &acme, Method::GET, "/v1/keys")).await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "{keys}");
}

/// Would catch a wanted key that is made otherwise than it was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_key_cannot_be_is_named() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    for (wanted, part) in [
        (json!({"name": "x", "scopes": []}), "scopes"),
        (json!({"name": "", "scopes": ["read"]}), "name"),
        (json!({"name": "x", "scopes": ["write"]}), "write"),
        (json!({"name": "x", "scopes": ["read"], "tenant_id": "a/b"}), "a/b"),
        (json!({"name": "x", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "x", "scopes": ["read"], "expires_at": "tomorrow"}), "the body"),
        (json!({"name": "x", "scopes": ["read"], "admin": true}), "admin"),
    ] {
        let (_, problem) = refused(server.api().post("/v1/keys").json(&wanted), 422, "invalid").await;
        assert!(problem["detail"].as_str().unwrap().contains(part), "{wanted}: {problem}");
    }
    let made = make(&server, &json!({"name": "x", "scopes": ["read"]})).await;
    let rotate = format!("/v1/keys/{}/rotate", made["id"].as_str().unwrap());
    let too_long = server.api().post(&rotate).json(&json!({"grace_seconds": 999_999_999}));
    assert!(refused(too_long, 422, "invalid").await.1.to_string().contains("grace_seconds"));
}

/// Would catch a command that prints a key twice or not alone, or whose key a running server never learns of.
async fn keys_are_made_by_the_command_line(place: &Place) {
    let mut launch = place.calm();
    launch.environment.push(("AUDITLAKE_BACKGROUND__KEYS_EVERY_MS", "20".to_owned()));
    // The loops below ask with keys that do not hold more often than anyone may.
    launch.environment.push(("AUDITLAKE_RATE__ADDRESS_FAILURES_PER_MINUTE", "0".to_owned()));
    let server = Server::start(&launch, &[]).await;
    let create = ["key", "create", "--name", "a script", "--scope", "read,ingest", "--tenant", "acme"];
    let made = place.run(&create);
    let key = made.stdout.trim_end().to_owned();
    assert!(
        key.starts_with("alk_") && !key.contains(char::is_whitespace) && !made.stderr.contains(&key),
        "{key}"
    );
    let one = json!({"sql": "SELECT 1 AS one"});
    while ask(sql(&server, &key, &one)).await.0 == 401 {
        tokio::task::yield_now().await;
    }
    let id = made.stderr.split_whitespace().next().unwrap().to_owned();
    let listed = place.run(&["key", "list", "--tenant", "acme"]).quiet().stdout;
    assert!(listed.contains(&id) && listed.contains("ingest,read") && listed.contains("active"), "{listed}");
    let last_used = || {
        let keys: Value =
            serde_json::from_str(&place.run(&["key", "list", "--json"]).quiet().stdout).unwrap();
        keys[0]["last_used_at"].clone()
    };
    while last_used().is_null() {
        tokio::task::yield_now().await;
    }
    place.run(&["key", "revoke", &id]);
    while ask(sql(&server, &key, &one)).await.0 != 401 {
        tokio::task::yield_now().await;
    }
    let through = ["--server", server.api().address(), "--key", ROOT_KEY];
    let made = place.run(&[&create[..], &through[..]].concat());
    assert_eq!(ask(sql(&server, made.stdout.trim_end(), &one)).await.0, 200);
    let unknown = place.run(&["key", "revoke", "key_0123456789abcdef"]);
    unknown.failed(1, &["key 'key_0123456789abcdef' does not exist"]);
}
