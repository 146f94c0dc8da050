//! The skip index: which blocks of which files can hold a value, so that one event among tens of millions is read
//! from one page.
//!
//! In: the rows of data files as they are written; later, values. Out: for each file, the rows that may hold a value, or
//! "not indexed". Guaranteed: a row that holds the value is always among them. The index is never needed: a segment
//! that is missing or damaged costs time, is logged, and can be made again from the data files; nothing of it is
//! in the Delta log.
//!
//! An inverted index of hashes. A *segment* covers any number of files, of any number of days; for each field it holds
//! the hashes of all values in order, each with the blocks (of [`crate::limits::INDEX_BLOCK_ROWS`] rows) that have it. A commit
//! or a compaction writes a small segment beside its data files; merges make few large ones of them, so that a
//! question over years looks into a handful of places. Why not a Bloom filter for each file, as
//! others do: a filter answers wrongly in one of 100 files, so a question over a thousand days reads ten files for nothing,
//! needs a thousand look-ups (or another layout to avoid them), and cannot say where in the file. `cargo bench --bench index`
//! measures both; see `benches/README.md`.
//!
//! | part | does |
//! |---|---|
//! | [`field`], [`words`] | what is indexed, and how it is hashed |
//! | `builder` | rows → postings |
//! | `bits`, `postings` | postings ↔ bytes |
//! | `format`, `counts` | what a segment says about itself |
//! | `indexer` | for those who write files |
//! | `write`, `segment` | writes and reads segments |
//! | `catalog` | a tenant's segments, and what they cover; finds values |
//! | `maintain`, `plan`, `merge` | few segments instead of many |

mod bits;
mod builder;
mod catalog;
mod counts;
pub mod field;
mod format;
mod indexer;
mod maintain;
mod merge;
mod plan;
mod postings;
mod segment;
#[cfg(test)]
mod tests;
pub mod words;
mod write;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};

pub use self::{
    catalog::{FileRef, Found, Probe, Rows, TenantIndex, join_ranges},
    counts::{FileCounts, SegmentCounts},
    field::Field,
    indexer::Indexer,
    maintain::{Report, Size, Swept},
    segment::Cost,
};
use crate::{event::TenantId, limits, store::Store, telemetry::Clock};

/// What a cached piece of a segment takes, about.
const CACHED_BYTES: u64 = 4 * 1024;

/// What can be chosen about the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether new files are indexed, and queries ask the index.
    pub enabled: bool,
    /// Rows of a block: what one posting stands for, and so what a needle makes a query read. Segments made with another
    /// number are made anew.
    pub block_rows: u32,
    /// Memory for parts of segments that were read, all tenants together.
    pub cache_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, block_rows: limits::INDEX_BLOCK_ROWS as u32, cache_bytes: 128 * 1024 * 1024 }
    }
}

/// What all tenants' indexes have in common.
#[derive(Debug)]
struct Shared {
    access: segment::Access,
    clock: Clock,
    settings: Settings,
}

/// The indexes of all tenants of a store. Cheap to clone: clones share.
#[derive(Clone, Debug)]
pub struct Indexes {
    shared: Arc<Shared>,
    known: Arc<Mutex<BTreeMap<TenantId, Arc<TenantIndex>>>>,
}

impl Indexes {
    /// Reads nothing.
    pub fn open(store: Store, clock: Clock, settings: Settings) -> Self {
        let items = (settings.cache_bytes / CACHED_BYTES).max(16) as usize;
        let cache = Cache::with_weighter(items, settings.cache_bytes, segment::BySize);
        let shared = Shared { access: segment::Access { store, cache }, clock, settings };
        Self { shared: Arc::new(shared), known: Arc::default() }
    }

    /// Whether files are indexed and the index is asked.
    pub fn enabled(&self) -> bool {
        self.shared.settings.enabled
    }

    /// Rows that one posting stands for.
    pub fn block_rows(&self) -> u64 {
        u64::from(self.shared.settings.block_rows)
    }

    /// A tenant's index; its segments are listed when it is first asked.
    pub fn of(&self, tenant: &TenantId) -> Arc<TenantIndex> {
        // Only look-ups and insertions happen under it: it is whole even after a panic.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(TenantIndex::new(self.shared.clone(), tenant.clone()));
        known.entry(tenant.clone()).or_insert_with(new).clone()
    }

    /// Bytes of segments kept in memory at the moment.
    pub fn cached_bytes(&self) -> u64 {
        self.shared.access.cache.weight()
    }
}
