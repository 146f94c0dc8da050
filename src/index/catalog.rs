//! A tenant's segments, and what they cover.
//!
//! In: values, and segments that were written. Out: rows that may hold the values.
//! Guaranteed: what is not covered is said to be, never to be empty. Which segments there are, the store's listing tells;
//! memory follows it: a segment is added when its files are committed, and replaced when it was merged.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use datafusion::common::HashMap;
use futures::{StreamExt, stream};
use object_store::path::Path;
use tokio::sync::RwLock;
use uuid::Uuid;

use super::{
    Shared,
    builder::{Builder, Done},
    counts::{FileCounts, SegmentCounts},
    field::Field,
    format::Piece,
    segment::{Cost, Segment},
    write,
};
use crate::{
    error::{ErrorKind, Result},
    event::TenantId,
    paths,
};

/// Segments that are read at the same time.
const SEGMENTS_AT_ONCE: usize = 16;

/// A value to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Probe {
    field: Field,
    hash: u32,
}

impl Probe {
    /// A value of an id column, or a word as [`super::words`] gives it.
    pub fn new(field: Field, value: &str) -> Self {
        Self { field, hash: field.hash(value) }
    }
}

/// A live file.
#[derive(Clone, Copy, Debug)]
pub struct FileRef<'a> {
    /// Its path, relative to its table.
    pub path: &'a str,
    /// Its rows.
    pub rows: u64,
}

/// For each piece of a segment, the file that it is asked for, by its number.
type FileOfPiece = Vec<Option<usize>>;

/// Rows of a file: ascending ranges that do not touch.
pub type Rows = Vec<Range<u64>>;

/// What the index knows of values in files.
#[derive(Debug, Default)]
pub struct Found {
    /// For each file, whether it is indexed. If not, any of its rows may hold any value.
    pub covered: Vec<bool>,
    /// For each probe, the covered files that may hold it (by their number), and which of their rows.
    pub rows: Vec<HashMap<usize, Rows>>,
    /// Segments that were asked.
    pub segments: usize,
    /// What it took.
    pub cost: Cost,
}

/// One tenant's index.
#[derive(Debug)]
pub struct TenantIndex {
    pub(super) tenant: TenantId,
    pub(super) shared: Arc<Shared>,
    /// `None` until it was first needed, or after a segment was found gone. Held for writing while segments are listed.
    current: RwLock<Option<Arc<Catalog>>>,
    /// When this process replaced a segment: queries that began before may still read it.
    replaced_at: Mutex<HashMap<Uuid, i64>>,
    /// Held by the one merge in progress.
    pub(super) maintaining: tokio::sync::Mutex<()>,
}

/// The segments at one moment.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// Those that were opened.
    pub(super) segments: Vec<Arc<Segment>>,
    /// Those that were not needed yet, oldest first: most are replaced by one that was opened, and wait for the sweep.
    pub(super) unopened: Vec<Listed>,
    /// By file: the pieces that stand for it, as (segment, piece). Where two segments have the same rows, the one merged
    /// more often counts.
    pieces: HashMap<String, Vec<(usize, usize)>>,
}

/// A segment of which only the object is known.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) id: Uuid,
    key: Path,
    size_bytes: u64,
}

impl Catalog {
    fn new(mut segments: Vec<Arc<Segment>>, unopened: Vec<Listed>) -> Self {
        segments.sort_by_key(|segment| (std::cmp::Reverse(segment.footer.generation), segment.id));
        let mut pieces: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for (at, segment) in segments.iter().enumerate() {
            for (number, piece) in segment.footer.pieces.iter().enumerate() {
                let known = pieces.entry(piece.file.clone()).or_default();
                let same = |(segment, number): &(usize, usize)| {
                    let other: &Piece = &segments[*segment].footer.pieces[*number];
                    other.first_row < piece.first_row + u64::from(piece.rows)
                        && piece.first_row < other.first_row + u64::from(other.rows)
                };
                if !known.iter().any(same) {
                    known.push((at, number));
                }
            }
        }
        Self { segments, unopened, pieces }
    }

