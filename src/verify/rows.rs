//! Each stored event against its leaf.
//!
//! In: the table's files, the tiles of leaves. Out: findings that name event and file, and the set of numbers that were seen.
//! Guaranteed: a file is streamed; tiles of leaves are kept in a bounded cache; a damaged tile does not hide a changed event: its
//! events are then held against the hash in the tile above.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use futures::{FutureExt as _, StreamExt, TryStreamExt, stream};
use tokio::task::{JoinSet, spawn_blocking};

use super::{
    Finding, Kind, Progress,
    finding::Findings,
    indexed, lock,
    seen::Seen,
    tiles::{Checked, Leaves},
    unless_broken,
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{TenantId, Text, derived, schema},
    evidence::{Hash, Stored, TileId, Tiles as _, leaves_of, tile::TILE_WIDTH},
    index::TenantIndex,
    limits::{
        EVIDENCE_REQUESTS_MAX, VERIFY_DAMAGED_TILES_MAX, VERIFY_FEW_ROWS, VERIFY_FINDINGS_MAX,
        VERIFY_ROWS_IN_PLACE,
    },
    table::{BatchRows, DataFile, ReadOptions, Snapshot, Table, start_micros},
};

const DAY_MICROS: i64 = 86_400_000_000;

/// The check of one tenant's rows.
pub(super) struct RowCheck {
    tree: Stored,
    index: Option<Arc<TenantIndex>>,
    tenant: TenantId,
    size: u64,
    next_seq: u64,
    tiles: Checked,
    findings: Arc<Mutex<Findings>>,
    found: Mutex<Found>,
}

/// What the rows have told so far.
#[derive(Default)]
struct Found {
    seen: Seen,
    /// Events that are not their leaves, with the leaves that they have: one may be another's.
    changed: Vec<Changed>,
    changed_more: u64,
    /// Leaves of events in damaged tiles.
    behind_damage: HashMap<u64, Vec<Option<Hash>>>,
}

struct Changed {
    seq: u64,
    id: Option<String>,
    file: String,
    is: Hash,
    should_be: Hash,
}

/// The rows of a batch, and their ids, which only findings name.
struct Batch {
    rows: Vec<Row>,
    ids: Text,
}

/// One row.
struct Row {
    seq: u64,
    leaf: Hash,
    is_misplaced: Option<&'static str>,
    /// Whether columns that are made of its targets say something else.
    is_contradictory: bool,
}

impl RowCheck {
    pub(super) fn new(
        tree: Stored,
        index: Option<Arc<TenantIndex>>,
        tenant: TenantId,
        (size, next_seq): (u64, u64),
        tiles: Checked,
        findings: Arc<Mutex<Findings>>,
    ) -> Self {
        Self { tree, index, tenant, size, next_seq, tiles, findings, found: Mutex::default() }
    }

