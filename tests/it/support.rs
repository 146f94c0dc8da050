//! What tests lean on: a real S3 server, a store that fails on demand, the real program, the library in lives that end
//! in a crash, and a record of what clients were told.

pub(crate) mod access;
pub(crate) mod faulty;
pub(crate) mod lake;
pub(crate) mod ledger;
pub(crate) mod locked;
pub(crate) mod place;
pub(crate) mod program;
pub(crate) mod s3;
pub(crate) mod server;
pub(crate) mod sts;
