//! How many events of each action and outcome a piece of a file holds: what counts are answered from.
//!
//! In: batches. Out: exact counts. Guaranteed: the counts of a piece add up to its rows. A piece with more than
//! [`COUNTED_MAX`] different pairs has none, and its file is then counted by reading it.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::DataType,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    limits::INDEX_COUNTED_MAX as COUNTED_MAX,
};

/// Action, outcome (which may be unknown), and how many events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count(pub String, pub Option<String>, pub u64);

/// The counts of one piece; `None` if there would be too many.
pub type PieceCounts = Option<Vec<Count>>;

/// Memory that the counts of a piece take, about.
pub(crate) fn memory_bytes(counts: &PieceCounts) -> u64 {
    let text = |Count(action, outcome, _): &Count| action.len() + outcome.as_ref().map_or(0, String::len);
    let counted = counts.iter().flatten();
    counted.map(|count| (size_of::<Count>() + text(count)) as u64).sum::<u64>()
        + size_of::<PieceCounts>() as u64
}

/// The counts of a file: those of its pieces.
#[derive(Clone, Debug, Default)]
pub struct FileCounts {
    pieces: Vec<(Arc<Vec<PieceCounts>>, usize)>,
}

impl FileCounts {
    /// Each count; what is counted may be there more than once.
    pub fn iter(&self) -> impl Iterator<Item = &Count> {
        self.pieces.iter().flat_map(|(counts, piece)| counts.get(*piece).into_iter().flatten().flatten())
    }

    /// Adds a piece; `false` if there are no counts of it.
    pub(crate) fn add(&mut self, counts: &Arc<Vec<PieceCounts>>, piece: usize) -> bool {
        let known = counts.get(piece).is_some_and(Option::is_some);
        self.pieces.push((Arc::clone(counts), piece));
        known
    }
}

/// Counts the rows of one piece.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    by_action: BTreeMap<String, BTreeMap<Option<String>, u64>>,
    different: usize,
}

impl Counter {
    /// Counts the rows of `batch`.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.different > COUNTED_MAX {
            return Ok(());
        }
        let column = |name: &str| {
            let array = batch.column_by_name(name).ok_or_else(|| {
                Error::new(ErrorKind::Internal, format!("a batch of events has no column '{name}' to count"))
            })?;
            cast(array, &DataType::Utf8View)
                .map_err(|cause| Error::with_source(ErrorKind::Internal, "count events", cause))
        };
        let (actions, outcomes) = (column("action")?, column("outcome")?);
        let (actions, outcomes) = (actions.as_string_view(), outcomes.as_string_view());
        for row in 0..batch.num_rows() {
            let outcome = outcomes.is_valid(row).then(|| outcomes.value(row));
            self.count(actions.value(row), outcome, 1);
        }
        Ok(())
    }

    fn count(&mut self, action: &str, outcome: Option<&str>, rows: u64) {
        if let Some(count) = self
            .by_action
            .get_mut(action)
            .and_then(|outcomes| outcomes.iter_mut().find(|(known, _)| known.as_deref() == outcome))
        {
            *count.1 += rows;
            return;
        }
        self.different += 1;
        let outcomes = self.by_action.entry(action.to_owned()).or_default();
        outcomes.insert(outcome.map(str::to_owned), rows);
    }

    /// The counts so far; the counter begins anew.
    pub(crate) fn take(&mut self) -> PieceCounts {
        let counted = std::mem::take(self);
        let pairs = counted.by_action.into_iter().flat_map(|(action, outcomes)| {
            outcomes.into_iter().map(move |(outcome, count)| Count(action.clone(), outcome, count))
        });
        (counted.different <= COUNTED_MAX).then(|| pairs.collect())
    }
}
