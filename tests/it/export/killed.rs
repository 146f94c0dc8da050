//! The real program, killed with SIGKILL while it exports, over and over: what is exported in the end is whole, and nothing is there twice.
//!
//! `AUDITLAKE_CRASH_SEED` chooses the moments of the kills, as in `crash.rs`; a kill comes after so many complete files and a moment.

use std::{
    collections::BTreeMap,
    fs,
    path::Path as Folder,
    process::{Child, Stdio},
    time::Duration,
};

use futures::StreamExt as _;
use object_store::local::LocalFileSystem;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reqwest::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::support::{
    place::{Place, in_every_place},
    program,
    server::{Api, ROOT_KEY, Server},
};

const EVENTS: &str = "6000";
/// So many events are read at once, and each time a file ends: some hundred files.
const SMALL_PIECES: [(&str, &str); 3] = [
    ("AUDITLAKE_EXPORT__FILE_ROWS", "1"),
    ("AUDITLAKE_EXPORT__STRETCH_ROWS", "100"),
    ("AUDITLAKE_EXPORT__RETRY_MS", "1"),
];
/// A kill comes after at most so many more files.
const FILES_MAX: u64 = 12;
const KILLS_MIN: usize = 4;
/// An export that is not complete after so many does not go on, but begins anew.
const KILLS_MAX: usize = 40;
const TAKE_OVER: &[&str] = &["--take-over"];

