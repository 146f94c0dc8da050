//! Every cell of a real store, as programs that are not ours read it: by its Delta log, by a list of its live files, as exported
//! Parquet, and by the snippets that the API gives.
//!
//! The programs are Python packages, each used where it is installed; see `readers.rs` for which Python.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use auditlake::{event::TenantId, paths::TableLayout};
use object_store::ObjectStoreExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use crate::{
    older_layout, readers,
    support::{
        place::Place,
        program,
        server::{ROOT_KEY, Server},
    },
};

const READ_CELLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/read_cells.py");
const RUN_SNIPPETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/run_snippets.py");
const IMPORTS: usize = 3;

/// Events with what generated ones have not: no target at all, many targets, letters of several bytes, quotes and line feeds, empty
/// text, numbers at the ends of their range, microseconds, and days far apart.
fn odd_events(tenant: &str) -> Vec<Value> {
    let event = |number: usize, more: Value| {
        let mut event = json!({
            "tenant_id": tenant, "id": format!("odd-{number}"), "action": "odd.event",
            "occurred_at": "2026-01-02T03:04:05.678901Z", "actor": {"type": "user", "id": format!("u_{number}")},
        });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let targets: Vec<Value> =
        (0..60).map(|id| json!({"type": "document", "id": format!("d_{id}")})).collect();
    [
        json!({}),
        json!({"targets": []}),
        json!({"targets": targets}),
        json!({"description": "", "version": 1}),
        json!({"description": "日本語 – \u{1F600}\n\"quoted\", 'single', \t\\", "version": i32::MAX}),
        json!({"metadata": {"n": 9_007_199_254_740_991_i64, "f": -0.5, "deep": {"a": [1, null, {"b": "ü"}]}}}),
        json!({"occurred_at": "2000-01-01T00:00:00Z"}),
        json!({"occurred_at": "2025-12-31T23:59:59.999999Z"}),
        json!({"occurred_at": "2024-02-29T12:00:00.000001Z"}),
        json!({"context": {"ip_address": "2001:db8::1", "user_agent": "x".repeat(500)}}),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, more)| event(number, more))
    .collect()
}

/// Imports a small company and odd events, in a few parts so that compaction has something to merge; returns a tenant.
fn fill(place: &Place) -> TenantId {
    let generate = ["generate", "--events", "2000", "--tenants", "2", "--days", "3", "--start", "2026-01-01"];
    let generated = program::run(program::command(&generate), b"");
    assert_eq!(generated.code, Some(0), "{}", generated.stderr);
    let mut lines: Vec<String> = generated.stdout.lines().map(str::to_owned).collect();
    let first: Value = serde_json::from_str(&lines[0]).unwrap();
    let tenant = first["tenant_id"].as_str().unwrap();
    lines.extend(odd_events(tenant).iter().map(Value::to_string));
    for part in 0..IMPORTS {
        let part: Vec<String> = lines.iter().skip(part).step_by(IMPORTS).cloned().collect();
        program::run(place.command(&["import", "-"]), part.join("\n").as_bytes()).quiet();
    }
    TenantId::parse(tenant).unwrap()
}

/// Reads something with every program that is installed, and checks that each finds every cell.
struct Reader<'a> {
    python: PathBuf,
    place: &'a Place,
    rows: PathBuf,
    count: usize,
}

impl<'a> Reader<'a> {
    fn new(place: &'a Place, tenant: &TenantId, folder: &Path) -> Option<Self> {
        let python = readers::python(readers::IMPORTS_OF_SCRIPT)?;
        let ours =
            place.run(&["sql", "--tenant", tenant.as_str(), "--format", "ndjson", "SELECT * FROM events"]);
        let rows = folder.join("rows.ndjson");
        fs::write(&rows, &ours.stdout).unwrap();
        Some(Self { python, place, rows, count: ours.rows().len() })
    }

    fn agree(&self, kind: &str, sources: &[PathBuf], programs: usize) {
        let mut command = Command::new(&self.python);
        command.arg(READ_CELLS).arg(kind).arg(&self.rows).args(sources).stderr(Stdio::piped());
        let output = command.envs(self.place.environment().iter().cloned()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found.len(), programs, "{found:?}");
        for (program, found) in found {
            if let Some(absent) = found["absent"].as_str() {
                println!("skipped: {kind} by {program} ({absent})");
                continue;
            }
            let expected = json!({"count": self.count, "rows": self.count, "differing": 0, "first": null});
            assert_eq!(found, expected, "{kind} by {program}");
        }
    }
}

/// The paths of the URLs that `auditlake table files` lists.
fn live_files(place: &Place, tenant: &TenantId) -> Vec<PathBuf> {
    let listed = place.run(&["table", "files", tenant.as_str()]).quiet().stdout;
    listed.lines().map(|url| Url::parse(url).unwrap().to_file_path().unwrap()).collect()
}

