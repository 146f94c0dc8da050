//! The store: the same suite on a folder, in memory and on S3 over HTTP; then what only S3 can do wrong; then the
//! faulty store that other tests rely on.

use std::sync::Arc;

use auditlake::{
    error::ErrorKind,
    store::{PutOutcome, S3Settings, Settings, Store},
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::join_all, stream};
use hyper::StatusCode;
use object_store::{MultipartUpload, ObjectStoreExt, path::Path};
use tempfile::TempDir;

use crate::support::{
    faulty::{Action, FaultyStore, Gate, Operation},
    s3::{Answer, S3Server},
};

/// Keeps what a store stands on alive for a test.
struct Backend {
    store: Store,
    _folder: Option<TempDir>,
    _server: Option<S3Server>,
}

impl Backend {
    async fn folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().display());
        let store = Store::open(&url, &Settings::default()).await.unwrap();
        Self { store, _folder: Some(folder), _server: None }
    }

    async fn memory() -> Self {
        let store = Store::open("memory://", &Settings::default()).await.unwrap();
        Self { store, _folder: None, _server: None }
    }

    async fn s3() -> Self {
        let server = S3Server::start();
        let store = server.store("some/prefix").await.unwrap();
        Self { store, _folder: None, _server: Some(server) }
    }
}

/// Runs each check on every kind of store, as tests of their own names.
macro_rules! on_every_store {
    ($($check:ident),* $(,)?) => {
        on_every_store!(@ folder: $($check),*);
        on_every_store!(@ memory: $($check),*);
        on_every_store!(@ s3: $($check),*);
    };
    (@ $backend:ident: $($check:ident),*) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$check(&super::Backend::$backend().await.store).await;
                }
            )*
        }
    };
}

on_every_store!(
    one_of_many_creators_wins,
    objects_are_overwritten_and_deleted,
    long_listings_are_complete,
    listings_keep_to_whole_segments,
    uploads_are_visible_once_complete,
    exclusive_create_is_honoured,
);

/// Would catch two writers that both believe they own an epoch or a Delta version.
async fn one_of_many_creators_wins(store: &Store) {
    let path = Path::from("control/epochs/0000000001.json");
    let attempts = (0..50).map(|writer| {
        let (store, path) = (store.clone(), path.clone());
        tokio::spawn(async move {
            store.put_if_absent(&path, Bytes::from(format!("writer {writer}"))).await.unwrap()
        })
    });
    let outcomes: Vec<_> = join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = (0..50).filter(|writer| outcomes[*writer] == PutOutcome::Created).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    let stored = store.get(&path).await.unwrap().unwrap();
    assert_eq!(stored, format!("writer {}", winners[0]));
}

/// Would catch a put that keeps old bytes, a get that takes absence for an error, and a delete that is not repeatable.
async fn objects_are_overwritten_and_deleted(store: &Store) {
    let path = Path::from("control/leases/1.json");
    assert_eq!(store.get(&path).await.unwrap(), None);
    store.delete(&path).await.unwrap();
    store.put(&path, "a long first version".into()).await.unwrap();
    store.put(&path, "second".into()).await.unwrap();
    assert_eq!(store.get(&path).await.unwrap().unwrap(), "second");
    store.put(&path, Bytes::new()).await.unwrap();
    assert_eq!(store.get(&path).await.unwrap().unwrap(), "");
    store.make_durable(&path).await.unwrap();
    store.delete(&path).await.unwrap();
    store.delete(&path).await.unwrap();
    assert_eq!(store.get(&path).await.unwrap(), None);
    assert_eq!(store.put_if_absent(&path, "third".into()).await.unwrap(), PutOutcome::Created);
}

