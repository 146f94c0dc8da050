//! The one public error: a kind that says what to do, a message that names the object, and its cause.
//!
//! Modules keep small `thiserror` enums of their own; at a room's edge they turn into [`Error`].
//! Only the outermost floor turns a kind into an HTTP status or an exit code, and only it logs.

use std::{error::Error as StdError, fmt};

/// Shorthand used throughout the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is wrong; fix the input named in the message. HTTP 422 (400 where it cannot be parsed).
    Invalid,
    /// No credentials, or wrong ones. HTTP 401.
    Unauthorized,
    /// The credentials are good and do not reach so far. HTTP 403.
    Forbidden,
    /// The object named does not exist, or not for this principal. HTTP 404.
    NotFound,
    /// The request contradicts what is already stored. HTTP 409.
    Conflict,
    /// A documented limit was passed; ask for less. HTTP 413 for bodies, 422 for queries.
    Limit,
    /// Too much at the moment; the same request will work later. HTTP 429 with `Retry-After`.
    Busy,
    /// The store or the server cannot do it now; retry. Nothing was accepted, but for two cases of ingest in which that
    /// is not known and the message says so (see `Ingest::append`): send events again with the same ids. HTTP 503.
    Unavailable,
    /// Another writer took over; this process must stop. HTTP 503.
    Fenced,
    /// Stored data does not match its checksum or format; an operator must look. HTTP 500.
    Corrupt,
    /// A defect of auditlake itself. HTTP 500.
    Internal,
}

/// An error with its kind, a lowercase message that names the object and the value, and its cause.
///
/// ```
/// use auditlake::error::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::NotFound, "tenant 'acme' does not exist");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "tenant 'acme' does not exist");
/// ```
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    pointer: Option<Box<str>>,
}

impl Error {
    /// An error without an underlying cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None, pointer: None }
    }

    /// An error with the cause kept; the cause is shown by [`Error::report`], not by `Display`.
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(source.into()), pointer: None }
    }

    /// The same error, about one member of what was sent: `pointer` is a JSON pointer (RFC 6901) into it, as `/scopes`.
    ///
    /// ```
    /// use auditlake::error::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::Invalid, "a key needs at least one scope").about("/scopes");
    /// assert_eq!(error.pointer(), Some("/scopes"));
    /// ```
    #[must_use]
    pub fn about(mut self, pointer: impl Into<Box<str>>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// The member that it is about, if it is about one.
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message followed by every cause, for logs and the command line.
    pub fn report(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            let part = error.to_string();
            if !text.contains(&part) {
                text.push_str(": ");
                text.push_str(&part);
            }
            cause = error.source();
        }
        text
    }
}

/// The JSON pointer to member `name` of the object that `parent` points to (RFC 6901, section 3).
///
/// ```
/// assert_eq!(auditlake::error::pointer_to("/params", "a/b~c"), "/params/a~1b~0c");
/// ```
pub fn pointer_to(parent: &str, name: &str) -> String {
    format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.report())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a report that hides the cause an operator needs.
    #[test]
    fn report_lists_every_cause_once() {
        let inner =
            Error::with_source(ErrorKind::Unavailable, "put wal/1", std::io::Error::other("disk full"));
        let outer = Error::with_source(ErrorKind::Internal, "append failed", inner);
        assert_eq!(outer.report(), "append failed: put wal/1: disk full");
    }
}
