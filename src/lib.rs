//! auditlake: the audit-log lake that a SaaS company runs in its own bucket.
//!
//! The modules are listed floor by floor; a file imports only floors below its own
//! (`tests/floors.rs` checks it). Data enters at the top, is kept at the bottom.
//!
//! | floor | rooms |
//! |---|---|
//! | 7 | [`cli`], [`config`], [`server`]: the program |
//! | 6 | [`http`]: the API |
//! | 5 | [`auth`]: who asks; [`rate`]: how much; [`logbook`]: what is told of it; [`export`]: what is handed over; [`erasure`]: what is forgotten |
//! | 4 | [`ingest`], [`compact`], [`retention`], [`query`], [`import`], [`generate`], [`verify`]: what it does |
//! | 3 | [`wal`], [`table`], [`index`], [`control`], [`evidence`]: what it keeps |
//! | 2 | [`store`], [`paths`]: where it keeps it |
//! | 1 | [`event`]: what an event is; [`seal`]: how secrets of others are kept |
//! | 0 | [`error`], [`limits`], [`telemetry`] |

pub mod cli;
pub mod config;
pub mod server;

pub mod http;

pub mod auth;
pub mod erasure;
pub mod export;
pub mod logbook;
pub mod rate;

pub mod compact;
pub mod generate;
pub mod import;
pub mod ingest;
pub mod query;
pub mod retention;
pub mod verify;

pub mod control;
pub mod evidence;
pub mod index;
pub mod table;
pub mod wal;

pub mod paths;
pub mod store;

pub mod event;
pub mod seal;

pub mod error;
pub mod limits;
pub mod telemetry;
