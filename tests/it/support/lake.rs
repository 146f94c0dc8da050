//! The library inside the test's own process: lives that end in a crash, and a client that remembers what it was told.

use std::sync::Arc;

use auditlake::{
    config::Config,
    error::{ErrorKind, Result},
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, Decoded, decode},
    },
    ingest::{AppendRequest, IdempotencyKey, Ingest, Receipt},
    query::{
        Request, Scope,
        format::{Format, encode},
    },
    server::{Access, Lake},
    store::Store,
    telemetry::Clock,
};
use futures::TryStreamExt;
use object_store::ObjectStore;
use serde_json::{Map, Value, json};
use tokio::runtime::Builder;

use super::{
    ledger::{Key, Ledger},
    server::SIGNING_KEY,
};

/// 2026-11-01T00:00:00Z: where manual clocks start.
pub(crate) const START_MICROS: i64 = 1_793_491_200_000_000;

/// Runs `work` as a process of its own that then dies: every task it leaves behind ends where it stands.
pub(crate) fn life<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Settings under which nothing waits, and nothing is committed or merged but when a test says so.
pub(crate) fn config() -> Config {
    let mut config = Config { signing_key: Some(SIGNING_KEY.to_owned().into()), ..Config::default() };
    config.ingest.gather_ms = Some(0);
    config.ingest.lease_ms = 3_600_000;
    config.table.commit_retry_wait_ms = 0;
    config.table.checkpoint_commits = 2;
    config.compact.settle_ms = 0;
    config.query.threads = 1;
    config
}

/// Opens what is in `objects` for writing, whoever else has it.
pub(crate) async fn open(objects: Arc<dyn ObjectStore>, clock: &Clock, config: Config) -> Result<Lake> {
    let store = Store::from_object_store(objects);
    Lake::open_on(store, clock.clone(), config, Access::Write { take_over: true }).await
}

/// Events as JSON values, decoded as the server does; panics if one of them is bad.
pub(crate) fn decoded(events: &[Value], clock: &Clock) -> Decoded {
    let body = serde_json::to_vec(events).unwrap();
    let context = DecodeContext::new(Some(TenantId::parse("acme").unwrap()), clock.now_micros());
    let decoded = decode(&body, BodyFormat::Json, &context).unwrap();
    assert!(decoded.rejected.is_empty(), "{:?}", decoded.rejected);
    decoded
}

/// One event with an id of its own, if it is given one.
pub(crate) fn event(id: Option<&str>, description: &str) -> Value {
    let mut event = json!({
        "action": "document.update",
        "occurred_at": "2026-10-30T12:00:00.000001Z",
        "actor": { "type": "user", "id": "u_1" },
        "description": description,
    });
    if let Some(id) = id {
        event["id"] = id.into();
    }
    event
}

/// Sends events without any key.
pub(crate) async fn append(ingest: &Ingest, decoded: Decoded) -> Result<Receipt> {
    ingest.append(AppendRequest { decoded, atomic: false, idempotency: None }).await
}

