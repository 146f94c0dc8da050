//! Proofs from the real server, checked by the real command line and by hand.

use auditlake::evidence::{Reader, TileId, Tiles, bundle::Bundle, proof::is_consistent};
use reqwest::{Method, StatusCode, header::CACHE_CONTROL};
use serde_json::{Value, json};

use super::*;
use crate::support::{
    place::{Place, in_every_place},
    program::{command, run},
    server::{Api, Server},
};

/// One tenant's log at a server, as a customer reaches it.
struct Customer<'s> {
    api: &'s Api,
    key: String,
}

impl Tiles for Customer<'_> {
    async fn tile(&self, tile: TileId) -> auditlake::error::Result<bytes::Bytes> {
        let (status, bytes) = self.bytes(&format!("/v1/tile/{}", tile.path())).await;
        assert_eq!(status, 200, "{}", tile.path());
        Ok(bytes)
    }
}

impl<'s> Customer<'s> {
    async fn of(server: &'s Server, tenant: &str) -> Self {
        let wanted = json!({"name": tenant, "scopes": ["read"], "tenant_id": tenant});
        let made = server.api().post("/v1/keys").json(&wanted).send().await.unwrap();
        let made: Value = made.json().await.unwrap();
        Self { api: server.api(), key: made["key"].as_str().unwrap().to_owned() }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.api.request(Method::GET, path).bearer_auth(&self.key).send().await.unwrap()
    }

