//! Values of JSON columns (`metadata->'amount'`) as what they are: numbers, texts, truth values.
//!
//! In: a statement in which JSON values are compared, computed with, aggregated, cast, sorted or grouped. Out: the same over plain
//! columns. Guaranteed: a number is a number whatever its form (`100`, `20.25`, `1e2`); a value that is no number is null where a number is
//! asked for, never an error, so that no answer depends on which other events lie in the same file; no number is rounded to fit
//! the other side of a comparison.
//!
//! `->` gives a union of types, of which the engine itself would compare one member only. It never gets that far: `rule` reads
//! a JSON value as the type of what it meets (`read`, `compare`), by the functions of `functions` (`numbers`). Where the engine wants to know types before the rule runs,
//! `planner` (operators) and `aggregates` tell it. All numbers of canonical events are doubles (RFC 8785), so `Float64` is exact.

mod aggregates;
mod calls;
mod compare;
mod functions;
mod numbers;
mod one_of;
mod planner;
mod read;
mod rule;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::{
    error::Result,
    execution::{SessionState, SessionStateBuilder},
    logical_expr::{ScalarUDF, expr_rewriter::FunctionRewrite, planner::ExprPlanner},
};

pub(crate) use self::{
    aggregates::with_numbers as aggregates, calls::with_json_values, compare::is_comparison,
    functions::JSON_NUMBER, numbers::number_text, rule::JsonValues,
};

/// What `datafusion-functions-json` registers.
fn library() -> Result<SessionState> {
    let mut state = SessionStateBuilder::new().build();
    datafusion_functions_json::register_all(&mut state)?;
    Ok(state)
}

/// The functions over JSON.
pub(crate) fn functions() -> Result<Vec<Arc<ScalarUDF>>> {
    let library = library()?;
    let mut all: Vec<_> = library.scalar_functions().values().cloned().collect();
    all.extend(functions::all());
    Ok(all)
}

/// What plans operators: ours first, then `others`, then those of JSON (`->`).
pub(crate) fn planners(others: Vec<Arc<dyn ExprPlanner>>) -> Result<Vec<Arc<dyn ExprPlanner>>> {
    let ours: Arc<dyn ExprPlanner> = Arc::new(planner::JsonOperands);
    Ok(std::iter::once(ours).chain(others).chain(library()?.expr_planners().iter().cloned()).collect())
}

/// What the library rewrites: a cast of a JSON value to text, calls within calls. Ours come before.
fn rewrites() -> Result<Vec<Arc<dyn FunctionRewrite + Send + Sync>>> {
    Ok(library()?.analyzer().function_rewrites().to_vec())
}
