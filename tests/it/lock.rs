//! S3 Object Lock: what is locked and until when, what happens to what a lock keeps, and legal holds of what was there before.

mod earlier;
mod kept;
mod program;
mod writers;

use std::{collections::BTreeMap, sync::Arc};

use auditlake::{
    config::Config,
    control::{Change, TenantSettings},
    error::ErrorKind,
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, Decoded, decode},
    },
    paths::TableLayout,
    retention::append_only,
    server::{Access, Lake},
    store::{self, Settings, Store},
    table::{Pace, Table},
    telemetry::Clock,
};
use chrono::{DateTime, Days, NaiveDate, Utc};
use object_store::{ObjectStoreExt as _, PutPayload, path::Path};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    older_layout,
    support::{
        lake::{START_MICROS, append, compact, config, count, event},
        locked::{Kind, Locks, ObjectLock},
        s3::{BUCKET, S3Server},
    },
};

const DAY_MICROS: i64 = 24 * 3_600_000_000;
/// Where the store is in its bucket.
const PREFIX: &str = "some/prefix";

/// A lake in a bucket with Object Lock.
struct Locked {
    lake: Lake,
    layout: TableLayout,
    clock: Clock,
    locks: Locks,
    server: S3Server,
}

fn settings(server: &S3Server, object_lock: store::ObjectLock) -> Settings {
    let mut settings = server.settings();
    settings.s3.object_lock = object_lock;
    settings.retries_max = 0;
    settings
}

impl Locked {
    async fn open(kind: Kind, config: Config) -> Self {
        Self::open_at(kind, START_MICROS, config).await
    }

    async fn open_at(kind: Kind, micros: i64, config: Config) -> Self {
        let clock = Clock::manual(micros);
        Self::start(kind, clock, config, TableLayout::Plain).await
    }

    /// A store that is new, or one that was made before.
    async fn of_layout(kind: Kind, layout: TableLayout) -> Self {
        Self::start(kind, Clock::manual(START_MICROS), config(), layout).await
    }

    async fn start(kind: Kind, clock: Clock, config: Config, layout: TableLayout) -> Self {
        let locks = Locks::new(kind, &clock);
        let server = S3Server::start_locking(&locks);
        if layout == TableLayout::Hive {
            let store = server.store(PREFIX).await.unwrap();
            store.put(&older_layout::document(), older_layout::OLDER.into()).await.unwrap();
        }
        let lake = open(&server, &clock, config).await;
        assert_eq!(lake.tables().layout(), layout);
        Self { lake, layout, clock, locks, server }
    }

    /// The same store in another process.
    async fn reopened(self, config: Config) -> Self {
        self.lake.close().await.unwrap();
        let lake = open(&self.server, &self.clock, config).await;
        Self { lake, ..self }
    }

    async fn set(&self, name: &str, settings: TenantSettings) {
        let change = Change::TenantSet { id: tenant(name), settings };
        self.lake.control().change("root", |_| Ok((change.clone(), ()))).await.unwrap();
    }

    /// Accepts and commits `count` events of a tenant, of one day.
    async fn commit(&self, name: &str, day: &str, count: usize) {
        let events: Vec<Value> = (0..count)
            .map(|number| {
                let mut event = event(None, &format!("number {number}"));
                event["tenant_id"] = name.into();
                event["occurred_at"] = format!("{day}T12:00:00Z").into();
                event
            })
            .collect();
        let ingest = self.lake.ingest().unwrap();
        let accepted = append(ingest, decoded(&events, &self.clock)).await.unwrap();
        assert_eq!(accepted.accepted, count, "{:?}", accepted.rejected);
        ingest.flush().await.unwrap();
    }

    async fn table(&self, name: &str) -> Arc<Table> {
        self.lake.tables().get(&tenant(name)).await.unwrap().unwrap()
    }

    /// The folder of a tenant's table.
    fn folder(&self, name: &str) -> String {
        self.layout.table(&tenant(name)).to_string()
    }

    /// What the bucket shows of the store, by key in it.
    fn shown(&self) -> BTreeMap<String, ObjectLock> {
        self.locks.shown(&format!("{PREFIX}/"))
    }
}

