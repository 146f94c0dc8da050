//! Exports over HTTP and by the command line: what is asked for comes out, and only to whom it belongs.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{ask, event, refused, store};
use crate::support::{
    place::{Place, in_every_place},
    server::Server,
};

fn with_key(server: &Server, key: &str, method: Method, path: &str) -> RequestBuilder {
    server.api().request(method, path).bearer_auth(key)
}

pub(super) async fn key_of(server: &Server, tenant: &str, scope: &str) -> String {
    let wanted = json!({"name": "a test", "scopes": [scope], "tenant_id": tenant});
    let (status, made) = ask(server.api().post("/v1/keys").json(&wanted)).await;
    assert_eq!(status, 201, "{made}");
    made["key"].as_str().unwrap().to_owned()
}

/// Asks for an export and waits for its end.
async fn exported(server: &Server, key: &str, wanted: &Value) -> Value {
    let asked = ask(with_key(server, key, Method::POST, "/v1/exports").json(wanted)).await;
    assert_eq!(asked.0, 202, "{}", asked.1);
    let path = format!("/v1/exports/{}?wait_seconds=60", asked.1["id"].as_str().unwrap());
    let (status, ended) = ask(with_key(server, key, Method::GET, &path)).await;
    assert_eq!((status, &ended["state"]), (200, &json!("completed")), "{ended}");
    ended
}

in_every_place!(exports_belong_to_their_tenants, the_command_line_exports_what_is_stored);

/// Would catch another tenant's export that can be seen, fetched or removed, a scope too many, a file that is not what its hash says, and a
/// range of other bytes.
async fn exports_belong_to_their_tenants(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    let events: Vec<Value> = (0..50).map(|number| event("acme", &format!("e{number}"))).collect();
    store(&server, &events).await;
    store(&server, &[event("other", "secret")]).await;
    let (key, other) = (key_of(&server, "acme", "export").await, key_of(&server, "other", "export").await);
    let wanted = json!({"format": "ndjson", "compression": "none", "filter": {"actor_id": "u_1"}});
    let ended = exported(&server, &key, &wanted).await;
    assert_eq!((&ended["rows"], &ended["seq_before"]), (&json!(50), &json!(50)));
    let (id, file) = (ended["id"].as_str().unwrap(), &ended["files"][0]);
    let path = format!("/v1/exports/{id}/files/{}", file["name"].as_str().unwrap());
    let whole = with_key(&server, &key, Method::GET, &path).send().await.unwrap().bytes().await.unwrap();
    let hash: String = Sha256::digest(&whole).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((file["sha256"].as_str(), file["bytes"].as_u64()), (Some(&*hash), Some(whole.len() as u64)));
    assert!(!String::from_utf8_lossy(&whole).contains("secret"));
    let part =
        with_key(&server, &key, Method::GET, &path).header("range", "bytes=10-19").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 10-19/{}", whole.len()));
    assert_eq!(part.bytes().await.unwrap(), whole[10..20]);
    let beyond = with_key(&server, &key, Method::GET, &path).header("range", "bytes=9999999-");
    refused(beyond, 416, "range-not-satisfiable").await;

    for (method, path) in [
        (Method::GET, format!("/v1/exports/{id}")),
        (Method::GET, path.clone()),
        (Method::DELETE, format!("/v1/exports/{id}")),
        (Method::GET, format!("/v1/exports/{id}/files/job.json")),
    ] {
        refused(with_key(&server, &other, method, &path), 404, "not-found").await;
    }
    let (_, listed) = ask(with_key(&server, &other, Method::GET, "/v1/exports")).await;
    assert_eq!(listed, json!({"exports": [], "next_cursor": null}));
    refused(
        with_key(&server, &other, Method::POST, "/v1/exports")
            .json(&json!({"format": "csv", "tenant_id": "acme"})),
        404,
        "not-found",
    )
    .await;
    let second = exported(&server, &key, &wanted).await;
    let listed = with_key(&server, &key, Method::GET, "/v1/exports?limit=1").send().await.unwrap();
    let link = listed.headers()["link"].to_str().unwrap().to_owned();
    let page: Value = listed.json().await.unwrap();
    assert_eq!((page["exports"].as_array().unwrap().len(), &page["exports"][0]["id"]), (1, &second["id"]));
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
    let (_, page) = ask(with_key(&server, &key, Method::GET, next)).await;
    assert_eq!((&page["exports"][0]["id"], &page["next_cursor"]), (&json!(id), &Value::Null));
    refused(with_key(&server, &other, Method::GET, next), 400, "bad-request").await;
    let reader = key_of(&server, "acme", "read").await;
    refused(with_key(&server, &reader, Method::GET, &path), 403, "forbidden").await;
    for wrong in [
        json!({"format": "ocsf-ndjson", "sql": "SELECT 1 AS a"}),
        json!({"format": "csv", "sql": "SELECT nothing FROM events"}),
        json!({"format": "csv", "sql": "SELECT 1 AS a", "filter": {}}),
        json!({"format": "parquet", "compression": "gzip"}),
        json!({"format": "csv", "destination": {"type": "folder", "path": "/"}}),
        json!({"format": "csv", "filter": {"actor": "x"}}),
    ] {
        refused(with_key(&server, &key, Method::POST, "/v1/exports").json(&wrong), 422, "invalid").await;
    }

    let removed = with_key(&server, &key, Method::DELETE, &format!("/v1/exports/{id}")).send().await.unwrap();
    assert_eq!(removed.status(), 204);
    refused(with_key(&server, &key, Method::GET, &path), 404, "not-found").await;
}

/// Would catch a command that writes something else than the server, leaves anything beside the files, or takes a folder with other
/// files for its own.
async fn the_command_line_exports_what_is_stored(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    let events: Vec<Value> = (0..20).map(|number| event("acme", &format!("e{number}"))).collect();
    store(&server, &events).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let export = ["export", "--tenant", "acme", "--format", "ndjson", "--compression", "none", "--to"];
    let by_server = {
        let to = path("by-server");
        let address = server.api().address().to_owned();
        let through = ["--server", &address, "--key", crate::support::server::ROOT_KEY];
        let said = place.run(&[&export[..], &[&to], &through].concat()).stdout;
        assert!(said.starts_with("exported 20 rows in 1 file, "), "{said}");
        std::fs::read(format!("{to}/part-00001.ndjson")).unwrap()
    };
    assert!(server.terminate().await.status.success());
    let to = path("by-store");
    place.run(&[&export[..], &[&to]].concat());
    assert_eq!(std::fs::read(format!("{to}/part-00001.ndjson")).unwrap(), by_server);
    let names = || {
        let entries = std::fs::read_dir(&to).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["manifest.json", "part-00001.ndjson"]);
    let again = crate::support::program::run(place.command(&[&export[..], &[&to]].concat()), b"");
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(again.stderr.contains("holds other files"), "{}", again.stderr);
    assert_eq!(names(), ["manifest.json", "part-00001.ndjson"], "what is refused leaves nothing either");
}
