//! One tenant's table in memory: what is committed, what is not yet, and the one way from the second to the first.
//!
//! In: accepted batches ([`Table::publish`]) and commits. Out: [`Snapshot`]s. Guaranteed: a snapshot once taken
//! never changes; each change swaps in a new one as a whole, so that a reader sees an event in the batches or in
//! the files, never in both and never in neither. Commits are made one at a time; reading never waits for one.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arrow::array::RecordBatch;
use chrono::NaiveDate;

use super::{
    Shared, coalesce,
    commit::{self, Commit, Written},
    file::FileWriter,
    ids, load, log,
    maintain::Maintenance,
    read::{self, BatchStream, OpenFile, ReadOptions},
    snapshot::{DataFile, Snapshot, Uncommitted},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    paths::TableFolder,
    telemetry,
};

/// One tenant's table. Shared as `Arc<Table>`; all methods take `&self`.
pub struct Table {
    tenant: TenantId,
    pub(super) shared: Arc<Shared>,
    /// What readers get. Swapped only while `changing` is held.
    current: RwLock<Arc<Snapshot>>,
    /// Held, never across an await, by whoever makes the next snapshot.
    changing: Mutex<()>,
    /// Real Arrow bytes of `current`'s uncommitted batches: all, and those being flushed.
    uncommitted_bytes: AtomicUsize,
    flushing_bytes: AtomicUsize,
    /// Held by the one commit in progress.
    committing: tokio::sync::Mutex<LastCommit>,
    pub(super) maintenance: tokio::sync::Mutex<Maintenance>,
}

/// What a table says of itself from a commit on.
pub(super) struct MetaData {
    /// The `metaData` of the log.
    pub(super) action: serde_json::Value,
    /// What it says of removals.
    pub(super) append_only: bool,
}

/// What the last commit left behind.
#[derive(Debug, Default)]
struct LastCommit {
    /// Entries for the next version of which it is not known whether they reached, or still will reach, the log.
    in_doubt: Vec<String>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("tenant", self.tenant()).finish_non_exhaustive()
    }
}

impl Table {
    pub(super) fn new(shared: Arc<Shared>, snapshot: Snapshot) -> Self {
        Self {
            tenant: snapshot.tenant.clone(),
            shared,
            current: RwLock::new(Arc::new(snapshot)),
            changing: Mutex::default(),
            uncommitted_bytes: AtomicUsize::new(0),
            flushing_bytes: AtomicUsize::new(0),
            committing: tokio::sync::Mutex::default(),
            maintenance: tokio::sync::Mutex::default(),
        }
    }

    /// Whose table.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Where it is in the store.
    pub(super) fn folder(&self) -> TableFolder {
        self.snapshot().folder.clone()
    }

