//! Ingest over HTTP as a client sees it: `cargo bench --bench ingest`.
//!
//! Starts the real server as a process of its own on a new folder, sends batches of 1,000 events of about
//! 500 bytes (20 tenants, ids chosen by the client, so that duplicates are looked for), and prints:
//!
//! 1. events acknowledged per second with several connections sending as fast as they can;
//! 2. the time to acknowledgement at half the rate that is asked of the product (50,000 events/s);
//! 3. a commit of 1,000 tenants with 10 events each;
//! 4. the server's largest resident memory throughout.
//!
//! Every acknowledgement stands for an fsync. `AUDITLAKE_BENCH_SECONDS` (default 10) sets the length of 1 and 2.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const KEY: &str = "alk_benchmark_key_that_is_long_enough_to_be_accepted";
const BATCH: usize = 1_000;
const TENANTS: u64 = 20;
const CONNECTIONS: usize = 8;
const PACED_EVENTS_PER_SECOND: u64 = 50_000;

struct Server {
    process: Child,
    url: String,
    client: reqwest::Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_auditlake"))
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(folder)
            .env("AUDITLAKE_ROOT_KEY", KEY)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(process.stderr.take().expect("stderr is piped")).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split("listening on ").nth(1).map(|url| url.trim().to_owned()))
            .expect("the server says where it listens");
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url, client: reqwest::Client::new() }
    }

    async fn send(&self, body: Vec<u8>) {
        let request = self.client.post(format!("{}/v1/events", self.url)).bearer_auth(KEY);
        let response =
            request.header("content-type", "application/json").body(body).send().await.expect("an answer");
        let status = response.status();
        let text = response.text().await.expect("a body");
        assert_eq!(status.as_u16(), 201, "{text}");
    }

    /// Sends until it is taken: a full server says 429.
    async fn send_patiently(&self, body: Vec<u8>) -> u64 {
        let mut refusals = 0;
        loop {
            let request = self.client.post(format!("{}/v1/events", self.url)).bearer_auth(KEY);
            let request = request.header("content-type", "application/json").body(body.clone());
            let status = request.send().await.expect("an answer").status();
            match status.as_u16() {
                201 => return refusals,
                429 => {
                    refusals += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                other => panic!("status {other}"),
            }
        }
    }

    async fn metric(&self, name: &str) -> f64 {
        let text =
            self.client.get(format!("{}/metrics", self.url)).send().await.expect("an answer").text().await;
        let text = text.expect("a body");
        let line = text.lines().find(|line| line.split([' ', '{']).next() == Some(name));
        line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
    }

    fn peak_memory_mib(&self) -> f64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("");
        let kib = line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok());
        kib.map_or(f64::NAN, |kib| kib / 1_024.0)
    }
}

/// One batch of events of one tenant, with ids that no other batch has. Times advance with the number.
fn batch(number: u64, tenant: u64, events: usize) -> Vec<u8> {
    let mut text = String::with_capacity(events * 520);
    let actions = ["document.view", "document.update", "user.login", "file.download", "role.assign"];
    for event in 0..events as u64 {
        let serial = number * BATCH as u64 + event;
        let (minute, second) = ((serial / 3_600) % 60, (serial / 60) % 60);
        let _ = write!(
            text,
            r#"{}{{"id":"{serial:016x}-{tenant:08x}","tenant_id":"tenant-{tenant}","action":"{action}","occurred_at":"2026-11-20T10:{minute:02}:{second:02}.{micros:06}Z","actor":{{"type":"user","id":"user-{user}","name":"User Number {user}","email":"user{user}@tenant-{tenant}.example","credential":{{"type":"session","id":"cred-{user}"}}}},"targets":[{{"type":"document","id":"doc-{doc}","name":"Quarterly plan {doc}"}}],"context":{{"ip_address":"203.0.113.{ip}","user_agent":"Mozilla/5.0 (X11; Linux x86_64)","session_id":"sess-{user}-{minute}","request_id":"req-{serial:x}"}},"outcome":{{"result":"success"}},"metadata":{{"project":"apollo","size":{doc}}}}}"#,
            if event == 0 { "[" } else { "," },
            action = actions[(serial % 5) as usize],
            micros = serial % 1_000_000,
            user = serial.wrapping_mul(2_654_435_761) % 500,
            doc = serial.wrapping_mul(40_503) % 10_000,
            ip = serial % 250,
        );
    }
    text.push(']');
    text.into_bytes()
}

