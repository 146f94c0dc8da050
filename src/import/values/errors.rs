//! What can be wrong with a stream besides its values.

use std::io;

use crate::limits::IMPORT_VALUE_BYTES_MAX;

/// What is wrong where a stream is cut into values.
#[derive(Debug, thiserror::Error)]
pub(in crate::import) enum ValuesError {
    #[error("cannot be read: {0}")]
    Open(io::Error),
    #[error("line {0}: cannot be read from here on (is the file cut off?): {1}")]
    Read(u64, io::Error),
    #[error(
        "line {0}: does not start with '{{' or '[', so it is not JSON events; tables (CSV) are not read: export the log as JSON"
    )]
    NotJson(u64),
    #[error("{0}, which is not read: unpack it, or export the log as JSON")]
    OtherFormat(&'static str),
    #[error("line {0}: the value that starts here is longer than {IMPORT_VALUE_BYTES_MAX} bytes")]
    TooLong(u64),
    #[error(
        "line {0}: what starts here is longer than {IMPORT_VALUE_BYTES_MAX} bytes; reading goes on at a later line"
    )]
    LongLine(u64),
    #[error("line {0}: the file ends inside a value or array (is it cut off?)")]
    CutOff(u64),
    #[error("line {0}: a comma is missing before this element, which was read nevertheless")]
    NoComma(u64),
    #[error("line {line}: {found:?} where ',' or '}}' should be behind the list of records, which was read")]
    AfterList { line: u64, found: char },
    #[error("line {line}: the object has {name:?} besides the list of records that was read")]
    SecondList { line: u64, name: &'static str },
}

impl ValuesError {
    /// Whether nothing behind it can be read.
    pub(in crate::import) fn is_final(&self) -> bool {
        match self {
            Self::Open(_)
            | Self::Read(..)
            | Self::OtherFormat(_)
            | Self::NotJson(_)
            | Self::TooLong(_)
            | Self::CutOff(_) => true,
            Self::LongLine(_) | Self::NoComma(_) | Self::AfterList { .. } | Self::SecondList { .. } => false,
        }
    }

    /// Where it is; `None` if it is the whole stream.
    pub(in crate::import) fn line(&self) -> Option<u64> {
        Some(match self {
            Self::Open(_) | Self::OtherFormat(_) => return None,
            Self::Read(line, _) | Self::NotJson(line) | Self::TooLong(line) => *line,
            Self::LongLine(line) | Self::CutOff(line) | Self::NoComma(line) => *line,
            Self::AfterList { line, .. } | Self::SecondList { line, .. } => *line,
        })
    }
}
