//! Section `[query]` of the configuration: limits of queries that an operator may change.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::provider::Pushdown;
use crate::telemetry;

/// The footer cache has one byte in so many of the machine's memory, and at least the smallest that is of use.
const FOOTER_CACHE_ONE_IN: u64 = 40;
const FOOTER_CACHE_BYTES_MIN: u64 = 64 << 20;
/// The same of the cache of blocks.
const BLOCK_CACHE_ONE_IN: u64 = 80;
const BLOCK_CACHE_BYTES_MIN: u64 = 16 << 20;

/// Limits of queries that an operator may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Threads that plan and run queries, and files read at the same time by one query.
    pub threads: usize,
    /// Queries at the same time.
    pub concurrent_max: usize,
    /// Of these, over one tenant; half of them, and at least one, if not set. All tenants together count as one more.
    pub concurrent_per_tenant_max: Option<usize>,
    /// Queries over one tenant that wait for their turn; any more are told at once to come back.
    pub queued_per_tenant_max: usize,
    /// How long a query waits for a place before it is told to come back.
    pub queue_wait_ms: u64,
    /// How long a query may take, from admission to its last row.
    pub deadline_ms: u64,
    /// Memory for all queries; each has an equal share of its own.
    pub memory_bytes: usize,
    /// Disk that one query may use for what does not fit its memory.
    pub spill_bytes_max: u64,
    /// Where queries spill; the system's temporary folder if not set.
    pub spill_folder: Option<PathBuf>,
    /// Rows of one answer.
    pub rows_max: u64,
    /// Memory for Parquet footers and page indexes, shared by all queries; by default a part of the machine's, 640 MB of
    /// 24 GiB. A cache of 50 MB, the usual default, thrashes on wide tables (apache/datafusion#21968).
    pub footer_cache_bytes: usize,
    /// Memory for blocks of rows that needles have read, shared by all queries; by default a part of the machine's, 320 MB of
    /// 24 GiB. With 0 none are kept.
    pub block_cache_bytes: u64,
    /// How filters are handed to the Parquet reader.
    pub pushdown: Pushdown,
    /// Skip files by the Delta log's statistics; off only to check answers.
    pub pruning: bool,
    /// Skip files and rows by the skip index; off only to check answers.
    pub skip_index: bool,
    /// A folder of saved queries beside the built-in ones, see [`saved`](super::saved); none if not set.
    pub folder: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            concurrent_max: 4,
            concurrent_per_tenant_max: None,
            queued_per_tenant_max: 32,
            queue_wait_ms: 10_000,
            deadline_ms: 60_000,
            memory_bytes: 512 << 20,
            spill_bytes_max: 1 << 30,
            spill_folder: None,
            rows_max: 10_000_000,
            footer_cache_bytes: part_of_memory(FOOTER_CACHE_ONE_IN, FOOTER_CACHE_BYTES_MIN) as usize,
            block_cache_bytes: part_of_memory(BLOCK_CACHE_ONE_IN, BLOCK_CACHE_BYTES_MIN),
            pushdown: Pushdown::default(),
            pruning: true,
            skip_index: true,
            folder: None,
        }
    }
}

impl Settings {
    /// Queries over one tenant at the same time.
    pub fn concurrent_per_tenant(&self) -> usize {
        self.concurrent_per_tenant_max.unwrap_or(self.concurrent_max / 2).max(1)
    }

    /// Memory that one query may use.
    pub fn query_memory_bytes(&self) -> usize {
        self.memory_bytes / self.concurrent_max.max(1)
    }
}

fn part_of_memory(one_in: u64, bytes_min: u64) -> u64 {
    (telemetry::memory_bytes() / one_in).max(bytes_min)
}