    /// The state at this moment; stays as it is for as long as it is kept.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Memory of the uncommitted batches, in real Arrow bytes.
    pub fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes.load(Ordering::Acquire)
    }

    /// Makes accepted rows visible that are durable in WAL segment `segment`.
    ///
    /// `batch` has the accepted schema and only this tenant's rows. Small batches are merged, so that a row is
    /// copied O(log n) times and costs what it holds.
    pub fn publish(&self, batch: RecordBatch, segment: u64) {
        let _changing = self.change();
        let mut next = Snapshot::clone(&self.snapshot());
        let mut uncommitted = Uncommitted::clone(&next.uncommitted);
        let grown = coalesce::push(&mut uncommitted.active, batch);
        uncommitted.active_through = uncommitted.active_through.max(segment);
        next.uncommitted = Arc::new(uncommitted);
        self.swap(next);
        let bytes = self.uncommitted_bytes().saturating_add_signed(grown);
        self.uncommitted_bytes.store(bytes, Ordering::Release);
    }

    /// Sets what is uncommitted aside to be flushed, and returns the snapshot that says what.
    ///
    /// `through`: everything published so far is of WAL segments up to it. If an earlier flush has not been
    /// committed yet, nothing changes: the same batches are to be flushed again, through the same segment.
    pub fn begin_flush(&self, through: u64) -> Arc<Snapshot> {
        let _changing = self.change();
        let snapshot = self.snapshot();
        let uncommitted = &snapshot.uncommitted;
        if !uncommitted.flushing.is_empty() || uncommitted.active.is_empty() {
            return snapshot;
        }
        let mut next = Snapshot::clone(&snapshot);
        next.uncommitted = Arc::new(Uncommitted {
            flushing: uncommitted.active.clone(),
            flushing_through: through,
            active: Vec::new(),
            active_through: through,
        });
        self.flushing_bytes.store(self.uncommitted_bytes(), Ordering::Release);
        self.swap(next)
    }

    /// Commits to the Delta log and swaps in the snapshot after it, which is returned.
    ///
    /// A table that is append-only (see [`Table::set_append_only`]) takes no commit that removes events: call
    /// [`Table::permit_removals`] before. Files may be replaced.
    ///
    /// A commit whose `wal_through` the log holds already (its outcome was unknown the last time, whoever found out
    /// meanwhile) succeeds without being written again. Errors, after each of which the uncommitted batches are as before:
    /// - [`ErrorKind::Conflict`]: a file to remove is not live, the table is append-only, or another writer has committed. The table has
    ///   then been read anew; the caller decides whether to plan again or to stop.
    /// - [`ErrorKind::Unavailable`]: the outcome is not known; the next commit finds out first.
    pub async fn commit(&self, commit: Commit) -> Result<Arc<Snapshot>> {
        self.commit_with(commit, None).await
    }

    /// The same; `meta_data`: what the table says of itself afterwards.
    pub(super) async fn commit_with(
        &self,
        commit: Commit,
        meta_data: Option<MetaData>,
    ) -> Result<Arc<Snapshot>> {
        let mut last = self.committing.lock().await;
        loop {
            self.resolve(&mut last).await?;
            let snapshot = self.snapshot();
            if commit.wal_through.is_some_and(|through| snapshot.wal_through >= through) {
                return Ok(self.without_flush());
            }
            self.check_live(&snapshot, &commit)?;
            self.check_removals(&snapshot, &commit)?;
            let version = snapshot.version.map_or(0, |version| version + 1);
            let commit_id = telemetry::unique_id().to_string();
            let entry = self.entry(&commit, &snapshot, meta_data.as_ref(), &commit_id);
            // In doubt until the outcome is known and applied, also if the caller stops waiting in between.
            last.in_doubt.push(commit_id.clone());
            match self.write_entry(version, &entry, &commit_id).await? {
                Written::Ours => {
                    last.in_doubt.clear();
                    return Ok(self.apply(commit, meta_data, version));
                }
                // An entry of ours that had been given up has arrived after all.
                Written::Other(Some(earlier)) if last.in_doubt.contains(&earlier) => {}
                Written::Other(_) => {
                    self.reload().await?;
                    last.in_doubt.clear();
                    let message =
                        format!("another writer committed version {version} of tenant '{}'", self.tenant);
                    return Err(Error::new(ErrorKind::Conflict, message));
                }
            }
        }
    }

    /// Finds out about earlier entries in doubt.
    async fn resolve(&self, last: &mut LastCommit) -> Result<()> {
        if last.in_doubt.is_empty() {
            return Ok(());
        }
        let before = self.snapshot().version;
        // If none is there, one may still be on its way.
        if self.reload().await?.version != before {
            last.in_doubt.clear();
        }
        Ok(())
    }

    async fn write_entry(&self, version: u64, entry: &bytes::Bytes, commit_id: &str) -> Result<Written> {
        let Shared { store, settings, .. } = self.shared.as_ref();
        let wait = Duration::from_millis(settings.commit_retry_wait_ms);
        commit::write_entry(store, &self.folder(), version, entry, commit_id, wait).await
    }

    /// Starts a new data file of `day`; it is part of the table once it is committed.
    pub fn file_writer(&self, day: NaiveDate) -> FileWriter {
        let Shared { store, clock, settings, ids, .. } = self.shared.as_ref();
        FileWriter::new(store, &self.folder(), day, &settings.layout, clock, ids)
    }

    /// Whether the hashes of a file's ids are in memory, because events for its day have come lately.
    pub fn remembers_ids(&self, file: &DataFile) -> bool {
        self.shared.ids.remembers(&self.folder().data_file(&file.path))
    }

    /// Streams one data file; see [`read::read`].
    pub async fn read(&self, file: &DataFile, options: &ReadOptions) -> Result<BatchStream> {
        read::read(&self.shared.store, &self.folder(), file, options).await
    }

    /// The same, and what reading it takes; see [`read::open`].
    pub async fn open_file(&self, file: &DataFile, options: &ReadOptions) -> Result<OpenFile> {
        read::open(&self.shared.store, &self.folder(), file, options).await
    }

    /// The row groups of one data file, as they are stored.
    pub async fn row_groups(&self, file: &DataFile) -> Result<super::RowGroups> {
        super::RowGroups::open(&self.shared.store, &self.folder(), file).await
    }

    /// Deletes a file that was written and will not be committed. One that is locked is left to the sweep.
    pub async fn discard(&self, file: &DataFile) -> Result<()> {
        self.shared.store.try_delete(&self.folder().data_file(&file.path)).await.map(drop)
    }

    /// The committed rows of `day` in `snapshot` that bear one of `ids`, with all stored columns, in no fixed
    /// order. Touches only files whose id range and id hashes admit one of them.
    pub async fn find_ids(
        &self,
        snapshot: &Snapshot,
        day: NaiveDate,
        ids: &[&str],
    ) -> Result<Vec<RecordBatch>> {
        ids::find(&self.shared.store, &self.shared.ids, snapshot, day, ids).await
    }

    /// Bytes of one log entry; version 0 also says what the table is.
    fn entry(
        &self,
        commit: &Commit,
        snapshot: &Snapshot,
        meta_data: Option<&MetaData>,
        commit_id: &str,
    ) -> bytes::Bytes {
        let create = snapshot.version.is_none().then(|| self.shared.settings.table_configuration());
        let context = log::EntryContext {
            table_name: self.tenant.as_str(),
            commit_id,
            now_ms: self.shared.clock.now_millis(),
            create,
            meta_data: meta_data.map(|changed| &changed.action),
        };
        log::entry(commit, &context)
    }

    fn check_removals(&self, snapshot: &Snapshot, commit: &Commit) -> Result<()> {
        if !(snapshot.append_only && commit.data_change && !commit.remove.is_empty()) {
            return Ok(());
        }
        let message =
            format!("the table of tenant '{}' is append-only: nothing is removed from it", self.tenant);
        Err(Error::new(ErrorKind::Conflict, message))
    }

    /// Whether all of these files are part of the table still.
    pub fn are_live(&self, files: &[Arc<DataFile>]) -> bool {
        let snapshot = self.snapshot();
        files.iter().all(|wanted| snapshot.files.iter().any(|file| file.path == wanted.path))
    }

    fn check_live(&self, snapshot: &Snapshot, commit: &Commit) -> Result<()> {
        if commit.remove.is_empty() {
            return Ok(());
        }
        let live: HashSet<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
        match commit.remove.iter().find(|file| !live.contains(file.path.as_str())) {
            None => Ok(()),
            Some(gone) => Err(Error::new(
                ErrorKind::Conflict,
                format!("file {} of tenant '{}' is no longer live", gone.path, self.tenant),
            )),
        }
    }

    /// The snapshot after `commit` became `version`.
    fn apply(&self, commit: Commit, meta_data: Option<MetaData>, version: u64) -> Arc<Snapshot> {
        let _changing = self.change();
        let before = self.snapshot();
        let mut next = Snapshot::clone(&before);
        next.version = Some(version);
        next.append_only = meta_data.map_or(before.append_only, |changed| changed.append_only);
        next.next_seq = commit.next_seq.unwrap_or(before.next_seq);
        let removed: HashSet<&str> = commit.remove.iter().map(|file| file.path.as_str()).collect();
        let kept = before.files.iter().filter(|file| !removed.contains(file.path.as_str())).cloned();
        let mut files: Vec<_> = kept.chain(commit.add.into_iter().map(Arc::new)).collect();
        load::sort(&mut files);
        next.files = Arc::new(files);
        if let Some(through) = commit.wal_through {
            next.wal_through = before.wal_through.max(through);
            self.drop_flushed(&mut next);
        }
        for file in &commit.remove {
            self.shared.ids.forget(&self.folder().data_file(&file.path));
        }
        self.swap(next)
    }

    /// Reads the log anew; what is uncommitted stays, except a flush that the log turns out to hold.
    async fn reload(&self) -> Result<Arc<Snapshot>> {
        let mut next = load::load(&self.shared.store, &self.tenant, &self.folder()).await?;
        let _changing = self.change();
        let before = self.snapshot();
        next.uncommitted = before.uncommitted.clone();
        let flush_is_in =
            next.version > before.version && next.wal_through >= next.uncommitted.flushing_through;
        if flush_is_in && !next.uncommitted.flushing.is_empty() {
            self.drop_flushed(&mut next);
        }
        Ok(self.swap(next))
    }

    /// The snapshot without what was being flushed, which the log holds already.
    fn without_flush(&self) -> Arc<Snapshot> {
        let _changing = self.change();
        let mut next = Snapshot::clone(&self.snapshot());
        self.drop_flushed(&mut next);
        self.swap(next)
    }

    fn drop_flushed(&self, next: &mut Snapshot) {
        let mut uncommitted = Uncommitted::clone(&next.uncommitted);
        uncommitted.flushing = Vec::new();
        next.uncommitted = Arc::new(uncommitted);
        let flushed = self.flushing_bytes.swap(0, Ordering::AcqRel);
        let bytes = self.uncommitted_bytes().saturating_sub(flushed);
        self.uncommitted_bytes.store(bytes, Ordering::Release);
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        // The next snapshot is built aside and swapped in whole: a panic in between leaves the old one.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn swap(&self, next: Snapshot) -> Arc<Snapshot> {
        let next = Arc::new(next);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next.clone();
        next
    }
}
