//! Whole queries over small lakes made by hand.

mod addresses;
mod answers;
mod comparisons;
mod dialect;
mod differential;
mod filter;
pub(crate) mod fixture;
mod greedy;
mod limits;
mod lists;
mod narrow;
mod needle;
mod order;
mod precedence;
mod spans;
mod stretch;
mod subqueries;
mod topk;
mod value_subqueries;
mod values_in_functions;
