//! The log of the log: who read, changed or was refused what.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{ask, event, refused, store};
use crate::support::{
    place::Place,
    server::{LOOK_EVERY, Launch, ROOT_KEY, Server},
};

fn recording(mut launch: Launch) -> Launch {
    launch.environment.push(("AUDITLAKE_LOGBOOK__ENABLED", "true".to_owned()));
    launch
}

fn with(server: &Server, key: &str, method: Method, path: &str) -> RequestBuilder {
    server.api().request(method, path).bearer_auth(key).header("user-agent", "tests")
}

/// The records in a tenant's log, the oldest first, read by one who is told apart from those of interest.
async fn records(server: &Server, tenant: &str) -> Vec<Value> {
    let path = format!("/v1/events?tenant_id={tenant}&action=auditlog.*&order=asc&limit=1000");
    let request =
        server.api().request(Method::GET, &path).bearer_auth(ROOT_KEY).header("x-request-id", "the-test");
    let (status, page) = ask(request).await;
    assert_eq!(status, 200, "{page}");
    let events = page["events"].as_array().unwrap();
    events.iter().filter(|event| event["context"]["request_id"] != "the-test").cloned().collect()
}

async fn key(server: &Server, tenant: &str) -> (String, String) {
    let wanted = json!({"name": tenant, "scopes": ["read"], "tenant_id": tenant});
    let (_, made) = ask(with(server, ROOT_KEY, Method::POST, "/v1/keys").json(&wanted)).await;
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

fn actions(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["action"].as_str().unwrap()).collect()
}

/// Would catch a way to read, change or be refused that leaves no record, one that tells too little, and one too many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_is_recorded() {
    let place = Place::folder();
    let server = Server::start(&recording(place.busy()), &[]).await;
    store(&server, &(0..5).map(|n| event("acme", &format!("e{n}"))).collect::<Vec<_>>()).await;
    store(&server, &[event("bolt", "b")]).await;
    let (id, acme) = key(&server, "acme").await;
    let asking = |method, path: &str| with(&server, &acme, method, path).header("x-request-id", "asked-7");
    let get = |path: &str| asking(Method::GET, path);
    let post = |path: &str, body: Value| asking(Method::POST, path).json(&body);
    for (request, status) in [
        (get("/v1/events?limit=3&actor_id=u_1"), 200),
        (get("/v1/events/e1"), 200),
        (get("/v1/events/none"), 404),
        (get("/v1/events/histogram?interval=month"), 200),
        (get("/v1/events/fields?field=action"), 200),
        (
            post(
                "/v1/sql",
                json!({"sql": "SELECT id FROM events WHERE action = $a", "params": {"a": "user.login"}}),
            ),
            200,
        ),
        (post("/v1/sql", json!({"sql": "SELECT nothing FROM events"})), 422),
        (
            post(
                "/v1/queries/first-and-last-seen",
                json!({"params": {"from": "2025-03-01", "to": "2025-03-02"}}),
            ),
            200,
        ),
        (post("/v1/viewer-tokens", json!({"subject": "ana", "actor_id": "u_1"})), 201),
        (get("/v1/keys"), 403),
        (get("/v1/events?tenant_id=bolt"), 404),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{}", answer.text().await.unwrap());
    }
    let found = records(&server, "acme").await;
    assert_eq!(
        actions(&found),
        [
            "auditlog.key.create",
            "auditlog.read",
            "auditlog.read",
            "auditlog.read",
            "auditlog.count",
            "auditlog.count",
            "auditlog.sql",
            "auditlog.sql",
            "auditlog.query",
            "auditlog.viewer_token.create",
            "auditlog.refused",
            "auditlog.refused",
        ]
    );
    assert_eq!((&found[0]["actor"]["type"], &found[0]["targets"][1]["id"]), (&json!("root_key"), &json!(id)));
    let read = &found[1];
    assert_eq!(read["actor"], json!({"type": "api_key", "id": id}));
    assert_eq!(
        read["context"],
        json!({"ip_address": "127.0.0.1", "request_id": "asked-7", "user_agent": "tests"})
    );
    assert_eq!(read["metadata"]["rows"], 3);
    assert_eq!(read["metadata"]["parameters"]["filter"], json!({"actor_id": "u_1"}));
    let sql = &found[6];
    assert_eq!(sql["metadata"]["parameters"]["sql"], "SELECT id FROM events WHERE action = $a");
    assert_eq!(
        (&sql["metadata"]["parameters"]["params"]["a"], &sql["metadata"]["rows"]),
        (&json!("user.login"), &json!(5))
    );
    assert_eq!(found[7]["outcome"]["result"], "failure");
    assert!(found[7]["outcome"]["reason"].as_str().unwrap().contains("nothing"), "{}", found[7]);
    assert_eq!(found[10]["outcome"]["result"], "denied");
    assert!(found[11]["outcome"]["reason"].as_str().unwrap().contains("bolt"));
    // The other tenant is told nothing, because nothing of it was read.
    assert!(records(&server, "bolt").await.is_empty());
}

