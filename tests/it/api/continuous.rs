//! Continuous exports over HTTP: to a customer's bucket as a Delta table that others read, for its own tenant only, and recorded.

use deltalake_core::DeltaTableBuilder;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use url::Url;

use super::{ask, event, exports::key_of, refused, store};
use crate::{
    readers,
    support::{
        place::Place,
        s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY},
        server::{LOOK_EVERY, ROOT_KEY, Server},
    },
};

const AT: &str = "/v1/exports/continuous";

fn with_key(server: &Server, key: &str, method: Method, path: &str) -> RequestBuilder {
    server.api().request(method, path).bearer_auth(key)
}

fn to_bucket(customer: &S3Server) -> Value {
    json!({
        "layout": {"type": "delta"}, "rows_max": 1000,
        "destination": {
            "type": "s3", "bucket": BUCKET, "prefix": "audit", "endpoint": customer.endpoint(),
            "access": {"type": "keys", "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY},
        },
    })
}

/// Waits until `looked` says so of the export.
pub(super) async fn until(server: &Server, key: &str, id: &str, looked: impl Fn(&Value) -> bool) -> Value {
    let waited = async {
        loop {
            let (_, status) = ask(with_key(server, key, Method::GET, &format!("{AT}/{id}"))).await;
            if looked(&status) {
                return status;
            }
            // Whoever asks without a pause takes the time that deliveries need.
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(90), waited).await.expect("it gets there")
}

/// Would catch a table in a customer's bucket that others cannot read or that lacks events, another tenant's that can be seen, changed or
/// ended, a secret that is shown, and a start that forgets what was delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_in_the_customers_bucket_follows_the_log() {
    let (place, customer) = (Place::folder(), S3Server::start());
    let mut launch = place.busy();
    launch.environment.extend([
        ("AUDITLAKE_SECRETS_KEY", "7f".repeat(32)),
        ("AUDITLAKE_EXPORT__ENDPOINTS", customer.endpoint()),
    ]);
    let server = Server::start(&launch, &[]).await;
    store(&server, &[event("acme", "before"), event("other", "x")]).await;
    let (key, other) = (key_of(&server, "acme", "export").await, key_of(&server, "other", "export").await);
    let made = with_key(&server, &key, Method::POST, AT).json(&to_bucket(&customer)).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let location = made.headers()["location"].to_str().unwrap().to_owned();
    let made: Value = made.json().await.unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!((location, &made["tenant_id"]), (format!("{AT}/{id}"), &json!("acme")));
    assert!(!made.to_string().contains(SECRET_KEY), "{made}");
    let events: Vec<Value> = (0..2_500).map(|number| event("acme", &format!("e{number}"))).collect();
    store(&server, &events).await;
    // What is left over waits for its minute.
    let status = until(&server, &key, id, |status| status["rows"] == 2_000 || status["rows"] == 2_500).await;
    assert_eq!((&status["state"], &status["tenant_id"]), (&json!("active"), &json!("acme")), "{status}");

    let bucket = customer.store("audit").await.unwrap();
    let root = Url::parse("memory://auditlake--x-s3/").unwrap();
    let table = async || {
        let builder = DeltaTableBuilder::from_url(root.clone()).unwrap();
        let table = builder.with_storage_backend(bucket.object_store(), root.clone()).load().await.unwrap();
        let state = table.snapshot().unwrap().clone();
        state.log_data().iter().map(|file| file.num_records().unwrap()).sum::<usize>()
    };
    assert_eq!(table().await as u64, status["rows"].as_u64().unwrap());
    for kept in ["files", "files/day=2025-03-01/x.parquet", "file-urls/day=2025-03-01/x.parquet"] {
        refused(with_key(&server, &key, Method::GET, &format!("{AT}/{id}/{kept}")), 409, "conflict").await;
        refused(with_key(&server, &other, Method::GET, &format!("{AT}/{id}/{kept}")), 404, "not-found").await;
    }

    for (method, path) in [(Method::GET, format!("{AT}/{id}")), (Method::DELETE, format!("{AT}/{id}"))] {
        refused(with_key(&server, &other, method, &path), 404, "not-found").await;
    }
    let patch =
        with_key(&server, &other, Method::PATCH, &format!("{AT}/{id}")).json(&json!({"paused": true}));
    refused(patch, 404, "not-found").await;
    let again =
        with_key(&server, &other, Method::POST, &format!("{AT}/{id}/replay")).json(&json!({"seq": 0}));
    refused(again, 404, "not-found").await;
    let (_, listed) = ask(with_key(&server, &other, Method::GET, AT)).await;
    assert_eq!(listed, json!({"exports": [], "next_cursor": null}));

    let (_, paused) =
        ask(with_key(&server, &key, Method::PATCH, &format!("{AT}/{id}")).json(&json!({"paused": true})))
            .await;
    assert_eq!(paused["state"], "paused");
    assert!(server.terminate().await.status.success());
    let server = Server::start(&launch, &[]).await;
    let (_, after) = ask(with_key(&server, &key, Method::GET, &format!("{AT}/{id}"))).await;
    assert_eq!((&after["state"], &after["rows"]), (&json!("paused"), &paused["rows"]));
    let more: Vec<Value> = (0..1_000).map(|number| event("acme", &format!("f{number}"))).collect();
    store(&server, &more).await;
    let (_, resumed) =
        ask(with_key(&server, &key, Method::PATCH, &format!("{AT}/{id}")).json(&json!({"paused": false})))
            .await;
    assert_eq!(resumed["state"], "active");
    let status = until(&server, &key, id, |status| status["rows"].as_u64() >= Some(3_000)).await;
    assert_eq!(table().await as u64, status["rows"].as_u64().unwrap());
    let metrics = server.api().request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(&format!("auditlake_delivery_lag_events{{export=\"{id}\"}}")), "{metrics}");

    if let Some(python) = readers::python(readers::IMPORTS_OF_SCRIPT) {
        let (_, found) = readers::read(&python, &format!("s3://{BUCKET}/audit"), &customer.environment());
        let (_, status) = ask(with_key(&server, &key, Method::GET, &format!("{AT}/{id}"))).await;
        let ids: std::collections::BTreeSet<&str> =
            found["ids"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        // What was delivered while it read may be in one of the two.
        let rows = found["events"].as_u64().unwrap();
        assert!(rows >= 3_000 && rows <= status["rows"].as_u64().unwrap(), "{status}");
        assert_eq!((ids.len() as u64, &found["events_by_log"]), (rows, &json!(rows)));
        assert_eq!(found["days"], json!({"2025-03-01": rows}));
    }

    let ended = with_key(&server, &key, Method::DELETE, &format!("{AT}/{id}")).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    refused(with_key(&server, &key, Method::GET, &format!("{AT}/{id}")), 404, "not-found").await;
    assert!(table().await >= 3_000, "what was delivered stays");
}

/// Would catch a continuous export that can never deliver and is taken all the same, and one that overwrites somebody's table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_delivered_is_told() {
    let (place, customer) = (Place::folder(), S3Server::start());
    let mut launch = place.busy();
    launch.environment.extend([
        ("AUDITLAKE_SECRETS_KEY", "7f".repeat(32)),
        ("AUDITLAKE_EXPORT__ENDPOINTS", customer.endpoint()),
    ]);
    let server = Server::start(&launch, &[]).await;
    store(&server, &[event("acme", "x")]).await;
    for (pointer, wrong) in [
        ("/format", json!({"layout": {"type": "files"}})),
        ("/format", json!({"layout": {"type": "delta"}, "format": "csv"})),
        ("/rows_max", json!({"layout": {"type": "delta"}, "rows_max": 1})),
        ("/bytes_max", json!({"layout": {"type": "delta"}, "bytes_max": 65_535})),
        ("/bytes_max", json!({"layout": {"type": "delta"}, "bytes_max": (4_u64 << 30) + 1})),
        ("/interval_seconds", json!({"layout": {"type": "delta"}, "interval_seconds": 59})),
        ("/filter", json!({"layout": {"type": "delta"}, "filter": {"from": "2026-01-01T00:00:00Z"}})),
        (
            "/destination/type",
            json!({"layout": {"type": "delta"}, "destination": {"type": "folder", "path": "/"}}),
        ),
        ("/layout/type", json!({"layout": {"type": "iceberg"}})),
    ] {
        let mut wanted = wrong.clone();
        wanted["tenant_id"] = json!("acme");
        let (_, problem) = refused(server.api().post(AT).json(&wanted), 422, "invalid").await;
        let shown = problem.to_string();
        assert!(shown.contains(&format!("\"{pointer}\"")) || pointer == "/layout/type", "{wrong}: {problem}");
    }
    let mut wanted = to_bucket(&customer);
    wanted["tenant_id"] = json!("acme");
    wanted["from"] = json!("2025-01-01");
    let (_, first) = ask(server.api().post(AT).json(&wanted)).await;
    until(&server, ROOT_KEY, first["id"].as_str().unwrap(), |status| status["rows"].as_u64() >= Some(1))
        .await;
    let (_, second) = ask(server.api().post(AT).json(&wanted)).await;
    let failing =
        until(&server, ROOT_KEY, second["id"].as_str().unwrap(), |it| it["state"] == "failing").await;
    let error = failing["error"].as_str().unwrap();
    assert!(
        error.contains("a Delta table already") && error.contains(first["id"].as_str().unwrap()),
        "{error}"
    );
    assert!(failing["retry_at"].is_string());
}

