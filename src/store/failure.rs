//! Errors of an object store, sorted into what a caller can do: retry later, or call an operator.
//!
//! Messages have the form "operation object: reason". object_store keeps the types of its HTTP errors to itself but
//! for [`HttpError`], so a status that it has no variant for is read from the text it documents; a test against a
//! real socket holds it to that.

use std::{error::Error as StdError, io};

use object_store::{client::HttpError, path::Path};

use crate::error::{Error, ErrorKind};

/// Text that object_store puts before an HTTP status without a variant of its own.
const STATUS_PREFIX: &str = "Server returned non-2xx status code: ";
/// Text that object_store puts before a body that says `SlowDown` or `InternalError` under status 200.
const ERROR_BODY_PREFIX: &str = "Server returned error response: ";

/// What a refused deletion says: of one of many objects, of all of them, and MinIO. Other errors have the status 403 as well, such as that
/// of a clock that is wrong.
const REFUSED: [&str; 3] = ["(code: AccessDenied)", "<Code>AccessDenied</Code>", "WORM protected"];

/// The crate's error for a failed operation on `path`.
pub(super) fn operation_failed(operation: &str, path: &Path, error: object_store::Error) -> Error {
    let kind = kind(&error);
    let message = format!("{operation} {path}: {}", reason(&error));
    Error::with_source(kind, message, error)
}

/// Whether the error says that the object does not exist: a missing bucket is not a missing object.
pub(super) fn is_absent(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. }) && !error.to_string().contains("NoSuchBucket")
}

/// Whether the error of a deletion says that the object may not be deleted. S3 deletes many objects with one request, whose
/// answer has a code for each.
pub(super) fn is_refused(error: &object_store::Error) -> bool {
    let reason = reason(error);
    REFUSED.iter().any(|text| reason.contains(text))
}

/// `Unavailable` for what may pass by itself, `NotFound` for an absent object, `Internal` for the rest.
pub(super) fn kind(error: &object_store::Error) -> ErrorKind {
    use object_store::Error as Store;
    match error {
        Store::NotFound { .. } if is_absent(error) => ErrorKind::NotFound,
        // A conditional write met another one under way (see `Store::put_if_absent`).
        Store::AlreadyExists { .. } => ErrorKind::Unavailable,
        Store::Generic { source, .. } if is_transient(&**source) => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}

/// The innermost text that still tells everything: object_store's "Generic S3 error" tells nothing.
pub(super) fn reason(error: &object_store::Error) -> String {
    match error {
        object_store::Error::Generic { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

/// Whether a request never got a proper answer.
fn is_transport(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|cause| cause.is::<HttpError>())
}

fn is_transient(error: &(dyn StdError + 'static)) -> bool {
    is_transport(error) || chain(error).any(is_transient_io) || has_transient_status(&error.to_string())
}

fn is_transient_io(error: &(dyn StdError + 'static)) -> bool {
    use io::ErrorKind as Io;
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    // Space can be made while the server runs; a broken disk or a lost permission needs an operator.
    matches!(
        kind,
        Some(Io::StorageFull | Io::QuotaExceeded | Io::Interrupted | Io::TimedOut | Io::ResourceBusy)
    )
}

fn has_transient_status(text: &str) -> bool {
    matches!(status(text), Some(408 | 429 | 500..)) || text.contains(ERROR_BODY_PREFIX)
}

/// The HTTP status in the text of an error, if a server answered at all. Listings report no status in any other way.
pub(super) fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once(STATUS_PREFIX)?;
    rest.get(..3)?.parse().ok()
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(source: impl Into<Box<dyn StdError + Send + Sync>>) -> object_store::Error {
        object_store::Error::Generic { store: "test", source: source.into() }
    }

    /// Would catch a full disk that stops the server for good, or a broken one that is retried for ever.
    #[test]
    fn disk_errors_are_sorted() {
        for (io, expected) in [
            (io::ErrorKind::StorageFull, ErrorKind::Unavailable),
            (io::ErrorKind::TimedOut, ErrorKind::Unavailable),
            (io::ErrorKind::PermissionDenied, ErrorKind::Internal),
            (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::Internal),
            (io::ErrorKind::Other, ErrorKind::Internal),
        ] {
            assert_eq!(kind(&generic(io::Error::from(io))), expected, "{io:?}");
        }
    }

    /// Would catch a bucket deleted under a running server that looks like a store without events.
    #[test]
    fn a_missing_bucket_is_not_a_missing_object() {
        let not_found = |text: &str| object_store::Error::NotFound { path: "a".into(), source: text.into() };
        assert!(is_absent(&not_found("<Code>NoSuchKey</Code>")));
        assert!(!is_absent(&not_found("<Code>NoSuchBucket</Code>")));
        assert_eq!(kind(&not_found("<Code>NoSuchBucket</Code>")), ErrorKind::Internal);
    }

    /// Would catch a locked object that ends a sweep, and a failure that passes for a lock.
    #[test]
    fn refused_deletions_are_known() {
        let failed =
            |code: &str| generic(format!("DeleteObjects request failed for key a: no (code: {code})"));
        assert!(is_refused(&failed("AccessDenied")));
        assert!(is_refused(&generic(format!("{STATUS_PREFIX}403 Forbidden: <Code>AccessDenied</Code>"))));
        let skewed = format!("{STATUS_PREFIX}403 Forbidden: <Code>RequestTimeTooSkewed</Code>");
        assert!(!is_refused(&generic(skewed)));
        for code in ["InternalError", "SlowDown", "NoSuchBucket"] {
            assert!(!is_refused(&failed(code)), "{code}");
        }
        assert!(!is_refused(&generic(io::Error::from(io::ErrorKind::PermissionDenied))));
    }

    /// Would catch "SlowDown" under status 200 taken for a permanent error, and text without a status that panics.
    #[test]
    fn statuses_are_read_from_text() {
        assert_eq!(
            kind(&generic(format!("{ERROR_BODY_PREFIX}<Code>SlowDown</Code>"))),
            ErrorKind::Unavailable
        );
        assert_eq!(kind(&generic(format!("{STATUS_PREFIX}429 Too Many Requests"))), ErrorKind::Unavailable);
        for text in ["", STATUS_PREFIX, "Server returned non-2xx status code: é"] {
            assert_eq!((status(text), kind(&generic(text))), (None, ErrorKind::Internal), "{text}");
        }
    }

    /// Would catch a message that does not say what was done to which object, or that begins with object_store's noise.
    #[test]
    fn messages_name_operation_and_object() {
        let error = operation_failed("put", &Path::from("wal/1"), generic("disk on fire"));
        assert_eq!(error.to_string(), "put wal/1: disk on fire");
    }
}
