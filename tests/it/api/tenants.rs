//! Tenants over HTTP and by the command line: what is set for each, who may set it, and what is seen then.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{ask, event, post, refused, store};
use crate::support::{
    place::{Place, in_every_place},
    server::{ROOT_KEY, Server},
};

fn with_key(server: &Server, key: &str, method: Method, path: &str) -> RequestBuilder {
    server.api().request(method, path).bearer_auth(key)
}

async fn key_of(server: &Server, tenant: Option<&str>, scopes: &[&str]) -> String {
    let wanted = json!({"name": "a test", "scopes": scopes, "tenant_id": tenant});
    let (status, made) = ask(server.api().post("/v1/keys").json(&wanted)).await;
    assert_eq!(status, 201, "{made}");
    made["key"].as_str().unwrap().to_owned()
}

async fn get(server: &Server, key: &str, path: &str) -> Value {
    let (status, answer) = ask(with_key(server, key, Method::GET, path)).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

fn patch(server: &Server, key: &str, tenant: &str, patch: &Value) -> RequestBuilder {
    with_key(server, key, Method::PATCH, &format!("/v1/tenants/{tenant}")).json(patch)
}

/// Changes settings with the root key.
async fn set(server: &Server, tenant: &str, settings: &Value) -> Value {
    let (status, answer) = ask(patch(server, ROOT_KEY, tenant, settings)).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn ids(page: &Value) -> Vec<&str> {
    page["tenants"].as_array().unwrap().iter().map(|tenant| tenant["id"].as_str().unwrap()).collect()
}

async fn rows(server: &Server) -> u64 {
    server.api().sql("SELECT count(*) AS n FROM events").await[0]["n"].as_u64().unwrap()
}

in_every_place!(settings_are_kept_as_versions, tenants_are_set_by_the_command_line);

/// Would catch settings that a restart forgets, a version nobody can see, and a member that changes without being named.
async fn settings_are_kept_as_versions(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    let made = set(&server, "acme", &json!({"name": "Acme", "limits": {"events_per_second": 5}})).await;
    let limits =
        json!({"requests_per_second": null, "events_per_second": 5, "query_seconds_per_minute": null});
    let window = json!({"from": null, "first_day": null, "last_day": null});
    let at = made["changed_at"].clone();
    assert_eq!(
        made,
        json!({"id": "acme", "name": "Acme", "retention_days": null, "lock_days": null, "legal_hold": false, "sealed_fields": [], "limits": limits,
               "version": 1, "changed_at": at, "changed_by": "root", "events": 0, "window": window})
    );
    let merge_patch = with_key(&server, ROOT_KEY, Method::PATCH, "/v1/tenants/acme")
        .header("content-type", "application/merge-patch+json")
        .body(r#"{"legal_hold": true, "limits": {"events_per_second": null}}"#);
    let (status, changed) = ask(merge_patch).await;
    assert_eq!((status, &changed["version"], &changed["legal_hold"]), (200, &json!(2), &json!(true)));
    assert_eq!((&changed["name"], &changed["limits"]["events_per_second"]), (&json!("Acme"), &Value::Null));
    assert_eq!(set(&server, "acme", &json!({"legal_hold": true})).await["version"], 2, "nothing changed");
    assert!(server.terminate().await.status.success());

    let server = Server::start(&place.calm(), &[]).await;
    assert_eq!(get(&server, ROOT_KEY, "/v1/tenants/acme").await, changed);
    let versions = get(&server, ROOT_KEY, "/v1/tenants/acme/versions").await;
    let versions = versions["versions"].as_array().unwrap().clone();
    assert_eq!(versions.len(), 2);
    assert_eq!((&versions[0]["version"], &versions[0]["legal_hold"]), (&json!(2), &json!(true)));
    assert_eq!((&versions[1]["version"], &versions[1]["limits"]), (&json!(1), &limits));
    assert_eq!((&versions[1]["changed_at"], &versions[1]["changed_by"]), (&at, &json!("root")));
}

/// Would catch days that are still shown after their time, come back when nothing hides them any more, or are taken again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_go_when_their_time_is_over() {
    let place = Place::folder();
    let mut launch = place.busy();
    launch.environment.push(("AUDITLAKE_BACKGROUND__RETENTION_EVERY_MS", "20".to_owned()));
    let server = Server::start(&launch, &[]).await;
    store(&server, &[event("acme", "a1"), event("acme", "a2"), event("bolt", "b1")]).await;
    while get(&server, ROOT_KEY, "/v1/tenants/acme").await["events"] != 2 {
        tokio::task::yield_now().await;
    }
    let acme = get(&server, ROOT_KEY, "/v1/tenants/acme").await;
    let window = json!({"from": null, "first_day": "2025-03-01", "last_day": "2025-03-01"});
    assert_eq!((&acme["window"], &acme["version"], &acme["changed_at"]), (&window, &json!(0), &Value::Null));

    let acme = set(&server, "acme", &json!({"retention_days": 30})).await;
    assert_eq!(
        (rows(&server).await, &acme["events"], &acme["window"]["first_day"]),
        (1, &json!(0), &Value::Null)
    );
    assert!(acme["window"]["from"].as_str().unwrap() > "2025-03-01", "{acme}");
    let (status, receipt) = post(&server, "", &json!([event("acme", "a3"), event("bolt", "b2")])).await;
    assert_eq!((status, &receipt["accepted"], &receipt["rejected"][0]["id"]), (207, &json!(1), &json!("a3")));
    assert_eq!(receipt["rejected"][0]["errors"][0]["pointer"], "/occurred_at");
    let log = place.path().unwrap().join("events/acme/_delta_log");
    let is_removed = || {
        let entries = std::fs::read_dir(&log).unwrap();
        entries
            .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
            .any(|text| text.contains("\"DELETE\""))
    };
    while !is_removed() {
        tokio::task::yield_now().await;
    }
    // Nothing is hidden any more: what is not seen now is not there.
    set(&server, "acme", &json!({"legal_hold": true})).await;
    assert_eq!(rows(&server).await, 2);
    let (status, late) = post(&server, "", &json!(event("acme", "a4"))).await;
    assert_eq!((status, &late["accepted"]), (201, &json!(1)), "a hold keeps all that comes: {late}");
    assert!(server.terminate().await.status.success());
}

/// Would catch a tenant whose mere existence another one learns of, and a list that shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenant_is_not_there() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    store(&server, &[event("acme", "a1"), event("bolt", "b1")]).await;
    set(&server, "bolt", &json!({"name": "Bolt", "retention_days": 30_000})).await;
    let key = key_of(&server, Some("acme"), &["read", "admin"]).await;
    let list = get(&server, &key, "/v1/tenants").await;
    assert_eq!((ids(&list), &list["next_cursor"]), (vec!["acme"], &Value::Null));
    assert_eq!(get(&server, &key, "/v1/tenants/acme").await["id"], "acme");
    for tenant in ["bolt", "nobody"] {
        for request in [
            with_key(&server, &key, Method::GET, &format!("/v1/tenants/{tenant}")),
            with_key(&server, &key, Method::GET, &format!("/v1/tenants/{tenant}/versions")),
            patch(&server, &key, tenant, &json!({"name": "Mine"})),
            patch(&server, &key, tenant, &json!({"legal_hold": true})),
        ] {
            let (_, problem) = refused(request, 404, "not-found").await;
            assert_eq!(problem["detail"], format!("tenant '{tenant}' does not exist"));
        }
    }
    let unknown = with_key(&server, ROOT_KEY, Method::GET, "/v1/tenants/nobody");
    assert_eq!(refused(unknown, 404, "not-found").await.1["detail"], "tenant 'nobody' does not exist");
    assert_eq!(get(&server, ROOT_KEY, "/v1/tenants/bolt").await["name"], "Bolt");
    // A key of a tenant of which nothing is known does not make it.
    let early = key_of(&server, Some("early"), &["admin"]).await;
    refused(patch(&server, &early, "early", &json!({"name": "Early"})), 404, "not-found").await;
    assert_eq!(ids(&get(&server, ROOT_KEY, "/v1/tenants").await), ["acme", "bolt"]);
}

/// Would catch a tenant that shortens what its operator keeps, and a scope that is not asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_sets_what_is_the_operators() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    store(&server, &[event("acme", "a1")]).await;
    let own = key_of(&server, Some("acme"), &["admin"]).await;
    let (status, named) = ask(patch(&server, &own, "acme", &json!({"name": "Acme"}))).await;
    assert_eq!((status, &named["name"]), (200, &json!("Acme")));
    assert!(named["changed_by"].as_str().unwrap().starts_with("key_"), "{named}");
    for settings in [
        json!({"retention_days": 1}),
        json!({"retention_days": null}),
        json!({"legal_hold": false}),
        json!({"limits": {"events_per_second": 1_000_000}}),
        json!({"name": "Other", "limits": null}),
    ] {
        let (_, problem) = refused(patch(&server, &own, "acme", &settings), 403, "forbidden").await;
        assert!(problem["detail"].as_str().unwrap().contains("all tenants"), "{problem}");
    }
    assert_eq!(get(&server, &own, "/v1/tenants/acme").await, named);

    for (scope, reads, changes) in
        [("ingest", false, false), ("read", true, false), ("export", false, false), ("admin", true, true)]
    {
        let key = key_of(&server, None, &[scope]).await;
        for path in ["/v1/tenants", "/v1/tenants/acme", "/v1/tenants/acme/versions"] {
            let request = with_key(&server, &key, Method::GET, path);
            match reads {
                true => assert_eq!(ask(request).await.0, 200, "{scope} {path}"),
                false => {
                    let (_, problem) = refused(request, 403, "forbidden").await;
                    assert!(problem["detail"].as_str().unwrap().contains("'read' or 'admin'"), "{problem}");
                }
            }
        }
        let request = patch(&server, &key, "acme", &json!({"retention_days": 30_000}));
        match changes {
            true => assert_eq!(ask(request).await.0, 200, "{scope}"),
            false => drop(refused(request, 403, "forbidden").await),
        }
    }
    let unknown = server.api().request(Method::GET, "/v1/tenants");
    refused(unknown, 401, "unauthorized").await;
    let deleted = with_key(&server, ROOT_KEY, Method::DELETE, "/v1/tenants/acme");
    refused(deleted, 405, "method-not-allowed").await;
}

