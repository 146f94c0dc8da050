//! The one integration binary: the library over real stores, and the real program over HTTP and the command line.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod api;
mod beside;
mod cloudtrail;
mod command_line;
mod connections;
mod continuous;
mod control;
mod crash;
mod duplicates;
mod erasure;
mod evidence;
mod export;
mod export_formats;
mod faults;
mod floors;
mod import_cases;
mod in_place;
mod investigations;
mod keys;
mod lock;
mod readers;
mod readiness;
mod readme;
mod recovery;
mod retention;
mod saas;
mod saved;
mod shell;
mod shutdown;
mod skip_index;
mod store;
mod support;
mod visibility;
mod writers;
