//! One writer at a time: a second one is refused by the lease, and one that takes over stops the first.

use reqwest::StatusCode;
use serde_json::json;

use crate::support::{
    ledger::{Key, Ledger},
    server::{Launch, Server},
};

fn event(id: &str) -> (Key, String, String) {
    let description = format!("description of {id}");
    let event = json!({
        "tenant_id": "acme",
        "id": id,
        "action": "user.login",
        "occurred_at": "2025-03-01T12:00:00Z",
        "actor": { "type": "user", "id": "u_1" },
        "description": description,
    });
    (("acme".to_owned(), id.to_owned()), description, event.to_string())
}

/// Sends one event and notes what became of it.
async fn send(server: &Server, ledger: &Ledger, id: &str) -> StatusCode {
    let (key, description, body) = event(id);
    ledger.send([(key.clone(), description)]);
    let (status, _) = server.api().post_events("application/json", body).await.unwrap();
    if status == StatusCode::CREATED {
        ledger.acknowledge([key]);
    }
    status
}

/// Would catch two servers that write to one store, and a refusal that leaves the operator guessing who has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_writer_is_refused_by_name_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch { store: folder.path().display().to_string(), environment: Vec::new() };
    let (first, ledger) = (Server::start(&launch, &[]).await, Ledger::default());
    assert_eq!(send(&first, &ledger, "1").await, StatusCode::CREATED);

    let Err(exit) = Server::spawn(&launch, &[]).ready().await else { panic!("a second writer started") };
    assert!(!exit.status.success(), "{exit:?}");
    let words = exit.stderr.to_lowercase();
    for expected in ["lease", "until 20", "--take-over"] {
        assert!(words.contains(expected), "no {expected:?} in {}", exit.stderr);
    }
    assert_eq!(send(&first, &ledger, "2").await, StatusCode::CREATED, "the first one is not disturbed");
    ledger.check(first.api()).await;
}

/// Would catch a writer that goes on acknowledging after another one took over: its events would never be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taking_over_stops_the_first_writer() {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch { store: folder.path().display().to_string(), environment: Vec::new() };
    let (first, ledger) = (Server::start(&launch, &[]).await, Ledger::default());
    assert_eq!(send(&first, &ledger, "1").await, StatusCode::CREATED);

    let second = Server::start(&launch, &["--take-over"]).await;
    assert_eq!(send(&first, &ledger, "2").await, StatusCode::SERVICE_UNAVAILABLE);
    let exit = first.exit().await;
    assert!(!exit.status.success(), "{exit:?}");
    assert!(exit.stderr.to_lowercase().contains("another writer"), "{}", exit.stderr);

    assert_eq!(send(&second, &ledger, "2").await, StatusCode::CREATED, "the client's second try");
    assert_eq!(send(&second, &ledger, "3").await, StatusCode::CREATED);
    ledger.check(second.api()).await;
    assert_eq!(second.api().sql("SELECT id FROM events").await.len(), 3);
}

/// Would catch a lease that outlives an ordered end, so that every restart has to wait or to force its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordered_end_loses_nothing_and_frees_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch { store: folder.path().display().to_string(), environment: Vec::new() };
    let ledger = Ledger::default();
    for round in 0..3 {
        let server = Server::start(&launch, &[]).await;
        ledger.check(server.api()).await;
        for number in 0..10 {
            assert_eq!(send(&server, &ledger, &format!("{round}-{number}")).await, StatusCode::CREATED);
        }
        let exit = server.terminate().await;
        assert!(exit.status.success(), "{exit:?}");
    }
    ledger.check(Server::start(&launch, &[]).await.api()).await;
}