    /// Compares all rows of `snapshot`, a file on each core; gives how many there are. Dropped, it ends.
    pub(super) async fn run(
        self: &Arc<Self>,
        table: &Arc<Table>,
        snapshot: &Snapshot,
        progress: &Progress,
    ) -> Result<u64> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (mut files, mut under_way, mut sum) = (snapshot.files.iter(), JoinSet::new(), 0);
        loop {
            for file in files.by_ref().take(cores - under_way.len()) {
                let (check, table, file) = (Arc::clone(self), Arc::clone(table), Arc::clone(file));
                under_way.spawn(async move {
                    survived(&check.findings, &file.path, check.file(&table, &file)).await
                });
            }
            let Some(ended) = under_way.join_next().await else { return Ok(sum) };
            let rows = ended
                .map_err(|error| Error::with_source(ErrorKind::Internal, "a check stopped", error))??;
            progress.add(rows);
            sum += rows;
        }
    }

    async fn file(&self, table: &Table, file: &Arc<DataFile>) -> Result<u64> {
        let add = |finding: Finding| {
            lock(&self.findings).push(Finding { file: Some(file.path.clone()), ..finding });
        };
        let opened = table.read(file, &how_to_read(file)).await;
        let Some(mut batches) = unless_broken(opened, &add, Kind::File)? else { return Ok(0) };
        let mut rows = 0;
        loop {
            let next = batches.try_next().await;
            let Some(Some(batch)) = unless_broken(next, &add, Kind::File)? else { break };
            if let Some(index) = &self.index
                && let Some(finding) = indexed::check(index, &batch, file, rows).await?
            {
                lock(&self.findings).push(finding);
            }
            rows += batch.num_rows() as u64;
            self.batch(batch, file).await?;
        }
        if rows != file.rows {
            add(Finding::file(
                &file.path,
                format!("it has {rows} rows, and the table's log says {}", file.rows),
            ));
        }
        Ok(rows)
    }

    async fn batch(&self, batch: RecordBatch, file: &Arc<DataFile>) -> Result<()> {
        let (tenant, start) = (self.tenant.clone(), start_micros(file.day));
        let batch = if batch.num_rows() <= VERIFY_ROWS_IN_PLACE {
            // To hand them to another thread would take as long.
            Batch::of(&batch, &tenant, start)?
        } else {
            let hashing = spawn_blocking(move || Batch::of(&batch, &tenant, start)).await;
            hashing
                .map_err(|error| Error::with_source(ErrorKind::Internal, "hashing events failed", error))??
        };
        let tiles = self.leaves(&batch.rows).await?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        // Rows that follow each other are mostly of one tile.
        let mut last: (Option<u64>, Option<&Leaves>) = (None, None);
        for (at, row) in batch.rows.iter().enumerate() {
            let tile = row.seq / TILE_WIDTH;
            if last.0 != Some(tile) {
                last = (Some(tile), tiles.get(&tile));
            }
            let leaf = last.1.and_then(Option::as_ref);
            let leaf = leaf.and_then(|leaves| leaves.get((row.seq % TILE_WIDTH) as usize).copied());
            self.row(&mut found, row, leaf, || batch.ids.get(at).map(str::to_owned), &file.path);
        }
        Ok(())
    }

    /// The tiles of leaves that rows need.
    async fn leaves(&self, rows: &[Row]) -> Result<HashMap<u64, Leaves>> {
        let mut wanted: Vec<u64> =
            rows.iter().filter(|row| row.seq < self.size).map(|row| row.seq / TILE_WIDTH).collect();
        wanted.dedup();
        let wanted: HashSet<u64> = wanted.into_iter().collect();
        let fetched = stream::iter(wanted).map(|index| async move {
            if let Some(leaves) = self.tiles.leaves.get(&index) {
                return Ok::<_, Error>((index, leaves));
            }
            let leaves = match TileId::holding(0, index * TILE_WIDTH, self.size) {
                // What is wrong with a tile has been told already.
                Some(tile) => unless_broken(self.tree.tile(tile).await, &|_| {}, Kind::Tile)?
                    .and_then(|bytes| tile.hashes(&bytes))
                    .map(Arc::new),
                None => None,
            };
            self.tiles.leaves.insert(index, leaves.clone());
            Ok((index, leaves))
        });
        fetched.buffer_unordered(EVIDENCE_REQUESTS_MAX).try_collect().await
    }

    fn row(
        &self,
        found: &mut Found,
        row: &Row,
        should_be: Option<Hash>,
        id: impl Fn() -> Option<String>,
        file: &str,
    ) {
        let about = |kind: Kind, detail: &str| Finding {
            id: id(),
            file: Some(file.to_owned()),
            ..Finding::range(kind, row.seq, row.seq, detail)
        };
        let add = |finding| lock(&self.findings).push(finding);
        if let Some(reason) = row.is_misplaced {
            add(about(Kind::Misplaced, reason));
        }
        if row.is_contradictory {
            add(about(Kind::Changed, "its columns target_… and target_ids are not those of its targets"));
        }
        if row.seq >= self.next_seq.max(self.size) {
            return add(about(Kind::Inserted, "no event has this number"));
        }
        if !found.seen.insert(row.seq) {
            add(about(Kind::Duplicate, "another row bears the same number"));
        }
        if row.seq >= self.size {
            return;
        }
        let tile = row.seq / TILE_WIDTH;
        if self.tiles.damaged.contains_key(&tile) {
            let room = found.behind_damage.len() < VERIFY_DAMAGED_TILES_MAX;
            if room || found.behind_damage.contains_key(&tile) {
                let leaves =
                    found.behind_damage.entry(tile).or_insert_with(|| vec![None; TILE_WIDTH as usize]);
                leaves[(row.seq % TILE_WIDTH) as usize] = Some(row.leaf);
            }
            return;
        }
        let Some(should_be) = should_be.filter(|leaf| *leaf != row.leaf) else { return };
        if found.changed.len() == VERIFY_FINDINGS_MAX {
            found.changed_more += 1;
            return;
        }
        found.changed.push(Changed {
            seq: row.seq,
            id: id(),
            file: file.to_owned(),
            is: row.leaf,
            should_be,
        });
    }

    /// Tells what only all rows together tell; gives the numbers that were seen.
    pub(super) fn finish(&self) -> Seen {
        let found = std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner));
        let places: HashMap<Hash, u64> =
            found.changed.iter().map(|changed| (changed.should_be, changed.seq)).collect();
        let mut findings = lock(&self.findings);
        for Changed { seq, id, file, is, .. } in found.changed {
            let detail = match places.get(&is) {
                Some(other) => format!("this is event {other}, put in the place of {seq}"),
                None => "it is not the event that its leaf was made of".to_owned(),
            };
            let about = Finding::range(Kind::Changed, seq, seq, &detail);
            findings.push(Finding { id, file: Some(file), ..about });
        }
        for _ in 0..found.changed_more {
            findings.push(Finding::new(Kind::Changed, "more events are not their leaves".to_owned()));
        }
        for (tile, expected) in self.tiles.damaged.iter().map(|(tile, expected)| (*tile, *expected)) {
            let leaves: Option<Vec<Hash>> =
                found.behind_damage.get(&tile).and_then(|leaves| leaves.iter().copied().collect());
            let fits = expected.is_some() && leaves.map(|leaves| Hash::of_list(&leaves)) == expected;
            if !fits {
                let (first, end) = (tile * TILE_WIDTH, ((tile + 1) * TILE_WIDTH).min(self.size));
                let detail = "their tile is damaged, and the events that are stored do not lead to the hash above it either \
                              (or some of them have expired)";
                findings.push(Finding::range(Kind::Tile, first, end - 1, detail));
            }
        }
        drop(findings);
        found.seen
    }
}

