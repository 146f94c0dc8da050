//! Erasures over HTTP, with proofs that a customer kept from before.

use auditlake::evidence::bundle::Bundle;
use reqwest::Method;

use super::*;
use crate::support::{
    place::{Place, in_every_place},
    program::{command, run},
    server::{ROOT_KEY, Server},
};

async fn ask(server: &Server, key: &str, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
    let mut request = server.api().request(method, path).bearer_auth(key);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

async fn get(server: &Server, path: &str) -> Value {
    let (status, answer) = ask(server, ROOT_KEY, Method::GET, path, None).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn key_of(server: &Server, tenant: &str, scope: &str) -> String {
    let wanted = json!({"name": "a test", "scopes": [scope], "tenant_id": tenant});
    let (status, made) = ask(server, ROOT_KEY, Method::POST, "/v1/keys", Some(&wanted)).await;
    assert_eq!(status, 201, "{made}");
    made["key"].as_str().unwrap().to_owned()
}

/// The proof of an event, once a checkpoint covers it.
async fn proof(server: &Server, id: &str) -> Bundle {
    loop {
        let path = format!("/v1/events/{id}/proof?tenant_id=acme");
        let answer = server.api().request(Method::GET, &path).bearer_auth(ROOT_KEY).send().await.unwrap();
        if answer.status() == 200 {
            return Bundle::parse(&answer.bytes().await.unwrap()).unwrap();
        }
        tokio::task::yield_now().await;
    }
}

in_every_place!(a_person_is_erased_at_a_server,);

/// Would catch proofs from before that hold no more, an event that does not tell what is gone, an export that cannot be verified, and
/// erasures that another tenant sees.
async fn a_person_is_erased_at_a_server(place: &Place) {
    let server = Server::start(&place.busy(), &[]).await;
    let fields = json!({"sealed_fields": ["actor.name", "actor.email", "actor.on_behalf_of.name", "targets.name", "metadata.owner.email"]});
    let (status, set) = ask(&server, ROOT_KEY, Method::PATCH, "/v1/tenants/acme", Some(&fields)).await;
    assert_eq!((status, &set["sealed_fields"]), (200, &fields["sealed_fields"]));
    let (status, receipt) =
        ask(&server, ROOT_KEY, Method::POST, "/v1/events?tenant_id=acme", Some(&events(0, 40).into())).await;
    assert_eq!((status, &receipt["accepted"]), (201, &json!(40)));
    let (status, problem) =
        ask(&server, ROOT_KEY, Method::PATCH, "/v1/tenants/acme", Some(&json!({"sealed_fields": null})))
            .await;
    assert_eq!((status, &problem["pointer"]), (409, &json!("/sealed_fields")), "{problem}");

    let verifier = get(&server, "/v1/verifier-keys?tenant_id=acme").await["verifier_keys"][0]
        .as_str()
        .unwrap()
        .to_owned();
    let before = proof(&server, "e0").await;
    assert!(before.event.get().contains(NAMES[0]) && before.event.get().contains("\"salt\""));
    before.check(&[verifier.parse().unwrap()]).unwrap();

    let acme = key_of(&server, "acme", "admin").await;
    let (status, asked) =
        ask(&server, &acme, Method::POST, "/v1/erasures", Some(&json!({"actor_id": "ana"}))).await;
    assert_eq!(
        (status, &asked["actor_id"], &asked["tenant_id"]),
        (202, &json!("ana"), &json!("acme")),
        "{asked}"
    );
    let path = format!("/v1/erasures/{}", asked["id"].as_str().unwrap());
    let done = get(&server, &format!("{path}?wait_seconds=60")).await;
    assert_eq!(done["events"], 30, "{done}");
    assert!(matches!(done["state"].as_str(), Some("rewritten" | "completed")), "{done}");

    let event = get(&server, "/v1/events/e0?tenant_id=acme").await;
    assert_eq!(event["actor"], json!({"type": "user", "id": "ana"}));
    assert!(event["sealed"]["/actor/name"]["digest"].is_string(), "{event}");
    let after = proof(&server, "e0").await;
    after.check(&[verifier.parse().unwrap()]).unwrap();
    assert_eq!(after.leaf_hash, before.leaf_hash);
    before.check(&[verifier.parse().unwrap()]).unwrap();

    // Nobody else sees it, and a key that may not, does not erase.
    let bolt = key_of(&server, "bolt", "admin").await;
    assert_eq!(ask(&server, &bolt, Method::GET, &path, None).await.0, 404);
    assert_eq!(ask(&server, &bolt, Method::GET, "/v1/erasures", None).await.1["erasures"], json!([]));
    assert_eq!(
        ask(&server, &acme, Method::GET, "/v1/erasures", None).await.1["erasures"][0]["id"],
        asked["id"]
    );
    let reader = key_of(&server, "acme", "read").await;
    let body = json!({"actor_id": "ana"});
    assert_eq!(ask(&server, &reader, Method::POST, "/v1/erasures", Some(&body)).await.0, 403);
    assert_eq!(ask(&server, &bolt, Method::POST, "/v1/erasures", Some(&body)).await.0, 404);
    for (wrong, pointer) in
        [(json!({"actor_id": ""}), "/actor_id"), (json!({"actor": "ana"}), ""), (json!({}), "")]
    {
        let (status, problem) = ask(&server, &acme, Method::POST, "/v1/erasures", Some(&wrong)).await;
        assert!(status == 422 || status == 400, "{problem}");
        assert!(pointer.is_empty() || problem["pointer"] == pointer, "{problem}");
    }
    assert!(server.terminate().await.status.success());

    // What is exported, and all that is stored, is verified by the command line.
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("acme");
    let to = to.to_str().unwrap();
    for format in ["ndjson", "parquet", "csv", "arrow", "ocsf-ndjson", "ocsf-parquet"] {
        let folder = format!("{to}-{format}");
        let export =
            ["export", "--tenant", "acme", "--format", format, "--compression", "none", "--to", &folder];
        place.run(&export).quiet();
    }
    let bundle = folder.path().join("acme.proof");
    let bundle = bundle.to_str().unwrap();
    for (format, file) in [("ndjson", "part-00001.ndjson"), ("parquet", "part-00001.parquet")] {
        let file = format!("{to}-{format}/{file}");
        let verify = [
            "verify",
            "--file",
            &file,
            "--tenant",
            "acme",
            "--public-key",
            &verifier,
            "--write-bundle",
            bundle,
        ];
        assert!(place.run(&verify).quiet().stdout.contains("40 events"));
        let offline = ["verify", "--file", &file, "--bundle", bundle, "--public-key", &verifier];
        assert!(run(command(&offline), b"").quiet().stdout.contains("40 events"));
    }
    let forged = std::fs::read_to_string(format!("{to}-ndjson/part-00001.ndjson")).unwrap();
    std::fs::write(
        format!("{to}.forged"),
        forged.replacen("\"id\":\"ana\"", "\"id\":\"ana\",\"name\":\"Eve\"", 1),
    )
    .unwrap();
    let forged = format!("{to}.forged");
    let verify = ["verify", "--file", &forged, "--bundle", bundle, "--public-key", &verifier];
    assert_eq!(run(command(&verify), b"").code, Some(4), "a name put in the place of an erased one");
    let all = place.run(&["verify", "--tenant", "acme", "--public-key", &verifier]);
    assert!(all.code == Some(0) && all.stdout.contains("holds"), "{all:?}");
}

/// Would catch an erasure that leaves no trace of who asked for it and of what came of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_is_recorded() {
    let place = Place::folder();
    let mut launch = place.busy();
    launch.environment.push(("AUDITLAKE_LOGBOOK__ENABLED", "true".to_owned()));
    let server = Server::start(&launch, &[]).await;
    let fields = json!({"sealed_fields": ["actor.name", "actor.email"]});
    assert_eq!(ask(&server, ROOT_KEY, Method::PATCH, "/v1/tenants/acme", Some(&fields)).await.0, 200);
    let body = Value::from(events(0, 40));
    assert_eq!(ask(&server, ROOT_KEY, Method::POST, "/v1/events?tenant_id=acme", Some(&body)).await.0, 201);
    let wanted = json!({"tenant_id": "acme", "actor_id": "ana"});
    let (_, asked) = ask(&server, ROOT_KEY, Method::POST, "/v1/erasures", Some(&wanted)).await;
    let id = asked["id"].as_str().unwrap();
    let done = get(&server, &format!("/v1/erasures/{id}?wait_seconds=60")).await;
    assert_eq!(done["events"], 10, "{done}");
    let rows = server
        .api()
        .sql("SELECT action, actor_id, metadata->'parameters'->>'actor_id' AS person, metadata->'rows' AS events \
              FROM events WHERE tenant_id = 'acme' AND action LIKE 'auditlog.erasure.%' ORDER BY action")
        .await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(
        (&rows[0]["action"], &rows[0]["actor_id"]),
        (&json!("auditlog.erasure.complete"), &json!("erasure"))
    );
    assert_eq!(
        (&rows[1]["action"], &rows[1]["actor_id"]),
        (&json!("auditlog.erasure.create"), &json!("root"))
    );
    assert!(rows.iter().all(|row| row["person"] == "ana"), "{rows:?}");
}