    async fn bytes(&self, path: &str) -> (u16, bytes::Bytes) {
        let answer = self.get(path).await;
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let (status, bytes) = self.bytes(path).await;
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    async fn note(&self) -> String {
        let (status, bytes) = self.bytes("/v1/checkpoint").await;
        assert_eq!(status, 200);
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// The first verifier key.
    async fn verifier(&self) -> String {
        let (status, keys) = self.json("/v1/verifier-keys").await;
        assert_eq!(status, 200, "{keys}");
        keys["verifier_keys"][0].as_str().unwrap().to_owned()
    }
}

/// Sends events of `tenant` and waits until a checkpoint covers all of them: the server commits every 300 ms.
async fn covered(
    server: &Server,
    customer: &Customer<'_>,
    tenant: &str,
    first: u64,
    count: u64,
) -> Checkpoint {
    let events: Vec<Value> = (first..first + count)
        .map(|number| {
            json!({"tenant_id": tenant, "id": format!("e{number}"), "action": "user.login", "occurred_at": "2025-03-01T12:00:00Z",
                   "actor": {"type": "user", "id": "u_1"}, "metadata": {"n": number, "half": 0.5}})
        })
        .collect();
    let sent = server.api().post("/v1/events").json(&events).send().await.unwrap();
    assert_eq!(sent.status(), 201);
    loop {
        let (status, bytes) = customer.bytes("/v1/checkpoint").await;
        let checkpoint = Checkpoint::parse(std::str::from_utf8(&bytes).unwrap());
        if let Some(checkpoint) =
            checkpoint.filter(|checkpoint| status == 200 && checkpoint.size >= first + count)
        {
            return checkpoint;
        }
        tokio::task::yield_now().await;
    }
}

in_every_place!(a_customer_checks_its_log,);

/// Would catch proofs that do not hold over HTTP, tiles that lead elsewhere, a log that shows another's, or a command line that does
/// not notice what was changed.
async fn a_customer_checks_its_log(place: &Place) {
    let server = Server::start(&place.busy(), &[]).await;
    let (acme, bolt) = (Customer::of(&server, "acme").await, Customer::of(&server, "bolt").await);
    assert_eq!(acme.json("/v1/checkpoint").await.0, 404, "nothing is signed yet");
    let first = covered(&server, &acme, "acme", 0, 300).await;
    let old_note = acme.note().await;
    covered(&server, &bolt, "bolt", 0, 3).await;
    let newest = covered(&server, &acme, "acme", 300, 300).await;
    let verifier = acme.verifier().await;

    // By hand, over tiles.
    let mut reader = Reader::new(&acme, newest.size);
    assert_eq!(reader.root().await.unwrap(), newest.root);
    assert_eq!(reader.root_at(first.size).await.unwrap(), first.root);
    let tile = acme.get("/v1/tile/0/000").await;
    assert_eq!(tile.headers()[CACHE_CONTROL], "private, max-age=31536000, immutable");
    let (_, old_partial) = acme.bytes("/v1/tile/0/001.p/44").await;
    assert_eq!(old_partial.len(), 44 * 32);
    for wrong in ["0/003", "0/002.p/89", "1/001", "0/0", "entries/000", "0/000.p/256", "..%2F0/000"] {
        assert_eq!(acme.bytes(&format!("/v1/tile/{wrong}")).await.0, 404, "{wrong}");
    }

    // By the proofs of the server.
    let (status, answer) = acme.json(&format!("/v1/proofs/consistency?from={}", first.size)).await;
    assert_eq!(status, 200, "{answer}");
    let hashes: Vec<Hash> = serde_json::from_value(answer["proof"].clone()).unwrap();
    assert!(is_consistent(first.size, first.root, newest.size, newest.root, &hashes));
    for wrong in ["", "?from=0", "?from=601", "?from=5&to=601", "?from=5&to=4", "?from=x"] {
        assert_eq!(acme.json(&format!("/v1/proofs/consistency{wrong}")).await.0, 400, "{wrong}");
    }
    let (status, proof) = acme.bytes("/v1/events/e7/proof").await;
    assert_eq!(status, 200, "{proof:?}");
    let bundle = Bundle::parse(&proof).unwrap();
    let proven = bundle.check(&[verifier.parse().unwrap()]).unwrap();
    assert_eq!((proven.seq, proven.checkpoint.root), (bundle.seq, newest.root));
    assert!(bundle.check(&[bolt.verifier().await.parse().unwrap()]).is_err(), "another log's key");

    // Nobody sees another's.
    assert_eq!(bolt.json("/v1/events/e7/proof").await.0, 404);
    let queries =
        ["checkpoint?", "tile/0/000?", "proofs/consistency?from=1&", "verifier-keys?", "events/e1/proof?"];
    for path in queries {
        let (status, problem) = bolt.json(&format!("/v1/{path}tenant_id=acme")).await;
        assert!(matches!(status, 403 | 404), "{path}: {status} {problem}");
        let unnamed = server.api().request(Method::GET, &format!("/v1/{path}")).send().await.unwrap();
        assert_eq!(unnamed.status(), StatusCode::UNAUTHORIZED);
    }

    // By the command line.
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("e7.json"), &proof).unwrap();
    std::fs::write(file("changed.json"), String::from_utf8_lossy(&proof).replace("u_1", "u_2")).unwrap();
    std::fs::write(file("kept"), &old_note).unwrap();
    let verify = |arguments: &[&str]| {
        let mut all = vec!["verify", "--public-key", &verifier];
        all.extend(arguments);
        run(command(&all), b"")
    };
    assert!(verify(&["--proof", &file("e7.json")]).quiet().stdout.contains("event 7 is in the log"));
    let changed = verify(&["--proof", &file("changed.json"), "--format", "json"]);
    assert_eq!(changed.code, Some(4), "{changed:?}");
    assert!(changed.stdout.contains("\"holds\":false"), "{changed:?}");
    let address = server.api().address();
    let through = ["--server", address, "--key", &acme.key];
    let monitor = |kept: &str| verify(&[&["--monitor", kept], &through[..]].concat());
    let went_on = monitor(&file("kept")).quiet().stdout;
    assert!(went_on.contains("goes on from the 300 events"), "{went_on}");
    assert_eq!(Checkpoint::parse(&std::fs::read_to_string(file("kept")).unwrap()), Some(newest.clone()));
    assert!(monitor(&file("fresh")).quiet().stdout.contains("nothing was kept before"));
    let shown = run(command(&[&["key", "verifier"], &through[..]].concat()), b"").quiet().stdout;
    assert_eq!(shown.lines().next(), Some(&*verifier));
    assert!(server.terminate().await.status.success());
}

/// Would catch a proof that leaves no record, and a viewer who reaches part of a log and gets the hashes of all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_are_reads() {
    let place = Place::folder();
    let mut launch = place.busy();
    launch.environment.push(("AUDITLAKE_LOGBOOK__ENABLED", "true".to_owned()));
    let server = Server::start(&launch, &[]).await;
    let acme = Customer::of(&server, "acme").await;
    covered(&server, &acme, "acme", 0, 5).await;
    let wanted = json!({"subject": "ana", "actions": ["user.*"]});
    let token: Value = acme
        .api
        .request(Method::POST, "/v1/viewer-tokens")
        .bearer_auth(&acme.key)
        .json(&wanted)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let viewer = Customer { api: server.api(), key: token["token"].as_str().unwrap_or_default().to_owned() };
    assert_eq!(viewer.json("/v1/events/e1/proof").await.0, 200, "{token}");
    assert_eq!(viewer.bytes("/v1/checkpoint").await.0, 200);
    assert_eq!(viewer.bytes("/v1/tile/0/000.p/1").await.0, 403);
    let rows = server
        .api()
        .sql("SELECT actor_type, outcome, metadata->'parameters' AS asked FROM events WHERE action = 'auditlog.proof' AND actor_type = 'viewer'")
        .await;
    let outcomes: Vec<&str> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "success").count(), 2, "{rows:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "denied").count(), 1, "{rows:?}");
}
