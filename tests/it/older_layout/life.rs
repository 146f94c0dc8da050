//! The whole life of a store from before, by the real program: what reads it, what is taken out of it, what leaves it.

use std::fs;

use reqwest::Method;
use url::Url;

use super::*;
use crate::{
    cells,
    support::server::{ROOT_KEY, Server},
};

/// Events of each tenant in each import.
const EVENTS: usize = 90;
const IMPORTS: usize = 3;
/// All that acme has: a third of it is Ana's, a third of each day.
const ALL: usize = EVENTS * IMPORTS;

in_every_place!(everything_works_on_a_store_from_before);

/// Events of three days of acme, in which Ana acts, and of bolt, of which a day is long ago.
fn lines(part: usize) -> String {
    let event = |tenant: &str, number: usize| {
        let day = match (tenant, number % 3) {
            ("bolt", 0) => "2000-01-01".to_owned(),
            (_, day) => format!("2026-01-0{}", 1 + day),
        };
        let (id, name) = [("ana", "Ana Nowak"), ("bob", "Bob Smith"), ("eve", "Eve Jones")][number / 3 % 3];
        let action = ["user.login", "user.logout"][number % 2];
        json!({
            "tenant_id": tenant, "id": format!("{part}-{number}"), "action": action,
            "occurred_at": format!("{day}T03:04:05Z"), "actor": {"type": "user", "id": id, "name": name},
            "targets": [{"type": "document", "id": format!("d_{number}")}],
        })
        .to_string()
    };
    let lines: Vec<String> = ["acme", "bolt"]
        .iter()
        .flat_map(|tenant| (0..EVENTS).map(move |number| event(tenant, number)))
        .collect();
    lines.join("\n")
}

/// A store as it was before there was a document of its layout.
async fn made_before(place: &Place, objects: &dyn ObjectStore) {
    objects.put(&document(), OLDER.into()).await.unwrap();
    let server = Server::start(&place.calm(), &[]).await;
    let sealed = json!({"sealed_fields": ["actor.name"]});
    ask(&server, Method::PATCH, "/v1/tenants/acme", Some(&sealed)).await;
    assert!(server.terminate().await.status.success());
    for part in 0..IMPORTS {
        program::run(place.command(&["import", "-"]), lines(part).as_bytes()).quiet();
    }
    objects.delete(&document()).await.unwrap();
}

async fn ask(server: &Server, method: Method, path: &str, body: Option<&Value>) -> Value {
    let mut request = server.api().request(method, path).bearer_auth(ROOT_KEY);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let answer: Value = answer.json().await.unwrap();
    assert!(status.is_success(), "{path}: {answer}");
    answer
}

fn table_url(place: &Place) -> String {
    let shown: Value = serde_json::from_str(&place.run(&["table", "show", "acme"]).quiet().stdout).unwrap();
    shown["location"].as_str().unwrap().to_owned()
}

/// The rows that the list of live files promises, each of which has to be there.
async fn listed_rows(place: &Place, objects: &dyn ObjectStore) -> u64 {
    let listed = place.run(&["table", "files", "acme", "--format", "json"]).quiet().stdout;
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let folder = TableLayout::Hive.table(&TenantId::parse("acme").unwrap());
    let mut rows = 0;
    for file in &listed {
        let path = file["path"].as_str().unwrap();
        assert!(file["url"].as_str().unwrap().ends_with(&format!("{folder}/{path}")), "{file}");
        let object = objects.head(&folder.data_file(path)).await.unwrap();
        assert_eq!(file["bytes"], object.size);
        rows += file["rows"].as_u64().unwrap();
    }
    rows
}