fn random() -> ChaCha8Rng {
    let seed = std::env::var("AUDITLAKE_CRASH_SEED").map_or(1, |text| text.parse().unwrap());
    println!("AUDITLAKE_CRASH_SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

/// Not a wait for something to happen: the moment of the kill is what is chosen at random.
async fn random_moment(random: &mut ChaCha8Rng) {
    tokio::time::sleep(Duration::from_micros(random.random_range(0..20_000))).await;
}

/// Imports a company with one tenant of note; gives its id.
fn fill_place(place: &Place) -> String {
    let generate = ["generate", "--events", EVENTS, "--tenants", "1", "--days", "5"];
    let generated = program::run(program::command(&generate), b"");
    assert_eq!(generated.code, Some(0), "{}", generated.stderr);
    program::run(place.command(&["import", "-"]), generated.stdout.as_bytes()).quiet();
    place.sql("SELECT tenant_id AS id FROM events LIMIT 1")[0]["id"].as_str().unwrap().to_owned()
}

/// Every id that is stored, in the order of the log.
fn stored_ids(place: &Place, tenant: &str) -> Vec<String> {
    let sql = "SELECT id FROM events ORDER BY occurred_at, seq";
    let rows = place.run(&["sql", "--tenant", tenant, "--format", "ndjson", sql]).rows();
    rows.into_iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// All files below a folder, by name.
async fn files_of(objects: &dyn ObjectStore, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let mut listed = objects.list(Some(&Path::from(folder)));
    let mut files = BTreeMap::new();
    while let Some(object) = listed.next().await {
        let location = object.unwrap().location;
        let bytes = objects.get(&location).await.unwrap().bytes().await.unwrap();
        files.insert(location.filename().unwrap().to_owned(), bytes.to_vec());
    }
    files
}

/// The manifest's files are those that are there, with its hashes, and have the ids of `expected` in this order, each once.
fn assert_exported(mut files: BTreeMap<String, Vec<u8>>, expected: &[String]) {
    let manifest: Value = serde_json::from_slice(&files.remove("manifest.json").unwrap()).unwrap();
    let mut found = Vec::new();
    for file in manifest["files"].as_array().unwrap() {
        let bytes = files.remove(file["name"].as_str().unwrap()).unwrap_or_else(|| panic!("no {file}"));
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&file["sha256"], &file["bytes"]), (&json!(hash), &json!(bytes.len())), "{file}");
        let text = String::from_utf8(bytes).unwrap();
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(file["rows"], events.len());
        found.extend(ids(&events));
    }
    assert_eq!(files.into_keys().collect::<Vec<_>>(), Vec::<String>::new(), "files that the manifest lacks");
    assert_eq!(manifest["rows"], found.len());
    assert!(found == expected, "{} events were exported, {} are stored", found.len(), expected.len());
}

async fn ask(api: &Api, method: Method, path: &str, body: Option<Value>) -> Value {
    let request = api.request(method, path).bearer_auth(ROOT_KEY);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

in_every_place!(a_killed_server_goes_on_with_its_export, a_killed_command_is_called_again);

/// Would catch an export that a kill of the server leaves out of its queue, that begins anew with another state of the log, leaves out or
/// doubles what was on its way, or whose files are not those of its manifest.
async fn a_killed_server_goes_on_with_its_export(place: &Place) {
    let (mut random, tenant) = (random(), fill_place(place));
    let expected = stored_ids(place, &tenant);
    let mut launch = place.calm();
    launch.environment.extend(SMALL_PIECES.map(|(name, value)| (name, value.to_owned())));
    let mut server = Server::start(&launch, TAKE_OVER).await;
    let wanted = json!({"tenant_id": tenant, "format": "ndjson", "compression": "none"});
    let asked = ask(server.api(), Method::POST, "/v1/exports", Some(wanted)).await;
    let path = format!("/v1/exports/{}", asked["id"].as_str().unwrap());
    let mut kills = 0;
    let ended = loop {
        let status = ask(server.api(), Method::GET, &path, None).await;
        let files = |status: &Value| status["files"].as_array().unwrap().len() as u64;
        let target = files(&status) + random.random_range(0..=FILES_MAX);
        let mut now = status;
        while now["state"] != "completed" && files(&now) < target {
            assert!(["queued", "running"].contains(&now["state"].as_str().unwrap()), "{now}");
            tokio::task::yield_now().await;
            now = ask(server.api(), Method::GET, &path, None).await;
        }
        random_moment(&mut random).await;
        if now["state"] == "completed" {
            break now;
        }
        server.kill();
        kills += 1;
        assert!(kills < KILLS_MAX, "not complete after {kills} kills");
        // Something else is committed in between, and is none of the export's.
        let event = json!({"tenant_id": tenant, "id": format!("late-{kills}"), "action": "a", "occurred_at": "2026-01-02T00:00:00Z",
                           "actor": {"type": "user", "id": "u"}});
        server = Server::start(&launch, TAKE_OVER).await;
        ask(server.api(), Method::POST, "/v1/events", Some(event)).await;
    };
    assert!(kills >= KILLS_MIN, "only {kills} kills");
    println!("killed {kills} times, {} files", ended["files"].as_array().unwrap().len());
    assert_eq!(ended["rows"], expected.len());
    assert!(server.terminate().await.status.success());
    let folder = format!("exports/tenant={tenant}/{}/files", ended["id"].as_str().unwrap());
    assert_exported(files_of(&*place.objects().await, &folder).await, &expected);
}

/// Would catch a command that, killed and called again with the same folder, begins with another state of the log, leaves out or doubles
/// events, or leaves something of its own in the folder.
async fn a_killed_command_is_called_again(place: &Place) {
    let (mut random, tenant) = (random(), fill_place(place));
    let expected = stored_ids(place, &tenant);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out");
    let arguments = [
        "export",
        "--take-over",
        "--tenant",
        &tenant,
        "--format",
        "ndjson",
        "--compression",
        "none",
        "--to",
        to.to_str().unwrap(),
    ];
    let begin = || {
        let mut command = place.command(&arguments);
        command.envs(SMALL_PIECES).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut kills = 0;
    loop {
        let mut child = begin();
        let target = parts_in(&to) + random.random_range(1..=FILES_MAX);
        while parts_in(&to) < target && child.try_wait().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        random_moment(&mut random).await;
        if has_ended(&mut child) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(kills < KILLS_MAX, "not complete after {kills} kills");
        let late = format!(
            r#"{{"tenant_id": "{tenant}", "id": "late-{kills}", "action": "a", "occurred_at": "2026-01-02T00:00:00Z", "actor": {{"type": "u", "id": "u"}}}}"#
        );
        let import = program::run(place.command(&["import", "--take-over", "-"]), late.as_bytes());
        assert_eq!(import.code, Some(0), "{}", import.stderr);
    }
    assert!(kills >= KILLS_MIN, "only {kills} kills");
    println!("killed {kills} times, {} files", parts_in(&to));
    let entries = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let others: Vec<String> = entries.filter(|name| !is_part(name) && name != "manifest.json").collect();
    assert_eq!(others, Vec::<String>::new());
    assert_exported(files_of(&LocalFileSystem::new_with_prefix(&to).unwrap(), "").await, &expected);
}

/// Whether it has ended by itself, which must then be well.
fn has_ended(child: &mut Child) -> bool {
    let Some(status) = child.try_wait().unwrap() else { return false };
    let mut said = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert!(status.success(), "{said}");
    true
}

fn is_part(name: &str) -> bool {
    name.starts_with("part-") && name.ends_with(".ndjson")
}

/// Complete files in a folder, which may not be there yet.
fn parts_in(folder: &Folder) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_part)))
        .count() as u64
}
