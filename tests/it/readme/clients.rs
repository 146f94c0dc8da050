//! The README's clients, copied and used: Python and TypeScript, each with a few lines that call it, against a real server.
//!
//! Guaranteed: what stands in the README is what runs; of TypeScript, without its types, as every `node` understands it. Where
//! `python3` or `node` is not here, nothing is run, and the test says so.

use std::{fs, process::Command};

use serde_json::json;

use super::{fence::fences, is_there, readme};
use crate::support::{
    place::Place,
    server::{ROOT_KEY, Server},
};

/// Sends three events of which one is bad, twice, and reads two pages; then does what must not go well.
const PYTHON: &str = r#"
import sys

def event(id, action="document.delete"):
    return {"id": id, "tenant_id": "acme", "action": action, "occurred_at": "2025-03-01T12:00:00Z",
            "actor": {"type": "user", "id": "u_1"}}

url, key = sys.argv[1:]
for _ in range(2):
    refused = send(url, key, [event("one"), event("two", "user.login"), event("bad", "")])
    assert [(each["id"], each["errors"][0]["pointer"]) for each in refused] == [("bad", "/action")], refused
assert [each["index"] for each in send(url, key, [event("bad", "")])] == [0]
read_by = lambda **filters: [each["id"] for each in read(url, key, tenant_id="acme", **filters)]
assert read_by(limit=1, order="asc") == ["one", "two"], read_by(limit=1, order="asc")
assert read_by(action=["document.*", "nothing"]) == ["one"]
assert read_by(action="nothing") == [] and len(list(read(url, key))) == 2
for wrong in (lambda: send(url, "wrong", [event("three")]), lambda: list(read(url, "wrong"))):
    try:
        wrong()
    except urllib.error.HTTPError as problem:
        assert problem.code == 401
    else:
        raise AssertionError("a wrong key opens something")
"#;

/// Reads what is there, page by page; then with a wrong key.
const TYPESCRIPT: &str = r#"
const [url, key] = process.argv.slice(2), ids = [];
for await (const event of read(url, key, { tenant_id: "acme", limit: "1", order: "asc" })) ids.push(event.id);
if (ids.join() !== "one,two") throw new Error(`read ${ids}`);
const refused = await read(url, "wrong", {}).next().catch((error) => error.message);
if (refused !== "the key is not known") throw new Error(`a wrong key is told ${refused}`);
"#;

/// The types of the client in TypeScript, the longer ones first: without them it is JavaScript.
const TYPES: [&str; 3] = [": Record<string, string> | null", ": Record<string, string>", ": string"];

/// The only block of a language.
fn client(language: &str) -> String {
    let text = readme();
    let found = fences(&text).into_iter().filter(|fence| fence.language == language);
    let found: Vec<String> =
        found.map(|fence| fence.text).filter(|text| text.contains(" read(url")).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    found.concat()
}

/// Runs a script, which is told where the server is, and the key.
fn run(server: &Server, interpreter: &str, name: &str, script: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, script).unwrap();
    let mut command = Command::new(interpreter);
    command.arg(&file).args([server.api().address(), ROOT_KEY]).env("no_proxy", "*");
    let ended = command.output().unwrap();
    let said = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(ended.status.success(), "{name}: {}{}\n{}", said[0], said[1], server.stderr());
}

/// Would catch a client in Python that a user copies and that does not work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_sends_and_reads() {
    if is_there("python3") {
        let place = Place::folder();
        let server = Server::start(&place.calm(), &[]).await;
        run(&server, "python3", "client.py", &(client("python") + PYTHON));
    }
}

/// Would catch a client in TypeScript that a user copies and that does not work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typescript_client_reads() {
    if is_there("node") {
        let place = Place::folder();
        let server = Server::start(&place.calm(), &[]).await;
        let event = |id: &str| {
            json!({"id": id, "tenant_id": "acme", "action": "user.login", "occurred_at": "2025-03-01T12:00:00Z",
                   "actor": {"type": "user", "id": "u_1"}})
        };
        let stored = server.api().post("/v1/events").json(&json!([event("one"), event("two")])).send().await;
        assert_eq!(stored.unwrap().status(), 201);
        let script = TYPES.iter().fold(client("ts"), |script, of_type| script.replace(of_type, ""));
        run(&server, "node", "client.mjs", &(script + TYPESCRIPT));
    }
}