/// The rows that a query over all tenants finds.
pub(crate) async fn sql(lake: &Lake, sql: &str) -> Vec<Value> {
    let request = Request { sql: sql.to_owned(), params: Map::new(), scope: Scope::All };
    let running = lake.engine().run(request).await.unwrap();
    let parts: Vec<_> = encode(running, Format::Ndjson).try_collect().await.unwrap();
    let text = String::from_utf8(parts.concat()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How many events there are.
pub(crate) async fn count(lake: &Lake) -> u64 {
    sql(lake, "SELECT count(*) AS n FROM events").await[0]["n"].as_u64().unwrap()
}

/// Merges every day's files as far as it goes; what fails is left as it is.
pub(crate) async fn compact(lake: &Lake) -> auditlake::compact::Report {
    let policy = lake.config().compact.clone();
    let cancel = tokio_util::sync::CancellationToken::new();
    auditlake::compact::compact_all(lake.tables(), lake.indexes(), &policy, lake.clock(), &cancel, |_| {})
        .await
        .unwrap()
}

/// What a client sends in one request.
#[derive(Clone)]
struct Batch {
    events: Vec<Value>,
    keys: Vec<Key>,
    idempotency: Option<IdempotencyKey>,
}

/// A client that sends few events at a time, keeps book of the answers, and sends again what was not accepted.
#[derive(Default)]
pub(crate) struct Client {
    /// Events go by their descriptions, which are all different: not every event is sent with an id.
    ledger: Ledger,
    sent: usize,
    /// Refused, or sent to a process that died before it answered.
    open: Vec<Batch>,
    /// Answers that an `Idempotency-Key` must give again.
    answered: Vec<(Batch, Receipt)>,
}

impl Client {
    /// Sends `count` new events of two tenants and three days.
    pub(crate) async fn send(&mut self, ingest: &Ingest, clock: &Clock, count: usize) {
        let batch = self.batch(count, false);
        self.send_batch(ingest, clock, batch).await;
    }

    /// The same with an `Idempotency-Key` and without ids, so that only the key tells a repetition.
    pub(crate) async fn send_keyed(&mut self, ingest: &Ingest, clock: &Clock, count: usize) {
        let batch = self.batch(count, true);
        self.send_batch(ingest, clock, batch).await;
    }

    /// Sends everything again that was not accepted; on a healthy store it is now.
    pub(crate) async fn send_again(&mut self, ingest: &Ingest, clock: &Clock) {
        for batch in std::mem::take(&mut self.open) {
            self.send_batch(ingest, clock, batch).await;
        }
        assert!(self.open.is_empty(), "a healthy store takes everything");
    }

    /// Everything acknowledged is there once, nothing that was refused, and keys give their first answers.
    pub(crate) async fn check(&self, lake: &Lake) {
        let rows = sql(lake, "SELECT tenant_id, description AS id, description, seq FROM events").await;
        if let Err(difference) = self.ledger.compare(&rows) {
            panic!("{difference}");
        }
        for (batch, first) in &self.answered {
            let again = lake.ingest().unwrap().append(batch.request(lake.clock())).await.unwrap();
            assert_eq!(again, *first);
        }
    }

    /// The same after everything sent was accepted and committed: all of it is there, numbered without gaps.
    pub(crate) async fn check_all(&self, lake: &Lake) {
        self.check(lake).await;
        assert_eq!(self.ledger.acknowledged(), self.sent);
        let tenants = sql(
            lake,
            "SELECT count(*) AS n, count(DISTINCT id) AS ids, count(DISTINCT seq) AS numbers, max(seq) AS last \
             FROM events GROUP BY tenant_id",
        );
        let mut total = 0;
        for tenant in tenants.await {
            let number = |name: &str| tenant[name].as_u64().unwrap();
            let n = number("n");
            assert_eq!((number("ids"), number("numbers"), number("last") + 1), (n, n, n), "{tenant}");
            total += n as usize;
        }
        assert_eq!(total, self.sent);
    }

    /// Sends again, commits, and checks that nothing is missing, doubled or numbered wrongly.
    pub(crate) async fn settle(&mut self, lake: &Lake) {
        let ingest = lake.ingest().unwrap();
        self.send_again(ingest, lake.clock()).await;
        self.check(lake).await;
        ingest.flush().await.unwrap();
        self.check_all(lake).await;
    }

    fn batch(&mut self, count: usize, keyed: bool) -> Batch {
        let (mut events, mut keys) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (number, tenant) = (self.sent, ["acme", "globex"][self.sent % 2]);
            let description = format!("event {number}");
            let id = format!("id-{number}");
            let mut event = event((!keyed).then_some(id.as_str()), &description);
            event["tenant_id"] = tenant.into();
            event["occurred_at"] = format!("2026-10-{}T12:00:00Z", 28 + number % 3).into();
            events.push(event);
            keys.push((tenant.to_owned(), description));
            self.sent += 1;
        }
        let key = || IdempotencyKey {
            principal: "root".into(),
            key: format!("key {}", self.sent),
            fingerprint: [1; 32],
        };
        Batch { events, keys, idempotency: keyed.then(key) }
    }

    async fn send_batch(&mut self, ingest: &Ingest, clock: &Clock, batch: Batch) {
        self.ledger.send(batch.keys.iter().map(|key| (key.clone(), key.1.clone())));
        // Should the process die in the middle, the batch counts as sent and not answered.
        self.open.push(batch.clone());
        match ingest.append(batch.request(clock)).await {
            Ok(receipt) => {
                assert_eq!((receipt.accepted + receipt.duplicates, receipt.conflicts), (batch.keys.len(), 0));
                self.ledger.acknowledge(batch.keys.clone());
                self.open.pop();
                if batch.idempotency.is_some() {
                    self.answered.push((batch, receipt));
                }
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Busy), "{error:?}");
                self.ledger.refuse(batch.keys);
            }
        }
    }
}

impl Batch {
    fn request(&self, clock: &Clock) -> AppendRequest {
        let body = serde_json::to_vec(&self.events).unwrap();
        let context = DecodeContext::new(None, clock.now_micros());
        let decoded = decode(&body, BodyFormat::Json, &context).unwrap();
        assert!(decoded.rejected.is_empty(), "{:?}", decoded.rejected);
        AppendRequest { decoded, atomic: false, idempotency: self.idempotency.clone() }
    }
}
