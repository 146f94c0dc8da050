//! Files of continuous exports that are kept here: a client that follows them gets each, whole and once, while deliveries go on; only
//! of its own tenant, and nothing else of the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use deltalake_core::DeltaTableBuilder;
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{ask, continuous::until, event, exports::key_of, refused, store};
use crate::{
    continuous::ids_of,
    support::{
        place::{Place, in_every_place},
        server::{LOOK_EVERY, Server},
    },
};

const AT: &str = "/v1/exports/continuous";
/// Of what was there before, and of each batch that comes.
const BATCH: usize = 1_000;
const BATCHES: usize = 3;

in_every_place!(a_client_follows_the_files, a_delta_table_is_mirrored);

fn with_key(server: &Server, key: &str, path: &str) -> RequestBuilder {
    server.api().request(Method::GET, path).bearer_auth(key)
}

async fn make(server: &Server, key: &str, wanted: &Value) -> String {
    let made = ask(server.api().request(Method::POST, AT).bearer_auth(key).json(wanted)).await;
    assert_eq!(made.0, 201, "{}", made.1);
    made.1["id"].as_str().unwrap().to_owned()
}

/// Events of two days.
fn batch(number: usize) -> Vec<Value> {
    let one = |nth: usize| {
        let mut event = event("acme", &format!("e{number}-{nth}"));
        event["occurred_at"] = format!("2025-03-0{}T12:00:00Z", 1 + nth % 2).into();
        event
    };
    (0..BATCH).map(one).collect()
}

fn all_ids() -> BTreeSet<String> {
    (0..=BATCHES).flat_map(|number| (0..BATCH).map(move |nth| format!("e{number}-{nth}"))).collect()
}

fn is_as_listed(file: &Value, bytes: &[u8]) {
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((file["sha256"].as_str(), file["bytes"].as_u64()), (Some(&*hash), Some(bytes.len() as u64)));
}

/// A client that keeps what it fetched.
struct Mirror<'a> {
    server: &'a Server,
    key: &'a str,
    id: &'a str,
    /// Each file as it was listed, and its bytes.
    files: BTreeMap<String, (Value, Bytes)>,
    delivery: u64,
}

impl<'a> Mirror<'a> {
    fn new(server: &'a Server, key: &'a str, id: &'a str) -> Self {
        Self { server, key, id, files: BTreeMap::new(), delivery: 0 }
    }

    async fn file(&self, name: &str) -> Option<Bytes> {
        let path = format!("{AT}/{}/files/{name}", self.id);
        let answer = with_key(self.server, self.key, &path).send().await.unwrap();
        match answer.status().as_u16() {
            200 => Some(answer.bytes().await.unwrap()),
            404 => None,
            other => panic!("{other} for {name}"),
        }
    }

    /// Fetches what it does not have, page after page.
    async fn advance(&mut self) {
        let mut next = Some(format!("{AT}/{}/files?limit=2&after_delivery={}", self.id, self.delivery));
        while let Some(path) = next {
            let answer = with_key(self.server, self.key, &path).send().await.unwrap();
            let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            let page: Value = answer.json().await.unwrap();
            let files = page["files"].as_array().unwrap_or_else(|| panic!("{page}"));
            assert!(files.len() <= 2);
            for file in files {
                let name = file["name"].as_str().unwrap();
                let bytes = self.file(name).await.unwrap();
                is_as_listed(file, &bytes);
                assert!(self.delivery <= file["delivery"].as_u64().unwrap(), "{file}");
                self.delivery = file["delivery"].as_u64().unwrap();
                let before = self.files.insert(name.to_owned(), (file.clone(), bytes));
                assert!(before.is_none(), "{name} is listed twice");
            }
            next = link.map(|link| {
                let path = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
                path.unwrap().to_owned()
            });
            assert_eq!(next.is_some(), page["next_cursor"].is_string());
        }
    }

