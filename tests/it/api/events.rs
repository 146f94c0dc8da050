//! `POST /v1/events`: what is stored, and what the receipt says of it.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{ask, event, post, refused, store};
use crate::support::{
    place::{Place, in_every_place},
    server::{ROOT_KEY, Server},
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

in_every_place!(
    bodies_of_every_form_are_stored,
    receipts_say_what_became_of_each_event,
    an_id_stands_for_one_content,
    a_target_is_found_by_all_its_names,
);

/// Would catch a form of body that is refused, misread, or acknowledged before it can be found; and an event that
/// changes when it is committed.
async fn bodies_of_every_form_are_stored(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    let text = |id: &str| event("acme", id).to_string();
    let lines = format!("{}\n\n{}\r\n", text("lines-1"), text("lines-2")).into_bytes();
    let workos = json!({
        "organization_id": "acme",
        "event": {
            "id": "workos",
            "action": "user.login",
            "occurred_at": "2025-03-01T12:00:00Z",
            "actor": { "type": "user", "id": "u_1" },
            "targets": [],
            "context": { "location": "203.0.113.7" },
        },
    });
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let json = "application/json";
    for (body, media, encoding, accepted) in [
        (text("single").into_bytes(), json, "identity", 1),
        (format!("[{}, {}]", text("array-1"), text("array-2")).into_bytes(), json, "identity", 2),
        (lines.clone(), "application/x-ndjson", "identity", 2),
        (gzip(text("gzip").as_bytes()), json, "gzip", 1),
        (zstd(text("zstd").as_bytes()), json, "zstd", 1),
        (zstd(&lines), "application/x-ndjson", "zstd", 0),
        (workos.to_string().into_bytes(), json, "identity", 1),
        (b"[]".to_vec(), json, "identity", 0),
    ] {
        let request = server
            .api()
            .post("/v1/events")
            .header("content-type", media)
            .header("content-encoding", encoding);
        let (status, receipt) = ask(request.body(body)).await;
        assert_eq!((status, &receipt["accepted"]), (201, &json!(accepted)), "{media} {encoding} {receipt}");
    }
    let all = "SELECT id, tenant_id, action, occurred_at, actor_id, ip_address FROM events ORDER BY id";
    let stored = server.api().sql(all).await;
    let ids: Vec<_> = stored.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["array-1", "array-2", "gzip", "lines-1", "lines-2", "single", "workos", "zstd"]);
    assert_eq!(stored[6]["ip_address"], "203.0.113.7");
    assert!(stored.iter().all(|row| row["occurred_at"] == "2025-03-01T12:00:00.000000Z"), "{stored:?}");
    assert!(server.terminate().await.status.success());
    assert_eq!(place.sql(all), stored, "once committed");
}

/// Would catch a receipt that calls something accepted that is not there, or that does not let a sender find its mistake.
async fn receipts_say_what_became_of_each_event(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    let bad = json!({"tenant_id": "acme", "id": "bad", "action": "", "color": "red"});
    let (status, receipt) = post(&server, "", &json!([event("acme", "1"), bad, event("acme", "2")])).await;
    assert_eq!((status, &receipt["accepted"], &receipt["duplicates"]), (207, &json!(2), &json!(0)));
    let rejected = receipt["rejected"].as_array().unwrap();
    assert_eq!((rejected.len(), &rejected[0]["index"], &rejected[0]["id"]), (1, &json!(1), &json!("bad")));
    let mut pointers: Vec<_> = rejected[0]["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/action", "/actor", "/color", "/occurred_at"], "all problems at once");

    let lines = format!("{}\n\n{bad}\n{{\"tenant\n", event("acme", "3"));
    let request = server.api().post("/v1/events").header("content-type", "application/x-ndjson").body(lines);
    let (status, receipt) = ask(request).await;
    assert_eq!((status, &receipt["accepted"]), (207, &json!(1)), "{receipt}");
    let places: Vec<_> =
        receipt["rejected"].as_array().unwrap().iter().map(|one| (&one["index"], &one["line"])).collect();
    assert_eq!(places, [(&json!(1), &json!(3)), (&json!(2), &json!(4))], "{receipt}");

    let batch = json!([event("acme", "4"), bad]);
    let atomic = server.api().post("/v1/events?atomic=true").json(&batch);
    let (_, problem) = refused(atomic, 422, "events-rejected").await;
    assert_eq!((&problem["accepted"], &problem["duplicates"]), (&json!(0), &json!(0)));
    let (_, problem) =
        refused(server.api().post("/v1/events").json(&json!([bad])), 422, "events-rejected").await;
    assert_eq!(problem["rejected"][0]["id"], "bad");
    let ids = server.api().sql("SELECT id FROM events ORDER BY id").await;
    assert_eq!(ids, ["1", "2", "3"].map(|id| json!({ "id": id })));
}

