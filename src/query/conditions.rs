//! Conditions of a question that is put without SQL: the text of a WHERE clause and the values in it, or filters of a scan.
//!
//! In: comparisons, one by one, with their values. Out: a clause with parameters, for a statement; or the same compiled. Guaranteed:
//! no value becomes text of a query; both say the same, for the one is read from the other.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use datafusion::{
    common::{
        DFSchemaRef, ParamValues,
        tree_node::{Transformed, TreeNode},
    },
    execution::SessionState,
    logical_expr::{Expr, simplify::SimplifyContext, utils::split_conjunction_owned},
    optimizer::simplify_expressions::ExprSimplifier,
};
use serde_json::{Map, Value};

use super::{columns, failure::failure, params, pattern::ActionPattern};
use crate::error::Result;

/// Conditions that all have to hold, and the values in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    all: Vec<String>,
    /// Values by the names of their parameters.
    pub(crate) params: Map<String, Value>,
}

impl Conditions {
    /// Makes a value a parameter; gives what stands for it in the text.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> String {
        let name = format!("p{}", self.params.len());
        let placeholder = format!("${name}");
        self.params.insert(name, value.into());
        placeholder
    }

    /// The same for a time.
    pub(crate) fn bind_time(&mut self, time: DateTime<Utc>) -> String {
        self.bind(time.to_rfc3339_opts(SecondsFormat::Micros, true))
    }

    /// That an action fits `pattern`.
    pub(crate) fn action(&mut self, pattern: &ActionPattern) -> String {
        match pattern.range() {
            None => format!("action = {}", self.bind(pattern.text())),
            Some((first, end)) => {
                let (first, end) = (self.bind(first), self.bind(end));
                format!("(action >= {first} AND action < {end})")
            }
        }
    }

    pub(crate) fn add(&mut self, condition: String) {
        self.all.push(condition);
    }

    pub(crate) fn add_any(&mut self, any: impl IntoIterator<Item = String>) {
        let any: Vec<String> = any.into_iter().collect();
        self.all.push(format!("({})", any.join(" OR ")));
    }

    pub(crate) fn add_time(&mut self, comparison: &str, time: Option<DateTime<Utc>>) {
        if let Some(time) = time {
            let time = self.bind_time(time);
            self.add(format!("{comparison} {time}"));
        }
    }

    /// `WHERE …`, or nothing.
    pub(crate) fn clause(&self) -> String {
        match self.all.is_empty() {
            true => String::new(),
            false => format!("WHERE {}", self.text()),
        }
    }

    fn text(&self) -> String {
        self.all.join(" AND ")
    }

    /// The same as filters of a scan, for whoever needs no plan: with the types and the constants that a plan would have.
    pub(crate) fn compile(&self, state: &SessionState) -> Result<Vec<Expr>> {
        if self.all.is_empty() {
            return Ok(Vec::new());
        }
        let columns = columns::planned_columns();
        let values = params::bind(&self.params, &self.params.keys().cloned().collect())?;
        let compiled = state
            .create_logical_expr(&self.text(), &columns)
            .and_then(|filter| with_values(filter, &values))
            .and_then(|filter| simplified(filter, state, &columns));
        Ok(split_conjunction_owned(compiled.map_err(failure)?))
    }
}

fn with_values(filter: Expr, values: &ParamValues) -> datafusion::error::Result<Expr> {
    let filled = filter.transform_up(|expr| match &expr {
        Expr::Placeholder(placeholder) => {
            let value = values.get_placeholders_with_values(&placeholder.id)?;
            Ok(Transformed::yes(Expr::Literal(value.value, None)))
        }
        // An operator of JSON is a function under the operator's name.
        Expr::Alias(alias) => Ok(Transformed::yes(alias.expr.as_ref().clone())),
        _ => Ok(Transformed::no(expr)),
    });
    filled.map(|filled| filled.data)
}

/// `filter` with the types and the constants that a plan would have.
pub(crate) fn simplified(
    filter: Expr,
    state: &SessionState,
    columns: &DFSchemaRef,
) -> datafusion::error::Result<Expr> {
    let context = SimplifyContext::builder()
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .with_schema(Arc::clone(columns))
        .with_config_options(Arc::clone(state.config_options()))
        .build();
    let simplifier = ExprSimplifier::new(context);
    simplifier.simplify(simplifier.coerce(filter, columns)?)
}
