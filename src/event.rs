//! The event: its identifiers, its columns, how JSON becomes columns and how columns become JSON again.
//!
//! In: request bodies (one event, an array, NDJSON). Out: Arrow record batches of
//! [`schema::accepted_schema`], or for each bad event all that is wrong with it. Guaranteed: an accepted
//! event has one canonical byte form (RFC 8785), and a stored row gives those bytes back.

pub mod canonical;
mod columns;
pub mod decode;
pub mod derived;
mod jcs;
mod members;
#[cfg(test)]
pub(crate) mod properties;
pub mod schema;
pub mod sealed;
mod tenant;
mod text;

pub use tenant::TenantId;
pub(crate) use text::Text;
