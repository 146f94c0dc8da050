//! Every cap of the product in one table, unit last in the name; the README shows the same numbers.

/// Length of a tenant id.
pub const TENANT_ID_BYTES_MAX: usize = 64;

// The store.

/// Retries of one request to an S3 store, with exponential backoff between them.
pub const STORE_RETRIES_MAX: usize = 10;
/// No retry starts later than this after the first attempt.
pub const STORE_RETRY_MS_MAX: u64 = 60_000;
/// One attempt of a request, its body included.
pub const STORE_REQUEST_MS_MAX: u64 = 30_000;
/// Making a connection to an S3 store.
pub const STORE_CONNECT_MS_MAX: u64 = 5_000;
/// Retries of the request that checks an S3 store at start: few, so that a wrong setting is told soon.
pub const STORE_PROBE_RETRIES_MAX: usize = 2;
/// Folders a local store remembers as fsynced; past it, it forgets them and fsyncs again.
pub const STORE_FOLDERS_KNOWN_MAX: usize = 65_536;
/// Processes that may have one local store open at the same time.
pub const STORE_LOCAL_OPENERS_MAX: usize = 256;
// Tables: files, commits and what is uncommitted.

/// Rows of a Parquet row group.
pub const ROW_GROUP_ROWS_MAX: usize = 128 * 1024;
/// Encoded bytes of a Parquet row group: what a reader of one file keeps in memory.
pub const ROW_GROUP_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Rows of a Parquet page.
pub const PAGE_ROWS_MAX: usize = 20_000;
/// Bytes of the batches that reading a file yields, about.
pub const READ_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Rows of the batches that reading a file yields.
pub const READ_BATCH_ROWS_MAX: usize = 8_192;
/// Characters of text kept in a file's statistics.
pub const STATS_TEXT_CHARS_MAX: usize = 32;
/// Rows up to which uncommitted batches are merged into one.
pub const COALESCED_ROWS_MAX: usize = 8_192;
/// Bytes up to which uncommitted batches are merged into one.
pub const COALESCED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Attempts to write one entry of a Delta log when the store fails.
pub const COMMIT_ATTEMPTS_MAX: u32 = 5;
// --- import ---

/// Longest single JSON value (event or record) that an imported file may hold.
pub const IMPORT_VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events in one batch of an import.
pub const IMPORT_BATCH_EVENTS_MAX: usize = 5_000;
/// Bytes of one batch of an import.
pub const IMPORT_BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

// --- generate ---

/// Tenants of a synthetic company.
pub const GENERATE_TENANTS_MAX: usize = 10_000;
/// Days of a synthetic company's history.
pub const GENERATE_DAYS_MAX: u32 = 3_660;