async fn full_speed(server: &Arc<Server>, length: Duration, numbers: &Arc<AtomicU64>) -> (f64, u64) {
    let (started, first) = (Instant::now(), numbers.load(Ordering::Relaxed));
    let senders = (0..CONNECTIONS).map(|_| {
        let (server, numbers) = (Arc::clone(server), Arc::clone(numbers));
        tokio::spawn(async move {
            let mut refusals = 0;
            while started.elapsed() < length {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                refusals += server.send_patiently(batch(number, number % TENANTS, BATCH)).await;
            }
            refusals
        })
    });
    let refusals =
        futures::future::join_all(senders).await.into_iter().map(|sent| sent.expect("it ran")).sum();
    let sent = (numbers.load(Ordering::Relaxed) - first) * BATCH as u64;
    (sent as f64 / started.elapsed().as_secs_f64(), refusals)
}

/// Sends on a fixed timetable, so that a slow answer does not thin out the load; milliseconds, sorted.
async fn paced(server: &Arc<Server>, length: Duration, numbers: &Arc<AtomicU64>) -> Vec<f64> {
    let pause = Duration::from_secs_f64(BATCH as f64 / PACED_EVENTS_PER_SECOND as f64);
    let mut timetable = tokio::time::interval(pause);
    let started = Instant::now();
    let mut sends = Vec::new();
    while started.elapsed() < length {
        timetable.tick().await;
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let body = batch(number, number % TENANTS, BATCH);
        let server = Arc::clone(server);
        sends.push(tokio::spawn(async move {
            let sent = Instant::now();
            server.send(body).await;
            sent.elapsed().as_secs_f64() * 1e3
        }));
    }
    let mut times: Vec<f64> =
        futures::future::join_all(sends).await.into_iter().map(|time| time.expect("it ran")).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// 10 events for each of 1,000 new tenants, then the end of a server, which commits them all.
async fn commit_many_tenants(folder: &Path) -> (f64, f64) {
    let mut server = Server::start(folder);
    for tenant in 0..1_000 {
        server.send(batch(tenant, 100_000 + tenant, 10)).await;
    }
    let memory = server.peak_memory_mib();
    let started = Instant::now();
    let terminated = Command::new("kill").args(["-TERM", &server.process.id().to_string()]).status();
    assert!(terminated.expect("kill runs").success());
    let ended = server.process.wait().expect("the server ends");
    assert!(ended.success(), "{ended}");
    (started.elapsed().as_secs_f64(), memory)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(measure());
}

async fn measure() {
    let seconds =
        std::env::var("AUDITLAKE_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let length = Duration::from_secs(seconds);
    let folder = tempfile::tempdir().expect("a folder");
    let server = Arc::new(Server::start(&folder.path().join("speed")));
    let numbers = Arc::new(AtomicU64::new(0));
    println!("bytes per event                      {}", batch(0, 0, BATCH).len() / BATCH);

    let (rate, refusals) = full_speed(&server, length, &numbers).await;
    println!(
        "HTTP ingest, durable, events/s       {rate:.0}   (batches of {BATCH}, {CONNECTIONS} connections, {refusals} refusals)"
    );
    let times = paced(&server, length, &numbers).await;
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "acknowledgement at {PACED_EVENTS_PER_SECOND} events/s, ms   p50 {:.1}  p99 {:.1}  max {:.1}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    println!(
        "WAL writes                           {:.0}",
        server.metric("auditlake_wal_append_seconds_count").await
    );
    let ingest_memory = server.peak_memory_mib();
    drop(server);
    let (commit_seconds, commit_memory) = commit_many_tenants(&folder.path().join("tenants")).await;
    println!("commit of 1,000 tenants x 10, s      {commit_seconds:.2}");
    println!("server's peak memory, MiB            {:.0}", ingest_memory.max(commit_memory));
}
