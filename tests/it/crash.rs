//! The real program, killed with SIGKILL at random moments under load. After each restart every acknowledged event is
//! there exactly once, unchanged, and nothing else but events that were sent; after each round all evidence holds. Persons are
//! erased meanwhile, and in the end are.
//!
//! `AUDITLAKE_CRASH_ROUNDS` and `AUDITLAKE_CRASH_SEED` set how often and which moments. A seed repeats the load and the
//! choices, not the machine's own timing.

use std::{env, sync::Arc, time::Duration};

use futures::future::join_all;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{
    ledger::{Key, Ledger},
    program,
    s3::{BUCKET, S3Server},
    server::{Api, Launch, ROOT_KEY, Server},
};

/// Clients that send at the same time.
const CLIENTS: usize = 4;
/// A round's kill comes after at most so many acknowledged batches.
const BATCHES_MAX: u32 = 150;
/// The tenant that seals names.
const SEALING: &str = "tenant-0";
const TAKE_OVER: &[&str] = &["--take-over"];

fn setting(name: &str, default: u64) -> u64 {
    env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Would catch an acknowledgement that comes before the fsync, a replay that repeats or forgets, and a commit that is
/// half done — in a folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_over_and_over_on_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch { store: folder.path().display().to_string(), environment: Vec::new() };
    kill_over_and_over(&launch, setting("AUDITLAKE_CRASH_ROUNDS", 20)).await;
}

/// The same on S3, where the writes are other ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_over_and_over_on_s3() {
    let s3 = S3Server::start();
    let launch = Launch { store: format!("s3://{BUCKET}/crash"), environment: s3.environment().into() };
    kill_over_and_over(&launch, setting("AUDITLAKE_CRASH_ROUNDS", 20) / 4).await;
}

