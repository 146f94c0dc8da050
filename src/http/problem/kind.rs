//! The kinds of problems: for each its name, its status, and what a client can do about it.
//!
//! Guaranteed: names are stable; the README's table of errors and the pages at `/problems/{name}` are made from here.

use axum::http::StatusCode;

macro_rules! kinds {
    ($($(#[doc = $about:literal])+ $kind:ident = $name:literal, $status:ident, $title:literal, $advice:literal;)+) => {
        /// What went wrong, in terms a client can act on: one `type` of RFC 9457 each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProblemType {
            $($(#[doc = $about])+ $kind,)+
        }

        impl ProblemType {
            /// All there are, by status.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The `type` member: a reference that stays, and that can be looked up.
            pub fn reference(self) -> &'static str {
                match self { $(Self::$kind => concat!("/problems/", $name)),+ }
            }

            /// The `title` member.
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title),+ }
            }

            /// What to do about it.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$kind => $advice),+ }
            }

            pub(super) fn code(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status),+ }
            }
        }
    };
}

kinds! {
    /// The request cannot be parsed; sending it again will not help.
    BadRequest = "bad-request", BAD_REQUEST, "The request cannot be parsed",
        "fix the body, parameter or header that `detail` names; sending it again as it is will not help";
    /// No key, or a wrong one.
    Unauthorized = "unauthorized", UNAUTHORIZED, "A valid key is required",
        "send `Authorization: Bearer KEY` with a key that is neither revoked nor expired";
    /// The key is good and lacks the scope.
    Forbidden = "forbidden", FORBIDDEN, "The key lacks the scope",
        "use a key with the scope that `detail` names";
    /// No such route or object, or not for this key.
    NotFound = "not-found", NOT_FOUND, "Not found",
        "check path and ids: what belongs to another tenant is not there for this key";
    /// The route exists, the method does not.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed",
        "use a method that the `Allow` header names";
    /// No format the client accepts can be produced.
    NotAcceptable = "not-acceptable", NOT_ACCEPTABLE, "No acceptable format",
        "accept `application/json`, or choose by `?format=`";
    /// The body did not arrive in time.
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The body did not arrive in time",
        "send again, in smaller pieces or faster; nothing was done";
    /// The request contradicts what is stored, or repeats one in flight.
    Conflict = "conflict", CONFLICT, "The request contradicts what is stored",
        "look at what is stored; if `detail` says that the first request is on its way, wait for it";
    /// It is not as `If-Match` says.
    PreconditionFailed = "precondition-failed", PRECONDITION_FAILED, "It is not as `If-Match` says",
        "someone else changed it: get it again, and change what you find there; nothing was done";
    /// The body is over a cap.
    ContentTooLarge = "content-too-large", PAYLOAD_TOO_LARGE, "The body is too large",
        "send less at once; the limits are in the documentation";
    /// A content type or encoding that is not read here.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "Unsupported content type or encoding",
        "send JSON or NDJSON in UTF-8, plain or packed with gzip or zstd";
    /// The range asked for has no byte of the file.
    RangeNotSatisfiable = "range-not-satisfiable", RANGE_NOT_SATISFIABLE, "The range is not in the file",
        "ask for a range that begins before the file's end; its size is in `detail`";
    /// The request was understood and is wrong.
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "The request is not valid",
        "fix what `pointer`, `parameter` or `detail` names; sending it again as it is will not help";
    /// Every event sent was refused.
    EventsRejected = "events-rejected", UNPROCESSABLE_ENTITY, "No event was accepted",
        "fix the events: `rejected` has each one's index and, by pointer, all that is wrong with it";
    /// Too much at the moment; `Retry-After` says when.
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Too many requests",
        "the server is full at the moment: send the same request again after `Retry-After`; nothing was done";
    /// A rate limit of the key, the tenant or the address.
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "A rate limit was reached",
        "send again after `Retry-After`; `policy` and `of` name the limit; nothing was done";
    /// A defect or damaged data.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error",
        "tell the operator the `request_id`: the log has the cause under it";
    /// The same request will work later.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable",
        "send the same request again, with pauses that grow; keep events' ids, so that none is stored twice";
    /// It took too long; what became of it is not known.
    Timeout = "timeout", SERVICE_UNAVAILABLE, "The server did not finish in time",
        "what became of it is not known: send events again with the same ids; look before making a change again";
}

impl ProblemType {
    /// The status code.
    pub fn status(self) -> u16 {
        self.code().as_u16()
    }

    /// The last part of [`reference`](Self::reference).
    pub fn name(self) -> &'static str {
        self.reference().trim_start_matches("/problems/")
    }
}
