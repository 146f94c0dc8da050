//! The cap on uncommitted events, in real Arrow bytes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::error::{Error, ErrorKind, Result};

/// Counts bytes that requests brought and that are not committed yet.
#[derive(Debug)]
pub(super) struct Budget {
    cap_bytes: usize,
    /// Requests between their arrival and their publication.
    queued: Arc<AtomicUsize>,
    /// Published and not committed; set by the writer task from the tables' own counts.
    uncommitted: AtomicUsize,
    /// Whether a request was refused since anything was given back.
    full: AtomicBool,
}

/// Bytes of one request; given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    bytes: usize,
    queued: Arc<AtomicUsize>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.queued.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl Budget {
    pub(super) fn new(cap_bytes: usize) -> Self {
        Self {
            cap_bytes,
            queued: Arc::default(),
            uncommitted: AtomicUsize::new(0),
            full: AtomicBool::new(false),
        }
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.queued.load(Ordering::Acquire) + self.uncommitted.load(Ordering::Acquire)
    }

    /// Replaces one tenant's share of the uncommitted bytes.
    pub(super) fn replace(&self, before: usize, after: usize) {
        if after >= before {
            self.uncommitted.fetch_add(after - before, Ordering::AcqRel);
        } else {
            self.uncommitted.fetch_sub(before - after, Ordering::AcqRel);
            self.full.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn uncommitted_bytes(&self) -> usize {
        self.uncommitted.load(Ordering::Acquire)
    }

    /// Whether the last request that was refused would be refused again.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Counts a request in, or refuses it.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reservation> {
        self.queued.fetch_add(bytes, Ordering::AcqRel);
        let reservation = Reservation { bytes, queued: Arc::clone(&self.queued) };
        let used = self.used_bytes();
        if used <= self.cap_bytes {
            return Ok(reservation);
        }
        self.full.store(true, Ordering::Relaxed);
        Err(Error::new(
            ErrorKind::Busy,
            format!(
                "{used} bytes of events wait to be committed, the cap is {}; try again soon",
                self.cap_bytes
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch memory that a refused or failed request never gives back.
    #[test]
    fn refused_requests_leave_nothing_behind() {
        let budget = Budget::new(100);
        let first = budget.reserve(60).unwrap();
        assert_eq!(budget.reserve(41).unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(budget.used_bytes(), 60);
        drop(first);
        budget.replace(0, 100);
        assert_eq!(budget.reserve(1).unwrap_err().kind(), ErrorKind::Busy);
        assert!(budget.is_full());
        budget.replace(100, 0);
        assert!(!budget.is_full());
        assert!(budget.reserve(100).is_ok());
    }
}