async fn open(server: &S3Server, clock: &Clock, config: Config) -> Lake {
    let url = format!("s3://{BUCKET}/{PREFIX}");
    let store = Store::open(&url, &settings(server, store::ObjectLock::Compliance)).await.unwrap();
    Lake::open_on(store, clock.clone(), config, Access::Write { take_over: true }).await.unwrap()
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn decoded(events: &[Value], clock: &Clock) -> Decoded {
    let body = serde_json::to_vec(events).unwrap();
    let context = DecodeContext::new(None, clock.now_micros());
    decode(&body, BodyFormat::Json, &context).unwrap()
}

fn days(lock_days: u32) -> TenantSettings {
    TenantSettings { lock_days: Some(lock_days), ..TenantSettings::default() }
}

fn midnight(day: &str) -> DateTime<Utc> {
    day.parse::<NaiveDate>().unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc()
}

/// Would catch an object of a table or a tree that is there without its lock, a date by which retention could not remove what it
/// should, a lock on what must be deleted each minute, and a signature that does not hold for the new headers (the server checks it).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_trees_are_locked_and_nothing_else_is() {
    let locked = Locked::open(Kind::Hides, config()).await;
    locked.set("acme", days(30)).await;
    locked.set("held", TenantSettings { legal_hold: true, ..days(30) }).await;
    locked.set("only-held", TenantSettings { legal_hold: true, ..TenantSettings::default() }).await;
    for name in ["acme", "held", "only-held", "free"] {
        // The first of the two days is past its lock.
        locked.commit(name, "2026-09-01", 3).await;
        locked.commit(name, "2026-10-30", 300).await;
        locked.commit(name, "2026-10-30", 3).await;
        locked.table(name).await.maintain(Pace::InUse).await.unwrap();
    }
    compact(&locked.lake).await;
    let now = locked.clock.now();
    let from_now = now.checked_add_days(Days::new(30));
    let by_day = Some(midnight("2026-11-30"));
    let lock = |until: Option<DateTime<Utc>>, hold| ObjectLock {
        mode: until.map(|_| "COMPLIANCE".to_owned()),
        until,
        hold,
    };
    let mut seen = BTreeMap::<&str, usize>::new();
    let shown = locked.shown();
    for (key, found) in &shown {
        let of_tenant = key.strip_prefix("events/").or_else(|| key.strip_prefix("proof/tenant="));
        let (tenant, rest) =
            of_tenant.map_or(("", key.as_str()), |of_tenant| of_tenant.split_once('/').unwrap());
        let (days, hold) = match tenant {
            "acme" => (true, false),
            "held" => (true, true),
            "only-held" => (false, true),
            _ => (false, false),
        };
        let (kind, until) = match rest {
            old if old.starts_with("day=2026-09-01/") => ("old data", None),
            data if data.starts_with("day=2026-10-30/") => ("data", by_day),
            log if log.contains(".checkpoint") => ("checkpoint of the log", from_now),
            "_delta_log/_last_checkpoint" => ("pointer", from_now),
            log if log.starts_with("_delta_log/") => ("log", from_now),
            tile if tile.starts_with("tile/") => ("tile", from_now),
            "checkpoint" => ("copy", from_now),
            note if note.starts_with("checkpoints/") => ("checkpoint", from_now),
            other if tenant.is_empty() => ("other", from_now.filter(|_| !other.is_empty())),
            other => panic!("{other}"),
        };
        assert_eq!(*found, lock(until.filter(|_| days), hold), "{key}");
        if tenant == "acme" || tenant.is_empty() {
            *seen.entry(kind).or_default() += 1;
        }
    }
    let kinds = [
        "checkpoint",
        "checkpoint of the log",
        "copy",
        "data",
        "log",
        "old data",
        "other",
        "pointer",
        "tile",
    ];
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), kinds, "{shown:#?}");
    for folder in ["wal/", "index/", "control/", "proof/deployment.json", "proof/keys/"] {
        let known = |key: &String| {
            key.starts_with(folder) || locked.locks.versions("").iter().any(|(it, _)| it.contains(folder))
        };
        assert!(shown.keys().any(known), "nothing of {folder} was written");
    }
    assert_eq!(count(&locked.lake).await, 4 * 306);
}

