//! What can be wrong with a log.
//!
//! In: what was found. Out: findings that name it, of which a bounded number is kept and the rest counted.

use std::fmt;

use serde::Serialize;

use crate::limits::VERIFY_FINDINGS_MAX;

/// Sorts of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A stored event is not the one that its leaf was made of.
    Changed,
    /// An event is gone, and its removal is not signed.
    Missing,
    /// A row bears a number that there is no event of.
    Inserted,
    /// Two rows bear one number.
    Duplicate,
    /// An event stands in another day's partition, or another tenant's table, than it belongs to.
    Misplaced,
    /// A file cannot be read, or has another number of rows than the table's log says.
    File,
    /// A tile is missing, or is not what the tree above it was made of.
    Tile,
    /// A checkpoint is missing, or no key that is trusted signed it.
    Checkpoint,
    /// The log does not continue what it was when a checkpoint was kept.
    Rewritten,
    /// The table's log contradicts the tree.
    Log,
    /// A note about removed events is not to be believed.
    Removal,
    /// The skip index leaves out an event that is there.
    Index,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of which sort.
    pub kind: Kind,
    /// The first and the last event that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<(u64, u64)>,
    /// The id that the event bears, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The file, relative to the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// In words.
    pub detail: String,
}

impl Finding {
    /// About the log as a whole.
    pub fn new(kind: Kind, detail: String) -> Self {
        Self { kind, events: None, id: None, file: None, detail }
    }

    /// About the table's log.
    pub(super) fn log(detail: String) -> Self {
        Self::new(Kind::Log, detail)
    }

    /// About some events.
    pub(super) fn range(kind: Kind, first: u64, last: u64, detail: &str) -> Self {
        Self { events: Some((first, last)), ..Self::new(kind, detail.to_owned()) }
    }

    /// About a file.
    pub(super) fn file(file: &str, detail: String) -> Self {
        Self { file: Some(file.to_owned()), ..Self::new(Kind::File, detail) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = serde_json::to_value(self.kind).unwrap_or_default();
        write!(f, "{}", kind.as_str().unwrap_or_default())?;
        match self.events {
            Some((first, last)) if first == last => write!(f, " event {first}")?,
            Some((first, last)) => write!(f, " events {first} to {last}")?,
            None => {}
        }
        if let Some(id) = &self.id {
            write!(f, " (id {id:?})")?;
        }
        if let Some(file) = &self.file {
            write!(f, " in {file}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// Findings as they come.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    more: u64,
}

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        match self.kept.len() < VERIFY_FINDINGS_MAX {
            true => self.kept.push(finding),
            false => self.more += 1,
        }
    }

    /// Whether there is one of this sort.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.kept.iter().any(|finding| finding.kind == kind)
    }

    pub(super) fn take(&mut self) -> (Vec<Finding>, u64) {
        (std::mem::take(&mut self.kept), std::mem::take(&mut self.more))
    }
}
