//! The write-ahead log: every accepted batch of all tenants, durable before anyone is told so.
//!
//! In: record batches of [`crate::event::schema::accepted_schema`] and the answers to keep for repeated
//! `Idempotency-Key`s. Out: numbered segments, read back in the order in which they were acknowledged.
//! Guaranteed:
//!
//! - A segment is one object, created if absent, and never changed: [`Appender::append`] returns only when
//!   its outcome is known. After an error it *seals* the slot: either the object is found to be there, or a
//!   tombstone takes its place so that a late write can never succeed.
//! - One writer: [`Epoch::claim`] claims the next epoch by create-if-absent and fences all older ones by
//!   a tombstone in the slot that their writer must use next.
//! - [`read_all`] tells a write that was never acknowledged from one that was and is damaged.
//!
//! Layout: `wal/{epoch}/{segment}.arrow`; segments count from 1 in each epoch, without gaps. The last
//! segment of an epoch is never deleted before its epoch is fenced: its number is what a fence needs.

mod append;
mod epoch;
mod lease;
mod position;
mod replay;
mod segment;
#[cfg(test)]
mod tests;

pub use append::{Appended, Appender};
pub use epoch::{Epoch, forget_old_epochs};
pub use lease::{Holder, Lease};
pub use position::Position;
pub use replay::{ListedSegment, list, read_all, read_one};
pub use segment::{Segment, SegmentError};
