//! The clock: the only file that asks the machine what time it is.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use chrono::{DateTime, Utc};

/// Where the machine's monotonic time counts from.
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A source of wall-clock time: the system's, or a test's.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    manual: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at `micros` (since 1970, UTC) until [`Clock::advance`].
    pub fn manual(micros: i64) -> Self {
        Self { manual: Some(Arc::new(AtomicI64::new(micros))) }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now_micros(&self) -> i64 {
        match &self.manual {
            Some(micros) => micros.load(Ordering::Acquire),
            None => Utc::now().timestamp_micros(),
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn now_millis(&self) -> i64 {
        self.now_micros() / 1_000
    }

    /// The same moment as a calendar value.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.now_micros()).unwrap_or_default()
    }

    /// Microseconds since some moment of this process, for measuring what passes: never less than before, whatever
    /// happens to the wall clock.
    pub fn monotonic_micros(&self) -> i64 {
        match &self.manual {
            Some(micros) => micros.load(Ordering::Acquire),
            None => i64::try_from(STARTED.elapsed().as_micros()).unwrap_or(i64::MAX),
        }
    }

    /// Moves a manual clock forward; does nothing on the system clock.
    pub fn advance(&self, micros: i64) {
        if let Some(clock) = &self.manual {
            clock.fetch_add(micros, Ordering::AcqRel);
        }
    }
}
