//! Answers "is this id stored already, and with what content?" without an index on disk.
//!
//! In: ids that clients gave, and a snapshot. Out: the stored rows of one day that bear them. Guaranteed: no
//! stored row is missed. A file is read only if its id range and the sorted hashes of its ids admit one of the
//! ids, and then only the pages that hold it. Hashes are kept in an [`IdCache`] bounded in bytes and shared by
//! all tables; a file just written is remembered at once, any other read once (its id column only).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    common::hash_utils::{RandomState, create_hashes},
    error::DataFusionError,
    scalar::ScalarValue,
};
use futures::TryStreamExt;
use object_store::path::Path;

use super::{
    read::{self, BatchRows, ReadOptions},
    snapshot::{DataFile, Snapshot},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::schema,
    store::Store,
};

/// Any fixed number: the hashes never leave the process.
const HASH_SEED: u64 = 0x6175_6469_746c_616b;

/// Bookkeeping of one cached file, beside its hashes.
const ENTRY_BYTES: usize = 256;

/// Sorted id hashes by file, least recently used out first, bounded in bytes. Cheap to clone: clones share.
#[derive(Clone, Debug)]
pub struct IdCache {
    kept: Arc<Mutex<Kept>>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Kept {
    by_file: HashMap<Path, (Arc<[u64]>, u64)>,
    by_use: BTreeMap<u64, Path>,
    bytes: usize,
    uses: u64,
}

impl IdCache {
    /// A cache that keeps at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { kept: Arc::default(), bytes_max }
    }

    /// Bytes kept at the moment.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Keeps the sorted hashes of `file`, forgetting the least recently used files beyond the bound.
    pub(crate) fn remember(&self, file: &Path, hashes: Arc<[u64]>) {
        let mut kept = self.lock();
        kept.forget(file);
        kept.bytes += cost(&hashes);
        kept.uses += 1;
        let now = kept.uses;
        kept.by_use.insert(now, file.clone());
        kept.by_file.insert(file.clone(), (hashes, now));
        while kept.bytes > self.bytes_max {
            let Some(oldest) = kept.by_use.first_key_value().map(|(_, file)| file.clone()) else { break };
            kept.forget(&oldest);
        }
    }

    /// Whether the hashes of `file` are kept.
    pub(crate) fn remembers(&self, file: &Path) -> bool {
        self.lock().by_file.contains_key(file)
    }

    /// Drops the hashes of a file that is no longer live.
    pub(crate) fn forget(&self, file: &Path) {
        self.lock().forget(file);
    }

