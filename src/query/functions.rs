//! Functions that analysts know from PostgreSQL or DuckDB and the engine lacks, or has with another meaning.
//!
//! In: a session. Out: the session with the functions below. Guaranteed: a function here answers as PostgreSQL does, or refuses
//! what it does not know by name; no result is larger than a small multiple of its arguments.
//!
//! What is only another name, or can be said with functions that exist, is `dialect`'s; [`names`] has the lists.

mod arithmetic;
mod byte_length;
mod date_diff;
mod encoding;
mod frame;
mod hashes;
mod json_contains;
mod list_nulls;
pub(crate) mod names;
mod parse_time;
mod pattern;
mod regexp_match;
mod rounding;
mod span;
mod span_fields;
mod strftime;
mod text;
mod time_texts;
mod timezone;
mod to_char;

use std::sync::Arc;

use datafusion::{
    error::Result,
    execution::{FunctionRegistry, SessionState},
    logical_expr::ScalarUDF,
};

pub(crate) use span::{Spans, clock_in_words};

/// Adds what plans and rewrites operators and calls of the functions to a session.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    state.register_expr_planner(Arc::new(json_contains::Planner))?;
    state.register_expr_planner(Arc::new(arithmetic::Planner))?;
    state.register_function_rewrite(Arc::new(time_texts::TimeTexts))?;
    state.register_function_rewrite(Arc::new(span_fields::Fields))?;
    state.register_function_rewrite(Arc::new(list_nulls::ListNulls))?;
    state.register_function_rewrite(Arc::new(byte_length::LengthOfBytes))?;
    state.register_function_rewrite(Arc::new(arithmetic::Checked))?;
    state.register_function_rewrite(Arc::new(rounding::Rounding))
}

/// The functions; those of the same name that the engine has are to be replaced.
pub(crate) fn all() -> Vec<Arc<ScalarUDF>> {
    let mut all = vec![
        timezone::function(),
        timezone::cut(),
        byte_length::function(),
        regexp_match::function(),
        to_char::function(),
        date_diff::function(),
        json_contains::function(),
        rounding::function(),
        span::function(),
    ];
    all.extend(span_fields::functions());
    all.extend(list_nulls::functions());
    all.extend(arithmetic::functions());
    all.extend(parse_time::functions());
    all.extend(strftime::functions());
    all.extend(hashes::functions());
    all.extend(encoding::functions());
    all
}