/// Would catch a viewer that is not named, an operator that reads a tenant's log unseen, and a tenant made by being asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_log_tells_who_read_it() {
    let place = Place::folder();
    let server = Server::start(&recording(place.calm()), &[]).await;
    store(&server, &[event("acme", "a"), event("bolt", "b")]).await;
    let (id, acme) = key(&server, "acme").await;
    let wanted = json!({"subject": "ana", "actor_id": "u_1"});
    let made = ask(with(&server, &acme, Method::POST, "/v1/viewer-tokens").json(&wanted)).await.1;
    let viewer = made["token"].as_str().unwrap();
    assert_eq!(ask(with(&server, viewer, Method::GET, "/v1/events")).await.0, 200);
    let explain = with(&server, viewer, Method::POST, "/v1/sql").json(&json!({"sql": "EXPLAIN SELECT 1"}));
    refused(explain, 403, "forbidden").await;
    refused(with(&server, viewer, Method::GET, "/v1/keys"), 403, "forbidden").await;
    let of_acme = records(&server, "acme").await;
    // What is refused is recorded once.
    let [.., read, explain, _] = of_acme.as_slice() else { panic!("{of_acme:?}") };
    assert_eq!(
        (&explain["action"], &explain["outcome"]["result"]),
        (&json!("auditlog.sql"), &json!("denied"))
    );
    let credential = json!({"type": "api_key", "id": id});
    assert_eq!(read["actor"], json!({"type": "viewer", "id": "ana", "credential": credential}));
    assert_eq!(read["metadata"]["scope"], "part");
    assert_eq!(of_acme.last().unwrap()["action"], "auditlog.refused");

    let sql = |body: Value| with(&server, ROOT_KEY, Method::POST, "/v1/sql").json(&body);
    for tenant in [json!("bolt"), json!("nobody"), Value::Null] {
        let (status, answer) =
            ask(sql(json!({"sql": "SELECT count(*) AS n FROM events", "tenant_id": tenant}))).await;
        assert_eq!(status, 200, "{answer}");
    }
    let scopes = async |tenant: &str| -> Vec<String> {
        let records = records(&server, tenant).await.into_iter();
        let by_operator = records
            .filter(|record| record["action"] == "auditlog.sql" && record["actor"]["type"] == "root_key");
        by_operator.map(|record| record["targets"][0]["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(scopes("bolt").await, ["bolt", "*"]);
    assert_eq!(scopes("acme").await, ["*"]);
    assert_eq!(scopes("auditlake").await, ["bolt", "nobody", "*"]);
    assert!(records(&server, "nobody").await.is_empty(), "a tenant is made by being asked for");
}

/// Would catch refusals that go unseen: a key that was revoked, in its tenant's log; a key that never was, in the operator's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_open_nothing_are_recorded() {
    let place = Place::folder();
    let server = Server::start(&recording(place.calm()), &[]).await;
    store(&server, &[event("acme", "a")]).await;
    let (id, acme) = key(&server, "acme").await;
    let path = format!("/v1/keys/{id}");
    assert_eq!(with(&server, ROOT_KEY, Method::DELETE, &path).send().await.unwrap().status(), 204);
    refused(with(&server, &acme, Method::GET, "/v1/events"), 401, "unauthorized").await;
    let forged = format!("{}{}", &acme[..acme.len() - 4], "0000");
    refused(with(&server, &forged, Method::GET, "/v1/events"), 401, "unauthorized").await;
    let of_acme = records(&server, "acme").await;
    assert_eq!(actions(&of_acme), ["auditlog.key.create", "auditlog.key.revoke", "auditlog.refused"]);
    assert_eq!(of_acme[2]["actor"]["id"], json!(id));
    assert_eq!(of_acme[2]["outcome"], json!({"result": "denied", "reason": "the key was revoked"}));
    let of_operator = records(&server, "auditlake").await;
    let refusals: Vec<&Value> =
        of_operator.iter().filter(|record| record["action"] == "auditlog.refused").collect();
    assert_eq!(refusals.len(), 1, "{of_operator:?}");
    assert_eq!(
        (&refusals[0]["actor"]["type"], &refusals[0]["metadata"]["parameters"]["request"]),
        (&json!("unknown"), &json!("GET /v1/events"))
    );
    assert!(!json!(of_operator).to_string().contains(&forged[20..40]), "a key is in the log");
}

/// Would catch a log that grows by being read: a walk that never ends, or a page that costs more than one record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_feed_on_itself() {
    let place = Place::folder();
    let server = Server::start(&recording(place.busy()), &[]).await;
    store(&server, &(0..40).map(|n| event("acme", &format!("e{n}"))).collect::<Vec<_>>()).await;
    let (_, acme) = key(&server, "acme").await;
    let (mut path, mut pages, mut events) = ("/v1/events?order=asc&limit=10".to_owned(), 0, 0);
    loop {
        let (status, page) = ask(with(&server, &acme, Method::GET, &path)).await;
        assert_eq!(status, 200, "{page}");
        pages += 1;
        events += page["events"].as_array().unwrap().len();
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/events?cursor={cursor}");
        assert!(pages < 10, "the walk does not end");
    }
    assert_eq!((pages, events), (5, 41), "the events, and the record of the key");
    let reads =
        records(&server, "acme").await.into_iter().filter(|record| record["action"] == "auditlog.read");
    assert_eq!(reads.count(), pages);
}

