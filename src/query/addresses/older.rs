//! Files that may hold an address in a text that is not canonical.
//!
//! In: a file's statistics; a plan that reads such files. Out: whether it may hold one; the plan, whose addresses are canonical.
//! Guaranteed: no file with such a text is missed, so that old files give the same answers as new ones; files of today cost nothing.
//!
//! The texts in question all begin with `::ffff:` and a digit, so that the smallest and the largest address of a file tell: nearly all files
//! hold none. What is stored stays as it is, for it is what was proven and is exported. Above these plans it is seen by its canonical text;
//! filters are pushed down through the projection as they are, about that text, so that neither statistics nor pages of
//! the stored text rule out a row.

use std::sync::Arc;

use datafusion::{
    config::ConfigOptions,
    error::Result,
    physical_expr::{PhysicalExpr, ScalarFunctionExpr, expressions::Column},
    physical_plan::{
        ExecutionPlan,
        projection::{ProjectionExec, ProjectionExpr},
    },
    scalar::ScalarValue,
};

use super::canonical;
use crate::{query::columns::IP_ADDRESS, table::snapshot::DataFile};

/// No such text sorts before this, or after [`LAST`].
const FIRST: &str = "::ffff:0";
/// See [`FIRST`]: what follows a digit there sorts below this.
const LAST: &str = "::ffff::";

/// Whether some address of the file may have a text that is not canonical.
pub(crate) fn may_hold_mapped(file: &DataFile) -> bool {
    let Some(stats) = file.stats.get(IP_ADDRESS) else { return true };
    let text = |bound: &Option<ScalarValue>| {
        bound.as_ref().map(|bound| bound.try_as_str().flatten().map(str::to_owned))
    };
    match (text(&stats.min), text(&stats.max)) {
        // What is cut short is below, or above, what it was.
        (Some(Some(min)), Some(Some(max))) => min.as_str() < LAST && max.as_str() >= FIRST,
        (None, None) => stats.null_count != Some(file.rows),
        _ => true,
    }
}

/// `plan` with canonical text in the column of addresses, if it has it.
pub(crate) fn with_canonical(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    if schema.index_of(IP_ADDRESS).is_err() {
        return Ok(plan);
    }
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
        let value = match field.name().as_str() {
            IP_ADDRESS => {
                let (options, function) = (Arc::new(ConfigOptions::default()), canonical::of_stored());
                Arc::new(ScalarFunctionExpr::new(
                    canonical::NAME,
                    function,
                    vec![column],
                    Arc::clone(field),
                    options,
                ))
            }
            _ => column,
        };
        ProjectionExpr::new(value, field.name().clone())
    });
    Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?))
}
