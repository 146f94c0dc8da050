//! What the process knows of its surroundings and tells about itself: clock, randomness, memory, log, metrics.
//!
//! The wall clock and randomness are asked for here and nowhere else, so that a test can stand in for both.

mod clock;
pub mod log;
mod machine;
pub mod metrics;
mod random;

pub use clock::Clock;
pub use machine::memory_bytes;
pub use metrics::Metrics;
pub use random::{hex, random_bytes, random_hex, unique_id};
