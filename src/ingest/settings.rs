//! What can be set about ingest, with units in the names.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// Settings of the writer and the flusher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long the first request of a group waits for others before the WAL write; `None`: 0 on a local
    /// folder (an fsync is cheap, and requests gather while one is in flight), 100 on an object store,
    /// where each write costs a request.
    pub gather_ms: Option<u64>,
    /// A group is written at once when it holds this many bytes of Arrow data.
    pub group_bytes_max: usize,
    /// A group is written at once when it holds this many requests.
    pub group_requests_max: usize,
    /// Cap on events accepted or on their way and not committed; past it requests are refused (429).
    pub uncommitted_bytes_max: usize,
    /// A tenant is committed when it has this many uncommitted events…
    pub flush_rows: usize,
    /// …or this many bytes of them…
    pub flush_bytes: usize,
    /// …or its oldest is this old.
    pub flush_age_ms: i64,
    /// Tenants committed at the same time.
    pub flush_concurrency: usize,
    /// How long the last commit may take when the process ends; what is not committed stays in the WAL.
    pub close_ms: u64,
    /// How long the lease holds without renewal; it is renewed three times as often.
    pub lease_ms: i64,
    /// How long answers to requests with an `Idempotency-Key` are kept.
    pub idempotency_ms: i64,
    /// How many such answers are kept; past it such requests are refused (429).
    pub idempotency_keys_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gather_ms: None,
            group_bytes_max: 16 << 20,
            group_requests_max: 1_024,
            uncommitted_bytes_max: 192 << 20,
            flush_rows: 200_000,
            flush_bytes: 64 << 20,
            flush_age_ms: 300_000,
            flush_concurrency: 8,
            close_ms: 30_000,
            lease_ms: 15_000,
            idempotency_ms: 24 * 3_600_000,
            idempotency_keys_max: 1_000_000,
        }
    }
}

impl Settings {
    /// Refuses values that cannot work.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] naming the setting, its value and the rule.
    pub fn validate(&self) -> Result<()> {
        let at_least_one = [
            ("group_bytes_max", self.group_bytes_max),
            ("group_requests_max", self.group_requests_max),
            ("flush_rows", self.flush_rows),
            ("flush_bytes", self.flush_bytes),
            ("flush_concurrency", self.flush_concurrency),
        ];
        if let Some((name, _)) = at_least_one.iter().find(|(_, value)| *value == 0) {
            return Err(Error::new(ErrorKind::Invalid, format!("ingest.{name} is 0; it must be at least 1")));
        }
        if self.uncommitted_bytes_max < 32 << 20 {
            let message = format!(
                "ingest.uncommitted_bytes_max is {}; it must be at least {} (two requests of the largest size)",
                self.uncommitted_bytes_max,
                32 << 20
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        if self.lease_ms < 1_000 {
            let message = format!("ingest.lease_ms is {}; it must be at least 1000", self.lease_ms);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(())
    }
}