    /// The hashes of `file`, if they are kept.
    pub(crate) fn recall(&self, file: &Path) -> Option<Arc<[u64]>> {
        let mut kept = self.lock();
        kept.uses += 1;
        let now = kept.uses;
        let (hashes, used) = kept.by_file.get_mut(file)?;
        let before = std::mem::replace(used, now);
        let hashes = hashes.clone();
        kept.by_use.remove(&before);
        kept.by_use.insert(now, file.clone());
        Some(hashes)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it is held; if something did, the worst is a file read again.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget(&mut self, file: &Path) {
        if let Some((hashes, used)) = self.by_file.remove(file) {
            self.by_use.remove(&used);
            self.bytes -= cost(&hashes);
        }
    }
}

fn cost(hashes: &[u64]) -> usize {
    std::mem::size_of_val(hashes) + ENTRY_BYTES
}

/// Appends the hashes of a batch's ids, in row order.
pub(crate) fn hash_ids(batch: &RecordBatch, hashes: &mut Vec<u64>) -> Result<()> {
    hash_array(id_column(batch)?, hashes)
}

/// Hashes as a file keeps them.
pub(crate) fn sorted(mut hashes: Vec<u64>) -> Arc<[u64]> {
    hashes.sort_unstable();
    hashes.into()
}

/// The stored rows of `day` whose id is one of `ids`: all columns of the stored schema, in no fixed order.
pub(crate) async fn find(
    store: &Store,
    cache: &IdCache,
    snapshot: &Snapshot,
    day: chrono::NaiveDate,
    ids: &[&str],
) -> Result<Vec<RecordBatch>> {
    let mut wanted_hashes = Vec::with_capacity(ids.len());
    hash_array(&(Arc::new(StringArray::from_iter_values(ids)) as ArrayRef), &mut wanted_hashes)?;
    let mut found = Vec::new();
    for file in files_of(snapshot, day) {
        let in_range: Vec<usize> = (0..ids.len()).filter(|at| admits(file, ids[*at])).collect();
        if in_range.is_empty() {
            continue;
        }
        let hashes = hashes_of(store, cache, snapshot, file).await?;
        let possible: HashSet<&str> = in_range
            .into_iter()
            .filter(|at| hashes.binary_search(&wanted_hashes[*at]).is_ok())
            .map(|at| ids[at])
            .collect();
        if !possible.is_empty() {
            found.extend(rows_with(store, snapshot, file, &possible).await?);
        }
    }
    Ok(found)
}

/// A day's files; the snapshot keeps them sorted by day.
fn files_of(snapshot: &Snapshot, day: chrono::NaiveDate) -> &[Arc<DataFile>] {
    let start = snapshot.files.partition_point(|file| file.day < day);
    let end = snapshot.files.partition_point(|file| file.day <= day);
    &snapshot.files[start..end]
}

/// Whether the file's id statistics leave room for `id`.
fn admits(file: &DataFile, id: &str) -> bool {
    let Some(stats) = file.stats.get(schema::ID) else { return true };
    let above = |bound: &Option<ScalarValue>| match bound {
        Some(ScalarValue::Utf8(Some(min))) => id >= min.as_str(),
        _ => true,
    };
    let below = |bound: &Option<ScalarValue>| match bound {
        Some(ScalarValue::Utf8(Some(max))) => id <= max.as_str(),
        _ => true,
    };
    above(&stats.min) && below(&stats.max)
}

async fn hashes_of(
    store: &Store,
    cache: &IdCache,
    snapshot: &Snapshot,
    file: &DataFile,
) -> Result<Arc<[u64]>> {
    let key = snapshot.data_file(file);
    if let Some(hashes) = cache.recall(&key) {
        return Ok(hashes);
    }
    let mut hashes = Vec::with_capacity(file.rows as usize);
    let mut batches = read::read(store, &snapshot.folder, file, &ids_only()).await?;
    while let Some(batch) = batches.try_next().await? {
        hash_ids(&batch, &mut hashes)?;
    }
    let hashes = sorted(hashes);
    cache.remember(&key, hashes.clone());
    Ok(hashes)
}

/// Reads the id column to learn where the ids stand, then the pages of those rows.
async fn rows_with(
    store: &Store,
    snapshot: &Snapshot,
    file: &DataFile,
    possible: &HashSet<&str>,
) -> Result<Vec<RecordBatch>> {
    let mut rows: Vec<Range<usize>> = Vec::new();
    let mut first_row = 0;
    let mut batches = read::read(store, &snapshot.folder, file, &ids_only()).await?;
    while let Some(batch) = batches.try_next().await? {
        let ids = id_column(&batch)?.as_string::<i32>();
        let hits = (0..ids.len()).filter(|row| possible.contains(ids.value(*row)));
        rows.extend(hits.map(|row| first_row + row..first_row + row + 1));
        first_row += batch.num_rows();
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let options = ReadOptions { rows: Some(rows), ..ReadOptions::default() };
    read::read_all(store, &snapshot.folder, file, &options).await
}

fn ids_only() -> ReadOptions {
    ReadOptions {
        columns: Some(vec![schema::ID]),
        batch_rows: BatchRows::Of(8_192),
        ..ReadOptions::default()
    }
}

fn id_column(batch: &RecordBatch) -> Result<&ArrayRef> {
    batch
        .column_by_name(schema::ID)
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a batch of events has no column 'id'"))
}

/// Text views are hashed as text: by themselves they would hash otherwise.
fn hash_array(array: &ArrayRef, hashes: &mut Vec<u64>) -> Result<()> {
    let before = hashes.len();
    hashes.resize(before + array.len(), 0);
    cast(array, &DataType::Utf8)
        .map_err(DataFusionError::from)
        .and_then(|text| {
            create_hashes([text], &RandomState::with_seed(HASH_SEED), &mut hashes[before..]).map(drop)
        })
        .map_err(|cause| Error::with_source(ErrorKind::Internal, "hash the column 'id'", cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(length: usize) -> Arc<[u64]> {
        sorted((0..length as u64).collect())
    }

    /// Would catch a cache that grows without bound, or drops the file it just used.
    #[test]
    fn the_least_recently_used_file_goes_first() {
        let cache = IdCache::new(3 * (800 + ENTRY_BYTES));
        for name in ["a", "b", "c"] {
            cache.remember(&Path::from(name), hashes(100));
        }
        assert!(cache.recall(&Path::from("a")).is_some());
        cache.remember(&Path::from("d"), hashes(100));
        assert!(cache.recall(&Path::from("b")).is_none());
        assert!(cache.recall(&Path::from("a")).is_some());
        assert_eq!(cache.bytes(), 3 * (800 + ENTRY_BYTES));
        cache.remember(&Path::from("too big"), hashes(1_000));
        assert_eq!(cache.bytes(), 0);
    }

    /// Would catch text views hashing differently from text: a file written by compaction would hide its ids.
    #[test]
    fn views_and_plain_text_hash_alike() {
        let texts = ["", "short", "a text longer than what a view holds in itself"];
        let plain: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let views: ArrayRef = Arc::new(arrow::array::StringViewArray::from_iter_values(texts));
        let (mut of_plain, mut of_views) = (Vec::new(), Vec::new());
        hash_array(&plain, &mut of_plain).unwrap();
        hash_array(&views, &mut of_views).unwrap();
        assert_eq!(of_plain, of_views);
    }
}