    /// Ids of the events of all files, which are of NDJSON.
    fn ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for (name, (file, bytes)) in &self.files {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let events: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
            let seqs = || events.iter().map(|event| event["seq"].as_u64().unwrap());
            assert_eq!(file["rows"], events.len());
            assert_eq!((&file["seq_min"], &file["seq_max"]), (&json!(seqs().min()), &json!(seqs().max())));
            let day = events[0]["occurred_at"].as_str().unwrap();
            assert!(name.starts_with(&format!("day={}/", &day[..10])), "{name}");
            assert!(file["first_occurred_at"].as_str().unwrap().starts_with(&day[..10]), "{file}");
            ids.extend(events.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
        }
        ids
    }
}

/// What happens while a client follows: more comes, and is delivered as soon as it is enough.
async fn meanwhile(server: &Server) {
    for number in 1..=BATCHES {
        store(server, &batch(number)).await;
    }
}

/// Follows until `done`.
async fn follow(mirror: &mut Mirror<'_>, done: impl Fn(&Mirror<'_>) -> bool) {
    let followed = async {
        while !done(mirror) {
            mirror.advance().await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(90), followed).await.expect("it gets there");
}

/// Would catch a file that a client who follows the list never sees, sees twice, or gets with other bytes than the list says, while
/// deliveries go on; another tenant's that is seen; and a name that opens anything but a file of the export.
async fn a_client_follows_the_files(place: &Place) {
    let server = Server::start(&place.busy(), &[]).await;
    store(&server, &batch(0)).await;
    store(&server, &[event("other", "secret")]).await;
    let (key, other) = (key_of(&server, "acme", "export").await, key_of(&server, "other", "export").await);
    let layout = json!({
        "layout": {"type": "files"}, "format": "ndjson", "compression": "none", "rows_max": BATCH, "from": "2025-01-01",
    });
    let id = make(&server, &key, &layout).await;
    let mut mirror = Mirror::new(&server, &key, &id);
    let rows = |mirror: &Mirror<'_>| {
        mirror.files.values().map(|(file, _)| file["rows"].as_u64().unwrap()).sum::<u64>()
    };
    let all = ((1 + BATCHES) * BATCH) as u64;
    tokio::join!(meanwhile(&server), follow(&mut mirror, |mirror| rows(mirror) == all));
    let ids = mirror.ids();
    assert_eq!((ids.len(), ids.into_iter().collect()), (all as usize, all_ids()));
    let at = format!("{AT}/{id}");
    let status = until(&server, &key, &id, |status| status["rows"] == all).await;
    let bytes: usize = mirror.files.values().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!((&status["files"], &status["bytes"]), (&json!(mirror.files.len()), &json!(bytes)));

    let (name, (_, whole)) = mirror.files.first_key_value().unwrap();
    let path = format!("{at}/files/{name}");
    let part = with_key(&server, &key, &path).header("range", "bytes=10-19").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 10-19/{}", whole.len()));
    assert_eq!(part.headers()["content-type"], "application/x-ndjson");
    assert_eq!(part.bytes().await.unwrap(), whole[10..20]);
    let beyond = with_key(&server, &key, &path).header("range", "bytes=9999999-");
    refused(beyond, 416, "range-not-satisfiable").await;
    let url = format!("{at}/file-urls/{name}?seconds=60");
    match place.s3_server() {
        None => drop(refused(with_key(&server, &key, &url), 422, "invalid").await),
        Some(_) => {
            let (status, signed) = ask(with_key(&server, &key, &url)).await;
            assert_eq!(status, 200, "{signed}");
            let client = Client::builder().no_proxy().build().unwrap();
            let got = client.get(signed["url"].as_str().unwrap()).send().await.unwrap();
            assert_eq!(got.bytes().await.unwrap(), whole);
        }
    }

    // What is not a file of it, however it is written.
    for wrong in [
        "..%2Ftenant=acme%2Forigin.json".to_owned(),
        format!("..%2F..%2F{id}%2Ffiles%2F{}", name.replace('/', "%2F")),
        "%252e%252e%2Ftenant=acme%2Forigin.json".to_owned(),
        format!("day=2025-03-01%2F..%2F{}", name.replace('/', "%2F")),
        format!("%2F{name}"),
        format!("{name}%2F"),
        format!("{name}%00"),
        "day=2025-03-01".to_owned(),
        "day=2025-03-01//x".to_owned(),
        "..%5Ctenant=acme%5Corigin.json".to_owned(),
    ] {
        for what in ["files", "file-urls"] {
            refused(with_key(&server, &key, &format!("{at}/{what}/{wrong}")), 404, "not-found").await;
        }
    }
    // Of another tenant it is not there, in whatever way it is asked for.
    let reader = key_of(&server, "acme", "read").await;
    for path in [format!("{at}/files"), path.clone(), format!("{at}/file-urls/{name}")] {
        let (_, theirs) = refused(with_key(&server, &other, &path), 404, "not-found").await;
        let nobodys = path.replace(&id, "sub_00000000000000000000000000000000");
        let (_, none) = refused(with_key(&server, &key, &nobodys), 404, "not-found").await;
        assert_eq!(
            theirs["detail"].as_str().unwrap().replace(&id, ""),
            none["detail"].as_str().unwrap().replace("sub_00000000000000000000000000000000", "")
        );
        refused(with_key(&server, &reader, &path), 403, "forbidden").await;
    }
    refused(with_key(&server, &key, &format!("{at}/files?tenant_id=other")), 404, "not-found").await;
    // A cursor is of one export, and says from where on.
    let (_, page) = ask(with_key(&server, &key, &format!("{at}/files?limit=1"))).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let second = make(&server, &key, &layout).await;
    refused(with_key(&server, &key, &format!("{AT}/{second}/files?cursor={cursor}")), 400, "bad-request")
        .await;
    let twice = format!("{at}/files?cursor={cursor}&after_delivery=1");
    refused(with_key(&server, &key, &twice), 400, "bad-request").await;
    let (_, problem) =
        refused(with_key(&server, &key, &format!("{at}/files?after_delivery=x")), 400, "bad-request").await;
    assert_eq!(problem["parameter"], "after_delivery");

    let ended = server.api().request(Method::DELETE, &at).bearer_auth(&key).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    refused(with_key(&server, &key, &path), 404, "not-found").await;
}

