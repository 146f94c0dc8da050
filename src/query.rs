//! Queries: read-only SQL over the events of one tenant or of all, with limits, statistics and formats.
//!
//! In: a SQL text, parameters, a scope. Out: a stream of record batches, or of bytes in a format.
//! The way of a query, file by file: [`guard`] checks the text, [`params`] types the values, [`session`] holds
//! what the query may use, [`provider`] is the table, [`prune`] decides which files can match, [`scan`] reads
//! them, [`plan`] fixes the columns, [`joins`] bounds joins, [`job`] runs it all on the [`engine`]'s threads,
//! [`running`] is what the caller holds, [`format`] turns it into bytes.

mod columns;
mod engine;
mod failure;
pub mod format;
mod guard;
mod job;
mod joins;
mod params;
mod partition;
mod plan;
mod provider;
mod prune;
mod running;
mod scan;
mod session;
mod statistics;

#[cfg(test)]
mod tests;

pub use engine::{Engine, Request, Scope, Settings};
pub use provider::Pushdown;
pub use running::Running;
pub use statistics::Statistics;