impl Batch {
    fn of(batch: &RecordBatch, tenant: &TenantId, day_start: i64) -> Result<Self> {
        let leaves = leaves_of(batch, |_| true)?;
        let mut contradictory = derived::contradictions(batch)?.into_iter().peekable();
        let seqs = batch[schema::SEQ].as_primitive::<Int64Type>();
        let tenants = Text::of(batch, schema::TENANT_ID)?;
        let times = batch[schema::OCCURRED_AT].as_primitive::<TimestampMicrosecondType>();
        let row = |(row, leaf): (usize, Hash)| {
            let is_of_day = (day_start..day_start + DAY_MICROS).contains(&times.value(row));
            let is_misplaced = match (is_of_day, tenants.get(row) == Some(tenant.as_str())) {
                (false, _) => Some("it occurred on another day than its partition's"),
                (true, false) => Some("it is another tenant's"),
                (true, true) => None,
            };
            // A number below zero is none.
            let seq = u64::try_from(seqs.value(row)).unwrap_or(u64::MAX);
            let is_contradictory = contradictory.next_if_eq(&row).is_some();
            Row { seq, leaf, is_misplaced, is_contradictory }
        };
        let rows = leaves.into_iter().enumerate().map(row).collect();
        Ok(Self { rows, ids: Text::of(batch, schema::ID)? })
    }
}

/// Few rows are one batch, unless they are large.
fn how_to_read(file: &DataFile) -> ReadOptions {
    let has_few = file.rows <= VERIFY_FEW_ROWS;
    let batch_rows = if has_few { BatchRows::All } else { BatchRows::Measured };
    ReadOptions { batch_rows, text_views: true, ..ReadOptions::default() }
}

/// The rows that `check` counts in the file at `path`. If it panics, as decoders do over some damaged pages, that is a finding about the
/// file and not the end of all checks.
async fn survived(
    findings: &Mutex<Findings>,
    path: &str,
    check: impl Future<Output = Result<u64>>,
) -> Result<u64> {
    AssertUnwindSafe(check).catch_unwind().await.unwrap_or_else(|_| {
        lock(findings).push(Finding::file(path, "it cannot be decoded: its pages are damaged".to_owned()));
        Ok(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::READ_BATCH_BYTES_MAX, table::fixture};

    /// Would catch a small file whose rows all come at once although they are large and only compress well, which would take a hundred
    /// times the memory that verification is bounded by; and few small rows that are cut into many batches.
    #[tokio::test]
    async fn few_rows_come_at_once_unless_they_are_large() {
        let table = fixture::table(&fixture::memory_store()).await;
        let rows = VERIFY_FEW_ROWS;
        let small = fixture::events(0, rows);
        let mut large = fixture::events(rows, rows);
        for event in &mut large {
            event.description = Some(format!("{}{}", "x".repeat(100_000), event.number));
        }
        let mut batches = Vec::new();
        for events in [small, large] {
            let file = fixture::write(&table, &events).await;
            assert!(file.size_bytes < 512 * 1024, "it compresses to {} bytes", file.size_bytes);
            let read: Vec<RecordBatch> =
                table.read(&file, &how_to_read(&file)).await.unwrap().try_collect().await.unwrap();
            let text_bytes = |batch: &RecordBatch| -> usize {
                batch["description"].as_string_view().iter().flatten().map(str::len).sum()
            };
            let largest = read.iter().map(text_bytes).max().unwrap();
            assert!(largest <= READ_BATCH_BYTES_MAX, "{largest} bytes");
            assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>() as u64, rows);
            batches.push(read.len());
        }
        assert!(batches[0] == 1 && batches[1] > 20, "{batches:?}");
    }

    /// Would catch a damaged page that ends the check of a whole store, instead of being told with its file.
    #[tokio::test]
    async fn a_file_that_brings_its_decoder_down_is_named() {
        let findings = Mutex::default();
        let panics = async { panic!("a level is larger than the largest") };
        assert_eq!(survived(&findings, "day=2026-10-28/a.parquet", panics).await.unwrap(), 0);
        assert_eq!(survived(&findings, "day=2026-10-28/b.parquet", async { Ok(7) }).await.unwrap(), 7);
        let (found, more) = lock(&findings).take();
        assert_eq!((found.len(), more, found[0].kind), (1, 0, Kind::File));
        assert_eq!(found[0].file.as_deref(), Some("day=2026-10-28/a.parquet"));
    }
}
