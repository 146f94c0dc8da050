//! The one integration binary: the library over real stores, and the real program over HTTP and the command line.

mod crash;
mod store;
mod support;
mod writers;
