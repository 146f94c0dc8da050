//! What an export is, as it is stored: the job, a step for each file that is complete, the end.
//!
//! In and out: JSON documents. Guaranteed: none is ever changed; of two that are to be the same one (two ends, say) the first
//! that is stored is the one that holds; what this version does not know is refused, not left out.

use std::{collections::BTreeMap, fmt};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    destination::Destination,
    encode::{Compression, Format},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    query::{Filter, browse::Place},
    telemetry,
};

/// The version of all documents.
pub(super) const VERSION: u32 = 1;
const PREFIX: &str = "exp_";
const DIGITS: usize = 32;

/// Names an export; later ones sort later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExportId(String);

impl ExportId {
    /// One that nobody has.
    pub(super) fn new() -> Self {
        Self(format!("{PREFIX}{}", telemetry::unique_id().simple()))
    }

    /// # Errors
    /// [`ErrorKind::NotFound`]: no export has such an id.
    pub fn parse(text: &str) -> Result<Self> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == DIGITS);
        match digits.is_some_and(|digits| digits.bytes().all(hex)) {
            true => Ok(Self(text.to_owned())),
            false => Err(Error::new(ErrorKind::NotFound, format!("export '{text}' does not exist"))),
        }
    }

    /// `exp_…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ExportId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<ExportId> for String {
    fn from(id: ExportId) -> Self {
        id.0
    }
}

/// What to export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// Whole events.
    Filter(Box<Filter>),
    /// The answer to a question.
    Sql {
        /// The text.
        text: String,
        /// Its parameters.
        params: Map<String, Value>,
        /// The saved query that it is, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
    },
}

/// Which state of the log is exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The version of the Delta table then.
    pub table_version: Option<u64>,
    /// Events committed before this number.
    pub seq_before: i64,
    /// Events that are read and sorted at once.
    pub stretch_rows: u64,
    /// The days that it had, and how many events each; only days that the filter's times leave.
    pub days: BTreeMap<NaiveDate, u64>,
}

/// An export as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The form of the document: 1.
    pub version: u32,
    /// Which.
    pub id: ExportId,
    /// Whose log.
    pub tenant_id: TenantId,
    /// When it was asked for, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Who asked: the id of a principal.
    pub by: String,
    /// What.
    pub what: What,
    /// How it is written.
    pub format: Format,
    /// And compressed.
    pub compression: Compression,
    /// Where to.
    pub destination: Destination,
    /// Which state of the log.
    pub pinned: Pinned,
}

/// One file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name in the destination.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, in lowercase hexadecimal.
    pub sha256: String,
    /// The first and the last event in it, if it is of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
}

/// What the events of a file span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// When the first occurred, in microseconds since 1970.
    pub first_occurred_at: i64,
    /// When the last occurred.
    pub last_occurred_at: i64,
    /// The smallest `seq`.
    pub seq_min: i64,
    /// The largest.
    pub seq_max: i64,
}

/// Where an export of events goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// In which stretch of the log, see [`super::plan`].
    pub(super) stretch: usize,
    /// After which event of it.
    pub(super) after: Option<Place>,
}

/// A file is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// The form of the document: 1.
    pub(super) version: u32,
    /// The file.
    pub(super) file: File,
    /// Where the next one begins.
    pub(super) next: Position,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// Everything is at its destination, the manifest included.
    Completed,
    /// Someone did not want it any more.
    Cancelled,
    /// It cannot be done.
    Failed,
}

/// The end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The form of the document: 1.
    pub version: u32,
    /// How.
    pub state: EndState,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// All files.
    pub files: Vec<File>,
    /// The first day that retention still kept at the end, if it had taken some of those pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_from: Option<NaiveDate>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch ids that another tenant's folder or no folder could be reached by.
    #[test]
    fn only_our_ids_are_ids() {
        let id = ExportId::new();
        assert_eq!(ExportId::parse(id.as_str()).unwrap(), id);
        for wrong in
            ["", "exp_", "exp_../../control", "exp_0123456789abcdef0123456789ABCDEF", &id.as_str()[1..]]
        {
            assert_eq!(ExportId::parse(wrong).unwrap_err().kind(), ErrorKind::NotFound, "{wrong}");
        }
    }
}
