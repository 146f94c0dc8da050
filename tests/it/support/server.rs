//! The real program in a process of its own, driven over HTTP, that can be killed at any moment.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// The service key of every server that tests start.
pub(crate) const ROOT_KEY: &str = "al_root_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The key that signs checkpoints, so that no server makes one beside its test's folder.
pub(crate) const SIGNING_KEY: &str = "alsk_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

/// Nothing a test waits for takes longer, even on a slow machine; past it the test fails instead of hanging. It is more
/// than an ordered end may take if every wait in it lasts as long as it can.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a condition that cannot be waited for is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What to serve: the store and the environment it needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Launch {
    pub(crate) store: String,
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// Commits, merges and sweeps many times in a short test, so that a kill meets each of them.
const OFTEN: [(&str, &str); 5] = [
    ("AUDITLAKE_INGEST__FLUSH_AGE_MS", "300"),
    ("AUDITLAKE_INGEST__FLUSH_ROWS", "500"),
    ("AUDITLAKE_COMPACT__SETTLE_MS", "0"),
    ("AUDITLAKE_BACKGROUND__COMPACT_EVERY_MS", "400"),
    ("AUDITLAKE_BACKGROUND__SWEEP_EVERY_MS", "1000"),
];

/// A running `auditlake serve`. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    stderr: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    address: Option<oneshot::Receiver<String>>,
    api: Api,
}

/// The HTTP side of a server; clones outlive it and then get no answers.
#[derive(Clone)]
pub(crate) struct Api {
    base: String,
    client: Client,
}

/// How a server ended, and all it wrote to stderr.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

impl Server {
    /// Starts the process and does not wait for anything.
    pub(crate) fn spawn(launch: &Launch, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_auditlake"))
            .args(["serve", "--store", &launch.store, "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env("AUDITLAKE_ROOT_KEY", ROOT_KEY)
            .env("AUDITLAKE_SIGNING_KEY", SIGNING_KEY)
            // Counts of events are those of what a test sends, unless it asks for more.
            .env("AUDITLAKE_LOGBOOK__ENABLED", "false")
            .envs(OFTEN)
            .envs(launch.environment.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = Arc::<Mutex<String>>::default();
        let (found, address) = oneshot::channel();
        let pipe = child.stderr.take().unwrap();
        let lines = Arc::clone(&stderr);
        let reader = thread::spawn(move || read(pipe, &lines, found));
        let client = Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        Self {
            child,
            stderr,
            reader: Some(reader),
            address: Some(address),
            api: Api { base: String::new(), client },
        }
    }

    /// Waits until it answers requests; `Err` if it ends before.
    pub(crate) async fn ready(mut self) -> Result<Self, Exit> {
        let address = self.address.take().unwrap();
        match tokio::time::timeout(PATIENCE, address).await.expect("the server names its address") {
            Ok(base) => self.api.base = base,
            Err(_) => return Err(self.exit().await),
        }
        let became_ready = async {
            while !self.api.is_ready().await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let timed = tokio::time::timeout(PATIENCE, became_ready).await;
        timed.unwrap_or_else(|_| panic!("the server is not ready:\n{}", self.stderr()));
        Ok(self)
    }

    /// [`Server::spawn`] and [`Server::ready`]; panics with the server's own words if it does not start.
    pub(crate) async fn start(launch: &Launch, arguments: &[&str]) -> Self {
        let started = Self::spawn(launch, arguments).ready().await;
        started.unwrap_or_else(|exit| panic!("the server does not start: {}\n{}", exit.status, exit.stderr))
    }

    /// Its resident memory in bytes, as the kernel counts it.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1_024
    }

    /// SIGKILL: it gets no chance to tidy up.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub(crate) async fn terminate(self) -> Exit {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
        self.exit().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn exit(mut self) -> Exit {
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    break status;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let timed = tokio::time::timeout(PATIENCE, ended).await;
        let status = timed.unwrap_or_else(|_| panic!("the server does not end:\n{}", self.stderr()));
        self.reader.take().unwrap().join().unwrap();
        Exit { status, stderr: self.stderr() }
    }

    /// All it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How to ask it.
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }
}

impl Api {
    /// `http://` and where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.base
    }

    async fn is_ready(&self) -> bool {
        let answer = self.client.get(format!("{}/readyz", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// A request without a key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// A `POST` with the key.
    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path).bearer_auth(ROOT_KEY)
    }

    /// `POST /v1/events`; an error means that no answer came.
    pub(crate) async fn post_events(
        &self,
        kind: &'static str,
        body: String,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let answer = self.post("/v1/events").header("content-type", kind).body(body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// The rows of a query.
    pub(crate) async fn sql(&self, sql: &str) -> Vec<Value> {
        let request = self.post("/v1/sql?format=ndjson");
        let answer = request.json(&json!({ "sql": sql })).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{sql}: {status} {text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps what the server writes, and tells the address in the line that says `listening on http://…`. The sender is
/// dropped with the pipe's end, which tells that there will be none.
fn read(pipe: ChildStderr, lines: &Mutex<String>, found: oneshot::Sender<String>) {
    let mut found = Some(found);
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        let address = line.split_once("listening on http://").map(|(_, rest)| rest);
        if let Some(address) =
            address.and_then(|rest| rest.split(|c: char| c.is_whitespace() || c == '"').next())
            && let Some(found) = found.take()
        {
            // The receiver is gone when a test killed the server without waiting for it.
            let _ = found.send(format!("http://{address}"));
        }
        let mut text = lines.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&line);
        text.push('\n');
    }
}