/// Would catch a listing that stops at S3's page of 1,000 (a recovery that forgets segments), or that is unsorted.
async fn long_listings_are_complete(store: &Store) {
    let names: Vec<_> =
        (0..1_105).map(|number| Path::from(format!("wal/{:04}/{number:06}.arrow", number % 3))).collect();
    let puts = stream::iter(names.iter().map(|name| store.put(name, "x".into())));
    puts.buffer_unordered(32).try_collect::<Vec<_>>().await.unwrap();
    let listed: Vec<_> =
        store.list(&Path::from("wal")).await.unwrap().into_iter().map(|it| it.location).collect();
    let mut expected = names;
    expected.sort();
    assert_eq!(listed, expected);
}

/// Would catch one tenant's listing that shows another tenant whose name begins alike.
async fn listings_keep_to_whole_segments(store: &Store) {
    for name in
        ["events/tenant=a/day=1/x", "events/tenant=a/_delta_log/0", "events/tenant=ab/day=1/y", "events/z"]
    {
        store.put(&Path::from(name), "1".into()).await.unwrap();
    }
    let names = |objects: Vec<object_store::ObjectMeta>| {
        objects.into_iter().map(|object| object.location.to_string()).collect::<Vec<_>>()
    };
    let below = store.list(&Path::from("events/tenant=a")).await.unwrap();
    assert_eq!(names(below), ["events/tenant=a/_delta_log/0", "events/tenant=a/day=1/x"]);
    assert_eq!(store.list(&Path::default()).await.unwrap().len(), 4);
    assert!(store.list(&Path::from("nothing/here")).await.unwrap().is_empty());

    let folders = store.list_folders(&Path::from("events")).await.unwrap();
    assert_eq!(folders, [Path::from("events/tenant=a"), Path::from("events/tenant=ab")]);
    assert_eq!(store.list_folders(&Path::default()).await.unwrap(), [Path::from("events")]);
    assert!(store.list_folders(&Path::from("nothing")).await.unwrap().is_empty());
}

/// Would catch a Parquet file that readers see before its footer is there.
async fn uploads_are_visible_once_complete(store: &Store) {
    let path = Path::from("events/tenant=a/day=2026-01-01/1.parquet");
    let mut upload = store.object_store().put_multipart(&path).await.unwrap();
    upload.put_part(vec![1_u8; 5 << 20].into()).await.unwrap();
    upload.put_part(vec![2_u8; 3].into()).await.unwrap();
    assert_eq!(store.get(&path).await.unwrap(), None);
    upload.complete().await.unwrap();
    let bytes = store.get(&path).await.unwrap().unwrap();
    assert_eq!((bytes.len(), &bytes[(5 << 20) - 1..]), ((5 << 20) + 3, &[1, 2, 2, 2][..]));
}

/// Would catch a check that refuses a good store, on the first start or on the second.
async fn exclusive_create_is_honoured(store: &Store) {
    for _ in 0..2 {
        store.require_exclusive_create(&Path::from("control/exclusive-create")).await.unwrap();
    }
}

/// Would catch a writer that starts on a store where two writers destroy each other's events.
#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused() {
    let faulty = FaultyStore::over_memory();
    faulty.ignore_conditions();
    let store = Store::from_object_store(Arc::new(faulty));
    let error = store.require_exclusive_create(&Path::from("control/exclusive-create")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("ignores If-None-Match"), "{error}");
}

