//! Whole queries over small lakes made by hand.

mod addresses;
mod answers;
mod comparisons;
mod dialect;
mod differential;
pub(crate) mod fixture;
mod greedy;
mod limits;
mod narrow;
mod needle;
mod precedence;
mod spans;
mod stretch;
mod subqueries;
mod topk;
