//! Memory that the jobs of a compaction share.
//!
//! In: what a job is expected to take, and what its files turn out to take once they are open. Out: yes or no.
//! Guaranteed: the shares of all jobs together are never more than the whole. Memory is counted in mebibytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All of it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    free: Arc<Semaphore>,
    whole: u32,
}

/// What one job has of it; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Memory,
    held: OwnedSemaphorePermit,
}

impl Memory {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let whole = mebibytes(bytes_max);
        Self { free: Arc::new(Semaphore::new(whole as usize)), whole }
    }

    /// Waits until there are `bytes` left, or everything if that is less. Who asked first is served first.
    pub(crate) async fn share(&self, bytes: u64) -> Share {
        let held = Arc::clone(&self.free).acquire_many_owned(mebibytes(bytes).min(self.whole)).await;
        Share { memory: self.clone(), held: held.expect("the semaphore is never closed") }
    }

    /// Waits until nobody else has any.
    pub(crate) async fn whole(&self) -> Share {
        self.share(u64::MAX).await
    }
}

impl Share {
    /// Makes the share large enough for `bytes`, unless others have what it would need. Never waits.
    pub(crate) fn grow_to(&mut self, bytes: u64) -> bool {
        let wanted = mebibytes(bytes).saturating_sub(self.held.num_permits() as u32);
        if wanted == 0 {
            return true;
        }
        let more = Arc::clone(&self.memory.free).try_acquire_many_owned(wanted);
        more.map(|more| self.held.merge(more)).is_ok()
    }

    /// Whether nobody else has any.
    pub(crate) fn is_whole(&self) -> bool {
        self.held.num_permits() as u32 == self.memory.whole
    }
}

fn mebibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024 * 1024)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// Would catch jobs that together take more than there is, and memory that a finished job never gives back.
    #[tokio::test]
    async fn shares_never_exceed_the_whole() {
        let memory = Memory::new(10 * MIB);
        let mut first = memory.share(4 * MIB).await;
        let mut second = memory.share(3 * MIB + 1).await;
        assert!(first.grow_to(5 * MIB) && first.grow_to(6 * MIB));
        assert!(!second.grow_to(5 * MIB) && second.grow_to(4 * MIB));
        assert!(!first.is_whole());
        drop(second);
        assert!(first.grow_to(10 * MIB) && first.is_whole() && !first.grow_to(11 * MIB));
        drop(first);
        assert!(memory.whole().await.is_whole());
    }
}