/// Would catch a wrong setting that is found out with the first event only, or an error that does not say what to set
/// — or says the secret.
#[tokio::test]
async fn wrong_s3_settings_are_named_at_start() {
    let server = S3Server::start();
    let refused = async |location: &str, change: &dyn Fn(&mut S3Settings)| {
        let mut settings = server.settings();
        settings.retry_timeout_ms = 1;
        change(&mut settings.s3);
        let error = Store::open(location, &settings).await.unwrap_err();
        assert!(error.to_string().contains(location), "{error}");
        assert!(!error.report().contains("test-secret-key"), "{error}");
        (error.kind(), error.to_string())
    };

    let (kind, message) = refused("s3://other/prefix", &|_| {}).await;
    assert_eq!(kind, ErrorKind::Invalid);
    assert!(
        message.contains("the bucket does not exist") && message.contains(&server.endpoint()),
        "{message}"
    );

    let (kind, message) = refused("s3://lake/x", &|s3| s3.secret_access_key = Some("wrong".into())).await;
    assert_eq!(kind, ErrorKind::Invalid);
    assert!(message.contains("AWS_SECRET_ACCESS_KEY"), "{message}");

    let (kind, message) = refused("s3://lake/x", &|s3| s3.secret_access_key = None).await;
    assert_eq!(kind, ErrorKind::Invalid);
    assert!(message.contains("cannot be opened") && message.contains("SecretAccessKey"), "{message}");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (endpoint, expected) in [
        (format!("http://{closed}"), ErrorKind::Unavailable),
        (format!("http://name:test-secret-key@{closed}"), ErrorKind::Invalid),
        ("127.0.0.1".into(), ErrorKind::Invalid),
    ] {
        let (kind, message) = refused("s3://lake/x", &|s3| s3.endpoint = Some(endpoint.clone())).await;
        assert_eq!(kind, expected, "{message}");
        assert!(message.contains("AWS_"), "{message}");
    }
}

/// Would catch a store that gives up at S3's first "503 slow down", or never gives up.
#[tokio::test]
async fn transient_errors_are_retried_within_bounds() {
    let server = S3Server::start();
    let settings = Settings { retries_max: 2, ..server.settings() };
    let store = Store::open("s3://lake", &settings).await.unwrap();
    let path = Path::from("a");
    let busy = Answer::Instead(StatusCode::SERVICE_UNAVAILABLE);

    server.answer_next(&[busy, busy]);
    store.put(&path, "1".into()).await.unwrap();
    assert_eq!(server.answers_left(), 0);

    server.answer_next(&[busy, Answer::Instead(StatusCode::TOO_MANY_REQUESTS), busy]);
    let error = store.put(&path, "2".into()).await.unwrap_err();
    assert_eq!((error.kind(), server.answers_left()), (ErrorKind::Unavailable, 0));
    assert!(error.to_string().starts_with("put a: ") && error.to_string().contains("503"), "{error}");
    assert_eq!(store.get(&path).await.unwrap().unwrap(), "1");
}