    fn piece(&self, place: &(usize, usize)) -> &Piece {
        &self.segments[place.0].footer.pieces[place.1]
    }

    /// The pieces that cover all rows of `file`, if there are such.
    fn cover(&self, file: FileRef<'_>) -> Option<&[(usize, usize)]> {
        let pieces = self.pieces.get(file.path)?;
        let rows: u64 = pieces.iter().map(|place| u64::from(self.piece(place).rows)).sum();
        (rows == file.rows).then_some(pieces)
    }

    /// For each segment, which of its pieces stand for `live` files.
    pub(super) fn wanted(&self, live: &[FileRef<'_>]) -> Vec<Vec<bool>> {
        let mut wanted: Vec<Vec<bool>> =
            self.segments.iter().map(|segment| vec![false; segment.footer.pieces.len()]).collect();
        for (segment, piece) in live.iter().filter_map(|file| self.pieces.get(file.path)).flatten() {
            wanted[*segment][*piece] = true;
        }
        wanted
    }
}

impl TenantIndex {
    pub(super) fn new(shared: Arc<Shared>, tenant: TenantId) -> Self {
        Self {
            tenant,
            shared,
            current: RwLock::default(),
            replaced_at: Mutex::default(),
            maintaining: tokio::sync::Mutex::default(),
        }
    }