/// Would catch a long answer whose record never tells how much was read, or comes after its first byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_answer_is_recorded_when_it_begins_and_when_it_ends() {
    let place = Place::folder();
    let server = Server::start(&recording(place.calm()), &[]).await;
    store(&server, &(0..2_000).map(|n| event("acme", &format!("e{n}"))).collect::<Vec<_>>()).await;
    let (_, acme) = key(&server, "acme").await;
    let sql = json!({"sql": "SELECT * FROM events WHERE action = 'user.login'"});
    let (status, _) = ask(with(&server, &acme, Method::POST, "/v1/sql").json(&sql)).await;
    assert_eq!(status, 200);
    // The end is recorded after the last byte, of which this client learns first.
    let of_end = loop {
        let found = records(&server, "acme").await;
        if let Some(end) = found.iter().find(|record| record["action"] == "auditlog.answer_ended") {
            let begun = found.iter().find(|record| record["action"] == "auditlog.sql").unwrap();
            assert_eq!(begun["metadata"]["rows"], Value::Null);
            break end.clone();
        }
    };
    assert_eq!(
        (&of_end["metadata"]["rows"], &of_end["outcome"]["result"]),
        (&json!(2_000), &json!("success"))
    );
}

/// Would catch an answer to a read of which there is no record, and records that a client can forge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_record_no_answer() {
    let place = Place::folder();
    let mut launch = recording(place.calm());
    launch.environment.push(("AUDITLAKE_LOGBOOK__WRITE_TIMEOUT_MS", "500".to_owned()));
    let server = Server::start(&launch, &[]).await;
    store(&server, &[event("acme", "a")]).await;
    let mut forged = event("acme", "f");
    forged["action"] = "auditlog.read".into();
    let (status, receipt) = ask(server.api().post("/v1/events").json(&forged)).await;
    assert_eq!(
        (status, &receipt["rejected"][0]["errors"][0]["pointer"]),
        (422, &json!("/action")),
        "{receipt}"
    );
    let (_, acme) = key(&server, "acme").await;
    assert_eq!(with(&server, &acme, Method::GET, "/v1/events").send().await.unwrap().status(), 200);
    // The write-ahead log cannot be written any more.
    let wal = place.path().unwrap().join("wal");
    std::fs::rename(&wal, wal.with_extension("away")).unwrap();
    std::fs::write(&wal, "not a folder").unwrap();
    for request in [
        with(&server, &acme, Method::GET, "/v1/events"),
        with(&server, &acme, Method::POST, "/v1/sql").json(&json!({"sql": "SELECT id FROM events"})),
        with(&server, &acme, Method::POST, "/v1/viewer-tokens").json(&json!({"subject": "ana"})),
    ] {
        let (_, problem) = refused(request, 503, "unavailable").await;
        assert!(!problem.to_string().contains("user.login"), "{problem}");
    }
}

/// Would catch settings that are changed, and events that go, without a word in the log of the tenant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_a_tenant_is_recorded() {
    let place = Place::folder();
    let mut launch = recording(place.busy());
    launch.environment.push(("AUDITLAKE_BACKGROUND__RETENTION_EVERY_MS", "100".to_owned()));
    launch.environment.push(("AUDITLAKE_HTTP__TRUSTED_PROXIES", "127.0.0.0/8".to_owned()));
    let server = Server::start(&launch, &[]).await;
    store(&server, &[event("acme", "a"), event("acme", "b")]).await;
    let waiting = "SELECT 1 AS one FROM events WHERE seq IS NULL AND action = 'user.login'";
    while !server.api().sql(waiting).await.is_empty() {}
    let patch = with(&server, ROOT_KEY, Method::PATCH, "/v1/tenants/acme");
    let patch = patch.header("x-forwarded-for", "192.0.2.1, 198.51.100.7");
    assert_eq!(ask(patch.json(&json!({"retention_days": 30}))).await.0, 200);
    let (update, expire) = loop {
        let found = records(&server, "acme").await;
        let of = |action: &str| found.iter().find(|record| record["action"] == action).cloned();
        if let (Some(update), Some(expire)) = (of("auditlog.tenant.update"), of("auditlog.retention.expire"))
        {
            break (update, expire);
        }
    };
    assert_eq!(update["context"]["ip_address"], "198.51.100.7", "whom the proxy heard from");
    assert_eq!(update["metadata"]["parameters"]["patch"], json!({"retention_days": 30}));
    assert_eq!(expire["metadata"]["rows"], 2);
    assert_eq!(expire["metadata"]["parameters"]["first_day"], "2025-03-01");
}

