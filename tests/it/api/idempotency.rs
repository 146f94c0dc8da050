//! `Idempotency-Key`: one key, one request, one answer — for events that have no ids of their own.

use serde_json::{Value, json};

use super::{ask, nameless, refused};
use crate::support::{
    place::{Place, in_every_place},
    server::Server,
};

in_every_place!(a_key_stands_for_one_request_across_restarts);

/// Would catch a retry that stores its events again, one that gets another answer than the first, and a key that covers
/// for another body — at once, and after a restart.
async fn a_key_stands_for_one_request_across_restarts(place: &Place) {
    let batch = json!([nameless("acme", "one"), nameless("globex", "two"), {"tenant_id": "acme"}]);
    let other = json!([nameless("acme", "three")]);
    let mut first: Option<(u16, Value)> = None;
    for restart in 0..3 {
        let server = Server::start(&place.calm(), &[]).await;
        let send =
            |body: &Value| server.api().post("/v1/events").header("idempotency-key", "batch-1").json(body);
        for repeat in 0..2 {
            let answer = ask(send(&batch)).await;
            assert_eq!(answer.0, 207, "{answer:?}");
            let first = first.get_or_insert_with(|| answer.clone());
            assert_eq!(answer, *first, "repeat {repeat} after restart {restart}");
        }
        refused(send(&other), 422, "invalid").await;
        let stored = server.api().sql("SELECT description FROM events ORDER BY 1").await;
        assert_eq!(stored, ["one", "two"].map(|text| json!({ "description": text })));
        let exit = server.terminate().await;
        assert!(exit.status.success(), "{exit:?}");
    }
}
