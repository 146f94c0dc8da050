//! Every cap of the product in one table, unit last in the name; the README shows the same numbers.

/// Length of a tenant id.
pub const TENANT_ID_BYTES_MAX: usize = 64;
