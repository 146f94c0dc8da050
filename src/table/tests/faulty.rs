//! Commits when the store fails, half-succeeds, or when somebody else was faster.

use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, path::Path,
};

use super::*;

/// Puts of Delta log entries fail as told; everything else works.
#[derive(Debug, Default)]
struct FaultyLog {
    inner: InMemory,
    /// Puts that are done and then reported as failed.
    half_done: AtomicU32,
    /// Puts that fail without being done.
    refused: AtomicU32,
    /// The last put refused; it arrives before the next that is not refused.
    late: Mutex<Option<(Path, PutPayload)>>,
    /// Reads of log entries that fail.
    unreadable: AtomicU32,
}

impl fmt::Display for FaultyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store whose Delta log fails")
    }
}

fn broken() -> object_store::Error {
    object_store::Error::Generic { store: "faulty", source: "as told".into() }
}

/// Takes one from `counter`, if there is one left.
fn take_one(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
}

fn is_log_entry(path: &Path) -> bool {
    path.as_ref().contains("_delta_log/0") && path.as_ref().ends_with(".json")
}

#[async_trait]
impl ObjectStore for FaultyLog {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        if is_log_entry(path) && take_one(&self.refused) {
            if let Some(late) = self.late.lock().unwrap().as_mut() {
                *late = (path.clone(), payload);
            }
            return Err(broken());
        }
        let late = if is_log_entry(path) { self.late.lock().unwrap().take() } else { None };
        if let Some((path, payload)) = late {
            self.inner.put_opts(&path, payload, PutOptions::default()).await?;
        }
        let done = self.inner.put_opts(path, payload, options).await;
        if is_log_entry(path) && take_one(&self.half_done) { Err(broken()) } else { done }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        if is_log_entry(path) && take_one(&self.unreadable) {
            return Err(broken());
        }
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A table with `rows` events being flushed, and its commit.
async fn flushing(faulty: &Arc<FaultyLog>, rows: u64) -> (Arc<Table>, Commit) {
    let store = Store::from_object_store(faulty.clone());
    let settings = Settings { commit_retry_wait_ms: 0, ..Default::default() };
    let table = tables(&store, settings).await.get_or_create(&tenant()).await.unwrap();
    table.publish(accepted(&events(0, rows)), 1);
    table.begin_flush(1);
    let file = write(&table, &events(0, rows)).await;
    (table, append(vec![file], 1, rows as i64))
}

/// Would catch a commit that is in the log being reported as failed, or written twice.
#[tokio::test]
async fn a_put_that_half_succeeds_is_found_to_be_ours() {
    let faulty = Arc::new(FaultyLog { half_done: 1.into(), ..Default::default() });
    let (table, commit) = flushing(&faulty, 10).await;
    let after = table.commit(commit).await.unwrap();
    assert_eq!((after.version, after.rows(), after.uncommitted.rows()), (Some(0), 10, 0));
    let reopened = load::load(&table.shared.store, &tenant(), &folder()).await.unwrap();
    assert_eq!(committed(&reopened), committed(&after));
}

/// Would catch a passing failure of the store surfacing, or a retry doubling events.
#[tokio::test]
async fn a_put_that_fails_is_tried_again() {
    let faulty = Arc::new(FaultyLog { refused: 1.into(), unreadable: 1.into(), ..Default::default() });
    let (table, commit) = flushing(&faulty, 10).await;
    let after = table.commit(commit).await.unwrap();
    assert_eq!((after.version, after.rows()), (Some(0), 10));
}

/// Would catch a guess: the entry is there, but the store fails until the attempts are used up. The same flush,
/// written anew, must then not be committed a second time.
#[tokio::test]
async fn an_unresolved_commit_is_resolved_by_the_next() {
    let faulty = Arc::new(FaultyLog { half_done: 1.into(), unreadable: 5.into(), ..Default::default() });
    let (table, commit) = flushing(&faulty, 10).await;
    // All later attempts answer "exists", and no reading back succeeds.
    let error = table.commit(commit).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!((table.snapshot().version, table.snapshot().uncommitted.rows()), (None, 10));

    let again = write(&table, &events(0, 10)).await;
    let after = table.commit(append(vec![again], 1, 10)).await.unwrap();
    assert_eq!((after.version, after.files.len(), after.rows()), (Some(0), 1, 10));
    assert_eq!((after.uncommitted.rows(), table.uncommitted_bytes()), (0, 0));
}

/// Would catch an unresolved commit that never reached the log being taken for done.
#[tokio::test]
async fn a_commit_that_never_arrived_is_made_by_the_next() {
    let faulty = Arc::new(FaultyLog { refused: 5.into(), ..Default::default() });
    let (table, commit) = flushing(&faulty, 10).await;
    assert_eq!(table.commit(commit.clone()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let after = table.commit(commit).await.unwrap();
    assert_eq!((after.version, after.rows(), after.uncommitted.rows()), (Some(0), 10, 0));
}

/// Would catch a put that was given up and arrives late being taken for another writer's.
#[tokio::test]
async fn an_entry_that_arrives_late_is_recognised() {
    let late = Mutex::new(Some(<(Path, PutPayload)>::default()));
    let faulty = Arc::new(FaultyLog { refused: 5.into(), late, ..Default::default() });
    let (table, commit) = flushing(&faulty, 10).await;
    assert_eq!(table.commit(commit.clone()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let after = table.commit(commit).await.unwrap();
    assert_eq!((after.version, after.rows(), after.uncommitted.rows()), (Some(0), 10, 0));
}

/// Would catch a commit whose caller stopped waiting being taken for another writer's, or made twice.
#[tokio::test]
async fn a_commit_given_up_in_the_middle_is_found_by_the_next() {
    let faulty = Arc::new(FaultyLog { half_done: 1.into(), unreadable: 1.into(), ..Default::default() });
    let (table, commit) = flushing(&faulty, 10).await;
    let mut given_up = Box::pin(table.commit(commit.clone()));
    // Polled until the entry is in the log and its writer is about to try again.
    while faulty.unreadable.load(Ordering::Acquire) > 0 {
        assert!(futures::poll!(&mut given_up).is_pending());
        tokio::task::yield_now().await;
    }
    drop(given_up);
    let after = table.commit(commit).await.unwrap();
    assert_eq!((after.version, after.rows(), after.uncommitted.rows()), (Some(0), 10, 0));
}

/// Would catch one of two writers overwriting the other, or going on without the other's files.
#[tokio::test]
async fn another_writers_commit_is_a_conflict_and_is_adopted() {
    let store = memory_store();
    let (ours, theirs) = (table(&store).await, table(&store).await);
    let file = write(&theirs, &events(0, 10)).await;
    theirs.commit(append(vec![file], 7, 10)).await.unwrap();

    ours.publish(accepted(&events(10, 5)), 8);
    ours.begin_flush(8);
    let file = write(&ours, &events(10, 5)).await;
    let commit = append(vec![file], 8, 15);
    assert_eq!(ours.commit(commit.clone()).await.unwrap_err().kind(), ErrorKind::Conflict);
    let adopted = ours.snapshot();
    assert_eq!((adopted.version, adopted.rows(), adopted.uncommitted.rows()), (Some(0), 15, 5));
    let after = ours.commit(commit).await.unwrap();
    assert_eq!((after.version, after.rows(), after.uncommitted.rows()), (Some(1), 15, 0));
}
