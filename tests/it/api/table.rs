//! Where a tenant's table is, told to those whose it is.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::{ask, event, refused, store};
use crate::support::{
    place::{Place, in_every_place},
    server::{Launch, ROOT_KEY, Server},
};

async fn key_of(server: &Server, tenant: &str, scope: &str) -> String {
    let wanted = json!({"name": "a test", "scopes": [scope], "tenant_id": tenant});
    let (status, made) = ask(server.api().post("/v1/keys").json(&wanted)).await;
    assert_eq!(status, 201, "{made}");
    made["key"].as_str().unwrap().to_owned()
}

fn table(server: &Server, key: &str, tenant: &str) -> reqwest::RequestBuilder {
    server.api().request(Method::GET, &format!("/v1/tenants/{tenant}/table")).bearer_auth(key)
}

/// The columns of the table as the first entry of its log has them, in the words of the API.
fn logged_schema(place: &Place) -> Option<Vec<Value>> {
    let log = place.path()?.join("events/acme/_delta_log/00000000000000000000.json");
    let text = fs::read_to_string(log).unwrap();
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut meta = entries.filter(|entry| !entry["metaData"].is_null());
    let schema: Value = serde_json::from_str(meta.next()?["metaData"]["schemaString"].as_str()?).unwrap();
    let shown = |field: &Value| {
        let of_list = |list: &Value| json!(format!("array<{}>", list["elementType"].as_str().unwrap()));
        let data_type =
            if field["type"].is_object() { of_list(&field["type"]) } else { field["type"].clone() };
        json!({"name": field["name"], "type": data_type, "nullable": field["nullable"]})
    };
    Some(schema["fields"].as_array().unwrap().iter().map(shown).collect())
}

in_every_place!(a_table_is_told_to_its_own_tenant);

