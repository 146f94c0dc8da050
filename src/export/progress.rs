//! How far an export is, told while it runs.
//!
//! In: what the run has read and written. Out: numbers, any time. Guaranteed: they are of one attempt; what an attempt that broke
//! off had written beyond complete files is not counted.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::job::{File, Step};

/// The numbers of one attempt.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    /// Events that the days to be read have.
    total: u64,
    /// Of these, behind the attempt when it began.
    behind_at_first: u64,
    /// Of these, behind it now.
    behind: AtomicU64,
    rows: AtomicU64,
    files: Mutex<Vec<File>>,
    files_at_first: usize,
}

impl Progress {
    /// An attempt that goes on after `steps`; `behind` of `total` events were read by earlier ones.
    pub(super) fn begin(total: u64, behind: u64, steps: &[Step]) -> Self {
        let files: Vec<File> = steps.iter().map(|step| step.file.clone()).collect();
        Self {
            began: Instant::now(),
            total,
            behind_at_first: behind,
            behind: AtomicU64::new(behind),
            rows: AtomicU64::new(files.iter().map(|file| file.rows).sum()),
            files_at_first: files.len(),
            files: Mutex::new(files),
        }
    }

    /// So many events are behind it.
    pub(super) fn at(&self, behind: u64) {
        self.behind.store(behind, Ordering::Relaxed);
    }

    /// So many rows more are written.
    pub(super) fn wrote(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// A file is at its destination.
    pub(super) fn completed(&self, file: &File) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).push(file.clone());
    }

    /// Rows written, those of the file that is open included.
    pub(super) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Whether the attempt has completed a file.
    pub(super) fn has_advanced(&self) -> bool {
        self.files().len() > self.files_at_first
    }

    /// Files that are complete.
    pub(super) fn files(&self) -> Vec<File> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From 0 to 1, and how long the rest takes at the pace so far.
    pub(super) fn estimate(&self) -> (f64, Option<Duration>) {
        let behind = self.behind.load(Ordering::Relaxed).min(self.total);
        let done = if self.total == 0 { 0.0 } else { behind as f64 / self.total as f64 };
        let read = behind.saturating_sub(self.behind_at_first);
        let left = (read > 0).then(|| {
            let pace = self.began.elapsed().as_secs_f64() / read as f64;
            Duration::from_secs_f64(pace * (self.total - behind) as f64)
        });
        (done, left)
    }
}
