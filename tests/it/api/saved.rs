//! `GET /v1/queries` and `POST /v1/queries/{name}`: saved questions over HTTP, and the user's own folder of them.

use std::fs;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{ask, event, refused, store};
use crate::support::{
    place::{Place, in_every_place},
    server::{ROOT_KEY, Server},
};

/// A user's own question.
const MINE: &str = "-- Mine\n--\n-- How many events?\n--\n-- param from  date  2025-01-01  first day\n\
                    -- column events  how many\nSELECT COUNT(*) AS events FROM events WHERE day >= $from\n";
const DAYS: [&str; 2] = ["2025-03-01", "2025-03-02"];

fn question(server: &Server, name: &str, body: &Value) -> RequestBuilder {
    server.api().post(&format!("/v1/queries/{name}")).json(body)
}

/// Two tenants' deletions of one document's name, on two days.
fn deletions() -> Vec<Value> {
    let deletion = |tenant: &str, day: &str| {
        let mut event = event(tenant, &format!("{tenant}-{day}"));
        event["action"] = "document.delete".into();
        event["occurred_at"] = format!("{day}T12:00:00Z").into();
        event["targets"] = json!([{"type": "document", "id": "d_9"}]);
        event
    };
    ["acme", "globex"].iter().flat_map(|tenant| DAYS.map(|day| deletion(tenant, day))).collect()
}

/// Would catch a question that nobody can ask from what the list says of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_says_how_to_ask() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    let get = |path: &str| server.api().request(Method::GET, path).bearer_auth(ROOT_KEY);
    let (status, list) = ask(get("/v1/queries")).await;
    assert_eq!(status, 200);
    let queries = list["queries"].as_array().unwrap();
    assert!(queries.len() >= 12, "{} queries", queries.len());
    let deleted = queries.iter().find(|query| query["name"] == "who-deleted").unwrap();
    assert!(deleted["title"].as_str().is_some_and(|title| title.contains("who deleted")), "{deleted}");
    assert!(deleted["question"].as_str().is_some_and(|question| question.len() > 40), "{deleted}");
    assert_eq!(
        deleted["parameters"].as_array().unwrap()[..2],
        [
            json!({
                "name": "target", "type": "text", "default": null, "required": true,
                "about": "the resource's id, as one of the event's targets",
            }),
            json!({
                "name": "from", "type": "date", "default": "today-89", "required": false, "about": "first day (UTC)",
            }),
        ]
    );
    assert_eq!(deleted["columns"][0], json!({"name": "occurred_at", "about": "when"}));

    refused(get("/v1/queries?format=csv"), 400, "bad-request").await;
    refused(server.api().request(Method::GET, "/v1/queries"), 401, "unauthorized").await;
    refused(get("/v1/queries/who-deleted"), 405, "method-not-allowed").await;
}

in_every_place!(saved_questions_are_answered_as_sql_is);

/// Would catch an answer over another tenant than the one named, in another format than the one asked for, without its
/// cost, or that reads days nobody asked for.
async fn saved_questions_are_answered_as_sql_is(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    store(&server, &deletions()).await;
    assert!(server.terminate().await.status.success());
    let server = Server::start(&place.calm(), &[]).await;
    let params = json!({"target": "d_9", "from": DAYS[1], "to": DAYS[1]});
    let (status, answer) =
        ask(question(&server, "who-deleted", &json!({"tenant_id": "acme", "params": params}))).await;
    assert_eq!(status, 200, "{answer}");
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["id"]), (1, &json!("acme-2025-03-02")), "{answer}");
    assert_eq!(
        (&answer["statistics"]["files_considered"], &answer["statistics"]["files_kept"]),
        (&json!(2), &json!(1)),
        "{answer}"
    );

    let all = question(&server, "who-deleted", &json!({"params": {"target": "d_9", "from": DAYS[0]}}));
    let csv = all.header("accept", "text/csv").send().await.unwrap();
    assert!(csv.headers().contains_key("auditlake-statistics"));
    assert!(csv.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    let csv = csv.text().await.unwrap();
    assert!(csv.starts_with("occurred_at,tenant_id,action,") && csv.lines().count() == 1 + 4, "{csv}");

    let named = question(&server, "who-deleted?format=ndjson&tenant_id=globex", &json!({"params": params}));
    let lines = named.send().await.unwrap().text().await.unwrap();
    assert!(lines.lines().count() == 1 && lines.contains("\"globex-2025-03-02\""), "{lines}");
    let bare = server.api().post("/v1/queries/denied-attempts?tenant_id=acme").send().await.unwrap();
    assert_eq!(bare.status(), 200, "no body: all defaults");
}