/// Would catch an export that leaves no record of who asked, of how many rows it gave, or of who fetched it; and one that is recorded
/// although it was refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_are_recorded() {
    let place = Place::folder();
    let server = Server::start(&recording(place.busy()), &[]).await;
    store(&server, &(0..5).map(|n| event("acme", &format!("e{n}"))).collect::<Vec<_>>()).await;
    let ask_for =
        async |wanted: Value| ask(with(&server, ROOT_KEY, Method::POST, "/v1/exports").json(&wanted)).await;
    let (status, asked) =
        ask_for(json!({"tenant_id": "acme", "format": "csv", "filter": {"actor_id": "u_1"}})).await;
    assert_eq!(status, 202, "{asked}");
    let id = asked["id"].as_str().unwrap();
    let (_, ended) =
        ask(with(&server, ROOT_KEY, Method::GET, &format!("/v1/exports/{id}?wait_seconds=60"))).await;
    assert_eq!(ended["state"], "completed", "{ended}");
    let manifest = format!("/v1/exports/{id}/files/manifest.json");
    assert_eq!(ask(with(&server, ROOT_KEY, Method::GET, &manifest)).await.0, 200);
    let (status, _) = ask_for(json!({"tenant_id": "acme", "format": "csv", "sql": "SELECT nothing"})).await;
    assert_eq!(status, 422);

    let mut of_exports = records(&server, "acme").await;
    of_exports.retain(|record| record["action"].as_str().unwrap().starts_with("auditlog.export."));
    let told: Vec<(&str, &str, &Value)> = of_exports
        .iter()
        .map(|record| {
            let text = |value: &'static str| record.pointer(value).and_then(Value::as_str).unwrap();
            (text("/action"), text("/outcome/result"), &record["metadata"]["rows"])
        })
        .collect();
    let none = &Value::Null;
    assert_eq!(
        told,
        [
            ("auditlog.export.create", "success", none),
            ("auditlog.export.complete", "success", &json!(5)),
            ("auditlog.export.download", "success", none),
            ("auditlog.export.create", "failure", none),
        ]
    );
    for record in &of_exports[..3] {
        assert_eq!(record["targets"][1], json!({"type": "export", "id": id}), "{record}");
    }
}

/// Would catch a delivered file, or a URL of one, that somebody gets without a record of who.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetching_delivered_files_is_recorded() {
    let place = Place::folder();
    let server = Server::start(&recording(place.busy()), &[]).await;
    store(&server, &[event("acme", "e")]).await;
    let wanted = json!({
        "tenant_id": "acme", "layout": {"type": "files"}, "format": "csv", "compression": "none",
        "from": "2025-01-01", "filter": {"actor_id": "u_1"},
    });
    let at = "/v1/exports/continuous";
    let (status, made) = ask(with(&server, ROOT_KEY, Method::POST, at).json(&wanted)).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap();
    let listed = async {
        loop {
            let (_, page) = ask(with(&server, ROOT_KEY, Method::GET, &format!("{at}/{id}/files"))).await;
            match page["files"][0]["name"].as_str() {
                Some(name) => return name.to_owned(),
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    };
    let patience = std::time::Duration::from_secs(60);
    let name = tokio::time::timeout(patience, listed).await.expect("it is delivered");
    let path = format!("{at}/{id}/files/{name}");
    let part = with(&server, ROOT_KEY, Method::GET, &path).header("range", "bytes=0-9").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(ask(with(&server, ROOT_KEY, Method::GET, &format!("{path}-none"))).await.0, 404);

    let mut told = records(&server, "acme").await;
    told.retain(|record| record["action"] == "auditlog.continuous_export.download");
    let [record] = &told[..] else { panic!("{told:?}") };
    assert_eq!(record["targets"][1], json!({"type": "continuous_export", "id": id}), "{record}");
    assert_eq!(record["metadata"]["parameters"], json!({"file": name, "range": [0, 10]}), "{record}");
}
