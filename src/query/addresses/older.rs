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
    let is_text = |bound: &ScalarValue| matches!(bound.try_as_str(), Some(Some(_)));
    match (&stats.min, &stats.max) {
        // What is cut short is below, or above, what it was.
        (Some(min), Some(max)) if is_text(min) && is_text(max) => {
            min.try_as_str().flatten() < Some(LAST) && max.try_as_str().flatten() >= Some(FIRST)
        }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::NaiveDate;

    use super::*;
    use crate::table::snapshot::ColumnStats;

    fn file(addresses: &[&str]) -> DataFile {
        let bound = |bound: Option<&&str>| bound.map(|text| ScalarValue::from(*text));
        let stats = ColumnStats {
            min: bound(addresses.iter().min()),
            max: bound(addresses.iter().max()),
            null_count: Some(10 - addresses.len() as u64),
            exact: true,
        };
        DataFile {
            path: "a".to_owned(),
            day: NaiveDate::default(),
            rows: 10,
            size_bytes: 1,
            added_at_ms: 0,
            stats: BTreeMap::from([(IP_ADDRESS, stats)]),
        }
    }

    /// Would catch an old file that is taken for a new one, and files without such addresses that are read the slower way.
    #[test]
    fn the_extremes_tell_whether_a_file_may_hold_one() {
        for old in [
            &["::ffff:0.0.0.0"][..],
            &["10.0.0.1", "::ffff:255.255.255.255"],
            &["::1", "::ffff:203.0.113.7", "fe80::1"],
            // Its extremes do not tell.
            &["10.0.0.1", "fe80::1"],
        ] {
            assert!(may_hold_mapped(&file(old)), "{old:?}");
        }
        for new in [
            &[][..],
            &["0.0.0.0", "255.255.255.255"],
            &["10.0.0.1", "2001:db8::1", "9999::1", "::1"],
            &["a::", "fe80::1"],
        ] {
            assert!(!may_hold_mapped(&file(new)), "{new:?}");
        }
        let mut unknown = file(&["10.0.0.1"]);
        unknown.stats.clear();
        assert!(may_hold_mapped(&unknown));
    }
}
