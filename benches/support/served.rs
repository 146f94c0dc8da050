//! A store that is there already, served by the program in a process of its own, and pages of it to ask for.
//!
//! In: a store with one enterprise tenant, see `enterprise.rs`. Out: a server, and paths of pages whose filters have values that are
//! there. Guaranteed: the store stays as it is; a server that is dropped is killed.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use auditlake::{
    config::Config,
    event::TenantId,
    query::{Request, Scope},
    server::{Access, Lake},
};
use futures::TryStreamExt as _;
use reqwest::{Client, Url};

pub(crate) const KEY: &str = "the-root-key-of-a-benchmark,-long-enough";
/// Values of each filter.
pub(crate) const VALUES: usize = 40;
/// Filters, and the columns that their values are taken from.
pub(crate) const FILTERS: [(&str, &str); 6] = [
    ("actor_id", "actor_id"),
    ("target_id", "target_id"),
    ("ip_address", "ip_address"),
    ("session_id", "session_id"),
    ("from", "CAST(day AS VARCHAR)"),
    ("q", "actor_name"),
];

/// A server in a process of its own.
pub(crate) struct Server {
    child: Child,
    pub(crate) base: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing that is not in the store.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `GET` whose answer is read to its end; what is said of a refusal.
pub(crate) async fn ask(client: &Client, base: &str, path: &str) -> Result<(), String> {
    let answer = client.get(format!("{base}{path}")).bearer_auth(KEY).send().await;
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| error.to_string())?;
    if status.is_success() { Ok(()) } else { Err(String::from_utf8_lossy(&body).into_owned()) }
}

/// Paths with filters by values that are there.
pub(crate) async fn questions(lake: &Path, tenant: &str) -> Vec<String> {
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

/// A server on the store `lake`, with the log of the log or without.
pub(crate) fn serve(lake: &Path, recorded: bool) -> Server {
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
