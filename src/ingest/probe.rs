//! How it is found out that a store which refused a write takes writes again, should no events come.
//!
//! In: how large the refused write was. Out: a segment without events of that size, each second. A store may refuse large objects and
//! take small ones (a disk that is nearly full); a probe that is larger than what was refused may fail for ever.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::{error::Result, wal::Segment};

/// How long after a refused write the store is probed.
const PAUSE: Duration = Duration::from_secs(1);

/// No probe is larger than this.
const BYTES_MAX: usize = 1024 * 1024;

/// The next probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    due: Instant,
    bytes: usize,
}

impl Probe {
    /// The probe after a write of `bytes` that was refused.
    pub(super) fn after(bytes: usize) -> Self {
        Self { due: Instant::now() + PAUSE, bytes: bytes.min(BYTES_MAX) }
    }

    /// The probe after this one, which was refused as well: of the same size, however long it takes.
    pub(super) fn again(self) -> Self {
        Self::after(self.bytes)
    }

    /// A segment without events of the probe's size, or as small as one can be.
    pub(super) fn segment(self, writer: String) -> Result<Segment> {
        let mut segment = Segment { writer, answers: "[]".to_owned(), ..Segment::default() };
        let padding = self.bytes.saturating_sub(super::writer::encode(&segment)?.len());
        segment.answers = format!("[{}]", " ".repeat(padding));
        Ok(segment)
    }
}

/// Waits for the time of a probe, for ever if there is none.
pub(super) async fn due(probe: Option<Probe>) {
    match probe {
        Some(probe) => sleep_until(probe.due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a probe that is so small that a full disk takes it, and one that is larger than the write that was refused.
    #[test]
    fn a_probe_has_the_size_that_was_refused() {
        let length = |probe: Probe| probe.segment("writer".to_owned()).unwrap().encode().unwrap().len();
        let least = length(Probe::after(0));
        for bytes in [least, least + 1, 100_000, BYTES_MAX, 5 * BYTES_MAX] {
            let expected = bytes.min(BYTES_MAX);
            // Arrow fills its messages up to a multiple of 64 bytes.
            for probe in [Probe::after(bytes), Probe::after(bytes).again().again()] {
                assert!(length(probe).abs_diff(expected) < 64, "{} of {bytes}", length(probe));
            }
        }
    }
}
