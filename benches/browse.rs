//! The events API over a real server: `cargo bench --bench browse`.
//!
//! Serves a store with one enterprise tenant over three years and asks for pages of 100 events:
//!
//! - *one client*: page after page, one request at a time: by actor with the log of the log and without, then by each other filter
//!   until it has been asked for ten seconds;
//! - *mixed*: 200 requests a second, whatever the answers take, by actor, target, address, session, words and day, with the log
//!   of the log; with words and without, because words that are in nearly every block are a scan. A request's time counts from when it was due. Load generator and server share the machine.
//!
//! | variable | means |
//! |---|---|
//! | `AUDITLAKE_BENCH_EVENTS` | number of events; default 2,000,000 |
//! | `AUDITLAKE_BENCH_LAKE`, `AUDITLAKE_BENCH_TENANT` | a store that is there already, and whose events to look in; it is not changed |
//! | `AUDITLAKE_BENCH_RATE`, `AUDITLAKE_BENCH_SECONDS` | requests a second, and for how long; default 200 and 30 |

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use auditlake::{
    config::Config,
    event::TenantId,
    query::{Request, Scope},
    server::{Access, Lake},
};
use futures::TryStreamExt as _;
use reqwest::{Client, Url};
use tokio::{task::JoinSet, time};

#[path = "support/enterprise.rs"]
mod enterprise;

use enterprise::number;

const KEY: &str = "the-root-key-of-a-benchmark,-long-enough";
const PAGES: usize = 100;
const VALUES: usize = 40;
/// Filters, and the columns that their values are taken from.
const FILTERS: [(&str, &str); 6] = [
    ("actor_id", "actor_id"),
    ("target_id", "target_id"),
    ("ip_address", "ip_address"),
    ("session_id", "session_id"),
    ("from", "CAST(day AS VARCHAR)"),
    ("q", "actor_name"),
];

/// A server in a process of its own.
struct Server {
    child: Child,
    base: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing that is not in the store.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    let paths = Arc::new(questions(copy.path(), &tenant).await);
    for recorded in [false, true] {
        let server = serve(copy.path(), recorded);
        let name = if recorded { "recorded in the log of the log" } else { "not recorded" };
        let client = Client::new();
        one_by_one(&client, &server, &of(&paths, "actor_id"), &format!("by actor_id, {name}")).await;
        if recorded {
            for filter in &FILTERS[1..] {
                one_by_one(&client, &server, &of(&paths, filter.0), &format!("by {}", filter.0)).await;
            }
            let without_q = paths.iter().filter(|path| !path.contains("&q=")).cloned().collect();
            mixed("mixed filters without q", &client, &server, Arc::new(without_q)).await;
            mixed("mixed filters", &client, &server, Arc::clone(&paths)).await;
        }
    }
}

fn of<'a>(paths: &'a [String], filter: &str) -> Vec<&'a String> {
    paths.iter().filter(|path| path.contains(&format!("&{filter}="))).collect()
}

/// Each page once to warm up, as far as time allows, then page after page.
async fn one_by_one(client: &Client, server: &Server, paths: &[&String], name: &str) {
    let (mut times, mut failed) = (Vec::new(), 0);
    for measured in [false, true] {
        let began = Instant::now();
        for round in 0..if measured { PAGES } else { VALUES } {
            let started = Instant::now();
            match ask(client, &server.base, paths[round % paths.len()]).await {
                Ok(()) if measured => times.push(started.elapsed()),
                Ok(()) => {}
                Err(problem) => {
                    failed += 1;
                    eprintln!("{}: {problem}", paths[round % paths.len()]);
                }
            }
            if began.elapsed() > Duration::from_secs(10) {
                break;
            }
        }
    }
    show(&format!("one client, a page of 100 {name} ({failed} failed)"), times);
}