/// Would catch a Delta table that a client cannot put together from what it fetches: a file of it that is not to be had, or one that its
/// log names and the list does not.
async fn a_delta_table_is_mirrored(place: &Place) {
    let server = Server::start(&place.busy(), &[]).await;
    store(&server, &batch(0)).await;
    let key = key_of(&server, "acme", "export").await;
    let wanted = json!({"layout": {"type": "delta"}, "rows_max": BATCH, "from": "2025-01-01"});
    let id = make(&server, &key, &wanted).await;
    let mut mirror = Mirror::new(&server, &key, &id);
    let mut log: Vec<Bytes> = Vec::new();
    let mirrored = async {
        loop {
            // First what the table says, then the files that it may speak of.
            while let Some(entry) = mirror.file(&format!("_delta_log/{:020}.json", log.len())).await {
                log.push(entry);
            }
            mirror.advance().await;
            let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            for (number, entry) in log.iter().enumerate() {
                let path = Path::from(format!("_delta_log/{number:020}.json"));
                objects.put(&path, entry.clone().into()).await.unwrap();
            }
            if log.is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            let root = Url::parse("memory:///").unwrap();
            let builder = DeltaTableBuilder::from_url(root.clone()).unwrap();
            let table = builder.with_storage_backend(objects, root).load().await.unwrap();
            let mut ids = Vec::new();
            for file in table.snapshot().unwrap().log_data().iter() {
                let (listed, bytes) = &mirror.files[file.path().as_ref()];
                assert_eq!(file.size(), bytes.len() as i64);
                assert_eq!(listed["rows"], json!(file.num_records()));
                ids.extend(ids_of(bytes.clone()));
            }
            if ids.len() == (1 + BATCHES) * BATCH {
                return ids;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let patience = std::time::Duration::from_secs(90);
    let ((), ids) = tokio::join!(meanwhile(&server), tokio::time::timeout(patience, mirrored));
    assert_eq!(ids.expect("it gets there").into_iter().collect::<BTreeSet<_>>(), all_ids());
}