async fn kill_over_and_over(launch: &Launch, rounds: u64) {
    let seed = setting("AUDITLAKE_CRASH_SEED", 1);
    println!("AUDITLAKE_CRASH_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let ledger = Arc::new(Ledger::default());
    let mut clients: Vec<_> = (0..CLIENTS).map(|number| Client::new(number, seed, &ledger)).collect();
    for round in 0..rounds {
        if random.random_bool(0.25) {
            kill_while_starting(launch, &mut random).await;
        }
        let server = Server::start(launch, TAKE_OVER).await;
        if round == 0 {
            seal_names(server.api()).await;
        }
        ledger.check(server.api()).await;
        clients = kill_under_load(server, clients, &mut random).await;
        recover_and_verify(launch);
        println!("round {round}: {} events acknowledged so far", ledger.acknowledged());
    }
    let server = Server::start(launch, TAKE_OVER).await;
    ledger.check(server.api()).await;
    check_erasures(server.api()).await;
    let exit = server.terminate().await;
    assert!(exit.status.success(), "{exit:?}");
    recover_and_verify(launch);
    // An ordered end gives the lease back: no `--take-over` is needed.
    ledger.check(Server::start(launch, &[]).await.api()).await;
}

/// Before the first event.
async fn seal_names(api: &Api) {
    let fields = json!({"sealed_fields": ["actor.name"]});
    let set =
        api.request(Method::PATCH, &format!("/v1/tenants/{SEALING}")).bearer_auth(ROOT_KEY).json(&fields);
    assert_eq!(set.send().await.unwrap().status(), StatusCode::OK);
}

/// Asks for an erasure, of which the server may not live to tell, or which it refuses because there is no event yet.
async fn erase(api: Api, client: usize) {
    let wanted = json!({"tenant_id": SEALING, "actor_id": format!("user-{client}")});
    let _ = api.request(Method::POST, "/v1/erasures").bearer_auth(ROOT_KEY).json(&wanted).send().await;
}

/// Every erasure that was ever asked for gets to its end, and leaves no name of before.
async fn check_erasures(api: &Api) {
    erase(api.clone(), 0).await;
    let get = async |path: &str| -> Value {
        let answer = api.request(Method::GET, path).bearer_auth(ROOT_KEY).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    };
    let asked = get("/v1/erasures?limit=1000").await["erasures"].as_array().unwrap().clone();
    assert!(!asked.is_empty());
    for erasure in asked {
        let id = erasure["id"].as_str().unwrap();
        let done = get(&format!("/v1/erasures/{id}?wait_seconds=60")).await;
        assert!(matches!(done["state"].as_str(), Some("rewritten" | "completed")), "{done}");
        let (person, end) = (done["actor_id"].as_str().unwrap(), &done["seq_before"]);
        let readable = api
            .sql(&format!(
                "SELECT count(*) AS n FROM events WHERE tenant_id = '{SEALING}' AND actor_id = '{person}' AND seq < {end} \
                 AND actor_name IS NOT NULL"
            ))
            .await;
        assert_eq!(readable[0]["n"], 0, "{done}");
    }
}

/// Another process recovers, merges and ends in order; then every event is in its tree, and the evidence holds.
fn recover_and_verify(launch: &Launch) {
    let on_store = |arguments: &[&str]| {
        let mut command = program::command(arguments);
        command.args(["--store", &launch.store]).env("AUDITLAKE_LOGBOOK__ENABLED", "false");
        command.envs(launch.environment.iter().map(|(name, value)| (*name, value)));
        program::run(command, b"")
    };
    let compacted = on_store(&["compact", "--take-over"]);
    assert_eq!(compacted.code, Some(0), "{compacted:?}");
    let verified = on_store(&["verify"]);
    let is_empty = verified.code == Some(1) && verified.stderr.contains("holds no log");
    let holds = verified.code == Some(0) && !verified.stdout.contains("not covered");
    assert!(is_empty || holds, "{verified:?}");
}

/// Kills recovery itself, which must then work from the start.
async fn kill_while_starting(launch: &Launch, random: &mut ChaCha8Rng) {
    let mut server = Server::spawn(launch, TAKE_OVER);
    random_moment(random, 100_000).await;
    server.kill();
}

/// Kills the server after a random number of acknowledged batches. The clients come back with what they must send again.
async fn kill_under_load(mut server: Server, clients: Vec<Client>, random: &mut ChaCha8Rng) -> Vec<Client> {
    let (acknowledged, target) = (Arc::new(Semaphore::new(0)), random.random_range(1..=BATCHES_MAX));
    let tasks = clients
        .into_iter()
        .map(|client| tokio::spawn(client.send_until_dead(server.api().clone(), Arc::clone(&acknowledged))));
    let mut load = Box::pin(join_all(tasks));
    if random.random_bool(0.5) {
        tokio::spawn(erase(server.api().clone(), random.random_range(0..CLIENTS)));
    }
    tokio::select! {
        reached = acknowledged.acquire_many(target) => reached.unwrap().forget(),
        _ = &mut load => panic!("the server ended by itself:\n{}", server.stderr()),
    }
    random_moment(random, 20_000).await;
    server.kill();
    load.await.into_iter().map(Result::unwrap).collect()
}

/// Not a wait for something to happen: the moment of the kill is what is chosen at random.
async fn random_moment(random: &mut ChaCha8Rng, micros_max: u64) {
    tokio::time::sleep(Duration::from_micros(random.random_range(0..micros_max))).await;
}

/// One client: sends batches one after the other, and after a crash sends the unanswered one again, as clients do.
struct Client {
    number: usize,
    random: ChaCha8Rng,
    ledger: Arc<Ledger>,
    events_sent: usize,
    unanswered: Option<Batch>,
}

/// A request body and the events in it.
struct Batch {
    kind: &'static str,
    body: String,
    keys: Vec<Key>,
}

impl Client {
    fn new(number: usize, seed: u64, ledger: &Arc<Ledger>) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number as u64));
        Self { number, random, ledger: Arc::clone(ledger), events_sent: 0, unanswered: None }
    }

    /// Sends until no answer comes.
    async fn send_until_dead(mut self, api: Api, acknowledged: Arc<Semaphore>) -> Self {
        loop {
            let batch = self.unanswered.take().unwrap_or_else(|| self.batch());
            match api.post_events(batch.kind, batch.body.clone()).await {
                Ok((StatusCode::CREATED, _)) => {
                    self.ledger.acknowledge(batch.keys);
                    acknowledged.add_permits(1);
                }
                Ok((StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _)) => {
                    self.unanswered = Some(batch);
                    tokio::task::yield_now().await;
                }
                Ok((status, answer)) => panic!("{status}: {answer}\nto {}", batch.body),
                Err(_) => {
                    self.unanswered = Some(batch);
                    return self;
                }
            }
        }
    }

    /// The next batch: a few events of few tenants over few days, as NDJSON or as an array.
    fn batch(&mut self) -> Batch {
        let mut keys = Vec::new();
        let mut lines = Vec::new();
        for _ in 0..self.random.random_range(1..=20) {
            let (tenant, day) = (self.random.random_range(0..5), self.random.random_range(1..=3));
            let key = (format!("tenant-{tenant}"), format!("{}-{}", self.number, self.events_sent));
            let description = format!(
                "event {} of client {}: {:x}",
                self.events_sent,
                self.number,
                self.random.random::<u64>()
            );
            let event = json!({
                "tenant_id": key.0,
                "id": key.1,
                "action": "document.update",
                "occurred_at": format!("2025-03-0{day}T12:00:00.000001Z"),
                "actor": { "type": "user", "id": format!("user-{}", self.number), "name": "Somebody" },
                "targets": [{ "type": "document", "id": "d_1" }],
                "description": description,
            });
            lines.push(event.to_string());
            self.ledger.send([(key.clone(), description)]);
            keys.push(key);
            self.events_sent += 1;
        }
        if self.random.random_bool(0.5) {
            return Batch { kind: "application/x-ndjson", body: lines.join("\n"), keys };
        }
        Batch { kind: "application/json", body: format!("[{}]", lines.join(",")), keys }
    }
}