async fn mixed(name: &str, client: &Client, server: &Server, paths: Arc<Vec<String>>) {
    let (rate, seconds) = (number("AUDITLAKE_BENCH_RATE", 200), number("AUDITLAKE_BENCH_SECONDS", 30));
    let mut asked = JoinSet::new();
    let mut ticks = time::interval(Duration::from_micros(1_000_000 / rate));
    let began = Instant::now();
    for number in 0..(rate * seconds) as usize {
        let due = ticks.tick().await;
        let (client, base, paths) = (client.clone(), server.base.clone(), Arc::clone(&paths));
        asked.spawn(async move {
            let answered = ask(&client, &base, &paths[number * 7 % paths.len()]).await;
            answered.map(|()| due.elapsed())
        });
    }
    let answers = asked.join_all().await;
    let took = began.elapsed();
    let refused: Vec<&String> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    let times: Vec<Duration> = answers.iter().filter_map(|answer| answer.as_ref().ok().copied()).collect();
    println!(
        "{name}: {rate} requests a second for {seconds} s: {} answered in {:.1} s, {} refused {:?}",
        times.len(),
        took.as_secs_f64(),
        refused.len(),
        refused.first()
    );
    show(name, times);
}

async fn ask(client: &Client, base: &str, path: &str) -> Result<(), String> {
    let answer = client.get(format!("{base}{path}")).bearer_auth(KEY).send().await;
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| error.to_string())?;
    if status.is_success() { Ok(()) } else { Err(String::from_utf8_lossy(&body).into_owned()) }
}

/// Paths with filters by values that are there.
async fn questions(lake: &Path, tenant: &str) -> Vec<String> {
    let mut config = Config { store: lake.display().to_string(), ..Config::default() };
    config.query.memory_bytes = 2 << 30;
    config.query.concurrent_max = 1;
    let lake = Lake::open(config, Access::Read).await.expect("open the store");
    let tenant_id = TenantId::parse(tenant).expect("a tenant id");
    let mut paths = Vec::new();
    for (parameter, column) in FILTERS {
        let sql = format!(
            "SELECT {column} AS value FROM events WHERE {column} IS NOT NULL AND actor_type = 'user' GROUP BY value ORDER BY reverse(value) LIMIT {VALUES}"
        );
        for value in values(&lake, &tenant_id, &sql).await {
            let mut pairs = vec![("tenant_id", tenant.to_owned()), (parameter, value.clone())];
            if parameter == "from" {
                pairs.push(("to", format!("{value}T12:00:00Z")));
            }
            let url = Url::parse_with_params("http://server/v1/events", &pairs).expect("a URL");
            paths.push(url.as_str().trim_start_matches("http://server").to_owned());
        }
    }
    paths
}

async fn values(lake: &Lake, tenant: &TenantId, sql: &str) -> Vec<String> {
    let scope = Scope::Tenant(tenant.clone());
    let request = Request { sql: sql.to_owned(), params: serde_json::Map::new(), scope };
    let running = lake.engine().run(request).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let batches: Vec<_> = running.try_collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let text = |batch: &arrow::array::RecordBatch| -> Vec<String> {
        let column = arrow::array::AsArray::as_string::<i32>(batch.column(0)).clone();
        column.iter().flatten().map(str::to_owned).collect()
    };
    batches.iter().flat_map(text).collect()
}

fn serve(lake: &Path, recorded: bool) -> Server {
    let mut child = Command::new(env!("CARGO_BIN_EXE_auditlake"))
        .args(["serve", "--listen", "127.0.0.1:0", "--store"])
        .arg(lake)
        .env("AUDITLAKE_ROOT_KEY", KEY)
        .env("AUDITLAKE_LOG", "warn")
        .env("AUDITLAKE_LOGBOOK__ENABLED", recorded.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
    let base = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
    std::thread::spawn(move || lines.for_each(|line| eprintln!("server: {line}")));
    Server { child, base: base.expect("the server listens") }
}

/// The same files under another folder.
fn link(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the store's folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("its type").is_dir() {
            true => {
                fs::create_dir(&target).expect("a folder");
                link(&entry.path(), &target);
            }
            false => fs::hard_link(entry.path(), &target).expect("a link"),
        }
    }
}

fn show(name: &str, mut times: Vec<Duration>) {
    if times.is_empty() {
        return println!("{name}: no answer");
    }
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "{name}: median {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}