/// Would catch a permanent error that is retried for a minute, or called transient so that callers retry for ever.
#[tokio::test]
async fn permanent_errors_surface_at_once() {
    let server = S3Server::start();
    let store = server.store("").await.unwrap();
    for status in [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::METHOD_NOT_ALLOWED] {
        server.answer_next(&[Answer::Instead(status)]);
        let error = store.put(&Path::from("a/b"), "1".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
        assert!(error.to_string().starts_with("put a/b: "), "{error}");
    }
}

/// Would catch callers told that "exists" means another writer's: a repeated request meets its own first attempt, and only
/// reading back tells. And would catch a 409, which proves nothing, taken for "exists".
#[tokio::test]
async fn create_on_s3_may_meet_itself() {
    let server = S3Server::start();
    let store = server.store("").await.unwrap();
    let path = Path::from("wal/1");
    server.answer_next(&[Answer::After(StatusCode::INTERNAL_SERVER_ERROR)]);
    assert_eq!(store.put_if_absent(&path, "mine".into()).await.unwrap(), PutOutcome::Exists);
    assert_eq!(store.get(&path).await.unwrap().unwrap(), "mine");

    server.answer_next(&[Answer::Instead(StatusCode::CONFLICT)]);
    let error = store.put_if_absent(&Path::from("wal/2"), "mine".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(store.get(&Path::from("wal/2")).await.unwrap(), None);
}

/// Would catch a faulty store that fails the wrong operation, or does not do the half it must: tests that rely on it would
/// pass without having tested anything.
#[tokio::test]
async fn faults_happen_where_planned() {
    let faulty = FaultyStore::over_memory();
    let store = Store::from_object_store(Arc::new(faulty.clone()));
    let (beneath, wal) = (Store::from_object_store(faulty.inner()), |path: &str| path.starts_with("wal/"));
    let path = |name: &str| Path::from(name);

    faulty.plan(Operation::Create, wal, 1, Action::FailBefore);
    faulty.plan(Operation::Create, wal, 2, Action::FailAfter);
    for (name, fails, is_there) in [
        ("x/1", false, true),
        ("wal/1", false, true),
        ("wal/2", true, false),
        ("wal/3", true, true),
        ("wal/4", false, true),
    ] {
        let result = store.put_if_absent(&path(name), "1".into()).await;
        assert_eq!(result.is_err(), fails, "{name}");
        assert!(result.err().is_none_or(|error| error.kind() == ErrorKind::Unavailable), "{name}");
        assert_eq!(beneath.get(&path(name)).await.unwrap().is_some(), is_there, "{name}");
    }
    assert_eq!((faulty.faults_left(), faulty.count(Operation::Create, wal)), (0, 4));

    for operation in [Operation::Put, Operation::Get, Operation::List, Operation::Delete, Operation::Copy] {
        faulty.plan(operation, |_| true, 0, Action::FailBefore);
    }
    store.put(&path("wal/1"), "2".into()).await.unwrap_err();
    store.get(&path("wal/1")).await.unwrap_err();
    store.list(&path("wal")).await.unwrap_err();
    store.delete(&path("wal/1")).await.unwrap_err();
    store.object_store().copy(&path("wal/1"), &path("y")).await.unwrap_err();
    assert_eq!(beneath.get(&path("wal/1")).await.unwrap().unwrap(), "1");
    assert_eq!(store.list(&path("wal")).await.unwrap().len(), 3);

    faulty.plan(Operation::Complete, |_| true, 0, Action::FailAfter);
    let mut upload = store.object_store().put_multipart(&path("z")).await.unwrap();
    upload.put_part("parts".into()).await.unwrap();
    upload.complete().await.unwrap_err();
    assert_eq!(beneath.get(&path("z")).await.unwrap().unwrap(), "parts");
}

/// Would catch a random plan that its seed does not repeat, or that never does one of the two halves.
#[tokio::test]
async fn random_faults_follow_their_seed() {
    let outcomes = async |seed| {
        let faulty = FaultyStore::over_memory();
        let store = Store::from_object_store(Arc::new(faulty.clone()));
        faulty.fail_writes_at_random(seed, 0.3);
        let mut outcomes = Vec::new();
        for number in 0..100 {
            let path = Path::from(format!("{number}"));
            let reported = store.put(&path, "1".into()).await.is_ok();
            outcomes.push((reported, store.get(&path).await.unwrap().is_some()));
        }
        faulty.heal();
        store.put(&Path::from("healed"), "1".into()).await.unwrap();
        outcomes
    };
    let first = outcomes(7).await;
    assert_eq!(first, outcomes(7).await);
    assert_ne!(first, outcomes(8).await);
    for kind in [(true, true), (false, true), (false, false)] {
        assert!(first.contains(&kind), "{kind:?}");
    }
}

/// Would catch a gate that lets an operation pass early, or a test that never learns that it has arrived.
#[tokio::test]
async fn held_operations_wait_for_the_test() {
    let faulty = FaultyStore::over_memory();
    let store = Store::from_object_store(Arc::new(faulty.clone()));
    let (before, after) = (Gate::new(), Gate::new());
    faulty.plan(Operation::Put, |path| path == "before", 0, Action::HoldBefore(before.clone()));
    faulty.plan(Operation::Put, |path| path == "after", 0, Action::HoldAfter(after.clone()));
    for (name, gate, is_there) in [("before", before, false), ("after", after, true)] {
        let writer = store.clone();
        let put = tokio::spawn(async move { writer.put(&Path::from(name), "1".into()).await });
        gate.arrived().await;
        assert!(!put.is_finished(), "{name}");
        assert_eq!(store.get(&Path::from(name)).await.unwrap().is_some(), is_there, "{name}");
        gate.open();
        put.await.unwrap().unwrap();
        assert!(store.get(&Path::from(name)).await.unwrap().is_some(), "{name}");
    }
}
