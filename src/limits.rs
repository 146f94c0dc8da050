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
