//! DataFusion's errors in our kinds.
//!
//! In: an error from planning or running a query. Out: whose fault it is: the text of the query, a limit, the
//! store, or a defect of ours; and one line that says what is wrong, in the words of SQL: no list of candidates, no names of
//! the engine's types. The whole chain stays as the source, for the log.

mod instead;
mod message;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use crate::error::{Error, ErrorKind};

/// How a spill limit reads after it has passed through an Arrow writer, which keeps the text only.
const SPILL_LIMIT: &str = "used disk space during the spilling";
/// How a failed read of a footer reads: the Parquet reader keeps the text only.
const STORE_FAILED: &str = "Object Store error";
/// How a pattern that cannot be read reads, whoever reads it.
const PATTERN: &str = "regex parse error";

/// The kind and message for the client. What failed in the store or in this program keeps its whole chain as the source, for the log; of
/// a wrong statement and of a limit the message says all, and the command line would print the engine's words after it.
pub(crate) fn failure(error: DataFusionError) -> Error {
    let root = error.find_root();
    // Several errors are several complaints about one text; the first says enough.
    let root = match root {
        DataFusionError::Collection(errors) => errors.first().map_or(root, DataFusionError::find_root),
        one => one,
    };
    let (kind, message) = (kind(root), message(root));
    match kind {
        ErrorKind::Invalid | ErrorKind::Limit => Error::new(kind, message),
        _ => Error::with_source(kind, message, error),
    }
}

fn kind(root: &DataFusionError) -> ErrorKind {
    match root {
        DataFusionError::External(cause) => match cause.downcast_ref::<Error>() {
            Some(own) => own.kind(),
            None if cause.to_string().contains(PATTERN) => ErrorKind::Invalid,
            None => ErrorKind::Internal,
        },
        DataFusionError::ResourcesExhausted(_) => ErrorKind::Limit,
        DataFusionError::ArrowError(cause, _) => match &**cause {
            ArrowError::IoError(text, _) if text.contains(SPILL_LIMIT) => ErrorKind::Limit,
            ArrowError::IoError(..) => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        },
        DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Execution(_) => ErrorKind::Invalid,
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => ErrorKind::Unavailable,
        DataFusionError::ParquetError(cause) if cause.to_string().contains(STORE_FAILED) => {
            ErrorKind::Unavailable
        }
        DataFusionError::ParquetError(_) => ErrorKind::Corrupt,
        DataFusionError::Internal(text) if text.contains(PATTERN) => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    }
}

fn message(error: &DataFusionError) -> String {
    match error {
        DataFusionError::ResourcesExhausted(text) => {
            format!("query: query needs more memory or disk than its share: {text}")
        }
        other => format!("query: {}", message::one_line(&other.message())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a limit or a user's mistake reported as our defect, and the other way round.
    #[test]
    fn kinds_follow_the_root() {
        let kind = |error: DataFusionError| failure(error).kind();
        assert_eq!(kind(DataFusionError::Plan("x".into())), ErrorKind::Invalid);
        assert_eq!(kind(DataFusionError::ResourcesExhausted("x".into()).context("sort")), ErrorKind::Limit);
        assert_eq!(kind(DataFusionError::Internal("x".into())), ErrorKind::Internal);
        let own = Error::new(ErrorKind::Busy, "full");
        assert_eq!(kind(DataFusionError::External(Box::new(own))), ErrorKind::Busy);
    }

    /// Would catch a wrong statement whose error is told twice on the command line, the second time in the engine's words, and a failure of
    /// the store whose cause the log does not have.
    #[test]
    fn causes_are_kept_for_what_is_nobodys_mistake() {
        let wrong = failure(DataFusionError::Plan("no such column\nCandidates: Utf8View".into()));
        assert_eq!(wrong.report(), wrong.to_string());
        assert!(!wrong.report().contains('\n'), "{}", wrong.report());
        let io = DataFusionError::IoError(std::io::Error::other("disk full"));
        assert!(failure(io).report().contains("disk full"));
    }
}