/// Would catch a part of the program that looks for tables where newer stores have them: exports, erasures, retention, legal holds, the
/// skip index made anew, snippets, compaction, verification.
async fn everything_works_on_a_store_from_before(place: &Place) {
    let objects = place.objects().await;
    made_before(place, &*objects).await;
    served(place).await;
    expired(place);
    exported(place);

    let files: Vec<Key> =
        objects.list(Some(&Key::from("index"))).map_ok(|object| object.location).try_collect().await.unwrap();
    assert!(!files.is_empty());
    for file in files {
        objects.delete(&file).await.unwrap();
    }
    for command in [&["compact", "--rebuild-index"][..], &["compact"]] {
        place.run(command).quiet();
        assert_eq!(listed_rows(place, &*objects).await, ALL as u64);
        let found =
            place.sql("SELECT id FROM events WHERE array_has(target_ids, 'd_7') AND tenant_id = 'acme'");
        assert_eq!(found.len(), IMPORTS);
    }
    let verified = place.run(&["verify"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    assert_eq!(folders(&*objects).await, ["tenant=acme", "tenant=bolt"]);
    snippets(place).await;
}

/// What a server does: erase a person, export, tell where the table is.
async fn served(place: &Place) {
    let server = Server::start(&place.calm(), &[]).await;
    let wanted = json!({"tenant_id": "acme", "actor_id": "ana"});
    let asked = ask(&server, Method::POST, "/v1/erasures", Some(&wanted)).await;
    let path = format!("/v1/erasures/{}?wait_seconds=60", asked["id"].as_str().unwrap());
    let erased = ask(&server, Method::GET, &path, None).await;
    assert_eq!(erased["events"], ALL / 3, "{erased}");
    let names = "SELECT actor_id, count(*) AS n, count(actor_name) AS named FROM events \
                 WHERE tenant_id = 'acme' GROUP BY 1 ORDER BY 1";
    let third = ALL / 3;
    let expected = json!([
        {"actor_id": "ana", "n": third, "named": 0},
        {"actor_id": "bob", "n": third, "named": third},
        {"actor_id": "eve", "n": third, "named": third},
    ]);
    assert_eq!(json!(server.api().sql(names).await), expected);

    let wanted = json!({"tenant_id": "acme", "format": "parquet"});
    let asked = ask(&server, Method::POST, "/v1/exports", Some(&wanted)).await;
    let path = format!("/v1/exports/{}?wait_seconds=60", asked["id"].as_str().unwrap());
    let ended = ask(&server, Method::GET, &path, None).await;
    assert_eq!((&ended["state"], &ended["rows"]), (&json!("completed"), &json!(ALL)), "{ended}");

    let page = ask(&server, Method::GET, "/v1/tenants/acme/table/files?first_day=2026-01-02", None).await;
    let rows: u64 = page["files"].as_array().unwrap().iter().map(|file| file["rows"].as_u64().unwrap()).sum();
    assert_eq!(rows as usize, ALL / 3 * 2, "{page}");
    assert!(server.terminate().await.status.success());
}

/// A day that is no longer kept goes, unless a legal hold keeps it.
fn expired(place: &Place) {
    let set = |more: &[&str]| place.run(&[&["tenant", "set", "bolt"], more].concat()).quiet();
    set(&["--retention-days", "9000", "--legal-hold", "true"]);
    assert_eq!(place.run(&["retention"]).quiet().stdout, "nothing has expired\n");
    set(&["--legal-hold", "false"]);
    let said = place.run(&["retention"]).quiet().stdout;
    // In how many files it was, a server's compaction decides.
    assert!(said.starts_with("bolt: 1 day removed, 2000-01-01 to 2000-01-01: "), "{said}");
    assert!(said.contains(&format!(", {} events, ", ALL / 3)), "{said}");
    let left = place.sql("SELECT count(*) AS n FROM events WHERE tenant_id = 'bolt'");
    assert_eq!(left, [json!({"n": ALL / 3 * 2})]);
}

fn exported(place: &Place) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("acme");
    let export = ["export", "--tenant", "acme", "--format", "ndjson", "--compression", "none", "--to"];
    let exported = place.run(&[&export[..], &[to.to_str().unwrap()]].concat());
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let text = fs::read_to_string(to.join("part-00001.ndjson")).unwrap();
    assert_eq!(text.lines().count(), ALL);
    assert!(text.contains("Bob Smith") && !text.contains("Ana Nowak"));
}

/// What the API says to paste is run by the programs that are there.
async fn snippets(place: &Place) {
    let Some(python) = readers::python(readers::IMPORTS_OF_SCRIPT) else { return };
    let server = Server::start(&place.calm(), &[]).await;
    let table = ask(&server, Method::GET, "/v1/tenants/acme/table", None).await;
    assert_eq!(table["location"], table_url(place));
    // chDB reads below its working folder only.
    let folder = Url::parse(table["location"].as_str().unwrap()).unwrap().to_file_path();
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = folder.as_deref().unwrap_or(elsewhere.path());
    for (program, printed) in cells::run_snippets(&python, &table, folder, place.environment()) {
        let half = (ALL / 2).to_string();
        assert!(printed.contains("user.login") && printed.contains(&half), "{program}: {printed}");
    }
    assert!(server.terminate().await.status.success());
}