/// Would catch a retry that is stored twice — before its event is committed, after, or after a restart — and an id that
/// comes to stand for something else.
async fn an_id_stands_for_one_content(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    let mut other = event("acme", "1");
    other["action"] = "user.logout".into();
    store(&server, &[event("acme", "1"), event("globex", "1")]).await;
    assert_eq!(post(&server, "", &event("acme", "1")).await.1["duplicates"], 1);
    let (_, problem) = refused(server.api().post("/v1/events").json(&other), 409, "conflict").await;
    assert_eq!(problem["rejected"][0]["errors"][0]["pointer"], "/id", "{problem}");
    let (status, mixed) = post(&server, "", &json!([other, event("acme", "2")])).await;
    assert_eq!((status, &mixed["accepted"]), (207, &json!(1)), "{mixed}");
    assert!(server.terminate().await.status.success());

    let server = Server::start(&place.calm(), &[]).await;
    assert_eq!(post(&server, "", &event("acme", "1")).await.0, 201);
    assert!(server.terminate().await.status.success());
    let rows = place.sql("SELECT tenant_id, id, action FROM events ORDER BY tenant_id, id");
    let row = |tenant: &str, id: &str| json!({"tenant_id": tenant, "id": id, "action": "user.login"});
    assert_eq!(rows, [row("acme", "1"), row("acme", "2"), row("globex", "1")]);
}

/// Would catch a target that one way of asking does not find by one of its names, before its event is committed or after; a record
/// of another system that is refused for its size; and a native event that takes that system's limits.
async fn a_target_is_found_by_all_its_names(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    let instance = |number: usize| json!({"type": "instance", "id": format!("i-{number}"), "aliases": [format!("arn:i-{number}")]});
    let mut large = event("acme", "large");
    large["targets"] = (0..80).map(instance).collect();
    large["metadata"] = json!({"text": "x".repeat(100_000)});
    let (_, problem) = refused(server.api().post("/v1/events").json(&large), 422, "events-rejected").await;
    let errors = problem["rejected"][0]["errors"].as_array().unwrap();
    let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/metadata", "/targets", ""], "{errors:?}");
    let syslog = server.api().post("/v1/events?source=syslog").json(&large);
    let (_, problem) = refused(syslog, 400, "bad-request").await;
    assert!(problem["detail"].as_str().unwrap().contains("cloudtrail"), "{problem}");
    assert_eq!(post(&server, "?source=cloudtrail", &large).await.0, 201);
    store(&server, &[event("acme", "small")]).await;

    assert_found_by_all_names(&server).await;
    assert!(server.terminate().await.status.success());
    let server = Server::start(&place.calm(), &[]).await;
    assert_found_by_all_names(&server).await;
}

async fn assert_found_by_all_names(server: &Server) {
    for name in ["i-0", "i-63", "i-64", "i-79", "arn:i-0", "arn:i-64", "arn:i-79"] {
        for query in [format!("target_id={name}"), format!("target_id={name}&target_type=instance")] {
            let (_, page) = ask(get(server, &query)).await;
            assert_eq!(page["events"].as_array().map(Vec::len), Some(1), "{query}: {page}");
        }
        for condition in
            [format!("array_has(target_ids, '{name}')"), format!("has_target(targets, 'instance', '{name}')")]
        {
            let found = server.api().sql(&format!("SELECT id FROM events WHERE {condition}")).await;
            assert_eq!(found, [json!({"id": "large"})], "{condition}");
        }
        let params = json!({"target": name, "from": "2025-03-01", "to": "2025-03-01"});
        let question = json!({"tenant_id": "acme", "params": params});
        let (status, answer) = ask(server.api().post("/v1/queries/resource-history").json(&question)).await;
        assert_eq!((status, &answer["rows"][0]["id"]), (200, &json!("large")), "{name}: {answer}");
    }
    let (_, page) = ask(get(server, "target_id=i-80")).await;
    assert_eq!(page["events"], json!([]));
}

fn get(server: &Server, query: &str) -> RequestBuilder {
    let path = format!("/v1/events?tenant_id=acme&{query}");
    server.api().request(Method::GET, &path).bearer_auth(ROOT_KEY)
}
