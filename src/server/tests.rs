//! The whole server over real sockets: statuses, problems, limits, clients that leave, and an ordered end.

mod api;
mod cors;
mod limits;
mod sockets;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::{http::Settings, store::Store, telemetry::Clock};

const KEY: &str = "a-key-for-tests-only";

/// A server over an empty store in memory, on a port of its own.
struct Server {
    base: String,
    address: SocketAddr,
    metrics: crate::telemetry::Metrics,
    shutdown: CancellationToken,
    task: JoinHandle<Result<()>>,
    client: reqwest::Client,
}

impl Server {
    async fn start(http: Settings) -> Self {
        Self::start_with(|config| config.http = http).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut variables = vec![("AUDITLAKE_ROOT_KEY".to_owned(), KEY.to_owned())];
        variables.push(("AUDITLAKE_STORE".to_owned(), "memory://".to_owned()));
        // Counts of events are those of what a test sends.
        variables.push(("AUDITLAKE_LOGBOOK__ENABLED".to_owned(), "false".to_owned()));
        let sources = crate::config::Sources { environment: variables, ..Default::default() };
        let mut config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::load(sources).unwrap() };
        change(&mut config);
        let store = Store::open("memory://", &config.object_store).await.unwrap();
        let listener = bind(&config).await.unwrap();
        let address = listener.local_addr().unwrap();
        let access = Access::Write { take_over: false };
        let lake = Lake::open_on(store, Clock::system(), config, access).await.unwrap();
        let metrics = lake.metrics().clone();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(lake, Catalogue::load(None).unwrap(), listener, shutdown.clone()));
        Self {
            base: format!("http://{address}"),
            address,
            metrics,
            shutdown,
            task,
            client: reqwest::Client::new(),
        }
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.base)).bearer_auth(KEY)
    }

    async fn send_events(&self, query: &str, body: Value) -> (u16, Value) {
        answer(self.post(&format!("/v1/events{query}")).json(&body)).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// Status and JSON body.
async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

fn event(id: &str, tenant: &str) -> Value {
    json!({
        "id": id, "tenant_id": tenant, "action": "document.delete",
        "occurred_at": "2026-11-22T03:04:05.678901Z", "actor": {"type": "user", "id": "u_1"}
    })
}
