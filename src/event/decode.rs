//! Request bodies to columns, in one pass.
//!
//! In: the bytes of a request: one event, an array of events, or NDJSON (one event a line; blank lines are
//! skipped). Out: the good events as one batch of [`accepted_schema`], and for every bad one its index
//! (and line) with all its problems. A body that is not JSON as a whole is a [`DecodeError`]; in NDJSON every
//! line stands for itself, so that a broken one is a bad event.
//!
//! Accepted besides the documented event is WorkOS's body, `{"organization_id": …, "event": {…}}`, and its
//! names `organization_id` (`tenant_id`) and `context.location` (`context.ip_address`). A byte order mark is
//! skipped. `json` and `fields` keep what is kept in one byte form; `values` has the rules for single values.
//!
//! [`accepted_schema`]: super::schema::accepted_schema

mod batch;
mod fields;
mod json;
mod limits;
mod problems;
mod reader;
mod shape;
mod targets;
#[cfg(test)]
mod tests;
mod values;
mod whole;

use arrow::{
    array::{BooleanBufferBuilder, RecordBatch},
    buffer::BooleanBuffer,
};
use serde::{Deserialize, Serialize};

use self::{
    batch::BatchBuilder,
    fields::EventReader,
    problems::Path,
    reader::{Kind, Reader, SyntaxError},
};
pub use self::{limits::EventLimits, problems::FieldError, whole::without_seq};
use super::{TenantId, columns::Column};
use crate::{
    error::{Error, ErrorKind},
    limits::{REQUEST_BYTES_MAX, REQUEST_EVENTS_MAX},
};

/// How the actions of the log's own records begin.
pub const OWN_ACTIONS: &str = "auditlog.";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Size of a small event: how many rows to make room for.
const EVENT_BYTES_ESTIMATE: usize = 384;

/// How a body holds its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFormat {
    /// One JSON object, or an array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
}

/// What a request says about all its events.
#[derive(Clone, Debug)]
pub struct DecodeContext {
    /// The tenant of events that name none. An event that names another one is rejected at `/tenant_id`.
    pub tenant: Option<TenantId>,
    /// The moment of acceptance, microseconds since 1970: every row's `received_at`, and the clock against
    /// which `occurred_at` is checked.
    pub received_at_micros: i64,
    /// Whether these are records of the log itself: nobody else may send actions that begin with [`OWN_ACTIONS`].
    pub own: bool,
    /// How large an event may be.
    pub limits: EventLimits,
}

impl DecodeContext {
    /// Native events of other programs.
    pub const fn new(tenant: Option<TenantId>, received_at_micros: i64) -> Self {
        Self { tenant, received_at_micros, own: false, limits: EventLimits::NATIVE }
    }
}

/// A body's events.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The good events in the order they were sent: [`super::schema::accepted_schema`].
    pub batch: RecordBatch,
    /// For each row its event's index in the request, from 0.
    pub indexes: Vec<u32>,
    /// For NDJSON: for each row its line, from 1.
    pub lines: Option<Vec<u32>>,
    /// For each row whether its id came from the client; else it is a new UUIDv7.
    pub given_ids: BooleanBuffer,
    /// The bad events, by index.
    pub rejected: Vec<Rejected>,
    /// Number of events in the request, good and bad.
    pub total: usize,
}

/// A bad event and all that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Its index in the request, from 0; blank lines do not count.
    pub index: u32,
    /// For NDJSON: its line, from 1; blank lines do count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Its id, if it has a valid one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its problems: at least one, at most [`crate::limits::PROBLEMS_MAX`].
    pub errors: Vec<FieldError>,
}

/// Why a body as a whole was not read; nothing of it was accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not UTF-8 or not JSON.
    #[error("body is not JSON: {detail} at line {line}, column {column} (byte {offset})")]
    Syntax {
        /// What was found or expected.
        detail: String,
        /// Bytes before the place.
        offset: usize,
        /// Its line, from 1.
        line: usize,
        /// Its column in bytes, from 1.
        column: usize,
    },
    /// Larger than [`REQUEST_BYTES_MAX`].
    #[error("body has {0} bytes, more than the {REQUEST_BYTES_MAX} allowed: send it in parts")]
    TooLarge(usize),
    /// More events than [`REQUEST_EVENTS_MAX`].
    #[error("body has more than the {REQUEST_EVENTS_MAX} events allowed: send it in parts")]
    TooManyEvents,
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        let kind = match error {
            DecodeError::Syntax { .. } => ErrorKind::Invalid,
            DecodeError::TooLarge(_) | DecodeError::TooManyEvents => ErrorKind::Limit,
        };
        Error::new(kind, error.to_string())
    }
}

/// Decodes and checks all events of a body, already decompressed.
///
/// ```
/// use auditlake::event::decode::{BodyFormat, DecodeContext, decode};
///
/// let body = br#"[{"tenant_id": "acme", "action": "user.login", "occurred_at": "2026-11-22T03:04:05Z",
///                  "actor": {"type": "user", "id": "u_1"}},
///                 {"action": "user.login"}]"#;
/// let context = DecodeContext::new(None, 1_795_400_000_000_000);
/// let decoded = decode(body, BodyFormat::Json, &context).unwrap();
/// assert_eq!(decoded.batch.num_rows(), 1);
/// assert_eq!(decoded.rejected[0].index, 1);
/// assert_eq!(decoded.rejected[0].errors[0].pointer, "/occurred_at");
/// ```
pub fn decode(body: &[u8], format: BodyFormat, context: &DecodeContext) -> Result<Decoded, DecodeError> {
    if body.len() > REQUEST_BYTES_MAX {
        return Err(DecodeError::TooLarge(body.len()));
    }
    let mut decoder = Decoder::new(body.len(), format, context);
    match format {
        BodyFormat::Json => decoder.json(body)?,
        BodyFormat::Ndjson => decoder.lines(body)?,
    }
    Ok(decoder.finish())
}