/// Would catch a mistyped member or parameter that is passed over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_set_is_named() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    for (settings, part) in [
        (json!({"retention": 30}), "retention"),
        (json!({"limits": {"queries": 1}}), "queries"),
        (json!({"retention_days": 0}), "retention_days"),
        (json!({"lock_days": 0}), "lock_days"),
        (json!({"lock_days": 30}), "object_store.s3.object_lock"),
        (json!({"legal_hold": 1}), "boolean"),
        (json!({"name": "\u{7}"}), "name"),
        (json!([]), "the body is not"),
    ] {
        let (_, problem) = refused(patch(&server, ROOT_KEY, "acme", &settings), 422, "invalid").await;
        assert!(problem["detail"].as_str().unwrap().contains(part), "{settings}: {problem}");
    }
    refused(patch(&server, ROOT_KEY, "a%20b", &json!({})), 422, "invalid").await;
    for query in ["limit=0", "limit=1001", "limit=ten", "order=id", "after=a"] {
        let request = with_key(&server, ROOT_KEY, Method::GET, &format!("/v1/tenants?{query}"));
        refused(request, 400, "bad-request").await;
    }
    assert_eq!(ids(&get(&server, ROOT_KEY, "/v1/tenants").await), Vec::<&str>::new());
}

/// Would catch a tenant that no page shows, or that two do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_show_each_tenant_once() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    store(&server, &[event("d", "1"), event("b", "1")]).await;
    for tenant in ["a", "c", "d", "e"] {
        set(&server, tenant, &json!({})).await;
    }
    let first = with_key(&server, ROOT_KEY, Method::GET, "/v1/tenants?limit=2").send().await.unwrap();
    let link = first.headers()["link"].to_str().unwrap().to_owned();
    let mut page: Value = first.json().await.unwrap();
    let mut seen = Vec::new();
    loop {
        assert!(ids(&page).len() <= 2);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next_cursor"].as_str() else { break };
        let path = format!("/v1/tenants?cursor={next}");
        assert!(seen.len() > 2 || link == format!("<{path}>; rel=\"next\""), "{link}");
        page = get(&server, ROOT_KEY, &path).await;
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    let last = with_key(&server, ROOT_KEY, Method::GET, "/v1/tenants").send().await.unwrap();
    assert!(!last.headers().contains_key("link"));
    let others = key_of(&server, Some("a"), &["read"]).await;
    let cursor = link.split(['=', '>']).nth(1).unwrap();
    for (key, cursor) in [(&*others, cursor), (ROOT_KEY, &cursor[1..]), (ROOT_KEY, "none")] {
        let request = with_key(&server, key, Method::GET, &format!("/v1/tenants?cursor={cursor}"));
        assert_eq!(refused(request, 400, "bad-request").await.1["parameter"], "cursor");
    }
}