    /// Looks for values in `files`.
    ///
    /// Costs one or two small requests for each segment and value the first time; nothing once they are cached. Never
    /// fails: what cannot be read counts as not covered, and is logged.
    pub async fn find(&self, files: &[FileRef<'_>], probes: &[Probe]) -> Found {
        let mut found = Found {
            covered: vec![false; files.len()],
            rows: vec![HashMap::new(); probes.len()],
            ..Found::default()
        };
        let Some(catalog) = self.catalog_of(files).await else { return found };
        let mut asked: Vec<Option<FileOfPiece>> = vec![None; catalog.segments.len()];
        for (number, file) in files.iter().enumerate() {
            let Some(pieces) = catalog.cover(*file) else { continue };
            found.covered[number] = true;
            for (segment, piece) in pieces {
                let pieces = catalog.segments[*segment].footer.pieces.len();
                asked[*segment].get_or_insert_with(|| vec![None; pieces])[*piece] = Some(number);
            }
        }
        let asked: Vec<(usize, FileOfPiece)> =
            asked.into_iter().enumerate().filter_map(|(at, asked)| Some((at, asked?))).collect();
        found.segments = asked.len();
        let cost = &found.cost;
        let answers = stream::iter(asked)
            .map(|(segment, files)| {
                let segment = &catalog.segments[segment];
                async move {
                    let hits = self.find_in(segment, cost, probes, &files).await;
                    (segment, files, hits)
                }
            })
            .buffer_unordered(SEGMENTS_AT_ONCE)
            .collect::<Vec<_>>();
        let answers = answers.await;
        for (segment, files, hits) in answers {
            match hits {
                Ok(hits) => {
                    for (probe, file, rows) in hits {
                        found.rows[probe].entry(file).or_default().push(rows);
                    }
                }
                Err(cause) => {
                    files.iter().flatten().for_each(|file| found.covered[*file] = false);
                    self.give_up(segment, &cause).await;
                }
            }
        }
        for rows in found.rows.iter_mut().flat_map(HashMap::values_mut) {
            join_ranges(rows);
        }
        found
    }

    /// Probe, file and rows of each hit in one segment.
    async fn find_in(
        &self,
        segment: &Segment,
        cost: &Cost,
        probes: &[Probe],
        files: &FileOfPiece,
    ) -> Result<Vec<(usize, usize, Range<u64>)>> {
        let mut hits = Vec::new();
        for (number, probe) in probes.iter().enumerate() {
            let add = |piece: usize, block| {
                if let Some(Some(file)) = files.get(piece) {
                    hits.push((number, *file, segment.rows(&segment.footer.pieces[piece], block)));
                }
            };
            segment.find(&self.shared.access, cost, probe.field, probe.hash, add).await?;
        }
        Ok(hits)
    }

    /// For each of `files`, how many events of each action and outcome it holds; `None` where that is not known.
    pub async fn counts(&self, files: &[FileRef<'_>]) -> (Vec<Option<FileCounts>>, Cost) {
        let cost = Cost::default();
        let mut by_file = vec![None; files.len()];
        let Some(catalog) = self.catalog_of(files).await else { return (by_file, cost) };
        let mut by_segment = HashMap::new();
        for (number, file) in files.iter().enumerate() {
            let Some(pieces) = catalog.cover(*file) else { continue };
            let (mut all, mut known) = (FileCounts::default(), true);
            for (at, piece) in pieces {
                if !by_segment.contains_key(at) {
                    let counts = self.counts_of(&catalog.segments[*at], &cost).await;
                    by_segment.insert(*at, counts);
                }
                known &= all.add(&by_segment[at], *piece);
            }
            by_file[number] = (known && all.total() == file.rows).then_some(all);
        }
        (by_file, cost)
    }

    /// The counts of a segment's pieces; none if they cannot be read.
    async fn counts_of(&self, segment: &Segment, cost: &Cost) -> Arc<SegmentCounts> {
        match segment.counts(&self.shared.access, cost).await {
            Ok(counts) => counts,
            Err(cause) => {
                self.give_up(segment, &cause).await;
                Arc::default()
            }
        }
    }

    /// Writes everything that `builder` holds as a segment; it is asked from [`TenantIndex::publish`] on.
    pub async fn write(&self, builder: &mut Builder, file_goes_on: bool) -> Result<Option<Written>> {
        let done: Done = builder.take(file_goes_on);
        if done.pieces.is_empty() {
            return Ok(None);
        }
        let segment = write::write(&self.shared.access.store, &self.tenant, done).await?;
        Ok(Some(Written(Arc::new(segment))))
    }

    /// Makes segments part of the index, once their files are committed.
    pub async fn publish(&self, written: Vec<Written>) {
        let mut current = self.current.write().await;
        // Segments that have not been listed yet will be.
        if let Some(catalog) = current.as_ref().filter(|_| !written.is_empty()) {
            let added = written.into_iter().map(|written| written.0);
            let segments = catalog.segments.iter().cloned().chain(added).collect();
            *current = Some(Arc::new(Catalog::new(segments, catalog.unopened.clone())));
        }
    }

    /// Which of `files` are not indexed.
    pub async fn uncovered(&self, files: &[FileRef<'_>]) -> Vec<usize> {
        let Some(catalog) = self.catalog_of(files).await else { return Vec::new() };
        (0..files.len()).filter(|number| catalog.cover(files[*number]).is_none()).collect()
    }

    pub(super) async fn replace(&self, gone: &[Uuid], with: Option<Segment>) {
        let mut current = self.current.write().await;
        let now_ms = self.shared.clock.now_millis();
        self.replaced_at().extend(gone.iter().map(|id| (*id, now_ms)));
        if let Some(catalog) = current.as_ref() {
            let kept = catalog.segments.iter().filter(|segment| !gone.contains(&segment.id)).cloned();
            let unopened = catalog.unopened.iter().filter(|listed| !gone.contains(&listed.id)).cloned();
            let segments = kept.chain(with.map(Arc::new)).collect();
            *current = Some(Arc::new(Catalog::new(segments, unopened.collect())));
        }
    }

    /// A segment that cannot be read: what it covers counts as not indexed from now on, or until it is read again.
    pub(super) async fn give_up(&self, segment: &Segment, cause: &crate::error::Error) {
        tracing::warn!(
            tenant = %self.tenant,
            cause = cause.report(),
            "a segment of the index cannot be read; queries read more until compaction has made it again"
        );
        match cause.kind() {
            // Another process has merged it: list anew.
            ErrorKind::NotFound => *self.current.write().await = None,
            ErrorKind::Unavailable => {}
            _ => self.replace(&[segment.id], None).await,
        }
    }

    /// The segments that cover `files`, or all there are; `None` if they cannot be listed. Opens the newest first: they
    /// stand for what they were merged of, which is not opened then.
    pub(super) async fn catalog_of(&self, files: &[FileRef<'_>]) -> Option<Arc<Catalog>> {
        loop {
            let catalog = self.catalog().await?;
            if catalog.unopened.is_empty() || files.iter().all(|file| catalog.cover(*file).is_some()) {
                return Some(catalog);
            }
            self.open_more(&catalog).await;
        }
    }

    /// The segments opened so far; they are listed the first time.
    pub(super) async fn catalog(&self) -> Option<Arc<Catalog>> {
        if let Some(catalog) = self.current.read().await.as_ref() {
            return Some(catalog.clone());
        }
        let mut current = self.current.write().await;
        if current.is_none() {
            match self.list().await {
                Ok(unopened) => *current = Some(Arc::new(Catalog::new(Vec::new(), unopened))),
                Err(cause) => {
                    let cause = cause.report();
                    tracing::warn!(tenant = %self.tenant, cause, "the index cannot be listed; queries do without it");
                }
            }
        }
        current.clone()
    }

    /// Those segments that there are, oldest first.
    async fn list(&self) -> Result<Vec<Listed>> {
        let listed = self.shared.access.store.list(&paths::index(&self.tenant)).await?;
        let replaced = self.replaced_at();
        let segments = listed.into_iter().filter_map(|object| {
            let id = paths::parse_index_segment(&object.location)?;
            let listed = Listed { id, key: object.location, size_bytes: object.size };
            (!replaced.contains_key(&id)).then_some(listed)
        });
        let mut segments: Vec<Listed> = segments.collect();
        // Their ids begin with the time.
        segments.sort_by_key(|segment| segment.id);
        Ok(segments)
    }

    /// Opens the newest segments that are not open in `seen`, unless somebody else has done so.
    async fn open_more(&self, seen: &Arc<Catalog>) {
        let mut current = self.current.write().await;
        let Some(catalog) = current.as_ref().filter(|current| Arc::ptr_eq(current, seen)) else { return };
        let (older, newest) =
            catalog.unopened.split_at(catalog.unopened.len().saturating_sub(SEGMENTS_AT_ONCE));
        let opened =
            stream::iter(newest.to_vec()).map(|listed| self.open(listed)).buffer_unordered(SEGMENTS_AT_ONCE);
        let opened: Vec<Option<Arc<Segment>>> = opened.collect().await;
        let segments = catalog.segments.iter().cloned().chain(opened.into_iter().flatten()).collect();
        *current = Some(Arc::new(Catalog::new(segments, older.to_vec())));
    }

    /// `None` if it cannot be read or is of no use.
    async fn open(&self, listed: Listed) -> Option<Arc<Segment>> {
        let store = &self.shared.access.store;
        match Segment::open(store, listed.id, listed.key.clone(), listed.size_bytes).await {
            // Made with other settings: it counts as not there, and is made anew.
            Ok(segment) if segment.footer.block_rows != self.shared.settings.block_rows => None,
            Ok(segment) => Some(Arc::new(segment)),
            // It was merged away, or deleted, since it was listed.
            Err(cause) if cause.kind() == ErrorKind::NotFound => None,
            Err(cause) => {
                let (path, cause) = (&listed.key, cause.report());
                tracing::warn!(%path, cause, "a segment of the index cannot be read; queries do without it");
                None
            }
        }
    }

    pub(super) fn replaced_at(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, i64>> {
        self.replaced_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A segment that is durable and not yet asked.
#[derive(Debug)]
pub struct Written(Arc<Segment>);

/// Makes [`Rows`] of any ranges: sorts them and joins those that touch.
pub fn join_ranges(rows: &mut Rows) {
    rows.sort_by_key(|range| range.start);
    let mut joined: Rows = Vec::with_capacity(rows.len());
    for range in rows.drain(..) {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    *rows = joined;
}