/// Would catch a file of more than one part that is locked only once somebody looks, and parts that S3 refuses for want of a digest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_many_parts_are_locked() {
    let locked = Locked::open(Kind::Refuses, config()).await;
    locked.set("acme", days(30)).await;
    let objects = locked.lake.store().object_store();
    let path = Path::from("events/acme/day=2026-10-30/large.parquet");
    let mut upload = objects.put_multipart(&path).await.unwrap();
    for letter in ["a", "b"] {
        let part = PutPayload::from(letter.repeat(5 * 1024 * 1024).into_bytes());
        upload.put_part(part).await.unwrap();
    }
    upload.complete().await.unwrap();
    let lock = &locked.shown()[path.as_ref()];
    assert_eq!(lock.until, Some(midnight("2026-11-30")));
    let stored = objects.get(&path).await.unwrap().bytes().await.unwrap();
    assert_eq!((stored.len(), stored[0], stored[stored.len() - 1]), (10 * 1024 * 1024, b'a', b'b'));
    // An upload that is given up leaves nothing.
    let mut upload =
        objects.put_multipart(&Path::from("events/acme/day=2026-10-30/b.parquet")).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!(locked.shown().keys().filter(|key| key.contains("day=")).count(), 1);
}

/// Would catch a server that starts and locks nothing although it was told to, and one that does not say why it does not start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_lock_is_refused() {
    let clock = Clock::manual(START_MICROS);
    let url = format!("s3://{BUCKET}/{PREFIX}");
    let without = S3Server::start_locking(&Locks::new(Kind::Unlocked, &clock));
    let unknown = S3Server::start();
    for server in [&without, &unknown] {
        let error = Store::open(&url, &settings(server, store::ObjectLock::Governance)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.to_string().contains("the bucket has no Object Lock"), "{error}");
        let store = Store::open(&url, &settings(server, store::ObjectLock::Off)).await.unwrap();
        assert!(!store.locks());
    }
    let folder = tempfile::tempdir().unwrap();
    for location in [folder.path().to_str().unwrap(), "memory://"] {
        let error =
            Store::open(location, &settings(&without, store::ObjectLock::Compliance)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.to_string().contains("object_store.s3.object_lock"), "{error}");
    }
}

/// Would catch a table that says it only grows while retention removes from it, one that never says so, and retention that an
/// append-only table brings to a halt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_say_whether_anything_is_removed() {
    let locked = Locked::open(Kind::Refuses, config()).await;
    let keeps =
        |retention_days, legal_hold| TenantSettings { retention_days, legal_hold, ..Default::default() };
    locked.set("acme", keeps(Some(10), false)).await;
    for name in ["acme", "free"] {
        locked.commit(name, "2026-10-28", 3).await;
        locked.commit(name, "2026-10-30", 3).await;
    }
    let stop = CancellationToken::new();
    let declare = async || {
        append_only::declare(locked.lake.tables(), locked.lake.control(), &stop).await.unwrap().changed
    };
    let says = async || {
        let says = async |name| locked.table(name).await.snapshot().append_only;
        (says("acme").await, says("free").await)
    };
    assert_eq!((declare().await, says().await), (1, (false, true)));
    assert_eq!(declare().await, 0);
    // Compaction only moves events.
    assert!(compact(&locked.lake).await.failures.is_empty());
    locked.set("acme", keeps(Some(3), true)).await;
    locked.set("free", keeps(Some(3), false)).await;
    // Nobody had time to tell the tables.
    locked.clock.advance(DAY_MICROS);
    let expired = kept::expire(&locked.lake).await;
    assert_eq!((expired, says().await), (vec![("free".to_owned(), 3)], (false, false)));
    assert_eq!((declare().await, says().await), (1, (true, false)));
    locked.set("acme", keeps(Some(3), false)).await;
    let expired = kept::expire(&locked.lake).await;
    assert_eq!((expired, says().await), (vec![("acme".to_owned(), 3)], (false, false)));
    assert_eq!(count(&locked.lake).await, 6);
}
