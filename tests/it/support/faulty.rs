//! An object store that fails, half-succeeds or waits where a test says so, and counts what is asked of it.
//!
//! ```ignore
//! let faulty = FaultyStore::over_memory();
//! faulty.plan(Operation::Create, |path| path.starts_with("wal/"), 2, Action::FailAfter);
//! let store = Store::from_object_store(faulty.clone());     // the third WAL write happens and reports an error
//! ```

use std::{
    fmt, io,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    FutureExt, StreamExt, TryFutureExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
    memory::InMemory, path::Path,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::Semaphore;

/// What is asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Put, overwriting.
    Put,
    /// Put if absent.
    Create,
    /// One part of an upload.
    Part,
    /// The end of an upload: only this makes it visible.
    Complete,
    Get,
    List,
    Delete,
    Copy,
}

impl Operation {
    fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List)
    }
}

/// What happens to an operation.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Nothing is done; an error is returned.
    FailBefore,
    /// It is done; an error is returned all the same.
    FailAfter,
    /// It waits until the gate is opened, and is then done.
    HoldBefore(Gate),
    /// It is done, and its success is told only when the gate is opened.
    HoldAfter(Gate),
}

/// Where an operation waits for a test, without anybody sleeping.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }

    /// Returns when an operation has come to the gate.
    pub(crate) async fn arrived(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Lets it pass.
    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }

    async fn pass(&self) {
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }
}

/// The wrapper; cheap to clone, all clones share plan and counts.
#[derive(Clone, Debug)]
pub(crate) struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    faults: Vec<Fault>,
    random: Option<(ChaCha8Rng, f64)>,
    ignores_conditions: bool,
    log: Vec<(Operation, Path)>,
    /// Bytes of what was put as a whole, in that order.
    puts: Vec<(Path, usize)>,
}

type Predicate = Box<dyn Fn(&str) -> bool + Send>;

struct Fault {
    operation: Operation,
    matches: Predicate,
    /// Matching operations still to let pass.
    passes: usize,
    action: Action,
}

impl FaultyStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, state: Arc::default() }
    }

    pub(crate) fn over_memory() -> Self {
        Self::new(Arc::new(InMemory::new()))
    }

    /// The store beneath, to look at without faults and counting.
    pub(crate) fn inner(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.inner)
    }

    /// Does `action` once: to the operation of this kind, on a path that `matches`, that follows `passes` other such
    /// operations (0: the next one).
    pub(crate) fn plan(
        &self,
        operation: Operation,
        matches: impl Fn(&str) -> bool + Send + 'static,
        passes: usize,
        action: Action,
    ) {
        self.state().faults.push(Fault { operation, matches: Box::new(matches), passes, action });
    }

    /// From now on each write fails with this probability, half of them after it was done. The seed decides which.
    pub(crate) fn fail_writes_at_random(&self, seed: u64, probability: f64) {
        self.state().random = Some((ChaCha8Rng::seed_from_u64(seed), probability));
    }

    /// From now on nothing fails, whatever was planned.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.random = None;
        state.faults.clear();
    }

    /// From now on put-if-absent overwrites, as on S3-compatible stores that do not know `If-None-Match`.
    pub(crate) fn ignore_conditions(&self) {
        self.state().ignores_conditions = true;
    }

    /// Faults planned that have not happened yet.
    pub(crate) fn faults_left(&self) -> usize {
        self.state().faults.len()
    }

    /// How many operations of this kind were asked for on paths that match, failed ones included.
    pub(crate) fn count(&self, operation: Operation, matches: impl Fn(&str) -> bool) -> usize {
        let state = self.state();
        let asked = state.log.iter().filter(|(asked, path)| *asked == operation && matches(path.as_ref()));
        asked.count()
    }

    /// The sizes of what was put as a whole to paths that match, failed ones included, in that order.
    pub(crate) fn put_sizes(&self, matches: impl Fn(&str) -> bool) -> Vec<usize> {
        let state = self.state();
        let puts = state.puts.iter().filter(|(path, _)| matches(path.as_ref()));
        puts.map(|(_, bytes)| *bytes).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` under the plan.
    async fn run<T>(
        &self,
        operation: Operation,
        path: &Path,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let action = self.state().next(operation, path);
        match &action {
            Some(Action::FailBefore) => return Err(injected(operation, path, "not done")),
            Some(Action::HoldBefore(gate)) => gate.pass().await,
            _ => {}
        }
        let done = work.await;
        match action {
            Some(Action::FailAfter) => done.and_then(|_| Err(injected(operation, path, "done"))),
            Some(Action::HoldAfter(gate)) => {
                gate.pass().await;
                done
            }
            _ => done,
        }
    }
}

impl State {
    /// Notes the operation and takes the action that is due, if any.
    fn next(&mut self, operation: Operation, path: &Path) -> Option<Action> {
        self.log.push((operation, path.clone()));
        let mut due = None;
        for (index, fault) in self.faults.iter_mut().enumerate() {
            if fault.operation != operation || !(fault.matches)(path.as_ref()) {
                continue;
            }
            match fault.passes.checked_sub(1) {
                Some(fewer) => fault.passes = fewer,
                None if due.is_none() => due = Some(index),
                None => {}
            }
        }
        if let Some(index) = due {
            return Some(self.faults.remove(index).action);
        }
        let (random, probability) = self.random.as_mut().filter(|_| operation.is_write())?;
        let fails = random.random_bool(*probability);
        let action = if random.random_bool(0.5) { Action::FailBefore } else { Action::FailAfter };
        fails.then_some(action)
    }
}

/// An error of the kind that a lost connection gives: the crate calls it `Unavailable`.
fn injected(operation: Operation, path: &Path, what: &str) -> Error {
    let text = format!("injected fault: {operation:?} {path} ({what})");
    Error::Generic { store: "Faulty", source: Box::new(io::Error::new(io::ErrorKind::TimedOut, text)) }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        let operation = if options.mode == PutMode::Create { Operation::Create } else { Operation::Put };
        {
            let mut state = self.state();
            state.puts.push((path.clone(), payload.content_length()));
            if state.ignores_conditions {
                options.mode = PutMode::Overwrite;
            }
        }
        self.run(operation, path, self.inner.put_opts(path, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(path, options).await?;
        Ok(Box::new(FaultyUpload { store: self.clone(), path: path.clone(), inner }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.run(Operation::Get, path, self.inner.get_opts(path, options)).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.run(Operation::Get, path, self.inner.get_ranges(path, ranges)).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |path: Path| {
            let store = store.clone();
            async move {
                store.run(Operation::Delete, &path, store.inner.delete(&path)).await?;
                Ok(path)
            }
        };
        paths.and_then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned().unwrap_or_default());
        let listing = async move {
            let objects = store.inner.list(Some(&prefix)).try_collect::<Vec<_>>();
            store.run(Operation::List, &prefix, objects).await
        };
        listing.map_ok(|objects| stream::iter(objects.into_iter().map(Ok))).try_flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let path = prefix.cloned().unwrap_or_default();
        self.run(Operation::List, &path, self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.run(Operation::Copy, to, self.inner.copy_opts(from, to, options)).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    store: FaultyStore,
    path: Path,
    inner: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (store, path, part) = (self.store.clone(), self.path.clone(), self.inner.put_part(data));
        async move { store.run(Operation::Part, &path, part).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.store.run(Operation::Complete, &self.path, self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("faults", &self.faults.len()).field("log", &self.log.len()).finish()
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}
