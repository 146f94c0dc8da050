//! Queries: read-only SQL over the events of one tenant or of all, with limits, statistics and formats.
//!
//! In: a SQL text, parameters, a scope. Out: a stream of record batches, or of bytes in a format.
//!
//! The way of a query, file by file:
//!
//! 1. `engine` admits it (`places`: how many at once, and of whom) and pins what it sees; `running` is what the caller holds;
//! 2. `job` runs it on the engine's threads: `guard` checks the text (`refusal`) and has `dialect` say it in the planner's words,
//!    `params` types the values, `session` holds what it may use (`functions`, `json`, `information_schema`), `plan` fixes its columns (`distinct`),
//!    `subqueries` runs what has to be known first, `joins` bounds its joins, `failure` says whose fault it is;
//! 3. `provider` is the table (`columns`): `prune`, `partition` and `skip` (with `has_words`, `remembered`) decide which files and
//!    rows can match, `scan` reads them (`readers`; `needle` if few rows are left, whose `blocks` stay in memory), `narrow` hides what the reader may not see,
//!    `statistics` counts the cost; rules of the optimizer
//!    need less than a scan: `counts` for how many, `newest` for the last ones, `eager` for the first that pass a filter;
//! 4. [`mod@format`] turns the answer into bytes.
//!
//! [`saved`] holds the questions that have a name; [`browse`] puts those of the events API (`filter`, `pattern`, `conditions`). Its counts are
//! queries as any other. Its pages have no plan: between `job` and `provider`, `topk` finds them block by block (`block_times`, `block_words`, `memory_words`).

mod addresses;
mod block_times;
mod block_words;
mod blocks;
pub mod browse;
mod columns;
mod conditions;
mod counts;
mod dialect;
mod distinct;
mod eager;
mod engine;
mod failure;
mod filter;
pub mod format;
mod functions;
mod guard;
mod has_target;
mod has_words;
mod information_schema;
mod job;
mod joins;
mod json;
mod keys;
mod lists;
mod log_order;
mod memory_words;
mod narrow;
mod needle;
mod newest;
mod own_plan;
mod params;
mod partition;
mod pattern;
mod places;
mod plan;
mod provider;
mod prune;
mod qualified;
mod readers;
mod refusal;
mod remembered;
mod running;
pub mod saved;
mod scan;
mod session;
mod settings;
mod skip;
mod statistics;
mod subqueries;
mod topk;

#[cfg(test)]
mod tests;

pub use addresses::AddressBlock;
pub use engine::{Engine, Question, Request, Scope};
pub use filter::{Filter, FilterError};
pub use narrow::Narrowing;
pub use pattern::ActionPattern;
pub use places::Meter;
pub use provider::Pushdown;
pub use running::{Cost, Running};
pub use settings::Settings;
pub use statistics::Statistics;
pub use topk::FirstEvents;
