//! Needles in a store some way off: `cargo bench --bench object_store`.
//!
//! Fills a folder with one enterprise tenant over three years (`auditlake generate`, `import`, `compact`), serves it as
//! S3 with 30 ms added to each request, and prints what opening the lake and each needle cost: milliseconds, requests
//! and bytes. For each needle the lake is opened anew, with nothing kept from before:
//!
//! - *cold*: the first question of a lake just opened;
//! - *again*: the same question once more;
//! - *other*: the same question with other values, in the lake that is warm from the first (median).
//!
//! | variable | means |
//! |---|---|
//! | `AUDITLAKE_BENCH_EVENTS` | number of events; default 2,000,000 |
//! | `AUDITLAKE_BENCH_DELAY_MS` | delay; default 30 |
//! | `AUDITLAKE_BENCH_LAKE`, `AUDITLAKE_BENCH_TENANT` | a store that is there already, and whose events to look in |
//!
//! The answers are compared with those of the same store opened as a folder.

use std::time::{Duration, Instant};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::DataType,
};
use auditlake::{
    config::Config,
    error::Error,
    event::TenantId,
    query::{
        Filter, Question, Request, Scope,
        browse::{Order, PageQuery},
    },
    server::{Access, Lake},
    store,
};
use futures::TryStreamExt;

#[path = "support/delayed_s3.rs"]
mod delayed_s3;
#[path = "support/enterprise.rs"]
mod enterprise;

use delayed_s3::{Account, BUCKET, DelayedS3};
use enterprise::{DAYS, number};

const VALUES: usize = 5;
const COLUMNS: &str = "id, occurred_at, action, outcome, actor_id, target_id, ip_address, metadata";
/// The word that a search ends with, if no hexadecimal text can have it in it.
const WORDS: &str =
    "(SELECT split_part(metadata->>'query', ' ', -1) AS word FROM events WHERE action = 'search.query')
    WHERE regexp_like(word, '[g-z]')";

/// A question with the values it is asked with.
struct Needle {
    name: &'static str,
    asked: Vec<Asked>,
}

#[derive(Debug)]
enum Asked {
    Sql(String),
    /// A page of the events API, by this filter.
    Page(&'static str, String),
}

impl Asked {
    fn question(&self, tenant: &TenantId) -> Question {
        let scope = Scope::Tenant(tenant.clone());
        match self {
            Self::Sql(sql) => {
                Question::from(Request { sql: sql.clone(), params: serde_json::Map::new(), scope })
            }
            Self::Page(name, value) => {
                let mut filter = Filter::default();
                filter.set(name, value).expect("a filter");
                PageQuery { filter, order: Order::Desc, limit: 100, after: None }.question(scope).into()
            }
        }
    }
}

/// What one question cost.
struct Cost {
    rows: usize,
    milliseconds: f64,
    account: Account,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lake, tenant) = enterprise::lake(folder.path());
    let tenant = TenantId::parse(&tenant).expect("a tenant id");
    let delay = Duration::from_millis(number("AUDITLAKE_BENCH_DELAY_MS", 30));
    let local =
        Lake::open(config(&lake.display().to_string(), None), Access::Read).await.expect("open the folder");
    let needles = choose(&local, &tenant).await;
    let server = DelayedS3::start(&lake, delay);
    let events = count(&local, &tenant).await;
    println!(
        "{events} events of one tenant over {DAYS} days; {} ms before each request\n",
        delay.as_millis()
    );
    for needle in &needles {
        if let Err(error) = measure_needle(needle, &server, &local, &tenant).await {
            println!("  failed: {error}");
        }
    }
}

async fn measure_needle(
    needle: &Needle,
    server: &DelayedS3,
    local: &Lake,
    tenant: &TenantId,
) -> Result<(), Error> {
    println!("{}", needle.name);
    let location = format!("s3://{BUCKET}");
    server.take_account();
    let started = Instant::now();
    let lake = Lake::open(config(&location, Some(server)), Access::Read).await?;
    let opening = Cost { rows: 0, milliseconds: milliseconds(started), account: server.take_account() };
    let cold = ask(&lake, tenant, &needle.asked[0], Some(server)).await?;
    let again = ask(&lake, tenant, &needle.asked[0], Some(server)).await?;
    let mut others = Vec::new();
    for asked in &needle.asked[1..] {
        others.push(ask(&lake, tenant, asked, Some(server)).await?);
    }
    for (asked, cost) in needle.asked.iter().zip([&cold].into_iter().chain(&others)) {
        let expected = ask(local, tenant, asked, None).await?.rows;
        assert_eq!(cost.rows, expected, "{asked:?}");
    }
    others.sort_by(|a, b| a.milliseconds.total_cmp(&b.milliseconds));
    show("open", &opening);
    show("cold", &cold);
    let both = cold.milliseconds + opening.milliseconds;
    println!("  open and cold {both:9.1} ms {:5} requests", opening.account.total() + cold.account.total());
    show("again", &again);
    if let Some(other) = others.get(others.len() / 2) {
        show("other", other);
    }
    Ok(())
}