/// Asks for a change on a condition.
fn patch_if(server: &Server, tag: &str, settings: &Value) -> RequestBuilder {
    patch(server, ROOT_KEY, "acme", settings).header("if-match", tag)
}

/// Would catch a change that overwrites another which its client has not seen, and a tag that is not that of what is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_meanwhile_is_not_overwritten() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    let tag_of = async || {
        let answer = with_key(&server, ROOT_KEY, Method::GET, "/v1/tenants/acme").send().await.unwrap();
        answer.headers()["etag"].to_str().unwrap().to_owned()
    };
    // What is not there is of no version.
    for tag in ["*", "\"0\""] {
        let (_, problem) =
            refused(patch_if(&server, tag, &json!({"name": "A"})), 412, "precondition-failed").await;
        assert_eq!(problem["header"], "if-match", "{problem}");
    }
    store(&server, &[event("acme", "a1")]).await;
    assert_eq!(tag_of().await, "\"0\"", "there by its events");
    let changed = patch_if(&server, "\"0\"", &json!({"name": "B"})).send().await.unwrap();
    assert_eq!((changed.status().as_u16(), changed.headers()["etag"] == "\"1\""), (200, true));
    assert_eq!(tag_of().await, "\"1\"");
    for (tag, settings) in [
        ("\"0\"", json!({"name": "C"})),
        ("\"2\", W/\"1\"", json!({"name": "C"})),
        ("\"0\"", json!({"name": "B"})),
    ] {
        let (_, problem) = refused(patch_if(&server, tag, &settings), 412, "precondition-failed").await;
        assert!(problem["detail"].as_str().unwrap().contains("version 1"), "{problem}");
    }
    for (tag, name) in [("*", "D"), ("\"7\", \"2\"", "E")] {
        assert_eq!(ask(patch_if(&server, tag, &json!({"name": name}))).await.0, 200, "{tag}");
    }
    let (_, problem) = refused(patch_if(&server, "3", &json!({"name": "F"})), 400, "bad-request").await;
    assert_eq!(problem["header"], "if-match");

    // Of two who change the same version, one is told.
    for round in 0..10 {
        let tag = tag_of().await;
        let change = |name: &str| ask(patch_if(&server, &tag, &json!({"name": format!("{name}{round}")})));
        let (one, other) = tokio::join!(change("one"), change("other"));
        let mut statuses = [one.0, other.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{one:?} {other:?}");
        let kept = get(&server, ROOT_KEY, "/v1/tenants/acme").await;
        assert_eq!(kept["name"], if one.0 == 200 { one.1["name"].clone() } else { other.1["name"].clone() });
    }
}

