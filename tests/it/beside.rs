//! Reading a store directly while a server writes to it, commits, merges and sweeps: `auditlake sql` beside
//! `auditlake serve`, on the same folder or bucket.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use reqwest::StatusCode;
use serde_json::json;

use crate::support::{
    place::{Place, in_every_place},
    server::{Api, Server},
};

const QUESTIONS: usize = 12;
const BATCH: u64 = 100;

/// What one client sent, and what of it was acknowledged.
#[derive(Default)]
struct Sender {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    enough: AtomicBool,
}

impl Sender {
    /// Sends batch after batch until told that it is enough.
    async fn run(self: Arc<Self>, api: Api) {
        while !self.enough.load(Ordering::SeqCst) {
            let first = self.sent.fetch_add(BATCH, Ordering::SeqCst);
            let events: Vec<_> = (first..first + BATCH)
                .map(|number| {
                    json!({
                        "tenant_id": format!("tenant-{}", number % 3),
                        "id": format!("e-{number}"),
                        "action": "document.view",
                        "occurred_at": format!("2025-03-0{}T12:00:00Z", 1 + number % 2),
                        "actor": { "type": "user", "id": "u_1" },
                    })
                })
                .collect();
            let answer = api.post_events("application/json", json!(events).to_string()).await;
            assert_eq!(answer.unwrap().0, StatusCode::CREATED);
            self.acknowledged.fetch_add(BATCH, Ordering::SeqCst);
        }
    }
}

in_every_place!(questions_beside_a_server_miss_and_double_nothing);

/// Would catch a reader that takes the log and the files at two moments, so that events on their way from one to the other
/// are missed or doubled, or that trips over a file that was just merged away.
async fn questions_beside_a_server_miss_and_double_nothing(place: &Place) {
    let server = Server::start(&place.busy(), &[]).await;
    let sender = Arc::<Sender>::default();
    let sending = tokio::spawn(sender.clone().run(server.api().clone()));
    let count = |place: &Place| {
        let rows = place.sql("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM events");
        assert_eq!(rows[0]["n"], rows[0]["ids"], "an event was seen twice");
        rows[0]["n"].as_u64().unwrap()
    };
    let mut before = 0;
    for _ in 0..QUESTIONS {
        let acknowledged = sender.acknowledged.load(Ordering::SeqCst);
        // This waits for the command on this thread; server, S3 and client have threads of their own.
        let found = tokio::task::block_in_place(|| count(place));
        let sent = sender.sent.load(Ordering::SeqCst);
        assert!((acknowledged..=sent).contains(&found), "{found}, not {acknowledged}–{sent}");
        assert!(found >= before, "{found} after {before}");
        before = found;
    }
    sender.enough.store(true, Ordering::SeqCst);
    sending.await.unwrap();
    assert!(server.terminate().await.status.success());
    assert_eq!(count(place), sender.sent.load(Ordering::SeqCst));
}