/// Would catch a list that fails as a whole because of one export that cannot be read, and one that nobody can end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_cannot_be_read_can_be_ended() {
    let place = Place::folder();
    let launch = place.busy();
    let server = Server::start(&launch, &[]).await;
    store(&server, &[event("acme", "x")]).await;
    let key = key_of(&server, "acme", "export").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = with_key(&server, &key, Method::POST, AT).json(&json!({"layout": {"type": "delta"}}));
        ids.push(ask(made).await.1["id"].as_str().unwrap().to_owned());
    }
    assert!(server.terminate().await.status.success());
    let log = place.path().unwrap().join("control");
    let mut folders = vec![log];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            if text.contains("subscription_created") && text.contains(&ids[0]) {
                std::fs::write(&path, text.replace("\"interval_seconds\":", "\"of_another_version\":"))
                    .unwrap();
            }
        }
    }
    let server = Server::start(&launch, &[]).await;
    let (status, listed) = ask(with_key(&server, &key, Method::GET, AT)).await;
    assert_eq!(status, 200, "{listed}");
    let state = |id: &str| {
        let exports = listed["exports"].as_array().unwrap();
        exports.iter().find(|export| export["id"] == id).map(|export| export["state"].clone())
    };
    assert_eq!((state(&ids[0]), state(&ids[1])), (Some(json!("unreadable")), Some(json!("active"))));
    let at = format!("{AT}/{}", ids[0]);
    let (_, unreadable) = ask(with_key(&server, &key, Method::GET, &at)).await;
    let error = unreadable["error"].as_str().unwrap();
    assert!(error.contains("of_another_version"), "{error}");
    let ended = with_key(&server, &key, Method::DELETE, &at).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    let (_, listed) = ask(with_key(&server, &key, Method::GET, AT)).await;
    assert_eq!(listed["exports"].as_array().unwrap().len(), 1);
}
