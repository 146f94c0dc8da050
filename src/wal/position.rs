//! A place in the WAL as one number, so that it fits a Delta `txn` version and positions compare in time.

use std::fmt;

/// Bits of a position that hold the segment number; the epoch stands above them.
const SEGMENT_BITS: u32 = 40;

/// Epoch and segment number of one WAL segment, ordered by epoch and then by segment.
///
/// ```
/// use auditlake::wal::Position;
/// let position = Position::new(3, 17);
/// assert_eq!((position.epoch(), position.segment()), (3, 17));
/// assert!(position < Position::new(4, 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The position of `segment` in `epoch`. Epochs stay below 2²³ and segments below 2⁴⁰: a restart a second
    /// for three months, a thousand segments a second for thirty years.
    pub fn new(epoch: u64, segment: u64) -> Self {
        debug_assert!(epoch < 1 << 23 && segment < 1 << SEGMENT_BITS);
        Self((epoch << SEGMENT_BITS) | segment)
    }

    /// The number as a Delta `txn` action stores it.
    pub fn from_u64(value: u64) -> Self {
        Self(value)
    }

    /// The number that a Delta `txn` action stores.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The writer's epoch.
    pub fn epoch(self) -> u64 {
        self.0 >> SEGMENT_BITS
    }

    /// The segment's number in its epoch, from 1.
    pub fn segment(self) -> u64 {
        self.0 & ((1 << SEGMENT_BITS) - 1)
    }

    /// The slot after this one in the same epoch.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.epoch(), self.segment())
    }
}