/// Would catch a URL that is not the table's, numbers of another state or another tenant, and a tenant that learns of another.
async fn a_table_is_told_to_its_own_tenant(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    store(&server, &[event("acme", "a1"), event("acme", "a2"), event("bolt", "b1")]).await;
    let (status, none) = ask(table(&server, ROOT_KEY, "acme")).await;
    assert_eq!((status, &none["version"], &none["rows"]), (200, &Value::Null, &json!(0)), "{none}");
    let keys = [key_of(&server, "acme", "read").await, key_of(&server, "acme", "export").await];
    assert!(server.terminate().await.status.success());

    let server = Server::start(&place.calm(), &[]).await;
    let (status, own) = ask(table(&server, &keys[0], "acme")).await;
    assert_eq!(
        (status, &own["version"], &own["rows"], &own["files"]),
        (200, &json!(0), &json!(2), &json!(1))
    );
    assert_eq!(own["partition_columns"], json!(["day"]));
    assert!(own["committed_at"].as_str().unwrap() > "2026", "{own}");
    let location = own["location"].as_str().unwrap();
    match place.path() {
        Some(folder) => {
            let found = Url::parse(location).unwrap().to_file_path().unwrap();
            assert_eq!(found, folder.canonicalize().unwrap().join("events/acme"));
            assert_eq!(own["schema"].as_array(), logged_schema(place).as_ref());
            assert_eq!((&own["endpoint"], &own["region"]), (&Value::Null, &Value::Null));
        }
        None => {
            assert_eq!(location, "s3://lake/some/prefix/events/acme");
            assert!(own["endpoint"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{own}");
            assert_eq!(own["region"], "us-east-1");
        }
    }
    for snippet in ["duckdb", "polars", "deltalake", "pyarrow", "clickhouse", "daft", "datafusion", "spark"] {
        assert!(own["snippets"][snippet].as_str().unwrap().contains("/events/acme"), "{own}");
    }

    for other in ["bolt", "nobody"] {
        let (_, problem) = refused(table(&server, &keys[0], other), 404, "not-found").await;
        assert_eq!(problem["detail"], format!("tenant '{other}' does not exist"));
    }
    refused(table(&server, ROOT_KEY, "nobody"), 404, "not-found").await;
    refused(table(&server, &keys[1], "acme"), 403, "forbidden").await;
    let viewer = server.api().post("/v1/viewer-tokens").json(&json!({"tenant_id": "acme", "subject": "ana"}));
    let viewer = ask(viewer).await.1["token"].as_str().unwrap().to_owned();
    refused(table(&server, &viewer, "acme"), 403, "forbidden").await;
}

/// Would catch a list that leaves out a file, gives another tenant's, loses its days where a page ends, or takes a cursor of another table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_files_are_listed_day_by_day() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    let of_day = |id: &str, day: u32| {
        let mut event = event("acme", id);
        event["occurred_at"] = format!("2026-01-0{day}T12:00:00.000001Z").into();
        event
    };
    let mut events: Vec<Value> = (1..6).map(|day| of_day(&format!("a{day}"), day)).collect();
    events.push(event("bolt", "b1"));
    store(&server, &events).await;
    let keys = [key_of(&server, "acme", "read").await, key_of(&server, "acme", "export").await];
    assert!(server.terminate().await.status.success());

    let server = Server::start(&place.calm(), &[]).await;
    let files = |key: &str, tenant: &str, query: &str| {
        let path = format!("/v1/tenants/{tenant}/table/files?{query}");
        server.api().request(Method::GET, &path).bearer_auth(key)
    };
    let (status, all) = ask(files(&keys[0], "acme", "")).await;
    assert_eq!((status, &all["version"], &all["next_cursor"]), (200, &json!(0), &Value::Null), "{all}");
    let listed = all["files"].as_array().unwrap();
    let days: Vec<&str> = listed.iter().map(|file| file["day"].as_str().unwrap()).collect();
    assert_eq!(days, ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05"]);
    for file in listed {
        let path = Url::parse(file["url"].as_str().unwrap()).unwrap().to_file_path().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), file["bytes"].as_u64().unwrap());
        assert!(path.ends_with(file["path"].as_str().unwrap()), "{file}");
        let time = json!(format!("{}T12:00:00.000001Z", file["day"].as_str().unwrap()));
        assert_eq!((&file["first_occurred_at"], &file["last_occurred_at"]), (&time, &time));
    }

    let (mut walked, mut cursors) = (Vec::new(), Vec::new());
    let mut query = "first_day=2026-01-02&last_day=2026-01-04&limit=2".to_owned();
    loop {
        let (status, page) = ask(files(&keys[0], "acme", &query)).await;
        assert_eq!(status, 200, "{page}");
        walked.extend(page["files"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("cursor={cursor}");
        cursors.push(query.clone());
    }
    assert_eq!((walked.as_slice(), cursors.len()), (&listed[1..4], 1));

    for (tenant, query) in [
        ("acme", "first_day=yesterday".to_owned()),
        ("acme", "first_day=2026-01-02&last_day=2026-01-01".to_owned()),
        ("acme", format!("{}&first_day=2026-01-01", cursors[0])),
        ("bolt", cursors[0].clone()),
    ] {
        let (status, problem) = ask(files(ROOT_KEY, tenant, &query)).await;
        assert!((400..=422).contains(&status), "{query}: {problem}");
    }
    refused(files(&keys[0], "bolt", ""), 404, "not-found").await;
    refused(files(&keys[1], "acme", ""), 403, "forbidden").await;
}

/// Would catch a URL made up for what no other process can read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_memory_has_no_location() {
    let launch = Launch { store: "memory://".to_owned(), ..Launch::default() };
    let server = Server::start(&launch, &[]).await;
    store(&server, &[event("acme", "a1")]).await;
    let (_, problem) = refused(table(&server, ROOT_KEY, "acme"), 422, "invalid").await;
    assert!(problem["detail"].as_str().unwrap().contains("memory:// have no location"), "{problem}");
}
