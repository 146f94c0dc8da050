//! How many events of each action and outcome a piece of a file holds: what counts are answered from.
//!
//! In: batches. Out: exact counts. Guaranteed: the counts of a piece add up to its rows. A piece with more than
//! [`COUNTED_MAX`] different pairs has none, and its file is then counted by reading it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

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
pub(crate) struct Count(pub(crate) String, pub(crate) Option<String>, pub(crate) u64);

/// The counts of one piece; `None` if there would be too many.
pub(crate) type PieceCounts = Option<Vec<Count>>;

/// The counts of all pieces of a segment, as they are kept in memory: each kind of event is there once and has a number, so
/// that adding up the counts of a thousand files looks at no text.
#[derive(Debug, Default)]
pub struct SegmentCounts {
    kinds: Vec<(String, Option<String>)>,
    /// For each piece its counts by the number of their kind; `None` if there would be too many.
    pieces: Vec<Option<Vec<(u32, u64)>>>,
}

impl SegmentCounts {
    pub(crate) fn new(pieces: Vec<PieceCounts>) -> Self {
        let mut kinds: HashMap<(String, Option<String>), u32> = HashMap::new();
        let mut numbered = |Count(action, outcome, count)| {
            let next = kinds.len() as u32;
            (*kinds.entry((action, outcome)).or_insert(next), count)
        };
        let pieces =
            pieces.into_iter().map(|piece| Some(piece?.into_iter().map(&mut numbered).collect())).collect();
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, number)| *number);
        Self { kinds: kinds.into_iter().map(|(kind, _)| kind).collect(), pieces }
    }

    /// Action and outcome of each kind, by its number.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.kinds.iter().map(|(action, outcome)| (action.as_str(), outcome.as_deref()))
    }

    fn piece(&self, piece: usize) -> Option<&[(u32, u64)]> {
        self.pieces.get(piece)?.as_deref()
    }

    /// The counts of one piece as they are stored.
    pub(crate) fn stored(&self, piece: usize) -> PieceCounts {
        let counts = self.piece(piece)?.iter().map(|(kind, count)| {
            let (action, outcome) = self.kinds[*kind as usize].clone();
            Count(action, outcome, *count)
        });
        Some(counts.collect())
    }

    /// Memory that they take, about.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let kind = |(action, outcome): &(String, Option<String>)| {
            size_of::<(String, Option<String>)>() + action.len() + outcome.as_ref().map_or(0, String::len)
        };
        let piece = |counts: &Option<Vec<(u32, u64)>>| {
            size_of::<Option<Vec<(u32, u64)>>>()
                + counts.as_ref().map_or(0, |counts| size_of_val(counts.as_slice()))
        };
        (self.kinds.iter().map(kind).sum::<usize>() + self.pieces.iter().map(piece).sum::<usize>()) as u64
    }
}

/// The counts of a file: those of its pieces.
#[derive(Clone, Debug, Default)]
pub struct FileCounts {
    pieces: Vec<(Arc<SegmentCounts>, usize)>,
}

impl FileCounts {
    /// The counts of each piece, by the numbers that its segment gives to kinds.
    pub fn pieces(&self) -> impl Iterator<Item = (&Arc<SegmentCounts>, &[(u32, u64)])> {
        self.pieces.iter().filter_map(|(segment, piece)| Some((segment, segment.piece(*piece)?)))
    }

    /// All events that are counted.
    pub(crate) fn total(&self) -> u64 {
        self.pieces().flat_map(|(_, counts)| counts).map(|(_, count)| count).sum()
    }

    /// Adds a piece; `false` if there are no counts of it.
    pub(crate) fn add(&mut self, counts: &Arc<SegmentCounts>, piece: usize) -> bool {
        self.pieces.push((Arc::clone(counts), piece));
        counts.piece(piece).is_some()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch counts that a merge of segments writes otherwise than it read them: a kind that takes another's number, and
    /// a piece without counts that becomes one of no events.
    #[test]
    fn counts_come_back_as_they_were_stored() {
        let count = |action: &str, outcome: Option<&str>, events| {
            Count(action.to_owned(), outcome.map(str::to_owned), events)
        };
        let stored = vec![
            Some(vec![count("user.login", Some("failure"), 3), count("user.login", None, 1)]),
            None,
            Some(vec![]),
            Some(vec![count("user.login", None, 7), count("document.read", Some("failure"), 9)]),
        ];
        let segment = SegmentCounts::new(stored.clone());
        let pieces: Vec<PieceCounts> = (0..stored.len()).map(|piece| segment.stored(piece)).collect();
        assert_eq!(pieces, stored);
        assert_eq!(segment.kinds().count(), 3);
    }
}