/// Would catch a command that sets something else than the API would, or a dry run that removes.
async fn tenants_are_set_by_the_command_line(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    store(&server, &[event("acme", "a1"), event("bolt", "b1")]).await;
    let through = ["--server", server.api().address(), "--key", ROOT_KEY];
    let run = |arguments: &[&str]| place.run(&[arguments, &through[..]].concat()).quiet().stdout;
    let listed = run(&["tenant", "list", "--json"]);
    let tenants: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((tenants.as_array().unwrap().len(), &tenants[1]["id"]), (2, &json!("bolt")));
    let too_long = ["tenant", "set", "acme", "--retention-days", "60000"];
    place.run(&[&too_long[..], &through[..]].concat()).failed(1, &["retention_days: 60000"]);
    let set: Value = serde_json::from_str(&run(&["tenant", "set", "acme", "--name", "Acme Inc."])).unwrap();
    assert_eq!((&set["name"], &set["version"]), (&json!("Acme Inc."), &json!(1)));
    assert!(server.terminate().await.status.success());

    let on_store = |arguments: &[&str]| place.run(arguments).quiet().stdout;
    on_store(&["tenant", "set", "acme", "--retention-days", "30", "--requests-per-second", "9"]);
    let shown: Value = serde_json::from_str(&on_store(&["tenant", "show", "acme"])).unwrap();
    assert_eq!((&shown["retention_days"], &shown["limits"]["requests_per_second"]), (&json!(30), &json!(9)));
    assert_eq!((&shown["name"], &shown["version"]), (&json!("Acme Inc."), &json!(2)));
    let table = on_store(&["tenant", "list"]);
    assert!(table.contains("Acme Inc.") && table.contains("bolt"), "{table}");

    let day = "2025-03-01";
    let planned = on_store(&["retention", "--dry-run"]);
    assert!(
        planned.starts_with(&format!("acme: 1 day would go, {day} to {day}: 1 file, 1 event, ")),
        "{planned}"
    );
    let removed = on_store(&["retention"]);
    assert!(
        removed.starts_with(&format!("acme: 1 day removed, {day} to {day}: 1 file, 1 event, ")),
        "{removed}"
    );
    assert_eq!(on_store(&["retention"]), "nothing has expired\n");
    on_store(&["tenant", "set", "acme", "--retention-days", "none"]);
    let left = place.sql("SELECT tenant_id AS t FROM events");
    assert_eq!(json!(left), json!([{"t": "bolt"}]));
    place.run(&["tenant", "show", "nobody"]).failed(1, &["tenant 'nobody' does not exist"]);
}
