//! A tenant's table in place: a reader that is not ours, whose credential reaches below the table's prefix and no further, sees all of
//! it, whatever is compacted meanwhile, and nothing of another tenant's.
//!
//! The reader is Python with `deltalake` and `polars`, and DuckDB where its extensions are installed, see `readers.rs`; the S3 server
//! refuses by itself what the credential does not allow, see `support/access.rs`.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use auditlake::store::Store;
use object_store::{ObjectStoreExt as _, path::Path as Key};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::block_in_place};

use crate::{
    cells, readers,
    support::{
        place::Place,
        s3::BUCKET,
        server::{Api, Launch, ROOT_KEY, Server},
    },
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/read_in_place.py");
const TABLES: &str = "some/prefix/events";
/// Events of one request, which are one commit.
const BATCH: usize = 20;
const BATCHES: usize = 6;
/// Batches that arrive while it is read once.
const BATCHES_A_READ: usize = 10;
/// Compactions that have to take place while the table is read.
const COMPACTIONS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(120);

/// A Python process that reads tables.
struct Reader {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reader {
    fn start(python: &Path, environment: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let mut command = Command::new(python);
        command.arg(SCRIPT).env("no_proxy", "*").envs(environment);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (questions, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, questions, answers: BufReader::new(answers) }
    }

    fn ask(&mut self, question: &Value) -> Value {
        block_in_place(|| {
            writeln!(self.questions, "{question}").unwrap();
            let mut answer = String::new();
            self.answers.read_line(&mut answer).unwrap();
            serde_json::from_str(&answer).unwrap_or_else(|_| panic!("the reader ended at {question}"))
        })
    }

    /// What it sees of a table that the API tells of, which it must not be refused.
    fn sees(&mut self, table: &Value, version: Option<&Value>) -> Value {
        let location = &table["location"];
        let question = json!({"location": location, "options": options(table), "version": version});
        let seen = self.ask(&question);
        assert!(seen["error"].is_null(), "{question}: {seen}");
        assert_eq!(seen["polars_sees_the_same"], true, "{question}");
        seen
    }

    /// How many compactions the log of a table tells of.
    fn compactions(&mut self, table: &Value) -> usize {
        let told = self.ask(&json!({"history": table["location"], "options": options(table)}));
        let operations = told["operations"].as_array().unwrap_or_else(|| panic!("{told}"));
        operations.iter().filter(|operation| **operation == "OPTIMIZE").count()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn options(table: &Value) -> Value {
    json!({"aws_endpoint_url": table["endpoint"], "aws_region": table["region"], "aws_allow_http": "true"})
}

async fn table(api: &Api, tenant: &str) -> Value {
    let path = format!("/v1/tenants/{tenant}/table");
    let answer = api.request(Method::GET, &path).bearer_auth(ROOT_KEY).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

async fn post(api: &Api, tenant: &str, batch: usize) {
    let event = |number: usize| {
        json!({
            "tenant_id": tenant, "id": format!("{batch}-{number}"), "action": (["user.login", "user.logout"][number % 2]),
            "occurred_at": format!("2025-03-0{}T12:00:00Z", 1 + number % 3), "actor": {"type": "user", "id": "u_1"},
        })
    };
    let events: Vec<Value> = (0..BATCH).map(event).collect();
    let posted = api.post("/v1/events").json(&events).send().await.unwrap();
    assert_eq!(posted.status(), 201);
}

/// A server that commits each batch by itself, makes checkpoints often, and compacts as often or as seldom as is said.
async fn serve(place: &Place, compact_every_ms: u32) -> Server {
    let mut launch: Launch = place.calm();
    launch.environment.extend([
        ("AUDITLAKE_INGEST__FLUSH_ROWS", BATCH.to_string()),
        ("AUDITLAKE_TABLE__CHECKPOINT_COMMITS", (BATCHES / 2).to_string()),
        ("AUDITLAKE_BACKGROUND__COMPACT_EVERY_MS", compact_every_ms.to_string()),
    ]);
    Server::start(&launch, &[]).await
}

/// What the reader sees is what the API says: all of it, each event once, and every column.
fn assert_whole(seen: &Value, table: &Value) {
    for member in ["version", "rows", "files", "partition_columns", "schema"] {
        assert_eq!(seen[member], table[member], "{member}");
    }
    assert_complete(seen);
}

/// Waits for the first checkpoint: before it, a reader that may not list the whole bucket is refused what it asks for first.
async fn checkpointed(place: &Place) {
    let objects = place.objects().await;
    let pointer = Key::from("events/acme/_delta_log/_last_checkpoint");
    while objects.head(&pointer).await.is_err() {
        tokio::task::yield_now().await;
    }
}

/// Events are numbered without gaps: whoever sees the numbers from 0 on, each once, sees all there are.
fn assert_complete(seen: &Value) {
    let numbers: Vec<u64> = (0..seen["rows"].as_u64().unwrap()).collect();
    assert_eq!(seen["seqs"], json!(numbers), "version {}", seen["version"]);
}

/// Would catch a table that only its own server can read, files that a compaction takes from under a reader, a version that is half of a
/// compaction, and a credential for one tenant that opens another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_with_a_credential_of_one_tenant_sees_its_table() {
    let Some(python) = readers::python("import deltalake, pyarrow, polars") else { return };
    let place = Place::s3();
    let s3 = place.s3_server().unwrap();
    s3.share(&format!("{TABLES}/acme/"));
    let mut reader = Reader::start(&python, s3.readers_environment());

    let server = serve(&place, 3_600_000).await;
    for batch in 0..BATCHES {
        post(server.api(), "acme", batch).await;
        post(server.api(), "bolt", batch).await;
    }
    let mut before = table(server.api(), "acme").await;
    while before["rows"] != BATCH * BATCHES {
        before = table(server.api(), "acme").await;
    }
    checkpointed(&place).await;
    assert_eq!(before["location"], format!("s3://{BUCKET}/{TABLES}/acme"));
    let pinned = reader.sees(&before, Some(&before["version"]));
    assert_whole(&pinned, &before);
    assert!(server.terminate().await.status.success());

    while_compaction_runs(&place, &mut reader, &before, &pinned).await;

    place.run(&["compact"]).quiet();
    let server = serve(&place, 3_600_000).await;
    let after = table(server.api(), "acme").await;
    assert_eq!(after["files"], 3, "a file for each day");
    assert_whole(&reader.sees(&after, None), &after);
    assert_eq!(reader.sees(&before, Some(&before["version"])), pinned);
    snippets_find_its_events(&mut reader, &after);
    assert_eq!(s3.refused(), Vec::<String>::new(), "nothing else is needed");
    let half = (after["rows"].as_u64().unwrap() / 2).to_string();
    // Sail, which runs Spark's, asks for an object named as the folder and gives up when it is refused: it has the owner's credential.
    let (mut others, mut spark) = (after.clone(), after.clone());
    others["snippets"].as_object_mut().unwrap().remove("spark");
    spark["snippets"] = json!({"spark": after["snippets"]["spark"]});
    let folder = tempfile::tempdir().unwrap();
    for (table, environment) in
        [(others, s3.readers_environment().to_vec()), (spark, s3.environment().to_vec())]
    {
        for (program, printed) in
            block_in_place(|| cells::run_snippets(&python, &table, folder.path(), &environment))
        {
            assert!(printed.contains("user.login") && printed.contains(&half), "{program}: {printed}");
        }
    }

    // It exists, as its owner sees; and its reader is refused by the server, not by a lack of it.
    let bolt = table(server.api(), "bolt").await;
    assert!(bolt["rows"].as_u64() > Some(0), "{bolt}");
    for question in [
        json!({"location": bolt["location"], "options": options(&bolt)}),
        json!({"polars": bolt["snippets"]["polars"]}),
        json!({"duckdb": bolt["snippets"]["duckdb"]}),
    ] {
        let refused = reader.ask(&question);
        let is_refused = refused["error"].as_str().is_some_and(|error| error.contains("403"));
        assert!(is_refused || !refused["absent"].is_null(), "{question}: {refused}");
    }
    // One of the programs asks whether the bucket is there, and goes on when that is refused.
    let refused: Vec<String> =
        s3.refused().into_iter().filter(|what| !what.starts_with("HeadBucket")).collect();
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|what| what.contains("events/bolt")), "{refused:?}");
}

/// Reads an old version and the newest one, again and again, while events arrive and are compacted.
async fn while_compaction_runs(place: &Place, reader: &mut Reader, before: &Value, pinned: &Value) {
    let server = serve(place, 20).await;
    let due = Arc::new(Semaphore::new(0));
    let (api, batches) = (server.api().clone(), Arc::clone(&due));
    let sending = tokio::spawn(async move {
        for batch in BATCHES.. {
            // Closed at the end.
            let Ok(permit) = batches.acquire().await else { return };
            permit.forget();
            post(&api, "acme", batch).await;
        }
    });
    let first = reader.compactions(before);
    let reading = async {
        let mut versions = Vec::new();
        while versions.len() < COMPACTIONS || reader.compactions(before) < first + COMPACTIONS {
            due.add_permits(BATCHES_A_READ);
            let known = table(server.api(), "acme").await;
            let seen = reader.sees(before, None);
            let known_then = table(server.api(), "acme").await;
            assert_complete(&seen);
            for member in ["version", "rows"] {
                let number = |of: &Value| of[member].as_u64().unwrap();
                assert!(number(&known) <= number(&seen) && number(&seen) <= number(&known_then), "{member}");
            }
            assert_eq!(reader.sees(before, Some(&before["version"])), *pinned, "a version stays as it is");
            versions.push(seen["version"].clone());
        }
        versions.dedup();
        println!("read {} versions while the table was compacted", versions.len());
        assert!(versions.len() > 1, "{versions:?}");
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("compaction goes on");
    due.close();
    sending.await.unwrap();
    assert!(server.terminate().await.status.success());
}

/// Would catch a snippet that cannot be pasted: what the API gives is run as it stands.
fn snippets_find_its_events(reader: &mut Reader, table: &Value) {
    let half = table["rows"].as_u64().unwrap() / 2;
    let printed = reader.ask(&json!({"polars": table["snippets"]["polars"]}));
    let text = printed["printed"].as_str().unwrap_or_else(|| panic!("{printed}"));
    assert!(text.contains("user.login") && text.contains(&half.to_string()), "{text}");
    let found = reader.ask(&json!({"duckdb": table["snippets"]["duckdb"]}));
    if !found["absent"].is_null() {
        return println!("skipped: the snippet for DuckDB ({})", found["absent"]);
    }
    let mut rows = found["found"].as_array().unwrap_or_else(|| panic!("{found}")).clone();
    rows.sort_by_key(Value::to_string);
    assert_eq!(json!(rows), json!([["user.login", half], ["user.logout", half]]));
}

/// Would catch a test server that refuses nothing, on which the test above would show nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reader_may_list_and_get_below_its_prefix_only() {
    let place = Place::s3();
    let s3 = place.s3_server().unwrap();
    let owner = s3.store("").await.unwrap();
    for name in ["a/1", "ab/1"] {
        owner.put(&Key::from(name), "x".into()).await.unwrap();
    }
    s3.share("a/");
    let mut settings = s3.settings();
    let [(_, key), (_, secret)] = s3.readers_environment();
    (settings.s3.access_key_id, settings.s3.secret_access_key) = (Some(key), Some(secret));
    let reader = Store::open(&format!("s3://{BUCKET}/a"), &settings).await.unwrap();
    assert_eq!(reader.get(&Key::from("1")).await.unwrap().unwrap(), "x");
    assert_eq!(reader.list(&Key::default()).await.unwrap().len(), 1);
    reader.put(&Key::from("2"), "y".into()).await.unwrap_err();
    reader.delete(&Key::from("1")).await.unwrap_err();
    assert_eq!(owner.list(&Key::default()).await.unwrap().len(), 2);
    for folder in ["", "ab"] {
        let error = Store::open(&format!("s3://{BUCKET}/{folder}"), &settings).await.unwrap_err();
        assert!(error.to_string().contains("access was denied"), "{error}");
    }
    assert_eq!(s3.refused().len(), 4, "{:?}", s3.refused());
}