/// Would catch a value that is pasted into text, and errors that do not say what is wrong with which parameter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_questions_name_what_is_wrong() {
    let place = Place::folder();
    let server = Server::start(&place.calm(), &[]).await;
    store(&server, &deletions()).await;
    for (name, body, status, kind, words) in [
        ("who-delted", json!({}), 404, "not-found", "did you mean who-deleted?"),
        ("who-deleted", json!({}), 422, "invalid", "parameter 'target' is missing; expected text"),
        ("who-deleted", json!({"params": {"target": 9}}), 422, "invalid", "'target' is 9; expected text"),
        (
            "mass-export",
            json!({"params": {"from": "soon"}}),
            422,
            "invalid",
            "'from' is \"soon\"; expected a date, such as 2026-03-31",
        ),
        (
            "mass-export",
            json!({"params": {"form": "x"}}),
            422,
            "invalid",
            "no parameter 'form'; it has from, to",
        ),
        ("mass-export", json!({"parms": {}}), 422, "invalid", "parms"),
        ("mass-export", json!({"tenant_id": "a/b"}), 422, "invalid", "a/b"),
        ("mass-export?page=2", json!({}), 400, "bad-request", "page"),
        ("mass-export?format=xml", json!({}), 400, "bad-request", "xml"),
    ] {
        let (_, problem) = refused(question(&server, name, &body), status, kind).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{name} {body}: {detail}");
    }
    let not_json = server.api().post("/v1/queries/mass-export").body("{");
    refused(not_json, 400, "bad-request").await;
    let injected = json!({"params": {"target": "x') OR true --", "from": DAYS[0]}});
    let (status, answer) = ask(question(&server, "who-deleted", &injected)).await;
    assert_eq!((status, &answer["rows"]), (200, &json!([])));
}

/// Would catch a user's own question that the server does not know, and a broken one that does not stop its start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_questions_is_served_or_stops_the_start() {
    let place = Place::folder();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let file = folder.path().join("mine.sql");
    fs::write(&file, MINE).unwrap();
    let server = Server::start(&place.calm(), &["--queries", path]).await;
    store(&server, &deletions()).await;
    let (status, answer) = ask(question(&server, "mine", &json!({"params": {"from": DAYS[1]}}))).await;
    assert_eq!((status, &answer["rows"]), (200, &json!([{"events": 2}])), "{answer}");
    assert!(server.terminate().await.status.success());

    fs::write(&file, MINE.replace("day >=", "dya >=")).unwrap();
    let Err(exit) = Server::spawn(&place.calm(), &["--queries", path]).ready().await else {
        panic!("it starts")
    };
    assert!(!exit.status.success());
    assert!(exit.stderr.contains("mine.sql:7: ") && exit.stderr.contains("dya"), "{}", exit.stderr);

    fs::rename(&file, folder.path().join("who-deleted.sql")).unwrap();
    fs::write(folder.path().join("who-deleted.sql"), MINE).unwrap();
    let mut launch = place.calm();
    launch.environment.push(("AUDITLAKE_QUERY__FOLDER", path.to_owned()));
    let Err(exit) = Server::spawn(&launch, &[]).ready().await else { panic!("it starts") };
    assert!(
        exit.stderr.contains("who-deleted.sql: there is a built-in query 'who-deleted'"),
        "{}",
        exit.stderr
    );
}