fn show(name: &str, cost: &Cost) {
    println!(
        "  {name:13} {:9.1} ms {:5} requests ({}), {:8.1} KB, {} rows; s3s-fs itself {:.1} ms",
        cost.milliseconds,
        cost.account.total(),
        cost.account.describe(),
        cost.account.bytes as f64 / 1e3,
        cost.rows,
        cost.account.own.as_secs_f64() * 1e3,
    );
}

async fn ask(
    lake: &Lake,
    tenant: &TenantId,
    asked: &Asked,
    server: Option<&DelayedS3>,
) -> Result<Cost, Error> {
    let started = Instant::now();
    let rows = rows(lake, asked.question(tenant)).await?.iter().map(RecordBatch::num_rows).sum();
    let account = server.map(DelayedS3::take_account).unwrap_or_default();
    Ok(Cost { rows, milliseconds: milliseconds(started), account })
}

async fn rows(lake: &Lake, question: Question) -> Result<Vec<RecordBatch>, Error> {
    lake.engine().run(question).await?.try_collect().await
}

/// Values of the first column.
async fn texts(lake: &Lake, tenant: &TenantId, sql: &str) -> Vec<String> {
    let question = Asked::Sql(sql.to_owned()).question(tenant);
    let batches = rows(lake, question).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut values = Vec::new();
    for batch in batches {
        let column = cast(batch.column(0), &DataType::Utf8).expect("a column of text");
        let column = column.as_string::<i32>();
        values.extend((0..column.len()).map(|row| column.value(row).to_owned()));
    }
    values
}

async fn count(lake: &Lake, tenant: &TenantId) -> String {
    texts(lake, tenant, "SELECT count(*) FROM events").await.concat()
}

/// Values that occur seldom, in an order that has nothing to do with time: the same for the same events.
async fn choose(lake: &Lake, tenant: &TenantId) -> Vec<Needle> {
    let seldom = async |column: &str, source: &str, least: u64, most: u64| {
        let sql = format!(
            "SELECT {column} FROM {source} GROUP BY {column}
             ORDER BY CASE WHEN count(*) BETWEEN {least} AND {most} THEN 0 ELSE 1 END, reverse({column}) LIMIT {VALUES}"
        );
        texts(lake, tenant, &sql).await
    };
    let any = async |column: &str, by: &str| {
        texts(lake, tenant, &format!("SELECT {column} FROM events ORDER BY reverse({by}) LIMIT {VALUES}"))
            .await
    };
    let ids = any("id", "request_id").await;
    let absent = ids.iter().map(|id| format!("{}{}", &id[..24], id[24..].chars().rev().collect::<String>()));
    let absent: Vec<String> = absent.collect();
    let words = seldom("word", WORDS, 5, 50).await;
    let needle = |name, columns: &str, condition: &str, values: &[String], end: &str| Needle {
        name,
        asked: values
            .iter()
            .map(|value| {
                let condition = condition.replace("{}", value);
                Asked::Sql(format!("SELECT {columns} FROM events WHERE {condition}{end}"))
            })
            .collect(),
    };
    let page = |name, filter: &'static str, values: &[String]| Needle {
        name,
        asked: values.iter().map(|value| Asked::Page(filter, value.clone())).collect(),
    };
    let rare = seldom("actor_id", "events WHERE actor_type = 'user'", 100, 300).await;
    let busy = texts(
        lake,
        tenant,
        &format!("SELECT actor_id FROM events WHERE actor_type = 'user' GROUP BY actor_id ORDER BY count(*) DESC, actor_id LIMIT {VALUES}"),
    )
    .await;
    let names = any("actor_name", "request_id").await;
    let newest = " ORDER BY occurred_at DESC, seq DESC LIMIT 100";
    vec![
        needle("one event by id", "*", "id = '{}'", &ids, ""),
        needle("an id that does not exist", "*", "id = '{}'", &absent, ""),
        needle("one event by request id", "*", "request_id = '{}'", &any("request_id", "id").await, ""),
        needle(
            "all events of one target",
            COLUMNS,
            "array_has(target_ids, '{}')",
            &seldom("target_id", "events WHERE target_id IS NOT NULL", 20, 200).await,
            "",
        ),
        needle(
            "all events from one IP",
            COLUMNS,
            "ip_address = '{}'",
            &seldom("ip_address", "events", 50, 300).await,
            "",
        ),
        needle("one word in metadata", COLUMNS, "has_words(metadata, '{}')", &words, ""),
        needle("newest 100 of a rare actor", COLUMNS, "actor_id = '{}'", &rare, newest),
        page("a page of a rare actor", "actor_id", &rare),
        page("a page of a busy actor", "actor_id", &busy),
        page("a page of a name", "q", &names),
    ]
}

/// Two threads for queries. Choosing the values groups by all targets, which takes more memory than a question may.
fn config(location: &str, server: Option<&DelayedS3>) -> Config {
    let mut config = Config { store: location.to_owned(), ..Config::default() };
    config.query.threads = 2;
    match server {
        Some(server) => config.object_store = server.settings(),
        None => {
            config.object_store = store::Settings::default();
            config.query.memory_bytes = 2 << 30;
            config.query.concurrent_max = 1;
        }
    }
    config
}

fn milliseconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}
