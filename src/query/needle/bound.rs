//! Which files a filter that changes while the query runs has no more use for.
//!
//! In: such filters, and a file with the statistics that the Delta log has of it. Out: whether it may have a row that is still
//! wanted. Guaranteed: a file with a row that passes now is wanted; a filter that nothing can be concluded from wants all.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::{
    physical_expr::{PhysicalExpr, conjunction, utils::reassign_expr_columns},
    physical_expr_common::physical_expr::{snapshot_generation, snapshot_physical_expr},
    physical_optimizer::pruning::PruningPredicate,
};

use super::NeedleFile;
use crate::query::{columns, prune};

/// The filters, and what they were last time.
#[derive(Debug)]
pub(super) struct Bound {
    filter: Option<Arc<dyn PhysicalExpr>>,
    compiled: Mutex<Compiled>,
}

#[derive(Debug, Default)]
struct Compiled {
    generation: u64,
    predicate: Option<Arc<PruningPredicate>>,
}

impl Bound {
    pub(super) fn new(filters: &[Arc<dyn PhysicalExpr>]) -> Self {
        let filter = (!filters.is_empty()).then(|| conjunction(filters.iter().cloned()));
        Self { filter, compiled: Mutex::default() }
    }

    /// Whether `file` may have a row that passes.
    pub(super) fn still_wants(&self, file: &NeedleFile) -> bool {
        let predicate = self.filter.as_ref().and_then(|filter| self.predicate(filter));
        predicate.is_none_or(|predicate| prune::may_match(&predicate, &file.snapshot, &file.kept.file))
    }

    /// What the filters are now.
    fn predicate(&self, filter: &Arc<dyn PhysicalExpr>) -> Option<Arc<PruningPredicate>> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = snapshot_generation(filter);
        if compiled.generation != generation {
            let now = snapshot_physical_expr(Arc::clone(filter))
                .and_then(|now| reassign_expr_columns(now, &columns::table_columns()));
            let predicate = now.ok().and_then(|now| prune::compile(&now)).map(Arc::new);
            *compiled = Compiled { generation, predicate };
        }
        compiled.predicate.clone()
    }
}