fn parquet_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|is| is == "parquet")).collect();
    files.sort();
    files
}

/// Would catch a table whose rows some reader counts or reads otherwise than we do: by its log, before and after compaction, without a
/// column, with days, lists, nulls and times; a list of live files that leaves one out or has a replaced one; and an export or an answer
/// in encodings that a reader has wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_program_reads_every_cell() {
    let place = Place::folder();
    let tenant = fill(&place);
    let folder = tempfile::tempdir().unwrap();
    let Some(reader) = Reader::new(&place, &tenant, folder.path()) else { return };
    let table = place.path().unwrap().canonicalize().unwrap();
    let table = table.join(TableLayout::Plain.table(&tenant).path().as_ref());
    let before = live_files(&place, &tenant);
    for compacted in [false, true] {
        if compacted {
            place.run(&["compact"]).quiet();
        }
        reader.agree("tables", std::slice::from_ref(&table), 8);
        reader.agree("lists", &live_files(&place, &tenant), 4);
    }
    assert!(before.len() > live_files(&place, &tenant).len() && before.iter().all(|file| file.exists()));

    // Put together of row groups, and encoded anew.
    for (name, more) in [("copied", &[][..]), ("encoded", &["--filter", "from=1960-01-01T00:00:00Z"])] {
        let to = folder.path().join(name);
        let to = to.to_str().unwrap();
        let export = ["export", "--tenant", tenant.as_str(), "--format", "parquet", "--to", to];
        assert_eq!(place.run(&[&export, more].concat()).code, Some(0));
        reader.agree("files", &parquet_in(to.as_ref()), 4);
    }
    let asked = ["sql", "--tenant", tenant.as_str(), "--format", "parquet", "SELECT * FROM events"];
    let output = place.command(&asked).output().unwrap();
    assert!(output.status.success());
    let answer = folder.path().join("answer.parquet");
    fs::write(&answer, &output.stdout).unwrap();
    reader.agree("files", &[answer], 4);
}

/// Would catch the same of a store from before, of which the folders of tables are named otherwise; Polars reads it by pyarrow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_program_reads_every_cell_of_an_older_store() {
    let place = Place::folder();
    place.objects().await.put(&older_layout::document(), older_layout::OLDER.into()).await.unwrap();
    let tenant = fill(&place);
    let folder = tempfile::tempdir().unwrap();
    let Some(reader) = Reader::new(&place, &tenant, folder.path()) else { return };
    let table = place.path().unwrap().canonicalize().unwrap();
    let table = table.join(TableLayout::Hive.table(&tenant).path().as_ref());
    for compacted in [false, true] {
        if compacted {
            place.run(&["compact"]).quiet();
        }
        reader.agree("tables", std::slice::from_ref(&table), 8);
        reader.agree("lists", &live_files(&place, &tenant), 4);
    }
}

