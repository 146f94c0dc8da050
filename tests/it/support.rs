//! What tests lean on: a real S3 server, a store that fails on demand.

pub(crate) mod faulty;
pub(crate) mod s3;
