//! What a server says of itself while it cannot write: to who asks whether it is ready, and to who wanted to read.

use std::sync::Arc;

use auditlake::{
    ingest::{Ingest, State},
    query::saved::Catalogue,
    server::{Lake, serve},
    telemetry::Clock,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::support::{
    faulty::{Action, FaultyStore, Gate, Operation},
    lake::{START_MICROS, append, config, decoded, event, open},
    server::ROOT_KEY,
};

/// A server in this process over a store whose faults a test plans.
struct Served {
    base: String,
    ingest: Ingest,
    shutdown: CancellationToken,
    task: JoinHandle<auditlake::error::Result<()>>,
}

impl Served {
    async fn start(faulty: &FaultyStore) -> Self {
        let mut config = config();
        config.root_key = Some(ROOT_KEY.to_owned().into());
        config.ingest.uncommitted_bytes_max = 32 << 20;
        let lake: Lake = open(Arc::new(faulty.clone()), &Clock::manual(START_MICROS), config).await.unwrap();
        let ingest = lake.ingest().unwrap().clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(lake, Catalogue::load(None).unwrap(), listener, shutdown.clone()));
        Self { base, ingest, shutdown, task }
    }

    async fn ready(&self) -> (u16, Value) {
        answer(reqwest::Client::new().get(format!("{}/readyz", self.base))).await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = reqwest::Client::new().post(format!("{}{path}", self.base)).bearer_auth(ROOT_KEY);
        answer(request.json(body)).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn is_segment(path: &str) -> bool {
    path.starts_with("wal/")
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

/// Would catch a server that calls itself ready while it refuses all events, one that stays unready because nobody sends it events any
/// more, and one whose probes are taken for events.
#[tokio::test]
async fn a_server_that_cannot_write_is_not_ready() {
    let faulty = FaultyStore::over_memory();
    let served = Served::start(&faulty).await;
    assert_eq!(served.ready().await.0, 200);

    // The write fails and its slot is closed; the first probe fails as well; the second waits.
    let gate = Gate::new();
    faulty.plan(Operation::Create, is_segment, 0, Action::FailBefore);
    faulty.plan(Operation::Create, is_segment, 2, Action::FailBefore);
    faulty.plan(Operation::Create, is_segment, 4, Action::HoldBefore(gate.clone()));
    let mut sent = event(Some("a"), "a");
    sent["tenant_id"] = "acme".into();
    let (status, problem) = served.post("/v1/events", &sent).await;
    assert_eq!(status, 503, "{problem}");
    gate.arrived().await;
    let (status, problem) = served.ready().await;
    assert_eq!(status, 503);
    assert!(detail(&problem).contains("the store refused the last write of events"), "{problem}");
    gate.open();
    assert_eq!(served.ingest.settled().await, State::Running);
    assert_eq!(served.ready().await.0, 200);

    assert_eq!(served.post("/v1/events", &sent).await.1["accepted"], 1);
    let (_, answer) =
        served.post("/v1/sql", &json!({"sql": "SELECT id FROM events", "tenant_id": "acme"})).await;
    assert_eq!(answer["rows"], json!([{"id": "a"}]), "{answer}");
    served.stop().await;
}

/// Would catch probes that a full disk takes although it refuses events, probes that grow from one to the next while a store takes nothing,
/// and probes as large as a request can be.
#[tokio::test]
async fn a_probe_is_as_large_as_the_write_that_was_refused() {
    const KIBIBYTE: usize = 1 << 10;
    let faulty = FaultyStore::over_memory();
    let served = Served::start(&faulty).await;
    for (events, expected) in [(40, None), (200, Some(1 << 20))] {
        let before = faulty.put_sizes(is_segment).len();
        // The write and two probes fail, each of which has its slot closed; the third probe waits.
        let gate = Gate::new();
        for failing in [0, 2, 4] {
            faulty.plan(Operation::Create, is_segment, failing, Action::FailBefore);
        }
        faulty.plan(Operation::Create, is_segment, 6, Action::HoldBefore(gate.clone()));
        let large: Vec<Value> = (0..events).map(|_| event(None, &"x".repeat(8_000))).collect();
        assert!(append(&served.ingest, decoded(&large, &Clock::manual(START_MICROS))).await.is_err());
        gate.arrived().await;
        let sizes = faulty.put_sizes(is_segment).split_off(before);
        let [refused, _, first, _, second, _, third] = sizes[..] else { panic!("{sizes:?}") };
        assert!(refused > events * 8_000);
        let expected = expected.unwrap_or(refused);
        for probe in [first, second, third] {
            assert!(probe.abs_diff(expected) < KIBIBYTE, "{sizes:?}");
        }
        assert_eq!((first, second), (second, third));
        gate.open();
        assert_eq!(served.ingest.settled().await, State::Running);
    }
    served.stop().await;
}

/// Would catch a read that is refused with words about events that nobody sent.
#[tokio::test]
async fn a_read_that_cannot_be_recorded_says_so() {
    let faulty = FaultyStore::over_memory();
    let served = Served::start(&faulty).await;
    let mut sent = event(Some("a"), "a");
    sent["tenant_id"] = "acme".into();
    assert_eq!(served.post("/v1/events", &sent).await.0, 201);
    let question = json!({"sql": "SELECT id FROM events", "tenant_id": "acme"});
    faulty.plan(Operation::Create, is_segment, 0, Action::FailBefore);
    let (status, problem) = served.post("/v1/sql", &question).await;
    assert_eq!(status, 503);
    assert!(detail(&problem).contains("the record of this access could not be written"), "{problem}");
    assert_eq!(served.post("/v1/sql", &question).await.0, 200);
    served.stop().await;
}

/// Would catch a server that calls itself ready while every request is refused because nothing can be committed, and one that a burst
/// of events alone makes unready.
#[tokio::test]
async fn a_server_that_cannot_commit_is_not_ready_once_it_is_full() {
    let faulty = FaultyStore::over_memory();
    let served = Served::start(&faulty).await;
    let large: Vec<Value> = (0..200).map(|_| event(None, &"x".repeat(8_000))).collect();
    let full = || async {
        for _ in 0..40 {
            if append(&served.ingest, decoded(&large, &Clock::manual(START_MICROS))).await.is_err() {
                return;
            }
        }
        panic!("32 MiB hold forty times 1.6 MB");
    };
    for _ in 0..1_000 {
        faulty.plan(Operation::Put, |path| path.ends_with(".parquet"), 0, Action::FailBefore);
        faulty.plan(Operation::Part, |path| path.ends_with(".parquet"), 0, Action::FailBefore);
    }
    full().await;
    assert!(served.ingest.flush().await.is_err());
    full().await;
    let (status, problem) = served.ready().await;
    assert_eq!(status, 503);
    assert!(detail(&problem).contains("commits fail"), "{problem}");
    faulty.heal();
    served.ingest.flush().await.unwrap();
    assert_eq!(served.ready().await.0, 200);
    let gate = Gate::new();
    faulty.plan(Operation::Put, |path| path.ends_with(".parquet"), 0, Action::HoldBefore(gate.clone()));
    full().await;
    assert_eq!(served.ready().await.0, 200, "full, and being committed");
    gate.open();
    served.stop().await;
}
