//! Questions beside an export, over a real server: `cargo bench --bench beside`.
//!
//! Serves a store with one enterprise tenant over three years. One client asks one question after another, without a pause: pages of
//! 100 events by actor, target, address, session and day, and after every ten of them counts by action over thirty days in SQL. In every
//! second round the whole log is exported at the same time, again and again, as NDJSON packed with zstd. Rounds with and without
//! take turns, so that what else the machine does meets both; the goal is a p99 beside an export of at most three times the p99 alone.
//! Client and server share the machine.
//!
//! | variable | means |
//! |---|---|
//! | `AUDITLAKE_BENCH_EVENTS` | number of events; default 2,000,000 |
//! | `AUDITLAKE_BENCH_LAKE`, `AUDITLAKE_BENCH_TENANT` | a store that is there already, and whose events to look in; it is not changed |
//! | `AUDITLAKE_BENCH_ROUNDS`, `AUDITLAKE_BENCH_SECONDS` | rounds of each kind, and how long one is; default 4 and 15 |

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[path = "support/enterprise.rs"]
mod enterprise;
#[path = "support/link.rs"]
mod link;
#[path = "support/served.rs"]
mod served;

use enterprise::number;
use link::link;
use served::{KEY, Server, ask, questions, serve};

/// The largest ratio of the two p99 that is fine.
const GOAL: f64 = 3.0;
/// Pages between two questions in SQL.
const PAGES_A_COUNT: usize = 10;
const SQL: &str = "SELECT action, outcome, count(*) AS events FROM events WHERE occurred_at >= $from AND occurred_at < $to GROUP BY 1, 2 ORDER BY 3 DESC";

/// How long questions took, of each kind.
#[derive(Default)]
struct Times {
    pages: Vec<Duration>,
    counts: Vec<Duration>,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lake, tenant) = enterprise::lake(folder.path());
    // A server writes; what it is given stays as it is.
    let copy = tempfile::tempdir_in(lake.parent().expect("a store is in a folder")).expect("a folder");
    link(&lake, copy.path());
    let mut paths = questions(copy.path(), &tenant).await;
    // Words that are in nearly every block are a scan, which is another question.
    paths.retain(|path| !path.contains("&q="));
    let asking = Asking { server: serve(copy.path(), true), client: Client::new(), tenant, paths };
    let (rounds, seconds) = (number("AUDITLAKE_BENCH_ROUNDS", 4), number("AUDITLAKE_BENCH_SECONDS", 15));
    let length = Duration::from_secs(seconds);
    asking.round(length, &mut Times::default()).await;
    let (mut alone, mut beside, exported) = (Times::default(), Times::default(), AtomicU64::new(0));
    for _ in 0..rounds {
        asking.round(length, &mut alone).await;
        asking.round_beside(length, &mut beside, &exported).await;
    }
    let rate = exported.into_inner() as f64 / (rounds * seconds) as f64;
    println!("exported beside the questions: {rate:.0} rows a second");
    compare("a page of 100 events", alone.pages, beside.pages);
    compare("counts by action and outcome over 30 days", alone.counts, beside.counts);
}

struct Asking {
    server: Server,
    client: Client,
    tenant: String,
    paths: Vec<String>,
}

impl Asking {
    /// Asks for `length`.
    async fn round(&self, length: Duration, times: &mut Times) {
        let began = Instant::now();
        for number in 0.. {
            if began.elapsed() > length {
                return;
            }
            let started = Instant::now();
            if number % (PAGES_A_COUNT + 1) == PAGES_A_COUNT {
                self.count(number).await;
                times.counts.push(started.elapsed());
            } else {
                // A prime, so that kinds of filters take turns.
                let path = &self.paths[number * 7 % self.paths.len()];
                let answered = ask(&self.client, &self.server.base, path).await;
                answered.unwrap_or_else(|problem| panic!("{path}: {problem}"));
                times.pages.push(started.elapsed());
            }
        }
    }

    /// The same while exports are carried out, one after another; `exported` is told of their rows.
    async fn round_beside(&self, length: Duration, times: &mut Times, exported: &AtomicU64) {
        let (running, enough) = (CancellationToken::new(), CancellationToken::new());
        let asking = async {
            running.cancelled().await;
            self.round(length, times).await;
            enough.cancel();
        };
        tokio::join!(self.export_over_and_over(&running, &enough, exported), asking);
    }

    /// Exports until it is enough; `running` is cancelled once the first is under way.
    async fn export_over_and_over(
        &self,
        running: &CancellationToken,
        enough: &CancellationToken,
        exported: &AtomicU64,
    ) {
        while !enough.is_cancelled() {
            let wanted = json!({"tenant_id": self.tenant, "format": "ndjson"});
            let mut status = self.call(Method::POST, "/v1/exports", Some(&wanted)).await;
            let path = format!("/v1/exports/{}", status["id"].as_str().expect("an id"));
            while !enough.is_cancelled() && status["ended_at"].is_null() {
                status = self.call(Method::GET, &path, None).await;
                if status["state"] == "running" {
                    running.cancel();
                }
                let next = tokio::time::sleep(Duration::from_millis(200));
                enough.run_until_cancelled(next).await;
            }
            exported.fetch_add(status["rows"].as_u64().unwrap_or_default(), Ordering::Relaxed);
            // The first ends what is under way, the second removes it.
            while self.call(Method::DELETE, &path, None).await != Value::Null {}
        }
    }

    async fn count(&self, number: usize) {
        let month = 1 + number % 12;
        let params = json!({"from": format!("2023-{month:02}-01T00:00:00Z"), "to": format!("2023-{month:02}-28T00:00:00Z")});
        let body = json!({"tenant_id": self.tenant, "sql": SQL, "params": params});
        self.call(Method::POST, "/v1/sql", Some(&body)).await;
    }

    /// An answer that is no refusal, as JSON; null if it has none.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let request = self.client.request(method, format!("{}{path}", self.server.base)).bearer_auth(KEY);
        let request = if let Some(body) = body { request.json(body) } else { request };
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

fn compare(name: &str, mut alone: Vec<Duration>, mut beside: Vec<Duration>) {
    alone.sort_unstable();
    beside.sort_unstable();
    let at =
        |times: &[Duration], part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    for (times, state) in [(&alone, "alone"), (&beside, "beside an export")] {
        println!(
            "{name}, {state}: {} asked, median {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
            times.len(),
            at(times, 0.5),
            at(times, 0.99),
            at(times, 1.0)
        );
    }
    let ratio = at(&beside, 0.99) / at(&alone, 0.99);
    let verdict = if ratio <= GOAL { "reached" } else { "MISSED" };
    println!("{name}: p99 beside an export is {ratio:.2} times the p99 alone (goal {GOAL}: {verdict})");
}