/// Would catch a tenant whose folder a reader hides, folds with another one, or does not find by the URL that it is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_odd_names_are_read() {
    let place = Place::folder();
    let tenants = [".", "..", "Acme", "acme", "acme.", "_acme", "-acme", "_delta_log", "tenant"];
    let event = |tenant: &str, number: usize| {
        json!({
            "tenant_id": tenant, "id": format!("{number}"), "action": "document.view",
            "occurred_at": "2026-01-02T03:04:05Z", "actor": {"type": "user", "id": tenant},
        })
    };
    // The first one has one event, the next one two, and so on.
    let events =
        tenants.iter().enumerate().flat_map(|(at, tenant)| (0..=at).map(|number| event(tenant, number)));
    let lines: Vec<String> = events.map(|event| event.to_string()).collect();
    program::run(place.command(&["import", "-"]), lines.join("\n").as_bytes()).quiet();
    place.run(&["compact"]).quiet();
    let python = readers::python(readers::IMPORTS_OF_SCRIPT);
    for (at, tenant) in tenants.iter().enumerate() {
        let rows = place.sql(&format!("SELECT actor_id FROM events WHERE tenant_id = '{tenant}'"));
        assert_eq!(rows, vec![json!({"actor_id": tenant}); at + 1], "{tenant}");
        let show = program::command(&["--store", place.store(), "table", "show", "--", tenant]);
        let shown: Value = serde_json::from_str(&program::run(show, b"").quiet().stdout).unwrap();
        assert_eq!((&shown["rows"], &shown["last_day"]), (&json!(at + 1), &json!("2026-01-02")), "{shown}");
        if let Some(python) = &python {
            let (files, found) = readers::read(python, shown["location"].as_str().unwrap(), &[]);
            assert_eq!((files, &found["events"]), (1, &json!(at + 1)), "{tenant}: {found}");
        }
    }
    let folders = fs::read_dir(place.path().unwrap().join("events")).unwrap().count();
    assert_eq!(folders, tenants.len());
    let verified = place.run(&["verify"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
}

/// Would catch a snippet that cannot be pasted, or that finds something else than there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_snippet_finds_the_newest_week() {
    let place = Place::folder();
    let counts = [("user.login", 17), ("user.logout", 23), ("document.view", 31)];
    let event = |(action, count): (&str, usize), day: &str| -> Vec<String> {
        let event = |number: usize| {
            json!({
                "tenant_id": "acme", "id": format!("{day}-{action}-{number}"), "action": action,
                "occurred_at": format!("{day}T12:00:00Z"), "actor": {"type": "user", "id": "u_1"},
            })
        };
        (0..count).map(|number| event(number).to_string()).collect()
    };
    let mut lines: Vec<String> = counts.iter().flat_map(|counted| event(*counted, "2026-01-09")).collect();
    // Not of the week.
    lines.extend(event(("user.login", 500), "2026-01-02"));
    program::run(place.command(&["import", "-"]), lines.join("\n").as_bytes()).quiet();

    let server = Server::start(&place.calm(), &[]).await;
    let request = server.api().request(Method::GET, "/v1/tenants/acme/table").bearer_auth(ROOT_KEY);
    let table: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(server.terminate().await.status.success());
    let Some(python) = readers::python(readers::IMPORTS_OF_SCRIPT) else { return };
    for (program, printed) in run_snippets(&python, &table, place.path().unwrap(), &[]) {
        for (action, count) in counts {
            assert!(printed.contains(action) && printed.contains(&count.to_string()), "{program}: {printed}");
        }
        assert!(!printed.contains("517"), "{program}: {printed}");
    }
}

/// Runs all snippets of an answer of the API in `folder`; gives what those print that can be run here.
pub(crate) fn run_snippets(
    python: &Path,
    table: &Value,
    folder: &Path,
    environment: &[(&'static str, String)],
) -> BTreeMap<String, String> {
    let mut command = Command::new(python);
    command.arg(RUN_SNIPPETS).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.envs(environment.iter().cloned()).env("no_proxy", "*").spawn().unwrap();
    running.stdin.take().unwrap().write_all(table["snippets"].to_string().as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), table["snippets"].as_object().unwrap().len(), "{answers:?}");
    let mut printed = BTreeMap::new();
    for (program, answer) in answers {
        match (answer["absent"].as_str(), answer["printed"].as_str()) {
            (Some(absent), _) => println!("skipped: the snippet for {program} ({absent})"),
            (None, Some(text)) => drop(printed.insert(program, text.to_owned())),
            (None, None) => panic!("{program}: {answer}"),
        }
    }
    printed
}

/// Would catch events that a writer of Delta which is not ours takes out of a table and that nobody misses; and a table that says
/// of itself that nothing is removed from it, which a writer that keeps to the protocol then does not touch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_names_what_another_writer_took_out() {
    let place = Place::folder();
    let tenant = fill(&place);
    let Some(python) = readers::python(readers::IMPORTS_OF_SCRIPT) else { return };
    assert_eq!(place.run(&["verify", "--tenant", tenant.as_str()]).code, Some(0));
    let ids = place.sql(&format!(
        "SELECT seq, id FROM events WHERE tenant_id = '{tenant}' AND action = 'odd.event' ORDER BY seq"
    ));
    let table = place.path().unwrap().join(TableLayout::Plain.table(&tenant).path().as_ref());
    let delete = "import sys, deltalake\n\
                  table = deltalake.DeltaTable(sys.argv[1])\n\
                  print(table.delete(\"action = 'odd.event'\")['num_deleted_rows'])\n";
    let output = Command::new(&python).args(["-c", delete]).arg(&table).output().unwrap();
    let removed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert_eq!(removed, ids.len().to_string(), "{}", String::from_utf8_lossy(&output.stderr));

    let verified = place.run(&["verify", "--tenant", tenant.as_str(), "--format", "json"]);
    assert_eq!(verified.code, Some(4), "{}", verified.stderr);
    let report: Value = serde_json::from_str(verified.stdout.lines().next().unwrap()).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["kind"] == "missing"), "{report}");
    for row in &ids {
        let seq = row["seq"].as_u64().unwrap();
        let named = |finding: &Value| {
            let at = |end: usize| finding["events"][end].as_u64().unwrap();
            (at(0)..=at(1)).contains(&seq)
        };
        assert!(findings.iter().any(named), "{seq}: {report}");
    }
}