/// The work on one body.
struct Decoder<'j> {
    events: EventReader<'j>,
    builder: BatchBuilder,
    received_at_micros: i64,
    indexes: Vec<u32>,
    lines: Option<Vec<u32>>,
    given_ids: BooleanBufferBuilder,
    rejected: Vec<Rejected>,
    total: usize,
}

impl<'j> Decoder<'j> {
    fn new(body_bytes: usize, format: BodyFormat, context: &'j DecodeContext) -> Self {
        let rows = (body_bytes / EVENT_BYTES_ESTIMATE + 1).min(REQUEST_EVENTS_MAX);
        Self {
            events: EventReader::new(context),
            builder: BatchBuilder::new(rows),
            received_at_micros: context.received_at_micros,
            indexes: Vec::with_capacity(rows),
            lines: (format == BodyFormat::Ndjson).then(|| Vec::with_capacity(rows)),
            given_ids: BooleanBufferBuilder::new(rows),
            rejected: Vec::new(),
            total: 0,
        }
    }

    /// One event or an array of events.
    fn json(&mut self, body: &'j [u8]) -> Result<(), DecodeError> {
        let mark = byte_order_mark(body);
        let text = simdutf8::compat::from_utf8(&body[mark..])
            .map_err(|error| located(body, mark + error.valid_up_to(), "invalid UTF-8"))?;
        let fail = |error: SyntaxError| located(body, mark + error.offset, &error.detail);
        let mut reader = Reader::new(text);
        if reader.peek().map_err(fail)? == Kind::Array {
            let mut more = reader.first_element().map_err(fail)?;
            while more {
                self.count()?;
                self.events.read(&mut reader).map_err(fail)?;
                self.settle(None);
                more = reader.next_element().map_err(fail)?;
            }
        } else {
            self.count()?;
            self.events.read(&mut reader).map_err(fail)?;
            self.settle(None);
        }
        reader.finish().map_err(fail)
    }

    /// One event a line.
    fn lines(&mut self, body: &'j [u8]) -> Result<(), DecodeError> {
        let body = &body[byte_order_mark(body)..];
        let ends = memchr::memchr_iter(b'\n', body).chain([body.len()]);
        let (mut start, mut number) = (0, 0);
        for end in ends {
            let line = &body[start..end];
            start = end + 1;
            number += 1;
            if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
                continue;
            }
            self.count()?;
            if let Err(error) = self.line(line) {
                let detail = format_args!("is not JSON: {} at column {}", error.detail, error.offset + 1);
                self.events.problems.push(&Path::Root, detail);
            }
            self.settle(Some(number));
        }
        Ok(())
    }

    fn line(&mut self, line: &'j [u8]) -> Result<(), SyntaxError> {
        let invalid = |error: simdutf8::compat::Utf8Error| SyntaxError {
            offset: error.valid_up_to(),
            detail: "invalid UTF-8".into(),
        };
        let text = simdutf8::compat::from_utf8(line).inspect_err(|_| self.events.clear()).map_err(invalid)?;
        let mut reader = Reader::new(text);
        self.events.read(&mut reader)?;
        reader.finish()
    }

    /// Counts an event that is about to be read.
    fn count(&mut self) -> Result<(), DecodeError> {
        if self.total == REQUEST_EVENTS_MAX {
            return Err(DecodeError::TooManyEvents);
        }
        self.total += 1;
        Ok(())
    }

    /// Keeps or rejects the event just read.
    fn settle(&mut self, line: Option<u32>) {
        let index = (self.total - 1) as u32;
        if !self.events.problems.is_empty() {
            let sent_id = self.events.event.get(Column::Id).filter(|_| !self.events.id_made);
            let id = sent_id.map(str::to_owned);
            let errors = self.events.problems.take();
            self.rejected.push(Rejected { index, line, id, errors });
            return;
        }
        self.builder.append(&self.events.event);
        self.indexes.push(index);
        if let (Some(lines), Some(line)) = (&mut self.lines, line) {
            lines.push(line);
        }
        self.given_ids.append(!self.events.id_made);
    }

    fn finish(mut self) -> Decoded {
        Decoded {
            batch: self.builder.finish(self.received_at_micros),
            indexes: self.indexes,
            lines: self.lines,
            given_ids: self.given_ids.finish(),
            rejected: self.rejected,
            total: self.total,
        }
    }
}

/// Length of the byte order mark at the start of `body`: 3 or 0.
fn byte_order_mark(body: &[u8]) -> usize {
    if body.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

fn located(body: &[u8], offset: usize, detail: &str) -> DecodeError {
    let before = &body[..offset.min(body.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    DecodeError::Syntax { detail: detail.to_owned(), offset, line, column: before.len() - line_start + 1 }
}
